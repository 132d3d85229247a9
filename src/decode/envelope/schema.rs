//! The schema of an envelope, and values read by it.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rowdock_connectors::ColumnType;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::decimal;
use crate::decode::{FieldShape, NESTING_MAX, Shape, json};
use crate::record::{Value, timestamp_from_millis};

const LOGICAL_DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
const LOGICAL_DATE: &str = "org.apache.kafka.connect.data.Date";
const LOGICAL_TIME: &str = "org.apache.kafka.connect.data.Time";
const LOGICAL_TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";

/// More digits than any database keeps after the point.
const DECIMAL_SCALE_MAX: u32 = 16_383;

/// More columns than any target table can have.
const FIELDS_MAX: usize = 4_096;

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

impl Schema {
    /// Parses a schema's JSON text.
    ///
    /// # Errors
    /// Says what is wrong, naming the type or field.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_at(text, 0)
    }

    fn parse_at(text: &str, depth: usize) -> Result<Self, String> {
        if depth > NESTING_MAX {
            return Err(format!(
                "the envelope's schema is nested more than {NESTING_MAX} deep"
            ));
        }
        let wire: WireSchema<'_> = serde_json::from_str(text).map_err(|error| {
            format!(
                "the envelope's schema is malformed (column {})",
                error.column()
            )
        })?;
        wire.resolve(depth)
    }

    /// The struct's fields, when it is one.
    pub fn fields(&self) -> Option<&[Field]> {
        match &self.kind {
            Kind::Struct(fields) => Some(fields),
            _ => None,
        }
    }

    /// What it says about columns.
    pub fn shape(&self) -> Shape {
        match &self.kind {
            Kind::Struct(fields) => Shape::Object(
                fields
                    .iter()
                    .map(|field| FieldShape {
                        name: field.name.clone(),
                        column_type: field.schema.kind.column_type(),
                        required: !field.schema.optional && field.schema.default.is_none(),
                    })
                    .collect(),
            ),
            kind => Shape::Single(kind.column_type()),
        }
    }

    /// Reads a raw value of this schema. `default_for_null`: a null stands for the default.
    ///
    /// # Errors
    /// Says how the value breaks the schema; never quotes it.
    #[inline]
    pub fn read<'a>(&'a self, raw: &'a str, default_for_null: bool) -> Result<Value<'a>, String> {
        let value = json::value(raw)?;
        if value == Value::Null {
            return match &self.default {
                Some(default) if default_for_null && default != "null" => {
                    self.read_present(json::value(default)?)
                }
                _ if self.optional => Ok(Value::Null),
                _ => Err("null, but the schema requires a value".to_owned()),
            };
        }
        self.read_present(value)
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
            (Kind::Bytes, Value::Text(text)) => {
                decode_base64(&text).map(|bytes| Value::Bytes(bytes.into()))
            }
            (Kind::Decimal { scale }, Value::Text(text)) => Ok(Value::Decimal(
                decimal::from_unscaled(&decode_base64(&text)?, *scale).into(),
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

    fn column_type(&self) -> ColumnType {
        match self {
            Self::Int8 | Self::Int16 => ColumnType::Int16,
            Self::Int32 => ColumnType::Int32,
            Self::Int64 => ColumnType::Int64,
            Self::Float32 => ColumnType::Float32,
            Self::Float64 => ColumnType::Float64,
            Self::Boolean => ColumnType::Bool,
            Self::String => ColumnType::Text { max_chars: None },
            Self::Bytes => ColumnType::Bytes,
            Self::Decimal { .. } => ColumnType::Decimal {
                precision: None,
                scale: None,
            },
            Self::Date => ColumnType::Date,
            Self::Time => ColumnType::Time,
            Self::Timestamp => ColumnType::Timestamp,
            Self::Collection | Self::Struct(_) => ColumnType::Json,
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
    fn resolve(self, depth: usize) -> Result<Schema, String> {
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
            (_, "struct") => Kind::Struct(self.struct_fields(depth)?),
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
                    schema: Schema::parse_at(field.get(), depth + 1)?,
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
    use rowdock_connectors::Timestamp;

    use super::*;

    fn schema(text: &str) -> Schema {
        Schema::parse(text).unwrap()
    }

    #[test]
    fn reads_values_by_their_schema() {
        let check = |schema_text: &str, raw: &str, expected: Result<Value<'_>, ()>| {
            let schema = schema(schema_text);
            assert_eq!(
                schema.read(raw, true).map_err(|_| ()),
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
    fn schemas_are_not_nested_without_end() {
        let nested = |depth: usize| {
            let open = r#"{"type":"struct","fields":[{"field":"a","#;
            let inner = r#""type":"int32"}"#;
            let close = "]}".repeat(depth);
            Schema::parse(&format!(
                "{}{inner}{close}",
                open.repeat(depth)
                    .replace(r#""field":"a",{"#, r#""field":"a","#)
            ))
        };
        assert!(nested(NESTING_MAX).is_ok());
        assert!(nested(NESTING_MAX + 1).is_err());
    }

    #[test]
    fn nulls_may_stay_nulls() {
        let schema = schema(r#"{"type":"int32","optional":true,"default":5}"#);
        assert_eq!(schema.read("null", false), Ok(Value::Null));
    }
}
