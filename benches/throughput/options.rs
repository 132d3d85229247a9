//! What is measured, and where: flags, environment variables, and the file that names the services.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

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

/// Where the services are.
#[derive(Debug)]
pub(crate) struct Services {
    /// Kafka's `host:port`.
    pub(crate) kafka: String,
    /// The broker's process, when it can be seen from here.
    pub(crate) kafka_pid: Option<u32>,
    /// URL of a PostgreSQL superuser.
    pub(crate) postgres: String,
    /// URLs of users with all rights, without a database.
    pub(crate) mysql: String,
    pub(crate) mariadb: String,
    /// PostgreSQL's first process, when it can be seen from here.
    pub(crate) postgres_pid: Option<u32>,
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

impl Services {
    /// Reads the file that whoever started the services has written.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let file = env::var_os("ROWDOCK_TEST_ENV")
            .map_or_else(|| workspace().join("target/services.env"), PathBuf::from);
        let settings = Settings::read(&file, "make services")?;
        Ok(Self {
            kafka: settings.text("ROWDOCK_TEST_KAFKA")?,
            kafka_pid: settings.optional("ROWDOCK_TEST_KAFKA_PID")?,
            postgres: settings.text("ROWDOCK_TEST_POSTGRES")?,
            mysql: settings.text("ROWDOCK_TEST_MYSQL")?,
            mariadb: settings.text("ROWDOCK_TEST_MARIADB")?,
            postgres_pid: settings.optional("ROWDOCK_TEST_POSTGRES_PID")?,
        })
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

/// The root of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `KEY=value` lines of a file.
struct Settings {
    file: PathBuf,
    values: BTreeMap<String, String>,
}

impl Settings {
    fn read(file: &Path, writer: &str) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("cannot read {}; `{writer}` writes it", file.display()))?;
        let values = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
            .collect();
        Ok(Self {
            file: file.to_owned(),
            values,
        })
    }

    fn text(&self, key: &str) -> anyhow::Result<String> {
        let value = self.values.get(key).cloned();
        value.with_context(|| format!("{} does not name {key}", self.file.display()))
    }

    fn optional<T: std::str::FromStr>(&self, key: &str) -> anyhow::Result<Option<T>> {
        let Some(value) = self.values.get(key) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => bail!("{}: {key} is not a number", self.file.display()),
        }
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
