//! Tables: read from the catalog, and created.
//!
//! Names are taken exactly as given, quoted; a name without a schema is looked up in the session's
//! search path. Domains count as the type they are made of.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::link::Link;
use super::sql::{self, COPYABLE};
use crate::error::{ErrorClass, SinkError};
use crate::table::{ColumnDef, NewTable, Table, TableKind, TableName, Target};

mod default;
mod special;
mod types;

pub(super) use default::clause as default_clause;
pub(super) use special::Extensions;
use types::Types;
pub(super) use types::native_type;

/// Serialises whoever creates tables for Rowdock in one database; held until the transaction ends.
pub(super) const LOCK_DEFINITIONS: &str = "SELECT pg_advisory_xact_lock(32210705921827691)";

/// Reads a table, view or foreign table. `None`: there is no such thing.
pub(super) async fn describe(link: &Link, name: &TableName) -> Result<Option<Table>, SinkError> {
    sql::check_table_name(name)?;
    let action = format!("read the definition of table {name}");
    let Some(relation) = Relation::find(link, &action, name).await? else {
        return Ok(None);
    };
    let Some(kind) = relation.table_kind() else {
        return Ok(None);
    };
    let table = read(link, &action, name, kind, relation.id).await?;
    // Of a table that is dropped meanwhile there would be a part, or nothing.
    if Relation::find(link, &action, name).await? == Some(relation) {
        return Ok(Some(table));
    }
    Err(SinkError::retry(format!(
        "cannot {action}: the table was made anew meanwhile"
    )))
}

async fn read(
    link: &Link,
    action: &str,
    name: &TableName,
    kind: TableKind,
    relation_id: u32,
) -> Result<Table, SinkError> {
    let parameters: [&(dyn ToSql + Sync); 1] = [&relation_id];
    let query = link.client().query(COLUMNS, &parameters);
    let columns = link.answer(action, query).await?;
    let query = link.client().query(KEYS, &parameters);
    let keys = link.answer(action, query).await?;
    let types = columns.iter().map(|row| row.get(2));
    let types = Types::look_up(link, action, types.collect()).await?;
    let mut table = Table {
        name: name.clone(),
        kind,
        columns: columns.iter().map(|row| column(row, &types)).collect(),
        primary_key: Vec::new(),
        unique_keys: Vec::new(),
        text_allows_nul: false,
        has_zero_dates: false,
    };
    for key in keys {
        let columns: Vec<String> = key.get(1);
        if key.get(0) {
            table.primary_key = columns;
        } else {
            table.unique_keys.push(columns);
        }
    }
    Ok(table)
}

/// What has a table's name: tables, and what shares their names.
#[derive(Debug, PartialEq, Eq)]
struct Relation {
    id: u32,
    /// `relkind` of the catalog.
    kind: String,
}

impl Relation {
    async fn find(link: &Link, action: &str, name: &TableName) -> Result<Option<Self>, SinkError> {
        let quoted = sql::qualified(name);
        let parameters: [&(dyn ToSql + Sync); 1] = [&quoted];
        let query = link.client().query_opt(RELATION, &parameters);
        let found = link.answer(action, query).await?;
        Ok(found.map(|row| Self {
            id: row.get(0),
            kind: row.get(1),
        }))
    }

    /// `None`: it cannot be written to.
    fn table_kind(&self) -> Option<TableKind> {
        match self.kind.as_str() {
            "r" => Some(TableKind::Table),
            "p" => Some(TableKind::Partitioned),
            "v" => Some(TableKind::View),
            "f" => Some(TableKind::Foreign),
            _ => None,
        }
    }

    /// What it is, of those that cannot be written to.
    fn in_words(&self) -> &'static str {
        match self.kind.as_str() {
            "m" => "a materialized view",
            "S" => "a sequence",
            "c" => "a composite type",
            _ => "an index",
        }
    }
}

const RELATION: &str = "\
    SELECT oid, relkind::text FROM pg_catalog.pg_class WHERE oid = to_regclass($1::text)";

