//! Configs that were written for other sinks, translated to keys and values of ours.
//!
//! A config whose `connector.class` is another sink's is taken as it is: stored and shown
//! unchanged, and read as that sink reads it. Its keys, values and defaults become ours **here**,
//! by pure functions, before anything is checked; no other module knows that there are dialects.
//!
//! Each dialect is one table: every key of that sink, its default, and what it means here
//! ([`Meaning`]). Nothing is dropped in silence:
//!
//! * A key that changes nothing here is accepted with a warning.
//! * A key that asks for something that is not done here is an error, with the reason.
//! * A default of theirs is adopted where it differs from ours. One that cannot be honoured is
//!   told as a warning: nobody asked for it in words.
//! * A key that their sink does not know is told too, with the known key that is nearest.
//! * Keys of ours that their sink has no word for, such as `delivery.guarantee`, may be added.
//!
//! To add a dialect: a file with its table, and its name in [`ALL`]. `config/MIGRATING.md` is
//! generated from the tables, and a test holds every table against the documented keys.

use std::collections::BTreeMap;

use super::RawConfig;
use super::check::{accepts, is_default};
use super::definitions::{self as key_table, Kind};
use super::secret;

mod aiven_jdbc;
mod cassandra;
mod confluent_jdbc;
mod datastax;
mod debezium_jdbc;
mod describe;
mod jdbc;
mod kcql;
mod key;
mod lenses;
mod lenses_json;

pub(super) use describe::{definition, definitions, rename};
pub(super) use key::{Meaning, TheirKey};

/// Every dialect.
pub(super) const ALL: &[&Dialect] = &[
    &confluent_jdbc::DIALECT,
    &aiven_jdbc::DIALECT,
    &debezium_jdbc::DIALECT,
    &datastax::DIALECT,
    &lenses::DIALECT,
    &lenses_json::DIALECT,
];

/// The language of another sink's configs.
#[derive(Debug)]
pub(super) struct Dialect {
    /// Full class names; the first is today's.
    pub(super) classes: &'static [&'static str],
    /// What messages call it.
    pub(super) title: &'static str,
    /// Its keys; a final `*` stands for all that begin so.
    pub(super) keys: &'static [TheirKey],
    /// What the table cannot say.
    finish: fn(&mut Translation<'_>),
}

impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.classes == other.classes
    }
}

/// A config in the making.
pub(super) struct Translation<'a> {
    /// As given, references to config providers resolved.
    pub(super) theirs: &'a RawConfig,
    /// In our keys.
    pub(super) ours: RawConfig,
    /// Our class; `None` when it could not be told.
    pub(super) class: Option<&'static str>,
    /// Which key of theirs each of ours came from.
    pub(super) origins: BTreeMap<&'static str, String>,
    /// Errors by the key that was given.
    pub(super) errors: Vec<(String, String)>,
    /// Warnings, each beginning with its key.
    pub(super) warnings: Vec<String>,
}

impl Dialect {
    /// The dialect of a class, by its full name.
    pub(super) fn of_class(class: &str) -> Option<&'static Self> {
        ALL.iter()
            .copied()
            .find(|dialect| dialect.classes.contains(&class))
    }

    /// The key of that name.
    pub(super) fn key(&self, name: &str) -> Option<&'static TheirKey> {
        self.keys.iter().find(|key| key.is(name))
    }

    /// Their name for one of our keys.
    pub(super) fn name_of(&self, ours: &str) -> Option<&'static str> {
        self.keys
            .iter()
            .find(|key| key.meaning.ours() == Some(ours) && !key.name.ends_with('*'))
            .map(|key| key.name)
    }

    /// Whether a key means with this class what it means with ours: it is every connector's, or
    /// one of ours that this sink has no word for.
    pub(super) fn shares(&self, name: &str) -> bool {
        let is_additional = is_not_confluents(name) && self.name_of(name).is_none();
        self.key(name).is_none() && (is_of_connect(name) || is_additional)
    }

    /// Whether one of our keys goes by another name with this class, or does not exist.
    pub(super) fn renames(&self, ours: &str) -> bool {
        match self.name_of(ours) {
            _ if self.shares(ours) => false,
            Some(name) => name != ours,
            None => self.key(ours).is_none(),
        }
    }

    /// Every key that may be given with this class.
    pub(super) fn vocabulary(&self) -> impl Iterator<Item = &'static str> {
        let theirs = self.keys.iter().map(|key| key.name);
        let shared = key_table::keys()
            .map(|key| key.name)
            .filter(|name| self.shares(name));
        theirs.filter(|name| !name.ends_with('*')).chain(shared)
    }

    /// Translates a config, as far as it can be.
    pub(super) fn translate<'a>(&self, theirs: &'a RawConfig) -> Translation<'a> {
        let mut translation = Translation {
            theirs,
            ours: RawConfig::new(),
            class: None,
            origins: BTreeMap::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
        };
        for (name, value) in theirs {
            match (self.key(name), value) {
                (Some(key), Some(value)) => translation.take(key, name, value),
                // A null is an error wherever it is shown.
                (Some(key), None) if key.meaning.ours() != Some(name) => {}
                (None, _) if !self.shares(name) => {}
                (Some(_) | None, _) => translation.keep(name, value.as_deref()),
            }
        }
        for key in self.keys {
            if !theirs.contains_key(key.name) {
                translation.adopt_default(key);
            }
        }
        (self.finish)(&mut translation);
        translation
    }
}

