use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::row::fixture::{integer_target, push_kind, push_row, target};
use crate::table::{ColumnType, Target};

/// A record of the tests: key, two further columns, or a delete.
#[derive(Debug, Clone, Copy)]
enum Op {
    Write(i64, Cell<'static>, Cell<'static>),
    Delete(i64),
    Truncate,
}

use Op::{Delete, Truncate, Write};

const ABSENT: Cell<'static> = Cell::Absent;
const NULL: Cell<'static> = Cell::Null;

fn int(value: i64) -> Cell<'static> {
    Cell::Int(value)
}

fn rows_of(mode: WriteMode, ops: &[Op]) -> TableRows {
    let mut rows = TableRows::new(integer_target(3, 1, mode));
    for op in ops {
        match *op {
            Write(key, first, second) => push_row(&mut rows, &[int(key), first, second], false),
            Delete(key) => push_row(&mut rows, &[int(key)], true),
            Truncate => push_kind(&mut rows, &[], RowKind::Truncate),
        }
    }
    rows
}

type KeyAndCells<'a> = (i64, Cell<'a>, Cell<'a>);

fn cells(rows: &TableRows, row: usize) -> KeyAndCells<'_> {
    let Cell::Int(key) = rows.columns[0].get(row) else {
        panic!("row {row} has no key");
    };
    (key, rows.columns[1].get(row), rows.columns[2].get(row))
}

