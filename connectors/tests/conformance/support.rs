//! What the cases need of a database, and what they say often.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rowdock_connectors::{
    Batch, Cell, ClaimAnswer, ClaimRequest, ColumnType, NewColumn, NewTable, Origin, PartitionKey,
    PositionMove, ProgressScope, RenewRequest, RowKind, Session, Sink, SinkOptions, SinkTimeouts,
    StartRows, TableName, TableRows, Target, WriteMode,
};
use uuid::Uuid;

/// How long a condition may take to come true.
const CONDITION_DEADLINE: Duration = Duration::from_secs(60);

/// A database of one test's own.
#[async_trait]
pub(crate) trait Database: Send + Sync {
    /// A sink of this connector; every worker has one of its own.
    fn sink(&self, connector: &str, stores_positions: bool) -> Box<dyn Sink>;

    /// The rows of a table as `1,text,null`, sorted as texts.
    async fn rows(&self, table: &str, columns: &[&str]) -> Vec<String>;

    /// A table's columns stand in the order in which they were created.
    fn keeps_column_order(&self) -> bool {
        true
    }
}

/// Names of a table's columns, in the order in which they were created where the database keeps it.
pub(crate) fn check_columns(
    database: &(impl Database + ?Sized),
    table: &rowdock_connectors::Table,
    expected: &[&str],
) {
    let mut names: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let mut expected = expected.to_vec();
    if !database.keeps_column_order() {
        names.sort_unstable();
        expected.sort_unstable();
    }
    assert_eq!(names, expected);
}

/// A database that statements can be executed in from outside.
#[async_trait]
pub(crate) trait Outside: Database {
    async fn execute(&self, sql: &str);
}

#[async_trait]
impl<S: Server> Outside for S {
    async fn execute(&self, sql: &str) {
        self.run(sql).await;
    }
}

/// A database whose sessions are connections that others can get in the way of.
#[async_trait]
pub(crate) trait Server: Database {
    /// Executes statements from outside.
    async fn run(&self, sql: &str);

    /// A connection from outside, for a transaction.
    async fn client(&self) -> Box<dyn Client>;

    /// Ends all sessions of the sink, as an administrator does; returns how many there were.
    async fn end_sessions(&self) -> usize;

    /// Sessions of the sink that wait for a lock.
    async fn waiting(&self) -> usize;

    /// The server's `host:port`.
    fn address(&self) -> String;

    /// A sink that reaches the server at another address, in clear text.
    fn sink_at(&self, address: &str) -> Box<dyn Sink>;

    /// How many statements with rows a session has executed that has said this.
    fn statements(&self, said: &[u8]) -> usize;
}

/// A connection from outside.
#[async_trait]
pub(crate) trait Client: Send {
    async fn run(&mut self, sql: &str) -> Result<(), String>;
}

pub(crate) fn options(url: &str, connector: &str, stores_positions: bool) -> SinkOptions {
    SinkOptions {
        url: url.to_owned(),
        user: None,
        password: None,
        scope: ProgressScope {
            cluster_id: "cluster".to_owned(),
            connector: connector.to_owned(),
        },
        progress_table: "rowdock_progress".to_owned(),
        stores_positions,
        application_name: "rowdock/test".to_owned(),
        timeouts: SinkTimeouts::default(),
    }
}

pub(crate) async fn session(database: &(impl Database + ?Sized)) -> Box<dyn Session> {
    let opened = database.sink("orders", true).open().await;
    opened.expect("session")
}

pub(crate) async fn session_without_positions(
    database: &(impl Database + ?Sized),
) -> Box<dyn Session> {
    let opened = database.sink("orders", false).open().await;
    opened.expect("session")
}

pub(crate) fn key(partition: i32) -> PartitionKey {
    PartitionKey {
        topic: Arc::from("orders"),
        partition,
    }
}

pub(crate) fn starts(first: bool, offsets: &[(i32, i64)]) -> StartRows {
    StartRows {
        topic: Arc::from("orders"),
        topic_id: "id-1".to_owned(),
        first,
        offsets: offsets.to_vec(),
    }
}

