//! Claims, writes and lost answers in every order there is: two tasks that both believe, for a while,
//! that they own a partition, a database that locks rows, and a network that loses answers. Explored
//! exhaustively, with the real decisions of [`reconcile`](super::reconcile).
//!
//! In every state that can be reached: each record before the stored position is stored once, none
//! behind it is, and the position never falls. From every one of them the end can still be reached.

use std::collections::{HashMap, HashSet, VecDeque};

use rowdock_connectors::{PartitionKey, PositionMove, RenewAnswer, RenewRequest};
use uuid::Uuid;

use super::Held;
use super::reconcile::{Verdict, apply_renewal, judge};
use crate::batch::AssignmentTag;

const RECORDS: usize = 3;

/// Claims and renewals of a run, and other things that must not go on for ever.
const CLAIMS_MAX: u8 = 4;
const MOVES_MAX: u8 = 2;
const LOSSES_MAX: u8 = 2;
const CRASHES_MAX: u8 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    database: Database,
    tasks: [Task; 2],
    /// Whose the partition is, as the group's coordinator says, and how often that has changed.
    owner: usize,
    claims: u8,
    moves: u8,
    losses: u8,
    crashes: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Database {
    claim: u8,
    next: usize,
    rows: [u8; RECORDS],
    open: Option<Transaction>,
}

/// A transaction that has locked the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Transaction {
    from: usize,
    to: usize,
    /// Whose it is; `None`: nobody waits for it any more, and it ends one way or the other.
    by: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Task {
    /// It believes that the partition is its own, under this tag.
    assigned: bool,
    held: Option<(u8, usize)>,
    batch: Option<(usize, usize)>,
    /// An answer is missing: a renewal with this new claim is due, or was sent already.
    renewal: Option<u8>,
}

/// How a write makes sure that it is still its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    /// By comparing claim and position, as the sinks do.
    Compares,
    /// Not at all.
    Trusts,
}

#[test]
fn nothing_is_lost_or_doubled_in_any_order() {
    let explored = Explored::from_the_beginning(Write::Compares).unwrap();
    assert_eq!(
        explored.stuck(),
        None,
        "of {} states",
        explored.states.len()
    );
    let count = explored.states.len();
    assert!(count > 10_000, "only {count} states");
}

/// The exploration sees what it is there to see.
#[test]
fn a_write_that_compares_nothing_is_found_out() {
    assert!(Explored::from_the_beginning(Write::Trusts).is_err());
}

/// All states that can be reached, and from which states each is reached in a step.
struct Explored {
    states: Vec<State>,
    backwards: Vec<Vec<usize>>,
}

impl Explored {
    /// Goes through all of them; an error is the first that is wrong.
    fn from_the_beginning(write: Write) -> Result<Self, String> {
        let begin = State::begin();
        let mut numbers = HashMap::from([(begin.clone(), 0)]);
        let mut all = Self {
            states: vec![begin],
            backwards: vec![Vec::new()],
        };
        let mut open = VecDeque::from([0]);
        while let Some(from) = open.pop_front() {
            let state = all.states[from].clone();
            for next in state.successors(write) {
                next.check(&state)?;
                let number = *numbers.entry(next.clone()).or_insert_with(|| {
                    all.states.push(next);
                    all.backwards.push(Vec::new());
                    open.push_back(all.states.len() - 1);
                    all.states.len() - 1
                });
                all.backwards[number].push(from);
            }
        }
        Ok(all)
    }

    /// A state from which the end cannot be reached. A task that may claim no more, only because the
    /// exploration must end somewhere, is excused.
    fn stuck(&self) -> Option<&State> {
        let done = (0..self.states.len()).filter(|number| self.states[*number].is_done());
        let mut open: VecDeque<usize> = done.collect();
        let mut reaches: HashSet<usize> = open.iter().copied().collect();
        while let Some(number) = open.pop_front() {
            for before in &self.backwards[number] {
                if reaches.insert(*before) {
                    open.push_back(*before);
                }
            }
        }
        (0..self.states.len())
            .filter(|number| self.states[*number].claims < CLAIMS_MAX)
            .find(|number| !reaches.contains(number))
            .map(|number| &self.states[number])
    }
}

