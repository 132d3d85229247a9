//! What a table lacks for the columns that are wanted (`auto.evolve`). Pure: each database says
//! for itself which of the changes it can make, and how.
//!
//! | wanted                      | a column is there that holds           | change                    |
//! |-----------------------------|----------------------------------------|---------------------------|
//! | any type                    | nothing of this name                   | add it, accepting null    |
//! | an integer                  | a narrower integer                     | the wanted integer        |
//! | double                      | single                                 | double                    |
//! | a decimal                   | integers                               | a decimal that holds both |
//! | a decimal or an integer     | decimals of fewer digits before or after the point | a decimal that holds both |
//! | a text                      | shorter texts                          | a text of the wanted length |
//! | anything else               | something else                         | none: it fits, or its records are refused one by one |
//!
//! A column is never narrowed and never dropped, and nothing is changed that every wanted value fits
//! already.

use crate::error::SinkError;
use crate::table::{ColumnDef, ColumnType, NewColumn, Table};

/// One change of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Add a column that accepts null.
    Add {
        /// Its name.
        name: String,
        /// What it shall hold.
        column_type: ColumnType,
    },
    /// Let a column hold more.
    Widen {
        /// The column as it is.
        column: ColumnDef,
        /// What it shall hold.
        to: ColumnType,
    },
}

/// The changes that make `table` able to hold `wanted`, in the order of `wanted`; none when it is.
pub fn changes(table: &Table, wanted: &[NewColumn]) -> Vec<Change> {
    let mut changes = Vec::new();
    for column in wanted {
        match table.column_index(&column.name) {
            None => changes.push(Change::Add {
                name: column.name.clone(),
                column_type: column.column_type.clone(),
            }),
            Some(index) => {
                let existing = &table.columns[index];
                if let Some(to) = widened(&existing.column_type, &column.column_type) {
                    changes.push(Change::Widen {
                        column: existing.clone(),
                        to,
                    });
                }
            }
        }
    }
    changes
}

/// The type that holds all of `from` and all of `wanted`, when `from` alone does not and such a type
/// is reached without loss.
pub fn widened(from: &ColumnType, wanted: &ColumnType) -> Option<ColumnType> {
    use ColumnType::{Decimal, Float32, Float64, Int16, Int32, Int64, Text};
    match (from, wanted) {
        (Int16, Int32) => Some(Int32),
        (Int16 | Int32, Int64) => Some(Int64),
        (Float32, Float64) => Some(Float64),
        (Int16 | Int32 | Int64 | Decimal { .. }, Decimal { .. })
        | (Decimal { .. }, Int16 | Int32 | Int64) => wider_decimal(from, wanted),
        (Text { max_chars: Some(_) }, Text { max_chars: None }) => Some(Text { max_chars: None }),
        (
            Text {
                max_chars: Some(now),
            },
            Text {
                max_chars: Some(wanted),
            },
        ) if wanted > now => Some(Text {
            max_chars: Some(*wanted),
        }),
        _ => None,
    }
}

fn wider_decimal(from: &ColumnType, wanted: &ColumnType) -> Option<ColumnType> {
    let unbounded = ColumnType::Decimal {
        precision: None,
        scale: None,
    };
    let Some((whole, fraction)) = digits(from) else {
        // Unbounded already.
        return None;
    };
    let Some((wanted_whole, wanted_fraction)) = digits(wanted) else {
        return Some(unbounded);
    };
    if wanted_whole <= whole && wanted_fraction <= fraction {
        return None;
    }
    let (whole, scale) = (whole.max(wanted_whole), fraction.max(wanted_fraction));
    Some(ColumnType::Decimal {
        precision: Some(whole + scale),
        scale: Some(scale),
    })
}

/// Most digits before and after the point; `None` without a bound.
fn digits(column_type: &ColumnType) -> Option<(u32, u32)> {
    match column_type {
        ColumnType::Int16 => Some((5, 0)),
        ColumnType::Int32 => Some((10, 0)),
        ColumnType::Int64 => Some((19, 0)),
        ColumnType::Decimal {
            precision: Some(precision),
            scale,
        } => {
            let scale = scale.unwrap_or(0);
            Some((precision.saturating_sub(scale), scale))
        }
        _ => None,
    }
}

