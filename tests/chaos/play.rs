//! What all faults happen to: three workers of a cluster that store twelve partitions of orders.

use std::collections::BTreeMap;
use std::env;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;

use super::store::{Point, Store, Target};
use super::three_brokers::Brokers;
use crate::cluster::until_healthy;
use crate::support::connector::Connector;
use crate::support::hold::Hold;
use crate::support::items::Items;
use crate::support::oracle::{acknowledged_ends, ends_to_pass, until_reached};
use crate::support::orders::{Orders, until_each_owns};
use crate::support::proc::Busy;
use crate::support::producer::Load;
use crate::support::proxy::Proxy;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{PATIENCE, check, eventually, seconds};
use crate::support::worker::{FENCED, Launch, Worker};

pub(crate) const PARTITIONS: i32 = 12;
const TASKS: usize = 6;
const WORKERS: usize = 3;
const RECORDS_PER_S: usize = 300;
const ITEMS_PER_S: usize = 100;

/// A deadline for what never comes, also of a node of Cassandra that shares a busy machine.
const FLOW_PATIENCE: Duration = seconds(90);

/// What minutes have left behind takes its time.
const FLOW_PATIENCE_IN_FULL: Duration = seconds(600);

/// The variable by which each worker knows its own way to the database.
const DATABASE: &str = "ROWDOCK_TEST_DATABASE_URL";
const OWN_WAY: &str = "${env:ROWDOCK_TEST_DATABASE_URL}";

/// How long a worker that is to be held at a point of its code passes it before, so that it stops amid work.
const PASSES_BEFORE: usize = 40;

/// The stage with all that is on it. Drop order counts: workers, then what they work on.
pub(crate) struct Play {
    pub(crate) workers: Vec<Worker>,
    /// The topic and the connector. What has become of the records is asked of the play, which knows
    /// where they went.
    pub(crate) orders: Orders,
    store: Store,
    /// A second connector, which keeps a table by upserts, and its load.
    items: Option<(Items, Load)>,
    /// Pauses that ended before are those of the beginning.
    begun: SystemTime,
    /// Since then.
    busy: Busy,
    pub(crate) stage: Stage,
}

impl Play {
    /// Prepares it all, without a worker.
    pub(crate) async fn prepare(target: Target, name: &str, settings: &[(&str, &str)]) -> Self {
        let stage = target.stage(&format!("chaos_{name}")).await;
        Brokers::revive().await;
        stage.named_topic("configs", 1);
        stage.named_topic("statuses", 5);
        let (store, mut orders) = Store::prepare(target, &stage).await;
        let mut connector = orders
            .connector
            .set("tasks.max", &TASKS.to_string())
            .set("connection.url", OWN_WAY);
        for (key, value) in settings {
            connector = connector.set(key, value);
        }
        orders.connector = connector;
        Self {
            workers: Vec::new(),
            orders,
            store,
            items: None,
            begun: SystemTime::UNIX_EPOCH,
            busy: Busy::from_now(),
            stage,
        }
    }

    /// Prepares it all, and lets the workers begin.
    pub(crate) async fn begin(target: Target, name: &str) -> Self {
        let mut play = Self::prepare(target, name, &[]).await;
        let launches = (0..WORKERS).map(|index| play.launch(index)).collect();
        play.begin_with(launches).await;
        play
    }

    /// Starts these workers, and the connector on them.
    pub(crate) async fn begin_with(&mut self, launches: Vec<Launch<'_>>) {
        let stage = &self.stage;
        let started = launches.into_iter().map(|launch| joined(stage, launch));
        self.workers = join_all(started).await;
        self.create(&self.orders.connector).await;
        self.until_tasks_run().await;
    }

    /// Starts one more worker.
    pub(crate) async fn add(&mut self, launch: Launch<'_>) {
        let worker = joined(&self.stage, launch).await;
        self.workers.push(worker);
    }

    /// Creates this connector, by the first worker.
    pub(crate) async fn create(&self, connector: &Connector) {
        let document = connector.document("");
        let rest = &self.workers[0].rest;
        let answer = rest.post("/connectors", Some(document)).await;
        assert_eq!(answer.code, 201, "{}", answer.body);
    }

    /// Creates a connector that writes large records to a table of their own.
    pub(crate) async fn also_large(&self, topic: &Topic) {
        let large = self.store.prepare_large(&self.stage, topic).await;
        let large = large
            .set("tasks.max", &TASKS.to_string())
            .set("connection.url", OWN_WAY);
        self.create(&large).await;
    }

    /// How many of those records are stored.
    pub(crate) async fn large_stored(&self, topic: &Topic) -> i64 {
        self.store.count_large(&self.stage, topic).await
    }

    /// Lets a second connector keep a table of few items by upserts and deletes, so that the order of
    /// each key's records is judged too.
    pub(crate) async fn also_items(&mut self) {
        let mut items = self.store.prepare_items(&self.stage).await;
        items.connector = items
            .connector
            .set("tasks.max", "3")
            .set("connection.url", OWN_WAY);
        self.create(&items.connector).await;
        let load = items.load(&self.stage, ITEMS_PER_S);
        self.items = Some((items, load));
    }

