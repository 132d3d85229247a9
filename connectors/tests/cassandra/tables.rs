//! Keys of several columns, deletes of many rows, time to live, tables that change.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rowdock_connectors::cassandra::{CassandraSettings, TtlField, TtlKind};
use rowdock_connectors::{
    Cell, ColumnType, ErrorClass, NewColumn, NewTable, Sink as _, TableName, Timestamp,
    WriteOutcome,
};

use super::support::{batch, claimed, gone, put, session, target};
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
    let (mut session, claim_id) = claimed(&keyspace).await;
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
    let (mut session, claim_id) = claimed(&keyspace).await;
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
    near(left(&keyspace, 0).await, 400);
    near(left(&keyspace, 1).await, 900);
    assert_eq!(left(&keyspace, 3).await, None, "0 is no end");
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

/// Neither a write timestamp of the producer's own nor a clock without times says when a record was made.
#[tokio::test]
async fn lives_count_from_the_records_time_alone() {
    let mut keyspace = Keyspace::new().await;
    keyspace.settings.ttl_seconds = 1_000;
    keyspace.settings.timestamp_field = Some("version".to_owned());
    let name = keyspace.name.clone();
    keyspace
        .run(&format!(
            "CREATE TABLE {name}.t (id int PRIMARY KEY, n int)"
        ))
        .await;
    let (mut exact, claim_id) = claimed(&keyspace).await;
    let target = target(&mut *exact, "t", 1).await;
    let made = (now_seconds() - 100) * 1_000;
    let row = |id: i64, time, version: Cell<'static>| {
        put(id, time, &[Cell::Int(id), Cell::Int(1), version])
    };
    let records = [row(0, made, Cell::Int(90)), row(1, made, Cell::Null)];
    let written = batch(&target, claim_id, 0, &records);
    assert_eq!(
        exact.write(&written).await.expect("written"),
        WriteOutcome::Committed
    );
    near(left(&keyspace, 0).await, 900);
    near(left(&keyspace, 1).await, 900);
    // Whenever it was written, it would end at another time.
    let mut timeless = batch(&target, claim_id, 2, &[row(2, 0, Cell::Null)]);
    let error = exact.write(&timeless).await.expect_err("no time");
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
    assert!(error.to_string().contains("has none"), "{error}");
    let mut plain = keyspace
        .plain_sink("orders", false)
        .open()
        .await
        .expect("a session");
    timeless.positions_stored = false;
    assert_eq!(
        plain.write(&timeless).await.expect("written"),
        WriteOutcome::Committed
    );
    near(left(&keyspace, 2).await, 1_000);
}

/// What a table says of its rows' lives is taken as a setting is: else each writing would prolong them.
#[tokio::test]
async fn a_tables_own_time_to_live_counts_from_the_records_time() {
    let mut keyspace = Keyspace::new().await;
    keyspace.settings.ttl_field = Some(TtlField {
        name: "ends".to_owned(),
        kind: TtlKind::Seconds,
    });
    let name = keyspace.name.clone();
    keyspace
        .run(&format!(
            "CREATE TABLE {name}.t (id int PRIMARY KEY, n int) WITH default_time_to_live = 1000"
        ))
        .await;
    let made = (now_seconds() - 100) * 1_000;
    let row = |id: i64, ends: Cell<'static>| put(id, made, &[Cell::Int(id), Cell::Int(1), ends]);
    let records = [
        row(0, Cell::Null),
        row(1, Cell::Int(0)),
        row(2, Cell::Int(500)),
    ];
    let (mut session, claim_id) = claimed(&keyspace).await;
    let whole = target(&mut *session, "t", 1).await;
    let written = batch(&whole, claim_id, 0, &records);
    assert_eq!(
        session.write(&written).await.expect("written"),
        WriteOutcome::Committed
    );
    near(left(&keyspace, 0).await, 900);
    assert_eq!(left(&keyspace, 1).await, None, "0 is no end");
    near(left(&keyspace, 2).await, 400);
    // Without any setting, too; and a setting takes its place.
    for (setting, expected) in [(0, 900), (2_000, 1_900)] {
        let mut keyspace = Keyspace::new().await;
        keyspace.settings.ttl_seconds = setting;
        let name = keyspace.name.clone();
        keyspace
            .run(&format!(
                "CREATE TABLE {name}.t (id int PRIMARY KEY, n int) WITH default_time_to_live = 1000"
            ))
            .await;
        let mut session = self::session(&keyspace).await;
        start(&mut *session, 1).await;
        let claim_id = claim(&mut *session, &[0]).await;
        let plain = target(&mut *session, "t", 1).await;
        let records = [put(0, made, &[Cell::Int(0), Cell::Int(1)])];
        let written = batch(&plain, claim_id, 0, &records);
        assert_eq!(
            session.write(&written).await.expect("written"),
            WriteOutcome::Committed
        );
        near(left(&keyspace, 0).await, expected);
    }
}

