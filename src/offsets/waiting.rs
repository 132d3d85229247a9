//! Since when records wait: when the first record of each partition that is not stored yet was
//! produced. Kafka has no question for that, so those records are read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaResult;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use rowdock_connectors::PartitionKey;

use crate::consume::client::TaskConsumer;

/// Partitions that are looked at, those first of which most waits: each costs a fetch.
const PARTITIONS_MAX: usize = 64;

/// How long Kafka may take to send a record of each.
const TIME_MAX: Duration = Duration::from_secs(2);

const POLL_MAX: Duration = Duration::from_millis(100);

/// Where a partition stands, and how much waits there.
pub(super) struct Behind {
    pub(super) key: PartitionKey,
    pub(super) next_offset: i64,
    pub(super) lag: i64,
}

/// Milliseconds since the epoch of the first record that waits. Partitions of which nothing came in
/// time are left out. Blocks.
///
/// # Errors
/// When the client refuses.
pub(super) fn first_times(
    consumer: &TaskConsumer,
    mut behind: Vec<Behind>,
) -> KafkaResult<HashMap<PartitionKey, i64>> {
    behind.sort_by_key(|partition| -partition.lag);
    behind.truncate(PARTITIONS_MAX);
    let mut times = HashMap::new();
    if behind.is_empty() {
        return Ok(times);
    }
    let mut all = TopicPartitionList::new();
    for Behind {
        key, next_offset, ..
    } in &behind
    {
        all.add_partition_offset(&key.topic, key.partition, Offset::Offset(*next_offset))?;
    }
    consumer.assign(&all)?;
    let until = Instant::now() + TIME_MAX;
    while times.len() < behind.len() && Instant::now() < until {
        // Ends of partitions, and offsets that are gone, come as errors: their records never do.
        let Some(Ok(message)) = consumer.poll(POLL_MAX) else {
            continue;
        };
        let key = PartitionKey {
            topic: Arc::from(message.topic()),
            partition: message.partition(),
        };
        let mut read = TopicPartitionList::new();
        read.add_partition(&key.topic, key.partition);
        consumer.pause(&read)?;
        if let Some(time) = message.timestamp().to_millis() {
            times.entry(key).or_insert(time);
        }
    }
    consumer.unassign()?;
    Ok(times)
}
