//! Converters: how record keys and values are read. Their names, their options, and both out of a
//! config.

mod registry;

use std::time::Duration;

use super::check::{Entry, Value};
use super::definitions::ConfigKey;
use super::definitions::converters::ConverterKeys;
pub use registry::{IdFraming, Pem, PemPart, RegistryAuth, RegistryOptions, RegistryTls};

/// How bytes of a key or value are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Converter {
    /// `JsonConverter`.
    Json(JsonOptions),
    /// `StringConverter`, `ByteArrayConverter` and those of single numbers.
    Primitive(Primitive),
    /// A format whose schemas are in a registry.
    Registered(RegisteredFormat, Box<RegistryOptions>),
}

/// A format whose schemas are in a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisteredFormat {
    /// `AvroConverter`.
    Avro,
    /// `JsonSchemaConverter`.
    JsonSchema,
    /// `ProtobufConverter`.
    Protobuf,
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
        /// `replace.null.with.default`.
        default_for_null: bool,
    },
    /// As in [`Converter::Primitive`].
    Primitive(Primitive),
}

impl Primitive {
    /// The Java class of its converter.
    fn java_class(self) -> &'static str {
        match self {
            Self::Text => "org.apache.kafka.connect.storage.StringConverter",
            Self::Bytes => "org.apache.kafka.connect.converters.ByteArrayConverter",
            Self::Short => "org.apache.kafka.connect.converters.ShortConverter",
            Self::Integer => "org.apache.kafka.connect.converters.IntegerConverter",
            Self::Long => "org.apache.kafka.connect.converters.LongConverter",
            Self::Float => "org.apache.kafka.connect.converters.FloatConverter",
            Self::Double => "org.apache.kafka.connect.converters.DoubleConverter",
            Self::Boolean => "org.apache.kafka.connect.converters.BooleanConverter",
        }
    }
}

impl HeaderConverter {
    /// The Java class that reads the same.
    pub fn java_class(self) -> &'static str {
        match self {
            Self::Simple => "org.apache.kafka.connect.storage.SimpleHeaderConverter",
            Self::Json { .. } => "org.apache.kafka.connect.json.JsonConverter",
            Self::Primitive(primitive) => primitive.java_class(),
        }
    }
}

