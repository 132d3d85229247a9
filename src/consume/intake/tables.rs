//! What the records that wait ask for: their table described, made, or changed. A topic's first
//! records may be such that no table can be made of them (deletes of what compaction has removed, or
//! bad ones); they are accounted for without one, so that those behind them can say what it is.

use std::sync::Arc;

use rowdock_connectors::NewTable;

use super::{Intake, SAMPLE_RECORDS_MAX, TableRequest, TopicState};
use crate::consume::slots::Slots;
use crate::decode::Encoded;
use crate::decode::sides::RecordDecoder;
use crate::map;
use crate::map::infer::NoTable;
use crate::record::RawRecord;

/// What the records that wait come to.
pub(super) enum Request {
    /// Their table.
    Table(TableRequest),
    /// Nothing: no table can be made of this topic's first ones. Why.
    Without(usize, String),
}

impl Intake {
    /// What the first waiting record needs of its table, once. `None` when nothing is to be asked
    /// for. Records of which no table can be made are accounted for on the way.
    pub fn request_table(&mut self, slots: &mut Slots) -> Option<TableRequest> {
        loop {
            self.held_back.keep_ours(slots);
            self.lacks_columns = false;
            let request = match self.transforms {
                Some(_) => self.request_transformed_table(slots),
                None => self.request_plain_table(slots),
            };
            match request? {
                Request::Table(request) => return Some(request),
                Request::Without(topic, reason) => {
                    if !self.do_without_table(topic, &reason, slots) {
                        return None;
                    }
                }
            }
        }
    }

    fn request_plain_table(&mut self, slots: &mut Slots) -> Option<Request> {
        let topic = slots.get(self.held_back.first()?.slot)?.topic;
        let name = Arc::clone(slots.topic_name(topic)?);
        match std::mem::replace(self.topic(topic), TopicState::Unknown) {
            TopicState::Missing => {
                let design = self.design_table(topic, &name, slots);
                self.wanted(topic, name, design)
            }
            TopicState::Lacking(mapper, columns) => {
                *self.topic(topic) = TopicState::Evolving(mapper);
                Some(Request::Table(TableRequest::Evolve(name, columns)))
            }
            other => {
                *self.topic(topic) = other;
                None
            }
        }
    }

    /// What follows from the design of a missing table. `None`: it is to be made later.
    pub(super) fn wanted(
        &mut self,
        topic: usize,
        name: Arc<str>,
        design: Option<Result<NewTable, NoTable>>,
    ) -> Option<Request> {
        let (state, request) = match design {
            None => (TopicState::Missing, None),
            Some(Err(NoTable::Records(reason))) => {
                (TopicState::Missing, Some(Request::Without(topic, reason)))
            }
            Some(Err(NoTable::Settings(reason))) => {
                let hopeless = TableRequest::Hopeless(reason);
                (TopicState::Missing, Some(Request::Table(hopeless)))
            }
            Some(Ok(table)) => {
                let create = TableRequest::Create(name, table);
                (TopicState::Creating, Some(Request::Table(create)))
            }
        };
        *self.topic(topic) = state;
        request
    }

    /// Accounts for the records of this topic that wait first, of which no table can be made; then
    /// goes on with those behind them. `false`: there were none.
    fn do_without_table(&mut self, topic: usize, reason: &str, slots: &mut Slots) -> bool {
        let waited = self.held_back.len();
        let mut decoder = RecordDecoder::new(self.formats.key(), self.formats.value());
        for _ in 0..SAMPLE_RECORDS_MAX {
            let Some(held) = self.held_back.take_first() else {
                break;
            };
            let Some(slot) = slots.get(held.slot) else {
                continue;
            };
            let (key, own_topic) = (slot.key.clone(), slot.topic);
            let record = held.record(&key.topic, key.partition);
            let whole = match &mut self.transforms {
                Some(transforms) => transforms.meant_for(topic, &record, slots),
                // Its schemas are at hand, or the design would wait for them; not yet in this decoder.
                None if own_topic == topic && decoder.is_ready(&record) => {
                    Some(decoder.decode_unwrapped(&record))
                }
                None => None,
            };
            let Some(whole) = whole else {
                self.held_back.put_back(held);
                break;
            };
            let keys = &self.config.sink;
            let outcome = whole.and_then(|whole| map::infer::without_table(&whole, keys, reason));
            self.leave_out(&held, slots, outcome);
        }
        let accounted = self.held_back.len() < waited;
        self.replay(slots);
        accounted
    }

    /// `None`: schemas are to be fetched first.
    fn design_table(
        &mut self,
        topic: usize,
        name: &str,
        slots: &Slots,
    ) -> Option<Result<NewTable, NoTable>> {
        let mut key_format = self.formats.key();
        let mut value_format = self.formats.value();
        // All of them are asked for at once.
        let mut ready = true;
        for held in self.held_back.iter().take(SAMPLE_RECORDS_MAX) {
            let record = held.record("", 0);
            ready &= Encoded::key(&record).is_none_or(|key| key_format.is_ready(key));
            ready &= Encoded::value(&record).is_none_or(|value| value_format.is_ready(value));
        }
        self.awaits_schemas = !ready;
        if !ready {
            return None;
        }
        let sample: Vec<RawRecord<'_>> = self
            .held_back
            .iter()
            .filter(|held| slots.get(held.slot).is_some_and(|slot| slot.topic == topic))
            .take(SAMPLE_RECORDS_MAX)
            .map(|held| held.record(name, 0))
            .collect();
        Some(map::infer::table(
            name,
            &sample,
            &self.config.sink,
            &mut key_format,
            &mut value_format,
        ))
    }
}
