//! The Debezium JDBC sink.

use super::jdbc::{self, IN_BULK, NO_JAVA, NOT_A_TARGET, ONE_ROW_PER_KEY, PER_TASK};
use super::{Dialect, Meaning, TheirKey, Translation};
use crate::config::definitions::Kind::{Boolean, Int, List, Long, Password, Text};

pub(super) static DIALECT: Dialect = Dialect {
    classes: &["io.debezium.connector.jdbc.JdbcSinkConnector"],
    title: "the Debezium JDBC sink",
    keys: KEYS,
    finish,
};

const TABLE_NAMING: Meaning = Meaning::Only(
    &[
        "io.debezium.sink.naming.DefaultCollectionNamingStrategy",
        "io.debezium.connector.jdbc.naming.DefaultCollectionNamingStrategy",
        "io.debezium.connector.jdbc.naming.DefaultTableNamingStrategy",
    ],
    "Java classes cannot be loaded; only the default strategy is known: use collection.name.format, or a transform",
);

const KEYS: &[TheirKey] = &[
    TheirKey::same("connection.url", Text).required(),
    TheirKey::new("connection.username", Text, Meaning::Ours("connection.user")),
    TheirKey::same("connection.password", Password),
    TheirKey::new("connection.provider", Text, Meaning::NoEffect(PER_TASK)),
    TheirKey::new("connection.pool.*", Int, Meaning::NoEffect(PER_TASK)),
    TheirKey::new(
        "connection.restart.on.errors",
        Boolean,
        Meaning::NoEffect("a lost connection is always replaced, and what was not committed is written again"),
    ),
    TheirKey::new(
        "hibernate.connection.*",
        Text,
        Meaning::Refused(
            "properties of a Java driver are not passed on: put what the database needs into connection.url",
        ),
    ),
    TheirKey::new(
        "hibernate.*",
        Text,
        Meaning::NoEffect("there is no Hibernate here; the database is the one of connection.url"),
    ),
    TheirKey::same("insert.mode", Text).default("insert"),
    TheirKey::same("batch.size", Int).default("500"),
    TheirKey::same("delete.enabled", Boolean).default("false"),
    TheirKey::same("truncate.enabled", Boolean).default("false"),
    TheirKey::new(
        "primary.key.mode",
        Text,
        Meaning::Ours("pk.mode"),
    )
    .default("none"),
    TheirKey::new("primary.key.fields", List, Meaning::Ours("pk.fields")),
    TheirKey::new(
        "schema.evolution",
        Text,
        Meaning::Read {
            ours: "auto.create",
            read: schema_evolution,
            words: "`none` and `validate-only`: `auto.create=false`, `auto.evolve=false` (a missing table stops the task in any case). `basic`: both `true`",
        },
    )
    .default("none"),
    TheirKey::new(
        "collection.name.format",
        Text,
        Meaning::Ours("table.name.format"),
    )
    .default("${topic}"),
    TheirKey::same("table.name.format", Text),
    TheirKey::new("collection.naming.strategy", Text, TABLE_NAMING),
    TheirKey::new("table.naming.strategy", Text, TABLE_NAMING),
    TheirKey::new(
        "column.naming.strategy",
        Text,
        Meaning::Only(
            &[
                "io.debezium.connector.jdbc.naming.DefaultColumnNamingStrategy",
                "io.debezium.sink.naming.DefaultColumnNamingStrategy",
            ],
            "Java classes cannot be loaded; only the default strategy is known: use a transform to rename fields",
        ),
    ),
    TheirKey::new(
        "collection.table.format",
        Text,
        Meaning::NoEffect("the Debezium sink does not read it either"),
    ),
    TheirKey::new(
        "field.include.list",
        List,
        Meaning::Read {
            ours: "fields.whitelist",
            read: fields_included,
            words: "`fields.whitelist`; beside `field.exclude.list` it has no effect, as in the Debezium sink",
        },
    ),
    TheirKey::new(
        "field.exclude.list",
        List,
        Meaning::Ours("fields.exclude.list"),
    ),
    TheirKey::new("use.time.zone", Text, Meaning::Ours("db.timezone")).default("UTC"),
    TheirKey::new("database.time_zone", Text, Meaning::Ours("db.timezone")),
    TheirKey::new(
        "quote.identifiers",
        Boolean,
        Meaning::Mapped(
            "quote.sql.identifiers",
            &[("false", "NEVER"), ("true", "ALWAYS")],
        ),
    )
    .default("false"),
    TheirKey::new("flush.max.retries", Int, Meaning::Ours("max.retries")),
    TheirKey::new("flush.retry.delay.ms", Long, Meaning::Ours("retry.backoff.ms")),
    TheirKey::new(
        "use.reduction.buffer",
        Boolean,
        Meaning::NoEffect(ONE_ROW_PER_KEY),
    ),
    TheirKey::new(
        "keyed.message.batch.mode",
        Text,
        Meaning::NoEffect(ONE_ROW_PER_KEY),
    ),
    TheirKey::new(
        "internal.enable.sces",
        Boolean,
        Meaning::NoEffect("dead letters need no switch"),
    ),
    TheirKey::new(
        "dialect.postgres.unnest.insert.enabled",
        Boolean,
        Meaning::NoEffect(IN_BULK),
    ),
    TheirKey::new(
        "dialect.postgres.postgis.schema",
        Text,
        Meaning::Only(&["public"], "types of PostGIS are looked for in the search path only"),
    ),
    TheirKey::new(
        "dialect.sqlserver.*",
        Text,
        Meaning::NoEffect(NOT_A_TARGET),
    ),
    TheirKey::new(
        "dialect.starrocks.*",
        Text,
        Meaning::NoEffect(NOT_A_TARGET),
    ),
    TheirKey::new(
        "cloud.events.schema.name.pattern",
        Text,
        Meaning::Only(
            &[".*CloudEvents\\.Envelope$"],
            "only the default pattern is known",
        ),
    ),
    TheirKey::new("jdbc.credentials.provider.*", Text, Meaning::Refused(NO_JAVA)),
];

fn finish(translation: &mut Translation<'_>) {
    jdbc::choose_class(translation);
    translation.set_unless_given("change.events", "connector.class", "debezium");
    // Their `${topic}` has `_` for every dot.
    translation.set_unless_given("table.name.dots", "collection.name.format", "underscore");
}

fn schema_evolution(translation: &mut Translation<'_>, name: &str, value: &str) {
    let evolves = match value.to_ascii_lowercase().as_str() {
        "none" | "validate-only" | "validate_only" => "false",
        "basic" => "true",
        _ => {
            let problem = "String must be one of (case insensitive): none, validate-only, basic";
            translation.refuse_value(name, value, problem);
            return;
        }
    };
    translation.set("auto.create", name, evolves);
    translation.set("auto.evolve", name, evolves);
}

/// Their sink looks at one list alone.
fn fields_included(translation: &mut Translation<'_>, name: &str, value: &str) {
    let excluded = translation.given("field.exclude.list");
    if excluded.is_some_and(|excluded| !excluded.is_empty()) {
        let problem = "has no effect: field.exclude.list is given too, and the Debezium sink then reads that alone";
        translation.warn(name, problem);
        return;
    }
    translation.set("fields.whitelist", name, value);
}
