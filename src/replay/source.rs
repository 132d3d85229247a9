//! Letters out of the dead letter topic, or out of the dead letter table, in chunks.
//!
//! The topic is read without a group, from its first offset to the end that it has when a call begins; what
//! arrives later is for the next call. The table is read in the order of its key.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use rowdock_connectors::{LetterKey, LetterQuery, TableName};

use super::ReplayError;
use super::pass::Pass;
use super::report::Listed;
use super::request::{Cursor, Place};
use crate::config::connector::ConnectorConfig;
use crate::consume::client::TaskConsumer;
use crate::deadletter::{FromTopic, Letter};
use crate::offsets::{Kafka, OffsetsError};
use crate::record::RawHeader;

/// Letters at a time: they are held in memory, and each has a row of its own to be locked.
const CHUNK_LETTERS_MAX: u32 = 200;

/// Bytes after which a chunk ends.
const CHUNK_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Records of other connectors' letters after which a chunk ends.
const CHUNK_RECORDS_MAX: usize = 20_000;

/// How long one question to Kafka may take, and how long it may send nothing.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Letters of the connector.
pub enum Source {
    /// From the topic.
    Topic(TopicSource),
    /// From the table.
    Table(TableSource),
}

/// Some letters.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Letters of the connector among what was read, usable or not.
    pub read: u64,
    /// Those that can be sent.
    pub letters: Vec<Letter>,
    /// Those that cannot: why.
    pub unknown: Vec<(Listed, String)>,
}

impl Source {
    /// Opens the place, where the cursor says or at the start.
    ///
    /// # Errors
    /// When there is no such topic, when the cursor is of another place, or Kafka does not answer.
    pub(crate) async fn open(
        config: &ConnectorConfig,
        place: Place,
        kafka: Kafka,
        after: Option<Cursor>,
    ) -> Result<Self, ReplayError> {
        let other_place = || ReplayError::Refused("after is of another place".to_owned());
        let errors = &config.errors;
        if let (Place::Topic, Some(letters)) = (place, &errors.dead_letter) {
            let next = match after {
                None => BTreeMap::new(),
                Some(Cursor::Topic(next)) => next,
                Some(Cursor::Table { .. }) => return Err(other_place()),
            };
            let topic = TopicSource::open(&config.name, &letters.topic, kafka, next).await?;
            return Ok(Self::Topic(topic));
        }
        let after = match after {
            None => None,
            Some(Cursor::Topic(_)) => return Err(other_place()),
            Some(Cursor::Table {
                topic,
                partition,
                offset,
            }) => Some(LetterKey {
                topic,
                partition,
                offset,
            }),
        };
        let table = errors.dead_letter_table.as_deref().unwrap_or_default();
        Ok(Self::Table(TableSource {
            query: LetterQuery {
                table: TableName::parse(table),
                connector: config.name.clone(),
                after,
                limit: CHUNK_LETTERS_MAX,
                bytes_max: CHUNK_BYTES_MAX as u64,
            },
        }))
    }

    /// The next letters; `None` after the last ones.
    ///
    /// # Errors
    /// When Kafka or the database does not answer.
    pub async fn next(&mut self, pass: &mut Pass) -> Result<Option<Chunk>, ReplayError> {
        match self {
            Self::Topic(topic) => topic.next().await,
            Self::Table(table) => table.next(pass).await,
        }
    }

    /// Where the chunks that were returned end.
    pub fn cursor(&self) -> Cursor {
        match self {
            Self::Topic(topic) => Cursor::Topic(topic.next.clone()),
            Self::Table(table) => match &table.query.after {
                Some(key) => key.into(),
                None => Cursor::from(&LetterKey {
                    topic: String::new(),
                    partition: 0,
                    offset: 0,
                }),
            },
        }
    }
}

/// The dead letter table.
pub struct TableSource {
    query: LetterQuery,
}

impl TableSource {
    async fn next(&mut self, pass: &mut Pass) -> Result<Option<Chunk>, ReplayError> {
        let rows = pass.read_letters(&self.query).await?;
        let Some(last) = rows.last() else {
            return Ok(None);
        };
        self.query.after = Some(last.key.clone());
        let mut chunk = Chunk {
            read: rows.len() as u64,
            ..Chunk::default()
        };
        for row in rows {
            let listed = Listed {
                topic: Some(row.key.topic.clone()),
                partition: Some(row.key.partition),
                offset: Some(row.key.offset),
                ..Listed::default()
            };
            match Letter::from_row(row) {
                Ok(letter) => chunk.letters.push(letter),
                Err(reason) => chunk.unknown.push((listed, reason)),
            }
        }
        Ok(Some(chunk))
    }
}

/// The dead letter topic.
pub struct TopicSource {
    connector: String,
    topic: String,
    /// Taken out while it is being read from.
    kafka: Option<Kafka>,
    /// Next offset of each partition that has more.
    next: BTreeMap<i32, i64>,
    ends: BTreeMap<i32, i64>,
}

