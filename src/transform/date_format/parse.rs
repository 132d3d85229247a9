//! Reading a moment by a pattern, as leniently as Java.

use rowdock_connectors::Timestamp;

use super::{DateFormat, Element, MONTHS, SHORT_NAME, WEEKDAYS, calendar};

/// What was read so far; what is not read has the values of 1970-01-01T00:00.
#[derive(Debug, Default)]
struct Fields {
    year: Option<i64>,
    /// The year had two digits and may mean another century.
    is_two_digit_year: bool,
    is_before_christ: bool,
    /// From 0.
    month: i64,
    day: Option<i64>,
    /// Wins over month and day when it comes after them.
    day_of_year: Option<i64>,
    hour_of_day: Option<i64>,
    /// 0 to 11.
    hour: i64,
    is_afternoon: bool,
    minute: i64,
    second: i64,
    millis: i64,
    offset_seconds: i64,
}

impl DateFormat {
    /// Reads a moment; `None` when the text does not match. What follows the match is ignored.
    pub(in crate::transform) fn parse(&self, text: &str) -> Option<Timestamp> {
        let mut fields = Fields::default();
        let mut rest = text;
        for (index, element) in self.elements.iter().enumerate() {
            match element {
                Element::Literal(character) => rest = rest.strip_prefix(*character)?,
                Element::Field { letter, count } => {
                    let next_is_field =
                        matches!(self.elements.get(index + 1), Some(Element::Field { .. }));
                    let start = rest.trim_start_matches([' ', '\t']);
                    let width = next_is_field.then_some(*count);
                    rest = self.field(&mut fields, *letter, *count, start, width)?;
                }
            }
        }
        self.moment(&fields)
    }

    /// Reads one field; returns what follows it. `width`: digits to take, because another field
    /// follows at once.
    fn field<'a>(
        &self,
        fields: &mut Fields,
        letter: char,
        count: usize,
        text: &'a str,
        width: Option<usize>,
    ) -> Option<&'a str> {
        match letter {
            'G' => {
                let (era, rest) = name(text, &["AD", "BC"], 2)?;
                fields.is_before_christ = era == 1;
                return Some(rest);
            }
            'M' | 'L' if count >= SHORT_NAME => {
                let (month, rest) = name(text, &MONTHS, SHORT_NAME)?;
                fields.month = month;
                return Some(rest);
            }
            // Beside a date the weekday says nothing more.
            'E' => return name(text, &WEEKDAYS, SHORT_NAME).map(|(_, rest)| rest),
            'a' => {
                let (half, rest) = name(text, &["AM", "PM"], 2)?;
                fields.is_afternoon = half == 1;
                return Some(rest);
            }
            'z' | 'Z' | 'X' => {
                let (offset, rest) = zone(text, letter, count)?;
                fields.offset_seconds = offset;
                return Some(rest);
            }
            _ => {}
        }
        let (value, rest) = number(text, width)?;
        let digits = text.len() - rest.len();
        match letter {
            'y' => {
                let is_short = count <= 2 && digits == 2 && !text.starts_with('-');
                fields.is_two_digit_year = is_short;
                fields.year = Some(if is_short {
                    self.full_year(value)
                } else {
                    value
                });
            }
            'M' | 'L' => fields.month = value - 1,
            'd' => {
                fields.day = Some(value);
                fields.day_of_year = None;
            }
            'D' => fields.day_of_year = Some(value),
            'H' => fields.hour_of_day = Some(value),
            'k' => fields.hour_of_day = Some(if value == 24 { 0 } else { value }),
            'K' => fields.hour = value,
            'h' => fields.hour = if value == 12 { 0 } else { value },
            'm' => fields.minute = value,
            's' => fields.second = value,
            'S' => fields.millis = value,
            _ => {}
        }
        Some(rest)
    }

    /// A two-digit year in the century that began 80 years ago.
    fn full_year(&self, short: i64) -> i64 {
        let start = calendar::year_of(self.century_start);
        let later = short < start.rem_euclid(100);
        start.div_euclid(100) * 100 + short + if later { 100 } else { 0 }
    }

    fn moment(&self, fields: &Fields) -> Option<Timestamp> {
        let year = fields.year.unwrap_or(1970);
        let year = if fields.is_before_christ {
            1 - year
        } else {
            year
        };
        let at = fields.at(year)?;
        if fields.is_two_digit_year && at < self.century_start {
            return fields.at(year + 100);
        }
        Some(at)
    }
}

