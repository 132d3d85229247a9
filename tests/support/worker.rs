//! Worker processes: started, asked, frozen, killed.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::connector::Connector;
use super::hold::Hold;
use super::proc::send_signal;
use super::proxy::Proxy;
use super::reaper;
use super::rest::Rest;
use super::services::services;
use super::stage::Stage;
use super::wait::{PATIENCE, check, eventually};

/// Scaled down from the default of 10 s; a member that is killed or frozen is out after this long.
pub(crate) const SESSION: Duration = Duration::from_secs(3);

/// Of workers that only ever leave politely: one that did not, or that was found dead by mistake on a
/// busy machine, would be missed for so long.
pub(crate) const LONG_SESSION: Duration = Duration::from_secs(2 * PATIENCE.as_secs());

/// What a worker logs when a claim was taken from it. A broker that fences an epoch has other words.
pub(crate) const FENCED: &str = "FENCED: ";

/// A debug build on a busy machine.
const START_DEADLINE: Duration = PATIENCE;

/// How a worker is to be started.
#[derive(Default)]
pub(crate) struct Launch<'a> {
    name: String,
    failpoints: Vec<String>,
    database: Option<&'a Proxy>,
    kafka: Option<&'a Proxy>,
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    in_cluster: bool,
}

/// A worker process; killed when dropped.
pub(crate) struct Worker {
    pub(crate) name: String,
    pub(crate) rest: Rest,
    pub(crate) address: SocketAddr,
    child: Child,
    running: bool,
    log: PathBuf,
}

/// One task as the status of its connector shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) id: i64,
    pub(crate) state: String,
    pub(crate) trace: String,
}

impl<'a> Launch<'a> {
    /// A worker by this name (for logs and messages), with nothing special.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// What happens at a named point of its code, in the words of the crate `fail`.
    pub(crate) fn failpoint(mut self, point: &str, actions: &str) -> Self {
        require_failpoints();
        self.failpoints.push(format!("{point}={actions}"));
        self
    }

    /// It is held at a named point of its code until the test lets it go.
    pub(crate) fn hold(self, hold: &Hold) -> Self {
        require_failpoints();
        self.variable("ROWDOCK_HOLD", &hold.words())
    }

    /// It reaches the database through this proxy, if there is one.
    pub(crate) fn database(mut self, proxy: impl Into<Option<&'a Proxy>>) -> Self {
        self.database = proxy.into();
        self
    }

    /// It reaches Kafka through this proxy.
    pub(crate) fn kafka(mut self, proxy: &'a Proxy) -> Self {
        self.kafka = Some(proxy);
        self
    }

    /// One more `--set`.
    pub(crate) fn setting(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// One more variable of its environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// It is a worker of the stage's cluster.
    pub(crate) fn of_cluster(mut self, stage: &Stage) -> Self {
        self.in_cluster = true;
        let session = SESSION.as_millis().to_string();
        self.setting("group.id", &stage.unique("workers"))
            .setting("config.storage.topic", &stage.unique("configs"))
            .setting("config.storage.replication.factor", "-1")
            .setting("status.storage.topic", &stage.unique("statuses"))
            .setting("status.storage.replication.factor", "-1")
            .setting("session.timeout.ms", &session)
            .setting("heartbeat.interval.ms", "300")
    }

    /// Its group waits for it for longer than any test takes: see [`LONG_SESSION`].
    pub(crate) fn with_long_session(self) -> Self {
        let session = LONG_SESSION.as_millis().to_string();
        self.setting("consumer.session.timeout.ms", &session)
    }

    /// It listens at this port.
    pub(crate) fn port(self, port: u16) -> Self {
        self.setting("listeners", &format!("http://127.0.0.1:{port}"))
    }

    /// Starts it with these connectors and waits until its API answers.
    pub(crate) async fn start(self, stage: &Stage, connectors: &[&Connector]) -> Worker {
        let worker = self.spawn(stage, connectors);
        let log = worker.log.clone();
        let (mut child, name) = (worker.child, worker.name);
        let address = eventually("the worker's API", START_DEADLINE, || {
            let ended = child.try_wait().unwrap();
            // One that is meant to end may have ended already.
            let found = match (api_address(&log), ended) {
                (Some(address), _) => Ok(address),
                (None, Some(status)) => panic!("worker {name} ended at its start: {status}"),
                (None, None) => Err("not in its log".to_owned()),
            };
            std::future::ready(found)
        })
        .await;
        Worker {
            name,
            rest: Rest::new(address),
            address,
            child,
            running: true,
            log,
        }
    }

    fn spawn(&self, stage: &Stage, connectors: &[&Connector]) -> Spawned {
        let log = stage.new_log(&self.name);
        let output = File::create(&log).expect("a log file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowdock"));
        command.arg(if self.in_cluster {
            "worker"
        } else {
            "standalone"
        });
        for (key, value) in self.all_settings() {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        for connector in connectors {
            let file = stage
                .folder()
                .join(format!("{}-{}.json", self.name, connector.name));
            let document = connector.document(&stage.database.url(self.database));
            fs::write(&file, document.to_string()).expect("a connector file");
            command.arg(file);
        }
        command
            .env("FAILPOINTS", self.failpoints.join(";"))
            .env("RUST_BACKTRACE", "1")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("the log file again"))
            .stderr(output);
        let child = command.spawn().expect("start the worker");
        reaper::watch(child.id());
        Spawned {
            name: self.name.clone(),
            child,
            log,
        }
    }

