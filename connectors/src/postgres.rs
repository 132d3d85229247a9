#![doc = include_str!("postgres/README.md")]

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::SinkError;
use crate::letter::{LetterQuery, StoredLetter};
use crate::options::SinkOptions;
use crate::position::{
    ClaimAnswer, ClaimRequest, RenewAnswer, RenewRequest, ResetRequest, StartRows, StoredPosition,
};
use crate::row::Batch;
use crate::table::{NewColumn, NewTable, Table, TableName, Target};
use crate::{RowReject, Session, Sink, WriteOutcome, reject};

mod classify;
mod connect;
mod copy;
mod encode;
mod evolve;
mod failpoint;
mod key;
mod letters;
mod link;
mod progress;
mod schema;
mod sql;
mod steps;
mod targets;
mod transaction;
mod trial;
mod url;
mod write;

use connect::{Connector, Opened};
use link::Link;
use progress::Progress;
use trial::PartTrial;
use write::Writer;

pub use sql::identifier_problem;

/// PostgreSQL, 12 and later.
pub struct PostgresSink {
    connector: Connector,
    options: SinkOptions,
}

impl PostgresSink {
    /// A sink for the database that the options name. Nothing is connected yet.
    ///
    /// # Errors
    /// *Stop* when the URL cannot be understood or names files that cannot be read.
    pub fn new(options: SinkOptions) -> Result<Self, SinkError> {
        let connector = Connector::new(&options)?;
        Ok(Self { connector, options })
    }
}

#[async_trait]
impl Sink for PostgresSink {
    fn name(&self) -> &'static str {
        "postgresql"
    }

    async fn open(&self) -> Result<Box<dyn Session>, SinkError> {
        let Opened { link, backend } = self.connector.open().await?;
        let progress = if self.options.stores_positions {
            Some(Progress::open(&link, backend, &self.options).await?)
        } else {
            None
        };
        Ok(Box::new(PostgresSession {
            link,
            progress,
            writer: Writer::default(),
            is_busy: false,
        }))
    }
}

/// One connection.
struct PostgresSession {
    link: Link,
    /// `None` at-least-once.
    progress: Option<Progress>,
    writer: Writer,
    /// A call has begun and not ended. When another begins, the first one was dropped half-way,
    /// and nothing is known about the state of the connection.
    is_busy: bool,
}

impl PostgresSession {
    fn begin_call(&mut self) -> Result<(), SinkError> {
        if self.is_busy {
            self.link.cut();
            return Err(SinkError::retry(
                "the session was left in the middle of a call and has been cut",
            )
            .losing_connection());
        }
        self.is_busy = true;
        Ok(())
    }

    fn progress(&self) -> Result<&Progress, SinkError> {
        self.progress.as_ref().ok_or_else(positions_not_stored)
    }
}

fn positions_not_stored() -> SinkError {
    SinkError::stop("positions are not stored in the database with at-least-once delivery")
}

#[async_trait]
impl Session for PostgresSession {
    async fn describe_table(&mut self, name: &TableName) -> Result<Option<Table>, SinkError> {
        self.begin_call()?;
        let described = schema::describe(&self.link, name).await;
        self.is_busy = false;
        described
    }

    async fn create_table(&mut self, wanted: &NewTable) -> Result<Table, SinkError> {
        self.begin_call()?;
        let created = schema::create(&self.link, wanted).await;
        self.is_busy = false;
        created
    }

    async fn evolve_table(
        &mut self,
        table: &TableName,
        wanted: &[NewColumn],
    ) -> Result<Table, SinkError> {
        self.begin_call()?;
        let evolved = evolve::evolve(&self.link, table, wanted).await;
        self.is_busy = false;
        evolved
    }

    async fn confirm_key(&mut self, target: &Arc<Target>) -> Result<(), SinkError> {
        self.begin_call()?;
        let confirmed = key::confirm(&self.link, target).await;
        self.is_busy = false;
        confirmed
    }

    async fn claim(&mut self, request: &ClaimRequest) -> Result<Vec<ClaimAnswer>, SinkError> {
        self.begin_call()?;
        let claimed = match self.progress() {
            Ok(progress) => progress.claim(&self.link, request).await,
            Err(error) => Err(error),
        };
        self.is_busy = false;
        claimed
    }

    async fn write_starts(&mut self, starts: &StartRows) -> Result<(), SinkError> {
        self.begin_call()?;
        let written = match self.progress() {
            Ok(progress) => progress.write_starts(&self.link, starts).await,
            Err(error) => Err(error),
        };
        self.is_busy = false;
        written
    }

    async fn renew(&mut self, request: &RenewRequest) -> Result<Vec<RenewAnswer>, SinkError> {
        self.begin_call()?;
        let renewed = match self.progress() {
            Ok(progress) => progress.renew(&self.link, request).await,
            Err(error) => Err(error),
        };
        self.is_busy = false;
        renewed
    }

    async fn read_positions(&mut self) -> Result<Vec<StoredPosition>, SinkError> {
        self.begin_call()?;
        let read = match self.progress() {
            Ok(progress) => progress.read_positions(&self.link).await,
            Err(error) => Err(error),
        };
        self.is_busy = false;
        read
    }

    async fn reset_positions(&mut self, request: &ResetRequest) -> Result<(), SinkError> {
        self.begin_call()?;
        let reset = match self.progress() {
            Ok(progress) => progress.reset_positions(&self.link, request).await,
            Err(error) => Err(error),
        };
        self.is_busy = false;
        reset
    }

    async fn write(&mut self, batch: &Batch) -> Result<WriteOutcome, SinkError> {
        self.begin_call()?;
        let progress = self.progress.as_ref().filter(|_| batch.positions_stored);
        let written = if progress.is_none() && batch.positions_stored {
            Err(positions_not_stored())
        } else {
            self.writer.write(&self.link, progress, batch).await
        };
        self.is_busy = false;
        written
    }

    async fn find_rejects(&mut self, batch: &Batch) -> Result<Vec<RowReject>, SinkError> {
        self.begin_call()?;
        let mut trial = PartTrial::new(&self.link, &mut self.writer);
        let found = reject::find(&mut trial, batch).await;
        self.is_busy = false;
        found
    }

    async fn read_letters(&mut self, query: &LetterQuery) -> Result<Vec<StoredLetter>, SinkError> {
        self.begin_call()?;
        let read = letters::read(&self.link, query).await;
        self.is_busy = false;
        read
    }

    async fn close(self: Box<Self>) {
        self.link.close().await;
    }
}
