//! One batch into its tables, and the checkpoints behind it.
//!
//! ```text
//!  judge ─▶ run the clocks ─▶ make the values ─▶ raise ceilings ─▶ rows ─▶ checkpoints
//!    └ fenced    │                  └ refused        └ fenced        └ refused   └ fenced
//! ```
//!
//! Rows come before the checkpoints that cover them, so a checkpoint never promises what is not there.
//! What fails in between leaves rows behind that will be written again as they are. There is no
//! transaction that could be rolled back, and none is needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use fail::fail_point;
use futures_util::stream::{self, StreamExt as _};

use super::access::{Access, Accesses};
use super::checkpoint::{Held, Part};
use super::clock::{Clock, Timeline};
use super::connect::Link;
use super::counted::{self, Counted};
use super::plan::{Plan, Terms, plan};
use super::progress::{Moved, Progress};
use super::send::Sending;
use super::settings::CassandraSettings;
use crate::error::{ErrorClass, SinkError};
use crate::position::{PartitionKey, PositionMove, RecordTime};
use crate::row::Batch;
use crate::{RowReject, WriteOutcome};

/// Checkpoints that are moved at a time.
const CHECKPOINTS_AT_A_TIME: usize = 32;

/// A session's memory of what it writes.
#[derive(Default)]
pub(super) struct Writer {
    counted: Arc<Mutex<Counted>>,
    accesses: Accesses,
    /// Partitions that were claimed on this session.
    held: HashMap<PartitionKey, Held>,
    /// At-least-once: where each partition's next part begins, and its clock there.
    clocks: HashMap<PartitionKey, (i64, Clock)>,
    /// Rows of the last batch that the server has refused.
    refused: Vec<RowReject>,
}

impl Writer {
    pub(super) fn new(counted: Arc<Mutex<Counted>>) -> Self {
        Self {
            counted,
            ..Self::default()
        }
    }

    /// Partitions that have been claimed, or claimed anew.
    pub(super) fn hold(&mut self, key: PartitionKey, held: Held) {
        self.held.insert(key, held);
    }

    /// Tables may have changed.
    pub(super) fn forget_tables(&mut self) {
        self.accesses.forget();
    }

    /// Writes a batch. Without `progress` its positions are not stored.
    pub(super) async fn write(
        &mut self,
        link: &Link,
        settings: &CassandraSettings,
        progress: Option<&Progress>,
        batch: &Batch,
    ) -> Result<WriteOutcome, SinkError> {
        self.refused.clear();
        let parts = match progress {
            Some(_) => self.judge(&batch.positions),
            None => vec![Part::Ours; batch.positions.len()],
        };
        let fenced = indexes(&parts, Part::Fenced);
        if !fenced.is_empty() {
            return Ok(WriteOutcome::Fenced(fenced));
        }
        fail_point!(super::failpoint::BEFORE_ROWS);
        let timelines = self.timelines(batch, &parts, progress.is_some());
        let mut accesses = self
            .accesses(link, settings, progress.is_some(), batch)
            .await?;
        let terms = Terms {
            settings,
            is_exact: progress.is_some(),
            timelines: &timelines,
            now_seconds: now_seconds(),
        };
        let mut plan = plan(batch, &accesses, &terms)?;
        if plan
            .rejects
            .iter()
            .any(|reject| accesses[reject.table].has_own_types())
        {
            (accesses, plan) = self.plan_anew(link, batch, &terms).await?;
        }
        if let Some(first) = plan.rejects.first() {
            let error = SinkError::new(ErrorClass::Record, first.reason.clone());
            self.refused = plan.rejects;
            return Err(error);
        }
        if let Some(progress) = progress {
            let fenced = self
                .raise_ceilings(link, progress, batch, &timelines)
                .await?;
            if !fenced.is_empty() {
                return Ok(WriteOutcome::Fenced(fenced));
            }
        }
        let counted = Arc::clone(&self.counted);
        self.send(Sending {
            link,
            settings,
            batch,
            plan: &plan,
            accesses: &accesses,
            counted: &counted,
        })
        .await?;
        fail_point!(super::failpoint::BEFORE_CHECKPOINT);
        let Some(progress) = progress else {
            self.keep_clocks(batch, &timelines);
            counted::lock(&self.counted).forget(batch);
            return Ok(WriteOutcome::Committed);
        };
        let outcome = self.checkpoint(link, progress, batch, &timelines).await;
        fail_point!(super::failpoint::AFTER_CHECKPOINT);
        outcome
    }

