//! Writing a batch: positions and rows in one transaction.
//!
//! The transaction's begin and the moves of all positions are one message. When all have moved,
//! the rows follow, in prepared statements of many rows each, and then the commit. `COMMIT` is sent
//! only when the server has confirmed every statement before it, and that they are still in the
//! transaction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fail::fail_point;
use mysql_async::Value;

use super::check::KeyCheck;
use super::encode::{PACKET_HEADER_BYTES, push_row};
use super::form::Form;
use super::given::MARK_BYTES;
use super::link::{Failure, Link};
use super::progress::{NotMoved, Progress};
use super::sql::{self, Verb};
use super::steps::{self, Step};
use super::transaction;
use super::{classify, schema};
use crate::WriteOutcome;
use crate::committed::Committed;
use crate::error::{ErrorClass, SinkError};
use crate::options::SinkTimeouts;
use crate::order::{Attempt, RowOrder};
use crate::position::PositionMove;
use crate::row::{Batch, TableRows};
use crate::statement;
use crate::table::Target;

/// Rows per statement. Every size is a statement of its own to prepare and keep, so there are few,
/// and any number of rows is made up of at most three of each but the largest.
const ROWS_PER_STATEMENT: [usize; 6] = [1024, 256, 64, 16, 4, 1];
/// Most values of a statement. The server takes 65,535, but keeps a tree of them in memory for each
/// prepared statement, and beyond some thousands nothing gets faster.
const VALUES_MAX: usize = 8_192;
/// Most placeholders that a statement can have.
const PLACEHOLDERS_MAX: usize = 65_535;
/// Most bytes of a statement of several rows, besides the server's own bound: beyond 16 MiB the
/// driver sends each value in a message of its own.
const STATEMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Rows per statement of deletes by several columns, whose conditions the server's optimizer looks
/// at one by one.
const DELETED_ROWS_MAX: usize = 256;
/// Tables, or versions of their definitions, that a session remembers besides those of a batch. Beyond
/// it those that a batch does not need are forgotten, since so many are rare and not worth an order of
/// eviction.
const TARGETS_MAX: usize = 256;
const ACTION: &str = "write a batch";

/// Writes rows over one session.
#[derive(Default)]
pub(super) struct Writer {
    /// By address, which stays taken as long as the target is kept.
    known: HashMap<usize, Known>,
    /// Numbers the targets of the session.
    targets: u64,
}

/// What a session knows about a table that it writes to.
struct Known {
    _target: Arc<Target>,
    access: Arc<Access>,
}

/// Which sizes statements have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sizes {
    /// [`ROWS_PER_STATEMENT`]: to be prepared once and used for all batches.
    Few,
    /// As many rows as there are: to have few statements once.
    Any,
}

/// How rows get into a table.
pub(super) struct Access {
    /// One per written column.
    forms: Vec<Form>,
    /// One per written column of the table that remembers deletes.
    tombstone_forms: Vec<Form>,
    /// Stands in the text of every statement. A statement that was prepared before a column changed
    /// its type converts values by way of the old one, also when the server has prepared it anew:
    /// seen in MySQL 9.7. So one of a later target must not be the same text.
    number: u64,
}

impl Writer {
    /// See [`Session::write`](crate::Session::write). `progress` is `None` when the batch stores
    /// no positions.
    pub(super) async fn write(
        &mut self,
        link: &mut Link,
        timeouts: &SinkTimeouts,
        progress: Option<&Progress>,
        batch: &Batch,
    ) -> Result<WriteOutcome, SinkError> {
        let progress = progress.filter(|_| !batch.positions.is_empty());
        if progress.is_none() && batch.row_count() == 0 {
            return Ok(WriteOutcome::Committed);
        }
        let positions = &batch.positions;
        let mut attempt = Attempt::first(batch);
        loop {
            let written = self.write_once(link, timeouts, progress, positions, &attempt);
            let error = match written.await {
                Err(error) => error,
                written => return written,
            };
            attempt = match attempt.after(&error) {
                Some(next) => next,
                None => return Err(error),
            };
        }
    }

