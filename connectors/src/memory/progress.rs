//! The progress table in memory: claims, moves, renewals, first starts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::position::{
    ClaimAnswer, ClaimRequest, PartitionKey, PositionMove, RenewAnswer, RenewRequest, ResetRequest,
    StartRows, StoredPosition,
};

/// One partition's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressRow {
    /// Id of the topic incarnation.
    pub topic_id: String,
    /// Next offset to read.
    pub next_offset: i64,
    /// Leader epoch of the last record written, -1 when unknown.
    pub leader_epoch: i32,
    /// Who may write; `None` before the first claim.
    pub claim_id: Option<Uuid>,
    /// How often it was claimed.
    pub claim_count: u64,
    /// Group generation of the last claim, -1 before the first.
    pub generation: i32,
    /// Who claimed it last.
    pub owner: String,
    /// How often it was set by hand.
    pub reset_count: i64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    rows: BTreeMap<PartitionKey, ProgressRow>,
    started_topics: BTreeSet<Arc<str>>,
}

impl Progress {
    pub(super) fn rows(&self) -> &BTreeMap<PartitionKey, ProgressRow> {
        &self.rows
    }

    pub(super) fn started_topics(&self) -> &BTreeSet<Arc<str>> {
        &self.started_topics
    }

    pub(super) fn claim(&mut self, request: &ClaimRequest) -> Vec<ClaimAnswer> {
        let mut answers = Vec::with_capacity(request.partitions.len());
        for key in &request.partitions {
            answers.push(self.claim_one(key, request));
        }
        answers
    }

    fn claim_one(&mut self, key: &PartitionKey, request: &ClaimRequest) -> ClaimAnswer {
        let Some(row) = self.rows.get_mut(key) else {
            return if self.started_topics.contains(&key.topic) {
                ClaimAnswer::PartitionUnknown
            } else {
                ClaimAnswer::TopicUnknown
            };
        };
        if row.generation > request.generation && !request.force {
            return ClaimAnswer::HeldByNewer {
                generation: row.generation,
            };
        }
        row.claim_id = Some(request.claim_id);
        row.claim_count += 1;
        row.generation = request.generation;
        row.owner.clone_from(&request.owner);
        ClaimAnswer::Claimed {
            topic_id: row.topic_id.clone(),
            next_offset: row.next_offset,
            leader_epoch: row.leader_epoch,
        }
    }

    pub(super) fn write_starts(&mut self, starts: &StartRows) {
        if starts.first && !self.started_topics.insert(Arc::clone(&starts.topic)) {
            return;
        }
        for (partition, next_offset) in &starts.offsets {
            let key = PartitionKey {
                topic: Arc::clone(&starts.topic),
                partition: *partition,
            };
            self.rows.entry(key).or_insert_with(|| ProgressRow {
                topic_id: starts.topic_id.clone(),
                next_offset: *next_offset,
                leader_epoch: -1,
                claim_id: None,
                claim_count: 0,
                generation: -1,
                owner: String::new(),
                reset_count: 0,
            });
        }
    }

    /// Rows have no times here: the test's clock may not be the system's.
    pub(super) fn read_positions(&self) -> Vec<StoredPosition> {
        let position = |(key, row): (&PartitionKey, &ProgressRow)| StoredPosition {
            key: key.clone(),
            topic_id: row.topic_id.clone(),
            next_offset: row.next_offset,
            owner: row.owner.clone(),
            reset_count: row.reset_count,
            updated_ms: 0,
        };
        self.rows.iter().map(position).collect()
    }

    pub(super) fn reset_positions(&mut self, request: &ResetRequest) {
        for starts in &request.starts {
            self.write_starts(starts);
        }
        for set in &request.positions {
            if let Some(row) = self.rows.get_mut(&set.key) {
                row.topic_id.clone_from(&set.topic_id);
                row.next_offset = set.next_offset;
                row.leader_epoch = -1;
                row.claim_id = None;
                row.generation = -1;
                row.owner.clear();
                row.reset_count += 1;
            }
        }
    }

    pub(super) fn renew(&mut self, request: &RenewRequest) -> Vec<RenewAnswer> {
        let mut answers = Vec::with_capacity(request.partitions.len());
        for (key, claim_id) in &request.partitions {
            let ours = [Some(*claim_id), Some(request.new_claim_id)];
            answers.push(match self.rows.get_mut(key) {
                Some(row) if ours.contains(&row.claim_id) => {
                    row.claim_id = Some(request.new_claim_id);
                    RenewAnswer::Held {
                        next_offset: row.next_offset,
                    }
                }
                _ => RenewAnswer::Lost,
            });
        }
        answers
    }

    /// Indexes of the moves that may not be made.
    pub(super) fn fenced(&self, moves: &[PositionMove]) -> Vec<usize> {
        let may_move = |wanted: &PositionMove| {
            self.rows.get(&wanted.key).is_some_and(|row| {
                row.claim_id == Some(wanted.claim_id) && row.next_offset == wanted.from
            })
        };
        (0..moves.len())
            .filter(|index| !may_move(&moves[*index]))
            .collect()
    }

    pub(super) fn advance(&mut self, moves: &[PositionMove]) {
        for wanted in moves {
            if let Some(row) = self.rows.get_mut(&wanted.key) {
                row.next_offset = wanted.to;
                row.leader_epoch = wanted.leader_epoch;
            }
        }
    }
}
