//! Defaults that widened columns keep: a definition that is written out again says them again.
//!
//! The catalog shows whole numbers and decimals as they are, and other defaults cut and bent: without characters
//! of four bytes, bytes in the wrong character set, a float by six digits. Those are asked for
//! (`DEFAULT(column)`), which needs a row of the table where the column must have a value. MySQL does not
//! answer that for an expression: those that are a value in brackets are read from the catalog, in ASCII, and
//! all others are left to people.

use crate::error::{ErrorClass, SinkError};
use crate::evolve::Change;
use crate::mysql::form::StoredDefault;
use crate::mysql::link::Link;
use crate::mysql::schema::{self, Described};
use crate::mysql::sql::{qualified, quoted, unescaped, unquoted};
use crate::table::{ColumnDef, ColumnType, DefaultValue};

/// Of the columns to be widened, each with its default's value, where that is known.
pub(super) async fn defaults(
    link: &mut Link,
    action: &str,
    described: &Described,
    changes: &[Change],
) -> Result<Vec<(String, DefaultValue)>, SinkError> {
    let mut kept = Vec::new();
    let mut asked = Vec::new();
    for change in changes {
        let Change::Widen { column, .. } = change else {
            continue;
        };
        match described.traits_of(column).map(|traits| &traits.default) {
            Some(StoredDefault::Value(text)) if is_exact(&column.column_type) => {
                let value = answered(text, &column.column_type);
                kept.extend(value.map(|value| (column.name.clone(), value)));
            }
            Some(StoredDefault::Value(_)) => asked.push(column),
            Some(StoredDefault::Expression(text)) => {
                let value = of_expression(text, &column.column_type);
                kept.extend(value.map(|value| (column.name.clone(), value)));
            }
            Some(StoredDefault::None) | None => {}
        }
    }
    if asked.is_empty() {
        return Ok(kept);
    }
    let expressions: Vec<String> = asked.iter().map(|column| question(column)).collect();
    let query = format!(
        "SELECT {} FROM (SELECT 1) AS one LEFT JOIN {} ON TRUE LIMIT 1",
        expressions.join(", "),
        qualified(&described.table.name)
    );
    let answers = match link.run(action, &query).await {
        Ok(answers) => answers,
        Err(error) if error.class() == ErrorClass::Retry => return Err(error),
        // Such as without the right to read the table: then it is left to people.
        Err(_) => return Ok(kept),
    };
    let row = answers.first().and_then(|answer| answer.rows.first());
    for (place, column) in asked.iter().enumerate() {
        let text = row.and_then(|row| schema::text(row, place));
        let value = text.and_then(|text| answered(&text, &column.column_type));
        kept.extend(value.map(|value| (column.name.clone(), value)));
    }
    Ok(kept)
}

/// What asks for a column's default, as text.
fn question(column: &ColumnDef) -> String {
    let name = quoted(&column.name);
    match column.column_type {
        ColumnType::Text { .. } | ColumnType::SizedText { .. } => {
            format!("HEX(CONVERT(DEFAULT({name}) USING utf8mb4))")
        }
        ColumnType::SizedBytes { .. } => format!("HEX(DEFAULT({name}))"),
        // As a double it has all its digits.
        _ => format!("CAST(DEFAULT({name}) + 0e0 AS CHAR)"),
    }
}

/// Whether the catalog shows it with all its digits.
fn is_exact(column_type: &ColumnType) -> bool {
    matches!(
        column_type,
        ColumnType::Int16
            | ColumnType::Int32
            | ColumnType::Int64
            | ColumnType::IntRange { .. }
            | ColumnType::Decimal { .. }
    )
}

fn answered(text: &str, column_type: &ColumnType) -> Option<DefaultValue> {
    Some(match column_type {
        ColumnType::Text { .. } | ColumnType::SizedText { .. } => {
            DefaultValue::Text(String::from_utf8(bytes(text)?).ok()?)
        }
        ColumnType::SizedBytes { .. } => DefaultValue::Bytes(bytes(text)?),
        ColumnType::Float32 => DefaultValue::Float(text.parse().ok()?),
        ColumnType::Decimal { .. } => DefaultValue::Decimal(text.to_owned()),
        _ => DefaultValue::Int(text.parse().ok()?),
    })
}

