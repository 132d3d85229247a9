//! Tests that `config/worker.toml` and the tables of `config/README.md` say what the code says.
//!
//! Both are generated here. When a test fails because a key was changed on purpose, run the tests
//! once with `ROWDOCK_WRITE_DOCUMENTS=1`, and look at what changed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::connector::SinkClass;
use super::definitions::transforms::{self, PluginClass};
use super::definitions::{self, ConfigKey, Fallback, Group, Rule, cassandra};
use super::dialect::{self, Dialect, Meaning};
use super::kafka::{Scope, describe_settings};
use super::worker::keys::{self, WorkerKey};
use super::worker::{SettingsSources, WorkerSettings};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

/// Compares a file with what it should be, or writes it when asked to.
fn check_file(name: &str, expected: &str) {
    let path = folder().join(name);
    if std::env::var_os("ROWDOCK_WRITE_DOCUMENTS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    let difference = found
        .lines()
        .zip(expected.lines())
        .find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "config/{name} differs from the code (first at {difference:?}); see the module's documentation"
    );
}

const HEAD: &str = "\
# Settings of a Rowdock worker: every key, with its default. Lines without a leading `#` are in
# force when this file is used as it is; all of them are defaults, so an empty file means the same.
#
# Later sources win: this file, CONNECT_* environment variables (`_` is `.`), --set key=value.
# A key is one string in quotes, or may be written with dots or tables.
# README.md beside this file explains more, and lists the settings of Kafka clients.
";

const CLIENTS: &str = "
# ---- Kafka client settings ----

# For all clients: names and values of Kafka's Java clients, without a prefix.
# \"security.protocol\" = \"SASL_SSL\"
# \"sasl.mechanism\" = \"SCRAM-SHA-512\"
# \"sasl.jaas.config\" = 'org.apache.kafka.common.security.scram.ScramLoginModule required username=\"..\" password=\"..\";'
# \"ssl.truststore.type\" = \"PEM\"
# \"ssl.truststore.location\" = \"ca.pem\"

# For consumers of connectors, for producers of dead letters, for the worker's own requests.
# \"consumer.session.timeout.ms\" = 10000
# \"producer.compression.type\" = \"zstd\"
# \"admin.request.timeout.ms\" = 10000
";

#[test]
fn worker_toml_lists_every_key() {
    let mut text = HEAD.to_owned();
    let mut section = "";
    for key in keys::ALL {
        if key.section != section {
            section = key.section;
            write!(text, "\n# ---- {section} ----\n").unwrap();
        }
        text.push('\n');
        push_comment(&mut text, key.doc);
        push_comment(&mut text, &format!("Allowed: {}.", key.form.allowed()));
        push_setting(&mut text, key);
    }
    text.push_str(CLIENTS);
    check_file("worker.toml", &text);
}

