//! Dates, times and points in time.
//!
//! A leap second is the first moment after it, as in the databases.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};
use rowdock_connectors::row::ZERO_DATE;
use rowdock_connectors::table::TIME_SPAN_NANOS_MAX;
use rowdock_connectors::{Cell, Timestamp};

use super::{Fitted, Misfit, Rules};
use crate::record::zone::{Zone, offset_seconds};
use crate::record::{Value, timestamp_from_millis};

const SECOND_NANOS: i64 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;
const DAY_NANOS: i64 = DAY_SECONDS * SECOND_NANOS;
const INFINITY: Timestamp = Timestamp {
    seconds: i64::MAX,
    nanos: 0,
};
const MINUS_INFINITY: Timestamp = Timestamp {
    seconds: i64::MIN,
    nanos: 0,
};

/// How MySQL writes a date that is none.
const ZERO_DATE_TEXT: &str = "0000-00-00";

/// How a date is written.
const DATE_FORMAT: &str = "%Y-%m-%d";

pub(super) fn date<'v>(value: &Value<'_>, rules: Rules) -> Result<Fitted<'v>, Misfit> {
    const RULE: &str = "only dates such as 2026-11-21, and timestamps at midnight, fit";
    let days = match value {
        Value::Date(days) => *days,
        Value::Text(text) => match &**text {
            "infinity" => i32::MAX,
            "-infinity" => i32::MIN,
            ZERO_DATE_TEXT if rules.takes_zero_dates => ZERO_DATE,
            text => match NaiveDate::parse_from_str(text, DATE_FORMAT) {
                Ok(date) => date.to_epoch_days(),
                Err(_) => midnight(value, rules)?.ok_or(RULE)?,
            },
        },
        Value::Timestamp(_) | Value::LocalTimestamp(_) => midnight(value, rules)?.ok_or(RULE)?,
        _ => return Err(RULE.into()),
    };
    Ok(Fitted::Cell(Cell::Date(days)))
}

/// The day that begins at this point in time, by the clocks of the zone; `None` where none does, since a
/// time of day would be lost.
fn midnight(value: &Value<'_>, rules: Rules) -> Result<Option<i32>, Misfit> {
    let Ok((at, is_instant)) = moment(value) else {
        return Ok(None);
    };
    let at = match rules.zone {
        Some(zone) if is_instant => converted(at, is_instant, zone)?,
        _ => at,
    };
    let is_midnight = at.nanos == 0 && at.seconds.rem_euclid(DAY_SECONDS) == 0;
    let days = i32::try_from(at.seconds.div_euclid(DAY_SECONDS)).ok();
    // Outside of the calendar there are days that mean infinity.
    let day = days.and_then(NaiveDate::from_epoch_days);
    Ok(day.filter(|_| is_midnight).map(|day| day.to_epoch_days()))
}

pub(super) fn time<'v>(value: &Value<'_>) -> Result<Fitted<'v>, Misfit> {
    const RULE: &str = "only times of day such as 10:15:30.5 fit";
    match value {
        Value::Time(nanos) if is_of_one_day(*nanos) => Ok(Fitted::Cell(Cell::Time(*nanos))),
        Value::Text(text) => {
            let (nanos, offset) = zoned_time(text).ok_or(RULE)?;
            let in_utc = match offset {
                None | Some(0) => nanos,
                Some(offset) => (nanos - offset * SECOND_NANOS).rem_euclid(DAY_NANOS),
            };
            Ok(Fitted::Cell(Cell::Time(in_utc)))
        }
        _ => Err(RULE.into()),
    }
}

fn is_of_one_day(nanos: i64) -> bool {
    (0..=DAY_NANOS).contains(&nanos)
}

/// A time of day with its distance from UTC, as PostgreSQL reads it.
pub(super) fn with_zone(value: &Value<'_>) -> Result<String, Misfit> {
    const RULE: &str = "only times of day such as 10:15:30.5+02:00 fit";
    let (nanos, offset) = match value {
        Value::Time(nanos) if is_of_one_day(*nanos) => (*nanos, None),
        Value::Text(text) => zoned_time(text).ok_or(RULE)?,
        _ => return Err(RULE.into()),
    };
    let offset = offset.unwrap_or(0);
    let sign = if offset < 0 { '-' } else { '+' };
    let (minutes, seconds) = (offset.abs() / 60, offset.abs() % 60);
    Ok(format!(
        "{}{sign}{:02}:{:02}:{seconds:02}",
        super::literal::time_text(nanos),
        minutes / 60,
        minutes % 60
    ))
}

