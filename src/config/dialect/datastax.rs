//! The DataStax Apache Kafka connector, a sink for Cassandra.

use std::collections::BTreeMap;

use super::{Dialect, Meaning, TheirKey, Translation};
use crate::config::definitions::Kind::{Boolean, Int, List, Password, Text};
use crate::config::mapping;

pub(super) static DIALECT: Dialect = Dialect {
    classes: &[
        "com.datastax.oss.kafka.sink.CassandraSinkConnector",
        "com.datastax.kafkaconnector.DseSinkConnector",
    ],
    title: "the DataStax sink",
    keys: KEYS,
    finish,
};

const OWN_ROUTING: &str =
    "statements always go to a replica of their partition, with the driver's own settings";
const NO_JMX: &str = "there is no JVM, and so no JMX";
const ONE_CODEC: &str = "texts are read in ISO 8601, UTC and plain digits";

const KEYS: &[TheirKey] = &[
    TheirKey::new(
        "contactPoints",
        List,
        Meaning::Read {
            ours: "connection.url",
            read: |_, _, _| {},
            words: "`connection.url`, together with `port` and `loadBalancing.localDc`",
        },
    ),
    TheirKey::new(
        "port",
        Int,
        Meaning::Read {
            ours: "connection.url",
            read: |_, _, _| {},
            words: "the port of each of `contactPoints`; 9042 when it is not given",
        },
    ),
    TheirKey::new(
        "loadBalancing.localDc",
        Text,
        Meaning::Read {
            ours: "connection.url",
            read: |_, _, _| {},
            words: "`localDc` of `connection.url`",
        },
    ),
    TheirKey::new(
        "cloud.secureConnectBundle",
        Text,
        Meaning::Refused(
            "secure connect bundles are not supported: name the nodes, with `ssl.*` of `connection.url`",
        ),
    ),
    TheirKey::new(
        "auth.provider",
        Text,
        Meaning::Only(&["None", "PLAIN"], "only user and password are supported"),
    )
    .default("None"),
    TheirKey::new("auth.username", Text, Meaning::Ours("connection.user")),
    TheirKey::new(
        "auth.password",
        Password,
        Meaning::Ours("connection.password"),
    ),
    TheirKey::new(
        "auth.gssapi.*",
        Text,
        Meaning::Refused("only user and password are supported"),
    ),
    TheirKey::new(
        "ssl.provider",
        Text,
        Meaning::Only(
            &["None"],
            "name PEM files in connection.url instead: sslmode, sslrootcert, sslcert, sslkey",
        ),
    )
    .default("None"),
    TheirKey::new(
        "ssl.hostnameValidation",
        Boolean,
        Meaning::NoEffect("`sslmode=verify-full` of `connection.url` checks the address"),
    ),
    TheirKey::new(
        "ssl.*",
        Text,
        Meaning::Refused(
            "name PEM files in connection.url instead: sslmode, sslrootcert, sslcert, sslkey",
        ),
    ),
    TheirKey::new(
        "maxConcurrentRequests",
        Int,
        Meaning::Ours("cassandra.requests.max"),
    )
    .default("500"),
    TheirKey::new(
        "maxNumberOfRecordsInBatch",
        Int,
        Meaning::NoEffect(
            "rows of one partition are sent together by their size: `cassandra.batch.max.bytes`",
        ),
    )
    .default("32"),
    TheirKey::new(
        "connectionPoolLocalSize",
        Int,
        Meaning::Read {
            ours: "connection.url",
            read: |_, _, _| {},
            words: "`connections` of `connection.url`, at most 16",
        },
    ),
    TheirKey::new(
        "queryExecutionTimeout",
        Int,
        Meaning::Read {
            ours: "connection.url",
            read: |_, _, _| {},
            words: "`requestTimeout` of `connection.url`, there in seconds",
        },
    ),
    TheirKey::new(
        "compression",
        Text,
        Meaning::Read {
            ours: "connection.url",
            read: |_, _, _| {},
            words: "`compression` of `connection.url`",
        },
    ),
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
];

/// The end of a `topic.*` key, which says what it is about.
fn ending(name: &str) -> &str {
    match name.split_once(".codec.") {
        Some(_) => "codec",
        None => name.rsplit('.').next().unwrap_or(name),
    }
}

fn topic_key(translation: &mut Translation<'_>, name: &str, value: &str) {
    let only = |allowed: &[&str]| {
        allowed
            .iter()
            .any(|known| known.eq_ignore_ascii_case(value))
    };
    match ending(name) {
        // All of them together, at the end.
        "mapping" => {}
        "consistencyLevel" => one_for_all(translation, "cassandra.consistency", name, value),
        "ttl" => {
            let seconds = if value == "-1" { "0" } else { value };
            one_for_all(translation, "cassandra.ttl.seconds", name, seconds);
        }
        "nullToUnset" => one_for_all(translation, "cassandra.null.to.unset", name, value),
        "deletesEnabled" => one_for_all(translation, "delete.enabled", name, value),
        "ttlTimeUnit" if only(&["SECONDS"]) => {}
        "timestampTimeUnit" if only(&["MICROSECONDS"]) => {}
        "ttlTimeUnit" => translation.refuse_value(name, value, "only SECONDS are supported"),
        "timestampTimeUnit" => {
            translation.refuse_value(name, value, "only MICROSECONDS are supported");
        }
        "codec" => check_codec(translation, name, value),
        "query" => {
            let reason =
                "statements of one's own are not supported: they could not be written again";
            translation.errors.push((
                name.to_owned(),
                format!("{name} cannot be honoured: {reason}"),
            ));
        }
        _ => translation.warn(name, "has no effect: it is no key of the DataStax sink"),
    }
}

