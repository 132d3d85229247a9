//! What can and cannot be with `CassandraSink`, and that its keys are given with no other class.

use crate::config::check::Checked;
use crate::config::connector::SinkClass;
use crate::config::definitions::{cassandra, common, sink};
use crate::config::{mapping, plugins};

pub(super) fn check(checked: &mut Checked) {
    if checked.class != SinkClass::Cassandra {
        refuse_elsewhere(checked);
        return;
    }
    check_modes(checked);
    check_keys(checked);
    check_mapping(checked);
}

fn refuse_elsewhere(checked: &mut Checked) {
    for key in cassandra::KEYS {
        if checked.is_given(key) {
            let class = plugins::full_name(checked.class);
            checked.refuse_value(
                key,
                &format!("only rowdock.CassandraSink has this key, not {class}"),
            );
        }
    }
}

/// Cassandra writes without looking: what depends on the row that is there would take a lightweight
/// transaction for each row, which takes no write timestamp, and could not be repeated.
fn check_modes(checked: &mut Checked) {
    for mode in ["update", "insert_ignore"] {
        if checked.is(&sink::INSERT_MODE, mode) {
            let problem = "cassandra writes rows without looking whether they are there; set insert or \
                           upsert, which are the same to it";
            checked.refuse_value(&sink::INSERT_MODE, problem);
        }
    }
    if checked.text(&sink::UPSERT_GUARD_FIELD).is_some() {
        let problem = "cassandra compares no values, only write timestamps: name the field in \
                       cassandra.timestamp.field, if it is one of microseconds";
        checked.refuse_value(&sink::UPSERT_GUARD_FIELD, problem);
    }
    if checked.is_true(&sink::TRUNCATE_ENABLED) {
        let problem = "cassandra empties a table without regard to the order of records";
        checked.refuse_value(&sink::TRUNCATE_ENABLED, problem);
    }
}

fn check_keys(checked: &mut Checked) {
    let is_mapped = checked.text(&cassandra::MAPPING).is_some();
    if checked.is_true(&sink::AUTO_CREATE) && checked.is(&sink::PK_MODE, "none") && !is_mapped {
        let problem = "needs a key for the tables that are created: set pk.mode to record_key, \
                       record_value or kafka";
        checked.refuse_value(&sink::AUTO_CREATE, problem);
    }
    let key = checked.list(&sink::PK_FIELDS).to_vec();
    let partition = checked.list(&cassandra::PARTITION_KEY).to_vec();
    let foreign = partition.iter().find(|field| !key.contains(field));
    if let (Some(foreign), false) = (foreign, key.is_empty()) {
        let problem = format!("names {foreign}, which is not in pk.fields");
        checked.refuse_value(&cassandra::PARTITION_KEY, &problem);
    }
}

