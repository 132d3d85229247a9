#![doc = include_str!("cassandra/README.md")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::error::SinkError;
use crate::options::SinkOptions;
use crate::position::{
    ClaimAnswer, ClaimRequest, RenewAnswer, RenewRequest, ResetRequest, StartRows, StoredPosition,
};
use crate::row::Batch;
use crate::table::{NewColumn, NewTable, Table, TableName};
use crate::{RowReject, Session, Sink, WriteOutcome};

mod access;
mod checkpoint;
mod classify;
mod clock;
mod connect;
mod counted;
mod encode;
mod evolve;
mod failpoint;
mod name;
mod plan;
mod progress;
mod schema;
mod send;
mod settings;
mod statement;
mod types;
mod url;
mod write;

pub use settings::{CassandraSettings, PositionConsistency, RowConsistency, TtlField, TtlKind};

use connect::{Connector, Link};
use counted::Counted;
use progress::Progress;
use write::Writer;

/// Cassandra 3.11 and later, and ScyllaDB.
pub struct CassandraSink {
    connector: Connector,
    options: SinkOptions,
    settings: Arc<CassandraSettings>,
    /// A batch that fails with its connection is written again over the next one.
    counted: Arc<Mutex<Counted>>,
}

impl CassandraSink {
    /// A sink for the cluster that the options name. Nothing is connected yet.
    ///
    /// # Errors
    /// *Stop* when the URL cannot be understood.
    pub fn new(options: SinkOptions, settings: CassandraSettings) -> Result<Self, SinkError> {
        let settings = Arc::new(settings);
        Ok(Self {
            connector: Connector::new(&options, Arc::clone(&settings))?,
            options,
            settings,
            counted: Arc::default(),
        })
    }
}

#[async_trait]
impl Sink for CassandraSink {
    fn name(&self) -> &'static str {
        "cassandra"
    }

    fn needs_record_times(&self) -> bool {
        true
    }

    async fn open(&self) -> Result<Box<dyn Session>, SinkError> {
        let link = self.connector.open().await?;
        let progress = if self.options.stores_positions {
            let table = TableName::parse(&self.options.progress_table);
            let table = progress::prepare_table(&link, &table).await?;
            let scope = self.options.scope.clone();
            Some(Progress::open(&link, &table, scope, &self.settings).await?)
        } else {
            None
        };
        Ok(Box::new(CassandraSession {
            link,
            settings: Arc::clone(&self.settings),
            progress,
            writer: Writer::new(Arc::clone(&self.counted)),
            doubts_schema: false,
        }))
    }
}

/// Connections to the cluster, and what has been claimed over them.
struct CassandraSession {
    link: Link,
    settings: Arc<CassandraSettings>,
    /// `None` at-least-once.
    progress: Option<Progress>,
    writer: Writer,
    /// A node has refused what was prepared for the schema that another one described.
    doubts_schema: bool,
}

impl CassandraSession {
    fn progress(&self) -> Result<&Progress, SinkError> {
        self.progress.as_ref().ok_or_else(|| {
            SinkError::stop("positions are not stored in the database with at-least-once delivery")
        })
    }
}

#[async_trait]
impl Session for CassandraSession {
    /// Each node describes the schema that it has itself, so one that has not heard of a change yet would
    /// tell that nothing has changed, and what was refused by another would be taken for a record's fault.
    async fn describe_table(&mut self, name: &TableName) -> Result<Option<Table>, SinkError> {
        if self.doubts_schema {
            self.link.agree().await?;
            self.doubts_schema = false;
        }
        let described = schema::describe(&self.link, &self.settings, name).await?;
        Ok(described.map(|described| described.table))
    }

    async fn create_table(&mut self, wanted: &NewTable) -> Result<Table, SinkError> {
        let created = schema::create(&self.link, &self.settings, wanted).await?;
        Ok(created.table)
    }

    async fn evolve_table(
        &mut self,
        table: &TableName,
        wanted: &[NewColumn],
    ) -> Result<Table, SinkError> {
        self.writer.forget_tables();
        evolve::evolve(&self.link, &self.settings, table, wanted).await
    }

    async fn claim(&mut self, request: &ClaimRequest) -> Result<Vec<ClaimAnswer>, SinkError> {
        let answers = self.progress()?.claim(&self.link, request).await?;
        let mut told = Vec::with_capacity(answers.len());
        for (key, (answer, held)) in request.partitions.iter().zip(answers) {
            if let Some(held) = held {
                self.writer.hold(key.clone(), held);
            }
            told.push(answer);
        }
        Ok(told)
    }

    async fn write_starts(&mut self, starts: &StartRows) -> Result<(), SinkError> {
        self.progress()?.write_starts(&self.link, starts).await
    }

    async fn renew(&mut self, request: &RenewRequest) -> Result<Vec<RenewAnswer>, SinkError> {
        let answers = self.progress()?.renew(&self.link, request).await?;
        let mut told = Vec::with_capacity(answers.len());
        for ((key, _), (answer, held)) in request.partitions.iter().zip(answers) {
            if let Some(held) = held {
                self.writer.hold(key.clone(), held);
            }
            told.push(answer);
        }
        Ok(told)
    }

    async fn read_positions(&mut self) -> Result<Vec<StoredPosition>, SinkError> {
        self.progress()?.read_positions(&self.link).await
    }

    async fn reset_positions(&mut self, request: &ResetRequest) -> Result<(), SinkError> {
        self.progress()?.reset_positions(&self.link, request).await
    }

    async fn write(&mut self, batch: &Batch) -> Result<WriteOutcome, SinkError> {
        let progress = match batch.positions_stored {
            true => Some(self.progress.as_ref().ok_or_else(|| {
                SinkError::stop("positions are not stored with at-least-once delivery")
            })?),
            false => None,
        };
        let written = self
            .writer
            .write(&self.link, &self.settings, progress, batch)
            .await;
        self.doubts_schema |= written.as_ref().is_err_and(SinkError::table_changed);
        written
    }

    /// The rows that the last write of this batch has found: that each row is written on its own tells
    /// which.
    async fn find_rejects(&mut self, batch: &Batch) -> Result<Vec<RowReject>, SinkError> {
        let is_there = |reject: &&RowReject| {
            batch
                .tables
                .get(reject.table)
                .is_some_and(|rows| reject.row < rows.len())
        };
        let mut found: Vec<RowReject> = self
            .writer
            .rejects()
            .iter()
            .filter(is_there)
            .cloned()
            .collect();
        found.sort_by_key(|reject| (reject.table, reject.row));
        Ok(found)
    }

    async fn close(self: Box<Self>) {}
}
