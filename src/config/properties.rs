//! Java properties files: worker settings and connectors of existing Kafka Connect installations.

use std::ops::Range;

use encoding_rs::UTF_8;
use java_properties::{LineContent, PropertiesIter};

/// One line's key and value.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) line: usize,
}

/// A malformed line. Never shows its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "malformed properties at line {line}: an escape must be \\uXXXX with four hexadecimal digits"
)]
pub struct PropertiesError {
    /// From 1.
    pub line: usize,
}

/// Reads keys and values as Java does: ISO 8859-1 with `\uXXXX`, `=`, `:` or a blank between key
/// and value, lines continued by a backslash. Repeated keys are all returned.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Pair>, PropertiesError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text: String = bytes.iter().copied().map(char::from).collect();
    parse_text(&text)
}

/// The same of what is text already, as Java reads it from a reader with an encoding.
pub(super) fn parse_text(text: &str) -> Result<Vec<Pair>, PropertiesError> {
    let text = with_pairs_joined(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut pairs = Vec::new();
    for line in PropertiesIter::new_with_encoding(text.as_bytes(), UTF_8) {
        let line = line.map_err(|error| PropertiesError {
            line: error.line_number().unwrap_or(1),
        })?;
        let number = line.line_number();
        if let LineContent::KVPair(key, value) = line.consume_content() {
            pairs.push(Pair {
                key,
                value,
                line: number,
            });
        }
    }
    Ok(pairs)
}

/// Two escapes may be one character (`\ud83d\ude00`), which the reader takes for none.
fn with_pairs_joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('\\') {
        let (before, escape) = rest.split_at(start);
        joined.push_str(before);
        let length = match pair(escape) {
            Some(character) => {
                joined.push(character);
                PAIR_BYTES
            }
            None => {
                // What stands behind a backslash begins no escape, another backslash neither.
                let length: usize = escape.chars().take(2).map(char::len_utf8).sum();
                joined.push_str(&escape[..length]);
                length
            }
        };
        rest = &escape[length..];
    }
    joined.push_str(rest);
    joined
}

/// Of two escapes of Java.
const PAIR_BYTES: usize = 12;

/// Units of UTF-16 that are a character only with the next one.
const FIRST_OF_TWO: Range<u16> = 0xd800..0xdc00;

fn pair(escape: &str) -> Option<char> {
    let unit = |place: Range<usize>| {
        let digits = escape.get(place)?.strip_prefix("\\u")?;
        let is_hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16)
            .ok()
            .filter(|_| is_hexadecimal)
    };
    let first = unit(0..PAIR_BYTES / 2).filter(|unit| FIRST_OF_TWO.contains(unit))?;
    let second = unit(PAIR_BYTES / 2..PAIR_BYTES)?;
    char::decode_utf16([first, second]).next()?.ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_read_as_java_reads_them() {
        let text = "# comment\n! another\n\na=1\nb : two words \nc\\ d=x\ne=one,\\\n   two\nf\ng=\\u00e4\n";
        let read: Vec<(String, String, usize)> = parse(text.as_bytes())
            .unwrap()
            .into_iter()
            .map(|pair| (pair.key, pair.value, pair.line))
            .collect();
        let expected = [
            ("a", "1", 4),
            ("b", "two words ", 5),
            ("c d", "x", 6),
            ("e", "one,two", 7),
            ("f", "", 9),
            ("g", "ä", 10),
        ];
        let expected = expected.map(|(key, value, line)| (key.to_owned(), value.to_owned(), line));
        assert_eq!(read, expected);
    }

    #[test]
    fn malformed_escapes_name_their_line() {
        let check = |text: &str, line: usize| {
            assert_eq!(
                parse(text.as_bytes()).err(),
                Some(PropertiesError { line }),
                "{text}"
            );
        };
        check("a=1\nb=\\u12\n", 2);
        check("b=\\uzzzz\n", 1);
        check("b=\\ud800\n", 1);
        check("b=\\ude00\\ud83d\n", 1);
        check("b=\\ud83d\\\\ude00\n", 1);
    }

    #[test]
    fn bytes_above_ascii_are_latin_1() {
        let value = |bytes: &[u8]| parse(bytes).unwrap().remove(0).value;
        assert_eq!(value(b"a=\xe4"), "\u{e4}");
        assert_eq!(value(b"a=\\\xe4"), "\u{e4}");
        assert_eq!(value(b"a=\\\\\xe4"), "\\\u{e4}");
        assert_eq!(value(b"\xef\xbb\xbfa=1"), "1");
        assert_eq!(parse(b"\xef").unwrap()[0].key, "\u{ef}");
    }

    #[test]
    fn characters_of_two_escapes_are_one() {
        let check = |text: &str, expected: &str| {
            assert_eq!(
                parse_text(text).unwrap().remove(0).value,
                expected,
                "{text}"
            );
        };
        check("a=x\\ud83d\\ude00y", "x😀y");
        check("a=😀 ä", "😀 ä");
        check("a=\\😀", "😀");
        check("a=\\\\ud83d", "\\ud83d");
        check("\u{feff}a=1", "1");
        let value = parse(b"a=\\ud83d\\ude00 \xe4").unwrap().remove(0).value;
        assert_eq!(value, "😀 ä");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).count();
            match parse(&bytes) {
                Ok(pairs) => prop_assert!(pairs.len() <= lines),
                Err(error) => prop_assert!(error.line <= lines),
            }
        }
    }
}
