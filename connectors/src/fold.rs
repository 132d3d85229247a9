//! Order per key: what one key's records in a batch come to, made into deletes and writes.
//!
//! The final row of a key is the *fold* of its records in log order. Databases refuse or reorder a
//! key that occurs twice in one statement, so the fold happens here, before any SQL:
//!
//! | records of the key, in order | upsert                                    | update               | insert_ignore        | plain insert          |
//! |------------------------------|-------------------------------------------|----------------------|----------------------|-----------------------|
//! | write, write                 | one write: absent columns keep the earlier value, explicit null overwrites | as upsert | the first          | two inserts, so that the database reports the conflict |
//! | write, delete                | one delete                                | one delete           | one delete           | insert, then delete   |
//! | delete, write                | delete, then write: nothing is inherited  | one delete: there is no row to update | delete, then write | delete, then insert   |
//!
//! A truncate makes everything before it void, so a plan begins with at most one.
//!
//! The result is a list of [`Phase`]s to be run one after the other: in a phase the deletes come
//! first, then the writes, and no order matters within either list. An upsert, an update and an
//! insert_ignore are a single phase with at most one delete and one write per key, sorted by key,
//! so that concurrent writers of the same keys lock in the same order. A plain insert without
//! deletes is one phase of all rows: no key is looked at and nothing is copied.
//!
//! **Guard.** With [`Target::guard`](crate::Target::guard) a record counts only if its guard is
//! greater than that of the row it meets, and only the database knows that row. Within a batch, a
//! record that is not newer than an earlier one of its key is void in any case; one whose columns
//! are all given again by a newer one may be left out. What remains of a key is written in turn,
//! each record in a phase of its own: mostly one.
//!
//! **Tombstones.** With [`Target::tombstones`](crate::Target::tombstones) deletes have guards, too, and
//! their place in the log tells nothing. What counts of a key is its newest delete, which is
//! [remembered](Plan::tombstones) before the row is looked at, and the writes that are not older.
//!
//! **Equal keys.** Two keys are one when the database would say so: numbers by value (`1.0` is
//! `1.00`, `-0.0` is `0.0`, every NaN is one), everything else by its bytes. Cells are expected at
//! the precision of their column. Collations that find different texts equal (case-insensitive
//! keys) are not known here; such keys count as different. A sink that meets some of them writes
//! [in the order of the log](in_log_order) instead.
//!
//! Sorting stands in for hashing, because the result must be sorted anyway: 10,000 integer keys
//! take well under a millisecond.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use crate::row::{Cell, CellState, Origin, RowKind, TableRows};
use crate::table::WriteMode;

mod key;
mod log;

use key::KeyOrder;
pub(crate) use key::{compare_values, decimal_parts};
pub(crate) use log::{has_at_most_digits, have_one_spelling_each};
pub use log::{in_log_order, may_reorder, one_by_one};

/// What to run for the rows of one table.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// The rows that the phases index: the given ones, or a copy with merged rows appended.
    pub rows: Cow<'a, TableRows>,
    /// Empty the table before anything else.
    pub truncate: bool,
    /// To be run in order.
    pub phases: Vec<Phase>,
    /// Rows of the table that remembers deletes, one for each delete of the phases, in their order: to
    /// be upserted before that.
    pub tombstones: Option<TableRows>,
}

/// Deletes, then writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Phase {
    /// Rows whose keys are deleted, sorted by key, each key once; [in the order of the log](in_log_order)
    /// neither. A target without a key cannot carry these out: a sink must refuse them, not delete
    /// without a condition.
    pub deletes: Vec<usize>,
    /// Rows that are written, as the target's mode says.
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
    let first = after_truncate(rows);
    let target = &rows.target;
    let mut plan = match target.mode {
        _ if target.key.is_empty() || !keys_meet(rows) => without_key(rows, first),
        WriteMode::Insert => inserts_and_deletes(rows, first),
        WriteMode::Upsert | WriteMode::Update if target.guard.is_some() => guarded(rows, first),
        WriteMode::Upsert | WriteMode::Update | WriteMode::InsertIgnore => folded(rows, first),
    };
    plan.truncate = first > 0;
    plan
}

/// Whether a row may meet another one of its key: all may but plain inserts, each of which is a row.
pub fn keys_meet(rows: &TableRows) -> bool {
    rows.target.mode != WriteMode::Insert || has_deletes(rows)
}

