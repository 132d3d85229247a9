//! Where settings come from: each source read into keys and texts, with the place of each.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use config::{File, FileFormat, Source as _, Value, ValueKind};

use super::{SettingProblem, SettingsError};
use crate::config::{offline, properties};

/// Largest settings file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Tables within tables in a settings file.
const NESTING_MAX: usize = 16;

/// What every environment variable of settings begins with.
const ENVIRONMENT_PREFIX: &str = "CONNECT_";

/// Where one setting was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// Its line, from 1, when it is known.
        line: Option<usize>,
    },
    /// In an environment variable of this name.
    Environment(String),
    /// By `--set`.
    CommandLine,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File {
                path,
                line: Some(line),
            } => write!(formatter, "{}, line {line}", path.display()),
            Self::File { path, line: None } => write!(formatter, "{}", path.display()),
            Self::Environment(variable) => write!(formatter, "environment variable {variable}"),
            Self::CommandLine => formatter.write_str("--set"),
        }
    }
}

/// One setting as given.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) value: String,
    pub(super) place: Place,
    /// The value as it was given, when parts of it came from config providers.
    pub(super) reference: Option<String>,
}

impl Given {
    fn new(value: String, place: Place) -> Self {
        Self {
            value,
            place,
            reference: None,
        }
    }

    /// What may be shown of it: no value of a config provider.
    pub(super) fn shown<'a>(&'a self, value: &'a str) -> &'a str {
        self.reference.as_deref().unwrap_or(value)
    }
}

/// All settings by key; a later source replaces an earlier one.
pub(super) type Settings = BTreeMap<String, Given>;

/// Reads a file into `settings`.
pub(super) fn read_file(path: &Path, settings: &mut Settings) -> Result<(), SettingsError> {
    let refuse = |problem: String| SettingsError::File {
        path: path.to_owned(),
        problem,
    };
    let bytes = offline::read_bounded(path, FILE_BYTES_MAX)
        .map_err(|error| refuse(format!("cannot be read: {error}")))?
        .ok_or_else(|| refuse(format!("larger than {FILE_BYTES_MAX} bytes")))?;
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("toml") => {
            let text = String::from_utf8(bytes).map_err(|_| refuse("not UTF-8".to_owned()))?;
            read_toml(path, &text, settings).map_err(refuse)
        }
        Some("properties") => {
            for pair in properties::parse(&bytes).map_err(|error| refuse(error.to_string()))? {
                let place = Place::File {
                    path: path.to_owned(),
                    line: Some(pair.line),
                };
                settings.insert(pair.key, Given::new(pair.value, place));
            }
            Ok(())
        }
        _ => Err(refuse(
            "its name must end in .toml or .properties".to_owned(),
        )),
    }
}

/// Reads `CONNECT_*` variables: `_` is `.`, `__` is `_`, `___` is `-`, all in lower case.
pub(super) fn read_environment(environment: &[(String, String)], settings: &mut Settings) {
    for (variable, value) in environment {
        let Some(name) = variable.strip_prefix(ENVIRONMENT_PREFIX) else {
            continue;
        };
        let given = Given::new(value.clone(), Place::Environment(variable.clone()));
        settings.insert(key_of_variable(name), given);
    }
}

/// Reads `--set key=value`.
pub(super) fn read_overrides(
    overrides: &[String],
    settings: &mut Settings,
    problems: &mut Vec<SettingProblem>,
) {
    for text in overrides {
        let Some((key, value)) = text
            .split_once('=')
            .filter(|(key, _)| !key.trim().is_empty())
        else {
            // Only what looks like a key is shown: the rest may be a secret.
            let key: String = text
                .chars()
                .take_while(|next| next.is_alphanumeric() || matches!(next, '.' | '-' | '_'))
                .collect();
            problems.push(SettingProblem {
                key,
                place: Place::CommandLine,
                problem: "must be given as key=value".to_owned(),
                allowed: None,
            });
            continue;
        };
        let given = Given::new(value.to_owned(), Place::CommandLine);
        settings.insert(key.trim().to_owned(), given);
    }
}

fn key_of_variable(name: &str) -> String {
    let lower = name.to_lowercase();
    let mut key = String::with_capacity(lower.len());
    let mut rest = lower.as_str();
    while let Some(start) = rest.find('_') {
        key.push_str(&rest[..start]);
        let run = rest[start..]
            .bytes()
            .take_while(|byte| *byte == b'_')
            .count()
            .min(3);
        key.push(match run {
            1 => '.',
            2 => '_',
            _ => '-',
        });
        rest = &rest[start + run..];
    }
    key.push_str(rest);
    key
}

fn read_toml(path: &Path, text: &str, settings: &mut Settings) -> Result<(), String> {
    let table = File::from_str(text, FileFormat::Toml)
        .collect()
        .map_err(|error| toml_problem(&error))?;
    let lines = locate_keys(text);
    let mut flat = BTreeMap::new();
    for (key, value) in table {
        flatten(key, value, 0, &mut flat)?;
    }
    for (key, value) in flat {
        let place = Place::File {
            path: path.to_owned(),
            line: lines.get(&key).copied(),
        };
        settings.insert(key, Given::new(value, place));
    }
    Ok(())
}

