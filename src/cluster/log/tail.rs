//! Tails a topic: every record from the beginning on, in order, for as long as anybody listens.
//!
//! Positions count, not records: a transaction's markers take offsets too, so the end of the log is
//! reached when the next offset to be read is the end, which only the end-of-partition event says.
//! Read committed: what another writer has not committed is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc::UnboundedSender;
use tracing::{debug, warn};

use super::{Properties, REQUEST_ID_HEADER, WorkerContext, client_config};
use crate::consume::client;
use crate::consume::native::{Content, Message, Poller};
use crate::record::HeaderSource as _;

/// How long one poll waits; also how long the thread outlives its listener.
const POLL_MAX: Duration = Duration::from_millis(500);
/// Records handed on at once, and bytes of them: enough that a start reads a long log quickly.
const RECORDS_MAX: usize = 500;
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// How often what was refused is tried again: the client says that it was once, and not that it passed.
const REFUSED_RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// How long the end of the log may take to be told.
const END_TIME_MAX: Duration = Duration::from_secs(2);

/// A record of the topic.
#[derive(Debug)]
pub(in crate::cluster) struct TailRecord {
    /// Where it stands in its partition, counted from 1.
    pub(in crate::cluster) version: u64,
    pub(in crate::cluster) key: Option<Vec<u8>>,
    pub(in crate::cluster) value: Option<Vec<u8>>,
    /// The request that wrote it, if one of ours did.
    pub(in crate::cluster) request_id: Option<String>,
}

/// What was read.
#[derive(Debug, Default)]
pub(in crate::cluster) struct Tailed {
    pub(in crate::cluster) records: Vec<TailRecord>,
    /// The next offset to be read in the last partition that was read from.
    pub(in crate::cluster) position: i64,
    /// Every partition has been read to its end at least once.
    pub(in crate::cluster) caught_up: bool,
    /// A partition goes on before where it was read up to: the topic was made anew, or has lost its end.
    /// Records are those from there on.
    pub(in crate::cluster) went_back: bool,
    /// Nothing was read, and will not be before a person acts as this says.
    pub(in crate::cluster) refused: Option<String>,
}

/// Starts to read, on a thread of its own that ends when nobody listens any more.
///
/// # Errors
/// When the client or its thread cannot be made.
pub(in crate::cluster) fn start<T: Send + 'static>(
    properties: &Properties,
    group_id: &str,
    topic: &str,
    partitions: i32,
    listener: UnboundedSender<T>,
    wrap: fn(Tailed) -> T,
) -> KafkaResult<()> {
    let own = [
        // Assigned by hand: the group's name only has to be one that the worker may use.
        ("group.id", group_id),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "earliest"),
        ("enable.partition.eof", "true"),
        ("isolation.level", "read_committed"),
        ("allow.auto.create.topics", "false"),
        ("queued.max.messages.kbytes", "4096"),
        ("fetch.queue.backoff.ms", "10"),
    ];
    let consumer: BaseConsumer<WorkerContext> =
        client_config(properties, &own).create_with_context(WorkerContext::default())?;
    let mut all = TopicPartitionList::new();
    for partition in 0..partitions {
        all.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&all)?;
    let thread = TailThread {
        consumer: Arc::new(consumer),
        topic: topic.to_owned(),
        count: partitions,
        retry_at: None,
        partitions: (0..partitions).collect(),
        positions: BTreeMap::new(),
        listener,
        wrap,
    };
    let spawned = thread::Builder::new()
        .name(format!("tail-{topic}"))
        .spawn(move || thread.run());
    spawned.map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
    Ok(())
}

/// Tells where a topic ends. Over connections of its own: a broker answers the requests of one
/// connection in turn, so behind a fetch that waits for records the answer would come as late as
/// they, half a second with the defaults.
#[derive(Clone)]
pub(in crate::cluster) struct LogEnd {
    client: Arc<BaseConsumer<WorkerContext>>,
    topic: Arc<str>,
}

impl LogEnd {
    /// # Errors
    /// When the client cannot be made.
    pub(in crate::cluster) fn of(
        properties: &Properties,
        group_id: &str,
        topic: &str,
    ) -> KafkaResult<Self> {
        let own = [
            ("group.id", group_id),
            ("isolation.level", "read_committed"),
            ("allow.auto.create.topics", "false"),
        ];
        let client =
            client_config(properties, &own).create_with_context(WorkerContext::default())?;
        let (client, topic) = (Arc::new(client), topic.into());
        Ok(Self { client, topic })
    }

    /// The end of the first partition: what has been committed by now stands before it. Blocks.
    ///
    /// # Errors
    /// When Kafka does not answer in time.
    pub(in crate::cluster) fn ask(&self) -> KafkaResult<i64> {
        // Nobody else polls this client, which may want a new token for its login.
        self.client.poll(Duration::ZERO);
        let topic = [&*self.topic];
        let (_, end) = client::with_leaders(&self.client, topic, END_TIME_MAX, || {
            self.client.fetch_watermarks(&self.topic, 0, END_TIME_MAX)
        })?;
        Ok(end)
    }
}

struct TailThread<T> {
    consumer: Arc<BaseConsumer<WorkerContext>>,
    topic: String,
    /// Partitions of the topic.
    count: i32,
    /// Something was refused and has not come to pass since.
    retry_at: Option<Instant>,
    /// Not read to their ends yet.
    partitions: BTreeSet<i32>,
    /// The next offsets to be read.
    positions: BTreeMap<i32, i64>,
    listener: UnboundedSender<T>,
    wrap: fn(Tailed) -> T,
}

