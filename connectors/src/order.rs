//! The order of a batch's rows through all of its tables. Pure.
//!
//! A batch is written table by table, since that takes the fewest statements. Most often no order between
//! tables matters. Where a foreign key binds one to another it does, and only the log knows the right one:
//! an order comes before its items when both are made, and after them when both are deleted.
//!
//! Between partitions the log has no order. There the tables that came last go first: the other way round
//! has just been refused.
//!
//! A foreign key may bind rows of one table, too, as an answer to the comment that it answers. Then the fold,
//! whose order is that of the keys, is left aside.

use std::collections::BTreeMap;

use crate::error::SinkError;
use crate::fold;
use crate::row::{Batch, TableRows};

/// The order of the rows of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowOrder {
    /// As the [`mod@fold`] has it, where it knows which keys are the same.
    Folded,
    /// That of the log, deletes and updates one by one.
    Log,
}

/// An order in which a batch is written.
pub(crate) struct Attempt<'b> {
    batch: &'b Batch,
    /// In the order of the log through all tables.
    runs: Option<Vec<TableRows>>,
    pub(crate) row_order: RowOrder,
}

impl<'b> Attempt<'b> {
    /// Table by table, which takes the fewest statements.
    pub(crate) fn first(batch: &'b Batch) -> Self {
        Self {
            batch,
            runs: None,
            row_order: RowOrder::Folded,
        }
    }

    /// What to write, in this order.
    pub(crate) fn tables(&self) -> &[TableRows] {
        self.runs.as_ref().unwrap_or(&self.batch.tables)
    }

    /// What to attempt after this error. `None` when no other order would help.
    pub(crate) fn after(mut self, error: &SinkError) -> Option<Self> {
        if self.row_order == RowOrder::Log {
            return None;
        }
        if self.runs.is_none() {
            self.runs = runs_after(error, self.batch);
            if self.runs.is_some() {
                return Some(self);
            }
        }
        self.row_order = RowOrder::Log;
        log_may_help(error, self.tables()).then_some(self)
    }
}

/// Index into [`Batch::tables`], and the row there.
pub(crate) type Place = (usize, usize);

/// All rows, table by table.
pub(crate) fn by_table(batch: &Batch) -> Vec<Place> {
    let tables = batch.tables.iter().enumerate();
    tables
        .flat_map(|(table, rows)| (0..rows.len()).map(move |row| (table, row)))
        .collect()
}

/// All rows, those of each partition in the order of their offsets, with as few changes of the table as
/// that allows.
pub(crate) fn in_log_order(batch: &Batch) -> Vec<Place> {
    let mut logs: BTreeMap<u32, Vec<(i64, Place)>> = BTreeMap::new();
    for (table, row) in by_table(batch) {
        let origin = batch.tables[table].origins[row];
        let log = logs.entry(origin.position).or_default();
        log.push((origin.offset, (table, row)));
    }
    for log in logs.values_mut() {
        // Taken from the end.
        log.sort_unstable_by(|one, other| other.cmp(one));
    }
    let table_of = |log: &Vec<(i64, Place)>| log.last().map(|(_, (table, _))| *table);
    let mut places = Vec::with_capacity(batch.row_count());
    while let Some(next) = logs.values().filter_map(table_of).max() {
        for log in logs.values_mut() {
            while table_of(log) == Some(next) {
                places.extend(log.pop().map(|(_, place)| place));
            }
        }
    }
    places
}

/// What to write after this error: the rows in the order of the log, cut where the table changes. `None`
/// when another order would not help, or when there is none.
pub(crate) fn runs_after(error: &SinkError, batch: &Batch) -> Option<Vec<TableRows>> {
    if !error.breaks_reference() || error.connection_lost() || batch.tables.len() < 2 {
        return None;
    }
    let places = in_log_order(batch);
    (places != by_table(batch)).then(|| runs(batch, &places))
}

/// Whether these may be accepted in [the order of the log](RowOrder::Log), though they have been refused by
/// this error in another.
pub(crate) fn log_may_help(error: &SinkError, tables: &[TableRows]) -> bool {
    error.breaks_reference() && !error.connection_lost() && tables.iter().any(fold::may_reorder)
}

