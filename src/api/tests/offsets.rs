//! Offsets and topics over the API: what is refused before Kafka and the database are asked, and whom
//! they ask.

use std::collections::BTreeSet;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::*;
use crate::task::{TaskState, TaskStatus};

#[tokio::test]
async fn offsets_are_set_on_stopped_connectors_only() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    let path = "/connectors/pg/offsets";
    let change = json!({"offsets": [
        {"partition": {"kafka_topic": "orders", "kafka_partition": 0}, "offset": {"kafka_offset": 5}}
    ]});
    let refused = "Connectors must be in the STOPPED state before their offsets can be modified. This \
                   can be done for the specified connector by issuing a 'PUT' request to the \
                   '/connectors/pg/stop' endpoint";
    for verb in ["resume", "pause"] {
        worker.put(&format!("/connectors/pg/{verb}")).await;
        let reply = worker.send_json(Method::PATCH, path, &change).await;
        assert_eq!(reply.error(), (400, refused.to_owned()), "{verb}");
        let reply = worker.send(Method::DELETE, path).await;
        assert_eq!(reply.error(), (400, refused.to_owned()), "{verb}");
    }
    // The body is looked at first, then the connector.
    let needed = "Partitions / offsets need to be provided for an alter offsets request";
    let nope = "/connectors/nope/offsets";
    let reply = worker
        .send_json(Method::PATCH, nope, &json!({"offsets": []}))
        .await;
    assert_eq!(reply.error(), (400, needed.to_owned()));
    let mut mistyped = change.clone();
    let entry = mistyped["offsets"][0].as_object_mut().unwrap();
    let offset = entry.remove("offset").unwrap();
    entry.insert("ofset".to_owned(), offset);
    let reply = worker.send_json(Method::PATCH, path, &mistyped).await;
    let told = "unrecognized field \"ofset\"; partition and offset can be given here";
    assert_eq!(reply.error(), (400, told.to_owned()));
    let unknown = (404, "Connector nope not found".to_owned());
    assert_eq!(
        worker.send_json(Method::PATCH, nope, &change).await.error(),
        unknown
    );
    assert_eq!(worker.send(Method::DELETE, nope).await.error(), unknown);
    assert_eq!(worker.get(nope).await.error(), unknown);
    assert_eq!(
        worker
            .get("/rowdock/connectors/nope/progress")
            .await
            .error(),
        unknown
    );
}

#[tokio::test]
async fn topics_are_tracked_until_they_are_reset() {
    let worker = Worker::start();
    worker.create("pg", 2).await;
    let path = "/connectors/pg/topics";
    let topics = |topics: &[&str]| json!({"pg": {"topics": topics}});
    assert_eq!(worker.get(path).await.json(), topics(&[]));
    let wrote = |names: &[&str]| TaskStatus {
        joined: true,
        topics: names
            .iter()
            .map(|name| Arc::from(*name))
            .collect::<BTreeSet<Arc<str>>>(),
        ..TaskStatus::new(TaskState::Running)
    };
    worker.tasks.tell("pg", 0, wrote(&["orders"]));
    worker.tasks.tell("pg", 1, wrote(&["orders", "returns"]));
    assert_eq!(
        worker.get(path).await.json(),
        topics(&["orders", "returns"])
    );

    let reset = worker.put("/connectors/pg/topics/reset").await;
    assert_eq!((reset.status.as_u16(), reset.text.as_str()), (202, ""));
    let emptied = timeout(Duration::from_secs(10), async {
        while worker.get(path).await.json() != topics(&[]) {
            sleep(Duration::from_millis(1)).await;
        }
    });
    emptied.await.unwrap();
    worker.tasks.tell("pg", 0, wrote(&["orders"]));
    assert_eq!(worker.get(path).await.json(), topics(&["orders"]));

    // They go with the connector: one that comes after it has written nothing.
    worker.send(Method::DELETE, "/connectors/pg").await;
    worker.create("pg", 1).await;
    assert_eq!(worker.get(path).await.json(), topics(&[]));

    let unknown = worker.get("/connectors/nope/topics").await;
    assert_eq!(unknown.json(), json!({"nope": {"topics": []}}));
    assert_eq!(
        worker
            .put("/connectors/nope/topics/reset")
            .await
            .status
            .as_u16(),
        202
    );
}

#[tokio::test]
async fn tracking_can_be_switched_off() {
    let worker = Worker::start_with(&["topic.tracking.enable=false"]);
    worker.create("pg", 1).await;
    let disabled = (403, "Topic tracking is disabled.".to_owned());
    assert_eq!(worker.get("/connectors/pg/topics").await.error(), disabled);
    assert_eq!(
        worker.put("/connectors/pg/topics/reset").await.error(),
        disabled
    );
    let worker = Worker::start_with(&["topic.tracking.allow.reset=false"]);
    let disabled = (403, "Topic tracking reset is disabled.".to_owned());
    assert_eq!(
        worker.put("/connectors/pg/topics/reset").await.error(),
        disabled
    );
}

#[tokio::test]
async fn the_cluster_is_shown() {
    let worker = Worker::start();
    worker.create("pg", 2).await;
    let version = env!("CARGO_PKG_VERSION");
    let expected = json!({
        "workers": [{"worker_id": WORKER_ID, "version": version, "state": "active", "tasks": 2}],
        "placement": {"pg": [WORKER_ID, WORKER_ID]},
    });
    assert_eq!(worker.get("/rowdock/cluster").await.json(), expected);
}

/// Positions are asked of the Kafka that the connector reads, and of its own group there.
#[tokio::test]
async fn positions_are_those_of_the_connector_s_kafka_and_group() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("orders", 1, 1).unwrap();
    for (group, offset) in [("connect-pg", 7), ("own", 9)] {
        commit(&cluster.bootstrap_servers(), group, offset);
    }
    // Nothing listens where the worker's own Kafka is.
    let worker = Worker::start_with(&["bootstrap.servers=127.0.0.1:1"]);
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("orders.db");
    let mut config = config(1);
    config["connection.url"] = json!(format!("jdbc:sqlite:{}", database.display()));
    config["consumer.override.bootstrap.servers"] = json!(cluster.bootstrap_servers());
    let body = json!({"name": "pg", "config": config, "initial_state": "STOPPED"});
    let created = worker.send_json(Method::POST, "/connectors", &body).await;
    assert_eq!(created.status.as_u16(), 201, "{created:?}");
    let shows = async |offset: i64| {
        let reply = worker.get("/connectors/pg/offsets").await;
        let expected = json!({"offsets": [{
            "partition": {"kafka_topic": "orders", "kafka_partition": 0},
            "offset": {"kafka_offset": offset},
        }]});
        assert_eq!(reply.json(), expected);
    };
    shows(7).await;
    config["consumer.override.group.id"] = json!("own");
    let path = "/connectors/pg/config";
    let put = worker.send_json(Method::PUT, path, &config).await;
    assert_eq!(put.status.as_u16(), 200, "{put:?}");
    shows(9).await;
}

fn commit(servers: &str, group: &str, offset: i64) {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", group)
        .create()
        .unwrap();
    let mut positions = TopicPartitionList::new();
    positions
        .add_partition_offset("orders", 0, Offset::Offset(offset))
        .unwrap();
    client.commit(&positions, CommitMode::Sync).unwrap();
}
