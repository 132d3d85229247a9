//! What was measured: as JSON for programs, and in the fields' units for people.

use std::time::Duration;

use serde::Serialize;

/// Everything of one run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) cores: usize,
    pub(crate) records: usize,
    pub(crate) rounds: usize,
    pub(crate) topics: Vec<Produced>,
    /// One per round, as all lists of runs are.
    pub(crate) consume: Vec<Consumed>,
    pub(crate) raw: Vec<RawWay>,
    pub(crate) bare: Vec<BareProgram>,
    pub(crate) worker: Vec<Run>,
    pub(crate) peer: Vec<Run>,
    pub(crate) ceilings: Vec<Ceiling>,
    pub(crate) sinks: Vec<SinkTurn>,
    pub(crate) starts_ms: Vec<f64>,
    pub(crate) idle: Option<Idle>,
    pub(crate) latency: Vec<Latency>,
    pub(crate) bare_latency: Vec<Latency>,
    pub(crate) peer_ready_ms: Option<f64>,
    pub(crate) peer_latency: Option<Latency>,
    pub(crate) goals: Vec<Goal>,
}

/// A filled topic.
#[derive(Debug, Serialize)]
pub(crate) struct Produced {
    pub(crate) format: &'static str,
    pub(crate) value_bytes_mean: f64,
    pub(crate) rows_per_s: f64,
}

/// Only consuming.
#[derive(Debug, Serialize)]
pub(crate) struct Consumed {
    pub(crate) format: &'static str,
    pub(crate) rows_per_s: f64,
    pub(crate) megabytes_per_s: f64,
}

/// Only writing.
#[derive(Debug, Serialize)]
pub(crate) struct RawWay {
    pub(crate) method: &'static str,
    pub(crate) connections: usize,
    pub(crate) rows_per_s: f64,
    pub(crate) database_cpu_s_per_million: Option<f64>,
}

/// From topic to table by a program for this one table: see [`bare`](crate::bare).
#[derive(Debug, Serialize)]
pub(crate) struct BareProgram {
    pub(crate) format: &'static str,
    /// From its start to its end.
    pub(crate) rows_per_s: f64,
    pub(crate) cpu_s_per_million: f64,
}

/// A contestant's turn.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) format: &'static str,
    pub(crate) tasks: usize,
    pub(crate) delivery: &'static str,
    #[serde(flatten)]
    pub(crate) result: EndToEnd,
}

/// From topic to table.
#[derive(Debug, Serialize)]
pub(crate) struct EndToEnd {
    /// From the first visible row to the last.
    pub(crate) rows_per_s: f64,
    /// From the creation of the connector to the last visible row.
    pub(crate) rows_per_s_from_creation: f64,
    pub(crate) first_row_ms: f64,
    pub(crate) worker_cpu_s_per_million: f64,
    pub(crate) database_cpu_s_per_million: Option<f64>,
    pub(crate) broker_cpu_s_per_million: Option<f64>,
    pub(crate) peak_memory_mib: f64,
}

/// A raw way to write what a sink writes in one of its modes, over one connection.
#[derive(Debug, Serialize)]
pub(crate) struct Ceiling {
    pub(crate) sink: &'static str,
    pub(crate) mode: &'static str,
    pub(crate) way: &'static str,
    pub(crate) rows_per_s: f64,
}

/// A sink's turn in one of its modes, with one task, exactly once.
#[derive(Debug, Serialize)]
pub(crate) struct SinkTurn {
    pub(crate) sink: &'static str,
    pub(crate) mode: &'static str,
    pub(crate) rows_per_s: f64,
}

/// A worker with one connector and nothing to do.
#[derive(Debug, Serialize)]
pub(crate) struct Idle {
    pub(crate) memory_mib: f64,
    pub(crate) cpu_percent: f64,
}

/// Latency under a steady load.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) format: &'static str,
    pub(crate) records_per_s: u32,
    pub(crate) records: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// The transaction of one row that was added to each figure.
    pub(crate) too_high_by_at_most_ms: f64,
}

/// Something to reach.
#[derive(Debug, Serialize)]
pub(crate) struct Goal {
    pub(crate) name: String,
    pub(crate) measured: Option<f64>,
    pub(crate) at_least: Option<f64>,
    pub(crate) at_most: Option<f64>,
    pub(crate) unit: &'static str,
}

impl Goal {
    /// Whether it was reached; `None` when it was not measured.
    pub(crate) fn reached(&self) -> Option<bool> {
        let measured = self.measured?;
        let enough = self.at_least.is_none_or(|bound| measured >= bound);
        Some(enough && self.at_most.is_none_or(|bound| measured <= bound))
    }
}

impl Report {
    /// A figure of the worker's runs of one kind: the median over the rounds.
    pub(crate) fn worker_median(
        &self,
        format: &str,
        tasks: usize,
        delivery: &str,
        figure: impl Fn(&EndToEnd) -> f64,
    ) -> Option<f64> {
        let runs = self.worker.iter();
        median(
            runs.filter(|run| {
                run.format == format && run.tasks == tasks && run.delivery == delivery
            })
            .map(|run| figure(&run.result)),
        )
    }

    /// A figure of the program for one table: the median over the rounds.
    pub(crate) fn bare_median(
        &self,
        format: &str,
        figure: impl Fn(&BareProgram) -> f64,
    ) -> Option<f64> {
        let turns = self.bare.iter().filter(|turn| turn.format == format);
        median(turns.map(figure))
    }

    /// Rows per second of a raw way: the median over the rounds.
    pub(crate) fn raw_median(&self, method: &str, connections: usize) -> Option<f64> {
        let ways = self.raw.iter();
        median(
            ways.filter(|way| way.method == method && way.connections == connections)
                .map(|way| way.rows_per_s),
        )
    }

    /// Rows per second of a raw way to do a sink's work: the median over the rounds.
    pub(crate) fn ceiling_median(&self, sink: &str, mode: &str, way: &str) -> Option<f64> {
        let turns = self.ceilings.iter();
        let of_way = turns.filter(|turn| (turn.sink, turn.mode, turn.way) == (sink, mode, way));
        median(of_way.map(|turn| turn.rows_per_s))
    }

    /// Rows per second of a sink in one of its modes: the median over the rounds.
    pub(crate) fn sink_median(&self, sink: &str, mode: &str) -> Option<f64> {
        let turns = self.sinks.iter();
        let of_mode = turns.filter(|turn| (turn.sink, turn.mode) == (sink, mode));
        median(of_mode.map(|turn| turn.rows_per_s))
    }

    /// A figure of the peer once it is warm.
    pub(crate) fn peer_warm_median(&self, figure: impl Fn(&EndToEnd) -> f64) -> Option<f64> {
        median(self.peer.iter().skip(1).map(|run| figure(&run.result)))
    }
}

/// The middle of some figures, or the mean of the two in the middle.
pub(crate) fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get((sorted.len() - 1) / 2)?;
    Some(lower.midpoint(*upper))
}

/// The time that so many of a hundred do not exceed, in milliseconds. Sorts.
pub(crate) fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let enough = (times.len() * percent).div_ceil(100);
    let time = times.get(enough.saturating_sub(1));
    time.map_or(0.0, |time| time.as_secs_f64() * 1e3)
}
