//! Changing tables: columns are added. Cassandra changes no column's type.

use super::connect::Link;
use super::name::{qualified, quoted};
use super::schema;
use super::settings::CassandraSettings;
use super::types;
use crate::error::SinkError;
use crate::evolve::{self, Change};
use crate::table::{NewColumn, Table, TableName};

const BY_HAND: &str = "CREATE TABLE with the wider column, and write the topic to it anew";

/// Another worker may add the same column between our look at the table and our statement.
const ATTEMPTS_MAX: usize = 4;

/// Adds the missing columns, one after the other, and reads the table back.
pub(super) async fn evolve(
    link: &Link,
    settings: &CassandraSettings,
    name: &TableName,
    wanted: &[NewColumn],
) -> Result<Table, SinkError> {
    let mut refused = None;
    for _ in 0..ATTEMPTS_MAX {
        let described = schema::describe(link, settings, name).await?;
        let table = described.map(|described| described.table).ok_or_else(|| {
            let message = format!("table {name} is gone: create it or set auto.create");
            SinkError::stop(message).with_changed_table()
        })?;
        let changes = evolve::changes(&table, wanted);
        if changes.is_empty() {
            return Ok(table);
        }
        refused = None;
        for change in &changes {
            let text = statement(link, &table, change)?;
            if let Err(error) = link.define(&text).await {
                refused = Some((error, text, changes.clone()));
                break;
            }
        }
    }
    Err(match refused {
        Some((error, _, _)) if error.class() == crate::ErrorClass::Retry => error,
        Some((error, text, changes)) => {
            evolve::refused(name, &changes, &error, &text).with_source(error)
        }
        None => SinkError::retry(format!("table {name} is being changed by others")),
    })
}

fn statement(link: &Link, table: &Table, change: &Change) -> Result<String, SinkError> {
    let (keyspace, name) = link.resolve(&table.name)?;
    match change {
        Change::Add {
            name: column,
            column_type,
            // It has none.
            default: _,
        } => Ok(format!(
            "ALTER TABLE {} ADD {} {}",
            qualified(keyspace, name),
            quoted(column),
            types::created(column, column_type)?
        )),
        Change::Widen { column, to } => Err(evolve::impossible(
            &table.name,
            column,
            to,
            "cassandra changes no column's type",
            BY_HAND,
        )),
    }
}
