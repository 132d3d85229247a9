//! Mappings, whole: from a connector's config to what the server says of each cell.

use std::collections::BTreeMap;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use scylla::value::{CqlValue, Row};

use super::play::{Keyspace, PARTITIONS, PATIENCE, expected};
use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::producer::Writer;
use crate::support::services::services;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

/// Key, value and header `source` of a record.
type Raw = (&'static str, Option<&'static str>, Option<&'static str>);

async fn send(topic: &Topic, records: &[Raw]) {
    let producer: FutureProducer = kafka::client().create().expect("a producer");
    for (key, value, source) in records {
        let mut record = FutureRecord::<str, str>::to(&topic.name)
            .partition(0)
            .key(key);
        if let Some(value) = value {
            record = record.payload(value);
        }
        if let Some(source) = source {
            let headers = OwnedHeaders::new().insert(Header {
                key: "source",
                value: Some(*source),
            });
            record = record.headers(headers);
        }
        let sent = producer.send(record, PATIENCE).await;
        sent.map_err(|(error, _)| error).expect("delivered");
    }
}

fn mapped(stage: &Stage, keyspace: &Keyspace, topic: &Topic, mapping: &str) -> Connector {
    Connector::of_class("CassandraSink", &stage.unique("mapped"))
        .set("topics", &topic.name)
        .set("connection.url", &keyspace.url(&services().cassandra))
        .set("cassandra.mapping", mapping)
}

/// The position has passed so many records.
async fn until_checkpointed(keyspace: &Keyspace, records: i64) {
    eventually("all to be checkpointed", PATIENCE, || async {
        let positions = keyspace.positions().await;
        let done: i64 = positions.values().map(|(next, _)| next).sum();
        check(done == records, || format!("{done} of {records}"))
    })
    .await;
}

/// What a query returns, as `1,text,null`, sorted as texts.
async fn texts(keyspace: &Keyspace, cql: &str) -> Vec<String> {
    let answer = keyspace.session.query_unpaged(cql, ()).await.expect(cql);
    let answer = answer.into_rows_result().expect("rows");
    let rows = answer.rows::<Row>().expect("any columns");
    let text = |value: &Option<CqlValue>| match value {
        None => "null".to_owned(),
        Some(CqlValue::Text(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let mut texts: Vec<String> = rows
        .map(|row| {
            let columns = row.expect("a row").columns;
            columns.iter().map(text).collect::<Vec<_>>().join(",")
        })
        .collect();
    texts.sort();
    texts
}

/// One topic, two tables, each with columns of its own choice.
#[tokio::test(flavor = "multi_thread")]
async fn one_topic_into_two_tables() {
    let stage = Stage::begin("cassandra_mapping", 1).await;
    let keyspace = Keyspace::create(&stage).await;
    let name = &keyspace.name;
    keyspace
        .run(&format!(
            "CREATE TABLE {name}.by_amount (amount bigint, item bigint, made timeuuid, PRIMARY KEY (amount, item))"
        ))
        .await;
    let topic = stage.topic("orders", PARTITIONS).await;
    let mapping = format!(
        "{0} -> {name}.orders: item=key.item, seq=value.seq, amount=value.amount; \
         {0} -> {name}.by_amount: amount=value.amount, item=key.item, made=now()",
        topic.name
    );
    let connector = mapped(&stage, &keyspace, &topic, &mapping);
    let writer = Writer::new(&topic.name, 1, &stage.ledger);
    writer.send_good(0, 200, PARTITIONS).await;
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    keyspace.agrees(&topic).await;
    until_checkpointed(&keyspace, 200).await;
    let cql = format!("SELECT amount, item, writetime(made) FROM {name}.by_amount");
    let answer = keyspace.session.query_unpaged(cql, ()).await.expect("rows");
    let answer = answer.into_rows_result().expect("rows");
    let rows = answer.rows::<(i64, i64, i64)>().expect("three columns");
    let found: BTreeMap<i64, (i64, i64)> = rows
        .map(|row| row.map(|(amount, item, at)| (item, (amount, at))))
        .collect::<Result<_, _>>()
        .expect("values");
    let expected = expected(&topic).await;
    let expected = expected
        .into_iter()
        .map(|(item, (_, amount, at))| (item, (amount, at)));
    assert_eq!(found, expected.collect::<BTreeMap<_, _>>());
    worker.until_tasks(&connector, "RUNNING", seconds(30)).await;
    keyspace.drop().await;
}

/// Headers are columns, and fields say how long a row lives and when it was written.
#[tokio::test(flavor = "multi_thread")]
async fn headers_lives_and_write_timestamps() {
    let stage = Stage::begin("cassandra_fields", 1).await;
    let keyspace = Keyspace::create(&stage).await;
    let name = &keyspace.name;
    keyspace
        .run(&format!(
            "CREATE TABLE {name}.t (id bigint PRIMARY KEY, n bigint, source text)"
        ))
        .await;
    let topic = stage.topic("fields", 1).await;
    let mapping = format!(
        "{} -> {name}.t: id=key.id, n=value.n, source=header.source, __ttl=value.ttl, __timestamp=value.at",
        topic.name
    );
    let connector = mapped(&stage, &keyspace, &topic, &mapping);
    let records = [
        (
            r#"{"id":1}"#,
            Some(r#"{"n":1,"ttl":9000,"at":5}"#),
            Some("eu"),
        ),
        (r#"{"id":2}"#, Some(r#"{"n":2}"#), None),
        (r#"{"id":3}"#, Some(r#"{"n":3,"ttl":0,"at":7}"#), Some("us")),
        // The greater write timestamp wins, whichever came last.
        (r#"{"id":3}"#, Some(r#"{"n":4,"at":6}"#), Some("asia")),
    ];
    send(&topic, &records).await;
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    until_checkpointed(&keyspace, 4).await;
    let made = kafka::read_topic(&topic.name, 1).await[1].timestamp_ms;
    let made = made.expect("a time") * 1_000;
    let cells = format!("SELECT id, n, source, writetime(n) FROM {name}.t");
    let second = format!("2,2,null,{made}");
    let found = texts(&keyspace, &cells).await;
    assert_eq!(found[0], "1,1,eu,5");
    // Records of one millisecond come one after the other.
    let (text, at) = found[1].rsplit_once(',').expect("columns");
    let at: i64 = at.parse().expect("a write timestamp");
    assert_eq!(text, second.rsplit_once(',').expect("columns").0);
    assert!((made..made + 1_000).contains(&at), "{at} of {made}");
    assert_eq!(found[2], "3,3,us,7");
    let lives = texts(&keyspace, &format!("SELECT id, ttl(n) FROM {name}.t")).await;
    assert_eq!(lives[1..], ["2,null", "3,null"]);
    let left = lives[0].strip_prefix("1,").expect("the first");
    let left: i64 = left.parse().expect("a number of seconds");
    assert!((8_000..=9_000).contains(&left), "{left} of 9000 seconds");
    worker.until_tasks(&connector, "RUNNING", seconds(30)).await;
    keyspace.drop().await;
}

/// Two rows of one partition, a record without a value for it, a row after that; and another partition.
const HISTORY: [Raw; 5] = [
    (r#"{"id":1}"#, Some(r#"{"at":1,"n":10}"#), None),
    (r#"{"id":1}"#, Some(r#"{"at":2,"n":20}"#), None),
    (r#"{"id":2}"#, Some(r#"{"at":1,"n":30}"#), None),
    (r#"{"id":1}"#, None, None),
    (r#"{"id":1}"#, Some(r#"{"at":3,"n":40}"#), None),
];

async fn history_table(keyspace: &Keyspace) {
    keyspace
        .run(&format!(
            "CREATE TABLE {}.history (id bigint, at bigint, n bigint, PRIMARY KEY (id, at))",
            keyspace.name
        ))
        .await;
}

/// Where a column of the table's key is from the value, a record without one tells the beginning of the
/// key, and deletes all rows that begin so when it may.
#[tokio::test(flavor = "multi_thread")]
async fn a_partition_goes_by_its_beginning_of_the_key() {
    let stage = Stage::begin("cassandra_prefix", 1).await;
    let keyspace = Keyspace::create(&stage).await;
    history_table(&keyspace).await;
    let name = &keyspace.name;
    let topic = stage.topic("history", 1).await;
    let mapping = format!(
        "{} -> {name}.history: id=key.id, at=value.at, n=value.n",
        topic.name
    );
    let connector = mapped(&stage, &keyspace, &topic, &mapping)
        .set("delete.enabled", "true")
        .set("cassandra.delete.prefix", "true");
    send(&topic, &HISTORY).await;
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    until_checkpointed(&keyspace, 5).await;
    let rows = texts(&keyspace, &format!("SELECT id, at, n FROM {name}.history")).await;
    assert_eq!(rows, ["1,3,40", "2,1,30"]);
    worker.until_tasks(&connector, "RUNNING", seconds(30)).await;
    keyspace.drop().await;
}

/// With a config of the DataStax sink such a record deletes nothing, as there: it is bad.
#[tokio::test(flavor = "multi_thread")]
async fn a_datastax_config_deletes_no_more_than_it_did() {
    let stage = Stage::begin("cassandra_datastax", 1).await;
    let keyspace = Keyspace::create(&stage).await;
    history_table(&keyspace).await;
    let name = &keyspace.name;
    let topic = stage.topic("history", 1).await;
    let class = "com.datastax.oss.kafka.sink.CassandraSinkConnector";
    let connector = Connector::of_class(class, &stage.unique("theirs"))
        .set("topics", &topic.name)
        .set("connection.url", &keyspace.url(&services().cassandra))
        .set("ignoreErrors", "All")
        .set("errors.deadletterqueue.table", "letters")
        .set(
            &format!("topic.{}.{name}.history.mapping", topic.name),
            "id=key.id, at=value.at, n=value.n",
        );
    send(&topic, &HISTORY).await;
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    until_checkpointed(&keyspace, 5).await;
    let rows = texts(&keyspace, &format!("SELECT id, at, n FROM {name}.history")).await;
    assert_eq!(rows, ["1,1,10", "1,2,20", "1,3,40", "2,1,30"]);
    let letters = format!("SELECT kafka_offset, reason FROM {name}.letters");
    let letters = texts(&keyspace, &letters).await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    let names_it = letters[0].starts_with("3,") && letters[0].contains("\"at\"");
    assert!(names_it, "{letters:?}");
    worker.until_tasks(&connector, "RUNNING", seconds(30)).await;
    keyspace.drop().await;
}
