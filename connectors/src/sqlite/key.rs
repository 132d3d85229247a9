//! Whether the fold and the table agree on which keys of some rows are the same. Pure.
//!
//! The fold compares texts by their bytes and decimals by their value. A column may do otherwise:
//!
//! | column                                | finds equal                        | and the fold        |
//! |---------------------------------------|------------------------------------|---------------------|
//! | a text with `COLLATE NOCASE`          | `a` and `A`                        | keeps them apart    |
//! | a text with `COLLATE RTRIM`           | `a` and `a` with blanks behind it  | keeps them apart    |
//! | a document of numeric affinity        | `7` and ` 7`, which become 7       | keeps them apart    |
//! | a decimal that is stored as text      | neither of `1.0` and `1.00`        | makes one of them   |
//!
//! Where a batch has such keys its rows are written in the order of the log.

use std::borrow::Cow;

use super::schema::{Affinity, affinity};
use crate::fold;
use crate::row::{Cell, TableRows};
use crate::table::{ColumnType, Target};

/// What a column, and the unique indexes that it is in, do not look at when they compare texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Collation {
    /// Of ASCII.
    pub(super) ignores_case: bool,
    /// At the end.
    pub(super) ignores_blanks: bool,
}

/// A key's column that does not compare as the fold does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LooseColumn {
    /// Index into [`Target::written`].
    column: usize,
    collation: Collation,
    is_numeric: bool,
}

impl LooseColumn {
    /// `None` for a column whose keys are the same when the fold says so.
    pub(super) fn of(target: &Target, column: usize, collation: Collation) -> Option<Self> {
        let definition = target.column(column);
        let affinity = affinity(&definition.native_type);
        let is_numeric = affinity == Affinity::Numeric;
        let is_loose = match definition.column_type {
            ColumnType::Text { .. } => collation != Collation::default(),
            ColumnType::Json => is_numeric || collation != Collation::default(),
            ColumnType::Decimal { .. } => matches!(affinity, Affinity::Text | Affinity::Blob),
            _ => false,
        };
        is_loose.then_some(Self {
            column,
            collation,
            is_numeric,
        })
    }

    /// The same for values that are, or may be, one key to the fold or to the table.
    fn merged<'c>(&self, cell: Cell<'c>) -> Option<(&'c str, Cow<'c, str>)> {
        match cell {
            Cell::Text(text) => Some((text, self.collated(text))),
            Cell::Json(text) => match text.trim().parse::<i64>() {
                Ok(number) if self.is_numeric => Some((text, number.to_string().into())),
                _ => Some((text, self.collated(text))),
            },
            Cell::Decimal(plain) => {
                let (is_negative, whole, fraction) = fold::decimal_parts(plain);
                let sign = if is_negative { "-" } else { "" };
                Some((plain, format!("{sign}{whole}.{fraction}").into()))
            }
            _ => None,
        }
    }

    fn collated<'c>(&self, text: &'c str) -> Cow<'c, str> {
        let mut merged = Cow::Borrowed(text);
        if self.collation.ignores_case {
            // SQLite compares no further than to the first U+0000, and then lengths.
            let end = text.find('\0').unwrap_or(text.len());
            merged = text[..end].to_ascii_lowercase().into();
        }
        if self.collation.ignores_blanks {
            let length = merged.trim_end_matches(' ').len();
            merged = match merged {
                Cow::Borrowed(text) => Cow::Borrowed(&text[..length]),
                Cow::Owned(mut text) => {
                    text.truncate(length);
                    Cow::Owned(text)
                }
            };
        }
        merged
    }
}

/// No two keys of these rows are one key to the fold and two to the table, or the other way round.
pub(super) fn are_told_apart(rows: &TableRows, loose: &[LooseColumn]) -> bool {
    loose.iter().all(|loose| {
        let cells = &rows.columns[loose.column];
        let merged = (0..cells.len()).filter_map(|row| loose.merged(cells.get(row)));
        fold::have_one_spelling_each(merged)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::fixture::{push_row, target};
    use crate::table::WriteMode;

    const CASELESS: Collation = Collation {
        ignores_case: true,
        ignores_blanks: false,
    };
    const BLANKLESS: Collation = Collation {
        ignores_case: false,
        ignores_blanks: true,
    };
    const EXACT: Collation = Collation {
        ignores_case: false,
        ignores_blanks: false,
    };

    /// Of a column declared as `declared`.
    fn check(
        column_type: ColumnType,
        declared: &str,
        collation: Collation,
        keys: &[Cell<'_>],
        expected: bool,
    ) {
        let mut target = Target::clone(&target(&[column_type], 1, WriteMode::Upsert));
        target.table.columns[0].native_type = declared.to_owned();
        let loose = LooseColumn::of(&target, 0, collation);
        let mut rows = TableRows::new(std::sync::Arc::new(target));
        for key in keys {
            push_row(&mut rows, &[*key], false);
        }
        let loose: Vec<LooseColumn> = loose.into_iter().collect();
        assert_eq!(are_told_apart(&rows, &loose), expected, "{keys:?}");
    }

    #[test]
    fn texts() {
        let check = |collation, texts: &[&str], expected| {
            let cells: Vec<Cell<'_>> = texts.iter().map(|text| Cell::Text(text)).collect();
            let text = ColumnType::Text { max_chars: None };
            check(text, "TEXT", collation, &cells, expected);
        };
        let both = Collation {
            ignores_case: true,
            ignores_blanks: true,
        };
        check(EXACT, &["a", "A", "a "], true);
        check(CASELESS, &["a", "b", "a"], true);
        check(CASELESS, &["a", "b", "A"], false);
        check(CASELESS, &["é", "É"], true);
        check(CASELESS, &["a", "a "], true);
        check(CASELESS, &["a\0b", "a\0c"], false);
        check(BLANKLESS, &["a", "A"], true);
        check(BLANKLESS, &["a", "b ", "a  "], false);
        check(BLANKLESS, &["a", "a\t"], true);
        check(both, &["a", "A "], false);
        check(both, &["a", "b"], true);
    }

    #[test]
    fn decimals_and_documents() {
        let check_decimals = |declared: &str, decimals: &[&str], expected| {
            let cells: Vec<Cell<'_>> = decimals.iter().map(|plain| Cell::Decimal(plain)).collect();
            let decimal = ColumnType::Decimal {
                precision: None,
                scale: None,
            };
            check(decimal, declared, EXACT, &cells, expected);
        };
        check_decimals("DECIMAL_TEXT", &["1.0", "1.00"], false);
        check_decimals("DECIMAL_TEXT", &["-0.0", "0"], false);
        check_decimals("DECIMAL_TEXT", &["1.0", "2.00", "1.0"], true);
        check_decimals("DECIMAL_TEXT", &["1", "-1", "10"], true);
        check_decimals("DECIMAL(9,2)", &["1.0", "1.00"], true);
        let check_documents = |declared: &str, documents: &[&str], expected| {
            let cells: Vec<Cell<'_>> = documents.iter().map(|text| Cell::Json(text)).collect();
            check(ColumnType::Json, declared, EXACT, &cells, expected);
        };
        check_documents("JSON", &["7", " 7"], false);
        check_documents("JSON", &["[7]", "[ 7]", "7"], true);
    }
}
