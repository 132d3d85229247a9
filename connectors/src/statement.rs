//! Grouping rows into statements by the columns that they have.
//!
//! A column that a record does not have must not be named in its statement: on insert the column's
//! default applies, on upsert the old value stays. So rows that lack different columns need
//! different statements. Most batches need one. Where rows are only inserted and a column has no
//! default, to lack it and to be null are the same, so that such rows share a statement.
//!
//! A database that can be told with each row which of its columns count needs no statement per set of
//! columns: rows are *marked* then, [`few_groups`].

use crate::error::SinkError;
use crate::fold::{self, RowSet};
use crate::row::{CellState, TableRows};
use crate::table::{Target, WriteMode};

/// Of a table that does not find its rows by the target's key; `reason` says why not.
pub(crate) fn key_not_found(target: &Target, reason: &str) -> SinkError {
    let key = target.key.iter().map(|column| &target.column(*column).name);
    let key: Vec<String> = key.map(|name| format!("\"{name}\"")).collect();
    let mode = match target.mode {
        WriteMode::InsertIgnore => "insert_ignore",
        _ => "upsert",
    };
    let (table, kind) = (&target.table.name, target.table.kind.name());
    SinkError::stop(format!(
        "insert.mode={mode} cannot find the rows of {table}, a {kind}, by ({}): {reason}; write to the \
         table behind it, or set insert.mode=insert or update",
        key.join(", ")
    ))
}

/// Refuses deletes of a table that is written without a key.
///
/// # Errors
/// *Stop*.
pub(crate) fn check_deletes(rows: &TableRows) -> Result<(), SinkError> {
    if !rows.target.key.is_empty() || !fold::has_deletes(rows) {
        return Ok(());
    }
    Err(SinkError::stop(format!(
        "cannot delete from table {}: it is written without a key; set pk.mode and pk.fields",
        rows.target.table.name
    )))
}

/// Bits of a [`mark`]: as many as a signed number has besides its sign.
pub const MARKED_COLUMNS_MAX: usize = 63;

/// Rows that have the same columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The columns that each of the rows has (as value or explicit null), or may be given null for,
    /// ascending indexes into [`TableRows::columns`]. Empty when the records have none of them: a
    /// row of defaults.
    pub columns: Vec<usize>,
    /// Those of the columns that rows of a marked group may lack, ascending; else none.
    pub marked: Vec<usize>,
    /// The rows, in the order of the set they were taken from.
    pub rows: RowSet,
}

/// Divides `set` into groups, in the order of each group's first row; none for an empty set.
///
/// Where each column is in all rows or in none this copies nothing and looks at no row.
pub fn groups(rows: &TableRows, set: &RowSet) -> Vec<Group> {
    if set.is_empty(rows) {
        return Vec::new();
    }
    let target = &rows.target;
    let only_inserts = matches!(target.mode, WriteMode::Insert | WriteMode::InsertIgnore);
    groups_by(rows, set, |column| {
        only_inserts && !target.column(column).has_default
    })
}

/// As [`groups`]; of more than `groups_max` sets of columns marked groups, whose rows may lack the columns
/// that the group tells: the database must be told with each row which ones, by its [`mark`]. Columns with
/// a default are no such columns: a row that is new must get it.
///
/// Rows cannot be marked where they are only inserted or have no key, nor when a column that decides which
/// row is changed, or whether, is itself among those that are lacking.
pub fn few_groups(rows: &TableRows, set: &RowSet, groups_max: usize) -> Vec<Group> {
    let groups = groups(rows, set);
    if groups.len() <= groups_max {
        return groups;
    }
    marked_groups(rows, set).unwrap_or(groups)
}

fn marked_groups(rows: &TableRows, set: &RowSet) -> Option<Vec<Group>> {
    let target = &rows.target;
    if target.key.is_empty() || !matches!(target.mode, WriteMode::Upsert | WriteMode::Update) {
        return None;
    }
    let has_default = |column: usize| target.column(column).has_default;
    let decides = |column: &usize| target.key.contains(column) || target.guard == Some(*column);
    let is_mixed = |column: &usize| rows.columns[*column].absent_count() > 0;
    let mut groups = groups_by(rows, set, |column| !has_default(column));
    for group in &mut groups {
        // Of a column with a default, all rows of the group have it.
        let marked = group.columns.iter().copied();
        group.marked = marked
            .filter(|column| is_mixed(column) && !has_default(*column))
            .collect();
        if group.marked.len() > MARKED_COLUMNS_MAX || group.marked.iter().any(decides) {
            return None;
        }
    }
    Some(groups)
}

