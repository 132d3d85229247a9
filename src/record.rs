//! A record on its way: its coordinates, its bytes, its typed values, and what is wrong with it.
//!
//! Without transforms a record is never held as a whole: each field goes from the bytes to its
//! column as one [`Value`], borrowed. Transforms need the whole, so for them it is decoded into an
//! [`OwnedRecord`]: Connect's data model, with
//!
//! * [`schema`]: what values are,
//! * [`datum`]: the values themselves; [`debezium`]: structs that are one value,
//! * [`meaning`]: what plain numbers and texts stand for,
//! * [`owned`]: key, value and headers together, and where they were read,
//! * [`json`] and [`iso`]: their text.

use std::borrow::Cow;
use std::ffi::CStr;
use std::fmt;

use rowdock_connectors::Timestamp;

pub mod datum;
pub mod debezium;
pub mod iso;
pub mod json;
pub mod meaning;
pub mod owned;
pub mod schema;
pub mod zone;

pub use datum::{Datum, Map, Struct};
pub use owned::{Change, Coordinates, Header, OwnedRecord, Part, Side};
pub use schema::{Field, Kind, Logical, Schema, SchemaCache};

/// A header as it was read: name and bytes.
pub type RawHeader = (String, Option<Vec<u8>>);

/// How many bytes a header takes.
pub fn header_bytes((name, value): &RawHeader) -> usize {
    name.len() + value.as_ref().map_or(0, Vec::len)
}

/// Where a record's headers can be had, for those few who need them.
pub trait HeaderSource {
    /// Copies of all headers, in order.
    fn headers(&self) -> Vec<RawHeader>;

    /// A copy of the last header of this name that has a value.
    fn last(&self, name: &CStr) -> Option<Vec<u8>> {
        let headers = self.headers().into_iter().rev();
        let mut named = headers.filter(|(known, _)| known.as_bytes() == name.to_bytes());
        named.find_map(|(_, value)| value)
    }
}

/// A record as it was read, borrowed.
#[derive(Clone, Copy)]
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
    /// Its headers, copied only when somebody asks.
    pub headers: &'a dyn HeaderSource,
}

impl RawRecord<'_> {
    /// Bytes of key and value.
    #[inline]
    pub fn byte_count(&self) -> usize {
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        length(self.key) + length(self.value)
    }
}

/// No headers.
impl HeaderSource for () {
    fn headers(&self) -> Vec<RawHeader> {
        Vec::new()
    }
}

impl HeaderSource for Vec<RawHeader> {
    fn headers(&self) -> Vec<RawHeader> {
        self.clone()
    }
}

/// A value after decoding, before it is fitted to a column. Numbers keep their literal text, so
/// that nothing is lost before the column says what it holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Null.
    Null,
    /// Boolean.
    Bool(bool),
    /// A number, as written.
    Number(&'a str),
    /// An integer of a binary format, or of a transformed record.
    Int(i64),
    /// A single-precision float, likewise.
    Float32(f32),
    /// A double-precision float, likewise.
    Float64(f64),
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
    /// Nanoseconds since midnight, perhaps before it or beyond the day.
    Time(i64),
    /// A point in time.
    Timestamp(Timestamp),
    /// Date and time of a clock, in a zone that is not told.
    LocalTimestamp(Timestamp),
    /// 128-bit identifier.
    Uuid([u8; 16]),
}

impl Value<'_> {
    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) | Self::Int(_) | Self::Float32(_) | Self::Float64(_) => "a number",
            Self::Text(_) => "a text",
            Self::Json(text) if text.starts_with('[') => "an array",
            Self::Json(_) => "an object",
            Self::Bytes(_) => "bytes",
            Self::Decimal(_) => "a decimal",
            Self::Date(_) => "a date",
            Self::Time(_) => "a time",
            Self::Timestamp(_) | Self::LocalTimestamp(_) => "a timestamp",
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
    /// Reading a header's bytes.
    HeaderConverter,
    /// Applying a transform or its predicate.
    Transformation,
    /// Fitting it to the table, or writing it.
    TaskPut,
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::HeaderConverter => "HEADER_CONVERTER",
            Self::Transformation => "TRANSFORMATION",
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
    /// The Java class that does what failed, where the stage has several: a transform's.
    pub class: Option<Box<str>>,
}

impl RecordError {
    /// An error of this stage.
    pub fn new(stage: Stage, reason: impl Into<String>) -> Self {
        Self {
            stage,
            reason: reason.into(),
            class: None,
        }
    }

    /// The same, of this class.
    #[must_use]
    pub fn of_class(mut self, class: &str) -> Self {
        self.class = Some(class.into());
        self
    }
}
