//! Java properties files: worker settings and connectors of existing Kafka Connect installations.

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
    let text = escape(bytes);
    let mut pairs = Vec::new();
    for line in PropertiesIter::new(text.as_bytes()) {
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

/// The same file in ASCII. The reader would take bytes above for another encoding (and for a
/// byte-order mark, at whose first byte alone it panics); escapes it reads as Java does.
fn escape(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut text = String::with_capacity(bytes.len());
    let mut after_backslash = false;
    for &byte in bytes {
        if byte.is_ascii() {
            text.push(char::from(byte));
        } else {
            // A backslash that stands before it already begins the escape.
            text.push_str(if after_backslash { "u00" } else { "\\u00" });
            text.push_str(&format!("{byte:02x}"));
        }
        after_backslash = byte == b'\\' && !after_backslash;
    }
    text
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
