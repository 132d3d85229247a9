//! The plugins that are parts of a connector: converters, header converters, transforms and
//! predicates, by their Java classes. Everything is built in; they are listed so that forms and
//! tools find them and their keys.

use super::PluginInfo;
use crate::config::converter;
use crate::config::definitions::transforms::{self, PluginClass};
use crate::config::definitions::{ConfigKey, ConfigKeyInfo, converters, registry};

/// Those of Kafka that read single values; for headers too.
const SINGLE_VALUES: &[&str] = &[
    "org.apache.kafka.connect.converters.BooleanConverter",
    "org.apache.kafka.connect.converters.ByteArrayConverter",
    "org.apache.kafka.connect.converters.DoubleConverter",
    "org.apache.kafka.connect.converters.FloatConverter",
    "org.apache.kafka.connect.converters.IntegerConverter",
    "org.apache.kafka.connect.converters.LongConverter",
    "org.apache.kafka.connect.converters.ShortConverter",
];
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
const TEXT: &str = "org.apache.kafka.connect.storage.StringConverter";
const SIMPLE: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

/// Formats whose schemas are in a registry, and other names of converters.
const OTHERS: &[&str] = &[
    "io.apicurio.registry.utils.converter.AvroConverter",
    "io.confluent.connect.avro.AvroConverter",
    "io.confluent.connect.json.JsonSchemaConverter",
    "io.confluent.connect.protobuf.ProtobufConverter",
    "io.debezium.converters.BinaryDataConverter",
    "io.debezium.converters.ByteArrayConverter",
    "io.debezium.converters.ByteBufferConverter",
];

/// What names of keys begin with in the table of a connector's keys.
const VALUE_PREFIX: &str = "value.converter.";

/// All of them.
pub(super) fn list() -> Vec<PluginInfo> {
    let mut listed = Vec::new();
    let mut push = |class: String, kind| listed.push(PluginInfo::new(class, kind));
    for class in converter_classes() {
        push(class.to_owned(), "converter");
    }
    for class in header_converter_classes() {
        push(class.to_owned(), "header_converter");
    }
    for class in transforms::transforms() {
        for class in sided_names(class) {
            push(class, "transformation");
        }
    }
    for class in transforms::predicates() {
        push(class.name.to_owned(), "predicate");
    }
    listed
}

/// The own keys of one of them, as they follow its prefix in a config. `None`: there is none of
/// that name.
pub(super) fn keys_of(name: &str) -> Option<Vec<ConfigKeyInfo>> {
    if let Some(keys) = find(transforms::transforms(), name) {
        return Some(keys);
    }
    if let Some(keys) = find(transforms::predicates(), name) {
        return Some(keys);
    }
    converter_keys(name)
}

fn converter_classes() -> impl Iterator<Item = &'static str> {
    let of_kafka = SINGLE_VALUES.iter().chain([&JSON, &TEXT]);
    of_kafka.chain(OTHERS).copied()
}

fn header_converter_classes() -> impl Iterator<Item = &'static str> {
    SINGLE_VALUES.iter().chain([&JSON, &SIMPLE, &TEXT]).copied()
}

fn sided_names<K>(class: &PluginClass<K>) -> Vec<String> {
    let name = class.name;
    match class.is_sided {
        true => vec![format!("{name}$Key"), format!("{name}$Value")],
        false => vec![name.to_owned()],
    }
}

fn find<K: 'static>(
    mut classes: impl Iterator<Item = &'static PluginClass<K>>,
    name: &str,
) -> Option<Vec<ConfigKeyInfo>> {
    let class = classes.find(|class| match class.named_by(name) {
        Some("$Key" | "$Value") => class.is_sided,
        Some(rest) => rest.is_empty(),
        None => false,
    })?;
    Some(numbered(class.keys.iter().map(|key| key.info()).collect()))
}

fn converter_keys(name: &str) -> Option<Vec<ConfigKeyInfo>> {
    let is_simple = matches!(converter::header_kind(name), Ok(None));
    let kind = converter::kind(name).ok();
    let wanted: &[&[&'static ConfigKey]] = match kind {
        Some(converter::Kind::Json) => &[converters::VALUE_JSON_KEYS],
        Some(converter::Kind::Primitive(converter::Primitive::Text)) => {
            &[converters::VALUE_TEXT_KEYS]
        }
        Some(converter::Kind::Registered { .. }) => &[registry::value::KEYS],
        Some(converter::Kind::Primitive(_)) => &[],
        None if is_simple => &[],
        None => return None,
    };
    let keys = wanted.iter().copied().flatten().map(|key| {
        let info = key.info();
        let own = info.name.strip_prefix(VALUE_PREFIX);
        ConfigKeyInfo {
            name: own.unwrap_or(&info.name).to_owned(),
            ..info
        }
    });
    Some(numbered(keys.collect()))
}

/// Without the groups of a connector's keys: these stand alone.
fn numbered(keys: Vec<ConfigKeyInfo>) -> Vec<ConfigKeyInfo> {
    let keys = keys.into_iter().map(|key| ConfigKeyInfo {
        group: None,
        order: -1,
        ..key
    });
    keys.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name_and_the_end_of_it() {
        let listed = list();
        assert!(listed.len() > 50, "{}", listed.len());
        for plugin in &listed {
            assert!(keys_of(&plugin.class).is_some(), "{}", plugin.class);
        }
        let names = |plugin: &str| {
            let keys = keys_of(plugin)?;
            Some(keys.into_iter().map(|key| key.name).collect::<Vec<_>>())
        };
        let router = Some(vec!["regex".to_owned(), "replacement".to_owned()]);
        let class = "org.apache.kafka.connect.transforms.RegexRouter";
        assert_eq!(names(class), router);
        assert_eq!(names("RegexRouter"), router);
        assert_eq!(names("RegexRouter$Value"), None);
        let spec = Some(vec![
            "spec".to_owned(),
            "replace.null.with.default".to_owned(),
        ]);
        assert_eq!(names("Cast$Key"), spec);
        assert_eq!(names("TopicNameMatches"), Some(vec!["pattern".to_owned()]));
        let json = names("JsonConverter").unwrap();
        assert!(json.contains(&"schemas.enable".to_owned()), "{json:?}");
        let avro = names("io.confluent.connect.avro.AvroConverter").unwrap();
        assert!(avro.contains(&"schema.registry.url".to_owned()), "{avro:?}");
        assert_eq!(names("SimpleHeaderConverter"), Some(Vec::new()));
        assert_eq!(names("Nothing"), None);
    }
}
