//! Tables from the catalog, and tables to be created.
//!
//! The catalog is read anew each time (`system_schema`), never the driver's copy of it, which may lag
//! behind. Columns have no order of their own in Cassandra: the partition key comes first, then the
//! clustering key, then the others by name.

use super::classify;
use super::connect::Link;
use super::name::{list, qualified, quoted};
use super::settings::{CassandraSettings, TtlKind};
use super::types;
use crate::error::SinkError;
use crate::letter::LETTER_KEY;
use crate::table::{ColumnDef, ColumnType, NewTable, Table, TableKind, TableName};

/// So many columns of a dead letter's key are its partition: the connector, the topic and the topic's
/// partition. With the connector alone, all its letters would lie on the same nodes.
const LETTER_PARTITION_COLUMNS: usize = 3;

/// What Cassandra allows as the name of a table or keyspace.
const NAME_CHARS_MAX: usize = 48;

/// What stands for the type of fields that are no columns. No type's name has a blank.
const EXPIRY: &str = "point in time";
const SECONDS_TO_LIVE: &str = "seconds to live";
const WRITE_TIMESTAMP: &str = "write timestamp";

/// Whether a column of this type is none of the table's, but says how its rows are written.
pub(super) fn is_write_column(native: &str) -> bool {
    [EXPIRY, SECONDS_TO_LIVE, WRITE_TIMESTAMP].contains(&native)
}

/// A table, and what mapping need not know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) table: Table,
    /// Names, in the order of the key.
    pub(super) partition_key: Vec<String>,
    /// Names, in the order of the key.
    pub(super) clustering_key: Vec<String>,
    /// How many seconds rows live that do not say it themselves; 0: for ever.
    pub(super) ttl_seconds: i64,
}

impl Described {
    /// All columns but the key's are counters.
    pub(super) fn counts(&self) -> bool {
        self.table
            .columns
            .iter()
            .any(|column| column.native_type == "counter")
    }

    /// It is a table of dead letters, not of records.
    pub(super) fn keeps_letters(&self) -> bool {
        is_letters_key(&self.table.primary_key)
    }
}

fn is_letters_key(primary_key: &[String]) -> bool {
    primary_key == LETTER_KEY
}

/// A row of the catalog: name, type, kind, and place within the key.
type CatalogColumn = (String, String, String, i32);

/// Reads a table's definition. Settings may add columns that are not the table's: those that say how
/// a row is written.
pub(super) async fn describe(
    link: &Link,
    settings: &CassandraSettings,
    name: &TableName,
) -> Result<Option<Described>, SinkError> {
    let (keyspace, table) = link.resolve(name)?;
    let mut columns = catalog(link, keyspace, table).await?;
    if columns.is_empty() {
        return Ok(None);
    }
    let ttl_seconds = default_ttl(link, keyspace, table).await?;
    columns.sort_by(|one, other| place(one).cmp(&place(other)));
    let of_kind = |kind: &str| -> Vec<String> {
        let found = columns.iter().filter(|column| column.2 == kind);
        found.map(|column| column.0.clone()).collect()
    };
    let partition_key = of_kind("partition_key");
    let clustering_key = of_kind("clustering");
    let mut primary_key = partition_key.clone();
    primary_key.extend(clustering_key.iter().cloned());
    let definitions = columns.iter().map(|(name, native, ..)| {
        let is_key = primary_key.contains(name);
        column(name, types::column_type(native), native, !is_key)
    });
    let table = Table {
        name: name.clone(),
        kind: TableKind::default(),
        columns: definitions
            .chain(write_columns(&columns, settings))
            .collect(),
        unique_keys: key_prefixes(&partition_key, &clustering_key),
        primary_key,
        text_allows_nul: true,
        has_zero_dates: false,
    };
    Ok(Some(Described {
        table,
        partition_key,
        clustering_key,
        ttl_seconds,
    }))
}

async fn catalog(
    link: &Link,
    keyspace: &str,
    table: &str,
) -> Result<Vec<CatalogColumn>, SinkError> {
    const TEXT: &str = "SELECT column_name, type, kind, position FROM system_schema.columns \
                        WHERE keyspace_name = ? AND table_name = ?";
    let answer = link.read_catalog(TEXT, (keyspace, table)).await?;
    let rows = answer.rows::<CatalogColumn>().map_err(unreadable)?;
    rows.collect::<Result<_, _>>().map_err(unreadable)
}

