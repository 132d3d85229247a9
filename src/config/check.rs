//! A connector's config checked against the table of keys: one pass that both parsing and the
//! `validate` reply start from.
//!
//! Messages and their order are Kafka Connect's where it has the check: a value that is not a
//! number gives two errors, because Kafka goes on to check the null it made of it.

use std::collections::BTreeMap;

use super::connector::{SinkClass, StartPosition};
use super::definitions::{self, ConfigKey, ConfigKeyInfo, Fallback, Kind, Rule, common};
use super::dialect::Dialect;
use super::parse::{Invalid, KeyError};
use super::plugins::{self, Plugin};
use super::providers::reference::has_reference;
use super::providers::resolution::Resolution;
use super::transforms::TransformConfig;
use super::worker::WorkerSettings;
use super::{RawConfig, secret};

mod cross;
mod extra;
mod transforms;
mod translated;
mod value;

pub(super) use value::{Value, accepts, is_default};
use value::{check_rule, null_rule, parse};

/// Kafka Connect's message for JSON's `null`.
const NULL_VALUE: &str = "Null value can not be supplied as the configuration value.";

/// One key of the table, as it stands in this config.
pub(super) struct Entry {
    pub(super) key: &'static ConfigKey,
    pub(super) given: bool,
    pub(super) value: Value,
    pub(super) errors: Vec<String>,
    /// Shown instead of the value: the references of which it was made.
    shown_as: Option<String>,
    /// Not shown: with this class the key has another name.
    pub(super) hidden: bool,
}

/// A given key that is not in the table, or has no meaning in this config.
pub(super) struct Extra {
    pub(super) definition: ConfigKeyInfo,
    pub(super) shown: Option<String>,
    pub(super) recommended: Vec<String>,
    pub(super) errors: Vec<String>,
}

/// A config, checked. It is acceptable when no entry and no extra has errors.
pub(super) struct Checked {
    pub(super) class: SinkClass,
    /// The language that the config is written in, when it is another sink's.
    pub(super) dialect: Option<&'static Dialect>,
    pub(super) entries: Vec<Entry>,
    pub(super) extras: Vec<Extra>,
    /// What is accepted without effect; each begins with the key that it is about.
    pub(super) warnings: Vec<String>,
    /// In their order; complete only when nothing has errors.
    pub(super) transforms: Vec<TransformConfig>,
    /// Groups of keys beside those of the table: one per transform and predicate.
    pub(super) groups: Vec<String>,
    pub(super) consumer_overrides: BTreeMap<String, String>,
    pub(super) producer_overrides: BTreeMap<String, String>,
    pub(super) start: StartPosition,
}

/// Checks everything that can be checked without Kafka or a database.
pub(super) fn check(raw: &RawConfig, worker: &WorkerSettings) -> Result<Checked, Invalid> {
    let resolution = worker.providers.resolve_config(raw);
    let plugin = plugin(raw, &resolution)?;
    let translation = match plugin {
        Plugin::Own(_) => None,
        Plugin::Foreign(dialect) => Some(dialect.translate(&resolution.config)),
    };
    let config = match &translation {
        Some(translation) => &translation.ours,
        None => &*resolution.config,
    };
    let mut checked = Checked {
        class: plugin.class(translation.as_ref())?,
        dialect: plugin.dialect(),
        entries: entries(config, &resolution),
        extras: Vec::new(),
        warnings: Vec::new(),
        transforms: Vec::new(),
        groups: Vec::new(),
        consumer_overrides: overrides(config, super::kafka::CONSUMER_OVERRIDE),
        producer_overrides: overrides(config, super::kafka::PRODUCER_OVERRIDE),
        start: StartPosition::Earliest,
    };
    checked.warn_without_effect();
    if let Some(translation) = &translation {
        translated::take_over(&mut checked, translation);
    }
    cross::check(&mut checked);
    transforms::check(&mut checked, config, &resolution);
    cross::check_single_keys(&mut checked, worker);
    extra::check(&mut checked, raw, worker);
    if let Some(translation) = &translation {
        translated::give_back(&mut checked, raw, translation);
    }
    checked.hide_provided_values(&resolution);
    Ok(checked)
}

