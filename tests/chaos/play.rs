//! What all faults happen to: three workers of a cluster that store twelve partitions of orders.

use std::env;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tokio::process::Command;

use crate::cluster::until_healthy;
use crate::support::connector::Connector;
use crate::support::items::Items;
use crate::support::kafka;
use crate::support::orders::Orders;
use crate::support::proc::Busy;
use crate::support::producer::Load;
use crate::support::proxy::Proxy;
use crate::support::services::{environment_file, parse, workspace};
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, check, eventually, seconds};
use crate::support::worker::{Launch, Worker};

pub(crate) const PARTITIONS: i32 = 12;
pub(crate) const TASKS: usize = 6;
const WORKERS: usize = 3;
const RECORDS_PER_S: usize = 300;
const ITEMS_PER_S: usize = 100;

/// The variable by which each worker knows its own way to the database.
const DATABASE: &str = "ROWDOCK_TEST_DATABASE_URL";

/// The stage with all that is on it. Drop order counts: workers, then what they work on.
pub(crate) struct Play {
    pub(crate) workers: Vec<Worker>,
    pub(crate) orders: Orders,
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
    pub(crate) async fn prepare(name: &str, settings: &[(&str, &str)]) -> Self {
        let stage = Stage::begin_alone(&format!("chaos_{name}")).await;
        Brokers::revive().await;
        stage.named_topic("configs", 1);
        stage.named_topic("statuses", 5);
        let mut orders = Orders::prepare(&stage, PARTITIONS).await;
        let mut connector = orders
            .connector
            .clone()
            .set("tasks.max", &TASKS.to_string());
        connector = connector.set("connection.url", &format!("${{env:{DATABASE}}}"));
        for (key, value) in settings {
            connector = connector.set(key, value);
        }
        orders.connector = connector;
        Self {
            workers: Vec::new(),
            orders,
            items: None,
            begun: SystemTime::UNIX_EPOCH,
            busy: Busy::from_now(),
            stage,
        }
    }

    /// Prepares it all, and lets the workers begin.
    pub(crate) async fn begin(name: &str) -> Self {
        let mut play = Self::prepare(name, &[]).await;
        let launches = (0..WORKERS).map(|index| play.launch(index)).collect();
        play.begin_with(launches).await;
        play
    }

    /// Starts these workers, and the connector on them.
    pub(crate) async fn begin_with(&mut self, launches: Vec<Launch<'_>>) {
        let stage = &self.stage;
        let started = launches.into_iter().map(|launch| async move {
            let worker = launch.start(stage, &[]).await;
            until_healthy(&worker).await;
            worker
        });
        self.workers = join_all(started).await;
        let document = self.orders.connector.document("");
        let answer = self.workers[0]
            .rest
            .post("/connectors", Some(document))
            .await;
        assert_eq!(answer.code, 201, "{}", answer.body);
        self.until_tasks_run().await;
    }

