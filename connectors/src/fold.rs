//! Order per key: what one key's records in a batch come to, made into deletes and writes.
//!
//! The final row of a key is the *fold* of its records in log order. Databases refuse or reorder a
//! key that occurs twice in one statement, so the fold happens here, before any SQL:
//!
//! | records of the key, in order | upsert                                    | plain insert          |
//! |------------------------------|-------------------------------------------|-----------------------|
//! | write, write                 | one write: absent columns keep the earlier value, explicit null overwrites | two inserts, so that the database reports the conflict |
//! | write, delete                | one delete                                | insert, then delete   |
//! | delete, write                | delete, then write: nothing is inherited  | delete, then insert   |
//!
//! The result is a list of [`Phase`]s to be run one after the other: in a phase the deletes come
//! first, then the writes, and no order matters within either list. An upsert is always a single
//! phase with at most one delete and one write per key, sorted by key, so that concurrent writers
//! of the same keys lock in the same order. A plain insert without deletes is one phase of all
//! rows: no key is looked at and nothing is copied.
//!
//! **Equal keys.** Two keys are one when the database would say so: numbers by value (`1.0` is
//! `1.00`, `-0.0` is `0.0`, every NaN is one), everything else by its bytes. Cells are expected at
//! the precision of their column. Collations that find different texts equal (case-insensitive
//! keys) are not known here; such keys count as different.
//!
//! Sorting stands in for hashing, because the result must be sorted anyway: 10,000 integer keys
//! take well under a millisecond.

use std::borrow::Cow;

use crate::row::{Cell, TableRows};
use crate::table::WriteMode;

mod key;

use key::KeyOrder;

/// What to run for the rows of one table.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// The rows that the phases index: the given ones, or a copy with merged rows appended.
    pub rows: Cow<'a, TableRows>,
    /// To be run in order.
    pub phases: Vec<Phase>,
}

/// Deletes, then writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Phase {
    /// Rows whose keys are deleted, sorted by key, each key once. A target without a key cannot
    /// carry these out: a sink must refuse them, not delete without a condition.
    pub deletes: Vec<usize>,
    /// Rows that are inserted or upserted.
    pub writes: RowSet,
}

/// Some or all rows of a table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowSet {
    /// Every row, in order. Spares the hot path a list of all indexes.
    All,
    /// These rows, in this order.
    Some(Vec<usize>),
}

impl Default for RowSet {
    fn default() -> Self {
        Self::Some(Vec::new())
    }
}

impl RowSet {
    /// How many rows of `rows` these are.
    pub fn len(&self, rows: &TableRows) -> usize {
        match self {
            Self::All => rows.len(),
            Self::Some(indexes) => indexes.len(),
        }
    }

    /// None at all.
    pub fn is_empty(&self, rows: &TableRows) -> bool {
        self.len(rows) == 0
    }

    /// The row at `position` of this set, which must be below [`len`](Self::len).
    #[inline]
    pub fn row(&self, position: usize) -> usize {
        match self {
            Self::All => position,
            Self::Some(indexes) => indexes[position],
        }
    }

    /// The rows' indexes, in order.
    pub fn iter<'a>(&'a self, rows: &TableRows) -> impl ExactSizeIterator<Item = usize> + 'a {
        (0..self.len(rows)).map(|position| self.row(position))
    }
}

/// Makes the rows of one table into deletes and writes; see the [module](self) for the rules.
pub fn plan(rows: &TableRows) -> Plan<'_> {
    let has_deletes = rows.origins.iter().any(|origin| origin.delete);
    if rows.target.key.is_empty() {
        return without_key(rows, has_deletes);
    }
    match rows.target.mode {
        WriteMode::Insert if !has_deletes => all_in_order(rows),
        WriteMode::Insert => inserts_and_deletes(rows),
        WriteMode::Upsert => upserts(rows),
    }
}

fn all_in_order(rows: &TableRows) -> Plan<'_> {
    single_phase(rows, Vec::new(), RowSet::All)
}

