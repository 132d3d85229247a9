//! From cells to bound values.
//!
//! A value that SQLite would change on its way into the file is a record error here, because nobody
//! would notice it later: the README lists the cases.

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, Encode, Sqlite, Type};

use super::schema::{Affinity, affinity};
use super::text::{date_text, time_text, timestamp_text, uuid_text};
use crate::error::{ErrorClass, SinkError};
use crate::row::{Cell, TableRows};
use crate::statement;
use crate::table::{ColumnDef, ColumnType};

/// Decimal digits that a double always keeps (`DBL_DIG`).
const EXACT_DOUBLE_DIGITS: usize = 15;

/// The values of these columns, row by row, each with its mark if columns are marked.
///
/// # Errors
/// Of class *record* for a value that the column would change.
pub(super) fn cell_arguments(
    rows: &TableRows,
    columns: &[usize],
    marked: &[usize],
    row_indexes: impl ExactSizeIterator<Item = usize>,
) -> Result<SqliteArguments, SinkError> {
    let definition = |column: &usize| rows.target.column(*column);
    let affinity_of = |column: &usize| affinity(&definition(column).native_type);
    let affinities: Vec<Affinity> = columns.iter().map(affinity_of).collect();
    let width = columns.len() + usize::from(!marked.is_empty());
    let mut arguments = SqliteArguments::default();
    arguments.reserve(width * row_indexes.len(), 0);
    for row in row_indexes {
        for (column, affinity) in columns.iter().zip(&affinities) {
            let cell = rows.columns[*column].get(row);
            bind_cell(&mut arguments, cell, *affinity, definition(column))?;
        }
        if !marked.is_empty() {
            bound(&mut arguments, statement::mark(rows, marked, row))?;
        }
    }
    Ok(arguments)
}

fn bind_cell(
    arguments: &mut SqliteArguments,
    cell: Cell<'_>,
    affinity: Affinity,
    column: &ColumnDef,
) -> Result<(), SinkError> {
    let refuse = |reason: &str| refused(column, reason);
    match cell {
        Cell::Absent | Cell::Null => bound(arguments, None::<i64>),
        Cell::Bool(value) => bound(arguments, value),
        Cell::Int(value) => bound(arguments, value),
        Cell::Float(value) if value.is_nan() => Err(refuse("sqlite would store NaN as null")),
        Cell::Float(value) => bound(arguments, value),
        Cell::Decimal(value) => bind_decimal(arguments, value, affinity, column),
        Cell::Text(value) if affinity == Affinity::Numeric && !keeps_text(value) => Err(refuse(
            "sqlite would store this text as another number: declare the column TEXT",
        )),
        Cell::Text(value) => bind_text(arguments, value),
        Cell::Json(value) if affinity == Affinity::Numeric && !keeps_json(value) => Err(refuse(
            "sqlite would change this number: declare the column TEXT to hold it as a document",
        )),
        Cell::Json(value) => bind_text(arguments, value),
        Cell::Bytes(value) => bound(arguments, value),
        Cell::Date(days) => match date_text(days) {
            Some(text) => bind_text(arguments, &text),
            None => Err(refuse("sqlite's dates have the years 0000 to 9999")),
        },
        Cell::Time(nanos) => match time_text(nanos) {
            Some(text) => bind_text(arguments, &text),
            None => Err(refuse("a time of day lies between 00:00 and 24:00")),
        },
        Cell::Timestamp(value) => {
            let is_point_in_time = column.column_type == ColumnType::TimestampTz;
            match timestamp_text(value, is_point_in_time) {
                Some(text) => bind_text(arguments, &text),
                None => Err(refuse(
                    "sqlite's dates have the years 0000 to 9999, and no infinity",
                )),
            }
        }
        Cell::Uuid(bytes) => bind_text(arguments, &uuid_text(bytes)),
    }
}

/// Numeric columns turn decimals into integers or doubles: allowed where that keeps each digit.
fn bind_decimal(
    arguments: &mut SqliteArguments,
    plain: &str,
    affinity: Affinity,
    column: &ColumnDef,
) -> Result<(), SinkError> {
    if matches!(affinity, Affinity::Text | Affinity::Blob) {
        return bind_text(arguments, plain);
    }
    match numeric_value(plain) {
        Some(Number::Int(value)) => bound(arguments, value),
        Some(Number::Double(value)) => bound(arguments, value),
        None => Err(refused(
            column,
            "sqlite keeps 15 digits in such a column: declare it DECIMAL_TEXT to hold them all",
        )),
    }
}

/// A number as a numeric column holds it.
#[derive(Debug, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
}

