//! Kafka Connect's JSON envelope: `{"schema": .., "payload": ..}`.
//!
//! The schema's text repeats in every record. It is parsed once and then recognised by its bytes:
//! a record that starts with the same bytes up to its payload has the same schema, and only the
//! payload is read. See `JsonConverter` with `schemas.enable=true` for the format.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rowdock_connectors::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json;
use crate::decimal;
use crate::record::Value;

const LOGICAL_DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
const LOGICAL_DATE: &str = "org.apache.kafka.connect.data.Date";
const LOGICAL_TIME: &str = "org.apache.kafka.connect.data.Time";
const LOGICAL_TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";

/// More digits than any database keeps after the point.
const DECIMAL_SCALE_MAX: u32 = 16_383;

/// More columns than any target table can have.
const FIELDS_MAX: usize = 4_096;

/// Connect's own message for a value without an envelope.
const NO_ENVELOPE: &str = "JsonConverter with schemas.enable requires \"schema\" and \"payload\" \
     fields and may not contain additional fields. If you are trying to deserialize plain JSON \
     data, set schemas.enable=false in your converter configuration.";

/// What a value is, from the envelope's schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// Its type.
    pub kind: Kind,
    /// May be null.
    pub optional: bool,
    /// Stands in for null and for a missing field; raw JSON text.
    pub default: Option<String>,
}

/// A type of Connect's schema, logical types resolved.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are Connect's own")]
pub enum Kind {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
    Bytes,
    /// Unscaled big-endian bytes with this many digits after the point.
    Decimal {
        scale: u32,
    },
    Date,
    Time,
    Timestamp,
    /// Array or map: kept as JSON.
    Collection,
    Struct(Vec<Field>),
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub schema: Schema,
}

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
        let schema = Arc::new(Schema::parse(schema_text)?);
        if self.by_text.len() >= self.capacity {
            // Rare: more live schemas than configured. Starting over keeps the bound simple.
            self.by_text.clear();
        }
        self.by_text
            .insert(schema_text.to_owned(), Arc::clone(&schema));
        Ok(schema)
    }
}

impl Schema {
    /// Parses a schema's JSON text.
    ///
    /// # Errors
    /// Says what is wrong, naming the type or field.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wire: WireSchema<'_> = serde_json::from_str(text).map_err(|error| {
            format!(
                "the envelope's schema is malformed (column {})",
                error.column()
            )
        })?;
        wire.resolve()
    }

    /// The struct's fields, when it is one.
    pub fn fields(&self) -> Option<&[Field]> {
        match &self.kind {
            Kind::Struct(fields) => Some(fields),
            _ => None,
        }
    }

    /// Reads a raw value of this schema.
    ///
    /// # Errors
    /// Says how the value breaks the schema; never quotes it.
    pub fn read<'a>(&'a self, raw: &'a str) -> Result<Value<'a>, String> {
        let value = json::value(raw)?;
        if value == Value::Null {
            return match &self.default {
                Some(default) if default != "null" => self.read_present(json::value(default)?),
                _ if self.optional => Ok(Value::Null),
                _ => Err("null, but the schema requires a value".to_owned()),
            };
        }
        self.read_present(value)
    }

    /// What a field without a value stands for.
    ///
    /// # Errors
    /// When the schema requires one.
    pub fn missing(&self) -> Result<Value<'_>, String> {
        self.read("null")
    }

    fn read_present<'a>(&self, value: Value<'a>) -> Result<Value<'a>, String> {
        let integer = |low: i64, high: i64, value: Value<'a>| match value {
            Value::Number(text) => match text.parse::<i64>() {
                Ok(number) if (low..=high).contains(&number) => Ok(number),
                _ => Err(format!("a number that is no {}", self.kind.name())),
            },
            other => Err(self.mismatch(&other)),
        };
        match (&self.kind, value) {
            (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, Value::Number(text)) => {
                let (low, high) = self.kind.integer_range();
                integer(low, high, Value::Number(text))?;
                Ok(Value::Number(text))
            }
            (Kind::Float32 | Kind::Float64, value @ Value::Number(_))
            | (Kind::Boolean, value @ Value::Bool(_))
            | (Kind::String, value @ Value::Text(_))
            | (Kind::Collection | Kind::Struct(_), value @ Value::Json(_)) => Ok(value),
            (Kind::Float32 | Kind::Float64, value @ Value::Text(_)) => match value {
                // JSON has no such numbers; Connect's converter writes them as strings.
                Value::Text(text) if matches!(&*text, "NaN" | "Infinity" | "-Infinity") => {
                    Ok(Value::Text(text))
                }
                other => Err(self.mismatch(&other)),
            },
            (Kind::Bytes, Value::Text(text)) => decode_base64(&text).map(Value::Bytes),
            (Kind::Decimal { scale }, Value::Text(text)) => Ok(Value::Decimal(
                decimal::from_unscaled(&decode_base64(&text)?, *scale),
            )),
            (Kind::Decimal { .. }, value @ Value::Number(_)) => Ok(value),
            (Kind::Date, value) => {
                let days = integer(i64::from(i32::MIN), i64::from(i32::MAX), value)?;
                i32::try_from(days)
                    .map(Value::Date)
                    .map_err(|_| "a date out of range".to_owned())
            }
            (Kind::Time, value) => Ok(Value::Time(integer(0, 86_400_000, value)? * 1_000_000)),
            (Kind::Timestamp, value) => Ok(Value::Timestamp(timestamp_from_millis(integer(
                i64::MIN,
                i64::MAX,
                value,
            )?))),
            (_, other) => Err(self.mismatch(&other)),
        }
    }

    fn mismatch(&self, value: &Value<'_>) -> String {
        format!(
            "{} where the schema says {}",
            value.kind(),
            self.kind.name()
        )
    }
}

