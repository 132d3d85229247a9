//! The Aiven JDBC sink: an early Confluent sink, with keys of its own.

use super::confluent_jdbc::split_names;
use super::jdbc;
use super::{Dialect, Meaning, TheirKey, Translation};
use crate::config::definitions::Kind::{Boolean, Int, List, Password, Text};

pub(super) static DIALECT: Dialect = Dialect {
    classes: &["io.aiven.connect.jdbc.JdbcSinkConnector"],
    title: "the Aiven JDBC sink",
    keys: KEYS,
    finish,
};

const KEYS: &[TheirKey] = &[
    TheirKey::same("connection.url", Text).required(),
    TheirKey::same("connection.user", Text),
    TheirKey::same("connection.password", Password),
    TheirKey::new(
        jdbc::DRIVER_PROPERTIES,
        Text,
        Meaning::NoEffect(
            "the Aiven sink passes no driver properties on either; put what the database needs into connection.url",
        ),
    ),
    TheirKey::same("dialect.name", Text),
    TheirKey::new(
        "insert.mode",
        Text,
        Meaning::Mapped(
            "insert.mode",
            &[
                ("insert", "insert"),
                ("multi", "insert"),
                ("upsert", "upsert"),
                ("update", "update"),
            ],
        ),
    )
    .default("insert"),
    TheirKey::same("batch.size", Int).default("3000"),
    TheirKey::same("delete.enabled", Boolean).default("false"),
    TheirKey::same("table.name.format", Text).default("${topic}"),
    TheirKey::same("table.name.normalize", Boolean).default("false"),
    TheirKey::same("topics.to.tables.mapping", List).default(""),
    TheirKey::same("pk.mode", Text).default("none"),
    TheirKey::same("pk.fields", List).default(""),
    TheirKey::same("fields.whitelist", List).default(""),
    TheirKey::same("db.timezone", Text).default("UTC"),
    TheirKey::same("auto.create", Boolean).default("false"),
    TheirKey::same("auto.evolve", Boolean).default("false"),
    TheirKey::new(
        "sql.quote.identifiers",
        Boolean,
        Meaning::Mapped(
            "quote.sql.identifiers",
            &[("true", "ALWAYS"), ("false", "NEVER")],
        ),
    )
    .default("true"),
    TheirKey::same("max.retries", Int),
    TheirKey::same("retry.backoff.ms", Int),
];

fn finish(translation: &mut Translation<'_>) {
    jdbc::choose_class(translation);
    split_names(translation);
}
