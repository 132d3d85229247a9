//! Brokers that are killed and frozen.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::json;

use super::play::{PARTITIONS, Play, is_short, lasts, tell_since};
use super::store::Target;
use super::three_brokers::Brokers;
use crate::cluster::until_healthy;
use crate::support::kafka;
use crate::support::wait::{PATIENCE, check, eventually, seconds};
use crate::support::worker::Task;

/// Leaders move each time; nobody waits for longer than this.
const STALL_MAX: Duration = seconds(30);

pub(super) async fn rolling_kills(target: Target) {
    let mut play = Play::begin(target, "broker_kills").await;
    play.also_items().await;
    let load = play.load().await;
    play.settle().await;
    let rounds = if is_short() { 1 } else { 2 };
    for id in (0..rounds).flat_map(|_| Brokers::IDS) {
        let begun = Instant::now();
        Brokers::kill(id).await;
        play.until_flowing().await;
        tell_since(
            &play.stage,
            &format!("broker {id} killed; all flows"),
            begun,
        );
        Brokers::start(id).await;
        Brokers::until_in_sync(&play.orders.topic.name).await;
        if is_short() {
            break;
        }
    }
    play.until_flowing().await;
    play.judge(load).await;
    play.check_pause(STALL_MAX).await;
}

/// A broker that neither coordinates the workers nor leads their configs is away: they go on to see each
/// other, and to see who else is in a connector's group.
pub(super) async fn one_killed_and_a_worker(target: Target) {
    let mut play = Play::begin(target, "broker_and_worker").await;
    let connector = play.orders.connector.clone();
    let guarded = connector.named(&play.stage.unique("guarded"));
    let member = join(&guarded.group(), &play.orders.topic.name).await;
    let group = play.stage.unique("workers");
    let coordinators = [
        Brokers::coordinator(&group).await,
        Brokers::coordinator(&guarded.group()).await,
        Brokers::leaders(&play.stage.unique("configs")).await[0],
    ];
    let is_free = |id: &i32| !coordinators.contains(id);
    // With all three taken, one that coordinates the connector's group will do: it moves.
    let id = Brokers::IDS
        .into_iter()
        .find(is_free)
        .unwrap_or(coordinators[1]);
    let begun = Instant::now();
    Brokers::kill(id).await;
    let mut dead = play.workers.remove(2);
    dead.kill();
    play.until_tasks_run().await;
    tell_since(
        &play.stage,
        &format!("broker {id} and a worker killed; every task runs"),
        begun,
    );
    play.create(&guarded).await;
    let worker = &play.workers[1];
    eventually("the member to be named", PATIENCE, || async {
        let tasks = worker.tasks(&guarded).await;
        let is_told = |task: &Task| task.trace.contains("members that are not of this program");
        let is_told = !tasks.is_empty() && tasks.iter().all(is_told);
        check(is_told, || format!("{tasks:?}"))
    })
    .await;
    for worker in &play.workers {
        let health = worker.rest.get("/health").await;
        assert_eq!(health.code, 200, "{}", health.body);
    }
    let path = format!("/connectors/{}", guarded.name);
    assert_eq!(worker.rest.delete(&path).await.code, 204);
    drop(member);
    if is_short() {
        return play.discard().await;
    }
    Brokers::start(id).await;
    Brokers::until_in_sync(&play.orders.topic.name).await;
    let load = play.load().await;
    play.judge(load).await;
}

/// A member of a connector's group that is nobody's task.
async fn join(group: &str, topic: &str) -> BaseConsumer {
    let member: BaseConsumer = kafka::client().set("group.id", group).create().unwrap();
    member.subscribe(&[topic]).unwrap();
    eventually("a member of the group", PATIENCE, || async {
        member.poll(Duration::from_millis(50));
        let members = kafka::group_members(group).await;
        check(members == 1, || format!("{members} members"))
    })
    .await;
    member
}

pub(super) async fn coordinator_frozen_classic(target: Target) {
    coordinator_frozen(target, "coordinator_classic", &[]).await;
}

pub(super) async fn coordinator_frozen_consumer_protocol(target: Target) {
    let settings = [("consumer.override.group.protocol", "consumer")];
    coordinator_frozen(target, "coordinator_kip848", &settings).await;
}

async fn coordinator_frozen(target: Target, name: &str, settings: &[(&str, &str)]) {
    let mut play = Play::prepare(target, name, settings).await;
    let launches = (0..3).map(|index| play.launch(index)).collect();
    play.begin_with(launches).await;
    let load = play.load().await;
    let id = Brokers::coordinator(&play.orders.connector.group()).await;
    let begun = Instant::now();
    Brokers::freeze(id);
    play.until_flowing().await;
    tell_since(
        &play.stage,
        &format!("coordinator {id} frozen; all flows"),
        begun,
    );
    Brokers::thaw(id);
    Brokers::until_in_sync(&play.orders.topic.name).await;
    play.until_flowing().await;
    play.judge(load).await;
}

/// For how long the brokers stay away, in full; else until every worker has said so.
const AWAY_IN_FULL: Duration = seconds(300);

/// Records that are there when the brokers go, and perhaps not stored yet.
const BURST: i64 = 6_000;

/// No broker for a while: reads of the API go on, and all the rest by itself when they are back.
pub(super) async fn all_away(target: Target) {
    let mut play = Play::begin(target, "brokers_away").await;
    // A producer may give records up when the first broker that is back knows of no other, and cannot
    // tell whether they are in Kafka: so all is acknowledged before.
    play.load().await.finish().await;
    let burst = play.orders.writer(&play.stage, 2);
    burst.send_good(0, BURST, PARTITIONS).await;
    for id in Brokers::IDS {
        Brokers::kill(id).await;
    }
    let begun = Instant::now();
    for worker in &play.workers {
        eventually("a worker that is not well", PATIENCE, || async {
            let health = worker.rest.get("/health").await;
            check(health.code == 500, || health.body.to_string())
        })
        .await;
        let path = format!("/connectors/{}/status", play.orders.connector.name);
        assert_eq!(worker.rest.get(&path).await.code, 200, "reads go on");
    }
    tell_since(&play.stage, "no broker; every worker says so", begun);
    let away = lasts(Duration::ZERO, AWAY_IN_FULL);
    tokio::time::sleep(away.saturating_sub(begun.elapsed())).await;
    tokio::join!(Brokers::start(1), Brokers::start(2), Brokers::start(3));
    let begun = Instant::now();
    for worker in &play.workers {
        until_healthy(worker).await;
    }
    tell_since(&play.stage, "brokers are back; every worker is well", begun);
    let load = play.load_by(3).await;
    tell_since(&play.stage, "brokers are back; all flows", begun);
    let name = play.orders.connector.name.clone();
    let connector = play.workers[2]
        .rest
        .get(&format!("/connectors/{name}"))
        .await;
    assert_eq!(connector.body["name"], json!(name));
    play.judge(load).await;
}
