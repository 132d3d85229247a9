//! One batch into the database, whatever it takes.
//!
//! ```text
//!   reconcile ─▶ settle rejects ─▶ write ─┬─ committed ──────────▶ done
//!       ▲                                 ├─ table changed: dropped, to be read again
//!       ▲                                 ├─ fenced: cut, rejoin ─┐
//!       │                                 ├─ record: find rejects ┤
//!       └─────────────────────────────────┴─ retry: wait, renew ──┘
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;
use std::time::Duration;

use rowdock_connectors::{ErrorClass, PartitionKey, SinkError, WriteOutcome};
use tokio::sync::watch;
use tokio::time::timeout;

use super::part::{Part, Step};
use super::reconcile::{Verdict, judge};
use super::{Halt, Held, WriteLoop};
use crate::batch::{ReadBatch, Reject};
use crate::deadletter::Exceeded;
use crate::handover::ToConsumer;
use crate::record::{RecordError, Stage};
use crate::status::TaskStatus;

/// A search for refused rows that is not over by then is shown in the task's status.
const SEARCH_SHOWN_AFTER: Duration = Duration::from_secs(10);

/// Where the task stops: at the first such record of each partition. Everything before it is written
/// first; a search that finds another one before it moves the stop there.
#[derive(Default)]
struct Stops(BTreeMap<PartitionKey, Stop>);

struct Stop {
    offset: i64,
    trace: String,
    /// The record, to be kept as the last dead letter.
    letter: Option<ReadBatch>,
}

impl Stops {
    fn add(&mut self, key: PartitionKey, stop: Stop) {
        let known = self.0.get(&key);
        if known.is_none_or(|known| stop.offset < known.offset) {
            self.0.insert(key, stop);
        }
    }

    /// One before which nothing is left to be written.
    fn take_reached(&mut self, held: &HashMap<PartitionKey, Held>) -> Option<Stop> {
        let mut stops = self.0.iter();
        let is_reached = |(key, stop): &(&PartitionKey, &Stop)| {
            let held = held.get(*key);
            held.is_some_and(|held| held.next_offset == stop.offset)
        };
        let key = stops.find(is_reached)?.0.clone();
        self.0.remove(&key)
    }
}

