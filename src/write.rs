//! From batches to the database: the only place that moves positions.
//!
//! # Why a record is stored exactly once
//!
//! 1. Rows and positions of a batch are one transaction, positions first, each by compare-and-set
//!    on our claim and on the offset where the batch starts ([`rowdock_connectors`]).
//! 2. A position is known only from the database: from a claim, from a renewal, or from a commit
//!    that was answered. Kafka's committed offset is a mirror: it is read where a topic has no position
//!    yet, to go on behind another consumer, and never where it has one.
//! 3. When an answer is missing, the claim is renewed on a new connection. What comes back is
//!    compared with the batch in hand ([`reconcile`]): `from` means that it was not written, so it
//!    is written again from memory; `to` means that it was; anything else means that the batch is
//!    not ours to write, so it is dropped and reading starts where the database says.
//! 4. Before every attempt, partitions whose assignment is no longer current are cut out.
//!
//! # What happens to errors
//!
//! | class  | what is done                                                                     |
//! |--------|----------------------------------------------------------------------------------|
//! | retry  | the same batch again, with growing pauses; the task stays RUNNING and says why,   |
//! |        | unless `max.retries` ends that: then it is FAILED, and started anew after a while |
//! | record | the bad rows are found, rejected (dead letters, or stop there), the rest written  |
//! | stop   | FAILED, with what to do; partitions are kept, so that no other task fails on them |
//!
//! When a table is not what it was, whatever the class of the error that shows it, its definition
//! is read again, the batch is dropped, and its records are read and mapped anew.
//!
//! A database that cannot be reached from here may well be reached from elsewhere: after
//! [`retry::GIVE_UP_AFTER`] the task leaves its group, so that other workers go on with its
//! partitions, and joins again when the database answers.
//!
//! * [`claim`]: from an assignment to reading: claims, first starts, start checks, tables.
//! * [`store`]: one batch into the database, whatever it takes.
//! * `part`: what follows when a part of a batch cannot be written. Pure.
//! * [`tables`]: tables described, created, evolved, and looked at again when they have changed.
//! * [`start`]: where to start and when not to. Pure.
//! * [`reconcile`]: a batch in hand against the database's truth. Pure.
//! * [`retry`]: how long to wait. Pure.
//! * [`standstill`]: a task that gets nothing though there is something.
//! * [`facts`]: what Kafka says of topics and groups.

pub mod claim;
pub mod facts;
#[cfg(test)]
mod model;
mod part;
pub mod reconcile;
pub mod retry;
mod standstill;
pub mod start;
pub mod store;
pub mod tables;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rowdock_connectors::{PartitionKey, RenewRequest, Session, Sink, SinkError, Target};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use uuid::Uuid;

use crate::batch::AssignmentTag;
use crate::config::connector::{ConnectorConfig, Delivery, Retries};
use crate::deadletter::DeadLetters;
use crate::handover::{Board, ConsumerLink, ToConsumer, ToWriter};
use crate::status::{TaskState, TaskStatus};
use facts::KafkaFacts;
use retry::Backoff;
use standstill::Standstill;

/// Topics are checked for having been recreated this often while something is written.
const TOPIC_CHECK_INTERVAL: Duration = Duration::from_secs(3);

/// And this often otherwise: the client tells when a topic's id changes, so this is for idle topics
/// and for the person who looks, and hundreds of idle tasks shall not keep the brokers busy.
const IDLE_TOPIC_CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// Why the loop cannot go on with what it does.
#[derive(Debug)]
pub enum Halt {
    /// The task has failed: the trace for people.
    Failed(String),
    /// The task does not do its work, by a defect: starting it anew may help.
    Lost(String),
    /// The database could not be written to for as often as the connector allows; it may answer later.
    Exhausted(String),
    /// The task is being stopped while it waits; what is in hand is dropped.
    Stopping,
    /// The database cannot be reached from here; the group was left.
    GaveUp,
}

/// What we hold: a claimed partition.
#[derive(Debug, Clone)]
pub struct Held {
    /// The assignment under which it was claimed.
    pub tag: AssignmentTag,
    /// Our claim.
    pub claim_id: Uuid,
    /// Next offset to be written.
    pub next_offset: i64,
    /// The topic's incarnation.
    pub topic_id: String,
}

