//! Dead letters, read back and written once.

use std::sync::Arc;

use rowdock_connectors::{
    Cell, ClaimAnswer, ClaimRequest, ColumnType, ErrorClass, LetterKey, LetterQuery, NewColumn,
    NewTable, PartitionKey, PositionMove, Session, StartRows, StoredLetter, TableName, Target,
    Timestamp, WriteMode, WriteOutcome,
};
use uuid::Uuid;

use super::Database;
use super::support::{appended, int, put, rows, rows_only, session, target};

const COLUMNS: [(&str, ColumnType); 12] = [
    ("connector", ColumnType::Text { max_chars: None }),
    ("topic", ColumnType::Text { max_chars: None }),
    ("kafka_partition", ColumnType::Int32),
    ("kafka_offset", ColumnType::Int64),
    ("task", ColumnType::Int32),
    ("stage", ColumnType::Text { max_chars: None }),
    ("reason", ColumnType::Text { max_chars: None }),
    ("rejected_at", ColumnType::TimestampTz),
    ("record_time", ColumnType::TimestampTz),
    ("record_key", ColumnType::Bytes),
    ("record_value", ColumnType::Bytes),
    ("record_headers", ColumnType::Json),
];

async fn letter_table(session: &mut dyn Session) -> Arc<Target> {
    let column = |(name, column_type): &(&str, ColumnType)| NewColumn {
        name: (*name).to_owned(),
        column_type: column_type.clone(),
        nullable: name.starts_with("record_"),
        default: None,
    };
    let wanted = NewTable {
        name: TableName::parse("letters"),
        columns: COLUMNS.iter().map(column).collect(),
        primary_key: COLUMNS[..4]
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect(),
    };
    session.create_table(&wanted).await.expect("created");
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    target(session, "letters", &names, 4, WriteMode::Upsert).await
}