impl Fields {
    fn at(&self, year: i64) -> Option<Timestamp> {
        let days = match self.day_of_year {
            Some(day) => calendar::days_before(year, 0) + day - 1,
            None => calendar::days_before(year, self.month) + self.day.unwrap_or(1) - 1,
        };
        let half = if self.is_afternoon { 12 } else { 0 };
        let hour = self.hour_of_day.unwrap_or(self.hour + half);
        let seconds = days
            .checked_mul(86_400)?
            .checked_add(hour * 3600 + self.minute * 60 + self.second - self.offset_seconds)?
            .checked_add(self.millis.div_euclid(1000))?;
        let millis = u32::try_from(self.millis.rem_euclid(1000)).ok()?;
        Some(Timestamp {
            seconds,
            nanos: millis * 1_000_000,
        })
    }
}

/// A number, negative when a minus stands before it, and what follows it.
fn number(text: &str, width: Option<usize>) -> Option<(i64, &str)> {
    let window = match width {
        Some(width) => text.get(..width).unwrap_or(text),
        None => text,
    };
    let unsigned = window.strip_prefix('-').unwrap_or(window);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return None;
    }
    let length = window.len() - unsigned.len() + digits;
    let value = i64::from(text.get(..length)?.parse::<i32>().ok()?);
    Some((value, text.get(length..)?))
}

/// The number of a name, from 0, in any case; whole, or its first `short` letters.
fn name<'a>(text: &'a str, names: &[&str], short: usize) -> Option<(i64, &'a str)> {
    let matched = |name: &str| {
        let start = text.get(..name.len())?;
        start
            .eq_ignore_ascii_case(name)
            .then(|| text.get(name.len()..))?
    };
    let find = |shorten: bool| {
        names.iter().enumerate().find_map(|(index, name)| {
            let name = if shorten { name.get(..short)? } else { name };
            Some((i64::try_from(index).ok()?, matched(name)?))
        })
    };
    find(false).or_else(|| find(true))
}

/// A zone as seconds east of UTC.
fn zone(text: &str, letter: char, count: usize) -> Option<(i64, &str)> {
    if letter == 'X' {
        if let Some(rest) = text.strip_prefix('Z') {
            return Some((0, rest));
        }
        return offset(text, count == 3, count == 1);
    }
    for name in ["UTC", "GMT"] {
        let start = text.get(..name.len());
        if start.is_some_and(|start| start.eq_ignore_ascii_case(name)) {
            let rest = text.get(name.len()..)?;
            return match rest.starts_with(['+', '-']) {
                true => offset(rest, true, false),
                false => Some((0, rest)),
            };
        }
    }
    offset(text, false, false)
}

/// `+hh`, `+hhmm` or `+hh:mm`.
fn offset(text: &str, has_colon: bool, only_hours: bool) -> Option<(i64, &str)> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let two_digits = |text: &str| text.parse::<u8>().ok().map(i64::from);
    let hours = two_digits(text.get(1..3)?)?;
    if only_hours {
        return Some((sign * hours * 3600, text.get(3..)?));
    }
    let rest = match (has_colon, text.get(3..)?) {
        (true, rest) => rest.strip_prefix(':')?,
        (false, rest) => rest,
    };
    let minutes = two_digits(rest.get(..2)?)?;
    if hours > 23 || minutes > 59 {
        return None;
    }
    Some((sign * (hours * 3600 + minutes * 60), rest.get(2..)?))
}
