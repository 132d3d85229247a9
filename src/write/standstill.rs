//! A task that is RUNNING and does not move, as a whole or in one of its partitions, while records wait.
//!
//! Whatever can be known to be wrong is told elsewhere: a failure, a retry, what Kafka refuses, a thread
//! that does not turn, a batch that is never settled. What is left is a consumer that believes all is
//! well and gets nothing, or nothing of one partition. So when a partition has not moved for long, Kafka
//! is asked where the partitions end; and when that is asked again, a while later, and it still stands
//! before the end that was told first, while all that move have reached theirs, the task is lost. Its
//! supervisor starts it anew. Where others move and have not reached their ends, the task has more to do
//! than it can, and whose turn it is cannot be told.
//!
//! The same is done where partitions were given to the task and nobody ever claimed them.

use std::collections::HashMap;
use std::time::Duration;

use rowdock_connectors::PartitionKey;
use tokio::time::Instant;

use super::{Halt, Held, WriteLoop};
use crate::status::TaskState;

/// A partition has not moved for so long: longer than rebalances and reconnects take.
const QUIET_MAX: Duration = Duration::from_secs(60);

/// Between the two questions: longer than a fetch and the batch that follows it take.
const BETWEEN_LOOKS: Duration = Duration::from_secs(60);

/// What was seen of a task's partitions.
#[derive(Debug, Default)]
pub(super) struct Standstill {
    /// Where each that is held stands, and since when.
    stands: HashMap<PartitionKey, (i64, Instant)>,
    /// Where partitions ended when that was asked last, and when.
    ends: Option<(Instant, HashMap<PartitionKey, i64>)>,
    /// Since when partitions are assigned that are not claimed.
    unclaimed_since: Option<Instant>,
}

/// What is to be done about a quiet task.
#[derive(Debug, PartialEq, Eq)]
enum Advice {
    Wait,
    /// Ask Kafka where the partitions end.
    Ask,
    /// This partition stands, though its log goes on up to this offset.
    Lost(PartitionKey, i64),
}

impl Standstill {
    /// Nothing of what was seen counts any more: why nothing moves is known.
    fn forget(&mut self) {
        *self = Self::default();
    }

    fn advise(
        &mut self,
        now: Instant,
        held: &HashMap<PartitionKey, Held>,
        patience: Patience,
    ) -> Advice {
        self.note(now, held);
        let is_quiet = |since: Instant| now.duration_since(since) >= patience.quiet_max;
        if !self.stands.values().any(|(_, since)| is_quiet(*since)) {
            self.ends = None;
            return Advice::Wait;
        }
        let Some((asked, ends)) = &self.ends else {
            return Advice::Ask;
        };
        if now.duration_since(*asked) < patience.between_looks {
            return Advice::Wait;
        }
        let behind = self.stands.iter().filter_map(|(key, (next, since))| {
            let end = *ends.get(key)?;
            (*next < end).then_some((key, end, *since))
        });
        let (still, moving): (Vec<_>, Vec<_>) =
            behind.partition(|(_, _, since)| *since <= *asked && is_quiet(*since));
        let first = still.into_iter().min_by_key(|(key, _, _)| (*key).clone());
        match first {
            Some((key, end, _)) if moving.is_empty() => Advice::Lost(key.clone(), end),
            _ => Advice::Ask,
        }
    }

    fn note(&mut self, now: Instant, held: &HashMap<PartitionKey, Held>) {
        self.stands.retain(|key, _| held.contains_key(key));
        for (key, held) in held {
            let seen = self.stands.entry(key.clone());
            let stands = seen.or_insert((held.next_offset, now));
            if stands.0 != held.next_offset {
                *stands = (held.next_offset, now);
            }
        }
    }

    /// For how long partitions have been assigned and not claimed.
    fn unclaimed_for(&mut self, now: Instant, has_unclaimed: bool) -> Duration {
        if !has_unclaimed {
            self.unclaimed_since = None;
            return Duration::ZERO;
        }
        now.duration_since(*self.unclaimed_since.get_or_insert(now))
    }
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
struct Patience {
    quiet_max: Duration,
    between_looks: Duration,
}

impl WriteLoop {
    /// Finds out whether the task stands still though there is something to read.
    pub(super) async fn look_for_standstill(&mut self) -> Result<(), Halt> {
        let is_well = {
            let told = self.status.borrow();
            let is_explained = told.retrying.is_some() || told.refused.is_some();
            told.state == TaskState::Running && !is_explained
        };
        if !is_well {
            self.state.standstill.forget();
            return Ok(());
        }
        let now = Instant::now();
        let patience = self.patience();
        self.look_for_unclaimed(now, patience)?;
        let state = &mut self.state;
        match state.standstill.advise(now, &state.held, patience) {
            Advice::Wait => Ok(()),
            Advice::Ask => {
                let keys = self.state.held.keys().cloned().collect();
                // That Kafka does not answer says nothing of the consumer.
                if let Ok(marks) = self.facts.watermarks(keys).await {
                    let ends = marks.into_iter().map(|(key, marks)| (key, marks.high));
                    self.state.standstill.ends = Some((Instant::now(), ends.collect()));
                }
                Ok(())
            }
            // What waits may be on its way.
            Advice::Lost(..) if self.board.in_flight() > 0 => Ok(()),
            Advice::Lost(key, end) => Err(Halt::Lost(format!(
                "stuck: topic {}, partition {} stands at {} though its log goes on to {end}, and \
                 nothing of it has come for {} s",
                key.topic,
                key.partition,
                self.state
                    .held
                    .get(&key)
                    .map_or(-1, |held| held.next_offset),
                (patience.quiet_max + patience.between_looks).as_secs()
            ))),
        }
    }

