//! Transforms and predicates of a connector's config, typed.

use std::collections::BTreeMap;

use super::check::Value;
use super::definitions::ConfigKey;
use super::definitions::transforms::{PredicateKind, TransformKind};
use crate::record::Part;

/// One entry of `transforms`, with its `transforms.<alias>.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformConfig {
    /// Its name in `transforms`.
    pub alias: String,
    /// `type`.
    pub kind: TransformKind,
    /// `$Key` or `$Value` of the type; the value where the type does not say.
    pub part: Part,
    /// Its own keys.
    pub options: Options,
    /// `predicate` and `negate`. `None`: it applies to every record.
    pub condition: Option<Condition>,
}

/// Which records a transform applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The predicate.
    pub predicate: PredicateConfig,
    /// Applies where the predicate does not hold.
    pub negate: bool,
}

/// One entry of `predicates`, with its `predicates.<alias>.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredicateConfig {
    /// Its name in `predicates`.
    pub alias: String,
    /// `type`.
    pub kind: PredicateKind,
    /// Its own keys.
    pub options: Options,
}

/// Values of a transform's own keys, by the key's name without prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<&'static str, Value>);

impl Options {
    /// Sets a value.
    pub(super) fn insert(&mut self, key: &'static ConfigKey, value: Value) {
        self.0.insert(key.name, value);
    }

    /// The text of a key, unless it is absent or empty.
    pub fn text(&self, key: &ConfigKey) -> Option<&str> {
        match self.0.get(key.name) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The items of a key; none when it is absent.
    pub fn list(&self, key: &ConfigKey) -> &[String] {
        match self.0.get(key.name) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }

    /// Whether a key is `true`.
    pub fn is_true(&self, key: &ConfigKey) -> bool {
        self.0.get(key.name) == Some(&Value::Boolean(true))
    }

    /// The number of a key.
    pub fn integer(&self, key: &ConfigKey) -> Option<i32> {
        match self.0.get(key.name) {
            Some(Value::Integer(number)) => i32::try_from(*number).ok(),
            _ => None,
        }
    }
}
