//! What the worker says in the status topic. Best effort: what was said and did not arrive is said
//! again by whoever finds that the topic says something else.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use tracing::debug;

use super::{Properties, WorkerContext, client_config};
use crate::cluster::format::Encoded;

/// How long one look at what became of the words lasts; also how long the thread outlives them. Each
/// costs a millisecond: the client's wrapper does not wait for less.
const POLL_MAX: Duration = Duration::from_secs(1);

/// Says it.
pub(in crate::cluster) struct Speech {
    producer: Arc<BaseProducer<WorkerContext>>,
    topic: String,
}

impl Speech {
    /// # Errors
    /// When the client, or the thread that attends to it, cannot be made.
    pub(in crate::cluster) fn new(properties: &Properties, topic: &str) -> KafkaResult<Self> {
        let own = [
            ("enable.idempotence", "true"),
            ("message.timeout.ms", "10000"),
            ("linger.ms", "5"),
            // Java's, so that a key stays in the partition where Kafka Connect has put it.
            ("partitioner", "murmur2_random"),
        ];
        let producer =
            client_config(properties, &own).create_with_context(WorkerContext::default())?;
        let producer = Arc::new(producer);
        let attended = Arc::downgrade(&producer);
        let spawned = thread::Builder::new()
            .name("status-speech".to_owned())
            .spawn(move || attend(&attended));
        spawned.map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        let topic = topic.to_owned();
        Ok(Self { producer, topic })
    }

    /// Says it, at some time soon.
    pub(in crate::cluster) fn say(&self, encoded: &Encoded) {
        let mut record: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(&self.topic).key(encoded.key.as_bytes());
        if let Some(value) = &encoded.value {
            record = record.payload(value.as_slice());
        }
        if let Err((error, _)) = self.producer.send(record) {
            debug!(%error, key = encoded.key, "status cannot be said now");
        }
    }

    /// Waits until everything has arrived, for so long at most. Blocks.
    pub(in crate::cluster) fn flush(&self, time_max: Duration) {
        if let Err(error) = self.producer.flush(time_max) {
            debug!(%error, "statuses may not have arrived");
        }
    }
}

/// Hears what became of the words, and gives the client the tokens for its login.
fn attend(producer: &Weak<BaseProducer<WorkerContext>>) {
    while let Some(producer) = producer.upgrade() {
        producer.poll(POLL_MAX);
    }
}