fn plugin(raw: &RawConfig, resolution: &Resolution<'_>) -> Result<Plugin, Invalid> {
    let key = common::CONNECTOR_CLASS.name;
    if let Some(problem) = resolution.problems.get(key) {
        return Err(Invalid::Keys(vec![KeyError {
            key: key.to_owned(),
            message: problem.clone(),
        }]));
    }
    match resolution.config.get(key) {
        Some(Some(class)) => plugins::find(class.trim()).map_err(|mut unknown| {
            if let Some(given) = resolution.given(key) {
                unknown.class = given.to_owned();
            }
            unknown.into()
        }),
        Some(None) | None => {
            let name = raw.get(common::NAME.name).cloned().flatten();
            Err(Invalid::NoClass {
                name: name.unwrap_or_default(),
            })
        }
    }
}

impl Checked {
    pub(super) fn entry(&self, key: &ConfigKey) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key.name == key.name)
    }

    /// The text of a key, unless it is absent or empty.
    pub(super) fn text(&self, key: &ConfigKey) -> Option<&str> {
        match &self.entry(key)?.value {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub(super) fn list(&self, key: &ConfigKey) -> &[String] {
        match self.entry(key).map(|entry| &entry.value) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }

    pub(super) fn is_true(&self, key: &ConfigKey) -> bool {
        self.entry(key)
            .is_some_and(|entry| entry.value == Value::Boolean(true))
    }

    /// Whether the text of a key is this, in any case.
    pub(super) fn is(&self, key: &ConfigKey, text: &str) -> bool {
        self.text(key)
            .is_some_and(|value| value.eq_ignore_ascii_case(text))
    }

    pub(super) fn is_given(&self, key: &ConfigKey) -> bool {
        self.entry(key).is_some_and(|entry| entry.given)
    }

    /// The class that the config names.
    pub(super) fn plugin(&self) -> Plugin {
        match self.dialect {
            Some(dialect) => Plugin::Foreign(dialect),
            None => Plugin::Own(self.class),
        }
    }

    /// What is said about one key without being an error.
    pub(super) fn warnings_of(&self, key: &str) -> Vec<String> {
        let is_about = |warning: &&String| {
            let rest = warning.strip_prefix(key);
            rest.is_some_and(|rest| rest.starts_with(' '))
        };
        self.warnings.iter().filter(is_about).cloned().collect()
    }

    /// Whether a key refers to a config provider that does not have its value.
    fn is_unresolved(&self, key: &ConfigKey) -> bool {
        self.entry(key)
            .is_some_and(|entry| entry.shown_as.is_some() && entry.value == Value::Null)
    }

    /// Adds an error to a key of the table.
    fn refuse(&mut self, key: &ConfigKey, message: String) {
        self.refuse_named(key.name, message);
    }

    fn refuse_named(&mut self, name: &str, message: String) {
        for entry in &mut self.entries {
            if entry.key.name == name {
                entry.errors.push(message);
                return;
            }
        }
    }

    /// Adds an error in Kafka's form: the value, the key, the problem.
    fn refuse_value(&mut self, key: &ConfigKey, problem: &str) {
        let value = self.entry(key).and_then(Entry::shown);
        let message = invalid(key.name, value.as_deref().unwrap_or("null"), problem);
        self.refuse(key, message);
    }

    /// What came from config providers must not be told, whoever wrote the message.
    fn hide_provided_values(&mut self, resolution: &Resolution<'_>) {
        let hide = |key: &str, messages: &mut Vec<String>| {
            for message in messages {
                *message = resolution.without_values(key, message);
            }
        };
        for entry in &mut self.entries {
            hide(entry.key.name, &mut entry.errors);
        }
        for extra in &mut self.extras {
            let key = &extra.definition.name;
            extra.errors.extend(resolution.problems.get(key).cloned());
            hide(key, &mut extra.errors);
        }
        hide("", &mut self.warnings);
    }

    fn warn_without_effect(&mut self) {
        for entry in &self.entries {
            let Rule::NoEffect(reason) = entry.key.rule else {
                continue;
            };
            if entry.given && !entry.is_default() {
                self.warnings
                    .push(format!("{} has no effect. {reason}", entry.key.name));
            }
        }
    }
}

impl Entry {
    /// The value as Kafka Connect shows it; secrets hidden.
    pub(super) fn shown(&self) -> Option<String> {
        if let Some(given) = &self.shown_as {
            return Some(shown_text(self.key, given));
        }
        let text = match &self.value {
            Value::Null => return None,
            Value::Boolean(value) => value.to_string(),
            Value::Integer(value) => value.to_string(),
            Value::Text(text) => text.clone(),
            Value::List(list) => list.join(","),
        };
        Some(shown_text(self.key, &text))
    }

    fn is_default(&self) -> bool {
        matches!(self.key.fallback, Fallback::Value(default) if parse(self.key.kind, default) == Ok(self.value.clone()))
    }
}

fn shown_text(key: &ConfigKey, text: &str) -> String {
    if !key.is_hidden() {
        text.to_owned()
    } else if key.kind == Kind::Password {
        secret::HIDDEN.to_owned()
    } else {
        secret::without_credentials(text)
    }
}

/// Kafka's form of an error about a value.
fn invalid(name: &str, value: &str, problem: &str) -> String {
    format!("Invalid value {value} for configuration {name}: {problem}")
}

/// Settings below a prefix, nulls left out (they are errors of their own).
fn overrides(raw: &RawConfig, prefix: &str) -> BTreeMap<String, String> {
    raw.iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, value.as_ref()?)))
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect()
}

