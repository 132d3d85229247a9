//! `DEFAULT` clauses. Pure.
//!
//! A default that the column's type does not take for certain is left out, since the server would refuse
//! the whole table: texts in a notation of the type, which only the server can read, years before 1 and
//! after 9999.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike as _, NaiveDate};

use crate::row::Timestamp;
use crate::table::{DefaultValue, hex};

/// Of dates that every version writes and reads alike.
const YEARS: RangeInclusive<i32> = 1..=9999;
const SECOND_NANOS: i64 = 1_000_000_000;
const DAY_NANOS: i64 = 86_400 * SECOND_NANOS;
/// Digits before the point that `money` has for certain.
const MONEY_DIGITS: usize = 16;
/// How JSON writes the character that `jsonb` refuses.
const JSON_NUL: &str = "\\u0000";

/// ` DEFAULT ..` of a column of this type; empty when there is none.
pub(in crate::postgres) fn clause(native_type: &str, default: Option<&DefaultValue>) -> String {
    let literal = default.and_then(|default| literal(native_type, default));
    literal.map_or_else(String::new, |literal| format!(" DEFAULT {literal}"))
}

/// By the type's name, since that tells what it takes.
fn literal(native_type: &str, default: &DefaultValue) -> Option<String> {
    let word = native_type.split('(').next().unwrap_or(native_type);
    match (default, word) {
        (DefaultValue::Bool(value), "boolean") => Some(value.to_string()),
        (DefaultValue::Int(value), "smallint" | "integer" | "bigint") => Some(value.to_string()),
        (DefaultValue::Int(value), "oid") => u32::try_from(*value).ok().map(|id| id.to_string()),
        (DefaultValue::Float(value), "real" | "double precision") => Some(float(*value)),
        (DefaultValue::Decimal(plain), "numeric") => Some(format!("'{plain}'")),
        (DefaultValue::Decimal(plain), "money") => money(plain),
        (DefaultValue::Text(text), "text" | "varchar" | "citext") => quoted(text),
        (DefaultValue::Json(text), "jsonb") if !text.contains(JSON_NUL) => quoted(text),
        (DefaultValue::Bytes(bytes), "bytea") => quoted(&format!("\\x{}", hex(bytes))),
        (DefaultValue::Date(days), "date") => date(*days),
        (DefaultValue::Time(nanos), "time") => time(*nanos),
        (DefaultValue::Timestamp(at), "timestamp") => timestamp(*at, ""),
        (DefaultValue::Timestamp(at), "timestamptz") => timestamp(*at, "+00"),
        (DefaultValue::Uuid(bytes), "uuid") => {
            Some(format!("'{}'", uuid::Uuid::from_bytes(*bytes)))
        }
        (DefaultValue::Array { notation, .. }, _) if native_type.ends_with("[]") => {
            quoted(notation)
        }
        _ => None,
    }
}

/// A text in quotes, whatever `standard_conforming_strings` says.
fn quoted(text: &str) -> Option<String> {
    if text.contains('\0') {
        return None;
    }
    let doubled = text.replace('\'', "''");
    Some(match doubled.contains('\\') {
        true => format!("E'{}'", doubled.replace('\\', "\\\\")),
        false => format!("'{doubled}'"),
    })
}

/// In quotes, so that the server reads it as what the column is, and not as a decimal.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "'NaN'".to_owned();
    }
    match value.is_infinite() {
        true if value > 0.0 => "'Infinity'".to_owned(),
        true => "'-Infinity'".to_owned(),
        false => format!("'{value:?}'"),
    }
}

/// Without quotes: in a text the sign of the point is the locale's.
fn money(plain: &str) -> Option<String> {
    let whole = plain.split_once('.').map_or(plain, |(whole, _)| whole);
    let digits = whole.trim_start_matches('-');
    let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
    (is_number && digits.len() <= MONEY_DIGITS).then(|| plain.to_owned())
}

fn infinity(is_positive: bool) -> String {
    let sign = if is_positive { "" } else { "-" };
    format!("'{sign}infinity'")
}

fn date(days: i32) -> Option<String> {
    if days == i32::MAX || days == i32::MIN {
        return Some(infinity(days > 0));
    }
    let date = NaiveDate::from_epoch_days(days)?;
    YEARS.contains(&date.year()).then(|| format!("'{date}'"))
}

fn time(nanos: i64) -> Option<String> {
    if !(0..=DAY_NANOS).contains(&nanos) {
        return None;
    }
    let seconds = nanos / SECOND_NANOS;
    Some(format!(
        "'{:02}:{:02}:{:02}.{:06}'",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        nanos % SECOND_NANOS / 1_000
    ))
}

