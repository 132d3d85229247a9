//! The order of keys: sorts rows by key and, within a key, by log order.

use std::cmp::Ordering;

use crate::row::{Cell, CellState, Column, TableRows, Values};

/// Row indexes sorted by key, then by log order; equal keys are neighbours.
pub(super) struct KeyOrder {
    rows: Vec<usize>,
    /// Rows before this one are left out.
    first: usize,
}

/// What is compared first: eight bytes that order as the first key column does, as far as they
/// reach. Most comparisons end here, without a look into the columns.
type Prefix = u64;

impl KeyOrder {
    /// Of the rows from `first` on.
    pub(super) fn of(rows: &TableRows, first: usize) -> Self {
        let first_column = rows.target.key.first().map(|column| &rows.columns[*column]);
        let shared = first_column.map_or(0, shared_start);
        let prefix_of = |row| first_column.map_or(0, |column| prefix(column.get(row), shared));
        let mut sorted: Vec<(Prefix, usize)> = (first..rows.len())
            .map(|row| (prefix_of(row), row))
            .collect();
        sorted.sort_unstable_by(|(left_prefix, left), (right_prefix, right)| {
            left_prefix
                .cmp(right_prefix)
                .then_with(|| compare_keys(rows, *left, *right))
                .then_with(|| left.cmp(right))
        });
        Self {
            rows: sorted.into_iter().map(|(_, row)| row).collect(),
            first,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Each key's rows in log order; keys ascending.
    pub(super) fn runs<'a>(&'a self, rows: &'a TableRows) -> impl Iterator<Item = &'a [usize]> {
        self.rows
            .chunk_by(|left, right| compare_keys(rows, *left, *right) == Ordering::Equal)
    }

    /// For each row the rank of its key: equal for equal keys, ascending with the key. 0 for rows
    /// that are left out.
    pub(super) fn ranks(&self, rows: &TableRows) -> Vec<usize> {
        let mut ranks = vec![0; self.first + self.rows.len()];
        for (rank, run) in self.runs(rows).enumerate() {
            for row in run {
                ranks[*row] = rank;
            }
        }
        ranks
    }
}

fn compare_keys(rows: &TableRows, left: usize, right: usize) -> Ordering {
    let columns = rows.target.key.iter().map(|column| &rows.columns[*column]);
    columns
        .map(|column| compare_cells(column.get(left), column.get(right)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// A total order over the cells of one column, in which equal means the same key.
fn compare_cells(left: Cell<'_>, right: Cell<'_>) -> Ordering {
    match (left, right) {
        (Cell::Bool(left), Cell::Bool(right)) => left.cmp(&right),
        (Cell::Int(left), Cell::Int(right)) => left.cmp(&right),
        (Cell::Float(left), Cell::Float(right)) => float_order(left).cmp(&float_order(right)),
        (Cell::Decimal(left), Cell::Decimal(right)) => {
            decimal_parts(left).cmp(&decimal_parts(right))
        }
        (Cell::Text(left), Cell::Text(right)) | (Cell::Json(left), Cell::Json(right)) => {
            left.cmp(right)
        }
        (Cell::Bytes(left), Cell::Bytes(right)) => left.cmp(right),
        (Cell::Date(left), Cell::Date(right)) => left.cmp(&right),
        (Cell::Time(left), Cell::Time(right)) => left.cmp(&right),
        (Cell::Timestamp(left), Cell::Timestamp(right)) => left.cmp(&right),
        (Cell::Uuid(left), Cell::Uuid(right)) => left.cmp(&right),
        // Cells of one column are of one kind, so at least one side has no value.
        (left, right) => has_value(left).cmp(&has_value(right)),
    }
}

/// The order of values as a database compares them, for cells that are numbers, dates or times. No
/// value is less than any.
pub(crate) fn compare_values(left: Cell<'_>, right: Cell<'_>) -> Ordering {
    match (left, right) {
        (Cell::Decimal(left), Cell::Decimal(right)) => compare_decimals(left, right),
        (left, right) => compare_cells(left, right),
    }
}

/// By size; infinities around all numbers and NaN above them, as PostgreSQL has it.
fn compare_decimals(left: &str, right: &str) -> Ordering {
    const NUMBER: u8 = 1;
    let rank = |plain: &str| match plain {
        "-Infinity" => 0,
        "Infinity" => 2,
        "NaN" => 3,
        _ => NUMBER,
    };
    match (rank(left), rank(right)) {
        (NUMBER, NUMBER) => {}
        (left, right) => return left.cmp(&right),
    }
    let (left_negative, left_whole, left_fraction) = decimal_parts(left);
    let (right_negative, right_whole, right_fraction) = decimal_parts(right);
    let by_size = left_whole
        .len()
        .cmp(&right_whole.len())
        .then_with(|| left_whole.cmp(right_whole))
        .then_with(|| left_fraction.cmp(right_fraction));
    match (left_negative, right_negative) {
        (false, false) => by_size,
        (true, true) => by_size.reverse(),
        (left, right) => right.cmp(&left),
    }
}

/// Absent and null sort before every value; neither is a key that a database would match.
fn has_value(cell: Cell<'_>) -> u8 {
    match cell {
        Cell::Absent => 0,
        Cell::Null => 1,
        _ => 2,
    }
}

/// How many bytes all of a column's strings start with alike: keys such as `customer-0000017` would
/// otherwise have one prefix.
fn shared_start(column: &Column) -> usize {
    let (Values::Text(strings) | Values::Json(strings) | Values::Bytes(strings)) = column.values()
    else {
        return 0;
    };
    let mut valued = (0..column.len()).filter(|row| column.state(*row) == CellState::Value);
    let Some(first) = valued.next().map(|row| strings.get(row)) else {
        return 0;
    };
    valued.fold(first.len(), |shared, row| {
        let pairs = first[..shared].iter().zip(strings.get(row));
        pairs.take_while(|(left, right)| left == right).count()
    })
}

/// Never decreases where [`compare_cells`] increases; ties are settled there. `shared` bytes at the
/// start of strings tell nothing.
fn prefix(cell: Cell<'_>, shared: usize) -> Prefix {
    match cell {
        Cell::Absent | Cell::Null | Cell::Decimal(_) => 0,
        Cell::Bool(value) => u64::from(value),
        Cell::Int(value) | Cell::Time(value) => signed_order(value),
        Cell::Float(value) => float_order(value),
        Cell::Text(value) | Cell::Json(value) => first_bytes(&value.as_bytes()[shared..]),
        Cell::Bytes(value) => first_bytes(&value[shared..]),
        Cell::Date(value) => signed_order(i64::from(value)),
        Cell::Timestamp(value) => signed_order(value.seconds),
        Cell::Uuid(value) => first_bytes(&value),
    }
}

fn signed_order(value: i64) -> u64 {
    value.cast_unsigned() ^ (1 << 63)
}

/// Zeros are one value and so are all NaNs, as databases compare them.
fn float_order(value: f64) -> u64 {
    if value.is_nan() {
        return u64::MAX;
    }
    let bits = if value == 0.0 { 0 } else { value.to_bits() };
    let negative = bits >> 63 == 1;
    if negative { !bits } else { bits | (1 << 63) }
}

fn first_bytes(bytes: &[u8]) -> u64 {
    let mut first = [0; 8];
    let len = bytes.len().min(first.len());
    first[..len].copy_from_slice(&bytes[..len]);
    u64::from_be_bytes(first)
}

/// Sign, digits before and after the point, without the zeros that do not count. Orders by text,
/// not by size: all that matters is that equal values are equal.
pub(crate) fn decimal_parts(plain: &str) -> (bool, &str, &str) {
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let is_zero = whole.is_empty() && fraction.is_empty();
    (negative && !is_zero, whole, fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::ColumnType;

    fn check(left: Cell<'_>, right: Cell<'_>, expected: Ordering) {
        assert_eq!(compare_cells(left, right), expected, "{left:?} {right:?}");
        assert_eq!(
            compare_cells(right, left),
            expected.reverse(),
            "{right:?} {left:?}"
        );
        match prefix(left, 0).cmp(&prefix(right, 0)) {
            Ordering::Equal => {}
            decided => assert_eq!(decided, expected, "prefix of {left:?} {right:?}"),
        }
    }

    #[test]
    fn numbers_are_equal_by_value() {
        check(Cell::Float(0.0), Cell::Float(-0.0), Ordering::Equal);
        check(
            Cell::Float(f64::NAN),
            Cell::Float(-f64::NAN),
            Ordering::Equal,
        );
        check(Cell::Float(-2.0), Cell::Float(-1.0), Ordering::Less);
        check(
            Cell::Float(-1.0),
            Cell::Float(f64::INFINITY),
            Ordering::Less,
        );
        check(
            Cell::Float(f64::INFINITY),
            Cell::Float(f64::NAN),
            Ordering::Less,
        );
        check(
            Cell::Decimal("1.0"),
            Cell::Decimal("01.00"),
            Ordering::Equal,
        );
        check(Cell::Decimal("-0.0"), Cell::Decimal("0"), Ordering::Equal);
        check(Cell::Decimal("-1"), Cell::Decimal("1"), Ordering::Greater);
        check(Cell::Decimal("1.01"), Cell::Decimal("1.1"), Ordering::Less);
        check(Cell::Decimal("10"), Cell::Decimal("1"), Ordering::Greater);
        for word in ["NaN", "Infinity", "-Infinity"] {
            check(Cell::Decimal(word), Cell::Decimal(word), Ordering::Equal);
        }
        check(Cell::Int(i64::MIN), Cell::Int(i64::MAX), Ordering::Less);
        check(Cell::Int(-1), Cell::Int(0), Ordering::Less);
    }

    #[test]
    fn decimals_are_compared_by_size() {
        let ascending = [
            "-Infinity",
            "-100",
            "-12.5",
            "-12.05",
            "-1",
            "-0.1",
            "0",
            "0.01",
            "0.1",
            "0.11",
            "9",
            "10",
            "10.5",
            "Infinity",
            "NaN",
        ];
        for (place, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                let found = compare_values(Cell::Decimal(left), Cell::Decimal(right));
                assert_eq!(found, place.cmp(&other), "{left} {right}");
            }
        }
        let equal = compare_values(Cell::Decimal("-0.00"), Cell::Decimal("0"));
        assert_eq!(equal, Ordering::Equal);
        let null = compare_values(Cell::Null, Cell::Decimal("-5"));
        assert_eq!(null, Ordering::Less);
    }

    #[test]
    fn texts_are_equal_by_bytes() {
        check(Cell::Text("a"), Cell::Text("a"), Ordering::Equal);
        check(Cell::Text("a"), Cell::Text("A"), Ordering::Greater);
        check(Cell::Text("a"), Cell::Text("a\0"), Ordering::Less);
        check(
            Cell::Text("prefix_1"),
            Cell::Text("prefix_12"),
            Ordering::Less,
        );
        check(Cell::Text("é"), Cell::Text("z"), Ordering::Greater);
        check(Cell::Bytes(&[0, 255]), Cell::Bytes(&[1]), Ordering::Less);
    }

    #[test]
    fn cells_without_a_value_come_first() {
        check(Cell::Absent, Cell::Null, Ordering::Less);
        check(Cell::Null, Cell::Int(i64::MIN), Ordering::Less);
        check(Cell::Absent, Cell::Text(""), Ordering::Less);
    }

    #[test]
    fn what_all_strings_start_with_tells_nothing() {
        let check = |cells: &[Cell<'_>], expected| {
            let mut column = Column::for_type(&ColumnType::Text { max_chars: None });
            for cell in cells {
                column.push(*cell).unwrap();
            }
            assert_eq!(shared_start(&column), expected, "{cells:?}");
        };
        let text = Cell::Text;
        check(&[], 0);
        check(&[Cell::Null], 0);
        check(&[text("abc")], 3);
        check(&[text("abc"), Cell::Null, text("abd"), Cell::Absent], 2);
        check(&[text("abc"), text("abcd")], 3);
        check(&[text("abcd"), text("abc"), text("")], 0);
    }
}
