//! How long a record takes from the producer's call until its row can be read, at a steady load.
//!
//! A reader asks again and again for the highest order of each partition in the table's last
//! blocks. Orders of a partition become visible in order, so everything below is visible too. The
//! answer's arrival counts, so each figure is too high, by at most the reader's period, which is
//! reported with it; never too low.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rdkafka::producer::{BaseProducer, Producer as _};

use crate::contest::{Assignment, Contestant};
use crate::database::{self, Database};
use crate::order::{Format, Order};
use crate::report::{Latency, percentile};
use crate::topic::{self, PARTITIONS, Topic};

/// The load.
const RECORDS_PER_S: u32 = 5_000;

/// Before anything counts: first fetches, claims, plans.
const WARM_UP: Duration = Duration::from_secs(3);

/// What counts.
const MEASURED: Duration = Duration::from_secs(10);

/// Between two questions of the reader.
const READ_INTERVAL: Duration = Duration::from_micros(500);

/// Rows are appended here at the latest, as two writers may fill one block each: some of the
/// table's last blocks.
const TAIL_BLOCKS: i64 = 8;

/// A record that is not visible by then is lost.
const VISIBLE_DEADLINE: Duration = Duration::from_secs(30);

/// When each order was produced and seen.
struct Times {
    produced: Mutex<Vec<Instant>>,
    all_produced: AtomicBool,
}

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
    let times = Times {
        produced: Mutex::default(),
        all_produced: AtomicBool::new(false),
    };
    let (produced, seen) = thread::scope(|scope| {
        let producer = scope.spawn(|| {
            let produced = produce(topic, format, &times);
            times.all_produced.store(true, Ordering::Release);
            produced
        });
        let seen = read(&database.url, assignment.table, &times);
        (producer.join(), seen)
    });
    produced.map_err(|_| anyhow::anyhow!("the steady producer ended early"))??;
    let (seen, mut periods) = seen?;
    contestant.rest.delete(assignment.connector)?;
    database.expect_orders(assignment.table, seen.len())?;
    database.drop_table(assignment.table)?;
    let produced = times.produced.into_inner().unwrap_or_default();
    let skipped = usize::try_from(WARM_UP.as_secs() * u64::from(RECORDS_PER_S))?;
    let mut latencies: Vec<Duration> = produced
        .iter()
        .zip(&seen)
        .skip(skipped)
        .map(|(produced, seen)| *seen - *produced)
        .collect();
    Ok(Latency {
        format: format.name(),
        records_per_s: RECORDS_PER_S,
        records: latencies.len(),
        p50_ms: percentile(&mut latencies, 50),
        p99_ms: percentile(&mut latencies, 99),
        max_ms: percentile(&mut latencies, 100),
        too_high_by_at_most_ms: percentile(&mut periods, 99),
    })
}

/// One record at a time, each at its own moment; a late one does not shift the others.
fn produce(topic: &Topic, format: Format, times: &Times) -> anyhow::Result<()> {
    let producer: BaseProducer = topic.producer_config().set("linger.ms", "0").create()?;
    let started = Instant::now();
    let interval = Duration::from_secs(1) / RECORDS_PER_S;
    let count = (WARM_UP + MEASURED).as_secs() * u64::from(RECORDS_PER_S);
    let mut value = String::new();
    for id in 0..count {
        let order = i64::try_from(id)?;
        Order::new(order).write(format, &mut value);
        let due = started + interval * u32::try_from(id)?;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let now = Instant::now();
        match times.produced.lock() {
            Ok(mut produced) => produced.push(now),
            Err(_) => bail!("the reader ended early"),
        }
        topic::send(&producer, &topic.name, order, &value)?;
    }
    producer.flush(VISIBLE_DEADLINE)?;
    Ok(())
}

/// Reads until everything that was produced is visible: when each order was seen, and the time
/// from each question's beginning to the next one's answer.
fn read(url: &str, table: &str, times: &Times) -> anyhow::Result<(Vec<Instant>, Vec<Duration>)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let client = runtime.block_on(database::connect(url))?;
    let statement = runtime.block_on(client.prepare(&tail_query(table)))?;
    let mut frontier = vec![-1_i64; usize::try_from(PARTITIONS)?];
    let mut seen: Vec<Option<Instant>> = Vec::new();
    let mut periods = Vec::new();
    let mut first_block = 0_i64;
    let mut asked = Instant::now();
    let mut progressed = asked;
    loop {
        let done = times.all_produced.load(Ordering::Acquire);
        let tail = format!("({first_block},0)");
        let asked_before = std::mem::replace(&mut asked, Instant::now());
        let row = runtime.block_on(client.query_one(&statement, &[&tail]))?;
        let now = Instant::now();
        periods.push(now - asked_before);
        first_block = (row.get::<_, i64>(0) - TAIL_BLOCKS).max(0);
        for (partition, highest) in frontier.iter_mut().enumerate() {
            let found: Option<i64> = row.get(partition + 1);
            while found.is_some_and(|found| *highest < found) {
                *highest = match *highest {
                    -1 => i64::try_from(partition)?,
                    before => before + i64::from(PARTITIONS),
                };
                let order = usize::try_from(*highest)?;
                if seen.len() <= order {
                    seen.resize(order + 1, None);
                }
                seen[order] = Some(now);
                progressed = now;
            }
        }
        let produced = times.produced.lock().map_or(0, |produced| produced.len());
        if done && seen.len() == produced && seen.iter().all(Option::is_some) {
            let seen: Option<Vec<Instant>> = seen.into_iter().collect();
            return Ok((seen.context("an order was not seen")?, periods));
        }
        if now - progressed > VISIBLE_DEADLINE {
            bail!(
                "only {} of {produced} steady records became visible",
                seen.len()
            );
        }
        thread::sleep((asked + READ_INTERVAL).saturating_duration_since(Instant::now()));
    }
}

/// Blocks of the table, and the highest order of each partition in those from `$1` on.
fn tail_query(table: &str) -> String {
    let highest: Vec<String> = (0..PARTITIONS)
        .map(|partition| format!("max(id) filter (where id % {PARTITIONS} = {partition})"))
        .collect();
    format!(
        "select pg_relation_size('{table}') / current_setting('block_size')::bigint, {} \
         from {table} where ctid >= cast($1::text as tid)",
        highest.join(", ")
    )
}
