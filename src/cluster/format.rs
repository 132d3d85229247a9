//! Records of the config topic, in Kafka Connect's own formats, so that the topic of an existing
//! Connect cluster can be taken over, and given back.
//!
//! Keys name what a record is about, values are JSON without a schema, and a record without a value
//! deletes what its key names:
//!
//! | key                        | value                                                            |
//! |----------------------------|------------------------------------------------------------------|
//! | `connector-<n>`            | `{"properties": {key: text or null}}`                            |
//! | `task-<n>-<i>`             | `{"properties": ..}`, in force from the next `commit-<n>` on      |
//! | `commit-<n>`               | `{"tasks": count}`                                               |
//! | `target-state-<n>`         | `{"state": "STARTED", "PAUSED", "state.v2": also "STOPPED"}`     |
//! | `restart-connector-<n>`    | `{"include-tasks", "only-failed"}`; ours: `"rowdock"`, see below  |
//! | `logger-cluster-<logger>`  | `{"level": text}`                                                |
//! | `session-key`, `tasks-fencing-<n>` | recognised; they concern the workers of Kafka Connect only |
//! | `rowdock-placement-<n>`    | `{"owners": [worker id of task 0, of task 1, ..]}`; ours          |
//!
//! A restart of ours also lists what was chosen when it was asked for: what has failed then, not
//! what has failed when the record is read. And since compaction leaves a connector's last restart
//! only, it lists the earlier ones that are still in force, such as
//! `{"connector": false, "tasks": [1], "earlier": {"connector": 20, "tasks": {"0": 17}}}`. Kafka Connect
//! ignores that member, and discards keys that it does not know.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::view::TargetState;
use crate::config::RawConfig;

pub(super) mod status;

const CONNECTOR: &str = "connector-";
const TASK: &str = "task-";
const COMMIT: &str = "commit-";
const TARGET_STATE: &str = "target-state-";
const RESTART: &str = "restart-connector-";
const LOGGER: &str = "logger-cluster-";
const PLACEMENT: &str = "rowdock-placement-";
/// Keys that concern Kafka Connect's workers only.
const FOREIGN: [&str; 3] = ["session-key", "tasks-fencing-", "tasks-count-record-"];

/// Tasks of one connector: a guard against a malformed count. Kafka Connect has no limit.
pub(super) const TASKS_MAX: u32 = 10_000;

/// What a record of the config topic says.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum ConfigRecord {
    /// A connector's config, or with `None` its end.
    Connector {
        name: String,
        config: Option<RawConfig>,
    },
    /// A task's config, of no effect before the commit.
    Task {
        name: String,
        task: u32,
        /// Shared: all tasks of a connector have the same.
        config: Option<Arc<RawConfig>>,
    },
    /// The connector has this many tasks from now on.
    Commit { name: String, tasks: Option<u32> },
    /// What the connector should do; may precede the connector.
    Target {
        name: String,
        target: Option<TargetState>,
    },
    /// What is to be restarted.
    Restart { name: String, restart: Restart },
    /// Which worker has each task.
    Placement {
        name: String,
        owners: Option<Vec<String>>,
    },
    /// The level of a logger on all workers.
    Logger { name: String, level: Option<String> },
}

/// A restart that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Restart {
    pub(super) include_tasks: bool,
    pub(super) only_failed: bool,
    /// What was chosen; `None` for a restart that Kafka Connect wrote.
    pub(super) chosen: Option<Chosen>,
}

/// What a restart concerns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Chosen {
    pub(super) connector: bool,
    pub(super) tasks: Vec<u32>,
    /// Restarts before it of what it does not choose.
    #[serde(default)]
    pub(super) earlier: Restarts,
}

/// The versions of a connector's restarts since its config was written; 0 or none for what was not
/// restarted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Restarts {
    /// Of the connector itself.
    pub(super) connector: u64,
    pub(super) tasks: BTreeMap<u32, u64>,
}

/// A record as Kafka stores it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Encoded {
    pub(super) key: String,
    pub(super) value: Option<Vec<u8>>,
}

/// The key only: values may hold secrets.
impl fmt::Debug for Encoded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_ref().map_or("deleted", |_| "..");
        write!(formatter, "{:?}: {value}", self.key)
    }
}

