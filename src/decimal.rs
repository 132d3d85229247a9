//! Exact decimals as text in plain notation: `-?digits[.digits]`, without exponent.
//!
//! A decimal crosses the whole program as text, since no fixed-width number holds what producers
//! write and databases keep, and since every database takes it as text or digits.

use std::borrow::Cow;

/// Longest plain notation made from an exponent: `1e99999999` must not become a hundred megabytes.
const PLAIN_DIGITS_MAX: usize = 20_000;

/// Brings a JSON number, or a text that is one, to plain notation; the scale is kept.
/// `None` when it is no number, or when its plain notation would be absurdly long.
pub fn plain(text: &str) -> Option<Cow<'_, str>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let negative = text.starts_with('-');
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || mantissa.ends_with('.') {
        return None;
    }
    let Some(exponent) = exponent else {
        return Some(match text.strip_prefix('+') {
            Some(unsigned) => Cow::Borrowed(unsigned),
            None => Cow::Borrowed(text),
        });
    };
    let exponent: i64 = exponent.parse().ok()?;
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
    shift_point(&format!("{whole}{fraction}"), point, negative).map(Cow::Owned)
}

/// Digits after the point that are not trailing zeros.
pub fn significant_scale(plain: &str) -> usize {
    plain
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.trim_end_matches('0').len())
}

/// Digits before the point, leading zeros left out.
pub fn whole_digits(plain: &str) -> usize {
    let unsigned = plain.strip_prefix('-').unwrap_or(plain);
    let whole = unsigned
        .split_once('.')
        .map_or(unsigned, |(whole, _)| whole);
    whole.trim_start_matches('0').len()
}

/// Bytes of a decimal: about ten thousand digits. Turning them into text takes time that grows with
/// their square.
const UNSCALED_BYTES_MAX: usize = 4_096;

/// Digits that a decimal may have after its point, or zeros before it.
const SCALE_MAX: i64 = 16_383;

/// A big-endian two's-complement integer divided by 10 to the `scale`: Java's `BigDecimal` on the
/// wire.
///
/// # Errors
/// When it is absurdly long.
pub fn from_unscaled(bytes: &[u8], scale: i64) -> Result<String, &'static str> {
    let mut text = String::new();
    push_unscaled(&mut text, bytes, scale)?;
    Ok(text)
}

/// The same, appended.
///
/// # Errors
/// As [`from_unscaled`].
pub fn push_unscaled(out: &mut String, bytes: &[u8], scale: i64) -> Result<(), &'static str> {
    const FAULT: &str = "a decimal with an absurd scale";
    if !(-SCALE_MAX..=SCALE_MAX).contains(&scale) {
        return Err(FAULT);
    }
    if bytes.len() > UNSCALED_BYTES_MAX {
        return Err("a decimal of more digits than any database keeps");
    }
    let start = out.len();
    push_fraction(out, bytes, usize::try_from(scale).unwrap_or(0));
    if scale < 0 && out.get(start..) != Some("0") {
        let zeros = usize::try_from(-scale).map_err(|_| FAULT)?;
        out.extend(std::iter::repeat_n('0', zeros));
    }
    Ok(())
}

fn push_fraction(out: &mut String, bytes: &[u8], scale: usize) {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let digits = match small_magnitude(bytes) {
        Some(magnitude) => magnitude.to_string(),
        None => {
            let mut magnitude = bytes.to_vec();
            if negative {
                negate(&mut magnitude);
            }
            decimal_digits(&magnitude)
        }
    };
    if negative {
        out.push('-');
    }
    let zeros = (scale + 1).saturating_sub(digits.len());
    out.extend(std::iter::repeat_n('0', zeros.min(1)));
    if scale == 0 {
        out.push_str(&digits);
        return;
    }
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    out.push_str(whole);
    out.push('.');
    out.extend(std::iter::repeat_n('0', zeros.saturating_sub(1)));
    out.push_str(fraction);
}

/// Nearly all decimals fit into 64 bits.
fn small_magnitude(bytes: &[u8]) -> Option<u64> {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    let start = wide.len().checked_sub(bytes.len())?;
    wide[start..].copy_from_slice(bytes);
    Some(i64::from_be_bytes(wide).unsigned_abs())
}