fn letter<'a>(connector: &'a str, partition: i64, offset: i64, full: bool) -> Vec<Cell<'a>> {
    let time = Timestamp {
        seconds: -1_000,
        nanos: 250_000_000,
    };
    let or_null = |cell| if full { cell } else { Cell::Null };
    vec![
        Cell::Text(connector),
        Cell::Text("orders"),
        int(partition),
        int(offset),
        int(5),
        Cell::Text("TASK_PUT"),
        Cell::Text("it's bad: \\ \u{e9}"),
        Cell::Timestamp(time),
        or_null(Cell::Timestamp(time)),
        or_null(Cell::Bytes(b"")),
        or_null(Cell::Bytes(&[0, 0xff, b'\'', b'\\'])),
        or_null(Cell::Json(r#"[{"name":"h"}]"#)),
    ]
}

fn query(after: Option<LetterKey>, limit: u32) -> LetterQuery {
    LetterQuery {
        table: TableName::parse("letters"),
        connector: "o'r".to_owned(),
        after,
        limit,
        bytes_max: 1_000,
    }
}

pub(crate) async fn dead_letters_are_read_back(database: &impl Database) {
    let mut session = session(database).await;
    let missing = session.read_letters(&query(None, 10)).await;
    assert_eq!(missing.expect_err("no table").class(), ErrorClass::Stop);
    let target = letter_table(&mut *session).await;
    let records: Vec<_> = [
        ("o'r", 1, 5_000_000_000, true),
        ("o'r", 0, 9, true),
        ("other", 0, 8, true),
        ("o'r", 1, 10, false),
    ]
    .into_iter()
    .map(|(connector, partition, offset, full)| {
        let cells = letter(connector, partition, offset, full);
        (cells, rowdock_connectors::RowKind::Write)
    })
    .collect();
    let batch = rows_only(vec![rows(&target, &records)]);
    let written = session.write(&batch).await.expect("written");
    assert_eq!(written, WriteOutcome::Committed);

    let mut found: Vec<StoredLetter> = Vec::new();
    loop {
        let after = found.last().map(|letter| letter.key.clone());
        let page = session.read_letters(&query(after, 2)).await.expect("read");
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    // The first letter is as large as the answer may be, and comes alone; the others hold next to nothing.
    for (after, count) in [(None, 1), (Some(found[0].key.clone()), 2)] {
        let small = LetterQuery {
            bytes_max: 4,
            ..query(after, 10)
        };
        let page = session.read_letters(&small).await.expect("read");
        assert_eq!(page.len(), count);
    }
    let places: Vec<_> = found
        .iter()
        .map(|letter| (&*letter.key.topic, letter.key.partition, letter.key.offset))
        .collect();
    let expected = [
        ("orders", 0, 9),
        ("orders", 1, 10),
        ("orders", 1, 5_000_000_000),
    ];
    assert_eq!(places, expected);
    let [_, empty, full] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(full.stage, "TASK_PUT");
    assert_eq!(full.reason, "it's bad: \\ \u{e9}");
    assert_eq!(full.time_ms, Some(-999_750));
    assert_eq!(full.record_key.as_deref(), Some(&b""[..]));
    let bytes = &[0, 0xff, b'\'', b'\\'][..];
    assert_eq!(full.record_value.as_deref(), Some(bytes));
    let headers = full
        .record_headers
        .as_deref()
        .map(|text| text.replace(' ', ""));
    assert_eq!(headers.as_deref(), Some(r#"[{"name":"h"}]"#));
    let absent = (
        &empty.time_ms,
        &empty.record_key,
        &empty.record_value,
        &empty.record_headers,
    );
    assert_eq!(absent, (&None, &None, &None, &None));
}

/// A record that is replayed is a partition of one record, which moves once.
pub(crate) async fn many_partitions_of_one_record(database: &impl Database) {
    const RECORDS: i32 = 300;
    let mut session = session(database).await;
    let target = appended(&mut *session, "t").await;
    let key = |record: i32| PartitionKey {
        topic: "orders/3".into(),
        partition: record,
    };
    let request = |claim_id| ClaimRequest {
        claim_id,
        generation: 0,
        force: true,
        owner: "worker/replay".to_owned(),
        partitions: (0..RECORDS).map(key).collect(),
        compacted: std::collections::BTreeSet::new(),
    };
    let unknown = session
        .claim(&request(Uuid::new_v4()))
        .await
        .expect("asked");
    assert!(
        unknown
            .iter()
            .all(|answer| *answer == ClaimAnswer::TopicUnknown)
    );
    for (first, records) in [(true, 0..200), (false, 100..RECORDS)] {
        let starts = StartRows {
            topic: "orders/3".into(),
            topic_id: String::new(),
            first,
            offsets: records.map(|record| (record, 0)).collect(),
        };
        session.write_starts(&starts).await.expect("started");
    }
    let claim_id = Uuid::new_v4();
    let answers = session.claim(&request(claim_id)).await.expect("claimed");
    assert_eq!(next_offsets(&answers), vec![0; 300]);
    let moves = |claim_id, records: std::ops::Range<i32>| -> Vec<PositionMove> {
        let moved = |record| PositionMove {
            key: key(record),
            claim_id,
            from: 0,
            to: i64::MAX - i64::from(record),
            leader_epoch: -1,
            times: Vec::new(),
        };
        records.map(moved).collect()
    };
    let mut batch = rows_only(vec![rows(&target, &[put(1, int(1), Cell::Null)])]);
    batch.positions_stored = true;
    batch.positions = moves(claim_id, 0..RECORDS - 1);
    let written = session.write(&batch).await.expect("written");
    assert_eq!(written, WriteOutcome::Committed);

    let again = Uuid::new_v4();
    let answers = session.claim(&request(again)).await.expect("claimed");
    let mut expected: Vec<i64> = (0..RECORDS)
        .map(|record| i64::MAX - i64::from(record))
        .collect();
    expected[299] = 0;
    assert_eq!(next_offsets(&answers), expected);
    batch.positions = moves(again, 298..RECORDS);
    let written = session.write(&batch).await.expect("answered");
    assert_eq!(
        written,
        WriteOutcome::Fenced(vec![0]),
        "one is written already"
    );
    assert_eq!(database.rows("t", &["id"]).await, ["1"]);
}

fn next_offsets(answers: &[ClaimAnswer]) -> Vec<i64> {
    let next_offset = |answer: &ClaimAnswer| match answer {
        ClaimAnswer::Claimed { next_offset, .. } => *next_offset,
        other => panic!("{other:?}"),
    };
    answers.iter().map(next_offset).collect()
}