#[test]
fn worker_toml_means_the_defaults() {
    let sources = SettingsSources {
        file: Some(folder().join("worker.toml")),
        ..SettingsSources::default()
    };
    let loaded = WorkerSettings::load(&sources).unwrap();
    assert_eq!(loaded.settings, WorkerSettings::default());
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn worker_toml_is_right_with_every_comment_opened() {
    let text = std::fs::read_to_string(folder().join("worker.toml")).unwrap();
    let opened = text.replace("\n# \"", "\n\"");
    let opened = opened.replace("..", "x");
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), opened).unwrap();
    let sources = SettingsSources {
        file: Some(file.path().to_owned()),
        ..SettingsSources::default()
    };
    let loaded = WorkerSettings::load(&sources).unwrap();
    assert_eq!(loaded.settings.group_id.as_deref(), Some("connect-cluster"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn the_readme_lists_every_key() {
    let path = folder().join("README.md");
    let mut text = std::fs::read_to_string(path).unwrap();
    text = with_part(&text, "worker keys", &worker_table());
    text = with_part(&text, "client settings", &client_table());
    text = with_part(&text, "connector keys", &connector_tables());
    check_file("README.md", &text);
}

#[test]
fn the_pages_of_the_sinks_list_their_keys() {
    for (folder, class) in [
        ("postgres", SinkClass::Postgres),
        ("mysql", SinkClass::MySql),
        ("sqlite", SinkClass::Sqlite),
        ("cassandra", SinkClass::Cassandra),
    ] {
        let name = format!("connectors/src/{folder}/README.md");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&name);
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = with_part(&text, "keys", &sink_table(class));
        if std::env::var_os("ROWDOCK_WRITE_DOCUMENTS").is_some() {
            std::fs::write(&path, &expected).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap();
        assert!(found == expected, "{name}: see the module's documentation");
    }
}

/// Refused by Cassandra, which looks at no row that is there.
const NOT_OF_CASSANDRA: [&str; 3] = [
    "upsert.guard.field",
    "truncate.enabled",
    "delete.tombstone.table",
];

/// The keys that say how a sink connects and writes.
fn sink_table(class: SinkClass) -> String {
    let is_cassandra = class == SinkClass::Cassandra;
    let is_read = |key: &&ConfigKey| match key.group {
        Group::Connection | Group::Writes | Group::Mapping | Group::Tables | Group::Delivery => {
            let has_effect = !matches!(key.rule, Rule::NoEffect(_) | Rule::Unsupported(_));
            has_effect && !(is_cassandra && NOT_OF_CASSANDRA.contains(&key.name))
        }
        Group::Cassandra => is_cassandra,
        Group::Errors => is_cassandra && cassandra::own_words(key.name).is_some(),
        Group::Common | Group::Transforms | Group::Predicates => false,
    };
    let mut table = "| key | default | allowed | meaning |\n|---|---|---|---|\n".to_owned();
    for key in definitions::keys().filter(is_read) {
        let (default, mut allowed) = (default_of(key), allowed_by(key));
        let mut doc = cell(&key.documentation());
        if let Some((of_cassandra, words)) = cassandra::own_words(key.name).filter(|_| is_cassandra)
        {
            allowed = of_cassandra.map_or(allowed, quoted_list);
            doc = cell(words);
        }
        writeln!(table, "| `{}` | {default} | {allowed} | {doc} |", key.name).unwrap();
    }
    table
}

#[test]
fn the_migration_page_lists_every_key_of_other_sinks() {
    let path = folder().join("MIGRATING.md");
    let mut text = std::fs::read_to_string(path).unwrap();
    const PARTS: [&str; 6] = [
        "confluent",
        "aiven",
        "debezium",
        "datastax",
        "lenses",
        "older lenses",
    ];
    assert_eq!(PARTS.len(), dialect::ALL.len());
    for (part, dialect) in PARTS.iter().zip(dialect::ALL) {
        let maker = part.rsplit(' ').next().unwrap();
        assert!(dialect.classes[0].contains(maker));
        for class in dialect.classes {
            assert!(text.contains(class), "{class}");
        }
        text = with_part(&text, part, &dialect_table(dialect));
    }
    check_file("MIGRATING.md", &text);
}

fn dialect_table(dialect: &Dialect) -> String {
    let mut table = "| key | default | here |\n|---|---|---|\n".to_owned();
    for key in dialect.keys {
        let default = match key.default {
            Some("") | None if key.required => "required".to_owned(),
            Some("") | None => String::new(),
            Some(default) => format!("`{default}`"),
        };
        let here = match key.meaning {
            Meaning::Ours(ours) if ours == key.name => "the same".to_owned(),
            meaning => meaning.in_words(),
        };
        writeln!(table, "| `{}` | {default} | {} |", key.name, cell(&here)).unwrap();
    }
    table
}

#[test]
fn the_page_of_transforms_lists_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/transform/README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut expected = with_part(&text, "transforms", &plugin_table(transforms::transforms()));
    expected = with_part(
        &expected,
        "predicates",
        &plugin_table(transforms::predicates()),
    );
    if std::env::var_os("ROWDOCK_WRITE_DOCUMENTS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(
        found == expected,
        "src/transform/README.md differs from the code; see the documentation of this module"
    );
}

fn plugin_table<K: 'static>(classes: impl Iterator<Item = &'static PluginClass<K>>) -> String {
    let mut table = String::new();
    for class in classes {
        let sides = if class.is_sided {
            ", with `$Key` or `$Value`"
        } else {
            ""
        };
        let package = class.name.trim_end_matches(class.simple_name());
        writeln!(
            table,
            "\n**{}** (`{package}`{sides}): {}\n",
            class.simple_name(),
            class.doc
        )
        .unwrap();
        if class.keys.is_empty() {
            continue;
        }
        table.push_str("| key | type | default | allowed | meaning |\n|---|---|---|---|---|\n");
        for key in class.keys {
            writeln!(
                table,
                "| `{}` | {} | {} | {} | {} |",
                key.name,
                key.kind.name().to_lowercase(),
                default_of(key),
                allowed_by(key),
                cell(&key.documentation())
            )
            .unwrap();
        }
    }
    table
}

