//! One column of a batch: a typed vector and a state per cell.

use crate::table::ColumnType;

/// A point on the time line or a local date and time: seconds since 1970-01-01T00:00:00 and
/// nanoseconds within the second. Wide enough for every database's years, and for infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Whole seconds since the epoch, rounded down. `i64::MAX` and `i64::MIN` are the infinities.
    pub seconds: i64,
    /// Nanoseconds within the second, below 1,000,000,000.
    pub nanos: u32,
}

/// The days of MySQL's `0000-00-00`, a date that is none. Only where
/// [`has_zero_dates`](crate::Table::has_zero_dates).
pub const ZERO_DATE: i32 = i32::MIN + 1;

impl Timestamp {
    /// As [`ZERO_DATE`], with the time 00:00.
    pub const ZERO_DATE: Self = Self {
        seconds: i64::MIN,
        nanos: 1,
    };
}

/// One cell, borrowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// The record does not have the field: the column is left to its default or its old value.
    Absent,
    /// The record says null.
    Null,
    /// Boolean.
    Bool(bool),
    /// Integer of any width; already checked against the column's.
    Int(i64),
    /// Float of any width.
    Float(f64),
    /// Decimal in plain notation: `-?digits[.digits]`, `NaN` or `-?Infinity`.
    Decimal(&'a str),
    /// Text.
    Text(&'a str),
    /// A JSON document, as text.
    Json(&'a str),
    /// Raw bytes.
    Bytes(&'a [u8]),
    /// Days since 1970-01-01; `i32::MAX` and `i32::MIN` are the infinities.
    Date(i32),
    /// Nanoseconds since midnight; 86,400,000,000,000 is 24:00. Of a [`ColumnType::TimeSpan`]: from
    /// zero, either way.
    Time(i64),
    /// Date and time, or point in time, as the column's type says.
    Timestamp(Timestamp),
    /// 128-bit identifier.
    Uuid([u8; 16]),
}

/// State of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CellState {
    /// Has a value.
    Value,
    /// Explicit null.
    Null,
    /// Not in the record.
    Absent,
}

/// A column of cells.
#[derive(Debug, Clone)]
pub struct Column {
    states: Vec<CellState>,
    values: Values,
    /// How many cells are not `Value`: 0 lets encoders skip the look at `states`.
    without_value: usize,
    /// How many cells are `Absent`: tells apart columns that are always, never or at times given.
    absent: usize,
}

/// The vectors. Cells without a value hold a default, so that indexes agree.
#[derive(Debug, Clone)]
pub enum Values {
    /// [`ColumnType::Bool`].
    Bool(Vec<bool>),
    /// The integer types.
    Int(Vec<i64>),
    /// The float types.
    Float(Vec<f64>),
    /// [`ColumnType::Decimal`] and [`ColumnType::UInt64`], plain notation.
    Decimal(Strings),
    /// The text types, and those that travel as text.
    Text(Strings),
    /// [`ColumnType::Json`].
    Json(Strings),
    /// [`ColumnType::Bytes`] and others of bytes.
    Bytes(Strings),
    /// [`ColumnType::Date`].
    Date(Vec<i32>),
    /// [`ColumnType::Time`] and [`ColumnType::TimeSpan`].
    Time(Vec<i64>),
    /// Both timestamp types.
    Timestamp(Vec<Timestamp>),
    /// [`ColumnType::Uuid`].
    Uuid(Vec<[u8; 16]>),
}

/// Byte strings end to end in one buffer.
#[derive(Debug, Clone, Default)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Strings {
    /// Number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// No strings.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The string at `index`.
    pub fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }

    /// All strings' bytes.
    pub fn total_bytes(&self) -> usize {
        self.bytes.len()
    }

    fn empty_with_same_room(&self) -> Self {
        // A little more, since texts differ in length.
        let bytes = self.bytes.len() + self.bytes.len() / 16;
        Self {
            bytes: Vec::with_capacity(bytes),
            ends: Vec::with_capacity(self.ends.len()),
        }
    }

    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }

    fn truncate(&mut self, len: usize) {
        self.ends.truncate(len);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
    }
}

