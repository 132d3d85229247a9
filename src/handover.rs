//! What the consumer's thread and the write loop say to each other, and the one thing they share:
//! the board of current assignments.
//!
//! ```text
//!   consumer thread                             write loop
//!   Assigned ───────────────────────────────▶   claims, checks starts, describes tables
//!            ◀──────────────────  Table, Begin
//!   Batch    ───────────────────────────────▶   writes
//!            ◀───────────────────────  Written
//!   Drain    ───────────────────────────────▶   (everything before it is settled)
//!            ◀───────────────────────  Drained
//! ```
//!
//! The thread writes the board, the loop reads it before every attempt: what is no longer current
//! is cut out, without a message that could come too late. The loop changes one thing there, the tag of
//! a partition that it sends to another offset.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use rowdock_connectors::{NewColumn, NewTable, PartitionKey, Target};
use tokio::sync::mpsc::UnboundedSender;

use crate::batch::{AssignmentTag, ReadBatch};
use crate::consume::native::Waker;

/// From the consumer's thread to the write loop.
#[derive(Debug)]
pub enum ToWriter {
    /// The group gave us these partitions; nothing is fetched before `Begin`.
    Assigned {
        /// The group's generation.
        generation: i32,
        /// The partitions and their tags.
        partitions: Vec<(PartitionKey, AssignmentTag)>,
    },
    /// Rows to write.
    Batch(ReadBatch),
    /// Answer with `Drained` when everything sent before is settled.
    Drain {
        /// Comes back in the answer.
        marker: u64,
    },
    /// These partitions are gone; forget them.
    Gone(Vec<PartitionKey>),
    /// Transforms send records to this topic: tell what its table is.
    DescribeTable(Arc<str>),
    /// A topic's table is missing and may be created: like this.
    CreateTable {
        /// The topic.
        topic: Arc<str>,
        /// The table for its records.
        table: NewTable,
    },
    /// Records of this topic have fields that its table cannot hold: these columns are wanted.
    EvolveTable {
        /// The topic.
        topic: Arc<str>,
        /// What its table lacks.
        wanted: Vec<NewColumn>,
    },
    /// The task cannot go on.
    Failed(String),
    /// What was read after this may be of another incarnation of its topic, deleted and made anew
    /// under the same name: nothing of it may be written before that is known.
    TopicChanged,
    /// The broker says that a partition cannot be read at its position.
    OutOfRange(PartitionKey),
    /// The record before the position is younger than the one that was written from its place.
    Refilled {
        /// The partition.
        key: PartitionKey,
        /// Offset of the younger record.
        offset: i64,
        /// Its leader epoch.
        now: i32,
        /// Leader epoch of the last record written.
        written: i32,
    },
}

/// Where to begin to read a partition.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// The partition.
    pub key: PartitionKey,
    /// Its assignment.
    pub tag: AssignmentTag,
    /// Next offset to be written.
    pub next_offset: i64,
    /// Leader epoch of the last record written, when it is known and the log may still hold that record:
    /// to be compared with.
    pub written_epoch: Option<i32>,
}

/// From the write loop, or the task's handle, to the consumer's thread.
#[derive(Debug)]
pub enum ToConsumer {
    /// Records of this topic go to this target; `None`: its table is to be created.
    Table {
        /// The topic.
        topic: Arc<str>,
        /// Where its rows go.
        target: Option<Arc<Target>>,
        /// The columns of the request that this table answers; empty when nobody asked: the table was
        /// found to be so.
        asked: Vec<NewColumn>,
    },
    /// The table of this topic cannot be made to hold these columns, this wide: records that need
    /// them are bad.
    EvolutionRefused {
        /// The topic.
        topic: Arc<str>,
        /// Each with why, and what can be done.
        columns: Vec<(NewColumn, String)>,
    },
    /// Schemas that records wait for have arrived.
    Schemas,
    /// Read these partitions.
    Begin(Vec<Beginning>),
    /// Read on from elsewhere, under a new tag (already on the board).
    Seek {
        /// The partition.
        key: PartitionKey,
        /// Its new tag.
        tag: AssignmentTag,
        /// Next offset to read.
        offset: i64,
    },
    /// A batch is settled; these positions are durable.
    Written(Vec<(PartitionKey, i64)>),
    /// Answer to `Drain`.
    Drained(u64),
    /// Leave the group: the database cannot be reached from here.
    Leave,
    /// Join the group again.
    Join,
    /// Leave and join again after a moment.
    Rejoin,
    /// Keep the partitions, read nothing any more.
    Fail,
    /// Keep the partitions; read nothing (`true`) or read on (`false`).
    Pause(bool),
    /// Drain, commit, leave, end.
    Stop,
    /// End now: whoever would write what is drained is gone.
    End,
}

/// Sends commands to the consumer's thread and wakes it.
#[derive(Clone)]
pub struct ConsumerLink {
    commands: mpsc::Sender<ToConsumer>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl ConsumerLink {
    /// A link and the thread's end of it.
    pub fn new() -> (Self, mpsc::Receiver<ToConsumer>) {
        let (commands, receiver) = mpsc::channel();
        let link = Self {
            commands,
            waker: Arc::new(Mutex::new(None)),
        };
        (link, receiver)
    }

    /// Sends a command. A thread that has ended needs none.
    pub fn send(&self, command: ToConsumer) {
        if self.commands.send(command).is_err() {
            return;
        }
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = &*waker {
            waker.wake();
        }
    }

    /// The thread sets its poller's waker, and takes it back before the consumer goes.
    pub fn set_waker(&self, waker: Option<Waker>) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = waker;
    }
}

impl std::fmt::Debug for ConsumerLink {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ConsumerLink")
            .finish_non_exhaustive()
    }
}

