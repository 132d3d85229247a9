//! The table of connector keys: type, default, rule and meaning of each, in the order in which
//! they are shown.
//!
//! Every key is a `static` of its own, so that a key which is read but not in the table does not
//! compile, and one list has them all. Where Kafka Connect has the key, its type and default are
//! Connect's; sink keys are named as the Confluent JDBC sink names them. The rule for those: a key
//! whose default means what Rowdock does is accepted with that default, every other value is
//! refused with the reason. Nothing is ignored in silence.

use serde::Serialize;

use super::connector::SinkClass;

pub mod cassandra;
pub mod common;
pub mod converters;
pub mod foreign;
pub mod registry;
pub mod sink;
pub mod transforms;

/// A key's definition, in Kafka Connect's shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigKeyInfo {
    /// The key.
    pub name: String,
    /// BOOLEAN, STRING, INT, SHORT, LONG, LIST, CLASS or PASSWORD.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// No default: must be given.
    pub required: bool,
    /// Default as text.
    pub default_value: Option<String>,
    /// HIGH, MEDIUM or LOW.
    pub importance: &'static str,
    /// What it means.
    pub documentation: String,
    /// Group of keys.
    pub group: Option<String>,
    /// Width of a form's field: NONE, SHORT, MEDIUM or LONG.
    pub width: &'static str,
    /// Label.
    pub display_name: String,
    /// Keys that depend on it.
    pub dependents: Vec<String>,
    /// Place in the group, from 1; -1 without a group.
    pub order: i32,
}

/// The definitions of a class, common keys first: `GET /connector-plugins/{name}/config`. All
/// classes have the same keys, of which some mean something else to Cassandra.
pub fn for_class(class: SinkClass) -> Vec<ConfigKeyInfo> {
    let mut definitions = all();
    if class == SinkClass::Cassandra {
        for definition in &mut definitions {
            if let Some((_, words)) = cassandra::own_words(&definition.name) {
                words.clone_into(&mut definition.documentation);
            }
        }
    }
    definitions
}

/// Every key but those of converters.
pub(super) fn all() -> Vec<ConfigKeyInfo> {
    keys()
        .filter(|key| key.belongs_to.is_none())
        .map(ConfigKey::info)
        .collect()
}

/// Every key in order, those of converters included.
pub(super) fn keys() -> impl Iterator<Item = &'static ConfigKey> {
    ALL.iter().copied().flatten().copied()
}

/// Every key, by the file that defines it.
const ALL: &[&[&ConfigKey]] = &[
    common::KEYS,
    converters::KEY_KEYS,
    registry::key::KEYS,
    converters::VALUE_KEYS,
    registry::value::KEYS,
    converters::HEADER_KEYS,
    sink::KEYS,
    cassandra::KEYS,
];

/// Kafka's types of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`, any case.
    Boolean,
    /// 16-bit integer.
    Short,
    /// 32-bit integer.
    Int,
    /// 64-bit integer.
    Long,
    /// Text, trimmed.
    Text,
    /// Comma-separated texts.
    List,
    /// Name of a class.
    Class,
    /// Text that is never shown.
    Password,
}

impl Kind {
    /// Kafka's name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::Short => "SHORT",
            Self::Int => "INT",
            Self::Long => "LONG",
            Self::Text => "STRING",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }

    const fn width(self) -> &'static str {
        match self {
            Self::Boolean | Self::Short | Self::Int | Self::Long => "SHORT",
            Self::Password | Self::Class => "MEDIUM",
            Self::Text | Self::List => "LONG",
        }
    }
}

/// What stands when a key is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Nothing: it must be given.
    Required,
    /// No value.
    Null,
    /// This text.
    Value(&'static str),
}

/// What a value must satisfy beyond its type.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// Nothing more.
    Any,
    /// A number within limits, both inclusive.
    Range(i64, i64),
    /// One of these, in this spelling.
    OneOf(&'static [&'static str]),
    /// One of these, any case; else the reason.
    OneOfIgnoringCase(&'static [&'static str]),
    /// Not empty, no control characters.
    NonEmptyText,
    /// One of these, any case, or left empty; every other value is refused for this reason.
    Only(&'static [&'static str], &'static str),
    /// Must be left empty, for this reason.
    Unsupported(&'static str),
    /// Accepted and checked for type; without effect, for this reason.
    NoEffect(&'static str),
    /// Checked by a function, which returns what is wrong.
    Check(fn(&str) -> Result<(), String>),
}

/// How much a key matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// Nearly everyone sets it.
    High,
    /// Some do.
    Medium,
    /// Few do.
    Low,
}

/// Group of keys, as shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Name, class, topics, converters.
    Common,
    /// `transforms`.
    Transforms,
    /// `predicates`.
    Predicates,
    /// `errors.*`.
    Errors,
    /// `connection.*`.
    Connection,
    /// How rows are written.
    Writes,
    /// How records become rows.
    Mapping,
    /// Tables.
    Tables,
    /// The promise, and where positions are kept.
    Delivery,
    /// `cassandra.*`.
    Cassandra,
}

impl Group {
    /// In the order in which they are shown.
    pub const ALL: [Self; 10] = [
        Self::Common,
        Self::Transforms,
        Self::Predicates,
        Self::Errors,
        Self::Connection,
        Self::Writes,
        Self::Mapping,
        Self::Tables,
        Self::Delivery,
        Self::Cassandra,
    ];

    /// As shown; the first four are Kafka Connect's names.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Common => "Common",
            Self::Transforms => "Transforms",
            Self::Predicates => "Predicates",
            Self::Errors => "Error Handling",
            Self::Connection => "Connection",
            Self::Writes => "Writes",
            Self::Mapping => "Data Mapping",
            Self::Tables => "Tables",
            Self::Delivery => "Delivery",
            Self::Cassandra => "Cassandra",
        }
    }
}

