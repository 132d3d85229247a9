//! `delivery.guarantee=at_least_once`: positions are the consumer group's, and nothing is lost.

use serde_json::{Value, json};

use crate::support::kafka;
use crate::support::ledger::Fate;
use crate::support::oracle::acknowledged_ends;
use crate::support::orders::Orders;
use crate::support::proxy::Network;
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, check, eventually};
use crate::support::worker::{Launch, Worker};

const PARTITIONS: i32 = 3;

struct Play {
    stage: Stage,
    orders: Orders,
}

impl Play {
    async fn begin(name: &str) -> Self {
        Self::begin_with(name, 1).await
    }

    async fn begin_with(name: &str, workers: u32) -> Self {
        let stage = Stage::begin(name, workers).await;
        let mut orders = Orders::prepare(&stage, PARTITIONS).await;
        orders.connector = orders.connector.set("delivery.guarantee", "at_least_once");
        Self { stage, orders }
    }

    async fn worker(&self, name: &str) -> Worker {
        let launch = Launch::new(name);
        launch.start(&self.stage, &[&self.orders.connector]).await
    }

    async fn count(&self, what: &str) -> i64 {
        let sql = format!("SELECT count({what}) FROM orders");
        self.stage.database.number(&sql).await
    }

    /// Waits until each acknowledged record is stored at least so often.
    async fn until_stored(&self, times: i64) {
        let topic = &self.orders.topic.name;
        let wanted = self.stage.ledger.ids(topic, Fate::Stored).len();
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM orders GROUP BY producer, seq
             HAVING count(*) >= {times}) AS stored"
        );
        eventually("every record in the table", PATIENCE, || async {
            let stored = self.stage.database.number(&sql).await;
            check(usize::try_from(stored) == Ok(wanted), || {
                format!("{stored} of {wanted}")
            })
        })
        .await;
    }

    async fn until_progress(&self, worker: &Worker, wanted: impl Fn(&Value) -> bool) {
        let path = format!(
            "/rowdock/connectors/{}/progress",
            self.orders.connector.name
        );
        eventually("the connector's progress", PATIENCE, || async {
            let progress = worker.rest.get(&path).await.body;
            check(wanted(&progress), || progress.to_string())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_are_the_group_s() {
    let play = Play::begin("group_positions").await;
    let (orders, path) = (&play.orders, &play.orders.connector.name);
    let path = format!("/connectors/{path}");
    let writer = orders.writer(&play.stage, 1);
    let mut worker = play.worker("worker").await;
    writer.send_good(0, 30, PARTITIONS).await;
    play.until_stored(1).await;
    worker.terminate();
    assert!(worker.exit(PATIENCE).await.success());
    let group = orders.connector.group();
    let committed = kafka::group_offsets(&group, &orders.topic.name, PARTITIONS).await;
    let committed = committed.into_iter().map(|(part, (at, _))| (part, at));
    let ends = acknowledged_ends(&play.stage.ledger, &orders.topic).await;
    assert_eq!(ends, committed.collect());

    let worker = play.worker("successor").await;
    writer.send_good(30, 30, PARTITIONS).await;
    play.until_stored(1).await;
    assert_eq!(play.count("*").await, 60, "a clean stop repeats nothing");

    assert_eq!(
        worker.rest.put(&format!("{path}/stop"), None).await.code,
        204
    );
    writer.send_good(60, 30, PARTITIONS).await;
    // Stopping commits what was stored.
    play.until_progress(&worker, |told| told["lag_records"] == 30)
        .await;
    let reset = worker.rest.delete(&format!("{path}/offsets")).await;
    assert_eq!(reset.code, 200, "{}", reset.body);
    play.until_progress(&worker, |told| told["lag_records"] == 90)
        .await;
    assert_eq!(
        worker.rest.put(&format!("{path}/resume"), None).await.code,
        202
    );
    play.until_stored(1).await;
    let judged = orders.judged(&play.stage);
    judged.until_rows(150, PATIENCE).await;
    assert_eq!(play.count("*").await, 150, "the first rows again");
    play.until_progress(&worker, |told| {
        let partitions = told["partitions"].as_array();
        told["lag_records"] == 0
            && told["health"] == "well"
            && partitions.is_some_and(|all| all.len() == PARTITIONS as usize)
            && told["partitions"][0]["owner"] == json!(null)
    })
    .await;
}

/// A task that leaves its group for a while, since the database is away, has said before how far it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_repeats_nothing() {
    let play = Play::begin("at_least_once_away").await;
    let (stage, orders) = (&play.stage, &play.orders);
    let path = stage.database.path().await.expect("a server");
    // What is not committed on leaving is committed by nobody else in time.
    let worker = Launch::new("worker")
        .database(&path)
        .setting("offset.flush.interval.ms", "600000");
    let worker = worker.start(stage, &[&orders.connector]).await;
    let writer = orders.writer(stage, 1);
    writer.send_good(0, 30, PARTITIONS).await;
    play.until_stored(1).await;
    path.set(Network::Cut);
    writer.send_good(30, 30, PARTITIONS).await;
    until_members(&orders.connector.group(), 0).await;
    path.set(Network::Whole);
    play.until_stored(1).await;
    assert_eq!(play.count("*").await, 60, "rows twice");
    drop(worker);
}

/// A worker that has never reached the database leaves its partitions to those that can.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_a_way_to_the_database_is_no_loss() {
    let play = Play::begin_with("at_least_once_no_way", 2).await;
    let (stage, orders) = (&play.stage, &play.orders);
    let path = stage.database.path().await.expect("a server");
    let _worker = play.worker("worker").await;
    orders.writer(stage, 1).send_good(0, 30, PARTITIONS).await;
    play.until_stored(1).await;
    path.set(Network::Cut);
    let cut_off = Launch::new("cut_off").database(&path);
    let cut_off = cut_off.start(stage, &[&orders.connector]).await;
    eventually("the database to be given up", PATIENCE, || async {
        let given_up = cut_off.logged(&["leaving the group so that others go on"]);
        check(!given_up.is_empty(), || "not yet".to_owned())
    })
    .await;
    orders.writer(stage, 2).send_good(0, 30, PARTITIONS).await;
    play.until_stored(1).await;
}

async fn until_members(group: &str, wanted: usize) {
    eventually("the members of the group", PATIENCE, || async {
        let members = kafka::group_members(group).await;
        check(members == wanted, || format!("{members} of {wanted}"))
    })
    .await;
}

/// A worker that is killed between its rows and the group's offsets: the rows come again.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_repeats_rows_and_loses_none() {
    let play = Play::begin("at_least_once_kill").await;
    let load = play.orders.load(&play.stage, 1000);
    let mut worker = play.worker("worker").await;
    for round in 1..=3 {
        let judged = play.orders.judged(&play.stage);
        judged.until_rows(1000 * round, PATIENCE).await;
        let status = worker.kill();
        play.stage.tell(format_args!("killed: {status}"));
        worker = play.worker(&format!("successor{round}")).await;
    }
    load.finish().await;
    play.until_stored(1).await;
    let repeated = play.count("*").await - play.count("DISTINCT (producer, seq)").await;
    play.stage.tell(format_args!("{repeated} rows twice"));
}
