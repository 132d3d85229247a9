//! The Lenses sink for Cassandra of Stream Reactor 10 and later. It is a shell around the DataStax
//! sink: statements in KCQL become that sink's mappings, and their `PROPERTIES` its settings of
//! tables.

use std::collections::BTreeMap;

use super::cassandra::{
    self, BY_SIZE, Nodes, ONLY_PASSWORDS, OWN_KEYS, OWN_ROUTING, PEM_FILES, SettingFault,
};
use super::kcql::{self, Statement};
use super::{Dialect, Meaning, TheirKey, Translation};
use crate::config::definitions::Kind::{Boolean, Int, List, Long, Password, Text};
use crate::config::mapping::TableMapping;

pub(super) static DIALECT: Dialect = Dialect {
    classes: &["io.lenses.streamreactor.connect.cassandra.CassandraSinkConnector"],
    title: "the Lenses sink",
    keys: KEYS,
    finish,
};

pub(super) const KCQL: &str = "connect.cassandra.kcql";
/// Keys that the older sink has, too.
pub(super) const PORT: TheirKey = cassandra::part_of_url(
    "connect.cassandra.port",
    Int,
    "the port of each contact point that has none; 9042 when it is not given",
);
pub(super) const SSL_ENABLED: TheirKey = TheirKey::new(
    "connect.cassandra.ssl.enabled",
    Boolean,
    Meaning::Read {
        ours: "connection.url",
        read: tls,
        words: "`true` needs `connection.url`, with its `sslmode`",
    },
);
pub(super) const PROGRESS_ENABLED: TheirKey = TheirKey::new(
    "connect.progress.enabled",
    Boolean,
    Meaning::NoEffect("progress is at `/rowdock/connectors/{name}/progress`"),
);
const NOT_READ: &str =
    "the sink does not use it either; failures of the database are retried until they end";

const NODES: Nodes<'_> = Nodes {
    points: "connect.cassandra.contact.points",
    points_default: "localhost",
    port: "connect.cassandra.port",
    parameters: &[
        ("connect.cassandra.load.balancing.local.dc", "localDc", ""),
        ("connect.cassandra.compression", "compression", ""),
        ("connect.cassandra.connection.pool.size", "connections", ""),
        ("connect.cassandra.query.timeout.ms", "requestTimeout", ""),
    ],
};

const KEYS: &[TheirKey] = &[
    cassandra::part_of_url(
        "connect.cassandra.contact.points",
        List,
        "`connection.url`, together with the port and the local data centre; `localhost` when it is not given",
    ),
    PORT,
    TheirKey::new(
        "connect.cassandra.max.concurrent.requests",
        Int,
        Meaning::Ours("cassandra.requests.max"),
    )
    .default("100"),
    cassandra::part_of_url(
        "connect.cassandra.connection.pool.size",
        Int,
        "`connections` of `connection.url`, at most 16",
    ),
    cassandra::part_of_url(
        "connect.cassandra.compression",
        Text,
        "`compression` of `connection.url`",
    ),
    cassandra::part_of_url(
        "connect.cassandra.query.timeout.ms",
        Int,
        "`requestTimeout` of `connection.url`",
    ),
    TheirKey::new(
        "connect.cassandra.max.batch.size",
        Int,
        Meaning::NoEffect(BY_SIZE),
    ),
    cassandra::part_of_url(
        "connect.cassandra.load.balancing.local.dc",
        Text,
        "`localDc` of `connection.url`",
    ),
    TheirKey::new(
        "connect.cassandra.auth.provider",
        Text,
        Meaning::Only(&["None", "PLAIN"], ONLY_PASSWORDS),
    )
    .default("None"),
    TheirKey::new(
        "connect.cassandra.auth.username",
        Text,
        Meaning::Ours("connection.user"),
    ),
    TheirKey::new(
        "connect.cassandra.auth.password",
        Password,
        Meaning::Ours("connection.password"),
    ),
    TheirKey::new(
        "connect.cassandra.auth.gssapi.*",
        Text,
        Meaning::Refused(ONLY_PASSWORDS),
    ),
    SSL_ENABLED,
    TheirKey::new(
        "connect.cassandra.ssl.provider",
        Text,
        Meaning::Only(&["None"], PEM_FILES),
    )
    .default("None"),
    TheirKey::new(
        "connect.cassandra.ssl.hostname.verification",
        Boolean,
        Meaning::NoEffect("`sslmode=verify-full` of `connection.url` checks the address"),
    ),
    TheirKey::new(
        "connect.cassandra.ssl.*",
        Text,
        Meaning::Refused(PEM_FILES),
    ),
    TheirKey::new(
        "connect.cassandra.ignore.errors.mode",
        Text,
        Meaning::Mapped(
            "errors.tolerance",
            &[("none", "none"), ("driver", "all"), ("all", "all")],
        ),
    ),
    TheirKey::new(
        "connect.cassandra.error.policy",
        Text,
        Meaning::NoEffect(NOT_READ),
    ),
    TheirKey::new(
        "connect.cassandra.max.retries",
        Int,
        Meaning::NoEffect(NOT_READ),
    ),
    TheirKey::new(
        "connect.cassandra.retry.interval",
        Long,
        Meaning::NoEffect(NOT_READ),
    ),
    PROGRESS_ENABLED,
    TheirKey::new(
        "connect.cassandra.driver.advanced.ssl-engine-factory*",
        Text,
        Meaning::Refused(PEM_FILES),
    ),
    TheirKey::new(
        "connect.cassandra.driver.advanced.auth-provider*",
        Text,
        Meaning::Refused(ONLY_PASSWORDS),
    ),
    TheirKey::new(
        "connect.cassandra.driver.basic.contact-points*",
        Text,
        Meaning::Refused(OWN_KEYS),
    ),
    TheirKey::new(
        "connect.cassandra.driver.basic.load-balancing-policy.local-datacenter",
        Text,
        Meaning::Refused(OWN_KEYS),
    ),
    TheirKey::new(
        "connect.cassandra.driver.basic.cloud*",
        Text,
        Meaning::Refused(OWN_KEYS),
    ),
    TheirKey::new(
        "connect.cassandra.driver.*",
        Text,
        Meaning::NoEffect(OWN_ROUTING),
    ),
    TheirKey::new(
        KCQL,
        Text,
        Meaning::Read {
            ours: "cassandra.mapping",
            read: |_, _, _| {},
            words: "each statement is an entry of `cassandra.mapping`; `TTL` and the property `ttl` are \
                    `cassandra.ttl.seconds`, `consistencyLevel` is `cassandra.consistency`, `nullToUnset` is \
                    `cassandra.null.to.unset`, `deletesEnabled` is `delete.enabled`, each the same for all \
                    statements; units other than SECONDS and MICROSECONDS, `query` and other codecs than the \
                    defaults are refused",
        },
    )
    .required(),
    cassandra::URL,
];

