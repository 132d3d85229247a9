//! Positions as people see them, and as they set them.

use super::Progress;
use crate::error::SinkError;
use crate::mysql::link::Link;
use crate::mysql::schema::{number, text};
use crate::mysql::sql::literal;
use crate::mysql::transaction;
use crate::position::{PartitionKey, ResetRequest, StoredPosition};
use crate::stored::{GUARD_PARTITION, RESET_MARK};

impl Progress {
    /// See [`Session::read_positions`](crate::Session::read_positions).
    pub(in crate::mysql) async fn read_positions(
        &self,
        link: &mut Link,
    ) -> Result<Vec<StoredPosition>, SinkError> {
        let script = format!(
            "SELECT topic, `partition`, topic_id, next_offset, owner, reset_count, \
             FLOOR(UNIX_TIMESTAMP(updated_at) * 1000) FROM {} \
             WHERE cluster_id = {} AND connector = {} AND `partition` <> {GUARD_PARTITION} \
             ORDER BY topic, `partition`",
            self.table,
            literal(&self.scope.cluster_id),
            literal(&self.scope.connector)
        );
        let answers = link.run("read the positions", &script).await?;
        let rows = answers.iter().flat_map(|answer| &answer.rows);
        Ok(rows.filter_map(stored_position).collect())
    }

    /// See [`Session::reset_positions`](crate::Session::reset_positions).
    pub(in crate::mysql) async fn reset_positions(
        &self,
        link: &mut Link,
        request: &ResetRequest,
    ) -> Result<(), SinkError> {
        const ACTION: &str = "set positions";
        let keys: Vec<PartitionKey> = request
            .positions
            .iter()
            .map(|position| position.key.clone())
            .collect();
        self.lock(link, ACTION, &keys).await?;
        let set = self.set_all(link, ACTION, request, &keys).await;
        transaction::or_roll_back(link, set).await?;
        // Repeating it sets the same again.
        transaction::commit(link, ACTION).await.or_lost()
    }

    async fn set_all(
        &self,
        link: &mut Link,
        action: &str,
        request: &ResetRequest,
        keys: &[PartitionKey],
    ) -> Result<(), SinkError> {
        for starts in &request.starts {
            if !self.insert_starts(link, action, starts).await? {
                // A refusal does not tell whether the transaction is still open. This answer does.
                link.run(action, "DO 0").await?;
            }
        }
        self.keep_what_was(link, action, keys).await?;
        for position in &request.positions {
            let changes = format!(
                "topic_id = {}, next_offset = {}, leader_epoch = -1, claim_id = NULL, generation = -1, \
                 owner = '', session = '', reset_count = reset_count + 1",
                literal(&position.topic_id),
                position.next_offset
            );
            let key = std::slice::from_ref(&position.key);
            self.update_all(link, action, key, &changes).await?;
        }
        Ok(())
    }

    /// Copies the rows that are about to be set, for whoever asks later what stood there.
    async fn keep_what_was(
        &self,
        link: &mut Link,
        action: &str,
        keys: &[PartitionKey],
    ) -> Result<(), SinkError> {
        const COPIED: &str = "connector, topic, `partition`, topic_id, next_offset, leader_epoch, \
            claim_id, claim_count, generation, owner, session, reset_count, schema_version, \
            updated_at";
        link.require_transaction()?;
        let script = format!(
            "INSERT IGNORE INTO {table} (cluster_id, {COPIED}) \
             SELECT CONCAT(cluster_id, '{RESET_MARK}', reset_count + 1), {COPIED} FROM {table} \
             WHERE {rows}",
            table = self.table,
            rows = self.are_rows(keys)
        );
        link.run(action, &script).await?;
        Ok(())
    }
}

fn stored_position(row: &mysql_async::Row) -> Option<StoredPosition> {
    let key = PartitionKey {
        topic: text(row, 0)?.into(),
        partition: i32::try_from(number(row, 1)?).ok()?,
    };
    Some(StoredPosition {
        key,
        topic_id: text(row, 2)?,
        next_offset: number(row, 3)?,
        owner: text(row, 4)?,
        reset_count: number(row, 5)?,
        updated_ms: number(row, 6)?,
    })
}
