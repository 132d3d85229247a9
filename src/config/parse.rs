//! From a raw config to a [`ConnectorConfig`], or to the list of what is wrong with it.

use std::time::Duration;

use rowdock_connectors::WriteMode;
use secrecy::SecretString;

use super::RawConfig;
use super::check::{self, Checked, Value};
use super::connector::{
    BatchLimits, ConnectorConfig, DeadLetterTopic, Delivery, ErrorPolicy, FieldEntry, KeyMode,
    Ratio, RejectLimits, Retries, SinkClass, SinkKeys, TopicDots, TopicSelection, UnknownFields,
};
use super::converter::{self, Converter, HeaderConverter};
use super::definitions::converters::{self, ConverterKeys};
use super::definitions::{self, ConfigKey, common, sink};
use super::plugins::UnknownClass;
use super::worker::WorkerSettings;

mod cassandra;

/// One thing that is wrong with one key. The message never shows a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError {
    /// The key.
    pub key: String,
    /// What is wrong, as Kafka Connect says it where it does.
    pub message: String,
}

/// Why a config is refused. All of these are the client's (status 400).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No `connector.class`.
    #[error("Connector config {{name={name}}} contains no connector type")]
    NoClass {
        /// `name`, perhaps empty.
        name: String,
    },
    /// `connector.class` stands for no built-in class.
    #[error(transparent)]
    UnknownClass(#[from] UnknownClass),
    /// The class in the path of a request is not the one in its body.
    #[error("Included connector type {included} does not match request type {requested}")]
    OtherClass {
        /// In the body.
        included: String,
        /// In the path.
        requested: String,
    },
    /// Keys are wrong; never empty.
    #[error("{}", render(.0))]
    Keys(Vec<KeyError>),
}

impl ConnectorConfig {
    /// Reads and checks a config.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn parse(raw: &RawConfig, worker: &WorkerSettings) -> Result<Self, Invalid> {
        let checked = check::check(raw, worker)?;
        let errors = errors_of(&checked);
        if errors.is_empty() {
            let mut config = build(&checked, worker)?;
            cassandra::apply_mappings(&mut config.sink);
            config.sink.cassandra.config = cassandra::fingerprint(raw, &config);
            Ok(config)
        } else {
            Err(Invalid::Keys(errors))
        }
    }

    /// What the log should say about a config that is accepted: keys that are unknown or have no
    /// effect here. Empty when the config is refused.
    pub fn warnings(raw: &RawConfig, worker: &WorkerSettings) -> Vec<String> {
        match check::check(raw, worker) {
            Ok(checked) if errors_of(&checked).is_empty() => checked.warnings,
            Ok(_) | Err(_) => Vec::new(),
        }
    }
}

/// All errors: those of the table's keys in its order, then those of other keys.
fn errors_of(checked: &Checked) -> Vec<KeyError> {
    let known = checked
        .entries
        .iter()
        .flat_map(|entry| entry.errors.iter().map(|message| (entry.key.name, message)));
    let extra = checked.extras.iter().flat_map(|extra| {
        extra
            .errors
            .iter()
            .map(|message| (extra.definition.name.as_str(), message))
    });
    known
        .chain(extra)
        .map(|(key, message)| KeyError {
            key: key.to_owned(),
            message: message.clone(),
        })
        .collect()
}

/// Kafka Connect's message for a list of errors.
fn render(errors: &[KeyError]) -> String {
    let mut text = format!(
        "Connector configuration is invalid and contains the following {} error(s):",
        errors.len()
    );
    for error in errors {
        text.push('\n');
        text.push_str(&error.message);
    }
    text.push_str(
        "\nYou can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`",
    );
    text
}

