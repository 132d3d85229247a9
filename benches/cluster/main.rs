//! `cargo bench --bench cluster [-- PART..]`: what a cluster of workers costs, and how long it takes
//! to share its work out anew.
//!
//! | part        | what is measured                                                                |
//! |-------------|---------------------------------------------------------------------------------|
//! | `api`       | creating 500 connectors in a row, and the list of them with `expand`            |
//! | `idle`      | memory and CPU of a worker with 200 connectors that have nothing to do          |
//! | `rebalance` | a second worker joins: time until it runs its half, by number of tasks          |
//! | `scale`     | 1, 2 and 4 workers drain the same topic: the total rate                         |
//! | `failover`  | the longest gap of any partition when one of two workers is killed, and leaves  |
//! | `placement` | placing 1,000 connectors of 4 tasks on 50 workers                               |
//!
//! Without a part all of them are measured. The workers are processes of the release build; this
//! program only drives and watches, so it may be a debug build itself (`--profile dev`), except for
//! `placement`, whose goal is for a build that is optimised. Services
//! are found as the tests find them, and with three brokers it measures with three brokers. Figures
//! are printed with their goals, and go to `target/bench/cluster.json`, beside those of parts measured before.

mod api;
mod database;
mod failover;
mod kafka;
mod placement;
#[path = "../throughput/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "../throughput/program.rs"]
mod program;
mod rebalance;
mod rest;
mod scale;
#[path = "../throughput/services.rs"]
#[allow(dead_code)]
mod services;
mod workers;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use crate::services::{Services, workspace};

/// Where the figures go, below the workspace.
const REPORT_FILE: &str = "target/bench/cluster.json";

/// What every part needs.
pub(crate) struct Arena {
    pub(crate) services: Services,
    pub(crate) program: PathBuf,
    /// Makes names of topics, groups and databases this run's own.
    pub(crate) run: String,
}

impl Arena {
    /// Where databases that are files go, for this run.
    pub(crate) fn folder(&self) -> PathBuf {
        workspace().join("target/bench").join(&self.run)
    }
}

/// A measured figure and what is asked of it.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// It must not be above this.
    pub(crate) at_most: Option<f64>,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            at_most: None,
        }
    }

    pub(crate) fn at_most(mut self, limit: f64) -> Self {
        self.at_most = Some(limit);
        self
    }

    fn as_json(&self) -> Value {
        json!({"name": self.name, "value": self.value, "unit": self.unit, "at_most": self.at_most})
    }
}

type Part = fn(&Arena) -> anyhow::Result<Vec<Figure>>;

const PARTS: [(&str, Part); 6] = [
    ("api", api::creating_and_listing),
    ("idle", api::idle),
    ("rebalance", rebalance::by_tasks),
    ("scale", scale::out),
    ("failover", failover::gaps),
    ("placement", placement::of_many),
];

fn main() -> anyhow::Result<()> {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    if let Some(unknown) = wanted
        .iter()
        .find(|name| PARTS.iter().all(|(part, _)| part != name))
    {
        bail!("there is no part {unknown}; see the head of benches/cluster/main.rs");
    }
    let file = workspace().join(REPORT_FILE);
    fs::create_dir_all(file.parent().context("the report needs a folder")?)?;
    let arena = Arena {
        services: Services::read()?,
        program: program::build()?,
        run: format!("bench{}", std::process::id()),
    };
    let mut out = io::stdout().lock();
    fs::create_dir_all(arena.folder())?;
    let mut report = earlier(&file);
    for (name, part) in PARTS {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        writeln!(out, "\n{name}")?;
        let figures = part(&arena).with_context(|| format!("part {name}"))?;
        for figure in &figures {
            print(figure, &mut out)?;
        }
        let figures = figures.iter().map(Figure::as_json).collect();
        report.insert(name.to_owned(), Value::Array(figures));
    }
    fs::remove_dir_all(arena.folder())?;
    fs::write(&file, serde_json::to_vec_pretty(&Value::Object(report))?)?;
    writeln!(out, "\nall figures: {REPORT_FILE}")?;
    Ok(())
}

/// What the file says of parts that may not be measured this time.
fn earlier(file: &Path) -> Map<String, Value> {
    let parts = fs::read(file).ok();
    let parts = parts.and_then(|text| serde_json::from_slice(&text).ok());
    parts.unwrap_or_default()
}

fn print(figure: &Figure, out: &mut impl io::Write) -> io::Result<()> {
    let Figure {
        name, value, unit, ..
    } = figure;
    write!(out, "  {name:<58} {value:>12.1} {unit}")?;
    match figure.at_most {
        Some(limit) if *value <= limit => writeln!(out, "  (goal {limit:.1}: met)"),
        Some(limit) => writeln!(out, "  (goal {limit:.1}: MISSED)"),
        None => writeln!(out),
    }
}
