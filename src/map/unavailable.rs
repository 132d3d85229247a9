//! Values that a change event does not have (`unavailable.value.placeholder`).
//!
//! PostgreSQL and Oracle do not log a large value that an update leaves alone. Debezium writes a
//! placeholder in its place, in the type of the column as far as it can. Written to a row that would
//! destroy the value there, so such a field counts as missing: the row keeps what it has.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};

use crate::config::connector::SinkKeys;
use crate::record::Value;

/// The forms of the placeholder.
#[derive(Debug)]
pub(super) struct Unavailable {
    text: String,
    /// Of bytes in a format that has none.
    base64: String,
    /// Of arrays and maps.
    documents: [Json; 3],
    /// No document of more bytes is one of them, blanks and all.
    document_bytes_max: usize,
}

/// Blanks that are put up with between the parts of a document, as a multiple of its bytes.
const BLANKS_FACTOR: usize = 4;

impl Unavailable {
    /// `None`: values are no change events, or there is no placeholder.
    pub(super) fn of(keys: &SinkKeys) -> Option<Self> {
        let text = keys.unavailable_value.clone();
        (keys.change_events && !text.is_empty()).then(|| Self::new(text))
    }

    fn new(text: String) -> Self {
        // Debezium writes the bytes into arrays of numbers.
        let bytes: Vec<i8> = text.bytes().map(u8::cast_signed).collect();
        let documents = [json!([text]), json!(bytes), json!({ text.as_str(): text })];
        let longest = documents.iter().map(|document| document.to_string().len());
        Self {
            base64: BASE64.encode(&text),
            document_bytes_max: longest.max().unwrap_or(0) * BLANKS_FACTOR,
            documents,
            text,
        }
    }

    /// The lengths of texts that may be it.
    pub(super) fn text_lengths(&self) -> [usize; 2] {
        [self.text.len(), self.base64.len()]
    }

    /// Whether the value stands for one that is not there.
    pub(super) fn is(&self, value: &Value<'_>) -> bool {
        match value {
            Value::Text(text) => self.is_text(text),
            Value::Bytes(bytes) => **bytes == *self.text.as_bytes(),
            Value::Json(document) => self.is_text(document) || self.is_document(document),
            _ => false,
        }
    }

    fn is_text(&self, text: &str) -> bool {
        text == self.text || text == self.base64
    }

    fn is_document(&self, document: &str) -> bool {
        if document.len() > self.document_bytes_max {
            return false;
        }
        let read = serde_json::from_str::<Json>(document);
        read.is_ok_and(|read| self.documents.contains(&read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_placeholder_is_known_in_every_type() {
        let unavailable = Unavailable::new("__none".to_owned());
        let check = |value: Value<'_>, expected: bool| {
            assert_eq!(unavailable.is(&value), expected, "{value:?}");
        };
        let text = |text: &'static str| Value::Text(text.into());
        let document = |text: &'static str| Value::Json(text.into());
        check(text("__none"), true);
        check(text("X19ub25l"), true);
        check(text("__none "), false);
        check(text("__NONE"), false);
        check(text(""), false);
        check(Value::Bytes(b"__none".into()), true);
        check(Value::Bytes(b"__nonf".into()), false);
        // Of a text that is said to be a document.
        check(document("__none"), true);
        check(document(r#"["__none"]"#), true);
        check(document(r#" [ "__none" ] "#), true);
        check(document("[95,95,110,111,110,101]"), true);
        check(document(r#"{"__none":"__none"}"#), true);
        check(document(r#"["__none","a"]"#), false);
        check(document(r#"[["__none"]]"#), false);
        check(document(r#"{"a":"__none"}"#), false);
        check(document("[95]"), false);
        check(document("[]"), false);
        check(document("["), false);
        check(Value::Null, false);
        check(Value::Int(95), false);
    }
}
