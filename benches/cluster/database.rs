//! The target: a database of the run's own, whose rows know when they were stored.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use crate::Arena;

/// Between two counts.
const COUNT_INTERVAL: Duration = Duration::from_millis(50);

/// A database; dropped when dropped.
pub(crate) struct Database {
    url: String,
    name: String,
    runtime: Runtime,
    client: Client,
    maintenance: Client,
}

impl Database {
    pub(crate) fn create(arena: &Arena, suffix: &str) -> anyhow::Result<Self> {
        let name = format!("{}_{suffix}", arena.run);
        let server = &arena.services.postgres;
        let (address, _) = server
            .rsplit_once('/')
            .context("ROWDOCK_TEST_POSTGRES has no database in it")?;
        let url = format!("{address}/{name}");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let maintenance = runtime.block_on(connect(server))?;
        runtime.block_on(maintenance.batch_execute(&format!("create database {name}")))?;
        let client = runtime.block_on(connect(&url))?;
        Ok(Self {
            url,
            name,
            runtime,
            client,
            maintenance,
        })
    }

    /// A table whose rows remember when they were stored.
    pub(crate) fn create_table(&self, table: &str) -> anyhow::Result<()> {
        self.execute(&format!(
            "create table {table} (id bigint, part int, payer text, note text,
               stored_at timestamptz default clock_timestamp())"
        ))
    }

    /// A connector's config that fills such a table.
    pub(crate) fn config(&self, topic: &str, table: &str, tasks: usize) -> Value {
        json!({
            "connector.class": "PostgresSink", "tasks.max": tasks.to_string(), "topics": topic,
            "connection.url": self.url, "table.name.format": table,
            "insert.mode": "insert", "pk.mode": "none",
            "value.converter": "JsonConverter", "value.converter.schemas.enable": "false",
        })
    }

    pub(crate) fn execute(&self, sql: &str) -> anyhow::Result<()> {
        Ok(self.runtime.block_on(self.client.batch_execute(sql))?)
    }

    fn number(&self, sql: &str) -> anyhow::Result<i64> {
        let row = self.runtime.block_on(self.client.query_one(sql, &[]))?;
        Ok(row.get::<_, Option<i64>>(0).unwrap_or_default())
    }

    /// Waits until the table has these records, and checks that it has each once.
    pub(crate) fn await_rows(
        &self,
        table: &str,
        records: i64,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        // An estimate that costs nothing, from the positions, which move with the rows.
        let stored = "select sum(next_offset)::bigint from rowdock_progress where partition >= 0";
        loop {
            // There is no such table before the first claim.
            let done = self.number(stored).unwrap_or_default();
            if done >= records {
                break;
            }
            if begun.elapsed() > patience {
                bail!("{done} of {records} records are stored after {patience:?}");
            }
            thread::sleep(COUNT_INTERVAL);
        }
        let rows = self.number(&format!("select count(*) from {table}"))?;
        let ids = self.number(&format!("select count(distinct id) from {table}"))?;
        if (rows, ids) != (records, records) {
            bail!("{table} has {rows} rows with {ids} ids instead of {records}");
        }
        Ok(())
    }

    /// Forgets the positions of earlier connectors.
    pub(crate) fn forget_positions(&self) -> anyhow::Result<()> {
        self.execute("delete from rowdock_progress")
    }

    /// Seconds between the first and the last row.
    pub(crate) fn filled_in_seconds(&self, table: &str) -> anyhow::Result<f64> {
        let sql = format!(
            "select (extract(epoch from max(stored_at) - min(stored_at)) * 1e6)::bigint from {table}"
        );
        Ok(self.number(&sql)? as f64 / 1e6)
    }

    /// The server's clock, in microseconds.
    pub(crate) fn now_us(&self) -> anyhow::Result<i64> {
        self.number("select (extract(epoch from clock_timestamp()) * 1e6)::bigint")
    }

    /// Seconds of the longest time that any partition stood still since then.
    pub(crate) fn longest_gap_seconds(&self, table: &str, since_us: i64) -> anyhow::Result<f64> {
        let sql = format!(
            "select (extract(epoch from max(gap)) * 1e6)::bigint from
               (select stored_at, stored_at - lag(stored_at) over (partition by part order by stored_at) gap
                from {table}) gaps
             where stored_at > to_timestamp({since_us} / 1e6)"
        );
        Ok(self.number(&sql)? as f64 / 1e6)
    }

    /// Waits until every partition up to `partitions` has rows.
    pub(crate) fn await_flow(
        &self,
        table: &str,
        partitions: i64,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.number(&format!("select count(distinct part) from {table}"))? < partitions {
            if begun.elapsed() > patience {
                bail!("not every partition flows after {patience:?}");
            }
            thread::sleep(COUNT_INTERVAL);
        }
        Ok(())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("drop database {} with (force)", self.name);
        // At worst a database stays in a server for tests.
        self.runtime
            .block_on(self.maintenance.batch_execute(&sql))
            .ok();
    }
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .context("PostgreSQL does not answer")?;
    tokio::spawn(connection);
    Ok(client)
}
