//! Whole numbers, floats and decimals.

use scylla::frame::response::result::NativeType;

use super::Misfit;

/// Digits of a `varint` or `decimal`. Cassandra has no limit; converting takes time with the square of
/// their number.
const DIGITS_MAX: usize = 5_000;

/// Decimal digits that are converted at a time.
const CHUNK_DIGITS: usize = 9;
const CHUNK: u64 = 1_000_000_000;

pub(super) fn push_integer(
    buffer: &mut Vec<u8>,
    value: i64,
    native: &NativeType,
) -> Result<(), Misfit> {
    const OUT_OF_RANGE: &str = "the number is out of the type's range";
    match native {
        NativeType::TinyInt => {
            let value = i8::try_from(value).map_err(|_| OUT_OF_RANGE)?;
            buffer.extend_from_slice(&value.to_be_bytes());
        }
        NativeType::SmallInt => {
            let value = i16::try_from(value).map_err(|_| OUT_OF_RANGE)?;
            buffer.extend_from_slice(&value.to_be_bytes());
        }
        NativeType::Int => {
            let value = i32::try_from(value).map_err(|_| OUT_OF_RANGE)?;
            buffer.extend_from_slice(&value.to_be_bytes());
        }
        _ => buffer.extend_from_slice(&value.to_be_bytes()),
    }
    Ok(())
}

/// The nearest single; mapping has checked the range.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what is meant")]
pub(super) fn push_float32(buffer: &mut Vec<u8>, value: f64) {
    buffer.extend_from_slice(&(value as f32).to_be_bytes());
}

/// A whole number: as few bytes of its two's complement as hold it.
pub(super) fn push_varint(buffer: &mut Vec<u8>, digits: &str) -> Result<(), Misfit> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.bytes().any(|digit| digit != b'0') {
        return Err("the number has a fraction".into());
    }
    push_unscaled(buffer, whole, "")
}

/// The scale, then the number without its point.
pub(super) fn push_decimal(buffer: &mut Vec<u8>, digits: &str) -> Result<(), Misfit> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = i32::try_from(fraction.len()).map_err(|_| "too many digits")?;
    buffer.extend_from_slice(&scale.to_be_bytes());
    push_unscaled(buffer, whole, fraction)
}

/// `whole` with `fraction` behind it, as one whole number.
fn push_unscaled(buffer: &mut Vec<u8>, whole: &str, fraction: &str) -> Result<(), Misfit> {
    let (is_negative, whole) = match whole.strip_prefix('-') {
        Some(whole) => (true, whole),
        None => (false, whole),
    };
    let count = whole.len() + fraction.len();
    let digits = || whole.bytes().chain(fraction.bytes());
    if count == 0 || !digits().all(|digit| digit.is_ascii_digit()) {
        return Err("only decimal numbers in plain notation fit".into());
    }
    if count > DIGITS_MAX {
        return Err(format!("the number has more than {DIGITS_MAX} digits").into());
    }
    let words = magnitude(digits(), count);
    let mut bytes: Vec<u8> = words
        .iter()
        .rev()
        .flat_map(|word| word.to_be_bytes())
        .collect();
    if is_negative {
        negate(&mut bytes);
    }
    buffer.extend_from_slice(shortest(&bytes));
    Ok(())
}

/// Little-endian words of a number, with room for a sign.
fn magnitude(digits: impl Iterator<Item = u8>, count: usize) -> Vec<u32> {
    let mut words: Vec<u32> = Vec::with_capacity(count / CHUNK_DIGITS + 2);
    let mut chunk = 0_u64;
    let mut factor = 1_u64;
    for digit in digits {
        chunk = chunk * 10 + u64::from(digit - b'0');
        factor *= 10;
        if factor == CHUNK {
            multiply_and_add(&mut words, factor, chunk);
            (chunk, factor) = (0, 1);
        }
    }
    multiply_and_add(&mut words, factor, chunk);
    words.push(0);
    words
}

fn multiply_and_add(words: &mut Vec<u32>, factor: u64, summand: u64) {
    const WORD_MASK: u64 = 0xffff_ffff;
    let mut carry = summand;
    for word in words.iter_mut() {
        let product = u64::from(*word) * factor + carry;
        *word = u32::try_from(product & WORD_MASK).unwrap_or_default();
        carry = product >> 32;
    }
    if carry > 0 {
        words.push(u32::try_from(carry).unwrap_or_default());
    }
}

fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes.iter_mut().rev() {
        let (negated, overflowed) = (!*byte).overflowing_add(u8::from(carry));
        *byte = negated;
        carry = overflowed;
    }
}

/// Without leading bytes that only repeat the sign.
fn shortest(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [first, second, ..] = rest {
        let sign = second & 0x80;
        let repeats = (*first == 0 && sign == 0) || (*first == 0xff && sign != 0);
        if !repeats {
            break;
        }
        rest = &rest[1..];
    }
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn varint(digits: &str) -> Result<Vec<u8>, Misfit> {
        let mut buffer = Vec::new();
        push_varint(&mut buffer, digits).map(|()| buffer)
    }

    #[test]
    fn varints_are_as_short_as_they_can_be() {
        let check = |digits: &str, expected: &[u8]| {
            assert_eq!(varint(digits).unwrap(), expected, "{digits}");
        };
        check("0", &[0]);
        check("-0", &[0]);
        check("1", &[1]);
        check("127", &[0x7f]);
        check("128", &[0x00, 0x80]);
        check("-1", &[0xff]);
        check("-128", &[0x80]);
        check("-129", &[0xff, 0x7f]);
        check("000000000000000000000000001", &[1]);
        check("42.000", &[42]);
        check("18446744073709551616", &[1, 0, 0, 0, 0, 0, 0, 0, 0]);
        for bad in ["", "-", "1.5", "1e3", "NaN", "+1", "１"] {
            assert!(varint(bad).is_err(), "{bad}");
        }
        assert!(varint(&"9".repeat(DIGITS_MAX)).is_ok());
        assert!(varint(&"9".repeat(DIGITS_MAX + 1)).is_err());
    }

    #[test]
    fn decimals_keep_their_scale() {
        let check = |digits: &str, expected: &[u8]| {
            let mut buffer = Vec::new();
            push_decimal(&mut buffer, digits).unwrap();
            assert_eq!(buffer, expected, "{digits}");
        };
        check("1.50", &[0, 0, 0, 2, 0, 150]);
        check("-0.01", &[0, 0, 0, 2, 0xff]);
        check("7", &[0, 0, 0, 0, 7]);
    }

    proptest! {
        #[test]
        fn varints_are_twos_complement(value in any::<i128>()) {
            let bytes = varint(&value.to_string()).unwrap();
            let fill = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
            let mut whole = [fill; 16];
            whole[16 - bytes.len()..].copy_from_slice(&bytes);
            prop_assert_eq!(i128::from_be_bytes(whole), value);
            prop_assert!(bytes.len() == 1 || shortest(&bytes).len() == bytes.len());
        }
    }
}