async fn default_ttl(link: &Link, keyspace: &str, table: &str) -> Result<i64, SinkError> {
    const TEXT: &str = "SELECT default_time_to_live FROM system_schema.tables \
                        WHERE keyspace_name = ? AND table_name = ?";
    let answer = link.read_catalog(TEXT, (keyspace, table)).await?;
    let row = answer.maybe_first_row::<(Option<i32>,)>();
    let found = row.map_err(unreadable)?.and_then(|(seconds,)| seconds);
    Ok(found.unwrap_or_default().into())
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> SinkError {
    SinkError::retry("the catalog's answer cannot be read").with_source(error)
}

fn place(column: &CatalogColumn) -> (u8, i32, &str) {
    let (name, _, kind, position) = column;
    let rank = match kind.as_str() {
        "partition_key" => 0,
        "clustering" => 1,
        _ => 2,
    };
    (rank, *position, name)
}

fn column(name: &str, column_type: ColumnType, native: &str, nullable: bool) -> ColumnDef {
    ColumnDef {
        name: name.to_owned(),
        column_type,
        native_type: native.to_owned(),
        native_type_id: 0,
        nullable,
        has_default: false,
        generated: false,
        insert_only: false,
    }
}

/// Fields that say how a row is written, and are no columns of the table.
fn write_columns(columns: &[CatalogColumn], settings: &CassandraSettings) -> Vec<ColumnDef> {
    let is_missing = |name: &str| !columns.iter().any(|column| column.0 == name);
    let ttl = settings
        .ttl_field
        .as_ref()
        .filter(|field| is_missing(&field.name));
    let ttl = ttl.map(|field| match field.kind {
        TtlKind::Expiry => column(&field.name, ColumnType::TimestampTz, EXPIRY, true),
        TtlKind::Seconds => column(&field.name, ColumnType::Int64, SECONDS_TO_LIVE, true),
    });
    let timestamp = settings
        .timestamp_field
        .as_ref()
        .filter(|name| is_missing(name));
    let timestamp = timestamp.map(|name| column(name, ColumnType::Int64, WRITE_TIMESTAMP, true));
    ttl.into_iter().chain(timestamp).collect()
}

/// The parts of the key by which rows can be deleted together: the partition, and what begins with
/// some of the clustering key.
fn key_prefixes(partition_key: &[String], clustering_key: &[String]) -> Vec<Vec<String>> {
    let prefix = |count: usize| [partition_key, &clustering_key[..count]].concat();
    (0..clustering_key.len()).map(prefix).collect()
}

/// Creates the table unless it exists.
pub(super) async fn create(
    link: &Link,
    settings: &CassandraSettings,
    wanted: &NewTable,
) -> Result<Described, SinkError> {
    if let Some(found) = describe(link, settings, &wanted.name).await? {
        return Ok(found);
    }
    let (keyspace, table) = link.resolve(&wanted.name)?;
    check_name(&wanted.name, table)?;
    let text = creation(keyspace, table, wanted, &settings.partition_key)?;
    let defined = link.define(&text).await.map_err(classify::of_defining);
    defined.map_err(|error| {
        let message = format!(
            "table {} cannot be created: {error}; run by hand: {text}",
            wanted.name
        );
        SinkError::new(error.class(), message).with_source(error)
    })?;
    describe(link, settings, &wanted.name)
        .await?
        .ok_or_else(|| {
            SinkError::retry(format!(
                "table {} was created and is not there yet",
                wanted.name
            ))
        })
}

fn check_name(name: &TableName, table: &str) -> Result<(), SinkError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !table.is_empty() && table.len() <= NAME_CHARS_MAX && table.bytes().all(legal) {
        return Ok(());
    }
    Err(SinkError::stop(format!(
        "table {name} cannot be created: names of tables have letters, digits and underscores, at \
         most {NAME_CHARS_MAX}; set table.name.normalize=true, or choose a name by table.name.format"
    )))
}

