//! The same way from topic to table by a program that can do nothing else: it knows the fields, the
//! table and the type of every column, meets no bad record, and has no API, no cluster and no
//! second topic. What this machine lets such a program do is the measure for what ours costs.
//!
//! One thread consumes with the worker's own client and settings and reads each value with
//! `serde_json` into a struct; one connection writes batches of the worker's default size by COPY
//! BINARY, each in a transaction that also moves the position.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::database::{self, Database};
use crate::latency;
use crate::order::Format;
use crate::process;
use crate::raw::{BATCH_ROWS, Columns, Method, Row, Writer};
use crate::report::{BareProgram, Latency};
use crate::topic::Topic;

/// Batches between the threads, as many as a task of the worker has.
const BATCHES_IN_FLIGHT: usize = 2;

/// A value with its schema, which a program for one table need not look at.
#[derive(Deserialize)]
struct Envelope<'value> {
    #[serde(borrow)]
    payload: Row<'value>,
}

/// Stores the whole topic and checks the table.
pub(crate) fn run(
    database: &Database,
    topic: &Topic,
    format: Format,
    records: usize,
) -> anyhow::Result<BareProgram> {
    let table = format!("bare_{}", format.name());
    database.create_table(&table)?;
    let cpu_before = process::cpu_time(std::process::id())?;
    let started = Instant::now();
    store(database, topic, format, records, Flush::Full, &table)?;
    let elapsed = started.elapsed();
    let cpu = process::cpu_time(std::process::id())?.saturating_sub(cpu_before);
    database.expect_orders(&table, records)?;
    database.drop_table(&table)?;
    Ok(BareProgram {
        format: format.name(),
        rows_per_s: records as f64 / elapsed.as_secs_f64(),
        cpu_s_per_million: cpu.as_secs_f64() * 1e6 / records as f64,
    })
}

/// Stores records as they are produced at a steady rate, and measures each.
pub(crate) fn steady(
    database: &Database,
    topic: &Topic,
    format: Format,
) -> anyhow::Result<Latency> {
    let table = format!("bare_steady_{}", format.name());
    database.create_table(&table)?;
    let records = latency::records();
    let produced = thread::scope(|scope| {
        let storing =
            scope.spawn(|| store(database, topic, format, records, Flush::AtOnce, &table));
        let produced = latency::produce(topic, format);
        let stored = storing.join();
        stored.map_err(|_| anyhow::anyhow!("the bare program ended early"))??;
        produced
    })?;
    latency::measure(&produced, format, database, &table)
}

/// When rows are handed to the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flush {
    /// By the full batch.
    Full,
    /// As soon as there is nothing more to read.
    AtOnce,
}

fn store(
    database: &Database,
    topic: &Topic,
    format: Format,
    records: usize,
    flush: Flush,
    table: &str,
) -> anyhow::Result<()> {
    let (sender, batches) = sync_channel(BATCHES_IN_FLIGHT);
    thread::scope(|scope| {
        let reader = scope.spawn(|| read(topic, format, records, flush, sender));
        let written = write(&database.url, table, &batches);
        // A reader that finds nobody listening ends.
        drop(batches);
        let read = reader.join();
        written?;
        read.map_err(|_| anyhow::anyhow!("the reader ended early"))?
    })
}

fn read(
    topic: &Topic,
    format: Format,
    records: usize,
    flush: Flush,
    batches: SyncSender<Columns>,
) -> anyhow::Result<()> {
    let mut columns = Columns::default();
    let mut failed = None;
    topic.read(records, |value| {
        let due = match value {
            Some(value) => {
                if let Err(error) = append(value, format, &mut columns) {
                    failed.get_or_insert(error);
                }
                columns.len() == BATCH_ROWS
            }
            None => flush == Flush::AtOnce && columns.len() > 0,
        };
        if due {
            // The writer has ended: its error tells why.
            batches.send(std::mem::take(&mut columns)).ok();
        }
    })?;
    batches.send(columns).ok();
    match failed {
        Some(error) => Err(error).context("a value is no order"),
        None => Ok(()),
    }
}

fn append(value: &[u8], format: Format, columns: &mut Columns) -> anyhow::Result<()> {
    let row = match format {
        Format::Schemaless => serde_json::from_slice(value)?,
        Format::Envelope => serde_json::from_slice::<Envelope<'_>>(value)?.payload,
    };
    columns.push(&row);
    Ok(())
}

fn write(url: &str, table: &str, batches: &Receiver<Columns>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = database::connect(url).await?;
        let progress = format!("{table}_progress");
        let prepare = format!(
            "drop table if exists {progress}; create table {progress} (next bigint not null); \
             insert into {progress} values (0)"
        );
        client.batch_execute(&prepare).await?;
        let moves = format!("update {progress} set next = next + $1");
        let moves = client.prepare(&moves).await?;
        let mut writer = Writer::new(&client, Method::Copy, table).await?;
        // Blocking is right here: this thread has nothing else to do.
        while let Ok(columns) = batches.recv() {
            let rows = i64::try_from(columns.len())?;
            client.batch_execute("begin").await?;
            if client.execute(&moves, &[&rows]).await? != 1 {
                bail!("the position is gone");
            }
            writer.write(&columns, 0..columns.len()).await?;
            client.batch_execute("commit").await?;
        }
        client
            .batch_execute(&format!("drop table {progress}"))
            .await?;
        Ok(())
    })
}
