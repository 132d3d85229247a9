//! What needs nodes of its own: a part of `make chaos`. What happens to workers, brokers and networks is in
//! [`chaos`](crate::chaos).
//!
//! A node's files cannot be restored to an earlier state, and no replica takes its place: with Cassandra
//! what was acknowledged is on as many nodes as the consistency asks for, or the cluster is lost.

use std::time::{Duration, Instant};

use scylla::frame::types::Consistency;
use scylla::statement::unprepared::Statement;

use super::play::{Keyspace, PARTITIONS, PATIENCE, load, until_flowing, until_shared};
use crate::support::connector::Connector;
use crate::support::own_server::OwnServer;
use crate::support::proc::send_signal;
use crate::support::producer::Writer;
use crate::support::proxy::{BrokerPaths, Network, Proxy};
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::{FENCED, Launch, Worker};

/// A cluster of workers in front of one keyspace.
struct Play {
    workers: Vec<Worker>,
    connector: Connector,
    topic: Topic,
    keyspace: Keyspace,
    stage: Stage,
}

impl Play {
    /// On this node, which the workers reach by this way. They take its address from what the node says,
    /// and its port from the connector, so a single node can have a proxy before it.
    async fn begin_on(node: &str, way: Option<&Proxy>, name: &str, workers: usize) -> Self {
        let stage = Stage::begin(name, u32::try_from(workers).expect("few")).await;
        let keyspace = Keyspace::create_on(&stage, node, 1).await;
        let topic = stage.topic("orders", PARTITIONS).await;
        let address = way.map_or_else(|| node.to_owned(), |way| way.address().to_string());
        let connector = keyspace.connector(&stage, &topic);
        let connector = connector.set("connection.url", &keyspace.url(&address));
        let mut play = Self {
            workers: Vec::new(),
            connector,
            topic,
            keyspace,
            stage,
        };
        for index in 0..workers {
            let worker = play.launched(index, None).await;
            play.workers.push(worker);
        }
        play
    }

    async fn launched(&self, index: usize, kafka: Option<&BrokerPaths>) -> Worker {
        let mut launch = Launch::new(&format!("worker{index}"));
        if let Some(kafka) = kafka {
            launch = launch.setting("bootstrap.servers", &kafka.addresses());
        }
        launch.start(&self.stage, &[&self.connector]).await
    }

    async fn flows(&self) -> Duration {
        let begun = Instant::now();
        until_flowing(&self.keyspace, &self.topic, PATIENCE).await;
        begun.elapsed()
    }

    async fn shared(&self) {
        let workers: Vec<&Worker> = self.workers.iter().collect();
        until_shared(&self.keyspace, &workers).await;
    }

    async fn replace(&mut self, index: usize) {
        self.workers[index].terminate();
        let status = self.workers[index].exit(PATIENCE).await;
        assert!(status.success(), "a clean stop: {status}");
        assert_eq!(self.workers[index].logged(&[FENCED]), Vec::<String>::new());
        self.workers[index] = self.launched(index, None).await;
    }

    async fn kill(&mut self, index: usize) {
        self.workers[index].kill();
        self.workers[index] = self.launched(index, None).await;
    }

    async fn agrees(self) {
        self.keyspace.agrees(&self.topic).await;
        for worker in &self.workers {
            worker
                .until_tasks(&self.connector, "RUNNING", seconds(30))
                .await;
        }
        self.keyspace.drop().await;
    }
}

/// A node that is killed under load and comes back, more than once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and a node of its own"]
async fn node_dies_again_and_again() {
    const DEATHS: usize = 2;
    let node = OwnServer::cassandra("dies", 1).await;
    let play = Play::begin_on(&node.url, None, "cassandra_dies", 2).await;
    let load = load(&play.stage, &play.topic);
    play.shared().await;
    for death in 0..DEATHS {
        play.flows().await;
        node.kill().await;
        play.workers[0]
            .until_logged(&["not done, trying again"], PATIENCE)
            .await;
        node.start_again().await;
        let took = play.flows().await;
        play.stage.tell(format_args!(
            "death {death}: all flows {took:.1?} after it was up"
        ));
        for worker in &play.workers {
            worker
                .until_tasks(&play.connector, "RUNNING", seconds(30))
                .await;
        }
    }
    load.finish().await;
    play.agrees().await;
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill,
    Replace,
    Freeze,
    CutKafka,
    FreezeNode,
    CutNode,
    StallNode,
}

const FAULTS: [Fault; 7] = [
    Fault::Kill,
    Fault::Replace,
    Fault::Freeze,
    Fault::CutKafka,
    Fault::FreezeNode,
    Fault::CutNode,
    Fault::StallNode,
];

