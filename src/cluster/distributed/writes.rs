//! Writes: one after the other, each checked against a log that nobody else can append to.
//!
//! ```text
//!  Preparing ──Ready (fresh)──▶ CatchingUp ──end reached──▶ check ──▶ Committing ──▶ AwaitingOwn ──▶ answer
//!      │ └─────Ready───────────────────────────────────────▶                │
//!      ◀──────────── Fenced, Failed, Unknown: after a growing pause ────────┘
//! ```
//!
//! A commit that was answered may still be invisible for a moment, so a command is answered when
//! all of its own records have been read back, with what was then: others may have changed it again in
//! what is read together with them. That also settles an unknown result: whatever became of it,
//! once the role has been taken over anew and the log has been read to its end, the record is there
//! or never will be.
//!
//! Every change has its time, counted from when it was asked for; then its caller is told why it was
//! not made, whether it was under way or still waited for others. What was refused so is not written
//! later; only a commit that is on its way is not called back, and the answer says so. The write itself
//! ends when the writer's thread has answered: it has one order at a time.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::Control;
use crate::cluster::format::ConfigRecord;
use crate::cluster::handle::{Answer, ClusterError, Command};
use crate::cluster::log::writer::{ToWriterThread, WriterAnswer};
use crate::cluster::tasks::StartTask;
use crate::cluster::view::{ConnectorState, ConnectorView};
use crate::telemetry::LoggerLevel;

/// How long a command may take, with waiting for others. Clients wait a minute and more; a person
/// does not.
pub(super) const COMMAND_TIME_MAX: Duration = Duration::from_secs(20);
/// Pauses between attempts: the first, and the longest. Jittered, so that workers that fence each
/// other do not do it for ever.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long one's own record may take to be read back before the commit is doubted.
const OWN_RECORD_MAX: Duration = Duration::from_secs(5);
/// Commands that wait. Each takes milliseconds; more would only hide that the log is stuck.
const JOBS_MAX: usize = 256;

/// What is to be written, and whom to answer.
pub(super) enum Job {
    Command(Command, oneshot::Sender<Result<Answer, ClusterError>>),
    /// The level of a logger on all workers.
    Logger {
        name: String,
        level: LoggerLevel,
        reply: oneshot::Sender<Result<(), ClusterError>>,
    },
    /// Tasks to be put where they should be.
    Placement,
}

/// A job that waits for those before it.
pub(super) struct Waiting {
    job: Job,
    deadline: Instant,
}

/// A write that is under way.
pub(super) struct Write {
    /// `None` once its caller was told that it took too long.
    job: Option<Job>,
    deadline: Instant,
    request_id: String,
    attempts: u32,
    stage: Stage,
    /// How many records it has, once it was planned, and how many of them have been read.
    records: usize,
    seen: usize,
    /// What it has come to, from the moment when all of them had been read.
    answer: Option<Result<Answer, ClusterError>>,
    /// Its records may stand in the log, unread.
    may_be_written: bool,
    /// The connector before it.
    before: Option<ConnectorView>,
    problem: String,
}

impl Write {
    fn is_seen(&self) -> bool {
        self.records > 0 && self.seen >= self.records
    }
}

enum Stage {
    Preparing,
    /// Up to there, once that is known.
    CatchingUp(Option<i64>),
    Committing,
    AwaitingOwn(Instant),
    Pausing(Instant),
}

impl<S: StartTask> Control<S> {
    pub(super) fn enqueue(&mut self, job: Job) {
        if let Some(reason) = self.reads.lost() {
            return refuse(job, reason);
        }
        if self.jobs.len() >= JOBS_MAX {
            let reason = format!("{JOBS_MAX} changes wait already");
            refuse(job, &reason);
            return;
        }
        let deadline = Instant::now() + COMMAND_TIME_MAX;
        self.jobs.push_back(Waiting { job, deadline });
        self.next_write();
    }

