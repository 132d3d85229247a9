//! Who may write a partition: first starts, fences, late claims, a lost progress table.

use std::collections::BTreeMap;

use crate::support::engine::Engine;
use crate::support::kafka;
use crate::support::orders::Orders;
use crate::support::producer::{Draft, Poison};
use crate::support::proxy::{Network, Proxy};
use crate::support::stage::Stage;
use crate::support::wait::{eventually, seconds};
use crate::support::worker::{FENCED, Launch, SESSION};

/// A connector takes over from an earlier program: the group's offsets are where it starts, once,
/// also when several tasks start at the same moment.
#[tokio::test(flavor = "multi_thread")]
async fn first_start_takes_the_group_s_offsets_over() {
    let stage = Stage::begin("takes_over", 2).await;
    let mut orders = Orders::prepare(&stage, 6).await;
    orders.connector = orders.connector.set("tasks.max", "2");
    orders.writer(&stage, 1).send_good(0, 600, 6).await;
    let topic = orders.topic.name.as_str();
    // Partition 2 was read to its end, 4 and 5 never.
    let committed = [(0, 10), (1, 37), (2, 100), (3, 99)];
    kafka::commit_group_offsets(&orders.connector.group(), topic, &committed).await;
    for (partition, offset) in committed {
        stage.ledger.starts_at(topic, partition, offset);
    }
    let connectors = [&orders.connector];
    let (first, second) = tokio::join!(
        Launch::new("first").start(&stage, &connectors),
        Launch::new("second").start(&stage, &connectors),
    );
    let judged = orders.judged(&stage);
    judged.healed(&[&first, &second], seconds(20)).await;
    orders.writer(&stage, 2).send_good(0, 60, 6).await;
    judged.healed(&[&first, &second], seconds(20)).await;
    let history = judged.history().await;
    let starts: BTreeMap<i32, i64> = history
        .iter()
        .filter(|change| change.kind == "INSERT")
        .map(|change| (change.partition, change.new_next.unwrap()))
        .collect();
    let wanted = BTreeMap::from([(0, 10), (1, 37), (2, 100), (3, 99), (4, 0), (5, 0)]);
    assert_eq!(starts, wanted);
}

