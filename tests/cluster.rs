//! Several workers that share the load, agree on what there is, and survive each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::orders::Orders;
use crate::support::proxy::{Network, Proxy};
use crate::support::rest::Answer;
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, check, eventually};
use crate::support::worker::{FENCED, Launch, Worker};

mod company;
mod config_topic;
mod positions;
mod progress;

const NAMES: [&str; 3] = ["first", "second", "third"];

/// Three seconds are promised, and a session more for one that was killed; `make chaos` and the benches
/// measure that. Here a machine may be as busy as it likes: still below the session of those that leave.
const PAUSE_MAX: Duration = PATIENCE;

async fn start(stage: &Stage, name: &str) -> Worker {
    begin(stage, Launch::new(name).of_cluster(stage)).await
}

async fn begin(stage: &Stage, launch: Launch<'_>) -> Worker {
    let worker = launch.start(stage, &[]).await;
    until_healthy(&worker).await;
    worker
}

pub(crate) async fn until_healthy(worker: &Worker) {
    eventually("a healthy worker", PATIENCE, || async {
        let answer = worker.rest.try_call("GET", "/health", None).await?;
        check(answer.code == 200, || format!("{}", answer.body))
    })
    .await;
}

async fn start_all(stage: &Stage) -> Vec<Worker> {
    stage.named_topic("configs", 1);
    stage.named_topic("statuses", 5);
    join_all(NAMES.map(|name| start(stage, name))).await
}

async fn create(worker: &Worker, document: Value) -> Answer {
    worker.rest.post("/connectors", Some(document)).await
}

/// A connector that has nothing to do.
fn idle(stage: &Stage, name: &str, tasks: u32) -> Value {
    let path = stage.folder().join("idle.db");
    let connector = Connector::of_class("SqliteSink", name)
        .set("topics", &stage.unique("nothing"))
        .set("auto.create", "true")
        .set("tasks.max", &tasks.to_string());
    connector.document(&format!("jdbc:sqlite:{}", path.display()))
}

/// What a worker shows: names, configs, and which state each connector is to have.
async fn shown(worker: &Worker) -> (Value, BTreeMap<String, Value>) {
    let infos = worker.rest.get("/connectors?expand=info").await.body;
    let statuses = worker.rest.get("/connectors?expand=status").await.body;
    let statuses = statuses.as_object().into_iter().flatten();
    let states = statuses.map(|(name, shown)| {
        let state = shown["status"]["connector"]["state"].clone();
        (name.clone(), state)
    });
    (infos, states.collect())
}

/// Waits until each task of the connector runs on one of these workers, and as many of them as can
/// have one.
async fn until_placed(asked: &Worker, name: &str, tasks: usize, workers: &[&Worker]) {
    let known: BTreeSet<String> = workers
        .iter()
        .map(|worker| worker.address.to_string())
        .collect();
    eventually("every task to run on these workers", PATIENCE, || async {
        let status = asked.rest.get(&format!("/connectors/{name}/status")).await;
        let all = status.body["tasks"].as_array().cloned().unwrap_or_default();
        let placed: Vec<String> = all
            .iter()
            .filter(|task| task["state"] == "RUNNING")
            .filter_map(|task| task["worker_id"].as_str().map(str::to_owned))
            .filter(|worker_id| known.contains(worker_id))
            .collect();
        let used = placed.iter().collect::<BTreeSet<_>>().len();
        let is_spread = used == tasks.min(workers.len());
        if all.len() == tasks && placed.len() == tasks && is_spread {
            return Ok(());
        }
        Err(status.body.to_string())
    })
    .await
}

