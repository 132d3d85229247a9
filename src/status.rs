//! What a task tells about itself, in Kafka Connect's words.

use std::collections::BTreeSet;
use std::sync::Arc;

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
    /// It has joined its consumer group at least once.
    pub joined: bool,
    /// It failed by a defect, because the process lacks something, or because its database was away
    /// for longer than its retries, so it is started anew; not at a record, nor at what a person must
    /// mend, nor where its connector forbids it.
    pub restartable: bool,
    /// Topics of which it has written something.
    pub topics: BTreeSet<Arc<str>>,
    /// While RUNNING: the error that is being retried, when there is one.
    pub retrying: Option<String>,
    /// While RUNNING: what Kafka refuses to the consumer until a person acts, such as to read a topic.
    pub refused: Option<String>,
}

impl TaskStatus {
    /// In this state, and nothing else to tell.
    pub fn new(state: TaskState) -> Self {
        Self {
            state,
            trace: None,
            joined: false,
            restartable: false,
            topics: BTreeSet::new(),
            retrying: None,
            refused: None,
        }
    }
}
