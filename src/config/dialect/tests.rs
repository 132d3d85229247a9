//! Goal: every documented key of every dialect does what its table says, and whole configs as
//! people have them come out as they were meant.

use std::collections::BTreeMap;

use rowdock_connectors::WriteMode;

use super::*;
use crate::config::connector::{
    ConnectorConfig, KeyMode, SinkClass, TopicDots, TopicSelection, UnknownFields,
};
use crate::config::connector_json;
use crate::config::parse::Invalid;
use crate::config::validate::{Validation, validate, validate_for_plugin};
use crate::config::worker::WorkerSettings;

mod datastax;
mod keys;
mod lenses;
mod wild;

const CONFLUENT: &str = "io.confluent.connect.jdbc.JdbcSinkConnector";
const AIVEN: &str = "io.aiven.connect.jdbc.JdbcSinkConnector";
const DEBEZIUM: &str = "io.debezium.connector.jdbc.JdbcSinkConnector";
const DATASTAX: &str = "com.datastax.oss.kafka.sink.CassandraSinkConnector";
const LENSES: &str = "io.lenses.streamreactor.connect.cassandra.CassandraSinkConnector";
const OLDER_LENSES: &str = "io.lenses.streamreactor.connect.cassandra.sink.CassandraSinkConnector";

/// Every key that the sinks' own documentation lists.
const DOCUMENTED: &[(&str, &[&str])] = &[
    (
        CONFLUENT,
        &[
            "connection.url",
            "connection.user",
            "connection.password",
            "connection.attempts",
            "connection.backoff.ms",
            "connection.sslmode",
            "jdbc.credentials.provider.class",
            "jdbc.credentials.provider.region",
            "dialect.name",
            "insert.mode",
            "batch.size",
            "delete.enabled",
            "table.types",
            "replace.null.with.default",
            "table.name.format",
            "pk.mode",
            "pk.fields",
            "fields.whitelist",
            "db.timezone",
            "date.timezone",
            "date.calendar.system",
            "timestamp.fields.list",
            "timestamp.precision.mode",
            "string.output.value.column.name",
            "auto.create",
            "auto.evolve",
            "quote.sql.identifiers",
            "max.retries",
            "retry.backoff.ms",
            "mssql.use.merge.holdlock",
            "trim.sensitive.log",
        ],
    ),
    (
        AIVEN,
        &[
            "connection.url",
            "connection.user",
            "connection.password",
            "dialect.name",
            "insert.mode",
            "batch.size",
            "delete.enabled",
            "table.name.format",
            "table.name.normalize",
            "topics.to.tables.mapping",
            "pk.mode",
            "pk.fields",
            "fields.whitelist",
            "db.timezone",
            "auto.create",
            "auto.evolve",
            "sql.quote.identifiers",
            "max.retries",
            "retry.backoff.ms",
        ],
    ),
    (
        DEBEZIUM,
        &[
            "connection.url",
            "connection.username",
            "connection.password",
            "connection.provider",
            "connection.pool.min_size",
            "connection.pool.max_size",
            "connection.pool.timeout",
            "connection.restart.on.errors",
            "hibernate.dialect",
            "hibernate.connection.sslmode",
            "insert.mode",
            "batch.size",
            "delete.enabled",
            "truncate.enabled",
            "collection.name.format",
            "table.name.format",
            "collection.naming.strategy",
            "table.naming.strategy",
            "column.naming.strategy",
            "collection.table.format",
            "primary.key.mode",
            "primary.key.fields",
            "field.include.list",
            "field.exclude.list",
            "use.time.zone",
            "database.time_zone",
            "schema.evolution",
            "quote.identifiers",
            "flush.max.retries",
            "flush.retry.delay.ms",
            "use.reduction.buffer",
            "internal.enable.sces",
            "keyed.message.batch.mode",
            "dialect.postgres.unnest.insert.enabled",
            "dialect.postgres.postgis.schema",
            "dialect.sqlserver.identity.insert",
            "dialect.starrocks.catalog.name",
            "cloud.events.schema.name.pattern",
        ],
    ),
    (
        DATASTAX,
        &[
            "contactPoints",
            "port",
            "loadBalancing.localDc",
            "cloud.secureConnectBundle",
            "auth.provider",
            "auth.username",
            "auth.password",
            "auth.gssapi.keyTab",
            "ssl.provider",
            "ssl.hostnameValidation",
            "ssl.keystore.path",
            "maxConcurrentRequests",
            "maxNumberOfRecordsInBatch",
            "connectionPoolLocalSize",
            "queryExecutionTimeout",
            "compression",
            "ignoreErrors",
            "jmx",
            "jmxConnectorDomain",
            "datastax-java-driver.basic.request.timeout",
            "topic.orders.shop.t.mapping",
            "topic.orders.shop.t.consistencyLevel",
            "topic.orders.shop.t.ttl",
            "topic.orders.shop.t.ttlTimeUnit",
            "topic.orders.shop.t.timestampTimeUnit",
            "topic.orders.shop.t.nullToUnset",
            "topic.orders.shop.t.deletesEnabled",
            "topic.orders.shop.t.query",
            "topic.orders.codec.locale",
        ],
    ),
    (LENSES, lenses::DOCUMENTED),
    (OLDER_LENSES, lenses::DOCUMENTED_OF_OLDER),
];

