#![doc = include_str!("mysql/README.md")]

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

mod check;
mod classify;
mod connect;
mod encode;
mod evolve;
mod failpoint;
mod form;
mod given;
mod key;
mod letters;
mod link;
mod progress;
mod schema;
mod sql;
mod steps;
mod tls;
mod tombstones;
mod transaction;
mod trial;
mod url;
mod write;

use connect::Connector;
use link::Link;
use progress::Progress;
use trial::PartTrial;
use write::Writer;

pub use sql::identifier_problem;

/// MySQL 8.0.19 and later, MariaDB 10.6 and later.
pub struct MySqlSink {
    connector: Connector,
    options: SinkOptions,
}

impl MySqlSink {
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
impl Sink for MySqlSink {
    fn name(&self) -> &'static str {
        "mysql"
    }

    async fn open(&self) -> Result<Box<dyn Session>, SinkError> {
        let mut link = self.connector.open().await?;
        let progress = if self.options.stores_positions {
            Some(Progress::open(&self.connector, &mut link, &self.options).await?)
        } else {
            None
        };
        Ok(Box::new(MySqlSession {
            link,
            connector: self.connector.clone(),
            progress,
            writer: Writer::default(),
            is_busy: false,
        }))
    }
}

/// One connection.
struct MySqlSession {
    link: Link,
    /// For definitions, which need a connection of their own.
    connector: Connector,
    /// `None` at-least-once.
    progress: Option<Progress>,
    writer: Writer,
    /// A call has begun and not ended. When another begins, the first one was dropped half-way,
    /// and nothing is known about the state of the connection.
    is_busy: bool,
}

impl MySqlSession {
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
}

fn positions_not_stored() -> SinkError {
    SinkError::stop("positions are not stored in the database with at-least-once delivery")
}

#[async_trait]
impl Session for MySqlSession {
    async fn describe_table(&mut self, name: &TableName) -> Result<Option<Table>, SinkError> {
        self.begin_call()?;
        let described = schema::describe(&mut self.link, name).await;
        self.is_busy = false;
        Ok(described?.map(|found| found.table))
    }

    async fn create_table(&mut self, wanted: &NewTable) -> Result<Table, SinkError> {
        self.begin_call()?;
        let created = schema::create(&self.connector, &mut self.link, wanted, &[]).await;
        self.is_busy = false;
        created
    }

    async fn create_tombstones(
        &mut self,
        target: &Target,
        wanted: &NewTable,
    ) -> Result<Table, SinkError> {
        self.begin_call()?;
        let created = self.create_beside(target, wanted).await;
        self.is_busy = false;
        created
    }

    async fn evolve_table(
        &mut self,
        table: &TableName,
        wanted: &[NewColumn],
    ) -> Result<Table, SinkError> {
        self.begin_call()?;
        let evolved = evolve::evolve(&self.connector, &mut self.link, table, wanted).await;
        self.is_busy = false;
        evolved
    }

    async fn claim(&mut self, request: &ClaimRequest) -> Result<Vec<ClaimAnswer>, SinkError> {
        self.begin_call()?;
        let claimed = match &self.progress {
            Some(progress) => progress.claim(&mut self.link, request).await,
            None => Err(positions_not_stored()),
        };
        self.is_busy = false;
        claimed
    }

    async fn write_starts(&mut self, starts: &StartRows) -> Result<(), SinkError> {
        self.begin_call()?;
        let written = match &self.progress {
            Some(progress) => progress.write_starts(&mut self.link, starts).await,
            None => Err(positions_not_stored()),
        };
        self.is_busy = false;
        written
    }

    async fn renew(&mut self, request: &RenewRequest) -> Result<Vec<RenewAnswer>, SinkError> {
        self.begin_call()?;
        let renewed = match &self.progress {
            Some(progress) => progress.renew(&mut self.link, request).await,
            None => Err(positions_not_stored()),
        };
        self.is_busy = false;
        renewed
    }

    async fn read_positions(&mut self) -> Result<Vec<StoredPosition>, SinkError> {
        self.begin_call()?;
        let read = match &self.progress {
            Some(progress) => progress.read_positions(&mut self.link).await,
            None => Err(positions_not_stored()),
        };
        self.is_busy = false;
        read
    }

    async fn reset_positions(&mut self, request: &ResetRequest) -> Result<(), SinkError> {
        self.begin_call()?;
        let reset = match &self.progress {
            Some(progress) => progress.reset_positions(&mut self.link, request).await,
            None => Err(positions_not_stored()),
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
            let timeouts = &self.connector.timeouts;
            self.writer
                .write(&mut self.link, timeouts, progress, batch)
                .await
        };
        self.is_busy = false;
        written
    }

    async fn find_rejects(&mut self, batch: &Batch) -> Result<Vec<RowReject>, SinkError> {
        self.begin_call()?;
        let found = self.search(batch).await;
        self.is_busy = false;
        found
    }

    async fn read_letters(&mut self, query: &LetterQuery) -> Result<Vec<StoredLetter>, SinkError> {
        self.begin_call()?;
        let read = letters::read(&mut self.link, query).await;
        self.is_busy = false;
        read
    }

    async fn close(self: Box<Self>) {
        self.link.close().await;
    }
}

impl MySqlSession {
    /// Creates a table whose keys compare as those of the target do.
    async fn create_beside(
        &mut self,
        target: &Target,
        wanted: &NewTable,
    ) -> Result<Table, SinkError> {
        let name = &target.table.name;
        let described = schema::describe(&mut self.link, name).await?;
        let collations = described.map(|found| found.collations());
        let collations = collations.unwrap_or_default();
        schema::create(&self.connector, &mut self.link, wanted, &collations).await
    }

    async fn search(&mut self, batch: &Batch) -> Result<Vec<RowReject>, SinkError> {
        // Outside the transaction.
        self.writer.accesses(&mut self.link, &batch.tables).await?;
        let mut trial = PartTrial {
            link: &mut self.link,
            writer: &mut self.writer,
            timeouts: self.connector.timeouts,
        };
        reject::find(&mut trial, batch).await
    }
}