/// From hexadecimal digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_whole = digits.len().is_multiple_of(2) && digits.is_ascii();
    pairs
        .map(byte)
        .collect::<Option<Vec<u8>>>()
        .filter(|_| is_whole)
}

/// From the text of an expression of MySQL's, when it is a single value.
fn of_expression(text: &str, column_type: &ColumnType) -> Option<DefaultValue> {
    if !text.is_ascii() {
        // Shown in the wrong character set.
        return None;
    }
    match column_type {
        ColumnType::Text { .. } | ColumnType::SizedText { .. } => {
            let literal = text.strip_prefix("_utf8mb4").unwrap_or(text);
            let literal = match literal.starts_with("\\'") {
                true => unescaped(literal)?,
                false => literal.to_owned(),
            };
            unquoted(&literal).map(DefaultValue::Text)
        }
        ColumnType::SizedBytes { .. } => {
            let hex = match text.strip_prefix("0x") {
                Some(digits) => digits.to_owned(),
                None => unquoted(&unescaped(text.strip_prefix(['x', 'X'])?)?)?,
            };
            bytes(&hex).map(DefaultValue::Bytes)
        }
        ColumnType::Decimal { .. } => {
            let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
            text.bytes()
                .all(is_digit)
                .then(|| DefaultValue::Decimal(text.to_owned()))
        }
        ColumnType::Float32 => None,
        _ => text.parse().ok().map(DefaultValue::Int),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: ColumnType = ColumnType::Text { max_chars: Some(9) };
    const BYTES: ColumnType = ColumnType::SizedBytes { max_bytes: 9 };
    const DECIMAL: ColumnType = ColumnType::Decimal {
        precision: Some(9),
        scale: Some(2),
    };

    #[test]
    fn answers_of_the_server() {
        let check = |text: &str, column_type: ColumnType, expected: Option<DefaultValue>| {
            assert_eq!(answered(text, &column_type), expected, "{text}");
        };
        let text = |text: &str| Some(DefaultValue::Text(text.to_owned()));
        check("F09F9880", TEXT, text("😀"));
        check("", TEXT, text(""));
        check("FF", TEXT, None);
        check("00FF", BYTES, Some(DefaultValue::Bytes(vec![0, 255])));
        check("0", BYTES, None);
        check("-5", ColumnType::Int16, Some(DefaultValue::Int(-5)));
        check(
            "1.50",
            DECIMAL,
            Some(DefaultValue::Decimal("1.50".to_owned())),
        );
        let single = 0.100_000_001_490_116_12;
        check(
            "0.10000000149011612",
            ColumnType::Float32,
            Some(DefaultValue::Float(single)),
        );
    }

    /// As MySQL shows them.
    #[test]
    fn expressions_that_are_a_single_value() {
        let check = |text: &str, column_type: ColumnType, expected: Option<DefaultValue>| {
            assert_eq!(of_expression(text, &column_type), expected, "{text}");
        };
        let text = |text: &str| Some(DefaultValue::Text(text.to_owned()));
        check(r"_utf8mb4\'it\\\'s \\\\ \\n\'", TEXT, text("it's \\ \n"));
        check(r"_utf8mb4\'\'", TEXT, text(""));
        check(r"_utf8mb4'a\'b'", TEXT, text("a'b"));
        check(r"concat(_utf8mb4\'a\',_utf8mb4\'b\')", TEXT, None);
        check(r"\'a\',\'b\'", TEXT, None);
        check("_utf8mb4\\'Ã¼\\'", TEXT, None);
        check("uuid()", TEXT, None);
        check("0x00ff", BYTES, Some(DefaultValue::Bytes(vec![0, 255])));
        check(r"X\'\'", BYTES, Some(DefaultValue::Bytes(Vec::new())));
        check("random_bytes(8)", BYTES, None);
        check("7", ColumnType::Int32, Some(DefaultValue::Int(7)));
        check("(1 + 2)", ColumnType::Int32, None);
        check(
            "1.5",
            DECIMAL,
            Some(DefaultValue::Decimal("1.5".to_owned())),
        );
        check("(1.5 * 2)", DECIMAL, None);
        check("1.5", ColumnType::Float32, None);
    }
}
