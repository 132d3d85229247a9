//! Durations.

use super::Misfit;
use crate::record::Value;

const RULE: &str =
    "only durations such as P1Y2M3DT4H5M6.7S or 1 day 02:03:04, or whole microseconds, fit";

/// PostgreSQL's words for units.
const UNITS: &[&str] = &[
    "c",
    "cent",
    "centuries",
    "century",
    "d",
    "day",
    "days",
    "dec",
    "decade",
    "decades",
    "decs",
    "h",
    "hour",
    "hours",
    "hr",
    "hrs",
    "m",
    "microsecond",
    "microseconds",
    "mil",
    "millennia",
    "millennium",
    "millisecond",
    "milliseconds",
    "min",
    "mins",
    "minute",
    "minutes",
    "mon",
    "mons",
    "month",
    "months",
    "ms",
    "msec",
    "msecs",
    "s",
    "sec",
    "second",
    "seconds",
    "secs",
    "us",
    "usec",
    "usecs",
    "w",
    "week",
    "weeks",
    "y",
    "year",
    "years",
    "yr",
    "yrs",
];

/// As PostgreSQL reads it, in ISO 8601 or in words. Numbers count microseconds, as Debezium's
/// `MicroDuration` does.
pub(super) fn interval(value: &Value<'_>) -> Result<String, Misfit> {
    let micros = match value {
        Value::Int(micros) => *micros,
        Value::Number(text) => text.parse().map_err(|_| RULE)?,
        Value::Time(nanos) => nanos / 1_000,
        Value::Text(text) if is_iso(text) || is_verbose(text) => return Ok(text.to_string()),
        _ => return Err(RULE.into()),
    };
    Ok(format!("{micros} microseconds"))
}

/// `P1Y2M3W4DT5H6M7.5S`, each part with a sign of its own, at least one part.
fn is_iso(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let Some(parts) = text.strip_prefix('P') else {
        return false;
    };
    let (days, times) = match parts.split_once('T') {
        Some((_, "")) => return false,
        Some((days, times)) => (days, times),
        None => (parts, ""),
    };
    !parts.is_empty() && has_units(days, "YMWD") && has_units(times, "HMS")
}

/// Numbers, each with one of these units, which come in their order.
fn has_units(mut text: &str, units: &str) -> bool {
    let mut left = units;
    while !text.is_empty() {
        let Some(end) = text.find(|next: char| next.is_ascii_uppercase()) else {
            return false;
        };
        let (number, rest) = text.split_at(end);
        let unit = &rest[..1];
        let Some(place) = left.find(unit) else {
            return false;
        };
        if !is_number(number) {
            return false;
        }
        left = &left[place + 1..];
        text = &rest[1..];
    }
    true
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
    !whole.is_empty() && are_digits(whole) && are_digits(fraction)
}

/// `@ 1 year 2 mons -3 days 04:05:06.7 ago`
fn is_verbose(text: &str) -> bool {
    if matches!(text, "infinity" | "-infinity") {
        return true;
    }
    let text = text.trim();
    let text = text.strip_prefix('@').unwrap_or(text);
    let text = text.strip_suffix("ago").unwrap_or(text);
    let mut words = text.split_ascii_whitespace().peekable();
    let mut has_part = false;
    while let Some(word) = words.next() {
        let unit_at = word.find(|next: char| next.is_ascii_alphabetic());
        let is_part = match unit_at {
            Some(at) => is_number(&word[..at]) && is_unit(&word[at..]),
            None if word.contains(':') => is_clock(word),
            None => is_number(word) && words.next().is_some_and(is_unit),
        };
        if !is_part {
            return false;
        }
        has_part = true;
    }
    has_part
}

fn is_unit(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    UNITS.binary_search(&word.as_str()).is_ok()
}

/// `-04:05:06.7`
fn is_clock(word: &str) -> bool {
    let word = word.strip_prefix(['+', '-']).unwrap_or(word);
    let parts: Vec<&str> = word.split(':').collect();
    let (Some(last), 2..=3) = (parts.last(), parts.len()) else {
        return false;
    };
    let is_plain =
        |part: &&str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    let has_sign = last.starts_with(['+', '-']);
    parts[..parts.len() - 1].iter().all(is_plain) && is_number(last) && !has_sign
}

#[cfg(test)]
mod tests {
    use super::super::tests::{number, words};
    use super::*;

    #[test]
    fn durations() {
        assert!(UNITS.is_sorted());
        for right in [
            "P1Y2M3DT4H5M6.7S",
            "PT0S",
            "P0D",
            "-P1D",
            "P-1M",
            "P2W",
            "P14M3DT4.500S",
            "1 day",
            "1day 2hours",
            "@ 1 year 2 mons -3 days 04:05:06.7 ago",
            "1 Day -02:03:04",
            "36:00:00",
            "1.5 seconds",
            "infinity",
        ] {
            assert_eq!(interval(&words(right)).as_deref(), Ok(right));
        }
        for wrong in [
            "",
            "P",
            "PT",
            "P1",
            "PY",
            "P1D2M",
            "P1DT",
            "P1H",
            "1",
            "day",
            "1 lightyear",
            "ago",
            "1:2:3:4",
            "1 day 2:",
            "P1D'; DROP",
            "1 day x",
        ] {
            assert!(interval(&words(wrong)).is_err(), "{wrong}");
        }
        let micros = |value: &Value<'_>| interval(value).ok();
        assert_eq!(micros(&Value::Int(-5)).as_deref(), Some("-5 microseconds"));
        assert_eq!(micros(&number("7")).as_deref(), Some("7 microseconds"));
        assert_eq!(
            micros(&Value::Time(2_500)).as_deref(),
            Some("2 microseconds")
        );
        assert_eq!(micros(&number("1.5")), None);
    }
}
