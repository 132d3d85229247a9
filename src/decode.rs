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
//! * [`avro`]: Avro, with the writer's schema in a registry ([`registered`]).
//! * [`json_schema`]: JSON with its schema in a registry.
//! * [`protobuf`]: Protobuf, with its schema in a registry.
//! * [`change`]: Debezium's change events in any of them.
//! * [`primitive`]: texts, bytes and single numbers, as Kafka's own serializers write them.
//! * [`tree`]: JSON of either kind as one owned value.
//! * [`sides`]: a record's key and value as a whole.
//! * [`header`]: header values.
//! * [`document`]: what formats share, besides what plain numbers and texts
//!   [mean](crate::record::meaning).

pub mod avro;
pub mod change;
pub mod document;
pub mod envelope;
pub mod header;
pub mod json;
pub mod json_schema;
pub mod primitive;
pub mod protobuf;
pub mod registered;
pub mod sides;
pub mod tree;

use std::sync::Arc;

use crate::config::converter::{
    Converter, JsonOptions, Primitive, RegisteredFormat, RegistryOptions,
};
use crate::record::{HeaderSource, RawRecord, RecordError, Schema, Side, Value};
use crate::registry::{Event, Registry};
use change::{Change, ChangeEvents};
use registered::KeyOrValue;

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

    /// The name that the next field probably has, which is [plain](json::is_plain_name), and what
    /// [`wants`](Self::wants) would answer. Producers write the same fields in the same order, and
    /// to compare is cheaper than to scan and look up. If it has that name, [`follow`](Self::follow)
    /// is called instead of `wants`.
    #[inline]
    fn predicted(&self) -> Option<(&str, Option<Self::Slot>)> {
        None
    }

    /// The field had the predicted name.
    #[inline]
    fn follow(&mut self) {}

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

    /// The side is a change event that writes no row; nothing follows.
    ///
    /// # Errors
    /// Ends the reading.
    fn change(&mut self, _change: Change) -> Result<(), RecordError> {
        Ok(())
    }

    /// Whether the row that a delete removes shall follow, as its change event shows it.
    fn wants_before(&self) -> bool {
        false
    }
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
    #[inline]
    fn read<V: Visitor>(&mut self, encoded: Encoded<'_>, visitor: &mut V) -> Result<(), ReadError> {
        self.read_part(encoded, &[], visitor)
    }

    /// The same for a part of it: what is behind these names of fields, one inside the other. A part
    /// that is not there is null.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn read_part<V: Visitor>(
        &mut self,
        encoded: Encoded<'_>,
        part: &[&str],
        visitor: &mut V,
    ) -> Result<(), ReadError>;

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
    /// Avro.
    Avro(avro::Avro),
    /// JSON with its schema in a registry.
    JsonSchema(json_schema::JsonSchema),
    /// Protobuf.
    Protobuf(protobuf::Protobuf),
    /// Change events in one of the others.
    ChangeEvents(change::ChangeEvents),
}

/// The formats of a connector's keys and values, and the registry of their schemas.
#[derive(Debug, Clone)]
pub struct Formats {
    key: SideFormat,
    value: SideFormat,
    change_events: bool,
}

#[derive(Debug, Clone)]
enum SideFormat {
    Json(JsonOptions),
    Primitive(Primitive),
    Registered(RegisteredFormat, Box<RegistryOptions>, Registry),
}

impl Formats {
    /// The formats that these converters read. `listener` hears of schemas that arrive.
    ///
    /// # Errors
    /// When a registry's options cannot be used.
    pub fn start(
        key: &Converter,
        value: &Converter,
        listener: impl Fn(Event) + Clone + Send + 'static,
    ) -> Result<Self, String> {
        let value = SideFormat::start(value, listener.clone())?;
        let key = match (key, &value) {
            // One registry is asked once for both.
            (Converter::Registered(format, options), SideFormat::Registered(_, same, registry))
                if options == same =>
            {
                SideFormat::Registered(*format, options.clone(), registry.clone())
            }
            _ => SideFormat::start(key, listener)?,
        };
        Ok(Self {
            key,
            value,
            change_events: false,
        })
    }

    /// The same, with values that are change events (`change.events=debezium`).
    #[must_use]
    pub fn with_change_events(mut self, change_events: bool) -> Self {
        self.change_events = change_events;
        self
    }

    /// A format for keys.
    pub fn key(&self) -> Format {
        self.key.format(KeyOrValue::Key)
    }

