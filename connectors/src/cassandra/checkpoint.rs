//! What a partition's checkpoint says, and what follows from it. Pure: no I/O.
//!
//! | column         | meaning                                                              |
//! |----------------|----------------------------------------------------------------------|
//! | `claim_id`     | who may move it                                                      |
//! | `next_offset`  | every record before it has been written                              |
//! | `clock`        | the timestamp of the last record before `next_offset`                |
//! | `ceiling`      | no row was ever written with a greater timestamp                      |
//! | `config`       | the config under which `clock` was reached                           |
//!
//! # Why a replay does no harm
//!
//! Who claims a partition reads on at `next_offset`, and records behind it may have been written
//! already, by a process that died, or is frozen and writes them later. There are two cases.
//!
//! 1. *The same records come again, and are mapped in the same way*: the config is the same and the
//!    log is not compacted. Then the clock goes on from `clock`, and every cell is written again with
//!    the timestamp that it has.
//! 2. *They may differ.* Then the clock goes on above `ceiling`, so that what is written now wins over
//!    whatever the other process has written or still will.
//!
//! The second case needs the ceiling to be above all that the other one can write. So it is raised
//! before it is passed, by a compare-and-set on the claim: once another has claimed, the old owner
//! cannot raise it any more.

use uuid::Uuid;

use super::clock::{Clock, Timeline};

/// How far the ceiling is set above the latest time of a record: microseconds. As wide as it takes not
/// to raise it for every batch, and no wider, since a jump above it puts timestamps that far ahead of
/// their records.
pub(super) const CEILING_HEADROOM: i64 = 10_000_000;

/// How far above the clock, at least: microseconds. A clock that has jumped ahead of the records takes
/// one for each of them, so this is room for many; and if it were more, jumps that come one after the
/// other would lead far ahead.
pub(super) const CEILING_STEP: i64 = 100_000;

/// A partition's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) topic_id: String,
    pub(super) next_offset: i64,
    pub(super) leader_epoch: i32,
    /// Nil when nobody holds it.
    pub(super) claim_id: Uuid,
    pub(super) claim_count: i64,
    pub(super) generation: i32,
    pub(super) owner: String,
    pub(super) reset_count: i64,
    pub(super) clock: Clock,
    pub(super) ceiling: i64,
    pub(super) config: i64,
    pub(super) updated_ms: i64,
}

impl Checkpoint {
    /// The clock from which a new owner goes on. `same_records`: whoever reads the log again finds
    /// what was there.
    pub(super) fn clock_for(&self, config: i64, same_records: bool) -> Clock {
        if same_records && self.config == config {
            self.clock
        } else {
            Clock(self.ceiling.max(self.clock.0))
        }
    }
}

/// What we hold: a claimed partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) claim_id: Uuid,
    pub(super) next_offset: i64,
    /// At `next_offset`.
    pub(super) clock: Clock,
    pub(super) ceiling: i64,
    /// The part that ends at `next_offset` was checkpointed in a write that failed for another
    /// partition, and begins here: it will be asked for again.
    pub(super) settled_from: Option<i64>,
}

/// How a part of a batch stands to what we hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// It is to be written.
    Ours,
    /// It is written and checkpointed.
    Settled,
    /// It is not ours, or not where we thought.
    Fenced,
}

impl Held {
    /// Judges a part of a batch.
    pub(super) fn judge(&self, claim_id: Uuid, from: i64, to: i64) -> Part {
        if self.claim_id != claim_id {
            Part::Fenced
        } else if self.settled_from == Some(from) && self.next_offset == to {
            Part::Settled
        } else if self.next_offset == from {
            Part::Ours
        } else {
            Part::Fenced
        }
    }

    /// The ceiling that must stand before these timestamps are given. `None`: it does.
    pub(super) fn ceiling_before(&self, timeline: &Timeline) -> Option<i64> {
        (timeline.end().0 > self.ceiling).then(|| ceiling_above(timeline))
    }

    /// The ceiling to be stored with the checkpoint behind these: raised on the way when half of the
    /// room is used up, which saves a statement of its own.
    pub(super) fn ceiling_after(&self, timeline: &Timeline) -> i64 {
        let is_near = self.ceiling.saturating_sub(timeline.end().0) < CEILING_HEADROOM / 2;
        if is_near {
            self.ceiling.max(ceiling_above(timeline))
        } else {
            self.ceiling
        }
    }
}

fn ceiling_above(timeline: &Timeline) -> i64 {
    let above_clock = timeline.end().0.saturating_add(CEILING_STEP);
    let above_records = |latest: i64| latest.saturating_add(CEILING_HEADROOM);
    let latest = timeline.latest();
    latest.map_or(above_clock, |latest| above_clock.max(above_records(latest)))
}

/// What became of a compare-and-set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// It stands as we wanted.
    Done,
    /// It stands as it stood.
    NotYet,
    /// Someone else has it, or it is gone.
    Lost,
}

/// Whether a move `from..to` under our claim has happened, by what the row says now.
pub(super) fn settle_move(row: Option<(Uuid, i64)>, claim_id: Uuid, from: i64, to: i64) -> Settled {
    match row {
        Some((holder, next)) if holder == claim_id && next == to => Settled::Done,
        Some((holder, next)) if holder == claim_id && next == from => Settled::NotYet,
        _ => Settled::Lost,
    }
}

/// Whether a claim has been exchanged, by who holds it now.
pub(super) fn settle_renewal(holder: Option<Uuid>, old: Uuid, new: Uuid) -> Settled {
    match holder {
        Some(holder) if holder == new => Settled::Done,
        Some(holder) if holder == old => Settled::NotYet,
        _ => Settled::Lost,
    }
}

#[cfg(test)]
mod tests;
