use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::row::fixture::{integer_target, push_row};
use crate::row::{Cell, Origin, RowKind, TableRows};
use crate::table::WriteMode;

/// A database that refuses the rows whose first column is in `refused`, and any value that stands
/// already, and that dies at one call if told to.
#[derive(Default)]
struct FakeTrial {
    refused: BTreeSet<i64>,
    /// Values that refer to others, which must stand before them or, if rows may wait, with their part.
    needs: BTreeMap<i64, i64>,
    rows_may_wait: bool,
    dies_at_call: Option<usize>,
    calls: usize,
    trials: usize,
    open: bool,
    abandoned: usize,
    stored: BTreeSet<i64>,
}

impl FakeTrial {
    fn call(&mut self) -> Result<(), SinkError> {
        self.calls += 1;
        if self.dies_at_call == Some(self.calls) {
            return Err(SinkError::retry("connection reset").losing_connection());
        }
        Ok(())
    }
}

fn values(part: &Batch) -> Vec<i64> {
    let mut values = Vec::new();
    for table in &part.tables {
        for row in 0..table.len() {
            if let Cell::Int(value) = table.columns[0].get(row) {
                values.push(value);
            }
        }
    }
    values
}

#[async_trait]
impl Trial for FakeTrial {
    async fn begin(&mut self) -> Result<(), SinkError> {
        self.call()?;
        self.open = true;
        Ok(())
    }

    async fn try_rows(&mut self, part: &Batch) -> Result<(), SinkError> {
        assert!(self.open, "a part outside the transaction");
        assert!(part.row_count() > 0, "an empty part");
        self.trials += 1;
        self.call()?;
        let mut after = self.stored.clone();
        let refused = SinkError::new(ErrorClass::Record, "refused");
        let is_met = |value: &i64, stored: &BTreeSet<i64>| {
            let needed = self.needs.get(value);
            needed.is_none_or(|needed| stored.contains(needed))
        };
        for value in values(part) {
            if self.refused.contains(&value) || !after.insert(value) {
                return Err(refused);
            }
            if !self.rows_may_wait && !is_met(&value, &after) {
                return Err(refused.with_broken_reference());
            }
        }
        if !after.iter().all(|value| is_met(value, &after)) {
            return Err(refused.with_broken_reference());
        }
        self.stored = after;
        Ok(())
    }

    fn rows_may_wait(&self) -> bool {
        self.rows_may_wait
    }

    async fn abandon(&mut self) {
        self.open = false;
        self.abandoned += 1;
        self.stored.clear();
    }
}

/// One table per list.
fn batch_of(tables: &[Vec<i64>]) -> Batch {
    let target = integer_target(1, 1, WriteMode::Insert);
    let table_rows = |values: &Vec<i64>| {
        let mut rows = TableRows::new(std::sync::Arc::clone(&target));
        for value in values {
            push_row(&mut rows, &[Cell::Int(*value)], false);
        }
        rows
    };
    Batch {
        tables: tables.iter().map(table_rows).collect(),
        ..Batch::default()
    }
}

/// Runs a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn found(trial: &mut FakeTrial, batch: &Batch) -> Vec<(usize, usize)> {
    let rejects = now(find(trial, batch)).unwrap();
    assert!(!trial.open);
    rejects
        .iter()
        .map(|reject| (reject.table, reject.row))
        .collect()
}

#[test]
fn a_single_refused_row_is_found_in_few_trials() {
    let rows = 5_000;
    for refused in [0, 1, 2_499, 2_500, 4_998, 4_999] {
        let mut trial = FakeTrial {
            refused: BTreeSet::from([refused]),
            ..FakeTrial::default()
        };
        let batch = batch_of(&[(0..rows).collect()]);
        let row = usize::try_from(refused).unwrap();
        assert_eq!(found(&mut trial, &batch), [(0, row)]);
        assert!(
            trial.trials <= 16,
            "{} trials for row {refused}",
            trial.trials
        );
    }
}

#[test]
fn later_rows_are_judged_on_top_of_earlier_ones() {
    let batch = batch_of(&[vec![1, 2, 1, 3], vec![4, 2]]);
    assert_eq!(found(&mut FakeTrial::default(), &batch), [(0, 2), (1, 1)]);
}

#[test]
fn empty_tables_and_batches_are_no_trouble() {
    assert_eq!(found(&mut FakeTrial::default(), &batch_of(&[])), []);
    assert_eq!(
        found(&mut FakeTrial::default(), &batch_of(&[vec![], vec![]])),
        []
    );
    let mut trial = FakeTrial {
        refused: BTreeSet::from([2]),
        ..FakeTrial::default()
    };
    assert_eq!(
        found(&mut trial, &batch_of(&[vec![], vec![1], vec![], vec![2]])),
        [(3, 0)]
    );
}

/// One table per list, of offsets and values.
fn batch_of_one_log(tables: &[&[(i64, i64)]]) -> Batch {
    let mut batch = batch_of(&vec![Vec::new(); tables.len()]);
    for (rows, records) in batch.tables.iter_mut().zip(tables) {
        for (offset, value) in *records {
            rows.columns[0].push(Cell::Int(*value)).unwrap();
            rows.finish_row(Origin {
                position: 0,
                offset: *offset,
                kind: RowKind::Write,
            });
        }
    }
    batch
}

