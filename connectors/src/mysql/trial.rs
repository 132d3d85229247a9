//! Trying parts of a refused batch, each inside a savepoint.
//!
//! After an error the server may have rolled the whole transaction back; a savepoint set then would
//! protect nothing, and the rows behind it would commit one by one. So each step asserts first that
//! the transaction is open: the server tells with every answer.

use async_trait::async_trait;
use fail::fail_point;

use super::link::Link;
use super::transaction;
use super::write::Writer;
use crate::error::{ErrorClass, SinkError};
use crate::options::SinkTimeouts;
use crate::order::{self, RowOrder};
use crate::reject::Trial;
use crate::row::Batch;

const ACTION: &str = "look for refused rows";

/// A transaction that is never committed.
pub(super) struct PartTrial<'t> {
    pub(super) link: &'t mut Link,
    pub(super) writer: &'t mut Writer,
    pub(super) timeouts: SinkTimeouts,
}

impl PartTrial<'_> {
    async fn run(&mut self, statement: &str) -> Result<(), SinkError> {
        self.link.run(ACTION, statement).await?;
        self.link.require_transaction()
    }

    /// After a *record* error all is as it was before.
    async fn try_in(&mut self, part: &Batch, row_order: RowOrder) -> Result<(), SinkError> {
        self.run("SAVEPOINT part").await?;
        let tried = self.writer.try_rows(self.link, &part.tables, row_order);
        match tried.await {
            Ok(()) => self.run("RELEASE SAVEPOINT part").await,
            Err(error) if error.class() == ErrorClass::Record => {
                // Fails when the savepoint has gone with its transaction.
                self.run("ROLLBACK TO SAVEPOINT part").await?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Trial for PartTrial<'_> {
    async fn begin(&mut self) -> Result<(), SinkError> {
        self.run(&transaction::begin_text(&self.timeouts, self.timeouts.lock))
            .await
    }

    async fn try_rows(&mut self, part: &Batch) -> Result<(), SinkError> {
        fail_point!(super::failpoint::BETWEEN_BISECT_STEPS);
        match self.try_in(part, RowOrder::Folded).await {
            Err(error) if order::log_may_help(&error, &part.tables) => {
                self.try_in(part, RowOrder::Log).await
            }
            tried => tried,
        }
    }

    async fn abandon(&mut self) {
        // A connection that cannot roll back is cut, which does the same.
        if let Err(error) = transaction::roll_back(self.link).await {
            tracing::debug!(%error, "rolled back by cutting the connection");
        }
    }
}