fn shift_point(digits: &str, point: i64, negative: bool) -> Option<String> {
    let length = i64::try_from(digits.len()).ok()?;
    let longest = point.max(length).checked_sub(point.min(0))?;
    if longest > i64::try_from(PLAIN_DIGITS_MAX).ok()? {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    Some(if point <= 0 {
        format!("{sign}0.{}{digits}", zeros(-point))
    } else if point >= length {
        let whole = format!("{digits}{}", zeros(point - length));
        format!("{sign}{}", trim_leading_zeros(&whole))
    } else {
        let (whole, fraction) = digits.split_at(usize::try_from(point).ok()?);
        format!("{sign}{}.{fraction}", trim_leading_zeros(whole))
    })
}

fn trim_leading_zeros(digits: &str) -> &str {
    let trimmed = digits.trim_start_matches('0');
    if trimmed.is_empty() { "0" } else { trimmed }
}

fn negate(big_endian: &mut [u8]) {
    let mut carry = true;
    for byte in big_endian.iter_mut().rev() {
        let (sum, overflow) = (!*byte).overflowing_add(u8::from(carry));
        *byte = sum;
        carry = overflow;
    }
}

/// Repeated division by 10^9; quadratic, but decimals on the wire are short.
fn decimal_digits(magnitude: &[u8]) -> String {
    const CHUNK: u64 = 1_000_000_000;
    let mut chunks: Vec<u64> = Vec::new();
    for byte in magnitude {
        let mut carry = u64::from(*byte);
        for chunk in &mut chunks {
            let value = *chunk * 256 + carry;
            *chunk = value % CHUNK;
            carry = value / CHUNK;
        }
        if carry > 0 {
            chunks.push(carry);
        }
    }
    let mut chunks = chunks.iter().rev();
    let Some(first) = chunks.next() else {
        return "0".to_owned();
    };
    let mut digits = first.to_string();
    for chunk in chunks {
        digits.push_str(&format!("{chunk:09}"));
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_notation() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(plain(text).as_deref(), expected, "{text}");
        };
        check("1.50", Some("1.50"));
        check("-0.0", Some("-0.0"));
        check("+7", Some("7"));
        check("1e3", Some("1000"));
        check("1.5E-3", Some("0.0015"));
        check("12.345e1", Some("123.45"));
        check("-2.5e+1", Some("-25"));
        check("0e5", Some("0"));
        check("0.05e1", Some("0.5"));
        check("1e99999999", None);
        check("1e-99999999", None);
        check("", None);
        check("-", None);
        check("1.", None);
        check(".5", None);
        check("1e", None);
        check("0x10", None);
        check("1 ", None);
        check("NaN", None);
    }

    #[test]
    fn unscaled_bytes() {
        let check = |bytes: &[u8], scale, expected: &str| {
            assert_eq!(from_unscaled(bytes, scale).unwrap(), expected, "{bytes:?}");
        };
        check(&[], 0, "0");
        check(&[0], 2, "0.00");
        check(&[0x04, 0xD2], 2, "12.34");
        check(&[0xFF], 2, "-0.01");
        check(&[0x80], 0, "-128");
        check(&[5], 3, "0.005");
        check(&[0x80, 0, 0, 0, 0, 0, 0, 0], 1, "-922337203685477580.8");
        check(&[0; 9], 1, "0.0");
        check(&[0x01, 0, 0, 0, 0, 0, 0, 0, 0], 0, "18446744073709551616");
        check(&[7], -2, "700");
        check(&[0], -2, "0");
        assert!(from_unscaled(&[7; UNSCALED_BYTES_MAX], SCALE_MAX).is_ok());
        assert!(from_unscaled(&[7; UNSCALED_BYTES_MAX + 1], 0).is_err());
        assert!(from_unscaled(&[7], SCALE_MAX + 1).is_err());
        assert!(from_unscaled(&[7], i64::MIN).is_err());
    }

    #[test]
    fn counts_digits() {
        assert_eq!(significant_scale("1.2300"), 2);
        assert_eq!(significant_scale("100"), 0);
        assert_eq!(whole_digits("-0012.5"), 2);
        assert_eq!(whole_digits("0.5"), 0);
    }

    proptest! {
        #[test]
        fn unscaled_agrees_with_i128(number: i128) {
            prop_assert_eq!(from_unscaled(&number.to_be_bytes(), 0), Ok(number.to_string()));
        }

        #[test]
        fn scales_agree_with_padding(number: i64, scale in 0_i64..30) {
            let digits_after = usize::try_from(scale).unwrap();
            let width = digits_after + 1;
            let digits = format!("{:0>width$}", number.unsigned_abs());
            let (whole, fraction) = digits.split_at(digits.len() - digits_after);
            let sign = if number < 0 { "-" } else { "" };
            let point = if scale == 0 { "" } else { "." };
            let expected = format!("{sign}{whole}{point}{fraction}");
            prop_assert_eq!(from_unscaled(&number.to_be_bytes(), scale), Ok(expected.clone()));
            prop_assert_eq!(from_unscaled(&i128::from(number).to_be_bytes(), scale), Ok(expected));
        }

        #[test]
        fn plain_never_panics(text in "[-+0-9.eE]{0,12}") {
            prop_assert!(plain(&text).is_none_or(|plain| !plain.contains('e')));
        }
    }
}
