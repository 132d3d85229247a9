//! A worker is stopped by SIGSTOP for longer than its session, and then goes on as if nothing had
//! happened: the zombie that an exactly-once sink must survive.

use std::time::Instant;

use crate::support::engine::Engine;
use crate::support::hold::Hold;
use crate::support::orders::{Caught, Orders};
use crate::support::proxy::Proxy;
use crate::support::stage::Stage;
use crate::support::wait::seconds;
use crate::support::worker::{FENCED, Launch, SESSION};

/// How often the victim passes its point before it is held there, so that it is frozen amid work.
const PASSES_BEFORE: usize = 50;

/// Writes that it has done by then, as in [`kill`](crate::kill).
const WRITES_BEFORE: usize = 2;

/// The server ends a transaction that stands still after 10 s; then its locks are free.
const LOCKS_END: std::time::Duration = seconds(10);

mod postgres {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn before_the_transaction() {
        let fenced = frozen(Engine::Postgres, "before_begin", Caught::Idle).await;
        assert!(fenced, "the zombie's write was not refused");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn holding_locks_after_the_position() {
        frozen(Engine::Postgres, "after_progress", Caught::InTransaction).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn holding_locks_amid_rows() {
        frozen(Engine::Postgres, "mid_rows", Caught::InTransaction).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn after_commit_was_sent() {
        frozen(Engine::Postgres, "after_commit_sent", Caught::Idle).await;
    }
}

mod mysql {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn before_the_transaction() {
        let fenced = frozen(Engine::MySql, "before_begin", Caught::Idle).await;
        assert!(fenced, "the zombie's write was not refused");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn holding_locks_amid_rows() {
        frozen(Engine::MySql, "mid_rows", Caught::InTransaction).await;
    }
}

mod mariadb {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn before_the_transaction() {
        let fenced = frozen(Engine::MariaDb, "before_begin", Caught::Idle).await;
        assert!(fenced, "the zombie's write was not refused");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn holding_locks_amid_rows() {
        frozen(Engine::MariaDb, "mid_rows", Caught::InTransaction).await;
    }
}

/// Returns whether the zombie logged that it was fenced.
pub(crate) async fn frozen(engine: Engine, point: &str, caught: Caught) -> bool {
    let stage = Stage::begin_in(engine, &format!("freeze_{point}"), 2).await;
    let point = engine.point(point);
    let orders = Orders::prepare(&stage, 8).await;
    let judged = orders.judged(&stage);
    let path = Proxy::to_database(stage.database.server()).await;
    let load = orders.load(&stage, 300);
    let other = orders.start_first(&stage, Launch::new("other")).await;
    let hold = Hold::at(&stage, &point, PASSES_BEFORE);
    let victim = Launch::new("victim")
        .database(&path)
        .hold(&hold)
        .start(&stage, &[&orders.connector])
        .await;
    hold.until_held(seconds(60)).await;
    orders.caught(&stage, &path, caught, WRITES_BEFORE).await;
    victim.freeze().await;
    // It goes on when it thaws.
    hold.let_go();
    let frozen_at = Instant::now();
    let moves_when_frozen = moves_by(&judged.history().await, &victim.address.to_string());
    // Everything produced so far gets stored, so the other worker owns every partition.
    orders
        .until_flowing(&stage, SESSION + LOCKS_END + seconds(60))
        .await;
    stage.tell(format_args!(
        "frozen at {point}; the others caught up after {:.1} s",
        frozen_at.elapsed().as_secs_f32()
    ));
    let moves_when_thawed = moves_by(&judged.history().await, &victim.address.to_string());
    victim.thaw().await;
    // It comes back as a member and gets its share again.
    orders.until_shared(&stage, &[&victim, &other]).await;
    load.finish().await;
    judged.healed(&[&victim, &other], seconds(60)).await;
    assert!(
        moves_when_thawed <= moves_when_frozen + 1,
        "a frozen worker moved positions: {moves_when_frozen} before, {moves_when_thawed} after"
    );
    let fenced = victim.logged(&[FENCED]);
    stage.tell(format_args!("the zombie logged: {:?}", fenced.first()));
    !fenced.is_empty()
}

fn moves_by(history: &[crate::support::oracle::Change], owner: &str) -> usize {
    history
        .iter()
        .filter(|change| change.is_move() && change.owner.contains(owner))
        .count()
}
