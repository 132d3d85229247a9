use proptest::prelude::*;
use uuid::Uuid;

use super::fixture::{integer_target, push_row, target};
use super::*;
use crate::position::PartitionKey;
use crate::table::{ColumnType, WriteMode};

fn moved(partition: i32, from: i64, to: i64) -> PositionMove {
    PositionMove {
        key: PartitionKey {
            topic: "orders".into(),
            partition,
        },
        claim_id: Uuid::nil(),
        from,
        to,
        leader_epoch: -1,
        times: Vec::new(),
    }
}

/// Rows `(position, offset)` of one table; the first cell is the offset.
fn table_of(rows: &[(u32, i64)]) -> TableRows {
    let mut table = TableRows::new(integer_target(2, 1, WriteMode::Insert));
    for (position, offset) in rows {
        table.columns[0].push(Cell::Int(*offset)).unwrap();
        table.finish_row(Origin {
            position: *position,
            offset: *offset,
            kind: RowKind::Write,
        });
    }
    table
}

/// Partitions 0, 1 and 2 at 10..20, in two tables.
fn batch() -> Batch {
    Batch {
        positions: vec![moved(0, 10, 20), moved(1, 10, 20), moved(2, 10, 20)],
        tables: vec![
            table_of(&[(0, 10), (1, 11), (2, 12), (0, 13)]),
            table_of(&[(1, 14), (1, 15)]),
        ],
        positions_stored: true,
    }
}

/// Every row as `partition:offset`, table by table; checks that the cells went with their origins.
fn rows_of(batch: &Batch) -> Vec<Vec<String>> {
    let rows_of_table = |table: &TableRows| {
        let describe = |(row, origin): (usize, &Origin)| {
            assert_eq!(table.columns[0].get(row), Cell::Int(origin.offset));
            assert_eq!(table.columns[1].get(row), Cell::Absent);
            let partition = batch.positions[origin.position as usize].key.partition;
            format!("{partition}:{}", origin.offset)
        };
        table.origins.iter().enumerate().map(describe).collect()
    };
    batch.tables.iter().map(rows_of_table).collect()
}

#[test]
fn partitions_are_cut_out_with_their_rows() {
    let check = |cut: &[usize], partitions: &[i32], rows: &[&[&str]]| {
        let mut batch = batch();
        batch.cut_positions(cut);
        let left: Vec<i32> = batch
            .positions
            .iter()
            .map(|position| position.key.partition)
            .collect();
        assert_eq!(left, partitions, "{cut:?}");
        assert_eq!(rows_of(&batch), rows, "{cut:?}");
    };
    check(
        &[],
        &[0, 1, 2],
        &[&["0:10", "1:11", "2:12", "0:13"], &["1:14", "1:15"]],
    );
    check(&[0], &[1, 2], &[&["1:11", "2:12"], &["1:14", "1:15"]]);
    check(&[1], &[0, 2], &[&["0:10", "2:12", "0:13"]]);
    check(&[0, 2], &[1], &[&["1:11"], &["1:14", "1:15"]]);
    check(&[0, 1, 2], &[], &[]);
}

#[test]
fn a_partition_can_end_early() {
    let mut batch = batch();
    batch.end_position_at(1, 14);
    assert_eq!(rows_of(&batch), [["0:10", "1:11", "2:12", "0:13"]]);
    let ends: Vec<i64> = batch.positions.iter().map(|position| position.to).collect();
    assert_eq!(ends, [20, 14, 20]);
    // Beyond its end nothing changes.
    batch.end_position_at(0, 99);
    assert_eq!(batch.positions[0].to, 20);
    assert_eq!(batch.row_count(), 4);
}

#[test]
fn rejected_rows_go_and_positions_stay() {
    let mut batch = batch();
    batch.retain_rows(|table, row, _| !matches!((table, row), (0, 1) | (1, 0)));
    assert_eq!(
        rows_of(&batch),
        [vec!["0:10", "2:12", "0:13"], vec!["1:15"]]
    );
    assert_eq!(batch.positions.len(), 3);
}

#[test]
fn a_half_written_row_is_taken_back() {
    let mut table = table_of(&[(0, 10)]);
    table.columns[0].push(Cell::Int(11)).unwrap();
    table.roll_back_row();
    table.roll_back_row();
    push_row(&mut table, &[Cell::Int(12), Cell::Null], false);
    assert_eq!(table.len(), 2);
    assert_eq!(table.columns[0].get(1), Cell::Int(12));
    assert_eq!(table.columns[1].get(1), Cell::Null);
}

#[test]
fn a_cell_of_another_kind_is_refused_and_leaves_nothing() {
    let mut column = Column::for_type(&ColumnType::Date);
    let error = column.push(Cell::Text("2026-11-21")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cell of kind text does not fit a column of date"
    );
    assert_eq!(column.len(), 0);
    let mut unsupported = Column::for_type(&ColumnType::Unsupported);
    unsupported.push(Cell::Null).unwrap();
    unsupported.push(Cell::Int(1)).unwrap_err();
    assert_eq!(unsupported.len(), 1);
}

