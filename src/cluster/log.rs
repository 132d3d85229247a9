//! The two topics that workers share: made and checked, tailed, and written to.
//!
//! * [`topics`]: creating them, and refusing those that would lose what is written to them.
//! * [`tail`]: reading a topic from its beginning, for ever, on a thread of its own.
//! * [`writer`]: appending to the config topic, one writer at a time in the whole cluster.
//! * [`statements`]: what the worker says in the status topic.

pub(super) mod statements;
pub(super) mod tail;
pub(super) mod topics;
pub(super) mod writer;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::ClientContext;
use rdkafka::TopicPartitionList;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::types::RDKafkaRespErr;
use tracing::debug;

use crate::login;

/// Name of the header that carries the id of the request which a record belongs to.
pub(super) const REQUEST_ID_HEADER: &str = "rowdock-request";

/// Headers of a record that a request has asked for.
pub(super) fn request_header(request_id: &str) -> OwnedHeaders {
    OwnedHeaders::new().insert(Header {
        key: REQUEST_ID_HEADER,
        value: Some(request_id),
    })
}

/// Properties of the Kafka client, as librdkafka names them.
pub(super) type Properties = Vec<(String, String)>;

/// A client of the worker itself: its properties, then these.
pub(super) fn client_config(
    properties: &Properties,
    own: &[(&str, &str)],
) -> rdkafka::config::ClientConfig {
    let mut config = rdkafka::config::ClientConfig::new();
    config.set("socket.keepalive.enable", "true");
    config.set("socket.nagle.disable", "true");
    config.set("reconnect.backoff.max.ms", "1000");
    for (key, value) in properties {
        config.set(key, value);
    }
    for (key, value) in own {
        config.set(*key, *value);
    }
    config.set_log_level(rdkafka::config::RDKafkaLogLevel::Warning);
    config
}

/// Takes in what became of a record.
pub(super) type Delivered = Box<dyn Fn(Result<(), &KafkaError>) + Send + Sync>;

/// Of the worker's own clients. Kafka that is away is told by whoever needs it; to them it is a detail.
#[derive(Default)]
pub(super) struct WorkerContext {
    /// Raised whenever the client's group changes, if it is in one.
    pub(super) group_changed: Arc<AtomicBool>,
    /// Hears what becomes of each record, if anybody wants to.
    pub(super) delivered: Option<Delivered>,
}

impl ClientContext for WorkerContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        login::token(config)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!(?level, facility, "kafka client: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(%error, "kafka client: {reason}");
    }
}

/// Answers every assignment with none: a group of workers is for its members, not for its partitions.
impl ConsumerContext for WorkerContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        _partitions: &mut TopicPartitionList,
    ) {
        self.group_changed.store(true, Ordering::Release);
        let answered = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                consumer.assign(&TopicPartitionList::new())
            }
            _ => consumer.unassign(),
        };
        if let Err(error) = answered {
            debug!(%error, "rebalance of the group of workers");
        }
    }
}

impl ProducerContext for WorkerContext {
    type DeliveryOpaque = ();

    /// What became of a change is told by its commit; what was said and did not arrive is said again.
    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let key = message.key().unwrap_or_default();
            debug!(%error, key = %String::from_utf8_lossy(key), "a record did not arrive");
        }
        if let Some(delivered) = &self.delivered {
            delivered(result.as_ref().map(|_| ()).map_err(|(error, _)| error));
        }
    }
}
