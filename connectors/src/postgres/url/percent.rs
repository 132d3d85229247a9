//! Percent decoding of URL parts.

use super::UrlError;

/// What a plus sign stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlusSign {
    Blank,
    Itself,
}

pub(super) fn decode(text: &str, plus: PlusSign) -> Result<String, UrlError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let high = hexadecimal_digit(bytes.next())?;
                let low = hexadecimal_digit(bytes.next())?;
                high << 4 | low
            }
            b'+' if plus == PlusSign::Blank => b' ',
            byte => byte,
        });
    }
    String::from_utf8(decoded).map_err(|_| UrlError::Encoding)
}

fn hexadecimal_digit(byte: Option<u8>) -> Result<u8, UrlError> {
    match byte {
        Some(digit @ b'0'..=b'9') => Ok(digit - b'0'),
        Some(digit @ b'a'..=b'f') => Ok(digit - b'a' + 10),
        Some(digit @ b'A'..=b'F') => Ok(digit - b'A' + 10),
        _ => Err(UrlError::Encoding),
    }
}
