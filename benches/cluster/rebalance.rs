//! A second worker joins: how long until it runs its half of the tasks.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::json;

use crate::kafka::Topic;
use crate::services::workspace;
use crate::workers::Cluster;
use crate::{Arena, Figure};

const TASKS: [usize; 3] = [8, 32, 128];

/// Tasks of each connector.
const TASKS_OF_CONNECTOR: usize = 4;

const DEADLINE: Duration = Duration::from_secs(120);

pub(crate) fn by_tasks(arena: &Arena) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for tasks in TASKS {
        let cluster = Cluster::new(arena, &format!("rebalance{tasks}"));
        let partitions = i32::try_from(TASKS_OF_CONNECTOR)?;
        let topic = Topic::create(arena, &format!("rebalance_{tasks}"), partitions)?;
        let first = cluster.start()?;
        for number in 0..tasks / TASKS_OF_CONNECTOR {
            let folder = workspace().join("target/bench");
            let url = format!("jdbc:sqlite:{}/half-{tasks}-{number}.db", folder.display());
            let config = json!({
                "connector.class": "SqliteSink", "topics": topic.name, "auto.create": "true",
                "tasks.max": TASKS_OF_CONNECTOR.to_string(), "connection.url": url,
                "value.converter": "JsonConverter", "value.converter.schemas.enable": "false",
            });
            // A name of its own: dead members of an earlier run's group would be waited for.
            let name = format!("{}-half-{tasks}-{number}", arena.run);
            first.rest.create(&name, &config)?;
        }
        first.rest.await_running(tasks, DEADLINE)?;
        thread::sleep(Duration::from_secs(5));
        let begun = Instant::now();
        let second = cluster.start()?;
        let healthy = begun.elapsed();
        loop {
            let running = first.rest.running()?;
            let shares = [&first.id, &second.id].map(|id| running.get(id).copied());
            if shares == [Some(tasks / 2); 2] {
                break;
            }
            if begun.elapsed() > DEADLINE {
                bail!("{tasks} tasks are not shared out after {DEADLINE:?}: {running:?}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        let shared = begun.elapsed();
        let name = |what: &str| format!("{tasks} tasks: {what}");
        figures.push(Figure::new(
            name("the second worker is healthy"),
            healthy.as_secs_f64(),
            "s",
        ));
        figures.push(Figure::new(
            name("it runs its half"),
            shared.as_secs_f64(),
            "s",
        ));
    }
    Ok(figures)
}