fn raw(pairs: &[(&str, &str)]) -> RawConfig {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())))
        .collect()
}

/// A good config of this class, with changes.
fn config(class: &str, changes: &[(&str, &str)]) -> RawConfig {
    let mut config = raw(&[
        ("name", "orders"),
        ("connector.class", class),
        ("topics", "orders"),
        ("connection.url", "jdbc:postgresql://db:5432/shop"),
        ("value.converter", "JsonConverter"),
    ]);
    if class == DATASTAX {
        config.remove("connection.url");
        config.extend(raw(&[
            ("contactPoints", "h1, h2"),
            ("loadBalancing.localDc", "dc1"),
            ("topic.orders.shop.t.mapping", "id=key.id, n=value.n"),
        ]));
    }
    if class == LENSES || class == OLDER_LENSES {
        config.remove("connection.url");
        config.extend(raw(lenses::base(class)));
    }
    config.extend(raw(changes));
    config
}

fn worker() -> WorkerSettings {
    WorkerSettings::default()
}

fn errors(config: &RawConfig) -> Vec<(String, String)> {
    match ConnectorConfig::parse(config, &worker()) {
        Ok(_) => Vec::new(),
        Err(Invalid::Keys(errors)) => errors
            .into_iter()
            .map(|error| (error.key, error.message))
            .collect(),
        Err(other) => vec![(String::new(), other.to_string())],
    }
}

fn accepted(class: &str, changes: &[(&str, &str)]) -> ConnectorConfig {
    ConnectorConfig::parse(&config(class, changes), &worker()).unwrap()
}

/// What the sink's own keys of a config become, without those that every connector has.
fn ours(class: &str, changes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let config = config(class, changes);
    let translation = Dialect::of_class(class).unwrap().translate(&config);
    assert_eq!(translation.errors, [], "{changes:?}");
    translation
        .ours
        .into_iter()
        .filter(|(key, _)| !is_of_connect(key))
        .map(|(key, value)| (key, value.unwrap()))
        .collect()
}

/// One key and value becomes these keys and values of ours.
fn becomes(class: &str, key: &str, value: &str, expected: &[(&str, &str)]) {
    let with = ours(class, &[(key, value)]);
    for (key, value) in expected {
        assert_eq!(
            with.get(*key).map(String::as_str),
            Some(*value),
            "{class} {key}: {with:?}"
        );
    }
}

/// One key and value is refused, in words that have this part, under the name that was given.
fn refused(class: &str, key: &str, value: &str, part: &str) {
    let errors = errors(&config(class, &[(key, value)]));
    assert_eq!(errors.len(), 1, "{class} {key}: {errors:?}");
    assert_eq!(errors[0].0, key, "{errors:?}");
    assert!(errors[0].1.contains(part), "{errors:?}");
}

/// One key and value is accepted, with one warning that begins with its name.
fn warned(class: &str, key: &str, value: &str, part: &str) {
    let config = config(class, &[(key, value), ("quote.identifiers", "true")]);
    let config = match class {
        DEBEZIUM => config,
        _ => config
            .into_iter()
            .filter(|(key, _)| key != "quote.identifiers")
            .collect(),
    };
    assert_eq!(errors(&config), [], "{class} {key}");
    let warnings = ConnectorConfig::warnings(&config, &worker());
    assert_eq!(warnings.len(), 1, "{class} {key}: {warnings:?}");
    let start = format!("{key} ");
    assert!(
        warnings[0].starts_with(&start) && warnings[0].contains(part),
        "{warnings:?}"
    );
    let answer = validate(&config, &worker()).unwrap();
    assert_eq!(value_of(&answer, key).warnings, warnings);
}

fn value_of<'a>(answer: &'a Validation, key: &str) -> &'a crate::config::validate::ConfigValueInfo {
    let found: Vec<_> = answer
        .configs
        .iter()
        .filter(|config| config.value.name == key)
        .collect();
    assert_eq!(found.len(), 1, "{key} is listed once");
    &found[0].value
}

#[test]
fn every_documented_key_is_in_its_table() {
    assert_eq!(ALL.len(), DOCUMENTED.len());
    for (class, keys) in DOCUMENTED {
        let dialect = Dialect::of_class(class).unwrap();
        for key in *keys {
            assert!(dialect.key(key).is_some(), "{class} {key}");
        }
        let mut names = std::collections::BTreeSet::new();
        for key in dialect.keys {
            assert!(names.insert(key.name), "{} is listed twice", key.name);
        }
    }
}

