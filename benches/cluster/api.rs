//! Many connectors on one worker: creating them, listing them, and what they cost while idle.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use std::{fs, thread};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::{Value, json};

use crate::kafka::Topic;
use crate::process;
use crate::workers::{Cluster, Worker};
use crate::{Arena, Figure};

/// Connectors of the list.
const LISTED: usize = 500;

/// The list of them, with everything in it: milliseconds.
const LIST_MS_MAX: f64 = 50.0;

/// How often it is asked for.
const LISTS: usize = 50;

/// One that is answered later than this has waited for others.
const CREATION_MS_MAX: f64 = 2000.0;

/// Connectors of a worker that has nothing to do.
const IDLE: usize = 200;

const IDLE_MEMORY_MIB_MAX: f64 = 400.0;
const IDLE_CPU_PERCENT_MAX: f64 = 10.0;

/// The same whatever the machine: 4.5 % is what those consumers took where 10 % was set.
const IDLE_CPU_TIMES_MAX: f64 = IDLE_CPU_PERCENT_MAX / 4.5;

/// Consumers have joined and read to the end, and memory has settled, by then.
const SETTLE_TIME: Duration = Duration::from_secs(15);

/// For how long an idle worker is watched.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// Far below the client's `max.poll.interval.ms`.
const PLAIN_POLL_INTERVAL: Duration = Duration::from_secs(1);

const START_DEADLINE: Duration = Duration::from_secs(120);

pub(crate) fn creating_and_listing(arena: &Arena) -> anyhow::Result<Vec<Figure>> {
    let cluster = Cluster::new(arena, "api");
    let topic = Topic::create(arena, "api_nothing", 1)?;
    let worker = cluster.start()?;
    let mut slowest = Duration::ZERO;
    let begun = Instant::now();
    for number in 0..LISTED {
        let asked = Instant::now();
        create(arena, &worker, &topic, number)?;
        slowest = slowest.max(asked.elapsed());
    }
    let created = begun.elapsed();
    worker.rest.await_running(LISTED, START_DEADLINE)?;
    let all_run = begun.elapsed();
    // A storm would be if one connector that comes disturbed those that run.
    let starts = worker.starts_of_tasks()? as f64;
    let mut figures = vec![
        Figure::new("tasks started for it", starts, "").at_most(LISTED as f64),
        Figure::new(
            "500 connectors created in a row",
            created.as_secs_f64(),
            "s",
        ),
        Figure::new("slowest creation", milliseconds(slowest), "ms").at_most(CREATION_MS_MAX),
        Figure::new("until all of their tasks run", all_run.as_secs_f64(), "s"),
        Figure::new(
            "peak memory",
            mebibytes(process::peak_memory(worker.pid())?),
            "MiB",
        ),
    ];
    thread::sleep(SETTLE_TIME);
    let path = "/connectors?expand=status&expand=info";
    let mut times = Vec::with_capacity(LISTS);
    let mut bytes = 0;
    for _ in 0..LISTS {
        let (time, body) = worker.rest.timed(path)?;
        times.push(milliseconds(time));
        bytes = body.len();
    }
    times.sort_by(f64::total_cmp);
    figures.extend([
        Figure::new("list of 500 with expand, median", times[LISTS / 2], "ms").at_most(LIST_MS_MAX),
        Figure::new("list of 500 with expand, slowest", times[LISTS - 1], "ms"),
        Figure::new("size of that list", bytes as f64 / 1024.0, "KiB"),
    ]);
    let begun = Instant::now();
    for number in 0..LISTED {
        worker.rest.delete(&name(&topic, number))?;
    }
    let deleted = begun.elapsed().as_secs_f64();
    figures.push(Figure::new("500 connectors deleted in a row", deleted, "s"));
    Ok(figures)
}

