//! The dead letter topic: the original record with Kafka Connect's context headers.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rowdock_connectors::SinkError;

use super::producer::Kept;
use crate::batch::{Original, ReadBatch, Reject};
use crate::config::connector::{ConnectorConfig, DeadLetterTopic};
use crate::login::{self, LoginContext};
use crate::record::{RecordError, Stage};

/// Prefix of Kafka Connect's context headers (KIP-298).
pub(super) const HEADER_PREFIX: &str = "__connect.errors.";

/// What stands in the exception headers: the closest of Connect's own classes.
const EXCEPTION_CLASS: &str = "org.apache.kafka.connect.errors.DataException";

/// What stands in `class.name` for a record that the sink refused, whichever sink it is
/// (`WorkerErrantRecordReporter`).
const TASK_CLASS: &str = "org.apache.kafka.connect.sink.SinkTask";

/// For what went wrong between two transforms.
const TRANSFORM_CLASS: &str = "org.apache.kafka.connect.transforms.Transformation";

/// What a letter may be, so that the topic decides and not the client, which takes 1 MB by default: a
/// bad record may be as large as its topic lets it, and its letter has more headers. As much as a
/// consumer takes by default (`receive.message.max.bytes`).
const LETTER_BYTES_MAX: usize = 100_000_000;

/// What the topic takes that is made here: more than other topics, whose limit is 1 MiB by default; no
/// more than hosted clusters let a topic have.
const TOPIC_LETTER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Header of a letter whose record the task does not pass, beside those of Kafka Connect.
pub(super) const ENDED_TASK: &str = "rowdock.ended.task";

/// Deadline of one delivery, and of creating the topic.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// The dead letter topic of one task.
pub(super) struct LetterTopic {
    topic: DeadLetterTopic,
    config: Arc<ConnectorConfig>,
    task: u32,
    properties: Vec<(String, String)>,
    producer: Option<Kept>,
    topic_ready: bool,
}

impl LetterTopic {
    pub(super) fn new(
        topic: DeadLetterTopic,
        config: Arc<ConnectorConfig>,
        task: u32,
        properties: Vec<(String, String)>,
    ) -> Self {
        Self {
            topic,
            config,
            task,
            properties,
            producer: None,
            topic_ready: false,
        }
    }

    /// Sends one dead letter and awaits the broker.
    pub(super) async fn send(
        &self,
        batch: &ReadBatch,
        reject: &Reject,
        ends_task: bool,
    ) -> Result<(), SinkError> {
        let delivery = self.deliver(batch, reject, ends_task);
        delivery.await.map_err(|error| {
            SinkError::retry(format!(
                "dead letter topic {} does not acknowledge: {error}",
                self.topic.topic
            ))
        })
    }

