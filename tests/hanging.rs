//! What a connector waits for hangs, and it is told to pause, to stop, or to be gone: that is done in
//! bounded time, nothing of it stays behind, and other connectors do not notice.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::Value;

use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::orders::{Orders, TABLE};
use crate::support::proc::{remote_ports, threads};
use crate::support::proxy::{Network, Proxy};
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, check, eventually, seconds};
use crate::support::worker::{Launch, Worker};

/// `task.shutdown.graceful.timeout.ms`: longer than by default, so that an answer that waited for it
/// would be told from one that did not on a busy machine too.
const GRACE_MS: &str = "12000";

/// The API only says what is to be.
const ANSWERED_WITHIN: Duration = seconds(8);

async fn timed(worker: &Worker, method: &'static str, path: &str, code: u16) {
    let begun = Instant::now();
    let answer = worker.rest.try_call(method, path, None).await;
    let answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
    assert_eq!(answer.code, code, "{path}: {}", answer.body);
    let took = begun.elapsed();
    assert!(took < ANSWERED_WITHIN, "{method} {path} took {took:?}");
}

/// Waits until no session of the connector is left.
async fn until_no_session_is_left(worker: &Worker, path: &Proxy) {
    eventually("no session to be left of it", PATIENCE, || async {
        let ports = remote_ports(worker.pid()).into_iter();
        let open = ports.filter(|port| *port == path.address().port()).count();
        check(open == 0, || format!("{open} sessions"))
    })
    .await;
}

