//! Tables: reading the catalog, creating them.

use std::sync::Arc;

use sqlx::Row;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use super::classify::sink_error;
use super::connect::Connection;
use super::encode::bound;
use super::key::{self, Collation, LooseColumn};
use super::sql::{OnConflict, local_name, quoted};
use crate::error::SinkError;
use crate::row::TableRows;
use crate::table::{ColumnDef, ColumnType, NewTable, Table, TableKind, TableName, Target};

mod default;
mod types;

pub(super) use default::clause as default_clause;
pub(super) use types::{Affinity, affinity, declared_type};

use types::{STRICT_ANY, column_type};

const DOING: &str = "read the table's definition";
/// `hidden` in `pragma_table_xinfo`: a column of a virtual table that is not to be seen.
const HIDDEN: i64 = 1;
/// A column of a strict table that takes values of all types, as they are.
const ANY: &str = "ANY";
/// A primary key of just this type is the row's own number.
const ROWID_TYPE: &str = "INTEGER";

/// Reads the table's definition; `None` if there is no such table.
///
/// # Errors
/// *Stop* for a view, which rows cannot be written to.
pub(super) async fn describe_table(
    connection: &mut Connection,
    name: &TableName,
) -> Result<Option<Table>, SinkError> {
    let local = local_name(name);
    let list = "SELECT type, wr, strict FROM pragma_table_list \
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
    let is_strict: bool = read(entry, "strict")?;
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
        let definition = column_definition(row, hidden, is_strict)?;
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
        kind: TableKind::default(),
        columns: definitions,
        primary_key: key.into_iter().map(|(_, name)| name).collect(),
        unique_keys,
        text_allows_nul: true,
        has_zero_dates: false,
    }))
}

fn column_definition(
    row: &SqliteRow,
    hidden: i64,
    is_strict: bool,
) -> Result<ColumnDef, SinkError> {
    let mut native_type: String = read(row, "type")?;
    if is_strict && native_type.eq_ignore_ascii_case(ANY) {
        STRICT_ANY.clone_into(&mut native_type);
    }
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
        insert_only: false,
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
    targets: Vec<CheckedTarget>,
}

struct CheckedTarget {
    target: Arc<Target>,
    loose_key: Vec<LooseColumn>,
    takes_marks: bool,
    on_conflict: OnConflict,
}

impl Checked {
    /// Rows of this target may be [marked](crate::statement::few_groups): see [`takes_marks`].
    pub(super) fn takes_marks(&self, target: &Arc<Target>) -> bool {
        self.find(target).is_some_and(|found| found.takes_marks)
    }

    /// Keys of these rows are the same to the fold when they are to the table.
    pub(super) fn are_told_apart(&self, rows: &TableRows) -> bool {
        self.find(&rows.target)
            .is_some_and(|found| key::are_told_apart(rows, &found.loose_key))
    }

    /// What inserts and updates of this target must say.
    pub(super) fn on_conflict(&self, target: &Arc<Target>) -> OnConflict {
        let found = self.find(target);
        found.map_or(OnConflict::Abort, |found| found.on_conflict)
    }

    fn find(&self, target: &Arc<Target>) -> Option<&CheckedTarget> {
        let mut targets = self.targets.iter();
        targets.find(|known| Arc::ptr_eq(&known.target, target))
    }
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
        if checked.find(target).is_some() {
            continue;
        }
        for described in [Some(target), target.tombstones.as_ref()]
            .into_iter()
            .flatten()
        {
            let name = &described.table.name;
            if describe_table(connection, name).await?.as_ref() != Some(&described.table) {
                let message = format!("table {name} is not what it was when it was described");
                return Err(SinkError::stop(message).with_changed_table());
            }
        }
        let loose_key = loose_key(connection, target).await?;
        checked.targets.push(CheckedTarget {
            target: Arc::clone(target),
            takes_marks: loose_key.is_empty() && takes_marks(connection, target).await?,
            loose_key,
            on_conflict: on_conflict(connection, target).await?,
        });
    }
    connection.checked = checked;
    Ok(())
}

