//! Looks at positions all the time, where no trigger remembers them: how long each stood still, who moved
//! it, and that none fell.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::cassandra::play::{Keyspace, Progress};
use crate::support::stage::Topic;
use crate::support::wait::{PATIENCE, check, eventually};

/// How often is looked, when the node answers at once.
const EVERY: Duration = Duration::from_millis(100);

/// Falls that are told.
const FALLS_TOLD: usize = 8;

/// Looks until it is dropped.
pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    looking: JoinHandle<()>,
}

/// What was seen. Several moves between two looks are seen as one.
#[derive(Debug, Default)]
struct Seen {
    looks: usize,
    last: Option<Instant>,
    /// Per partition, where it stands, and since when it has been seen there.
    stands: BTreeMap<i32, (i64, Instant)>,
    longest: Pause,
    /// Per owner, moves that were seen.
    moves: BTreeMap<String, usize>,
    falls: Vec<String>,
}

/// The longest time for which a partition stood still, among those that ended with a move.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) time: Duration,
    pub(super) partition: i32,
    /// The longest time between two looks: by so much the other may be wrong.
    pub(super) unseen: Duration,
}

impl fmt::Display for Pause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (partition, time) = (self.partition, self.time);
        write!(formatter, "partition {partition} paused {time:.1?} at most")?;
        match self.unseen {
            Duration::ZERO => Ok(()),
            unseen => write!(formatter, ", seen to {unseen:.1?}"),
        }
    }
}

impl Watch {
    pub(crate) fn begin(keyspace: &Arc<Keyspace>, topic: &Topic) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let looking = look(Arc::clone(keyspace), topic.clone(), Arc::clone(&seen));
        Self {
            seen,
            looking: tokio::spawn(looking),
        }
    }

    /// Pauses that have ended are forgotten.
    pub(super) fn forget_pauses(&self) {
        self.seen().longest = Pause::default();
    }

    pub(super) fn longest_pause(&self) -> Pause {
        self.seen().longest
    }

    /// Moves of a worker up to now.
    pub(super) async fn moves_by(&self, address: &str) -> usize {
        // The look that goes on may have begun before.
        let wanted = self.seen().looks + 2;
        eventually("two more looks at the positions", PATIENCE, || {
            let looks = self.seen().looks;
            let enough = check(looks >= wanted, || format!("{looks} of {wanted}"));
            std::future::ready(enough)
        })
        .await;
        let seen = self.seen();
        let by_it = seen.moves.iter();
        let by_it = by_it.filter(|(owner, _)| owner.contains(address));
        by_it.map(|(_, moves)| moves).sum()
    }

    /// Positions that fell, which none may.
    pub(crate) fn falls(&self) -> Vec<String> {
        self.seen().falls.clone()
    }

    /// What was seen until now stays.
    pub(crate) fn end(&self) {
        self.looking.abort();
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

async fn look(keyspace: Arc<Keyspace>, topic: Topic, seen: Arc<Mutex<Seen>>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let rows = keyspace.progress().await;
        let rows = rows
            .iter()
            .filter(|row| row.topic == topic.name && !row.is_kept);
        seen.lock().unwrap().look_at(rows, Instant::now());
    }
}

impl Seen {
    fn look_at<'a>(&mut self, rows: impl Iterator<Item = &'a Progress>, now: Instant) {
        let mut has_seen = false;
        for row in rows {
            has_seen = true;
            self.look_at_one(row, now);
        }
        if !has_seen {
            return;
        }
        self.looks += 1;
        if let Some(last) = self.last.replace(now) {
            self.longest.unseen = self.longest.unseen.max(now - last);
        }
    }

    fn look_at_one(&mut self, row: &Progress, now: Instant) {
        let partition = row.partition;
        let before = self.stands.get(&partition).copied();
        if before.is_some_and(|(stood, _)| stood == row.next) {
            return;
        }
        self.stands.insert(partition, (row.next, now));
        let Some((stood, since)) = before else {
            return;
        };
        if row.next < stood && self.falls.len() < FALLS_TOLD {
            let fall = format!("partition {partition} from {stood} to {}", row.next);
            self.falls.push(fall);
        }
        *self.moves.entry(row.owner.clone()).or_default() += 1;
        let time = now - since;
        if time > self.longest.time {
            self.longest.time = time;
            self.longest.partition = partition;
        }
    }
}

#[test]
fn pauses_moves_and_falls_are_seen() {
    let begun = Instant::now();
    let row = |partition, next, owner: &str| Progress {
        topic: String::new(),
        partition,
        next,
        owner: owner.to_owned(),
        claims: 1,
        resets: 0,
        is_kept: false,
    };
    let mut seen = Seen::default();
    let looks = [
        (0, vec![row(0, 5, "a"), row(1, 7, "b")]),
        (1, vec![row(0, 6, "a"), row(1, 7, "b")]),
        (2, vec![]),
        (4, vec![row(0, 6, "a"), row(1, 9, "a")]),
        (5, vec![row(0, 3, "b"), row(1, 9, "a")]),
    ];
    for (second, rows) in looks {
        let now = begun + Duration::from_secs(second);
        seen.look_at(rows.iter(), now);
    }
    let expected = Pause {
        time: Duration::from_secs(4),
        partition: 1,
        unseen: Duration::from_secs(3),
    };
    assert_eq!(seen.longest, expected);
    assert_eq!(seen.looks, 4);
    let moves = [("a".to_owned(), 2), ("b".to_owned(), 1)];
    assert_eq!(seen.moves, BTreeMap::from(moves));
    assert_eq!(seen.falls, ["partition 0 from 6 to 3"]);
}
