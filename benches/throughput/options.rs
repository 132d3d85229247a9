//! What is measured: flags and environment variables.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::services::{Services, Settings, workspace};
use crate::sinks::Engine;

/// Records per topic unless told otherwise.
const RECORDS: usize = 2_000_000;

/// Every contestant has this many turns; the median counts.
const ROUNDS: usize = 3;

/// The part that compares orders into PostgreSQL with all else.
const ORDERS: &str = "orders";

/// Parts of a run unless told otherwise.
const PARTS: &str = "orders,postgres,mysql,sqlite";

/// Everything that a run is told.
#[derive(Debug)]
pub(crate) struct Options {
    /// Records per topic and rows per run: `ROWDOCK_BENCH_RECORDS`.
    pub(crate) records: usize,
    /// Turns of every contestant: `ROWDOCK_BENCH_ROUNDS`.
    pub(crate) rounds: usize,
    /// The comparison with orders into PostgreSQL is wanted: `ROWDOCK_BENCH_PARTS`.
    pub(crate) orders: bool,
    /// The databases whose sinks are measured in each of their modes: `ROWDOCK_BENCH_PARTS`.
    pub(crate) engines: Vec<Engine>,
    pub(crate) services: Services,
    /// With `--peer`: the Kafka Connect worker to compare with.
    pub(crate) peer: Option<PeerAddress>,
}

/// Where the peer is.
#[derive(Debug, Clone)]
pub(crate) struct PeerAddress {
    /// URL of its REST API.
    pub(crate) url: String,
    /// Its process.
    pub(crate) pid: u32,
    /// How long it took from its start until its API answered, in milliseconds.
    pub(crate) ready_ms: Option<f64>,
}

impl Options {
    /// Reads flags, environment and files.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let mut peer = None;
        for flag in env::args().skip(1) {
            match flag.as_str() {
                // What cargo itself passes on.
                "--bench" => {}
                "--peer" => peer = Some(PeerAddress::read()?),
                other => bail!("unknown flag {other}; there is only --peer"),
            }
        }
        let parts = env::var("ROWDOCK_BENCH_PARTS").unwrap_or_else(|_| PARTS.to_owned());
        let parts: Vec<&str> = parts.split(',').map(str::trim).collect();
        let engines = parts.iter().filter(|part| **part != ORDERS);
        let options = Self {
            orders: parts.contains(&ORDERS),
            engines: engines
                .map(|part| Engine::parse(part))
                .collect::<anyhow::Result<_>>()?,
            records: number("ROWDOCK_BENCH_RECORDS", RECORDS)?,
            rounds: number("ROWDOCK_BENCH_ROUNDS", ROUNDS)?,
            services: Services::read()?,
            peer,
        };
        if options.records == 0 || options.rounds == 0 {
            bail!("ROWDOCK_BENCH_RECORDS and ROWDOCK_BENCH_ROUNDS must be at least 1");
        }
        Ok(options)
    }
}

impl PeerAddress {
    fn read() -> anyhow::Result<Self> {
        let file = env::var_os("ROWDOCK_BENCH_PEER_ENV").map_or_else(
            || workspace().join("target/services/peer.env"),
            PathBuf::from,
        );
        let settings = Settings::read(&file, "make bench-peer")?;
        Ok(Self {
            url: settings.text("ROWDOCK_BENCH_PEER")?,
            pid: settings
                .optional("ROWDOCK_BENCH_PEER_PID")?
                .context("ROWDOCK_BENCH_PEER_PID is missing")?,
            ready_ms: settings.optional("ROWDOCK_BENCH_PEER_READY_MS")?,
        })
    }
}

fn number(variable: &str, default: usize) -> anyhow::Result<usize> {
    match env::var(variable) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{variable} is not a whole number")),
        Err(_) => Ok(default),
    }
}