fn push_comment(text: &mut String, comment: &str) {
    let mut line = String::from("#");
    for word in comment.split(' ') {
        if line.len() + 1 + word.len() > 100 {
            writeln!(text, "{line}").unwrap();
            line = String::from("#");
        }
        write!(line, " {word}").unwrap();
    }
    writeln!(text, "{line}").unwrap();
}

fn push_setting(text: &mut String, key: &WorkerKey) {
    let mark = if key.default.is_some() { "" } else { "# " };
    let is_plain = key.example.parse::<i64>().is_ok() || matches!(key.example, "true" | "false");
    let quote = if is_plain { "" } else { "\"" };
    let example = key.example;
    writeln!(text, "{mark}\"{}\" = {quote}{example}{quote}", key.name).unwrap();
}

/// Replaces what stands between the two marks of a part.
fn with_part(text: &str, part: &str, content: &str) -> String {
    let begin = format!("<!-- {part}: begin -->\n");
    let end = format!("<!-- {part}: end -->");
    let (before, rest) = text.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}{content}{end}{after}")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn worker_table() -> String {
    let mut table = "| key | default | allowed | meaning |\n|---|---|---|---|\n".to_owned();
    for key in keys::ALL {
        let default = key
            .default
            .map_or_else(String::new, |default| format!("`{default}`"));
        let (allowed, doc) = (cell(&key.form.allowed()), cell(key.doc));
        writeln!(table, "| `{}` | {default} | {allowed} | {doc} |", key.name).unwrap();
    }
    table
}

fn client_table() -> String {
    let mut table = "| setting | clients | what becomes of it |\n|---|---|---|\n".to_owned();
    for (name, scope, meaning) in describe_settings() {
        let scope = match scope {
            Scope::All => "all",
            Scope::Consumer => "consumer",
            Scope::Producer => "producer",
            Scope::Admin => "worker",
        };
        writeln!(table, "| `{name}` | {scope} | {} |", cell(&meaning)).unwrap();
    }
    table
}

fn connector_tables() -> String {
    let mut tables = String::new();
    for group in Group::ALL {
        write!(
            tables,
            "\n### {}\n\n| key | type | default | allowed | meaning |\n|---|---|---|---|---|\n",
            group.title()
        )
        .unwrap();
        for key in definitions::keys().filter(|key| key.group == group) {
            writeln!(
                tables,
                "| `{}` | {} | {} | {} | {} |",
                key.name,
                key.kind.name().to_lowercase(),
                default_of(key),
                allowed_by(key),
                cell(&key.documentation())
            )
            .unwrap();
        }
    }
    tables.push('\n');
    tables
}

fn default_of(key: &ConfigKey) -> String {
    match key.fallback {
        Fallback::Required => "required".to_owned(),
        Fallback::Null | Fallback::Value("") => String::new(),
        Fallback::Value(default) => format!("`{default}`"),
    }
}

fn quoted_list(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
    quoted.join(", ")
}

fn allowed_by(key: &ConfigKey) -> String {
    match key.rule {
        Rule::Range(minimum, maximum) => format!("{minimum} to {maximum}"),
        Rule::OneOf(values) | Rule::OneOfIgnoringCase(values) | Rule::Only(values, _) => {
            quoted_list(values)
        }
        Rule::Unsupported(_) => "empty".to_owned(),
        Rule::NonEmptyText => "not empty".to_owned(),
        Rule::Any | Rule::NoEffect(_) | Rule::Check(_) => String::new(),
    }
}
