//! Keys that the server makes something of, or compares by rules of its own.

use std::sync::Arc;

use rowdock_connectors::{
    Cell, ColumnType, ErrorClass, NewColumn, NewTable, RowKind, Session, TableName, Target,
    Timestamp, WriteMode,
};

use super::servers;
use crate::conformance::databases::mysql::mariadb;
use crate::conformance::faults::only_the_key_counts;
use crate::conformance::support::{
    Database, Record, Server, int, put, rows, rows_only, session_without_positions, target,
};

#[tokio::test]
async fn a_numbered_key_alone_is_upserted() {
    for server in servers().await {
        for key in ["bigint AUTO_INCREMENT", "int unsigned AUTO_INCREMENT"] {
            for mode in [WriteMode::Upsert, WriteMode::InsertIgnore] {
                only_the_key_counts(&server, key, mode).await;
            }
        }
    }
}

/// Rows of which each lacks other columns are one statement of another kind.
#[tokio::test]
async fn a_numbered_key_alone_is_upserted_in_rows_of_many_shapes() {
    let columns = ["id", "n", "a", "b", "c"];
    for server in servers().await {
        server
            .run(
                "CREATE TABLE u (id bigint AUTO_INCREMENT PRIMARY KEY, n int NOT NULL UNIQUE, \
                     a int, b int, c int); \
                 INSERT INTO u (id, n, a) VALUES (1, 2, 7)",
            )
            .await;
        let mut session = session_without_positions(&server).await;
        let target = target(&mut *session, "u", &columns, 1, WriteMode::Upsert).await;
        let shaped = |shape: i64| {
            let cell = |bit: i64| match shape >> bit & 1 {
                1 => int(shape),
                _ => Cell::Absent,
            };
            let cells = vec![int(shape + 2), int(shape), cell(0), cell(1), cell(2)];
            (cells, RowKind::Write)
        };
        let records: Vec<Record<'_>> = (0..8).map(shaped).collect();
        let refused = rows_only(vec![rows(&target, &records)]);
        let error = session.write(&refused).await.expect_err("2 is there");
        assert_eq!(error.class(), ErrorClass::Record, "{error}");
        let said = error.to_string();
        assert!(said.contains("another unique key"), "{said}");
        assert_eq!(server.rows("u", &columns).await, ["1,2,7,null,null"]);
    }
}

#[tokio::test]
async fn a_time_that_is_the_key_alone_is_upserted() {
    let at = |nanos| {
        let seconds = 1_796_000_000;
        Cell::Timestamp(Timestamp { seconds, nanos })
    };
    let record = |nanos, n| {
        let (mut cells, kind) = put(0, int(n), Cell::Null);
        cells[0] = at(nanos);
        cells.pop();
        (cells, kind)
    };
    for server in servers().await {
        server
            .run("CREATE TABLE u (id timestamp(6) PRIMARY KEY, n int NOT NULL UNIQUE)")
            .await;
        let mut session = session_without_positions(&server).await;
        let target = target(&mut *session, "u", &["id", "n"], 1, WriteMode::Upsert).await;
        let mut write = async |records: &[Record<'_>]| {
            let batch = rows_only(vec![rows(&target, records)]);
            session.write(&batch).await
        };
        write(&[record(123_456_000, 1), record(7_000, 2)])
            .await
            .expect("written");
        write(&[record(123_456_000, 3)]).await.expect("upserted");
        let error = write(&[record(0, 2)]).await.expect_err("2 is there");
        assert_eq!(error.class(), ErrorClass::Record, "{error}");
        let said = error.to_string();
        assert!(said.contains("another unique key"), "{said}");
        let stored = server.rows("u", &["MICROSECOND(id)", "n"]).await;
        assert_eq!(stored, ["123456,3", "7,2"]);
    }
}

fn put_text(id: &str, n: i64) -> Record<'_> {
    (vec![Cell::Text(id), int(n)], RowKind::Write)
}

fn gone_text(id: &str, n: i64) -> Record<'_> {
    (vec![Cell::Text(id), int(n)], RowKind::Delete)
}

/// What is left is what the log comes to, though the column makes one of several texts.
#[tokio::test]
async fn texts_that_the_column_makes_one_of() {
    for server in servers().await {
        let exact = match server.texts("SELECT VERSION()").await[0].contains("MariaDB") {
            true => "utf8mb4_nopad_bin",
            false => "utf8mb4_0900_bin",
        };
        server
            .run(&format!(
                "CREATE TABLE t (id char(9) COLLATE {exact} PRIMARY KEY, n int)"
            ))
            .await;
        let mut session = session_without_positions(&server).await;
        let target = target(&mut *session, "t", &["id", "n"], 1, WriteMode::Upsert).await;
        let records = [put_text("a ", 1), put_text("a", 2)];
        let written = rows_only(vec![rows(&target, &records)]);
        session.write(&written).await.expect("written");
        assert_eq!(server.rows("t", &["id", "n"]).await, ["a,2"]);
    }
    let server = mariadb().await;
    server
        .run("CREATE TABLE t (id inet6 PRIMARY KEY, n int)")
        .await;
    let mut session = session_without_positions(&server).await;
    let target = target(&mut *session, "t", &["id", "n"], 1, WriteMode::Upsert).await;
    let records = [
        put_text("::1", 1),
        put_text("::2", 1),
        gone_text("0:0:0:0:0:0:0:1", 1),
        put_text("0::2", 2),
    ];
    let written = rows_only(vec![rows(&target, &records)]);
    session.write(&written).await.expect("written");
    assert_eq!(server.rows("t", &["id", "n"]).await, ["::2,2"]);
}

