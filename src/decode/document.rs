//! Values as JSON text, for what has parts and so goes into a JSON column: decimals as numbers,
//! dates and times in ISO 8601, bytes in base64, and floats that JSON has no number for as texts.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::record::{Value, iso, json};

/// Appends a value.
///
/// # Errors
/// When a date is outside the calendar.
pub fn push(out: &mut String, value: &Value<'_>) -> Result<(), &'static str> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(text) => out.push_str(text),
        Value::Json(text) if !json::is_json(text) => push_text(out, text),
        Value::Json(text) | Value::Decimal(text) => out.push_str(text),
        Value::Int(number) => push_display(out, number),
        Value::Float64(number) if number.is_finite() => push_display(out, number),
        Value::Float32(number) if number.is_finite() => push_display(out, number),
        Value::Float64(number) => push_text(out, float_name(*number)),
        Value::Float32(number) => push_text(out, float_name(f64::from(*number))),
        Value::Text(text) => push_text(out, text),
        Value::Bytes(bytes) => {
            out.push('"');
            BASE64.encode_string(bytes, out);
            out.push('"');
        }
        Value::Uuid(bytes) => push_text(out, &uuid::Uuid::from_bytes(*bytes).to_string()),
        Value::Date(days) => push_text(out, &iso::date(*days)?),
        Value::Time(nanos) => push_text(out, &iso::time(*nanos)),
        Value::Timestamp(at) => push_text(out, &iso::timestamp(*at)?),
        Value::LocalTimestamp(at) => push_text(out, &iso::local_timestamp(*at)?),
    }
    Ok(())
}

/// Appends a text in quotes.
pub fn push_text(out: &mut String, text: &str) {
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[plain_from..at]);
        plain_from = at + 1;
        if escape.is_empty() {
            push_display(out, &format_args!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
}

/// Java's names, which Kafka Connect writes into JSON as well.
fn float_name(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

fn push_display(out: &mut String, value: &impl std::fmt::Display) {
    let written = write!(out, "{value}");
    debug_assert!(written.is_ok(), "a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_as_json() {
        let check = |value: Value<'_>, expected: &str| {
            let mut out = String::new();
            push(&mut out, &value).unwrap();
            assert_eq!(out, expected);
        };
        check(Value::Null, "null");
        check(Value::Int(-7), "-7");
        check(Value::Float32(0.1), "0.1");
        check(Value::Float64(1e20), "100000000000000000000");
        check(Value::Float64(f64::NEG_INFINITY), r#""-Infinity""#);
        check(Value::Decimal("1.50".into()), "1.50");
        check(Value::Bytes(b"\x00\x01"[..].into()), r#""AAE=""#);
        check(Value::Date(0), r#""1970-01-01""#);
        check(Value::Time(1_500_000_000), r#""00:00:01.500""#);
        check(
            Value::Uuid([0x11; 16]),
            r#""11111111-1111-1111-1111-111111111111""#,
        );
        assert!(push(&mut String::new(), &Value::Date(i32::MAX)).is_err());
    }

    proptest! {
        #[test]
        fn texts_come_back(text in "\\PC{0,20}[\\x00-\\x20\"\\\\]{0,5}") {
            let mut out = String::new();
            push_text(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
