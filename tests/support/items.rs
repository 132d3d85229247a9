//! A second play for a stage: few items, of which a table keeps the newest state, with deletes.

use super::connector::Connector;
use super::oracle::Judged;
use super::producer::{Load, LoadSpec};
use super::stage::{Stage, Topic};

/// The table that is kept by upserts.
const TABLE: &str = "items";

/// Few, so that each changes often.
const ITEMS: i64 = 200;

/// The topic and the connector.
pub(crate) struct Items {
    pub(crate) topic: Topic,
    pub(crate) connector: Connector,
}

impl Items {
    pub(crate) const PARTITIONS: i32 = 6;

    /// Creates topic and table.
    pub(crate) async fn prepare(stage: &Stage) -> Self {
        let topic = stage.topic(TABLE, Self::PARTITIONS).await;
        let table =
            "CREATE TABLE items (item bigint PRIMARY KEY, producer int, seq bigint, amount bigint)";
        stage.database.run(table).await;
        let connector = Connector::upsert(stage, &topic, TABLE);
        Self { topic, connector }
    }

    /// A steady load of changes, every eleventh a delete.
    pub(crate) fn load(&self, stage: &Stage, per_second: usize) -> Load {
        let spec = LoadSpec {
            producer: 2,
            items: ITEMS,
            delete_every: 11,
            seed: stage.seed,
            ..LoadSpec::append(per_second, self.topic.partitions)
        };
        Load::start(&self.topic.name, &stage.ledger, spec)
    }

    pub(crate) fn judged<'a>(&'a self, stage: &'a Stage) -> Judged<'a> {
        Judged {
            stage,
            connector: &self.connector,
            topic: &self.topic,
            table: TABLE,
        }
    }
}
