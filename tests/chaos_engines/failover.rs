//! The primary is lost, and with it what its replica had not heard of yet.

use std::time::{Duration, Instant};

use crate::support::engine::Engine;
use crate::support::orders::Orders;
use crate::support::replica::Replicated;
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, seconds};
use crate::support::worker::Launch;

/// For how long the primary commits what the replica never hears of.
const BEHIND: Duration = seconds(3);

/// Rows and positions are lost together, so the worker goes back to where the new primary stands, and
/// every record is there once in the end.
pub(super) async fn to_a_replica_that_lags(engine: Engine) {
    let name = format!("failover_{}", engine.name());
    let pair = Replicated::start(engine, &name).await;
    let mut stage = Stage::begin_on(&name, 1, &pair.primary.url).await;
    let mut orders = Orders::prepare(&stage, 6).await;
    let url = pair.url(stage.database.name());
    orders.connector = orders.connector.set("connection.url", &url);
    let load = orders.load(&stage, 300);
    let worker = Launch::new("worker")
        .start(&stage, &[&orders.connector])
        .await;
    orders.until_flowing(&stage, PATIENCE).await;
    pair.cut(stage.database.name(), "orders").await;
    stage.database.reconnect().await;
    tokio::time::sleep(BEHIND).await;
    orders.until_flowing(&stage, PATIENCE).await;
    let lost = orders.judged(&stage).positions().await;
    pair.fail_over().await;
    let promoted_at = Instant::now();
    stage.database.move_to(&pair.replica.url).await;
    let history = orders.judged(&stage).history().await;
    let stood = |partition: i32| {
        let mut moves = history.iter().rev();
        let last = moves.find(|change| change.partition == partition && change.is_move());
        last.and_then(|change| change.new_next).unwrap_or(0)
    };
    let behind: i64 = lost
        .iter()
        .map(|(partition, next)| (next - stood(*partition)).max(0))
        .sum();
    assert!(behind > 0, "the replica has lost nothing: {lost:?}");
    orders.until_flowing(&stage, PATIENCE).await;
    stage.tell(format_args!(
        "{behind} records had been lost with the primary; caught up {:.1?} after the other took its place",
        promoted_at.elapsed()
    ));
    load.finish().await;
    orders.judged(&stage).healed(&[&worker], PATIENCE).await;
}
