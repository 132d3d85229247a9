//! Appends to the config topic, one writer at a time in the whole cluster.
//!
//! Kafka itself is the lock: all workers use one transactional id, and whoever initialises it last
//! fences the one before, whose open transaction is aborted. So as long as a commit of ours
//! succeeds, nobody else has committed anything since we initialised: what was checked before the
//! commit still holds at it.
//!
//! Taking the role over costs up to a second, a further write a few milliseconds, so the producer
//! is kept until it is fenced. The thread does as it is told, and the control loop decides: catch
//! up after [`WriterAnswer::Ready`] with `fresh`, check, then commit; after an unknown result
//! prepare again, which settles it, and look whether one's own record is there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio::sync::mpsc::UnboundedSender;

use super::{Properties, WorkerContext, client_config, request_header};
use crate::cluster::format::{ConfigRecord, Encoded};
use crate::login;

/// A writer that was killed blocks readers for no longer than this.
const TRANSACTION_TIMEOUT_MS: &str = "10000";
/// How long taking the role over, or one commit, may take.
const STEP_TIME_MAX: Duration = Duration::from_secs(10);
/// How long giving a transaction up may take. When it cannot be, the next writer's start does it.
const ABORT_TIME_MAX: Duration = Duration::from_secs(1);
/// Largest record that is sent at all: far more than topics take by default.
const RECORD_BYTES_MAX: &str = "16777216";

/// Between two looks whether everything has been delivered.
const DELIVERY_POLL: Duration = Duration::from_millis(1);

/// What the writer is told.
#[derive(Debug)]
pub(in crate::cluster) enum ToWriterThread {
    /// Be the writer.
    Prepare,
    /// Append these in one transaction.
    Commit {
        records: Vec<ConfigRecord>,
        request_id: String,
    },
    /// Give the role up: what it holds is not to be believed.
    Reset,
}

/// What the writer answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster) enum WriterAnswer {
    /// We are the writer. `fresh`: since this moment, so others may have written before.
    Ready { fresh: bool },
    /// Committed.
    Committed,
    /// Somebody else is the writer now; nothing was written.
    Fenced,
    /// Nothing was written, for this reason; may be tried again.
    Failed(String),
    /// Nothing was written, for this reason, and never will be.
    Refused(String),
    /// It may or may not have been written, for this reason.
    Unknown(String),
}

/// Starts the writer's thread. It ends when the sender is dropped.
///
/// # Errors
/// When there can be no thread.
pub(in crate::cluster) fn start<T: Send + 'static>(
    properties: Properties,
    transactional_id: String,
    topic: String,
    listener: UnboundedSender<T>,
    wrap: fn(WriterAnswer) -> T,
) -> std::io::Result<mpsc::Sender<ToWriterThread>> {
    let (sender, orders) = mpsc::channel();
    let mut writer = Writer {
        properties,
        transactional_id,
        topic,
        producer: None,
        outgrown: Arc::default(),
    };
    thread::Builder::new()
        .name("config-writer".to_owned())
        .spawn(move || {
            while let Ok(order) = orders.recv() {
                let answer = match order {
                    ToWriterThread::Prepare => writer.prepare(),
                    ToWriterThread::Commit {
                        records,
                        request_id,
                    } => writer.commit(&records, &request_id),
                    ToWriterThread::Reset => {
                        writer.producer = None;
                        continue;
                    }
                };
                if listener.send(wrap(answer)).is_err() {
                    return;
                }
            }
        })?;
    Ok(sender)
}

struct Writer {
    properties: Properties,
    transactional_id: String,
    topic: String,
    producer: Option<BaseProducer<WorkerContext>>,
    /// A broker has found a record too large.
    outgrown: Arc<AtomicBool>,
}