impl WriteLoop {
    /// Writes a batch. Returns the positions that are durable now.
    pub(super) async fn store(
        &mut self,
        batch: ReadBatch,
    ) -> Result<Vec<(PartitionKey, i64)>, Halt> {
        let mut durable = Vec::new();
        let mut stops = Stops::default();
        // The next part to be written stands last.
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            if let Some((earlier, later)) = self.store_part(part, &mut durable, &mut stops).await? {
                parts.push(later);
                parts.push(earlier);
            } else if let Some(stop) = stops.take_reached(&self.state.held) {
                self.consumer
                    .send(ToConsumer::Written(std::mem::take(&mut durable)));
                return Err(self.stop_at(stop).await?);
            }
        }
        Ok(durable)
    }

    async fn stop_at(&mut self, stop: Stop) -> Result<Halt, Halt> {
        if let Some(letter) = &stop.letter {
            while let Err(error) = self.dead_letters.keep_last(letter).await {
                self.pause_after(&error).await?;
            }
        }
        Ok(Halt::Failed(stop.trace))
    }

    /// Writes a part. `Some`: it must be written as these two, in this order.
    async fn store_part(
        &mut self,
        batch: ReadBatch,
        durable: &mut Vec<(PartitionKey, i64)>,
        stops: &mut Stops,
    ) -> Result<Option<(ReadBatch, ReadBatch)>, Halt> {
        let mut part = Part::new(batch);
        loop {
            match self.step(&mut part, durable, stops).await? {
                Step::Again => {}
                Step::Over => return Ok(None),
                Step::Halve(error) => match part.batch.split_off_half() {
                    Some(later) => return Ok(Some((part.batch, later))),
                    None => part.stay_whole(&error)?,
                },
            }
        }
    }

    /// One way through the states above.
    async fn step(
        &mut self,
        part: &mut Part,
        durable: &mut Vec<(PartitionKey, i64)>,
        stops: &mut Stops,
    ) -> Result<Step, Halt> {
        self.reconcile(&mut part.batch, durable);
        if part.batch.rows.positions.is_empty() {
            return Ok(Step::Over);
        }
        match self.find_dead_letter_table(&part.batch).await {
            Ok(false) => {}
            // A session may have been opened for it: what it told must be looked at first.
            Ok(true) => return Ok(Step::Again),
            Err(error) => {
                self.pause_or_give_up(&error).await?;
                return Ok(Step::Again);
            }
        }
        match self.was_mended(&part.batch).await? {
            None => {}
            Some(true) => return Ok(Step::Over),
            Some(false) => return Ok(Step::Again),
        }
        if let Err(error) = self.settle_rejects(&mut part.batch, stops).await {
            self.pause_after(&error).await?;
            return Ok(Step::Again);
        }
        match self.attempt(&mut part.batch).await {
            Ok(WriteOutcome::Committed) => {
                self.committed(&part.batch, durable);
                Ok(Step::Over)
            }
            Ok(WriteOutcome::Fenced(positions)) => {
                self.fenced(&mut part.batch, &positions);
                Ok(Step::Again)
            }
            Err(error) => self.step_after(error, part).await,
        }
    }

    /// What to do when the database has refused a part, or has not answered.
    async fn step_after(&mut self, error: SinkError, part: &mut Part) -> Result<Step, Halt> {
        if self.has_changed(&part.batch, &error).await? {
            return Ok(Step::Over);
        }
        if error.class() != ErrorClass::Record {
            return self.step_after_failure(error, part).await;
        }
        match self.find_rejects(&mut part.batch).await {
            Ok(has_found) => Ok(part.after_search(has_found, error)),
            Err(error) if self.has_changed(&part.batch, &error).await? => Ok(Step::Over),
            Err(error) => self.step_after_failure(error, part).await,
        }
    }

    /// What has become of the part is told by the renewal, to each half if need be.
    async fn step_after_failure(
        &mut self,
        error: SinkError,
        part: &mut Part,
    ) -> Result<Step, Halt> {
        let was_late = self.was_late(&error);
        self.pause_or_give_up(&error).await?;
        Ok(part.after_failure(was_late, error))
    }

    /// Cuts out what is not ours to write, or written already.
    fn reconcile(&mut self, batch: &mut ReadBatch, durable: &mut Vec<(PartitionKey, i64)>) {
        let mut cut = Vec::new();
        for (index, position) in batch.rows.positions.iter().enumerate() {
            let tag = batch.tags[index];
            let held = self.state.held.get(&position.key);
            let verdict = if self.board.is_current(&position.key, tag) {
                judge(position, tag, held)
            } else {
                Verdict::Stale
            };
            match verdict {
                Verdict::Write => continue,
                Verdict::Done => durable.push((position.key.clone(), position.to)),
                Verdict::Stale => {}
                Verdict::Seek(offset) => {
                    tracing::warn!(
                        topic = %position.key.topic, partition = position.key.partition, offset,
                        "the database's position is not where this batch starts; reading on from there"
                    );
                    if let Some(new_tag) = self.board.retag(&position.key, tag) {
                        if let Some(held) = self.state.held.get_mut(&position.key) {
                            held.tag = new_tag;
                        }
                        self.consumer.send(ToConsumer::Seek {
                            key: position.key.clone(),
                            tag: new_tag,
                            offset,
                        });
                    }
                }
            }
            cut.push(index);
        }
        batch.cut_positions(&cut);
    }

    /// Rejects first, while no lock is held: dead letters are awaited; without tolerance the batch
    /// is cut off at the first bad record of each partition.
    async fn settle_rejects(
        &mut self,
        batch: &mut ReadBatch,
        stops: &mut Stops,
    ) -> Result<(), SinkError> {
        if batch.rejects.iter().all(|reject| reject.settled) {
            return Ok(());
        }
        if self.config.errors.tolerate {
            if let Some(exceeded) = self.dead_letters.exceeded(batch) {
                stop_at_limit(batch, &exceeded, stops);
            }
            return self.dead_letters.settle(batch).await;
        }
        while let Some(first) = batch
            .rejects
            .iter()
            .min_by_key(|reject| (reject.position, reject.offset))
            .cloned()
        {
            let key = batch.rows.positions[first.position].key.clone();
            let stop = Stop {
                offset: first.offset,
                trace: format!(
                    "topic {}, partition {}, offset {}: {} ({})",
                    key.topic, key.partition, first.offset, first.error, first.error.stage
                ),
                letter: Some(batch.alone(&first)),
            };
            stops.add(key, stop);
            batch.end_position_at(first.position, first.offset);
        }
        Ok(())
    }

    /// Finds or creates the dead letter table, before the first row for it. Says whether anything
    /// was done.
    async fn find_dead_letter_table(&mut self, batch: &ReadBatch) -> Result<bool, SinkError> {
        let waits = batch.rejects.iter().any(|reject| !reject.settled);
        let Some(wanted) = self.dead_letters.missing_table().filter(|_| waits) else {
            return Ok(false);
        };
        self.ready_session().await?;
        let Some(session) = self.state.session.as_mut() else {
            return Ok(true);
        };
        let found = match session.describe_table(&wanted.name).await? {
            Some(found) => found,
            None => session.create_table(&wanted).await?,
        };
        self.dead_letters.found_table(found)?;
        Ok(true)
    }

    async fn attempt(&mut self, batch: &mut ReadBatch) -> Result<WriteOutcome, SinkError> {
        let fresh = self.state.session.is_none();
        self.ready_session().await?;
        if fresh {
            // The renewal has told the truth; the caller compares before anything is written.
            let judged = batch.rows.positions.iter().zip(&batch.tags);
            let stands = judged
                .map(|(position, tag)| judge(position, *tag, self.state.held.get(&position.key)))
                .all(|verdict| verdict == Verdict::Write);
            if !stands {
                return Ok(WriteOutcome::Fenced(Vec::new()));
            }
        }
        for position in &mut batch.rows.positions {
            if let Some(held) = self.state.held.get(&position.key) {
                position.claim_id = held.claim_id;
            }
        }
        match self.state.session.as_mut() {
            Some(session) => session.write(&batch.rows).await,
            None => Ok(WriteOutcome::Fenced(Vec::new())),
        }
    }

    fn committed(&mut self, batch: &ReadBatch, durable: &mut Vec<(PartitionKey, i64)>) {
        self.recovered();
        self.dead_letters.written(batch);
        for position in &batch.rows.positions {
            if let Some(held) = self.state.held.get_mut(&position.key) {
                held.next_offset = position.to;
            }
            durable.push((position.key.clone(), position.to));
        }
        tracing::debug!(
            rows = batch.rows.row_count(),
            partitions = batch.rows.positions.len(),
            rejected = batch.rejects.len(),
            "batch committed"
        );
    }

    /// Someone else has these partitions. The group decides who goes on: leave and join again, so
    /// that an assignment follows in any case.
    fn fenced(&mut self, batch: &mut ReadBatch, positions: &[usize]) {
        if positions.is_empty() {
            return;
        }
        for index in positions {
            if let Some(position) = batch.rows.positions.get(*index) {
                tracing::warn!(
                    topic = %position.key.topic, partition = position.key.partition,
                    from = position.from, to = position.to,
                    "FENCED: the partition was claimed by another task; nothing was written"
                );
                self.state.held.remove(&position.key);
            }
        }
        batch.cut_positions(positions);
        self.consumer.send(ToConsumer::Rejoin);
    }

    /// Finds the rows that the database refuses and makes them rejects. `false`: none was found.
    async fn find_rejects(&mut self, batch: &mut ReadBatch) -> Result<bool, SinkError> {
        let Some(session) = self.state.session.as_mut() else {
            return Ok(false);
        };
        let searching = session.find_rejects(&batch.rows);
        let found = telling_of_search(&self.status, batch.rows.row_count(), searching).await?;
        if found.is_empty() {
            return Ok(false);
        }
        let refused_letter = found
            .iter()
            .find(|reject| self.dead_letters.has(&batch.rows.tables[reject.table]));
        if let Some(refused) = refused_letter {
            return Err(SinkError::stop(format!(
                "the dead letter table refuses a row: {}",
                refused.reason
            )));
        }
        // A record's rows in other tables go with the one that is refused: it is stored as a whole or not.
        let mut refused = BTreeSet::new();
        for reject in &found {
            let origin = batch.rows.tables[reject.table].origins[reject.row];
            let place = (origin.position, origin.offset);
            if !refused.insert(place) {
                continue;
            }
            batch.rejects.push(Reject {
                position: origin.position as usize,
                offset: origin.offset,
                error: RecordError::new(Stage::TaskPut, reject.reason.clone()),
                settled: false,
            });
        }
        batch
            .rows
            .retain_rows(|_, _, origin| !refused.contains(&(origin.position, origin.offset)));
        Ok(true)
    }
}

