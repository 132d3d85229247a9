//! A batch's rows as values of statements, and those of one partition together. Pure.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::access::{Access, Prepared};
use super::clock::{Entry, Timeline, is_too_late};
use super::encode::{self, Misfit, Nulls, Values};
use super::settings::{CassandraSettings, TtlField, TtlKind};
use super::statement::Parameter;
use super::types;
use crate::RowReject;
use crate::error::SinkError;
use crate::row::{Batch, Cell, Origin, RowKind, TableRows};

/// Cassandra's own limit: twenty years.
const TTL_SECONDS_MAX: i32 = 20 * 365 * 24 * 60 * 60;

const MILLIS_PER_SECOND: i64 = 1_000;

/// Rows that are sent together at most: each costs the server as much as one that is sent alone, so
/// there is nothing to gain by more.
const GROUP_ROWS_MAX: usize = 100;

/// A batch's rows, ready to be sent.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) rows: Vec<PlannedRow>,
    values: Vec<u8>,
    /// Rows that no statement can hold.
    pub(super) rejects: Vec<RowReject>,
}

/// One row.
pub(super) struct PlannedRow {
    /// Index into the batch's tables, and row there.
    pub(super) table: usize,
    pub(super) row: usize,
    pub(super) deletes: bool,
    values: Range<usize>,
    /// Of its values, those that name its partition.
    partition: Vec<Range<usize>>,
}

/// What must be known to plan.
pub(super) struct Terms<'a> {
    pub(super) settings: &'a CassandraSettings,
    /// Rows are written under stored positions, and may be written again.
    pub(super) is_exact: bool,
    /// Of each position of the batch; `None`: its rows are written already.
    pub(super) timelines: &'a [Option<Timeline>],
    /// Seconds since the epoch: what has ended by now is not written to live.
    pub(super) now_seconds: i64,
}

/// Makes values of all rows. Rows that do not fit are noted, not planned.
///
/// # Errors
/// *Stop* when a kind of row cannot be written to its table at all.
pub(super) fn plan(
    batch: &Batch,
    accesses: &[Arc<Access>],
    terms: &Terms<'_>,
) -> Result<Plan, SinkError> {
    let mut plan = Plan::default();
    for (table, (rows, access)) in batch.tables.iter().zip(accesses).enumerate() {
        for (row, origin) in rows.origins.iter().enumerate() {
            let Some(Some(timeline)) = terms.timelines.get(origin.position as usize) else {
                continue;
            };
            let prepared = match origin.kind {
                RowKind::Write => &access.write,
                RowKind::Delete => access.delete()?,
                RowKind::Truncate => {
                    return Err(SinkError::stop(format!(
                        "table {} cannot be emptied: cassandra gives that no place among the records; \
                         set truncate.enabled=false",
                        rows.target.table.name
                    )));
                }
            };
            let place = Place { table, row };
            let entry = timeline.at(origin.offset).unwrap_or(Entry {
                offset: origin.offset,
                record_ms: None,
                timestamp: timeline.end().0,
            });
            plan.add(place, *origin, entry, rows, access, prepared, terms);
        }
    }
    Ok(plan)
}

#[derive(Clone, Copy)]
struct Place {
    table: usize,
    row: usize,
}

impl Plan {
    /// The values of a planned row.
    pub(super) fn values(&self, row: &PlannedRow) -> Values<'_> {
        Values(&self.values[row.values.clone()])
    }

    #[expect(clippy::too_many_arguments, reason = "all of them make the row")]
    fn add(
        &mut self,
        place: Place,
        origin: Origin,
        entry: Entry,
        rows: &TableRows,
        access: &Access,
        prepared: &Prepared,
        terms: &Terms<'_>,
    ) {
        let start = self.values.len();
        match self.push_values(place.row, entry, rows, access, prepared, terms) {
            Ok(partition) => self.rows.push(PlannedRow {
                table: place.table,
                row: place.row,
                deletes: origin.kind == RowKind::Delete,
                values: start..self.values.len(),
                partition,
            }),
            Err(reason) => {
                self.values.truncate(start);
                self.rejects.push(RowReject {
                    table: place.table,
                    row: place.row,
                    reason,
                });
            }
        }
    }

    /// Appends a row's values; returns where those of its partition are.
    fn push_values(
        &mut self,
        row: usize,
        entry: Entry,
        rows: &TableRows,
        access: &Access,
        prepared: &Prepared,
        terms: &Terms<'_>,
    ) -> Result<Vec<Range<usize>>, String> {
        if !access.keeps_letters && entry.record_ms.is_some_and(is_too_late) {
            return Err(
                "the record's time is after 2099, so it cannot be in milliseconds".to_owned(),
            );
        }
        let nulls = if terms.settings.null_to_unset {
            Nulls::Unset
        } else {
            Nulls::Delete
        };
        let timestamp = timestamp(row, entry, rows, access)?;
        let mut partition = vec![0..0; access.partition_key.len()];
        for (parameter, parameter_type) in &prepared.parameters {
            let start = self.values.len();
            match parameter {
                Parameter::Timestamp => encode::push_bigint(&mut self.values, timestamp),
                Parameter::TimeToLive => {
                    let seconds = seconds_to_live(row, entry, rows, access, terms)?;
                    encode::push_int(&mut self.values, seconds);
                }
                Parameter::Column(place) => {
                    let cell = rows.columns[*place].get(row);
                    let column = rows.target.column(*place);
                    let pushed =
                        check_list(&cell, &column.native_type, terms.is_exact).and_then(|()| {
                            encode::push_cell(&mut self.values, &cell, parameter_type, nulls)
                        });
                    pushed.map_err(|rule| {
                        format!(
                            "column \"{}\" ({}) of {}: {rule}",
                            column.name, column.native_type, rows.target.table.name
                        )
                    })?;
                    if let Some(part) = access.partition_key.iter().position(|key| key == place) {
                        partition[part] = start..self.values.len();
                    }
                }
            }
        }
        Ok(partition)
    }

    /// Rows that are sent together: those of one partition of one table, up to `bytes_max`. Each group
    /// holds indexes into the rows.
    pub(super) fn groups(&self, accesses: &[Arc<Access>], bytes_max: usize) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::with_capacity(self.rows.len());
        let mut open: HashMap<(usize, Vec<u8>), (usize, usize)> = HashMap::new();
        for (index, row) in self.rows.iter().enumerate() {
            let size = row.values.len();
            if accesses[row.table].counts || size.saturating_mul(2) > bytes_max {
                groups.push(vec![index]);
                continue;
            }
            let mut key = Vec::with_capacity(size);
            for part in &row.partition {
                key.extend_from_slice(&self.values[part.clone()]);
            }
            let slot = open.entry((row.table, key)).or_insert((usize::MAX, 0));
            match groups.get_mut(slot.0) {
                Some(group) if slot.1 + size <= bytes_max && group.len() < GROUP_ROWS_MAX => {
                    group.push(index);
                    slot.1 += size;
                }
                _ => {
                    *slot = (groups.len(), size);
                    groups.push(vec![index]);
                }
            }
        }
        groups
    }
}

