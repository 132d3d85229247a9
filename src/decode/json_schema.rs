//! JSON whose JSON Schema is in a registry, as `JsonSchemaConverter` writes it and other
//! serializers do.
//!
//! The schema is read as far as it is like Connect's: objects with properties, optional or not,
//! with the annotations of Connect's converter (`connect.type`, `title`). What goes beyond that
//! (alternatives, conditions, references to other schemas) has no types that columns could have;
//! records of such a schema are read as if they had none.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::envelope::Typed;
use super::json::{self, DEPTH_MAX};
use super::registered::{Compile, KeyOrValue, Registered, Source};
use super::{Decode, Encoded, ReadError, Visitor};
use crate::config::converter::RegistryOptions;
use crate::record::schema::names;
use crate::record::{Field, Kind, Schema, Side};
use crate::registry::Registry;

/// Reads JSON by its registered schema.
#[derive(Debug)]
pub struct JsonSchema {
    source: Source<Compiled>,
    typed: Typed,
}

/// Connect's schema, when there is one that says the same.
#[derive(Debug)]
pub(in crate::decode) struct Compiled(Option<Arc<Schema>>);

impl JsonSchema {
    /// With schemas from this registry.
    pub fn new(registry: Registry, options: &RegistryOptions, side: KeyOrValue) -> Self {
        Self {
            source: Source::new(registry, options, side),
            typed: Typed::new(options.default_for_null),
        }
    }

    pub(super) fn is_ready(&mut self, encoded: Encoded<'_>) -> bool {
        self.source.is_ready(encoded)
    }
}

impl Decode for JsonSchema {
    fn read_part<V: Visitor>(
        &mut self,
        encoded: Encoded<'_>,
        part: &[&str],
        visitor: &mut V,
    ) -> Result<(), ReadError> {
        let (compiled, body) = self.source.open(encoded).map_err(ReadError::Malformed)?;
        let text = json::text(body).map_err(ReadError::Malformed)?;
        self.typed.read(compiled.0.clone(), text, part, visitor)
    }

    fn schema(&mut self, encoded: Encoded<'_>) -> Result<Option<Arc<Schema>>, String> {
        let (compiled, _) = self.source.open(encoded)?;
        Ok(compiled.0.clone())
    }

    fn whole(&mut self, encoded: Encoded<'_>) -> Result<Side, String> {
        let (compiled, body) = self.source.open(encoded)?;
        self.typed.whole(compiled.0.clone(), json::text(body)?)
    }
}

impl Compile for Compiled {
    fn compile(registered: &Registered) -> Result<Self, String> {
        registered.check_kind("JSON")?;
        let root: Json = serde_json::from_str(&registered.text).map_err(|error| {
            format!(
                "the JSON Schema is malformed (line {}, column {})",
                error.line(),
                error.column()
            )
        })?;
        let converter = Converter { root: &root };
        Ok(Self(converter.schema(&root, 0).map(Arc::new)))
    }
}

struct Converter<'a> {
    root: &'a Json,
}

