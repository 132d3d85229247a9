//! Rows that lack different columns, many in one batch: what a row lacks stays as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use rowdock_connectors::{
    Cell, ColumnType, NewColumn, NewTable, RowKind, Session, TableName, Target, WriteMode,
    WriteOutcome,
};

use super::Database;
use super::support::{Record, int, rows, rows_only, session_without_positions, target};

/// Columns besides the key; each set of them is a shape.
const COLUMNS: usize = 5;

const NAMES: [&str; COLUMNS + 1] = ["id", "a", "b", "c", "d", "e"];

/// More than there are shapes, so that each is there often.
const ROWS: i64 = 700;

/// What a table is to hold: by key, a number per column, or none.
type Expected = BTreeMap<i64, [Option<i64>; COLUMNS]>;

async fn wide(session: &mut dyn Session, mode: WriteMode) -> Arc<Target> {
    let column = |name: &&str| NewColumn {
        name: (*name).to_owned(),
        column_type: match *name {
            "id" => ColumnType::Int64,
            "c" => ColumnType::Text { max_chars: None },
            "d" => ColumnType::Decimal {
                precision: Some(12),
                scale: Some(0),
            },
            _ => ColumnType::Int32,
        },
        nullable: *name != "id",
        default: None,
    };
    let wanted = NewTable {
        name: TableName::parse("wide"),
        columns: NAMES.iter().map(column).collect(),
        primary_key: vec!["id".to_owned()],
    };
    session.create_table(&wanted).await.expect("created");
    target(session, "wide", &NAMES, 1, mode).await
}

/// A record of this key with some of the columns; one of them may be null.
fn draft(random: &mut fastrand::Rng, id: i64) -> (i64, [Option<Option<i64>>; COLUMNS]) {
    let value = |random: &mut fastrand::Rng| match random.u8(0..10) {
        0..5 => None,
        5 => Some(None),
        _ => Some(Some(random.i64(0..1_000_000))),
    };
    (id, std::array::from_fn(|_| value(random)))
}

async fn write(
    session: &mut dyn Session,
    target: &Arc<Target>,
    drafts: &[(i64, [Option<Option<i64>>; COLUMNS])],
) {
    let texts: Vec<[String; COLUMNS]> = drafts
        .iter()
        .map(|(_, given)| given.map(|value| value.flatten().unwrap_or_default().to_string()))
        .collect();
    let records: Vec<Record<'_>> = drafts
        .iter()
        .zip(&texts)
        .map(|((id, given), texts)| {
            let mut cells = vec![int(*id)];
            cells.extend(given.iter().zip(texts).enumerate().map(
                |(column, (value, text))| match (value, column) {
                    (None, _) => Cell::Absent,
                    (Some(None), _) => Cell::Null,
                    (Some(Some(_)), 2) => Cell::Text(text),
                    (Some(Some(_)), 3) => Cell::Decimal(text),
                    (Some(Some(number)), _) => int(*number),
                },
            ));
            (cells, RowKind::Write)
        })
        .collect();
    let batch = rows_only(vec![rows(target, &records)]);
    let outcome = session.write(&batch).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
}

fn apply(
    expected: &mut Expected,
    drafts: &[(i64, [Option<Option<i64>>; COLUMNS])],
    mode: WriteMode,
) {
    for (id, given) in drafts {
        if mode == WriteMode::Update && !expected.contains_key(id) {
            continue;
        }
        let row = expected.entry(*id).or_default();
        for (cell, value) in row.iter_mut().zip(given) {
            *cell = value.unwrap_or(*cell);
        }
    }
}

async fn check(database: &impl Database, expected: &Expected) {
    let text = |(id, row): (&i64, &[Option<i64>; COLUMNS])| {
        let cells = row.map(|cell| cell.map_or("null".to_owned(), |number| number.to_string()));
        format!("{id},{}", cells.join(","))
    };
    let mut expected: Vec<String> = expected.iter().map(text).collect();
    expected.sort();
    let stored = database.rows("wide", &NAMES).await;
    let differing = stored
        .iter()
        .zip(&expected)
        .find(|(stored, expected)| stored != expected);
    assert_eq!(differing, None);
    assert_eq!(stored.len(), expected.len());
}

pub(crate) async fn upserts_of_many_shapes(database: &impl Database) {
    let mut session = session_without_positions(database).await;
    let target = wide(&mut *session, WriteMode::Upsert).await;
    let mut random = fastrand::Rng::with_seed(5);
    let mut expected = Expected::new();
    for _ in 0..3 {
        // New keys, known keys, and keys that come twice.
        let drafts: Vec<_> = (0..ROWS)
            .map(|_| {
                let id = random.i64(0..ROWS * 2);
                draft(&mut random, id)
            })
            .collect();
        write(&mut *session, &target, &drafts).await;
        apply(&mut expected, &drafts, WriteMode::Upsert);
        check(database, &expected).await;
    }
}

pub(crate) async fn updates_of_many_shapes(database: &impl Database) {
    let mut session = session_without_positions(database).await;
    let upserts = wide(&mut *session, WriteMode::Upsert).await;
    let mut random = fastrand::Rng::with_seed(6);
    let mut expected = Expected::new();
    let drafts: Vec<_> = (0..ROWS).map(|id| draft(&mut random, id)).collect();
    write(&mut *session, &upserts, &drafts).await;
    apply(&mut expected, &drafts, WriteMode::Upsert);
    let updates = Arc::new(Target {
        mode: WriteMode::Update,
        ..Target::clone(&upserts)
    });
    for _ in 0..2 {
        let drafts: Vec<_> = (0..ROWS)
            .map(|_| {
                let id = random.i64(0..ROWS * 2);
                draft(&mut random, id)
            })
            .collect();
        write(&mut *session, &updates, &drafts).await;
        apply(&mut expected, &drafts, WriteMode::Update);
        check(database, &expected).await;
    }
}
