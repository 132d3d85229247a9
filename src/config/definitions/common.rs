//! Keys that every Kafka Connect sink has. Types and defaults are Kafka Connect's.

use super::{ConfigKey, Group, Kind, Rule};
use crate::config::connector::Ratio;

/// Most tasks of one connector: each is a consumer, a thread and a database session.
pub(in crate::config) const TASKS_MAX_LIMIT: i64 = 1024;

pub(in crate::config) static NAME: ConfigKey = ConfigKey::new(
    "name",
    Kind::Text,
    Group::Common,
    "Connector name",
    "Name of the connector; unique in its cluster. Its consumer group is `connect-<name>`.",
)
.required()
.rule(Rule::NonEmptyText)
.high();

pub(in crate::config) static CONNECTOR_CLASS: ConfigKey = ConfigKey::new(
    "connector.class",
    Kind::Class,
    Group::Common,
    "Connector class",
    "Which sink: `PostgresSink`, `MySqlSink` (which `MariaDbSink` stands for, too), `SqliteSink` or `CassandraSink` (`ScyllaSink`); the full name and the ending `Connector` are accepted too. With the class of another sink the config is read in that sink's keys.",
)
.required()
.high();

pub(in crate::config) static TASKS_MAX: ConfigKey = ConfigKey::new(
    "tasks.max",
    Kind::Int,
    Group::Common,
    "Tasks max",
    "Number of tasks. They share the partitions of the topics; more tasks than partitions leave some idle.",
)
.default("1")
.rule(Rule::Range(1, TASKS_MAX_LIMIT))
.high();

pub(in crate::config) static TASKS_MAX_ENFORCE: ConfigKey = ConfigKey::new(
    "tasks.max.enforce",
    Kind::Boolean,
    Group::Common,
    "Enforce tasks max",
    "Whether more tasks than `tasks.max` fail the connector; there are never more.",
)
.default("true")
.low();

pub(in crate::config) static KEY_CONVERTER: ConfigKey = ConfigKey::new(
    "key.converter",
    Kind::Class,
    Group::Common,
    "Key converter class",
    "How record keys are read: `JsonConverter` or `StringConverter`, short or as the full Java class name. Not given: the worker's, with the worker's `key.converter.*`.",
)
.low();

pub(in crate::config) static VALUE_CONVERTER: ConfigKey = ConfigKey::new(
    "value.converter",
    Kind::Class,
    Group::Common,
    "Value converter class",
    "How record values are read: `JsonConverter`, short or as the full Java class name. Not given: the worker's, with the worker's `value.converter.*`.",
)
.low();

pub(in crate::config) static HEADER_CONVERTER: ConfigKey = ConfigKey::new(
    "header.converter",
    Kind::Class,
    Group::Common,
    "Header converter class",
    "`SimpleHeaderConverter`, `StringConverter` or `JsonConverter`. Headers are decoded only for transforms that look into them; dead letters carry their bytes unchanged, whichever is named.",
)
.low();

pub(in crate::config) static TRANSFORMS: ConfigKey = ConfigKey::new(
    "transforms",
    Kind::List,
    Group::Transforms,
    "Transforms",
    "Names for the transforms that are applied to each record before it is mapped, in this order. The keys of each begin with `transforms.<name>.`; see the page of transforms.",
)
.default("")
.low();

pub(in crate::config) static PREDICATES: ConfigKey = ConfigKey::new(
    "predicates",
    Kind::List,
    Group::Predicates,
    "Predicates",
    "Names for the predicates that transforms refer to. The keys of each begin with `predicates.<name>.`.",
)
.default("")
.low();

pub(in crate::config) static CONFIG_ACTION_RELOAD: ConfigKey = ConfigKey::new(
    "config.action.reload",
    Kind::Text,
    Group::Common,
    "Reload action",
    "What happens when a config provider's value changes. Values are read when a task starts, and again when it is restarted; no provider here tells of changes, so both mean the same.",
)
.default("restart")
.rule(Rule::OneOf(&["none", "restart"]))
.low();

pub(in crate::config) static ERRORS_RETRY_TIMEOUT: ConfigKey = ConfigKey::new(
    "errors.retry.timeout",
    Kind::Long,
    Group::Errors,
    "Retry timeout for errors",
    "How long a record is retried whose schema cannot be fetched, because the registry does not answer, in milliseconds; each record anew. Then it is a record that cannot be stored, of the stage KEY_CONVERTER or VALUE_CONVERTER. `0` and `-1`: for as long as it takes, since a service that is away is no fault of the record. Nothing else of reading and transforming fails for a passing reason, and the database is retried for as long as it takes, whatever stands here.",
)
.default("0")
.rule(Rule::Check(retry_timeout));

pub(in crate::config) static ERRORS_RETRY_DELAY_MAX_MS: ConfigKey = ConfigKey::new(
    "errors.retry.delay.max.ms",
    Kind::Long,
    Group::Errors,
    "Maximum delay between retries",
    "Longest wait between two such retries, in milliseconds; waits double up to it, each shortened by chance. Not given: 2000, so that a registry that works again is noticed soon.",
)
.default("60000")
.rule(Rule::Check(at_least_one));

pub(in crate::config) static ERRORS_TOLERANCE: ConfigKey = ConfigKey::new(
    "errors.tolerance",
    Kind::Text,
    Group::Errors,
    "Error tolerance",
    "What happens at a record that cannot be stored. `none`: the task stops there and says why. `all`: the record goes to the dead letter topic and table that are named, and the task goes on; when neither is named, the record is skipped, which is counted and logged. Errors of the database itself are retried, never tolerated.",
)
.default("none")
.rule(Rule::OneOf(&["none", "all"]));

