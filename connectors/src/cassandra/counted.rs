//! Which rows of counters have been counted. Pure.
//!
//! No repetition leaves a sum as it is. So when a batch has failed and is written again, whole or in
//! parts, what was answered for the first time is left out. What was not answered may have been counted
//! all the same; nobody can tell.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::position::PartitionKey;
use crate::row::Batch;
use crate::table::TableName;

/// Beyond this nothing more is remembered: more than the rows of a batch, so that it takes many batches
/// which fail and never come back.
const ROWS_MAX: usize = 200_000;

/// Rows of batches that have not been written to their end.
#[derive(Default)]
pub(super) struct Counted(HashSet<(PartitionKey, i64, TableName)>);

impl Counted {
    /// Whether this row of this table of the batch has been counted.
    pub(super) fn has(&self, batch: &Batch, table: usize, row: usize) -> bool {
        !self.0.is_empty() && self.0.contains(&name(batch, table, row))
    }

    /// It has been answered for.
    pub(super) fn add(&mut self, batch: &Batch, table: usize, row: usize) {
        if self.0.len() < ROWS_MAX {
            self.0.insert(name(batch, table, row));
        }
    }

    /// The batch is written, and does not come again.
    pub(super) fn forget(&mut self, batch: &Batch) {
        let is_of = |key: &PartitionKey| batch.positions.iter().any(|part| part.key == *key);
        self.0.retain(|(key, ..)| !is_of(key));
    }
}

/// Nobody fails while it is held.
pub(super) fn lock(counted: &Mutex<Counted>) -> MutexGuard<'_, Counted> {
    counted.lock().unwrap_or_else(PoisonError::into_inner)
}

/// By its record and its table: each record is one row of each table.
fn name(batch: &Batch, table: usize, row: usize) -> (PartitionKey, i64, TableName) {
    let rows = &batch.tables[table];
    let origin = rows.origins[row];
    let key = batch.positions[origin.position as usize].key.clone();
    (key, origin.offset, rows.target.table.name.clone())
}