    pub(super) fn has_placement_job(&self) -> bool {
        let under_way = self.write.as_ref().and_then(|write| write.job.as_ref());
        let waiting = self.jobs.iter().map(|waiting| &waiting.job);
        let mut all = waiting.chain(under_way);
        all.any(|job| matches!(job, Job::Placement))
    }

    fn next_write(&mut self) {
        if self.write.is_some() {
            return;
        }
        let Some(Waiting { job, deadline }) = self.jobs.pop_front() else {
            return;
        };
        let refused = self.refused.config.as_deref();
        let in_its_way = self.reads.unreachable().or(refused);
        self.write = Some(Write {
            job: Some(job),
            deadline,
            request_id: Uuid::new_v4().to_string(),
            attempts: 0,
            stage: Stage::Preparing,
            records: 0,
            seen: 0,
            answer: None,
            may_be_written: false,
            before: None,
            problem: in_its_way.unwrap_or("kafka does not answer").to_owned(),
        });
        self.order(ToWriterThread::Prepare);
    }

    fn order(&mut self, order: ToWriterThread) {
        let is_taken = self.links.as_ref().is_some_and(|links| links.order(order));
        if !is_taken {
            self.fail("the thread that writes to the config topic has ended".to_owned());
        }
    }

    pub(super) fn writer_answered(&mut self, answer: WriterAnswer) {
        let is_reachable = self.reads.unreachable().is_none();
        // Others may have written before this moment: whoever is asked next must catch up first.
        if answer == (WriterAnswer::Ready { fresh: true }) {
            self.writer_is_current = false;
        }
        let Some(write) = &mut self.write else {
            return;
        };
        match answer {
            WriterAnswer::Ready { .. } if !matches!(write.stage, Stage::Preparing) => {}
            WriterAnswer::Ready { .. } if self.writer_is_current && is_reachable => {
                self.check_and_commit(false);
            }
            WriterAnswer::Ready { .. } => self.catch_up(),
            WriterAnswer::Committed => {
                write.stage = Stage::AwaitingOwn(Instant::now() + OWN_RECORD_MAX);
                self.look_at_write();
            }
            WriterAnswer::Fenced => {
                debug!("another worker writes; trying again");
                self.pause_write("other workers write at the same time".to_owned());
            }
            WriterAnswer::Failed(reason) => {
                warn!(reason, "change cannot be written now");
                self.pause_write(reason);
            }
            WriterAnswer::Refused(reason) => {
                warn!(reason, "change cannot be written");
                self.refuse_write(reason);
            }
            WriterAnswer::Unknown(reason) => {
                warn!(reason, "it is not known whether the change was written");
                write.may_be_written = true;
                self.pause_write(reason);
            }
        }
    }

    fn catch_up(&mut self) {
        if let Some(write) = &mut self.write {
            write.stage = Stage::CatchingUp(None);
            self.reads.for_write = true;
            self.ask_for_end();
        }
    }

    /// Tries again after a while, if anybody still waits for it.
    fn pause_write(&mut self, problem: String) {
        let Some(write) = &mut self.write else {
            return;
        };
        write.problem = problem;
        if write.job.is_none() {
            return self.abandon_write();
        }
        let pause = PAUSE_FIRST
            .saturating_mul(1 << write.attempts.min(10))
            .min(PAUSE_MAX);
        write.attempts += 1;
        write.stage = Stage::Pausing(Instant::now() + pause.mul_f64(0.5 + fastrand::f64()));
    }

    /// It will not be written, however often it is tried.
    fn refuse_write(&mut self, reason: String) {
        let job = self.write.as_ref().and_then(|write| write.job.as_ref());
        if matches!(job, Some(Job::Placement)) {
            // Until something changes it would be the same again.
            self.unplaced_since = None;
        }
        self.end_write(Some(ClusterError::TooLarge { reason }));
    }

