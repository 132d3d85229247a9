//! What all faults happen to: three workers of a cluster that store twelve partitions of orders.

use std::env;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tokio::process::Command;

use crate::cluster::until_healthy;
use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::orders::Orders;
use crate::support::producer::Load;
use crate::support::proxy::Proxy;
use crate::support::services::{environment_file, parse, workspace};
use crate::support::stage::Stage;
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::{Launch, Worker};

pub(crate) const PARTITIONS: i32 = 12;
pub(crate) const TASKS: usize = 6;
const WORKERS: usize = 3;
const RECORDS_PER_S: usize = 300;

/// The variable by which each worker knows its own way to the database.
const DATABASE: &str = "ROWDOCK_TEST_DATABASE_URL";

/// How long a worker may take to leave, with a debug build's slowness.
const LEAVE_TIME_MAX: Duration = seconds(25);

/// The stage with all that is on it. Drop order counts: workers, then what they work on.
pub(crate) struct Play {
    pub(crate) workers: Vec<Worker>,
    pub(crate) orders: Orders,
    pub(crate) stage: Stage,
}

impl Play {
    /// Prepares it all, without a worker.
    pub(crate) async fn prepare(name: &str, settings: &[(&str, &str)]) -> Self {
        let stage = Stage::begin_alone(&format!("chaos_{name}")).await;
        stage.named_topic("configs", 1);
        stage.named_topic("statuses", 5);
        let mut orders = Orders::prepare(&stage, PARTITIONS).await;
        let mut connector = orders
            .connector
            .clone()
            .set("tasks.max", &TASKS.to_string());
        connector = connector.set("connection.url", &format!("${{env:{DATABASE}}}"));
        for (key, value) in settings {
            connector = connector.set(key, value);
        }
        orders.connector = connector;
        Self {
            workers: Vec::new(),
            orders,
            stage,
        }
    }

    /// Prepares it all, and lets the workers begin.
    pub(crate) async fn begin(name: &str) -> Self {
        let mut play = Self::prepare(name, &[]).await;
        let launches = (0..WORKERS).map(|index| play.launch(index)).collect();
        play.begin_with(launches).await;
        play
    }

    /// Starts these workers, and the connector on them.
    pub(crate) async fn begin_with(&mut self, launches: Vec<Launch<'_>>) {
        let stage = &self.stage;
        let started = launches.into_iter().map(|launch| async move {
            let worker = launch.start(stage, &[]).await;
            until_healthy(&worker).await;
            worker
        });
        self.workers = join_all(started).await;
        let document = self.orders.connector.document("");
        let answer = self.workers[0]
            .rest
            .post("/connectors", Some(document))
            .await;
        assert_eq!(answer.code, 201, "{}", answer.body);
        self.until_tasks_run(seconds(30)).await;
    }

    /// How the worker of this number is started.
    pub(crate) fn launch<'a>(&self, index: usize) -> Launch<'a> {
        self.launch_with(index, None)
    }

    /// The same, with a database behind a proxy.
    pub(crate) fn launch_with<'a>(&self, index: usize, database: Option<&Proxy>) -> Launch<'a> {
        Launch::new(&format!("worker{index}"))
            .of_cluster(&self.stage)
            .setting("config.providers", "env")
            .setting("config.providers.env.class", "EnvVarConfigProvider")
            .variable(DATABASE, &self.stage.database.url(database))
    }

    /// A load, once its records are stored from every partition.
    pub(crate) async fn load(&self) -> Load {
        let load = self.orders.load(&self.stage, RECORDS_PER_S);
        self.until_flowing(seconds(30)).await;
        load
    }

    pub(crate) async fn until_flowing(&self, deadline: Duration) {
        self.orders.until_flowing(&self.stage, deadline).await;
    }

    /// Waits until each task runs, on workers that are there.
    pub(crate) async fn until_tasks_run(&self, deadline: Duration) {
        let known: Vec<String> = self.addresses();
        eventually("every task to run", deadline, || async {
            let path = format!("/connectors/{}/status", self.orders.connector.name);
            let answer = self.workers[0].rest.try_call("GET", &path, None).await?;
            let tasks = answer.body["tasks"].as_array().cloned().unwrap_or_default();
            let running = tasks.iter().filter(|task| {
                let worker = task["worker_id"].as_str().unwrap_or_default();
                task["state"] == "RUNNING" && known.iter().any(|one| one == worker)
            });
            check(running.count() == TASKS, || answer.body.to_string())
        })
        .await;
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        let addresses = self.workers.iter().map(|worker| worker.address.to_string());
        addresses.collect()
    }

    /// SIGTERM, and a successor under the same name.
    pub(crate) async fn replace(&mut self, index: usize) {
        self.workers[index].terminate();
        let status = self.workers[index].exit(LEAVE_TIME_MAX).await;
        assert!(status.success(), "a clean stop: {status}");
        let fenced = self.workers[index].logged(&["fenced"]);
        assert_eq!(fenced, Vec::<String>::new(), "a clean stop replays nothing");
        self.start_again(index).await;
    }

    /// SIGKILL, and a successor under the same name.
    pub(crate) async fn kill_and_replace(&mut self, index: usize) {
        let status = self.workers[index].kill();
        self.stage
            .tell(format_args!("killed worker {index}: {status}"));
        self.start_again(index).await;
    }

    async fn start_again(&mut self, index: usize) {
        let port = self.workers[index].address.port();
        let launch = self.launch(index).port(port);
        self.workers[index] = launch.start(&self.stage, &[]).await;
        until_healthy(&self.workers[index]).await;
    }

