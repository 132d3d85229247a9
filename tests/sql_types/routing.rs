//! Records that choose their tables, the whole way.

use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::stage::Stage;
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

/// 2026-11-21T11:00:00Z
const RECORD_TIME: i64 = 1_795_258_800_000;

#[tokio::test(flavor = "multi_thread")]
async fn records_of_one_topic_go_to_many_tables_in_one_transaction() {
    const RECORDS: i64 = 600;
    let stage = Stage::begin("routed", 1).await;
    // The records, and dead letters of them, are as old as their times say.
    let keeps_all = [("retention.ms", "-1")];
    let topic = stage.topic_with("events", 2, &keeps_all).await;
    let dead_letters = stage.topic_with("dead", 1, &keeps_all).await;
    let producer: FutureProducer = kafka::client().create().unwrap();
    let mut sent = Vec::new();
    for id in 0..RECORDS {
        let payload = match id % 3 {
            0 => format!("{{\"id\":{id},\"region\":\"EU\"}}"),
            1 => format!("{{\"id\":{id},\"region\":\"us\",\"extra\":true}}"),
            // It says no region.
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
    let format = "public.${value.region}_${timestamp.yyyyMM}";
    let connector = Connector::to_table(&stage, &[&topic], "routed")
        .set("table.name.format", format)
        .set("quote.sql.identifiers", "never")
        .set("auto.create", "true")
        .set("auto.evolve", "true")
        .dead_letters(&dead_letters);
    let worker = Launch::new("one").start(&stage, &[&connector]).await;
    worker.until_tasks(&connector, "RUNNING", seconds(10)).await;
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename LIKE '%\\_202611'";
    until_number(&stage, tables, 3).await;
    for (table, count) in [("eu_202611", 200), ("us_202611", 200), ("a.b_202611", 199)] {
        let sql = format!("SELECT count(*) FROM \"{table}\"");
        until_number(&stage, &sql, count).await;
    }
    let shared = "SELECT count(*) FROM (SELECT DISTINCT xmin::text FROM eu_202611 \
                  INTERSECT SELECT DISTINCT xmin::text FROM us_202611) AS shared";
    assert!(stage.database.number(shared).await >= 1);
    let evolved = "SELECT count(*) FROM us_202611 WHERE extra";
    assert_eq!(stage.database.number(evolved).await, 200);
    let letters = kafka::read_topic(&dead_letters.name, 1).await;
    assert_eq!(letters.len(), 1);
}

async fn until_number(stage: &Stage, sql: &str, expected: i64) {
    eventually(sql, seconds(30), || async {
        let found = stage.database.number(sql).await;
        check(found == expected, || format!("{found} of {expected}"))
    })
    .await;
}