/// Ordinary and partitioned tables, views, foreign tables. The columns of the last two may have
/// defaults in the tables behind them. A column of a domain is described by
/// the domain's base type; its modifier is the one of the innermost domain that has one.
const COLUMNS: &str = "\
    WITH RECURSIVE base(attnum, type_id, modifier, is_required, has_default) AS (\
        SELECT attnum, atttypid, atttypmod, attnotnull, atthasdef OR relkind IN ('v', 'f') \
        FROM pg_catalog.pg_attribute \
        JOIN pg_catalog.pg_class ON pg_class.oid = attrelid \
        WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped \
        UNION ALL \
        SELECT attnum, typbasetype, \
               CASE WHEN modifier = -1 THEN typtypmod ELSE modifier END, \
               is_required OR typnotnull, has_default OR typdefault IS NOT NULL \
        FROM base JOIN pg_catalog.pg_type ON pg_type.oid = type_id \
        WHERE typtype = 'd'\
    ) \
    SELECT attname::text, format_type(atttypid, atttypmod), base.type_id::oid, base.modifier, \
           base.is_required, base.has_default OR attidentity <> '', attgenerated <> '', \
           attidentity = 'a' \
    FROM base \
    JOIN pg_catalog.pg_type ON pg_type.oid = base.type_id AND typtype <> 'd' \
    JOIN pg_catalog.pg_attribute \
      ON attrelid = $1::oid AND pg_attribute.attnum = base.attnum \
    ORDER BY base.attnum";

/// Keys that an upsert can name: unique at once, over plain columns and all rows.
const KEYS: &str = "\
    SELECT indisprimary, ARRAY(\
        SELECT attname::text \
        FROM unnest(indkey::int2[]) WITH ORDINALITY AS key(attnum, place) \
        JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND pg_attribute.attnum = key.attnum \
        WHERE place <= indnkeyatts ORDER BY place\
    ) \
    FROM pg_catalog.pg_index \
    WHERE indrelid = $1::oid AND indisunique AND indisvalid \
      AND indpred IS NULL AND indexprs IS NULL AND (indimmediate OR indisprimary) \
    ORDER BY indexrelid";

fn column(row: &Row, types: &Types) -> ColumnDef {
    let native_type_id = row.get(2);
    ColumnDef {
        name: row.get(0),
        column_type: types.column_type(native_type_id, row.get(3)),
        native_type: row.get(1),
        native_type_id,
        nullable: !row.get::<_, bool>(4),
        has_default: row.get(5),
        generated: row.get(6),
        insert_only: row.get(7),
    }
}

/// Creates the table unless it exists, and reads it back.
pub(super) async fn create(link: &Link, wanted: &NewTable) -> Result<Table, SinkError> {
    let action = format!("create table {}", wanted.name);
    let extensions = Extensions::look_up(link, &action, &wanted.columns).await?;
    let text = create_text(wanted, &extensions)?;
    // Statements sent together are one transaction.
    let script = format!("{LOCK_DEFINITIONS}; {text}");
    let created = link
        .answer(&action, link.client().batch_execute(&script))
        .await;
    match created {
        Ok(()) => tracing::info!(table = %wanted.name, "table is there"),
        Err(error) if error.connection_lost() || error.class() == ErrorClass::Retry => {
            return Err(error);
        }
        // Someone who does not know the lock may have been faster.
        Err(error) => {
            return match describe(link, &wanted.name).await? {
                Some(table) => Ok(table),
                None => Err(SinkError::stop(format!(
                    "{error}; let someone who may create it run: {text}"
                ))),
            };
        }
    }
    if let Some(table) = describe(link, &wanted.name).await? {
        return Ok(table);
    }
    // `IF NOT EXISTS` takes anything of that name for the table.
    Err(match Relation::find(link, &action, &wanted.name).await? {
        Some(other) if other.table_kind().is_none() => SinkError::stop(format!(
            "cannot {action}: {} of that name is there; drop it, or choose another name for the table",
            other.in_words()
        )),
        _ => SinkError::retry(format!(
            "table {} is gone again after its creation",
            wanted.name
        )),
    })
}

