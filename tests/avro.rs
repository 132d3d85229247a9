//! Avro, JSON Schema and Protobuf with a schema registry, the whole way: Kafka, registry, PostgreSQL.

use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::proxy::{Network, Proxy};
use crate::support::services::services;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::{Launch, Worker};

/// Registers an Avro schema and returns its id.
async fn register(subject: &str, schema: &Value, references: &Value) -> u32 {
    register_as("AVRO", subject, &schema.to_string(), references).await
}

/// Registers a schema of this kind and returns its id.
async fn register_as(kind: &str, subject: &str, schema: &str, references: &Value) -> u32 {
    let url = format!("{}/subjects/{subject}/versions", services().registry);
    let body = json!({"schemaType": kind, "schema": schema, "references": references}).to_string();
    let asked = tokio::task::spawn_blocking(move || {
        let mut answer = ureq::post(&url)
            .header("Content-Type", "application/vnd.schemaregistry.v1+json")
            .send(body)
            .expect("the registry answers");
        let text = answer.body_mut().read_to_string().unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    });
    let answer = asked.await.unwrap();
    u32::try_from(answer["id"].as_u64().expect("an id")).unwrap()
}

/// Avro's numbers: zigzag, seven bits at a time.
fn long(number: i64) -> Vec<u8> {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [long(i64::try_from(bytes.len()).unwrap()), bytes.to_vec()].concat()
}

fn framed(id: u32, body: &[Vec<u8>]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), &body.concat()].concat()
}

async fn send(topic: &Topic, records: &[(Vec<u8>, Vec<u8>)]) {
    let producer: FutureProducer = kafka::client().create().unwrap();
    for (key, value) in records {
        let record = FutureRecord::to(&topic.name)
            .partition(0)
            .key(key)
            .payload(value);
        producer
            .send(record, seconds(10))
            .await
            .map_err(|(error, _)| error)
            .unwrap();
    }
}