/// What a mapping says is not said again, and it says it of every topic. Which topics records have behind
/// transforms, only records tell.
fn check_mapping(checked: &mut Checked) {
    let Some(text) = checked.text(&cassandra::MAPPING) else {
        if checked.is_true(&cassandra::DELETE_PREFIX) {
            let problem = "is for cassandra.mapping; without one pk.fields names the beginning of the \
                           key that a delete goes by";
            checked.refuse_value(&cassandra::DELETE_PREFIX, problem);
        }
        return;
    };
    let Ok(mappings) = mapping::parse(text) else {
        return;
    };
    let has_regex = checked.text(&common::TOPICS_REGEX).is_some();
    let is_transformed = !checked.list(&common::TRANSFORMS).is_empty();
    let topics = checked.list(&common::TOPICS).iter();
    let mut without =
        topics.filter(|topic| !mappings.iter().any(|mapping| mapping.topic == **topic));
    let problem = match without.next().cloned() {
        _ if has_regex => {
            Some("needs topics, not topics.regex: every topic is mapped by its name".to_owned())
        }
        Some(_) if is_transformed => None,
        Some(topic) => Some(format!("every topic must be mapped, and {topic} is not")),
        None => None,
    };
    if let Some(problem) = problem {
        checked.refuse_value(&cassandra::MAPPING, &problem);
    }
    const SAID: &str = "cannot be given with cassandra.mapping, which says that already";
    for key in [
        &sink::TOPICS_TO_TABLES,
        &sink::PK_FIELDS,
        &sink::FIELDS_WHITELIST,
        &sink::FIELDS_EXCLUDE,
        &cassandra::TTL_FIELD,
        &cassandra::TIMESTAMP_FIELD,
    ] {
        if checked.text(key).is_some() || !checked.list(key).is_empty() {
            checked.refuse_value(key, SAID);
        }
    }
    for key in [&sink::AUTO_CREATE, &sink::AUTO_EVOLVE, &sink::CHANGE_EVENTS] {
        let is_on = checked.is_true(key) || checked.is(key, "debezium");
        if is_on {
            let problem = "cannot be with cassandra.mapping, which speaks of tables that are there";
            checked.refuse_value(key, problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::RawConfig;
    use crate::config::connector::ConnectorConfig;
    use crate::config::worker::WorkerSettings;

    fn problem(changes: &[(&str, &str)]) -> Option<String> {
        let base = [
            ("name", "orders"),
            ("connector.class", "CassandraSink"),
            ("topics", "orders"),
            ("connection.url", "cassandra://localhost/shop"),
            ("pk.mode", "record_value"),
            ("pk.fields", "id,at"),
        ];
        let pairs = base.iter().chain(changes);
        let raw: RawConfig = pairs
            .map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())))
            .collect();
        let parsed = ConnectorConfig::parse(&raw, &WorkerSettings::default());
        parsed.err().map(|invalid| invalid.to_string())
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        let check = |changes: &[(&str, &str)], expected: &str| {
            let problem = problem(changes).unwrap_or_default();
            assert!(problem.contains(expected), "{changes:?}: {problem}");
        };
        assert_eq!(problem(&[]), None);
        assert_eq!(
            problem(&[("insert.mode", "upsert"), ("auto.create", "true")]),
            None
        );
        check(&[("insert.mode", "update")], "without looking");
        check(&[("insert.mode", "insert_ignore")], "without looking");
        check(
            &[("insert.mode", "upsert"), ("upsert.guard.field", "v")],
            "cassandra.timestamp.field",
        );
        check(
            &[("truncate.enabled", "true"), ("change.events", "debezium")],
            "order of records",
        );
        check(
            &[
                ("auto.create", "true"),
                ("pk.mode", "none"),
                ("pk.fields", ""),
            ],
            "needs a key",
        );
        check(&[("cassandra.partition.key", "id,other")], "names other");
        check(
            &[("connection.url", "jdbc:sqlite:/tmp/x.db")],
            "cassandra://",
        );
        check(
            &[("cassandra.consistency", "MOST")],
            "cassandra.consistency",
        );
        check(&[("cassandra.keyspace.replication", "3")], "must be a map");
        let mapped = ("cassandra.mapping", "orders -> shop.t: id=key");
        let keyless = [("pk.mode", "none"), ("pk.fields", "")];
        assert_eq!(
            problem(&[mapped, keyless[0], keyless[1], ("delete.enabled", "true")]),
            None
        );
        check(&[mapped], "pk.fields");
        let prefix = ("cassandra.delete.prefix", "true");
        let deletes = ("delete.enabled", "true");
        assert_eq!(
            problem(&[mapped, keyless[0], keyless[1], deletes, prefix]),
            None
        );
        check(&[prefix], "is for cassandra.mapping");
        check(
            &[("cassandra.mapping", "other -> shop.t: id=key"), keyless[1]],
            "orders is not",
        );
        let renames = [
            ("transforms", "route"),
            (
                "transforms.route.type",
                "org.apache.kafka.connect.transforms.RegexRouter",
            ),
            ("transforms.route.regex", ".*"),
            ("transforms.route.replacement", "other"),
        ];
        let mut renamed = vec![("cassandra.mapping", "other -> shop.t: id=key")];
        renamed.extend(keyless.iter().chain(&renames).copied());
        assert_eq!(problem(&renamed), None);
        check(
            &[("cassandra.mapping", "orders -> shop.t: id"), keyless[1]],
            "is not column=field",
        );
        check(
            &[mapped, keyless[1], ("auto.create", "true")],
            "tables that are there",
        );
    }

    #[test]
    fn its_keys_are_no_others() {
        let changes = [
            ("connector.class", "SqliteSink"),
            ("connection.url", "sqlite:/tmp/x.db"),
            ("cassandra.ttl.seconds", "5"),
        ];
        let problem = problem(&changes).unwrap_or_default();
        assert!(problem.contains("only rowdock.CassandraSink"), "{problem}");
    }
}
