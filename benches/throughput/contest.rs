//! One contestant stores a whole topic, end to end, and everything about it is measured.

use std::time::Duration;

use anyhow::Context as _;

use crate::database::{Database, Watched};
use crate::process;
use crate::report::EndToEnd;
use crate::rest::{Connector, Rest};
use crate::services::Services;

/// Who runs a connector.
pub(crate) struct Contestant<'a> {
    pub(crate) rest: &'a Rest,
    pub(crate) pid: u32,
}

/// What a connector is to store where.
pub(crate) struct Assignment<'a> {
    pub(crate) connector: &'a Connector,
    pub(crate) table: &'a str,
    pub(crate) records: usize,
}

/// CPU times so far.
struct CpuTimes {
    contestant: Duration,
    database: Option<Duration>,
    broker: Option<Duration>,
}

/// Creates the connector, waits for its last row, checks that each order is there once, and deletes
/// the connector.
pub(crate) fn run(
    contestant: &Contestant<'_>,
    assignment: &Assignment<'_>,
    database: &Database,
    services: &Services,
) -> anyhow::Result<EndToEnd> {
    let Assignment {
        connector,
        table,
        records,
    } = *assignment;
    database.create_table(table)?;
    let before = CpuTimes::read(contestant, database, services)?;
    let created_us = database.now_us()?;
    contestant.rest.create(connector)?;
    let mut after = None;
    let watched = database
        .watch(table, records, || {
            after = Some(CpuTimes::read(contestant, database, services)?);
            contestant.rest.check(connector)
        })
        .with_context(|| format!("run of {}", connector.name))?;
    let after = after.context("nobody looked")?;
    let peak_memory = process::peak_memory(contestant.pid)?;
    contestant.rest.delete(connector)?;
    database.expect_orders(table, records)?;
    database.drop_table(table)?;
    Ok(result(
        records,
        created_us,
        watched,
        &before,
        &after,
        peak_memory,
    ))
}

fn result(
    records: usize,
    created_us: i64,
    watched: Watched,
    before: &CpuTimes,
    after: &CpuTimes,
    peak_memory: u64,
) -> EndToEnd {
    let per_million = |span: Duration| span.as_secs_f64() * 1e6 / records as f64;
    let span = |after: Option<Duration>, before: Option<Duration>| {
        after
            .zip(before)
            .map(|(after, before)| per_million(after.saturating_sub(before)))
    };
    let later_rows = records as f64 - watched.first_rows as f64;
    EndToEnd {
        rows_per_s: later_rows / seconds(watched.first_us, watched.last_us),
        rows_per_s_from_creation: records as f64 / seconds(created_us, watched.last_us),
        first_row_ms: seconds(created_us, watched.first_us) * 1e3,
        worker_cpu_s_per_million: per_million(after.contestant.saturating_sub(before.contestant)),
        database_cpu_s_per_million: span(after.database, before.database),
        broker_cpu_s_per_million: span(after.broker, before.broker),
        peak_memory_mib: peak_memory as f64 / 1024.0 / 1024.0,
    }
}

impl CpuTimes {
    fn read(
        contestant: &Contestant<'_>,
        database: &Database,
        services: &Services,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            contestant: process::cpu_time(contestant.pid)?,
            database: database.cpu_time()?,
            broker: services.kafka_pid.map(process::cpu_time).transpose()?,
        })
    }
}

fn seconds(from_us: i64, to_us: i64) -> f64 {
    (to_us - from_us) as f64 / 1e6
}