/// The number that a numeric column can hold without losing a digit.
pub(super) fn numeric_value(plain: &str) -> Option<Number> {
    let whole = match plain.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
        _ => plain,
    };
    if let Ok(value) = whole.parse::<i64>() {
        return Some(Number::Int(value));
    }
    let is_plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let double: f64 = plain.parse().ok()?;
    let fits = (double.is_normal() || double == 0.0)
        && plain.bytes().all(is_plain)
        && significant_digits(plain) <= EXACT_DOUBLE_DIGITS;
    fits.then_some(Number::Double(double))
}

/// Digits from the first to the last that is not zero.
fn significant_digits(plain: &str) -> usize {
    let digits: Vec<u8> = plain.bytes().filter(u8::is_ascii_digit).collect();
    let first = digits.iter().position(|digit| *digit != b'0');
    let last = digits.iter().rposition(|digit| *digit != b'0');
    match (first, last) {
        (Some(first), Some(last)) => last - first + 1,
        _ => 0,
    }
}

/// In a column declared `JSON`, which SQLite counts as numeric, a document that is a bare number is
/// stored as a number: fine while it reads the same afterwards.
pub(super) fn keeps_json(document: &str) -> bool {
    let trimmed = document.trim();
    let is_number = trimmed.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    !is_number || trimmed.parse::<i64>().is_ok()
}

/// A column of numeric affinity stores a text that looks like a number as that number: fine while it
/// reads the same afterwards.
fn keeps_text(text: &str) -> bool {
    let trimmed = text.trim_matches(|character: char| character.is_ascii_whitespace());
    let looks_like_number = trimmed
        .starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.'));
    let is_same = |number: i64| number.to_string() == text;
    !looks_like_number || text.parse().is_ok_and(is_same) || trimmed.parse::<f64>().is_err()
}

fn bind_text(arguments: &mut SqliteArguments, text: &str) -> Result<(), SinkError> {
    // One allocation; the driver would make two out of a `&str`.
    bound(arguments, std::sync::Arc::<str>::from(text))
}

/// Adds a value that the driver cannot refuse.
pub(super) fn bound<'t, T>(arguments: &mut SqliteArguments, value: T) -> Result<(), SinkError>
where
    T: Encode<'t, Sqlite> + Type<Sqlite>,
{
    arguments.add(value).map_err(|error| {
        SinkError::stop("the sqlite driver cannot bind a value").with_source(error)
    })
}

fn refused(column: &ColumnDef, reason: &str) -> SinkError {
    SinkError::new(
        ErrorClass::Record,
        format!("column {} ({}): {reason}", column.name, column.native_type),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_number(plain: &str, expected: Option<Number>) {
        assert_eq!(numeric_value(plain), expected, "{plain}");
    }

    #[test]
    fn numeric_columns_take_what_they_keep() {
        check_number("0", Some(Number::Int(0)));
        check_number("-5.00", Some(Number::Int(-5)));
        check_number("9223372036854775807", Some(Number::Int(i64::MAX)));
        check_number("9223372036854775807.0", Some(Number::Int(i64::MAX)));
        check_number("-9223372036854775808", Some(Number::Int(i64::MIN)));
        check_number("0.1", Some(Number::Double(0.1)));
        check_number(
            "-123456789.012345",
            Some(Number::Double(-123_456_789.012_345)),
        );
        check_number("100000000000000000000", Some(Number::Double(1e20)));
        check_number("-0.0", Some(Number::Int(0)));
    }

    #[test]
    fn numeric_columns_refuse_what_they_would_change() {
        check_number("9223372036854775808", None);
        check_number("0.1234567890123456", None);
        check_number("123456789012345.6", None);
        check_number("NaN", None);
        check_number("inf", None);
        check_number("1e5", None);
        check_number("", None);
        check_number(&format!("1{}", "0".repeat(400)), None);
        check_number(&format!("0.{}1", "0".repeat(320)), None);
    }

    #[test]
    fn json_numbers_are_kept_or_refused() {
        for kept in [
            "{\"a\": 1.0}",
            "[1]",
            "\"1.0\"",
            "null",
            "true",
            "17",
            " -17 ",
        ] {
            assert!(keeps_json(kept), "{kept}");
        }
        for changed in ["1.0", "-0.5", "1e3", "9223372036854775808"] {
            assert!(!keeps_json(changed), "{changed}");
        }
    }

    #[test]
    fn texts_in_numeric_columns_are_kept_or_refused() {
        for kept in ["abc", "", "7", "-7", "2026-01-01", "1a", "+", "inf"] {
            assert!(keeps_text(kept), "{kept}");
        }
        for changed in [
            "007",
            "1.50",
            " 7",
            "7 ",
            "1e3",
            "+7",
            ".5",
            "9223372036854775808",
        ] {
            assert!(!keeps_text(changed), "{changed}");
        }
    }
}