/// The write loop of a task.
pub struct WriteLoop {
    /// The connector.
    pub config: Arc<ConnectorConfig>,
    /// Who claims: worker and task.
    pub owner: String,
    /// The database.
    pub sink: Box<dyn Sink>,
    /// What Kafka says.
    pub facts: KafkaFacts,
    /// Where rejects go.
    pub dead_letters: DeadLetters,
    /// From the consumer's thread.
    pub events: UnboundedReceiver<ToWriter>,
    /// To the consumer's thread.
    pub consumer: ConsumerLink,
    /// Current assignments.
    pub board: Arc<Board>,
    /// The task's status.
    pub status: Arc<watch::Sender<TaskStatus>>,
    /// Turns true when the task is being stopped.
    pub stopping: watch::Receiver<bool>,
    /// Session time-out of the group.
    pub session_timeout: Duration,
    /// What changes.
    pub state: LoopState,
}

/// The loop's memory.
#[derive(Default)]
pub struct LoopState {
    session: Option<Box<dyn Session>>,
    held: HashMap<PartitionKey, Held>,
    /// A renewal that was sent and not answered, to be repeated with the same ids.
    renewal: Option<RenewRequest>,
    /// Where the rows of each topic go, as the consumer's thread was told; `None`: its table is to be
    /// created.
    tables: HashMap<Arc<str>, Option<Arc<Target>>>,
    /// When tables were last looked at because of records that do not fit them.
    looked_at_tables: Option<Instant>,
    /// Topics whose table was to be changed, and when they are told of it anew: some of that may have been
    /// refused.
    evolved: HashMap<Arc<str>, Instant>,
    /// Partitions that a newer generation holds, and when to claim them anyway.
    yielded: Vec<(PartitionKey, AssignmentTag, Instant)>,
    backoff: Backoff,
    failed: bool,
    /// When topics were last checked, unless something was written since.
    idle_since_check: Option<Instant>,
    standstill: Standstill,
}

impl LoopState {
    /// Nothing has happened yet.
    pub fn new(retries: Retries) -> Self {
        Self {
            backoff: Backoff::new(retries),
            ..Self::default()
        }
    }
}

