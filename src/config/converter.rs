//! Converters: how record keys and values are read. Their names, their options, and both out of a
//! config.

use super::check::{Entry, Value};
use super::definitions::ConfigKey;
use super::definitions::converters::ConverterKeys;

/// How bytes of a key or value are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Converter {
    /// `JsonConverter`.
    Json(JsonOptions),
    /// `StringConverter`, `ByteArrayConverter` and those of single numbers.
    Primitive(Primitive),
}

/// Options of `JsonConverter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonOptions {
    /// `schemas.enable`: the envelope of `schema` and `payload`.
    pub schemas_enable: bool,
    /// `schemas.cache.size`: envelope schemas kept parsed.
    pub schemas_cache_size: usize,
    /// `replace.null.with.default`: a null stands for its field's default.
    pub default_for_null: bool,
}

impl Default for JsonOptions {
    fn default() -> Self {
        Self {
            schemas_enable: true,
            schemas_cache_size: 1_000,
            default_for_null: true,
        }
    }
}

/// A single value, as Kafka's own serializers write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Primitive {
    /// UTF-8 text.
    Text,
    /// Bytes as they are.
    Bytes,
    /// Big-endian 16-bit integer.
    Short,
    /// Big-endian 32-bit integer.
    Integer,
    /// Big-endian 64-bit integer.
    Long,
    /// Big-endian IEEE single.
    Float,
    /// Big-endian IEEE double.
    Double,
    /// One byte, 0 or 1.
    Boolean,
}

/// How header values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderConverter {
    /// `SimpleHeaderConverter`: what the text looks like.
    Simple,
    /// `JsonConverter`.
    Json {
        /// `schemas.enable`.
        schemas_enable: bool,
    },
    /// As in [`Converter::Primitive`].
    Primitive(Primitive),
}

impl Converter {
    /// Gives single values, never fields.
    pub fn is_primitive(&self) -> bool {
        matches!(self, Self::Primitive(_))
    }
}

/// A converter that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Primitive(Primitive),
}

const KAFKA_CONVERTERS: &str = "org.apache.kafka.connect.converters.";

/// Full Java class names beside [`KAFKA_CONVERTERS`], and their simple names.
const CLASSES: &[(&str, &str)] = &[
    (
        "org.apache.kafka.connect.json.JsonConverter",
        "JsonConverter",
    ),
    (
        "org.apache.kafka.connect.storage.StringConverter",
        "StringConverter",
    ),
    (
        "io.debezium.converters.BinaryDataConverter",
        "ByteArrayConverter",
    ),
    (
        "io.debezium.converters.ByteArrayConverter",
        "ByteArrayConverter",
    ),
    (
        "io.debezium.converters.ByteBufferConverter",
        "ByteArrayConverter",
    ),
];

/// What is built in, in words.
pub(super) const BUILT_IN: &str = "JsonConverter, StringConverter, ByteArrayConverter, ShortConverter, IntegerConverter, LongConverter, FloatConverter, DoubleConverter, BooleanConverter";

/// Finds a converter by its Java class name, its simple name, or that without `Converter`, as
/// Kafka Connect does.
pub(super) fn kind(class: &str) -> Result<Kind, String> {
    let unknown = || format!("Class {class} could not be found. Built in are {BUILT_IN}.");
    let of_class = CLASSES.iter().find(|(full, _)| *full == class);
    let simple = match of_class {
        Some((_, simple)) => simple,
        None => class.strip_prefix(KAFKA_CONVERTERS).unwrap_or(class),
    };
    let of_kafka = class != simple && of_class.is_none();
    match simple.strip_suffix("Converter").unwrap_or(simple) {
        "Json" if !of_kafka => Ok(Kind::Json),
        "String" if !of_kafka => Ok(Kind::Primitive(Primitive::Text)),
        "ByteArray" => Ok(Kind::Primitive(Primitive::Bytes)),
        "Short" => Ok(Kind::Primitive(Primitive::Short)),
        "Integer" => Ok(Kind::Primitive(Primitive::Integer)),
        "Long" => Ok(Kind::Primitive(Primitive::Long)),
        "Float" => Ok(Kind::Primitive(Primitive::Float)),
        "Double" => Ok(Kind::Primitive(Primitive::Double)),
        "Boolean" => Ok(Kind::Primitive(Primitive::Boolean)),
        _ => Err(unknown()),
    }
}

