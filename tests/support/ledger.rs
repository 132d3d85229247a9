//! What Kafka acknowledged: the truth that tables are compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// A record in Kafka, by its coordinates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// Who wrote it.
    pub(crate) producer: i32,
    /// Its number among that producer's records.
    pub(crate) seq: i64,
    /// The record's key.
    pub(crate) item: i64,
    /// What it says about the item; `None` deletes it.
    pub(crate) amount: Option<i64>,
    pub(crate) fate: Fate,
}

/// What must become of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// In its table.
    Stored,
    /// With the dead letters.
    Rejected,
    /// Nothing: its transaction was aborted, it lies before the start, or it was never acknowledged.
    Invisible,
}

/// Identity of a record in the tables.
pub(crate) type RecordId = (i32, i64);

/// Collects what producers were told.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    sent: Mutex<Vec<Sent>>,
}

impl Ledger {
    pub(crate) fn add(&self, sent: Sent) {
        self.sent.lock().unwrap().push(sent);
    }

    /// Number of records so far.
    pub(crate) fn len(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    /// Every record of a topic.
    pub(crate) fn of_topic(&self, topic: &str) -> Vec<Sent> {
        let sent = self.sent.lock().unwrap();
        let matching = sent.iter().filter(|record| record.topic == topic);
        matching.cloned().collect()
    }

    /// Ids of a topic's records with this fate.
    pub(crate) fn ids(&self, topic: &str, fate: Fate) -> BTreeSet<RecordId> {
        let sent = self.sent.lock().unwrap();
        sent.iter()
            .filter(|record| record.topic == topic && record.fate == fate)
            .map(|record| (record.producer, record.seq))
            .collect()
    }

    /// Per partition, the offset after the last acknowledged record.
    pub(crate) fn ends(&self, topic: &str) -> BTreeMap<i32, i64> {
        let mut ends = BTreeMap::new();
        for record in self.sent.lock().unwrap().iter() {
            if record.topic == topic {
                let end = ends.entry(record.partition).or_insert(0);
                *end = record.offset.saturating_add(1).max(*end);
            }
        }
        ends
    }

    /// Records whose offsets are not known: a broker had them already when they were sent once more, and
    /// did not say where.
    pub(crate) fn without_offsets(&self, topic: &str) -> Vec<Sent> {
        let mut records = self.of_topic(topic);
        records.retain(|record| record.offset < 0);
        records
    }

    /// Records of a partition below this offset must not be read.
    pub(crate) fn starts_at(&self, topic: &str, partition: i32, offset: i64) {
        for record in self.sent.lock().unwrap().iter_mut() {
            if record.topic == topic && record.partition == partition && record.offset < offset {
                record.fate = Fate::Invisible;
            }
        }
    }

    /// The fold of a topic's log: what each item's row must say in the end.
    pub(crate) fn fold(&self, topic: &str) -> BTreeMap<i64, (i32, i64, i64)> {
        let mut records = self.of_topic(topic);
        records.retain(|record| record.fate == Fate::Stored);
        records.sort_by_key(|record| (record.partition, record.offset));
        let mut state = BTreeMap::new();
        for record in records {
            match record.amount {
                Some(amount) => state.insert(record.item, (record.producer, record.seq, amount)),
                None => state.remove(&record.item),
            };
        }
        state
    }
}
