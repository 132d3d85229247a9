//! How many replicas must have a row: what is set counts, and counts for rows alone.

use rowdock_connectors::cassandra::RowConsistency;
use rowdock_connectors::{Cell, ErrorClass, Sink as _, WriteOutcome};

use super::support::{batch, claimed, put, target};
use crate::conformance::databases::cassandra::Keyspace;

/// A node that is alone: whatever more than one replica must have cannot be written. All the rest goes on,
/// the catalog and the positions, which cannot be read at every consistency that rows can be written at.
#[tokio::test]
async fn every_consistency_of_rows_on_one_node() {
    for (name, consistency) in RowConsistency::NAMES {
        let mut keyspace = Keyspace::new().await;
        keyspace.settings.consistency = consistency;
        let table = format!(
            "CREATE TABLE {}.t (id int PRIMARY KEY, n int)",
            keyspace.name
        );
        keyspace.run(&table).await;
        let (mut session, claim_id) = claimed(&keyspace).await;
        let target = target(&mut *session, "t", 1).await;
        let records = [put(0, 1_000, &[Cell::Int(1), Cell::Int(2)])];
        let written = session.write(&batch(&target, claim_id, 0, &records)).await;
        match consistency {
            RowConsistency::Two | RowConsistency::Three => {
                let error = written.expect_err(name);
                assert_eq!(error.class(), ErrorClass::Retry, "{name}: {error}");
                assert!(error.to_string().contains(name), "{name}: {error}");
            }
            _ => assert_eq!(written.expect(name), WriteOutcome::Committed, "{name}"),
        }
    }
}

#[tokio::test]
async fn counters_need_a_replica() {
    let mut keyspace = Keyspace::new().await;
    keyspace.settings.consistency = RowConsistency::Any;
    let table = format!(
        "CREATE TABLE {}.t (id int PRIMARY KEY, n counter)",
        keyspace.name
    );
    keyspace.run(&table).await;
    let opened = keyspace.plain_sink("orders", false).open().await;
    let mut session = opened.expect("a session");
    let target = target(&mut *session, "t", 1).await;
    let records = [put(0, 1_000, &[Cell::Int(1), Cell::Int(2)])];
    let mut counted = batch(&target, uuid::Uuid::nil(), 0, &records);
    counted.positions_stored = false;
    let error = session.write(&counted).await.expect_err("refused");
    assert_eq!(error.class(), ErrorClass::Stop, "{error}");
    assert!(error.to_string().contains("ANY"), "{error}");
}
