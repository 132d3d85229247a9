//! Finding refused rows.

use super::*;

async fn rejects_of(database: &Database, batch: &Batch) -> Vec<(usize, usize, String)> {
    let mut session = database.session().await;
    let error = session.write(batch).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
    let found = session.find_rejects(batch).await.unwrap();
    found
        .into_iter()
        .map(|reject| (reject.table, reject.row, reject.reason))
        .collect()
}

#[tokio::test]
async fn refused_rows_are_found_and_the_rest_can_be_written() {
    let ddl = "CREATE TABLE t (k INTEGER UNIQUE, n TEXT NOT NULL, p INTEGER CHECK (p > 0));
        INSERT INTO t VALUES (900, 'old', 1);";
    let database = Database::new(ddl).await;
    let (_, claim_id) = claimed(&database).await;
    let target = database.target("t", &[], WriteMode::Insert).await;
    let mut rows = TableRows::new(target);
    for value in 0..1000 {
        let name = if value == 17 {
            Cell::Null
        } else {
            Cell::Text("name")
        };
        let positive = if value == 500 { -1 } else { 1 };
        let unique = if value == 999 { 3 } else { value };
        push_row(
            &mut rows,
            &[Cell::Int(unique), name, Cell::Int(positive)],
            false,
        );
    }
    let mut batch = batch_of(vec![moved(0, claim_id, 0, 1000)], vec![rows]);
    let rejects = rejects_of(&database, &batch).await;
    let places: Vec<_> = rejects
        .iter()
        .map(|(table, row, _)| (*table, *row))
        .collect();
    assert_eq!(places, [(0, 17), (0, 500), (0, 900), (0, 999)]);
    let reasons: Vec<_> = rejects
        .iter()
        .map(|(_, _, reason)| reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "sqlite refuses the row: NOT NULL constraint failed: t.n (code 1299)",
            "sqlite refuses the row: CHECK constraint failed: p > 0 (code 275)",
            "sqlite refuses the row: UNIQUE constraint failed: t.k (code 2067)",
            "sqlite refuses the row: UNIQUE constraint failed: t.k (code 2067)",
        ]
    );
    assert_eq!(database.count("t").await, 1);
    assert_eq!(database.positions().await, ["0|0", "1|0"]);

    batch.retain_rows(|table, row, _| !places.contains(&(table, row)));
    let mut session = database.session().await;
    assert_eq!(
        session.write(&batch).await.unwrap(),
        WriteOutcome::Committed
    );
    assert_eq!(database.count("t").await, 997);
}

#[tokio::test]
async fn rows_of_several_tables_are_judged_in_order() {
    let ddl = "CREATE TABLE parent (k INTEGER PRIMARY KEY);
        CREATE TABLE child (k INTEGER REFERENCES parent (k), d DATE)";
    let database = Database::new(ddl).await;
    let parent = database.target("parent", &["k"], WriteMode::Insert).await;
    let child = database.target("child", &[], WriteMode::Insert).await;
    let parents = rows_of(
        &parent,
        &[(&[Cell::Int(1)], false), (&[Cell::Int(2)], false)],
    );
    let children = rows_of(
        &child,
        &[
            (&[Cell::Int(1), Cell::Date(0)], false),
            (&[Cell::Int(3), Cell::Date(0)], false),
            (&[Cell::Int(2), Cell::Date(i32::MAX)], false),
            (&[Cell::Int(2), Cell::Date(0)], false),
        ],
    );
    let batch = Batch {
        positions_stored: false,
        ..batch_of(vec![moved(0, Uuid::nil(), 0, 9)], vec![parents, children])
    };
    let rejects = rejects_of(&database, &batch).await;
    let places: Vec<_> = rejects
        .iter()
        .map(|(table, row, _)| (*table, *row))
        .collect();
    assert_eq!(places, [(1, 1), (1, 2)]);
    assert!(rejects[0].2.contains("FOREIGN KEY"), "{}", rejects[0].2);
    assert!(rejects[1].2.contains("column d (DATE)"), "{}", rejects[1].2);
}

#[tokio::test]
async fn a_batch_that_is_fine_has_no_rejects_and_leaves_nothing() {
    let database = Database::new("CREATE TABLE t (v INTEGER)").await;
    let (mut session, claim_id) = claimed(&database).await;
    let target = database.target("t", &[], WriteMode::Insert).await;
    let rows = rows_of(&target, &[(&[Cell::Int(1)], false)]);
    let batch = batch_of(vec![moved(0, claim_id, 0, 1)], vec![rows]);
    assert_eq!(session.find_rejects(&batch).await.unwrap(), []);
    assert_eq!(database.count("t").await, 0);
    assert_eq!(
        session.write(&batch).await.unwrap(),
        WriteOutcome::Committed
    );
}