/// All of it, in an order that a seed decides, for `CHAOS_SECONDS`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and a node of its own"]
async fn everything_at_random() {
    let node = OwnServer::cassandra("mix", 1).await;
    let way = Proxy::to_database(&node.url).await;
    let mut play = Play::begin_on(&node.url, Some(&way), "cassandra_mix", 2).await;
    let kafka = BrokerPaths::to_brokers().await;
    let cut_off = play.launched(2, Some(&kafka)).await;
    play.workers.push(cut_off);
    let load = load(&play.stage, &play.topic);
    play.shared().await;
    let mut random = play.stage.random();
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < crate::chaos_engines::patience() {
        let fault = FAULTS[random.usize(0..FAULTS.len())];
        let victim = random.usize(0..2);
        let time = Duration::from_millis(random.u64(500..6_000));
        play.stage.tell(format_args!(
            "{:.0?}: {fault:?}, worker {victim}, {time:?}",
            begun.elapsed()
        ));
        match fault {
            Fault::Kill => play.kill(victim).await,
            Fault::Replace => play.replace(victim).await,
            Fault::Freeze => {
                play.workers[victim].freeze().await;
                tokio::time::sleep(time).await;
                play.workers[victim].thaw().await;
            }
            Fault::CutKafka => {
                kafka.set(Network::Cut);
                tokio::time::sleep(time).await;
                kafka.set(Network::Whole);
            }
            Fault::FreezeNode => {
                let pid = node.pid.expect("a process, not a container");
                assert!(send_signal("STOP", pid), "no STOP");
                tokio::time::sleep(time).await;
                assert!(send_signal("CONT", pid), "no CONT");
            }
            Fault::CutNode => disturb(&way, Network::Cut, time).await,
            Fault::StallNode => disturb(&way, Network::Stalled, time).await,
        }
        play.flows().await;
        count += 1;
    }
    play.stage
        .tell(format_args!("{count} faults in {:.0?}", begun.elapsed()));
    load.finish().await;
    play.agrees().await;
}

async fn disturb(way: &Proxy, network: Network, time: Duration) {
    way.set(network);
    tokio::time::sleep(time).await;
    way.set(Network::Whole);
}

/// Two nodes, of which both must agree: while one is away nothing can be written, and no position moves;
/// when it is back, everything comes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and two nodes of its own"]
async fn lost_quorum() {
    let stage = Stage::begin("cassandra_quorum", 1).await;
    let first = OwnServer::cassandra("two", 1).await;
    let second = OwnServer::cassandra("two", 2).await;
    let keyspace = Keyspace::create_on(&stage, &first.url, 2).await;
    let topic = stage.topic("orders", PARTITIONS).await;
    let connector = keyspace
        .connector(&stage, &topic)
        .set("cassandra.consistency", "QUORUM")
        .set(
            "connection.url",
            &format!("{}?requestTimeout=5000", keyspace.url(&first.url)),
        );
    let load = load(&stage, &topic);
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    until_flowing(&keyspace, &topic, PATIENCE).await;
    second.kill().await;
    worker
        .until_logged(&["not done, trying again"], PATIENCE)
        .await;
    // The node that is left may not answer at once.
    let stands = || {
        eventually("positions to be read", PATIENCE, || async {
            let positions = keyspace.positions().await;
            let some = check(positions.len() > 1, || format!("{positions:?}"));
            some.map(|()| positions)
        })
    };
    let stood = stands().await;
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(stands().await, stood, "a position moved without a quorum");
    second.start_again().await;
    until_flowing(&keyspace, &topic, seconds(180)).await;
    load.finish().await;
    keyspace.agrees(&topic).await;
    worker.until_tasks(&connector, "RUNNING", seconds(30)).await;
}

/// Tables are made through the first node of all, so that all workers make them one after the other; while
/// it is down, through the next.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and two nodes of its own"]
async fn tables_are_made_while_the_first_node_is_down() {
    let stage = Stage::begin("cassandra_first", 1).await;
    let nodes = [
        OwnServer::cassandra("first", 1).await,
        OwnServer::cassandra("first", 2).await,
    ];
    let keyspace = Keyspace::create_on(&stage, &nodes[0].url, 2).await;
    let state = keyspace.session.get_cluster_state();
    let known = state.get_nodes_info().iter();
    let first = known.min_by_key(|node| node.host_id).expect("two nodes");
    let first = first.address.to_string();
    let (down, up) = match nodes[0].url == first {
        true => (&nodes[0], &nodes[1]),
        false => (&nodes[1], &nodes[0]),
    };
    assert_eq!(down.url, first, "nodes are told apart by their addresses");
    down.kill().await;
    let topic = stage.topic("orders", PARTITIONS).await;
    // Neither rows nor positions need both nodes.
    let connector = keyspace
        .connector_to("made", &stage, &topic)
        .set("connection.url", &keyspace.url(&up.url))
        .set("auto.create", "true")
        .set("delivery.guarantee", "at_least_once")
        .set("cassandra.consistency", "ONE");
    let writer = Writer::new(&topic.name, 1, &stage.ledger);
    writer.send_good(0, 100, PARTITIONS).await;
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    eventually("a table with all rows", PATIENCE, || async {
        let cql = format!("SELECT item FROM {}.made", keyspace.name);
        let mut statement = Statement::new(cql);
        statement.set_consistency(Consistency::One);
        let answer = keyspace.session.query_unpaged(statement, ()).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let rows = answer.into_rows_result().expect("rows").rows_num();
        check(rows == 100, || format!("{rows} rows"))
    })
    .await;
    worker.until_tasks(&connector, "RUNNING", seconds(30)).await;
}
