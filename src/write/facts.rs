//! What Kafka says of topics and groups. The client's calls block, so they run on threads for
//! that; each has a deadline.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminOptions, ConfigResource, OwnedResourceSpecifier, ResourceSpecifier};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use rowdock_connectors::{PartitionKey, SinkError};

use super::start::Watermarks;
use crate::consume::client::{self, TaskConsumer};
use crate::consume::native;
use crate::consume::thread::MIRROR_MARK;
use crate::login;

/// Deadline of one call to Kafka.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What the group has committed for a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Next offset to read, by the group.
    pub offset: i64,
    /// It is this program's mirror of a position in a database.
    pub is_mirror: bool,
}

/// Asks Kafka through the task's consumer. Holds it weakly: the consumer's thread decides when it
/// goes.
#[derive(Clone)]
pub struct KafkaFacts {
    consumer: Weak<TaskConsumer>,
    /// For questions that a consumer cannot ask.
    admin_properties: Arc<[(String, String)]>,
}

impl KafkaFacts {
    /// Facts through this consumer.
    pub fn new(consumer: &Arc<TaskConsumer>) -> Self {
        Self {
            consumer: Arc::downgrade(consumer),
            admin_properties: Arc::new([]),
        }
    }

    /// Asks what a consumer cannot ask through a client with these properties.
    #[must_use]
    pub fn with_admin(mut self, properties: &[(String, String)]) -> Self {
        self.admin_properties = properties.into();
        self
    }

    /// Facts of a consumer that is gone: every question fails.
    #[cfg(test)]
    pub fn detached() -> Self {
        Self {
            consumer: Weak::new(),
            admin_properties: Arc::new([]),
        }
    }

    /// Ids of these topics, empty when the brokers are too old to tell; topics that the broker does not
    /// know, or does not know yet, are missing.
    ///
    /// # Errors
    /// Retry, when Kafka does not answer.
    pub async fn topic_ids(
        &self,
        topics: Vec<Arc<str>>,
    ) -> Result<HashMap<String, String>, SinkError> {
        self.ask("topic ids", move |consumer| {
            let topics: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
            native::topic_ids(consumer, &topics, CALL_TIMEOUT)
        })
        .await
    }

    /// All partitions that the topic has now.
    ///
    /// # Errors
    /// Retry, when Kafka does not answer.
    pub async fn partitions(&self, topic: Arc<str>) -> Result<Vec<PartitionKey>, SinkError> {
        self.ask("partitions", move |consumer| {
            let metadata = consumer.fetch_metadata(Some(&topic), CALL_TIMEOUT)?;
            let found = metadata
                .topics()
                .iter()
                .find(|found| found.name() == &*topic);
            Ok(found
                .map(|found| {
                    found
                        .partitions()
                        .iter()
                        .map(|partition| PartitionKey {
                            topic: Arc::clone(&topic),
                            partition: partition.id(),
                        })
                        .collect()
                })
                .unwrap_or_default())
        })
        .await
    }

    /// First and last offsets of these partitions; those of which Kafka says nothing are missing.
    ///
    /// # Errors
    /// Retry, when Kafka does not answer, or refuses to for one of them.
    pub async fn watermarks(
        &self,
        partitions: Vec<PartitionKey>,
    ) -> Result<HashMap<PartitionKey, Watermarks>, SinkError> {
        let (lows, mut highs) = tokio::try_join!(
            self.offsets(partitions.clone(), Offset::Beginning),
            self.offsets(partitions, Offset::End),
        )?;
        let both = |(key, low)| {
            let high = highs.remove(&key)?;
            Some((key, Watermarks { low, high }))
        };
        Ok(lows.into_iter().filter_map(both).collect())
    }

    /// The first offsets of partitions, or their ends, of all of them in one question per broker: a
    /// broker answers the requests of a connection in turn, so each question of its own would wait
    /// behind another fetch that waits for records.
    async fn offsets(
        &self,
        partitions: Vec<PartitionKey>,
        wanted: Offset,
    ) -> Result<HashMap<PartitionKey, i64>, SinkError> {
        if partitions.is_empty() {
            return Ok(HashMap::new());
        }
        self.ask("watermarks", move |consumer| {
            let topics: BTreeSet<&str> = partitions.iter().map(|key| &*key.topic).collect();
            client::with_leaders(consumer, topics, CALL_TIMEOUT, || {
                offsets_now(consumer, &partitions, wanted)
            })
        })
        .await
    }

