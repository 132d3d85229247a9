//! The database's own types: what each holds, and which is made for what.
//!
//! Built-in types are known by their ids. The others, and arrays and ranges of all of them, are
//! looked up in the catalog: what they are made of, down to types that are known.

use std::collections::HashMap;

use tokio_postgres::types::ToSql;

use super::special::{self, Extensions};
use crate::error::SinkError;
use crate::postgres::link::Link;
use crate::postgres::sql::type_id;
use crate::table::{ColumnType, Notation};

/// PostgreSQL's own bounds of `numeric(p, s)`, `varchar(n)` and `name`.
const NUMERIC_PRECISION_MAX: u32 = 1_000;
const VARCHAR_CHARS_MAX: u32 = 10_485_760;
const NAME_BYTES_MAX: u32 = 63;
/// Of `money`, which is a 64-bit integer.
const MONEY_DIGITS: u32 = 19;
/// What a type modifier adds to a length or precision.
const MODIFIER_OFFSET: i32 = 4;
const NO_MODIFIER: i32 = -1;
/// Types within types; a type of the catalog cannot hold itself, so this is more than there are.
const DEPTH_MAX: usize = 16;
/// Arrays by category that are written as numbers with blanks between: `int2vector`, `oidvector`.
const VECTORS: [u32; 2] = [22, 30];

/// Types of a table's columns that are not known by their ids, and what they are made of.
#[derive(Debug, Default)]
pub(in crate::postgres) struct Types {
    by_id: HashMap<u32, Kind>,
}

#[derive(Debug)]
enum Kind {
    Domain {
        base: u32,
        modifier: i32,
    },
    Array {
        element: u32,
    },
    Range {
        bound: u32,
    },
    Multirange {
        range: u32,
    },
    Enum,
    Citext,
    Hstore,
    /// PostGIS's.
    Geometry,
    /// Of an extension, or composed of columns: it has a notation that only it knows.
    Other,
}

impl Types {
    /// Looks up those of these types that are not known; asks nothing when all are.
    pub(super) async fn look_up(
        link: &Link,
        action: &str,
        ids: Vec<u32>,
    ) -> Result<Self, SinkError> {
        let unknown: Vec<u32> = ids
            .into_iter()
            .filter(|id| built_in(*id, NO_MODIFIER).is_none())
            .collect();
        let mut types = Self::default();
        if unknown.is_empty() {
            return Ok(types);
        }
        let parameters: [&(dyn ToSql + Sync); 1] = [&unknown];
        let query = link.client().query(TYPES, &parameters);
        for row in link.answer(action, query).await? {
            let kind = kind(row.get(1), row.get(2), row.get(3), row.get(4));
            types.by_id.extend(kind.map(|kind| (row.get(0), kind)));
        }
        Ok(types)
    }

    /// What a column of this type and modifier (-1 when there is none) holds.
    pub(super) fn column_type(&self, type_id: u32, modifier: i32) -> ColumnType {
        self.resolved(type_id, modifier, DEPTH_MAX)
    }

    fn resolved(&self, type_id: u32, modifier: i32, depth: usize) -> ColumnType {
        if let Some(known) = built_in(type_id, modifier) {
            return known;
        }
        let (Some(kind), Some(depth)) = (self.by_id.get(&type_id), depth.checked_sub(1)) else {
            return ColumnType::Unsupported;
        };
        let of = |type_id: &u32, modifier| self.resolved(*type_id, modifier, depth);
        match kind {
            Kind::Domain { base, modifier } => of(base, *modifier),
            Kind::Array { element } => match of(element, modifier) {
                ColumnType::Unsupported => ColumnType::Unsupported,
                element => ColumnType::Array(Box::new(element)),
            },
            Kind::Range { bound } => {
                let bound = Box::new(of(bound, NO_MODIFIER));
                ColumnType::Literal(Notation::Range(bound))
            }
            Kind::Multirange { range } => match of(range, NO_MODIFIER) {
                ColumnType::Literal(Notation::Range(bound)) => {
                    ColumnType::Literal(Notation::Multirange(bound))
                }
                _ => ColumnType::Unsupported,
            },
            Kind::Enum | Kind::Citext => ColumnType::Text { max_chars: None },
            Kind::Hstore => ColumnType::Literal(Notation::Hstore),
            Kind::Geometry => ColumnType::Literal(Notation::Geometry),
            Kind::Other => ColumnType::Literal(Notation::Any),
        }
    }
}