impl TopicSource {
    async fn open(
        connector: &str,
        topic: &str,
        kafka: Kafka,
        after: BTreeMap<i32, i64>,
    ) -> Result<Self, ReplayError> {
        let name = topic.to_owned();
        let (next, ends) = kafka
            .ask(move |consumer| begin(consumer, &name, &after))
            .await?;
        Ok(Self {
            connector: connector.to_owned(),
            topic: topic.to_owned(),
            kafka: Some(kafka),
            next,
            ends,
        })
    }

    async fn next(&mut self) -> Result<Option<Chunk>, ReplayError> {
        let left = |(partition, next): (&i32, &i64)| *next < self.ends[partition];
        let Some(kafka) = self.kafka.take() else {
            return Ok(None);
        };
        if !self.next.iter().any(left) {
            return Ok(None);
        }
        let mut reading = Reading {
            connector: self.connector.clone(),
            topic: self.topic.clone(),
            next: self.next.clone(),
            ends: self.ends.clone(),
            chunk: Chunk::default(),
            bytes: 0,
            records: 0,
        };
        let read = kafka.ask(move |consumer| {
            reading.fill(consumer)?;
            Ok(reading)
        });
        match read.await {
            Ok(read) => {
                self.next = read.next;
                self.kafka = Some(kafka);
                Ok(Some(read.chunk))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Starts to read; returns where, and where each partition ends now.
type Ranges = (BTreeMap<i32, i64>, BTreeMap<i32, i64>);

fn begin(
    consumer: &TaskConsumer,
    topic: &str,
    after: &BTreeMap<i32, i64>,
) -> Result<Ranges, OffsetsError> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_TIME_MAX)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let partitions = found.map_or(&[][..], |found| found.partitions());
    if partitions.is_empty() {
        return Err(OffsetsError::Refused(format!(
            "there is no dead letter topic {topic}: nothing was ever sent there"
        )));
    }
    let (mut next, mut ends) = (BTreeMap::new(), BTreeMap::new());
    let mut assigned = TopicPartitionList::new();
    for partition in partitions {
        let partition = partition.id();
        let (low, high) = consumer.fetch_watermarks(topic, partition, ANSWER_TIME_MAX)?;
        let from = after.get(&partition).copied().unwrap_or(low).max(low);
        next.insert(partition, from);
        ends.insert(partition, high);
        if from < high {
            assigned.add_partition_offset(topic, partition, Offset::Offset(from))?;
        }
    }
    consumer.assign(&assigned)?;
    Ok((next, ends))
}

/// One chunk being read, on a thread that may block.
struct Reading {
    connector: String,
    topic: String,
    next: BTreeMap<i32, i64>,
    ends: BTreeMap<i32, i64>,
    chunk: Chunk,
    bytes: usize,
    records: usize,
}

impl Reading {
    fn fill(&mut self, consumer: &TaskConsumer) -> Result<(), OffsetsError> {
        let mut heard_last = Instant::now();
        while self.has_more() && !self.is_full() {
            match consumer.poll(Duration::from_millis(100)) {
                None if heard_last.elapsed() < ANSWER_TIME_MAX => continue,
                None => {
                    return Err(OffsetsError::Failed(format!(
                        "kafka sends nothing of dead letter topic {}",
                        self.topic
                    )));
                }
                Some(Ok(message)) => self.take(&message),
                // The end of the partition, behind the last record: what lies in between is none.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let end = self.ends.get(&partition).copied().unwrap_or_default();
                    self.next.insert(partition, end);
                }
                Some(Err(error)) => return Err(error.into()),
            }
            heard_last = Instant::now();
        }
        Ok(())
    }

    fn has_more(&self) -> bool {
        let mut partitions = self.next.iter();
        partitions.any(|(partition, next)| *next < self.ends[partition])
    }

    fn is_full(&self) -> bool {
        let letters = self.chunk.letters.len() + self.chunk.unknown.len();
        letters >= CHUNK_LETTERS_MAX as usize
            || self.bytes >= CHUNK_BYTES_MAX
            || self.records >= CHUNK_RECORDS_MAX
    }

    fn take(&mut self, message: &rdkafka::message::BorrowedMessage<'_>) {
        let (partition, offset) = (message.partition(), message.offset());
        if self.ends.get(&partition).is_none_or(|end| offset >= *end) {
            return;
        }
        self.next.insert(partition, offset + 1);
        self.records += 1;
        let read = Letter::from_topic(
            &self.connector,
            message.timestamp().to_millis(),
            message.key(),
            message.payload(),
            headers(message),
        );
        match read {
            FromTopic::OfAnother => return,
            FromTopic::Letter(letter) => {
                self.bytes += letter.bytes();
                self.chunk.letters.push(*letter);
            }
            FromTopic::Unknown(reason) => {
                let place = format!(
                    "{reason} (dead letter topic {}, partition {partition}, offset {offset})",
                    self.topic
                );
                self.chunk.unknown.push((Listed::default(), place));
            }
        }
        self.chunk.read += 1;
    }
}

fn headers(message: &rdkafka::message::BorrowedMessage<'_>) -> Vec<RawHeader> {
    let Some(headers) = message.headers() else {
        return Vec::new();
    };
    let copied = headers.iter().map(|header| {
        let value = header.value.map(<[u8]>::to_vec);
        (header.key.to_owned(), value)
    });
    copied.collect()
}
