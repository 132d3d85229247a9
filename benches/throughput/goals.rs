//! What is to be reached, judged by the same run's figures.

use crate::report::{Goal, Latency, Report, median};
use crate::sinks;

/// Task counts that the worker runs with.
pub(crate) const TASKS: [usize; 3] = [1, 2, 4];

/// Values of `delivery.guarantee`.
pub(crate) const DELIVERIES: [&str; 2] = ["exactly_once", "at_least_once"];

/// Formats, as they are named in reports, and the worker's CPU bounds for each: in seconds per
/// million records; and of what a program for this one table needs, which needed 0.68 and 0.95
/// seconds on the machine that the seconds were set for.
const CPU_BOUNDS: [(&str, f64, f64); 2] = [("schemaless", 1.0, 1.47), ("envelope", 1.3, 1.37)];

/// All goals with what was measured.
pub(crate) fn judge(report: &Report) -> Vec<Goal> {
    let mut goals = speed(report);
    goals.extend(cpu(report));
    goals.extend(exactly_once(report));
    goals.extend(footprint(report));
    goals.extend(latency(report));
    goals.extend(of_the_peer(report));
    goals.extend(sinks(report));
    goals
}

fn speed(report: &Report) -> Vec<Goal> {
    let raw = report.raw_median("unnest", 1);
    let one_task = report.worker_median("schemaless", 1, DELIVERIES[0], |run| run.rows_per_s);
    let two_tasks = report.worker_median("envelope", 2, DELIVERIES[0], |run| run.rows_per_s);
    vec![
        at_least(
            "one task, of raw UNNEST over one connection",
            ratio(one_task, raw).map(|ratio| ratio * 100.0),
            75.0,
            "%",
        ),
        at_least(
            "two tasks, of the warm peer (envelope)",
            ratio(two_tasks, report.peer_warm_median(|run| run.rows_per_s)),
            4.0,
            "x",
        ),
    ]
}

/// Seconds are a machine's; what the same machine needs for a program that does only this is not.
fn cpu(report: &Report) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (format, bound, of_bare) in CPU_BOUNDS {
        // The most expensive number of tasks counts.
        let per_tasks = TASKS.into_iter().filter_map(|tasks| {
            report.worker_median(format, tasks, DELIVERIES[0], |run| {
                run.worker_cpu_s_per_million
            })
        });
        let most = per_tasks.max_by(f64::total_cmp);
        goals.push(at_most(
            &format!("worker CPU per million records, {format}"),
            most,
            bound,
            "s",
        ));
        let bare = report.bare_median(format, |turn| turn.cpu_s_per_million);
        goals.push(at_most(
            &format!("worker CPU, of a program for one table, {format}"),
            ratio(most, bare),
            of_bare,
            "x",
        ));
    }
    goals
}

/// Each turn is compared with its neighbour in time, since a machine's speed drifts.
fn exactly_once(report: &Report) -> impl Iterator<Item = Goal> {
    TASKS.into_iter().flat_map(|tasks| {
        CPU_BOUNDS.map(|(format, _, _)| {
            let rates = |delivery: &str| -> Vec<f64> {
                let runs = report.worker.iter().filter(|run| {
                    run.format == format && run.tasks == tasks && run.delivery == delivery
                });
                runs.map(|run| run.result.rows_per_s).collect()
            };
            let pairs = rates(DELIVERIES[0]).into_iter().zip(rates(DELIVERIES[1]));
            let costs = pairs.map(|(exactly, at_least)| (1.0 - exactly / at_least) * 100.0);
            at_most(
                &format!("cost of exactly-once, {format}, tasks {tasks}"),
                median(costs),
                5.0,
                "%",
            )
        })
    })
}

