//! The DataStax Apache Kafka connector, a sink for Cassandra.

use std::collections::{BTreeMap, BTreeSet};

use super::cassandra::{
    self, BY_SIZE, Nodes, ONLY_PASSWORDS, OWN_KEYS, OWN_ROUTING, PEM_FILES, SettingFault,
};
use super::{Dialect, Meaning, TheirKey, Translation};
use crate::config::definitions::Kind::{Boolean, Int, List, Password, Text};
use crate::config::mapping::{self, TableMapping};

pub(super) static DIALECT: Dialect = Dialect {
    classes: &[
        "com.datastax.oss.kafka.sink.CassandraSinkConnector",
        "com.datastax.kafkaconnector.DseSinkConnector",
    ],
    title: "the DataStax sink",
    keys: KEYS,
    finish,
};

const NO_JMX: &str = "there is no JVM, and so no JMX";

const NODES: Nodes<'_> = Nodes {
    points: "contactPoints",
    points_default: "",
    port: "port",
    parameters: &[
        ("loadBalancing.localDc", "localDc", ""),
        ("compression", "compression", ""),
        ("connectionPoolLocalSize", "connections", ""),
        // In seconds there.
        ("queryExecutionTimeout", "requestTimeout", "000"),
    ],
};

const KEYS: &[TheirKey] = &[
    cassandra::part_of_url(
        "contactPoints",
        List,
        "`connection.url`, together with `port` and `loadBalancing.localDc`",
    ),
    cassandra::part_of_url(
        "port",
        Int,
        "the port of each of `contactPoints`; 9042 when it is not given",
    ),
    cassandra::part_of_url(
        "loadBalancing.localDc",
        Text,
        "`localDc` of `connection.url`",
    ),
    TheirKey::new(
        "cloud.secureConnectBundle",
        Text,
        Meaning::Refused(
            "secure connect bundles are not supported: name the nodes in connection.url, with its sslmode, sslrootcert, sslcert and sslkey",
        ),
    ),
    TheirKey::new(
        "auth.provider",
        Text,
        Meaning::Only(&["None", "PLAIN"], ONLY_PASSWORDS),
    )
    .default("None"),
    TheirKey::new("auth.username", Text, Meaning::Ours("connection.user")),
    TheirKey::new(
        "auth.password",
        Password,
        Meaning::Ours("connection.password"),
    ),
    TheirKey::new("auth.gssapi.*", Text, Meaning::Refused(ONLY_PASSWORDS)),
    TheirKey::new("ssl.provider", Text, Meaning::Only(&["None"], PEM_FILES)).default("None"),
    TheirKey::new(
        "ssl.hostnameValidation",
        Boolean,
        Meaning::NoEffect("`sslmode=verify-full` of `connection.url` checks the address"),
    ),
    TheirKey::new("ssl.*", Text, Meaning::Refused(PEM_FILES)),
    TheirKey::new(
        "maxConcurrentRequests",
        Int,
        Meaning::Ours("cassandra.requests.max"),
    )
    .default("500"),
    TheirKey::new("maxNumberOfRecordsInBatch", Int, Meaning::NoEffect(BY_SIZE)).default("32"),
    cassandra::part_of_url(
        "connectionPoolLocalSize",
        Int,
        "`connections` of `connection.url`, at most 16",
    ),
    cassandra::part_of_url(
        "queryExecutionTimeout",
        Int,
        "`requestTimeout` of `connection.url`, there in seconds",
    ),
    cassandra::part_of_url("compression", Text, "`compression` of `connection.url`"),
    TheirKey::new(
        "ignoreErrors",
        Text,
        Meaning::Mapped(
            "errors.tolerance",
            &[
                ("None", "none"),
                ("false", "none"),
                ("Driver", "all"),
                ("All", "all"),
                ("true", "all"),
            ],
        ),
    ),
    TheirKey::new("jmx", Boolean, Meaning::NoEffect(NO_JMX)),
    TheirKey::new("jmxConnectorDomain", Text, Meaning::NoEffect(NO_JMX)),
    TheirKey::new(
        "datastax-java-driver.advanced.ssl-engine-factory*",
        Text,
        Meaning::Refused(PEM_FILES),
    ),
    TheirKey::new(
        "datastax-java-driver.advanced.auth-provider*",
        Text,
        Meaning::Refused(ONLY_PASSWORDS),
    ),
    TheirKey::new(
        "datastax-java-driver.basic.contact-points*",
        Text,
        Meaning::Refused(OWN_KEYS),
    ),
    TheirKey::new(
        "datastax-java-driver.basic.load-balancing-policy.local-datacenter",
        Text,
        Meaning::Refused(OWN_KEYS),
    ),
    TheirKey::new(
        "datastax-java-driver.basic.cloud*",
        Text,
        Meaning::Refused(OWN_KEYS),
    ),
    TheirKey::new(
        "datastax-java-driver.*",
        Text,
        Meaning::NoEffect(OWN_ROUTING),
    ),
    TheirKey::new(
        "topic.*",
        Text,
        Meaning::Read {
            ours: "cassandra.mapping",
            read: topic_key,
            words: "`topic.T.KS.TBL.mapping` is an entry of `cassandra.mapping`; `.consistencyLevel` is \
                    `cassandra.consistency`, `.ttl` is `cassandra.ttl.seconds`, `.nullToUnset` is \
                    `cassandra.null.to.unset`, `.deletesEnabled` is `delete.enabled`, each the same for all \
                    tables; units other than SECONDS and MICROSECONDS, `.query` and other codecs than the \
                    defaults are refused",
        },
    ),
    cassandra::URL,
];

