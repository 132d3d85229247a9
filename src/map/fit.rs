//! One value into one column: every conversion that can fail fails here, with its reason, and not
//! in the database. Nothing is rounded, cut or guessed.
//!
//! | column    | accepts                                                               |
//! |-----------|-----------------------------------------------------------------------|
//! | boolean   | boolean                                                               |
//! | integers  | a number without fraction, in range                                   |
//! | floats    | a number in range; `NaN`, `Infinity`, `-Infinity` as text             |
//! | decimal   | a number, or a text that is one, within precision and scale           |
//! | text      | text, number (as written), boolean, object or array (as JSON)         |
//! | bytes     | bytes; text as base64                                                 |
//! | date      | date; text `2026-11-21`                                               |
//! | time      | time; text `10:15:30.123456`                                          |
//! | timestamp | timestamp; text in ISO 8601; an integer as milliseconds since 1970    |
//! | uuid      | uuid; text in the usual notations; 16 bytes                           |
//! | json      | anything but bytes                                                    |

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};
use rowdock_connectors::{Cell, ColumnType, Timestamp};

use crate::decimal;
use crate::record::{Value, iso, timestamp_from_millis};

/// Why a value does not fit; completed to a sentence by the caller, who knows field and column.
pub type Misfit = Cow<'static, str>;

/// A value made to fit a column: borrowed where it can be.
#[derive(Debug, PartialEq)]
pub enum Fitted<'a> {
    /// Needs no memory of its own.
    Cell(Cell<'a>),
    /// Text made on the way.
    Text(String),
    /// Plain decimal notation made on the way.
    Decimal(String),
    /// JSON made on the way.
    Json(String),
    /// Bytes made on the way.
    Bytes(Vec<u8>),
}

impl Fitted<'_> {
    /// The cell to push.
    pub fn cell(&self) -> Cell<'_> {
        match self {
            Self::Cell(cell) => *cell,
            Self::Text(text) => Cell::Text(text),
            Self::Decimal(text) => Cell::Decimal(text),
            Self::Json(text) => Cell::Json(text),
            Self::Bytes(bytes) => Cell::Bytes(bytes),
        }
    }
}

/// Fits a value to a column type. `text_allows_nul`: the database's text can hold U+0000.
///
/// # Errors
/// The rule that the value breaks, without the value.
pub fn fit<'v>(
    value: &'v Value<'_>,
    column: &ColumnType,
    text_allows_nul: bool,
) -> Result<Fitted<'v>, Misfit> {
    if *value == Value::Null {
        return Ok(Fitted::Cell(Cell::Null));
    }
    match column {
        ColumnType::Bool => match value {
            Value::Bool(value) => Ok(Fitted::Cell(Cell::Bool(*value))),
            _ => Err("only true and false fit".into()),
        },
        ColumnType::Int16 => integer(value, i64::from(i16::MIN), i64::from(i16::MAX)),
        ColumnType::Int32 => integer(value, i64::from(i32::MIN), i64::from(i32::MAX)),
        ColumnType::Int64 => integer(value, i64::MIN, i64::MAX),
        ColumnType::Float32 => float(value, f64::from(f32::MAX)),
        ColumnType::Float64 => float(value, f64::MAX),
        ColumnType::Decimal { precision, scale } => exact(value, *precision, *scale),
        ColumnType::Text { max_chars } => text(value, *max_chars, text_allows_nul),
        ColumnType::Bytes => bytes(value),
        ColumnType::Date => date(value),
        ColumnType::Time => time(value),
        ColumnType::Timestamp | ColumnType::TimestampTz => timestamp(value),
        ColumnType::Uuid => identifier(value),
        ColumnType::Json => document(value),
        ColumnType::Unsupported => Err("columns of this type cannot be filled".into()),
    }
}

fn integer<'v>(value: &Value<'_>, low: i64, high: i64) -> Result<Fitted<'v>, Misfit> {
    let number = match value {
        Value::Number(text) => match text.parse::<i64>() {
            Ok(number) => number,
            Err(_) => integral(text)?,
        },
        Value::Int(number) => *number,
        Value::Decimal(text) => integral(text)?,
        Value::Float32(number) => integral(&number.to_string())?,
        Value::Float64(number) => integral(&number.to_string())?,
        _ => return Err("only whole numbers fit".into()),
    };
    if !(low..=high).contains(&number) {
        return Err("the number is out of the column's range".into());
    }
    Ok(Fitted::Cell(Cell::Int(number)))
}

