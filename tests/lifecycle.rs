//! A connector's life through the REST API of the real worker, and the worker's own end.

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::json;

use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::oracle::Judged;
use crate::support::orders::Orders;
use crate::support::producer::Writer;
use crate::support::proxy::{Network, Proxy};
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, check, eventually};
use crate::support::worker::Launch;

#[tokio::test(flavor = "multi_thread")]
async fn created_paused_resumed_stopped_restarted_deleted() {
    let stage = Stage::begin("lifecycle", 1).await;
    let orders = Orders::prepare(&stage, 3).await;
    let (connector, judged) = (&orders.connector, orders.judged(&stage));
    let writer = orders.writer(&stage, 1);
    let launch = Launch::new("worker").with_long_session();
    let worker = launch.start(&stage, &[]).await;
    let rest = &worker.rest;
    let path = format!("/connectors/{}", connector.name);

    assert_eq!(rest.get("/connectors").await.body, json!([]));
    let document = connector.document(&stage.database.url(None));
    let created = rest.post("/connectors", Some(document.clone())).await;
    assert_eq!(created.code, 201, "{}", created.body);
    assert_eq!(created.body["name"], document["name"]);
    let again = rest.post("/connectors", Some(document)).await;
    assert_eq!(again.code, 409, "{}", again.body);
    writer.send_good(0, 30, 3).await;
    judged.healed(&[&worker], PATIENCE).await;

    assert_eq!(rest.put(&format!("{path}/pause"), None).await.code, 202);
    worker.until_tasks(connector, "PAUSED", PATIENCE).await;
    let before = judged.positions().await;
    writer.send_good(30, 30, 3).await;
    assert_eq!(
        kafka::group_members(&connector.group()).await,
        1,
        "it stays a member"
    );
    assert_eq!(rest.put(&format!("{path}/resume"), None).await.code, 202);
    judged.healed(&[&worker], PATIENCE).await;
    assert_ne!(judged.positions().await, before);

    assert_eq!(rest.put(&format!("{path}/stop"), None).await.code, 204);
    eventually("the group to be empty", PATIENCE, || async {
        let members = kafka::group_members(&connector.group()).await;
        check(members == 0, || format!("{members} members"))
    })
    .await;
    eventually("the connector to be STOPPED", PATIENCE, || async {
        let status = rest.get(&format!("{path}/status")).await.body;
        let stopped = status["connector"]["state"] == "STOPPED" && status["tasks"] == json!([]);
        check(stopped, || status.to_string())
    })
    .await;
    let stopped_at = judged.positions().await;
    writer.send_good(60, 30, 3).await;
    assert_eq!(judged.positions().await, stopped_at);
    assert_eq!(rest.put(&format!("{path}/resume"), None).await.code, 202);
    judged.healed(&[&worker], PATIENCE).await;

    let restart = format!("{path}/restart?includeTasks=true");
    let restarted = rest.post(&restart, None).await;
    assert_eq!(restarted.code, 202, "{}", restarted.body);
    writer.send_good(90, 30, 3).await;
    judged.healed(&[&worker], PATIENCE).await;
    let restarted = rest.post(&format!("{path}/tasks/0/restart"), None).await;
    assert_eq!(restarted.code, 204, "{}", restarted.body);
    writer.send_good(120, 30, 3).await;
    judged.healed(&[&worker], PATIENCE).await;

    assert_eq!(rest.delete(&path).await.code, 204);
    let gone = rest.get(&path).await;
    assert_eq!(gone.code, 404);
    assert_eq!(gone.body["error_code"], 404);
    assert!(gone.body["message"].is_string());
}

