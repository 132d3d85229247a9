//! Classes of connectors and of their parts: which there are, their keys, and whether a config
//! would be accepted.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::ApiState;
use super::error::{ApiError, ErrorBody};
use super::request::{Body, Name, Parameters};
use crate::config::connector_json::parse_map;
use crate::config::definitions::ConfigKeyInfo;
use crate::config::plugins::{PluginInfo, connectors, keys_of, plugins};
use crate::config::validate::validate_for_plugin;

/// Version of every plugin: they are built in.
const PLUGIN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// All connector classes; with `connectorsOnly=false` also converters, header converters,
/// transforms and predicates.
#[utoipa::path(
    get, path = "/connector-plugins", tag = "plugins",
    params(("connectorsOnly" = Option<bool>, Query)),
    responses((status = 200, body = Vec<Object>, description = "class, type and version of each"))
)]
#[allow(clippy::unused_async)] // the router takes async functions only
pub(super) async fn list(parameters: Parameters) -> Json<Vec<PluginInfo>> {
    // As in Kafka Connect, whatever is not `true` asks for all.
    let only_connectors = parameters
        .all("connectorsOnly")
        .next()
        .is_none_or(|value| value.eq_ignore_ascii_case("true"));
    Json(match only_connectors {
        true => connectors(),
        false => plugins(),
    })
}

/// The keys of a class: of a connector the common keys first; of its parts without their prefix.
#[utoipa::path(
    get, path = "/connector-plugins/{plugin}/config", tag = "plugins",
    params(
        ("plugin" = String, Path, description = "full or simple class name"),
        ("version" = Option<String>, Query, description = "the only version there is, or nothing"),
    ),
    responses(
        (status = 200, body = Vec<Object>, description = "definition of each key"),
        (status = 400, body = ErrorBody, description = "no such version"),
        (status = 404, body = ErrorBody),
    )
)]
#[allow(clippy::unused_async)] // the router takes async functions only
pub(super) async fn describe(
    Name(plugin): Name,
    parameters: Parameters,
) -> Result<Json<Vec<ConfigKeyInfo>>, ApiError> {
    let keys =
        keys_of(&plugin).map_err(|_| ApiError::not_found(format!("Unknown plugin {plugin}.")))?;
    if let Some(version) = parameters.all("version").next()
        && version != PLUGIN_VERSION
    {
        return Err(ApiError::bad_request(format!(
            "Plugin {plugin} not found that matches the version range [{version},{version}], \
             available versions: [{PLUGIN_VERSION}]"
        )));
    }
    Ok(Json(keys))
}

/// Checks a config, without Kafka and without the database. What is wrong with it is in the body
/// of a 200.
#[utoipa::path(
    put, path = "/connector-plugins/{plugin}/config/validate", tag = "plugins",
    params(("plugin" = String, Path, description = "full or simple class name")),
    request_body(content = Object, content_type = "application/json", description = "keys and values"),
    responses(
        (status = 200, body = Object, description = "every key with its definition, value and errors"),
        (status = 400, body = ErrorBody, description = "no class, another class, or an unknown one"),
    )
)]
pub(super) async fn validate(
    State(state): State<ApiState>,
    Name(plugin): Name,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let config = parse_map(&body)?;
    let validation = validate_for_plugin(&plugin, &config, &state.settings)?;
    Ok(Json(validation).into_response())
}