    async fn deliver(
        &self,
        batch: &ReadBatch,
        reject: &Reject,
        ends_task: bool,
    ) -> Result<(), String> {
        let Some(producer) = self.producer() else {
            return Err("its producer has gone".to_owned());
        };
        let Some(original) = batch.original(reject.position, reject.offset) else {
            return Err("the record's bytes were not kept".to_owned());
        };
        let key = &batch.rows.positions[reject.position].key;
        let mut headers = original_headers(&original);
        if self.topic.context_headers {
            let mut context = self.context(&key.topic, key.partition, reject);
            if ends_task {
                context.push((ENDED_TASK, self.task.to_string()));
            }
            for (name, value) in context {
                headers = headers.insert(Header {
                    key: &format!("{HEADER_PREFIX}{name}"),
                    value: Some(&value),
                });
            }
        }
        let mut record: FutureRecord<'_, [u8], [u8]> =
            FutureRecord::to(&self.topic.topic).headers(headers);
        record.key = original.key;
        record.payload = original.value;
        record.timestamp = original.timestamp_ms;
        producer
            .send(record, DELIVERY_TIMEOUT)
            .await
            .map(|_| ())
            .map_err(|(error, _)| match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => format!(
                    "the letter of record {} of partition {} of {} is larger than it takes; raise \
                     its max.message.bytes, and producer.override.max.request.size if that is set",
                    reject.offset, key.partition, key.topic
                ),
                _ => error.to_string(),
            })
    }

    /// Header names and meanings: Kafka Connect's `DeadLetterQueueReporter`.
    fn context(&self, topic: &str, partition: i32, reject: &Reject) -> Vec<(&'static str, String)> {
        let reason = reject.error.to_string();
        vec![
            ("topic", topic.to_owned()),
            ("partition", partition.to_string()),
            ("offset", reject.offset.to_string()),
            ("connector.name", self.config.name.clone()),
            ("task.id", self.task.to_string()),
            ("stage", reject.error.stage.to_string()),
            ("class.name", self.class_of(&reject.error).to_owned()),
            ("exception.class.name", EXCEPTION_CLASS.to_owned()),
            ("exception.message", reason.clone()),
            (
                "exception.stacktrace",
                format!("{EXCEPTION_CLASS}: {reason}"),
            ),
        ]
    }

    /// What the stage ran, by Kafka Connect's names.
    fn class_of<'a>(&self, error: &'a RecordError) -> &'a str {
        match error.stage {
            Stage::KeyConverter => self.config.key_converter.java_class(),
            Stage::ValueConverter => self.config.value_converter.java_class(),
            Stage::HeaderConverter => self.config.header_converter.java_class(),
            Stage::Transformation => error.class.as_deref().unwrap_or(TRANSFORM_CLASS),
            Stage::TaskPut => TASK_CLASS,
        }
    }

    fn producer(&self) -> Option<Arc<FutureProducer<LoginContext>>> {
        self.producer.as_ref()?.get()
    }

    /// Connects when there is no producer, and creates the topic when it is missing, the first time.
    pub(super) async fn make_ready(&mut self) -> Result<(), SinkError> {
        if self.producer().is_none() {
            let mut config = self.client_config();
            config.set("enable.idempotence", "true");
            config.set("acks", "all");
            config.set("linger.ms", "5");
            let defaults = [
                (
                    "delivery.timeout.ms",
                    DELIVERY_TIMEOUT.as_millis().to_string(),
                ),
                ("message.max.bytes", LETTER_BYTES_MAX.to_string()),
            ];
            for (name, value) in defaults {
                if config.get(name).is_none() {
                    config.set(name, value);
                }
            }
            let producer = config.create_with_context(LoginContext).map_err(|error| {
                SinkError::stop(format!("cannot create the dead letter producer: {error}"))
            })?;
            self.producer = Some(Kept::new(producer));
        }
        if !self.topic_ready {
            self.create_topic().await?;
            self.topic_ready = true;
        }
        Ok(())
    }

    /// Creates the topic when it is missing: one partition, as Kafka Connect does.
    async fn create_topic(&self) -> Result<(), SinkError> {
        let topic = &self.topic;
        if self.topic_exists().await? {
            return Ok(());
        }
        let admin = login::admin_client(self.client_config())
            .await
            .map_err(|error| SinkError::stop(format!("cannot create an admin client: {error}")))?;
        let limit = TOPIC_LETTER_BYTES_MAX.to_string();
        let wanted = NewTopic::new(
            &topic.topic,
            1,
            TopicReplication::Fixed(topic.replication_factor),
        )
        .set("max.message.bytes", &limit);
        let options = AdminOptions::new().operation_timeout(Some(DELIVERY_TIMEOUT));
        let failed = |reason: String| {
            SinkError::retry(format!(
                "cannot create dead letter topic {}: {reason}; create it, or set \
                 errors.deadletterqueue.topic.replication.factor to what the cluster can hold",
                topic.topic
            ))
        };
        let answers = admin
            .create_topics([&wanted], &options)
            .await
            .map_err(|error| failed(error.to_string()))?;
        for answer in answers {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(failed(code.to_string())),
            }
        }
        Ok(())
    }

    async fn topic_exists(&self) -> Result<bool, SinkError> {
        let Some(producer) = self.producer() else {
            return Ok(false);
        };
        let topic = &self.topic;
        let name = topic.topic.clone();
        let asked = tokio::task::spawn_blocking(move || {
            producer
                .client()
                .fetch_metadata(Some(&name), DELIVERY_TIMEOUT)
                .map(|metadata| {
                    metadata
                        .topics()
                        .iter()
                        .any(|found| found.name() == name && found.error().is_none())
                })
        })
        .await;
        match asked {
            Ok(Ok(exists)) => Ok(exists),
            Ok(Err(error)) => Err(SinkError::retry(format!(
                "kafka does not answer for dead letter topic {}: {error}",
                topic.topic
            ))),
            Err(error) => Err(SinkError::retry("asking kafka ended early").with_source(error)),
        }
    }

    fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config
    }
}

fn original_headers(original: &Original<'_>) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new();
    for (name, value) in original.headers {
        headers = headers.insert(Header {
            key: name,
            value: value.as_deref(),
        });
    }
    headers
}
