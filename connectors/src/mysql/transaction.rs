//! Transactions: beginning, ending, and knowing what became of them.
//!
//! The server ends a session that is silent for too long in a transaction, so that a stopped
//! process cannot hold its rows; outside one, silence does no harm. The limit is set with the
//! statements that begin and end a transaction, in the same messages.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use fail::fail_point;

use super::classify;
use super::connect::{IDLE_SECONDS_MAX, seconds};
use super::link::{Failure, Link};
use crate::committed::Committed;
use crate::error::SinkError;
use crate::options::SinkTimeouts;

/// How many answers the statements of [`begin_text`] have.
pub(super) const BEGIN_ANSWERS: usize = 2;

/// Begins a transaction that waits for another's row no longer than `lock_wait`. Further
/// statements may follow in the same text.
pub(super) fn begin_text(timeouts: &SinkTimeouts, lock_wait: Duration) -> String {
    format!(
        "SET SESSION wait_timeout = {}, innodb_lock_wait_timeout = {}; START TRANSACTION",
        seconds(timeouts.idle_in_transaction),
        seconds(lock_wait)
    )
}

fn commit_text() -> String {
    format!("COMMIT; SET SESSION wait_timeout = {IDLE_SECONDS_MAX}")
}

/// Commits a transaction in which everything succeeded.
pub(super) async fn commit(link: &mut Link, action: &str) -> Committed {
    if let Err(error) = link.require_transaction() {
        return Committed::No(error);
    }
    let text = commit_text();
    let mut committing = Box::pin(link.try_run(action, &text));
    // The first poll sends it, so that a failpoint lies between the commit and its answer.
    let at_once = poll_fn(|context| match committing.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => Poll::Ready(None),
    })
    .await;
    fail_point!(super::failpoint::AFTER_COMMIT_SENT, |_| {
        Committed::Unknown(SinkError::retry("connection cut by a failpoint"))
    });
    let answer = match at_once {
        Some(answer) => {
            drop(committing);
            answer
        }
        None => committing.await,
    };
    match answer {
        Ok(_) => Committed::Yes,
        Err(Failure::Refused(refusal)) => {
            let error = classify::row_error(action, &refusal, None);
            if classify::commit_is_known(refusal.code) {
                return Committed::No(error);
            }
            link.cut();
            Committed::Unknown(error)
        }
        Err(Failure::Lost(error)) => Committed::Unknown(error),
    }
}

/// Rolls back. When that fails the connection is cut, which does the same.
pub(super) async fn roll_back(link: &mut Link) -> Result<(), SinkError> {
    let text = format!("ROLLBACK; SET SESSION wait_timeout = {IDLE_SECONDS_MAX}");
    let rolled_back = link.run("roll back", &text).await;
    rolled_back.map(|_| ()).map_err(|error| {
        link.cut();
        error.losing_connection()
    })
}

/// Rolls back after an error, and returns that error.
pub(super) async fn or_roll_back<T>(
    link: &mut Link,
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
