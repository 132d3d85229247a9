//! Keys of converters. They count only in a config that names the converter itself: else the
//! worker's converter applies with the worker's keys, as in Kafka Connect.

use super::{ConfigKey, Group, Kind, Rule};

/// Most envelope schemas kept parsed by one task.
const SCHEMAS_CACHE_LIMIT: i64 = 100_000;

const SCHEMAS_ENABLE_DOC: &str = "`JsonConverter`: whether every record is an envelope of `schema` and `payload`. `false`: plain JSON.";
const SCHEMAS_CACHE_DOC: &str = "`JsonConverter`: envelope schemas that are kept parsed.";
const DECIMAL_FORMAT_DOC: &str = "`JsonConverter`: how decimals of an envelope are written. Both forms are read, whichever is named.";
const NULL_DEFAULT_DOC: &str =
    "`JsonConverter`: whether a null in an envelope stands for the default of its field.";
const NULL_DEFAULT_REASON: &str = "Only `true` is supported.";
const ENCODING_DOC: &str = "`StringConverter`: character encoding.";
const ENCODING_REASON: &str = "Only UTF-8 is supported.";
const TYPE_DOC: &str =
    "Whether the converter is for keys or values; the key's own name says it already.";

/// The keys of one converter, for `key` or `value`.
macro_rules! converter_keys {
    ($module:ident, $prefix:literal, $side:literal) => {
        pub(in crate::config) mod $module {
            use super::*;

            pub(in crate::config) static SCHEMAS_ENABLE: ConfigKey = ConfigKey::new(
                concat!($prefix, ".schemas.enable"),
                Kind::Boolean,
                Group::Common,
                concat!("Schemas in ", $side, "s"),
                SCHEMAS_ENABLE_DOC,
            )
            .default("true")
            .of_converter($prefix);

            pub(in crate::config) static SCHEMAS_CACHE_SIZE: ConfigKey = ConfigKey::new(
                concat!($prefix, ".schemas.cache.size"),
                Kind::Int,
                Group::Common,
                concat!("Cached ", $side, " schemas"),
                SCHEMAS_CACHE_DOC,
            )
            .default("1000")
            .rule(Rule::Range(1, SCHEMAS_CACHE_LIMIT))
            .of_converter($prefix)
            .low();

            pub(in crate::config) static DECIMAL_FORMAT: ConfigKey = ConfigKey::new(
                concat!($prefix, ".decimal.format"),
                Kind::Text,
                Group::Common,
                concat!("Decimals in ", $side, "s"),
                DECIMAL_FORMAT_DOC,
            )
            .default("BASE64")
            .rule(Rule::OneOfIgnoringCase(&["BASE64", "NUMERIC"]))
            .of_converter($prefix)
            .low();

            pub(in crate::config) static REPLACE_NULL: ConfigKey = ConfigKey::new(
                concat!($prefix, ".replace.null.with.default"),
                Kind::Boolean,
                Group::Common,
                concat!("Defaults for nulls in ", $side, "s"),
                NULL_DEFAULT_DOC,
            )
            .default("true")
            .rule(Rule::Only(&["true"], NULL_DEFAULT_REASON))
            .of_converter($prefix)
            .low();

            pub(in crate::config) static ENCODING: ConfigKey = ConfigKey::new(
                concat!($prefix, ".converter.encoding"),
                Kind::Text,
                Group::Common,
                concat!("Encoding of ", $side, "s"),
                ENCODING_DOC,
            )
            .default("UTF-8")
            .rule(Rule::Only(&["UTF-8", "UTF8"], ENCODING_REASON))
            .of_converter($prefix)
            .low();

            pub(in crate::config) static TYPE: ConfigKey = ConfigKey::new(
                concat!($prefix, ".converter.type"),
                Kind::Text,
                Group::Common,
                concat!("Converter type of ", $side, "s"),
                TYPE_DOC,
            )
            .default($side)
            .rule(Rule::OneOf(&[$side]))
            .of_converter($prefix)
            .low();
        }
    };
}

converter_keys!(key, "key.converter", "key");
converter_keys!(value, "value.converter", "value");
converter_keys!(header, "header.converter", "header");

pub(in crate::config) const KEYS: &[&ConfigKey] = &[
    &key::SCHEMAS_ENABLE,
    &key::SCHEMAS_CACHE_SIZE,
    &key::DECIMAL_FORMAT,
    &key::REPLACE_NULL,
    &key::ENCODING,
    &key::TYPE,
    &value::SCHEMAS_ENABLE,
    &value::SCHEMAS_CACHE_SIZE,
    &value::DECIMAL_FORMAT,
    &value::REPLACE_NULL,
    &value::ENCODING,
    &value::TYPE,
    &header::SCHEMAS_ENABLE,
    &header::SCHEMAS_CACHE_SIZE,
    &header::DECIMAL_FORMAT,
    &header::REPLACE_NULL,
    &header::ENCODING,
    &header::TYPE,
];