/// Builds the typed config from one that has no errors.
fn build(checked: &Checked, worker: &WorkerSettings) -> Result<ConnectorConfig, Invalid> {
    let header_converter = header_converter(checked, worker)?;
    Ok(ConnectorConfig {
        name: text(checked, &common::NAME)?,
        class: checked.class,
        tasks_max: number(checked, &common::TASKS_MAX)?,
        topics: topics(checked),
        key_converter: converter_of(checked, converters::KEY, &worker.key_converter)?,
        value_converter: value_converter(checked, worker)?,
        header_converter,
        transforms: checked.transforms.clone(),
        errors: error_policy(checked)?,
        consumer_overrides: checked.consumer_overrides.clone(),
        producer_overrides: checked.producer_overrides.clone(),
        delivery: if checked.is(&sink::DELIVERY_GUARANTEE, "at_least_once") {
            Delivery::AtLeastOnce
        } else {
            Delivery::ExactlyOnce
        },
        start: checked.start,
        sink: sink_keys(checked, header_converter)?,
        batch: BatchLimits {
            max_rows: number(checked, &sink::BATCH_SIZE)?,
            max_bytes: number(checked, &sink::BATCH_MAX_BYTES)?,
            linger: Duration::from_millis(number(checked, &sink::LINGER_MS)?),
        },
        retries: Retries {
            max: given(checked, &sink::MAX_RETRIES)?,
            pause: given(checked, &sink::RETRY_BACKOFF_MS)?.map(Duration::from_millis),
        },
        auto_restart: auto_restart(checked),
    })
}

/// Kafka Connect restarts no task, and tools that do so for it expect that of configs for its sinks.
fn auto_restart(checked: &Checked) -> bool {
    if checked.is_given(&sink::TASKS_AUTO_RESTART) {
        return checked.is_true(&sink::TASKS_AUTO_RESTART);
    }
    checked.dialect.is_none()
}

fn topics(checked: &Checked) -> TopicSelection {
    if let Some(regex) = checked.text(&common::TOPICS_REGEX) {
        return TopicSelection::Regex(regex.to_owned());
    }
    let mut topics: Vec<String> = Vec::new();
    for topic in checked.list(&common::TOPICS) {
        if !topics.contains(topic) {
            topics.push(topic.clone());
        }
    }
    TopicSelection::List(topics)
}

fn header_converter(
    checked: &Checked,
    worker: &WorkerSettings,
) -> Result<HeaderConverter, Invalid> {
    let keys = converters::HEADER;
    match checked.text(keys.class) {
        None => Ok(worker.header_converter),
        Some(class) => converter::read_header(
            class,
            checked.is_true(keys.schemas_enable),
            checked.is_true(keys.default_for_null),
        )
        .ok_or_else(|| unusable(keys.class)),
    }
}

/// The sink's word on defaults counts for what the converter reads, too.
fn value_converter(checked: &Checked, worker: &WorkerSettings) -> Result<Converter, Invalid> {
    let mut converter = converter_of(checked, converters::VALUE, &worker.value_converter)?;
    if !checked.is_true(&sink::REPLACE_NULL) {
        match &mut converter {
            Converter::Json(options) => options.default_for_null = false,
            Converter::Registered(_, options) => options.default_for_null = false,
            Converter::Primitive(_) => {}
        }
    }
    Ok(converter)
}

fn converter_of(
    checked: &Checked,
    keys: &ConverterKeys,
    of_worker: &Converter,
) -> Result<Converter, Invalid> {
    let mut converter = match checked.text(keys.class) {
        None => of_worker.clone(),
        Some(class) => {
            converter::read(class, keys, &checked.entries).map_err(|(key, message)| {
                Invalid::Keys(vec![KeyError {
                    key: key.to_owned(),
                    message,
                }])
            })?
        }
    };
    let longest_pause = &common::ERRORS_RETRY_DELAY_MAX_MS;
    if checked.is_given(longest_pause)
        && let Converter::Registered(_, options) = &mut converter
    {
        options.pause_max = Duration::from_millis(number(checked, longest_pause)?);
    }
    Ok(converter)
}

