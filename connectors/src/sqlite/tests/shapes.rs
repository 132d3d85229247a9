//! Rows of many shapes: in few statements where nobody can tell, else in one per shape.

use super::*;

const KEYS: usize = 40;
const FIELDS: usize = 4;
const LOG: &str = "CREATE TABLE log (id TEXT); CREATE TRIGGER seen AFTER UPDATE OF b ON t \
                   BEGIN INSERT INTO log VALUES (new.id); END";

/// A row of each key; they have all sixteen sets of four columns.
async fn rows(database: &Database) -> TableRows {
    let target = database.target("t", &["id"], WriteMode::Upsert).await;
    let mut rows = TableRows::new(target);
    for shape in 0..KEYS {
        let key = format!("k{shape:02}");
        let mut cells = vec![Cell::Text(&key)];
        cells.extend((0..FIELDS).map(|field| match shape >> field & 1 {
            0 => Cell::Absent,
            _ => Cell::Int(7),
        }));
        push_row(&mut rows, &cells, false);
    }
    rows
}

/// What is stored, and how many statements it took.
async fn upsert(ddl: &str) -> (Vec<String>, usize) {
    let database = Database::new(ddl).await;
    let batch = Batch {
        positions_stored: false,
        ..batch_of(Vec::new(), vec![rows(&database).await])
    };
    let timeouts = SinkTimeouts::default();
    let opened = Connection::open(&database.path, &timeouts, true).await;
    let mut connection = opened.unwrap();
    let written = write::write(&mut connection, &database.sink.progress, &batch).await;
    assert_eq!(written.unwrap(), WriteOutcome::Committed);
    let stored = database.query(&["id", "a", "b", "c", "d"], "FROM t ORDER BY id");
    (stored.await, connection.inserts)
}

/// What is in the table afterwards, given that some of the keys were there with 1 in each column.
fn expected() -> Vec<String> {
    let row = |shape: usize| {
        let was_there = shape.is_multiple_of(3);
        let cells = (0..FIELDS).map(|field| match (shape >> field & 1, was_there) {
            (0, true) => "1",
            (0, false) => "NULL",
            _ => "7",
        });
        let cells: Vec<&str> = cells.collect();
        format!("'k{shape:02}'|{}", cells.join("|"))
    };
    (0..KEYS).map(row).collect()
}

fn ddl(id: &str, more: &str) -> String {
    let rows: Vec<String> = (0..KEYS)
        .step_by(3)
        .map(|key| format!("('k{key:02}', 1, 1, 1, 1)"))
        .collect();
    format!(
        "CREATE TABLE t ({id}, a INTEGER, b INTEGER, c INTEGER, d INTEGER); \
         INSERT INTO t VALUES {}; {more}",
        rows.join(", ")
    )
}

#[tokio::test]
async fn rows_of_many_shapes_share_statements() {
    let (stored, statements) = upsert(&ddl("id TEXT PRIMARY KEY", "")).await;
    assert_eq!(stored, expected());
    // 16, 16, 4 and 4 rows.
    assert_eq!(statements, 4);
}

#[tokio::test]
async fn each_shape_has_its_statement_where_the_table_could_tell() {
    for (id, more) in [
        ("id TEXT PRIMARY KEY", LOG),
        ("id TEXT COLLATE NOCASE PRIMARY KEY", ""),
        ("id STRING PRIMARY KEY", ""),
    ] {
        let (stored, statements) = upsert(&ddl(id, more)).await;
        assert_eq!(stored, expected(), "{id}");
        assert!(statements >= 16, "{id}: {statements} statements");
    }
}

#[tokio::test]
async fn a_trigger_sees_the_columns_that_records_have() {
    let database = Database::new(&ddl("id TEXT PRIMARY KEY", LOG)).await;
    let mut session = database.session().await;
    write_rows_only(&mut session, rows(&database).await)
        .await
        .unwrap();
    let seen = database.query(&["id"], "FROM log ORDER BY id").await;
    let had_b = (0..KEYS).filter(|shape| shape.is_multiple_of(3) && shape >> 1 & 1 == 1);
    let had_b: Vec<String> = had_b.map(|shape| format!("'k{shape:02}'")).collect();
    assert_eq!(seen, had_b);
}

/// The statements that join rows with the table have names for both.
#[tokio::test]
async fn a_table_may_be_called_as_it_likes() {
    for name in ["given", "there", "row"] {
        let ddl = format!(
            "CREATE TABLE \"{name}\" (id INTEGER PRIMARY KEY, n INTEGER); \
             INSERT INTO \"{name}\" VALUES (1, 1)"
        );
        let database = Database::new(&ddl).await;
        let target = database.target(name, &["id"], WriteMode::Update).await;
        let rows = rows_of(&target, &[(&[Cell::Int(1), Cell::Int(2)], false)]);
        let mut session = database.session().await;
        write_rows_only(&mut session, rows).await.unwrap();
        let from = format!("FROM \"{name}\"");
        let stored = database.query(&["id", "n"], &from).await;
        assert_eq!(stored, ["1|2"], "{name}");
    }
}
