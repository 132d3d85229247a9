//! A config that was written for another sink: what is said about our keys is said about theirs.

use super::{Checked, Entry, Extra};
use crate::config::dialect::{self, Dialect, Translation};
use crate::config::{RawConfig, definitions, secret};

/// Before the checks: hides the keys that this class calls otherwise, and takes over what the
/// translation found wrong with keys that have the same name.
pub(super) fn take_over(checked: &mut Checked, translation: &Translation<'_>) {
    let Some(dialect) = checked.dialect else {
        return;
    };
    for entry in &mut checked.entries {
        let name = entry.key.name;
        entry.hidden = dialect.renames(name);
        let errors = errors_of(translation, name);
        if entry.hidden || errors.is_empty() {
            continue;
        }
        // What was given is not missing, but could not be translated.
        entry.errors = errors;
        entry.given = true;
        if !translation.ours.contains_key(name) {
            entry.value = super::Value::Null;
        }
    }
    checked
        .warnings
        .extend(translation.warnings.iter().cloned());
}

/// After the checks: shows their keys, each with what was found wrong with the key of ours that it
/// stands for.
pub(super) fn give_back(checked: &mut Checked, raw: &RawConfig, translation: &Translation<'_>) {
    let Some(dialect) = checked.dialect else {
        return;
    };
    let mut extras = their_extras(checked, dialect, raw, translation);
    for entry in checked.entries.iter_mut().filter(|entry| entry.hidden) {
        let ours = entry.key.name;
        let theirs = translation
            .origins
            .get(ours)
            .map(String::as_str)
            .or_else(|| dialect.name_of(ours));
        let shown = theirs.and_then(|theirs| {
            extras
                .iter_mut()
                .find(|extra| extra.definition.name == theirs)
        });
        match shown {
            Some(extra) => extra.errors.append(&mut entry.errors),
            // A key that they have no word for; it must be seen when something is wrong with it.
            None => entry.hidden = entry.errors.is_empty(),
        }
    }
    checked.extras.append(&mut extras);
    rename_keys(checked, dialect, raw, translation);
}

/// Their keys that are not shown as keys of ours.
fn their_extras(
    checked: &Checked,
    dialect: &Dialect,
    raw: &RawConfig,
    translation: &Translation<'_>,
) -> Vec<Extra> {
    let is_shown = |name: &str| {
        let same = |entry: &Entry| entry.key.name == name && !entry.hidden;
        checked.entries.iter().any(same)
    };
    let mut extras = Vec::new();
    for key in dialect.keys {
        let names: Vec<&str> = if key.name.ends_with('*') {
            let given = raw.keys().map(String::as_str);
            given
                .filter(|name| {
                    dialect
                        .key(name)
                        .is_some_and(|found| found.name == key.name)
                })
                .collect()
        } else {
            vec![key.name]
        };
        for name in names.into_iter().filter(|name| !is_shown(name)) {
            let mut definition = dialect::definition(dialect, key);
            name.clone_into(&mut definition.name);
            name.clone_into(&mut definition.display_name);
            let given = raw.get(name);
            let text = given.cloned().flatten();
            let mut errors = errors_of(translation, name);
            if given == Some(&None) {
                errors.push(super::NULL_VALUE.to_owned());
            }
            extras.push(Extra {
                shown: text
                    .or_else(|| key.default.map(str::to_owned))
                    .map(|text| shown(key, name, &text)),
                recommended: key.values(),
                errors,
                definition,
            });
        }
    }
    extras
}

/// As the key of ours would be that it sets.
fn shown(key: &dialect::TheirKey, name: &str, text: &str) -> String {
    if key.is_secret() || secret::is_secret(name) {
        return secret::HIDDEN.to_owned();
    }
    let ours = key.meaning.ours();
    match ours.and_then(|ours| definitions::keys().find(|known| known.name == ours)) {
        Some(ours) => super::shown_text(ours, text),
        None => text.to_owned(),
    }
}

fn errors_of(translation: &Translation<'_>, name: &str) -> Vec<String> {
    let errors = translation.errors.iter();
    errors
        .filter(|(key, _)| key == name)
        .map(|(_, message)| message.clone())
        .collect()
}

/// Messages speak of the keys that were given.
fn rename_keys(
    checked: &mut Checked,
    dialect: &Dialect,
    raw: &RawConfig,
    translation: &Translation<'_>,
) {
    let hidden: Vec<(&str, &str)> = checked
        .entries
        .iter()
        .map(|entry| entry.key.name)
        // A key that has two names is called by the one that was given.
        .filter(|ours| {
            translation
                .origins
                .get(ours)
                .is_none_or(|given| given != ours)
        })
        .filter(|ours| !(dialect.shares(ours) && raw.contains_key(*ours)))
        .filter_map(|ours| Some((ours, dialect.name_of(ours)?)))
        .filter(|(ours, theirs)| ours != theirs)
        .collect();
    let rename = |messages: &mut Vec<String>| {
        for message in messages {
            for (ours, theirs) in &hidden {
                *message = dialect::rename(message, ours, theirs);
            }
        }
    };
    for entry in &mut checked.entries {
        rename(&mut entry.errors);
    }
    for extra in &mut checked.extras {
        rename(&mut extra.errors);
    }
    // What is said of a key that was given and is none of theirs means that key.
    let (as_given, mut of_ours): (Vec<String>, Vec<String>) = std::mem::take(&mut checked.warnings)
        .into_iter()
        .partition(|warning| {
            let key = warning.split(' ').next().unwrap_or_default();
            raw.contains_key(key)
        });
    rename(&mut of_ours);
    checked.warnings = as_given;
    checked.warnings.append(&mut of_ours);
}