/// Whatever is asked of whichever worker, all show the same, at once.
#[tokio::test(flavor = "multi_thread")]
async fn one_truth() {
    let stage = Stage::begin("cluster_truth", 3).await;
    let nothing = stage.topic("nothing", 1).await;
    let workers = start_all(&stage).await;
    let all: Vec<&Worker> = workers.iter().collect();

    // What one has acknowledged, each other shows.
    let mut slowest = Duration::ZERO;
    for round in 0..6 {
        let name = format!("sink{round}");
        let begun = Instant::now();
        let answer = create(all[round % 3], idle(&stage, &name, 3)).await;
        slowest = slowest.max(begun.elapsed());
        assert_eq!(answer.code, 201, "{}", answer.body);
        for worker in &all {
            let found = worker.rest.get(&format!("/connectors/{name}")).await;
            assert_eq!(found.code, 200, "{} does not show {name}", worker.name);
        }
        let changed = json!({"tasks.max": "2", "connector.class": "SqliteSink", "topics": nothing.name,
            "auto.create": "true", "connection.url": format!("jdbc:sqlite:{}/changed.db", stage.folder().display())});
        let path = format!("/connectors/{name}/config");
        let answer = all[(round + 1) % 3].rest.put(&path, Some(changed)).await;
        assert_eq!(answer.code, 200, "{}", answer.body);
        for worker in &all {
            let config = worker.rest.get(&path).await;
            assert_eq!(config.body["tasks.max"], "2", "{}", worker.name);
        }
    }
    stage.tell(format_args!("slowest creation {slowest:?}"));

    // The same names at once on all of them: one wins each.
    for round in 0..3 {
        let name = format!("same{round}");
        let created = join_all(
            all.iter()
                .map(|worker| create(worker, idle(&stage, &name, 1))),
        );
        let created = created.await;
        let mut codes: Vec<u16> = created.iter().map(|answer| answer.code).collect();
        codes.sort_unstable();
        assert_eq!(codes, [201, 409, 409], "{created:?}");
        let path = format!("/connectors/{name}");
        let deleted = join_all(all.iter().map(|worker| worker.rest.delete(&path))).await;
        let mut codes: Vec<u16> = deleted.iter().map(|answer| answer.code).collect();
        codes.sort_unstable();
        assert_eq!(codes, [204, 404, 404], "{deleted:?}");
    }
    let mut random = stage.random();
    let changes = (0..24).map(|_| (random.usize(0..3), random.u32(0..4), random.u32(0..4)));
    let changes: Vec<(usize, u32, u32)> = changes.collect();
    let all_workers = &all;
    let stage_of_all = &stage;
    join_all(changes.iter().map(|(worker, name, what)| async move {
        let (all, stage) = (all_workers, stage_of_all);
        let path = format!("/connectors/mixed{name}");
        let rest = &all[*worker].rest;
        match what {
            0 => rest.delete(&path).await,
            1 => rest.put(&format!("{path}/pause"), None).await,
            2 => rest.put(&format!("{path}/stop"), None).await,
            _ => create(all[*worker], idle(stage, &format!("mixed{name}"), 2)).await,
        }
    }))
    .await;
    for (name, verb) in [("held", "pause"), ("halted", "stop")] {
        let made = create(all[0], idle(&stage, name, 2)).await;
        assert_eq!(made.code, 201, "{}", made.body);
        let path = format!("/connectors/{name}/{verb}");
        let done = all[1].rest.put(&path, None).await;
        assert!(done.code < 300, "{path}: {} {}", done.code, done.body);
    }
    changed_by_any(&all).await;
    let truth = shown(all[0]).await;
    assert_eq!(truth.1["held"], "PAUSED");
    assert_eq!(truth.1["halted"], "STOPPED");
    for worker in &all[1..] {
        assert_eq!(shown(worker).await, truth, "{}", worker.name);
    }
    until_placed(all[2], "sink0", 2, &all).await;

    // A worker that comes later knows all of it.
    drop(workers);
    let late = start(&stage, "late").await;
    assert_eq!(shown(&late).await, truth);
    until_placed(&late, "sink0", 2, &[&late]).await;
}

/// Part of a config, tasks of other workers, levels on all of them: also asked of any.
async fn changed_by_any(workers: &[&Worker]) {
    let path = "/connectors/held/config";
    let changes = json!({"batch.size": "7"});
    let patched = workers[2].rest.patch(path, changes).await;
    assert_eq!(patched.code, 200, "{}", patched.body);
    for worker in workers {
        let config = worker.rest.get(path).await.body;
        assert_eq!(config["batch.size"], "7", "{}", worker.name);
        // Whoever has its tasks.
        let restart = "/connectors/sink0/restart?includeTasks=true";
        let restarted = worker.rest.post(restart, None).await;
        assert_eq!(restarted.code, 202, "{}", restarted.body);
        assert_eq!(restarted.body["connector"]["state"], "RESTARTING");
    }
    let level = json!({"level": "TRACE"});
    let logger = "/admin/loggers/org.acme";
    let path = format!("{logger}?scope=cluster");
    let set = workers[1].rest.put(&path, Some(level)).await;
    assert_eq!(set.code, 204, "{}", set.body);
    for worker in workers {
        eventually("the level on every worker", PATIENCE, || async {
            let found = worker.rest.get(logger).await.body;
            check(found["level"] == "TRACE", || found.to_string())
        })
        .await;
    }
}

