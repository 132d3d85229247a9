//! Tables that grow with their records, and tables that others drop and change under the sink.

use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::services::services;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

/// Sends values in turn to the topic's partitions; waits for the last.
async fn send(topic: &Topic, values: impl IntoIterator<Item = Value>) {
    let producer: FutureProducer = kafka::client().create().unwrap();
    let mut last = None;
    for (place, value) in values.into_iter().enumerate() {
        let payload = value.to_string();
        let partition = i32::try_from(place).unwrap() % topic.partitions;
        let record = FutureRecord::<(), String>::to(&topic.name)
            .partition(partition)
            .payload(&payload);
        let sent = producer.send_result(record).map_err(|(error, _)| error);
        last = Some(sent.unwrap());
    }
    if let Some(last) = last {
        last.await.unwrap().map_err(|(error, _)| error).unwrap();
    }
}

async fn until_number(stage: &Stage, sql: &str, expected: i64) {
    eventually(sql, seconds(30), || async {
        let found = stage.database.number(sql).await;
        check(found == expected, || format!("{found} of {expected}"))
    })
    .await;
}

async fn columns(stage: &Stage, table: &str) -> Vec<String> {
    let sql = "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute
        WHERE attrelid = to_regclass($1::text) AND attnum > 0 AND NOT attisdropped ORDER BY attname";
    let rows = stage.database.rows(sql, &[&table]).await;
    rows.iter().map(|row| row.get(0)).collect()
}

/// Several tasks meet the new fields at once; every fifth record has other fields than the last.
fn growing(id: i64) -> Value {
    let wide = 3_000_000_000 + id;
    match id % 5 {
        0 => json!({"id": id, "name": "a"}),
        1 => json!({"id": id, "name": "b", "extra": true}),
        2 => json!({"id": wide, "name": "c", "extra": null, "unknown": null}),
        3 => json!({"id": id, "name": "a name of more than five characters"}),
        _ => json!({"id": id, "name": "d", "deep": {"a": [1]}, "amount": 12345.678}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_grows_with_its_records_under_several_tasks() {
    const RECORDS: i64 = 5_000;
    for server in [&services().postgres, &services().postgres_newest] {
        let stage = Stage::begin_on("growing", 2, server).await;
        let topic = stage.topic("shop", 4).await;
        let create =
            "CREATE TABLE shop (id int4 PRIMARY KEY, name varchar(5), amount numeric(4,2))";
        stage.database.run(create).await;
        let connector = Connector::to_table(&stage, &[&topic], "shop")
            .set("tasks.max", "2")
            .set("pk.mode", "record_value")
            .set("pk.fields", "id")
            .set("batch.size", "500")
            .set("auto.evolve", "true");
        let one = Launch::new("one").start(&stage, &[&connector]).await;
        let two = Launch::new("two").start(&stage, &[&connector]).await;
        one.until_tasks(&connector, "RUNNING", seconds(10)).await;
        two.until_tasks(&connector, "RUNNING", seconds(10)).await;
        send(&topic, (0..RECORDS).map(growing)).await;
        until_number(&stage, "SELECT count(*) FROM shop", RECORDS).await;
        let expected = [
            "amount numeric(8,3)",
            "deep jsonb",
            "extra boolean",
            "id bigint",
            "name character varying(64)",
        ];
        assert_eq!(columns(&stage, "shop").await, expected);
        for (condition, count) in [
            ("extra", RECORDS / 5),
            ("id > 3000000000", RECORDS / 5),
            ("deep = '{\"a\": [1]}' AND amount = 12345.678", RECORDS / 5),
            ("length(name) > 5", RECORDS / 5),
        ] {
            let sql = format!("SELECT count(*) FROM shop WHERE {condition}");
            assert_eq!(stage.database.number(&sql).await, count, "{condition}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_dropped_or_altered_under_the_sink_costs_no_record() {
    let stage = Stage::begin("altered", 1).await;
    let topic = stage.topic("shop", 2).await;
    let dead_letters = stage.topic("dead", 1).await;
    stage
        .database
        .run("CREATE TABLE shop (id int8, note text); CREATE TABLE seen (id int8)")
        .await;
    let connector = Connector::to_table(&stage, &[&topic], "shop")
        .set("auto.create", "true")
        .set("auto.evolve", "true")
        .dead_letters(&dead_letters);
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    let mut next = 0;
    for change in [
        "SELECT",
        "ALTER TABLE shop DROP COLUMN note",
        "ALTER TABLE shop RENAME COLUMN id TO other",
        "ALTER TABLE shop ALTER COLUMN id TYPE numeric",
        "DROP TABLE shop",
        "DROP TABLE shop; CREATE TABLE shop (more int4 DEFAULT 7, note varchar(3), id int4)",
    ] {
        let sql = format!("INSERT INTO seen SELECT id FROM shop; TRUNCATE shop; {change}");
        stage.database.run(&sql).await;
        let records = (next..next + 200).map(|id| json!({"id": id, "note": "note"}));
        send(&topic, records).await;
        next += 200;
        eventually(change, seconds(20), || async {
            let columns = columns(&stage, "shop").await;
            let has = |name| columns.iter().any(|column| column.starts_with(name));
            let sql = "SELECT count(*) FROM shop WHERE id IS NOT NULL AND note = 'note'";
            let count = match has("id ") && has("note ") {
                true => stage.database.number(sql).await,
                false => 0,
            };
            check(count == 200, || format!("{count} of 200"))
        })
        .await;
    }
    let sql = "SELECT count(DISTINCT id) FROM (TABLE seen UNION ALL SELECT id FROM shop)";
    assert_eq!(
        stage
            .database
            .number(&format!("{sql} AS all_of_them"))
            .await,
        next
    );
    worker.until_tasks(&connector, "RUNNING", seconds(5)).await;
    assert_eq!(kafka::read_topic(&dead_letters.name, 1).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_changed_is_told_and_costs_only_its_records() {
    let stage = Stage::begin("refused", 1).await;
    let topic = stage.topic("shop", 1).await;
    let dead_letters = stage.topic("dead", 1).await;
    stage
        .database
        .run("CREATE DOMAIN small AS int4; CREATE TABLE shop (id small)")
        .await;
    let connector = Connector::to_table(&stage, &[&topic], "shop")
        .set("auto.evolve", "true")
        .dead_letters(&dead_letters);
    let _worker = Launch::new("worker").start(&stage, &[&connector]).await;
    let values = [
        json!({"id": 1}),
        json!({"id": 5_000_000_000_i64}),
        json!({"id": 2, "b": 1}),
    ];
    send(&topic, values).await;
    until_number(&stage, "SELECT count(*) FROM shop", 2).await;
    let letters = kafka::read_topic(&dead_letters.name, 1).await;
    assert_eq!(letters.len(), 1);
    let reason = &letters[0].headers["__connect.errors.exception.message"];
    for part in [
        "\"id\"",
        "small",
        "64-bit integer",
        "ALTER TABLE \"shop\" ALTER COLUMN",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(columns(&stage, "shop").await, ["b bigint", "id small"]);
}
