//! What is refused, what is accepted all the same, and what is warned of.

use super::*;
use crate::record::Part;

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
    refused(
        &[("table.name.format", "${database}")],
        "table.name.format",
        "${topic}",
    );
    refused(
        &[("table.name.format", "t_${timestamp.YYYY}")],
        "table.name.format",
        "Week numbers",
    );
    refused(
        &[("table.name.format", "\"${topic}\"")],
        "table.name.format",
        "no quotes",
    );
    let by_schema = ("table.name.dots", "schema");
    refused(
        &[("table.name.format", "\"${topic}"), by_schema],
        "table.name.format",
        "a quote has no end",
    );
    refused(
        &[("topics.to.tables.mapping", "orders:`o`")],
        "topics.to.tables.mapping",
        "no quotes",
    );
    refused(
        &[("table.name.format", "")],
        "table.name.format",
        "non-empty",
    );
    refused(
        &[("quote.sql.identifiers", "sometimes")],
        "quote.sql.identifiers",
        "ALWAYS, NEVER",
    );
    refused(
        &[("db.timezone", "Mars/Olympus")],
        "db.timezone",
        "tz database",
    );
    refused(
        &[("table.types", "TABLE,SEQUENCE")],
        "table.types",
        "PARTITIONED TABLE",
    );
    refused(&[("timezone.fields", "at")], "timezone.fields", "time:zone");
    refused(
        &[("timezone.fields", "at:zone,at:other")],
        "timezone.fields",
        "two zones",
    );
    refused(
        &[("timestamp.precision.mode", "seconds")],
        "timestamp.precision.mode",
        "microseconds, nanoseconds",
    );
    refused(
        &[("pk.mode", "record_header")],
        "pk.fields",
        "at least one header",
    );
    refused(
        &[("date.calendar.system", "LEGACY")],
        "date.calendar.system",
        "PROLEPTIC",
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

/// Messages and keys are those of Kafka Connect where it has the check.
#[test]
fn transforms_are_checked() {
    let with = |changes: &[(&str, &str)], key: &str, part: &str| {
        let mut all = vec![("transforms", "r")];
        all.extend_from_slice(changes);
        refused(&all, key, part);
    };
    refused(
        &[("transforms", "r, r"), ("transforms.r.type", "Filter")],
        "transforms",
        "Invalid value [r, r] for configuration transforms: Duplicate alias provided.",
    );
    with(
        &[],
        "transforms.r.type",
        "Missing required configuration \"transforms.r.type\" which has no default value.",
    );
    with(
        &[("transforms.r.type", "nope.X")],
        "transforms.r.type",
        "Invalid value nope.X for configuration transforms.r.type: Class nope.X could not be found.",
    );
    with(
        &[("transforms.r.type", "Cast")],
        "transforms.r.type",
        "Transformation is abstract and cannot be created. Did you mean",
    );
    with(
        &[
            ("transforms.r.type", "Filter"),
            ("transforms.r.negate", "true"),
        ],
        "transforms.r.type",
        "Config 'transforms.r.negate' was provided but there is no config 'transforms.r.predicate'",
    );
    with(
        &[
            ("transforms.r.type", "Filter"),
            ("transforms.r.predicate", "p"),
        ],
        "transforms.r.predicate",
        "no such name in predicates",
    );
    with(
        &[
            ("transforms.r.type", "RegexRouter"),
            ("transforms.r.regex", "("),
            ("transforms.r.replacement", "x"),
        ],
        "transforms.r.regex",
        "Invalid value ( for configuration transforms.r.regex: Invalid regex",
    );
    with(
        &[
            ("transforms.r.type", "Cast$Value"),
            ("transforms.r.spec", "a:int9"),
        ],
        "transforms.r.spec",
        "Invalid type found in casting spec: int9",
    );
    with(
        &[
            ("transforms.r.type", "Flatten$Value"),
            ("transforms.r.delimiter", "_"),
            ("predicates", "p"),
        ],
        "predicates.p.type",
        "Missing required",
    );
}

#[test]
fn transforms_are_read_in_their_order() {
    let config = accepted(&[
        ("transforms", "second,first"),
        (
            "transforms.first.type",
            "org.apache.kafka.connect.transforms.Cast$Key",
        ),
        ("transforms.first.spec", "int32"),
        ("transforms.second.type", "Filter"),
        ("transforms.second.predicate", "t"),
        ("transforms.second.negate", "TRUE"),
        ("predicates", "t"),
        ("predicates.t.type", "RecordIsTombstone"),
    ]);
    let found: Vec<(&str, Part, Option<bool>)> = config
        .transforms
        .iter()
        .map(|transform| {
            let condition = transform.condition.as_ref();
            let negate = condition.map(|condition| condition.negate);
            (transform.alias.as_str(), transform.part, negate)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("second", Part::Value, Some(true)),
            ("first", Part::Key, None)
        ]
    );
}

#[test]
fn converters_are_checked() {
    refused(
        &[("key.converter", "nope.Converter")],
        "key.converter",
        "Invalid value nope.Converter for configuration key.converter: Class nope.Converter could not be found.",
    );
    refused(
        &[("value.converter", "org.acme.XmlConverter")],
        "value.converter",
        "Built in are JsonConverter",
    );
    refused(
        &[("header.converter", "nope")],
        "header.converter",
        "Class nope could not be found.",
    );
    for class in ["StringConverter", "LongConverter"] {
        assert!(
            accepted(&[("value.converter", class)])
                .value_converter
                .is_primitive()
        );
        refused(
            &[("key.converter", class), ("pk.mode", "record_key")],
            "pk.fields",
            "exactly one column",
        );
    }
    // Whose keys get fields on their way.
    let made_of = |class: &str, option: (&str, &str)| {
        let name = format!("org.apache.kafka.connect.transforms.{class}");
        let option = (format!("transforms.k.{}", option.0), option.1);
        let given = [
            ("key.converter", "StringConverter"),
            ("pk.mode", "record_key"),
            ("transforms", "k"),
            ("transforms.k.type", &name),
            (&option.0, option.1),
        ];
        errors(&raw(&given), &WorkerSettings::default()).len()
    };
    assert_eq!(made_of("ValueToKey", ("fields", "id")), 0);
    assert_eq!(made_of("HoistField$Key", ("field", "id")), 0);
    assert_eq!(made_of("HoistField$Value", ("field", "id")), 1);
    assert_eq!(made_of("MaskField$Key", ("fields", "id")), 1);
}

#[test]
fn keys_and_modes_must_fit_together() {
    for mode in ["upsert", "update", "insert_ignore"] {
        refused(&[("insert.mode", mode)], "insert.mode", "set pk.mode");
    }
    let guard = ("upsert.guard.field", "v");
    refused(&[guard], guard.0, "insert.mode=upsert");
    let upsert = [
        guard,
        ("insert.mode", "upsert"),
        ("pk.mode", "record_key"),
        ("pk.fields", "id"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [upsert.as_slice(), more].concat();
    refused(&with(&[("pk.fields", "id,v")]), guard.0, "key column");
    let deletes = ("delete.enabled", "true");
    refused(&with(&[deletes]), deletes.0, "delete.soft.field");
    let soft = ("delete.soft.field", "gone");
    accepted(&with(&[deletes, soft]));
    let tombstones = ("delete.tombstone.table", "${table}_deleted");
    accepted(&with(&[deletes, tombstones]));
    refused(&[tombstones], tombstones.0, "upsert.guard.field");
    refused(&with(&[tombstones]), tombstones.0, "delete.enabled=true");
    refused(
        &with(&[deletes, soft, tombstones]),
        tombstones.0,
        "delete.soft.field",
    );
    for (name, problem) in [("gone", "${table}"), ("${table}", "another table")] {
        refused(
            &with(&[deletes, (tombstones.0, name)]),
            tombstones.0,
            problem,
        );
    }
    refused(&[soft], soft.0, "delete.enabled=true");
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
fn only_change_events_lack_values() {
    let placeholder = |value| ("unavailable.value.placeholder", value);
    let events = ("change.events", "debezium");
    refused(
        &[placeholder("x")],
        placeholder("").0,
        "change.events=debezium",
    );
    for (given, expected) in [
        (vec![events], "__debezium_unavailable_value"),
        (vec![events, placeholder("__none")], "__none"),
        (vec![events, placeholder("")], ""),
    ] {
        let config = accepted(&given);
        assert_eq!(config.sink.unavailable_value, expected, "{given:?}");
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
fn retries_are_bounded_where_that_is_wanted() {
    let check = |given: &[(&str, &str)], timeout_ms: Option<u64>, pause_ms: u64| {
        let registry = [
            ("value.converter", "io.confluent.connect.avro.AvroConverter"),
            (
                "value.converter.schema.registry.url",
                "http://registry:8081",
            ),
        ];
        let config = accepted(&[&registry[..], given].concat());
        let timeout = timeout_ms.map(Duration::from_millis);
        assert_eq!(config.errors.retry_timeout, timeout, "{given:?}");
        let Converter::Registered(_, options) = &config.value_converter else {
            panic!("no registry");
        };
        assert_eq!(
            options.pause_max,
            Duration::from_millis(pause_ms),
            "{given:?}"
        );
    };
    let (timeout, delay) = ("errors.retry.timeout", "errors.retry.delay.max.ms");
    check(&[], None, 2_000);
    check(&[(timeout, "0")], None, 2_000);
    check(&[(timeout, "-1"), (delay, "60000")], None, 60_000);
    check(&[(timeout, "5000"), (delay, "1")], Some(5_000), 1);
    refused(
        &[(timeout, "-2")],
        timeout,
        "Value must be -1 or at least 0",
    );
    refused(&[(delay, "0")], delay, "Value must be at least 1");
}

#[test]
fn what_is_tolerated_is_checked() {
    let table = "errors.deadletterqueue.table";
    refused(&[(table, "letters")], table, "needs errors.tolerance=all");
    let all = ("errors.tolerance", "all");
    refused(
        &[all, (table, "t"), ("errors.max.ratio", "50%")],
        "errors.max.ratio",
        "from 0 to 1",
    );
    refused(
        &[all, (table, "t"), ("errors.max.consecutive", "0")],
        "errors.max.consecutive",
        "at least 1",
    );
    assert!(warnings(&[all, (table, "letters")]).is_empty());
    assert!(warnings(&[all, ("errors.deadletterqueue.topic.name", "dead")]).is_empty());
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
    check(
        &[("connection.attempts", "3")],
        "connection.attempts has no effect",
    );
    check(
        &[("errors.tolerance", "all")],
        "errors.tolerance is all, and neither errors.deadletterqueue.topic.name nor",
    );
    check(&[("errors.max.ratio", "0.5")], "errors.tolerance is none");
    check(
        &[("errors.max.consecutive", "5")],
        "errors.tolerance is none",
    );
    check(
        &[("value.converter.schemas.enable", "false")],
        "value.converter is not given",
    );
    check(
        &[("consumer.override.max.poll.records", "500")],
        "batch.size",
    );
    check(&[("pk.fields", "id")], "pk.mode is none");
    check(
        &[
            ("value.converter", "JsonConverter"),
            ("value.converter.schemas.enable", "false"),
            ("transforms", "unwrap"),
            ("transforms.unwrap.type", "ExtractNewRecordState"),
        ],
        "change.events=debezium unwraps them",
    );
    assert!(warnings(&[]).is_empty());
    assert!(
        warnings(&[("task.max", "2"), ("tasks.max", "x")]).is_empty(),
        "refused anyway"
    );
}
