//! The way of records through transforms: decoded as a whole, transformed, then mapped to the table
//! of the topic that they have then, or to the one that they choose.
//!
//! Positions, dead letters and `pk.mode=kafka` keep to where the record was read. A record that is
//! dropped moves its position like any other.

use std::sync::Arc;

use super::tables::Request;
use super::{Intake, SAMPLE_RECORDS_MAX, TableRequest, TopicState};
use crate::config::connector::ConnectorConfig;
use crate::consume::slots::Slots;
use crate::decode::Formats;
use crate::decode::sides::RecordDecoder;
use crate::map;
use crate::map::route::Router;
use crate::record::{Change, OwnedRecord, RawRecord, RecordError, Stage};
use crate::select::Selection;
use crate::transform::Chain;

/// More topics than anybody has tables: a transform that makes names up must not fill the memory.
const TOPICS_MAX: usize = 10_000;

/// A connector's transforms, and what they need.
pub(super) struct Transforms {
    decoder: RecordDecoder,
    chain: Chain,
    destination: Destination,
    /// `change.events=debezium`.
    change_events: bool,
    /// The topic of the record before this one, and its index.
    last_topic: Option<(Arc<str>, usize)>,
    /// The first waiting record goes to a topic whose table was never asked for.
    stuck: bool,
}

/// Where a record goes when its transforms are done.
enum Destination {
    /// To the table of its topic.
    Topic,
    /// To the table that it chooses.
    Chosen(Router),
    /// To each of the tables that its topic is mapped to.
    Mapped(Selection),
}

impl Destination {
    fn of(config: &ConnectorConfig) -> Result<Self, String> {
        let keys = &config.sink;
        let headers = config.header_converter;
        // A mapping names its tables, so that no record of it chooses one.
        if let Some(selection) = Selection::new(&keys.mappings, keys.delete_enabled, headers) {
            return Ok(Self::Mapped(selection));
        }
        Ok(Router::of(keys, config.class)?.map_or(Self::Topic, Self::Chosen))
    }
}

impl Transforms {
    /// `None` for a connector without transforms whose records go to the tables of their topics.
    pub(super) fn of(config: &ConnectorConfig, formats: &Formats) -> Result<Option<Self>, String> {
        let destination = Destination::of(config)?;
        if config.transforms.is_empty() && matches!(destination, Destination::Topic) {
            return Ok(None);
        }
        let mut chain = Chain::new(&config.transforms, config.header_converter)
            .map_err(|(alias, fault)| format!("transforms.{alias}.{fault}"))?;
        if config.sink.reads_headers() {
            chain = chain.reading_headers(config.header_converter);
        }
        Ok(Some(Self {
            destination,
            change_events: config.sink.change_events,
            decoder: RecordDecoder::new(formats.key(), formats.value()),
            chain,
            last_topic: None,
            stuck: false,
        }))
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// What a record is in the end: nothing, a record, or one for each of its tables.
    fn apply(&mut self, raw: &RawRecord<'_>) -> Result<Vec<OwnedRecord>, RecordError> {
        let record = self.decoder.decode(raw)?;
        let Some(mut record) = self.chain.apply(record, raw)? else {
            return Ok(Vec::new());
        };
        match &mut self.destination {
            Destination::Topic => self.decoder.unwrap(&mut record)?,
            Destination::Chosen(router) => {
                // By what it says before its change event is unwrapped: where it came from, too.
                let route = router.route(&record);
                let is_tombstone = self.change_events && record.value.datum.is_null();
                self.decoder.unwrap(&mut record)?;
                match route {
                    Ok(route) => record.topic = self.shared(route),
                    // What is no row, or the tombstone behind a delete, names no table.
                    Err(_) if is_tombstone || record.change == Some(Change::Nothing) => {
                        return Ok(Vec::new());
                    }
                    Err(error) => return Err(error),
                }
            }
            Destination::Mapped(selection) => {
                self.decoder.unwrap(&mut record)?;
                return selection.select(&record, raw);
            }
        }
        Ok(vec![record])
    }

    /// What a record is in the end, if it goes to the table of this topic, and to no other one: for
    /// several it is bad when one of them is missing, a delete as well.
    pub(super) fn meant_for(
        &mut self,
        topic: usize,
        raw: &RawRecord<'_>,
        slots: &mut Slots,
    ) -> Option<Result<OwnedRecord, RecordError>> {
        // What fails or is dropped here is again accounted for when it is appended.
        let mut found = self.apply(raw).ok()?;
        let place = found
            .iter()
            .position(|whole| slots.known_topic(&whole.topic) == Some(topic))?;
        if found.len() > 1 {
            let reason = format!(
                "the record goes to several tables, of which {} does not exist and cannot be created from it",
                found[place].topic
            );
            return Some(Err(RecordError::new(Stage::TaskPut, reason)));
        }
        found.pop().map(Ok)
    }

    /// A route, shared with the record before where it is the same.
    fn shared(&self, route: String) -> Arc<str> {
        match &self.last_topic {
            Some((last, _)) if **last == *route => Arc::clone(last),
            _ => route.into(),
        }
    }

    fn topic_index(&mut self, topic: &Arc<str>, slots: &mut Slots) -> Result<usize, RecordError> {
        match &self.last_topic {
            Some((last, index)) if last == topic => return Ok(*index),
            _ => {}
        }
        let is_known = slots.known_topic(topic).is_some();
        if !is_known && slots.topic_count() >= TOPICS_MAX {
            let reason = format!("records have chosen more than {TOPICS_MAX} topics or tables");
            return Err(RecordError::new(Stage::Transformation, reason));
        }
        let index = slots.topic_index(topic);
        self.last_topic = Some((Arc::clone(topic), index));
        Ok(index)
    }
}

impl Intake {
    /// Transforms a record and appends what comes of it. `false`: its table is not ready.
    pub(super) fn append_transformed(
        &mut self,
        slot_index: usize,
        slots: &mut Slots,
        record: &RawRecord<'_>,
        leader_epoch: i32,
    ) -> bool {
        let Some(transforms) = &mut self.transforms else {
            return true;
        };
        if !transforms.decoder.is_ready(record) {
            self.awaits_schemas = true;
            return false;
        }
        let outcome = transforms.apply(record).and_then(|found| {
            let with_topic = found.into_iter().map(|whole| {
                let topic = transforms.topic_index(&whole.topic, slots)?;
                Ok((whole, topic))
            });
            with_topic.collect::<Result<Vec<_>, RecordError>>()
        });
        let is_ready =
            |topic: &usize| matches!(self.topics.get(*topic), Some(TopicState::Ready(_)));
        if let Ok(found) = &outcome
            && let Some((_, topic)) = found.iter().find(|(_, topic)| !is_ready(topic))
        {
            transforms.stuck = matches!(self.topics.get(*topic), None | Some(TopicState::Unknown));
            return false;
        }
        let Some(slot) = slots.get_mut(slot_index) else {
            return true;
        };
        let position = self
            .builder
            .position(slot_index, slot.next, || (slot.key.clone(), slot.tag));
        match outcome {
            Err(error) => self.builder.reject(position, record, error),
            Ok(found) if found.is_empty() => self.builder.skip(),
            Ok(found) => {
                if !self.append_all(position, record, &found) {
                    return false;
                }
            }
        }
        self.builder.read(position, record, leader_epoch);
        slot.read(record.offset, leader_epoch);
        true
    }

