use mysql_async::Value;

use super::*;
use crate::row::{Timestamp, ZERO_DATE};

fn check(cell: Cell<'_>, encoding: &Encoding, expected: Result<Value, &str>) {
    let found = value(cell, encoding);
    match (&found, &expected) {
        (Err(found), Err(expected)) => assert!(found.contains(expected), "{cell:?}: {found}"),
        _ => assert_eq!(found, expected.map_err(|_| ""), "{cell:?}"),
    }
}

fn check_plain(cell: Cell<'_>, expected: Result<Value, &str>) {
    check(cell, &Encoding::Plain, expected);
}

fn bytes(text: &str) -> Value {
    Value::Bytes(text.into())
}

#[test]
fn values() {
    check_plain(Cell::Absent, Ok(Value::NULL));
    check_plain(Cell::Null, Ok(Value::NULL));
    check_plain(Cell::Bool(true), Ok(Value::Int(1)));
    check_plain(Cell::Int(i64::MIN), Ok(Value::Int(i64::MIN)));
    check_plain(Cell::Float(0.1), Ok(Value::Double(0.1)));
    check_plain(Cell::Float(f64::NAN), Err("NaN"));
    check_plain(Cell::Float(f64::NEG_INFINITY), Err("infinity"));
    check_plain(Cell::Decimal("-1.50"), Ok(bytes("-1.50")));
    check_plain(Cell::Decimal("NaN"), Err("NaN"));
    check_plain(Cell::Text(""), Ok(bytes("")));
    check_plain(Cell::Json("{}"), Ok(bytes("{}")));
    check_plain(Cell::Bytes(&[0, 255]), Ok(Value::Bytes(vec![0, 255])));
    check_plain(
        Cell::Uuid([0x11; 16]),
        Ok(bytes("11111111-1111-1111-1111-111111111111")),
    );
}

#[test]
fn values_of_narrow_columns() {
    check(Cell::Float(0.1), &Encoding::Single, Ok(Value::Float(0.1)));
    check(Cell::Float(1e300), &Encoding::Single, Err("out of"));
    check(Cell::Int(0), &Encoding::Year, Ok(Value::Int(0)));
    check(Cell::Int(2155), &Encoding::Year, Ok(Value::Int(2155)));
    check(Cell::Int(99), &Encoding::Year, Err("year"));
    let unsigned = |plain, expected| check(Cell::Decimal(plain), &Encoding::Unsigned, expected);
    unsigned("18446744073709551615", Ok(Value::UInt(u64::MAX)));
    unsigned("7.00", Ok(Value::UInt(7)));
    unsigned("-0", Ok(Value::UInt(0)));
    unsigned("-1", Err("out of"));
    unsigned("18446744073709551616", Err("out of"));
}

#[test]
fn vectors_are_singles() {
    let check = |text, expected| check(Cell::Text(text), &Encoding::Singles, expected);
    let bytes = [0, 0, 128, 63, 0, 0, 32, 192].to_vec();
    check("[1, -2.5]", Ok(Value::Bytes(bytes)));
    check(" [3e2]", Ok(Value::Bytes(vec![0, 0, 150, 67])));
    check("[1e39]", Err("out of"));
    for no_vector in [
        "",
        "1,2",
        "[]",
        "[1,]",
        "[1,null]",
        "[inf]",
        "[NaN]",
        "[[1]]",
        "{\"a\":1}",
    ] {
        check(no_vector, Err("not a vector"));
    }
}

#[test]
fn numbers_are_no_labels() {
    let labels = Encoding::Labels(["small", "2", "x,y"].map(str::to_owned).to_vec());
    let check = |text, expected| check(Cell::Text(text), &labels, expected);
    check("small", Ok(bytes("small")));
    check("2", Ok(bytes("2")));
    check("2,small", Ok(bytes("2,small")));
    check("1", Err("labels"));
    check(" 1", Err("labels"));
    check("-1", Err("labels"));
    check("2,3", Err("labels"));
    // The server refuses these itself.
    check("large", Ok(bytes("large")));
}

#[test]
fn dates_and_times() {
    let at = |seconds, nanos| Cell::Timestamp(Timestamp { seconds, nanos });
    check_plain(Cell::Date(0), Ok(Value::Date(1970, 1, 1, 0, 0, 0, 0)));
    check_plain(Cell::Date(-719_162), Ok(Value::Date(1, 1, 1, 0, 0, 0, 0)));
    check_plain(
        Cell::Date(2_932_896),
        Ok(Value::Date(9999, 12, 31, 0, 0, 0, 0)),
    );
    let no_date = || Ok(Value::Date(0, 0, 0, 0, 0, 0, 0));
    check_plain(Cell::Date(ZERO_DATE), no_date());
    check_plain(Cell::Timestamp(Timestamp::ZERO_DATE), no_date());
    check_plain(at(i64::MIN, 0), Err("range"));
    check_plain(Cell::Date(i32::MIN), Err("range"));
    check_plain(Cell::Date(-719_163), Err("0001"));
    check_plain(Cell::Date(2_932_897), Err("9999"));
    check_plain(Cell::Date(i32::MAX), Err("range"));
    let day = 86_400_000_000_000;
    check_plain(Cell::Time(day), Ok(Value::Time(false, 1, 0, 0, 0, 0)));
    check_plain(
        Cell::Time(day - 1),
        Ok(Value::Time(false, 0, 23, 59, 59, 999_999)),
    );
    check(
        Cell::Time(day - 1),
        &Encoding::Fraction(0),
        Ok(Value::Time(false, 0, 23, 59, 59, 0)),
    );
    let last = (838 * 3_600 + 59 * 60 + 59) * 1_000_000_000;
    check_plain(Cell::Time(-last), Ok(Value::Time(true, 34, 22, 59, 59, 0)));
    check_plain(Cell::Time(last + 1), Err("838:59:59"));
    check_plain(Cell::Time(-1_000), Ok(Value::Time(true, 0, 0, 0, 0, 1)));
    check_plain(
        at(-1, 999_999_999),
        Ok(Value::Date(1969, 12, 31, 23, 59, 59, 999_999)),
    );
    check(
        at(0, 129_999_999),
        &Encoding::Fraction(2),
        Ok(Value::Date(1970, 1, 1, 0, 0, 0, 120_000)),
    );
    check_plain(at(i64::MAX, 0), Err("range"));
    check_plain(at(253_402_300_800, 0), Err("9999"));
}
