//! Records that cannot be stored, kept with their reason.
//!
//! A dead letter is the original record (key, value, headers, time) with the coordinates it came
//! from and the reason. There are two places for it, and a connector may name both:
//!
//! * [`topic`]: sent, and its acknowledgement awaited, **before** the position moves past the record
//!   and while no database lock is held; what was acknowledged is remembered with the batch, so a
//!   repeated write does not send it again. A crash in between may send it twice: readers of the
//!   topic tell copies apart by the coordinates in the headers.
//! * [`table`]: a row more in the batch, hence there exactly once.
//!
//! With neither, a tolerated record is counted and logged with its coordinates and reason: legal in
//! Kafka Connect, and never silent. A connector that rejects nearly everything can be told to stop:
//! [`limits`]. What was kept is read back as a [`Letter`], by [`replay`](crate::replay).

use std::sync::Arc;

use futures_util::future::join_all;
use rowdock_connectors::{NewTable, SinkError, Table, TableName, TableRows};

use crate::batch::{ReadBatch, Reject};
use crate::config::connector::ConnectorConfig;
use limits::Watch;
use table::LetterTable;
use topic::LetterTopic;

mod letter;
mod limits;
mod producer;
mod table;
mod topic;

pub use letter::{FromTopic, Letter};
pub use limits::Exceeded;

/// Where rejects of a task go.
pub struct DeadLetters {
    config: Arc<ConnectorConfig>,
    task: u32,
    topic: Option<LetterTopic>,
    table: Option<LetterTable>,
    watch: Watch,
    /// Rejects of this task that were kept nowhere.
    skipped: u64,
}

impl DeadLetters {
    /// For this task. Nothing is connected before the first dead letter.
    pub fn new(config: Arc<ConnectorConfig>, task: u32, properties: Vec<(String, String)>) -> Self {
        let errors = &config.errors;
        Self {
            topic: errors
                .dead_letter
                .clone()
                .map(|topic| LetterTopic::new(topic, Arc::clone(&config), task, properties)),
            table: errors.dead_letter_table.as_deref().map(LetterTable::new),
            watch: Watch::new(errors.limits),
            skipped: 0,
            task,
            config,
        }
    }

    /// The dead letter table, when it must be found or created first.
    pub fn missing_table(&self) -> Option<NewTable> {
        self.table.as_ref()?.wanted()
    }

    /// Takes the dead letter table as the catalog describes it.
    ///
    /// # Errors
    /// Stop, when it is not a table for dead letters.
    pub fn found_table(&mut self, found: Table) -> Result<(), SinkError> {
        match &mut self.table {
            Some(table) => table.found(found, &self.config.sink),
            None => Ok(()),
        }
    }

    /// This table has been dropped or altered: the dead letter table, if it is that, is found or
    /// created anew.
    pub fn forget_table(&mut self, name: &TableName) {
        if let Some(table) = &mut self.table {
            table.forget(name);
        }
    }

    /// Whether these rows of a batch are dead letters.
    pub fn has(&self, rows: &TableRows) -> bool {
        self.table.as_ref().is_some_and(|table| table.has(rows))
    }

    /// The first record of the batch that is not tolerated any more, if there is one.
    pub fn exceeded(&self, batch: &ReadBatch) -> Option<Exceeded> {
        self.watch
            .exceeded(batch, |table| self.has(&batch.rows.tables[table]))
    }

    /// The batch was written.
    pub fn written(&mut self, batch: &ReadBatch) {
        let letters: Vec<bool> = batch
            .rows
            .tables
            .iter()
            .map(|rows| self.has(rows))
            .collect();
        self.watch.written(batch, |table| letters[table]);
    }

    /// Settles every reject of the batch that is not settled yet.
    ///
    /// # Errors
    /// Retry, when the dead letter topic did not acknowledge all of them: those it did are settled.
    pub async fn settle(&mut self, batch: &mut ReadBatch) -> Result<(), SinkError> {
        let waiting: Vec<usize> = (0..batch.rejects.len())
            .filter(|index| !batch.rejects[*index].settled)
            .collect();
        let answers = self.send(batch, &waiting, false).await?;
        let mut failure = None;
        for (index, answer) in waiting.into_iter().zip(answers) {
            if let Err(error) = answer {
                failure = Some(error);
                continue;
            }
            let reject = batch.rejects[index].clone();
            if let Some(table) = &self.table {
                table.add(batch, &reject, &self.config, self.task)?;
            }
            self.tell(batch, &reject);
            batch.rejects[index].settled = true;
        }
        match failure {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Keeps the record that stops the task, which stands [alone](ReadBatch::alone), as Kafka Connect
    /// does: in the topic, and with a word that its position does not move.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub async fn keep_last(&mut self, alone: &ReadBatch) -> Result<(), SinkError> {
        let all: Vec<usize> = (0..alone.rejects.len()).collect();
        for answer in self.send(alone, &all, true).await? {
            answer?;
        }
        Ok(())
    }

    /// Sends rejects to the topic, if there is one; an answer for each.
    async fn send(
        &mut self,
        batch: &ReadBatch,
        rejects: &[usize],
        end_task: bool,
    ) -> Result<Vec<Result<(), SinkError>>, SinkError> {
        let Some(topic) = self.topic.as_mut().filter(|_| !rejects.is_empty()) else {
            return Ok(rejects.iter().map(|_| Ok(())).collect());
        };
        topic.make_ready().await?;
        let topic = &*topic;
        let sends = rejects
            .iter()
            .map(|index| topic.send(batch, &batch.rejects[*index], end_task));
        Ok(join_all(sends).await)
    }

    fn tell(&mut self, batch: &ReadBatch, reject: &Reject) {
        let key = &batch.rows.positions[reject.position].key;
        let is_kept = self.topic.is_some() || self.table.is_some();
        if !is_kept {
            self.skipped += 1;
            tracing::warn!(
                connector = %self.config.name, task = self.task, topic = %key.topic,
                partition = key.partition, offset = reject.offset,
                stage = %reject.error.stage, reason = %reject.error, skipped = self.skipped,
                "record skipped (errors.tolerance=all without a dead letter topic or table)"
            );
        } else if self.config.errors.log {
            tracing::warn!(
                connector = %self.config.name, task = self.task, topic = %key.topic,
                partition = key.partition, offset = reject.offset,
                stage = %reject.error.stage, reason = %reject.error,
                "record goes to the dead letters"
            );
        }
    }
}