fn single_phase(rows: &TableRows, deletes: Vec<usize>, writes: RowSet) -> Plan<'_> {
    Plan {
        rows: Cow::Borrowed(rows),
        phases: vec![Phase { deletes, writes }],
    }
}

/// No two rows are the same row when nothing identifies them.
fn without_key(rows: &TableRows, has_deletes: bool) -> Plan<'_> {
    if !has_deletes {
        return all_in_order(rows);
    }
    let (deletes, writes) = (0..rows.len()).partition(|row| rows.origins[*row].delete);
    single_phase(rows, deletes, RowSet::Some(writes))
}

/// A phase can hold "delete, then insert" of a key, but not "insert, then delete": that delete
/// opens the next phase.
fn inserts_and_deletes(rows: &TableRows) -> Plan<'_> {
    const NEVER: usize = usize::MAX;
    let order = KeyOrder::of(rows);
    let ranks = order.ranks(rows);
    let mut written_in = vec![NEVER; order.len()];
    let mut deleted_in = vec![NEVER; order.len()];
    let mut phases: Vec<(Vec<usize>, Vec<usize>)> = vec![Default::default()];
    for (row, origin) in rows.origins.iter().enumerate() {
        let rank = ranks[row];
        if !origin.delete {
            let current = phases.len() - 1;
            written_in[rank] = current;
            phases[current].1.push(row);
            continue;
        }
        if written_in[rank] == phases.len() - 1 {
            phases.push(Default::default());
        }
        let current = phases.len() - 1;
        if deleted_in[rank] != current {
            deleted_in[rank] = current;
            phases[current].0.push(row);
        }
    }
    let phases = phases
        .into_iter()
        .map(|(mut deletes, writes)| {
            deletes.sort_unstable_by_key(|row| ranks[*row]);
            Phase {
                deletes,
                writes: RowSet::Some(writes),
            }
        })
        .collect();
    Plan {
        rows: Cow::Borrowed(rows),
        phases,
    }
}

fn upserts(rows: &TableRows) -> Plan<'_> {
    let order = KeyOrder::of(rows);
    let mut folded = Cow::Borrowed(rows);
    let mut deletes = Vec::new();
    let mut writes = Vec::with_capacity(rows.len());
    for records in order.runs(rows) {
        let is_delete = |row: &usize| rows.origins[*row].delete;
        let after_delete = match records.iter().rposition(is_delete) {
            Some(last_delete) => {
                deletes.push(records[last_delete]);
                &records[last_delete + 1..]
            }
            None => records,
        };
        if let Some(written) = fold_writes(rows, after_delete, &mut folded) {
            writes.push(written);
        }
    }
    let as_given = writes.len() == folded.len() && writes.is_sorted();
    let writes = if as_given {
        RowSet::All
    } else {
        RowSet::Some(writes)
    };
    Plan {
        rows: folded,
        phases: vec![Phase { deletes, writes }],
    }
}

/// The row that these writes of one key come to: the last one if it has a value wherever any has
/// one, else a merged row appended to `folded`. `None` for no writes.
fn fold_writes(
    rows: &TableRows,
    writes: &[usize],
    folded: &mut Cow<'_, TableRows>,
) -> Option<usize> {
    let (last, earlier) = writes.split_last()?;
    let latest_cell = |column: usize| -> Cell<'_> {
        let cells = writes
            .iter()
            .rev()
            .map(|row| rows.columns[column].get(*row));
        let mut given = cells.skip_while(|cell| matches!(cell, Cell::Absent));
        given.next().unwrap_or(Cell::Absent)
    };
    let adds_to_last = |column: usize| {
        matches!(rows.columns[column].get(*last), Cell::Absent)
            && !matches!(latest_cell(column), Cell::Absent)
    };
    if earlier.is_empty() || !(0..rows.columns.len()).any(adds_to_last) {
        return Some(*last);
    }
    let merged = folded.to_mut();
    for (index, column) in merged.columns.iter_mut().enumerate() {
        let pushed = column.push(latest_cell(index));
        debug_assert!(pushed.is_ok(), "same column, same kind");
    }
    merged.finish_row(rows.origins[*last]);
    Some(merged.len() - 1)
}

#[cfg(test)]
mod tests;
