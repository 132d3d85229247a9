//! What a task tells about itself, in Kafka Connect's words.

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
    /// While RUNNING: the error that is being retried, when there is one.
    pub retrying: Option<String>,
}
