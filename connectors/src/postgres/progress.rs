//! The progress table: claims, renewals, first positions, and moving positions with the rows.
//!
//! Every change of a row happens under its row lock and compares the claim id, so whoever is slow,
//! stopped or cut off is found out by the database, not by a clock:
//!
//! | who                | locks the rows, in key order, then                                   |
//! |--------------------|----------------------------------------------------------------------|
//! | [`claim`]          | stores a new claim id, unless a newer generation holds the row        |
//! | [`renew`]          | exchanges the claim id where it is still the old or already the new   |
//! | [`advance`](Progress::advance) | moves the offset where claim id and offset are as expected |
//! | [`write_starts`]   | inserts rows; the topic's guard row (partition -1) lets one win       |
//!
//! A claim or renewal waits for the transaction of a predecessor. When that one does not end (a
//! stopped process in the middle of a copy), its session, which the row names, is ended.
//!
//! [`claim`]: Progress::claim
//! [`renew`]: Progress::renew
//! [`write_starts`]: Progress::write_starts

use fail::fail_point;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::connect::Backend;
use super::link::{Link, Reply};
use super::transaction;
use crate::error::SinkError;
use crate::options::{SinkOptions, SinkTimeouts};
use crate::position::{
    ClaimAnswer, ClaimRequest, PartitionKey, PositionMove, ProgressScope, RenewAnswer,
    RenewRequest, StartRows,
};
use crate::stored::{GUARD_PARTITION, Stored};

mod lock;
mod reset;
mod table;

use lock::Keys;

/// One connector's rows of the progress table.
pub(super) struct Progress {
    /// The table's name, quoted.
    table: String,
    scope: ProgressScope,
    backend: Backend,
    timeouts: SinkTimeouts,
    advance: Statement,
}

/// Why positions did not move.
pub(super) enum NotMoved {
    /// These are no longer ours, or elsewhere.
    Fenced(Vec<usize>),
    /// Something else; nothing is known about the positions.
    Failed(SinkError),
}

impl Progress {
    /// Finds the table, or creates it, and prepares the statement of every write.
    ///
    /// # Errors
    /// *Stop* when there is none and none may be created, with the SQL to be run by hand.
    pub(super) async fn open(
        link: &Link,
        backend: Backend,
        options: &SinkOptions,
    ) -> Result<Self, SinkError> {
        let table = table::ensure(link, &options.progress_table).await?;
        let text = advance_text(&table);
        let advance = link
            .answer("read the progress table", link.client().prepare(&text))
            .await?;
        Ok(Self {
            table,
            scope: options.scope.clone(),
            backend,
            timeouts: options.timeouts,
            advance,
        })
    }

    /// Moves the positions, inside the transaction with this mark. Returns how many moved; any
    /// other number than all of them means that the transaction must be rolled back.
    pub(super) async fn advance(
        &self,
        link: &Link,
        positions: &[PositionMove],
        mark: &str,
    ) -> Reply<u64> {
        let moves = Moves::of(positions);
        link.client()
            .execute(
                &self.advance,
                &[
                    &moves.topics,
                    &moves.partitions,
                    &moves.claim_ids,
                    &moves.from,
                    &moves.to,
                    &moves.leader_epochs,
                    &self.scope.cluster_id,
                    &self.scope.connector,
                    &self.backend.process_id,
                    &mark,
                ],
            )
            .await
    }

    /// Finds out, after a roll-back, which positions did not move.
    pub(super) async fn why_not_moved(&self, link: &Link, positions: &[PositionMove]) -> NotMoved {
        match self.find_fenced(link, positions).await {
            Ok(fenced) if fenced.is_empty() => NotMoved::Failed(self.why_not_ours(link).await),
            Ok(fenced) => NotMoved::Fenced(fenced),
            Err(error) => NotMoved::Failed(error),
        }
    }

    async fn find_fenced(
        &self,
        link: &Link,
        positions: &[PositionMove],
    ) -> Result<Vec<usize>, SinkError> {
        let text = format!(
            "SELECT moved.place - 1 \
             FROM unnest($3::text[], $4::int4[], $5::uuid[], $6::int8[]) WITH ORDINALITY \
                  AS moved(topic, partition, claim_id, from_offset, place) \
             LEFT JOIN {} AS stored \
                  ON stored.cluster_id = $1 AND stored.connector = $2 \
                 AND stored.topic = moved.topic AND stored.partition = moved.partition \
             WHERE stored.claim_id IS DISTINCT FROM moved.claim_id \
                OR stored.next_offset IS DISTINCT FROM moved.from_offset \
             ORDER BY 1",
            self.table
        );
        let moves = Moves::of(positions);
        let parameters: [&(dyn ToSql + Sync); 6] = [
            &self.scope.cluster_id,
            &self.scope.connector,
            &moves.topics,
            &moves.partitions,
            &moves.claim_ids,
            &moves.from,
        ];
        let query = link.client().query(&text, &parameters);
        let rows = link.answer("look up the positions", query).await?;
        let place = |row: &tokio_postgres::Row| usize::try_from(row.get::<_, i64>(0)).ok();
        Ok(rows.iter().filter_map(place).collect())
    }