    /// Writes rows in this order, and moves the positions.
    async fn write_once(
        &mut self,
        link: &mut Link,
        timeouts: &SinkTimeouts,
        progress: Option<&Progress>,
        positions: &[PositionMove],
        attempt: &Attempt<'_>,
    ) -> Result<WriteOutcome, SinkError> {
        let tables = attempt.tables();
        // Looks tables up, which must not happen inside the transaction.
        let accesses = self.accesses(link, tables).await?;
        fail_point!(super::failpoint::BEFORE_BEGIN);
        let begun = match progress {
            Some(progress) => progress.begin_moved(link, ACTION, positions).await,
            None => {
                let begin = transaction::begin_text(timeouts, timeouts.lock);
                link.run(ACTION, &begin).await.map(|_| true)
            }
        };
        let all_moved = transaction::or_roll_back(link, begun).await?;
        if let (false, Some(progress)) = (all_moved, progress) {
            transaction::roll_back(link).await?;
            return match progress.why_not_moved(link, positions).await {
                NotMoved::Fenced(positions) => Ok(WriteOutcome::Fenced(positions)),
                NotMoved::Failed(error) => Err(error),
            };
        }
        fail_point!(super::failpoint::AFTER_PROGRESS);
        let written = write_tables(link, tables, &accesses, attempt.row_order, Sizes::Few).await;
        transaction::or_roll_back(link, written).await?;
        fail_point!(super::failpoint::BEFORE_COMMIT);
        match transaction::commit(link, ACTION).await {
            Committed::Yes => {}
            Committed::No(error) => return transaction::or_roll_back(link, Err(error)).await,
            Committed::Unknown(error) => return Err(error.with_unknown_commit()),
        }
        fail_point!(super::failpoint::AFTER_COMMIT);
        Ok(WriteOutcome::Committed)
    }

    /// Writes rows in the transaction that is open, to find out whether they are accepted.
    pub(super) async fn try_rows(
        &mut self,
        link: &mut Link,
        tables: &[TableRows],
        row_order: RowOrder,
    ) -> Result<(), SinkError> {
        let accesses = self.known_accesses(tables)?;
        write_tables(link, tables, &accesses, row_order, Sizes::Any).await
    }

    /// Looks up what is not known yet about these tables.
    pub(super) async fn accesses(
        &mut self,
        link: &mut Link,
        tables: &[TableRows],
    ) -> Result<Vec<Arc<Access>>, SinkError> {
        self.make_room(tables);
        for rows in tables {
            let target = &rows.target;
            if self.known.contains_key(&address(target)) {
                continue;
            }
            let forms = look_up(link, target).await?;
            let tombstone_forms = match &target.tombstones {
                Some(tombstones) => look_up(link, tombstones).await?,
                None => Vec::new(),
            };
            self.targets += 1;
            let access = Access {
                forms,
                tombstone_forms,
                number: self.targets,
            };
            let known = Known {
                _target: Arc::clone(target),
                access: Arc::new(access),
            };
            self.known.insert(address(target), known);
        }
        self.known_accesses(tables)
    }

    /// Once for all tables, so that none of them makes room for another.
    fn make_room(&mut self, tables: &[TableRows]) {
        if self.known.len() < TARGETS_MAX {
            return;
        }
        let needed: HashSet<usize> = tables.iter().map(|rows| address(&rows.target)).collect();
        if needed
            .iter()
            .any(|address| !self.known.contains_key(address))
        {
            self.known.retain(|address, _| needed.contains(address));
        }
    }

    fn known_accesses(&self, tables: &[TableRows]) -> Result<Vec<Arc<Access>>, SinkError> {
        let known = |rows: &TableRows| {
            let known = self.known.get(&address(&rows.target));
            known.map(|known| Arc::clone(&known.access)).ok_or_else(|| {
                let name = &rows.target.table.name;
                SinkError::retry(format!("table {name} is not known any more"))
            })
        };
        tables.iter().map(known).collect()
    }
}

