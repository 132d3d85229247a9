//! A record on its way: its coordinates, its bytes, its typed values, and what is wrong with it.

use std::borrow::Cow;
use std::fmt;

use rowdock_connectors::Timestamp;

/// A record as it was read, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Partition number.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Milliseconds since the epoch, when the record has a time.
    pub timestamp_ms: Option<i64>,
    /// Key bytes.
    pub key: Option<&'a [u8]>,
    /// Value bytes; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// A value after decoding, before it is fitted to a column. Numbers of text formats keep their
/// literal text, so that nothing is lost before the column says what it holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Null.
    Null,
    /// Boolean.
    Bool(bool),
    /// A number, as written.
    Number(&'a str),
    /// An integer of a binary format.
    Int(i64),
    /// An IEEE single of a binary format; apart from [`Float`](Self::Float), since its shortest
    /// notation is another one.
    Float32(f32),
    /// An IEEE double of a binary format.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// An object or array, as JSON text.
    Json(Cow<'a, str>),
    /// Raw bytes.
    Bytes(Cow<'a, [u8]>),
    /// An exact decimal in plain notation.
    Decimal(Cow<'a, str>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Nanoseconds since midnight.
    Time(i64),
    /// Date and time.
    Timestamp(Timestamp),
    /// 128-bit identifier.
    Uuid([u8; 16]),
}

impl Value<'_> {
    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) | Self::Int(_) | Self::Float32(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::Json(text) if text.starts_with('[') => "an array",
            Self::Json(_) => "an object",
            Self::Bytes(_) => "bytes",
            Self::Decimal(_) => "a decimal",
            Self::Date(_) => "a date",
            Self::Time(_) => "a time",
            Self::Timestamp(_) => "a timestamp",
            Self::Uuid(_) => "a uuid",
        }
    }
}

/// Milliseconds since the epoch as a timestamp.
pub fn timestamp_from_millis(millis: i64) -> Timestamp {
    timestamp(millis, 1_000)
}

/// So many parts of a second since the epoch, `per_second` of them (a power of ten up to 10^9), as
/// a timestamp.
pub fn timestamp(parts: i64, per_second: i64) -> Timestamp {
    let rest = parts.rem_euclid(per_second) * (1_000_000_000 / per_second);
    Timestamp {
        seconds: parts.div_euclid(per_second),
        nanos: u32::try_from(rest).unwrap_or(0),
    }
}

/// Where a record failed; names as Kafka Connect writes them into dead letter headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading the key's bytes.
    KeyConverter,
    /// Reading the value's bytes.
    ValueConverter,
    /// Fitting it to the table, or writing it.
    TaskPut,
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::TaskPut => "TASK_PUT",
        })
    }
}

/// Why a record cannot be stored, for the person who must mend its producer: field, kind of
/// value, column, rule. Never the value itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RecordError {
    /// Where it failed.
    pub stage: Stage,
    /// Why.
    pub reason: String,
}

impl RecordError {
    /// An error of this stage.
    pub fn new(stage: Stage, reason: impl Into<String>) -> Self {
        Self {
            stage,
            reason: reason.into(),
        }
    }
}
