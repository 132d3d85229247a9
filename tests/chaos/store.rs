//! What the rows of a play go to, and how that is looked at: a database whose triggers remember everything,
//! or a keyspace of Cassandra, which has none and is looked at all the time ([`Watch`]). Scenarios name
//! neither.
//!
//! In an SQL table without a key a record that is stored twice is two rows. Cassandra keeps one row per
//! item, and each record of the orders has an item of its own: one that is lost is not there, and one that is
//! stored again has the write timestamp that it had before, or the table does not agree with its topic.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::play::PARTITIONS;
use super::watch::{Pause, Watch};
use crate::cassandra::play::{Keyspace, PATIENCE as KEYSPACE_PATIENCE, Progress};
use crate::support::connector::Connector;
use crate::support::engine::Engine;
use crate::support::items::Items;
use crate::support::oracle::{acknowledged_ends, until_reached};
use crate::support::orders::{Caught, Orders};
use crate::support::proxy::Proxy;
use crate::support::services::services;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::PATIENCE;
use crate::support::worker::Worker;

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Sql(Engine),
    Cassandra,
}

/// Where in a write a worker is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Nothing has been sent.
    Before,
    /// Some rows have been sent.
    AmidRows,
    /// Of rows and positions the ones have been written, the others not: of SQL the positions come first,
    /// in a transaction that is open; of Cassandra the rows.
    Between,
    /// All of it has been sent, and the worker has not heard what has become of it. Of Cassandra: has heard
    /// it, and told nobody.
    AtItsEnd,
}

/// The table of large records.
const LARGE: &str = "large";

/// Where the rows go.
pub(super) enum Store {
    /// Tables of the stage's own database.
    Tables,
    Keyspace(Arc<Keyspace>, Watch),
}

impl Target {
    pub(super) async fn stage(self, name: &str) -> Stage {
        match self {
            Self::Sql(engine) => Stage::begin_alone_in(engine, name).await,
            Self::Cassandra => Stage::begin_alone(&format!("{name}_cassandra")).await,
        }
    }
}

impl Point {
    /// Its name in the code of the sink.
    pub(super) fn name(self, target: Target) -> String {
        let Target::Sql(engine) = target else {
            let name = match self {
                Self::Before => "before_rows",
                Self::AmidRows => "mid_rows",
                Self::Between => "before_checkpoint",
                Self::AtItsEnd => "after_checkpoint",
            };
            return format!("cassandra::{name}");
        };
        engine.point(match self {
            Self::Before => "before_begin",
            Self::AmidRows => "mid_rows",
            Self::Between => "after_progress",
            Self::AtItsEnd => "after_commit_sent",
        })
    }

    fn caught(self) -> Caught {
        match self {
            Self::Before | Self::AtItsEnd => Caught::Idle,
            Self::AmidRows | Self::Between => Caught::InTransaction,
        }
    }
}

impl Store {
    /// Creates what the orders go to, and their topic.
    pub(super) async fn prepare(target: Target, stage: &Stage) -> (Self, Orders) {
        let Target::Cassandra = target else {
            return (Self::Tables, Orders::prepare(stage, PARTITIONS).await);
        };
        let keyspace = Arc::new(Keyspace::create(stage).await);
        let topic = stage.topic("orders", PARTITIONS).await;
        let connector = keyspace.connector_to("orders", stage, &topic);
        let watch = Watch::begin(&keyspace, &topic);
        (Self::Keyspace(keyspace, watch), Orders { topic, connector })
    }

    /// The same for items.
    pub(super) async fn prepare_items(&self, stage: &Stage) -> Items {
        match self {
            Self::Tables => Items::prepare(stage).await,
            Self::Keyspace(keyspace, _) => {
                keyspace.create_table("items").await;
                let topic = stage.topic("items", Items::PARTITIONS).await;
                let connector = keyspace.connector_to("items", stage, &topic);
                Items { topic, connector }
            }
        }
    }

