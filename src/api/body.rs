//! Bodies as Kafka Connect shapes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::cluster::{ConnectorState, ConnectorView, Kind, ShownTaskState, TaskView};
use crate::config::RawConfig;
use crate::task::TaskState;

/// The plugins' version is the program's.
const PLUGIN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// `GET /`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WorkerInfo {
    /// Version of the Kafka Connect API that is spoken, and of this program.
    pub(super) version: &'static str,
    /// Version of this program.
    pub(super) commit: &'static str,
    /// Id of the Kafka cluster, null until it is known.
    pub(super) kafka_cluster_id: Option<String>,
}

/// `GET /health`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `healthy`, `starting` or `unhealthy`.
    pub(super) status: &'static str,
    /// The same for people.
    pub(super) message: String,
}

/// A connector with its config.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectorInfo {
    /// Its name.
    name: String,
    /// Its config as it was given.
    #[serde(serialize_with = "shared")]
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    config: Arc<RawConfig>,
    /// Its tasks.
    tasks: Vec<TaskId>,
    /// `sink`; `source` or `unknown` for connectors that are shown and not run.
    #[serde(rename = "type")]
    kind: &'static str,
}

/// Names a task.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskId {
    /// The connector.
    connector: String,
    /// The number.
    task: u32,
}

/// A task with its config.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskInfo {
    /// Which task.
    id: TaskId,
    /// The connector's config and `task.class`.
    #[serde(serialize_with = "shared")]
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    config: Arc<RawConfig>,
}

/// State of a connector and its tasks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusInfo {
    /// The connector's name.
    name: String,
    /// The connector's own state.
    connector: ConnectorStatus,
    /// Its tasks' states, by number.
    tasks: Vec<TaskStatus>,
    /// `sink`; `source` or `unknown` for connectors that are shown and not run.
    #[serde(rename = "type")]
    kind: &'static str,
}

/// State of a connector itself. Strings only: clients decode it as a map of strings.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectorStatus {
    /// UNASSIGNED, RUNNING, PAUSED, STOPPED, RESTARTING or FAILED.
    state: &'static str,
    /// The worker that has it.
    worker_id: String,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    /// Version of the plugin.
    version: &'static str,
}

/// State of a task.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskStatus {
    /// The task's number.
    id: u32,
    /// UNASSIGNED, RUNNING, PAUSED, RESTARTING or FAILED.
    state: &'static str,
    /// The worker that has it.
    worker_id: String,
    /// Why it failed, or while RUNNING, which error it is retrying.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    /// Version of the plugin.
    version: &'static str,
}

/// One connector in `GET /connectors?expand=..`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Expanded {
    /// With `expand=status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<StatusInfo>,
    /// With `expand=info`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) info: Option<ConnectorInfo>,
}

/// `GET /connectors`: names, or with `expand` a map.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum ConnectorList {
    /// Without `expand`.
    Names(Vec<String>),
    /// With `expand`.
    Expanded(BTreeMap<String, Expanded>),
}

impl ConnectorInfo {
    pub(super) fn new(view: &ConnectorView) -> Self {
        let tasks = view.tasks.iter();
        Self {
            name: view.name.clone(),
            config: Arc::clone(&view.config),
            tasks: tasks.map(|task| TaskId::new(view, task)).collect(),
            kind: kind(view.kind),
        }
    }
}

impl TaskId {
    fn new(view: &ConnectorView, task: &TaskView) -> Self {
        Self {
            connector: view.name.clone(),
            task: task.task,
        }
    }
}

impl TaskInfo {
    pub(super) fn all(view: &ConnectorView) -> Vec<Self> {
        view.tasks
            .iter()
            .map(|task| Self {
                id: TaskId::new(view, task),
                config: Arc::clone(&task.config),
            })
            .collect()
    }
}

impl StatusInfo {
    pub(super) fn new(view: &ConnectorView) -> Self {
        let tasks = view.tasks.iter();
        Self {
            name: view.name.clone(),
            connector: ConnectorStatus {
                state: connector_state(view.state),
                worker_id: view.worker_id.clone(),
                trace: view.trace.clone(),
                version: PLUGIN_VERSION,
            },
            tasks: tasks.map(TaskStatus::new).collect(),
            kind: kind(view.kind),
        }
    }
}

impl TaskStatus {
    pub(super) fn new(view: &TaskView) -> Self {
        Self {
            id: view.task,
            state: task_state(view.state),
            worker_id: view.worker_id.clone(),
            trace: view.trace.clone(),
            version: PLUGIN_VERSION,
        }
    }
}

/// Configs are the bulk of every list: they are written from where they lie.
fn shared<S: Serializer>(config: &Arc<RawConfig>, serializer: S) -> Result<S::Ok, S::Error> {
    config.serialize(serializer)
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Sink => "sink",
        Kind::Source => "source",
        Kind::Unknown => "unknown",
    }
}

pub(super) fn connector_state(state: ConnectorState) -> &'static str {
    match state {
        ConnectorState::Unassigned => "UNASSIGNED",
        ConnectorState::Running => "RUNNING",
        ConnectorState::Paused => "PAUSED",
        ConnectorState::Stopped => "STOPPED",
        ConnectorState::Restarting => "RESTARTING",
        ConnectorState::Failed => "FAILED",
    }
}

pub(super) fn task_state(state: ShownTaskState) -> &'static str {
    match state {
        ShownTaskState::Restarting => "RESTARTING",
        ShownTaskState::Told(TaskState::Unassigned) => "UNASSIGNED",
        ShownTaskState::Told(TaskState::Running) => "RUNNING",
        ShownTaskState::Told(TaskState::Paused) => "PAUSED",
        ShownTaskState::Told(TaskState::Failed) => "FAILED",
    }
}
