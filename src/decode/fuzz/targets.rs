//! One target per decoder.

use super::{agreement, search};
use crate::config::converter::{HeaderConverter, IdFraming, JsonOptions, Primitive};
use crate::decode::change::ChangeEvents;
use crate::decode::probe::registry_options as options;
use crate::decode::registered::{Compile as _, KeyOrValue, Registered};
use crate::decode::{Decode as _, Encoded, Format, avro, header, json_schema, protobuf};
use crate::record::json;
use crate::registry::{self, Reference, Registry, SchemaId};

const JSON_WORDS: &[&str] = &[
    "null",
    "true",
    "false",
    "{}",
    "[]",
    "\"\"",
    "-0",
    "1e400",
    "9223372036854775808",
    "0.1",
    "\\u0000",
    "\\ud800",
    "\"a\":",
    "\"id\":1,",
    "[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
];
const ENVELOPE_WORDS: &[&str] = &[
    "\"schema\":",
    "\"payload\":",
    "\"type\":\"struct\"",
    "\"optional\":true",
    "\"default\":null",
    "\"default\":1",
    "\"type\":\"int8\"",
    "\"type\":\"double\"",
    "\"type\":\"bytes\"",
    "\"name\":\"org.apache.kafka.connect.data.Decimal\"",
    "\"parameters\":{\"scale\":\"2\"}",
    "\"name\":\"io.debezium.time.MicroTime\"",
    "NaN",
    "Infinity",
    "null",
    "-1",
    "1e400",
    "AA==",
];
const EVENT_WORDS: &[&str] = &[
    "\"op\":\"c\"",
    "\"op\":\"d\"",
    "\"op\":\"t\"",
    "\"op\":\"m\"",
    "\"op\":7",
    "\"before\":null",
    "\"after\":null",
    "\"after\":{}",
    "\"data\":",
    "\"payload\":",
    "\"schema\":",
    "\"specversion\":1",
    "\"ddl\":",
    "\"databaseName\":",
    "\"tableChanges\":",
    "\"ts_ms\":1",
    "null",
    "{}",
];

fn json_format(schemas_enable: bool) -> Format {
    Format::json(&JsonOptions {
        schemas_enable,
        ..JsonOptions::default()
    })
}

/// A registry whose schemas have these numbers.
fn registry(schemas: &[(u64, &str)], references: &[(&str, &str)]) -> Registry {
    let registered = |text: &str| Registered {
        kind: None,
        text: text.to_owned(),
        references: references
            .iter()
            .map(|(name, text)| Reference {
                name: (*name).to_owned(),
                text: (*text).to_owned(),
            })
            .collect(),
    };
    let schemas = schemas.iter();
    Registry::of(schemas.map(|(id, text)| (SchemaId::Number(*id), registered(text))))
}

#[test]
fn fuzz_json() {
    let mut format = json_format(false);
    search("json", JSON_WORDS, |bytes| {
        agreement::check(&mut format, bytes)
    });
}

#[test]
fn fuzz_envelope() {
    let mut format = json_format(true);
    let mut without_defaults = Format::json(&JsonOptions {
        default_for_null: false,
        schemas_cache_size: 2,
        ..JsonOptions::default()
    });
    search("envelope", ENVELOPE_WORDS, |bytes| {
        let one = agreement::check(&mut format, bytes);
        let other = agreement::check(&mut without_defaults, bytes);
        // What was read before must not matter.
        assert_eq!(agreement::check(&mut json_format(true), bytes), one);
        format!("{one} / {other}")
    });
}

#[test]
fn fuzz_debezium() {
    let mut plain = Format::ChangeEvents(ChangeEvents::new(json_format(false)));
    let mut envelope = Format::ChangeEvents(ChangeEvents::new(json_format(true)));
    search("debezium", EVENT_WORDS, |bytes| {
        let one = agreement::check(&mut plain, bytes);
        format!("{one} / {}", agreement::check(&mut envelope, bytes))
    });
}

#[test]
fn fuzz_cloud_events() {
    let mut format = Format::ChangeEvents(ChangeEvents::new(json_format(false)));
    search("cloud_events", EVENT_WORDS, |bytes| {
        agreement::check(&mut format, bytes)
    });
}

/// Every type; one that names itself; a union of everything; a change event.
const AVRO_SCHEMAS: &[(u64, &str)] = &[
    (1, include_str!("schemas/every_type.avsc")),
    (2, include_str!("schemas/tree.avsc")),
    (3, include_str!("schemas/union.avsc")),
    (4, include_str!("schemas/event.avsc")),
    (10, include_str!("../fixtures/connect.avsc")),
];

#[test]
fn fuzz_avro() {
    let registry = registry(AVRO_SCHEMAS, &[]);
    let avro = |ids| {
        let format = avro::Avro::new(registry.clone(), &options(ids), KeyOrValue::Value);
        Format::Avro(format)
    };
    let mut formats = [
        avro(IdFraming::Confluent),
        avro(IdFraming::ApicurioWide),
        Format::ChangeEvents(ChangeEvents::new(avro(IdFraming::Confluent))),
    ];
    search(
        "avro",
        &["\0\0\0\0\u{1}", "\0\0\0\0\u{2}", "\u{1}\0"],
        |bytes| {
            let answers = formats
                .iter_mut()
                .map(|format| agreement::check(format, bytes));
            answers.collect::<Vec<_>>().join(" / ")
        },
    );
}

