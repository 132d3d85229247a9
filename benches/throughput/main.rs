//! `cargo bench --bench throughput [-- --peer]`: how fast topics become tables, next to how fast
//! their two ends are without us.
//!
//! Two topics are filled once. Then everybody takes a turn per round, in one run on one machine:
//! only consuming; only writing, the fastest raw ways; a program for this one table; the worker from topic to table, with one,
//! two and four tasks, exactly-once on and off; and, with `--peer`, Kafka Connect. Every turn's
//! rows are checked. Medians are printed; every single figure goes to
//! `target/bench/throughput.json`.
//!
//! Then every sink has turns in each of its modes, beside the raw ways of its database: [`sinks`].
//!
//! `ROWDOCK_BENCH_RECORDS` and `ROWDOCK_BENCH_ROUNDS` make it shorter, and `ROWDOCK_BENCH_PARTS` names
//! the parts wanted, such as `mysql` or `orders,sqlite`; services are found as the tests find them.

mod bare;
mod contest;
mod database;
mod goals;
mod latency;
mod options;
mod order;
mod peer;
mod plan;
mod print;
mod process;
mod program;
mod raw;
mod report;
mod rest;
mod services;
mod sinks;
mod topic;
mod worker;

use std::fs;
use std::io::{self, Write as _};

use anyhow::Context as _;

use crate::options::Options;
use crate::services::workspace;

/// Where the figures go, below the workspace.
const REPORT_FILE: &str = "target/bench/throughput.json";

fn main() -> anyhow::Result<()> {
    let options = Options::read()?;
    let file = workspace().join(REPORT_FILE);
    let folder = file.parent().context("the report needs a folder")?;
    fs::create_dir_all(folder)?;
    let report = plan::run(&options)?;
    fs::write(&file, serde_json::to_vec_pretty(&report)?)?;
    let mut out = io::stdout().lock();
    print::report(&report, &mut out)?;
    writeln!(out, "\nfigures of every turn: {REPORT_FILE}")?;
    Ok(())
}
