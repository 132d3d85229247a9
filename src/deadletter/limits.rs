//! When a connector that rejects nearly everything is stopped: `errors.max.consecutive` and
//! `errors.max.ratio`. Pure: no I/O, no clock.
//!
//! A wrong converter or a changed schema makes every record a bad one. Tolerated, they would all
//! end as dead letters while the connector looks well. Counts are kept in memory only: a task that
//! is started again begins to count anew, and stops again if nothing was mended.

use std::collections::{HashMap, VecDeque};

use rowdock_connectors::PartitionKey;

use crate::batch::ReadBatch;
use crate::config::connector::RejectLimits;

/// The ratio is that of at least this many records, the last ones of the task.
const RATIO_RECORDS: usize = 1000;

/// The ratio is judged once this many records were seen: of fewer it says little.
const RATIO_RECORDS_MIN: usize = 100;

/// What a task has rejected lately.
#[derive(Debug)]
pub(super) struct Watch {
    limits: RejectLimits,
    /// Rejected records in a row at the end of what was written, per partition.
    runs: HashMap<PartitionKey, u64>,
    /// Records and rejected records of the last batches.
    batches: VecDeque<Counts>,
    lately: Counts,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    records: usize,
    rejected: usize,
}

/// A limit that a batch would break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// Index into the batch's positions.
    pub position: usize,
    /// The record that is not tolerated any more; what stands before it is.
    pub offset: i64,
    /// Which limit, in words.
    pub limit: String,
}

/// One record of a partition: its offset, and whether it was rejected.
type Record = (i64, bool);

impl Watch {
    pub(super) fn new(limits: RejectLimits) -> Self {
        Self {
            limits,
            runs: HashMap::new(),
            batches: VecDeque::new(),
            lately: Counts::default(),
        }
    }

    /// The first record that is one too many, if the batch has such. `is_letter`: rows of this
    /// table of the batch are dead letters, not records.
    pub(super) fn exceeded(
        &self,
        batch: &ReadBatch,
        is_letter: impl Fn(usize) -> bool,
    ) -> Option<Exceeded> {
        if self.limits == RejectLimits::default() || batch.rejects.is_empty() {
            return None;
        }
        let records = records(batch, is_letter);
        self.run_exceeded(batch, &records)
            .or_else(|| self.ratio_exceeded(&records))
    }

    /// Counts what was written.
    pub(super) fn written(&mut self, batch: &ReadBatch, is_letter: impl Fn(usize) -> bool) {
        if self.limits == RejectLimits::default() {
            return;
        }
        let records = records(batch, is_letter);
        for (moved, records) in batch.rows.positions.iter().zip(&records) {
            let run = self.runs.get(&moved.key).copied().unwrap_or_default();
            let run = records
                .iter()
                .fold(run, |run, (_, rejected)| next(run, *rejected));
            if run == 0 {
                self.runs.remove(&moved.key);
            } else {
                self.runs.insert(moved.key.clone(), run);
            }
        }
        self.count(counts(&records));
    }

    fn run_exceeded(&self, batch: &ReadBatch, records: &[Vec<Record>]) -> Option<Exceeded> {
        let tolerated = self.limits.max_consecutive?;
        for (position, records) in records.iter().enumerate() {
            let key = &batch.rows.positions[position].key;
            let mut run = self.runs.get(key).copied().unwrap_or_default();
            for (offset, rejected) in records {
                run = next(run, *rejected);
                if run > tolerated {
                    return Some(Exceeded {
                        position,
                        offset: *offset,
                        limit: format!(
                            "errors.max.consecutive={tolerated}: more records in a row cannot be stored"
                        ),
                    });
                }
            }
        }
        None
    }

    fn ratio_exceeded(&self, records: &[Vec<Record>]) -> Option<Exceeded> {
        let tolerated = self.limits.max_ratio?;
        let batch = counts(records);
        let all = Counts {
            records: self.lately.records + batch.records,
            rejected: self.lately.rejected + batch.rejected,
        };
        if all.records < RATIO_RECORDS_MIN || !tolerated.is_exceeded(all.rejected, all.records) {
            return None;
        }
        let first = |records: &Vec<Record>| {
            let rejected = records.iter().find(|(_, rejected)| *rejected);
            rejected.map(|(offset, _)| *offset)
        };
        let mut positions = records.iter().enumerate();
        let (position, offset) =
            positions.find_map(|(position, records)| Some((position, first(records)?)))?;
        Some(Exceeded {
            position,
            offset,
            limit: format!(
                "errors.max.ratio={tolerated}: {} of the last {} records cannot be stored",
                all.rejected, all.records
            ),
        })
    }