impl State {
    fn begin() -> Self {
        Self {
            database: Database::default(),
            tasks: [Task::default(); 2],
            owner: 0,
            claims: 0,
            moves: 0,
            losses: 0,
            crashes: 0,
        }
    }

    fn is_done(&self) -> bool {
        self.database.next == RECORDS && self.database.open.is_none()
    }

    fn check(&self, before: &Self) -> Result<(), String> {
        let Database { next, rows, .. } = self.database;
        let is_right = |offset: usize| rows[offset] == u8::from(offset < next);
        if (0..RECORDS).all(is_right) && next >= before.database.next {
            return Ok(());
        }
        Err(format!("after {before:#?}: {self:#?}"))
    }

    fn successors(&self, write: Write) -> Vec<Self> {
        let mut all = Vec::new();
        self.of_the_group(&mut all);
        self.of_the_database(&mut all);
        for task in 0..self.tasks.len() {
            self.of_task(task, write, &mut all);
        }
        all
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        change(&mut next);
        next
    }

    /// The partition moves, and tasks hear of it some time.
    fn of_the_group(&self, all: &mut Vec<Self>) {
        if self.moves < MOVES_MAX {
            all.push(self.with(|next| {
                next.owner = 1 - next.owner;
                next.moves += 1;
            }));
        }
        for task in 0..self.tasks.len() {
            let is_owner = self.owner == task;
            if self.tasks[task].assigned != is_owner {
                all.push(self.with(|next| {
                    next.tasks[task] = Task {
                        assigned: is_owner,
                        ..Task::default()
                    };
                    // What it had open is aborted, or on its way and not waited for.
                    next.abandon(task);
                }));
            }
        }
    }

    fn abandon(&mut self, task: usize) {
        if let Some(open) = &mut self.database.open
            && open.by == Some(task)
        {
            open.by = None;
        }
    }

    /// A transaction that nobody waits for is rolled back, or was committed after all.
    fn of_the_database(&self, all: &mut Vec<Self>) {
        let Some(open) = self.database.open else {
            return;
        };
        if open.by.is_none() {
            all.push(self.with(|next| next.database.open = None));
            all.push(self.with(|next| next.commit(open)));
        }
    }

    fn commit(&mut self, transaction: Transaction) {
        self.database.open = None;
        self.database.next = transaction.to;
        for offset in transaction.from..transaction.to {
            self.database.rows[offset] += 1;
        }
    }

    fn of_task(&self, number: usize, write: Write, all: &mut Vec<Self>) {
        let task = self.tasks[number];
        if self.crashes < CRASHES_MAX && task != Task::default() {
            all.push(self.with(|next| {
                next.crashes += 1;
                next.tasks[number] = Task::default();
                next.abandon(number);
            }));
        }
        if !task.assigned {
            return;
        }
        match (task.held, task.renewal) {
            (None, _) => self.claim(number, all),
            (Some(held), Some(new)) => self.renew(number, held, new, all),
            (Some(held), None) => self.work(number, held, write, all),
        }
    }

    /// Claims wait for whoever has locked the position.
    fn claim(&self, number: usize, all: &mut Vec<Self>) {
        if self.database.open.is_some() || self.claims >= CLAIMS_MAX {
            return;
        }
        let claimed = self.with(|next| {
            next.claims += 1;
            next.database.claim = next.claims;
        });
        if self.losses < LOSSES_MAX && claimed.claims < CLAIMS_MAX {
            all.push(claimed.with(|next| next.losses += 1));
        }
        all.push(claimed.with(|next| {
            let position = (next.claims, next.database.next);
            next.tasks[number].held = Some(position);
        }));
    }

