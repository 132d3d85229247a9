//! The statements on the progress table, and how their answers are read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use scylla::DeserializeRow;
use scylla::errors::ExecutionError;
use scylla::response::query_result::QueryResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::{CqlTimestamp, CqlValue, Row};
use uuid::Uuid;

use super::super::checkpoint::{Checkpoint, Held};
use super::super::classify;
use super::super::clock::Clock;
use super::super::connect::Link;
use super::super::settings::PositionConsistency;
use super::{GUARD, Progress, now_ms};
use crate::error::{ErrorClass, SinkError};
use crate::position::{ClaimRequest, PartitionKey, PositionMove, SetPosition};
use crate::stored::RESET_MARK;

/// One row's key.
const KEY: &str = "cluster_id = ? AND connector = ? AND topic = ? AND partition = ?";

/// Raised when the table's columns change their meaning.
const SCHEMA_VERSION: i32 = 1;

/// All of them, prepared.
pub(super) struct Statements {
    read: PreparedStatement,
    list: PreparedStatement,
    insert: PreparedStatement,
    insert_guard: PreparedStatement,
    claim: PreparedStatement,
    renew: PreparedStatement,
    raise: PreparedStatement,
    advance: PreparedStatement,
    keep_before_reset: PreparedStatement,
    reset: PreparedStatement,
}

/// A topic's guard row.
pub(super) struct Guard {
    pub(super) topic_id: String,
    pub(super) starts: BTreeMap<i32, i64>,
}

/// A row as the table has it.
#[derive(DeserializeRow)]
struct StoredRow {
    topic_id: Option<String>,
    next_offset: Option<i64>,
    leader_epoch: Option<i32>,
    claim_id: Option<Uuid>,
    claim_count: Option<i64>,
    generation: Option<i32>,
    owner: Option<String>,
    reset_count: Option<i64>,
    clock: Option<i64>,
    ceiling: Option<i64>,
    config: Option<i64>,
    starts: Option<HashMap<i32, i64>>,
    updated_at: Option<CqlTimestamp>,
}