    /// Appends what a record is in each of its tables, or none of it. `false`: a table lacks columns.
    fn append_all(
        &mut self,
        position: usize,
        record: &RawRecord<'_>,
        found: &[(OwnedRecord, usize)],
    ) -> bool {
        let rejected_before = self.builder.reject_count();
        for (index, (whole, topic)) in found.iter().enumerate() {
            let Some(TopicState::Ready(mapper)) = self.topics.get_mut(*topic) else {
                return false;
            };
            let target = Arc::clone(mapper.target());
            let appended =
                self.builder
                    .append(position, *topic, &target, record, |origin, rows| {
                        mapper.map(record, Some(whole), origin, rows)
                    });
            let fails = appended.is_err() || self.builder.reject_count() > rejected_before;
            if fails && index > 0 {
                self.builder.take_back(position, record.offset);
            }
            if let Err(columns) = appended {
                self.lack(*topic, columns);
                return false;
            }
            if fails {
                break;
            }
        }
        true
    }

    /// What the first waiting record needs, by the topic that it is transformed to.
    pub(super) fn request_transformed_table(&mut self, slots: &mut Slots) -> Option<Request> {
        let transforms = self.transforms.as_mut()?;
        // All schemas are asked for at once.
        let mut ready = true;
        for held in self.held_back.iter().take(SAMPLE_RECORDS_MAX) {
            ready &= transforms.decoder.is_ready(&held.record("", 0));
        }
        self.awaits_schemas = !ready;
        if !ready {
            return None;
        }
        // What fails or is dropped was not held back, and is again accounted for in the replay.
        let sampled = self.held_back.iter().take(SAMPLE_RECORDS_MAX);
        let waiting = sampled.filter_map(|held| {
            let key = &slots.get(held.slot)?.key;
            let raw = held.record(&key.topic, key.partition);
            transforms.apply(&raw).ok()
        });
        let waiting: Vec<OwnedRecord> = waiting.flatten().collect();
        transforms.stuck = false;
        // Of a record that goes to several tables, some may be known already.
        let first = waiting.iter().find(|record| {
            let index = slots.known_topic(&record.topic);
            let state = index.and_then(|index| self.topics.get(index));
            !matches!(state, Some(TopicState::Ready(_)))
        });
        let topic = Arc::clone(&first?.topic);
        let mut sample = waiting;
        sample.retain(|record| record.topic == topic);
        let index = slots.topic_index(&topic);
        match std::mem::replace(self.topic(index), TopicState::Unknown) {
            TopicState::Unknown => Some(Request::Table(TableRequest::Describe(topic))),
            TopicState::Missing => {
                let design = map::infer::table_of_owned(&topic, &sample, &self.config.sink);
                self.wanted(index, topic, Some(design))
            }
            TopicState::Lacking(mapper, columns) => {
                *self.topic(index) = TopicState::Evolving(mapper);
                Some(Request::Table(TableRequest::Evolve(topic, columns)))
            }
            other => {
                *self.topic(index) = other;
                None
            }
        }
    }
}
