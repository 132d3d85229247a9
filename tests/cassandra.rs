//! Cassandra, whole: a worker, real Kafka, a real node. What must be there in the end is worked out
//! from the topic alone: the last record of each item, with the write timestamp that the clock gives it.

mod chaos;
mod creation;
mod letters;
mod mapping;
pub(crate) mod play;

use std::sync::Arc;

use play::{Keyspace, Loads, PARTITIONS, PATIENCE, until_flowing, until_shared};

use crate::chaos::watch::Watch;
use crate::support::hold::Hold;
use crate::support::producer::Writer;
use crate::support::stage::Stage;
use crate::support::wait::seconds;
use crate::support::worker::{FENCED, Launch};

/// How often a victim passes its point before it is held there, so that it stops amid work: a point among
/// the rows, and one that each batch passes once.
const ROWS_BEFORE: usize = 20;
const BATCHES_BEFORE: usize = 4;

/// A worker dies with rows in hand; its successor writes them again, the same.
async fn killed(name: &str, point: &str, passes: usize) {
    let stage = Stage::begin(name, 2).await;
    let keyspace = Arc::new(Keyspace::create(&stage).await);
    let topic = stage.topic("orders", PARTITIONS).await;
    let connector = keyspace.connector(&stage, &topic);
    let watch = Watch::begin(&keyspace, &topic);
    let loads = Loads::begin(&stage, &topic);
    let hold = Hold::at(&stage, point, passes);
    let mut victim = Launch::new("victim")
        .hold(&hold)
        .start(&stage, &[&connector])
        .await;
    hold.until_held(PATIENCE).await;
    let status = victim.kill();
    stage.tell(format_args!("the victim at {point} ended: {status}"));
    let successor = Launch::new("successor").start(&stage, &[&connector]).await;
    until_flowing(&keyspace, &topic, PATIENCE).await;
    loads.finish().await;
    keyspace.agrees(&topic).await;
    assert_eq!(watch.falls(), Vec::<String>::new(), "positions fell");
    watch.end();
    successor
        .until_tasks(&connector, "RUNNING", seconds(30))
        .await;
    Keyspace::drop(&keyspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_amid_rows() {
    killed(
        "cassandra_kill_mid_rows",
        "cassandra::mid_rows",
        ROWS_BEFORE,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_rows_and_checkpoint() {
    killed(
        "cassandra_kill_before_checkpoint",
        "cassandra::before_checkpoint",
        BATCHES_BEFORE,
    )
    .await;
}

/// Two workers; one is frozen with rows in hand, thaws when the other has written all of them and more,
/// and writes its own then.
///
/// Why the table must agree with the topic in every cell and write timestamp all the same: the frozen
/// one ran its clock from the checkpoint that it held, and the other starts from the same one, since
/// neither has moved it; the config is the same and the log is not compacted, so both give each record
/// the same timestamp, and the late rows are the ones that are there or lose to newer ones. The late
/// checkpoint compares a claim that has been replaced, so it moves nothing, and a late raise of the
/// ceiling compares the same. Nothing of this is a matter of time, and so is nothing of the test: the
/// victim stands at its point until it is frozen, and is let go while it is.
async fn frozen(name: &str, point: &str) {
    let stage = Stage::begin(name, 2).await;
    let keyspace = Arc::new(Keyspace::create(&stage).await);
    let topic = stage.topic("orders", PARTITIONS).await;
    let connector = keyspace.connector(&stage, &topic);
    let watch = Watch::begin(&keyspace, &topic);
    let loads = Loads::begin(&stage, &topic);
    let other = Launch::new("other").start(&stage, &[&connector]).await;
    let hold = Hold::at(&stage, point, BATCHES_BEFORE);
    let victim = Launch::new("victim")
        .hold(&hold)
        .start(&stage, &[&connector])
        .await;
    hold.until_held(PATIENCE).await;
    victim.freeze().await;
    hold.let_go();
    // Every partition moves, so the other one has claimed them all.
    until_flowing(&keyspace, &topic, PATIENCE).await;
    victim.thaw().await;
    // It has found out, by a refused checkpoint or a renewal, and is a member again.
    until_shared(&keyspace, &[&victim, &other]).await;
    let fenced = victim.until_logged(&[FENCED], PATIENCE).await;
    stage.tell(format_args!("the frozen one logged: {fenced}"));
    until_flowing(&keyspace, &topic, PATIENCE).await;
    loads.finish().await;
    keyspace.agrees(&topic).await;
    assert_eq!(watch.falls(), Vec::<String>::new(), "positions fell");
    watch.end();
    for worker in [&victim, &other] {
        worker.until_tasks(&connector, "RUNNING", seconds(30)).await;
    }
    Keyspace::drop(&keyspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_before_its_rows() {
    frozen("cassandra_freeze_before_rows", "cassandra::before_rows").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_between_rows_and_checkpoint() {
    frozen(
        "cassandra_freeze_before_checkpoint",
        "cassandra::before_checkpoint",
    )
    .await;
}

/// Several updates of one row within a millisecond, and a delete behind them: the last one counts.
#[tokio::test(flavor = "multi_thread")]
async fn many_records_of_one_millisecond() {
    let stage = Stage::begin("cassandra_one_millisecond", 1).await;
    let keyspace = Keyspace::create(&stage).await;
    let topic = stage.topic("orders", PARTITIONS).await;
    let connector = keyspace.connector(&stage, &topic);
    let writer = Writer::new(&topic.name, 1, &stage.ledger);
    let about = |seq: i64, item: i64| crate::support::producer::Draft::about(seq, item, PARTITIONS);
    let drafts = (0..600).map(|seq| match seq % 100 {
        50 => about(seq, seq % 3).deleting(),
        _ => about(seq, seq % 3),
    });
    writer.send_all(drafts).await;
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    keyspace.agrees(&topic).await;
    let status = worker
        .rest
        .get(&format!("/connectors/{}/offsets", connector.name))
        .await;
    assert_eq!(status.code, 200, "{}", status.body);
    keyspace.drop().await;
}
