//! Three workers, each replaced in turn, three times over.

use std::time::{Duration, Instant};

use crate::support::engine::Engine;
use crate::support::items::Items;
use crate::support::orders::Orders;
use crate::support::proc::Busy;
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, seconds};
use crate::support::worker::{FENCED, Launch, SESSION, Worker};

const ROUNDS: usize = 3;
const WORKERS: usize = 3;

/// For how long a partition may stand still while its worker is replaced.
const PAUSE_MAX: Duration = seconds(5);

/// Clean stops: nothing is written twice even for a moment, so nobody is fenced.
pub(super) async fn restarted(engine: Engine) {
    let stage = Stage::begin_in(engine, "rolling_restarts", 3).await;
    let orders = Orders::prepare(&stage, 12).await;
    let items = Items::prepare(&stage).await;
    let connectors = [&orders.connector, &items.connector];
    let launch = |index: usize| Launch::new(&format!("worker{index}")).with_long_session();
    let mut workers = Vec::new();
    for index in 0..WORKERS {
        workers.push(launch(index).start(&stage, &connectors).await);
    }
    let loads = (orders.load(&stage, 300), items.load(&stage, 300));
    orders.until_shared(&stage, &all(&workers)).await;
    orders.until_flowing(&stage, PATIENCE).await;
    let (begun, busy) = (std::time::SystemTime::now(), Busy::from_now());
    for round in 0..ROUNDS {
        for (index, worker) in workers.iter_mut().enumerate() {
            worker.terminate();
            let status = worker.exit(PATIENCE).await;
            assert!(status.success(), "a clean stop in round {round}: {status}");
            assert_eq!(worker.logged(&[FENCED]), Vec::<String>::new());
            *worker = launch(index).start(&stage, &connectors).await;
        }
        orders.until_flowing(&stage, PATIENCE).await;
    }
    loads.0.finish().await;
    loads.1.finish().await;
    let judged = orders.judged(&stage);
    judged.healed(&all(&workers), PATIENCE).await;
    items.judged(&stage).until_folded(PATIENCE).await;
    let (pause, partition) = judged.longest_pause_since(begun).await;
    stage.tell(format_args!(
        "partition {partition} paused {pause:.1?} at most; {busy}"
    ));
    assert!(
        pause <= PAUSE_MAX,
        "partition {partition} paused {pause:?}; {busy}"
    );
}

/// SIGKILL, without time to settle.
pub(super) async fn killed(engine: Engine) {
    let stage = Stage::begin_in(engine, "rolling_kills", 3).await;
    let orders = Orders::prepare(&stage, 12).await;
    let items = Items::prepare(&stage).await;
    let connectors = [&orders.connector, &items.connector];
    let launch = |index: usize| Launch::new(&format!("worker{index}"));
    let mut workers = Vec::new();
    for index in 0..WORKERS {
        workers.push(launch(index).start(&stage, &connectors).await);
    }
    let loads = (orders.load(&stage, 300), items.load(&stage, 300));
    orders.until_shared(&stage, &all(&workers)).await;
    let mut random = stage.random();
    for round in 0..ROUNDS {
        let mut order: Vec<usize> = (0..WORKERS).collect();
        random.shuffle(&mut order);
        for index in order {
            workers[index].kill();
            workers[index] = launch(index).start(&stage, &connectors).await;
        }
        let (begun, busy) = (Instant::now(), Busy::from_now());
        orders.until_flowing(&stage, PATIENCE).await;
        let took = begun.elapsed();
        stage.tell(format_args!(
            "round {round}: records of all partitions flow {took:.1?} after the last start; {busy}"
        ));
        assert!(
            took <= SESSION + seconds(5),
            "the dead are missed for {took:?}; {busy}"
        );
    }
    loads.0.finish().await;
    loads.1.finish().await;
    let judged = orders.judged(&stage);
    judged.healed(&all(&workers), PATIENCE).await;
    items.judged(&stage).until_folded(PATIENCE).await;
}

fn all(workers: &[Worker]) -> Vec<&Worker> {
    workers.iter().collect()
}
