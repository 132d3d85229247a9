//! A worker asked to replay, call after call, until all letters were looked at.

use std::time::Duration;

use ureq::Agent;

use super::{Report, Request};
use crate::http;

/// A call ends by itself long before that.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(100);

/// Largest answer: a thousand letters with their reasons.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Sends the request until it is complete, and returns what all calls have done; `progress` sees what
/// was done so far after each.
///
/// # Errors
/// When the worker does not answer, or refuses, in its own words. What was stored stays stored.
pub fn replay(
    worker_url: &str,
    connector: &str,
    mut request: Request,
    mut progress: impl FnMut(&Report),
) -> Result<Report, String> {
    let url = format!(
        "{}/rowdock/connectors/{}/replay",
        worker_url.trim_end_matches('/'),
        path_segment(connector)
    );
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(ANSWER_TIME_MAX))
        .tls_config(http::tls().build())
        .build()
        .into();
    let mut sum: Option<Report> = None;
    loop {
        let report = call(&agent, &url, &request)?;
        request.after.clone_from(&report.after);
        let sum = match &mut sum {
            None => sum.insert(report),
            Some(sum) => {
                sum.add(report);
                sum
            }
        };
        if sum.complete {
            return Ok(sum.clone());
        }
        progress(sum);
    }
}

fn call(agent: &Agent, url: &str, request: &Request) -> Result<Report, String> {
    let no_answer = |error: ureq::Error| format!("{url} does not answer: {error}");
    let mut response = agent.post(url).send_json(request).map_err(no_answer)?;
    let status = response.status();
    let limited = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
    let body = limited.read_to_string().map_err(no_answer)?;
    if !status.is_success() {
        let told: Option<serde_json::Value> = serde_json::from_str(&body).ok();
        let message = told.as_ref().and_then(|told| told["message"].as_str());
        return Err(message.map_or_else(
            || format!("{url} answers with status {status}"),
            str::to_owned,
        ));
    }
    serde_json::from_str(&body).map_err(|_| format!("{url} answers as no worker does"))
}

/// A connector's name as a part of a path.
fn path_segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                segment.push(char::from(byte));
            }
            _ => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parts_of_paths() {
        let check = |name: &str, expected: &str| assert_eq!(path_segment(name), expected);
        check("orders-1", "orders-1");
        check("a b/c%\u{e9}", "a%20b%2Fc%25%C3%A9");
    }
}
