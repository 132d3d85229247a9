//! What the tests of Cassandra share: a keyspace, a load, and what must be there in the end. The cluster's
//! tests ([`chaos`](crate::chaos)) have keyspaces, too, with loads of their own.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::frame::types::Consistency;
use scylla::statement::unprepared::Statement;

use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::orders::until_each_owns;
use crate::support::producer::{Load, LoadSpec};
use crate::support::services::services;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Worker;

/// A node changes its schema by one statement after the other, and many tests begin and end with some.
const SCHEMA_CHANGE_MAX: Duration = seconds(120);

pub(super) const PARTITIONS: i32 = 4;

/// Few enough that each is written often, and deleted between.
const ITEMS: i64 = 60;

/// A node that shares a busy machine with other databases takes its time; nothing below depends on how
/// long anything takes.
pub(crate) const PATIENCE: Duration = seconds(90);

/// What a row says: producer's number of the record, amount, write timestamp.
pub(crate) type Row = (i64, i64, i64);

/// How a row of the progress table is named whose position was set by hand later, as the sink does it.
const KEPT: &str = "/reset/";

/// A keyspace with the table `orders`.
pub(crate) struct Keyspace {
    pub(crate) name: String,
    pub(crate) session: Session,
}

/// A row of the progress table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) next: i64,
    pub(crate) owner: String,
    pub(crate) claims: i64,
    pub(crate) resets: i64,
    /// It says where the partition stood before its position was set by hand.
    pub(crate) is_kept: bool,
}

impl Keyspace {
    pub(crate) async fn create(stage: &Stage) -> Self {
        Self::create_on(stage, &services().cassandra, 1).await
    }

    /// On this node, with so many replicas.
    pub(super) async fn create_on(stage: &Stage, node: &str, replicas: usize) -> Self {
        let session = SessionBuilder::new().known_node(node).build().await;
        let session = session.expect("a session");
        // Names of keyspaces are short.
        let name = format!("k{:016x}", fastrand::u64(..));
        let keyspace = Self { name, session };
        stage.tell(format_args!("keyspace {}", keyspace.name));
        let name = &keyspace.name;
        keyspace
            .run(&format!(
                "CREATE KEYSPACE {name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': {replicas}}}"
            ))
            .await;
        keyspace.create_table("orders").await;
        keyspace
    }

    /// A table that keeps what was said last of each item.
    pub(crate) async fn create_table(&self, table: &str) {
        self.run(&format!(
            "CREATE TABLE {}.{table} (item bigint PRIMARY KEY, producer int, seq bigint, amount bigint)",
            self.name
        ))
        .await;
    }

    /// Into the table `orders`.
    pub(super) fn connector(&self, stage: &Stage, topic: &Topic) -> Connector {
        self.connector_to("orders", stage, topic)
    }

    /// A batch holds what comes in seconds: with less, a node that answers slowly would never be done with
    /// one partition, and a test would wait in vain for the next.
    pub(crate) fn connector_to(&self, table: &str, stage: &Stage, topic: &Topic) -> Connector {
        Connector::upsert(stage, topic, table)
            .set("connector.class", "CassandraSink")
            .set("connection.url", &self.url(&services().cassandra))
            .set("batch.size", "2000")
    }

    /// For a connector, by the address of a node or of a proxy before it.
    pub(crate) fn url(&self, address: &str) -> String {
        format!("cassandra://{address}/{}", self.name)
    }

    pub(crate) async fn run(&self, cql: &str) {
        let mut statement = Statement::new(cql);
        statement.set_request_timeout(Some(SCHEMA_CHANGE_MAX));
        let done = self.session.query_unpaged(statement, ()).await;
        done.unwrap_or_else(|error| panic!("{cql}: {error}"));
    }

    /// The rows of a table, by item.
    pub(crate) async fn rows(&self, table: &str) -> BTreeMap<i64, Row> {
        let columns = "item, seq, amount, writetime(amount)";
        let cql = format!("SELECT {columns} FROM {}.{table}", self.name);
        let pages = self.session.query_iter(cql, ()).await.expect("rows");
        let rows = pages.rows_stream::<(i64, i64, i64, i64)>();
        rows.expect("four columns")
            .map_ok(|(item, seq, amount, at)| (item, (seq, amount, at)))
            .try_collect()
            .await
            .expect("values")
    }

    /// All of the progress table; nothing, as long as nobody has created it.
    pub(crate) async fn progress(&self) -> Vec<Progress> {
        let columns = "cluster_id, topic, partition, next_offset, owner, claim_count, reset_count";
        let cql = format!("SELECT {columns} FROM {}.rowdock_progress", self.name);
        let mut statement = Statement::new(cql);
        // Also of a cluster that has lost its quorum.
        statement.set_consistency(Consistency::One);
        let Ok(answer) = self.session.query_unpaged(statement, ()).await else {
            return Vec::new();
        };
        let answer = answer.into_rows_result().expect("rows");
        let rows = answer.rows::<ProgressRow>().expect("seven columns");
        let rows = rows.map(|row| row.expect("values"));
        rows.filter_map(Progress::from_row).collect()
    }

