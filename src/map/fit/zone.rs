//! Between points in time and what clocks show in a zone.

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _};
use chrono_tz::Tz;
use rowdock_connectors::Timestamp;

/// Longer than clocks are ever put forward.
const GAP_MAX: TimeDelta = TimeDelta::days(1);

/// What clocks in the zone show at a point in time. `None` outside of the calendar.
pub(in crate::map) fn local_of(instant: Timestamp, zone: Tz) -> Option<Timestamp> {
    if is_infinite(instant) {
        return Some(instant);
    }
    let utc = naive(instant)?;
    let offset = zone.offset_from_utc_datetime(&utc).fix().local_minus_utc();
    shifted(instant, i64::from(offset))
}

/// The point in time at which clocks in the zone show this: the first, where they are put back. A
/// time that they skip counts from before they are put forward, as in Java. `None` outside of the
/// calendar.
pub(in crate::map) fn instant_of(local: Timestamp, zone: Tz) -> Option<Timestamp> {
    if is_infinite(local) {
        return Some(local);
    }
    let shown = naive(local)?;
    let offset = match zone.offset_from_local_datetime(&shown) {
        LocalResult::Single(offset) | LocalResult::Ambiguous(offset, _) => offset.fix(),
        LocalResult::None => {
            let before = shown.checked_sub_signed(GAP_MAX)?;
            zone.offset_from_utc_datetime(&before).fix()
        }
    };
    shifted(local, -i64::from(offset.local_minus_utc()))
}

/// The greatest and least values stand for infinity.
fn is_infinite(at: Timestamp) -> bool {
    at.seconds == i64::MAX || at.seconds == i64::MIN
}

fn naive(at: Timestamp) -> Option<NaiveDateTime> {
    DateTime::from_timestamp(at.seconds, at.nanos).map(|moment| moment.naive_utc())
}

fn shifted(at: Timestamp, seconds: i64) -> Option<Timestamp> {
    Some(Timestamp {
        seconds: at.seconds.checked_add(seconds)?,
        nanos: at.nanos,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 5 }
    }

    fn seconds(text: &str) -> i64 {
        let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M");
        local.expect("a date").and_utc().timestamp()
    }

    #[test]
    fn clocks_are_put_forward_and_back() {
        let check = |utc: &str, local: &str| {
            let (utc, local) = (at(seconds(utc)), at(seconds(local)));
            assert_eq!(local_of(utc, Tz::Europe__Berlin), Some(local));
            assert_eq!(instant_of(local, Tz::Europe__Berlin), Some(utc));
        };
        check("2026-01-01 00:00", "2026-01-01 01:00");
        check("2026-07-01 00:00", "2026-07-01 02:00");
        check("2026-10-25 00:30", "2026-10-25 02:30");
        let skipped = instant_of(at(seconds("2026-03-29 02:30")), Tz::Europe__Berlin);
        assert_eq!(skipped, Some(at(seconds("2026-03-29 01:30"))));
        for infinite in [at(i64::MAX), at(i64::MIN)] {
            assert_eq!(local_of(infinite, Tz::Asia__Tokyo), Some(infinite));
            assert_eq!(instant_of(infinite, Tz::Asia__Tokyo), Some(infinite));
        }
        assert_eq!(local_of(at(i64::MAX - 1), Tz::Asia__Tokyo), None);
    }

    proptest! {
        #[test]
        fn there_and_back(moment in -4_000_000_000_i64..8_000_000_000) {
            let zone = Tz::America__New_York;
            let local = local_of(at(moment), zone).expect("in the calendar");
            let back = instant_of(local, zone).expect("in the calendar");
            // Of the hour that comes twice the first is meant.
            prop_assert!(back == at(moment) || back.seconds + 3600 == moment);
        }
    }
}
