use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::*;
use crate::config::connector::ConnectorConfig;
use crate::config::worker::WorkerSettings;
use crate::sessions::RequestSessions;

fn positions(cluster: &MockCluster<'_, DefaultProducerContext>) -> Positions {
    let raw = [
        ("name", "pg"),
        ("connector.class", "SqliteSink"),
        ("topics", "orders"),
        ("connection.url", "jdbc:sqlite:orders.db"),
    ];
    let raw = raw.map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
    let config = ConnectorConfig::parse(&raw.into_iter().collect(), &WorkerSettings::default());
    let consumer_properties = [
        ("bootstrap.servers", cluster.bootstrap_servers()),
        ("group.id", "connect-pg".to_owned()),
    ];
    let consumer_properties = consumer_properties.map(|(key, value)| (key.to_owned(), value));
    Positions {
        config: Arc::new(config.unwrap()),
        consumer_properties: consumer_properties.into(),
        sessions: RequestSessions::default(),
    }
}

/// A request that fails, or whose client has gone, must not hold up all others.
#[test]
fn a_consumer_is_closed_beside_the_runtime_s_threads() {
    let cluster = MockCluster::new(1).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let kafka = Kafka::open(&positions(&cluster)).unwrap();
        let consumer = Arc::downgrade(&kafka.consumer);
        let (busy, end) = std::sync::mpsc::channel::<()>();
        let blocking = tokio::task::spawn_blocking(move || end.recv());
        drop(kafka);
        assert_eq!(consumer.strong_count(), 1, "closed on this thread");
        drop(busy);
        assert!(blocking.await.unwrap().is_err());
        // The only thread of its kind takes one after the other.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        assert_eq!(consumer.strong_count(), 0);
    });
}

/// The database has the positions by then: a coordinator that is moving must not leave the group behind.
#[tokio::test]
async fn the_group_s_offsets_are_tried_again() {
    const NEXT_OFFSET: i64 = 5;
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("orders", 1, 1).unwrap();
    let kafka = Kafka::open(&positions(&cluster)).unwrap();
    // One that the client does not try again by itself.
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[refused; 3]);
    let key = PartitionKey {
        topic: "orders".into(),
        partition: 0,
    };
    let wanted = BTreeMap::from([(key.clone(), NEXT_OFFSET)]);
    kafka
        .commit(Delivery::ExactlyOnce, wanted)
        .await
        .expect("committed in the end");
    let committed = kafka.facts.committed(vec![key.clone()]).await.unwrap();
    assert_eq!(committed[&key].offset, NEXT_OFFSET);
    assert!(committed[&key].is_mirror);
}