/// A worker is killed, one leaves, all are replaced: records go on, each exactly once.
#[tokio::test(flavor = "multi_thread")]
async fn workers_come_and_go() {
    let stage = Stage::begin("cluster_members", 4).await;
    let mut orders = Orders::prepare(&stage, 12).await;
    orders.connector = orders.connector.clone().set("tasks.max", "4");
    stage.named_topic("configs", 1);
    stage.named_topic("statuses", 5);
    let polite = |name| Launch::new(name).of_cluster(&stage).with_long_session();
    // The one that is killed is to be missed soon.
    let launches = [
        Launch::new(NAMES[0]).of_cluster(&stage),
        polite(NAMES[1]),
        polite(NAMES[2]),
    ];
    let mut workers = join_all(launches.map(|launch| begin(&stage, launch))).await;
    let document = orders.connector.document(&stage.database.url(None));
    assert_eq!(create(&workers[0], document).await.code, 201);
    let name = orders.connector.name.clone();
    let mut aside = idle(&stage, "aside", 1);
    aside["initial_state"] = json!("STOPPED");
    assert_eq!(create(&workers[0], aside.clone()).await.code, 201);
    let all: Vec<&Worker> = workers.iter().collect();
    until_placed(all[0], &name, 4, &all).await;
    let load = orders.load(&stage, 300);
    eventually("the first records", PATIENCE, || async {
        check(stage.ledger.len() > 0, || "none".to_owned())
    })
    .await;
    orders.until_shared(&stage, &all).await;
    orders.until_flowing(&stage, PATIENCE).await;

    // Killed: its tasks are not shown as running, and others have them soon.
    let dead = workers.remove(0).into_killed();
    let begun = Instant::now();
    let survivors: Vec<&Worker> = workers.iter().collect();
    until_placed(survivors[0], &name, 4, &survivors).await;
    stage.tell(format_args!(
        "tasks of the killed worker run elsewhere after {:?}",
        begun.elapsed()
    ));
    orders.until_flowing(&stage, PATIENCE).await;
    let (pause, partition) = orders.judged(&stage).longest_pause().await;
    stage.tell(format_args!(
        "after the kill partition {partition} paused {pause:?} at most"
    ));
    assert!(pause <= PAUSE_MAX, "partition {partition} paused {pause:?}");

    // Back under its name, and each replaced in turn without a word of fencing.
    let back = begin(&stage, polite(NAMES[0]).port(dead)).await;
    workers.insert(0, back);
    for index in 0..workers.len() {
        let port = workers[index].address.port();
        workers[index].terminate();
        // No change is refused because tasks move.
        let other = &workers[(index + 1) % workers.len()];
        aside["config"]["batch.size"] = json!((index + 1).to_string());
        let config = Some(aside["config"].clone());
        let changed = other.rest.put("/connectors/aside/config", config).await;
        assert_eq!(changed.code, 200, "{}", changed.body);
        let status = workers[index].exit(PATIENCE).await;
        assert!(status.success(), "a clean stop: {status}");
        assert_eq!(workers[index].logged(&[FENCED]), Vec::<String>::new());
        workers[index] = begin(&stage, polite(NAMES[index]).port(port)).await;
        orders.until_flowing(&stage, PATIENCE).await;
    }
    let all: Vec<&Worker> = workers.iter().collect();
    until_placed(all[0], &name, 4, &all).await;
    load.finish().await;
    let verdict = orders.judged(&stage);
    verdict.healed(&all, PATIENCE).await;
    let (pause, partition) = verdict.longest_pause().await;
    stage.tell(format_args!(
        "partition {partition} paused {pause:?} at most"
    ));
    assert!(pause <= PAUSE_MAX, "partition {partition} paused {pause:?}");
}

