//! Connectors: list, create, configs, status, tasks.

use std::fmt::Write;

use axum::Json;
use axum::extract::State;
use axum::http::header::{HOST, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::ApiState;
use super::body::{ConnectorInfo, ConnectorList, Expanded, StatusInfo, TaskInfo, TaskStatus};
use super::error::{ApiError, ErrorBody};
use super::request::{Body, Name, NameAndTask, Parameters};
use crate::cluster::{Answer, Command, ConnectorView, TargetState};
use crate::config::connector_json::{parse_create, parse_map};

/// Names of all connectors; with `expand=info` or `expand=status` (or both) a map of connectors.
#[utoipa::path(
    get, path = "/connectors", tag = "connectors",
    params(("expand" = Option<Vec<String>>, Query, description = "`info`, `status`, or both")),
    responses((status = 200, body = ConnectorList))
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<ConnectorList>, ApiError> {
    let connectors = state.cluster.connectors().await?;
    if parameters.all("expand").next().is_none() {
        return Ok(Json(ConnectorList::Names(connectors.into_keys().collect())));
    }
    let wanted = |part| parameters.all("expand").any(|value| value == part);
    let (with_status, with_info) = (wanted("status"), wanted("info"));
    let expand = |view: &ConnectorView| Expanded {
        status: with_status.then(|| StatusInfo::new(view)),
        info: with_info.then(|| ConnectorInfo::new(view)),
    };
    let expanded = connectors
        .iter()
        .map(|(name, view)| (name.clone(), expand(view)))
        .collect();
    Ok(Json(ConnectorList::Expanded(expanded)))
}

/// Creates a connector.
#[utoipa::path(
    post, path = "/connectors", tag = "connectors",
    request_body(
        content = Object, content_type = "application/json",
        description = "`{\"name\": .., \"config\": {..}, \"initial_state\": \"RUNNING|PAUSED|STOPPED\"}`"
    ),
    responses(
        (status = 201, body = ConnectorInfo, description = "created", headers(("Location" = String))),
        (status = 400, body = ErrorBody, description = "the body or the config is not acceptable"),
        (status = 409, body = ErrorBody, description = "the name is taken"),
    )
)]
pub(super) async fn create(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let request = parse_create(&body)?;
    let name = request.name.unwrap_or_default().trim().to_owned();
    let target = request
        .initial_state
        .map_or(TargetState::Running, TargetState::from);
    let command = Command::Create {
        name,
        config: request.config,
        target,
    };
    let answer = state.cluster.command(command).await?;
    Ok(created_or_updated(&answer, &headers, &state))
}

/// A connector with its config and tasks.
#[utoipa::path(
    get, path = "/connectors/{name}", tag = "connectors",
    params(("name" = String, Path)),
    responses((status = 200, body = ConnectorInfo), (status = 404, body = ErrorBody))
)]
pub(super) async fn info(
    State(state): State<ApiState>,
    Name(name): Name,
) -> Result<Json<ConnectorInfo>, ApiError> {
    let connector = require(&state, &name).await?;
    Ok(Json(ConnectorInfo::new(&connector)))
}

/// A connector's config, as it was given.
#[utoipa::path(
    get, path = "/connectors/{name}/config", tag = "connectors",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = Object, description = "keys and values"),
        (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn config(
    State(state): State<ApiState>,
    Name(name): Name,
) -> Result<Response, ApiError> {
    let connector = require(&state, &name).await?;
    Ok(Json(connector.config.as_ref()).into_response())
}

/// Replaces a connector's config, or creates the connector.
#[utoipa::path(
    put, path = "/connectors/{name}/config", tag = "connectors",
    params(("name" = String, Path)),
    request_body(content = Object, content_type = "application/json", description = "keys and values"),
    responses(
        (status = 200, body = ConnectorInfo, description = "replaced"),
        (status = 201, body = ConnectorInfo, description = "created", headers(("Location" = String))),
        (status = 400, body = ErrorBody, description = "the body or the config is not acceptable"),
    )
)]
pub(super) async fn put_config(
    State(state): State<ApiState>,
    Name(name): Name,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let config = parse_map(&body)?;
    let command = Command::PutConfig { name, config };
    let answer = state.cluster.command(command).await?;
    Ok(created_or_updated(&answer, &headers, &state))
}

