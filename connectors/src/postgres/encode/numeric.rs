//! `numeric`: digits to base 10,000.
//!
//! A number is `sum(digit[i] * 10000^(weight - i))`. Before the digits stand their count, the
//! weight of the first, the sign and the display scale, each in two bytes. Zeros at both ends are
//! left out, so zero has no digits; the scale alone keeps `1.50` apart from `1.5`.

use bytes::{BufMut, BytesMut};

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xC000;
/// Since PostgreSQL 14.
const POSITIVE_INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;
/// Decimal digits per digit on the wire.
const GROUP: usize = 4;
/// Most decimal digits after the point that PostgreSQL keeps.
const SCALE_MAX: usize = 16_383;
/// Most decimal digits before the point that PostgreSQL keeps.
const WHOLE_DIGITS_MAX: usize = 131_072;

const NOT_DECIMAL: &str = "not a decimal number in plain notation";
const OUT_OF_RANGE: &str = "number with more digits than the column's type can hold";

/// Appends the number with its length, from `-?digits[.digits]`, `NaN` or `-?Infinity`.
pub(super) fn put_numeric(buffer: &mut BytesMut, plain: &[u8]) -> Result<(), &'static str> {
    let special = match plain {
        b"NaN" => Some(NOT_A_NUMBER),
        b"Infinity" => Some(POSITIVE_INFINITY),
        b"-Infinity" => Some(NEGATIVE_INFINITY),
        _ => None,
    };
    if let Some(sign) = special {
        put_without_digits(buffer, sign, 0);
        return Ok(());
    }
    let (sign, digits) = match plain.strip_prefix(b"-") {
        Some(digits) => (NEGATIVE, digits),
        None => (POSITIVE, plain),
    };
    let (whole, fraction) = match digits.iter().position(|byte| *byte == b'.') {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &[][..]),
    };
    let is_plain = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    if whole.is_empty() && fraction.is_empty() || !is_plain(whole) || !is_plain(fraction) {
        return Err(NOT_DECIMAL);
    }
    put_digits(buffer, sign, trim_leading_zeros(whole), fraction)
}

fn put_digits(
    buffer: &mut BytesMut,
    sign: u16,
    whole: &[u8],
    fraction: &[u8],
) -> Result<(), &'static str> {
    if whole.len() > WHOLE_DIGITS_MAX || fraction.len() > SCALE_MAX {
        return Err(OUT_OF_RANGE);
    }
    let scale = u16::try_from(fraction.len()).map_err(|_| OUT_OF_RANGE)?;
    let whole_groups = whole.len().div_ceil(GROUP);
    let group_count = whole_groups + fraction.len().div_ceil(GROUP);
    let group = |index| group_at(whole, whole_groups, fraction, index);
    let Some(first) = (0..group_count).find(|index| group(*index) != 0) else {
        put_without_digits(buffer, POSITIVE, scale);
        return Ok(());
    };
    let end = (first..group_count)
        .rfind(|index| group(*index) != 0)
        .map_or(group_count, |last| last + 1);
    let places = |count: usize| i16::try_from(count).map_err(|_| OUT_OF_RANGE);
    let weight = places(whole_groups)? - places(first)? - 1;
    let digit_count = places(end - first)?;
    buffer.reserve(4 + 8 + 2 * (end - first));
    buffer.put_i32(8 + 2 * i32::from(digit_count));
    buffer.put_i16(digit_count);
    buffer.put_i16(weight);
    buffer.put_u16(sign);
    buffer.put_u16(scale);
    for index in first..end {
        buffer.put_u16(group(index));
    }
    Ok(())
}

/// A number without digits.
fn put_without_digits(buffer: &mut BytesMut, sign: u16, scale: u16) {
    buffer.put_i32(8);
    buffer.put_i16(0);
    buffer.put_i16(0);
    buffer.put_u16(sign);
    buffer.put_u16(scale);
}

/// The first whole group may be short, the last one of the fraction is filled up with zeros.
fn group_at(whole: &[u8], whole_groups: usize, fraction: &[u8], index: usize) -> u16 {
    let value = |digits: &[u8]| {
        let digits = digits.iter();
        digits.fold(0, |value, digit| value * 10 + u16::from(digit - b'0'))
    };
    if index < whole_groups {
        let end = whole.len() - (whole_groups - 1 - index) * GROUP;
        return value(&whole[end.saturating_sub(GROUP)..end]);
    }
    let start = (index - whole_groups) * GROUP;
    let end = fraction.len().min(start + GROUP);
    let filled = value(&fraction[start..end]);
    (end..start + GROUP).fold(filled, |value, _| value * 10)
}

fn trim_leading_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    &digits[zeros..]
}