fn creation(
    keyspace: &str,
    table: &str,
    wanted: &NewTable,
    partition_key: &[String],
) -> Result<String, SinkError> {
    let key = primary_key(wanted, partition_key)?;
    let mut columns = Vec::with_capacity(wanted.columns.len());
    for column in &wanted.columns {
        let native = types::created(&column.name, &column.column_type)?;
        columns.push(format!("{} {native}", quoted(&column.name)));
    }
    Ok(format!(
        "CREATE TABLE IF NOT EXISTS {} ({}, PRIMARY KEY ({key}))",
        qualified(keyspace, table),
        columns.join(", ")
    ))
}

/// `(partition key), clustering key`.
fn primary_key(wanted: &NewTable, partition_key: &[String]) -> Result<String, SinkError> {
    let names = &wanted.primary_key;
    if names.is_empty() {
        return Err(SinkError::stop(format!(
            "table {} cannot be created: every table of cassandra has a key; set pk.mode, and \
             pk.fields to the key's columns",
            wanted.name
        )));
    }
    let partition = match partition_key {
        _ if is_letters_key(names) => &names[..LETTER_PARTITION_COLUMNS],
        [] => &names[..1],
        given => given,
    };
    if let Some(foreign) = partition.iter().find(|name| !names.contains(name)) {
        return Err(SinkError::stop(format!(
            "table {} cannot be created: cassandra.partition.key names {foreign}, which is no column \
             of its key ({}); a partition key cannot be changed later",
            wanted.name,
            names.join(", ")
        )));
    }
    let mut parts = vec![format!("({})", list(partition.iter().map(String::as_str)))];
    let clustering = names.iter().filter(|name| !partition.contains(name));
    parts.extend(clustering.map(|name| quoted(name)));
    Ok(parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::NewColumn;

    fn wanted(columns: &[&str], key: &[&str]) -> NewTable {
        let column = |name: &&str| NewColumn {
            name: (*name).to_owned(),
            column_type: ColumnType::Int64,
            nullable: true,
            default: None,
        };
        NewTable {
            name: TableName::parse("T"),
            columns: columns.iter().map(column).collect(),
            primary_key: key.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn statements_that_create() {
        let check = |key: &[&str], partition: &[&str], expected: &str| {
            let partition: Vec<String> = partition.iter().map(|&name| name.to_owned()).collect();
            let text = creation("k", "T", &wanted(&["a", "b", "c"], key), &partition);
            let columns = "\"a\" bigint, \"b\" bigint, \"c\" bigint";
            let expected = format!(
                "CREATE TABLE IF NOT EXISTS \"k\".\"T\" ({columns}, PRIMARY KEY ({expected}))"
            );
            assert_eq!(text.unwrap(), expected);
        };
        check(&["a"], &[], "(\"a\")");
        check(&["a", "b"], &[], "(\"a\"), \"b\"");
        check(&["a", "b", "c"], &["a", "b"], "(\"a\", \"b\"), \"c\"");
        check(&["a", "b"], &["b"], "(\"b\"), \"a\"");
        check(
            &LETTER_KEY,
            &["a"],
            "(\"connector\", \"topic\", \"kafka_partition\"), \"kafka_offset\"",
        );
    }

    #[test]
    fn tables_that_cannot_be() {
        let error = creation("k", "T", &wanted(&["a"], &[]), &[]).unwrap_err();
        assert!(error.to_string().contains("pk.mode"), "{error}");
        let misspelt = ["a".to_owned(), "B".to_owned()];
        let error = creation("k", "T", &wanted(&["a"], &["a", "b"]), &misspelt).unwrap_err();
        assert!(error.to_string().contains("names B, which"), "{error}");
        let name = TableName::parse("a-b");
        assert!(
            check_name(&name, "a-b")
                .unwrap_err()
                .to_string()
                .contains("normalize")
        );
        assert!(check_name(&name, &"a".repeat(49)).is_err());
        assert!(check_name(&name, "Orders_2").is_ok());
    }

    #[test]
    fn prefixes_of_a_key() {
        let names =
            |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.into()).collect() };
        let prefixes = key_prefixes(&names(&["p", "q"]), &names(&["c", "d"]));
        assert_eq!(prefixes, [names(&["p", "q"]), names(&["p", "q", "c"])]);
        assert!(key_prefixes(&names(&["p"]), &[]).is_empty());
    }
}