/// What reading a record gave.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Decoded<T> {
    Known(T),
    /// Recognised, and of no meaning here.
    Foreign,
}

/// A record that cannot be read. It is passed over, as Kafka Connect does; never shows a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) String);

#[derive(Serialize, Deserialize)]
struct Properties {
    properties: RawConfig,
}

#[derive(Deserialize)]
struct TargetValue {
    state: Option<String>,
    #[serde(rename = "state.v2")]
    state_v2: Option<String>,
}

#[derive(Deserialize)]
struct RestartValue {
    #[serde(rename = "include-tasks")]
    include_tasks: bool,
    #[serde(rename = "only-failed")]
    only_failed: bool,
    rowdock: Option<Chosen>,
}

impl ConfigRecord {
    /// Reads a record.
    pub(super) fn decode(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Decoded<Self>, Malformed> {
        let key = text_key(key)?;
        if FOREIGN.iter().any(|foreign| key.starts_with(foreign)) {
            return Ok(Decoded::Foreign);
        }
        let of = |prefix: &str| {
            key.strip_prefix(prefix)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
        };
        let record = if let Some(name) = of(CONNECTOR) {
            let config = properties(key, value)?;
            Self::Connector { name, config }
        } else if let Some(rest) = key.strip_prefix(TASK) {
            let (name, task) = task_of(key, rest)?;
            let config = properties(key, value)?.map(Arc::new);
            Self::Task { name, task, config }
        } else if let Some(name) = of(COMMIT) {
            let tasks = commit(key, value)?;
            Self::Commit { name, tasks }
        } else if let Some(name) = of(TARGET_STATE) {
            let target = target(key, value)?;
            Self::Target { name, target }
        } else if let Some(name) = of(RESTART) {
            match restart(key, value)? {
                Some(restart) => Self::Restart { name, restart },
                None => return Ok(Decoded::Foreign),
            }
        } else if let Some(name) = of(LOGGER) {
            let level = level(key, value)?;
            Self::Logger { name, level }
        } else if let Some(name) = of(PLACEMENT) {
            let owners = owners(key, value)?;
            Self::Placement { name, owners }
        } else {
            return Err(Malformed(format!("key {key:?} is of no known kind")));
        };
        Ok(Decoded::Known(record))
    }

    /// The record for the topic.
    pub(super) fn encode(&self) -> Encoded {
        let (key, value) = match self {
            Self::Connector { name, config } => (
                format!("{CONNECTOR}{name}"),
                config.as_ref().map(in_properties),
            ),
            Self::Task { name, task, config } => (
                format!("{TASK}{name}-{task}"),
                config.as_deref().map(in_properties),
            ),
            Self::Commit { name, tasks } => {
                let value = tasks.map(|tasks| json!({ "tasks": tasks }));
                (format!("{COMMIT}{name}"), value)
            }
            Self::Target { name, target } => {
                (format!("{TARGET_STATE}{name}"), target.map(target_value))
            }
            Self::Restart { name, restart } => {
                (format!("{RESTART}{name}"), Some(restart_value(restart)))
            }
            Self::Logger { name, level } => {
                let value = level.as_ref().map(|level| json!({ "level": level }));
                (format!("{LOGGER}{name}"), value)
            }
            Self::Placement { name, owners } => {
                let value = owners.as_ref().map(|owners| json!({ "owners": owners }));
                (format!("{PLACEMENT}{name}"), value)
            }
        };
        Encoded {
            key,
            value: value.map(|value| value.to_string().into_bytes()),
        }
    }
}

/// The key only.
impl fmt::Debug for ConfigRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.encode().fmt(formatter)
    }
}

pub(super) fn text_key(key: Option<&[u8]>) -> Result<&str, Malformed> {
    let key = key.ok_or_else(|| Malformed("the record has no key".to_owned()))?;
    std::str::from_utf8(key).map_err(|_| Malformed("the key is not UTF-8".to_owned()))
}

