//! Rows through the copy protocol.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use fail::fail_point;
use futures_util::SinkExt as _;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, CopyInSink, Row};

use super::encode::Cells;
use super::failpoint;
use super::link::{Link, Started, start};
use super::steps::Step;
use super::targets::Statements;
use super::write::{Failure, Prepared, row_failure};
use crate::error::{ErrorClass, SinkError};

/// Data of a copy goes out in pieces of this size, so that the server works while the next is
/// encoded. Smaller ones cost more system calls, larger ones more memory and an idle server.
const COPY_PIECE_BYTES: usize = 128 * 1024;

/// What takes a copy's data.
pub(super) type CopySink = Pin<Box<CopyInSink<Bytes>>>;

/// A copy that has been started behind its guard.
pub(super) struct StartedCopy<'a> {
    guard: Option<Started<'a, Vec<Row>>>,
    sink: Started<'a, CopyInSink<Bytes>>,
}

impl<'a> StartedCopy<'a> {
    pub(super) async fn start(client: &'a Client, statements: &'a Statements) -> Self {
        let guard = match &statements.guard {
            Some(guard) => Some(start(client.query(guard, &[])).await),
            None => None,
        };
        Self {
            guard,
            sink: start(client.copy_in(&statements.rows)).await,
        }
    }

    /// A copy that does not start leaves the driver one answer behind: it ends what it takes for
    /// a copy, and the server answers that, too (rust-postgres issue 789). So the connection ends, as
    /// it does when a copy has started into a table that is not to be copied into any more.
    pub(super) async fn answer(self, link: &Link) -> Result<CopySink, SinkError> {
        let guarded = match self.guard {
            Some(guard) => guard.answer().await.map(|rows| !rows.is_empty()),
            None => Ok(true),
        };
        let has_changed =
            || SinkError::retry("the table has changed; its definition is looked at again");
        let error = match guarded {
            Ok(true) => match self.sink.answer().await {
                Ok(sink) => return Ok(Box::pin(sink)),
                Err(error) => link.row_failure("write rows", error),
            },
            Ok(false) => has_changed(),
            Err(error) if error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED) => has_changed(),
            Err(error) => link.statement_failure("write rows", error),
        };
        link.cut();
        Err(error.losing_connection())
    }
}

/// Sends a copy's data, not its end. A copy without its end is undone by the server.
pub(super) async fn feed(
    link: &Link,
    sink: &mut CopySink,
    prepared: &Prepared<'_>,
    scratch: &mut BytesMut,
) -> Result<(), Failure> {
    let Step {
        rows,
        row_set,
        columns,
        ..
    } = &prepared.step;
    let mut data = Cells::new(rows, row_set, columns).copy_data();
    let mut is_first = true;
    while !data.is_complete() {
        scratch.reserve(COPY_PIECE_BYTES);
        let filled = data.fill(scratch, COPY_PIECE_BYTES);
        let piece = scratch.split().freeze();
        filled.map_err(|unfit| SinkError::new(ErrorClass::Record, unfit.to_string()))?;
        let sent = sink.feed(piece).await;
        sent.map_err(|error| row_failure(link, error))?;
        if is_first {
            is_first = false;
            failpoint::flush().await;
            fail_point!(failpoint::MID_ROWS);
        }
    }
    Ok(())
}
