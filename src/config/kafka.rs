//! Names and values of Kafka's Java clients, translated to those of librdkafka.

use super::connector::ConnectorConfig;
use super::parse::KeyError;
use super::worker::WorkerSettings;

/// Properties for a connector's consumer: the worker's client settings, its `consumer.*`, the
/// connector's `consumer.override.*`, and `group.id`. What the pipeline itself decides
/// (`enable.auto.commit`, `auto.offset.reset`, the assignment strategy, queue bounds unless
/// overridden) is left out.
///
/// # Errors
/// Settings that librdkafka has no counterpart for, under the names by which they were given.
pub fn consumer_properties(
    _worker: &WorkerSettings,
    _connector: &ConnectorConfig,
) -> Result<Vec<(String, String)>, Vec<KeyError>> {
    todo!()
}

/// Properties for a connector's dead letter producer and its admin calls: the worker's client
/// settings, its `producer.*`, the connector's `producer.override.*`.
///
/// # Errors
/// As [`consumer_properties`].
pub fn producer_properties(
    _worker: &WorkerSettings,
    _connector: &ConnectorConfig,
) -> Result<Vec<(String, String)>, Vec<KeyError>> {
    todo!()
}

/// Properties for the worker's own admin calls: its client settings and `admin.*`.
///
/// # Errors
/// As [`consumer_properties`].
pub fn admin_properties(_worker: &WorkerSettings) -> Result<Vec<(String, String)>, Vec<KeyError>> {
    todo!()
}
