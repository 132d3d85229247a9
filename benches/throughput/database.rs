//! The target: a database of its own on the test server, and how it is watched without being
//! disturbed.
//!
//! Counting rows again and again would slow down who writes them. So the end of a run is found in
//! two steps: when no session has been busy for a while, the rows are counted once; and the time
//! of the last write is the server's own record of when the last session fell idle
//! (`pg_stat_activity.state_change`), taken at the last look before which the write-ahead log
//! grew. It is exact to the microsecond, and later than the commit at most by a statement that
//! wrote nothing.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, Statement};

use crate::order;
use crate::process;

/// Between two looks at a running contestant.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Between two looks at a table that is waited for.
const AWAIT_INTERVAL: Duration = Duration::from_millis(200);

/// Answers among which the quickest tells how the clocks differ.
const CLOCK_LOOKS: usize = 20;

/// Nobody wrote for so long: time to count.
const QUIET_US: i64 = 400_000;

/// A contestant that does not end within this time has failed.
const RUN_TIME_MAX: Duration = Duration::from_secs(900);

/// Microseconds of the server's clock, whether a session is busy, when the last one fell idle, and
/// the end of the write-ahead log.
const LOOK: &str = "\
    select (extract(epoch from clock_timestamp()) * 1e6)::bigint,
           coalesce(bool_or(state <> 'idle'), false),
           coalesce((extract(epoch from max(state_change)) * 1e6)::bigint, 0),
           (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint
    from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()";

/// A database of its own; dropped when dropped.
pub(crate) struct Database {
    /// URL of the database.
    pub(crate) url: String,
    runtime: Runtime,
    client: Client,
    look: Statement,
    maintenance: Client,
    name: String,
    server_pid: Option<u32>,
}

/// When a contestant wrote, on the server's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    /// The first rows were seen.
    pub(crate) first_us: i64,
    /// How many there were.
    pub(crate) first_rows: i64,
    /// The last rows were visible.
    pub(crate) last_us: i64,
}

struct Look {
    now_us: i64,
    busy: bool,
    idle_since_us: i64,
    log_end: i64,
}

impl Database {
    /// Creates the database.
    pub(crate) fn create(
        server_url: &str,
        server_pid: Option<u32>,
        name: &str,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (address, _) = server_url
            .rsplit_once('/')
            .context("ROWDOCK_TEST_POSTGRES has no database in it")?;
        let url = format!("{address}/{name}");
        let (maintenance, client, look) = runtime.block_on(async {
            let maintenance = connect(server_url).await?;
            maintenance
                .batch_execute(&format!("create database {name}"))
                .await?;
            let client = connect(&url).await?;
            let look = client.prepare(LOOK).await?;
            anyhow::Ok((maintenance, client, look))
        })?;
        Ok(Self {
            url,
            runtime,
            client,
            look,
            maintenance,
            name: name.to_owned(),
            server_pid,
        })
    }

    /// Creates an empty table for orders, and has the server write out what others left behind.
    pub(crate) fn create_table(&self, name: &str) -> anyhow::Result<()> {
        self.execute(&order::create_table(name))?;
        self.execute("checkpoint")
    }

    /// Drops a table.
    pub(crate) fn drop_table(&self, name: &str) -> anyhow::Result<()> {
        self.execute(&format!("drop table {name}"))
    }

    /// Fails unless the table holds these orders, each once.
    pub(crate) fn expect_orders(&self, table: &str, records: usize) -> anyhow::Result<()> {
        let sql = format!("select count(*), count(distinct id), sum(id)::bigint from {table}");
        let row = self.runtime.block_on(self.client.query_one(&sql, &[]))?;
        let (rows, distinct, sum): (i64, i64, Option<i64>) = (row.get(0), row.get(1), row.get(2));
        let records = i64::try_from(records)?;
        if (rows, distinct) != (records, records) || sum != Some(records * (records - 1) / 2) {
            bail!("{table} holds {rows} rows and {distinct} different orders instead of {records}");
        }
        Ok(())
    }

