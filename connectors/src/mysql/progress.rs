//! The progress table: claims, renewals, first positions, and moving positions with the rows.
//!
//! Every change of a row happens under its row lock and compares the claim id, so whoever is slow,
//! stopped or cut off is found out by the database, not by a clock:
//!
//! | who                | locks the rows, in key order, then                                   |
//! |--------------------|----------------------------------------------------------------------|
//! | [`claim`]          | stores a new claim id, unless a newer generation holds the row        |
//! | [`renew`]          | exchanges the claim id where it is still the old or already the new   |
//! | [`begin_moved`](Progress::begin_moved) | moves the offset where claim id and offset are as expected |
//! | [`write_starts`]   | inserts rows; the topic's guard row (partition -1) lets one win       |
//!
//! A claim or renewal waits for the transaction of a predecessor. When that one does not end, its
//! session, which the row names, is ended.
//!
//! [`claim`]: Progress::claim
//! [`renew`]: Progress::renew
//! [`write_starts`]: Progress::write_starts

use std::collections::HashMap;

use fail::fail_point;

use super::classify;
use super::classify::DUPLICATE_KEY;
use super::connect::Connector;
use super::link::{Failure, Link};
use super::sql::literal;
use super::transaction::{self, BEGIN_ANSWERS};
use crate::error::SinkError;
use crate::options::{SinkOptions, SinkTimeouts};
use crate::position::{
    ClaimAnswer, ClaimRequest, PartitionKey, PositionMove, ProgressScope, RenewAnswer,
    RenewRequest, StartRows,
};
use crate::stored::{GUARD_PARTITION, Stored, StoredRow};

mod lock;
mod reset;
mod table;

/// Characters of the owner that are kept.
const OWNER_CHARS_MAX: usize = 1_024;

/// One connector's rows of the progress table.
pub(super) struct Progress {
    /// The table's name, quoted.
    table: String,
    scope: ProgressScope,
    timeouts: SinkTimeouts,
}

/// Why positions did not move.
pub(super) enum NotMoved {
    /// These are no longer ours, or elsewhere.
    Fenced(Vec<usize>),
    /// Something else; nothing is known about the positions.
    Failed(SinkError),
}

impl Progress {
    /// Finds the table, or creates it.
    ///
    /// # Errors
    /// *Stop* when there is none and none may be created, with the SQL to be run by hand.
    pub(super) async fn open(
        connector: &Connector,
        link: &mut Link,
        options: &SinkOptions,
    ) -> Result<Self, SinkError> {
        if options.scope.connector.ends_with(' ') {
            return Err(SinkError::stop(
                "the connector's name ends with a blank, which the database does not tell apart \
                 from a name without it; choose another name",
            ));
        }
        Ok(Self {
            table: table::ensure(connector, link, &options.progress_table).await?,
            scope: options.scope.clone(),
            timeouts: connector.timeouts,
        })
    }

    /// Begins a transaction and moves the positions in it, all in one message; they are sorted, so
    /// every writer locks in the same order. `false`: not all moved; the transaction must be
    /// rolled back.
    pub(super) async fn begin_moved(
        &self,
        link: &mut Link,
        action: &str,
        positions: &[PositionMove],
    ) -> Result<bool, SinkError> {
        let mut text = transaction::begin_text(&self.timeouts, self.timeouts.lock);
        for moved in positions {
            text.push_str(&format!(
                "; UPDATE {} SET next_offset = {}, leader_epoch = {}, \
                 updated_at = CURRENT_TIMESTAMP(6) \
                 WHERE {} AND claim_id = '{}' AND next_offset = {}",
                self.table,
                moved.to,
                moved.leader_epoch,
                self.is_row(&moved.key.topic, moved.key.partition),
                moved.claim_id,
                moved.from
            ));
        }
        let answers = link.run(action, &text).await?;
        link.require_transaction()?;
        let moved = answers.get(BEGIN_ANSWERS..).unwrap_or_default();
        Ok(moved.len() == positions.len() && moved.iter().all(|answer| answer.affected == 1))
    }

