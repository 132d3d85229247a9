//! Pages of other origins: a browser lets them use the API only if the API says so (CORS).
//!
//! Off unless `access.control.allow.origin` is set, as in Kafka Connect: the API has no
//! authentication, so a page that may use it may do everything.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::config::worker::WorkerSettings;

/// Methods of pages when none are named.
const DEFAULT_METHODS: &str = "GET,POST,HEAD";

/// Adds what a browser wants to see before it shows an answer to a page, and answers its question
/// whether the page may ask.
pub(super) async fn allow_origins(
    State(settings): State<Arc<WorkerSettings>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(origin) = allowed_origin(request.headers(), &settings.allowed_origins) else {
        return next.run(request).await;
    };
    let is_question = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_question {
        answer(request.headers(), &settings.allowed_methods)
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(VARY, HeaderValue::from_static("Origin"));
    response
}

fn allowed_origin(headers: &HeaderMap, allowed: &[String]) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    let text = origin.to_str().ok()?;
    let is_allowed = |allowed: &String| allowed == "*" || allowed == text;
    allowed.iter().any(is_allowed).then(|| origin.clone())
}

fn answer(asked: &HeaderMap, methods: &[String]) -> Response {
    let methods = if methods.is_empty() {
        DEFAULT_METHODS.to_owned()
    } else {
        methods.join(",")
    };
    let mut response = (StatusCode::OK, [(ACCESS_CONTROL_ALLOW_METHODS, methods)]).into_response();
    if let Some(wanted) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    response
}
