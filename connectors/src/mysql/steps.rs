//! The steps of a write: which statement, over which rows, in which order. Pure.
//!
//! | keys of a table's rows                      | steps                                          |
//! |---------------------------------------------|------------------------------------------------|
//! | the same to the fold and to the table       | per phase of the [`mod@fold`]: delete by key, then one write per set of columns; of more than [`SHAPES_MAX`] sets one for all, whose rows are [marked](super::given) |
//! | perhaps the same to the table alone         | neighbours in the log that do alike, in log order: within a statement the server takes rows one after the other |
//!
//! Where a foreign key has refused that, the second way is taken, too, with a step for each delete: of several
//! in one statement the server chooses the order, as it does with updates, which are always one by one there.
//!
//! Before both the table is emptied, if a truncate is among the rows; what comes before that is void.
//!
//! With tombstones deletes are remembered, and what is older is buried, in the place of the deletes, and
//! again behind the writes.

use super::form::Form;
use super::key;
use super::sql::Verb;
use crate::error::SinkError;
use crate::fold::{self, Plan, RowSet};
use crate::order::RowOrder;
use crate::row::TableRows;
use crate::statement;
use crate::table::{Target, WriteMode};

/// Sets of columns that have statements of their own. Rows that are marked cost up to half as much again
/// as others, many small statements more than that. Measured, in rows a second of the sink alone (a debug
/// build on two busy cores, so the shares count), batches of 5,000 rows of eight columns, all keys there:
///
/// | rows                           | MySQL 9.7 | MariaDB 10.11 |
/// |--------------------------------|-----------|---------------|
/// | upsert, all alike              | 32,600    | 58,500        |
/// | upsert, 8 shapes               | 74 %      | 77 %          |
/// | upsert, 128 shapes             | 83 %      | 60 %          |
/// | upsert, every fifth deletes    | 83 %      | 82 %          |
/// | update, all alike              | 113 %     | 58 %          |
/// | update, 128 shapes             | 59 %      | 70 %          |
const SHAPES_MAX: usize = 4;

/// Statements of one kind, and their rows.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) verb: Verb,
    /// Indexes into [`TableRows::columns`].
    pub(super) columns: Vec<usize>,
    /// Those of the columns that rows may lack, which their marks tell.
    pub(super) marked: Vec<usize>,
    pub(super) rows: &'a TableRows,
    pub(super) row_set: RowSet,
}

/// How the rows of a table become steps, to be kept while these are used.
pub(super) struct Order<'a> {
    plan: Plan<'a>,
    /// A key may be there several times in a phase.
    is_of_the_log: bool,
    /// Rows that one statement deletes.
    deletes_max: usize,
}

/// Decides how a table's rows are written.
///
/// # Errors
/// *Stop* for deletes without a key.
pub(super) fn order<'a>(
    rows: &'a TableRows,
    forms: &[Form],
    row_order: RowOrder,
) -> Result<Order<'a>, SinkError> {
    statement::check_deletes(rows)?;
    let is_asked_for = row_order == RowOrder::Log;
    let is_of_the_log = is_asked_for || fold::keys_meet(rows) && !key::are_told_apart(rows, forms);
    let plan = match is_of_the_log {
        true => fold::in_log_order(rows),
        false => fold::plan(rows),
    };
    Ok(Order {
        plan,
        is_of_the_log,
        deletes_max: if is_asked_for { 1 } else { usize::MAX },
    })
}

/// The steps, to be run in order.
pub(super) fn steps<'a>(order: &'a Order<'_>) -> Vec<Step<'a>> {
    let plan = &order.plan;
    let rows: &'a TableRows = &plan.rows;
    let mut steps = Vec::new();
    if plan.truncate {
        steps.push(delete_all(rows));
    }
    let mut graves = Graves::new(rows, plan.tombstones.as_ref());
    for phase in &plan.phases {
        for deletes in phase.deletes.chunks(order.deletes_max) {
            graves.dig(deletes, &mut steps);
        }
        for group in statement::few_groups(rows, &phase.writes, SHAPES_MAX) {
            let verb = match write_verb(&rows.target, &group.columns) {
                // In a join the first of several rows of a key would count, and they alone.
                Some(Verb::Update) if order.is_of_the_log => Some(Verb::UpdateEach),
                verb => verb,
            };
            if let Some(verb) = verb {
                steps.push(Step {
                    verb,
                    columns: group.columns,
                    marked: group.marked,
                    rows,
                    row_set: group.rows,
                });
            }
        }
        graves.close(&phase.writes, &mut steps);
    }
    steps
}

/// The steps of deletes.
struct Graves<'a> {
    rows: &'a TableRows,
    tombstones: Option<&'a TableRows>,
    /// How many of the tombstones have their step.
    remembered: usize,
}

impl<'a> Graves<'a> {
    fn new(rows: &'a TableRows, tombstones: Option<&'a TableRows>) -> Self {
        Self {
            rows,
            tombstones,
            remembered: 0,
        }
    }

    /// Deletes rows; with tombstones those that are older.
    fn dig(&mut self, deletes: &[usize], steps: &mut Vec<Step<'a>>) {
        let row_set = RowSet::Some(deletes.to_vec());
        let Some(tombstones) = self.tombstones else {
            return steps.push(self.of_keys(Verb::Delete, row_set));
        };
        let from = self.remembered;
        self.remembered += deletes.len();
        steps.push(Step {
            verb: Verb::Upsert,
            columns: (0..tombstones.columns.len()).collect(),
            marked: Vec::new(),
            rows: tombstones,
            row_set: RowSet::Some((from..self.remembered).collect()),
        });
        steps.push(self.of_keys(Verb::Bury, row_set));
    }

