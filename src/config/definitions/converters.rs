//! Keys of converters. They count only in a config that names the converter itself: else the
//! worker's converter applies with the worker's keys, as in Kafka Connect.

use super::registry::{self, RegistryKeys};
use super::{ConfigKey, Group, Kind, Rule, common};

/// Most envelope schemas kept parsed by one task.
const SCHEMAS_CACHE_LIMIT: i64 = 100_000;

const SCHEMAS_ENABLE_DOC: &str = "`JsonConverter`: whether every record is an envelope of `schema` and `payload`. `false`: plain JSON.";
const SCHEMAS_CACHE_DOC: &str = "`JsonConverter`: envelope schemas that are kept parsed.";
const DECIMAL_FORMAT_DOC: &str = "`JsonConverter`: how decimals of an envelope are written. Both forms are read, whichever is named.";
const NULL_DEFAULT_DOC: &str = "`JsonConverter`: whether a null or missing field of an envelope stands for the field's default, where it has one. `false`: null stays null.";
const ENCODING_DOC: &str = "`StringConverter`: character encoding.";
const ENCODING_REASON: &str = "Only UTF-8 is supported.";
const TYPE_DOC: &str =
    "Whether the converter is for keys or values; the key's own name says it already.";

/// The keys of one side's converter.
#[derive(Debug)]
pub(in crate::config) struct ConverterKeys {
    /// The converter itself.
    pub(in crate::config) class: &'static ConfigKey,
    /// `schemas.enable`
    pub(in crate::config) schemas_enable: &'static ConfigKey,
    /// `schemas.cache.size`
    pub(in crate::config) schemas_cache_size: &'static ConfigKey,
    /// `replace.null.with.default`
    pub(in crate::config) default_for_null: &'static ConfigKey,
    /// Those of a schema registry; headers have none.
    pub(in crate::config) registry: Option<&'static RegistryKeys>,
}

/// The keys of one converter, for `key` or `value`.
macro_rules! converter_keys {
    ($module:ident, $prefix:literal, $side:literal, $class:expr, $registry:expr) => {
        pub(in crate::config) mod $module {
            use super::*;

            static SCHEMAS_ENABLE: ConfigKey = ConfigKey::new(
                concat!($prefix, ".schemas.enable"),
                Kind::Boolean,
                Group::Common,
                concat!("Schemas in ", $side, "s"),
                SCHEMAS_ENABLE_DOC,
            )
            .default("true")
            .of_converter($prefix);

            static SCHEMAS_CACHE_SIZE: ConfigKey = ConfigKey::new(
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

            static DECIMAL_FORMAT: ConfigKey = ConfigKey::new(
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

            static REPLACE_NULL: ConfigKey = ConfigKey::new(
                concat!($prefix, ".replace.null.with.default"),
                Kind::Boolean,
                Group::Common,
                concat!("Defaults for nulls in ", $side, "s"),
                NULL_DEFAULT_DOC,
            )
            .default("true")
            .of_converter($prefix)
            .low();

            static ENCODING: ConfigKey = ConfigKey::new(
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

            static TYPE: ConfigKey = ConfigKey::new(
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

            pub(super) static NAMED: ConverterKeys = ConverterKeys {
                class: $class,
                schemas_enable: &SCHEMAS_ENABLE,
                schemas_cache_size: &SCHEMAS_CACHE_SIZE,
                default_for_null: &REPLACE_NULL,
                registry: $registry,
            };

            pub(super) const KEYS: &[&ConfigKey] = &[
                &SCHEMAS_ENABLE,
                &SCHEMAS_CACHE_SIZE,
                &DECIMAL_FORMAT,
                &REPLACE_NULL,
                &ENCODING,
                &TYPE,
            ];

            /// Of these, those of `JsonConverter`.
            #[allow(dead_code, reason = "they are listed for values only")]
            pub(super) const OF_JSON: &[&ConfigKey] = &[
                &SCHEMAS_ENABLE,
                &SCHEMAS_CACHE_SIZE,
                &DECIMAL_FORMAT,
                &REPLACE_NULL,
                &TYPE,
            ];

            /// Of these, those of `StringConverter`.
            #[allow(dead_code, reason = "they are listed for values only")]
            pub(super) const OF_TEXT: &[&ConfigKey] = &[&ENCODING, &TYPE];
        }
    };
}

converter_keys!(
    key,
    "key.converter",
    "key",
    &common::KEY_CONVERTER,
    Some(&registry::key::NAMED)
);
converter_keys!(
    value,
    "value.converter",
    "value",
    &common::VALUE_CONVERTER,
    Some(&registry::value::NAMED)
);
converter_keys!(
    header,
    "header.converter",
    "header",
    &common::HEADER_CONVERTER,
    None
);

/// Of record keys.
pub(in crate::config) static KEY: &ConverterKeys = &key::NAMED;

/// Of record values.
pub(in crate::config) static VALUE: &ConverterKeys = &value::NAMED;

/// Of headers.
pub(in crate::config) static HEADER: &ConverterKeys = &header::NAMED;

/// Those of record keys.
pub(in crate::config) const KEY_KEYS: &[&ConfigKey] = key::KEYS;

/// Those of record values.
pub(in crate::config) const VALUE_KEYS: &[&ConfigKey] = value::KEYS;

/// Those of a `JsonConverter` of values.
pub(in crate::config) const VALUE_JSON_KEYS: &[&ConfigKey] = value::OF_JSON;

/// Those of a `StringConverter` of values.
pub(in crate::config) const VALUE_TEXT_KEYS: &[&ConfigKey] = value::OF_TEXT;

/// Those of headers.
pub(in crate::config) const HEADER_KEYS: &[&ConfigKey] = header::KEYS;