/// The columns of the key that do not compare as the fold does.
async fn loose_key(
    connection: &mut Connection,
    target: &Target,
) -> Result<Vec<LooseColumn>, SinkError> {
    let mut loose_key = Vec::new();
    for column in &target.key {
        let is_text = matches!(
            target.column(*column).column_type,
            ColumnType::Text { .. } | ColumnType::Json
        );
        let collation = match is_text {
            true => collation(connection, target, *column).await?,
            false => Collation::default(),
        };
        loose_key.extend(LooseColumn::of(target, *column, collation));
    }
    Ok(loose_key)
}

/// What is not looked at by the column, which deletes and updates compare with, or by a unique index, which
/// decides about inserts. The catalog does not show a column's collation, so it is asked for: a text takes
/// the place of the column's values.
async fn collation(
    connection: &mut Connection,
    target: &Target,
    column: usize,
) -> Result<Collation, SinkError> {
    let local = local_name(&target.table.name);
    let (table, name) = (quoted(&local), &target.column(column).name);
    let of_column = format!(
        "SELECT given = 'A' AS ignores_case, given = 'a ' AS ignores_blanks FROM \
         (SELECT {table}.{} AS given FROM main.{table} WHERE false UNION ALL SELECT 'a')",
        quoted(name)
    );
    let found = connection
        .fetch(DOING, of_column, SqliteArguments::default())
        .await?;
    let mut collation = Collation::default();
    if let Some(row) = found.first() {
        collation.ignores_case = read(row, "ignores_case")?;
        collation.ignores_blanks = read(row, "ignores_blanks")?;
    }
    let of_indexes = "SELECT DISTINCT lower(info.coll) AS collation, info.name AS column_name \
                      FROM pragma_index_list(?1, 'main') AS list, \
                      pragma_index_xinfo(list.name, 'main') AS info \
                      WHERE list.\"unique\" AND info.key AND info.name IS NOT NULL";
    for row in rows_about(connection, of_indexes, &local).await? {
        if !read::<String>(&row, "column_name")?.eq_ignore_ascii_case(name) {
            continue;
        }
        match read::<String>(&row, "collation")?.as_str() {
            "binary" => {}
            "nocase" => collation.ignores_case = true,
            "rtrim" => collation.ignores_blanks = true,
            _ => {
                collation.ignores_case = true;
                collation.ignores_blanks = true;
            }
        }
    }
    Ok(collation)
}

/// A marked row also sets columns that it lacks, to what they are. That can be told from leaving them
/// alone by triggers only (`UPDATE OF`). And it looks for the row that is there by the key's bytes, so the
/// table must not make one number of several texts.
async fn takes_marks(connection: &mut Connection, target: &Target) -> Result<bool, SinkError> {
    let is_exact = |column: &usize| {
        let column = target.column(*column);
        match column.column_type {
            ColumnType::Int64 | ColumnType::Uuid => true,
            ColumnType::Text { .. } => affinity(&column.native_type) == Affinity::Text,
            _ => false,
        }
    };
    if target.key.is_empty() || !target.key.iter().all(is_exact) {
        return Ok(false);
    }
    let table = local_name(&target.table.name);
    let triggers = "SELECT 1 FROM main.sqlite_schema \
                    WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE LIMIT 1";
    Ok(rows_about(connection, triggers, &table).await?.is_empty())
}

/// The definition is looked through for the word alone: between it and the one before there may be blanks
/// and comments, and one too many does no harm.
async fn on_conflict(
    connection: &mut Connection,
    target: &Target,
) -> Result<OnConflict, SinkError> {
    let table = local_name(&target.table.name);
    let clauses = "SELECT 1 FROM main.sqlite_schema \
                   WHERE type = 'table' AND name = ?1 COLLATE NOCASE AND sql LIKE '%conflict%'";
    let has_clause = !rows_about(connection, clauses, &table).await?.is_empty();
    Ok(match has_clause {
        true => OnConflict::Abort,
        false => OnConflict::Unsaid,
    })
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
        let declared = declared_type(&column.name, &column.column_type)?;
        let default = match is_key && wanted.primary_key.len() == 1 && declared == ROWID_TYPE {
            // SQLite gives it a number, whatever the default.
            true => None,
            false => column.default.as_ref(),
        };
        parts.push(format!(
            "{} {declared}{}{not_null}",
            quoted(&column.name),
            default_clause(&declared, default)
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

    #[test]
    fn tables_are_created_with_quoted_names() {
        let column = |name: &str, nullable| NewColumn {
            name: name.to_owned(),
            column_type: ColumnType::Int32,
            nullable,
            default: None,
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