fn create_text(wanted: &NewTable, extensions: &Extensions) -> Result<String, SinkError> {
    sql::check_table_name(&wanted.name)?;
    let mut parts = Vec::new();
    for column in &wanted.columns {
        sql::check_identifier("column", &column.name)?;
        let null = if column.nullable && !wanted.primary_key.contains(&column.name) {
            ""
        } else {
            " NOT NULL"
        };
        let native_type = native_type(&column.column_type, extensions)
            .ok_or_else(|| cannot_create(&column.name))?;
        let default = default_clause(&native_type, column.default.as_ref());
        parts.push(format!(
            "{} {native_type}{default}{null}",
            sql::quoted(&column.name)
        ));
    }
    if !wanted.primary_key.is_empty() {
        let key: Vec<String> = wanted
            .primary_key
            .iter()
            .map(|name| sql::quoted(name))
            .collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    Ok(format!(
        "CREATE TABLE IF NOT EXISTS {} ({})",
        sql::qualified(&wanted.name),
        parts.join(", ")
    ))
}

/// Of a column without a type.
pub(super) fn cannot_create(column: &str) -> SinkError {
    SinkError::stop(format!(
        "cannot create column \"{column}\": no type is known for it"
    ))
}

/// How rows can get into a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access {
    /// `COPY` does there what `INSERT` does: it takes no views, no row-level security, and passes
    /// rules by. Its guard needs the right to read.
    pub(super) is_copyable: bool,
    /// A foreign key of another table refers to it: PostgreSQL does not truncate it then, even where no
    /// row refers to one of it.
    pub(super) is_referenced: bool,
    /// Keys that differ in their bytes may be one key to the table (`char(n)`, `citext`, types with a
    /// notation of their own, a collation that finds different texts equal).
    pub(super) has_fuzzy_key: bool,
}

/// Looks up how rows can get into a table with this key.
pub(super) async fn access(
    link: &Link,
    name: &TableName,
    key: &[&str],
) -> Result<Access, SinkError> {
    let action = format!("look at table {name}");
    let quoted = sql::qualified(name);
    let parameters: [&(dyn ToSql + Sync); 2] = [&quoted, &key];
    let text = access_text();
    let query = link.client().query_opt(&text, &parameters);
    let found = link.answer(&action, query).await?;
    let row = found.ok_or_else(|| {
        SinkError::stop(format!(
            "{action}: there is no such table; create it or set auto.create"
        ))
        .with_changed_table()
    })?;
    if let Some(weakness) = weakness(row.get(3), row.get(4)) {
        tracing::warn!(table = %name, "{weakness}");
    }
    Ok(Access {
        is_copyable: row.get(0),
        is_referenced: row.get(1),
        has_fuzzy_key: row.get(2),
    })
}

/// Why rows of such a table are not one with the positions, come what may.
fn weakness(is_foreign: bool, is_unlogged: bool) -> Option<&'static str> {
    if is_foreign {
        return Some(
            "the table is a foreign one, whose server commits by itself: a crash between its commit and \
             this server's repeats rows",
        );
    }
    is_unlogged.then_some(
        "the table is unlogged: a crash of the server empties it, and its records are not written again",
    )
}

/// Checks that the columns to be written still have the types that the target names.
pub(super) async fn require_unchanged(link: &Link, target: &Target) -> Result<(), SinkError> {
    let name = &target.table.name;
    let described = describe(link, name).await?;
    let has_same = |column: &ColumnDef| {
        let columns = described.iter().flat_map(|table| &table.columns);
        let mut same_name = columns.filter(|found| found.name == column.name);
        same_name.any(|found| {
            (found.native_type_id, &found.native_type)
                == (column.native_type_id, &column.native_type)
        })
    };
    let mut written = (0..target.written.len()).map(|column| target.column(column));
    match written.find(|column| !has_same(column)) {
        None => Ok(()),
        Some(column) => Err(SinkError::stop(format!(
            "column \"{}\" of table {name} is not {} any more: restart the task",
            column.name, column.native_type
        ))
        .with_changed_table()),
    }
}