    /// The end of the log, asked for after the role was taken over.
    pub(super) fn write_learns_end(&mut self, end: i64) {
        if let Some(write) = &mut self.write
            && let Stage::CatchingUp(known @ None) = &mut write.stage
        {
            *known = Some(end);
        }
        self.look_at_write();
    }

    /// Takes note of a record that has been taken in, if it is of the write that is under way.
    pub(super) fn note_request(&mut self, request_id: Option<&str>) {
        let Some(write) = &mut self.write else {
            return;
        };
        if request_id != Some(&write.request_id) {
            return;
        }
        write.seen += 1;
        if !write.is_seen() || write.answer.is_some() {
            return;
        }
        let before = write.before.take();
        let Some(Write {
            job: Some(Job::Command(command, _)),
            ..
        }) = &self.write
        else {
            return;
        };
        let answer = self.answer(command, before);
        if let Some(write) = &mut self.write {
            write.answer = Some(answer);
        }
    }

    /// Goes on with the write as far as it can.
    pub(super) fn look_at_write(&mut self) {
        let now = Instant::now();
        self.refuse_late(now);
        let Some(write) = &mut self.write else {
            return;
        };
        match write.stage {
            _ if write.is_seen() && !matches!(write.stage, Stage::Committing) => {
                self.finish_write()
            }
            Stage::CatchingUp(Some(end)) if end <= self.position => {
                // Whatever was written by this one has been read.
                write.may_be_written = false;
                let was_written = write.seen > 0;
                self.writer_is_current = true;
                match was_written {
                    // Compaction has left no more of it.
                    true => self.finish_write(),
                    false => self.check_and_commit(true),
                }
            }
            Stage::AwaitingOwn(until) if until <= now => {
                self.writer_is_current = false;
                write.may_be_written = true;
                self.order(ToWriterThread::Reset);
                self.pause_write("kafka does not show what was written".to_owned());
            }
            Stage::Pausing(until) if until <= now => {
                write.stage = Stage::Preparing;
                self.order(ToWriterThread::Prepare);
            }
            Stage::Preparing
            | Stage::Committing
            | Stage::CatchingUp(_)
            | Stage::AwaitingOwn(_)
            | Stage::Pausing(_) => {}
        }
    }

    /// That nobody else has written meanwhile is told by the commit. Without one it must be read: what is
    /// refused, or changes nothing, is looked at again behind an end of the log that was asked for.
    fn check_and_commit(&mut self, is_caught_up: bool) {
        let Some(mut write) = self.write.take() else {
            return;
        };
        let members = self.staying.clone();
        let planned = match &write.job {
            // Given up meanwhile, before anything was written.
            None => return self.next_write(),
            Some(Job::Command(command, _)) => {
                write.before = self.view_of(command.name());
                self.registry.plan(command, write.before.as_ref(), &members)
            }
            Some(Job::Logger { name, level, .. }) => self.registry.plan_logger(name, *level),
            Some(Job::Placement) => Ok(self.registry.plan_placement(&members)),
        };
        self.write = Some(write);
        match planned {
            Ok(records) if !records.is_empty() => self.commit(records),
            _ if !is_caught_up => self.catch_up(),
            Ok(_) => self.finish_write(),
            Err(error) => self.end_write(Some(error)),
        }
    }

    fn commit(&mut self, records: Vec<ConfigRecord>) {
        let Some(write) = &mut self.write else {
            return;
        };
        write.stage = Stage::Committing;
        write.records = records.len();
        let order = ToWriterThread::Commit {
            records,
            request_id: write.request_id.clone(),
        };
        self.order(order);
    }

    /// The write has taken effect, or there was nothing to do.
    fn finish_write(&mut self) {
        self.end_write(None);
    }

