//! The fault scenarios that every engine must stand and that take too long for every day:
//! `cargo test --features failpoints --test main -- --ignored chaos`.
//!
//! What `make test` does of them for each engine is in [`kill`], [`freeze`], [`network`],
//! [`database_faults`] and [`schema_change`](crate::schema_change); Cassandra's are in
//! [`cassandra`](crate::cassandra).
//!
//! SQLite has no server: nothing of it can be cut off, lose its sessions, or be taken over by a replica.

mod failover;
mod line;
mod mix;
mod room;
mod workers;

use std::time::{Duration, Instant};

use crate::support::connector::Connector;
use crate::support::database::OwnSession;
use crate::support::engine::Engine;
use crate::support::oracle::Judged;
use crate::support::orders::{Caught, Orders};
use crate::support::own_server::OwnServer;
use crate::support::producer::{Load, LoadSpec};
use crate::support::proxy::{Network, Proxy};
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, check, eventually, seconds};
use crate::support::worker::{Launch, Worker};
use crate::{database_faults, freeze, kill, network};

pub(crate) use line::patience;

/// Tests of one engine that has a server.
macro_rules! with_server {
    ($engine:expr) => {
        use super::*;

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn killed_at_every_point() {
            for (point, caught) in KILLED_AT {
                kill::killed($engine, point, caught).await;
            }
            kill::killed_before_kafka_commit($engine).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn frozen_at_every_point() {
            for (point, caught) in FROZEN_AT {
                freeze::frozen($engine, point, caught).await;
            }
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn disturbed_networks() {
            network::cut_off_from_kafka_only($engine).await;
            network::commit_s_answer_lost($engine).await;
            network::half_open_connection_to_the_database($engine).await;
            network_comes_and_goes($engine).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn sessions_end_for_a_minute() {
            database_faults::sessions_end_at_random($engine, 60).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn server_dies_again_and_again() {
            server_dies_often($engine).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn deadlocks_all_the_time() {
            deadlocks_are_retried($engine).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn server_becomes_read_only() {
            read_only_server_is_waited_for($engine).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn restored_to_an_earlier_state() {
            restored_from_its_files($engine).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn rolling_restarts() {
            workers::restarted($engine).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn rolling_kills() {
            workers::killed($engine).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn bad_line() {
            line::is_bad($engine).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn replica_takes_over() {
            failover::to_a_replica_that_lags($engine).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn no_room_left() {
            room::none_left($engine).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn no_connection_left() {
            room::no_connection_left($engine).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn server_gone_for_a_minute() {
            room::server_gone_for_a_minute($engine).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "takes minutes"]
        async fn everything_at_random() {
            mix::of_everything($engine).await;
        }
    };
}

mod postgres {
    with_server! { Engine::Postgres }
}

mod mysql {
    with_server! { Engine::MySql }
}

mod mariadb {
    with_server! { Engine::MariaDb }
}

mod sqlite {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "takes minutes"]
    async fn killed_at_random() {
        killed_again_and_again(Engine::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "takes minutes"]
    async fn rolling_restarts() {
        workers::restarted(Engine::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "takes minutes"]
    async fn rolling_kills() {
        workers::killed(Engine::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "takes minutes"]
    async fn bad_line_to_kafka() {
        line::is_bad(Engine::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "takes minutes"]
    async fn everything_at_random() {
        mix::of_everything(Engine::Sqlite).await;
    }
}

const KILLED_AT: [(&str, Caught); 6] = [
    ("before_begin", Caught::Idle),
    ("after_progress", Caught::InTransaction),
    ("mid_rows", Caught::InTransaction),
    ("before_commit", Caught::InTransaction),
    ("after_commit_sent", Caught::Idle),
    ("after_commit", Caught::Idle),
];

const FROZEN_AT: [(&str, Caught); 5] = [
    ("before_begin", Caught::Idle),
    ("after_progress", Caught::InTransaction),
    ("mid_rows", Caught::InTransaction),
    ("before_commit", Caught::InTransaction),
    ("after_commit_sent", Caught::Idle),
];

/// Records flow through one worker into a server of the test's own. In the order in which it is dropped.
struct Flow {
    worker: Worker,
    load: Load,
    orders: Orders,
    stage: Stage,
}

impl Flow {
    /// Begins, and waits until the first records are there.
    async fn into(server: &OwnServer, engine: Engine, name: &str) -> Self {
        let name = format!("{name}_{}", engine.name());
        let stage = Stage::begin_on(&name, 1, &server.url).await;
        let orders = Orders::prepare(&stage, 6).await;
        let load = orders.load(&stage, 300);
        let worker = Launch::new("worker")
            .start(&stage, &[&orders.connector])
            .await;
        let flow = Self {
            worker,
            load,
            orders,
            stage,
        };
        flow.goes_on().await;
        flow
    }

    /// What was sent until now is stored.
    async fn goes_on(&self) {
        self.orders.until_flowing(&self.stage, PATIENCE).await;
    }

    /// It flows again, and in the end every record is there once.
    async fn end(self) {
        self.goes_on().await;
        let Self {
            stage,
            orders,
            load,
            worker,
        } = self;
        load.finish().await;
        orders.judged(&stage).healed(&[&worker], PATIENCE).await;
    }
}

/// The way to the database is cut, stalls and is whole again, many times.
async fn network_comes_and_goes(engine: Engine) {
    const CHANGES: usize = 24;
    let stage = Stage::begin_in(engine, "comes_and_goes", 2).await;
    let orders = Orders::prepare(&stage, 8).await;
    let path = Proxy::to_database(stage.database.server()).await;
    let load = orders.load(&stage, 300);
    let other = orders.start_first(&stage, Launch::new("other")).await;
    let worker = Launch::new("worker")
        .database(&path)
        .start(&stage, &[&orders.connector])
        .await;
    let mut random = stage.random();
    let mut every = tokio::time::interval(seconds(1));
    for _ in 0..CHANGES {
        every.tick().await;
        let next = [Network::Whole, Network::Cut, Network::Stalled];
        path.set(next[random.usize(0..next.len())]);
    }
    path.set(Network::Whole);
    stage.tell(format_args!("{CHANGES} changes of the network"));
    orders.until_flowing(&stage, seconds(60)).await;
    load.finish().await;
    let judged = orders.judged(&stage);
    judged.healed(&[&other, &worker], seconds(60)).await;
}

async fn server_dies_often(engine: Engine) {
    const DEATHS: usize = 4;
    let server = OwnServer::start(engine, "dies_often").await;
    let name = format!("dies_often_{}", engine.name());
    let mut stage = Stage::begin_on(&name, 2, &server.url).await;
    let orders = Orders::prepare(&stage, 8).await;
    let load = orders.load(&stage, 300);
    let connectors = [&orders.connector];
    let first = Launch::new("first").start(&stage, &connectors).await;
    let second = Launch::new("second").start(&stage, &connectors).await;
    for death in 0..DEATHS {
        orders.until_flowing(&stage, seconds(60)).await;
        server.kill().await;
        server.start_again().await;
        stage.database.reconnect().await;
        stage.tell(format_args!("death {death} of {DEATHS}"));
    }
    orders.until_flowing(&stage, seconds(60)).await;
    load.finish().await;
    let judged = orders.judged(&stage);
    judged.healed(&[&first, &second], seconds(60)).await;
}

/// Somebody locks the same rows in the other direction.
async fn deadlocks_are_retried(engine: Engine) {
    const ITEMS: i64 = 16;
    const WANTED: usize = 10;
    let stage = Stage::begin_in(engine, "deadlocks", 1).await;
    let topic = stage.topic("items", 6).await;
    stage
        .database
        .run(
            "CREATE TABLE items (item bigint PRIMARY KEY, producer int, seq bigint, amount bigint);
             CREATE TABLE heavy (n int)",
        )
        .await;
    let connector = Connector::upsert(&stage, &topic, "items");
    let spec = LoadSpec {
        items: ITEMS,
        seed: stage.seed,
        ..LoadSpec::append(600, 6)
    };
    let load = Load::start(&topic.name, &stage.ledger, spec);
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    let rival = stage.database.session().await;
    let mut random = stage.random();
    eventually("deadlocks", seconds(90), || {
        let items: Vec<i64> = (0..8).map(|_| random.i64(0..ITEMS)).collect();
        let (rival, worker) = (&rival, &worker);
        async move {
            lock_backwards(rival, items).await;
            let met = worker.logged(&["deadlock"]).len();
            check(met >= WANTED, || format!("{met} deadlocks"))
        }
    })
    .await;
    drop(rival);
    load.finish().await;
    let judged = Judged {
        stage: &stage,
        connector: &connector,
        topic: &topic,
        table: "items",
    };
    judged.until_folded(seconds(60)).await;
    stage.tell(format_args!(
        "{} deadlocks were met",
        worker.logged(&["deadlock"]).len()
    ));
}

/// May be the one that is rolled back, though it does much before: a server may end the transaction
/// that has done less.
async fn lock_backwards(rival: &OwnSession, mut items: Vec<i64>) {
    items.sort_unstable();
    items.dedup();
    let heavy = ["(1)"; 500].join(", ");
    let begin = format!("BEGIN; INSERT INTO heavy VALUES {heavy}");
    if rival.try_run(&begin).await.is_err() {
        return;
    }
    for item in items.iter().rev() {
        let lock = format!("UPDATE items SET amount = amount WHERE item = {item}");
        if rival.try_run(&lock).await.is_err() {
            break;
        }
    }
    rival.try_run("ROLLBACK").await.ok();
}

/// A server that is read-only is waited for, visibly and without haste.
async fn read_only_server_is_waited_for(engine: Engine) {
    let server = OwnServer::start(engine, "read_only").await;
    let flow = Flow::into(&server, engine, "read_only").await;
    let database = &flow.stage.database;
    let (set, reset) = read_only(engine);
    for statement in set {
        database.run(statement).await;
    }
    if engine != Engine::MySql {
        // There sessions that are open, or users with all rights, go on writing.
        database.end_other_sessions().await;
    }
    flow.stage.tell(format_args!("{set:?}"));
    flow.waits_for("read-only").await;
    for statement in reset {
        database.run(statement).await;
    }
    flow.end().await;
}

/// Statements that make a server read-only, and those that end it.
fn read_only(engine: Engine) -> (&'static [&'static str], &'static [&'static str]) {
    match engine {
        Engine::Postgres => (
            &[
                "ALTER SYSTEM SET default_transaction_read_only = on",
                "SELECT pg_reload_conf()",
            ],
            &[
                "SET default_transaction_read_only = off",
                "ALTER SYSTEM RESET default_transaction_read_only",
                "SELECT pg_reload_conf()",
            ],
        ),
        // As a switch-over does.
        Engine::MySql => (
            &["SET GLOBAL super_read_only = ON"],
            &["SET GLOBAL read_only = OFF"],
        ),
        _ => (
            &["SET GLOBAL read_only = ON"],
            &["SET GLOBAL read_only = OFF"],
        ),
    }
}

/// The server's files as they were earlier are put in the place of those that it has.
async fn restored_from_its_files(engine: Engine) {
    let server = OwnServer::start(engine, "restored").await;
    let mut flow = Flow::into(&server, engine, "restored").await;
    server.back_up().await;
    flow.stage.database.reconnect().await;
    flow.goes_on().await;
    let lost = flow.orders.judged(&flow.stage).positions().await;
    server.restore().await;
    let restored_at = Instant::now();
    flow.stage.database.reconnect().await;
    flow.goes_on().await;
    flow.stage.tell(format_args!(
        "positions stood at {lost:?} before; caught up {:?} after",
        restored_at.elapsed()
    ));
    flow.end().await;
}

/// A worker is killed at any moment and started again.
async fn killed_again_and_again(engine: Engine) {
    const DEATHS: usize = 12;
    let stage = Stage::begin_in(engine, "killed_often", 1).await;
    let orders = Orders::prepare(&stage, 6).await;
    let load = orders.load(&stage, 500);
    let mut random = stage.random();
    for death in 0..DEATHS {
        let mut worker = Launch::new("victim")
            .start(&stage, &[&orders.connector])
            .await;
        orders.until_flowing(&stage, seconds(30)).await;
        tokio::time::sleep(Duration::from_millis(random.u64(0..400))).await;
        stage.tell(format_args!("death {death}: {}", worker.kill()));
    }
    let worker = Launch::new("last")
        .start(&stage, &[&orders.connector])
        .await;
    load.finish().await;
    orders.judged(&stage).healed(&[&worker], seconds(60)).await;
}