    /// Types of one's own change without their tables being any different, so what a value is refused for may
    /// be there by now.
    async fn plan_anew(
        &mut self,
        link: &Link,
        batch: &Batch,
        terms: &Terms<'_>,
    ) -> Result<(Vec<Arc<Access>>, Plan), SinkError> {
        self.accesses.forget();
        let accesses = self
            .accesses(link, terms.settings, terms.is_exact, batch)
            .await?;
        let planned = plan(batch, &accesses, terms)?;
        Ok((accesses, planned))
    }

    /// The rows of this batch, which has just been refused, that are at fault.
    pub(super) fn rejects(&self) -> &[RowReject] {
        &self.refused
    }

    fn judge(&self, positions: &[PositionMove]) -> Vec<Part> {
        let judge = |part: &PositionMove| match self.held.get(&part.key) {
            Some(held) => held.judge(part.claim_id, part.from, part.to),
            None => Part::Fenced,
        };
        positions.iter().map(judge).collect()
    }

    /// The timestamps of each part that is to be written.
    fn timelines(&self, batch: &Batch, parts: &[Part], is_exact: bool) -> Vec<Option<Timeline>> {
        let absent = (!is_exact).then(|| now_seconds().saturating_mul(1_000));
        let positions = batch.positions.iter().enumerate();
        let timelines = positions.map(|(index, part)| {
            if parts[index] != Part::Ours {
                return None;
            }
            let start = match self.held.get(&part.key).filter(|_| is_exact) {
                Some(held) => held.clock,
                None => match self.clocks.get(&part.key) {
                    Some((next, clock)) if *next == part.from => *clock,
                    _ => Clock::default(),
                },
            };
            Some(if part.times.is_empty() {
                let range = (i64::MIN, i64::MAX);
                Timeline::run(start, row_times(batch, index), range, absent)
            } else {
                let range = (part.from, part.to);
                Timeline::run(start, part.times.iter().copied(), range, absent)
            })
        });
        timelines.collect()
    }

    async fn accesses(
        &mut self,
        link: &Link,
        settings: &CassandraSettings,
        is_exact: bool,
        batch: &Batch,
    ) -> Result<Vec<Arc<Access>>, SinkError> {
        let mut accesses = Vec::with_capacity(batch.tables.len());
        for rows in &batch.tables {
            let access = self
                .accesses
                .of(link, settings, &rows.target, is_exact)
                .await;
            accesses.push(access?);
        }
        Ok(accesses)
    }

    /// Raises the ceilings that the batch would pass. Returns the positions that are not ours.
    async fn raise_ceilings(
        &mut self,
        link: &Link,
        progress: &Progress,
        batch: &Batch,
        timelines: &[Option<Timeline>],
    ) -> Result<Vec<usize>, SinkError> {
        let wanted = batch
            .positions
            .iter()
            .enumerate()
            .filter_map(|(index, part)| {
                let held = *self.held.get(&part.key)?;
                let ceiling = held.ceiling_before(timelines[index].as_ref()?)?;
                Some(async move {
                    let raised = progress.raise_ceiling(link, &part.key, held, ceiling).await;
                    (index, ceiling, raised)
                })
            });
        let raises: Vec<_> = wanted.collect();
        let raised: Vec<_> = stream::iter(raises)
            .buffer_unordered(CHECKPOINTS_AT_A_TIME)
            .collect()
            .await;
        let mut fenced = Vec::new();
        for (index, ceiling, raised) in raised {
            let key = &batch.positions[index].key;
            match raised? {
                Moved::Done => {
                    if let Some(held) = self.held.get_mut(key) {
                        held.ceiling = ceiling;
                    }
                }
                Moved::Fenced => {
                    self.held.remove(key);
                    fenced.push(index);
                }
            }
        }
        fenced.sort_unstable();
        Ok(fenced)
    }

