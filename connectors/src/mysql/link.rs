//! One connection: its deadlines, and what its errors come to.
//!
//! Statements without values may be sent together: the server executes them in order and stops at
//! the first that fails, so what stands behind `START TRANSACTION` is never executed without it.

use std::future::Future;
use std::time::Duration;

use futures_util::FutureExt;
use mysql_async::consts::StatusFlags;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Row, Value};

use super::classify;
use super::sql::Flavor;
use crate::error::SinkError;

/// How long a polite end may take; the server notices a closed socket anyway.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// A connection whose socket closes when this is dropped.
pub(super) struct Link {
    /// `None` once it was cut.
    connection: Option<Conn>,
    deadline: Duration,
    pub(super) server: Server,
}

/// What a session found out about its server.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) flavor: Flavor,
    /// `max_allowed_packet`: the longest statement with its values.
    pub(super) packet_bytes_max: usize,
    /// The session's own user lock: who finds it taken knows that the session is alive, and by
    /// which connection id. It identifies the session in the progress table.
    pub(super) session: String,
}

/// What a failed request came to.
pub(super) enum Failure {
    /// The server refused it; the connection is fine.
    Refused(mysql_async::ServerError),
    /// The connection is lost.
    Lost(SinkError),
}

impl Failure {
    /// As an error of a statement that carries no rows.
    pub(super) fn of_statement(self, action: &str) -> SinkError {
        match self {
            Self::Refused(refusal) => classify::statement_error(action, &refusal),
            Self::Lost(error) => error,
        }
    }
}

/// The answer to one of several statements that were sent together.
#[derive(Debug)]
pub(super) struct Answer {
    /// Rows that were found by an update or delete, inserted, or returned by a query.
    pub(super) affected: u64,
    pub(super) rows: Vec<Row>,
}

impl Link {
    pub(super) fn new(connection: Conn, deadline: Duration, server: Server) -> Self {
        Self {
            connection: Some(connection),
            deadline,
            server,
        }
    }

    /// From now on an answer is waited for as long.
    pub(super) fn take_longer(&mut self, deadline: Duration) {
        self.deadline = self.deadline.max(deadline);
    }

    /// Executes statements that carry no rows and stand in one text, in order.
    ///
    /// # Errors
    /// The first refusal, as a statement that carries no rows.
    pub(super) async fn run(&mut self, action: &str, text: &str) -> Result<Vec<Answer>, SinkError> {
        let run = self.try_run(action, text).await;
        run.map_err(|failure| failure.of_statement(action))
    }

    /// As [`run`](Self::run), for callers that want to look at the refusal.
    pub(super) async fn try_run(
        &mut self,
        action: &str,
        text: &str,
    ) -> Result<Vec<Answer>, Failure> {
        let deadline = self.deadline;
        let connection = self.connection(action)?;
        let outcome = in_time(deadline, answers(connection, text)).await;
        self.settle(action, outcome)
    }

    /// Executes a prepared statement with values and returns how many rows it affected.
    pub(super) async fn execute(
        &mut self,
        action: &str,
        text: &str,
        values: Vec<Value>,
    ) -> Result<u64, Failure> {
        let deadline = self.deadline;
        let connection = self.connection(action)?;
        let executing = async {
            let parameters = if values.is_empty() {
                Params::Empty
            } else {
                Params::Positional(values)
            };
            connection.exec_drop(text, parameters).await?;
            Ok(connection.affected_rows())
        };
        let outcome = in_time(deadline, executing).await;
        self.settle(action, outcome)
    }

    /// The last statement left a transaction open. The server says so with each answer.
    pub(super) fn is_in_transaction(&self) -> bool {
        let answer = self.connection.as_ref().and_then(Conn::last_ok_packet);
        answer.is_some_and(|ok| {
            ok.status_flags()
                .contains(StatusFlags::SERVER_STATUS_IN_TRANS)
        })
    }

    /// Asserts that a statement which is about to be sent will be part of a transaction: outside
    /// one it would commit by itself.
    pub(super) fn require_transaction(&self) -> Result<(), SinkError> {
        if self.is_in_transaction() {
            return Ok(());
        }
        Err(SinkError::retry(
            "the transaction has ended before its rows were written; nothing was written outside it",
        ))
    }

    /// Closes the socket at once, without waiting for anything.
    pub(super) fn cut(&mut self) {
        if let Some(connection) = self.connection.take() {
            // The first poll marks the connection as ended, so that it is not cleaned up in the
            // background, which would wait for a server that may be frozen.
            drop(connection.disconnect().now_or_never());
        }
    }

    /// Tells the server goodbye, within a short deadline.
    pub(super) async fn close(mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let ended = tokio::time::timeout(CLOSE_DEADLINE, connection.disconnect()).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::debug!("the server did not take the goodbye in time");
        }
    }

    fn connection(&mut self, action: &str) -> Result<&mut Conn, Failure> {
        self.connection.as_mut().ok_or_else(|| {
            let message = format!("cannot {action}: the connection was cut before");
            Failure::Lost(SinkError::retry(message).losing_connection())
        })
    }

    fn settle<T>(
        &mut self,
        action: &str,
        outcome: Option<mysql_async::Result<T>>,
    ) -> Result<T, Failure> {
        match outcome {
            Some(Ok(done)) => Ok(done),
            Some(Err(mysql_async::Error::Server(refusal))) => Err(Failure::Refused(refusal)),
            Some(Err(error)) => {
                self.cut();
                let message = format!("cannot {action}: connection lost: {}", reason(&error));
                Err(Failure::Lost(SinkError::retry(message).losing_connection()))
            }
            None => {
                self.cut();
                let message = format!(
                    "cannot {action}: the server did not answer within {} s; the connection was cut",
                    self.deadline.as_secs_f32()
                );
                let late = SinkError::retry(message).past_deadline();
                Err(Failure::Lost(late.losing_connection()))
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cut();
    }
}

async fn in_time<T>(deadline: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(deadline, work).await.ok()
}

/// Executes the statements of a text and takes all their answers in.
pub(super) async fn answers(connection: &mut Conn, text: &str) -> mysql_async::Result<Vec<Answer>> {
    let mut result = connection.query_iter(text).await?;
    let mut answers = Vec::new();
    loop {
        let affected = result.affected_rows();
        // Moves on to the next statement's answer, too.
        let rows: Vec<Row> = result.collect().await?;
        answers.push(Answer { affected, rows });
        if result.columns().is_none() {
            // There is none, or it is a refusal, which this returns.
            result.drop_result().await?;
            return Ok(answers);
        }
    }
}

/// What the driver says, without what a packet held.
pub(super) fn reason(error: &mysql_async::Error) -> String {
    match error {
        mysql_async::Error::Driver(mysql_async::DriverError::UnexpectedPacket { .. }) => {
            "an answer that was not understood".to_owned()
        }
        error => error.to_string(),
    }
}
