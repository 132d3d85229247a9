//! Membership and assignments: what the thread does when the group gives or takes partitions, and
//! when it comes and goes itself. The states are in [`consume`](crate::consume).

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use rowdock_connectors::PartitionKey;

use super::{Revocation, Running, add};
use crate::batch::AssignmentTag;
use crate::config::connector::{Delivery, TopicSelection};
use crate::consume::client::give_up_all;
use crate::consume::native::{Content, Event, TopicPartition, group_generation, is_member};
use crate::consume::slots::SlotState;
use crate::handover::{Beginning, ToWriter};

/// Whether the task is in its group.
///
/// Coming and going takes the client as long as the group needs: while members are being counted anew
/// it only notes that it shall leave, and forgets that again when it is told to join meanwhile; the
/// partitions would stay with it, and neither be taken nor given again. So the task does not join
/// before everything that it had was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Membership {
    /// In it, or on its way.
    In,
    /// Out of it, or on its way.
    Out {
        /// When to join, once nothing is left of the last time; `None`: when the write loop says.
        join_at: Option<Instant>,
    },
}

/// How long a client may take to say that it leaves; fetches are stopped within milliseconds.
const LEAVE_PATIENCE: Duration = Duration::from_secs(2);

/// How often it is asked whether it has.
const LEAVE_LOOK_INTERVAL: Duration = Duration::from_millis(2);

