//! A client of the worker's REST API that speaks plain JSON and judges nothing.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::wait::PATIENCE;

/// The API answers from memory, and changes are answered within 20 s; what needs longer hangs.
const ANSWER_DEADLINE: Duration = PATIENCE;

/// A worker's API.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    base: String,
    agent: ureq::Agent,
}

/// Code and body of an answer; an empty body is `Null`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Value,
}

impl Rest {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_DEADLINE))
            .build()
            .into();
        Self {
            base: format!("http://{address}"),
            agent,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    pub(crate) async fn put(&self, path: &str, body: Option<Value>) -> Answer {
        self.call("PUT", path, body).await
    }

    pub(crate) async fn post(&self, path: &str, body: Option<Value>) -> Answer {
        self.call("POST", path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call("PATCH", path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None).await
    }

    async fn call(&self, method: &'static str, path: &str, body: Option<Value>) -> Answer {
        match self.try_call(method, path, body).await {
            Ok(answer) => answer,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    /// An answer, or why there is none.
    pub(crate) async fn try_call(
        &self,
        method: &'static str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, String> {
        let url = format!("{}{path}", self.base);
        let agent = self.agent.clone();
        tokio::task::spawn_blocking(move || blocking_call(&agent, method, &url, body))
            .await
            .expect("the call does not panic")
    }
}

fn blocking_call(
    agent: &ureq::Agent,
    method: &str,
    url: &str,
    body: Option<Value>,
) -> Result<Answer, String> {
    let result = match (method, body) {
        ("GET", _) => agent.get(url).call(),
        ("DELETE", _) => agent.delete(url).call(),
        ("PUT", Some(body)) => agent.put(url).send_json(body),
        ("PUT", None) => agent.put(url).send_empty(),
        ("PATCH", Some(body)) => agent.patch(url).send_json(body),
        ("POST", Some(body)) => agent.post(url).send_json(body),
        _ => agent.post(url).send_empty(),
    };
    let mut response = result.map_err(|error| error.to_string())?;
    let code = response.status().as_u16();
    let text = response
        .body_mut()
        .read_to_string()
        .map_err(|error| error.to_string())?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    let body = if body == Value::String(String::new()) {
        Value::Null
    } else {
        body
    };
    Ok(Answer { code, body })
}