/// Sets some keys of a connector's config; null removes a key.
#[utoipa::path(
    patch, path = "/connectors/{name}/config", tag = "connectors",
    params(("name" = String, Path)),
    request_body(content = Object, content_type = "application/json", description = "keys and values"),
    responses(
        (status = 200, body = ConnectorInfo),
        (status = 400, body = ErrorBody, description = "the body or the config is not acceptable"),
        (status = 404, body = ErrorBody),
    )
)]
pub(super) async fn patch_config(
    State(state): State<ApiState>,
    Name(name): Name,
    Body(body): Body,
) -> Result<Json<ConnectorInfo>, ApiError> {
    let changes = parse_map(&body)?;
    let command = Command::PatchConfig { name, changes };
    let answer = state.cluster.command(command).await?;
    Ok(Json(ConnectorInfo::new(&answer.connector)))
}

/// State of a connector and its tasks.
#[utoipa::path(
    get, path = "/connectors/{name}/status", tag = "connectors",
    params(("name" = String, Path)),
    responses((status = 200, body = StatusInfo), (status = 404, body = ErrorBody))
)]
pub(super) async fn status(
    State(state): State<ApiState>,
    Name(name): Name,
) -> Result<Json<StatusInfo>, ApiError> {
    match state.cluster.connector(&name).await? {
        Some(connector) => Ok(Json(StatusInfo::new(&connector))),
        None => Err(ApiError::not_found(format!(
            "No status found for connector {name}"
        ))),
    }
}

/// A connector's tasks with their configs.
#[utoipa::path(
    get, path = "/connectors/{name}/tasks", tag = "connectors",
    params(("name" = String, Path)),
    responses((status = 200, body = Vec<TaskInfo>), (status = 404, body = ErrorBody))
)]
pub(super) async fn tasks(
    State(state): State<ApiState>,
    Name(name): Name,
) -> Result<Json<Vec<TaskInfo>>, ApiError> {
    let connector = require(&state, &name).await?;
    Ok(Json(TaskInfo::all(&connector)))
}

/// State of one task.
#[utoipa::path(
    get, path = "/connectors/{name}/tasks/{task}/status", tag = "connectors",
    params(("name" = String, Path), ("task" = i32, Path)),
    responses((status = 200, body = TaskStatus), (status = 404, body = ErrorBody))
)]
pub(super) async fn task_status(
    State(state): State<ApiState>,
    NameAndTask { name, task }: NameAndTask,
) -> Result<Json<TaskStatus>, ApiError> {
    let connector = state.cluster.connector(&name).await?;
    connector
        .iter()
        .flat_map(|connector| &connector.tasks)
        .find(|known| i64::from(known.task) == i64::from(task))
        .map(|known| Json(TaskStatus::new(known)))
        .ok_or_else(|| ApiError::not_found(format!("No status found for task {name}-{task}")))
}

async fn require(state: &ApiState, name: &str) -> Result<ConnectorView, ApiError> {
    state
        .cluster
        .connector(name)
        .await?
        .ok_or_else(|| ApiError::not_found(format!("Connector {name} not found")))
}

/// 200, or 201 with where the connector can be found: at the host the client asked.
fn created_or_updated(answer: &Answer, headers: &HeaderMap, state: &ApiState) -> Response {
    let info = Json(ConnectorInfo::new(&answer.connector));
    if !answer.created {
        return info.into_response();
    }
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or(&state.worker_id);
    let path = encode_segment(&answer.connector.name);
    let location = format!("{}://{host}/connectors/{path}", state.scheme);
    (StatusCode::CREATED, [(LOCATION, location)], info).into_response()
}

/// Percent-encodes what may not stand in one segment of a path.
fn encode_segment(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            write!(encoded, "%{byte:02X}").ok();
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::encode_segment;

    #[test]
    fn segments_are_encoded() {
        let check = |name: &str, expected: &str| assert_eq!(encode_segment(name), expected);
        check("pg-sink", "pg-sink");
        check("a b", "a%20b");
        check("rk/z", "rk%2Fz");
        check("100%", "100%25");
        check("a+b:c&d=e;(f)..", "a+b:c&d=e;(f)..");
        check("\"#?>[]\\", "%22%23%3F%3E%5B%5D%5C");
        check("ü", "%C3%BC");
        check("a\nb", "a%0Ab");
    }
}
