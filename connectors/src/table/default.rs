//! What a column holds where a new row does not say.

use crate::row::{Cell, Timestamp};

/// The default of a column to be created: a value, in no database's notation. A database in which the
/// column's type does not take it creates the column without one.
#[derive(Debug, Clone, PartialEq)]
pub enum DefaultValue {
    /// Boolean.
    Bool(bool),
    /// Integer of any width.
    Int(i64),
    /// Float of any width.
    Float(f64),
    /// Decimal in plain notation: `-?digits[.digits]`, `NaN` or `-?Infinity`.
    Decimal(String),
    /// Text.
    Text(String),
    /// A JSON document, as text.
    Json(String),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// Days since 1970-01-01; `i32::MAX` and `i32::MIN` are the infinities.
    Date(i32),
    /// Nanoseconds since midnight.
    Time(i64),
    /// Date and time, or point in time, as the column's type says.
    Timestamp(Timestamp),
    /// 128-bit identifier.
    Uuid([u8; 16]),
    /// An array.
    Array {
        /// In the notation of PostgreSQL, for a column of arrays.
        notation: String,
        /// As a JSON document, where there are no arrays.
        json: String,
    },
}

impl DefaultValue {
    /// A cell's value; `None` where there is none.
    pub fn of_cell(cell: Cell<'_>) -> Option<Self> {
        Some(match cell {
            Cell::Absent | Cell::Null => return None,
            Cell::Bool(value) => Self::Bool(value),
            Cell::Int(value) => Self::Int(value),
            Cell::Float(value) => Self::Float(value),
            Cell::Decimal(text) => Self::Decimal(text.to_owned()),
            Cell::Text(text) => Self::Text(text.to_owned()),
            Cell::Json(text) => Self::Json(text.to_owned()),
            Cell::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
            Cell::Date(days) => Self::Date(days),
            Cell::Time(nanos) => Self::Time(nanos),
            Cell::Timestamp(at) => Self::Timestamp(at),
            Cell::Uuid(bytes) => Self::Uuid(bytes),
        })
    }

    /// Bytes that it takes at most, in any of its forms; 0 for values of a fixed size.
    pub fn data_bytes(&self) -> usize {
        match self {
            Self::Decimal(text) | Self::Text(text) | Self::Json(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Array { notation, json } => notation.len().max(json.len()),
            _ => 0,
        }
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
