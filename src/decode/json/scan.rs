//! One JSON object, cut into its fields.
//!
//! The grammar is RFC 8259's and is checked in full: a scan accepts what `serde_json` accepts, and
//! the tests hold the two against each other. It is our own because this is where a worker spends
//! most of its time, and because it has less to do than a parser: names and values are cut out,
//! nothing is converted, and what is nested goes to `serde_json` as a whole. Who knows which name
//! comes next asks for it ([`Fields::skip_name`]), which is a comparison and no scan.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// The text is not one JSON object. Where and why is not looked for here.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::decode) struct Malformed;

/// The fields of the object that a text consists of, one after the other.
pub(in crate::decode) struct Fields<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    is_first: bool,
}

/// A value as it is written, and what kind of value the scan saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) enum Raw<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(&'a str),
    /// What is between the quotes of a string without escapes.
    Plain(&'a str),
    /// A string with escapes, in its quotes.
    Escaped(&'a str),
    /// An object or array.
    Nested(&'a str),
}

impl<'a> Raw<'a> {
    /// A value's text that the grammar has accepted.
    pub(in crate::decode) fn of(text: &'a str) -> Self {
        match text.as_bytes() {
            [b'n', ..] => Self::Null,
            [b't', ..] => Self::Bool(true),
            [b'f', ..] => Self::Bool(false),
            [b'{' | b'[', ..] => Self::Nested(text),
            [b'"', ..] if text.contains('\\') => Self::Escaped(text),
            [b'"', ..] => Self::Plain(text.trim_matches('"')),
            _ => Self::Number(text),
        }
    }
}

/// A name that is written in JSON as it is.
#[inline]
pub(crate) fn is_plain_name(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte != b'"' && byte != b'\\' && byte >= b' ')
}

impl<'a> Fields<'a> {
    /// Enters the object.
    #[inline]
    pub(in crate::decode) fn of(text: &'a str) -> Result<Self, Malformed> {
        let mut fields = Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            is_first: true,
        };
        fields.expect(b'{')?;
        Ok(fields)
    }

    /// Goes on to the next field, up to its name. `false`: the object has ended, and the text with
    /// it.
    #[inline]
    pub(in crate::decode) fn advance(&mut self) -> Result<bool, Malformed> {
        match self.skip_space() {
            Some(b'}') => {
                self.at += 1;
                return match self.skip_space() {
                    None => Ok(false),
                    Some(_) => Err(Malformed),
                };
            }
            Some(b',') if !self.is_first => {
                self.at += 1;
                self.skip_space();
            }
            Some(_) if self.is_first => {}
            _ => return Err(Malformed),
        }
        self.is_first = false;
        Ok(true)
    }

    /// Passes the field's name, if it is this [plain](is_plain_name) one: a comparison is cheaper than a
    /// scan. `None`: nothing was passed.
    #[inline]
    pub(in crate::decode) fn skip_name(&mut self, predicted: &str) -> Option<&'a str> {
        let rest = self.bytes.get(self.at..)?.strip_prefix(b"\"")?;
        if !rest.strip_prefix(predicted.as_bytes())?.starts_with(b"\":") {
            return None;
        }
        let start = self.at + 1;
        let end = start + predicted.len();
        self.at = end + 2;
        self.text.get(start..end)
    }

    /// Passes the field's name, and the colon.
    #[inline]
    pub(in crate::decode) fn name(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let start = self.at;
        let has_escapes = self.string()?;
        let name = if has_escapes {
            let quoted = self.cut(start, self.at)?;
            Cow::Owned(serde_json::from_str(quoted).map_err(|_| Malformed)?)
        } else {
            Cow::Borrowed(self.cut(start + 1, self.at - 1)?)
        };
        self.expect(b':')?;
        Ok(name)
    }

    /// Passes the field's value.
    #[inline]
    pub(in crate::decode) fn value(&mut self) -> Result<Raw<'a>, Malformed> {
        let first = self.skip_space();
        let start = self.at;
        match first {
            Some(b'"') => {
                if self.string()? {
                    self.cut(start, self.at).map(Raw::Escaped)
                } else {
                    self.cut(start + 1, self.at - 1).map(Raw::Plain)
                }
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                self.cut(start, self.at).map(Raw::Number)
            }
            Some(b't') => self.literal(b"true").map(|()| Raw::Bool(true)),
            Some(b'f') => self.literal(b"false").map(|()| Raw::Bool(false)),
            Some(b'n') => self.literal(b"null").map(|()| Raw::Null),
            Some(b'{' | b'[') => {
                self.nested()?;
                self.cut(start, self.at).map(Raw::Nested)
            }
            _ => Err(Malformed),
        }
    }

    /// Passes the field's value; its text.
    #[inline]
    pub(in crate::decode) fn value_text(&mut self) -> Result<&'a str, Malformed> {
        self.skip_space();
        let start = self.at;
        self.value()?;
        self.cut(start, self.at)
    }

    /// Passes a string, quotes included; tells whether it holds escapes.
    #[inline]
    fn string(&mut self) -> Result<bool, Malformed> {
        if self.peek() != Some(b'"') {
            return Err(Malformed);
        }
        self.at += 1;
        let mut has_escapes = false;
        loop {
            self.skip_plain();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(has_escapes);
                }
                Some(b'\\') => {
                    has_escapes = true;
                    self.escape()?;
                }
                // A control character, or the end of the text.
                _ => return Err(Malformed),
            }
        }
    }

    /// Passes what means itself inside a string, eight bytes at a time.
    #[inline]
    fn skip_plain(&mut self) {
        while let Some(word) = self.bytes[self.at..].first_chunk::<8>() {
            let special = special_bytes(u64::from_le_bytes(*word));
            if special != 0 {
                self.at += (special.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
        while let Some(byte) = self.peek() {
            if byte == b'"' || byte == b'\\' || byte < b' ' {
                return;
            }
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 2..self.at + 6).ok_or(Malformed)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(Malformed);
                }
                self.at += 6;
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }

    #[inline]
    fn number(&mut self) -> Result<(), Malformed> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.skip_digits(),
            _ => return Err(Malformed),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Result<(), Malformed> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(Malformed);
        }
        self.skip_digits();
        Ok(())
    }

    #[inline]
    fn skip_digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Malformed> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    /// An object or array.
    fn nested(&mut self) -> Result<(), Malformed> {
        let rest = self.text.get(self.at..).ok_or(Malformed)?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        match values.next() {
            Some(Ok(_)) => {
                self.at += values.byte_offset();
                Ok(())
            }
            _ => Err(Malformed),
        }
    }

    /// White space, and then this byte.
    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.skip_space() != Some(byte) {
            return Err(Malformed);
        }
        self.at += 1;
        Ok(())
    }

    /// Passes white space; the byte that comes after it.
    #[inline]
    fn skip_space(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Both ends are next to ASCII characters, so they never cut one in two.
    #[inline]
    fn cut(&self, start: usize, end: usize) -> Result<&'a str, Malformed> {
        self.text.get(start..end).ok_or(Malformed)
    }
}

