//! The Kafka consumer and its settings.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::native::{Content, Poller};
use crate::login;

/// The consumer of a task.
pub type TaskConsumer = BaseConsumer<TaskContext>;

/// Defaults that a user may override. Each line is a measured or documented choice.
const DEFAULTS: [(&str, &str); 14] = [
    ("session.timeout.ms", "10000"),
    ("heartbeat.interval.ms", "1000"),
    // librdkafka's 1000 ms stalls a consumer whose queue is bounded: measured eight times slower.
    ("fetch.queue.backoff.ms", "2"),
    // Only idle fetches wait at all: they are most of what an idle task costs, here and at the broker.
    ("fetch.wait.max.ms", "500"),
    ("queued.min.messages", "20000"),
    // Bounds prefetched bytes per task.
    ("queued.max.messages.kbytes", "8192"),
    ("fetch.message.max.bytes", "1048576"),
    ("fetch.max.bytes", "4194304"),
    ("topic.metadata.refresh.interval.ms", "60000"),
    // The client's own statistics for brokers that ask (KIP-714): a lock more for every record.
    ("enable.metrics.push", "false"),
    ("isolation.level", "read_committed"),
    // As Kafka's Java clients do: what has changed on the way must not be stored.
    ("check.crcs", "true"),
    ("socket.keepalive.enable", "true"),
    ("reconnect.backoff.max.ms", "2000"),
];

/// What the protocol rests on; a user's value never wins.
const ENFORCED: [(&str, &str); 5] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    // A reset must never happen silently.
    ("auto.offset.reset", "error"),
    ("enable.partition.eof", "true"),
    ("allow.auto.create.topics", "false"),
];

/// Properties that the `consumer` group protocol (KIP-848) keeps on the broker.
const CLASSIC_ONLY: [&str; 4] = [
    "partition.assignment.strategy",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "group.protocol.type",
];

/// Creates the consumer of a task from librdkafka properties.
///
/// # Errors
/// When a property is unknown to librdkafka or has a bad value; names it.
pub fn create(properties: &[(String, String)], client_id: &str) -> KafkaResult<TaskConsumer> {
    config(properties, client_id).create_with_context(TaskContext)
}

fn config(properties: &[(String, String)], client_id: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (key, value) in DEFAULTS {
        config.set(key, value);
    }
    config.set("client.id", client_id);
    config.set("partition.assignment.strategy", "cooperative-sticky");
    for (key, value) in properties {
        config.set(key, value);
    }
    if let Some(age_ms) = refresh_by_age(properties) {
        config.set(REFRESH_INTERVAL, age_ms);
    }
    for (key, value) in ENFORCED {
        config.set(key, value);
    }
    if config.get("group.protocol") == Some("consumer") {
        for key in CLASSIC_ONLY {
            config.remove(key);
        }
    } else {
        config.set("partition.assignment.strategy", "cooperative-sticky");
    }
    let debug = config.get("debug").map_or_else(
        || METADATA_CONTEXT.to_owned(),
        |asked| format!("{asked},{METADATA_CONTEXT}"),
    );
    config.set("debug", debug);
    config.set_log_level(RDKafkaLogLevel::Debug);
    config
}

/// Events of a client that are looked at to find out why it gets no answer.
const EVENTS_MAX: usize = 1_000;

const REFRESH_INTERVAL: &str = "topic.metadata.refresh.interval.ms";

/// The longest interval that the client takes.
const REFRESH_INTERVAL_MS_MAX: u64 = 3_600_000;

/// Kafka's Java clients find new partitions, and new topics of a pattern, within
/// `metadata.max.age.ms`; this one by an interval of its own, which follows unless it is set.
fn refresh_by_age(properties: &[(String, String)]) -> Option<String> {
    let find = |wanted| properties.iter().rev().find(|(key, _)| key == wanted);
    if find(REFRESH_INTERVAL).is_some() {
        return None;
    }
    let (_, age_ms) = find("metadata.max.age.ms")?;
    let age_ms: u64 = age_ms.parse().ok()?;
    Some(age_ms.clamp(1, REFRESH_INTERVAL_MS_MAX).to_string())
}

