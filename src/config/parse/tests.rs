//! Goal: every rule of a connector's config, by tables of changes to one good config and the
//! errors they give.

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::config::connector::{Ratio, RejectLimits, SinkClass, StartPosition};
use crate::config::converter::{JsonOptions, Primitive};
use crate::config::worker::SettingsSources;

mod field_lists;

const GOOD: &[(&str, &str)] = &[
    ("name", "orders"),
    ("connector.class", "PostgresSink"),
    ("topics", "orders"),
    ("connection.url", "jdbc:postgresql://db:5432/shop"),
];

fn raw(changes: &[(&str, &str)]) -> RawConfig {
    GOOD.iter()
        .chain(changes)
        .map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())))
        .collect()
}

fn worker(overrides: &[&str]) -> WorkerSettings {
    let sources = SettingsSources::overriding(overrides);
    WorkerSettings::load(&sources).unwrap().settings
}

fn accepted(changes: &[(&str, &str)]) -> ConnectorConfig {
    ConnectorConfig::parse(&raw(changes), &WorkerSettings::default()).unwrap()
}

fn errors(raw: &RawConfig, worker: &WorkerSettings) -> Vec<(String, String)> {
    match ConnectorConfig::parse(raw, worker) {
        Ok(_) => Vec::new(),
        Err(Invalid::Keys(errors)) => errors
            .into_iter()
            .map(|error| (error.key, error.message))
            .collect(),
        Err(other) => vec![(String::new(), other.to_string())],
    }
}

fn messages(changes: &[(&str, &str)]) -> Vec<String> {
    let errors = errors(&raw(changes), &WorkerSettings::default());
    errors.into_iter().map(|(_, message)| message).collect()
}

fn warnings(changes: &[(&str, &str)]) -> Vec<String> {
    ConnectorConfig::warnings(&raw(changes), &WorkerSettings::default())
}

#[test]
fn defaults_are_the_documented_ones() {
    let config = accepted(&[]);
    assert_eq!(
        (config.name.as_str(), config.class),
        ("orders", SinkClass::Postgres)
    );
    assert_eq!(config.tasks_max, 1);
    assert_eq!(
        config.topics,
        TopicSelection::List(vec!["orders".to_owned()])
    );
    let envelope = Converter::Json(JsonOptions {
        schemas_enable: true,
        schemas_cache_size: 1000,
        default_for_null: true,
    });
    assert_eq!(
        (&config.key_converter, &config.value_converter),
        (&envelope, &envelope)
    );
    let policy = ErrorPolicy {
        tolerate: false,
        dead_letter: None,
        dead_letter_table: None,
        limits: RejectLimits::default(),
        log: false,
        retry_timeout: None,
    };
    assert_eq!(config.errors, policy);
    assert!(config.consumer_overrides.is_empty() && config.producer_overrides.is_empty());
    assert_eq!(
        (config.delivery, config.start),
        (Delivery::ExactlyOnce, StartPosition::Earliest)
    );
    let limits = BatchLimits {
        max_rows: 5000,
        max_bytes: 8 * 1024 * 1024,
        linger: Duration::ZERO,
    };
    assert_eq!(config.batch, limits);
    let sink = &config.sink;
    assert_eq!(sink.url, "jdbc:postgresql://db:5432/shop");
    assert!(sink.user.is_none() && sink.password.is_none());
    assert_eq!(
        (sink.insert_mode, sink.key_mode),
        (WriteMode::Insert, KeyMode::None)
    );
    assert!(sink.key_fields.is_empty() && sink.fields_include.is_empty());
    assert!(!sink.delete_enabled && !sink.auto_create);
    assert_eq!(sink.unknown_fields, UnknownFields::Fail);
    assert_eq!(sink.table_name_format, "${topic}");
    assert_eq!(sink.progress_table, "rowdock_progress");
}

