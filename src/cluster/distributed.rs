//! A worker of a cluster: connectors live in Kafka, and outlive every worker.
//!
//! **No leader, no traffic between workers.** Each worker tails the config topic into a
//! [`Registry`] and the status topic into [`Statuses`], so all of them know the same, and every read
//! is answered from memory. A read first catches up with the end of the log, so what one worker has
//! acknowledged every other shows; when Kafka does not answer, it is answered from memory
//! nevertheless. A write goes through Kafka's own lock ([`log::writer`](super::log::writer)), so
//! its precondition is exact; it is acknowledged once the worker has read its own record back.
//!
//! **One loop.** As in a standalone worker one control loop owns all state and waits for nothing
//! but its mailbox and what its threads tell it; whatever blocks is on a thread.
//!
//! | module            | part of the loop                                                    |
//! |-------------------|---------------------------------------------------------------------|
//! | [`beginning`]     | topics, threads, catching up                                        |
//! | [`links`]         | what the loop speaks to Kafka through                               |
//! | [`membership`]    | who is a worker of this cluster                                     |
//! | [`reads`]         | answering reads, after catching up                                  |
//! | [`writes`]        | one command after the other through the log                         |
//! | [`follow`]        | own tasks made to be as the log says; moves; leaving                 |
//! | [`show`]          | a connector as the API shows it, from own tasks and others' word     |
//! | [`say`]           | what this worker says in the status topic                           |
//!
//! **Moves are make-before-break.** The worker that is to give a task keeps it until the one that
//! is to have it says that its consumer has joined the group: brokers make the first member of an
//! empty group wait for seconds. A worker that is asked to stop says so in the status topic, and
//! goes once others have its tasks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::warn;
use uuid::Uuid;

use super::format::status::StatusRecord;
use super::format::{ConfigRecord, Decoded};
use super::handle::{ClusterError, ClusterHandle, Health, Message, Overview, WorkerView};
use super::log::tail::{TailRecord, Tailed};
use super::log::writer::WriterAnswer;
use super::members::Heard;
use super::registry::Registry;
use super::statuses::Statuses;
use super::supervisor::{Desired, SupervisorHandle, Workshop};
use super::tasks::StartTask;
use crate::config::worker::WorkerSettings;
use crate::telemetry::{LoggerLevel, Loggers};

mod beginning;
mod follow;
mod links;
mod membership;
mod reads;
mod say;
mod show;
#[cfg(test)]
mod simulation;
mod writes;

pub use beginning::ClusterSpec;

use follow::Leaving;
use links::Links;
use membership::Company;
use reads::Reads;
use say::{Deletion, Repetition, Said};
use writes::{Job, Waiting, Write};

/// How often the loop looks at deadlines, at the statuses of its tasks, and at the placement.
const TICK: Duration = Duration::from_millis(100);
/// Without a word from the group of workers for so long, the worker is not well.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Why a worker of a cluster ends by itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ClusterFailure(pub String);

/// A started worker of a cluster.
#[derive(Debug)]
pub struct Distributed {
    /// Asks its control loop.
    pub handle: ClusterHandle,
    /// Completes when the worker cannot go on, with the reason.
    pub failed: oneshot::Receiver<ClusterFailure>,
}

/// What the loop's threads and helpers tell it.
enum Event {
    /// Records of the config topic.
    Config(Tailed),
    /// Records of the status topic.
    Status(Tailed),
    /// The end of the config topic, or why it is not known.
    End(Result<i64, String>),
    Writer(WriterAnswer),
    Group(Heard),
    /// What the start has come to.
    Begun(Box<beginning::Begun>),
    /// No word arrives in the status topic before a person acts as this says; `None`: they do.
    Words(Option<String>),
    /// The start goes on, and this is what it waits for.
    Stage(String),
    /// The worker cannot go on.
    Failed(String),
}

