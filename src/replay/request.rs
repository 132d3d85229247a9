//! Which letters are sent. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rowdock_connectors::LetterKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::deadletter::Letter;

/// Which dead letters are sent through the connector again.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// All of them. Without it, at least one of the others must choose.
    pub all: bool,
    /// By coordinates of the record: `TOPIC`, `TOPIC:PARTITION`, `TOPIC:PARTITION:OFFSET` or
    /// `TOPIC:PARTITION:FIRST-LAST`.
    pub records: Vec<String>,
    /// By the stage that refused it: `KEY_CONVERTER`, `VALUE_CONVERTER`, `HEADER_CONVERTER`,
    /// `TRANSFORMATION` or `TASK_PUT`.
    pub stage: Option<String>,
    /// By words of its reason.
    pub reason: Option<String>,
    /// Records of this time or later, in RFC 3339.
    pub from_time: Option<String>,
    /// Records before this time, in RFC 3339.
    pub to_time: Option<String>,
    /// Where letters are read; not given: the dead letter table if there is one, else the topic.
    pub place: Option<Place>,
    /// Only say what would be sent.
    pub dry_run: bool,
    /// Send although old records may replace or delete newer rows.
    pub force: bool,
    /// Go on where the answer before ended: its `after`.
    pub after: Option<Cursor>,
}

/// Where dead letters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In the dead letter topic.
    Topic,
    /// In the dead letter table.
    Table,
}

/// How far letters were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cursor {
    /// Next offset of each partition of the dead letter topic.
    Topic(BTreeMap<i32, i64>),
    /// Coordinates of the last one of the table.
    Table {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Offset.
        offset: i64,
    },
}

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    records: Vec<Records>,
    stage: Option<String>,
    reason: Option<String>,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
}

/// Records by their coordinates.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Records {
    topic: String,
    partition: Option<i32>,
    offsets: Option<(i64, i64)>,
}

const STAGES: [&str; 5] = [
    "KEY_CONVERTER",
    "VALUE_CONVERTER",
    "HEADER_CONVERTER",
    "TRANSFORMATION",
    "TASK_PUT",
];

impl Request {
    /// What it chooses.
    ///
    /// # Errors
    /// Says what cannot be understood.
    pub fn selection(&self) -> Result<Selection, String> {
        if let Some(stage) = &self.stage
            && !STAGES.contains(&stage.as_str())
        {
            return Err(format!("stage must be one of {}", STAGES.join(", ")));
        }
        let records = self.records.iter().map(|text| records(text));
        let selection = Selection {
            records: records.collect::<Result<_, _>>()?,
            stage: self.stage.clone(),
            reason: self.reason.clone(),
            from_ms: self.from_time.as_deref().map(millis).transpose()?,
            to_ms: self.to_time.as_deref().map(millis).transpose()?,
        };
        let chooses = selection != Selection::everything();
        match (self.all, chooses) {
            (true, false) | (false, true) => Ok(selection),
            (true, true) => Err("all cannot go with other choices".to_owned()),
            (false, false) => Err(
                "choose letters by records, stage, reason, from_time or to_time, or say all"
                    .to_owned(),
            ),
        }
    }
}

impl Selection {
    fn everything() -> Self {
        Self {
            records: Vec::new(),
            stage: None,
            reason: None,
            from_ms: None,
            to_ms: None,
        }
    }

    /// Whether this letter is chosen. One without a time is not chosen by time.
    pub fn wants(&self, letter: &Letter) -> bool {
        let by_record = self.records.is_empty() || self.records.iter().any(|one| one.has(letter));
        let by_stage = self
            .stage
            .as_ref()
            .is_none_or(|stage| *stage == letter.stage);
        let by_reason = self
            .reason
            .as_ref()
            .is_none_or(|words| letter.reason.contains(words));
        let since = |from| letter.timestamp_ms.is_some_and(|time| time >= from);
        let before = |to| letter.timestamp_ms.is_some_and(|time| time < to);
        let by_time = self.from_ms.is_none_or(since) && self.to_ms.is_none_or(before);
        by_record && by_stage && by_reason && by_time
    }
}

impl Records {
    fn has(&self, letter: &Letter) -> bool {
        let within = |(first, last)| (first..=last).contains(&letter.offset);
        *self.topic == *letter.topic
            && self
                .partition
                .is_none_or(|partition| partition == letter.partition)
            && self.offsets.is_none_or(within)
    }
}

