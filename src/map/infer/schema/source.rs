//! What a value's column was in the database that it comes from, as Debezium tells it: type, length and
//! scale, as the source spells them.

use rowdock_connectors::{ColumnType, Notation, Special};

use crate::record::Schema;

const TYPE: &str = "__debezium.source.column.type";
const LENGTH: &str = "__debezium.source.column.length";
const SCALE: &str = "__debezium.source.column.scale";
/// Of times by their parts: digits after the second.
const FRACTION: &str = "io.debezium.time.precision";

/// Digits after the second that a column may be made with; all databases keep as many.
const FRACTION_DIGITS: std::ops::RangeInclusive<u32> = 1..=6;
/// Longer texts are not bounded: this is the longest that PostgreSQL has, whose texts without a limit tell
/// a length beyond it.
const TEXT_CHARS_MAX: u32 = 10_485_760;
/// Digits after the point of PostgreSQL's amounts of money, in most locales.
const MONEY_SCALE: u32 = 2;

/// The source's name of the type, in upper case: `INT UNSIGNED`.
fn type_name(schema: &Schema) -> Option<String> {
    let name = schema.parameters.get(TYPE)?.trim().to_ascii_uppercase();
    Some(match name.strip_suffix(" ZEROFILL") {
        Some(name) => name.to_owned(),
        None => name,
    })
}

fn number(schema: &Schema, parameter: &str) -> Option<u32> {
    schema.parameters.get(parameter)?.trim().parse().ok()
}

/// What the source's type asks for beyond the plain one.
pub(super) fn special(schema: &Schema, plain: &ColumnType) -> Option<Special> {
    if let ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampTz = plain {
        return fraction(schema);
    }
    let source = type_name(schema)?;
    match plain {
        ColumnType::Text { .. } if schema.name.is_none() => of_text(&source),
        ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 if schema.name.is_none() => {
            of_integer(&source)
        }
        ColumnType::Decimal { scale, .. } => match (source.as_str(), scale) {
            ("MONEY", Some(0..=MONEY_SCALE)) => Some(Special::Money),
            (source, Some(0)) if is_unsigned_long(source) => Some(Special::UnsignedLong),
            _ => None,
        },
        ColumnType::Bytes if schema.name.is_none() => of_bytes(&source, number(schema, LENGTH)),
        ColumnType::Json if source == "HSTORE" => Some(Special::Extension("hstore")),
        _ => None,
    }
}

fn fraction(schema: &Schema) -> Option<Special> {
    let told = [FRACTION, SCALE, LENGTH];
    let digits = told
        .iter()
        .find_map(|parameter| number(schema, parameter))?;
    let can_be = FRACTION_DIGITS.contains(&digits);
    can_be.then_some(Special::Fraction { digits })
}

fn of_text(source: &str) -> Option<Special> {
    let range = |bound| Notation::Range(Box::new(bound));
    let any_decimal = ColumnType::Decimal {
        precision: None,
        scale: None,
    };
    Some(Special::Notation(match source {
        "CITEXT" => return Some(Special::Extension("citext")),
        "INET" => Notation::Inet,
        "CIDR" => Notation::Cidr,
        "MACADDR" => Notation::MacAddress { bytes: 6 },
        "MACADDR8" => Notation::MacAddress { bytes: 8 },
        "INT4RANGE" => range(ColumnType::Int32),
        "INT8RANGE" => range(ColumnType::Int64),
        "NUMRANGE" => range(any_decimal),
        "DATERANGE" => range(ColumnType::Date),
        "TSRANGE" => range(ColumnType::Timestamp),
        "TSTZRANGE" => range(ColumnType::TimestampTz),
        _ => return None,
    }))
}

fn of_integer(source: &str) -> Option<Special> {
    let whole = |low, high| Some(Special::Whole { low, high });
    match source {
        "OID" => Some(Special::ObjectId),
        "TINYINT" | "INT1" => whole(-128, 127),
        "TINYINT UNSIGNED" | "INT1 UNSIGNED" => whole(0, 255),
        "SMALLINT UNSIGNED" | "INT2 UNSIGNED" => whole(0, 65_535),
        "MEDIUMINT" | "INT3" | "MIDDLEINT" => whole(-8_388_608, 8_388_607),
        "MEDIUMINT UNSIGNED" | "INT3 UNSIGNED" | "MIDDLEINT UNSIGNED" => whole(0, 16_777_215),
        "INT UNSIGNED" | "INTEGER UNSIGNED" | "INT4 UNSIGNED" => whole(0, 4_294_967_295),
        _ if is_unsigned_long(source) => Some(Special::UnsignedLong),
        _ => None,
    }
}

/// Of an array of single precision.
pub(super) fn vector(schema: &Schema) -> Special {
    match type_name(schema).as_deref() {
        Some("HALFVEC") => Special::HalfVector,
        _ => Special::Vector,
    }
}

fn is_unsigned_long(source: &str) -> bool {
    matches!(source, "BIGINT UNSIGNED" | "INT8 UNSIGNED")
}

/// Whole numbers of this schema are unsigned ones of 64 bits, the upper half of which are negative here
/// (Debezium's `bigint.unsigned.handling.mode=long`).
pub(in crate::map) fn wraps(schema: &Schema) -> bool {
    type_name(schema).is_some_and(|name| is_unsigned_long(&name))
}

fn of_bytes(source: &str, length: Option<u32>) -> Option<Special> {
    let max_bytes = match source {
        "BINARY" | "VARBINARY" => length.filter(|length| *length > 0)?,
        "TINYBLOB" => 255,
        "BLOB" => 65_535,
        "MEDIUMBLOB" => 16_777_215,
        _ => return None,
    };
    Some(Special::Bytes { max_bytes })
}

/// The most characters of a text. A length counts something else where the source has no text, such as
/// bytes that arrive in base64.
pub(super) fn chars(schema: &Schema) -> Option<u32> {
    let is_one = match type_name(schema)?.as_str() {
        "CHAR" | "CHARACTER" | "BPCHAR" | "NCHAR" => true,
        "VARCHAR" | "CHARACTER VARYING" | "VARCHAR2" | "NVARCHAR" | "NVARCHAR2" => false,
        _ => return None,
    };
    let told = number(schema, LENGTH).filter(|chars| *chars > 0);
    let chars = told.or(is_one.then_some(1))?;
    (chars <= TEXT_CHARS_MAX).then_some(chars)
}

/// All digits of a decimal.
pub(super) fn decimal_precision(schema: &Schema, scale: u32) -> Option<u32> {
    let is_decimal = matches!(type_name(schema)?.as_str(), "DECIMAL" | "NUMERIC");
    let digits = number(schema, LENGTH).filter(|_| is_decimal)?;
    (digits >= scale.max(1)).then_some(digits)
}

/// The length of bits is a limit.
pub(super) fn has_varying_bits(schema: &Schema) -> bool {
    let name = type_name(schema);
    matches!(name.as_deref(), Some("VARBIT" | "BIT VARYING"))
}
