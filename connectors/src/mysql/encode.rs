//! From cells to bound values.

use mysql_async::Value;

use super::form::{Encoding, Form};
use crate::error::{ErrorClass, SinkError};
use crate::row::{Cell, TableRows};

mod geometry;
pub(super) mod time;

const OUT_OF_RANGE: &str = "number out of the column's range";
/// Years that a `year` column has, besides zero.
pub(super) const YEARS: std::ops::RangeInclusive<i64> = 1901..=2155;

/// What a prepared statement's packet has besides its values, at most.
pub(super) const PACKET_HEADER_BYTES: usize = 16;
/// What the packet has per value besides the value itself: its type, and a part of the null bitmap.
const VALUE_HEADER_BYTES: usize = 3;

/// Appends the values of one row and returns their bytes on the wire.
///
/// # Errors
/// Of class *record*, for a value that the column would change or cannot hold.
pub(super) fn push_row(
    values: &mut Vec<Value>,
    rows: &TableRows,
    forms: &[Form],
    columns: &[usize],
    row: usize,
) -> Result<usize, SinkError> {
    let mut bytes = 0;
    for column in columns {
        let cell = rows.columns[*column].get(row);
        let value = value(cell, &forms[*column].encoding).map_err(|problem| {
            let name = &rows.target.column(*column).name;
            SinkError::new(ErrorClass::Record, format!("{problem}, column \"{name}\""))
        })?;
        bytes += VALUE_HEADER_BYTES + usize::try_from(value.bin_len()).unwrap_or(usize::MAX / 2);
        values.push(value);
    }
    Ok(bytes)
}

/// An absent cell is null here: a column that must not be named in the statement is not among the
/// encoded ones.
fn value(cell: Cell<'_>, encoding: &Encoding) -> Result<Value, &'static str> {
    Ok(match cell {
        Cell::Absent | Cell::Null => Value::NULL,
        Cell::Bool(value) => Value::Int(i64::from(value)),
        Cell::Int(value)
            if *encoding == Encoding::Year && value != 0 && !YEARS.contains(&value) =>
        {
            return Err("year before 1901 or after 2155");
        }
        Cell::Int(value) => Value::Int(value),
        Cell::Float(value) if !value.is_finite() => {
            return Err("the database has neither infinity nor NaN");
        }
        Cell::Float(value) if *encoding == Encoding::Single => Value::Float(narrow(value)?),
        Cell::Float(value) => Value::Double(value),
        Cell::Decimal("NaN") => return Err("the database has no NaN"),
        Cell::Decimal(plain) if *encoding == Encoding::Unsigned => Value::UInt(unsigned(plain)?),
        Cell::Decimal(plain) => Value::Bytes(plain.into()),
        Cell::Text(digits) if *encoding == Encoding::Bits => {
            Value::UInt(u64::from_str_radix(digits, 2).map_err(|_| OUT_OF_RANGE)?)
        }
        Cell::Text(text) if *encoding == Encoding::Singles => Value::Bytes(singles(text)?),
        Cell::Text(text) => {
            if let Encoding::Labels(labels) = encoding {
                check_label(text, labels)?;
            }
            Value::Bytes(text.into())
        }
        Cell::Json(text) => Value::Bytes(text.into()),
        Cell::Bytes(bytes) => {
            if *encoding == Encoding::Geometry {
                geometry::check(bytes)?;
            }
            Value::Bytes(bytes.into())
        }
        Cell::Date(days) => time::date(days)?,
        Cell::Time(nanos) => time::time_span(nanos, fraction(encoding))?,
        Cell::Timestamp(at) => time::timestamp(at, fraction(encoding))?,
        Cell::Uuid(bytes) => {
            let text = uuid::Uuid::from_bytes(bytes).hyphenated().to_string();
            Value::Bytes(text.into_bytes())
        }
    })
}

fn fraction(encoding: &Encoding) -> u32 {
    match encoding {
        Encoding::Fraction(digits) => *digits,
        _ => time::FRACTION_DIGITS_MAX,
    }
}

/// The nearest single. A double beyond every single is an error, not infinity.
#[expect(clippy::cast_possible_truncation, reason = "rounding is meant")]
pub(super) fn narrow(value: f64) -> Result<f32, &'static str> {
    let narrowed = value as f32;
    if narrowed.is_infinite() {
        return Err(OUT_OF_RANGE);
    }
    Ok(narrowed)
}

/// From a list of numbers in brackets: singles, the least significant byte first.
fn singles(text: &str) -> Result<Vec<u8>, &'static str> {
    const RULE: &str = "not a vector such as [1,2.5]";
    let list = text.trim().strip_prefix('[').ok_or(RULE)?;
    let list = list.strip_suffix(']').ok_or(RULE)?;
    let is_part = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    let mut bytes = Vec::new();
    for entry in list.split(',').map(str::trim) {
        // Else words such as `inf` would be numbers.
        let number = entry
            .parse::<f32>()
            .ok()
            .filter(|_| entry.bytes().all(is_part));
        let single = number.ok_or(RULE)?;
        if single.is_infinite() {
            return Err(OUT_OF_RANGE);
        }
        bytes.extend(single.to_le_bytes());
    }
    Ok(bytes)
}

/// From plain notation; the mapping lets no fraction through but zeros.
fn unsigned(plain: &str) -> Result<u64, &'static str> {
    let whole = plain.split_once('.').map_or(plain, |(whole, _)| whole);
    if whole == "-0" {
        return Ok(0);
    }
    whole.parse().map_err(|_| OUT_OF_RANGE)
}

/// A number that is no label would be taken for the position of one, or for a set of them.
fn check_label(text: &str, labels: &[String]) -> Result<(), &'static str> {
    let starts_number = |first: char| {
        first.is_ascii_digit() || first.is_ascii_whitespace() || matches!(first, '+' | '-')
    };
    let is_label = |part: &str| labels.iter().any(|label| label == part);
    if text.starts_with(starts_number) && !is_label(text) && !text.split(',').all(is_label) {
        return Err("not one of the column's labels");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
