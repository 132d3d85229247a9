//! Keys of several columns, deletes of many rows, time to live, tables that change.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rowdock_connectors::cassandra::{TtlField, TtlKind};
use rowdock_connectors::{
    Cell, ColumnType, ErrorClass, NewColumn, NewTable, Sink as _, TableName, WriteOutcome,
};

use super::support::{batch, gone, put, session, target};
use crate::conformance::databases::cassandra::Keyspace;
use crate::conformance::support::{claim, start, until};

#[tokio::test]
async fn a_partition_goes_with_all_its_rows() {
    let keyspace = Keyspace::new().await;
    let name = &keyspace.name;
    keyspace
        .run(&format!(
            "CREATE TABLE {name}.t (p int, c int, d int, n int, PRIMARY KEY (p, c, d))"
        ))
        .await;
    let mut session = session(&keyspace).await;
    start(&mut *session, 1).await;
    let claim_id = claim(&mut *session, &[0]).await;
    let row = |offset, p, c, d| {
        put(
            offset,
            1_000,
            &[Cell::Int(p), Cell::Int(c), Cell::Int(d), Cell::Int(offset)],
        )
    };
    let by_partition = target(&mut *session, "t", 1).await;
    let records = [
        row(0, 1, 1, 1),
        row(1, 1, 2, 1),
        row(2, 2, 1, 1),
        gone(3, 1_000, &[Cell::Int(1)]),
        row(4, 1, 3, 1),
        row(5, 1, 3, 2),
        row(6, 1, 4, 1),
    ];
    let first = batch(&by_partition, claim_id, 0, &records);
    assert_eq!(
        session.write(&first).await.expect("written"),
        WriteOutcome::Committed
    );
    let query = format!("SELECT p, c, d FROM {name}.t");
    let rows = || keyspace.texts(&query);
    assert_eq!(rows().await, ["1,3,1", "1,3,2", "1,4,1", "2,1,1"]);
    let by_prefix = target(&mut *session, "t", 2).await;
    let second = batch(
        &by_prefix,
        claim_id,
        7,
        &[gone(7, 1_000, &[Cell::Int(1), Cell::Int(3)])],
    );
    assert_eq!(
        session.write(&second).await.expect("written"),
        WriteOutcome::Committed
    );
    assert_eq!(rows().await, ["1,4,1", "2,1,1"]);
}

fn now_seconds() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    i64::try_from(since.as_secs()).expect("small")
}

/// Rows end when their records say, whenever they are written.
#[tokio::test]
async fn rows_end_at_their_time() {
    let mut keyspace = Keyspace::new().await;
    keyspace.settings.ttl_seconds = 1_000;
    keyspace.settings.ttl_field = Some(TtlField {
        name: "ends".to_owned(),
        kind: TtlKind::Seconds,
    });
    let name = keyspace.name.clone();
    keyspace
        .run(&format!(
            "CREATE TABLE {name}.t (id int PRIMARY KEY, n int)"
        ))
        .await;
    let mut session = session(&keyspace).await;
    start(&mut *session, 1).await;
    let claim_id = claim(&mut *session, &[0]).await;
    let target = target(&mut *session, "t", 1).await;
    assert_eq!(target.table.columns[2].name, "ends");
    let made = (now_seconds() - 100) * 1_000;
    let row = |id: i64, ends: Cell<'static>| put(id, made, &[Cell::Int(id), Cell::Int(1), ends]);
    let records = [
        row(0, Cell::Int(500)),
        row(1, Cell::Null),
        row(2, Cell::Int(50)),
        row(3, Cell::Int(0)),
    ];
    let written = batch(&target, claim_id, 0, &records);
    assert_eq!(
        session.write(&written).await.expect("written"),
        WriteOutcome::Committed
    );
    let left = async |id: i64| {
        let query = format!("SELECT ttl(n) FROM {name}.t WHERE id = {id}");
        let found = keyspace.texts(&query).await;
        found.first().and_then(|text| text.parse::<i64>().ok())
    };
    let near = |found: Option<i64>, expected: i64| {
        let found = found.expect("a time to live");
        assert!(
            (expected - 15..=expected).contains(&found),
            "{found} of {expected}"
        );
    };
    near(left(0).await, 400);
    near(left(1).await, 900);
    near(left(3).await, 900);
    until("the ended row goes", async || {
        keyspace
            .texts(&format!("SELECT id FROM {name}.t WHERE id = 2"))
            .await
            .is_empty()
    })
    .await;
    let beyond = [row(4, Cell::Int(700_000_000))];
    let error = session
        .write(&batch(&target, claim_id, 4, &beyond))
        .await
        .expect_err("too long");
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
}

