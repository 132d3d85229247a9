//! Declared types to column types and back. Pure.
//!
//! SQLite columns have a declared type, which is any words at all, and an *affinity* derived from
//! those words, which decides how values are stored. What a column is meant to hold is read from
//! the words; what it would do to a value, from the affinity.

use crate::error::SinkError;
use crate::table::ColumnType;

/// Most digits of a decimal that a numeric column keeps; see [`encode`](crate::sqlite::encode).
const EXACT_DECIMAL_PRECISION: u32 = 15;

/// The type `ANY` in a table that is `STRICT`. In others the word means nothing, and such a column is numeric.
pub(in crate::sqlite) const STRICT_ANY: &str = "ANY (STRICT)";

/// How SQLite stores what is bound to a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) enum Affinity {
    /// As integer, if the value looks like one.
    Integer,
    /// As text, always.
    Text,
    /// As it comes.
    Blob,
    /// As double.
    Real,
    /// As integer or double, if the value looks like one; else as text.
    Numeric,
}

/// SQLite's own rules, in its own order (sqlite.org/datatype3.html, section 3.1).
pub(in crate::sqlite) fn affinity(declared: &str) -> Affinity {
    let upper = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| upper.contains(word));
    if declared == STRICT_ANY {
        Affinity::Blob
    } else if has(&["INT"]) {
        Affinity::Integer
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        Affinity::Text
    } else if upper.is_empty() || has(&["BLOB"]) {
        Affinity::Blob
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}

/// What a column of this declared type is meant to hold. Lengths of texts are not taken as limits:
/// SQLite does not either.
pub(in crate::sqlite) fn column_type(declared: &str) -> ColumnType {
    let upper = declared.to_ascii_uppercase();
    let (words, size) = upper.split_once('(').unwrap_or((&upper, ""));
    match words.trim() {
        "" => ColumnType::Text { max_chars: None },
        _ if declared == STRICT_ANY => ColumnType::Text { max_chars: None },
        "BOOLEAN" | "BOOL" => ColumnType::Bool,
        "DECIMAL" | "NUMERIC" | "DEC" | "NUMBER" | "DECIMAL_TEXT" => decimal_type(size),
        "DATE" => ColumnType::Date,
        "TIME" | "TIME WITHOUT TIME ZONE" => ColumnType::Time,
        "TIMESTAMP" | "DATETIME" | "TIMESTAMP WITHOUT TIME ZONE" => {
            // `timestamp(6) with time zone` has its zone behind the size.
            if size.contains("WITH TIME ZONE") {
                ColumnType::TimestampTz
            } else {
                ColumnType::Timestamp
            }
        }
        "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => ColumnType::TimestampTz,
        "UUID" | "GUID" => ColumnType::Uuid,
        "JSON" => ColumnType::Json,
        "BINARY" | "VARBINARY" | "BYTEA" => ColumnType::Bytes,
        _ => match affinity(declared) {
            Affinity::Integer => ColumnType::Int64,
            Affinity::Text => ColumnType::Text { max_chars: None },
            Affinity::Blob => ColumnType::Bytes,
            Affinity::Real => ColumnType::Float64,
            // Such as STRING: a text that SQLite would take for a number is refused when it is bound.
            Affinity::Numeric => ColumnType::Text { max_chars: None },
        },
    }
}

/// `38,10)` to precision and scale; unbounded when there is no size or it makes no sense.
fn decimal_type(size: &str) -> ColumnType {
    let numbers = size.trim_end().trim_end_matches(')');
    let mut parts = numbers
        .split(',')
        .map(|part| part.trim().parse::<u32>().ok());
    let precision = parts.next().flatten();
    let scale = parts.next().map_or(Some(0), |scale| scale);
    ColumnType::Decimal {
        precision,
        scale: precision.and(scale),
    }
}

/// The type that [`create_table`](super::create_table) declares; [`column_type`] reads it back as the same, except that
/// integers are of 64 bits, floats double and texts unlimited.
///
/// # Errors
/// *Stop* for a type that cannot be created.
pub(in crate::sqlite) fn declared_type(
    name: &str,
    column_type: &ColumnType,
) -> Result<String, SinkError> {
    Ok(match column_type {
        ColumnType::Bool => "BOOLEAN".to_owned(),
        ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 => "INTEGER".to_owned(),
        ColumnType::Float32 | ColumnType::Float64 => "REAL".to_owned(),
        ColumnType::Decimal { precision, scale } => declared_decimal(*precision, *scale),
        ColumnType::Text { max_chars: None } => "TEXT".to_owned(),
        ColumnType::Text {
            max_chars: Some(chars),
        } => format!("VARCHAR({chars})"),
        ColumnType::Bytes => "BLOB".to_owned(),
        ColumnType::Date => "DATE".to_owned(),
        ColumnType::Time => "TIME".to_owned(),
        ColumnType::Timestamp => "TIMESTAMP".to_owned(),
        ColumnType::TimestampTz => "TIMESTAMPTZ".to_owned(),
        ColumnType::Uuid => "UUID".to_owned(),
        ColumnType::Json | ColumnType::Array(_) => "JSON".to_owned(),
        ColumnType::IntRange { .. } => "INTEGER".to_owned(),
        ColumnType::UInt64 => declared_decimal(Some(20), Some(0)),
        ColumnType::SizedText { .. } => "TEXT".to_owned(),
        ColumnType::SizedBytes { .. } | ColumnType::Geometry => "BLOB".to_owned(),
        ColumnType::TimeSpan => "TIME".to_owned(),
        // Texts, numbers and documents do for all of these.
        ColumnType::Special { plain, .. } => return declared_type(name, plain),
        ColumnType::Literal(_) | ColumnType::Unsupported => {
            return Err(SinkError::stop(format!(
                "column {name} has a type that sqlite tables cannot be created with: create the \
                 table by hand"
            )));
        }
    })
}

