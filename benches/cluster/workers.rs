//! Worker processes of one cluster.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::Arena;
use crate::program::free_port;
use crate::rest::Rest;
use crate::services::workspace;

/// A worker that is not ready by then will not be.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// The names that the workers of one cluster share.
pub(crate) struct Cluster<'a> {
    arena: &'a Arena,
    name: String,
}

/// A worker; killed when dropped.
pub(crate) struct Worker {
    pub(crate) rest: Rest,
    /// Its advertised `host:port`.
    pub(crate) id: String,
    child: Child,
    log: PathBuf,
}

impl<'a> Cluster<'a> {
    pub(crate) fn new(arena: &'a Arena, name: &str) -> Self {
        Self {
            arena,
            name: format!("{}_{name}", arena.run),
        }
    }

    /// Starts a worker and waits until it is healthy. Its log goes to `target/bench`.
    pub(crate) fn start(&self) -> anyhow::Result<Worker> {
        let port = free_port()?;
        let log_file = workspace().join(format!("target/bench/worker-{port}.log"));
        let log = File::create(&log_file)?;
        let settings = [
            format!("bootstrap.servers={}", self.arena.services.kafka),
            format!("listeners=http://127.0.0.1:{port}"),
            format!("group.id={}", self.name),
            format!("config.storage.topic={}-configs", self.name),
            "config.storage.replication.factor=1".to_owned(),
            format!("status.storage.topic={}-statuses", self.name),
            "status.storage.replication.factor=1".to_owned(),
        ];
        let mut command = Command::new(&self.arena.program);
        command.arg("worker");
        for setting in &settings {
            command.args(["--set", setting]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.arena.program.display()))?;
        let id = format!("127.0.0.1:{port}");
        let mut worker = Worker {
            rest: Rest::new(&format!("http://{id}")),
            id,
            child,
            log: log_file,
        };
        let started = Instant::now();
        while !worker.rest.is_healthy() {
            if let Some(status) = worker.child.try_wait()? {
                bail!(
                    "a worker ended at its start: {status}; see {}",
                    worker.log.display()
                );
            }
            if started.elapsed() > START_DEADLINE {
                bail!("a worker is not healthy after {START_DEADLINE:?}");
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(worker)
    }
}

impl Worker {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How often a task was started, those included that were stopped for it.
    pub(crate) fn starts_of_tasks(&self) -> anyhow::Result<usize> {
        Ok(fs::read_to_string(&self.log)?
            .matches("task started")
            .count())
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM; waits until it has ended.
    pub(crate) fn leave(mut self) -> anyhow::Result<ExitStatus> {
        let pid = self.pid();
        Command::new("sh")
            .args(["-c", &format!("kill -TERM {pid}")])
            .status()?;
        Ok(self.child.wait()?)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}
