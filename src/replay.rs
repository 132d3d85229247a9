//! Dead letters through the connector again, once what was wrong has been mended; each once.
//!
//! A letter is read back from the dead letter topic or table, decoded, transformed and mapped by
//! the connector's config as it is now, and written. The connector may run meanwhile: its positions
//! are not touched, and no task takes part, so any worker can do it.
//!
//! # Why a letter is stored once
//!
//! To the database a letter is *a partition of one record*. It has a row of its own in the progress
//! table, under the cluster's name with `/replay` behind it: topic `orders/3`, partition 17 for the
//! record of partition 3 at offset 17. That row is claimed and moved by the same compare-and-set,
//! in the same transaction as the record's row, as positions are ([`rowdock_connectors`]). So
//! everything holds that holds for positions: of two replays at a time one writes; one that was
//! frozen or cut off writes nothing; and whether an unanswered commit happened is what the next
//! claim says. Nothing about it is new to the sinks.
//!
//! The row moves from 0 to a number that is made of the record's bytes. A topic that was deleted and
//! made anew has other records at the same coordinates: such a letter is told
//! ([`Outcome::OtherRecord`]) and neither stored nor taken for the one that was.
//!
//! # What is refused
//!
//! An old record that is written late stands where a newer row stood. So a replay into upserts needs
//! `upsert.guard.field`, by which the newer row stays, or the caller's word ([`Request::force`]);
//! likewise where letters may delete. A letter at whose record the task ended is not sent either, for that
//! record is read again. Into Cassandra nothing is replayed: it has no transactions. Letters that are rejected again stay what they are: they are
//! reported with their reason, and nothing is sent to the dead letters twice.
//!
//! # One call
//!
//! A call reads on for [`CALL_TIME_MAX`] and then says where to go on ([`Report::after`]); nothing is
//! kept between calls. To repeat a call is always safe.
//!
//! * [`request`]: which letters, and what became of them. Pure.
//! * [`once`]: a batch of partitions into one of single records. Pure.
//! * [`source`]: letters out of the topic, or the table.
//! * [`pass`]: letters through the pipeline into the database.
//! * [`remote`]: a worker asked to do it, call after call: the command line's half.

pub mod once;
pub mod pass;
pub mod remote;
pub mod report;
pub mod request;
pub mod source;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rowdock_connectors::{PartitionKey, SinkError, WriteMode};

use crate::config::connector::{ConnectorConfig, Delivery, SinkClass, SinkKeys};
use crate::deadletter::Letter;
use crate::offsets::{Kafka, OffsetsError, Positions};
use once::{LetterId, NOT_STORED};
use pass::Pass;
pub use report::{Listed, Outcome, Report};
pub use request::{Place, Request};
use source::Source;

/// After this long a call answers and says where to go on: well within the time that a request to
/// the worker may take.
pub const CALL_TIME_MAX: Duration = Duration::from_secs(40);

/// Behind the cluster's name: apart from the positions of every connector, since a cluster's id has no
/// such character.
const SCOPE_SUFFIX: &str = "/replay";

/// Why a letter is not sent without force.
const READ_AGAIN: &str = "the task ended at this record and reads it again when it is started again: to send \
     the letter would store it twice; where the position was set behind it instead, send it with force";

/// Why letters do not go into Cassandra again.
const NO_TRANSACTIONS: &str = "cassandra has no transaction for a letter's row and its position, so a \
     replay cannot store each once: produce the records again, after the mending";

/// A replay of one connector's letters.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The connector, and its Kafka clients.
    pub positions: Positions,
    /// Who claims, for people: the worker.
    pub worker_id: String,
}

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// What was asked for is not possible.
    #[error("{0}")]
    Refused(String),
    /// Kafka or the database does not answer, or refuses.
    #[error("{0}")]
    Failed(String),
}

