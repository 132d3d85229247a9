//! The seam between a connector's supervisor and its tasks.
//!
//! A supervisor only needs four verbs of a task. Behind this seam stands [`crate::task::TaskHandle`]
//! in the worker, and in tests a task that needs no Kafka and does what the test asks: fail, hang
//! while it stops, panic.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;

use crate::task::{TaskHandle, TaskSpec, TaskStatus};

/// Starts tasks.
pub trait StartTask: Send + Sync + 'static {
    /// What a started task is.
    type Task: RunTask;

    /// Starts one task. Returns at once: whatever takes time (connecting, joining the group)
    /// happens in the task, and whatever goes wrong is told by its status.
    fn start(&self, spec: &TaskSpec) -> Self::Task;
}

/// A started task. Dropping it stops it without waiting.
pub trait RunTask: Send + Sync + 'static {
    /// The task's status, now and whenever it changes. A closed channel means that the task ended
    /// on its own.
    fn status(&self) -> watch::Receiver<TaskStatus>;

    /// Stops reading; keeps the partitions. Idempotent.
    fn pause(&self);

    /// Reads on. Idempotent.
    fn resume(&self);

    /// Forgets of which topics something was written.
    fn forget_topics(&self);

    /// Drains what was read, commits, leaves the group; drops everything past the deadline.
    fn stop(self, deadline: Duration) -> impl Future<Output = ()> + Send;
}

/// Starts the tasks that move records.
#[derive(Debug, Clone, Copy, Default)]
pub struct StartSinkTask;

impl StartTask for StartSinkTask {
    type Task = TaskHandle;

    fn start(&self, spec: &TaskSpec) -> TaskHandle {
        TaskHandle::start(spec)
    }
}

impl RunTask for TaskHandle {
    fn status(&self) -> watch::Receiver<TaskStatus> {
        Self::status(self)
    }

    fn pause(&self) {
        Self::pause(self);
    }

    fn resume(&self) {
        Self::resume(self);
    }

    fn forget_topics(&self) {
        Self::forget_topics(self);
    }

    fn stop(self, deadline: Duration) -> impl Future<Output = ()> + Send {
        Self::stop(self, deadline)
    }
}
