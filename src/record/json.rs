//! A value as JSON text: how collections arrive in columns.
//!
//! As Connect's `JsonConverter` writes it without schemas, but exact: decimals as numbers in plain
//! notation, dates and times in ISO 8601 with all their digits, bytes in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::value::RawValue;

use super::datum::Datum;
use super::iso;
use super::schema::{Kind, Schema};
use super::{Value, debezium};

/// The JSON text of a value. Of its schema only names matter: texts that are JSON stand in it as
/// they are.
///
/// # Errors
/// When a date or time is outside the calendar, or a decimal absurdly long.
pub fn text(datum: &Datum, schema: Option<&Schema>) -> Result<String, &'static str> {
    let mut text = String::new();
    push(&mut text, datum, schema)?;
    Ok(text)
}

/// Whether a text that is said to be JSON is.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Values are as deep as their decoder allows, so the recursion is bounded.
fn push(text: &mut String, datum: &Datum, schema: Option<&Schema>) -> Result<(), &'static str> {
    match datum {
        Datum::Null => text.push_str("null"),
        Datum::Boolean(value) => text.push_str(if *value { "true" } else { "false" }),
        Datum::Int8(value) => text.push_str(&value.to_string()),
        Datum::Int16(value) => text.push_str(&value.to_string()),
        Datum::Int32(number) => push_integer(text, i64::from(*number), schema)?,
        Datum::Int64(number) => push_integer(text, *number, schema)?,
        Datum::Float32(value) => push_float(text, value.is_finite(), value),
        Datum::Float64(value) => push_float(text, value.is_finite(), value),
        Datum::Number(literal) | Datum::Decimal(literal) => text.push_str(literal),
        Datum::String(value) if schema.is_some_and(Schema::is_json_text) && is_json(value) => {
            text.push_str(value);
        }
        Datum::String(value) => push_string(text, value),
        Datum::Bytes(bytes) => push_string(text, &BASE64.encode(bytes)),
        Datum::Date(days) => push_string(text, &iso::date(*days)?),
        Datum::Time(nanos) => push_string(text, &iso::time(*nanos)),
        Datum::Timestamp(at) if schema.is_some_and(Schema::is_local) => {
            push_string(text, &iso::local_timestamp(*at)?);
        }
        Datum::Timestamp(at) => push_string(text, &iso::timestamp(*at)?),
        Datum::Array(items) => {
            let item = match schema.map(|schema| &schema.kind) {
                Some(Kind::Array(item)) => Some(&**item),
                _ => None,
            };
            push_list(text, '[', ']', items.iter(), |text, datum| {
                push(text, datum, item)
            })?;
        }
        Datum::Map(map) => {
            let (_, value) = entry_schemas(schema);
            push_list(text, '{', '}', map.iter(), |text, (name, datum)| {
                push_string(text, name);
                text.push(':');
                push(text, datum, value)
            })?;
        }
        // As `JsonConverter` writes maps whose keys are no texts.
        Datum::Entries(entries) => {
            let (key, value) = entry_schemas(schema);
            push_list(text, '[', ']', entries.iter(), |text, pair| {
                let pair = [(&pair.0, key), (&pair.1, value)].into_iter();
                push_list(text, '[', ']', pair, |text, (datum, schema)| {
                    push(text, datum, schema)
                })
            })?;
        }
        Datum::Struct(value) => {
            if let Some(decimal) = debezium::variable_decimal(value) {
                text.push_str(&decimal?);
                return Ok(());
            }
            let fields = value.schema().fields().unwrap_or_default();
            let fields = fields.iter().zip(value.values());
            push_list(text, '{', '}', fields, |text, (field, datum)| {
                push_string(text, &field.name);
                text.push(':');
                push(text, datum, Some(&field.schema))
            })?;
        }
    }
    Ok(())
}

fn entry_schemas(schema: Option<&Schema>) -> (Option<&Schema>, Option<&Schema>) {
    match schema.map(|schema| &schema.kind) {
        Some(Kind::Map { key, value }) => (Some(key), Some(value)),
        _ => (None, None),
    }
}

fn push_list<T>(
    text: &mut String,
    open: char,
    close: char,
    items: impl Iterator<Item = T>,
    mut push_item: impl FnMut(&mut String, T) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    text.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        push_item(text, item)?;
    }
    text.push(close);
    Ok(())
}

/// A number, or the date or time that it stands for.
fn push_integer(
    text: &mut String,
    number: i64,
    schema: Option<&Schema>,
) -> Result<(), &'static str> {
    match Datum::Int64(number).value_of(schema)? {
        Value::Date(days) => push_string(text, &iso::date(days)?),
        Value::Time(nanos) => push_string(text, &iso::time(nanos)),
        Value::LocalTimestamp(at) => push_string(text, &iso::local_timestamp(at)?),
        _ => text.push_str(&number.to_string()),
    }
    Ok(())
}

/// JSON has no such numbers as NaN; they are written as texts, as `JsonConverter` does.
fn push_float(text: &mut String, finite: bool, value: &impl ToString) {
    let literal = value.to_string();
    if finite {
        text.push_str(&literal);
        return;
    }
    let name = match literal.as_str() {
        "inf" => "Infinity",
        "-inf" => "-Infinity",
        _ => "NaN",
    };
    push_string(text, name);
}

fn push_string(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            control if control < ' ' => {
                text.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::datum::Map;
    use crate::record::schema::names;
    use proptest::prelude::*;

    #[test]
    fn writes_every_kind() {
        let check =
            |datum: Datum, expected: &str| assert_eq!(text(&datum, None).unwrap(), expected);
        check(Datum::Null, "null");
        check(Datum::Boolean(true), "true");
        check(Datum::Int64(i64::MAX), "9223372036854775807");
        check(Datum::Float64(0.5), "0.5");
        check(Datum::Float64(f64::NEG_INFINITY), "\"-Infinity\"");
        check(Datum::Float32(f32::NAN), "\"NaN\"");
        check(Datum::Number("1e400".into()), "1e400");
        check(Datum::Decimal("1.50".into()), "1.50");
        check(Datum::Bytes(vec![0, 1]), "\"AAE=\"");
        check(Datum::Date(0), "\"1970-01-01\"");
        check(Datum::Time(1_000), "\"00:00:00.000001\"");
        check(Datum::Array(vec![Datum::Int8(1), Datum::Null]), "[1,null]");
        let entries = vec![(Datum::Int8(1), Datum::Boolean(false))];
        check(Datum::Entries(entries), "[[1,false]]");
        assert!(text(&Datum::Date(i32::MAX), None).is_err());
    }

    #[test]
    fn texts_that_are_json_stand_as_they_are() {
        let schema = Schema::new(Kind::String)
            .named(Some(names::JSON.into()))
            .unwrap();
        let items = Schema::new(Kind::Array(schema.into()));
        let check = |document: &str, expected: &str| {
            let datum = Datum::Array(vec![Datum::String(document.to_owned())]);
            assert_eq!(text(&datum, Some(&items)).unwrap(), expected);
        };
        check(r#"{"a": 1}"#, r#"[{"a": 1}]"#);
        check(r#"{"a":"#, r#"["{\"a\":"]"#);
    }

    proptest! {
        #[test]
        fn strings_are_read_back(name in any::<String>(), value in any::<String>()) {
            let map = Map::from_entries(vec![(name.clone(), Datum::String(value.clone()))]);
            let written = text(&Datum::Map(map), None).unwrap();
            let read: std::collections::BTreeMap<String, String> = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read.get(&name), Some(&value));
        }
    }
}