/// Which of the marked columns a row has: one bit per column, the first one's is the lowest.
pub fn mark(rows: &TableRows, marked: &[usize], row: usize) -> i64 {
    let bits = marked.iter().enumerate().map(|(place, column)| {
        let is_given = rows.columns[*column].state(row) != CellState::Absent;
        i64::from(is_given) << place
    });
    bits.sum()
}

/// Groups by the columns that are in some rows only, besides those that rows may be given null for.
fn groups_by(rows: &TableRows, set: &RowSet, may_be_null: impl Fn(usize) -> bool) -> Vec<Group> {
    let mut mixed = Vec::new();
    let mut always = Vec::new();
    for (index, column) in rows.columns.iter().enumerate() {
        match column.absent_count() {
            0 => always.push(index),
            absent if absent == rows.len() => {}
            _ if may_be_null(index) => always.push(index),
            _ => mixed.push(index),
        }
    }
    if mixed.is_empty() {
        return vec![Group {
            columns: always,
            marked: Vec::new(),
            rows: set.clone(),
        }];
    }
    divide(rows, set, &mixed)
        .into_iter()
        .map(|(present, members)| {
            let given = mixed
                .iter()
                .zip(&present)
                .filter(|(_, is_given)| **is_given);
            let mut columns = always.clone();
            columns.extend(given.map(|(column, _)| *column));
            columns.sort_unstable();
            Group {
                columns,
                marked: Vec::new(),
                rows: whole_if_all(rows, members),
            }
        })
        .collect()
}

/// Which of the mixed columns the rows have, and the rows that have just these.
type Division = (Vec<bool>, Vec<usize>);

fn divide(rows: &TableRows, set: &RowSet, mixed: &[usize]) -> Vec<Division> {
    let mut divisions: Vec<Division> = Vec::new();
    let mut by_presence = std::collections::HashMap::new();
    let mut present = vec![false; mixed.len()];
    let mut current = None;
    for row in set.iter(rows) {
        let mut changed = current.is_none();
        for (slot, column) in present.iter_mut().zip(mixed) {
            let is_given = rows.columns[*column].state(row) != CellState::Absent;
            changed |= *slot != is_given;
            *slot = is_given;
        }
        // Neighbours mostly have the same columns: look up only when that changes.
        let division = match current {
            Some(division) if !changed => division,
            _ => *by_presence.entry(present.clone()).or_insert_with(|| {
                divisions.push((present.clone(), Vec::new()));
                divisions.len() - 1
            }),
        };
        current = Some(division);
        divisions[division].1.push(row);
    }
    divisions
}