fn timestamp(at: Timestamp, zone: &str) -> Option<String> {
    if at.seconds == i64::MAX || at.seconds == i64::MIN {
        return Some(infinity(at.seconds > 0));
    }
    let moment = DateTime::from_timestamp(at.seconds, at.nanos)?;
    let text = moment.format("%Y-%m-%d %H:%M:%S%.6f");
    YEARS
        .contains(&moment.year())
        .then(|| format!("'{text}{zone}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_as_the_server_reads_them() {
        let check = |native_type: &str, default: DefaultValue, expected: &str| {
            let found = literal(native_type, &default);
            assert_eq!(found.as_deref(), Some(expected), "{native_type}");
        };
        let text = |text: &str| DefaultValue::Text(text.to_owned());
        let json = |text: &str| DefaultValue::Json(text.to_owned());
        let decimal = |plain: &str| DefaultValue::Decimal(plain.to_owned());
        let at = |seconds, nanos| DefaultValue::Timestamp(Timestamp { seconds, nanos });
        check("boolean", DefaultValue::Bool(true), "true");
        check("smallint", DefaultValue::Int(-5), "-5");
        check(
            "bigint",
            DefaultValue::Int(i64::MIN),
            "-9223372036854775808",
        );
        check("oid", DefaultValue::Int(4_294_967_295), "4294967295");
        check("real", DefaultValue::Float(1.5), "'1.5'");
        check("double precision", DefaultValue::Float(-0.0), "'-0.0'");
        check("double precision", DefaultValue::Float(1e300), "'1e300'");
        check("real", DefaultValue::Float(f64::NAN), "'NaN'");
        check(
            "real",
            DefaultValue::Float(f64::NEG_INFINITY),
            "'-Infinity'",
        );
        check("numeric(12,2)", decimal("-123.45"), "'-123.45'");
        check("numeric", decimal("NaN"), "'NaN'");
        check("numeric", decimal("-Infinity"), "'-Infinity'");
        check("citext", text("it's"), "'it''s'");
        check("money", decimal("-1234.50"), "-1234.50");
        check("text", text("it's 😀\n"), "'it''s 😀\n'");
        check("varchar(9)", text(r"a\'b"), r"E'a\\''b'");
        check("text", text(""), "''");
        check("jsonb", json(r#"{"a":"it's"}"#), r#"'{"a":"it''s"}'"#);
        check("bytea", DefaultValue::Bytes(vec![0, 255]), r"E'\\x00ff'");
        check("date", DefaultValue::Date(0), "'1970-01-01'");
        check("date", DefaultValue::Date(-719_162), "'0001-01-01'");
        check("date", DefaultValue::Date(i32::MAX), "'infinity'");
        check("time", DefaultValue::Time(DAY_NANOS), "'24:00:00.000000'");
        check("time(3)", DefaultValue::Time(1_999), "'00:00:00.000001'");
        check(
            "timestamp",
            at(-1, 999_999_999),
            "'1969-12-31 23:59:59.999999'",
        );
        check("timestamp", at(i64::MIN, 0), "'-infinity'");
        check(
            "timestamptz(3)",
            at(0, 0),
            "'1970-01-01 00:00:00.000000+00'",
        );
        let id = "00000000-0000-0000-0000-000000000000";
        check("uuid", DefaultValue::Uuid([0; 16]), &format!("'{id}'"));
        let array = DefaultValue::Array {
            notation: r#"{"it's","\\"}"#.to_owned(),
            json: String::new(),
        };
        check("text[]", array, r#"E'{"it''s","\\\\"}'"#);
    }

    #[test]
    fn what_the_column_may_not_take_is_left_out() {
        let check = |native_type: &str, default: DefaultValue| {
            assert_eq!(clause(native_type, Some(&default)), "", "{native_type}");
        };
        let text = |text: &str| DefaultValue::Text(text.to_owned());
        check("text", text("a\0b"));
        check("xml", text("<a>"));
        check("inet", text("192.0.2.7"));
        check("interval", DefaultValue::Int(1));
        check("bit(9)", DefaultValue::Bytes(vec![1]));
        check("jsonb", DefaultValue::Json(r#""a\u0000""#.to_owned()));
        check("oid", DefaultValue::Int(-1));
        check("money", DefaultValue::Decimal("1".repeat(17)));
        check("money", DefaultValue::Decimal("NaN".to_owned()));
        check("ltree", text("a.b"));
        check("date", DefaultValue::Date(2_932_897));
        check("time", DefaultValue::Time(-1));
        let at = Timestamp {
            seconds: i64::MAX - 1,
            nanos: 0,
        };
        check("timestamp", DefaultValue::Timestamp(at));
        assert_eq!(clause("text", None), "");
    }
}
