//! What may happen, drawn at random.

use proptest::prelude::*;

use super::kafka::Outcome;
use super::{NAMES, WORKERS};

/// What happens next. Numbers choose among what there is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Command {
        worker: usize,
        name: usize,
        verb: u8,
    },
    ReadConfig {
        worker: usize,
        records: usize,
    },
    ReadStatuses {
        worker: usize,
        records: usize,
    },
    /// The writer's thread does what it was told first; the answer may be lost.
    Write {
        worker: usize,
        outcome: Outcome,
    },
    TellEnd {
        worker: usize,
        is_known: bool,
    },
    Say {
        worker: usize,
    },
    TellMembers {
        worker: usize,
    },
    /// Everybody who does not stand still looks around.
    Tick,
    /// For longer than a change may take.
    Wait,
    Join,
    Leave {
        worker: usize,
    },
    Kill {
        worker: usize,
    },
    /// The group misses those who were killed.
    Expire,
    /// Of what everybody has read, the config topic keeps the last record of each key.
    Compact,
    /// Hears nothing and says nothing, for as long as it stands still.
    Stall {
        worker: usize,
    },
    Wake {
        worker: usize,
    },
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let worker = 0..WORKERS;
    let outcome = prop_oneof![
        8 => Just(Outcome::Answered),
        1 => Just(Outcome::LostAfterCommit),
        1 => Just(Outcome::LostBeforeCommit),
        1 => Just(Outcome::Failed),
        1 => Just(Outcome::Refused),
    ];
    let step = prop_oneof![
        4 => (worker.clone(), 0..NAMES.len(), 0_u8..9)
            .prop_map(|(worker, name, verb)| Step::Command { worker, name, verb }),
        10 => (worker.clone(), 1_usize..12)
            .prop_map(|(worker, records)| Step::ReadConfig { worker, records }),
        8 => (worker.clone(), 1_usize..12)
            .prop_map(|(worker, records)| Step::ReadStatuses { worker, records }),
        12 => (worker.clone(), outcome).prop_map(|(worker, outcome)| Step::Write { worker, outcome }),
        8 => (worker.clone(), prop::bool::weighted(0.9))
            .prop_map(|(worker, is_known)| Step::TellEnd { worker, is_known }),
        6 => worker.clone().prop_map(|worker| Step::Say { worker }),
        6 => worker.clone().prop_map(|worker| Step::TellMembers { worker }),
        12 => Just(Step::Tick),
        1 => Just(Step::Wait),
        2 => Just(Step::Join),
        1 => worker.clone().prop_map(|worker| Step::Leave { worker }),
        1 => worker.clone().prop_map(|worker| Step::Kill { worker }),
        2 => Just(Step::Expire),
        1 => Just(Step::Compact),
        1 => worker.clone().prop_map(|worker| Step::Stall { worker }),
        1 => worker.prop_map(|worker| Step::Wake { worker }),
    ];
    prop::collection::vec(step, 0..250)
}
