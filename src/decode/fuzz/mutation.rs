//! How inputs are changed.

use fastrand::Rng;

/// Longest input: what goes wrong with long ones goes wrong with shorter ones too, sooner.
const BYTES_MAX: usize = 4_096;

/// Bytes at which formats turn.
const TELLING: &[u8] = b"\x00\x01\x02\x7f\x80\xff\"\\{}[]:,0123456789-+.eE \n\xc3\xed";

/// One to four changes of an input, some with pieces of another one.
pub(super) fn mutated(
    random: &mut Rng,
    input: &[u8],
    other: &[u8],
    dictionary: &[&str],
) -> Vec<u8> {
    let mut changed = input.to_vec();
    for _ in 0..random.usize(1..=4) {
        change(random, &mut changed, other, dictionary);
    }
    changed.truncate(BYTES_MAX);
    changed
}

fn change(random: &mut Rng, bytes: &mut Vec<u8>, other: &[u8], dictionary: &[&str]) {
    let at = random.usize(..=bytes.len());
    match random.u8(..9) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.u8(..8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = telling(random);
            }
        }
        2 => bytes.insert(at, telling(random)),
        3 => drop(bytes.drain(at..end(random, at, bytes.len()))),
        4 => {
            let copy = bytes[at..end(random, at, bytes.len())].to_vec();
            let place = random.usize(..=bytes.len());
            bytes.splice(place..place, copy);
        }
        5 => {
            let from = random.usize(..=other.len());
            let piece = &other[from..end(random, from, other.len())];
            bytes.splice(at..end(random, at, bytes.len()), piece.iter().copied());
        }
        6 | 7 if !dictionary.is_empty() => {
            let word = dictionary[random.usize(..dictionary.len())].as_bytes();
            let replaced = at..end(random, at, bytes.len()).min(at + word.len());
            bytes.splice(replaced, word.iter().copied());
        }
        _ => bytes.truncate(at),
    }
}

fn telling(random: &mut Rng) -> u8 {
    TELLING[random.usize(..TELLING.len())]
}

/// The end of a short piece, most of the time.
fn end(random: &mut Rng, from: usize, length: usize) -> usize {
    let longest = if random.u8(..4) == 0 { 64 } else { 8 };
    (from + random.usize(..=longest)).min(length)
}