/// The end of a `topic.*` key, which says what it is about.
fn setting(name: &str) -> &str {
    match name.find(".codec.") {
        Some(dot) => &name[dot + 1..],
        None => name.rsplit('.').next().unwrap_or(name),
    }
}

/// Settings of a table there; of the connector here, when all of them are known.
fn topic_key(translation: &mut Translation<'_>, name: &str, value: &str) {
    let setting = setting(name);
    let is_known = setting.starts_with("codec.") || table_of(name).is_some();
    let taken = match is_known {
        true => cassandra::table_setting(setting, value),
        false => Err(SettingFault::Unknown),
    };
    match taken {
        Ok(_) => {}
        Err(SettingFault::Unknown) => {
            translation.warn(name, "has no effect: it is no key of the DataStax sink");
        }
        Err(SettingFault::Value(reason)) => translation.refuse_value(name, value, reason),
        Err(SettingFault::Refused(reason)) => translation.refuse(name, reason),
    }
}

fn finish(translation: &mut Translation<'_>) {
    translation.class = Some("CassandraSink");
    let keyspace = first_keyspace(translation).unwrap_or_default();
    warn_of_keyspaces(translation);
    NODES.set_url(translation, &keyspace);
    take_settings(translation);
    let errors_before = translation.errors.len();
    let mappings = mappings(translation);
    if mappings.is_empty() && translation.errors.len() == errors_before {
        let problem = "every topic needs a key topic.<topic>.<keyspace>.<table>.mapping";
        translation.refuse("topics", problem);
    }
    if !mappings.is_empty() {
        let mappings = cassandra::together(&mappings);
        translation.set("cassandra.mapping", "topic.*", &mappings);
        translation.set_unless_given("delete.enabled", "topic.*", "true");
    }
}

