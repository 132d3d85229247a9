//! JSON without a schema.
//!
//! `serde_json` checks the grammar and cuts each field's raw text out; nothing is converted here
//! but strings with escapes. Numbers stay text, so integers of any length and decimals of any
//! scale arrive as they were written.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::record::Value;

/// Deepest nesting that is read into a tree: deeper than people write, and shallow enough for any
/// stack.
pub const DEPTH_MAX: usize = 128;

/// Walks over an object's fields in order: `on_field(name, raw value text)`. Duplicate names are
/// passed on as they come.
///
/// # Errors
/// What `on_field` returned, or [`WalkError::Malformed`] when the text is not one JSON object.
pub fn walk_object<'a, E>(
    text: &'a str,
    on_field: impl FnMut(&str, &'a str) -> Result<(), E>,
) -> Result<(), WalkError<E>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let mut stopped = None;
    let walker = Walker {
        on_field,
        stopped: &mut stopped,
    };
    let walked = deserializer
        .deserialize_map(walker)
        .and_then(|()| deserializer.end());
    match (walked, stopped) {
        (_, Some(error)) => Err(WalkError::Field(error)),
        (Err(error), None) => Err(WalkError::Malformed(describe(&error))),
        (Ok(()), None) => Ok(()),
    }
}

/// Why a walk ended early.
#[derive(Debug, PartialEq, Eq)]
pub enum WalkError<E> {
    /// The text is not one JSON object: where and why, without its content.
    Malformed(String),
    /// The closure's own error.
    Field(E),
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
/// When a string holds an escape that is no character (a lone surrogate).
pub fn value(raw: &str) -> Result<Value<'_>, String> {
    Ok(match raw.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'"') => Value::Text(string(raw)?),
        Some(b'{' | b'[') => Value::Json(Cow::Borrowed(raw)),
        _ => Value::Number(raw),
    })
}

/// Bytes as UTF-8 text.
///
/// # Errors
/// Says at which byte the text ends to be UTF-8.
pub fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes)
        .map_err(|error| format!("not valid UTF-8 from byte {} on", error.valid_up_to()))
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

struct Walker<'stop, F, E> {
    on_field: F,
    stopped: &'stop mut Option<E>,
}

impl<'de, F, E> Visitor<'de> for Walker<'_, F, E>
where
    F: FnMut(&str, &'de str) -> Result<(), E>,
{
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key_seed(Name)? {
            let raw: &'de RawValue = fields.next_value()?;
            if let Err(error) = (self.on_field)(&name, raw.get()) {
                *self.stopped = Some(error);
                return Err(de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

/// Reads a field's name without a copy where it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: de::Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let check = |raw: &str, expected: Value<'_>| assert_eq!(value(raw).unwrap(), expected);
        check("null", Value::Null);
        check("true", Value::Bool(true));
        check("false", Value::Bool(false));
        check("-0.0", Value::Number("-0.0"));
        check(r#""plain""#, Value::Text(Cow::Borrowed("plain")));
        check(r#""\u00e9\\""#, Value::Text(Cow::Borrowed("é\\")));
        check("[1]", Value::Json("[1]".into()));
        assert!(
            value(r#""\ud800""#).is_err(),
            "a lone surrogate is no character"
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
