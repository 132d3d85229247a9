//! Reads: answered from memory, once that has caught up with the end of the log.
//!
//! What anybody has acknowledged before a read was asked stands before the end that Kafka tells
//! *after* the read was asked. So each read waits for an end that was asked for after it came, and
//! reads that come meanwhile share the next question: one question at a time, whatever the load.
//! When Kafka does not answer, reads are answered from memory at once until it does again.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{info, warn};

use super::Control;
use crate::cluster::handle::ClusterError;
use crate::cluster::tasks::StartTask;
use crate::cluster::view::ConnectorView;

/// How long a read may wait to catch up; then it is answered from memory.
const CATCH_UP_MAX: Duration = Duration::from_secs(2);
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
    probe_at: Option<Instant>,
    /// The write that is under way wants to know the end as well, by the next question.
    pub(super) for_write: bool,
    /// The question that was asked is for the write too.
    asked_for_write: bool,
}

impl Reads {
    pub(super) fn unreachable(&self) -> Option<&str> {
        self.unreachable.as_deref()
    }

    /// The write that wanted to know the end is given up: the next one asks for itself.
    pub(super) fn forget_write(&mut self) {
        self.for_write = false;
        self.asked_for_write = false;
    }
}

impl<S: StartTask> Control<S> {
    pub(super) fn read(&mut self, read: Read) {
        if self.reads.unreachable.is_some() {
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
        match end {
            Ok(end) => {
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
