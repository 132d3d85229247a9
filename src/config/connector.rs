//! One connector's config, typed and checked: what tasks are started from.
//!
//! The raw map of strings is stored and returned by the API byte for byte; this is what it means.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rowdock_connectors::cassandra::CassandraSettings;
use rowdock_connectors::{TableKind, WriteMode};
use secrecy::SecretString;

use super::converter::{Converter, HeaderConverter};
use super::mapping::TableMapping;
use super::secret;
use super::table_format;
use super::transforms::TransformConfig;
use crate::record::zone::Zone;

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
    /// What is done when the database cannot be written to for now.
    pub retries: Retries,
    /// `tasks.auto.restart`: whether a task that was lost, or has used its retries up, is started anew
    /// by itself.
    pub auto_restart: bool,
}

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkClass {
    /// `PostgresSink`
    Postgres,
    /// `MySqlSink`, also for MariaDB
    MySql,
    /// `SqliteSink`
    Sqlite,
    /// `CassandraSink`, also for ScyllaDB
    Cassandra,
}

/// Which topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicSelection {
    /// `topics`
    List(Vec<String>),
    /// `topics.regex`; the whole name must match.
    Regex(String),
}

/// What happens to a record that cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPolicy {
    /// `errors.tolerance`: `true` is `all`, reject and go on; `false` is `none`, stop at the record.
    pub tolerate: bool,
    /// `errors.deadletterqueue.*`, when a topic is named.
    pub dead_letter: Option<DeadLetterTopic>,
    /// `errors.deadletterqueue.table`: a table of the target database.
    pub dead_letter_table: Option<String>,
    /// `errors.max.*`: how much is tolerated.
    pub limits: RejectLimits,
    /// `errors.log.enable`: log each tolerated error with its coordinates.
    pub log: bool,
    /// `errors.retry.timeout`: how long a record waits for its schema; `None` is as long as it takes.
    pub retry_timeout: Option<Duration>,
}

impl ErrorPolicy {
    /// Whether a record that cannot be stored is kept somewhere, so that its bytes are needed until
    /// it is written.
    pub fn keeps_records(&self) -> bool {
        self.dead_letter.is_some() || self.dead_letter_table.is_some()
    }
}

/// How many rejected records are tolerated; `None` is all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RejectLimits {
    /// `errors.max.consecutive`: in a row, in one partition.
    pub max_consecutive: Option<u64>,
    /// `errors.max.ratio`: of the last records of a task.
    pub max_ratio: Option<Ratio>,
}

/// A share from 0 to 1, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio(u32);

impl Ratio {
    const WHOLE: u32 = 1_000_000;

    /// From `0`, `1` or `0.` and up to six digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !matches!(whole, "0" | "1") || fraction.len() > 6 || !digits(fraction) {
            return None;
        }
        let millionths: u32 = format!("{whole}{fraction:0<6}").parse().ok()?;
        (millionths <= Self::WHOLE).then_some(Self(millionths))
    }

    /// Whether this many of that many are more.
    pub fn is_exceeded(self, part: usize, whole: usize) -> bool {
        let wide = |number: usize| u128::try_from(number).unwrap_or(u128::MAX);
        wide(part).saturating_mul(Self::WHOLE.into()) > wide(whole).saturating_mul(self.0.into())
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.0 / Self::WHOLE, self.0 % Self::WHOLE);
        formatter.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
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
    /// `change.events`: values are Debezium's change events.
    pub change_events: bool,
    /// `truncate.enabled`: a change event may empty the table.
    pub truncate_enabled: bool,
    /// `unavailable.value.placeholder`: what change events have in the place of values that they do not
    /// have; may be empty.
    pub unavailable_value: String,
    /// `delete.soft.field`: column that is true in deleted rows.
    pub soft_delete_field: Option<String>,
    /// `upsert.guard.field`: rows are replaced only by greater values of this column.
    pub guard_field: Option<String>,
    /// `delete.tombstone.table`, with `${table}`: table that remembers deletes.
    pub tombstone_table: Option<String>,
    /// `auto.create`: a missing table is created.
    pub auto_create: bool,
    /// `auto.evolve`: a table is changed so that it holds what its records have.
    pub auto_evolve: bool,
    /// `table.name.format`, with `${topic}`.
    pub table_name_format: String,
    /// `table.name.normalize`: only letters, digits and `_` are left in it.
    pub table_name_normalize: bool,
    /// `topics.to.tables.mapping`: the table of each topic; empty: by format.
    pub tables_of_topics: BTreeMap<String, String>,
    /// `table.name.dots`: what dots of a topic's name are in the table's name.
    pub topic_dots: TopicDots,
    /// `fields.whitelist`: value fields that are written; empty is all.
    pub fields_include: Vec<FieldEntry>,
    /// `fields.exclude.list`: value fields that are not written.
    pub fields_exclude: Vec<FieldEntry>,
    /// `string.output.value.column.name`: column of values that are no objects.
    pub single_value_column: String,
    /// `fields.unknown`: what a field without a column means.
    pub unknown_fields: UnknownFields,
    /// `header.converter`: reads keys that lie in headers.
    pub header_converter: HeaderConverter,
    /// `timezone.fields`: fields with points in time, and beside each the field with its zone.
    pub zoned_fields: Vec<(String, String)>,
    /// `timestamp.fields.list`: fields that count parts of a second since 1970, or are texts.
    pub timestamp_fields: Vec<String>,
    /// `timestamp.precision.mode`: how many parts they count per second.
    pub timestamp_parts: i64,
    /// `table.types`: kinds of tables that may be written to; empty: all.
    pub table_kinds: Vec<TableKind>,
    /// `quote.sql.identifiers=never` where the database folds names: upper case counts as lower.
    pub folds_names: bool,
    /// Columns whose names differ in case only are one to the database.
    pub columns_ignore_case: bool,
    /// `db.timezone`: zone of dates and times without one; `None` is UTC.
    pub zone: Option<Zone>,
    /// `progress.table`.
    pub progress_table: String,
    /// `cassandra.*`.
    pub cassandra: CassandraSettings,
    /// `cassandra.mapping`.
    pub mappings: Vec<TableMapping>,
    /// `cassandra.delete.prefix`: of a mapped table a record without a value deletes all rows whose key
    /// begins as its own key says.
    pub deletes_by_prefix: bool,
}

