//! What is asked of Kafka where a connector's positions are read or set.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use regex::Regex;
use rowdock_connectors::{PartitionKey, StartRows};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::{OffsetsError, Positions};
use crate::config::connector::{Delivery, StartPosition, TopicSelection};
use crate::consume::client::{self, TaskConsumer};
use crate::consume::native::describe_group;
use crate::consume::thread::MIRROR_MARK;
use crate::login;
use crate::write::facts::{Committed, KafkaFacts};
use crate::write::start::{Watermarks, first_position};

/// How long one question to Kafka may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the group's members may take to leave: tasks that were told to stop are on their way.
const MEMBERS_LEAVE_MAX: Duration = Duration::from_secs(10);
const MEMBERS_LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How long the group's offsets are tried to be set, once the database has the positions.
const COMMIT_TIME_MAX: Duration = Duration::from_secs(10);
const COMMIT_PAUSE: Duration = Duration::from_millis(250);

/// What Kafka says of some topics.
pub(super) struct Known {
    pub(super) marks: BTreeMap<PartitionKey, Watermarks>,
    pub(super) committed: HashMap<PartitionKey, Committed>,
    pub(super) topic_ids: HashMap<String, String>,
}

impl Known {
    pub(super) fn topic_id(&self, topic: &str) -> String {
        self.topic_ids.get(topic).cloned().unwrap_or_default()
    }

    /// First positions of these topics, for those that were never started; and of the partitions
    /// that are to be set, for those that came later.
    pub(super) fn starts(
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
    pub(super) facts: KafkaFacts,
    group_id: String,
    /// For its login; none once it has one.
    properties: Arc<Mutex<Vec<(String, String)>>>,
    /// The last to hold the consumer.
    _leaving: Leaving,
}

/// Lets go of a consumer on a thread that may block, as closing one does, whatever has become of the
/// request that it was for.
struct Leaving(Option<Arc<TaskConsumer>>);

impl Drop for Leaving {
    fn drop(&mut self) {
        let consumer = self.0.take();
        // Without a runtime there is nobody to hold up.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || drop(consumer));
        }
    }
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
            _leaving: Leaving(Some(Arc::clone(&consumer))),
            consumer,
            group_id: group_id.unwrap_or_default(),
            properties: Arc::new(Mutex::new(positions.consumer_properties.clone())),
        })
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

    pub(super) async fn require_no_members(&self) -> Result<(), OffsetsError> {
        let until = Instant::now() + MEMBERS_LEAVE_MAX;
        loop {
            let group_id = self.group_id.clone();
            let members = self.ask(move |consumer| {
                let group = describe_group(consumer.client(), &group_id, ANSWER_TIME_MAX)?;
                let names = group.members.into_iter().map(|member| member.client_id);
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
    pub(super) async fn topics(
        &self,
        selection: &TopicSelection,
    ) -> Result<Vec<Arc<str>>, OffsetsError> {
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

    pub(super) async fn known(&self, topics: BTreeSet<Arc<str>>) -> Result<Known, OffsetsError> {
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

    pub(super) async fn commit(
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
            let commit = move |consumer: &TaskConsumer| {
                fail::fail_point!("offsets::before_group_commit");
                Ok(consumer.commit(&list, CommitMode::Sync)?)
            };
            match self.ask(commit).await {
                // The group's coordinator may be moving.
                Err(error) if Instant::now() < until => {
                    debug!(%error, "the group's offsets are not set yet, trying again");
                    sleep(COMMIT_PAUSE).await;
                }
                answer => return answer,
            }
        }
    }
}

#[cfg(test)]
mod tests;
