//! Records as text, exactly as `TransformOracle.java` prints them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rowdock::record::{Datum, Kind, OwnedRecord, Schema, Side};

pub(super) fn record(record: &OwnedRecord) -> String {
    let headers: String = record
        .headers
        .iter()
        .map(|header| format!("{}={};", quoted(&header.name), datum(&header.datum)))
        .collect();
    let timestamp = record
        .timestamp_ms
        .map_or_else(|| "null".to_owned(), |millis| millis.to_string());
    [
        quoted(&record.topic),
        timestamp,
        side_schema(&record.key),
        datum(&record.key.datum),
        side_schema(&record.value),
        datum(&record.value.datum),
        headers,
    ]
    .join("\t")
}

fn side_schema(side: &Side) -> String {
    match &side.schema {
        Some(known) => schema(known),
        None => "-".to_owned(),
    }
}

fn schema(known: &Schema) -> String {
    let mut text = known.kind.name().to_owned();
    text.push(if known.optional { '?' } else { '!' });
    if let Some(name) = &known.name {
        text.push_str(&format!("<{name}>"));
    }
    if let Some(version) = known.version {
        text.push_str(&format!("v{version}"));
    }
    if let Some(doc) = &known.doc {
        text.push_str(&format!("doc{}", quoted(doc)));
    }
    if !known.parameters.is_empty() {
        let parameters: Vec<String> = known
            .parameters
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        text.push_str(&format!("{{{}}}", parameters.join(", ")));
    }
    if let Some(default) = &known.default {
        text.push_str(&format!("={}", datum(default)));
    }
    match &known.kind {
        Kind::Array(items) => text.push_str(&format!("[{}]", schema(items))),
        Kind::Map { key, value } => {
            text.push_str(&format!("{{{},{}}}", schema(key), schema(value)));
        }
        Kind::Struct(fields) => {
            text.push('(');
            for field in fields {
                text.push_str(&format!(
                    "{}:{},",
                    quoted(&field.name),
                    schema(&field.schema)
                ));
            }
            text.push(')');
        }
        _ => {}
    }
    text
}

fn datum(value: &Datum) -> String {
    match value {
        Datum::Null => "null".to_owned(),
        Datum::Boolean(value) => value.to_string(),
        Datum::Int8(value) => format!("i8:{value}"),
        Datum::Int16(value) => format!("i16:{value}"),
        Datum::Int32(value) => format!("i32:{value}"),
        Datum::Int64(value) => format!("i64:{value}"),
        Datum::Float32(value) => format!("f32:{:x}", value.to_bits()),
        Datum::Float64(value) => format!("f64:{:x}", value.to_bits()),
        Datum::Number(literal) => format!("f64:{:x}", literal.parse::<f64>().unwrap().to_bits()),
        Datum::String(text) => quoted(text),
        Datum::Bytes(bytes) => format!("bytes:{}", BASE64.encode(bytes)),
        Datum::Decimal(plain) => format!("decimal:{plain}"),
        Datum::Date(days) => format!("date:{}", i64::from(*days) * 86_400_000),
        Datum::Time(nanos) => format!("date:{}", nanos.div_euclid(1_000_000)),
        Datum::Timestamp(at) => {
            let millis = at.seconds * 1000 + i64::from(at.nanos / 1_000_000);
            format!("date:{millis}")
        }
        Datum::Array(items) => {
            let items: String = items
                .iter()
                .map(|item| format!("{},", datum(item)))
                .collect();
            format!("[{items}]")
        }
        Datum::Map(map) => entries(map.iter().map(|(name, value)| (quoted(name), datum(value)))),
        Datum::Entries(pairs) => {
            entries(pairs.iter().map(|(key, value)| (datum(key), datum(value))))
        }
        Datum::Struct(value) => {
            let fields = value.schema().fields().unwrap().iter().zip(value.values());
            let fields: String = fields
                .map(|(field, value)| format!("{}:{},", quoted(&field.name), datum(value)))
                .collect();
            format!("({fields})")
        }
    }
}

fn entries(entries: impl Iterator<Item = (String, String)>) -> String {
    let sorted: BTreeMap<String, String> = entries.collect();
    let entries: String = sorted
        .iter()
        .map(|(name, value)| format!("{name}:{value},"))
        .collect();
    format!("{{{entries}}}")
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ b' '..=b'~') if byte != b'"' && byte != b'\\' => quoted.push(byte.into()),
            _ => quoted.push_str(&format!("\\u{unit:04x}")),
        }
    }
    quoted.push('"');
    quoted
}
