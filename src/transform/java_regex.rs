//! Regular expressions as Java writes them, as far as they can be read without back-tracking.
//!
//! Look-around, back-references and possessive quantifiers are refused when the config is checked.
//! Replacements are Java's: `$1`, `${name}`, and a backslash before a character that stands for
//! itself.

use regex::{Captures, Regex, RegexBuilder};

/// Memory that one compiled expression may take.
const REGEX_BYTES_MAX: usize = 1024 * 1024;

/// An expression that is matched against whole texts.
#[derive(Debug)]
pub(super) struct JavaRegex {
    /// Matches the whole text only.
    whole: Regex,
    /// Finds the first match inside, which is what Java replaces.
    part: Regex,
}

/// A replacement for what was matched.
#[derive(Debug)]
pub(super) struct Replacement {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Group(usize),
    Named(String),
}

impl JavaRegex {
    /// Compiles an expression.
    ///
    /// # Errors
    /// Says what is wrong, or not supported.
    pub(super) fn compile(pattern: &str) -> Result<Self, String> {
        let build = |pattern: &str| {
            RegexBuilder::new(pattern)
                .size_limit(REGEX_BYTES_MAX)
                .build()
                .map_err(|error| {
                    // The last line says what is wrong; those before draw the pattern.
                    let text = error.to_string();
                    let reason = text.lines().last().unwrap_or_default();
                    format!("Invalid regex: {}", reason.trim_start_matches("error: "))
                })
        };
        // Alone first, so that an unbalanced group cannot close the one around it.
        let part = build(pattern)?;
        Ok(Self {
            whole: build(&format!(r"\A(?:{pattern})\z"))?,
            part,
        })
    }

    /// Whether the whole text matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }

    /// The text with its first match replaced, if the whole text matches at all.
    pub(super) fn replace(&self, text: &str, replacement: &Replacement) -> Option<String> {
        if !self.matches(text) {
            return None;
        }
        let captures = self.part.captures(text)?;
        let found = captures.get(0)?;
        let mut replaced = text.get(..found.start())?.to_owned();
        replacement.push(&mut replaced, &captures);
        replaced.push_str(text.get(found.end()..)?);
        Some(replaced)
    }

    /// Reads a replacement for this expression.
    ///
    /// # Errors
    /// When it names a group that there is not, or ends in the middle of something.
    pub(super) fn replacement(&self, text: &str) -> Result<Replacement, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '\\' => literal.push(rest.next().ok_or("character to be escaped is missing")?),
                '$' => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    pieces.push(self.group(&mut rest)?);
                }
                other => literal.push(other),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Replacement { pieces })
    }

    fn group(&self, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Piece, String> {
        if rest.next_if_eq(&'{').is_some() {
            let name: String = std::iter::from_fn(|| rest.next_if(|next| *next != '}')).collect();
            if rest.next().is_none() {
                return Err("named capturing group is missing trailing '}'".to_owned());
            }
            let is_known = self
                .part
                .capture_names()
                .flatten()
                .any(|known| known == name);
            return if is_known {
                Ok(Piece::Named(name))
            } else {
                Err(format!("No group with name {{{name}}}"))
            };
        }
        let digit = |character: char| character.to_digit(10).map(|digit| digit as usize);
        let first = rest
            .next()
            .and_then(digit)
            .ok_or("Illegal group reference")?;
        let exists = |group: usize| group < self.part.captures_len();
        if !exists(first) {
            return Err(format!("No group {first}"));
        }
        let mut group = first;
        // Further digits belong to the number for as long as there is such a group.
        while let Some(longer) = rest.peek().copied().and_then(digit) {
            let longer = group * 10 + longer;
            if !exists(longer) {
                break;
            }
            group = longer;
            rest.next();
        }
        Ok(Piece::Group(group))
    }
}

impl Replacement {
    fn push(&self, text: &mut String, captures: &Captures<'_>) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Group(group) => {
                    text.push_str(captures.get(*group).map_or("", |found| found.as_str()));
                }
                Piece::Named(name) => {
                    text.push_str(captures.name(name).map_or("", |found| found.as_str()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_as_java_replaces() {
        let check = |pattern: &str, replacement: &str, text: &str, expected: Option<&str>| {
            let regex = JavaRegex::compile(pattern).unwrap();
            let replacement = regex.replacement(replacement).unwrap();
            assert_eq!(
                regex.replace(text, &replacement).as_deref(),
                expected,
                "{pattern}"
            );
        };
        check("(.*)-(.*)", "$2_$1", "a-b", Some("b_a"));
        check("(.*)", "x", "abc", Some("x"));
        check("b", "x", "abc", None);
        check("(?<all>.*)", "${all}.${all}", "t", Some("t.t"));
        check("(a)(b)?", "$1$2!", "a", Some("a!"));
        check("(a)", "$10", "a", Some("a0"));
        check("a|ab", "x", "ab", Some("xb"));
        check(".*", r"\$1\\", "a", Some(r"$1\"));
    }

    #[test]
    fn refuses_what_it_cannot_do() {
        assert!(JavaRegex::compile("(?=a)b").is_err());
        assert!(JavaRegex::compile("a)|(b").is_err());
        let regex = JavaRegex::compile("(a)").unwrap();
        for replacement in ["$2", "$", "${x}", "${x", "a\\"] {
            assert!(regex.replacement(replacement).is_err(), "{replacement}");
        }
    }
}