/// A cell was pushed into a column of another type: a mistake in the mapping, not in the data.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("cell of kind {cell} does not fit a column of {column}")]
pub struct CellKindMismatch {
    cell: &'static str,
    column: &'static str,
}

impl Column {
    /// An empty column for cells of this type. Unsupported types hold nulls only.
    pub fn for_type(column_type: &ColumnType) -> Self {
        let values = match column_type {
            ColumnType::Bool => Values::Bool(Vec::new()),
            ColumnType::Int16
            | ColumnType::Int32
            | ColumnType::Int64
            | ColumnType::IntRange { .. } => Values::Int(Vec::new()),
            ColumnType::Float32 | ColumnType::Float64 => Values::Float(Vec::new()),
            ColumnType::Decimal { .. } | ColumnType::UInt64 => Values::Decimal(Strings::default()),
            ColumnType::Text { .. }
            | ColumnType::SizedText { .. }
            | ColumnType::Literal(_)
            | ColumnType::Array(_)
            | ColumnType::Unsupported => Values::Text(Strings::default()),
            ColumnType::Json => Values::Json(Strings::default()),
            ColumnType::Bytes | ColumnType::SizedBytes { .. } | ColumnType::Geometry => {
                Values::Bytes(Strings::default())
            }
            ColumnType::Date => Values::Date(Vec::new()),
            ColumnType::Time | ColumnType::TimeSpan => Values::Time(Vec::new()),
            ColumnType::Timestamp | ColumnType::TimestampTz => Values::Timestamp(Vec::new()),
            ColumnType::Uuid => Values::Uuid(Vec::new()),
            ColumnType::Special { plain, .. } => return Self::for_type(plain),
        };
        Self {
            states: Vec::new(),
            values,
            without_value: 0,
            absent: 0,
        }
    }

    /// An empty column of the same kind, with room for as many cells as this one has: batches of
    /// one table are alike, and growing step by step copies every cell once more.
    #[must_use]
    pub fn empty_with_same_room(&self) -> Self {
        let rows = self.states.len();
        let values = match &self.values {
            Values::Bool(_) => Values::Bool(Vec::with_capacity(rows)),
            Values::Int(_) => Values::Int(Vec::with_capacity(rows)),
            Values::Float(_) => Values::Float(Vec::with_capacity(rows)),
            Values::Decimal(strings) => Values::Decimal(strings.empty_with_same_room()),
            Values::Text(strings) => Values::Text(strings.empty_with_same_room()),
            Values::Json(strings) => Values::Json(strings.empty_with_same_room()),
            Values::Bytes(strings) => Values::Bytes(strings.empty_with_same_room()),
            Values::Date(_) => Values::Date(Vec::with_capacity(rows)),
            Values::Time(_) => Values::Time(Vec::with_capacity(rows)),
            Values::Timestamp(_) => Values::Timestamp(Vec::with_capacity(rows)),
            Values::Uuid(_) => Values::Uuid(Vec::with_capacity(rows)),
        };
        Self {
            states: Vec::with_capacity(rows),
            values,
            without_value: 0,
            absent: 0,
        }
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// No cells.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Every cell has a value: [`values`](Self::values) can be used as it is.
    pub fn all_values(&self) -> bool {
        self.without_value == 0
    }

    /// How many cells their records do not have.
    pub fn absent_count(&self) -> usize {
        self.absent
    }

    /// The typed vectors, for encoders.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// State of a cell.
    pub fn state(&self, row: usize) -> CellState {
        self.states[row]
    }

    /// The cell at `row`.
    pub fn get(&self, row: usize) -> Cell<'_> {
        match self.states[row] {
            CellState::Absent => return Cell::Absent,
            CellState::Null => return Cell::Null,
            CellState::Value => {}
        }
        match &self.values {
            Values::Bool(values) => Cell::Bool(values[row]),
            Values::Int(values) => Cell::Int(values[row]),
            Values::Float(values) => Cell::Float(values[row]),
            Values::Decimal(values) => Cell::Decimal(text(values.get(row))),
            Values::Text(values) => Cell::Text(text(values.get(row))),
            Values::Json(values) => Cell::Json(text(values.get(row))),
            Values::Bytes(values) => Cell::Bytes(values.get(row)),
            Values::Date(values) => Cell::Date(values[row]),
            Values::Time(values) => Cell::Time(values[row]),
            Values::Timestamp(values) => Cell::Timestamp(values[row]),
            Values::Uuid(values) => Cell::Uuid(values[row]),
        }
    }

