//! Dates and times as ISO 8601 text, with as many digits as they have.

use chrono::{DateTime, NaiveDate, NaiveTime};
use rowdock_connectors::Timestamp;

const OUT_OF_RANGE: &str = "the date is out of the calendar's range";

/// A date, from days since 1970-01-01.
///
/// # Errors
/// When the calendar does not reach that far; the same holds for the others.
pub fn date(days: i32) -> Result<String, &'static str> {
    NaiveDate::from_epoch_days(days)
        .map(|date| date.to_string())
        .ok_or(OUT_OF_RANGE)
}

/// A time of day, from nanoseconds since midnight.
///
/// # Errors
/// When it is no time of one day.
pub fn time(nanos: i64) -> Result<String, &'static str> {
    let seconds = u32::try_from(nanos.div_euclid(1_000_000_000)).map_err(|_| OUT_OF_RANGE)?;
    let rest = u32::try_from(nanos.rem_euclid(1_000_000_000)).map_err(|_| OUT_OF_RANGE)?;
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, rest)
        .map(|time| time.to_string())
        .ok_or(OUT_OF_RANGE)
}

/// Date and time of a clock.
///
/// # Errors
/// When the calendar does not reach that far.
pub fn local_timestamp(at: Timestamp) -> Result<String, &'static str> {
    let text = timestamp(at)?;
    Ok(text.trim_end_matches('Z').to_owned())
}

/// A point in time, in UTC.
///
/// # Errors
/// When the calendar does not reach that far.
pub fn timestamp(at: Timestamp) -> Result<String, &'static str> {
    DateTime::from_timestamp(at.seconds, at.nanos)
        .map(|moment| moment.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
        .ok_or(OUT_OF_RANGE)
}
