//! Key by key: what each becomes, or why it is refused, or what is said about it.

use super::*;

#[test]
fn confluents_keys_mean_what_they_meant() {
    for (key, value) in [
        ("connection.user", "ann"),
        ("connection.password", "s3cret "),
        ("dialect.name", "PostgreSqlDatabaseDialect"),
        ("insert.mode", "UPSERT"),
        ("batch.size", "7"),
        ("delete.enabled", "true"),
        ("table.types", "TABLE"),
        ("replace.null.with.default", "false"),
        ("table.name.format", "kafka_${topic}"),
        ("pk.mode", "record_key"),
        ("pk.fields", "id"),
        ("fields.whitelist", "a,b"),
        ("db.timezone", "Europe/Berlin"),
        ("date.timezone", "utc"),
        ("timestamp.fields.list", "ts"),
        ("timestamp.precision.mode", "nanoseconds"),
        ("string.output.value.column.name", "text"),
        ("auto.create", "true"),
        ("auto.evolve", "true"),
        ("quote.sql.identifiers", "never"),
        ("max.retries", "4"),
        ("retry.backoff.ms", "5"),
        ("connection.attempts", "6"),
        ("connection.backoff.ms", "7"),
        ("trim.sensitive.log", "true"),
    ] {
        becomes(CONFLUENT, key, value, &[(key, value)]);
    }
    becomes(
        CONFLUENT,
        "connection.sslmode",
        "verify full",
        &[(
            "connection.url",
            "jdbc:postgresql://db:5432/shop?sslmode=verify%20full",
        )],
    );
    refused(
        CONFLUENT,
        "jdbc.credentials.provider.class",
        "x.Y",
        "Java classes",
    );
    refused(
        CONFLUENT,
        "jdbc.credentials.provider.region",
        "eu",
        "Java classes",
    );
    refused(CONFLUENT, "date.calendar.system", "JULIAN", "LEGACY");
    warned(CONFLUENT, "date.calendar.system", "LEGACY", "1582");
    warned(
        CONFLUENT,
        "mssql.use.merge.holdlock",
        "true",
        "not written to here",
    );
    warned(
        CONFLUENT,
        "destination.table.format",
        "x",
        "table.name.format was meant",
    );
    warned(CONFLUENT, "task.max", "4", "did you mean tasks.max?");
    warned(
        CONFLUENT,
        "primary.key.mode",
        "record_key",
        "not a key of this connector",
    );
}

#[test]
fn aivens_keys_mean_what_they_meant() {
    for (key, value) in [
        ("connection.user", "ann"),
        ("connection.password", "s3cret"),
        ("insert.mode", "update"),
        ("batch.size", "7"),
        ("delete.enabled", "true"),
        ("table.name.format", "kafka_${topic}"),
        ("pk.mode", "kafka"),
        ("pk.fields", "a,b,c"),
        ("fields.whitelist", "a,b"),
        ("db.timezone", "UTC"),
        ("auto.create", "true"),
        ("auto.evolve", "true"),
        ("max.retries", "4"),
        ("retry.backoff.ms", "5"),
        ("dialect.name", "PostgreSqlDatabaseDialect"),
    ] {
        becomes(AIVEN, key, value, &[(key, value)]);
    }
    becomes(
        AIVEN,
        "table.name.normalize",
        "true",
        &[("table.name.normalize", "true")],
    );
    becomes(
        AIVEN,
        "topics.to.tables.mapping",
        "orders:o",
        &[("topics.to.tables.mapping", "orders:o")],
    );
    for (mapping, part) in [
        ("other:o", "orders has none"),
        ("orders", "topic:table"),
        ("orders:a,orders:b", "two tables"),
    ] {
        refused(AIVEN, "topics.to.tables.mapping", mapping, part);
    }
    becomes(AIVEN, "insert.mode", "MULTI", &[("insert.mode", "insert")]);
    for (theirs, value) in [("true", "ALWAYS"), ("False", "NEVER")] {
        let expected = [("quote.sql.identifiers", value)];
        becomes(AIVEN, "sql.quote.identifiers", theirs, &expected);
    }
    assert!(ours(AIVEN, &[("table.name.normalize", "false")]).contains_key("batch.size"));
    refused(
        AIVEN,
        "insert.mode",
        "merge",
        "insert, multi, upsert, update",
    );
    refused(AIVEN, "sql.quote.identifiers", "maybe", "true, false");
    warned(
        AIVEN,
        "connection.sslmode",
        "require",
        "into connection.url",
    );
}

