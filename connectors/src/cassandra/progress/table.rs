//! The progress table itself: found, or created.

use super::super::connect::Link;
use super::super::name::qualified;
use crate::error::{ErrorClass, SinkError};
use crate::table::TableName;

/// The name in the migration, in whose place the configured one is put.
const MIGRATION: &str = include_str!("../../../migrations/cassandra.cql");
const MIGRATION_NAME: &str = "rowdock_progress";

/// Creates the table unless it is there; returns its full name for statements.
pub(in super::super) async fn prepare_table(
    link: &Link,
    name: &TableName,
) -> Result<String, SinkError> {
    let (keyspace, table) = link.resolve(name)?;
    let full_name = qualified(keyspace, table);
    if exists(link, keyspace, table).await? {
        return Ok(full_name);
    }
    let text = creation(&full_name);
    if let Err(error) = link.define(&text).await {
        if exists(link, keyspace, table).await? {
            return Ok(full_name);
        }
        let class = match error.class() {
            ErrorClass::Retry => ErrorClass::Retry,
            _ => ErrorClass::Stop,
        };
        let message = format!(
            "the progress table {name} does not exist and cannot be created: {error}; let someone \
             who may do so run: {text}"
        );
        return Err(SinkError::new(class, message).with_source(error));
    }
    Ok(full_name)
}

async fn exists(link: &Link, keyspace: &str, table: &str) -> Result<bool, SinkError> {
    const TEXT: &str =
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?";
    let found = link.read_catalog(TEXT, (keyspace, table)).await?;
    Ok(found.rows_num() > 0)
}

/// The statement alone, without the comments around it.
fn creation(full_name: &str) -> String {
    let without_comments = MIGRATION
        .lines()
        .map(|line| line.split_once("--").map_or(line, |(before, _)| before));
    let statement: Vec<&str> = without_comments.flat_map(str::split_whitespace).collect();
    let statement = statement.join(" ").replacen(MIGRATION_NAME, full_name, 1);
    statement.trim_end_matches(';').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_is_the_migrations() {
        let text = creation("\"k\".\"p\"");
        assert!(
            text.starts_with("CREATE TABLE IF NOT EXISTS \"k\".\"p\" ( cluster_id text,"),
            "{text}"
        );
        assert!(
            text.ends_with("PRIMARY KEY ((cluster_id, connector, topic, partition)) )"),
            "{text}"
        );
        assert!(!text.contains("--"), "{text}");
    }
}
