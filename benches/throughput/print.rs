//! The report for people: medians over the rounds, one table per subject.

use std::io::{self, Write};

use crate::goals::{DELIVERIES, TASKS};
use crate::order::Format;
use crate::raw::Method;
use crate::report::{EndToEnd, Latency, Report, Run, median};

/// A column of the table of runs: heading, decimals, figure.
type Column = (&'static str, usize, fn(&EndToEnd) -> Option<f64>);

const COLUMNS: [Column; 7] = [
    ("rows/s", 0, |run| Some(run.rows_per_s)),
    ("from creation", 0, |run| Some(run.rows_per_s_from_creation)),
    ("first row ms", 0, |run| Some(run.first_row_ms)),
    ("worker CPU", 2, |run| Some(run.worker_cpu_s_per_million)),
    ("database CPU", 2, |run| run.database_cpu_s_per_million),
    ("broker CPU", 2, |run| run.broker_cpu_s_per_million),
    ("peak MiB", 0, |run| Some(run.peak_memory_mib)),
];

/// Prints everything.
pub(crate) fn report(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\n{} records, {} cores, median of {} rounds; CPU in seconds per million records",
        report.records, report.cores, report.rounds
    )?;
    if !report.worker.is_empty() {
        reading_and_writing(report, out)?;
        runs(report, out)?;
        footprint(report, out)?;
    }
    sinks(report, out)?;
    goals(report, out)
}

/// One line per sink and mode, with the raw ways behind it.
fn sinks(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut seen = Vec::new();
    for turn in &report.sinks {
        if seen.contains(&(turn.sink, turn.mode)) {
            continue;
        }
        if seen.is_empty() {
            writeln!(out, "\n{:<36} {:>9}   raw", "one task", "rows/s")?;
        }
        seen.push((turn.sink, turn.mode));
        let name = format!("{}, {}", turn.sink, turn.mode);
        let rate = report.sink_median(turn.sink, turn.mode);
        write!(out, "{name:<36} {}  ", cell(rate, 9, 0))?;
        let mut ways: Vec<&str> = Vec::new();
        for ceiling in &report.ceilings {
            let is_of_turn = (ceiling.sink, ceiling.mode) == (turn.sink, turn.mode);
            if is_of_turn && !ways.contains(&ceiling.way) {
                ways.push(ceiling.way);
                let rate = report.ceiling_median(turn.sink, turn.mode, ceiling.way);
                write!(out, " {} {}", ceiling.way, cell(rate, 0, 0))?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn reading_and_writing(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\nonly one side                     rows/s   database CPU"
    )?;
    for topic in &report.topics {
        let name = format!(
            "produce, {} ({:.0} B)",
            topic.format, topic.value_bytes_mean
        );
        writeln!(out, "{name:<30} {:>9.0}", topic.rows_per_s)?;
    }
    for format in Format::ALL.map(Format::name) {
        let consumed = report.consume.iter().filter(|turn| turn.format == format);
        let rate = median(consumed.map(|turn| turn.rows_per_s));
        let name = format!("consume, {format}");
        writeln!(out, "{name:<30} {}", cell(rate, 9, 0))?;
    }
    for method in Method::ALL.map(Method::name) {
        for connections in [1, 2] {
            let turns = report
                .raw
                .iter()
                .filter(|way| way.method == method && way.connections == connections);
            let cpu = median(turns.filter_map(|way| way.database_cpu_s_per_million));
            let name = format!("raw {method}, connections {connections}");
            let rate = report.raw_median(method, connections);
            writeln!(out, "{name:<30} {} {}", cell(rate, 9, 0), cell(cpu, 14, 2))?;
        }
    }
    writeln!(
        out,
        "\na program for this one table       rows/s        its CPU"
    )?;
    for format in Format::ALL.map(Format::name) {
        let rate = report.bare_median(format, |turn| turn.rows_per_s);
        let cpu = report.bare_median(format, |turn| turn.cpu_s_per_million);
        writeln!(
            out,
            "{format:<30} {} {}",
            cell(rate, 9, 0),
            cell(cpu, 14, 2)
        )?;
    }
    Ok(())
}

fn runs(report: &Report, out: &mut impl Write) -> io::Result<()> {
    write!(out, "\n{:<40}", "topic to table")?;
    for (heading, _, _) in COLUMNS {
        write!(out, "{heading:>15}")?;
    }
    writeln!(out)?;
    for format in Format::ALL.map(Format::name) {
        for tasks in TASKS {
            for delivery in DELIVERIES {
                let turns: Vec<&Run> = report
                    .worker
                    .iter()
                    .filter(|run| {
                        run.format == format && run.tasks == tasks && run.delivery == delivery
                    })
                    .collect();
                line(&format!("{format}, tasks {tasks}, {delivery}"), &turns, out)?;
            }
        }
    }
    let peer: Vec<&Run> = report.peer.iter().collect();
    if let Some((cold, warm)) = peer.split_first() {
        line("peer, envelope, tasks 2, cold", &[*cold], out)?;
        line("peer, envelope, tasks 2, warm", warm, out)?;
    }
    Ok(())
}

fn line(name: &str, turns: &[&Run], out: &mut impl Write) -> io::Result<()> {
    write!(out, "{name:<40}")?;
    for (_, decimals, figure) in COLUMNS {
        let middle = median(turns.iter().filter_map(|run| figure(&run.result)));
        write!(out, "{}", cell(middle, 15, decimals))?;
    }
    writeln!(out)
}

fn footprint(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out)?;
    if let Some(start) = median(report.starts_ms.iter().copied()) {
        writeln!(out, "start to ready      {start:.0} ms")?;
    }
    if let Some(ready) = report.peer_ready_ms {
        writeln!(out, "start to ready      {ready:.0} ms (peer)")?;
    }
    if let Some(idle) = &report.idle {
        writeln!(
            out,
            "idle, one connector {:.1} MiB, {:.1} % of a core",
            idle.memory_mib, idle.cpu_percent
        )?;
    }
    let ours = report.latency.iter().map(|latency| (latency, ""));
    let peers = report
        .peer_latency
        .iter()
        .map(|latency| (latency, " (peer)"));
    let bare = report.bare_latency.iter();
    let bare = bare.map(|latency| (latency, " (bare program)"));
    for (latency, whose) in ours.chain(bare).chain(peers) {
        steady(latency, whose, out)?;
    }
    Ok(())
}

fn steady(latency: &Latency, whose: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "steady {}/s      {}: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms, each too high by at most {:.2} ms{whose}",
        latency.records_per_s,
        latency.format,
        latency.p50_ms,
        latency.p99_ms,
        latency.max_ms,
        latency.too_high_by_at_most_ms
    )
}

fn goals(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n{:<50} {:>10}   to reach", "goal", "measured")?;
    for goal in &report.goals {
        let bound = match (goal.at_least, goal.at_most) {
            (Some(bound), _) => format!("at least {bound} {}", goal.unit),
            (_, Some(bound)) => format!("at most {bound} {}", goal.unit),
            (None, None) => String::new(),
        };
        let verdict = match goal.reached() {
            Some(true) => "reached",
            Some(false) => "MISSED",
            None => "not measured",
        };
        let measured = cell(goal.measured, 10, 2);
        if goal.measured.is_some() {
            writeln!(out, "{:<50} {measured}   {bound:<20} {verdict}", goal.name)?;
        }
    }
    Ok(())
}

fn cell(figure: Option<f64>, width: usize, decimals: usize) -> String {
    figure.map_or_else(
        || format!("{:>width$}", "-"),
        |figure| format!("{figure:>width$.decimals$}"),
    )
}
