//! Changing tables: columns are added. SQLite cannot change the type of a column, and need not, save
//! for decimals: integers, floats and texts of any declared type hold all there are.

use sqlx::sqlite::SqliteArguments;

use super::connect::Connection;
use super::schema::{declared_type, default_clause, describe_table};
use super::sql::{local_name, quoted};
use crate::error::{ErrorClass, SinkError};
use crate::evolve::{self, Change};
use crate::table::{NewColumn, Table, TableName};

const BY_HAND: &str = "CREATE TABLE with the wider column, INSERT INTO it from the old one, DROP TABLE \
                       the old one, ALTER TABLE .. RENAME TO its name";

/// Adds the missing columns in a transaction of its own, which begins with the lock of the file, and
/// reads the table back in the same.
pub(super) async fn evolve_table(
    connection: &mut Connection,
    name: &TableName,
    wanted: &[NewColumn],
) -> Result<Table, SinkError> {
    connection.begin().await?;
    let evolved = evolve_in_transaction(connection, name, wanted).await;
    connection.end(evolved).await
}

async fn evolve_in_transaction(
    connection: &mut Connection,
    name: &TableName,
    wanted: &[NewColumn],
) -> Result<Table, SinkError> {
    let table = described(connection, name).await?;
    let changes = evolve::changes(&table, wanted);
    if changes.is_empty() {
        return Ok(table);
    }
    for change in &changes {
        let sql = statement(&table, change)?;
        let adding = connection.execute("add a column", sql.clone(), SqliteArguments::default());
        adding.await.map_err(|error| {
            let may_pass = error.class() == ErrorClass::Retry || error.connection_lost();
            if may_pass || error.table_changed() {
                return error;
            }
            evolve::refused(name, std::slice::from_ref(change), &error, &sql)
        })?;
    }
    described(connection, name).await
}

async fn described(connection: &mut Connection, name: &TableName) -> Result<Table, SinkError> {
    describe_table(connection, name).await?.ok_or_else(|| {
        let message = format!("table {name} is gone: create it or set auto.create");
        SinkError::stop(message).with_changed_table()
    })
}

fn statement(table: &Table, change: &Change) -> Result<String, SinkError> {
    match change {
        Change::Add {
            name,
            column_type,
            default,
        } => {
            let declared = declared_type(name, column_type)?;
            Ok(format!(
                "ALTER TABLE main.{} ADD COLUMN {} {declared}{}",
                quoted(&local_name(&table.name)),
                quoted(name),
                default_clause(&declared, default.as_ref())
            ))
        }
        Change::Widen { column, to } => Err(evolve::impossible(
            &table.name,
            column,
            to,
            "sqlite cannot change the type of a column",
            BY_HAND,
        )),
    }
}
