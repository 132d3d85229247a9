//! The consumer's thread: see [`consume`](crate::consume) for what it promises.

mod faults;
mod holds;
mod membership;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use rowdock_connectors::PartitionKey;
use tokio::sync::mpsc::UnboundedSender;

use self::holds::Holds;
use self::membership::Membership;
use super::client::{self, TaskConsumer};
use super::intake::Intake;
use super::native::{Content, Message, Poller, Records};
use super::slots::Slots;
use crate::batch::AssignmentTag;
use crate::config::connector::{Delivery, TopicSelection};
use crate::handover::{Board, ConsumerLink, ToConsumer, ToWriter};

/// Longest wait in one poll while something is under way: bounds how late a timer is seen.
const POLL_MAX: Duration = Duration::from_millis(100);

/// Longest wait in one poll while nothing is under way. Commands and events end it at once; it is
/// what an idle task costs, times the hundreds of tasks that a worker may have. Far below any
/// `max.poll.interval.ms`, which is never shorter than a session.
const IDLE_POLL_MAX: Duration = Duration::from_secs(3);

/// Records between two looks at commands, timers and events, and events between two looks at records.
const BETWEEN_LOOKS: u32 = 64;

/// Positions without rows (transaction markers, compacted tails) are written at most this often.
const IDLE_MOVE_INTERVAL: Duration = Duration::from_secs(1);

/// Marks commits of exactly-once connectors in the group's metadata: such an offset is a mirror,
/// never a source.
pub const MIRROR_MARK: &str = "rowdock:mirror";

/// What the thread is started with.
pub struct ConsumerThread {
    /// The consumer.
    pub consumer: Arc<TaskConsumer>,
    /// Topics to subscribe to.
    pub topics: TopicSelection,
    /// Commands.
    pub commands: Receiver<ToConsumer>,
    /// Its own link, whose waker it sets.
    pub link: ConsumerLink,
    /// To the write loop.
    pub writer: UnboundedSender<ToWriter>,
    /// Current assignments.
    pub board: Arc<Board>,
    /// Records into batches.
    pub intake: Intake,
    /// What the connector promises.
    pub delivery: Delivery,
    /// How long a batch that could be written waits for more.
    pub linger: Duration,
    /// How long a record may wait for its schema; `None`: as long as it takes.
    pub schema_patience: Option<Duration>,
    /// How long revoked partitions may take to be written: below half of the session time-out.
    pub drain_limit: Duration,
    /// How often positions are mirrored to Kafka.
    pub commit_interval: Duration,
    /// Starts without reading.
    pub paused: bool,
}

/// Partitions that are being given up.
struct Revocation {
    marker: u64,
    keys: Vec<PartitionKey>,
    deadline: Instant,
}

struct Running {
    start: ConsumerThread,
    poller: Poller<client::TaskContext>,
    records: Records<client::TaskContext>,
    slots: Slots,
    /// The slot of the record before this one, by topic identity and partition.
    last_slot: Option<((usize, i32), usize)>,
    holds: Holds,
    revocations: Vec<Revocation>,
    next_marker: u64,
    durable: HashMap<PartitionKey, i64>,
    commit_due: Instant,
    batch_opened: Option<Instant>,
    /// Which record waits for a schema, by slot and offset, and since when.
    schema_wait: Option<((usize, i64), Instant)>,
    last_idle_move: Option<Instant>,
    membership: Membership,
    /// Positions to go to once no partition is being given up.
    seeks: Vec<(PartitionKey, AssignmentTag, i64)>,
    stopping: Option<u64>,
    finished: bool,
}

impl ConsumerThread {
    /// Runs until it is stopped. Call on a thread of its own.
    pub fn run(self) {
        let (poller, records) = (Poller::new(&self.consumer), Records::new(&self.consumer));
        let (Some(poller), Some(records)) = (poller, records) else {
            self.fail("the consumer has no group.id");
            return;
        };
        self.link.set_waker(poller.waker());
        let link = self.link.clone();
        let paused = self.paused;
        let mut running = Running {
            poller,
            records,
            slots: Slots::default(),
            last_slot: None,
            holds: Holds {
                paused,
                ..Holds::default()
            },
            revocations: Vec::new(),
            next_marker: 0,
            durable: HashMap::new(),
            commit_due: Instant::now() + self.commit_interval,
            batch_opened: None,
            schema_wait: None,
            last_idle_move: None,
            membership: Membership::Out {
                join_at: Some(Instant::now()),
            },
            seeks: Vec::new(),
            stopping: None,
            finished: false,
            start: self,
        };
        while !running.finished {
            running.start.board.turn();
            running.turn();
        }
        link.set_waker(None);
        running.start.board.clear();
        tracing::debug!("consumer thread ends, leaving the group");
    }

