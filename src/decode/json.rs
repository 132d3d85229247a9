//! JSON without a schema.
//!
//! A scan checks the grammar and cuts each field's raw text out; nothing is converted here but
//! strings with escapes. Numbers stay text, so integers of any length and decimals of any scale
//! arrive as they were written.

mod scan;

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

pub(crate) use scan::is_plain_name;
pub(super) use scan::{Fields, Malformed, Raw};

use super::{Decode, Encoded, ReadError, Visitor, tree};
use crate::record::{Schema, Side, Value};

/// Deepest nesting that is read: deeper than people write, and shallow enough for any stack.
pub const DEPTH_MAX: usize = 128;

/// What some editors and libraries write before a text in UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// `JsonConverter` with `schemas.enable=false`.
#[derive(Debug, Clone, Copy)]
pub struct Json;

impl Decode for Json {
    #[inline]
    fn read_part<V: Visitor>(
        &mut self,
        encoded: Encoded<'_>,
        part: &[&str],
        visitor: &mut V,
    ) -> Result<(), ReadError> {
        let text = text(encoded.bytes).map_err(ReadError::Malformed)?;
        match part {
            [] => read_text(text, visitor),
            part => read_text(part_of(text, part).map_err(ReadError::Malformed)?, visitor),
        }
    }

    fn schema(&mut self, _encoded: Encoded<'_>) -> Result<Option<Arc<Schema>>, String> {
        Ok(None)
    }

    fn whole(&mut self, encoded: Encoded<'_>) -> Result<Side, String> {
        tree::read(text(encoded.bytes)?, None, true).map(Side::schemaless)
    }
}

/// The raw text behind these names; `null` when it is not there.
///
/// # Errors
/// When what is around it is malformed.
pub(super) fn part_of<'a>(text: &'a str, part: &[&str]) -> Result<&'a str, String> {
    let mut inner = text;
    for wanted in part {
        if inner.trim_ascii() == "null" {
            return Ok("null");
        }
        let mut found = "null";
        let walked = walk_object(inner, |name, raw| {
            if name == *wanted {
                found = raw;
            }
            Ok::<(), Infallible>(())
        });
        match walked {
            Ok(()) => inner = found,
            Err(WalkError::Malformed(reason)) => return Err(reason),
        }
    }
    Ok(inner)
}

/// Reads a value without a schema.
///
/// # Errors
/// When it is malformed, or the visitor refuses.
#[inline]
pub fn read_text<V: Visitor>(text: &str, visitor: &mut V) -> Result<(), ReadError> {
    if !text.trim_ascii_start().starts_with('{') {
        let raw = check_value(text).map_err(ReadError::Malformed)?;
        let value = value(Raw::of(raw)).map_err(ReadError::Malformed)?;
        return Ok(visitor.single(&value)?);
    }
    visitor.object(None);
    let malformed = |error| malformed(text, error);
    let mut fields = Fields::of(text).map_err(malformed)?;
    while fields.advance().map_err(malformed)? {
        let predicted = visitor.predicted();
        let predicted = predicted.and_then(|(name, slot)| Some((fields.skip_name(name)?, slot)));
        let (name, slot) = match predicted {
            Some((name, slot)) => {
                visitor.follow();
                (Cow::Borrowed(name), slot)
            }
            None => {
                let name = fields.name().map_err(malformed)?;
                let slot = visitor.wants(&name, None)?;
                (name, slot)
            }
        };
        let raw = fields.value().map_err(malformed)?;
        if let Some(slot) = slot {
            let value = value(raw).map_err(|reason| in_field(&name, &reason))?;
            visitor.field(slot, &name, &value)?;
        }
    }
    Ok(())
}

/// The text, which was to be an object, is malformed.
#[cold]
pub(super) fn malformed(text: &str, Malformed: Malformed) -> ReadError {
    ReadError::Malformed(why_no_object(text))
}

/// A field's value is malformed.
pub(super) fn in_field(name: &str, reason: &str) -> ReadError {
    ReadError::Malformed(format!("field \"{name}\": {reason}"))
}