    /// Of each partition, where it stands and whose it is.
    pub(super) async fn positions(&self) -> BTreeMap<i32, (i64, String)> {
        let rows = self.progress().await.into_iter();
        rows.filter(|row| !row.is_kept)
            .map(|row| (row.partition, (row.next, row.owner)))
            .collect()
    }

    /// Waits until the table `orders` agrees with the topic.
    pub(super) async fn agrees(&self, topic: &Topic) {
        self.table_agrees("orders", topic).await;
    }

    /// Waits until the table says what the topic does, cell by cell and timestamp by timestamp. Returns the
    /// number of its rows.
    pub(crate) async fn table_agrees(&self, table: &str, topic: &Topic) -> usize {
        let expected = expected(topic).await;
        assert!(!expected.is_empty());
        eventually("the table to agree with the topic", PATIENCE, || async {
            let rows = self.rows(table).await;
            let differing = expected
                .iter()
                .find(|(item, row)| rows.get(item) != Some(row));
            let extra = rows.keys().find(|item| !expected.contains_key(item));
            check(differing.is_none() && extra.is_none(), || {
                let stored = differing.map(|(item, _)| rows.get(item));
                format!("expected {differing:?}, stored {stored:?}; not expected: {extra:?}")
            })
        })
        .await;
        expected.len()
    }

    pub(crate) async fn drop(&self) {
        self.run(&format!("DROP KEYSPACE {}", self.name)).await;
    }
}

/// Columns that somebody may not have written yet are null.
type ProgressRow = (
    String,
    String,
    i32,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<i64>,
);

impl Progress {
    /// The guard row of a topic has no position.
    fn from_row(row: ProgressRow) -> Option<Self> {
        let (cluster_id, topic, partition, next, owner, claims, resets) = row;
        Some(Self {
            topic,
            partition,
            next: next?,
            owner: owner.unwrap_or_default(),
            claims: claims.unwrap_or_default(),
            resets: resets.unwrap_or_default(),
            is_kept: cluster_id.contains(KEPT),
        })
    }
}

/// The fold of the topic, by the clock's own rule: one more than before, or the record's time.
pub(super) async fn expected(topic: &Topic) -> BTreeMap<i64, Row> {
    let mut rows = BTreeMap::new();
    let mut clocks = BTreeMap::new();
    for record in kafka::read_topic(&topic.name, topic.partitions).await {
        let key: serde_json::Value =
            serde_json::from_slice(&record.key.expect("a key")).expect("json");
        let item = key["item"].as_i64().expect("a number");
        let clock = clocks
            .entry(item.rem_euclid(topic.partitions.into()))
            .or_insert(0);
        let time = record.timestamp_ms.expect("a time") * 1_000;
        *clock = time.max(*clock + 1);
        match record.value {
            None => {
                rows.remove(&item);
            }
            Some(value) => {
                let value: serde_json::Value = serde_json::from_slice(&value).expect("json");
                let number = |field: &str| value[field].as_i64().expect("a number");
                rows.insert(item, (number("seq"), number("amount"), *clock));
            }
        }
    }
    rows
}

pub(super) fn load(stage: &Stage, topic: &Topic) -> Load {
    Load::start(&topic.name, &stage.ledger, changes(stage, topic))
}

fn changes(stage: &Stage, topic: &Topic) -> LoadSpec {
    LoadSpec {
        items: ITEMS,
        delete_every: 9,
        seed: stage.seed,
        ..LoadSpec::append(400, topic.partitions)
    }
}

/// Records that are there once and no more, so that each that is missing shows; and changes of few items
/// among them, which show each that is out of its place.
pub(super) struct Loads {
    once: Load,
    changes: Load,
}

impl Loads {
    pub(super) fn begin(stage: &Stage, topic: &Topic) -> Self {
        let once = LoadSpec {
            producer: 2,
            ..LoadSpec::append(100, topic.partitions)
        };
        let changes = LoadSpec {
            per_second: 100,
            ..changes(stage, topic)
        };
        Self {
            once: Load::start(&topic.name, &stage.ledger, once),
            changes: Load::start(&topic.name, &stage.ledger, changes),
        }
    }

    pub(super) async fn finish(self) {
        self.once.finish().await;
        self.changes.finish().await;
    }
}

/// Waits until every partition has got further than it stands now.
pub(super) async fn until_flowing(keyspace: &Keyspace, topic: &Topic, deadline: Duration) {
    let before = keyspace.positions().await;
    eventually("every partition to move", deadline, || async {
        let now = keyspace.positions().await;
        let still = (0..topic.partitions).find(|partition| {
            let stood = before.get(partition).map_or(0, |(next, _)| *next);
            now.get(partition).is_none_or(|(next, _)| *next <= stood)
        });
        check(still.is_none(), || {
            format!("partition {still:?} of {now:?}")
        })
    })
    .await;
}

/// Waits until each of these workers holds partitions.
pub(super) async fn until_shared(keyspace: &Keyspace, workers: &[&Worker]) {
    let owners = async || {
        let positions = keyspace.positions().await.into_iter();
        positions
            .map(|(partition, (_, owner))| (partition, owner))
            .collect()
    };
    until_each_owns(workers, PATIENCE, owners).await;
}
