//! Dead letters through a connector again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tokio::sync::Semaphore;

use super::ApiState;
use super::error::{ApiError, ErrorBody};
use super::offsets::positions;
use super::request::{Body, Name};
use crate::replay::{Replay, ReplayError, Report, Request};

/// Replays at a time in this process: each has a consumer, a session and a chunk of letters.
const REPLAYS_MAX: usize = 4;

static FREE: Semaphore = Semaphore::const_new(REPLAYS_MAX);

/// Sends dead letters through the connector again, each once.
///
/// The connector may run meanwhile; any worker can do it. A call ends after some time and says with
/// `complete: false` that it is to be repeated with its `after`. To repeat a call is always safe.
#[utoipa::path(
    post, path = "/rowdock/connectors/{name}/replay", tag = "rowdock",
    params(("name" = String, Path)),
    request_body(content = Request, content_type = "application/json"),
    responses(
        (status = 200, body = Report),
        (status = 400, body = ErrorBody, description = "the request is not acceptable, or an old record might replace a newer row"),
        (status = 404, body = ErrorBody),
        (status = 500, body = ErrorBody, description = "Kafka or the database does not answer; what was stored stays stored"),
        (status = 503, body = ErrorBody, description = "too many replays at a time"),
    )
)]
pub(super) async fn replay(
    State(state): State<ApiState>,
    Name(name): Name,
    Body(body): Body,
) -> Result<Json<Report>, ApiError> {
    let request: Request = serde_json::from_slice(&body)
        .map_err(|error| ApiError::bad_request(format!("the body is not acceptable: {error}")))?;
    // Before anything is asked of Kafka.
    request.selection().map_err(ApiError::bad_request)?;
    let connector = state.cluster.connector(&name).await?;
    let connector =
        connector.ok_or_else(|| ApiError::not_found(format!("Connector {name} not found")))?;
    let Ok(_free) = FREE.try_acquire() else {
        let message = "too many replays at a time; try again when one of them has ended";
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message));
    };
    let replay = Replay {
        positions: positions(&state, &connector)?,
        worker_id: state.worker_id.to_string(),
    };
    let report = replay.run(&request).await.map_err(|error| match error {
        ReplayError::Refused(reason) => ApiError::bad_request(reason),
        ReplayError::Failed(reason) => {
            let message =
                format!("the dead letters of connector {name} cannot be replayed: {reason}");
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
    })?;
    Ok(Json(report))
}
