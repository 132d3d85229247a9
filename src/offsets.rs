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

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use regex::Regex;
use rowdock_connectors::{
    PartitionKey, ResetRequest, SetPosition, SinkError, StartRows, StoredPosition,
};
use tokio::time::{Instant, sleep};

use crate::config::connector::{ConnectorConfig, Delivery, StartPosition, TopicSelection};
use crate::consume::client::{self, TaskConsumer};
use crate::consume::thread::MIRROR_MARK;
use crate::login;
use crate::sessions::{Lease, RequestSessions};
use crate::write::facts::{Committed, KafkaFacts};
use crate::write::start::{Watermarks, first_position};
use waiting::Behind;

mod waiting;

/// How long one question to Kafka may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the group's members may take to leave: tasks that were told to stop are on their way.
const MEMBERS_LEAVE_MAX: Duration = Duration::from_secs(10);
const MEMBERS_LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How long the group's offsets are tried to be set, once the database has the positions.
const COMMIT_TIME_MAX: Duration = Duration::from_secs(10);
const COMMIT_PAUSE: Duration = Duration::from_millis(250);

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

/// A partition, where it stands and where its log ends.
#[derive(Debug, Clone)]
pub struct Progress {
    /// As stored.
    pub stored: StoredPosition,
    /// What Kafka has of it; `None` when the topic is gone.
    pub marks: Option<Watermarks>,
    /// When the first record that waits was produced, in milliseconds since the epoch; `None` when
    /// none does, or when it could not be read in time.
    pub waits_since_ms: Option<i64>,
}

impl Progress {
    /// Records that are there and not stored.
    pub fn lag(&self) -> Option<i64> {
        let marks = self.marks?;
        Some((marks.high - self.stored.next_offset).max(0))
    }
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
        kafka.close().await;
        Ok(offsets.into_iter().collect())
    }

    /// The same with what Kafka has of each partition, for those whose positions are stored.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn progress(&self) -> Result<Vec<Progress>, OffsetsError> {
        let kafka = Kafka::open(self)?;
        let stored = self.stored(&kafka).await?;
        let mut known = HashMap::new();
        let topics: BTreeSet<Arc<str>> = stored
            .iter()
            .map(|row| Arc::clone(&row.key.topic))
            .collect();
        for topic in topics {
            let partitions = kafka.facts.partitions(topic).await?;
            known.extend(kafka.facts.watermarks(partitions).await?);
        }
        let with_marks = |stored: StoredPosition| Progress {
            marks: known.get(&stored.key).copied(),
            waits_since_ms: None,
            stored,
        };
        let mut progress: Vec<Progress> = stored.into_iter().map(with_marks).collect();
        let behind = progress.iter().filter_map(|one| {
            let lag = one.lag().filter(|lag| *lag > 0)?;
            Some(Behind {
                key: one.stored.key.clone(),
                next_offset: one.stored.next_offset,
                lag,
            })
        });
        let behind: Vec<Behind> = behind.collect();
        let times = kafka.ask(move |consumer| Ok(waiting::first_times(consumer, behind)?));
        let times = times.await?;
        for one in &mut progress {
            one.waits_since_ms = times.get(&one.stored.key).copied();
        }
        kafka.close().await;
        Ok(progress)
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
        self.set(&kafka, &known, wanted).await?;
        kafka.close().await;
        Ok(())
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
        self.set(&kafka, &known, wanted).await?;
        kafka.close().await;
        Ok(())
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

/// What Kafka says of some topics.
struct Known {
    marks: BTreeMap<PartitionKey, Watermarks>,
    committed: HashMap<PartitionKey, Committed>,
    topic_ids: HashMap<String, String>,
}

impl Known {
    fn topic_id(&self, topic: &str) -> String {
        self.topic_ids.get(topic).cloned().unwrap_or_default()
    }

    /// First positions of these topics, for those that were never started; and of the partitions
    /// that are to be set, for those that came later.
    fn starts(
        &self,
        policy: StartPosition,
        wanted: &BTreeMap<PartitionKey, i64>,
    ) -> Vec<StartRows> {
        let mut first: BTreeMap<Arc<str>, Vec<(i32, i64)>> = BTreeMap::new();
        for (key, marks) in &self.marks {
            // A mirror is of positions that were lost; what is set by hand stands for them.
            let committed = self.committed.get(key).filter(|at| !at.is_mirror);
            let start = first_position(committed.map(|at| at.offset), policy, *marks);
            let of_topic = first.entry(Arc::clone(&key.topic)).or_default();
            of_topic.push((key.partition, start.unwrap_or(marks.low)));
        }
        let mut later: BTreeMap<Arc<str>, Vec<(i32, i64)>> = BTreeMap::new();
        for (key, offset) in wanted {
            let of_topic = later.entry(Arc::clone(&key.topic)).or_default();
            of_topic.push((key.partition, *offset));
        }
        let rows = |first| {
            move |(topic, offsets): (Arc<str>, Vec<(i32, i64)>)| StartRows {
                topic_id: self.topic_id(&topic),
                topic,
                first,
                offsets,
            }
        };
        let first = first.into_iter().map(rows(true));
        first.chain(later.into_iter().map(rows(false))).collect()
    }
}

/// A consumer of the connector's group that never joins it.
pub(crate) struct Kafka {
    consumer: Arc<TaskConsumer>,
    facts: KafkaFacts,
    group_id: String,
    /// For its login; none once it has one.
    properties: Arc<Mutex<Vec<(String, String)>>>,
}

