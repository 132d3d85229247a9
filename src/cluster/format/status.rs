//! Records of the status topic, in Kafka Connect's own formats.
//!
//! | key                            | value                                                        |
//! |--------------------------------|--------------------------------------------------------------|
//! | `status-connector-<n>`         | `{"state", "trace", "worker_id", "generation", "version"}`    |
//! | `status-task-<n>-<i>`          | the same; ours: `"rowdock"`, see [`Told`]                     |
//! | `status-topic-<t>:connector-<n>` | `{"topic": {"name", "connector", "task", "discoverTimestamp"}}`; ours: `"rowdock"`, see [`TopicUse`] |
//! | `rowdock-worker-<worker id>`   | see [`WorkerRecord`]; ours                                    |

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Decoded, Encoded, Malformed, json_value, task_of, text_key};

const CONNECTOR: &str = "status-connector-";
const TASK: &str = "status-task-";
const TOPIC: &str = "status-topic-";
const TOPIC_OF: &str = ":connector-";
const WORKER: &str = "rowdock-worker-";

/// What a record of the status topic says; without a value it deletes what its key names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster) enum StatusRecord {
    Connector {
        name: String,
        status: Option<Told>,
    },
    Task {
        name: String,
        task: u32,
        status: Option<Told>,
    },
    /// A task has read this topic since the connector was created, or since topics were reset.
    Topic {
        topic: String,
        name: String,
        used: Option<TopicUse>,
    },
    Worker {
        worker_id: String,
        worker: Option<WorkerRecord>,
    },
}

/// What a worker says of a connector or task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cluster) struct Told {
    /// As Kafka Connect names states.
    pub(in crate::cluster) state: String,
    #[serde(default)]
    pub(in crate::cluster) trace: Option<String>,
    pub(in crate::cluster) worker_id: String,
    /// Kafka Connect's order of workers' words; here always 0, because a task has one owner.
    #[serde(default)]
    pub(in crate::cluster) generation: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cluster) version: Option<String>,
    /// Absent in what Kafka Connect wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cluster) rowdock: Option<Started>,
}

/// What a task was started for. Others tell by it whether it is the task that should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(in crate::cluster) struct Started {
    /// The version of the config.
    pub(in crate::cluster) config: u64,
    /// The last restart.
    pub(in crate::cluster) restart: u64,
    /// It has joined its consumer group.
    pub(in crate::cluster) joined: bool,
}

/// Who first read a topic, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cluster) struct TopicUse {
    pub(in crate::cluster) name: String,
    pub(in crate::cluster) connector: String,
    pub(in crate::cluster) task: u32,
    /// Milliseconds since the epoch.
    #[serde(rename = "discoverTimestamp")]
    pub(in crate::cluster) discovered_ms: i64,
    /// Absent in what Kafka Connect wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cluster) rowdock: Option<ReadUnder>,
}

/// What a task that read a topic was started for. Others tell by it whether it was a task of an earlier
/// connector of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cluster) struct ReadUnder {
    /// The version of the config.
    pub(in crate::cluster) config: u64,
}

impl TopicUse {
    /// Whether it was of a connector that was deleted by this version of the config topic.
    pub(in crate::cluster) fn is_before(&self, version: u64) -> bool {
        self.rowdock.is_none_or(|under| under.config < version)
    }
}

/// What a worker says of itself. Whether it lives is for its group to say; this is for what the
/// group cannot tell in time: that it is about to leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cluster) struct WorkerRecord {
    /// It asks for its tasks to be taken over.
    pub(in crate::cluster) leaving: bool,
    /// Random for each process.
    pub(in crate::cluster) incarnation: String,
    /// Version of the program.
    pub(in crate::cluster) version: String,
    /// Milliseconds since the epoch.
    pub(in crate::cluster) started_ms: i64,
    /// The topic of its cluster's configs: a group may have workers of another cluster in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cluster) config_topic: Option<String>,
}

#[derive(Deserialize)]
struct TopicValue {
    topic: TopicUse,
}

impl StatusRecord {
    /// Reads a record.
    pub(in crate::cluster) fn decode(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Decoded<Self>, Malformed> {
        let key = text_key(key)?;
        let record = if let Some(name) = key.strip_prefix(CONNECTOR) {
            Self::Connector {
                name: name.to_owned(),
                status: json_value(key, value)?,
            }
        } else if let Some(rest) = key.strip_prefix(TASK) {
            let (name, task) = task_of(key, rest)?;
            let status = json_value(key, value)?;
            Self::Task { name, task, status }
        } else if let Some(rest) = key.strip_prefix(TOPIC) {
            let (topic, name) = rest
                .split_once(TOPIC_OF)
                .ok_or_else(|| Malformed(format!("key {key:?} names no connector")))?;
            let used: Option<TopicValue> = json_value(key, value)?;
            Self::Topic {
                topic: topic.to_owned(),
                name: name.to_owned(),
                used: used.map(|used| used.topic),
            }
        } else if let Some(worker_id) = key.strip_prefix(WORKER) {
            Self::Worker {
                worker_id: worker_id.to_owned(),
                worker: json_value(key, value)?,
            }
        } else {
            return Err(Malformed(format!("key {key:?} is of no known kind")));
        };
        Ok(Decoded::Known(record))
    }

    /// Its key in the topic.
    pub(in crate::cluster) fn key(&self) -> String {
        match self {
            Self::Connector { name, .. } => format!("{CONNECTOR}{name}"),
            Self::Task { name, task, .. } => format!("{TASK}{name}-{task}"),
            Self::Topic { topic, name, .. } => format!("{TOPIC}{topic}{TOPIC_OF}{name}"),
            Self::Worker { worker_id, .. } => format!("{WORKER}{worker_id}"),
        }
    }

    /// The record for the topic.
    pub(in crate::cluster) fn encode(&self) -> Encoded {
        let value = match self {
            Self::Connector { status, .. } | Self::Task { status, .. } => {
                status.as_ref().map(|status| json!(status))
            }
            Self::Topic { used, .. } => used.as_ref().map(|used| json!({ "topic": used })),
            Self::Worker { worker, .. } => worker.as_ref().map(|worker| json!(worker)),
        };
        Encoded {
            key: self.key(),
            value: value.map(|value| value.to_string().into_bytes()),
        }
    }
}