/// What Kafka does not allow, with what to do about it.
#[derive(Default)]
struct Refused {
    /// Reading the config topic, as long as it was not read to its end.
    config: Option<String>,
    /// Reading the status topic, as long as it was not read to its end.
    statuses: Option<String>,
    /// Writing to the status topic.
    words: Option<String>,
}

/// The loop.
struct Control<S: StartTask> {
    settings: Arc<WorkerSettings>,
    worker_id: String,
    incarnation: Uuid,
    started_ms: i64,
    workshop: Arc<Workshop<S>>,
    failure: Option<oneshot::Sender<ClusterFailure>>,

    /// What the start waits for; `None` once requests are answered.
    stage: Option<String>,
    /// Threads and clients, once there are any.
    links: Option<Box<dyn Links>>,

    registry: Registry,
    statuses: Statuses,
    /// The next offset to be read of the config topic.
    position: i64,
    caught_up: (bool, bool),
    company: Company,
    /// The workers of the cluster that are in its group, by worker id.
    members: BTreeSet<String>,
    /// Those of them that are to have tasks, sorted.
    staying: Vec<String>,
    refused: Refused,

    reads: Reads,
    write: Option<Write>,
    /// Everything that others wrote before we became the writer has been read.
    writer_is_current: bool,
    jobs: VecDeque<Waiting>,

    supervisors: BTreeMap<String, SupervisorHandle>,
    told: BTreeMap<String, Desired>,
    departing: BTreeMap<String, JoinHandle<()>>,
    /// Tasks that others are to have, kept until they have them or until then.
    keeping: BTreeMap<(String, u32), Instant>,
    /// The placement may not be as it should be, since then.
    unplaced_since: Option<Instant>,
    said: BTreeMap<String, Said>,
    repetition: Repetition,
    /// What should stand in the status topic is to be looked at anew.
    word_is_due: bool,
    /// When it was last looked at.
    looked_at_word: Instant,
    topics_resets: BTreeMap<String, u64>,
    loggers: Loggers,
    /// Connectors whose statuses are to be taken back.
    deleted: BTreeMap<String, Deletion>,
    /// Workers of which something is said and that are not in the group, since then.
    absent: BTreeMap<String, Instant>,
    leaving: Option<Leaving>,
}

