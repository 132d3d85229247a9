//! The steps of a write: which statement, over which rows, in which order. Pure.
//!
//! | keys of a table's rows                      | steps                                          |
//! |---------------------------------------------|------------------------------------------------|
//! | the same to the fold and to the table       | per phase of the [`mod@fold`]: delete by key, then one write per set of columns |
//! | perhaps the same to the table alone         | neighbours in the log that do alike, in log order: within a statement the server takes rows one after the other |
//!
//! Before both the table is emptied, if a truncate is among the rows; what comes before that is void.

use std::borrow::Cow;

use super::form::Form;
use super::key;
use super::sql::Verb;
use crate::error::SinkError;
use crate::fold::{self, Plan, RowSet};
use crate::row::{CellState, Origin, RowKind, TableRows};
use crate::statement;
use crate::table::{Target, WriteMode};

/// Statements of one kind, and their rows.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) verb: Verb,
    /// Indexes into [`TableRows::columns`].
    pub(super) columns: Vec<usize>,
    pub(super) rows: &'a TableRows,
    pub(super) row_set: RowSet,
}

/// How the rows of a table become steps, to be kept while these are used.
pub(super) enum Order<'a> {
    Folded(Plan<'a>),
    OfTheLog(Cow<'a, TableRows>),
}

/// Decides how a table's rows are written.
///
/// # Errors
/// *Stop* for deletes without a key.
pub(super) fn order<'a>(rows: &'a TableRows, forms: &[Form]) -> Result<Order<'a>, SinkError> {
    let is_delete = |origin: &Origin| origin.kind == RowKind::Delete;
    let has_deletes = rows.origins.iter().any(is_delete);
    if has_deletes && rows.target.key.is_empty() {
        return Err(SinkError::stop(format!(
            "cannot delete from table {}: it is written without a key; set pk.mode and pk.fields",
            rows.target.table.name
        )));
    }
    let is_plain_insert = rows.target.mode == WriteMode::Insert && !has_deletes;
    if is_plain_insert || key::are_told_apart(rows, forms) {
        Ok(Order::Folded(fold::plan(rows)))
    } else {
        Ok(Order::OfTheLog(Cow::Borrowed(rows)))
    }
}

/// The steps, to be run in order.
pub(super) fn steps<'a>(order: &'a Order<'_>) -> Vec<Step<'a>> {
    match order {
        Order::Folded(plan) => folded(plan),
        Order::OfTheLog(rows) => in_log_order(rows),
    }
}

fn folded<'a>(plan: &'a Plan<'_>) -> Vec<Step<'a>> {
    let rows: &'a TableRows = &plan.rows;
    let mut steps = Vec::new();
    if plan.truncate {
        steps.push(delete_all(rows));
    }
    for phase in &plan.phases {
        if !phase.deletes.is_empty() {
            steps.push(Step {
                verb: Verb::Delete,
                columns: rows.target.key.clone(),
                rows,
                row_set: RowSet::Some(phase.deletes.clone()),
            });
        }
        for group in statement::groups(rows, &phase.writes) {
            if let Some(verb) = write_verb(&rows.target, &group.columns) {
                steps.push(Step {
                    verb,
                    columns: group.columns,
                    rows,
                    row_set: group.rows,
                });
            }
        }
    }
    steps
}

/// Not by `TRUNCATE`, which would commit what is before it.
fn delete_all(rows: &TableRows) -> Step<'_> {
    Step {
        verb: Verb::DeleteAll,
        columns: Vec::new(),
        rows,
        row_set: RowSet::default(),
    }
}

fn in_log_order(rows: &TableRows) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut start = fold::after_truncate(rows);
    if start > 0 {
        steps.push(delete_all(rows));
    }
    while start < rows.len() {
        let delete = rows.origins[start].kind == RowKind::Delete;
        let columns = if delete {
            rows.target.key.clone()
        } else {
            given(rows, start)
        };
        let does_alike = |row: &usize| {
            (rows.origins[*row].kind == RowKind::Delete) == delete
                && (delete || given(rows, *row) == columns)
        };
        let end = (start + 1..rows.len())
            .find(|row| !does_alike(row))
            .unwrap_or(rows.len());
        let verb = if delete {
            Some(Verb::Delete)
        } else {
            write_verb(&rows.target, &columns)
        };
        if let Some(verb) = verb {
            steps.push(Step {
                verb,
                columns,
                rows,
                row_set: RowSet::Some((start..end).collect()),
            });
        }
        start = end;
    }
    steps
}

