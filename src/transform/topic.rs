//! `RegexRouter` and `TimestampRouter`, and the predicate `TopicNameMatches`: what changes or asks
//! for the topic's name, and so chooses the table.

use super::date_format::DateFormat;
use super::java_regex::{JavaRegex, Replacement};
use super::{Applied, Fault, Predicate, Transform, fault, moment, now};
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::OwnedRecord;

/// `RegexRouter`: a topic whose whole name matches gets another one.
#[derive(Debug)]
pub(super) struct RegexRouter {
    regex: JavaRegex,
    replacement: Replacement,
}

impl RegexRouter {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let pattern = options.text(&keys::ROUTER_REGEX).unwrap_or_default();
        let regex = JavaRegex::compile(pattern).map_err(fault(&keys::ROUTER_REGEX))?;
        let replacement = options.text(&keys::ROUTER_REPLACEMENT).unwrap_or_default();
        let replacement = regex
            .replacement(replacement)
            .map_err(fault(&keys::ROUTER_REPLACEMENT))?;
        Ok(Self { regex, replacement })
    }
}

impl Transform for RegexRouter {
    fn apply(&mut self, mut record: OwnedRecord) -> Applied {
        if let Some(topic) = self.regex.replace(&record.topic, &self.replacement) {
            record.topic = topic.into();
        }
        Ok(Some(record))
    }
}

/// `TimestampRouter`: the record's time becomes a part of the topic's name.
#[derive(Debug)]
pub(super) struct TimestampRouter {
    topic_format: String,
    format: DateFormat,
}

impl TimestampRouter {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let key = &keys::ROUTER_TIMESTAMP_FORMAT;
        let pattern = options.text(key).unwrap_or_default();
        Ok(Self {
            topic_format: options
                .text(&keys::ROUTER_TOPIC_FORMAT)
                .unwrap_or_default()
                .to_owned(),
            format: DateFormat::compile(pattern, now()).map_err(fault(key))?,
        })
    }
}

impl Transform for TimestampRouter {
    fn apply(&mut self, mut record: OwnedRecord) -> Applied {
        let millis = record
            .timestamp_ms
            .ok_or("Timestamp missing on record: TimestampRouter needs the record's time")?;
        let time = self.format.format(moment::from_scaled(millis, 1_000));
        record.topic = self
            .topic_format
            .replace("${topic}", &record.topic)
            .replace("${timestamp}", &time)
            .into();
        Ok(Some(record))
    }
}

/// `TopicNameMatches`: whether the whole name of the topic, as transforms made it, matches.
#[derive(Debug)]
pub(super) struct TopicNameMatches {
    regex: JavaRegex,
}

impl TopicNameMatches {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let key = &keys::TOPIC_PATTERN;
        let pattern = options.text(key).unwrap_or_default();
        Ok(Self {
            regex: JavaRegex::compile(pattern).map_err(fault(key))?,
        })
    }
}

impl Predicate for TopicNameMatches {
    fn holds(&self, record: &OwnedRecord) -> bool {
        self.regex.matches(&record.topic)
    }
}
