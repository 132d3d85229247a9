//! What is refused, what is accepted all the same, and what is warned of.

use super::*;

/// One error that begins with the first text and contains the second.
fn refused(changes: &[(&str, &str)], key: &str, part: &str) {
    let errors = errors(&raw(changes), &WorkerSettings::default());
    assert_eq!(errors.len(), 1, "{changes:?}: {errors:?}");
    assert_eq!(errors[0].0, key, "{errors:?}");
    assert!(errors[0].1.contains(part), "{errors:?}");
}

#[test]
fn what_is_not_built_is_refused_with_what_is() {
    refused(
        &[("insert.mode", "multi")],
        "insert.mode",
        "insert, upsert, update, insert_ignore",
    );
    refused(&[("auto.evolve", "true")], "auto.evolve", "Only `false`");
    refused(&[("transforms", "route")], "transforms", "[route]");
    refused(
        &[("transforms", "r"), ("transforms.r.type", "RegexRouter")],
        "transforms",
        "applies none",
    );
    refused(&[("predicates", "p")], "predicates", "leave it empty");
    refused(
        &[("table.name.format", "${source.db}")],
        "table.name.format",
        "${topic}",
    );
    refused(
        &[("table.name.format", "")],
        "table.name.format",
        "non-empty",
    );
    refused(
        &[("quote.sql.identifiers", "NEVER")],
        "quote.sql.identifiers",
        "Only `ALWAYS`",
    );
    refused(
        &[("db.timezone", "Europe/Berlin")],
        "db.timezone",
        "Only `UTC`",
    );
    refused(&[("table.types", "VIEW")], "table.types", "Only `TABLE`");
    refused(
        &[("timestamp.fields.list", "ts")],
        "timestamp.fields.list",
        "[ts]",
    );
    refused(
        &[("date.calendar.system", "LEGACY")],
        "date.calendar.system",
        "PROLEPTIC",
    );
    refused(
        &[("replace.null.with.default", "false")],
        "replace.null.with.default",
        "true",
    );
    refused(
        &[("dialect.name", "MySqlDatabaseDialect")],
        "dialect.name",
        "PostgreSqlDatabaseDialect",
    );
    refused(
        &[("jdbc.credentials.provider.class", "x.Y")],
        "jdbc.credentials.provider.class",
        "Java classes",
    );
    refused(
        &[("delivery.guarantee", "twice")],
        "delivery.guarantee",
        "exactly_once, at_least_once",
    );
    refused(
        &[("connection.sslmode", "require")],
        "connection.sslmode",
        "connection.url",
    );
    refused(
        &[("primary.key.mode", "record_key")],
        "primary.key.mode",
        "use pk.mode",
    );
    refused(
        &[("upsert.guard.field", "v")],
        "upsert.guard.field",
        "not supported",
    );
    refused(
        &[("connector.plugin.version", "1")],
        "connector.plugin.version",
        "one version",
    );
    refused(
        &[("admin.override.client.id", "x")],
        "admin.override.client.id",
        "producer.override.client.id must be given",
    );
    let with_converter = |key: &str, value: &str, part: &str| {
        refused(
            &[("value.converter", "JsonConverter"), (key, value)],
            key,
            part,
        );
    };
    with_converter(
        "value.converter.replace.null.with.default",
        "false",
        "Only `true`",
    );
    with_converter("value.converter.converter.encoding", "UTF-16", "Only UTF-8");
    with_converter("value.converter.schemas.cache.size", "0", "at least 1");
}

#[test]
fn values_of_other_sinks_that_mean_the_same_are_accepted() {
    let changes = [
        ("auto.evolve", "false"),
        ("transforms", ""),
        ("quote.sql.identifiers", "always"),
        ("db.timezone", "UTC"),
        ("table.types", "TABLE"),
        ("dialect.name", "PostgreSqlDatabaseDialect"),
        ("max.retries", "10"),
        ("date.timezone", "utc"),
        ("key.converter.converter.encoding", "UTF-8"),
        ("producer.override.client.id", "x"),
        ("admin.override.client.id", "x"),
    ];
    assert_eq!(messages(&changes), Vec::<String>::new());
}

#[test]
fn converters_are_checked() {
    refused(
        &[("key.converter", "nope.Converter")],
        "key.converter",
        "Invalid value nope.Converter for configuration key.converter: Class nope.Converter could not be found.",
    );
    refused(
        &[("value.converter", "io.confluent.connect.avro.AvroConverter")],
        "value.converter",
        "Built in are JsonConverter",
    );
    refused(
        &[("header.converter", "nope")],
        "header.converter",
        "Class nope could not be found.",
    );
    refused(
        &[("value.converter", "StringConverter")],
        "value.converter",
        "use JsonConverter",
    );
    let text_worker = worker(&["value.converter=StringConverter"]);
    let errors = errors(&raw(&[]), &text_worker);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].0, "value.converter");
}