impl Statements {
    pub(super) async fn prepare(
        link: &Link,
        table: &str,
        consistency: PositionConsistency,
    ) -> Result<Self, SinkError> {
        let conditional = async |text: String| {
            let mut prepared = link.prepare_position(&text).await?;
            prepared.set_consistency(consistency.commit());
            prepared.set_serial_consistency(Some(consistency.serial()));
            Ok::<_, SinkError>(prepared)
        };
        let reading = async |text: String, at| {
            let mut prepared = link.prepare_position(&text).await?;
            prepared.set_consistency(at);
            prepared.set_is_idempotent(true);
            Ok::<_, SinkError>(prepared)
        };
        let columns_kept = "topic_id, next_offset, leader_epoch, claim_id, claim_count, generation, \
                            owner, reset_count, clock, ceiling, config, updated_at";
        let columns = format!("{columns_kept}, starts");
        let all = format!("SELECT {columns} FROM {table} WHERE {KEY}");
        let keys = format!(
            "SELECT topic, partition FROM {table} WHERE cluster_id = ? AND connector = ? ALLOW FILTERING"
        );
        Ok(Self {
            read: reading(all, consistency.read()).await?,
            list: reading(keys, consistency.commit()).await?,
            insert: conditional(format!(
                "INSERT INTO {table} (cluster_id, connector, topic, partition, topic_id, \
                 next_offset, leader_epoch, claim_id, claim_count, generation, owner, reset_count, \
                 clock, ceiling, config, schema_version, updated_at) \
                 VALUES (?, ?, ?, ?, ?, ?, -1, ?, 0, -1, '', 0, 0, 0, ?, ?, ?) IF NOT EXISTS"
            ))
            .await?,
            insert_guard: conditional(format!(
                "INSERT INTO {table} (cluster_id, connector, topic, partition, topic_id, starts, \
                 schema_version, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS"
            ))
            .await?,
            claim: conditional(format!(
                "UPDATE {table} SET claim_id = ?, claim_count = ?, generation = ?, owner = ?, \
                 clock = ?, config = ?, updated_at = ? WHERE {KEY} \
                 IF claim_id = ? AND next_offset = ? AND ceiling = ? AND claim_count = ?"
            ))
            .await?,
            renew: conditional(format!(
                "UPDATE {table} SET claim_id = ?, updated_at = ? WHERE {KEY} IF claim_id = ?"
            ))
            .await?,
            raise: conditional(format!(
                "UPDATE {table} SET ceiling = ?, updated_at = ? WHERE {KEY} \
                 IF claim_id = ? AND next_offset = ? AND ceiling = ?"
            ))
            .await?,
            advance: conditional(format!(
                "UPDATE {table} SET next_offset = ?, leader_epoch = ?, clock = ?, ceiling = ?, \
                 updated_at = ? WHERE {KEY} IF claim_id = ? AND next_offset = ?"
            ))
            .await?,
            keep_before_reset: reading(
                format!(
                    "INSERT INTO {table} (cluster_id, connector, topic, partition, {columns_kept}, \
                     schema_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
                     {SCHEMA_VERSION})"
                ),
                consistency.commit(),
            )
            .await?,
            reset: conditional(format!(
                "UPDATE {table} SET topic_id = ?, next_offset = ?, leader_epoch = -1, claim_id = ?, \
                 generation = -1, owner = '', reset_count = ?, clock = ?, updated_at = ? \
                 WHERE {KEY} IF claim_id = ? AND next_offset = ? AND ceiling = ? AND reset_count = ?"
            ))
            .await?,
        })
    }

    /// A row as everybody has agreed on it.
    pub(super) async fn read(
        &self,
        link: &Link,
        progress: &Progress,
        key: &PartitionKey,
    ) -> Result<Option<Checkpoint>, SinkError> {
        let row = self
            .stored(link, progress, &key.topic, key.partition)
            .await?;
        Ok(row.and_then(StoredRow::into_checkpoint))
    }

    pub(super) async fn read_guard(
        &self,
        link: &Link,
        progress: &Progress,
        topic: &str,
    ) -> Result<Option<Guard>, SinkError> {
        let row = self.stored(link, progress, topic, GUARD).await?;
        Ok(row.map(|row| Guard {
            topic_id: row.topic_id.unwrap_or_default(),
            starts: row.starts.unwrap_or_default().into_iter().collect(),
        }))
    }

    async fn stored(
        &self,
        link: &Link,
        progress: &Progress,
        topic: &str,
        partition: i32,
    ) -> Result<Option<StoredRow>, SinkError> {
        let key = progress.key(topic, partition);
        let answer = link.session.execute_unpaged(&self.read, key).await;
        let answer = answer.map_err(|error| of_positions(&error))?;
        let rows = answer.into_rows_result().map_err(unreadable)?;
        rows.maybe_first_row::<StoredRow>().map_err(unreadable)
    }

    /// Keys of all rows, in no order.
    pub(super) async fn list(
        &self,
        link: &Link,
        progress: &Progress,
    ) -> Result<Vec<PartitionKey>, SinkError> {
        let scope = (
            progress.scope.cluster_id.as_str(),
            progress.scope.connector.as_str(),
        );
        let answer = link.session.execute_unpaged(&self.list, scope).await;
        let answer = answer.map_err(|error| of_positions(&error))?;
        let rows = answer.into_rows_result().map_err(unreadable)?;
        let mut keys = Vec::with_capacity(rows.rows_num());
        for row in rows.rows::<(String, i32)>().map_err(unreadable)? {
            let (topic, partition) = row.map_err(unreadable)?;
            keys.push(PartitionKey {
                topic: Arc::from(topic),
                partition,
            });
        }
        Ok(keys)
    }

    /// A partition's first row, unless it has one.
    pub(super) async fn insert(
        &self,
        link: &Link,
        progress: &Progress,
        key: &PartitionKey,
        topic_id: &str,
        offset: i64,
    ) -> Result<(), SinkError> {
        let (cluster, connector, topic, partition) = progress.key(&key.topic, key.partition);
        let row = (
            cluster,
            connector,
            topic,
            partition,
            topic_id,
            offset,
            Uuid::nil(),
            progress.config,
            SCHEMA_VERSION,
            CqlTimestamp(now_ms()),
        );
        self.apply(link, &self.insert, row).await?;
        Ok(())
    }

    pub(super) async fn insert_guard(
        &self,
        link: &Link,
        progress: &Progress,
        topic: &str,
        topic_id: &str,
        starts: &BTreeMap<i32, i64>,
    ) -> Result<(), SinkError> {
        let (cluster, connector, topic, partition) = progress.key(topic, GUARD);
        let now = CqlTimestamp(now_ms());
        let row = (
            cluster,
            connector,
            topic,
            partition,
            topic_id,
            starts,
            SCHEMA_VERSION,
            now,
        );
        self.apply(link, &self.insert_guard, row).await?;
        Ok(())
    }

    /// `false`: the row was not as it was read, or there is no answer.
    pub(super) async fn claim(
        &self,
        link: &Link,
        progress: &Progress,
        key: &PartitionKey,
        row: &Checkpoint,
        request: &ClaimRequest,
        clock: Clock,
    ) -> Result<bool, SinkError> {
        let (cluster, connector, topic, partition) = progress.key(&key.topic, key.partition);
        let values = (
            request.claim_id,
            row.claim_count.saturating_add(1),
            request.generation,
            request.owner.as_str(),
            clock.0,
            progress.config,
            CqlTimestamp(now_ms()),
            cluster,
            connector,
            topic,
            partition,
            row.claim_id,
            row.next_offset,
            row.ceiling,
            row.claim_count,
        );
        self.apply(link, &self.claim, values).await
    }

    pub(super) async fn renew(
        &self,
        link: &Link,
        progress: &Progress,
        key: &PartitionKey,
        row: &Checkpoint,
        new: Uuid,
    ) -> Result<bool, SinkError> {
        let (cluster, connector, topic, partition) = progress.key(&key.topic, key.partition);
        let now = CqlTimestamp(now_ms());
        let values = (new, now, cluster, connector, topic, partition, row.claim_id);
        self.apply(link, &self.renew, values).await
    }

    pub(super) async fn raise(
        &self,
        link: &Link,
        progress: &Progress,
        key: &PartitionKey,
        held: &Held,
        ceiling: i64,
    ) -> Result<bool, SinkError> {
        let (cluster, connector, topic, partition) = progress.key(&key.topic, key.partition);
        let values = (
            ceiling,
            CqlTimestamp(now_ms()),
            cluster,
            connector,
            topic,
            partition,
            held.claim_id,
            held.next_offset,
            held.ceiling,
        );
        self.apply(link, &self.raise, values).await
    }

    pub(super) async fn advance(
        &self,
        link: &Link,
        progress: &Progress,
        part: &PositionMove,
        clock: Clock,
        ceiling: i64,
    ) -> Result<bool, SinkError> {
        let key = &part.key;
        let (cluster, connector, topic, partition) = progress.key(&key.topic, key.partition);
        let values = (
            part.to,
            part.leader_epoch,
            clock.0,
            ceiling,
            CqlTimestamp(now_ms()),
            cluster,
            connector,
            topic,
            partition,
            part.claim_id,
            part.from,
        );
        self.apply(link, &self.advance, values).await
    }

    /// Copies a row that is about to be set by hand, for whoever asks later what stood there. If it
    /// is not set after all, the copy is written over by the next attempt's.
    pub(super) async fn keep_before_reset(
        &self,
        link: &Link,
        progress: &Progress,
        key: &PartitionKey,
        row: &Checkpoint,
    ) -> Result<(), SinkError> {
        let (cluster, connector, topic, partition) = progress.key(&key.topic, key.partition);
        let number = row.reset_count.saturating_add(1);
        let values = (
            format!("{cluster}{RESET_MARK}{number}"),
            connector,
            topic,
            partition,
            row.topic_id.as_str(),
            row.next_offset,
            row.leader_epoch,
            row.claim_id,
            row.claim_count,
            row.generation,
            row.owner.as_str(),
            row.reset_count,
            row.clock.0,
            row.ceiling,
            row.config,
            CqlTimestamp(row.updated_ms),
        );
        let kept = link
            .session
            .execute_unpaged(&self.keep_before_reset, values);
        kept.await.map_err(|error| of_positions(&error))?;
        Ok(())
    }

    pub(super) async fn reset(
        &self,
        link: &Link,
        progress: &Progress,
        set: &SetPosition,
        row: &Checkpoint,
        clock: Clock,
    ) -> Result<bool, SinkError> {
        let key = &set.key;
        let (cluster, connector, topic, partition) = progress.key(&key.topic, key.partition);
        let values = (
            set.topic_id.as_str(),
            set.next_offset,
            Uuid::nil(),
            row.reset_count.saturating_add(1),
            clock.0,
            CqlTimestamp(now_ms()),
            cluster,
            connector,
            topic,
            partition,
            row.claim_id,
            row.next_offset,
            row.ceiling,
            row.reset_count,
        );
        self.apply(link, &self.reset, values).await
    }

    /// Sends a compare-and-set once. `true`: it has happened. `false`: it has not, or that is not
    /// known; whoever must know reads the row.
    async fn apply(
        &self,
        link: &Link,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<bool, SinkError> {
        match link.session.execute_unpaged(statement, values).await {
            Ok(answer) => is_applied(answer),
            Err(error) => match of_positions(&error) {
                failed if failed.class() == ErrorClass::Retry && !failed.connection_lost() => {
                    tracing::debug!("a change of a position is not answered: {error}");
                    Ok(false)
                }
                failed => Err(failed),
            },
        }
    }
}

