//! Workers that are replaced, killed, frozen, multiplied, and doubled.

use std::collections::BTreeSet;
use std::time::Instant;

use super::play::{PARTITIONS, Play, TASKS, is_short, placement, tell_since};
use crate::cluster::until_healthy;
use crate::support::orders::Caught;
use crate::support::proc::Busy;
use crate::support::proxy::Proxy;
use crate::support::wait::{PATIENCE, check, eventually, seconds};
use crate::support::worker::SESSION;

/// Writes that a victim does before.
const WRITES_BEFORE: usize = 40;

/// Holds the victim at its point until it is frozen there, for long enough to be seen on a busy machine.
const HELD: &str = "40*off->1*sleep(10000)->off";
const HELD_FOR: std::time::Duration = seconds(10);

/// Transactions of a worker that the server may end after the worker was frozen: one of each task.
const ON_THEIR_WAY: usize = TASKS / 3;

fn rounds() -> usize {
    if is_short() { 1 } else { 3 }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs three brokers: make chaos"]
async fn rolling_restarts() {
    let mut play = Play::begin("rolling_restarts").await;
    play.also_items().await;
    let load = play.load().await;
    play.settle().await;
    for _ in 0..rounds() {
        for index in 0..play.workers.len() {
            play.replace(index).await;
        }
        play.until_flowing().await;
    }
    play.judge(load).await;
    play.check_pause(seconds(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs three brokers: make chaos"]
async fn rolling_kills() {
    let mut play = Play::begin("rolling_kills").await;
    play.also_items().await;
    let load = play.load().await;
    let mut random = play.stage.random();
    for _ in 0..rounds() {
        let mut order = [0, 1, 2];
        random.shuffle(&mut order);
        for index in order {
            play.kill_and_replace(index).await;
        }
        let (begun, busy) = (Instant::now(), Busy::from_now());
        play.until_flowing().await;
        tell_since(&play.stage, "records of all partitions flow again", begun);
        let soon = is_short() || begun.elapsed() <= SESSION + seconds(5);
        assert!(
            soon,
            "partitions of the dead are missed after a session; {busy}"
        );
    }
    play.judge(load).await;
}

/// One is killed, nobody follows: the others have its partitions soon.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs three brokers: make chaos"]
async fn one_killed_for_good() {
    let mut play = Play::begin("one_killed").await;
    let load = play.load().await;
    play.settle().await;
    drop(play.workers.remove(1));
    play.until_flowing().await;
    play.until_tasks_run().await;
    play.judge(load).await;
    play.check_pause(SESSION + seconds(3)).await;
}

/// One leaves for good: no pause to speak of.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs three brokers: make chaos"]
async fn one_leaves_for_good() {
    let mut play = Play::begin("one_leaves").await;
    let load = play.load().await;
    play.settle().await;
    let mut leaver = play.workers.remove(1);
    leaver.terminate();
    assert!(leaver.exit(PATIENCE).await.success());
    assert_eq!(leaver.logged(&["fenced"]), Vec::<String>::new());
    play.until_flowing().await;
    play.judge(load).await;
    play.check_pause(seconds(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs three brokers: make chaos"]
async fn frozen_before_the_transaction() {
    frozen(
        "frozen_before_begin",
        "postgres::before_begin",
        Caught::Idle,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs three brokers: make chaos"]
async fn frozen_amid_rows() {
    frozen(
        "frozen_mid_rows",
        "postgres::mid_rows",
        Caught::InTransaction,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs three brokers: make chaos"]
async fn frozen_after_the_position() {
    let point = "postgres::after_progress";
    frozen("frozen_after_progress", point, Caught::InTransaction).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs three brokers: make chaos"]
async fn frozen_after_commit_was_sent() {
    let point = "postgres::after_commit_sent";
    frozen("frozen_commit_sent", point, Caught::Idle).await;
}

async fn frozen(name: &str, point: &str, caught: Caught) {
    let mut play = Play::prepare(name, &[]).await;
    let path = Proxy::to_database(play.stage.database.server()).await;
    let victim = play.launch_with(1, Some(&path)).failpoint(point, HELD);
    let launches = vec![play.launch(0), victim, play.launch(2)];
    play.begin_with(launches).await;
    let load = play.load().await;
    play.orders
        .caught(&play.stage, &path, caught, WRITES_BEFORE)
        .await;
    play.workers[1].freeze().await;
    let frozen_at = Instant::now();
    let moves_when_frozen = moves_by_victim(&play).await;
    play.until_flowing().await;
    tell_since(
        &play.stage,
        &format!("frozen at {point}; the others caught up"),
        frozen_at,
    );
    let moves_while_frozen = moves_by_victim(&play).await;
    // It goes on where it was at once, before it has heard of anything.
    tokio::time::sleep(HELD_FOR.saturating_sub(frozen_at.elapsed())).await;
    play.workers[1].thaw().await;
    play.settle().await;
    play.judge(load).await;
    assert!(
        moves_while_frozen <= moves_when_frozen + ON_THEIR_WAY,
        "a frozen worker moved positions: {moves_when_frozen} before, {moves_while_frozen} after"
    );
    let fenced = play.workers[1].logged(&["fenced"]);
    play.stage
        .tell(format_args!("the zombie logged: {:?}", fenced.first()));
    // Elsewhere the server has ended the transaction, or there is none to be refused.
    let must_be = point.ends_with("before_begin");
    assert!(!must_be || !fenced.is_empty(), "its write was not refused");
}

async fn moves_by_victim(play: &Play) -> usize {
    let address = play.workers[1].address.to_string();
    let history = play.orders.judged(&play.stage).history().await;
    let moves = history
        .iter()
        .filter(|change| change.is_move() && change.owner.contains(&address));
    moves.count()
}

/// One worker becomes many, and one again; at each step no more tasks move than must.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs three brokers: make chaos"]
async fn many_come_and_go() {
    let most = if is_short() { 4 } else { 10 };
    let tasks = PARTITIONS.to_string();
    let mut play = Play::prepare("many", &[("tasks.max", &tasks)]).await;
    let first = play.launch(0).start(&play.stage, &[]).await;
    until_healthy(&first).await;
    let document = play.orders.connector.document("");
    assert_eq!(
        first.rest.post("/connectors", Some(document)).await.code,
        201
    );
    play.workers.push(first);
    until_placed(&play).await;
    let load = play.load().await;
    play.settle().await;
    while play.workers.len() < most {
        let before = placement(&play.workers[0], &play.orders.connector).await;
        let index = play.workers.len();
        let worker = play.launch(index).start(&play.stage, &[]).await;
        until_healthy(&worker).await;
        play.workers.push(worker);
        until_placed(&play).await;
        check_moves(&play, &before, None).await;
    }
    while play.workers.len() > 1 {
        let before = placement(&play.workers[0], &play.orders.connector).await;
        let Some(mut leaver) = play.workers.pop() else {
            break;
        };
        leaver.terminate();
        assert!(leaver.exit(PATIENCE).await.success());
        until_placed(&play).await;
        check_moves(&play, &before, Some(&leaver.address.to_string())).await;
    }
    play.until_flowing().await;
    load.finish().await;
    let judged = play.orders.judged(&play.stage);
    judged.healed(&[&play.workers[0]], PATIENCE).await;
    play.check_pause(seconds(10)).await;
}

/// Waits until every task is placed on a worker that is there, and every worker has some.
async fn until_placed(play: &Play) {
    let known: BTreeSet<String> = play.addresses().into_iter().collect();
    eventually("tasks to be placed on all workers", PATIENCE, || async {
        let placed = placement(&play.workers[0], &play.orders.connector).await;
        let used: BTreeSet<String> = placed.iter().cloned().collect();
        let tasks = usize::try_from(PARTITIONS).unwrap();
        let wanted = known.len().min(tasks);
        let fits = placed.len() == tasks && used.len() == wanted && used.is_subset(&known);
        check(fits, || format!("{placed:?} on {known:?}"))
    })
    .await;
}

async fn check_moves(play: &Play, before: &[String], leaver: Option<&str>) {
    let after = placement(&play.workers[0], &play.orders.connector).await;
    let pairs = before.iter().zip(&after);
    let moved = pairs.filter(|(before, after)| before != after).count();
    let least = match leaver {
        Some(leaver) => before.iter().filter(|owner| *owner == leaver).count(),
        None => after.len() / play.workers.len(),
    };
    play.stage.tell(format_args!(
        "{} workers: {moved} tasks moved, {least} had to",
        play.workers.len()
    ));
    assert!(
        moved * 5 <= least * 6 + 4,
        "{moved} tasks moved where {least} had to"
    );
}

/// A second process under a worker's name: the older one ends and says why, the other works.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs three brokers: make chaos"]
async fn two_of_one_name() {
    let mut play = Play::begin("two_of_one_name").await;
    let load = play.load().await;
    let name = play.workers[1].address.port().to_string();
    let younger = play.launch(1).setting("rest.advertised.port", &name);
    let younger = younger.start(&play.stage, &[]).await;
    let status = play.workers[1].exit(PATIENCE).await;
    assert!(!status.success(), "the older one ended with {status}");
    let said = play.workers[1].logged(&["another worker has been started under this one's name"]);
    assert!(!said.is_empty(), "{}", play.workers[1].log());
    play.stage.tell(&said[0]);
    play.workers[1] = younger;
    until_healthy(&play.workers[1]).await;
    play.until_flowing().await;
    play.judge(load).await;
}
