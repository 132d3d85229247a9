//! How long a record takes from the producer's call until its row can be read, at a steady load.
//!
//! The server says itself when each row was committed (`track_commit_timestamp`), and is asked
//! afterwards: a reader that looks for new rows all the time would take so much of a small machine
//! that it measured itself. The server takes that time just before it flushes the commit record, so
//! the duration of a whole transaction of one row, flush and answer included, is added to each
//! figure: it is never too low.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use rdkafka::producer::{BaseProducer, Producer as _};

use crate::contest::{Assignment, Contestant};
use crate::database::Database;
use crate::order::{Format, Order};
use crate::report::{Latency, percentile};
use crate::topic::{self, Topic};

/// The load.
const RECORDS_PER_S: u32 = 5_000;

/// Before anything counts: first fetches, claims, plans.
const WARM_UP: Duration = Duration::from_secs(3);

/// What counts.
const MEASURED: Duration = Duration::from_secs(10);

/// A record that is not visible by then is lost.
const VISIBLE_DEADLINE: Duration = Duration::from_secs(30);

/// How long the producer gathers records, in milliseconds, which counts. With none, and as well with
/// records that are dealt out to the partitions one by one, the broker answers 5,000 requests a
/// second, and a small machine measures the broker.
const PRODUCER_LINGER_MS: &str = "1";

/// Transactions of one row whose median duration is added.
const TRANSACTIONS: usize = 200;

/// Produces at a steady rate for a while to an empty topic and measures every record.
pub(crate) fn run(
    contestant: &Contestant<'_>,
    assignment: &Assignment<'_>,
    topic: &Topic,
    format: Format,
    database: &Database,
) -> anyhow::Result<Latency> {
    database.create_table(assignment.table)?;
    contestant.rest.create(assignment.connector)?;
    contestant.rest.await_running(assignment.connector)?;
    let produced = produce(topic, format)?;
    database.await_rows(assignment.table, produced.len(), VISIBLE_DEADLINE)?;
    contestant.rest.delete(assignment.connector)?;
    measure(&produced, format, database, assignment.table)
}

/// Compares when each record was produced with when its row was committed; drops the table.
pub(crate) fn measure(
    produced: &[SystemTime],
    format: Format,
    database: &Database,
    table: &str,
) -> anyhow::Result<Latency> {
    database.expect_orders(table, produced.len())?;
    let ahead_us = database.clock_ahead_us()?;
    let committed = database.commit_times_us(table)?;
    let transaction = database.transaction_of_one_row(TRANSACTIONS)?;
    database.drop_table(table)?;
    let skipped = usize::try_from(WARM_UP.as_secs() * u64::from(RECORDS_PER_S))?;
    let mut latencies = Vec::with_capacity(produced.len());
    for (produced, committed) in produced.iter().zip(&committed).skip(skipped) {
        let produced = produced.duration_since(SystemTime::UNIX_EPOCH)?;
        let committed = Duration::from_micros(u64::try_from(committed - ahead_us)?);
        latencies.push(committed.saturating_sub(produced) + transaction);
    }
    Ok(Latency {
        format: format.name(),
        records_per_s: RECORDS_PER_S,
        records: latencies.len(),
        p50_ms: percentile(&mut latencies, 50),
        p99_ms: percentile(&mut latencies, 99),
        max_ms: percentile(&mut latencies, 100),
        too_high_by_at_most_ms: transaction.as_secs_f64() * 1e3,
    })
}

/// How many records are produced.
pub(crate) fn records() -> usize {
    let seconds = (WARM_UP + MEASURED).as_secs();
    usize::try_from(seconds * u64::from(RECORDS_PER_S)).unwrap_or(usize::MAX)
}

/// One record at a time, each at its own moment; a late one does not shift the others. Returns when
/// each was produced.
pub(crate) fn produce(topic: &Topic, format: Format) -> anyhow::Result<Vec<SystemTime>> {
    let producer: BaseProducer = topic
        .producer_config()
        .set("linger.ms", PRODUCER_LINGER_MS)
        .create()?;
    let started = Instant::now();
    let interval = Duration::from_secs(1) / RECORDS_PER_S;
    let mut produced = Vec::with_capacity(records());
    let mut value = String::new();
    for id in 0..records() {
        let order = i64::try_from(id)?;
        Order::new(order).write(format, &mut value);
        let due = started + interval * u32::try_from(id)?;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        produced.push(SystemTime::now());
        topic::send(&producer, &topic.name, &value)?;
    }
    producer
        .flush(VISIBLE_DEADLINE)
        .context("the steady records were not produced")?;
    Ok(produced)
}
