//! Kafka Connect's JSON envelope: `{"schema": .., "payload": ..}`.
//!
//! The schema's text repeats in every record. It is parsed once and then recognised by its bytes:
//! a record that starts with the same bytes up to its payload has the same schema, and only the
//! payload is read. See `JsonConverter` with `schemas.enable=true` for the format.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rowdock_connectors::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{json, tree};
use crate::decimal;
use crate::record::{Field, Kind, Logical, Schema, Value};

/// More columns than any target table can have.
const FIELDS_MAX: usize = 4_096;

/// Connect's own message for a value without an envelope.
const NO_ENVELOPE: &str = "JsonConverter with schemas.enable requires \"schema\" and \"payload\" \
     fields and may not contain additional fields. If you are trying to deserialize plain JSON \
     data, set schemas.enable=false in your converter configuration.";

/// Opens envelopes, remembering schemas. One per task and side (key, value).
#[derive(Debug)]
pub struct Opener {
    /// Bytes from the record's start up to its payload, of the schema seen last.
    last: Option<(String, Arc<Schema>)>,
    by_text: HashMap<String, Arc<Schema>>,
    capacity: usize,
}

impl Opener {
    /// Keeps up to `capacity` schemas (`schemas.cache.size`).
    pub fn new(capacity: usize) -> Self {
        Self {
            last: None,
            by_text: HashMap::new(),
            capacity: capacity.max(1),
        }
    }

    /// Splits an envelope into its schema and its payload's text. Without schema: `null`.
    ///
    /// The payload's text is not checked: whoever reads it uses a parser that does.
    ///
    /// # Errors
    /// Says what is wrong with the envelope or its schema.
    pub fn open<'a>(&mut self, text: &'a str) -> Result<(Option<Arc<Schema>>, &'a str), String> {
        if let Some((head, schema)) = &self.last
            && let Some(rest) = text.strip_prefix(head.as_str())
            && let Some(payload) = rest.trim_ascii_end().strip_suffix('}')
        {
            return Ok((Some(Arc::clone(schema)), payload));
        }
        self.open_slowly(text)
    }

    fn open_slowly<'a>(&mut self, text: &'a str) -> Result<(Option<Arc<Schema>>, &'a str), String> {
        let (schema_text, payload) = split(text)?;
        if schema_text == "null" {
            return Ok((None, payload));
        }
        let schema = match self.by_text.get(schema_text) {
            Some(schema) => Arc::clone(schema),
            None => self.remember(schema_text)?,
        };
        // The shortcut holds only for envelopes that end with their payload.
        let head_length = payload.as_ptr() as usize - text.as_ptr() as usize;
        let tail = text[head_length + payload.len()..].trim_ascii();
        if tail == "}" {
            self.last = Some((text[..head_length].to_owned(), Arc::clone(&schema)));
        }
        Ok((Some(schema), payload))
    }

    fn remember(&mut self, schema_text: &str) -> Result<Arc<Schema>, String> {
        let schema = Arc::new(parse(schema_text, 0)?);
        if self.by_text.len() >= self.capacity {
            // Rare: more live schemas than configured. Starting over keeps the bound simple.
            self.by_text.clear();
        }
        self.by_text
            .insert(schema_text.to_owned(), Arc::clone(&schema));
        Ok(schema)
    }
}

/// Parses a schema's JSON text. `depth`: how many schemas it is inside of.
///
/// # Errors
/// Says what is wrong, naming the type or field.
fn parse(text: &str, depth: usize) -> Result<Schema, String> {
    if depth > json::DEPTH_MAX {
        return Err("the envelope's schema is nested too deeply".to_owned());
    }
    let wire: WireSchema<'_> = serde_json::from_str(text).map_err(|error| {
        format!(
            "the envelope's schema is malformed (column {})",
            error.column()
        )
    })?;
    wire.resolve(depth)
}

/// Reads a raw value of this schema.
///
/// # Errors
/// Says how the value breaks the schema; never quotes it.
pub fn read<'a>(schema: &'a Schema, raw: &'a str) -> Result<Value<'a>, String> {
    match json::value(raw)? {
        Value::Null => missing(schema),
        value => read_present(schema, value),
    }
}

/// What null, or a field without a value, stands for.
///
/// # Errors
/// When the schema requires a value.
pub fn missing(schema: &Schema) -> Result<Value<'_>, String> {
    match &schema.default {
        Some(default) => default.value().map_err(str::to_owned),
        None if schema.optional => Ok(Value::Null),
        None => Err("null, but the schema requires a value".to_owned()),
    }
}

