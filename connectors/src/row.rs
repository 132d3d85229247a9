//! Columnar batches: the only data that crosses from the pipeline into a sink.
//!
//! Databases take rows fastest as columns (UNNEST, COPY, array binds), and one growing vector per
//! column costs no allocation per row. A row is appended cell by cell, column by column; when a
//! cell cannot be fitted the half-written row is taken back with [`TableRows::roll_back_row`].
//!
//! Every row knows its [`Origin`]: which position move of the batch it belongs to and its offset.
//! So one partition can be cut out of a batch (fenced, revoked), and one record found.

use std::sync::Arc;

use crate::position::PositionMove;
use crate::table::Target;

mod column;
#[cfg(test)]
pub(crate) mod fixture;

pub use column::{
    Cell, CellKindMismatch, CellState, Column, Strings, Timestamp, Values, ZERO_DATE,
};

/// What one transaction writes: rows of any number of tables, and the moves of all partitions
/// they came from.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Sorted by topic and partition, so that every writer locks in the same order.
    /// [`Origin::position`] indexes it. With `positions_stored` false they are bookkeeping only.
    pub positions: Vec<PositionMove>,
    /// Rows per table.
    pub tables: Vec<TableRows>,
    /// Exactly-once: the sink stores the moves with the rows. At-least-once: it ignores them.
    pub positions_stored: bool,
}

/// Where a row came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Index into [`Batch::positions`].
    pub position: u32,
    /// The record's offset in that partition.
    pub offset: i64,
    /// What the record does to the table.
    pub kind: RowKind,
}

/// What a record does to its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// Writes a row, as the target's mode says.
    Write,
    /// Deletes the row of its key; only the key's columns are filled.
    Delete,
    /// Empties the table; no column is filled. It has its place in the order of the records: what
    /// came before it is gone, what comes after it stays.
    Truncate,
}

/// Rows of one table, in the order in which their records were read.
#[derive(Debug, Clone)]
pub struct TableRows {
    /// Where they go.
    pub target: Arc<Target>,
    /// One column per [`Target::written`], all of the same length as `origins`.
    pub columns: Vec<Column>,
    /// One per row.
    pub origins: Vec<Origin>,
}

impl Batch {
    /// Rows of all tables together.
    pub fn row_count(&self) -> usize {
        self.tables.iter().map(|table| table.origins.len()).sum()
    }

    /// Keeps the rows that `keep` says yes to, in order; positions stay as they are.
    pub fn retain_rows(&mut self, mut keep: impl FnMut(usize, usize, Origin) -> bool) {
        for (table_index, table) in self.tables.iter_mut().enumerate() {
            table.retain_rows(|row, origin| keep(table_index, row, origin));
        }
        self.tables.retain(|table| !table.origins.is_empty());
    }

    /// Takes partitions (indexes into `positions`) out of the batch, with all their rows.
    pub fn cut_positions(&mut self, cut: &[usize]) {
        if cut.is_empty() {
            return;
        }
        self.retain_rows(|_, _, origin| !cut.contains(&(origin.position as usize)));
        let mut new_index = vec![u32::MAX; self.positions.len()];
        let mut kept = 0;
        for (old, slot) in new_index.iter_mut().enumerate() {
            if !cut.contains(&old) {
                *slot = kept;
                kept += 1;
            }
        }
        let mut old = 0;
        self.positions.retain(|_| {
            old += 1;
            new_index[old - 1] != u32::MAX
        });
        for table in &mut self.tables {
            for origin in &mut table.origins {
                origin.position = new_index[origin.position as usize];
            }
        }
    }

    /// Ends one partition's part before `offset`: later rows go, the move stops there.
    pub fn end_position_at(&mut self, position: usize, offset: i64) {
        self.retain_rows(|_, _, origin| {
            origin.position as usize != position || origin.offset < offset
        });
        let stopped = &mut self.positions[position];
        stopped.to = stopped.to.min(offset);
    }
}

impl TableRows {
    /// No rows yet.
    pub fn new(target: Arc<Target>) -> Self {
        let columns = (0..target.written.len())
            .map(|index| Column::for_type(&target.column(index).column_type))
            .collect();
        Self {
            target,
            columns,
            origins: Vec::new(),
        }
    }

    /// No rows yet, but room for as many as these.
    #[must_use]
    pub fn empty_with_same_room(&self) -> Self {
        let columns = self.columns.iter().map(Column::empty_with_same_room);
        Self {
            target: Arc::clone(&self.target),
            columns: columns.collect(),
            origins: Vec::with_capacity(self.origins.len()),
        }
    }

    /// Number of complete rows.
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// No complete row.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// Completes the row: columns that got no cell are marked absent.
    pub fn finish_row(&mut self, origin: Origin) {
        self.origins.push(origin);
        let rows = self.origins.len();
        for column in &mut self.columns {
            if column.len() < rows {
                column.push_absent();
            }
            debug_assert_eq!(column.len(), rows, "one cell per column and row");
        }
    }

    /// Takes back the cells of a row that was not finished.
    pub fn roll_back_row(&mut self) {
        let rows = self.origins.len();
        for column in &mut self.columns {
            column.truncate(rows);
        }
    }

    /// Takes back the last row.
    pub fn take_back_row(&mut self) {
        self.origins.pop();
        self.roll_back_row();
    }

    /// Keeps the rows that `keep` says yes to, in order.
    pub fn retain_rows(&mut self, mut keep: impl FnMut(usize, Origin) -> bool) {
        let kept: Vec<usize> = self
            .origins
            .iter()
            .enumerate()
            .filter(|(row, origin)| keep(*row, **origin))
            .map(|(row, _)| row)
            .collect();
        if kept.len() == self.origins.len() {
            return;
        }
        *self = self.gather(&kept);
    }

    /// A copy of these rows, in this order.
    #[must_use]
    pub fn gather(&self, rows: &[usize]) -> Self {
        Self {
            target: Arc::clone(&self.target),
            columns: self
                .columns
                .iter()
                .map(|column| column.gather(rows))
                .collect(),
            origins: rows.iter().map(|row| self.origins[*row]).collect(),
        }
    }

    /// Bytes held by cells, for batch limits; an estimate from below.
    pub fn data_bytes(&self) -> usize {
        self.columns.iter().map(Column::data_bytes).sum()
    }
}

#[cfg(test)]
mod tests;
