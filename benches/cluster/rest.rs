//! The workers' REST API.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

/// Between two questions of somebody who waits.
const ASK_INTERVAL: Duration = Duration::from_millis(20);

/// One worker's API.
#[derive(Clone)]
pub(crate) struct Rest {
    base: String,
    agent: ureq::Agent,
}

impl Rest {
    pub(crate) fn new(base: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        Self {
            base: base.to_owned(),
            agent,
        }
    }

    pub(crate) fn is_healthy(&self) -> bool {
        let answer = self.agent.get(format!("{}/health", self.base)).call();
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// The body of an answer, with the time until all of it was there.
    pub(crate) fn timed(&self, path: &str) -> anyhow::Result<(Duration, String)> {
        let begun = Instant::now();
        let mut answer = self.agent.get(format!("{}{path}", self.base)).call()?;
        let body = answer
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_string()?;
        if answer.status() != 200 {
            bail!("GET {path}: {body}");
        }
        Ok((begun.elapsed(), body))
    }

    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        let (_, body) = self.timed(path)?;
        serde_json::from_str(&body).with_context(|| format!("GET {path}"))
    }

    /// Creates a connector.
    pub(crate) fn create(&self, name: &str, config: &Value) -> anyhow::Result<()> {
        let body = json!({"name": name, "config": config});
        let url = format!("{}/connectors", self.base);
        let mut answer = self.agent.post(url).send_json(body)?;
        if answer.status() != 201 {
            bail!("{name}: {}", answer.body_mut().read_to_string()?);
        }
        Ok(())
    }

    pub(crate) fn delete(&self, name: &str) -> anyhow::Result<()> {
        let url = format!("{}/connectors/{name}", self.base);
        let answer = self.agent.delete(url).call()?;
        if answer.status() != 204 {
            bail!("{name} was not deleted");
        }
        Ok(())
    }

    /// How many tasks each worker runs, by its id.
    pub(crate) fn running(&self) -> anyhow::Result<BTreeMap<String, usize>> {
        let list = self.get("/connectors?expand=status")?;
        let mut running = BTreeMap::new();
        for connector in list.as_object().into_iter().flat_map(|list| list.values()) {
            let tasks = connector["status"]["tasks"].as_array();
            for task in tasks.into_iter().flatten() {
                if task["state"] == "FAILED" {
                    bail!("a task has failed: {}", task["trace"]);
                }
                if task["state"] == "RUNNING" {
                    let worker = task["worker_id"].as_str().unwrap_or_default();
                    *running.entry(worker.to_owned()).or_default() += 1;
                }
            }
        }
        Ok(running)
    }

    /// Waits until that many tasks run, all in all, and returns for how long.
    pub(crate) fn await_running(
        &self,
        tasks: usize,
        patience: Duration,
    ) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        loop {
            let running: usize = self.running()?.values().sum();
            if running == tasks {
                return Ok(begun.elapsed());
            }
            if begun.elapsed() > patience {
                bail!("{running} of {tasks} tasks run after {patience:?}");
            }
            thread::sleep(ASK_INTERVAL);
        }
    }
}
