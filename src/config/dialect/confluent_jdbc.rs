//! The Confluent JDBC sink. Our keys are named after its, so most mean the same.

use super::jdbc::{self, NO_JAVA, NOT_A_TARGET};
use super::{Dialect, Meaning, TheirKey, Translation};
use crate::config::definitions::Kind::{Boolean, Int, List, Long, Password, Text};

pub(super) static DIALECT: Dialect = Dialect {
    classes: &["io.confluent.connect.jdbc.JdbcSinkConnector"],
    title: "the Confluent JDBC sink",
    keys: KEYS,
    finish,
};

const KEYS: &[TheirKey] = &[
    TheirKey::same("connection.url", Text).required(),
    TheirKey::same("connection.user", Text),
    TheirKey::same("connection.password", Password),
    TheirKey::same("connection.attempts", Int),
    TheirKey::same("connection.backoff.ms", Long),
    TheirKey::new(
        "jdbc.credentials.provider.class",
        Text,
        Meaning::Only(
            &[
                "io.confluent.connect.jdbc.util.DefaultJdbcCredentialsProvider",
                "io.confluent.connect.jdbc.util.JdbcCredentialsProvider",
            ],
            NO_JAVA,
        ),
    ),
    TheirKey::new(
        "jdbc.credentials.provider.*",
        Text,
        Meaning::Refused(NO_JAVA),
    ),
    TheirKey::new(
        jdbc::DRIVER_PROPERTIES,
        Text,
        Meaning::Read {
            ours: jdbc::URL,
            // Together, when the URL is known.
            read: |_, _, _| {},
            words: "a property of the driver: added to the parameters of `connection.url`",
        },
    ),
    TheirKey::same("dialect.name", Text),
    TheirKey::same("insert.mode", Text).default("insert"),
    TheirKey::same("batch.size", Int).default("3000"),
    TheirKey::same("delete.enabled", Boolean).default("false"),
    TheirKey::same("table.types", List).default("TABLE"),
    TheirKey::same("replace.null.with.default", Boolean).default("true"),
    TheirKey::same("table.name.format", Text).default("${topic}"),
    TheirKey::same("pk.mode", Text).default("none"),
    TheirKey::same("pk.fields", List).default(""),
    TheirKey::same("fields.whitelist", List).default(""),
    TheirKey::same("db.timezone", Text).default("UTC"),
    TheirKey::same("date.timezone", Text).default("db_timezone"),
    TheirKey::new(
        "date.calendar.system",
        Text,
        Meaning::Read {
            ours: "date.calendar.system",
            read: calendar,
            words: "`PROLEPTIC_GREGORIAN` is what happens; `LEGACY`, their default, is read as that, with a warning when it is given: dates before 1582-10-15 are stored as they are written",
        },
    ),
    TheirKey::same("timestamp.fields.list", List).default(""),
    TheirKey::same("timestamp.precision.mode", Text).default("microseconds"),
    TheirKey::same("string.output.value.column.name", Text).default("record_value"),
    TheirKey::same("auto.create", Boolean).default("false"),
    TheirKey::same("auto.evolve", Boolean).default("false"),
    TheirKey::same("quote.sql.identifiers", Text).default("ALWAYS"),
    TheirKey::same("max.retries", Int),
    TheirKey::same("retry.backoff.ms", Int),
    TheirKey::new(
        "mssql.use.merge.holdlock",
        Boolean,
        Meaning::NoEffect(NOT_A_TARGET),
    ),
    TheirKey::same("trim.sensitive.log", Boolean),
    TheirKey::new(
        "destination.table.format",
        Text,
        Meaning::NoEffect(
            "the Confluent sink does not read it either; table.name.format was meant",
        ),
    ),
];

fn finish(translation: &mut Translation<'_>) {
    jdbc::choose_class(translation);
    jdbc::add_driver_properties(translation, KEYS);
    split_names(translation);
}

/// Their table names are split at dots, those of the topic included: `shop.orders` is the table
/// `orders` in the schema `shop`.
pub(super) fn split_names(translation: &mut Translation<'_>) {
    translation.set_unless_given("table.name.dots", "table.name.format", "schema");
}

fn calendar(translation: &mut Translation<'_>, name: &str, value: &str) {
    match value.to_ascii_uppercase().as_str() {
        "PROLEPTIC_GREGORIAN" => {}
        "LEGACY" => translation.warn(
            name,
            "has no effect: dates before 1582-10-15 are stored as they are written, as PROLEPTIC_GREGORIAN says",
        ),
        _ => translation.refuse_value(
            name,
            value,
            "String must be one of (case insensitive): LEGACY, PROLEPTIC_GREGORIAN",
        ),
    }
}
