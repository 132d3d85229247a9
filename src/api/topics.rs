//! Topics that a connector's tasks have written.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::error::{ApiError, ErrorBody};
use super::request::Name;

/// Topics of one connector.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Topics {
    topics: BTreeSet<String>,
}

/// Topics that the connector's tasks have written since it was created, or since they were reset.
#[utoipa::path(
    get, path = "/connectors/{name}/topics", tag = "connectors",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = Object, description = "by the connector's name"),
        (status = 403, body = ErrorBody, description = "topics are not tracked")
    )
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    Name(name): Name,
) -> Result<Json<BTreeMap<String, Topics>>, ApiError> {
    if !state.settings.topic_tracking {
        return Err(forbidden("Topic tracking is disabled."));
    }
    let connector = state.cluster.connector(&name).await?;
    let topics = connector.map(|connector| connector.topics);
    let topics = topics.unwrap_or_default();
    Ok(Json([(name, Topics { topics })].into()))
}

/// Forgets them; those that are written from now on are listed again.
#[utoipa::path(
    put, path = "/connectors/{name}/topics/reset", tag = "connectors",
    params(("name" = String, Path)),
    responses(
        (status = 202),
        (status = 403, body = ErrorBody, description = "topics are not tracked, or may not be reset")
    )
)]
pub(super) async fn reset(
    State(state): State<ApiState>,
    Name(name): Name,
) -> Result<StatusCode, ApiError> {
    if !state.settings.topic_tracking {
        return Err(forbidden("Topic tracking is disabled."));
    }
    if !state.settings.topic_tracking_reset {
        return Err(forbidden("Topic tracking reset is disabled."));
    }
    state.cluster.reset_topics(&name).await?;
    Ok(StatusCode::ACCEPTED)
}

fn forbidden(message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, message)
}
