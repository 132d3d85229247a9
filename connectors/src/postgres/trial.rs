//! Trying parts of a refused batch, each inside a savepoint.

use async_trait::async_trait;
use fail::fail_point;

use super::link::Link;
use super::steps::Way;
use super::write::{Failure, Writer};
use super::{positions_not_stored, transaction};
use crate::error::{ErrorClass, SinkError};
use crate::reject::Trial;
use crate::row::Batch;

const ACTION: &str = "look for refused rows";

/// A transaction that is never committed.
pub(super) struct PartTrial<'t> {
    pub(super) link: &'t Link,
    pub(super) writer: &'t mut Writer,
    /// Has the constraints checked that would be checked by the commit. Only where the commit was
    /// what refused the batch: else a row may wait for one that comes later in it.
    checks_deferred: bool,
}

impl<'t> PartTrial<'t> {
    pub(super) fn new(link: &'t Link, writer: &'t mut Writer) -> Self {
        let checks_deferred = writer.refused_at_commit();
        Self {
            link,
            writer,
            checks_deferred,
        }
    }

    async fn run(&self, statement: &str) -> Result<(), SinkError> {
        transaction::run(self.link, ACTION, &[statement]).await
    }

    /// Rolls back to the savepoint when rows are refused.
    async fn try_part(&mut self, part: &Batch, way: Option<Way>) -> Result<(), Failure> {
        self.run("SAVEPOINT part").await?;
        let failure = match self.write_part(part, way).await {
            Ok(()) => return Ok(self.run("RELEASE SAVEPOINT part").await?),
            Err(failure) => failure,
        };
        match &failure {
            Failure::Other(error) if error.class() != ErrorClass::Record => {}
            _ => self.run("ROLLBACK TO SAVEPOINT part").await?,
        }
        Err(failure)
    }

    async fn write_part(&mut self, part: &Batch, way: Option<Way>) -> Result<(), Failure> {
        self.writer.write_rows(self.link, &part.tables, way).await?;
        if self.checks_deferred {
            let check = [
                "SET CONSTRAINTS ALL IMMEDIATE",
                "SET CONSTRAINTS ALL DEFERRED",
            ];
            let checking = transaction::send(self.link.client(), &check);
            let checked = self.link.in_time(ACTION, checking).await?;
            let in_step = checked.map_err(|error| self.link.row_failure(ACTION, error))?;
            transaction::require_in_step(self.link, in_step)?;
        }
        Ok(())
    }
}

fn or_refusal(tried: Result<(), Failure>) -> Result<(), SinkError> {
    tried.map_err(|failure| match failure {
        Failure::Other(error) | Failure::KeyMetTwice(error) => error,
        // A part has no positions.
        Failure::Fenced => positions_not_stored(),
    })
}

#[async_trait]
impl Trial for PartTrial<'_> {
    async fn begin(&mut self) -> Result<(), SinkError> {
        self.run(transaction::BEGIN).await
    }

    async fn try_rows(&mut self, part: &Batch) -> Result<(), SinkError> {
        fail_point!(super::failpoint::BETWEEN_BISECT_STEPS);
        match self.try_part(part, None).await {
            Err(Failure::KeyMetTwice(_)) => {}
            tried => return or_refusal(tried),
        }
        or_refusal(self.try_part(part, Some(Way::RowByRow)).await)
    }

    fn rows_may_wait(&self) -> bool {
        self.checks_deferred
    }

    async fn abandon(&mut self) {
        // A connection that cannot roll back is cut, which does the same.
        if let Err(error) = transaction::roll_back(self.link).await {
            tracing::debug!(%error, "rolled back by cutting the connection");
        }
    }
}
