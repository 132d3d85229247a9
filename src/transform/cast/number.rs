//! Numbers, booleans and texts to numbers and booleans, by Java's rules.

use super::Target;
use crate::record::Datum;

const OUT_OF_RANGE: &str = "the value was out of range for the requested data type";

/// A number in the widest form that keeps it.
#[derive(Debug, Clone, Copy)]
enum Number<'a> {
    Integer(i64),
    Single(f32),
    Double(f64),
    /// Plain notation.
    Decimal(&'a str),
}

/// Casts anything but collections, dates and nulls.
pub(super) fn cast(value: &Datum, target: Target) -> Result<Datum, String> {
    let number = match value {
        Datum::Boolean(value) => return from_boolean(*value, target),
        Datum::String(text) => return from_text(text, target),
        Datum::Int8(value) => Number::Integer(i64::from(*value)),
        Datum::Int16(value) => Number::Integer(i64::from(*value)),
        Datum::Int32(value) => Number::Integer(i64::from(*value)),
        Datum::Int64(value) => Number::Integer(*value),
        Datum::Float32(value) => Number::Single(*value),
        Datum::Float64(value) => Number::Double(*value),
        // An integer that is too long for an int64 would lose its high digits unseen.
        Datum::Number(literal) if is_integer(literal) && !target.is_float() => {
            return Err(OUT_OF_RANGE.to_owned());
        }
        Datum::Number(literal) => Number::Double(double(literal)?),
        Datum::Decimal(plain) => Number::Decimal(plain),
        other => return Err(format!("{} cannot be cast to a number", other.kind())),
    };
    Ok(match target {
        Target::Int8 => Datum::Int8(i8::from_le_bytes([low_bytes(number)[0]])),
        Target::Int16 => {
            let bytes = low_bytes(number);
            Datum::Int16(i16::from_le_bytes([bytes[0], bytes[1]]))
        }
        Target::Int32 => Datum::Int32(i32::from_le_bytes(low_bytes(number))),
        Target::Int64 => Datum::Int64(number.long()),
        Target::Float32 => Datum::Float32(number.float()?),
        Target::Float64 => Datum::Float64(number.double()?),
        Target::Boolean => Datum::Boolean(number.long() != 0),
        Target::String => return Err("a text is no number".to_owned()),
    })
}

/// The low 32 bits of what Java's `intValue` gives.
fn low_bytes(number: Number<'_>) -> [u8; 4] {
    if let Number::Single(_) | Number::Double(_) = number {
        return number.int().to_le_bytes();
    }
    let [a, b, c, d, ..] = number.long().to_le_bytes();
    [a, b, c, d]
}

impl Number<'_> {
    /// Java's `longValue`: floats stop at the ends of the range, decimals lose their high bits.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "from a float, `as` stops at the ends of the range, as Java does"
    )]
    fn long(self) -> i64 {
        match self {
            Self::Integer(value) => value,
            Self::Single(value) => value as i64,
            Self::Double(value) => value as i64,
            Self::Decimal(plain) => whole_part(plain),
        }
    }

    /// Java's `intValue` of a float.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "from a float, `as` stops at the ends of the range, as Java does"
    )]
    fn int(self) -> i32 {
        match self {
            Self::Single(value) => value as i32,
            Self::Double(value) => value as i32,
            Self::Integer(_) | Self::Decimal(_) => 0,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "the nearest float is what is asked for"
    )]
    fn float(self) -> Result<f32, String> {
        match self {
            Self::Integer(value) => Ok(value as f32),
            Self::Single(value) => Ok(value),
            Self::Double(value) => Ok(value as f32),
            Self::Decimal(plain) => plain.parse().map_err(|_| OUT_OF_RANGE.to_owned()),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the nearest float is what is asked for"
    )]
    fn double(self) -> Result<f64, String> {
        match self {
            Self::Integer(value) => Ok(value as f64),
            Self::Single(value) => Ok(f64::from(value)),
            Self::Double(value) => Ok(value),
            Self::Decimal(plain) => plain.parse().map_err(|_| OUT_OF_RANGE.to_owned()),
        }
    }
}