/// Reads a value. JSON's `null` deletes as a missing value does.
pub(super) fn json_value<T: for<'de> Deserialize<'de>>(
    key: &str,
    value: Option<&[u8]>,
) -> Result<Option<T>, Malformed> {
    let Some(value) = value else {
        return Ok(None);
    };
    // The parser's own words would quote the value.
    serde_json::from_slice(value).map_err(|error| {
        Malformed(format!(
            "the value of {key:?} is not what its key says, at line {} column {}",
            error.line(),
            error.column()
        ))
    })
}

/// `<connector>-<number>`, where the connector's name may have hyphens and digits itself.
pub(super) fn task_of(key: &str, rest: &str) -> Result<(String, u32), Malformed> {
    let parts = rest.rsplit_once('-').filter(|(name, _)| !name.is_empty());
    let task = parts.and_then(|(name, task)| Some((name.to_owned(), task.parse().ok()?)));
    task.filter(|(_, task)| *task < TASKS_MAX)
        .ok_or_else(|| Malformed(format!("key {key:?} does not end in a task's number")))
}

fn properties(key: &str, value: Option<&[u8]>) -> Result<Option<RawConfig>, Malformed> {
    Ok(json_value::<Properties>(key, value)?.map(|value| value.properties))
}

fn in_properties(config: &RawConfig) -> Value {
    json!({ "properties": config })
}

fn commit(key: &str, value: Option<&[u8]>) -> Result<Option<u32>, Malformed> {
    let value: Option<BTreeMap<String, u32>> = json_value(key, value)?;
    let Some(value) = value else {
        return Ok(None);
    };
    match value.get("tasks") {
        Some(tasks) if *tasks <= TASKS_MAX => Ok(Some(*tasks)),
        Some(_) => Err(Malformed(format!("{key:?} counts too many tasks"))),
        None => Err(Malformed(format!("{key:?} counts no tasks"))),
    }
}

fn target(key: &str, value: Option<&[u8]>) -> Result<Option<TargetState>, Malformed> {
    let Some(value) = json_value::<TargetValue>(key, value)? else {
        return Ok(None);
    };
    // Workers before Kafka 3.5 know `state` only, and know of no stopped connectors.
    let state = value.state_v2.or(value.state);
    match state.as_deref() {
        Some("STARTED") => Ok(Some(TargetState::Running)),
        Some("PAUSED") => Ok(Some(TargetState::Paused)),
        Some("STOPPED") => Ok(Some(TargetState::Stopped)),
        Some(_) | None => Err(Malformed(format!("{key:?} names no known state"))),
    }
}

fn target_value(target: TargetState) -> Value {
    let (state, state_v2) = match target {
        TargetState::Running => ("STARTED", "STARTED"),
        TargetState::Paused => ("PAUSED", "PAUSED"),
        TargetState::Stopped => ("PAUSED", "STOPPED"),
    };
    json!({ "state": state, "state.v2": state_v2 })
}

fn restart(key: &str, value: Option<&[u8]>) -> Result<Option<Restart>, Malformed> {
    let value: Option<RestartValue> = json_value(key, value)?;
    Ok(value.map(|value| Restart {
        include_tasks: value.include_tasks,
        only_failed: value.only_failed,
        chosen: value.rowdock,
    }))
}

fn restart_value(restart: &Restart) -> Value {
    let mut value = json!({
        "include-tasks": restart.include_tasks,
        "only-failed": restart.only_failed,
    });
    if let Some(chosen) = &restart.chosen {
        value["rowdock"] = json!(chosen);
    }
    value
}

fn level(key: &str, value: Option<&[u8]>) -> Result<Option<String>, Malformed> {
    let value: Option<BTreeMap<String, Value>> = json_value(key, value)?;
    let Some(value) = value else {
        return Ok(None);
    };
    match value.get("level") {
        Some(Value::String(level)) => Ok(Some(level.clone())),
        Some(_) | None => Err(Malformed(format!("{key:?} names no level"))),
    }
}

fn owners(key: &str, value: Option<&[u8]>) -> Result<Option<Vec<String>>, Malformed> {
    let value: Option<BTreeMap<String, Vec<String>>> = json_value(key, value)?;
    let Some(mut value) = value else {
        return Ok(None);
    };
    let owners = value.remove("owners");
    owners
        .map(Some)
        .ok_or_else(|| Malformed(format!("{key:?} names no owners")))
}

#[cfg(test)]
mod tests;