/// One key of a connector's config.
#[derive(Debug)]
pub struct ConfigKey {
    /// The key.
    pub name: &'static str,
    /// Type of its value.
    pub kind: Kind,
    /// What stands when it is not given.
    pub fallback: Fallback,
    /// What a value must satisfy.
    pub rule: Rule,
    /// How much it matters.
    pub importance: Importance,
    /// Where it is shown.
    pub group: Group,
    /// Label.
    pub display: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// The key of the converter that this one configures: it counts only where that one is given.
    pub belongs_to: Option<&'static str>,
    /// Never shown, though its type is not PASSWORD: an address may hold a password.
    pub sensitive: bool,
}

impl ConfigKey {
    const fn new(
        name: &'static str,
        kind: Kind,
        group: Group,
        display: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            fallback: Fallback::Null,
            rule: Rule::Any,
            importance: Importance::Medium,
            group,
            display,
            doc,
            belongs_to: None,
            sensitive: false,
        }
    }

    const fn required(mut self) -> Self {
        self.fallback = Fallback::Required;
        self
    }

    const fn default(mut self, value: &'static str) -> Self {
        self.fallback = Fallback::Value(value);
        self
    }

    const fn rule(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    const fn high(mut self) -> Self {
        self.importance = Importance::High;
        self
    }

    const fn low(mut self) -> Self {
        self.importance = Importance::Low;
        self
    }

    const fn of_converter(mut self, converter: &'static str) -> Self {
        self.belongs_to = Some(converter);
        self
    }

    const fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// Its value must not be shown as given.
    pub(super) fn is_hidden(&self) -> bool {
        self.sensitive || self.kind == Kind::Password
    }

    /// Values to offer in a form.
    pub(super) fn recommended(&self) -> &'static [&'static str] {
        match self.rule {
            Rule::OneOf(values) | Rule::OneOfIgnoringCase(values) | Rule::Only(values, _) => values,
            Rule::Any
            | Rule::Range(..)
            | Rule::NonEmptyText
            | Rule::Unsupported(_)
            | Rule::NoEffect(_)
            | Rule::Check(_) => &[],
        }
    }

    /// In Kafka Connect's shape.
    pub(super) fn info(&self) -> ConfigKeyInfo {
        ConfigKeyInfo {
            name: self.name.to_owned(),
            kind: self.kind.name(),
            required: self.fallback == Fallback::Required,
            default_value: match self.fallback {
                Fallback::Value(value) => Some(value.to_owned()),
                Fallback::Required | Fallback::Null => None,
            },
            importance: match self.importance {
                Importance::High => "HIGH",
                Importance::Medium => "MEDIUM",
                Importance::Low => "LOW",
            },
            documentation: self.documentation(),
            group: Some(self.group.title().to_owned()),
            width: self.kind.width(),
            display_name: self.display.to_owned(),
            dependents: Vec::new(),
            order: self.order(),
        }
    }

    /// Meaning and, for keys kept for compatibility, what is accepted and why.
    pub(super) fn documentation(&self) -> String {
        match self.rule {
            Rule::Only(_, reason) | Rule::Unsupported(reason) | Rule::NoEffect(reason) => {
                format!("{} {reason}", self.doc)
            }
            Rule::Any
            | Rule::Range(..)
            | Rule::OneOf(_)
            | Rule::OneOfIgnoringCase(_)
            | Rule::NonEmptyText
            | Rule::Check(_) => self.doc.to_owned(),
        }
    }

    fn order(&self) -> i32 {
        let place = keys()
            .filter(|key| key.group == self.group)
            .position(|key| key.name == self.name);
        place
            .and_then(|place| i32::try_from(place + 1).ok())
            .unwrap_or(-1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_documented() {
        let mut names = std::collections::BTreeSet::new();
        for key in keys() {
            assert!(names.insert(key.name), "{} is defined twice", key.name);
            assert!(key.doc.ends_with('.'), "{}: {}", key.name, key.doc);
            assert!(!key.display.is_empty(), "{}", key.name);
        }
    }

    #[test]
    fn what_a_key_means_to_cassandra_is_told_in_its_own_words() {
        let doc = |class: SinkClass| {
            let mut found = for_class(class).into_iter();
            let mode = found.find(|definition| definition.name == "insert.mode");
            mode.unwrap().documentation
        };
        assert_eq!(doc(SinkClass::Postgres), sink::INSERT_MODE.doc);
        assert!(doc(SinkClass::Cassandra).contains("are the same"));
    }

    #[test]
    fn definitions_have_the_shape_that_clients_read() {
        let definitions = for_class(SinkClass::Postgres);
        let tasks_max = definitions
            .iter()
            .find(|definition| definition.name == "tasks.max")
            .unwrap();
        assert_eq!(
            serde_json::to_value(tasks_max).unwrap(),
            serde_json::json!({
                "name": "tasks.max", "type": "INT", "required": false, "default_value": "1",
                "importance": "HIGH", "documentation": common::TASKS_MAX.doc, "group": "Common",
                "width": "SHORT", "display_name": "Tasks max", "dependents": [], "order": 3,
            })
        );
        let name = definitions.first().unwrap();
        assert_eq!((name.name.as_str(), name.required), ("name", true));
        assert!(name.default_value.is_none());
        assert!(definitions.iter().all(|definition| definition.order > 0));
        assert!(
            definitions
                .iter()
                .all(|definition| !definition.name.starts_with("key.converter.")),
            "keys of converters belong to a config that names the converter"
        );
    }
}