fn access_text() -> String {
    format!(
        "SELECT {COPYABLE} AND has_table_privilege(pg_class.oid, 'SELECT'), \
                {IS_REFERENCED}, {HAS_FUZZY_KEY}, relkind = 'f', relpersistence = 'u' \
         FROM pg_catalog.pg_class WHERE oid = to_regclass($1::text)"
    )
}

/// The table is emptied with its partitions, and with those that inherit from it.
const IS_REFERENCED: &str = "\
    EXISTS (\
        WITH RECURSIVE emptied(id) AS (\
            SELECT pg_class.oid \
            UNION \
            SELECT inhrelid FROM pg_catalog.pg_inherits JOIN emptied ON inhparent = id\
        ) \
        SELECT FROM pg_catalog.pg_constraint \
        WHERE contype = 'f' AND confrelid IN (SELECT id FROM emptied) \
          AND conrelid NOT IN (SELECT id FROM emptied)\
    )";

const HAS_FUZZY_KEY: &str = "\
    EXISTS (\
        SELECT FROM pg_catalog.pg_attribute \
        JOIN pg_catalog.pg_type ON pg_type.oid = atttypid \
        LEFT JOIN pg_catalog.pg_type AS base ON base.oid = pg_type.typbasetype \
        LEFT JOIN pg_catalog.pg_collation ON pg_collation.oid = attcollation \
        WHERE attrelid = pg_class.oid AND attname = ANY($2::text[]) \
          AND (NOT coalesce(collisdeterministic, true) \
               OR coalesce(base.typtype, pg_type.typtype) <> 'e' \
               AND coalesce(base.typname, pg_type.typname) NOT IN (\
                   'bool', 'bytea', 'date', 'float4', 'float8', 'int2', 'int4', 'int8', \
                   'name', 'numeric', 'oid', 'text', 'time', 'timestamp', 'timestamptz', \
                   'uuid', 'varchar'))\
    )";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{ColumnType, NewColumn};

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

    fn wanted(columns: &[(&str, ColumnType, bool)], key: &[&str]) -> NewTable {
        let column = |(name, column_type, nullable): &(&str, ColumnType, bool)| NewColumn {
            name: (*name).to_owned(),
            column_type: column_type.clone(),
            nullable: *nullable,
            default: None,
        };
        NewTable {
            name: TableName::parse("app.orders"),
            columns: columns.iter().map(column).collect(),
            primary_key: key.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn tables_to_be_created() {
        let check = |columns: &[(&str, ColumnType, bool)], key: &[&str], expected: &str| {
            let text = create_text(&wanted(columns, key), &Extensions::default()).expect("fits");
            assert_eq!(
                text,
                format!("CREATE TABLE IF NOT EXISTS \"app\".\"orders\" ({expected})")
            );
        };
        check(&[], &[], "");
        check(
            &[
                ("id", ColumnType::Int64, true),
                ("a \"b\"", text(Some(3)), true),
                ("c", decimal(12, 3), false),
                ("d", NO_LIMITS, true),
                ("e", decimal(4_000, 2), true),
                ("f", ColumnType::Json, true),
                ("g", ColumnType::TimestampTz, true),
            ],
            &["id"],
            "\"id\" bigint NOT NULL, \"a \"\"b\"\"\" varchar(3), \"c\" numeric(12,3) NOT NULL, \
             \"d\" numeric, \"e\" numeric, \"f\" jsonb, \"g\" timestamptz, PRIMARY KEY (\"id\")",
        );
    }

    #[test]
    fn unfit_tables_are_refused() {
        let check = |column: &str, column_type: ColumnType, expected: &str| {
            let wanted = wanted(&[(column, column_type, true)], &[]);
            let error = create_text(&wanted, &Extensions::default()).expect_err("unfit");
            assert_eq!(error.class(), ErrorClass::Stop);
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(&"c".repeat(64), ColumnType::Bool, "63 bytes");
        check("", ColumnType::Bool, "is empty");
        check("c", ColumnType::Unsupported, "no type is known");
    }
}
