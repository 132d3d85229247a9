//! Styles of names, as Debezium's JDBC sink has them, and its `CollectionNameTransformation`.

use super::{Applied, Transform};
use crate::config::definitions::ConfigKey;
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::OwnedRecord;

/// What names are made.
#[derive(Debug)]
pub(super) struct Naming {
    prefix: String,
    suffix: String,
    style: Style,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    AsItIs,
    Snake,
    Camel,
    Upper,
    Lower,
}

impl Naming {
    /// By the keys of prefix, suffix and style.
    pub(super) fn new(options: &Options, [prefix, suffix, style]: [&ConfigKey; 3]) -> Self {
        let text = |key: &ConfigKey| options.text(key).unwrap_or_default().to_owned();
        Self {
            prefix: text(prefix),
            suffix: text(suffix),
            style: match text(style).to_ascii_lowercase().as_str() {
                "snake_case" => Style::Snake,
                "camel_case" => Style::Camel,
                "upper_case" => Style::Upper,
                "lower_case" => Style::Lower,
                _ => Style::AsItIs,
            },
        }
    }

    /// What this name is made.
    pub(super) fn apply(&self, name: &str) -> String {
        let styled = match self.style {
            Style::AsItIs => name.to_owned(),
            Style::Snake => snake(name),
            Style::Camel => camel(name),
            Style::Upper => name.to_uppercase(),
            Style::Lower => name.to_lowercase(),
        };
        format!("{}{styled}{}", self.prefix, self.suffix)
    }
}

/// An underscore between a small and a capital letter, and between letters and digits; a dot becomes
/// one. A character takes part in one such border only, as in Debezium.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut rest = name.chars().peekable();
    while let Some(character) = rest.next() {
        let is_border = |next: &char| {
            (character.is_ascii_lowercase() && next.is_ascii_uppercase())
                || (character.is_ascii_alphabetic() && next.is_ascii_digit())
                || (character.is_ascii_digit() && next.is_ascii_alphabetic())
        };
        if character == '.' {
            snake.push('_');
        } else if let Some(next) = rest.next_if(is_border) {
            snake.extend([character, '_', next]);
        } else {
            snake.push(character);
        }
    }
    snake.to_lowercase()
}

/// Words between dots and underscores, each but one at the very beginning with a capital.
fn camel(name: &str) -> String {
    let words = name.split(['.', '_']).enumerate();
    let words = words.filter(|(_, word)| !word.is_empty());
    let styled = words.map(|(index, word)| match index {
        0 => word.to_lowercase(),
        _ => capitalized(word),
    });
    styled.collect()
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    let Some(first) = characters.next() else {
        return String::new();
    };
    let mut upper = first.to_uppercase();
    // Java capitalizes one character by one, or not at all.
    let first = match (upper.next(), upper.next()) {
        (Some(only), None) => only,
        _ => first,
    };
    format!("{first}{}", characters.as_str().to_lowercase())
}

/// `CollectionNameTransformation`: the topic gets another name.
#[derive(Debug)]
pub(super) struct CollectionName {
    naming: Naming,
}

impl CollectionName {
    pub(super) fn new(options: &Options) -> Self {
        let keys = [
            &keys::COLLECTION_NAME_PREFIX,
            &keys::COLLECTION_NAME_SUFFIX,
            &keys::COLLECTION_NAME_STYLE,
        ];
        Self {
            naming: Naming::new(options, keys),
        }
    }
}

impl Transform for CollectionName {
    fn apply(&mut self, mut record: OwnedRecord) -> Applied {
        record.topic = self.naming.apply(&record.topic).into();
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles() {
        let check = |name: &str, in_snake: &str, in_camel: &str| {
            assert_eq!(snake(name), in_snake, "{name}");
            assert_eq!(camel(name), in_camel, "{name}");
        };
        check("orderId", "order_id", "orderid");
        check("order_id", "order_id", "orderId");
        check("db1.Public.ORDERS", "db_1_public_orders", "db1PublicOrders");
        check("aB1c", "a_b1_c", "ab1c");
        check("_id", "_id", "Id");
        check("a__b", "a__b", "aB");
        check("...", "___", "");
        check("", "", "");
    }
}
