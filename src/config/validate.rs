//! What `PUT /connector-plugins/{name}/config/validate` answers: every key with its definition,
//! its value and what is wrong with it, in Kafka Connect's shape.
//!
//! Two things are kept better than required: no definition is ever null, because clients fail on
//! that, and a key that nobody knows is listed (as a definition without a group, with the key that
//! was probably meant as its recommended value) though it is no error.

use serde::Serialize;

use super::check::{self, Checked, Entry, Extra};
use super::definitions::{ConfigKeyInfo, Group, common};
use super::parse::Invalid;
use super::worker::WorkerSettings;
use super::{RawConfig, plugins};

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
pub fn validate(raw: &RawConfig, worker: &WorkerSettings) -> Result<Validation, Invalid> {
    Ok(describe(&check::check(raw, worker)?))
}

/// The same for the plugin named in a request's path, which must be the config's class.
///
/// # Errors
/// As [`validate`], and [`Invalid::OtherClass`].
pub fn validate_for_plugin(
    plugin: &str,
    raw: &RawConfig,
    worker: &WorkerSettings,
) -> Result<Validation, Invalid> {
    let checked = check::check(raw, worker)?;
    if plugins::resolve(plugin).ok() != Some(checked.class) {
        let included = raw.get(common::CONNECTOR_CLASS.name).cloned().flatten();
        return Err(Invalid::OtherClass {
            included: included.unwrap_or_default(),
            requested: plugin.to_owned(),
        });
    }
    Ok(describe(&checked))
}

fn describe(checked: &Checked) -> Validation {
    let known = checked.entries.iter().map(describe_entry);
    let extra = checked.extras.iter().map(describe_extra);
    let configs: Vec<ConfigInfo> = known.chain(extra).collect();
    Validation {
        name: plugins::full_name(checked.class).to_owned(),
        error_count: configs.iter().map(|config| config.value.errors.len()).sum(),
        groups: Group::ALL
            .iter()
            .map(|group| group.title().to_owned())
            .chain(checked.groups.iter().cloned())
            .collect(),
        configs,
    }
}

fn describe_entry(entry: &Entry) -> ConfigInfo {
    let recommended = entry.key.recommended();
    ConfigInfo {
        definition: entry.key.info(),
        value: ConfigValueInfo {
            name: entry.key.name.to_owned(),
            value: entry.shown(),
            recommended_values: recommended.iter().map(|&value| value.to_owned()).collect(),
            errors: entry.errors.clone(),
            visible: true,
        },
    }
}

fn describe_extra(extra: &Extra) -> ConfigInfo {
    ConfigInfo {
        definition: extra.definition.clone(),
        value: ConfigValueInfo {
            name: extra.definition.name.clone(),
            value: extra.shown.clone(),
            recommended_values: extra.recommended.clone(),
            errors: extra.errors.clone(),
            visible: true,
        },
    }
}

#[cfg(test)]
mod tests;
