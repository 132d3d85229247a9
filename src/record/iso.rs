//! Dates and times as ISO 8601 text, with as many digits as they have.

use chrono::{DateTime, NaiveDate};
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

/// A time of day, from nanoseconds since midnight; or a span of time, as MySQL writes it: `-01:30:00`,
/// `100:00:00`.
pub fn time(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let size = nanos.unsigned_abs();
    let seconds = size / 1_000_000_000;
    let digits = match size % 1_000_000_000 {
        0 => String::new(),
        rest if rest % 1_000_000 == 0 => format!(".{:03}", rest / 1_000_000),
        rest if rest % 1_000 == 0 => format!(".{:06}", rest / 1_000),
        rest => format!(".{rest:09}"),
    };
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{digits}")
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