/// Some record deletes.
pub fn has_deletes(rows: &TableRows) -> bool {
    let mut origins = rows.origins.iter();
    origins.any(|origin| origin.kind == RowKind::Delete)
}

/// The first row that counts: the one after the last truncate. Not 0 when there is a truncate.
fn after_truncate(rows: &TableRows) -> usize {
    let is_truncate = |origin: &crate::Origin| origin.kind == RowKind::Truncate;
    let last = rows.origins.iter().rposition(is_truncate);
    last.map_or(0, |truncate| truncate + 1)
}

/// No two rows are the same row when nothing identifies them.
fn without_key(rows: &TableRows, first: usize) -> Plan<'_> {
    let is_write = |row: &usize| rows.origins[*row].kind == RowKind::Write;
    if first == 0 && (0..rows.len()).all(|row| is_write(&row)) {
        return single_phase(Cow::Borrowed(rows), Vec::new(), RowSet::All);
    }
    let (writes, deletes) = (first..rows.len()).partition(is_write);
    single_phase(Cow::Borrowed(rows), deletes, RowSet::Some(writes))
}

fn single_phase(rows: Cow<'_, TableRows>, deletes: Vec<usize>, writes: RowSet) -> Plan<'_> {
    Plan {
        rows,
        truncate: false,
        phases: vec![Phase { deletes, writes }],
        tombstones: None,
    }
}

/// What the table that remembers deletes is to hold of these deletes. `None` when there is no such
/// table, or no delete.
fn tombstones(rows: &TableRows, deletes: &[usize]) -> Option<TableRows> {
    let target = rows.target.tombstones.as_ref()?;
    let guard = rows.target.guard?;
    if deletes.is_empty() {
        return None;
    }
    let columns = rows.target.key.iter().chain([&guard]);
    Some(TableRows {
        target: Arc::clone(target),
        columns: columns
            .map(|column| rows.columns[*column].gather(deletes))
            .collect(),
        origins: deletes
            .iter()
            .map(|row| Origin {
                kind: RowKind::Write,
                ..rows.origins[*row]
            })
            .collect(),
    })
}

/// A phase can hold "delete, then insert" of a key, but not "insert, then delete": that delete
/// opens the next phase.
fn inserts_and_deletes(rows: &TableRows, first: usize) -> Plan<'_> {
    const NEVER: usize = usize::MAX;
    let order = KeyOrder::of(rows, first);
    let ranks = order.ranks(rows);
    let mut written_in = vec![NEVER; order.len()];
    let mut deleted_in = vec![NEVER; order.len()];
    let mut phases: Vec<(Vec<usize>, Vec<usize>)> = vec![Default::default()];
    for (row, origin) in rows.origins.iter().enumerate().skip(first) {
        let rank = ranks[row];
        if origin.kind != RowKind::Delete {
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
        truncate: false,
        phases,
        tombstones: None,
    }
}

/// One delete and one write per key at most.
fn folded(rows: &TableRows, first: usize) -> Plan<'_> {
    let order = KeyOrder::of(rows, first);
    let mut folded = Cow::Borrowed(rows);
    let mut deletes = Vec::new();
    let mut writes = Vec::with_capacity(order.len());
    for records in order.runs(rows) {
        let (deleted, after) = split_at_delete(rows, records);
        deletes.extend(deleted);
        let written = match rows.target.mode {
            WriteMode::InsertIgnore => after.first().copied(),
            WriteMode::Update if deleted.is_some() => None,
            _ => fold_writes(rows, after, &mut folded),
        };
        writes.extend(written);
    }
    let as_given = writes.len() == folded.len() && writes.is_sorted();
    let writes = if as_given {
        RowSet::All
    } else {
        RowSet::Some(writes)
    };
    single_phase(folded, deletes, writes)
}

/// The last delete among one key's records, and the writes after it.
fn split_at_delete<'a>(rows: &TableRows, records: &'a [usize]) -> (Option<usize>, &'a [usize]) {
    let is_delete = |row: &usize| rows.origins[*row].kind == RowKind::Delete;
    match records.iter().rposition(is_delete) {
        Some(last) => (Some(records[last]), &records[last + 1..]),
        None => (None, records),
    }
}

