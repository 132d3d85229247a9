//! `PUT /connector-plugins/{name}/config/validate`.

use serde::Serialize;

use super::RawConfig;
use super::definitions::ConfigKeyInfo;
use super::parse::Invalid;
use super::worker::WorkerSettings;

/// The reply, in Kafka Connect's shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Validation {
    /// Full class name.
    pub name: String,
    /// Number of error messages in all values.
    pub error_count: usize,
    /// Groups of keys, in order.
    pub groups: Vec<String>,
    /// Keys.
    pub configs: Vec<ConfigInfo>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigInfo {
    /// Its definition; never null here, though Connect's may be.
    pub definition: ConfigKeyInfo,
    /// Its value.
    pub value: ConfigValueInfo,
}

/// One key's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigValueInfo {
    /// The key.
    pub name: String,
    /// The value in force, `[hidden]` for secrets, null when absent or unusable.
    pub value: Option<String>,
    /// Values to offer.
    pub recommended_values: Vec<String>,
    /// What is wrong.
    pub errors: Vec<String>,
    /// Always true.
    pub visible: bool,
}

/// Checks a config and describes every key.
///
/// # Errors
/// [`Invalid::NoClass`] and [`Invalid::UnknownClass`] only: there is nothing to describe then.
pub fn validate(_raw: &RawConfig, _worker: &WorkerSettings) -> Result<Validation, Invalid> {
    todo!()
}

/// The same for the plugin named in a request's path, which must be the config's class.
///
/// # Errors
/// As [`validate`], and [`Invalid::OtherClass`].
pub fn validate_for_plugin(
    _plugin: &str,
    _raw: &RawConfig,
    _worker: &WorkerSettings,
) -> Result<Validation, Invalid> {
    todo!()
}