    /// Appends a cell.
    ///
    /// # Errors
    /// When the cell is of another kind than the column; nothing is appended then.
    #[inline]
    pub fn push(&mut self, cell: Cell<'_>) -> Result<(), CellKindMismatch> {
        match (&mut self.values, cell) {
            (_, Cell::Absent) => {
                self.push_absent();
                return Ok(());
            }
            (_, Cell::Null) => {
                self.push_without_value(CellState::Null);
                return Ok(());
            }
            (Values::Bool(values), Cell::Bool(value)) => values.push(value),
            (Values::Int(values), Cell::Int(value)) => values.push(value),
            (Values::Float(values), Cell::Float(value)) => values.push(value),
            (Values::Decimal(values), Cell::Decimal(value))
            | (Values::Text(values), Cell::Text(value))
            | (Values::Json(values), Cell::Json(value)) => values.push(value.as_bytes()),
            (Values::Bytes(values), Cell::Bytes(value)) => values.push(value),
            (Values::Date(values), Cell::Date(value)) => values.push(value),
            (Values::Time(values), Cell::Time(value)) => values.push(value),
            (Values::Timestamp(values), Cell::Timestamp(value)) => values.push(value),
            (Values::Uuid(values), Cell::Uuid(value)) => values.push(value),
            (values, cell) => {
                return Err(CellKindMismatch {
                    cell: cell.kind(),
                    column: values.kind(),
                });
            }
        }
        self.states.push(CellState::Value);
        Ok(())
    }

    /// Appends an integer; `false`, and nothing appended, when the column holds something else. This
    /// and its like are [`push`](Self::push) for the few kinds that most cells are of.
    #[inline]
    pub fn push_int(&mut self, value: i64) -> bool {
        let Values::Int(values) = &mut self.values else {
            return false;
        };
        values.push(value);
        self.states.push(CellState::Value);
        true
    }

    /// Appends a float.
    #[inline]
    pub fn push_float(&mut self, value: f64) -> bool {
        let Values::Float(values) = &mut self.values else {
            return false;
        };
        values.push(value);
        self.states.push(CellState::Value);
        true
    }

    /// Appends a boolean.
    #[inline]
    pub fn push_bool(&mut self, value: bool) -> bool {
        let Values::Bool(values) = &mut self.values else {
            return false;
        };
        values.push(value);
        self.states.push(CellState::Value);
        true
    }

    /// Appends a text.
    #[inline]
    pub fn push_text(&mut self, value: &str) -> bool {
        let Values::Text(values) = &mut self.values else {
            return false;
        };
        values.push(value.as_bytes());
        self.states.push(CellState::Value);
        true
    }

    /// Appends an absent cell.
    pub fn push_absent(&mut self) {
        self.push_without_value(CellState::Absent);
    }

