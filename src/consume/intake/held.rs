//! Records that wait for their table, or for a schema, in the order in which they were read; and where their
//! partitions end.

use std::collections::{HashMap, VecDeque};

use crate::batch::AssignmentTag;
use crate::consume::slots::{Slot, SlotState, Slots};
use crate::record::{RawHeader, RawRecord, header_bytes};

/// A record kept with its bytes.
pub(super) struct HeldRecord {
    pub(super) slot: usize,
    pub(super) tag: AssignmentTag,
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    timestamp_ms: Option<i64>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<RawHeader>,
}

/// All that wait; each leaves after those that were read before it.
#[derive(Default)]
pub(super) struct HeldRecords {
    records: VecDeque<HeldRecord>,
    /// Where partitions end whose last records wait, by slot: the client says so once.
    ends: HashMap<usize, (AssignmentTag, i64)>,
}

impl HeldRecord {
    pub(super) fn of(
        slot: usize,
        tag: AssignmentTag,
        record: &RawRecord<'_>,
        leader_epoch: i32,
    ) -> Self {
        Self {
            slot,
            tag,
            offset: record.offset,
            leader_epoch,
            timestamp_ms: record.timestamp_ms,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.headers(),
        }
    }

    /// Its partition, if that is still read as it was when the record came.
    pub(super) fn place<'s>(&self, slots: &'s Slots) -> Option<&'s Slot> {
        let is_read = |slot: &&Slot| slot.tag == self.tag && slot.state == SlotState::Reading;
        slots.get(self.slot).filter(is_read)
    }

    /// The record, of this topic and partition.
    pub(super) fn record<'a>(&'a self, topic: &'a str, partition: i32) -> RawRecord<'a> {
        RawRecord {
            topic,
            partition,
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &self.headers,
        }
    }

    fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(header_bytes).sum();
        self.record("", 0).byte_count() + headers
    }
}

impl HeldRecords {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Few records, so they are counted each time.
    pub(super) fn bytes(&self) -> usize {
        self.records.iter().map(HeldRecord::bytes).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &HeldRecord> {
        self.records.iter()
    }

    pub(super) fn first(&self) -> Option<&HeldRecord> {
        self.records.front()
    }

    pub(super) fn push(&mut self, held: HeldRecord) {
        self.records.push_back(held);
    }

    pub(super) fn take_first(&mut self) -> Option<HeldRecord> {
        self.records.pop_front()
    }

    /// It has to wait on.
    pub(super) fn put_back(&mut self, held: HeldRecord) {
        self.records.push_front(held);
    }

    /// Drops what is no longer ours, which must not block the others.
    pub(super) fn keep_ours(&mut self, slots: &Slots) {
        self.records.retain(|held| held.place(slots).is_some());
    }

    /// The offset behind the last record of a partition.
    pub(super) fn end_of(&self, slot_index: usize, tag: AssignmentTag) -> Option<i64> {
        let of_slot = |held: &&HeldRecord| held.slot == slot_index && held.tag == tag;
        let last = self.records.iter().rev().find(of_slot);
        last.map(|held| held.offset + 1)
    }

    pub(super) fn has_any_of(&self, slot_index: usize) -> bool {
        self.records.iter().any(|held| held.slot == slot_index)
    }

    /// The partition ends there, behind its records.
    pub(super) fn note_end(&mut self, slot_index: usize, tag: AssignmentTag, offset: i64) {
        self.ends.insert(slot_index, (tag, offset));
    }

    pub(super) fn take_ends(&mut self) -> HashMap<usize, (AssignmentTag, i64)> {
        std::mem::take(&mut self.ends)
    }

    /// Drops what belongs to these partitions.
    pub(super) fn forget(&mut self, slots: &[usize]) {
        self.records.retain(|held| !slots.contains(&held.slot));
        self.ends.retain(|slot, _| !slots.contains(slot));
    }
}