fn check_upsert(ops: &[Op], deletes: &[i64], writes: &[KeyAndCells<'static>]) {
    check_fold(WriteMode::Upsert, ops, deletes, writes);
}

fn check_fold(mode: WriteMode, ops: &[Op], deletes: &[i64], writes: &[KeyAndCells<'static>]) {
    let rows = rows_of(mode, ops);
    let plan = plan(&rows);
    assert_eq!(plan.phases.len(), 1, "{ops:?}");
    let phase = &plan.phases[0];
    let deleted: Vec<i64> = phase
        .deletes
        .iter()
        .map(|row| cells(&plan.rows, *row).0)
        .collect();
    let written: Vec<_> = phase
        .writes
        .iter(&plan.rows)
        .map(|row| cells(&plan.rows, row))
        .collect();
    assert_eq!(deleted, deletes, "{ops:?}");
    assert_eq!(written, writes, "{ops:?}");
}

#[test]
fn upserts_fold_each_key() {
    let (one, two) = (int(1), int(2));
    check_upsert(&[], &[], &[]);
    check_upsert(
        &[Write(2, one, one), Write(1, two, two)],
        &[],
        &[(1, two, two), (2, one, one)],
    );
    // Absent keeps the earlier value, null overwrites it.
    check_upsert(
        &[Write(1, one, one), Write(1, two, ABSENT)],
        &[],
        &[(1, two, one)],
    );
    check_upsert(
        &[Write(1, one, one), Write(1, two, NULL)],
        &[],
        &[(1, two, NULL)],
    );
    check_upsert(
        &[Write(1, one, NULL), Write(1, ABSENT, ABSENT)],
        &[],
        &[(1, one, NULL)],
    );
    check_upsert(
        &[Write(1, ABSENT, one), Write(1, two, ABSENT)],
        &[],
        &[(1, two, one)],
    );
    // A delete resets: what follows inherits nothing.
    check_upsert(&[Write(1, one, one), Delete(1)], &[1], &[]);
    check_upsert(
        &[Delete(1), Write(1, one, ABSENT)],
        &[1],
        &[(1, one, ABSENT)],
    );
    check_upsert(
        &[Write(1, one, one), Delete(1), Write(1, two, ABSENT)],
        &[1],
        &[(1, two, ABSENT)],
    );
    check_upsert(&[Delete(2), Delete(1), Delete(2), Delete(1)], &[1, 2], &[]);
}

#[test]
fn what_only_a_new_row_is_given_comes_from_the_first() {
    let check = |guard, ops: &[Op], writes: &[KeyAndCells<'static>]| {
        let mut rows = rows_of(WriteMode::Upsert, ops);
        let mut target = Target::clone(&rows.target);
        target.table.columns[1].insert_only = true;
        target.guard = guard;
        rows.target = Arc::new(target);
        let plan = plan(&rows);
        let phases = plan.phases.iter();
        let written = phases.flat_map(|phase| phase.writes.iter(&plan.rows));
        let written: Vec<_> = written.map(|row| cells(&plan.rows, row)).collect();
        assert_eq!(written, writes, "{ops:?}");
    };
    let (one, two) = (int(1), int(2));
    let changed = [Write(1, one, one), Write(1, two, two)];
    check(None, &changed, &[(1, one, two)]);
    check(
        None,
        &[Write(1, one, one), Write(1, ABSENT, two)],
        &[(1, one, two)],
    );
    check(
        None,
        &[Write(1, ABSENT, one), Write(1, one, two)],
        &[(1, ABSENT, two)],
    );
    check(
        None,
        &[Write(1, one, one), Write(1, one, two)],
        &[(1, one, two)],
    );
    check(
        None,
        &[Write(1, one, one), Delete(1), Write(1, two, two)],
        &[(1, two, two)],
    );
    check(Some(2), &changed, &[(1, one, one), (1, two, two)]);
    check(
        Some(2),
        &[Write(1, one, one), Write(1, one, two)],
        &[(1, one, two)],
    );
}

#[test]
fn the_first_insert_wins_where_others_are_ignored() {
    let (one, two) = (int(1), int(2));
    let check = |ops: &[Op], deletes: &[i64], writes: &[KeyAndCells<'static>]| {
        check_fold(WriteMode::InsertIgnore, ops, deletes, writes);
    };
    check(
        &[Write(1, one, ABSENT), Write(1, two, two)],
        &[],
        &[(1, one, ABSENT)],
    );
    check(&[Write(1, one, one), Delete(1)], &[1], &[]);
    check(
        &[
            Write(1, one, one),
            Delete(1),
            Write(1, two, NULL),
            Write(1, one, one),
        ],
        &[1],
        &[(1, two, NULL)],
    );
}

#[test]
fn updates_merge_and_never_follow_a_delete() {
    let (one, two) = (int(1), int(2));
    let check = |ops: &[Op], deletes: &[i64], writes: &[KeyAndCells<'static>]| {
        check_fold(WriteMode::Update, ops, deletes, writes);
    };
    check(
        &[Write(1, one, one), Write(1, two, ABSENT)],
        &[],
        &[(1, two, one)],
    );
    check(&[Delete(1), Write(1, one, one)], &[1], &[]);
    check(&[Write(1, one, one), Delete(1)], &[1], &[]);
}

#[test]
fn a_truncate_makes_what_came_before_it_void() {
    let (one, two) = (int(1), int(2));
    let ops = [
        Write(1, one, one),
        Delete(2),
        Truncate,
        Write(3, one, one),
        Truncate,
        Write(1, two, ABSENT),
        Write(1, ABSENT, two),
    ];
    check_upsert(&ops, &[], &[(1, two, two)]);
    assert!(plan(&rows_of(WriteMode::Upsert, &ops)).truncate);
    assert!(!plan(&rows_of(WriteMode::Upsert, &ops[..2])).truncate);
    check_insert(&ops, &[(&[], &[5, 6])]);
    let alone = rows_of(WriteMode::Insert, &[Truncate]);
    assert!(plan(&alone).truncate);
    assert!(plan(&alone).phases[0].writes.is_empty(&alone));
}

/// The columns are key, guard, other.
fn guarded_rows(mode: WriteMode, ops: &[Op]) -> TableRows {
    let mut rows = rows_of(mode, ops);
    rows.target = std::sync::Arc::new(Target {
        guard: Some(1),
        ..(*rows.target).clone()
    });
    rows
}

#[test]
fn guarded_records_are_left_out_only_when_the_database_would() {
    let check = |ops: &[Op], expected: &[&[usize]]| {
        let rows = guarded_rows(WriteMode::Upsert, ops);
        let plan = plan(&rows);
        let phases: Vec<Vec<usize>> = plan
            .phases
            .iter()
            .map(|phase| phase.writes.iter(&rows).collect())
            .collect();
        assert_eq!(phases, expected, "{ops:?}");
    };
    let write = |guard: i64, other| Write(1, int(guard), other);
    // The newest wins when it has all columns, wherever it stands.
    check(&[write(1, NULL), write(3, NULL), write(2, NULL)], &[&[1]]);
    check(&[write(2, NULL), write(2, int(5))], &[&[0]]);
    // A newer one without all of them does not tell what the row will be.
    check(&[write(1, NULL), write(3, ABSENT)], &[&[0], &[1]]);
    check(&[write(1, ABSENT), write(3, ABSENT)], &[&[1]]);
    check(
        &[write(1, NULL), write(3, ABSENT), write(4, ABSENT)],
        &[&[0], &[2]],
    );
    check(&[write(1, NULL), write(3, ABSENT), write(4, NULL)], &[&[2]]);
    check(
        &[write(1, NULL), Write(2, int(9), NULL), write(3, ABSENT)],
        &[&[0, 1], &[2]],
    );
}

/// The same with a table of tombstones.
fn remembering_rows(mode: WriteMode, ops: &[(bool, i64, i64, Cell<'static>)]) -> TableRows {
    let guarded = guarded_rows(mode, &[]).target;
    let tombstones = Target {
        guard: Some(1),
        ..Target::clone(&integer_target(2, 1, WriteMode::Upsert))
    };
    let mut rows = TableRows::new(Arc::new(Target {
        tombstones: Some(Arc::new(tombstones)),
        ..Target::clone(&guarded)
    }));
    for (deletes, key, guard, other) in ops {
        push_row(&mut rows, &[int(*key), int(*guard), *other], *deletes);
    }
    rows
}

#[test]
fn of_deletes_with_guards_the_newest_counts_wherever_it_stands() {
    let check = |ops: &[(bool, i64, i64, Cell<'static>)],
                 remembered: &[(i64, i64)],
                 writes: &[&[usize]]| {
        for mode in [WriteMode::Upsert, WriteMode::Update] {
            let rows = remembering_rows(mode, ops);
            let plan = plan(&rows);
            let of_tombstone = |tombstones: &TableRows| -> Vec<(i64, i64)> {
                let number = |column: usize, row| match tombstones.columns[column].get(row) {
                    Cell::Int(value) => value,
                    other => panic!("{other:?}"),
                };
                let all = 0..tombstones.len();
                all.map(|row| (number(0, row), number(1, row))).collect()
            };
            let found = plan.tombstones.as_ref().map(of_tombstone);
            assert_eq!(found.unwrap_or_default(), remembered, "{ops:?}");
            assert_eq!(plan.phases[0].deletes.len(), remembered.len(), "{ops:?}");
            let phases = plan.phases.iter();
            let found: Vec<Vec<usize>> = phases
                .map(|phase| phase.writes.iter(&rows).collect())
                .collect();
            assert_eq!(found, writes, "{ops:?}");
        }
    };
    check(&[(false, 1, 5, NULL)], &[], &[&[0]]);
    check(&[(true, 1, 5, ABSENT)], &[(1, 5)], &[&[]]);
    check(
        &[(true, 1, 5, ABSENT), (false, 1, 4, NULL)],
        &[(1, 5)],
        &[&[]],
    );
    check(
        &[(true, 1, 5, ABSENT), (false, 1, 5, NULL)],
        &[(1, 5)],
        &[&[1]],
    );
    check(
        &[(false, 1, 6, NULL), (true, 1, 5, ABSENT)],
        &[(1, 5)],
        &[&[0]],
    );
    check(
        &[
            (true, 1, 5, ABSENT),
            (true, 1, 7, ABSENT),
            (true, 1, 6, ABSENT),
        ],
        &[(1, 7)],
        &[&[]],
    );
    check(
        &[
            (true, 2, 5, ABSENT),
            (false, 1, 1, NULL),
            (true, 1, 2, ABSENT),
            (false, 2, 6, NULL),
            (false, 2, 7, ABSENT),
        ],
        &[(1, 2), (2, 5)],
        &[&[3], &[4]],
    );
}

#[test]
fn rows_are_copied_only_when_merged() {
    let full = [Write(1, int(1), int(1)), Write(1, int(2), NULL)];
    assert!(matches!(
        plan(&rows_of(WriteMode::Upsert, &full)).rows,
        Cow::Borrowed(_)
    ));
    let partial = [Write(1, int(1), int(1)), Write(1, int(2), ABSENT)];
    assert!(matches!(
        plan(&rows_of(WriteMode::Upsert, &partial)).rows,
        Cow::Owned(_)
    ));
}

#[test]
fn sorted_distinct_upserts_are_not_listed() {
    let rows = rows_of(
        WriteMode::Upsert,
        &[Write(1, NULL, NULL), Write(2, NULL, NULL)],
    );
    assert_eq!(plan(&rows).phases[0].writes, RowSet::All);
}

fn check_insert(ops: &[Op], expected: &[(&[usize], &[usize])]) {
    let rows = rows_of(WriteMode::Insert, ops);
    let plan = plan(&rows);
    let found: Vec<(Vec<usize>, Vec<usize>)> = plan
        .phases
        .iter()
        .map(|phase| (phase.deletes.clone(), phase.writes.iter(&rows).collect()))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(deletes, writes)| (deletes.to_vec(), writes.to_vec()))
        .collect();
    assert_eq!(found, expected, "{ops:?}");
}

#[test]
fn inserts_start_a_phase_where_order_matters() {
    let write = |key| Write(key, NULL, NULL);
    check_insert(&[write(2), write(1), write(2)], &[(&[], &[0, 1, 2])]);
    check_insert(&[Delete(1), write(1), write(2)], &[(&[0], &[1, 2])]);
    check_insert(&[write(1), Delete(1)], &[(&[], &[0]), (&[1], &[])]);
    check_insert(&[write(1), Delete(2)], &[(&[1], &[0])]);
    check_insert(
        &[write(1), Delete(1), write(1), write(2)],
        &[(&[], &[0]), (&[1], &[2, 3])],
    );
    check_insert(&[Delete(2), Delete(1), Delete(2)], &[(&[1, 0], &[])]);
}

#[test]
fn plain_inserts_are_taken_as_they_are() {
    let rows = rows_of(
        WriteMode::Insert,
        &[Write(2, NULL, NULL), Write(2, NULL, NULL)],
    );
    let plan = plan(&rows);
    assert!(matches!(plan.rows, Cow::Borrowed(_)));
    assert_eq!(
        plan.phases,
        [Phase {
            deletes: vec![],
            writes: RowSet::All
        }]
    );
}

#[test]
fn rows_without_a_key_are_never_one_row() {
    let mut rows = TableRows::new(integer_target(2, 0, WriteMode::Upsert));
    push_row(&mut rows, &[int(1), int(1)], false);
    push_row(&mut rows, &[int(1), int(1)], false);
    assert_eq!(plan(&rows).phases[0].writes, RowSet::All);
    push_row(&mut rows, &[], true);
    assert_eq!(plan(&rows).phases[0].deletes, [2]);
    assert_eq!(plan(&rows).phases[0].writes, RowSet::Some(vec![0, 1]));
}

#[test]
fn missing_key_cells_do_not_panic() {
    for mode in [WriteMode::Insert, WriteMode::Upsert] {
        let mut rows = TableRows::new(integer_target(3, 2, mode));
        push_row(&mut rows, &[NULL, int(1), int(1)], false);
        push_row(&mut rows, &[ABSENT, int(1), int(1)], true);
        push_row(&mut rows, &[int(1), NULL, int(1)], false);
        let planned: usize = plan(&rows)
            .phases
            .iter()
            .map(|phase| phase.deletes.len() + phase.writes.len(&rows))
            .sum();
        assert_eq!(planned, 3, "{mode:?}");
    }
}

#[test]
fn compound_keys_of_all_kinds_fold() {
    let types = [
        ColumnType::Text { max_chars: None },
        ColumnType::Date,
        ColumnType::Int64,
    ];
    let mut rows = TableRows::new(target(&types, 2, WriteMode::Upsert));
    for (name, day, value) in [("b", 1, 1), ("a", 2, 2), ("b", 0, 3), ("b", 1, 4)] {
        push_row(
            &mut rows,
            &[Cell::Text(name), Cell::Date(day), Cell::Int(value)],
            false,
        );
    }
    assert_eq!(plan(&rows).phases[0].writes, RowSet::Some(vec![1, 2, 3]));
}

#[test]
fn text_keys_with_a_common_start_are_sorted() {
    let types = [ColumnType::Text { max_chars: None }, ColumnType::Int64];
    let mut rows = TableRows::new(target(&types, 1, WriteMode::Upsert));
    for name in [
        "customer-10",
        "customer-2",
        "customer-",
        "customer-10",
        "customer-1",
    ] {
        push_row(&mut rows, &[Cell::Text(name), int(0)], false);
    }
    assert_eq!(plan(&rows).phases[0].writes, RowSet::Some(vec![2, 4, 3, 1]));
}

/// What stands in a database: `Absent` cells hold the column's default.
type State = HashMap<i64, (Cell<'static>, Cell<'static>)>;

/// A record that a database refuses because its key is there already.
#[derive(Debug, PartialEq)]
struct Conflict;

fn keep_if_absent(new: Cell<'static>, old: Cell<'static>) -> Cell<'static> {
    if matches!(new, Cell::Absent) {
        old
    } else {
        new
    }
}

/// How a record meets the table, one by one.
#[derive(Debug, Clone, Copy)]
struct Rules {
    mode: WriteMode,
    /// The first further column is the guard.
    guarded: bool,
}

fn apply(state: &mut State, rules: Rules, op: Op) -> Result<(), Conflict> {
    match op {
        Truncate => state.clear(),
        Delete(key) => {
            state.remove(&key);
        }
        Write(key, first, second) => match (rules.mode, state.get_mut(&key)) {
            (WriteMode::Update, None) | (WriteMode::InsertIgnore, Some(_)) => {}
            (_, None) => {
                state.insert(key, (first, second));
            }
            (WriteMode::Insert, Some(_)) => return Err(Conflict),
            (_, Some(old)) => {
                let is_older = match (first, old.0) {
                    (Cell::Int(new), Cell::Int(old)) => new <= old,
                    _ => false,
                };
                if !(rules.guarded && is_older) {
                    *old = (keep_if_absent(first, old.0), keep_if_absent(second, old.1));
                }
            }
        },
    }
    Ok(())
}

fn apply_plan(state: &mut State, rules: Rules, plan: &Plan<'_>) -> Result<(), Conflict> {
    if plan.truncate {
        apply(state, rules, Truncate)?;
    }
    for phase in &plan.phases {
        for row in &phase.deletes {
            apply(state, rules, Delete(cells(&plan.rows, *row).0))?;
        }
        for row in phase.writes.iter(&plan.rows) {
            let (key, first, second) = owned(cells(&plan.rows, row));
            apply(state, rules, Write(key, first, second))?;
        }
    }
    Ok(())
}

fn owned((key, first, second): KeyAndCells<'_>) -> KeyAndCells<'static> {
    let own = |cell: Cell<'_>| match cell {
        Cell::Absent => Cell::Absent,
        Cell::Null => Cell::Null,
        Cell::Int(value) => Cell::Int(value),
        other => panic!("unexpected {}", other.kind()),
    };
    (key, own(first), own(second))
}

fn any_cell() -> impl Strategy<Value = Cell<'static>> {
    prop_oneof![Just(ABSENT), Just(NULL), (0..100i64).prop_map(Cell::Int)]
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..6i64, any_cell(), any_cell()).prop_map(|(key, first, second)| Write(key, first, second)),
        2 => (0..6i64).prop_map(Delete),
        1 => Just(Truncate),
    ]
}

/// A guard always has a value.
fn guarded_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..3i64, 0..8i64, any_cell()).prop_map(|(key, guard, other)| Write(key, int(guard), other)),
        1 => (0..3i64).prop_map(Delete),
    ]
}

