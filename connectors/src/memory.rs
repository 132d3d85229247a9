//! A database in memory, for tests: the same fence as the real sinks, and faults on demand.
//!
//! Nothing here is durable; the module is public so that the pipeline's own property tests can use
//! it. Clones of a [`MemorySink`] share one state, as several workers share one database. A test
//! scripts or seeds [`Faults`], lets the pipeline run, and judges the [`Snapshot`]: every committed
//! transaction is on record with its moves and the origin of each of its rows, so "no loss, no
//! duplicate, monotone, rows never ahead of their position" can be read off it.
//!
//! Tables behave as in an SQL database as far as sinks rely on it: not-null columns and primary
//! keys are enforced, an absent column keeps its default on insert and its value on upsert, and a
//! failing statement leaves nothing behind. They can be evolved, and dropped behind a sink's back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::error::SinkError;
use crate::letter::{LetterQuery, StoredLetter};
use crate::position::{
    ClaimAnswer, ClaimRequest, PartitionKey, PositionMove, ProgressScope, RenewAnswer,
    RenewRequest, ResetRequest, StartRows, StoredPosition,
};
use crate::reject::{self, Trial};
use crate::row::{Batch, Origin, RowKind};
use crate::table::{NewColumn, NewTable, Table, TableName};
use crate::{RowReject, Session, Sink, WriteOutcome};

mod fault;
mod letters;
mod progress;
mod store;

pub use fault::{Call, Fault, Faults};
pub use progress::ProgressRow;
pub use store::{Refusal, StoredRow, Value};

use progress::Progress;
use store::Store;

/// The sink; clones share its state and its faults.
#[derive(Clone)]
pub struct MemorySink {
    state: Arc<Mutex<State>>,
    scope: ProgressScope,
}

impl fmt::Debug for MemorySink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MemorySink")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// What all sessions share.
struct State {
    store: Store,
    progress: Progress,
    commits: Vec<Commit>,
    faults: Faults,
    sessions: u64,
}

/// One committed write.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// Number of the session that wrote, from 1 in the order of opening.
    pub session: u64,
    /// The moves that were stored; empty for an at-least-once batch.
    pub positions: Vec<PositionMove>,
    /// Every row of the batch, as given, in order.
    pub rows: Vec<CommittedRow>,
}

/// Where a committed row came from and went to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedRow {
    /// The table it was written to.
    pub table: TableName,
    /// The partition it was read from.
    pub key: PartitionKey,
    /// Its offset there.
    pub offset: i64,
    /// What it did.
    pub kind: RowKind,
}

/// Everything that stands in the database at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Rows of each table, in the order of their insertion.
    pub tables: BTreeMap<String, Vec<StoredRow>>,
    /// Positions.
    pub progress: BTreeMap<PartitionKey, ProgressRow>,
    /// Topics that have been started.
    pub started_topics: BTreeSet<Arc<str>>,
    /// All writes, in the order of their commits.
    pub commits: Vec<Commit>,
}

impl MemorySink {
    /// A database without tables.
    pub fn new(scope: ProgressScope) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                store: Store::default(),
                progress: Progress::default(),
                commits: Vec::new(),
                faults: Faults::none(),
                sessions: 0,
            })),
            scope,
        }
    }

    /// Adds a table.
    #[must_use]
    pub fn with_table(self, table: Table) -> Self {
        lock(&self.state).store.add_table(table);
        self
    }

    /// Makes every session take its faults from here from now on.
    #[must_use]
    pub fn faults(self, faults: Faults) -> Self {
        self.set_faults(faults);
        self
    }

    /// As [`faults`](Self::faults), while the sink is in use.
    pub fn set_faults(&self, faults: Faults) {
        lock(&self.state).faults = faults;
    }

    /// Refuses rows, beyond what the tables' own constraints refuse.
    #[must_use]
    pub fn refusing(self, refusal: Refusal) -> Self {
        lock(&self.state).store.set_refusal(refusal);
        self
    }

    /// Drops a table, as someone else would.
    pub fn drop_table(&self, name: &str) {
        lock(&self.state).store.drop_table(name);
    }

    /// Whose progress this sink stores.
    pub fn scope(&self) -> &ProgressScope {
        &self.scope
    }

    /// A copy of everything.
    pub fn snapshot(&self) -> Snapshot {
        let state = lock(&self.state);
        Snapshot {
            tables: state.store.rows_by_table(),
            progress: state.progress.rows().clone(),
            started_topics: state.progress.started_topics().clone(),
            commits: state.commits.clone(),
        }
    }
}