#[test]
fn every_key_arrives_in_its_field() {
    let config = accepted(&[
        ("connector.class", "rowdock.SqliteSinkConnector"),
        ("connection.url", " jdbc:sqlite:/tmp/shop.db "),
        ("connection.user", "ann"),
        ("connection.password", "s3cret "),
        ("tasks.max", " 4 "),
        ("topics", "a, b,a"),
        (
            "key.converter",
            "org.apache.kafka.connect.storage.StringConverter",
        ),
        ("value.converter", "JsonConverter"),
        ("value.converter.schemas.enable", "FALSE"),
        ("value.converter.schemas.cache.size", "7"),
        ("errors.tolerance", "all"),
        ("errors.log.enable", "true"),
        ("errors.deadletterqueue.topic.name", "dead"),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
        ("errors.deadletterqueue.table", "shop.letters"),
        ("errors.max.consecutive", "9"),
        ("errors.max.ratio", "0.25"),
        ("consumer.override.auto.offset.reset", "latest"),
        ("consumer.override.fetch.min.bytes", "5"),
        ("producer.override.linger.ms", "1"),
        ("insert.mode", "UPSERT"),
        ("pk.mode", "record_key"),
        ("pk.fields", "id"),
        ("delete.enabled", "true"),
        ("auto.create", "true"),
        ("table.name.format", "shop.${topic}_rows"),
        ("fields.whitelist", "x, y"),
        ("fields.unknown", "ignore"),
        ("batch.size", "10"),
        ("batch.max.bytes", "2097152"),
        ("linger.ms", "3"),
        ("delivery.guarantee", "at_least_once"),
        ("progress.table", "shop.progress"),
    ]);
    assert_eq!((config.class, config.tasks_max), (SinkClass::Sqlite, 4));
    assert_eq!(
        config.topics,
        TopicSelection::List(vec!["a".to_owned(), "b".to_owned()])
    );
    assert_eq!(config.key_converter, Converter::Primitive(Primitive::Text));
    let plain = Converter::Json(JsonOptions {
        schemas_enable: false,
        schemas_cache_size: 7,
        default_for_null: true,
    });
    assert_eq!(config.value_converter, plain);
    let dead = DeadLetterTopic {
        topic: "dead".to_owned(),
        replication_factor: 1,
        context_headers: true,
    };
    assert_eq!(config.errors.dead_letter, Some(dead));
    assert!(config.errors.tolerate && config.errors.log);
    assert_eq!(
        config.errors.dead_letter_table.as_deref(),
        Some("shop.letters")
    );
    let limits = RejectLimits {
        max_consecutive: Some(9),
        max_ratio: Ratio::parse("0.25"),
    };
    assert_eq!(config.errors.limits, limits);
    assert_eq!(
        (config.delivery, config.start),
        (Delivery::AtLeastOnce, StartPosition::Latest)
    );
    assert_eq!(config.consumer_overrides["fetch.min.bytes"], "5");
    assert_eq!(config.producer_overrides["linger.ms"], "1");
    assert_eq!(
        (config.batch.max_rows, config.batch.max_bytes),
        (10, 2_097_152)
    );
    assert_eq!(config.batch.linger, Duration::from_millis(3));
    let sink = &config.sink;
    assert_eq!(sink.url, "jdbc:sqlite:/tmp/shop.db");
    assert_eq!(sink.user.as_deref(), Some("ann"));
    assert_eq!(sink.password.as_ref().unwrap().expose_secret(), "s3cret ");
    assert_eq!(
        (sink.insert_mode, sink.key_mode),
        (WriteMode::Upsert, KeyMode::RecordKey)
    );
    assert_eq!(sink.key_fields, ["id"]);
    let fields: Vec<&str> = sink
        .fields_include
        .iter()
        .map(|entry| entry.field.as_str())
        .collect();
    assert_eq!(fields, ["x", "y"]);
    assert!(sink.delete_enabled && sink.auto_create);
    assert_eq!(sink.unknown_fields, UnknownFields::Ignore);
    assert_eq!(sink.table_name_format, "shop.${topic}_rows");
    assert_eq!(sink.progress_table, "shop.progress");
}