/// How long a row still lives.
async fn left(keyspace: &Keyspace, id: i64) -> Option<i64> {
    let query = format!("SELECT ttl(n) FROM {}.t WHERE id = {id}", keyspace.name);
    let found = keyspace.texts(&query).await;
    found.first().and_then(|text| text.parse::<i64>().ok())
}

/// A minute is what a busy machine may take between a row and the look at it.
fn near(found: Option<i64>, expected: i64) {
    let found = found.expect("a time to live");
    assert!(
        (expected - 60..=expected).contains(&found),
        "{found} of {expected}"
    );
}

/// As by default, the field is the moment of the row's end: a timestamp, or a column with milliseconds.
#[tokio::test]
async fn rows_end_at_the_moment_that_they_say() {
    let mut keyspace = Keyspace::new().await;
    keyspace.settings.ttl_field = Some(TtlField {
        name: "ends".to_owned(),
        kind: TtlKind::Expiry,
    });
    let name = keyspace.name.clone();
    for table in [
        "t (id int PRIMARY KEY, n int)",
        "u (id int PRIMARY KEY, ends bigint)",
    ] {
        keyspace.run(&format!("CREATE TABLE {name}.{table}")).await;
    }
    let (mut session, claim_id) = claimed(&keyspace).await;
    let apart = target(&mut *session, "t", 1).await;
    let now = now_seconds();
    // Where the record's time is does not matter.
    let row = |offset, id, ends| put(offset, 1_000, &[Cell::Int(id), Cell::Int(1), ends]);
    let at = |seconds| Cell::Timestamp(Timestamp { seconds, nanos: 0 });
    let records = [
        row(0, 0, at(now + 5_000)),
        row(1, 1, Cell::Null),
        row(2, 2, at(now + 5_000)),
        row(3, 2, at(now - 5_000)),
    ];
    let written = batch(&apart, claim_id, 0, &records);
    assert_eq!(
        session.write(&written).await.expect("written"),
        WriteOutcome::Committed
    );
    near(left(&keyspace, 0).await, 5_000);
    assert_eq!(left(&keyspace, 1).await, None);
    let ids = format!("SELECT id FROM {name}.t");
    until("what has ended goes, and what was before it", async || {
        keyspace.texts(&ids).await == ["0", "1"]
    })
    .await;
    let column = target(&mut *session, "u", 1).await;
    let millis = Cell::Int((now + 5_000) * 1_000);
    let written = batch(
        &column,
        claim_id,
        4,
        &[put(4, 1_000, &[Cell::Int(0), millis])],
    );
    assert_eq!(
        session.write(&written).await.expect("written"),
        WriteOutcome::Committed
    );
    let query = format!("SELECT ttl(ends) FROM {name}.u");
    let found = keyspace.texts(&query).await;
    near(found[0].parse().ok(), 5_000);
}

/// By default a null leaves its column as it was, write timestamp and all; or else it takes the value away.
#[tokio::test]
async fn what_a_null_does_is_set() {
    assert!(CassandraSettings::default().null_to_unset);
    for (null_to_unset, kept) in [(true, "1,a,1000000,7"), (false, "1,null,null,7")] {
        let mut keyspace = Keyspace::new().await;
        keyspace.settings.null_to_unset = null_to_unset;
        let name = keyspace.name.clone();
        let create = format!("CREATE TABLE {name}.t (id int PRIMARY KEY, n int, note text)");
        keyspace.run(&create).await;
        let (mut session, claim_id) = claimed(&keyspace).await;
        let target = target(&mut *session, "t", 1).await;
        let row = |offset, id, n, note| {
            let cells = [Cell::Int(id), Cell::Int(n), note];
            put(offset, 1_000 + offset, &cells)
        };
        let records = [
            row(0, 1, 5, Cell::Text("a")),
            row(1, 1, 7, Cell::Null),
            row(2, 2, 7, Cell::Null),
        ];
        let written = batch(&target, claim_id, 0, &records);
        assert_eq!(
            session.write(&written).await.expect("written"),
            WriteOutcome::Committed
        );
        let query = format!("SELECT id, note, writetime(note), n FROM {name}.t");
        let expected = [kept, "2,null,null,7"];
        assert_eq!(keyspace.texts(&query).await, expected, "{null_to_unset}");
    }
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
    let (mut session, claim_id) = claimed(&keyspace).await;
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
        default: None,
    };
    let wanted = NewTable {
        name: TableName::parse("T"),
        columns: ["a", "b", "n"].map(column).to_vec(),
        primary_key: ["a".to_owned(), "b".to_owned()].to_vec(),
    };
    let created = session.create_table(&wanted).await.expect("created");
    assert_eq!(created.primary_key, ["b", "a"]);
    let foreign = NewTable {
        name: TableName::parse("V"),
        primary_key: vec!["a".to_owned()],
        ..wanted.clone()
    };
    let error = session.create_table(&foreign).await.expect_err("no b");
    assert_eq!(error.class(), ErrorClass::Stop, "{error}");
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
    let (mut session, claim_id) = claimed(&keyspace).await;
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
