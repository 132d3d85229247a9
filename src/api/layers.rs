//! Rules for every request: how long it may take, what it may send and accept, what is logged of it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{SecondsFormat, Utc};
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::error::ApiError;
use crate::config::worker::WorkerSettings;

/// How long a request may take, the reading of its body included. Kafka Connect's limit; nothing
/// here comes near it unless the client is slow or the worker is stuck.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(90);

/// Ends a request that takes too long. What it waited for in the cluster, in Kafka or in the database
/// has shorter limits of its own, and is named by their errors.
pub(super) async fn limit_time(request: Request, next: Next) -> Response {
    let (method, uri, begun) = (request.method().clone(), request.uri().clone(), Utc::now());
    match timeout(REQUEST_TIME_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!(
                "Request timed out. The worker is currently at {method} {}, which began at {}; it may \
                 still take effect",
                uri.path(),
                begun.to_rfc3339_opts(SecondsFormat::Secs, true)
            ),
        )
        .into_response(),
    }
}

/// Logs what was asked and how it was answered; no bodies, no query.
pub(super) async fn log_requests(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    debug!(
        %method,
        path,
        status = response.status().as_u16(),
        elapsed_ms = begun.elapsed().as_secs_f64() * 1000.0,
        "rest api request"
    );
    response
}

/// Adds the headers that the settings ask for to every answer.
pub(super) async fn add_headers(
    State(settings): State<Arc<WorkerSettings>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    for header in &settings.response_headers {
        // Both were checked with the settings.
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let value = HeaderValue::from_str(&header.value);
        if let (Ok(name), Ok(value)) = (name, value) {
            if header.adds {
                response.headers_mut().append(name, value);
            } else {
                response.headers_mut().insert(name, value);
            }
        }
    }
    response
}

/// Answers OPTIONS from the methods the router knows for the path.
pub(super) async fn answer_options(request: Request, next: Next) -> Response {
    let is_options = request.method() == Method::OPTIONS;
    let response = next.run(request).await;
    if !is_options || response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let allowed = response
        .headers()
        .get(ALLOW)
        .and_then(|methods| methods.to_str().ok())
        .unwrap_or_default();
    let mut methods: Vec<&str> = allowed.split(',').filter(|name| !name.is_empty()).collect();
    methods.push(Method::OPTIONS.as_str());
    methods.sort_unstable();
    let methods = methods.join(", ");
    ([(ALLOW, methods.clone())], methods).into_response()
}

/// Refuses a body that is not said to be JSON, and a client that takes no JSON. Endpoints that need
/// no body ignore one, but not its type, as in Kafka Connect.
pub(super) async fn negotiate(request: Request, next: Next) -> Response {
    let has_body = !request.body().is_end_stream();
    if has_body && !is_json(request.headers()) {
        return ApiError::http(StatusCode::UNSUPPORTED_MEDIA_TYPE).into_response();
    }
    if !takes_json(request.headers()) {
        return ApiError::http(StatusCode::NOT_ACCEPTABLE).into_response();
    }
    next.run(request).await
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| essence(value).eq_ignore_ascii_case("application/json"))
}

/// Whether one of the media ranges in `Accept` covers JSON and is not excluded by `q=0`. No header
/// accepts everything.
fn takes_json(headers: &HeaderMap) -> bool {
    let mut given = false;
    for value in headers.get_all(ACCEPT) {
        given = true;
        let Ok(value) = value.to_str() else {
            continue;
        };
        if value.split(',').any(range_takes_json) {
            return true;
        }
    }
    !given
}

fn range_takes_json(range: &str) -> bool {
    let covers = ["*/*", "application/*", "application/json"]
        .iter()
        .any(|covering| essence(range).eq_ignore_ascii_case(covering));
    let excluded = range.split(';').skip(1).any(|parameter| {
        parameter
            .trim()
            .strip_prefix("q=")
            .is_some_and(|quality| quality.trim().parse() == Ok(0.0_f32))
    });
    covers && !excluded
}

/// The media type without its parameters.
fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_header() {
        let check = |accept: &[&'static str], expected: bool| {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT, value.parse().unwrap());
            }
            assert_eq!(takes_json(&headers), expected, "{accept:?}");
        };
        check(&[], true);
        check(&["*/*"], true);
        check(&["application/json"], true);
        check(&["Application/JSON; charset=utf-8"], true);
        check(&["text/html, application/*;q=0.8"], true);
        check(&["text/plain", "application/json"], true);
        check(&["text/plain"], false);
        check(&["application/json;q=0"], false);
        check(&["application/json; q=0.0, text/*"], false);
        check(&[""], false);
    }
}
