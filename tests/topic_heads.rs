//! Topics that begin with records of which no table can be made, read into a table that is to be
//! created: deletes of what compaction has removed, records that cannot be read.

use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

/// Sends these records, each with its number as its key.
async fn send(topic: &Topic, first: usize, values: &[Option<&str>]) {
    let producer: FutureProducer = kafka::client().create().unwrap();
    for (index, value) in values.iter().enumerate() {
        let key = (first + index).to_string();
        let mut record = FutureRecord::<str, str>::to(&topic.name).key(&key);
        record.payload = *value;
        let sent = producer.send(record, seconds(10)).await;
        sent.map_err(|(error, _)| error).unwrap();
    }
}

fn connector(stage: &Stage, topic: &Topic) -> Connector {
    Connector::to_table(stage, &[topic], "made")
        .set("auto.create", "true")
        .set("insert.mode", "upsert")
        .set("pk.mode", "record_key")
        .set("pk.fields", "id")
        .set("key.converter", "StringConverter")
        .set("delete.enabled", "true")
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_and_bad_records_come_before_the_table() {
    let stage = Stage::begin("head_deletes", 1).await;
    let topic = stage.topic("made", 1).await;
    let letters = stage.topic("letters", 1).await;
    let connector = connector(&stage, &topic).dead_letters(&letters);
    send(&topic, 0, &[None, Some("broken"), None, Some("{}"), None]).await;
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    eventually("the bad ones to be letters", seconds(30), || async {
        let found = kafka::read_topic(&letters.name, 1).await.len();
        check(found == 2, || format!("{found} letters"))
    })
    .await;
    assert!(!stage.database.has_table("made").await);
    worker.until_tasks(&connector, "RUNNING", seconds(5)).await;
    send(
        &topic,
        5,
        &[Some(r#"{"note":"a"}"#), Some(r#"{"note":"b"}"#)],
    )
    .await;
    send(&topic, 5, &[None]).await;
    eventually("the rows", seconds(30), || async {
        if !stage.database.has_table("made").await {
            return Err("no table".to_owned());
        }
        let database = &stage.database;
        let all = database.number("SELECT count(*) FROM made").await;
        let last = "SELECT count(*) FROM made WHERE id = '6' AND note = 'b'";
        let last = database.number(last).await;
        check((all, last) == (1, 1), || format!("{all} rows, {last}"))
    })
    .await;
    assert_eq!(kafka::read_topic(&letters.name, 1).await.len(), 2);
}

/// Where bad records stop a task, it says which one did.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_record_before_the_table_is_named() {
    let stage = Stage::begin("head_named", 1).await;
    let topic = stage.topic("made", 1).await;
    let connector = connector(&stage, &topic);
    send(&topic, 0, &[None, Some("broken")]).await;
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    worker.until_tasks(&connector, "FAILED", seconds(30)).await;
    let trace = worker.tasks(&connector).await[0].trace.clone();
    for part in [topic.name.as_str(), "partition 0", "offset 1", "JSON"] {
        assert!(trace.contains(part), "{part}: {trace}");
    }
}
