//! The sink against real files, each test in a folder of its own.

use std::path::PathBuf;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Row, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::error::ErrorClass;
use crate::options::SinkTimeouts;
use crate::position::{PartitionKey, PositionMove};
use crate::row::fixture::push_row;
use crate::row::{Cell, TableRows};
use crate::table::{Target, WriteMode};

mod connection;
mod fence;
mod keys;
mod modes;
mod rejects;
mod rows;
mod schema;
mod shapes;

/// A database file, a sink for it, and a way to look at it from outside.
struct Database {
    sink: SqliteSink,
    path: PathBuf,
    _folder: TempDir,
}

fn options(path: &std::path::Path) -> SinkOptions {
    SinkOptions::fixture(&format!("jdbc:sqlite:{}", path.display()))
}

impl Database {
    async fn new(ddl: &str) -> Self {
        Self::with(ddl, |_| {}).await
    }

    async fn with(ddl: &str, change: impl FnOnce(&mut SinkOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("target.db");
        let mut options = options(&path);
        change(&mut options);
        let database = Self {
            sink: SqliteSink::new(options).unwrap(),
            path,
            _folder: folder,
        };
        database.run(ddl).await;
        database
    }

    async fn session(&self) -> Box<dyn Session> {
        self.sink.open().await.unwrap()
    }

    async fn outside(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(true);
        options.connect().await.unwrap()
    }

    async fn run(&self, sql: &str) {
        let mut connection = self.outside().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await
            .unwrap();
        // Dropped, it would write its log back into the file at some later time.
        connection.close().await.unwrap();
    }

    /// Rows as text: columns joined by `|`, as quoted SQL literals.
    async fn query(&self, columns: &[&str], rest: &str) -> Vec<String> {
        let quoted: Vec<String> = columns
            .iter()
            .map(|column| format!("quote({column})"))
            .collect();
        let sql = format!("SELECT {} AS line {rest}", quoted.join(" || '|' || "));
        let mut connection = self.outside().await;
        let rows = sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        rows.iter().map(|row| row.get("line")).collect()
    }

    async fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        let mut connection = self.outside().await;
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    /// `next_offset` of the partitions of topic `orders`.
    async fn positions(&self) -> Vec<String> {
        let rest = "FROM rowdock_progress WHERE \"partition\" >= 0 ORDER BY \"partition\"";
        self.query(&["\"partition\"", "next_offset"], rest).await
    }

    async fn target(&self, table: &str, key: &[&str], mode: WriteMode) -> Arc<Target> {
        let mut session = self.session().await;
        let described = session
            .describe_table(&TableName::parse(table))
            .await
            .unwrap();
        target_of(described.unwrap(), key, mode)
    }
}

/// Writes every column that may be written.
fn target_of(table: Table, key: &[&str], mode: WriteMode) -> Arc<Target> {
    let written: Vec<usize> = (0..table.columns.len())
        .filter(|index| !table.columns[*index].generated)
        .collect();
    let place = |name: &&str| {
        let is_named = |index: &usize| table.columns[*index].name == *name;
        written.iter().position(is_named).unwrap()
    };
    Arc::new(Target {
        key: key.iter().map(place).collect(),
        written,
        mode,
        guard: None,
        tombstones: None,
        table,
    })
}

fn key(partition: i32) -> PartitionKey {
    PartitionKey {
        topic: "orders".into(),
        partition,
    }
}

fn starts(first: bool, offsets: &[(i32, i64)]) -> StartRows {
    StartRows {
        topic: "orders".into(),
        topic_id: "topic-id".to_owned(),
        first,
        offsets: offsets.to_vec(),
    }
}

fn claim_of(partitions: &[i32], generation: i32) -> ClaimRequest {
    ClaimRequest {
        claim_id: Uuid::new_v4(),
        generation,
        force: false,
        owner: "worker-1 orders-0".to_owned(),
        partitions: partitions.iter().map(|partition| key(*partition)).collect(),
        compacted: std::collections::BTreeSet::new(),
    }
}

fn moved(partition: i32, claim_id: Uuid, from: i64, to: i64) -> PositionMove {
    PositionMove {
        key: key(partition),
        claim_id,
        from,
        to,
        leader_epoch: 3,
        times: Vec::new(),
    }
}

/// Starts partitions 0 and 1 at 0 and claims them.
async fn claimed(database: &Database) -> (Box<dyn Session>, Uuid) {
    let mut session = database.session().await;
    session
        .write_starts(&starts(true, &[(0, 0), (1, 0)]))
        .await
        .unwrap();
    let request = claim_of(&[0, 1], 1);
    session.claim(&request).await.unwrap();
    (session, request.claim_id)
}

/// A record of the tests: its cells, and whether it is a delete.
type Record<'a> = (&'a [Cell<'a>], bool);

fn rows_of(target: &Arc<Target>, records: &[Record<'_>]) -> TableRows {
    let mut rows = TableRows::new(Arc::clone(target));
    for (cells, delete) in records {
        push_row(&mut rows, cells, *delete);
    }
    rows
}

fn batch_of(positions: Vec<PositionMove>, tables: Vec<TableRows>) -> Batch {
    Batch {
        positions_stored: true,
        positions,
        tables,
    }
}

/// Writes rows without positions, as at-least-once does.
async fn write_rows_only(session: &mut Box<dyn Session>, rows: TableRows) -> Result<(), SinkError> {
    let batch = Batch {
        positions: vec![moved(0, Uuid::nil(), 0, 0)],
        tables: vec![rows],
        positions_stored: false,
    };
    session
        .write(&batch)
        .await
        .map(|outcome| assert_eq!(outcome, WriteOutcome::Committed))
}
