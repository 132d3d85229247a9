//! What became of letters that were sent. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::request::{Cursor, Place};
use crate::deadletter::Letter;
use crate::record::RecordError;

/// So many letters are named in an answer; the others are counted.
pub const LISTED_MAX: usize = 1000;

/// What a call has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// Where letters were read.
    pub place: Place,
    /// Nothing was sent.
    pub dry_run: bool,
    /// All letters were looked at. Else the call is to be repeated with `after`.
    pub complete: bool,
    /// How far letters were read.
    pub after: Option<Cursor>,
    /// Letters of this connector that were read.
    pub read: u64,
    /// Those of them that the request chooses.
    pub chosen: u64,
    /// Stored now.
    pub stored: u64,
    /// Left out by a transform, for good.
    pub filtered: u64,
    /// Stored by an earlier replay.
    pub replayed_before: u64,
    /// Copies of a letter that was counted already.
    pub repeated: u64,
    /// Refused again; they are dead letters still.
    pub rejected: u64,
    /// Letters that cannot be sent.
    pub unusable: u64,
    /// Dry run: letters that would be sent.
    pub would_send: u64,
    /// Those that were rejected, are unusable or would be sent; the first 1000.
    pub letters: Vec<Listed>,
}

/// A letter in a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Listed {
    /// `rejected`, `unusable` or `would_send`.
    pub outcome: String,
    /// Topic of its record; none when that is unknown.
    pub topic: Option<String>,
    /// Partition of its record.
    pub partition: Option<i32>,
    /// Offset of its record.
    pub offset: Option<i64>,
    /// The stage that refused it.
    pub stage: Option<String>,
    /// Why.
    pub reason: String,
}

/// What became of a letter that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its row is there.
    Stored,
    /// A transform leaves it out.
    Filtered,
    /// An earlier replay stored it.
    ReplayedBefore,
    /// An earlier replay stored another record with these coordinates.
    OtherRecord,
    /// It cannot be stored.
    Rejected(RecordError),
}

impl Report {
    /// Of a call that has done nothing yet.
    pub fn new(place: Place, dry_run: bool) -> Self {
        Self {
            place,
            dry_run,
            complete: false,
            after: None,
            read: 0,
            chosen: 0,
            stored: 0,
            filtered: 0,
            replayed_before: 0,
            repeated: 0,
            rejected: 0,
            unusable: 0,
            would_send: 0,
            letters: Vec::new(),
        }
    }

    /// Counts a letter that was sent.
    pub fn count(&mut self, letter: &Letter, outcome: Outcome) {
        match outcome {
            Outcome::Stored => self.stored += 1,
            Outcome::Filtered => self.filtered += 1,
            Outcome::ReplayedBefore => self.replayed_before += 1,
            Outcome::OtherRecord => {
                let reason = "an earlier replay stored another record with these coordinates: the \
                              topic was deleted and made anew in between; it is not sent";
                self.unusable(Listed::of(letter), reason.to_owned());
            }
            Outcome::Rejected(error) => {
                self.rejected += 1;
                self.list(Listed {
                    outcome: "rejected".to_owned(),
                    stage: Some(error.stage.to_string()),
                    reason: error.reason,
                    ..Listed::of(letter)
                });
            }
        }
    }

    /// Counts a letter that cannot be sent.
    pub fn unusable(&mut self, listed: Listed, reason: String) {
        self.unusable += 1;
        self.list(Listed {
            outcome: "unusable".to_owned(),
            reason,
            ..listed
        });
    }

    /// Counts a letter that a real run would send.
    pub fn would_send(&mut self, letter: &Letter) {
        self.would_send += 1;
        self.list(Listed {
            outcome: "would_send".to_owned(),
            ..Listed::of(letter)
        });
    }

    /// Adds what a later call has done.
    pub fn add(&mut self, later: Self) {
        self.complete = later.complete;
        self.after = later.after;
        self.read += later.read;
        self.chosen += later.chosen;
        self.stored += later.stored;
        self.filtered += later.filtered;
        self.replayed_before += later.replayed_before;
        self.repeated += later.repeated;
        self.rejected += later.rejected;
        self.unusable += later.unusable;
        self.would_send += later.would_send;
        for listed in later.letters {
            self.list(listed);
        }
    }

    fn list(&mut self, listed: Listed) {
        if self.letters.len() < LISTED_MAX {
            self.letters.push(listed);
        }
    }
}

impl Listed {
    /// A letter with the reason for which it became one.
    pub fn of(letter: &Letter) -> Self {
        Self {
            outcome: String::new(),
            topic: Some(letter.topic.to_string()),
            partition: Some(letter.partition),
            offset: Some(letter.offset),
            stage: Some(letter.stage.clone()),
            reason: letter.reason.clone(),
        }
    }
}

/// For people: what was done, in a line.
impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} letters read, {} chosen: ",
            self.read, self.chosen
        )?;
        let counts = [
            (self.would_send, "would be sent"),
            (self.stored, "stored"),
            (self.filtered, "left out by transforms"),
            (self.rejected, "rejected again"),
            (self.replayed_before, "replayed before"),
            (self.repeated, "copies"),
            (self.unusable, "unusable"),
        ];
        let mut told = counts.iter().filter(|(count, _)| *count > 0).peekable();
        if told.peek().is_none() {
            return formatter.write_str("nothing to do");
        }
        while let Some((count, what)) = told.next() {
            let end = if told.peek().is_some() { ", " } else { "" };
            write!(formatter, "{count} {what}{end}")?;
        }
        Ok(())
    }
}

/// For people: a letter, in a line.
impl fmt::Display for Listed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.outcome)?;
        if let (Some(topic), Some(partition), Some(offset)) =
            (&self.topic, self.partition, self.offset)
        {
            write!(formatter, " {topic}:{partition}:{offset}")?;
        }
        if let Some(stage) = &self.stage {
            write!(formatter, " {stage}")?;
        }
        write!(formatter, ": {}", self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(offset: i64) -> Letter {
        Letter {
            topic: "t".into(),
            partition: 0,
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

    #[test]
    fn reports_are_summed_and_name_a_bounded_number() {
        let mut report = Report::new(Place::Topic, false);
        for offset in 0..LISTED_MAX + 10 {
            let offset = i64::try_from(offset).unwrap();
            report.count(&letter(offset), Outcome::OtherRecord);
        }
        let mut later = Report::new(Place::Topic, false);
        later.count(&letter(1), Outcome::Stored);
        later.complete = true;
        report.add(later);
        assert_eq!(report.letters.len(), LISTED_MAX);
        assert_eq!((report.unusable, report.stored), (1010, 1));
        assert!(report.complete);
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