/// Topics that would lose the cluster's connectors are refused, with what to do.
#[tokio::test(flavor = "multi_thread")]
async fn unfit_topics_are_refused() {
    let stage = Stage::begin("cluster_topics", 1).await;
    stage
        .topic_with("configs", 1, &[("cleanup.policy", "delete")])
        .await;
    stage
        .topic_with("many", 2, &[("cleanup.policy", "compact")])
        .await;
    stage.named_topic("statuses", 5);
    let check = async |key: &str, value: &str, expected: &str| {
        let launch = Launch::new("refused")
            .of_cluster(&stage)
            .setting(key, value);
        let mut worker = launch.start(&stage, &[]).await;
        let status = worker.exit(PATIENCE).await;
        assert!(!status.success(), "{key}={value}");
        assert_eq!(worker.logged(&[expected]).len(), 1, "{}", worker.log());
    };
    check("log.level", "info", "must have compact alone").await;
    let many = stage.unique("many");
    check("config.storage.topic", &many, "must have exactly 1").await;
    let fresh = stage.named_topic("fresh", 1);
    let launch = Launch::new("brokers")
        .of_cluster(&stage)
        .setting("config.storage.topic", &fresh.name)
        .setting("config.storage.replication.factor", "3");
    let mut worker = launch.start(&stage, &[]).await;
    assert!(!worker.exit(PATIENCE).await.success());
    assert_eq!(worker.logged(&["fewer than 3 brokers"]).len(), 1);
    assert_eq!(kafka::watermarks(&many, 0).await, (0, 0));
}

/// Without Kafka reads go on from memory, changes are refused in bounded time with the reason, and
/// the worker says that it is not well; with Kafka back all is as before.
#[tokio::test(flavor = "multi_thread")]
async fn kafka_out_of_reach() {
    let stage = Stage::begin("cluster_cut_off", 1).await;
    stage.topic("nothing", 1).await;
    stage.named_topic("configs", 1);
    stage.named_topic("statuses", 5);
    let proxy = Proxy::to_kafka().await;
    proxy.set(Network::Cut);
    let launch = Launch::new("first").of_cluster(&stage).kafka(&proxy);
    let worker = launch.start(&stage, &[]).await;
    // It answers from the first moment, and says what it waits for.
    for path in ["/health", "/connectors"] {
        let answer = worker.rest.get(path).await;
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert_eq!(answer.code, 503, "{path}: {}", answer.body);
        let starting = "Worker is still starting up. ";
        assert!(message.starts_with(starting), "{message}");
    }
    proxy.set(Network::Whole);
    until_healthy(&worker).await;
    let mut made = BTreeSet::from(["kept".to_owned()]);
    assert_eq!(create(&worker, idle(&stage, "kept", 1)).await.code, 201);

    for network in [Network::Cut, Network::Stalled] {
        proxy.set(network);
        let begun = Instant::now();
        for _ in 0..3 {
            let kept = worker.rest.get("/connectors/kept/config").await;
            assert_eq!((kept.code, &kept.body["tasks.max"]), (200, &json!("1")));
        }
        stage.tell(format_args!("three reads took {:?}", begun.elapsed()));
        // Those that come while others wait, and those that come later, have the same time.
        for names in [&["one", "two", "three"][..], &["later"]] {
            let begun = Instant::now();
            let names = names.iter().map(|name| format!("{name}_{network:?}"));
            let created = names.map(|name| create(&worker, idle(&stage, &name, 1)));
            for refused in join_all(created).await {
                assert_eq!(refused.code, 503, "{}", refused.body);
                let reason = refused.body["message"].as_str().unwrap_or_default();
                let is_told = reason.contains("could not be recorded in time: ");
                assert!(is_told && !reason.contains("effect"), "{reason}");
                stage.tell(format_args!(
                    "{network:?}: refused after {:?}: {reason}",
                    begun.elapsed()
                ));
            }
        }
        let health = worker.rest.get("/health").await;
        assert_eq!(
            (health.code, &health.body["status"]),
            (500, &json!("unhealthy"))
        );

        proxy.set(Network::Whole);
        until_healthy(&worker).await;
        let name = format!("again_{network:?}");
        let path = format!("/connectors/{name}/config");
        eventually("a change to be taken again", PATIENCE, || async {
            let config = idle(&stage, &name, 1)["config"].clone();
            let answer = worker.rest.put(&path, Some(config)).await;
            check(answer.code < 300, || answer.body.to_string())
        })
        .await;
        // Changes are made one after the other: had any of those been left, it would have been made.
        made.insert(name);
        let shown = worker.rest.get("/connectors").await.body;
        let shown: BTreeSet<String> = serde_json::from_value(shown).unwrap();
        assert_eq!(shown, made);
    }
}
