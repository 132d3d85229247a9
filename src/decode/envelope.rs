//! Kafka Connect's JSON envelope: `{"schema": .., "payload": ..}`.
//!
//! The schema's text repeats in every record. It is parsed once and then recognised by its bytes:
//! a record that starts with the same bytes up to its payload has the same schema, and only the
//! payload is read. See `JsonConverter` with `schemas.enable=true` for the format.

mod schema;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::json::{self, Raw, is_plain_name};
use super::{Decode, Encoded, ReadError, Visitor, tree};
use crate::config::converter::JsonOptions;
use crate::record::{Datum, Field, Schema, Side, Value};

pub(super) use schema::{missing, read_present};

/// Connect's own message for a value without an envelope.
const NO_ENVELOPE: &str = "JsonConverter with schemas.enable requires \"schema\" and \"payload\" \
     fields and may not contain additional fields. If you are trying to deserialize plain JSON \
     data, set schemas.enable=false in your converter configuration.";

/// `JsonConverter` with `schemas.enable=true`.
#[derive(Debug)]
pub struct Envelope {
    opener: Opener,
    typed: Typed,
}

impl Envelope {
    /// Reads by these options.
    pub fn new(options: &JsonOptions) -> Self {
        Self {
            opener: Opener::new(options.schemas_cache_size),
            typed: Typed::new(options.default_for_null),
        }
    }
}

/// Reads JSON that has a schema, wherever that is.
#[derive(Debug)]
pub(super) struct Typed {
    default_for_null: bool,
    /// Which fields of the schema the record had.
    seen: Vec<bool>,
    /// The schema seen last, and whether all its names are [plain](is_plain_name).
    last: Option<(Arc<Schema>, bool)>,
}

impl Typed {
    /// `default_for_null`: null stands for its field's default.
    pub(super) fn new(default_for_null: bool) -> Self {
        Self {
            default_for_null,
            seen: Vec::new(),
            last: None,
        }
    }

    /// Reads a part of a text, by its schema if it has one.
    #[inline]
    pub(super) fn read<V: Visitor>(
        &mut self,
        schema: Option<Arc<Schema>>,
        text: &str,
        part: &[&str],
        visitor: &mut V,
    ) -> Result<(), ReadError> {
        let text = match part {
            [] => text,
            part => json::part_of(text, part).map_err(ReadError::Malformed)?,
        };
        let Some(mut schema) = schema else {
            return json::read_text(text, visitor);
        };
        for name in part {
            let Some((_, field)) = schema.field(name) else {
                return Ok(visitor.single(&Value::Null)?);
            };
            schema = Arc::clone(&field.schema);
        }
        let text = text.trim_ascii();
        match schema.fields() {
            Some(_) if text == "null" => self.read_null(&schema, visitor),
            Some(fields) => {
                visitor.object(Some(&schema));
                let predictable = self.has_plain_names(&schema, fields);
                self.read_struct(fields, predictable, text, visitor)
            }
            None => {
                let raw = json::check_value(text).map_err(ReadError::Malformed)?;
                let value = schema::read(&schema, Raw::of(raw), self.default_for_null);
                let value = value.map_err(ReadError::Malformed)?;
                Ok(visitor.single(&value)?)
            }
        }
    }

    /// A null in the place of a struct.
    fn read_null<V: Visitor>(
        &self,
        schema: &Arc<Schema>,
        visitor: &mut V,
    ) -> Result<(), ReadError> {
        let Some(Datum::Struct(default)) =
            schema.default.as_ref().filter(|_| self.default_for_null)
        else {
            let null = missing(schema, false).map_err(ReadError::Malformed)?;
            return Ok(visitor.single(&null)?);
        };
        visitor.object(Some(schema));
        let fields = schema.fields().unwrap_or_default();
        for (index, (field, datum)) in fields.iter().zip(default.values()).enumerate() {
            if let Some(slot) = visitor.wants(&field.name, Some(index))? {
                let value = datum.value_of(Some(&field.schema));
                let value = value.map_err(|reason| json::in_field(&field.name, reason))?;
                visitor.field(slot, &field.name, &value)?;
            }
        }
        Ok(())
    }

