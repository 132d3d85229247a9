//! The dead letter table, read back.

use super::store::{Store, Value};
use crate::error::SinkError;
use crate::letter::{LetterKey, LetterQuery, StoredLetter};
use crate::table::Table;

/// See [`Session::read_letters`](crate::Session::read_letters).
pub(super) fn read(store: &Store, query: &LetterQuery) -> Result<Vec<StoredLetter>, SinkError> {
    let missing = || SinkError::stop(format!("there is no table {}", query.table));
    let definition = store.definition(&query.table).ok_or_else(missing)?;
    let rows = store.rows_by_table();
    let rows = rows.get(&query.table.to_string()).ok_or_else(missing)?;
    let mut letters = Vec::new();
    for row in rows {
        if text(definition, row, "connector")? == query.connector {
            letters.push(letter(definition, row)?);
        }
    }
    letters.sort_by(|one, other| order(&one.key).cmp(&order(&other.key)));
    if let Some(after) = &query.after {
        letters.retain(|letter| order(&letter.key) > order(after));
    }
    letters.truncate(usize::try_from(query.limit).unwrap_or(usize::MAX));
    let mut before = 0;
    letters.retain(|letter| {
        let is_room = before < query.bytes_max;
        before += bytes(letter);
        is_room
    });
    Ok(letters)
}

fn bytes(letter: &StoredLetter) -> u64 {
    let length = |bytes: Option<usize>| bytes.unwrap_or_default() as u64;
    length(letter.record_key.as_ref().map(Vec::len))
        + length(letter.record_value.as_ref().map(Vec::len))
        + length(letter.record_headers.as_ref().map(String::len))
}

fn order(key: &LetterKey) -> (&str, i32, i64) {
    (&key.topic, key.partition, key.offset)
}

fn letter(table: &Table, row: &[Value]) -> Result<StoredLetter, SinkError> {
    let number = |name| match cell(table, row, name)? {
        Value::Int(number) => Ok(*number),
        _ => Err(other_types()),
    };
    let bytes = |name| match cell(table, row, name)? {
        Value::Bytes(bytes) => Ok(Some(bytes.clone())),
        _ => Ok(None),
    };
    let time_ms = match cell(table, row, "record_time")? {
        Value::Timestamp(time) => Some(time.seconds * 1000 + i64::from(time.nanos / 1_000_000)),
        _ => None,
    };
    let record_headers = match cell(table, row, "record_headers")? {
        Value::Json(text) => Some(text.clone()),
        _ => None,
    };
    Ok(StoredLetter {
        key: LetterKey {
            topic: text(table, row, "topic")?,
            partition: i32::try_from(number("kafka_partition")?).map_err(|_| other_types())?,
            offset: number("kafka_offset")?,
        },
        stage: text(table, row, "stage")?,
        reason: text(table, row, "reason")?,
        time_ms,
        record_key: bytes("record_key")?,
        record_value: bytes("record_value")?,
        record_headers,
    })
}

fn text(table: &Table, row: &[Value], name: &str) -> Result<String, SinkError> {
    match cell(table, row, name)? {
        Value::Text(text) => Ok(text.clone()),
        _ => Err(other_types()),
    }
}

fn cell<'r>(table: &Table, row: &'r [Value], name: &str) -> Result<&'r Value, SinkError> {
    let index = table.column_index(name);
    index
        .and_then(|index| row.get(index))
        .ok_or_else(other_types)
}

fn other_types() -> SinkError {
    SinkError::stop("the dead letter table has columns of other types than it must have")
}
