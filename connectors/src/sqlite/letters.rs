//! The dead letter table, read back.

use sqlx::Row as _;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use super::connect::Connection;
use super::encode::bound;
use super::sql::{local_name, quoted};
use crate::error::SinkError;
use crate::letter::{LetterKey, LetterQuery, StoredLetter};

const DOING: &str = "read the dead letter table";

/// See [`Session::read_letters`](crate::Session::read_letters).
pub(super) async fn read(
    connection: &mut Connection,
    query: &LetterQuery,
) -> Result<Vec<StoredLetter>, SinkError> {
    let mut arguments = SqliteArguments::default();
    bound(&mut arguments, query.connector.clone())?;
    bound(&mut arguments, i64::from(query.limit))?;
    let bytes_max = i64::try_from(query.bytes_max).unwrap_or(i64::MAX);
    bound(&mut arguments, bytes_max)?;
    let mut condition = "";
    if let Some(after) = &query.after {
        condition = " AND (topic, kafka_partition, kafka_offset) > (?4, ?5, ?6)";
        bound(&mut arguments, after.topic.clone())?;
        bound(&mut arguments, after.partition)?;
        bound(&mut arguments, after.offset)?;
    }
    let text = format!(
        "SELECT topic, kafka_partition, kafka_offset, stage, reason, \
         CAST(round((julianday(record_time) - 2440587.5) * 86400000.0) AS INTEGER) AS time_ms, \
         record_key, record_value, record_headers \
         FROM (SELECT *, sum(coalesce(length(record_key), 0) + coalesce(length(record_value), 0) \
                             + coalesce(length(record_headers), 0)) \
                         OVER (ORDER BY topic, kafka_partition, kafka_offset \
                               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before \
               FROM (SELECT topic, kafka_partition, kafka_offset, stage, reason, record_time, \
                            record_key, record_value, record_headers \
                     FROM {} WHERE connector = ?1{condition} \
                     ORDER BY topic, kafka_partition, kafka_offset LIMIT ?2)) \
         WHERE coalesce(bytes_before, 0) < ?3 \
         ORDER BY topic, kafka_partition, kafka_offset",
        quoted(&local_name(&query.table))
    );
    let rows = connection.fetch(DOING, text, arguments).await?;
    rows.iter().map(letter).collect()
}

fn letter(row: &SqliteRow) -> Result<StoredLetter, SinkError> {
    let read = || -> Result<StoredLetter, sqlx::Error> {
        Ok(StoredLetter {
            key: LetterKey {
                topic: row.try_get_unchecked("topic")?,
                partition: row.try_get_unchecked("kafka_partition")?,
                offset: row.try_get_unchecked("kafka_offset")?,
            },
            stage: row.try_get_unchecked("stage")?,
            reason: row.try_get_unchecked("reason")?,
            time_ms: row.try_get_unchecked("time_ms")?,
            record_key: row.try_get_unchecked("record_key")?,
            record_value: row.try_get_unchecked("record_value")?,
            record_headers: row.try_get_unchecked("record_headers")?,
        })
    };
    read().map_err(|error| {
        SinkError::stop("the dead letter table has columns of other types than it must have")
            .with_source(error)
    })
}
