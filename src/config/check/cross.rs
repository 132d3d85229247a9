//! Checks that need more than one key.

use regex::RegexBuilder;
use rowdock_connectors::Timestamp;

use super::Checked;
use crate::config::connector::SinkClass;
use crate::config::definitions::transforms::TransformKind;
use crate::config::definitions::{self, common, converters, sink};
use crate::config::table_format::{self, Piece};
use crate::config::transforms::TransformConfig;
use crate::config::worker::WorkerSettings;
use crate::config::{converter, plugins};
use crate::record::Part;
use crate::transform::date_format::DateFormat;

mod cassandra;

/// Longest topic name that Kafka allows.
const TOPIC_NAME_LENGTH_MAX: usize = 249;

/// Memory that one compiled `topics.regex` may take.
const REGEX_BYTES_MAX: usize = 1024 * 1024;

pub(super) fn check(checked: &mut Checked) {
    check_converters(checked);
    check_topics(checked);
    check_tables_of_topics(checked);
    check_table_format(checked);
    check_field_lists(checked);
    check_dead_letter_topic(checked);
    check_tolerance(checked);
    check_key(checked);
    check_url(checked);
    check_dialect(checked);
    cassandra::check(checked);
}

fn check_converters(checked: &mut Checked) {
    for keys in [converters::KEY, converters::VALUE] {
        if !checked.is_given(keys.class) {
            continue;
        }
        let class = checked.text(keys.class).unwrap_or_default().to_owned();
        if let Err(problem) = converter::kind(&class) {
            checked.refuse_value(keys.class, &problem);
        } else if let Err((key, message)) = converter::read(&class, keys, &checked.entries) {
            checked.refuse_named(key, message);
        }
    }
    if let Some(class) = checked.text(&common::HEADER_CONVERTER)
        && let Err(problem) = converter::header_kind(class)
    {
        checked.refuse_value(&common::HEADER_CONVERTER, &problem);
    }
}

fn check_topics(checked: &mut Checked) {
    let (topics, regex) = (&common::TOPICS, &common::TOPICS_REGEX);
    let has_topics = !checked.list(topics).is_empty();
    let has_regex = checked.text(regex).is_some();
    let problem = match (has_topics, has_regex) {
        (true, true) => {
            Some("topics and topics.regex are mutually exclusive options, but both are set.")
        }
        (false, false) if checked.is_unresolved(topics) || checked.is_unresolved(regex) => None,
        (false, false) => Some("Must configure one of topics or topics.regex"),
        (true, false) | (false, true) => None,
    };
    if let Some(problem) = problem {
        checked.refuse(topics, problem.to_owned());
        checked.refuse(regex, problem.to_owned());
    }
    let illegal = checked
        .list(topics)
        .iter()
        .find(|topic| !is_topic_name(topic));
    if let Some(topic) = illegal {
        let problem = format!(
            "{topic} is no name of a topic: letters, digits, '.', '_' and '-', at most {TOPIC_NAME_LENGTH_MAX}"
        );
        checked.refuse_value(topics, &problem);
    }
    if let Some(Err(problem)) = checked.text(regex).map(compile) {
        checked.refuse_value(regex, &problem);
    }
}

fn check_tables_of_topics(checked: &mut Checked) {
    let mapping = &sink::TOPICS_TO_TABLES;
    let items = checked.list(mapping).iter().map(String::as_str);
    let Ok(pairs) = sink::tables_of_topics(items) else {
        return;
    };
    let has_table = |topic: &str| pairs.iter().any(|(known, _)| *known == topic);
    let mut tables = pairs.iter().map(|(_, table)| *table);
    let quotes = tables.find_map(|table| quotes_problem(checked, table, false));
    let without = checked
        .list(&common::TOPICS)
        .iter()
        .find(|topic| !has_table(topic));
    if let Some(topic) = without
        && !pairs.is_empty()
    {
        let problem = format!("every topic must have its table, and {topic} has none");
        checked.refuse_value(mapping, &problem);
    }
    if let Some(problem) = quotes {
        checked.refuse_value(mapping, &problem);
    }
}

/// Patterns of dates are compiled as they will be.
fn check_table_format(checked: &mut Checked) {
    let format = checked.text(&sink::TABLE_NAME_FORMAT).map(str::to_owned);
    let format = format.unwrap_or_default();
    let pieces = table_format::pieces(&format).unwrap_or_default();
    let problem = pieces.iter().find_map(|piece| match piece {
        Piece::Time(pattern) => DateFormat::compile(pattern, Timestamp::default()).err(),
        _ => None,
    });
    let is_normalized = checked.is_true(&sink::TABLE_NAME_NORMALIZE);
    let by_record = table_format::is_by_record(&format);
    let quotes = || quotes_problem(checked, &format, by_record).filter(|_| !is_normalized);
    if let Some(problem) = problem.or_else(quotes) {
        checked.refuse_value(&sink::TABLE_NAME_FORMAT, &problem);
    }
    if by_record && !checked.list(&sink::TOPICS_TO_TABLES).is_empty() {
        let problem = "cannot go with topics.to.tables.mapping, which names the tables";
        checked.refuse_value(&sink::TABLE_NAME_FORMAT, problem);
    }
}

