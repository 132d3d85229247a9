//! What the progress table has for some partitions, whose rows are locked, and what a claim or a
//! renewal makes of it. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::position::{ClaimAnswer, ClaimRequest, PartitionKey, RenewAnswer, RenewRequest};

/// Stands for the topic as a whole, which no partition of Kafka's does.
pub(crate) const GUARD_PARTITION: i32 = -1;

/// Stands behind the cluster's id in rows that keep what stood there before a position was set by hand;
/// how often it had been set follows. No cluster's id has a slash in it.
pub(crate) const RESET_MARK: &str = "/reset/";

/// The rows of the partitions that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) rows: HashMap<PartitionKey, StoredRow>,
    /// Topics that have a guard row.
    pub(crate) started_topics: HashSet<Arc<str>>,
}

/// One partition's row.
#[derive(Debug, Clone)]
pub(crate) struct StoredRow {
    pub(crate) topic_id: String,
    pub(crate) next_offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) claim_id: Option<Uuid>,
    pub(crate) generation: i32,
}

/// Answers, one per partition that was asked for, and the partitions whose rows must change before
/// they are true.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Judged<T> {
    pub(crate) answers: Vec<T>,
    pub(crate) changed: Vec<PartitionKey>,
}

impl Stored {
    /// A claim takes what is there, unless a newer generation holds it.
    pub(crate) fn claim(&self, request: &ClaimRequest) -> Judged<ClaimAnswer> {
        let answered = request.partitions.iter().map(|key| {
            let answer = self.claim_one(request, key);
            let is_taken = matches!(answer, ClaimAnswer::Claimed { .. });
            (key, answer, is_taken)
        });
        Judged::of(answered)
    }

    fn claim_one(&self, request: &ClaimRequest, key: &PartitionKey) -> ClaimAnswer {
        match self.rows.get(key) {
            Some(row) if row.generation > request.generation && !request.force => {
                ClaimAnswer::HeldByNewer {
                    generation: row.generation,
                }
            }
            Some(row) => ClaimAnswer::Claimed {
                topic_id: row.topic_id.clone(),
                next_offset: row.next_offset,
                leader_epoch: row.leader_epoch,
            },
            None if self.started_topics.contains(&key.topic) => ClaimAnswer::PartitionUnknown,
            None => ClaimAnswer::TopicUnknown,
        }
    }

    /// A renewal keeps what has the old claim id, or already the new one.
    pub(crate) fn renew(&self, request: &RenewRequest) -> Judged<RenewAnswer> {
        let answered = request.partitions.iter().map(|(key, old)| {
            let row = self.rows.get(key).filter(|row| {
                row.claim_id == Some(*old) || row.claim_id == Some(request.new_claim_id)
            });
            let answer = row.map_or(RenewAnswer::Lost, |row| RenewAnswer::Held {
                next_offset: row.next_offset,
            });
            (key, answer, row.is_some())
        });
        Judged::of(answered)
    }
}

impl<T> Judged<T> {
    fn of<'k>(answered: impl Iterator<Item = (&'k PartitionKey, T, bool)>) -> Self {
        let mut judged = Self {
            answers: Vec::new(),
            changed: Vec::new(),
        };
        for (key, answer, is_changed) in answered {
            judged.answers.push(answer);
            if is_changed {
                judged.changed.push(key.clone());
            }
        }
        judged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Uuid = Uuid::from_u128(1);
    const NEW: Uuid = Uuid::from_u128(2);
    const SOMEBODY: Uuid = Uuid::from_u128(3);

    fn key(topic: &str, partition: i32) -> PartitionKey {
        PartitionKey {
            topic: Arc::from(topic),
            partition,
        }
    }

    fn row(claim_id: Option<Uuid>, generation: i32) -> StoredRow {
        StoredRow {
            topic_id: "id".to_owned(),
            next_offset: 7,
            leader_epoch: 3,
            claim_id,
            generation,
        }
    }

    #[test]
    fn claims_take_what_no_newer_generation_holds() {
        let check = |generation, force, expected: ClaimAnswer| {
            let is_taken = matches!(expected, ClaimAnswer::Claimed { .. });
            let stored = Stored {
                rows: HashMap::from([(key("t", 0), row(Some(OLD), 5))]),
                started_topics: HashSet::from([Arc::from("t")]),
            };
            let request = ClaimRequest {
                claim_id: NEW,
                generation,
                force,
                owner: String::new(),
                partitions: vec![key("t", 1), key("t", 0), key("u", 0)],
                compacted: std::collections::BTreeSet::new(),
            };
            let judged = stored.claim(&request);
            let unknown = [ClaimAnswer::PartitionUnknown, ClaimAnswer::TopicUnknown];
            let [partition, topic] = unknown;
            assert_eq!(judged.answers, [partition, expected, topic]);
            let taken = is_taken.then(|| key("t", 0));
            assert_eq!(judged.changed, Vec::from_iter(taken));
        };
        let claimed = || ClaimAnswer::Claimed {
            topic_id: "id".to_owned(),
            next_offset: 7,
            leader_epoch: 3,
        };
        check(5, false, claimed());
        check(6, false, claimed());
        check(4, true, claimed());
        check(4, false, ClaimAnswer::HeldByNewer { generation: 5 });
    }

    #[test]
    fn renewals_keep_the_old_claim_and_the_new_one() {
        let check = |claim_id, is_held: bool| {
            let stored = Stored {
                rows: HashMap::from([(key("t", 0), row(claim_id, 1))]),
                ..Stored::default()
            };
            let request = RenewRequest {
                new_claim_id: NEW,
                partitions: vec![(key("t", 1), OLD), (key("t", 0), OLD)],
            };
            let judged = stored.renew(&request);
            let expected = if is_held {
                RenewAnswer::Held { next_offset: 7 }
            } else {
                RenewAnswer::Lost
            };
            assert_eq!(judged.answers, [RenewAnswer::Lost, expected]);
            let held = is_held.then(|| key("t", 0));
            assert_eq!(judged.changed, Vec::from_iter(held));
        };
        check(Some(OLD), true);
        check(Some(NEW), true);
        check(Some(SOMEBODY), false);
        check(None, false);
    }
}
