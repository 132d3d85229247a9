//! Paths to fields: `field.syntax.version`.
//!
//! In version 1 a path is one field's name, whatever it holds. In version 2 (KIP-821) dots lead
//! into nested fields, and backticks around a name keep its dots.

use super::object;
use crate::record::{Datum, Field, Schema};

/// A path: at least one name.
#[derive(Debug)]
pub(super) struct FieldPath {
    parents: Vec<String>,
    last: String,
}

const PURPOSE: &str = "nested field access";

impl FieldPath {
    /// Version 1.
    pub(super) fn single(name: &str) -> Self {
        Self {
            parents: Vec::new(),
            last: name.to_owned(),
        }
    }

    /// Version 2.
    ///
    /// # Errors
    /// When a backtick is not closed.
    pub(super) fn nested(path: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = Some(path).filter(|path| !path.is_empty());
        while let Some(text) = rest {
            let (step, next) = match text.strip_prefix('`') {
                Some(quoted) => quoted_step(quoted).ok_or_else(|| {
                    let position = path.len() - text.len();
                    format!(
                        "Incomplete backtick pair in path: [{path}], consider adding a backslash \
                         before backtick at position {position} to escape it"
                    )
                })?,
                None => match text.split_once('.') {
                    Some((step, next)) => (step.to_owned(), Some(next)),
                    None => (text.to_owned(), None),
                },
            };
            steps.push(step);
            rest = next;
        }
        let last = steps.pop().unwrap_or_default();
        Ok(Self {
            parents: steps,
            last,
        })
    }

    /// The field at the end of the path, in a schema.
    pub(super) fn field<'a>(&self, schema: &'a Schema) -> Option<&'a Field> {
        let mut current = schema;
        for step in &self.parents {
            current = &current.field(step)?.1.schema;
        }
        current.field(&self.last).map(|(_, field)| field)
    }

    /// The value at the end of the path, taken out of its object; null when there is none.
    ///
    /// # Errors
    /// When something on the way is no object.
    pub(super) fn take(&self, datum: Datum, defaults: bool) -> Result<Datum, String> {
        let mut current = datum;
        for step in &self.parents {
            let with_schema = matches!(current, Datum::Struct(_));
            current = take(current, step, defaults);
            match (&current, with_schema) {
                (Datum::Null, _) => return Ok(Datum::Null),
                (Datum::Struct(_), true) | (Datum::Map(_), false) => {}
                (other, true) => return Err(object::no_struct(other, PURPOSE)),
                (other, false) => return Err(object::no_map(other, PURPOSE)),
            }
        }
        Ok(take(current, &self.last, defaults))
    }
}

/// A name up to its closing backtick: one at the end, or before a dot. A backslash before such a
/// backtick makes it part of the name. Returns the name and what follows the dot.
fn quoted_step(text: &str) -> Option<(String, Option<&str>)> {
    let mut name = String::new();
    let mut start = 0;
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find('`')?;
        let is_escaped = text.get(..at)?.ends_with('\\');
        let after = text.get(at + 1..)?;
        if after.is_empty() {
            if is_escaped {
                return None;
            }
            name.push_str(text.get(start..at)?);
            return Some((name, None));
        }
        from = at + 1;
        if !after.starts_with('.') {
            continue;
        }
        if is_escaped {
            name.push_str(text.get(start..at - 1)?);
            name.push('`');
            start = from;
            continue;
        }
        name.push_str(text.get(start..at)?);
        return Some((name, after.get(1..)));
    }
}

fn take(datum: Datum, name: &str, defaults: bool) -> Datum {
    match datum {
        Datum::Map(mut map) => map.remove(name).unwrap_or(Datum::Null),
        Datum::Struct(value) => value
            .get_named(name, defaults)
            .cloned()
            .unwrap_or(Datum::Null),
        _ => Datum::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_version_two() {
        let check = |path: &str, expected: Option<&[&str]>| {
            let steps = FieldPath::nested(path).ok().map(|path| {
                let mut steps = path.parents;
                steps.push(path.last);
                steps
            });
            let expected = expected.map(<[&str]>::to_vec);
            assert_eq!(
                steps
                    .as_ref()
                    .map(|steps| steps.iter().map(String::as_str).collect()),
                expected,
                "{path}"
            );
        };
        check("a", Some(&["a"]));
        check("a.b.c", Some(&["a", "b", "c"]));
        check("a.", Some(&["a", ""]));
        check(".a", Some(&["", "a"]));
        check("`a.b`.c", Some(&["a.b", "c"]));
        check("a.`b.c`", Some(&["a", "b.c"]));
        check("`a`b`.c", Some(&["a`b", "c"]));
        check(r"`a\`.b`.c", Some(&["a`.b", "c"]));
        check("`a", None);
        check(r"`a\`", None);
    }
}
