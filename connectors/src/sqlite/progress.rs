//! The progress table: claims, moves, renewals, first starts. Each runs inside a transaction that
//! the caller has begun with the write lock held, so what is read here cannot change before the
//! commit.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use super::classify::sink_error;
use super::connect::Connection;
use super::encode::bound;
use super::sql::quoted;
use crate::error::{ErrorClass, SinkError};
use crate::position::{
    ClaimAnswer, ClaimRequest, PartitionKey, PositionMove, ProgressScope, RenewAnswer,
    RenewRequest, ResetRequest, SetPosition, StartRows, StoredPosition,
};
use crate::stored::{GUARD_PARTITION, RESET_MARK};

const MIGRATION: &str = include_str!("../../migrations/sqlite.sql");
/// The table's name in [`MIGRATION`].
const MIGRATION_TABLE: &str = "\"rowdock_progress\"";
/// Selects one partition's row; the key is bound as ?1 to ?4.
const KEY: &str = "cluster_id = ?1 AND connector = ?2 AND topic = ?3 AND \"partition\" = ?4";
/// What is kept of a row that is about to be set by hand, beside its cluster's id.
const COPIED: &str = "connector, topic, \"partition\", topic_id, next_offset, leader_epoch, claim_id, \
    claim_count, generation, owner, session, reset_count, schema_version, updated_at";
const NOW: &str = "strftime('%Y-%m-%d %H:%M:%fZ', 'now')";

/// The statements for one progress table and whose rows they touch.
pub(super) struct Progress {
    scope: ProgressScope,
    session: String,
    create: String,
    check: String,
    claim: String,
    read_generation: String,
    start: String,
    renew: String,
    advance: String,
    read_all: String,
    keep_before_reset: String,
    reset: String,
}

impl Progress {
    /// # Errors
    /// *Stop* for a table in another schema than `main`: it would not be in the same file.
    pub(super) fn new(
        table: &str,
        scope: ProgressScope,
        session: String,
    ) -> Result<Self, SinkError> {
        let name = match table.split_once('.') {
            None => table,
            Some((schema, name)) if schema.eq_ignore_ascii_case("main") => name,
            Some(_) => {
                return Err(SinkError::stop(format!(
                    "progress.table {table} names a schema, which sqlite does not have: leave it out"
                )));
            }
        };
        let table = quoted(name);
        Ok(Self {
            scope,
            session,
            create: MIGRATION.replace(MIGRATION_TABLE, &table),
            check: format!(
                "SELECT cluster_id, connector, topic, \"partition\", topic_id, next_offset, \
                 leader_epoch, claim_id, claim_count, generation, owner, session, reset_count, \
                 schema_version, updated_at FROM main.{table} LIMIT 0"
            ),
            claim: format!(
                "UPDATE main.{table} SET claim_id = ?5, claim_count = claim_count + 1, \
                 generation = ?6, owner = ?7, session = ?8, updated_at = {NOW} \
                 WHERE {KEY} AND (generation <= ?6 OR ?9) \
                 RETURNING topic_id, next_offset, leader_epoch"
            ),
            read_generation: format!("SELECT generation FROM main.{table} WHERE {KEY}"),
            start: format!(
                "INSERT OR ABORT INTO main.{table} \
                 (cluster_id, connector, topic, \"partition\", topic_id, next_offset, updated_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, {NOW}) \
                 ON CONFLICT (cluster_id, connector, topic, \"partition\") DO NOTHING"
            ),
            renew: format!(
                "UPDATE main.{table} SET claim_id = ?6, updated_at = {NOW} \
                 WHERE {KEY} AND claim_id IN (?5, ?6) RETURNING next_offset"
            ),
            read_all: format!(
                "SELECT topic, \"partition\" AS stored_partition, topic_id, next_offset, owner, \
                 reset_count, CAST(round((julianday(updated_at) - 2440587.5) * 86400000) AS INTEGER) \
                 AS updated_ms FROM main.{table} \
                 WHERE cluster_id = ?1 AND connector = ?2 AND \"partition\" <> ?3 \
                 ORDER BY topic, \"partition\""
            ),
            keep_before_reset: format!(
                "INSERT OR IGNORE INTO main.{table} (cluster_id, {COPIED}) \
                 SELECT cluster_id || '{RESET_MARK}' || (reset_count + 1), {COPIED} \
                 FROM main.{table} WHERE {KEY}"
            ),
            reset: format!(
                "UPDATE main.{table} SET topic_id = ?5, next_offset = ?6, leader_epoch = -1, \
                 claim_id = NULL, generation = -1, owner = '', session = '', \
                 reset_count = reset_count + 1, updated_at = {NOW} WHERE {KEY}"
            ),
            advance: format!(
                "UPDATE main.{table} AS stored SET next_offset = moved.value ->> 4, \
                 leader_epoch = moved.value ->> 5, updated_at = {NOW} \
                 FROM json_each(?1) AS moved \
                 WHERE stored.cluster_id = moved.value ->> 6 AND stored.connector = moved.value ->> 7 \
                 AND stored.topic = moved.value ->> 0 AND stored.\"partition\" = moved.value ->> 1 \
                 AND stored.claim_id = moved.value ->> 2 AND stored.next_offset = moved.value ->> 3 \
                 RETURNING topic, \"partition\" AS moved_partition"
            ),
        })
    }

