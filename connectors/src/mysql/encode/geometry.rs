//! Whether bytes are a geometry: MariaDB makes null out of those that are not.
//!
//! Well-known binary: a byte order, a type, and then points of two doubles each, counted where
//! their number is not fixed. Types of more dimensions are not known to either server.

/// Geometries within geometries, at most; every level takes some of the stack.
const DEPTH_MAX: usize = 32;

const NOT_A_GEOMETRY: &str = "not a geometry in well-known binary";
const POINT_BYTES: usize = 16;

/// Checks the whole of it.
///
/// # Errors
/// When it is none, or has bytes to spare.
pub(super) fn check(bytes: &[u8]) -> Result<(), &'static str> {
    match geometry(bytes, None, DEPTH_MAX) {
        Some([]) => Ok(()),
        _ => Err(NOT_A_GEOMETRY),
    }
}

/// Takes one geometry, of this type if one is named, and returns what follows it.
fn geometry(bytes: &[u8], wanted: Option<u32>, depth: usize) -> Option<&[u8]> {
    let depth = depth.checked_sub(1)?;
    let (order, bytes) = bytes.split_first()?;
    let is_little = match order {
        0 => false,
        1 => true,
        _ => return None,
    };
    let (kind, bytes) = number(bytes, is_little)?;
    if wanted.is_some_and(|wanted| wanted != kind) {
        return None;
    }
    match kind {
        1 => bytes.get(POINT_BYTES..),
        2 => points(bytes, is_little),
        3 => repeated(bytes, is_little, |part| points(part, is_little)),
        4..=6 => repeated(bytes, is_little, |part| {
            geometry(part, Some(kind - 3), depth)
        }),
        7 => repeated(bytes, is_little, |part| geometry(part, None, depth)),
        _ => None,
    }
}

fn points(bytes: &[u8], is_little: bool) -> Option<&[u8]> {
    let (count, bytes) = number(bytes, is_little)?;
    let length = usize::try_from(count).ok()?.checked_mul(POINT_BYTES)?;
    bytes.get(length..)
}

fn repeated(bytes: &[u8], is_little: bool, take: impl Fn(&[u8]) -> Option<&[u8]>) -> Option<&[u8]> {
    let (count, mut rest) = number(bytes, is_little)?;
    for _ in 0..count {
        // Ends at the latest when the bytes do.
        rest = take(rest)?;
    }
    Some(rest)
}

fn number(bytes: &[u8], is_little: bool) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    let number = if is_little {
        u32::from_le_bytes(*number)
    } else {
        u32::from_be_bytes(*number)
    };
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(little: bool) -> Vec<u8> {
        let mut bytes = if little {
            vec![1, 1, 0, 0, 0]
        } else {
            vec![0, 0, 0, 0, 1]
        };
        bytes.extend([0; POINT_BYTES]);
        bytes
    }

    fn several(kind: u8, parts: &[Vec<u8>]) -> Vec<u8> {
        let count = u8::try_from(parts.len()).expect("few");
        let mut bytes = vec![1, kind, 0, 0, 0, count, 0, 0, 0];
        bytes.extend(parts.concat());
        bytes
    }

    #[test]
    fn geometries() {
        let line = several(2, &[vec![0; POINT_BYTES], vec![0; POINT_BYTES]]);
        let ring = [&[2, 0, 0, 0][..], &[0; 2 * POINT_BYTES]].concat();
        let polygon = several(3, &[ring]);
        for right in [
            point(true),
            point(false),
            line.clone(),
            polygon.clone(),
            several(4, &[point(true), point(false)]),
            several(5, std::slice::from_ref(&line)),
            several(6, std::slice::from_ref(&polygon)),
            several(7, &[point(true), line.clone(), several(7, &[polygon])]),
            several(7, &[]),
        ] {
            assert_eq!(check(&right), Ok(()), "{right:?}");
        }
    }

    #[test]
    fn what_is_none() {
        let mut too_long = point(true);
        too_long.push(0);
        let mut deep = point(true);
        for _ in 0..1_000 {
            deep = several(7, &[deep]);
        }
        for wrong in [
            Vec::new(),
            vec![1, 2, 3],
            point(true)[..20].to_vec(),
            too_long,
            vec![2, 1, 0, 0, 0],
            several(8, &[]),
            several(4, &[several(2, &[])]),
            vec![1, 2, 0, 0, 0, 255, 255, 255, 255],
            vec![1, 7, 0, 0, 0, 255, 255, 255, 255],
            deep,
        ] {
            assert_eq!(check(&wrong), Err(NOT_A_GEOMETRY));
        }
    }
}
