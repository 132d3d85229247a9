//! Write timestamps: a hybrid clock per partition. Pure.
//!
//! Cassandra keeps the cell with the greatest timestamp, so a timestamp must say two things: which of
//! two records of one partition came later, and, as far as partitions and other writers are to be
//! compared at all, when it was. Record times alone do not do: they are as coarse as milliseconds,
//! and they go back. So for every record that is read, in its order,
//!
//! ```text
//! clock = max(clock + 1, record time in microseconds)
//! ```
//!
//! The clock that belongs to an offset is stored with that offset. Reading the same records again
//! from there gives the same timestamps, so a replay writes the same cells once more, which changes
//! nothing. That is why the clock runs for every record, whether a row comes of it or not.

use crate::position::RecordTime;

/// Records of 2100 and later have times in another unit (microseconds, or nanoseconds, taken for
/// milliseconds). One of them would set the clock so far ahead that nothing else could ever
/// overwrite what follows it in the partition.
pub(super) const RECORD_TIME_END_MS: i64 = 4_102_444_800_000;

const MICROS_PER_MILLI: i64 = 1_000;

/// A timestamp without a record: above any that a clock can show.
const CLOCK_END: i64 = i64::MAX / 2;

/// The clock of one partition: the last timestamp that was given, 0 before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Clock(pub(super) i64);

impl Clock {
    /// The timestamp of the next record. Records without a time, and those whose time cannot be
    /// right, come just after the one before.
    pub(super) fn tick(&mut self, record_ms: Option<i64>) -> i64 {
        let next = self.0.saturating_add(1).min(CLOCK_END);
        let usable = record_ms.filter(|ms| is_usable(*ms));
        self.0 = usable.map_or(next, |ms| next.max(ms * MICROS_PER_MILLI));
        self.0
    }
}

/// Whether a record's time can be right.
fn is_usable(record_ms: i64) -> bool {
    record_ms > 0 && !is_too_late(record_ms)
}

/// Whether a record's time is beyond what records can have; such records are refused.
pub(super) fn is_too_late(record_ms: i64) -> bool {
    record_ms >= RECORD_TIME_END_MS
}

/// The timestamps of one partition's part of a batch.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// Ascending offsets, each with its record's time and timestamp.
    entries: Vec<Entry>,
    end: Clock,
    /// The latest time that a record has, in microseconds.
    latest: Option<i64>,
}

/// One record's place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: i64,
    /// As the record has it.
    pub(super) record_ms: Option<i64>,
    /// What is written with its row.
    pub(super) timestamp: i64,
}

impl Timeline {
    /// Runs the clock over the records of `from..to`, which are in ascending order. `absent` stands
    /// for times that records do not have.
    pub(super) fn run(
        start: Clock,
        times: impl IntoIterator<Item = RecordTime>,
        (from, to): (i64, i64),
        absent: Option<i64>,
    ) -> Self {
        let (mut end, mut latest) = (start, None);
        let in_part = |time: &RecordTime| time.offset >= from && time.offset < to;
        let entries = times.into_iter().filter(in_part).map(|time| {
            let own = time.timestamp_ms.filter(|ms| is_usable(*ms));
            latest = latest.max(own.map(|ms| ms * MICROS_PER_MILLI));
            Entry {
                offset: time.offset,
                record_ms: time.timestamp_ms,
                timestamp: end.tick(own.or(absent)),
            }
        });
        Self {
            entries: entries.collect(),
            end,
            latest,
        }
    }

    /// The record at this offset.
    pub(super) fn at(&self, offset: i64) -> Option<Entry> {
        let found = self
            .entries
            .binary_search_by_key(&offset, |entry| entry.offset);
        found.ok().map(|index| self.entries[index])
    }

    /// The latest time of its records in microseconds, which the clock may be ahead of; `None` when none
    /// has one.
    pub(super) fn latest(&self) -> Option<i64> {
        self.latest
    }

