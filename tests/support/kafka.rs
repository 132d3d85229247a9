//! What tests do with Kafka beside producing: topics, offsets, groups, reading a topic back.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use rowdock::consume::native::describe_group;

use super::services::services;
use super::wait::{check, eventually, seconds};

const REQUEST_DEADLINE: Duration = Duration::from_secs(15);

/// A client's settings, as for every client here.
pub(crate) fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &services().kafka);
    config.set("log_level", "0");
    // After a cut, a test waits for the next attempt.
    config.set("reconnect.backoff.max.ms", "500");
    config
}

/// Creates a topic and waits until it has leaders. `settings` are the topic's own.
pub(crate) async fn create_topic(name: &str, partitions: i32, settings: &[(&str, &str)]) {
    // As many replicas as the brokers give a topic by default: one of a single broker, else three.
    create(name, partitions, TopicReplication::Fixed(-1), settings).await;
}

/// The same with one partition on these brokers, the first of which leads it.
pub(crate) async fn create_topic_on(name: &str, brokers: &[i32], settings: &[(&str, &str)]) {
    create(name, 1, TopicReplication::Variable(&[brokers]), settings).await;
}

async fn create(
    name: &str,
    partitions: i32,
    replication: TopicReplication<'_>,
    settings: &[(&str, &str)],
) {
    let mut topic = NewTopic::new(name, partitions, replication);
    for (key, value) in settings {
        topic = topic.set(key, value);
    }
    let made = admin().create_topics([&topic], &options()).await.unwrap();
    made[0]
        .as_ref()
        .unwrap_or_else(|error| panic!("create topic {name}: {error:?}"));
    until_partitions(name, partitions).await;
}

/// Adds partitions up to `partitions`.
pub(crate) async fn grow_topic(name: &str, partitions: i32) {
    let count = usize::try_from(partitions).unwrap();
    let wanted = NewPartitions::new(name, count);
    let made = admin()
        .create_partitions([&wanted], &options())
        .await
        .unwrap();
    made[0]
        .as_ref()
        .unwrap_or_else(|error| panic!("grow topic {name}: {error:?}"));
    until_partitions(name, partitions).await;
}

/// Deletes topics and waits until they are gone, so that one of the same name can follow.
pub(crate) async fn delete_topics(names: &[&str]) {
    let deleted = admin().delete_topics(names, &options()).await.unwrap();
    for result in deleted {
        result.unwrap_or_else(|error| panic!("delete a topic: {error:?}"));
    }
    for name in names {
        until_partitions(name, 0).await;
    }
}

/// Deletes the topics that exist, without waiting for it and whatever comes of it.
pub(crate) async fn forget_topics(names: &[&str]) {
    if !names.is_empty() {
        let deleted = admin().delete_topics(names, &options()).await;
        drop(deleted);
    }
}

/// Removes records below `offset`, as retention does.
pub(crate) async fn delete_records(topic: &str, partition: i32, offset: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset))
        .unwrap();
    admin().delete_records(&list, &options()).await.unwrap();
    eventually("the low watermark to rise", seconds(10), || async {
        let (low, _) = watermarks(topic, partition).await;
        check(low >= offset, || format!("it is {low}"))
    })
    .await;
}

/// Deletes a consumer group without members.
pub(crate) async fn delete_group(group: &str) {
    eventually("the group to be deletable", seconds(15), || async {
        let deleted = admin().delete_groups(&[group], &options()).await.unwrap();
        deleted[0]
            .as_ref()
            .map(drop)
            .map_err(|(_, code)| format!("{code:?}"))
    })
    .await;
}

/// First offset that is there, and the offset after the last one, markers included.
pub(crate) async fn watermarks(topic: &str, partition: i32) -> (i64, i64) {
    let what = format!("the watermarks of {topic}-{partition}");
    eventually(&what, REQUEST_DEADLINE, || {
        let topic = topic.to_owned();
        blocking(move |consumer| {
            let marks = consumer.fetch_watermarks(&topic, partition, REQUEST_DEADLINE);
            marks.map_err(|error| {
                // Its leader may have moved: the client asks who leads only when it is told to.
                consumer.fetch_metadata(Some(&topic), REQUEST_DEADLINE).ok();
                error.to_string()
            })
        })
    })
    .await
}

/// Commits offsets for a group that has no members, as a tool or an earlier program would.
pub(crate) async fn commit_group_offsets(group: &str, topic: &str, offsets: &[(i32, i64)]) {
    let topic = topic.to_owned();
    let offsets = offsets.to_vec();
    blocking_in(group, move |consumer| {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in &offsets {
            list.add_partition_offset(&topic, *partition, Offset::Offset(*offset))
                .unwrap();
        }
        consumer.commit(&list, CommitMode::Sync).unwrap();
    })
    .await;
}

/// The group's committed offset and metadata per partition; partitions without one are left out.
pub(crate) async fn group_offsets(
    group: &str,
    topic: &str,
    partitions: i32,
) -> BTreeMap<i32, (i64, String)> {
    let topic = topic.to_owned();
    blocking_in(group, move |consumer| {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&topic, 0, partitions - 1);
        let committed = consumer.committed_offsets(list, REQUEST_DEADLINE).unwrap();
        let elements = committed.elements();
        let with_offset = elements.iter().filter_map(|element| {
            let offset = element.offset().to_raw().filter(|offset| *offset >= 0)?;
            Some((element.partition(), (offset, element.metadata().to_owned())))
        });
        with_offset.collect()
    })
    .await
}

