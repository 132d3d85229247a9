//! Patterns of Java's `SimpleDateFormat`, in UTC and English: what `format` and
//! `timestamp.format` are written in.
//!
//! Formatting and parsing follow Java, its leniency included: `S` is a number of milliseconds
//! however many of them are written, a 13th month is the first of the next year, and what follows
//! the part that matches is ignored. Years are those of the Gregorian calendar at all times, where
//! Java goes over to the Julian one before 1582. Week numbers (`w`, `W`, `F`, `Y`) are refused:
//! they depend on a country.

use rowdock_connectors::Timestamp;

mod calendar;
mod parse;

use calendar::Civil;

/// A pattern, compiled.
#[derive(Debug, Clone)]
pub(crate) struct DateFormat {
    elements: Vec<Element>,
    /// Two-digit years mean the hundred years from here on.
    century_start: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Element {
    Literal(char),
    Field { letter: char, count: usize },
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// From Monday on.
const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// Letters of names in their short form.
const SHORT_NAME: usize = 3;

/// More letters in a row than any pattern has a use for.
const LETTERS_MAX: usize = 64;

impl DateFormat {
    /// Compiles a pattern. `now` decides about the century of two-digit years, as in Java: 80
    /// years back and 20 ahead.
    ///
    /// # Errors
    /// Says which letter or quote is wrong.
    pub(crate) fn compile(pattern: &str, now: Timestamp) -> Result<Self, String> {
        let mut elements = Vec::new();
        let mut rest = pattern.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '\'' if rest.next_if_eq(&'\'').is_some() => elements.push(Element::Literal('\'')),
                '\'' => quoted(&mut rest, &mut elements)?,
                letter if letter.is_ascii_alphabetic() => {
                    let mut count = 1;
                    while rest.next_if_eq(&letter).is_some() {
                        count += 1;
                    }
                    check_letter(letter, count)?;
                    elements.push(Element::Field { letter, count });
                }
                other => elements.push(Element::Literal(other)),
            }
        }
        Ok(Self {
            elements,
            century_start: calendar::years_before(now, 80),
        })
    }

    /// A moment in a pattern of our own.
    pub(super) fn formatted(pattern: &str, at: Timestamp) -> String {
        Self::compile(pattern, Timestamp::default())
            .map(|format| format.format(at))
            .unwrap_or_default()
    }

    /// Writes a moment, to the millisecond.
    pub(crate) fn format(&self, at: Timestamp) -> String {
        let civil = Civil::of(at);
        let mut text = String::new();
        for element in &self.elements {
            match element {
                Element::Literal(character) => text.push(*character),
                Element::Field { letter, count } => push_field(&mut text, *letter, *count, &civil),
            }
        }
        text
    }
}

fn quoted(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    elements: &mut Vec<Element>,
) -> Result<(), String> {
    while let Some(character) = rest.next() {
        if character != '\'' {
            elements.push(Element::Literal(character));
        } else if rest.next_if_eq(&'\'').is_some() {
            elements.push(Element::Literal('\''));
        } else {
            return Ok(());
        }
    }
    Err("Unterminated quote".to_owned())
}

fn check_letter(letter: char, count: usize) -> Result<(), String> {
    match letter {
        _ if count > LETTERS_MAX => Err(format!("More than {LETTERS_MAX} '{letter}' in a row")),
        'X' if count > 3 => Err("invalid ISO 8601 format: more than three 'X'".to_owned()),
        'G' | 'y' | 'M' | 'L' | 'd' | 'D' | 'E' | 'u' | 'a' | 'H' | 'k' | 'K' | 'h' | 'm' | 's'
        | 'S' | 'z' | 'Z' | 'X' => Ok(()),
        'w' | 'W' | 'F' | 'Y' => Err(format!(
            "Week numbers ('{letter}') are not supported: they depend on the country"
        )),
        _ => Err(format!("Illegal pattern character '{letter}'")),
    }
}

fn push_field(text: &mut String, letter: char, count: usize, civil: &Civil) {
    let mut number = |value: i64| text.push_str(&format!("{value:0count$}"));
    match letter {
        'y' if count == 2 => number(civil.year_of_era.rem_euclid(100)),
        'y' => number(civil.year_of_era),
        'M' | 'L' if count < SHORT_NAME => number(civil.month),
        'd' => number(civil.day),
        'D' => number(civil.day_of_year),
        'u' => number(civil.weekday),
        'H' => number(civil.hour),
        'k' => number(if civil.hour == 0 { 24 } else { civil.hour }),
        'K' => number(civil.hour % 12),
        'h' => number(match civil.hour % 12 {
            0 => 12,
            hour => hour,
        }),
        'm' => number(civil.minute),
        's' => number(civil.second),
        'S' => number(civil.millis),
        'G' => text.push_str(if civil.is_before_christ { "BC" } else { "AD" }),
        'M' | 'L' => text.push_str(name(&MONTHS, civil.month, count)),
        'E' => text.push_str(name(&WEEKDAYS, civil.weekday, count)),
        'a' => text.push_str(if civil.hour < 12 { "AM" } else { "PM" }),
        'z' if count > SHORT_NAME => text.push_str("Coordinated Universal Time"),
        'z' => text.push_str("UTC"),
        'Z' => text.push_str("+0000"),
        _ => text.push('Z'),
    }
}

