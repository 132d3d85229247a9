//! Writing a batch: positions and rows in one transaction, in two round trips.
//!
//! 1. `BEGIN`, the move of all positions, and the start of a copy go out together. Whatever of
//!    this is executed without the rest changes nothing: the move carries the transaction's mark,
//!    and a copy without its end is none.
//! 2. When all positions have moved, the rows follow, and `COMMIT` right behind them. If the
//!    server refuses a row the transaction has failed, and that `COMMIT` rolls it back.
//!
//! `COMMIT` is not sent when a step could not be sent. The outcome is *committed* only when every
//! step and the commit itself say so; *rolled back* when the server refused one of them; and
//! unknown when the connection ended after `COMMIT` was sent.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::BytesMut;
use fail::fail_point;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::copy::{CopySink, StartedCopy, feed};
use super::encode::Cells;
use super::failpoint;
use super::link::{Link, Reply, Started, start};
use super::progress::{NotMoved, Progress};
use super::sql::Verb;
use super::steps::{self, Step, Way};
use super::targets::{Statements, Targets};
use super::{positions_not_stored, transaction};
use crate::WriteOutcome;
use crate::committed::Committed;
use crate::error::{ErrorClass, SinkError};
use crate::fold::Plan;
use crate::order;
use crate::row::{Batch, TableRows};

/// Most steps that are in flight together; bounds the memory of encoded rows when there are many
/// small steps.
const PIPELINED_STEPS_MAX: usize = 256;
const ACTION: &str = "write a batch";

/// Writes rows over one session.
#[derive(Default)]
pub(super) struct Writer {
    targets: Targets,
    /// Distinguishes the transactions of the session.
    transactions: u64,
    /// Memory of copies, used again.
    scratch: BytesMut,
    /// The last batch was refused at its commit: a constraint is checked there only.
    refused_at_commit: bool,
}

/// A step and its statements, which are made before the transaction.
pub(super) struct Prepared<'a> {
    pub(super) step: Step<'a>,
    pub(super) statements: Statements,
}

/// Why rows were not written. The transaction is to be rolled back.
pub(super) enum Failure {
    /// Not all positions moved.
    Fenced,
    /// A statement met one key twice: only the table knows that the keys are the same. Or a trigger's
    /// subquery found several rows, which has the same code: then the rows are refused one by one, too,
    /// and this error is theirs.
    KeyMetTwice(SinkError),
    Other(SinkError),
}

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        Self::Other(error)
    }
}

impl Writer {
    /// See [`Session::write`](crate::Session::write). `progress` is `None` when the batch stores
    /// no positions.
    pub(super) async fn write(
        &mut self,
        link: &Link,
        progress: Option<&Progress>,
        batch: &Batch,
    ) -> Result<WriteOutcome, SinkError> {
        let progress = progress.filter(|_| !batch.positions.is_empty());
        if progress.is_none() && batch.row_count() == 0 {
            return Ok(WriteOutcome::Committed);
        }
        let mut written = self
            .write_tables(link, progress, batch, &batch.tables)
            .await;
        // A commit looks at all rows together.
        if let Err(Failure::Other(error)) = &written
            && !self.refused_at_commit
            && let Some(runs) = order::runs_after(error, batch)
        {
            written = self.write_tables(link, progress, batch, &runs).await;
        }
        match (written, progress) {
            (Ok(()), _) => Ok(WriteOutcome::Committed),
            (Err(Failure::Other(error) | Failure::KeyMetTwice(error)), _) => Err(error),
            (Err(Failure::Fenced), Some(progress)) => {
                match progress.why_not_moved(link, &batch.positions).await {
                    NotMoved::Fenced(positions) => Ok(WriteOutcome::Fenced(positions)),
                    NotMoved::Failed(error) => Err(error),
                }
            }
            (Err(Failure::Fenced), None) => Err(positions_not_stored()),
        }
    }

