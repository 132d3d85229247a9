//! The dead letter table, read back.

use mysql_async::{Row, Value};

use super::link::Link;
use super::schema::{number, text};
use super::sql::{literal, qualified};
use crate::error::SinkError;
use crate::letter::{LetterKey, LetterQuery, StoredLetter};

/// See [`Session::read_letters`](crate::Session::read_letters).
pub(super) async fn read(
    link: &mut Link,
    query: &LetterQuery,
) -> Result<Vec<StoredLetter>, SinkError> {
    let after = query.after.as_ref().map_or_else(String::new, |after| {
        format!(
            " AND (topic, kafka_partition, kafka_offset) > ({}, {}, {})",
            literal(&after.topic),
            after.partition,
            after.offset
        )
    });
    // Times before 1970 are beyond UNIX_TIMESTAMP. What stands before each letter of the page is summed up by
    // the server: what is too much is not sent.
    let script = format!(
        "SELECT topic, kafka_partition, kafka_offset, stage, reason, \
         TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', record_time) DIV 1000, \
         record_key, record_value, CAST(record_headers AS CHAR) \
         FROM (SELECT page.*, SUM(COALESCE(LENGTH(record_key), 0) + COALESCE(LENGTH(record_value), 0) \
                                  + COALESCE(LENGTH(record_headers), 0)) \
                              OVER (ORDER BY topic, kafka_partition, kafka_offset \
                                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before \
               FROM (SELECT topic, kafka_partition, kafka_offset, stage, reason, record_time, \
                            record_key, record_value, record_headers \
                     FROM {} WHERE connector = {}{after} \
                     ORDER BY topic, kafka_partition, kafka_offset LIMIT {}) AS page) AS counted \
         WHERE COALESCE(bytes_before, 0) < {} \
         ORDER BY topic, kafka_partition, kafka_offset",
        qualified(&query.table),
        literal(&query.connector),
        query.limit,
        query.bytes_max
    );
    let answers = link.run("read the dead letter table", &script).await?;
    let rows = answers.iter().flat_map(|answer| &answer.rows);
    rows.map(|row| letter(row).ok_or_else(other_types))
        .collect()
}

fn letter(row: &Row) -> Option<StoredLetter> {
    Some(StoredLetter {
        key: LetterKey {
            topic: text(row, 0)?,
            partition: i32::try_from(number(row, 1)?).ok()?,
            offset: number(row, 2)?,
        },
        stage: text(row, 3)?,
        reason: text(row, 4)?,
        time_ms: number(row, 5),
        record_key: bytes(row, 6),
        record_value: bytes(row, 7),
        record_headers: text(row, 8),
    })
}

fn bytes(row: &Row, index: usize) -> Option<Vec<u8>> {
    match row.as_ref(index) {
        Some(Value::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    }
}

fn other_types() -> SinkError {
    SinkError::stop("the dead letter table has columns of other types than it must have")
}
