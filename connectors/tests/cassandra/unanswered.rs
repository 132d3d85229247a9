//! Answers that do not come: of rows, before which no position moves, and of the move itself.

use rowdock_connectors::cassandra::CassandraSink;
use rowdock_connectors::{Cell, ErrorClass, Session, Sink as _, WriteOutcome};

use super::support::{Record, batch, put, target};
use crate::conformance::databases::cassandra::Keyspace;
use crate::conformance::support::{claim, options, starts, until};
use crate::services;
use crate::wire::Wire;

const NOTE: &str = "a note that only rows have";

/// Where the partition starts and ends: numbers whose bytes nothing else has.
const START: i64 = i64::from_be_bytes(*b"abcdefgh");
const END: &[u8] = b"abcdefgk";

/// What every statement on positions says twice: as the connector and as the topic.
const OF_POSITIONS: &[u8] = b"orders";

/// A keyspace with a table, and a wire to its server.
async fn stage(requests_max: usize) -> (Keyspace, Wire) {
    let mut keyspace = Keyspace::new().await;
    keyspace.settings.requests_max = requests_max;
    keyspace
        .run(&format!(
            "CREATE TABLE {}.t (id int PRIMARY KEY, note text)",
            keyspace.name
        ))
        .await;
    let wire = Wire::to(&services::address("ROWDOCK_TEST_CASSANDRA")).await;
    (keyspace, wire)
}

/// A session that says everything through this wire, and waits for no answer for longer than two seconds.
async fn impatient(wire: &Wire, keyspace: &Keyspace) -> Box<dyn Session> {
    let url = format!(
        "cassandra://{}/{}?requestTimeout=2000",
        wire.address, keyspace.name
    );
    let options = options(&url, "orders", true);
    let sink = CassandraSink::new(options, keyspace.settings.clone()).expect("options");
    sink.open().await.expect("session")
}

/// Position and clock as another session reads them.
async fn checkpoint(keyspace: &Keyspace) -> Vec<String> {
    let query = format!(
        "SELECT next_offset, clock FROM {}.rowdock_progress WHERE partition = 0 ALLOW FILTERING",
        keyspace.name
    );
    keyspace.texts(&query).await
}

async fn rows(keyspace: &Keyspace) -> Vec<String> {
    let query = format!("SELECT id, note, writetime(note) FROM {}.t", keyspace.name);
    keyspace.texts(&query).await
}

fn records(start: i64, count: i64) -> Vec<Record<'static>> {
    let record = |id| put(start + id, 1_000, &[Cell::Int(id), Cell::Text(NOTE)]);
    (0..count).map(record).collect()
}

/// A node has rows and does not answer: they may be there or not, and no position says that they are. Written
/// again they are the same.
#[tokio::test]
async fn no_position_passes_rows_that_are_not_answered() {
    const ROWS: i64 = 60;
    let (keyspace, wire) = stage(7).await;
    let mut session = impatient(&wire, &keyspace).await;
    let started = session.write_starts(&starts(true, &[(0, 0)])).await;
    started.expect("started");
    let claim_id = claim(&mut *session, &[0]).await;
    let target = target(&mut *session, "t", 1).await;
    let rows_of_all = batch(&target, claim_id, 0, &records(0, ROWS));
    let before = checkpoint(&keyspace).await;
    assert_eq!(before, ["0,0"]);

    wire.hold_answers_to(NOTE.as_bytes());
    let writing = tokio::spawn(async move {
        let written = session.write(&rows_of_all).await;
        (session, rows_of_all, written)
    });
    until("rows are on their way", async || {
        wire.times_said(NOTE.as_bytes()) > 0
    })
    .await;
    let said = wire.times_said(OF_POSITIONS);
    let (mut session, rows_of_all, written) = writing.await.expect("no panic");
    let error = written.expect_err("no answer");
    assert_eq!(error.class(), ErrorClass::Retry, "{error}");
    assert!(!error.commit_unknown(), "{error}");
    // A server carries out what it has heard, though its answer is held.
    assert_eq!(wire.times_said(OF_POSITIONS), said, "no move was sent");
    assert_eq!(checkpoint(&keyspace).await, before);

    wire.let_answers_pass();
    until("what was heard is there", async || {
        !rows(&keyspace).await.is_empty()
    })
    .await;
    let early = rows(&keyspace).await;
    let outcome = session.write(&rows_of_all).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    let all = rows(&keyspace).await;
    assert_eq!(all.len(), rows_of_all.tables[0].len());
    assert!(early.iter().all(|row| all.contains(row)), "{early:?}");
    let end = 1_000_000 + ROWS - 1;
    assert_eq!(checkpoint(&keyspace).await, [format!("{ROWS},{end}")]);
    // Each has a timestamp of its own, by its offset.
    assert!(
        all.contains(&format!("{},{NOTE},{end}", ROWS - 1)),
        "{all:?}"
    );
}

/// The move was made, and its answer did not come: the row is read, and nothing is moved twice.
#[tokio::test]
async fn a_move_that_is_not_answered_is_looked_up() {
    let (keyspace, wire) = stage(7).await;
    let mut session = impatient(&wire, &keyspace).await;
    let started = session.write_starts(&starts(true, &[(0, START)])).await;
    started.expect("started");
    let claim_id = claim(&mut *session, &[0]).await;
    let target = target(&mut *session, "t", 1).await;
    let all = batch(&target, claim_id, START, &records(START, 3));
    wire.hold_answers_to(END);
    let before = wire.times_said(OF_POSITIONS);
    let writing = tokio::spawn(async move {
        let written = session.write(&all).await;
        (session, written)
    });
    until("the move is on its way", async || wire.times_said(END) == 1).await;
    let moved = wire.times_said(OF_POSITIONS);
    assert!(moved > before, "a ceiling and a move");
    until("the row is asked for", async || {
        wire.times_said(OF_POSITIONS) == moved + 2
    })
    .await;
    wire.let_answers_pass();
    let (mut session, written) = writing.await.expect("no panic");
    assert_eq!(written.expect("looked up"), WriteOutcome::Committed);
    assert_eq!(wire.times_said(END), 1, "moved once");
    let end = START + 3;
    assert_eq!(checkpoint(&keyspace).await, [format!("{end},1000002")]);
    assert_eq!(rows(&keyspace).await.len(), 3);

    let more = batch(&target, claim_id, end, &records(end, 2));
    let outcome = session.write(&more).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    assert_eq!(
        checkpoint(&keyspace).await,
        [format!("{},1000004", end + 2)]
    );
}