    /// The clock behind the last record.
    pub(super) fn end(&self) -> Clock {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_clock_follows_record_times_and_never_stands_still() {
        let check = |records: &[Option<i64>], expected: &[i64]| {
            let mut clock = Clock::default();
            let ticks: Vec<i64> = records.iter().map(|ms| clock.tick(*ms)).collect();
            assert_eq!(ticks, expected, "{records:?}");
        };
        check(&[Some(5), Some(5), Some(5)], &[5_000, 5_001, 5_002]);
        check(&[Some(5), Some(4), Some(6)], &[5_000, 5_001, 6_000]);
        check(&[None, None, Some(-1), Some(0)], &[1, 2, 3, 4]);
        check(&[Some(7), None, Some(7)], &[7_000, 7_001, 7_002]);
        let late = RECORD_TIME_END_MS;
        check(
            &[Some(1), Some(late), Some(i64::MAX)],
            &[1_000, 1_001, 1_002],
        );
        check(&[Some(late - 1)], &[(late - 1) * 1_000]);
    }

    #[test]
    fn a_timeline_knows_only_its_part() {
        let times = (10..15).map(|offset| RecordTime {
            offset,
            timestamp_ms: Some(offset),
        });
        let timeline = Timeline::run(Clock(0), times, (11, 13), None);
        assert_eq!(timeline.at(10), None);
        assert_eq!(timeline.at(11).unwrap().timestamp, 11_000);
        assert_eq!(timeline.at(12).unwrap().timestamp, 12_000);
        assert_eq!(timeline.at(13), None);
        assert_eq!(timeline.end(), Clock(12_000));
        let nothing = Timeline::run(Clock(77), [], (0, 100), None);
        assert_eq!(nothing.end(), Clock(77));
    }

    fn record_times() -> impl Strategy<Value = Vec<RecordTime>> {
        let time = prop_oneof![
            3 => (0_i64..3_000).prop_map(Some),
            1 => any::<i64>().prop_map(Some),
            1 => Just(None),
        ];
        let gap = prop_oneof![4 => Just(1_i64), 1 => 2_i64..5];
        prop::collection::vec((gap, time), 0..60).prop_map(|steps| {
            let mut offset = 0;
            let place = |(gap, timestamp_ms)| {
                offset += gap;
                RecordTime {
                    offset,
                    timestamp_ms,
                }
            };
            steps.into_iter().map(place).collect()
        })
    }

    proptest! {
        /// However a partition is cut into batches, and wherever reading starts again, each record
        /// has one timestamp.
        #[test]
        fn a_replay_gives_the_same_timestamps(
            times in record_times(),
            cuts in prop::collection::vec(0_i64..200, 0..8),
            start in 0_i64..2_000_000,
        ) {
            let end = times.last().map_or(0, |time| time.offset) + 1;
            let whole = Timeline::run(Clock(start), times.clone(), (0, end), None);
            let mut cuts: Vec<i64> = cuts.into_iter().filter(|cut| *cut < end).collect();
            cuts.extend([0, end]);
            cuts.sort_unstable();
            let mut clock = Clock(start);
            for part in cuts.windows(2) {
                let range = (part[0], part[1]);
                let timeline = Timeline::run(clock, times.clone(), range, None);
                for time in times.iter().filter(|time| (range.0..range.1).contains(&time.offset)) {
                    prop_assert_eq!(timeline.at(time.offset), whole.at(time.offset));
                }
                // A crash here: the same part again, from the clock that is stored.
                let again = Timeline::run(clock, times.clone(), range, None);
                prop_assert_eq!(again.end(), timeline.end());
                clock = timeline.end();
            }
            prop_assert_eq!(clock, whole.end());
        }

        /// Later records win, and timestamps are never before their records.
        #[test]
        fn timestamps_grow_with_offsets(times in record_times(), start in 0_i64..2_000_000) {
            let end = times.last().map_or(0, |time| time.offset) + 1;
            let timeline = Timeline::run(Clock(start), times.clone(), (0, end), None);
            let mut last = start;
            for time in times {
                let entry = timeline.at(time.offset).unwrap();
                prop_assert!(entry.timestamp > last);
                if let Some(ms) = time.timestamp_ms.filter(|ms| !is_too_late(*ms)) {
                    prop_assert!(entry.timestamp >= ms.saturating_mul(1_000));
                }
                last = entry.timestamp;
            }
        }
    }
}
