//! Why the consumer's thread does not read on, and when it does again: the write loop is behind, a
//! table or a schema is being fetched, the user has paused it, the task has failed.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::{Offset, TopicPartitionList};

use super::super::BATCHES_IN_FLIGHT_MAX;
use super::super::client;
use super::super::intake::TableRequest;
use super::super::slots::{Slot, SlotState};
use super::{Running, add};
use crate::handover::ToWriter;

/// What is not read for so long is paused in the client, which would else look every few milliseconds
/// whether it may fetch more. Not sooner: pausing throws prefetched records away, which a database that
/// takes seconds for each batch would have fetched anew each time.
const PAUSED_AFTER: Duration = Duration::from_secs(10);

/// Why nothing is read at the moment, beside what the batch and the records held back say themselves.
#[derive(Debug, Default)]
pub(super) struct Holds {
    /// By the user.
    pub(super) paused: bool,
    /// A table is being described, created or changed.
    pub(super) awaiting_table: bool,
    /// The task has failed.
    pub(super) failed: bool,
    /// Since when, as far as it was looked at.
    pub(super) since: Option<Instant>,
}

impl Running {
    /// Whether a record may be read now. Hands a full batch on first.
    #[inline]
    pub(super) fn may_read(&mut self) -> bool {
        // What comes after the drain was asked for would be written and never mirrored.
        if self.stopping.is_some() {
            return false;
        }
        if self.start.intake.builder.is_full() && !self.is_behind() {
            self.flush();
        }
        !self.is_held()
    }

    fn is_held(&self) -> bool {
        let intake = &self.start.intake;
        // What is read on the way out of the group would be dropped, and what it asks for, too.
        !self.is_member()
            || self.holds.paused
            || self.holds.awaiting_table
            || self.holds.failed
            || intake.awaits_schemas()
            || (intake.builder.is_full() && self.is_behind())
    }

    /// The write loop has all the batches that it may have.
    fn is_behind(&self) -> bool {
        self.start.board.in_flight() >= BATCHES_IN_FLIGHT_MAX
    }

    /// The table is as the waiting records need it, or will not be.
    pub(super) fn table_arrived(&mut self) {
        self.holds.awaiting_table = false;
    }

    pub(super) fn schemas_arrived(&mut self) {
        self.start.intake.replay(&mut self.slots);
        if self.start.intake.is_waiting() {
            self.ask_for_table();
        }
    }

    /// Gives a record up that has waited for its schema for as long as the user wants.
    pub(super) fn look_at_schema_wait(&mut self, now: Instant) {
        let Some(patience) = self.start.schema_patience else {
            return;
        };
        let waiting = self.start.intake.awaiting();
        match (waiting, self.schema_wait) {
            (None, _) => self.schema_wait = None,
            (Some(record), Some((known, since))) if record == known => {
                if now.duration_since(since) >= patience {
                    let reason = format!(
                        "the schema registry did not answer within errors.retry.timeout={}",
                        patience.as_millis()
                    );
                    self.start.intake.give_up_schema(&mut self.slots, &reason);
                    self.schema_wait = None;
                    self.schemas_arrived();
                }
            }
            (Some(record), _) => self.schema_wait = Some((record, now)),
        }
    }

    /// Pauses in the client what is not read for long, and reads it on afterwards.
    pub(super) fn look_at_holds(&mut self, now: Instant) {
        if self.is_held() {
            let since = *self.holds.since.get_or_insert(now);
            if now.duration_since(since) >= PAUSED_AFTER {
                self.set_paused(true);
            }
        } else if self.holds.since.take().is_some() {
            self.set_paused(false);
        }
    }

    fn set_paused(&mut self, paused: bool) {
        let is_wrong = |slot: &Slot| slot.state == SlotState::Reading && slot.paused != paused;
        let mut list = TopicPartitionList::new();
        for (index, slot) in self.slots.iter_mut().filter(|(_, slot)| is_wrong(slot)) {
            slot.paused = paused;
            let delivered = self.start.intake.delivered(index, slot);
            add(&mut list, &slot.key, Offset::Offset(delivered));
        }
        if list.count() == 0 {
            return;
        }
        let applied = if paused {
            self.start.consumer.pause(&list)
        } else {
            client::read_on(&self.start.consumer, list)
        };
        if let Err(error) = applied {
            tracing::warn!(%error, paused, "cannot pause or resume partitions");
        }
    }

    pub(super) fn ask_for_table(&mut self) {
        if self.holds.awaiting_table {
            return;
        }
        let request = match self.start.intake.request_table(&mut self.slots) {
            Some(TableRequest::Describe(topic)) => ToWriter::DescribeTable(topic),
            Some(TableRequest::Create(topic, table)) => ToWriter::CreateTable { topic, table },
            Some(TableRequest::Evolve(topic, wanted)) => {
                // What was mapped to the table as it is is written before it changes.
                self.flush();
                ToWriter::EvolveTable { topic, wanted }
            }
            Some(TableRequest::Hopeless(reason)) => return self.start.fail(&reason),
            None => return,
        };
        self.holds.awaiting_table = true;
        self.tell(request);
    }
}