/// `1.0` and `1e3` are whole numbers too.
fn integral(text: &str) -> Result<i64, Misfit> {
    let plain = decimal::plain(text).ok_or("only whole numbers fit")?;
    if decimal::significant_scale(&plain) > 0 {
        return Err("the number has a fraction".into());
    }
    let whole = plain.split_once('.').map_or(&*plain, |(whole, _)| whole);
    whole
        .parse::<i64>()
        .map_err(|_| "the number is out of the column's range".into())
}

fn float<'v>(value: &Value<'_>, max: f64) -> Result<Fitted<'v>, Misfit> {
    let number = match value {
        Value::Number(text) => text.parse::<f64>().ok(),
        Value::Decimal(text) => text.parse::<f64>().ok(),
        Value::Int(number) => number.to_string().parse::<f64>().ok(),
        Value::Float32(number) if !number.is_finite() => {
            return Ok(Fitted::Cell(Cell::Float(f64::from(*number))));
        }
        Value::Float64(number) if !number.is_finite() => {
            return Ok(Fitted::Cell(Cell::Float(*number)));
        }
        Value::Float32(number) => Some(f64::from(*number)),
        Value::Float64(number) => Some(*number),
        Value::Text(text) => match &**text {
            "NaN" => return Ok(Fitted::Cell(Cell::Float(f64::NAN))),
            "Infinity" => return Ok(Fitted::Cell(Cell::Float(f64::INFINITY))),
            "-Infinity" => return Ok(Fitted::Cell(Cell::Float(f64::NEG_INFINITY))),
            _ => None,
        },
        _ => None,
    };
    match number {
        Some(number) if number.abs() <= max => Ok(Fitted::Cell(Cell::Float(number))),
        Some(_) => Err("the number is out of the column's range".into()),
        None => Err("only numbers fit".into()),
    }
}

fn exact<'v>(
    value: &'v Value<'_>,
    precision: Option<u32>,
    scale: Option<u32>,
) -> Result<Fitted<'v>, Misfit> {
    let plain = match value {
        Value::Number(text) => decimal::plain(text),
        Value::Decimal(text) => decimal::plain(text),
        Value::Text(text) => decimal::plain(text),
        Value::Int(number) => Some(Cow::Owned(number.to_string())),
        // The shortest decimal that reads back as the same float.
        Value::Float32(number) if number.is_finite() => Some(Cow::Owned(number.to_string())),
        Value::Float64(number) if number.is_finite() => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
    .ok_or("only decimal numbers fit")?;
    if let Some(precision) = precision {
        let scale = scale.unwrap_or(0);
        if decimal::significant_scale(&plain) > scale as usize {
            return Err(format!("the number has more than {scale} digits after the point").into());
        }
        let whole_max = precision.saturating_sub(scale);
        if decimal::whole_digits(&plain) > whole_max as usize {
            return Err(
                format!("the number has more than {whole_max} digits before the point").into(),
            );
        }
    }
    Ok(match plain {
        Cow::Borrowed(plain) => Fitted::Cell(Cell::Decimal(plain)),
        Cow::Owned(plain) => Fitted::Decimal(plain),
    })
}

fn text<'v>(
    value: &'v Value<'_>,
    max_chars: Option<u32>,
    allows_nul: bool,
) -> Result<Fitted<'v>, Misfit> {
    let fitted = match value {
        Value::Text(text) => Fitted::Cell(Cell::Text(text)),
        Value::Number(text) => Fitted::Cell(Cell::Text(text)),
        Value::Json(text) | Value::Decimal(text) => Fitted::Cell(Cell::Text(text)),
        Value::Int(number) => Fitted::Text(number.to_string()),
        Value::Float32(number) => Fitted::Text(number.to_string()),
        Value::Float64(number) => Fitted::Text(number.to_string()),
        Value::Uuid(bytes) => Fitted::Text(uuid::Uuid::from_bytes(*bytes).to_string()),
        Value::Bool(true) => Fitted::Cell(Cell::Text("true")),
        Value::Bool(false) => Fitted::Cell(Cell::Text("false")),
        Value::Date(_) | Value::Time(_) | Value::Timestamp(_) => Fitted::Text(iso_text(value)?),
        Value::Null | Value::Bytes(_) => return Err("only text fits".into()),
    };
    if let Cell::Text(text) = fitted.cell() {
        check_text(text, max_chars, allows_nul)?;
    }
    Ok(fitted)
}