    /// Finds out, after a roll-back, which positions did not move.
    pub(super) async fn why_not_moved(
        &self,
        link: &mut Link,
        positions: &[PositionMove],
    ) -> NotMoved {
        match self.find_fenced(link, positions).await {
            Ok(fenced) if fenced.is_empty() => NotMoved::Failed(SinkError::retry(
                "positions changed while they were looked at",
            )),
            Ok(fenced) => NotMoved::Fenced(fenced),
            Err(error) => NotMoved::Failed(error),
        }
    }

    async fn find_fenced(
        &self,
        link: &mut Link,
        positions: &[PositionMove],
    ) -> Result<Vec<usize>, SinkError> {
        let keys: Vec<PartitionKey> = positions.iter().map(|moved| moved.key.clone()).collect();
        let text = self.rows_text(&keys, "");
        let answers = link.run("look up the positions", &text).await?;
        let rows = answers.iter().flat_map(|answer| &answer.rows);
        let stored: HashMap<PartitionKey, StoredRow> = rows.filter_map(lock::stored_row).collect();
        let is_fenced = |moved: &PositionMove| {
            stored.get(&moved.key).is_none_or(|row| {
                row.claim_id != Some(moved.claim_id) || row.next_offset != moved.from
            })
        };
        let with_place = positions.iter().enumerate();
        Ok(with_place
            .filter(|(_, moved)| is_fenced(moved))
            .map(|(place, _)| place)
            .collect())
    }

    /// See [`Session::claim`](crate::Session::claim).
    pub(super) async fn claim(
        &self,
        link: &mut Link,
        request: &ClaimRequest,
    ) -> Result<Vec<ClaimAnswer>, SinkError> {
        const ACTION: &str = "claim partitions";
        let stored = self.lock(link, ACTION, &request.partitions).await?;
        let claimed = self.take_over(link, ACTION, request, &stored).await;
        let answers = transaction::or_roll_back(link, claimed).await?;
        fail_point!(super::failpoint::BEFORE_CLAIM_COMMIT);
        // A claim is never repeated, so whether it happened does not matter: claim anew.
        transaction::commit(link, ACTION).await.or_lost()?;
        Ok(answers)
    }

    async fn take_over(
        &self,
        link: &mut Link,
        action: &str,
        request: &ClaimRequest,
        stored: &Stored,
    ) -> Result<Vec<ClaimAnswer>, SinkError> {
        let claimed = stored.claim(request);
        let owner: String = request.owner.chars().take(OWNER_CHARS_MAX).collect();
        let changes = format!(
            "claim_id = '{}', claim_count = claim_count + 1, generation = {}, owner = {}, \
             session = {}",
            request.claim_id,
            request.generation,
            literal(&owner),
            literal(&link.server.session)
        );
        self.update_all(link, action, &claimed.changed, &changes)
            .await?;
        Ok(claimed.answers)
    }

    /// See [`Session::renew`](crate::Session::renew).
    pub(super) async fn renew(
        &self,
        link: &mut Link,
        request: &RenewRequest,
    ) -> Result<Vec<RenewAnswer>, SinkError> {
        const ACTION: &str = "renew claims";
        fail_point!(super::failpoint::BEFORE_RENEW);
        let keys: Vec<PartitionKey> = request
            .partitions
            .iter()
            .map(|(key, _)| key.clone())
            .collect();
        let stored = self.lock(link, ACTION, &keys).await?;
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
        link: &mut Link,
        action: &str,
        request: &RenewRequest,
        stored: &Stored,
    ) -> Result<Vec<RenewAnswer>, SinkError> {
        let renewed = stored.renew(request);
        let changes = format!(
            "claim_id = '{}', session = {}",
            request.new_claim_id,
            literal(&link.server.session)
        );
        self.update_all(link, action, &renewed.changed, &changes)
            .await?;
        Ok(renewed.answers)
    }