    fn end_write(&mut self, refused: Option<ClusterError>) {
        let Some(write) = self.write.take() else {
            return;
        };
        let job = write.job;
        if let Some(Job::Command(command, reply)) = job {
            let answer = match (refused, write.answer) {
                (Some(error), _) => Err(error),
                (None, Some(answer)) => answer,
                (None, None) => self.answer(&command, write.before),
            };
            if answer.is_ok() {
                info!(
                    connector = command.name(),
                    command = command.verb(),
                    "command carried out"
                );
            }
            // Whoever no longer waits is none of our business.
            reply.send(answer).ok();
        } else if let Some(Job::Logger { reply, .. }) = job {
            reply.send(refused.map_or(Ok(()), Err)).ok();
        }
        self.next_write();
    }

    /// The connector right after the command.
    fn answer(
        &self,
        command: &Command,
        before: Option<ConnectorView>,
    ) -> Result<Answer, ClusterError> {
        let created = before.is_none();
        let Some(mut connector) = self.view_of(command.name()) else {
            let name = command.name().to_owned();
            let connector = before.ok_or(ClusterError::UnknownConnector { name })?;
            return Ok(Answer { connector, created });
        };
        match command {
            Command::Restart { scope, .. } => {
                let was_failed = before.as_ref().is_some_and(ConnectorView::is_failed);
                if was_failed || !scope.only_failed {
                    connector.state = ConnectorState::Restarting;
                }
            }
            // As in Kafka Connect: the tasks that were known before.
            _ => connector.tasks = before.map(|before| before.tasks).unwrap_or_default(),
        }
        Ok(Answer { connector, created })
    }

    /// Answers those whose time is over.
    fn refuse_late(&mut self, now: Instant) {
        let Some(write) = &self.write else {
            return;
        };
        let is_late = write.deadline <= now;
        // They were asked for one after the other, and have the same time.
        while let Some(late) = self.jobs.pop_front_if(|waiting| waiting.deadline <= now) {
            refuse(late.job, &write.problem);
        }
        if is_late {
            self.give_up_write();
        }
    }

    /// Answers everybody who waits for a change, for this reason.
    pub(super) fn refuse_all(&mut self, reason: &str) {
        for waiting in std::mem::take(&mut self.jobs) {
            refuse(waiting.job, reason);
        }
        if let Some(write) = &mut self.write {
            reason.clone_into(&mut write.problem);
        }
        self.give_up_write();
    }

    /// Answers that it took too long. What is on its way is not called back.
    fn give_up_write(&mut self) {
        let Some(write) = &mut self.write else {
            return;
        };
        let Some(job) = write.job.take() else {
            return;
        };
        let perhaps = match write.stage {
            Stage::Committing | Stage::AwaitingOwn(_) => "; it may still take effect",
            _ if write.may_be_written => "; it may have taken effect",
            _ => "",
        };
        refuse(job, &format!("{}{perhaps}", write.problem));
        match write.stage {
            // The writer's thread is at it, and answers in its own time.
            Stage::Preparing | Stage::Committing => {}
            Stage::Pausing(_) | Stage::CatchingUp(_) | Stage::AwaitingOwn(_) => {
                self.abandon_write();
            }
        }
    }

    /// Ends a write that nobody waits for.
    fn abandon_write(&mut self) {
        // What was written may not have been read yet.
        self.writer_is_current = false;
        self.reads.forget_write();
        let abandoned = self.write.take();
        self.next_write();
        // Whatever was in its way is in the next one's too, until that knows better.
        if let (Some(next), Some(abandoned)) = (&mut self.write, abandoned) {
            next.problem = abandoned.problem;
        }
    }
}

fn refuse(job: Job, reason: &str) {
    let reason = reason.to_owned();
    let refused = ClusterError::Unavailable { reason };
    match job {
        Job::Command(_, reply) => {
            reply.send(Err(refused)).ok();
        }
        Job::Logger { reply, .. } => {
            reply.send(Err(refused)).ok();
        }
        Job::Placement => {}
    }
}