fn check_text(text: &str, max_chars: Option<u32>, allows_nul: bool) -> Result<(), Misfit> {
    if !allows_nul && text.as_bytes().contains(&0) {
        return Err(
            "the text contains the character U+0000, which the database cannot store".into(),
        );
    }
    match max_chars {
        // A text has at most as many characters as bytes: the count is needed only beyond that.
        Some(max) if text.len() > max as usize && text.chars().count() > max as usize => {
            Err(format!("the text is longer than {max} characters").into())
        }
        _ => Ok(()),
    }
}

fn bytes<'v>(value: &'v Value<'_>) -> Result<Fitted<'v>, Misfit> {
    match value {
        Value::Bytes(bytes) => Ok(Fitted::Cell(Cell::Bytes(bytes))),
        Value::Text(text) => BASE64
            .decode(&**text)
            .map(Fitted::Bytes)
            .map_err(|_| "the text is not base64".into()),
        _ => Err("only bytes, as base64 text, fit".into()),
    }
}

fn date<'v>(value: &Value<'_>) -> Result<Fitted<'v>, Misfit> {
    const RULE: &str = "only dates such as 2026-11-21 fit";
    match value {
        Value::Date(days) => Ok(Fitted::Cell(Cell::Date(*days))),
        Value::Text(text) => {
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| RULE)?;
            Ok(Fitted::Cell(Cell::Date(date.to_epoch_days())))
        }
        _ => Err(RULE.into()),
    }
}

fn time<'v>(value: &Value<'_>) -> Result<Fitted<'v>, Misfit> {
    const RULE: &str = "only times of day such as 10:15:30.5 fit";
    match value {
        Value::Time(nanos) => Ok(Fitted::Cell(Cell::Time(*nanos))),
        Value::Text(text) => {
            let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f")
                .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M"))
                .map_err(|_| RULE)?;
            let nanos = i64::from(time.num_seconds_from_midnight()) * 1_000_000_000
                + i64::from(time.nanosecond());
            Ok(Fitted::Cell(Cell::Time(nanos)))
        }
        _ => Err(RULE.into()),
    }
}

fn timestamp<'v>(value: &Value<'_>) -> Result<Fitted<'v>, Misfit> {
    const RULE: &str =
        "only timestamps such as 2026-11-21T10:15:30Z, or whole milliseconds since 1970, fit";
    let timestamp = match value {
        Value::Timestamp(timestamp) => *timestamp,
        Value::Int(millis) => timestamp_from_millis(*millis),
        Value::Number(text) => timestamp_from_millis(text.parse::<i64>().map_err(|_| RULE)?),
        Value::Text(text) => parse_timestamp(text).ok_or(RULE)?,
        _ => return Err(RULE.into()),
    };
    Ok(Fitted::Cell(Cell::Timestamp(timestamp)))
}

/// ISO 8601 with `T` or a blank; without a zone it is UTC.
fn parse_timestamp(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(Timestamp {
            seconds: moment.timestamp(),
            nanos: moment.timestamp_subsec_nanos().min(999_999_999),
        });
    }
    const LOCAL_FORMATS: [&str; 4] = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
    ];
    let local = LOCAL_FORMATS
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let moment = match local {
        Some(local) => local.and_utc(),
        None => DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z")
            .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
            .ok()?
            .to_utc(),
    };
    Some(Timestamp {
        seconds: moment.timestamp(),
        nanos: moment.timestamp_subsec_nanos().min(999_999_999),
    })
}

fn identifier<'v>(value: &Value<'_>) -> Result<Fitted<'v>, Misfit> {
    let parsed = match value {
        Value::Uuid(bytes) => return Ok(Fitted::Cell(Cell::Uuid(*bytes))),
        Value::Text(text) => uuid::Uuid::try_parse(text).ok(),
        Value::Bytes(bytes) => uuid::Uuid::from_slice(bytes).ok(),
        _ => None,
    };
    parsed
        .map(|uuid| Fitted::Cell(Cell::Uuid(uuid.into_bytes())))
        .ok_or_else(|| "only UUIDs fit".into())
}

