//! Random records, with and without schemas.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::configs::{self, Wanted};

/// A config, and records for it.
#[derive(Debug)]
pub(super) struct Case {
    /// `transforms`, `predicates` and what is below them.
    pub(super) config: BTreeMap<String, String>,
    pub(super) key_schemas: bool,
    pub(super) value_schemas: bool,
    pub(super) records: Vec<Record>,
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) timestamp: Option<i64>,
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    pub(super) headers: Vec<(String, String)>,
}

/// Names of fields; configs take theirs from here too.
pub(super) const NAMES: [&str; 7] = ["id", "name", "amount", "at", "nested", "a.b", "tags"];

impl Case {
    pub(super) fn random(random: &mut Rng, record_count: usize) -> Self {
        let config = configs::random(random);
        let key_schemas = random.bool();
        let value_schemas = random.u8(..3) > 0;
        // Headers are read only for those who ask for them.
        let with_headers = configs::reads_headers(&config);
        let shape = match configs::wanted(&config) {
            Wanted::ChangeEvents if random.u8(..8) > 0 => Shape::random_envelope(random),
            Wanted::CloudEvents if random.u8(..8) > 0 => Shape::random_cloud_event(random),
            _ => Shape::random(random),
        };
        let records = (0..record_count)
            .map(|offset| Record {
                topic: pick(random, &["orders", "db1.public.Orders-v2", "t"]).to_owned(),
                partition: random.i32(0..5),
                offset: i64::try_from(offset).unwrap(),
                timestamp: (random.u8(..6) > 0).then(|| random.i64(0..4_000_000_000_000)),
                key: side(random, key_schemas, &Shape::random(&mut Rng::with_seed(1))),
                value: side(random, value_schemas, &shape),
                headers: if with_headers {
                    headers(random)
                } else {
                    Vec::new()
                },
            })
            .collect();
        Self {
            config,
            key_schemas,
            value_schemas,
            records,
        }
    }

    /// As the oracle reads it.
    pub(super) fn json(&self) -> Value {
        let records: Vec<Value> = self
            .records
            .iter()
            .map(|record| {
                json!({
                    "topic": record.topic, "partition": record.partition, "offset": record.offset,
                    "timestamp": record.timestamp, "key": record.key, "value": record.value,
                    "headers": record.headers,
                })
            })
            .collect();
        json!({
            "config": self.config, "key_schemas": self.key_schemas,
            "value_schemas": self.value_schemas, "records": records,
        })
    }
}

pub(super) fn pick<'a, T: ?Sized>(random: &mut Rng, from: &[&'a T]) -> &'a T {
    from[random.usize(..from.len())]
}

fn headers(random: &mut Rng) -> Vec<(String, String)> {
    (0..random.usize(..3))
        .map(|_| {
            let name = pick(random, &["h1", "h2"]).to_owned();
            let values = [
                "text",
                "1",
                "true",
                "200",
                "[\"id\",\"name\"]",
                "[\"at\",\"amount\"]",
                "[]",
            ];
            (name, pick(random, &values).to_owned())
        })
        .collect()
}

/// A type of values: a schema in `JsonConverter`'s notation.
struct Shape {
    schema: Value,
}

fn side(random: &mut Rng, schemas: bool, shape: &Shape) -> Option<String> {
    if random.u8(..12) == 0 {
        return None;
    }
    let payload = value(random, &shape.schema);
    if schemas {
        return Some(json!({"schema": shape.schema, "payload": payload}).to_string());
    }
    let payload = match random.u8(..8) {
        _ if shape.schema["name"] == json!("com.acme.CloudEvents.Envelope") => {
            value(random, &shape.schema)
        }
        0 => json!(pick(random, &["text", "42", "2026-11-29", ""])),
        1 => json!(random.i64(-300..300)),
        _ => object(random, 0),
    };
    Some(payload.to_string())
}