    fn all_settings(&self) -> Vec<(String, String)> {
        let kafka = self.kafka.map_or_else(
            || services().kafka.clone(),
            |proxy| proxy.address().to_string(),
        );
        let session = SESSION.as_millis().to_string();
        let mut settings: Vec<(String, String)> = [
            ("bootstrap.servers", kafka.as_str()),
            ("listeners", "http://127.0.0.1:0"),
            ("log.format", "json"),
            ("offset.flush.interval.ms", "1000"),
            ("consumer.session.timeout.ms", &session),
            ("consumer.heartbeat.interval.ms", "300"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        settings.extend(self.settings.iter().cloned());
        settings
    }
}

fn require_failpoints() {
    if !cfg!(feature = "failpoints") {
        panic!("the worker has no failpoints; build it with them: --features failpoints");
    }
}

struct Spawned {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Worker {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL; returns how it ended.
    pub(crate) fn kill(&mut self) -> ExitStatus {
        self.child.kill().expect("kill the worker");
        self.child.wait().map(|status| self.ended(status)).unwrap()
    }

    /// SIGKILL; returns the port that it listened at.
    pub(crate) fn into_killed(mut self) -> u16 {
        self.kill();
        self.address.port()
    }

    /// SIGSTOP; returns when the kernel has stopped it.
    pub(crate) async fn freeze(&self) {
        self.signal("STOP");
        self.until_process_state("stopped", |state| state == 'T')
            .await;
    }

    /// SIGCONT.
    pub(crate) async fn thaw(&self) {
        self.signal("CONT");
        self.until_process_state("running", |state| state != 'T')
            .await;
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Waits for its end and returns how it ended.
    pub(crate) async fn exit(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("the end of worker {}", self.name);
        let child = &mut self.child;
        let status = eventually(&what, deadline, || {
            let ended = child.try_wait().unwrap();
            std::future::ready(ended.ok_or_else(|| "it runs".to_owned()))
        })
        .await;
        self.ended(status)
    }

    fn ended(&mut self, status: ExitStatus) -> ExitStatus {
        self.running = false;
        reaper::forget(self.child.id());
        status
    }

    fn signal(&self, signal: &str) {
        let sent = send_signal(signal, self.pid());
        assert!(sent, "no signal {signal} for {}", self.name);
    }

    async fn until_process_state(&self, what: &str, wanted: impl Fn(char) -> bool) {
        eventually(what, PATIENCE, || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()));
            let state = stat
                .ok()
                .and_then(|stat| stat.rsplit_once(") ")?.1.chars().next())
                .unwrap_or('?');
            std::future::ready(check(wanted(state), || format!("it is in state {state}")))
        })
        .await;
    }

    /// The tasks of a connector.
    pub(crate) async fn tasks(&self, connector: &Connector) -> Vec<Task> {
        let path = format!("/connectors/{}/status", connector.name);
        let answer = self.rest.get(&path).await;
        assert_eq!(answer.code, 200, "{path}: {}", answer.body);
        let tasks = answer.body["tasks"].as_array().cloned().unwrap_or_default();
        tasks.iter().map(Task::from_json).collect()
    }

    /// Waits until the connector has tasks and each is in this state; returns them.
    pub(crate) async fn until_tasks(
        &self,
        connector: &Connector,
        state: &str,
        deadline: Duration,
    ) -> Vec<Task> {
        let what = format!("the tasks on {} to be {state}", self.name);
        eventually(&what, deadline, || async {
            let tasks = self.tasks(connector).await;
            let all = !tasks.is_empty() && tasks.iter().all(|task| task.state == state);
            if all {
                return Ok(tasks);
            }
            Err(format!("{tasks:?}"))
        })
        .await
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Lines of the log with all these words, whatever their case.
    pub(crate) fn logged(&self, words: &[&str]) -> Vec<String> {
        let wanted: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
        let has_all = |line: &str| {
            let line = line.to_lowercase();
            wanted.iter().all(|word| line.contains(word))
        };
        let log = self.log();
        log.lines()
            .filter(|line| has_all(line))
            .map(str::to_owned)
            .collect()
    }

    /// Waits for a log line with all these words.
    pub(crate) async fn until_logged(&self, words: &[&str], deadline: Duration) -> String {
        let what = format!("worker {} to log {words:?}", self.name);
        eventually(&what, deadline, || {
            let found = self.logged(words).into_iter().next();
            std::future::ready(found.ok_or_else(|| "no such line".to_owned()))
        })
        .await
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.running && self.child.kill().and_then(|()| self.child.wait()).is_ok() {
            reaper::forget(self.child.id());
        }
    }
}

impl Task {
    fn from_json(task: &Value) -> Self {
        let text = |key: &str| task[key].as_str().unwrap_or_default().to_owned();
        Self {
            id: task["id"].as_i64().unwrap_or(-1),
            state: text("state"),
            trace: text("trace"),
        }
    }
}

/// The address in the log line that says where the API listens.
fn api_address(log: &PathBuf) -> Option<SocketAddr> {
    let text = fs::read_to_string(log).ok()?;
    text.lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let fields = line.get("fields").unwrap_or(&line);
        let message = fields["message"].as_str()?;
        if !message.contains("rest api listening") {
            return None;
        }
        fields["address"].as_str()?.parse().ok()
    })
}