/// From a row of the types: name, kind in the catalog's letters, the type it is made of, modifier.
fn kind(name: &str, letter: &str, made_of: Option<u32>, modifier: i32) -> Option<Kind> {
    Some(match (letter, made_of, name) {
        ("d", Some(base), _) => Kind::Domain { base, modifier },
        ("r", Some(bound), _) => Kind::Range { bound },
        ("m", Some(range), _) => Kind::Multirange { range },
        ("A", Some(element), _) => Kind::Array { element },
        ("e", _, _) => Kind::Enum,
        ("b", _, "citext") => Kind::Citext,
        ("b", _, "hstore") => Kind::Hstore,
        ("b", _, "geometry" | "geography") => Kind::Geometry,
        ("b" | "c", _, _) => Kind::Other,
        _ => return None,
    })
}

/// These types and all that they are made of. Ranges of ranges came with version 14, so the column
/// that names them must not be named.
const TYPES: &str = "\
    WITH RECURSIVE needed(id) AS (\
        SELECT unnest($1::oid[]) \
        UNION \
        SELECT CASE typtype \
                   WHEN 'd' THEN typbasetype \
                   WHEN 'r' THEN (SELECT rngsubtype FROM pg_catalog.pg_range \
                                  WHERE rngtypid = pg_type.oid) \
                   WHEN 'm' THEN (SELECT rngtypid FROM pg_catalog.pg_range AS ranges \
                                  WHERE to_jsonb(ranges) ->> 'rngmultitypid' = pg_type.oid::text) \
                   ELSE typelem \
               END \
        FROM needed JOIN pg_catalog.pg_type ON pg_type.oid = id \
        WHERE typtype IN ('d', 'r', 'm') OR typcategory = 'A'\
    ) \
    SELECT pg_type.oid, typname::text, \
           CASE WHEN typtype = 'b' AND typcategory = 'A' THEN 'A' ELSE typtype::text END, \
           CASE typtype \
               WHEN 'd' THEN typbasetype \
               WHEN 'r' THEN (SELECT rngsubtype FROM pg_catalog.pg_range \
                              WHERE rngtypid = pg_type.oid) \
               WHEN 'm' THEN (SELECT rngtypid FROM pg_catalog.pg_range AS ranges \
                              WHERE to_jsonb(ranges) ->> 'rngmultitypid' = pg_type.oid::text) \
               ELSE nullif(typelem, 0) \
           END, \
           typtypmod \
    FROM needed JOIN pg_catalog.pg_type ON pg_type.oid = id";

/// From a built-in type's id and its modifier, which is -1 when there is none.
fn built_in(type_id: u32, modifier: i32) -> Option<ColumnType> {
    Some(match type_id {
        id if VECTORS.contains(&id) => ColumnType::Literal(Notation::Any),
        16 => ColumnType::Bool,
        17 => ColumnType::Bytes,
        20 => ColumnType::Int64,
        21 => ColumnType::Int16,
        23 => ColumnType::Int32,
        700 => ColumnType::Float32,
        701 => ColumnType::Float64,
        1082 => ColumnType::Date,
        1083 => ColumnType::Time,
        1114 => ColumnType::Timestamp,
        1184 => ColumnType::TimestampTz,
        1700 => numeric(modifier),
        2950 => ColumnType::Uuid,
        type_id::JSON | type_id::JSONB => ColumnType::Json,
        142 => ColumnType::Literal(Notation::Any),
        type_id::CHAR => ColumnType::Literal(Notation::Byte),
        // Its cents are those of most currencies.
        type_id::MONEY => ColumnType::Decimal {
            precision: Some(MONEY_DIGITS),
            scale: Some(2),
        },
        type_id::OID => ColumnType::IntRange {
            low: 0,
            high: i64::from(u32::MAX),
        },
        600 => ColumnType::Literal(Notation::Point),
        650 => ColumnType::Literal(Notation::Cidr),
        774 => ColumnType::Literal(Notation::MacAddress { bytes: 8 }),
        829 => ColumnType::Literal(Notation::MacAddress { bytes: 6 }),
        869 => ColumnType::Literal(Notation::Inet),
        1186 => ColumnType::Literal(Notation::Interval),
        1266 => ColumnType::Literal(Notation::TimeTz),
        1560 | 1562 => ColumnType::Literal(Notation::Bits {
            length: u32::try_from(modifier).ok(),
            varying: type_id == 1562,
        }),
        type_id::TEXT => ColumnType::Text { max_chars: None },
        // Assigning a longer text cuts it.
        type_id::NAME => ColumnType::SizedText {
            max_bytes: NAME_BYTES_MAX,
        },
        type_id::VARCHAR | type_id::BPCHAR => ColumnType::Text {
            max_chars: u32::try_from(modifier - MODIFIER_OFFSET).ok(),
        },
        _ => return None,
    })
}