pub(crate) fn idle(arena: &Arena) -> anyhow::Result<Vec<Figure>> {
    let cluster = Cluster::new(arena, "idle");
    let topic = Topic::create(arena, "idle_nothing", 1)?;
    let worker = cluster.start()?;
    for number in 0..IDLE {
        create(arena, &worker, &topic, number)?;
    }
    worker.rest.await_running(IDLE, START_DEADLINE)?;
    thread::sleep(SETTLE_TIME);
    let before = process::cpu_time(worker.pid())?;
    let threads_before = by_thread(worker.pid());
    thread::sleep(IDLE_TIME);
    let percent = percent_of_idle_time(process::cpu_time(worker.pid())?.saturating_sub(before));
    let memory = mebibytes(process::memory_in_use(worker.pid())?);
    let mut figures = vec![
        Figure::new("memory of 200 idle tasks", memory, "MiB").at_most(IDLE_MEMORY_MIB_MAX),
        Figure::new("CPU of 200 idle tasks", percent, "% of a core").at_most(IDLE_CPU_PERCENT_MAX),
    ];
    for (name, used) in by_thread(worker.pid()) {
        let before = threads_before.get(&name).copied().unwrap_or_default();
        let percent = percent_of_idle_time(used.saturating_sub(before));
        if percent >= 0.1 {
            figures.push(Figure::new(
                format!("  of which threads {name}"),
                percent,
                "%",
            ));
        }
    }
    drop(worker);
    let plain = plain_consumers(arena, &topic)?;
    figures.push(Figure::new(
        "CPU of 200 consumers of the client alone",
        plain,
        "% of a core",
    ));
    let times = Figure::new("idle tasks, of those consumers", percent / plain, "times");
    figures.push(times.at_most(IDLE_CPU_TIMES_MAX));
    Ok(figures)
}

/// What the Kafka client alone costs, with its own defaults and as many groups: how fast this machine
/// is with hundreds of threads that wake up now and then.
fn plain_consumers(arena: &Arena, topic: &Topic) -> anyhow::Result<f64> {
    let consumers = (0..IDLE).map(|number| {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &arena.services.kafka)
            .set("group.id", format!("{}-plain-{number}", topic.name))
            .create()?;
        consumer.subscribe(&[&topic.name])?;
        Ok(consumer)
    });
    let consumers = consumers.collect::<anyhow::Result<Vec<_>>>()?;
    let poll_for = |time: Duration| {
        let begun = Instant::now();
        while begun.elapsed() < time {
            for consumer in &consumers {
                consumer.poll(Duration::ZERO);
            }
            thread::sleep(PLAIN_POLL_INTERVAL);
        }
    };
    poll_for(2 * SETTLE_TIME);
    let own = std::process::id();
    let before = process::cpu_time(own)?;
    poll_for(IDLE_TIME);
    Ok(percent_of_idle_time(
        process::cpu_time(own)?.saturating_sub(before),
    ))
}

fn percent_of_idle_time(used: Duration) -> f64 {
    used.as_secs_f64() / IDLE_TIME.as_secs_f64() * 100.0
}

/// A connector with nothing to do, of a realistic config.
fn create(arena: &Arena, worker: &Worker, topic: &Topic, number: usize) -> anyhow::Result<()> {
    let folder = arena.folder();
    let config: Value = json!({
        "connector.class": "SqliteSink", "tasks.max": "1", "topics": topic.name,
        "connection.url": format!("jdbc:sqlite:{}/idle-{number}.db", folder.display()),
        "auto.create": "true", "insert.mode": "upsert", "pk.mode": "record_key", "pk.fields": "id",
        "key.converter": "JsonConverter", "key.converter.schemas.enable": "false",
        "value.converter": "JsonConverter", "value.converter.schemas.enable": "false",
        "table.name.format": "orders_${topic}", "batch.size": "3000", "delete.enabled": "true",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dead-letters",
        "errors.deadletterqueue.context.headers.enable": "true", "errors.log.enable": "true",
    });
    worker.rest.create(&name(topic, number), &config)
}

/// Of this part and run alone: dead members of an earlier one's group would be waited for.
fn name(topic: &Topic, number: usize) -> String {
    format!("{}-{number}", topic.name)
}

/// CPU time of a process by the names of its threads, numbers left out. To the nanosecond: in ticks,
/// as the process's own is told, most of what a thread does that wakes up once a second is missed.
fn by_thread(pid: u32) -> BTreeMap<String, Duration> {
    let mut used: BTreeMap<String, Duration> = BTreeMap::new();
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    for thread in threads.into_iter().flatten().flatten() {
        // A thread may end while they are listed.
        let name = fs::read_to_string(thread.path().join("comm"));
        let times = fs::read_to_string(thread.path().join("schedstat"));
        let (Ok(name), Ok(times)) = (name, times) else {
            continue;
        };
        let name = name.trim().replace(|c: char| c.is_ascii_digit(), "");
        let on_cpu_ns = times.split(' ').next().and_then(|ns| ns.parse().ok());
        *used.entry(name).or_default() += Duration::from_nanos(on_cpu_ns.unwrap_or_default());
    }
    used
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
