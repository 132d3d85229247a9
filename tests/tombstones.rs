//! A guarded upsert whose deletes are remembered in a table: what comes late, by another partition and
//! after a kill, does not bring a row back.

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::json;

use crate::support::connector::Connector;
use crate::support::engine::Engine;
use crate::support::kafka;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

const PARTITIONS: i32 = 2;

/// From here on items say that all records before them have been read.
const LAST: i64 = 100;

/// A version of an item, in a partition; without a note it is deleted.
type Version = (i32, i64, i64, Option<&'static str>);

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    late_records_stay_away(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql() {
    late_records_stay_away(Engine::MySql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb() {
    late_records_stay_away(Engine::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    late_records_stay_away(Engine::Sqlite).await;
}

async fn late_records_stay_away(engine: Engine) {
    let stage = Stage::begin_in(engine, "tombstones", 1).await;
    let topic = stage.topic("items", PARTITIONS).await;
    let connector = Connector::upsert(&stage, &topic, "things")
        .set("auto.create", "true")
        .set("upsert.guard.field", "version")
        .set("delete.tombstone.table", "${table}_deleted");
    let producer: FutureProducer = kafka::client().create().expect("a producer");
    let versions: &[Version] = &[
        (0, 1, 5, Some("a")),
        (0, 1, 7, None),
        (1, 2, 3, None),
        (0, 3, 5, Some("a")),
        (1, 3, 4, None),
    ];
    send(&producer, &topic, versions, 0).await;
    let mut worker = Launch::new("first").start(&stage, &[&connector]).await;
    until_read(&stage, 0).await;
    assert_eq!(stored(&stage, "item = 1").await, 0, "deleted");
    assert_eq!(stored(&stage, "item = 3 AND version = 5").await, 1);
    worker.kill();
    let late: &[Version] = &[
        (1, 1, 6, Some("late")),
        (0, 2, 2, Some("late")),
        (0, 3, 4, Some("late")),
        (1, 4, 9, Some("new")),
    ];
    send(&producer, &topic, late, 1).await;
    let worker = Launch::new("second").start(&stage, &[&connector]).await;
    until_read(&stage, 1).await;
    assert_eq!(stored(&stage, "item IN (1, 2)").await, 0, "brought back");
    assert_eq!(stored(&stage, "item = 3 AND version = 5").await, 1);
    let newer: &[Version] = &[(0, 1, 8, Some("newer")), (1, 2, 4, Some("newer"))];
    send(&producer, &topic, newer, 2).await;
    until_read(&stage, 2).await;
    assert_eq!(stored(&stage, "note = 'newer'").await, 2);
    let remembered = "SELECT count(*) FROM things_deleted WHERE version IN (3, 4, 7)";
    assert_eq!(stage.database.number(remembered).await, 3);
    worker.until_tasks(&connector, "RUNNING", seconds(30)).await;
}

/// Sends the versions in their order, and behind them an item that tells of each partition that it has
/// been read so far.
async fn send(producer: &FutureProducer, topic: &Topic, versions: &[Version], round: i64) {
    let ends = (0..PARTITIONS).map(|partition| {
        let item = LAST + round * i64::from(PARTITIONS) + i64::from(partition);
        (partition, item, 1, Some("end"))
    });
    for (partition, item, version, note) in versions.iter().copied().chain(ends) {
        let key = json!({ "item": item }).to_string();
        let value = note.map(|note| json!({"item": item, "version": version, "note": note}));
        let value = value.map(|value| value.to_string());
        let text = version.to_string();
        let mut record = FutureRecord::<String, String>::to(&topic.name)
            .partition(partition)
            .key(&key)
            .headers(OwnedHeaders::new().insert(Header {
                key: "version",
                value: Some(&text),
            }));
        if let Some(value) = &value {
            record = record.payload(value);
        }
        let sent = producer.send(record, seconds(30)).await;
        sent.expect("acknowledged");
    }
}

async fn until_read(stage: &Stage, round: i64) {
    let first = LAST + round * i64::from(PARTITIONS);
    eventually("both partitions to be read", seconds(60), || async {
        if !stage.database.has_table("things").await {
            return Err("no table".to_owned());
        }
        let ends = stored(stage, &format!("item >= {first}")).await;
        check(ends == i64::from(PARTITIONS), || {
            format!("{ends} of {PARTITIONS}")
        })
    })
    .await;
}

async fn stored(stage: &Stage, condition: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM things WHERE {condition}");
    stage.database.number(&sql).await
}
