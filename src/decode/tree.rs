//! JSON as one owned value, with or without a schema.
//!
//! `serde_json` checks the grammar of the whole text first; after that one pass builds the tree,
//! by the schema's types where there is a schema. Depth is bounded by [`json::DEPTH_MAX`].

use std::sync::Arc;

use super::envelope;
use super::json::{self, Raw};
use crate::record::{Datum, Field, Kind, Logical, Map, Schema, Struct, Value};

/// Reads one JSON value. Without a schema, integers become int64, other numbers stay as written,
/// and objects are maps; with one, a missing field is null, null stands for the default if
/// `default_for_null` says so, and fields that the schema does not name are left out.
///
/// # Errors
/// Where and why the text is not such a value; never quotes it.
pub fn read(
    text: &str,
    schema: Option<&Arc<Schema>>,
    default_for_null: bool,
) -> Result<Datum, String> {
    let text = json::check_value(text)?;
    let mut reader = Reader {
        text,
        position: 0,
        default_for_null,
    };
    reader.value(schema, 0)
}

/// Walks over text whose grammar has been accepted.
struct Reader<'a> {
    text: &'a str,
    position: usize,
    default_for_null: bool,
}

/// Not reached with text that `serde_json` accepted.
const BROKEN: &str = "the JSON is malformed";

impl<'a> Reader<'a> {
    fn value(&mut self, schema: Option<&Arc<Schema>>, depth: usize) -> Result<Datum, String> {
        if depth > json::DEPTH_MAX {
            let limit = json::DEPTH_MAX;
            return Err(format!("the JSON is nested more than {limit} levels deep"));
        }
        match (self.peek(), schema) {
            (Some(b'{'), None) => self.object(None, depth).map(Datum::Map),
            (Some(b'['), None) => self.array(None, depth).map(Datum::Array),
            (Some(b'{' | b'['), Some(schema)) => self.collection(schema, depth),
            (Some(_), Some(schema)) => match json::value(Raw::of(self.scalar()?))? {
                Value::Null => self.missing(schema),
                value if schema.is_debezium_time() => {
                    envelope::read_present(schema, value.clone())?;
                    typed(schema, value)
                }
                value => typed(schema, envelope::read_present(schema, value)?),
            },
            (Some(_), None) => json::value(Raw::of(self.scalar()?)).map(untyped),
            (None, _) => Err(BROKEN.to_owned()),
        }
    }

    fn collection(&mut self, schema: &Arc<Schema>, depth: usize) -> Result<Datum, String> {
        match (&schema.kind, self.peek()) {
            (Kind::Array(item), Some(b'[')) => self.array(Some(item), depth).map(Datum::Array),
            (Kind::Map { key, value }, Some(b'{')) if key.kind == Kind::String => {
                self.object(Some(value), depth).map(Datum::Map)
            }
            (Kind::Map { key, value }, Some(b'[')) if key.kind != Kind::String => {
                self.entries(key, value, depth)
            }
            (Kind::Struct(fields), Some(b'{')) => self.fields(schema, fields, depth),
            (_, start) => {
                let found = match start {
                    Some(b'{') => "an object",
                    _ => "an array",
                };
                let expected = schema.type_name();
                Err(format!("{found} where the schema says {expected}"))
            }
        }
    }

    fn object(&mut self, value: Option<&Arc<Schema>>, depth: usize) -> Result<Map, String> {
        let mut entries = Vec::new();
        self.open(b'{');
        while self.more(b'}') {
            let name = self.name()?;
            let datum = self
                .value(value, depth + 1)
                .map_err(|reason| within(&name, &reason))?;
            entries.push((name, datum));
        }
        Ok(Map::from_entries(entries))
    }

    fn fields(
        &mut self,
        schema: &Arc<Schema>,
        fields: &[Field],
        depth: usize,
    ) -> Result<Datum, String> {
        let mut values: Vec<Option<Datum>> = vec![None; fields.len()];
        // Producers write the fields in the schema's order: the next one is looked at first.
        let mut next = 0;
        self.open(b'{');
        while self.more(b'}') {
            let name = self.name()?;
            let is_named = |field: &Field| *field.name == *name;
            let found = match fields.get(next) {
                Some(field) if is_named(field) => Some(next),
                _ => fields.iter().position(is_named),
            };
            let Some(index) = found else {
                self.value(None, depth + 1)?;
                continue;
            };
            next = index + 1;
            let datum = self
                .value(Some(&fields[index].schema), depth + 1)
                .map_err(|reason| within(&name, &reason))?;
            values[index] = Some(datum);
        }
        let values: Result<Vec<Datum>, String> = values
            .into_iter()
            .zip(fields)
            .map(|(value, field)| match value {
                Some(value) => Ok(value),
                None => self
                    .missing(&field.schema)
                    .map_err(|reason| within(&field.name, &reason)),
            })
            .collect();
        Ok(Datum::Struct(Struct::new(Arc::clone(schema), values?)))
    }