    /// Takes back what has been written in spite of a tombstone.
    fn close(&self, writes: &RowSet, steps: &mut Vec<Step<'a>>) {
        if self.rows.target.tombstones.is_some() && !writes.is_empty(self.rows) {
            steps.push(self.of_keys(Verb::AwaitTombstones, writes.clone()));
            steps.push(self.of_keys(Verb::Bury, writes.clone()));
        }
    }

    fn of_keys(&self, verb: Verb, row_set: RowSet) -> Step<'a> {
        Step {
            verb,
            columns: self.rows.target.key.clone(),
            marked: Vec::new(),
            rows: self.rows,
            row_set,
        }
    }
}

/// Not by `TRUNCATE`, which would commit what is before it.
fn delete_all(rows: &TableRows) -> Step<'_> {
    Step {
        verb: Verb::DeleteAll,
        columns: Vec::new(),
        marked: Vec::new(),
        rows,
        row_set: RowSet::default(),
    }
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
    use crate::row::fixture::{integer_target, push_row, target};
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
        let order = order(&rows, &[caseless, Form::plain()], RowOrder::Folded).expect("has a key");
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
    fn deletes_are_remembered_before_rows_are_looked_at() {
        let text = ColumnType::Text { max_chars: None };
        let plain = target(&[text, ColumnType::Int64], 1, WriteMode::Upsert);
        let tombstones = Target {
            guard: Some(1),
            ..Target::clone(&plain)
        };
        let mut rows = TableRows::new(std::sync::Arc::new(Target {
            tombstones: Some(std::sync::Arc::new(tombstones.clone())),
            ..tombstones
        }));
        push_row(&mut rows, &[k("b"), v(7)], true);
        push_row(&mut rows, &[k("B"), v(5)], false);
        let caseless = Form {
            equality: Equality::Text { ignores_case: true },
            encoding: Encoding::Plain,
            ..Form::plain()
        };
        let expected = [
            (Verb::Upsert, 0),
            (Verb::Bury, 0),
            (Verb::Upsert, 1),
            (Verb::AwaitTombstones, 1),
            (Verb::Bury, 1),
        ];
        // By the fold, and in the order of the log.
        for form in [Form::plain(), caseless] {
            let order = order(&rows, &[form, Form::plain()], RowOrder::Folded).expect("has a key");
            let found: Vec<(Verb, usize)> = steps(&order)
                .into_iter()
                .map(|step| (step.verb, step.row_set.row(0)))
                .collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn rows_of_many_shapes_are_one_marked_statement() {
        let check = |mode, guard, expected: &[(Verb, usize, &[usize])]| {
            let given = Target {
                guard,
                ..Target::clone(&integer_target(4, 1, mode))
            };
            let mut rows = TableRows::new(std::sync::Arc::new(given));
            for shape in 0..8_i64 {
                let cell = |bit: i64| if shape >> bit & 1 == 1 { v(bit) } else { A };
                push_row(&mut rows, &[v(shape), cell(0), cell(1), cell(2)], false);
            }
            let forms: Vec<Form> = (0..4).map(|_| Form::plain()).collect();
            let order = order(&rows, &forms, RowOrder::Folded).expect("has a key");
            let found: Vec<(Verb, usize, Vec<usize>)> = steps(&order)
                .into_iter()
                .map(|step| (step.verb, step.row_set.len(step.rows), step.marked))
                .collect();
            let expected: Vec<(Verb, usize, Vec<usize>)> = expected
                .iter()
                .map(|(verb, count, marked)| (*verb, *count, marked.to_vec()))
                .collect();
            assert_eq!(found, expected, "{mode:?}");
        };
        check(WriteMode::Upsert, None, &[(Verb::Upsert, 8, &[1, 2, 3])]);
        check(WriteMode::Update, None, &[(Verb::Update, 8, &[1, 2, 3])]);
        check(WriteMode::Insert, None, &[(Verb::Insert, 8, &[])]);
        let each: Vec<(Verb, usize, &[usize])> = vec![(Verb::Upsert, 1, &[]); 8];
        check(WriteMode::Upsert, Some(2), &each);
    }

    #[test]
    fn the_log_s_order_has_a_step_for_each_delete_and_update() {
        let check = |mode, expected: &[(Verb, &[usize])]| {
            let mut rows = TableRows::new(integer_target(2, 1, mode));
            push_row(&mut rows, &[v(9), v(0)], false);
            push_row(&mut rows, &[v(7), v(0)], false);
            push_row(&mut rows, &[v(5), A], true);
            push_row(&mut rows, &[v(3), A], true);
            let forms = [Form::plain(), Form::plain()];
            let order = order(&rows, &forms, RowOrder::Log).expect("has a key");
            let found: Vec<(Verb, Vec<usize>)> = steps(&order)
                .into_iter()
                .map(|step| (step.verb, step.row_set.iter(step.rows).collect()))
                .collect();
            let expected: Vec<(Verb, Vec<usize>)> = expected
                .iter()
                .map(|(verb, members)| (*verb, members.to_vec()))
                .collect();
            assert_eq!(found, expected, "{mode:?}");
        };
        for (mode, verb) in [
            (WriteMode::Upsert, Verb::Upsert),
            (WriteMode::Update, Verb::UpdateEach),
            (WriteMode::Insert, Verb::Insert),
        ] {
            check(
                mode,
                &[(verb, &[0, 1]), (Verb::Delete, &[2]), (Verb::Delete, &[3])],
            );
        }
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