    /// Writes the batch, its rows in this order of tables.
    async fn write_tables(
        &mut self,
        link: &Link,
        progress: Option<&Progress>,
        batch: &Batch,
        tables: &[TableRows],
    ) -> Result<(), Failure> {
        self.refused_at_commit = false;
        let ways = self.targets.ways(link, tables, None).await?;
        match self.write_once(link, progress, batch, tables, &ways).await {
            Err(Failure::KeyMetTwice(_)) => {
                let ways = vec![Way::RowByRow; tables.len()];
                self.write_once(link, progress, batch, tables, &ways).await
            }
            Err(Failure::Other(error)) if may_be_of_the_way(&error) => {
                self.targets.clear();
                let now = self.targets.ways(link, tables, None).await?;
                if now == ways {
                    return Err(Failure::Other(error));
                }
                self.write_once(link, progress, batch, tables, &now).await
            }
            written => written,
        }
    }

    async fn write_once(
        &mut self,
        link: &Link,
        progress: Option<&Progress>,
        batch: &Batch,
        tables: &[TableRows],
        ways: &[Way],
    ) -> Result<(), Failure> {
        let plans = folds(tables, ways)?;
        let prepared = self.prepare(link, &plans, ways).await?;
        self.transactions += 1;
        let mut transaction = Transaction {
            link,
            progress,
            batch,
            steps: &prepared,
            scratch: &mut self.scratch,
            mark: self.transactions.to_string(),
            commit_sent: AtomicBool::new(false),
            refused_at_commit: false,
        };
        let done = link.in_time(ACTION, transaction.run()).await;
        self.refused_at_commit = transaction.refused_at_commit;
        match done {
            Ok(done) => done,
            Err(error) if *transaction.commit_sent.get_mut() => {
                Err(Failure::Other(error.with_unknown_commit()))
            }
            Err(error) => Err(Failure::Other(error)),
        }
    }

    /// Writes rows in the transaction that is open, and waits for all answers.
    pub(super) async fn write_rows(
        &mut self,
        link: &Link,
        tables: &[TableRows],
        way: Option<Way>,
    ) -> Result<(), Failure> {
        let ways = self.targets.ways(link, tables, way).await?;
        let plans = folds(tables, &ways)?;
        let prepared = self.prepare(link, &plans, &ways).await?;
        let sending = async {
            let in_flight = send_steps(link, &prepared, None, &mut self.scratch).await?;
            settle(link, in_flight).await
        };
        link.in_time(ACTION, sending).await?
    }

    /// The last batch was refused by its commit, not by a statement.
    pub(super) fn refused_at_commit(&self) -> bool {
        self.refused_at_commit
    }

    async fn prepare<'a>(
        &mut self,
        link: &Link,
        plans: &'a [Plan<'_>],
        ways: &[Way],
    ) -> Result<Vec<Prepared<'a>>, SinkError> {
        let mut prepared = Vec::new();
        for (plan, way) in plans.iter().zip(ways) {
            for step in steps::steps(plan, *way) {
                let target = &step.rows.target;
                let statements = self
                    .targets
                    .statements(link, target, step.verb, &step.columns)
                    .await?;
                prepared.push(Prepared { step, statements });
            }
        }
        Ok(prepared)
    }
}

fn folds<'a>(tables: &'a [TableRows], ways: &[Way]) -> Result<Vec<Plan<'a>>, SinkError> {
    let with_way = tables.iter().zip(ways);
    with_way
        .map(|(rows, way)| steps::fold(rows, *way))
        .collect()
}

/// What a table allows may be less than when it was looked at.
fn may_be_of_the_way(error: &SinkError) -> bool {
    error.class() == ErrorClass::Stop && !error.connection_lost()
}

/// One transaction of a batch.
struct Transaction<'t> {
    link: &'t Link,
    progress: Option<&'t Progress>,
    batch: &'t Batch,
    steps: &'t [Prepared<'t>],
    scratch: &'t mut BytesMut,
    mark: String,
    /// Read when the deadline has passed, while the work is half done.
    commit_sent: AtomicBool,
    refused_at_commit: bool,
}