    fn work(&self, number: usize, held: (u8, usize), write: Write, all: &mut Vec<Self>) {
        let (claim, position) = held;
        let Some((from, to)) = self.tasks[number].batch else {
            let ends = position + 1..=(position + 2).min(RECORDS);
            all.extend(
                ends.map(|to| self.with(|next| next.tasks[number].batch = Some((position, to)))),
            );
            return;
        };
        match self.database.open {
            Some(open) if open.by == Some(number) => self.end(number, open, all),
            Some(_) => {}
            None if write == Write::Trusts
                || (self.database.claim, self.database.next) == (claim, from) =>
            {
                let by = Some(number);
                all.push(self.with(|next| {
                    next.database.open = Some(Transaction { from, to, by });
                }));
            }
            // Fenced: it lets go of what it holds, and joins again.
            None => all.push(self.with(|next| next.tasks[number] = Task::default())),
        }
    }

    /// A transaction commits, is rolled back, or its answer is lost on either way.
    fn end(&self, number: usize, open: Transaction, all: &mut Vec<Self>) {
        all.push(self.with(|next| {
            next.commit(open);
            let task = &mut next.tasks[number];
            task.held = task.held.map(|(claim, _)| (claim, open.to));
            task.batch = None;
        }));
        all.push(self.with(|next| next.database.open = None));
        if self.losses < LOSSES_MAX && self.claims < CLAIMS_MAX {
            all.push(self.with(|next| {
                next.losses += 1;
                next.claims += 1;
                next.tasks[number].renewal = Some(next.claims);
                next.abandon(number);
            }));
        }
    }

    fn renew(&self, number: usize, (claim, position): (u8, usize), new: u8, all: &mut Vec<Self>) {
        if self.database.open.is_some() {
            return;
        }
        let is_held = [claim, new].contains(&self.database.claim);
        let renewed = self.with(|next| {
            if is_held {
                next.database.claim = new;
            }
        });
        if self.losses < LOSSES_MAX {
            all.push(renewed.with(|next| next.losses += 1));
        }
        all.push(renewed.with(|next| {
            let answer = if is_held {
                let next_offset = offset(next.database.next);
                RenewAnswer::Held { next_offset }
            } else {
                RenewAnswer::Lost
            };
            let task = next.tasks[number];
            next.tasks[number] = after_renewal(task, (claim, position), new, answer);
        }));
    }
}

/// What a task makes of a renewal's answer: the real decisions.
fn after_renewal(task: Task, (claim, position): (u8, usize), new: u8, answer: RenewAnswer) -> Task {
    let tag = AssignmentTag(1);
    let mut held = HashMap::from([(
        key(),
        Held {
            tag,
            claim_id: id(claim),
            next_offset: offset(position),
            topic_id: String::new(),
        },
    )]);
    let request = RenewRequest {
        new_claim_id: id(new),
        partitions: vec![(key(), id(claim))],
    };
    let lost = apply_renewal(&mut held, &request, &[answer]);
    let Some(held) = held.get(&key()) else {
        assert_eq!(lost, [key()]);
        return Task::default();
    };
    let next = usize::try_from(held.next_offset).unwrap();
    let batch = task.batch.filter(|(from, to)| {
        let part = PositionMove {
            key: key(),
            claim_id: held.claim_id,
            from: offset(*from),
            to: offset(*to),
            leader_epoch: -1,
            times: Vec::new(),
        };
        judge(&part, tag, Some(held)) == Verdict::Write
    });
    Task {
        assigned: true,
        held: Some((new, next)),
        batch,
        renewal: None,
    }
}

fn key() -> PartitionKey {
    PartitionKey {
        topic: "orders".into(),
        partition: 0,
    }
}

fn id(claim: u8) -> Uuid {
    Uuid::from_u128(claim.into())
}

fn offset(position: usize) -> i64 {
    i64::try_from(position).unwrap()
}
