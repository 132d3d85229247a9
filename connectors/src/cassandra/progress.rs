//! The progress table: claims, moves, renewals, first starts, each by a lightweight transaction.
//!
//! Cassandra has transactions within one partition only, so every Kafka partition has one of its own,
//! and none waits for another. What concerns several partitions is done for each, at the same time.
//!
//! A lightweight transaction that is not answered may have happened, may not, or may still happen.
//! So it is never just sent again: the row is read at serial consistency first, which completes what
//! was begun, and only what has not happened is tried again ([`checkpoint`](super::checkpoint)).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use super::checkpoint::{Checkpoint, Held, Settled, settle_move, settle_renewal};
use super::clock::Clock;
use super::connect::Link;
use crate::error::SinkError;
use crate::position::{
    ClaimAnswer, ClaimRequest, PartitionKey, PositionMove, ProgressScope, RenewAnswer,
    RenewRequest, ResetRequest, SetPosition, StartRows, StoredPosition,
};

mod statements;
mod table;

use statements::Statements;

pub(super) use table::prepare_table;

/// Partitions that are worked on at a time.
const PARTITIONS_AT_A_TIME: usize = 32;

/// How often a compare-and-set is tried, when others are faster or it is not answered.
const ATTEMPTS_MAX: u32 = 6;

/// Between two attempts, at first; as long again for each further one.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(20);

/// Past this no further attempt begins: where each takes as long as a request may, whoever waits shall
/// be told before all of them have.
const ATTEMPTS_WITHIN: Duration = Duration::from_secs(30);

/// The number of a topic's guard row.
const GUARD: i32 = -1;

/// The progress table of one connector.
pub(super) struct Progress {
    scope: ProgressScope,
    config: i64,
    statements: Statements,
}

/// What a move has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    /// It stands where it should.
    Done,
    /// It is not ours any more.
    Fenced,
}

impl Progress {
    /// Prepares the statements; the table must be there.
    pub(super) async fn open(
        link: &Link,
        table: &str,
        scope: ProgressScope,
        settings: &super::settings::CassandraSettings,
    ) -> Result<Self, SinkError> {
        Ok(Self {
            scope,
            config: settings.config,
            statements: Statements::prepare(link, table, settings.serial_consistency).await?,
        })
    }

    /// Takes partitions over. What is held afterwards comes back beside the answers.
    pub(super) async fn claim(
        &self,
        link: &Link,
        request: &ClaimRequest,
    ) -> Result<Vec<(ClaimAnswer, Option<Held>)>, SinkError> {
        let claims = request.partitions.iter();
        let claims: Vec<_> = claims
            .map(|key| self.claim_one(link, request, key))
            .collect();
        stream::iter(claims)
            .buffered(PARTITIONS_AT_A_TIME)
            .try_collect()
            .await
    }

    async fn claim_one(
        &self,
        link: &Link,
        request: &ClaimRequest,
        key: &PartitionKey,
    ) -> Result<(ClaimAnswer, Option<Held>), SinkError> {
        let mut attempts = Attempts::begin();
        while attempts.is_another_due().await {
            let Some(row) = self.read(link, key).await? else {
                match self.start_of(link, key).await? {
                    Start::Unknown(answer) => return Ok((answer, None)),
                    Start::Known(topic_id, offset) => {
                        self.insert(link, key, &topic_id, offset).await?;
                        continue;
                    }
                }
            };
            let is_ours = row.claim_id == request.claim_id;
            if row.generation > request.generation && !request.force && !is_ours {
                let generation = row.generation;
                return Ok((ClaimAnswer::HeldByNewer { generation }, None));
            }
            let same_records = !request.compacted.contains(&key.topic);
            let clock = row.clock_for(self.config, same_records);
            if !is_ours
                && !self
                    .statements
                    .claim(link, self, key, &row, request, clock)
                    .await?
            {
                continue;
            }
            let held = Held {
                claim_id: request.claim_id,
                next_offset: row.next_offset,
                // Of a claim that had happened already, the row has the clock.
                clock: if is_ours { row.clock } else { clock },
                ceiling: row.ceiling,
                settled_from: None,
            };
            let answer = ClaimAnswer::Claimed {
                topic_id: row.topic_id,
                next_offset: row.next_offset,
                leader_epoch: row.leader_epoch,
            };
            return Ok((answer, Some(held)));
        }
        Err(contended(key))
    }