fn error_policy(checked: &Checked) -> Result<ErrorPolicy, Invalid> {
    let dead_letter = match checked.text(&common::DLQ_TOPIC) {
        None => None,
        Some(topic) => Some(DeadLetterTopic {
            topic: topic.to_owned(),
            replication_factor: number(checked, &common::DLQ_REPLICATION_FACTOR)?,
            context_headers: checked.is_true(&common::DLQ_CONTEXT_HEADERS),
        }),
    };
    Ok(ErrorPolicy {
        tolerate: checked.is(&common::ERRORS_TOLERANCE, "all"),
        dead_letter,
        dead_letter_table: checked.text(&common::DLQ_TABLE).map(str::to_owned),
        limits: RejectLimits {
            max_consecutive: given(checked, &common::MAX_CONSECUTIVE)?,
            max_ratio: checked.text(&common::MAX_RATIO).and_then(Ratio::parse),
        },
        log: checked.is_true(&common::ERRORS_LOG_ENABLE),
        retry_timeout: match number::<i64>(checked, &common::ERRORS_RETRY_TIMEOUT)? {
            millis @ 1.. => Some(Duration::from_millis(millis.unsigned_abs())),
            _ => None,
        },
    })
}

fn sink_keys(checked: &Checked, header_converter: HeaderConverter) -> Result<SinkKeys, Invalid> {
    Ok(SinkKeys {
        url: text(checked, &sink::CONNECTION_URL)?,
        user: checked.text(&sink::CONNECTION_USER).map(str::to_owned),
        password: checked
            .text(&sink::CONNECTION_PASSWORD)
            .map(SecretString::from),
        insert_mode: insert_mode(checked),
        key_mode: key_mode(checked),
        key_fields: checked.list(&sink::PK_FIELDS).to_vec(),
        delete_enabled: checked.is_true(&sink::DELETE_ENABLED),
        change_events: checked.is(&sink::CHANGE_EVENTS, "debezium"),
        truncate_enabled: checked.is_true(&sink::TRUNCATE_ENABLED),
        unavailable_value: checked
            .text(&sink::UNAVAILABLE_VALUE)
            .unwrap_or_default()
            .to_owned(),
        soft_delete_field: checked.text(&sink::DELETE_SOFT_FIELD).map(str::to_owned),
        guard_field: checked.text(&sink::UPSERT_GUARD_FIELD).map(str::to_owned),
        tombstone_table: checked
            .text(&sink::DELETE_TOMBSTONE_TABLE)
            .map(str::to_owned),
        auto_create: checked.is_true(&sink::AUTO_CREATE),
        auto_evolve: checked.is_true(&sink::AUTO_EVOLVE),
        table_name_format: text(checked, &sink::TABLE_NAME_FORMAT)?,
        table_name_normalize: checked.is_true(&sink::TABLE_NAME_NORMALIZE),
        tables_of_topics: sink::tables_of_topics(
            checked
                .list(&sink::TOPICS_TO_TABLES)
                .iter()
                .map(String::as_str),
        )
        .map_err(|_| unusable(&sink::TOPICS_TO_TABLES))?
        .into_iter()
        .map(|(topic, table)| (topic.to_owned(), table.to_owned()))
        .collect(),
        topic_dots: topic_dots(checked),
        fields_include: field_entries(checked, &sink::FIELDS_WHITELIST)?,
        fields_exclude: field_entries(checked, &sink::FIELDS_EXCLUDE)?,
        single_value_column: text(checked, &sink::STRING_COLUMN)?,
        unknown_fields: if checked.is(&sink::FIELDS_UNKNOWN, "ignore") {
            UnknownFields::Ignore
        } else {
            UnknownFields::Fail
        },
        header_converter,
        zoned_fields: sink::zoned_fields(
            checked
                .list(&sink::TIMEZONE_FIELDS)
                .iter()
                .map(String::as_str),
        )
        .map_err(|_| unusable(&sink::TIMEZONE_FIELDS))?
        .into_iter()
        .map(|(time, zone)| (time.to_owned(), zone.to_owned()))
        .collect(),
        timestamp_fields: checked.list(&sink::TIMESTAMP_FIELDS).to_vec(),
        timestamp_parts: match checked.is(&sink::TIMESTAMP_PRECISION, "nanoseconds") {
            true => 1_000_000_000,
            false => 1_000_000,
        },
        folds_names: folds_names(checked),
        columns_ignore_case: match checked.class {
            SinkClass::MySql | SinkClass::Sqlite => true,
            SinkClass::Postgres | SinkClass::Cassandra => folds_names(checked),
        },
        table_kinds: sink::table_types(checked.list(&sink::TABLE_TYPES).iter().map(String::as_str))
            .map_err(|_| unusable(&sink::TABLE_TYPES))?,
        zone: sink::zone(&text(checked, &sink::DB_TIMEZONE)?)
            .map_err(|_| unusable(&sink::DB_TIMEZONE))?,
        progress_table: text(checked, &sink::PROGRESS_TABLE)?,
        cassandra: cassandra::settings(checked)?,
        mappings: cassandra::mappings(checked)?,
        deletes_by_prefix: checked.is_true(&definitions::cassandra::DELETE_PREFIX),
    })
}

