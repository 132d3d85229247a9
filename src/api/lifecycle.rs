//! What a connector does: pause, resume, stop, restart, and its end.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::ApiState;
use super::body::StatusInfo;
use super::error::{ApiError, ErrorBody};
use super::request::{Name, NameAndTask, Parameters};
use crate::cluster::{ClusterError, Command, RestartScope, TargetState};

/// Tasks stop reading and keep their partitions.
#[utoipa::path(
    put, path = "/connectors/{name}/pause", tag = "lifecycle",
    params(("name" = String, Path)),
    responses((status = 202), (status = 404, body = ErrorBody))
)]
pub(super) async fn pause(
    State(state): State<ApiState>,
    Name(name): Name,
) -> Result<StatusCode, ApiError> {
    set_target(&state, name, TargetState::Paused).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Tasks read on; a stopped connector gets its tasks back.
#[utoipa::path(
    put, path = "/connectors/{name}/resume", tag = "lifecycle",
    params(("name" = String, Path)),
    responses((status = 202), (status = 404, body = ErrorBody))
)]
pub(super) async fn resume(
    State(state): State<ApiState>,
    Name(name): Name,
) -> Result<StatusCode, ApiError> {
    set_target(&state, name, TargetState::Running).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Ends all tasks and keeps the connector's config.
#[utoipa::path(
    put, path = "/connectors/{name}/stop", tag = "lifecycle",
    params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody))
)]
pub(super) async fn stop(
    State(state): State<ApiState>,
    Name(name): Name,
) -> Result<StatusCode, ApiError> {
    set_target(&state, name, TargetState::Stopped).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Restarts the connector, and as asked its tasks, or only what is FAILED.
#[utoipa::path(
    post, path = "/connectors/{name}/restart", tag = "lifecycle",
    params(
        ("name" = String, Path),
        ("includeTasks" = Option<bool>, Query, description = "tasks too"),
        ("onlyFailed" = Option<bool>, Query, description = "only what is FAILED"),
    ),
    responses(
        (status = 202, body = StatusInfo, description = "one of the flags is set: what is RESTARTING"),
        (status = 204, description = "no flag is set"),
        (status = 404, body = ErrorBody),
    )
)]
pub(super) async fn restart(
    State(state): State<ApiState>,
    Name(name): Name,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let scope = RestartScope {
        include_tasks: parameters.flag("includeTasks"),
        only_failed: parameters.flag("onlyFailed"),
    };
    let command = Command::Restart { name, scope };
    let answer = state.cluster.command(command).await.map_err(|error| {
        ApiError::of_unknown(error, |name| format!("Unknown connector: {name}"))
    })?;
    if scope == RestartScope::default() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let status = StatusInfo::new(&answer.connector);
    Ok((StatusCode::ACCEPTED, Json(status)).into_response())
}

/// Restarts one task.
#[utoipa::path(
    post, path = "/connectors/{name}/tasks/{task}/restart", tag = "lifecycle",
    params(("name" = String, Path), ("task" = i32, Path)),
    responses((status = 204), (status = 404, body = ErrorBody))
)]
pub(super) async fn restart_task(
    State(state): State<ApiState>,
    NameAndTask { name, task }: NameAndTask,
) -> Result<StatusCode, ApiError> {
    let unknown = |name: &str| format!("Unknown connector: {name}");
    let Ok(number) = u32::try_from(task) else {
        let message = match state.cluster.connector(&name).await? {
            Some(_) => format!("Unknown task: {name}-{task}"),
            None => unknown(&name),
        };
        return Err(ApiError::not_found(message));
    };
    let command = Command::RestartTask { name, task: number };
    state
        .cluster
        .command(command)
        .await
        .map_err(|error| ApiError::of_unknown(error, unknown))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a connector. Its tasks drain and commit in the background; its positions stay.
#[utoipa::path(
    delete, path = "/connectors/{name}", tag = "connectors",
    params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody))
)]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Name(name): Name,
) -> Result<StatusCode, ApiError> {
    state.cluster.command(Command::Delete { name }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_target(state: &ApiState, name: String, target: TargetState) -> Result<(), ApiError> {
    let command = Command::SetTarget { name, target };
    let unknown = |error: ClusterError| {
        ApiError::of_unknown(error, |name| format!("Unknown connector {name}"))
    };
    state.cluster.command(command).await.map_err(unknown)?;
    Ok(())
}
