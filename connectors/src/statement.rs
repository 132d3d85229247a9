//! Grouping rows into statements by the columns that they have.
//!
//! A column that a record does not have must not be named in its statement: on insert the column's
//! default applies, on upsert the old value stays. So rows that lack different columns need
//! different statements. Most batches need one.

use crate::fold::RowSet;
use crate::row::{CellState, TableRows};

/// Rows that have the same columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The columns that each of the rows has (as value or explicit null), ascending indexes into
    /// [`TableRows::columns`]. Empty when the records have none of them: a row of defaults.
    pub columns: Vec<usize>,
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
    let is_mixed = |column: &usize| {
        let absent = rows.columns[*column].absent_count();
        absent > 0 && absent < rows.len()
    };
    let mixed: Vec<usize> = (0..rows.columns.len()).filter(is_mixed).collect();
    let always: Vec<usize> = (0..rows.columns.len())
        .filter(|column| rows.columns[*column].absent_count() == 0)
        .collect();
    if mixed.is_empty() {
        return vec![Group {
            columns: always,
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
    use crate::table::WriteMode;

    const A: Cell<'static> = Cell::Absent;
    const N: Cell<'static> = Cell::Null;
    const V: Cell<'static> = Cell::Int(7);

    fn check(records: &[[Cell<'static>; 3]], set: &RowSet, expected: &[(&[usize], &[usize])]) {
        let rows = int_rows(&integer_target(3, 1, WriteMode::Insert), records);
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
    fn a_uniform_set_is_not_listed() {
        let rows = int_rows(
            &integer_target(3, 1, WriteMode::Insert),
            &[[V, A, V], [V, A, N]],
        );
        assert_eq!(groups(&rows, &RowSet::All)[0].rows, RowSet::All);
    }
}
