//! Many connectors on one worker: creating them, listing them, and what they cost while idle.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kafka::Topic;
use crate::process;
use crate::services::workspace;
use crate::workers::{Cluster, Worker};
use crate::{Arena, Figure};

/// Connectors of the list.
const LISTED: usize = 500;

/// The list of them, with everything in it: milliseconds.
const LIST_MS_MAX: f64 = 50.0;

/// How often it is asked for.
const LISTS: usize = 50;

/// Connectors of a worker that has nothing to do.
const IDLE: usize = 200;

const IDLE_MEMORY_MIB_MAX: f64 = 400.0;
const IDLE_CPU_PERCENT_MAX: f64 = 10.0;

/// Consumers have joined and read to the end, and memory has settled, by then.
const SETTLE_TIME: Duration = Duration::from_secs(15);

/// For how long an idle worker is watched.
const IDLE_TIME: Duration = Duration::from_secs(30);

const START_DEADLINE: Duration = Duration::from_secs(120);

pub(crate) fn creating_and_listing(arena: &Arena) -> anyhow::Result<Vec<Figure>> {
    let cluster = Cluster::new(arena, "api");
    let topic = Topic::create(arena, "api_nothing", 1)?;
    let worker = cluster.start()?;
    let mut slowest = Duration::ZERO;
    let begun = Instant::now();
    for number in 0..LISTED {
        let asked = Instant::now();
        create(&worker, &topic, number)?;
        slowest = slowest.max(asked.elapsed());
    }
    let created = begun.elapsed();
    worker.rest.await_running(LISTED, START_DEADLINE)?;
    let all_run = begun.elapsed();
    let mut figures = vec![
        Figure::new(
            "500 connectors created in a row",
            created.as_secs_f64(),
            "s",
        ),
        Figure::new("slowest creation", milliseconds(slowest), "ms"),
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
        create(&worker, &topic, number)?;
    }
    worker.rest.await_running(IDLE, START_DEADLINE)?;
    thread::sleep(SETTLE_TIME);
    let before = process::cpu_time(worker.pid())?;
    let threads_before = by_thread(worker.pid());
    thread::sleep(IDLE_TIME);
    let used = process::cpu_time(worker.pid())?.saturating_sub(before);
    let percent = used.as_secs_f64() / IDLE_TIME.as_secs_f64() * 100.0;
    let memory = mebibytes(process::memory_in_use(worker.pid())?);
    let mut figures = vec![
        Figure::new("memory of 200 idle tasks", memory, "MiB").at_most(IDLE_MEMORY_MIB_MAX),
        Figure::new("CPU of 200 idle tasks", percent, "% of a core").at_most(IDLE_CPU_PERCENT_MAX),
    ];
    for (name, ticks) in by_thread(worker.pid()) {
        let before = threads_before.get(&name).copied().unwrap_or_default();
        let percent = (ticks.saturating_sub(before)) as f64 / IDLE_TIME.as_secs_f64();
        if percent >= 0.1 {
            figures.push(Figure::new(
                format!("  of which threads {name}"),
                percent,
                "%",
            ));
        }
    }
    Ok(figures)
}

/// A connector with nothing to do, of a realistic config.
fn create(worker: &Worker, topic: &Topic, number: usize) -> anyhow::Result<()> {
    let folder = workspace().join("target/bench");
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

/// CPU ticks of a process by the names of its threads, numbers left out.
fn by_thread(pid: u32) -> std::collections::BTreeMap<String, u64> {
    let mut ticks = std::collections::BTreeMap::new();
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    for thread in threads.into_iter().flatten().flatten() {
        // A thread may end while they are listed.
        let Ok(stat) = std::fs::read_to_string(thread.path().join("stat")) else {
            continue;
        };
        let Some((name, numbers)) = stat
            .split_once('(')
            .and_then(|(_, rest)| rest.rsplit_once(") "))
        else {
            continue;
        };
        let name: String = name.chars().filter(|c| !c.is_ascii_digit()).collect();
        let numbers: Vec<u64> = numbers
            .split(' ')
            .map(|word| word.parse().unwrap_or_default())
            .collect();
        let used: u64 = numbers.iter().skip(11).take(2).sum();
        *ticks.entry(name).or_default() += used;
    }
    ticks
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
