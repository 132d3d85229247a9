//! From bytes to typed values.
//!
//! A format reads one side of a record, its key or its value, and hands what it finds to a
//! [`Visitor`]: each field as name and [`Value`], in the order of the bytes. There is no tree in
//! between, so a field that no column wants costs its scan and nothing else. Where transforms are
//! configured, the side is decoded as a whole instead, into Connect's data model.
//!
//! The contract is [`Decode`]: to read, to tell the schema (for a table that does not exist yet),
//! to decode as a whole. A format is one file here, a variant of [`Format`], and its class names in
//! [`converter`](crate::config::converter). Dispatch is a match on the enum around code that is
//! compiled for each visitor, so the call per field is direct.
//!
//! * [`json`]: JSON objects and values without a schema.
//! * [`envelope`]: Kafka Connect's `{"schema": .., "payload": ..}`.
//! * [`primitive`]: texts, bytes and single numbers, as Kafka's own serializers write them.
//! * [`tree`]: JSON of either kind as one owned value.
//! * [`sides`]: a record's key and value as a whole.
//! * [`header`]: header values.

pub mod envelope;
pub mod header;
pub mod json;
pub mod primitive;
pub mod sides;
pub mod tree;

use std::sync::Arc;

use crate::config::converter::Converter;
use crate::record::{HeaderSource, RawRecord, RecordError, Schema, Side, Value};

/// One side of a record as it was read.
#[derive(Clone, Copy)]
pub struct Encoded<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The record's headers: some formats keep there which schema the bytes have.
    pub headers: &'a dyn HeaderSource,
}

impl<'a> Encoded<'a> {
    /// The record's key, when it has one.
    #[inline]
    pub fn key(record: &RawRecord<'a>) -> Option<Self> {
        let headers = record.headers;
        record.key.map(|bytes| Self { bytes, headers })
    }

    /// The record's value, unless it is a tombstone.
    #[inline]
    pub fn value(record: &RawRecord<'a>) -> Option<Self> {
        let headers = record.headers;
        record.value.map(|bytes| Self { bytes, headers })
    }
}

/// Takes what a format finds in one side of a record: null, a single value, or an object.
pub trait Visitor {
    /// What [`wants`](Self::wants) knows about a wanted field.
    type Slot;

    /// The side is an object of this schema; its fields follow. Without a schema, fields are known
    /// by their names alone.
    fn object(&mut self, schema: Option<&Arc<Schema>>);

    /// The next field: whether its value is wanted. `index` is its place in the schema. A field
    /// may come twice; the last one counts.
    ///
    /// # Errors
    /// Ends the reading: there must be no such field.
    fn wants(
        &mut self,
        name: &str,
        index: Option<usize>,
    ) -> Result<Option<Self::Slot>, RecordError>;

    /// The value of the field that was wanted.
    ///
    /// # Errors
    /// Ends the reading.
    fn field(&mut self, slot: Self::Slot, name: &str, value: &Value<'_>)
    -> Result<(), RecordError>;

    /// The side is not an object but this value.
    ///
    /// # Errors
    /// Ends the reading.
    fn single(&mut self, value: &Value<'_>) -> Result<(), RecordError>;
}

/// Why a side was not read to its end.
#[derive(Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The bytes are not what the format says: where and why, without their content.
    Malformed(String),
    /// The visitor's own error.
    Refused(RecordError),
}

impl From<RecordError> for ReadError {
    fn from(error: RecordError) -> Self {
        Self::Refused(error)
    }
}

/// What a format must do. There is one per task and side, so it may remember schemas. It never
/// panics, whatever the bytes, and its memory and depth are bounded.
pub trait Decode {
    /// Reads one side, field by field.
    ///
    /// # Errors
    /// When the bytes are malformed, or the visitor refuses.
    fn read<V: Visitor>(&mut self, encoded: Encoded<'_>, visitor: &mut V) -> Result<(), ReadError>;

    /// The schema that the bytes were written with; `None`: they have none, and values must be
    /// looked at.
    ///
    /// # Errors
    /// When the schema cannot be found or read.
    fn schema(&mut self, encoded: Encoded<'_>) -> Result<Option<Arc<Schema>>, String>;

    /// Reads one side as a whole.
    ///
    /// # Errors
    /// When the bytes are malformed.
    fn whole(&mut self, encoded: Encoded<'_>) -> Result<Side, String>;
}

/// Any format.
#[derive(Debug)]
pub enum Format {
    /// JSON without a schema.
    Json(json::Json),
    /// JSON with its schema beside it.
    Envelope(envelope::Envelope),
    /// A single value.
    Primitive(primitive::Primitive),
}

impl Format {
    /// The format that a converter reads.
    pub fn new(converter: &Converter) -> Self {
        match converter {
            Converter::Json(options) if options.schemas_enable => {
                Self::Envelope(envelope::Envelope::new(options))
            }
            Converter::Json(_) => Self::Json(json::Json),
            Converter::Primitive(kind) => Self::Primitive(*kind),
        }
    }
}

impl Decode for Format {
    #[inline]
    fn read<V: Visitor>(&mut self, encoded: Encoded<'_>, visitor: &mut V) -> Result<(), ReadError> {
        match self {
            Self::Json(format) => format.read(encoded, visitor),
            Self::Envelope(format) => format.read(encoded, visitor),
            Self::Primitive(format) => format.read(encoded, visitor),
        }
    }

    fn schema(&mut self, encoded: Encoded<'_>) -> Result<Option<Arc<Schema>>, String> {
        match self {
            Self::Json(format) => format.schema(encoded),
            Self::Envelope(format) => format.schema(encoded),
            Self::Primitive(format) => format.schema(encoded),
        }
    }

    fn whole(&mut self, encoded: Encoded<'_>) -> Result<Side, String> {
        match self {
            Self::Json(format) => format.whole(encoded),
            Self::Envelope(format) => format.whole(encoded),
            Self::Primitive(format) => format.whole(encoded),
        }
    }
}

#[cfg(test)]
pub(crate) mod probe;
