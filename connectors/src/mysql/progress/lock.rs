//! Locking rows of the progress table, and ending the session of a predecessor that does not let
//! go of them.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use mysql_async::Row;

use super::Progress;
use crate::error::SinkError;
use crate::mysql::classify::{self, LOCK_WAIT_TIMEOUT};
use crate::mysql::link::{Failure, Link};
use crate::mysql::schema::{number, text};
use crate::mysql::sql::literal;
use crate::mysql::transaction::{self, BEGIN_ANSWERS};
use crate::position::PartitionKey;
use crate::stored::{GUARD_PARTITION, Stored, StoredRow};

/// How long a predecessor may take to end its transaction before its session is ended. A batch in
/// flight takes milliseconds; ending one that is merely slow costs its work, nothing else.
const PREDECESSOR_WAIT_MAX: Duration = Duration::from_secs(2);
/// How often the rows are waited for, each time after ending the sessions in the way.
const LOCK_ATTEMPTS_MAX: u32 = 4;

impl Progress {
    /// Opens a transaction and locks the rows of these partitions, in key order. Leaves the
    /// transaction open on success only.
    pub(super) async fn lock(
        &self,
        link: &mut Link,
        action: &str,
        keys: &[PartitionKey],
    ) -> Result<Stored, SinkError> {
        let mut attempt = 1;
        loop {
            let locked = self.read_locked(link, action, keys).await;
            let error = match transaction::or_roll_back(link, locked).await {
                Ok(Some(stored)) => return Ok(stored),
                Ok(None) => SinkError::retry(format!(
                    "cannot {action}: another session holds their rows of the progress table"
                )),
                Err(error) => return Err(error),
            };
            transaction::roll_back(link).await?;
            if attempt == LOCK_ATTEMPTS_MAX {
                return Err(error);
            }
            attempt += 1;
            self.end_holders(link, keys).await?;
        }
    }

    /// `None`: the rows are locked by someone else.
    ///
    /// Guard rows are read first: a topic's rows become visible together, so a partition that is
    /// missing after its guard was seen is a new one.
    async fn read_locked(
        &self,
        link: &mut Link,
        action: &str,
        keys: &[PartitionKey],
    ) -> Result<Option<Stored>, SinkError> {
        let wait = self.timeouts.lock.min(PREDECESSOR_WAIT_MAX);
        let topics: BTreeSet<&Arc<str>> = keys.iter().map(|key| &key.topic).collect();
        let guards: Vec<PartitionKey> = topics
            .into_iter()
            .map(|topic| PartitionKey {
                topic: Arc::clone(topic),
                partition: GUARD_PARTITION,
            })
            .collect();
        let script = format!(
            "{}; {}; {}",
            transaction::begin_text(&self.timeouts, wait),
            self.rows_text(&guards, ""),
            self.rows_text(keys, "FOR UPDATE")
        );
        let answers = match link.try_run(action, &script).await {
            Ok(answers) => answers,
            Err(Failure::Refused(refusal)) if refusal.code == LOCK_WAIT_TIMEOUT => {
                return Ok(None);
            }
            Err(Failure::Refused(refusal)) => {
                return Err(classify::statement_error(action, &refusal));
            }
            Err(Failure::Lost(error)) => return Err(error),
        };
        link.require_transaction()?;
        let mut found = answers.iter().skip(BEGIN_ANSWERS);
        let guards = found.next().map(|answer| answer.rows.as_slice());
        let rows = found.next().map(|answer| answer.rows.as_slice());
        Ok(Some(Stored {
            rows: rows
                .unwrap_or_default()
                .iter()
                .filter_map(stored_row)
                .collect(),
            started_topics: guards
                .unwrap_or_default()
                .iter()
                .filter_map(stored_row)
                .map(|(key, _)| key.topic)
                .collect(),
        }))
    }

    /// Ends the sessions that hold these rows: those that the rows name, of rows that cannot be
    /// locked at once. A session is found by the user lock that it holds as long as it lives.
    async fn end_holders(&self, link: &mut Link, keys: &[PartitionKey]) -> Result<(), SinkError> {
        const ACTION: &str = "end the sessions of predecessors";
        let script = format!(
            "{}; {}",
            self.rows_text(keys, ""),
            self.rows_text(keys, "FOR UPDATE SKIP LOCKED")
        );
        let answers = link.run(ACTION, &script).await?;
        let rows_of = |index: usize| {
            let rows = answers.get(index).map(|answer| answer.rows.as_slice());
            rows.unwrap_or_default().iter()
        };
        let free: HashSet<PartitionKey> = rows_of(1)
            .filter_map(stored_row)
            .map(|(key, _)| key)
            .collect();
        let is_held = |row: &&Row| stored_row(row).is_some_and(|(key, _)| !free.contains(&key));
        let holders: BTreeSet<String> = rows_of(0)
            .filter(is_held)
            .filter_map(session_of)
            .filter(|session| !session.is_empty() && *session != link.server.session)
            .collect();
        for holder in holders {
            self.end_session(link, ACTION, &holder).await?;
        }
        Ok(())
    }

    async fn end_session(
        &self,
        link: &mut Link,
        action: &str,
        session: &str,
    ) -> Result<(), SinkError> {
        let find = format!("SELECT IS_USED_LOCK({})", literal(session));
        let answers = link.run(action, &find).await?;
        let row = answers.first().and_then(|answer| answer.rows.first());
        let Some(connection_id) = row.and_then(|row| number(row, 0)) else {
            return Ok(());
        };
        match link.run(action, &format!("KILL {connection_id}")).await {
            Ok(_) => {
                tracing::warn!(
                    connection_id,
                    "ended the session of a predecessor that held its partitions too long"
                );
                Ok(())
            }
            Err(error) if error.connection_lost() => Err(error),
            Err(error) => {
                tracing::warn!(%error, "cannot end the session of a predecessor; waiting for it");
                Ok(())
            }
        }
    }
}

/// From a row of [`Progress::rows_text`].
pub(super) fn stored_row(row: &Row) -> Option<(PartitionKey, StoredRow)> {
    let small = |index| number(row, index).and_then(|number| i32::try_from(number).ok());
    let key = PartitionKey {
        topic: Arc::from(text(row, 0)?),
        partition: small(1)?,
    };
    let stored = StoredRow {
        topic_id: text(row, 2)?,
        next_offset: number(row, 3)?,
        leader_epoch: small(4)?,
        claim_id: text(row, 5).and_then(|id| id.parse().ok()),
        generation: small(6)?,
    };
    Some((key, stored))
}

/// The session that claimed it, from the same row.
fn session_of(row: &Row) -> Option<String> {
    text(row, 7)
}
