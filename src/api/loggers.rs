//! Levels of loggers, of this worker or of all.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::ApiState;
use super::error::{ApiError, ErrorBody};
use super::request::{Body, Name, Parameters};
use crate::telemetry::{LOGGERS_MAX, Logger, LoggerLevel};

/// A logger's level.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoggerInfo {
    level: &'static str,
    /// Milliseconds since the epoch; null when it was never changed.
    last_modified: Option<i64>,
}

impl From<Logger> for LoggerInfo {
    fn from(logger: Logger) -> Self {
        Self {
            level: logger.level.name(),
            last_modified: logger.modified_ms,
        }
    }
}

/// Loggers that have a level of their own; all others have their nearest parent's.
#[utoipa::path(
    get, path = "/admin/loggers", tag = "loggers",
    responses((status = 200, body = Object, description = "levels by logger"))
)]
#[allow(clippy::unused_async)] // the router takes async functions only
pub(super) async fn list(State(state): State<ApiState>) -> Json<BTreeMap<String, LoggerInfo>> {
    let all = state.loggers.all().into_iter();
    Json(all.map(|(name, logger)| (name, logger.into())).collect())
}

/// The level of a logger.
#[utoipa::path(
    get, path = "/admin/loggers/{logger}", tag = "loggers",
    params(("logger" = String, Path)),
    responses((status = 200, body = LoggerInfo), (status = 404, body = ErrorBody))
)]
#[allow(clippy::unused_async)] // the router takes async functions only
pub(super) async fn get(
    State(state): State<ApiState>,
    Name(logger): Name,
) -> Result<Json<LoggerInfo>, ApiError> {
    let mut all = state.loggers.all();
    let found = all.remove(&logger);
    let unknown = || ApiError::not_found(format!("Logger {logger} not found."));
    Ok(Json(found.ok_or_else(unknown)?.into()))
}

/// Sets the level of a logger and of those below it.
#[utoipa::path(
    put, path = "/admin/loggers/{logger}", tag = "loggers",
    params(
        ("logger" = String, Path, description = "`root`, or a part of the program such as `rowdock::write`"),
        ("scope" = Option<String>, Query, description = "`worker`, or `cluster` for all workers"),
    ),
    request_body(content = Object, content_type = "application/json", description = "`{\"level\": ..}`"),
    responses(
        (status = 200, body = Vec<String>, description = "loggers whose level has changed"),
        (status = 204, description = "with `scope=cluster`"),
        (status = 400, body = ErrorBody, description = "no level, or too many loggers"),
        (status = 404, body = ErrorBody, description = "no such level"),
    )
)]
pub(super) async fn set(
    State(state): State<ApiState>,
    Name(logger): Name,
    parameters: Parameters,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let missing =
        || ApiError::bad_request("Desired 'level' parameter was not specified in request.");
    let body: Value = serde_json::from_slice(&body).map_err(|_| missing())?;
    let text = body
        .get("level")
        .and_then(Value::as_str)
        .ok_or_else(missing)?;
    let level = LoggerLevel::parse(text)
        .ok_or_else(|| ApiError::not_found(format!("invalid log level '{text}'.")))?;
    if !state.loggers.has_room_for(&logger) {
        return Err(too_many());
    }
    let scope = parameters.all("scope").next().unwrap_or_default();
    if scope.eq_ignore_ascii_case("cluster") {
        state.cluster.set_logger(&logger, level).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(Json(state.loggers.set(&logger, level)).into_response())
}

fn too_many() -> ApiError {
    ApiError::bad_request(format!(
        "{LOGGERS_MAX} loggers have levels of their own; no more can be given one"
    ))
}
