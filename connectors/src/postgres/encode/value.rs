//! One cell: its length, then its bytes.

use bytes::{BufMut, BytesMut};

use super::numeric::put_numeric;
use super::time;
use crate::postgres::sql::WireType;
use crate::row::{CellState, Column, Values};

const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// The only version of jsonb's binary format.
const JSONB_VERSION: u8 = 1;
const OUT_OF_RANGE: &str = "number out of the column's range";
const TOO_LONG: &str = "value longer than a field can be";

/// Appends one cell. An absent one is null here: a column that must not be named in the statement
/// is not among the encoded ones.
///
/// # Errors
/// What is wrong with the value; bytes may have been appended then.
#[inline]
pub(super) fn put(
    buffer: &mut BytesMut,
    column: &Column,
    wire_type: WireType,
    row: usize,
) -> Result<(), &'static str> {
    if !column.all_values() && column.state(row) != CellState::Value {
        buffer.extend_from_slice(&NULL);
        return Ok(());
    }
    match (column.values(), wire_type) {
        (Values::Int(values), WireType::Int8) => put_8(buffer, values[row].to_be_bytes()),
        (Values::Int(values), WireType::Int4) => {
            let value = i32::try_from(values[row]).map_err(|_| OUT_OF_RANGE)?;
            put_4(buffer, value.to_be_bytes());
        }
        (Values::Int(values), WireType::Oid) => {
            let value = u32::try_from(values[row]).map_err(|_| OUT_OF_RANGE)?;
            put_4(buffer, value.to_be_bytes());
        }
        (Values::Int(values), WireType::Int2) => {
            let value = i16::try_from(values[row]).map_err(|_| OUT_OF_RANGE)?;
            put_2(buffer, value.to_be_bytes());
        }
        (Values::Text(values), WireType::Text)
        | (Values::Json(values), WireType::Json)
        | (Values::Bytes(values), WireType::Bytea) => put_bytes(buffer, values.get(row))?,
        (Values::Json(values), WireType::Jsonb) => put_jsonb(buffer, values.get(row))?,
        (Values::Float(values), WireType::Float8) => put_8(buffer, values[row].to_be_bytes()),
        (Values::Float(values), WireType::Float4) => {
            put_4(buffer, narrow(values[row])?.to_be_bytes());
        }
        (Values::Timestamp(values), WireType::Timestamp | WireType::TimestampTz) => {
            put_8(buffer, time::timestamp(values[row])?.to_be_bytes());
        }
        (Values::Date(values), WireType::Date) => {
            put_4(buffer, time::date(values[row])?.to_be_bytes());
        }
        (Values::Time(values), WireType::Time) => {
            put_8(buffer, time::time_of_day(values[row])?.to_be_bytes());
        }
        (Values::Bool(values), WireType::Bool) => {
            buffer.extend_from_slice(&[0, 0, 0, 1, u8::from(values[row])]);
        }
        (Values::Uuid(values), WireType::Uuid) => put_uuid(buffer, values[row]),
        (Values::Decimal(values), WireType::Numeric) => put_numeric(buffer, values.get(row))?,
        _ => return Err("cell of another kind than its column"),
    }
    Ok(())
}

// Length and value in one append: each append looks at the buffer's capacity.

fn put_2(buffer: &mut BytesMut, value: [u8; 2]) {
    buffer.extend_from_slice(&[0, 0, 0, 2, value[0], value[1]]);
}

fn put_4(buffer: &mut BytesMut, value: [u8; 4]) {
    let mut field = [0, 0, 0, 4, 0, 0, 0, 0];
    field[4..].copy_from_slice(&value);
    buffer.extend_from_slice(&field);
}

fn put_8(buffer: &mut BytesMut, value: [u8; 8]) {
    let mut field = [0; 12];
    field[3] = 8;
    field[4..].copy_from_slice(&value);
    buffer.extend_from_slice(&field);
}

fn put_uuid(buffer: &mut BytesMut, value: [u8; 16]) {
    let mut field = [0; 20];
    field[3] = 16;
    field[4..].copy_from_slice(&value);
    buffer.extend_from_slice(&field);
}

fn put_bytes(buffer: &mut BytesMut, bytes: &[u8]) -> Result<(), &'static str> {
    let length = i32::try_from(bytes.len()).map_err(|_| TOO_LONG)?;
    buffer.reserve(4 + bytes.len());
    buffer.put_i32(length);
    buffer.extend_from_slice(bytes);
    Ok(())
}

fn put_jsonb(buffer: &mut BytesMut, text: &[u8]) -> Result<(), &'static str> {
    let length = i32::try_from(text.len() + 1).map_err(|_| TOO_LONG)?;
    buffer.put_i32(length);
    buffer.put_u8(JSONB_VERSION);
    buffer.extend_from_slice(text);
    Ok(())
}

/// The nearest single. A finite double beyond every single is an error, not infinity.
#[expect(clippy::cast_possible_truncation, reason = "rounding is meant")]
fn narrow(value: f64) -> Result<f32, &'static str> {
    let narrowed = value as f32;
    if narrowed.is_infinite() && value.is_finite() {
        return Err(OUT_OF_RANGE);
    }
    Ok(narrowed)
}
