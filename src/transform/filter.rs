//! `Filter`, and the predicate `RecordIsTombstone`.

use super::{Applied, Predicate, Transform};
use crate::record::OwnedRecord;

/// `Filter`: drops every record that its predicate lets it see.
#[derive(Debug)]
pub(super) struct Filter;

impl Transform for Filter {
    fn apply(&mut self, _record: OwnedRecord) -> Applied {
        Ok(None)
    }
}

/// `RecordIsTombstone`: whether the value is null.
#[derive(Debug)]
pub(super) struct RecordIsTombstone;

impl Predicate for RecordIsTombstone {
    fn holds(&self, record: &OwnedRecord) -> bool {
        record.value.datum.is_null()
    }
}