impl Converter<'_> {
    /// `None`: it has no like in Connect's model.
    fn schema(&self, json: &Json, depth: usize) -> Option<Schema> {
        if depth > DEPTH_MAX {
            return None;
        }
        let object = json.as_object()?;
        if let Some(reference) = object.get("$ref") {
            let target = self.root.pointer(reference.as_str()?.strip_prefix('#')?)?;
            return self.schema(target, depth + 1);
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(branches) = object.get(key).and_then(Json::as_array) {
                return self.nullable(branches, depth);
            }
        }
        match object.get("type")? {
            Json::String(name) => self.typed(name, object, depth),
            Json::Array(names) => {
                let mut names = names.iter().filter_map(Json::as_str);
                let (one, other) = (names.next()?, names.next());
                let (name, nullable) = match (one, other, names.next()) {
                    (name, None, _) => (name, false),
                    (name, Some("null"), None) | ("null", Some(name), None) => (name, true),
                    _ => return None,
                };
                let mut schema = self.typed(name, object, depth)?;
                schema.optional |= nullable;
                Some(schema)
            }
            _ => None,
        }
    }

    /// Null or one more.
    fn nullable(&self, branches: &[Json], depth: usize) -> Option<Schema> {
        let is_null = |branch: &&Json| branch.get("type").and_then(Json::as_str) == Some("null");
        let mut others = branches.iter().filter(|branch| !is_null(branch));
        let (of, None) = (others.next()?, others.next()) else {
            return None;
        };
        let mut schema = self.schema(of, depth + 1)?;
        schema.optional |= branches.len() > 1;
        Some(schema)
    }

    fn typed(&self, name: &str, object: &Map<String, Json>, depth: usize) -> Option<Schema> {
        let connect = text_of(object, "connect.type");
        let kind = match (name, connect) {
            ("integer", "int8") => Kind::Int8,
            ("integer", "int16") => Kind::Int16,
            ("integer", "int32") => Kind::Int32,
            ("integer", _) => Kind::Int64,
            ("number", "float32") => Kind::Float32,
            ("number", "bytes") | ("string", "bytes") => Kind::Bytes,
            ("number", _) => Kind::Float64,
            ("boolean", _) => Kind::Boolean,
            ("string", _) => Kind::String,
            ("array", "map") => return None,
            ("array", _) => Kind::Array(Arc::new(self.schema(object.get("items")?, depth + 1)?)),
            ("object", _) => self.object(object, depth)?,
            _ => return None,
        };
        let parameters = object.get("connect.parameters").and_then(Json::as_object);
        let parameters = parameters.into_iter().flatten();
        let parameters =
            parameters.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        let of_format = match text_of(object, "format") {
            "date-time" if kind == Kind::String => names::ZONED_TIMESTAMP,
            "uuid" if kind == Kind::String => names::UUID,
            _ => "",
        };
        let name = [text_of(object, "title"), of_format];
        let name = name.into_iter().find(|name| !name.is_empty());
        Schema {
            parameters: parameters.collect(),
            ..Schema::new(kind)
        }
        .named(name.map(Arc::from))
        .ok()
    }

    fn object(&self, object: &Map<String, Json>, depth: usize) -> Option<Kind> {
        let Some(properties) = object.get("properties").and_then(Json::as_object) else {
            let values = object.get("additionalProperties")?;
            return Some(Kind::Map {
                key: Arc::new(Schema::new(Kind::String)),
                value: Arc::new(self.schema(values, depth + 1)?),
            });
        };
        let required = object.get("required").and_then(Json::as_array);
        let is_required = |name: &str| {
            required.is_some_and(|list| list.iter().any(|known| known.as_str() == Some(name)))
        };
        let mut fields = Vec::with_capacity(properties.len());
        for (name, property) in properties {
            let mut schema = self.schema(property, depth + 1)?;
            // Connect's converter does not list its fields as required.
            let index = property.get("connect.index").and_then(Json::as_i64);
            schema.optional |= !is_required(name) && index.is_none();
            let field = Field {
                name: name.as_str().into(),
                schema: Arc::new(schema),
            };
            fields.push((index.unwrap_or(i64::MAX), field));
        }
        fields.sort_by_key(|(index, _)| *index);
        Some(Kind::Struct(
            fields.into_iter().map(|(_, field)| field).collect(),
        ))
    }
}

