use std::sync::Arc;

use super::*;
use crate::row::fixture::{push_row, target};
use crate::row::{Cell, Timestamp};
use crate::table::{ColumnType, WriteMode};

const DECIMAL: ColumnType = ColumnType::Decimal {
    precision: None,
    scale: None,
};
const TEXT: ColumnType = ColumnType::Text { max_chars: None };

fn rows(types: &[ColumnType], records: &[&[Cell<'_>]]) -> TableRows {
    let mut rows = TableRows::new(Arc::clone(&target(types, 0, WriteMode::Insert)));
    for record in records {
        push_row(&mut rows, record, false);
    }
    rows
}

fn encoded(column_type: ColumnType, cell: Cell<'_>) -> Result<Vec<u8>, &'static str> {
    let rows = rows(&[column_type], &[&[cell]]);
    let mut buffer = BytesMut::new();
    let wire_type = WireType::of(rows.target.column(0));
    value::put(&mut buffer, &rows.columns[0], wire_type, 0)?;
    Ok(buffer.to_vec())
}

fn field(length: i32, bytes: &[u8]) -> Vec<u8> {
    [length.to_be_bytes().as_slice(), bytes].concat()
}

#[test]
fn values() {
    let check = |column_type: ColumnType, cell: Cell<'_>, bytes: &[u8]| {
        let length = i32::try_from(bytes.len()).expect("short");
        let found = encoded(column_type, cell).expect("encodes");
        assert_eq!(found, field(length, bytes), "{cell:?}");
    };
    check(ColumnType::Bool, Cell::Bool(true), &[1]);
    check(ColumnType::Bool, Cell::Bool(false), &[0]);
    check(ColumnType::Int16, Cell::Int(-2), &[0xff, 0xfe]);
    check(ColumnType::Int32, Cell::Int(-2), &[0xff, 0xff, 0xff, 0xfe]);
    check(ColumnType::Int64, Cell::Int(258), &[0, 0, 0, 0, 0, 0, 1, 2]);
    check(
        ColumnType::Float32,
        Cell::Float(1.5),
        &1.5_f32.to_be_bytes(),
    );
    check(
        ColumnType::Float64,
        Cell::Float(-0.1),
        &(-0.1_f64).to_be_bytes(),
    );
    check(
        ColumnType::Float32,
        Cell::Float(f64::INFINITY),
        &f32::INFINITY.to_be_bytes(),
    );
    check(TEXT, Cell::Text(""), &[]);
    check(TEXT, Cell::Text("äü😀"), "äü😀".as_bytes());
    check(ColumnType::Bytes, Cell::Bytes(&[0, 255]), &[0, 255]);
    // The fixture's type id is not that of json, so this is jsonb.
    check(ColumnType::Json, Cell::Json("{}"), &[1, b'{', b'}']);
    check(ColumnType::Uuid, Cell::Uuid([7; 16]), &[7; 16]);
}

#[test]
fn nulls_have_no_bytes() {
    for cell in [Cell::Null, Cell::Absent] {
        assert_eq!(encoded(ColumnType::Int64, cell), Ok(field(-1, &[])));
    }
}

#[test]
fn dates_and_times() {
    let micros = |value: i64| field(8, &value.to_be_bytes());
    let check = |seconds: i64, nanos: u32, expected: i64| {
        let cell = Cell::Timestamp(Timestamp { seconds, nanos });
        for column_type in [ColumnType::Timestamp, ColumnType::TimestampTz] {
            assert_eq!(encoded(column_type, cell), Ok(micros(expected)), "{cell:?}");
        }
    };
    check(946_684_800, 0, 0);
    check(946_684_801, 2_000, 1_000_002);
    check(946_684_799, 999_999_999, -1);
    check(0, 0, -946_684_800_000_000);
    check(i64::MAX, 0, i64::MAX);
    check(i64::MIN, 0, i64::MIN);
    // Years 1 and 9999, as PostgreSQL itself encodes them.
    check(-62_135_596_800, 0, -63_082_281_600_000_000);
    check(253_402_300_799, 999_999_000, 252_455_615_999_999_999);
    let check = |days: i32, expected: i32| {
        let found = encoded(ColumnType::Date, Cell::Date(days));
        assert_eq!(found, Ok(field(4, &expected.to_be_bytes())), "{days}");
    };
    check(10_957, 0);
    check(0, -10_957);
    check(-719_162, -730_119);
    let check = |nanos: i64, expected: i64| {
        assert_eq!(
            encoded(ColumnType::Time, Cell::Time(nanos)),
            Ok(micros(expected)),
            "{nanos}"
        );
    };
    check(0, 0);
    check(1_999, 1);
    check(86_400_000_000_000, 86_400_000_000);
}

#[test]
fn decimals() {
    let check = |plain: &str, weight: i16, sign: u16, scale: u16, digits: &[u16]| {
        let count = u16::try_from(digits.len()).expect("few");
        let mut expected = Vec::new();
        expected.put_u16(count);
        expected.put_i16(weight);
        expected.put_u16(sign);
        expected.put_u16(scale);
        digits.iter().for_each(|digit| expected.put_u16(*digit));
        let length = 8 + 2 * i32::from(count);
        assert_eq!(
            encoded(DECIMAL, Cell::Decimal(plain)),
            Ok(field(length, &expected)),
            "{plain}"
        );
    };
    check("0", 0, 0, 0, &[]);
    check("-0.00", 0, 0, 2, &[]);
    check("NaN", 0, 0xC000, 0, &[]);
    check("Infinity", 0, 0xD000, 0, &[]);
    check("-Infinity", 0, 0xF000, 0, &[]);
    check("1", 0, 0, 0, &[1]);
    check("-1", 0, 0x4000, 0, &[1]);
    check("0001", 0, 0, 0, &[1]);
    check("9999", 0, 0, 0, &[9999]);
    check("10000", 1, 0, 0, &[1]);
    check("10001", 1, 0, 0, &[1, 1]);
    check("1.50", 0, 0, 2, &[1, 5000]);
    check("12345.678", 1, 0, 3, &[1, 2345, 6780]);
    check("0.0001", -1, 0, 4, &[1]);
    check(".00001", -2, 0, 5, &[1000]);
    check("5.", 0, 0, 0, &[5]);
    check("100000000.00000001", 2, 0, 8, &[1, 0, 0, 0, 1]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let check = |column_type: ColumnType, cell: Cell<'_>| {
        assert!(encoded(column_type, cell).is_err(), "{cell:?}");
    };
    check(ColumnType::Int16, Cell::Int(32_768));
    check(ColumnType::Int32, Cell::Int(i64::MIN));
    check(ColumnType::Float32, Cell::Float(1e300));
    check(ColumnType::Date, Cell::Date(i32::MAX - 1));
    check(ColumnType::Date, Cell::Date(i32::MIN + 1));
    check(ColumnType::Time, Cell::Time(-1));
    check(ColumnType::Time, Cell::Time(86_400_000_000_001));
    for seconds in [
        i64::MAX - 1,
        i64::MIN + 1,
        9_224_318_016_000,
        -210_866_803_201,
    ] {
        let timestamp = Timestamp { seconds, nanos: 0 };
        check(ColumnType::Timestamp, Cell::Timestamp(timestamp));
    }
    let long = "9".repeat(140_000);
    for plain in [
        "",
        ".",
        "-",
        "1e5",
        "+1",
        "1.2.3",
        " 1",
        "infinity",
        "+Infinity",
        "٣",
        &long,
    ] {
        check(DECIMAL, Cell::Decimal(plain));
    }
}

#[test]
fn a_refused_value_is_named_by_its_column_only() {
    let rows = rows(
        &[ColumnType::Int64, ColumnType::Int16],
        &[&[Cell::Int(1), Cell::Int(70_000)]],
    );
    let mut data = Cells::new(&rows, &RowSet::All, &[0, 1]).copy_data();
    let error = data
        .fill(&mut BytesMut::new(), 1_000)
        .expect_err("too large");
    assert_eq!(
        error.to_string(),
        "number out of the column's range, column \"c1\""
    );
}

#[test]
fn copies_are_framed_and_come_in_pieces() {
    let records: &[&[Cell<'_>]] = &[
        &[Cell::Int(1), Cell::Text("a")],
        &[Cell::Int(2), Cell::Null],
        &[Cell::Absent, Cell::Text("b")],
    ];
    let rows = rows(&[ColumnType::Int16, TEXT], records);
    let expected = [
        COPY_HEADER,
        &[0, 2, 0, 0, 0, 2, 0, 1, 0, 0, 0, 1, b'a'],
        &[0, 2, 0, 0, 0, 2, 0, 2, 255, 255, 255, 255],
        &[0, 2, 255, 255, 255, 255, 0, 0, 0, 1, b'b'],
        &[255, 255],
    ]
    .concat();
    for piece_bytes in [1, 20, 1_000] {
        let mut data = Cells::new(&rows, &RowSet::All, &[0, 1]).copy_data();
        let mut whole = Vec::new();
        while !data.is_complete() {
            let mut piece = BytesMut::new();
            data.fill(&mut piece, piece_bytes).expect("encodes");
            whole.extend_from_slice(&piece);
        }
        assert_eq!(whole, expected, "{piece_bytes}");
    }
}

#[test]
fn arrays_hold_the_chosen_rows() {
    let rows = rows(
        &[ColumnType::Int16],
        &[&[Cell::Int(1)], &[Cell::Null], &[Cell::Int(3)]],
    );
    let row_set = RowSet::Some(vec![2, 1]);
    let arrays = Cells::new(&rows, &row_set, &[0]).arrays();
    let mut buffer = BytesMut::new();
    arrays[0].put(&mut buffer).expect("encodes");
    let expected = [
        [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 21, 0, 0, 0, 2, 0, 0, 0, 1].as_slice(),
        &[0, 0, 0, 2, 0, 3, 255, 255, 255, 255],
    ]
    .concat();
    assert_eq!(buffer.to_vec(), expected);
    assert_eq!(format!("{:?}", arrays[0]), "Int2[2]");
}