/// Walks over an object's fields in order: `on_field(name, raw value text)`. Duplicate names are
/// passed on as they come.
///
/// # Errors
/// What `on_field` returned, or [`WalkError::Malformed`] when the text is not one JSON object.
#[inline]
pub fn walk_object<'a, E>(
    text: &'a str,
    mut on_field: impl FnMut(&str, &'a str) -> Result<(), E>,
) -> Result<(), WalkError<E>> {
    let malformed = |Malformed| WalkError::Malformed(why_no_object(text));
    let mut fields = Fields::of(text).map_err(malformed)?;
    while fields.advance().map_err(malformed)? {
        let name = fields.name().map_err(malformed)?;
        let text = fields.value_text().map_err(malformed)?;
        on_field(&name, text).map_err(WalkError::Field)?;
    }
    Ok(())
}

/// Why a walk ended early.
#[derive(Debug, PartialEq, Eq)]
pub enum WalkError<E> {
    /// The text is not one JSON object: where and why, without its content.
    Malformed(String),
    /// The closure's own error.
    Field(E),
}

impl From<WalkError<ReadError>> for ReadError {
    fn from(error: WalkError<ReadError>) -> Self {
        match error {
            WalkError::Malformed(reason) => Self::Malformed(reason),
            WalkError::Field(error) => error,
        }
    }
}

/// Checks that the text is one JSON value and cuts surrounding white space.
///
/// # Errors
/// Where and why it is not, without its content.
pub fn check_value(text: &str) -> Result<&str, String> {
    serde_json::from_str::<&RawValue>(text)
        .map(RawValue::get)
        .map_err(|error| describe(&error))
}

/// Reads a raw value that the grammar has accepted.
///
/// # Errors
/// When a string holds an escape that is no character (a lone surrogate), or the value is nested
/// too deeply.
#[inline(always)]
pub(super) fn value(raw: Raw<'_>) -> Result<Value<'_>, String> {
    Ok(match raw {
        Raw::Null => Value::Null,
        Raw::Bool(value) => Value::Bool(value),
        Raw::Number(text) => Value::Number(text),
        Raw::Plain(text) => Value::Text(Cow::Borrowed(text)),
        Raw::Escaped(text) => Value::Text(string(text)?),
        Raw::Nested(text) => {
            check_nesting(text)?;
            Value::Json(Cow::Borrowed(text))
        }
    })
}

/// Bytes as the text of a document; without a byte order mark before it, which Kafka's converters pass
/// over, too.
///
/// # Errors
/// As [`utf8`].
pub fn text(bytes: &[u8]) -> Result<&str, String> {
    let text = utf8(bytes)?;
    Ok(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text))
}

/// Bytes as UTF-8 text.
///
/// # Errors
/// Says at which byte the text ends to be UTF-8.
pub fn utf8(bytes: &[u8]) -> Result<&str, String> {
    simdutf8::compat::from_utf8(bytes)
        .map_err(|error| format!("not valid UTF-8 from byte {} on", error.valid_up_to()))
}

