//! Records that cannot be stored, with Cassandra as the target: to a topic and to a table beside the rows.

use std::collections::BTreeSet;

use super::play::{Keyspace, PARTITIONS, PATIENCE};
use crate::support::hold::Hold;
use crate::support::kafka;
use crate::support::ledger::Fate;
use crate::support::producer::{Draft, Poison, Writer};
use crate::support::stage::Stage;
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

const RECORDS: i64 = 600;

/// A dead letter as its row tells it: partition, offset, stage, reason, and how long it lives.
type LetterRow = (i32, i64, String, String, Option<i32>);

/// A worker dies with rows and letters written and no position moved; its successor writes both again.
/// Each bad record has one letter in the table, and at least one in the topic; each good one is a row.
#[tokio::test(flavor = "multi_thread")]
async fn bad_records_are_letters_and_the_others_rows() {
    let stage = Stage::begin("cassandra_letters", 2).await;
    let keyspace = Keyspace::create(&stage).await;
    let name = &keyspace.name;
    let topic = stage.topic("orders", PARTITIONS).await;
    let letters = stage.topic("letters", 1).await;
    let connector = keyspace
        .connector(&stage, &topic)
        .dead_letters(&letters)
        .set("errors.deadletterqueue.table", "letters")
        // Of records, not of letters.
        .set("cassandra.ttl.seconds", "90000");
    let drafts = (0..RECORDS).map(|seq| {
        let draft = Draft::good(seq, PARTITIONS);
        // Of every partition some.
        match seq % 15 {
            3 => draft.poisoned(Poison::Malformed),
            7 => draft.poisoned(Poison::Unfit),
            _ => draft,
        }
    });
    let writer = Writer::new(&topic.name, 1, &stage.ledger);
    writer.send_all(drafts).await;
    let hold = Hold::at(&stage, "cassandra::before_checkpoint", 0);
    let mut victim = Launch::new("victim")
        .hold(&hold)
        .start(&stage, &[&connector])
        .await;
    hold.until_held(PATIENCE).await;
    stage.tell(victim.kill());
    let successor = Launch::new("successor").start(&stage, &[&connector]).await;
    eventually("all to be checkpointed", PATIENCE, || async {
        let positions = keyspace.positions().await;
        let done: i64 = positions.values().map(|(next, _)| next).sum();
        check(done == RECORDS, || format!("{done} of {RECORDS}"))
    })
    .await;

    let sent = stage.ledger.of_topic(&topic.name);
    let good = sent.iter().filter(|record| record.fate == Fate::Stored);
    let good: BTreeSet<i64> = good.map(|record| record.item).collect();
    let rows: BTreeSet<i64> = keyspace.rows("orders").await.into_keys().collect();
    assert_eq!(rows, good, "rows, and good records");
    let bad = sent.iter().filter(|record| record.fate == Fate::Rejected);
    let bad: BTreeSet<(i32, i64)> = bad
        .map(|record| (record.partition, record.offset))
        .collect();

    let columns = "kafka_partition, kafka_offset, stage, reason, ttl(reason)";
    let cql = format!("SELECT {columns} FROM {name}.letters");
    let answer = keyspace.session.query_unpaged(cql, ()).await.expect("rows");
    let answer = answer.into_rows_result().expect("rows");
    let found: Vec<LetterRow> = answer
        .rows::<LetterRow>()
        .expect("five columns")
        .map(|row| row.expect("values"))
        .collect();
    let in_table: Vec<(i32, i64)> = found.iter().map(|row| (row.0, row.1)).collect();
    assert_eq!(in_table.len(), bad.len(), "letters in the table");
    let in_table: BTreeSet<(i32, i64)> = in_table.into_iter().collect();
    assert_eq!(in_table, bad, "letters in the table, and bad records");
    for (.., stage, reason, lives) in &found {
        assert!(!stage.is_empty() && !reason.is_empty(), "{stage}: {reason}");
        assert_eq!(*lives, None, "a letter has no end");
    }
    // Letters of several partitions do not share one of the table's.
    let cql = format!("SELECT DISTINCT connector, topic, kafka_partition FROM {name}.letters");
    let answer = keyspace.session.query_unpaged(cql, ()).await.expect("rows");
    let partitions = answer.into_rows_result().expect("rows").rows_num();
    assert_eq!(partitions, usize::try_from(PARTITIONS).expect("few"));

    let read = kafka::read_topic(&letters.name, 1).await;
    let in_topic: BTreeSet<(i32, i64)> = read
        .iter()
        .map(|letter| {
            let number = |name: &str| letter.headers[&format!("__connect.errors.{name}")].parse();
            let partition: i64 = number("partition").expect("a number");
            let offset = number("offset").expect("a number");
            (i32::try_from(partition).expect("few"), offset)
        })
        .collect();
    assert_eq!(in_topic, bad, "letters in the topic, and bad records");
    successor
        .until_tasks(&connector, "RUNNING", seconds(30))
        .await;
    keyspace.drop().await;
}