/// Nanoseconds since midnight, and seconds from UTC where the text names them.
fn zoned_time(text: &str) -> Option<(i64, Option<i64>)> {
    if let Some(utc) = text.strip_suffix(['Z', 'z']) {
        return Some((time_of_day(utc)?, Some(0)));
    }
    match text.rfind(['+', '-']) {
        Some(sign) => {
            let (time, offset) = text.split_at(sign);
            Some((time_of_day(time)?, Some(offset_seconds(offset)?)))
        }
        None => Some((time_of_day(text)?, None)),
    }
}

fn time_of_day(text: &str) -> Option<i64> {
    if let Some(rest) = text.strip_prefix("24:00") {
        let is_zero = rest.bytes().all(|byte| matches!(byte, b'0' | b':' | b'.'));
        let is_whole = rest.is_empty() || rest == ":00" || rest.starts_with(":00.");
        return (is_zero && is_whole).then_some(DAY_NANOS);
    }
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f")
        .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M"))
        .ok()?;
    // Of a leap second the fraction is a second too long.
    let seconds = i64::from(time.num_seconds_from_midnight());
    Some(seconds * SECOND_NANOS + i64::from(time.nanosecond()))
}

/// A span of time: `-838:59:59.5`, or a time of day.
pub(super) fn span<'v>(value: &Value<'_>) -> Result<Fitted<'v>, Misfit> {
    const RULE: &str = "only times such as 10:15:30.5, up to 838:59:59, fit";
    let nanos = match value {
        Value::Time(nanos) => Some(*nanos),
        Value::Text(text) => match text.strip_prefix('-') {
            Some(text) => span_nanos(text).map(|nanos| -nanos),
            None => span_nanos(text),
        },
        _ => None,
    };
    let limits = -TIME_SPAN_NANOS_MAX..=TIME_SPAN_NANOS_MAX;
    let nanos = nanos.filter(|nanos| limits.contains(nanos));
    Ok(Fitted::Cell(Cell::Time(nanos.ok_or(RULE)?)))
}

fn span_nanos(text: &str) -> Option<i64> {
    let (hours, rest) = text.split_once(':')?;
    let is_plain = hours.bytes().all(|digit| digit.is_ascii_digit());
    if !is_plain || hours.is_empty() || hours.len() > 3 {
        return None;
    }
    let within_the_hour = time_of_day(&format!("00:{rest}"))?;
    let hours: i64 = hours.parse().ok()?;
    Some(hours * 3_600 * SECOND_NANOS + within_the_hour)
}

/// For a column of points in time, or of dates and times without a zone: those are `zone`'s, and so
/// are values without one.
#[inline]
pub(super) fn timestamp<'v>(
    value: &Value<'_>,
    holds_instants: bool,
    rules: Rules,
) -> Result<Fitted<'v>, Misfit> {
    if rules.takes_zero_dates && is_zero(value) {
        return Ok(Fitted::Cell(Cell::Timestamp(Timestamp::ZERO_DATE)));
    }
    let (at, is_instant) = moment(value)?;
    let at = match rules.zone {
        Some(zone) if is_instant != holds_instants => converted(at, is_instant, zone)?,
        _ => at,
    };
    Ok(Fitted::Cell(Cell::Timestamp(at)))
}

/// `0000-00-00T00:00:00`, in a zone or in none: it is the same everywhere.
fn is_zero(value: &Value<'_>) -> bool {
    let Value::Text(text) = value else {
        return false;
    };
    let Some(time) = text.strip_prefix(ZERO_DATE_TEXT) else {
        return false;
    };
    let Some(time) = time.strip_prefix(['T', ' ']) else {
        return false;
    };
    let zero = time.trim_end_matches('Z');
    zoned_time(zero).is_some_and(|(nanos, _)| nanos == 0)
}