    /// Where a partition without a row starts, by its topic's guard row.
    async fn start_of(&self, link: &Link, key: &PartitionKey) -> Result<Start, SinkError> {
        let Some(guard) = self.statements.read_guard(link, self, &key.topic).await? else {
            return Ok(Start::Unknown(ClaimAnswer::TopicUnknown));
        };
        Ok(match guard.starts.get(&key.partition) {
            Some(offset) => Start::Known(guard.topic_id, *offset),
            None => Start::Unknown(ClaimAnswer::PartitionUnknown),
        })
    }

    /// Writes first positions. The guard row holds those of the whole topic, so that one lightweight
    /// transaction decides; the partitions' rows follow from it, by whoever comes first.
    pub(super) async fn write_starts(
        &self,
        link: &Link,
        starts: &StartRows,
    ) -> Result<(), SinkError> {
        let (topic_id, offsets) = if starts.first {
            let wanted: BTreeMap<i32, i64> = starts.offsets.iter().copied().collect();
            let statements = &self.statements;
            statements
                .insert_guard(link, self, &starts.topic, &starts.topic_id, &wanted)
                .await?;
            let guard = statements.read_guard(link, self, &starts.topic).await?;
            let guard = guard.ok_or_else(|| {
                SinkError::retry(format!(
                    "the start of topic {} is not there yet",
                    starts.topic
                ))
            })?;
            (guard.topic_id, guard.starts.into_iter().collect())
        } else {
            (starts.topic_id.clone(), starts.offsets.clone())
        };
        let inserts = offsets.into_iter().map(|(partition, offset)| {
            let key = PartitionKey {
                topic: Arc::clone(&starts.topic),
                partition,
            };
            let topic_id = &topic_id;
            async move { self.insert(link, &key, topic_id, offset).await }
        });
        stream::iter(inserts)
            .buffer_unordered(PARTITIONS_AT_A_TIME)
            .try_collect()
            .await
    }

    /// Exchanges claims after an unknown result.
    pub(super) async fn renew(
        &self,
        link: &Link,
        request: &RenewRequest,
    ) -> Result<Vec<(RenewAnswer, Option<Held>)>, SinkError> {
        let renewals = request.partitions.iter();
        let new = request.new_claim_id;
        let renewals: Vec<_> = renewals
            .map(|(key, old)| self.renew_one(link, key, *old, new))
            .collect();
        stream::iter(renewals)
            .buffered(PARTITIONS_AT_A_TIME)
            .try_collect()
            .await
    }

    async fn renew_one(
        &self,
        link: &Link,
        key: &PartitionKey,
        old: Uuid,
        new: Uuid,
    ) -> Result<(RenewAnswer, Option<Held>), SinkError> {
        let mut attempts = Attempts::begin();
        while attempts.is_another_due().await {
            let row = self.read(link, key).await?;
            match (
                settle_renewal(row.as_ref().map(|row| row.claim_id), old, new),
                row,
            ) {
                (Settled::Done, Some(row)) => {
                    let held = Held {
                        claim_id: new,
                        next_offset: row.next_offset,
                        clock: row.clock,
                        ceiling: row.ceiling,
                        settled_from: None,
                    };
                    let next_offset = row.next_offset;
                    return Ok((RenewAnswer::Held { next_offset }, Some(held)));
                }
                (Settled::NotYet, Some(row)) => {
                    // Applied or not, the next look tells.
                    self.statements.renew(link, self, key, &row, new).await?;
                }
                _ => return Ok((RenewAnswer::Lost, None)),
            }
        }
        Err(contended(key))
    }

    /// Raises the ceiling of a partition that is held, before timestamps above it are given.
    pub(super) async fn raise_ceiling(
        &self,
        link: &Link,
        key: &PartitionKey,
        mut held: Held,
        ceiling: i64,
    ) -> Result<Moved, SinkError> {
        let mut attempts = Attempts::begin();
        while attempts.is_another_due().await {
            let raised = self.statements.raise(link, self, key, &held, ceiling);
            if raised.await? {
                return Ok(Moved::Done);
            }
            let Some(row) = self.read(link, key).await? else {
                return Ok(Moved::Fenced);
            };
            if (row.claim_id, row.next_offset) != (held.claim_id, held.next_offset) {
                return Ok(Moved::Fenced);
            }
            if row.ceiling >= ceiling {
                return Ok(Moved::Done);
            }
            held.ceiling = row.ceiling;
        }
        Err(contended(key))
    }

