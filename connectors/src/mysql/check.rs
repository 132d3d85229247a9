//! How an upsert keeps to its key. Pure.
//!
//! `ON DUPLICATE KEY UPDATE` takes a conflict on any unique key for one of the row's own. So the first
//! thing that it does is to set a column of the key: to itself, if the key is the same; else to what the
//! server refuses there.

use super::form::Form;
use crate::table::Target;

/// What no integer and no time can be.
const BEYOND_ALL: &str = "99999999999999999999999";

const NULL_NOT_ALLOWED: u16 = 1048;
const OUT_OF_RANGE: u16 = 1264;
const NO_TIME: u16 = 1292;

/// The check of a target's key.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyCheck<'a> {
    /// The key's column that is set, as an index into [`Target::written`].
    pub(super) column: usize,
    /// Its name.
    pub(super) name: &'a str,
    /// What the server refuses there.
    pub(super) refused: &'static str,
    /// The errors that it says then.
    pub(super) codes: &'static [u16],
}

impl<'a> KeyCheck<'a> {
    /// `None` without a key. `forms` has one entry per written column.
    ///
    /// Null costs least, and every type has it. But a column that the server numbers becomes 0 then, in
    /// silence, and a timestamp may become the time.
    pub(super) fn of(target: &'a Target, forms: &[Form]) -> Option<Self> {
        let first = *target.key.first()?;
        let mut key = target.key.iter().copied();
        let refuses_null = key.find(|column| !forms[*column].replaces_null);
        let column = refuses_null.unwrap_or(first);
        let (refused, codes): (_, &[u16]) = match refuses_null {
            Some(_) => ("NULL", &[NULL_NOT_ALLOWED]),
            None => (BEYOND_ALL, &[OUT_OF_RANGE, NO_TIME]),
        };
        Some(Self {
            column,
            name: &target.column(column).name,
            refused,
            codes,
        })
    }
}
