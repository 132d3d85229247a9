//! Tables that the sink makes, and columns that it adds: one for every kind of field that a schema can have.

use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::Value;

use super::play::{Keyspace, PATIENCE};
use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::services::services;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

/// A field: its schema without the name, its value, the column that is made, and what the server shows of
/// it as JSON.
type Field = (&'static str, &'static str, &'static str, &'static str);

const FIELDS: &[Field] = &[
    (r#""type":"int8""#, "-128", "smallint", "-128"),
    (r#""type":"int16""#, "32767", "smallint", "32767"),
    (r#""type":"int32""#, "-2147483648", "int", "-2147483648"),
    (
        r#""type":"int64""#,
        "9223372036854775807",
        "bigint",
        "9223372036854775807",
    ),
    (r#""type":"float""#, "1.5", "float", "1.5"),
    (r#""type":"double""#, "-0.1", "double", "-0.1"),
    (r#""type":"boolean""#, "true", "boolean", "true"),
    (r#""type":"string""#, r#""größe""#, "text", r#""größe""#),
    (r#""type":"bytes""#, r#""AAH/""#, "blob", r#""0x0001ff""#),
    // 123456.78 as the bytes of an integer with a scale.
    (
        r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"12"}"#,
        r#""ALxhTg==""#,
        "decimal",
        "123456.78",
    ),
    (
        r#""type":"int32","name":"org.apache.kafka.connect.data.Date","version":1"#,
        "20778",
        "date",
        r#""2026-11-21""#,
    ),
    (
        r#""type":"int64","name":"io.debezium.time.MicroTime","version":1"#,
        "36930123456",
        "time",
        r#""10:15:30.123456000""#,
    ),
    (
        r#""type":"int64","name":"org.apache.kafka.connect.data.Timestamp","version":1"#,
        "1795256130123",
        "timestamp",
        r#""2026-11-21 10:15:30.123Z""#,
    ),
    (
        r#""type":"string","name":"io.debezium.time.ZonedTimestamp","version":1"#,
        r#""2026-11-21T10:15:30.5+02:00""#,
        "timestamp",
        r#""2026-11-21 08:15:30.500Z""#,
    ),
    (
        r#""type":"string","name":"io.debezium.data.Uuid","version":1"#,
        r#""ab000000-0000-0000-0000-000000000001""#,
        "uuid",
        r#""ab000000-0000-0000-0000-000000000001""#,
    ),
    (
        r#""type":"string","name":"io.debezium.data.Json","version":1"#,
        r#""{\"a\":1}""#,
        "text",
        r#""{\"a\":1}""#,
    ),
    // 31415 with a scale of 4, in the record itself.
    (
        r#""type":"struct","name":"io.debezium.data.VariableScaleDecimal","version":1,"fields":[{"field":"scale","type":"int32"},{"field":"value","type":"bytes"}]"#,
        r#"{"scale":4,"value":"erc="}"#,
        "decimal",
        "3.1415",
    ),
    (
        r#""type":"struct","fields":[{"field":"city","type":"string"}]"#,
        r#"{"city":"Ulm"}"#,
        "text",
        r#""{\"city\":\"Ulm\"}""#,
    ),
    (
        r#""type":"map","keys":{"type":"string"},"values":{"type":"int32"}"#,
        r#"{"x":1}"#,
        "text",
        r#""{\"x\":1}""#,
    ),
    (
        r#""type":"array","items":{"type":"string","optional":true}"#,
        r#"["a",null]"#,
        "text",
        r#""[\"a\",null]""#,
    ),
    (
        r#""type":"array","items":{"type":"array","items":{"type":"int64"}}"#,
        "[[1,2],[]]",
        "text",
        r#""[[1,2],[]]""#,
    ),
];

/// The first record makes the table with half of the columns, the second adds the others.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_field_gets_its_column() {
    let stage = Stage::begin("cassandra_creation", 1).await;
    let keyspace = Keyspace::create(&stage).await;
    let topic = stage.topic("made", 1).await;
    let connector = Connector::of_class("CassandraSink", &stage.unique("made"))
        .set("topics", &topic.name)
        .set("connection.url", &keyspace.url(&services().cassandra))
        .set("table.name.format", "made")
        .set("auto.create", "true")
        .set("auto.evolve", "true")
        .set("insert.mode", "upsert")
        .set("pk.mode", "record_value")
        .set("pk.fields", "id")
        .set("value.converter.schemas.enable", "true")
        // The second record is a batch of its own, so that the table is there before it.
        .set("batch.size", "1");
    send(&topic, [record(1, 2), record(2, 1)]).await;
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    eventually("both records to be there", PATIENCE, || async {
        let tasks = worker.tasks(&connector).await;
        let failed = tasks.iter().find(|task| task.state == "FAILED");
        assert!(failed.is_none(), "{failed:?}");
        let cql = format!("SELECT id FROM {}.made WHERE id = 2", keyspace.name);
        let answer = keyspace.session.query_unpaged(cql, ()).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let rows = answer.into_rows_result().expect("rows").rows_num();
        check(rows == 1, || format!("{rows} rows"))
    })
    .await;
    let types = types(&keyspace).await;
    let shown = shown(&keyspace).await;
    for (place, (schema, _, made, expected)) in FIELDS.iter().enumerate() {
        let column = format!("c{place}");
        let found = types.iter().find(|(name, _)| *name == column);
        assert_eq!(
            found.map(|(_, native)| native.as_str()),
            Some(*made),
            "{schema}"
        );
        let expected: Value = serde_json::from_str(expected).expect("json");
        assert_eq!(shown[&column], expected, "{schema}");
    }
    worker.until_tasks(&connector, "RUNNING", seconds(30)).await;
    keyspace.drop().await;
}

/// A record with every `nth` of the fields, in the form with its schema.
fn record(id: usize, nth: usize) -> String {
    let mut schemas = vec![r#"{"field":"id","type":"int64"}"#.to_owned()];
    let mut values = vec![format!("\"id\":{id}")];
    for (place, (schema, value, ..)) in FIELDS.iter().enumerate().step_by(nth) {
        schemas.push(format!(
            r#"{{"field":"c{place}","optional":true,{schema}}}"#
        ));
        values.push(format!("\"c{place}\":{value}"));
    }
    let (schemas, values) = (schemas.join(","), values.join(","));
    format!(r#"{{"schema":{{"type":"struct","fields":[{schemas}]}},"payload":{{{values}}}}}"#)
}

async fn send(topic: &Topic, values: [String; 2]) {
    let producer: FutureProducer = kafka::client().create().expect("a producer");
    for value in &values {
        let record = FutureRecord::<(), String>::to(&topic.name).payload(value);
        let sent = producer.send_result(record).map_err(|(error, _)| error);
        let delivery = sent.expect("enqueued").await.expect("the producer lives");
        delivery.map_err(|(error, _)| error).expect("delivered");
    }
}

/// Names and types of the table's columns.
async fn types(keyspace: &Keyspace) -> Vec<(String, String)> {
    let cql = format!(
        "SELECT column_name, type FROM system_schema.columns \
         WHERE keyspace_name = '{}' AND table_name = 'made'",
        keyspace.name
    );
    let answer = keyspace
        .session
        .query_unpaged(cql, ())
        .await
        .expect("types");
    let answer = answer.into_rows_result().expect("rows");
    let rows = answer.rows::<(String, String)>().expect("two columns");
    rows.map(|row| row.expect("values")).collect()
}

/// The row that has all columns, as the server shows it.
async fn shown(keyspace: &Keyspace) -> Value {
    let cql = format!("SELECT JSON * FROM {}.made WHERE id = 2", keyspace.name);
    let answer = keyspace.session.query_unpaged(cql, ()).await.expect("rows");
    let answer = answer.into_rows_result().expect("rows");
    let (text,) = answer.single_row::<(String,)>().expect("one row");
    serde_json::from_str(&text).expect("json")
}
