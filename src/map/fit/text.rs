//! Texts, identifiers and documents.

use rowdock_connectors::Cell;

use super::{Fitted, Misfit};
use crate::record::{Value, iso, json};

pub(super) fn text<'v>(
    value: &'v Value<'_>,
    max_chars: Option<u32>,
    allows_nul: bool,
) -> Result<Fitted<'v>, Misfit> {
    let fitted = as_text(value)?;
    if let Cell::Text(text) = fitted.cell() {
        check_characters(text, allows_nul)?;
        // A text has at most as many characters as bytes: the count is needed only beyond that.
        if let Some(max) = max_chars
            && text.len() > max as usize
            && text.chars().count() > max as usize
        {
            return Err(format!("the text is longer than {max} characters").into());
        }
    }
    Ok(fitted)
}

/// Bounded by bytes.
pub(super) fn sized<'v>(
    value: &'v Value<'_>,
    max_bytes: u32,
    allows_nul: bool,
) -> Result<Fitted<'v>, Misfit> {
    let fitted = text(value, None, allows_nul)?;
    match fitted.cell() {
        Cell::Text(text) if text.len() > max_bytes as usize => {
            Err(format!("the text is longer than {max_bytes} bytes").into())
        }
        _ => Ok(fitted),
    }
}

/// One character, or none.
pub(super) fn byte<'v>(value: &'v Value<'_>) -> Result<Fitted<'v>, Misfit> {
    match value {
        Value::Text(text) if text.len() <= 1 => text_cell(text),
        _ => Err("only a single character of ASCII fits".into()),
    }
}

fn text_cell(text: &str) -> Result<Fitted<'_>, Misfit> {
    check_characters(text, false)?;
    Ok(Fitted::Cell(Cell::Text(text)))
}

fn as_text<'v>(value: &'v Value<'_>) -> Result<Fitted<'v>, Misfit> {
    Ok(match value {
        Value::Text(text) => Fitted::Cell(Cell::Text(text)),
        Value::Number(text) => Fitted::Cell(Cell::Text(text)),
        Value::Json(text) | Value::Decimal(text) => Fitted::Cell(Cell::Text(text)),
        Value::Int(number) => Fitted::Text(number.to_string()),
        Value::Float32(number) => Fitted::Text(number.to_string()),
        Value::Float64(number) => Fitted::Text(number.to_string()),
        Value::Uuid(bytes) => Fitted::Text(uuid::Uuid::from_bytes(*bytes).to_string()),
        Value::Bool(true) => Fitted::Cell(Cell::Text("true")),
        Value::Bool(false) => Fitted::Cell(Cell::Text("false")),
        Value::Date(_) | Value::Time(_) | Value::Timestamp(_) | Value::LocalTimestamp(_) => {
            Fitted::Text(iso_text(value)?)
        }
        Value::Null | Value::Bytes(_) => return Err("only text fits".into()),
    })
}

pub(super) fn check_characters(text: &str, allows_nul: bool) -> Result<(), Misfit> {
    if !allows_nul && text.as_bytes().contains(&0) {
        return Err(
            "the text contains the character U+0000, which the database cannot store".into(),
        );
    }
    Ok(())
}

pub(super) fn identifier<'v>(value: &Value<'_>) -> Result<Fitted<'v>, Misfit> {
    let parsed = match value {
        Value::Uuid(bytes) => return Ok(Fitted::Cell(Cell::Uuid(*bytes))),
        Value::Text(text) => uuid::Uuid::try_parse(text).ok(),
        Value::Bytes(bytes) => uuid::Uuid::from_slice(bytes).ok(),
        _ => None,
    };
    parsed
        .map(|uuid| Fitted::Cell(Cell::Uuid(uuid.into_bytes())))
        .ok_or_else(|| "only UUIDs fit".into())
}