    fn array(&mut self, item: Option<&Arc<Schema>>, depth: usize) -> Result<Vec<Datum>, String> {
        let mut items = Vec::new();
        self.open(b'[');
        while self.more(b']') {
            items.push(self.value(item, depth + 1)?);
        }
        Ok(items)
    }

    /// A map whose keys are no texts: an array of pairs.
    fn entries(
        &mut self,
        key: &Arc<Schema>,
        value: &Arc<Schema>,
        depth: usize,
    ) -> Result<Datum, String> {
        const PAIRS: &str = "a map whose entries are no pairs of key and value";
        let mut entries = Vec::new();
        self.open(b'[');
        while self.more(b']') {
            if self.peek() != Some(b'[') {
                return Err(PAIRS.to_owned());
            }
            let mut pair = Vec::with_capacity(2);
            self.open(b'[');
            while self.more(b']') {
                let schema = if pair.is_empty() { key } else { value };
                pair.push(self.value(Some(schema), depth + 2)?);
            }
            match <[Datum; 2]>::try_from(pair) {
                Ok([key, value]) => entries.push((key, value)),
                Err(_) => return Err(PAIRS.to_owned()),
            }
        }
        Ok(Datum::Entries(entries))
    }

    /// What null, or a field that is not there, stands for.
    fn missing(&self, schema: &Schema) -> Result<Datum, String> {
        match &schema.default {
            Some(default) if self.default_for_null => Ok(default.clone()),
            _ => envelope::missing(schema, false).map(|_| Datum::Null),
        }
    }

    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.position)?.is_ascii_whitespace() {
            self.position += 1;
        }
        bytes.get(self.position).copied()
    }

    /// Steps over the bracket that [`peek`](Self::peek) saw.
    fn open(&mut self, bracket: u8) {
        debug_assert_eq!(self.peek(), Some(bracket));
        self.position += 1;
    }

    /// Steps over a comma, or over the end of the collection. `false`: it ended.
    fn more(&mut self, end: u8) -> bool {
        match self.peek() {
            Some(b',') => {
                self.position += 1;
                true
            }
            Some(other) if other != end => true,
            _ => {
                self.position += 1;
                false
            }
        }
    }

    fn name(&mut self) -> Result<String, String> {
        let name = json::string(self.scalar()?)?.into_owned();
        match self.peek() {
            Some(b':') => self.position += 1,
            _ => return Err(BROKEN.to_owned()),
        }
        Ok(name)
    }

    /// The raw text of a string, number or word.
    fn scalar(&mut self) -> Result<&'a str, String> {
        let is_string = self.peek() == Some(b'"');
        let rest = self.text.get(self.position..).unwrap_or_default();
        let length = if is_string {
            string_length(rest)
        } else {
            let end = |byte: u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
            rest.bytes().position(end).unwrap_or(rest.len())
        };
        let raw = rest.get(..length).filter(|raw| !raw.is_empty());
        self.position += length;
        raw.ok_or_else(|| BROKEN.to_owned())
    }
}

/// Bytes of a string with its quotes.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (position, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return position + 1,
            _ => {}
        }
    }
    text.len()
}

fn within(name: &str, reason: &str) -> String {
    // A path grows from the inside out: the innermost name comes last.
    match reason.strip_prefix("field \"") {
        Some(rest) => format!("field \"{name}.{rest}"),
        None => format!("field \"{name}\": {reason}"),
    }
}

/// A value as it looks, without a schema.
pub(super) fn untyped(value: Value<'_>) -> Datum {
    match value {
        Value::Null => Datum::Null,
        Value::Bool(value) => Datum::Boolean(value),
        Value::Number(text) => match text.parse::<i64>() {
            Ok(number) => Datum::Int64(number),
            Err(_) => Datum::Number(text.to_owned()),
        },
        Value::Int(value) => Datum::Int64(value),
        Value::Float32(value) => Datum::Float32(value),
        Value::Float64(value) => Datum::Float64(value),
        Value::Text(text) => Datum::String(text.into_owned()),
        Value::Json(text) => Datum::String(text.into_owned()),
        Value::Bytes(bytes) => Datum::Bytes(bytes.into_owned()),
        Value::Decimal(text) => Datum::Decimal(text.into_owned()),
        Value::Date(days) => Datum::Date(days),
        Value::Time(nanos) => Datum::Time(nanos),
        Value::Timestamp(at) | Value::LocalTimestamp(at) => Datum::Timestamp(at),
        Value::Uuid(bytes) => Datum::String(uuid::Uuid::from_bytes(bytes).to_string()),
    }
}

