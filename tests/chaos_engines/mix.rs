//! Everything that can happen to two workers and their database, in an order that a seed decides, for
//! `CHAOS_SECONDS`.

use std::time::{Duration, Instant};

use crate::support::connector::Connector;
use crate::support::engine::Engine;
use crate::support::items::Items;
use crate::support::orders::Orders;
use crate::support::own_server::OwnServer;
use crate::support::proc::resident_mebibytes;
use crate::support::proxy::{BrokerPaths, Network, Proxy};
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, check, eventually};
use crate::support::worker::{Launch, Worker};

#[derive(Debug, Clone, Copy)]
enum Fault {
    KillWorker,
    ReplaceWorker,
    FreezeWorker,
    CutKafka,
    RestartTasks,
    LockRows,
    StallDatabase,
    CutDatabase,
    EndSessions,
    KillServer,
}

/// Those that need no server come first.
const FAULTS: [Fault; 10] = [
    Fault::KillWorker,
    Fault::ReplaceWorker,
    Fault::FreezeWorker,
    Fault::CutKafka,
    Fault::RestartTasks,
    Fault::LockRows,
    Fault::StallDatabase,
    Fault::CutDatabase,
    Fault::EndSessions,
    Fault::KillServer,
];
const WITHOUT_A_SERVER: usize = 6;

/// What a worker that leaks would pass: a debug build has about a hundred after an hour.
const MEBIBYTES_MAX: u64 = 400;

/// Two workers have two tasks each, and a session of each for short requests now and then.
const SESSIONS_MAX: usize = 12;

/// What faults happen to; in the order in which it is dropped.
struct Play {
    workers: Vec<Worker>,
    /// The second worker goes through these.
    kafka: BrokerPaths,
    database: Option<Proxy>,
    orders: Orders,
    items: Items,
    stage: Stage,
    server: Option<OwnServer>,
}

pub(super) async fn of_everything(engine: Engine) {
    let mut play = Play::begin(engine).await;
    let loads = (
        play.orders.load(&play.stage, 200),
        play.items.load(&play.stage, 200),
    );
    play.orders.until_flowing(&play.stage, PATIENCE).await;
    let faults = match engine {
        Engine::Sqlite => &FAULTS[..WITHOUT_A_SERVER],
        _ => &FAULTS[..],
    };
    let mut random = play.stage.random();
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < super::line::patience() {
        let fault = faults[random.usize(0..faults.len())];
        let victim = random.usize(0..2);
        let time = Duration::from_millis(random.u64(500..6_000));
        play.stage.tell(format_args!(
            "{:.0?}: {fault:?}, worker {victim}, {time:?}",
            begun.elapsed()
        ));
        play.happen(fault, victim, time).await;
        play.orders.until_flowing(&play.stage, PATIENCE).await;
        count += 1;
    }
    let sizes: Vec<u64> = play
        .workers
        .iter()
        .map(|worker| resident_mebibytes(worker.pid()))
        .collect();
    let sessions = play.stage.database.other_sessions().await.len();
    play.stage.tell(format_args!(
        "{count} faults in {:.0?}; {sizes:?} MiB, {sessions} sessions",
        begun.elapsed()
    ));
    loads.0.finish().await;
    loads.1.finish().await;
    let workers: Vec<&Worker> = play.workers.iter().collect();
    let judged = play.orders.judged(&play.stage);
    judged.healed(&workers, PATIENCE).await;
    play.items.judged(&play.stage).until_folded(PATIENCE).await;
    assert!(sizes.iter().all(|size| *size < MEBIBYTES_MAX), "{sizes:?}");
    assert!(sessions <= SESSIONS_MAX, "{sessions} sessions");
}

impl Play {
    async fn begin(engine: Engine) -> Self {
        let (server, stage) = match engine {
            Engine::Sqlite => (None, Stage::begin_in(engine, "mix", 2).await),
            _ => {
                let server = OwnServer::start(engine, "mix").await;
                let name = format!("mix_{}", engine.name());
                let stage = Stage::begin_on(&name, 2, &server.url).await;
                (Some(server), stage)
            }
        };
        let orders = Orders::prepare(&stage, 8).await;
        let items = Items::prepare(&stage).await;
        let mut play = Self {
            database: stage.database.path().await,
            kafka: BrokerPaths::to_brokers().await,
            workers: Vec::new(),
            stage,
            orders,
            items,
            server,
        };
        for index in 0..2 {
            let worker = play.launched(index).await;
            play.workers.push(worker);
        }
        play
    }

    async fn launched(&self, index: usize) -> Worker {
        let name = format!("worker{index}");
        let launch = match index {
            0 => Launch::new(&name),
            _ => Launch::new(&name)
                .database(self.database.as_ref())
                .setting("bootstrap.servers", &self.kafka.addresses()),
        };
        let connectors = [&self.orders.connector, &self.items.connector];
        launch.start(&self.stage, &connectors).await
    }

    /// For as long as a fault lasts there is nothing to wait for but time.
    async fn happen(&mut self, fault: Fault, victim: usize, time: Duration) {
        match fault {
            Fault::KillWorker => {
                self.workers[victim].kill();
                self.workers[victim] = self.launched(victim).await;
            }
            Fault::ReplaceWorker => {
                self.workers[victim].terminate();
                let status = self.workers[victim].exit(PATIENCE).await;
                assert!(status.success(), "a clean stop: {status}");
                self.workers[victim] = self.launched(victim).await;
            }
            Fault::FreezeWorker => {
                self.workers[victim].freeze().await;
                tokio::time::sleep(time).await;
                self.workers[victim].thaw().await;
            }
            Fault::CutKafka => {
                self.kafka.set(Network::Cut);
                tokio::time::sleep(time).await;
                self.kafka.set(Network::Whole);
            }
            Fault::RestartTasks => self.restart_tasks(victim).await,
            Fault::LockRows => self.lock_rows(time).await,
            Fault::StallDatabase => self.disturb(Network::Stalled, time).await,
            Fault::CutDatabase => self.disturb(Network::Cut, time).await,
            Fault::EndSessions => self.stage.database.end_other_sessions().await,
            Fault::KillServer => {
                let server = self.server.as_ref().expect("a server of its own");
                server.kill().await;
                tokio::time::sleep(time).await;
                server.start_again().await;
                self.stage.database.reconnect().await;
            }
        }
    }

    async fn restart_tasks(&self, victim: usize) {
        let Connector { name, .. } = &self.orders.connector;
        let path = format!("/connectors/{name}/restart?includeTasks=true");
        eventually("a restart to be taken", PATIENCE, || async {
            let rest = &self.workers[victim].rest;
            let answer = rest.try_call("POST", &path, None).await?;
            check(answer.code < 300, || format!("{answer:?}"))
        })
        .await;
    }

    /// Somebody changes all items and takes his time.
    async fn lock_rows(&self, time: Duration) {
        let session = self.stage.database.session().await;
        let begin = match self.stage.database.engine() {
            Engine::Sqlite => "BEGIN IMMEDIATE",
            _ => "BEGIN",
        };
        let lock = format!("{begin}; UPDATE items SET amount = amount");
        if session.try_run(&lock).await.is_ok() {
            tokio::time::sleep(time).await;
        }
        session.try_run("ROLLBACK").await.ok();
    }

    async fn disturb(&self, network: Network, time: Duration) {
        let path = self.database.as_ref().expect("a way to the server");
        path.set(network);
        tokio::time::sleep(time).await;
        path.set(Network::Whole);
    }
}
