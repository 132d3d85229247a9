//! Dates and times, from the Unix epoch to PostgreSQL's, which is 2000-01-01.

use crate::row::Timestamp;

const EPOCH_SECONDS: i64 = 946_684_800;
const EPOCH_DAYS: i32 = 10_957;
/// 4713-11-24 before Christ, where PostgreSQL's calendar starts.
const FIRST_MICROS: i64 = -211_813_488_000_000_000;
/// The first microsecond of the year 294277, where its timestamps end.
const END_MICROS: i64 = 9_223_371_331_200_000_000;
/// As [`FIRST_MICROS`], in days.
const FIRST_DAY: i32 = -2_451_545;
/// The first day of the year 5874898, where its dates end.
const END_DAY: i32 = 2_145_031_949;
const DAY_NANOS: i64 = 86_400_000_000_000;

const OUT_OF_RANGE: &str = "date or time out of range";

/// Microseconds; the extreme values are PostgreSQL's infinities too.
pub(super) fn timestamp(value: Timestamp) -> Result<i64, &'static str> {
    if value.seconds == i64::MAX || value.seconds == i64::MIN {
        return Ok(value.seconds);
    }
    let micros = value
        .seconds
        .checked_sub(EPOCH_SECONDS)
        .and_then(|seconds| seconds.checked_mul(1_000_000))
        .and_then(|micros| micros.checked_add(i64::from(value.nanos / 1_000)))
        .filter(|micros| (FIRST_MICROS..END_MICROS).contains(micros));
    micros.ok_or(OUT_OF_RANGE)
}

/// Days; the extreme values are PostgreSQL's infinities too.
pub(super) fn date(days: i32) -> Result<i32, &'static str> {
    if days == i32::MAX || days == i32::MIN {
        return Ok(days);
    }
    let days = days
        .checked_sub(EPOCH_DAYS)
        .filter(|days| (FIRST_DAY..END_DAY).contains(days));
    days.ok_or(OUT_OF_RANGE)
}

/// Microseconds since midnight, from nanoseconds.
pub(super) fn time_of_day(nanos: i64) -> Result<i64, &'static str> {
    if (0..=DAY_NANOS).contains(&nanos) {
        Ok(nanos / 1_000)
    } else {
        Err(OUT_OF_RANGE)
    }
}
