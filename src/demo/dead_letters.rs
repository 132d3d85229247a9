//! Reads the dead letter topic from beginning to end.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::orders::Place;
use super::reconcile::DeadLetter;
use super::{DEAD_LETTER_TOPIC, DemoError, TOPIC};

/// Most time for reading them all.
const DEADLINE: Duration = Duration::from_secs(30);

const POLL_TIMEOUT: Duration = Duration::from_millis(200);

/// The topic has one partition.
const PARTITION: i32 = 0;

/// All dead letters at this broker. Blocks.
///
/// # Errors
/// The client's; a broker that does not deliver in time.
pub(super) fn read_all(broker: &str) -> Result<Vec<DeadLetter>, DemoError> {
    let failed = DemoError::broker("read the dead letter topic");
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker)
        .set("group.id", "demo-dead-letter-reader")
        .set("enable.auto.commit", "false")
        .create()
        .map_err(&failed)?;
    let (low, high) = consumer
        .fetch_watermarks(DEAD_LETTER_TOPIC, PARTITION, DEADLINE)
        .map_err(&failed)?;
    let mut from_start = TopicPartitionList::new();
    from_start
        .add_partition_offset(DEAD_LETTER_TOPIC, PARTITION, Offset::Beginning)
        .map_err(&failed)?;
    consumer.assign(&from_start).map_err(&failed)?;
    let mut letters = Vec::new();
    let mut next = low;
    let until = Instant::now() + DEADLINE;
    while next < high {
        match consumer.poll(POLL_TIMEOUT) {
            Some(message) => {
                let message = message.map_err(&failed)?;
                next = message.offset() + 1;
                letters.push(dead_letter(&message));
            }
            None if Instant::now() > until => {
                return Err(DemoError::Deadline {
                    waiting_for: "the dead letters to be read back",
                    deadline: DEADLINE,
                    log: String::new(),
                });
            }
            None => {}
        }
    }
    Ok(letters)
}

fn dead_letter(message: &BorrowedMessage<'_>) -> DeadLetter {
    let header = |name: &str| {
        let headers = message.headers()?;
        let found = headers
            .iter()
            .find(|header| header.key.strip_prefix("__connect.errors.") == Some(name))?;
        Some(String::from_utf8_lossy(found.value?).into_owned())
    };
    let place = || {
        if header("topic")? != TOPIC {
            return None;
        }
        Some(Place {
            partition: header("partition")?.parse().ok()?,
            offset: header("offset")?.parse().ok()?,
        })
    };
    DeadLetter {
        place: place(),
        reason: header("exception.message").unwrap_or_else(|| "(no reason given)".to_owned()),
    }
}
