#![doc = include_str!("sqlite/README.md")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use crate::error::SinkError;
use crate::letter::{LetterQuery, StoredLetter};
use crate::options::SinkOptions;
use crate::position::{
    ClaimAnswer, ClaimRequest, RenewAnswer, RenewRequest, ResetRequest, StartRows, StoredPosition,
};
use crate::reject;
use crate::row::Batch;
use crate::table::{NewColumn, NewTable, Table, TableName};
use crate::{RowReject, Session, Sink, WriteOutcome};

mod classify;
mod connect;
mod encode;
mod evolve;
mod key;
mod letters;
mod location;
mod progress;
mod schema;
mod sql;
mod text;
mod write;

use connect::Connection;
use progress::Progress;
use write::RowTrial;

/// Writes to an SQLite database file.
pub struct SqliteSink {
    path: PathBuf,
    options: SinkOptions,
    progress: Arc<Progress>,
    /// A session has been opened before: what stops one now may pass by itself.
    was_opened: AtomicBool,
}

impl SqliteSink {
    /// Checks the options; touches no file. User and password are ignored: SQLite has none.
    ///
    /// # Errors
    /// *Stop* when the URL does not name a database file, or the progress table another schema.
    pub fn new(options: SinkOptions) -> Result<Self, SinkError> {
        let session = format!("{} pid {}", options.application_name, std::process::id());
        let scope = options.scope.clone();
        Ok(Self {
            path: location::database_path(&options.url)?,
            progress: Arc::new(Progress::new(&options.progress_table, scope, session)?),
            options,
            was_opened: AtomicBool::new(false),
        })
    }
}

#[async_trait]
impl Sink for SqliteSink {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    async fn open(&self) -> Result<Box<dyn Session>, SinkError> {
        let is_first = !self.was_opened.load(Ordering::Relaxed);
        let mut connection = Connection::open(&self.path, &self.options.timeouts, is_first).await?;
        if self.options.stores_positions {
            self.progress.prepare(&mut connection).await?;
        }
        self.was_opened.store(true, Ordering::Relaxed);
        Ok(Box::new(SqliteSession {
            connection: Some(connection),
            progress: Arc::clone(&self.progress),
        }))
    }
}

/// One connection. Every call takes it out and puts it back when the call has ended in order: a
/// call that fails beyond repair, or whose future is dropped half-way, drops the connection, which
/// rolls its transaction back.
struct SqliteSession {
    connection: Option<Connection>,
    progress: Arc<Progress>,
}

impl SqliteSession {
    fn take(&mut self) -> Result<Connection, SinkError> {
        self.connection.take().ok_or_else(|| {
            SinkError::retry("the sqlite session was lost before").losing_connection()
        })
    }

    fn put_back<T>(
        &mut self,
        connection: Connection,
        result: Result<T, SinkError>,
    ) -> Result<T, SinkError> {
        let is_lost = matches!(&result, Err(error) if error.connection_lost());
        if !is_lost {
            self.connection = Some(connection);
        }
        result
    }
}

#[async_trait]
impl Session for SqliteSession {
    async fn describe_table(&mut self, name: &TableName) -> Result<Option<Table>, SinkError> {
        let mut connection = self.take()?;
        let described = schema::describe_table(&mut connection, name).await;
        self.put_back(connection, described)
    }

    async fn create_table(&mut self, wanted: &NewTable) -> Result<Table, SinkError> {
        let mut connection = self.take()?;
        let created = schema::create_table(&mut connection, wanted).await;
        self.put_back(connection, created)
    }

    async fn evolve_table(
        &mut self,
        table: &TableName,
        wanted: &[NewColumn],
    ) -> Result<Table, SinkError> {
        let mut connection = self.take()?;
        let evolved = evolve::evolve_table(&mut connection, table, wanted).await;
        self.put_back(connection, evolved)
    }

    async fn claim(&mut self, request: &ClaimRequest) -> Result<Vec<ClaimAnswer>, SinkError> {
        let mut connection = self.take()?;
        let claimed = claim(&mut connection, &self.progress, request).await;
        self.put_back(connection, claimed)
    }

    async fn write_starts(&mut self, starts: &StartRows) -> Result<(), SinkError> {
        let mut connection = self.take()?;
        let started = write_starts(&mut connection, &self.progress, starts).await;
        self.put_back(connection, started)
    }

    async fn renew(&mut self, request: &RenewRequest) -> Result<Vec<RenewAnswer>, SinkError> {
        let mut connection = self.take()?;
        let renewed = renew(&mut connection, &self.progress, request).await;
        self.put_back(connection, renewed)
    }

    async fn read_positions(&mut self) -> Result<Vec<StoredPosition>, SinkError> {
        let mut connection = self.take()?;
        let read = self.progress.read_positions(&mut connection).await;
        self.put_back(connection, read)
    }

    async fn reset_positions(&mut self, request: &ResetRequest) -> Result<(), SinkError> {
        let mut connection = self.take()?;
        let reset = reset_positions(&mut connection, &self.progress, request).await;
        self.put_back(connection, reset)
    }

    async fn write(&mut self, batch: &Batch) -> Result<WriteOutcome, SinkError> {
        let mut connection = self.take()?;
        let written = write::write(&mut connection, &self.progress, batch).await;
        self.put_back(connection, written)
    }

    async fn find_rejects(&mut self, batch: &Batch) -> Result<Vec<RowReject>, SinkError> {
        let mut connection = self.take()?;
        let mut trial = RowTrial {
            connection: &mut connection,
            is_lost: false,
        };
        let found = reject::find(&mut trial, batch).await;
        let is_lost = trial.is_lost;
        let found = found.map_err(|error| {
            if is_lost {
                error.losing_connection()
            } else {
                error
            }
        });
        if is_lost {
            return found;
        }
        self.put_back(connection, found)
    }

    async fn read_letters(&mut self, query: &LetterQuery) -> Result<Vec<StoredLetter>, SinkError> {
        let mut connection = self.take()?;
        let read = letters::read(&mut connection, query).await;
        self.put_back(connection, read)
    }

    async fn close(self: Box<Self>) {
        if let Some(connection) = self.connection {
            connection.close().await;
        }
    }
}

async fn claim(
    connection: &mut Connection,
    progress: &Progress,
    request: &ClaimRequest,
) -> Result<Vec<ClaimAnswer>, SinkError> {
    connection.begin().await?;
    let answers = progress.claim(connection, request).await;
    connection.end(answers).await
}

async fn write_starts(
    connection: &mut Connection,
    progress: &Progress,
    starts: &StartRows,
) -> Result<(), SinkError> {
    connection.begin().await?;
    let started = progress.write_starts(connection, starts).await;
    connection.end(started).await
}

async fn renew(
    connection: &mut Connection,
    progress: &Progress,
    request: &RenewRequest,
) -> Result<Vec<RenewAnswer>, SinkError> {
    connection.begin().await?;
    let answers = progress.renew(connection, request).await;
    connection.end(answers).await
}

async fn reset_positions(
    connection: &mut Connection,
    progress: &Progress,
    request: &ResetRequest,
) -> Result<(), SinkError> {
    connection.begin().await?;
    let reset = progress.reset_positions(connection, request).await;
    connection.end(reset).await
}

#[cfg(test)]
mod tests;
