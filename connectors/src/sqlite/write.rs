//! Writing a batch: one transaction, positions first, then the rows of all tables; and trying
//! parts of a batch to find the rows that are refused.

use async_trait::async_trait;
use sqlx::sqlite::SqliteArguments;

use super::connect::Connection;
use super::encode::cell_arguments;
use super::progress::Progress;
use super::schema;
use super::sql::{bury_sql, delete_sql, insert_sql, marked_upsert_sql, truncate_sql, update_sql};
use crate::WriteOutcome;
use crate::error::{ErrorClass, SinkError};
use crate::fold::{self, RowSet};
use crate::order::{self, Attempt, RowOrder};
use crate::reject::Trial;
use crate::row::{Batch, TableRows};
use crate::statement::{self, Group};
use crate::table::WriteMode;

/// Rows per statement. Every size is a statement of its own to prepare and keep, so there are few,
/// and any number of rows is made up of at most three of each but the largest.
const ROWS_PER_STATEMENT: [usize; 5] = [256, 64, 16, 4, 1];
/// Most bound values of a statement: SQLite takes 32,766, but a prepared statement's memory grows
/// with them, and beyond some thousands nothing gets faster.
const BOUND_VALUES_MAX: usize = 4096;

/// Most placeholders that a statement can have.
const PLACEHOLDERS_MAX: usize = 32_766;

/// Sets of columns that have statements of their own. Rows of more sets are marked, where that can be
/// done: a marked row is looked up before it is written, which costs less than many small statements. The
/// figures are in the [README](crate::sqlite).
const SHAPES_MAX: usize = 8;

/// Which sizes statements have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sizes {
    /// [`ROWS_PER_STATEMENT`]: to be prepared once and used for all batches.
    Few,
    /// As many rows as there are: to have few statements once.
    Any,
    /// One row: of several that a join finds for a row of the table, any one would count; of several to be
    /// deleted, any one would be the first.
    One,
}

/// Moves the positions and writes the rows, or neither.
pub(super) async fn write(
    connection: &mut Connection,
    progress: &Progress,
    batch: &Batch,
) -> Result<WriteOutcome, SinkError> {
    let mut attempt = Attempt::first(batch);
    loop {
        let error = match write_once(connection, progress, batch, &attempt).await {
            Err(error) => error,
            written => return written,
        };
        attempt = match attempt.after(&error) {
            Some(next) => next,
            None => return Err(error),
        };
    }
}

/// Writes the batch, its rows in this order.
async fn write_once(
    connection: &mut Connection,
    progress: &Progress,
    batch: &Batch,
    attempt: &Attempt<'_>,
) -> Result<WriteOutcome, SinkError> {
    connection.begin().await?;
    match write_in_transaction(connection, progress, batch, attempt).await {
        Ok(fenced) if fenced.is_empty() => {
            fail::fail_point!("sqlite::before_commit");
            connection.commit().await?;
            fail::fail_point!("sqlite::after_commit");
            Ok(WriteOutcome::Committed)
        }
        Ok(fenced) => {
            connection.roll_back().await?;
            Ok(WriteOutcome::Fenced(fenced))
        }
        Err(error) => Err(connection.roll_back_after(error).await),
    }
}

/// The indexes of the fenced positions; rows are written only when there are none.
async fn write_in_transaction(
    connection: &mut Connection,
    progress: &Progress,
    batch: &Batch,
    attempt: &Attempt<'_>,
) -> Result<Vec<usize>, SinkError> {
    if batch.positions_stored {
        let fenced = progress.advance(connection, &batch.positions).await?;
        if !fenced.is_empty() {
            return Ok(fenced);
        }
    }
    fail::fail_point!("sqlite::after_progress");
    schema::require_unchanged(connection, &batch.tables).await?;
    write_rows(connection, attempt.tables(), attempt.row_order, Sizes::Few).await?;
    Ok(Vec::new())
}