#[tokio::test]
async fn a_deferred_foreign_key_stops_with_advice() {
    let ddl = "CREATE TABLE parent (k INTEGER PRIMARY KEY);
        CREATE TABLE t (k INTEGER REFERENCES parent (k) DEFERRABLE INITIALLY DEFERRED)";
    let database = Database::new(ddl).await;
    let (mut session, claim_id) = claimed(&database).await;
    let target = database.target("t", &[], WriteMode::Insert).await;
    let rows = rows_of(&target, &[(&[Cell::Int(1)], false)]);
    let batch = batch_of(vec![moved(0, claim_id, 0, 1)], vec![rows]);
    let error = session.write(&batch).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Stop);
    assert!(
        !error.commit_unknown() && !error.connection_lost(),
        "{error}"
    );
    assert_eq!(database.count("t").await, 0);
    database.run("INSERT INTO parent VALUES (1)").await;
    assert_eq!(
        session.write(&batch).await.unwrap(),
        WriteOutcome::Committed
    );
}

#[tokio::test]
async fn a_trigger_that_ends_the_transaction_rejects_no_row_and_keeps_none() {
    let ddl = "CREATE TABLE t (v INTEGER);
        CREATE TRIGGER refuse BEFORE INSERT ON t WHEN NEW.v = 3
        BEGIN SELECT RAISE(ROLLBACK, 'no three'); END;";
    let database = Database::new(ddl).await;
    let (mut session, claim_id) = claimed(&database).await;
    let target = database.target("t", &[], WriteMode::Insert).await;
    let mut rows = TableRows::new(target);
    for value in 0..8 {
        push_row(&mut rows, &[Cell::Int(value)], false);
    }
    let batch = batch_of(vec![moved(0, claim_id, 0, 8)], vec![rows]);
    let error = session.write(&batch).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
    let error = session.find_rejects(&batch).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Stop);
    assert!(error.to_string().contains("RAISE(ABORT)"), "{error}");
    assert_eq!(database.count("t").await, 0);
    assert_eq!(database.positions().await, ["0|0", "1|0"]);
    let empty = batch_of(vec![moved(0, claim_id, 0, 8)], vec![]);
    assert_eq!(
        session.write(&empty).await.unwrap(),
        WriteOutcome::Committed
    );
}

#[tokio::test]
async fn a_missing_table_or_column_stops() {
    let database = Database::new("CREATE TABLE t (a INTEGER, b INTEGER)").await;
    let target = database.target("t", &[], WriteMode::Insert).await;
    let rows = || rows_of(&target, &[(&[Cell::Int(1), Cell::Int(2)], false)]);
    let mut session = database.session().await;
    database.run("ALTER TABLE t DROP COLUMN b").await;
    let error = write_rows_only(&mut session, rows()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Stop, "{error}");
    database.run("DROP TABLE t").await;
    let error = write_rows_only(&mut session, rows()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Stop, "{error}");
    assert!(error.table_changed(), "{error}");
}

/// At most `2 log2(n) + 2` of those that carry rows, wherever the row is.
#[tokio::test]
async fn a_refused_row_among_thousands_is_found_in_few_statements() {
    const ROWS: i64 = 5_000;
    const STATEMENTS_MAX: usize = 26;
    let database = Database::new("CREATE TABLE t (k INTEGER, n INTEGER NOT NULL)").await;
    let target = database.target("t", &[], WriteMode::Insert).await;
    for bad in [0, 3_141, ROWS - 1] {
        let mut rows = TableRows::new(std::sync::Arc::clone(&target));
        for row in 0..ROWS {
            let number = if row == bad {
                Cell::Null
            } else {
                Cell::Int(row)
            };
            push_row(&mut rows, &[Cell::Int(row), number], false);
        }
        let batch = batch_of(Vec::new(), vec![rows]);
        let timeouts = SinkTimeouts::default();
        let opened = Connection::open(&database.path, &timeouts, true).await;
        let mut connection = opened.unwrap();
        let mut trial = RowTrial {
            connection: &mut connection,
            is_lost: false,
        };
        let found = reject::find(&mut trial, &batch).await.unwrap();
        let places: Vec<i64> = found
            .iter()
            .map(|reject| i64::try_from(reject.row).unwrap())
            .collect();
        assert_eq!(places, [bad]);
        let statements = connection.inserts;
        assert!(
            (10..=STATEMENTS_MAX).contains(&statements),
            "row {bad}: {statements} statements"
        );
    }
}
