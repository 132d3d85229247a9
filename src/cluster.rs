//! Connectors and their lifecycle on this worker.
//!
//! **One owner.** A control loop owns every connector; nothing else changes one. The API holds a
//! [`ClusterHandle`]: it reads views and appends commands, and never touches a running pipeline.
//! The control loop awaits nothing but its mailbox, so it answers in microseconds whatever tasks
//! do, and what it acknowledged is what the next read shows. Because all changes pass through one
//! mailbox, preconditions are exact: of two concurrent creations of one name, one gets `409`.
//!
//! **What should be and what is.** A command only changes what *should* be ([`registry`]); one
//! [`supervisor`] per connector makes its tasks follow. Waiting for a task to stop happens there,
//! bounded by `task.shutdown.graceful.timeout.ms`, so one connector that hangs holds up neither the
//! API nor any other connector. A [`view`] puts both sides together for the reader.
//!
//! **Modes.** [`standalone`] keeps everything in memory, [`distributed`] in two topics of Kafka
//! ([`log`]) in Kafka Connect's own formats ([`mod@format`]), shared by the [`members`] of one group, on
//! which tasks are placed ([`placement`]). In both, the registry is a fold of a log. What a control
//! loop owes its callers is the contract of [`ClusterHandle`], which does not say where the state
//! lives.

mod accepted;
mod broker;
mod distributed;
mod fetch_memory;
mod format;
mod handle;
mod log;
mod members;
pub mod placement;
mod registry;
mod standalone;
mod statuses;
mod supervisor;
mod tasks;
mod view;

pub use broker::learn_cluster_id;
pub use distributed::{ClusterFailure, ClusterSpec, Distributed};
pub use handle::{
    Answer, ClusterError, ClusterHandle, Command, Health, Overview, RestartScope, WorkerView,
};
pub use standalone::start_standalone;
pub use tasks::{RunTask, StartSinkTask, StartTask};
pub use view::{ConnectorState, ConnectorView, Kind, ShownTaskState, TargetState, TaskView};

#[cfg(test)]
pub(crate) mod fake;
