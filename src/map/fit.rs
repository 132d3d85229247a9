//! One value into one column: every conversion that can fail fails here, with its reason, and not
//! in the database. Nothing is rounded, cut or guessed.
//!
//! | column    | accepts                                                               |
//! |-----------|-----------------------------------------------------------------------|
//! | boolean   | boolean; the numbers 0 and 1                                          |
//! | integers  | a number without fraction, in range; booleans as 0 and 1              |
//! | floats    | a number in range; `NaN`, `Infinity`, `-Infinity` as text             |
//! | decimal   | a number, or a text that is one, within precision and scale; `NaN`, and infinities where it has no precision |
//! | text      | text, number (as written), boolean, object or array (as JSON)         |
//! | bytes     | bytes; text as base64; uuid                                           |
//! | date      | date; text `2026-11-21`; a timestamp at midnight                      |
//! | time      | time; text `10:15:30.123456`, up to `24:00:00`                        |
//! | timestamp | timestamp; text in ISO 8601; milliseconds since 1970; a date as its midnight |
//! | uuid      | uuid; text in the usual notations; 16 bytes                           |
//! | json      | anything but bytes; a text that is JSON is the document               |
//! | array     | an array of what fits its elements, of any number of dimensions       |
//!
//! These are the columns of most tables, and the modules [`number`], [`text`], [`binary`] and
//! [`time`]. Columns whose values travel in a notation of the database are told apart once, behind
//! them: [`bits`], [`interval`], [`network`], [`collection`] and [`range`].

mod binary;
mod bits;
mod collection;
mod interval;
mod literal;
mod network;
mod number;
mod range;
mod text;
mod time;

use std::borrow::Cow;

use rowdock_connectors::{Cell, ColumnType, Notation};

use crate::record::Value;
use crate::record::zone::Zone;
pub(super) use time::moment;

/// Why a value does not fit; completed to a sentence by the caller, who knows field and column.
pub type Misfit = Cow<'static, str>;

/// What is the same for all columns of a table.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// The database's text can hold U+0000.
    pub text_allows_nul: bool,
    /// Its dates can be `0000-00-00`.
    pub takes_zero_dates: bool,
    /// Zone of dates and times without one, in records and in columns; `None` is UTC.
    pub zone: Option<Zone>,
}

/// A value made to fit a column: borrowed where it can be.
#[derive(Debug, PartialEq)]
pub enum Fitted<'a> {
    /// Needs no memory of its own.
    Cell(Cell<'a>),
    /// Text made on the way.
    Text(String),
    /// Plain decimal notation made on the way.
    Decimal(String),
    /// JSON made on the way.
    Json(String),
    /// Bytes made on the way.
    Bytes(Vec<u8>),
}

impl Fitted<'_> {
    /// The cell to push.
    pub fn cell(&self) -> Cell<'_> {
        match self {
            Self::Cell(cell) => *cell,
            Self::Text(text) => Cell::Text(text),
            Self::Decimal(text) => Cell::Decimal(text),
            Self::Json(text) => Cell::Json(text),
            Self::Bytes(bytes) => Cell::Bytes(bytes),
        }
    }
}

/// Fits a value to a column type.
///
/// # Errors
/// The rule that the value breaks, without the value.
pub fn fit<'v>(
    value: &'v Value<'_>,
    column: &ColumnType,
    rules: Rules,
) -> Result<Fitted<'v>, Misfit> {
    if *value == Value::Null {
        return Ok(Fitted::Cell(Cell::Null));
    }
    match column {
        ColumnType::Bool => number::boolean(value),
        ColumnType::Int16 => number::integer(value, i64::from(i16::MIN), i64::from(i16::MAX)),
        ColumnType::Int32 => number::integer(value, i64::from(i32::MIN), i64::from(i32::MAX)),
        ColumnType::Int64 => number::integer(value, i64::MIN, i64::MAX),
        ColumnType::Float32 => number::float(value, f64::from(f32::MAX)),
        ColumnType::Float64 => number::float(value, f64::MAX),
        ColumnType::Decimal { precision, scale } => number::exact(value, *precision, *scale),
        ColumnType::Text { max_chars } => text::text(value, *max_chars, rules.text_allows_nul),
        ColumnType::Bytes => binary::bytes(value),
        ColumnType::Date => time::date(value, rules),
        ColumnType::Time => time::time(value),
        ColumnType::Timestamp => time::timestamp(value, false, rules),
        ColumnType::TimestampTz => time::timestamp(value, true, rules),
        ColumnType::Uuid => text::identifier(value),
        ColumnType::Json => text::document(value),
        other => fit_rare(value, other, rules),
    }
}

fn fit_rare<'v>(
    value: &'v Value<'_>,
    column: &ColumnType,
    rules: Rules,
) -> Result<Fitted<'v>, Misfit> {
    match column {
        ColumnType::IntRange { low, high } => number::integer(value, *low, *high),
        ColumnType::UInt64 => number::unsigned(value),
        ColumnType::SizedText { max_bytes } => {
            text::sized(value, *max_bytes, rules.text_allows_nul)
        }
        ColumnType::SizedBytes { max_bytes } => binary::sized(value, *max_bytes),
        ColumnType::TimeSpan => time::span(value),
        ColumnType::Geometry => binary::geometry(value),
        ColumnType::Literal(notation) => fit_notation(value, notation, rules),
        ColumnType::Array(element) => collection::array(value, element, rules).map(Fitted::Text),
        ColumnType::Special { plain, .. } => fit(value, plain, rules),
        _ => Err("columns of this type cannot be filled".into()),
    }
}