    /// All rows are as expected, so the statement ran in a session or transaction of someone
    /// else, or they changed back meanwhile.
    async fn why_not_ours(&self, link: &Link) -> SinkError {
        let process_id = link.client().query_one("SELECT pg_backend_pid()", &[]);
        match link.answer("identify the session", process_id).await {
            Ok(row) if row.get::<_, i32>(0) != self.backend.process_id => SinkError::stop(
                "statements of one session run in different server processes: a connection \
                 pooler in transaction mode lies between; connect directly or use its session mode",
            ),
            Ok(_) => SinkError::retry("positions changed while they were looked at"),
            Err(error) => error,
        }
    }

    /// See [`Session::claim`](crate::Session::claim).
    pub(super) async fn claim(
        &self,
        link: &Link,
        request: &ClaimRequest,
    ) -> Result<Vec<ClaimAnswer>, SinkError> {
        const ACTION: &str = "claim partitions";
        let keys = Keys::of(&request.partitions);
        let stored = self.lock(link, ACTION, &keys).await?;
        let claimed = self.take_over(link, ACTION, request, &stored).await;
        let answers = transaction::or_roll_back(link, claimed).await?;
        fail_point!(super::failpoint::BEFORE_CLAIM_COMMIT);
        // A claim is never repeated, so whether it happened does not matter: claim anew.
        transaction::commit(link, ACTION).await.or_lost()?;
        Ok(answers)
    }

    async fn take_over(
        &self,
        link: &Link,
        action: &str,
        request: &ClaimRequest,
        stored: &Stored,
    ) -> Result<Vec<ClaimAnswer>, SinkError> {
        let claimed = stored.claim(request);
        let text = format!(
            "UPDATE {} SET claim_id = $5, claim_count = claim_count + 1, generation = $6, \
                    owner = $7, session = $8, updated_at = now() \
             WHERE cluster_id = $1 AND connector = $2 \
               AND (topic, partition) IN (SELECT * FROM unnest($3::text[], $4::int4[]))",
            self.table
        );
        let keys = Keys::of(&claimed.changed);
        let parameters: [&(dyn ToSql + Sync); 8] = [
            &self.scope.cluster_id,
            &self.scope.connector,
            &keys.topics,
            &keys.partitions,
            &request.claim_id,
            &request.generation,
            &request.owner,
            &self.backend.identity,
        ];
        let update = link.client().execute(&text, &parameters);
        let updated = link.answer(action, update).await?;
        require_all(updated, claimed.changed.len())?;
        Ok(claimed.answers)
    }

    /// See [`Session::renew`](crate::Session::renew).
    pub(super) async fn renew(
        &self,
        link: &Link,
        request: &RenewRequest,
    ) -> Result<Vec<RenewAnswer>, SinkError> {
        const ACTION: &str = "renew claims";
        fail_point!(super::failpoint::BEFORE_RENEW);
        let partitions: Vec<PartitionKey> = request
            .partitions
            .iter()
            .map(|(key, _)| key.clone())
            .collect();
        let stored = self.lock(link, ACTION, &Keys::of(&partitions)).await?;
        let exchanged = self.exchange(link, ACTION, request, &stored).await;
        let answers = transaction::or_roll_back(link, exchanged).await?;
        let committed = transaction::commit(link, ACTION).await;
        fail_point!(super::failpoint::AFTER_RENEW_SENT, |_| {
            link.cut();
            Err(SinkError::retry("connection cut by a failpoint").losing_connection())
        });
        // Repeated with the same ids until it is answered.
        committed.or_lost()?;
        Ok(answers)
    }

    async fn exchange(
        &self,
        link: &Link,
        action: &str,
        request: &RenewRequest,
        stored: &Stored,
    ) -> Result<Vec<RenewAnswer>, SinkError> {
        let renewed = stored.renew(request);
        let text = format!(
            "UPDATE {} SET claim_id = $5, session = $6, updated_at = now() \
             WHERE cluster_id = $1 AND connector = $2 \
               AND (topic, partition) IN (SELECT * FROM unnest($3::text[], $4::int4[]))",
            self.table
        );
        let keys = Keys::of(&renewed.changed);
        let parameters: [&(dyn ToSql + Sync); 6] = [
            &self.scope.cluster_id,
            &self.scope.connector,
            &keys.topics,
            &keys.partitions,
            &request.new_claim_id,
            &self.backend.identity,
        ];
        let update = link.client().execute(&text, &parameters);
        let updated = link.answer(action, update).await?;
        require_all(updated, renewed.changed.len())?;
        Ok(renewed.answers)
    }