#[test]
fn keys_and_modes_must_fit_together() {
    for mode in ["upsert", "update", "insert_ignore"] {
        refused(&[("insert.mode", mode)], "insert.mode", "set pk.mode");
    }
    refused(
        &[("delete.enabled", "true")],
        "delete.enabled",
        "pk.mode=record_key",
    );
    refused(
        &[
            ("delete.enabled", "true"),
            ("pk.mode", "record_value"),
            ("pk.fields", "id"),
        ],
        "delete.enabled",
        "pk.mode=record_key",
    );
    refused(
        &[("pk.mode", "kafka"), ("pk.fields", "a,b")],
        "pk.fields",
        "three columns",
    );
    refused(&[("pk.mode", "record_value")], "pk.fields", "at least one");
    refused(
        &[("pk.mode", "record_key"), ("pk.fields", "a,a")],
        "pk.fields",
        "twice",
    );
    let text_key = ("key.converter", "StringConverter");
    refused(
        &[("pk.mode", "record_key"), text_key],
        "pk.fields",
        "exactly one",
    );
    refused(
        &[("pk.mode", "record_key"), ("pk.fields", "a,b"), text_key],
        "pk.fields",
        "exactly one",
    );
    refused(
        &[("pk.mode", "nokey")],
        "pk.mode",
        "none, kafka, record_key, record_value",
    );
    for good in [
        &[("pk.mode", "kafka")][..],
        &[("pk.mode", "kafka"), ("pk.fields", "t,p,o")],
        &[("pk.mode", "record_key")],
        &[("pk.mode", "record_key"), ("pk.fields", "id"), text_key],
        &[("pk.mode", "record_key"), ("delete.enabled", "true")],
        &[("pk.mode", "kafka"), ("insert.mode", "upsert")],
    ] {
        assert_eq!(messages(good), Vec::<String>::new(), "{good:?}");
    }
}

#[test]
fn topics_and_addresses_are_checked_for_form() {
    refused(&[("topics", "a b")], "topics", "no name of a topic");
    refused(&[("topics", &"x".repeat(250))], "topics", "at most 249");
    refused(
        &[("topics", ""), ("topics.regex", "(")],
        "topics.regex",
        "Invalid regex: unclosed group",
    );
    refused(
        &[("topics", ""), ("topics.regex", "a)(b")],
        "topics.regex",
        "Invalid regex",
    );
    refused(
        &[("topics", ""), ("topics.regex", "(?=a)b")],
        "topics.regex",
        "look-around",
    );
    refused(
        &[("topics", ""), ("topics.regex", "(a{1000}){1000}")],
        "topics.regex",
        "takes more than",
    );
    refused(
        &[("errors.deadletterqueue.topic.name", "a b")],
        "errors.deadletterqueue.topic.name",
        "no name",
    );
    refused(
        &[("errors.deadletterqueue.topic.replication.factor", "0")],
        "errors.deadletterqueue.topic.replication.factor",
        "-1 or at least 1",
    );
    refused(
        &[("connection.url", "")],
        "connection.url",
        "must not be empty",
    );
    refused(
        &[("connection.url", "jdbc:mysql://h/d")],
        "connection.url",
        "rowdock.PostgresSink",
    );
    let sqlite = ("connector.class", "SqliteSink");
    refused(&[sqlite], "connection.url", "must begin with jdbc:sqlite:");
    refused(
        &[sqlite, ("connection.url", "jdbc:sqlite::memory:")],
        "connection.url",
        "must name a file",
    );
    refused(
        &[sqlite, ("connection.url", "sqlite://")],
        "connection.url",
        "must name a file",
    );
    for url in [
        "postgresql://h/d",
        "postgres://h/d",
        "jdbc:postgresql://h:5432/d?sslmode=require",
    ] {
        assert_eq!(messages(&[("connection.url", url)]), Vec::<String>::new());
    }
    let regex = accepted(&[("topics", ""), ("topics.regex", "orders|items")]);
    assert_eq!(
        regex.topics,
        TopicSelection::Regex("orders|items".to_owned())
    );
}

