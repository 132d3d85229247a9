//! A connector's config from JSON: request bodies and files.

use super::RawConfig;

/// State in which a new connector starts: `initial_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialState {
    /// Tasks run.
    Running,
    /// Tasks join their group and read nothing.
    Paused,
    /// No tasks.
    Stopped,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorRequest {
    /// `name` beside `config`; `None` when absent, null, or for a flat map.
    pub name: Option<String>,
    /// The config.
    pub config: RawConfig,
    /// `initial_state`, when given and not null.
    pub initial_state: Option<InitialState>,
}

/// Why JSON is not a connector's config. Never shows values.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not JSON.
    #[error("{0}")]
    Syntax(String),
}

/// Reads `{"name", "config", "initial_state"}` or a flat map of keys and values.
///
/// # Errors
/// Malformed JSON, unknown members, nested values.
pub fn parse(_json: &[u8]) -> Result<ConnectorRequest, JsonError> {
    todo!()
}

/// Only `{"name", "config", "initial_state"}`: the body of `POST /connectors`.
///
/// # Errors
/// As [`parse`], and when `config` is missing.
pub fn parse_create(_json: &[u8]) -> Result<ConnectorRequest, JsonError> {
    todo!()
}

/// Only a flat map: the body of `PUT` and `PATCH .../config` and of `PUT .../validate`.
///
/// # Errors
/// As [`parse`].
pub fn parse_map(_json: &[u8]) -> Result<RawConfig, JsonError> {
    todo!()
}