/// Which partitions are ours, under which tags; and how many batches are on their way.
#[derive(Debug, Default)]
pub struct Board {
    current: Mutex<HashMap<PartitionKey, AssignmentTag>>,
    in_flight: AtomicUsize,
    settled: AtomicU64,
    turns: AtomicU64,
    next_tag: AtomicU64,
    /// With their place in the order in which they came.
    refusals: Mutex<HashMap<Subject, (u64, String)>>,
    has_refusals: AtomicBool,
}

/// What a refusal is about: a partition, a topic as a whole, or, without either, the group.
pub type Subject = Option<(String, Option<u32>)>;

impl Board {
    /// A tag never used before.
    pub fn new_tag(&self) -> AssignmentTag {
        AssignmentTag(self.next_tag.fetch_add(1, Ordering::Relaxed))
    }

    /// The partition is ours under this tag.
    pub fn set(&self, key: PartitionKey, tag: AssignmentTag) {
        self.lock().insert(key, tag);
    }

    /// The partition is not ours any more.
    pub fn remove(&self, key: &PartitionKey) {
        self.lock().remove(key);
    }

    /// No partition is ours any more.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Still ours under this tag?
    pub fn is_current(&self, key: &PartitionKey, tag: AssignmentTag) -> bool {
        self.lock().get(key) == Some(&tag)
    }

    /// Exchanges a current tag for a new one; `None` when it is no longer current.
    pub fn retag(&self, key: &PartitionKey, old: AssignmentTag) -> Option<AssignmentTag> {
        let new = self.new_tag();
        match self.lock().get_mut(key) {
            Some(tag) if *tag == old => {
                *tag = new;
                Some(new)
            }
            _ => None,
        }
    }

    /// Batches sent and not settled.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// A batch is settled.
    pub fn settle_batch(&self) {
        self.settled.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// How many batches have been settled.
    pub fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    /// The consumer's thread has turned once more.
    pub fn turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// How often the consumer's thread has turned.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Sends a batch, counted.
    pub fn send_batch(&self, writer: &UnboundedSender<ToWriter>, batch: ReadBatch) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        if writer.send(ToWriter::Batch(batch)).is_err() {
            self.settle_batch();
        }
    }

    /// Kafka refuses something; the client says so once, and tries again for ever. At most one is kept
    /// for each partition and topic.
    pub fn refused(&self, about: Subject, reason: String) {
        let mut refusals = self.lock_refusals();
        let last = refusals.values().map(|(place, _)| *place).max();
        refusals.insert(about, (last.map_or(0, |last| last + 1), reason));
        self.has_refusals.store(true, Ordering::Release);
    }

    /// What was refused last and has not come to pass since.
    pub fn refusal(&self) -> Option<String> {
        if !self.has_refusals.load(Ordering::Acquire) {
            return None;
        }
        let refusals = self.lock_refusals();
        let last = refusals.values().max_by_key(|(place, _)| *place);
        last.map(|(_, reason)| reason.clone())
    }

    /// These partitions are read: whatever was refused of them, of their topics or of the group is not
    /// any more.
    pub fn granted<'key>(&self, keys: impl IntoIterator<Item = &'key PartitionKey>) {
        self.drop_refusals(keys, |key| [None, of_topic(key), of_partition(key)]);
    }

    /// These partitions are somebody else's now, and whatever was refused of them.
    pub fn forget_refusals(&self, keys: &[PartitionKey]) {
        self.drop_refusals(keys, |key| [of_partition(key)]);
    }

    fn drop_refusals<'key, const N: usize>(
        &self,
        keys: impl IntoIterator<Item = &'key PartitionKey>,
        subjects: impl Fn(&PartitionKey) -> [Subject; N],
    ) {
        // Asked with every batch, and there are hardly ever any.
        if !self.has_refusals.load(Ordering::Acquire) {
            return;
        }
        let mut refusals = self.lock_refusals();
        for subject in keys.into_iter().flat_map(subjects) {
            refusals.remove(&subject);
        }
        self.has_refusals
            .store(!refusals.is_empty(), Ordering::Release);
    }

    /// The partitions that are ours.
    pub fn partitions(&self) -> Vec<PartitionKey> {
        self.lock().keys().cloned().collect()
    }

    fn lock_refusals(&self) -> std::sync::MutexGuard<'_, HashMap<Subject, (u64, String)>> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PartitionKey, AssignmentTag>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_topic(key: &PartitionKey) -> Subject {
    Some((key.topic.to_string(), None))
}

fn of_partition(key: &PartitionKey) -> Subject {
    Some((key.topic.to_string(), u32::try_from(key.partition).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_told_until_it_comes_to_pass() {
        let board = Board::default();
        let key = |topic: &str, partition| PartitionKey {
            topic: topic.into(),
            partition,
        };
        assert_eq!(board.refusal(), None);
        board.refused(None, "no group".to_owned());
        board.refused(Some(("orders".to_owned(), None)), "no topic".to_owned());
        board.refused(Some(("orders".to_owned(), Some(1))), "no right".to_owned());
        assert_eq!(board.refusal().as_deref(), Some("no right"));
        // Of another partition: that one is refused still, the topic and the group are not.
        board.granted([&key("orders", 0)]);
        assert_eq!(board.refusal().as_deref(), Some("no right"));
        board.forget_refusals(&[key("orders", 1)]);
        assert_eq!(board.refusal(), None);
        board.refused(Some(("orders".to_owned(), None)), "no topic".to_owned());
        board.granted([&key("returns", 0)]);
        assert_eq!(board.refusal().as_deref(), Some("no topic"));
        board.granted([&key("orders", 0)]);
        assert_eq!(board.refusal(), None);
    }
}
