//! The progress table itself: found, or created.

use tokio_postgres::types::Type;

use crate::error::{ErrorClass, SinkError};
use crate::postgres::link::Link;
use crate::postgres::{schema, sql};
use crate::table::TableName;

/// Creates the table; to be run by hand, too.
const MIGRATION: &str = include_str!("../../../migrations/postgres.sql");
/// Stands for the table's name in [`MIGRATION`], as `psql` has it.
const NAME_VARIABLE: &str = ":progress_table";

/// Returns the table's quoted name.
///
/// # Errors
/// *Stop* when it is absent and may not be created: the message then shows the SQL.
pub(super) async fn ensure(link: &Link, name: &str) -> Result<String, SinkError> {
    let name = TableName::parse(name);
    sql::check_table_name(&name)?;
    let quoted = sql::qualified(&name);
    if exists(link, &quoted).await? {
        return Ok(quoted);
    }
    let script = MIGRATION.replace(NAME_VARIABLE, &quoted);
    // Statements sent together are one transaction.
    let locked = format!("{}; {script}", schema::LOCK_DEFINITIONS);
    let created = link
        .answer(
            "create the progress table",
            link.client().batch_execute(&locked),
        )
        .await;
    match created {
        Ok(()) => {
            tracing::info!(table = %name, "created the progress table");
            Ok(quoted)
        }
        Err(error) if error.connection_lost() || error.class() == ErrorClass::Retry => Err(error),
        // Someone who does not know the lock may have been faster.
        Err(_) if exists(link, &quoted).await? => Ok(quoted),
        Err(error) => Err(SinkError::stop(format!(
            "{error}; grant that right, or let someone who has it run:\n{script}"
        ))),
    }
}

async fn exists(link: &Link, quoted: &str) -> Result<bool, SinkError> {
    let text = "SELECT relpersistence = 'p' AND relkind IN ('r', 'p') \
                FROM pg_catalog.pg_class WHERE oid = to_regclass($1)";
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] =
        [(&quoted, Type::TEXT)];
    let query = link.client().query_typed(text, &parameters);
    let found = link.answer("look for the progress table", query).await?;
    match found.first().map(|row| row.get::<_, bool>(0)) {
        None => Ok(false),
        Some(true) => Ok(true),
        Some(false) => Err(SinkError::stop(format!(
            "{quoted} cannot be the progress table: it must be a plain table that outlives a \
             crash, neither unlogged nor temporary; name another in progress.table"
        ))),
    }
}