/// Reads a value that is not null.
///
/// # Errors
/// As [`read`].
pub(super) fn read_present<'a>(schema: &Schema, value: Value<'a>) -> Result<Value<'a>, String> {
    match schema.logical {
        Logical::None => read_plain(schema, value),
        Logical::Decimal { scale } => match value {
            Value::Text(text) => {
                let plain = decimal::from_unscaled(&decode_base64(&text)?, scale);
                Ok(Value::Decimal(Cow::Owned(plain)))
            }
            value @ Value::Number(_) => Ok(value),
            other => Err(mismatch(schema, &other)),
        },
        Logical::Date => {
            let days = integer(schema, i64::from(i32::MIN), i64::from(i32::MAX), &value)?;
            i32::try_from(days)
                .map(Value::Date)
                .map_err(|_| "a date out of range".to_owned())
        }
        Logical::Time => Ok(Value::Time(
            integer(schema, 0, 86_400_000, &value)? * 1_000_000,
        )),
        Logical::Timestamp => Ok(Value::Timestamp(timestamp_from_millis(integer(
            schema,
            i64::MIN,
            i64::MAX,
            &value,
        )?))),
    }
}

fn read_plain<'a>(schema: &Schema, value: Value<'a>) -> Result<Value<'a>, String> {
    match (&schema.kind, value) {
        (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, value @ Value::Number(_)) => {
            let (low, high) = integer_range(&schema.kind);
            integer(schema, low, high, &value)?;
            Ok(value)
        }
        (Kind::Float32 | Kind::Float64, value @ Value::Number(_))
        | (Kind::Boolean, value @ Value::Bool(_))
        | (Kind::String, value @ Value::Text(_))
        | (Kind::Array(_) | Kind::Map { .. } | Kind::Struct(_), value @ Value::Json(_)) => {
            Ok(value)
        }
        (Kind::Float32 | Kind::Float64, value @ Value::Text(_)) => match value {
            // JSON has no such numbers; Connect's converter writes them as strings.
            Value::Text(text) if matches!(&*text, "NaN" | "Infinity" | "-Infinity") => {
                Ok(Value::Text(text))
            }
            other => Err(mismatch(schema, &other)),
        },
        (Kind::Bytes, Value::Text(text)) => {
            decode_base64(&text).map(|bytes| Value::Bytes(Cow::Owned(bytes)))
        }
        (_, other) => Err(mismatch(schema, &other)),
    }
}

fn integer(schema: &Schema, low: i64, high: i64, value: &Value<'_>) -> Result<i64, String> {
    match value {
        Value::Number(text) => match text.parse::<i64>() {
            Ok(number) if (low..=high).contains(&number) => Ok(number),
            _ => Err(format!("a number that is no {}", schema.type_name())),
        },
        other => Err(mismatch(schema, other)),
    }
}

fn integer_range(kind: &Kind) -> (i64, i64) {
    match kind {
        Kind::Int8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
        Kind::Int16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        Kind::Int32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    }
}

fn mismatch(schema: &Schema, value: &Value<'_>) -> String {
    format!(
        "{} where the schema says {}",
        value.kind(),
        schema.type_name()
    )
}

/// Milliseconds since the epoch as a timestamp.
pub fn timestamp_from_millis(millis: i64) -> Timestamp {
    let nanos = u32::try_from(millis.rem_euclid(1000)).unwrap_or(0) * 1_000_000;
    Timestamp {
        seconds: millis.div_euclid(1000),
        nanos,
    }
}

fn split(text: &str) -> Result<(&str, &str), String> {
    let mut schema = None;
    let mut payload = None;
    let walked = json::walk_object(text, |name, raw| {
        match name {
            "schema" => schema = Some(raw),
            "payload" => payload = Some(raw),
            _ => return Err(()),
        }
        Ok(())
    });
    match walked {
        Err(json::WalkError::Malformed(reason)) => Err(reason),
        Err(json::WalkError::Field(())) => Err(NO_ENVELOPE.to_owned()),
        Ok(()) => match (schema, payload) {
            (Some(schema), Some(payload)) => Ok((schema, payload)),
            _ => Err(NO_ENVELOPE.to_owned()),
        },
    }
}

