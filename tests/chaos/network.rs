//! Networks that break between a worker and Kafka, a worker and the database.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::play::{Play, is_short, lasts, tell_since};
use super::store::{Point, Target};
use crate::support::proc::remote_ports;
use crate::support::proxy::{BrokerPaths, Network};
use crate::support::wait::{PATIENCE, check, eventually, seconds};
use crate::support::worker::{FENCED, Worker};

/// For how long a line is bad, in full.
const BAD_IN_FULL: Duration = seconds(600);

/// Others have claimed and written what one worker can no longer write.
const TAKEN_OVER_WITHIN: Duration = seconds(3);

/// A worker that does not know that its session with the group is over still reaches the database:
/// its write is refused there.
pub(super) async fn cut_off_from_kafka(target: Target) {
    let mut play = Play::prepare(target, "cut_off_from_kafka", &[]).await;
    let database = play.way().await;
    let kafka = BrokerPaths::to_brokers().await;
    let hold = play.hold(target, Point::Before);
    let victim = play
        .launch_with(1, Some(&database))
        .setting("bootstrap.servers", &kafka.addresses())
        .hold(&hold);
    let launches = vec![play.launch(0), victim, play.launch(2)];
    play.begin_with(launches).await;
    let load = play.load_until_held(&hold, &database, Point::Before).await;
    let connections = kafka.connections();
    kafka.set(Network::Cut);
    let cut_at = Instant::now();
    play.until_taken_over(1).await;
    play.until_flowing().await;
    let what = format!("{connections} connections to kafka cut; the others caught up");
    tell_since(&play.stage, &what, cut_at);
    hold.let_go();
    let fenced = play.workers[1].until_logged(&[FENCED], PATIENCE).await;
    play.stage.tell(fenced);
    kafka.set(Network::Whole);
    play.settle().await;
    let claims = play.judge(load).await;
    let most = claims.values().max().copied().unwrap_or(0);
    // Starting, taking over, sharing again: not a duel.
    assert!(most <= 12, "claimed {claims:?} times");
}

/// One of three workers cannot reach the database; the others take its partitions over soon.
pub(super) async fn cut_off_from_the_database(target: Target) {
    let mut play = Play::prepare(target, "cut_off_from_database", &[]).await;
    let database = play.way().await;
    let launches = vec![
        play.launch(0),
        play.launch_with(1, Some(&database)),
        play.launch(2),
    ];
    play.begin_with(launches).await;
    let load = play.load().await;
    play.settle().await;
    let sessions = database.upstream_ports().len();
    database.set(Network::Cut);
    let cut_at = Instant::now();
    play.until_flowing().await;
    let what = format!("{sessions} sessions cut; all partitions are written again");
    tell_since(&play.stage, &what, cut_at);
    play.check_pause(TAKEN_OVER_WITHIN).await;
    let tasks = play.workers[1].tasks(&play.orders.connector).await;
    assert!(
        tasks.iter().all(|task| task.state == "RUNNING"),
        "{tasks:?}"
    );
    database.set(Network::Whole);
    play.settle().await;
    play.judge(load).await;
}

/// The worker that wrote to the config topic last is cut off amid its changes: another one writes,
/// and there is one truth when it is back. Workers have no connections to each other that could break.
pub(super) async fn cut_off_as_the_writer(target: Target) {
    let mut play = Play::prepare(target, "cut_off_as_writer", &[]).await;
    let kafka = BrokerPaths::to_brokers().await;
    let writer = play
        .launch(0)
        .setting("bootstrap.servers", &kafka.addresses());
    let launches = vec![writer, play.launch(1), play.launch(2)];
    play.begin_with(launches).await;
    let load = play.load().await;
    assert_eq!(links_between(&play.workers), Vec::<String>::new());
    let path = |number: usize| format!("/connectors/other{number}");
    let document = |number: usize| {
        let config = json!({"connector.class": "SqliteSink", "topics": play.orders.topic.name,
            "connection.url": format!("jdbc:sqlite:{}/other.db", play.stage.folder().display())});
        json!({"name": format!("other{number}"), "config": config, "initial_state": "STOPPED"})
    };
    let create = async |worker: &Worker, number| {
        let rest = &worker.rest;
        let answer = rest.try_call("POST", "/connectors", Some(document(number)));
        answer.await.map_or(0, |answer| answer.code)
    };
    assert_eq!(create(&play.workers[0], 0).await, 201);
    kafka.set(Network::Cut);
    let begun = Instant::now();
    let (refused, taken) = tokio::join!(create(&play.workers[0], 1), async {
        eventually("another worker to write", PATIENCE, || async {
            let code = create(&play.workers[1], 2).await;
            check(code == 201 || code == 409, || code.to_string())
        })
        .await;
        begun.elapsed()
    });
    assert_eq!(refused, 503, "a change that cannot be recorded");
    play.stage.tell(format_args!(
        "the writer was cut off; another one wrote after {taken:.1?}"
    ));
    kafka.set(Network::Whole);
    eventually("one truth", PATIENCE, || async {
        let mut shown = BTreeSet::new();
        for worker in &play.workers {
            let found = worker.rest.try_call("GET", "/connectors", None).await?;
            shown.insert(found.body.to_string());
        }
        let has_second = play.workers[0].rest.get(&path(2)).await.code == 200;
        check(shown.len() == 1 && has_second, || format!("{shown:?}"))
    })
    .await;
    eventually("the first to write again", PATIENCE, || async {
        let code = create(&play.workers[0], 3).await;
        check(code == 201 || code == 409, || code.to_string())
    })
    .await;
    assert_eq!(links_between(&play.workers), Vec::<String>::new());
    play.judge(load).await;
}

/// TCP connections whose one end is a worker and whose other end is another worker's API.
fn links_between(workers: &[Worker]) -> Vec<String> {
    let mut links = Vec::new();
    for worker in workers {
        let ports = remote_ports(worker.pid());
        for other in workers.iter().filter(|other| other.pid() != worker.pid()) {
            if ports.contains(&other.address.port()) {
                links.push(format!("{} to {}", worker.name, other.name));
            }
        }
    }
    links
}

/// Latency and lost packets on every way: slow, and never at a standstill.
pub(super) async fn a_bad_line(target: Target) {
    let mut play = Play::prepare(target, "bad_line", &[]).await;
    let database = play.way().await;
    let kafka = BrokerPaths::to_brokers().await;
    let launches = (0..3).map(|index| {
        play.launch_with(index, Some(&database))
            .setting("bootstrap.servers", &kafka.addresses())
    });
    let launches = launches.collect();
    play.begin_with(launches).await;
    play.also_items().await;
    let load = play.load().await;
    kafka.set(Network::Lossy);
    database.set(Network::Lossy);
    let least = if is_short() { 2 } else { 8 };
    let time = lasts(Duration::ZERO, BAD_IN_FULL);
    let (begun, mut rounds, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while rounds < least || begun.elapsed() < time {
        let round = Instant::now();
        play.until_flowing().await;
        slowest = slowest.max(round.elapsed());
        rounds += 1;
    }
    let what = format!("a bad line: all was stored {rounds} times, in {slowest:.1?} at most, and");
    tell_since(&play.stage, &what, begun);
    let late = [kafka.late_pieces(), database.late_pieces()];
    play.stage.tell(format_args!(
        "pieces that came late, to and from Kafka and the database: {late:?}"
    ));
    assert!(late.iter().all(|late| *late > 0), "{late:?}");
    kafka.set(Network::Whole);
    database.set(Network::Whole);
    play.judge(load).await;
}
