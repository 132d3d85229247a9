//! Workers are replaced one after the other under load.

use crate::support::connector::Connector;
use crate::support::items::Items;
use crate::support::orders::Orders;
use crate::support::stage::Stage;
use crate::support::wait::PATIENCE;
use crate::support::worker::{FENCED, Launch, Worker};

const ROUNDS: usize = 3;
const NAMES: [&str; 3] = ["first", "second", "third"];

#[tokio::test(flavor = "multi_thread")]
async fn clean_restarts() {
    let stage = Stage::begin("rolling_clean", 3).await;
    let orders = Orders::prepare(&stage, 12).await;
    let items = Items::prepare(&stage).await;
    let connectors = [&orders.connector, &items.connector];
    let launch = |index: usize| Launch::new(NAMES[index]).with_long_session();
    let mut workers = Vec::new();
    for index in 0..NAMES.len() {
        workers.push(launch(index).start(&stage, &connectors).await);
    }
    let loads = (orders.load(&stage, 300), items.load(&stage, 300));
    orders.until_shared(&stage, &all(&workers)).await;
    for round in 0..ROUNDS {
        for (index, worker) in workers.iter_mut().enumerate() {
            worker.terminate();
            let status = worker.exit(PATIENCE).await;
            assert!(status.success(), "a clean stop in round {round}: {status}");
            let fenced = worker.logged(&[FENCED]);
            assert_eq!(fenced, Vec::<String>::new(), "a clean stop replays nothing");
            *worker = launch(index).start(&stage, &connectors).await;
        }
        orders.until_flowing(&stage, PATIENCE).await;
    }
    loads.0.finish().await;
    loads.1.finish().await;
    let judged = orders.judged(&stage);
    judged.healed(&all(&workers), PATIENCE).await;
    items.judged(&stage).until_folded(PATIENCE).await;
    let (pause, partition) = judged.longest_pause().await;
    stage.tell(format_args!(
        "partition {partition} paused {pause:?} at most"
    ));
    // Five seconds are promised, and measured by `make chaos`. Here a machine may be as busy as it
    // likes; who did not leave its group politely would be missed by it for longer.
    assert!(pause <= PATIENCE, "partition {partition} paused {pause:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_without_time_to_settle() {
    let stage = Stage::begin("rolling_kill", 3).await;
    let orders = Orders::prepare(&stage, 12).await;
    let items = Items::prepare(&stage).await;
    let connectors = [&orders.connector, &items.connector];
    let mut workers = start_all(&stage, &connectors).await;
    let loads = (orders.load(&stage, 300), items.load(&stage, 300));
    orders.until_shared(&stage, &all(&workers)).await;
    let mut random = stage.random();
    for _ in 0..ROUNDS {
        let mut order = [0, 1, 2];
        random.shuffle(&mut order);
        for index in order {
            let status = workers[index].kill();
            workers[index] = Launch::new(NAMES[index]).start(&stage, &connectors).await;
            stage.tell(format_args!("killed {}: {status}", NAMES[index]));
        }
        // Kills shall hit workers that work; the dead members' sessions must end first.
        orders.until_flowing(&stage, PATIENCE).await;
    }
    loads.0.finish().await;
    loads.1.finish().await;
    let workers = all(&workers);
    orders.judged(&stage).healed(&workers, PATIENCE).await;
    items.judged(&stage).until_folded(PATIENCE).await;
}

async fn start_all(stage: &Stage, connectors: &[&Connector]) -> Vec<Worker> {
    let mut workers = Vec::new();
    for name in NAMES {
        workers.push(Launch::new(name).start(stage, connectors).await);
    }
    workers
}

fn all(workers: &[Worker]) -> Vec<&Worker> {
    workers.iter().collect()
}
