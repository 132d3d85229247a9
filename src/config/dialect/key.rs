//! One key of another sink, and what it means here.

use super::Translation;
use crate::config::definitions::Kind;

/// A key of another sink.
#[derive(Debug)]
pub(in crate::config) struct TheirKey {
    /// The key; a final `*` stands for all that begin so.
    pub(in crate::config) name: &'static str,
    /// Type of its value.
    pub(in crate::config) kind: Kind,
    /// Must be given.
    pub(in crate::config) required: bool,
    /// Their default, where it is adopted here.
    pub(in crate::config) default: Option<&'static str>,
    /// What it means here.
    pub(in crate::config) meaning: Meaning,
}

/// Reads a value of theirs: the translation, the key's full name, the value.
pub(super) type Read = fn(&mut Translation<'_>, &str, &str);

/// What a key means here.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum Meaning {
    /// Our key of that name, with the same values.
    Ours(&'static str),
    /// The same, but this value asks for nothing: it is what happens without the key.
    Switch(&'static str, &'static str),
    /// Our key of that name, value by value.
    Mapped(&'static str, &'static [(&'static str, &'static str)]),
    /// Read by a function.
    Read {
        /// The key of ours that it is about.
        ours: &'static str,
        /// The function.
        read: Read,
        /// What it does, in words.
        words: &'static str,
    },
    /// Accepted; changes nothing, for this reason.
    NoEffect(&'static str),
    /// Only these values (any case), which are what happens here, for this reason.
    Only(&'static [&'static str], &'static str),
    /// Not accepted, for this reason.
    Refused(&'static str),
}

impl Meaning {
    /// The key of ours that it sets.
    pub(in crate::config) fn ours(self) -> Option<&'static str> {
        match self {
            Self::Ours(ours)
            | Self::Switch(ours, _)
            | Self::Mapped(ours, _)
            | Self::Read { ours, .. } => Some(ours),
            Self::NoEffect(_) | Self::Only(..) | Self::Refused(_) => None,
        }
    }
}

impl TheirKey {
    /// A key without a default, or whose default is not adopted.
    pub(super) const fn new(name: &'static str, kind: Kind, meaning: Meaning) -> Self {
        Self {
            name,
            kind,
            required: false,
            default: None,
            meaning,
        }
    }

    /// A key that has our name and means the same.
    pub(super) const fn same(name: &'static str, kind: Kind) -> Self {
        Self::new(name, kind, Meaning::Ours(name))
    }

    /// With their default.
    pub(super) const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// Must be given.
    pub(super) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Whether it is the key of that name.
    pub(super) fn is(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => self.name == name,
        }
    }
}
