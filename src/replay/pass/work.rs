//! A chunk of letters on its way.

use std::collections::HashMap;
use std::sync::Arc;

use rowdock_connectors::{ClaimAnswer, PartitionKey, RowReject, SinkError, StartRows};

use crate::deadletter::Letter;
use crate::record::{RecordError, Stage};
use crate::replay::once::{LetterId, NOT_STORED, OnceBatch};
use crate::replay::report::Outcome;

/// One chunk of letters, and what is known of each.
pub(super) struct Work<'l> {
    letters: &'l [Letter],
    ids: Vec<LetterId>,
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// A commit with it was not answered.
    pub(super) in_doubt: Vec<bool>,
}

impl<'l> Work<'l> {
    pub(super) fn of(letters: &'l [Letter]) -> Result<Self, SinkError> {
        let ids = letters
            .iter()
            .map(|letter| LetterId::of(letter).map_err(SinkError::stop));
        Ok(Self {
            ids: ids.collect::<Result<_, _>>()?,
            outcomes: vec![None; letters.len()],
            in_doubt: vec![false; letters.len()],
            letters,
        })
    }

    pub(super) fn is_done(&self) -> bool {
        self.outcomes.iter().all(Option::is_some)
    }

    /// Letters without an outcome, each with its index.
    pub(super) fn open(&self) -> Vec<(usize, &Letter, &LetterId)> {
        let letters = self.letters.iter().zip(&self.ids).enumerate();
        letters
            .filter(|(index, _)| self.outcomes[*index].is_none())
            .map(|(index, (letter, id))| (index, letter, id))
            .collect()
    }

    pub(super) fn open_keys(&self) -> Vec<PartitionKey> {
        let mut keys: Vec<PartitionKey> = self
            .open()
            .into_iter()
            .map(|(_, _, id)| id.key.clone())
            .collect();
        keys.sort();
        keys
    }

    /// Letters whose positions have moved are settled.
    pub(super) fn settle(&mut self, keys: &[PartitionKey], answers: &[ClaimAnswer]) {
        let mut positions = HashMap::with_capacity(keys.len());
        for (key, answer) in keys.iter().zip(answers) {
            if let ClaimAnswer::Claimed { next_offset, .. } = answer {
                positions.insert(key, *next_offset);
            }
        }
        for (index, id) in self.ids.iter().enumerate() {
            if self.outcomes[index].is_some() {
                continue;
            }
            let position = positions.get(&id.key).copied().unwrap_or(NOT_STORED);
            self.outcomes[index] = match id.stored(position) {
                // It was this call's own commit that was not answered.
                Some(Outcome::ReplayedBefore) if self.in_doubt[index] => Some(Outcome::Stored),
                settled => settled,
            };
        }
    }

    pub(super) fn committed(&mut self, part: &OnceBatch) {
        for (position, letter) in part.letters.iter().enumerate() {
            self.outcomes[*letter] = Some(match part.has_row(position) {
                true => Outcome::Stored,
                false => Outcome::Filtered,
            });
        }
    }

    /// Rejects these rows' letters and takes them out.
    pub(super) fn reject(&mut self, part: &mut OnceBatch, found: &[RowReject]) {
        let mut moves = Vec::with_capacity(found.len());
        for reject in found {
            let origin = part.rows.tables[reject.table].origins[reject.row];
            let position = origin.position as usize;
            let error = RecordError::new(Stage::TaskPut, reject.reason.clone());
            self.outcomes[part.letters[position]] = Some(Outcome::Rejected(error));
            moves.push(position);
        }
        part.cut(&moves);
    }
}

/// What must be written before the letters without a row can be claimed.
pub(super) fn missing_rows(keys: &[PartitionKey], answers: &[ClaimAnswer]) -> Vec<StartRows> {
    let mut missing: HashMap<(&Arc<str>, bool), StartRows> = HashMap::new();
    for (key, answer) in keys.iter().zip(answers) {
        let is_first = match answer {
            ClaimAnswer::TopicUnknown => true,
            ClaimAnswer::PartitionUnknown => false,
            ClaimAnswer::Claimed { .. } | ClaimAnswer::HeldByNewer { .. } => continue,
        };
        let rows = missing
            .entry((&key.topic, is_first))
            .or_insert_with(|| StartRows {
                topic: Arc::clone(&key.topic),
                topic_id: String::new(),
                first: is_first,
                offsets: Vec::new(),
            });
        rows.offsets.push((key.partition, NOT_STORED));
    }
    missing.into_values().collect()
}
