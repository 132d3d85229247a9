//! Every offset that was read is accounted for exactly once, whatever is cut, sorted or ended.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use rowdock_connectors::{Cell, ColumnDef, ColumnType, Table, TableKind, TableName, WriteMode};

use super::*;
use crate::record::Stage;

const LIMITS: BatchLimits = BatchLimits {
    max_rows: 10,
    max_bytes: 1000,
    linger: Duration::ZERO,
};

fn target() -> Arc<Target> {
    let column = ColumnDef {
        name: "offset".into(),
        column_type: ColumnType::Int64,
        native_type: "bigint".into(),
        native_type_id: 0,
        nullable: false,
        has_default: false,
        generated: false,
        insert_only: false,
    };
    let table = Table {
        name: TableName::parse("t"),
        kind: TableKind::default(),
        columns: vec![column],
        primary_key: Vec::new(),
        unique_keys: Vec::new(),
        text_allows_nul: false,
        has_zero_dates: false,
    };
    Arc::new(Target {
        table,
        written: vec![0],
        key: Vec::new(),
        mode: WriteMode::Insert,
        guard: None,
        tombstones: None,
    })
}

fn key(partition: i32) -> PartitionKey {
    PartitionKey {
        topic: "t".into(),
        partition,
    }
}

#[test]
fn headers_fill_a_batch_that_keeps_them() {
    let check = |keep_originals: bool, expected: bool| {
        let mut builder = BatchBuilder::new(LIMITS, keep_originals, true);
        let position = builder.position(0, 0, || (key(0), AssignmentTag(0)));
        let record = RawRecord {
            topic: "t",
            partition: 0,
            offset: 0,
            timestamp_ms: None,
            key: None,
            value: Some(b"small"),
            headers: &vec![("large".to_owned(), Some(vec![0; LIMITS.max_bytes]))],
        };
        builder.reject(position, &record, RecordError::new(Stage::TaskPut, "bad"));
        assert_eq!(builder.is_full(), expected);
    };
    check(true, true);
    check(false, false);
}

/// Reads a record of `partition`; every fifth offset is a reject.
fn read(builder: &mut BatchBuilder, partition: i32, from: i64, offset: i64, target: &Arc<Target>) {
    let slot = usize::try_from(partition).unwrap();
    let tag = AssignmentTag(u64::try_from(partition).unwrap());
    let position = builder.position(slot, from, || (key(partition), tag));
    builder.advance(position, offset + 1, 3);
    let text = format!("{partition}/{offset}");
    let record = RawRecord {
        topic: "t",
        partition,
        offset,
        timestamp_ms: Some(offset),
        key: None,
        value: Some(text.as_bytes()),
        headers: &(),
    };
    let appended = builder.append(position, 0, target, &record, |origin, rows| {
        if offset % 5 == 0 {
            return Err(RecordError::new(Stage::TaskPut, "fifth").into());
        }
        rows.columns[0].push(Cell::Int(offset)).unwrap();
        rows.finish_row(origin);
        Ok(())
    });
    appended.unwrap();
}

/// What stands in a batch, by partition: rows and rejects in order, each with its own bytes.
fn contents(batch: &ReadBatch) -> BTreeMap<i32, Vec<i64>> {
    let mut found: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    let partition_of = |position: usize| batch.rows.positions[position].key.partition;
    for table in &batch.rows.tables {
        for (row, origin) in table.origins.iter().enumerate() {
            assert_eq!(table.columns[0].get(row), Cell::Int(origin.offset));
            let partition = partition_of(origin.position as usize);
            found.entry(partition).or_default().push(origin.offset);
        }
    }
    for reject in &batch.rejects {
        let partition = partition_of(reject.position);
        let original = batch.original(reject.position, reject.offset).unwrap();
        let expected = format!("{partition}/{}", reject.offset);
        assert_eq!(original.value, Some(expected.as_bytes()));
        found.entry(partition).or_default().push(reject.offset);
    }
    for offsets in found.values_mut() {
        offsets.sort_unstable();
    }
    found
}

#[test]
fn closes_on_rows_rejects_or_bytes() {
    let target = target();
    let mut builder = BatchBuilder::new(LIMITS, false, true);
    assert!(builder.is_empty() && !builder.is_full());
    for offset in 0..10 {
        assert!(!builder.is_full(), "{offset}");
        read(&mut builder, 0, 0, offset, &target);
    }
    assert!(builder.is_full(), "ten records, two of them rejects");
    let batch = builder.finish();
    assert_eq!((batch.rows.row_count(), batch.rejects.len()), (8, 2));
    assert!(batch.rows.positions_stored && builder.is_empty());
    let small = BatchLimits {
        max_bytes: 3,
        ..LIMITS
    };
    let mut builder = BatchBuilder::new(small, false, true);
    read(&mut builder, 0, 0, 1, &target);
    assert!(builder.is_full(), "the record's three bytes");
}