fn folds_names(checked: &Checked) -> bool {
    checked.class == SinkClass::Postgres && checked.is(&sink::QUOTE_IDENTIFIERS, "never")
}

fn field_entries(checked: &Checked, key: &ConfigKey) -> Result<Vec<FieldEntry>, Invalid> {
    let items = checked.list(key).iter().map(String::as_str);
    sink::field_entries(items).map_err(|_| unusable(key))
}

fn insert_mode(checked: &Checked) -> WriteMode {
    let mode = checked.text(&sink::INSERT_MODE).unwrap_or_default();
    match mode.to_ascii_lowercase().as_str() {
        "upsert" => WriteMode::Upsert,
        "update" => WriteMode::Update,
        "insert_ignore" => WriteMode::InsertIgnore,
        _ => WriteMode::Insert,
    }
}

fn topic_dots(checked: &Checked) -> TopicDots {
    if checked.is(&sink::TABLE_NAME_DOTS, "schema") {
        TopicDots::Schema
    } else if checked.is(&sink::TABLE_NAME_DOTS, "underscore") {
        TopicDots::Underscore
    } else {
        TopicDots::Keep
    }
}

fn key_mode(checked: &Checked) -> KeyMode {
    let mode = checked.text(&sink::PK_MODE).unwrap_or_default();
    match mode.to_ascii_lowercase().as_str() {
        "kafka" => KeyMode::Kafka,
        "record_key" => KeyMode::RecordKey,
        "record_value" => KeyMode::RecordValue,
        "record_header" => KeyMode::RecordHeader,
        _ => KeyMode::None,
    }
}

fn text(checked: &Checked, key: &ConfigKey) -> Result<String, Invalid> {
    checked
        .text(key)
        .map(str::to_owned)
        .ok_or_else(|| unusable(key))
}

fn number<T: TryFrom<i64>>(checked: &Checked, key: &ConfigKey) -> Result<T, Invalid> {
    match checked.entry(key).map(|entry| &entry.value) {
        Some(Value::Integer(number)) => T::try_from(*number).map_err(|_| unusable(key)),
        _ => Err(unusable(key)),
    }
}

/// As [`number`], of a key without a default.
fn given<T: TryFrom<i64>>(checked: &Checked, key: &ConfigKey) -> Result<Option<T>, Invalid> {
    match checked.entry(key).map(|entry| &entry.value) {
        Some(Value::Integer(_)) => number(checked, key).map(Some),
        _ => Ok(None),
    }
}

/// The table's rules leave no such value; were one to slip through, the config is refused.
fn unusable(key: &ConfigKey) -> Invalid {
    Invalid::Keys(vec![KeyError {
        key: key.name.to_owned(),
        message: format!("Invalid value for configuration {}", key.name),
    }])
}

#[cfg(test)]
mod tests;
