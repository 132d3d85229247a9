//! A schema of one test, and what the tests say often.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rowdock_connectors::postgres::PostgresSink;
use rowdock_connectors::{
    Batch, Cell, ClaimAnswer, ClaimRequest, Origin, PartitionKey, PositionMove, RowKind, Session,
    Sink, SinkOptions, StartRows, TableName, TableRows, Target, WriteMode, WriteOutcome,
};
use tokio_postgres::types::FromSqlOwned;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::conformance::support::options;
use crate::services;

/// How long a condition may take to come true.
const CONDITION_DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Database {
    pub(crate) schema: String,
    pub(crate) admin: Client,
    url: String,
}

impl Database {
    pub(crate) async fn new() -> Self {
        let url = services::address("ROWDOCK_TEST_POSTGRES");
        let schema = format!("test_{}", Uuid::new_v4().simple());
        let admin = connect(&url).await;
        let database = Self { schema, admin, url };
        database
            .run(&format!(
                "CREATE SCHEMA {0}; SET search_path = {0}",
                database.schema
            ))
            .await;
        database
    }

    /// A second connection besides the sink's, in the test's schema.
    pub(crate) async fn other_client(&self) -> Client {
        let client = connect(&self.url).await;
        let text = format!("SET search_path = {}", self.schema);
        client.batch_execute(&text).await.expect("search path");
        client
    }

    pub(crate) async fn run(&self, text: &str) {
        self.admin.batch_execute(text).await.expect(text);
    }

    /// The only column of the only row.
    pub(crate) async fn value<T: FromSqlOwned>(&self, text: &str) -> T {
        self.admin.query_one(text, &[]).await.expect(text).get(0)
    }

    /// The rows' columns as one text each, in the order of the query.
    pub(crate) async fn texts(&self, text: &str) -> Vec<String> {
        let rows = self.admin.query(text, &[]).await.expect(text);
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub(crate) fn options(&self) -> SinkOptions {
        self.options_at(&self.url)
    }

    /// As [`options`](Self::options), with this server or user.
    pub(crate) fn options_at(&self, url: &str) -> SinkOptions {
        let url = format!("{url}?currentSchema={}", self.schema);
        options(&url, "orders", true)
    }

    /// The server's `host:port`, and the URL with another one.
    pub(crate) fn through(&self, address: &str) -> (String, String) {
        let (before, after) = self.url.rsplit_once('@').expect("user before the address");
        let (server, database) = after.split_once('/').expect("database after the address");
        (server.to_owned(), format!("{before}@{address}/{database}"))
    }

    pub(crate) async fn session(&self) -> Box<dyn Session> {
        open(self.options()).await
    }

    /// A session with these options, which has written one row into `t (n)`.
    pub(crate) async fn one_row_written(&self, options: SinkOptions) -> Box<dyn Session> {
        let mut session = open(options).await;
        let target = self
            .target(&mut *session, "t", &["n"], 0, WriteMode::Insert)
            .await;
        let written = rows_only(vec![rows(&target, &[&[Cell::Int(1)]])]);
        let outcome = session.write(&written).await.expect("written");
        assert_eq!(outcome, WriteOutcome::Committed);
        session
    }

    /// The rows' target: these columns, by name; the first `key` of them are the key.
    pub(crate) async fn target(
        &self,
        session: &mut dyn Session,
        table: &str,
        columns: &[&str],
        key: usize,
        mode: WriteMode,
    ) -> Arc<Target> {
        let name = TableName::parse(table);
        let described = session.describe_table(&name).await.expect("described");
        let table = described.expect("exists");
        let index = |name: &&str| table.column_index(name).expect("column");
        Arc::new(Target {
            written: columns.iter().map(index).collect(),
            key: (0..key).collect(),
            mode,
            guard: None,
            tombstones: None,
            table,
        })
    }
}

impl Drop for Database {
    /// On a thread of its own, since a runtime cannot be waited for inside another.
    fn drop(&mut self) {
        let (url, schema) = (self.url.clone(), self.schema.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("runtime").block_on(async {
                let client = connect(&url).await;
                let text = format!(
                    "SET lock_timeout = '5s'; SET client_min_messages = warning; \
                     DROP SCHEMA {schema} CASCADE"
                );
                client.batch_execute(&text).await
            })
        });
        let dropped = dropping.join();
        if !std::thread::panicking() {
            dropped.expect("joined").expect("schema dropped");
        }
    }
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connects");
    tokio::spawn(connection);
    client
}

