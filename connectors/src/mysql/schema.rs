//! Tables: read from the catalog, and created.
//!
//! Names are taken as given, quoted; a name without a database is looked up in the one that the
//! session is connected to.

use std::collections::BTreeMap;
use std::time::Duration;

use mysql_async::{Row, Value};

use super::connect::Connector;
use super::form::Traits;
use super::link::{Failure, Link};
use super::sql::{self, Flavor, literal};
use super::{classify, transaction};
use crate::error::{ErrorClass, SinkError};
use crate::table::{ColumnDef, NewTable, Table, TableKind, TableName};

pub(super) mod default;
pub(super) mod native;
pub(super) mod size;
mod special;

/// Serialises whoever creates tables for Rowdock at one server.
const LOCK_DEFINITIONS: &str = "rowdock definitions";

/// How long a definition may take, such as of a column in a large table. Past it the server goes on by itself,
/// and the next attempt waits for it.
const DEFINITION_MAX: Duration = Duration::from_secs(600);

/// A table, and what the sink itself must know about its columns.
pub(super) struct Described {
    pub(super) table: Table,
    /// One entry per column.
    pub(super) traits: Vec<Traits>,
}

impl Described {
    /// Those of the columns of text, by their names.
    pub(super) fn collations(&self) -> Vec<(String, String)> {
        let columns = self.table.columns.iter().zip(&self.traits);
        columns
            .filter_map(|(column, traits)| Some((column.name.clone(), traits.collation.clone()?)))
            .collect()
    }

    pub(super) fn traits_of(&self, column: &ColumnDef) -> Option<&Traits> {
        let mut columns = self.table.columns.iter();
        let place = columns.position(|found| found.name == column.name)?;
        self.traits.get(place)
    }
}

/// Reads a table or view. `None`: there is no such thing.
///
/// While someone's ALTER TABLE puts the changed table in its place, MariaDB's catalog shows it without
/// keys, without columns, or not at all. So the table is used first, which waits for the end of that, and
/// keeps off the next until the transaction ends: within the same message, so that a process that is
/// stopped keeps nobody off.
///
/// # Errors
/// *Stop* for a table that takes no part in transactions.
pub(super) async fn describe(
    link: &mut Link,
    name: &TableName,
) -> Result<Option<Described>, SinkError> {
    sql::check_table_name(name)?;
    let action = format!("read the definition of table {name}");
    let flavor = link.server.flavor;
    let catalog = catalog_text(name, flavor);
    let table = sql::qualified(name);
    let undisturbed =
        format!("START TRANSACTION; SELECT 1 FROM {table} LIMIT 0; {catalog}; ROLLBACK");
    let mut answers = match link.run(&action, &undisturbed).await {
        Ok(mut answers) => {
            // That of the end.
            answers.pop();
            answers
        }
        Err(error) if error.class() == ErrorClass::Retry => {
            return transaction::or_roll_back(link, Err(error)).await;
        }
        // There is none, or no right to read it: what there is says the catalog.
        Err(_) => {
            transaction::roll_back(link).await?;
            link.run(&action, &catalog).await?
        }
    };
    // In the order of the statements.
    let keys = answers.pop().map(|answer| answer.rows).unwrap_or_default();
    let columns = answers.pop().map(|answer| answer.rows).unwrap_or_default();
    let tables = answers.pop().map(|answer| answer.rows).unwrap_or_default();
    let Some(found) = tables.first() else {
        return Ok(None);
    };
    require_transactional(name, found)?;
    let columns: Vec<(ColumnDef, Traits)> = columns
        .iter()
        .map(|row| native::column(row, flavor))
        .collect();
    let (columns, traits) = columns.into_iter().unzip();
    let (primary_key, unique_keys) = unique_keys(&keys);
    let is_view = text(found, 0).is_some_and(|kind| kind.ends_with("VIEW"));
    let table = Table {
        name: name.clone(),
        kind: match is_view {
            true => TableKind::View,
            false => TableKind::Table,
        },
        columns,
        primary_key,
        unique_keys,
        text_allows_nul: true,
        has_zero_dates: true,
    };
    Ok(Some(Described { table, traits }))
}

