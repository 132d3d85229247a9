//! The REST API: Kafka Connect's, so that the tools people already use drive this worker.
//!
//! Handlers translate: a request into a read or a [`Command`](crate::cluster::Command) of the
//! [`ClusterHandle`], the answer into Kafka Connect's shape. They hold no state and never touch a
//! running pipeline. Status codes, bodies and messages are Kafka Connect's, because clients match
//! on them; where it answers a client's mistake with 500, this API answers 400.
//!
//! Every answer that is an error has the body `{"error_code", "message"}`, whoever made it: a
//! handler, the router (404, 405), the checks of headers (406, 415) and of size (413), the time
//! limit, a panic. [`layers`] has the rules that hold for all requests, [`request`] and [`error`]
//! the two directions, [`body`] the shapes, [`server`] the listening side.
//!
//! The OpenAPI description at `/openapi.json` is generated from the handlers, so it cannot lag
//! behind them.

mod body;
mod connectors;
mod cors;
mod error;
mod layers;
mod lifecycle;
mod loggers;
mod offsets;
mod own;
mod plugins;
mod replay;
mod request;
mod root;
mod server;
mod tls;
mod topics;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Extension};
use axum::{Router, middleware};
use tokio::sync::watch;
use tower::Layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::normalize_path::NormalizePathLayer;
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use crate::cluster::ClusterHandle;
use crate::config::worker::WorkerSettings;
use crate::sessions::RequestSessions;
use crate::telemetry::Loggers;

pub use layers::REQUEST_TIME_MAX;
pub use server::{CONNECTION_IDLE_MAX, CONNECTIONS_MAX, serve};
pub use tls::{Tls, TlsError};

/// What handlers work with.
#[derive(Debug, Clone)]
pub struct ApiState {
    /// Connectors.
    pub cluster: ClusterHandle,
    /// The worker's settings.
    pub settings: Arc<WorkerSettings>,
    /// The worker's advertised `host:port`.
    pub worker_id: Arc<str>,
    /// `http` or `https`, as the request comes.
    pub scheme: &'static str,
    /// Levels of the process's loggers.
    pub loggers: Loggers,
    /// Database sessions of requests.
    pub sessions: RequestSessions,
    /// The Kafka cluster's id, once it is known.
    pub kafka_cluster_id: watch::Receiver<Option<String>>,
}

#[derive(OpenApi)]
#[openapi(info(
    title = "Rowdock",
    description = "Kafka Connect's REST API, served by a sink worker."
))]
struct Description;

/// Which part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// All but what is under `/admin`.
    WithoutAdmin,
    /// What is under `/admin` only.
    AdminOnly,
}

/// The API, or a part of it.
pub fn router(state: ApiState, part: Part) -> Router {
    let mut described = OpenApiRouter::with_openapi(Description::openapi());
    if part != Part::AdminOnly {
        described = described.merge(main_routes());
    }
    if part != Part::WithoutAdmin {
        described = described
            .routes(negotiated(routes!(loggers::list)))
            .routes(negotiated(routes!(loggers::get, loggers::set)));
    }
    let (routes, description) = described.split_for_parts();

    let body_limit = DefaultBodyLimit::max(state.settings.request_body_max_bytes);
    let settings = Arc::clone(&state.settings);
    let api = routes
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(body_limit)
        .layer(Extension(root::OpenApiDocument::new(&description)))
        .layer(middleware::from_fn(layers::limit_time))
        .layer(CatchPanicLayer::custom(error::from_panic))
        .layer(middleware::from_fn(layers::log_requests))
        .with_state(state);
    // Around the router, because its own layers come too late: routing has seen the path by then,
    // and the methods a path allows are told outside of them.
    let api = middleware::from_fn(layers::answer_options).layer(api);
    let api = middleware::from_fn_with_state(Arc::clone(&settings), cors::allow_origins).layer(api);
    let api = middleware::from_fn_with_state(settings, layers::add_headers).layer(api);
    Router::new().fallback_service(NormalizePathLayer::trim_trailing_slash().layer(api))
}

fn main_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(negotiated(routes!(root::worker)))
        .routes(negotiated(routes!(root::health)))
        .routes(negotiated(routes!(root::openapi)))
        .routes(negotiated(routes!(connectors::list, connectors::create)))
        .routes(negotiated(routes!(connectors::info, lifecycle::delete)))
        .routes(negotiated(routes!(
            connectors::config,
            connectors::put_config,
            connectors::patch_config
        )))
        .routes(negotiated(routes!(connectors::status)))
        .routes(negotiated(routes!(connectors::tasks)))
        .routes(negotiated(routes!(connectors::task_status)))
        .routes(negotiated(routes!(lifecycle::pause)))
        .routes(negotiated(routes!(lifecycle::resume)))
        .routes(negotiated(routes!(lifecycle::stop)))
        .routes(negotiated(routes!(lifecycle::restart)))
        .routes(negotiated(routes!(lifecycle::restart_task)))
        .routes(negotiated(routes!(
            offsets::read,
            offsets::alter,
            offsets::reset
        )))
        .routes(negotiated(routes!(topics::list)))
        .routes(negotiated(routes!(topics::reset)))
        .routes(negotiated(routes!(own::cluster)))
        .routes(negotiated(routes!(own::progress)))
        .routes(negotiated(routes!(replay::replay)))
        .routes(negotiated(routes!(plugins::list)))
        .routes(negotiated(routes!(plugins::describe)))
        .routes(negotiated(routes!(plugins::validate)))
}

/// Checks `Accept` and `Content-Type` once path and method are known to exist.
fn negotiated(routes: UtoipaMethodRouter<ApiState>) -> UtoipaMethodRouter<ApiState> {
    let (schemas, paths, methods) = routes;
    let methods = methods.route_layer(middleware::from_fn(layers::negotiate));
    (schemas, paths, methods)
}

#[cfg(test)]
mod tests;
