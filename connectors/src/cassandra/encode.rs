//! Values in the form of Cassandra's native protocol, by the types that the server gives a statement's
//! parameters. Pure.
//!
//! | column                                | cell                                                      |
//! |---------------------------------------|-----------------------------------------------------------|
//! | scalars                               | of the kind that [`types`](super::types) describes them as |
//! | `inet`, `duration`                    | text, read here                                           |
//! | collections, tuples, vectors, types of one's own | a JSON document, read here by the type ([`json`]) |
//!
//! What does not fit is found here, before anything is sent.

use std::borrow::Cow;

use scylla::frame::response::result::{ColumnType, NativeType};
use scylla::serialize::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;

use crate::row::{Cell, Timestamp};

mod duration;
mod json;
mod number;
mod text;

/// Why a value does not fit; completed to a sentence by the caller, who knows column and type.
pub(super) type Misfit = Cow<'static, str>;

/// Length of a value that is null, and of one that leaves the column as it is.
const NULL: i32 = -1;
const UNSET: i32 = -2;

/// The day of the epoch: dates are counted from the middle of their range, so that they sort as bytes.
const EPOCH_DAY: i64 = 1 << 31;

const NANOS_PER_DAY: i64 = 86_400_000_000_000;
const NANOS_PER_MILLI: u32 = 1_000_000;
const MILLIS_PER_SECOND: i64 = 1_000;

/// What an explicit null does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    /// Leaves the column as it is.
    Unset,
    /// Deletes the column's value.
    Delete,
}

/// The values of one statement, each with its length, end to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'a>(pub(super) &'a [u8]);

/// Appends one value.
///
/// # Errors
/// The rule that the cell breaks, without the value; `buffer` may then end in a part of it.
pub(super) fn push_cell(
    buffer: &mut Vec<u8>,
    cell: &Cell<'_>,
    column_type: &ColumnType<'_>,
    nulls: Nulls,
) -> Result<(), Misfit> {
    match (cell, nulls) {
        (Cell::Absent, _) | (Cell::Null, Nulls::Unset) => push_length(buffer, UNSET),
        (Cell::Null, Nulls::Delete) => push_length(buffer, NULL),
        _ => with_length(buffer, |buffer| match (column_type, cell) {
            (ColumnType::Native(native), cell) => push_native(buffer, cell, native),
            (nested, Cell::Json(document)) => json::push(buffer, document, nested),
            _ => Err("only a JSON document fits".into()),
        })?,
    }
    Ok(())
}

/// Appends an `int`.
pub(super) fn push_int(buffer: &mut Vec<u8>, value: i32) {
    push_length(buffer, 4);
    buffer.extend_from_slice(&value.to_be_bytes());
}

/// Appends a `bigint`.
pub(super) fn push_bigint(buffer: &mut Vec<u8>, value: i64) {
    push_length(buffer, 8);
    buffer.extend_from_slice(&value.to_be_bytes());
}

fn push_length(buffer: &mut Vec<u8>, length: i32) {
    buffer.extend_from_slice(&length.to_be_bytes());
}