pub(crate) async fn open(options: SinkOptions) -> Box<dyn Session> {
    let sink = PostgresSink::new(options).expect("options");
    sink.open().await.expect("session")
}

pub(crate) fn key(partition: i32) -> PartitionKey {
    PartitionKey {
        topic: Arc::from("orders"),
        partition,
    }
}

/// Starts partitions `0..partitions` at offset 0.
pub(crate) async fn start(session: &mut dyn Session, partitions: i32) {
    let starts = StartRows {
        topic: Arc::from("orders"),
        topic_id: "id-1".to_owned(),
        first: true,
        offsets: (0..partitions).map(|partition| (partition, 0)).collect(),
    };
    session.write_starts(&starts).await.expect("started");
}

pub(crate) fn claim_request(partitions: &[i32], generation: i32) -> ClaimRequest {
    ClaimRequest {
        claim_id: Uuid::new_v4(),
        generation,
        force: false,
        owner: "worker/0".to_owned(),
        partitions: partitions.iter().map(|partition| key(*partition)).collect(),
        compacted: std::collections::BTreeSet::new(),
    }
}

/// Claims partitions that are there; returns the claim id.
pub(crate) async fn claim(session: &mut dyn Session, partitions: &[i32]) -> Uuid {
    let request = claim_request(partitions, 1);
    let answers = session.claim(&request).await.expect("claimed");
    let all = answers
        .iter()
        .all(|answer| matches!(answer, ClaimAnswer::Claimed { .. }));
    assert!(all, "{answers:?}");
    request.claim_id
}

pub(crate) fn moved(partition: i32, claim_id: Uuid, from: i64, to: i64) -> PositionMove {
    PositionMove {
        key: key(partition),
        claim_id,
        from,
        to,
        leader_epoch: 3,
        times: Vec::new(),
    }
}

pub(crate) fn rows(target: &Arc<Target>, records: &[&[Cell<'_>]]) -> TableRows {
    let mut rows = TableRows::new(Arc::clone(target));
    for record in records {
        push(&mut rows, record, false);
    }
    rows
}

pub(crate) fn push(rows: &mut TableRows, cells: &[Cell<'_>], delete: bool) {
    let kind = if delete {
        RowKind::Delete
    } else {
        RowKind::Write
    };
    push_kind(rows, cells, kind);
}

/// As [`push`], of any kind.
pub(crate) fn push_kind(rows: &mut TableRows, cells: &[Cell<'_>], kind: RowKind) {
    assert_eq!(cells.len(), rows.columns.len());
    for (column, cell) in rows.columns.iter_mut().zip(cells) {
        column.push(*cell).expect("fits its column");
    }
    let offset = i64::try_from(rows.len()).expect("few");
    rows.finish_row(Origin {
        position: 0,
        offset,
        kind,
    });
}

/// A batch that stores no positions.
pub(crate) fn rows_only(tables: Vec<TableRows>) -> Batch {
    Batch {
        positions: Vec::new(),
        tables,
        positions_stored: false,
    }
}

pub(crate) fn batch(positions: Vec<PositionMove>, tables: Vec<TableRows>) -> Batch {
    Batch {
        positions,
        tables,
        positions_stored: true,
    }
}

/// Asks until the answer is yes.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let asking = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let met = tokio::time::timeout(CONDITION_DEADLINE, asking).await;
    assert!(met.is_ok(), "in vain: {what}");
}
