//! Rows that are refused, here or by the server, each found and named.

use rowdock_connectors::{Cell, ErrorClass, RowReject, Session, WriteOutcome};

use super::support::{Record, batch, claimed, put, target};
use crate::conformance::databases::cassandra::Keyspace;

/// Refuses the second of three records; the others are written afterwards.
async fn check(table: &str, cells: [&[Cell<'_>]; 3], time: i64, expected: &str) {
    let keyspace = Keyspace::new().await;
    let name = &keyspace.name;
    keyspace
        .run(&format!("CREATE TABLE {name}.t ({table})"))
        .await;
    let (mut session, claim_id) = claimed(&keyspace).await;
    let target = target(&mut *session, "t", 1).await;
    let records: Vec<Record<'_>> = cells
        .iter()
        .zip([0, 1, 2])
        .map(|(cells, offset)| put(offset, if offset == 1 { time } else { 1_000 }, cells))
        .collect();
    let mut written = batch(&target, claim_id, 0, &records);
    let error = session.write(&written).await.expect_err("refused");
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
    let found = found(&mut *session, &written).await;
    assert_eq!(
        (found.len(), found[0].table, found[0].row),
        (1, 0, 1),
        "{found:?}"
    );
    assert!(found[0].reason.contains(expected), "{}", found[0].reason);
    written.retain_rows(|_, row, _| row != 1);
    let outcome = session.write(&written).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    let stored = keyspace.texts(&format!("SELECT * FROM {name}.t")).await;
    assert_eq!(stored.len(), 2, "{stored:?}");
}

async fn found(session: &mut dyn Session, batch: &rowdock_connectors::Batch) -> Vec<RowReject> {
    session.find_rejects(batch).await.expect("found")
}

#[tokio::test]
async fn by_their_values() {
    let cells = [
        &[Cell::Int(1), Cell::Text("10.0.0.1")][..],
        &[Cell::Int(2), Cell::Text("nowhere")],
        &[Cell::Int(3), Cell::Text("10.0.0.3")],
    ];
    check(
        "id int PRIMARY KEY, a inet",
        cells,
        1_000,
        "column \"a\" (inet)",
    )
    .await;
}

#[tokio::test]
async fn by_their_time() {
    let cells = [&[Cell::Int(1)][..], &[Cell::Int(2)], &[Cell::Int(3)]];
    check(
        "id int PRIMARY KEY, n int",
        cells,
        1_763_720_130_000_000,
        "after 2099",
    )
    .await;
}

#[tokio::test]
async fn lists_that_are_not_frozen() {
    let cells = [
        &[Cell::Int(1), Cell::Null][..],
        &[Cell::Int(2), Cell::Json("[1]")],
        &[Cell::Int(3), Cell::Absent],
    ];
    check(
        "id int PRIMARY KEY, l list<int>",
        cells,
        1_000,
        "at_least_once",
    )
    .await;
}

/// A record with a row in each of two tables: what the server refuses of one is named, and the other is there.
#[tokio::test]
async fn of_one_of_two_tables() {
    let keyspace = Keyspace::new().await;
    let name = &keyspace.name;
    for table in [
        "a (id int PRIMARY KEY, n int)",
        "b (id text PRIMARY KEY, n int)",
    ] {
        keyspace.run(&format!("CREATE TABLE {name}.{table}")).await;
    }
    let (mut session, claim_id) = claimed(&keyspace).await;
    let (a, b) = (
        target(&mut *session, "a", 1).await,
        target(&mut *session, "b", 1).await,
    );
    let long = "k".repeat(70_000);
    let of_a = [1, 2].map(|id| put(id - 1, 1_000, &[Cell::Int(id), Cell::Int(id)]));
    let of_b = [
        put(0, 1_000, &[Cell::Text(&long), Cell::Int(1)]),
        put(1, 1_000, &[Cell::Text("b"), Cell::Int(2)]),
    ];
    let mut both = batch(&a, claim_id, 0, &of_a);
    both.tables.extend(batch(&b, claim_id, 0, &of_b).tables);
    let error = session.write(&both).await.expect_err("refused");
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
    let found = found(&mut *session, &both).await;
    let places: Vec<_> = found.iter().map(|found| (found.table, found.row)).collect();
    assert_eq!(places, [(1, 0)]);
    both.retain_rows(|_, _, origin| origin.offset != 0);
    let outcome = session.write(&both).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    let ids = async |table| {
        keyspace
            .texts(&format!("SELECT id FROM {name}.{table}"))
            .await
    };
    assert_eq!(
        (ids("a").await, ids("b").await),
        (vec!["1".to_owned(), "2".to_owned()], vec!["b".to_owned()])
    );
}

/// The server's own limit on keys: 64 KiB.
#[tokio::test]
async fn by_the_server() {
    let long = "k".repeat(70_000);
    let cells = [
        &[Cell::Text("a"), Cell::Int(1)][..],
        &[Cell::Text(&long), Cell::Int(2)],
        &[Cell::Text("c"), Cell::Int(3)],
    ];
    check("id text PRIMARY KEY, n int", cells, 1_000, "").await;
}

#[tokio::test]
async fn too_large_for_the_server() {
    let large = vec![7_u8; 6 * 1024 * 1024];
    let cells = [
        &[Cell::Int(1), Cell::Bytes(b"a")][..],
        &[Cell::Int(2), Cell::Bytes(&large)],
        &[Cell::Int(3), Cell::Bytes(b"c")],
    ];
    check("id int PRIMARY KEY, b blob", cells, 1_000, "").await;
}
