//! What a connector and its tasks are, as the API shows it.
//!
//! A view is put together from two sides: what should be ([`Definition`]) and what the supervisor last
//! published. Where both disagree because a task is being replaced, the task is RESTARTING; that is
//! derived, not stored, so a restart is visible in the answer to the request that asked for it and
//! no state can be left behind.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use super::accepted;
use super::registry::Definition;
use super::supervisor::TaskKey;
use crate::config::RawConfig;
use crate::task::{TaskState, TaskStatus};

/// What a connector should do, as its user last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetState {
    /// Tasks read and write.
    Running,
    /// Tasks keep their partitions and read nothing.
    Paused,
    /// No tasks at all.
    Stopped,
}

/// What kind of connector it is. Only sinks are run here; others are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// From topics to a database.
    Sink,
    /// From somewhere to topics.
    Source,
    /// Its class is not built in, and its name does not tell.
    Unknown,
}

/// State of a connector, as Kafka Connect names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectorState {
    /// Accepted, not begun yet.
    Unassigned,
    /// Its tasks were started (each may have failed since; see there).
    Running,
    /// Its tasks were told to pause.
    Paused,
    /// It has no tasks.
    Stopped,
    /// A restart was asked for and not begun yet.
    Restarting,
    /// Its supervisor broke down; a restart of the connector begins anew.
    Failed,
}

/// State of a task as the API shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownTaskState {
    /// As the task says.
    Told(TaskState),
    /// Being replaced, by request or for a new config.
    Restarting,
}

/// A task as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskView {
    /// Number of the task.
    pub task: u32,
    /// The worker that has it.
    pub worker_id: String,
    /// Its config as it is shown.
    pub config: Arc<RawConfig>,
    /// Its state.
    pub state: ShownTaskState,
    /// Why it failed, what it failed with before this restart, or what it is retrying: a task that
    /// waits for its database stays RUNNING, and this is where every tool shows why nothing moves.
    pub trace: Option<String>,
}

impl TaskView {
    /// Whether a restart of failed instances includes this task.
    pub fn is_failed(&self) -> bool {
        self.state == ShownTaskState::Told(TaskState::Failed)
    }
}

/// A connector as the API shows it.
#[derive(Debug, Clone)]
pub struct ConnectorView {
    /// Its name.
    pub name: String,
    /// The config as it was given.
    pub config: Arc<RawConfig>,
    /// What kind of connector it is.
    pub kind: Kind,
    /// The worker that has it.
    pub worker_id: String,
    /// What it should do.
    pub target: TargetState,
    /// Its state.
    pub state: ConnectorState,
    /// Why it failed.
    pub trace: Option<String>,
    /// Its tasks, sorted by number.
    pub tasks: Vec<TaskView>,
    /// Topics that its tasks have written since it was created, or since they were reset.
    pub topics: BTreeSet<String>,
}

impl ConnectorView {
    /// The config as it is run: with the connector's own name, whatever name is in it.
    pub fn named_config(&self) -> Cow<'_, RawConfig> {
        accepted::named(&self.name, &self.config)
    }

    /// Whether a restart of failed instances includes the connector itself.
    pub fn is_failed(&self) -> bool {
        self.state == ConnectorState::Failed
    }
}

/// What a supervisor says about its connector.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) state: ConnectorState,
    pub(super) connector_restart: u64,
    pub(super) topics_resets: u64,
    pub(super) tasks: Vec<PublishedTask>,
}

/// One task in what a supervisor says.
#[derive(Debug, Clone)]
pub(super) struct PublishedTask {
    pub(super) task: u32,
    pub(super) key: TaskKey,
    pub(super) status: PublishedStatus,
}

/// Where a task's status comes from.
#[derive(Debug, Clone)]
pub(super) enum PublishedStatus {
    /// From the task itself: a read is never older than the task's own word.
    Live(watch::Receiver<TaskStatus>),
    /// The task was told to stop.
    Leaving { trace: Option<String> },
}

