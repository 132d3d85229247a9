//! Every type, there and back.

use rowdock_connectors::{Cell, ColumnType, Timestamp, WriteOutcome};

use super::support::{batch, claimed, put, target};
use crate::conformance::databases::cassandra::Keyspace;

const MOMENT: Timestamp = Timestamp {
    seconds: 1_763_720_130,
    nanos: 123_456_789,
};

/// A type of the server, a cell for it, and what the server shows of it as JSON.
fn cases() -> Vec<(&'static str, Cell<'static>, &'static str)> {
    let version_1 = *uuid::Uuid::from_u128(0x5bf4_4b5c_c6b2_11f0_8de9_0242_ac12_0002).as_bytes();
    vec![
        ("boolean", Cell::Bool(true), "true"),
        ("tinyint", Cell::Int(-128), "-128"),
        ("smallint", Cell::Int(32_767), "32767"),
        ("int", Cell::Int(-2_147_483_648), "-2147483648"),
        ("bigint", Cell::Int(i64::MAX), "9223372036854775807"),
        (
            "varint",
            Cell::Decimal("-170141183460469231731687303715884105729"),
            "-170141183460469231731687303715884105729",
        ),
        (
            "decimal",
            Cell::Decimal("123456789012345678901234567890.0120"),
            "123456789012345678901234567890.0120",
        ),
        ("float", Cell::Float(1.5), "1.5"),
        ("double", Cell::Float(-0.1), "-0.1"),
        ("text", Cell::Text("grüß 🦀\u{0}"), "\"grüß 🦀\\u0000\""),
        ("ascii", Cell::Text("plain"), "\"plain\""),
        (
            "inet",
            Cell::Text("2001:db8::1"),
            "\"2001:db8:0:0:0:0:0:1\"",
        ),
        (
            "duration",
            Cell::Text("1y2mo3d4h5m6s7ms8us9ns"),
            "\"1y2mo3d4h5m6s7ms8us9ns\"",
        ),
        ("blob", Cell::Bytes(&[0, 255]), "\"0x00ff\""),
        ("date", Cell::Date(-1), "\"1969-12-31\""),
        (
            "time",
            Cell::Time(86_399_999_999_999),
            "\"23:59:59.999999999\"",
        ),
        (
            "timestamp",
            Cell::Timestamp(MOMENT),
            "\"2025-11-21 10:15:30.123Z\"",
        ),
        (
            "uuid",
            Cell::Uuid([0xab; 16]),
            "\"abababab-abab-abab-abab-abababababab\"",
        ),
        (
            "timeuuid",
            Cell::Uuid(version_1),
            "\"5bf44b5c-c6b2-11f0-8de9-0242ac120002\"",
        ),
        ("set<int>", Cell::Json("[3, 1, 2, 1]"), "[1, 2, 3]"),
        (
            "map<text, decimal>",
            Cell::Json("{\"a\": 1.10, \"b\": \"2\"}"),
            "{\"a\": 1.10, \"b\": 2}",
        ),
        (
            "map<int, boolean>",
            Cell::Json("{\"7\": true}"),
            "{\"7\": true}",
        ),
        (
            "frozen<list<text>>",
            Cell::Json("[\"a\", \"a\"]"),
            "[\"a\", \"a\"]",
        ),
        (
            "frozen<map<text, frozen<set<int>>>>",
            Cell::Json("{\"a\": [2, 1]}"),
            "{\"a\": [1, 2]}",
        ),
        (
            "tuple<int, text, boolean>",
            Cell::Json("[1, \"x\"]"),
            "[1, \"x\", null]",
        ),
        (
            "vector<float, 3>",
            Cell::Json("[1, 0.5, -2]"),
            "[1.0, 0.5, -2.0]",
        ),
        (
            "vector<text, 2>",
            Cell::Json("[\"a\", \"bc\"]"),
            "[\"a\", \"bc\"]",
        ),
        (
            "address",
            Cell::Json("{\"street\": \"Main\", \"numbers\": [1, 2]}"),
            "{\"street\": \"Main\", \"numbers\": [1, 2], \"zip\": null}",
        ),
        (
            "frozen<address>",
            Cell::Json("{\"zip\": 1234}"),
            "{\"street\": null, \"numbers\": null, \"zip\": 1234}",
        ),
        (
            "frozen<list<frozen<tuple<date, timestamp>>>>",
            Cell::Json("[[\"2026-01-02\", \"2026-01-02T03:04:05Z\"]]"),
            "[[\"2026-01-02\", \"2026-01-02 03:04:05.000Z\"]]",
        ),
    ]
}