/// Number of members of a group of either protocol, 0 when there is no such group.
pub(crate) async fn group_members(group: &str) -> usize {
    let name = group.to_owned();
    // A client that is asked again and again stays with the coordinator that it knows.
    blocking_in("rowdock-tests-looking", move |consumer| {
        let group = describe_group(consumer.client(), &name, REQUEST_DEADLINE).unwrap();
        group.members.len()
    })
    .await
}

/// What the brokers call the state of a group of the classic protocol.
pub(crate) async fn group_state(group: &str) -> String {
    let name = group.to_owned();
    blocking_in("rowdock-tests-looking", move |consumer| {
        let groups = consumer.fetch_group_list(Some(&name), REQUEST_DEADLINE);
        let groups = groups.unwrap();
        let group = groups.groups().first();
        group.map_or_else(String::new, |group| group.state().to_owned())
    })
    .await
}

/// A record read back from a topic.
#[derive(Debug, Clone)]
pub(crate) struct ReadRecord {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) timestamp_ms: Option<i64>,
}

/// Everything in a topic now.
pub(crate) async fn read_topic(topic: &str, partitions: i32) -> Vec<ReadRecord> {
    let topic = topic.to_owned();
    blocking_in("rowdock-tests-reading", move |consumer| {
        let mut list = TopicPartitionList::new();
        let mut open = Vec::new();
        for partition in 0..partitions {
            let (low, high) = consumer
                .fetch_watermarks(&topic, partition, REQUEST_DEADLINE)
                .unwrap();
            if high > low {
                list.add_partition_offset(&topic, partition, Offset::Beginning)
                    .unwrap();
                open.push(partition);
            }
        }
        consumer.assign(&list).unwrap();
        let mut records = Vec::new();
        while !open.is_empty() {
            match consumer.poll(REQUEST_DEADLINE) {
                Some(Ok(message)) => records.push(ReadRecord::from_message(&message)),
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(partition))) => {
                    open.retain(|left| *left != partition);
                }
                Some(Err(error)) => panic!("read {topic}: {error}"),
                None => panic!("read {topic}: no answer"),
            }
        }
        records
    })
    .await
}

impl ReadRecord {
    fn from_message<M: Message>(message: &M) -> Self {
        let headers = message.headers().map(|headers| {
            headers
                .iter()
                .map(|header| {
                    let value = header.value.unwrap_or_default();
                    (
                        header.key.to_owned(),
                        String::from_utf8_lossy(value).into_owned(),
                    )
                })
                .collect()
        });
        Self {
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
            timestamp_ms: message.timestamp().to_millis(),
        }
    }
}

/// Asks whatever else a consumer can be asked.
pub(crate) async fn with_onlooker<T: Send + 'static>(
    ask: impl FnOnce(&BaseConsumer) -> T + Send + 'static,
) -> T {
    blocking(ask).await
}

async fn until_partitions(topic: &str, partitions: i32) {
    eventually("the topic's metadata", seconds(20), || async {
        let name = topic.to_owned();
        let seen = blocking(move |consumer| {
            let metadata = consumer.fetch_metadata(Some(&name), REQUEST_DEADLINE);
            let metadata = metadata.map_err(|error| error.to_string())?;
            let partitions = metadata.topics()[0].partitions();
            let leaders = partitions.iter().filter(|one| one.leader() >= 0);
            Ok::<_, String>(leaders.count())
        })
        .await?;
        check(i32::try_from(seen) == Ok(partitions), || {
            format!("{topic} has {seen} partitions with leaders, wanted {partitions}")
        })
    })
    .await;
}

/// One admin client for all tests: starting one costs more than most requests.
fn admin() -> &'static AdminClient<DefaultClientContext> {
    static ADMIN: OnceLock<AdminClient<DefaultClientContext>> = OnceLock::new();
    ADMIN.get_or_init(|| client().create().expect("an admin client"))
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST_DEADLINE))
        .operation_timeout(Some(REQUEST_DEADLINE))
}

/// A consumer that joins nothing and is assigned nothing.
fn onlooker(group: &str) -> BaseConsumer {
    let mut config = client();
    config.set("group.id", group);
    config.set("enable.auto.commit", "false");
    config.set("enable.partition.eof", "true");
    config.set("isolation.level", "read_uncommitted");
    config.create().expect("a consumer")
}

/// Asks what needs no consumer of one's own, on a thread where it may block.
async fn blocking<T: Send + 'static>(ask: impl FnOnce(&BaseConsumer) -> T + Send + 'static) -> T {
    static ONLOOKER: OnceLock<BaseConsumer> = OnceLock::new();
    on_a_thread(move || ask(ONLOOKER.get_or_init(|| onlooker("rowdock-tests")))).await
}

/// Asks through a consumer of this group.
async fn blocking_in<T: Send + 'static>(
    group: &str,
    ask: impl FnOnce(&BaseConsumer) -> T + Send + 'static,
) -> T {
    let group = group.to_owned();
    on_a_thread(move || ask(&onlooker(&group))).await
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
