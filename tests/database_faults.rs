//! The database restarts, ends sessions, or does not answer for long.

use std::time::{Duration, Instant};

use crate::support::orders::Orders;
use crate::support::own_server::OwnServer;
use crate::support::proxy::{Network, Proxy};
use crate::support::stage::Stage;
use crate::support::wait::seconds;
use crate::support::worker::Launch;

/// Above the poll interval of the test below, as ten minutes are above the default of five.
const STALL: Duration = seconds(12);

#[tokio::test(flavor = "multi_thread")]
async fn server_dies_under_load() {
    let server = OwnServer::start("dies_under_load").await;
    let mut stage = Stage::begin_on("database_dies", 2, &server.url).await;
    let orders = Orders::prepare(&stage, 8).await;
    let load = orders.load(&stage, 300);
    let connectors = [&orders.connector];
    let first = Launch::new("first").start(&stage, &connectors).await;
    let second = Launch::new("second").start(&stage, &connectors).await;
    orders.until_shared(&stage, &[&first, &second]).await;
    orders.until_flowing(&stage, seconds(10)).await;
    server.kill().await;
    stage.tell("the server was killed");
    first.until_logged(&["connection"], seconds(10)).await;
    server.start_again().await;
    let up_at = Instant::now();
    stage.database.reconnect().await;
    orders.until_flowing(&stage, seconds(30)).await;
    stage.tell(format_args!(
        "caught up {:?} after it was up",
        up_at.elapsed()
    ));
    load.finish().await;
    let judged = orders.judged(&stage);
    judged.healed(&[&first, &second], seconds(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_at_random() {
    const ENDED: usize = 8;
    let stage = Stage::begin("sessions_end", 2).await;
    let orders = Orders::prepare(&stage, 8).await;
    let load = orders.load(&stage, 500);
    let connectors = [&orders.connector];
    let first = Launch::new("first").start(&stage, &connectors).await;
    let second = Launch::new("second").start(&stage, &connectors).await;
    orders.until_shared(&stage, &[&first, &second]).await;
    let mut random = stage.random();
    let mut every = tokio::time::interval(seconds(1));
    let mut ended = 0;
    while ended < ENDED {
        every.tick().await;
        let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
            AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        let sessions = stage.database.rows(sql, &[]).await;
        let Some(session) = random.choice(&sessions) else {
            continue;
        };
        if stage.database.terminate(session.get(0)).await {
            ended += 1;
        }
    }
    stage.tell(format_args!("{ended} sessions ended"));
    load.finish().await;
    let judged = orders.judged(&stage);
    judged.healed(&[&first, &second], seconds(20)).await;
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
        .start(&stage, &[&orders.connector])
        .await;
    judged.until_rows(200, seconds(20)).await;
    path.set(Network::Stalled);
    tokio::time::sleep(STALL).await;
    let tasks = worker.tasks(&orders.connector).await;
    assert!(
        tasks.iter().all(|task| task.state == "RUNNING"),
        "{tasks:?}"
    );
    path.set(Network::Whole);
    stage.tell(format_args!("the database did not answer for {STALL:?}"));
    orders.until_flowing(&stage, seconds(10)).await;
    load.finish().await;
    judged.healed(&[&worker], seconds(10)).await;
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
