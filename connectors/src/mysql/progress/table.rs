//! The progress table itself: found, or created.

use crate::error::{ErrorClass, SinkError};
use crate::mysql::connect::Connector;
use crate::mysql::link::Link;
use crate::mysql::{schema, sql};
use crate::table::TableName;

/// Creates the table; to be run by hand, too.
const MIGRATION: &str = include_str!("../../../migrations/mysql.sql");
/// Stands for the table's name in [`MIGRATION`].
const NAME_IN_MIGRATION: &str = "`rowdock_progress`";

/// Returns the table's quoted name.
///
/// # Errors
/// *Stop* when it is absent and may not be created: the message then shows the SQL.
pub(super) async fn ensure(
    connector: &Connector,
    link: &mut Link,
    name: &str,
) -> Result<String, SinkError> {
    let name = TableName::parse(name);
    let quoted = sql::qualified(&name);
    // Refuses tables without transactions.
    if schema::describe(link, &name).await?.is_some() {
        return Ok(quoted);
    }
    let script = MIGRATION.replace(NAME_IN_MIGRATION, &quoted);
    match schema::define(connector, "create the progress table", &script).await {
        Ok(()) => {
            tracing::info!(table = %name, "created the progress table");
            Ok(quoted)
        }
        Err(error) if error.class() == ErrorClass::Retry => Err(error),
        // Someone who does not know the lock may have been faster.
        Err(_) if schema::describe(link, &name).await?.is_some() => Ok(quoted),
        Err(error) => Err(SinkError::stop(format!(
            "{error}; grant that right, or let someone who has it run:\n{script}"
        ))),
    }
}
