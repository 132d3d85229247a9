//! What a plain number or text means when its schema has a name: Connect's and Debezium's logical
//! types, and Avro's.

use std::sync::Arc;

use super::schema::{AVRO_LOGICAL_TYPE, names};
use super::{Kind, Logical, Schema, Value, timestamp};

/// What it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Days since 1970-01-01.
    Date,
    /// Parts of a second since midnight, so many of them per second.
    Time(i64),
    /// The same before midnight and beyond the day: MySQL's `time` is a span of time.
    Span(i64),
    /// Parts of a second since 1970-01-01T00:00:00 in UTC, so many of them per second.
    Timestamp(i64),
    /// The same by a clock in a zone that is not told.
    LocalTimestamp(i64),
    /// A text that is a JSON document.
    Json,
    /// Any other text with a name.
    Text,
}

const MILLIS: i64 = 1_000;
const MICROS: i64 = 1_000_000;
const NANOS: i64 = 1_000_000_000;

impl Meaning {
    /// By the name that Connect or Debezium gave the schema.
    pub fn of_schema(schema: &Schema) -> Option<Self> {
        match (schema.logical, &schema.kind) {
            (Logical::Date, _) => Some(Self::Date),
            (Logical::Time, _) if schema.is_debezium_time() => {
                Some(Self::Span(schema.parts_per_second()))
            }
            (Logical::Time, _) => Some(Self::Time(schema.parts_per_second())),
            (Logical::Timestamp, _) if schema.is_local() => {
                Some(Self::LocalTimestamp(schema.parts_per_second()))
            }
            (Logical::Timestamp, _) => Some(Self::Timestamp(schema.parts_per_second())),
            (Logical::None, Kind::String) => match schema.name.as_deref()? {
                names::JSON => Some(Self::Json),
                _ => Some(Self::Text),
            },
            _ => None,
        }
    }

    /// By Avro's `logicalType` of an int, long or string, with the schema that it makes.
    pub fn of_avro(name: &str, kind: &Kind) -> Option<(Self, Schema)> {
        Some(match (name, kind) {
            ("date", Kind::Int32) => (Self::Date, Schema::date()),
            ("time-millis", Kind::Int32) => (Self::Time(MILLIS), Schema::time()),
            ("time-micros", Kind::Int64) => (Self::Time(MICROS), Schema::time()),
            ("timestamp-millis", Kind::Int64) => (Self::Timestamp(MILLIS), Schema::timestamp()),
            ("timestamp-micros", Kind::Int64) => (Self::Timestamp(MICROS), Schema::timestamp()),
            ("timestamp-nanos", Kind::Int64) => (Self::Timestamp(NANOS), Schema::timestamp()),
            ("local-timestamp-millis", Kind::Int64) => {
                (Self::LocalTimestamp(MILLIS), local_timestamp(name))
            }
            ("local-timestamp-micros", Kind::Int64) => {
                (Self::LocalTimestamp(MICROS), local_timestamp(name))
            }
            ("local-timestamp-nanos", Kind::Int64) => {
                (Self::LocalTimestamp(NANOS), local_timestamp(name))
            }
            ("uuid", Kind::String) => (Self::Text, uuid_schema()),
            _ => return None,
        })
    }

    /// What an integer stands for.
    ///
    /// # Errors
    /// When it is out of range.
    #[inline]
    pub fn of_integer(self, number: i64) -> Result<Value<'static>, &'static str> {
        match self {
            Self::Date => i32::try_from(number)
                .map(Value::Date)
                .map_err(|_| "a date out of range"),
            Self::Time(per_second) => {
                if (0..=86_400 * per_second).contains(&number) {
                    Ok(Value::Time(number * (NANOS / per_second)))
                } else {
                    Err("a time of day out of range")
                }
            }
            Self::Span(per_second) => number
                .checked_mul(NANOS / per_second)
                .map(Value::Time)
                .ok_or("a time out of range"),
            Self::Timestamp(per_second) => Ok(Value::Timestamp(timestamp(number, per_second))),
            Self::LocalTimestamp(per_second) => {
                Ok(Value::LocalTimestamp(timestamp(number, per_second)))
            }
            Self::Json | Self::Text => Ok(Value::Int(number)),
        }
    }

    /// What a text stands for.
    #[inline]
    pub fn of_text(self, text: &str) -> Value<'_> {
        match self {
            Self::Json => Value::Json(text.into()),
            _ => Value::Text(text.into()),
        }
    }
}

/// Connect has no such type: its timestamp, with Avro's name of it.
fn local_timestamp(avro_name: &str) -> Schema {
    let mut schema = Schema::timestamp();
    let parameter = AVRO_LOGICAL_TYPE.to_owned();
    schema.parameters.insert(parameter, avro_name.to_owned());
    schema
}

/// A text that is a UUID.
pub fn uuid_schema() -> Schema {
    Schema {
        name: Some(Arc::from(names::UUID)),
        ..Schema::new(Kind::String)
    }
}

/// A text that is a JSON document.
pub fn json_schema() -> Schema {
    Schema {
        name: Some(Arc::from(names::JSON)),
        ..Schema::new(Kind::String)
    }
}
