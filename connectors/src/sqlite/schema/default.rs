//! `DEFAULT` clauses. Pure.
//!
//! A default stands in the file as a row's value would, or is left out: see
//! [`encode`](crate::sqlite::encode).

use super::types::{Affinity, affinity, column_type};
use crate::sqlite::encode::{Number, keeps_json, numeric_value};
use crate::sqlite::text::{date_text, time_text, timestamp_text, uuid_text};
use crate::table::{ColumnType, DefaultValue, hex};

/// ` DEFAULT ..` of a column of this declared type; empty when there is none.
pub(in crate::sqlite) fn clause(declared: &str, default: Option<&DefaultValue>) -> String {
    let literal = default.and_then(|default| literal(declared, default));
    literal.map_or_else(String::new, |literal| format!(" DEFAULT {literal}"))
}

fn literal(declared: &str, default: &DefaultValue) -> Option<String> {
    let affinity = affinity(declared);
    match default {
        DefaultValue::Bool(value) => Some(i64::from(*value).to_string()),
        DefaultValue::Int(value) => Some(value.to_string()),
        DefaultValue::Float(value) => float(*value),
        DefaultValue::Decimal(plain) => decimal(plain, affinity),
        DefaultValue::Text(text) => quoted(text),
        DefaultValue::Json(text) | DefaultValue::Array { json: text, .. } => {
            quoted(text).filter(|_| affinity != Affinity::Numeric || keeps_json(text))
        }
        DefaultValue::Bytes(bytes) => Some(format!("X'{}'", hex(bytes))),
        DefaultValue::Date(days) => date_text(*days).and_then(|text| quoted(&text)),
        DefaultValue::Time(nanos) => time_text(*nanos).and_then(|text| quoted(&text)),
        DefaultValue::Timestamp(at) => {
            let is_point_in_time = column_type(declared) == ColumnType::TimestampTz;
            timestamp_text(*at, is_point_in_time).and_then(|text| quoted(&text))
        }
        DefaultValue::Uuid(bytes) => quoted(&uuid_text(*bytes)),
    }
}

/// The text of a statement ends at U+0000.
fn quoted(text: &str) -> Option<String> {
    (!text.contains('\0')).then(|| format!("'{}'", text.replace('\'', "''")))
}

/// SQLite has no word for infinity, but takes a number beyond all for it.
fn float(value: f64) -> Option<String> {
    if value.is_nan() {
        return None;
    }
    Some(match value.is_infinite() {
        true if value > 0.0 => "9e999".to_owned(),
        true => "-9e999".to_owned(),
        false => format!("{value:?}"),
    })
}

fn decimal(plain: &str, affinity: Affinity) -> Option<String> {
    if matches!(affinity, Affinity::Text | Affinity::Blob) {
        return quoted(plain);
    }
    match numeric_value(plain)? {
        Number::Int(value) => Some(value.to_string()),
        Number::Double(value) => float(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Timestamp;

    #[test]
    fn defaults_as_rows_have_them() {
        let check = |declared: &str, default: DefaultValue, expected: Option<&str>| {
            let found = literal(declared, &default);
            assert_eq!(found.as_deref(), expected, "{declared}");
        };
        let text = |text: &str| DefaultValue::Text(text.to_owned());
        let json = |text: &str| DefaultValue::Json(text.to_owned());
        let decimal = |plain: &str| DefaultValue::Decimal(plain.to_owned());
        check("BOOLEAN", DefaultValue::Bool(true), Some("1"));
        let least = DefaultValue::Int(i64::MIN);
        check("INTEGER", least, Some("-9223372036854775808"));
        check("REAL", DefaultValue::Float(-0.1), Some("-0.1"));
        check("REAL", DefaultValue::Float(1e300), Some("1e300"));
        check("REAL", DefaultValue::Float(5.0), Some("5.0"));
        check(
            "REAL",
            DefaultValue::Float(f64::NEG_INFINITY),
            Some("-9e999"),
        );
        check("REAL", DefaultValue::Float(f64::NAN), None);
        check("DECIMAL(12,2)", decimal("123.45"), Some("123.45"));
        check("DECIMAL(12,2)", decimal("-5.00"), Some("-5"));
        check("DECIMAL(12,2)", decimal("0.1234567890123456"), None);
        check("DECIMAL_TEXT(30,2)", decimal("5.00"), Some("'5.00'"));
        check("TEXT", text(r#"it's \ "😀""#), Some(r#"'it''s \ "😀"'"#));
        check("TEXT", text("a\0b"), None);
        check("JSON", json(r#"{"a":1.0}"#), Some(r#"'{"a":1.0}'"#));
        check("JSON", json("1.0"), None);
        check("BLOB", DefaultValue::Bytes(vec![0, 255]), Some("X'00ff'"));
        check("BLOB", DefaultValue::Bytes(Vec::new()), Some("X''"));
        check("DATE", DefaultValue::Date(0), Some("'1970-01-01'"));
        check("DATE", DefaultValue::Date(i32::MAX), None);
        check("TIME", DefaultValue::Time(1_000), Some("'00:00:00.000001'"));
        let id = "'00000000-0000-0000-0000-000000000000'";
        check("UUID", DefaultValue::Uuid([0; 16]), Some(id));
        let array = DefaultValue::Array {
            notation: "{a}".to_owned(),
            json: r#"["a"]"#.to_owned(),
        };
        check("JSON", array, Some(r#"'["a"]'"#));
    }

    #[test]
    fn points_in_time_are_marked() {
        let check = |declared: &str, expected: &str| {
            let default = DefaultValue::Timestamp(Timestamp::default());
            assert_eq!(clause(declared, Some(&default)), expected);
        };
        check("TIMESTAMP", " DEFAULT '1970-01-01 00:00:00.000000'");
        check("TIMESTAMPTZ", " DEFAULT '1970-01-01 00:00:00.000000Z'");
        assert_eq!(clause("TEXT", None), "");
    }
}
