//! Binary digits.

use super::Misfit;
use crate::record::Value;

/// The digits of a value, the most significant first. Numbers and booleans count as what they are in
/// binary; bytes are little-endian, as Debezium's `Bits` are.
pub(super) fn bits(
    value: &Value<'_>,
    length: Option<u32>,
    varying: bool,
) -> Result<String, Misfit> {
    const RULE: &str = "only binary digits as text, whole numbers and bytes fit";
    let is_text = matches!(value, Value::Text(_));
    let digits = match value {
        Value::Bool(value) => u64::from(*value).to_string(),
        Value::Int(number) => binary(u64::try_from(*number).ok())?,
        Value::Number(text) => binary(text.parse().ok())?,
        Value::Decimal(text) => binary(text.parse().ok())?,
        Value::Bytes(bytes) => bytes
            .iter()
            .rev()
            .map(|byte| format!("{byte:08b}"))
            .collect(),
        Value::Text(text) if text.bytes().all(|digit| matches!(digit, b'0' | b'1')) => {
            text.to_string()
        }
        _ => return Err(RULE.into()),
    };
    let Some(length) = length.map(|length| length as usize) else {
        return Ok(digits);
    };
    let significant = digits.trim_start_matches('0');
    let is_misfit = match (is_text, varying) {
        (true, false) => digits.len() != length,
        (true, true) => digits.len() > length,
        (false, _) => significant.len() > length,
    };
    if is_misfit {
        let rule = if is_text && !varying {
            "exactly"
        } else {
            "at most"
        };
        return Err(format!("the column holds {rule} {length} bits").into());
    }
    if is_text || (varying && digits.len() <= length) {
        return Ok(digits);
    }
    Ok(format!("{significant:0>length$}"))
}

fn binary(number: Option<u64>) -> Result<String, Misfit> {
    match number {
        Some(number) => Ok(format!("{number:b}")),
        None => Err("the number is negative, has a fraction or has more than 64 bits".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{number, words};
    use super::*;

    #[test]
    fn digits_of_every_kind_of_value() {
        let check = |value: &Value<'_>, length, varying, expected: Option<&str>| {
            let found = bits(value, length, varying).ok();
            assert_eq!(found.as_deref(), expected, "{value:?} {length:?} {varying}");
        };
        check(&words("101"), Some(3), false, Some("101"));
        check(&words("101"), Some(4), false, None);
        check(&words("101"), Some(4), true, Some("101"));
        check(&words("10101"), Some(4), true, None);
        check(&words(""), None, true, Some(""));
        check(&words("102"), None, true, None);
        check(&number("5"), Some(4), false, Some("0101"));
        check(&number("16"), Some(4), false, None);
        check(&number("-1"), Some(4), false, None);
        check(
            &number("18446744073709551615"),
            Some(64),
            false,
            Some(&"1".repeat(64)),
        );
        check(&Value::Int(0), Some(3), true, Some("0"));
        check(&Value::Bool(true), Some(1), false, Some("1"));
        let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec().into());
        check(&bytes(&[0b101, 1]), Some(9), false, Some("100000101"));
        check(&bytes(&[0b101, 2]), Some(9), false, None);
        check(
            &bytes(&[0b101]),
            Some(20),
            false,
            Some("00000000000000000101"),
        );
        check(&bytes(&[0b101]), None, true, Some("00000101"));
        check(&bytes(&[0b101]), Some(4), true, Some("0101"));
    }
}
