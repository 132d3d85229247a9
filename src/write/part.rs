//! A part of a batch that is written in one transaction, and what follows when that fails. Pure.

use rowdock_connectors::{ErrorClass, SinkError};

use super::Halt;
use crate::batch::ReadBatch;

/// A batch may be refused though each of its rows is accepted in turn: unique values that change
/// places between two keys, say. After this many searches without a result it is written in
/// halves, in order, down to single records.
const FRUITLESS_SEARCHES_MAX: u32 = 2;

/// A batch may need longer than a deadline lets it, each time: after this many times it is written in
/// halves, too.
const LATE_ATTEMPTS_MAX: u32 = 2;

/// What is written in one transaction, and how often that has failed.
pub(super) struct Part {
    pub(super) batch: ReadBatch,
    fruitless_searches: u32,
    late_attempts: u32,
}

/// What comes after an attempt to write a part.
pub(super) enum Step {
    /// Another one.
    Again,
    /// Nothing: it is written, or not ours to write.
    Over,
    /// It is to be written in two halves, because of this.
    Halve(SinkError),
}

impl Part {
    pub(super) fn new(batch: ReadBatch) -> Self {
        Self {
            batch,
            fruitless_searches: 0,
            late_attempts: 0,
        }
    }

    pub(super) fn after_failure(&mut self, was_late: bool, error: SinkError) -> Step {
        self.late_attempts += u32::from(was_late);
        if self.late_attempts < LATE_ATTEMPTS_MAX {
            return Step::Again;
        }
        Step::Halve(error)
    }

    pub(super) fn after_search(&mut self, has_found: bool, error: SinkError) -> Step {
        if has_found {
            self.fruitless_searches = 0;
            return Step::Again;
        }
        if self.fruitless_searches == FRUITLESS_SEARCHES_MAX {
            return Step::Halve(error);
        }
        self.fruitless_searches += 1;
        Step::Again
    }

    /// A single record has no halves: it is tried on when it is late, but not when it is refused and then
    /// accepted.
    pub(super) fn stay_whole(&mut self, error: &SinkError) -> Result<(), Halt> {
        if error.class() == ErrorClass::Record {
            return Err(Halt::Failed(format!(
                "the database refuses a record and accepts it when asked again: {error}"
            )));
        }
        self.late_attempts = 0;
        Ok(())
    }
}
