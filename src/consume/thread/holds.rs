//! Why the consumer's thread does not read on, and when it does again: the write loop is behind, a
//! table or a schema is being fetched, the user has paused it, the task has failed.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::{Offset, TopicPartitionList};

use super::super::BATCHES_IN_FLIGHT_MAX;
use super::super::client;
use super::super::intake::TableRequest;
use super::super::slots::{Slot, SlotState};
use super::{Running, add};
use crate::handover::ToWriter;

/// A write loop with two full batches, a schema or a table may take this long before partitions are
/// paused; pausing throws prefetched records away, so it is not done lightly.
const PATIENCE: Duration = Duration::from_millis(90);

/// And they are paused at most this often. While records wait in the client's queue, what the group
/// wants waits behind them: a member that is told of a rebalance by its heartbeat may answer this much
/// later. A database that always takes longer than [`PATIENCE`] would else have everything fetched
/// anew for each batch.
const UNHEARD_MAX: Duration = Duration::from_secs(1);

/// Why nothing is read at the moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Holds {
    /// By the user.
    pub(super) paused: bool,
    /// The write loop is behind.
    pub(super) congested: bool,
    /// A table is asked for. Mostly it is there in a moment, so nothing is paused yet.
    pub(super) asked_for_table: bool,
    /// A table is being described, created or changed, and that takes longer.
    pub(super) awaiting_table: bool,
    /// Schemas are being fetched.
    pub(super) awaiting_schemas: bool,
    /// The task has failed.
    pub(super) failed: bool,
}

impl Holds {
    pub(super) fn any(self) -> bool {
        self.paused || self.congested || self.awaiting_table || self.awaiting_schemas || self.failed
    }
}

impl Running {
    /// Hands a full batch on; waits a moment when the write loop is behind, then pauses reading.
    /// `false`: there is no room, and commands want to be looked at.
    pub(super) fn make_room(&mut self) -> bool {
        if self.start.intake.awaits_schemas() && !self.holds.awaiting_schemas {
            self.obey_or(|holds| holds.awaiting_schemas = true);
            return false;
        }
        if self.holds.asked_for_table && !self.holds.awaiting_table {
            self.obey_or(|holds| holds.awaiting_table = true);
            return false;
        }
        let behind = self.start.board.in_flight() >= BATCHES_IN_FLIGHT_MAX;
        if !self.start.intake.builder.is_full() {
            if self.holds.congested && !behind {
                self.holds.congested = false;
                self.apply_holds();
            }
            return true;
        }
        if !behind {
            self.flush();
            return true;
        }
        if self.holds.congested {
            return true;
        }
        self.obey_or(|holds| holds.congested = true);
        false
    }

    /// What is waited for mostly comes in a moment, with a command; only if none comes is reading held.
    fn obey_or(&mut self, hold: impl Fn(&mut Holds)) {
        match self.start.commands.recv_timeout(PATIENCE) {
            Ok(command) => self.obey(command),
            Err(RecvTimeoutError::Timeout) if self.heard_at.elapsed() < UNHEARD_MAX => {}
            Err(RecvTimeoutError::Timeout) => {
                // Without the records it is heard at once.
                self.heard_at = Instant::now();
                hold(&mut self.holds);
                self.apply_holds();
            }
            Err(RecvTimeoutError::Disconnected) => self.finished = true,
        }
    }

    /// The table is as the waiting records need it, or will not be.
    pub(super) fn table_arrived(&mut self) {
        self.holds.asked_for_table = false;
        self.holds.awaiting_table = false;
        self.apply_holds();
    }

    pub(super) fn schemas_arrived(&mut self) {
        self.start.intake.replay(&mut self.slots);
        if self.start.intake.is_waiting() {
            self.ask_for_table();
        }
        if self.holds.awaiting_schemas && !self.start.intake.awaits_schemas() {
            self.holds.awaiting_schemas = false;
            self.apply_holds();
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

    /// Pauses or resumes in the client whatever is not as it should be.
    pub(super) fn apply_holds(&mut self) {
        let hold = self.holds.any();
        let is_wrong = |slot: &Slot| slot.state == SlotState::Reading && slot.paused != hold;
        let mut list = TopicPartitionList::new();
        for (index, slot) in self.slots.iter_mut().filter(|(_, slot)| is_wrong(slot)) {
            slot.paused = hold;
            let delivered = self.start.intake.delivered(index, slot);
            add(&mut list, &slot.key, Offset::Offset(delivered));
        }
        if list.count() == 0 {
            return;
        }
        let applied = if hold {
            self.start.consumer.pause(&list)
        } else {
            client::read_on(&self.start.consumer, list)
        };
        if let Err(error) = applied {
            tracing::warn!(%error, hold, "cannot pause or resume partitions");
        }
    }

    pub(super) fn ask_for_table(&mut self) {
        if self.holds.asked_for_table {
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
        self.holds.asked_for_table = true;
        self.tell(request);
    }
}