/// Quotes have a meaning where names are split at their dots, as the JDBC sinks do it, and would be a part
/// of the name everywhere else.
fn quotes_problem(checked: &Checked, name: &str, by_record: bool) -> Option<String> {
    if !table_format::has_quotes(name) {
        return None;
    }
    match checked.is(&sink::TABLE_NAME_DOTS, "schema") && !by_record {
        true => table_format::parts(name).err().map(str::to_owned),
        false => Some(
            "must have no quotes, which would be a part of the table's name: names are quoted where \
             they need it"
                .to_owned(),
        ),
    }
}

/// An entry for a topic that is not read is likely a slip, and leaves in what it should leave out. Only
/// transforms can make such a topic.
fn check_field_lists(checked: &mut Checked) {
    let topics = checked.list(&common::TOPICS).to_vec();
    if topics.is_empty() || !checked.list(&common::TRANSFORMS).is_empty() {
        return;
    }
    for key in [&sink::FIELDS_WHITELIST, &sink::FIELDS_EXCLUDE] {
        let items = checked.list(key).iter().map(String::as_str);
        let entries = sink::field_entries(items).unwrap_or_default();
        let mut named = entries.into_iter().filter_map(|entry| entry.topic);
        if let Some(topic) = named.find(|topic| !topics.contains(topic)) {
            checked.warnings.push(format!(
                "{} has an entry for topic {topic}, which topics does not name: it counts for no record",
                key.name
            ));
        }
    }
}

fn check_dead_letter_topic(checked: &mut Checked) {
    let Some(topic) = checked.text(&common::DLQ_TOPIC).map(str::to_owned) else {
        return;
    };
    if !is_topic_name(&topic) {
        checked.refuse_value(&common::DLQ_TOPIC, "no name of a topic");
    }
    let topics = checked.list(&common::TOPICS);
    if topics.contains(&topic) {
        let message = format!(
            "The DLQ topic '{topic}' may not be included in the list of topics ('topics=[{}]') consumed by the connector",
            topics.join(", ")
        );
        checked.refuse(&common::TOPICS, message);
    }
    let regex = checked
        .text(&common::TOPICS_REGEX)
        .unwrap_or_default()
        .to_owned();
    if compile(&regex).is_ok_and(|compiled| compiled.is_match(&topic)) {
        let message = format!(
            "The DLQ topic '{topic}' may not be matched by the regex for the topics ('topics.regex={regex}') consumed by the connector"
        );
        checked.refuse(&common::TOPICS_REGEX, message);
    }
}

/// What is said of rejected records must be possible, and must not be forgotten.
fn check_tolerance(checked: &mut Checked) {
    let tolerates = checked.is(&common::ERRORS_TOLERANCE, "all");
    let has_table = checked.text(&common::DLQ_TABLE).is_some();
    let has_topic = checked.text(&common::DLQ_TOPIC).is_some();
    if tolerates && !has_table && !has_topic {
        checked.warnings.push(
            "errors.tolerance is all, and neither errors.deadletterqueue.topic.name nor errors.deadletterqueue.table is given: records that cannot be stored are skipped; each is counted and logged with topic, partition, offset and reason".to_owned(),
        );
    }
    if tolerates {
        return;
    }
    if has_table {
        let problem = "needs errors.tolerance=all: the row of a record that stops the task would be rolled back with it";
        checked.refuse_value(&common::DLQ_TABLE, problem);
    }
    for key in [&common::MAX_CONSECUTIVE, &common::MAX_RATIO] {
        if checked.is_given(key) {
            checked.warnings.push(format!(
                "{} has no effect: errors.tolerance is none, so the task stops at the first bad record",
                key.name
            ));
        }
    }
}

