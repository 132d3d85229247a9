//! Records into the open batch; and waiting, with the first records in hand, for a table that does
//! not exist yet, or that has to be changed before it can hold them, or for a schema that has to be
//! fetched.

use std::sync::Arc;

use rowdock_connectors::{NewColumn, NewTable, Target};

use super::slots::{Slot, SlotState, Slots};
use crate::batch::BatchBuilder;
use crate::config::connector::ConnectorConfig;
use crate::decode::sides::RecordDecoder;
use crate::decode::{Encoded, Formats};
use crate::map::TopicMapper;
use crate::record::{RawRecord, RecordError, Stage};

mod held;
mod tables;
#[cfg(test)]
mod tests;
mod transformed;

use held::{HeldRecord, HeldRecords};
use transformed::Transforms;

/// Records of a topic without a table that are looked at before it is created.
const SAMPLE_RECORDS_MAX: usize = 200;

/// Fills batches from records.
pub struct Intake {
    config: Arc<ConnectorConfig>,
    formats: Formats,
    /// The open batch.
    pub builder: BatchBuilder,
    topics: Vec<TopicState>,
    held_back: HeldRecords,
    /// The record waiting first needs columns, which have not been asked for yet.
    lacks_columns: bool,
    /// What the first record held back waits for is a schema.
    awaits_schemas: bool,
    /// `None`: the connector has no transforms, and records go straight to their columns.
    transforms: Option<Transforms>,
}

/// What a topic's table is asked for.
pub enum TableRequest {
    /// To be made known.
    Describe(Arc<str>),
    /// To be created, like this.
    Create(Arc<str>, NewTable),
    /// To have these columns, this wide.
    Evolve(Arc<str>, Vec<NewColumn>),
    /// No table can be made, whatever the records: why.
    Hopeless(String),
}

/// What is known of a topic's table.
enum TopicState {
    /// Nothing yet.
    Unknown,
    /// It does not exist and may be created.
    Missing,
    /// It lacks columns that the record waiting first needs.
    Lacking(Box<TopicMapper>, Vec<NewColumn>),
    /// Its creation was asked for.
    Creating,
    /// Its evolution was asked for.
    Evolving(Box<TopicMapper>),
    /// Records can be mapped.
    Ready(Box<TopicMapper>),
}

impl Intake {
    /// An intake for this connector.
    ///
    /// # Errors
    /// When its transforms cannot be built, which the check of its config has ruled out.
    pub fn new(
        config: Arc<ConnectorConfig>,
        formats: Formats,
        positions_stored: bool,
    ) -> Result<Self, String> {
        let keep_originals = config.errors.keeps_records();
        Ok(Self {
            builder: BatchBuilder::new(config.batch, keep_originals, positions_stored),
            transforms: Transforms::of(&config, &formats)?,
            config,
            formats,
            topics: Vec::new(),
            held_back: HeldRecords::default(),
            lacks_columns: false,
            awaits_schemas: false,
        })
    }

    /// Tells the sink the time of every record.
    #[must_use]
    pub fn keeping_times(mut self, keep: bool) -> Self {
        self.builder = self.builder.keeping_times(keep);
        self
    }

    /// Which tables records go to is known only once they are read.
    pub fn chooses_tables(&self) -> bool {
        self.transforms.is_some()
    }

    /// Records are waiting for a table or a schema: read no more.
    pub fn is_waiting(&self) -> bool {
        !self.held_back.is_empty()
    }

    /// The first of them is no longer ours: the others need not wait for its schema.
    pub fn waits_in_vain(&self, slots: &Slots) -> bool {
        let first = self.held_back.first();
        first.is_none_or(|held| held.place(slots).is_none())
    }

    /// They are waiting for a schema.
    pub fn awaits_schemas(&self) -> bool {
        self.awaits_schemas && self.is_waiting()
    }

    /// The record that waits first for a schema, by slot and offset.
    pub fn awaiting(&self) -> Option<(usize, i64)> {
        let first = self.held_back.first().filter(|_| self.awaits_schemas);
        first.map(|held| (held.slot, held.offset))
    }

    /// Gives up the schema of the record that waits first for one: the record is bad. The others
    /// wait on.
    pub fn give_up_schema(&mut self, slots: &mut Slots, reason: &str) {
        let Some(held) = self.held_back.take_first() else {
            return;
        };
        let record = held.record("", 0);
        let key_is_there =
            Encoded::key(&record).is_none_or(|encoded| self.formats.key().is_ready(encoded));
        let stage = match key_is_there {
            true => Stage::ValueConverter,
            false => Stage::KeyConverter,
        };
        self.leave_out(&held, slots, Err(RecordError::new(stage, reason)));
    }

