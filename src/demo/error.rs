//! What can keep the demo from its reconciliation.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rdkafka::error::KafkaError;

/// What kept the demo from its end. Where the worker is involved, the end of its log is part of it.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder cannot be the demo's.
    #[error("cannot use folder {}: {problem}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The embedded broker does not do its part.
    #[error("the embedded broker does not {doing}: {source}")]
    Broker {
        /// Its part.
        doing: &'static str,
        /// The client's words.
        source: KafkaError,
    },
    /// The orders are not where they should be.
    #[error("the orders were not produced as they should: {0}")]
    Produce(String),
    /// No process could be made of this program.
    #[error("the worker cannot be started: {0}")]
    WorkerNotStarted(#[source] io::Error),
    /// The system does not say what became of the worker.
    #[error("the worker's process cannot be watched: {0}")]
    Worker(#[source] io::Error),
    /// The worker ended when it should not.
    #[error("the worker ended by itself, {status}; {log}")]
    WorkerEnded {
        /// How.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The worker does not answer, or refuses.
    #[error("the worker's rest api, {request}: {problem}")]
    Api {
        /// What was asked.
        request: &'static str,
        /// What came back.
        problem: String,
    },
    /// The connector or its task has failed.
    #[error("the connector failed: {trace}; {log}")]
    ConnectorFailed {
        /// Its trace.
        trace: String,
        /// The end of the worker's log.
        log: String,
    },
    /// Something took too long.
    #[error("waited {} s in vain for {waiting_for}; {log}", deadline.as_secs())]
    Deadline {
        /// For what.
        waiting_for: &'static str,
        /// How long.
        deadline: Duration,
        /// The end of the worker's log.
        log: String,
    },
    /// Everything was stored before the worker could be killed.
    #[error(
        "the worker had stored all orders before it could be killed half-way; give it more to do \
         with --records"
    )]
    TooLateToKill,
    /// The database cannot be read.
    #[error("the database cannot be used: {0}")]
    Database(#[from] sqlx::Error),
    /// The connector's config cannot be left in the folder.
    #[error("cannot write {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No port, or no signals.
    #[error("cannot find a free port on 127.0.0.1: {0}")]
    Port(#[source] io::Error),
    /// Signals cannot be taken over.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
    /// Something ended early within the demo.
    #[error("a part of the demo ended early: {0}")]
    Internal(#[from] tokio::task::JoinError),
}

impl DemoError {
    /// For `map_err`: what the broker was to do.
    pub(super) fn broker(doing: &'static str) -> impl Fn(KafkaError) -> Self {
        move |source| Self::Broker { doing, source }
    }
}