fn given(rows: &TableRows, row: usize) -> Vec<usize> {
    (0..rows.columns.len())
        .filter(|column| rows.columns[*column].state(row) != CellState::Absent)
        .collect()
}

/// `None` when there is nothing to do: an update of no column, or of rows without a whole key.
fn write_verb(target: &Target, columns: &[usize]) -> Option<Verb> {
    let has_key = !target.key.is_empty() && !columns.is_empty();
    let has_whole_key = has_key && target.key.iter().all(|key| columns.contains(key));
    Some(match target.mode {
        WriteMode::Upsert if has_key => Verb::Upsert,
        WriteMode::InsertIgnore if has_key => Verb::Ignore,
        WriteMode::Update if has_whole_key && columns.len() > target.key.len() => Verb::Update,
        WriteMode::Update => return None,
        WriteMode::Upsert | WriteMode::InsertIgnore | WriteMode::Insert => Verb::Insert,
    })
}

#[cfg(test)]
mod tests {
    use super::super::form::{Encoding, Equality};
    use super::*;
    use crate::row::Cell;
    use crate::row::fixture::{push_row, target};
    use crate::table::ColumnType;

    const A: Cell<'static> = Cell::Absent;

    fn check(
        mode: WriteMode,
        records: &[([Cell<'_>; 2], bool)],
        expected: &[(Verb, &[usize], &[usize])],
    ) {
        let text = ColumnType::Text { max_chars: None };
        let mut rows = TableRows::new(target(&[text, ColumnType::Int64], 1, mode));
        for (cells, delete) in records {
            push_row(&mut rows, cells, *delete);
        }
        let caseless = Form {
            equality: Equality::Text { ignores_case: true },
            encoding: Encoding::Plain,
            ..Form::plain()
        };
        let order = order(&rows, &[caseless, Form::plain()]).expect("has a key");
        let found: Vec<(Verb, Vec<usize>, Vec<usize>)> = steps(&order)
            .into_iter()
            .map(|step| {
                let members = step.row_set.iter(step.rows).collect();
                (step.verb, step.columns, members)
            })
            .collect();
        let expected: Vec<(Verb, Vec<usize>, Vec<usize>)> = expected
            .iter()
            .map(|(verb, columns, members)| (*verb, columns.to_vec(), members.to_vec()))
            .collect();
        assert_eq!(found, expected);
    }

    fn k(text: &str) -> Cell<'_> {
        Cell::Text(text)
    }

    fn v(value: i64) -> Cell<'static> {
        Cell::Int(value)
    }

    #[test]
    fn keys_that_are_told_apart_are_folded() {
        check(
            WriteMode::Upsert,
            &[
                ([k("b"), v(1)], false),
                ([k("a"), A], true),
                ([k("b"), v(2)], false),
            ],
            &[(Verb::Delete, &[0], &[1]), (Verb::Upsert, &[0, 1], &[2])],
        );
    }

    #[test]
    fn keys_that_are_not_told_apart_keep_the_log_s_order() {
        check(
            WriteMode::Upsert,
            &[
                ([k("b"), v(1)], false),
                ([k("B"), v(2)], false),
                ([k("b"), A], true),
                ([k("B"), A], false),
                ([k("a"), v(3)], false),
            ],
            &[
                (Verb::Upsert, &[0, 1], &[0, 1]),
                (Verb::Delete, &[0], &[2]),
                (Verb::Upsert, &[0], &[3]),
                (Verb::Upsert, &[0, 1], &[4]),
            ],
        );
        check(
            WriteMode::Insert,
            &[([k("b"), v(1)], false), ([k("B"), v(2)], false)],
            &[(Verb::Insert, &[0, 1], &[0, 1])],
        );
    }
}