/// Every key of the table that counts in this config: those of a converter only beside it.
fn entries(config: &RawConfig, resolution: &Resolution<'_>) -> Vec<Entry> {
    definitions::keys()
        .filter(|key| {
            key.belongs_to
                .is_none_or(|converter| config.contains_key(converter))
        })
        .map(|key| resolved_entry(key, key.name, config, resolution))
        .collect()
}

/// A key of the table as it stands in this config, under this name: keys of transforms have a
/// prefix.
fn resolved_entry(
    key: &'static ConfigKey,
    name: &str,
    config: &RawConfig,
    resolution: &Resolution<'_>,
) -> Entry {
    let entry = match resolution.problems.get(name) {
        Some(problem) => Entry {
            key,
            given: true,
            value: Value::Null,
            errors: vec![problem.clone()],
            shown_as: None,
            hidden: false,
        },
        None => entry(key, name, config.get(name)),
    };
    Entry {
        shown_as: resolution.given(name).map(str::to_owned),
        ..entry
    }
}

/// The keys of one converter as they stand in these settings; `class` is the converter's own key.
pub(super) fn converter_entries(class: &str, raw: &RawConfig) -> Vec<Entry> {
    definitions::keys()
        .filter(|key| key.belongs_to == Some(class))
        .map(|key| entry(key, key.name, raw.get(key.name)))
        .collect()
}

fn entry(key: &'static ConfigKey, name: &str, given: Option<&Option<String>>) -> Entry {
    let mut errors = Vec::new();
    let value = match given {
        Some(Some(text)) => given_value(key, name, text, &mut errors),
        Some(None) => {
            errors.extend(null_rule(key, name));
            errors.push(NULL_VALUE.to_owned());
            Value::Null
        }
        None => default_value(key, name, &mut errors),
    };
    Entry {
        key,
        given: given.is_some(),
        value,
        errors,
        shown_as: None,
        hidden: false,
    }
}

fn default_value(key: &ConfigKey, name: &str, errors: &mut Vec<String>) -> Value {
    match key.fallback {
        Fallback::Required => {
            errors.push(format!(
                "Missing required configuration \"{name}\" which has no default value."
            ));
            Value::Null
        }
        Fallback::Null => Value::Null,
        Fallback::Value(default) => parse(key.kind, default).unwrap_or(Value::Null),
    }
}

fn given_value(key: &ConfigKey, name: &str, text: &str, errors: &mut Vec<String>) -> Value {
    // A name is kept as it is: it is the connector's identity. A password may end in a blank.
    let keeps_blanks = key.kind == Kind::Password || name == common::NAME.name;
    let text = if keeps_blanks { text } else { text.trim() };
    if name == common::NAME.name && has_reference(text) {
        let problem = "a connector's name cannot come from a config provider";
        errors.push(invalid(name, text, problem));
        return Value::Null;
    }
    if matches!(key.rule, Rule::Only(..)) && text.is_empty() {
        return default_value(key, name, errors);
    }
    match parse(key.kind, text) {
        Err(problem) => {
            errors.push(invalid(name, &shown_text(key, text), &problem));
            if matches!(key.rule, Rule::Range(..)) {
                errors.extend(null_rule(key, name));
            }
            Value::Null
        }
        Ok(value) => {
            if let Err(problem) = check_rule(key, &value, text) {
                errors.push(invalid(name, &rule_text(key, &value, text), &problem));
            }
            value
        }
    }
}

/// Kafka shows lists in brackets.
fn rule_text(key: &ConfigKey, value: &Value, text: &str) -> String {
    match value {
        Value::List(list) => format!("[{}]", list.join(", ")),
        _ => shown_text(key, text),
    }
}