    /// Creates the table unless it exists, and makes sure that it is ours.
    pub(super) async fn prepare(&self, connection: &mut Connection) -> Result<(), SinkError> {
        let check = "use the progress table";
        let Err(missing) = connection
            .fetch(check, &self.check, SqliteArguments::default())
            .await
        else {
            return Ok(());
        };
        if missing.class() != ErrorClass::Stop {
            return Err(missing);
        }
        connection
            .begin()
            .await
            .map_err(|error| self.not_created(error))?;
        let created = connection
            .execute(
                "create the progress table",
                &self.create,
                SqliteArguments::default(),
            )
            .await;
        connection
            .end(created)
            .await
            .map_err(|error| self.not_created(error))?;
        // A table of this name that has other columns is found out here.
        let checked = connection
            .fetch(check, &self.check, SqliteArguments::default())
            .await;
        checked.map(drop)
    }

    /// Only a file that may not be written keeps us from creating a table.
    fn not_created(&self, error: SinkError) -> SinkError {
        let read_only = std::error::Error::source(&error)
            .and_then(|source| source.downcast_ref::<sqlx::Error>())
            .is_some_and(super::classify::is_read_only);
        if !read_only {
            return error;
        }
        SinkError::stop(format!(
            "the progress table is missing and the database is read-only: make it writable, and \
             if need be create the table by hand:\n{}",
            self.create
        ))
        .with_source(error)
    }

    pub(super) async fn claim(
        &self,
        connection: &mut Connection,
        request: &ClaimRequest,
    ) -> Result<Vec<ClaimAnswer>, SinkError> {
        let mut answers = Vec::with_capacity(request.partitions.len());
        for key in &request.partitions {
            answers.push(self.claim_one(connection, key, request).await?);
        }
        Ok(answers)
    }

    async fn claim_one(
        &self,
        connection: &mut Connection,
        key: &PartitionKey,
        request: &ClaimRequest,
    ) -> Result<ClaimAnswer, SinkError> {
        const DOING: &str = "claim a partition";
        let mut arguments = self.key_arguments(key)?;
        bound(&mut arguments, request.claim_id.to_string())?;
        bound(&mut arguments, request.generation)?;
        bound(&mut arguments, request.owner.clone())?;
        bound(&mut arguments, self.session.clone())?;
        bound(&mut arguments, request.force)?;
        let claimed = connection.fetch(DOING, &self.claim, arguments).await?;
        if let Some(row) = claimed.first() {
            return Ok(ClaimAnswer::Claimed {
                topic_id: read(row, "topic_id")?,
                next_offset: read(row, "next_offset")?,
                leader_epoch: read(row, "leader_epoch")?,
            });
        }
        let arguments = self.key_arguments(key)?;
        let existing = connection
            .fetch(DOING, &self.read_generation, arguments)
            .await?;
        if let Some(row) = existing.first() {
            return Ok(ClaimAnswer::HeldByNewer {
                generation: read(row, "generation")?,
            });
        }
        let guard = PartitionKey {
            topic: key.topic.clone(),
            partition: GUARD_PARTITION,
        };
        let arguments = self.key_arguments(&guard)?;
        let started = connection
            .fetch(DOING, &self.read_generation, arguments)
            .await?;
        Ok(if started.is_empty() {
            ClaimAnswer::TopicUnknown
        } else {
            ClaimAnswer::PartitionUnknown
        })
    }

    pub(super) async fn write_starts(
        &self,
        connection: &mut Connection,
        starts: &StartRows,
    ) -> Result<(), SinkError> {
        if starts.first
            && !self
                .start_one(connection, starts, GUARD_PARTITION, 0)
                .await?
        {
            // Another starter was first; its numbers stand.
            return Ok(());
        }
        for (partition, next_offset) in &starts.offsets {
            self.start_one(connection, starts, *partition, *next_offset)
                .await?;
        }
        Ok(())
    }

    /// Whether the row was not there before.
    async fn start_one(
        &self,
        connection: &mut Connection,
        starts: &StartRows,
        partition: i32,
        next_offset: i64,
    ) -> Result<bool, SinkError> {
        let key = PartitionKey {
            topic: starts.topic.clone(),
            partition,
        };
        let mut arguments = self.key_arguments(&key)?;
        bound(&mut arguments, starts.topic_id.clone())?;
        bound(&mut arguments, next_offset)?;
        let inserted = connection
            .execute("start a topic", &self.start, arguments)
            .await?;
        Ok(inserted == 1)
    }