    /// Moves the checkpoint of a partition that is held.
    pub(super) async fn advance(
        &self,
        link: &Link,
        part: &PositionMove,
        clock: Clock,
        ceiling: i64,
    ) -> Result<Moved, SinkError> {
        let mut attempts = Attempts::begin();
        while attempts.is_another_due().await {
            let applied = self
                .statements
                .advance(link, self, part, clock, ceiling)
                .await;
            if applied.map_err(SinkError::with_unknown_commit)? {
                return Ok(Moved::Done);
            }
            let row = self
                .read(link, &part.key)
                .await
                .map_err(SinkError::with_unknown_commit)?;
            let stands = row.map(|row| (row.claim_id, row.next_offset));
            match settle_move(stands, part.claim_id, part.from, part.to) {
                Settled::Done => return Ok(Moved::Done),
                Settled::NotYet => {}
                Settled::Lost => return Ok(Moved::Fenced),
            }
        }
        Err(contended(&part.key).with_unknown_commit())
    }

    /// All positions, sorted.
    pub(super) async fn read_positions(
        &self,
        link: &Link,
    ) -> Result<Vec<StoredPosition>, SinkError> {
        let mut keys = self.statements.list(link, self).await?;
        keys.retain(|key| key.partition != GUARD);
        keys.sort();
        let reads = keys.into_iter().map(|key| async move {
            let row = self.read(link, &key).await?;
            Ok::<_, SinkError>(row.map(|row| StoredPosition {
                key,
                topic_id: row.topic_id,
                next_offset: row.next_offset,
                owner: row.owner,
                reset_count: row.reset_count,
                updated_ms: row.updated_ms,
            }))
        });
        let found: Vec<_> = stream::iter(reads)
            .buffered(PARTITIONS_AT_A_TIME)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Sets positions by hand. What is written from there on wins over all that was written before.
    pub(super) async fn reset_positions(
        &self,
        link: &Link,
        request: &ResetRequest,
    ) -> Result<(), SinkError> {
        for starts in &request.starts {
            self.write_starts(link, starts).await?;
        }
        let resets: Vec<_> = request
            .positions
            .iter()
            .map(|set| self.reset_one(link, set))
            .collect();
        stream::iter(resets)
            .buffer_unordered(PARTITIONS_AT_A_TIME)
            .try_collect()
            .await
    }

    async fn reset_one(&self, link: &Link, set: &SetPosition) -> Result<(), SinkError> {
        let mut attempts = Attempts::begin();
        while attempts.is_another_due().await {
            let Some(row) = self.read(link, &set.key).await? else {
                return Err(SinkError::retry(format!(
                    "partition {} of topic {} has no position yet",
                    set.key.partition, set.key.topic
                )));
            };
            let clock = Clock(row.ceiling.max(row.clock.0));
            self.statements
                .keep_before_reset(link, self, &set.key, &row)
                .await?;
            if self.statements.reset(link, self, set, &row, clock).await? {
                return Ok(());
            }
        }
        Err(contended(&set.key))
    }

    async fn read(&self, link: &Link, key: &PartitionKey) -> Result<Option<Checkpoint>, SinkError> {
        self.statements.read(link, self, key).await
    }

    async fn insert(
        &self,
        link: &Link,
        key: &PartitionKey,
        topic_id: &str,
        offset: i64,
    ) -> Result<(), SinkError> {
        self.statements
            .insert(link, self, key, topic_id, offset)
            .await
    }
}

/// Where a partition without a row starts.
enum Start {
    /// The id of its topic, and the offset.
    Known(String, i64),
    /// That has not been decided.
    Unknown(ClaimAnswer),
}

fn contended(key: &PartitionKey) -> SinkError {
    SinkError::retry(format!(
        "the position of partition {} of topic {} is being changed by others, or the change is not \
         answered",
        key.partition, key.topic
    ))
}

/// Attempts at one compare-and-set.
struct Attempts {
    begun: Instant,
    count: u32,
}

impl Attempts {
    fn begin() -> Self {
        Self {
            begun: Instant::now(),
            count: 0,
        }
    }

    /// Pauses before any attempt but the first. `false`: it is enough.
    async fn is_another_due(&mut self) -> bool {
        let count = self.count;
        self.count += 1;
        if count == 0 {
            return true;
        }
        if count >= ATTEMPTS_MAX || self.begun.elapsed() >= ATTEMPTS_WITHIN {
            return false;
        }
        let longest = ATTEMPT_PAUSE * count;
        tokio::time::sleep(longest.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        true
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
