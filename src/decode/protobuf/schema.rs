//! Connect's schema of a message.

use std::sync::Arc;

use prost_reflect::{FieldDescriptor, Kind as ProtoKind, MessageDescriptor};

use crate::record::meaning;
use crate::record::{Field, Kind, Schema};

/// What a message of a common type means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Common {
    Timestamp,
    Duration,
    Date,
    TimeOfDay,
    Decimal,
    /// One field, `value`: a scalar that may be null.
    Wrapper,
}

impl Common {
    pub(super) fn of(message: &MessageDescriptor) -> Option<Self> {
        Some(match message.full_name() {
            "google.protobuf.Timestamp" => Self::Timestamp,
            "google.protobuf.Duration" => Self::Duration,
            "google.type.Date" => Self::Date,
            "google.type.TimeOfDay" => Self::TimeOfDay,
            "confluent.type.Decimal" => Self::Decimal,
            "google.protobuf.DoubleValue"
            | "google.protobuf.FloatValue"
            | "google.protobuf.Int64Value"
            | "google.protobuf.UInt64Value"
            | "google.protobuf.Int32Value"
            | "google.protobuf.UInt32Value"
            | "google.protobuf.BoolValue"
            | "google.protobuf.StringValue"
            | "google.protobuf.BytesValue" => Self::Wrapper,
            _ => return None,
        })
    }
}

/// The fields in the order of their numbers.
pub(super) fn fields(message: &MessageDescriptor) -> impl Iterator<Item = FieldDescriptor> {
    message.fields()
}

pub(super) fn of_message(message: &MessageDescriptor) -> Schema {
    message_schema(message, &mut Vec::new())
}

/// `outer`: the messages that it is inside of. What is inside itself has no end in Connect's model,
/// and is kept as JSON.
fn message_schema(message: &MessageDescriptor, outer: &mut Vec<String>) -> Schema {
    let name = message.full_name().to_owned();
    if outer.contains(&name) {
        return meaning::json_schema();
    }
    match Common::of(message) {
        Some(Common::Timestamp) => return Schema::timestamp(),
        Some(Common::Date) => return Schema::date(),
        Some(Common::TimeOfDay) => return Schema::time(),
        Some(Common::Duration) => return Schema::new(Kind::String),
        // Each brings its own scale, so as a whole it is text.
        Some(Common::Decimal) => return Schema::new(Kind::String),
        Some(Common::Wrapper) => {
            let inner = message.fields().next();
            let kind = inner.map(|field| kind_schema(&field.kind(), outer));
            return kind.unwrap_or_else(|| Schema::new(Kind::String)).optional();
        }
        None => {}
    }
    outer.push(name.clone());
    let of_connect = fields(message)
        .map(|field| Field {
            name: field.name().into(),
            schema: Arc::new(field_schema(&field, outer)),
        })
        .collect();
    outer.pop();
    Schema {
        name: Some(name.into()),
        ..Schema::new(Kind::Struct(of_connect))
    }
}

fn field_schema(field: &FieldDescriptor, outer: &mut Vec<String>) -> Schema {
    if field.is_map()
        && let ProtoKind::Message(entry) = field.kind()
    {
        let value = kind_schema(&entry.map_entry_value_field().kind(), outer);
        return Schema::new(Kind::Map {
            key: Arc::new(Schema::new(Kind::String)),
            value: Arc::new(value),
        });
    }
    let schema = kind_schema(&field.kind(), outer);
    if field.is_list() {
        return Schema::new(Kind::Array(Arc::new(schema)));
    }
    match field.supports_presence() {
        true => schema.optional(),
        false => schema,
    }
}

fn kind_schema(kind: &ProtoKind, outer: &mut Vec<String>) -> Schema {
    Schema::new(match kind {
        ProtoKind::Bool => Kind::Boolean,
        ProtoKind::Int32 | ProtoKind::Sint32 | ProtoKind::Sfixed32 => Kind::Int32,
        ProtoKind::Int64
        | ProtoKind::Sint64
        | ProtoKind::Sfixed64
        | ProtoKind::Uint32
        | ProtoKind::Fixed32 => Kind::Int64,
        // Beyond 63 bits there are decimals only.
        ProtoKind::Uint64 | ProtoKind::Fixed64 => return Schema::decimal(0),
        ProtoKind::Float => Kind::Float32,
        ProtoKind::Double => Kind::Float64,
        ProtoKind::String | ProtoKind::Enum(_) => Kind::String,
        ProtoKind::Bytes => Kind::Bytes,
        ProtoKind::Message(message) => return message_schema(message, outer),
    })
}
