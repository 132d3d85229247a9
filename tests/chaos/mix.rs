//! Everything that can happen, in an order that a seed decides.

use std::time::{Duration, Instant};

use super::play::{PARTITIONS, Play};
use super::store::Target;
use super::three_brokers::Brokers;
use crate::chaos_engines::patience;
use crate::support::proxy::{BrokerPaths, Network, Proxy};

#[derive(Debug, Clone, Copy)]
enum Fault {
    KillWorker,
    ReplaceWorker,
    FreezeWorker,
    CutKafka,
    StallDatabase,
    CutDatabase,
    KillBroker,
    FreezeBroker,
    PauseAndResume,
    StopAndResume,
    RestartTasks,
}

const FAULTS: [Fault; 11] = [
    Fault::KillWorker,
    Fault::ReplaceWorker,
    Fault::FreezeWorker,
    Fault::CutKafka,
    Fault::StallDatabase,
    Fault::CutDatabase,
    Fault::KillBroker,
    Fault::FreezeBroker,
    Fault::PauseAndResume,
    Fault::StopAndResume,
    Fault::RestartTasks,
];

/// The third worker goes through these.
struct Paths {
    kafka: BrokerPaths,
    database: Proxy,
}

pub(super) async fn of_everything(target: Target) {
    let mut play = Play::prepare(target, "mix", &[]).await;
    let paths = Paths {
        kafka: BrokerPaths::to_brokers().await,
        database: play.way().await,
    };
    let third = play
        .launch_with(2, Some(&paths.database))
        .setting("bootstrap.servers", &paths.kafka.addresses());
    let launches = vec![play.launch(0), play.launch(1), third];
    play.begin_with(launches).await;
    play.also_items().await;
    let load = play.load().await;
    let mut random = play.stage.random();
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < patience() {
        let fault = FAULTS[random.usize(0..FAULTS.len())];
        let victim = random.usize(0..2);
        let broker = Brokers::IDS[random.usize(0..3)];
        let for_ms = random.u64(500..6000);
        play.stage.tell(format_args!(
            "{:.0?}: {fault:?}, worker {victim}, broker {broker}, {for_ms} ms",
            begun.elapsed()
        ));
        happen(
            &mut play,
            &paths,
            fault,
            victim,
            broker,
            Duration::from_millis(for_ms),
        )
        .await;
        play.until_flowing().await;
        count += 1;
    }
    play.stage.tell(format_args!(
        "{count} faults on {PARTITIONS} partitions in {:.0?}",
        begun.elapsed()
    ));
    play.judge(load).await;
}

/// For as long as a fault lasts there is nothing to wait for but time.
async fn happen(
    play: &mut Play,
    paths: &Paths,
    fault: Fault,
    victim: usize,
    broker: i32,
    time: Duration,
) {
    let lasts = || tokio::time::sleep(time);
    match fault {
        Fault::KillWorker => play.kill_and_replace(victim).await,
        Fault::ReplaceWorker => play.replace(victim).await,
        Fault::FreezeWorker => {
            play.workers[victim].freeze().await;
            lasts().await;
            play.workers[victim].thaw().await;
        }
        Fault::CutKafka => {
            paths.kafka.set(Network::Cut);
            lasts().await;
            paths.kafka.set(Network::Whole);
        }
        Fault::StallDatabase | Fault::CutDatabase => {
            let is_stall = matches!(fault, Fault::StallDatabase);
            let network = if is_stall {
                Network::Stalled
            } else {
                Network::Cut
            };
            paths.database.set(network);
            lasts().await;
            paths.database.set(Network::Whole);
        }
        Fault::KillBroker => {
            Brokers::kill(broker).await;
            lasts().await;
            Brokers::start(broker).await;
            Brokers::until_in_sync(&play.orders.topic.name).await;
        }
        Fault::FreezeBroker => {
            Brokers::freeze(broker);
            lasts().await;
            Brokers::thaw(broker);
            Brokers::until_in_sync(&play.orders.topic.name).await;
        }
        Fault::PauseAndResume => {
            play.ask(victim, "pause").await;
            lasts().await;
            play.ask(1 - victim, "resume").await;
        }
        Fault::StopAndResume => {
            play.ask(victim, "stop").await;
            lasts().await;
            play.ask(1 - victim, "resume").await;
        }
        Fault::RestartTasks => play.ask(victim, "restart?includeTasks=true").await,
    }
}
