//! A value on its own: read as its key's type, and judged by its key's rule. Messages are Kafka's.

use super::invalid;
use crate::config::definitions::{ConfigKey, Fallback, Kind, Rule};

/// A parsed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Text(String),
    List(Vec<String>),
}

/// Whether a text is a key's default, or says the same.
pub(in crate::config) fn is_default(key: &ConfigKey, text: &str) -> bool {
    match (parse(key.kind, text), key.fallback) {
        (Ok(value), Fallback::Value(default)) => parse(key.kind, default) == Ok(value),
        (_, Fallback::Null | Fallback::Required) => text.is_empty(),
        (Err(_), _) => false,
    }
}

/// Whether a text is acceptable for a key on its own, or why not.
pub(in crate::config) fn accepts(key: &ConfigKey, text: &str) -> Result<(), String> {
    check_rule(key, &parse(key.kind, text)?, text)
}

/// What Kafka says about the null that it makes of a value that is absent or cannot be read.
pub(super) fn null_rule(key: &ConfigKey, name: &str) -> Option<String> {
    let problem = match key.rule {
        Rule::Range(..) => "Value must be non-null".to_owned(),
        Rule::OneOf(values) => one_of(values),
        _ => return None,
    };
    Some(invalid(name, "null", &problem))
}

fn one_of(values: &[&str]) -> String {
    format!("String must be one of: {}", values.join(", "))
}

/// Reads a value as Kafka reads its type.
pub(super) fn parse(kind: Kind, text: &str) -> Result<Value, String> {
    let number = |minimum: i64, maximum: i64| match text.trim().parse::<i64>() {
        Ok(number) if (minimum..=maximum).contains(&number) => Ok(Value::Integer(number)),
        Ok(_) | Err(_) => Err(format!("Not a number of type {}", kind.name())),
    };
    match kind {
        Kind::Boolean if text.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
        Kind::Boolean if text.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
        Kind::Boolean => Err("Expected value to be either true or false".to_owned()),
        Kind::Short => number(i16::MIN.into(), i16::MAX.into()),
        Kind::Int => number(i32::MIN.into(), i32::MAX.into()),
        Kind::Long => number(i64::MIN, i64::MAX),
        Kind::List => {
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            Ok(Value::List(items.map(str::to_owned).collect()))
        }
        Kind::Text | Kind::Class | Kind::Password => Ok(Value::Text(text.to_owned())),
    }
}

pub(super) fn check_rule(key: &ConfigKey, value: &Value, text: &str) -> Result<(), String> {
    match (key.rule, value) {
        (Rule::Range(minimum, _), Value::Integer(number)) if *number < minimum => {
            Err(format!("Value must be at least {minimum}"))
        }
        (Rule::Range(_, maximum), Value::Integer(number)) if *number > maximum => {
            Err(format!("Value must be no more than {maximum}"))
        }
        (Rule::OneOf(values), _) if !values.contains(&text) => Err(one_of(values)),
        (Rule::OneOfIgnoringCase(values), _) if !contains_any_case(values, text) => Err(format!(
            "String must be one of (case insensitive): {}",
            values.join(", ")
        )),
        (Rule::NonEmptyText, _) => non_empty_text(text),
        (Rule::Only(values, reason), _) if !contains_any_case(values, text) => {
            Err(reason.to_owned())
        }
        (Rule::Unsupported(reason), Value::List(list)) if !list.is_empty() => {
            Err(reason.to_owned())
        }
        (Rule::Unsupported(reason), Value::Text(text)) if !text.is_empty() => {
            Err(reason.to_owned())
        }
        (Rule::Check(check), _) => check(text),
        _ => Ok(()),
    }
}

fn contains_any_case(values: &[&str], text: &str) -> bool {
    values.iter().any(|value| value.eq_ignore_ascii_case(text))
}

fn non_empty_text(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("String may not be empty".to_owned());
    }
    let control: Vec<String> = text
        .chars()
        .filter(|character| character.is_control())
        .map(|character| u32::from(character).to_string())
        .collect();
    if control.is_empty() {
        return Ok(());
    }
    Err(format!(
        "String may not contain control sequences but had the following ASCII chars: {}",
        control.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_kafka_reads_them() {
        let check = |kind: Kind, text: &str, expected: Result<Value, &str>| {
            let parsed = parse(kind, text);
            assert!(parsed == expected.map_err(str::to_owned), "{text}");
        };
        check(Kind::Boolean, "TRUE", Ok(Value::Boolean(true)));
        check(
            Kind::Boolean,
            "yes",
            Err("Expected value to be either true or false"),
        );
        check(Kind::Int, "12", Ok(Value::Integer(12)));
        check(Kind::Int, "2147483648", Err("Not a number of type INT"));
        check(Kind::Int, "1.0", Err("Not a number of type INT"));
        check(Kind::Short, "40000", Err("Not a number of type SHORT"));
        check(
            Kind::Long,
            "99999999999999999999",
            Err("Not a number of type LONG"),
        );
        let list =
            |items: &[&str]| Value::List(items.iter().map(|&item| item.to_owned()).collect());
        check(Kind::List, " a , b ,,", Ok(list(&["a", "b"])));
        check(Kind::List, "", Ok(list(&[])));
    }
}