/// A null of a field that has a default stays null, whatever reads the value; keys have their defaults.
#[test]
fn nulls_are_kept_where_the_sink_says_so() {
    let kept = |given: &[(&str, &str)]| {
        let config = ConnectorConfig::parse(&raw(given), &worker(&[])).unwrap();
        let of = |converter: &Converter| match converter {
            Converter::Json(options) => options.default_for_null,
            Converter::Registered(_, options) => options.default_for_null,
            Converter::Primitive(_) => unreachable!("not a converter of schemas"),
        };
        (of(&config.key_converter), of(&config.value_converter))
    };
    let avro = [
        ("value.converter", "AvroConverter"),
        (
            "value.converter.schema.registry.url",
            "http://localhost:8081",
        ),
        ("key.converter", "JsonConverter"),
    ];
    let json = [
        ("value.converter", "JsonConverter"),
        ("key.converter", "JsonConverter"),
    ];
    for converters in [&avro[..], &json, &[]] {
        for (value, expected) in [("true", true), ("false", false)] {
            let mut given = converters.to_vec();
            given.push(("replace.null.with.default", value));
            assert_eq!(kept(&given), (true, expected), "{given:?}");
        }
        assert_eq!(kept(converters), (true, true));
    }
}

#[test]
fn the_worker_gives_converters_and_starts_that_a_connector_does_not_name() {
    let worker = worker(&[
        "key.converter=StringConverter",
        "value.converter.schemas.enable=false",
        "consumer.auto.offset.reset=latest",
    ]);
    let config = ConnectorConfig::parse(&raw(&[]), &worker).unwrap();
    assert_eq!(config.key_converter, Converter::Primitive(Primitive::Text));
    let json = |schemas_enable| {
        Converter::Json(JsonOptions {
            schemas_enable,
            schemas_cache_size: 1000,
            default_for_null: true,
        })
    };
    assert_eq!(config.value_converter, json(false));
    assert_eq!(config.start, StartPosition::Latest);
    let named = raw(&[
        ("value.converter", "JsonConverter"),
        ("consumer.override.auto.offset.reset", "earliest"),
    ]);
    let config = ConnectorConfig::parse(&named, &worker).unwrap();
    assert_eq!(
        config.value_converter,
        json(true),
        "all or nothing, as in Kafka Connect"
    );
    assert_eq!(config.start, StartPosition::Earliest);
}

#[test]
fn kafka_connects_checks_give_its_messages() {
    let check = |changes: &[(&str, &str)], expected: &[&str]| {
        assert_eq!(messages(changes), expected, "{changes:?}");
    };
    check(
        &[("tasks.max", "dog")],
        &[
            "Invalid value dog for configuration tasks.max: Not a number of type INT",
            "Invalid value null for configuration tasks.max: Value must be non-null",
        ],
    );
    check(
        &[("tasks.max", "0")],
        &["Invalid value 0 for configuration tasks.max: Value must be at least 1"],
    );
    check(
        &[("tasks.max", "1025")],
        &["Invalid value 1025 for configuration tasks.max: Value must be no more than 1024"],
    );
    check(
        &[("errors.tolerance", "some")],
        &[
            "Invalid value some for configuration errors.tolerance: String must be one of: none, all",
        ],
    );
    check(
        &[("auto.create", "maybe")],
        &[
            "Invalid value maybe for configuration auto.create: Expected value to be either true or false",
        ],
    );
    let neither = "Must configure one of topics or topics.regex";
    check(&[("topics", " ")], &[neither, neither]);
    let both = "topics and topics.regex are mutually exclusive options, but both are set.";
    check(&[("topics.regex", "x.*")], &[both, both]);
    check(
        &[
            ("topics", "a, dlq"),
            ("errors.deadletterqueue.topic.name", "dlq"),
        ],
        &[
            "The DLQ topic 'dlq' may not be included in the list of topics ('topics=[a, dlq]') consumed by the connector",
        ],
    );
    check(
        &[
            ("topics", ""),
            ("topics.regex", "d.*"),
            ("errors.deadletterqueue.topic.name", "dlq"),
        ],
        &[
            "The DLQ topic 'dlq' may not be matched by the regex for the topics ('topics.regex=d.*') consumed by the connector",
        ],
    );
    check(
        &[
            ("topics", ""),
            ("topics.regex", "d"),
            ("errors.deadletterqueue.topic.name", "dlq"),
        ],
        &[],
    );
    check(
        &[("name", "")],
        &["Invalid value  for configuration name: String may not be empty"],
    );
    check(
        &[("name", "a\tb")],
        &[
            "Invalid value a\tb for configuration name: String may not contain control sequences but had the following ASCII chars: 9",
        ],
    );
    check(
        &[("errors.retry.timeout", "x")],
        &["Invalid value x for configuration errors.retry.timeout: Not a number of type LONG"],
    );
}

