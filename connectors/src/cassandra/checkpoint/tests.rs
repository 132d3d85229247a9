use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::position::RecordTime;

fn held(next_offset: i64, settled_from: Option<i64>) -> Held {
    Held {
        claim_id: Uuid::from_u128(1),
        next_offset,
        clock: Clock(100),
        ceiling: 200,
        settled_from,
    }
}

#[test]
fn parts_are_judged_by_claim_then_by_place() {
    let check = |held: Held, claim: u128, (from, to): (i64, i64), expected: Part| {
        let judged = held.judge(Uuid::from_u128(claim), from, to);
        assert_eq!(judged, expected, "{from}..{to} of {held:?}");
    };
    check(held(10, None), 1, (10, 20), Part::Ours);
    check(held(10, None), 1, (10, 10), Part::Ours);
    check(held(10, None), 2, (10, 20), Part::Fenced);
    check(held(10, None), 1, (9, 20), Part::Fenced);
    check(held(20, None), 1, (10, 20), Part::Fenced);
    check(held(20, Some(10)), 1, (10, 20), Part::Settled);
    check(held(20, Some(10)), 2, (10, 20), Part::Fenced);
    check(held(20, Some(10)), 1, (10, 19), Part::Fenced);
    check(held(20, Some(10)), 1, (20, 30), Part::Ours);
}

#[test]
fn answers_of_a_compare_and_set() {
    let (mine, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let check = |row, expected| assert_eq!(settle_move(row, mine, 10, 20), expected, "{row:?}");
    check(Some((mine, 20)), Settled::Done);
    check(Some((mine, 10)), Settled::NotYet);
    check(Some((mine, 15)), Settled::Lost);
    check(Some((other, 20)), Settled::Lost);
    check(Some((other, 10)), Settled::Lost);
    check(None, Settled::Lost);
    let check = |holder, expected| assert_eq!(settle_renewal(holder, mine, other), expected);
    check(Some(other), Settled::Done);
    check(Some(mine), Settled::NotYet);
    check(Some(Uuid::nil()), Settled::Lost);
    check(None, Settled::Lost);
}

#[test]
fn the_ceiling_is_raised_before_it_is_passed_and_on_the_way() {
    let at = |clock: i64, time_ms: Option<i64>| {
        let record = RecordTime {
            offset: 10,
            timestamp_ms: time_ms,
        };
        Timeline::run(Clock(clock - 1), [record], (10, 11), None)
    };
    let held = held(10, None);
    assert_eq!(held.ceiling_before(&at(200, None)), None);
    assert_eq!(
        held.ceiling_before(&at(201, None)),
        Some(201 + CEILING_STEP)
    );
    // Far above records, a little above a clock that is ahead of them.
    let second = 1_000_000;
    let on_time = at(1, Some(1_000));
    assert_eq!(
        held.ceiling_before(&on_time),
        Some(second + CEILING_HEADROOM)
    );
    let ahead = at(second + CEILING_HEADROOM, Some(1_000));
    let expected = second + CEILING_HEADROOM + CEILING_STEP;
    assert_eq!(held.ceiling_before(&ahead), Some(expected));
    assert_eq!(held.ceiling_after(&on_time), second + CEILING_HEADROOM);
    let roomy = Held {
        ceiling: second + CEILING_HEADROOM,
        ..held
    };
    assert_eq!(roomy.ceiling_after(&on_time), roomy.ceiling);
    // It is never lowered.
    let high = Held {
        ceiling: second + CEILING_HEADROOM / 4,
        ..held
    };
    assert_eq!(high.ceiling_after(&at(second, None)), high.ceiling);
}

/// Each start of a compacted topic jumps above the ceiling, and each write after it raises the ceiling:
/// however often that happens, timestamps stay near the records' times.
#[test]
fn many_starts_do_not_lead_far_ahead() {
    const STARTS: i64 = 50;
    let made_ms = 1_763_720_130_000;
    let mut row = unclaimed();
    for start in 0..STARTS {
        let claimed = row.clock_for(0, false);
        let record = RecordTime {
            offset: start,
            timestamp_ms: Some(made_ms),
        };
        let timeline = Timeline::run(claimed, [record], (start, start + 1), None);
        let held = Held {
            claim_id: row.claim_id,
            next_offset: start,
            clock: claimed,
            ceiling: row.ceiling,
            settled_from: None,
        };
        let ceiling = held.ceiling_before(&timeline);
        row.ceiling = ceiling.unwrap_or(row.ceiling);
        row.ceiling = Held {
            ceiling: row.ceiling,
            ..held
        }
        .ceiling_after(&timeline);
        row.clock = timeline.end();
    }
    let ahead = row.clock.0 - made_ms * 1_000;
    let most = CEILING_HEADROOM + STARTS * (CEILING_STEP + 1);
    assert!((CEILING_HEADROOM..=most).contains(&ahead), "{ahead}");
}

fn unclaimed() -> Checkpoint {
    Checkpoint {
        topic_id: String::new(),
        next_offset: 0,
        leader_epoch: -1,
        claim_id: Uuid::nil(),
        claim_count: 0,
        generation: -1,
        owner: String::new(),
        reset_count: 0,
        clock: Clock(0),
        ceiling: 0,
        config: 0,
        updated_ms: 0,
    }
}

/// A cell as Cassandra keeps it: the greatest timestamp wins, and of two alike the greater value.
type Cells = BTreeMap<u8, (i64, u32)>;

fn put(cells: &mut Cells, key: u8, timestamp: i64, value: u32) {
    let entry = cells.entry(key).or_insert((timestamp, value));
    *entry = (*entry).max((timestamp, value));
}

/// One worker's step: reading some records under what it holds, writing some of their rows in any
/// order, and checkpointing or not.
#[derive(Debug, Clone)]
enum Step {
    /// The one that holds the claim now writes a batch; of the first rows, if it dies in the middle.
    Write { records: usize, rows: usize },
    /// A former holder that was frozen wakes and writes all the rows it had in hand.
    Wake { which: usize },
    /// Another takes over, perhaps with another config.
    Claim { config: i64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_usize..6, 0_usize..8).prop_map(|(records, rows)| Step::Write { records, rows }),
        2 => (0_usize..8).prop_map(|which| Step::Wake { which }),
        2 => (0_i64..2).prop_map(|config| Step::Claim { config }),
    ];
    prop::collection::vec(step, 0..40)
}