/// A value of every kind of column.
const VALUES: [(ColumnType, Cell<'static>); 14] = [
    (ColumnType::Bool, Cell::Bool(true)),
    (ColumnType::Int16, Cell::Int(-1)),
    (ColumnType::Int64, Cell::Int(i64::MAX)),
    (ColumnType::Float32, Cell::Float(0.5)),
    (ColumnType::Float64, Cell::Float(-1e300)),
    (
        ColumnType::Decimal {
            precision: None,
            scale: None,
        },
        Cell::Decimal("-1.50"),
    ),
    (ColumnType::Text { max_chars: None }, Cell::Text("ä\0")),
    (ColumnType::Json, Cell::Json("{}")),
    (ColumnType::Bytes, Cell::Bytes(&[0, 255])),
    (ColumnType::Date, Cell::Date(-1)),
    (ColumnType::Time, Cell::Time(1)),
    (
        ColumnType::Timestamp,
        Cell::Timestamp(Timestamp {
            seconds: -1,
            nanos: 1,
        }),
    ),
    (
        ColumnType::TimestampTz,
        Cell::Timestamp(Timestamp {
            seconds: i64::MAX,
            nanos: 0,
        }),
    ),
    (ColumnType::Uuid, Cell::Uuid([7; 16])),
];

#[test]
fn every_kind_of_column_gives_back_what_it_was_given() {
    for (column_type, value) in VALUES {
        let mut column = Column::for_type(&column_type);
        for cell in [Cell::Null, value, Cell::Absent, value] {
            column.push(cell).unwrap();
        }
        let found: Vec<Cell<'_>> = (0..column.len()).map(|row| column.get(row)).collect();
        assert_eq!(
            found,
            [Cell::Null, value, Cell::Absent, value],
            "{column_type}"
        );
        assert!(!column.all_values(), "{column_type}");
        let gathered = column.gather(&[3, 1]);
        assert_eq!(
            [gathered.get(0), gathered.get(1)],
            [value, value],
            "{column_type}"
        );
        assert!(gathered.all_values(), "{column_type}");
        assert!(
            column.data_bytes() >= gathered.data_bytes(),
            "{column_type}"
        );
    }
}

#[test]
fn a_table_has_a_column_per_written_column() {
    let types: Vec<ColumnType> = VALUES
        .iter()
        .map(|(column_type, _)| column_type.clone())
        .collect();
    let cells: Vec<Cell<'_>> = VALUES.iter().map(|(_, cell)| *cell).collect();
    let mut table = TableRows::new(target(&types, 0, WriteMode::Insert));
    push_row(&mut table, &cells, false);
    let found: Vec<Cell<'_>> = table.columns.iter().map(|column| column.get(0)).collect();
    assert_eq!(found, cells);
}

/// A text cell, owned.
#[derive(Debug, Clone, PartialEq)]
enum Held {
    Absent,
    Null,
    Text(String),
}

fn held(cell: Cell<'_>) -> Held {
    match cell {
        Cell::Absent => Held::Absent,
        Cell::Null => Held::Null,
        Cell::Text(text) => Held::Text(text.to_owned()),
        other => panic!("unexpected {}", other.kind()),
    }
}

fn lent(held: &Held) -> Cell<'_> {
    match held {
        Held::Absent => Cell::Absent,
        Held::Null => Cell::Null,
        Held::Text(text) => Cell::Text(text),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push(Held),
    Truncate(usize),
    Gather(Vec<prop::sample::Index>),
}

fn any_step() -> impl Strategy<Value = Step> {
    let held = prop_oneof![
        Just(Held::Absent),
        Just(Held::Null),
        ".{0,5}".prop_map(Held::Text)
    ];
    prop_oneof![
        8 => held.prop_map(Step::Push),
        1 => (0..20usize).prop_map(Step::Truncate),
        1 => prop::collection::vec(any::<prop::sample::Index>(), 0..20).prop_map(Step::Gather),
    ]
}

proptest! {
    #[test]
    fn a_column_is_a_list_of_cells(steps in prop::collection::vec(any_step(), 0..60)) {
        let mut column = Column::for_type(&ColumnType::Text { max_chars: None });
        let mut model: Vec<Held> = Vec::new();
        for step in steps {
            match step {
                Step::Push(value) => {
                    column.push(lent(&value)).unwrap();
                    model.push(value);
                }
                Step::Truncate(len) => {
                    column.truncate(len);
                    model.truncate(len);
                }
                Step::Gather(indexes) if !model.is_empty() => {
                    let rows: Vec<usize> = indexes.iter().map(|index| index.index(model.len())).collect();
                    column = column.gather(&rows);
                    model = rows.iter().map(|row| model[*row].clone()).collect();
                }
                Step::Gather(_) => {}
            }
            let found: Vec<Held> = (0..column.len()).map(|row| held(column.get(row))).collect();
            prop_assert_eq!(&found, &model);
            let absent = model.iter().filter(|cell| **cell == Held::Absent).count();
            let null = model.iter().filter(|cell| **cell == Held::Null).count();
            prop_assert_eq!(column.absent_count(), absent);
            prop_assert_eq!(column.all_values(), absent + null == 0);
            prop_assert_eq!(column.is_empty(), model.is_empty());
        }
    }
}
