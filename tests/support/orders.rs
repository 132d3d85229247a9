//! The stage's usual play: a topic of orders, appended to a table by one connector.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::connector::Connector;
use super::database::Session;
use super::kafka;
use super::oracle::{Judged, ends_to_pass};
use super::producer::{Load, LoadSpec, Writer};
use super::proxy::Proxy;
use super::stage::{Stage, Topic};
use super::wait::{PATIENCE, check, eventually};
use super::worker::{Launch, Worker};

/// The append table of every stage.
pub(crate) const TABLE: &str = "orders";

/// What brokers call a group that waits for its members to join again.
pub(crate) const COUNTING: &str = "PreparingRebalance";

/// A session that was caught at a failpoint has stood still for this long: longer than between two
/// statements of a working session, even on a busy machine.
const STANDS_STILL: Duration = Duration::from_millis(400);

/// What a worker's session looks like to the server while the worker is stopped at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caught {
    /// A transaction is open.
    InTransaction,
    /// None is.
    Idle,
}

/// The topic and the connector.
pub(crate) struct Orders {
    pub(crate) topic: Topic,
    pub(crate) connector: Connector,
}

impl Orders {
    /// Creates topic and table.
    pub(crate) async fn prepare(stage: &Stage, partitions: i32) -> Self {
        let topic = stage.topic("orders", partitions).await;
        Self::of_topic(stage, topic).await
    }

    /// Creates the table for a topic that is there.
    pub(crate) async fn of_topic(stage: &Stage, topic: Topic) -> Self {
        stage.database.create_append_table(TABLE).await;
        let connector = Connector::append(stage, &topic, TABLE);
        Self { topic, connector }
    }

    pub(crate) fn judged<'a>(&'a self, stage: &'a Stage) -> Judged<'a> {
        Judged {
            stage,
            connector: &self.connector,
            topic: &self.topic,
            table: TABLE,
        }
    }

    /// A steady load of good records.
    pub(crate) fn load(&self, stage: &Stage, per_second: usize) -> Load {
        self.load_by(stage, per_second, 1)
    }

    /// The same by the producer of this number.
    pub(crate) fn load_by(&self, stage: &Stage, per_second: usize, producer: i32) -> Load {
        let mut spec = LoadSpec::append(per_second, self.topic.partitions);
        spec.producer = producer;
        Load::start(&self.topic.name, &stage.ledger, spec)
    }

    /// A producer for single records; loads are number 1.
    pub(crate) fn writer(&self, stage: &Stage, producer: i32) -> Writer {
        Writer::new(&self.topic.name, producer, &stage.ledger)
    }

    /// Waits, while a load goes on, until each partition has stored what was produced up to now,
    /// and more: records flow again.
    pub(crate) async fn until_flowing(&self, stage: &Stage, deadline: Duration) {
        let wanted = ends_to_pass(&stage.ledger, &self.topic, deadline).await;
        let judged = self.judged(stage);
        judged.until_positions(&wanted, deadline).await;
    }

    /// Starts a worker and waits until it stores what is produced: one that joins later is then
    /// not disturbed by the joining of this one.
    pub(crate) async fn start_first(&self, stage: &Stage, launch: Launch<'_>) -> Worker {
        let worker = launch.start(stage, &[&self.connector]).await;
        eventually("the first records", PATIENCE, || async {
            check(stage.ledger.len() > 0, || "none".to_owned())
        })
        .await;
        self.until_flowing(stage, PATIENCE).await;
        worker
    }

    /// Owners of the partitions now, from the progress table.
    pub(crate) async fn owners(&self, stage: &Stage) -> BTreeMap<i32, String> {
        let history = self.judged(stage).history().await;
        let claims = history.iter().filter(|change| change.is_claim());
        claims
            .map(|change| (change.partition, change.owner.clone()))
            .collect()
    }

    /// Waits until each of these workers has claimed at least one partition and holds it.
    pub(crate) async fn until_shared(&self, stage: &Stage, workers: &[&Worker]) {
        until_each_owns(workers, PATIENCE, async || self.owners(stage).await).await;
    }

    /// What the brokers say of the connector's group.
    pub(crate) async fn group_state(&self) -> String {
        kafka::group_state(&self.connector.group()).await
    }

    /// Waits until the group's members are being counted anew.
    pub(crate) async fn until_counted(&self, stage: &Stage) {
        eventually("the group to be formed anew", PATIENCE, || async {
            let state = self.group_state().await;
            check(state == COUNTING, || state)
        })
        .await;
        stage.tell(format_args!("the group is {COUNTING}"));
    }

    /// Waits until the worker behind the proxy stands still after this many writes, as a failpoint
    /// that lets so many pass makes it: evidence for what happens next to it. Returns its session.
    pub(crate) async fn caught(
        &self,
        stage: &Stage,
        path: impl Into<Option<&Proxy>>,
        caught: Caught,
        writes: usize,
    ) -> Session {
        let path = path.into();
        let session = eventually("the worker to stand still", PATIENCE, || async {
            let done = self.writes_through(stage, path).await;
            let sessions = stage.database.sessions(path).await;
            let found = sessions.iter().find(|session| caught.matches(session));
            let found = found.filter(|_| done >= writes);
            found
                .cloned()
                .ok_or_else(|| format!("{done} of {writes} writes, {sessions:?}"))
        })
        .await;
        stage.tell(format_args!("caught: {session}"));
        session
    }

    /// Transactions of the sessions behind the proxy that moved positions.
    async fn writes_through(&self, stage: &Stage, path: Option<&Proxy>) -> usize {
        let sessions = stage.database.sessions(path).await;
        let owners: Vec<i64> = sessions.iter().map(|one| one.id).collect();
        let history = self.judged(stage).history().await;
        let moves = history.iter().filter(|change| change.is_move());
        let by_them = moves.filter(|change| owners.contains(&change.backend));
        by_them
            .map(|change| change.txid)
            .collect::<BTreeSet<_>>()
            .len()
    }
}

/// Waits until each of these workers owns a partition at least.
pub(crate) async fn until_each_owns(
    workers: &[&Worker],
    deadline: Duration,
    owners: impl AsyncFn() -> BTreeMap<i32, String>,
) {
    let addresses: Vec<String> = workers
        .iter()
        .map(|worker| worker.address.to_string())
        .collect();
    eventually("each worker to own partitions", deadline, || async {
        let owners = owners().await;
        let all = addresses
            .iter()
            .all(|address| owners.values().any(|owner| owner.contains(address)));
        check(all, || format!("{addresses:?} of {owners:?}"))
    })
    .await;
}

impl Caught {
    fn matches(self, session: &Session) -> bool {
        let is_as_wanted = session.is_in_transaction == (self == Self::InTransaction);
        session.since >= STANDS_STILL && is_as_wanted
    }
}