    /// Lets a second connector keep a table of few items by upserts and deletes, so that the order of
    /// each key's records is judged too.
    pub(crate) async fn also_items(&mut self) {
        let mut items = Items::prepare(&self.stage).await;
        items.connector = items
            .connector
            .set("tasks.max", "3")
            .set("connection.url", &format!("${{env:{DATABASE}}}"));
        let document = items.connector.document("");
        let rest = &self.workers[0].rest;
        let answer = rest.post("/connectors", Some(document)).await;
        assert_eq!(answer.code, 201, "{}", answer.body);
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
            .variable(DATABASE, &self.stage.database.url(database))
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

    /// Waits until every worker has its share of the partitions, and records flow: what comes after
    /// is measured by [`check_pause`](Self::check_pause).
    pub(crate) async fn settle(&mut self) {
        let all: Vec<&Worker> = self.workers.iter().collect();
        self.orders.until_shared(&self.stage, &all).await;
        self.until_flowing().await;
        self.begun = SystemTime::now();
        self.busy = Busy::from_now();
    }

    /// Waits until records of all partitions are stored again.
    pub(crate) async fn until_flowing(&self) {
        self.orders.until_flowing(&self.stage, PATIENCE).await;
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
        let before = self.workers[index].logged(&["fenced"]).len();
        self.workers[index].terminate();
        let status = self.workers[index].exit(PATIENCE).await;
        assert!(status.success(), "a clean stop: {status}");
        let fenced = self.workers[index].logged(&["fenced"]);
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
        self.workers[index] = launch.start(&self.stage, &[]).await;
        until_healthy(&self.workers[index]).await;
    }

    /// Ends the loads and judges all of it.
    pub(crate) async fn judge(&mut self, load: Load) {
        load.finish().await;
        let all: Vec<&Worker> = self.workers.iter().collect();
        let orders = self.orders.judged(&self.stage);
        orders.healed(&all, PATIENCE).await;
        if let Some((items, load)) = self.items.take() {
            load.finish().await;
            items.judged(&self.stage).until_folded(PATIENCE).await;
        }
    }

    /// Tells the longest pause of any partition since all was settled, and checks it, unless the
    /// machine is busy with all tests.
    pub(crate) async fn check_pause(&self, most: Duration) {
        let judged = self.orders.judged(&self.stage);
        let (pause, partition) = judged.longest_pause_since(self.begun).await;
        let busy = &self.busy;
        self.stage.tell(format_args!(
            "partition {partition} paused {pause:.1?} at most; {busy}"
        ));
        let most = if is_short() { PATIENCE } else { most };
        assert!(
            pause <= most,
            "partition {partition} paused {pause:?}; {busy}"
        );
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

/// Whether the run is to be short, as in `make test`.
pub(crate) fn is_short() -> bool {
    env::var_os("CHAOS_SHORT").is_some()
}

/// The brokers, as processes.
pub(crate) struct Brokers;

impl Brokers {
    pub(crate) const IDS: [i32; 3] = [1, 2, 3];

    /// SIGKILL.
    pub(crate) async fn kill(id: i32) {
        services_script("kill", id).await;
    }

    /// The same broker again, once it answers.
    pub(crate) async fn start(id: i32) {
        services_script("start", id).await;
    }

    /// SIGSTOP.
    pub(crate) fn freeze(id: i32) {
        assert!(signal("STOP", id), "broker {id} cannot be frozen");
    }

    /// SIGCONT.
    pub(crate) fn thaw(id: i32) {
        assert!(signal("CONT", id), "broker {id} cannot be thawed");
    }

    /// Lets all of them work, whatever a test that has failed has done to them.
    async fn revive() {
        join_all(Self::IDS.map(|id| async move {
            // One that was killed cannot be thawed.
            signal("CONT", id);
            Self::start(id).await;
        }))
        .await;
    }

    /// Waits until every partition of the topic has all of its replicas in sync.
    pub(crate) async fn until_in_sync(topic: &str) {
        eventually("all replicas in sync", 2 * PATIENCE, || async {
            let name = topic.to_owned();
            let behind = kafka::with_onlooker(move |consumer| replicas_behind(consumer, &name));
            let behind = behind.await?;
            check(behind == 0, || format!("{behind} replicas are behind"))
        })
        .await;
    }

    /// The broker that coordinates this group: the leader of its partition of the offsets' topic.
    pub(crate) async fn coordinator(group: &str) -> i32 {
        let hash = group.encode_utf16().fold(0_i32, |hash, unit| {
            hash.wrapping_mul(31).wrapping_add(i32::from(unit))
        }) & i32::MAX;
        kafka::with_onlooker(move |consumer| {
            let metadata = consumer
                .fetch_metadata(Some("__consumer_offsets"), seconds(15))
                .expect("metadata of the offsets' topic");
            let partitions = metadata.topics()[0].partitions();
            let count = i32::try_from(partitions.len()).unwrap();
            let mine = partitions.iter().find(|one| one.id() == hash % count);
            mine.expect("the group's partition").leader()
        })
        .await
    }
}

fn replicas_behind(consumer: &BaseConsumer, topic: &str) -> Result<usize, String> {
    let metadata = consumer.fetch_metadata(Some(topic), seconds(5));
    let metadata = metadata.map_err(|error| error.to_string())?;
    let partitions = metadata.topics()[0].partitions();
    let behind = partitions
        .iter()
        .map(|one| one.replicas().len().saturating_sub(one.isr().len()));
    Ok(behind.sum())
}

/// Whether it was sent. Started again, a broker has another process: its record in the services' folder
/// knows.
fn signal(signal: &str, id: i32) -> bool {
    let record = workspace().join(format!("target/services/broker-{id}/process"));
    let text = std::fs::read_to_string(&record).unwrap_or_default();
    let pid = text.split_whitespace().next();
    let Some(pid) = pid.and_then(|pid| pid.parse::<u32>().ok()) else {
        return false;
    };
    let sent = std::process::Command::new("sh")
        .args(["-c", &format!("kill -{signal} {pid}")])
        .status();
    sent.is_ok_and(|status| status.success())
}

async fn services_script(verb: &str, id: i32) {
    assert!(has_brokers(), "these tests need three brokers: make chaos");
    let done = Command::new(workspace().join("scripts/services.sh"))
        .args([verb, &format!("broker-{id}")])
        .stdout(Stdio::null())
        .status()
        .await;
    assert!(done.is_ok_and(|status| status.success()), "{verb} {id}");
}

fn has_brokers() -> bool {
    let text = std::fs::read_to_string(environment_file()).unwrap_or_default();
    parse(&text).contains_key("ROWDOCK_TEST_BROKER_3")
}

/// Where the program with these tests and the script for three brokers are.
pub(crate) fn chaos_script() -> std::path::PathBuf {
    Path::join(workspace(), "scripts/chaos.sh")
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