#[test]
fn debeziums_keys_mean_what_they_meant() {
    for (theirs, value, ours) in [
        ("connection.username", "ann", "connection.user"),
        ("connection.password", "s3cret", "connection.password"),
        ("insert.mode", "upsert", "insert.mode"),
        ("batch.size", "7", "batch.size"),
        ("delete.enabled", "true", "delete.enabled"),
        (
            "collection.name.format",
            "kafka_${topic}",
            "table.name.format",
        ),
        ("table.name.format", "kafka_${topic}", "table.name.format"),
        ("primary.key.mode", "record_key", "pk.mode"),
        ("primary.key.fields", "id", "pk.fields"),
        ("field.include.list", "a, orders:b", "fields.whitelist"),
        ("field.exclude.list", "a, orders:b", "fields.exclude.list"),
        ("use.time.zone", "Europe/Berlin", "db.timezone"),
        ("database.time_zone", "Europe/Berlin", "db.timezone"),
        ("flush.max.retries", "3", "max.retries"),
        ("flush.retry.delay.ms", "3", "retry.backoff.ms"),
    ] {
        becomes(DEBEZIUM, theirs, value, &[(ours, value)]);
    }
    let evolves = |value| [("auto.create", value), ("auto.evolve", value)];
    becomes(DEBEZIUM, "schema.evolution", "basic", &evolves("true"));
    becomes(DEBEZIUM, "schema.evolution", "none", &evolves("false"));
    becomes(
        DEBEZIUM,
        "schema.evolution",
        "validate-only",
        &evolves("false"),
    );
    becomes(
        DEBEZIUM,
        "quote.identifiers",
        "true",
        &[("quote.sql.identifiers", "ALWAYS")],
    );
    becomes(
        DEBEZIUM,
        "quote.identifiers",
        "false",
        &[("quote.sql.identifiers", "NEVER")],
    );
    becomes(
        DEBEZIUM,
        "truncate.enabled",
        "true",
        &[("truncate.enabled", "true"), ("change.events", "debezium")],
    );

    refused(
        DEBEZIUM,
        "schema.evolution",
        "all",
        "none, validate-only, basic",
    );
    refused(
        DEBEZIUM,
        "field.include.list",
        "orders:",
        "field or topic:field",
    );
    refused(DEBEZIUM, "column.naming.strategy", "x.Y", "rename fields");
    refused(
        DEBEZIUM,
        "table.naming.strategy",
        "x.Y",
        "collection.name.format",
    );
    refused(
        DEBEZIUM,
        "hibernate.connection.sslmode",
        "require",
        "connection.url",
    );
    refused(
        DEBEZIUM,
        "dialect.postgres.postgis.schema",
        "gis",
        "search path",
    );
    refused(
        DEBEZIUM,
        "cloud.events.schema.name.pattern",
        "x",
        "default pattern",
    );
    for (key, value) in [
        ("connection.provider", "x.Y"),
        ("connection.pool.min_size", "5"),
        ("connection.pool.max_size", "32"),
        ("connection.pool.timeout", "1800"),
        ("connection.restart.on.errors", "true"),
        (
            "hibernate.dialect",
            "org.hibernate.dialect.PostgreSQLDialect",
        ),
        ("collection.table.format", "x"),
        ("use.reduction.buffer", "true"),
        ("internal.enable.sces", "true"),
        ("keyed.message.batch.mode", "passthrough"),
        ("dialect.postgres.unnest.insert.enabled", "true"),
        ("dialect.sqlserver.identity.insert", "true"),
        ("dialect.starrocks.catalog.name", "x"),
    ] {
        warned(DEBEZIUM, key, value, "has no effect");
    }
    warned(
        DEBEZIUM,
        "pk.mode",
        "record_key",
        "not a key of this connector",
    );
}

#[test]
fn of_debeziums_two_lists_of_fields_one_counts() {
    let read = |exclude: &str| {
        let lists = [
            ("field.include.list", "a,b"),
            ("field.exclude.list", exclude),
        ];
        let config = config(DEBEZIUM, &lists);
        let parsed = ConnectorConfig::parse(&config, &worker()).unwrap();
        let warnings = ConnectorConfig::warnings(&config, &worker());
        let is_told = |warning: &String| warning.starts_with("field.include.list has no effect");
        let is_told = warnings.iter().any(is_told);
        let lists = (parsed.sink.fields_include, parsed.sink.fields_exclude);
        (lists.0.len(), lists.1.len(), is_told)
    };
    assert_eq!(read("b"), (0, 1, true));
    assert_eq!(read(" "), (2, 0, false));
}
