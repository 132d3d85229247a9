//! Tables: declared types to column types and back, reading the catalog, creating tables.
//!
//! SQLite columns have a declared type, which is any words at all, and an *affinity* derived from
//! those words, which decides how values are stored. What a column is meant to hold is read from
//! the words; what it would do to a value, from the affinity.

use std::sync::Arc;

use sqlx::Row;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use super::classify::sink_error;
use super::connect::Connection;
use super::encode::{bound, local_name, quoted};
use crate::error::SinkError;
use crate::row::TableRows;
use crate::table::{ColumnDef, ColumnType, NewTable, Table, TableName, Target};

const DOING: &str = "read the table's definition";
/// Most digits of a decimal that a numeric column keeps; see [`super::encode`].
const EXACT_DECIMAL_PRECISION: u32 = 15;
/// `hidden` in `pragma_table_xinfo`: a column of a virtual table that is not to be seen.
const HIDDEN: i64 = 1;

/// How SQLite stores what is bound to a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affinity {
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
pub(super) fn affinity(declared: &str) -> Affinity {
    let upper = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| upper.contains(word));
    if has(&["INT"]) {
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
pub(super) fn column_type(declared: &str) -> ColumnType {
    let upper = declared.to_ascii_uppercase();
    let (words, size) = upper.split_once('(').unwrap_or((&upper, ""));
    match words.trim() {
        "" => ColumnType::Text { max_chars: None },
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

/// The type that [`create_table`] declares; [`column_type`] reads it back as the same, except that
/// integers are of 64 bits, floats double and texts unlimited.
///
/// # Errors
/// *Stop* for a type that cannot be created.
pub(super) fn declared_type(name: &str, column_type: &ColumnType) -> Result<String, SinkError> {
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

/// Reads the table's definition; `None` if there is no such table.
///
/// # Errors
/// *Stop* for a view, which rows cannot be written to.
pub(super) async fn describe_table(
    connection: &mut Connection,
    name: &TableName,
) -> Result<Option<Table>, SinkError> {
    let local = local_name(name);
    let list = "SELECT type, wr FROM pragma_table_list \
                WHERE schema = 'main' AND name = ?1 COLLATE NOCASE";
    let listed = rows_about(connection, list, &local).await?;
    let Some(entry) = listed.first() else {
        return Ok(None);
    };
    if read::<String>(entry, "type")? == "view" {
        return Err(SinkError::stop(format!(
            "{name} is a view: name a table that rows can be written to"
        )));
    }
    let without_rowid: bool = read(entry, "wr")?;
    let columns = "SELECT name, type, \"notnull\", dflt_value IS NOT NULL AS has_default, pk, hidden \
                   FROM pragma_table_xinfo(?1, 'main') ORDER BY cid";
    let column_rows = rows_about(connection, columns, &local).await?;
    let (unique_keys, has_key_index) = read_indexes(connection, &local).await?;

    let mut key: Vec<(i64, String)> = Vec::new();
    let mut definitions = Vec::with_capacity(column_rows.len());
    for row in &column_rows {
        let hidden: i64 = read(row, "hidden")?;
        if hidden == HIDDEN {
            continue;
        }
        let place_in_key: i64 = read(row, "pk")?;
        let definition = column_definition(row, hidden)?;
        if place_in_key > 0 {
            key.push((place_in_key, definition.name.clone()));
        }
        definitions.push(definition);
    }
    key.sort_unstable();
    if let ([(_, rowid_alias)], false, false) = (key.as_slice(), without_rowid, has_key_index) {
        // The key is the row's own number, which SQLite gives out where none is given.
        for column in definitions
            .iter_mut()
            .filter(|column| column.name == *rowid_alias)
        {
            column.has_default = true;
        }
    }
    Ok(Some(Table {
        name: name.clone(),
        columns: definitions,
        primary_key: key.into_iter().map(|(_, name)| name).collect(),
        unique_keys,
        text_allows_nul: true,
    }))
}

fn column_definition(row: &SqliteRow, hidden: i64) -> Result<ColumnDef, SinkError> {
    let native_type: String = read(row, "type")?;
    // Whatever is not plain or hidden is computed, virtually or stored.
    let generated = hidden != 0;
    Ok(ColumnDef {
        name: read(row, "name")?,
        column_type: column_type(&native_type),
        native_type,
        native_type_id: 0,
        nullable: !read::<bool>(row, "notnull")?,
        has_default: read::<bool>(row, "has_default")? || generated,
        generated,
    })
}

/// The unique keys beside the primary key, and whether the primary key has an index of its own.
async fn read_indexes(
    connection: &mut Connection,
    table: &str,
) -> Result<(Vec<Vec<String>>, bool), SinkError> {
    let sql = "SELECT list.name AS index_name, list.origin, info.name AS column_name \
               FROM pragma_index_list(?1, 'main') AS list, \
                    pragma_index_info(list.name, 'main') AS info \
               WHERE list.\"unique\" AND NOT list.partial ORDER BY list.seq DESC, info.seqno";
    let rows = rows_about(connection, sql, table).await?;
    let mut has_key_index = false;
    let mut keys: Vec<(String, Option<Vec<String>>)> = Vec::new();
    for row in &rows {
        if read::<String>(row, "origin")? == "pk" {
            has_key_index = true;
            continue;
        }
        let index: String = read(row, "index_name")?;
        // An index over an expression has no column name there.
        let column: Option<String> = read(row, "column_name")?;
        match keys.last_mut().filter(|(name, _)| *name == index) {
            Some((_, columns)) => match (columns.as_mut(), column) {
                (Some(columns), Some(column)) => columns.push(column),
                _ => *columns = None,
            },
            None => keys.push((index, column.map(|column| vec![column]))),
        }
    }
    let plain = keys.into_iter().filter_map(|(_, columns)| columns);
    Ok((plain.collect(), has_key_index))
}

/// Targets whose tables are known to be as they say, at a version of the file's schema.
#[derive(Default)]
pub(super) struct Checked {
    /// SQLite counts every change of any definition in the file.
    schema_version: i64,
    targets: Vec<Arc<Target>>,
}

/// Targets that a session remembers.
const CHECKED_MAX: usize = 64;

/// Checks, inside the transaction that writes, that the tables are as the targets say: values of any
/// type would go into a column of any other in silence.
///
/// # Errors
/// With [`SinkError::table_changed`].
pub(super) async fn require_unchanged(
    connection: &mut Connection,
    tables: &[TableRows],
) -> Result<(), SinkError> {
    let sql = "SELECT schema_version FROM pragma_schema_version";
    let rows = connection
        .fetch(DOING, sql, SqliteArguments::default())
        .await?;
    let version = match rows.first() {
        Some(row) => read(row, "schema_version")?,
        None => 0,
    };
    let mut checked = std::mem::take(&mut connection.checked);
    if checked.schema_version != version || checked.targets.len() > CHECKED_MAX {
        checked.schema_version = version;
        checked.targets.clear();
    }
    for rows in tables {
        let target = &rows.target;
        let is_known = checked
            .targets
            .iter()
            .any(|known| Arc::ptr_eq(known, target));
        if is_known {
            continue;
        }
        let name = &target.table.name;
        if describe_table(connection, name).await?.as_ref() != Some(&target.table) {
            let message = format!("table {name} is not what it was when it was described");
            return Err(SinkError::stop(message).with_changed_table());
        }
        checked.targets.push(Arc::clone(target));
    }
    connection.checked = checked;
    Ok(())
}

/// Creates the table unless it exists, in a transaction of its own, and reads it back in the same.
pub(super) async fn create_table(
    connection: &mut Connection,
    wanted: &NewTable,
) -> Result<Table, SinkError> {
    let sql = create_sql(wanted)?;
    connection.begin().await?;
    let created = create_and_describe(connection, wanted, sql).await;
    connection.end(created).await
}

async fn create_and_describe(
    connection: &mut Connection,
    wanted: &NewTable,
    sql: String,
) -> Result<Table, SinkError> {
    connection
        .execute("create the table", sql, SqliteArguments::default())
        .await?;
    describe_table(connection, &wanted.name)
        .await?
        .ok_or_else(|| SinkError::stop(format!("{} was created but cannot be found", wanted.name)))
}

fn create_sql(wanted: &NewTable) -> Result<String, SinkError> {
    let mut parts = Vec::with_capacity(wanted.columns.len() + 1);
    for column in &wanted.columns {
        let is_key = wanted.primary_key.contains(&column.name);
        let not_null = if is_key || !column.nullable {
            " NOT NULL"
        } else {
            ""
        };
        parts.push(format!(
            "{} {}{not_null}",
            quoted(&column.name),
            declared_type(&column.name, &column.column_type)?
        ));
    }
    if !wanted.primary_key.is_empty() {
        let key: Vec<String> = wanted.primary_key.iter().map(|name| quoted(name)).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    let table = quoted(&local_name(&wanted.name));
    Ok(format!(
        "CREATE TABLE IF NOT EXISTS main.{table} ({})",
        parts.join(", ")
    ))
}

async fn rows_about(
    connection: &mut Connection,
    sql: &str,
    table: &str,
) -> Result<Vec<SqliteRow>, SinkError> {
    let mut arguments = SqliteArguments::default();
    bound(&mut arguments, table)?;
    connection.fetch(DOING, sql, arguments).await
}

fn read<'r, T>(row: &'r SqliteRow, column: &str) -> Result<T, SinkError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    // The pragmas' columns have no declared types to check against.
    row.try_get_unchecked(column)
        .map_err(|error| sink_error(DOING, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::NewColumn;

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
        let readme = include_str!("README.md");
        let table = readme.split_once("| declared type |").unwrap().1;
        let rows = table
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        let mut checked = 0;
        for row in rows {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            // Words in backticks: declared types, or parts that any declared type may have.
            for declared in cells[1].split('`').skip(1).step_by(2) {
                assert_eq!(name_in_readme(&column_type(declared)), cells[2], "{row}");
                checked += 1;
            }
        }
        assert!(checked > 25, "only {checked} types found in the README");
    }

    #[test]
    fn the_readme_tells_what_is_created() {
        let readme = include_str!("README.md");
        let (_, table) = readme.split_once("| for | column |").unwrap();
        let rows = table.lines().skip(2);
        let rows: Vec<&str> = rows.take_while(|line| line.starts_with('|')).collect();
        let types = crate::table::created_types();
        assert_eq!(rows.len(), types.len());
        for (row, column_type) in rows.iter().zip(types) {
            let declared = declared_type("c", &column_type).unwrap();
            assert_eq!(*row, format!("| {column_type} | `{declared}` |"));
        }
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

    #[test]
    fn tables_are_created_with_quoted_names() {
        let column = |name: &str, nullable| NewColumn {
            name: name.to_owned(),
            column_type: ColumnType::Int32,
            nullable,
        };
        let wanted = NewTable {
            name: TableName::parse("a\"b"),
            columns: vec![column("k", true), column("v", true), column("w", false)],
            primary_key: vec!["k".to_owned()],
        };
        assert_eq!(
            create_sql(&wanted).unwrap(),
            "CREATE TABLE IF NOT EXISTS main.\"a\"\"b\" (\"k\" INTEGER NOT NULL, \"v\" INTEGER, \
             \"w\" INTEGER NOT NULL, PRIMARY KEY (\"k\"))"
        );
    }
}