fn keyed_mode() -> impl Strategy<Value = WriteMode> {
    prop_oneof![
        Just(WriteMode::Upsert),
        Just(WriteMode::Update),
        Just(WriteMode::InsertIgnore)
    ]
}

/// Each phase has a key once, in each of its lists, in order.
fn check_order(plan: &Plan<'_>) -> Result<(), TestCaseError> {
    let key_of = |row: usize| cells(&plan.rows, row).0;
    for phase in &plan.phases {
        let deleted: Vec<i64> = phase.deletes.iter().map(|row| key_of(*row)).collect();
        let written: Vec<i64> = phase.writes.iter(&plan.rows).map(key_of).collect();
        for keys in [deleted, written] {
            prop_assert!(keys.is_sorted_by(|left, right| left < right), "{:?}", keys);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn keyed_plans_equal_one_by_one(
        mode in keyed_mode(),
        before in prop::collection::vec(any_op(), 0..6),
        ops in prop::collection::vec(any_op(), 0..40),
    ) {
        let mut expected = State::new();
        let seed = Rules { mode: WriteMode::Upsert, guarded: false };
        for op in before {
            apply(&mut expected, seed, op).unwrap();
        }
        let mut found = expected.clone();
        let rules = Rules { mode, guarded: false };
        for op in &ops {
            apply(&mut expected, rules, *op).unwrap();
        }
        let rows = rows_of(mode, &ops);
        let plan = plan(&rows);
        apply_plan(&mut found, rules, &plan).unwrap();
        prop_assert_eq!(found, expected);
        check_order(&plan)?;
    }

    #[test]
    fn guarded_plans_equal_one_by_one(
        mode in prop_oneof![Just(WriteMode::Upsert), Just(WriteMode::Update)],
        before in prop::collection::vec(guarded_op(), 0..6),
        ops in prop::collection::vec(guarded_op(), 0..40),
    ) {
        let mut expected = State::new();
        let seed = Rules { mode: WriteMode::Upsert, guarded: true };
        for op in before {
            apply(&mut expected, seed, op).unwrap();
        }
        let mut found = expected.clone();
        let rules = Rules { mode, guarded: true };
        for op in &ops {
            apply(&mut expected, rules, *op).unwrap();
        }
        let rows = guarded_rows(mode, &ops);
        let plan = plan(&rows);
        apply_plan(&mut found, rules, &plan).unwrap();
        prop_assert_eq!(found, expected);
        check_order(&plan)?;
    }

    #[test]
    fn insert_plan_equals_one_by_one(
        ops in prop::collection::vec(any_op(), 0..12),
    ) {
        let rules = Rules { mode: WriteMode::Insert, guarded: false };
        // A conflict before a truncate is as void as its rows.
        let void = ops.iter().rposition(|op| matches!(op, Truncate));
        let kept = &ops[void.map_or(0, |truncate| truncate + 1)..];
        let mut expected = State::new();
        let outcome = kept.iter().try_for_each(|op| apply(&mut expected, rules, *op));
        let rows = rows_of(WriteMode::Insert, &ops);
        let mut found = State::new();
        let planned = apply_plan(&mut found, rules, &plan(&rows));
        prop_assert_eq!(&planned, &outcome);
        if outcome.is_ok() {
            prop_assert_eq!(found, expected);
        }
    }
}
