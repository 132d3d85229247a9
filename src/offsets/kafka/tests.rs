use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::*;
use crate::config::connector::ConnectorConfig;
use crate::config::worker::WorkerSettings;
use crate::sessions::RequestSessions;

/// The database has the positions by then: a coordinator that is moving must not leave the group behind.
#[tokio::test]
async fn the_group_s_offsets_are_tried_again() {
    const NEXT_OFFSET: i64 = 5;
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("orders", 1, 1).unwrap();
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
    let positions = Positions {
        config: Arc::new(config.unwrap()),
        consumer_properties: consumer_properties.into(),
        sessions: RequestSessions::default(),
    };
    let kafka = Kafka::open(&positions).unwrap();
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
    kafka.close().await;
}
