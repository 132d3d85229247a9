//! The schema of an envelope, and values read by it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::decimal;
use crate::decode::json::{self, Raw};
use crate::decode::tree;
use crate::record::meaning::Meaning;
use crate::record::schema::names;
use crate::record::{Field, Kind, Logical, Schema, Value};

/// More columns than any target table can have.
const FIELDS_MAX: usize = 4_096;

/// Parses a schema's JSON text. `depth`: how many schemas it is inside of.
///
/// # Errors
/// Says what is wrong, naming the type or field.
pub(super) fn parse(text: &str, depth: usize) -> Result<Schema, String> {
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

/// Reads a raw value of this schema. `default_for_null`: null stands for the default.
///
/// # Errors
/// Says how the value breaks the schema; never quotes it.
#[inline]
pub(super) fn read<'a>(
    schema: &'a Arc<Schema>,
    raw: Raw<'a>,
    default_for_null: bool,
) -> Result<Value<'a>, String> {
    match json::value(raw)? {
        Value::Null => missing(schema, default_for_null),
        Value::Json(text) => read_collection(schema, &text, default_for_null),
        value => read_present(schema, value),
    }
}

/// What has parts becomes JSON of the types that its schema says.
fn read_collection<'a>(
    schema: &Arc<Schema>,
    text: &str,
    default_for_null: bool,
) -> Result<Value<'a>, String> {
    let datum = tree::read(text, Some(schema), default_for_null)?;
    Ok(match datum.value_of(Some(schema))? {
        Value::Decimal(plain) => Value::Decimal(Cow::Owned(plain.into_owned())),
        Value::Json(text) => Value::Json(Cow::Owned(text.into_owned())),
        // Times by their parts.
        Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
        other => return Err(mismatch(schema, &other)),
    })
}

/// What null, or a field without a value, stands for.
///
/// # Errors
/// When the schema requires a value.
pub(in crate::decode) fn missing(
    schema: &Schema,
    default_for_null: bool,
) -> Result<Value<'_>, String> {
    match &schema.default {
        Some(default) if default_for_null => default.value_of(Some(schema)).map_err(str::to_owned),
        _ if schema.optional => Ok(Value::Null),
        _ => Err("null, but the schema requires a value".to_owned()),
    }
}

/// Reads a value that is not null.
///
/// # Errors
/// As [`read`].
pub(in crate::decode) fn read_present<'a>(
    schema: &Schema,
    value: Value<'a>,
) -> Result<Value<'a>, String> {
    match schema.logical {
        Logical::None => read_plain(schema, value),
        Logical::Decimal { scale } => match value {
            Value::Text(text) => {
                let plain = decimal::from_unscaled(&decode_base64(&text)?, scale.into())?;
                Ok(Value::Decimal(Cow::Owned(plain)))
            }
            value @ Value::Number(_) => Ok(value),
            other => Err(mismatch(schema, &other)),
        },
        Logical::Date | Logical::Time | Logical::Timestamp => {
            let number = integer(schema, i64::MIN, i64::MAX, &value)?;
            match Meaning::of_schema(schema) {
                Some(meaning) => meaning.of_integer(number).map_err(str::to_owned),
                None => Ok(value),
            }
        }
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
        | (Kind::Boolean, value @ Value::Bool(_)) => Ok(value),
        (Kind::String, Value::Text(text)) if schema.name.as_deref() == Some(names::JSON) => {
            Ok(Value::Json(text))
        }
        (Kind::String, value @ Value::Text(_)) => Ok(value),
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
        let default = match self.default.map(RawValue::get) {
            None | Some("null") => None,
            Some(raw) => Some(
                tree::read(raw, Some(&Arc::new(schema.clone())), true).map_err(|reason| {
                    format!("the envelope's schema has a bad default: {reason}")
                })?,
            ),
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
fn decode_base64(text: &str) -> Result<Vec<u8>, String> {
    BASE64
        .decode(text)
        .map_err(|_| "a text that is not base64".to_owned())
}

#[cfg(test)]
mod tests {
    use rowdock_connectors::Timestamp;

    use super::*;

    fn schema(text: &str) -> Schema {
        parse(text, 0).unwrap()
    }

    #[test]
    fn reads_values_by_their_schema() {
        let check = |schema_text: &str, raw: &str, expected: Result<Value<'_>, ()>| {
            let schema = Arc::new(schema(schema_text));
            assert_eq!(
                read(&schema, Raw::of(raw), true).map_err(|_| ()),
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
        let span = r#"{"type":"int64","name":"io.debezium.time.MicroTime"}"#;
        check(span, "-1", Ok(Value::Time(-1_000)));
        check(span, "360000000000", Ok(Value::Time(360_000_000_000_000)));
        check(span, "9223372036854775807", Err(()));
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
        // Of which the digits would take longer than its bytes.
        let huge = format!("\"{}\"", "AAAA".repeat(10_000));
        check(decimal, &huge, Err(()));
        check(
            r#"{"type":"array","items":{"type":"int32"}}"#,
            "[1]",
            Ok(Value::Json("[1]".into())),
        );
    }

    #[test]
    fn reads_struct_fields() {
        let schema = schema(
            r#"{"type":"struct","fields":[
                {"type":"int64","field":"id"},
                {"type":"string","optional":true,"field":"note","default":"none"},
                {"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"},"field":"price"}]}"#,
        );
        let fields = schema.fields().unwrap();
        assert_eq!(fields.len(), 3);
        assert_eq!(&*fields[2].name, "price");
        assert_eq!(fields[2].schema.logical, Logical::Decimal { scale: 2 });
        assert_eq!(
            missing(&fields[1].schema, true),
            Ok(Value::Text("none".into()))
        );
        assert_eq!(missing(&fields[1].schema, false), Ok(Value::Null));
        assert!(missing(&fields[0].schema, true).is_err());
    }
}