/// Precision in the upper half of the modifier, scale in eleven bits of the lower, signed since
/// PostgreSQL 15. A negative scale only shortens the whole digits that are kept: it counts as
/// none, with the whole digits it allows.
fn numeric(modifier: i32) -> ColumnType {
    let Ok(packed) = u32::try_from(modifier - MODIFIER_OFFSET) else {
        return ColumnType::Decimal {
            precision: None,
            scale: None,
        };
    };
    let precision = packed >> 16;
    let scale_bits = packed & 0x7ff;
    let (precision, scale) = if scale_bits >= 0x400 {
        (precision + (0x800 - scale_bits), 0)
    } else {
        (precision, scale_bits)
    };
    ColumnType::Decimal {
        precision: Some(precision),
        scale: Some(scale),
    }
}

/// The type of a column that shall hold this.
pub(in crate::postgres) fn native_type(
    column_type: &ColumnType,
    extensions: &Extensions,
) -> Option<String> {
    let name = match column_type {
        ColumnType::Bool => "boolean",
        ColumnType::Int16 => "smallint",
        ColumnType::Int32 => "integer",
        ColumnType::Int64 => "bigint",
        ColumnType::Float32 => "real",
        ColumnType::Float64 => "double precision",
        ColumnType::Decimal {
            precision: Some(precision @ 1..=NUMERIC_PRECISION_MAX),
            scale,
        } => return Some(format!("numeric({precision},{})", scale.unwrap_or(0))),
        ColumnType::Decimal { .. } => "numeric",
        ColumnType::Text {
            max_chars: Some(chars @ 1..=VARCHAR_CHARS_MAX),
        } => return Some(format!("varchar({chars})")),
        ColumnType::Text { .. } => "text",
        ColumnType::Bytes => "bytea",
        ColumnType::Date => "date",
        ColumnType::Time => "time",
        ColumnType::Timestamp => "timestamp",
        ColumnType::TimestampTz => "timestamptz",
        ColumnType::Uuid => "uuid",
        ColumnType::Json => "jsonb",
        ColumnType::Array(element) => {
            return native_type(element, extensions).map(|name| name + "[]");
        }
        // None of these is asked for by a record; they are met in tables that are there.
        ColumnType::IntRange { .. } => "bigint",
        ColumnType::UInt64 => "numeric(20,0)",
        ColumnType::SizedText { .. } => "text",
        ColumnType::SizedBytes { .. } | ColumnType::Geometry => "bytea",
        ColumnType::TimeSpan => "interval",
        ColumnType::Special { kind, plain } => {
            return special::native_type(kind, plain, extensions)
                .or_else(|| native_type(plain, extensions));
        }
        ColumnType::Literal(_) | ColumnType::Unsupported => return None,
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::pages::{check_created, created_types, special_types, table_of};

    const NO_LIMITS: ColumnType = ColumnType::Decimal {
        precision: None,
        scale: None,
    };

    fn decimal(precision: u32, scale: u32) -> ColumnType {
        ColumnType::Decimal {
            precision: Some(precision),
            scale: Some(scale),
        }
    }

    fn text(max_chars: Option<u32>) -> ColumnType {
        ColumnType::Text { max_chars }
    }

    #[test]
    fn types_from_the_catalog() {
        let check = |type_id: u32, modifier: i32, expected: ColumnType| {
            let found = Types::default().column_type(type_id, modifier);
            assert_eq!(found, expected, "{type_id} {modifier}");
        };
        check(23, -1, ColumnType::Int32);
        check(25, -1, text(None));
        check(1043, -1, text(None));
        check(1043, 24, text(Some(20)));
        check(1042, 5, text(Some(1)));
        check(19, -1, ColumnType::SizedText { max_bytes: 63 });
        check(1700, -1, NO_LIMITS);
        check(1700, (10 << 16) + 4 + 2, decimal(10, 2));
        check(1700, (3 << 16) + 4, decimal(3, 0));
        // numeric(5,-2), numeric(2,4)
        check(1700, (5 << 16) + 4 + 0x7fe, decimal(7, 0));
        check(1700, (2 << 16) + 4 + 4, decimal(2, 4));
        check(1186, -1, ColumnType::Literal(Notation::Interval));
        check(600, -1, ColumnType::Literal(Notation::Point));
        check(790, -1, decimal(19, 2));
        let bits = |length, varying| ColumnType::Literal(Notation::Bits { length, varying });
        check(1560, 3, bits(Some(3), false));
        check(1562, -1, bits(None, true));
        check(4_000_000, -1, ColumnType::Unsupported);
        check(114, -1, ColumnType::Json);
    }

    #[test]
    fn the_page_tells_what_columns_hold() {
        let page = include_str!("../README.md");
        let ids: HashMap<String, u32> = (16..5_000)
            .filter_map(|id| {
                Some((
                    tokio_postgres::types::Type::from_oid(id)?.name().to_owned(),
                    id,
                ))
            })
            .collect();
        let mut checked = 0;
        for cells in table_of(page, "| column | holds | values that fit |") {
            for name in cells[1].split('`').skip(1).step_by(2) {
                // Those made of others, and those of extensions, have tests of their own.
                let Some(known) = ids.get(name).and_then(|id| built_in(*id, NO_MODIFIER)) else {
                    continue;
                };
                assert_eq!(known.to_string(), cells[2], "{name}");
                checked += 1;
            }
        }
        assert!(checked >= 31, "only {checked} types are told");
    }

    #[test]
    fn the_page_tells_what_is_created() {
        let page = include_str!("../README.md");
        let none = Extensions::default();
        let created = |column_type: &ColumnType| native_type(column_type, &none).expect("a type");
        check_created(page, "| for | column |", &created_types(), created);
        check_created(page, "| for | of | column |", &special_types(), created);
    }

    #[test]
    fn types_made_of_others() {
        let kinds = [
            (100, Kind::Array { element: 23 }),
            (101, Kind::Array { element: 1043 }),
            (
                102,
                Kind::Domain {
                    base: 101,
                    modifier: 9,
                },
            ),
            (103, Kind::Array { element: 104 }),
            (104, Kind::Enum),
            (105, Kind::Range { bound: 1082 }),
            (106, Kind::Multirange { range: 105 }),
            (107, Kind::Array { element: 107 }),
            (108, Kind::Other),
        ];
        let types = Types {
            by_id: kinds.into_iter().collect(),
        };
        let array = |element| ColumnType::Array(Box::new(element));
        let check = |type_id, modifier, expected: ColumnType| {
            assert_eq!(types.column_type(type_id, modifier), expected, "{type_id}");
        };
        check(100, -1, array(ColumnType::Int32));
        check(101, 14, array(text(Some(10))));
        check(102, -1, array(text(Some(5))));
        check(103, -1, array(text(None)));
        let dates = || Box::new(ColumnType::Date);
        check(105, -1, ColumnType::Literal(Notation::Range(dates())));
        check(106, -1, ColumnType::Literal(Notation::Multirange(dates())));
        check(107, -1, ColumnType::Unsupported);
        check(108, -1, ColumnType::Literal(Notation::Any));
    }
}
