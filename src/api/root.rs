//! The worker itself: version, health, and the API's description.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use tokio::time::timeout;
use tracing::error;
use utoipa::openapi::OpenApi;

use super::ApiState;
use super::body::{Health, WorkerInfo};
use super::error::ErrorBody;
use crate::cluster;

/// Clients read the first two numbers to learn which endpoints there are; below 3.9 they hide some.
/// So this is the Kafka Connect release whose API is spoken, marked as ours.
const API_VERSION: &str = "4.1.1-rowdock";

/// How long the control loop may take to answer a health check; Kafka Connect's limit.
const HEALTH_TIME_MAX: Duration = Duration::from_secs(10);

const HEALTHY: &str = "Worker has completed startup and is ready to handle requests.";
const STARTING: &str = "Worker is still starting up.";
const UNHEALTHY: &str =
    "Worker was unable to handle this request and may be unable to handle other requests.";

/// The API's description, rendered once.
#[derive(Debug, Clone)]
pub(super) struct OpenApiDocument(Bytes);

impl OpenApiDocument {
    pub(super) fn new(description: &OpenApi) -> Self {
        let rendered = description.to_json().unwrap_or_else(|error| {
            error!(error = %error, "openapi description cannot be rendered");
            "{}".to_owned()
        });
        Self(rendered.into())
    }
}

/// Version of the worker and id of its Kafka cluster.
#[utoipa::path(
    get, path = "/", tag = "worker",
    responses((status = 200, body = WorkerInfo))
)]
#[allow(clippy::unused_async)] // the router takes async functions only
pub(super) async fn worker(State(state): State<ApiState>) -> Json<WorkerInfo> {
    Json(WorkerInfo {
        version: API_VERSION,
        commit: env!("CARGO_PKG_VERSION"),
        kafka_cluster_id: state.kafka_cluster_id.borrow().clone(),
    })
}

/// Whether the worker handles requests. A broker or database that is away does not make a
/// standalone worker unhealthy: it goes on by itself when they are back, and restarting it would not
/// help. A worker of a cluster is unhealthy while it cannot reach what the cluster shares.
#[utoipa::path(
    get, path = "/health", tag = "worker",
    responses(
        (status = 200, body = Health),
        (status = 500, body = Health),
        (status = 503, body = Health, description = "still starting up, or stopping")
    )
)]
pub(super) async fn health(State(state): State<ApiState>) -> (StatusCode, Json<Health>) {
    let answered = timeout(HEALTH_TIME_MAX, state.cluster.ping()).await;
    let (code, status, message) = match answered {
        Ok(Ok(cluster::Health::Healthy)) => (StatusCode::OK, "healthy", HEALTHY.to_owned()),
        Ok(Ok(cluster::Health::Starting(stage))) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "starting",
            format!("{STARTING} {stage}"),
        ),
        Ok(Ok(cluster::Health::Unhealthy(reason))) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "unhealthy",
            format!("{UNHEALTHY} {reason}"),
        ),
        Ok(Err(stopped)) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "unhealthy",
            stopped.to_string(),
        ),
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "unhealthy",
            UNHEALTHY.to_owned(),
        ),
    };
    (code, Json(Health { status, message }))
}

/// This description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "worker",
    responses((status = 200, body = Object), (status = 406, body = ErrorBody))
)]
#[allow(clippy::unused_async)] // the router takes async functions only
pub(super) async fn openapi(Extension(document): Extension<OpenApiDocument>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], document.0)
}
