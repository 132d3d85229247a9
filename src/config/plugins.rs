//! The connector classes that are built in, and the names that stand for them; beside them, for
//! lists, the plugins that are parts of connectors.

use serde::Serialize;

use super::connector::SinkClass;
use super::definitions::{self, ConfigKeyInfo};
use super::dialect::{self, Dialect, Translation};

mod parts;

/// One entry of `GET /connector-plugins`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginInfo {
    /// Full class name.
    pub class: String,
    /// `sink`, `converter`, `header_converter`, `transformation` or `predicate`.
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

const CLASSES: [SinkClass; 4] = [
    SinkClass::Postgres,
    SinkClass::MySql,
    SinkClass::Sqlite,
    SinkClass::Cassandra,
];

/// What the full names of our classes begin with.
const OWN_PACKAGE: &str = "rowdock.";

/// Why names that others may expect stand for nothing, by the name without its endings.
const HINTS: &[(&str, &str)] = &[(
    "Jdbc",
    " (several sinks have a class of that name: give its full name)",
)];

/// What a class name stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Plugin {
    /// A sink, configured in our keys.
    Own(SinkClass),
    /// Another sink's class: its configs are translated.
    Foreign(&'static Dialect),
}

impl Plugin {
    /// The full class name.
    pub(super) fn full_name(self) -> &'static str {
        self.full_names()[0]
    }

    pub(super) fn dialect(self) -> Option<&'static Dialect> {
        match self {
            Self::Own(_) => None,
            Self::Foreign(dialect) => Some(dialect),
        }
    }

    /// The sink. Where a translation could not tell which, it is none: the keys are then described
    /// by the first, beside the error that says so.
    pub(super) fn class(
        self,
        translation: Option<&Translation<'_>>,
    ) -> Result<SinkClass, UnknownClass> {
        match self {
            Self::Own(class) => Ok(class),
            Self::Foreign(_) => match translation.and_then(|translation| translation.class) {
                Some(class) => own(class),
                None => Ok(SinkClass::Postgres),
            },
        }
    }

    /// Full names that stand for the class in configs; the first is today's.
    fn full_names(self) -> &'static [&'static str] {
        match self {
            Self::Own(class) => full_names(class),
            Self::Foreign(dialect) => dialect.classes,
        }
    }

    /// Whether a name in a request's path means this class: one of its full names or the end of one,
    /// with or without `Connector`, as in Kafka Connect.
    pub(super) fn is_called(self, name: &str) -> bool {
        let name = without_suffix(name);
        let means = |full: &&str| {
            let rest = without_suffix(full).strip_suffix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.full_names().iter().any(means)
    }
}

impl PluginInfo {
    fn new(class: String, kind: &'static str) -> Self {
        Self {
            class,
            kind,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// All connector plugins: our classes, then those of other sinks whose configs are translated.
pub fn connectors() -> Vec<PluginInfo> {
    class_names()
        .map(|class| PluginInfo::new(class.to_owned(), "sink"))
        .collect()
}

/// All plugins: connectors, then converters, header converters, transforms and predicates.
pub fn plugins() -> Vec<PluginInfo> {
    let mut plugins = connectors();
    plugins.extend(parts::list());
    plugins
}

/// The keys of a plugin, by any name that a config may give it. Those of a connector's part are
/// named without the prefix that they have there.
///
/// # Errors
/// When no built-in class has that name.
pub fn keys_of(name: &str) -> Result<Vec<ConfigKeyInfo>, UnknownClass> {
    match (find(name), parts::keys_of(name)) {
        (Ok(Plugin::Own(class)), _) => Ok(definitions::for_class(class)),
        (Ok(Plugin::Foreign(dialect)), _) => Ok(dialect::definitions(dialect)),
        (Err(_), Some(keys)) => Ok(keys),
        (Err(unknown), None) => Err(unknown),
    }
}

fn class_names() -> impl Iterator<Item = &'static str> {
    let translated = dialect::ALL.iter().map(|dialect| dialect.classes[0]);
    CLASSES.map(full_name).into_iter().chain(translated)
}

/// Finds a class: one of ours, or another sink's by its full name.
pub(super) fn find(name: &str) -> Result<Plugin, UnknownClass> {
    match Dialect::of_class(name) {
        Some(dialect) => Ok(Plugin::Foreign(dialect)),
        None => own(name).map(Plugin::Own),
    }
}

/// The full class name.
pub fn full_name(class: SinkClass) -> &'static str {
    full_names(class)[0]
}

fn full_names(class: SinkClass) -> &'static [&'static str] {
    match class {
        SinkClass::Postgres => &["rowdock.PostgresSink"],
        SinkClass::MySql => &["rowdock.MySqlSink", "rowdock.MariaDbSink"],
        SinkClass::Sqlite => &["rowdock.SqliteSink"],
        SinkClass::Cassandra => &["rowdock.CassandraSink", "rowdock.ScyllaSink"],
    }
}

