//! One connector's config, typed and checked: what tasks are started from.
//!
//! The raw map of strings is stored and returned by the API byte for byte; this is what it means.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rowdock_connectors::WriteMode;
use secrecy::SecretString;

use super::secret;
use super::transforms::TransformConfig;

/// A connector's config after parsing.
#[derive(Clone)]
pub struct ConnectorConfig {
    /// `name`.
    pub name: String,
    /// `connector.class`.
    pub class: SinkClass,
    /// `tasks.max`.
    pub tasks_max: u32,
    /// `topics` or `topics.regex`.
    pub topics: TopicSelection,
    /// `key.converter` with its own keys, the connector's or else the worker's.
    pub key_converter: Converter,
    /// `value.converter` with its own keys, the connector's or else the worker's.
    pub value_converter: Converter,
    /// `header.converter`: for transforms that look into headers.
    pub header_converter: HeaderConverter,
    /// `transforms` and `predicates`, in their order.
    pub transforms: Vec<TransformConfig>,
    /// `errors.*`.
    pub errors: ErrorPolicy,
    /// `consumer.override.*`, prefix removed, names as given.
    pub consumer_overrides: BTreeMap<String, String>,
    /// `producer.override.*`, prefix removed, names as given: for the dead letter topic.
    pub producer_overrides: BTreeMap<String, String>,
    /// `delivery.guarantee`.
    pub delivery: Delivery,
    /// `consumer.override.auto.offset.reset`, else the worker's: where a topic without any position
    /// starts.
    pub start: StartPosition,
    /// Keys of the sink.
    pub sink: SinkKeys,
    /// Batching limits.
    pub batch: BatchLimits,
}

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkClass {
    /// `PostgresSink`
    Postgres,
    /// `SqliteSink`
    Sqlite,
}

/// Which topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicSelection {
    /// `topics`
    List(Vec<String>),
    /// `topics.regex`; the whole name must match.
    Regex(String),
}

/// How bytes of a key or value are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Converter {
    /// `JsonConverter`.
    Json {
        /// `schemas.enable`: the envelope of `schema` and `payload`.
        schemas_enable: bool,
        /// `schemas.cache.size`: envelope schemas kept parsed.
        schemas_cache_size: usize,
    },
    /// `StringConverter`: UTF-8 text.
    String,
}

/// How header values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderConverter {
    /// `SimpleHeaderConverter`: what the text looks like.
    Simple,
    /// `StringConverter`.
    String,
    /// `JsonConverter`.
    Json {
        /// `schemas.enable`.
        schemas_enable: bool,
    },
}

/// What happens to a record that cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPolicy {
    /// `errors.tolerance`: `true` is `all`, reject and go on; `false` is `none`, stop at the record.
    pub tolerate: bool,
    /// `errors.deadletterqueue.*`, when a topic is named.
    pub dead_letter: Option<DeadLetterTopic>,
    /// `errors.log.enable`: log each tolerated error with its coordinates.
    pub log: bool,
}

/// The dead letter topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterTopic {
    /// `errors.deadletterqueue.topic.name`.
    pub topic: String,
    /// `errors.deadletterqueue.topic.replication.factor`, for creating it when it is missing.
    pub replication_factor: i32,
    /// `errors.deadletterqueue.context.headers.enable`.
    pub context_headers: bool,
}

/// The promise a connector gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Rows and positions in one transaction.
    ExactlyOnce,
    /// Positions in Kafka's consumer group, committed after the rows.
    AtLeastOnce,
}

/// Where a topic starts that has no position yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartPosition {
    /// The group's committed offset when there is one, else the earliest record.
    Earliest,
    /// The group's committed offset when there is one, else the end of the topic.
    Latest,
}

/// Keys that say how records become rows.
#[derive(Clone)]
pub struct SinkKeys {
    /// `connection.url`.
    pub url: String,
    /// `connection.user`.
    pub user: Option<String>,
    /// `connection.password`.
    pub password: Option<SecretString>,
    /// `insert.mode`.
    pub insert_mode: WriteMode,
    /// `pk.mode`.
    pub key_mode: KeyMode,
    /// `pk.fields`.
    pub key_fields: Vec<String>,
    /// `delete.enabled`: a record without a value deletes its key's row.
    pub delete_enabled: bool,
    /// `auto.create`: a missing table is created.
    pub auto_create: bool,
    /// `table.name.format`, with `${topic}`.
    pub table_name_format: String,
    /// `fields.whitelist`: value fields that are written; empty is all.
    pub fields_include: Vec<String>,
    /// `fields.unknown`: what a field without a column means.
    pub unknown_fields: UnknownFields,
    /// `progress.table`.
    pub progress_table: String,
}

/// Where a row's key comes from: `pk.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMode {
    /// No key.
    None,
    /// Topic, partition and offset.
    Kafka,
    /// The record's key: a primitive, or fields of an object.
    RecordKey,
    /// Fields of the record's value.
    RecordValue,
}

/// What a field that has no column means: `fields.unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownFields {
    /// The record is bad.
    Fail,
    /// The field is left out.
    Ignore,
}

/// When a batch is closed, at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// `batch.size`: rows.
    pub max_rows: usize,
    /// `batch.max.bytes`: bytes of cells.
    pub max_bytes: usize,
    /// `linger.ms`: how long a batch that could be written waits for more rows. 0: not at all.
    pub linger: Duration,
}

// Client settings and database addresses may hold passwords, so neither is ever printed whole.

impl fmt::Debug for ConnectorConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConnectorConfig")
            .field("name", &self.name)
            .field("class", &self.class)
            .field("tasks_max", &self.tasks_max)
            .field("topics", &self.topics)
            .field("key_converter", &self.key_converter)
            .field("value_converter", &self.value_converter)
            .field("header_converter", &self.header_converter)
            .field("transforms", &self.transforms)
            .field("errors", &self.errors)
            .field(
                "consumer_overrides",
                &secret::Redacted(&self.consumer_overrides),
            )
            .field(
                "producer_overrides",
                &secret::Redacted(&self.producer_overrides),
            )
            .field("delivery", &self.delivery)
            .field("start", &self.start)
            .field("sink", &self.sink)
            .field("batch", &self.batch)
            .finish()
    }
}

impl fmt::Debug for SinkKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SinkKeys")
            .field("url", &secret::without_credentials(&self.url))
            .field("user", &self.user)
            .field("password", &self.password)
            .field("insert_mode", &self.insert_mode)
            .field("key_mode", &self.key_mode)
            .field("key_fields", &self.key_fields)
            .field("delete_enabled", &self.delete_enabled)
            .field("auto_create", &self.auto_create)
            .field("table_name_format", &self.table_name_format)
            .field("fields_include", &self.fields_include)
            .field("unknown_fields", &self.unknown_fields)
            .field("progress_table", &self.progress_table)
            .finish()
    }
}
