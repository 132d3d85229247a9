//! Types that the database has and others have not.
//!
//! What comes with an extension (`ltree`, `citext`, `hstore`, `vector`, PostGIS's) may be missing, and then
//! a table could not be created with it. So the catalog is asked first.

use tokio_postgres::types::ToSql;

use crate::error::SinkError;
use crate::postgres::link::Link;
use crate::table::{ColumnType, NewColumn, Notation, Special};

/// The server's bound of `bit(n)` and `varbit(n)`.
const BITS_MAX: u32 = 83_886_080;

/// Types of extensions that can be named without a schema.
#[derive(Debug, Default)]
pub(in crate::postgres) struct Extensions {
    types: Vec<String>,
}

impl Extensions {
    /// Looks up those that these columns ask for; asks nothing when none does.
    pub(in crate::postgres) async fn look_up(
        link: &Link,
        action: &str,
        columns: &[NewColumn],
    ) -> Result<Self, SinkError> {
        let wanted = columns
            .iter()
            .filter_map(|column| match &column.column_type {
                ColumnType::Special { kind, .. } => extension_type(kind),
                _ => None,
            });
        let wanted: Vec<&str> = wanted.collect();
        if wanted.is_empty() {
            return Ok(Self::default());
        }
        let parameters: [&(dyn ToSql + Sync); 1] = [&wanted];
        let query = link.client().query(EXTENSION_TYPES, &parameters);
        let found = link.answer(action, query).await?;
        Ok(Self {
            types: found.iter().map(|row| row.get(0)).collect(),
        })
    }

    fn has(&self, name: &str) -> bool {
        self.types.iter().any(|known| known == name)
    }
}

/// Those of these names that belong to an extension, and that a name without a schema means.
const EXTENSION_TYPES: &str = "\
    SELECT typname::text FROM pg_catalog.pg_type \
    WHERE typname = ANY($1::text[]) AND pg_catalog.pg_type_is_visible(pg_type.oid) \
      AND EXISTS (\
          SELECT FROM pg_catalog.pg_depend \
          WHERE classid = 'pg_catalog.pg_type'::regclass AND objid = pg_type.oid AND deptype = 'e'\
      )";

/// The type of an extension that this asks for.
fn extension_type(kind: &Special) -> Option<&'static str> {
    match kind {
        Special::Extension(name) => Some(name),
        Special::Vector => Some("vector"),
        Special::HalfVector => Some("halfvec"),
        Special::Geometry { is_point: false } => Some("geometry"),
        Special::Geography => Some("geography"),
        _ => None,
    }
}

/// The type of a column that shall hold this; `None` when the database has no such type.
pub(super) fn native_type(
    kind: &Special,
    plain: &ColumnType,
    extensions: &Extensions,
) -> Option<String> {
    if let Some(name) = extension_type(kind) {
        return extensions.has(name).then(|| name.to_owned());
    }
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
        | Special::Geography
        | Special::Vector
        | Special::HalfVector
        | Special::Extension(_)
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
            let found = native_type(&kind, &plain, &Extensions::default());
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

    #[test]
    fn types_of_extensions_that_are_there() {
        let extensions = Extensions {
            types: ["vector", "geography", "ltree"].map(str::to_owned).to_vec(),
        };
        let check = |kind: Special, expected: Option<&str>| {
            let found = native_type(&kind, &ColumnType::Json, &extensions);
            assert_eq!(found.as_deref(), expected, "{kind}");
        };
        check(Special::Vector, Some("vector"));
        check(Special::Extension("ltree"), Some("ltree"));
        check(Special::Geography, Some("geography"));
        check(Special::HalfVector, None);
        check(Special::Extension("citext"), None);
        check(Special::Geometry { is_point: false }, None);
        check(Special::Geometry { is_point: true }, Some("point"));
    }
}
