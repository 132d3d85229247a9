//! Where a connector stands, read and set by hand.
//!
//! With exactly-once delivery positions live in the target database, and the consumer group's
//! offsets are their mirror. So setting them is done in this order, each step only if the one before
//! succeeded, and all of it may be repeated:
//!
//! 1. nobody is in the connector's consumer group, or nothing is changed;
//! 2. the database, in one transaction: first positions of topics that were never started, then the
//!    new positions, with claims cleared, so that a task that was overlooked is fenced;
//! 3. the group's offsets, tried again for a while.
//!
//! Every position is a number. "Back to the start" is the first offset that there is (or the end,
//! where the connector starts at the end), looked up now: a position that is not there would be
//! decided later, by whoever comes first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rowdock_connectors::{PartitionKey, ResetRequest, SetPosition, SinkError, StoredPosition};

use crate::config::connector::{ConnectorConfig, Delivery, StartPosition};
use crate::sessions::{Lease, RequestSessions};
use crate::write::start::Watermarks;
pub(crate) use kafka::Kafka;
use kafka::Known;
pub use progress::{Progress, Report};

mod kafka;
mod progress;
mod waiting;

/// A connector whose positions are asked for.
#[derive(Debug, Clone)]
pub struct Positions {
    /// Its config.
    pub config: Arc<ConnectorConfig>,
    /// librdkafka properties of its consumer, with the group.
    pub consumer_properties: Vec<(String, String)>,
    /// The worker's sessions for requests.
    pub sessions: RequestSessions,
}

/// Why positions cannot be read or set.
#[derive(Debug, thiserror::Error)]
pub enum OffsetsError {
    /// What was asked for is not possible.
    #[error("{0}")]
    Refused(String),
    /// Tasks are still in the connector's group.
    #[error("its consumer group still has members: {0}")]
    HasMembers(String),
    /// Kafka or the database does not answer, or refuses.
    #[error("{0}")]
    Failed(String),
}

impl From<SinkError> for OffsetsError {
    fn from(error: SinkError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<rdkafka::error::KafkaError> for OffsetsError {
    fn from(error: rdkafka::error::KafkaError) -> Self {
        Self::Failed(format!("kafka: {error}"))
    }
}

impl Positions {
    /// Next offsets to read, sorted; partitions that have none are left out.
    ///
    /// # Errors
    /// When Kafka or the database does not answer.
    pub async fn read(&self) -> Result<Vec<(PartitionKey, i64)>, OffsetsError> {
        let kafka = Kafka::open(self)?;
        let stored = self.stored(&kafka).await?;
        let mut offsets: BTreeMap<PartitionKey, i64> = stored
            .into_iter()
            .map(|position| (position.key, position.next_offset))
            .collect();
        // Topics that were never started stand where the group stands.
        let started: BTreeSet<Arc<str>> =
            offsets.keys().map(|key| Arc::clone(&key.topic)).collect();
        for topic in kafka.topics(&self.config.topics).await? {
            if started.contains(&topic) {
                continue;
            }
            let partitions = kafka.facts.partitions(topic).await?;
            let committed = kafka.facts.committed(partitions).await?;
            offsets.extend(committed.into_iter().map(|(key, at)| (key, at.offset)));
        }
        Ok(offsets.into_iter().collect())
    }

    /// Sets these positions; `None` is where a new connector would start.
    ///
    /// # Errors
    /// When the group has members, when a partition does not exist, or when Kafka or the database
    /// does not answer; then nothing was changed, or it may be repeated.
    pub async fn alter(&self, changes: &[(PartitionKey, Option<i64>)]) -> Result<(), OffsetsError> {
        let kafka = Kafka::open(self)?;
        kafka.require_no_members().await?;
        let topics: BTreeSet<Arc<str>> = changes
            .iter()
            .map(|(key, _)| Arc::clone(&key.topic))
            .collect();
        let known = kafka.known(topics).await?;
        let mut wanted = BTreeMap::new();
        for (key, offset) in changes {
            let Some(marks) = known.marks.get(key) else {
                return Err(OffsetsError::Refused(format!(
                    "there is no partition {} of topic {}",
                    key.partition, key.topic
                )));
            };
            wanted.insert(key.clone(), offset.unwrap_or_else(|| self.start(*marks)));
        }
        self.set(&kafka, &known, wanted).await
    }

    /// Sets every position to where a new connector would start.
    ///
    /// # Errors
    /// As [`alter`](Self::alter).
    pub async fn reset(&self) -> Result<(), OffsetsError> {
        let kafka = Kafka::open(self)?;
        kafka.require_no_members().await?;
        let mut topics: BTreeSet<Arc<str>> = kafka
            .topics(&self.config.topics)
            .await?
            .into_iter()
            .collect();
        let stored = self.stored(&kafka).await?;
        topics.extend(stored.into_iter().map(|row| row.key.topic));
        let known = kafka.known(topics).await?;
        let starts = known.marks.iter();
        let wanted = starts.map(|(key, marks)| (key.clone(), self.start(*marks)));
        let wanted = wanted.collect();
        self.set(&kafka, &known, wanted).await
    }

    fn start(&self, marks: Watermarks) -> i64 {
        match self.config.start {
            StartPosition::Earliest => marks.low,
            StartPosition::Latest => marks.high,
        }
    }

    async fn stored(&self, kafka: &Kafka) -> Result<Vec<StoredPosition>, OffsetsError> {
        if self.config.delivery != Delivery::ExactlyOnce {
            return Ok(Vec::new());
        }
        let lease = self.lease(kafka).await?;
        Ok(lease.ask(|session| session.read_positions()).await?)
    }

    async fn lease(&self, kafka: &Kafka) -> Result<Lease, OffsetsError> {
        let cluster_id = kafka.cluster_id().await?;
        let lease = self.sessions.lease(&self.config, cluster_id, "offsets");
        Ok(lease.await?)
    }

    async fn set(
        &self,
        kafka: &Kafka,
        known: &Known,
        wanted: BTreeMap<PartitionKey, i64>,
    ) -> Result<(), OffsetsError> {
        if self.config.delivery == Delivery::ExactlyOnce {
            let request = Arc::new(ResetRequest {
                starts: known.starts(self.config.start, &wanted),
                positions: wanted
                    .iter()
                    .map(|(key, next_offset)| SetPosition {
                        key: key.clone(),
                        topic_id: known.topic_id(&key.topic),
                        next_offset: *next_offset,
                    })
                    .collect(),
            });
            let reset = self.lease(kafka).await?.ask(|session| {
                let request = Arc::clone(&request);
                Box::pin(async move { session.reset_positions(&request).await })
            });
            reset.await?;
        }
        kafka.commit(self.config.delivery, wanted).await
    }
}
