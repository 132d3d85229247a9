//! Types by their names in the catalog: what each holds as far as mapping must know, and what is made
//! for a column that is to be created. Pure.

use crate::error::SinkError;
use crate::table::ColumnType;

/// Columns whose values must be in reach of mapping, by the catalog's name of their type. Kept in the
/// order of the sink's page, which is compared with it.
pub(super) const SCALARS: &[(&str, ColumnType)] = &[
    ("boolean", ColumnType::Bool),
    ("tinyint", ColumnType::Int16),
    ("smallint", ColumnType::Int16),
    ("int", ColumnType::Int32),
    ("bigint", ColumnType::Int64),
    ("counter", ColumnType::Int64),
    ("varint", WHOLE),
    ("decimal", UNBOUNDED),
    ("float", ColumnType::Float32),
    ("double", ColumnType::Float64),
    ("text", TEXT),
    ("varchar", TEXT),
    ("ascii", TEXT),
    ("inet", TEXT),
    ("duration", TEXT),
    ("blob", ColumnType::Bytes),
    ("date", ColumnType::Date),
    ("time", ColumnType::Time),
    ("timestamp", ColumnType::TimestampTz),
    ("uuid", ColumnType::Uuid),
    ("timeuuid", ColumnType::Uuid),
];

const TEXT: ColumnType = ColumnType::Text { max_chars: None };

const UNBOUNDED: ColumnType = ColumnType::Decimal {
    precision: None,
    scale: None,
};

const WHOLE: ColumnType = ColumnType::Decimal {
    precision: None,
    scale: Some(0),
};

/// What a column of this type holds. Collections, tuples, vectors and types of one's own take JSON
/// documents; types of the server's plug-ins (`'org.apache..'`) cannot be filled.
pub(super) fn column_type(native: &str) -> ColumnType {
    let scalar = SCALARS.iter().find(|(name, _)| *name == native);
    match scalar {
        Some((_, column_type)) => column_type.clone(),
        None if native.starts_with('\'') || native == "empty" => ColumnType::Unsupported,
        None => ColumnType::Json,
    }
}

/// A collection whose elements are cells of their own. Lists of that kind give each element a new
/// name whenever they are written, so that the same list written twice with the same timestamp has
/// every element twice.
pub(super) fn is_unfrozen_list(native: &str) -> bool {
    native.starts_with("list<")
}

/// The type of a column that is created. What has no type of its own here is kept as a text, in its own
/// notation: an array as JSON, since collections cannot hold the nulls that arrays may hold.
///
/// # Errors
/// *Stop* when no type can be told for it.
pub(super) fn created(name: &str, column_type: &ColumnType) -> Result<&'static str, SinkError> {
    Ok(match column_type {
        ColumnType::Bool => "boolean",
        ColumnType::Int16 => "smallint",
        ColumnType::Int32 => "int",
        ColumnType::Int64 | ColumnType::IntRange { .. } => "bigint",
        ColumnType::Float32 => "float",
        ColumnType::Float64 => "double",
        ColumnType::Decimal {
            scale: Some(0),
            precision: None,
        }
        | ColumnType::UInt64 => "varint",
        ColumnType::Decimal { .. } => "decimal",
        ColumnType::Text { .. } | ColumnType::SizedText { .. } => "text",
        ColumnType::Json | ColumnType::Array(_) | ColumnType::Literal(_) => "text",
        ColumnType::Bytes | ColumnType::SizedBytes { .. } | ColumnType::Geometry => "blob",
        ColumnType::Date => "date",
        ColumnType::Time => "time",
        ColumnType::Timestamp | ColumnType::TimestampTz => "timestamp",
        ColumnType::Uuid => "uuid",
        ColumnType::Special { plain, .. } => return created(name, plain),
        // A time of MySQL, which may be negative or of more than a day; or no type at all.
        ColumnType::TimeSpan | ColumnType::Unsupported => {
            return Err(SinkError::stop(format!(
                "column {name:?} cannot be created: cassandra has no such type"
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::pages::{check_created, created_types, special_types};

    #[test]
    fn types_by_name() {
        let check = |native: &str, expected: ColumnType| {
            assert_eq!(column_type(native), expected, "{native}");
        };
        check("int", ColumnType::Int32);
        check("varint", WHOLE);
        check("timestamp", ColumnType::TimestampTz);
        check("list<int>", ColumnType::Json);
        check("frozen<map<text, int>>", ColumnType::Json);
        check("vector<float, 3>", ColumnType::Json);
        check("address", ColumnType::Json);
        check(
            "'org.apache.cassandra.db.marshal.DateType'",
            ColumnType::Unsupported,
        );
    }

    #[test]
    fn what_is_created_holds_what_was_wanted() {
        for (native, column_type) in SCALARS {
            let created = created("c", column_type).unwrap();
            assert_eq!(super::column_type(created), *column_type, "{native}");
        }
    }

    #[test]
    fn the_page_lists_every_type() {
        let page = include_str!("README.md");
        let types = page.split_once("## Types").map_or("", |(_, rest)| rest);
        let types = types.split_once("\n## ").map_or(types, |(types, _)| types);
        for (native, _) in SCALARS {
            assert!(types.contains(&format!("`{native}`")), "{native}");
        }
    }

    #[test]
    fn the_page_tells_what_is_created() {
        let page = include_str!("README.md");
        check_created(page, "| for | column |", &created_types(), |column_type| {
            created("c", column_type).unwrap().to_owned()
        });
        for special in special_types() {
            let plain = created("c", special.plain()).unwrap();
            assert_eq!(created("c", &special).unwrap(), plain, "{special}");
        }
    }

    #[test]
    fn lists_of_cells() {
        assert!(is_unfrozen_list("list<int>"));
        assert!(!is_unfrozen_list("frozen<list<int>>"));
        assert!(!is_unfrozen_list("set<int>"));
    }
}
