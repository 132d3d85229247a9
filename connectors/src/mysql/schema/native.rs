//! The database's own types: what each holds, and which is made for what.

use mysql_async::Row;

use super::{number, size, special, text};
use crate::error::SinkError;
use crate::mysql::form::{StoredDefault, Traits, is_geometry, is_unsigned, type_word};
use crate::mysql::sql::{Flavor, unquoted};
use crate::table::{ColumnDef, ColumnType, NewColumn, NewTable, Notation, type_length};

/// The servers' bounds of `decimal(p,s)`.
pub(in crate::mysql) const DECIMAL_PRECISION_MAX: u32 = 65;
pub(in crate::mysql) const DECIMAL_SCALE_MAX: u32 = 30;
/// The last that a `year` holds.
const YEAR_MAX: i64 = 2155;
/// Beyond it a text becomes `longtext`: a row holds 65,535 bytes, all its `varchar` together.
const VARCHAR_CHARS_MAX: u32 = 4_000;
/// Characters of a text in a key, when nothing bounds it; see [`key_chars`].
const KEY_CHARS_MAX: u32 = 255;
/// Bytes that an index takes, and of these the ones left to texts; the rest is for other columns.
const INDEX_BYTES_FOR_TEXTS: u32 = 3_072 - 64;

/// What the catalog says of columns with more to them than is known here.
const ODD: &[&str] = &[
    "ON UPDATE",
    "INVISIBLE",
    "AUTO_INCREMENT",
    "WITHOUT SYSTEM VERSIONING",
];

/// From a row of the catalog's columns.
pub(super) fn column(row: &Row, flavor: Flavor) -> (ColumnDef, Traits) {
    let native_type = text(row, 1).unwrap_or_default();
    let extra = text(row, 4).unwrap_or_default().to_ascii_uppercase();
    let default = text(row, 3);
    // MariaDB writes out that there is none.
    let default = default.filter(|default| !flavor.is_mariadb() || default != "NULL");
    let generated = [
        "VIRTUAL GENERATED",
        "STORED GENERATED",
        "PERSISTENT",
        "AS ROW ",
    ]
    .iter()
    .any(|sign| extra.contains(sign));
    let limits = Limits {
        chars: number(row, 5),
        precision: number(row, 6),
        scale: number(row, 7),
    };
    let collation = text(row, 8);
    let column_type = if number(row, 10) == Some(1) {
        ColumnType::Json
    } else {
        column_type(&native_type, &limits, collation.as_deref())
    };
    let traits = Traits {
        collation,
        srid: number(row, 9).and_then(|srid| u32::try_from(srid).ok()),
        comment: text(row, 11).filter(|comment| !comment.is_empty()),
        default: stored_default(default.as_deref(), &extra, flavor),
        is_numbered: extra.contains("AUTO_INCREMENT"),
        is_odd: ODD.iter().any(|sign| extra.contains(sign))
            || native_type.contains("COMPRESSED")
            || number(row, 12) == Some(1),
    };
    let definition = ColumnDef {
        name: text(row, 0).unwrap_or_default(),
        column_type,
        native_type,
        native_type_id: 0,
        nullable: text(row, 2).as_deref() == Some("YES"),
        has_default: default.is_some() || generated || extra.contains("AUTO_INCREMENT"),
        generated,
        insert_only: false,
    };
    (definition, traits)
}

/// `default` as the catalog shows it: MySQL says of expressions that they are some, MariaDB shows literals as
/// literals.
fn stored_default(default: Option<&str>, extra: &str, flavor: Flavor) -> StoredDefault {
    match (default, flavor) {
        (None, _) => StoredDefault::None,
        (Some(text), Flavor::MySql | Flavor::MySql9) if extra.contains("DEFAULT_GENERATED") => {
            StoredDefault::Expression(text.to_owned())
        }
        (Some(text), Flavor::MySql | Flavor::MySql9) => StoredDefault::Value(text.to_owned()),
        (Some(text), Flavor::MariaDb106 | Flavor::MariaDb) => match is_literal(text) {
            true => StoredDefault::Value(text.to_owned()),
            false => StoredDefault::None,
        },
    }
}