    /// Claims are tried until they are made, so partitions without one were overlooked.
    fn look_for_unclaimed(&mut self, now: Instant, patience: Patience) -> Result<(), Halt> {
        let state = &self.state;
        let is_waited_for = |key: &PartitionKey| {
            let yielded = state.yielded.iter().any(|(yielded, _, _)| yielded == key);
            yielded || state.held.contains_key(key)
        };
        let unclaimed = self.board.partitions().into_iter();
        let unclaimed = unclaimed.filter(|key| !is_waited_for(key)).count();
        let time = self.state.standstill.unclaimed_for(now, unclaimed > 0);
        if time <= patience.quiet_max + patience.between_looks {
            return Ok(());
        }
        Err(Halt::Lost(format!(
            "stuck: {unclaimed} partitions were assigned and have not been claimed for {} s",
            time.as_secs()
        )))
    }

    fn patience(&self) -> Patience {
        fail::fail_point!("write::impatient", |_| Patience {
            quiet_max: Duration::from_secs(2),
            between_looks: Duration::from_secs(2),
        });
        // Records may lie in an open batch for as long as they are told to.
        let linger = self.config.batch.linger;
        Patience {
            quiet_max: QUIET_MAX.max(linger * 2),
            between_looks: BETWEEN_LOOKS.max(linger * 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::batch::AssignmentTag;

    fn key(partition: i32) -> PartitionKey {
        PartitionKey {
            topic: "orders".into(),
            partition,
        }
    }

    fn held(positions: &[i64]) -> HashMap<PartitionKey, Held> {
        let held = |next_offset| Held {
            tag: AssignmentTag(1),
            claim_id: Uuid::nil(),
            next_offset,
            topic_id: String::new(),
        };
        let numbered = (0..).zip(positions);
        numbered
            .map(|(partition, next)| (key(partition), held(*next)))
            .collect()
    }

    /// Looks at times in seconds, with the positions of partitions then; what is asked for is answered.
    fn check(looks: &[(u64, &[i64], Advice)], ends: &[i64]) {
        let patience = Patience {
            quiet_max: QUIET_MAX,
            between_looks: BETWEEN_LOOKS,
        };
        let mut standstill = Standstill::default();
        let begun = Instant::now();
        for (after_s, positions, expected) in looks {
            let now = begun + Duration::from_secs(*after_s);
            let advice = standstill.advise(now, &held(positions), patience);
            assert_eq!(advice, *expected, "after {after_s} s");
            if advice == Advice::Ask {
                let ends = (0..)
                    .zip(ends)
                    .map(|(partition, end)| (key(partition), *end));
                standstill.ends = Some((now, ends.collect()));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_stands_before_an_end_of_long_ago_is_lost() {
        check(
            &[
                (0, &[5, 9], Advice::Wait),
                (59, &[5, 9], Advice::Wait),
                (60, &[5, 9], Advice::Ask),
                (119, &[5, 9], Advice::Wait),
                // Both have reached what was asked for: idle, and looked at again.
                (121, &[7, 9], Advice::Ask),
                (180, &[7, 9], Advice::Wait),
                (182, &[7, 9], Advice::Ask),
            ],
            &[7, 9],
        );
        check(
            &[
                (0, &[6, 9], Advice::Wait),
                (60, &[6, 9], Advice::Ask),
                (121, &[6, 9], Advice::Lost(key(0), 7)),
            ],
            &[7, 9],
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_partition_stands_among_others_that_move() {
        // The other one keeps up: it has passed the end that was told.
        check(
            &[
                (0, &[6, 20], Advice::Wait),
                (58, &[6, 40], Advice::Wait),
                (60, &[6, 41], Advice::Ask),
                (121, &[6, 80], Advice::Lost(key(0), 7)),
            ],
            &[7, 45],
        );
        // The other one is far behind: it may just be its turn.
        check(
            &[
                (0, &[6, 20], Advice::Wait),
                (60, &[6, 41], Advice::Ask),
                (121, &[6, 80], Advice::Ask),
                (182, &[6, 120], Advice::Ask),
            ],
            &[7, 500],
        );
        // It has moved since it was asked for.
        check(
            &[
                (0, &[5, 20], Advice::Wait),
                (60, &[5, 41], Advice::Ask),
                (100, &[6, 45], Advice::Wait),
                (121, &[6, 80], Advice::Wait),
            ],
            &[7, 45],
        );
    }

    #[tokio::test(start_paused = true)]
    async fn partitions_that_are_never_claimed_are_told_for_how_long() {
        let mut standstill = Standstill::default();
        let begun = Instant::now();
        let mut check = |after_s: u64, has_unclaimed: bool, expected_s: u64| {
            let now = begun + Duration::from_secs(after_s);
            let time = standstill.unclaimed_for(now, has_unclaimed);
            assert_eq!(time.as_secs(), expected_s, "after {after_s} s");
        };
        check(0, true, 0);
        check(50, true, 50);
        check(60, false, 0);
        check(70, true, 0);
        check(200, true, 130);
    }
}