async fn write_rows(
    connection: &mut Connection,
    tables: &[TableRows],
    row_order: RowOrder,
    sizes: Sizes,
) -> Result<(), SinkError> {
    let sizes_of_deletes = match row_order {
        RowOrder::Folded => sizes,
        RowOrder::Log => Sizes::One,
    };
    for table in tables {
        let is_of_the_log = row_order == RowOrder::Log || goes_in_log_order(connection, table);
        let plan = match is_of_the_log {
            true => fold::in_log_order(table),
            false => fold::plan(table),
        };
        let sizes_of_writes = match is_of_the_log && table.target.mode == WriteMode::Update {
            true => Sizes::One,
            false => sizes,
        };
        if plan.truncate {
            let sql = truncate_sql(&table.target);
            connection
                .execute("empty the table", sql, SqliteArguments::default())
                .await?;
        }
        if let Some(tombstones) = &plan.tombstones {
            write_set(connection, tombstones, &RowSet::All, sizes).await?;
        }
        for phase in &plan.phases {
            delete_rows(connection, &plan.rows, &phase.deletes, sizes_of_deletes).await?;
            write_set(connection, &plan.rows, &phase.writes, sizes_of_writes).await?;
            if table.target.tombstones.is_some() {
                let written: Vec<usize> = phase.writes.iter(&plan.rows).collect();
                delete_rows(connection, &plan.rows, &written, sizes).await?;
            }
        }
    }
    Ok(())
}

/// Only the table knows which of these keys are the same.
fn goes_in_log_order(connection: &Connection, rows: &TableRows) -> bool {
    fold::keys_meet(rows) && !connection.checked.are_told_apart(rows)
}

async fn write_set(
    connection: &mut Connection,
    rows: &TableRows,
    set: &RowSet,
    sizes: Sizes,
) -> Result<(), SinkError> {
    let groups_max = match connection.checked.takes_marks(&rows.target) {
        true => SHAPES_MAX,
        false => usize::MAX,
    };
    for group in statement::few_groups(rows, set, groups_max) {
        write_group(connection, rows, &group, sizes).await?;
    }
    Ok(())
}

/// With tombstones only those that are older than the tombstones of their keys.
async fn delete_rows(
    connection: &mut Connection,
    rows: &TableRows,
    deletes: &[usize],
    sizes: Sizes,
) -> Result<(), SinkError> {
    let target = &rows.target;
    if deletes.is_empty() {
        return Ok(());
    }
    if target.key.is_empty() {
        return Err(SinkError::stop(format!(
            "deletes from {} need a key: set pk.mode=record_key",
            target.table.name
        )));
    }
    let mut rest = deletes;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(sizes.rows_of(rest.len(), target.key.len()));
        let arguments = cell_arguments(rows, &target.key, &[], now.iter().copied())?;
        let sql = match target.tombstones {
            Some(_) => bury_sql(target, now.len()),
            None => delete_sql(target, now.len()),
        };
        connection.execute("delete rows", sql, arguments).await?;
        rest = later;
    }
    Ok(())
}

async fn write_group(
    connection: &mut Connection,
    rows: &TableRows,
    group: &Group,
    sizes: Sizes,
) -> Result<(), SinkError> {
    let target = &rows.target;
    let is_update = target.mode == WriteMode::Update;
    let names = |column: &usize| group.columns.contains(column);
    let has_more_than_key = group.columns.len() > target.key.len();
    if is_update && !(has_more_than_key && target.key.iter().all(names)) {
        return Ok(());
    }
    let on_conflict = connection.checked.on_conflict(target);
    let row_count = group.rows.len(rows);
    let mut done = 0;
    while done < row_count {
        let width = group.columns.len() + usize::from(!group.marked.is_empty());
        let count = sizes.rows_of(row_count - done, width);
        let arguments = group_arguments(rows, group, done, count)?;
        let (columns, marked) = (&group.columns, &group.marked);
        let sql = match is_update {
            true => update_sql(target, on_conflict, columns, marked, count),
            false if marked.is_empty() => insert_sql(target, on_conflict, columns, count),
            false => marked_upsert_sql(target, on_conflict, columns, marked, count),
        };
        connection.execute("write rows", sql, arguments).await?;
        done += count;
    }
    Ok(())
}

fn group_arguments(
    rows: &TableRows,
    group: &Group,
    first: usize,
    count: usize,
) -> Result<SqliteArguments, SinkError> {
    let row_at = |position| RowSet::row(&group.rows, position);
    let members = (first..first + count).map(row_at);
    cell_arguments(rows, &group.columns, &group.marked, members)
}