/// Settings of a table there; of the connector here.
fn one_for_all(translation: &mut Translation<'_>, ours: &'static str, theirs: &str, value: &str) {
    translation.set(ours, theirs, value);
}

fn check_codec(translation: &mut Translation<'_>, name: &str, value: &str) {
    const DEFAULTS: [(&str, &str); 6] = [
        ("locale", "en_US"),
        ("timeZone", "UTC"),
        ("timestamp", "CQL_TIMESTAMP"),
        ("date", "ISO_LOCAL_DATE"),
        ("time", "ISO_LOCAL_TIME"),
        ("unit", "MILLISECONDS"),
    ];
    let codec = name.rsplit('.').next().unwrap_or(name);
    let default = DEFAULTS.iter().find(|(known, _)| *known == codec);
    if default.is_none_or(|(_, default)| !default.eq_ignore_ascii_case(value)) {
        translation.refuse_value(name, value, ONE_CODEC);
    }
}

fn finish(translation: &mut Translation<'_>) {
    translation.class = Some("CassandraSink");
    set_url(translation);
    let mappings = mappings(translation);
    if !mappings.is_empty() {
        translation.set("cassandra.mapping", "topic.*", &mappings);
        translation.set_unless_given("delete.enabled", "topic.*", "true");
    }
}

fn set_url(translation: &mut Translation<'_>) {
    if translation.ours.contains_key("connection.url") {
        return;
    }
    let points = translation.given("contactPoints").unwrap_or_default();
    if points.is_empty() {
        // Without an address the config is refused for that.
        return;
    }
    let port = translation.given("port").unwrap_or("9042");
    let nodes: Vec<String> = points
        .split(',')
        .map(str::trim)
        .filter(|point| !point.is_empty())
        .map(|point| format!("{point}:{port}"))
        .collect();
    let mut parameters = Vec::new();
    if let Some(datacenter) = translation.given("loadBalancing.localDc") {
        parameters.push(format!("localDc={datacenter}"));
    }
    if let Some(compression) = translation.given("compression") {
        parameters.push(format!("compression={compression}"));
    }
    if let Some(connections) = translation.given("connectionPoolLocalSize") {
        parameters.push(format!("connections={connections}"));
    }
    if let Some(seconds) = translation.given("queryExecutionTimeout") {
        parameters.push(format!("requestTimeout={seconds}000"));
    }
    let keyspace = first_keyspace(translation).unwrap_or_default();
    let mut url = format!("cassandra://{}/{keyspace}", nodes.join(","));
    if !parameters.is_empty() {
        url.push('?');
        url.push_str(&parameters.join("&"));
    }
    translation.set("connection.url", "contactPoints", &url);
}

/// Topic, keyspace and table of a `topic.T.KS.TBL.mapping` key; the topic may have dots.
fn route(name: &str) -> Option<(&str, &str, &str)> {
    let rest = name.strip_prefix("topic.")?.strip_suffix(".mapping")?;
    let (rest, table) = rest.rsplit_once('.')?;
    let (topic, keyspace) = rest.rsplit_once('.')?;
    Some((topic, keyspace, table))
}

/// The progress table is kept where the first rows are.
fn first_keyspace(translation: &Translation<'_>) -> Option<String> {
    let mut routes = translation.theirs.keys().filter_map(|name| route(name));
    routes.next().map(|(_, keyspace, _)| keyspace.to_owned())
}

/// All mappings, as one value of ours.
fn mappings(translation: &mut Translation<'_>) -> String {
    let mut entries = BTreeMap::new();
    let mut errors = Vec::new();
    for (name, value) in translation.theirs {
        let (Some((topic, keyspace, table)), Some(value)) = (route(name), value) else {
            continue;
        };
        match mapping::parse_columns(value) {
            Ok(columns) => {
                let mapped = mapping::TableMapping {
                    topic: topic.to_owned(),
                    table: format!("{keyspace}.{table}"),
                    columns,
                };
                entries.insert(name.clone(), mapped.to_string());
            }
            Err(problem) => errors.push((name.clone(), value.clone(), problem)),
        }
    }
    for (name, value, problem) in errors {
        translation.refuse_value(&name, &value, &problem);
    }
    let all: Vec<String> = entries.into_values().collect();
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_tables() {
        assert_eq!(route("topic.a.k.t.mapping"), Some(("a", "k", "t")));
        assert_eq!(route("topic.a.b.k.t.mapping"), Some(("a.b", "k", "t")));
        assert_eq!(route("topic.a.mapping"), None);
        assert_eq!(ending("topic.a.k.t.nullToUnset"), "nullToUnset");
        assert_eq!(ending("topic.a.codec.unit"), "codec");
    }
}
