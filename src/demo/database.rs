//! The target: an SQLite file with a table for orders, made before the worker sees it.
//!
//! The table has **no key and no unique index** on purpose: a record that is written twice is two
//! rows there, and nothing hides it. After that the demo only reads, beside the worker that writes;
//! write-ahead logging lets both go on.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::DemoError;
use super::reconcile::StoredOrder;

/// How long a read waits for a lock; in write-ahead mode it hardly ever has to.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const CREATE: &str = "CREATE TABLE orders (\
    order_id INTEGER NOT NULL, customer TEXT NOT NULL, product TEXT NOT NULL, \
    quantity INTEGER NOT NULL, price DECIMAL(10,2) NOT NULL, ordered_at TIMESTAMPTZ NOT NULL)";

/// Rows are only ever added, one by one, so the highest row number is their count; and it is found
/// without reading them all.
const COUNT: &str = "SELECT coalesce(max(rowid), 0) FROM orders";

const ROWS: &str = "SELECT order_id, customer, product, quantity, \
    CAST(round(price * 100) AS INTEGER), ordered_at FROM orders";

/// The worker makes this table when it first opens the database.
const HAS_POSITIONS: &str = "SELECT count(*) FROM sqlite_master WHERE name = 'rowdock_progress'";

/// Negative partitions are the table's own notes.
const POSITIONS: &str =
    "SELECT \"partition\", next_offset FROM rowdock_progress WHERE \"partition\" >= 0";

/// The target, open for reading.
pub(super) struct TargetDatabase {
    connection: SqliteConnection,
}

/// Rows and positions as they were at one moment.
pub(super) struct Snapshot {
    /// All rows.
    pub(super) rows: Vec<StoredOrder>,
    /// The next offset to be stored, by partition.
    pub(super) next_offsets: HashMap<i32, i64>,
}

impl TargetDatabase {
    /// Makes the file and its table.
    ///
    /// # Errors
    /// SQLite's.
    pub(super) async fn create(path: &Path) -> Result<Self, DemoError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY_TIMEOUT);
        let mut writer = options
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .connect()
            .await?;
        sqlx::query(CREATE).execute(&mut writer).await?;
        writer.close().await?;
        let connection = options.read_only(true).connect().await?;
        Ok(Self { connection })
    }

    /// Number of rows.
    ///
    /// # Errors
    /// SQLite's.
    pub(super) async fn row_count(&mut self) -> Result<u64, DemoError> {
        let (count,): (i64,) = sqlx::query_as(COUNT)
            .fetch_one(&mut self.connection)
            .await?;
        Ok(count.unsigned_abs())
    }

    /// The next offset to be stored, by partition; empty before a worker has begun.
    ///
    /// # Errors
    /// SQLite's.
    pub(super) async fn next_offsets(&mut self) -> Result<HashMap<i32, i64>, DemoError> {
        Ok(read_positions(&mut self.connection).await?)
    }

    /// Rows and positions in one read transaction.
    ///
    /// # Errors
    /// SQLite's.
    pub(super) async fn snapshot(&mut self) -> Result<Snapshot, DemoError> {
        let mut transaction = self.connection.begin().await?;
        let next_offsets = read_positions(&mut transaction).await?;
        let rows: Vec<(i64, String, String, i64, i64, String)> =
            sqlx::query_as(ROWS).fetch_all(&mut *transaction).await?;
        transaction.rollback().await?;
        let rows = rows
            .into_iter()
            .map(
                |(order_id, customer, product, quantity, price_cents, ordered_at)| StoredOrder {
                    order_id,
                    customer,
                    product,
                    quantity,
                    price_cents,
                    ordered_at,
                },
            )
            .collect();
        Ok(Snapshot { rows, next_offsets })
    }
}

async fn read_positions(
    connection: &mut SqliteConnection,
) -> Result<HashMap<i32, i64>, sqlx::Error> {
    let (tables,): (i64,) = sqlx::query_as(HAS_POSITIONS)
        .fetch_one(&mut *connection)
        .await?;
    if tables == 0 {
        return Ok(HashMap::new());
    }
    let positions: Vec<(i32, i64)> = sqlx::query_as(POSITIONS).fetch_all(connection).await?;
    Ok(positions.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_and_positions_are_read_beside_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.db");
        let mut target = TargetDatabase::create(&path).await.unwrap();
        assert_eq!(target.row_count().await.unwrap(), 0);
        assert!(target.next_offsets().await.unwrap().is_empty());

        let options = SqliteConnectOptions::new().filename(&path);
        let mut writer = options.connect().await.unwrap();
        let statements = [
            "CREATE TABLE rowdock_progress (\"partition\" INTEGER, next_offset INTEGER)",
            "INSERT INTO rowdock_progress VALUES (-1, 0), (2, 7)",
            "INSERT INTO orders VALUES (1, 'a', 'kettle', 2, 98.00, 'noon')",
            "BEGIN IMMEDIATE",
            "INSERT INTO orders VALUES (2, 'b', 'kettle', 1, 0.29, 'noon')",
        ];
        for statement in statements {
            sqlx::query(statement).execute(&mut writer).await.unwrap();
        }
        assert_eq!(target.row_count().await.unwrap(), 1);
        let seen = target.snapshot().await.unwrap();
        assert_eq!(seen.next_offsets, HashMap::from([(2, 7)]));
        assert_eq!(seen.rows.len(), 1);
        assert_eq!(seen.rows[0].price_cents, 9800);

        sqlx::query("COMMIT").execute(&mut writer).await.unwrap();
        let seen = target.snapshot().await.unwrap();
        assert_eq!(seen.rows[1].price_cents, 29);
    }
}
