//! What a column holds, as far as mapping must know.

use std::fmt;

use super::Special;

/// What a column holds. The exact native type stays with the sink.
///
/// The first group is what most tables are made of, and what tables are created with. The second
/// is met in tables that somebody else has made: types with limits of their own, and types whose
/// values travel as text in the database's own notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// True or false.
    Bool,
    /// 16-bit signed integer.
    Int16,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// IEEE single.
    Float32,
    /// IEEE double.
    Float64,
    /// Exact decimal; `None` is unbounded. `precision` counts all digits, `scale` those after the point.
    Decimal {
        /// All digits.
        precision: Option<u32>,
        /// Digits after the point.
        scale: Option<u32>,
    },
    /// Characters; `max_chars` bounds their count.
    Text {
        /// Most characters, not bytes.
        max_chars: Option<u32>,
    },
    /// Raw bytes.
    Bytes,
    /// A day without a time.
    Date,
    /// A time of day without a zone.
    Time,
    /// Date and time without a zone.
    Timestamp,
    /// A point in time.
    TimestampTz,
    /// 128-bit identifier.
    Uuid,
    /// A JSON document.
    Json,

    /// Whole numbers of another range, such as those of an unsigned integer or of one byte.
    IntRange {
        /// The least.
        low: i64,
        /// The greatest.
        high: i64,
    },
    /// 64-bit unsigned integer. Its cells are decimals.
    UInt64,
    /// Characters, bounded by their bytes in UTF-8.
    SizedText {
        /// Most bytes.
        max_bytes: u32,
    },
    /// Raw bytes, bounded.
    SizedBytes {
        /// Most bytes.
        max_bytes: u32,
    },
    /// A span of time between hours before and after zero, up to [`TIME_SPAN_NANOS_MAX`]. Its cells
    /// are times.
    TimeSpan,
    /// A geometry. Its cells are well-known binary.
    Geometry,
    /// A type whose values are texts in a notation of the database.
    Literal(Notation),
    /// An array of any number of dimensions. Its cells are texts in the notation of PostgreSQL.
    Array(Box<ColumnType>),
    /// Only for a column to be created, and never read from a catalog: a type that not every database has.
    Special {
        /// The type, for databases that have it.
        kind: Special,
        /// The type for the others.
        plain: Box<ColumnType>,
    },
    /// A type this version cannot fill; a value for it is a record error, its absence is fine.
    Unsupported,
}

/// What texts a type takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notation {
    /// A network address, with or without the length of its network.
    Inet,
    /// A network: no bit is set behind its length.
    Cidr,
    /// A hardware address of 6 or 8 bytes.
    MacAddress {
        /// How many.
        bytes: u8,
    },
    /// A duration in months, days and microseconds.
    Interval,
    /// A time of day with its distance from UTC.
    TimeTz,
    /// Binary digits: exactly `length` of them, or up to so many when `varying`.
    Bits {
        /// `None`: any number.
        length: Option<u32>,
        /// The length is a limit.
        varying: bool,
    },
    /// One character of ASCII.
    Byte,
    /// Names with a text or null each.
    Hstore,
    /// From one value to another of this type.
    Range(Box<ColumnType>),
    /// Several ranges.
    Multirange(Box<ColumnType>),
    /// A point of a plane.
    Point,
    /// A geometry with its reference system, in extended well-known binary.
    Geometry,
    /// Any text: only the database knows which are right.
    Any,
}

/// Where MySQL's `time` ends: 838:59:59.
pub const TIME_SPAN_NANOS_MAX: i64 = (838 * 3_600 + 59 * 60 + 59) * 1_000_000_000;

impl ColumnType {
    /// The cells are texts which the database reads by rules of the type.
    pub fn is_notation(&self) -> bool {
        matches!(self, Self::Literal(_) | Self::Array(_))
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Bool => "boolean",
            Self::Int16 => "16-bit integer",
            Self::Int32 => "32-bit integer",
            Self::Int64 => "64-bit integer",
            Self::Float32 => "32-bit float",
            Self::Float64 => "64-bit float",
            Self::Decimal {
                precision: Some(precision),
                scale,
            } => {
                return write!(formatter, "decimal({precision},{})", scale.unwrap_or(0));
            }
            Self::Decimal { .. } => "decimal",
            Self::Text {
                max_chars: Some(chars),
            } => return write!(formatter, "text({chars})"),
            Self::Text { max_chars: None } => "text",
            Self::Bytes => "bytes",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamp with time zone",
            Self::Uuid => "uuid",
            Self::Json => "json",
            Self::IntRange { low, high } => {
                return write!(formatter, "integer from {low} to {high}");
            }
            Self::UInt64 => "64-bit unsigned integer",
            Self::SizedText { max_bytes } => {
                return write!(formatter, "text({max_bytes} bytes)");
            }
            Self::SizedBytes { max_bytes } => return write!(formatter, "bytes({max_bytes})"),
            Self::TimeSpan => "span of time",
            Self::Geometry => "geometry",
            Self::Literal(notation) => return notation.fmt(formatter),
            Self::Array(element) => return write!(formatter, "array of {element}"),
            Self::Special { kind, .. } => return kind.fmt(formatter),
            Self::Unsupported => "unsupported type",
        };
        formatter.write_str(name)
    }
}

impl fmt::Display for Notation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Inet => "network address",
            Self::Cidr => "network",
            Self::MacAddress { .. } => "hardware address",
            Self::Interval => "interval",
            Self::TimeTz => "time with time zone",
            Self::Bits {
                length: Some(length),
                ..
            } => return write!(formatter, "bits({length})"),
            Self::Bits { length: None, .. } => "bits",
            Self::Byte => "character of ASCII",
            Self::Hstore => "names with texts",
            Self::Range(bound) => return write!(formatter, "range of {bound}"),
            Self::Multirange(bound) => return write!(formatter, "ranges of {bound}"),
            Self::Point => "point",
            Self::Geometry => "geometry",
            Self::Any => "text in the type's own notation",
        };
        formatter.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_names_for_people() {
        let check =
            |column_type: ColumnType, expected| assert_eq!(column_type.to_string(), expected);
        let decimal = |precision, scale| ColumnType::Decimal { precision, scale };
        check(decimal(Some(10), Some(2)), "decimal(10,2)");
        check(decimal(Some(10), None), "decimal(10,0)");
        check(decimal(None, None), "decimal");
        check(ColumnType::Text { max_chars: Some(5) }, "text(5)");
        check(ColumnType::Text { max_chars: None }, "text");
        check(ColumnType::TimestampTz, "timestamp with time zone");
        let range = ColumnType::Literal(Notation::Range(Box::new(ColumnType::Int32)));
        check(
            ColumnType::Array(Box::new(range)),
            "array of range of 32-bit integer",
        );
    }
}