const JSON_SCHEMAS: &[(u64, &str)] = &[
    (1, include_str!("schemas/order.schema.json")),
    (2, r#"{"oneOf":[{"type":"string"},{"type":"integer"}]}"#),
];

#[test]
fn fuzz_json_schema() {
    let registry = registry(JSON_SCHEMAS, &[]);
    let options = options(IdFraming::Confluent);
    let format = json_schema::JsonSchema::new(registry, &options, KeyOrValue::Value);
    let mut format = Format::JsonSchema(format);
    search("json_schema", JSON_WORDS, |bytes| {
        agreement::check(&mut format, bytes)
    });
}

const PROTOBUF_SCHEMAS: &[(u64, &str)] = &[(1, include_str!("schemas/order.proto"))];
const PROTOBUF_REFERENCES: &[(&str, &str)] = &[(
    "shop/address.proto",
    "syntax = \"proto3\"; package shop; message Address { string city = 1; }",
)];

#[test]
fn fuzz_protobuf() {
    let registry = registry(PROTOBUF_SCHEMAS, PROTOBUF_REFERENCES);
    let options = options(IdFraming::Confluent);
    let format = protobuf::Protobuf::new(registry, &options, KeyOrValue::Value);
    let mut format = Format::Protobuf(format);
    search("protobuf", &["\0\0\0\0\u{1}\0", "\u{2}\u{2}\0"], |bytes| {
        agreement::check(&mut format, bytes)
    });
}

const PRIMITIVES: [Primitive; 8] = [
    Primitive::Text,
    Primitive::Bytes,
    Primitive::Short,
    Primitive::Integer,
    Primitive::Long,
    Primitive::Float,
    Primitive::Double,
    Primitive::Boolean,
];

#[test]
fn fuzz_single_values() {
    search("single_values", &[], |bytes| {
        let formats = PRIMITIVES.iter().map(|kind| Format::Primitive(*kind));
        let answers = formats.map(|mut format| agreement::check(&mut format, bytes));
        answers.collect::<Vec<_>>().join(" / ")
    });
}

#[test]
fn fuzz_headers() {
    let json = |schemas_enable| HeaderConverter::Json {
        schemas_enable,
        default_for_null: true,
    };
    let mut converters = vec![HeaderConverter::Simple, json(false), json(true)];
    converters.extend(PRIMITIVES.map(HeaderConverter::Primitive));
    let words = &[
        "2026-11-29",
        "T10:11:12.345Z",
        "1e3",
        "null",
        "true",
        "[",
        "-",
        "0x",
        "99999",
    ];
    search("headers", words, |bytes| {
        let read = |converter: &HeaderConverter| {
            let header = header::read(*converter, ("h".to_owned(), Some(bytes.to_vec())));
            match header {
                Ok(header) => match json::text(&header.datum, header.schema.as_deref()) {
                    Ok(_) => header.datum.kind(),
                    Err(reason) => reason,
                },
                Err(_) => {
                    assert!(*converter != HeaderConverter::Simple, "it reads everything");
                    "error"
                }
            }
        };
        converters.iter().map(read).collect::<Vec<_>>().join(",")
    });
}

/// What a registry answers, and the schemas in it, of whichever format they are.
#[test]
fn fuzz_registry_answer() {
    let words = &[
        "\"schema\":",
        "\"schemaType\":\"JSON\"",
        "\"references\":[]",
        "\\\"type\\\":",
        "\\\"record\\\"",
        "\\\"fields\\\":[]",
        "\\\"items\\\":",
        "\\\"$ref\\\":\\\"#\\\"",
        "message A {",
        "repeated ",
        "\\\"logicalType\\\":\\\"decimal\\\"",
        "\\\"default\\\":",
        "\\\"properties\\\":{",
    ];
    search("registry_answer", words, |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return "no text".to_owned();
        };
        let Some(registered) = registry::read_answer(text) else {
            return "no answer".to_owned();
        };
        let outcomes = [
            avro::Program::compile(&registered).map(drop),
            json_schema::Compiled::compile(&registered).map(drop),
            protobuf::Compiled::compile(&registered).map(drop),
        ];
        let words = outcomes.map(|outcome| match outcome {
            Ok(()) => "good".to_owned(),
            Err(reason) => reason.chars().take(40).collect(),
        });
        words.join(" / ")
    });
}

/// The frame of the registry's formats, whatever it names.
#[test]
fn headers_that_name_schemas_are_read_or_refused() {
    let registry = registry(AVRO_SCHEMAS, &[]);
    for ids in [
        IdFraming::Confluent,
        IdFraming::ApicurioNarrow,
        IdFraming::ApicurioWide,
    ] {
        let mut format = avro::Avro::new(registry.clone(), &options(ids), KeyOrValue::Value);
        for length in 0..20 {
            for byte in [0, 1, 0xff] {
                let name = match ids {
                    IdFraming::Confluent => "__value_schema_id",
                    _ => "apicurio.value.contentId",
                };
                let headers = vec![(name.to_owned(), Some(vec![byte; length]))];
                let encoded = Encoded {
                    bytes: &[],
                    headers: &headers,
                };
                assert!(format.whole(encoded).is_err());
            }
        }
    }
}