#[test]
fn moves_positions_without_rows() {
    let mut builder = BatchBuilder::new(LIMITS, false, true);
    let position = builder.position(4, 7, || (key(4), AssignmentTag(1)));
    builder.advance(position, 9, -1);
    assert!(!builder.has_records() && !builder.is_empty());
    let batch = builder.finish();
    let moved = &batch.rows.positions[0];
    assert_eq!((moved.from, moved.to, moved.leader_epoch), (7, 9, -1));
}

#[test]
fn positions_come_in_lock_order_with_everything_that_points_to_them() {
    let target = target();
    let mut builder = BatchBuilder::new(LIMITS, true, true);
    for partition in [2, 0, 1] {
        for offset in 4..7 {
            read(&mut builder, partition, 4, offset, &target);
        }
    }
    let batch = builder.finish();
    let order: Vec<i32> = batch
        .rows
        .positions
        .iter()
        .map(|moved| moved.key.partition)
        .collect();
    assert_eq!(order, [0, 1, 2]);
    assert_eq!(
        batch.tags,
        [AssignmentTag(0), AssignmentTag(1), AssignmentTag(2)]
    );
    let all = contents(&batch);
    assert!(all.values().all(|offsets| *offsets == [4, 5, 6]), "{all:?}");
}

proptest! {
    #[test]
    fn cutting_takes_just_the_cut_partitions(
        reads in prop::collection::vec((0..5_i32, 1..4_i64), 1..60),
        cut_while_open in prop::collection::vec(0..5_usize, 0..3),
        cut_when_closed in prop::collection::vec(0..5_usize, 0..3),
    ) {
        let target = target();
        let mut builder = BatchBuilder::new(LIMITS, true, true);
        let mut next = [0_i64; 5];
        let mut expected: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
        let half = reads.len() / 2;
        for (step, (partition, stride)) in reads.into_iter().enumerate() {
            if step == half {
                builder.cut_slots(&cut_while_open);
                for slot in &cut_while_open {
                    expected.remove(&i32::try_from(*slot).unwrap());
                }
            }
            let index = usize::try_from(partition).unwrap();
            let offset = next[index] + stride - 1;
            read(&mut builder, partition, next[index], offset, &target);
            next[index] = offset + 1;
            expected.entry(partition).or_default().push(offset);
        }
        let mut batch = builder.finish();
        prop_assert_eq!(contents(&batch), expected.clone());
        let cut: Vec<usize> = (0..batch.rows.positions.len())
            .filter(|index| {
                let partition = batch.rows.positions[*index].key.partition;
                cut_when_closed.contains(&usize::try_from(partition).unwrap())
            })
            .collect();
        batch.cut_positions(&cut);
        for slot in &cut_when_closed {
            expected.remove(&i32::try_from(*slot).unwrap());
        }
        prop_assert_eq!(contents(&batch), expected);
        prop_assert_eq!(batch.tags.len(), batch.rows.positions.len());
    }

    #[test]
    fn halves_join_without_a_seam(lengths in prop::collection::vec(0..9_i64, 1..4)) {
        let target = target();
        let mut builder = BatchBuilder::new(LIMITS, true, true);
        for (partition, length) in (0..).zip(&lengths) {
            for offset in 0..*length {
                read(&mut builder, partition, 0, offset, &target);
            }
        }
        let mut earlier = builder.finish();
        let whole = contents(&earlier);
        let ends: Vec<i64> = earlier.rows.positions.iter().map(|moved| moved.to).collect();
        match earlier.split_off_half() {
            None => prop_assert!(ends.iter().all(|end| *end <= 1)),
            Some(later) => {
                let mut joined = contents(&earlier);
                for (partition, offsets) in contents(&later) {
                    joined.entry(partition).or_default().extend(offsets);
                }
                prop_assert_eq!(joined, whole);
                for (index, end) in ends.iter().enumerate() {
                    let (first, second) = (&earlier.rows.positions[index], &later.rows.positions[index]);
                    prop_assert_eq!(first.to, second.from);
                    prop_assert_eq!(second.to, *end);
                }
            }
        }
    }

    #[test]
    fn ending_a_partition_keeps_what_is_before(end in 0..30_i64) {
        let target = target();
        let mut builder = BatchBuilder::new(LIMITS, true, true);
        for offset in 0..30 {
            let partition = i32::from(offset % 2 == 1);
            read(&mut builder, partition, offset % 2, offset, &target);
        }
        let mut batch = builder.finish();
        let before = contents(&batch);
        batch.end_position_at(1, end);
        let after = contents(&batch);
        prop_assert_eq!(after.get(&0), before.get(&0));
        let kept: Vec<i64> = before[&1].iter().copied().filter(|offset| *offset < end).collect();
        prop_assert_eq!(after.get(&1).cloned().unwrap_or_default(), kept);
        prop_assert!(batch.rows.positions[1].to <= end.max(1));
    }
}