#[test]
fn defaults_are_acceptable_to_their_own_tables() {
    for dialect in ALL {
        let class = dialect.classes[0];
        for key in dialect.keys {
            let Some(default) = key.default else { continue };
            let config = config(class, &[(key.name, default)]);
            let translation = dialect.translate(&config);
            assert_eq!(translation.errors, [], "{class} {}", key.name);
        }
    }
}

#[test]
fn defaults_of_theirs_stand_where_ours_differ() {
    let confluent = accepted(CONFLUENT, &[]);
    assert_eq!(confluent.batch.max_rows, 3000);
    assert_eq!(confluent.sink.topic_dots, TopicDots::Schema);
    let aiven = accepted(AIVEN, &[]);
    assert_eq!(aiven.batch.max_rows, 3000);
    assert_eq!(aiven.sink.topic_dots, TopicDots::Schema);
    let debezium = accepted(DEBEZIUM, &[]);
    assert_eq!(debezium.batch.max_rows, 500);
    assert_eq!(debezium.sink.topic_dots, TopicDots::Underscore);
    for config in [confluent, aiven, debezium] {
        assert_eq!(config.class, SinkClass::Postgres);
        assert_eq!(config.sink.key_mode, KeyMode::None);
        assert_eq!(config.sink.insert_mode, WriteMode::Insert);
        assert!(!config.sink.auto_create && !config.sink.delete_enabled);
        assert_eq!(config.sink.unknown_fields, UnknownFields::Fail);
    }
}

#[test]
fn the_database_is_the_urls() {
    let class = |url: &str| accepted(CONFLUENT, &[("connection.url", url)]).class;
    assert_eq!(class("jdbc:postgresql://h/d"), SinkClass::Postgres);
    assert_eq!(class("jdbc:sqlite:/tmp/x.db"), SinkClass::Sqlite);
    for (url, part) in [
        (
            "jdbc:oracle:thin:@h:1521/d",
            "oracle databases are not written to",
        ),
        ("jdbc:sqlserver://h", "it must begin with jdbc:postgresql:"),
        ("s3cret!", "no database can be told from it"),
    ] {
        for class in [CONFLUENT, AIVEN, DEBEZIUM] {
            refused(class, "connection.url", url, part);
        }
    }
    let missing: RawConfig = config(DEBEZIUM, &[])
        .into_iter()
        .filter(|(key, _)| key != "connection.url")
        .collect();
    let errors = errors(&missing);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].1.contains("Missing required"), "{errors:?}");
}

#[test]
fn messages_speak_of_the_keys_that_were_given() {
    refused(
        DEBEZIUM,
        "primary.key.mode",
        "nokey",
        "Invalid value nokey for configuration primary.key.mode",
    );
    refused(
        DEBEZIUM,
        "insert.mode",
        "upsert",
        "set primary.key.mode to record_key",
    );
    // What is wrong with a key of theirs that was not given is said at that key all the same.
    let without_fields = config(DEBEZIUM, &[("primary.key.mode", "record_value")]);
    let found = errors(&without_fields);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "primary.key.fields");
    assert!(
        found[0].1.contains("primary.key.mode=record_value"),
        "{found:?}"
    );
    let both = config(
        DEBEZIUM,
        &[("collection.name.format", "a"), ("table.name.format", "b")],
    );
    let found = errors(&both);
    assert!(found[0].1.contains("both mean the same key"), "{found:?}");
    let rivals = |class: &str, key: &str, value: &str, ours: (&str, &str)| {
        let found = errors(&config(class, &[(key, value), ours]));
        let told = |(name, problem): &(String, String)| {
            name == key && problem.contains(&format!("{} says something else", ours.0))
        };
        found.iter().any(told)
    };
    let (all, none) = (("errors.tolerance", "all"), ("errors.tolerance", "none"));
    let mode = "connect.cassandra.ignore.errors.mode";
    assert!(rivals(DATASTAX, "ignoreErrors", "None", all));
    assert!(rivals(DATASTAX, "ignoreErrors", "Driver", none));
    assert!(!rivals(DATASTAX, "ignoreErrors", "Driver", all));
    assert!(rivals(LENSES, mode, "none", all));
    assert!(!rivals(LENSES, mode, "all", all));
    let policy = "connect.cassandra.error.policy";
    assert!(rivals(OLDER_LENSES, policy, "NOOP", none));
    let ttl = "topic.orders.shop.t.ttl";
    assert!(rivals(DATASTAX, ttl, "60", ("cassandra.ttl.seconds", "70")));
    let secret = config(
        DEBEZIUM,
        &[("connection.password", "s3cret"), ("batch.size", "x")],
    );
    let answer = serde_json::to_string(&validate(&secret, &worker()).unwrap()).unwrap();
    assert!(!answer.contains("s3cret"), "{answer}");
    for class in [DATASTAX, LENSES, OLDER_LENSES] {
        let url = "cassandra://ann:s3cret@h1/shop?password=s3cret";
        let given = config(class, &[("connection.url", url)]);
        let answer = validate(&given, &worker()).unwrap();
        let shown = value_of(&answer, "connection.url").value.as_deref();
        assert_eq!(
            shown,
            Some("cassandra://[hidden]@h1/shop?[hidden]"),
            "{class}"
        );
        let answer = serde_json::to_string(&answer).unwrap();
        assert!(!answer.contains("s3cret"), "{answer}");
    }
}