/// The row that these writes of one key come to: the last one if it has a value wherever any has
/// one, else a merged row appended to `folded`. `None` for no writes. What only a new row is given
/// comes from the first: the others find the row there.
fn fold_writes(
    rows: &TableRows,
    writes: &[usize],
    folded: &mut Cow<'_, TableRows>,
) -> Option<usize> {
    let (last, earlier) = writes.split_last()?;
    let is_insert_only = |column: usize| rows.target.column(column).insert_only;
    let folded_cell = |column: usize| -> Cell<'_> {
        if is_insert_only(column) {
            return rows.columns[column].get(writes[0]);
        }
        let cells = writes
            .iter()
            .rev()
            .map(|row| rows.columns[column].get(*row));
        let mut given = cells.skip_while(|cell| matches!(cell, Cell::Absent));
        given.next().unwrap_or(Cell::Absent)
    };
    let changes_last = |column: usize| {
        let of_last = rows.columns[column].get(*last);
        match of_last {
            Cell::Absent => folded_cell(column) != Cell::Absent,
            _ => is_insert_only(column) && folded_cell(column) != of_last,
        }
    };
    if earlier.is_empty() || !(0..rows.columns.len()).any(changes_last) {
        return Some(*last);
    }
    let merged = folded.to_mut();
    for (index, column) in merged.columns.iter_mut().enumerate() {
        let pushed = column.push(folded_cell(index));
        debug_assert!(pushed.is_ok(), "same column, same kind");
    }
    merged.finish_row(rows.origins[*last]);
    Some(merged.len() - 1)
}

/// Every key's records that may count, each in the phase of its place among them.
fn guarded(rows: &TableRows, first: usize) -> Plan<'_> {
    let order = KeyOrder::of(rows, first);
    let mut phases: Vec<(Vec<usize>, Vec<usize>)> = vec![Default::default()];
    let remembers = rows.target.tombstones.is_some();
    for records in order.runs(rows) {
        let (deleted, after) = if remembers {
            newest_delete(rows, records)
        } else {
            let (deleted, after) = split_at_delete(rows, records);
            (deleted, after.to_vec())
        };
        phases[0].0.extend(deleted);
        if deleted.is_some() && rows.target.mode == WriteMode::Update && !remembers {
            continue;
        }
        for (place, row) in newer_writes(rows, &after).into_iter().enumerate() {
            if place == phases.len() {
                phases.push(Default::default());
            }
            phases[place].1.push(row);
        }
    }
    let tombstones = tombstones(rows, &phases[0].0);
    let phases = phases.into_iter().map(|(deletes, writes)| Phase {
        deletes,
        writes: RowSet::Some(writes),
    });
    Plan {
        rows: Cow::Borrowed(rows),
        truncate: false,
        phases: phases.collect(),
        tombstones,
    }
}

/// The delete with the greatest guard among one key's records, and the writes that are not less.
fn newest_delete(rows: &TableRows, records: &[usize]) -> (Option<usize>, Vec<usize>) {
    let guard_of = |row: usize| {
        let column = rows.target.guard.map(|guard| &rows.columns[guard]);
        column.map_or(Cell::Absent, |column| column.get(row))
    };
    let is_delete = |row: &usize| rows.origins[*row].kind == RowKind::Delete;
    let (deletes, mut writes): (Vec<usize>, Vec<usize>) =
        records.iter().copied().partition(is_delete);
    let newest = deletes
        .into_iter()
        .max_by(|left, right| compare_values(guard_of(*left), guard_of(*right)));
    if let Some(newest) = newest {
        writes.retain(|row| compare_values(guard_of(*row), guard_of(newest)).is_ge());
    }
    (newest, writes)
}

/// The writes of one key that are newer than all before them, without those whose columns a newer
/// one has all over again; what only a new row is given must be the same in both.
fn newer_writes(rows: &TableRows, writes: &[usize]) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    let guard = rows.target.guard.map(|guard| &rows.columns[guard]);
    let Some(guard) = guard else {
        return writes.to_vec();
    };
    let has = |row: usize, column: usize| rows.columns[column].state(row) != CellState::Absent;
    for &row in writes {
        let is_newer = kept.last().is_none_or(|newest| {
            compare_values(guard.get(row), guard.get(*newest)) == Ordering::Greater
        });
        if !is_newer {
            continue;
        }
        let covers = |earlier: &usize| {
            (0..rows.columns.len()).all(|column| match rows.target.column(column).insert_only {
                true => rows.columns[column].get(row) == rows.columns[column].get(*earlier),
                false => has(row, column) || !has(*earlier, column),
            })
        };
        kept.retain(|earlier| !covers(earlier));
        kept.push(row);
    }
    kept
}

#[cfg(test)]
mod tests;