/// The grammar is checked already; only brackets outside strings are counted.
fn check_nesting(raw: &str) -> Result<(), String> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in raw.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(format!(
                        "the JSON is nested more than {DEPTH_MAX} levels deep"
                    ));
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// The text of a JSON string, quotes included in `raw`.
///
/// # Errors
/// When it holds an escape that is no character.
pub(super) fn string(raw: &str) -> Result<Cow<'_, str>, String> {
    let inner = raw
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(raw);
    if !inner.as_bytes().contains(&b'\\') {
        return Ok(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(raw)
        .map(Cow::Owned)
        .map_err(|_| "a string with an escape that is no character".to_owned())
}

/// Says where and why a text is not one JSON object: what found it does not know.
#[cold]
fn why_no_object(text: &str) -> String {
    match serde_json::from_str::<HashMap<String, IgnoredAny>>(text) {
        Err(error) => describe(&error),
        Ok(_) => "the JSON is malformed".to_owned(),
    }
}

/// serde_json's messages name kinds and places; some quote the input, so only place and category
/// are kept.
fn describe(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "ends too early",
        serde_json::error::Category::Data => "is not an object",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "is malformed",
    };
    format!(
        "the JSON {what} (line {}, column {})",
        error.line(),
        error.column()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::converter::JsonOptions;
    use crate::decode::{Format, probe};
    use proptest::prelude::*;

    fn fields(text: &str) -> Result<Vec<(String, String)>, WalkError<()>> {
        let mut found = Vec::new();
        walk_object(text, |name, raw| {
            found.push((name.to_owned(), raw.to_owned()));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn walks_fields_with_their_literal_text() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, raw)| ((*name).to_owned(), (*raw).to_owned()))
                .collect();
            assert_eq!(fields(text).unwrap(), expected, "{text}");
        };
        check("{}", &[]);
        check(r#" { "a" : 1.50 } "#, &[("a", "1.50")]);
        check(r#"{"a":1,"a":2}"#, &[("a", "1"), ("a", "2")]);
        check(r#"{"\u0061b":"\n"}"#, &[("ab", r#""\n""#)]);
        check(
            r#"{"o":{"x":[1, {"y":null}]},"n":123456789012345678901234567890}"#,
            &[
                ("o", r#"{"x":[1, {"y":null}]}"#),
                ("n", "123456789012345678901234567890"),
            ],
        );
    }

    #[test]
    fn refuses_what_is_not_one_object() {
        for text in [
            "",
            "null",
            "1",
            "[]",
            "{",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":01}"#,
            r#"{"a":1}x"#,
            r#"{"a":1,}"#,
            "{'a':1}",
            "{\"a\":\"\u{1}\"}",
            r#"{"a":+1}"#,
            r#"{"a":NaN}"#,
        ] {
            assert!(
                matches!(fields(text), Err(WalkError::Malformed(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn messages_never_quote_the_input() {
        let Err(WalkError::Malformed(message)) = fields(r#"{"a": secret}"#) else {
            panic!("must be refused");
        };
        assert!(
            !message.contains("secret") && message.contains("column"),
            "{message}"
        );
    }

    #[test]
    fn reads_values() {
        let check =
            |raw: &str, expected: Value<'_>| assert_eq!(value(Raw::of(raw)).unwrap(), expected);
        check("null", Value::Null);
        check("true", Value::Bool(true));
        check("false", Value::Bool(false));
        check("-0.0", Value::Number("-0.0"));
        check(r#""plain""#, Value::Text(Cow::Borrowed("plain")));
        check(r#""\u00e9\\""#, Value::Text(Cow::Borrowed("é\\")));
        check("[1]", Value::Json("[1]".into()));
        assert!(
            value(Raw::of(r#""\ud800""#)).is_err(),
            "a lone surrogate is no character"
        );
    }

    #[test]
    fn one_byte_order_mark_is_passed_over() {
        let check = |text: &str, expected: Option<&str>| {
            let mut formats = [
                (
                    Format::json(&JsonOptions::default()),
                    r#"{"schema":null,"payload":"#,
                    "}",
                ),
                (
                    Format::json(&JsonOptions {
                        schemas_enable: false,
                        ..JsonOptions::default()
                    }),
                    "",
                    "",
                ),
            ];
            for (format, before, after) in &mut formats {
                let (mark, rest) = text.split_at(text.find(['{', '"']).unwrap());
                let written = format!("{mark}{before}{rest}{after}");
                let encoded = Encoded {
                    bytes: written.as_bytes(),
                    headers: &(),
                };
                let read = probe::read(format, written.as_bytes()).map(|found| found.fields.len());
                assert_eq!(read.ok(), expected.map(|_| 1), "{written:?}");
                let whole = format.whole(encoded).map(|side| side.datum);
                let whole = whole.and_then(|datum| Ok(crate::record::json::text(&datum, None)?));
                assert_eq!(whole.ok().as_deref(), expected, "{written:?}");
            }
        };
        check("\u{feff}{\"a\":1}", Some("{\"a\":1}"));
        check("\u{feff} {\"a\":1}", Some("{\"a\":1}"));
        check("\u{feff}\"a\"", Some("\"a\""));
        check("\u{feff}\u{feff}{\"a\":1}", None);
        check(" \u{feff}{\"a\":1}", None);
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(value(Raw::of(&nested(DEPTH_MAX))).is_ok());
        assert!(value(Raw::of(&nested(DEPTH_MAX + 1))).is_err());
        let brackets = format!(r#"["{}\"["]"#, "[".repeat(500));
        assert!(
            value(Raw::of(&brackets)).is_ok(),
            "brackets in strings are text"
        );
    }

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(matches!(
            fields(&deep),
            Ok(_) | Err(WalkError::Malformed(_))
        ));
    }

    proptest! {
        #[test]
        fn never_panics_and_agrees_with_serde_json(text in r#"[\{\}\[\]":,0-9a-z\\ .-]{0,40}"#) {
            let ours = fields(&text).is_ok();
            let theirs = serde_json::from_str::<std::collections::BTreeMap<String, &RawValue>>(&text).is_ok();
            prop_assert_eq!(ours, theirs);
        }
    }
}