fn address(target: &Arc<Target>) -> usize {
    Arc::as_ptr(target).addr()
}

async fn look_up(link: &mut Link, target: &Target) -> Result<Vec<Form>, SinkError> {
    let name = &target.table.name;
    let described = schema::describe(link, name).await?.ok_or_else(|| {
        let message = format!("there is no table {name}; create it or set auto.create");
        SinkError::stop(message).with_changed_table()
    })?;
    let flavor = link.server.flavor;
    let written = (0..target.written.len()).map(|column| target.column(column));
    written
        .map(|column| {
            let place = described.table.columns.iter().position(|found| {
                found.name == column.name && found.native_type == column.native_type
            });
            match place {
                Some(place) => Ok(Form::of(column, &described.traits[place], flavor)),
                None => Err(SinkError::stop(format!(
                    "column \"{}\" of table {name} is not {} any more",
                    column.name, column.native_type
                ))
                .with_changed_table()),
            }
        })
        .collect()
}

async fn write_tables(
    link: &mut Link,
    tables: &[TableRows],
    accesses: &[Arc<Access>],
    row_order: RowOrder,
    sizes: Sizes,
) -> Result<(), SinkError> {
    for (rows, access) in tables.iter().zip(accesses) {
        let order = steps::order(rows, &access.forms, row_order)?;
        for step in steps::steps(&order) {
            write_step(link, &step, access, sizes).await?;
        }
    }
    Ok(())
}

/// Encodes rows until a statement is full, then sends it.
async fn write_step(
    link: &mut Link,
    step: &Step<'_>,
    access: &Access,
    sizes: Sizes,
) -> Result<(), SinkError> {
    if step.verb == Verb::DeleteAll {
        return empty(link, step, access).await;
    }
    let forms = access.forms(step);
    let limit = link
        .server
        .packet_bytes_max
        .saturating_sub(PACKET_HEADER_BYTES);
    let bound = sql::bound(&step.rows.target, step.verb, &step.columns);
    let width = bound.len() + usize::from(!step.marked.is_empty());
    let rows_max = sizes.rows_max(step.verb, width);
    let expected = rows_max.min(step.row_set.len(step.rows));
    let mut values = Vec::with_capacity(expected * width);
    let (mut row_count, mut bytes) = (0, 0);
    for row in step.row_set.iter(step.rows) {
        let before = values.len();
        let mut row_bytes = push_row(&mut values, step.rows, forms, &bound, row)?;
        if !step.marked.is_empty() {
            row_bytes += MARK_BYTES;
            values.push(Value::Int(statement::mark(step.rows, &step.marked, row)));
        }
        if row_bytes > limit {
            return Err(SinkError::new(
                ErrorClass::Record,
                format!(
                    "the row is larger than the server's max_allowed_packet of {} bytes",
                    link.server.packet_bytes_max
                ),
            ));
        }
        if row_count > 0 && bytes + row_bytes > limit.min(STATEMENT_BYTES_MAX) {
            let next = values.split_off(before);
            let full = std::mem::replace(&mut values, next);
            send(link, step, access, full, row_count, sizes).await?;
            (row_count, bytes) = (0, 0);
        }
        row_count += 1;
        bytes += row_bytes;
        if row_count == rows_max {
            let full = std::mem::replace(&mut values, Vec::with_capacity(before));
            send(link, step, access, full, row_count, sizes).await?;
            (row_count, bytes) = (0, 0);
        }
    }
    send(link, step, access, values, row_count, sizes).await
}

/// Deletes until there is nothing left to be deleted.
async fn empty(link: &mut Link, step: &Step<'_>, access: &Access) -> Result<(), SinkError> {
    loop {
        let deleted = execute(link, step, access, Vec::new(), 0).await?;
        if deleted < sql::EMPTIED_ROWS_MAX {
            return Ok(());
        }
    }
}

impl Access {
    /// Of the table that the step writes to.
    fn forms(&self, step: &Step<'_>) -> &[Form] {
        let is_tombstones =
            !self.tombstone_forms.is_empty() && step.rows.target.tombstones.is_none();
        match is_tombstones {
            true => &self.tombstone_forms,
            false => &self.forms,
        }
    }
}