async fn until_rows(stage: &Stage, table: &str, count: i64) {
    eventually("rows in the table", seconds(30), || async {
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

async fn rows_as_json(stage: &Stage, table: &str) -> Vec<Value> {
    let sql = format!("SELECT to_jsonb(t)::text FROM {table} AS t ORDER BY id");
    let rows = stage.database.rows(&sql, &[]).await;
    rows.iter()
        .map(|row| serde_json::from_str(row.get(0)).unwrap())
        .collect()
}

fn order_schema(more: &[Value]) -> Value {
    let mut fields = vec![
        json!({"name": "id", "type": "long"}),
        json!({"name": "note", "type": ["null", "string"], "default": null}),
        json!({"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}}),
        json!({"name": "placed_at", "type": {"type": "long", "logicalType": "timestamp-micros"}}),
        json!({"name": "day", "type": {"type": "int", "logicalType": "date"}}),
        json!({"name": "tags", "type": {"type": "array", "items": "string"}}),
        json!({"name": "address", "type": "shop.Address"}),
    ];
    fields.extend_from_slice(more);
    json!({"type": "record", "name": "Order", "namespace": "shop", "fields": fields})
}

fn order(id: i64, note: Option<&str>) -> Vec<Vec<u8>> {
    let note = match note {
        None => long(0),
        Some(note) => [long(1), sized(note.as_bytes())].concat(),
    };
    vec![
        long(id),
        note,
        sized(&[0x04, 0xd2]),
        long(1_769_854_830_123_456),
        long(20_484),
        [long(1), sized(b"new"), long(0)].concat(),
        sized(b"Ulm"),
    ]
}

fn to_table(stage: &Stage, topic: &Topic, table: &str, registry: &str) -> Connector {
    Connector::to_table(stage, &[topic], table)
        .set("value.converter", "io.confluent.connect.avro.AvroConverter")
        .set("value.converter.schema.registry.url", registry)
        .set("auto.create", "true")
}

/// Registers two versions of an order, with an address that both refer to.
async fn register_orders(topic: &Topic) -> (u32, u32) {
    let address = json!({"type": "record", "name": "Address", "namespace": "shop",
        "fields": [{"name": "city", "type": "string"}]});
    let subject = format!("{}-address", topic.name);
    register(&subject, &address, &json!([])).await;
    let references = json!([{"name": "shop.Address", "subject": subject, "version": 1}]);
    let subject = format!("{}-value", topic.name);
    let first = register(&subject, &order_schema(&[]), &references).await;
    let region = json!({"name": "region", "type": "string", "default": "north"});
    let second = register(&subject, &order_schema(&[region]), &references).await;
    (first, second)
}

/// The task is RUNNING and tells of the registry.
async fn until_traced(worker: &Worker, connector: &Connector) {
    eventually(
        "the status to tell of the registry",
        seconds(30),
        || async {
            let tasks = worker.tasks(connector).await;
            let told = tasks.iter().any(|task| {
                task.state == "RUNNING" && task.trace.contains("retrying: schema registry")
            });
            check(told, || format!("{tasks:?}"))
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn avro_of_two_schemas_lands_in_typed_columns() {
    let stage = Stage::begin("avro", 1).await;
    let topic = stage.topic("shop", 1).await;
    let (first, second) = register_orders(&topic).await;
    let records: Vec<_> = (0..40)
        .map(|id| {
            let value = if id % 2 == 0 {
                framed(first, &order(id, Some("x")))
            } else {
                framed(second, &[order(id, None), vec![sized(b"south")]].concat())
            };
            (id.to_string().into_bytes(), value)
        })
        .collect();
    send(&topic, &records).await;
    let connector = to_table(&stage, &topic, "shop", &services().registry)
        .set("pk.mode", "record_value")
        .set("pk.fields", "id")
        .set("insert.mode", "upsert");
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    until_rows(&stage, "shop", 40).await;
    worker.until_tasks(&connector, "RUNNING", seconds(5)).await;
    let rows = rows_as_json(&stage, "shop").await;
    let common = |id: i64| {
        json!({
            "id": id, "price": 12.34, "placed_at": "2026-01-31T10:20:30.123456",
            "day": "2026-01-31", "tags": ["new"], "address": {"city": "Ulm"},
        })
    };
    let mut even = common(2);
    even["note"] = json!("x");
    // The table has the default of the second schema, and the first says nothing of this column.
    even["region"] = json!("north");
    assert_eq!(rows[2], even);
    let mut odd = common(3);
    odd["note"] = Value::Null;
    odd["region"] = json!("south");
    assert_eq!(rows[3], odd);
    let types = "SELECT string_agg(column_name || ' ' || data_type, ',' ORDER BY column_name)
        FROM information_schema.columns WHERE table_name = 'shop'";
    let types: String = stage.database.rows(types, &[]).await[0].get(0);
    assert_eq!(
        types,
        "address jsonb,day date,id bigint,note text,placed_at timestamp without time zone,\
         price numeric,region text,tags ARRAY"
    );
}

/// Decimals of whatever precision and scale, and bytes that have a name.
#[tokio::test(flavor = "multi_thread")]
async fn what_source_connectors_say_of_bytes_becomes_columns() {
    let stage = Stage::begin("avro_bytes", 1).await;
    let topic = stage.topic("lines", 1).await;
    let decimal = |more: Value| {
        let mut decimal = json!({"type": "bytes", "logicalType": "decimal"});
        let more = more.as_object().unwrap().clone();
        decimal.as_object_mut().unwrap().extend(more);
        decimal
    };
    let bits = json!({"type": "bytes", "connect.name": "io.debezium.data.Bits",
        "connect.parameters": {"length": "8"}});
    let schema = json!({"type": "record", "name": "Line", "fields": [
        {"name": "id", "type": "long"},
        {"name": "plain", "type": decimal(json!({"scale": 2}))},
        {"name": "small", "type": decimal(json!({"precision": 3, "scale": 5}))},
        {"name": "tiny", "type": decimal(json!({"precision": 64, "scale": 127}))},
        {"name": "hundreds", "type": decimal(json!({"precision": 5, "scale": -2}))},
        {"name": "flags", "type": bits}]});
    let id = register(&format!("{}-value", topic.name), &schema, &json!([])).await;
    let digits = || sized(&[0x04, 0xd2]);
    let line = vec![long(1), digits(), digits(), digits(), digits(), sized(&[5])];
    send(&topic, &[(Vec::new(), framed(id, &line))]).await;
    let connector = to_table(&stage, &topic, "lines", &services().registry);
    let _worker = Launch::new("worker").start(&stage, &[&connector]).await;
    until_rows(&stage, "lines", 1).await;
    let shown = "SELECT concat_ws(' ', plain, small, hundreds, flags, tiny * 1e127) FROM lines";
    let shown: String = stage.database.rows(shown, &[]).await[0].get(0);
    let zeros = format!("1234.{}", "0".repeat(127));
    assert_eq!(shown, format!("12.34 0.01234 123400 00000101 {zeros}"));
    let types = "SELECT string_agg(format_type(atttypid, atttypmod), ',' ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = 'lines'::regclass AND attnum > 0";
    let types: String = stage.database.rows(types, &[]).await[0].get(0);
    assert_eq!(types, "bigint,numeric,numeric,numeric,numeric(7,0),bit(8)");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_schemas_and_bad_bytes_are_dead_letters() {
    let stage = Stage::begin("avro_bad", 1).await;
    let topic = stage.topic("shop", 1).await;
    let letters = stage.topic("letters", 1).await;
    let (first, _) = register_orders(&topic).await;
    let good = |id: i64| framed(first, &order(id, None));
    let mut cut = good(7);
    cut.truncate(cut.len() - 2);
    let values = [
        good(1),
        framed(2_000_000_000, &[long(1)]),
        b"{}".to_vec(),
        cut,
        Vec::new(),
        good(2),
    ];
    let records: Vec<_> = values
        .into_iter()
        .map(|value| (Vec::new(), value))
        .collect();
    send(&topic, &records).await;
    let connector = to_table(&stage, &topic, "shop", &services().registry).dead_letters(&letters);
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    until_rows(&stage, "shop", 2).await;
    worker.until_tasks(&connector, "RUNNING", seconds(5)).await;
    let found = kafka::read_topic(&letters.name, 1).await;
    let reasons: Vec<&str> = found
        .iter()
        .map(|letter| letter.headers["__connect.errors.exception.message"].as_str())
        .collect();
    let expected = [
        "the schema registry has no schema 2000000000",
        "magic byte",
        "malformed Avro",
        "magic byte",
    ];
    assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
    for (reason, part) in reasons.iter().zip(expected) {
        assert!(reason.contains(part), "{reason}: {part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_away_is_waited_for() {
    let stage = Stage::begin("avro_away", 1).await;
    let topic = stage.topic("shop", 1).await;
    let (first, second) = register_orders(&topic).await;
    let proxy = Proxy::to_database(&services().registry).await;
    let through = format!("http://{}/apis/ccompat/v7", proxy.address());
    proxy.set(Network::Stalled);
    let record = |id: i64| (Vec::new(), framed(first, &order(id, None)));
    send(&topic, &(0..10).map(record).collect::<Vec<_>>()).await;
    let connector = to_table(&stage, &topic, "shop", &through)
        .set("value.converter.http.read.timeout.ms", "300")
        .set("fields.unknown", "ignore");
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    until_traced(&worker, &connector).await;
    worker.until_tasks(&connector, "RUNNING", seconds(5)).await;
    assert!(!stage.database.has_table("shop").await);
    proxy.set(Network::Whole);
    until_rows(&stage, "shop", 10).await;
    // What is known needs no registry; what is not waits, and is not skipped.
    proxy.set(Network::Stalled);
    proxy.cut_connections();
    send(&topic, &(10..20).map(record).collect::<Vec<_>>()).await;
    until_rows(&stage, "shop", 20).await;
    let newer = framed(second, &[order(20, None), vec![sized(b"south")]].concat());
    send(&topic, &[(Vec::new(), newer), record(21)]).await;
    until_traced(&worker, &connector).await;
    assert_eq!(stage.database.number("SELECT count(*) FROM shop").await, 20);
    proxy.set(Network::Whole);
    until_rows(&stage, "shop", 22).await;
    worker.until_tasks(&connector, "RUNNING", seconds(5)).await;
}

/// A change event: before, after, source, op; each row is an id and a name.
fn change(op: &str, before: Option<(i64, &str)>, after: Option<(i64, &str)>) -> Vec<Vec<u8>> {
    let row = |row: Option<(i64, &str)>| match row {
        None => long(0),
        Some((id, name)) => [long(1), long(id), sized(name.as_bytes()), long(1)].concat(),
    };
    vec![
        row(before),
        row(after),
        sized(b"shop"),
        sized(op.as_bytes()),
    ]
}

fn change_schema() -> Value {
    let row = json!({"type": "record", "name": "Value", "fields": [
        {"name": "id", "type": "long"}, {"name": "name", "type": "string"},
        {"name": "at", "type": {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}}]});
    json!({"type": "record", "name": "Envelope", "namespace": "shop.customers", "fields": [
        {"name": "before", "type": ["null", row], "default": null},
        {"name": "after", "type": ["null", "Value"], "default": null},
        {"name": "source", "type": {"type": "record", "name": "Source",
            "fields": [{"name": "db", "type": "string"}]}},
        {"name": "op", "type": "string"}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn debeziums_events_write_delete_and_truncate() {
    let stage = Stage::begin("avro_changes", 1).await;
    changes_are_carried_out(&stage, &change_schema(), |event| event).await;
}

/// As Debezium's converter wraps them: the event is the data, attributes stand around it.
#[tokio::test(flavor = "multi_thread")]
async fn cloud_events_around_them_are_opened() {
    let stage = Stage::begin("avro_cloud_events", 1).await;
    let text = |name: &str| json!({"name": name, "type": "string"});
    let schema = json!({"type": "record", "name": "Envelope",
        "namespace": "shop.customers.CloudEvents", "fields": [
            text("id"), text("source"), text("specversion"), text("type"),
            {"name": "time", "type": ["null", "string"], "default": null},
            text("datacontenttype"),
            {"name": "data", "type": change_schema()},
            text("iodebeziumname")]});
    changes_are_carried_out(&stage, &schema, |event| {
        let before = ["7", "/shop", "1.0", "io.debezium.change"].map(|text| sized(text.as_bytes()));
        let time = [long(0), sized(b"application/avro")];
        [&before[..], &time, &event, &[sized(b"shop")]].concat()
    })
    .await;
}

/// Change events in values of this schema end in the rows that are left.
async fn changes_are_carried_out(
    stage: &Stage,
    schema: &Value,
    wrapped: impl Fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>,
) {
    let topic = stage.topic("customers", 1).await;
    let key = json!({"type": "record", "name": "Key", "namespace": "shop.customers",
        "fields": [{"name": "id", "type": "long"}]});
    let value_id = register(&format!("{}-value", topic.name), schema, &json!([])).await;
    let key_id = register(&format!("{}-key", topic.name), &key, &json!([])).await;
    let key = |id: i64| framed(key_id, &[long(id)]);
    let event = |op, before, after| framed(value_id, &wrapped(change(op, before, after)));
    let records = [
        (key(9), event("c", None, Some((9, "gone")))),
        (Vec::new(), event("t", None, None)),
        (key(1), event("r", None, Some((1, "ann")))),
        (key(2), event("c", None, Some((2, "bob")))),
        (key(1), event("u", Some((1, "ann")), Some((1, "anna")))),
        (key(2), event("d", Some((2, "bob")), None)),
        (key(3), event("c", None, Some((3, "eve")))),
    ];
    send(&topic, &records).await;
    let registry = &services().registry;
    let connector = to_table(stage, &topic, "customers", registry)
        .set("key.converter", "io.confluent.connect.avro.AvroConverter")
        .set("key.converter.schema.registry.url", registry)
        .set("change.events", "debezium")
        .set("insert.mode", "upsert")
        .set("pk.mode", "record_key")
        .set("pk.fields", "id")
        .set("delete.enabled", "true")
        .set("truncate.enabled", "true");
    let worker = Launch::new("worker").start(stage, &[&connector]).await;
    until_rows(stage, "customers", 2).await;
    worker.until_tasks(&connector, "RUNNING", seconds(5)).await;
    let row =
        |id: i64, name: &str| json!({"id": id, "name": name, "at": "1970-01-01T00:00:00.000001"});
    let rows = rows_as_json(stage, "customers").await;
    assert_eq!(rows, [row(1, "anna"), row(3, "eve")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_schema_and_protobuf_have_their_schemas_in_the_registry_too() {
    let stage = Stage::begin("registered", 1).await;
    let json_topic = stage.topic("json", 1).await;
    let proto_topic = stage.topic("proto", 1).await;
    let json_schema = json!({"type": "object", "title": "shop.Order", "properties": {
        "id": {"connect.index": 0, "type": "integer", "connect.type": "int32"},
        "price": {"connect.index": 1, "type": "number", "connect.type": "bytes",
            "title": "org.apache.kafka.connect.data.Decimal",
            "connect.parameters": {"scale": "2"}},
        "at": {"connect.index": 2, "type": "integer", "connect.type": "int64",
            "title": "org.apache.kafka.connect.data.Timestamp"}}});
    let proto = "syntax = \"proto3\"; package shop; import \"google/protobuf/timestamp.proto\";
        message Other { string x = 1; }
        message Order { int64 id = 1; optional string note = 2; google.protobuf.Timestamp at = 3;
            repeated string tags = 4; }";
    let subject = format!("{}-value", json_topic.name);
    let json_id = register_as("JSON", &subject, &json_schema.to_string(), &json!([])).await;
    let subject = format!("{}-value", proto_topic.name);
    let proto_id = register_as("PROTOBUF", &subject, proto, &json!([])).await;
    let text = br#"{"id":1,"price":12.30,"at":1769854830123}"#.to_vec();
    send(&json_topic, &[(Vec::new(), framed(json_id, &[text]))]).await;
    // Message 1 of the file: one index; id 1, a time, two tags.
    let message = vec![2, 2, 8, 1, 0x1a, 2, 8, 1, 0x22, 1, b'a', 0x22, 1, b'b'];
    send(&proto_topic, &[(Vec::new(), framed(proto_id, &[message]))]).await;
    let connector = |topic: &Topic, table: &str, class: &str| {
        to_table(&stage, topic, table, &services().registry).set("value.converter", class)
    };
    let json_class = "io.confluent.connect.json.JsonSchemaConverter";
    let proto_class = "io.confluent.connect.protobuf.ProtobufConverter";
    let connectors = [
        connector(&json_topic, "orders_json", json_class),
        connector(&proto_topic, "orders_proto", proto_class),
    ];
    let [one, other] = &connectors;
    let _worker = Launch::new("worker").start(&stage, &[one, other]).await;
    until_rows(&stage, "orders_json", 1).await;
    until_rows(&stage, "orders_proto", 1).await;
    let expected = json!({"id": 1, "price": 12.30, "at": "2026-01-31T10:20:30.123"});
    assert_eq!(rows_as_json(&stage, "orders_json").await, [expected]);
    let at = "1970-01-01T00:00:01";
    let expected = json!({"id": 1, "note": null, "at": at, "tags": ["a", "b"]});
    assert_eq!(rows_as_json(&stage, "orders_proto").await, [expected]);
}