fn text_of<'a>(object: &'a Map<String, Json>, key: &str) -> &'a str {
    object.get(key).and_then(Json::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::probe::{self, Probe};
    use crate::record::{Value, timestamp};

    fn compiled(text: &str) -> Option<Arc<Schema>> {
        let registered = Registered {
            kind: Some("JSON".to_owned()),
            text: text.to_owned(),
            references: Vec::new(),
        };
        Compiled::compile(&registered).unwrap().0
    }

    fn read(schema: &str, text: &str) -> Result<Vec<Value<'static>>, String> {
        let mut probe = Probe::default();
        let read = Typed::new(true).read(compiled(schema), text, &[], &mut probe);
        match read {
            Ok(()) => Ok(probe
                .fields
                .iter()
                .map(|(_, _, value)| probe::owned(value))
                .collect()),
            Err(ReadError::Malformed(reason)) => Err(reason),
            Err(ReadError::Refused(error)) => Err(error.to_string()),
        }
    }

    #[test]
    fn connects_types_are_known() {
        let schema = r#"{"type":"object","title":"shop.Order","properties":{
            "b":{"connect.index":0,"type":"integer","connect.type":"int32"},
            "a":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"integer",
                "title":"org.apache.kafka.connect.data.Timestamp","connect.type":"int64"}]},
            "c":{"connect.index":2,"type":"string","connect.type":"bytes"},
            "d":{"connect.index":3,"type":"number","connect.type":"bytes",
                "title":"org.apache.kafka.connect.data.Decimal","connect.parameters":{"scale":"2"}},
            "e":{"connect.index":4,"type":"array","items":{"type":"string"}}}}"#;
        let known = compiled(schema).unwrap();
        let names: Vec<&str> = known
            .fields()
            .unwrap()
            .iter()
            .map(|field| &*field.name)
            .collect();
        assert_eq!(names, ["b", "a", "c", "d", "e"]);
        let values = read(schema, r#"{"b":1,"a":1,"c":"AAE=","d":1.50,"e":["x"]}"#);
        let expected = [
            Value::Number("1"),
            Value::Timestamp(timestamp(1, 1_000)),
            Value::Bytes(vec![0, 1].into()),
            Value::Number("1.50"),
            Value::Json(r#"["x"]"#.into()),
        ];
        assert_eq!(values.unwrap(), expected);
        let reason = read(schema, r#"{"b":null}"#).unwrap_err();
        assert!(reason.contains("field \"b\": null"), "{reason}");
    }

    #[test]
    fn other_schemas_are_read_as_far_as_they_go() {
        let schema = r##"{"type":"object","required":["id"],"definitions":{"n":{"type":["string","null"]}},
            "properties":{"id":{"type":"integer"},"note":{"$ref":"#/definitions/n"},
                "at":{"type":"string","format":"date-time"}}}"##;
        let known = compiled(schema).unwrap();
        let (_, id) = known.field("id").unwrap();
        let (_, at) = known.field("at").unwrap();
        assert!(!id.schema.optional && at.schema.optional);
        assert_eq!(at.schema.name.as_deref(), Some(names::ZONED_TIMESTAMP));
        assert!(compiled(r#"{"oneOf":[{"type":"string"},{"type":"integer"}]}"#).is_none());
        assert!(compiled("true").is_none());
        let endless = r##"{"type":"object","properties":{"next":{"$ref":"#"}}}"##;
        assert!(compiled(endless).is_none());
        assert_eq!(
            read(endless, r#"{"next":{"next":null}}"#).unwrap(),
            [Value::Json(r#"{"next":null}"#.into())]
        );
    }

    /// `fixtures/JsonSchemaFixture.java` wrote it.
    #[test]
    fn what_apicurios_serializer_wrote_is_read() {
        let bytes = include_bytes!("fixtures/order-json-schema.bin");
        let (frame, body) = bytes.split_at(5);
        assert_eq!(frame[0], 0, "the magic byte, then the id of four bytes");
        let schema = include_str!("fixtures/order.schema.json");
        let text = std::str::from_utf8(body).unwrap();
        let mut probe = Probe::default();
        let typed = Typed::new(true).read(compiled(schema), text, &[], &mut probe);
        typed.unwrap();
        let found: Vec<(&str, Value<'static>)> = probe
            .fields
            .iter()
            .map(|(name, _, value)| (name.as_str(), probe::owned(value)))
            .collect();
        let expected = [
            ("i32", Value::Number("-32")),
            ("i64", Value::Number("9007199254740993")),
            ("f64", Value::Number("-0.25")),
            ("decimal", Value::Number("-1234.50")),
            ("bool", Value::Bool(true)),
            ("text", Value::Text("Grüße \"x\"\n".into())),
            ("bytes", Value::Bytes(vec![0, 1, 255].into())),
            ("day", Value::Date(20_484)),
            ("at", Value::Timestamp(timestamp(1_769_854_830_123, 1_000))),
            (
                "moment",
                Value::Text("2026-01-31T10:20:30.123456789Z".into()),
            ),
            ("list", Value::Json("[1,2,3]".into())),
            ("map", Value::Json(r#"{"k":7}"#.into())),
            (
                "address",
                Value::Json(r#"{"city":"Ulm","zip":null}"#.into()),
            ),
            // What it left out, since it was null, comes last.
            ("none", Value::Null),
        ];
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn any_text_is_a_schema_or_a_reason(text in r#"[\{\}\[\]":,a-z$#/]{0,60}"#) {
            let registered = Registered { kind: None, text, references: Vec::new() };
            let _compiled = Compiled::compile(&registered);
        }
    }
}