fn document<'v>(value: &'v Value<'_>) -> Result<Fitted<'v>, Misfit> {
    Ok(match value {
        Value::Number(text) => Fitted::Cell(Cell::Json(text)),
        Value::Json(text) | Value::Decimal(text) => Fitted::Cell(Cell::Json(text)),
        Value::Int(number) => Fitted::Json(number.to_string()),
        Value::Float32(number) if number.is_finite() => Fitted::Json(number.to_string()),
        Value::Float64(number) if number.is_finite() => Fitted::Json(number.to_string()),
        Value::Float32(_) | Value::Float64(_) => return Err("the number is no JSON".into()),
        Value::Uuid(bytes) => {
            Fitted::Json(json_string(&uuid::Uuid::from_bytes(*bytes).to_string())?)
        }
        Value::Bool(true) => Fitted::Cell(Cell::Json("true")),
        Value::Bool(false) => Fitted::Cell(Cell::Json("false")),
        Value::Text(text) => Fitted::Json(json_string(text)?),
        Value::Date(_) | Value::Time(_) | Value::Timestamp(_) => {
            Fitted::Json(json_string(&iso_text(value)?)?)
        }
        Value::Null | Value::Bytes(_) => return Err("bytes are no JSON".into()),
    })
}

fn json_string(text: &str) -> Result<String, Misfit> {
    serde_json::to_string(text).map_err(|_| "the text is no JSON".into())
}

