//! Tables of the topics: described, created, evolved; and looked at again when they have changed.
//!
//! A table may be dropped or altered by anybody at any time. What has been mapped to it is then not
//! bent to its new shape but read and mapped again: the batch is dropped, and its partitions are
//! read on from where the database stands. Nothing was written of it, so nothing is lost or doubled.

use std::sync::Arc;
use std::time::Duration;

use rowdock_connectors::{
    ErrorClass, NewColumn, NewTable, Session, SinkError, Table, TableName, Target, evolve,
};
use tokio::time::Instant;

use super::claim::ClaimError;
use super::{Halt, WriteLoop};
use crate::batch::ReadBatch;
use crate::config::connector::SinkKeys;
use crate::handover::ToConsumer;
use crate::map::plan;
use crate::record::Stage;

/// How long what was refused counts as impossible. Then the records that need it ask again: somebody may
/// have changed the table by hand, or been given the rights to.
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// The same of what took too long: each attempt keeps everybody from the table for as long again.
const LATE_FOR: Duration = Duration::from_secs(3_600);

impl WriteLoop {
    /// Describes a topic's table, once, and tells the consumer's thread.
    pub(super) async fn make_table_known(&mut self, topic: &Arc<str>) -> Result<(), ClaimError> {
        if self.state.tables.contains_key(topic) {
            return Ok(());
        }
        plan::check_mapped(&self.config.sink, topic).map_err(Halt::Failed)?;
        let name = plan::table_name(&self.config.sink, topic);
        let table = self.describe(&name).await?;
        Ok(self.announce_table(topic, &name, table, &[]).await?)
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
            match self.try_create(&topic, &wanted).await {
                Ok(()) => {
                    self.recovered();
                    return Ok(());
                }
                Err(error) => self.pause_or_give_up(&error).await?,
            }
        }
    }

    async fn try_create(&mut self, topic: &Arc<str>, wanted: &NewTable) -> Result<(), SinkError> {
        let created = created(self.session().await?, wanted).await?;
        tracing::info!(%topic, table = %wanted.name, "table created");
        self.announce_table(topic, &wanted.name, Some(created), &[])
            .await
    }

    /// Makes a topic's table able to hold what its records have.
    pub(super) async fn evolve_table(
        &mut self,
        topic: Arc<str>,
        wanted: Vec<NewColumn>,
    ) -> Result<(), Halt> {
        let name = plan::table_name(&self.config.sink, &topic);
        self.ask_again_in(&topic, REFUSED_FOR);
        loop {
            let error = match self.try_evolve(&topic, &name, &wanted).await {
                Ok(()) => {
                    self.recovered();
                    return Ok(());
                }
                Err(error) => error,
            };
            if error.class() != ErrorClass::Record {
                self.pause_or_give_up(&error).await?;
                continue;
            }
            if error.timed_out() {
                self.ask_again_in(&topic, LATE_FOR);
            }
            match self.refusals(&name, &wanted, &error).await {
                Ok(columns) => {
                    for (_, reason) in &columns {
                        tracing::warn!(%topic, "{reason}");
                    }
                    self.consumer
                        .send(ToConsumer::EvolutionRefused { topic, columns });
                    return Ok(());
                }
                Err(error) => self.pause_or_give_up(&error).await?,
            }
        }
    }

    fn ask_again_in(&mut self, topic: &Arc<str>, pause: Duration) {
        let ask_at = Instant::now() + pause;
        let known = self.state.evolved.entry(Arc::clone(topic));
        let known = known.or_insert(ask_at);
        *known = ask_at.max(*known);
    }

    /// Tells the consumer's thread once more of tables that were to be changed a while ago: it forgets
    /// what it knows to be refused.
    pub(super) async fn forget_refusals(&mut self) -> Result<(), Halt> {
        if self.state.failed {
            return Ok(());
        }
        let now = Instant::now();
        let evolved = self.state.evolved.iter();
        let due = evolved.filter(|(_, ask_at)| **ask_at <= now);
        let due: Vec<Arc<str>> = due.map(|(topic, _)| Arc::clone(topic)).collect();
        for topic in due {
            self.describe_table(&topic).await?;
            self.state.evolved.remove(&topic);
        }
        Ok(())
    }

    async fn refusals(
        &mut self,
        name: &TableName,
        wanted: &[NewColumn],
        error: &SinkError,
    ) -> Result<Vec<(NewColumn, String)>, SinkError> {
        refusals(self.session().await?, name, wanted, error).await
    }

    async fn try_evolve(
        &mut self,
        topic: &Arc<str>,
        name: &TableName,
        wanted: &[NewColumn],
    ) -> Result<(), SinkError> {
        let session = self.session().await?;
        let table = match evolved(session, name, wanted).await {
            Ok(table) => Some(table),
            Err(error) if error.table_changed() && !error.connection_lost() => {
                match session.describe_table(name).await? {
                    // The table is gone.
                    None => None,
                    Some(_) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        };
        self.announce_table(topic, name, table, wanted).await
    }

    /// Whether this error came from a table of the batch that is not what it was. If so, the
    /// consumer's thread has been told, and reads the batch's records again. A refused row may come from
    /// that as well: what fitted the table as it was may be too long for the one that is there.
    pub(super) async fn has_changed(
        &mut self,
        batch: &ReadBatch,
        error: &SinkError,
    ) -> Result<bool, Halt> {
        if !error.table_changed() && error.class() != ErrorClass::Record {
            return Ok(false);
        }
        if error.connection_lost() {
            self.state.session = None;
        }
        self.look_for_changes(batch, &targets_of(batch)).await
    }

    /// Whether a table that records of the batch do not fit is not what it was any more. A person may have
    /// mended it, which no statement tells as long as the other records are written. `None`: that was not
    /// looked at, or not again so soon.
    pub(super) async fn was_mended(&mut self, batch: &ReadBatch) -> Result<Option<bool>, Halt> {
        let looked_at = self.state.looked_at_tables;
        if looked_at.is_some_and(|at| at.elapsed() < REFUSED_FOR) {
            return Ok(None);
        }
        let misfits: Vec<&Arc<str>> = batch
            .rejects
            .iter()
            .filter(|reject| !reject.settled && reject.error.stage == Stage::TaskPut)
            .map(|reject| &batch.rows.positions[reject.position].key.topic)
            .collect();
        if misfits.is_empty() {
            return Ok(None);
        }
        self.state.looked_at_tables = Some(Instant::now());
        let mut targets = targets_of(batch);
        for topic in misfits {
            let Some(Some(target)) = self.state.tables.get(topic) else {
                continue;
            };
            if !targets.iter().any(|known| Arc::ptr_eq(known, target)) {
                targets.push(Arc::clone(target));
            }
        }
        self.look_for_changes(batch, &targets).await.map(Some)
    }

    async fn look_for_changes(
        &mut self,
        batch: &ReadBatch,
        targets: &[Arc<Target>],
    ) -> Result<bool, Halt> {
        loop {
            match self.tell_changes(batch, targets).await {
                Ok(has_changed) => return Ok(has_changed),
                Err(error) => self.pause_or_give_up(&error).await?,
            }
        }
    }

    async fn tell_changes(
        &mut self,
        batch: &ReadBatch,
        targets: &[Arc<Target>],
    ) -> Result<bool, SinkError> {
        let changed = self.changed_tables(targets).await?;
        for (name, table) in &changed {
            self.announce_changed(name, table.as_ref()).await?;
        }
        if !changed.is_empty() {
            self.read_again(batch);
        }
        Ok(!changed.is_empty())
    }

    /// The tables that are not as records were mapped to them, as they are now.
    async fn changed_tables(
        &mut self,
        targets: &[Arc<Target>],
    ) -> Result<Vec<(TableName, Option<Table>)>, SinkError> {
        let mut changed = Vec::new();
        for target in targets {
            let known = &target.table;
            let table = self.describe(&known.name).await?;
            let mut is_changed = table.as_ref() != Some(known);
            if let Some(tombstones) = &target.tombstones {
                let found = self.describe(&tombstones.table.name).await?;
                is_changed |= found.as_ref() != Some(&tombstones.table);
            }
            if is_changed {
                changed.push((known.name.clone(), table));
            }
        }
        Ok(changed)
    }

    /// Tells the consumer's thread of a table, for all topics that go there.
    async fn announce_changed(
        &mut self,
        name: &TableName,
        table: Option<&Table>,
    ) -> Result<(), SinkError> {
        tracing::warn!(table = %name, exists = table.is_some(), "the table has changed");
        self.dead_letters.forget_table(name);
        let topics: Vec<Arc<str>> = self
            .state
            .tables
            .keys()
            .filter(|topic| plan::table_name(&self.config.sink, topic) == *name)
            .cloned()
            .collect();
        for topic in topics {
            self.announce_table(&topic, name, table.cloned(), &[])
                .await?;
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
        self.session().await?.describe_table(name).await
    }

    async fn session(&mut self) -> Result<&mut dyn Session, SinkError> {
        self.ready_session().await?;
        match self.state.session.as_mut() {
            Some(session) => Ok(&mut **session),
            None => Err(SinkError::retry("the session has gone")),
        }
    }

    /// Tells the consumer's thread where a topic's rows go; or that its table is to be created.
    /// `asked`: the columns of the request that this answers.
    async fn announce_table(
        &mut self,
        topic: &Arc<str>,
        name: &TableName,
        table: Option<Table>,
        asked: &[NewColumn],
    ) -> Result<(), SinkError> {
        let config = Arc::clone(&self.config);
        let session = self.session().await?;
        let target = target(session, &config.sink, topic, name, table).await?;
        let tables = &mut self.state.tables;
        tables.insert(Arc::clone(topic), target.clone());
        self.consumer.send(ToConsumer::Table {
            topic: Arc::clone(topic),
            target,
            asked: asked.to_vec(),
        });
        Ok(())
    }
}

fn targets_of(batch: &ReadBatch) -> Vec<Arc<Target>> {
    let tables = batch.rows.tables.iter();
    tables.map(|rows| Arc::clone(&rows.target)).collect()
}

/// Creates a table; without its defaults where the database refuses it with them, such as for a character
/// that its own has not: a default is no reason to do without the table.
///
/// # Errors
/// Those of [`Session::create_table`].
pub async fn created(session: &mut dyn Session, wanted: &NewTable) -> Result<Table, SinkError> {
    let refused = match session.create_table(wanted).await {
        Err(error) if error.class() != ErrorClass::Retry => error,
        answer => return answer,
    };
    let Some(columns) = NewColumn::without_defaults(&wanted.columns) else {
        return Err(refused);
    };
    let plain = NewTable {
        columns,
        ..wanted.clone()
    };
    without_defaults(&wanted.name, refused, session.create_table(&plain).await)
}

/// Makes a table able to hold these columns; the same way.
///
/// # Errors
/// Those of [`Session::evolve_table`].
pub async fn evolved(
    session: &mut dyn Session,
    name: &TableName,
    wanted: &[NewColumn],
) -> Result<Table, SinkError> {
    let refused = match session.evolve_table(name, wanted).await {
        Err(error) if may_be_of_the_defaults(&error) => error,
        answer => return answer,
    };
    let Some(plain) = NewColumn::without_defaults(wanted) else {
        return Err(refused);
    };
    without_defaults(name, refused, session.evolve_table(name, &plain).await)
}

fn may_be_of_the_defaults(error: &SinkError) -> bool {
    error.class() != ErrorClass::Retry && !error.table_changed() && !error.timed_out()
}

/// The second answer, unless the defaults were not what was wrong.
fn without_defaults(
    table: &TableName,
    refused: SinkError,
    answer: Result<Table, SinkError>,
) -> Result<Table, SinkError> {
    match answer {
        Ok(done) => {
            tracing::warn!(%table, "new columns have no defaults, which were refused: {refused}");
            Ok(done)
        }
        Err(error) if error.class() == ErrorClass::Retry => Err(error),
        Err(_) => Err(refused),
    }
}

/// The columns that cannot be had, each with why, when all that is wanted together was refused like
/// this. The others are made one by one, so that records which need just these are not refused.
///
/// # Errors
/// Those of [`Session::evolve_table`], but for class *record*.
pub async fn refusals(
    session: &mut dyn Session,
    name: &TableName,
    wanted: &[NewColumn],
    error: &SinkError,
) -> Result<Vec<(NewColumn, String)>, SinkError> {
    if let [only] = wanted {
        return Ok(vec![(only.clone(), error.to_string())]);
    }
    let mut refused = Vec::new();
    for column in wanted {
        match evolved(session, name, std::slice::from_ref(column)).await {
            Ok(_) => {}
            Err(error) if error.class() == ErrorClass::Record => {
                refused.push((column.clone(), error.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}

/// The table of tombstones, whose columns hold what those of its table have been widened to.
async fn widened(
    session: &mut dyn Session,
    target: &Target,
    tombstones: Table,
) -> Result<Table, SinkError> {
    let mut wanted = plan::new_tombstones(target, tombstones.name.clone()).columns;
    let is_there = |wanted: &NewColumn| {
        let mut columns = tombstones.columns.iter();
        columns.any(|column| column.name == wanted.name)
    };
    wanted.retain(is_there);
    if evolve::changes(&tombstones, &wanted).is_empty() {
        return Ok(tombstones);
    }
    match session.evolve_table(&tombstones.name, &wanted).await {
        // Of no record: without its tombstones nothing can be written to the table.
        Err(error) if error.class() == ErrorClass::Record => {
            Err(SinkError::stop(format!("delete.tombstone.table: {error}")))
        }
        widened => widened,
    }
}

/// Where a topic's rows go; `None`: its table is to be created.
///
/// # Errors
/// *Stop* says why the topic's records cannot be written. Besides that, what the session says when it is
/// asked for the key of a view, or looks for the table of tombstones, creates it or widens its columns.
pub async fn target(
    session: &mut dyn Session,
    keys: &SinkKeys,
    topic: &str,
    name: &TableName,
    table: Option<Table>,
) -> Result<Option<Arc<Target>>, SinkError> {
    let target = match table {
        Some(table) => plan::target(table, keys, topic).map_err(SinkError::stop)?,
        None if keys.auto_create => return Ok(None),
        None => {
            return Err(SinkError::stop(format!(
                "table {name} for topic {topic} does not exist; create it, or set auto.create=true"
            )));
        }
    };
    let target = Arc::new(target);
    if plan::has_unknown_key(&target) {
        session.confirm_key(&target).await?;
    }
    let Some(name) = plan::tombstone_table(keys, &target.table.name) else {
        return Ok(Some(target));
    };
    let tombstones = match session.describe_table(&name).await? {
        Some(tombstones) if keys.auto_evolve => widened(session, &target, tombstones).await?,
        Some(tombstones) => tombstones,
        None if keys.auto_create => {
            let wanted = plan::new_tombstones(&target, name);
            session.create_tombstones(&target, &wanted).await?
        }
        None => {
            return Err(SinkError::stop(format!(
                "table {name}, which delete.tombstone.table names, does not exist; create it with the key's \
                 columns and the guard of {}, or set auto.create=true",
                target.table.name
            )));
        }
    };
    let target = Arc::unwrap_or_clone(target);
    let target = plan::with_tombstones(target, tombstones).map_err(SinkError::stop)?;
    Ok(Some(Arc::new(target)))
}