    /// Accounts for a record that goes to no table: for nothing, or since it is bad.
    fn leave_out(
        &mut self,
        held: &HeldRecord,
        slots: &mut Slots,
        outcome: Result<(), RecordError>,
    ) {
        let Some(slot) = held.place(slots) else {
            return;
        };
        let key = slot.key.clone();
        let record = held.record(&key.topic, key.partition);
        let position = self
            .builder
            .position(held.slot, slot.next, || (key.clone(), held.tag));
        match outcome {
            Ok(()) => self.builder.skip(),
            Err(error) => self.builder.reject(position, &record, error),
        }
        self.builder.read(position, &record, held.leader_epoch);
        if let Some(slot) = slots.get_mut(held.slot) {
            slot.read(held.offset, held.leader_epoch);
        }
    }

    /// There is no use in more records before the table is asked for: enough wait for it to be
    /// designed, or it is known what it lacks, or nothing is known of it at all.
    pub fn wants_table(&self) -> bool {
        let is_stuck = self.transforms.as_ref().is_some_and(Transforms::is_stuck);
        self.lacks_columns
            || self.held_back.len() >= SAMPLE_RECORDS_MAX
            || self.held_back.bytes() >= self.config.batch.max_bytes
            || (is_stuck && self.is_waiting())
    }

    /// The table of the topic of this name is known, or known to be missing; `asked`: as the answer to
    /// a request for these columns.
    ///
    /// A table may also be told because it was found changed, while a request is on its way: that is
    /// no answer, and what records lack of it is asked for again.
    pub fn set_table(
        &mut self,
        topic: usize,
        name: &str,
        target: Option<Arc<Target>>,
        asked: Vec<NewColumn>,
    ) {
        self.builder.forget_target(topic);
        let state = match target {
            None => TopicState::Missing,
            Some(target) => {
                let mut mapper = self.mapper(name, self.shared(target));
                mapper.evolution_answered(asked);
                TopicState::Ready(Box::new(mapper))
            }
        };
        *self.topic(topic) = state;
    }

    /// Topics that go to one table in the same way have their rows together there: transforms may send
    /// records of one partition to several of them, and those of one key must stay in their order.
    fn shared(&self, target: Arc<Target>) -> Arc<Target> {
        let mut known = self.topics.iter().filter_map(|state| match state {
            TopicState::Ready(mapper)
            | TopicState::Lacking(mapper, _)
            | TopicState::Evolving(mapper) => Some(mapper.target()),
            TopicState::Unknown | TopicState::Missing | TopicState::Creating => None,
        });
        let same = known.find(|known| **known == target);
        same.map_or(target, Arc::clone)
    }

    fn mapper(&self, topic: &str, target: Arc<Target>) -> TopicMapper {
        let keys = &self.config.sink;
        let formats = &self.formats;
        let mapper = TopicMapper::new(target, keys, topic, formats.key(), formats.value());
        if keys.auto_evolve {
            let decoder = RecordDecoder::new(formats.key(), formats.value());
            mapper.evolving(decoder, keys, topic)
        } else {
            mapper
        }
    }

    /// The topic's table cannot have these columns, so records that need them are bad.
    pub fn refuse_evolution(&mut self, topic: usize, columns: Vec<(NewColumn, String)>) {
        let state = self.topic(topic);
        *state = match std::mem::replace(state, TopicState::Unknown) {
            TopicState::Evolving(mut mapper)
            | TopicState::Lacking(mut mapper, _)
            | TopicState::Ready(mut mapper) => {
                mapper.refuse_evolution(columns);
                TopicState::Ready(mapper)
            }
            other => other,
        };
    }

    /// What was asked for may never be answered: the records that come ask again.
    pub fn forget_requests(&mut self) {
        self.lacks_columns = false;
        for state in &mut self.topics {
            *state = match std::mem::replace(state, TopicState::Unknown) {
                TopicState::Creating => TopicState::Missing,
                TopicState::Evolving(mapper) | TopicState::Lacking(mapper, _) => {
                    TopicState::Ready(mapper)
                }
                other => other,
            };
        }
    }

