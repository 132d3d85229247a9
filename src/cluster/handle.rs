//! The narrow side of a control loop: what the API may ask.
//!
//! Contract of whoever answers the mailbox: a command is answered once its effect is recorded, not
//! once tasks have followed it; a read shows every command answered before it was asked, by any
//! handle; both are answered promptly whatever the tasks do. The caller bounds its waiting by
//! dropping the future; a command that was already taken then still takes effect.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot};

use super::view::{ConnectorView, TargetState};
use crate::config::RawConfig;
use crate::config::parse::Invalid;
use crate::telemetry::LoggerLevel;

/// Messages waiting for a control loop. Each takes it microseconds; a longer queue would only hide
/// that it is stuck.
const MAILBOX_MAX: usize = 256;

/// A change to connectors.
#[derive(Debug)]
pub enum Command {
    /// A new connector; fails when the name is taken.
    Create {
        /// Its name, trimmed.
        name: String,
        /// Its config; `name` is added when absent.
        config: RawConfig,
        /// What it does first.
        target: TargetState,
    },
    /// A new config for a connector, which is created when there is none.
    PutConfig {
        /// Its name.
        name: String,
        /// Its whole config; `name` is added when absent.
        config: RawConfig,
    },
    /// Some keys of a connector's config.
    PatchConfig {
        /// Its name.
        name: String,
        /// Keys to set, or with `None` to remove.
        changes: RawConfig,
    },
    /// Ends a connector.
    Delete {
        /// Its name.
        name: String,
    },
    /// Runs, pauses or stops a connector.
    SetTarget {
        /// Its name.
        name: String,
        /// What it should do.
        target: TargetState,
    },
    /// Restarts a connector, its tasks, or those of them that failed.
    Restart {
        /// Its name.
        name: String,
        /// What to restart.
        scope: RestartScope,
    },
    /// Restarts one task.
    RestartTask {
        /// The connector's name.
        name: String,
        /// The task's number.
        task: u32,
    },
}

impl Command {
    /// The connector that it is about.
    pub fn name(&self) -> &str {
        match self {
            Self::Create { name, .. }
            | Self::PutConfig { name, .. }
            | Self::PatchConfig { name, .. }
            | Self::Delete { name }
            | Self::SetTarget { name, .. }
            | Self::Restart { name, .. }
            | Self::RestartTask { name, .. } => name,
        }
    }

    /// What it does, for the log.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::PutConfig { .. } => "put config",
            Self::PatchConfig { .. } => "patch config",
            Self::Delete { .. } => "delete",
            Self::SetTarget { target, .. } => match target {
                TargetState::Running => "resume",
                TargetState::Paused => "pause",
                TargetState::Stopped => "stop",
            },
            Self::Restart { .. } => "restart",
            Self::RestartTask { .. } => "restart task",
        }
    }
}

/// What a restart includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestartScope {
    /// The connector's tasks too.
    pub include_tasks: bool,
    /// Only what is FAILED.
    pub only_failed: bool,
}

/// The workers, and which of them has which task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// Sorted by id.
    pub workers: Vec<WorkerView>,
    /// Members of the workers' group that are no workers of this cluster.
    pub strangers: Vec<Stranger>,
    /// Worker ids by connector, in the order of its tasks.
    pub placement: BTreeMap<String, Vec<String>>,
}

/// A worker of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerView {
    /// Its advertised `host:port`.
    pub worker_id: String,
    /// Version of its program; `None` when it has not told yet.
    pub version: Option<String>,
    /// It hands its tasks over, to stop.
    pub leaving: bool,
}

/// A member of the workers' group that is no worker of this cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// Its client id.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
}

/// How a worker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It works.
    Healthy,
    /// It has not begun to work: what it waits for.
    Starting(String),
    /// It cannot do all of its work: why.
    Unhealthy(String),
}

/// What a command did.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The connector as it was right after the command; for a deletion, right before.
    pub connector: ConnectorView,
    /// The connector did not exist before.
    pub created: bool,
}

/// Why a command or a read was refused.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no such connector.
    #[error("Connector {name} not found")]
    UnknownConnector {
        /// The name.
        name: String,
    },
    /// The connector has no such task.
    #[error("Unknown task: {name}-{task}")]
    UnknownTask {
        /// The connector's name.
        name: String,
        /// The task's number.
        task: u32,
    },
    /// The name is taken.
    #[error("Connector {name} already exists")]
    AlreadyExists {
        /// The name.
        name: String,
    },
    /// `name` in the config is another one than the connector's.
    #[error(
        "Connector name configuration ({included}) doesn't match connector name in the URL \
         ({expected})"
    )]
    OtherName {
        /// In the config.
        included: String,
        /// The connector's.
        expected: String,
    },
    /// The connector is of a class that is not built in: it is another program's.
    #[error(
        "Connector {name} is of a class that is not built in ({class}): it is shown, and neither run \
         nor deleted here. Change it with Kafka Connect, or give it a config of a class that is"
    )]
    NotOurs {
        /// The connector's name.
        name: String,
        /// Its class.
        class: String,
    },
    /// The config is not acceptable.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The worker has not begun to work yet.
    #[error("Worker is still starting up. {stage}")]
    Starting {
        /// What it waits for.
        stage: String,
    },
    /// The change cannot be recorded now.
    #[error("the change could not be recorded in time: {reason}")]
    Unavailable {
        /// Why, and whether it may take effect nevertheless.
        reason: String,
    },
    /// The change is larger than what is recorded may be.
    #[error("{reason}")]
    TooLarge {
        /// What is too large, or too many, and what to do.
        reason: String,
    },
    /// The worker is stopping.
    #[error("the worker is stopping and takes no more requests")]
    Stopped,
}

