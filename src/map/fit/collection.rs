//! Arrays and maps, out of JSON into the notation of PostgreSQL's `anyarray` and `hstore`.

use std::collections::BTreeMap;

use rowdock_connectors::ColumnType;
use serde_json::value::RawValue;

use super::literal::{push_element, push_quoted};
use super::text::check_characters;
use super::{Misfit, Rules, fit};
use crate::record::Value;

/// PostgreSQL's own bound.
const DIMENSIONS_MAX: usize = 6;

/// An array of one or more dimensions, all of whose rows are of one length.
pub(super) fn array(
    value: &Value<'_>,
    element: &ColumnType,
    rules: Rules,
) -> Result<String, Misfit> {
    const RULE: &str = "only arrays fit";
    let Value::Json(text) = value else {
        return Err(RULE.into());
    };
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| RULE)?;
    let mut writer = ArrayWriter {
        out: String::with_capacity(text.len() + 2),
        element,
        rules,
        lengths: Vec::new(),
        depth_of_elements: None,
    };
    writer.push(&items, 0)?;
    // An array without elements has no dimensions.
    if writer.lengths.last() == Some(&0) {
        return Ok("{}".to_owned());
    }
    Ok(writer.out)
}

struct ArrayWriter<'a> {
    out: String,
    element: &'a ColumnType,
    rules: Rules,
    /// Length of the rows of each dimension.
    lengths: Vec<usize>,
    depth_of_elements: Option<usize>,
}

impl ArrayWriter<'_> {
    fn push(&mut self, items: &[&RawValue], depth: usize) -> Result<(), Misfit> {
        if depth == DIMENSIONS_MAX {
            return Err(format!("an array has at most {DIMENSIONS_MAX} dimensions").into());
        }
        match self.lengths.get(depth) {
            None => self.lengths.push(items.len()),
            Some(length) if *length == items.len() => {}
            Some(_) => return Err("the rows of an array must be of one length".into()),
        }
        self.out.push('{');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            let text = item.get();
            // Arrays among documents are documents.
            if text.starts_with('[') && *self.element != ColumnType::Json {
                let row: Vec<&RawValue> =
                    serde_json::from_str(text).map_err(|_| "only arrays fit")?;
                self.push(&row, depth + 1)?;
                continue;
            }
            if *self.depth_of_elements.get_or_insert(depth) != depth {
                return Err("an array has either elements or arrays, not both".into());
            }
            self.push_item(item)
                .map_err(|rule| -> Misfit { format!("element {}: {rule}", index + 1).into() })?;
        }
        self.out.push('}');
        Ok(())
    }

    fn push_item(&mut self, item: &RawValue) -> Result<(), Misfit> {
        let value = value_of(item)?;
        let fitted = fit(&value, self.element, self.rules)?;
        push_element(&mut self.out, fitted.cell(), self.element)
    }
}

/// Names and texts; what is no text becomes its JSON.
pub(super) fn hstore(value: &Value<'_>, allows_nul: bool) -> Result<String, Misfit> {
    const RULE: &str = "only objects, or texts in the notation of hstore, fit";
    let text = match value {
        Value::Json(text) => text,
        Value::Text(text) if text.trim_start().starts_with('{') => text,
        Value::Text(text) => {
            check_characters(text, allows_nul)?;
            return Ok(text.to_string());
        }
        _ => return Err(RULE.into()),
    };
    let entries: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(|_| RULE)?;
    let mut out = String::with_capacity(text.len() * 2);
    for (name, item) in &entries {
        if !out.is_empty() {
            out.push_str(", ");
        }
        check_characters(name, allows_nul)?;
        push_quoted(&mut out, name);
        out.push_str("=>");
        match value_of(item)? {
            Value::Null => out.push_str("NULL"),
            Value::Text(text) => {
                check_characters(&text, allows_nul)?;
                push_quoted(&mut out, &text);
            }
            _ => push_quoted(&mut out, item.get()),
        }
    }
    Ok(out)
}

/// A part of a document as a value.
fn value_of(item: &RawValue) -> Result<Value<'_>, Misfit> {
    let text = item.get();
    Ok(match text.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'"') => {
            let unescaped: String = serde_json::from_str(text).map_err(|_| "a text is no JSON")?;
            Value::Text(unescaped.into())
        }
        Some(b'[' | b'{') => Value::Json(text.into()),
        _ => Value::Number(text),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::words;
    use super::*;

    fn json(text: &str) -> Value<'_> {
        Value::Json(text.into())
    }

    fn check(text: &str, element: &ColumnType, expected: Result<&str, &str>) {
        match (array(&json(text), element, Rules::default()), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
            (Err(rule), Err(expected)) => assert!(rule.contains(expected), "{text}: {rule}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn arrays_of_every_shape() {
        let int = ColumnType::Int32;
        check("[]", &int, Ok("{}"));
        check("[1, null,3]", &int, Ok(r#"{"1",NULL,"3"}"#));
        check("[[1,2],[3,4]]", &int, Ok(r#"{{"1","2"},{"3","4"}}"#));
        check("[[],[]]", &int, Ok("{}"));
        check("[[1],[2,3]]", &int, Err("one length"));
        check("[1,[2]]", &int, Err("not both"));
        check("[[1],null]", &int, Err("not both"));
        check("[1,\"x\"]", &int, Err("element 2: only whole numbers fit"));
        check("[[[[[[1]]]]]]", &int, Ok(r#"{{{{{{"1"}}}}}}"#));
        check("[[[[[[[1]]]]]]]", &int, Err("at most 6"));
        check("{}", &int, Err("only arrays fit"));
    }

    #[test]
    fn elements_are_fitted_and_quoted() {
        let text = ColumnType::Text { max_chars: Some(5) };
        check(
            r#"["a\"b","c\\","NULL",""]"#,
            &text,
            Ok(r#"{"a\"b","c\\","NULL",""}"#),
        );
        check(r#"["{,}"]"#, &text, Ok(r#"{"{,}"}"#));
        check(r#"["longer"]"#, &text, Err("longer than 5"));
        check(r#"["a\u0000"]"#, &text, Err("U+0000"));
        check("[[1,2],{}]", &ColumnType::Json, Ok(r#"{"[1,2]","{}"}"#));
        check(r#"["AAE="]"#, &ColumnType::Bytes, Ok(r#"{"\\x0001"}"#));
        let at = r#"["2026-11-21T10:15:30Z"]"#;
        let expected = r#"{"2026-11-21 10:15:30.000000+00"}"#;
        check(at, &ColumnType::TimestampTz, Ok(expected));
        check(
            "[1.5,\"NaN\"]",
            &ColumnType::Float64,
            Ok(r#"{"1.5","NaN"}"#),
        );
    }

    #[test]
    fn names_with_texts() {
        let check = |value: &Value<'_>, expected: Option<&str>| {
            assert_eq!(hstore(value, false).ok().as_deref(), expected, "{value:?}");
        };
        check(&json("{}"), Some(""));
        check(
            &json(r#"{"b":"x\"y\\","a":null,"c":1.50,"d":[1]}"#),
            Some(r#""a"=>NULL, "b"=>"x\"y\\", "c"=>"1.50", "d"=>"[1]""#),
        );
        check(&words(r#"{"a":"1"}"#), Some(r#""a"=>"1""#));
        check(&words("a=>1"), Some("a=>1"));
        check(&json("[1]"), None);
        check(&json(r#"{"a":"\u0000"}"#), None);
    }
}