/// Finds a class of ours by a full name, a simple name, or either with the ending `Connector`.
///
/// # Errors
/// When no built-in class has that name.
pub(super) fn own(name: &str) -> Result<SinkClass, UnknownClass> {
    let simple = |full: &'static str| full.strip_prefix(OWN_PACKAGE);
    let given = without_suffix(name.strip_prefix(OWN_PACKAGE).unwrap_or(name));
    let is_meant = |class: &SinkClass| {
        let mut names = full_names(*class).iter().copied();
        names.any(|full| simple(full) == Some(given))
    };
    let unknown = || UnknownClass {
        class: name.to_owned(),
        hint: hint(name),
    };
    CLASSES.into_iter().find(is_meant).ok_or_else(unknown)
}

fn available() -> String {
    class_names().collect::<Vec<_>>().join(", ")
}

fn hint(name: &str) -> &'static str {
    let simple = name.rsplit('.').next().unwrap_or(name);
    let stem = without_suffix(simple);
    let stem = stem.strip_suffix("Sink").unwrap_or(stem);
    HINTS
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
            assert_eq!(own(name).ok(), expected, "{name}");
        };
        check("PostgresSink", Some(SinkClass::Postgres));
        check("PostgresSinkConnector", Some(SinkClass::Postgres));
        check("rowdock.PostgresSink", Some(SinkClass::Postgres));
        check("rowdock.PostgresSinkConnector", Some(SinkClass::Postgres));
        check("SqliteSink", Some(SinkClass::Sqlite));
        check("rowdock.SqliteSinkConnector", Some(SinkClass::Sqlite));
        check("postgressink", None);
        check("org.acme.PostgresSink", None);
        check("MySqlSink", Some(SinkClass::MySql));
        check("rowdock.MySqlSinkConnector", Some(SinkClass::MySql));
        check("MariaDbSink", Some(SinkClass::MySql));
        check("MySQLSink", None);
        check("CassandraSink", Some(SinkClass::Cassandra));
        check("rowdock.CassandraSinkConnector", Some(SinkClass::Cassandra));
        check("ScyllaSink", Some(SinkClass::Cassandra));
        check("", None);
    }

    #[test]
    fn unknown_classes_are_refused_in_the_words_that_clients_know() {
        let message = find("Foo").unwrap_err().to_string();
        assert!(
            message.starts_with(
                "Failed to find any class that implements Connector and which name matches Foo, \
                 available connectors are: rowdock.PostgresSink, rowdock.MySqlSink, rowdock.SqliteSink, \
                 rowdock.CassandraSink, io.confluent."
            ),
            "{message}"
        );
        let message = find("JdbcSinkConnector").unwrap_err().to_string();
        assert!(message.contains("give its full name"), "{message}");
    }

    #[test]
    fn classes_of_other_sinks_are_found_by_their_full_names() {
        let class = "io.debezium.connector.jdbc.JdbcSinkConnector";
        let plugin = find(class).unwrap();
        assert_eq!(plugin.full_name(), class);
        for (name, called) in [
            (class, true),
            ("JdbcSinkConnector", true),
            ("JdbcSink", true),
            ("cSinkConnector", false),
            ("io.aiven.connect.jdbc.JdbcSinkConnector", false),
        ] {
            assert_eq!(plugin.is_called(name), called, "{name}");
        }
    }

    /// Whatever a config may be called by in `connector.class`, a request's path may as well.
    #[test]
    fn every_name_of_a_class_is_one_in_paths() {
        let of_ours = CLASSES.iter().flat_map(|class| full_names(*class));
        let of_others = dialect::ALL.iter().flat_map(|dialect| dialect.classes);
        let all: Vec<&str> = of_ours.chain(of_others).copied().collect();
        assert!(all.contains(&"rowdock.MariaDbSink"), "{all:?}");
        for full in all {
            let plugin = find(full).unwrap();
            let simple = full.rsplit('.').next().unwrap();
            for name in [full, simple, without_suffix(full), without_suffix(simple)] {
                assert!(plugin.is_called(name), "{full}: {name}");
            }
            assert!(!plugin.is_called(&simple[1..]), "{full}");
            assert!(!plugin.is_called("rowdock.PostgresSink2"), "{full}");
        }
        let mysql = find("MySqlSink").unwrap();
        assert!(!mysql.is_called("ScyllaSink"));
        assert!(!mysql.is_called(""));
    }

    #[test]
    fn plugins_have_the_shape_that_clients_read() {
        let listed = serde_json::to_value(connectors()).unwrap();
        assert_eq!(
            listed[0],
            serde_json::json!({
                "class": "rowdock.PostgresSink", "type": "sink",
                "version": env!("CARGO_PKG_VERSION"),
            })
        );
        assert_eq!(listed[1]["class"], "rowdock.MySqlSink");
        assert_eq!(listed[2]["class"], "rowdock.SqliteSink");
        assert_eq!(listed[3]["class"], "rowdock.CassandraSink");
    }
}