/// The digits before the point, modulo 2 to the 64.
fn whole_part(plain: &str) -> i64 {
    let (negative, unsigned) = match plain.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, plain),
    };
    let whole = unsigned.split('.').next().unwrap_or_default();
    let magnitude = whole.bytes().fold(0_i64, |sum, digit| {
        sum.wrapping_mul(10)
            .wrapping_add(i64::from(digit.wrapping_sub(b'0')))
    });
    if negative {
        magnitude.wrapping_neg()
    } else {
        magnitude
    }
}

fn from_boolean(value: bool, target: Target) -> Result<Datum, String> {
    let number = i8::from(value);
    Ok(match target {
        Target::Int8 => Datum::Int8(number),
        Target::Int16 => Datum::Int16(number.into()),
        Target::Int32 => Datum::Int32(number.into()),
        Target::Int64 => Datum::Int64(number.into()),
        Target::Float32 => Datum::Float32(number.into()),
        Target::Float64 => Datum::Float64(number.into()),
        Target::Boolean => Datum::Boolean(value),
        Target::String => Datum::String(value.to_string()),
    })
}

fn from_text(text: &str, target: Target) -> Result<Datum, String> {
    let read = match target {
        Target::Int8 => text.parse().ok().map(Datum::Int8),
        Target::Int16 => text.parse().ok().map(Datum::Int16),
        Target::Int32 => text.parse().ok().map(Datum::Int32),
        Target::Int64 => text.parse().ok().map(Datum::Int64),
        Target::Float32 => float_text(text).and_then(|text| text.parse().ok().map(Datum::Float32)),
        Target::Float64 => float_text(text).and_then(|text| text.parse().ok().map(Datum::Float64)),
        Target::Boolean => Some(Datum::Boolean(text.eq_ignore_ascii_case("true"))),
        Target::String => Some(Datum::String(text.to_owned())),
    };
    read.ok_or_else(|| OUT_OF_RANGE.to_owned())
}

/// What Java reads as a float, without what only Java reads; hexadecimal floats are refused.
fn float_text(text: &str) -> Option<&str> {
    let text = text.trim_matches(|character: char| character <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return Some(text);
    }
    let text = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = |byte: u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    (unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && unsigned.bytes().all(is_number))
    .then_some(text)
}

/// A literal without point and exponent.
pub(super) fn is_integer(literal: &str) -> bool {
    literal
        .bytes()
        .all(|byte| byte == b'-' || byte.is_ascii_digit())
}

/// The nearest double of a literal.
pub(super) fn double(literal: &str) -> Result<f64, String> {
    literal.parse().map_err(|_| OUT_OF_RANGE.to_owned())
}

impl Target {
    fn is_float(self) -> bool {
        matches!(self, Self::Float32 | Self::Float64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrows_as_java_does() {
        let check = |value: Datum, target, expected: Option<Datum>| {
            assert_eq!(cast(&value, target).ok(), expected, "{value:?}");
        };
        let double = Datum::Float64;
        check(Datum::Int64(300), Target::Int8, Some(Datum::Int8(44)));
        check(double(1e20), Target::Int64, Some(Datum::Int64(i64::MAX)));
        check(double(1e20), Target::Int16, Some(Datum::Int16(-1)));
        check(double(-1.9), Target::Int32, Some(Datum::Int32(-1)));
        check(double(f64::NAN), Target::Int32, Some(Datum::Int32(0)));
        check(double(0.5), Target::Boolean, Some(Datum::Boolean(false)));
        let decimal = Datum::Decimal("18446744073709551617.9".into());
        check(decimal, Target::Int64, Some(Datum::Int64(1)));
        check(
            Datum::String("+5".into()),
            Target::Int8,
            Some(Datum::Int8(5)),
        );
        check(Datum::String("128".into()), Target::Int8, None);
        check(
            Datum::String(" 1.5f ".into()),
            Target::Float64,
            Some(double(1.5)),
        );
        check(Datum::String("inf".into()), Target::Float64, None);
        check(
            Datum::String("TRUE".into()),
            Target::Boolean,
            Some(Datum::Boolean(true)),
        );
        check(
            Datum::Boolean(true),
            Target::Float32,
            Some(Datum::Float32(1.0)),
        );
        check(Datum::Bytes(vec![1]), Target::Int8, None);
        let long = Datum::Number("92233720368547758070".into());
        check(long, Target::Int64, None);
    }
}
