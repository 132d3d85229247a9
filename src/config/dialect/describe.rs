//! How keys of other sinks are shown: as definitions, and in messages.

use super::{Dialect, Meaning, TheirKey};
use crate::config::definitions::{self, ConfigKeyInfo, Kind};

/// Their key in the shape that clients read.
pub(in crate::config) fn definition(dialect: &Dialect, key: &TheirKey) -> ConfigKeyInfo {
    let ours = key
        .meaning
        .ours()
        .and_then(|ours| definitions::keys().find(|known| known.name == ours));
    let mut info = match ours {
        Some(known) => known.info(),
        None => ConfigKeyInfo {
            name: String::new(),
            kind: key.kind.name(),
            required: false,
            default_value: None,
            importance: "LOW",
            documentation: String::new(),
            group: None,
            width: "NONE",
            display_name: String::new(),
            dependents: Vec::new(),
            order: -1,
        },
    };
    if info.name != key.name {
        info.documentation = format!("Of {}. {}.", dialect.title, key.meaning.in_words());
        info.display_name = key.name.to_owned();
        info.name = key.name.to_owned();
        info.kind = key.kind.name();
        info.default_value = None;
    }
    if let Some(default) = key.default {
        info.default_value = Some(default.to_owned());
    }
    info.required = key.required;
    info
}

impl Meaning {
    /// What becomes of a key, in words.
    pub(in crate::config) fn in_words(self) -> String {
        match self {
            Self::Ours(ours) | Self::Switch(ours, _) => format!("The same as `{ours}`"),
            Self::Mapped(ours, values) => {
                let values: Vec<String> = values
                    .iter()
                    .map(|(theirs, value)| format!("`{theirs}` is `{value}`"))
                    .collect();
                format!("`{ours}`: {}", values.join(", "))
            }
            Self::Read { words, .. } => words.to_owned(),
            Self::NoEffect(reason) => format!("Accepted without effect: {reason}"),
            Self::Only(values, reason) => {
                let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
                format!("Only {}: {reason}", values.join(" or "))
            }
            Self::Refused(reason) => format!("Refused: {reason}"),
        }
    }
}

impl TheirKey {
    /// Values to offer in a form.
    pub(in crate::config) fn values(&self) -> Vec<String> {
        let values: Vec<&str> = match self.meaning {
            Meaning::Mapped(_, values) => values.iter().map(|(theirs, _)| *theirs).collect(),
            Meaning::Only(values, _) => values.to_vec(),
            Meaning::Ours(ours) => definitions::keys()
                .find(|known| known.name == ours)
                .map(|known| known.recommended().to_vec())
                .unwrap_or_default(),
            Meaning::Switch(..)
            | Meaning::Read { .. }
            | Meaning::NoEffect(_)
            | Meaning::Refused(_) => Vec::new(),
        };
        values.into_iter().map(str::to_owned).collect()
    }

    /// Whether its value must not be shown.
    pub(in crate::config) fn is_secret(&self) -> bool {
        self.kind == Kind::Password
    }
}

/// The keys that may be given with a class: those of every connector, theirs, and ours that no
/// other sink has.
pub(in crate::config) fn definitions(dialect: &Dialect) -> Vec<ConfigKeyInfo> {
    let shared = |info: &ConfigKeyInfo| dialect.shares(&info.name);
    let all = definitions::all();
    let (common, rest): (Vec<_>, Vec<_>) = all.into_iter().filter(shared).partition(|info| {
        definitions::common::KEYS
            .iter()
            .any(|key| key.name == info.name)
    });
    let theirs = dialect
        .keys
        .iter()
        .filter(|key| !key.name.ends_with('*'))
        .map(|key| definition(dialect, key));
    common.into_iter().chain(theirs).chain(rest).collect()
}

/// A message in which their key stands for ours.
pub(in crate::config) fn rename(message: &str, ours: &str, theirs: &str) -> String {
    let mut renamed = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find(ours) {
        let (before, found) = rest.split_at(start);
        let after = &found[ours.len()..];
        let goes_on = |next: Option<char>| next.is_some_and(|next| next.is_alphanumeric());
        let continues = goes_on(after.chars().next())
            || (after.starts_with('.') && goes_on(after.chars().nth(1)));
        let begins_inside = before
            .chars()
            .next_back()
            .is_some_and(|last| last.is_alphanumeric() || last == '.');
        renamed.push_str(before);
        renamed.push_str(if continues || begins_inside {
            ours
        } else {
            theirs
        });
        rest = after;
    }
    renamed.push_str(rest);
    renamed
}
