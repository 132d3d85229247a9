//! A worker dies by SIGKILL at the worst moments of a write.
//!
//! A failpoint holds the worker there, the server's list of sessions proves it, then it dies.
//! Another worker and its own successor must neither lose nor repeat a row.

use crate::support::engine::Engine;
use crate::support::kafka;
use crate::support::orders::{Caught, Orders};
use crate::support::stage::Stage;
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::{Launch, Worker};

/// How often a victim passes its point before it is held there, so that it dies amid work.
const PASSES_BEFORE: usize = 50;

/// Writes that it has done by then: it may pass the point with each statement of a write, and a write of
/// many rows is made up of up to sixteen (MySQL), so that the third may be the one that is held.
const WRITES_BEFORE: usize = 2;

/// Longer than any of these tests.
const HELD: &str = "sleep(60000)";

mod postgres {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn before_the_transaction() {
        killed(Engine::Postgres, "before_begin", Caught::Idle).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn between_position_and_rows() {
        killed(Engine::Postgres, "after_progress", Caught::InTransaction).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn amid_rows() {
        killed(Engine::Postgres, "mid_rows", Caught::InTransaction).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn before_commit() {
        killed(Engine::Postgres, "before_commit", Caught::InTransaction).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn after_commit_was_sent() {
        killed(Engine::Postgres, "after_commit_sent", Caught::Idle).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn after_commit_was_answered() {
        killed(Engine::Postgres, "after_commit", Caught::Idle).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn before_the_group_s_offset_was_committed() {
        killed_before_kafka_commit(Engine::Postgres).await;
    }
}

mod mysql {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn amid_rows() {
        killed(Engine::MySql, "mid_rows", Caught::InTransaction).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn after_commit_was_sent() {
        killed(Engine::MySql, "after_commit_sent", Caught::Idle).await;
    }
}

mod mariadb {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn amid_rows() {
        killed(Engine::MariaDb, "mid_rows", Caught::InTransaction).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn after_commit_was_sent() {
        killed(Engine::MariaDb, "after_commit_sent", Caught::Idle).await;
    }
}

mod sqlite {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn between_position_and_rows() {
        killed(Engine::Sqlite, "after_progress", Caught::InTransaction).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn before_commit() {
        killed(Engine::Sqlite, "before_commit", Caught::InTransaction).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn after_commit() {
        killed(Engine::Sqlite, "after_commit", Caught::Idle).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn before_the_group_s_offset_was_committed() {
        killed_before_kafka_commit(Engine::Sqlite).await;
    }
}

pub(crate) async fn killed(engine: Engine, point: &str, caught: Caught) {
    let stage = Stage::begin_in(engine, &format!("kill_{point}"), 2).await;
    let orders = Orders::prepare(&stage, 8).await;
    let path = stage.database.path().await;
    let load = orders.load(&stage, 400);
    // Who writes to a file is told by its lock, so there the victim is alone.
    let other = match path {
        Some(_) => Some(orders.start_first(&stage, Launch::new("other")).await),
        None => None,
    };
    let point = engine.point(point);
    let mut victim = Launch::new("victim")
        .database(path.as_ref())
        .failpoint(&point, &format!("{PASSES_BEFORE}*off->{HELD}"))
        .start(&stage, &[&orders.connector])
        .await;
    orders
        .caught(&stage, path.as_ref(), caught, WRITES_BEFORE)
        .await;
    let status = victim.kill();
    stage.tell(format_args!("the victim at {point} ended: {status}"));
    let successor = Launch::new("successor")
        .start(&stage, &[&orders.connector])
        .await;
    orders.until_flowing(&stage, seconds(60)).await;
    load.finish().await;
    let survivors: Vec<&Worker> = other.iter().chain([&successor]).collect();
    orders.judged(&stage).healed(&survivors, seconds(60)).await;
}

/// Positions come from the database: what the group has committed in Kafka is older and unused.
pub(crate) async fn killed_before_kafka_commit(engine: Engine) {
    let stage = Stage::begin_in(engine, "kill_before_kafka_commit", 1).await;
    let orders = Orders::prepare(&stage, 4).await;
    let load = orders.load(&stage, 400);
    let mut victim = Launch::new("victim")
        .setting("offset.flush.interval.ms", "500")
        .failpoint("write::before_kafka_commit", &format!("1*off->{HELD}"))
        .start(&stage, &[&orders.connector])
        .await;
    let judged = orders.judged(&stage);
    // The thread that is held there reads no more, so the table falls behind.
    eventually("the table to fall behind", seconds(60), || async {
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
    judged.healed(&[&successor], seconds(60)).await;
}
