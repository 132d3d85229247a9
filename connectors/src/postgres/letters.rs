//! The dead letter table, read back.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::link::Link;
use super::sql::qualified;
use crate::error::SinkError;
use crate::letter::{LetterKey, LetterQuery, StoredLetter};

/// See [`Session::read_letters`](crate::Session::read_letters).
pub(super) async fn read(link: &Link, query: &LetterQuery) -> Result<Vec<StoredLetter>, SinkError> {
    let after = query.after.as_ref();
    // What stands before each letter of the page is summed up by the server: what is too much is not sent.
    let text = format!(
        "SELECT topic::text, kafka_partition::int4, kafka_offset::int8, stage::text, reason::text, \
                round(extract(epoch FROM record_time) * 1000)::int8, \
                record_key, record_value, record_headers::text \
         FROM (SELECT *, sum(coalesce(octet_length(record_key), 0) \
                             + coalesce(octet_length(record_value), 0)::int8 \
                             + coalesce(octet_length(record_headers::text), 0)) \
                         OVER (ORDER BY topic, kafka_partition, kafka_offset \
                               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before \
               FROM (SELECT topic, kafka_partition, kafka_offset, stage, reason, record_time, \
                            record_key, record_value, record_headers \
                     FROM {} WHERE connector = $1::text \
                       AND ($2::text IS NULL \
                            OR (topic, kafka_partition, kafka_offset) > ($2::text, $3::int4, $4::int8)) \
                     ORDER BY topic, kafka_partition, kafka_offset LIMIT $5::int8) AS page) AS counted \
         WHERE coalesce(bytes_before, 0) < $6::int8 \
         ORDER BY topic, kafka_partition, kafka_offset",
        qualified(&query.table)
    );
    let bytes_max = i64::try_from(query.bytes_max).unwrap_or(i64::MAX);
    let parameters: [&(dyn ToSql + Sync); 6] = [
        &query.connector,
        &after.map(|after| after.topic.as_str()),
        &after.map(|after| after.partition),
        &after.map(|after| after.offset),
        &i64::from(query.limit),
        &bytes_max,
    ];
    let rows = link.client().query(&text, &parameters);
    let rows = link.answer("read the dead letter table", rows).await?;
    rows.iter().map(letter).collect()
}

fn letter(row: &Row) -> Result<StoredLetter, SinkError> {
    let read = || -> Result<StoredLetter, tokio_postgres::Error> {
        Ok(StoredLetter {
            key: LetterKey {
                topic: row.try_get(0)?,
                partition: row.try_get(1)?,
                offset: row.try_get(2)?,
            },
            stage: row.try_get(3)?,
            reason: row.try_get(4)?,
            time_ms: row.try_get(5)?,
            record_key: row.try_get(6)?,
            record_value: row.try_get(7)?,
            record_headers: row.try_get(8)?,
        })
    };
    read().map_err(|error| {
        SinkError::stop("the dead letter table has columns of other types than it must have")
            .with_source(error)
    })
}
