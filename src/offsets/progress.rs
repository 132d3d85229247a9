//! How far a connector is: each partition that it reads or is to read, and how much waits there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rowdock_connectors::{PartitionKey, StoredPosition};

use super::waiting::{self, Behind};
use super::{Kafka, OffsetsError, Positions};
use crate::config::connector::Delivery;
use crate::write::start::Watermarks;

/// What there is of a connector's topics.
#[derive(Debug, Default)]
pub struct Report {
    /// Sorted by topic and number.
    pub partitions: Vec<Progress>,
    /// Topics of its config that do not exist, or that its login may not describe.
    pub missing_topics: Vec<Arc<str>>,
}

/// A partition, where it stands and where its log ends.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The partition.
    pub key: PartitionKey,
    /// Next offset to store. Where nobody has begun, where it will be begun; `None` when that cannot
    /// be told.
    pub next_offset: Option<i64>,
    /// The database's row of it; `None` when there is none, as where the position is the consumer
    /// group's.
    pub stored: Option<StoredPosition>,
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
        Some((marks.high - self.next_offset?).max(0))
    }

    fn behind(&self) -> Option<Behind> {
        let lag = self.lag().filter(|lag| *lag > 0)?;
        Some(Behind {
            key: self.key.clone(),
            next_offset: self.next_offset?,
            lag,
        })
    }
}

impl Positions {
    /// What Kafka has of each partition of the connector's topics, and of those whose positions are
    /// stored, and where each stands.
    ///
    /// # Errors
    /// When Kafka or the database does not answer.
    pub async fn progress(&self) -> Result<Report, OffsetsError> {
        let kafka = Kafka::open(self)?;
        let mut report = self.report(&kafka).await?;
        let behind = report.partitions.iter().filter_map(Progress::behind);
        let behind: Vec<Behind> = behind.collect();
        let times = kafka.ask(move |consumer| Ok(waiting::first_times(consumer, behind)?));
        let times = times.await?;
        for one in &mut report.partitions {
            one.waits_since_ms = times.get(&one.key).copied();
        }
        Ok(report)
    }

    async fn report(&self, kafka: &Kafka) -> Result<Report, OffsetsError> {
        let mut rows: BTreeMap<Arc<str>, Vec<StoredPosition>> = BTreeMap::new();
        for row in self.stored(kafka).await? {
            let of_topic = rows.entry(Arc::clone(&row.key.topic)).or_default();
            of_topic.push(row);
        }
        let wanted = kafka.topics(&self.config.topics).await?;
        let wanted: BTreeSet<Arc<str>> = wanted.into_iter().collect();
        let mut report = Report::default();
        for topic in wanted.iter().chain(rows.keys()).collect::<BTreeSet<_>>() {
            let partitions = kafka.facts.partitions(Arc::clone(topic)).await?;
            if partitions.is_empty() && wanted.contains(topic) {
                report.missing_topics.push(Arc::clone(topic));
            }
            let marks = kafka.facts.watermarks(partitions.clone()).await?;
            let rows = rows.get(topic).map_or(&[][..], Vec::as_slice);
            let stored = rows.iter().map(|row| Progress {
                key: row.key.clone(),
                next_offset: Some(row.next_offset),
                marks: marks.get(&row.key).copied(),
                waits_since_ms: None,
                stored: Some(row.clone()),
            });
            report.partitions.extend(stored);
            let has_row = |key: &PartitionKey| rows.iter().any(|row| row.key == *key);
            let others = partitions.into_iter().filter(|key| !has_row(key));
            let is_begun = !rows.is_empty();
            let others = self.not_stored(kafka, others.collect(), &marks, is_begun);
            report.partitions.extend(others.await);
        }
        let key = |progress: &Progress| progress.key.clone();
        report.partitions.sort_by_key(key);
        Ok(report)
    }

    /// Partitions of which the database has no row: those where nobody has begun, and all of a connector
    /// whose positions are the group's.
    async fn not_stored(
        &self,
        kafka: &Kafka,
        partitions: Vec<PartitionKey>,
        marks: &HashMap<PartitionKey, Watermarks>,
        is_begun: bool,
    ) -> Vec<Progress> {
        if partitions.is_empty() {
            return Vec::new();
        }
        // A group that may not be asked is no reason to tell nothing.
        let committed = kafka.facts.committed(partitions.clone()).await.ok();
        let next_offset = |key: &PartitionKey| {
            let marks = marks.get(key)?;
            // It came when the others had been begun, and nothing of it may be missed.
            if is_begun {
                return Some(marks.low);
            }
            match committed.as_ref()?.get(key) {
                None => Some(self.start(*marks)),
                // The mirror of a position that the database has lost.
                Some(at) if at.is_mirror && self.config.delivery == Delivery::ExactlyOnce => None,
                Some(at) => Some(at.offset),
            }
        };
        let progress = partitions.iter().map(|key| Progress {
            key: key.clone(),
            next_offset: next_offset(key),
            stored: None,
            marks: marks.get(key).copied(),
            waits_since_ms: None,
        });
        progress.collect()
    }
}