#[tokio::test]
async fn every_type_there_and_back() {
    let keyspace = Keyspace::new().await;
    let name = &keyspace.name;
    keyspace
        .run(&format!(
            "CREATE TYPE {name}.address (street text, numbers frozen<list<int>>, zip int)"
        ))
        .await;
    let cases = cases();
    let columns: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(index, (native, ..))| format!("c{index:02} {native}"))
        .collect();
    keyspace
        .run(&format!(
            "CREATE TABLE {name}.t (id int PRIMARY KEY, {})",
            columns.join(", ")
        ))
        .await;
    let (mut session, claim_id) = claimed(&keyspace).await;
    let target = target(&mut *session, "t", 1).await;
    let unsupported = target
        .table
        .columns
        .iter()
        .find(|column| column.column_type == ColumnType::Unsupported);
    assert_eq!(unsupported, None);
    let mut cells = vec![Cell::Int(1)];
    cells.extend(cases.iter().map(|(_, cell, _)| *cell));
    let written = batch(
        &target,
        claim_id,
        0,
        &[put(0, 1_000, &cells), put(1, 1_000, &[Cell::Int(2)])],
    );
    let outcome = session.write(&written).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    for (index, (native, _, expected)) in cases.iter().enumerate() {
        let query = format!("SELECT toJson(c{index:02}) FROM {name}.t WHERE id = 1");
        assert_eq!(keyspace.texts(&query).await, [*expected], "{native}");
        let empty = format!("SELECT c{index:02} FROM {name}.t WHERE id = 2");
        assert_eq!(keyspace.texts(&empty).await, ["null"], "{native}");
    }
}

#[tokio::test]
async fn counters_are_added_up_at_least_once() {
    let keyspace = Keyspace::new().await;
    let name = &keyspace.name;
    keyspace
        .run(&format!(
            "CREATE TABLE {name}.t (id int PRIMARY KEY, a counter, b counter)"
        ))
        .await;
    let (mut exact, claim_id) = claimed(&keyspace).await;
    let target = target(&mut *exact, "t", 1).await;
    let records = [
        put(0, 1, &[Cell::Int(1), Cell::Int(5)]),
        put(1, 1, &[Cell::Int(1), Cell::Int(-2), Cell::Int(1)]),
    ];
    let mut counted = batch(&target, claim_id, 0, &records);
    let error = exact.write(&counted).await.expect_err("counters");
    assert_eq!(error.class(), rowdock_connectors::ErrorClass::Stop);
    assert!(error.to_string().contains("at_least_once"), "{error}");
    counted.positions_stored = false;
    let opened = rowdock_connectors::Sink::open(&keyspace.plain_sink("orders", false)).await;
    let mut session = opened.expect("session");
    let outcome = session.write(&counted).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    assert_eq!(
        keyspace
            .texts(&format!("SELECT id, a, b FROM {name}.t"))
            .await,
        ["1,3,1"]
    );
}

/// What has been counted is left out when its batch is written again, over another connection, too; a
/// batch of other records counts.
#[tokio::test]
async fn a_batch_that_comes_again_counts_what_is_missing() {
    let keyspace = Keyspace::new().await;
    let name = &keyspace.name;
    keyspace
        .run(&format!(
            "CREATE TABLE {name}.t (id text PRIMARY KEY, a counter)"
        ))
        .await;
    let sink = keyspace.plain_sink("orders", false);
    let mut first = rowdock_connectors::Sink::open(&sink)
        .await
        .expect("session");
    let target = target(&mut *first, "t", 1).await;
    // Longer than a key may be: the server refuses it.
    let long = "k".repeat(70_000);
    let row = |offset, id| put(offset, 1, &[id, Cell::Int(1)]);
    let mut records: Vec<_> = (0..40).map(|offset| row(offset, Cell::Text("x"))).collect();
    records.push(row(40, Cell::Text(&long)));
    records.push(row(41, Cell::Text("y")));
    let mut counted = batch(&target, uuid::Uuid::nil(), 0, &records);
    counted.positions_stored = false;
    let error = first.write(&counted).await.expect_err("refused");
    assert_eq!(error.class(), rowdock_connectors::ErrorClass::Record);
    counted.retain_rows(|_, row, _| row != 40);
    let mut second = rowdock_connectors::Sink::open(&sink)
        .await
        .expect("session");
    let outcome = second.write(&counted).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    let sums = format!("SELECT id, a FROM {name}.t");
    assert_eq!(keyspace.texts(&sums).await, ["x,40", "y,1"]);
    let mut next = batch(&target, uuid::Uuid::nil(), 42, &[row(42, Cell::Text("y"))]);
    next.positions_stored = false;
    let outcome = second.write(&next).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    assert_eq!(keyspace.texts(&sums).await, ["x,40", "y,2"]);
}
