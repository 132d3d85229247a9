//! A bad line: latency, and every fifth packet lost, between workers and Kafka, workers and the database.

use std::env;
use std::time::{Duration, Instant};

use crate::support::engine::Engine;
use crate::support::items::Items;
use crate::support::orders::Orders;
use crate::support::proxy::{BrokerPaths, Network};
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, seconds};
use crate::support::worker::Launch;

/// Unless `CHAOS_SECONDS` says otherwise.
const SECONDS: u64 = 60;

/// How long this kind of test goes on.
pub(crate) fn patience() -> Duration {
    let given = env::var("CHAOS_SECONDS").ok();
    let given = given.filter(|text| !text.is_empty());
    seconds(given.map_or(SECONDS, |text| text.parse().expect("CHAOS_SECONDS")))
}

/// Slow, and never at a standstill. To a file there is no line.
pub(super) async fn is_bad(engine: Engine) {
    let stage = Stage::begin_in(engine, "bad_line", 2).await;
    let orders = Orders::prepare(&stage, 8).await;
    let items = Items::prepare(&stage).await;
    let connectors = [&orders.connector, &items.connector];
    let database = stage.database.path().await;
    let kafka = BrokerPaths::to_brokers().await;
    let launch = |name| {
        Launch::new(name)
            .database(database.as_ref())
            .setting("bootstrap.servers", &kafka.addresses())
    };
    let first = launch("first").start(&stage, &connectors).await;
    let second = launch("second").start(&stage, &connectors).await;
    let loads = (orders.load(&stage, 200), items.load(&stage, 100));
    orders.until_shared(&stage, &[&first, &second]).await;
    kafka.set(Network::Lossy);
    if let Some(database) = &database {
        database.set(Network::Lossy);
    }
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut rounds = 0;
    while begun.elapsed() < patience() {
        let round = Instant::now();
        orders.until_flowing(&stage, PATIENCE).await;
        slowest = slowest.max(round.elapsed());
        rounds += 1;
    }
    stage.tell(format_args!(
        "over a bad line everything was stored {rounds} times in {:.0?}, after {slowest:.1?} at most",
        begun.elapsed()
    ));
    kafka.set(Network::Whole);
    if let Some(database) = &database {
        database.set(Network::Whole);
    }
    loads.0.finish().await;
    loads.1.finish().await;
    let judged = orders.judged(&stage);
    judged.healed(&[&first, &second], PATIENCE).await;
    items.judged(&stage).until_folded(PATIENCE).await;
}