/// The schema as it is written.
#[derive(Deserialize)]
struct WireSchema<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    optional: bool,
    #[serde(default, borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    default: Option<&'a RawValue>,
    #[serde(default)]
    version: Option<i32>,
    #[serde(default, borrow)]
    doc: Option<Cow<'a, str>>,
    #[serde(default)]
    parameters: Option<BTreeMap<String, String>>,
    /// Raw, since a field is a schema with a name, and its default must stay raw text.
    #[serde(default, borrow)]
    fields: Option<Vec<&'a RawValue>>,
    /// Of an array.
    #[serde(default, borrow)]
    items: Option<&'a RawValue>,
    /// Of a map.
    #[serde(default, borrow)]
    keys: Option<&'a RawValue>,
    /// Of a map.
    #[serde(default, borrow)]
    values: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireFieldName<'a> {
    #[serde(borrow)]
    field: Cow<'a, str>,
}

impl WireSchema<'_> {
    fn resolve(self, depth: usize) -> Result<Schema, String> {
        let kind = match &*self.kind {
            "int8" => Kind::Int8,
            "int16" => Kind::Int16,
            "int32" => Kind::Int32,
            "int64" => Kind::Int64,
            "float" | "float32" => Kind::Float32,
            "double" | "float64" => Kind::Float64,
            "boolean" => Kind::Boolean,
            "string" => Kind::String,
            "bytes" => Kind::Bytes,
            "array" => Kind::Array(inner(self.items, "items", depth)?),
            "map" => Kind::Map {
                key: inner(self.keys, "keys", depth)?,
                value: inner(self.values, "values", depth)?,
            },
            "struct" => Kind::Struct(self.struct_fields(depth)?),
            _ => return Err("the envelope's schema has an unknown type".to_owned()),
        };
        let name = self.name.as_deref().map(Arc::from);
        let schema = Schema {
            optional: self.optional,
            version: self.version,
            doc: self.doc.as_deref().map(Arc::from),
            parameters: self.parameters.unwrap_or_default(),
            ..Schema::new(kind)
        }
        .named(name)?;
        let default =
            match self.default.map(RawValue::get) {
                None | Some("null") => None,
                Some(raw) => Some(tree::read(raw, Some(&Arc::new(schema.clone()))).map_err(
                    |reason| format!("the envelope's schema has a bad default: {reason}"),
                )?),
            };
        Ok(Schema { default, ..schema })
    }

    fn struct_fields(&self, depth: usize) -> Result<Vec<Field>, String> {
        let fields = self.fields.as_deref().unwrap_or_default();
        if fields.len() > FIELDS_MAX {
            return Err(format!(
                "the envelope's schema has more than {FIELDS_MAX} fields"
            ));
        }
        fields
            .iter()
            .map(|field| {
                let name: WireFieldName<'_> = serde_json::from_str(field.get())
                    .map_err(|_| "the envelope's schema has a field without a name".to_owned())?;
                Ok(Field {
                    schema: Arc::new(parse(field.get(), depth + 1)?),
                    name: name.field.as_ref().into(),
                })
            })
            .collect()
    }
}

fn inner(raw: Option<&RawValue>, part: &str, depth: usize) -> Result<Arc<Schema>, String> {
    let raw = raw.ok_or_else(|| {
        format!("the envelope's schema has a collection without a schema of its {part}")
    })?;
    parse(raw.get(), depth + 1).map(Arc::new)
}