impl<T> TailThread<T> {
    fn run(mut self) {
        let Some(poller) = Poller::new(&self.consumer) else {
            warn!("the tailing consumer has no group");
            return;
        };
        while !self.listener.is_closed() {
            self.retry_refused();
            let mut tailed = Tailed::default();
            let (mut heard, mut is_refused) = (false, false);
            let mut patience = POLL_MAX;
            let mut bytes = 0;
            while tailed.records.len() < RECORDS_MAX && bytes < BYTES_MAX {
                let Some(event) = poller.poll(patience) else {
                    break;
                };
                match event.content() {
                    Content::Message(message) => {
                        let (partition, offset) = (message.partition(), message.offset());
                        self.look_for_return(partition, offset, &mut tailed);
                        tailed.position = self.read_up_to(partition, offset + 1);
                        bytes += message.value().map_or(0, <[u8]>::len);
                        tailed.records.push(record(&message));
                        heard = true;
                    }
                    Content::EndOfPartition {
                        partition, offset, ..
                    } => {
                        self.partitions.remove(&partition);
                        self.look_for_return(partition, offset, &mut tailed);
                        tailed.position = self.read_up_to(partition, offset);
                        heard = true;
                        break;
                    }
                    Content::Error { code, reason, .. } => {
                        debug!(?code, reason, "tailing consumer");
                        if code == RDKafkaErrorCode::TopicAuthorizationFailed {
                            self.tell_refused();
                            is_refused = true;
                            self.retry_at = Some(Instant::now() + REFUSED_RETRY_INTERVAL);
                        }
                    }
                    Content::Assigned(_)
                    | Content::Revoked(_)
                    | Content::Log { .. }
                    | Content::Other => {}
                }
                // What is there is taken at once; nothing is waited for with records in hand.
                patience = Duration::ZERO;
            }
            tailed.caught_up = self.partitions.is_empty();
            if heard && !is_refused {
                self.retry_at = None;
            }
            if heard && self.listener.send((self.wrap)(tailed)).is_err() {
                return;
            }
        }
    }
}

impl<T> TailThread<T> {
    /// What was read of it before is not of the same log.
    fn look_for_return(&self, partition: i32, next: i64, tailed: &mut Tailed) {
        let read = self.positions.get(&partition);
        if read.is_some_and(|read| next < *read) {
            tailed.records.clear();
            tailed.went_back = true;
        }
    }

    fn read_up_to(&mut self, partition: i32, next: i64) -> i64 {
        self.positions.insert(partition, next);
        next
    }

    /// Begins to read anew where it stands: so each partition tells its end again, or is refused again.
    fn retry_refused(&mut self) {
        if self.retry_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        self.retry_at = Some(Instant::now() + REFUSED_RETRY_INTERVAL);
        let mut all = TopicPartitionList::new();
        for partition in 0..self.count {
            let next = self.positions.get(&partition);
            let next = next.map_or(Offset::Beginning, |next| Offset::Offset(*next));
            if let Err(error) = all.add_partition_offset(&self.topic, partition, next) {
                warn!(%error, "a position to read on at");
                return;
            }
        }
        if let Err(error) = self.consumer.assign(&all) {
            warn!(%error, "cannot begin to read anew");
        }
    }

    /// The client tries again for ever, and says so once.
    fn tell_refused(&self) {
        let topic = &self.topic;
        let reason = format!("the worker may not read topic {topic}: allow Read on it");
        if self.retry_at.is_none() {
            warn!("{reason}");
        }
        let refused = Tailed {
            refused: Some(reason),
            ..Tailed::default()
        };
        // That nobody listens any more is found by the next look.
        self.listener.send((self.wrap)(refused)).ok();
    }
}

fn record(message: &Message<'_>) -> TailRecord {
    let header = message
        .headers()
        .into_iter()
        .find(|(name, _)| name == REQUEST_ID_HEADER)
        .and_then(|(_, value)| String::from_utf8(value?).ok());
    TailRecord {
        version: u64::try_from(message.offset() + 1).unwrap_or_default(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.value().map(<[u8]>::to_vec),
        request_id: header,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rdkafka::mocking::MockCluster;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);
    const LOOK_EVERY: Duration = Duration::from_millis(50);

    fn until(end: &LogEnd, wanted: impl Fn(&KafkaResult<i64>) -> bool) -> KafkaResult<i64> {
        let begun = Instant::now();
        loop {
            let answer = end.ask();
            if wanted(&answer) || begun.elapsed() > DEADLINE {
                return answer;
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// All brokers were away, and the first one that is back knows no leader yet.
    #[test]
    fn the_end_is_known_again_once_the_topic_has_a_leader_again() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("configs", 1, 1).unwrap();
        let servers = cluster.bootstrap_servers();
        let properties = vec![("bootstrap.servers".to_owned(), servers)];
        let end = LogEnd::of(&properties, "workers", "configs").unwrap();
        assert_eq!(until(&end, Result::is_ok), Ok(0));

        cluster.partition_leader("configs", 0, None).unwrap();
        let leaderless = |answer: &KafkaResult<i64>| {
            let code = answer
                .as_ref()
                .err()
                .and_then(KafkaError::rdkafka_error_code);
            code == Some(RDKafkaErrorCode::UnknownPartition)
        };
        let answer = until(&end, leaderless);
        assert!(leaderless(&answer), "{answer:?}");

        cluster.partition_leader("configs", 0, Some(1)).unwrap();
        assert_eq!(until(&end, Result::is_ok), Ok(0));
    }
}