    /// What the group has committed; partitions without a commit are missing.
    ///
    /// # Errors
    /// Retry, when Kafka does not answer.
    pub async fn committed(
        &self,
        partitions: Vec<PartitionKey>,
    ) -> Result<HashMap<PartitionKey, Committed>, SinkError> {
        self.ask("committed offsets", move |consumer| {
            let mut list = TopicPartitionList::new();
            for key in &partitions {
                list.add_partition(&key.topic, key.partition);
            }
            let answered = consumer.committed_offsets(list, CALL_TIMEOUT)?;
            with_offsets(&answered, &partitions, |offset, metadata| Committed {
                offset,
                is_mirror: metadata.starts_with(MIRROR_MARK),
            })
        })
        .await
    }

    /// Those of the topics whose log is compacted, or may be: where their settings may not be seen,
    /// nothing can be relied upon.
    ///
    /// # Errors
    /// Retry, when Kafka does not answer.
    pub async fn compacted(&self, topics: Vec<Arc<str>>) -> Result<BTreeSet<Arc<str>>, SinkError> {
        let mut config = ClientConfig::new();
        for (name, value) in self.admin_properties.iter() {
            config.set(name, value);
        }
        let unanswered = |reason: String| {
            SinkError::retry(format!("kafka does not answer (topic settings): {reason}"))
        };
        let admin = login::admin_client(config)
            .await
            .map_err(|error| SinkError::stop(format!("cannot create an admin client: {error}")))?;
        let options = AdminOptions::new().request_timeout(Some(CALL_TIMEOUT));
        let asked: Vec<_> = topics
            .iter()
            .map(|topic| ResourceSpecifier::Topic(topic))
            .collect();
        let answers = admin.describe_configs(&asked, &options).await;
        let answers = answers.map_err(|error| unanswered(error.to_string()))?;
        let mut kept: BTreeSet<String> = BTreeSet::new();
        for answer in answers {
            match answer {
                Ok(resource) => kept.extend(never_compacted(resource)),
                Err(
                    RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::ClusterAuthorizationFailed,
                ) => {}
                Err(code) => return Err(unanswered(code.to_string())),
            }
        }
        let may_be = |topic: &Arc<str>| !kept.contains(&**topic);
        Ok(topics.into_iter().filter(may_be).collect())
    }

    async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        question: impl FnOnce(&TaskConsumer) -> KafkaResult<T> + Send + 'static,
    ) -> Result<T, SinkError> {
        let consumer = self.consumer.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let consumer = consumer
                .upgrade()
                .ok_or_else(|| SinkError::retry("the consumer has been closed"))?;
            question(&consumer).map_err(|error| {
                SinkError::retry(format!("kafka does not answer ({what}): {error}"))
                    .with_source(error)
            })
        })
        .await;
        answer.unwrap_or_else(|error| {
            Err(SinkError::retry(format!("asking kafka ended early ({what})")).with_source(error))
        })
    }
}

fn offsets_now(
    consumer: &TaskConsumer,
    partitions: &[PartitionKey],
    wanted: Offset,
) -> KafkaResult<HashMap<PartitionKey, i64>> {
    let mut list = TopicPartitionList::new();
    for key in partitions {
        list.add_partition_offset(&key.topic, key.partition, wanted)?;
    }
    // In place of a time, Kafka's protocol takes the beginning and the end as well.
    let answered = consumer.offsets_for_times(list, CALL_TIMEOUT)?;
    with_offsets(&answered, partitions, |offset, _| offset)
}

/// What is made of the offsets, and their metadata, of these partitions; those without one are missing.
fn with_offsets<T>(
    answered: &TopicPartitionList,
    partitions: &[PartitionKey],
    make: impl Fn(i64, &str) -> T,
) -> KafkaResult<HashMap<PartitionKey, T>> {
    let mut found = HashMap::new();
    for key in partitions {
        let Some(element) = answered.find_partition(&key.topic, key.partition) else {
            continue;
        };
        element.error()?;
        if let Offset::Offset(offset) = element.offset() {
            found.insert(key.clone(), make(offset, element.metadata()));
        }
    }
    Ok(found)
}

