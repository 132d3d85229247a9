//! Tables that change while batches are written to them.

use std::time::Duration;

use crate::support::engine::Engine;
use crate::support::hold::Hold;
use crate::support::orders::{Caught, Orders, TABLE};
use crate::support::producer::Draft;
use crate::support::stage::Stage;
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

mod postgres {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn altered_by_hand() {
        altered_amid_a_batch(Engine::Postgres, "mid_rows").await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn evolved_by_two_tasks() {
        evolved_by_two_tasks_while_it_is_read(Engine::Postgres).await;
    }
}

mod mysql {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn altered_by_hand() {
        altered_amid_a_batch(Engine::MySql, "mid_rows").await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn evolved_by_two_tasks() {
        evolved_by_two_tasks_while_it_is_read(Engine::MySql).await;
    }
}

mod mariadb {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn altered_by_hand() {
        altered_amid_a_batch(Engine::MariaDb, "mid_rows").await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn evolved_by_two_tasks() {
        evolved_by_two_tasks_while_it_is_read(Engine::MariaDb).await;
    }
}

mod sqlite {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn altered_by_hand() {
        altered_amid_a_batch(Engine::Sqlite, "before_commit").await;
    }
}

/// Writes before the worker is held in the middle of one: it passes the point thirty times, which may be
/// with each of sixteen statements of a write (MySQL).
const WRITES_BEFORE: usize = 1;

/// How long a change is seen to wait for the batch.
const SEEN_WAITING: Duration = Duration::from_millis(600);

/// More changes under load, each of which may hit any moment of a batch.
const MORE_CHANGES: usize = 6;

/// Somebody alters the table when a batch is half written: the change waits for it, and what
/// follows is written to the table as it is then.
async fn altered_amid_a_batch(engine: Engine, point: &str) {
    let stage = Stage::begin_in(engine, "altered", 1).await;
    let orders = Orders::prepare(&stage, 6).await;
    let path = stage.database.path().await;
    let load = orders.load(&stage, 400);
    let hold = Hold::at(&stage, &engine.point(point), 30);
    let worker = Launch::new("worker")
        .database(path.as_ref())
        .hold(&hold)
        .start(&stage, &[&orders.connector])
        .await;
    hold.until_held(seconds(60)).await;
    orders
        .caught(&stage, path.as_ref(), Caught::InTransaction, WRITES_BEFORE)
        .await;
    let alter = stage.database.session().await;
    let add = format!("ALTER TABLE {TABLE} ADD COLUMN by_hand int");
    let early = tokio::time::timeout(SEEN_WAITING, alter.try_run(&add)).await;
    assert!(
        !matches!(early, Ok(Ok(()))),
        "the table was altered amid a batch"
    );
    stage.tell("a change of the table waited for the batch");
    hold.let_go();
    drop(alter);
    for number in 0..MORE_CHANGES {
        change(&stage, &format!("ADD COLUMN extra_{number} int")).await;
        orders.until_flowing(&stage, seconds(60)).await;
        change(&stage, &format!("DROP COLUMN extra_{number}")).await;
    }
    orders.until_flowing(&stage, seconds(60)).await;
    load.finish().await;
    orders.judged(&stage).healed(&[&worker], seconds(60)).await;
}

/// Locks may be in the way for longer than the engine waits.
async fn change(stage: &Stage, what: &str) {
    let sql = format!("ALTER TABLE {TABLE} {what}");
    eventually(&sql, seconds(60), || stage.database.try_run(&sql)).await;
}

/// Two tasks meet values that the column is too narrow for, and somebody reads the table in a long
/// transaction: the widening waits, its waiting is bounded, and no batch is half there.
async fn evolved_by_two_tasks_while_it_is_read(engine: Engine) {
    let stage = Stage::begin_in(engine, "evolved", 2).await;
    let mut orders = Orders::prepare(&stage, 6).await;
    let narrow = match engine {
        Engine::Postgres => format!("ALTER TABLE {TABLE} ALTER COLUMN amount TYPE smallint"),
        _ => format!("ALTER TABLE {TABLE} MODIFY COLUMN amount smallint"),
    };
    stage.database.run(&narrow).await;
    orders.connector = orders.connector.set("auto.evolve", "true");
    let load = orders.load(&stage, 300);
    let first = orders.start_first(&stage, Launch::new("first")).await;
    let second = Launch::new("second")
        .start(&stage, &[&orders.connector])
        .await;
    orders.until_shared(&stage, &[&first, &second]).await;
    let reader = stage.database.session().await;
    let read = format!("BEGIN; SELECT count(*) FROM {TABLE}");
    reader.try_run(&read).await.expect("read");
    let wide = (0..60).map(|seq| Draft {
        amount: Some(100_000 + seq),
        ..Draft::good(seq, 6)
    });
    orders.writer(&stage, 2).send_all(wide).await;
    let waiting = eventually("a widening to wait", seconds(60), || async {
        let waiting = stage.database.waiting_for_tables().await;
        waiting.into_iter().next().ok_or("nobody waits".to_owned())
    })
    .await;
    stage.tell(format_args!("waits for the reader: {waiting}"));
    drop(reader);
    orders.until_flowing(&stage, seconds(60)).await;
    load.finish().await;
    let judged = orders.judged(&stage);
    judged.healed(&[&first, &second], seconds(60)).await;
    let wide = format!("SELECT count(*) FROM {TABLE} WHERE amount >= 100000");
    let stored = stage.database.number(&wide).await;
    check(stored == 60, || format!("{stored} of 60 wide values")).unwrap();
}