impl Kind {
    /// Connect's name of the type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Decimal { .. } => "Decimal",
            Self::Date => "Date",
            Self::Time => "Time",
            Self::Timestamp => "Timestamp",
            Self::Collection => "array or map",
            Self::Struct(_) => "struct",
        }
    }

    fn integer_range(&self) -> (i64, i64) {
        match self {
            Self::Int8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
            Self::Int16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
            Self::Int32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        }
    }
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
    #[serde(default, borrow)]
    parameters: Option<HashMap<Cow<'a, str>, Cow<'a, str>>>,
    /// Raw, since a field is a schema with a name, and its default must stay raw text.
    #[serde(default, borrow)]
    fields: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct WireFieldName<'a> {
    #[serde(borrow)]
    field: Cow<'a, str>,
}

impl WireSchema<'_> {
    fn resolve(self) -> Result<Schema, String> {
        let kind = match (self.name.as_deref(), &*self.kind) {
            (Some(LOGICAL_DECIMAL), "bytes") => Kind::Decimal {
                scale: self.scale()?,
            },
            (Some(LOGICAL_DATE), "int32") => Kind::Date,
            (Some(LOGICAL_TIME), "int32") => Kind::Time,
            (Some(LOGICAL_TIMESTAMP), "int64") => Kind::Timestamp,
            (_, "int8") => Kind::Int8,
            (_, "int16") => Kind::Int16,
            (_, "int32") => Kind::Int32,
            (_, "int64") => Kind::Int64,
            (_, "float" | "float32") => Kind::Float32,
            (_, "double" | "float64") => Kind::Float64,
            (_, "boolean") => Kind::Boolean,
            (_, "string") => Kind::String,
            (_, "bytes") => Kind::Bytes,
            (_, "array" | "map") => Kind::Collection,
            (_, "struct") => Kind::Struct(self.struct_fields()?),
            _ => return Err("the envelope's schema has an unknown type".to_owned()),
        };
        Ok(Schema {
            kind,
            optional: self.optional,
            default: self.default.map(|default| default.get().to_owned()),
        })
    }

    fn scale(&self) -> Result<u32, String> {
        self.parameters
            .as_ref()
            .and_then(|parameters| parameters.get("scale"))
            .and_then(|scale| scale.parse().ok())
            .filter(|scale| *scale <= DECIMAL_SCALE_MAX)
            .ok_or_else(|| {
                format!("the envelope's schema has a Decimal without a scale of 0 to {DECIMAL_SCALE_MAX}")
            })
    }

    fn struct_fields(&self) -> Result<Vec<Field>, String> {
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
                    schema: Schema::parse(field.get())?,
                    name: name.field.into_owned(),
                })
            })
            .collect()
    }
}

fn decode_base64(text: &str) -> Result<Vec<u8>, String> {
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
        Schema::parse(text).unwrap()
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
                schema.read(raw).map_err(|_| ()),
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
            Ok(Value::Number("5")),
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
            Ok(Value::Bytes(vec![0, 1])),
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
            Ok(Value::Json("[1]")),
        );
    }

    #[test]
    fn reads_struct_fields() {
        let schema = schema(ORDER_SCHEMA);
        let fields = schema.fields().unwrap();
        assert_eq!(fields.len(), 4);
        assert_eq!(fields[2].name, "price");
        assert_eq!(fields[2].schema.kind, Kind::Decimal { scale: 2 });
        assert_eq!(fields[1].schema.missing(), Ok(Value::Text("none".into())));
        assert!(fields[0].schema.missing().is_err());
    }
}