impl Writer {
    fn prepare(&mut self) -> WriterAnswer {
        if self.producer.is_some() {
            return WriterAnswer::Ready { fresh: false };
        }
        match self.take_over() {
            Ok(producer) => {
                self.producer = Some(producer);
                WriterAnswer::Ready { fresh: true }
            }
            Err(error) => WriterAnswer::Failed(explain(&error, &self.transactional_id)),
        }
    }

    fn take_over(&self) -> KafkaResult<BaseProducer<WorkerContext>> {
        let own = [
            ("transactional.id", self.transactional_id.as_str()),
            ("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS),
            ("message.timeout.ms", TRANSACTION_TIMEOUT_MS),
            ("linger.ms", "0"),
            ("acks", "all"),
            // A transaction may begin a moment too early after the one before; the default of
            // 100 ms would then be most of the time of a change.
            ("retry.backoff.ms", "10"),
            // The topic's own limit is the one that counts.
            ("message.max.bytes", RECORD_BYTES_MAX),
            // What is sent at once must not be more than the topic takes, unless it is one record.
            ("batch.size", "16384"),
        ];
        let outgrown = Arc::clone(&self.outgrown);
        let context = WorkerContext {
            delivered: Some(Box::new(move |result| {
                if result.is_err_and(is_outgrown) {
                    outgrown.store(true, Ordering::Release);
                }
            })),
            ..WorkerContext::default()
        };
        let producer: BaseProducer<WorkerContext> =
            client_config(&self.properties, &own).create_with_context(context)?;
        login::log_in(producer.client(), &self.properties);
        let deadline = Instant::now() + STEP_TIME_MAX;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match producer.init_transactions(left) {
                Ok(()) => return Ok(producer),
                Err(KafkaError::Transaction(error)) if error.is_retriable() && !left.is_zero() => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn commit(&mut self, records: &[ConfigRecord], request_id: &str) -> WriterAnswer {
        let Some(producer) = self.producer.take() else {
            return WriterAnswer::Fenced;
        };
        let written = self.write(&producer, records, request_id);
        match written {
            Ok(()) => {
                self.producer = Some(producer);
                WriterAnswer::Committed
            }
            // The producer is dropped in all of these cases: the next one settles what is open.
            Err((_, error)) if is_fenced(&error) => WriterAnswer::Fenced,
            Err((Step::Append, error)) if is_outgrown(&error) => {
                producer.abort_transaction(ABORT_TIME_MAX).ok();
                WriterAnswer::Refused(explain_size(records, &self.topic))
            }
            Err((Step::Append, error)) => {
                WriterAnswer::Failed(explain(&error, &self.transactional_id))
            }
            Err((Step::Commit, error)) => {
                WriterAnswer::Unknown(explain(&error, &self.transactional_id))
            }
        }
    }

    fn write(
        &self,
        producer: &BaseProducer<WorkerContext>,
        records: &[ConfigRecord],
        request_id: &str,
    ) -> Result<(), (Step, KafkaError)> {
        let appending = |error| (Step::Append, error);
        self.outgrown.store(false, Ordering::Release);
        producer.begin_transaction().map_err(appending)?;
        // One after the other: tasks' configs are shared until then.
        for Encoded { key, value } in records.iter().map(ConfigRecord::encode) {
            let mut record = BaseRecord::to(&self.topic)
                .partition(0)
                .key(key.as_bytes())
                .headers(request_header(request_id));
            if let Some(value) = &value {
                record = record.payload(value.as_slice());
            }
            producer
                .send(record)
                .map_err(|(error, _)| appending(error))?;
        }
        let deadline = Instant::now() + STEP_TIME_MAX;
        // Or else the commit would poll for a tenth of a second at least, which is ten times what
        // all the rest takes.
        let is_refused = || self.outgrown.load(Ordering::Acquire);
        // What comes after a record that is refused is not sent before its time is over.
        while producer.in_flight_count() > 0 && !is_refused() && Instant::now() < deadline {
            producer.poll(DELIVERY_POLL);
        }
        if is_refused() {
            let outgrown = KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);
            return Err(appending(outgrown));
        }
        if Instant::now() >= deadline {
            // Without a commit on its way it is known that nothing was written.
            let late = KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
            return Err(appending(late));
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match producer.commit_transaction(left) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() && !left.is_zero() => {}
                Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                    // Aborted when the next producer initialises, if not now.
                    producer.abort_transaction(ABORT_TIME_MAX).ok();
                    return Err((Step::Append, KafkaError::Transaction(error)));
                }
                Err(error) => return Err((Step::Commit, error)),
            }
        }
    }
}

