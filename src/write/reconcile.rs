//! A batch in hand against the truth. Pure.
//!
//! | we hold the partition | its position   | the batch's part is                          |
//! |-----------------------|----------------|----------------------------------------------|
//! | under the same tag    | at `from`      | written (again)                              |
//! | under the same tag    | at `to`        | done: an earlier commit did happen           |
//! | under the same tag    | anywhere else  | dropped; reading goes on from the position   |
//! | under another tag     |                | dropped: it was read before a seek or revoke |
//! | no                    |                | dropped                                      |

use std::collections::HashMap;

use rowdock_connectors::{PartitionKey, PositionMove, RenewAnswer, RenewRequest};

use super::Held;
use crate::batch::AssignmentTag;

/// What to do with one partition's part of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Write it.
    Write,
    /// It is written already.
    Done,
    /// It was read under an assignment that has ended: drop it.
    Stale,
    /// Drop it, and read on from here.
    Seek(i64),
}

/// Compares a part of a batch with what we hold.
pub fn judge(position: &PositionMove, tag: AssignmentTag, held: Option<&Held>) -> Verdict {
    let Some(held) = held.filter(|held| held.tag == tag) else {
        return Verdict::Stale;
    };
    if held.next_offset == position.from {
        Verdict::Write
    } else if held.next_offset == position.to {
        Verdict::Done
    } else {
        Verdict::Seek(held.next_offset)
    }
}

/// Takes a renewal's answers over; returns the partitions that were lost.
pub fn apply_renewal(
    held: &mut HashMap<PartitionKey, Held>,
    request: &RenewRequest,
    answers: &[RenewAnswer],
) -> Vec<PartitionKey> {
    let mut lost = Vec::new();
    // An answer too few must not leave a claim believed in.
    let mut answers = answers.iter();
    for (key, _) in &request.partitions {
        match answers.next() {
            Some(RenewAnswer::Held { next_offset }) => {
                if let Some(held) = held.get_mut(key) {
                    held.claim_id = request.new_claim_id;
                    held.next_offset = *next_offset;
                }
            }
            // What was given up since the request was made is not lost.
            Some(RenewAnswer::Lost) | None => {
                if held.remove(key).is_some() {
                    lost.push(key.clone());
                }
            }
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn key(partition: i32) -> PartitionKey {
        PartitionKey {
            topic: "t".into(),
            partition,
        }
    }

    fn part(from: i64, to: i64) -> PositionMove {
        PositionMove {
            key: key(0),
            claim_id: Uuid::nil(),
            from,
            to,
            leader_epoch: -1,
            times: Vec::new(),
        }
    }

    fn held(tag: u64, next_offset: i64) -> Held {
        Held {
            tag: AssignmentTag(tag),
            claim_id: Uuid::nil(),
            next_offset,
            topic_id: String::new(),
        }
    }

    #[test]
    fn judges_by_tag_first_then_position() {
        let check = |held: Option<Held>, expected: Verdict| {
            assert_eq!(
                judge(&part(10, 20), AssignmentTag(1), held.as_ref()),
                expected
            );
        };
        check(None, Verdict::Stale);
        check(Some(held(2, 10)), Verdict::Stale);
        check(Some(held(1, 10)), Verdict::Write);
        check(Some(held(1, 20)), Verdict::Done);
        check(Some(held(1, 15)), Verdict::Seek(15));
        check(Some(held(1, 25)), Verdict::Seek(25));
    }

    #[test]
    fn a_part_without_length_is_written_once_more_harmlessly() {
        let verdict = judge(&part(10, 10), AssignmentTag(1), Some(&held(1, 10)));
        assert_eq!(verdict, Verdict::Write);
    }

    #[test]
    fn renewal_keeps_what_is_held_and_drops_what_is_lost_or_unanswered() {
        let mut all: HashMap<_, _> = (0..3).map(|n| (key(n), held(1, 10))).collect();
        let request = RenewRequest {
            new_claim_id: Uuid::from_u128(7),
            partitions: [0, 1, 9, 2].map(|n| (key(n), Uuid::nil())).to_vec(),
        };
        let answers = [
            RenewAnswer::Held { next_offset: 20 },
            RenewAnswer::Lost,
            RenewAnswer::Lost,
        ];
        let lost = apply_renewal(&mut all, &request, &answers);
        assert_eq!(lost, [key(1), key(2)]);
        assert_eq!(all.len(), 1);
        assert_eq!(all[&key(0)].next_offset, 20);
        assert_eq!(all[&key(0)].claim_id, Uuid::from_u128(7));
    }
}