    fn fail(&self, reason: &str) {
        let told = self.writer.send(ToWriter::Failed(reason.to_owned()));
        if told.is_err() {
            tracing::debug!(reason, "the write loop has ended already");
        }
    }
}

impl Running {
    /// Commands, timers, events, and up to a handful of records; with none of them, a wait.
    fn turn(&mut self) {
        while let Ok(command) = self.start.commands.try_recv() {
            self.obey(command);
        }
        self.look_at_timers();
        if self.hear() {
            return;
        }
        for _ in 0..BETWEEN_LOOKS {
            if self.finished {
                return;
            }
            let event = if self.may_read() {
                self.records.take()
            } else {
                None
            };
            let Some(event) = event else {
                self.nothing_to_read();
                self.wait();
                return;
            };
            self.receive(event.content());
        }
    }

    /// What the group and the client say, for which records never wait. `true`: there may be more.
    fn hear(&mut self) -> bool {
        for _ in 0..BETWEEN_LOOKS {
            let Some(event) = self.poller.poll(Duration::ZERO) else {
                return false;
            };
            self.receive(event.content());
        }
        true
    }

    /// Waits for an event, a record or a command: each ends it.
    fn wait(&mut self) {
        let timeout = self.poll_timeout();
        if timeout.is_zero() {
            return;
        }
        // The look at the events may have used its wake-up up.
        if let Ok(command) = self.start.commands.try_recv() {
            return self.obey(command);
        }
        if let Some(event) = self.poller.poll(timeout) {
            self.receive(event.content());
        }
    }

    /// How long the next poll may wait.
    fn poll_timeout(&mut self) -> Duration {
        if self.start.intake.builder.has_records() && self.start.board.in_flight() == 0 {
            return self.linger_left();
        }
        let awaits_schemas = self.start.intake.awaits_schemas();
        if self.start.intake.is_waiting() && !self.holds.awaiting_table && !awaits_schemas {
            return Duration::ZERO;
        }
        let timers_run = awaits_schemas
            || matches!(self.membership, Membership::Out { join_at: Some(_) })
            || !self.seeks.is_empty()
            || !self.revocations.is_empty()
            || !self.durable.is_empty();
        if timers_run || self.start.board.in_flight() > 0 || !self.start.intake.builder.is_empty() {
            return POLL_MAX;
        }
        IDLE_POLL_MAX
    }

    /// Counts from the first record of the batch; of records that have waited for a table or a schema,
    /// from when this is asked first.
    fn linger_left(&mut self) -> Duration {
        if self.start.linger.is_zero() {
            return Duration::ZERO;
        }
        let opened = self.batch_opened.get_or_insert_with(Instant::now);
        self.start.linger.saturating_sub(opened.elapsed())
    }

    #[inline]
    fn receive(&mut self, content: Content<'_>) {
        match content {
            Content::Message(message) => self.take(&message),
            Content::EndOfPartition {
                topic,
                partition,
                offset,
            } => {
                if let Some(slot) = self.slots.find(&topic, partition) {
                    self.start
                        .intake
                        .end_of_partition(slot, offset, &mut self.slots);
                }
            }
            Content::Assigned(partitions) => self.assigned(partitions),
            Content::Revoked(partitions) => self.revoked(&partitions),
            Content::Error {
                code,
                fatal,
                partition,
                reason,
            } => self.kafka_error(code, fatal, partition, &reason),
            Content::Log {
                level,
                facility,
                message,
            } => {
                if client::tells_of_another_incarnation(&facility, &message) {
                    self.tell(ToWriter::TopicChanged);
                }
                client::log(level, &facility, &message);
            }
            Content::Other => {}
        }
    }

    #[inline]
    fn take(&mut self, message: &Message<'_>) {
        let identity = (message.topic_identity(), message.partition());
        let slot = match self.last_slot {
            Some((last, slot)) if last == identity => slot,
            _ => {
                let Some(slot) = self.slots.find(message.topic(), message.partition()) else {
                    return;
                };
                self.last_slot = Some((identity, slot));
                slot
            }
        };
        if self.batch_opened.is_none() && !self.start.linger.is_zero() {
            self.batch_opened = Some(Instant::now());
        }
        let (record, leader_epoch) = (message.record(), message.leader_epoch());
        let intake = &mut self.start.intake;
        if !intake.take(slot, &record, leader_epoch, &mut self.slots) {
            self.refilled(slot, record.offset, leader_epoch);
        }
        if self.start.intake.wants_table() {
            self.ask_for_table();
        }
    }

