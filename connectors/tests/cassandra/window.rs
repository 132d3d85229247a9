//! The requests that rows travel in: how many are on their way at a time, and which rows share one.

use std::time::Duration;

use rowdock_connectors::cassandra::{CassandraSettings, CassandraSink};
use rowdock_connectors::{Cell, Session, Sink as _, WriteOutcome};

use super::support::{batch, put, target};
use crate::conformance::databases::cassandra::Keyspace;
use crate::conformance::support::{claim, options, start, until};
use crate::services;
use crate::wire::Wire;

/// Long enough for a request that nothing holds back.
const LOOK: Duration = Duration::from_millis(300);

/// The protocol's number for requests of several statements.
const BATCH: u8 = 13;

/// A session that says everything through this wire: the driver takes the node's address from what the
/// node says, and its port from the URL.
pub(super) async fn through(wire: &Wire, keyspace: &Keyspace) -> Box<dyn Session> {
    let url = format!("cassandra://{}/{}", wire.address, keyspace.name);
    let options = options(&url, "orders", true);
    let sink = CassandraSink::new(options, keyspace.settings.clone()).expect("options");
    sink.open().await.expect("session")
}

/// Kind and size of each request so far: behind a version, flags and two bytes that number it.
fn requests(wire: &Wire) -> Vec<(u8, usize)> {
    let mut found = Vec::new();
    for said in wire.said_by_each() {
        let mut at = 0;
        while let Some([_, _, _, _, kind, length @ ..]) = said[at..].first_chunk::<9>() {
            let length = u32::from_be_bytes(*length) as usize;
            found.push((*kind, length));
            at = (at + 9 + length).min(said.len());
        }
    }
    found
}

/// While no answer comes, as many rows are on their way as the setting says: not one more, and not one
/// less.
#[tokio::test]
async fn requests_fill_their_window_and_no_more() {
    const ROWS: i64 = 60;
    const WINDOW: usize = 7;
    const NOTE: &str = "a note that only rows have";
    let mut keyspace = Keyspace::new().await;
    keyspace.settings.requests_max = WINDOW;
    let table = format!(
        "CREATE TABLE {}.t (id int PRIMARY KEY, note text)",
        keyspace.name
    );
    keyspace.run(&table).await;
    let wire = Wire::to(&services::address("ROWDOCK_TEST_CASSANDRA")).await;
    let mut session = through(&wire, &keyspace).await;
    start(&mut *session, 1).await;
    let claim_id = claim(&mut *session, &[0]).await;
    let target = target(&mut *session, "t", 1).await;
    let records: Vec<_> = (0..ROWS)
        .map(|id| put(id, 1_000, &[Cell::Int(id), Cell::Text(NOTE)]))
        .collect();
    let (all, rows) = (records.len(), batch(&target, claim_id, 0, &records));
    wire.hold_answers_to(NOTE.as_bytes());
    let writing = tokio::spawn(async move { session.write(&rows).await });
    let on_their_way = || wire.times_said(NOTE.as_bytes());
    until("the window is full", async || on_their_way() >= WINDOW).await;
    tokio::time::sleep(LOOK).await;
    assert_eq!(on_their_way(), WINDOW);
    wire.let_answers_pass();
    let written = writing.await.expect("no panic").expect("written");
    assert_eq!(written, WriteOutcome::Committed);
    assert_eq!(on_their_way(), all);
    let count = format!("SELECT count(*) FROM {}.t", keyspace.name);
    assert_eq!(keyspace.texts(&count).await, [all.to_string()]);
}

#[tokio::test]
async fn rows_of_one_partition_share_requests() {
    const ROWS: i64 = 700;
    const REQUESTS_MAX: usize = 40;
    // With what stands around the values of each row.
    const BATCH_BYTES_MAX: usize = 2 * CassandraSettings::BATCH_BYTES_DEFAULT;
    let keyspace = Keyspace::new().await;
    let name = &keyspace.name;
    keyspace
        .run(&format!(
            "CREATE TABLE {name}.t (p int, c int, n text, PRIMARY KEY (p, c))"
        ))
        .await;
    let wire = Wire::to(&services::address("ROWDOCK_TEST_CASSANDRA")).await;
    let mut session = through(&wire, &keyspace).await;
    start(&mut *session, 1).await;
    let claim_id = claim(&mut *session, &[0]).await;
    let target = target(&mut *session, "t", 2).await;
    let long = "x".repeat(3_000);
    let records: Vec<_> = (0..ROWS)
        .map(|offset| {
            let note = if offset % 100 == 0 {
                Cell::Text(&long)
            } else {
                Cell::Text("short")
            };
            put(
                offset,
                1_000,
                &[Cell::Int(offset % 2), Cell::Int(offset), note],
            )
        })
        .collect();
    let written = batch(&target, claim_id, 0, &records);
    assert_eq!(
        session.write(&written).await.expect("written"),
        WriteOutcome::Committed
    );
    let query = format!("SELECT p, count(*), max(writetime(n)) FROM {name}.t GROUP BY p");
    // Each has a timestamp of its own.
    assert_eq!(
        keyspace.texts(&query).await,
        ["0,350,1000698", "1,350,1000699"]
    );
    let shared = requests(&wire)
        .into_iter()
        .filter(|(kind, _)| *kind == BATCH);
    let sizes: Vec<usize> = shared.map(|(_, size)| size).collect();
    assert!((2..=REQUESTS_MAX).contains(&sizes.len()), "{sizes:?}");
    assert!(
        sizes.iter().all(|size| *size <= BATCH_BYTES_MAX),
        "{sizes:?}"
    );
}