fn check_key(checked: &mut Checked) {
    if checked.text(&definitions::cassandra::MAPPING).is_some() {
        // The key is the table's.
        return;
    }
    let mode = &sink::PK_MODE;
    let needs_key = ["upsert", "update", "insert_ignore"]
        .iter()
        .any(|keyed| checked.is(&sink::INSERT_MODE, keyed));
    if needs_key && checked.is(mode, "none") {
        let problem = "needs a key to find rows by: set pk.mode to record_key, record_value, \
                       record_header or kafka";
        checked.refuse_value(&sink::INSERT_MODE, problem);
    }
    let has_events = checked.is(&sink::CHANGE_EVENTS, "debezium");
    let is_key_told = ["record_key", "record_header"]
        .iter()
        .any(|told| checked.is(mode, told));
    let is_row_told = has_events && checked.is(mode, "record_value");
    if checked.is_true(&sink::DELETE_ENABLED) && !is_key_told && !is_row_told {
        let problem = "needs pk.mode=record_key or record_header, or record_value with \
                       change.events=debezium: a record without a value has nothing but its key";
        checked.refuse_value(&sink::DELETE_ENABLED, problem);
    }
    if checked.is_true(&sink::TRUNCATE_ENABLED) && !has_events {
        let problem = "needs change.events=debezium: only a change event can empty a table";
        checked.refuse_value(&sink::TRUNCATE_ENABLED, problem);
    }
    if checked.is_given(&sink::UNAVAILABLE_VALUE) && !has_events {
        let problem = "needs change.events=debezium: only a change event lacks values";
        checked.refuse_value(&sink::UNAVAILABLE_VALUE, problem);
    }
    check_guard(checked);
    if let Some(problem) = key_fields_problem(checked) {
        checked.refuse_value(&sink::PK_FIELDS, problem);
    }
    if checked.is(mode, "none") && !checked.list(&sink::PK_FIELDS).is_empty() {
        checked
            .warnings
            .push("pk.fields has no effect: pk.mode is none, so rows have no key".to_owned());
    }
}

/// What is compared with rows that are there must be there, also for rows that were deleted.
fn check_guard(checked: &mut Checked) {
    let replaces = ["upsert", "update"]
        .iter()
        .any(|mode| checked.is(&sink::INSERT_MODE, mode));
    let deletes = checked.is_true(&sink::DELETE_ENABLED);
    let guard = checked.text(&sink::UPSERT_GUARD_FIELD).map(str::to_owned);
    let is_soft = checked.text(&sink::DELETE_SOFT_FIELD).is_some();
    if is_soft && !(deletes && replaces) {
        let problem = "needs delete.enabled=true, and insert.mode=upsert or update";
        checked.refuse_value(&sink::DELETE_SOFT_FIELD, problem);
    }
    check_tombstones(checked, guard.is_some() && deletes, is_soft);
    let has_tombstones = checked.text(&sink::DELETE_TOMBSTONE_TABLE).is_some();
    let Some(guard) = guard else {
        return;
    };
    if !replaces {
        let problem = "needs insert.mode=upsert or update: other modes replace no rows";
        checked.refuse_value(&sink::UPSERT_GUARD_FIELD, problem);
    }
    if checked.list(&sink::PK_FIELDS).contains(&guard) {
        let problem = "must not be a key column: rows of one key would all have the same value";
        checked.refuse_value(&sink::UPSERT_GUARD_FIELD, problem);
    }
    if replaces && deletes && !is_soft && !has_tombstones {
        let problem = "cannot go with upsert.guard.field unless delete.soft.field names a column, or \
                       delete.tombstone.table a table: a row that is gone cannot be compared with a late \
                       record, which would bring it back";
        checked.refuse_value(&sink::DELETE_ENABLED, problem);
    }
}

fn check_tombstones(checked: &mut Checked, has_guarded_deletes: bool, is_soft: bool) {
    let Some(name) = checked
        .text(&sink::DELETE_TOMBSTONE_TABLE)
        .map(str::to_owned)
    else {
        return;
    };
    let problem = if !has_guarded_deletes {
        "needs upsert.guard.field and delete.enabled=true: it remembers the guards of deletes"
    } else if is_soft {
        "cannot go with delete.soft.field: rows that are only marked are remembered by themselves"
    } else if !name.contains("${table}") {
        "must contain ${table}, such as ${table}_deleted: every table has tombstones of its own"
    } else if name == "${table}" {
        "must be another table than the one that is written"
    } else {
        return;
    };
    checked.refuse_value(&sink::DELETE_TOMBSTONE_TABLE, problem);
}

fn key_fields_problem(checked: &Checked) -> Option<&'static str> {
    let fields = checked.list(&sink::PK_FIELDS);
    let mut unique = fields.to_vec();
    unique.sort();
    unique.dedup();
    if unique.len() != fields.len() {
        return Some("a field is named twice");
    }
    let mode = &sink::PK_MODE;
    if checked.is(mode, "kafka") && !matches!(fields.len(), 0 | 3) {
        return Some(
            "with pk.mode=kafka it must be empty, or name three columns: topic, partition, offset",
        );
    }
    if checked.is(mode, "record_value") && fields.is_empty() {
        return Some("with pk.mode=record_value it must name at least one field of the value");
    }
    if checked.is(mode, "record_header") && fields.is_empty() {
        return Some("with pk.mode=record_header it must name at least one header");
    }
    None
}