/// The converter of this class with the options that stand in `entries`, which must be without
/// errors. `None`: they are not.
pub(super) fn read(class: &str, keys: &ConverterKeys, entries: &[Entry]) -> Option<Converter> {
    let value = |key: &ConfigKey| {
        let entry = entries.iter().find(|entry| entry.key.name == key.name)?;
        Some(&entry.value)
    };
    let is_true = |key: &ConfigKey| value(key) == Some(&Value::Boolean(true));
    Some(match kind(class).ok()? {
        Kind::Primitive(primitive) => Converter::Primitive(primitive),
        Kind::Json => Converter::Json(JsonOptions {
            schemas_enable: is_true(keys.schemas_enable),
            schemas_cache_size: match value(keys.schemas_cache_size)? {
                Value::Integer(size) => usize::try_from(*size).ok()?,
                _ => return None,
            },
            default_for_null: is_true(keys.default_for_null),
        }),
    })
}

/// The header converter of this class.
pub(super) fn read_header(class: &str, schemas_enable: bool) -> Option<HeaderConverter> {
    Some(match header_kind(class).ok()? {
        None => HeaderConverter::Simple,
        Some(Kind::Json) => HeaderConverter::Json { schemas_enable },
        Some(Kind::Primitive(primitive)) => HeaderConverter::Primitive(primitive),
    })
}

/// The same as [`kind`] for header converters. `None`: `SimpleHeaderConverter`, which is for
/// headers only.
pub(super) fn header_kind(class: &str) -> Result<Option<Kind>, String> {
    match class {
        "org.apache.kafka.connect.storage.SimpleHeaderConverter"
        | "SimpleHeaderConverter"
        | "Simple" => Ok(None),
        _ => kind(class).map(Some).map_err(|_| {
            format!(
                "Class {class} could not be found. Built in are SimpleHeaderConverter, {BUILT_IN}."
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converters_are_found_by_name_and_alias() {
        let check = |class: &str, expected: Option<Kind>| {
            assert_eq!(kind(class).ok(), expected, "{class}");
        };
        check(
            "org.apache.kafka.connect.json.JsonConverter",
            Some(Kind::Json),
        );
        check("JsonConverter", Some(Kind::Json));
        check("Json", Some(Kind::Json));
        check("StringConverter", Some(Kind::Primitive(Primitive::Text)));
        check(
            "org.apache.kafka.connect.converters.ByteArrayConverter",
            Some(Kind::Primitive(Primitive::Bytes)),
        );
        check("ByteArray", Some(Kind::Primitive(Primitive::Bytes)));
        check(
            "io.debezium.converters.BinaryDataConverter",
            Some(Kind::Primitive(Primitive::Bytes)),
        );
        check(
            "org.apache.kafka.connect.converters.LongConverter",
            Some(Kind::Primitive(Primitive::Long)),
        );
        check("org.apache.kafka.connect.converters.JsonConverter", None);
        check("io.confluent.connect.avro.AvroConverter", None);
        check("", None);
        let message = kind("nope.Converter").unwrap_err();
        assert!(
            message.starts_with("Class nope.Converter could not be found."),
            "{message}"
        );
        assert_eq!(header_kind("SimpleHeaderConverter"), Ok(None));
        assert_eq!(
            header_kind("StringConverter"),
            Ok(Some(Kind::Primitive(Primitive::Text)))
        );
        assert!(header_kind("nope.Converter").is_err());
    }
}
