//! Header values.
//!
//! Headers do not become columns by themselves: they are decoded only for a transform that looks
//! into one.

use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};
use rowdock_connectors::Timestamp;

use super::{Decode as _, Encoded, Format, json, tree};
use crate::config::converter::{HeaderConverter, JsonOptions};
use crate::decimal;
use crate::record::{Datum, Header, Kind, RawHeader, RecordError, Schema, Stage};

/// Decodes a header.
///
/// # Errors
/// When its value is not what the converter reads. `SimpleHeaderConverter` reads everything.
pub fn read(converter: HeaderConverter, header: RawHeader) -> Result<Header, RecordError> {
    let (name, bytes) = header;
    let Some(bytes) = bytes else {
        return Ok(Header {
            name,
            schema: None,
            datum: Datum::Null,
        });
    };
    let (schema, datum) = match converter {
        HeaderConverter::Simple => simple(&bytes),
        HeaderConverter::Primitive(mut kind) => {
            let side = kind.whole(alone(&bytes));
            let side = side.map_err(|reason| failed(&name, &reason))?;
            (side.schema, side.datum)
        }
        HeaderConverter::Json {
            schemas_enable,
            default_for_null,
        } => {
            let options = JsonOptions {
                schemas_enable,
                default_for_null,
                ..JsonOptions::default()
            };
            let side = Format::json(&options).whole(alone(&bytes));
            let side = side.map_err(|reason| failed(&name, &reason))?;
            (side.schema, side.datum)
        }
    };
    Ok(Header {
        name,
        schema,
        datum,
    })
}

/// A header has no headers.
fn alone(bytes: &[u8]) -> Encoded<'_> {
    Encoded {
        bytes,
        headers: &(),
    }
}

fn failed(name: &str, reason: &str) -> RecordError {
    RecordError::new(
        Stage::HeaderConverter,
        format!("header \"{name}\": {reason}"),
    )
}

/// As `SimpleHeaderConverter` guesses: null, booleans, dates and times, numbers in the narrowest
/// integer type, collections in JSON; everything else is text. Numbers with a fraction stay exact,
/// where Kafka Connect takes the nearest single-precision float.
fn simple(bytes: &[u8]) -> (Option<Arc<Schema>>, Datum) {
    let Ok(text) = json::utf8(bytes) else {
        return (Some(required(Kind::Bytes)), Datum::Bytes(bytes.to_vec()));
    };
    let trimmed = text.trim_matches(|character: char| character <= ' ');
    match trimmed {
        "null" => return (None, Datum::Null),
        "true" => return (Some(required(Kind::Boolean)), Datum::Boolean(true)),
        "false" => return (Some(required(Kind::Boolean)), Datum::Boolean(false)),
        _ => {}
    }
    let guess = match trimmed.as_bytes().first() {
        Some(b'[' | b'{') => tree::read(trimmed, None, true)
            .ok()
            .map(|datum| (None, datum)),
        Some(b'0'..=b'9') => temporal(trimmed).or_else(|| number(trimmed)),
        Some(b'+' | b'-') => number(trimmed),
        _ => None,
    };
    guess.unwrap_or_else(|| {
        let datum = Datum::String(text.to_owned());
        (Some(required(Kind::String)), datum)
    })
}

fn required(kind: Kind) -> Arc<Schema> {
    Arc::new(Schema::new(kind))
}

/// Only the three forms that Connect writes.
fn temporal(text: &str) -> Option<(Option<Arc<Schema>>, Datum)> {
    let (schema, datum) = match text.len() {
        10 => {
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            (Schema::date(), Datum::Date(date.to_epoch_days()))
        }
        13 => {
            let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.3fZ").ok()?;
            let nanos = i64::from(time.num_seconds_from_midnight()) * 1_000_000_000
                + i64::from(time.nanosecond());
            (Schema::time(), Datum::Time(nanos))
        }
        24 => {
            let moment = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.3fZ").ok()?;
            let at = Timestamp {
                seconds: moment.and_utc().timestamp(),
                nanos: moment.and_utc().timestamp_subsec_nanos().min(999_999_999),
            };
            (Schema::timestamp(), Datum::Timestamp(at))
        }
        _ => return None,
    };
    Some((Some(Arc::new(schema)), datum))
}

fn number(text: &str) -> Option<(Option<Arc<Schema>>, Datum)> {
    let plain = decimal::plain(text)?;
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    if fraction.bytes().any(|digit| digit != b'0') || whole.parse::<i64>().is_err() {
        let scale = u32::try_from(fraction.len()).ok()?;
        let schema = Schema::decimal(scale);
        return Some((Some(Arc::new(schema)), Datum::Decimal(plain.into_owned())));
    }
    let (kind, datum) = if let Ok(number) = whole.parse() {
        (Kind::Int8, Datum::Int8(number))
    } else if let Ok(number) = whole.parse() {
        (Kind::Int16, Datum::Int16(number))
    } else if let Ok(number) = whole.parse() {
        (Kind::Int32, Datum::Int32(number))
    } else {
        (Kind::Int64, Datum::Int64(whole.parse().ok()?))
    };
    Some((Some(required(kind)), datum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::converter::Primitive;

    fn datum(converter: HeaderConverter, bytes: &[u8]) -> Result<Datum, RecordError> {
        read(converter, ("h".into(), Some(bytes.to_vec()))).map(|header| header.datum)
    }

    #[test]
    fn simple_values_are_guessed() {
        let check = |text: &str, expected: Datum| {
            let found = datum(HeaderConverter::Simple, text.as_bytes());
            assert_eq!(found, Ok(expected), "{text}");
        };
        check("", Datum::String(String::new()));
        check("null", Datum::Null);
        check(" true ", Datum::Boolean(true));
        check("127", Datum::Int8(127));
        check("-128", Datum::Int8(-128));
        check("128", Datum::Int16(128));
        check("2e3", Datum::Int16(2000));
        check("32768", Datum::Int32(32768));
        check("9223372036854775807", Datum::Int64(i64::MAX));
        check(
            "9223372036854775808",
            Datum::Decimal("9223372036854775808".into()),
        );
        check("1.50", Datum::Decimal("1.50".into()));
        check("2026-11-29", Datum::Date(20_786));
        check("00:00:01.500Z", Datum::Time(1_500_000_000));
        check("[1]", Datum::Array(vec![Datum::Int64(1)]));
        check("[1", Datum::String("[1".into()));
        check("1a", Datum::String("1a".into()));
        check(" text ", Datum::String(" text ".into()));
        let bytes = datum(HeaderConverter::Simple, &[0xff]);
        assert_eq!(bytes, Ok(Datum::Bytes(vec![0xff])));
    }

    #[test]
    fn other_converters_refuse_what_they_cannot_read() {
        let json = HeaderConverter::Json {
            schemas_enable: false,
            default_for_null: true,
        };
        assert_eq!(datum(json, b"1"), Ok(Datum::Int64(1)));
        let error = datum(json, b"{").unwrap_err();
        assert_eq!(error.stage, Stage::HeaderConverter);
        assert!(error.reason.starts_with("header \"h\": "), "{error}");
        assert!(datum(HeaderConverter::Primitive(Primitive::Text), &[0xff]).is_err());
        let absent = read(json, ("h".into(), None)).unwrap();
        assert_eq!(absent.datum, Datum::Null);
    }
}