#[test]
fn missing_and_null_values_are_refused() {
    let mut config = raw(&[]);
    config.remove("name");
    config.remove("connection.url");
    assert_eq!(
        errors(&config, &WorkerSettings::default()),
        [
            (
                "name",
                "Missing required configuration \"name\" which has no default value."
            ),
            (
                "connection.url",
                "Missing required configuration \"connection.url\" which has no default value."
            ),
        ]
        .map(|(key, message)| (key.to_owned(), message.to_owned()))
    );
    let null = "Null value can not be supplied as the configuration value.";
    let check = |key: &str, expected: &[&str]| {
        let mut config = raw(&[]);
        config.insert(key.to_owned(), None);
        let errors = errors(&config, &WorkerSettings::default());
        let messages: Vec<&str> = errors.iter().map(|(_, message)| message.as_str()).collect();
        assert_eq!(messages, expected, "{key}");
    };
    let tasks_max = "Invalid value null for configuration tasks.max: Value must be non-null";
    check("tasks.max", &[tasks_max, null]);
    let tolerance =
        "Invalid value null for configuration errors.tolerance: String must be one of: none, all";
    check("errors.tolerance", &[tolerance, null]);
    check("name", &[null]);
    check("some.unknown.key", &[null]);
    check("consumer.override.fetch.min.bytes", &[null]);
}

#[test]
fn classes_are_checked_before_anything_else() {
    let check = |class: Option<Option<&str>>, expected: &str| {
        let mut config = RawConfig::from([("name".to_owned(), Some("n".to_owned()))]);
        if let Some(class) = class {
            config.insert("connector.class".to_owned(), class.map(str::to_owned));
        }
        let refused = ConnectorConfig::parse(&config, &WorkerSettings::default()).unwrap_err();
        assert!(refused.to_string().starts_with(expected), "{refused}");
    };
    check(None, "Connector config {name=n} contains no connector type");
    check(
        Some(None),
        "Connector config {name=n} contains no connector type",
    );
    let unknown = |class: &str| {
        format!(
            "Failed to find any class that implements Connector and which name matches {class}, available connectors are: rowdock.PostgresSink, rowdock.MySqlSink, rowdock.SqliteSink"
        )
    };
    check(Some(Some("Foo")), &unknown("Foo"));
    check(Some(Some("")), &unknown(""));
}

#[test]
fn errors_are_rendered_as_kafka_connect_does() {
    let refused = ConnectorConfig::parse(
        &raw(&[("tasks.max", "dog"), ("errors.tolerance", "x")]),
        &WorkerSettings::default(),
    );
    assert_eq!(
        refused.unwrap_err().to_string(),
        "Connector configuration is invalid and contains the following 3 error(s):\n\
         Invalid value dog for configuration tasks.max: Not a number of type INT\n\
         Invalid value null for configuration tasks.max: Value must be non-null\n\
         Invalid value x for configuration errors.tolerance: String must be one of: none, all\n\
         You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`"
    );
}

mod rules;
mod secrets;

fn any_key() -> impl Strategy<Value = String> {
    let known: Vec<String> = crate::config::definitions::keys()
        .map(|key| key.name.to_owned())
        .collect();
    prop_oneof![
        prop::sample::select(known),
        "[a-z.]{1,30}",
        "(consumer|producer).override.[a-z.]{1,20}"
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_config_panics(pairs in prop::collection::btree_map(any_key(), prop::option::of("\\PC{0,30}"), 0..12)) {
        let mut config = raw(&[]);
        config.extend(pairs);
        let worker = WorkerSettings::default();
        let parsed = ConnectorConfig::parse(&config, &worker);
        if let Ok(validation) = crate::config::validate::validate(&config, &worker) {
            prop_assert_eq!(validation.error_count == 0, parsed.is_ok());
        } else {
            prop_assert!(parsed.is_err());
        }
    }
}
