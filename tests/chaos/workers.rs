//! Workers that are replaced, killed, frozen, multiplied, and doubled.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::play::{PARTITIONS, Play, is_short, lasts, placement, tell_since};
use super::store::{Point, Target};
use crate::cluster::until_healthy;
use crate::support::proc::Busy;
use crate::support::wait::{PATIENCE, check, eventually, seconds};
use crate::support::worker::{FENCED, SESSION};

/// Positions of a worker that the server may move after the worker was frozen: its share of all.
const ON_THEIR_WAY: usize = 4;

/// In full, workers come and go for so long, one at a time.
const COMING_AND_GOING_IN_FULL: Duration = seconds(600);
const EACH_IN_FULL: Duration = seconds(20);

fn rounds() -> usize {
    if is_short() { 1 } else { 3 }
}

pub(super) async fn rolling_restarts(target: Target) {
    let mut play = Play::begin(target, "rolling_restarts").await;
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

pub(super) async fn rolling_kills(target: Target) {
    let mut play = Play::begin(target, "rolling_kills").await;
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
pub(super) async fn one_killed_for_good(target: Target) {
    let mut play = Play::begin(target, "one_killed").await;
    let load = play.load().await;
    play.settle().await;
    drop(play.workers.remove(1));
    play.until_flowing().await;
    play.until_tasks_run().await;
    play.judge(load).await;
    play.check_pause(SESSION + seconds(3)).await;
}

/// One leaves for good: no pause to speak of.
pub(super) async fn one_leaves_for_good(target: Target) {
    let mut play = Play::begin(target, "one_leaves").await;
    let load = play.load().await;
    play.settle().await;
    let mut leaver = play.workers.remove(1);
    leaver.terminate();
    assert!(leaver.exit(PATIENCE).await.success());
    assert_eq!(leaver.logged(&[FENCED]), Vec::<String>::new());
    play.until_flowing().await;
    play.judge(load).await;
    play.check_pause(seconds(3)).await;
}

pub(super) async fn frozen_before_a_write(target: Target) {
    frozen(target, "frozen_before", Point::Before).await;
}

pub(super) async fn frozen_amid_rows(target: Target) {
    frozen(target, "frozen_amid_rows", Point::AmidRows).await;
}

pub(super) async fn frozen_between_rows_and_positions(target: Target) {
    frozen(target, "frozen_between", Point::Between).await;
}

pub(super) async fn frozen_at_the_end_of_a_write(target: Target) {
    frozen(target, "frozen_at_end", Point::AtItsEnd).await;
}

async fn frozen(target: Target, name: &str, point: Point) {
    let mut play = Play::prepare(target, name, &[]).await;
    let path = play.way().await;
    let hold = play.hold(target, point);
    let victim = play.launch_with(1, Some(&path)).hold(&hold);
    let launches = vec![play.launch(0), victim, play.launch(2)];
    play.begin_with(launches).await;
    let load = play.load_until_held(&hold, &path, point).await;
    play.workers[1].freeze().await;
    // When it thaws it goes on at once, before it has heard of anything.
    hold.let_go();
    let frozen_at = Instant::now();
    let moves_when_frozen = play.moves_by(1).await;
    play.until_taken_over(1).await;
    play.until_flowing().await;
    let what = format!("frozen at {}; the others caught up", point.name(target));
    tell_since(&play.stage, &what, frozen_at);
    let moves_while_frozen = play.moves_by(1).await;
    play.workers[1].thaw().await;
    play.settle().await;
    play.judge(load).await;
    assert!(
        moves_while_frozen <= moves_when_frozen + ON_THEIR_WAY,
        "a frozen worker moved positions: {moves_when_frozen} before, {moves_while_frozen} after"
    );
    let fenced = play.workers[1].logged(&[FENCED]);
    play.stage
        .tell(format_args!("the zombie logged: {:?}", fenced.first()));
    // Elsewhere the server has ended the transaction, or there is none to be refused.
    let must_be = point == Point::Before;
    assert!(!must_be || !fenced.is_empty(), "its write was not refused");
}

/// One worker becomes many, and one again; at each step no more tasks move than must.
pub(super) async fn many_come_and_go(target: Target) {
    let most = if is_short() { 4 } else { 10 };
    let tasks = PARTITIONS.to_string();
    let mut play = Play::prepare(target, "many", &[("tasks.max", &tasks)]).await;
    play.add(play.launch(0)).await;
    play.create(&play.orders.connector).await;
    until_placed(&play).await;
    let load = play.load().await;
    play.settle().await;
    let time = lasts(Duration::ZERO, COMING_AND_GOING_IN_FULL);
    let begun = Instant::now();
    loop {
        while play.workers.len() < most {
            one_comes(&mut play).await;
        }
        while play.workers.len() > 1 {
            one_goes(&mut play).await;
        }
        play.until_flowing().await;
        if begun.elapsed() >= time {
            break;
        }
    }
    play.judge(load).await;
    play.check_pause(seconds(10)).await;
}

async fn one_comes(play: &mut Play) {
    let begun = Instant::now();
    let before = placement(&play.workers[0], &play.orders.connector).await;
    play.add(play.launch(play.workers.len())).await;
    until_placed(play).await;
    check_moves(play, &before, None).await;
    until_the_next(begun).await;
}

async fn one_goes(play: &mut Play) {
    let begun = Instant::now();
    let before = placement(&play.workers[0], &play.orders.connector).await;
    let Some(mut leaver) = play.workers.pop() else {
        return;
    };
    leaver.terminate();
    assert!(leaver.exit(PATIENCE).await.success());
    until_placed(play).await;
    check_moves(play, &before, Some(&leaver.address.to_string())).await;
    until_the_next(begun).await;
}

async fn until_the_next(begun: Instant) {
    let each = lasts(Duration::ZERO, EACH_IN_FULL);
    tokio::time::sleep(each.saturating_sub(begun.elapsed())).await;
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
pub(super) async fn two_of_one_name(target: Target) {
    let mut play = Play::begin(target, "two_of_one_name").await;
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
