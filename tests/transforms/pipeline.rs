//! Transforms on the whole way: from Kafka into tables of PostgreSQL.

use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::stage::Stage;
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

/// A chain that filters, routes by a field's move to the topic, and fails on bad records: rows go to
/// tables that are made for them, dropped records move their positions, bad ones become letters
/// with their original bytes.
#[tokio::test(flavor = "multi_thread")]
async fn records_are_routed_filtered_and_kept() {
    let stage = Stage::begin("transformed", 1).await;
    let topic = stage.topic("events", 1).await;
    let letters = stage.topic("letters", 1).await;
    let connector = Connector::of_class("PostgresSink", &stage.unique("transformed"))
        .set("topics", &topic.name)
        .set("auto.create", "true")
        .set("transforms", "cast,drop,route")
        .set("transforms.cast.type", "Cast$Value")
        .set("transforms.cast.spec", "id:int64")
        .set("transforms.drop.type", "Filter")
        .set("transforms.drop.predicate", "ignored")
        .set("transforms.route.type", "RegexRouter")
        .set("transforms.route.regex", ".*")
        .set("transforms.route.replacement", "routed")
        .set("predicates", "ignored")
        .set("predicates.ignored.type", "HasHeaderKey")
        .set("predicates.ignored.name", "ignore")
        .dead_letters(&letters);
    let producer: FutureProducer = kafka::client().create().unwrap();
    for id in 0..20 {
        let value = match id {
            7 => r#"{"id":"seven"}"#.to_owned(),
            _ => format!(r#"{{"id":"{id}","text":"n{id}"}}"#),
        };
        let mut record = FutureRecord::<str, str>::to(&topic.name).payload(&value);
        if id % 5 == 4 {
            let header = rdkafka::message::Header {
                key: "ignore",
                value: Some("1"),
            };
            record = record.headers(OwnedHeaders::new().insert(header));
        }
        producer.send(record, seconds(10)).await.unwrap();
    }
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    let position = format!(
        "SELECT coalesce(max(next_offset), 0) FROM rowdock_progress WHERE topic = '{}' AND partition = 0",
        topic.name
    );
    eventually("all records are accounted for", seconds(30), async || {
        if !stage.database.has_table("rowdock_progress").await {
            return Err("no progress yet".to_owned());
        }
        let next = stage.database.number(&position).await;
        check(next >= 20, || {
            format!("next offset {next}, {}", worker.log())
        })
    })
    .await;
    // 20 records, 4 of them dropped, one bad.
    let rows = "SELECT count(*) FROM routed WHERE text = 'n' || id";
    assert_eq!(stage.database.number(rows).await, 15);
    assert_eq!(
        stage.database.number("SELECT count(*) FROM routed").await,
        15
    );
    let letters = kafka::read_topic(&letters.name, 1).await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    let header = |name: &str| letters[0].headers.get(&format!("__connect.errors.{name}"));
    assert_eq!(header("stage").map(String::as_str), Some("TRANSFORMATION"));
    assert_eq!(header("topic"), Some(&topic.name));
    assert_eq!(header("offset").map(String::as_str), Some("7"));
}

fn keyed(topic: &str, id: i64, value: Option<String>) -> (String, String, Option<String>) {
    (topic.to_owned(), format!(r#"{{"id":{id}}}"#), value)
}

/// Change events go through transforms as events and are unwrapped behind them, by the sink's
/// `change.events` or by a transform; and the tables that they are routed to grow with them.
#[tokio::test(flavor = "multi_thread")]
async fn change_events_are_transformed_and_their_tables_grow() {
    let stage = Stage::begin("transformed_changes", 1).await;
    let plain = stage.topic("plain", 1).await;
    let enveloped = stage.topic("enveloped", 1).await;
    let event = |op: &str, before: &str, after: &str| {
        format!(r#"{{"before":{before},"after":{after},"source":{{"db":"d"}},"op":"{op}"}}"#)
    };
    let schema = |more: &str| {
        let row = format!(
            r#""type":"struct","optional":true,"fields":[{{"field":"id","type":"int64"}}{more}]"#
        );
        format!(
            r#"{{"type":"struct","name":"s.t.Envelope","fields":[{{{row},"field":"before"}},
            {{{row},"field":"after"}},{{"field":"op","type":"string"}},{{"field":"source","type":"struct",
            "fields":[{{"field":"db","type":"string"}}]}}]}}"#
        )
    };
    let with_schema = |more: &str, payload: String| {
        Some(format!(
            r#"{{"schema":{},"payload":{payload}}}"#,
            schema(more)
        ))
    };
    let note = r#",{"field":"note","type":"string","optional":true}"#;
    let more = format!(r#"{note},{{"field":"more","type":"int32","optional":true}}"#);
    let mut records = Vec::new();
    for (id, (op, before, after, fields)) in [
        (1, ("c", "null", r#"{"id":1,"note":"a"}"#, note)),
        (2, ("c", "null", r#"{"id":2,"note":"b"}"#, note)),
        (1, ("u", "null", r#"{"id":1,"note":"c","more":5}"#, &more)),
        (2, ("d", r#"{"id":2}"#, "null", note)),
    ] {
        let payload = event(op, before, after);
        records.push(keyed(&plain.name, id, Some(payload.clone())));
        records.push(keyed(&enveloped.name, id, with_schema(fields, payload)));
    }
    for topic in [&plain.name, &enveloped.name] {
        records.push(keyed(topic, 2, None));
    }
    let producer: FutureProducer = kafka::client().create().unwrap();
    for (topic, key, value) in &records {
        let mut record = FutureRecord::to(topic).key(key);
        if let Some(value) = value {
            record = record.payload(value);
        }
        producer.send(record, seconds(10)).await.unwrap();
    }
    let connector = |topic: &str, table: &str, schemas: &str| {
        Connector::of_class("PostgresSink", &stage.unique(table))
            .set("topics", topic)
            .set("key.converter", "JsonConverter")
            .set("key.converter.schemas.enable", "false")
            .set("value.converter.schemas.enable", schemas)
            .set("pk.mode", "record_key")
            .set("pk.fields", "id")
            .set("insert.mode", "upsert")
            .set("delete.enabled", "true")
            .set("auto.create", "true")
            .set("auto.evolve", "true")
            .set("transforms.route.type", "RegexRouter")
            .set("transforms.route.regex", ".*")
            .set("transforms.route.replacement", table)
    };
    let by_sink = connector(&plain.name, "by_sink", "false")
        .set("transforms", "route")
        .set("change.events", "debezium");
    let by_transform = connector(&enveloped.name, "by_transform", "true")
        .set("transforms", "unwrap,route")
        .set(
            "transforms.unwrap.type",
            "io.debezium.transforms.ExtractNewRecordState",
        )
        .set("transforms.unwrap.add.fields", "op,db");
    let connectors = [&by_sink, &by_transform];
    let worker = Launch::new("worker").start(&stage, &connectors).await;
    for (table, expected) in [
        ("by_sink", r#"[{"id":1,"more":5,"note":"c"}]"#),
        (
            "by_transform",
            r#"[{"__db":"d","__op":"u","id":1,"more":5,"note":"c"}]"#,
        ),
    ] {
        let sql = format!(
            "SELECT replace(coalesce(jsonb_agg(to_jsonb(t)), '[]')::text, ' ', '') FROM {table} AS t"
        );
        eventually(table, seconds(30), async || {
            if !stage.database.has_table(table).await {
                return Err(format!("no table, {}", worker.log()));
            }
            let rows: String = stage.database.rows(&sql, &[]).await[0].get(0);
            check(sorted(&rows) == sorted(expected), || rows)
        })
        .await;
    }
}

/// The same object, whatever the order of its names.
fn sorted(json: &str) -> serde_json::Value {
    serde_json::from_str(json).unwrap()
}
