//! Percent decoding of URL parts.

/// A percent sign without its two hexadecimal digits, or bytes that are no UTF-8 text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Undecodable;

/// What a plus sign stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlusSign {
    Blank,
    Itself,
}

pub(crate) fn decode(text: &str, plus: PlusSign) -> Result<String, Undecodable> {
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
    String::from_utf8(decoded).map_err(|_| Undecodable)
}

fn hexadecimal_digit(byte: Option<u8>) -> Result<u8, Undecodable> {
    match byte {
        Some(digit @ b'0'..=b'9') => Ok(digit - b'0'),
        Some(digit @ b'a'..=b'f') => Ok(digit - b'a' + 10),
        Some(digit @ b'A'..=b'F') => Ok(digit - b'A' + 10),
        _ => Err(Undecodable),
    }
}