/// Three queries: the table, its columns, and the columns of its unique keys.
fn catalog_text(name: &TableName, flavor: Flavor) -> String {
    let database = match &name.schema {
        Some(database) => literal(database),
        None => "DATABASE()".to_owned(),
    };
    let is_table = format!(
        "TABLE_SCHEMA = {database} AND TABLE_NAME = {}",
        literal(&name.name)
    );
    // MariaDB's JSON is a text with a check, and its columns have checks of their own.
    let has_check = |condition: &str| {
        format!(
            "EXISTS (SELECT 1 FROM information_schema.CHECK_CONSTRAINTS AS c \
             WHERE c.CONSTRAINT_SCHEMA = {database} AND c.TABLE_NAME = {} AND {condition})",
            literal(&name.name)
        )
    };
    let (srid, is_json, is_checked, key_expression) = match flavor {
        Flavor::MySql | Flavor::MySql9 => (
            "SRS_ID",
            "0".to_owned(),
            "0".to_owned(),
            "EXPRESSION IS NOT NULL",
        ),
        Flavor::MariaDb106 | Flavor::MariaDb => (
            "NULL",
            has_check("c.CHECK_CLAUSE = CONCAT('json_valid(`', COLUMN_NAME, '`)')"),
            has_check("c.LEVEL = 'Column' AND c.CONSTRAINT_NAME = COLUMN_NAME"),
            "0",
        ),
    };
    format!(
        "SELECT TABLE_TYPE, ENGINE, \
                (SELECT TRANSACTIONS FROM information_schema.ENGINES AS e \
                 WHERE e.ENGINE = t.ENGINE LIMIT 1) \
         FROM information_schema.TABLES AS t WHERE {is_table}; \
         SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, \
                CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, COLLATION_NAME, \
                {srid}, {is_json}, COLUMN_COMMENT, {is_checked} \
         FROM information_schema.COLUMNS WHERE {is_table} ORDER BY ORDINAL_POSITION; \
         SELECT INDEX_NAME, COLUMN_NAME, \
                SUB_PART IS NULL AND NULLABLE = '' AND NOT {key_expression} \
         FROM information_schema.STATISTICS WHERE {is_table} AND NON_UNIQUE = 0 \
         ORDER BY INDEX_NAME, SEQ_IN_INDEX"
    )
}

/// Views have no engine: the tables below them are their owner's care.
fn require_transactional(name: &TableName, found: &Row) -> Result<(), SinkError> {
    let engine = text(found, 1);
    if engine.is_none() || text(found, 2).as_deref() == Some("YES") {
        return Ok(());
    }
    Err(SinkError::stop(format!(
        "table {name} has the engine {}, which has no transactions; \
         run: ALTER TABLE {} ENGINE = InnoDB",
        engine.unwrap_or_default(),
        sql::qualified(name)
    )))
}

/// The primary key, and further keys that an upsert can name: over whole columns, none of which
/// may be null.
fn unique_keys(rows: &[Row]) -> (Vec<String>, Vec<Vec<String>>) {
    let mut keys: BTreeMap<String, Option<Vec<String>>> = BTreeMap::new();
    for row in rows {
        let key = keys
            .entry(text(row, 0).unwrap_or_default())
            .or_insert_with(|| Some(Vec::new()));
        match (key.as_mut(), text(row, 1), number(row, 2)) {
            (Some(columns), Some(column), Some(1)) => columns.push(column),
            _ => *key = None,
        }
    }
    let primary = keys.remove("PRIMARY").flatten().unwrap_or_default();
    (primary, keys.into_values().flatten().collect())
}