/// The client's debugging context that tells of topics' ids; a few lines per metadata refresh.
const METADATA_CONTEXT: &str = "metadata";

/// Whether this line of the client's log says that a topic's id has changed: from here on the
/// client fetches from the topic that has the name now, at the offsets of the one that had it
/// before, without a word to its user (librdkafka 2.12, `rd_kafka_topic_metadata_update`). The
/// line is queued before the first record of the other topic can be, and this is the only sign
/// there is; the test `recreated_and_refilled_behind_a_running_task` watches over its wording.
pub fn tells_of_another_incarnation(facility: &str, message: &str) -> bool {
    facility == "METADATA" && message.contains(" changed id from ")
}

/// Passes a line of the client's log on to ours, by its severity as in syslog. What the client
/// says for debugging is for those who trace.
pub fn log(level: i32, facility: &str, message: &str) {
    match level {
        ..=3 => tracing::error!(facility, "kafka client: {message}"),
        4 => tracing::warn!(facility, "kafka client: {message}"),
        5 | 6 => tracing::debug!(facility, "kafka client: {message}"),
        _ => tracing::trace!(facility, "kafka client: {message}"),
    }
}

/// Why Kafka does not answer a consumer that is subscribed to nothing yet, by the last error that its
/// client has told since this was asked last. That no broker is left tells least.
pub fn why_silent(consumer: &Arc<TaskConsumer>) -> String {
    let mut told = None;
    let poller = Poller::new(consumer);
    for _ in 0..EVENTS_MAX {
        let Some(event) = poller
            .as_ref()
            .and_then(|poller| poller.poll(Duration::ZERO))
        else {
            break;
        };
        match event.content() {
            Content::Error { code, reason, .. }
                if code != RDKafkaErrorCode::AllBrokersDown || told.is_none() =>
            {
                told = Some(reason);
            }
            Content::Log {
                level,
                facility,
                message,
            } => log(level, &facility, &message),
            _ => {}
        }
    }
    told.unwrap_or_else(|| "no broker has answered in time".to_owned())
}

/// How long the group waits for a silent member: the session time-out that applies.
pub fn session_timeout(properties: &[(String, String)]) -> Duration {
    let configured = properties
        .iter()
        .rev()
        .find(|(key, _)| key == "session.timeout.ms")
        .and_then(|(_, value)| value.parse().ok());
    Duration::from_millis(configured.unwrap_or(10_000))
}

/// Answers the rebalances, and passes on the logs, that come while the consumer is being closed: all
/// others are handled by the thread.
#[derive(Debug, Clone, Copy)]
pub struct TaskContext;

impl ClientContext for TaskContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        login::token(config)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level as i32, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, "kafka client: {reason}");
    }
}

impl ConsumerContext for TaskContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        _partitions: &mut TopicPartitionList,
    ) {
        let answered = match event {
            bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                consumer.incremental_assign(&TopicPartitionList::new())
            }
            _ => give_up_all(consumer),
        };
        if let Err(error) = answered {
            tracing::debug!(%error, "rebalance while closing");
        }
    }
}

/// Gives up whatever is really assigned.
///
/// # Errors
/// The client's.
pub fn give_up_all(consumer: &TaskConsumer) -> KafkaResult<()> {
    let assigned = consumer.assignment()?;
    consumer.incremental_unassign(&assigned)
}

/// Reads paused partitions on, each from the offset that stands in the list.
///
/// To resume alone is not enough: the client (librdkafka 2.12) marks the partitions as resumed, and
/// the thread that would fetch for them, which sleeps for up to a second while all partitions of its
/// broker are paused, is not woken. A seek wakes it; one without a leader epoch asks the broker nothing.
///
/// # Errors
/// The client's.
pub fn read_on(consumer: &TaskConsumer, from: TopicPartitionList) -> KafkaResult<()> {
    consumer.resume(&from)?;
    // Without waiting: what cannot be sought is resumed all the same.
    consumer.seek_partitions(from, Duration::ZERO)?;
    Ok(())
}