    /// Changes rows that are locked.
    async fn update_all(
        &self,
        link: &mut Link,
        action: &str,
        keys: &[PartitionKey],
        changes: &str,
    ) -> Result<(), SinkError> {
        if keys.is_empty() {
            return Ok(());
        }
        link.require_transaction()?;
        let text = format!(
            "UPDATE {} FORCE INDEX (PRIMARY) SET {changes}, updated_at = CURRENT_TIMESTAMP(6) \
             WHERE {}",
            self.table,
            self.are_rows(keys)
        );
        let answers = link.run(action, &text).await?;
        let updated: u64 = answers.iter().map(|answer| answer.affected).sum();
        // Only a trigger on the progress table can make a difference.
        if usize::try_from(updated) == Ok(keys.len()) {
            return Ok(());
        }
        Err(SinkError::stop(
            "the progress table did not take a change of its rows: \
             remove the triggers that prevent it",
        ))
    }

    /// See [`Session::write_starts`](crate::Session::write_starts).
    pub(super) async fn write_starts(
        &self,
        link: &mut Link,
        starts: &StartRows,
    ) -> Result<(), SinkError> {
        const ACTION: &str = "write first positions";
        let begin = transaction::begin_text(&self.timeouts, self.timeouts.lock);
        link.run(ACTION, &begin).await?;
        let written = self.insert_starts(link, ACTION, starts).await;
        if !transaction::or_roll_back(link, written).await? {
            return transaction::roll_back(link).await;
        }
        // Repeating it changes nothing, so it need not be settled.
        transaction::commit(link, ACTION).await.or_lost()
    }

    /// `false`: someone else has started the topic.
    async fn insert_starts(
        &self,
        link: &mut Link,
        action: &str,
        starts: &StartRows,
    ) -> Result<bool, SinkError> {
        link.require_transaction()?;
        if starts.first {
            let guard = self.insert_text(starts, &[(GUARD_PARTITION, 0)]);
            match link.try_run(action, &guard).await {
                Ok(_) => {}
                Err(Failure::Refused(refusal)) if refusal.code == DUPLICATE_KEY => {
                    return Ok(false);
                }
                Err(Failure::Refused(refusal)) => {
                    return Err(classify::statement_error(action, &refusal));
                }
                Err(Failure::Lost(error)) => return Err(error),
            }
        }
        if !starts.offsets.is_empty() {
            let mut offsets = starts.offsets.clone();
            offsets.sort_unstable();
            let text = self.insert_text(starts, &offsets);
            link.run(action, &text).await?;
        }
        Ok(true)
    }

    /// The guard row must be new; the others may be there and are left alone then.
    fn insert_text(&self, starts: &StartRows, offsets: &[(i32, i64)]) -> String {
        let rows: Vec<String> = offsets
            .iter()
            .map(|(partition, next_offset)| {
                format!(
                    "({}, {}, {}, {}, {partition}, {next_offset})",
                    literal(&self.scope.cluster_id),
                    literal(&self.scope.connector),
                    literal(&starts.topic),
                    literal(&starts.topic_id)
                )
            })
            .collect();
        let existing = match offsets {
            [(GUARD_PARTITION, _)] => "",
            _ => " ON DUPLICATE KEY UPDATE next_offset = next_offset",
        };
        format!(
            "INSERT INTO {} (cluster_id, connector, topic, topic_id, `partition`, next_offset) \
             VALUES {}{existing}",
            self.table,
            rows.join(", ")
        )
    }

    /// Rows of these partitions, with what comes after the condition.
    fn rows_text(&self, keys: &[PartitionKey], locking: &str) -> String {
        // By the key, however small the table is: a scan would lock, and wait for, other rows.
        format!(
            "SELECT topic, `partition`, topic_id, next_offset, leader_epoch, claim_id, generation, \
             session FROM {} FORCE INDEX (PRIMARY) WHERE {} ORDER BY topic, `partition` {locking}",
            self.table,
            self.are_rows(keys)
        )
    }

    fn is_row(&self, topic: &str, partition: i32) -> String {
        format!(
            "cluster_id = {} AND connector = {} AND topic = {} AND `partition` = {partition}",
            literal(&self.scope.cluster_id),
            literal(&self.scope.connector),
            literal(topic)
        )
    }

    fn are_rows(&self, keys: &[PartitionKey]) -> String {
        if keys.is_empty() {
            return "FALSE".to_owned();
        }
        let rows: Vec<String> = keys
            .iter()
            .map(|key| format!("({})", self.is_row(&key.topic, key.partition)))
            .collect();
        rows.join(" OR ")
    }
}
