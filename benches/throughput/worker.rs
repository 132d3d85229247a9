//! The worker under test: the release build, a fresh process per run, driven over its API.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::json;

use crate::order::Format;
use crate::program::free_port;
use crate::rest::{Connector, Rest};
use crate::services::{Services, workspace};

/// A worker that is not ready by then will not be.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// A worker process; killed when dropped.
pub(crate) struct Worker {
    pub(crate) rest: Rest,
    /// From its start until it was healthy.
    pub(crate) ready: Duration,
    child: Child,
}

impl Worker {
    /// Starts a worker and waits until it is healthy. Its log goes to `target/bench`.
    pub(crate) fn start(program: &PathBuf, services: &Services) -> anyhow::Result<Self> {
        let port = free_port()?;
        let log = File::create(workspace().join("target/bench/worker.log"))?;
        let started = Instant::now();
        let child = Command::new(program)
            .arg("standalone")
            .args(["--set", &format!("bootstrap.servers={}", services.kafka)])
            .args(["--set", &format!("listeners=http://127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut worker = Self {
            rest: Rest::new(&format!("http://127.0.0.1:{port}")),
            ready: Duration::ZERO,
            child,
        };
        while !worker.rest.is_healthy() {
            if let Some(status) = worker.child.try_wait()? {
                bail!("the worker ended at its start: {status}; see target/bench/worker.log");
            }
            if started.elapsed() > START_DEADLINE {
                bail!("the worker is not healthy after {START_DEADLINE:?}");
            }
            thread::sleep(Duration::from_millis(1));
        }
        worker.ready = started.elapsed();
        Ok(worker)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // What it wrote has been counted; there is nothing to drain.
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}

/// A connector with default settings, but for where from, where to and what is compared.
pub(crate) fn connector(
    name: &str,
    topic: &str,
    format: Format,
    database_url: &str,
    table: &str,
    settings: &[(&str, &str)],
) -> Connector {
    let mut config = json!({
        "connector.class": "PostgresSink",
        "topics": topic,
        "connection.url": database_url,
        "table.name.format": table,
        "insert.mode": "insert",
        "pk.mode": "none",
        "value.converter": "JsonConverter",
        "value.converter.schemas.enable": format.schemas_enable(),
    });
    for (key, value) in settings {
        config[*key] = json!(value);
    }
    Connector {
        name: name.to_owned(),
        config,
    }
}