/// TLS by PEM files, which a URL of ours names.
fn tls(translation: &mut Translation<'_>, name: &str, value: &str) {
    let is_off = value.is_empty() || value.eq_ignore_ascii_case("false");
    if !is_off && translation.given("connection.url").is_none() {
        translation.refuse_value(name, value, PEM_FILES);
    }
}

fn finish(translation: &mut Translation<'_>) {
    translation.class = Some("CassandraSink");
    let statements = statements(translation);
    let mut mappings = Vec::new();
    for statement in &statements {
        match mapping(statement) {
            Ok(mapping) => mappings.push(mapping),
            Err(problem) => refuse_statement(translation, &problem),
        }
    }
    let keyspace = mappings
        .first()
        .and_then(|mapping: &TableMapping| mapping.table.split_once('.'));
    let keyspace = keyspace.map_or("", |(keyspace, _)| keyspace).to_owned();
    NODES.set_url(translation, &keyspace);
    take_settings(translation, &statements);
    if !mappings.is_empty() {
        translation.set("cassandra.mapping", KCQL, &cassandra::together(&mappings));
        translation.set_unless_given("delete.enabled", KCQL, "true");
    }
}

/// The statements, as far as they can be read; the clauses that change nothing are told.
pub(super) fn statements(translation: &mut Translation<'_>) -> Vec<Statement> {
    let Some(text) = translation.given(KCQL).filter(|text| !text.is_empty()) else {
        translation.demand(KCQL);
        return Vec::new();
    };
    match kcql::parse(text) {
        Ok(statements) => {
            let unused = statements.iter().flat_map(|statement| &statement.unused);
            for clause in unused {
                translation.warn(
                    KCQL,
                    &format!("has {clause}, which has no effect: the sink does not read it either"),
                );
            }
            statements
        }
        Err(problem) => {
            refuse_statement(translation, &problem);
            Vec::new()
        }
    }
}

pub(super) fn refuse_statement(translation: &mut Translation<'_>, problem: &str) {
    translation.errors.push((
        KCQL.to_owned(),
        format!("Invalid value for configuration {KCQL}: {problem}"),
    ));
}

fn mapping(statement: &Statement) -> Result<TableMapping, String> {
    let names: Vec<&str> = statement.table.split('.').collect();
    if names.len() != 2 || names.iter().any(|name| name.is_empty()) {
        return Err(format!(
            "INSERT INTO must be followed by keyspace.table, not {}",
            statement.table
        ));
    }
    Ok(TableMapping {
        topic: statement.topic.clone(),
        table: statement.table.clone(),
        columns: statement.columns.clone(),
    })
}

/// Settings of single tables there are the connector's here, so the statements must agree.
fn take_settings(translation: &mut Translation<'_>, statements: &[Statement]) {
    let mut found: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for statement in statements {
        let ttl = statement.ttl.iter().map(|ttl| ("ttl", ttl.as_str()));
        let properties = statement.properties.iter();
        let properties = properties.map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in ttl.chain(properties) {
            match cassandra::table_setting(name, value) {
                Ok(Some((ours, value))) => found.entry(ours).or_default().push(value),
                Ok(None) => {}
                Err(SettingFault::Unknown) => translation.warn(
                    KCQL,
                    &format!(
                        "has the property {name}, which has no effect: it is no setting of the sink"
                    ),
                ),
                Err(SettingFault::Value(reason) | SettingFault::Refused(reason)) => {
                    refuse_statement(translation, &format!("property {name}: {reason}"));
                }
            }
        }
    }
    for (ours, values) in found {
        agree(translation, statements.len(), ours, &values);
    }
}

/// Sets a key of the connector that every statement gives the same value.
pub(super) fn agree(
    translation: &mut Translation<'_>,
    statements: usize,
    ours: &'static str,
    values: &[String],
) {
    if values.is_empty() {
        return;
    }
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    match cassandra::agreed(ours, &values, statements) {
        Some(agreed) => translation.set(ours, KCQL, agreed),
        None => {
            let problem =
                format!("the statements must all say the same where one says something of {ours}");
            refuse_statement(translation, &problem);
        }
    }
}