    /// A table of numbered records, each with much in it, and a connector that writes them to it.
    pub(super) async fn prepare_large(&self, stage: &Stage, topic: &Topic) -> Connector {
        match self {
            Self::Tables => {
                let text = match stage.database.engine() {
                    Engine::MySql | Engine::MariaDb => "longtext",
                    Engine::Postgres | Engine::Sqlite => "text",
                };
                let table = format!("CREATE TABLE {LARGE} (seq bigint, padding {text})");
                stage.database.run(&table).await;
                Connector::append(stage, topic, LARGE)
            }
            Self::Keyspace(keyspace, _) => {
                let columns = "seq bigint PRIMARY KEY, padding text";
                let table = format!("CREATE TABLE {}.{LARGE} ({columns})", keyspace.name);
                keyspace.run(&table).await;
                keyspace
                    .connector_to(LARGE, stage, topic)
                    .set("pk.mode", "record_value")
                    .set("pk.fields", "seq")
                    .set("delete.enabled", "false")
            }
        }
    }

    /// How many of them are there. Of Cassandra: before the positions, since counting means reading.
    pub(super) async fn count_large(&self, stage: &Stage, topic: &Topic) -> i64 {
        match self {
            Self::Tables => {
                let count = format!("SELECT count(*) FROM {LARGE}");
                stage.database.number(&count).await
            }
            Self::Keyspace(keyspace, _) => {
                let positions = stands(positions_in(keyspace, topic).await);
                positions.values().sum()
            }
        }
    }

    /// A way there that can be disturbed.
    pub(super) async fn way(&self, stage: &Stage) -> Proxy {
        match self {
            Self::Tables => Proxy::to_database(stage.database.server()).await,
            Self::Keyspace(..) => Proxy::to_database(&services().cassandra).await,
        }
    }

    /// What a connector calls it. A node says where it is, and a connector at which port; so the node can
    /// have a proxy before it.
    pub(super) fn url(&self, stage: &Stage, way: Option<&Proxy>) -> String {
        match self {
            Self::Tables => stage.database.url(way),
            Self::Keyspace(keyspace, _) => {
                let node = || services().cassandra.clone();
                keyspace.url(&way.map_or_else(node, |way| way.address().to_string()))
            }
        }
    }

    /// The next offset of each partition of the orders.
    pub(super) async fn positions(&self, stage: &Stage, orders: &Orders) -> BTreeMap<i32, i64> {
        match self {
            Self::Tables => orders.judged(stage).positions().await,
            Self::Keyspace(keyspace, _) => stands(positions_in(keyspace, &orders.topic).await),
        }
    }

    /// Whose each partition of the orders is.
    pub(super) async fn owners(&self, stage: &Stage, orders: &Orders) -> BTreeMap<i32, String> {
        match self {
            Self::Tables => orders.owners(stage).await,
            Self::Keyspace(keyspace, _) => {
                let rows = positions_in(keyspace, &orders.topic).await;
                rows.into_values()
                    .map(|row| (row.partition, row.owner))
                    .collect()
            }
        }
    }

    /// How often this worker has moved a position; of Cassandra as far as it was seen.
    pub(super) async fn moves_by(&self, stage: &Stage, orders: &Orders, worker: &Worker) -> usize {
        let address = worker.address.to_string();
        match self {
            Self::Tables => {
                let history = orders.judged(stage).history().await;
                let moves = history
                    .iter()
                    .filter(|change| change.is_move() && change.owner.contains(&address));
                moves.count()
            }
            Self::Keyspace(_, watch) => watch.moves_by(&address).await,
        }
    }

    /// Evidence that the worker behind this proxy, which is held there, has written and stands still: its
    /// session with the server. A node of Cassandra knows nothing of the kind; there the worker's own word
    /// counts.
    pub(super) async fn caught(&self, stage: &Stage, orders: &Orders, way: &Proxy, point: Point) {
        if let Self::Tables = self {
            orders
                .caught(stage, way, point.caught(), WRITES_BEFORE)
                .await;
        }
    }

    /// Of orders that have been caught up with all are there once, and every task runs. Returns how often each partition was claimed.
    pub(super) async fn judge(
        &self,
        stage: &Stage,
        orders: &Orders,
        workers: &[&Worker],
    ) -> BTreeMap<i32, usize> {
        let Self::Keyspace(keyspace, watch) = self else {
            let judged = orders.judged(stage);
            return judged.healed(workers, PATIENCE).await.claims;
        };
        for worker in workers {
            worker
                .until_tasks(&orders.connector, "RUNNING", PATIENCE)
                .await;
        }
        let rows = keyspace.table_agrees("orders", &orders.topic).await;
        assert_eq!(watch.falls(), Vec::<String>::new(), "positions fell");
        let positions = positions_in(keyspace, &orders.topic).await;
        let claims = positions.into_values().map(|row| {
            let claims = usize::try_from(row.claims).expect("a count");
            (row.partition, claims)
        });
        let claims = claims.collect();
        stage.tell(format_args!(
            "agrees with the topic, timestamps too: {rows} rows, claims {claims:?}"
        ));
        claims
    }