    /// See [`Session::write_starts`](crate::Session::write_starts).
    pub(super) async fn write_starts(
        &self,
        link: &Link,
        starts: &StartRows,
    ) -> Result<(), SinkError> {
        const ACTION: &str = "write first positions";
        transaction::begin(link, ACTION, self.timeouts.lock).await?;
        let written = self.insert_starts(link, ACTION, starts).await;
        transaction::or_roll_back(link, written).await?;
        // Repeating it changes nothing, so it need not be settled.
        transaction::commit(link, ACTION).await.or_lost()
    }

    async fn insert_starts(
        &self,
        link: &Link,
        action: &str,
        starts: &StartRows,
    ) -> Result<(), SinkError> {
        if starts.first {
            let guard = [(GUARD_PARTITION, 0)];
            let inserted = self.insert_rows(link, action, starts, &guard).await?;
            if inserted == 0 {
                return Ok(());
            }
        }
        let mut offsets = starts.offsets.clone();
        offsets.sort_unstable();
        self.insert_rows(link, action, starts, &offsets).await?;
        Ok(())
    }

    async fn insert_rows(
        &self,
        link: &Link,
        action: &str,
        starts: &StartRows,
        offsets: &[(i32, i64)],
    ) -> Result<u64, SinkError> {
        let text = format!(
            "INSERT INTO {} (cluster_id, connector, topic, topic_id, partition, next_offset) \
             SELECT $1::text, $2::text, $3::text, $4::text, partition, next_offset \
             FROM unnest($5::int4[], $6::int8[]) AS started(partition, next_offset) \
             ON CONFLICT (cluster_id, connector, topic, partition) DO NOTHING",
            self.table
        );
        let (partitions, next_offsets): (Vec<i32>, Vec<i64>) = offsets.iter().copied().unzip();
        let topic = starts.topic.as_ref();
        let parameters: [&(dyn ToSql + Sync); 6] = [
            &self.scope.cluster_id,
            &self.scope.connector,
            &topic,
            &starts.topic_id,
            &partitions,
            &next_offsets,
        ];
        let insert = link.client().execute(&text, &parameters);
        link.answer(action, insert).await
    }
}

/// The rows are locked, so only a trigger or rule on the progress table can make a difference.
fn require_all(updated: u64, expected: usize) -> Result<(), SinkError> {
    if usize::try_from(updated) == Ok(expected) {
        return Ok(());
    }
    Err(SinkError::stop(
        "the progress table did not take a change of its rows: \
         remove the triggers or rules that prevent it",
    ))
}

/// The mark shows that the statement runs inside the transaction that was begun for it: if `BEGIN`
/// failed and this followed in the same round trip, it must not move anything on its own.
fn advance_text(table: &str) -> String {
    format!(
        "UPDATE {table} AS stored \
         SET next_offset = moved.next_offset, leader_epoch = moved.leader_epoch, \
             updated_at = now() \
         FROM unnest($1::text[], $2::int4[], $3::uuid[], $4::int8[], $5::int8[], $6::int4[]) \
              AS moved(topic, partition, claim_id, from_offset, next_offset, leader_epoch) \
         WHERE stored.cluster_id = $7 AND stored.connector = $8 \
           AND stored.topic = moved.topic AND stored.partition = moved.partition \
           AND stored.claim_id = moved.claim_id AND stored.next_offset = moved.from_offset \
           AND pg_backend_pid() = $9 AND {} = $10",
        transaction::CURRENT_MARK
    )
}

/// Moves as columns.
struct Moves<'a> {
    topics: Vec<&'a str>,
    partitions: Vec<i32>,
    claim_ids: Vec<Uuid>,
    from: Vec<i64>,
    to: Vec<i64>,
    leader_epochs: Vec<i32>,
}

impl<'a> Moves<'a> {
    fn of(positions: &'a [PositionMove]) -> Self {
        let moves = positions.iter();
        Self {
            topics: moves
                .clone()
                .map(|moved| moved.key.topic.as_ref())
                .collect(),
            partitions: moves.clone().map(|moved| moved.key.partition).collect(),
            claim_ids: moves.clone().map(|moved| moved.claim_id).collect(),
            from: moves.clone().map(|moved| moved.from).collect(),
            to: moves.clone().map(|moved| moved.to).collect(),
            leader_epochs: moves.map(|moved| moved.leader_epoch).collect(),
        }
    }
}
