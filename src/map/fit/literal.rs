//! Cells as text in PostgreSQL's notation: elements of arrays, bounds of ranges.

use chrono::{DateTime, Datelike as _, NaiveDate};
use rowdock_connectors::{Cell, ColumnType, Timestamp};

use super::Misfit;

const OUT_OF_RANGE: &str = "the date is out of the calendar's range";
const SECOND_NANOS: i64 = 1_000_000_000;

/// Appends an element of an array; what may have characters of the notation is quoted.
pub(super) fn push_element(
    out: &mut String,
    cell: Cell<'_>,
    column: &ColumnType,
) -> Result<(), Misfit> {
    match cell {
        Cell::Absent | Cell::Null => out.push_str("NULL"),
        Cell::Text(text) | Cell::Json(text) => push_quoted(out, text),
        other => push_quoted(out, &plain(other, column)?),
    }
    Ok(())
}

/// The cell's text, without quotes.
pub(super) fn plain(cell: Cell<'_>, column: &ColumnType) -> Result<String, Misfit> {
    Ok(match cell {
        Cell::Absent | Cell::Null => String::new(),
        Cell::Bool(value) => value.to_string(),
        Cell::Int(value) => value.to_string(),
        Cell::Float(value) if value.is_nan() => "NaN".to_owned(),
        Cell::Float(value) if value.is_infinite() => infinity(value > 0.0),
        Cell::Float(value) => value.to_string(),
        Cell::Decimal(text) | Cell::Text(text) | Cell::Json(text) => text.to_owned(),
        Cell::Bytes(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\\x{digits}")
        }
        Cell::Date(i32::MAX) => infinity(true),
        Cell::Date(i32::MIN) => infinity(false),
        Cell::Date(days) => {
            let date = NaiveDate::from_epoch_days(days).ok_or(OUT_OF_RANGE)?;
            dated(date, "")
        }
        Cell::Time(nanos) => time_text(nanos),
        Cell::Timestamp(at) => timestamp(at, *column == ColumnType::TimestampTz)?,
        Cell::Uuid(bytes) => uuid::Uuid::from_bytes(bytes).to_string(),
    })
}

fn infinity(is_positive: bool) -> String {
    if is_positive { "infinity" } else { "-infinity" }.to_owned()
}

/// `HH:MM:SS.ffffff`; what is finer is cut off.
pub(super) fn time_text(nanos: i64) -> String {
    let seconds = nanos / SECOND_NANOS;
    format!(
        "{:02}:{:02}:{:02}.{:06}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        nanos % SECOND_NANOS / 1_000
    )
}

fn timestamp(at: Timestamp, is_instant: bool) -> Result<String, Misfit> {
    if at.seconds == i64::MAX || at.seconds == i64::MIN {
        return Ok(infinity(at.seconds > 0));
    }
    let moment = DateTime::from_timestamp(at.seconds, at.nanos).ok_or(OUT_OF_RANGE)?;
    let of_day = at.seconds.rem_euclid(86_400) * SECOND_NANOS + i64::from(at.nanos);
    let zone = if is_instant { "+00" } else { "" };
    Ok(dated(
        moment.date_naive(),
        &format!(" {}{zone}", time_text(of_day)),
    ))
}

/// Years before the first count from 1 and are marked.
fn dated(date: NaiveDate, time: &str) -> String {
    let (year, era) = match date.year() {
        year @ 1.. => (i64::from(year), ""),
        year => (1 - i64::from(year), " BC"),
    };
    format!("{year:04}-{:02}-{:02}{time}{era}", date.month(), date.day())
}

/// Appends a text in double quotes.
pub(super) fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_as_the_database_reads_them() {
        let check = |cell: Cell<'_>, column: ColumnType, expected: &str| {
            assert_eq!(plain(cell, &column).unwrap(), expected);
        };
        let at = |seconds, nanos| Cell::Timestamp(Timestamp { seconds, nanos });
        check(Cell::Bool(true), ColumnType::Bool, "true");
        check(
            Cell::Float(f64::NEG_INFINITY),
            ColumnType::Float64,
            "-infinity",
        );
        check(Cell::Bytes(&[0, 255]), ColumnType::Bytes, "\\x00ff");
        check(Cell::Date(0), ColumnType::Date, "1970-01-01");
        check(Cell::Date(-719_163), ColumnType::Date, "0001-12-31 BC");
        check(Cell::Date(2_932_897), ColumnType::Date, "10000-01-01");
        check(
            Cell::Time(86_400 * SECOND_NANOS),
            ColumnType::Time,
            "24:00:00.000000",
        );
        check(
            at(-1, 999_999_999),
            ColumnType::Timestamp,
            "1969-12-31 23:59:59.999999",
        );
        check(
            at(0, 0),
            ColumnType::TimestampTz,
            "1970-01-01 00:00:00.000000+00",
        );
        check(at(i64::MIN, 0), ColumnType::Timestamp, "-infinity");
        assert!(plain(at(i64::MAX - 1, 0), &ColumnType::Timestamp).is_err());
    }

    #[test]
    fn quotes_and_backslashes_are_escaped() {
        let mut out = String::new();
        push_quoted(&mut out, r#"a"b\c,{}"#);
        assert_eq!(out, r#""a\"b\\c,{}""#);
    }
}