/// Deleting a connector and creating it again goes on where it was: positions are not deleted.
#[tokio::test(flavor = "multi_thread")]
async fn deleted_and_created_again() {
    let stage = Stage::begin("created_again", 1).await;
    let orders = Orders::prepare(&stage, 3).await;
    let judged = orders.judged(&stage);
    let writer = orders.writer(&stage, 1);
    writer.send_good(0, 60, 3).await;
    let worker = Launch::new("worker")
        .start(&stage, &[&orders.connector])
        .await;
    judged.healed(&[&worker], PATIENCE).await;
    let path = format!("/connectors/{}", orders.connector.name);
    assert_eq!(worker.rest.delete(&path).await.code, 204);
    writer.send_good(60, 60, 3).await;
    let config = orders.connector.config(&stage.database.url(None));
    let created = worker
        .rest
        .put(&format!("{path}/config"), Some(config))
        .await;
    assert_eq!(created.code, 201, "{}", created.body);
    judged.healed(&[&worker], PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unacceptable_connectors_are_refused() {
    let stage = Stage::begin("refused", 1).await;
    let orders = Orders::prepare(&stage, 1).await;
    let worker = Launch::new("worker").start(&stage, &[]).await;
    let bad = orders.connector.clone().set("insert.mode", "merge");
    let document = bad.document(&stage.database.url(None));
    let refused = worker.rest.post("/connectors", Some(document)).await;
    assert_eq!(refused.code, 400, "{}", refused.body);
    let message = refused.body["message"].as_str().unwrap();
    assert!(message.contains("insert.mode"), "{message}");
    let root = worker.rest.get("/").await;
    assert_eq!(root.code, 200);
    for key in ["version", "commit", "kafka_cluster_id"] {
        assert!(root.body[key].is_string(), "{key}: {}", root.body);
    }
    assert_eq!(worker.rest.get("/nothing/here").await.code, 404);
    assert_eq!(worker.rest.get("/health").await.code, 200);
}

/// Everything read is written, Kafka's group knows it, and the member has left.
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_commits_and_leaves() {
    let stage = Stage::begin("sigterm", 1).await;
    let orders = Orders::prepare(&stage, 3).await;
    let judged = orders.judged(&stage);
    let load = orders.load(&stage, 1000);
    let mut worker = Launch::new("worker")
        .with_long_session()
        .start(&stage, &[&orders.connector])
        .await;
    judged.until_rows(1000, PATIENCE).await;
    worker.terminate();
    let status = worker.exit(PATIENCE).await;
    assert_eq!(status.code(), Some(0));
    load.finish().await;
    let group = orders.connector.group();
    // Long before its session would have timed out.
    eventually("the group to be empty", PATIENCE, || async {
        let members = kafka::group_members(&group).await;
        check(members == 0, || format!("{members} members"))
    })
    .await;
    let topic = &orders.topic;
    let committed = kafka::group_offsets(&group, &topic.name, topic.partitions).await;
    let committed = committed
        .iter()
        .map(|(part, (at, _))| (*part, *at))
        .collect();
    assert_eq!(
        judged.positions().await,
        committed,
        "stored, and committed in kafka"
    );
    let worker = Launch::new("successor")
        .start(&stage, &[&orders.connector])
        .await;
    judged.healed(&[&worker], PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_signal_ends_at_once() {
    let stage = Stage::begin("second_signal", 1).await;
    let orders = Orders::prepare(&stage, 3).await;
    let judged = orders.judged(&stage);
    let path = Proxy::to_database(stage.database.server()).await;
    let load = orders.load(&stage, 500);
    let mut worker = Launch::new("worker")
        .database(&path)
        .setting("task.shutdown.graceful.timeout.ms", "120000")
        .start(&stage, &[&orders.connector])
        .await;
    judged.until_rows(200, PATIENCE).await;
    // The drain cannot end while the database does not answer.
    path.set(Network::Stalled);
    worker.terminate();
    worker.until_logged(&["stopping"], PATIENCE).await;
    worker.terminate();
    let status = worker.exit(PATIENCE).await;
    assert_eq!(status.code(), Some(143));
    stage.tell(format_args!("second signal: {status}"));
    load.finish().await;
    let worker = Launch::new("successor")
        .start(&stage, &[&orders.connector])
        .await;
    judged.healed(&[&worker], PATIENCE).await;
}

/// A database that is away for longer than a connector's retries last: its task fails, and goes on by
/// itself once the database is back. With the class of another sink it waits for a person.
#[tokio::test(flavor = "multi_thread")]
async fn retries_are_used_up() {
    let stage = Stage::begin("used_up", 1).await;
    let mut orders = Orders::prepare(&stage, 3).await;
    orders.connector = orders.connector.set("max.retries", "2");
    let topic = stage.topic("others", 1).await;
    stage.database.create_append_table("others").await;
    let other = Connector::append(&stage, &topic, "others")
        .set(
            "connector.class",
            "io.confluent.connect.jdbc.JdbcSinkConnector",
        )
        .set("max.retries", "2");
    let (judged, of_other) = (
        orders.judged(&stage),
        Judged {
            stage: &stage,
            connector: &other,
            topic: &topic,
            table: "others",
        },
    );
    let path = Proxy::to_database(stage.database.server()).await;
    let launch = Launch::new("worker").database(&path);
    let worker = launch.start(&stage, &[&orders.connector, &other]).await;
    let writer = orders.writer(&stage, 1);
    let other_writer = Writer::new(&topic.name, 2, &stage.ledger);
    writer.send_good(0, 30, 3).await;
    other_writer.send_good(0, 10, 1).await;
    judged.healed(&[&worker], PATIENCE).await;
    of_other.healed(&[&worker], PATIENCE).await;

    path.set(Network::Cut);
    writer.send_good(30, 30, 3).await;
    other_writer.send_good(10, 10, 1).await;
    let used_up = "given up after max.retries=2";
    for connector in [&orders.connector, &other] {
        worker
            .until_logged(&[used_up, &connector.name], PATIENCE)
            .await;
    }
    let anew =
        |connector: &Connector| worker.logged(&["starting failed tasks anew", &connector.name]);
    eventually("a restart in vain", PATIENCE, || async {
        check(!anew(&orders.connector).is_empty(), || "none".to_owned())
    })
    .await;
    path.set(Network::Whole);
    judged.healed(&[&worker], PATIENCE).await;

    let tasks = worker.tasks(&other).await;
    assert_eq!(tasks[0].state, "FAILED");
    assert!(tasks[0].trace.contains(used_up), "{tasks:?}");
    assert_eq!(anew(&other), Vec::<String>::new());
    let restart = format!(
        "/connectors/{}/restart?includeTasks=true&onlyFailed=true",
        other.name
    );
    assert_eq!(worker.rest.post(&restart, None).await.code, 202);
    of_other.healed(&[&worker], PATIENCE).await;
}

/// A worker that cannot start says why, in words.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_end_the_worker_with_a_reason() {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_rowdock"))
        .args(["standalone", "--set", "bootstrap.server=127.0.0.1:1"])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("bootstrap.server"), "{text}");
}

/// A first record that its converter refuses stops the task where it stands; with another converter
/// it is read after all.
#[tokio::test(flavor = "multi_thread")]
async fn a_converter_is_mended() {
    let stage = Stage::begin("converter_mended", 1).await;
    let topic = stage.topic("words", 1).await;
    stage.database.run("CREATE TABLE words (word text)").await;
    let connector = Connector::to_table(&stage, &[&topic], "words")
        .set("transforms", "wrap")
        .set(
            "transforms.wrap.type",
            "org.apache.kafka.connect.transforms.HoistField$Value",
        )
        .set("transforms.wrap.field", "word");
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    let producer: BaseProducer = kafka::client().create().unwrap();
    let record = BaseRecord::<(), str>::to(&topic.name).payload("plain words");
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(PATIENCE).unwrap();
    worker.until_tasks(&connector, "FAILED", PATIENCE).await;
    let committed = kafka::group_offsets(&connector.group(), &topic.name, 1).await;
    assert!(
        committed.get(&0).is_none_or(|(offset, _)| *offset == 0),
        "{committed:?}"
    );

    let mended = connector.set("value.converter", "StringConverter");
    let mended = mended.without("value.converter.schemas.enable");
    let path = format!("/connectors/{}/config", mended.name);
    let config = mended.config(&stage.database.url(None));
    assert_eq!(worker.rest.put(&path, Some(config)).await.code, 200);
    worker.until_tasks(&mended, "RUNNING", PATIENCE).await;
    eventually("the record in its table", PATIENCE, || async {
        let rows = "SELECT count(*) FROM words WHERE word = 'plain words'";
        let rows = stage.database.number(rows).await;
        check(rows == 1, || format!("{rows} rows"))
    })
    .await;
    let position = "SELECT max(next_offset)::bigint FROM rowdock_progress WHERE partition = 0";
    assert_eq!(stage.database.number(position).await, 1);
}