    /// Keeps the last batches that hold at least as many records as the ratio is of.
    fn count(&mut self, batch: Counts) {
        if batch.records == 0 {
            return;
        }
        self.batches.push_back(batch);
        self.lately.records += batch.records;
        self.lately.rejected += batch.rejected;
        while let Some(oldest) = self.batches.front()
            && self.lately.records - oldest.records >= RATIO_RECORDS
        {
            self.lately.records -= oldest.records;
            self.lately.rejected -= oldest.rejected;
            self.batches.pop_front();
        }
    }
}

fn next(run: u64, rejected: bool) -> u64 {
    if rejected { run + 1 } else { 0 }
}

fn counts(records: &[Vec<Record>]) -> Counts {
    let all = || records.iter().flatten();
    Counts {
        records: all().count(),
        rejected: all().filter(|(_, rejected)| *rejected).count(),
    }
}

/// The records of each partition of a batch, in order.
fn records(batch: &ReadBatch, is_letter: impl Fn(usize) -> bool) -> Vec<Vec<Record>> {
    let mut records = vec![Vec::new(); batch.rows.positions.len()];
    for (table, rows) in batch.rows.tables.iter().enumerate() {
        if is_letter(table) {
            continue;
        }
        for origin in &rows.origins {
            records[origin.position as usize].push((origin.offset, false));
        }
    }
    for reject in &batch.rejects {
        records[reject.position].push((reject.offset, true));
    }
    for records in &mut records {
        records.sort_unstable();
    }
    records
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rowdock_connectors::PositionMove;
    use uuid::Uuid;

    use super::*;
    use crate::batch::Reject;
    use crate::config::connector::Ratio;
    use crate::record::{RecordError, Stage};

    /// Rejects only, at these offsets of partition 0; good records are gaps filled by `written`.
    fn batch(rejected: &[i64]) -> ReadBatch {
        let mut batch = ReadBatch::default();
        batch.rows.positions.push(PositionMove {
            key: PartitionKey {
                topic: Arc::from("t"),
                partition: 0,
            },
            claim_id: Uuid::nil(),
            from: 0,
            to: 100,
            leader_epoch: -1,
            times: Vec::new(),
        });
        batch.rejects = rejected
            .iter()
            .map(|offset| Reject {
                position: 0,
                offset: *offset,
                error: RecordError::new(Stage::TaskPut, "bad"),
                settled: false,
            })
            .collect();
        batch
    }

    fn watch(max_consecutive: Option<u64>, max_ratio: Option<&str>) -> Watch {
        Watch::new(RejectLimits {
            max_consecutive,
            max_ratio: max_ratio.map(|text| Ratio::parse(text).unwrap()),
        })
    }

    fn exceeded_at(watch: &Watch, rejected: &[i64]) -> Option<i64> {
        let exceeded = watch.exceeded(&batch(rejected), |_| false);
        exceeded.map(|exceeded| exceeded.offset)
    }

    #[test]
    fn runs_of_rejects_are_counted_over_batches() {
        let mut watch = watch(Some(3), None);
        assert_eq!(exceeded_at(&watch, &[1, 2, 3]), None);
        assert_eq!(exceeded_at(&watch, &[1, 2, 3, 4, 5]), Some(4));
        watch.written(&batch(&[1, 2]), |_| false);
        assert_eq!(exceeded_at(&watch, &[3]), None);
        assert_eq!(exceeded_at(&watch, &[3, 4]), Some(4));
        assert_eq!(
            exceeded_at(&Watch::new(RejectLimits::default()), &[1; 99]),
            None
        );
    }

    #[test]
    fn a_ratio_is_judged_of_enough_records() {
        let mut watch = watch(None, Some("0.5"));
        let many: Vec<i64> = (0..99).collect();
        assert_eq!(exceeded_at(&watch, &many), None, "too few");
        watch.count(Counts {
            records: 50,
            rejected: 0,
        });
        assert_eq!(exceeded_at(&watch, &many), Some(0), "99 of 149");
        assert_eq!(exceeded_at(&watch, &many[..50]), None, "50 of 100");
        watch.count(Counts {
            records: 1000,
            rejected: 0,
        });
        assert_eq!(watch.lately.records, 1000, "older batches are forgotten");
        assert_eq!(exceeded_at(&watch, &many), None, "99 of 1099");
    }
}