pub(super) fn document<'v>(value: &'v Value<'_>) -> Result<Fitted<'v>, Misfit> {
    Ok(match value {
        Value::Number(text) => Fitted::Cell(Cell::Json(text)),
        Value::Json(text) | Value::Decimal(text) => Fitted::Cell(Cell::Json(text)),
        Value::Int(number) => Fitted::Json(number.to_string()),
        Value::Float32(number) if number.is_finite() => Fitted::Json(number.to_string()),
        Value::Float64(number) if number.is_finite() => Fitted::Json(number.to_string()),
        Value::Float32(_) | Value::Float64(_) => return Err("the number is no JSON".into()),
        Value::Uuid(bytes) => {
            Fitted::Json(json_string(&uuid::Uuid::from_bytes(*bytes).to_string())?)
        }
        Value::Bool(true) => Fitted::Cell(Cell::Json("true")),
        Value::Bool(false) => Fitted::Cell(Cell::Json("false")),
        // `?::jsonb` takes a text for the document that it is, so JSON in a text, of whatever schema,
        // is not wrapped once more. What is none can only be meant as a text.
        Value::Text(text) if json::is_json(text) => Fitted::Cell(Cell::Json(text)),
        Value::Text(text) => Fitted::Json(json_string(text)?),
        Value::Date(_) | Value::Time(_) | Value::Timestamp(_) | Value::LocalTimestamp(_) => {
            Fitted::Json(json_string(&iso_text(value)?)?)
        }
        Value::Null | Value::Bytes(_) => return Err("bytes are no JSON".into()),
    })
}

fn json_string(text: &str) -> Result<String, Misfit> {
    serde_json::to_string(text).map_err(|_| "the text is no JSON".into())
}

fn iso_text(value: &Value<'_>) -> Result<String, Misfit> {
    match value {
        Value::Date(days) => iso::date(*days),
        Value::Time(nanos) => Ok(iso::time(*nanos)),
        Value::Timestamp(at) => iso::timestamp(*at),
        Value::LocalTimestamp(at) => iso::local_timestamp(*at),
        _ => Err("only text fits"),
    }
    .map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{TEXT, check, number, words};
    use super::super::{Rules, fit};
    use super::*;
    use rowdock_connectors::{ColumnType, Notation, Timestamp};

    #[test]
    fn texts() {
        let bounded = |max| ColumnType::Text {
            max_chars: Some(max),
        };
        check(&words("é"), &bounded(1), Some(Cell::Text("é")));
        check(&words("ab"), &bounded(1), None);
        check(&words("😀"), &bounded(1), Some(Cell::Text("😀")));
        check(&number("1.50"), &TEXT, Some(Cell::Text("1.50")));
        check(&Value::Bool(false), &TEXT, Some(Cell::Text("false")));
        check(&Value::Json("[1]".into()), &TEXT, Some(Cell::Text("[1]")));
        check(&words("a\0b"), &TEXT, None);
        let allowing = Rules {
            text_allows_nul: true,
            takes_zero_dates: false,
            zone: None,
        };
        assert!(fit(&words("a\0b"), &TEXT, allowing).is_ok());
        check(&Value::Date(0), &TEXT, Some(Cell::Text("1970-01-01")));
        let local = Value::LocalTimestamp(Timestamp::default());
        check(&local, &TEXT, Some(Cell::Text("1970-01-01T00:00:00")));
        check(&Value::Null, &TEXT, Some(Cell::Null));
    }

    #[test]
    fn texts_bounded_by_bytes() {
        let tiny = ColumnType::SizedText { max_bytes: 255 };
        let full = "é".repeat(127);
        check(&words(&full), &tiny, Some(Cell::Text(&full)));
        check(&words(&"é".repeat(128)), &tiny, None);
        let byte = ColumnType::Literal(Notation::Byte);
        check(&words("x"), &byte, Some(Cell::Text("x")));
        check(&words(""), &byte, Some(Cell::Text("")));
        check(&words("é"), &byte, None);
        check(&words("\0"), &byte, None);
        check(&words("xy"), &byte, None);
    }

    #[test]
    fn identifiers_and_documents() {
        let id = uuid::Uuid::from_u128(7);
        check(
            &words(&id.to_string()),
            &ColumnType::Uuid,
            Some(Cell::Uuid(id.into_bytes())),
        );
        check(&words("7"), &ColumnType::Uuid, None);
        let document = |text| Some(Cell::Json(text));
        check(&Value::Json("{}".into()), &ColumnType::Json, document("{}"));
        for (text, expected) in [
            (r#"{"a": [1]}"#, r#"{"a": [1]}"#),
            ("5", "5"),
            ("true", "true"),
            (r#""x""#, r#""x""#),
            ("a\"b", r#""a\"b""#),
            ("{a: 1}", r#""{a: 1}""#),
            ("007", r#""007""#),
            ("NaN", r#""NaN""#),
            ("", r#""""#),
        ] {
            check(&words(text), &ColumnType::Json, document(expected));
        }
    }
}