/// The row is bad, and the others are written.
#[tokio::test]
async fn a_delete_by_a_key_that_the_column_cannot_hold() {
    for server in servers().await {
        server
            .run(
                "CREATE TABLE t (id varchar(9) CHARACTER SET latin1 PRIMARY KEY, n int); \
                 INSERT INTO t VALUES ('a', 1), ('b', 1)",
            )
            .await;
        let mut session = session_without_positions(&server).await;
        let target = target(&mut *session, "t", &["id", "n"], 1, WriteMode::Upsert).await;
        let records = [gone_text("a", 1), gone_text("日本", 1)];
        let mut written = rows_only(vec![rows(&target, &records)]);
        let error = session.write(&written).await.expect_err("no such text");
        assert_eq!(error.class(), ErrorClass::Record, "{error}");
        let found = session.find_rejects(&written).await.expect("found");
        let places: Vec<usize> = found.iter().map(|bad| bad.row).collect();
        assert_eq!(places, [1], "{found:?}");
        let reason = &found[0].reason;
        assert!(reason.contains("character set"), "{reason}");
        written.retain_rows(|_, row, _| row != 1);
        session.write(&written).await.expect("written");
        assert_eq!(server.rows("t", &["id"]).await, ["b"]);
    }
}

/// The table `t` of texts and a guard, with its tombstones by this name.
async fn remembering(session: &mut dyn Session, tombstones: &str) -> Arc<Target> {
    let target = target(session, "t", &["id", "n"], 1, WriteMode::Upsert).await;
    let column = |name: &str, column_type| NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: false,
        default: None,
    };
    let text = ColumnType::Text { max_chars: Some(9) };
    let wanted = NewTable {
        name: TableName::parse(tombstones),
        columns: vec![column("id", text), column("n", ColumnType::Int32)],
        primary_key: vec!["id".to_owned()],
    };
    let created = session.create_tombstones(&target, &wanted).await;
    let tombstones = Target {
        table: created.expect("created"),
        guard: Some(1),
        ..Target::clone(&target)
    };
    Arc::new(Target {
        guard: Some(1),
        tombstones: Some(Arc::new(tombstones)),
        ..Target::clone(&target)
    })
}

/// Deletes are remembered in a table of the same name in another database, by keys that compare as the
/// table's do.
#[tokio::test]
async fn tombstones_in_another_database() {
    for server in servers().await {
        let graveyard = format!("{}_graveyard", server.name);
        server
            .run(&format!(
                "CREATE DATABASE {graveyard}; \
                 CREATE TABLE t (id varchar(9) COLLATE utf8mb4_general_ci PRIMARY KEY, n int); \
                 INSERT INTO t VALUES ('anna', 1), ('bert', 1)"
            ))
            .await;
        let mut session = session_without_positions(&server).await;
        let target = remembering(&mut *session, &format!("{graveyard}.t")).await;
        for record in [gone_text("ANNA", 3), put_text("Anna", 2)] {
            let written = rows_only(vec![rows(&target, &[record])]);
            session.write(&written).await.expect("written");
            assert_eq!(server.rows("t", &["id"]).await, ["bert"]);
        }
        let written = rows_only(vec![rows(&target, &[put_text("Anna", 4)])]);
        session.write(&written).await.expect("written");
        assert_eq!(server.rows("t", &["id"]).await, ["Anna", "bert"]);
        session.close().await;
        server.run(&format!("DROP DATABASE {graveyard}")).await;
    }
}

/// More rows than one statement deletes.
#[tokio::test]
async fn a_large_table_is_emptied() {
    const ROWS: usize = 110_000;
    for server in servers().await {
        let digits = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL \
                      SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 \
                      UNION ALL SELECT 9)";
        let tables: Vec<String> = (0..6)
            .map(|place| format!("{digits} AS t{place}"))
            .collect();
        server
            .run(&format!(
                "CREATE TABLE t (id bigint PRIMARY KEY AUTO_INCREMENT, n int); \
                 INSERT INTO t (n) SELECT 1 FROM {} LIMIT {ROWS}",
                tables.join(" CROSS JOIN ")
            ))
            .await;
        assert_eq!(server.rows("t", &["1"]).await.len(), ROWS);
        let mut session = session_without_positions(&server).await;
        let target = target(&mut *session, "t", &["id", "n"], 1, WriteMode::Upsert).await;
        let records = [
            (Vec::new(), RowKind::Truncate),
            (vec![int(1), int(2)], RowKind::Write),
        ];
        let written = rows_only(vec![rows(&target, &records)]);
        session.write(&written).await.expect("written");
        assert_eq!(server.rows("t", &["id", "n"]).await, ["1,2"]);
    }
}
