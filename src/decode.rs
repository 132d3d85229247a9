//! From bytes to typed values.
//!
//! A format reads one side of a record, its key or its value, and hands what it finds to a
//! [`Visitor`]: each field as name and [`Value`], in the order of the bytes. There is no tree in
//! between, so a field that no column wants costs its scan and nothing else.
//!
//! The contract is [`Decode`]: one method reads, one tells the schema for a table that does not
//! exist yet. A format is one file here, a variant of [`Format`], and its class names in
//! [`converter`](crate::config::converter). Dispatch is a match on the enum around code that is
//! compiled for each visitor, so the call per field is direct.
//!
//! * [`json`]: JSON objects and values without a schema.
//! * [`envelope`]: Kafka Connect's `{"schema": .., "payload": ..}`.
//! * [`primitive`]: texts, bytes and single numbers, as Kafka's own serializers write them.

pub mod envelope;
pub mod json;
pub mod primitive;

use rowdock_connectors::ColumnType;

use crate::config::converter::Converter;
use crate::record::{RecordError, Value};

/// Deepest nesting of a value that is kept as JSON. Databases give up at depths of their own
/// (MySQL at 100), and nobody nests by hand like this.
pub const NESTING_MAX: usize = 100;

/// A schema among those that a format has seen: the same number, the same fields in the same
/// order. `None`: the format has no schemas, and fields are known by their names alone.
pub type SchemaKey = Option<u32>;

/// Takes what a format finds in one side of a record: null, a single value, or an object.
pub trait Visitor {
    /// What [`wants`](Self::wants) knows about a wanted field.
    type Slot;

    /// The side is an object of this schema; its fields follow.
    fn object(&mut self, schema: SchemaKey);

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

/// What a format must do. Values are kept per task and side, so a format may remember schemas.
pub trait Decode {
    /// Reads one side. Never panics, whatever the bytes; memory is bounded by their length.
    ///
    /// # Errors
    /// When the bytes are malformed, or the visitor refuses.
    fn read<V: Visitor>(&mut self, bytes: &[u8], visitor: &mut V) -> Result<(), ReadError>;

    /// What the bytes' schema says about columns; `None` when there is no schema, and values must
    /// be looked at.
    ///
    /// # Errors
    /// When the schema cannot be found or read.
    fn shape(&mut self, bytes: &[u8]) -> Result<Option<Shape>, String>;
}

/// What a schema says about columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// An object with these fields.
    Object(Vec<FieldShape>),
    /// A single value.
    Single(ColumnType),
}

/// What a schema says about one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldShape {
    /// The field's name.
    pub name: String,
    /// The type that holds every value of the field.
    pub column_type: ColumnType,
    /// Every record has a value for it.
    pub required: bool,
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
    fn read<V: Visitor>(&mut self, bytes: &[u8], visitor: &mut V) -> Result<(), ReadError> {
        match self {
            Self::Json(format) => format.read(bytes, visitor),
            Self::Envelope(format) => format.read(bytes, visitor),
            Self::Primitive(format) => format.read(bytes, visitor),
        }
    }

    fn shape(&mut self, bytes: &[u8]) -> Result<Option<Shape>, String> {
        match self {
            Self::Json(format) => format.shape(bytes),
            Self::Envelope(format) => format.shape(bytes),
            Self::Primitive(format) => format.shape(bytes),
        }
    }
}

#[cfg(test)]
pub(crate) mod probe;