impl Kafka {
    pub(crate) fn open(positions: &Positions) -> Result<Self, OffsetsError> {
        let client_id = format!("rowdock-offsets-{}", positions.config.name);
        let consumer = client::create(&positions.consumer_properties, &client_id)?;
        let consumer = client::shared(consumer);
        let group_id = positions
            .consumer_properties
            .iter()
            .find(|(key, _)| key == "group.id")
            .map(|(_, value)| value.clone());
        Ok(Self {
            facts: KafkaFacts::new(&consumer),
            consumer,
            group_id: group_id.unwrap_or_default(),
            properties: Arc::new(Mutex::new(positions.consumer_properties.clone())),
        })
    }

    /// Letting go of a consumer blocks.
    pub(crate) async fn close(self) {
        tokio::task::spawn_blocking(move || drop(self)).await.ok();
    }

    /// Asks on a thread that may block.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&TaskConsumer) -> Result<T, OffsetsError> + Send + 'static,
    ) -> Result<T, OffsetsError> {
        let consumer = Arc::clone(&self.consumer);
        let properties = Arc::clone(&self.properties);
        let answer = tokio::task::spawn_blocking(move || {
            let login =
                std::mem::take(&mut *properties.lock().unwrap_or_else(PoisonError::into_inner));
            login::log_in(consumer.client(), &login);
            question(&consumer)
        })
        .await;
        answer.map_err(|error| OffsetsError::Failed(error.to_string()))?
    }

    pub(crate) async fn cluster_id(&self) -> Result<String, OffsetsError> {
        let ask = |consumer: &TaskConsumer| Ok(consumer.client().fetch_cluster_id(ANSWER_TIME_MAX));
        let no_answer = || OffsetsError::Failed("kafka does not answer".to_owned());
        self.ask(ask).await?.ok_or_else(no_answer)
    }

    async fn require_no_members(&self) -> Result<(), OffsetsError> {
        let until = Instant::now() + MEMBERS_LEAVE_MAX;
        loop {
            let group_id = self.group_id.clone();
            let members = self.ask(move |consumer| {
                let list = consumer
                    .client()
                    .fetch_group_list(Some(&group_id), ANSWER_TIME_MAX)?;
                let group = list.groups().iter().find(|group| group.name() == group_id);
                let members = group.map_or(&[][..], |group| group.members());
                let names = members.iter().map(|member| member.client_id().to_owned());
                Ok(names.collect::<Vec<String>>())
            });
            let members = members.await?;
            if members.is_empty() {
                return Ok(());
            }
            if until <= Instant::now() {
                return Err(OffsetsError::HasMembers(members.join(", ")));
            }
            sleep(MEMBERS_LOOK_INTERVAL).await;
        }
    }

    /// The topics that exist of those that are selected.
    async fn topics(&self, selection: &TopicSelection) -> Result<Vec<Arc<str>>, OffsetsError> {
        let pattern = match selection {
            TopicSelection::List(topics) => {
                return Ok(topics
                    .iter()
                    .map(|topic| Arc::from(topic.as_str()))
                    .collect());
            }
            TopicSelection::Regex(pattern) => Regex::new(&format!("^(?:{pattern})$"))
                .map_err(|error| OffsetsError::Refused(error.to_string()))?,
        };
        self.ask(move |consumer| {
            let metadata = consumer.fetch_metadata(None, ANSWER_TIME_MAX)?;
            let names = metadata
                .topics()
                .iter()
                .map(rdkafka::metadata::MetadataTopic::name);
            Ok(names
                .filter(|name| pattern.is_match(name))
                .map(Arc::from)
                .collect())
        })
        .await
    }

    async fn known(&self, topics: BTreeSet<Arc<str>>) -> Result<Known, OffsetsError> {
        let mut known = Known {
            marks: BTreeMap::new(),
            committed: HashMap::new(),
            topic_ids: HashMap::new(),
        };
        for topic in topics {
            let partitions = self.facts.partitions(Arc::clone(&topic)).await?;
            if partitions.is_empty() {
                continue;
            }
            known
                .committed
                .extend(self.facts.committed(partitions.clone()).await?);
            known.marks.extend(self.facts.watermarks(partitions).await?);
            known
                .topic_ids
                .extend(self.facts.topic_ids(vec![topic]).await?);
        }
        Ok(known)
    }

    async fn commit(
        &self,
        delivery: Delivery,
        positions: BTreeMap<PartitionKey, i64>,
    ) -> Result<(), OffsetsError> {
        if positions.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for (key, offset) in &positions {
            list.add_partition_offset(&key.topic, key.partition, Offset::Offset(*offset))?;
            if delivery == Delivery::ExactlyOnce
                && let Some(mut element) = list.find_partition(&key.topic, key.partition)
            {
                element.set_metadata(MIRROR_MARK);
            }
        }
        let until = Instant::now() + COMMIT_TIME_MAX;
        loop {
            let list = list.clone();
            let commit =
                move |consumer: &TaskConsumer| Ok(consumer.commit(&list, CommitMode::Sync)?);
            match self.ask(commit).await {
                // The group's coordinator may be moving.
                Err(_) if Instant::now() < until => sleep(COMMIT_PAUSE).await,
                answer => return answer,
            }
        }
    }
}

#[cfg(test)]
mod tests;