impl Transaction<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        fail_point!(failpoint::BEFORE_BEGIN);
        let copy = match self.move_positions().await {
            Ok(copy) => copy,
            Err(failure) => return Err(roll_back(self.link, failure).await),
        };
        fail_point!(failpoint::AFTER_PROGRESS);
        let in_flight = match send_steps(self.link, self.steps, copy, self.scratch).await {
            Ok(in_flight) => in_flight,
            Err(failure) => return Err(roll_back(self.link, failure).await),
        };
        failpoint::flush().await;
        fail_point!(failpoint::BEFORE_COMMIT);
        self.commit_sent.store(true, Ordering::Relaxed);
        let commit = start(transaction::send_commit(self.link.client())).await;
        failpoint::flush().await;
        fail_point!(failpoint::AFTER_COMMIT_SENT, |_| {
            self.link.cut();
            let lost = SinkError::retry("connection cut by a failpoint");
            Err(Failure::Other(lost.with_unknown_commit()))
        });
        self.settle(in_flight, commit).await?;
        fail_point!(failpoint::AFTER_COMMIT);
        Ok(())
    }

    /// The first round trip. Returns the copy that the rows begin with, if they do.
    async fn move_positions(&mut self) -> Result<Option<CopySink>, Failure> {
        let client = self.link.client();
        let begin = start(transaction::begin_marked(client, &self.mark)).await;
        let positions = &self.batch.positions;
        let moving = match self.progress {
            Some(progress) => Some(start(progress.advance(self.link, positions, &self.mark)).await),
            None => None,
        };
        let copying = match self.steps.first() {
            Some(first) if first.step.verb == Verb::Copy => {
                Some(StartedCopy::start(client, &first.statements).await)
            }
            _ => None,
        };
        let moved = self.answer_moves(begin, moving).await;
        let Some(copying) = copying else {
            return moved.map(|()| None);
        };
        if let Err(Failure::Other(error)) = moved {
            // The copy cannot have started then.
            self.link.cut();
            return Err(Failure::Other(error.losing_connection()));
        }
        let copy = copying.answer(self.link).await?;
        moved.map(|()| Some(copy))
    }

    async fn answer_moves(
        &self,
        begin: Started<'_, bool>,
        moving: Option<Started<'_, u64>>,
    ) -> Result<(), Failure> {
        let failed = |error| self.link.statement_failure(ACTION, error);
        let in_step = begin.answer().await.map_err(failed)?;
        transaction::require_in_step(self.link, in_step)?;
        if let Some(moving) = moving {
            let moved = moving.answer().await.map_err(failed)?;
            if usize::try_from(moved) != Ok(self.batch.positions.len()) {
                return Err(Failure::Fenced);
            }
        }
        Ok(())
    }

    /// The second round trip's answers.
    async fn settle(
        &mut self,
        in_flight: Vec<Sent<'_>>,
        commit: Started<'_, bool>,
    ) -> Result<(), Failure> {
        let refused = first_refusal(in_flight).await;
        let reply = commit.answer().await;
        let Some(refusal) = refused else {
            return match transaction::outcome(self.link, ACTION, reply) {
                Committed::Yes => Ok(()),
                Committed::No(error) => {
                    self.refused_at_commit = error.class() == ErrorClass::Record;
                    Err(Failure::Other(error))
                }
                Committed::Unknown(error) => Err(Failure::Other(error.with_unknown_commit())),
            };
        };
        let was_refused_by_server = refusal.error.as_db_error().is_some();
        match refusal.into_failure(self.link) {
            // The connection ended while this answer was awaited, so the commit, too, was not
            // answered, though it may have been carried out.
            Failure::Other(error) if !was_refused_by_server => {
                Err(Failure::Other(error.with_unknown_commit()))
            }
            // The transaction had failed when the commit arrived: it was rolled back.
            Failure::Other(error) if reply.is_err() => {
                Err(Failure::Other(error.losing_connection()))
            }
            failure => Err(failure),
        }
    }
}

/// Rows that have been sent.
struct Sent<'a> {
    answer: Started<'a, u64>,
    is_copy: bool,
}

/// What the server, or the driver, said to the first rows that did not get in.
struct Refusal {
    error: tokio_postgres::Error,
    is_copy: bool,
}

