//! Types that the database has and others have not. Pure.
//!
//! Only those that every database has: what comes with an extension (`ltree`, `citext`, `hstore`, `vector`,
//! PostGIS's) may be missing, and then a table could not be created.

use crate::table::{ColumnType, Notation, Special};

/// The server's bound of `bit(n)` and `varbit(n)`.
const BITS_MAX: u32 = 83_886_080;

/// The type of a column that shall hold this; `None` when the database has no such type.
pub(super) fn native_type(kind: &Special, plain: &ColumnType) -> Option<String> {
    let name = match kind {
        Special::Notation(notation) => return notation_type(notation),
        Special::Xml => "xml",
        Special::TextSearch => "tsvector",
        Special::Money => "money",
        Special::ObjectId => "oid",
        Special::Geometry { is_point: true } => "point",
        Special::Fraction { digits } => {
            let name = match plain {
                ColumnType::Time => "time",
                ColumnType::Timestamp => "timestamp",
                ColumnType::TimestampTz => "timestamptz",
                _ => return None,
            };
            return Some(format!("{name}({digits})"));
        }
        Special::Labels { .. }
        | Special::Year
        | Special::Whole { .. }
        | Special::UnsignedLong
        | Special::Geometry { is_point: false }
        | Special::Vector
        | Special::Bytes { .. } => return None,
    };
    Some(name.to_owned())
}

fn notation_type(notation: &Notation) -> Option<String> {
    let name = match notation {
        Notation::Inet => "inet",
        Notation::Cidr => "cidr",
        Notation::MacAddress { bytes: 8 } => "macaddr8",
        Notation::MacAddress { .. } => "macaddr",
        Notation::Interval => "interval",
        Notation::TimeTz => "timetz",
        Notation::Bits { length, varying } => {
            let name = if *varying { "varbit" } else { "bit" };
            return match length {
                Some(length @ 1..=BITS_MAX) => Some(format!("{name}({length})")),
                _ => Some("varbit".to_owned()),
            };
        }
        Notation::Range(bound) => match **bound {
            ColumnType::Int32 => "int4range",
            ColumnType::Int64 => "int8range",
            ColumnType::Decimal { .. } => "numrange",
            ColumnType::Date => "daterange",
            ColumnType::Timestamp => "tsrange",
            ColumnType::TimestampTz => "tstzrange",
            _ => return None,
        },
        _ => return None,
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_to_be_created() {
        let check = |kind: Special, plain: ColumnType, expected: Option<&str>| {
            let found = native_type(&kind, &plain);
            assert_eq!(found.as_deref(), expected, "{kind}");
        };
        let notation = |notation, expected| {
            let text = ColumnType::Text { max_chars: None };
            check(Special::Notation(notation), text, expected);
        };
        let bits = |length, varying| Notation::Bits { length, varying };
        notation(bits(Some(9), false), Some("bit(9)"));
        notation(bits(Some(9), true), Some("varbit(9)"));
        notation(bits(None, true), Some("varbit"));
        notation(bits(Some(BITS_MAX + 1), false), Some("varbit"));
        notation(Notation::MacAddress { bytes: 8 }, Some("macaddr8"));
        let range = |bound| Notation::Range(Box::new(bound));
        notation(range(ColumnType::Int64), Some("int8range"));
        notation(range(ColumnType::Timestamp), Some("tsrange"));
        notation(range(ColumnType::TimestampTz), Some("tstzrange"));
        notation(range(ColumnType::Date), Some("daterange"));
        notation(range(ColumnType::Bool), None);
        notation(Notation::Hstore, None);
        let fraction = || Special::Fraction { digits: 3 };
        check(fraction(), ColumnType::Time, Some("time(3)"));
        check(fraction(), ColumnType::TimestampTz, Some("timestamptz(3)"));
        let numbers = Special::Whole { low: 0, high: 255 };
        check(numbers, ColumnType::Int16, None);
    }
}