/// Asks a control loop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ClusterHandle {
    mailbox: mpsc::Sender<Message>,
}

/// What arrives in a control loop's mailbox.
#[derive(Debug)]
pub(super) enum Message {
    Command {
        command: Command,
        reply: oneshot::Sender<Result<Answer, ClusterError>>,
    },
    ReadOne {
        name: String,
        reply: oneshot::Sender<Result<Option<ConnectorView>, ClusterError>>,
    },
    ReadAll {
        reply: oneshot::Sender<Result<BTreeMap<String, ConnectorView>, ClusterError>>,
    },
    Ping {
        reply: oneshot::Sender<Health>,
    },
    /// Forgets which topics a connector's tasks have written.
    ResetTopics {
        name: String,
        reply: oneshot::Sender<Result<(), ClusterError>>,
    },
    /// Sets the level of a logger on all workers.
    SetLogger {
        name: String,
        level: LoggerLevel,
        reply: oneshot::Sender<Result<(), ClusterError>>,
    },
    Overview {
        reply: oneshot::Sender<Result<Overview, ClusterError>>,
    },
    Stop {
        reply: oneshot::Sender<()>,
    },
}

impl Message {
    /// Answers that the worker is stopping. Whoever no longer waits for it is none of our business:
    /// hence `ok`.
    pub(super) fn turn_away(self) {
        match self {
            Self::Command { reply, .. } => {
                reply.send(Err(ClusterError::Stopped)).ok();
            }
            Self::ReadOne { reply, .. } => {
                reply.send(Err(ClusterError::Stopped)).ok();
            }
            Self::ReadAll { reply } => {
                reply.send(Err(ClusterError::Stopped)).ok();
            }
            Self::ResetTopics { reply, .. } | Self::SetLogger { reply, .. } => {
                reply.send(Err(ClusterError::Stopped)).ok();
            }
            Self::Overview { reply } => {
                reply.send(Err(ClusterError::Stopped)).ok();
            }
            // These are told so by having no answer.
            Self::Ping { .. } | Self::Stop { .. } => {}
        }
    }
}

impl ClusterHandle {
    /// A handle, and the mailbox behind it for a control loop to serve.
    pub(super) fn new() -> (Self, mpsc::Receiver<Message>) {
        let (mailbox, receiver) = mpsc::channel(MAILBOX_MAX);
        (Self { mailbox }, receiver)
    }

    /// Carries out a command.
    ///
    /// # Errors
    /// When its precondition does not hold; nothing was changed then.
    pub async fn command(&self, command: Command) -> Result<Answer, ClusterError> {
        self.ask(|reply| Message::Command { command, reply })
            .await?
    }

    /// One connector, if there is one of that name.
    ///
    /// # Errors
    /// [`ClusterError::Stopped`] and [`ClusterError::Starting`] only.
    pub async fn connector(&self, name: &str) -> Result<Option<ConnectorView>, ClusterError> {
        let name = name.to_owned();
        self.ask(|reply| Message::ReadOne { name, reply }).await?
    }

    /// All connectors by name.
    ///
    /// # Errors
    /// [`ClusterError::Stopped`] and [`ClusterError::Starting`] only.
    pub async fn connectors(&self) -> Result<BTreeMap<String, ConnectorView>, ClusterError> {
        self.ask(|reply| Message::ReadAll { reply }).await?
    }

    /// How the worker is, in the control loop's own words.
    ///
    /// # Errors
    /// [`ClusterError::Stopped`] only.
    pub async fn ping(&self) -> Result<Health, ClusterError> {
        self.ask(|reply| Message::Ping { reply }).await
    }

    /// Forgets which topics a connector's tasks have written; of no effect for an unknown connector.
    ///
    /// # Errors
    /// [`ClusterError::Stopped`] and [`ClusterError::Starting`] only.
    pub async fn reset_topics(&self, name: &str) -> Result<(), ClusterError> {
        let name = name.to_owned();
        self.ask(|reply| Message::ResetTopics { name, reply })
            .await?
    }

    /// Sets the level of a logger on all workers.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub async fn set_logger(&self, name: &str, level: LoggerLevel) -> Result<(), ClusterError> {
        let name = name.to_owned();
        self.ask(|reply| Message::SetLogger { name, level, reply })
            .await?
    }

    /// The workers, and which of them has which task.
    ///
    /// # Errors
    /// [`ClusterError::Stopped`] and [`ClusterError::Starting`] only.
    pub async fn overview(&self) -> Result<Overview, ClusterError> {
        self.ask(|reply| Message::Overview { reply }).await?
    }

    /// Stops every task and ends the control loop. Returns when the tasks have drained or their
    /// deadline has passed.
    pub async fn stop(&self) {
        // The only error is that it was stopped before.
        self.ask(|reply| Message::Stop { reply }).await.ok();
    }

    async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, ClusterError> {
        let (reply, answer) = oneshot::channel();
        self.mailbox
            .send(message(reply))
            .await
            .map_err(|_| ClusterError::Stopped)?;
        answer.await.map_err(|_| ClusterError::Stopped)
    }
}