    /// The queue is empty: write what there is, if the write loop has nothing else to do.
    fn nothing_to_read(&mut self) {
        if self.start.intake.is_waiting() {
            self.ask_for_table();
        }
        let idle = self.start.board.in_flight() == 0;
        let builder = &self.start.intake.builder;
        if !idle || builder.is_empty() {
            return;
        }
        if builder.has_records() {
            if self.linger_left().is_zero() {
                self.flush();
            }
            return;
        }
        let due = self
            .last_idle_move
            .is_none_or(|last| last.elapsed() >= IDLE_MOVE_INTERVAL);
        if due {
            self.last_idle_move = Some(Instant::now());
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.batch_opened = None;
        if self.start.intake.builder.is_empty() {
            return;
        }
        let batch = self.start.intake.builder.finish();
        self.start.board.send_batch(&self.start.writer, batch);
    }

    fn obey(&mut self, command: ToConsumer) {
        match command {
            ToConsumer::Schemas => self.schemas_arrived(),
            ToConsumer::Table {
                topic,
                target,
                asked,
            } => {
                let index = self.slots.topic_index(&topic);
                self.start.intake.set_table(index, &topic, target, asked);
                self.start.intake.replay(&mut self.slots);
                self.table_arrived();
            }
            ToConsumer::EvolutionRefused { topic, columns } => {
                let topic = self.slots.topic_index(&topic);
                let intake = &mut self.start.intake;
                intake.refuse_evolution(topic, columns);
                intake.replay(&mut self.slots);
                self.table_arrived();
            }
            ToConsumer::Begin(partitions) => self.begin(partitions),
            ToConsumer::Seek { key, tag, offset } => self.seek(&key, tag, offset),
            ToConsumer::Written(positions) => self.durable.extend(positions),
            ToConsumer::Drained(marker) => self.drained(marker),
            ToConsumer::Leave => self.leave(),
            ToConsumer::Join => self.join(),
            ToConsumer::Rejoin => self.rejoin_later(),
            ToConsumer::Fail => {
                self.holds.failed = true;
                let all: Vec<usize> = self.slots.iter().map(|(index, _)| index).collect();
                self.start.intake.forget(&all);
            }
            ToConsumer::Pause(paused) => self.holds.paused = paused,
            ToConsumer::Stop => self.stop(),
            ToConsumer::End => self.finished = true,
        }
    }

    fn look_at_timers(&mut self) {
        let now = Instant::now();
        if self.start.intake.awaits_schemas() && self.start.intake.waits_in_vain(&self.slots) {
            self.schemas_arrived();
        }
        self.look_at_schema_wait(now);
        self.look_at_holds(now);
        self.look_at_membership(now);
        while let Some(overdue) = self
            .revocations
            .iter()
            .position(|revocation| revocation.deadline <= now)
        {
            let revocation = self.revocations.remove(overdue);
            tracing::warn!(
                partitions = revocation.keys.len(),
                "revoked partitions were not written in time; giving them up, the database fences \
                 what is still on its way"
            );
            self.commit(self.last_commit(), Some(&revocation.keys));
            self.give_up(&revocation.keys);
        }
        self.look_at_seeks();
        if self.commit_due <= now && self.revocations.is_empty() {
            self.commit_due = now + self.start.commit_interval;
            self.commit(CommitMode::Async, None);
        }
    }

    /// Mirrors durable positions to Kafka; with at-least-once they are the positions.
    fn commit(&mut self, mode: CommitMode, only: Option<&[PartitionKey]>) {
        let mut list = TopicPartitionList::new();
        let wanted = |key: &PartitionKey| only.is_none_or(|only| only.contains(key));
        for (key, offset) in &self.durable {
            if wanted(key) && self.slots.index_of(key).is_some() {
                add(&mut list, key, Offset::Offset(*offset));
                if self.start.delivery == Delivery::ExactlyOnce
                    && let Some(mut element) = list.find_partition(&key.topic, key.partition)
                {
                    element.set_metadata(MIRROR_MARK);
                }
            }
        }
        self.durable.retain(|key, _| !wanted(key));
        if list.count() == 0 {
            return;
        }
        fail::fail_point!("write::before_kafka_commit");
        if let Err(error) = self.start.consumer.commit(&list, mode) {
            tracing::debug!(%error, "cannot mirror positions to the group");
        }
    }

    fn tell(&mut self, message: ToWriter) {
        if self.start.writer.send(message).is_err() {
            self.finished = true;
        }
    }
}

fn add(list: &mut TopicPartitionList, key: &PartitionKey, offset: Offset) {
    if let Err(error) = list.add_partition_offset(&key.topic, key.partition, offset) {
        tracing::warn!(%error, topic = %key.topic, partition = key.partition, "bad offset");
    }
}
