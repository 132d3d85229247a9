//! The partitions of a task and their states. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use rowdock_connectors::PartitionKey;

use crate::batch::AssignmentTag;

/// Where a partition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotState {
    /// Ours, not claimed yet: not assigned in the client, nothing is read.
    Claiming,
    /// Assigned in the client and read.
    Reading,
    /// Revoked: what was read is being written, what still arrives is dropped.
    Draining,
}

/// A partition of this task.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Which one.
    pub key: PartitionKey,
    /// Its current assignment.
    pub tag: AssignmentTag,
    /// Where it stands.
    pub state: SlotState,
    /// Index of its topic, see [`Slots::topic_name`].
    pub topic: usize,
    /// Next offset that is not yet in a batch.
    pub next: i64,
    /// Leader epoch of the last record before it, -1 when unknown.
    pub leader_epoch: i32,
    /// Reading has begun at the record before `next`, for the sake of its epoch, and nothing has come yet.
    pub looks_back: bool,
    /// Paused in the client (resuming an unpaused partition would rewind it).
    pub paused: bool,
}

impl Slot {
    /// A record was put into a batch.
    #[inline]
    pub fn read(&mut self, offset: i64, leader_epoch: i32) {
        self.next = offset + 1;
        self.leader_epoch = leader_epoch;
        self.looks_back = false;
    }

    /// Whether a record that stands before the position is not the one that was read there: epochs only
    /// grow along a log, so that it was put there afterwards (KIP-320).
    #[inline]
    pub fn is_refilled(&self, offset: i64, leader_epoch: i32) -> bool {
        offset < self.next
            && self.leader_epoch >= 0
            && leader_epoch > self.leader_epoch
            && self.state == SlotState::Reading
    }
}

/// All partitions of a task. Slots keep their index while they live.
#[derive(Debug, Default)]
pub struct Slots {
    slots: Vec<Option<Slot>>,
    by_key: HashMap<PartitionKey, usize>,
    topics: Vec<Arc<str>>,
    by_topic: HashMap<Arc<str>, usize>,
}

impl Slots {
    /// Adds a partition, or gives one that is there a new tag.
    pub fn add(&mut self, key: PartitionKey, tag: AssignmentTag) -> usize {
        let topic = self.topic_index(&key.topic);
        let slot = Slot {
            key: key.clone(),
            tag,
            state: SlotState::Claiming,
            topic,
            next: 0,
            leader_epoch: -1,
            looks_back: false,
            paused: false,
        };
        let index = self.by_key.get(&key).copied().unwrap_or_else(|| {
            match self.slots.iter().position(Option::is_none) {
                Some(free) => free,
                None => {
                    self.slots.push(None);
                    self.slots.len() - 1
                }
            }
        });
        self.slots[index] = Some(slot);
        self.by_key.insert(key, index);
        index
    }

    /// Forgets a partition.
    pub fn remove(&mut self, key: &PartitionKey) -> Option<Slot> {
        let index = self.by_key.remove(key)?;
        self.slots[index].take()
    }

    /// Index of a partition.
    pub fn index_of(&self, key: &PartitionKey) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    /// Finds a partition by name.
    pub fn find(&self, topic: &str, partition: i32) -> Option<usize> {
        self.iter()
            .find(|(_, slot)| &*slot.key.topic == topic && slot.key.partition == partition)
            .map(|(index, _)| index)
    }

    /// The slot at `index`.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&Slot> {
        self.slots.get(index).and_then(Option::as_ref)
    }

    /// The slot at `index`, to change.
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut Slot> {
        self.slots.get_mut(index).and_then(Option::as_mut)
    }

    /// All partitions with their indexes.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Slot)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| Some((index, slot.as_ref()?)))
    }

    /// All partitions with their indexes, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Slot)> {
        self.slots
            .iter_mut()
            .enumerate()
            .filter_map(|(index, slot)| Some((index, slot.as_mut()?)))
    }

    /// No partitions.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// The topic at an index.
    pub fn topic_name(&self, topic: usize) -> Option<&Arc<str>> {
        self.topics.get(topic)
    }

    /// Index of a topic that has one.
    pub fn known_topic(&self, topic: &str) -> Option<usize> {
        self.by_topic.get(topic).copied()
    }

    /// How many topics have an index.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Index of a topic, the same for as long as the task lives.
    pub fn topic_index(&mut self, topic: &Arc<str>) -> usize {
        if let Some(known) = self.known_topic(topic) {
            return known;
        }
        let index = self.topics.len();
        self.topics.push(Arc::clone(topic));
        self.by_topic.insert(Arc::clone(topic), index);
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(topic: &str, partition: i32) -> PartitionKey {
        PartitionKey {
            topic: topic.into(),
            partition,
        }
    }

    #[test]
    fn indexes_stay_and_are_used_again() {
        let mut slots = Slots::default();
        let first = slots.add(key("a", 0), AssignmentTag(1));
        let second = slots.add(key("b", 0), AssignmentTag(2));
        assert_ne!(first, second);
        assert_eq!(slots.find("b", 0), Some(second));
        assert!(slots.remove(&key("a", 0)).is_some());
        assert_eq!(slots.index_of(&key("b", 0)), Some(second));
        assert_eq!(slots.add(key("c", 7), AssignmentTag(3)), first);
        assert_eq!(slots.find("a", 0), None);
    }

    #[test]
    fn a_younger_record_before_the_position_shows_a_refilled_log() {
        let check = |position: (i64, i32), record: (i64, i32), expected: bool| {
            let mut slots = Slots::default();
            let index = slots.add(key("a", 0), AssignmentTag(1));
            let slot = slots.get_mut(index).unwrap();
            (slot.next, slot.leader_epoch) = position;
            assert!(!slot.is_refilled(record.0, record.1), "not read yet");
            slot.state = SlotState::Reading;
            let is_refilled = slot.is_refilled(record.0, record.1);
            assert_eq!(is_refilled, expected, "{position:?} {record:?}");
        };
        check((10, 3), (9, 4), true);
        check((10, 3), (9, 3), false);
        check((10, 3), (9, 2), false);
        check((10, 3), (10, 4), false);
        check((10, -1), (9, 4), false);
        check((10, 3), (9, -1), false);
    }

    #[test]
    fn a_new_assignment_of_the_same_partition_starts_over() {
        let mut slots = Slots::default();
        let index = slots.add(key("a", 0), AssignmentTag(1));
        slots.get_mut(index).unwrap().state = SlotState::Reading;
        assert_eq!(slots.add(key("a", 0), AssignmentTag(2)), index);
        let slot = slots.get(index).unwrap();
        assert_eq!(
            (slot.tag, slot.state),
            (AssignmentTag(2), SlotState::Claiming)
        );
        assert_eq!(slots.iter().count(), 1);
    }
}