    /// Drops the cells from `len` on.
    pub fn truncate(&mut self, len: usize) {
        if self.states.len() <= len {
            return;
        }
        for state in &self.states[len..] {
            self.without_value -= usize::from(*state != CellState::Value);
            self.absent -= usize::from(*state == CellState::Absent);
        }
        self.states.truncate(len);
        match &mut self.values {
            Values::Bool(values) => values.truncate(len),
            Values::Int(values) | Values::Time(values) => values.truncate(len),
            Values::Float(values) => values.truncate(len),
            Values::Decimal(values)
            | Values::Text(values)
            | Values::Json(values)
            | Values::Bytes(values) => values.truncate(len),
            Values::Date(values) => values.truncate(len),
            Values::Timestamp(values) => values.truncate(len),
            Values::Uuid(values) => values.truncate(len),
        }
    }

    /// A copy of these cells, in this order.
    #[must_use]
    pub fn gather(&self, rows: &[usize]) -> Self {
        let mut gathered = Self {
            states: Vec::with_capacity(rows.len()),
            values: self.values.empty_like(),
            without_value: 0,
            absent: 0,
        };
        for row in rows {
            let pushed = gathered.push(self.get(*row));
            debug_assert!(pushed.is_ok(), "same column, same kind");
        }
        gathered
    }

    /// Bytes of the cells' values.
    pub fn data_bytes(&self) -> usize {
        match &self.values {
            Values::Bool(values) => values.len(),
            Values::Int(values) | Values::Time(values) => values.len() * 8,
            Values::Float(values) => values.len() * 8,
            Values::Decimal(values)
            | Values::Text(values)
            | Values::Json(values)
            | Values::Bytes(values) => values.total_bytes(),
            Values::Date(values) => values.len() * 4,
            Values::Timestamp(values) => values.len() * 16,
            Values::Uuid(values) => values.len() * 16,
        }
    }

    fn push_without_value(&mut self, state: CellState) {
        match &mut self.values {
            Values::Bool(values) => values.push(false),
            Values::Int(values) | Values::Time(values) => values.push(0),
            Values::Float(values) => values.push(0.0),
            Values::Decimal(values)
            | Values::Text(values)
            | Values::Json(values)
            | Values::Bytes(values) => values.push(&[]),
            Values::Date(values) => values.push(0),
            Values::Timestamp(values) => values.push(Timestamp::default()),
            Values::Uuid(values) => values.push([0; 16]),
        }
        self.states.push(state);
        self.without_value += 1;
        self.absent += usize::from(state == CellState::Absent);
    }
}

impl Cell<'_> {
    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) => "integer",
            Self::Float(_) => "float",
            Self::Decimal(_) => "decimal",
            Self::Text(_) => "text",
            Self::Json(_) => "json",
            Self::Bytes(_) => "bytes",
            Self::Date(_) => "date",
            Self::Time(_) => "time",
            Self::Timestamp(_) => "timestamp",
            Self::Uuid(_) => "uuid",
        }
    }
}

impl Values {
    fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "boolean",
            Self::Int(_) => "integer",
            Self::Float(_) => "float",
            Self::Decimal(_) => "decimal",
            Self::Text(_) => "text",
            Self::Json(_) => "json",
            Self::Bytes(_) => "bytes",
            Self::Date(_) => "date",
            Self::Time(_) => "time",
            Self::Timestamp(_) => "timestamp",
            Self::Uuid(_) => "uuid",
        }
    }

    fn empty_like(&self) -> Self {
        match self {
            Self::Bool(_) => Self::Bool(Vec::new()),
            Self::Int(_) => Self::Int(Vec::new()),
            Self::Float(_) => Self::Float(Vec::new()),
            Self::Decimal(_) => Self::Decimal(Strings::default()),
            Self::Text(_) => Self::Text(Strings::default()),
            Self::Json(_) => Self::Json(Strings::default()),
            Self::Bytes(_) => Self::Bytes(Strings::default()),
            Self::Date(_) => Self::Date(Vec::new()),
            Self::Time(_) => Self::Time(Vec::new()),
            Self::Timestamp(_) => Self::Timestamp(Vec::new()),
            Self::Uuid(_) => Self::Uuid(Vec::new()),
        }
    }
}

/// Text cells come from `&str` only, so this never falls back.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
