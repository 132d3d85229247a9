//! Reads: answered from memory, once that has caught up with the end of the log.
//!
//! What anybody has acknowledged before a read was asked stands before the end that Kafka tells
//! *after* the read was asked. So each read waits for an end that was asked for after it came, and
//! reads that come meanwhile share the next question: one question at a time, whatever the load.
//! When Kafka does not answer, reads are answered from memory at once until it does again.
//!
//! **A log only grows.** One that ends before what was read of it was made anew, or has lost its end: it
//! does not tell what is any more, and versions in it are not what they were. Then reads are answered from
//! memory, and nothing is written to it, until a person has decided what is to be.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::Control;
use crate::cluster::handle::ClusterError;
use crate::cluster::log::tail::Tailed;
use crate::cluster::tasks::StartTask;
use crate::cluster::view::ConnectorView;

/// How long a read may wait to catch up; then it is answered from memory.
const CATCH_UP_MAX: Duration = Duration::from_secs(2);
/// How long the config topic may be known to go on further than it was read. Fetches that do not arrive are
/// no error to Kafka's client.
const BEHIND_MAX: Duration = Duration::from_secs(15);
/// How often Kafka is asked whether it answers again.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// A read, and whom to answer.
pub(super) enum Read {
    One(
        String,
        oneshot::Sender<Result<Option<ConnectorView>, ClusterError>>,
    ),
    All(oneshot::Sender<Result<BTreeMap<String, ConnectorView>, ClusterError>>),
}

/// Reads that wait.
#[derive(Default)]
pub(super) struct Reads {
    /// For the next question.
    fresh: Vec<(Read, Instant)>,
    /// For the answer to the question that was asked.
    asked: Option<Vec<(Read, Instant)>>,
    /// For the log to be read up to there.
    waiting: Vec<(Read, Instant, i64)>,
    /// Kafka does not answer, for this reason.
    unreachable: Option<String>,
    /// The log is not the one that was read any more, and what to do. For good: what it has by now may
    /// end where the other did.
    lost: Option<String>,
    probe_at: Option<Instant>,
    /// An end that the log has been known to have since then, and that was not read up to when it was told.
    ahead: Option<(i64, Instant)>,
    /// The write that is under way wants to know the end as well, by the next question.
    pub(super) for_write: bool,
    /// The question that was asked is for the write too.
    asked_for_write: bool,
}

impl Reads {
    /// Why the log does not tell what is.
    pub(super) fn unreachable(&self) -> Option<&str> {
        self.lost().or(self.unreachable.as_deref())
    }

    pub(super) fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// The write that wanted to know the end is given up: the next one asks for itself.
    pub(super) fn forget_write(&mut self) {
        self.for_write = false;
        self.asked_for_write = false;
    }
}

impl<S: StartTask> Control<S> {
    pub(super) fn read(&mut self, read: Read) {
        if self.reads.unreachable().is_some() {
            self.answer_read(read);
            return;
        }
        self.reads.fresh.push((read, Instant::now() + CATCH_UP_MAX));
        self.ask_for_end();
    }

    /// Asks for the end of the log, unless the question is on its way.
    pub(super) fn ask_for_end(&mut self) {
        if self.reads.asked.is_some() {
            return;
        }
        let Some(links) = &self.links else {
            return;
        };
        self.reads.asked = Some(std::mem::take(&mut self.reads.fresh));
        self.reads.asked_for_write = std::mem::take(&mut self.reads.for_write);
        links.ask_for_end();
    }

    pub(super) fn take_end(&mut self, end: Result<i64, String>) {
        let asked = self.reads.asked.take().unwrap_or_default();
        // It may be that of a broker that has just become the leader: only what is read is believed.
        let end = end.and_then(|end| match end < self.position {
            true => Err(self.lost_log(end)),
            false => Ok(end),
        });
        match end {
            Ok(end) => {
                self.note_end(end);
                if self.reads.unreachable.take().is_some() {
                    info!("kafka answers again");
                }
                let waiting = asked.into_iter().map(|(read, until)| (read, until, end));
                self.reads.waiting.extend(waiting);
                if std::mem::take(&mut self.reads.asked_for_write) {
                    self.write_learns_end(end);
                }
                self.serve_reads();
                if !self.reads.fresh.is_empty() || self.reads.for_write {
                    self.ask_for_end();
                }
            }
            Err(reason) => {
                if self.reads.unreachable.is_none() {
                    warn!(
                        reason,
                        "kafka does not answer; reads are answered from memory"
                    );
                }
                self.reads.unreachable = Some(reason);
                self.reads.for_write |= std::mem::take(&mut self.reads.asked_for_write);
                self.reads.probe_at = Some(Instant::now() + PROBE_INTERVAL);
                let fresh = std::mem::take(&mut self.reads.fresh);
                for (read, _) in asked.into_iter().chain(fresh) {
                    self.answer_read(read);
                }
            }
        }
    }

