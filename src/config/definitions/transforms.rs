//! Transforms and predicates that are built in, and the keys of each. A key is named here as it
//! follows `transforms.<alias>.` in a config.

use super::{ConfigKey, Group, Kind, Rule};
use crate::record::Part;

mod debezium;
mod kafka;

pub(crate) use debezium::*;
pub(crate) use kafka::*;

/// A transform or predicate that a config can name.
#[derive(Debug)]
pub struct PluginClass<K: 'static> {
    /// Which it is.
    pub kind: K,
    /// Java's name of the class, without `$Key` and `$Value`.
    pub name: &'static str,
    /// Whether there is one for the key and one for the value.
    pub is_sided: bool,
    /// Its own keys.
    pub keys: &'static [&'static ConfigKey],
    /// What it does.
    pub doc: &'static str,
}

/// A built-in transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the classes")]
pub enum TransformKind {
    Cast,
    CollectionNameTransformation,
    ConvertCloudEventToSaveableForm,
    DropHeaders,
    ExtractField,
    ExtractNewRecordState,
    FieldNameTransformation,
    Filter,
    Flatten,
    HeaderFrom,
    HoistField,
    InsertField,
    InsertHeader,
    MaskField,
    RegexRouter,
    ReplaceField,
    SetSchemaMetadata,
    TimestampConverter,
    TimestampRouter,
    ValueToKey,
}

/// A built-in predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the classes")]
pub enum PredicateKind {
    HasHeaderKey,
    RecordIsTombstone,
    TopicNameMatches,
}

/// Every transform.
pub fn transforms() -> impl Iterator<Item = &'static PluginClass<TransformKind>> {
    kafka::TRANSFORMS.iter().chain(debezium::TRANSFORMS)
}

/// Every predicate.
pub fn predicates() -> impl Iterator<Item = &'static PluginClass<PredicateKind>> {
    kafka::PREDICATES.iter()
}

/// Java's name of the class of a transform of this part.
pub fn class_name(kind: TransformKind, part: Part) -> String {
    let Some(class) = transforms().find(|class| class.kind == kind) else {
        return String::new();
    };
    match (class.is_sided, part) {
        (false, _) => class.name.to_owned(),
        (true, Part::Key) => format!("{}$Key", class.name),
        (true, Part::Value) => format!("{}$Value", class.name),
    }
}

/// Keys that every transform has beside its own.
pub(in crate::config) mod any {
    use super::{ConfigKey, Group, Kind};

    pub(in crate::config) static TYPE: ConfigKey = ConfigKey::new(
        "type",
        Kind::Class,
        Group::Transforms,
        "type",
        "Class of the transform, or of the predicate: its Java name, or the last part of that.",
    )
    .required()
    .high();

    pub(in crate::config) static PREDICATE: ConfigKey = ConfigKey::new(
        "predicate",
        Kind::Text,
        Group::Transforms,
        "predicate",
        "Name of a predicate, one of `predicates`: the transform applies only to records for which it holds.",
    )
    .default("");

    pub(in crate::config) static NEGATE: ConfigKey = ConfigKey::new(
        "negate",
        Kind::Boolean,
        Group::Transforms,
        "negate",
        "Whether the transform applies to just those records for which the predicate does not hold.",
    )
    .default("false");

    pub(in crate::config) static PLUGIN_VERSION: ConfigKey = ConfigKey::new(
        "plugin.version",
        Kind::Text,
        Group::Transforms,
        "plugin version",
        "Accepted for compatibility: what is built in has one version.",
    )
    .low();
}

impl<K> PluginClass<K> {
    /// The last part of its name.
    pub fn simple_name(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }

    /// What follows its name, when the given name means it, by its full name or the last part.
    pub(in crate::config) fn named_by<'a>(&self, given: &'a str) -> Option<&'a str> {
        let simple = self.simple_name();
        let rest = given
            .strip_prefix(self.name)
            .or_else(|| given.strip_prefix(simple))?;
        (rest.is_empty() || rest.starts_with('$')).then_some(rest)
    }
}

const fn own(name: &'static str, kind: Kind, doc: &'static str) -> ConfigKey {
    ConfigKey::new(name, kind, Group::Transforms, name, doc)
}

fn non_empty_list(value: &str) -> Result<(), String> {
    if value.split(',').all(|item| item.trim().is_empty()) {
        return Err("Empty list".to_owned());
    }
    Ok(())
}

const NON_EMPTY_LIST: Rule = Rule::Check(non_empty_list);

fn non_empty_string(value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("String must be non-empty".to_owned());
    }
    Ok(())
}

const NON_EMPTY_STRING: Rule = Rule::Check(non_empty_string);
