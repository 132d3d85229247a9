//! Workers begin where a Kafka Connect cluster has ended: on its config topic, its status topic and
//! its groups' offsets.

use std::collections::BTreeMap;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};

use crate::cluster::until_healthy;
use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::orders::Orders;
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, check, eventually};
use crate::support::worker::{Launch, Worker};

/// A worker of Kafka Connect that is gone.
const GONE: &str = "10.0.0.1:8083";

/// Connectors that are not of this program: name, class, and what they are shown as.
const FOREIGN: [(&str, &str, &str); 3] = [
    (
        "file",
        "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "source",
    ),
    (
        "cdc",
        "io.debezium.connector.mysql.MySqlConnector",
        "unknown",
    ),
    ("bucket", "org.acme.bucket.BucketSinkConnector", "sink"),
];

/// Partitions of the orders, and what of each Kafka Connect has stored already.
const PARTITIONS: i32 = 3;
const STORED: i64 = 4;

fn send(topic: &str, records: &[(String, Value)]) {
    let producer: BaseProducer = kafka::client().create().unwrap();
    for (key, value) in records {
        let value = value.to_string();
        let record = BaseRecord::<str, str>::to(topic).key(key).payload(&value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// What Kafka Connect has in its config topic of a connector with tasks.
fn configs_of(name: &str, config: &Value, tasks: u32) -> Vec<(String, Value)> {
    let mut of_task = config.clone();
    of_task["task.class"] = json!(format!(
        "{}Task",
        config["connector.class"].as_str().unwrap()
    ));
    let mut records = vec![(format!("connector-{name}"), json!({ "properties": config }))];
    let task = |task| {
        let key = format!("task-{name}-{task}");
        (key, json!({ "properties": of_task }))
    };
    records.extend((0..tasks).map(task));
    records.push((format!("commit-{name}"), json!({ "tasks": tasks })));
    records
}

/// What it has in its status topic.
fn statuses_of(name: &str) -> Vec<(String, Value)> {
    let told = json!({"state": "RUNNING", "trace": null, "worker_id": GONE, "generation": 7});
    vec![
        (format!("status-connector-{name}"), told.clone()),
        (format!("status-task-{name}-0"), told),
    ]
}

/// Writes what a Kafka Connect cluster with these connectors leaves behind.
async fn leave_behind(stage: &Stage, orders: &Orders) {
    let compacted = [("cleanup.policy", "compact")];
    let configs = stage.topic_with("configs", 1, &compacted).await;
    let statuses = stage.topic_with("statuses", 5, &compacted).await;
    let session = json!({"key": "c2VjcmV0", "algorithm": "HmacSHA256", "creation-timestamp": 1});
    let mut records = vec![("session-key".to_owned(), session)];
    for (name, class, _) in FOREIGN {
        let config = json!({"name": name, "connector.class": class, "tasks.max": "1", "k": "v"});
        records.extend(configs_of(name, &config, 1));
        send(&statuses.name, &statuses_of(name));
    }
    let mut config = orders.connector.config(&stage.database.url(None));
    config["name"] = json!(orders.connector.name);
    records.extend(configs_of(&orders.connector.name, &config, 2));
    send(&statuses.name, &statuses_of(&orders.connector.name));
    send(&configs.name, &records);
    let stored: Vec<(i32, i64)> = (0..PARTITIONS).map(|part| (part, STORED)).collect();
    kafka::commit_group_offsets(&orders.connector.group(), &orders.topic.name, &stored).await;
}

/// Values in the config topic by key, the last ones; without those that stand for nothing.
async fn configs(stage: &Stage) -> BTreeMap<String, Vec<u8>> {
    let mut last = BTreeMap::new();
    for record in kafka::read_topic(&stage.unique("configs"), 1).await {
        // Markers of transactions are no records.
        let Some(key) = record.key else { continue };
        let key = String::from_utf8(key).unwrap();
        match record.value {
            Some(value) => last.insert(key, value),
            None => last.remove(&key),
        };
    }
    last
}

async fn is_left_alone(worker: &Worker, name: &str) {
    let path = format!("/connectors/{name}");
    for answer in [
        worker.rest.delete(&path).await,
        worker.rest.put(&format!("{path}/pause"), None).await,
        worker.rest.put(&format!("{path}/stop"), None).await,
        worker.rest.post(&format!("{path}/restart"), None).await,
    ] {
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert_eq!(answer.code, 400, "{name}: {}", answer.body);
        assert!(message.contains("is not built in"), "{message}");
    }
}

/// Sinks go on at their group's offsets. Source connectors, and classes that nobody here knows, are
/// shown; they are neither run nor deleted.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_kafka_connect_cluster() {
    let stage = Stage::begin("takeover", 2).await;
    let mut orders = Orders::prepare(&stage, PARTITIONS).await;
    let class = "io.confluent.connect.jdbc.JdbcSinkConnector";
    let connector: Connector = orders.connector.clone();
    orders.connector = connector
        .set("connector.class", class)
        .set("tasks.max", "2");
    let name = orders.connector.name.clone();
    let each = 10;
    orders
        .writer(&stage, 1)
        .send_good(0, each * i64::from(PARTITIONS), PARTITIONS)
        .await;
    leave_behind(&stage, &orders).await;
    let before = configs(&stage).await;

    let start = async |name: &str| {
        let launch = Launch::new(name).of_cluster(&stage);
        let worker = launch.start(&stage, &[]).await;
        until_healthy(&worker).await;
        worker
    };
    let (first, second) = tokio::join!(start("first"), start("second"));
    orders.judged(&stage).until_caught_up(PATIENCE).await;
    let rows = stage.database.number("SELECT count(*) FROM orders").await;
    assert_eq!(rows, (each - STORED) * i64::from(PARTITIONS));

    for worker in [&first, &second] {
        let list = "/connectors?expand=info&expand=status";
        let list = worker.rest.get(list).await.body;
        assert_eq!(list[&name]["info"]["type"], "sink");
        for (foreign, _, kind) in FOREIGN {
            let (info, status) = (&list[foreign]["info"], &list[foreign]["status"]);
            assert_eq!(info["type"], kind, "{info}");
            assert_eq!(info["config"]["k"], "v", "{info}");
            assert_eq!(status["connector"]["state"], "UNASSIGNED", "{status}");
            assert_eq!(status["tasks"][0]["state"], "UNASSIGNED", "{status}");
            is_left_alone(worker, foreign).await;
        }
        let cluster = worker.rest.get("/rowdock/cluster").await.body;
        let placed = |name: &str| cluster["placement"][name].as_array().map_or(0, Vec::len);
        assert_eq!(placed(&name), 2, "{cluster}");
        assert!(FOREIGN.iter().all(|(name, _, _)| placed(name) == 0));
    }

    // Nothing of what was there is touched, whatever becomes of the rest.
    assert_eq!(
        first.rest.delete(&format!("/connectors/{name}")).await.code,
        204
    );
    eventually("the connector to be gone", PATIENCE, || async {
        let found = second.rest.get(&format!("/connectors/{name}")).await;
        check(found.code == 404, || found.body.to_string())
    })
    .await;
    let after = configs(&stage).await;
    let is_foreign = |key: &String| !key.contains(&name);
    let kept = before.iter().filter(|(key, _)| is_foreign(key));
    for (key, value) in kept {
        assert_eq!(after.get(key), Some(value), "{key}");
    }
    assert_eq!(
        before.len() - 4,
        after.keys().filter(|key| is_foreign(key)).count()
    );
}
