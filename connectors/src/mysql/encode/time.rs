//! Dates and times, from the Unix epoch to fields.

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use mysql_async::Value;

use crate::row::{Timestamp, ZERO_DATE};
use crate::table::TIME_SPAN_NANOS_MAX;

/// Digits after the second that the server keeps at most.
pub(super) const FRACTION_DIGITS_MAX: u32 = 6;

/// `0000-00-00`, with a time or without.
const NO_DATE: Value = Value::Date(0, 0, 0, 0, 0, 0, 0);

const SECOND_NANOS: i64 = 1_000_000_000;
const OUT_OF_RANGE: &str = "date or time out of range: the database has the years 0001 to 9999";

/// A day.
pub(in crate::mysql) fn date(days: i32) -> Result<Value, &'static str> {
    if days == ZERO_DATE {
        return Ok(NO_DATE);
    }
    let date = NaiveDate::from_epoch_days(days).ok_or(OUT_OF_RANGE)?;
    let (year, month, day) = fields(date)?;
    Ok(Value::Date(year, month, day, 0, 0, 0, 0))
}

/// A time of day, or a span of time either way. What is finer than `digits` is cut off.
pub(in crate::mysql) fn time_span(nanos: i64, digits: u32) -> Result<Value, &'static str> {
    const RULE: &str = "a time lies between -838:59:59 and 838:59:59";
    if !(-TIME_SPAN_NANOS_MAX..=TIME_SPAN_NANOS_MAX).contains(&nanos) {
        return Err(RULE);
    }
    let is_negative = nanos < 0;
    let nanos = nanos.abs();
    let part = |value: i64| u8::try_from(value).map_err(|_| RULE);
    let seconds = nanos / SECOND_NANOS;
    let micros = micros(
        u32::try_from(nanos % SECOND_NANOS).map_err(|_| RULE)?,
        digits,
    );
    Ok(Value::Time(
        is_negative,
        u32::try_from(seconds / 86_400).map_err(|_| RULE)?,
        part(seconds / 3_600 % 24)?,
        part(seconds / 60 % 60)?,
        part(seconds % 60)?,
        micros,
    ))
}

/// A date and time. What is finer than `digits` is cut off, towards the past.
pub(in crate::mysql) fn timestamp(at: Timestamp, digits: u32) -> Result<Value, &'static str> {
    if at == Timestamp::ZERO_DATE {
        return Ok(NO_DATE);
    }
    let moment = DateTime::from_timestamp(at.seconds, at.nanos).ok_or(OUT_OF_RANGE)?;
    let (year, month, day) = fields(moment.date_naive())?;
    let part = |value: u32| u8::try_from(value).map_err(|_| OUT_OF_RANGE);
    Ok(Value::Date(
        year,
        month,
        day,
        part(moment.hour())?,
        part(moment.minute())?,
        part(moment.second())?,
        micros(at.nanos, digits),
    ))
}

fn fields(date: NaiveDate) -> Result<(u16, u8, u8), &'static str> {
    let year = u16::try_from(date.year()).map_err(|_| OUT_OF_RANGE)?;
    let month = u8::try_from(date.month()).map_err(|_| OUT_OF_RANGE)?;
    let day = u8::try_from(date.day()).map_err(|_| OUT_OF_RANGE)?;
    if (1..=9999).contains(&year) {
        Ok((year, month, day))
    } else {
        Err(OUT_OF_RANGE)
    }
}

fn micros(nanos: u32, digits: u32) -> u32 {
    let step = 10_u32.pow(FRACTION_DIGITS_MAX - digits.min(FRACTION_DIGITS_MAX));
    nanos / 1_000 / step * step
}