/// After the transforms, which may give a key its fields.
pub(super) fn check_single_keys(checked: &mut Checked, worker: &WorkerSettings) {
    let is_single = match checked.text(&common::KEY_CONVERTER) {
        Some(class) => matches!(converter::kind(class), Ok(converter::Kind::Primitive(_))),
        None => worker.key_converter.is_primitive(),
    };
    let makes_fields = |transform: &TransformConfig| match transform.kind {
        TransformKind::ValueToKey => true,
        TransformKind::HoistField => transform.part == Part::Key,
        _ => false,
    };
    let stays_single = is_single && !checked.transforms.iter().any(makes_fields);
    let of_key = checked.is(&sink::PK_MODE, "record_key");
    if of_key && stays_single && checked.list(&sink::PK_FIELDS).len() != 1 {
        let problem = "with pk.mode=record_key and keys that are single values, as StringConverter gives them, it must name exactly one column";
        checked.refuse_value(&sink::PK_FIELDS, problem);
    }
}

/// Only the form: whether the database answers is found out when a task starts.
fn check_url(checked: &mut Checked) {
    let Some(url) = checked.text(&sink::CONNECTION_URL) else {
        if checked.is_given(&sink::CONNECTION_URL) && !has_errors(checked) {
            checked.refuse_value(&sink::CONNECTION_URL, "must not be empty");
        }
        return;
    };
    let (schemes, expected): (&[&str], &str) = match checked.class {
        SinkClass::Postgres => (
            &["jdbc:postgresql:", "postgresql://", "postgres://"],
            "must begin with jdbc:postgresql:// or postgresql://",
        ),
        SinkClass::MySql => (
            &["jdbc:mysql:", "jdbc:mariadb:", "mysql://", "mariadb://"],
            "must begin with jdbc:mysql://, jdbc:mariadb:// or mysql://",
        ),
        SinkClass::Sqlite => (
            &["jdbc:sqlite:", "sqlite:"],
            "must begin with jdbc:sqlite: or sqlite:",
        ),
        SinkClass::Cassandra => (
            &["cassandra://", "scylla://"],
            "must begin with cassandra://",
        ),
    };
    let Some(rest) = schemes.iter().find_map(|scheme| url.strip_prefix(scheme)) else {
        let problem = format!(
            "{expected}, as the class is {}",
            plugins::full_name(checked.class)
        );
        checked.refuse_value(&sink::CONNECTION_URL, &problem);
        return;
    };
    let is_file = !rest.trim_start_matches('/').is_empty() && !rest.contains(":memory:");
    if checked.class == SinkClass::Sqlite && !is_file {
        checked.refuse_value(
            &sink::CONNECTION_URL,
            "must name a file: a database in memory would be gone with its connection",
        );
    }
}

fn has_errors(checked: &Checked) -> bool {
    checked
        .entry(&sink::CONNECTION_URL)
        .is_some_and(|entry| !entry.errors.is_empty())
}

fn check_dialect(checked: &mut Checked) {
    let expected = match checked.class {
        SinkClass::Postgres => "PostgreSqlDatabaseDialect or empty",
        SinkClass::MySql => "MySqlDatabaseDialect or empty",
        SinkClass::Sqlite => "SqliteDatabaseDialect or empty",
        SinkClass::Cassandra => "empty",
    };
    let dialect = checked.text(&sink::DIALECT_NAME);
    let differs =
        dialect.is_some_and(|dialect| expected.strip_suffix(" or empty") != Some(dialect));
    if differs {
        let problem = format!(
            "must be {expected}, as the class is {}",
            plugins::full_name(checked.class)
        );
        checked.refuse_value(&sink::DIALECT_NAME, &problem);
    }
}

/// The whole name must match.
fn compile(pattern: &str) -> Result<regex::Regex, String> {
    if pattern.is_empty() {
        return Err("empty".to_owned());
    }
    // Without the anchors first, so that an unbalanced group cannot close the one around it.
    let build = |pattern: &str| {
        RegexBuilder::new(pattern)
            .size_limit(REGEX_BYTES_MAX)
            .build()
    };
    match build(pattern).and_then(|_| build(&format!("^(?:{pattern})$"))) {
        Ok(regex) => Ok(regex),
        Err(regex::Error::CompiledTooBig(limit)) => {
            Err(format!("Invalid regex: takes more than {limit} bytes"))
        }
        Err(error) => {
            // The last line says what is wrong; those before draw the pattern.
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default();
            Err(format!(
                "Invalid regex: {}",
                reason.trim_start_matches("error: ")
            ))
        }
    }
}

fn is_topic_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty()
        && name.len() <= TOPIC_NAME_LENGTH_MAX
        && name != "."
        && name != ".."
        && name.bytes().all(legal)
}