/// For a change that the database did not make: names the column, both types and the statement.
pub fn refused(table: &Table, change: &Change, reason: &str, statement: &str) -> SinkError {
    let name = &table.name;
    SinkError::stop(match change {
        Change::Add {
            name: column,
            column_type,
        } => format!(
            "cannot add column \"{column}\" ({column_type}) to table {name}: {reason}; let someone \
             who may do so run: {statement}"
        ),
        Change::Widen { column, to } => format!(
            "column \"{}\" of table {name} is {} and records need {to}: {reason}; run by hand: \
             {statement}",
            column.name, column.native_type
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(digits: Option<(u32, u32)>) -> ColumnType {
        ColumnType::Decimal {
            precision: digits.map(|(precision, _)| precision),
            scale: digits.map(|(_, scale)| scale),
        }
    }

    fn text(max_chars: Option<u32>) -> ColumnType {
        ColumnType::Text { max_chars }
    }

    #[test]
    fn columns_are_widened_and_never_narrowed() {
        use ColumnType::{Bool, Date, Float32, Float64, Int16, Int32, Int64, Json};
        let check = |from: &ColumnType, wanted: &ColumnType, expected: Option<ColumnType>| {
            assert_eq!(widened(from, wanted), expected, "{from} to {wanted}");
        };
        check(&Int16, &Int32, Some(Int32));
        check(&Int16, &Int64, Some(Int64));
        check(&Int32, &Int64, Some(Int64));
        check(&Int64, &Int32, None);
        check(&Int64, &Int64, None);
        check(&Float32, &Float64, Some(Float64));
        check(&Float64, &Float32, None);
        check(&Int32, &Float64, None);
        check(&Float64, &Int64, None);
        check(&Int32, &decimal(None), Some(decimal(None)));
        check(
            &Int32,
            &decimal(Some((12, 2))),
            Some(decimal(Some((12, 2)))),
        );
        check(&Int64, &decimal(Some((5, 0))), None);
        check(&decimal(Some((10, 2))), &decimal(None), Some(decimal(None)));
        check(&decimal(None), &decimal(Some((10, 2))), None);
        check(&decimal(Some((10, 2))), &decimal(Some((9, 2))), None);
        check(
            &decimal(Some((10, 2))),
            &decimal(Some((10, 4))),
            Some(decimal(Some((12, 4)))),
        );
        check(
            &decimal(Some((10, 2))),
            &Int64,
            Some(decimal(Some((21, 2)))),
        );
        check(&decimal(Some((21, 2))), &Int64, None);
        check(&text(Some(5)), &text(Some(9)), Some(text(Some(9))));
        check(&text(Some(5)), &text(None), Some(text(None)));
        check(&text(Some(9)), &text(Some(5)), None);
        check(&text(None), &text(Some(5)), None);
        check(&Bool, &Int64, None);
        check(&Date, &text(None), None);
        check(&Json, &text(None), None);
    }

    #[test]
    fn only_what_is_missing_is_changed() {
        use crate::row::fixture::integer_target;
        use crate::table::WriteMode;
        let target = integer_target(2, 1, WriteMode::Insert);
        let wanted = |name: &str, column_type: &ColumnType| NewColumn {
            name: name.to_owned(),
            column_type: column_type.clone(),
            nullable: false,
        };
        let found = changes(
            &target.table,
            &[
                wanted("c0", &ColumnType::Int64),
                wanted("C1", &decimal(None)),
                wanted("new", &ColumnType::Bool),
            ],
        );
        let expected = [
            Change::Widen {
                column: target.table.columns[1].clone(),
                to: decimal(None),
            },
            Change::Add {
                name: "new".to_owned(),
                column_type: ColumnType::Bool,
            },
        ];
        assert_eq!(found, expected);
        let refusal = refused(&target.table, &found[0], "no right", "ALTER ..").to_string();
        assert_eq!(
            refusal,
            "column \"c1\" of table t is 64-bit integer and records need decimal: no right; run \
             by hand: ALTER .."
        );
    }
}