/// A setting that one table has there all tables have here, so they must agree. One that says nothing
/// says their default.
fn take_settings(translation: &mut Translation<'_>) {
    let given = translation.theirs;
    let mut tables = BTreeSet::new();
    let mut found: BTreeMap<&'static str, Vec<(&str, String)>> = BTreeMap::new();
    for (name, value) in given {
        let (Some(table), Some(value)) = (table_of(name), value) else {
            continue;
        };
        tables.insert(table);
        if let Ok(Some((ours, value))) = cassandra::table_setting(setting(name), value.trim()) {
            found.entry(ours).or_default().push((name, value));
        }
    }
    for (ours, said) in found {
        let values: Vec<&str> = said.iter().map(|(_, value)| value.as_str()).collect();
        let Some((name, value)) = said.first() else {
            continue;
        };
        match cassandra::agreed(ours, &values, tables.len()) {
            Some(agreed) => translation.set(ours, name, agreed),
            None => {
                let problem = format!(
                    "all tables must say the same, since here it is one setting of the connector ({ours}); \
                     make a connector for each group of tables"
                );
                translation.refuse_value(name, value, &problem);
            }
        }
    }
}

/// Topic, keyspace and table of a `topic.T.KS.TBL.<setting>` key; the topic may have dots.
fn table_of(name: &str) -> Option<(&str, &str, &str)> {
    let (rest, setting) = name.strip_prefix("topic.")?.rsplit_once('.')?;
    let (rest, table) = rest.rsplit_once('.')?;
    let (topic, keyspace) = rest.rsplit_once('.')?;
    let is_of_texts = table == "codec" && setting != "mapping";
    (!is_of_texts).then_some((topic, keyspace, table))
}

/// The same of a key that ends with `.mapping`.
fn route(name: &str) -> Option<(&str, &str, &str)> {
    name.strip_suffix(".mapping").and(table_of(name))
}

/// The progress table is kept where the first rows are.
fn first_keyspace(translation: &Translation<'_>) -> Option<String> {
    let mut routes = translation.theirs.keys().filter_map(|name| route(name));
    routes.next().map(|(_, keyspace, _)| keyspace.to_owned())
}

/// Another mapping may be the first one when some are added, and positions in its place be missed.
fn warn_of_keyspaces(translation: &mut Translation<'_>) {
    let is_said = ["connection.url", "progress.table"]
        .iter()
        .any(|key| translation.ours.contains_key(*key));
    let names = translation.theirs.keys();
    let mut routes = names.filter_map(|name| Some((name, route(name)?.1)));
    let Some((name, first)) = routes.next().filter(|_| !is_said) else {
        return;
    };
    if routes.any(|(_, keyspace)| keyspace != first) {
        let problem = format!(
            "is the first of several keyspaces, and so has the positions: set \
             progress.table={first}.rowdock_progress, so that they stay there whatever is added"
        );
        let name = name.clone();
        translation.warn(&name, &problem);
    }
}

fn mappings(translation: &mut Translation<'_>) -> Vec<TableMapping> {
    let mut mappings = Vec::new();
    let mut errors = Vec::new();
    for (name, value) in translation.theirs {
        let (Some((topic, keyspace, table)), Some(value)) = (route(name), value) else {
            continue;
        };
        match mapping::parse_columns(value) {
            Ok(columns) => mappings.push(TableMapping {
                topic: topic.to_owned(),
                table: format!("{keyspace}.{table}"),
                columns,
            }),
            Err(problem) => errors.push((name.clone(), value.clone(), problem)),
        }
    }
    for (name, value, problem) in errors {
        translation.refuse_value(&name, &value, &problem);
    }
    mappings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_tables() {
        assert_eq!(route("topic.a.k.t.mapping"), Some(("a", "k", "t")));
        assert_eq!(route("topic.a.b.k.t.mapping"), Some(("a.b", "k", "t")));
        assert_eq!(route("topic.a.mapping"), None);
        assert_eq!(route("topic.a.k.t.ttl"), None);
        assert_eq!(table_of("topic.a.k.t.ttl"), Some(("a", "k", "t")));
        assert_eq!(table_of("topic.a.b.codec.unit"), None);
        assert_eq!(setting("topic.a.k.t.nullToUnset"), "nullToUnset");
        assert_eq!(setting("topic.a.codec.unit"), "codec.unit");
    }
}
