//! Tables of the topics: described, created, evolved; and looked at again when they have changed.
//!
//! A table may be dropped or altered by anybody at any time. What has been mapped to it is then not
//! bent to its new shape but read and mapped again: the batch is dropped, and its partitions are
//! read on from where the database stands. Nothing was written of it, so nothing is lost or doubled.

use std::sync::Arc;

use rowdock_connectors::{ErrorClass, NewColumn, NewTable, SinkError, Table, TableName, Target};

use super::claim::ClaimError;
use super::{Halt, WriteLoop};
use crate::batch::ReadBatch;
use crate::config::connector::SinkKeys;
use crate::handover::ToConsumer;
use crate::map::plan;

impl WriteLoop {
    /// Describes a topic's table, once, and tells the consumer's thread.
    pub(super) async fn make_table_known(&mut self, topic: &Arc<str>) -> Result<(), ClaimError> {
        if self.state.tables.contains(topic) {
            return Ok(());
        }
        plan::check_mapped(&self.config.sink, topic).map_err(Halt::Failed)?;
        let name = plan::table_name(&self.config.sink, topic);
        let table = self.describe(&name).await?;
        Ok(self.announce_table(Arc::clone(topic), &name, table)?)
    }

    /// Tells the consumer's thread of a table that transforms send records to.
    pub(super) async fn describe_table(&mut self, topic: &Arc<str>) -> Result<(), Halt> {
        self.state.tables.remove(topic);
        loop {
            match self.make_table_known(topic).await {
                Ok(()) => {
                    self.recovered();
                    return Ok(());
                }
                Err(ClaimError::Halt(halt)) => return Err(halt),
                Err(ClaimError::Sink(error)) => self.pause_or_give_up(&error).await?,
            }
        }
    }

    /// Creates the table that was designed for a topic's first records.
    pub(super) async fn create_table(
        &mut self,
        topic: Arc<str>,
        wanted: NewTable,
    ) -> Result<(), Halt> {
        loop {
            let created = match self.ready_session().await {
                Ok(()) => match self.state.session.as_mut() {
                    Some(session) => session.create_table(&wanted).await,
                    None => continue,
                },
                Err(error) => Err(error),
            };
            match created {
                Ok(created) => {
                    self.recovered();
                    tracing::info!(%topic, table = %wanted.name, "table created");
                    return self.announce_table(topic, &wanted.name, Some(created));
                }
                Err(error) => self.pause_or_give_up(&error).await?,
            }
        }
    }

    /// Makes a topic's table able to hold what its records have.
    pub(super) async fn evolve_table(
        &mut self,
        topic: Arc<str>,
        wanted: Vec<NewColumn>,
    ) -> Result<(), Halt> {
        let name = plan::table_name(&self.config.sink, &topic);
        loop {
            let error = match self.try_evolve(&name, &wanted).await {
                Ok(table) => {
                    self.recovered();
                    return self.announce_table(topic, &name, table);
                }
                Err(error) => error,
            };
            if error.class() == ErrorClass::Record {
                tracing::warn!(%topic, "{error}");
                self.consumer.send(ToConsumer::EvolutionRefused {
                    topic,
                    columns: wanted.into_iter().map(|column| column.name).collect(),
                    reason: error.to_string(),
                });
                return Ok(());
            }
            self.pause_or_give_up(&error).await?;
        }
    }

    /// `None`: the table is gone.
    async fn try_evolve(
        &mut self,
        name: &TableName,
        wanted: &[NewColumn],
    ) -> Result<Option<Table>, SinkError> {
        self.ready_session().await?;
        let Some(session) = self.state.session.as_mut() else {
            return Err(SinkError::retry("the session has gone"));
        };
        match session.evolve_table(name, wanted).await {
            Ok(table) => Ok(Some(table)),
            Err(error) if error.table_changed() && !error.connection_lost() => {
                match session.describe_table(name).await? {
                    None => Ok(None),
                    Some(_) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Whether this error came from a table of the batch that is not what it was. If so, the
    /// consumer's thread has been told, and reads the batch's records again.
    pub(super) async fn has_changed(
        &mut self,
        batch: &ReadBatch,
        error: &SinkError,
    ) -> Result<bool, Halt> {
        if !error.table_changed() {
            return Ok(false);
        }
        if error.connection_lost() {
            self.state.session = None;
        }
        loop {
            match self.changed_tables(batch).await {
                Ok(changed) => {
                    for (name, table) in &changed {
                        self.announce_changed(name, table.as_ref())?;
                    }
                    if !changed.is_empty() {
                        self.read_again(batch);
                    }
                    return Ok(!changed.is_empty());
                }
                Err(error) => self.pause_or_give_up(&error).await?,
            }
        }
    }

    /// The tables of the batch that are not as its rows were mapped to them, as they are now.
    async fn changed_tables(
        &mut self,
        batch: &ReadBatch,
    ) -> Result<Vec<(TableName, Option<Table>)>, SinkError> {
        let mut changed = Vec::new();
        for rows in &batch.rows.tables {
            let known = &rows.target.table;
            let table = self.describe(&known.name).await?;
            if table.as_ref() != Some(known) {
                changed.push((known.name.clone(), table));
            }
        }
        Ok(changed)
    }

    /// Tells the consumer's thread of a table, for all topics that go there.
    fn announce_changed(&mut self, name: &TableName, table: Option<&Table>) -> Result<(), Halt> {
        tracing::warn!(table = %name, exists = table.is_some(), "the table has changed");
        let topics: Vec<Arc<str>> = self
            .state
            .tables
            .iter()
            .filter(|topic| plan::table_name(&self.config.sink, topic) == *name)
            .cloned()
            .collect();
        for topic in topics {
            self.announce_table(topic, name, table.cloned())?;
        }
        Ok(())
    }

    fn read_again(&mut self, batch: &ReadBatch) {
        for (position, tag) in batch.rows.positions.iter().zip(&batch.tags) {
            let Some(held) = self.state.held.get_mut(&position.key) else {
                continue;
            };
            if let Some(new_tag) = self.board.retag(&position.key, *tag) {
                held.tag = new_tag;
                self.consumer.send(ToConsumer::Seek {
                    key: position.key.clone(),
                    tag: new_tag,
                    offset: held.next_offset,
                });
            }
        }
    }

    async fn describe(&mut self, name: &TableName) -> Result<Option<Table>, SinkError> {
        self.ready_session().await?;
        match self.state.session.as_mut() {
            Some(session) => session.describe_table(name).await,
            None => Err(SinkError::retry("the session has gone")),
        }
    }

    /// Tells the consumer's thread where a topic's rows go; or that its table is to be created.
    fn announce_table(
        &mut self,
        topic: Arc<str>,
        name: &TableName,
        table: Option<Table>,
    ) -> Result<(), Halt> {
        let target = target(&self.config.sink, &topic, name, table).map_err(Halt::Failed)?;
        self.state.tables.insert(Arc::clone(&topic));
        self.consumer.send(ToConsumer::Table { topic, target });
        Ok(())
    }
}

/// Where a topic's rows go; `None`: its table is to be created.
///
/// # Errors
/// Says why the topic's records cannot be written.
pub fn target(
    keys: &SinkKeys,
    topic: &str,
    name: &TableName,
    table: Option<Table>,
) -> Result<Option<Arc<Target>>, String> {
    match table {
        Some(table) => Ok(Some(Arc::new(plan::target(table, keys)?))),
        None if keys.auto_create => Ok(None),
        None => Err(format!(
            "table {name} for topic {topic} does not exist; create it, or set auto.create=true"
        )),
    }
}