/// Tables become dotted keys, lists become comma-separated texts.
fn flatten(
    key: String,
    value: Value,
    depth: usize,
    flat: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    if depth > NESTING_MAX {
        return Err(format!("{key} is nested deeper than {NESTING_MAX} tables"));
    }
    let text = match value.kind {
        ValueKind::Table(table) => {
            for (name, value) in table {
                flatten(format!("{key}.{name}"), value, depth + 1, flat)?;
            }
            return Ok(());
        }
        ValueKind::Array(items) => {
            let items: Result<Vec<String>, String> =
                items.into_iter().map(|item| scalar(&key, &item)).collect();
            items?.join(",")
        }
        _ => scalar(&key, &value)?,
    };
    match flat.insert(key.clone(), text) {
        None => Ok(()),
        Some(_) => Err(format!(
            "{key} is given twice, as \"{key}\" in quotes and by tables or dots"
        )),
    }
}

fn scalar(key: &str, value: &Value) -> Result<String, String> {
    match &value.kind {
        ValueKind::Table(_) | ValueKind::Array(_) => {
            Err(format!("{key} must be a list of plain values"))
        }
        ValueKind::Nil => Ok(String::new()),
        scalar => Ok(scalar.to_string()),
    }
}

/// The parser's message without the line of the file that it quotes: that may hold a secret.
fn toml_problem(error: &config::ConfigError) -> String {
    let text = error.to_string();
    let quotes_file = |line: &&str| {
        let after_number =
            line.trim_start_matches(|next: char| next.is_ascii_digit() || next == ' ');
        !after_number.starts_with('|')
    };
    let lines: Vec<&str> = text.lines().filter(quotes_file).map(str::trim).collect();
    lines.join(": ")
}

/// In which line each key of a TOML file stands. An approximation for messages: the file has been
/// parsed by then, and a key that is written in an unusual way just has no line.
fn locate_keys(text: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    let mut table = String::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let name = header.split(']').next().unwrap_or_default();
            table = format!("{}.", plain_key(name));
        } else if let Some((key, _)) = line.split_once('=') {
            lines
                .entry(format!("{table}{}", plain_key(key)))
                .or_insert(index + 1);
        }
    }
    lines
}

fn plain_key(key: &str) -> String {
    key.chars()
        .filter(|character| !matches!(character, '"' | '\'' | ' ' | '\t'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_keys() {
        let check = |name: &str, expected: &str| assert_eq!(key_of_variable(name), expected);
        check("BOOTSTRAP_SERVERS", "bootstrap.servers");
        check("CONSUMER_SASL_MECHANISM", "consumer.sasl.mechanism");
        check("A__B", "a_b");
        check("A___B", "a-b");
        check("A____B", "a-.b");
        check("A_", "a.");
        check("", "");
    }

    #[test]
    fn tables_dots_and_quotes_all_give_dotted_keys() {
        let text = "\"key.converter\" = \"JsonConverter\"\nkey.converter.schemas.enable = false\n\
                    listeners = [\"http://:1\", \"http://:2\"]\n[consumer]\n\"fetch.min.bytes\" = 5\n\
                    [consumer.sasl]\nmechanism = 'PLAIN' # comment\n";
        let mut settings = Settings::new();
        read_toml(Path::new("w.toml"), text, &mut settings).unwrap();
        let read: Vec<(&str, &str, Option<usize>)> = settings
            .iter()
            .map(|(key, given)| {
                let line = match given.place {
                    Place::File { line, .. } => line,
                    _ => None,
                };
                (key.as_str(), given.value.as_str(), line)
            })
            .collect();
        assert_eq!(
            read,
            [
                ("consumer.fetch.min.bytes", "5", Some(5)),
                ("consumer.sasl.mechanism", "PLAIN", Some(7)),
                ("key.converter", "JsonConverter", Some(1)),
                ("key.converter.schemas.enable", "false", Some(2)),
                ("listeners", "http://:1,http://:2", Some(3)),
            ]
        );
    }

    #[test]
    fn bad_toml_is_refused_without_quoting_it() {
        let check = |text: &str, problem: &str| {
            let refused = read_toml(Path::new("w.toml"), text, &mut Settings::new()).unwrap_err();
            assert!(refused.contains(problem), "{refused}");
            assert!(!refused.contains("s3cret"), "{refused}");
        };
        check("a = 1\nsasl.password = s3cret\n", "line 2, column");
        check("sasl.password = \"s3cret", "line 1, column");
        check("a = 1\na = 2\n", "line 2, column");
        check("\"a.b\" = 1\na.b = 2\n", "a.b is given twice");
        check("a = [[1]]", "a must be a list of plain values");
        check("[[a]]\nb = 1\n", "a must be a list of plain values");
        check("a = 99999999999999999999", "too large");
    }
}