fn whole_if_all(rows: &TableRows, members: Vec<usize>) -> RowSet {
    if members.len() == rows.len() && members.is_sorted() {
        RowSet::All
    } else {
        RowSet::Some(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Cell;
    use crate::row::fixture::{int_rows, integer_target};

    const A: Cell<'static> = Cell::Absent;
    const N: Cell<'static> = Cell::Null;
    const V: Cell<'static> = Cell::Int(7);

    fn check(records: &[[Cell<'static>; 3]], set: &RowSet, expected: &[(&[usize], &[usize])]) {
        check_mode(WriteMode::Upsert, records, set, expected);
    }

    fn check_mode(
        mode: WriteMode,
        records: &[[Cell<'static>; 3]],
        set: &RowSet,
        expected: &[(&[usize], &[usize])],
    ) {
        let rows = int_rows(&integer_target(3, 1, mode), records);
        let found = groups(&rows, set);
        let found: Vec<(Vec<usize>, Vec<usize>)> = found
            .into_iter()
            .map(|group| (group.columns, group.rows.iter(&rows).collect()))
            .collect();
        let expected: Vec<(Vec<usize>, Vec<usize>)> = expected
            .iter()
            .map(|(columns, members)| (columns.to_vec(), members.to_vec()))
            .collect();
        assert_eq!(found, expected, "{records:?} {set:?}");
    }

    #[test]
    fn rows_are_grouped_by_the_columns_they_have() {
        check(&[], &RowSet::All, &[]);
        check(&[[V, V, V]], &RowSet::Some(vec![]), &[]);
        check(
            &[[V, N, V], [V, V, N]],
            &RowSet::All,
            &[(&[0, 1, 2], &[0, 1])],
        );
        check(&[[V, A, V], [V, A, N]], &RowSet::All, &[(&[0, 2], &[0, 1])]);
        check(&[[A, A, A], [A, A, A]], &RowSet::All, &[(&[], &[0, 1])]);
        check(
            &[[V, A, V], [V, V, V], [V, A, N], [V, N, A], [V, V, V]],
            &RowSet::All,
            &[(&[0, 2], &[0, 2]), (&[0, 1, 2], &[1, 4]), (&[0, 1], &[3])],
        );
        check(
            &[[V, A, V], [V, V, V], [V, A, N]],
            &RowSet::Some(vec![2, 0]),
            &[(&[0, 2], &[2, 0])],
        );
        check(
            &[[V, V, V], [A, A, A]],
            &RowSet::Some(vec![1]),
            &[(&[], &[1])],
        );
    }

    #[test]
    fn to_lack_a_column_without_a_default_is_null_on_insert() {
        for mode in [WriteMode::Insert, WriteMode::InsertIgnore] {
            check_mode(
                mode,
                &[[V, A, A], [V, V, A], [V, A, A], [V, N, A]],
                &RowSet::All,
                &[(&[0, 1], &[0, 1, 2, 3])],
            );
        }
        let mut defaults = (*integer_target(3, 1, WriteMode::Insert)).clone();
        defaults.table.columns[1].has_default = true;
        let rows = int_rows(&std::sync::Arc::new(defaults), &[[V, A, A], [V, V, V]]);
        let columns: Vec<_> = groups(&rows, &RowSet::All)
            .into_iter()
            .map(|group| group.columns)
            .collect();
        assert_eq!(columns, [vec![0, 2], vec![0, 1, 2]]);
    }

    #[test]
    fn marked_groups_are_divided_by_columns_with_a_default_alone() {
        let mut defaults = (*integer_target(3, 1, WriteMode::Upsert)).clone();
        defaults.table.columns[2].has_default = true;
        let records = [[V, A, V], [V, V, A], [V, V, V], [V, A, A]];
        let rows = int_rows(&std::sync::Arc::new(defaults), &records);
        let found: Vec<(Vec<usize>, Vec<usize>, Vec<usize>)> = few_groups(&rows, &RowSet::All, 3)
            .into_iter()
            .map(|group| {
                let members = group.rows.iter(&rows).collect();
                (group.columns, group.marked, members)
            })
            .collect();
        assert_eq!(
            found,
            [
                (vec![0, 1, 2], vec![1], vec![0, 2]),
                (vec![0, 1], vec![1], vec![1, 3])
            ]
        );
        assert!(few_groups(&rows, &RowSet::Some(Vec::new()), 0).is_empty());
        assert_eq!(few_groups(&rows, &RowSet::All, 4).len(), 4);
    }

    #[test]
    fn rows_are_marked_only_where_that_can_be_done() {
        let check = |mode, key, guard, records: &[[Cell<'static>; 3]], expected: usize| {
            let mut target = (*integer_target(3, key, mode)).clone();
            target.guard = guard;
            let rows = int_rows(&std::sync::Arc::new(target), records);
            let found = few_groups(&rows, &RowSet::All, 1);
            assert_eq!(
                found.len(),
                expected,
                "{mode:?} {key} {guard:?} {records:?}"
            );
        };
        let two = [[V, A, V], [V, V, A]];
        check(WriteMode::Upsert, 1, None, &two, 1);
        check(WriteMode::Update, 1, None, &two, 1);
        check(WriteMode::Upsert, 0, None, &two, 2);
        check(WriteMode::Upsert, 1, Some(2), &two, 2);
        check(WriteMode::Upsert, 2, None, &two, 2);
    }

    #[test]
    fn marks_tell_which_columns_a_row_has() {
        let rows = int_rows(
            &integer_target(3, 1, WriteMode::Upsert),
            &[[V, A, N], [V, V, A]],
        );
        assert_eq!(mark(&rows, &[1, 2], 0), 2);
        assert_eq!(mark(&rows, &[1, 2], 1), 1);
        assert_eq!(mark(&rows, &[], 1), 0);
    }

    #[test]
    fn a_uniform_set_is_not_listed() {
        let rows = int_rows(
            &integer_target(3, 1, WriteMode::Insert),
            &[[V, A, V], [V, A, N]],
        );
        assert_eq!(groups(&rows, &RowSet::All)[0].rows, RowSet::All);
    }
}
