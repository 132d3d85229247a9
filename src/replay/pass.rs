//! Letters through the pipeline into the database.
//!
//! ```text
//!   claim each letter ─▶ decode, transform, map ─▶ write ─┬─ committed ───────────▶ stored
//!     ▲  (those that are stored are left out)             ├─ refused: find rejects ▶ rejected, rest again
//!     └───────────────────────────────────────────────────┴─ anything that may pass: wait
//! ```
//!
//! The records' way is the tasks' own: the same [`Intake`] fills the batch. What a task asks its
//! write loop for, a table or its columns, is asked of the session here. Every attempt begins with
//! claims and maps anew, so nothing is decided from memory, and a table that has changed is seen.

mod schemas;
mod work;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rowdock_connectors::{
    ClaimRequest, ErrorClass, LetterQuery, NewColumn, PartitionKey, Session, SinkError,
    StoredLetter, WriteOutcome,
};
use uuid::Uuid;

use super::once::{LetterId, OnceBatch};
use super::report::Outcome;
use crate::batch::AssignmentTag;
use crate::config::connector::ConnectorConfig;
use crate::consume::intake::{Intake, TableRequest};
use crate::consume::slots::{SlotState, Slots};
use crate::deadletter::Letter;
use crate::decode::Formats;
use crate::map::plan;
use crate::record::{RecordError, Stage};
use crate::sessions::Lease;
use crate::write::retry::Backoff;
use crate::write::tables;
use schemas::Schemas;
use work::{Work, missing_rows};

/// How long the database may be out of reach, or refuse, before the call fails.
const TROUBLE_TIME_MAX: Duration = Duration::from_secs(20);

/// Claims until each letter has its row: topics that are started, then records that are new.
const CLAIM_TURNS_MAX: u32 = 4;

/// Sends letters.
pub struct Pass {
    config: Arc<ConnectorConfig>,
    formats: Formats,
    schemas: Arc<Schemas>,
    lease: Lease,
    owner: String,
    backoff: Backoff,
}

/// What mapping came to.
enum Mapped {
    Batch(OnceBatch),
    /// A table was changed for them: map them anew.
    Again,
}

impl Pass {
    /// Through this connector into its database; the leased sink has the progress of its letters.
    ///
    /// # Errors
    /// When its schema registry cannot be used.
    pub fn new(config: Arc<ConnectorConfig>, lease: Lease, owner: String) -> Result<Self, String> {
        let schemas = Arc::new(Schemas::default());
        let listener = Arc::clone(&schemas);
        let formats = Formats::start(
            &config.key_converter,
            &config.value_converter,
            move |event| listener.hear(event),
        )?
        .with_change_events(config.sink.change_events);
        Ok(Self {
            config,
            formats,
            schemas,
            lease,
            owner,
            backoff: Backoff::default(),
        })
    }

    /// Ends the session politely.
    pub async fn close(self) {
        self.lease.close().await;
    }

    /// Letters that were stored, with where their positions stand.
    ///
    /// # Errors
    /// The database's.
    pub async fn sent_before(&mut self) -> Result<HashMap<PartitionKey, i64>, SinkError> {
        loop {
            let read = match self.session().await {
                Ok(session) => session.read_positions().await,
                Err(error) => Err(error),
            };
            match read {
                Ok(stored) => {
                    let position =
                        |row: rowdock_connectors::StoredPosition| (row.key, row.next_offset);
                    return Ok(stored.into_iter().map(position).collect());
                }
                Err(error) => self.wait_after(error).await?,
            }
        }
    }

    /// Letters of the dead letter table.
    ///
    /// # Errors
    /// The database's.
    pub async fn read_letters(
        &mut self,
        query: &LetterQuery,
    ) -> Result<Vec<StoredLetter>, SinkError> {
        loop {
            match self.try_read_letters(query).await {
                Ok(letters) => return Ok(letters),
                Err(error) => self.wait_after(error).await?,
            }
        }
    }

    async fn try_read_letters(
        &mut self,
        query: &LetterQuery,
    ) -> Result<Vec<StoredLetter>, SinkError> {
        let session = self.session().await?;
        if session.describe_table(&query.table).await?.is_none() {
            return Err(SinkError::stop(format!(
                "there is no dead letter table {}: nothing was ever written there",
                query.table
            )));
        }
        session.read_letters(query).await
    }

    /// Sends letters of different coordinates; an outcome for each.
    ///
    /// # Errors
    /// When the database does not answer for [`TROUBLE_TIME_MAX`], or cannot go on. Letters may have
    /// been stored; sent again, they are not stored again.
    pub async fn send(&mut self, letters: &[Letter]) -> Result<Vec<Outcome>, SinkError> {
        let mut work = Work::of(letters)?;
        while !work.is_done() {
            match self.attempt(&mut work).await {
                Ok(()) => {
                    self.backoff.reset();
                }
                Err(error) => self.wait_after(error).await?,
            }
        }
        Ok(work.outcomes.into_iter().flatten().collect())
    }

