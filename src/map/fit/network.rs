//! Network and hardware addresses.

use std::net::IpAddr;

use super::Misfit;
use crate::record::Value;

/// An address, with or without the length of its network.
pub(super) fn inet(value: &Value<'_>) -> Result<String, Misfit> {
    const RULE: &str = "only addresses such as 192.0.2.7, 192.0.2.7/24 or 2001:db8::7 fit";
    let Value::Text(text) = value else {
        return Err(RULE.into());
    };
    let (address, length) = parts(text).ok_or(RULE)?;
    Ok(match length {
        Some(length) => format!("{address}/{length}"),
        None => address.to_string(),
    })
}

/// A network: nothing is set behind its length.
pub(super) fn cidr(value: &Value<'_>) -> Result<String, Misfit> {
    const RULE: &str = "only networks such as 192.0.2.0/24 or 2001:db8::/32 fit";
    let Value::Text(text) = value else {
        return Err(RULE.into());
    };
    let (address, length) = parts(text).ok_or(RULE)?;
    let length = length.unwrap_or_else(|| bits_of(address));
    if host_bits(address, length) != 0 {
        return Err("the address has bits set behind the length of its network".into());
    }
    Ok(format!("{address}/{length}"))
}

fn parts(text: &str) -> Option<(IpAddr, Option<u32>)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let Some(length) = length else {
        return Some((address, None));
    };
    let is_plain = length.bytes().all(|digit| digit.is_ascii_digit());
    let length = length.parse().ok().filter(|_| is_plain)?;
    (length <= bits_of(address)).then_some((address, Some(length)))
}

fn bits_of(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn host_bits(address: IpAddr, length: u32) -> u128 {
    match address {
        IpAddr::V4(address) => {
            let bits = u32::from(address).checked_shl(length).unwrap_or(0);
            u128::from(bits)
        }
        IpAddr::V6(address) => u128::from(address).checked_shl(length).unwrap_or(0),
    }
}

/// In pairs of hexadecimal digits, with `:`, `-` or `.` between any of them, or nothing.
pub(super) fn mac_address(value: &Value<'_>, bytes: usize) -> Result<String, Misfit> {
    let rule = || -> Misfit { format!("only hardware addresses of {bytes} bytes fit").into() };
    let digits = match value {
        Value::Text(text) => text.replace([':', '-', '.'], "").to_ascii_lowercase(),
        Value::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        _ => return Err(rule()),
    };
    // Eight bytes can be made of six.
    let is_length = digits.len() == bytes * 2 || (bytes == 8 && digits.len() == 12);
    if !is_length || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(rule());
    }
    let mut address = String::with_capacity(bytes * 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && place % 2 == 0 {
            address.push(':');
        }
        address.push(digit);
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{number, words};
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(inet(&words(text)).ok().as_deref(), expected, "{text}");
        };
        check("192.0.2.7", Some("192.0.2.7"));
        check("192.0.2.7/24", Some("192.0.2.7/24"));
        check("192.0.2.7/33", None);
        check("192.0.2.7/+4", None);
        check("192.0.2", None);
        check("192.0.2.256", None);
        check("2001:db8::7/128", Some("2001:db8::7/128"));
        check("::ffff:192.0.2.7", Some("::ffff:192.0.2.7"));
        check("host", None);
        check("", None);
        assert!(inet(&number("1")).is_err());
    }

    #[test]
    fn networks() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(cidr(&words(text)).ok().as_deref(), expected, "{text}");
        };
        check("192.0.2.0/24", Some("192.0.2.0/24"));
        check("192.0.2.7", Some("192.0.2.7/32"));
        check("192.0.2.7/24", None);
        check("0.0.0.0/0", Some("0.0.0.0/0"));
        check("1.0.0.0/0", None);
        check("2001:db8::/32", Some("2001:db8::/32"));
        check("2001:db8::1/127", None);
        check("::/0", Some("::/0"));
    }

    #[test]
    fn hardware_addresses() {
        let check = |value: &Value<'_>, bytes, expected: Option<&str>| {
            let found = mac_address(value, bytes).ok();
            assert_eq!(found.as_deref(), expected, "{value:?}");
        };
        let usual = Some("08:00:2b:01:02:03");
        for text in [
            "08:00:2b:01:02:03",
            "08-00-2B-01-02-03",
            "0800.2b01.0203",
            "08002b010203",
        ] {
            check(&words(text), 6, usual);
            check(&words(text), 8, usual);
        }
        check(&Value::Bytes(vec![8, 0, 0x2b, 1, 2, 3].into()), 6, usual);
        check(
            &words("08:00:2b:01:02:03:04:05"),
            8,
            Some("08:00:2b:01:02:03:04:05"),
        );
        check(&words("08:00:2b:01:02:03:04:05"), 6, None);
        check(&words("08:00:2b:01:02:0g"), 6, None);
        check(&words(""), 6, None);
    }
}