/// One number, or one text or binary string in quotes.
fn is_literal(text: &str) -> bool {
    let quoted = text.strip_prefix('X').unwrap_or(text);
    unquoted(quoted).is_some() || text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// What the catalog says about a type's size.
#[derive(Debug, Clone, Copy, Default)]
struct Limits {
    chars: Option<i64>,
    precision: Option<i64>,
    scale: Option<i64>,
}

fn column_type(native_type: &str, limits: &Limits, collation: Option<&str>) -> ColumnType {
    let unsigned = is_unsigned(native_type);
    let range = |low, high| ColumnType::IntRange { low, high };
    let bound = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    match type_word(native_type) {
        // That of one digit, which BOOLEAN stands for, is a number too.
        "tinyint" if unsigned => range(0, 255),
        "tinyint" => range(-128, 127),
        "year" => range(0, YEAR_MAX),
        "smallint" if unsigned => range(0, 65_535),
        "smallint" => ColumnType::Int16,
        "mediumint" if unsigned => range(0, 16_777_215),
        "mediumint" => range(-8_388_608, 8_388_607),
        "int" | "integer" if unsigned => range(0, 4_294_967_295),
        "int" | "integer" => ColumnType::Int32,
        "bigint" if unsigned => ColumnType::UInt64,
        "bigint" => ColumnType::Int64,
        "bit" => match type_length(native_type) {
            None | Some(1) => ColumnType::Bool,
            length => ColumnType::Literal(Notation::Bits {
                length,
                varying: false,
            }),
        },
        "float" => ColumnType::Float32,
        "double" | "real" => ColumnType::Float64,
        "decimal" | "numeric" => ColumnType::Decimal {
            precision: bound(limits.precision),
            scale: bound(limits.scale),
        },
        "char" | "varchar" => ColumnType::Text {
            max_chars: bound(limits.chars),
        },
        // Their limit is one of bytes, in the column's own character set.
        "tinytext" | "text" | "mediumtext" => match bound(limits.chars) {
            Some(max_bytes) if is_utf8(collation) => ColumnType::SizedText { max_bytes },
            _ => ColumnType::Text { max_chars: None },
        },
        "longtext" | "enum" | "set" | "inet4" | "inet6" | "vector" => {
            ColumnType::Text { max_chars: None }
        }
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" => match bound(limits.chars) {
            Some(max_bytes) => ColumnType::SizedBytes { max_bytes },
            None => ColumnType::Bytes,
        },
        "longblob" => ColumnType::Bytes,
        "date" => ColumnType::Date,
        "time" => ColumnType::TimeSpan,
        "datetime" => ColumnType::Timestamp,
        "timestamp" => ColumnType::TimestampTz,
        "json" => ColumnType::Json,
        "uuid" => ColumnType::Uuid,
        word if is_geometry(word) => ColumnType::Geometry,
        _ => ColumnType::Unsupported,
    }
}

fn is_utf8(collation: Option<&str>) -> bool {
    collation.is_some_and(|name| name.starts_with("utf8"))
}

/// The types for the columns of a table to be created. `collations`: of texts in the key, by name.
///
/// # Errors
/// *Stop*, naming a column for which there is none.
pub(super) fn native_types(
    table: &NewTable,
    collations: &[(String, String)],
    flavor: Flavor,
) -> Result<Vec<String>, SinkError> {
    let type_of = |column: &NewColumn| {
        let collation = collations.iter().find(|(name, _)| *name == column.name);
        let collation = collation.map(|(_, collation)| collation.as_str());
        native_type(table, column, collation, flavor)
            .ok_or_else(|| super::cannot_create(&column.name))
    };
    let types = table.columns.iter().map(type_of);
    let mut types = types.collect::<Result<Vec<String>, SinkError>>()?;
    size::make_fit(table, &mut types);
    Ok(types)
}

