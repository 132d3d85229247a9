//! Locking rows of the progress table, and ending the session of a predecessor that does not let
//! go of them.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Progress;
use crate::error::SinkError;
use crate::position::PartitionKey;
use crate::postgres::connect::SESSION_IDENTITY;
use crate::postgres::link::Link;
use crate::postgres::transaction;
use crate::stored::{GUARD_PARTITION, Stored, StoredRow};

/// How long a predecessor may take to end its transaction before its session is ended. A batch in
/// flight takes milliseconds; ending one that is merely slow costs its work, nothing else.
const PREDECESSOR_WAIT_MAX: Duration = Duration::from_secs(2);
/// How often the rows are waited for, each time after ending the sessions in the way.
const LOCK_ATTEMPTS_MAX: u32 = 4;

/// Partitions as columns, in the order of the table's key.
pub(super) struct Keys<'a> {
    pub(super) topics: Vec<&'a str>,
    pub(super) partitions: Vec<i32>,
}

impl<'a> Keys<'a> {
    pub(super) fn of(partitions: &'a [PartitionKey]) -> Self {
        Self {
            topics: partitions.iter().map(|key| key.topic.as_ref()).collect(),
            partitions: partitions.iter().map(|key| key.partition).collect(),
        }
    }
}

impl Progress {
    /// Opens a transaction and locks the rows of these partitions, in key order. Leaves the
    /// transaction open on success only.
    pub(super) async fn lock(
        &self,
        link: &Link,
        action: &str,
        keys: &Keys<'_>,
    ) -> Result<Stored, SinkError> {
        let wait = self.timeouts.lock.min(PREDECESSOR_WAIT_MAX);
        let mut attempt = 1;
        loop {
            transaction::begin(link, action, wait).await?;
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

    /// `None`: the rows are locked by someone else; the transaction has failed.
    ///
    /// Guard rows are read first: a topic's rows become visible together, so a partition that is
    /// missing after its guard was seen is a new one.
    async fn read_locked(
        &self,
        link: &Link,
        action: &str,
        keys: &Keys<'_>,
    ) -> Result<Option<Stored>, SinkError> {
        let guards = format!(
            "SELECT topic FROM {} WHERE cluster_id = $1 AND connector = $2 \
             AND topic = ANY($3::text[]) AND partition = $4",
            self.table
        );
        let mut topics = keys.topics.clone();
        topics.dedup();
        let parameters: [&(dyn ToSql + Sync); 4] = [
            &self.scope.cluster_id,
            &self.scope.connector,
            &topics,
            &GUARD_PARTITION,
        ];
        let query = link.client().query(&guards, &parameters);
        let guards = link.answer(action, query).await?;
        let text = format!(
            "SELECT topic, partition, topic_id, next_offset, leader_epoch, claim_id, generation \
             FROM {} WHERE {IS_ONE_OF} ORDER BY topic, partition FOR UPDATE",
            self.table
        );
        let parameters = self.key_parameters(keys);
        let query = link.client().query(&text, &parameters);
        let rows = match link.in_time(action, query).await? {
            Ok(rows) => rows,
            Err(error) if error.code() == Some(&LOCK_NOT_AVAILABLE) => return Ok(None),
            Err(error) => return Err(link.statement_failure(action, error)),
        };
        Ok(Some(Stored {
            rows: rows.iter().map(stored_row).collect(),
            started_topics: guards
                .iter()
                .map(|row| Arc::from(row.get::<_, &str>(0)))
                .collect(),
        }))
    }

    /// Ends the sessions that hold these rows: those that the rows name, of rows that cannot be
    /// locked at once.
    async fn end_holders(&self, link: &Link, keys: &Keys<'_>) -> Result<(), SinkError> {
        let text = format!(
            "WITH free AS MATERIALIZED (\
                 SELECT topic, partition FROM {table} WHERE {IS_ONE_OF} FOR UPDATE SKIP LOCKED\
             ), holder AS MATERIALIZED (\
                 SELECT DISTINCT session FROM {table} WHERE {IS_ONE_OF} \
                 AND (topic, partition) NOT IN (SELECT topic, partition FROM free)\
             ) \
             SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity \
             JOIN holder ON {SESSION_IDENTITY} = holder.session \
             WHERE pid <> pg_backend_pid()",
            table = self.table
        );
        let parameters = self.key_parameters(keys);
        let query = link.client().query(&text, &parameters);
        match link.answer("end the sessions of predecessors", query).await {
            Ok(ended) => {
                for row in ended {
                    let process_id: i32 = row.get(0);
                    tracing::warn!(
                        process_id,
                        "ended the session of a predecessor that held its partitions too long"
                    );
                }
                Ok(())
            }
            Err(error) if error.connection_lost() => Err(error),
            Err(error) => {
                tracing::warn!(%error, "cannot end the session of a predecessor; waiting for it");
                Ok(())
            }
        }
    }

    fn key_parameters<'a>(&'a self, keys: &'a Keys<'_>) -> [&'a (dyn ToSql + Sync); 4] {
        [
            &self.scope.cluster_id,
            &self.scope.connector,
            &keys.topics,
            &keys.partitions,
        ]
    }
}

const LOCK_NOT_AVAILABLE: tokio_postgres::error::SqlState =
    tokio_postgres::error::SqlState::LOCK_NOT_AVAILABLE;

/// Takes the parameters of [`Progress::key_parameters`].
const IS_ONE_OF: &str = "cluster_id = $1 AND connector = $2 \
     AND (topic, partition) IN (SELECT * FROM unnest($3::text[], $4::int4[]))";

fn stored_row(row: &Row) -> (PartitionKey, StoredRow) {
    let key = PartitionKey {
        topic: Arc::from(row.get::<_, &str>(0)),
        partition: row.get(1),
    };
    let stored = StoredRow {
        topic_id: row.get(2),
        next_offset: row.get(3),
        leader_epoch: row.get(4),
        claim_id: row.get(5),
        generation: row.get(6),
    };
    (key, stored)
}
