//! A task that is RUNNING and does not move while records wait.
//!
//! Whatever can be known to be wrong is told elsewhere: a failure, a retry, a thread that does not
//! turn, a batch that is never settled. What is left is a consumer that believes all is well and gets
//! nothing. So when nothing has come for long, Kafka is asked where the partitions end; and when
//! that is asked again, a while later, and positions still stand before the ends that were told first,
//! the task is lost. Its supervisor starts it anew.

use std::collections::HashMap;
use std::time::Duration;

use rowdock_connectors::PartitionKey;
use tokio::time::Instant;

use super::{Halt, Held, WriteLoop};
use crate::status::TaskState;

/// Nothing has come for so long: longer than rebalances and reconnects take.
const QUIET_MAX: Duration = Duration::from_secs(60);

/// Between the two questions: longer than a fetch and the batch that follows it take.
const BETWEEN_LOOKS: Duration = Duration::from_secs(60);

/// What was seen of a quiet task.
#[derive(Debug, Default)]
pub(super) struct Standstill {
    /// Since when nothing has come.
    quiet_since: Option<Instant>,
    /// Where partitions ended when that was asked last, and when.
    ends: Option<(Instant, HashMap<PartitionKey, i64>)>,
}

/// What is to be done about a quiet task.
#[derive(Debug, PartialEq, Eq)]
enum Advice {
    Wait,
    /// Ask Kafka where these partitions end.
    Ask,
    /// This partition stands, though its log goes on up to this offset.
    Lost(PartitionKey, i64),
}

impl Standstill {
    /// Something has come.
    pub(super) fn moves(&mut self) {
        *self = Self::default();
    }

    fn advise(
        &mut self,
        now: Instant,
        held: &HashMap<PartitionKey, Held>,
        patience: Patience,
    ) -> Advice {
        let quiet_since = *self.quiet_since.get_or_insert(now);
        if now.duration_since(quiet_since) < patience.quiet_max {
            return Advice::Wait;
        }
        let Some((asked, ends)) = &self.ends else {
            return Advice::Ask;
        };
        if now.duration_since(*asked) < patience.between_looks {
            return Advice::Wait;
        }
        let mut behind: Vec<(&PartitionKey, i64)> = held
            .iter()
            .filter_map(|(key, held)| Some((key, *ends.get(key)?, held.next_offset)))
            .filter(|(_, end, next)| next < end)
            .map(|(key, end, _)| (key, end))
            .collect();
        behind.sort_unstable();
        match behind.first() {
            Some((key, end)) => Advice::Lost((*key).clone(), *end),
            None => Advice::Ask,
        }
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
            told.state == TaskState::Running && told.retrying.is_none()
        };
        if !is_well || self.state.held.is_empty() || self.board.in_flight() > 0 {
            self.state.standstill.moves();
            return Ok(());
        }
        let patience = self.patience();
        let state = &mut self.state;
        match state
            .standstill
            .advise(Instant::now(), &state.held, patience)
        {
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
            Advice::Lost(key, end) => Err(Halt::Lost(format!(
                "stuck: topic {}, partition {} stands at {} though its log goes on to {end}, and \
                 nothing has come for {} s",
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

    #[tokio::test(start_paused = true)]
    async fn only_what_stands_before_an_end_of_long_ago_is_lost() {
        let patience = Patience {
            quiet_max: QUIET_MAX,
            between_looks: BETWEEN_LOOKS,
        };
        let mut standstill = Standstill::default();
        let begun = Instant::now();
        let mut check = |after_s: u64, positions: &[i64], expected: Advice| {
            let now = begun + Duration::from_secs(after_s);
            let advice = standstill.advise(now, &held(positions), patience);
            assert_eq!(advice, expected, "after {after_s} s");
            if advice == Advice::Ask {
                let ends = HashMap::from([(key(0), 7), (key(1), 9)]);
                standstill.ends = Some((now, ends));
            }
        };
        check(0, &[5, 9], Advice::Wait);
        check(59, &[5, 9], Advice::Wait);
        check(60, &[5, 9], Advice::Ask);
        check(119, &[5, 9], Advice::Wait);
        // Both have reached what was asked for: idle, and looked at again.
        check(121, &[7, 9], Advice::Ask);
        check(182, &[6, 9], Advice::Lost(key(0), 7));
    }
}
