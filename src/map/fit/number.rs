//! Booleans and numbers.

use std::borrow::Cow;

use rowdock_connectors::Cell;

use super::{Fitted, Misfit};
use crate::decimal;
use crate::record::Value;

/// Digits of the greatest unsigned 64-bit integer.
const UINT64_DIGITS: u32 = 20;

/// Databases without booleans hold 0 and 1 for them, and their change events say so.
pub(super) fn boolean<'v>(value: &Value<'_>) -> Result<Fitted<'v>, Misfit> {
    let truth = match value {
        Value::Bool(value) => Some(*value),
        Value::Number("0") | Value::Int(0) => Some(false),
        Value::Number("1") | Value::Int(1) => Some(true),
        _ => None,
    };
    match truth {
        Some(truth) => Ok(Fitted::Cell(Cell::Bool(truth))),
        None => Err("only true and false, or the numbers 1 and 0, fit".into()),
    }
}

pub(super) fn integer<'v>(value: &Value<'_>, low: i64, high: i64) -> Result<Fitted<'v>, Misfit> {
    let number = match value {
        Value::Number(text) => match text.parse::<i64>() {
            Ok(number) => number,
            Err(_) => integral(text)?,
        },
        Value::Int(number) => *number,
        Value::Decimal(text) => integral(text)?,
        Value::Float32(number) => integral(&number.to_string())?,
        Value::Float64(number) => integral(&number.to_string())?,
        Value::Bool(value) => i64::from(*value),
        _ => return Err("only whole numbers fit".into()),
    };
    if !(low..=high).contains(&number) {
        return Err("the number is out of the column's range".into());
    }
    Ok(Fitted::Cell(Cell::Int(number)))
}

/// `1.0` and `1e3` are whole numbers too.
fn integral(text: &str) -> Result<i64, Misfit> {
    let plain = decimal::plain(text).ok_or("only whole numbers fit")?;
    if decimal::significant_scale(&plain) > 0 {
        return Err("the number has a fraction".into());
    }
    let whole = plain.split_once('.').map_or(&*plain, |(whole, _)| whole);
    whole
        .parse::<i64>()
        .map_err(|_| "the number is out of the column's range".into())
}

pub(super) fn unsigned<'v>(value: &'v Value<'_>) -> Result<Fitted<'v>, Misfit> {
    const OUT_OF_RANGE: &str = "the number is out of the column's range";
    if let Value::Bool(value) = value {
        return Ok(Fitted::Cell(Cell::Decimal(if *value { "1" } else { "0" })));
    }
    let fitted = exact(value, Some(UINT64_DIGITS), Some(0))?;
    if let Cell::Decimal(plain) = fitted.cell() {
        let whole = plain.split_once('.').map_or(plain, |(whole, _)| whole);
        if whole != "-0" && whole.parse::<u64>().is_err() {
            return Err(OUT_OF_RANGE.into());
        }
    }
    Ok(fitted)
}

pub(super) fn float<'v>(value: &Value<'_>, max: f64) -> Result<Fitted<'v>, Misfit> {
    let number = match value {
        Value::Number(text) => text.parse::<f64>().ok(),
        Value::Decimal(text) => text.parse::<f64>().ok(),
        Value::Int(number) => number.to_string().parse::<f64>().ok(),
        Value::Float32(number) if !number.is_finite() => {
            return Ok(Fitted::Cell(Cell::Float(f64::from(*number))));
        }
        Value::Float64(number) if !number.is_finite() => {
            return Ok(Fitted::Cell(Cell::Float(*number)));
        }
        Value::Float32(number) => Some(f64::from(*number)),
        Value::Float64(number) => Some(*number),
        Value::Text(text) => match &**text {
            "NaN" => return Ok(Fitted::Cell(Cell::Float(f64::NAN))),
            "Infinity" => return Ok(Fitted::Cell(Cell::Float(f64::INFINITY))),
            "-Infinity" => return Ok(Fitted::Cell(Cell::Float(f64::NEG_INFINITY))),
            _ => None,
        },
        _ => None,
    };
    match number {
        Some(number) if number.abs() <= max => Ok(Fitted::Cell(Cell::Float(number))),
        Some(_) => Err("the number is out of the column's range".into()),
        None => Err("only numbers fit".into()),
    }
}

