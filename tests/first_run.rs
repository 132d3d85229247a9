//! The main job without faults, as a new user meets it, into PostgreSQL and SQLite.

use std::collections::BTreeMap;

use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::oracle::Judged;
use crate::support::orders::Orders;
use crate::support::producer::{Load, LoadSpec};
use crate::support::services::services;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

/// Sends records of partition 0 as they are given.
async fn send(topic: &Topic, records: &[(Option<Value>, Option<Value>)]) {
    let producer: FutureProducer = kafka::client().create().unwrap();
    for (key, value) in records {
        let key = key.as_ref().map(Value::to_string);
        let value = value.as_ref().map(Value::to_string);
        let mut record = FutureRecord::<String, String>::to(&topic.name).partition(0);
        record.key = key.as_ref();
        record.payload = value.as_ref();
        producer
            .send(record, seconds(10))
            .await
            .map_err(|(error, _)| error)
            .unwrap();
    }
}

async fn until_count(stage: &Stage, table: &str, count: i64) {
    eventually("rows in the table", seconds(20), || async {
        if !stage.database.has_table(table).await {
            return Err("no such table".to_owned());
        }
        let rows = stage
            .database
            .number(&format!("SELECT count(*) FROM {table}"))
            .await;
        check(rows == count, || format!("{rows} of {count}"))
    })
    .await;
}

/// One row as JSON, by the database's own reading.
async fn rows_as_json(stage: &Stage, table: &str, order: &str) -> Vec<Value> {
    let sql = format!("SELECT to_jsonb(t)::text FROM {table} AS t ORDER BY {order}");
    let rows = stage.database.rows(&sql, &[]).await;
    rows.iter()
        .map(|row| serde_json::from_str(row.get(0)).unwrap())
        .collect()
}