    /// A format for values.
    pub fn value(&self) -> Format {
        let format = self.value.format(KeyOrValue::Value);
        match self.change_events {
            true => Format::ChangeEvents(ChangeEvents::new(format)),
            false => format,
        }
    }
}

impl SideFormat {
    fn start(
        converter: &Converter,
        listener: impl Fn(Event) + Send + 'static,
    ) -> Result<Self, String> {
        Ok(match converter {
            Converter::Json(options) => Self::Json(options.clone()),
            Converter::Primitive(kind) => Self::Primitive(*kind),
            Converter::Registered(format, options) => {
                let registry = Registry::start(options, listener)?;
                Self::Registered(*format, options.clone(), registry)
            }
        })
    }

    fn format(&self, side: KeyOrValue) -> Format {
        match self {
            Self::Json(options) => Format::json(options),
            Self::Primitive(kind) => Format::Primitive(*kind),
            Self::Registered(RegisteredFormat::JsonSchema, options, registry) => {
                let registry = registry.clone();
                Format::JsonSchema(json_schema::JsonSchema::new(registry, options, side))
            }
            Self::Registered(RegisteredFormat::Protobuf, options, registry) => {
                let registry = registry.clone();
                Format::Protobuf(protobuf::Protobuf::new(registry, options, side))
            }
            Self::Registered(RegisteredFormat::Avro, options, registry) => {
                Format::Avro(avro::Avro::new(registry.clone(), options, side))
            }
        }
    }
}

impl Format {
    /// JSON by these options.
    pub fn json(options: &JsonOptions) -> Self {
        match options.schemas_enable {
            true => Self::Envelope(envelope::Envelope::new(options)),
            false => Self::Json(json::Json),
        }
    }

    /// What remains of a value that was decoded as a whole, once its change event is unwrapped.
    ///
    /// # Errors
    /// When it is a change event of no known kind.
    pub fn unwrap(&mut self, value: Side) -> Result<(Side, Option<Change>), String> {
        match self {
            Self::ChangeEvents(format) => format.unwrap(value),
            _ => Ok((value, None)),
        }
    }

    /// The schema of these bytes is at hand, or known to be none: they can be read now. Else it has
    /// been asked for.
    #[inline]
    pub fn is_ready(&mut self, encoded: Encoded<'_>) -> bool {
        match self {
            Self::Json(_) | Self::Envelope(_) | Self::Primitive(_) => true,
            Self::Avro(format) => format.is_ready(encoded),
            Self::JsonSchema(format) => format.is_ready(encoded),
            Self::Protobuf(format) => format.is_ready(encoded),
            Self::ChangeEvents(format) => format.is_ready(encoded),
        }
    }
}

impl Decode for Format {
    #[inline]
    fn read_part<V: Visitor>(
        &mut self,
        encoded: Encoded<'_>,
        part: &[&str],
        visitor: &mut V,
    ) -> Result<(), ReadError> {
        match self {
            Self::Json(format) => format.read_part(encoded, part, visitor),
            Self::Envelope(format) => format.read_part(encoded, part, visitor),
            Self::Primitive(format) => format.read_part(encoded, part, visitor),
            Self::Avro(format) => format.read_part(encoded, part, visitor),
            Self::JsonSchema(format) => format.read_part(encoded, part, visitor),
            Self::Protobuf(format) => format.read_part(encoded, part, visitor),
            Self::ChangeEvents(format) => format.read_part(encoded, part, visitor),
        }
    }

    fn schema(&mut self, encoded: Encoded<'_>) -> Result<Option<Arc<Schema>>, String> {
        match self {
            Self::Json(format) => format.schema(encoded),
            Self::Envelope(format) => format.schema(encoded),
            Self::Primitive(format) => format.schema(encoded),
            Self::Avro(format) => format.schema(encoded),
            Self::JsonSchema(format) => format.schema(encoded),
            Self::Protobuf(format) => format.schema(encoded),
            Self::ChangeEvents(format) => format.schema(encoded),
        }
    }

    fn whole(&mut self, encoded: Encoded<'_>) -> Result<Side, String> {
        match self {
            Self::Json(format) => format.whole(encoded),
            Self::Envelope(format) => format.whole(encoded),
            Self::Primitive(format) => format.whole(encoded),
            Self::Avro(format) => format.whole(encoded),
            Self::JsonSchema(format) => format.whole(encoded),
            Self::Protobuf(format) => format.whole(encoded),
            Self::ChangeEvents(format) => format.whole(encoded),
        }
    }
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
pub(crate) mod probe;
