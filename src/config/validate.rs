//! What `PUT /connector-plugins/{name}/config/validate` answers: every key with its definition,
//! its value and what is wrong with it, in Kafka Connect's shape.
//!
//! Three things are kept better than required: what is accepted without effect is said in
//! `warnings` of its key, no definition is ever null, because clients fail on
//! that, and a key that nobody knows is listed (as a definition without a group, with the key that
//! was probably meant as its recommended value) though it is no error.

use serde::Serialize;

use super::check::{self, Checked, Entry, Extra};
use super::definitions::{ConfigKeyInfo, Group, common};
use super::parse::Invalid;
use super::worker::WorkerSettings;
use super::{RawConfig, dialect};

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
    /// What is accepted though it has no effect here, or another one. Not in Kafka Connect's shape,
    /// so left out when there is nothing to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
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
    if !checked.plugin().is_called(plugin) {
        let included = raw.get(common::CONNECTOR_CLASS.name).cloned().flatten();
        return Err(Invalid::OtherClass {
            included: included.unwrap_or_default(),
            requested: plugin.to_owned(),
        });
    }
    Ok(describe(&checked))
}

fn describe(checked: &Checked) -> Validation {
    let shown = checked.entries.iter().filter(|entry| !entry.hidden);
    let known = shown.map(|entry| describe_entry(entry, checked));
    let extra = checked
        .extras
        .iter()
        .map(|extra| describe_extra(extra, checked));
    let configs: Vec<ConfigInfo> = known.chain(extra).collect();
    Validation {
        name: checked.plugin().full_name().to_owned(),
        error_count: configs.iter().map(|config| config.value.errors.len()).sum(),
        groups: Group::ALL
            .iter()
            .map(|group| group.title().to_owned())
            .chain(checked.groups.iter().cloned())
            .collect(),
        configs,
    }
}

fn describe_entry(entry: &Entry, checked: &Checked) -> ConfigInfo {
    let recommended = entry.key.recommended();
    let name = entry.key.name;
    let theirs = checked.dialect.and_then(|dialect| {
        let key = dialect.key(name)?;
        // Theirs may stand for many keys of a common beginning; clients look for this one.
        Some(ConfigKeyInfo {
            name: name.to_owned(),
            ..dialect::definition(dialect, key)
        })
    });
    ConfigInfo {
        definition: theirs.unwrap_or_else(|| entry.key.info()),
        value: ConfigValueInfo {
            name: entry.key.name.to_owned(),
            value: entry.shown(),
            recommended_values: recommended.iter().map(|&value| value.to_owned()).collect(),
            errors: entry.errors.clone(),
            warnings: checked.warnings_of(name),
            visible: true,
        },
    }
}

fn describe_extra(extra: &Extra, checked: &Checked) -> ConfigInfo {
    ConfigInfo {
        definition: extra.definition.clone(),
        value: ConfigValueInfo {
            name: extra.definition.name.clone(),
            value: extra.shown.clone(),
            recommended_values: extra.recommended.clone(),
            errors: extra.errors.clone(),
            warnings: checked.warnings_of(&extra.definition.name),
            visible: true,
        },
    }
}

#[cfg(test)]
mod tests;