impl From<SinkError> for ReplayError {
    fn from(error: SinkError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<OffsetsError> for ReplayError {
    fn from(error: OffsetsError) -> Self {
        match error {
            OffsetsError::Refused(reason) => Self::Refused(reason),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl Replay {
    /// Sends the letters that the request chooses.
    ///
    /// # Errors
    /// When the request cannot be done, or not now. What was stored before that stays stored, and is
    /// not stored again when the call is repeated.
    pub async fn run(&self, request: &Request) -> Result<Report, ReplayError> {
        let until = Instant::now() + CALL_TIME_MAX;
        let selection = request.selection().map_err(ReplayError::Refused)?;
        let config = &self.positions.config;
        let place = place(config, request.place)?;
        if config.class == SinkClass::Cassandra {
            return Err(ReplayError::Refused(NO_TRANSACTIONS.to_owned()));
        }
        if !request.force
            && !request.dry_run
            && let Some(risk) = risk(&config.sink)
        {
            return Err(ReplayError::Refused(risk));
        }
        let kafka = Kafka::open(&self.positions)?;
        let mut pass = self.pass(kafka.cluster_id().await?).await?;
        let mut source = Source::open(config, place, kafka, request.after.clone()).await?;
        let mut report = Report::new(place, request.dry_run);
        let sent_before = match request.dry_run {
            true => Some(pass.sent_before().await?),
            false => None,
        };
        while let Some(chunk) = source.next(&mut pass).await? {
            report.read += chunk.read;
            for (listed, reason) in chunk.unknown {
                report.unusable(listed, reason);
            }
            let chosen = chunk.letters.into_iter();
            let chosen: Vec<Letter> = chosen.filter(|letter| selection.wants(letter)).collect();
            report.chosen += chosen.len() as u64;
            let sent = sendable(chosen, request.force, &mut report);
            let letters = without_repetitions(sent, &mut report);
            match &sent_before {
                Some(sent_before) => would_send(&letters, sent_before, &mut report),
                None => send(&mut pass, &letters, &mut report).await?,
            }
            report.after = Some(source.cursor());
            if until <= Instant::now() {
                return Ok(report);
            }
        }
        report.complete = true;
        pass.close().await;
        self.tell(&report);
        Ok(report)
    }

    async fn pass(&self, cluster_id: String) -> Result<Pass, ReplayError> {
        // Each once, whatever the connector itself promises.
        let config = ConnectorConfig {
            delivery: Delivery::ExactlyOnce,
            ..(*self.positions.config).clone()
        };
        let scope = format!("{cluster_id}{SCOPE_SUFFIX}");
        let sessions = &self.positions.sessions;
        let lease = sessions.lease(&config, scope, "replay").await?;
        if lease.sink().needs_record_times() {
            // A letter has no place in its partition any more, and so no write timestamp.
            let message = "dead letters cannot be replayed into this database: send the records to \
                           their topic again";
            return Err(ReplayError::Refused(message.to_owned()));
        }
        let owner = format!("{}/{}-replay", self.worker_id, config.name);
        Pass::new(Arc::new(config), lease, owner).map_err(ReplayError::Failed)
    }

    fn tell(&self, report: &Report) {
        tracing::info!(
            connector = %self.positions.config.name, dry_run = report.dry_run,
            chosen = report.chosen, stored = report.stored, rejected = report.rejected,
            "dead letters were replayed"
        );
    }
}

/// Where letters are read: where the request says, else the table, which has each once.
fn place(config: &ConnectorConfig, wanted: Option<Place>) -> Result<Place, ReplayError> {
    let errors = &config.errors;
    let refused = |key: &str| ReplayError::Refused(format!("the connector names no {key}"));
    match wanted {
        Some(Place::Table) if errors.dead_letter_table.is_none() => {
            Err(refused("errors.deadletterqueue.table"))
        }
        Some(Place::Topic) if errors.dead_letter.is_none() => {
            Err(refused("errors.deadletterqueue.topic.name"))
        }
        Some(place) => Ok(place),
        None if errors.dead_letter_table.is_some() => Ok(Place::Table),
        None if errors.dead_letter.is_some() => Ok(Place::Topic),
        None => Err(refused("dead letter topic or table")),
    }
}

/// What an old record may do to newer rows.
fn risk(keys: &SinkKeys) -> Option<String> {
    let replaces = matches!(keys.insert_mode, WriteMode::Upsert | WriteMode::Update);
    let what = if replaces && keys.guard_field.is_none() {
        "insert.mode replaces rows, so an old record would replace a newer row; \
         upsert.guard.field keeps the newer one"
    } else if keys.delete_enabled
        && keys.soft_delete_field.is_none()
        && keys.tombstone_table.is_none()
    {
        "delete.enabled is true, so an old record without a value would delete a newer row"
    } else if keys.truncate_enabled {
        "truncate.enabled is true, so an old change event would empty the table"
    } else {
        return None;
    };
    Some(format!(
        "refused: {what}. With force the letters are sent all the same"
    ))
}

/// Those whose records no task reads again.
fn sendable(letters: Vec<Letter>, force: bool, report: &mut Report) -> Vec<Letter> {
    let (read_again, sent): (Vec<Letter>, Vec<Letter>) = letters
        .into_iter()
        .partition(|letter| letter.ended_task && !force);
    for letter in &read_again {
        report.unusable(Listed::of(letter), READ_AGAIN.to_owned());
    }
    sent
}

/// A topic may hold a letter several times.
fn without_repetitions(letters: Vec<Letter>, report: &mut Report) -> Vec<Letter> {
    let mut seen = HashMap::new();
    let mut kept = Vec::with_capacity(letters.len());
    for letter in letters {
        let id = match LetterId::of(&letter) {
            Ok(id) => id,
            Err(reason) => {
                report.unusable(Listed::of(&letter), reason);
                continue;
            }
        };
        match seen.get(&id.key) {
            None => {
                seen.insert(id.key, id.content);
                kept.push(letter);
            }
            Some(content) if *content == id.content => report.repeated += 1,
            Some(_) => report.count(&letter, Outcome::OtherRecord),
        }
    }
    kept
}

fn would_send(letters: &[Letter], sent_before: &HashMap<PartitionKey, i64>, report: &mut Report) {
    for letter in letters {
        let Ok(id) = LetterId::of(letter) else {
            continue;
        };
        match id.stored(sent_before.get(&id.key).copied().unwrap_or(NOT_STORED)) {
            None => report.would_send(letter),
            Some(outcome) => report.count(letter, outcome),
        }
    }
}

async fn send(pass: &mut Pass, letters: &[Letter], report: &mut Report) -> Result<(), ReplayError> {
    let stored_so_far = report.stored;
    let outcomes = pass.send(letters).await.map_err(|error| {
        ReplayError::Failed(format!(
            "{error}; {stored_so_far} letters were stored by this call before that, and will not be \
             stored again when it is repeated"
        ))
    })?;
    for (letter, outcome) in letters.iter().zip(outcomes) {
        report.count(letter, outcome);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
