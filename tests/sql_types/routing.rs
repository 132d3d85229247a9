//! Records that choose their tables, the whole way.

use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::support::connector::Connector;
use crate::support::engine::Engine;
use crate::support::kafka;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

/// 2026-11-21T11:00:00Z
const RECORD_TIME: i64 = 1_795_258_800_000;

#[tokio::test(flavor = "multi_thread")]
async fn records_of_one_topic_go_to_many_tables_in_one_transaction() {
    let stage = Stage::begin("routed", 1).await;
    // Names without quotes are in lower case.
    routed(&stage, "public.", ["eu", "us", "a.b"]).await;
    let shared = "SELECT count(*) FROM (SELECT DISTINCT xmin::text FROM eu_202611 \
                  INTERSECT SELECT DISTINCT xmin::text FROM us_202611) AS shared";
    assert!(stage.database.number(shared).await >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_one_topic_go_to_many_tables_of_mysql() {
    let stage = Stage::begin_in(Engine::MySql, "routed", 1).await;
    routed(&stage, "", ["EU", "us", "a.b"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_one_topic_go_to_many_tables_of_a_file() {
    let stage = Stage::begin_in(Engine::Sqlite, "routed", 1).await;
    routed(&stage, "", ["EU", "us", "a.b"]).await;
}

/// Each record goes to the table of its own region and month, in this schema; the regions' tables are
/// called so in the end.
async fn routed(stage: &Stage, schema: &str, regions: [&str; 3]) {
    const RECORDS: i64 = 600;
    // The records, and dead letters of them, are as old as their times say.
    let keeps_all = [("retention.ms", "-1")];
    let topic = stage.topic_with("events", 2, &keeps_all).await;
    let dead_letters = stage.topic_with("dead", 1, &keeps_all).await;
    send_events(&topic, RECORDS).await;
    let format = format!("{schema}${{value.region}}_${{timestamp.yyyyMM}}");
    let connector = Connector::to_table(stage, &[&topic], "routed")
        .set("table.name.format", &format)
        .set("quote.sql.identifiers", "never")
        .set("auto.create", "true")
        .set("auto.evolve", "true")
        .dead_letters(&dead_letters);
    let worker = Launch::new("one").start(stage, &[&connector]).await;
    worker.until_tasks(&connector, "RUNNING", seconds(30)).await;
    let tables = regions.map(|region| format!("{region}_202611"));
    for (table, count) in tables.iter().zip([200, 200, 199]) {
        eventually(table, seconds(30), || async {
            let exists = stage.database.has_table(table).await;
            check(exists, || "no such table".to_owned())
        })
        .await;
        let sql = format!("SELECT count(*) FROM \"{table}\"");
        until_number(stage, &sql, count).await;
    }
    let evolved = format!("SELECT count(*) FROM \"{}\" WHERE extra", tables[1]);
    assert_eq!(stage.database.number(&evolved).await, 200);
    let letters = kafka::read_topic(&dead_letters.name, 1).await;
    assert_eq!(letters.len(), 1);
}

/// Events of three regions in turn, but for one that says none.
async fn send_events(topic: &Topic, records: i64) {
    let producer: FutureProducer = kafka::client().create().unwrap();
    let mut sent = Vec::new();
    for id in 0..records {
        let payload = match id % 3 {
            0 => format!("{{\"id\":{id},\"region\":\"EU\"}}"),
            1 => format!("{{\"id\":{id},\"region\":\"us\",\"extra\":true}}"),
            _ if id == 2 => format!("{{\"id\":{id}}}"),
            _ => format!("{{\"id\":{id},\"region\":\"a.b\"}}"),
        };
        let record = FutureRecord::<(), String>::to(&topic.name)
            .partition(i32::from(id % 2 == 0))
            .timestamp(RECORD_TIME)
            .payload(&payload);
        sent.push(
            producer
                .send_result(record)
                .map_err(|(error, _)| error)
                .unwrap(),
        );
    }
    for delivery in sent {
        delivery.await.unwrap().map_err(|(error, _)| error).unwrap();
    }
}

async fn until_number(stage: &Stage, sql: &str, expected: i64) {
    eventually(sql, seconds(30), || async {
        let found = stage.database.number(sql).await;
        check(found == expected, || format!("{found} of {expected}"))
    })
    .await;
}
