//! References in a text: `${provider:path:key}`.

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) enum Piece<'a> {
    /// As it stands.
    Text(&'a str),
    /// Stands for a value.
    Reference(Reference<'a>),
}

/// A reference to a value.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) struct Reference<'a> {
    /// As written, braces included.
    pub(in crate::config) whole: &'a str,
    /// Name of the provider.
    pub(in crate::config) provider: &'a str,
    /// Where, to the provider; empty when there is none.
    pub(in crate::config) path: &'a str,
    /// What, there. May hold colons.
    pub(in crate::config) key: &'a str,
}

/// Whether a text holds a reference.
pub(in crate::config) fn has_reference(text: &str) -> bool {
    pieces(text)
        .iter()
        .any(|piece| matches!(piece, Piece::Reference(_)))
}

/// The parts of a text, in order. What has no colon, such as `${topic}`, is no reference.
pub(in crate::config) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut plain_from = 0;
    let mut search_from = 0;
    while let Some(start) = text[search_from..].find("${").map(|at| at + search_from) {
        let Some(end) = text[start..].find('}').map(|at| at + start) else {
            break;
        };
        search_from = end + 1;
        let Some((provider, rest)) = text[start + 2..end].split_once(':') else {
            continue;
        };
        let (path, key) = rest.split_once(':').unwrap_or(("", rest));
        if plain_from < start {
            pieces.push(Piece::Text(&text[plain_from..start]));
        }
        pieces.push(Piece::Reference(Reference {
            whole: &text[start..=end],
            provider,
            path,
            key,
        }));
        plain_from = end + 1;
    }
    if plain_from < text.len() {
        pieces.push(Piece::Text(&text[plain_from..]));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_are_found() {
        let check = |text: &str, expected: &[(&str, &str, &str)]| {
            let pieces = pieces(text);
            let found: Vec<(&str, &str, &str)> = pieces
                .iter()
                .filter_map(|piece| match piece {
                    Piece::Reference(found) => Some((found.provider, found.path, found.key)),
                    Piece::Text(_) => None,
                })
                .collect();
            assert_eq!(found, expected, "{text}");
            assert_eq!(has_reference(text), !expected.is_empty());
        };
        check(
            "${file:/etc/s.properties:pg}",
            &[("file", "/etc/s.properties", "pg")],
        );
        check("jdbc:postgresql://${env:HOST}/db", &[("env", "", "HOST")]);
        check("${a:b}${c:d:e:f}", &[("a", "", "b"), ("c", "d", "e:f")]);
        check("${env::X}", &[("env", "", "X")]);
        check("${topic}", &[]);
        check("${topic}: ${other}", &[]);
        check("${topic}_${env:SUFFIX}", &[("env", "", "SUFFIX")]);
        check("a:b", &[]);
        check("${unclosed:", &[]);
        check("", &[]);
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_text(text in "[a-z${}:ä]{0,40}") {
            let whole: String = pieces(&text)
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => *text,
                    Piece::Reference(reference) => reference.whole,
                })
                .collect();
            prop_assert_eq!(whole, text);
        }
    }
}