/// A log of keys, each record with a time, and what each config makes of a record.
struct Log {
    records: Vec<(u8, Option<i64>)>,
}

impl Log {
    fn value(offset: usize, config: i64) -> u32 {
        u32::try_from(offset).unwrap() * 2 + u32::try_from(config).unwrap()
    }

    fn times(&self) -> impl Iterator<Item = RecordTime> + '_ {
        self.records
            .iter()
            .enumerate()
            .map(|(offset, record)| RecordTime {
                offset: i64::try_from(offset).unwrap(),
                timestamp_ms: record.1,
            })
    }

    fn rows(
        &self,
        from: usize,
        to: usize,
        start: Clock,
        config: i64,
    ) -> (Vec<(u8, i64, u32)>, Timeline) {
        let part = (i64::try_from(from).unwrap(), i64::try_from(to).unwrap());
        let timeline = Timeline::run(start, self.times(), part, None);
        let row = |offset: usize| {
            let entry = timeline.at(i64::try_from(offset).unwrap()).unwrap();
            (
                self.records[offset].0,
                entry.timestamp,
                Self::value(offset, config),
            )
        };
        ((from..to).map(row).collect(), timeline)
    }
}

proptest! {
    /// Whoever crashes, freezes, wakes and takes over: in the end each key has the value of its last
    /// record, as the last config makes it if that record was written by it, and never one that the
    /// log has overtaken.
    #[test]
    fn no_frozen_writer_overtakes_the_log(
        records in prop::collection::vec((0_u8..4, prop::option::of(0_i64..30)), 1..25),
        steps in steps(),
    ) {
        let log = Log { records };
        let mut cells = Cells::new();
        let mut row = unclaimed();
        let mut config = 0;
        let mut in_hand: Vec<Vec<(u8, i64, u32)>> = Vec::new();
        let claim = |row: &mut Checkpoint, config: i64| {
            row.clock = row.clock_for(config, true);
            row.config = config;
        };
        claim(&mut row, config);
        let mut all: Vec<Step> = steps;
        // At last someone writes all that is left, and all the frozen ones wake.
        all.extend((0..8).map(|which| Step::Wake { which }));
        all.push(Step::Write { records: usize::MAX, rows: usize::MAX });
        all.extend((0..8).map(|which| Step::Wake { which }));
        for step in all {
            match step {
                Step::Claim { config: next } => {
                    config = next;
                    claim(&mut row, config);
                }
                Step::Wake { which } => {
                    for (key, timestamp, value) in in_hand.get(which).cloned().unwrap_or_default() {
                        put(&mut cells, key, timestamp, value);
                    }
                }
                Step::Write { records, rows } => {
                    let from = usize::try_from(row.next_offset).unwrap();
                    let to = from.saturating_add(records).min(log.records.len());
                    let (written, timeline) = log.rows(from, to, row.clock, config);
                    let held = Held {
                        claim_id: row.claim_id,
                        next_offset: row.next_offset,
                        clock: row.clock,
                        ceiling: row.ceiling,
                        settled_from: None,
                    };
                    if let Some(ceiling) = held.ceiling_before(&timeline) {
                        row.ceiling = ceiling;
                    }
                    let complete = rows >= written.len();
                    for (key, timestamp, value) in written.iter().take(rows) {
                        prop_assert!(*timestamp <= row.ceiling);
                        put(&mut cells, *key, *timestamp, *value);
                    }
                    if complete {
                        let held = Held { ceiling: row.ceiling, ..held };
                        row.ceiling = held.ceiling_after(&timeline);
                        row.next_offset = i64::try_from(to).unwrap();
                        row.clock = timeline.end();
                    } else {
                        in_hand.push(written);
                    }
                }
            }
        }
        for (key, (_, value)) in &cells {
            let last = log.records.iter().rposition(|record| record.0 == *key).unwrap();
            prop_assert_eq!(usize::try_from(*value / 2).unwrap(), last, "key {}", key);
        }
    }
}