#[async_trait]
impl Sink for MemorySink {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn open(&self) -> Result<Box<dyn Session>, SinkError> {
        tokio::task::yield_now().await;
        let mut state = lock(&self.state);
        if state.faults.next(Call::Open).is_some() {
            return Err(SinkError::retry("connection refused (injected)"));
        }
        state.sessions += 1;
        Ok(Box::new(MemorySession {
            state: Arc::clone(&self.state),
            number: state.sessions,
            lost: false,
        }))
    }
}

struct MemorySession {
    state: Arc<Mutex<State>>,
    number: u64,
    lost: bool,
}

impl MemorySession {
    /// Runs `transaction` under the call's fault, if it has one. Every call goes through here.
    async fn call<T>(
        &mut self,
        call: Call,
        transaction: impl FnOnce(&mut State) -> Result<T, SinkError> + Send,
    ) -> Result<T, SinkError> {
        // Lets other sessions in between, as a round trip would.
        tokio::task::yield_now().await;
        if self.lost {
            return Err(SinkError::retry("the session was lost before").losing_connection());
        }
        let mut state = lock(&self.state);
        let fault = state.faults.next(call);
        let result = match fault {
            None => return transaction(&mut state),
            Some(Fault::Refused) => return Err(SinkError::retry("try again later (injected)")),
            Some(Fault::RefusedAsAWhole) => {
                let reason = "these rows cannot be together (injected)";
                return Err(SinkError::new(crate::ErrorClass::Record, reason));
            }
            Some(Fault::RefusedLate) => {
                let late = SinkError::new(crate::ErrorClass::Record, "takes too long (injected)");
                return Err(late.past_deadline());
            }
            Some(Fault::Stopped) => return Err(SinkError::stop("no such thing (injected)")),
            Some(Fault::Late) => {
                let late = SinkError::retry("no answer in time (injected)").past_deadline();
                Err(late.losing_connection())
            }
            Some(Fault::LostBeforeCommit) => {
                Err(SinkError::retry("connection reset (injected)").losing_connection())
            }
            Some(Fault::LostReplyNotDone) => Err(unknown_commit()),
            // A transaction that failed was never committed: its own error stands.
            Some(Fault::LostReplyDone) => {
                transaction(&mut state).and_then(|_| Err(unknown_commit()))
            }
        };
        self.lost = matches!(&result, Err(error) if error.connection_lost());
        result
    }
}