impl Converter {
    /// The Java class that reads the same, for those who know converters by their classes.
    pub fn java_class(&self) -> &'static str {
        match self {
            Self::Json(_) => "org.apache.kafka.connect.json.JsonConverter",
            Self::Primitive(primitive) => primitive.java_class(),
            Self::Registered(format, _) => match format {
                RegisteredFormat::Avro => "io.confluent.connect.avro.AvroConverter",
                RegisteredFormat::JsonSchema => "io.confluent.connect.json.JsonSchemaConverter",
                RegisteredFormat::Protobuf => "io.confluent.connect.protobuf.ProtobufConverter",
            },
        }
    }

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
    Registered {
        format: RegisteredFormat,
        apicurio: bool,
    },
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
    ("io.confluent.connect.avro.AvroConverter", "AvroConverter"),
    (
        "io.confluent.connect.protobuf.ProtobufConverter",
        "ProtobufConverter",
    ),
    (
        "io.confluent.connect.json.JsonSchemaConverter",
        "JsonSchemaConverter",
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
pub(super) const BUILT_IN: &str = "JsonConverter, StringConverter, AvroConverter, JsonSchemaConverter, ProtobufConverter, ByteArrayConverter, ShortConverter, IntegerConverter, LongConverter, FloatConverter, DoubleConverter, BooleanConverter";

/// Those of them that read headers, too.
pub(super) const WITHOUT_REGISTRY: &str = "JsonConverter, StringConverter, ByteArrayConverter, ShortConverter, IntegerConverter, LongConverter, FloatConverter, DoubleConverter, BooleanConverter";

/// Finds a converter by its Java class name, its simple name, or that without `Converter`, as
/// Kafka Connect does.
pub(super) fn kind(class: &str) -> Result<Kind, String> {
    let unknown = || format!("Class {class} could not be found. Built in are {BUILT_IN}.");
    if let Some(apicurio) = class.strip_prefix("io.apicurio.registry.utils.converter.") {
        return match apicurio {
            "AvroConverter" => Ok(Kind::Registered {
                format: RegisteredFormat::Avro,
                apicurio: true,
            }),
            _ => Err(unknown()),
        };
    }
    let of_class = CLASSES.iter().find(|(full, _)| *full == class);
    let simple = match of_class {
        Some((_, simple)) => simple,
        None => class.strip_prefix(KAFKA_CONVERTERS).unwrap_or(class),
    };
    let of_kafka = class != simple && of_class.is_none();
    match simple.strip_suffix("Converter").unwrap_or(simple) {
        "Json" if !of_kafka => Ok(Kind::Json),
        "String" if !of_kafka => Ok(Kind::Primitive(Primitive::Text)),
        "Avro" if !of_kafka => Ok(Kind::Registered {
            format: RegisteredFormat::Avro,
            apicurio: false,
        }),
        "Protobuf" if !of_kafka => Ok(Kind::Registered {
            format: RegisteredFormat::Protobuf,
            apicurio: false,
        }),
        "JsonSchema" if !of_kafka => Ok(Kind::Registered {
            format: RegisteredFormat::JsonSchema,
            apicurio: false,
        }),
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

/// What is wrong with one key: the key, and what to say.
pub(super) type Problem = (&'static str, String);

/// The converter of this class with the options that stand in `entries`.
///
/// # Errors
/// The key that is wrong beyond its own rule, and why.
pub(super) fn read(
    class: &str,
    keys: &ConverterKeys,
    entries: &[Entry],
) -> Result<Converter, Problem> {
    let values = Values { entries };
    let kind = kind(class).map_err(|problem| (keys.class.name, problem))?;
    Ok(match (kind, keys.registry) {
        (Kind::Primitive(primitive), _) => Converter::Primitive(primitive),
        (Kind::Json, _) => Converter::Json(JsonOptions {
            schemas_enable: values.is_true(keys.schemas_enable),
            schemas_cache_size: usize::try_from(values.number(keys.schemas_cache_size))
                .unwrap_or(usize::MAX),
            default_for_null: values.is_true(keys.default_for_null),
        }),
        (Kind::Registered { format, apicurio }, Some(of_registry)) => {
            let options = registry::read(of_registry, &values, apicurio)?;
            Converter::Registered(format, Box::new(options))
        }
        (Kind::Registered { .. }, None) => {
            let problem = "converters with a schema registry read keys and values only";
            return Err((keys.class.name, problem.to_owned()));
        }
    })
}

/// Checked values by their keys.
struct Values<'a> {
    entries: &'a [Entry],
}

impl<'a> Values<'a> {
    fn of(&self, key: &ConfigKey) -> Option<&'a Value> {
        let entry = self.entries.iter().find(|entry| entry.key.name == key.name);
        entry.map(|entry| &entry.value)
    }

    fn is_true(&self, key: &ConfigKey) -> bool {
        self.of(key) == Some(&Value::Boolean(true))
    }

    fn text(&self, key: &ConfigKey) -> Option<&'a str> {
        match self.of(key)? {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    fn list(&self, key: &ConfigKey) -> &'a [String] {
        match self.of(key) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }

    /// A number of the table has a default, so there is always one.
    fn number(&self, key: &ConfigKey) -> i64 {
        match self.of(key) {
            Some(Value::Integer(number)) => *number,
            _ => 0,
        }
    }

    fn millis(&self, key: &ConfigKey) -> Duration {
        Duration::from_millis(u64::try_from(self.number(key)).unwrap_or(0))
    }
}

/// The header converter of this class.
pub(super) fn read_header(
    class: &str,
    schemas_enable: bool,
    default_for_null: bool,
) -> Option<HeaderConverter> {
    Some(match header_kind(class).ok()? {
        None => HeaderConverter::Simple,
        Some(Kind::Json) => HeaderConverter::Json {
            schemas_enable,
            default_for_null,
        },
        Some(Kind::Primitive(primitive)) => HeaderConverter::Primitive(primitive),
        Some(Kind::Registered { .. }) => return None,
    })
}

/// The same as [`kind`] for header converters. `None`: `SimpleHeaderConverter`, which is for
/// headers only.
pub(super) fn header_kind(class: &str) -> Result<Option<Kind>, String> {
    match class {
        "org.apache.kafka.connect.storage.SimpleHeaderConverter"
        | "SimpleHeaderConverter"
        | "Simple" => Ok(None),
        _ => match kind(class) {
            Ok(Kind::Registered { .. }) => Err(
                "converters with a schema registry read keys and values only, not headers"
                    .to_owned(),
            ),
            Ok(kind) => Ok(Some(kind)),
            Err(_) => Err(format!(
                "Class {class} could not be found. Built in are SimpleHeaderConverter, {BUILT_IN}."
            )),
        },
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
        let avro = |apicurio| Kind::Registered {
            format: RegisteredFormat::Avro,
            apicurio,
        };
        check("io.confluent.connect.avro.AvroConverter", Some(avro(false)));
        check("Avro", Some(avro(false)));
        check(
            "io.apicurio.registry.utils.converter.AvroConverter",
            Some(avro(true)),
        );
        check("org.apache.kafka.connect.converters.AvroConverter", None);
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