/// How far a write got.
enum Step {
    /// Certainly not committed.
    Append,
    /// Perhaps committed.
    Commit,
}

fn is_fenced(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::InvalidProducerEpoch
                | RDKafkaErrorCode::InvalidProducerIdMapping
        )
    )
}

/// It is larger than the client or the topic takes, and will be the next time.
fn is_outgrown(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::MessageBatchTooLarge)
    )
}

fn explain_size(records: &[ConfigRecord], topic: &str) -> String {
    let sizes = records.iter().map(|record| {
        let Encoded { key, value } = record.encode();
        (value.map_or(0, |value| value.len()), key)
    });
    let (bytes, key) = sizes.max().unwrap_or_default();
    format!(
        "the change is too large: its record {key} has {bytes} bytes, more than Kafka takes: make the config shorter, or raise \
         max.message.bytes of topic {topic}, to {RECORD_BYTES_MAX} at most"
    )
}

fn explain(error: &KafkaError, transactional_id: &str) -> String {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::TransactionalIdAuthorizationFailed) => format!(
            "the worker may not use the transactional id {transactional_id}: allow Write and \
             Describe on it"
        ),
        Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
            "the worker may not write to the config topic: allow Write on it".to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;

    const TOPIC: &str = "configs";

    fn writer(cluster: &MockCluster<'_, rdkafka::producer::DefaultProducerContext>) -> Writer {
        Writer {
            properties: vec![("bootstrap.servers".to_owned(), cluster.bootstrap_servers())],
            transactional_id: "connect-cluster-workers".to_owned(),
            topic: TOPIC.to_owned(),
            producer: None,
            outgrown: Arc::default(),
        }
    }

    /// One whose value has at least so many bytes.
    fn record(bytes: usize) -> ConfigRecord {
        ConfigRecord::Logger {
            name: "pg".to_owned(),
            level: Some("x".repeat(bytes)),
        }
    }

    /// Whether the client or a broker finds it too large, it is told at once and not tried again; the
    /// next change is written.
    #[test]
    fn a_change_that_is_too_large_is_refused_for_good() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, 1, 1).unwrap();
        let mut writer = writer(&cluster);
        let commit = |writer: &mut Writer, bytes: usize| {
            assert!(matches!(writer.prepare(), WriterAnswer::Ready { .. }));
            writer.commit(&[record(10), record(bytes)], "request")
        };
        assert_eq!(commit(&mut writer, 20), WriterAnswer::Committed);
        let by_client: usize = RECORD_BYTES_MAX.parse().unwrap();
        let outgrown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
        for (bytes, errors) in [(by_client, &[][..]), (4000, &[outgrown])] {
            cluster.request_errors(RDKafkaApiKey::Produce, errors);
            let begun = Instant::now();
            let answer = commit(&mut writer, bytes);
            assert!(begun.elapsed() < STEP_TIME_MAX, "{bytes}: not at once");
            let WriterAnswer::Refused(reason) = answer else {
                panic!("{bytes}: {answer:?}");
            };
            let bytes = bytes + r#"{"level":""}"#.len();
            let told = format!("record logger-cluster-pg has {bytes} bytes");
            assert!(reason.contains(&told), "{reason}");
        }
        assert_eq!(commit(&mut writer, 20), WriterAnswer::Committed);
    }
}
