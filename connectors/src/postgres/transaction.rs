//! Transactions: beginning, ending, and knowing what became of them.
//!
//! A `COMMIT` is answered in one of three ways, see [`Committed`]. The driver does not show the
//! one bad answer that is no error: to commit a transaction that has failed is answered with
//! success and rolls back. It cannot be met here, because a statement that fails inside a
//! transaction always says so, and no caller takes a commit for done unless every statement
//! before it succeeded.

use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::classify;
use super::link::{Link, Reply};
use crate::committed::Committed;
use crate::error::SinkError;

/// A session variable that lives as long as a transaction. A statement that compares it cannot
/// take effect outside the transaction it was meant for.
const MARK: &str = "rowdock.transaction";
/// The mark of the transaction in which this expression is evaluated.
pub(super) const CURRENT_MARK: &str = "current_setting('rowdock.transaction', true)";
/// Writable or not is left to the server, which says so when it has to be read-only.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Sends commands in one message, so that none is executed after one that failed. `false`: fewer
/// of them are answered than were sent, so the answers are those of something else.
pub(super) async fn send(client: &Client, commands: &[&str]) -> Reply<bool> {
    let mut answers = pin!(client.simple_query_raw(&commands.join("; ")).await?);
    let mut completed = 0;
    while let Some(answer) = answers.try_next().await? {
        completed += usize::from(matches!(answer, SimpleQueryMessage::CommandComplete(_)));
    }
    Ok(completed == commands.len())
}

/// As [`send`], and waits for the answer.
pub(super) async fn run(link: &Link, action: &str, commands: &[&str]) -> Result<(), SinkError> {
    let in_step = link.answer(action, send(link.client(), commands)).await?;
    require_in_step(link, in_step)
}

/// The driver matches answers to requests by counting; when that went wrong nothing can be
/// believed any more.
pub(super) fn require_in_step(link: &Link, in_step: bool) -> Result<(), SinkError> {
    if in_step {
        return Ok(());
    }
    link.cut();
    Err(
        SinkError::retry("answers of postgresql were out of step; the connection was cut")
            .losing_connection(),
    )
}

/// Begins a transaction that carries a mark.
pub(super) async fn begin_marked(client: &Client, mark: &str) -> Reply<bool> {
    send(client, &[BEGIN, &format!("SET LOCAL {MARK} = '{mark}'")]).await
}

/// Begins a transaction that waits for locks no longer than this.
pub(super) async fn begin(
    link: &Link,
    action: &str,
    lock_timeout: Duration,
) -> Result<(), SinkError> {
    let milliseconds = lock_timeout.as_millis().max(1);
    let set = format!("SET LOCAL lock_timeout = {milliseconds}");
    let begun = run(link, action, &[BEGIN, &set]).await;
    or_roll_back(link, begun).await
}

/// Commits a transaction in which everything succeeded.
pub(super) async fn commit(link: &Link, action: &str) -> Committed {
    match link.in_time(action, send_commit(link.client())).await {
        Ok(reply) => outcome(link, action, reply),
        Err(past_deadline) => Committed::Unknown(past_deadline),
    }
}

/// What the reply to a commit means, given that everything before it succeeded.
pub(super) fn outcome(link: &Link, action: &str, reply: Reply<bool>) -> Committed {
    let error = match reply {
        Ok(in_step) => {
            return match require_in_step(link, in_step) {
                Ok(()) => Committed::Yes,
                Err(out_of_step) => Committed::Unknown(out_of_step),
            };
        }
        Err(error) => error,
    };
    let is_known = error.as_db_error().is_some_and(classify::commit_is_known);
    let failure = link.row_failure(action, error);
    if is_known {
        Committed::No(failure)
    } else {
        Committed::Unknown(failure)
    }
}

/// Once the command is complete the commit has happened, whatever becomes of the session then.
pub(super) async fn send_commit(client: &Client) -> Reply<bool> {
    let mut answers = pin!(client.simple_query_raw("COMMIT").await?);
    let mut is_complete = false;
    loop {
        match answers.try_next().await {
            Ok(Some(SimpleQueryMessage::CommandComplete(_))) => is_complete = true,
            Ok(Some(_)) => {}
            Ok(None) => return Ok(is_complete),
            Err(_) if is_complete => return Ok(true),
            Err(error) => return Err(error),
        }
    }
}

/// Rolls back. When that fails the connection is cut, which does the same.
pub(super) async fn roll_back(link: &Link) -> Result<(), SinkError> {
    let rolled_back = run(link, "roll back", &["ROLLBACK"]).await;
    rolled_back.map_err(|error| {
        link.cut();
        error.losing_connection()
    })
}

/// Rolls back after an error, and returns that error.
pub(super) async fn or_roll_back<T>(
    link: &Link,
    done: Result<T, SinkError>,
) -> Result<T, SinkError> {
    match done {
        Err(error) if !error.connection_lost() => match roll_back(link).await {
            Ok(()) => Err(error),
            Err(_) => Err(error.losing_connection()),
        },
        done => done,
    }
}