#[test]
fn rows_that_refer_to_others_are_judged_in_the_order_of_the_log() {
    let check = |refused: &[i64], needs: &[(i64, i64)], expected: &[(usize, usize)]| {
        let batch = batch_of_one_log(&[&[(0, 10), (2, 12), (3, 13), (5, 15)], &[(1, 11), (4, 14)]]);
        let mut trial = FakeTrial {
            refused: refused.iter().copied().collect(),
            needs: needs.iter().copied().collect(),
            ..FakeTrial::default()
        };
        assert_eq!(found(&mut trial, &batch), expected, "{refused:?} {needs:?}");
    };
    check(&[], &[(12, 11), (13, 11), (15, 14)], &[]);
    check(&[10], &[(12, 11), (15, 14)], &[(0, 0)]);
    check(&[], &[(10, 11), (15, 14)], &[(0, 0)]);
    check(&[11], &[(12, 11), (15, 14)], &[(0, 1), (1, 0)]);
    check(&[14], &[(11, 10), (14, 13)], &[(1, 1)]);
}

#[test]
fn rows_that_wait_for_others_are_tried_among_them() {
    let check = |values: &[i64], needs: &[(i64, i64)], expected: &[usize]| {
        let mut trial = FakeTrial {
            needs: needs.iter().copied().collect(),
            rows_may_wait: true,
            ..FakeTrial::default()
        };
        let rows: Vec<usize> = found(&mut trial, &batch_of(&[values.to_vec()]))
            .into_iter()
            .map(|(_, row)| row)
            .collect();
        assert_eq!(rows, expected, "{values:?} {needs:?}");
    };
    check(&[1, 2, 3], &[(1, 2), (3, 999)], &[2]);
    check(&[1, 2, 3, 4], &[(1, 2), (2, 3), (4, 999)], &[3]);
    check(&[1, 2], &[(1, 2), (2, 1)], &[]);
    check(&[1, 2, 3, 4], &[(1, 3), (2, 1), (4, 999)], &[3]);
    // What needs a row that is rejected is rejected.
    check(&[1, 2, 3], &[(1, 2), (2, 999)], &[0, 1]);
}

#[test]
fn second_looks_are_bounded() {
    let rows = 300;
    let mut trial = FakeTrial {
        needs: (0..rows).map(|value| (value, 999)).collect(),
        rows_may_wait: true,
        ..FakeTrial::default()
    };
    let all = usize::try_from(rows).unwrap();
    let batch = batch_of(&[(0..rows).collect()]);
    assert_eq!(found(&mut trial, &batch).len(), all);
    let most = 2 * all + 9 + SECOND_LOOKS_MAX;
    assert!(trial.trials <= most, "{} trials", trial.trials);
}

#[test]
fn the_reason_is_the_databases() {
    let mut trial = FakeTrial {
        refused: BTreeSet::from([1]),
        ..FakeTrial::default()
    };
    let rejects = now(find(&mut trial, &batch_of(&[vec![1]]))).unwrap();
    assert_eq!(rejects[0].reason, "refused");
}

fn tables_and_refused() -> impl Strategy<Value = (Vec<Vec<i64>>, BTreeSet<i64>)> {
    (
        prop::collection::vec(0..40usize, 0..4),
        prop::collection::btree_set(0..120i64, 0..30),
    )
        .prop_map(|(sizes, refused)| {
            let mut values = 0..;
            let tables = sizes
                .iter()
                .map(|size| values.by_ref().take(*size).collect())
                .collect();
            (tables, refused)
        })
}

proptest! {
    #[test]
    fn exactly_the_refused_rows_are_found((tables, refused) in tables_and_refused()) {
        let mut expected = Vec::new();
        for (table, values) in tables.iter().enumerate() {
            for (row, value) in values.iter().enumerate() {
                if refused.contains(value) {
                    expected.push((table, row));
                }
            }
        }
        let mut trial = FakeTrial { refused, ..FakeTrial::default() };
        let batch = batch_of(&tables);
        prop_assert_eq!(found(&mut trial, &batch), expected.clone());
        let rows = batch.row_count();
        let depth = usize::try_from(rows.max(1).next_power_of_two().ilog2()).unwrap();
        prop_assert!(trial.trials <= 2 * expected.len() * (depth + 1) + 1, "{} trials", trial.trials);
        prop_assert!(trial.trials <= (2 * rows + depth).max(1), "{} trials", trial.trials);
    }

    #[test]
    fn a_session_that_dies_gives_no_rejects((tables, refused) in tables_and_refused(), dies_at_call in 1..60usize) {
        let mut whole = FakeTrial { refused: refused.clone(), ..FakeTrial::default() };
        let batch = batch_of(&tables);
        now(find(&mut whole, &batch)).unwrap();

        let mut trial = FakeTrial { refused, dies_at_call: Some(dies_at_call), ..FakeTrial::default() };
        let outcome = now(find(&mut trial, &batch));
        prop_assert_eq!(trial.abandoned, 1);
        if dies_at_call > whole.calls {
            prop_assert!(outcome.is_ok());
        } else {
            let error = outcome.unwrap_err();
            prop_assert_eq!(error.class(), ErrorClass::Retry);
            prop_assert!(error.connection_lost());
        }
    }
}