/// A value that its schema has accepted, in the schema's own type.
fn typed(schema: &Schema, value: Value<'_>) -> Result<Datum, String> {
    let number = match &value {
        Value::Number(text) => *text,
        // JSON has no such numbers; they are written as texts.
        Value::Text(text) if matches!(schema.kind, Kind::Float32 | Kind::Float64) => text,
        _ => return Ok(untyped(value)),
    };
    let failed = |()| format!("a number that is no {}", schema.type_name());
    match (&schema.kind, schema.logical) {
        // With as many digits as were written, as in Kafka Connect.
        (_, Logical::Decimal { .. }) => match crate::decimal::plain(number) {
            Some(plain) => Ok(Datum::Decimal(plain.into_owned())),
            None => Err(failed(())),
        },
        (Kind::Int8, _) => number.parse().map(Datum::Int8).map_err(|_| failed(())),
        (Kind::Int16, _) => number.parse().map(Datum::Int16).map_err(|_| failed(())),
        (Kind::Int32, _) => number.parse().map(Datum::Int32).map_err(|_| failed(())),
        (Kind::Int64, _) => number.parse().map(Datum::Int64).map_err(|_| failed(())),
        (Kind::Float32, _) => number.parse().map(Datum::Float32).map_err(|_| failed(())),
        (Kind::Float64, _) => number.parse().map(Datum::Float64).map_err(|_| failed(())),
        _ => Ok(untyped(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schema(text: &str) -> Arc<Schema> {
        let envelope = format!(r#"{{"schema":{text},"payload":null}}"#);
        let mut opener = envelope::Opener::new(1);
        opener.open(&envelope).unwrap().0.unwrap()
    }

    #[test]
    fn numbers_without_a_schema_stay_exact() {
        let check = |text: &str, expected: Datum| assert_eq!(read(text, None, true), Ok(expected));
        check("9223372036854775807", Datum::Int64(i64::MAX));
        check(
            "9223372036854775808",
            Datum::Number("9223372036854775808".into()),
        );
        check("1.10", Datum::Number("1.10".into()));
        check(
            " [1, -2] ",
            Datum::Array(vec![Datum::Int64(1), Datum::Int64(-2)]),
        );
    }

    #[test]
    fn structs_have_all_fields_of_their_schema() {
        let schema = schema(
            r#"{"type":"struct","fields":[
                {"type":"int8","field":"a","default":7},
                {"type":"string","optional":true,"field":"b"},
                {"type":"array","optional":true,"items":{"type":"int32"},"field":"c"},
                {"type":"bytes","optional":true,"field":"d","parameters":{"scale":"2"},
                 "name":"org.apache.kafka.connect.data.Decimal"}]}"#,
        );
        let read_struct = |text: &str| match read(text, Some(&schema), true) {
            Ok(Datum::Struct(value)) => Ok(value.values().to_vec()),
            other => Err(other.unwrap_err()),
        };
        let null = Datum::Null;
        assert_eq!(
            read_struct(r#"{"x":[{}],"c":[1],"a":1,"d":1.5}"#),
            Ok(vec![
                Datum::Int8(1),
                null.clone(),
                Datum::Array(vec![Datum::Int32(1)]),
                Datum::Decimal("1.5".into())
            ])
        );
        let defaults = vec![Datum::Int8(7), null.clone(), null.clone(), null];
        assert_eq!(read_struct("{}"), Ok(defaults));
        let reason = read_struct(r#"{"c":["x"]}"#).unwrap_err();
        assert_eq!(reason, "field \"c\": a text where the schema says int32");
        let reason = read_struct(r#"{"d":1e99999}"#).unwrap_err();
        assert_eq!(reason, "field \"d\": a number that is no Decimal");
    }

    #[test]
    fn errors_name_the_path() {
        let schema = schema(
            r#"{"type":"struct","fields":[{"field":"a","type":"struct","fields":[
                {"field":"b","type":"map","keys":{"type":"string"},"values":{"type":"int8"}}]}]}"#,
        );
        let reason = read(r#"{"a":{"b":{"k":300}}}"#, Some(&schema), true).unwrap_err();
        assert_eq!(reason, "field \"a.b.k\": a number that is no int8");
        let reason = read(r#"{"a":[]}"#, Some(&schema), true).unwrap_err();
        assert_eq!(reason, "field \"a\": an array where the schema says struct");
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(json::DEPTH_MAX), None, true).is_ok());
        assert!(read(&nested(json::DEPTH_MAX + 2), None, true).is_err());
        assert!(read(&nested(200_000), None, true).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in r#"(\{"a":)?[\{\}\[\]":,0-9a-z\\ .-]{0,30}\}?"#) {
            if let Ok(datum) = read(&text, None, true) {
                let written = crate::record::json::text(&datum, None).unwrap();
                prop_assert_eq!(read(&written, None, true), Ok(datum));
            }
        }
    }
}
