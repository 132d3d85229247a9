//! The sinks of Rowdock: how columnar batches and the positions behind them reach a database.
//!
//! This crate does not know Kafka and cannot name it. It receives a [`Batch`]: typed columns per
//! table, and for every partition in it a [`PositionMove`] from one offset to the next. A sink
//! writes both in **one transaction**, positions first, or neither.
//!
//! # The fence
//!
//! A partition's position lives in the target database, in the progress table, with a random
//! `claim_id`. Who is assigned a partition *claims* it: a new `claim_id` is stored and
//! `next_offset` comes back, which is where reading starts. Every write moves the position with a
//! compare-and-set on `(claim_id, next_offset)`. So:
//!
//! * A process that was stopped, cut off or replaced holds an old `claim_id`. Its compare fails,
//!   its transaction rolls back, its rows were never there: [`WriteOutcome::Fenced`].
//! * A process whose commit was not answered *renews*: it stores another `claim_id` where its own
//!   still stands. That statement waits for the old transaction to end, so the `next_offset` it
//!   returns says whether the commit happened. Nothing is decided from memory.
//! * A row lock held by a stopped process is released by server-side time-outs, and the new owner
//!   may end that session itself.
//!
//! **Without transactions.** Cassandra has none that could hold rows and positions. Its sink writes the
//! rows first and then moves the positions, and makes rows so that writing them again changes nothing
//! ([`cassandra`]). Where this page says that nothing was written, rows may be there that will be
//! written again as they are; a position never moves before its rows are there.
//!
//! Offsets are always *next to read*; ranges are half-open.
//!
//! # Code map
//!
//! * [`row`]: [`Batch`], [`TableRows`], [`Column`], [`Cell`]: what crosses the boundary.
//! * [`table`]: tables as the catalog describes them, and tables to be created.
//! * [`position`]: claims, moves, renewals, first starts.
//! * [`options`]: what a sink must be told.
//! * [`letter`]: rows of a dead letter table, read back.
//! * [`error`]: what went wrong and what may be done about it.
//! * [`evolve`]: what a table lacks for the columns that are wanted. Pure.
//! * [`fold`]: the order of one key's records inside a batch, made into statements. Pure.
//! * [`statement`]: rows grouped by the columns that they have. Pure.
//! * `order`: the order of the log, through all tables of a batch. Pure.
//! * [`reject`]: finding the rows that a database refuses, by bisection over savepoints.
//! * [`postgres`], [`mysql`], [`sqlite`], [`cassandra`], [`memory`]: the sinks. Each has the same rooms.
//!
//! To add a sink: a folder with the same rooms, an implementation of [`Sink`] and [`Session`].

mod authority;
pub mod cassandra;
mod committed;
pub mod error;
pub mod evolve;
pub mod fold;
pub mod letter;
pub mod memory;
pub mod mysql;
pub mod options;
mod order;
mod percent;
pub mod position;
pub mod postgres;
pub mod reject;
pub mod row;
pub mod sqlite;
pub mod statement;
mod stored;
pub mod table;

pub use error::{ErrorClass, SinkError};
pub use letter::{LETTER_KEY, LetterKey, LetterQuery, StoredLetter};
pub use options::{SinkOptions, SinkTimeouts};
pub use position::{
    ClaimAnswer, ClaimRequest, PartitionKey, PositionMove, ProgressScope, RecordTime, RenewAnswer,
    RenewRequest, ResetRequest, SetPosition, StartRows, StoredPosition,
};
pub use row::{Batch, Cell, CellState, Column, Origin, RowKind, TableRows, Timestamp};
pub use table::{
    ColumnDef, ColumnType, DefaultValue, NewColumn, NewTable, Notation, Special, Table, TableKind,
    TableName, Target, WriteMode,
};

use std::sync::Arc;

use async_trait::async_trait;

/// A database that rows are written to: one per connector, shared by its tasks.
#[async_trait]
pub trait Sink: Send + Sync {
    /// The database's name for people and logs, such as `postgresql`.
    fn name(&self) -> &'static str;

    /// Batches must tell the time of every record ([`PositionMove::times`]), and claims which topics
    /// are compacted.
    fn needs_record_times(&self) -> bool {
        false
    }

    /// Opens one session: one connection of its own, prepared for writing (time-outs set, progress
    /// table present when the guarantee needs it).
    ///
    /// # Errors
    /// *Retry* when the server cannot be reached or refuses for now, *stop* when what is
    /// configured cannot work (no such database, wrong password, no right to create the progress
    /// table: the message then shows the SQL to run by hand).
    async fn open(&self) -> Result<Box<dyn Session>, SinkError>;
}

/// What a write did, when it did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Rows and positions are durable.
    Committed,
    /// Rolled back, nothing changed: these positions (indexes into [`Batch::positions`], ascending)
    /// are no longer ours, or do not stand where the batch starts.
    Fenced(Vec<usize>),
}

/// A row that the database refuses, found by [`Session::find_rejects`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowReject {
    /// Index into [`Batch::tables`].
    pub table: usize,
    /// Row within that table's rows.
    pub row: usize,
    /// Why, for the person who must fix the producer: rule, column, type; never the value.
    pub reason: String,
}