#[tokio::test]
async fn write_timestamps_of_the_producers_own() {
    let mut keyspace = Keyspace::new().await;
    keyspace.settings.timestamp_field = Some("version".to_owned());
    let name = keyspace.name.clone();
    keyspace
        .run(&format!(
            "CREATE TABLE {name}.t (id int PRIMARY KEY, n int)"
        ))
        .await;
    let mut session = session(&keyspace).await;
    start(&mut *session, 1).await;
    let claim_id = claim(&mut *session, &[0]).await;
    let target = target(&mut *session, "t", 1).await;
    let row =
        |offset, n, version| put(offset, 5, &[Cell::Int(1), Cell::Int(n), Cell::Int(version)]);
    let written = batch(&target, claim_id, 0, &[row(0, 1, 90), row(1, 2, 80)]);
    assert_eq!(
        session.write(&written).await.expect("written"),
        WriteOutcome::Committed
    );
    assert_eq!(
        keyspace
            .texts(&format!("SELECT n, writetime(n) FROM {name}.t"))
            .await,
        ["1,90"]
    );
    let wrong = batch(&target, claim_id, 2, &[row(2, 1, 0)]);
    let error = session.write(&wrong).await.expect_err("no timestamp");
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
}

#[tokio::test]
async fn created_with_the_keyspace_and_the_partition_key_that_are_named() {
    let mut keyspace = Keyspace::new().await;
    let replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    keyspace.settings.keyspace_replication = Some(replication.to_owned());
    keyspace.settings.partition_key = vec!["b".to_owned()];
    keyspace
        .run(&format!("DROP KEYSPACE {}", keyspace.name))
        .await;
    let mut session = session(&keyspace).await;
    let column = |name: &str| NewColumn {
        name: name.to_owned(),
        column_type: ColumnType::Int32,
        nullable: name == "n",
    };
    let wanted = NewTable {
        name: TableName::parse("T"),
        columns: ["a", "b", "n"].map(column).to_vec(),
        primary_key: ["a".to_owned(), "b".to_owned()].to_vec(),
    };
    let created = session.create_table(&wanted).await.expect("created");
    assert_eq!(created.primary_key, ["b", "a"]);
    let keyless = NewTable {
        name: TableName::parse("U"),
        primary_key: Vec::new(),
        ..wanted
    };
    let error = session.create_table(&keyless).await.expect_err("no key");
    assert!(error.to_string().contains("pk.mode"), "{error}");
}

#[tokio::test]
async fn a_changed_table_is_told() {
    let keyspace = Keyspace::new().await;
    let name = &keyspace.name;
    let create = format!("CREATE TABLE {name}.t (id int PRIMARY KEY, n int, note text)");
    keyspace.run(&create).await;
    let mut session = session(&keyspace).await;
    start(&mut *session, 1).await;
    let claim_id = claim(&mut *session, &[0]).await;
    let before = target(&mut *session, "t", 1).await;
    let row = |offset| {
        put(
            offset,
            1_000,
            &[Cell::Int(offset), Cell::Int(1), Cell::Text("x")],
        )
    };
    let written = batch(&before, claim_id, 0, &[row(0)]);
    assert_eq!(
        session.write(&written).await.expect("written"),
        WriteOutcome::Committed
    );
    let next = batch(&before, claim_id, 1, &[row(1)]);
    for change in [
        format!("ALTER TABLE {name}.t DROP note"),
        format!("DROP TABLE {name}.t"),
    ] {
        keyspace.run(&change).await;
        let error = session.write(&next).await.expect_err("changed");
        assert!(
            error.table_changed() && !error.connection_lost(),
            "{change}: {error}"
        );
    }
    keyspace.run(&create).await;
    let after = target(&mut *session, "t", 1).await;
    let next = batch(&after, claim_id, 1, &[row(1)]);
    // The server may need a moment to forget the statements of the old table.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        match session.write(&next).await {
            Ok(outcome) => break assert_eq!(outcome, WriteOutcome::Committed),
            Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
        }
    }
    assert_eq!(
        keyspace.texts(&format!("SELECT id FROM {name}.t")).await,
        ["1"]
    );
}

#[tokio::test]
async fn a_keyspace_that_is_missing_is_told_with_what_to_do() {
    let keyspace = Keyspace::new().await;
    keyspace
        .run(&format!("DROP KEYSPACE {}", keyspace.name))
        .await;
    let opened = keyspace.plain_sink("orders", true).open().await;
    let error = opened.err().expect("no keyspace");
    assert_eq!(error.class(), ErrorClass::Stop, "{error}");
    assert!(
        error.to_string().contains("CREATE TABLE IF NOT EXISTS"),
        "{error}"
    );
    keyspace
        .run(&format!(
            "CREATE KEYSPACE {} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}",
            keyspace.name
        ))
        .await;
}