/// The type for a column of a table to be created; `None` when there is none.
fn native_type(
    table: &NewTable,
    column: &NewColumn,
    collation: Option<&str>,
    flavor: Flavor,
) -> Option<String> {
    if !table.primary_key.contains(&column.name) {
        return plain_type(&column.column_type, flavor);
    }
    match &column.column_type {
        ColumnType::Text { max_chars } => Some(key_text(table, *max_chars, collation, flavor)),
        ColumnType::Bytes => Some(format!("varbinary({})", key_chars(table))),
        ColumnType::Json | ColumnType::Array(_) => None,
        other => plain_type(other, flavor),
    }
}

/// The type for a column that is in no key; `None` when there is none.
pub(in crate::mysql) fn plain_type(column_type: &ColumnType, flavor: Flavor) -> Option<String> {
    let name = match column_type {
        ColumnType::Bool => "tinyint(1)",
        ColumnType::Int16 => "smallint",
        ColumnType::Int32 => "int",
        ColumnType::Int64 => "bigint",
        ColumnType::Float32 => "float",
        ColumnType::Float64 => "double",
        ColumnType::Decimal { precision, scale } => return Some(decimal(*precision, *scale)),
        ColumnType::Text {
            max_chars: Some(chars @ 1..=VARCHAR_CHARS_MAX),
        } => return Some(format!("varchar({chars})")),
        ColumnType::Text { .. } => "longtext",
        ColumnType::Bytes => "longblob",
        ColumnType::Date => "date",
        ColumnType::Time => "time(6)",
        // The type called timestamp ends in 2038.
        ColumnType::Timestamp | ColumnType::TimestampTz => "datetime(6)",
        ColumnType::Uuid if flavor == Flavor::MariaDb => "uuid",
        ColumnType::Uuid => "char(36) CHARACTER SET ascii COLLATE ascii_bin",
        ColumnType::Json | ColumnType::Array(_) => "json",
        // None of these is asked for by a record's type alone; they are met in tables that are there.
        ColumnType::IntRange { low, high } => special::integer(*low, *high).unwrap_or("bigint"),
        ColumnType::UInt64 => "bigint unsigned",
        ColumnType::SizedText { .. } => "longtext",
        ColumnType::SizedBytes {
            max_bytes: bytes @ 1..=VARCHAR_CHARS_MAX,
        } => return Some(format!("varbinary({bytes})")),
        ColumnType::SizedBytes { .. } => "longblob",
        ColumnType::TimeSpan => "time(6)",
        ColumnType::Geometry => "geometry",
        ColumnType::Special { kind, plain } => {
            let special = special::native_type(kind, plain, flavor);
            return special.or_else(|| plain_type(plain, flavor));
        }
        ColumnType::Literal(_) | ColumnType::Unsupported => return None,
    };
    Some(name.to_owned())
}

/// Without limits, or beyond the server's: as many digits as there can be, with those after the point
/// where they are told.
fn decimal(precision: Option<u32>, scale: Option<u32>) -> String {
    let scale = match precision {
        Some(_) => scale.unwrap_or(0),
        None => scale.unwrap_or(DECIMAL_SCALE_MAX),
    };
    let scale = scale.min(DECIMAL_SCALE_MAX);
    let precision = precision.unwrap_or(DECIMAL_PRECISION_MAX);
    let precision = precision.clamp(scale.max(1), DECIMAL_PRECISION_MAX);
    format!("decimal({precision},{scale})")
}

/// Compared byte by byte and without filling up with blanks, so that different keys of Kafka are
/// different rows; or by this collation.
fn key_text(
    table: &NewTable,
    max_chars: Option<u32>,
    collation: Option<&str>,
    flavor: Flavor,
) -> String {
    let fits = key_chars(table);
    let chars = max_chars.filter(|chars| *chars > 0).unwrap_or(fits);
    let chars = chars.min(fits);
    match collation {
        Some(collation) => format!("varchar({chars}) COLLATE {collation}"),
        None => {
            let exact = flavor.exact_collation();
            format!("varchar({chars}) CHARACTER SET utf8mb4 COLLATE {exact}")
        }
    }
}

