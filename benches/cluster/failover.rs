//! One of two workers is killed, and one leaves: the longest time that any partition stood still.
//!
//! Kafka Connect on such a machine, measured: 44 to 47 s and 22,000 records twice after SIGKILL, 1 s
//! after a graceful stop.

use std::thread;
use std::time::Duration;

use crate::database::Database;
use crate::kafka::Topic;
use crate::workers::{Cluster, Worker};
use crate::{Arena, Figure};

const PARTITIONS: i32 = 16;
const TASKS: usize = 8;
const RECORDS_PER_S: u32 = 2_000;

/// The default session of consumers, and what may come on top.
const KILLED_SECONDS_MAX: f64 = 10.0 + 3.0;
const LEFT_SECONDS_MAX: f64 = 3.0;

/// Both workers store from all of their partitions by then.
const WARM_UP: Duration = Duration::from_secs(10);

/// Whatever happens has happened by then.
const AFTERWARDS: Duration = Duration::from_secs(20);

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn gaps(arena: &Arena) -> anyhow::Result<Vec<Figure>> {
    let killed = gap(arena, "killed", Worker::kill)?;
    let left = gap(arena, "left", |worker| worker.leave().map(drop))?;
    Ok(vec![
        Figure::new("longest gap after SIGKILL", killed, "s").at_most(KILLED_SECONDS_MAX),
        Figure::new("longest gap after SIGTERM", left, "s").at_most(LEFT_SECONDS_MAX),
    ])
}

fn gap(
    arena: &Arena,
    name: &str,
    end: impl FnOnce(Worker) -> anyhow::Result<()>,
) -> anyhow::Result<f64> {
    let topic = Topic::create(arena, name, PARTITIONS)?;
    let database = Database::create(arena, name)?;
    database.create_table("orders")?;
    let cluster = Cluster::new(arena, name);
    let (first, second) = (cluster.start()?, cluster.start()?);
    let config = database.config(&topic.name, "orders", TASKS);
    first
        .rest
        .create(&format!("{}_{name}", arena.run), &config)?;
    first.rest.await_running(TASKS, PATIENCE)?;
    let load = topic.load(RECORDS_PER_S)?;
    database.await_flow("orders", i64::from(PARTITIONS), PATIENCE)?;
    thread::sleep(WARM_UP);
    // What the start itself made wait does not count.
    let since_us = database.now_us()?;
    end(second)?;
    thread::sleep(AFTERWARDS);
    let sent = load.end()?;
    database.await_rows("orders", sent, PATIENCE)?;
    database.longest_gap_seconds("orders", since_us)
}