/// An object without a schema.
fn object(random: &mut Rng, depth: usize) -> Value {
    let mut object = Map::new();
    for _ in 0..random.usize(..7) {
        let name = pick(random, &NAMES).to_owned();
        let value = match random.u8(..9) {
            0 => Value::Null,
            1 => json!(random.bool()),
            2 | 3 => json!(pick(random, &INTEGERS)),
            4 => json!(pick(random, &DOUBLES)),
            5 | 6 => json!(pick(random, &TEXTS)),
            7 if depth < 2 => object_or_array(random, depth),
            _ => json!(random.i64(0..2_000_000_000_000)),
        };
        object.insert(name, value);
    }
    Value::Object(object)
}

fn object_or_array(random: &mut Rng, depth: usize) -> Value {
    if random.u8(..3) == 0 {
        json!([1, "two", null])
    } else {
        object(random, depth + 1)
    }
}

const INTEGERS: [&i64; 9] = [
    &0,
    &1,
    &-1,
    &127,
    &128,
    &-129,
    &70_000,
    &3_000_000_000,
    &i64::MIN,
];
const DOUBLES: [&f64; 9] = [
    &0.0,
    &1.5,
    &-2.25,
    &100.0,
    &1e10,
    &1e-5,
    &123_456.789,
    &300.7,
    &-1e20,
];
const TEXTS: [&str; 13] = [
    "",
    "abc",
    "42",
    "-7",
    "+3",
    "1.5",
    "true",
    "TRUE",
    "2026-11-29",
    "2026-11-29T10:11:12.345Z",
    "é☃",
    " 1e3 ",
    "NaN",
];

impl Shape {
    fn random(random: &mut Rng) -> Self {
        let schema = if random.u8(..6) == 0 {
            scalar(random)
        } else {
            structure(random, 0)
        };
        Self { schema }
    }

    /// A change event of Debezium.
    fn random_envelope(random: &mut Rng) -> Self {
        let row = structure(random, 1);
        let field = |name: &str, schema: &Value, optional: bool| {
            let mut schema = schema.clone();
            schema["field"] = json!(name);
            schema["optional"] = json!(optional);
            schema
        };
        let text = json!({"type": "string"});
        let long = json!({"type": "int64"});
        let source = json!({"type": "struct", "name": "io.debezium.connector.postgresql.Source",
            "fields": [field("db", &text, false), field("table", &text, true),
                field("lsn", &long, true), field("ts_ms", &long, false)]});
        let transaction = json!({"type": "struct", "name": "event.block",
            "fields": [field("id", &text, false), field("total_order", &long, false)]});
        let name = pick(random, &["db1.public.orders.Envelope", "no.change"]);
        let schema = json!({"type": "struct", "name": name, "fields": [
            field("before", &row, true), field("after", &row, true),
            field("source", &source, false), field("transaction", &transaction, true),
            field("op", &text, false), field("ts_ms", &long, true)]});
        Self { schema }
    }
}

impl Shape {
    /// A CloudEvent.
    fn random_cloud_event(random: &mut Rng) -> Self {
        let mut fields = Vec::new();
        for name in ["id", "source", "specversion", "type"] {
            fields.push(json!({"field": name, "type": "string", "optional": false}));
        }
        fields.push(json!({"field": "time", "type": "string", "optional": true}));
        let mut data = match random.bool() {
            true => structure(random, 1),
            false => scalar(random),
        };
        data["field"] = json!("data");
        fields.push(data);
        let name = pick(random, &["com.acme.CloudEvents.Envelope", "com.acme.Event"]);
        let schema = json!({"type": "struct", "name": name, "fields": fields});
        Self { schema }
    }
}

fn structure(random: &mut Rng, depth: usize) -> Value {
    let mut names = NAMES.to_vec();
    random.shuffle(&mut names);
    names.truncate(random.usize(1..6));
    let fields: Vec<Value> = names
        .iter()
        .map(|name| {
            let mut schema = match random.u8(..8) {
                0 if depth < 2 => structure(random, depth + 1),
                1 => json!({"type": "array", "items": {"type": "int32"}}),
                2 if depth == 0 && random.bool() => {
                    json!({"type": "map", "keys": {"type": "string"}, "values": {"type": "int64"}})
                }
                _ => scalar(random),
            };
            schema["field"] = json!(name);
            schema
        })
        .collect();
    let mut schema = json!({"type": "struct", "optional": random.bool(), "fields": fields});
    if random.bool() {
        schema["name"] = json!("com.acme.Order");
        schema["version"] = json!(random.i32(1..9));
    }
    schema
}