fn footprint(report: &Report) -> Vec<Goal> {
    let peaks = report.worker.iter().map(|run| run.result.peak_memory_mib);
    vec![
        at_most("peak memory", peaks.max_by(f64::total_cmp), 150.0, "MiB"),
        at_most(
            "idle memory",
            report.idle.as_ref().map(|idle| idle.memory_mib),
            30.0,
            "MiB",
        ),
        at_most(
            "from start to ready",
            report.starts_ms.iter().copied().max_by(f64::total_cmp),
            1000.0,
            "ms",
        ),
    ]
}

fn latency(report: &Report) -> impl Iterator<Item = Goal> {
    report.latency.iter().flat_map(|latency| {
        [("p50", latency.p50_ms, 4.0), ("p99", latency.p99_ms, 10.0)].map(
            |(name, measured, bound)| {
                let name = format!("{name} at {}/s, {}", latency.records_per_s, latency.format);
                at_most(&name, Some(measured), bound, "ms")
            },
        )
    })
}

/// The same in shares of what the peer needs on this machine. On the machine that the seconds and
/// milliseconds were set for it needed 8.5 s of CPU per million records with two tasks, and 6 and 14 ms.
fn of_the_peer(report: &Report) -> Vec<Goal> {
    let share = |name: &str, ours: Option<f64>, peers: Option<f64>, bound: f64| {
        let share = ratio(ours, peers).map(|ratio| ratio * 100.0);
        at_most(&format!("{name}, of the warm peer's"), share, bound, "%")
    };
    let cpu = report.worker_median("envelope", 2, DELIVERIES[0], |run| {
        run.worker_cpu_s_per_million
    });
    let mut latencies = report.latency.iter();
    let ours = latencies.find(|latency| latency.format == "envelope");
    let peers = report.peer_latency.as_ref();
    let (p50, p99) = (
        |found: &Latency| found.p50_ms,
        |found: &Latency| found.p99_ms,
    );
    vec![
        share(
            "worker CPU, envelope",
            cpu,
            report.peer_warm_median(|run| run.worker_cpu_s_per_million),
            100.0 * 1.3 / 8.5,
        ),
        share(
            "p50, envelope",
            ours.map(p50),
            peers.map(p50),
            100.0 * 4.0 / 6.0,
        ),
        share(
            "p99, envelope",
            ours.map(p99),
            peers.map(p99),
            100.0 * 10.0 / 14.0,
        ),
    ]
}

/// One task of a sink, of the best raw way over one connection; and unlike records, of alike ones.
fn sinks(report: &Report) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (sink, bound) in [("postgres", 70.0), ("mysql", 70.0), ("sqlite", 60.0)] {
        let rate = |mode: &str| report.sink_median(sink, mode);
        for mode in sinks::WITH_CEILING {
            let ways = report.ceilings.iter().map(|ceiling| ceiling.way);
            let rates = ways.filter_map(|way| report.ceiling_median(sink, mode, way));
            let best = rates.max_by(f64::total_cmp);
            let share = ratio(rate(mode), best).map(|ratio| ratio * 100.0);
            goals.push(at_least(
                &format!("{sink}, {mode}, of raw"),
                share,
                bound,
                "%",
            ));
        }
        for (mode, of_mode) in sinks::SHARES {
            let share = ratio(rate(mode), rate(of_mode)).map(|ratio| ratio * 100.0);
            goals.push(at_least(&format!("{sink}, {mode}"), share, 40.0, "%"));
        }
    }
    goals
}

fn ratio(part: Option<f64>, whole: Option<f64>) -> Option<f64> {
    Some(part? / whole?)
}

fn at_least(name: &str, measured: Option<f64>, bound: f64, unit: &'static str) -> Goal {
    Goal {
        name: name.to_owned(),
        measured,
        at_least: Some(bound),
        at_most: None,
        unit,
    }
}

fn at_most(name: &str, measured: Option<f64>, bound: f64, unit: &'static str) -> Goal {
    Goal {
        name: name.to_owned(),
        measured,
        at_least: None,
        at_most: Some(bound),
        unit,
    }
}
