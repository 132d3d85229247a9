//! PgBouncer in transaction mode before PostgreSQL: statements of one session run in whatever server
//! process is free, so nothing that a session remembers can be relied on.

use crate::support::orders::Orders;
use crate::support::own_server::OwnServer;
use crate::support::stage::Stage;
use crate::support::wait::{eventually, seconds};
use crate::support::worker::Launch;

/// Told apart by name from anything else that stops a task.
const REASON: &str = "pooler in transaction mode";

/// The tasks stop with the reason before any harm is done; without the pooler, all goes on.
#[tokio::test(flavor = "multi_thread")]
async fn transaction_mode_is_refused() {
    let pooler = OwnServer::pooler("refused").await;
    let stage = Stage::begin("pooler", 1).await;
    let orders = Orders::prepare(&stage, 6).await;
    let load = orders.load(&stage, 300);
    let (base, _) = pooler.url.rsplit_once('/').expect("a database");
    let direct = stage.database.url(None);
    let (_, database) = direct.rsplit_once('/').expect("a database");
    let pooled = orders
        .connector
        .clone()
        .set("connection.url", &format!("{base}/{database}"))
        .set("tasks.max", "4");
    let mut worker = Launch::new("pooled").start(&stage, &[&pooled]).await;
    let trace = eventually("a task to be stopped", seconds(25), || async {
        let tasks = worker.tasks(&pooled).await;
        let stopped = tasks.iter().find(|task| task.state == "FAILED");
        stopped
            .map(|task| task.trace.clone())
            .ok_or_else(|| format!("{tasks:?}"))
    })
    .await;
    stage.tell(&trace);
    assert!(trace.contains(REASON), "{trace}");
    worker.kill();
    let direct = Launch::new("direct")
        .start(&stage, &[&orders.connector])
        .await;
    orders.until_flowing(&stage, seconds(20)).await;
    load.finish().await;
    orders.judged(&stage).healed(&[&direct], seconds(20)).await;
}
