//! A worker dies by SIGKILL at the worst moments of a write.
//!
//! A failpoint holds the worker there, the server's list of sessions proves it, then it dies.
//! Another worker and its own successor must neither lose nor repeat a row.

use crate::support::kafka;
use crate::support::orders::{Caught, Orders};
use crate::support::proxy::Proxy;
use crate::support::stage::Stage;
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

/// Writes that a victim does before it is held, so that it dies amid work.
const WRITES_BEFORE: usize = 40;

/// Longer than any of these tests.
const HELD: &str = "sleep(60000)";

#[tokio::test(flavor = "multi_thread")]
async fn before_the_transaction() {
    killed("kill_before_begin", "postgres::before_begin", Caught::Idle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_position_and_rows() {
    let point = "postgres::after_progress";
    killed("kill_after_progress", point, Caught::InTransaction).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amid_rows() {
    let point = "postgres::mid_rows";
    killed("kill_mid_rows", point, Caught::InTransaction).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_commit() {
    let point = "postgres::before_commit";
    killed("kill_before_commit", point, Caught::InTransaction).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_commit_was_sent() {
    let point = "postgres::after_commit_sent";
    killed("kill_commit_sent", point, Caught::Idle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_commit_was_answered() {
    killed("kill_after_commit", "postgres::after_commit", Caught::Idle).await;
}

async fn killed(name: &str, point: &str, caught: Caught) {
    let stage = Stage::begin(name, 2).await;
    let orders = Orders::prepare(&stage, 8).await;
    let path = Proxy::to_database(stage.database.server()).await;
    let load = orders.load(&stage, 400);
    let other = orders.start_first(&stage, Launch::new("other")).await;
    let mut victim = Launch::new("victim")
        .database(&path)
        .failpoint(point, &format!("{WRITES_BEFORE}*off->{HELD}"))
        .start(&stage, &[&orders.connector])
        .await;
    orders.caught(&stage, &path, caught, WRITES_BEFORE).await;
    let status = victim.kill();
    stage.tell(format_args!("the victim at {point} ended: {status}"));
    let successor = Launch::new("successor")
        .start(&stage, &[&orders.connector])
        .await;
    orders.until_flowing(&stage, seconds(20)).await;
    load.finish().await;
    let judged = orders.judged(&stage);
    judged.healed(&[&other, &successor], seconds(20)).await;
}

/// Positions come from the database: what the group has committed in Kafka is older and unused.
#[tokio::test(flavor = "multi_thread")]
async fn before_the_group_s_offset_was_committed() {
    let stage = Stage::begin("kill_before_kafka_commit", 1).await;
    let orders = Orders::prepare(&stage, 4).await;
    let load = orders.load(&stage, 400);
    let mut victim = Launch::new("victim")
        .setting("offset.flush.interval.ms", "500")
        .failpoint("write::before_kafka_commit", &format!("1*off->{HELD}"))
        .start(&stage, &[&orders.connector])
        .await;
    let judged = orders.judged(&stage);
    // The thread that is held there reads no more, so the table falls behind.
    eventually("the table to fall behind", seconds(20), || async {
        let rows = stage.database.number("SELECT count(*) FROM orders").await;
        let sent = stage.ledger.len();
        check(
            rows > 0 && usize::try_from(rows + 400).unwrap() < sent,
            || format!("{rows} of {sent}"),
        )
    })
    .await;
    let status = victim.kill();
    let stored = judged.positions().await;
    let (group, topic) = (orders.connector.group(), &orders.topic);
    let committed = kafka::group_offsets(&group, &topic.name, topic.partitions).await;
    let behind = stored
        .iter()
        .filter(|(partition, next)| committed.get(*partition).is_none_or(|(at, _)| at < *next));
    assert!(
        !committed.is_empty() && behind.count() > 0,
        "the kill came too late: stored {stored:?}, in Kafka {committed:?}"
    );
    stage.tell(format_args!(
        "{status}; stored {stored:?}, committed in Kafka {committed:?}"
    ));
    let successor = Launch::new("successor")
        .start(&stage, &[&orders.connector])
        .await;
    load.finish().await;
    judged.healed(&[&successor], seconds(20)).await;
}
