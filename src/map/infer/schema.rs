//! The column that a schema asks for.
//!
//! Connect's types and the names that Debezium gives them say what a value is. Where the source connector
//! was told to (`column.propagate.source.type`), the schema's parameters also say what the value's column
//! was at home ([`source`]). Either may ask for a type that only some databases have; then the column also
//! has a plain type for the others, which is the one without those names.

use rowdock_connectors::{ColumnType, Notation, Special};

use super::TEXT;
use crate::record::debezium::Single;
use crate::record::schema::{DECIMAL_PRECISION, names};
use crate::record::{Kind, Logical, Schema};

mod source;

pub(in crate::map) use source::wraps;

/// Debezium's parameter of bits: how many.
const BITS_LENGTH: &str = "length";
/// Debezium's parameter of enums and sets: the labels, with commas between.
const LABELS: &str = "allowed";
/// The length by which Debezium says that there is no limit.
const NO_LIMIT: u32 = i32::MAX.unsigned_abs();

/// The type of a column for values of this schema.
pub(in crate::map) fn column_type(schema: &Schema) -> ColumnType {
    let plain = plain_type(schema);
    let special = named(schema).or_else(|| source::special(schema, &plain));
    match special {
        Some(kind) => ColumnType::or_plain(kind, plain),
        None => plain,
    }
}

fn plain_type(schema: &Schema) -> ColumnType {
    match (schema.logical, &schema.kind) {
        (Logical::Decimal { scale }, _) => {
            let precision = schema.parameters.get(DECIMAL_PRECISION);
            let precision = precision.and_then(|digits| digits.parse().ok());
            // Columns for a part of the fraction only are not in all databases.
            let precision = precision.filter(|digits| *digits >= scale.max(1));
            ColumnType::Decimal {
                precision: precision.or_else(|| source::decimal_precision(schema, scale)),
                scale: Some(scale),
            }
        }
        (Logical::Date, _) => ColumnType::Date,
        (Logical::Time, _) => ColumnType::Time,
        (Logical::Timestamp, _) => ColumnType::Timestamp,
        (Logical::None, kind) => match kind {
            Kind::Int8 | Kind::Int16 => ColumnType::Int16,
            Kind::Int32 => ColumnType::Int32,
            Kind::Int64 => ColumnType::Int64,
            Kind::Float32 => ColumnType::Float32,
            Kind::Float64 => ColumnType::Float64,
            Kind::Boolean => ColumnType::Bool,
            Kind::String => text_type(schema),
            Kind::Bytes => ColumnType::Bytes,
            Kind::Array(element) => array_type(element),
            Kind::Map { .. } => ColumnType::Json,
            Kind::Struct(_) => match Single::of(schema) {
                None => ColumnType::Json,
                Some(Single::Decimal) => ColumnType::Decimal {
                    precision: None,
                    scale: None,
                },
                Some(Single::Date) => ColumnType::Date,
                Some(Single::Time) => ColumnType::Time,
                Some(Single::Timestamp) => ColumnType::Timestamp,
                Some(Single::ZonedTimestamp) => ColumnType::TimestampTz,
                Some(Single::ZonedTime | Single::Duration | Single::SparseVector) => TEXT,
            },
        },
    }
}

fn text_type(schema: &Schema) -> ColumnType {
    match schema.name.as_deref() {
        Some(names::JSON | names::AVRO_UNION) => ColumnType::Json,
        Some(names::UUID) => ColumnType::Uuid,
        Some(names::ZONED_TIMESTAMP) => ColumnType::TimestampTz,
        Some(_) => TEXT,
        None => ColumnType::Text {
            max_chars: source::chars(schema),
        },
    }
}

/// An array of single values, in one or more dimensions; what has names is JSON.
fn array_type(element: &Schema) -> ColumnType {
    match plain_type(element) {
        ColumnType::Json => ColumnType::Json,
        // The dimensions are the values', not the column's.
        ColumnType::Array(inner) => ColumnType::Array(inner),
        single => ColumnType::Array(Box::new(single)),
    }
}

/// What the schema's own type and name ask for.
fn named(schema: &Schema) -> Option<Special> {
    let notation = |notation| Some(Special::Notation(notation));
    let name = schema.name.as_deref().unwrap_or_default();
    match (&schema.kind, name.strip_prefix("io.debezium.")) {
        (Kind::Int8, None) => Some(Special::Whole {
            low: i8::MIN.into(),
            high: i8::MAX.into(),
        }),
        (Kind::String, Some("time.ZonedTime")) => notation(Notation::TimeTz),
        (Kind::String, Some("time.Interval")) | (Kind::Int64, Some("time.MicroDuration")) => {
            notation(Notation::Interval)
        }
        (Kind::Int32, Some("time.Year")) => Some(Special::Year),
        (Kind::Bytes, Some("data.Bits")) => notation(bits(schema)),
        (Kind::String, Some("data.Enum")) => labels(schema, false),
        (Kind::String, Some("data.EnumSet")) => labels(schema, true),
        (Kind::String, Some("data.Xml")) => Some(Special::Xml),
        (Kind::String, Some("data.Tsvector")) => Some(Special::TextSearch),
        (Kind::String, Some("data.Ltree")) => Some(Special::Extension("ltree")),
        (Kind::Array(_), Some("data.FloatVector")) => Some(source::vector(schema)),
        (Kind::Array(_), Some("data.DoubleVector")) => Some(Special::Extension("vector")),
        (Kind::Struct(_), Some("data.geometry.Point")) => {
            Some(Special::Geometry { is_point: true })
        }
        (Kind::Struct(_), Some("data.geometry.Geometry")) => {
            Some(Special::Geometry { is_point: false })
        }
        (Kind::Struct(_), Some("data.geometry.Geography")) => Some(Special::Geography),
        (Kind::Struct(_), Some(_)) => match Single::of(schema)? {
            Single::ZonedTime => notation(Notation::TimeTz),
            Single::Duration => notation(Notation::Interval),
            Single::SparseVector => Some(Special::Extension("sparsevec")),
            _ => None,
        },
        _ => None,
    }
}

fn bits(schema: &Schema) -> Notation {
    let length = schema.parameters.get(BITS_LENGTH);
    let length = length.and_then(|length| length.parse().ok());
    let length = length.filter(|length| (1..NO_LIMIT).contains(length));
    Notation::Bits {
        length,
        varying: length.is_none() || source::has_varying_bits(schema),
    }
}

/// A comma or backslash that belongs to a label has a backslash before it.
fn labels(schema: &Schema, several: bool) -> Option<Special> {
    let mut labels = vec![String::new()];
    let mut characters = schema.parameters.get(LABELS)?.chars().peekable();
    while let Some(character) = characters.next() {
        let escaped = match character {
            '\\' => characters.next_if(|next| matches!(next, ',' | '\\')),
            _ => None,
        };
        match (character, escaped, labels.last_mut()) {
            (_, Some(escaped), Some(label)) => label.push(escaped),
            (',', None, _) => labels.push(String::new()),
            (other, None, Some(label)) => label.push(other),
            (_, _, None) => {}
        }
    }
    Some(Special::Labels { labels, several })
}

#[cfg(test)]
mod tests;