impl Sizes {
    /// The largest statement of a step.
    fn rows_max(self, verb: Verb, width: usize) -> usize {
        let most = match verb {
            Verb::UpdateEach => 1,
            Verb::Delete | Verb::Bury | Verb::AwaitTombstones if width > 1 => DELETED_ROWS_MAX,
            _ => usize::MAX,
        };
        match self {
            Self::Any => most.min(PLACEHOLDERS_MAX / width.max(1)).max(1),
            Self::Few => {
                let fits = |size: &&usize| **size <= most && **size * width <= VALUES_MAX;
                ROWS_PER_STATEMENT.iter().find(fits).copied().unwrap_or(1)
            }
        }
    }

    /// How many of the rows that are left the next statement takes.
    fn rows_of(self, rest: usize) -> usize {
        let fits = |size: &&usize| **size <= rest;
        match self {
            Self::Any => rest,
            Self::Few => ROWS_PER_STATEMENT.iter().find(fits).copied().unwrap_or(1),
        }
    }
}

/// Executes rows in as few statements as their sizes allow.
async fn send(
    link: &mut Link,
    step: &Step<'_>,
    access: &Access,
    values: Vec<Value>,
    row_count: usize,
    sizes: Sizes,
) -> Result<(), SinkError> {
    let width = values.len().checked_div(row_count).unwrap_or(0);
    let mut values = values;
    let mut rest = row_count;
    while rest > 0 {
        let size = sizes.rows_of(rest);
        let later = values.split_off(size * width);
        let now = std::mem::replace(&mut values, later);
        execute(link, step, access, now, size).await?;
        rest -= size;
    }
    Ok(())
}

/// Executes one statement; returns how many rows it affected.
async fn execute(
    link: &mut Link,
    step: &Step<'_>,
    access: &Access,
    values: Vec<Value>,
    row_count: usize,
) -> Result<u64, SinkError> {
    let target = &step.rows.target;
    let flavor = link.server.flavor;
    let text = sql::statement(
        target,
        access.forms(step),
        flavor,
        step.verb,
        &step.columns,
        &step.marked,
        row_count,
    );
    let text = format!("/* {} */ {text}", access.number);
    link.require_transaction()?;
    let executed = link.execute(ACTION, &text, values).await;
    fail_point!(super::failpoint::MID_ROWS);
    if super::failpoint::server_ends_transaction() {
        transaction::roll_back(link).await?;
    }
    match executed {
        Ok(affected) => Ok(affected),
        // Joins with tombstones compare columns, for which no row is to blame.
        Err(Failure::Refused(refusal))
            if classify::is_incomparable(refusal.code) && step.verb.compares_keys() =>
        {
            Err(classify::incomparable_key(&refusal))
        }
        Err(Failure::Refused(refusal)) => {
            let check = match step.verb {
                Verb::Upsert | Verb::Ignore => KeyCheck::of(target, access.forms(step)),
                _ => None,
            };
            Err(classify::row_error(ACTION, &refusal, check))
        }
        Err(Failure::Lost(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shared_out_over_few_statement_sizes() {
        let check = |mut rest: usize, expected: &[usize]| {
            let mut sizes = Vec::new();
            while rest > 0 {
                let size = Sizes::Few.rows_of(rest);
                sizes.push(size);
                rest -= size;
            }
            assert_eq!(sizes, expected);
        };
        check(0, &[]);
        check(3, &[1, 1, 1]);
        check(1_400, &[1024, 256, 64, 16, 16, 16, 4, 4]);
        assert_eq!(Sizes::Any.rows_of(1_400), 1_400);
        assert_eq!(Sizes::Any.rows_max(Verb::Insert, 8), 8_191);
        assert_eq!(Sizes::Few.rows_max(Verb::Insert, 8), 1_024);
        assert_eq!(Sizes::Any.rows_max(Verb::Delete, 2), DELETED_ROWS_MAX);
    }
}
