//! The rows of a batch on their way.
//!
//! Each is sent on its own to a replica of its partition, many at a time; only rows of the same
//! partition may share a request, which for Cassandra is one write.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use fail::fail_point;
use futures_util::stream::{self, StreamExt as _};
use scylla::statement::batch::{Batch as DriverBatch, BatchStatement, BatchType};
use scylla::statement::prepared::PreparedStatement;

use super::access::Access;
use super::classify;
use super::connect::Link;
use super::counted::{self, Counted};
use super::plan::{Plan, PlannedRow};
use super::settings::CassandraSettings;
use crate::RowReject;
use crate::error::{ErrorClass, SinkError};
use crate::row::Batch;

/// Refused rows after which no further ones are looked for in the same batch: all of them are refused
/// for the same reason then, most likely.
const REJECTS_MAX: usize = 1_000;

/// Rows to be sent.
pub(super) struct Sending<'a> {
    pub(super) link: &'a Link,
    pub(super) settings: &'a CassandraSettings,
    pub(super) batch: &'a Batch,
    pub(super) plan: &'a Plan,
    pub(super) accesses: &'a [Arc<Access>],
    pub(super) counted: &'a Mutex<Counted>,
}

/// What the server does not take.
pub(super) struct Refusal {
    pub(super) rows: Vec<RowReject>,
    pub(super) error: SinkError,
}

/// Rows that were sent together, by their places in the plan.
type Group = Vec<usize>;

impl Sending<'_> {
    /// Sends all rows, and waits for all answers. After an error no more are sent; what is on its way
    /// then is waited for only where it must be known whether it has arrived.
    pub(super) async fn send(&self) -> Result<Option<Refusal>, SinkError> {
        let counts = self.accesses.iter().any(|access| access.counts);
        let is_over = &AtomicBool::new(false);
        let sends = self.groups().into_iter().map(|group| async move {
            let sent = match is_over.load(Ordering::Relaxed) {
                true => None,
                false => Some(self.send_group(&group).await),
            };
            (group, sent)
        });
        let mut sending = stream::iter(sends).buffer_unordered(self.settings.requests_max.max(1));
        let mut suspects: Vec<(Group, SinkError)> = Vec::new();
        let mut failed = None;
        while let Some((group, sent)) = sending.next().await {
            fail_point!(super::failpoint::MID_ROWS);
            match sent {
                None => {}
                Some(Ok(())) => self.note_counted(&group),
                Some(Err(error)) if error.class() == ErrorClass::Record => {
                    suspects.push((group, error));
                }
                Some(Err(error)) => failed = Some(error),
            }
            if failed.is_some() || suspects.len() >= REJECTS_MAX {
                is_over.store(true, Ordering::Relaxed);
                if !counts {
                    break;
                }
            }
        }
        drop(sending);
        match failed {
            Some(error) => Err(error),
            None => self.refusal(suspects).await,
        }
    }

    /// All rows, but those of counters that have been counted already.
    fn groups(&self) -> Vec<Group> {
        let batch_bytes_max = self.settings.batch_bytes_max;
        let mut groups = self.plan.groups(self.accesses, batch_bytes_max);
        let counted = counted::lock(self.counted);
        let is_counted = |index: &usize| {
            let row = &self.plan.rows[*index];
            self.access(row).counts && counted.has(self.batch, row.table, row.row)
        };
        groups.retain(|group| !group.iter().any(is_counted));
        groups
    }

    fn note_counted(&self, group: &[usize]) {
        let rows = group.iter().map(|index| &self.plan.rows[*index]);
        for row in rows.filter(|row| self.access(row).counts) {
            counted::lock(self.counted).add(self.batch, row.table, row.row);
        }
    }

    /// Finds the refused rows among groups that were refused: each is sent on its own.
    async fn refusal(
        &self,
        suspects: Vec<(Group, SinkError)>,
    ) -> Result<Option<Refusal>, SinkError> {
        let mut rows = Vec::new();
        let mut last = None;
        for (group, refusal) in suspects {
            for index in &group {
                if group.len() > 1 {
                    match self.send_group(&[*index]).await {
                        Ok(()) => continue,
                        Err(error) if error.class() == ErrorClass::Record => {}
                        Err(error) => return Err(error),
                    }
                }
                let row = &self.plan.rows[*index];
                rows.push(RowReject {
                    table: row.table,
                    row: row.row,
                    reason: refusal.to_string(),
                });
            }
            last = Some(refusal);
        }
        Ok(last.map(|error| Refusal { rows, error }))
    }

    async fn send_group(&self, group: &[usize]) -> Result<(), SinkError> {
        let session = &self.link.session;
        let sent = match group {
            [index] => {
                let row = &self.plan.rows[*index];
                let values = self.plan.values(row);
                session.execute_unpaged(self.statement(row)?, values).await
            }
            _ => {
                let mut batch = DriverBatch::new(BatchType::Unlogged);
                let mut is_repeatable = true;
                let mut values = Vec::with_capacity(group.len());
                for index in group {
                    let row = &self.plan.rows[*index];
                    let statement = self.statement(row)?.clone();
                    is_repeatable &= statement.get_is_idempotent();
                    batch.append_statement(BatchStatement::from(statement));
                    values.push(self.plan.values(row));
                }
                batch.set_is_idempotent(is_repeatable);
                batch.set_consistency(self.link.consistency());
                session.batch(&batch, values).await
            }
        };
        sent.map(|_| ())
            .map_err(|error| classify::of_executing(&error, "write a row"))
    }

    fn statement(&self, row: &PlannedRow) -> Result<&PreparedStatement, SinkError> {
        let access = self.access(row);
        let prepared = match row.deletes {
            true => access.delete()?,
            false => &access.write,
        };
        Ok(&prepared.statement)
    }

    fn access(&self, row: &PlannedRow) -> &Access {
        &self.accesses[row.table]
    }
}