/// The name with this number, from 1.
fn name<'a>(names: &[&'a str], number: i64, count: usize) -> &'a str {
    let name = usize::try_from(number - 1)
        .ok()
        .and_then(|index| names.get(index))
        .copied()
        .unwrap_or_default();
    if count > SHORT_NAME {
        name
    } else {
        name.get(..SHORT_NAME).unwrap_or(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-29T13:04:05.067Z, a Sunday.
    const AT: Timestamp = Timestamp {
        seconds: 1_795_957_445,
        nanos: 67_000_000,
    };

    fn compile(pattern: &str) -> DateFormat {
        DateFormat::compile(pattern, AT).unwrap()
    }

    #[test]
    fn writes_every_letter() {
        let check = |pattern: &str, expected: &str| {
            assert_eq!(compile(pattern).format(AT), expected, "{pattern}");
        };
        check("yyyy-MM-dd'T'HH:mm:ss.SSSX", "2026-11-29T13:04:05.067Z");
        check("yy y yyyyy", "26 2026 02026");
        check("M MM MMM MMMM L", "11 11 Nov November 11");
        check("d D E EEEE u", "29 333 Sun Sunday 7");
        check("h K k H a", "1 1 13 13 PM");
        check("S SSSSSS", "67 000067");
        check(
            "G z zzzz Z XXX",
            "AD UTC Coordinated Universal Time +0000 Z",
        );
        check("'o''clock' ''", "o'clock '");
    }

    #[test]
    fn refuses_bad_patterns() {
        for pattern in ["yyyy-bb", "'open", "w", "YYYY", "XXXX", "QQ"] {
            assert!(DateFormat::compile(pattern, AT).is_err(), "{pattern}");
        }
    }

    #[test]
    fn reads_as_java_reads() {
        let check = |pattern: &str, text: &str, expected: Option<&str>| {
            let read = compile(pattern).parse(text);
            let shown = read.map(|at| compile("yyyy-MM-dd HH:mm:ss.SSS").format(at));
            assert_eq!(shown.as_deref(), expected, "{pattern} {text}");
        };
        check("yyyy-MM-dd", "2026-11-29", Some("2026-11-29 00:00:00.000"));
        check("yyyy-MM-dd", "2026-13-01", Some("2027-01-01 00:00:00.000"));
        check(
            "yyyy-MM-dd",
            "2026-11-29 rest",
            Some("2026-11-29 00:00:00.000"),
        );
        check("yyyy-MM-dd", "2026/11/29", None);
        check("yyyyMMdd", "20261129", Some("2026-11-29 00:00:00.000"));
        check("yyyyMMdd", "2026112", Some("2026-11-02 00:00:00.000"));
        check("dd MMM yy", "29 nov 26", Some("2026-11-29 00:00:00.000"));
        check(
            "dd MMMM yy",
            "29 November 99",
            Some("1999-11-29 00:00:00.000"),
        );
        check(
            "HH:mm:ss.SSS",
            "01:02:03.4",
            Some("1970-01-01 01:02:03.004"),
        );
        check("s.SSSSSS", "1.123456", Some("1970-01-01 00:02:04.456"));
        check("h a", "12 PM", Some("1970-01-01 12:00:00.000"));
        check("h a", "12 am", Some("1970-01-01 00:00:00.000"));
        check("k", "24", Some("1970-01-01 00:00:00.000"));
        check("HH:mmXXX", "10:00+02:00", Some("1970-01-01 08:00:00.000"));
        check("HH:mm Z", "10:00 -0130", Some("1970-01-01 11:30:00.000"));
        check("HH:mm z", "10:00 UTC", Some("1970-01-01 10:00:00.000"));
        check("HH:mmX", "10:00Z", Some("1970-01-01 10:00:00.000"));
        check("D yyyy", "333 2026", Some("2026-11-29 00:00:00.000"));
        check(
            "EEE dd MM yyyy",
            "Sun 29 11 2026",
            Some("2026-11-29 00:00:00.000"),
        );
        check("yyyy", "", None);
        check("yyyy", "x", None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(seconds in -60_000_000_000i64..250_000_000_000, millis in 0u32..1000) {
            let at = Timestamp { seconds, nanos: millis * 1_000_000 };
            let format = compile("yyyy-MM-dd'T'HH:mm:ss.SSSX");
            prop_assert_eq!(format.parse(&format.format(at)), Some(at));
        }

        #[test]
        fn never_panics(pattern in "[yMdHhmsSzZXEGaDuk' :-]{0,10}", text in "\\PC{0,20}") {
            if let Ok(format) = DateFormat::compile(&pattern, AT) {
                let _ = format.parse(&text);
            }
        }
    }
}