/// Marks quotes, backslashes and control characters among eight bytes, each by the highest bit of
/// its byte; at and after the first mark only that one is sure.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // A byte is below `limit`: the subtraction borrows into its highest bit, which was not set.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (is(b'"') | is(b'\\') | below(word, 0x20)) & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Walked = Option<Vec<(String, String)>>;

    fn scanned(text: &str) -> Walked {
        let mut fields = Fields::of(text).ok()?;
        let mut found = Vec::new();
        while fields.advance().ok()? {
            let name = fields.name().ok()?.into_owned();
            found.push((name, written(fields.value().ok()?)));
        }
        Some(found)
    }

    /// The same, each name predicted; rightly or wrongly.
    fn predicted(text: &str, names: &[String]) -> Walked {
        let mut fields = Fields::of(text).ok()?;
        let mut found = Vec::new();
        let mut names = names.iter().filter(|name| is_plain_name(name));
        while fields.advance().ok()? {
            let name = match names.next() {
                Some(name) if fields.skip_name(name).is_some() => name.clone(),
                _ => fields.name().ok()?.into_owned(),
            };
            found.push((name, written(fields.value().ok()?)));
        }
        Some(found)
    }

    fn written(raw: Raw<'_>) -> String {
        match raw {
            Raw::Null => "null".to_owned(),
            Raw::Bool(value) => value.to_string(),
            Raw::Plain(text) => format!("\"{text}\""),
            Raw::Number(text) | Raw::Escaped(text) | Raw::Nested(text) => text.to_owned(),
        }
    }

    /// What `serde_json` makes of the text, fields of one name kept apart.
    fn parsed(text: &str) -> Walked {
        struct Pairs(Vec<(String, String)>);
        impl<'de> serde::Deserialize<'de> for Pairs {
            fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
                source.deserialize_map(PairsVisitor).map(Self)
            }
        }
        struct PairsVisitor;
        impl<'de> serde::de::Visitor<'de> for PairsVisitor {
            type Value = Vec<(String, String)>;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut found = Vec::new();
                while let Some(name) = map.next_key()? {
                    found.push((name, map.next_value::<&RawValue>()?.get().to_owned()));
                }
                Ok(found)
            }
        }
        serde_json::from_str::<Pairs>(text)
            .ok()
            .map(|pairs| pairs.0)
    }

    fn check(text: &str) {
        let expected = parsed(text);
        assert_eq!(scanned(text), expected, "{text:?}");
        let fields = expected.iter().flatten();
        let mut names: Vec<String> = fields.map(|(name, _)| name.clone()).collect();
        names.extend(["a".to_owned(), "a\":1,\"b".to_owned()]);
        assert_eq!(predicted(text, &names), expected, "{text:?}");
        names.reverse();
        assert_eq!(predicted(text, &names), expected, "{text:?}");
    }

    #[test]
    fn accepts_what_the_parser_accepts() {
        for text in [
            "{}",
            " \t\r\n{ } ",
            r#"{"a":1}"#,
            r#"{ "a" : 1 , "b" : "x" }"#,
            r#"{"a":1,"a":2}"#,
            r#"{"":null,"t":true,"f":false}"#,
            r#"{"a":{"b":[1,{"c":"}"}]},"d":[]}"#,
            r#"{"naïve":"größe 🎉","x":"\u00e9\n\"\\\/"}"#,
            r#"{"a\tb":1,"\ud83d\ude00":2}"#,
            r#"{"n":[-0,0.5,1e9,1E+9,1e-9,-12.25e7]}"#,
            r#"{"n":-0,"m":0.5,"o":1e9,"p":-12.25E-7}"#,
            r#"{"long":"0123456789012345678901234567890123456789\\"}"#,
        ] {
            assert!(parsed(text).is_some(), "{text:?}");
            check(text);
        }
    }

    #[test]
    fn refuses_what_the_parser_refuses() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "[]",
            "1",
            "null",
            "{}}",
            "{} x",
            "{,}",
            r#"{"a":1,}"#,
            r#"{"a" 1}"#,
            r#"{"a":}"#,
            r#"{"a":1 "b":2}"#,
            r#"{a:1}"#,
            r#"{'a':1}"#,
            r#"{"a":01}"#,
            r#"{"a":+1}"#,
            r#"{"a":1.}"#,
            r#"{"a":.5}"#,
            r#"{"a":1e}"#,
            r#"{"a":-}"#,
            r#"{"a":tru}"#,
            r#"{"a":truex}"#,
            r#"{"a":"x}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\u12g4"}"#,
            r#"{"a":"\u12"#,
            "{\"a\":\"line\nbreak\"}",
            "{\"a\":\"0123456789\u{1}\"}",
            r#"{"a":[1,]}"#,
            r#"{"a":{"b"}}"#,
            r#"{"a":[}"#,
            "\u{feff}{}",
        ] {
            assert_eq!(parsed(text), None, "{text:?}");
            check(text);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_parser_on_anything(text in any::<String>()) {
            check(&text);
        }

        /// Texts made of JSON's own pieces, so that many are nearly or fully right.
        #[test]
        fn agrees_with_the_parser_on_what_looks_like_json(
            pieces in proptest::collection::vec(prop_oneof![
                Just("{"), Just("}"), Just("["), Just("]"), Just(":"), Just(","), Just("\""),
                Just("\\"), Just("\\u0041"), Just("\\n"), Just("\"a\":"), Just("\"key\""), Just("-"),
                Just("1"), Just("0"), Just(".5"), Just("e9"), Just("true"), Just("null"), Just(" "),
                Just("\n"), Just("\u{1f}"), Just("ü"), Just("0123456789"), Just("\"text\","),
            ], 0..16)
        ) {
            check(&pieces.concat());
            check(&format!("{{\"a\":{}}}", pieces.concat()));
            check(&format!("{{\"a\":\"{}\",\"b\":1}}", pieces.concat()));
        }

        /// A good text with one byte put in, taken out or cut off.
        #[test]
        fn agrees_with_the_parser_on_damaged_texts(
            at in 0_usize..80, put in proptest::option::of(0_u8..128), cut in any::<bool>(),
        ) {
            let good = r#"{"id":17,"näme":"x\u00e9 y","total":-12.50e3,"tags":["a",{"b":null}],"ok":true}"#;
            let mut bytes = good.as_bytes().to_vec();
            let at = at.min(bytes.len());
            match put {
                Some(byte) => bytes.insert(at, byte),
                None if cut => bytes.truncate(at),
                None if at < bytes.len() => drop(bytes.remove(at)),
                None => {}
            }
            if let Ok(text) = std::str::from_utf8(&bytes) {
                check(text);
            }
        }
    }
}