fn unknown_commit() -> SinkError {
    SinkError::retry("connection reset at commit (injected)").with_unknown_commit()
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A test that panicked elsewhere is reported there.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Session for MemorySession {
    async fn describe_table(&mut self, name: &TableName) -> Result<Option<Table>, SinkError> {
        let describe = |state: &mut State| Ok(state.store.definition(name).cloned());
        self.call(Call::DescribeTable, describe).await
    }

    async fn create_table(&mut self, wanted: &NewTable) -> Result<Table, SinkError> {
        let create = |state: &mut State| Ok(state.store.create_table(wanted));
        self.call(Call::CreateTable, create).await
    }

    async fn evolve_table(
        &mut self,
        table: &TableName,
        wanted: &[NewColumn],
    ) -> Result<Table, SinkError> {
        let evolve = |state: &mut State| state.store.evolve_table(table, wanted);
        self.call(Call::EvolveTable, evolve).await
    }

    async fn claim(&mut self, request: &ClaimRequest) -> Result<Vec<ClaimAnswer>, SinkError> {
        let claim = |state: &mut State| Ok(state.progress.claim(request));
        self.call(Call::Claim, claim).await
    }

    async fn write_starts(&mut self, starts: &StartRows) -> Result<(), SinkError> {
        let start = |state: &mut State| {
            state.progress.write_starts(starts);
            Ok(())
        };
        self.call(Call::WriteStarts, start).await
    }

    async fn renew(&mut self, request: &RenewRequest) -> Result<Vec<RenewAnswer>, SinkError> {
        let renew = |state: &mut State| Ok(state.progress.renew(request));
        self.call(Call::Renew, renew).await
    }

    async fn read_positions(&mut self) -> Result<Vec<StoredPosition>, SinkError> {
        let read = |state: &mut State| Ok(state.progress.read_positions());
        self.call(Call::ReadPositions, read).await
    }

    async fn reset_positions(&mut self, request: &ResetRequest) -> Result<(), SinkError> {
        let reset = |state: &mut State| {
            state.progress.reset_positions(request);
            Ok(())
        };
        self.call(Call::ResetPositions, reset).await
    }

    async fn write(&mut self, batch: &Batch) -> Result<WriteOutcome, SinkError> {
        let session = self.number;
        let write = |state: &mut State| state.write(session, batch);
        self.call(Call::Write, write).await
    }

    async fn find_rejects(&mut self, batch: &Batch) -> Result<Vec<RowReject>, SinkError> {
        let mut trial = MemoryTrial {
            session: self,
            scratch: Store::default(),
        };
        reject::find(&mut trial, batch).await
    }

    async fn read_letters(&mut self, query: &LetterQuery) -> Result<Vec<StoredLetter>, SinkError> {
        let read = |state: &mut State| letters::read(&state.store, query);
        self.call(Call::ReadLetters, read).await
    }

    async fn close(self: Box<Self>) {}
}

impl State {
    fn write(&mut self, session: u64, batch: &Batch) -> Result<WriteOutcome, SinkError> {
        let positions: &[PositionMove] = if batch.positions_stored {
            &batch.positions
        } else {
            &[]
        };
        let fenced = self.progress.fenced(positions);
        if !fenced.is_empty() {
            return Ok(WriteOutcome::Fenced(fenced));
        }
        self.store.apply(batch)?;
        self.progress.advance(positions);
        self.commits.push(Commit {
            session,
            positions: positions.to_vec(),
            rows: committed_rows(batch),
        });
        Ok(WriteOutcome::Committed)
    }
}

fn committed_rows(batch: &Batch) -> Vec<CommittedRow> {
    let committed = |table: &TableName, origin: &Origin| CommittedRow {
        table: table.clone(),
        key: batch.positions[origin.position as usize].key.clone(),
        offset: origin.offset,
        kind: origin.kind,
    };
    let of_table = |table| {
        let crate::TableRows {
            target, origins, ..
        }: &crate::TableRows = table;
        origins
            .iter()
            .map(|origin| committed(&target.table.name, origin))
            .collect::<Vec<_>>()
    };
    batch.tables.iter().flat_map(of_table).collect()
}

/// Tries rows on a copy of the tables; abandoning drops the copy.
struct MemoryTrial<'a> {
    session: &'a mut MemorySession,
    scratch: Store,
}

#[async_trait]
impl Trial for MemoryTrial<'_> {
    async fn begin(&mut self) -> Result<(), SinkError> {
        let copy = |state: &mut State| Ok(state.store.clone());
        self.scratch = self.session.call(Call::FindRejects, copy).await?;
        Ok(())
    }

    async fn try_rows(&mut self, part: &Batch) -> Result<(), SinkError> {
        let scratch = &mut self.scratch;
        let apply = |_: &mut State| scratch.apply(part);
        self.session.call(Call::FindRejects, apply).await
    }

    async fn abandon(&mut self) {
        self.scratch = Store::default();
    }
}

#[cfg(test)]
mod tests;