    /// The items are what their topic says.
    pub(super) async fn judge_items(&self, stage: &Stage, items: &Items) {
        let Self::Keyspace(keyspace, _) = self else {
            items.judged(stage).until_folded(PATIENCE).await;
            return;
        };
        let ends = acknowledged_ends(&stage.ledger, &items.topic).await;
        let positions = async || stands(positions_in(keyspace, &items.topic).await);
        until_reached("items to be stored", &ends, KEYSPACE_PATIENCE, positions).await;
        let rows = keyspace.table_agrees("items", &items.topic).await;
        stage.tell(format_args!("items agree with their topic: {rows} rows"));
    }

    /// From now on pauses are measured.
    pub(super) fn measure_pauses(&self) {
        if let Self::Keyspace(_, watch) = self {
            watch.forget_pauses();
        }
    }

    /// The longest pause of any partition of the orders that ended since.
    pub(super) async fn longest_pause(
        &self,
        stage: &Stage,
        orders: &Orders,
        since: SystemTime,
    ) -> Pause {
        match self {
            Self::Tables => {
                let judged = orders.judged(stage);
                let (time, partition) = judged.longest_pause_since(since).await;
                Pause {
                    time,
                    partition,
                    ..Pause::default()
                }
            }
            Self::Keyspace(_, watch) => watch.longest_pause(),
        }
    }

    /// For each record of the orders that is there a number, which is another one once the record is stored
    /// again: how many rows it has, or its write timestamp.
    pub(super) async fn stored(&self, stage: &Stage) -> BTreeMap<i64, i64> {
        match self {
            Self::Tables => {
                let counts = "SELECT seq, count(*) FROM orders GROUP BY seq";
                let rows = stage.database.rows(counts, &[]).await;
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }
            Self::Keyspace(keyspace, _) => {
                let rows = keyspace.rows("orders").await.into_values();
                rows.map(|(seq, _, written_at)| (seq, written_at)).collect()
            }
        }
    }

    /// How often the position of each partition of the orders was set by hand, and how many rows that were
    /// there before are kept.
    pub(super) async fn resets(&self, stage: &Stage, orders: &Orders) -> (Vec<i64>, usize) {
        let Self::Keyspace(keyspace, _) = self else {
            let resets = "SELECT reset_count FROM rowdock_progress
                WHERE \"partition\" >= 0 AND cluster_id NOT LIKE '%/reset/%'";
            let kept = "SELECT count(*) FROM rowdock_progress WHERE cluster_id LIKE '%/reset/%'";
            let rows = stage.database.rows(resets, &[]).await;
            let kept = stage.database.number(kept).await;
            let kept = usize::try_from(kept).expect("a count");
            return (rows.iter().map(|row| row.get(0)).collect(), kept);
        };
        let rows = keyspace.progress().await;
        let kept = rows.iter().filter(|row| row.is_kept).count();
        let positions = positions_in(keyspace, &orders.topic).await;
        (
            positions.into_values().map(|row| row.resets).collect(),
            kept,
        )
    }

    /// Nobody looks at it any more. The stage's database goes with the stage.
    pub(super) async fn discard(&self) {
        if let Self::Keyspace(keyspace, watch) = self {
            watch.end();
            Keyspace::drop(keyspace).await;
        }
    }
}

/// Writes of a worker before it is held: less than its point lets pass.
const WRITES_BEFORE: usize = 2;

/// The rows of a topic's partitions.
async fn positions_in(keyspace: &Keyspace, topic: &Topic) -> BTreeMap<i32, Progress> {
    let rows = keyspace.progress().await.into_iter();
    rows.filter(|row| row.topic == topic.name && !row.is_kept)
        .map(|row| (row.partition, row))
        .collect()
}

/// Where each partition stands.
fn stands(rows: BTreeMap<i32, Progress>) -> BTreeMap<i32, i64> {
    let stands = |(partition, row): (i32, Progress)| (partition, row.next);
    rows.into_iter().map(stands).collect()
}