impl PublishedTask {
    /// The task's own word, unless it was told to stop.
    pub(super) fn live(&self) -> Option<&watch::Receiver<TaskStatus>> {
        match &self.status {
            PublishedStatus::Live(status) => Some(status),
            PublishedStatus::Leaving { .. } => None,
        }
    }
}

impl Published {
    /// What is said before the first round.
    pub(super) fn unassigned() -> Self {
        Self {
            state: ConnectorState::Unassigned,
            connector_restart: 0,
            topics_resets: 0,
            tasks: Vec::new(),
        }
    }
}

impl Published {
    /// Topics that the tasks have written.
    pub(super) fn topics(&self) -> BTreeSet<String> {
        let mut topics = BTreeSet::new();
        for task in &self.tasks {
            if let PublishedStatus::Live(status) = &task.status {
                let status = status.borrow();
                topics.extend(status.topics.iter().map(|topic| topic.to_string()));
            }
        }
        topics
    }
}

impl ConnectorState {
    /// The state that fulfils a target.
    pub(super) fn of_target(target: TargetState) -> Self {
        match target {
            TargetState::Running => Self::Running,
            TargetState::Paused => Self::Paused,
            TargetState::Stopped => Self::Stopped,
        }
    }
}

/// Puts a view together of what this worker runs. `published` is `None` when the supervisor broke
/// down.
pub(super) fn view(
    name: &str,
    definition: &Definition,
    published: Option<&Published>,
    worker_id: &str,
) -> ConnectorView {
    let mut shown = ConnectorView {
        name: name.to_owned(),
        config: Arc::clone(&definition.raw),
        kind: Kind::Sink,
        worker_id: worker_id.to_owned(),
        target: definition.target,
        state: ConnectorState::Failed,
        trace: None,
        tasks: Vec::new(),
        topics: BTreeSet::new(),
    };
    let Some(published) = published else {
        let trace = "the connector's supervisor broke down, which is a defect of this program; the \
                     log has the details. Restart the connector to begin anew";
        shown.trace = Some(trace.to_owned());
        return shown;
    };
    let restarting = published.state != ConnectorState::Unassigned
        && published.connector_restart < definition.restarts.connector;
    shown.state = if restarting {
        ConnectorState::Restarting
    } else {
        published.state
    };
    shown.tasks = published
        .tasks
        .iter()
        .map(|task| task_view(task, definition, worker_id))
        .collect();
    shown.topics = published.topics();
    shown
}

/// A task of this worker, as it is shown.
pub(super) fn task_view(
    published: &PublishedTask,
    definition: &Definition,
    worker_id: &str,
) -> TaskView {
    let task = published.task;
    let (state, trace) = match &published.status {
        PublishedStatus::Live(status) => told(status),
        PublishedStatus::Leaving { trace } => (TaskState::Unassigned, trace.clone()),
    };
    let replaced = task < definition.task_count() && definition.key(task) != published.key;
    TaskView {
        task,
        worker_id: worker_id.to_owned(),
        config: definition.task_config(task),
        state: if replaced {
            ShownTaskState::Restarting
        } else {
            ShownTaskState::Told(state)
        },
        trace,
    }
}

/// What the task says. A task that ended without being asked to has failed, whatever it said last.
pub(super) fn told(status: &watch::Receiver<TaskStatus>) -> (TaskState, Option<String>) {
    let ended = status.has_changed().is_err();
    let last = status.borrow();
    if ended && last.state != TaskState::Failed {
        let trace = "the task ended on its own, which is a defect of this program; the log has the \
                     details. Restart the task";
        return (TaskState::Failed, Some(trace.to_owned()));
    }
    let retrying = || {
        let error = last.retrying.as_ref().or(last.refused.as_ref())?;
        Some(format!("retrying: {error}"))
    };
    let trace = match last.state {
        TaskState::Failed => last.trace.clone(),
        TaskState::Running => retrying(),
        TaskState::Unassigned | TaskState::Paused => None,
    };
    (last.state, trace)
}
