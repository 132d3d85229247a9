//! Finding the rows that a database refuses: bisection over savepoints.
//!
//! A batch was refused with a *record* error; most databases do not say which row it was, and
//! there may be several. [`find`] runs the batch again in parts inside one transaction: an accepted
//! part stays applied, so that later rows are judged on top of earlier ones; a refused part is
//! halved until a single row stands alone. The transaction is always abandoned. The caller then
//! writes the batch without the rows found.
//!
//! The rows are taken table by table, each table in log order. Positions play no part: nothing is
//! locked for other writers but the rows tried. When a foreign key is met that way, the search begins
//! again in the order of the log through all tables, so that no row is blamed for that order.
//!
//! **Cost.** Most often a single row is at fault. So when the first one is found, all that come
//! after it are tried together: among 5,000 rows that is 16 trials at most. With `b` refused rows
//! among `n` there are at most `2 b (log2(n) + 1) + 1`, and never more than `2 n + log2(n)`. Where each
//! row is a statement of its own, a trial has as many as rows: to find a single refused row, each is
//! written three times at most.
//!
//! **Rows that wait.** A rule that is checked at the end of the transaction lets a row stand that needs a
//! later one. In parts it is refused, so rows that are refused are then tried again in their places among
//! all that are accepted: at most `SECOND_LOOKS_MAX` times, together or in groups.

use async_trait::async_trait;

use crate::RowReject;
use crate::error::{ErrorClass, SinkError};
use crate::order::{self, Place};
use crate::row::Batch;

/// Each is a write of the batch's accepted rows. Rows that are still in doubt then are rejected.
const SECOND_LOOKS_MAX: usize = 64;

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

    /// A row may have been refused because it needs one that comes later.
    fn rows_may_wait(&self) -> bool {
        false
    }

    /// Rolls the transaction back; also called after errors, and when it never began.
    async fn abandon(&mut self);
}

/// Finds the refused rows, ascending by table and row. Empty when, taken in parts, all are
/// accepted: the caller then writes smaller batches.
///
/// # Errors
/// The first error that is not a *record* error, or one of `begin`; nothing is known then.
pub async fn find(trial: &mut dyn Trial, batch: &Batch) -> Result<Vec<RowReject>, SinkError> {
    let mut order = order::by_table(batch);
    let other = order::in_log_order(batch);
    let has_other = batch.tables.len() > 1 && other != order;
    let mut found = search(trial, batch, &order, has_other).await;
    trial.abandon().await;
    if let Ok(Found::OrderMatters) = found {
        order = other;
        found = search(trial, batch, &order, false).await;
        trial.abandon().await;
    }
    let mut refused = match found? {
        Found::Rows(refused) => refused,
        Found::OrderMatters => Vec::new(),
    };
    if trial.rows_may_wait() && !refused.is_empty() {
        refused = look_again(trial, batch, &order, refused).await?;
    }
    let reject = |Refused { at, reason }| {
        let (table, row) = order[at];
        RowReject { table, row, reason }
    };
    let mut rejects: Vec<RowReject> = refused.into_iter().map(reject).collect();
    rejects.sort_unstable_by_key(|reject| (reject.table, reject.row));
    Ok(rejects)
}

/// What a search comes to.
enum Found {
    Rows(Vec<Refused>),
    /// A foreign key was met, and the log has another order.
    OrderMatters,
}

/// A row that was refused by itself.
struct Refused {
    /// Its place in the order of the search.
    at: usize,
    reason: String,
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

async fn search(
    trial: &mut dyn Trial,
    batch: &Batch,
    order: &[Place],
    stops_at_references: bool,
) -> Result<Found, SinkError> {
    trial.begin().await?;
    let mut refused = Vec::new();
    let mut refusals = 0;
    let mut pending = vec![all_from(0, order)];
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
        let error = match try_places(trial, batch, &order[run.start..run.end]).await? {
            None => continue,
            Some(error) => error,
        };
        if stops_at_references && error.breaks_reference() {
            return Ok(Found::OrderMatters);
        }
        refusals += 1;
        if row_count > 1 {
            pending.extend(halves(run, refusals));
            continue;
        }
        refused.push(Refused {
            at: run.start,
            reason: error.to_string(),
        });
        if refused.len() == 1 {
            pending = vec![all_from(run.end, order)];
        }
    }
    Ok(Found::Rows(refused))
}

/// Tries refused rows again among all that are accepted; returns those that are refused still.
async fn look_again(
    trial: &mut dyn Trial,
    batch: &Batch,
    order: &[Place],
    mut refused: Vec<Refused>,
) -> Result<Vec<Refused>, SinkError> {
    let mut looks_left = SECOND_LOOKS_MAX;
    loop {
        let before = refused.len();
        let all: Vec<usize> = refused.iter().map(|row| row.at).collect();
        // From the end: what a row waits for comes after it.
        let mut pending = vec![all];
        while let Some(mut group) = pending.pop() {
            if looks_left == 0 {
                return Ok(refused);
            }
            looks_left -= 1;
            let is_out = |at: usize| {
                let is_refused = refused.iter().any(|row| row.at == at);
                is_refused && !group.contains(&at)
            };
            let tried = (0..order.len()).filter(|at| !is_out(*at));
            let tried: Vec<Place> = tried.map(|at| order[at]).collect();
            trial.begin().await?;
            let error = try_places(trial, batch, &tried).await;
            trial.abandon().await;
            if error?.is_none() {
                refused.retain(|row| !group.contains(&row.at));
            } else if group.len() > 1 {
                let second_half = group.split_off(group.len() / 2);
                pending.extend([group, second_half]);
            }
        }
        if refused.is_empty() || refused.len() == before {
            return Ok(refused);
        }
    }
}

/// The *record* error of these rows, if they have one.
async fn try_places(
    trial: &mut dyn Trial,
    batch: &Batch,
    places: &[Place],
) -> Result<Option<SinkError>, SinkError> {
    let part = Batch {
        positions: Vec::new(),
        tables: order::runs(batch, places),
        positions_stored: false,
    };
    match trial.try_rows(&part).await {
        Ok(()) => Ok(None),
        Err(error) if error.class() == ErrorClass::Record => Ok(Some(error)),
        Err(error) => Err(error),
    }
}

/// What of the batch has not been tried yet.
fn all_from(start: usize, order: &[Place]) -> Run {
    Run {
        start,
        end: order.len(),
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

#[cfg(test)]
mod tests;