/// Topics' names have no colon.
fn records(text: &str) -> Result<Records, String> {
    let misread = || {
        format!(
            "\"{text}\" is not TOPIC, TOPIC:PARTITION, TOPIC:PARTITION:OFFSET or \
             TOPIC:PARTITION:FIRST-LAST"
        )
    };
    let mut parts = text.split(':');
    let topic = parts.next().filter(|topic| !topic.is_empty());
    let partition = match parts.next() {
        Some(part) => Some(
            part.parse()
                .ok()
                .filter(|part| *part >= 0)
                .ok_or_else(misread)?,
        ),
        None => None,
    };
    let offsets = parts.next().map(|part| offsets(part).ok_or_else(misread));
    if parts.next().is_some() {
        return Err(misread());
    }
    Ok(Records {
        topic: topic.ok_or_else(misread)?.to_owned(),
        partition,
        offsets: offsets.transpose()?,
    })
}

fn offsets(text: &str) -> Option<(i64, i64)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (0 <= first && first <= last).then_some((first, last))
}

fn millis(text: &str) -> Result<i64, String> {
    let time = DateTime::parse_from_rfc3339(text)
        .map_err(|_| format!("\"{text}\" is no time in RFC 3339, such as 2026-11-27T08:00:00Z"))?;
    Ok(time.with_timezone(&Utc).timestamp_millis())
}

impl From<&LetterKey> for Cursor {
    fn from(key: &LetterKey) -> Self {
        Self::Table {
            topic: key.topic.clone(),
            partition: key.partition,
            offset: key.offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(topic: &str, partition: i32, offset: i64) -> Letter {
        Letter {
            topic: topic.into(),
            partition,
            offset,
            stage: "TASK_PUT".to_owned(),
            reason: "column n is too small".to_owned(),
            timestamp_ms: Some(1_000),
            key: None,
            value: None,
            headers: Vec::new(),
            ended_task: false,
        }
    }

    fn parsed(text: &str) -> Result<Selection, String> {
        let request: Request = serde_json::from_str(text).map_err(|error| error.to_string())?;
        request.selection()
    }

    #[test]
    fn letters_are_chosen() {
        let check = |request: &str, chosen: Letter, expected: bool| {
            let selection = parsed(request).unwrap();
            assert_eq!(selection.wants(&chosen), expected, "{request} {chosen:?}");
        };
        let any = || letter("t", 3, 17);
        check(r#"{"all":true}"#, any(), true);
        check(r#"{"records":["t"]}"#, any(), true);
        check(r#"{"records":["u","t:3"]}"#, any(), true);
        check(r#"{"records":["t:2"]}"#, any(), false);
        check(r#"{"records":["t:3:17"]}"#, any(), true);
        check(r#"{"records":["t:3:10-17"]}"#, any(), true);
        check(r#"{"records":["t:3:18-20"]}"#, any(), false);
        check(r#"{"stage":"TASK_PUT"}"#, any(), true);
        check(r#"{"stage":"KEY_CONVERTER"}"#, any(), false);
        check(r#"{"stage":"TASK_PUT","records":["u"]}"#, any(), false);
        check(r#"{"reason":"too small"}"#, any(), true);
        check(r#"{"reason":"too large"}"#, any(), false);
        check(r#"{"from_time":"1970-01-01T00:00:01Z"}"#, any(), true);
        check(r#"{"to_time":"1970-01-01T01:00:01+01:00"}"#, any(), false);
        let timeless = Letter {
            timestamp_ms: None,
            ..any()
        };
        check(r#"{"from_time":"1970-01-01T00:00:00Z"}"#, timeless, false);
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for request in [
            "{}",
            r#"{"all":true,"records":["t"]}"#,
            r#"{"records":[""]}"#,
            r#"{"records":["t:x"]}"#,
            r#"{"records":["t:-1"]}"#,
            r#"{"records":["t:1:5-4"]}"#,
            r#"{"records":["t:1:5:6"]}"#,
            r#"{"stage":"put"}"#,
            r#"{"from_time":"yesterday"}"#,
            r#"{"everything":true}"#,
            r#"{"all":true,"place":"queue"}"#,
        ] {
            assert!(parsed(request).is_err(), "{request}");
        }
    }

    #[test]
    fn a_cursor_comes_back_as_it_was_given() {
        for cursor in [
            Cursor::Topic(BTreeMap::from([(0, 7), (1, 0)])),
            Cursor::from(&LetterKey {
                topic: "t".to_owned(),
                partition: 3,
                offset: 17,
            }),
        ] {
            let text = serde_json::to_string(&cursor).unwrap();
            assert_eq!(serde_json::from_str::<Cursor>(&text).unwrap(), cursor);
        }
    }
}