/// Asks about partitions of these topics, and once more with fresh metadata when the client knows of no
/// leader: of partitions that are not assigned to it, it (librdkafka 2.12) believes what it heard last,
/// calls them unknown, and does not ask anew by itself. Blocks.
///
/// # Errors
/// The client's.
pub fn with_leaders<'a, C: ConsumerContext, T>(
    consumer: &BaseConsumer<C>,
    topics: impl IntoIterator<Item = &'a str>,
    time_max: Duration,
    ask: impl Fn() -> KafkaResult<T>,
) -> KafkaResult<T> {
    let answer = ask();
    let code = answer
        .as_ref()
        .err()
        .and_then(KafkaError::rdkafka_error_code);
    if !matches!(
        code,
        Some(RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::LeaderNotAvailable)
    ) {
        return answer;
    }
    for topic in topics {
        consumer.fetch_metadata(Some(topic), time_max)?;
    }
    ask()
}

/// Shares the consumer with blocking calls of the write loop.
pub fn shared(consumer: TaskConsumer) -> Arc<TaskConsumer> {
    Arc::new(consumer)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rdkafka::Offset;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

    use super::*;
    use crate::consume::native::{Content, Poller};

    const TOPIC: &str = "naps";
    const DEADLINE: Duration = Duration::from_secs(30);

    fn next_offset(poller: &Poller<TaskContext>) -> i64 {
        let started = Instant::now();
        while started.elapsed() < DEADLINE {
            let event = poller.poll(Duration::from_millis(10));
            if let Some(Content::Message(message)) = event.as_ref().map(|event| event.content()) {
                return message.offset();
            }
        }
        panic!("no record within {DEADLINE:?}");
    }

    /// By itself the client would sleep for most of a second each time.
    #[test]
    fn paused_partitions_are_read_on_at_once() {
        const TURNS: i64 = 9;
        let cluster = MockCluster::new(1).expect("a broker");
        cluster.create_topic(TOPIC, 1, 1).expect("a topic");
        let servers = cluster.bootstrap_servers();
        let mut config = ClientConfig::new();
        let producer: BaseProducer = config
            .set("bootstrap.servers", &servers)
            .create()
            .expect("a producer");
        for _ in 0..=TURNS {
            let sent = producer.send(BaseRecord::<(), str>::to(TOPIC).payload("tick"));
            assert!(sent.is_ok());
        }
        producer.flush(DEADLINE).expect("all are sent");

        // A fetch that waits at the end of the log would be waited for.
        let properties = [
            ("bootstrap.servers", &*servers),
            ("group.id", "naps"),
            ("fetch.wait.max.ms", "10"),
        ];
        let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let consumer = shared(create(&properties, "test").expect("a consumer"));
        let at = |offset| {
            let mut list = TopicPartitionList::new();
            let added = list.add_partition_offset(TOPIC, 0, offset);
            added.map(|()| list).expect("a partition")
        };
        consumer.assign(&at(Offset::Beginning)).expect("assigned");
        let poller = Poller::new(&consumer).expect("a queue");
        assert_eq!(next_offset(&poller), 0);
        let mut waits = Vec::new();
        for offset in 1..=TURNS {
            consumer.pause(&at(Offset::Invalid)).expect("paused");
            // Until the client has nothing to do.
            while poller.poll(Duration::from_millis(100)).is_some() {}
            let since = Instant::now();
            read_on(&consumer, at(Offset::Offset(offset))).expect("read on");
            assert_eq!(next_offset(&poller), offset);
            waits.push(since.elapsed());
        }
        waits.sort();
        assert!(
            waits[waits.len() / 2] < Duration::from_millis(400),
            "{waits:?}"
        );
    }

    #[test]
    fn new_partitions_are_found_within_the_age_of_metadata() {
        let check = |properties: &[(&str, &str)], expected: &str| {
            let properties: Vec<(String, String)> = properties
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            let config = config(&properties, "tests");
            assert_eq!(config.get(REFRESH_INTERVAL), Some(expected));
        };
        check(&[], "60000");
        check(&[("metadata.max.age.ms", "5000")], "5000");
        check(&[("metadata.max.age.ms", "86400000")], "3600000");
        check(
            &[("metadata.max.age.ms", "5000"), (REFRESH_INTERVAL, "700")],
            "700",
        );
    }
}