#[test]
fn client_settings_are_checked() {
    let fetch = "consumer.override.fetch.min.bytes";
    refused(
        &[(fetch, "dog")],
        fetch,
        "Invalid value dog for configuration consumer.override.fetch.min.bytes: Not a number of type INT",
    );
    refused(
        &[("consumer.override.max.poll.records", "dog")],
        "consumer.override.max.poll.records",
        "Not a number",
    );
    let unknown = "consumer.override.fetch.mni.bytes";
    refused(&[(unknown, "1")], unknown, "did you mean fetch.min.bytes?");
    refused(
        &[("producer.override.linger.ms", "-1")],
        "producer.override.linger.ms",
        "outside allowed range",
    );
    let reset = "consumer.override.auto.offset.reset";
    refused(&[(reset, "none")], reset, "earliest, latest");
    let member = "consumer.override.group.instance.id";
    refused(&[(member, "a"), ("tasks.max", "2")], member, "tasks.max");
    assert_eq!(messages(&[(member, "a")]), Vec::<String>::new());
}

#[test]
fn override_policies_are_kept() {
    let check = |policy: &str, name: &str, allowed: bool| {
        let worker = worker(&[&format!("connector.client.config.override.policy={policy}")]);
        let key = format!("consumer.override.{name}");
        let errors = errors(&raw(&[(&key, "PLAINTEXT")]), &worker);
        let message = format!(
            "The '{policy}' policy does not allow '{name}' to be overridden in the connector configuration."
        );
        let expected = if allowed {
            Vec::new()
        } else {
            vec![(key, message)]
        };
        assert_eq!(errors, expected);
    };
    check("All", "client.id", true);
    check("Principal", "client.id", false);
    check("Principal", "security.protocol", true);
    check("None", "security.protocol", false);
}

#[test]
fn consumer_groups_must_differ_from_the_workers_group() {
    let check = |changes: &[(&str, &str)], key: &str, message: &str| {
        let errors = errors(&raw(changes), &worker(&["group.id=connect-orders"]));
        assert_eq!(errors, [(key.to_owned(), message.to_owned())]);
    };
    check(
        &[],
        "name",
        "Consumer group for sink connector named orders conflicts with Connect worker group connect-orders",
    );
    check(
        &[
            ("name", "x"),
            ("consumer.override.group.id", "connect-orders"),
        ],
        "consumer.override.group.id",
        "Consumer group connect-orders conflicts with Connect worker group connect-orders",
    );
}

#[test]
fn what_has_no_effect_is_said() {
    let check = |changes: &[(&str, &str)], part: &str| {
        let warnings = warnings(changes);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(part), "{warnings:?}");
    };
    check(
        &[("task.max", "2")],
        "task.max is not a key of this connector and has no effect; did you mean tasks.max?",
    );
    check(
        &[("entirely.different", "2")],
        "entirely.different is not a key of this connector and has no effect",
    );
    check(&[("max.retries", "3")], "max.retries has no effect");
    check(
        &[("errors.retry.timeout", "-1")],
        "errors.retry.timeout has no effect",
    );
    check(&[("errors.log.include.messages", "true")], "never logged");
    check(
        &[("value.converter.schemas.enable", "false")],
        "value.converter is not given",
    );
    check(
        &[("consumer.override.max.poll.records", "500")],
        "batch.size",
    );
    check(&[("pk.fields", "id")], "pk.mode is none");
    assert!(warnings(&[]).is_empty());
    assert!(
        warnings(&[("errors.retry.timeout", "0")]).is_empty(),
        "the default says nothing"
    );
    assert!(
        warnings(&[("task.max", "2"), ("tasks.max", "x")]).is_empty(),
        "refused anyway"
    );
}

#[test]
fn config_providers_are_refused_wherever_they_stand() {
    let reference = "${file:/etc/secrets.properties:pg}";
    for key in [
        "connection.password",
        "topics",
        "consumer.override.sasl.jaas.config",
        "own.key",
    ] {
        let errors = errors(&raw(&[(key, reference)]), &WorkerSettings::default());
        assert!(
            errors
                .iter()
                .any(|(given, message)| given == key && message.contains("config provider")),
            "{key}: {errors:?}"
        );
    }
}

#[test]
fn secrets_are_shown_nowhere() {
    let login = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"s3cret\";";
    let secrets = [
        ("connection.password", "s3cret"),
        (
            "connection.url",
            "postgresql://ann:s3cret@db/shop?password=s3cret",
        ),
        ("consumer.override.sasl.jaas.config", login),
    ];
    let config = accepted(&secrets);
    assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
    let mut bad = secrets.to_vec();
    bad.extend([
        ("connector.class", "SqliteSink"),
        ("consumer.override.sasl.jaas.config", "s3cret"),
        ("connection.pasword", "s3cret"),
        ("producer.override.ssl.keystore.key", "${file:s3cret:x}"),
    ]);
    let messages = messages(&bad);
    assert!(messages.len() >= 3, "{messages:?}");
    assert!(
        messages.iter().all(|message| !message.contains("s3cret")),
        "{messages:?}"
    );
}