    /// Sends all rows, and waits for their answers.
    async fn send(&mut self, sending: Sending<'_>) -> Result<(), SinkError> {
        let error = match sending.send().await {
            Ok(None) => return Ok(()),
            Ok(Some(refusal)) => {
                self.refused = refusal.rows;
                refusal.error
            }
            Err(error) => error,
        };
        Err(self.noting_change(error))
    }

    fn noting_change(&mut self, error: SinkError) -> SinkError {
        if error.table_changed() {
            self.accesses.forget();
        }
        error
    }

    /// Moves the checkpoints of all parts that were written.
    async fn checkpoint(
        &mut self,
        link: &Link,
        progress: &Progress,
        batch: &Batch,
        timelines: &[Option<Timeline>],
    ) -> Result<WriteOutcome, SinkError> {
        let wanted = batch
            .positions
            .iter()
            .enumerate()
            .filter_map(|(index, part)| {
                let timeline = timelines[index].as_ref()?;
                let ceiling = self.held.get(&part.key)?.ceiling_after(timeline);
                let end = timeline.end();
                Some(async move {
                    let moved = progress.advance(link, part, end, ceiling).await;
                    (index, end, ceiling, moved)
                })
            });
        let moves: Vec<_> = wanted.collect();
        let moved: Vec<_> = stream::iter(moves)
            .buffer_unordered(CHECKPOINTS_AT_A_TIME)
            .collect()
            .await;
        let mut fenced = Vec::new();
        let mut failed = None;
        for (index, end, ceiling, moved) in moved {
            let part = &batch.positions[index];
            match moved {
                Ok(Moved::Done) => {
                    if let Some(held) = self.held.get_mut(&part.key) {
                        held.next_offset = part.to;
                        held.clock = end;
                        held.ceiling = ceiling;
                        held.settled_from = Some(part.from);
                    }
                }
                Ok(Moved::Fenced) => {
                    self.held.remove(&part.key);
                    fenced.push(index);
                }
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if !fenced.is_empty() {
            fenced.sort_unstable();
            return Ok(WriteOutcome::Fenced(fenced));
        }
        for part in &batch.positions {
            if let Some(held) = self.held.get_mut(&part.key) {
                held.settled_from = None;
            }
        }
        Ok(WriteOutcome::Committed)
    }

    fn keep_clocks(&mut self, batch: &Batch, timelines: &[Option<Timeline>]) {
        for (part, timeline) in batch.positions.iter().zip(timelines) {
            if let Some(timeline) = timeline {
                let clock = (part.to, timeline.end());
                self.clocks.insert(part.key.clone(), clock);
            }
        }
    }
}

fn indexes(parts: &[Part], wanted: Part) -> Vec<usize> {
    let found = parts
        .iter()
        .enumerate()
        .filter(|(_, part)| **part == wanted);
    found.map(|(index, _)| index).collect()
}

/// The records of a position for which rows are there, when nothing is told of their times.
fn row_times(batch: &Batch, position: usize) -> Vec<RecordTime> {
    let mut offsets: Vec<i64> = batch
        .tables
        .iter()
        .flat_map(|rows| &rows.origins)
        .filter(|origin| origin.position as usize == position)
        .map(|origin| origin.offset)
        .collect();
    offsets.sort_unstable();
    offsets.dedup();
    let time = |offset| RecordTime {
        offset,
        timestamp_ms: None,
    };
    offsets.into_iter().map(time).collect()
}

fn now_seconds() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
