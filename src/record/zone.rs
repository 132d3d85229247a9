//! Time zones: by their rules, or just a distance from UTC. Pure.

use chrono::{
    DateTime, FixedOffset, LocalResult, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _,
};
use chrono_tz::Tz;
use rowdock_connectors::Timestamp;

/// Longer than clocks are ever put forward.
const GAP_MAX: TimeDelta = TimeDelta::days(1);

/// A zone of the tz database, or a distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// By its rules.
    Named(Tz),
    /// Always as far ahead of UTC.
    Fixed(FixedOffset),
}

impl Zone {
    /// `Europe/Berlin`, `+05:30`, `GMT+5:30`, `Z`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(named) = text.parse::<Tz>() {
            return Some(Self::Named(named));
        }
        let distance = text
            .strip_prefix("UTC")
            .or_else(|| text.strip_prefix("GMT"));
        let seconds = match distance.unwrap_or(text) {
            "Z" => 0,
            "" if distance.is_some() => 0,
            distance => i32::try_from(offset_seconds(&with_two_digits(distance))?).ok()?,
        };
        FixedOffset::east_opt(seconds).map(Self::Fixed)
    }

    /// What clocks in the zone show at a point in time. `None` outside of the calendar.
    pub fn local_of(self, instant: Timestamp) -> Option<Timestamp> {
        if is_infinite(instant) {
            return Some(instant);
        }
        let ahead = match self {
            Self::Named(zone) => zone.offset_from_utc_datetime(&naive(instant)?).fix(),
            Self::Fixed(offset) => offset,
        };
        shifted(instant, i64::from(ahead.local_minus_utc()))
    }

    /// The point in time at which clocks in the zone show this: the first, where they are put back. A
    /// time that they skip counts from before they are put forward, as in Java. `None` outside of the
    /// calendar.
    pub fn instant_of(self, local: Timestamp) -> Option<Timestamp> {
        if is_infinite(local) {
            return Some(local);
        }
        let ahead = match self {
            Self::Named(zone) => ahead_when_shown(zone, naive(local)?)?,
            Self::Fixed(offset) => offset,
        };
        shifted(local, -i64::from(ahead.local_minus_utc()))
    }
}

fn ahead_when_shown(zone: Tz, shown: NaiveDateTime) -> Option<FixedOffset> {
    Some(match zone.offset_from_local_datetime(&shown) {
        LocalResult::Single(offset) | LocalResult::Ambiguous(offset, _) => offset.fix(),
        LocalResult::None => {
            let before = shown.checked_sub_signed(GAP_MAX)?;
            zone.offset_from_utc_datetime(&before).fix()
        }
    })
}

/// `+5:30` as `+05:30`.
fn with_two_digits(distance: &str) -> String {
    let hours = distance
        .get(1..)
        .map_or(0, |rest| rest.find(':').unwrap_or(rest.len()));
    match distance.split_at_checked(1) {
        Some((sign, rest)) if hours == 1 => format!("{sign}0{rest}"),
        _ => distance.to_owned(),
    }
}

/// Seconds ahead of UTC: `+02`, `+0200`, `+02:00` or `+02:00:30`.
pub fn offset_seconds(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits.replace(':', "")),
        ("-", digits) => (-1, digits.replace(':', "")),
        _ => return None,
    };
    let is_plain = digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_plain || !matches!(digits.len(), 2 | 4 | 6) {
        return None;
    }
    let mut seconds = 0;
    for (place, weight) in [(0, 3_600), (2, 60), (4, 1)] {
        let part = digits.get(place..place + 2).unwrap_or("0");
        let part: i64 = part.parse().ok()?;
        if place > 0 && part > 59 {
            return None;
        }
        seconds += part * weight;
    }
    (seconds <= 16 * 3_600).then_some(sign * seconds)
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

    const BERLIN: Zone = Zone::Named(Tz::Europe__Berlin);
    const TOKYO: Zone = Zone::Named(Tz::Asia__Tokyo);

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
            assert_eq!(BERLIN.local_of(utc), Some(local));
            assert_eq!(BERLIN.instant_of(local), Some(utc));
        };
        check("2026-01-01 00:00", "2026-01-01 01:00");
        check("2026-07-01 00:00", "2026-07-01 02:00");
        check("2026-10-25 00:30", "2026-10-25 02:30");
        let skipped = BERLIN.instant_of(at(seconds("2026-03-29 02:30")));
        assert_eq!(skipped, Some(at(seconds("2026-03-29 01:30"))));
        for infinite in [at(i64::MAX), at(i64::MIN)] {
            assert_eq!(TOKYO.local_of(infinite), Some(infinite));
            assert_eq!(TOKYO.instant_of(infinite), Some(infinite));
        }
        assert_eq!(TOKYO.local_of(at(i64::MAX - 1)), None);
    }

    #[test]
    fn zones_by_name_and_by_distance() {
        let check = |text: &str, summer: Option<i64>| {
            // 2026-07-01
            let instant = Timestamp {
                seconds: 1_782_864_000,
                nanos: 0,
            };
            let zone = Zone::parse(text);
            let local = zone.and_then(|zone| zone.local_of(instant));
            let found = local.map(|local| local.seconds - instant.seconds);
            assert_eq!(found, summer, "{text}");
            if let Some((zone, local)) = zone.zip(local) {
                assert_eq!(zone.instant_of(local), Some(instant));
            }
        };
        check("Europe/Berlin", Some(7_200));
        check("+05:30", Some(19_800));
        check("-0800", Some(-28_800));
        check("UTC+2", Some(7_200));
        check("GMT+5:45", Some(20_700));
        check("-3:30", Some(-12_600));
        check("", None);
        check("+", None);
        check("+5:3", None);
        check("UTC+02:00", Some(7_200));
        check("Z", Some(0));
        check("UTC", Some(0));
        check("Berlin", None);
        check("+25:00", None);
    }

    proptest! {
        #[test]
        fn there_and_back(moment in -4_000_000_000_i64..8_000_000_000) {
            let zone = Zone::Named(Tz::America__New_York);
            let local = zone.local_of(at(moment)).expect("in the calendar");
            let back = zone.instant_of(local).expect("in the calendar");
            // Of the hour that comes twice the first is meant.
            prop_assert!(back == at(moment) || back.seconds + 3600 == moment);
        }
    }
}
