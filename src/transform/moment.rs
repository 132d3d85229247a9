//! Dates, times and timestamps as one: a moment, as Java's `Date` holds all three.

use rowdock_connectors::Timestamp;

use crate::record::Datum;

const DAY_SECONDS: i64 = 86_400;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// The furthest moment, either way, that milliseconds can count.
const SECONDS_MAX: i64 = i64::MAX / 1_000;

/// The moment of a date, time or timestamp.
pub(super) fn of(datum: &Datum) -> Option<Timestamp> {
    match datum {
        Datum::Timestamp(at) => Some(*at),
        Datum::Date(days) => Some(Timestamp {
            seconds: i64::from(*days) * DAY_SECONDS,
            nanos: 0,
        }),
        Datum::Time(nanos) => Some(Timestamp {
            seconds: nanos.div_euclid(NANOS_PER_SECOND),
            nanos: u32::try_from(nanos.rem_euclid(NANOS_PER_SECOND)).ok()?,
        }),
        _ => None,
    }
}

/// Its date. `None`: outside of what a date can be.
pub(super) fn date(at: Timestamp) -> Option<Datum> {
    let days = at.seconds.div_euclid(DAY_SECONDS);
    i32::try_from(days).ok().map(Datum::Date)
}

/// Its time of day.
pub(super) fn time(at: Timestamp) -> Datum {
    let second = at.seconds.rem_euclid(DAY_SECONDS);
    Datum::Time(second * NANOS_PER_SECOND + i64::from(at.nanos))
}

/// Milliseconds since the epoch.
pub(super) fn millis(at: Timestamp) -> Option<i64> {
    scaled(at, 1_000)
}

/// Parts of a second since the epoch; what is finer is cut off, towards the epoch as in Java.
pub(super) fn scaled(at: Timestamp, parts_per_second: i64) -> Option<i64> {
    let nanos = i128::from(at.seconds) * i128::from(NANOS_PER_SECOND) + i128::from(at.nanos);
    i64::try_from(nanos / i128::from(NANOS_PER_SECOND / parts_per_second)).ok()
}

/// Whether milliseconds can count it, which is what Java's dates do.
pub(super) fn is_countable(at: Timestamp) -> bool {
    (-SECONDS_MAX..SECONDS_MAX).contains(&at.seconds)
}

/// The moment so many parts of a second after the epoch.
pub(super) fn from_scaled(value: i64, parts_per_second: i64) -> Timestamp {
    let rest = value.rem_euclid(parts_per_second) * (NANOS_PER_SECOND / parts_per_second);
    Timestamp {
        seconds: value.div_euclid(parts_per_second),
        nanos: u32::try_from(rest).unwrap_or(0),
    }
}
