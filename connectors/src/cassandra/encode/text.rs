//! Types that are written as text and stored otherwise.

use std::net::IpAddr;

use super::Misfit;

/// The byte of a UUID that holds its version, in the upper half.
const VERSION_BYTE: usize = 6;
const TIME_BASED: u8 = 1;

pub(super) fn push_ascii(buffer: &mut Vec<u8>, text: &str) -> Result<(), Misfit> {
    if !text.is_ascii() {
        return Err("only characters of ASCII fit".into());
    }
    buffer.extend_from_slice(text.as_bytes());
    Ok(())
}

pub(super) fn push_address(buffer: &mut Vec<u8>, text: &str) -> Result<(), Misfit> {
    let address: IpAddr = text
        .parse()
        .map_err(|_| "only addresses such as 192.0.2.1 or 2001:db8::1 fit")?;
    match address {
        IpAddr::V4(address) => buffer.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => buffer.extend_from_slice(&address.octets()),
    }
    Ok(())
}

pub(super) fn push_timeuuid(buffer: &mut Vec<u8>, bytes: [u8; 16]) -> Result<(), Misfit> {
    if bytes[VERSION_BYTE] >> 4 != TIME_BASED {
        return Err("only UUIDs of version 1 fit".into());
    }
    buffer.extend_from_slice(&bytes);
    Ok(())
}