/// Sends the rows of all steps. What is returned has been sent and not been answered. `copy` is
/// the first step's copy when it has been started already.
async fn send_steps<'s>(
    link: &'s Link,
    steps: &'s [Prepared<'s>],
    mut copy: Option<CopySink>,
    scratch: &mut BytesMut,
) -> Result<Vec<Sent<'s>>, Failure> {
    let mut in_flight = Vec::new();
    for (index, prepared) in steps.iter().enumerate() {
        let is_copy = prepared.step.verb == Verb::Copy;
        // A copy's own start has to be answered before its data can be sent, in order.
        if (is_copy && copy.is_none()) || in_flight.len() >= PIPELINED_STEPS_MAX {
            settle(link, std::mem::take(&mut in_flight)).await?;
        }
        let answer = if is_copy {
            let mut sink = match copy.take() {
                Some(sink) => sink,
                None => {
                    let copying = StartedCopy::start(link.client(), &prepared.statements).await;
                    copying.answer(link).await?
                }
            };
            feed(link, &mut sink, prepared, scratch).await?;
            start(async move { sink.as_mut().finish().await }).await
        } else {
            start(execute(link.client(), prepared)).await
        };
        let has_failed = answer.has_failed();
        in_flight.push(Sent { answer, is_copy });
        if index == 0 && !is_copy {
            failpoint::flush().await;
            fail_point!(failpoint::MID_ROWS);
        }
        // Nothing may follow a step that was not sent, nor the end of a copy that is on its way.
        if has_failed || (is_copy && index + 1 < steps.len()) {
            settle(link, std::mem::take(&mut in_flight)).await?;
        }
    }
    Ok(in_flight)
}

async fn execute(client: &Client, prepared: &Prepared<'_>) -> Reply<u64> {
    let Step {
        rows,
        row_set,
        columns,
        ..
    } = &prepared.step;
    if prepared.step.verb.is_bare() {
        return client.execute(&prepared.statements.rows, &[]).await;
    }
    if columns.is_empty() {
        let row_count = i32::try_from(row_set.len(rows)).unwrap_or(i32::MAX);
        return client
            .execute(&prepared.statements.rows, &[&row_count])
            .await;
    }
    let arrays = Cells::new(rows, row_set, columns).arrays();
    client.execute_raw(&prepared.statements.rows, arrays).await
}

/// Waits for all answers.
async fn settle(link: &Link, in_flight: Vec<Sent<'_>>) -> Result<(), Failure> {
    match first_refusal(in_flight).await {
        None => Ok(()),
        Some(refusal) => Err(refusal.into_failure(link)),
    }
}

/// The first counts, the others follow from it.
async fn first_refusal(in_flight: Vec<Sent<'_>>) -> Option<Refusal> {
    let mut first = None;
    for Sent { answer, is_copy } in in_flight {
        if let Err(error) = answer.answer().await {
            first.get_or_insert(Refusal { error, is_copy });
        }
    }
    first
}

impl Refusal {
    fn into_failure(self, link: &Link) -> Failure {
        let is_copy = self.is_copy;
        match row_failure(link, self.error) {
            // Data is read, and refused, when the copy goes on for sure. Cancelled before that,
            // it may be one that has not started, see [`StartedCopy::answer`].
            Failure::Other(error) if is_copy && error.class() != ErrorClass::Record => {
                link.cut();
                Failure::Other(error.losing_connection())
            }
            failure => failure,
        }
    }
}

pub(super) fn row_failure(link: &Link, error: tokio_postgres::Error) -> Failure {
    let is_met_twice = error.code() == Some(&SqlState::CARDINALITY_VIOLATION);
    let error = link.row_failure("write rows", error);
    match is_met_twice {
        true => Failure::KeyMetTwice(error),
        false => Failure::Other(error),
    }
}

/// Rolls back, and returns why.
async fn roll_back(link: &Link, failure: Failure) -> Failure {
    if matches!(&failure, Failure::Other(error) if error.connection_lost()) {
        return failure;
    }
    match (transaction::roll_back(link).await, failure) {
        (Ok(()), failure) => failure,
        (Err(_), Failure::Other(error)) => Failure::Other(error.losing_connection()),
        (Err(lost), _) => Failure::Other(lost),
    }
}