impl WriteLoop {
    /// Runs until the consumer's thread has ended.
    pub async fn run(mut self) {
        let mut topic_check = interval(TOPIC_CHECK_INTERVAL);
        topic_check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let yielded_due = self.state.yielded.iter().map(|(_, _, at)| *at).min();
            let done = tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.handle(event).await,
                    None => break,
                },
                _ = topic_check.tick() => self.look_around().await,
                () = sleep_until(yielded_due.unwrap_or_else(Instant::now)), if yielded_due.is_some() =>
                    self.claim_yielded().await,
            };
            match done {
                Ok(()) => {}
                Err(Halt::GaveUp) => self.come_back().await,
                Err(halt) => self.halted(halt),
            }
        }
        if let Some(session) = self.state.session.take() {
            session.close().await;
        }
    }

    /// What no event tells.
    async fn look_around(&mut self) -> Result<(), Halt> {
        self.tell_of_refusals();
        self.look_at_topics().await?;
        self.forget_refusals().await?;
        self.look_for_standstill().await
    }

    fn tell_of_refusals(&self) {
        let refused = self.board.refusal();
        self.status.send_if_modified(|status| {
            let has_changed = status.refused != refused;
            status.refused = refused;
            has_changed
        });
    }

    async fn look_at_topics(&mut self) -> Result<(), Halt> {
        let checked = self.state.idle_since_check;
        if checked.is_some_and(|at| at.elapsed() < IDLE_TOPIC_CHECK_INTERVAL) {
            return Ok(());
        }
        self.state.idle_since_check = Some(Instant::now());
        self.check_topics().await
    }

    async fn handle(&mut self, event: ToWriter) -> Result<(), Halt> {
        match event {
            ToWriter::Assigned {
                generation,
                partitions,
            } => {
                self.board.granted(partitions.iter().map(|(key, _)| key));
                if self.state.failed {
                    return Ok(());
                }
                self.take_over(generation, partitions).await
            }
            ToWriter::Batch(batch) => {
                self.state.idle_since_check = None;
                let stored = if self.state.failed {
                    Ok(Vec::new())
                } else {
                    self.store(batch).await
                };
                self.board.settle_batch();
                // Sent even when nothing was written: it wakes the thread.
                let (positions, halted) = match stored {
                    Ok(positions) => {
                        self.board.granted(positions.iter().map(|(key, _)| key));
                        self.note_topics(&positions);
                        (positions, Ok(()))
                    }
                    Err(halt) => (Vec::new(), Err(halt)),
                };
                self.consumer.send(ToConsumer::Written(positions));
                halted
            }
            ToWriter::Drain { marker } => {
                self.consumer.send(ToConsumer::Drained(marker));
                Ok(())
            }
            ToWriter::Gone(partitions) => {
                self.board.forget_refusals(&partitions);
                for key in &partitions {
                    if self.is_gone(key) {
                        self.state.held.remove(key);
                    }
                    self.state.yielded.retain(|(yielded, _, _)| yielded != key);
                }
                Ok(())
            }
            ToWriter::DescribeTable(topic) => self.describe_table(&topic).await,
            ToWriter::CreateTable { topic, table } => self.create_table(topic, table).await,
            ToWriter::EvolveTable { topic, wanted } => self.evolve_table(topic, wanted).await,
            ToWriter::TopicChanged => {
                let confirmed = self.confirm_topics().await;
                if confirmed.is_err() {
                    // Whose records follow is not known: nothing of them is ours to write.
                    self.state.held.clear();
                }
                confirmed
            }
            ToWriter::OutOfRange(key) => Err(self.out_of_range(&key).await),
            ToWriter::Refilled {
                key,
                offset,
                now,
                written,
            } => Err(self.refilled(&key, offset, (written, now))),
            ToWriter::Failed(reason) => Err(Halt::Failed(reason)),
        }
    }

    /// Tells of topics that were written for the first time.
    fn note_topics(&self, positions: &[(PartitionKey, i64)]) {
        let is_new = |known: &TaskStatus, topic: &Arc<str>| !known.topics.contains(topic);
        for (key, _) in positions {
            if is_new(&self.status.borrow(), &key.topic) {
                let topic = Arc::clone(&key.topic);
                self.status.send_modify(|status| {
                    status.topics.insert(topic);
                });
            }
        }
    }

    /// A partition may have come back under a new tag before its going was heard of.
    fn is_gone(&self, key: &PartitionKey) -> bool {
        let held = self.state.held.get(key);
        held.is_some_and(|held| !self.board.is_current(key, held.tag))
    }

    fn halted(&mut self, halt: Halt) {
        match halt {
            Halt::Failed(trace) => self.fail(trace, false),
            Halt::Lost(trace) => self.fail(trace, true),
            Halt::Exhausted(trace) => self.fail(trace, self.config.auto_restart),
            Halt::Stopping | Halt::GaveUp => {}
        }
    }

    fn fail(&mut self, trace: String, restartable: bool) {
        if self.state.failed {
            return;
        }
        self.state.failed = true;
        self.state.held.clear();
        self.state.yielded.clear();
        tracing::error!(connector = %self.config.name, "task failed: {trace}");
        self.consumer.send(ToConsumer::Fail);
        self.status.send_modify(|status| {
            status.state = TaskState::Failed;
            status.trace = Some(trace);
            status.restartable = restartable;
            status.retrying = None;
        });
    }

    /// After giving up: out of the group, trying the database until it answers.
    async fn come_back(&mut self) {
        self.state.held.clear();
        self.state.renewal = None;
        self.state.yielded.clear();
        while !*self.stopping.borrow() {
            // What is still on its way has lost its assignment.
            while let Ok(event) = self.events.try_recv() {
                match event {
                    ToWriter::Batch(_) => self.board.settle_batch(),
                    ToWriter::Drain { marker } => self.consumer.send(ToConsumer::Drained(marker)),
                    ToWriter::Failed(reason) => return self.fail(reason, false),
                    _ => {}
                }
            }
            match self.sink.open().await {
                Ok(session) => {
                    self.state.session = Some(session);
                    self.recovered();
                    break;
                }
                Err(error) => match self.pause_after(&error).await {
                    Ok(()) => {}
                    // In the group again, as every task is that has failed.
                    Err(halt) => {
                        self.halted(halt);
                        break;
                    }
                },
            }
        }
        tracing::info!(connector = %self.config.name, "joining the group again");
        self.consumer.send(ToConsumer::Join);
    }

    /// Opens a session when there is none, and renews what we hold on it.
    async fn ready_session(&mut self) -> Result<(), SinkError> {
        if self.state.session.is_some() {
            return Ok(());
        }
        let mut session = self.sink.open().await?;
        let exactly_once = self.config.delivery == Delivery::ExactlyOnce;
        // Of what was given up meanwhile the new owner has the claims: that is no news.
        let board = &self.board;
        let held = &mut self.state.held;
        held.retain(|key, held| board.is_current(key, held.tag));
        if held.is_empty() {
            // Nothing is left of what an unanswered one was for.
            self.state.renewal = None;
        }
        if exactly_once && !held.is_empty() {
            let request = self.state.renewal.get_or_insert_with(|| RenewRequest {
                new_claim_id: Uuid::new_v4(),
                partitions: sorted_claims(held),
            });
            let answers = session.renew(request).await?;
            let renewed = request.clone();
            self.state.renewal = None;
            let lost = reconcile::apply_renewal(held, &renewed, &answers);
            if !lost.is_empty() {
                tracing::warn!(
                    partitions = lost.len(),
                    "FENCED: claims were taken over while the connection was away"
                );
                self.consumer.send(ToConsumer::Rejoin);
            }
        }
        self.state.session = Some(session);
        Ok(())
    }

    /// After an error that may pass: drops what is broken, shows it, waits. An error that cannot
    /// pass comes back as the task's end.
    async fn pause_after(&mut self, error: &SinkError) -> Result<(), Halt> {
        use rowdock_connectors::ErrorClass;
        if error.connection_lost() {
            self.state.session = None;
        }
        if error.class() == ErrorClass::Stop {
            return Err(Halt::Failed(error.to_string()));
        }
        let Some(pause) = self.state.backoff.next(fastrand::f64()) else {
            let max = self.config.retries.max.unwrap_or_default();
            return Err(Halt::Exhausted(format!(
                "{error}; given up after max.retries={max} attempts"
            )));
        };
        tracing::warn!(
            connector = %self.config.name,
            pause_ms = pause.as_millis(),
            source = error_source(error),
            "not done, trying again: {error}"
        );
        self.status
            .send_modify(|status| status.retrying = Some(error.to_string()));
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            _ = stopping.wait_for(|stopping| *stopping) => Err(Halt::Stopping),
        }
    }

    /// The database was at work on something for longer than it may be: not the same as being out of
    /// reach, as long as there is a session. If it is out of reach, the next attempt has none.
    fn was_late(&self, error: &SinkError) -> bool {
        self.state.session.is_some() && error.timed_out()
    }

    /// As [`pause_after`](Self::pause_after), and gives the partitions up when the database has
    /// been out of reach for too long.
    async fn pause_or_give_up(&mut self, error: &SinkError) -> Result<(), Halt> {
        let is_lost = error.connection_lost() && !self.was_late(error);
        let unreachable = self.state.session.is_none() || is_lost;
        if unreachable && self.state.backoff.failing_for() >= retry::GIVE_UP_AFTER {
            tracing::warn!(
                connector = %self.config.name,
                "the database cannot be reached from here, leaving the group so that others go on: {error}"
            );
            self.status
                .send_modify(|status| status.retrying = Some(error.to_string()));
            self.state.session = None;
            self.consumer.send(ToConsumer::Leave);
            return Err(Halt::GaveUp);
        }
        self.pause_after(error).await
    }

    fn recovered(&mut self) {
        if self.state.backoff.reset() {
            tracing::info!(connector = %self.config.name, "works again");
            self.status.send_modify(|status| status.retrying = None);
        }
    }
}

fn sorted_claims(held: &HashMap<PartitionKey, Held>) -> Vec<(PartitionKey, Uuid)> {
    let mut claims: Vec<_> = held
        .iter()
        .map(|(key, held)| (key.clone(), held.claim_id))
        .collect();
    claims.sort();
    claims
}

/// The driver's words, for the log.
fn error_source(error: &SinkError) -> String {
    use std::error::Error as _;
    error.source().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests;