    pub(super) async fn read_positions(
        &self,
        connection: &mut Connection,
    ) -> Result<Vec<StoredPosition>, SinkError> {
        let mut arguments = SqliteArguments::default();
        bound(&mut arguments, self.scope.cluster_id.clone())?;
        bound(&mut arguments, self.scope.connector.clone())?;
        bound(&mut arguments, GUARD_PARTITION)?;
        let rows = connection
            .fetch("read positions", &self.read_all, arguments)
            .await?;
        let position = |row: &SqliteRow| {
            Ok(StoredPosition {
                key: PartitionKey {
                    topic: Arc::from(read::<&str>(row, "topic")?),
                    partition: read(row, "stored_partition")?,
                },
                topic_id: read(row, "topic_id")?,
                next_offset: read(row, "next_offset")?,
                owner: read(row, "owner")?,
                reset_count: read(row, "reset_count")?,
                updated_ms: read(row, "updated_ms")?,
            })
        };
        rows.iter().map(position).collect()
    }

    pub(super) async fn reset_positions(
        &self,
        connection: &mut Connection,
        request: &ResetRequest,
    ) -> Result<(), SinkError> {
        for starts in &request.starts {
            self.write_starts(connection, starts).await?;
        }
        for SetPosition {
            key,
            topic_id,
            next_offset,
        } in &request.positions
        {
            let arguments = self.key_arguments(key)?;
            connection
                .execute("keep a position", &self.keep_before_reset, arguments)
                .await?;
            let mut arguments = self.key_arguments(key)?;
            bound(&mut arguments, topic_id.clone())?;
            bound(&mut arguments, *next_offset)?;
            let updated = connection
                .execute("reset a position", &self.reset, arguments)
                .await?;
            if updated != 1 {
                return Err(SinkError::stop(
                    "the progress table has no row for a partition whose position is to be set",
                ));
            }
        }
        Ok(())
    }

    pub(super) async fn renew(
        &self,
        connection: &mut Connection,
        request: &RenewRequest,
    ) -> Result<Vec<RenewAnswer>, SinkError> {
        let mut answers = Vec::with_capacity(request.partitions.len());
        for (key, claim_id) in &request.partitions {
            let mut arguments = self.key_arguments(key)?;
            bound(&mut arguments, claim_id.to_string())?;
            bound(&mut arguments, request.new_claim_id.to_string())?;
            let renewed = connection
                .fetch("renew a claim", &self.renew, arguments)
                .await?;
            answers.push(match renewed.first() {
                Some(row) => RenewAnswer::Held {
                    next_offset: read(row, "next_offset")?,
                },
                None => RenewAnswer::Lost,
            });
        }
        Ok(answers)
    }

    /// Moves the positions; returns the indexes of those that may not be moved. If there are any,
    /// the transaction must be rolled back.
    ///
    /// One statement for any number of positions: one for each of eight took about 0.4 ms, of the
    /// 5 ms of a batch of 5,000 small rows.
    pub(super) async fn advance(
        &self,
        connection: &mut Connection,
        moves: &[PositionMove],
    ) -> Result<Vec<usize>, SinkError> {
        const DOING: &str = "move positions";
        if moves.is_empty() {
            return Ok(Vec::new());
        }
        let mut arguments = SqliteArguments::default();
        bound(&mut arguments, self.moves_json(moves)?)?;
        let rows = connection.fetch(DOING, &self.advance, arguments).await?;
        let mut moved = HashSet::with_capacity(rows.len());
        for row in &rows {
            moved.insert((
                read::<&str>(row, "topic")?,
                read::<i32>(row, "moved_partition")?,
            ));
        }
        let is_fenced =
            |wanted: &PositionMove| !moved.contains(&(&*wanted.key.topic, wanted.key.partition));
        Ok((0..moves.len())
            .filter(|index| is_fenced(&moves[*index]))
            .collect())
    }

    /// `[topic, partition, claim id, from, to, leader epoch, cluster id, connector]` of each move.
    /// The last two are the same for all; were they bound once, SQLite would begin at all rows that
    /// have them and look for the move of each, instead of looking up the row of each move.
    fn moves_json(&self, moves: &[PositionMove]) -> Result<String, SinkError> {
        let of_move = |wanted: &PositionMove| {
            debug_assert!(wanted.to >= wanted.from, "positions never go back");
            json!([
                &*wanted.key.topic,
                wanted.key.partition,
                wanted.claim_id.to_string(),
                wanted.from,
                wanted.to,
                wanted.leader_epoch,
                self.scope.cluster_id,
                self.scope.connector
            ])
        };
        let moves: Vec<serde_json::Value> = moves.iter().map(of_move).collect();
        serde_json::to_string(&moves)
            .map_err(|error| SinkError::stop("positions cannot be bound").with_source(error))
    }

    fn key_arguments(&self, key: &PartitionKey) -> Result<SqliteArguments, SinkError> {
        let mut arguments = SqliteArguments::default();
        bound(&mut arguments, self.scope.cluster_id.clone())?;
        bound(&mut arguments, self.scope.connector.clone())?;
        bound(&mut arguments, key.topic.clone())?;
        bound(&mut arguments, key.partition)?;
        Ok(arguments)
    }
}

fn read<'r, T>(row: &'r SqliteRow, column: &str) -> Result<T, SinkError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(column)
        .map_err(|error| sink_error("read the progress table", error))
}