fn iso_text(value: &Value<'_>) -> Result<String, Misfit> {
    match value {
        Value::Date(days) => iso::date(*days),
        Value::Time(nanos) => iso::time(*nanos),
        Value::Timestamp(at) => iso::timestamp(*at),
        _ => Err("only text fits"),
    }
    .map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: ColumnType = ColumnType::Text { max_chars: None };

    fn number(text: &str) -> Value<'_> {
        Value::Number(text)
    }

    fn words(text: &str) -> Value<'_> {
        Value::Text(Cow::Borrowed(text))
    }

    fn check(value: &Value<'_>, column: &ColumnType, expected: Option<Cell<'_>>) {
        let fitted = fit(value, column, false);
        let cell = fitted.as_ref().ok().map(Fitted::cell);
        assert_eq!(cell, expected, "{value:?} into {column}");
    }

    #[test]
    fn numbers() {
        check(&number("32767"), &ColumnType::Int16, Some(Cell::Int(32767)));
        check(&number("32768"), &ColumnType::Int16, None);
        check(
            &number("-2147483648"),
            &ColumnType::Int32,
            Some(Cell::Int(-2_147_483_648)),
        );
        check(
            &number("9223372036854775807"),
            &ColumnType::Int64,
            Some(Cell::Int(i64::MAX)),
        );
        check(&number("9223372036854775808"), &ColumnType::Int64, None);
        check(
            &number("9007199254740993.0"),
            &ColumnType::Int64,
            Some(Cell::Int(9_007_199_254_740_993)),
        );
        check(&number("1e3"), &ColumnType::Int64, Some(Cell::Int(1000)));
        check(&number("1.5"), &ColumnType::Int64, None);
        check(&words("1"), &ColumnType::Int64, None);
        check(&Value::Bool(true), &ColumnType::Int64, None);
        check(&number("1.5"), &ColumnType::Float64, Some(Cell::Float(1.5)));
        check(&number("1e400"), &ColumnType::Float64, None);
        check(&number("1e39"), &ColumnType::Float32, None);
        check(
            &words("-Infinity"),
            &ColumnType::Float64,
            Some(Cell::Float(f64::NEG_INFINITY)),
        );
        check(&words("1.5"), &ColumnType::Float64, None);
    }

    #[test]
    fn decimals_keep_their_scale_and_are_never_rounded() {
        let money = ColumnType::Decimal {
            precision: Some(6),
            scale: Some(2),
        };
        check(&number("1234.50"), &money, Some(Cell::Decimal("1234.50")));
        check(&number("1234.500"), &money, Some(Cell::Decimal("1234.500")));
        check(&number("1234.505"), &money, None);
        check(&number("12345"), &money, None);
        check(&words("0.10"), &money, Some(Cell::Decimal("0.10")));
        check(&words("ten"), &money, None);
        let unbounded = ColumnType::Decimal {
            precision: None,
            scale: None,
        };
        let long = "123456789012345678901234567890.123456789";
        check(&number(long), &unbounded, Some(Cell::Decimal(long)));
        check(&number("1e2"), &unbounded, Some(Cell::Decimal("100")));
    }

    #[test]
    fn texts() {
        check(
            &words("é"),
            &ColumnType::Text { max_chars: Some(1) },
            Some(Cell::Text("é")),
        );
        check(&words("ab"), &ColumnType::Text { max_chars: Some(1) }, None);
        check(&number("1.50"), &TEXT, Some(Cell::Text("1.50")));
        check(&Value::Bool(false), &TEXT, Some(Cell::Text("false")));
        check(&Value::Json("[1]".into()), &TEXT, Some(Cell::Text("[1]")));
        check(&words("a\0b"), &TEXT, None);
        assert!(fit(&words("a\0b"), &TEXT, true).is_ok());
        check(&Value::Date(0), &TEXT, Some(Cell::Text("1970-01-01")));
        check(&Value::Null, &TEXT, Some(Cell::Null));
    }

    #[test]
    fn times() {
        let at = |seconds, nanos| Some(Cell::Timestamp(Timestamp { seconds, nanos }));
        for column in [ColumnType::Timestamp, ColumnType::TimestampTz] {
            check(&words("1970-01-01T00:00:01Z"), &column, at(1, 0));
            check(
                &words("1970-01-01T01:00:01.5+01:00"),
                &column,
                at(1, 500_000_000),
            );
            check(&words("1970-01-01 00:00:01.000000001"), &column, at(1, 1));
            check(&words("1970-01-01T00:01"), &column, at(60, 0));
            check(&words("1970-01-01T01:00:00+0100"), &column, at(0, 0));
            check(
                &words("0001-01-01T00:00:00Z"),
                &column,
                at(-62_135_596_800, 0),
            );
            check(
                &words("9999-12-31T23:59:59Z"),
                &column,
                at(253_402_300_799, 0),
            );
            check(&number("-1"), &column, at(-1, 999_000_000));
            check(&number("1.5"), &column, None);
            check(&words("yesterday"), &column, None);
        }
        check(&words("1970-01-02"), &ColumnType::Date, Some(Cell::Date(1)));
        check(&words("1970-02-30"), &ColumnType::Date, None);
        check(&number("1"), &ColumnType::Date, None);
        check(
            &words("00:00:00.000001"),
            &ColumnType::Time,
            Some(Cell::Time(1000)),
        );
        check(
            &words("10:15"),
            &ColumnType::Time,
            Some(Cell::Time(36_900_000_000_000)),
        );
        check(&words("25:00"), &ColumnType::Time, None);
    }

    #[test]
    fn others() {
        let id = uuid::Uuid::from_u128(7);
        check(
            &words(&id.to_string()),
            &ColumnType::Uuid,
            Some(Cell::Uuid(id.into_bytes())),
        );
        check(&words("7"), &ColumnType::Uuid, None);
        check(
            &words("AAE="),
            &ColumnType::Bytes,
            Some(Cell::Bytes(&[0, 1])),
        );
        check(&words("?"), &ColumnType::Bytes, None);
        check(
            &words("a\"b"),
            &ColumnType::Json,
            Some(Cell::Json(r#""a\"b""#)),
        );
        check(
            &Value::Json("{}".into()),
            &ColumnType::Json,
            Some(Cell::Json("{}")),
        );
        check(
            &Value::Bool(true),
            &ColumnType::Bool,
            Some(Cell::Bool(true)),
        );
        check(&number("1"), &ColumnType::Bool, None);
        check(&number("1"), &ColumnType::Unsupported, None);
        check(&Value::Null, &ColumnType::Unsupported, Some(Cell::Null));
    }

    proptest! {
        #[test]
        fn integers_survive_exactly(value: i64) {
            let text = value.to_string();
            let number = Value::Number(&text);
            let exact = fit(&number, &ColumnType::Int64, false);
            prop_assert_eq!(exact, Ok(Fitted::Cell(Cell::Int(value))));
        }

        #[test]
        fn milliseconds_survive_exactly(millis: i64) {
            let at = timestamp_from_millis(millis);
            let back = i128::from(at.seconds) * 1000 + i128::from(at.nanos / 1_000_000);
            prop_assert_eq!(back, i128::from(millis));
        }

        #[test]
        fn never_panics(text in ".{0,30}", digits in "[-+0-9.e]{0,10}") {
            for column in [ColumnType::Int16, ColumnType::Float32, ColumnType::Date, ColumnType::Time,
                ColumnType::TimestampTz, ColumnType::Uuid, ColumnType::Json, ColumnType::Bytes, TEXT] {
                let fits = |value: &Value<'_>| fit(value, &column, false).is_ok();
                let (_words_fit, _number_fits) = (fits(&words(&text)), fits(&number(&digits)));
            }
        }
    }
}
