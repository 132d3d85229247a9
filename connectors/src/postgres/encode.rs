//! From columns to PostgreSQL's binary formats: rows for `COPY`, arrays for `unnest`.
//!
//! This is the hot path. A cell costs one match and one append: no allocation, no text in
//! between. Both forms frame a value alike, as its length and its bytes, -1 for null; they differ
//! in what is around: a copy goes row by row, an array is one column.
//!
//! | cell      | on the wire                                                                |
//! |-----------|----------------------------------------------------------------------------|
//! | timestamp | microseconds since 2000-01-01; finer parts are cut off, towards the past    |
//! | date      | days since 2000-01-01                                                       |
//! | decimal   | digits to base 10,000, scale kept (see [`numeric`])                         |
//! | json      | its text; `jsonb` with a leading version 1                                  |
//!
//! A value that the format cannot hold (year 300,000; a number beyond the column's width) is an
//! [`EncodeError`], never a wrapped or nearest value.

use std::error::Error as StdError;
use std::fmt;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

use super::sql::WireType;
use crate::fold::RowSet;
use crate::row::TableRows;

mod numeric;
mod time;
mod value;

/// What a copy begins with: signature, no flags, no header extension.
const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What a copy ends with, in place of a row's number of fields.
const COPY_TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// A value that PostgreSQL's binary format cannot hold. Never shows the value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{problem}, column \"{column}\"")]
pub(super) struct EncodeError {
    column: String,
    problem: &'static str,
}

/// Some rows' cells of some columns, ready to be encoded.
pub(super) struct Cells<'a> {
    rows: &'a TableRows,
    row_set: &'a RowSet,
    columns: Vec<(usize, WireType)>,
}

/// A copy's data, produced piece by piece.
pub(super) struct CopyData<'a> {
    cells: Cells<'a>,
    field_count: [u8; 2],
    next: usize,
}

/// One column of the cells, as a parameter.
pub(super) struct ArrayParameter<'a> {
    rows: &'a TableRows,
    row_set: &'a RowSet,
    column: usize,
    wire_type: WireType,
}

impl<'a> Cells<'a> {
    /// `columns` index [`TableRows::columns`].
    pub(super) fn new(rows: &'a TableRows, row_set: &'a RowSet, columns: &[usize]) -> Self {
        let typed = |column: &usize| (*column, WireType::of(rows.target.column(*column)));
        Self {
            rows,
            row_set,
            columns: columns.iter().map(typed).collect(),
        }
    }

    /// One array per column.
    pub(super) fn arrays(&self) -> Vec<ArrayParameter<'a>> {
        let array = |(column, wire_type): &(usize, WireType)| ArrayParameter {
            rows: self.rows,
            row_set: self.row_set,
            column: *column,
            wire_type: *wire_type,
        };
        self.columns.iter().map(array).collect()
    }

    /// The same as rows of a copy.
    pub(super) fn copy_data(self) -> CopyData<'a> {
        // A table has at most 1,600 columns.
        let field_count = u16::try_from(self.columns.len()).unwrap_or(u16::MAX);
        CopyData {
            cells: self,
            field_count: field_count.to_be_bytes(),
            next: 0,
        }
    }
}

impl CopyData<'_> {
    /// Everything has been produced.
    pub(super) fn is_complete(&self) -> bool {
        self.next > self.cells.row_set.len(self.cells.rows)
    }

    /// Appends at least one row, and more until the buffer holds `full_bytes` or all is there.
    ///
    /// # Errors
    /// At a value that cannot be encoded. The copy must not be finished then.
    pub(super) fn fill(
        &mut self,
        buffer: &mut BytesMut,
        full_bytes: usize,
    ) -> Result<(), EncodeError> {
        if self.next == 0 {
            buffer.extend_from_slice(COPY_HEADER);
        }
        let row_count = self.cells.row_set.len(self.cells.rows);
        while self.next < row_count {
            let row = self.cells.row_set.row(self.next);
            buffer.extend_from_slice(&self.field_count);
            for (column, wire_type) in &self.cells.columns {
                let cells = &self.cells.rows.columns[*column];
                value::put(buffer, cells, *wire_type, row)
                    .map_err(|problem| unfit(self.cells.rows, *column, problem))?;
            }
            self.next += 1;
            if buffer.len() >= full_bytes {
                break;
            }
        }
        if self.next == row_count {
            buffer.extend_from_slice(&COPY_TRAILER);
            self.next += 1;
        }
        Ok(())
    }
}

impl ArrayParameter<'_> {
    /// An array of one dimension that starts at 1: number of dimensions, has nulls, type of the
    /// elements, length, start; then the elements.
    fn put(&self, buffer: &mut BytesMut) -> Result<(), EncodeError> {
        let column = &self.rows.columns[self.column];
        let length = i32::try_from(self.row_set.len(self.rows))
            .map_err(|_| unfit(self.rows, self.column, "more rows than an array can hold"))?;
        buffer.put_i32(1);
        buffer.put_i32(i32::from(!column.all_values()));
        buffer.put_u32(self.wire_type.id());
        buffer.put_i32(length);
        buffer.put_i32(1);
        for row in self.row_set.iter(self.rows) {
            value::put(buffer, column, self.wire_type, row)
                .map_err(|problem| unfit(self.rows, self.column, problem))?;
        }
        Ok(())
    }
}

impl ToSql for ArrayParameter<'_> {
    fn to_sql(
        &self,
        _: &Type,
        buffer: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.put(buffer)?;
        Ok(IsNull::No)
    }

    /// The statement's text names the array's type, so there is nothing to find out.
    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(
        &self,
        parameter_type: &Type,
        buffer: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.to_sql(parameter_type, buffer)
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }
}

/// The driver may log parameters; values must not be seen there.
impl fmt::Debug for ArrayParameter<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.row_set.len(self.rows);
        write!(formatter, "{:?}[{length}]", self.wire_type)
    }
}

#[cold]
fn unfit(rows: &TableRows, column: usize, problem: &'static str) -> EncodeError {
    EncodeError {
        column: rows.target.column(column).name.clone(),
        problem,
    }
}

#[cfg(test)]
mod tests;
