//! The worker's REST API, as any client of Kafka Connect's would use it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::task::spawn_blocking;
use ureq::Agent;
use ureq::http::Response;

use super::DemoError;

/// One request and its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A worker's API.
#[derive(Debug, Clone)]
pub(super) struct RestApi {
    agent: Agent,
    url: String,
}

/// State of a connector's tasks.
#[derive(Debug, Deserialize)]
pub(super) struct ConnectorStatus {
    /// The connector's own state.
    pub(super) connector: State,
    /// Its tasks'.
    pub(super) tasks: Vec<State>,
}

/// A state and what is behind it.
#[derive(Debug, Deserialize)]
pub(super) struct State {
    /// Such as RUNNING.
    pub(super) state: String,
    /// Why it failed, or what is being retried.
    pub(super) trace: Option<String>,
}

impl ConnectorStatus {
    /// Why the connector or one of its tasks has failed.
    pub(super) fn failure(&self) -> Option<&str> {
        let mut states = self.tasks.iter().chain([&self.connector]);
        let failed = states.find(|state| state.state == "FAILED")?;
        Some(failed.trace.as_deref().unwrap_or("no reason given"))
    }
}

impl RestApi {
    /// The API at this port of 127.0.0.1.
    pub(super) fn at(port: u16) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(REQUEST_TIMEOUT))
            .http_status_as_error(false)
            // Nothing on the way to this machine's own worker.
            .proxy(None)
            .build();
        Self {
            agent: config.into(),
            url: format!("http://127.0.0.1:{port}"),
        }
    }

    /// Its address, without a slash at the end.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Whether it answers.
    pub(super) async fn answers(&self) -> bool {
        self.get("/").await.is_ok()
    }

    /// Creates a connector: `body` has its name and config.
    ///
    /// # Errors
    /// What the worker says against it, or that it does not answer.
    pub(super) async fn create(&self, body: &Value) -> Result<(), DemoError> {
        let (agent, url) = (self.agent.clone(), format!("{}/connectors", self.url));
        let body = body.clone();
        ask("POST /connectors", move || agent.post(url).send_json(body)).await?;
        Ok(())
    }

    /// State of a connector.
    ///
    /// # Errors
    /// That it does not exist, or that the worker does not answer.
    pub(super) async fn status(&self, connector: &str) -> Result<ConnectorStatus, DemoError> {
        let answer = self.get(&format!("/connectors/{connector}/status")).await?;
        serde_json::from_value(answer).map_err(|error| DemoError::Api {
            request: "the connector's status",
            problem: error.to_string(),
        })
    }

    async fn get(&self, path: &str) -> Result<Value, DemoError> {
        let (agent, url) = (self.agent.clone(), format!("{}{path}", self.url));
        ask("GET", move || agent.get(url).call()).await
    }
}

/// Sends a request on a thread that may block.
async fn ask(
    request: &'static str,
    send: impl FnOnce() -> Result<Response<ureq::Body>, ureq::Error> + Send + 'static,
) -> Result<Value, DemoError> {
    let failed = |problem: String| DemoError::Api { request, problem };
    let answered = spawn_blocking(move || {
        let mut response = send()?;
        let body = response.body_mut().read_to_string()?;
        Ok::<_, ureq::Error>((response.status(), body))
    });
    let (status, body) = answered
        .await
        .map_err(|error| failed(error.to_string()))?
        .map_err(|error| failed(error.to_string()))?;
    let answer: Value =
        serde_json::from_str(&body).map_err(|error| failed(format!("{status}: {error}")))?;
    if !status.is_success() {
        let message = answer["message"].as_str().unwrap_or_default();
        return Err(failed(format!("{status}: {message}")));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_found_in_tasks_and_connector() {
        let check = |status: &str, expected: Option<&str>| {
            let status: ConnectorStatus = serde_json::from_str(status).unwrap();
            assert_eq!(status.failure(), expected);
        };
        check(
            r#"{"connector":{"state":"RUNNING"},"tasks":[{"id":0,"state":"RUNNING","trace":"x"}]}"#,
            None,
        );
        check(
            r#"{"connector":{"state":"RUNNING"},"tasks":[{"state":"RUNNING"},{"state":"FAILED","trace":"no table"}]}"#,
            Some("no table"),
        );
        check(
            r#"{"connector":{"state":"FAILED"},"tasks":[]}"#,
            Some("no reason given"),
        );
    }
}
