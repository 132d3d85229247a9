//! Workers are replaced one after the other under load.

use crate::support::connector::Connector;
use crate::support::oracle::Judged;
use crate::support::orders::Orders;
use crate::support::producer::{Load, LoadSpec};
use crate::support::stage::Stage;
use crate::support::wait::seconds;
use crate::support::worker::{Launch, SESSION, Worker};

const ROUNDS: usize = 3;
const NAMES: [&str; 3] = ["first", "second", "third"];

/// A second connector, which keeps the newest state of few items, with deletes.
struct Items {
    topic: crate::support::stage::Topic,
    connector: Connector,
}

impl Items {
    async fn prepare(stage: &Stage) -> Self {
        let topic = stage.topic("items", 6).await;
        stage
            .database
            .run(
                "CREATE TABLE items (item bigint PRIMARY KEY, producer int, seq bigint,
                 amount bigint)",
            )
            .await;
        let connector = Connector::upsert(stage, &topic, "items");
        Self { topic, connector }
    }

    fn load(&self, stage: &Stage) -> Load {
        let spec = LoadSpec {
            producer: 2,
            items: 200,
            delete_every: 11,
            seed: stage.seed,
            ..LoadSpec::append(300, self.topic.partitions)
        };
        Load::start(&self.topic.name, &stage.ledger, spec)
    }

    fn judged<'a>(&'a self, stage: &'a Stage) -> Judged<'a> {
        Judged {
            stage,
            connector: &self.connector,
            topic: &self.topic,
            table: "items",
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_restarts() {
    let stage = Stage::begin("rolling_clean", 3).await;
    let orders = Orders::prepare(&stage, 12).await;
    let items = Items::prepare(&stage).await;
    let connectors = [&orders.connector, &items.connector];
    let mut workers = start_all(&stage, &connectors).await;
    let loads = (orders.load(&stage, 300), items.load(&stage));
    orders.until_shared(&stage, &all(&workers)).await;
    for round in 0..ROUNDS {
        for index in 0..workers.len() {
            workers[index].terminate();
            let status = workers[index].exit(seconds(10)).await;
            assert!(status.success(), "a clean stop in round {round}: {status}");
            let fenced = workers[index].logged(&["fenced"]);
            assert_eq!(fenced, Vec::<String>::new(), "a clean stop replays nothing");
            workers[index] = Launch::new(NAMES[index]).start(&stage, &connectors).await;
        }
        orders.until_flowing(&stage, seconds(15)).await;
    }
    loads.0.finish().await;
    loads.1.finish().await;
    let judged = orders.judged(&stage);
    judged.healed(&all(&workers), seconds(20)).await;
    items.judged(&stage).until_folded(seconds(20)).await;
    let (pause, partition) = judged.longest_pause().await;
    stage.tell(format_args!(
        "partition {partition} paused {pause:?} at most"
    ));
    assert!(
        pause <= seconds(5),
        "partition {partition} paused {pause:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_without_time_to_settle() {
    let stage = Stage::begin("rolling_kill", 3).await;
    let orders = Orders::prepare(&stage, 12).await;
    let items = Items::prepare(&stage).await;
    let connectors = [&orders.connector, &items.connector];
    let mut workers = start_all(&stage, &connectors).await;
    let loads = (orders.load(&stage, 300), items.load(&stage));
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
        orders.until_flowing(&stage, SESSION + seconds(5)).await;
    }
    loads.0.finish().await;
    loads.1.finish().await;
    let workers = all(&workers);
    orders.judged(&stage).healed(&workers, seconds(20)).await;
    items.judged(&stage).until_folded(seconds(20)).await;
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