fn fit_notation<'v>(
    value: &'v Value<'_>,
    notation: &Notation,
    rules: Rules,
) -> Result<Fitted<'v>, Misfit> {
    let allows_nul = rules.text_allows_nul;
    let made = match notation {
        Notation::Inet => network::inet(value),
        Notation::Cidr => network::cidr(value),
        Notation::MacAddress { bytes } => network::mac_address(value, usize::from(*bytes)),
        Notation::Interval => interval::interval(value),
        Notation::TimeTz => time::with_zone(value),
        Notation::Bits { length, varying } => bits::bits(value, *length, *varying),
        Notation::Hstore => collection::hstore(value, allows_nul),
        Notation::Range(bound) => range::range(value, bound, rules),
        Notation::Multirange(bound) => range::multirange(value, bound, rules),
        Notation::Point => binary::point(value),
        Notation::Geometry => binary::postgis(value),
        Notation::Byte => return text::byte(value),
        Notation::Any => return text::text(value, None, allows_nul),
    };
    made.map(Fitted::Text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) const TEXT: ColumnType = ColumnType::Text { max_chars: None };

    pub(super) fn number(text: &str) -> Value<'_> {
        Value::Number(text)
    }

    pub(super) fn words(text: &str) -> Value<'_> {
        Value::Text(Cow::Borrowed(text))
    }

    pub(super) fn check(value: &Value<'_>, column: &ColumnType, expected: Option<Cell<'_>>) {
        let fitted = fit(value, column, Rules::default());
        let cell = fitted.as_ref().ok().map(Fitted::cell);
        assert_eq!(cell, expected, "{value:?} into {column}");
    }

    /// One column of each kind.
    fn every_column() -> Vec<ColumnType> {
        let literal = ColumnType::Literal;
        let date = || Box::new(ColumnType::Date);
        let length = Some(8);
        vec![
            ColumnType::Bool,
            ColumnType::Int16,
            ColumnType::Int32,
            ColumnType::Int64,
            ColumnType::Float32,
            ColumnType::Float64,
            ColumnType::Decimal {
                precision: Some(6),
                scale: Some(2),
            },
            TEXT,
            ColumnType::Bytes,
            ColumnType::Date,
            ColumnType::Time,
            ColumnType::Timestamp,
            ColumnType::TimestampTz,
            ColumnType::Uuid,
            ColumnType::Json,
            ColumnType::IntRange { low: -1, high: 1 },
            ColumnType::UInt64,
            ColumnType::SizedText { max_bytes: 3 },
            ColumnType::SizedBytes { max_bytes: 3 },
            ColumnType::TimeSpan,
            ColumnType::Geometry,
            literal(Notation::Inet),
            literal(Notation::Cidr),
            literal(Notation::MacAddress { bytes: 6 }),
            literal(Notation::Interval),
            literal(Notation::TimeTz),
            literal(Notation::Bits {
                length,
                varying: false,
            }),
            literal(Notation::Byte),
            literal(Notation::Hstore),
            literal(Notation::Point),
            literal(Notation::Geometry),
            literal(Notation::Range(date())),
            literal(Notation::Multirange(date())),
            literal(Notation::Any),
            ColumnType::Array(date()),
            ColumnType::Unsupported,
        ]
    }

    #[test]
    fn null_fits_everywhere_and_nothing_fits_what_is_unknown() {
        for column in every_column() {
            check(&Value::Null, &column, Some(Cell::Null));
        }
        check(&number("1"), &ColumnType::Unsupported, None);
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,30}", digits in "[-+0-9.e]{0,10}", odd in "[\\[\\](){},:\"\\\\0-9PTZ -]{0,12}") {
            for column in every_column() {
                let fits = |value: &Value<'_>| fit(value, &column, Rules::default()).is_ok();
                let _fits = (
                    fits(&words(&text)),
                    fits(&number(&digits)),
                    fits(&words(&odd)),
                    fits(&Value::Json(odd.as_str().into())),
                    fits(&Value::Bytes(odd.as_bytes().into())),
                );
            }
        }

        /// Whatever fits becomes a cell of the column's own kind.
        #[test]
        fn cells_are_of_the_columns_kind(text in "[-0-9:./{}\\[\\],]{0,12}", number in any::<i64>()) {
            for column in every_column() {
                for value in [words(&text), Value::Int(number), Value::Json(text.as_str().into()), Value::Bool(true)] {
                    if let Ok(fitted) = fit(&value, &column, Rules::default()) {
                        let pushed = rowdock_connectors::Column::for_type(&column).push(fitted.cell());
                        prop_assert_eq!(pushed, Ok(()), "{:?} into {}", value, column);
                    }
                }
            }
        }
    }
}
