//! Where tasks are placed in a large cluster, at its start and when a worker leaves: how long that
//! takes. Measured in this program itself, so its goal is for a build that is optimised.

use std::time::Instant;

use rowdock::cluster::placement::{Owners, Wanted, place};

use crate::{Arena, Figure};

const WORKERS: usize = 50;
const CONNECTORS: usize = 1000;
const TASKS: usize = 4;

/// Of which the fastest counts.
const ROUNDS: usize = 20;

const MS_MAX: f64 = 10.0;

pub(crate) fn of_many(_: &Arena) -> anyhow::Result<Vec<Figure>> {
    let members: Vec<String> = (0..WORKERS)
        .map(|number| format!("10.0.0.{number:02}:9398"))
        .collect();
    let names: Vec<String> = (0..CONNECTORS)
        .map(|number| format!("sink-{number:04}"))
        .collect();
    let nothing = Owners::new();
    let (placed, first_ms) = fastest(&members, &names, &nothing);
    let (_, again_ms) = fastest(&members[1..], &names, &placed);
    let figure = |what: &str, milliseconds| {
        let figure = Figure::new(
            format!("1,000 connectors x 4 tasks on 50 workers: {what}"),
            milliseconds,
            "ms",
        );
        match cfg!(debug_assertions) {
            true => figure,
            false => figure.at_most(MS_MAX),
        }
    };
    Ok(vec![
        figure("first", first_ms),
        figure("one leaves", again_ms),
    ])
}

fn fastest(members: &[String], names: &[String], before: &Owners) -> (Owners, f64) {
    let mut best = f64::INFINITY;
    let mut placed = Owners::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let wanted: Vec<Wanted<'_>> = names
            .iter()
            .map(|name| Wanted {
                name,
                tasks: TASKS,
                previous: before.get(name).map_or(&[], Vec::as_slice),
            })
            .collect();
        placed = place(members, &wanted);
        best = best.min(begun.elapsed().as_secs_f64() * 1000.0);
    }
    (placed, best)
}