/// A numeric column would round longer decimals, so they go into one of text.
fn declared_decimal(precision: Option<u32>, scale: Option<u32>) -> String {
    match (precision, scale.unwrap_or(0)) {
        (Some(precision), scale) if precision <= EXACT_DECIMAL_PRECISION => {
            format!("DECIMAL({precision},{scale})")
        }
        (Some(precision), scale) => format!("DECIMAL_TEXT({precision},{scale})"),
        (None, _) => "DECIMAL_TEXT".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::pages::{check_created, created_types, table_of};

    fn check(declared: &str, expected: ColumnType) {
        assert_eq!(column_type(declared), expected, "{declared}");
    }

    const TEXT: ColumnType = ColumnType::Text { max_chars: None };

    fn decimal(precision: Option<u32>, scale: Option<u32>) -> ColumnType {
        ColumnType::Decimal { precision, scale }
    }

    #[test]
    fn declared_types_say_what_is_meant() {
        for declared in [
            "INTEGER",
            "int",
            "BIGINT",
            "smallint",
            "TINYINT",
            "UNSIGNED BIG INT",
        ] {
            check(declared, ColumnType::Int64);
        }
        for declared in [
            "TEXT",
            "varchar(20)",
            "CHARACTER VARYING(9)",
            "NCHAR(5)",
            "CLOB",
            "",
        ] {
            check(declared, TEXT);
        }
        for declared in ["REAL", "double precision", "FLOAT", "DOUBLE"] {
            check(declared, ColumnType::Float64);
        }
        check("BOOLEAN", ColumnType::Bool);
        check("blob", ColumnType::Bytes);
        check("VARBINARY(16)", ColumnType::Bytes);
        check("date", ColumnType::Date);
        check("TIME", ColumnType::Time);
        check("DATETIME", ColumnType::Timestamp);
        check("TIMESTAMP", ColumnType::Timestamp);
        check("timestamp(6) without time zone", ColumnType::Timestamp);
        check("TIMESTAMPTZ", ColumnType::TimestampTz);
        check("timestamp with time zone", ColumnType::TimestampTz);
        check("timestamp(6) with time zone", ColumnType::TimestampTz);
        check("UUID", ColumnType::Uuid);
        check("JSON", ColumnType::Json);
        check("STRING", TEXT);
        check("GEOMETRY", TEXT);
        check("ANY", TEXT);
        check(STRICT_ANY, TEXT);
        assert_eq!(affinity("ANY"), Affinity::Numeric);
        assert_eq!(affinity(STRICT_ANY), Affinity::Blob);
    }

    /// What the README's table of types calls a column type.
    fn name_in_readme(column_type: &ColumnType) -> &'static str {
        match column_type {
            ColumnType::Bool => "boolean",
            ColumnType::Int64 => "64-bit integer",
            ColumnType::Float64 => "64-bit float",
            ColumnType::Decimal { .. } => "decimal",
            ColumnType::Text { .. } => "text of any length",
            ColumnType::Bytes => "bytes",
            ColumnType::Date => "date",
            ColumnType::Time => "time of day",
            ColumnType::Timestamp => "date and time",
            ColumnType::TimestampTz => "point in time",
            ColumnType::Uuid => "identifier",
            ColumnType::Json => "JSON document",
            _ => "never read back",
        }
    }

    #[test]
    fn the_readme_tells_the_types() {
        let readme = include_str!("../README.md");
        let mut checked = 0;
        for cells in table_of(readme, "| declared type |") {
            // Words in backticks: declared types, or parts that any declared type may have.
            for declared in cells[1].split('`').skip(1).step_by(2) {
                assert_eq!(
                    name_in_readme(&column_type(declared)),
                    cells[2],
                    "{cells:?}"
                );
                checked += 1;
            }
        }
        assert!(checked > 25, "only {checked} types found in the README");
    }

    #[test]
    fn the_readme_tells_what_is_created() {
        let readme = include_str!("../README.md");
        check_created(
            readme,
            "| for | column |",
            &created_types(),
            |column_type| declared_type("c", column_type).unwrap(),
        );
    }

    #[test]
    fn decimals_have_precision_and_scale() {
        check("DECIMAL(10,2)", decimal(Some(10), Some(2)));
        check("numeric( 38 , 10 )", decimal(Some(38), Some(10)));
        check("NUMBER(5)", decimal(Some(5), Some(0)));
        check("NUMERIC", decimal(None, None));
        check("DECIMAL(x,y)", decimal(None, None));
        check("DECIMAL_TEXT(30,4)", decimal(Some(30), Some(4)));
        check("DECIMAL_TEXT", decimal(None, None));
    }

    #[test]
    fn created_columns_are_read_back_as_wanted() {
        let types = [
            ColumnType::Bool,
            ColumnType::Int64,
            ColumnType::Float64,
            decimal(Some(15), Some(2)),
            decimal(Some(16), Some(2)),
            decimal(None, None),
            TEXT,
            ColumnType::Bytes,
            ColumnType::Date,
            ColumnType::Time,
            ColumnType::Timestamp,
            ColumnType::TimestampTz,
            ColumnType::Uuid,
            ColumnType::Json,
        ];
        for wanted in types {
            check(&declared_type("c", &wanted).unwrap(), wanted);
        }
    }

    #[test]
    fn long_decimals_are_created_as_text() {
        assert_eq!(
            affinity(&declared_decimal(Some(15), Some(2))),
            Affinity::Numeric
        );
        assert_eq!(
            affinity(&declared_decimal(Some(16), Some(2))),
            Affinity::Text
        );
        assert_eq!(affinity(&declared_decimal(None, None)), Affinity::Text);
    }
}