pub(super) fn exact<'v>(
    value: &'v Value<'_>,
    precision: Option<u32>,
    scale: Option<u32>,
) -> Result<Fitted<'v>, Misfit> {
    if let Some(word) = not_finite(value) {
        let is_bounded = precision.is_some() || scale.is_some();
        return match word {
            "NaN" => Ok(Fitted::Cell(Cell::Decimal(word))),
            _ if is_bounded => Err("infinity fits no column with a precision".into()),
            _ => Ok(Fitted::Cell(Cell::Decimal(word))),
        };
    }
    let plain = match value {
        Value::Number(text) => decimal::plain(text),
        Value::Decimal(text) => decimal::plain(text),
        Value::Text(text) => decimal::plain(text),
        Value::Int(number) => Some(Cow::Owned(number.to_string())),
        // The shortest decimal that reads back as the same float.
        Value::Float32(number) => Some(Cow::Owned(number.to_string())),
        Value::Float64(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
    .ok_or("only decimal numbers fit")?;
    if let Some(precision) = precision {
        let scale = scale.unwrap_or(0);
        if decimal::significant_scale(&plain) > scale as usize {
            return Err(format!("the number has more than {scale} digits after the point").into());
        }
        let whole_max = precision.saturating_sub(scale);
        if decimal::whole_digits(&plain) > whole_max as usize {
            return Err(
                format!("the number has more than {whole_max} digits before the point").into(),
            );
        }
    }
    Ok(match plain {
        Cow::Borrowed(plain) => Fitted::Cell(Cell::Decimal(plain)),
        Cow::Owned(plain) => Fitted::Decimal(plain),
    })
}

/// NaN and the infinities, as floats and as the texts that stand for them in JSON. Not every database has
/// them among its decimals; those that have not refuse them.
fn not_finite(value: &Value<'_>) -> Option<&'static str> {
    let float = match value {
        Value::Float32(number) => f64::from(*number),
        Value::Float64(number) => *number,
        Value::Text(text) => match &**text {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            _ => return None,
        },
        _ => return None,
    };
    match float {
        _ if float.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, number, words};
    use super::*;
    use proptest::prelude::*;
    use rowdock_connectors::ColumnType;

    #[test]
    fn integers() {
        let int = |value| Some(Cell::Int(value));
        check(&number("32767"), &ColumnType::Int16, int(32767));
        check(&number("32768"), &ColumnType::Int16, None);
        check(
            &number("-2147483648"),
            &ColumnType::Int32,
            int(-2_147_483_648),
        );
        check(
            &number("9223372036854775807"),
            &ColumnType::Int64,
            int(i64::MAX),
        );
        check(
            &number("-9223372036854775808"),
            &ColumnType::Int64,
            int(i64::MIN),
        );
        check(&number("9223372036854775808"), &ColumnType::Int64, None);
        check(
            &number("9007199254740993.0"),
            &ColumnType::Int64,
            int(9_007_199_254_740_993),
        );
        check(&number("1e3"), &ColumnType::Int64, int(1000));
        check(&number("1.5"), &ColumnType::Int64, None);
        check(&words("1"), &ColumnType::Int64, None);
        let byte = ColumnType::IntRange { low: 0, high: 255 };
        check(&number("255"), &byte, int(255));
        check(&number("256"), &byte, None);
        check(&Value::Int(-1), &byte, None);
        check(&Value::Bool(true), &byte, int(1));
    }

    #[test]
    fn booleans_are_zero_and_one_both_ways() {
        let truth = |value| Some(Cell::Bool(value));
        check(&Value::Bool(true), &ColumnType::Bool, truth(true));
        check(&number("1"), &ColumnType::Bool, truth(true));
        check(&Value::Int(0), &ColumnType::Bool, truth(false));
        check(&number("2"), &ColumnType::Bool, None);
        check(&words("true"), &ColumnType::Bool, None);
        for column in [ColumnType::Int16, ColumnType::Int64] {
            check(&Value::Bool(true), &column, Some(Cell::Int(1)));
            check(&Value::Bool(false), &column, Some(Cell::Int(0)));
        }
        check(&Value::Bool(true), &ColumnType::Float64, None);
    }

    #[test]
    fn unsigned_integers_of_64_bits() {
        let check = |value: &Value<'_>, expected: Option<&str>| {
            check(value, &ColumnType::UInt64, expected.map(Cell::Decimal));
        };
        check(
            &number("18446744073709551615"),
            Some("18446744073709551615"),
        );
        check(&number("18446744073709551616"), None);
        check(&Value::Int(i64::MAX), Some("9223372036854775807"));
        check(&number("-1"), None);
        check(&number("1.5"), None);
        check(&words("NaN"), None);
        check(&Value::Float64(f64::NAN), None);
        check(&Value::Float64(f64::INFINITY), None);
        check(&Value::Bool(true), Some("1"));
    }

    #[test]
    fn floats() {
        let float = |value| Some(Cell::Float(value));
        check(&number("1.5"), &ColumnType::Float64, float(1.5));
        check(&number("1e400"), &ColumnType::Float64, None);
        check(&number("1e39"), &ColumnType::Float32, None);
        check(&number("5e-324"), &ColumnType::Float64, float(5e-324));
        check(
            &words("-Infinity"),
            &ColumnType::Float64,
            float(f64::NEG_INFINITY),
        );
        check(
            &Value::Float32(f32::INFINITY),
            &ColumnType::Float32,
            float(f64::INFINITY),
        );
        check(&words("1.5"), &ColumnType::Float64, None);
    }

    #[test]
    fn decimals_keep_their_scale_and_are_never_rounded() {
        let money = ColumnType::Decimal {
            precision: Some(6),
            scale: Some(2),
        };
        let decimal = |text| Some(Cell::Decimal(text));
        check(&number("1234.50"), &money, decimal("1234.50"));
        check(&number("1234.500"), &money, decimal("1234.500"));
        check(&number("1234.505"), &money, None);
        check(&number("12345"), &money, None);
        check(&words("0.10"), &money, decimal("0.10"));
        check(&words("ten"), &money, None);
        let unbounded = ColumnType::Decimal {
            precision: None,
            scale: None,
        };
        let long = "123456789012345678901234567890.123456789";
        check(&number(long), &unbounded, decimal(long));
        check(&number("1e2"), &unbounded, decimal("100"));
        for column in [&unbounded, &money] {
            check(&words("NaN"), column, decimal("NaN"));
            check(&Value::Float64(f64::NAN), column, decimal("NaN"));
            check(&Value::Float32(-f32::NAN), column, decimal("NaN"));
        }
        let infinite = [
            (Value::Float64(f64::INFINITY), "Infinity"),
            (Value::Float32(f32::NEG_INFINITY), "-Infinity"),
            (words("Infinity"), "Infinity"),
            (words("-Infinity"), "-Infinity"),
        ];
        for (value, word) in infinite {
            check(&value, &unbounded, decimal(word));
            check(&value, &money, None);
        }
        check(&words("infinite"), &unbounded, None);
        let widest = ColumnType::Decimal {
            precision: Some(65),
            scale: Some(30),
        };
        let digits = format!("-{}.{}", "9".repeat(35), "8".repeat(30));
        check(&number(&digits), &widest, decimal(&digits));
        let longer = format!("1{}", "0".repeat(35));
        check(&number(&longer), &widest, None);
    }

    proptest! {
        #[test]
        fn integers_survive_exactly(value: i64) {
            let text = value.to_string();
            let number = Value::Number(&text);
            prop_assert_eq!(integer(&number, i64::MIN, i64::MAX), Ok(Fitted::Cell(Cell::Int(value))));
        }
    }
}
