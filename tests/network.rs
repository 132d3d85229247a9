//! Connections break, half-break and stall between a worker and Kafka, a worker and the database.

use std::time::{Duration, Instant};

use crate::support::engine::Engine;
use crate::support::hold::Hold;
use crate::support::orders::{COUNTING, Caught, Orders};
use crate::support::proxy::{Network, Proxy};
use crate::support::stage::Stage;
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::{FENCED, Launch, SESSION};

/// Writes that a worker does before something happens to it; fenced ones and claims take turns too.
const WRITES_BEFORE: usize = 20;

/// Commits that pass before one is caught: those of claims and the progress table, then writes.
const COMMITS_BEFORE: u32 = 40;

/// Three seconds on a machine with time to spare, four times that on a busy one.
const TAKEN_OVER_WITHIN: Duration = seconds(12);

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_from_kafka() {
    cut_off_from_kafka_only(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_to_a_commit_lost() {
    commit_s_answer_lost(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_connection() {
    half_open_connection_to_the_database(Engine::Postgres).await;
}

/// A worker that does not know that its session with the group is over still reaches the database:
/// its write must be refused there.
pub(crate) async fn cut_off_from_kafka_only(engine: Engine) {
    let stage = Stage::begin_in(engine, "cut_off_from_kafka", 2).await;
    let orders = Orders::prepare(&stage, 8).await;
    let database = Proxy::to_database(stage.database.server()).await;
    let kafka = Proxy::to_kafka().await;
    let load = orders.load(&stage, 300);
    let other = orders.start_first(&stage, Launch::new("other")).await;
    // The batch that it has read is held back until another worker owns the partitions.
    let hold = Hold::at(&stage, &engine.point("before_begin"), 30);
    let victim = Launch::new("victim")
        .kafka(&kafka)
        .database(&database)
        .hold(&hold)
        .start(&stage, &[&orders.connector])
        .await;
    hold.until_held(seconds(60)).await;
    orders
        .caught(&stage, &database, Caught::Idle, WRITES_BEFORE)
        .await;
    kafka.set(Network::Cut);
    let cut_at = Instant::now();
    orders.until_flowing(&stage, SESSION + seconds(60)).await;
    stage.tell(format_args!(
        "cut off from kafka; the other worker caught up after {:.1} s",
        cut_at.elapsed().as_secs_f32()
    ));
    hold.let_go();
    let fenced = victim.until_logged(&[FENCED], seconds(60)).await;
    stage.tell(fenced);
    kafka.set(Network::Whole);
    orders.until_shared(&stage, &[&victim, &other]).await;
    load.finish().await;
    let judged = orders.judged(&stage);
    let verdict = judged.healed(&[&victim, &other], seconds(60)).await;
    // Joining, sharing, taking over, sharing again, and the victim's leaving: not a duel.
    let most = verdict.claims.values().max().copied().unwrap_or(0);
    assert!(
        most <= 7,
        "partitions were claimed {:?} times",
        verdict.claims
    );
}

/// The server commits, the answer never comes, then the connection breaks.
pub(crate) async fn commit_s_answer_lost(engine: Engine) {
    let stage = Stage::begin_in(engine, "commit_answer_lost", 1).await;
    let orders = Orders::prepare(&stage, 6).await;
    let path = Proxy::to_database(stage.database.server()).await;
    let load = orders.load(&stage, 300);
    path.trap(
        stage.database.engine().commit(),
        COMMITS_BEFORE,
        Network::RepliesLost,
    );
    let worker = Launch::new("worker")
        .database(&path)
        .start(&stage, &[&orders.connector])
        .await;
    path.sprung(1, seconds(60)).await;
    orders
        .caught(&stage, &path, Caught::Idle, WRITES_BEFORE)
        .await;
    path.cut_connections();
    orders.until_flowing(&stage, seconds(60)).await;
    load.finish().await;
    orders.judged(&stage).healed(&[&worker], seconds(60)).await;
}

/// Both the commit's answer and that of the renewal that asks about it are lost.
#[tokio::test(flavor = "multi_thread")]
async fn renewal_s_answer_lost() {
    let stage = Stage::begin("renewal_answer_lost", 1).await;
    let orders = Orders::prepare(&stage, 6).await;
    let path = Proxy::to_database(stage.database.server()).await;
    let load = orders.load(&stage, 300);
    path.trap(
        stage.database.engine().commit(),
        COMMITS_BEFORE,
        Network::RepliesLost,
    );
    let hold = Hold::at(&stage, "postgres::after_renew_sent", 0);
    let worker = Launch::new("worker")
        .database(&path)
        .hold(&hold)
        .start(&stage, &[&orders.connector])
        .await;
    path.sprung(1, seconds(60)).await;
    orders
        .caught(&stage, &path, Caught::Idle, WRITES_BEFORE)
        .await;
    let claims_before = claims(&orders, &stage).await;
    path.cut_connections();
    // The renewal is executed, and its answer is on the way, when the connection breaks again.
    eventually("the renewal to be executed", seconds(60), || async {
        let claims = claims(&orders, &stage).await;
        check(claims > claims_before, || format!("{claims} claims"))
    })
    .await;
    hold.until_held(seconds(60)).await;
    path.cut_connections();
    hold.let_go();
    stage.tell("cut while the renewal's answer was awaited");
    orders.until_flowing(&stage, seconds(60)).await;
    load.finish().await;
    orders.judged(&stage).healed(&[&worker], seconds(60)).await;
}

/// The connection stands, requests arrive, answers do not. Nothing but a deadline ends that; the
/// JDBC driver's name for it is `socketTimeout`.
pub(crate) async fn half_open_connection_to_the_database(engine: Engine) {
    let stage = Stage::begin_in(engine, "half_open_database", 2).await;
    let orders = Orders::prepare(&stage, 6).await;
    let path = Proxy::to_database(stage.database.server()).await;
    let load = orders.load(&stage, 300);
    let other = orders.start_first(&stage, Launch::new("other")).await;
    let url = stage.database.url(Some(&path));
    let between = if url.contains('?') { '&' } else { '?' };
    let timeout = match engine {
        Engine::Postgres => "4",
        _ => "4000",
    };
    let url = format!("{url}{between}socketTimeout={timeout}");
    let connector = orders.connector.clone().set("connection.url", &url);
    let worker = Launch::new("victim")
        .database(&path)
        .start(&stage, &[&connector])
        .await;
    orders.until_shared(&stage, &[&worker, &other]).await;
    path.trap(engine.commit(), 10, Network::RepliesLost);
    path.sprung(1, seconds(60)).await;
    stage.tell("answers are lost from a commit on");
    orders.until_flowing(&stage, seconds(60)).await;
    load.finish().await;
    let judged = orders.judged(&stage);
    judged.healed(&[&worker, &other], seconds(60)).await;
}

/// One of three workers cannot reach the database; the others take its partitions over soon.
#[tokio::test(flavor = "multi_thread")]
async fn database_unreachable_for_one_of_three() {
    let stage = Stage::begin_alone("one_of_three").await;
    let orders = Orders::prepare(&stage, 9).await;
    let path = Proxy::to_database(stage.database.server()).await;
    let load = orders.load(&stage, 300);
    let connectors = [&orders.connector];
    let first = Launch::new("first").start(&stage, &connectors).await;
    let second = Launch::new("second").start(&stage, &connectors).await;
    let victim = Launch::new("victim")
        .database(&path)
        .start(&stage, &connectors)
        .await;
    orders
        .until_shared(&stage, &[&first, &second, &victim])
        .await;
    orders.until_flowing(&stage, seconds(60)).await;
    path.set(Network::Cut);
    let cut_at = Instant::now();
    orders.until_flowing(&stage, seconds(60)).await;
    let taken_over = cut_at.elapsed();
    let owners = orders.owners(&stage).await;
    stage.tell(format_args!(
        "all partitions written again {taken_over:?} after the cut, owned by {owners:?}"
    ));
    assert!(
        taken_over <= TAKEN_OVER_WITHIN,
        "taking over took {taken_over:?}"
    );
    let tasks = victim.tasks(&orders.connector).await;
    assert!(
        tasks.iter().all(|task| task.state == "RUNNING"),
        "an unreachable database is retried, not a failure: {tasks:?}"
    );
    path.set(Network::Whole);
    orders
        .until_shared(&stage, &[&first, &second, &victim])
        .await;
    load.finish().await;
    let judged = orders.judged(&stage);
    judged
        .healed(&[&first, &second, &victim], seconds(60))
        .await;
}

/// A worker loses the database while its group waits for another member, which stands still, and has it
/// again before the group is formed anew: the client forgets that it was to leave.
#[tokio::test(flavor = "multi_thread")]
async fn database_away_while_the_group_is_being_counted() {
    let stage = Stage::begin_alone("counted").await;
    let orders = Orders::prepare(&stage, 9).await;
    let path = Proxy::to_database(stage.database.server()).await;
    let load = orders.load(&stage, 300);
    let connectors = [&orders.connector];
    // The group waits for it for longer than the worker is away.
    let frozen = Launch::new("frozen")
        .setting("consumer.session.timeout.ms", "15000")
        .start(&stage, &connectors)
        .await;
    let victim = Launch::new("victim")
        .database(&path)
        .start(&stage, &connectors)
        .await;
    orders.until_shared(&stage, &[&frozen, &victim]).await;
    frozen.freeze().await;
    let joining = Launch::new("joining").start(&stage, &connectors).await;
    orders.until_counted(&stage).await;
    path.set(Network::Cut);
    victim
        .until_logged(&["leaving the group so that others go on"], seconds(30))
        .await;
    path.set(Network::Whole);
    victim
        .until_logged(&["joining the group again"], seconds(30))
        .await;
    let still_counted = orders.group_state().await;
    stage.tell(format_args!(
        "joining again while the group is {still_counted}"
    ));
    orders.until_flowing(&stage, seconds(60)).await;
    orders.until_shared(&stage, &[&victim, &joining]).await;
    frozen.thaw().await;
    load.finish().await;
    let judged = orders.judged(&stage);
    judged
        .healed(&[&frozen, &victim, &joining], seconds(60))
        .await;
    assert_eq!(
        still_counted, COUNTING,
        "it was over too soon to show anything"
    );
}

async fn claims(orders: &Orders, stage: &Stage) -> usize {
    let history = orders.judged(stage).history().await;
    history.iter().filter(|change| change.is_claim()).count()
}