impl StoredRow {
    /// `None` for a row that is no partition's, or only half there.
    fn into_checkpoint(self) -> Option<Checkpoint> {
        Some(Checkpoint {
            next_offset: self.next_offset?,
            topic_id: self.topic_id.unwrap_or_default(),
            leader_epoch: self.leader_epoch.unwrap_or(-1),
            claim_id: self.claim_id.unwrap_or_default(),
            claim_count: self.claim_count.unwrap_or_default(),
            generation: self.generation.unwrap_or(-1),
            owner: self.owner.unwrap_or_default(),
            reset_count: self.reset_count.unwrap_or_default(),
            clock: Clock(self.clock.unwrap_or_default()),
            ceiling: self.ceiling.unwrap_or_default(),
            config: self.config.unwrap_or_default(),
            updated_ms: self.updated_at.map_or(0, |at| at.0),
        })
    }
}

impl Progress {
    fn key<'a>(&'a self, topic: &'a str, partition: i32) -> (&'a str, &'a str, &'a str, i32) {
        (
            &self.scope.cluster_id,
            &self.scope.connector,
            topic,
            partition,
        )
    }
}

/// The first column of the answer says it; what follows differs between servers.
fn is_applied(answer: QueryResult) -> Result<bool, SinkError> {
    let rows = answer.into_rows_result().map_err(unreadable)?;
    let row = rows.first_row::<Row>().map_err(unreadable)?;
    Ok(matches!(
        row.columns.first(),
        Some(Some(CqlValue::Boolean(true)))
    ))
}

/// Nothing of a position is ever a record's fault.
fn of_positions(error: &ExecutionError) -> SinkError {
    let classified = classify::of_executing(error, "read or move positions");
    match classified.class() {
        ErrorClass::Record => SinkError::stop(format!(
            "the progress table is not what it should be: {classified}"
        )),
        _ => classified,
    }
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> SinkError {
    SinkError::stop("the progress table is not what it should be: its rows cannot be read")
        .with_source(error)
}
