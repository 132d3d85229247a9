//! The connector classes that are built in, and the names that stand for them.

use serde::Serialize;

use super::connector::SinkClass;

/// One entry of `GET /connector-plugins`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginInfo {
    /// Full class name.
    pub class: &'static str,
    /// `sink`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Version of this program.
    pub version: &'static str,
}

/// A class name that stands for no built-in connector. The message starts as Kafka Connect's does,
/// because clients look at it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Failed to find any class that implements Connector and which name matches {class}, available connectors are: {}{hint}",
    available()
)]
pub struct UnknownClass {
    /// The name as given.
    pub class: String,
    hint: &'static str,
}

const CLASSES: [SinkClass; 2] = [SinkClass::Postgres, SinkClass::Sqlite];

/// Classes of other sinks, by how their name ends, and what stands for them here.
const FOREIGN_CLASSES: &[(&str, &str)] = &[
    (
        "Jdbc",
        " (the configs of other JDBC sinks are not translated: name PostgresSink or SqliteSink and check the keys with `rowdock validate`)",
    ),
    (
        "MySql",
        " (this version writes to PostgreSQL and SQLite only)",
    ),
    (
        "Cassandra",
        " (this version writes to PostgreSQL and SQLite only)",
    ),
];

/// All connector plugins.
pub fn plugins() -> Vec<PluginInfo> {
    CLASSES
        .map(|class| PluginInfo {
            class: full_name(class),
            kind: "sink",
            version: env!("CARGO_PKG_VERSION"),
        })
        .to_vec()
}

/// The full class name.
pub fn full_name(class: SinkClass) -> &'static str {
    match class {
        SinkClass::Postgres => "rowdock.PostgresSink",
        SinkClass::Sqlite => "rowdock.SqliteSink",
    }
}

/// Finds a class by its full name, its simple name, or either with the ending `Connector`.
///
/// # Errors
/// When no built-in class has that name.
pub fn resolve(name: &str) -> Result<SinkClass, UnknownClass> {
    let simple = name.strip_prefix("rowdock.").unwrap_or(name);
    match without_suffix(simple) {
        "PostgresSink" => Ok(SinkClass::Postgres),
        "SqliteSink" => Ok(SinkClass::Sqlite),
        _ => Err(UnknownClass {
            class: name.to_owned(),
            hint: hint(name),
        }),
    }
}

fn available() -> String {
    CLASSES.map(full_name).join(", ")
}

fn hint(name: &str) -> &'static str {
    let simple = name.rsplit('.').next().unwrap_or(name);
    let stem = without_suffix(simple);
    let stem = stem.strip_suffix("Sink").unwrap_or(stem);
    FOREIGN_CLASSES
        .iter()
        .find(|(foreign, _)| stem == *foreign)
        .map_or("", |(_, hint)| hint)
}

fn without_suffix(name: &str) -> &str {
    name.strip_suffix("Connector").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_found_by_their_names_and_aliases() {
        let check = |name: &str, expected: Option<SinkClass>| {
            assert_eq!(resolve(name).ok(), expected, "{name}");
        };
        check("PostgresSink", Some(SinkClass::Postgres));
        check("PostgresSinkConnector", Some(SinkClass::Postgres));
        check("rowdock.PostgresSink", Some(SinkClass::Postgres));
        check("rowdock.PostgresSinkConnector", Some(SinkClass::Postgres));
        check("SqliteSink", Some(SinkClass::Sqlite));
        check("rowdock.SqliteSinkConnector", Some(SinkClass::Sqlite));
        check("postgressink", None);
        check("org.acme.PostgresSink", None);
        check("MySqlSink", None);
        check("", None);
    }

    #[test]
    fn unknown_classes_are_refused_in_the_words_that_clients_know() {
        assert_eq!(
            resolve("Foo").unwrap_err().to_string(),
            "Failed to find any class that implements Connector and which name matches Foo, \
             available connectors are: rowdock.PostgresSink, rowdock.SqliteSink"
        );
        for other in [
            "io.confluent.connect.jdbc.JdbcSinkConnector",
            "io.debezium.connector.jdbc.JdbcSinkConnector",
            "JdbcSink",
        ] {
            let message = resolve(other).unwrap_err().to_string();
            assert!(
                message.contains("name PostgresSink or SqliteSink"),
                "{message}"
            );
        }
        let cassandra = "com.datastax.oss.kafka.sink.CassandraSinkConnector";
        let message = resolve(cassandra).unwrap_err().to_string();
        assert!(message.contains("PostgreSQL and SQLite only"), "{message}");
    }

    #[test]
    fn plugins_have_the_shape_that_clients_read() {
        let listed = serde_json::to_value(plugins()).unwrap();
        assert_eq!(
            listed[0],
            serde_json::json!({
                "class": "rowdock.PostgresSink", "type": "sink",
                "version": env!("CARGO_PKG_VERSION"),
            })
        );
        assert_eq!(listed[1]["class"], "rowdock.SqliteSink");
    }
}
