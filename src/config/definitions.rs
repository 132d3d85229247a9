//! The table of connector keys.

use serde::Serialize;

use super::connector::SinkClass;

/// A key's definition, in Kafka Connect's shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigKeyInfo {
    /// The key.
    pub name: String,
    /// BOOLEAN, STRING, INT, LONG, LIST, CLASS or PASSWORD.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// No default: must be given.
    pub required: bool,
    /// Default as text.
    pub default_value: Option<String>,
    /// HIGH, MEDIUM or LOW.
    pub importance: &'static str,
    /// What it means.
    pub documentation: String,
    /// Group of keys.
    pub group: Option<String>,
    /// Width of a form's field: NONE, SHORT, MEDIUM or LONG.
    pub width: &'static str,
    /// Label.
    pub display_name: String,
    /// Keys that depend on it.
    pub dependents: Vec<String>,
    /// Place in the group, from 1.
    pub order: i32,
}

/// The definitions of a class, common keys first: `GET /connector-plugins/{name}/config`.
pub fn for_class(_class: SinkClass) -> Vec<ConfigKeyInfo> {
    todo!()
}