/// One connection to the target. Used by one task at a time; every call has a deadline of its own.
///
/// After an error with [`SinkError::connection_lost`] the session is of no more use: open another,
/// then [`renew`](Session::renew) before anything else is written.
#[async_trait]
pub trait Session: Send {
    /// Reads the table's definition from the catalog. `None`: there is no such table.
    async fn describe_table(&mut self, name: &TableName) -> Result<Option<Table>, SinkError>;

    /// Creates the table unless it exists, serialised against other creators, outside any batch;
    /// returns the definition read back from the catalog (which may be another creator's). A default that
    /// a column of this database does not take is left out.
    async fn create_table(&mut self, wanted: &NewTable) -> Result<Table, SinkError>;

    /// Creates the table that remembers the deletes of this target, as [`create_table`](Self::create_table)
    /// does. Its keys are the same where the target's table finds them to be.
    async fn create_tombstones(
        &mut self,
        _target: &Target,
        wanted: &NewTable,
    ) -> Result<Table, SinkError> {
        self.create_table(wanted).await
    }

    /// Makes the table able to hold these columns: adds those that it does not have, as columns
    /// that accept null, with their defaults, and widens those that hold less than is wanted, where the database can
    /// do that without loss ([`evolve`]). Never narrows and never drops. What is wanted is compared
    /// with the catalog as it is now, serialised against others who change tables, outside any
    /// batch; returns the definition read back.
    ///
    /// # Errors
    /// Of class *record* when a column cannot be added or widened, or the database refuses to: records
    /// that need it are bad, and all others of the table are not. The error is then of all that is wanted,
    /// and one column alone may be possible. *Stop* without the right to change the table. Both name
    /// column, types and the statement to run by hand. With [`SinkError::table_changed`] when there is no
    /// such table.
    async fn evolve_table(
        &mut self,
        table: &TableName,
        wanted: &[NewColumn],
    ) -> Result<Table, SinkError>;

    /// Asks the database whether an upsert, or an insert that passes over what is there, finds rows by the
    /// target's key. For tables whose unique keys are in no catalog, such as views.
    ///
    /// # Errors
    /// *Stop* when it does not, or when this database cannot be asked: why, and what to do.
    async fn confirm_key(&mut self, target: &Arc<Target>) -> Result<(), SinkError> {
        let reason = "this database does not tell which unique keys lie behind it";
        Err(statement::key_not_found(target, reason))
    }

    /// Takes the partitions over: stores `claim_id` and returns what stood there, one answer per
    /// requested partition, in the request's order. All in one transaction.
    async fn claim(&mut self, request: &ClaimRequest) -> Result<Vec<ClaimAnswer>, SinkError>;

    /// Writes the concrete first positions of a topic or of its new partitions; see
    /// [`StartRows::first`]. Rows that exist are left alone. All in one transaction.
    async fn write_starts(&mut self, starts: &StartRows) -> Result<(), SinkError>;

    /// Settles an unknown result: exchanges the claim where it is still ours (old or already new
    /// id), waiting for an older transaction to end, and returns the truth per partition.
    /// May be repeated with the same ids until it is answered.
    async fn renew(&mut self, request: &RenewRequest) -> Result<Vec<RenewAnswer>, SinkError>;

    /// All positions of this connector, sorted.
    async fn read_positions(&mut self) -> Result<Vec<StoredPosition>, SinkError>;

    /// Sets positions by hand, in one transaction, under the rows' locks: the new position stands,
    /// the claim is cleared, so that whoever held it is fenced, the reset is counted, and what stood
    /// there before is kept in a row of its own, with `/reset/` and the count behind the cluster's
    /// id. May be repeated.
    async fn reset_positions(&mut self, request: &ResetRequest) -> Result<(), SinkError>;

    /// Moves the positions and writes the rows, in one transaction, positions first.
    /// A batch without positions (at-least-once) writes rows only; one without rows moves
    /// positions only.
    ///
    /// Tables come in the order in which the batch has them, their rows by key. When a foreign key does not
    /// allow that, the rows are written once more in the order of the log, where it has one: first through
    /// the tables, then within each, too.
    ///
    /// # Errors
    /// Of class *record*: at least one row is refused, nothing was written, the session is fine:
    /// call [`find_rejects`](Session::find_rejects). When [`SinkError::commit_unknown`], the commit
    /// may or may not have happened: renew. When [`SinkError::table_changed`], a table is not what
    /// its target says any more: nothing was written; describe it, and map the records anew.
    async fn write(&mut self, batch: &Batch) -> Result<WriteOutcome, SinkError>;

    /// Finds the rows of this batch that the database refuses, given that the others are written.
    /// Always rolls back. Empty when all rows are accepted after all.
    async fn find_rejects(&mut self, batch: &Batch) -> Result<Vec<RowReject>, SinkError>;

    /// Reads dead letters back, in the order of their keys; none are left when the answer is empty.
    ///
    /// # Errors
    /// *Stop* when there is no such table, when it has other columns, or when this database's
    /// dead letters cannot be read back.
    async fn read_letters(&mut self, _query: &LetterQuery) -> Result<Vec<StoredLetter>, SinkError> {
        Err(SinkError::stop(
            "dead letters of this database cannot be read back",
        ))
    }

    /// Ends the session politely, within a short deadline.
    async fn close(self: Box<Self>);
}