/// Rows of a batch, cut where the table changes.
pub(crate) fn runs(batch: &Batch, places: &[Place]) -> Vec<TableRows> {
    places
        .chunk_by(|(one, _), (other, _)| one == other)
        .map(|run| {
            let rows: Vec<usize> = run.iter().map(|(_, row)| *row).collect();
            batch.tables[run[0].0].gather(&rows)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::ErrorClass;
    use crate::row::fixture::integer_target;
    use crate::row::{Cell, Origin, RowKind};
    use crate::table::WriteMode;

    /// Rows by partition and offset, which are their values, too: 12 is offset 2 of partition 1.
    fn batch(tables: &[&[i64]]) -> Batch {
        let tables = tables.iter().map(|values| {
            let mut rows = TableRows::new(integer_target(1, 1, WriteMode::Insert));
            for value in *values {
                rows.columns[0].push(Cell::Int(*value)).unwrap();
                rows.finish_row(Origin {
                    position: u32::try_from(value / 10).unwrap(),
                    offset: value % 10,
                    kind: RowKind::Write,
                });
            }
            rows
        });
        Batch {
            tables: tables.collect(),
            ..Batch::default()
        }
    }

    fn broken() -> SinkError {
        SinkError::new(ErrorClass::Record, "foreign key").with_broken_reference()
    }

    fn values(rows: &TableRows) -> Vec<i64> {
        let value = |row| match rows.columns[0].get(row) {
            Cell::Int(value) => value,
            other => panic!("{other:?}"),
        };
        (0..rows.len()).map(value).collect()
    }

    #[test]
    fn rows_are_cut_where_the_table_changes() {
        let check = |tables: &[&[i64]], expected: Option<&[&[i64]]>| {
            let batch = batch(tables);
            assert!(runs_after(&SinkError::retry("deadlock"), &batch).is_none());
            let runs = runs_after(&broken(), &batch);
            let found = runs.map(|runs| runs.iter().map(values).collect::<Vec<_>>());
            let expected = expected.map(|runs| runs.iter().map(|run| run.to_vec()).collect());
            assert_eq!(found, expected, "{tables:?}");
        };
        check(&[], None);
        check(&[&[3, 1, 2]], None);
        check(&[&[1, 2], &[3, 4]], None);
        check(&[&[0, 2], &[1]], Some(&[&[0], &[1], &[2]]));
        check(&[&[2], &[0, 1]], Some(&[&[0, 1], &[2]]));
        // Partitions in any order: the later table first, and few changes.
        check(&[&[0, 1], &[10, 11]], Some(&[&[10, 11], &[0, 1]]));
        check(
            &[&[0, 10, 2, 12], &[11, 1, 3, 13]],
            Some(&[&[0, 10], &[1, 11], &[2, 12], &[3, 13]]),
        );
    }

    #[test]
    fn attempts_go_through_the_tables_first() {
        let check = |tables: &[&[i64]], mode, expected: &[(usize, RowOrder)]| {
            let mut batch = batch(tables);
            for rows in &mut batch.tables {
                rows.target = integer_target(1, 1, mode);
            }
            assert!(
                Attempt::first(&batch)
                    .after(&SinkError::retry("deadlock"))
                    .is_none()
            );
            let mut found = Vec::new();
            let mut next = Some(Attempt::first(&batch));
            while let Some(attempt) = next {
                found.push((attempt.tables().len(), attempt.row_order));
                next = attempt.after(&broken());
            }
            assert_eq!(found, expected, "{tables:?}");
        };
        let (folded, log) = (RowOrder::Folded, RowOrder::Log);
        use WriteMode::{Insert, Upsert};
        check(&[&[1]], Upsert, &[(1, folded)]);
        check(&[&[1, 2]], Insert, &[(1, folded)]);
        check(&[&[1, 2]], Upsert, &[(1, folded), (1, log)]);
        check(&[&[0, 1], &[2, 3]], Upsert, &[(2, folded), (2, log)]);
        check(
            &[&[0, 1, 3], &[2]],
            Upsert,
            &[(2, folded), (3, folded), (3, log)],
        );
        check(&[&[0, 1, 3], &[2]], Insert, &[(2, folded), (3, folded)]);
    }

    #[test]
    fn the_log_helps_where_the_fold_has_another_order() {
        let check = |mode, values: &[i64], expected: bool| {
            let mut batch = batch(&[values]);
            for rows in &mut batch.tables {
                rows.target = integer_target(1, 1, mode);
            }
            let tables = &batch.tables;
            assert!(!log_may_help(&SinkError::retry("deadlock"), tables));
            assert!(!log_may_help(&broken().losing_connection(), tables));
            assert_eq!(log_may_help(&broken(), tables), expected, "{mode:?}");
        };
        check(WriteMode::Upsert, &[1, 2], true);
        check(WriteMode::Update, &[1, 2], true);
        check(WriteMode::Upsert, &[1], false);
        check(WriteMode::Insert, &[1, 2], false);
    }

    #[test]
    fn runs_keep_their_target_and_their_origins() {
        let batch = batch(&[&[0, 2], &[1]]);
        let runs = runs_after(&broken(), &batch).unwrap();
        assert!(Arc::ptr_eq(&runs[2].target, &batch.tables[0].target));
        assert_eq!(runs[2].origins, batch.tables[0].origins[1..]);
    }
}
