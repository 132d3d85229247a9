//! `DEFAULT` clauses. Pure.
//!
//! A default that the column's type does not take for certain is left out, since the server would refuse
//! the whole table. MySQL takes one for texts, bytes and documents of any length only as an expression,
//! in brackets; MariaDB takes literals everywhere.

use mysql_async::Value;

use crate::mysql::encode::{YEARS, narrow, time};
use crate::mysql::form::{is_unsigned, labels, type_word};
use crate::mysql::sql::{Flavor, literal};
use crate::table::{DefaultValue, hex, type_length};

/// ` DEFAULT ..` of a column of this type; `None` when it does not take the value.
pub(in crate::mysql) fn clause(
    native_type: &str,
    default: &DefaultValue,
    flavor: Flavor,
) -> Option<String> {
    let said = said(native_type, default)?;
    let is_large = ["text", "blob", "json"]
        .iter()
        .any(|large| type_word(native_type).ends_with(large));
    Some(match is_large && !flavor.is_mariadb() {
        true => format!(" DEFAULT ({said})"),
        false => format!(" DEFAULT {said}"),
    })
}

/// By the type's name, since that tells what it takes.
fn said(native_type: &str, default: &DefaultValue) -> Option<String> {
    match (default, type_word(native_type)) {
        (DefaultValue::Bool(value), "tinyint") => Some(i64::from(*value).to_string()),
        (DefaultValue::Int(value), "year") => {
            (*value == 0 || YEARS.contains(value)).then(|| value.to_string())
        }
        (DefaultValue::Int(value), "decimal") => exact(native_type, &value.to_string()),
        (DefaultValue::Int(value), word) => integer(*value, word, is_unsigned(native_type)),
        (DefaultValue::Float(value), "float") => narrow(*value).ok().map(f64::from).and_then(float),
        (DefaultValue::Float(value), "double") => float(*value),
        (DefaultValue::Decimal(plain), "decimal") => exact(native_type, plain),
        (DefaultValue::Decimal(plain), "bigint") => {
            plain.parse::<u64>().ok().map(|value| value.to_string())
        }
        (DefaultValue::Text(text), word) => text_literal(native_type, word, text),
        (DefaultValue::Json(json) | DefaultValue::Array { json, .. }, "json") => {
            Some(literal(json))
        }
        (DefaultValue::Bytes(bytes), word) => bytes_literal(native_type, word, bytes),
        (DefaultValue::Date(days), "date") => said_time(time::date(*days)),
        (DefaultValue::Time(nanos), "time") => {
            said_time(time::time_span(*nanos, digits(native_type)))
        }
        (DefaultValue::Timestamp(at), "datetime") => {
            said_time(time::timestamp(*at, digits(native_type)))
        }
        (DefaultValue::Uuid(bytes), "uuid" | "char") => {
            Some(format!("'{}'", uuid::Uuid::from_bytes(*bytes)))
        }
        _ => None,
    }
}

/// A negative number stands for the upper half of an unsigned one of 64 bits, as in rows.
fn integer(value: i64, word: &str, unsigned: bool) -> Option<String> {
    let (low, high) = match (word, unsigned) {
        ("tinyint", false) => (-128, 127),
        ("tinyint", true) => (0, 255),
        ("smallint", false) => (-32_768, 32_767),
        ("smallint", true) => (0, 65_535),
        ("mediumint", false) => (-8_388_608, 8_388_607),
        ("mediumint", true) => (0, 16_777_215),
        ("int", false) => (i64::from(i32::MIN), i64::from(i32::MAX)),
        ("int", true) => (0, i64::from(u32::MAX)),
        ("bigint", false) => (i64::MIN, i64::MAX),
        ("bigint", true) => return Some(value.cast_unsigned().to_string()),
        _ => return None,
    };
    (low..=high).contains(&value).then(|| value.to_string())
}

fn float(value: f64) -> Option<String> {
    value.is_finite().then(|| format!("{value:?}"))
}

/// A number in plain notation, when `decimal(p,s)` keeps all its digits.
fn exact(native_type: &str, plain: &str) -> Option<String> {
    let precision = type_length(native_type)?;
    let scale = native_type.split_once(',')?.1;
    let scale: u32 = scale.trim_end_matches(')').parse().ok()?;
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let whole_digits = whole.trim_start_matches('-').trim_start_matches('0');
    let is_number = plain
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    let fits =
        |digits: &str, most: u32| u32::try_from(digits.len()).is_ok_and(|count| count <= most);
    let is_kept = is_number
        && fits(whole_digits, precision.saturating_sub(scale))
        && fits(fraction.trim_end_matches('0'), scale);
    is_kept.then(|| plain.to_owned())
}

fn text_literal(native_type: &str, word: &str, text: &str) -> Option<String> {
    let takes = match word {
        "varchar" => {
            let chars = u32::try_from(text.chars().count()).ok()?;
            type_length(native_type).is_some_and(|most| chars <= most)
        }
        "enum" => labels(native_type).iter().any(|label| label == text),
        "set" => {
            let labels = labels(native_type);
            let is_label = |part: &str| labels.iter().any(|label| label == part);
            text.is_empty() || text.split(',').all(is_label)
        }
        word => word.ends_with("text"),
    };
    takes.then(|| literal(text))
}

fn bytes_literal(native_type: &str, word: &str, bytes: &[u8]) -> Option<String> {
    let most = match word {
        "varbinary" => type_length(native_type)?,
        "blob" => u32::from(u16::MAX),
        "mediumblob" | "longblob" => u32::MAX,
        _ => return None,
    };
    let fits = u32::try_from(bytes.len()).is_ok_and(|count| count <= most);
    fits.then(|| format!("x'{}'", hex(bytes)))
}