/// Elements of such a list get new names whenever it is written.
fn check_list(cell: &Cell<'_>, native: &str, is_exact: bool) -> Result<(), Misfit> {
    let has_value = !matches!(cell, Cell::Absent | Cell::Null);
    if is_exact && has_value && types::is_unfrozen_list(native) {
        return Err(
            "a list that is not frozen has every element twice when it is written again; \
                    make it a frozen list or a set, or set delivery.guarantee=at_least_once"
                .into(),
        );
    }
    Ok(())
}

fn timestamp(row: usize, entry: Entry, rows: &TableRows, access: &Access) -> Result<i64, String> {
    let Some(place) = access.timestamp else {
        return Ok(entry.timestamp);
    };
    match rows.columns[place].get(row) {
        Cell::Int(micros) if micros > 0 => Ok(micros),
        Cell::Absent | Cell::Null => Ok(entry.timestamp),
        _ => Err("cassandra.timestamp.field must be a number of microseconds above 0".to_owned()),
    }
}

/// When a row ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Seconds since the epoch.
    At(i64),
    /// Seconds from the record's time; 0: never.
    After(i64),
}

/// How long a row lives from now on, so that it ends when it should, whenever it is written; 0: for
/// ever. What has ended already lives for one more second, and then hides what was before it.
fn seconds_to_live(
    row: usize,
    entry: Entry,
    rows: &TableRows,
    access: &Access,
    terms: &Terms<'_>,
) -> Result<i32, String> {
    let own = match &access.ttl {
        Some((place, field)) => end_in(rows.columns[*place].get(row), field)?,
        None => None,
    };
    let end = match own.unwrap_or(End::After(access.ttl_seconds)) {
        End::After(0) => return Ok(0),
        End::After(seconds) => record_seconds(entry, terms)?.saturating_add(seconds),
        End::At(moment) => moment,
    };
    let left = i32::try_from(end.saturating_sub(terms.now_seconds).max(1));
    let left = left.ok().filter(|left| *left <= TTL_SECONDS_MAX);
    left.ok_or_else(|| {
        "the row would end more than 20 years from now, which cassandra does not take".to_owned()
    })
}

/// The record's time, which a time to live counts from. Its write timestamp will not do: it may be the
/// producer's own, or just one more than the last one.
fn record_seconds(entry: Entry, terms: &Terms<'_>) -> Result<i64, String> {
    match entry.record_ms.filter(|ms| *ms > 0) {
        Some(ms) => Ok(ms / MILLIS_PER_SECOND),
        // It is not written again by any rule.
        None if !terms.is_exact => Ok(terms.now_seconds),
        None => Err(
            "the row has a time to live, which counts from its record's time, and the record has none; \
             let producers set one, or name a field with the moment of the end in cassandra.ttl.field"
                .to_owned(),
        ),
    }
}

/// `None`: the field does not say.
fn end_in(cell: Cell<'_>, field: &TtlField) -> Result<Option<End>, String> {
    match (field.kind, cell) {
        (_, Cell::Absent | Cell::Null) => Ok(None),
        (TtlKind::Expiry, Cell::Timestamp(at)) => Ok(Some(End::At(at.seconds))),
        (TtlKind::Expiry, Cell::Int(millis)) => {
            Ok(Some(End::At(millis.div_euclid(MILLIS_PER_SECOND))))
        }
        (TtlKind::Seconds, Cell::Int(seconds)) if seconds >= 0 => Ok(Some(End::After(seconds))),
        (TtlKind::Expiry, _) => Err(format!(
            "cassandra.ttl.field \"{}\" must be a timestamp, or a whole number of milliseconds",
            field.name
        )),
        (TtlKind::Seconds, _) => Err(format!(
            "cassandra.ttl.field \"{}\" must be a whole number of seconds, 0 or more",
            field.name
        )),
    }
}