/// Waits until no thread and no connection of the connector is left in the worker.
async fn until_nothing_is_left(worker: &Worker, connector: &Connector, path: &Proxy) {
    // The kernel shows 15 characters of a thread's name.
    let thread: String = format!("consume-{}", connector.name)
        .chars()
        .take(15)
        .collect();
    eventually("nothing to be left of it", PATIENCE, || async {
        let alive = threads(worker.pid())
            .into_iter()
            .filter(|name| *name == thread);
        let alive = alive.count();
        let ports = remote_ports(worker.pid()).into_iter();
        let open = ports.filter(|port| *port == path.address().port()).count();
        check(alive + open == 0, || {
            format!("{alive} threads, {open} sessions")
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn database() {
    let stage = Stage::begin("hanging_database", 1).await;
    let mut orders = Orders::prepare(&stage, 4).await;
    let path = Proxy::to_database(stage.database.server()).await;
    let url = stage.database.url(Some(&path));
    orders.connector = orders.connector.set("connection.url", &url);
    // A second connector, whose database does not hang.
    let other_topic = stage.topic("other", 1).await;
    stage.database.create_append_table("other").await;
    // Its threads are told apart by the first letters of its name.
    let other = Connector::of_class("PostgresSink", &format!("o{}", stage.unique("other")))
        .set("topics", &other_topic.name)
        .set("table.name.format", "other")
        .set("insert.mode", "insert");
    let worker = Launch::new("worker")
        .setting("task.shutdown.graceful.timeout.ms", GRACE_MS)
        .start(&stage, &[&orders.connector, &other])
        .await;
    let writer = orders.writer(&stage, 1);
    let root = format!("/connectors/{}", orders.connector.name);
    for (round, (network, method, verb, code)) in [
        (Network::Stalled, "PUT", "/pause", 202),
        (Network::Stalled, "PUT", "/stop", 204),
        (Network::Cut, "PUT", "/stop", 204),
        (Network::Stalled, "DELETE", "", 204),
    ]
    .into_iter()
    .enumerate()
    {
        let first = i64::try_from(round).unwrap() * 1000;
        writer.send_good(first, 400, 4).await;
        orders.judged(&stage).until_caught_up(PATIENCE).await;
        path.set(network);
        writer.send_good(first + 400, 400, 4).await;
        if network == Network::Cut {
            until_it_retries(&worker, &orders.connector).await;
        }
        timed(&worker, method, &format!("{root}{verb}"), code).await;
        if verb != "/pause" {
            until_nothing_is_left(&worker, &orders.connector, &path).await;
        }
        // Meanwhile the other one stores what it gets, and the API answers.
        other_stores(&stage, &other_topic.name, i64::try_from(round).unwrap()).await;
        timed(&worker, "GET", "/connectors?expand=status&expand=info", 200).await;
        // Tasks go on, or begin, while there is no database yet.
        let early = verb == "/pause" || network == Network::Cut;
        if early {
            timed(&worker, "PUT", &format!("{root}/resume"), 202).await;
        }
        path.set(Network::Whole);
        if method == "PUT" {
            timed(&worker, "PUT", &format!("{root}/resume"), 202).await;
            worker
                .until_tasks(&orders.connector, "RUNNING", PATIENCE)
                .await;
            orders.judged(&stage).until_caught_up(PATIENCE).await;
        }
    }
    // The server and the broker take a moment to see that nobody is there any more.
    eventually("nobody to be left of it", PATIENCE, || async {
        let sessions = stage.database.sessions(Some(&path)).await;
        let members = kafka::group_members(&orders.connector.group()).await;
        check(sessions.is_empty() && members == 0, || {
            format!("{sessions:?}, {members} members")
        })
    })
    .await;
    // What the deleted connector had not stored is what was written while the database hung.
    let rows = stage
        .database
        .number(&format!("SELECT count(*) FROM {TABLE}"))
        .await;
    assert!((2800..=3200).contains(&rows), "{rows} rows");
}

/// A worker that is told to end does not wait for its database longer than it may; what was on its way
/// is written once, by the next one.
#[tokio::test(flavor = "multi_thread")]
async fn database_of_a_worker_that_ends() {
    const GRACE: Duration = seconds(2);
    // To leave the group and end the rest, on a busy machine; far less than a hanging session lasts.
    const SLACK: Duration = seconds(18);
    let stage = Stage::begin("hanging_end", 2).await;
    let mut orders = Orders::prepare(&stage, 4).await;
    let path = Proxy::to_database(stage.database.server()).await;
    let direct = orders.connector.clone();
    let url = stage.database.url(Some(&path));
    orders.connector = orders.connector.set("connection.url", &url);
    let grace = GRACE.as_millis().to_string();
    let mut worker = Launch::new("hanging")
        .setting("task.shutdown.graceful.timeout.ms", &grace)
        .start(&stage, &[&orders.connector])
        .await;
    let writer = orders.writer(&stage, 1);
    writer.send_good(0, 400, 4).await;
    orders.judged(&stage).until_caught_up(PATIENCE).await;
    path.set(Network::Stalled);
    writer.send_good(400, 400, 4).await;
    let begun = Instant::now();
    worker.terminate();
    let status = worker.exit(PATIENCE).await;
    let took = begun.elapsed();
    stage.tell(format_args!("{status} after {took:?}"));
    assert!(took < GRACE + SLACK, "it took {took:?}");
    path.set(Network::Whole);
    orders.connector = direct;
    let next = Launch::new("next")
        .start(&stage, &[&orders.connector])
        .await;
    orders.judged(&stage).healed(&[&next], PATIENCE).await;
}

/// Without its database a connector's progress says that it retries, and which positions are not known.
async fn until_it_retries(worker: &Worker, connector: &Connector) {
    let path = format!("/rowdock/connectors/{}/progress", connector.name);
    eventually("the progress page to tell", PATIENCE, || async {
        let progress = worker.rest.try_call("GET", &path, None).await?;
        let told = &progress.body;
        let retries = told["health"] == "retrying" && told["error"].is_string();
        check(progress.code == 200 && retries, || format!("{progress:?}"))
    })
    .await;
}

async fn other_stores(stage: &Stage, topic: &str, seq: i64) {
    let writer = crate::support::producer::Writer::new(topic, 9, &stage.ledger);
    writer.send_good(seq, 1, 1).await;
    eventually("the other connector's record", PATIENCE, || async {
        let rows = stage.database.number("SELECT count(*) FROM other").await;
        check(rows == seq + 1, || format!("{rows} rows"))
    })
    .await;
}

/// Kafka takes what it is told and says nothing: consumers cannot take their leave, and are missed by
/// the group after a session. Their database sessions end nevertheless, and they themselves when Kafka
/// answers, or when their last requests have timed out.
#[tokio::test(flavor = "multi_thread")]
async fn kafka_itself() {
    let stage = Stage::begin("hanging_kafka", 1).await;
    let orders = Orders::prepare(&stage, 4).await;
    let network = Proxy::to_kafka().await;
    let database = Proxy::to_database(stage.database.server()).await;
    let launch = Launch::new("worker").kafka(&network).database(&database);
    let launch = launch.setting("task.shutdown.graceful.timeout.ms", GRACE_MS);
    let worker = launch.start(&stage, &[&orders.connector]).await;
    orders.writer(&stage, 1).send_good(0, 400, 4).await;
    orders.judged(&stage).until_caught_up(PATIENCE).await;
    let root = format!("/connectors/{}", orders.connector.name);
    for (verb, code) in [("/stop", 204), ("/resume", 202)] {
        network.set(Network::Stalled);
        timed(&worker, "PUT", &format!("{root}{verb}"), code).await;
        if verb == "/stop" {
            until_no_session_is_left(&worker, &database).await;
        }
        network.set(Network::Whole);
    }
    worker
        .until_tasks(&orders.connector, "RUNNING", PATIENCE)
        .await;
    orders.writer(&stage, 2).send_good(0, 400, 4).await;
    orders.judged(&stage).until_caught_up(PATIENCE).await;
    network.set(Network::Stalled);
    timed(&worker, "DELETE", &root, 204).await;
    until_no_session_is_left(&worker, &database).await;
    eventually("the group to be empty", PATIENCE, || async {
        let members = kafka::group_members(&orders.connector.group()).await;
        check(members == 0, || format!("{members} members"))
    })
    .await;
    network.set(Network::Whole);
    until_nothing_is_left(&worker, &orders.connector, &database).await;
    orders.judged(&stage).verify().await;
}

/// Another program's consumer in the connector's group is named, and waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_member_of_the_group() {
    let stage = Stage::begin("foreign_member", 1).await;
    let orders = Orders::prepare(&stage, 4).await;
    let foreign: BaseConsumer = kafka::client()
        .set("group.id", orders.connector.group())
        .set("client.id", "connector-consumer-orders-0")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    foreign.subscribe(&[&orders.topic.name]).unwrap();
    eventually("the foreign member", PATIENCE, || async {
        foreign.poll(Duration::from_millis(50));
        let members = kafka::group_members(&orders.connector.group()).await;
        check(members == 1, || format!("{members} members"))
    })
    .await;
    orders.writer(&stage, 1).send_good(0, 40, 4).await;
    let launch = Launch::new("worker");
    let worker = launch.start(&stage, &[&orders.connector]).await;
    eventually("the foreign member to be named", PATIENCE, || async {
        foreign.poll(Duration::from_millis(50));
        let tasks = worker.tasks(&orders.connector).await;
        let trace = tasks
            .first()
            .map(|task| task.trace.clone())
            .unwrap_or_default();
        check(trace.contains("connector-consumer-orders-0 at"), || trace)
    })
    .await;
    assert!(
        !stage.database.has_table("rowdock_progress").await,
        "nothing is claimed"
    );
    drop(foreign);
    orders.judged(&stage).healed(&[&worker], PATIENCE).await;
}

/// A consumer that believes all is well and gets nothing is found, told, and started anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_stands_still() {
    let stage = Stage::begin("stands_still", 1).await;
    let orders = Orders::prepare(&stage, 4).await;
    let worker = Launch::new("worker")
        .failpoint("consume::deaf", "1*return->off")
        .failpoint("write::impatient", "return")
        .start(&stage, &[&orders.connector])
        .await;
    worker
        .until_tasks(&orders.connector, "RUNNING", PATIENCE)
        .await;
    orders.writer(&stage, 1).send_good(0, 400, 4).await;
    orders.judged(&stage).healed(&[&worker], PATIENCE).await;
    let told = worker.logged(&["task failed", "stuck: topic", "though its log goes on to"]);
    assert_eq!(told.len(), 1, "{}", worker.log());
    stage.tell(&told[0]);
    let anew = worker.logged(&["starting failed tasks anew"]);
    assert_eq!(anew.len(), 1, "once is enough");
    let status = worker
        .rest
        .get(&format!("/connectors/{}/status", orders.connector.name))
        .await;
    assert_eq!(status.body["tasks"][0]["trace"], Value::Null);
}
