//! What a table lacks for the columns that are wanted (`auto.evolve`). Pure: each database says
//! for itself which of the changes it can make, and how.
//!
//! | wanted                      | a column is there that holds           | change                    |
//! |-----------------------------|----------------------------------------|---------------------------|
//! | any type                    | nothing of this name                   | add it, accepting null    |
//! | an integer                  | a narrower integer                     | the wanted integer        |
//! | an unsigned integer         | a narrower unsigned integer            | the wanted integer        |
//! | double                      | single                                 | double                    |
//! | a decimal                   | integers                               | a decimal that holds both |
//! | a decimal or an integer     | decimals of fewer digits before or after the point | a decimal that holds both |
//! | a text                      | shorter texts                          | a text of the wanted length |
//! | bytes                       | fewer bytes                            | bytes of the wanted length |
//! | anything else               | something else                         | none: it fits, or its records are refused one by one |
//!
//! A column is never narrowed and never dropped, and nothing is changed that every wanted value fits
//! already. An added column has the default that is wanted, which fills the rows that are there; that
//! of a column that is there stays what it is.

use std::fmt;

use crate::error::{ErrorClass, SinkError};
use crate::table::{ColumnDef, ColumnType, DefaultValue, NewColumn, Table, TableName};

/// One change of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Add a column that accepts null.
    Add {
        /// Its name.
        name: String,
        /// What it shall hold.
        column_type: ColumnType,
        /// What it holds in rows that do not say, those that are there too.
        default: Option<DefaultValue>,
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
                default: column.default.clone(),
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
    use ColumnType::{
        Bytes, Decimal, Float32, Float64, Int16, Int32, Int64, IntRange, SizedBytes, SizedText,
        Text, UInt64,
    };
    match (from, wanted) {
        (Int16, Int32) => Some(Int32),
        (Int16 | Int32, Int64) => Some(Int64),
        (Float32, Float64) => Some(Float64),
        (IntRange { low, high }, Int16 | Int32 | Int64) => {
            let (wanted_low, wanted_high) = bounds(wanted);
            let both = (wanted_low.min(*low), wanted_high.max(*high));
            let holds_both = |integer: &ColumnType| {
                let (least, greatest) = bounds(integer);
                least <= both.0 && both.1 <= greatest
            };
            let mut wider = [Int16, Int32, Int64].into_iter();
            wider.find(holds_both).filter(|_| both != (*low, *high))
        }
        (
            IntRange { low: 0, high },
            IntRange {
                low: 0,
                high: wanted,
            },
        ) if wanted > high => Some(IntRange {
            low: 0,
            high: *wanted,
        }),
        (IntRange { low: 0, .. }, UInt64) => Some(UInt64),
        (UInt64, Int16 | Int32 | Int64) => Some(Decimal {
            precision: Some(20),
            scale: Some(0),
        }),
        (Int16 | Int32 | Int64 | IntRange { .. } | UInt64 | Decimal { .. }, Decimal { .. })
        | (Decimal { .. }, Int16 | Int32 | Int64) => wider_decimal(from, wanted),
        (SizedBytes { .. }, Bytes) => Some(Bytes),
        (SizedBytes { max_bytes: now }, SizedBytes { max_bytes: wanted }) if wanted > now => {
            Some(SizedBytes { max_bytes: *wanted })
        }
        (SizedText { .. }, Text { .. }) => Some(Text { max_chars: None }),
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

/// Least and greatest of an integer type.
fn bounds(integer: &ColumnType) -> (i64, i64) {
    match integer {
        ColumnType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        ColumnType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
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
        ColumnType::IntRange { low, high } => {
            let greatest = low.unsigned_abs().max(high.unsigned_abs());
            Some((greatest.checked_ilog10().map_or(1, |log| log + 1), 0))
        }
        ColumnType::UInt64 => Some((20, 0)),
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

/// A column that cannot be widened, whoever tries: an error of the record that needs it. Names the
/// column, both types and the statement to run by hand.
pub fn impossible(
    table: &TableName,
    column: &ColumnDef,
    to: &ColumnType,
    reason: &str,
    by_hand: &str,
) -> SinkError {
    let message = format!(
        "column \"{}\" of table {table} is {} and the record needs {to}: {reason}; run by hand: \
         {by_hand}",
        column.name, column.native_type
    );
    SinkError::new(ErrorClass::Record, message)
}

/// A column that cannot be added, whoever tries, such as for its name: an error of the records that have it.
pub fn unfit(error: &SinkError) -> SinkError {
    SinkError::new(ErrorClass::Record, error.to_string())
}

/// Changes that the database refused: an error of each *record* that needs them, since all others can be
/// written. Without the right to change the table *stop*: somebody has forgotten to grant it. Names the
/// columns, both types and the statement to run by hand; tells whether the change took too long.
pub fn refused(
    table: &TableName,
    changes: &[Change],
    refusal: &SinkError,
    by_hand: &str,
) -> SinkError {
    let class = match refusal.lacks_right() {
        true => ErrorClass::Stop,
        false => ErrorClass::Record,
    };
    let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
    let message = format!(
        "table {table} must hold more, and the change is refused ({}): {refusal}; let someone who may \
         do so run: {by_hand}",
        changes.join(", ")
    );
    let refused = SinkError::new(class, message);
    match refusal.timed_out() {
        true => refused.past_deadline(),
        false => refused,
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add {
                name, column_type, ..
            } => {
                write!(formatter, "new column \"{name}\", {column_type}")
            }
            Self::Widen { column, to } => write!(
                formatter,
                "column \"{}\" from {} to {to}",
                column.name, column.native_type
            ),
        }
    }
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
        let byte = ColumnType::IntRange { low: 0, high: 255 };
        check(&byte, &Int16, Some(Int16));
        check(
            &ColumnType::IntRange {
                low: 0,
                high: 65_535,
            },
            &Int16,
            Some(Int32),
        );
        check(&byte, &decimal(Some((20, 0))), Some(decimal(Some((20, 0)))));
        check(&ColumnType::UInt64, &Int16, Some(decimal(Some((20, 0)))));
        let to = |high| ColumnType::IntRange { low: 0, high };
        check(&byte, &to(65_535), Some(to(65_535)));
        check(&to(65_535), &byte, None);
        check(
            &to(4_294_967_295),
            &ColumnType::UInt64,
            Some(ColumnType::UInt64),
        );
        check(&ColumnType::UInt64, &to(65_535), None);
        let signed = ColumnType::IntRange {
            low: -128,
            high: 127,
        };
        check(&signed, &byte, None);
        check(&signed, &ColumnType::UInt64, None);
        check(
            &ColumnType::SizedText { max_bytes: 255 },
            &text(None),
            Some(text(None)),
        );
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
        let bytes = |max_bytes| ColumnType::SizedBytes { max_bytes };
        check(&bytes(5), &bytes(9), Some(bytes(9)));
        check(&bytes(9), &bytes(5), None);
        check(&bytes(9), &ColumnType::Bytes, Some(ColumnType::Bytes));
        check(&ColumnType::Bytes, &bytes(9), None);
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
            default: (name == "new").then_some(DefaultValue::Bool(true)),
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
                default: Some(DefaultValue::Bool(true)),
            },
        ];
        assert_eq!(found, expected);
        for refused_changes in [&found[..1], &found[1..]] {
            let check = |refusal: SinkError, class| {
                let error = refused(&target.table.name, refused_changes, &refusal, "ALTER ..");
                assert_eq!(error.class(), class);
            };
            check(SinkError::stop("a view"), ErrorClass::Record);
            let no_right = SinkError::stop("no right").for_want_of_a_right();
            check(no_right, ErrorClass::Stop);
        }
        let late = SinkError::retry("too long").past_deadline();
        let error = refused(&target.table.name, &found, &late, "ALTER ..");
        assert!(error.class() == ErrorClass::Record && error.timed_out());
        let refusal = SinkError::stop("a view");
        let error = refused(&target.table.name, &found, &refusal, "ALTER ..");
        assert_eq!(
            error.to_string(),
            "table t must hold more, and the change is refused (column \"c1\" from 64-bit integer \
             to decimal, new column \"new\", boolean): a view; let someone who may do so run: \
             ALTER .."
        );
    }
}