impl Translation<'_> {
    /// Takes one key over that was given.
    fn take(&mut self, key: &TheirKey, name: &str, value: &str) {
        let trimmed = value.trim();
        match key.meaning {
            Meaning::Ours(ours) => {
                let value = if key.kind == Kind::Password {
                    value
                } else {
                    trimmed
                };
                self.set(ours, name, value);
            }
            Meaning::Mapped(ours, values) => {
                let found = values
                    .iter()
                    .find(|(theirs, _)| theirs.eq_ignore_ascii_case(trimmed));
                match found {
                    Some((_, value)) => self.set(ours, name, value),
                    None => {
                        let known: Vec<&str> = values.iter().map(|(theirs, _)| *theirs).collect();
                        let problem = format!(
                            "String must be one of (case insensitive): {}",
                            known.join(", ")
                        );
                        self.refuse_value(name, trimmed, &problem);
                    }
                }
            }
            Meaning::Read { read, .. } => read(self, name, trimmed),
            Meaning::NoEffect(reason) => self.warn(name, &format!("has no effect: {reason}")),
            Meaning::Only(values, reason) => {
                let fits = values
                    .iter()
                    .any(|allowed| allowed.eq_ignore_ascii_case(trimmed));
                if !fits && !trimmed.is_empty() {
                    self.refuse_value(name, trimmed, reason);
                }
            }
            Meaning::Refused(reason) => {
                if !trimmed.is_empty() {
                    self.refuse(name, reason);
                }
            }
        }
    }

    /// What stands when a key is not given: their default, where ours says something else.
    fn adopt_default(&mut self, key: &TheirKey) {
        let (Some(default), true) = (key.default, key.meaning.ours().is_some()) else {
            return;
        };
        let mut alone = Translation {
            theirs: self.theirs,
            ours: RawConfig::new(),
            class: None,
            origins: BTreeMap::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
        };
        alone.take(key, key.name, default);
        for (name, value) in alone.ours {
            let (Some(value), false) = (value, self.ours.contains_key(&name)) else {
                continue;
            };
            let Some(known) = key_table::keys().find(|known| known.name == name) else {
                continue;
            };
            if is_default(known, &value) {
                continue;
            }
            match accepts(known, &value) {
                Ok(()) => self.set(known.name, key.name, &value),
                Err(reason) => self.warn(
                    key.name,
                    &format!(
                        "is not given, and its default {default} cannot be honoured: {reason}"
                    ),
                ),
            }
        }
    }

    /// Sets one of our keys, from one of theirs.
    fn set(&mut self, ours: &'static str, theirs: &str, value: &str) {
        if !key_table::keys().any(|known| known.name == ours) {
            self.refuse(theirs, "it is not supported by this version");
            return;
        }
        let before = self.ours.insert(ours.to_owned(), Some(value.to_owned()));
        let origin = self.origins.insert(ours, theirs.to_owned());
        // What no other key has set was given itself.
        let origin = origin.unwrap_or_else(|| ours.to_owned());
        if before.flatten().is_some_and(|before| before != value) && origin != theirs {
            self.refuse_rival(theirs, value, &origin);
        }
    }

    /// Takes over a key that has our name.
    fn keep(&mut self, name: &str, value: Option<&str>) {
        let given = value.map(str::to_owned);
        let before = self.ours.insert(name.to_owned(), given.clone());
        if before.is_some_and(|before| before != given)
            && let Some(origin) = self.origins.get(name).cloned()
        {
            let value = self.given(&origin).unwrap_or_default().to_owned();
            self.refuse_rival(&origin, &value, name);
        }
    }

    fn refuse_rival(&mut self, name: &str, value: &str, rival: &str) {
        let problem = format!(
            "{rival} says something else, and both mean the same key: leave one of them out"
        );
        self.refuse_value(name, value, &problem);
    }

    /// Sets one of our keys to what their sink always does, unless it is given itself.
    fn set_unless_given(&mut self, ours: &'static str, theirs: &str, value: &str) {
        if !self.ours.contains_key(ours) {
            self.set(ours, theirs, value);
        }
    }

    /// What was given for a key of theirs, if anything.
    fn given(&self, name: &str) -> Option<&str> {
        self.theirs.get(name)?.as_deref().map(str::trim)
    }

    fn refuse_value(&mut self, name: &str, value: &str, problem: &str) {
        let shown = match name {
            jdbc::URL => secret::without_credentials(value),
            _ => secret::shown(name, value).to_owned(),
        };
        self.errors.push((
            name.to_owned(),
            format!("Invalid value {shown} for configuration {name}: {problem}"),
        ));
    }

    fn refuse(&mut self, name: &str, reason: &str) {
        self.errors.push((
            name.to_owned(),
            format!("{name} cannot be honoured: {reason}"),
        ));
    }

    /// Without this key a config says too little.
    fn demand(&mut self, name: &str) {
        let message =
            format!("Missing required configuration \"{name}\" which has no default value.");
        self.errors.push((name.to_owned(), message));
    }

    fn warn(&mut self, name: &str, problem: &str) {
        self.warnings.push(format!("{name} {problem}"));
    }
}

/// Keys that every connector has, whatever its class.
fn is_of_connect(name: &str) -> bool {
    const PREFIXES: [&str; 8] = [
        "transforms.",
        "predicates.",
        "key.converter.",
        "value.converter.",
        "header.converter.",
        super::kafka::CONSUMER_OVERRIDE,
        super::kafka::PRODUCER_OVERRIDE,
        super::kafka::ADMIN_OVERRIDE,
    ];
    key_table::common::KEYS.iter().any(|key| key.name == name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Keys of ours whose names are not the Confluent sink's. Those that are may stand in a config for
/// another sink by mistake, and were ignored there.
fn is_not_confluents(name: &str) -> bool {
    let known = key_table::keys().any(|key| key.name == name)
        || key_table::foreign::is_refused_everywhere(name);
    known && confluent_jdbc::DIALECT.key(name).is_none()
}

#[cfg(test)]
mod tests;
