//! The order of the log, for keys of which only the table knows whether they are the same.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use super::{Phase, Plan, RowSet, after_truncate, keys_meet, tombstones};
use crate::row::{Cell, CellState, Column, RowKind, TableRows, Timestamp};

/// Digits after the second that a cell can have.
const CELL_DIGITS: u32 = 9;

/// Makes the rows of one table into deletes and writes without a look at their keys, for databases that
/// take the rows of a statement one after the other. A phase holds neighbours: deletes, and writes behind
/// them that have the same columns. A key may be there several times, among deletes as among writes.
pub fn in_log_order(rows: &TableRows) -> Plan<'_> {
    let first = after_truncate(rows);
    let mixed: Vec<usize> = (0..rows.columns.len())
        .filter(|column| rows.columns[*column].absent_count() > 0)
        .collect();
    let mut phases: Vec<(Vec<usize>, Vec<usize>)> = vec![Default::default()];
    for row in first..rows.len() {
        let current = phases.len() - 1;
        let goes_on = match phases[current].1.last() {
            Some(last) => !is_delete(rows, row) && have_same_columns(rows, &mixed, *last, row),
            None => true,
        };
        if !goes_on {
            phases.push(Default::default());
        }
        let place = phases.len() - 1;
        match is_delete(rows, row) {
            true => phases[place].0.push(row),
            false => phases[place].1.push(row),
        }
    }
    plan_of(rows, first, phases)
}

/// The same for databases that do not: each row is a phase of its own.
pub fn one_by_one(rows: &TableRows) -> Plan<'_> {
    let first = after_truncate(rows);
    let phase = |row: usize| match is_delete(rows, row) {
        true => (vec![row], Vec::new()),
        false => (Vec::new(), vec![row]),
    };
    plan_of(rows, first, (first..rows.len()).map(phase).collect())
}

/// Whether the [plan](super::plan) of these rows may have another order than the log.
pub fn may_reorder(rows: &TableRows) -> bool {
    let is_mixed = |column: &Column| (1..rows.len()).contains(&column.absent_count());
    rows.len() > 1 && (keys_meet(rows) || rows.columns.iter().any(is_mixed))
}

/// No two values that are, or may be, one to the table are two to the fold, or the other way round: all
/// that are merged are spelt the same. Each value is given as it is spelt, and merged.
pub(crate) fn have_one_spelling_each<'r, M: Eq + Hash>(
    values: impl IntoIterator<Item = (&'r str, M)>,
) -> bool {
    let mut spellings: HashMap<M, &str> = HashMap::new();
    for (spelling, merged) in values {
        match spellings.entry(merged) {
            Entry::Occupied(known) if *known.get() != spelling => return false,
            Entry::Occupied(_) => {}
            Entry::Vacant(new) => {
                new.insert(spelling);
            }
        }
    }
    true
}

/// A time, or a timestamp, that has no more than so many digits after the second: a column of as many
/// keeps it as it is, so that it stays apart from every other.
pub(crate) fn has_at_most_digits(cell: Cell<'_>, digits: u32) -> bool {
    let step = 10_u32.pow(CELL_DIGITS.saturating_sub(digits));
    match cell {
        Cell::Time(nanos) => nanos % i64::from(step) == 0,
        Cell::Timestamp(Timestamp { nanos, .. }) => nanos % step == 0,
        _ => true,
    }
}

fn is_delete(rows: &TableRows, row: usize) -> bool {
    rows.origins[row].kind == RowKind::Delete
}

fn plan_of(rows: &TableRows, first: usize, phases: Vec<(Vec<usize>, Vec<usize>)>) -> Plan<'_> {
    let deleted: Vec<usize> = (first..rows.len())
        .filter(|row| is_delete(rows, *row))
        .collect();
    let phases = phases.into_iter().map(|(deletes, writes)| Phase {
        deletes,
        writes: RowSet::Some(writes),
    });
    Plan {
        rows: Cow::Borrowed(rows),
        truncate: first > 0,
        phases: phases.collect(),
        tombstones: tombstones(rows, &deleted),
    }
}

/// `mixed` are the columns that not all rows have.
fn have_same_columns(rows: &TableRows, mixed: &[usize], left: usize, right: usize) -> bool {
    let has = |column: usize, row: usize| rows.columns[column].state(row) != CellState::Absent;
    mixed
        .iter()
        .all(|column| has(*column, left) == has(*column, right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::fixture::{integer_target, push_kind};
    use crate::table::WriteMode;

    const A: Cell<'static> = Cell::Absent;
    const V: Cell<'static> = Cell::Int(7);

    fn check(
        records: &[([Cell<'_>; 2], RowKind)],
        truncate: bool,
        expected: &[(&[usize], &[usize])],
    ) {
        let mut rows = TableRows::new(integer_target(2, 1, WriteMode::Upsert));
        for (cells, kind) in records {
            push_kind(&mut rows, cells, *kind);
        }
        let plan = in_log_order(&rows);
        let found: Vec<(Vec<usize>, Vec<usize>)> = plan
            .phases
            .into_iter()
            .map(|phase| (phase.deletes, phase.writes.iter(&rows).collect()))
            .collect();
        let expected: Vec<(Vec<usize>, Vec<usize>)> = expected
            .iter()
            .map(|(deletes, writes)| (deletes.to_vec(), writes.to_vec()))
            .collect();
        assert_eq!(found, expected, "{records:?}");
        assert_eq!(plan.truncate, truncate);
    }

    #[test]
    fn digits_of_times() {
        let check = |cell: Cell<'_>, digits: u32, expected: bool| {
            assert_eq!(
                has_at_most_digits(cell, digits),
                expected,
                "{cell:?}, {digits}"
            );
        };
        let at = |nanos| Cell::Timestamp(Timestamp { seconds: -5, nanos });
        check(at(123_000_000), 3, true);
        check(at(123_400_000), 3, false);
        check(at(0), 0, true);
        check(at(1), 9, true);
        check(at(1), 6, false);
        check(Cell::Time(86_399_123_456_000), 6, true);
        check(Cell::Time(-1_000_000), 2, false);
        check(Cell::Int(1), 0, true);
        check(Cell::Null, 0, true);
    }

    #[test]
    fn neighbours_that_do_alike_are_written_together() {
        use RowKind::{Delete, Truncate, Write};
        check(&[], false, &[(&[], &[])]);
        check(
            &[([V, V], Write), ([V, V], Write)],
            false,
            &[(&[], &[0, 1])],
        );
        check(
            &[
                ([V, V], Write),
                ([V, A], Write),
                ([V, A], Delete),
                ([V, A], Delete),
                ([V, V], Write),
                ([V, V], Write),
                ([V, A], Delete),
            ],
            false,
            &[(&[], &[0]), (&[], &[1]), (&[2, 3], &[4, 5]), (&[6], &[])],
        );
        check(
            &[([V, V], Write), ([A, A], Truncate), ([V, V], Write)],
            true,
            &[(&[], &[2])],
        );
    }
}