/// Base64, as `JsonConverter` writes bytes.
///
/// # Errors
/// When it is not.
pub(super) fn decode_base64(text: &str) -> Result<Vec<u8>, String> {
    BASE64
        .decode(text)
        .map_err(|_| "a text that is not base64".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER_SCHEMA: &str = r#"{"type":"struct","optional":false,"fields":[
        {"type":"int64","optional":false,"field":"id"},
        {"type":"string","optional":true,"field":"note","default":"none"},
        {"type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"},"field":"price"},
        {"type":"int64","optional":true,"name":"org.apache.kafka.connect.data.Timestamp","field":"at"}]}"#;

    fn schema(text: &str) -> Schema {
        parse(text, 0).unwrap()
    }

    #[test]
    fn recognises_a_repeated_schema_by_its_bytes() {
        let mut opener = Opener::new(10);
        let first = format!(r#"{{"schema":{ORDER_SCHEMA},"payload":{{"id":1}}}}"#);
        let second = format!("{{\"schema\":{ORDER_SCHEMA},\"payload\":{{\"id\":2}} }} \n");
        let (one, payload) = opener.open(&first).unwrap();
        assert_eq!(payload, r#"{"id":1}"#);
        let (two, payload) = opener.open(&second).unwrap();
        assert_eq!(payload.trim(), r#"{"id":2}"#);
        assert!(Arc::ptr_eq(&one.unwrap(), &two.unwrap()), "parsed once");
    }

    #[test]
    fn opens_whatever_the_order_of_its_parts() {
        let mut opener = Opener::new(1);
        for text in [
            r#"{"payload":7,"schema":{"type":"int32"}}"#,
            r#" { "schema" : {"type":"int32"} , "payload" : 7 } "#,
        ] {
            let (schema, payload) = opener.open(text).unwrap();
            assert_eq!(schema.unwrap().kind, Kind::Int32);
            assert_eq!(payload.trim(), "7");
        }
    }

    #[test]
    fn refuses_what_is_no_envelope() {
        let mut opener = Opener::new(1);
        for text in [
            r#"{"id":1}"#,
            r#"{"schema":{"type":"int32"}}"#,
            r#"{"schema":{"type":"int32"},"payload":1,"more":2}"#,
            r#"{"schema":{"type":"nope"},"payload":1}"#,
            r#"{"schema":7,"payload":1}"#,
            "[1]",
            "",
        ] {
            assert!(opener.open(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_values_by_their_schema() {
        let check = |schema_text: &str, raw: &str, expected: Result<Value<'_>, ()>| {
            let schema = schema(schema_text);
            assert_eq!(
                read(&schema, raw).map_err(|_| ()),
                expected,
                "{schema_text} {raw}"
            );
        };
        check(r#"{"type":"int8"}"#, "127", Ok(Value::Number("127")));
        check(r#"{"type":"int8"}"#, "128", Err(()));
        check(
            r#"{"type":"int64"}"#,
            "9223372036854775807",
            Ok(Value::Number("9223372036854775807")),
        );
        check(r#"{"type":"int64"}"#, "1.5", Err(()));
        check(r#"{"type":"int32"}"#, r#""1""#, Err(()));
        check(r#"{"type":"int32"}"#, "null", Err(()));
        check(
            r#"{"type":"int32","optional":true}"#,
            "null",
            Ok(Value::Null),
        );
        check(
            r#"{"type":"int32","optional":true,"default":5}"#,
            "null",
            Ok(Value::Int(5)),
        );
        check(r#"{"type":"double"}"#, "1e3", Ok(Value::Number("1e3")));
        check(
            r#"{"type":"double"}"#,
            r#""NaN""#,
            Ok(Value::Text("NaN".into())),
        );
        check(
            r#"{"type":"bytes"}"#,
            r#""AAE=""#,
            Ok(Value::Bytes(vec![0, 1].into())),
        );
        check(r#"{"type":"bytes"}"#, r#""?""#, Err(()));
        check(r#"{"type":"boolean"}"#, "1", Err(()));
        let date = r#"{"type":"int32","name":"org.apache.kafka.connect.data.Date"}"#;
        check(date, "-1", Ok(Value::Date(-1)));
        let time = r#"{"type":"int32","name":"org.apache.kafka.connect.data.Time"}"#;
        check(time, "86400000", Ok(Value::Time(86_400_000_000_000)));
        check(time, "86400001", Err(()));
        let timestamp = r#"{"type":"int64","name":"org.apache.kafka.connect.data.Timestamp"}"#;
        let before_epoch = Timestamp {
            seconds: -1,
            nanos: 999_000_000,
        };
        check(timestamp, "-1", Ok(Value::Timestamp(before_epoch)));
        let decimal = r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}"#;
        check(decimal, r#""BNI=""#, Ok(Value::Decimal("12.34".into())));
        check(decimal, r#""/w==""#, Ok(Value::Decimal("-0.01".into())));
        check(decimal, "12.34", Ok(Value::Number("12.34")));
        check(
            r#"{"type":"array","items":{"type":"int32"}}"#,
            "[1]",
            Ok(Value::Json("[1]".into())),
        );
    }

    #[test]
    fn reads_struct_fields() {
        let schema = schema(ORDER_SCHEMA);
        let fields = schema.fields().unwrap();
        assert_eq!(fields.len(), 4);
        assert_eq!(&*fields[2].name, "price");
        assert_eq!(fields[2].schema.logical, Logical::Decimal { scale: 2 });
        assert_eq!(missing(&fields[1].schema), Ok(Value::Text("none".into())));
        assert!(missing(&fields[0].schema).is_err());
    }
}