/// A date and time, and whether it is a point in time: else it is what clocks show.
#[inline]
pub(in crate::map) fn moment(value: &Value<'_>) -> Result<(Timestamp, bool), Misfit> {
    const RULE: &str = "only timestamps such as 2026-11-21T10:15:30Z, dates, or whole milliseconds \
                        since 1970, fit";
    Ok(match value {
        Value::Timestamp(timestamp) => (*timestamp, true),
        Value::LocalTimestamp(timestamp) => (*timestamp, false),
        Value::Date(days) => (beginning(*days), false),
        Value::Int(millis) => (timestamp_from_millis(*millis), true),
        Value::Number(text) => {
            let millis = text.parse::<i64>().map_err(|_| RULE)?;
            (timestamp_from_millis(millis), true)
        }
        Value::Text(text) => parse_timestamp(text).ok_or(RULE)?,
        _ => return Err(RULE.into()),
    })
}

#[cold]
fn converted(at: Timestamp, is_instant: bool, zone: Zone) -> Result<Timestamp, Misfit> {
    let converted = match is_instant {
        true => zone.local_of(at),
        false => zone.instant_of(at),
    };
    converted.ok_or_else(|| "the date is out of the calendar's range".into())
}

/// Midnight, with which a day begins.
fn beginning(days: i32) -> Timestamp {
    match days {
        i32::MAX => INFINITY,
        i32::MIN => MINUS_INFINITY,
        days => Timestamp {
            seconds: i64::from(days) * DAY_SECONDS,
            nanos: 0,
        },
    }
}

/// ISO 8601 with `T` or a blank, or a date only, and whether it names its zone.
fn parse_timestamp(text: &str) -> Option<(Timestamp, bool)> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some((
            carried(moment.timestamp(), moment.timestamp_subsec_nanos()),
            true,
        ));
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
    if let Some(local) = local {
        let moment = local.and_utc();
        return Some((
            carried(moment.timestamp(), moment.timestamp_subsec_nanos()),
            false,
        ));
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, DATE_FORMAT) {
        return Some((beginning(date.to_epoch_days()), false));
    }
    match text {
        "infinity" => return Some((INFINITY, true)),
        "-infinity" => return Some((MINUS_INFINITY, true)),
        _ => {}
    }
    let moment = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z")
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
        .ok()?;
    Some((
        carried(moment.timestamp(), moment.timestamp_subsec_nanos()),
        true,
    ))
}

