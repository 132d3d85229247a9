//! What the worker says in the status topic. Best effort: what was said and did not arrive is said
//! again by whoever finds that the topic says something else. That nothing arrives is told, since
//! other workers then show tasks as they were.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use tokio::sync::mpsc::UnboundedSender;
use tracing::{debug, info, warn};

use super::{Properties, WorkerContext, client_config, request_header};
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
    /// `listener` is told what a person must do before any word arrives, and `None` once one does.
    ///
    /// # Errors
    /// When the client, or the thread that attends to it, cannot be made.
    pub(in crate::cluster) fn new<T: Send + 'static>(
        properties: &Properties,
        topic: &str,
        listener: UnboundedSender<T>,
        wrap: fn(Option<String>) -> T,
    ) -> KafkaResult<Self> {
        let own = [
            // One request at a time keeps the order of words. Idempotence would too, and a client
            // that lacks a right for it never recovers.
            ("enable.idempotence", "false"),
            ("max.in.flight.requests.per.connection", "1"),
            ("acks", "all"),
            ("message.timeout.ms", "10000"),
            ("linger.ms", "5"),
            // Java's, so that a key stays in the partition where Kafka Connect has put it.
            ("partitioner", "murmur2_random"),
        ];
        let arrival = Arrival {
            topic: topic.to_owned(),
            fails: AtomicBool::new(false),
            refused: AtomicBool::new(false),
        };
        let context = WorkerContext {
            delivered: Some(Box::new(move |result| {
                if let Some(refused) = arrival.note(result) {
                    // The worker has ended otherwise.
                    listener.send(wrap(refused)).ok();
                }
            })),
            ..WorkerContext::default()
        };
        let producer = client_config(properties, &own).create_with_context(context)?;
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
    pub(in crate::cluster) fn say(&self, encoded: &Encoded, request_id: Option<&str>) {
        let mut record: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(&self.topic).key(encoded.key.as_bytes());
        if let Some(value) = &encoded.value {
            record = record.payload(value.as_slice());
        }
        if let Some(request_id) = request_id {
            record = record.headers(request_header(request_id));
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

/// Whether words arrive.
struct Arrival {
    topic: String,
    fails: AtomicBool,
    refused: AtomicBool,
}

impl Arrival {
    /// Takes in what became of a word. Returns what is to be told, if that has changed.
    fn note(&self, result: Result<(), &KafkaError>) -> Option<Option<String>> {
        let topic = &self.topic;
        let Err(error) = result else {
            if self.fails.swap(false, Ordering::AcqRel) {
                info!(topic, "what the worker says arrives again");
            }
            return self.refused.swap(false, Ordering::AcqRel).then_some(None);
        };
        let is_first = !self.fails.swap(true, Ordering::AcqRel);
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::TopicAuthorizationFailed) {
            if is_first {
                warn!(topic, %error, "what the worker says does not arrive; it is said again");
            }
            return None;
        }
        let reason = format!("the worker may not write to topic {topic}: allow Write on it");
        if self.refused.swap(true, Ordering::AcqRel) {
            return None;
        }
        warn!("{reason}");
        Some(Some(reason))
    }
}

/// Hears what became of the words, and gives the client the tokens for its login.
fn attend(producer: &Weak<BaseProducer<WorkerContext>>) {
    while let Some(producer) = producer.upgrade() {
        producer.poll(POLL_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_arrive_is_told_once() {
        let arrival = Arrival {
            topic: "statuses".to_owned(),
            fails: AtomicBool::new(false),
            refused: AtomicBool::new(false),
        };
        let refused = KafkaError::MessageProduction(RDKafkaErrorCode::TopicAuthorizationFailed);
        let late = KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
        let reason = "the worker may not write to topic statuses: allow Write on it";
        let reason = Some(Some(reason.to_owned()));
        for (result, told) in [
            (Ok(()), None),
            (Err(&late), None),
            (Err(&refused), reason.clone()),
            (Err(&refused), None),
            (Err(&late), None),
            (Ok(()), Some(None)),
            (Ok(()), None),
            (Err(&refused), reason),
        ] {
            assert_eq!(arrival.note(result), told, "{result:?}");
        }
    }
}
