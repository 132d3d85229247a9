//! The connector classes that are built in, and the names that stand for them.

use serde::Serialize;

use super::connector::SinkClass;

/// One entry of `GET /connector-plugins`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginInfo {
    /// Full class name.
    pub class: &'static str,
    /// `sink`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Version of this program.
    pub version: &'static str,
}

/// A class name that stands for no built-in connector. The message starts as Kafka Connect's does,
/// because clients look at it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Failed to find any class that implements Connector and which name matches {class}, available connectors are: {available}{hint}"
)]
pub struct UnknownClass {
    /// The name as given.
    pub class: String,
    available: String,
    hint: String,
}

/// All connector plugins.
pub fn plugins() -> Vec<PluginInfo> {
    todo!()
}

/// The full class name.
pub fn full_name(_class: SinkClass) -> &'static str {
    todo!()
}

/// Finds a class by its full name, its simple name, or either without `Connector`.
///
/// # Errors
/// When no built-in class has that name.
pub fn resolve(_name: &str) -> Result<SinkClass, UnknownClass> {
    todo!()
}
