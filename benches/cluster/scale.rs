//! The same topic drained by more workers: on one machine the total rate cannot grow for ever, but it
//! must not fall.

use std::time::Duration;

use crate::database::Database;
use crate::kafka::Topic;
use crate::workers::Cluster;
use crate::{Arena, Figure};

const WORKERS: [usize; 3] = [1, 2, 4];
const TASKS: usize = 4;
const PARTITIONS: i32 = 12;
const RECORDS: i64 = 1_200_000;
const PATIENCE: Duration = Duration::from_secs(120);

/// Rates on a shared machine differ by this much from run to run.
const NOISE: f64 = 0.9;

pub(crate) fn out(arena: &Arena) -> anyhow::Result<Vec<Figure>> {
    let topic = Topic::create(arena, "scale", PARTITIONS)?;
    topic.fill(RECORDS)?;
    let database = Database::create(arena, "scale")?;
    let mut figures = Vec::new();
    let mut alone = None;
    for count in WORKERS {
        let table = format!("orders_{count}");
        database.create_table(&table)?;
        let cluster = Cluster::new(arena, &format!("scale{count}"));
        let mut workers = Vec::new();
        for _ in 0..count {
            workers.push(cluster.start()?);
        }
        let config = database.config(&topic.name, &table, TASKS);
        workers[0]
            .rest
            .create(&format!("{}_{table}", arena.run), &config)?;
        database.await_rows(&table, RECORDS, PATIENCE)?;
        database.forget_positions()?;
        let rate = RECORDS as f64 / database.filled_in_seconds(&table)?;
        let of_alone = *alone.get_or_insert(rate);
        figures.push(Figure::new(
            format!("{count} workers, all together"),
            rate,
            "rows/s",
        ));
        let lost = of_alone / rate;
        figures.push(
            Figure::new(
                format!("{count} workers: one worker's rate to theirs"),
                lost,
                "times",
            )
            .at_most(1.0 / NOISE),
        );
    }
    Ok(figures)
}