/// Someone else claims one partition; batches that hold it and others lose only that part.
#[tokio::test(flavor = "multi_thread")]
async fn one_partition_of_a_batch_is_fenced() {
    let stage = Stage::begin("one_fenced", 1).await;
    let orders = Orders::prepare(&stage, 6).await;
    let load = orders.load(&stage, 500);
    let worker = Launch::new("worker")
        .start(&stage, &[&orders.connector])
        .await;
    let judged = orders.judged(&stage);
    judged.until_rows(300, seconds(20)).await;
    for partition in [3, 5] {
        stage
            .database
            .run(&format!(
                "UPDATE rowdock_progress SET claim_id = gen_random_uuid(), owner = 'an intruder'
                 WHERE partition = {partition}"
            ))
            .await;
        let number = format!("{partition}");
        let fenced = worker.until_logged(&[FENCED, &number], seconds(10)).await;
        stage.tell(fenced);
        orders.until_flowing(&stage, seconds(15)).await;
    }
    load.finish().await;
    judged.healed(&[&worker], seconds(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_without_rows_into_postgres() {
    batches_without_rows(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_without_rows_into_sqlite() {
    batches_without_rows(Engine::Sqlite).await;
}

/// A batch without rows moves positions too, and is fenced as any other: the position of a stolen
/// partition stays, and so do those of its neighbours in the batch.
async fn batches_without_rows(engine: Engine) {
    let stage = Stage::begin_in(engine, "no_rows", 1).await;
    let mut orders = Orders::prepare(&stage, 4).await;
    let letters = stage.topic("letters", 1).await;
    orders.connector = orders.connector.dead_letters(&letters);
    let writer = orders.writer(&stage, 1);
    writer.send_good(0, 40, 4).await;
    let worker = Launch::new("worker")
        .start(&stage, &[&orders.connector])
        .await;
    let judged = orders.judged(&stage);
    judged.healed(&[&worker], seconds(20)).await;
    let bad = |from, to| (from..to).map(|seq| Draft::good(seq, 4).poisoned(Poison::Malformed));
    writer.send_all(bad(40, 80)).await;
    judged.healed(&[&worker], seconds(10)).await;
    let steal = format!(
        "UPDATE rowdock_progress SET claim_id = '{}' WHERE \"partition\" = 2",
        uuid::Uuid::new_v4()
    );
    stage.database.run(&steal).await;
    writer.send_all(bad(80, 120)).await;
    writer.send_good(120, 40, 4).await;
    let verdict = judged.healed(&[&worker], seconds(20)).await;
    assert_eq!(verdict.rows, 80);
    let moved = "SELECT count(*) FROM (SELECT txid FROM audit_progress
        WHERE change = 'UPDATE' AND old_claim = new_claim EXCEPT SELECT txid FROM audit_rows) AS m";
    let without_rows = stage.database.number(moved).await;
    assert!(without_rows > 0, "no transaction without rows happened");
    stage.tell(format_args!(
        "{without_rows} transactions moved positions without rows"
    ));
}

/// A claim is on its way when its worker is frozen and put out of the group; the successor's
/// overtakes it, and then it is executed, its worker still frozen.
#[tokio::test(flavor = "multi_thread")]
async fn claim_executed_after_its_successor_s() {
    let stage = Stage::begin("late_claim", 2).await;
    let orders = Orders::prepare(&stage, 6).await;
    let judged = orders.judged(&stage);
    let path = Proxy::to_database(stage.database.server()).await;
    let load = orders.load(&stage, 300);
    let connectors = [&orders.connector];
    // The first time it locks rows, there are none; it writes the starts and claims again.
    path.trap("FOR UPDATE", 1, Network::Stalled);
    let late = Launch::new("late")
        .database(&path)
        .start(&stage, &connectors)
        .await;
    path.sprung(1, seconds(15)).await;
    late.freeze().await;
    assert_eq!(judged.positions().await.len(), 6, "the starts are written");
    assert_eq!(
        orders.owners(&stage).await,
        BTreeMap::new(),
        "nothing is claimed"
    );
    let successor = Launch::new("successor").start(&stage, &connectors).await;
    orders.until_flowing(&stage, SESSION + seconds(5)).await;
    let owners = orders.owners(&stage).await;
    path.release();
    let claimed = "FOR UPDATE";
    eventually("the late claim to be executed", seconds(5), || async {
        let sessions = stage.database.sessions(Some(&path)).await;
        let executed = sessions
            .iter()
            .find(|session| session.query.contains(claimed));
        executed
            .map(|session| stage.tell(session))
            .ok_or_else(|| format!("{sessions:?}"))
    })
    .await;
    orders.until_flowing(&stage, seconds(10)).await;
    assert_eq!(
        orders.owners(&stage).await,
        owners,
        "the late claim took something"
    );
    late.thaw().await;
    orders.until_shared(&stage, &[&late, &successor]).await;
    load.finish().await;
    judged.healed(&[&late, &successor], seconds(20)).await;
    let mut newest: BTreeMap<i32, i64> = BTreeMap::new();
    for claim in judged.history().await.iter().filter(|one| one.is_claim()) {
        let before = newest
            .insert(claim.partition, claim.generation)
            .unwrap_or(-1);
        assert!(
            before <= claim.generation,
            "an older generation took partition {} back: {claim:?}",
            claim.partition
        );
    }
}

/// Marked commits in Kafka without positions in the database: someone lost the table.
#[tokio::test(flavor = "multi_thread")]
async fn progress_table_lost() {
    let stage = Stage::begin("progress_lost", 1).await;
    let orders = Orders::prepare(&stage, 3).await;
    orders.writer(&stage, 1).send_good(0, 90, 3).await;
    let connectors = [&orders.connector];
    let mut worker = Launch::new("earlier").start(&stage, &connectors).await;
    orders.judged(&stage).healed(&[&worker], seconds(20)).await;
    worker.terminate();
    assert!(worker.exit(seconds(10)).await.success());
    stage.database.run("DROP TABLE rowdock_progress").await;
    let worker = Launch::new("later").start(&stage, &connectors).await;
    let tasks = worker
        .until_tasks(&orders.connector, "FAILED", seconds(15))
        .await;
    assert!(tasks[0].trace.contains("PROGRESS_MISSING"), "{tasks:?}");
    let rows = stage.database.number("SELECT count(*) FROM orders").await;
    assert_eq!(rows, 90, "the topic was read again from its start");
}
