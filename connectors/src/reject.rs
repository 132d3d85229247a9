//! Finding the rows that a database refuses: bisection over savepoints.
//!
//! A batch was refused with a *record* error; most databases do not say which row it was, and
//! there may be several. [`find`] runs the batch again in parts inside one transaction: an accepted
//! part stays applied, so that later rows are judged on top of earlier ones; a refused part is
//! halved until a single row stands alone. The transaction is always abandoned. The caller then
//! writes the batch without the rows found.
//!
//! The rows are taken table by table, each table in log order. Positions play no part: nothing is
//! locked for other writers but the rows tried.
//!
//! **Cost.** Most often a single row is at fault. So when the first one is found, all that come
//! after it are tried together: among 5,000 rows that is 16 trials at most. With `b` refused rows
//! among `n` there are at most `2 b (log2(n) + 1) + 1`, and never more than `2 n + log2(n)`. Where each
//! row is a statement of its own, a trial has as many as rows: to find a single refused row, each is
//! written three times at most.

use async_trait::async_trait;

use crate::RowReject;
use crate::error::{ErrorClass, SinkError};
use crate::row::Batch;

/// One transaction in which parts of a batch are tried.
#[async_trait]
pub trait Trial: Send {
    /// Opens the transaction.
    async fn begin(&mut self) -> Result<(), SinkError>;

    /// Writes the part's rows inside a savepoint, as a batch of their own, in as few statements as
    /// can be: no part of this size may come again. The part has no positions, and its rows'
    /// origins still index those of the whole batch.
    ///
    /// # Errors
    /// Of class *record*: rolled back to the savepoint, the transaction is fine. Any other class
    /// ends the search.
    async fn try_rows(&mut self, part: &Batch) -> Result<(), SinkError>;

    /// Rolls the transaction back; also called after errors, and when it never began.
    async fn abandon(&mut self);
}

/// Finds the refused rows, ascending by table and row. Empty when, taken in parts, all are
/// accepted: the caller then writes smaller batches.
///
/// # Errors
/// The first error that is not a *record* error, or one of `begin`; nothing is known then.
pub async fn find(trial: &mut dyn Trial, batch: &Batch) -> Result<Vec<RowReject>, SinkError> {
    let found = search(trial, batch).await;
    trial.abandon().await;
    found
}

/// A run of rows, counted through all tables of the batch.
#[derive(Clone, Copy)]
struct Run {
    start: usize,
    end: usize,
    /// Set for the second half of a refused run: if the first half brought no refusal beyond this
    /// count, the second half is the one at fault and is halved without being tried.
    at_fault_unless_refusals_exceed: Option<usize>,
}

async fn search(trial: &mut dyn Trial, batch: &Batch) -> Result<Vec<RowReject>, SinkError> {
    trial.begin().await?;
    let mut rejects = Vec::new();
    let mut refusals = 0;
    let mut pending = vec![Run {
        start: 0,
        end: batch.row_count(),
        at_fault_unless_refusals_exceed: None,
    }];
    while let Some(run) = pending.pop() {
        let row_count = run.end - run.start;
        if row_count == 0 {
            continue;
        }
        let known_at_fault = run.at_fault_unless_refusals_exceed == Some(refusals);
        if row_count > 1 && known_at_fault {
            pending.extend(halves(run, refusals));
            continue;
        }
        match trial.try_rows(&part_of(batch, run)).await {
            Ok(()) => {}
            Err(error) if error.class() != ErrorClass::Record => return Err(error),
            Err(error) => {
                refusals += 1;
                if row_count == 1 {
                    rejects.push(reject_at(batch, run.start, &error));
                    if rejects.len() == 1 {
                        pending = vec![all_after(run, batch)];
                    }
                } else {
                    pending.extend(halves(run, refusals));
                }
            }
        }
    }
    Ok(rejects)
}

/// What of the batch has not been tried yet.
fn all_after(run: Run, batch: &Batch) -> Run {
    Run {
        start: run.end,
        end: batch.row_count(),
        at_fault_unless_refusals_exceed: None,
    }
}

/// The second half first, since `pending` is taken from its end.
fn halves(run: Run, refusals: usize) -> [Run; 2] {
    let middle = run.start + (run.end - run.start) / 2;
    let first = Run {
        start: run.start,
        end: middle,
        at_fault_unless_refusals_exceed: None,
    };
    let second = Run {
        start: middle,
        end: run.end,
        at_fault_unless_refusals_exceed: Some(refusals),
    };
    [second, first]
}

fn part_of(batch: &Batch, run: Run) -> Batch {
    let mut tables = Vec::new();
    let mut table_start = 0;
    for table in &batch.tables {
        let table_end = table_start + table.len();
        let first = run.start.max(table_start);
        let end = run.end.min(table_end);
        if first < end {
            let rows: Vec<usize> = (first - table_start..end - table_start).collect();
            tables.push(table.gather(&rows));
        }
        table_start = table_end;
    }
    Batch {
        positions: Vec::new(),
        tables,
        positions_stored: false,
    }
}

fn reject_at(batch: &Batch, counted_row: usize, error: &SinkError) -> RowReject {
    let mut row = counted_row;
    let mut table = 0;
    while row >= batch.tables[table].len() {
        row -= batch.tables[table].len();
        table += 1;
    }
    RowReject {
        table,
        row,
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