/// The topic's name, when its old records go by age or size only.
fn never_compacted(resource: ConfigResource) -> Option<String> {
    let policy = resource
        .entries
        .iter()
        .find(|entry| entry.name == "cleanup.policy")?
        .value
        .as_deref()?;
    let OwnedResourceSpecifier::Topic(name) = resource.specifier else {
        return None;
    };
    (policy == "delete").then_some(name)
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

    use super::*;

    #[tokio::test]
    async fn watermarks_of_many_partitions_at_once() {
        const PARTITIONS: i32 = 40;
        let cluster = MockCluster::new(3).unwrap();
        cluster.create_topic("orders", PARTITIONS, 3).unwrap();
        let servers = cluster.bootstrap_servers();
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &servers)
            .create()
            .unwrap();
        for number in 0..5 {
            let value = number.to_string();
            let record = BaseRecord::<(), str>::to("orders").partition(7);
            let sent = producer.send(record.payload(&value));
            sent.map_err(|(error, _)| error).unwrap();
        }
        producer.flush(Duration::from_secs(30)).unwrap();
        let properties = [
            ("bootstrap.servers".to_owned(), servers),
            ("group.id".to_owned(), "facts".to_owned()),
        ];
        let consumer = client::shared(client::create(&properties, "facts").unwrap());
        let facts = KafkaFacts::new(&consumer);
        let key = |partition| PartitionKey {
            topic: "orders".into(),
            partition,
        };
        let marks = facts.watermarks((0..PARTITIONS).map(key).collect()).await;
        let marks = marks.unwrap();
        assert_eq!(marks.len(), usize::try_from(PARTITIONS).unwrap());
        assert_eq!(marks[&key(7)], Watermarks { low: 0, high: 5 });
        assert_eq!(marks[&key(8)], Watermarks { low: 0, high: 0 });
        assert!(facts.watermarks(Vec::new()).await.unwrap().is_empty());
    }

    /// All brokers were away, and the first one that is back knows no leader yet.
    #[tokio::test]
    async fn watermarks_are_known_again_once_there_is_a_leader_again() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("orders", 1, 1).unwrap();
        let properties = [
            ("bootstrap.servers".to_owned(), cluster.bootstrap_servers()),
            ("group.id".to_owned(), "facts".to_owned()),
        ];
        let consumer = client::shared(client::create(&properties, "facts").unwrap());
        let facts = KafkaFacts::new(&consumer);
        let orders = PartitionKey {
            topic: "orders".into(),
            partition: 0,
        };
        let ask = || facts.watermarks(vec![orders.clone()]);
        assert!(ask().await.is_ok());
        cluster.partition_leader("orders", 0, None).unwrap();
        // The first of these hears that the broker does not lead any more, the second that nobody does.
        assert!(ask().await.is_err());
        assert!(ask().await.is_err());
        cluster.partition_leader("orders", 0, Some(1)).unwrap();
        ask().await.unwrap();
    }

    /// A mock cluster names a controller that does not exist, as a cluster does whose controller
    /// has just gone.
    #[tokio::test]
    async fn topic_ids_need_no_controller() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("orders", 1, 1).unwrap();
        cluster.create_topic("returns", 1, 1).unwrap();
        let properties = [
            ("bootstrap.servers".to_owned(), cluster.bootstrap_servers()),
            ("group.id".to_owned(), "facts".to_owned()),
        ];
        let consumer = client::shared(client::create(&properties, "facts").unwrap());
        let facts = KafkaFacts::new(&consumer);
        let ids = facts.topic_ids(vec!["orders".into(), "returns".into()]);
        let ids = ids.await.unwrap();
        assert_eq!(ids.len(), 2);
        assert_ne!(ids["orders"], ids["returns"]);
        assert!(facts.topic_ids(Vec::new()).await.unwrap().is_empty());
    }
}
