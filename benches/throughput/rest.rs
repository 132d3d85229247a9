//! Kafka Connect's REST API, as the worker and its peer both speak it.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

/// Answers come from memory; what needs longer hangs.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// A new connector's tasks run within this time, or never.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// One worker's API.
pub(crate) struct Rest {
    base: String,
    agent: ureq::Agent,
}

/// A connector to be created.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    pub(crate) name: String,
    pub(crate) config: Value,
}

impl Rest {
    pub(crate) fn new(base: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_DEADLINE))
            .build()
            .into();
        Self {
            base: base.trim_end_matches('/').to_owned(),
            agent,
        }
    }

    /// The worker says that it handles requests.
    pub(crate) fn is_healthy(&self) -> bool {
        let answer = self.agent.get(format!("{}/health", self.base)).call();
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// Creates a connector.
    pub(crate) fn create(&self, connector: &Connector) -> anyhow::Result<()> {
        let body = json!({"name": connector.name, "config": connector.config});
        let mut answer = self
            .agent
            .post(format!("{}/connectors", self.base))
            .send_json(body)?;
        if answer.status() != 201 {
            let text = answer.body_mut().read_to_string().unwrap_or_default();
            bail!("connector {} was refused: {text}", connector.name);
        }
        Ok(())
    }

    /// Deletes a connector.
    pub(crate) fn delete(&self, connector: &Connector) -> anyhow::Result<()> {
        let url = format!("{}/connectors/{}", self.base, connector.name);
        let answer = self.agent.delete(url).call()?;
        if answer.status() != 204 {
            bail!("connector {} was not deleted", connector.name);
        }
        Ok(())
    }

    /// Fails when a task of the connector has failed, with its trace.
    pub(crate) fn check(&self, connector: &Connector) -> anyhow::Result<()> {
        self.running_tasks(connector).map(drop)
    }

    /// Waits until the connector has tasks and all of them run.
    pub(crate) fn await_running(&self, connector: &Connector) -> anyhow::Result<()> {
        let started = Instant::now();
        while !self.running_tasks(connector)? {
            if started.elapsed() > START_DEADLINE {
                bail!("connector {} does not start", connector.name);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn running_tasks(&self, connector: &Connector) -> anyhow::Result<bool> {
        let url = format!("{}/connectors/{}/status", self.base, connector.name);
        let mut answer = self.agent.get(url).call()?;
        if answer.status() == 404 {
            // A cluster may need a moment to learn of a connector that it has accepted.
            return Ok(false);
        }
        let status: Value = answer
            .body_mut()
            .read_json()
            .context("the status of a connector")?;
        let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
        for task in &tasks {
            if task["state"] == "FAILED" {
                let trace = task["trace"].as_str().unwrap_or("no trace");
                bail!("a task of {} failed: {trace}", connector.name);
            }
        }
        Ok(!tasks.is_empty() && tasks.iter().all(|task| task["state"] == "RUNNING"))
    }
}
