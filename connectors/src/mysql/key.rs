//! Whether the fold and the table agree on which keys of some rows are the same. Pure.
//!
//! The fold compares keys by their bytes. Most text columns of this database do not: `Anna` is
//! `anna`, and in many collations `é` is `e`. Where two keys that the fold keeps apart may be one
//! to the table, rows must be written in log order instead. That is rare: keys are mostly of
//! one case, and of ASCII.

use super::form::{Encoding, Equality, Form};
use crate::fold;
use crate::row::{Cell, Column, TableRows};

/// No two keys that differ to the fold are one key to the table. `forms` has one entry per written
/// column.
pub(super) fn are_told_apart(rows: &TableRows, forms: &[Form]) -> bool {
    rows.target.key.iter().all(|column| {
        let (cells, form) = (&rows.columns[*column], &forms[*column]);
        match form.equality {
            Equality::Exact => true,
            Equality::Unknown => rows.len() < 2,
            Equality::Padded => all(cells, |cell| match cell {
                Cell::Bytes(bytes) => bytes.last() != Some(&0),
                _ => true,
            }),
            Equality::Rounded => all(cells, |cell| is_kept(cell, &form.encoding)),
            Equality::Text { ignores_case } => {
                all(cells, is_plain) && !(ignores_case && differ_in_case(cells))
            }
        }
    })
}

fn all(cells: &Column, check: impl Fn(Cell<'_>) -> bool) -> bool {
    (0..cells.len()).all(|row| check(cells.get(row)))
}

/// Printable ASCII, without a blank at the end: that would not count.
fn is_plain(cell: Cell<'_>) -> bool {
    let Cell::Text(text) = cell else {
        return true;
    };
    let is_printable = |byte: &u8| (b' '..=b'~').contains(byte);
    text.as_bytes().iter().all(is_printable) && !text.ends_with(' ')
}

/// Some of these texts differ in nothing but case.
fn differ_in_case(cells: &Column) -> bool {
    let (mut has_lower, mut has_upper) = (false, false);
    for row in 0..cells.len() {
        if let Cell::Text(text) = cells.get(row) {
            has_lower |= text.bytes().any(|byte| byte.is_ascii_lowercase());
            has_upper |= text.bytes().any(|byte| byte.is_ascii_uppercase());
        }
    }
    if !(has_lower && has_upper) {
        return false;
    }
    let texts = (0..cells.len()).filter_map(|row| match cells.get(row) {
        Cell::Text(text) => Some((text, text.to_ascii_lowercase())),
        _ => None,
    });
    !fold::have_one_spelling_each(texts)
}

/// The value is stored as it is.
fn is_kept(cell: Cell<'_>, encoding: &Encoding) -> bool {
    match (encoding, cell) {
        (Encoding::Fraction(digits), cell) => fold::has_at_most_digits(cell, *digits),
        (_, Cell::Float(value)) => is_single(value),
        _ => true,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding is what is asked about"
)]
fn is_single(value: f64) -> bool {
    f64::from(value as f32) == value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Timestamp;
    use crate::row::fixture::{push_row, target};
    use crate::table::{ColumnType, WriteMode};

    fn check(column_type: ColumnType, form: Form, keys: &[Cell<'_>], expected: bool) {
        let target = target(&[column_type], 1, WriteMode::Upsert);
        let mut rows = TableRows::new(target);
        for key in keys {
            push_row(&mut rows, &[*key], false);
        }
        assert_eq!(are_told_apart(&rows, &[form]), expected, "{keys:?}");
    }

    fn with(equality: Equality, encoding: Encoding) -> Form {
        Form {
            equality,
            encoding,
            ..Form::plain()
        }
    }

    #[test]
    fn texts() {
        let check = |ignores_case, texts: &[&str], expected| {
            let cells: Vec<Cell<'_>> = texts.iter().map(|text| Cell::Text(text)).collect();
            let form = with(Equality::Text { ignores_case }, Encoding::Plain);
            check(ColumnType::Text { max_chars: None }, form, &cells, expected);
        };
        check(true, &["a", "b", "a"], true);
        check(true, &["A", "B"], true);
        check(true, &["Anna", "Bob", "Anna"], true);
        check(true, &["Anna", "anna"], false);
        check(false, &["Anna", "anna"], true);
        check(true, &["a", "a "], false);
        check(false, &["a "], false);
        check(true, &["é"], false);
        check(true, &["a\u{1}"], false);
        check(true, &["", "a"], true);
    }

    #[test]
    fn times_floats_and_bytes() {
        let at = |nanos| Cell::Timestamp(Timestamp { seconds: 5, nanos });
        let check_time = |digits, nanos: u32, expected| {
            let form = with(Equality::Rounded, Encoding::Fraction(digits));
            check(ColumnType::Timestamp, form, &[at(nanos)], expected);
        };
        check_time(6, 1_000, true);
        check_time(6, 1_001, false);
        check_time(3, 1_000_000, true);
        check_time(0, 1, false);
        let single = || with(Equality::Rounded, Encoding::Single);
        check(ColumnType::Float32, single(), &[Cell::Float(0.5)], true);
        check(ColumnType::Float32, single(), &[Cell::Float(0.1)], false);
        let padded = || with(Equality::Padded, Encoding::Plain);
        check(ColumnType::Bytes, padded(), &[Cell::Bytes(b"a")], true);
        check(ColumnType::Bytes, padded(), &[Cell::Bytes(b"a\0")], false);
        let unknown = || with(Equality::Unknown, Encoding::Plain);
        let text = ColumnType::Text { max_chars: None };
        check(text.clone(), unknown(), &[Cell::Text("a")], true);
        check(text, unknown(), &[Cell::Text("a"), Cell::Text("b")], false);
    }
}
