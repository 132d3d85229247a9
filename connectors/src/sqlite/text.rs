//! Dates, times and identifiers as the text that SQLite's own functions read and write.
//!
//! `YYYY-MM-DD`, `HH:MM:SS.ffffff` and both with a space between, as `datetime()` and
//! `CURRENT_TIMESTAMP` write them, so that texts compare as times do; a point in time is UTC and
//! ends in `Z`. The fraction always has six digits, or nine where nanoseconds need them.

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use uuid::Uuid;

use crate::row::Timestamp;

/// Days from 0001-01-01, counted from one, to 1970-01-01.
const EPOCH_DAYS_FROM_CE: i32 = 719_163;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// 24:00, which ends a day.
const NANOS_PER_DAY: i64 = 86_400 * NANOS_PER_SECOND;
/// What SQLite's date functions understand.
const YEARS: std::ops::RangeInclusive<i32> = 0..=9999;

/// `None` outside of the years that SQLite knows.
pub(super) fn date_text(days: i32) -> Option<String> {
    let from_ce = days.checked_add(EPOCH_DAYS_FROM_CE)?;
    let date = NaiveDate::from_num_days_from_ce_opt(from_ce)?;
    YEARS.contains(&date.year()).then(|| {
        let mut text = String::with_capacity(10);
        push_date(&mut text, date);
        text
    })
}

/// `None` outside of a day.
pub(super) fn time_text(nanos_of_day: i64) -> Option<String> {
    if !(0..=NANOS_PER_DAY).contains(&nanos_of_day) {
        return None;
    }
    let seconds = u32::try_from(nanos_of_day / NANOS_PER_SECOND).ok()?;
    let nanos = u32::try_from(nanos_of_day % NANOS_PER_SECOND).ok()?;
    let mut text = String::with_capacity(18);
    push_time(&mut text, seconds, nanos);
    Some(text)
}

/// `None` outside of the years that SQLite knows, and for the infinities.
pub(super) fn timestamp_text(value: Timestamp, is_point_in_time: bool) -> Option<String> {
    let time = DateTime::from_timestamp(value.seconds, value.nanos)?.naive_utc();
    if !YEARS.contains(&time.year()) {
        return None;
    }
    let mut text = String::with_capacity(30);
    push_date(&mut text, time.date());
    text.push(' ');
    push_time(&mut text, time.num_seconds_from_midnight(), value.nanos);
    if is_point_in_time {
        text.push('Z');
    }
    Some(text)
}

/// Lowercase, with dashes.
pub(super) fn uuid_text(bytes: [u8; 16]) -> String {
    Uuid::from_bytes(bytes).to_string()
}

fn push_date(text: &mut String, date: NaiveDate) {
    push_digits(text, date.year().unsigned_abs(), 4);
    text.push('-');
    push_digits(text, date.month(), 2);
    text.push('-');
    push_digits(text, date.day(), 2);
}

fn push_time(text: &mut String, seconds_of_day: u32, nanos: u32) {
    push_digits(text, seconds_of_day / 3600, 2);
    text.push(':');
    push_digits(text, seconds_of_day / 60 % 60, 2);
    text.push(':');
    push_digits(text, seconds_of_day % 60, 2);
    text.push('.');
    if nanos.is_multiple_of(1000) {
        push_digits(text, nanos / 1000, 6);
    } else {
        push_digits(text, nanos, 9);
    }
}

/// Decimal with leading zeros. Formatting by hand: this runs once per cell.
fn push_digits(text: &mut String, value: u32, width: u32) {
    for place in (0..width).rev() {
        let digit = value / 10_u32.pow(place) % 10;
        text.push(char::from_digit(digit, 10).unwrap_or('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let check = |days, expected| assert_eq!(date_text(days).as_deref(), expected, "{days}");
        check(0, Some("1970-01-01"));
        check(-1, Some("1969-12-31"));
        check(20_778, Some("2026-11-21"));
        check(11_016, Some("2000-02-29"));
        check(2_932_896, Some("9999-12-31"));
        check(2_932_897, None);
        check(-719_528, Some("0000-01-01"));
        check(-719_529, None);
        check(i32::MAX, None);
        check(i32::MIN, None);
    }

    #[test]
    fn times() {
        let check = |nanos, expected| assert_eq!(time_text(nanos).as_deref(), expected, "{nanos}");
        check(0, Some("00:00:00.000000"));
        check(1_000, Some("00:00:00.000001"));
        check(1, Some("00:00:00.000000001"));
        check(45_296_789_000_000, Some("12:34:56.789000"));
        check(NANOS_PER_DAY - 1, Some("23:59:59.999999999"));
        check(NANOS_PER_DAY, Some("24:00:00.000000"));
        check(NANOS_PER_DAY + 1, None);
        check(-1, None);
    }

    #[test]
    fn timestamps() {
        let check = |seconds, nanos, is_point_in_time, expected| {
            let found = timestamp_text(Timestamp { seconds, nanos }, is_point_in_time);
            assert_eq!(found.as_deref(), expected, "{seconds}.{nanos}");
        };
        check(0, 0, false, Some("1970-01-01 00:00:00.000000"));
        check(0, 0, true, Some("1970-01-01 00:00:00.000000Z"));
        check(-1, 500_000_000, true, Some("1969-12-31 23:59:59.500000Z"));
        check(
            1_795_258_800,
            1,
            false,
            Some("2026-11-21 11:00:00.000000001"),
        );
        check(
            253_402_300_799,
            999_999_999,
            true,
            Some("9999-12-31 23:59:59.999999999Z"),
        );
        check(253_402_300_800, 0, true, None);
        check(
            -62_167_219_200,
            0,
            false,
            Some("0000-01-01 00:00:00.000000"),
        );
        check(-62_167_219_201, 0, false, None);
        check(i64::MAX, 0, true, None);
        check(i64::MIN, 0, true, None);
    }

    #[test]
    fn identifiers() {
        let bytes = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes();
        assert_eq!(uuid_text(bytes), "01234567-89ab-cdef-0123-456789abcdef");
    }
}