/// A search of many bad rows may take minutes, each of its statements with a deadline of its own: it is
/// shown, so that the task is not taken for one that does nothing.
async fn telling_of_search<T>(
    status: &watch::Sender<TaskStatus>,
    rows: usize,
    searching: impl Future<Output = T>,
) -> T {
    let mut searching = pin!(searching);
    if let Ok(found) = timeout(SEARCH_SHOWN_AFTER, &mut searching).await {
        return found;
    }
    let told = format!("looking for the records that the database refuses, among {rows}");
    let before = status.borrow().retrying.clone();
    status.send_modify(|status| status.retrying = Some(told));
    let found = searching.await;
    status.send_modify(|status| status.retrying = before);
    found
}

/// Too many records are rejected: the batch ends before the first that is one too many.
fn stop_at_limit(batch: &mut ReadBatch, exceeded: &Exceeded, stops: &mut Stops) {
    let key = batch.rows.positions[exceeded.position].key.clone();
    let is_last =
        |reject: &&Reject| reject.position == exceeded.position && reject.offset == exceeded.offset;
    let last = batch.rejects.iter().find(is_last);
    let reason = last.map_or_else(String::new, |reject| {
        format!("; this one: {} ({})", reject.error, reject.error.stage)
    });
    let stop = Stop {
        offset: exceeded.offset,
        trace: format!(
            "topic {}, partition {}, offset {}: {}{reason}",
            key.topic, key.partition, exceeded.offset, exceeded.limit
        ),
        letter: None,
    };
    stops.add(key, stop);
    batch.end_position_at(exceeded.position, exceeded.offset);
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::status::TaskState;

    #[tokio::test(start_paused = true)]
    async fn a_long_search_is_shown_and_a_short_one_is_not() {
        let (status, _) = watch::channel(TaskStatus {
            retrying: Some("a deadlock".to_owned()),
            ..TaskStatus::new(TaskState::Running)
        });
        let shown = || status.borrow().retrying.clone().unwrap_or_default();
        for (takes, expected) in [(9, "a deadlock"), (11, "among 5000")] {
            let searching = async {
                sleep(Duration::from_secs(takes)).await;
                sleep(Duration::ZERO).await;
                shown()
            };
            let during = telling_of_search(&status, 5000, searching).await;
            assert!(during.contains(expected), "{takes} s: {during}");
            assert_eq!(shown(), "a deadlock");
        }
    }
}