/// Nanoseconds of a leap second go beyond the second.
fn carried(seconds: i64, nanos: u32) -> Timestamp {
    match nanos.checked_sub(1_000_000_000) {
        None => Timestamp { seconds, nanos },
        Some(nanos) => Timestamp {
            seconds: seconds.saturating_add(1),
            nanos,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, number, words};
    use super::super::{Rules, fit};
    use super::*;
    use proptest::prelude::*;
    use rowdock_connectors::{ColumnType, Notation};

    fn at(seconds: i64, nanos: u32) -> Option<Cell<'static>> {
        Some(Cell::Timestamp(Timestamp { seconds, nanos }))
    }

    #[test]
    fn timestamps() {
        for column in [ColumnType::Timestamp, ColumnType::TimestampTz] {
            let check = |value: &Value<'_>, expected| check(value, &column, expected);
            check(&words("1970-01-01T00:00:01Z"), at(1, 0));
            check(&words("1970-01-01T01:00:01.5+01:00"), at(1, 500_000_000));
            check(&words("1970-01-01 00:00:01.000000001"), at(1, 1));
            check(&words("1970-01-01T00:01"), at(60, 0));
            check(&words("1970-01-01T01:00:00+0100"), at(0, 0));
            check(&words("1970-01-01 01:00:00+01"), at(0, 0));
            check(&words("0001-01-01T00:00:00Z"), at(-62_135_596_800, 0));
            check(&words("9999-12-31T23:59:59Z"), at(253_402_300_799, 0));
            check(&words("2016-12-31T23:59:60Z"), at(1_483_228_800, 0));
            check(
                &words("2016-12-31 23:59:60.25"),
                at(1_483_228_800, 250_000_000),
            );
            check(&words("1970-01-02"), at(86_400, 0));
            check(&Value::Date(-1), at(-86_400, 0));
            check(&Value::Date(i32::MAX), at(i64::MAX, 0));
            check(&words("1970-13-02"), None);
            check(&words("infinity"), at(i64::MAX, 0));
            check(&words("-infinity"), at(i64::MIN, 0));
            check(&number("-1"), at(-1, 999_000_000));
            check(&number("1.5"), None);
            check(&words("yesterday"), None);
            check(&words("0000-00-00 00:00:00"), None);
            check(&words("2026-02-30T00:00:00Z"), None);
        }
    }

    #[test]
    fn zones_count_where_a_value_or_a_column_has_none() {
        let rules = Rules {
            zone: Zone::parse("Europe/Berlin"),
            text_allows_nul: false,
            takes_zero_dates: false,
        };
        let check = |value: &Value<'_>, local: i64, instant: i64| {
            for (column, seconds) in [
                (ColumnType::Timestamp, local),
                (ColumnType::TimestampTz, instant),
            ] {
                let fitted = fit(value, &column, rules);
                let cell = fitted.as_ref().ok().map(Fitted::cell);
                assert_eq!(cell, at(seconds, 0), "{value:?} into {column}");
            }
        };
        // In January Berlin is an hour ahead.
        check(&words("1970-01-10T00:00:00Z"), 781_200, 777_600);
        check(&words("1970-01-10T00:00:00"), 777_600, 774_000);
        check(&number("777600000"), 781_200, 777_600);
        let timestamp = Timestamp {
            seconds: 777_600,
            nanos: 0,
        };
        check(&Value::Timestamp(timestamp), 781_200, 777_600);
        check(&Value::LocalTimestamp(timestamp), 777_600, 774_000);
        check(&Value::Date(9), 777_600, 774_000);
        check(&words("1970-01-10"), 777_600, 774_000);
        check(&words("infinity"), i64::MAX, i64::MAX);
        let check = |value: &Value<'_>, days: Option<i32>| {
            let fitted = fit(value, &ColumnType::Date, rules);
            let cell = fitted.as_ref().ok().map(Fitted::cell);
            assert_eq!(cell, days.map(Cell::Date), "{value:?}");
        };
        // A day is a day wherever; midnight depends.
        check(&Value::Date(0), Some(0));
        check(&Value::LocalTimestamp(timestamp), Some(9));
        check(&Value::Timestamp(timestamp), None);
        check(&words("1970-01-09T23:00:00Z"), Some(9));
    }

    #[test]
    fn dates() {
        let check = |value: &Value<'_>, days: Option<i32>| {
            check(value, &ColumnType::Date, days.map(Cell::Date));
        };
        check(&words("1970-01-02"), Some(1));
        check(&words("0001-01-01"), Some(-719_162));
        check(&words("9999-12-31"), Some(2_932_896));
        check(&words("1970-02-30"), None);
        check(&words("0000-00-00"), None);
        check(&words("infinity"), Some(i32::MAX));
        check(&number("1"), None);
        let at = |seconds, nanos| Timestamp { seconds, nanos };
        check(&Value::Timestamp(at(-86_400, 0)), Some(-1));
        check(&Value::LocalTimestamp(at(86_400, 0)), Some(1));
        check(&Value::LocalTimestamp(at(86_400, 1)), None);
        check(&Value::LocalTimestamp(at(86_401, 0)), None);
        check(&words("1970-01-02 00:00"), Some(1));
        check(&words("1970-01-02T00:00:01Z"), None);
        // What would be the sign of infinity.
        let last = i64::from(i32::MAX) * 86_400;
        check(&Value::LocalTimestamp(at(last, 0)), None);
    }

    /// Of databases that have them.
    #[test]
    fn dates_that_are_none() {
        let rules = Rules {
            takes_zero_dates: true,
            zone: Zone::parse("Europe/Berlin"),
            ..Rules::default()
        };
        let check = |text: &str, column: &ColumnType, expected: Option<Cell<'_>>| {
            let value = words(text);
            let fitted = fit(&value, column, rules);
            let cell = fitted.as_ref().ok().map(Fitted::cell);
            assert_eq!(cell, expected, "{text} into {column}");
        };
        check("0000-00-00", &ColumnType::Date, Some(Cell::Date(ZERO_DATE)));
        check("0000-00-01", &ColumnType::Date, None);
        check("0000-00-00T00:00:00", &ColumnType::Date, None);
        let zero = Some(Cell::Timestamp(Timestamp::ZERO_DATE));
        for column in [ColumnType::Timestamp, ColumnType::TimestampTz] {
            check("0000-00-00T00:00:00", &column, zero);
            check("0000-00-00 00:00:00.000000", &column, zero);
            check("0000-00-00T00:00:00+00:00", &column, zero);
            check("0000-00-00T00:00:00Z", &column, zero);
            check("0000-00-00T00:00:01", &column, None);
            check("0000-00-00", &column, None);
            check(
                "1970-01-01T00:00:00Z",
                &column,
                match column {
                    ColumnType::Timestamp => at(3_600, 0),
                    _ => at(0, 0),
                },
            );
        }
    }

    #[test]
    fn times_of_day() {
        let check = |text: &str, nanos: Option<i64>| {
            check(&words(text), &ColumnType::Time, nanos.map(Cell::Time));
        };
        check("00:00:00.000001", Some(1000));
        check("10:15", Some(36_900_000_000_000));
        check("24:00:00", Some(DAY_NANOS));
        check("24:00", Some(DAY_NANOS));
        check("24:00:00.000", Some(DAY_NANOS));
        check("24:00:01", None);
        check("25:00", None);
        check("23:59:60", Some(DAY_NANOS));
        check("10:00:00Z", Some(36_000_000_000_000));
        check("01:00:00+02:00", Some(82_800_000_000_000));
        check("", None);
    }

    /// MySQL's times may be spans, which Debezium gives as numbers.
    #[test]
    fn times_that_are_no_times_of_day() {
        let span = |nanos: i64, fits: bool| {
            let expected = fits.then_some(Cell::Time(nanos));
            check(&Value::Time(nanos), &ColumnType::TimeSpan, expected);
        };
        let check = |nanos: i64, expected: &str| {
            let value = Value::Time(nanos);
            let text = ColumnType::Text { max_chars: None };
            super::super::tests::check(&value, &text, Some(Cell::Text(expected)));
            let zoned = ColumnType::Literal(Notation::TimeTz);
            for column in [ColumnType::Time, zoned] {
                assert!(fit(&value, &column, Rules::default()).is_err(), "{nanos}");
            }
        };
        check(-3_600 * SECOND_NANOS, "-01:00:00");
        check(-1_000, "-00:00:00.000001");
        check(DAY_NANOS + 1, "24:00:00.000000001");
        check(TIME_SPAN_NANOS_MAX, "838:59:59");
        check(i64::MIN, "-2562047:47:16.854775808");
        span(-3_600 * SECOND_NANOS, true);
        span(TIME_SPAN_NANOS_MAX, true);
        span(TIME_SPAN_NANOS_MAX + 1, false);
        span(i64::MIN, false);
        for column in [ColumnType::Time, ColumnType::TimeSpan] {
            super::super::tests::check(
                &Value::Time(DAY_NANOS),
                &column,
                Some(Cell::Time(DAY_NANOS)),
            );
        }
    }

    #[test]
    fn times_with_their_zone() {
        let check = |value: &Value<'_>, expected: Option<&str>| {
            let column = ColumnType::Literal(Notation::TimeTz);
            check(value, &column, expected.map(Cell::Text));
        };
        check(&words("10:15:30.5+02:00"), Some("10:15:30.500000+02:00:00"));
        check(&words("10:15:30-0530"), Some("10:15:30.000000-05:30:00"));
        check(&words("24:00:00Z"), Some("24:00:00.000000+00:00:00"));
        check(&words("10:15"), Some("10:15:00.000000+00:00:00"));
        check(&Value::Time(0), Some("00:00:00.000000+00:00:00"));
        check(&words("10:15+25:00"), None);
        check(&words("10:15+02:75"), None);
        check(&words("10:15 Europe/Berlin"), None);
    }

    #[test]
    fn spans_of_time() {
        let check = |text: &str, seconds: Option<i64>| {
            let nanos = seconds.map(|seconds| Cell::Time(seconds * SECOND_NANOS));
            check(&words(text), &ColumnType::TimeSpan, nanos);
        };
        check("10:15:30", Some(36_930));
        check("-838:59:59", Some(-3_020_399));
        check("838:59:59", Some(3_020_399));
        check("839:00:00", None);
        check("24:00:00", Some(86_400));
        check("1:2:3", Some(3_723));
        check("+1:00:00", None);
        check("ten", None);
    }

    proptest! {
        #[test]
        fn milliseconds_survive_exactly(millis: i64) {
            let at = timestamp_from_millis(millis);
            let back = i128::from(at.seconds) * 1000 + i128::from(at.nanos / 1_000_000);
            prop_assert_eq!(back, i128::from(millis));
        }
    }
}