/// A column of a catalog's row, as text.
pub(super) fn text(row: &Row, index: usize) -> Option<String> {
    match row.as_ref(index) {
        Some(Value::Bytes(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Some(Value::Int(number)) => Some(number.to_string()),
        Some(Value::UInt(number)) => Some(number.to_string()),
        _ => None,
    }
}

/// A column of a catalog's row, as a number.
pub(super) fn number(row: &Row, index: usize) -> Option<i64> {
    text(row, index)?.parse().ok()
}

/// Creates the table unless it exists, and reads it back. A definition commits whatever is open,
/// so it has a connection of its own. `collations` are those of texts in the key, by the columns' names,
/// where they are not to be compared byte by byte.
pub(super) async fn create(
    connector: &Connector,
    link: &mut Link,
    wanted: &NewTable,
    collations: &[(String, String)],
) -> Result<Table, SinkError> {
    let text = create_text(wanted, collations, link.server.flavor)?;
    let action = format!("create table {}", wanted.name);
    match define(connector, &action, &text).await {
        Ok(()) => tracing::info!(table = %wanted.name, "table is there"),
        Err(error) if error.connection_lost() || error.class() == ErrorClass::Retry => {
            // It was another connection that was lost.
            return Err(SinkError::retry(error.to_string()));
        }
        // Someone who does not know the lock may have been faster.
        Err(error) => {
            return match describe(link, &wanted.name).await? {
                Some(described) => Ok(described.table),
                None => Err(SinkError::stop(format!(
                    "{error}; let someone who may create it run: {text}"
                ))),
            };
        }
    }
    let described = describe(link, &wanted.name).await?;
    described.map(|found| found.table).ok_or_else(|| {
        SinkError::retry(format!(
            "table {} is gone again after its creation",
            wanted.name
        ))
    })
}

/// Executes a definition on a connection of its own, one at a time at this server.
pub(super) async fn define(
    connector: &Connector,
    action: &str,
    text: &str,
) -> Result<(), SinkError> {
    let mut link = lock_definitions(connector, action).await?;
    let defined = link.run(action, text).await;
    // The lock ends with the connection.
    link.close().await;
    defined.map(|_| ())
}

/// A connection of its own that may define tables: others wait for it to end.
pub(super) async fn lock_definitions(
    connector: &Connector,
    action: &str,
) -> Result<Link, SinkError> {
    let mut link = connector.open().await?;
    link.take_longer(DEFINITION_MAX);
    if link.server.flavor.is_mariadb() {
        // The server's own end of a statement would undo it, time and again.
        let unlimited = "SET SESSION max_statement_time = 0";
        link.run(action, unlimited).await?;
    }
    let lock = format!(
        "SELECT GET_LOCK({}, {})",
        literal(LOCK_DEFINITIONS),
        connector.lock_seconds()
    );
    let locked = match link.try_run(action, &lock).await {
        Ok(locked) => locked,
        Err(Failure::Refused(refusal)) if classify::is_no_lock(&refusal) => {
            tracing::warn!("the server gives no user locks: tables are defined without one");
            return Ok(link);
        }
        Err(failure) => return Err(failure.of_statement(action)),
    };
    let is_ours = locked
        .first()
        .and_then(|answer| answer.rows.first())
        .and_then(|row| number(row, 0));
    if is_ours != Some(1) {
        return Err(SinkError::retry(format!(
            "cannot {action}: another session has been defining tables for too long"
        )));
    }
    Ok(link)
}

fn create_text(
    wanted: &NewTable,
    collations: &[(String, String)],
    flavor: Flavor,
) -> Result<String, SinkError> {
    sql::check_table_name(&wanted.name)?;
    let mut parts = Vec::new();
    let types = native::native_types(wanted, collations, flavor)?;
    for (column, native_type) in wanted.columns.iter().zip(types) {
        sql::check_identifier("column", &column.name)?;
        let is_key = wanted.primary_key.contains(&column.name);
        // Said in full: a bare timestamp is not nullable with some settings.
        let null = if column.nullable && !is_key {
            "NULL"
        } else {
            "NOT NULL"
        };
        let default = column.default.as_ref();
        let default = default.and_then(|default| default::clause(&native_type, default, flavor));
        parts.push(format!(
            "{} {native_type} {null}{}",
            sql::quoted(&column.name),
            default.unwrap_or_default()
        ));
    }
    if !wanted.primary_key.is_empty() {
        let key = wanted.primary_key.iter().map(|name| sql::quoted(name));
        let key: Vec<String> = key.collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    Ok(format!(
        "CREATE TABLE IF NOT EXISTS {} ({}) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4",
        sql::qualified(&wanted.name),
        parts.join(", ")
    ))
}

pub(super) fn cannot_create(column: &str) -> SinkError {
    SinkError::stop(format!(
        "cannot create column \"{column}\": no type is known for it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{ColumnType, NewColumn};

    fn wanted(columns: &[(&str, ColumnType, bool)], key: &[&str]) -> NewTable {
        let column = |(name, column_type, nullable): &(&str, ColumnType, bool)| NewColumn {
            name: (*name).to_owned(),
            column_type: column_type.clone(),
            nullable: *nullable,
            default: None,
        };
        NewTable {
            name: TableName::parse("shop.orders"),
            columns: columns.iter().map(column).collect(),
            primary_key: key.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn tables_to_be_created() {
        let text = ColumnType::Text { max_chars: None };
        let columns = [
            ("id", text.clone(), true),
            ("n`n", ColumnType::Int64, true),
            ("at", ColumnType::TimestampTz, false),
        ];
        assert_eq!(
            create_text(&wanted(&columns, &["id"]), &[], Flavor::MySql).expect("can be created"),
            "CREATE TABLE IF NOT EXISTS `shop`.`orders` (\
             `id` varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL, \
             `n``n` bigint NULL, `at` datetime(6) NOT NULL, PRIMARY KEY (`id`)) \
             ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4"
        );
        let unknown = [("span", ColumnType::Unsupported, true)];
        let error = create_text(&wanted(&unknown, &[]), &[], Flavor::MySql).expect_err("no type");
        assert!(error.to_string().contains("span"), "{error}");
        let caseless = [("id".to_owned(), "latin1_swedish_ci".to_owned())];
        let created = create_text(&wanted(&columns, &["id"]), &caseless, Flavor::MySql);
        let created = created.expect("can be created");
        let id = "(`id` varchar(255) COLLATE latin1_swedish_ci NOT NULL, ";
        assert!(created.contains(id), "{created}");
    }
}