/// Digits after the second.
fn digits(native_type: &str) -> u32 {
    type_length(native_type).unwrap_or(0)
}

fn said_time(value: Result<Value, &'static str>) -> Option<String> {
    // Nothing in it has to be escaped.
    value.ok().map(|value| value.as_sql(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Timestamp;

    fn text(text: &str) -> DefaultValue {
        DefaultValue::Text(text.to_owned())
    }

    fn decimal(plain: &str) -> DefaultValue {
        DefaultValue::Decimal(plain.to_owned())
    }

    fn bytes(bytes: &[u8]) -> DefaultValue {
        DefaultValue::Bytes(bytes.to_vec())
    }

    #[test]
    fn defaults_as_the_server_reads_them() {
        let check = |native_type: &str, default: DefaultValue, expected: &str| {
            let found = said(native_type, &default);
            assert_eq!(found.as_deref(), Some(expected), "{native_type}");
        };
        let at = |seconds, nanos| DefaultValue::Timestamp(Timestamp { seconds, nanos });
        check("tinyint(1)", DefaultValue::Bool(true), "1");
        check("smallint", DefaultValue::Int(-5), "-5");
        check(
            "bigint",
            DefaultValue::Int(i64::MIN),
            "-9223372036854775808",
        );
        check(
            "bigint unsigned",
            DefaultValue::Int(-1),
            "18446744073709551615",
        );
        check(
            "bigint unsigned",
            decimal("18446744073709551615"),
            "18446744073709551615",
        );
        check("year", DefaultValue::Int(2026), "2026");
        check("decimal(21,2)", DefaultValue::Int(7), "7");
        check(
            "float",
            DefaultValue::Float(f64::from(0.1_f32)),
            "0.10000000149011612",
        );
        check(
            "float",
            DefaultValue::Float(f64::from(f32::MAX)),
            "3.4028234663852886e38",
        );
        check("double", DefaultValue::Float(-0.1), "-0.1");
        check("decimal(65,30)", decimal("-123.4500"), "-123.4500");
        check("decimal(2,2)", decimal("0.99"), "0.99");
        check("longtext", text(r"it's \ 😀"), r"'it''s \\ 😀'");
        check("varchar(3)", text("a\0ü"), r"'a\0ü'");
        check("enum('a','it''s')", text("it's"), "'it''s'");
        check("set('a','b')", text("b,a"), "'b,a'");
        check("set('a','b')", text(""), "''");
        check("varbinary(3)", bytes(&[0, 255, 39]), "x'00ff27'");
        check("longblob", bytes(&[]), "x''");
        check("date", DefaultValue::Date(-719_162), "'0001-01-01'");
        check(
            "time(6)",
            DefaultValue::Time(36_930_123_456_789),
            "'010:15:30.123456'",
        );
        check(
            "time(3)",
            DefaultValue::Time(36_930_123_456_789),
            "'010:15:30.123000'",
        );
        check(
            "datetime(6)",
            at(-1, 999_999_999),
            "'1969-12-31 23:59:59.999999'",
        );
        check(
            "datetime(3)",
            at(0, 123_456_789),
            "'1970-01-01 00:00:00.123000'",
        );
        let id = "'00000000-0000-0000-0000-000000000000'";
        check(
            "char(36) CHARACTER SET ascii",
            DefaultValue::Uuid([0; 16]),
            id,
        );
        let array = DefaultValue::Array {
            notation: "{a}".to_owned(),
            json: r#"["a"]"#.to_owned(),
        };
        check("json", array, r#"'["a"]'"#);
    }

    #[test]
    fn what_the_column_may_not_take_is_left_out() {
        let check = |native_type: &str, default: DefaultValue| {
            assert_eq!(said(native_type, &default), None, "{native_type}");
        };
        check("tinyint unsigned", DefaultValue::Int(-1));
        check("mediumint", DefaultValue::Int(8_388_608));
        check("year", DefaultValue::Int(1900));
        check("float", DefaultValue::Float(1e39));
        check("double", DefaultValue::Float(f64::INFINITY));
        check("double", DefaultValue::Float(f64::NAN));
        check("decimal(5,2)", decimal("NaN"));
        check("decimal(5,2)", decimal("1000"));
        check("decimal(5,2)", decimal("1.005"));
        check("bigint unsigned", decimal("-1"));
        check("varchar(2)", text("abc"));
        check("enum('a')", text("b"));
        check("set('a')", text("a,b"));
        check("varbinary(2)", bytes(&[0, 1, 2]));
        check("bit(9)", bytes(&[1]));
        check("point", DefaultValue::Json("{}".to_owned()));
        check("date", DefaultValue::Date(2_932_897));
        check("date", DefaultValue::Date(i32::MAX));
        check("time(6)", DefaultValue::Time(i64::MAX));
    }

    #[test]
    fn what_has_no_bound_is_an_expression_on_mysql() {
        let check = |native_type: &str, default: DefaultValue, mysql: &str, mariadb: &str| {
            let said = |flavor| clause(native_type, &default, flavor);
            assert_eq!(said(Flavor::MySql).as_deref(), Some(mysql));
            assert_eq!(said(Flavor::MariaDb).as_deref(), Some(mariadb));
        };
        check("longtext", text("a"), " DEFAULT ('a')", " DEFAULT 'a'");
        check("varchar(9)", text("a"), " DEFAULT 'a'", " DEFAULT 'a'");
        check("blob", bytes(&[1]), " DEFAULT (x'01')", " DEFAULT x'01'");
        let json = DefaultValue::Json("1".to_owned());
        check("json", json, " DEFAULT ('1')", " DEFAULT '1'");
    }
}