impl Sizes {
    /// How many of `remaining` rows, at least one, the next statement takes.
    fn rows_of(self, remaining: usize, column_count: usize) -> usize {
        // A row of defaults has a statement of its own, and no bound values.
        if column_count == 0 || self == Self::One {
            return 1;
        }
        if self == Self::Any {
            return remaining.min(PLACEHOLDERS_MAX / column_count).max(1);
        }
        let bound_values_allow = BOUND_VALUES_MAX / column_count;
        let fits = |size: &usize| *size <= remaining && *size <= bound_values_allow;
        ROWS_PER_STATEMENT.into_iter().find(fits).unwrap_or(1)
    }
}

/// Tries parts of a batch inside a transaction that is never committed.
pub(super) struct RowTrial<'a> {
    pub(super) connection: &'a mut Connection,
    /// Set once the connection cannot be used any more.
    pub(super) is_lost: bool,
}

#[async_trait]
impl Trial for RowTrial<'_> {
    async fn begin(&mut self) -> Result<(), SinkError> {
        let begun = self.connection.begin().await;
        self.noting_loss(begun)
    }

    async fn try_rows(&mut self, part: &Batch) -> Result<(), SinkError> {
        let tried = try_part(self.connection, part).await;
        self.noting_loss(tried)
    }

    async fn abandon(&mut self) {
        if !self.is_lost {
            let rolled_back = self.connection.roll_back().await;
            self.is_lost = rolled_back.is_err();
        }
    }
}

impl RowTrial<'_> {
    fn noting_loss(&mut self, result: Result<(), SinkError>) -> Result<(), SinkError> {
        self.is_lost |= matches!(&result, Err(error) if error.connection_lost());
        result
    }
}

async fn try_part(connection: &mut Connection, part: &Batch) -> Result<(), SinkError> {
    schema::require_unchanged(connection, &part.tables).await?;
    match try_in(connection, part, RowOrder::Folded).await {
        Err(error) if order::log_may_help(&error, &part.tables) => {
            try_in(connection, part, RowOrder::Log).await
        }
        tried => tried,
    }
}

/// After a *record* error all is as it was before.
async fn try_in(
    connection: &mut Connection,
    part: &Batch,
    row_order: RowOrder,
) -> Result<(), SinkError> {
    savepoint(connection, "SAVEPOINT part").await?;
    let Err(refused) = write_rows(connection, &part.tables, row_order, Sizes::Any).await else {
        return savepoint(connection, "RELEASE part").await;
    };
    if refused.class() != ErrorClass::Record {
        return Err(refused);
    }
    if savepoint(connection, "ROLLBACK TO part").await.is_err() {
        return Err(SinkError::stop(format!(
            "a refused row ended the whole transaction, so the others cannot be judged: use \
             RAISE(ABORT) instead of RAISE(ROLLBACK) in triggers ({refused})"
        )));
    }
    savepoint(connection, "RELEASE part").await?;
    Err(refused)
}

async fn savepoint(connection: &mut Connection, sql: &str) -> Result<(), SinkError> {
    connection
        .execute("use a savepoint", sql, SqliteArguments::default())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mut rows: usize, column_count: usize, expected: &[usize]) {
        let mut sizes = Vec::new();
        while rows > 0 {
            let size = Sizes::Few.rows_of(rows, column_count);
            sizes.push(size);
            rows -= size;
        }
        assert_eq!(sizes, expected);
    }

    #[test]
    fn rows_are_shared_out_over_few_statement_sizes() {
        check(0, 5, &[]);
        check(3, 5, &[1, 1, 1]);
        check(600, 5, &[256, 256, 64, 16, 4, 4]);
        check(300, 16, &[256, 16, 16, 4, 4, 4]);
        check(300, 17, &[64, 64, 64, 64, 16, 16, 4, 4, 4]);
        check(5, 2000, &[1, 1, 1, 1, 1]);
        check(2, 5000, &[1, 1]);
        check(2, 0, &[1, 1]);
        assert_eq!(Sizes::Any.rows_of(600, 5), 600);
        assert_eq!(Sizes::Any.rows_of(600, 100), 327);
        assert_eq!(Sizes::Any.rows_of(2, 0), 1);
        assert_eq!(Sizes::One.rows_of(600, 5), 1);
    }
}