pub(in crate::config) static ERRORS_LOG_ENABLE: ConfigKey = ConfigKey::new(
    "errors.log.enable",
    Kind::Boolean,
    Group::Errors,
    "Log errors",
    "Whether each tolerated error is logged with topic, partition, offset and reason. Tolerated errors without a dead letter topic or table are always logged.",
)
.default("false");

pub(in crate::config) static ERRORS_LOG_INCLUDE_MESSAGES: ConfigKey = ConfigKey::new(
    "errors.log.include.messages",
    Kind::Boolean,
    Group::Errors,
    "Log error details",
    "Whether logged errors tell topic, partition and offset of the record, as they do in Kafka Connect with `true`. Here they always do; what is in the record is never logged.",
)
.default("false");

pub(in crate::config) static TOPICS: ConfigKey = ConfigKey::new(
    "topics",
    Kind::List,
    Group::Common,
    "Topics",
    "Topics to read, separated by commas. Exactly one of `topics` and `topics.regex` must be given.",
)
.default("")
.high();

pub(in crate::config) static TOPICS_REGEX: ConfigKey = ConfigKey::new(
    "topics.regex",
    Kind::Text,
    Group::Common,
    "Topics regex",
    "Regular expression that the whole name of a topic must match to be read. No look-around, no back-references.",
)
.default("")
.high();

pub(in crate::config) static DLQ_TOPIC: ConfigKey = ConfigKey::new(
    "errors.deadletterqueue.topic.name",
    Kind::Text,
    Group::Errors,
    "Dead letter queue topic name",
    "Topic for records that cannot be stored, with their bytes, headers and time. With `errors.tolerance=none` the record that stops the task is written there too. Empty: none.",
)
.default("");

/// Kafka's own default is 3; so is Kafka Connect's.
pub(in crate::config) static DLQ_REPLICATION_FACTOR: ConfigKey = ConfigKey::new(
    "errors.deadletterqueue.topic.replication.factor",
    Kind::Short,
    Group::Errors,
    "Dead letter queue topic replication factor",
    "Replication factor with which the dead letter topic is created when it does not exist; -1: the broker's default.",
)
.default("3")
.rule(Rule::Check(replication_factor));

pub(in crate::config) static DLQ_CONTEXT_HEADERS: ConfigKey = ConfigKey::new(
    "errors.deadletterqueue.context.headers.enable",
    Kind::Boolean,
    Group::Errors,
    "Enable error context headers",
    "Whether dead letters carry headers `__connect.errors.*` with topic, partition, offset and reason.",
)
.default("false");

pub(in crate::config) static DLQ_TABLE: ConfigKey = ConfigKey::new(
    "errors.deadletterqueue.table",
    Kind::Text,
    Group::Errors,
    "Dead letter table",
    "Table in the target database for records that cannot be stored, `schema.table` or `table`; created when it is missing. Written in the transaction that moves the position past the record, so that each is there exactly once. Needs `errors.tolerance=all`. May be named beside the topic. Empty: none.",
)
.default("");

pub(in crate::config) static MAX_CONSECUTIVE: ConfigKey = ConfigKey::new(
    "errors.max.consecutive",
    Kind::Long,
    Group::Errors,
    "Tolerated errors in a row",
    "With `errors.tolerance=all`: how many records of a partition in a row may be rejected. The task stops at the next one. Not given: any number.",
)
.rule(Rule::Check(at_least_one));

pub(in crate::config) static MAX_RATIO: ConfigKey = ConfigKey::new(
    "errors.max.ratio",
    Kind::Text,
    Group::Errors,
    "Tolerated share of errors",
    "With `errors.tolerance=all`: which share of a task's last 1000 records may be rejected, from 0 to 1, such as `0.2`; judged from the 100th record on. The task stops at the first bad record of the batch that exceeds it. Not given: all.",
)
.rule(Rule::Check(ratio));

pub(in crate::config) const KEYS: &[&ConfigKey] = &[
    &NAME,
    &CONNECTOR_CLASS,
    &TASKS_MAX,
    &TASKS_MAX_ENFORCE,
    &KEY_CONVERTER,
    &VALUE_CONVERTER,
    &HEADER_CONVERTER,
    &TRANSFORMS,
    &PREDICATES,
    &CONFIG_ACTION_RELOAD,
    &ERRORS_RETRY_TIMEOUT,
    &ERRORS_RETRY_DELAY_MAX_MS,
    &ERRORS_TOLERANCE,
    &ERRORS_LOG_ENABLE,
    &ERRORS_LOG_INCLUDE_MESSAGES,
    &TOPICS,
    &TOPICS_REGEX,
    &DLQ_TOPIC,
    &DLQ_REPLICATION_FACTOR,
    &DLQ_CONTEXT_HEADERS,
    &DLQ_TABLE,
    &MAX_CONSECUTIVE,
    &MAX_RATIO,
];

fn retry_timeout(value: &str) -> Result<(), String> {
    match value.trim().parse::<i64>() {
        Ok(-1..) => Ok(()),
        Ok(_) | Err(_) => Err("Value must be -1 or at least 0".to_owned()),
    }
}

fn at_least_one(value: &str) -> Result<(), String> {
    match value.trim().parse::<i64>() {
        Ok(1..) => Ok(()),
        Ok(_) | Err(_) => Err("Value must be at least 1".to_owned()),
    }
}

fn ratio(value: &str) -> Result<(), String> {
    match Ratio::parse(value) {
        Some(_) => Ok(()),
        None => Err("Value must be from 0 to 1, with at most six decimals".to_owned()),
    }
}

fn replication_factor(value: &str) -> Result<(), String> {
    match value.parse::<i16>() {
        Ok(-1 | 1..) => Ok(()),
        Ok(_) | Err(_) => Err("Value must be -1 or at least 1".to_owned()),
    }
}