    /// How the worker of this number is started.
    pub(crate) fn launch<'a>(&self, index: usize) -> Launch<'a> {
        self.launch_with(index, None)
    }

    /// The same, with a database behind a proxy.
    pub(crate) fn launch_with<'a>(&self, index: usize, database: Option<&Proxy>) -> Launch<'a> {
        Launch::new(&format!("worker{index}"))
            .of_cluster(&self.stage)
            .setting("config.providers", "env")
            .setting("config.providers.env.class", "EnvVarConfigProvider")
            .variable(DATABASE, &self.store.url(&self.stage, database))
    }

    /// A way to the database that can be disturbed.
    pub(crate) async fn way(&self) -> Proxy {
        self.store.way(&self.stage).await
    }

    /// A load, once its records are stored from every partition.
    pub(crate) async fn load(&self) -> Load {
        self.load_by(1).await
    }

    /// The same by the producer of this number.
    pub(crate) async fn load_by(&self, producer: i32) -> Load {
        let load = self.orders.load_by(&self.stage, RECORDS_PER_S, producer);
        self.until_flowing().await;
        load
    }

    /// Holds a worker at this point of a write, once it has written.
    pub(crate) fn hold(&self, target: Target, point: Point) -> Hold {
        Hold::at(&self.stage, &point.name(target), PASSES_BEFORE)
    }

    /// A load, once the worker behind this way to the database is held. Its partitions do not move then.
    pub(crate) async fn load_until_held(&self, hold: &Hold, way: &Proxy, point: Point) -> Load {
        let load = self.orders.load(&self.stage, RECORDS_PER_S);
        hold.until_held(PATIENCE).await;
        let (stage, orders) = (&self.stage, &self.orders);
        self.store.caught(stage, orders, way, point).await;
        load
    }

    /// Waits until every worker has its share of the partitions, and records flow: what comes after
    /// is measured by [`check_pause`](Self::check_pause).
    pub(crate) async fn settle(&mut self) {
        self.until_shared().await;
        self.until_flowing().await;
        self.store.measure_pauses();
        self.begun = SystemTime::now();
        self.busy = Busy::from_now();
    }

    /// Waits until each worker holds a partition at least.
    async fn until_shared(&self) {
        let all: Vec<&Worker> = self.workers.iter().collect();
        let owners = async || self.store.owners(&self.stage, &self.orders).await;
        until_each_owns(&all, PATIENCE, owners).await;
    }

    /// Waits until others have claimed all that this worker held.
    pub(crate) async fn until_taken_over(&self, worker: usize) {
        let address = self.workers[worker].address.to_string();
        eventually("others to claim its partitions", PATIENCE, || async {
            let owners = self.store.owners(&self.stage, &self.orders).await;
            let left = owners.values().any(|owner| owner.contains(&address));
            check(!left, || format!("{address} of {owners:?}"))
        })
        .await;
    }

    /// Waits, while a load goes on, until each partition has stored what was produced up to now, and more:
    /// records flow again.
    pub(crate) async fn until_flowing(&self) {
        let wanted = ends_to_pass(&self.stage.ledger, &self.orders.topic, PATIENCE).await;
        self.until_positions(&wanted).await;
    }

    /// Waits until all that was acknowledged is stored.
    pub(crate) async fn until_caught_up(&self) {
        let ends = acknowledged_ends(&self.stage.ledger, &self.orders.topic).await;
        self.until_positions(&ends).await;
    }

    /// Where each partition stands.
    pub(crate) async fn positions(&self) -> BTreeMap<i32, i64> {
        self.store.positions(&self.stage, &self.orders).await
    }

    /// How many records were acknowledged by Kafka behind these positions.
    pub(crate) async fn waiting(&self, positions: &BTreeMap<i32, i64>) -> i64 {
        let ends = acknowledged_ends(&self.stage.ledger, &self.orders.topic).await;
        let behind = ends.iter().map(|(partition, end)| {
            let position = positions.get(partition).copied().unwrap_or_default();
            (end - position).max(0)
        });
        behind.sum()
    }

    async fn until_positions(&self, wanted: &BTreeMap<i32, i64>) {
        let patience = lasts(FLOW_PATIENCE, FLOW_PATIENCE_IN_FULL);
        let what = "records of all partitions to be stored";
        until_reached(what, wanted, patience, async || self.positions().await).await;
    }

    /// How often a worker has moved a position.
    pub(crate) async fn moves_by(&self, worker: usize) -> usize {
        let worker = &self.workers[worker];
        let (stage, orders) = (&self.stage, &self.orders);
        self.store.moves_by(stage, orders, worker).await
    }

    /// See [`Store::stored`].
    pub(crate) async fn stored(&self) -> BTreeMap<i64, i64> {
        self.store.stored(&self.stage).await
    }

    /// See [`Store::resets`].
    pub(crate) async fn resets(&self) -> (Vec<i64>, usize) {
        self.store.resets(&self.stage, &self.orders).await
    }

