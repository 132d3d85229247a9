//! Days and dates of the Gregorian calendar, for any year that a moment can have.

use rowdock_connectors::Timestamp;

const DAY_SECONDS: i64 = 86_400;

/// A moment as a calendar and a clock show it.
#[derive(Debug)]
pub(super) struct Civil {
    pub(super) year_of_era: i64,
    pub(super) is_before_christ: bool,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) day_of_year: i64,
    /// From Monday, 1.
    pub(super) weekday: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) millis: i64,
}

impl Civil {
    pub(super) fn of(at: Timestamp) -> Self {
        let days = at.seconds.div_euclid(DAY_SECONDS);
        let second_of_day = at.seconds.rem_euclid(DAY_SECONDS);
        let (year, month, day) = date_of(days);
        Self {
            year_of_era: if year > 0 { year } else { 1 - year },
            is_before_christ: year <= 0,
            month,
            day,
            day_of_year: days - days_before(year, 0) + 1,
            // 1970-01-01 was a Thursday.
            weekday: (days + 3).rem_euclid(7) + 1,
            hour: second_of_day / 3600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
            millis: i64::from(at.nanos / 1_000_000),
        }
    }
}

/// Year, month (from 1) and day (from 1) of a day since 1970-01-01. Years of 400 repeat, and
/// those that begin in March have their leap day at the end.
fn date_of(days: i64) -> (i64, i64, i64) {
    const CYCLE_DAYS: i64 = 146_097;
    // From 0000-03-01.
    let shifted = days + 719_468;
    let cycle = shifted.div_euclid(CYCLE_DAYS);
    let day = shifted.rem_euclid(CYCLE_DAYS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let after_new_year = month >= 10;
    (
        year + cycle * 400 + i64::from(after_new_year),
        if after_new_year { month - 9 } else { month + 3 },
        day_of_month,
    )
}

/// Days from 1970-01-01 to the first of a month. Months count from 0, and any number of them is
/// fine: 12 is January of the next year.
pub(super) fn days_before(year: i64, month: i64) -> i64 {
    let months = year * 12 + month;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12));
    let before_march = month < 2;
    let year = year - i64::from(before_march);
    let month = if before_march { month + 10 } else { month - 2 };
    let cycle = year.div_euclid(400);
    let year_of_cycle = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    cycle * 146_097 + day_of_cycle - 719_468
}

/// The same date so many years earlier.
pub(super) fn years_before(at: Timestamp, years: i64) -> Timestamp {
    let days = at.seconds.div_euclid(DAY_SECONDS);
    let (year, month, day) = date_of(days);
    let earlier = days_before(year - years, month - 1) + day - 1;
    Timestamp {
        seconds: earlier * DAY_SECONDS + at.seconds.rem_euclid(DAY_SECONDS),
        nanos: at.nanos,
    }
}

/// The year of a moment.
pub(super) fn year_of(at: Timestamp) -> i64 {
    date_of(at.seconds.div_euclid(DAY_SECONDS)).0
}