    /// Looks whether what was read now can be of the log that was read before. `false`: it cannot, and
    /// nothing of it must be taken in.
    pub(super) fn is_same_log(&mut self, tailed: &Tailed) -> bool {
        let first = tailed.records.first().map(|record| record.version);
        let first = first.map_or(tailed.position, |version| {
            i64::try_from(version).unwrap_or(i64::MAX) - 1
        });
        let end = first.min(tailed.position);
        if self.reads.lost.is_none() && end < self.position {
            let reason = self.lost_log(end);
            error!("{reason}");
            self.reads.lost = Some(reason.clone());
            self.refuse_all(&reason);
            self.answer_all();
        }
        self.reads.lost.is_none()
    }

    fn note_end(&mut self, end: i64) {
        let is_behind = |(known, _): &(i64, Instant)| *known > self.position;
        if self.reads.ahead.as_ref().is_some_and(is_behind) {
            return;
        }
        self.reads.ahead = (end > self.position).then(|| (end, Instant::now()));
    }

    /// What the worker knows is behind what there is, for longer than reading takes.
    pub(super) fn falls_behind(&self) -> Option<String> {
        let (end, since) = self.reads.ahead?;
        let is_late = end > self.position && since.elapsed() > BEHIND_MAX;
        is_late.then(|| {
            format!(
                "the config topic goes up to offset {end}, and was read up to {} only, for {} seconds",
                self.position,
                since.elapsed().as_secs()
            )
        })
    }

    fn lost_log(&self, end: i64) -> String {
        let topic = self.settings.cluster.config_topic.as_deref();
        format!(
            "topic {} was made anew or has lost its end: it goes on at offset {end}, and was read up to {} \
             before. What runs goes on as it was, and no change is taken. Save what GET \
             /connectors?expand=info tells; then restart all workers, which go by what the topic has now, \
             and create what is missing",
            topic.unwrap_or_default(),
            self.position
        )
    }

    fn answer_all(&mut self) {
        let asked = self.reads.asked.iter_mut().flat_map(std::mem::take);
        let fresh = self.reads.fresh.drain(..);
        let waiting = self.reads.waiting.drain(..);
        let all = waiting.map(|(read, _, _)| read);
        let all: Vec<Read> = all
            .chain(fresh.chain(asked).map(|(read, _)| read))
            .collect();
        for read in all {
            self.answer_read(read);
        }
    }

    /// Answers the reads for which enough of the log has been read.
    pub(super) fn serve_reads(&mut self) {
        let now = Instant::now();
        let ready =
            |(_, until, end): &mut (Read, Instant, i64)| *end <= self.position || *until <= now;
        let ready: Vec<_> = self.reads.waiting.extract_if(.., ready).collect();
        for (read, _, _) in ready {
            self.answer_read(read);
        }
    }

    pub(super) fn look_at_reads(&mut self) {
        self.serve_reads();
        let now = Instant::now();
        let late: Vec<_> = self
            .reads
            .fresh
            .extract_if(.., |(_, until)| *until <= now)
            .chain(
                self.reads
                    .asked
                    .iter_mut()
                    .flat_map(|asked| asked.extract_if(.., |(_, until)| *until <= now)),
            )
            .collect();
        for (read, _) in late {
            self.answer_read(read);
        }
        if self.reads.probe_at.is_some_and(|at| at <= now) {
            self.reads.probe_at = None;
            self.ask_for_end();
        }
    }

    fn answer_read(&self, read: Read) {
        // Whoever no longer waits is none of our business: hence `ok`.
        match read {
            Read::One(name, reply) => {
                reply.send(Ok(self.view_of(&name))).ok();
            }
            Read::All(reply) => {
                let all = self.registry.iter();
                let all = all.filter_map(|(name, _)| Some((name.clone(), self.view_of(name)?)));
                reply.send(Ok(all.collect())).ok();
            }
        }
    }
}