fn order(id: i64) -> Value {
    json!({
        "id": id, "customer": format!("c{}", id % 7), "quantity": 3, "price": 19.5,
        "express": id % 2 == 0, "placed_at": "2026-01-31T10:20:30.123456Z", "note": null,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn schemaless_json_into_a_table_that_is_there() {
    for server in [&services().postgres, &services().postgres_newest] {
        let stage = Stage::begin_on("schemaless", 1, server).await;
        let topic = stage.topic("shop", 1).await;
        stage
            .database
            .run(
                "CREATE TABLE shop (id bigint PRIMARY KEY, customer varchar(20), quantity smallint,
                 price numeric(10, 2), express boolean, placed_at timestamptz, note text,
                 region text DEFAULT 'north')",
            )
            .await;
        let records: Vec<_> = (0..50).map(|id| (None, Some(order(id)))).collect();
        send(&topic, &records).await;
        let connector = Connector::to_table(&stage, &[&topic], "shop");
        let worker = Launch::new("worker").start(&stage, &[&connector]).await;
        until_count(&stage, "shop", 50).await;
        worker.until_tasks(&connector, "RUNNING", seconds(5)).await;
        let rows = rows_as_json(&stage, "shop", "id").await;
        let expected = json!({
            "id": 4, "customer": "c4", "quantity": 3, "price": 19.50, "express": true,
            "placed_at": "2026-01-31T10:20:30.123456+00:00", "note": null, "region": "north",
        });
        assert_eq!(rows[4], expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn schemaless_json_into_a_table_that_is_created() {
    let stage = Stage::begin("created", 1).await;
    let topic = stage.topic("shop", 1).await;
    let records: Vec<_> = (0..20).map(|id| (None, Some(order(id)))).collect();
    send(&topic, &records).await;
    let connector = Connector::to_table(&stage, &[&topic], "shop")
        .set("auto.create", "true")
        .set("pk.mode", "record_value")
        .set("pk.fields", "id")
        .set("insert.mode", "upsert");
    let _worker = Launch::new("worker").start(&stage, &[&connector]).await;
    until_count(&stage, "shop", 20).await;
    let rows = rows_as_json(&stage, "shop", "id").await;
    assert_eq!(rows[3]["id"], 3);
    assert_eq!(rows[3]["customer"], "c3");
    assert_eq!(rows[3]["express"], false);
    let key = "SELECT count(*) FROM information_schema.table_constraints
        WHERE table_name = 'shop' AND constraint_type = 'PRIMARY KEY'";
    assert_eq!(stage.database.number(key).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn envelope_json_creates_typed_columns() {
    let stage = Stage::begin("envelope", 1).await;
    let topic = stage.topic("shop", 1).await;
    let schema = json!({"type": "struct", "optional": false, "name": "order", "fields": [
        {"field": "id", "type": "int64", "optional": false},
        {"field": "customer", "type": "string", "optional": true},
        {"field": "quantity", "type": "int16", "optional": false},
        {"field": "price", "type": "bytes", "optional": false,
         "name": "org.apache.kafka.connect.data.Decimal", "version": 1,
         "parameters": {"scale": "2", "connect.decimal.precision": "10"}},
        {"field": "placed_at", "type": "int64", "optional": false,
         "name": "org.apache.kafka.connect.data.Timestamp", "version": 1},
    ]});
    let value = |id: i64| {
        // 19.50 with scale 2 is 1950, as two bytes in base64.
        json!({"schema": schema, "payload": {
            "id": id, "customer": null, "quantity": 3, "price": "B54=",
            "placed_at": 1_769_854_830_123_i64}})
    };
    let records: Vec<_> = (0..20).map(|id| (None, Some(value(id)))).collect();
    send(&topic, &records).await;
    let connector = Connector::to_table(&stage, &[&topic], "shop")
        .set("value.converter.schemas.enable", "true")
        .set("auto.create", "true");
    let _worker = Launch::new("worker").start(&stage, &[&connector]).await;
    until_count(&stage, "shop", 20).await;
    let rows = rows_as_json(&stage, "shop", "id").await;
    assert_eq!(rows[2]["id"], 2);
    assert_eq!(rows[2]["quantity"], 3);
    assert_eq!(rows[2]["customer"], Value::Null);
    let price = "SELECT count(*) FROM shop WHERE price = 19.50";
    assert_eq!(stage.database.number(price).await, 20);
    let types = "SELECT column_name::text, data_type::text FROM information_schema.columns
        WHERE table_name = 'shop'";
    let types: BTreeMap<String, String> = stage
        .database
        .rows(types, &[])
        .await
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    assert_eq!(types["id"], "bigint");
    assert_eq!(types["quantity"], "smallint");
    assert_eq!(types["price"], "numeric");
    assert!(types["placed_at"].starts_with("timestamp"), "{types:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn upserts_and_deletes_by_record_key() {
    let stage = Stage::begin("upserts", 1).await;
    let topic = stage.topic("items", 4).await;
    let connector = Connector::upsert(&stage, &topic, "items").set("auto.create", "true");
    let spec = LoadSpec {
        items: 100,
        delete_every: 5,
        seed: stage.seed,
        ..LoadSpec::append(2000, 4)
    };
    let load = Load::start(&topic.name, &stage.ledger, spec);
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    eventually("a few thousand records", seconds(20), || async {
        check(stage.ledger.len() >= 4000, || {
            stage.ledger.len().to_string()
        })
    })
    .await;
    load.finish().await;
    let judged = Judged {
        stage: &stage,
        connector: &connector,
        topic: &topic,
        table: "items",
    };
    judged.until_folded(seconds(20)).await;
    worker.until_tasks(&connector, "RUNNING", seconds(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn coordinates_as_key() {
    let stage = Stage::begin("coordinates", 1).await;
    let topic = stage.topic("shop", 1).await;
    let records: Vec<_> = (0..10).map(|id| (None, Some(json!({"id": id})))).collect();
    send(&topic, &records).await;
    let connector = Connector::to_table(&stage, &[&topic], "shop")
        .set("auto.create", "true")
        .set("pk.mode", "kafka");
    let _worker = Launch::new("worker").start(&stage, &[&connector]).await;
    until_count(&stage, "shop", 10).await;
    let rows = rows_as_json(&stage, "shop", "id").await;
    let expected = json!({
        "id": 7, "__connect_topic": topic.name, "__connect_partition": 0, "__connect_offset": 7,
    });
    assert_eq!(rows[7], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_into_sqlite_across_a_kill() {
    let stage = Stage::begin("sqlite", 1).await;
    // The stage's play, with a file for a target.
    let orders = Orders::prepare(&stage, 4).await;
    let file = stage.folder().join("orders.db");
    let connector = Connector::of_class("SqliteSink", &stage.unique("orders"))
        .set("topics", &orders.topic.name)
        .set("table.name.format", "orders")
        .set("connection.url", &format!("jdbc:sqlite:{}", file.display()))
        .set("auto.create", "true")
        .set("insert.mode", "insert");
    let load = orders.load(&stage, 500);
    let mut worker = Launch::new("killed").start(&stage, &[&connector]).await;
    let options = SqliteConnectOptions::new().filename(&file).read_only(true);
    let count = || async {
        let pool = SqlitePoolOptions::new().connect_with(options.clone()).await;
        let pool = pool.map_err(|error| error.to_string())?;
        let sql = "SELECT count(*), count(DISTINCT seq) FROM orders";
        let row = sqlx::query(sql).fetch_one(&pool).await;
        let row = row.map_err(|error| error.to_string())?;
        Ok::<(i64, i64), String>((row.get(0), row.get(1)))
    };
    eventually("rows in the file", seconds(20), || async {
        let (rows, _) = count().await?;
        check(rows >= 500, || format!("{rows} rows"))
    })
    .await;
    stage.tell(format_args!("killed: {}", worker.kill()));
    let _worker = Launch::new("successor").start(&stage, &[&connector]).await;
    load.finish().await;
    let sent = i64::try_from(stage.ledger.len()).unwrap();
    eventually("every record in the file", seconds(20), || async {
        let (rows, different) = count().await?;
        check(different >= sent, || {
            format!("{rows} rows, {different} records of {sent}")
        })
    })
    .await;
    assert_eq!(count().await, Ok((sent, sent)), "rows, different records");
}