fn scalar(random: &mut Rng) -> Value {
    let plain = [
        "int8", "int16", "int32", "int64", "float", "double", "boolean", "string", "string",
        "string", "bytes",
    ];
    let logical = |kind: &str, name: &str| {
        let name = format!("org.apache.kafka.connect.data.{name}");
        json!({"type": kind, "name": name, "version": 1})
    };
    let of_debezium = |kind: &str, name: &str| {
        let name = format!("io.debezium.time.{name}");
        json!({"type": kind, "name": name, "version": 1})
    };
    let mut schema = match random.u8(..12) {
        0 => {
            let mut decimal = logical("bytes", "Decimal");
            decimal["parameters"] = json!({"scale": "2"});
            decimal
        }
        1 => logical("int32", "Date"),
        2 => logical("int32", "Time"),
        3 => logical("int64", "Timestamp"),
        4 => of_debezium("int32", pick(random, &["Date", "Time"])),
        5 => of_debezium("int64", pick(random, &["MicroTime", "NanoTime"])),
        6 => {
            let names = ["Timestamp", "MicroTimestamp", "NanoTimestamp"];
            of_debezium("int64", pick(random, &names))
        }
        _ => json!({"type": pick(random, &plain)}),
    };
    schema["optional"] = json!(random.bool());
    if random.u8(..5) == 0 {
        schema["default"] = present(random, &schema);
    }
    if random.u8(..8) == 0 {
        schema["doc"] = json!("what it is");
    }
    schema
}

/// A value of a schema.
fn value(random: &mut Rng, schema: &Value) -> Value {
    if schema["optional"] == json!(true) && random.u8(..5) == 0 {
        return Value::Null;
    }
    present(random, schema)
}

fn present(random: &mut Rng, schema: &Value) -> Value {
    let name = schema["name"].as_str().unwrap_or_default();
    match (
        schema["type"].as_str().unwrap(),
        name.rsplit('.').next().unwrap(),
    ) {
        (_, "Decimal") => json!(pick(random, &["BNI=", "/w==", "AA==", "AQAAAAAAAAAA"])),
        (_, "Date") => json!(random.i32(-800..40_000)),
        (_, "Time") => json!(random.i32(0..86_400_000)),
        (_, "MicroTime" | "NanoTime") => json!(random.i64(0..86_400_000_000)),
        (_, "Timestamp") => json!(random.i64(-90_000_000..4_000_000_000_000)),
        ("int8", _) => json!(random.i8(..)),
        ("int16", _) => json!(random.i16(..)),
        ("int32", _) => json!(random.i32(..)),
        ("int64", _) if random.bool() => json!(random.i64(0..2_000_000_000_000)),
        ("int64", _) => json!(random.i64(..)),
        ("float", _) => json!(pick(random, &[&0.5, &-3.0, &1e10, &0.001_f64])),
        ("double", _) => json!(pick(random, &DOUBLES)),
        ("boolean", _) => json!(random.bool()),
        ("string", _) => json!(text_for(random, schema)),
        ("bytes", _) => json!(pick(random, &["", "AAEC", "/////w=="])),
        ("array", _) => json!([1, 2, random.i32(..)]),
        ("map", _) => json!({"x": 1, "y": random.i64(..)}),
        ("struct", _) => {
            let fields = schema["fields"].as_array().unwrap();
            let fields = fields.iter().map(|field| {
                let name = field["field"].as_str().unwrap().to_owned();
                (name, value(random, field))
            });
            Value::Object(fields.collect())
        }
        (other, _) => panic!("no values for {other}"),
    }
}

fn text_for(random: &mut Rng, schema: &Value) -> &'static str {
    match schema["field"].as_str() {
        Some("op") => pick(random, &["c", "u", "d", "r", "t"]),
        _ => pick(random, &TEXTS),
    }
}