    /// Waits until each task runs, on workers that are there.
    pub(crate) async fn until_tasks_run(&self) {
        let known: Vec<String> = self.addresses();
        eventually("every task to run", PATIENCE, || async {
            let path = format!("/connectors/{}/status", self.orders.connector.name);
            let answer = self.workers[0].rest.try_call("GET", &path, None).await?;
            let tasks = answer.body["tasks"].as_array().cloned().unwrap_or_default();
            let running = tasks.iter().filter(|task| {
                let worker = task["worker_id"].as_str().unwrap_or_default();
                task["state"] == "RUNNING" && known.iter().any(|one| one == worker)
            });
            check(running.count() == TASKS, || answer.body.to_string())
        })
        .await;
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        let addresses = self.workers.iter().map(|worker| worker.address.to_string());
        addresses.collect()
    }

    /// SIGTERM, and a successor under the same name.
    pub(crate) async fn replace(&mut self, index: usize) {
        let before = self.workers[index].logged(&[FENCED]).len();
        self.workers[index].terminate();
        let status = self.workers[index].exit(PATIENCE).await;
        assert!(status.success(), "a clean stop: {status}");
        let fenced = self.workers[index].logged(&[FENCED]);
        assert_eq!(fenced[before..], [""; 0], "a clean stop replays nothing");
        self.start_again(index).await;
    }

    /// SIGKILL, and a successor under the same name.
    pub(crate) async fn kill_and_replace(&mut self, index: usize) {
        let status = self.workers[index].kill();
        self.stage
            .tell(format_args!("killed worker {index}: {status}"));
        self.start_again(index).await;
    }

    async fn start_again(&mut self, index: usize) {
        let port = self.workers[index].address.port();
        let launch = self.launch(index).port(port);
        self.workers[index] = joined(&self.stage, launch).await;
    }

    /// Ends the loads and judges all of it. Returns how often each partition was claimed.
    pub(crate) async fn judge(&mut self, load: Load) -> BTreeMap<i32, usize> {
        load.finish().await;
        self.until_caught_up().await;
        let all: Vec<&Worker> = self.workers.iter().collect();
        let claims = self.store.judge(&self.stage, &self.orders, &all).await;
        if let Some((items, load)) = self.items.take() {
            load.finish().await;
            self.store.judge_items(&self.stage, &items).await;
        }
        self.discard().await;
        claims
    }

    /// Nothing is asked of the database any more.
    pub(crate) async fn discard(&self) {
        self.store.discard().await;
    }

    /// Tells the longest pause of any partition since all was settled, and checks it, unless the
    /// machine is busy with all tests.
    pub(crate) async fn check_pause(&self, most: Duration) {
        let (stage, orders) = (&self.stage, &self.orders);
        let pause = self.store.longest_pause(stage, orders, self.begun).await;
        let busy = &self.busy;
        self.stage.tell(format_args!("{pause}; {busy}"));
        let most = if is_short() { PATIENCE } else { most };
        assert!(pause.time <= most, "{pause}; {busy}");
    }

    /// Asks a worker to do something with the connector, until it is taken: Kafka may just have been
    /// away.
    pub(crate) async fn ask(&self, worker: usize, verb: &str) {
        let path = format!("/connectors/{}/{verb}", self.orders.connector.name);
        let method = match verb.starts_with("restart") {
            true => "POST",
            false => "PUT",
        };
        eventually(verb, PATIENCE, || async {
            let rest = &self.workers[worker].rest;
            let answer = rest.try_call(method, &path, None).await?;
            check(answer.code < 300, || format!("{answer:?}"))
        })
        .await;
    }
}

/// A worker that is well.
async fn joined(stage: &Stage, launch: Launch<'_>) -> Worker {
    let worker = launch.start(stage, &[]).await;
    until_healthy(&worker).await;
    worker
}

/// Whether the run is to be short, as in `make test`.
pub(crate) fn is_short() -> bool {
    env::var_os("CHAOS_SHORT").is_some()
}

/// How long something lasts: as a rule, and where faults are to last as long as they may in earnest, with
/// `CHAOS_FULL`.
pub(crate) fn lasts(as_a_rule: Duration, in_full: Duration) -> Duration {
    let full = env::var_os("CHAOS_FULL");
    if full.is_some_and(|value| !value.is_empty()) {
        in_full
    } else {
        as_a_rule
    }
}

/// Prints for how long something took.
pub(crate) fn tell_since(stage: &Stage, what: &str, begun: Instant) {
    stage.tell(format_args!("{what} after {:.1?}", begun.elapsed()));
}

/// A connector's part in its cluster: worker ids of its tasks, in their order.
pub(crate) async fn placement(worker: &Worker, connector: &Connector) -> Vec<String> {
    let cluster = worker.rest.get("/rowdock/cluster").await.body;
    let owners = cluster["placement"][&connector.name].as_array().cloned();
    let owners = owners.unwrap_or_default();
    let names = owners.iter().filter_map(|owner| owner.as_str());
    names.map(str::to_owned).collect()
}