/// Starts partitions `0..partitions` at offset 0.
pub(crate) async fn start(session: &mut dyn Session, partitions: i32) {
    let offsets: Vec<(i32, i64)> = (0..partitions).map(|partition| (partition, 0)).collect();
    let written = session.write_starts(&starts(true, &offsets)).await;
    written.expect("started");
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

pub(crate) fn claimed(next_offset: i64) -> ClaimAnswer {
    ClaimAnswer::Claimed {
        topic_id: "id-1".to_owned(),
        next_offset,
        leader_epoch: -1,
    }
}

/// Claims partitions that are there; returns the claim id.
pub(crate) async fn claim(session: &mut dyn Session, partitions: &[i32]) -> Uuid {
    let request = claim_request(partitions, 1);
    let answers = session.claim(&request).await.expect("claimed");
    for answer in &answers {
        assert!(matches!(answer, ClaimAnswer::Claimed { .. }), "{answer:?}");
    }
    assert_eq!(answers.len(), partitions.len());
    request.claim_id
}

pub(crate) fn renewal(partitions: &[i32], old: Uuid) -> RenewRequest {
    RenewRequest {
        new_claim_id: Uuid::new_v4(),
        partitions: partitions
            .iter()
            .map(|partition| (key(*partition), old))
            .collect(),
    }
}

pub(crate) fn moved(partition: i32, claim_id: Uuid, from: i64, to: i64) -> PositionMove {
    PositionMove {
        key: key(partition),
        claim_id,
        from,
        to,
        leader_epoch: -1,
        times: Vec::new(),
    }
}

/// Creates a table of a key `id`, a number `n` and a text `note`; `is_keyed`: `id` is the key.
pub(crate) async fn table(session: &mut dyn Session, name: &str, is_keyed: bool) {
    let column = |(name, column_type): (&str, ColumnType)| NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: name != "n",
        default: None,
    };
    let columns = [
        ("id", ColumnType::Int64),
        ("n", ColumnType::Int32),
        (
            "note",
            ColumnType::Text {
                max_chars: Some(10),
            },
        ),
    ];
    let wanted = NewTable {
        name: TableName::parse(name),
        columns: columns.into_iter().map(column).collect(),
        primary_key: is_keyed.then(|| "id".to_owned()).into_iter().collect(),
    };
    session.create_table(&wanted).await.expect("created");
}

/// The target of these columns; the first `key` of them are the key.
pub(crate) async fn target(
    session: &mut dyn Session,
    table: &str,
    columns: &[&str],
    key: usize,
    mode: WriteMode,
) -> Arc<Target> {
    let described = session.describe_table(&TableName::parse(table)).await;
    let table = described.expect("described").expect("exists");
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

/// A keyed table of that name, to be upserted.
pub(crate) async fn upserted(session: &mut dyn Session, name: &str) -> Arc<Target> {
    table(session, name, true).await;
    target(session, name, &["id", "n", "note"], 1, WriteMode::Upsert).await
}

/// A table without a key, to be appended to.
pub(crate) async fn appended(session: &mut dyn Session, name: &str) -> Arc<Target> {
    table(session, name, false).await;
    target(session, name, &["id", "n", "note"], 0, WriteMode::Insert).await
}

pub(crate) fn int(value: i64) -> Cell<'static> {
    Cell::Int(value)
}

/// A row that is written.
pub(crate) fn put<'a>(id: i64, n: Cell<'a>, note: Cell<'a>) -> Record<'a> {
    (vec![int(id), n, note], RowKind::Write)
}

/// What a record does, and its cells.
pub(crate) type Record<'a> = (Vec<Cell<'a>>, RowKind);

/// A row that is deleted.
pub(crate) fn gone(id: i64) -> Record<'static> {
    (vec![int(id)], RowKind::Delete)
}

/// All rows are deleted.
pub(crate) fn emptied() -> Record<'static> {
    (Vec::new(), RowKind::Truncate)
}

pub(crate) fn rows(target: &Arc<Target>, records: &[Record<'_>]) -> TableRows {
    let mut rows = TableRows::new(Arc::clone(target));
    for (cells, kind) in records {
        for (column, cell) in rows.columns.iter_mut().zip(cells) {
            column.push(*cell).expect("fits its column");
        }
        let offset = i64::try_from(rows.len()).expect("few");
        rows.finish_row(Origin {
            position: 0,
            offset,
            kind: *kind,
        });
    }
    rows
}

pub(crate) fn batch(positions: Vec<PositionMove>, tables: Vec<TableRows>) -> Batch {
    Batch {
        positions,
        tables,
        positions_stored: true,
    }
}

/// A batch that stores no positions.
pub(crate) fn rows_only(tables: Vec<TableRows>) -> Batch {
    Batch {
        positions: vec![moved(0, Uuid::nil(), 0, 0)],
        tables,
        positions_stored: false,
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
