//! Formats that need no registry, the whole way: single values, envelopes, CloudEvents.

use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

async fn send(topic: &Topic, records: &[(Vec<u8>, Vec<u8>)]) {
    let producer: FutureProducer = kafka::client().create().unwrap();
    for (key, value) in records {
        let record = FutureRecord::to(&topic.name).key(key).payload(value);
        producer.send(record, seconds(10)).await.unwrap();
    }
}

async fn until_rows(stage: &Stage, table: &str, expected: &Value) {
    let sql = format!(
        "SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text), '[]')::text FROM {table} AS t"
    );
    eventually(table, seconds(30), async || {
        if !stage.database.has_table(table).await {
            return Err("no such table".to_owned());
        }
        let rows: String = stage.database.rows(&sql, &[]).await[0].get(0);
        let rows: Value = serde_json::from_str(&rows).unwrap();
        check(rows == *expected, || rows.to_string())
    })
    .await;
}

fn connector(stage: &Stage, topic: &Topic, table: &str) -> Connector {
    Connector::of_class("PostgresSink", &stage.unique(table))
        .set("topics", &topic.name)
        .set("table.name.format", table)
        .set("auto.create", "true")
}

#[tokio::test(flavor = "multi_thread")]
async fn formats_without_a_registry_land_in_typed_columns() {
    let stage = Stage::begin("formats", 1).await;
    let texts = stage.topic("texts", 1).await;
    let orders = stage.topic("orders", 1).await;
    let events = stage.topic("events", 1).await;

    let text = |id: i64, text: &str| (id.to_be_bytes().to_vec(), text.as_bytes().to_vec());
    send(
        &texts,
        &[text(1, "one"), text(2, "zwei \"2\""), text(1, "eins")],
    )
    .await;

    let connect = |kind: &str, name: &str| {
        let name = format!("org.apache.kafka.connect.data.{name}");
        json!({"type": kind, "name": name, "optional": true, "parameters": {"scale": "2"}})
    };
    let field = |name: &str, mut schema: Value| {
        schema["field"] = json!(name);
        schema
    };
    let address = json!({"type": "struct", "fields": [
        {"field": "city", "type": "string"},
        {"field": "rent", "type": "bytes", "name": "org.apache.kafka.connect.data.Decimal",
            "parameters": {"scale": "1"}}]});
    let schema = json!({"type": "struct", "fields": [
        {"field": "id", "type": "int32"},
        {"field": "note", "type": "string", "optional": true, "default": "none"},
        field("price", connect("bytes", "Decimal")),
        field("day", connect("int32", "Date")),
        field("at", connect("int64", "Timestamp")),
        field("address", address)]});
    let payload = json!({"id": 1, "note": null, "price": "BNI=", "day": 20_484,
        "at": 1_769_854_830_123_i64, "address": {"city": "Ulm", "rent": "BNI="}});
    let envelope = json!({"schema": schema, "payload": payload});
    send(&orders, &[(Vec::new(), envelope.to_string().into_bytes())]).await;

    let event = |id: i64, data: Value| {
        let event =
            json!({"id": "7", "source": "/shop", "specversion": "1.0", "type": "t", "data": data});
        let key = json!({"id": id}).to_string().into_bytes();
        (key, event.to_string().into_bytes())
    };
    let row = |id: i64| json!({"id": id, "name": format!("n{id}")});
    send(
        &events,
        &[
            event(1, json!({"op": "c", "before": null, "after": row(1)})),
            event(
                2,
                json!({"schema": {}, "payload": {"op": "r", "after": row(2)}}),
            ),
            event(1, json!({"op": "d", "before": row(1), "after": null})),
        ],
    )
    .await;

    let of_texts = connector(&stage, &texts, "texts")
        .set(
            "key.converter",
            "org.apache.kafka.connect.converters.LongConverter",
        )
        .set(
            "value.converter",
            "org.apache.kafka.connect.storage.StringConverter",
        )
        .set("string.output.value.column.name", "text")
        .set("insert.mode", "upsert")
        .set("pk.mode", "record_key")
        .set("pk.fields", "id");
    let of_orders =
        connector(&stage, &orders, "envelopes").set("value.converter.schemas.enable", "true");
    let of_events = connector(&stage, &events, "events")
        .set("key.converter", "JsonConverter")
        .set("key.converter.schemas.enable", "false")
        .set("change.events", "debezium")
        .set("delete.enabled", "true")
        .set("insert.mode", "upsert")
        .set("pk.mode", "record_key")
        .set("pk.fields", "id");
    let connectors = [&of_texts, &of_orders, &of_events];
    let worker = Launch::new("worker").start(&stage, &connectors).await;

    let expected = json!([{"id": 1, "text": "eins"}, {"id": 2, "text": "zwei \"2\""}]);
    until_rows(&stage, "texts", &expected).await;
    let expected = json!([{"id": 1, "note": "none", "price": 12.34, "day": "2026-01-31",
        "at": "2026-01-31T10:20:30.123", "address": {"city": "Ulm", "rent": 123.4}}]);
    until_rows(&stage, "envelopes", &expected).await;
    until_rows(&stage, "events", &json!([{"id": 2, "name": "n2"}])).await;
    for connector in connectors {
        worker.until_tasks(connector, "RUNNING", seconds(5)).await;
    }
}
