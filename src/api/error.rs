//! Errors as the API answers them: `{"error_code", "message"}` with the same status code.

use std::any::Any;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

use crate::cluster::ClusterError;
use crate::config::connector_json::JsonError;
use crate::config::parse::Invalid;

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// The status code again.
    error_code: u16,
    /// What went wrong.
    message: String,
}

/// An error to answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    status: StatusCode,
    message: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// The error of the HTTP layer itself, as Kafka Connect words it: `HTTP 404 Not Found`.
    pub(super) fn http(status: StatusCode) -> Self {
        let reason = status.canonical_reason().unwrap_or_default();
        Self::new(status, format!("HTTP {} {reason}", status.as_u16()))
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// The same error, worded for an endpoint that has its own words for an unknown connector.
    pub(super) fn of_unknown(error: ClusterError, message: impl Fn(&str) -> String) -> Self {
        match &error {
            ClusterError::UnknownConnector { name } => Self::not_found(message(name)),
            ClusterError::UnknownTask { .. }
            | ClusterError::AlreadyExists { .. }
            | ClusterError::OtherName { .. }
            | ClusterError::NotOurs { .. }
            | ClusterError::Invalid(_)
            | ClusterError::TooLarge { .. }
            | ClusterError::Starting { .. }
            | ClusterError::Unavailable { .. }
            | ClusterError::Stopped => error.into(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error_code: self.status.as_u16(),
            message: self.message,
        };
        (self.status, Json(body)).into_response()
    }
}

impl From<ClusterError> for ApiError {
    fn from(error: ClusterError) -> Self {
        let status = match &error {
            ClusterError::UnknownConnector { .. } | ClusterError::UnknownTask { .. } => {
                StatusCode::NOT_FOUND
            }
            ClusterError::AlreadyExists { .. } => StatusCode::CONFLICT,
            ClusterError::OtherName { .. }
            | ClusterError::NotOurs { .. }
            | ClusterError::Invalid(_)
            | ClusterError::TooLarge { .. } => StatusCode::BAD_REQUEST,
            ClusterError::Starting { .. }
            | ClusterError::Unavailable { .. }
            | ClusterError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Self::bad_request(invalid.to_string())
    }
}

impl From<JsonError> for ApiError {
    fn from(error: JsonError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// No such path.
#[allow(clippy::unused_async)] // the router takes async functions only
pub(super) async fn not_found() -> ApiError {
    ApiError::http(StatusCode::NOT_FOUND)
}

/// No such method on this path.
#[allow(clippy::unused_async)] // the router takes async functions only
pub(super) async fn method_not_allowed() -> ApiError {
    ApiError::http(StatusCode::METHOD_NOT_ALLOWED)
}

/// A handler panicked: a defect, told to the client without its details, which are in the log.
#[allow(clippy::needless_pass_by_value)] // the layer's signature
pub(super) fn from_panic(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("unknown");
    error!(panic = text, "rest api request panicked");
    let message = "the request met a defect of this program; the worker's log has the details";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
}
