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