impl SinkKeys {
    /// Each record chooses its table by more than its topic.
    pub fn routes_by_record(&self) -> bool {
        self.tables_of_topics.is_empty() && table_format::is_by_record(&self.table_name_format)
    }

    /// Headers say something of rows.
    pub fn reads_headers(&self) -> bool {
        let has_guarded_deletes = self.guard_field.is_some() && self.delete_enabled;
        self.key_mode == KeyMode::RecordHeader
            || has_guarded_deletes
            || table_format::reads_headers(&self.table_name_format)
    }
}

/// An entry of `fields.whitelist` or `fields.exclude.list`: `field` or `topic:field`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldEntry {
    /// The only topic that it is for; `None`: every topic.
    pub topic: Option<String>,
    /// The field's name.
    pub field: String,
}

impl FieldEntry {
    /// What stands before the first colon is a topic, whose name has none.
    ///
    /// # Errors
    /// When the topic or the field is empty.
    pub fn parse(entry: &str) -> Result<Self, String> {
        let (topic, field) = match entry.split_once(':') {
            Some((topic, field)) => (Some(topic.trim()), field.trim()),
            None => (None, entry.trim()),
        };
        if topic == Some("") || field.is_empty() {
            return Err(format!(
                "every entry must be field or topic:field, and \"{entry}\" is neither"
            ));
        }
        Ok(Self {
            topic: topic.map(str::to_owned),
            field: field.to_owned(),
        })
    }

    /// Whether it is for records of this topic.
    pub fn is_for(&self, topic: &str) -> bool {
        self.topic.as_deref().is_none_or(|only| only == topic)
    }
}

/// What the dots of a topic's name are in the table's name: `table.name.dots`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicDots {
    /// Parts of the name.
    Keep,
    /// `_`.
    Underscore,
    /// What stands before the last one is the schema.
    Schema,
}

/// Column names of Kafka coordinates when `pk.fields` names none; as in the JDBC sinks.
pub const KAFKA_KEY_COLUMNS: [&str; 3] =
    ["__connect_topic", "__connect_partition", "__connect_offset"];

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
    /// The record's headers.
    RecordHeader,
}

/// What a field that has no column means: `fields.unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownFields {
    /// The record is bad.
    Fail,
    /// The field is left out.
    Ignore,
}

/// How often, and how soon, what the database cannot do for now is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retries {
    /// `max.retries`: failed attempts one after the other, before the task fails. `None`: any.
    pub max: Option<u32>,
    /// `retry.backoff.ms`: between attempts. `None`: growing pauses.
    pub pause: Option<Duration>,
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
            .field("retries", &self.retries)
            .field("auto_restart", &self.auto_restart)
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
            .field("change_events", &self.change_events)
            .field("truncate_enabled", &self.truncate_enabled)
            .field("unavailable_value", &self.unavailable_value)
            .field("soft_delete_field", &self.soft_delete_field)
            .field("guard_field", &self.guard_field)
            .field("tombstone_table", &self.tombstone_table)
            .field("auto_create", &self.auto_create)
            .field("auto_evolve", &self.auto_evolve)
            .field("table_name_format", &self.table_name_format)
            .field("table_name_normalize", &self.table_name_normalize)
            .field("tables_of_topics", &self.tables_of_topics)
            .field("topic_dots", &self.topic_dots)
            .field("fields_include", &self.fields_include)
            .field("fields_exclude", &self.fields_exclude)
            .field("single_value_column", &self.single_value_column)
            .field("unknown_fields", &self.unknown_fields)
            .field("header_converter", &self.header_converter)
            .field("zoned_fields", &self.zoned_fields)
            .field("timestamp_fields", &self.timestamp_fields)
            .field("timestamp_parts", &self.timestamp_parts)
            .field("table_kinds", &self.table_kinds)
            .field("folds_names", &self.folds_names)
            .field("columns_ignore_case", &self.columns_ignore_case)
            .field("zone", &self.zone)
            .field("progress_table", &self.progress_table)
            .field("cassandra", &self.cassandra)
            .field("mappings", &self.mappings)
            .field("deletes_by_prefix", &self.deletes_by_prefix)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_exact() {
        let check = |text: &str, expected: Option<&str>| {
            let shown = Ratio::parse(text).map(|ratio| ratio.to_string());
            assert_eq!(shown.as_deref(), expected, "{text}");
        };
        check("0", Some("0"));
        check("0.0", Some("0"));
        check("0.5", Some("0.5"));
        check("0.050", Some("0.05"));
        check("1", Some("1"));
        check("1.0", Some("1"));
        for bad in [
            "",
            "2",
            "1.1",
            "-0.1",
            ".5",
            "0.1234567",
            "50%",
            "NaN",
            "0.+5",
        ] {
            check(bad, None);
        }
        let half = Ratio::parse("0.5").unwrap();
        assert!(!half.is_exceeded(50, 100) && half.is_exceeded(51, 100));
        assert!(Ratio::parse("0").unwrap().is_exceeded(1, usize::MAX));
        assert!(!Ratio::parse("1").unwrap().is_exceeded(9, 9));
    }
}
