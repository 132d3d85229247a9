//! Durations: months, days and nanoseconds, each counted for itself, since months and days differ in
//! length. Read in the notations that CQL has: `1y2mo3w4d5h6m7s8ms9us10ns`, and ISO 8601 as
//! `P1Y2M3DT4H5M6S` or `P3W`; each with an optional sign.

use super::Misfit;

const RULE: &str = "only durations such as 1mo2d3h4m5s6ms or P1M2DT3H4M5S fit";

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// What a unit counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Months,
    Days,
    Nanos,
}

/// Units of the short notation, longest names first, each with how much it is of its part.
const UNITS: [(&str, Part, i64); 12] = [
    ("mo", Part::Months, 1),
    ("ms", Part::Nanos, 1_000_000),
    ("us", Part::Nanos, 1_000),
    ("µs", Part::Nanos, 1_000),
    ("ns", Part::Nanos, 1),
    ("y", Part::Months, 12),
    ("w", Part::Days, 7),
    ("d", Part::Days, 1),
    ("h", Part::Nanos, 3_600 * NANOS_PER_SECOND),
    ("m", Part::Nanos, 60 * NANOS_PER_SECOND),
    ("s", Part::Nanos, NANOS_PER_SECOND),
    ("μs", Part::Nanos, 1_000),
];

#[derive(Default, Debug, PartialEq, Eq)]
struct Duration {
    months: i64,
    days: i64,
    nanos: i64,
}

pub(super) fn push(buffer: &mut Vec<u8>, text: &str) -> Result<(), Misfit> {
    let duration = parse(text).ok_or(RULE)?;
    push_signed(buffer, duration.months);
    push_signed(buffer, duration.days);
    push_signed(buffer, duration.nanos);
    Ok(())
}

/// `None` also where a part is more than it can hold.
fn parse(text: &str) -> Option<Duration> {
    let (sign, body) = match text.strip_prefix('-') {
        Some(body) => (-1, body),
        None => (1, text),
    };
    let parsed = match body.strip_prefix('P') {
        Some(iso) => parse_iso(iso)?,
        None => parse_short(&body.to_lowercase())?,
    };
    let fits = |part: i64| i32::try_from(part).is_ok();
    (fits(parsed.months) && fits(parsed.days)).then_some(Duration {
        months: sign * parsed.months,
        days: sign * parsed.days,
        nanos: sign * parsed.nanos,
    })
}

fn parse_short(text: &str) -> Option<Duration> {
    let mut duration = Duration::default();
    let mut rest = text;
    while !rest.is_empty() {
        let (count, behind) = take_number(rest)?;
        let unit = UNITS.iter().find(|(name, ..)| behind.starts_with(name));
        let (name, part, size) = *unit?;
        duration.add(part, count, size)?;
        rest = &behind[name.len()..];
    }
    (!text.is_empty()).then_some(duration)
}

fn parse_iso(text: &str) -> Option<Duration> {
    let mut duration = Duration::default();
    let (date, time) = match text.split_once('T') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let mut rest = date;
    while !rest.is_empty() {
        let (count, behind) = take_number(rest)?;
        let (part, size) = match behind.as_bytes().first()? {
            b'Y' => (Part::Months, 12),
            b'M' => (Part::Months, 1),
            b'W' => (Part::Days, 7),
            b'D' => (Part::Days, 1),
            _ => return None,
        };
        duration.add(part, count, size)?;
        rest = &behind[1..];
    }
    let mut rest = time;
    while !rest.is_empty() {
        let (count, behind) = take_number(rest)?;
        rest = behind;
        if let Some(fraction) = behind.strip_prefix('.') {
            let (nanos, behind) = take_fraction(fraction)?;
            duration.add(Part::Nanos, nanos, 1)?;
            // Only seconds have a fraction.
            if !behind.starts_with('S') {
                return None;
            }
            rest = behind;
        }
        let size = match rest.as_bytes().first()? {
            b'H' => 3_600,
            b'M' => 60,
            b'S' => 1,
            _ => return None,
        };
        duration.add(Part::Nanos, count, size * NANOS_PER_SECOND)?;
        rest = &rest[1..];
    }
    Some(duration)
}

fn take_number(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// Up to nine digits, as nanoseconds.
fn take_fraction(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    if end == 0 || end > 9 {
        return None;
    }
    Some((format!("{:0<9}", &text[..end]).parse().ok()?, &text[end..]))
}

impl Duration {
    fn add(&mut self, part: Part, count: i64, size: i64) -> Option<()> {
        let summand = count.checked_mul(size)?;
        let sum = match part {
            Part::Months => &mut self.months,
            Part::Days => &mut self.days,
            Part::Nanos => &mut self.nanos,
        };
        *sum = sum.checked_add(summand)?;
        Some(())
    }
}

/// A variable-length integer, its sign in the lowest bit.
#[expect(clippy::cast_sign_loss, reason = "the bits are meant")]
fn push_signed(buffer: &mut Vec<u8>, value: i64) {
    push_unsigned(buffer, ((value << 1) ^ (value >> 63)) as u64);
}

/// A variable-length integer: as many leading ones as there are further bytes.
pub(super) fn push_unsigned(buffer: &mut Vec<u8>, value: u64) {
    let bits = 64 - value.leading_zeros().min(63);
    // Seven bits a byte; the ninth byte has all eight.
    let further = ((bits - 1) / 7).min(8);
    let bytes = value.to_be_bytes();
    let further_bytes = &bytes[8 - further as usize..];
    if further == 8 {
        buffer.push(0xff);
    } else {
        let ones = !(0xff_u8 >> further);
        let head = bytes[7 - further as usize];
        buffer.push(ones | head);
    }
    buffer.extend_from_slice(further_bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notations() {
        let check = |text: &str, expected: Option<(i64, i64, i64)>| {
            let parsed = parse(text).map(|found| (found.months, found.days, found.nanos));
            assert_eq!(parsed, expected, "{text}");
        };
        check("1y2mo", Some((14, 0, 0)));
        check("3w4d", Some((0, 25, 0)));
        check("1h1m1s1ms1us1ns", Some((0, 0, 3_661_001_001_001)));
        check("1µs", Some((0, 0, 1_000)));
        check("-1mo2d", Some((-1, -2, 0)));
        check("P1Y2M3DT4H5M6.5S", Some((14, 3, 14_706_500_000_000)));
        check("P3W", Some((0, 21, 0)));
        check("-PT1S", Some((0, 0, -1_000_000_000)));
        check("2147483647mo", Some((2_147_483_647, 0, 0)));
        for bad in [
            "",
            "P",
            "PT",
            "1",
            "1x",
            "h",
            "P1H",
            "PT1D",
            "PT1.5H",
            "1.5h",
            "2147483648mo",
            "9999999999h",
            "P-1D",
            "1y ",
            "PT.5S",
            "PT1.1234567890S",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn variable_length_integers() {
        let check = |value: u64, expected: &[u8]| {
            let mut buffer = Vec::new();
            push_unsigned(&mut buffer, value);
            assert_eq!(buffer, expected, "{value}");
        };
        check(0, &[0]);
        check(127, &[0x7f]);
        check(128, &[0x80, 0x80]);
        check(16_383, &[0xbf, 0xff]);
        check(16_384, &[0xc0, 0x40, 0x00]);
        check(
            u64::MAX >> 8,
            &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        );
        check(u64::MAX, &[0xff; 9]);
        let mut buffer = Vec::new();
        push_signed(&mut buffer, -1);
        push_signed(&mut buffer, 1);
        assert_eq!(buffer, [1, 2]);
    }
}
