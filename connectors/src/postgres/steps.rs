//! The steps of a write: which statement, over which rows, in which order. Pure.
//!
//! | rows of one table            | steps                                                       |
//! |------------------------------|-------------------------------------------------------------|
//! | usual                        | empty the table, if a truncate is among them; then per phase of the [`mod@fold`]: delete by key, then one write per set of columns |
//! | of a key that only the table can compare | row by row in log order, without a fold          |
//!
//! With tombstones, these are locked before anything else; deletes are remembered, and what is older is
//! buried, in the place of the deletes, and again behind the writes.
//!
//! Plain inserts of [`COPY_ROWS_MIN`] rows and more are copied where the table allows it.

use crate::error::SinkError;
use crate::fold::{self, Plan, RowSet};
use crate::row::TableRows;
use crate::statement;
use crate::table::{Target, WriteMode};

use super::sql::{self, Verb};

/// From here on a copy is faster than an insert from arrays: a copy needs one more message and its
/// own set-up at the server, an array is taken apart by the executor.
pub(super) const COPY_ROWS_MIN: usize = 32;

/// One statement and its rows.
pub(super) struct Step<'a> {
    pub(super) verb: Verb,
    /// Indexes into [`TableRows::columns`].
    pub(super) columns: Vec<usize>,
    pub(super) rows: &'a TableRows,
    pub(super) row_set: RowSet,
}

/// How the rows of a table get into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Folded into few statements; plain inserts may be copied.
    Folded {
        /// The table can be copied into.
        copies: bool,
        /// It can be truncated.
        truncates: bool,
    },
    /// One statement per row, in log order.
    RowByRow,
}

/// The fold of a table's rows, to be kept while its steps are used.
pub(super) fn fold(rows: &TableRows, way: Way) -> Result<Plan<'_>, SinkError> {
    statement::check_deletes(rows)?;
    Ok(match way {
        Way::Folded { .. } => fold::plan(rows),
        Way::RowByRow => fold::one_by_one(rows),
    })
}

/// The steps of one folded table, to be run in order.
pub(super) fn steps<'a>(plan: &'a Plan<'_>, way: Way) -> Vec<Step<'a>> {
    let rows: &'a TableRows = &plan.rows;
    let target = &rows.target;
    let step = |verb, columns, row_set| Step {
        verb,
        columns,
        rows,
        row_set,
    };
    let mut steps = Vec::new();
    let remembers = target.tombstones.is_some();
    if remembers {
        let verb = match plan.tombstones {
            Some(_) => Verb::OwnTombstones,
            None => Verb::ShareTombstones,
        };
        steps.push(step(verb, Vec::new(), RowSet::default()));
    }
    let mut remembered = 0;
    if plan.truncate {
        let verb = match way {
            Way::Folded {
                truncates: true, ..
            } => Verb::Truncate,
            _ => Verb::DeleteAll,
        };
        steps.push(step(verb, Vec::new(), RowSet::default()));
    }
    for phase in &plan.phases {
        if !phase.deletes.is_empty() {
            if let Some(tombstones) = &plan.tombstones {
                let from = remembered;
                remembered += phase.deletes.len();
                steps.push(Step {
                    verb: Verb::Upsert,
                    columns: (0..tombstones.columns.len()).collect(),
                    rows: tombstones,
                    row_set: RowSet::Some((from..remembered).collect()),
                });
            }
            let verb = if remembers { Verb::Bury } else { Verb::Delete };
            let row_set = RowSet::Some(phase.deletes.clone());
            steps.push(step(verb, target.key.clone(), row_set));
        }
        for group in statement::groups(rows, &phase.writes) {
            let row_count = group.rows.len(rows);
            if let Some(verb) = write_verb(target, way, row_count, &group.columns) {
                steps.push(step(verb, group.columns, group.rows));
            }
        }
        if remembers && !phase.writes.is_empty(rows) {
            steps.push(step(Verb::Bury, target.key.clone(), phase.writes.clone()));
        }
    }
    steps
}