    /// Gets as far as it can without waiting.
    async fn attempt(&mut self, work: &mut Work<'_>) -> Result<(), SinkError> {
        let claim_id = self.claim(work).await?;
        if work.is_done() {
            return Ok(());
        }
        let Mapped::Batch(mut batch) = self.map(work, claim_id).await? else {
            return Ok(());
        };
        for (letter, error) in std::mem::take(&mut batch.rejects) {
            work.outcomes[letter] = Some(Outcome::Rejected(error));
        }
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            if let Some((earlier, later)) = self.write(part, work).await? {
                parts.push(later);
                parts.push(earlier);
            }
        }
        Ok(())
    }

    /// Claims the rows of letters that are open; those that are stored already are settled.
    async fn claim(&mut self, work: &mut Work<'_>) -> Result<Uuid, SinkError> {
        let owner = self.owner.clone();
        let session = self.session().await?;
        for _ in 0..CLAIM_TURNS_MAX {
            // Never used again, also not after an answer that told of missing rows.
            let request = ClaimRequest {
                claim_id: Uuid::new_v4(),
                generation: 0,
                force: true,
                owner: owner.clone(),
                partitions: work.open_keys(),
                compacted: std::collections::BTreeSet::new(),
            };
            if request.partitions.is_empty() {
                return Ok(request.claim_id);
            }
            let answers = session.claim(&request).await?;
            let missing = missing_rows(&request.partitions, &answers);
            if missing.is_empty() {
                work.settle(&request.partitions, &answers);
                return Ok(request.claim_id);
            }
            for starts in missing {
                session.write_starts(&starts).await?;
            }
        }
        Err(SinkError::retry("rows of the progress table vanish"))
    }

    /// Decodes, transforms and maps the letters that are open.
    async fn map(&mut self, work: &Work<'_>, claim_id: Uuid) -> Result<Mapped, SinkError> {
        let mut open = work.open();
        open.sort_by_key(|(_, letter, _)| (&letter.topic, letter.partition, letter.offset));
        let formats = self.formats.clone();
        let mut intake =
            Intake::new(Arc::clone(&self.config), formats, true).map_err(SinkError::stop)?;
        let mut slots = Slots::default();
        self.describe_tables(&mut intake, &mut slots, &open).await?;
        for (_, letter, _) in &open {
            let slot = slot(&mut slots, letter);
            intake.take(slot, &letter.record(), -1, &mut slots);
        }
        while intake.is_waiting() {
            if !intake.awaits_schemas() {
                let request = intake.request_table(&mut slots);
                match request {
                    Some(request) => {
                        if let Asked::Changed =
                            self.answer(&mut intake, &mut slots, request).await?
                        {
                            return Ok(Mapped::Again);
                        }
                    }
                    // Or no table could be made of them, and they stay letters.
                    None if intake.awaits_schemas() || !intake.is_waiting() => {}
                    None => return Err(SinkError::stop("the letters' table cannot be made known")),
                }
            }
            if intake.awaits_schemas() {
                self.schemas.wait().await?;
            }
            intake.replay(&mut slots);
        }
        let batch = intake.builder.finish();
        Ok(Mapped::Batch(OnceBatch::new(batch, &open, claim_id)))
    }

    /// The topics' tables; where records go to others, those are asked for when one is on its way.
    async fn describe_tables(
        &mut self,
        intake: &mut Intake,
        slots: &mut Slots,
        open: &[(usize, &Letter, &LetterId)],
    ) -> Result<(), SinkError> {
        if intake.chooses_tables() {
            return Ok(());
        }
        let topics: BTreeSet<&Arc<str>> = open.iter().map(|(_, letter, _)| &letter.topic).collect();
        for topic in topics {
            self.describe(intake, slots, topic).await?;
        }
        Ok(())
    }

    async fn describe(
        &mut self,
        intake: &mut Intake,
        slots: &mut Slots,
        topic: &Arc<str>,
    ) -> Result<(), SinkError> {
        let config = Arc::clone(&self.config);
        plan::check_mapped(&config.sink, topic).map_err(SinkError::stop)?;
        let name = plan::table_name(&config.sink, topic);
        let session = self.session().await?;
        let table = session.describe_table(&name).await?;
        let target = tables::target(session, &config.sink, topic, &name, table).await?;
        intake.set_table(slots.topic_index(topic), topic, target, Vec::new());
        Ok(())
    }

    /// Does what the letters' table needs.
    async fn answer(
        &mut self,
        intake: &mut Intake,
        slots: &mut Slots,
        request: TableRequest,
    ) -> Result<Asked, SinkError> {
        let config = Arc::clone(&self.config);
        match request {
            TableRequest::Describe(topic) => self.describe(intake, slots, &topic).await?,
            TableRequest::Create(topic, wanted) => {
                let session = self.session().await?;
                let created = tables::created(session, &wanted).await?;
                let (sink, table) = (&config.sink, Some(created));
                let target = tables::target(session, sink, &topic, &wanted.name, table).await?;
                intake.set_table(slots.topic_index(&topic), &topic, target, Vec::new());
            }
            TableRequest::Evolve(topic, wanted) => {
                return self.evolve(intake, slots, &topic, &wanted).await;
            }
            TableRequest::Hopeless(reason) => return Err(SinkError::stop(reason)),
        }
        Ok(Asked::Answered)
    }

    async fn evolve(
        &mut self,
        intake: &mut Intake,
        slots: &mut Slots,
        topic: &Arc<str>,
        wanted: &[NewColumn],
    ) -> Result<Asked, SinkError> {
        let name = plan::table_name(&self.config.sink, topic);
        let config = Arc::clone(&self.config);
        let session = self.session().await?;
        let before = session.describe_table(&name).await?;
        match tables::evolved(session, &name, wanted).await {
            // It is no answer to this request any more once the letters are mapped from the start.
            Ok(table) if before.as_ref() == Some(&table) => {
                let sink = &config.sink;
                let target = tables::target(session, sink, topic, &name, Some(table)).await?;
                intake.set_table(slots.topic_index(topic), topic, target, wanted.to_vec());
                Ok(Asked::Answered)
            }
            Ok(_) => Ok(Asked::Changed),
            Err(error) if error.class() == ErrorClass::Record => {
                let refused = tables::refusals(session, &name, wanted, &error).await?;
                intake.refuse_evolution(slots.topic_index(topic), refused);
                Ok(Asked::Answered)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes a part. `Some`: it must be written as these two, in this order.
    async fn write(
        &mut self,
        mut part: OnceBatch,
        work: &mut Work<'_>,
    ) -> Result<Option<(OnceBatch, OnceBatch)>, SinkError> {
        while !part.letters.is_empty() {
            fail::fail_point!("replay::before_write");
            let session = self.session().await?;
            let error = match session.write(&part.rows).await {
                Ok(WriteOutcome::Committed) => {
                    work.committed(&part);
                    break;
                }
                Ok(WriteOutcome::Fenced(_)) => {
                    return Err(SinkError::retry("another replay sends the same letters"));
                }
                Err(error) => error,
            };
            if error.commit_unknown() {
                part.letters
                    .iter()
                    .for_each(|letter| work.in_doubt[*letter] = true);
            }
            if error.class() != ErrorClass::Record {
                return Err(error);
            }
            let found = session.find_rejects(&part.rows).await?;
            if !found.is_empty() {
                work.reject(&mut part, &found);
            } else if let Some(later) = part.split_off_half() {
                return Ok(Some((part, later)));
            } else {
                // Refused alone, for a reason that the search does not see.
                let reason = RecordError::new(Stage::TaskPut, error.to_string());
                work.outcomes[part.letters[0]] = Some(Outcome::Rejected(reason));
                break;
            }
        }
        Ok(None)
    }

    async fn session(&mut self) -> Result<&mut dyn Session, SinkError> {
        self.lease.session().await
    }

    /// Waits after an error that may pass.
    async fn wait_after(&mut self, error: SinkError) -> Result<(), SinkError> {
        if error.connection_lost() {
            self.lease.lost();
        }
        // A table that has changed is described anew by the next attempt.
        let may_pass = error.class() == ErrorClass::Retry || error.table_changed();
        if !may_pass || self.backoff.failing_for() >= TROUBLE_TIME_MAX {
            return Err(error);
        }
        let Some(pause) = self.backoff.next(fastrand::f64()) else {
            return Err(error);
        };
        tracing::warn!(connector = %self.config.name, pause_ms = pause.as_millis(), "replay is trying again: {error}");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Whether what was mapped so far still fits.
enum Asked {
    Answered,
    Changed,
}

/// The slot of a letter's partition, ready to take it.
fn slot(slots: &mut Slots, letter: &Letter) -> usize {
    let key = PartitionKey {
        topic: Arc::clone(&letter.topic),
        partition: letter.partition,
    };
    if let Some(known) = slots.index_of(&key) {
        return known;
    }
    let index = slots.add(key, AssignmentTag(0));
    if let Some(slot) = slots.get_mut(index) {
        slot.state = SlotState::Reading;
        slot.next = letter.offset;
    }
    index
}