    /// Reads a text as a whole.
    pub(super) fn whole(&self, schema: Option<Arc<Schema>>, text: &str) -> Result<Side, String> {
        let datum = tree::read(text, schema.as_ref(), self.default_for_null)?;
        Ok(Side { schema, datum })
    }

    #[inline]
    fn has_plain_names(&mut self, schema: &Arc<Schema>, fields: &[Field]) -> bool {
        match &self.last {
            Some((last, are_plain)) if Arc::ptr_eq(last, schema) => *are_plain,
            _ => {
                let are_plain = fields.iter().all(|field| is_plain_name(&field.name));
                self.last = Some((Arc::clone(schema), are_plain));
                are_plain
            }
        }
    }

    /// The fields that are there, then what stands for those that are not: with a schema, a missing
    /// field is its default or null.
    fn read_struct<V: Visitor>(
        &mut self,
        fields: &[Field],
        predictable: bool,
        payload: &str,
        visitor: &mut V,
    ) -> Result<(), ReadError> {
        self.seen.clear();
        self.seen.resize(fields.len(), false);
        let default_for_null = self.default_for_null;
        let mut next = 0;
        let malformed = |error| json::malformed(payload, error);
        let mut scan = json::Fields::of(payload).map_err(malformed)?;
        while scan.advance().map_err(malformed)? {
            // Producers write fields in the schema's order.
            let predicted = fields.get(next).filter(|_| predictable);
            let (name, index) = match predicted.and_then(|field| scan.skip_name(&field.name)) {
                Some(name) => (Cow::Borrowed(name), Some(next)),
                None => {
                    let name = scan.name().map_err(malformed)?;
                    let index = fields.iter().position(|field| *field.name == *name);
                    (name, index)
                }
            };
            let wanted = match index {
                Some(index) => {
                    next = index + 1;
                    self.seen[index] = true;
                    visitor.wants(&name, Some(index))?
                }
                // What the schema does not name is not there, as in Kafka Connect.
                None => None,
            };
            let raw = scan.value().map_err(malformed)?;
            let (Some(slot), Some(index)) = (wanted, index) else {
                continue;
            };
            let value = schema::read(&fields[index].schema, raw, default_for_null);
            let value = value.map_err(|reason| json::in_field(&name, &reason))?;
            visitor.field(slot, &name, &value)?;
        }
        let unseen = self.seen.iter().enumerate().filter(|(_, seen)| !**seen);
        for (index, _) in unseen {
            let field = &fields[index];
            if let Some(slot) = visitor.wants(&field.name, Some(index))? {
                let value = missing(&field.schema, default_for_null);
                let value = value.map_err(|reason| json::in_field(&field.name, &reason))?;
                visitor.field(slot, &field.name, &value)?;
            }
        }
        Ok(())
    }
}

impl Decode for Envelope {
    #[inline]
    fn read_part<V: Visitor>(
        &mut self,
        encoded: Encoded<'_>,
        part: &[&str],
        visitor: &mut V,
    ) -> Result<(), ReadError> {
        let text = json::text(encoded.bytes).map_err(ReadError::Malformed)?;
        // A null has no envelope either.
        if text == "null" {
            return json::read_text(text, visitor);
        }
        let (schema, payload) = self.opener.open(text).map_err(ReadError::Malformed)?;
        self.typed.read(schema, payload, part, visitor)
    }

    fn schema(&mut self, encoded: Encoded<'_>) -> Result<Option<Arc<Schema>>, String> {
        let text = json::text(encoded.bytes)?;
        if text == "null" {
            return Ok(None);
        }
        self.opener.open(text).map(|(schema, _)| schema)
    }

    fn whole(&mut self, encoded: Encoded<'_>) -> Result<Side, String> {
        let text = json::text(encoded.bytes)?;
        if text == "null" {
            return Ok(Side::NULL);
        }
        let (schema, payload) = self.opener.open(text)?;
        self.typed.whole(schema, payload)
    }
}