/// Appends what `push` appends, behind its length.
fn with_length(
    buffer: &mut Vec<u8>,
    push: impl FnOnce(&mut Vec<u8>) -> Result<(), Misfit>,
) -> Result<(), Misfit> {
    let start = buffer.len();
    push_length(buffer, 0);
    push(buffer)?;
    let length = i32::try_from(buffer.len() - start - 4).map_err(|_| "the value is too large")?;
    buffer[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

fn push_native(buffer: &mut Vec<u8>, cell: &Cell<'_>, native: &NativeType) -> Result<(), Misfit> {
    match (native, cell) {
        (NativeType::Boolean, Cell::Bool(value)) => buffer.push(u8::from(*value)),
        (
            NativeType::TinyInt
            | NativeType::SmallInt
            | NativeType::Int
            | NativeType::BigInt
            | NativeType::Counter,
            Cell::Int(value),
        ) => number::push_integer(buffer, *value, native)?,
        (NativeType::Float, Cell::Float(value)) => number::push_float32(buffer, *value),
        (NativeType::Double, Cell::Float(value)) => {
            buffer.extend_from_slice(&value.to_be_bytes());
        }
        (NativeType::Varint, Cell::Decimal(digits)) => number::push_varint(buffer, digits)?,
        (NativeType::Decimal, Cell::Decimal(digits)) => number::push_decimal(buffer, digits)?,
        (NativeType::Text, Cell::Text(value)) => buffer.extend_from_slice(value.as_bytes()),
        (NativeType::Ascii, Cell::Text(value)) => text::push_ascii(buffer, value)?,
        (NativeType::Inet, Cell::Text(value)) => text::push_address(buffer, value)?,
        (NativeType::Duration, Cell::Text(value)) => duration::push(buffer, value)?,
        (NativeType::Blob, Cell::Bytes(value)) => buffer.extend_from_slice(value),
        (NativeType::Date, Cell::Date(days)) => push_date(buffer, *days)?,
        (NativeType::Time, Cell::Time(nanos)) => push_time(buffer, *nanos)?,
        (NativeType::Timestamp, Cell::Timestamp(at)) => push_timestamp(buffer, at)?,
        (NativeType::Uuid, Cell::Uuid(bytes)) => buffer.extend_from_slice(bytes),
        (NativeType::Timeuuid, Cell::Uuid(bytes)) => text::push_timeuuid(buffer, *bytes)?,
        (_, cell) => return Err(format!("{} does not fit", cell.kind()).into()),
    }
    Ok(())
}

fn push_date(buffer: &mut Vec<u8>, days: i32) -> Result<(), Misfit> {
    // What the ends of the range are elsewhere would be days like any other here.
    if matches!(days, i32::MIN | i32::MAX) {
        return Err("cassandra's dates are never infinite".into());
    }
    let day = u32::try_from(i64::from(days) + EPOCH_DAY).map_err(|_| "the date is out of range")?;
    buffer.extend_from_slice(&day.to_be_bytes());
    Ok(())
}

fn push_time(buffer: &mut Vec<u8>, nanos: i64) -> Result<(), Misfit> {
    if !(0..NANOS_PER_DAY).contains(&nanos) {
        return Err("times of day end before 24:00".into());
    }
    buffer.extend_from_slice(&nanos.to_be_bytes());
    Ok(())
}

/// What is finer than a millisecond is cut off, towards the past.
fn push_timestamp(buffer: &mut Vec<u8>, at: &Timestamp) -> Result<(), Misfit> {
    let millis = i64::from(at.nanos / NANOS_PER_MILLI);
    let whole = at.seconds.checked_mul(MILLIS_PER_SECOND);
    let instant = whole.and_then(|whole| whole.checked_add(millis));
    let instant = instant.ok_or("the timestamp is out of range, or infinite")?;
    buffer.extend_from_slice(&instant.to_be_bytes());
    Ok(())
}

/// The driver asks for the values of a statement one by one; they are copied as they lie.
impl SerializeRow for Values<'_> {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        let mut rest = self.0;
        for _ in context.columns() {
            let Some((length, behind)) = rest.split_first_chunk::<4>() else {
                return Err(SerializationError::new(TooFewValues));
            };
            let length = i32::from_be_bytes(*length);
            let cell = writer.make_cell_writer();
            rest = behind;
            match usize::try_from(length) {
                Ok(length) => {
                    let value = behind.get(..length);
                    let value = value.ok_or_else(|| SerializationError::new(TooFewValues))?;
                    cell.set_value(value).map_err(SerializationError::new)?;
                    rest = &behind[length..];
                }
                Err(_) if length == UNSET => {
                    cell.set_unset();
                }
                Err(_) => {
                    cell.set_null();
                }
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A statement has more parameters than values were made for it: a mistake here, not in the data.
#[derive(Debug, thiserror::Error)]
#[error("fewer values than the statement has parameters")]
struct TooFewValues;

#[cfg(test)]
mod tests;
