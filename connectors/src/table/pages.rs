//! The tables of the sinks' pages, which are held to the code.

use super::{ColumnType, Notation, Special};

/// Types of columns that tables are created with, as the pages of the sinks tell them.
pub(crate) fn created_types() -> Vec<ColumnType> {
    let decimal = |precision, scale| ColumnType::Decimal { precision, scale };
    let text = |max_chars| ColumnType::Text { max_chars };
    vec![
        ColumnType::Bool,
        ColumnType::Int16,
        ColumnType::Int32,
        ColumnType::Int64,
        ColumnType::Float32,
        ColumnType::Float64,
        decimal(None, None),
        decimal(Some(10), Some(2)),
        text(None),
        text(Some(20)),
        ColumnType::Bytes,
        ColumnType::Date,
        ColumnType::Time,
        ColumnType::Timestamp,
        ColumnType::TimestampTz,
        ColumnType::Uuid,
        ColumnType::Json,
        ColumnType::Array(Box::new(text(None))),
    ]
}

/// Types that only some databases have, as the pages of the sinks tell them.
pub(crate) fn special_types() -> Vec<ColumnType> {
    let text = || ColumnType::Text { max_chars: None };
    let labels = |several| Special::Labels {
        labels: ["a", "b"].map(str::to_owned).to_vec(),
        several,
    };
    let notation = |notation| ColumnType::or_plain(Special::Notation(notation), text());
    let bits = |length, varying| {
        let bits = Special::Notation(Notation::Bits { length, varying });
        ColumnType::or_plain(bits, ColumnType::Bytes)
    };
    let whole = |low, high, plain| ColumnType::or_plain(Special::Whole { low, high }, plain);
    let geometry =
        |is_point| ColumnType::or_plain(Special::Geometry { is_point }, ColumnType::Json);
    let any_decimal = ColumnType::Decimal {
        precision: None,
        scale: Some(2),
    };
    vec![
        notation(Notation::Interval),
        notation(Notation::TimeTz),
        ColumnType::or_plain(Special::Fraction { digits: 3 }, ColumnType::Timestamp),
        ColumnType::or_plain(Special::Year, ColumnType::Int32),
        whole(-128, 127, ColumnType::Int16),
        whole(0, 4_294_967_295, ColumnType::Int64),
        ColumnType::or_plain(Special::UnsignedLong, ColumnType::Int64),
        ColumnType::or_plain(Special::ObjectId, ColumnType::Int64),
        ColumnType::or_plain(Special::Money, any_decimal),
        ColumnType::or_plain(labels(false), text()),
        ColumnType::or_plain(labels(true), text()),
        bits(Some(9), false),
        bits(None, true),
        ColumnType::or_plain(Special::Bytes { max_bytes: 16 }, ColumnType::Bytes),
        ColumnType::or_plain(Special::Xml, text()),
        ColumnType::or_plain(Special::TextSearch, text()),
        notation(Notation::Inet),
        notation(Notation::Cidr),
        notation(Notation::MacAddress { bytes: 6 }),
        notation(Notation::Range(Box::new(ColumnType::Int32))),
        geometry(true),
        geometry(false),
    ]
}

/// The cells of the page's table that begins with this line, row by row.
pub(crate) fn table_of<'p>(page: &'p str, head: &str) -> Vec<Vec<&'p str>> {
    rows_of(page, head)
        .map(|row| row.split('|').map(str::trim).collect())
        .collect()
}

/// Each row of that table has one of these types in its first column, and in its last one what is
/// created for it.
pub(crate) fn check_created(
    page: &str,
    head: &str,
    types: &[ColumnType],
    created: impl Fn(&ColumnType) -> String,
) {
    let rows: Vec<&str> = rows_of(page, head).collect();
    assert_eq!(rows.len(), types.len());
    for (row, column_type) in rows.into_iter().zip(types) {
        let first = format!("| {column_type} | ");
        let last = format!(" | `{}` |", created(column_type));
        assert!(row.starts_with(&first), "{first}: {row}");
        assert!(row.ends_with(&last), "{last}: {row}");
        assert_eq!(row.matches('|').count(), head.matches('|').count(), "{row}");
    }
}

fn rows_of<'p>(page: &'p str, head: &str) -> impl Iterator<Item = &'p str> {
    let (_, table) = page.split_once(head).expect("the table is there");
    let rows = table.lines().skip(2);
    rows.take_while(|line| line.starts_with('|'))
}