    /// Ends the load and judges all of it.
    pub(crate) async fn judge(&self, load: Load) {
        load.finish().await;
        let all: Vec<&Worker> = self.workers.iter().collect();
        self.orders
            .judged(&self.stage)
            .healed(&all, seconds(40))
            .await;
    }

    /// Tells the longest pause of any partition so far, and checks it.
    pub(crate) async fn check_pause(&self, most: Duration) {
        let (pause, partition) = self.orders.judged(&self.stage).longest_pause().await;
        self.stage.tell(format_args!(
            "partition {partition} paused {pause:?} at most"
        ));
        assert!(pause <= most, "partition {partition} paused {pause:?}");
    }

    /// Asks a worker to do something with the connector.
    pub(crate) async fn ask(&self, worker: usize, verb: &str) {
        let path = format!("/connectors/{}/{verb}", self.orders.connector.name);
        let rest = &self.workers[worker].rest;
        let answer = if verb.starts_with("restart") {
            rest.post(&path, None).await
        } else {
            rest.put(&path, None).await
        };
        assert!(answer.code < 300, "{verb}: {answer:?}");
    }
}

/// Whether the run is to be short, as in `make test`.
pub(crate) fn is_short() -> bool {
    env::var_os("CHAOS_SHORT").is_some()
}

/// The brokers, as processes.
pub(crate) struct Brokers;

impl Brokers {
    pub(crate) const IDS: [i32; 3] = [1, 2, 3];

    /// SIGKILL.
    pub(crate) async fn kill(id: i32) {
        services_script("kill", id).await;
    }

    /// The same broker again, once it answers.
    pub(crate) async fn start(id: i32) {
        services_script("start", id).await;
    }

    /// SIGSTOP.
    pub(crate) fn freeze(id: i32) {
        signal("STOP", pid(id));
    }

    /// SIGCONT.
    pub(crate) fn thaw(id: i32) {
        signal("CONT", pid(id));
    }

    /// Waits until every partition of the topic has all of its replicas in sync.
    pub(crate) async fn until_in_sync(topic: &str, deadline: Duration) {
        eventually("all replicas in sync", deadline, || async {
            let name = topic.to_owned();
            let behind = kafka::with_onlooker(move |consumer| replicas_behind(consumer, &name));
            let behind = behind.await?;
            check(behind == 0, || format!("{behind} replicas are behind"))
        })
        .await;
    }

    /// The broker that coordinates this group: the leader of its partition of the offsets' topic.
    pub(crate) async fn coordinator(group: &str) -> i32 {
        let hash = group.encode_utf16().fold(0_i32, |hash, unit| {
            hash.wrapping_mul(31).wrapping_add(i32::from(unit))
        }) & i32::MAX;
        kafka::with_onlooker(move |consumer| {
            let metadata = consumer
                .fetch_metadata(Some("__consumer_offsets"), seconds(15))
                .expect("metadata of the offsets' topic");
            let partitions = metadata.topics()[0].partitions();
            let count = i32::try_from(partitions.len()).unwrap();
            let mine = partitions.iter().find(|one| one.id() == hash % count);
            mine.expect("the group's partition").leader()
        })
        .await
    }
}

fn replicas_behind(consumer: &BaseConsumer, topic: &str) -> Result<usize, String> {
    let metadata = consumer.fetch_metadata(Some(topic), seconds(5));
    let metadata = metadata.map_err(|error| error.to_string())?;
    let partitions = metadata.topics()[0].partitions();
    let behind = partitions
        .iter()
        .map(|one| one.replicas().len().saturating_sub(one.isr().len()));
    Ok(behind.sum())
}

/// Started again, a broker has another process: its record in the services' folder knows.
fn pid(id: i32) -> u32 {
    let record = workspace().join(format!("target/services/broker-{id}/process"));
    let text = std::fs::read_to_string(&record).unwrap_or_default();
    let pid = text
        .split_whitespace()
        .next()
        .and_then(|pid| pid.parse().ok());
    pid.unwrap_or_else(|| panic!("no process in {}: {text:?}", record.display()))
}

fn signal(signal: &str, pid: u32) {
    let sent = std::process::Command::new("sh")
        .args(["-c", &format!("kill -{signal} {pid}")])
        .status();
    assert!(sent.is_ok_and(|status| status.success()), "no {signal}");
}

async fn services_script(verb: &str, id: i32) {
    assert!(has_brokers(), "these tests need three brokers: make chaos");
    let done = Command::new(workspace().join("scripts/services.sh"))
        .args([verb, &format!("broker-{id}")])
        .stdout(Stdio::null())
        .status()
        .await;
    assert!(done.is_ok_and(|status| status.success()), "{verb} {id}");
}

fn has_brokers() -> bool {
    let text = std::fs::read_to_string(environment_file()).unwrap_or_default();
    parse(&text).contains_key("ROWDOCK_TEST_BROKER_3")
}

/// Where the program with these tests and the script for three brokers are.
pub(crate) fn chaos_script() -> std::path::PathBuf {
    Path::join(workspace(), "scripts/chaos.sh")
}

/// Prints for how long something took.
pub(crate) fn tell_since(stage: &Stage, what: &str, begun: Instant) {
    stage.tell(format_args!("{what} after {:.1?}", begun.elapsed()));
}

/// A connector's part in its cluster: worker ids of its tasks, in their order.
pub(crate) async fn placement(worker: &Worker, connector: &Connector) -> Vec<String> {
    let cluster = worker.rest.get("/rowdock/cluster").await.body;
    let owners = cluster["placement"][&connector.name].as_array().cloned();
    let owners = owners.unwrap_or_default();
    let names = owners.iter().filter_map(|owner| owner.as_str());
    names.map(str::to_owned).collect()
}