/// As many characters as fit the index, shared out evenly.
fn key_chars(table: &NewTable) -> u32 {
    let is_text = |column: &&NewColumn| {
        table.primary_key.contains(&column.name)
            && matches!(
                column.column_type,
                ColumnType::Text { .. } | ColumnType::Bytes
            )
    };
    let texts = u32::try_from(table.columns.iter().filter(is_text).count()).unwrap_or(u32::MAX);
    let share = INDEX_BYTES_FOR_TEXTS / size::CHARACTER_BYTES_MAX / texts.max(1);
    share.clamp(1, KEY_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::TableName;
    use crate::table::pages::{check_created, created_types, special_types, table_of};

    #[test]
    fn types_from_the_catalog() {
        let check = |native_type: &str, expected: ColumnType| {
            let limits = Limits {
                chars: Some(7),
                precision: Some(10),
                scale: Some(2),
            };
            let found = column_type(native_type, &limits, Some("utf8mb4_bin"));
            assert_eq!(found, expected, "{native_type}");
        };
        let range = |low, high| ColumnType::IntRange { low, high };
        let text = ColumnType::Text { max_chars: None };
        check("tinyint(1)", range(-128, 127));
        check("tinyint(4)", range(-128, 127));
        check("tinyint", range(-128, 127));
        check("tinyint unsigned", range(0, 255));
        check("tinyint(1) unsigned", range(0, 255));
        check("smallint(5) unsigned", range(0, 65_535));
        check("mediumint", range(-8_388_608, 8_388_607));
        check("mediumint unsigned", range(0, 16_777_215));
        check("int(10) unsigned zerofill", range(0, 4_294_967_295));
        check("int", ColumnType::Int32);
        check("bigint unsigned", ColumnType::UInt64);
        check("bit(1)", ColumnType::Bool);
        let bits = Notation::Bits {
            length: Some(12),
            varying: false,
        };
        check("bit(12)", ColumnType::Literal(bits));
        check("time(3)", ColumnType::TimeSpan);
        check(
            "decimal(10,2)",
            ColumnType::Decimal {
                precision: Some(10),
                scale: Some(2),
            },
        );
        check("char(7)", ColumnType::Text { max_chars: Some(7) });
        check("mediumtext", ColumnType::SizedText { max_bytes: 7 });
        check("longtext", text.clone());
        let latin = column_type(
            "text",
            &Limits {
                chars: Some(7),
                ..Limits::default()
            },
            Some("latin1_swedish_ci"),
        );
        assert_eq!(latin, text);
        check("enum('a','b')", text.clone());
        check("binary(16)", ColumnType::SizedBytes { max_bytes: 7 });
        check("longblob", ColumnType::Bytes);
        check("datetime(6)", ColumnType::Timestamp);
        check("timestamp", ColumnType::TimestampTz);
        check("year(4)", range(0, 2155));
        check("geomcollection", ColumnType::Geometry);
        check("sys_refcursor", ColumnType::Unsupported);
    }

    #[test]
    fn defaults_from_the_catalog() {
        let check = |text: &str, extra: &str, mysql: StoredDefault, mariadb: StoredDefault| {
            let found = |flavor| stored_default(Some(text), extra, flavor);
            assert_eq!(found(Flavor::MySql), mysql, "{text}");
            assert_eq!(found(Flavor::MariaDb), mariadb, "{text}");
        };
        let expression = |text: &str| StoredDefault::Expression(text.to_owned());
        let value = |text: &str| StoredDefault::Value(text.to_owned());
        check("5", "", value("5"), value("5"));
        check("-1.50", "", value("-1.50"), value("-1.50"));
        check("'it''s'", "", value("'it''s'"), value("'it''s'"));
        check(
            r"'it\'s \\'",
            "",
            value(r"'it\'s \\'"),
            value(r"'it\'s \\'"),
        );
        check("X'00ff'", "", value("X'00ff'"), value("X'00ff'"));
        check("", "", value(""), StoredDefault::None);
        check("it's", "", value("it's"), StoredDefault::None);
        check(
            "(1 + 2)",
            "DEFAULT_GENERATED",
            expression("(1 + 2)"),
            StoredDefault::None,
        );
        check("'a','b'", "", value("'a','b'"), StoredDefault::None);
        check(
            "concat('a','b')",
            "",
            value("concat('a','b')"),
            StoredDefault::None,
        );
        assert_eq!(stored_default(None, "", Flavor::MySql), StoredDefault::None);
    }

    const PAGE: &str = include_str!("../README.md");

    #[test]
    fn the_page_tells_what_columns_hold() {
        let mut checked = 0;
        for cells in table_of(PAGE, "| column | holds | values that fit |") {
            for name in cells[1].split('`').skip(1).step_by(2) {
                let known = column_type(name, &Limits::default(), None);
                let holds = cells[2].trim_end_matches(", bounded by bytes");
                assert_eq!(known.to_string(), holds, "{name}");
                checked += 1;
            }
        }
        assert!(checked >= 40, "only {checked} types are told");
    }

    #[test]
    fn the_page_tells_what_is_created() {
        let created = |column_type: &ColumnType| {
            let native = plain_type(column_type, Flavor::MySql).expect("a type");
            let name = native.split(" CHARACTER SET").next().expect("a word");
            name.to_owned()
        };
        check_created(PAGE, "| for | column |", &created_types(), |column_type| {
            plain_type(column_type, Flavor::MySql).expect("a type")
        });
        check_created(PAGE, "| for | of | column |", &special_types(), created);
    }

    #[test]
    fn uuids_are_texts_where_there_is_no_type_for_them() {
        let check = |flavor, expected: &str| {
            let found = plain_type(&ColumnType::Uuid, flavor);
            assert_eq!(found.as_deref(), Some(expected));
        };
        let text = "char(36) CHARACTER SET ascii COLLATE ascii_bin";
        check(Flavor::MySql, text);
        check(Flavor::MySql9, text);
        check(Flavor::MariaDb106, text);
        check(Flavor::MariaDb, "uuid");
    }

    #[test]
    fn types_to_be_created() {
        let table = |key: &[&str]| NewTable {
            name: TableName::parse("t"),
            columns: ["a", "b", "c"]
                .map(|name| NewColumn {
                    name: name.to_owned(),
                    column_type: ColumnType::Text { max_chars: None },
                    nullable: true,
                    default: None,
                })
                .to_vec(),
            primary_key: key.iter().map(|name| (*name).to_owned()).collect(),
        };
        let check = |key: &[&str], column_type: ColumnType, expected: &str| {
            let column = NewColumn {
                name: "a".to_owned(),
                column_type,
                nullable: true,
                default: None,
            };
            let found = native_type(&table(key), &column, None, Flavor::MariaDb);
            assert_eq!(found.as_deref(), Some(expected), "{key:?}");
        };
        let text = |max_chars| ColumnType::Text { max_chars };
        let decimal = |precision, scale| ColumnType::Decimal { precision, scale };
        check(&[], text(None), "longtext");
        check(&[], text(Some(20)), "varchar(20)");
        check(&[], text(Some(4_001)), "longtext");
        check(
            &["a"],
            text(Some(9)),
            "varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
        );
        check(
            &["a", "b", "c"],
            text(None),
            "varchar(250) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
        );
        check(&["a"], ColumnType::Bytes, "varbinary(255)");
        check(&[], decimal(Some(10), Some(2)), "decimal(10,2)");
        check(&[], decimal(Some(80), Some(40)), "decimal(65,30)");
        check(&[], decimal(Some(10), None), "decimal(10,0)");
        check(&[], decimal(None, None), "decimal(65,30)");
        check(&[], decimal(None, Some(2)), "decimal(65,2)");
        check(&[], decimal(None, Some(40)), "decimal(65,30)");
        check(&[], ColumnType::TimestampTz, "datetime(6)");
    }
}
