//! Ranges, in PostgreSQL's notation: `[1,10)`, `(,2026-01-01]`, `empty`.

use rowdock_connectors::ColumnType;
use serde_json::value::RawValue;

use super::literal::{plain, push_quoted};
use super::{Misfit, Rules, fit};
use crate::record::Value;

const RULE: &str = "only ranges such as [1,10) fit";

pub(super) fn range(value: &Value<'_>, bound: &ColumnType, rules: Rules) -> Result<String, Misfit> {
    let Value::Text(text) = value else {
        return Err(RULE.into());
    };
    let mut parser = Parser::new(text);
    let range = parser.range(bound, rules)?;
    parser.end()?;
    Ok(range)
}

/// `{[1,2),[5,9)}`, or an array of ranges.
pub(super) fn multirange(
    value: &Value<'_>,
    bound: &ColumnType,
    rules: Rules,
) -> Result<String, Misfit> {
    let ranges = match value {
        Value::Text(text) => {
            let mut parser = Parser::new(text);
            let ranges = parser.ranges(bound, rules)?;
            parser.end()?;
            ranges
        }
        Value::Json(text) => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| RULE)?;
            let mut ranges = Vec::with_capacity(items.len());
            for item in items {
                let text: String = serde_json::from_str(item.get()).map_err(|_| RULE)?;
                ranges.push(range(&Value::Text(text.into()), bound, rules)?);
            }
            ranges
        }
        _ => return Err("only ranges such as {[1,2),[5,9)} fit".into()),
    };
    Ok(format!("{{{}}}", ranges.join(",")))
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.trim() }
    }

    fn end(&self) -> Result<(), Misfit> {
        match self.rest {
            "" => Ok(()),
            _ => Err(RULE.into()),
        }
    }

    fn take(&mut self, wanted: char) -> Result<(), Misfit> {
        self.rest = self.rest.trim_start();
        self.rest = self.rest.strip_prefix(wanted).ok_or(RULE)?;
        Ok(())
    }

    fn ranges(&mut self, bound: &ColumnType, rules: Rules) -> Result<Vec<String>, Misfit> {
        let mut ranges = Vec::new();
        self.take('{')?;
        if self.take('}').is_ok() {
            return Ok(ranges);
        }
        loop {
            ranges.push(self.range(bound, rules)?);
            if self.take('}').is_ok() {
                return Ok(ranges);
            }
            self.take(',')?;
        }
    }

    fn range(&mut self, bound: &ColumnType, rules: Rules) -> Result<String, Misfit> {
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix("empty") {
            self.rest = rest.trim_start();
            return Ok("empty".to_owned());
        }
        let mut out = String::new();
        out.push(self.bracket(['[', '('])?);
        self.bound(&mut out, &[','], bound, rules)?;
        self.take(',')?;
        out.push(',');
        self.bound(&mut out, &[']', ')'], bound, rules)?;
        out.push(self.bracket([']', ')'])?);
        self.rest = self.rest.trim_start();
        Ok(out)
    }

    fn bracket(&mut self, wanted: [char; 2]) -> Result<char, Misfit> {
        let first = self.rest.chars().next();
        let bracket = first.filter(|first| wanted.contains(first)).ok_or(RULE)?;
        self.rest = &self.rest[1..];
        Ok(bracket)
    }

    /// Up to one of `ends`; nothing at all is no bound.
    fn bound(
        &mut self,
        out: &mut String,
        ends: &[char],
        column: &ColumnType,
        rules: Rules,
    ) -> Result<(), Misfit> {
        let text = if self.rest.starts_with('"') {
            self.quoted()?
        } else {
            let end = self.rest.find(ends).ok_or(RULE)?;
            let (text, rest) = self.rest.split_at(end);
            self.rest = rest;
            text.to_owned()
        };
        if text.is_empty() {
            return Ok(());
        }
        // Blanks belong to a bound; only numbers, dates and times do not mind them.
        let trimmed = match column {
            ColumnType::Text { .. } | ColumnType::SizedText { .. } => text.as_str(),
            _ => text.trim(),
        };
        let value = match column {
            ColumnType::Int32 | ColumnType::Int64 => Value::Number(trimmed),
            _ => Value::Text(trimmed.into()),
        };
        let fitted = fit(&value, column, rules)
            .map_err(|rule| -> Misfit { format!("a bound: {rule}").into() })?;
        push_quoted(out, &plain(fitted.cell(), column)?);
        Ok(())
    }

    /// Quotes and backslashes inside are doubled, or follow a backslash.
    fn quoted(&mut self) -> Result<String, Misfit> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1).peekable();
        while let Some((place, character)) = characters.next() {
            match character {
                '\\' => text.push(characters.next().ok_or(RULE)?.1),
                '"' if characters.next_if(|(_, next)| *next == '"').is_some() => text.push('"'),
                '"' => {
                    self.rest = &self.rest[place + 1..];
                    return Ok(text);
                }
                other => text.push(other),
            }
        }
        Err(RULE.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{number, words};
    use super::*;

    fn check(text: &str, bound: &ColumnType, expected: Option<&str>) {
        let found = range(&words(text), bound, Rules::default());
        assert_eq!(found.ok().as_deref(), expected, "{text}");
    }

    #[test]
    fn ranges() {
        let int = ColumnType::Int32;
        check("[1,10)", &int, Some(r#"["1","10")"#));
        check(" (,10] ", &int, Some(r#"(,"10"]"#));
        check("[1, 10)", &int, Some(r#"["1","10")"#));
        check(" [ 1 , 10 ) ", &int, Some(r#"["1","10")"#));
        check("[1 0,)", &int, None);
        check("[ ,1)", &int, None);
        let decimal = ColumnType::Decimal {
            precision: None,
            scale: None,
        };
        check("[1.5, 2 )", &decimal, Some(r#"["1.5","2")"#));
        check("(,)", &int, Some("(,)"));
        check("empty", &int, Some("empty"));
        check("[1,10", &int, None);
        check("[1;10)", &int, None);
        check("[1,2147483648)", &int, None);
        check("[1,10) more", &int, None);
        check("", &int, None);
        let day = ColumnType::Date;
        check(
            "[2026-01-01,infinity)",
            &day,
            Some(r#"["2026-01-01","infinity")"#),
        );
        check("[2026-02-30,)", &day, None);
        let quoted = r#"["2026-01-01 00:00:00+01","2026-01-02 00:00:00+01")"#;
        let expected = r#"["2025-12-31 23:00:00.000000+00","2026-01-01 23:00:00.000000+00")"#;
        check(quoted, &ColumnType::TimestampTz, Some(expected));
        let text = ColumnType::Text { max_chars: None };
        check(r#"["a""b\\",c]"#, &text, Some(r#"["a\"b\\","c"]"#));
        check("[a, b )", &text, Some(r#"["a"," b ")"#));
        assert!(range(&number("1"), &int, Rules::default()).is_err());
    }

    #[test]
    fn several_ranges() {
        let check = |value: &Value<'_>, expected: Option<&str>| {
            let found = multirange(value, &ColumnType::Int32, Rules::default());
            assert_eq!(found.ok().as_deref(), expected, "{value:?}");
        };
        check(&words("{}"), Some("{}"));
        check(&words("{[1,2), [5,9)}"), Some(r#"{["1","2"),["5","9")}"#));
        check(&words("{[1,2)"), None);
        check(&words("{[1,2),}"), None);
        let array = Value::Json(r#"["[1,2)","[5,9)"]"#.into());
        check(&array, Some(r#"{["1","2"),["5","9")}"#));
        check(&Value::Json("[1]".into()), None);
    }
}