#[test]
fn nulls_are_refused_under_any_name() {
    for (class, key) in [(DEBEZIUM, "primary.key.mode"), (CONFLUENT, "pk.mode")] {
        let mut config = config(class, &[]);
        config.insert(key.to_owned(), None);
        let errors = errors(&config);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].0, key);
    }
}

#[test]
fn the_answer_to_validate_lists_their_keys() {
    let given = config(
        DEBEZIUM,
        &[
            ("primary.key.mode", "record_key"),
            ("delivery.guarantee", "at_least_once"),
        ],
    );
    let answer = validate_for_plugin("JdbcSinkConnector", &given, &worker()).unwrap();
    assert_eq!((answer.name.as_str(), answer.error_count), (DEBEZIUM, 0));
    let value = |key: &str| value_of(&answer, key).value.clone();
    assert_eq!(value("primary.key.mode").as_deref(), Some("record_key"));
    assert_eq!(value("batch.size").as_deref(), Some("500"));
    assert_eq!(value("schema.evolution").as_deref(), Some("none"));
    assert_eq!(
        value("delivery.guarantee").as_deref(),
        Some("at_least_once")
    );
    let names = |name: &str| {
        answer
            .configs
            .iter()
            .any(|config| config.value.name == name)
    };
    assert!(
        !names("pk.mode") && !names("max.retries"),
        "ours have other names"
    );
    let batch = answer
        .configs
        .iter()
        .find(|it| it.value.name == "batch.size")
        .unwrap();
    assert_eq!(batch.definition.default_value.as_deref(), Some("500"));
    let other = validate_for_plugin(CONFLUENT, &given, &worker());
    assert!(matches!(other, Err(Invalid::OtherClass { .. })));
    for dialect in ALL {
        let keys = definitions(dialect);
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(names[0], "name");
        let url = dialect
            .name_of("connection.url")
            .unwrap_or("connection.url");
        assert!(names.contains(&url) && names.contains(&"progress.table"));
        assert!(keys.iter().all(|key| !key.documentation.is_empty()));
    }
}

#[test]
fn keys_of_ours_may_be_added_to_any_dialect() {
    for class in [CONFLUENT, AIVEN, DEBEZIUM] {
        let config = accepted(
            class,
            &[
                ("fields.unknown", "ignore"),
                ("table.name.dots", "keep"),
                ("progress.table", "kept"),
                ("linger.ms", "5"),
                ("topics.to.tables.mapping", "orders:o"),
            ],
        );
        assert_eq!(config.sink.unknown_fields, UnknownFields::Ignore);
        assert_eq!(config.sink.topic_dots, TopicDots::Keep);
        assert_eq!(config.sink.progress_table, "kept");
        assert_eq!(config.sink.tables_of_topics["orders"], "o");
        let refused = errors(&self::config(class, &[("connector.plugin.version", "1")]));
        assert_eq!(refused.len(), 1, "{refused:?}");
    }
}

/// As their sinks read it; the map splits the name.
#[test]
fn quotes_in_names_of_tables_are_theirs() {
    for class in [CONFLUENT, AIVEN] {
        for format in ["\"${topic}\"", "`shop`.`${topic}`"] {
            let config = accepted(class, &[("table.name.format", format)]);
            assert_eq!(config.sink.table_name_format, format);
            assert_eq!(config.sink.topic_dots, TopicDots::Schema);
        }
    }
    let refused = errors(&config(
        DEBEZIUM,
        &[("collection.name.format", "\"${topic}\"")],
    ));
    assert!(refused[0].1.contains("no quotes"), "{refused:?}");
}

#[test]
fn keys_are_renamed_whole() {
    let check = |message: &str, expected: &str| {
        assert_eq!(
            rename(message, "connection.user", "connection.username"),
            expected
        );
    };
    check("set connection.user.", "set connection.username.");
    check("set connection.username", "set connection.username");
    check("set connection.user.info", "set connection.user.info");
    check("x.connection.user", "x.connection.user");
    check(
        "connection.user=a, connection.user",
        "connection.username=a, connection.username",
    );
}
