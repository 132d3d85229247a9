//! Positions read and set by hand, for connectors that do not run.

use std::sync::Arc;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::lock::Keys;
use super::{Progress, require_all};
use crate::error::SinkError;
use crate::position::{PartitionKey, ResetRequest, StoredPosition};
use crate::postgres::link::Link;
use crate::postgres::transaction;
use crate::stored::{GUARD_PARTITION, RESET_MARK};

impl Progress {
    /// See [`Session::read_positions`](crate::Session::read_positions).
    pub(in crate::postgres) async fn read_positions(
        &self,
        link: &Link,
    ) -> Result<Vec<StoredPosition>, SinkError> {
        let text = format!(
            "SELECT topic, partition, topic_id, next_offset, owner, reset_count, \
                    (extract(epoch FROM updated_at) * 1000)::int8 \
             FROM {} WHERE cluster_id = $1 AND connector = $2 AND partition <> $3 \
             ORDER BY topic, partition",
            self.table
        );
        let parameters: [&(dyn ToSql + Sync); 3] = [
            &self.scope.cluster_id,
            &self.scope.connector,
            &GUARD_PARTITION,
        ];
        let query = link.client().query(&text, &parameters);
        let rows = link.answer("read positions", query).await?;
        Ok(rows.iter().map(stored_position).collect())
    }

    /// See [`Session::reset_positions`](crate::Session::reset_positions).
    pub(in crate::postgres) async fn reset_positions(
        &self,
        link: &Link,
        request: &ResetRequest,
    ) -> Result<(), SinkError> {
        const ACTION: &str = "reset positions";
        let partitions: Vec<PartitionKey> = request
            .positions
            .iter()
            .map(|position| position.key.clone())
            .collect();
        let keys = Keys::of(&partitions);
        self.lock(link, ACTION, &keys).await?;
        let reset = self.set_positions(link, ACTION, request, &keys).await;
        transaction::or_roll_back(link, reset).await?;
        // Repeating it sets the same positions, so it need not be settled.
        transaction::commit(link, ACTION).await.or_lost()
    }

    async fn set_positions(
        &self,
        link: &Link,
        action: &str,
        request: &ResetRequest,
        keys: &Keys<'_>,
    ) -> Result<(), SinkError> {
        for starts in &request.starts {
            self.insert_starts(link, action, starts).await?;
        }
        self.keep_what_was(link, action, keys).await?;
        let text = format!(
            "UPDATE {} AS stored \
             SET next_offset = reset.next_offset, topic_id = reset.topic_id, leader_epoch = -1, \
                 claim_id = NULL, generation = -1, owner = '', session = '', \
                 reset_count = reset_count + 1, updated_at = now() \
             FROM unnest($3::text[], $4::int4[], $5::text[], $6::int8[]) \
                  AS reset(topic, partition, topic_id, next_offset) \
             WHERE stored.cluster_id = $1 AND stored.connector = $2 \
               AND stored.topic = reset.topic AND stored.partition = reset.partition",
            self.table
        );
        let positions = request.positions.iter();
        let topic_ids: Vec<&str> = positions.clone().map(|set| set.topic_id.as_str()).collect();
        let offsets: Vec<i64> = positions.map(|set| set.next_offset).collect();
        let parameters: [&(dyn ToSql + Sync); 6] = [
            &self.scope.cluster_id,
            &self.scope.connector,
            &keys.topics,
            &keys.partitions,
            &topic_ids,
            &offsets,
        ];
        let update = link.client().execute(&text, &parameters);
        let updated = link.answer(action, update).await?;
        require_all(updated, request.positions.len())
    }

    /// Copies the rows that are about to be set, for whoever asks later what stood there.
    async fn keep_what_was(
        &self,
        link: &Link,
        action: &str,
        keys: &Keys<'_>,
    ) -> Result<(), SinkError> {
        let text = format!(
            "INSERT INTO {table} (cluster_id, connector, topic, partition, topic_id, next_offset, \
                 leader_epoch, claim_id, claim_count, generation, owner, session, reset_count, \
                 schema_version, updated_at) \
             SELECT cluster_id || '{RESET_MARK}' || (reset_count + 1), connector, stored.topic, \
                 stored.partition, topic_id, next_offset, leader_epoch, claim_id, claim_count, \
                 generation, owner, session, reset_count, schema_version, updated_at \
             FROM {table} AS stored, unnest($3::text[], $4::int4[]) AS reset(topic, partition) \
             WHERE cluster_id = $1 AND connector = $2 \
               AND stored.topic = reset.topic AND stored.partition = reset.partition \
             ON CONFLICT DO NOTHING",
            table = self.table
        );
        let parameters: [&(dyn ToSql + Sync); 4] = [
            &self.scope.cluster_id,
            &self.scope.connector,
            &keys.topics,
            &keys.partitions,
        ];
        let insert = link.client().execute(&text, &parameters);
        link.answer(action, insert).await?;
        Ok(())
    }
}

fn stored_position(row: &Row) -> StoredPosition {
    StoredPosition {
        key: PartitionKey {
            topic: Arc::from(row.get::<_, &str>(0)),
            partition: row.get(1),
        },
        topic_id: row.get(2),
        next_offset: row.get(3),
        owner: row.get(4),
        reset_count: row.get(5),
        updated_ms: row.get(6),
    }
}
