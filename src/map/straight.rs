//! The short way of a value into its column: most values already are what their column holds, and
//! these few kinds are most of all cells. What a column takes is found out once; whatever is not
//! taken goes the long way through [`fit`](super::fit), which also knows the reasons. So there is
//! nothing here that `fit` does not say, which the tests hold it to.

use rowdock_connectors::{Column, ColumnType};

use crate::record::Value;

/// What a column takes without a look at `fit`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Straight {
    /// Whole numbers from `low` to `high`.
    Int { low: i64, high: i64 },
    /// Numbers.
    Float64,
    /// True and false.
    Bool,
    /// Texts of at most so many bytes, which are never fewer than their characters.
    Text { max_bytes: usize, allows_nul: bool },
    /// The same but for texts of these lengths, which may stand for something else.
    TextBut {
        max_bytes: usize,
        allows_nul: bool,
        lengths: [usize; 2],
    },
    /// Nothing.
    Nothing,
}

impl Straight {
    /// What a column of this type takes. `text_allows_nul`: its database's text can hold U+0000.
    pub(super) fn into_column(column_type: &ColumnType, text_allows_nul: bool) -> Self {
        match column_type {
            ColumnType::Int16 => Self::Int {
                low: i16::MIN.into(),
                high: i16::MAX.into(),
            },
            ColumnType::Int32 => Self::Int {
                low: i32::MIN.into(),
                high: i32::MAX.into(),
            },
            ColumnType::Int64 => Self::Int {
                low: i64::MIN,
                high: i64::MAX,
            },
            ColumnType::IntRange { low, high } => Self::Int {
                low: *low,
                high: *high,
            },
            ColumnType::Float64 => Self::Float64,
            ColumnType::Bool => Self::Bool,
            ColumnType::Text { max_chars } => Self::Text {
                max_bytes: max_chars.map_or(usize::MAX, |max| max as usize),
                allows_nul: text_allows_nul,
            },
            _ => Self::Nothing,
        }
    }

    /// The same for a column whose texts of these lengths must be looked at.
    pub(super) fn but_for(self, lengths: [usize; 2]) -> Self {
        match self {
            Self::Text {
                max_bytes,
                allows_nul,
            } => Self::TextBut {
                max_bytes,
                allows_nul,
                lengths,
            },
            other => other,
        }
    }

    /// Appends the value to its column. `false`: it has to go the long way, and nothing was
    /// appended.
    #[inline]
    pub(super) fn push(self, value: &Value<'_>, cells: &mut Column) -> bool {
        match (self, value) {
            (Self::Int { low, high }, Value::Number(text)) => match text.parse::<i64>() {
                Ok(number) => (low..=high).contains(&number) && cells.push_int(number),
                Err(_) => false,
            },
            (Self::Int { low, high }, Value::Int(number)) => {
                (low..=high).contains(number) && cells.push_int(*number)
            }
            // MySQL's booleans are numbers.
            (Self::Int { low, high }, Value::Bool(value)) => {
                let number = i64::from(*value);
                (low..=high).contains(&number) && cells.push_int(number)
            }
            (Self::Float64, Value::Number(text)) => match text.parse::<f64>() {
                Ok(number) => number.is_finite() && cells.push_float(number),
                Err(_) => false,
            },
            (Self::Float64, Value::Float64(number)) => cells.push_float(*number),
            (Self::Bool, Value::Bool(value)) => cells.push_bool(*value),
            (
                Self::Text {
                    max_bytes,
                    allows_nul,
                },
                Value::Text(text),
            ) => push_text(text, max_bytes, allows_nul, cells),
            (
                Self::TextBut {
                    max_bytes,
                    allows_nul,
                    lengths,
                },
                Value::Text(text),
            ) => !lengths.contains(&text.len()) && push_text(text, max_bytes, allows_nul, cells),
            _ => false,
        }
    }
}

#[inline]
fn push_text(text: &str, max_bytes: usize, allows_nul: bool, cells: &mut Column) -> bool {
    let fits = text.len() <= max_bytes && (allows_nul || !has_nul(text));
    fits && cells.push_text(text)
}

/// Looks at every byte, which the compiler makes steps of many at once of: faster for short texts
/// than a search that ends early.
#[inline]
fn has_nul(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | (byte == 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fit;
    use super::*;

    fn column_type() -> impl Strategy<Value = ColumnType> {
        prop_oneof![
            Just(ColumnType::Bool),
            Just(ColumnType::Int16),
            Just(ColumnType::Int32),
            Just(ColumnType::Int64),
            Just(ColumnType::IntRange {
                low: -128,
                high: 127
            }),
            Just(ColumnType::Float32),
            Just(ColumnType::Float64),
            Just(ColumnType::Text { max_chars: None }),
            Just(ColumnType::Text { max_chars: Some(3) }),
            Just(ColumnType::Json),
        ]
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["\\PC{0,5}", "[a\0]{0,5}", Just("NaN".to_owned())]
    }

    fn check(value: &Value<'_>, column_type: &ColumnType, allows_nul: bool) {
        let mut straight = Column::for_type(column_type);
        if !Straight::into_column(column_type, allows_nul).push(value, &mut straight) {
            assert!(straight.is_empty());
            return;
        }
        let rules = fit::Rules {
            text_allows_nul: allows_nul,
            takes_zero_dates: false,
            zone: None,
        };
        let fitted = fit::fit(value, column_type, rules).unwrap();
        assert_eq!(straight.get(0), fitted.cell(), "{value:?} {column_type:?}");
    }

    proptest! {
        #[test]
        fn takes_only_what_fits_and_as_it_fits(
            column_type in column_type(),
            allows_nul: bool,
            number in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?(e[0-9]{1,3})?",
            int: i64,
            small in -40_000_i64..40_000,
            float in any::<f64>().prop_filter("equal to itself", |float| !float.is_nan()),
            text in text(),
            truth: bool,
        ) {
            for value in [
                Value::Null,
                Value::Bool(truth),
                Value::Number(&number),
                Value::Int(int),
                Value::Int(small),
                Value::Float64(float),
                Value::Text(text.as_str().into()),
            ] {
                check(&value, &column_type, allows_nul);
            }
        }
    }

    #[test]
    fn texts_that_may_stand_for_something_else_go_the_long_way() {
        let column_type = ColumnType::Text { max_chars: Some(4) };
        let way = Straight::into_column(&column_type, false).but_for([1, 3]);
        let takes = |text: &str| {
            let mut cells = Column::for_type(&column_type);
            way.push(&Value::Text(text.into()), &mut cells)
        };
        let found = ["", "a", "ab", "abc", "abcd", "abcde"].map(takes);
        assert_eq!(found, [true, false, true, false, true, false]);
    }

    #[test]
    fn takes_what_is_most_common() {
        let check = |value: Value<'_>, column_type: ColumnType| {
            let mut cells = Column::for_type(&column_type);
            let straight = Straight::into_column(&column_type, false);
            assert!(straight.push(&value, &mut cells), "{value:?}");
        };
        check(Value::Number("-7"), ColumnType::Int32);
        check(Value::Int(7), ColumnType::Int16);
        check(Value::Number("7.25e3"), ColumnType::Float64);
        check(Value::Bool(true), ColumnType::Bool);
        check(
            Value::Text("größe".into()),
            ColumnType::Text { max_chars: None },
        );
        check(
            Value::Text("größe".into()),
            ColumnType::Text { max_chars: Some(8) },
        );
    }
}