impl<S: StartTask> Control<S> {
    async fn run(
        mut self,
        mut mailbox: mpsc::Receiver<Message>,
        mut events: mpsc::UnboundedReceiver<Event>,
    ) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut may_be_asked = true;
        loop {
            tokio::select! {
                message = mailbox.recv(), if may_be_asked => match message {
                    Some(message) => self.receive(message),
                    // Nobody can ask any more: as if asked to stop.
                    None => {
                        may_be_asked = false;
                        if self.leaving.is_none() {
                            self.begin_to_leave(None);
                        }
                    }
                },
                Some(event) = events.recv() => self.hear(event),
                _ = tick.tick() => self.look_around(),
            }
            if self.has_left() {
                break;
            }
        }
        mailbox.close();
        while let Ok(message) = mailbox.try_recv() {
            message.turn_away();
        }
        self.end().await;
    }

    fn receive(&mut self, message: Message) {
        if self.leaving.is_some() {
            return message.turn_away();
        }
        // A caller that no longer waits for its answer is none of our business: hence `ok`.
        match message {
            Message::Ping { reply } => {
                reply.send(self.health()).ok();
            }
            Message::Stop { reply } => self.begin_to_leave(Some(reply)),
            Message::Command { command, reply } => match self.starting() {
                Some(error) => {
                    reply.send(Err(error)).ok();
                }
                None => self.enqueue(Job::Command(command, reply)),
            },
            Message::ReadOne { name, reply } => match self.starting() {
                Some(error) => {
                    reply.send(Err(error)).ok();
                }
                None => self.read(reads::Read::One(name, reply)),
            },
            Message::ResetTopics { name, reply } => {
                let refused = self.starting();
                if refused.is_none() {
                    self.reset_topics(&name);
                }
                reply.send(refused.map_or(Ok(()), Err)).ok();
            }
            Message::SetLogger { name, level, reply } => match self.starting() {
                Some(error) => {
                    reply.send(Err(error)).ok();
                }
                None => self.enqueue(Job::Logger { name, level, reply }),
            },
            Message::Overview { reply } => {
                let refused = self.starting();
                reply
                    .send(refused.map_or_else(|| Ok(self.overview()), Err))
                    .ok();
            }
            Message::ReadAll { reply } => match self.starting() {
                Some(error) => {
                    reply.send(Err(error)).ok();
                }
                None => self.read(reads::Read::All(reply)),
            },
        }
    }

    fn starting(&self) -> Option<ClusterError> {
        let stage = self.stage_as_told()?;
        Some(ClusterError::Starting { stage })
    }

    /// What the start waits for, and what is in its way.
    fn stage_as_told(&self) -> Option<String> {
        let stage = self.stage.as_ref()?;
        let Refused {
            config, statuses, ..
        } = &self.refused;
        let obstacles = [config, statuses, &self.company.silence]
            .into_iter()
            .flatten();
        let obstacles: Vec<&str> = obstacles.map(String::as_str).collect();
        Some(match obstacles.is_empty() {
            true => stage.clone(),
            false => format!("{stage}: {}", obstacles.join("; ")),
        })
    }

    fn health(&self) -> Health {
        if let Some(stage) = self.stage_as_told() {
            return Health::Starting(stage);
        }
        if let Some(reason) = self.company.trouble() {
            return Health::Unhealthy(reason);
        }
        if let Some(reason) = self.reads.unreachable() {
            return Health::Unhealthy(format!("the config topic cannot be read: {reason}"));
        }
        let Refused {
            config,
            statuses,
            words,
        } = &self.refused;
        let deaf = |reason: &String| format!("it does not hear what others change: {reason}");
        let unaware =
            |reason: &String| format!("it does not hear what other workers say: {reason}");
        let unheard = |reason: &String| format!("other workers hear nothing of it: {reason}");
        let mut trouble: Vec<String> = config.iter().map(deaf).collect();
        trouble.extend(statuses.iter().map(unaware));
        trouble.extend(words.iter().map(unheard));
        trouble.extend(self.falls_behind());
        match trouble.is_empty() {
            true => Health::Healthy,
            false => Health::Unhealthy(trouble.join("; ")),
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Config(tailed) => self.take_config(tailed),
            Event::Status(tailed) => self.take_statuses(tailed),
            Event::End(end) => self.take_end(end),
            Event::Writer(answer) => self.writer_answered(answer),
            Event::Group(heard) => self.take_group(heard),
            Event::Words(refused) => self.refused.words = refused,
            Event::Begun(begun) => self.begun(*begun),
            Event::Stage(stage) => self.stage = Some(stage),
            Event::Failed(reason) => self.fail(reason),
        }
    }

    fn look_around(&mut self) {
        self.look_at_reads();
        self.look_at_write();
        self.look_at_membership();
        if self.stage.is_some() {
            return;
        }
        self.look_at_keeping();
        self.look_at_placement();
        self.look_at_word();
    }

    fn take_config(&mut self, mut tailed: Tailed) {
        self.refused.config = tailed.refused.take();
        if self.refused.config.is_some() || !self.is_same_log(&tailed) {
            return;
        }
        let mut touched = BTreeSet::new();
        for record in tailed.records {
            let decoded = ConfigRecord::decode(record.key.as_deref(), record.value.as_deref());
            match decoded {
                Ok(Decoded::Known(known)) => {
                    if let ConfigRecord::Logger { name, level } = &known {
                        self.set_logger(name, level.as_deref());
                    }
                    if let ConfigRecord::Connector { name, config: None } = &known {
                        let deletion = Deletion::at(record.version);
                        self.deleted.insert(name.clone(), deletion);
                    }
                    touched.extend(self.registry.apply(record.version, known));
                }
                Ok(Decoded::Foreign) => {}
                Err(problem) => {
                    warn!(%problem, offset = record.version.saturating_sub(1), "record of the config topic is passed over");
                }
            }
            self.note_request(record.request_id.as_deref());
        }
        self.position = tailed.position;
        self.word_is_due |= !touched.is_empty();
        self.caught_up.0 = tailed.caught_up;
        if self.stage.is_some() {
            self.finish_start();
            return;
        }
        // Before the tasks follow, so that the answer does not depend on how fast they are.
        self.look_at_write();
        if !touched.is_empty() {
            self.count_own_tasks();
            self.doubt_placement();
        }
        for name in touched {
            self.follow(&name);
        }
        self.serve_reads();
    }

    fn take_statuses(&mut self, tailed: Tailed) {
        self.refused.statuses = tailed.refused;
        if self.refused.statuses.is_some() {
            return;
        }
        if tailed.went_back {
            warn!("the status topic was made anew or has lost its end; saying everything again");
            self.repetition.is_lost = true;
        }
        let mut reset = BTreeSet::new();
        for record in tailed.records {
            let TailRecord { key, value, .. } = &record;
            match StatusRecord::decode(key.as_deref(), value.as_deref()) {
                Ok(Decoded::Known(known)) => {
                    self.look_for_double(&known);
                    if let StatusRecord::Topic {
                        name, used: None, ..
                    } = &known
                        && record.request_id.is_some()
                        && self.told.contains_key(name)
                    {
                        *self.topics_resets.entry(name.clone()).or_default() += 1;
                        reset.insert(name.clone());
                    }
                    self.statuses.apply(known);
                }
                Ok(Decoded::Foreign) => {}
                Err(problem) => {
                    warn!(%problem, "record of the status topic is passed over");
                }
            }
        }
        self.word_is_due = true;
        self.caught_up.1 = tailed.caught_up;
        self.judge_members();
        if self.stage.is_some() {
            return;
        }
        for name in reset {
            self.follow(&name);
        }
        self.look_at_keeping();
    }

    /// Another process that goes by our name, and is younger: one of both must go.
    fn look_for_double(&mut self, record: &StatusRecord) {
        if let StatusRecord::Worker {
            worker_id,
            worker: Some(worker),
        } = record
            && *worker_id == self.worker_id
            && worker.incarnation != self.incarnation.to_string()
            && worker.started_ms > self.started_ms
            && self.stage.is_none()
        {
            self.fail(format!(
                "another worker has been started under this one's name {worker_id}: give each its \
                 own rest.advertised.host.name or rest.advertised.port"
            ));
        }
    }

    fn fail(&mut self, reason: String) {
        if let Some(failure) = self.failure.take() {
            failure.send(ClusterFailure(reason)).ok();
        }
    }

    /// As in Kafka Connect, of effect on workers that run when it is asked for.
    fn set_logger(&self, name: &str, level: Option<&str>) {
        let level = level.and_then(LoggerLevel::parse);
        if let (None, Some(level)) = (&self.stage, level) {
            self.loggers.set(name, level);
        }
    }

    fn overview(&self) -> Overview {
        let worker = |worker_id: &String| {
            let told = self.statuses.worker(worker_id);
            WorkerView {
                worker_id: worker_id.clone(),
                version: told.map(|told| told.version.clone()),
                leaving: told.is_some_and(|told| told.leaving),
            }
        };
        let placed = self.registry.iter();
        Overview {
            workers: self.members.iter().map(worker).collect(),
            strangers: self.strangers(),
            placement: placed
                .map(|(name, definition)| (name.clone(), definition.owners.clone()))
                .collect(),
        }
    }
}