impl Running {
    pub(super) fn assigned(&mut self, partitions: Vec<TopicPartition>) {
        if let Err(error) = self
            .start
            .consumer
            .incremental_assign(&TopicPartitionList::new())
        {
            self.start
                .fail(&format!("cannot acknowledge an assignment: {error}"));
        }
        if self.stopping.is_some() || partitions.is_empty() {
            return;
        }
        let generation = group_generation(&self.start.consumer);
        let mut tagged = Vec::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            let key = PartitionKey {
                topic: Arc::from(topic),
                partition,
            };
            let tag = self.start.board.new_tag();
            self.slots.add(key.clone(), tag);
            if self.is_member() {
                self.start.board.set(key.clone(), tag);
                tagged.push((key, tag));
            }
        }
        self.last_slot = None;
        if tagged.is_empty() {
            // On its way out: they are taken back, and only then it joins again.
            return;
        }
        tagged.sort();
        tracing::info!(partitions = tagged.len(), generation, "partitions assigned");
        self.tell(ToWriter::Assigned {
            generation,
            partitions: tagged,
        });
    }

    /// Reads partitions from their positions; where the record before one can be compared with what was
    /// written, from there. It is not taken in again: a log that was cut off below the position and has
    /// grown beyond it since looks like one that was only continued, but for the age of that record.
    pub(super) fn begin(&mut self, partitions: Vec<Beginning>) {
        let mut list = TopicPartitionList::new();
        for beginning in partitions {
            let slot = self
                .slots
                .index_of(&beginning.key)
                .and_then(|index| self.slots.get_mut(index));
            let Some(slot) =
                slot.filter(|slot| slot.tag == beginning.tag && slot.state == SlotState::Claiming)
            else {
                continue;
            };
            slot.state = SlotState::Reading;
            slot.next = beginning.next_offset;
            slot.leader_epoch = beginning.written_epoch.unwrap_or(-1);
            slot.looks_back = beginning.written_epoch.is_some();
            slot.paused = false;
            let from = Offset::Offset(slot.next - i64::from(slot.looks_back));
            add(&mut list, &beginning.key, from);
        }
        if list.count() == 0 {
            return;
        }
        // Both before and after, see [`Records`](crate::consume::native::Records).
        self.lead(&list);
        if let Err(error) = self.start.consumer.incremental_assign(&list) {
            self.start.fail(&format!(
                "cannot start reading assigned partitions: {error}"
            ));
            return;
        }
        self.lead(&list);
        // A client that reads nothing and says nothing.
        fail::fail_point!("consume::deaf", |_| {
            self.start.consumer.pause(&list).ok();
        });
    }

    fn lead(&self, partitions: &TopicPartitionList) {
        for element in partitions.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            if !self.records.lead(topic, partition) {
                let reason =
                    format!("the kafka client does not know partition {topic}-{partition}");
                self.start.fail(&reason);
            }
        }
    }

    /// The record before the position may have been deleted just now; `false`: it was not asked for.
    pub(super) fn look_back_no_more(&mut self, index: usize) -> bool {
        let slot = self.slots.get_mut(index).filter(|slot| slot.looks_back);
        let Some(slot) = slot else {
            return false;
        };
        let (key, tag, next) = (slot.key.clone(), slot.tag, slot.next);
        self.seek(&key, tag, next);
        true
    }

    /// Unassign and assign again: a seek right after an assign is refused by the client, and this
    /// way there is one path to a position.
    ///
    /// Not while partitions are being given up: the client would take the unassignment for the answer
    /// that the group waits for, and give them away while they are being written.
    pub(super) fn seek(&mut self, key: &PartitionKey, tag: AssignmentTag, offset: i64) {
        if !self.revocations.is_empty() {
            self.seeks.push((key.clone(), tag, offset));
            return;
        }
        if !self.start.board.is_current(key, tag) {
            return;
        }
        let Some(index) = self.slots.index_of(key) else {
            return;
        };
        self.start.intake.forget(&[index]);
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        if slot.state != SlotState::Reading {
            return;
        }
        slot.tag = tag;
        slot.state = SlotState::Claiming;
        self.resume(std::slice::from_ref(key));
        self.unassign(std::slice::from_ref(key));
        self.begin(vec![Beginning {
            key: key.clone(),
            tag,
            next_offset: offset,
            written_epoch: None,
        }]);
    }

    pub(super) fn revoked(&mut self, partitions: &[TopicPartition]) {
        let lost = self.start.consumer.assignment_lost();
        let keys: Vec<PartitionKey> = partitions
            .iter()
            .filter_map(|(topic, partition)| {
                let slot = self.slots.find(topic, *partition)?;
                self.slots.get(slot).map(|slot| slot.key.clone())
            })
            .collect();
        tracing::info!(partitions = partitions.len(), lost, "partitions revoked");
        if lost || self.holds.failed || !self.is_member() || self.stopping.is_some() {
            if !lost {
                self.commit(self.last_commit(), Some(&keys));
            }
            self.drop_partitions(&keys);
            return;
        }
        // What was read goes out as a last batch; what still arrives is dropped.
        self.flush();
        for key in &keys {
            if let Some(slot) = self
                .slots
                .index_of(key)
                .and_then(|index| self.slots.get_mut(index))
            {
                slot.state = SlotState::Draining;
            }
        }
        let marker = self.next_marker;
        self.next_marker += 1;
        self.revocations.push(Revocation {
            marker,
            keys,
            deadline: Instant::now() + self.start.drain_limit,
        });
        self.tell(ToWriter::Drain { marker });
    }

    pub(super) fn drained(&mut self, marker: u64) {
        if self.stopping == Some(marker) {
            self.commit(self.last_commit(), None);
            self.finished = true;
            return;
        }
        let done = self
            .revocations
            .iter()
            .position(|revocation| revocation.marker == marker);
        if let Some(done) = done {
            let revocation = self.revocations.remove(done);
            self.commit(self.last_commit(), Some(&revocation.keys));
            self.give_up(&revocation.keys);
        }
    }

    /// How positions are committed before partitions are given up. A mirror is not waited for: with a
    /// Kafka that does not answer that takes a minute.
    pub(super) fn last_commit(&self) -> CommitMode {
        match self.start.delivery {
            Delivery::ExactlyOnce => CommitMode::Async,
            Delivery::AtLeastOnce => CommitMode::Sync,
        }
    }

    /// Lost, or given up without writing.
    fn drop_partitions(&mut self, keys: &[PartitionKey]) {
        let slots: Vec<usize> = keys
            .iter()
            .filter_map(|key| self.slots.index_of(key))
            .collect();
        self.start.intake.forget(&slots);
        self.give_up(keys);
    }

    /// Seeks that had to wait.
    pub(super) fn look_at_seeks(&mut self) {
        if self.revocations.is_empty() {
            for (key, tag, offset) in std::mem::take(&mut self.seeks) {
                self.seek(&key, tag, offset);
            }
        }
    }

    pub(super) fn give_up(&mut self, keys: &[PartitionKey]) {
        self.resume(keys);
        self.unassign(keys);
        for key in keys {
            self.start.board.remove(key);
            self.slots.remove(key);
            self.durable.remove(key);
        }
        self.last_slot = None;
        self.tell(ToWriter::Gone(keys.to_vec()));
    }

    /// A partition that is paused when it is unassigned stays paused in the client, and would stand still
    /// when it comes back.
    fn resume(&mut self, keys: &[PartitionKey]) {
        let mut list = TopicPartitionList::new();
        for key in keys {
            let slot = self
                .slots
                .index_of(key)
                .and_then(|index| self.slots.get_mut(index));
            if let Some(slot) = slot.filter(|slot| slot.paused) {
                slot.paused = false;
                list.add_partition(&key.topic, key.partition);
            }
        }
        if list.count() > 0
            && let Err(error) = self.start.consumer.resume(&list)
        {
            tracing::warn!(%error, "cannot resume partitions that are given up");
        }
    }

    /// Unassigns what was really assigned; an empty list still answers the rebalance.
    fn unassign(&mut self, keys: &[PartitionKey]) {
        let assigned = match self.start.consumer.assignment() {
            Ok(assigned) => assigned,
            Err(error) => {
                tracing::warn!(%error, "cannot read the client's assignment");
                TopicPartitionList::new()
            }
        };
        let mut list = TopicPartitionList::new();
        for key in keys {
            if assigned.find_partition(&key.topic, key.partition).is_some() {
                list.add_partition(&key.topic, key.partition);
            }
        }
        if let Err(error) = self.start.consumer.incremental_unassign(&list) {
            tracing::warn!(%error, "cannot give partitions up");
        }
    }

    pub(super) fn is_member(&self) -> bool {
        self.membership == Membership::In
    }

    /// The write loop wants to go on; a task that joins again after a moment does so anyway.
    pub(super) fn join(&mut self) {
        if self.membership == (Membership::Out { join_at: None }) {
            let join_at = Some(Instant::now());
            self.membership = Membership::Out { join_at };
        }
    }

    /// Joins when it is time.
    pub(super) fn look_at_membership(&mut self, now: Instant) {
        let is_due = match self.membership {
            Membership::Out { join_at: Some(at) } => at <= now,
            _ => false,
        };
        if is_due && self.slots.is_empty() && self.stopping.is_none() {
            self.subscribe();
        }
    }

    fn subscribe(&mut self) {
        let subscribed = match &self.start.topics {
            TopicSelection::List(topics) => {
                let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
                self.start.consumer.subscribe(&topics)
            }
            // librdkafka takes a pattern when it starts with ^; the whole name must match.
            TopicSelection::Regex(pattern) => {
                self.start.consumer.subscribe(&[&format!("^({pattern})$")])
            }
        };
        match subscribed {
            Ok(()) => self.membership = Membership::In,
            Err(error) => {
                self.membership = Membership::Out { join_at: None };
                self.start.fail(&format!(
                    "cannot subscribe to the connector's topics: {error}"
                ));
            }
        }
    }

    pub(super) fn leave(&mut self) {
        let was_member = self.is_member();
        self.membership = Membership::Out { join_at: None };
        if !was_member {
            return;
        }
        let keys: Vec<PartitionKey> = self
            .slots
            .iter()
            .map(|(_, slot)| slot.key.clone())
            .collect();
        let slots: Vec<usize> = self.slots.iter().map(|(index, _)| index).collect();
        self.start.intake.forget(&slots);
        // What was written is not to be read again when the partitions come back, here or elsewhere.
        self.commit(self.last_commit(), None);
        // A write loop that gives the database up drops what it was asked for.
        self.start.intake.forget_requests();
        self.holds.awaiting_table = false;
        for key in &keys {
            self.start.board.remove(key);
        }
        self.start.consumer.unsubscribe();
    }

    pub(super) fn rejoin_later(&mut self) {
        if !self.is_member() {
            return;
        }
        self.leave();
        // Jitter, so that two members that fence each other do not do it in step.
        let delay = Duration::from_millis(fastrand::u64(100..800));
        let join_at = Some(Instant::now() + delay);
        self.membership = Membership::Out { join_at };
    }

    pub(super) fn stop(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        self.flush();
        let marker = self.next_marker;
        self.next_marker += 1;
        self.stopping = Some(marker);
        self.tell(ToWriter::Drain { marker });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The write loop's blocking calls may still hold the consumer; leaving must not wait.
        self.start.consumer.unsubscribe();
        self.give_up_or_log();
        // A client (2.12) that is closed while it still stops its fetching ends without telling
        // the group; the others would wait for a session time-out. So it is closed afterwards.
        let deadline = Instant::now() + LEAVE_PATIENCE;
        while is_member(&self.start.consumer) && Instant::now() < deadline {
            let event = self.poller.poll(LEAVE_LOOK_INTERVAL);
            match event.as_ref().map(Event::content) {
                // The client waits for the answer of this kind, and for nothing else.
                Some(Content::Assigned(_)) => self.answer_with_nothing(),
                Some(Content::Revoked(_)) => self.give_up_or_log(),
                _ => {}
            }
        }
    }
}

impl Running {
    fn answer_with_nothing(&self) {
        let nothing = TopicPartitionList::new();
        if let Err(error) = self.start.consumer.incremental_assign(&nothing) {
            tracing::debug!(%error, "acknowledging an assignment at the end");
        }
    }

    fn give_up_or_log(&self) {
        if let Err(error) = give_up_all(&self.start.consumer) {
            tracing::debug!(%error, "giving partitions up at the end");
        }
    }
}
