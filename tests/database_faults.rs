//! The database restarts, ends sessions, or does not answer for long.

use std::time::{Duration, Instant};

use crate::support::engine::Engine;
use crate::support::orders::Orders;
use crate::support::own_server::OwnServer;
use crate::support::proxy::{Network, Proxy};
use crate::support::stage::Stage;
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

/// Above the poll interval of the test below, as ten minutes are above the default of five.
const STALL: Duration = seconds(12);

/// Within this every partition moves again once the server is up. It takes less than a second.
const RECOVERY: Duration = seconds(30);

/// Sessions that are ended, one a second.
const ENDED: usize = 8;

mod postgres {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn server_dies() {
        server_dies_under_load(Engine::Postgres).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn sessions_end() {
        sessions_end_at_random(Engine::Postgres, ENDED).await;
    }
}

mod mysql {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn server_dies() {
        server_dies_under_load(Engine::MySql).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn sessions_end() {
        sessions_end_at_random(Engine::MySql, ENDED).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn transaction_ends() {
        transaction_ends_by_itself(Engine::MySql).await;
    }
}

mod mariadb {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn server_dies() {
        server_dies_under_load(Engine::MariaDb).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn sessions_end() {
        sessions_end_at_random(Engine::MariaDb, ENDED).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn transaction_ends() {
        transaction_ends_by_itself(Engine::MariaDb).await;
    }
}

/// MySQL ends a transaction by itself on some errors, and what follows would commit alone.
async fn transaction_ends_by_itself(engine: Engine) {
    const ENDED: usize = 5;
    let stage = Stage::begin_in(engine, "ends_by_itself", 1).await;
    let orders = Orders::prepare(&stage, 6).await;
    let load = orders.load(&stage, 400);
    let worker = Launch::new("worker")
        .failpoint(
            &engine.point("ended_by_server"),
            &format!("20*off->{ENDED}*return->off"),
        )
        .start(&stage, &[&orders.connector])
        .await;
    let found = "the transaction has ended before its rows were written";
    eventually("all transactions to be missed", seconds(60), || {
        let missed = worker.logged(&[found]).len();
        let missed = check(missed >= ENDED, || format!("{missed} missed"));
        std::future::ready(missed)
    })
    .await;
    stage.tell(format_args!("{ENDED} transactions had ended: {found}"));
    orders.until_flowing(&stage, seconds(60)).await;
    load.finish().await;
    orders.judged(&stage).healed(&[&worker], seconds(60)).await;
}

async fn server_dies_under_load(engine: Engine) {
    let server = OwnServer::start(engine, "dies_under_load").await;
    let name = format!("server_dies_{}", engine.name());
    let mut stage = Stage::begin_on(&name, 2, &server.url).await;
    let orders = Orders::prepare(&stage, 8).await;
    let load = orders.load(&stage, 300);
    let connectors = [&orders.connector];
    let first = Launch::new("first").start(&stage, &connectors).await;
    let second = Launch::new("second").start(&stage, &connectors).await;
    orders.until_shared(&stage, &[&first, &second]).await;
    orders.until_flowing(&stage, seconds(60)).await;
    server.kill().await;
    stage.tell("the server was killed");
    first.until_logged(&["connection"], seconds(60)).await;
    server.start_again().await;
    let up_at = Instant::now();
    stage.database.reconnect().await;
    orders.until_flowing(&stage, seconds(60)).await;
    let took = up_at.elapsed();
    stage.tell(format_args!("caught up {took:?} after it was up"));
    assert!(took <= RECOVERY, "{took:?}");
    load.finish().await;
    let judged = orders.judged(&stage);
    judged.healed(&[&first, &second], seconds(60)).await;
}

/// Once a second, so many times.
pub(crate) async fn sessions_end_at_random(engine: Engine, times: usize) {
    let stage = Stage::begin_in(engine, "sessions_end", 2).await;
    let orders = Orders::prepare(&stage, 8).await;
    let load = orders.load(&stage, 500);
    let connectors = [&orders.connector];
    let first = Launch::new("first").start(&stage, &connectors).await;
    let second = Launch::new("second").start(&stage, &connectors).await;
    orders.until_shared(&stage, &[&first, &second]).await;
    let mut random = stage.random();
    let mut every = tokio::time::interval(seconds(1));
    let mut ended = 0;
    while ended < times {
        every.tick().await;
        let sessions = stage.database.other_sessions().await;
        let Some(session) = random.choice(&sessions) else {
            continue;
        };
        if stage.database.terminate(*session).await {
            ended += 1;
        }
    }
    stage.tell(format_args!("{ended} sessions ended"));
    load.finish().await;
    let judged = orders.judged(&stage);
    judged.healed(&[&first, &second], seconds(60)).await;
}

/// What was written after the backup is gone, rows and positions alike: the worker finds out when
/// it is back, and writes again from where the database stands.
#[tokio::test(flavor = "multi_thread")]
async fn restored_to_an_earlier_backup() {
    let mut stage = Stage::begin("restored", 1).await;
    let orders = Orders::prepare(&stage, 6).await;
    let path = Proxy::to_database(stage.database.server()).await;
    let load = orders.load(&stage, 300);
    let worker = Launch::new("worker")
        .database(&path)
        .start(&stage, &[&orders.connector])
        .await;
    orders.until_flowing(&stage, seconds(60)).await;
    path.set(Network::Cut);
    stage.database.back_up().await;
    path.set(Network::Whole);
    orders.until_flowing(&stage, seconds(60)).await;
    path.set(Network::Cut);
    let lost = orders.judged(&stage).positions().await;
    stage.database.restore().await;
    let restored = orders.judged(&stage).positions().await;
    path.set(Network::Whole);
    stage.tell(format_args!(
        "positions stood at {lost:?}, now {restored:?}"
    ));
    assert!(
        restored
            .iter()
            .all(|(partition, next)| *next < lost[partition]),
        "the backup is no earlier one"
    );
    orders.until_flowing(&stage, seconds(60)).await;
    load.finish().await;
    orders.judged(&stage).healed(&[&worker], seconds(60)).await;
}

/// A write that takes longer than `max.poll.interval.ms` must not cost the membership: polling
/// goes on whatever the database does.
#[tokio::test(flavor = "multi_thread")]
async fn stall_longer_than_the_poll_interval() {
    let stage = Stage::begin("stall", 1).await;
    let orders = Orders::prepare(&stage, 6).await;
    let judged = orders.judged(&stage);
    let path = Proxy::to_database(stage.database.server()).await;
    let load = orders.load(&stage, 300);
    let worker = Launch::new("worker")
        .database(&path)
        .setting("consumer.max.poll.interval.ms", "10000")
        // Heartbeats are late on a busy machine; that is not what this is about.
        .setting("consumer.session.timeout.ms", "10000")
        .start(&stage, &[&orders.connector])
        .await;
    judged.until_rows(200, seconds(60)).await;
    path.set(Network::Stalled);
    tokio::time::sleep(STALL).await;
    let tasks = worker.tasks(&orders.connector).await;
    assert!(
        tasks.iter().all(|task| task.state == "RUNNING"),
        "{tasks:?}"
    );
    path.set(Network::Whole);
    stage.tell(format_args!("the database did not answer for {STALL:?}"));
    orders.until_flowing(&stage, seconds(60)).await;
    load.finish().await;
    judged.healed(&[&worker], seconds(60)).await;
    let generations: std::collections::BTreeSet<i64> = judged
        .history()
        .await
        .iter()
        .filter(|change| change.is_claim())
        .map(|change| change.generation)
        .collect();
    assert_eq!(
        generations.len(),
        1,
        "it was put out of its group: {generations:?}"
    );
}