/// Opens envelopes, remembering schemas. One per task and side (key, value).
#[derive(Debug)]
pub struct Opener {
    /// Bytes from the record's start up to its payload, of the schema seen last.
    last: Option<(String, Arc<Schema>)>,
    by_text: HashMap<String, Arc<Schema>>,
    capacity: usize,
}

impl Opener {
    /// Keeps up to `capacity` schemas (`schemas.cache.size`).
    pub fn new(capacity: usize) -> Self {
        Self {
            last: None,
            by_text: HashMap::new(),
            capacity: capacity.max(1),
        }
    }

    /// Splits an envelope into its schema and its payload's text. Without schema: `null`.
    ///
    /// The payload's text is not checked: whoever reads it uses a parser that does.
    ///
    /// # Errors
    /// Says what is wrong with the envelope or its schema.
    pub fn open<'a>(&mut self, text: &'a str) -> Result<(Option<Arc<Schema>>, &'a str), String> {
        if let Some((head, schema)) = &self.last
            && let Some(rest) = text.strip_prefix(head.as_str())
            && let Some(payload) = rest.trim_ascii_end().strip_suffix('}')
        {
            return Ok((Some(Arc::clone(schema)), payload));
        }
        self.open_slowly(text)
    }

    fn open_slowly<'a>(&mut self, text: &'a str) -> Result<(Option<Arc<Schema>>, &'a str), String> {
        let (schema_text, payload) = split(text)?;
        if schema_text == "null" {
            return Ok((None, payload));
        }
        let schema = match self.by_text.get(schema_text) {
            Some(schema) => Arc::clone(schema),
            None => self.remember(schema_text)?,
        };
        // The shortcut holds only for envelopes that end with their payload.
        let head_length = payload.as_ptr() as usize - text.as_ptr() as usize;
        let tail = text[head_length + payload.len()..].trim_ascii();
        if tail == "}" {
            self.last = Some((text[..head_length].to_owned(), Arc::clone(&schema)));
        }
        Ok((Some(schema), payload))
    }

    fn remember(&mut self, schema_text: &str) -> Result<Arc<Schema>, String> {
        let schema = Arc::new(schema::parse(schema_text, 0)?);
        if self.by_text.len() >= self.capacity {
            // Rare: more live schemas than configured. Starting over keeps the bound simple.
            self.by_text.clear();
        }
        self.by_text
            .insert(schema_text.to_owned(), Arc::clone(&schema));
        Ok(schema)
    }
}

