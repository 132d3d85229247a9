//! The embedded broker: librdkafka's own mock cluster. It speaks enough of Kafka's protocol for
//! producers and consumer groups, listens on a port of 127.0.0.1, and keeps its records in memory,
//! a few megabytes per partition.

use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer};

use super::orders::PARTITIONS;
use super::{DEAD_LETTER_TOPIC, DemoError, TOPIC};

/// A broker of one process. Bound to its thread; gone when it is dropped.
pub(super) struct EmbeddedBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl EmbeddedBroker {
    /// Starts it, with the demo's topics.
    ///
    /// # Errors
    /// The client's.
    pub(super) fn start() -> Result<Self, DemoError> {
        let cluster = MockCluster::new(1).map_err(DemoError::broker("start"))?;
        for (topic, partitions) in [(TOPIC, PARTITIONS.cast_signed()), (DEAD_LETTER_TOPIC, 1)] {
            cluster
                .create_topic(topic, partitions, 1)
                .map_err(DemoError::broker("create its topics"))?;
        }
        Ok(Self { cluster })
    }

    /// Its address.
    pub(super) fn address(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// A producer whose records arrive in order and once.
    ///
    /// # Errors
    /// The client's.
    pub(super) fn producer(&self) -> Result<FutureProducer, DemoError> {
        ClientConfig::new()
            .set("bootstrap.servers", self.address())
            .set("client.id", "demo-shop")
            .set("enable.idempotence", "true")
            .create()
            .map_err(DemoError::broker("make a producer"))
    }
}