    /// CPU time of the whole server, when its processes can be seen from here.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Option<Duration>> {
        self.server_pid.map(process::family_cpu_time).transpose()
    }

    /// The server's clock, in microseconds since 1970.
    pub(crate) fn now_us(&self) -> anyhow::Result<i64> {
        Ok(self.look()?.now_us)
    }

    /// Watches a table until it holds so many rows. `pause` is called now and then while nothing is
    /// written, last before the final count; it fails when the contestant has.
    pub(crate) fn watch(
        &self,
        table: &str,
        rows: usize,
        mut pause: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Watched> {
        let started = Instant::now();
        let (first_us, first_rows) = self.first_rows(table, started, &mut pause)?;
        let mut log_end = 0;
        let mut last_us = first_us;
        let mut counted_at = 0;
        let rows = i64::try_from(rows)?;
        loop {
            let look = self.look()?;
            if look.log_end > log_end {
                (log_end, last_us) = (look.log_end, look.idle_since_us.max(first_us));
            }
            let quiet = !look.busy && look.now_us - look.idle_since_us.max(counted_at) > QUIET_US;
            if quiet {
                pause()?;
                let found = self.count(table, rows + 1)?;
                if found > rows {
                    bail!("{table} holds more than the {rows} rows that there are");
                }
                if found == rows {
                    return Ok(Watched {
                        first_us,
                        first_rows,
                        last_us,
                    });
                }
                counted_at = look.now_us;
            }
            if started.elapsed() > RUN_TIME_MAX {
                bail!("{table} is not complete after {RUN_TIME_MAX:?}");
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Waits until the table holds so many rows; hardly looks until then.
    pub(crate) fn await_rows(
        &self,
        table: &str,
        rows: usize,
        deadline: Duration,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let rows = i64::try_from(rows)?;
        loop {
            let found = self.count(table, rows)?;
            if found == rows {
                return Ok(());
            }
            if started.elapsed() > deadline {
                bail!("only {found} of {rows} records became visible");
            }
            thread::sleep(AWAIT_INTERVAL);
        }
    }

    /// When the row of each order was committed, in microseconds since 1970 on the server's clock, by
    /// order: just before the commit was flushed.
    pub(crate) fn commit_times_us(&self, table: &str) -> anyhow::Result<Vec<i64>> {
        let sql = format!(
            "select (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1e6)::bigint \
             from {table} order by id"
        );
        let rows = self.runtime.block_on(self.client.query(&sql, &[]));
        let rows = rows.context("latency is measured with track_commit_timestamp=on")?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// How far the server's clock is ahead of this process's, in microseconds, by the quickest of a
    /// few answers.
    pub(crate) fn clock_ahead_us(&self) -> anyhow::Result<i64> {
        let mut best = (Duration::MAX, 0);
        for _ in 0..CLOCK_LOOKS {
            let asked = Instant::now();
            let before = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
            let theirs = self.now_us()?;
            let took = asked.elapsed();
            let ours = i64::try_from((before + took / 2).as_micros())?;
            best = best.min((took, theirs - ours));
        }
        Ok(best.1)
    }

    /// Median duration of a transaction of one row.
    pub(crate) fn transaction_of_one_row(&self, turns: usize) -> anyhow::Result<Duration> {
        self.execute("create table one_row (id bigint)")?;
        let mut durations = Vec::with_capacity(turns);
        for _ in 0..turns {
            let began = Instant::now();
            self.execute("insert into one_row values (1)")?;
            durations.push(began.elapsed());
        }
        self.execute("drop table one_row")?;
        durations.sort_unstable();
        durations
            .get(turns / 2)
            .copied()
            .context("no transaction was measured")
    }

    /// Runs SQL with the database's own client.
    pub(crate) fn execute(&self, sql: &str) -> anyhow::Result<()> {
        let done = self.runtime.block_on(self.client.batch_execute(sql));
        done.with_context(|| sql.to_owned())
    }

    fn first_rows(
        &self,
        table: &str,
        started: Instant,
        pause: &mut impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<(i64, i64)> {
        let mut paused = started;
        loop {
            let found = self.count(table, i64::MAX)?;
            if found > 0 {
                return Ok((self.now_us()?, found));
            }
            if started.elapsed() > RUN_TIME_MAX {
                bail!("{table} is still empty after {RUN_TIME_MAX:?}");
            }
            if paused.elapsed() > Duration::from_secs(1) {
                pause()?;
                paused = Instant::now();
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    fn look(&self) -> anyhow::Result<Look> {
        let row = self
            .runtime
            .block_on(self.client.query_one(&self.look, &[]))?;
        Ok(Look {
            now_us: row.get(0),
            busy: row.get(1),
            idle_since_us: row.get(2),
            log_end: row.get(3),
        })
    }

    /// Rows of the table, at most `limit`.
    fn count(&self, table: &str, limit: i64) -> anyhow::Result<i64> {
        let sql = format!("select count(*) from (select 1 from {table} limit {limit}) found");
        let row = self.runtime.block_on(self.client.query_one(&sql, &[]))?;
        Ok(row.get(0))
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

/// A client; its connection is driven by the current runtime.
pub(crate) async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .context("cannot connect to PostgreSQL")?;
    tokio::spawn(async move {
        // Whoever waits for an answer gets the error.
        connection.await.ok();
    });
    Ok(client)
}