/// `None` when there is nothing to do: an update of no column, or of rows without a whole key.
fn write_verb(target: &Target, way: Way, row_count: usize, columns: &[usize]) -> Option<Verb> {
    let has_key = !target.key.is_empty() && !columns.is_empty();
    let has_whole_key = has_key && target.key.iter().all(|key| columns.contains(key));
    let changes_any = || {
        columns
            .iter()
            .any(|column| sql::is_updated(target, *column))
    };
    Some(match target.mode {
        WriteMode::Upsert if has_key => Verb::Upsert,
        WriteMode::InsertIgnore if has_key => Verb::Ignore,
        WriteMode::Update if has_whole_key && changes_any() => Verb::Update,
        WriteMode::Update => return None,
        WriteMode::Upsert | WriteMode::InsertIgnore => Verb::Insert,
        WriteMode::Insert => {
            let copies = matches!(way, Way::Folded { copies: true, .. });
            let has_rows = row_count >= COPY_ROWS_MIN && !columns.is_empty();
            if copies && has_rows && sql::can_be_copied(target, columns) {
                Verb::Copy
            } else {
                Verb::Insert
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Cell;
    use crate::row::fixture::{integer_target, push_row};

    const A: Cell<'static> = Cell::Absent;
    const FOLDED: Way = Way::Folded {
        copies: true,
        truncates: true,
    };

    fn rows(mode: WriteMode, key: usize, records: &[([Cell<'_>; 2], bool)]) -> TableRows {
        let mut rows = TableRows::new(integer_target(2, key, mode));
        for (cells, delete) in records {
            push_row(&mut rows, cells, *delete);
        }
        rows
    }

    fn v(value: i64) -> Cell<'static> {
        Cell::Int(value)
    }

    fn check(rows: &TableRows, way: Way, expected: &[(Verb, &[usize], &[usize])]) {
        let plan = fold(rows, way).expect("can be folded");
        let found: Vec<(Verb, Vec<usize>, Vec<usize>)> = steps(&plan, way)
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

    #[test]
    fn large_plain_inserts_are_copied_where_they_can_be() {
        let records = vec![([v(1), v(2)], false); COPY_ROWS_MIN];
        let large = rows(WriteMode::Insert, 0, &records);
        let small = rows(WriteMode::Insert, 0, &records[1..]);
        let all: Vec<usize> = (0..COPY_ROWS_MIN).collect();
        let uncopied = Way::Folded {
            copies: false,
            truncates: false,
        };
        check(&large, FOLDED, &[(Verb::Copy, &[0, 1], &all)]);
        check(
            &small,
            FOLDED,
            &[(Verb::Insert, &[0, 1], &all[..all.len() - 1])],
        );
        check(&large, uncopied, &[(Verb::Insert, &[0, 1], &all)]);
    }

    #[test]
    fn upserts_delete_first_and_name_the_columns_given() {
        let records = [
            ([v(3), v(1)], false),
            ([v(1), A], false),
            ([v(2), A], true),
            ([v(3), v(2)], false),
        ];
        check(
            &rows(WriteMode::Upsert, 1, &records),
            FOLDED,
            &[
                (Verb::Delete, &[0], &[2]),
                (Verb::Upsert, &[0], &[1]),
                (Verb::Upsert, &[0, 1], &[3]),
            ],
        );
    }

    #[test]
    fn updates_of_nothing_are_left_out() {
        let mut target = Target::clone(&integer_target(3, 1, WriteMode::Update));
        target.table.columns[1].insert_only = true;
        let mut rows = TableRows::new(std::sync::Arc::new(target));
        push_row(&mut rows, &[v(1), v(7), A], false);
        push_row(&mut rows, &[v(2), v(7), v(3)], false);
        push_row(&mut rows, &[v(3), A, A], false);
        check(&rows, FOLDED, &[(Verb::Update, &[0, 1, 2], &[1])]);
    }

    #[test]
    fn row_by_row_keeps_the_log_order() {
        let records = [
            ([v(1), v(1)], false),
            ([v(1), A], true),
            ([v(1), v(2)], false),
        ];
        check(
            &rows(WriteMode::Upsert, 1, &records),
            Way::RowByRow,
            &[
                (Verb::Upsert, &[0, 1], &[0]),
                (Verb::Delete, &[0], &[1]),
                (Verb::Upsert, &[0, 1], &[2]),
            ],
        );
    }

    #[test]
    fn deletes_are_remembered_before_rows_are_looked_at() {
        let mut rows = rows(
            WriteMode::Upsert,
            1,
            &[([v(1), v(7)], true), ([v(2), v(5)], false)],
        );
        let tombstones = Target {
            guard: Some(1),
            ..Target::clone(&rows.target)
        };
        rows.target = std::sync::Arc::new(Target {
            tombstones: Some(std::sync::Arc::new(tombstones.clone())),
            ..tombstones
        });
        let expected: [(Verb, &[usize], &[usize]); 5] = [
            (Verb::OwnTombstones, &[], &[]),
            (Verb::Upsert, &[0, 1], &[0]),
            (Verb::Bury, &[0], &[0]),
            (Verb::Upsert, &[0, 1], &[1]),
            (Verb::Bury, &[0], &[1]),
        ];
        for way in [FOLDED, Way::RowByRow] {
            check(&rows, way, &expected);
        }
        rows.retain_rows(|row, _| row == 1);
        let expected: [(Verb, &[usize], &[usize]); 3] = [
            (Verb::ShareTombstones, &[], &[]),
            (Verb::Upsert, &[0, 1], &[0]),
            (Verb::Bury, &[0], &[0]),
        ];
        check(&rows, Way::RowByRow, &expected);
    }

    #[test]
    fn deletes_need_a_key() {
        let records = [([v(1), A], true)];
        let keyless = rows(WriteMode::Insert, 0, &records);
        let error = fold(&keyless, FOLDED).expect_err("no key");
        assert!(error.to_string().contains("pk.mode"), "{error}");
    }
}