fn split(text: &str) -> Result<(&str, &str), String> {
    let mut schema = None;
    let mut payload = None;
    let walked = json::walk_object(text, |name, raw| {
        match name {
            "schema" => schema = Some(raw),
            "payload" => payload = Some(raw),
            _ => return Err(()),
        }
        Ok(())
    });
    match walked {
        Err(json::WalkError::Malformed(reason)) => Err(reason),
        Err(json::WalkError::Field(())) => Err(NO_ENVELOPE.to_owned()),
        Ok(()) => match (schema, payload) {
            (Some(schema), Some(payload)) => Ok((schema, payload)),
            _ => Err(NO_ENVELOPE.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::probe;
    use crate::record::Kind;

    const ORDER_SCHEMA: &str = r#"{"type":"struct","optional":false,"fields":[
        {"type":"int64","optional":false,"field":"id"},
        {"type":"string","optional":true,"field":"note","default":"none"},
        {"type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"},"field":"price"},
        {"type":"int64","optional":true,"name":"org.apache.kafka.connect.data.Timestamp","field":"at"}]}"#;

    #[test]
    fn recognises_a_repeated_schema_by_its_bytes() {
        let mut opener = Opener::new(10);
        let first = format!(r#"{{"schema":{ORDER_SCHEMA},"payload":{{"id":1}}}}"#);
        let second = format!("{{\"schema\":{ORDER_SCHEMA},\"payload\":{{\"id\":2}} }} \n");
        let (one, payload) = opener.open(&first).unwrap();
        assert_eq!(payload, r#"{"id":1}"#);
        let (two, payload) = opener.open(&second).unwrap();
        assert_eq!(payload.trim(), r#"{"id":2}"#);
        assert!(Arc::ptr_eq(&one.unwrap(), &two.unwrap()), "parsed once");
    }

    #[test]
    fn opens_whatever_the_order_of_its_parts() {
        let mut opener = Opener::new(1);
        for text in [
            r#"{"payload":7,"schema":{"type":"int32"}}"#,
            r#" { "schema" : {"type":"int32"} , "payload" : 7 } "#,
        ] {
            let (schema, payload) = opener.open(text).unwrap();
            assert_eq!(schema.unwrap().kind, Kind::Int32);
            assert_eq!(payload.trim(), "7");
        }
    }

    #[test]
    fn refuses_what_is_no_envelope() {
        let mut opener = Opener::new(1);
        for text in [
            r#"{"id":1}"#,
            r#"{"schema":{"type":"int32"}}"#,
            r#"{"schema":{"type":"int32"},"payload":1,"more":2}"#,
            r#"{"schema":{"type":"nope"},"payload":1}"#,
            r#"{"schema":7,"payload":1}"#,
            "[1]",
            "",
        ] {
            assert!(opener.open(text).is_err(), "{text}");
        }
    }

    #[test]
    fn missing_fields_are_their_defaults_and_order_is_free() {
        let mut format = Envelope::new(&JsonOptions {
            schemas_enable: true,
            schemas_cache_size: 1,
            default_for_null: true,
        });
        let mut check = |payload: &str, expected: &[(&str, Value<'static>)]| {
            let text = format!("{{\"schema\":{ORDER_SCHEMA},\"payload\":{payload}}}");
            let found = probe::read(&mut format, text.as_bytes()).unwrap();
            assert!(found.schema.is_some_and(|schema| schema.is_some()));
            let fields: Vec<_> = found
                .fields
                .iter()
                .map(|(name, _, value)| (name.as_str(), value.clone()))
                .collect();
            assert_eq!(fields, expected, "{payload}");
        };
        let price = Value::Decimal("12.34".into());
        check(
            r#"{"price":"BNI=","id":1}"#,
            &[
                ("price", price.clone()),
                ("id", Value::Number("1")),
                ("note", Value::Text("none".into())),
                ("at", Value::Null),
            ],
        );
        check(
            r#"{"id":1,"note":null,"price":"BNI=","at":0,"more":true}"#,
            &[
                ("id", Value::Number("1")),
                ("note", Value::Text("none".into())),
                ("price", price),
                (
                    "at",
                    Value::Timestamp(rowdock_connectors::Timestamp::default()),
                ),
            ],
        );
        let text = format!("{{\"schema\":{ORDER_SCHEMA},\"payload\":{{\"id\":1}}}}");
        let reason = probe::read(&mut format, text.as_bytes()).unwrap_err();
        assert!(reason.starts_with("field \"price\": null"), "{reason}");
    }

    #[test]
    fn what_kafkas_converter_wrote_is_read() {
        for text in [
            include_str!("fixtures/connect-base64.json"),
            include_str!("fixtures/connect-numeric.json"),
        ] {
            let mut format = Envelope::new(&JsonOptions::default());
            let found = probe::read(&mut format, text.as_bytes()).unwrap();
            crate::decode::fixtures::check(&found, true);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_payload_is_fields_or_a_reason(payload in r#"[\{\}\[\]":,0-9a-z\\ .-]{0,60}"#) {
            let text = format!("{{\"schema\":{ORDER_SCHEMA},\"payload\":{payload}}}");
            let mut format = Envelope::new(&JsonOptions::default());
            if let Err(reason) = probe::read(&mut format, text.as_bytes()) {
                proptest::prop_assert!(!reason.is_empty());
            }
        }
    }
}