    /// Takes a record in. Those of partitions that are not read any more are dropped, and those before the
    /// position. `false`: such a one shows that [the log was refilled](Slot::is_refilled).
    #[inline]
    pub fn take(
        &mut self,
        slot_index: usize,
        record: &RawRecord<'_>,
        leader_epoch: i32,
        slots: &mut Slots,
    ) -> bool {
        let Some(slot) = slots.get_mut(slot_index) else {
            return true;
        };
        if slot.state != SlotState::Reading || record.offset < slot.next {
            slot.looks_back = false;
            return !slot.is_refilled(record.offset, leader_epoch);
        }
        let tag = slot.tag;
        if self.held_back.is_empty() {
            self.awaits_schemas = false;
            if self.append(slot_index, slots, record, leader_epoch) {
                return true;
            }
        }
        let held = HeldRecord::of(slot_index, tag, record, leader_epoch);
        self.held_back.push(held);
        true
    }

    /// The offset behind the last record of a partition that was taken in: into a batch, or held back.
    pub fn delivered(&self, slot_index: usize, slot: &Slot) -> i64 {
        let behind_held = self.held_back.end_of(slot_index, slot.tag);
        behind_held.unwrap_or(slot.next)
    }

    /// Everything of a partition up to `offset` was delivered.
    pub fn end_of_partition(&mut self, slot_index: usize, offset: i64, slots: &mut Slots) {
        let Some(slot) = slots.get_mut(slot_index) else {
            return;
        };
        slot.looks_back = false;
        if slot.state != SlotState::Reading || offset <= slot.next {
            return;
        }
        if self.held_back.has_any_of(slot_index) {
            self.held_back.note_end(slot_index, slot.tag, offset);
            return;
        }
        let position = self
            .builder
            .position(slot_index, slot.next, || (slot.key.clone(), slot.tag));
        self.builder.advance(position, offset, slot.leader_epoch);
        slot.next = offset;
    }

    /// Ends whose partition has nothing held back any more.
    fn settle_ends(&mut self, slots: &mut Slots) {
        for (slot_index, (tag, offset)) in self.held_back.take_ends() {
            if slots.get(slot_index).is_some_and(|slot| slot.tag == tag) {
                self.end_of_partition(slot_index, offset, slots);
            }
        }
    }

    /// Maps the records that waited, until one has to wait again.
    pub fn replay(&mut self, slots: &mut Slots) {
        self.awaits_schemas = false;
        while let Some(held) = self.held_back.take_first() {
            let Some(slot) = held.place(slots) else {
                continue;
            };
            let key = slot.key.clone();
            let record = held.record(&key.topic, key.partition);
            if !self.append(held.slot, slots, &record, held.leader_epoch) {
                self.held_back.put_back(held);
                break;
            }
        }
        self.settle_ends(slots);
    }

    /// Drops what was read of these partitions and is in no closed batch.
    pub fn forget(&mut self, slots: &[usize]) {
        self.builder.cut_slots(slots);
        self.held_back.forget(slots);
    }

    /// `false`: the record has to wait for its table, or for a schema.
    #[inline]
    fn append(
        &mut self,
        slot_index: usize,
        slots: &mut Slots,
        record: &RawRecord<'_>,
        leader_epoch: i32,
    ) -> bool {
        if self.transforms.is_some() {
            return self.append_transformed(slot_index, slots, record, leader_epoch);
        }
        let Some(slot) = slots.get_mut(slot_index) else {
            return true;
        };
        let Some(TopicState::Ready(mapper)) = self.topics.get_mut(slot.topic) else {
            return false;
        };
        if !mapper.is_ready(record) {
            self.awaits_schemas = true;
            return false;
        }
        let position = self
            .builder
            .position(slot_index, slot.next, || (slot.key.clone(), slot.tag));
        let target = Arc::clone(mapper.target());
        let appended =
            self.builder
                .append(position, slot.topic, &target, record, |origin, rows| {
                    mapper.map(record, None, origin, rows)
                });
        if let Err(columns) = appended {
            let topic = slot.topic;
            self.lack(topic, columns);
            return false;
        }
        self.builder.read(position, record, leader_epoch);
        slot.read(record.offset, leader_epoch);
        true
    }

    #[cold]
    fn lack(&mut self, topic: usize, columns: Vec<NewColumn>) {
        self.lacks_columns = true;
        let state = self.topic(topic);
        if let TopicState::Ready(mapper) = std::mem::replace(state, TopicState::Unknown) {
            *state = TopicState::Lacking(mapper, columns);
        }
    }

    fn topic(&mut self, topic: usize) -> &mut TopicState {
        if self.topics.len() <= topic {
            self.topics.resize_with(topic + 1, || TopicState::Unknown);
        }
        &mut self.topics[topic]
    }
}
