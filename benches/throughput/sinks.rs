//! Sinks and modes: for every database, the worker with one task beside the fastest raw ways over
//! one connection, on the same rows, in the same run.
//!
//! | load        | records                                                                    |
//! |-------------|-----------------------------------------------------------------------------|
//! | `distinct`  | every key once                                                             |
//! | `repeated`  | [`REPEATED_KEYS`] keys, again and again                                     |
//! | `mixed`     | the same, and neighbours have different fields: eight sets in all           |
//! | `shapes`    | the same with 128 sets                                                     |
//! | `deletes`   | the same, and every fifth record deletes its key                            |
//! | `evolving`  | every key once; each tenth of the topic brings a field that is new          |
//!
//! The rate is that of the stored positions, which move with the rows, from the first that are seen
//! to the last.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};

use crate::options::Options;
use crate::plan::say;
use crate::report::{Ceiling, SinkTurn};
use crate::rest::Connector;
use crate::topic::Topic;
use crate::worker::Worker;

mod ceiling;
mod engine;
mod load;

use engine::Database;
pub(crate) use engine::Engine;
use load::Load;

/// Keys of the loads that repeat them.
pub(crate) const REPEATED_KEYS: usize = 100_000;
/// Between two looks at the stored positions.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// A turn that does not end within this time has failed.
const TURN_TIME_MAX: Duration = Duration::from_secs(300);

/// What a connector does with a load.
#[derive(Debug, Clone, Copy)]
struct Mode {
    name: &'static str,
    load: Load,
    /// `insert.mode`.
    verb: &'static str,
}

const MODES: [Mode; 8] = [
    Mode::new("insert", Load::Distinct, "insert"),
    Mode::new("insert, evolving", Load::Evolving, "insert"),
    Mode::new("upsert, new keys", Load::Distinct, "upsert"),
    Mode::new("upsert, 100k keys", Load::Repeated, "upsert"),
    Mode::new("upsert, mixed shapes", Load::Mixed, "upsert"),
    Mode::new("upsert, 128 shapes", Load::Shapes, "upsert"),
    Mode::new("upsert, deletes", Load::Deletes, "upsert"),
    Mode::new("update, 100k keys", Load::Repeated, "update"),
];

/// What a special load is compared with, and the least share of its rate.
pub(crate) const SHARES: [(&str, &str); 5] = [
    ("insert, evolving", "insert"),
    ("upsert, mixed shapes", "upsert, 100k keys"),
    ("upsert, 128 shapes", "upsert, 100k keys"),
    ("update, 100k keys", "upsert, 100k keys"),
    ("upsert, deletes", "upsert, 100k keys"),
];

/// Modes whose ceiling is measured.
pub(crate) const WITH_CEILING: [&str; 3] = ["insert", "upsert, new keys", "upsert, 100k keys"];

impl Mode {
    const fn new(name: &'static str, load: Load, verb: &'static str) -> Self {
        Self { name, load, verb }
    }

    fn has_key(self) -> bool {
        self.verb != "insert"
    }
}

/// The topics and databases of one run.
pub(crate) struct Sinks<'a> {
    options: &'a Options,
    program: &'a PathBuf,
    run: &'a str,
    topics: Vec<(Load, Topic)>,
    databases: Vec<Database>,
}

impl<'a> Sinks<'a> {
    /// Fills the topics and creates the databases.
    pub(crate) fn prepare(
        options: &'a Options,
        program: &'a PathBuf,
        run: &'a str,
    ) -> anyhow::Result<Self> {
        let mut topics = Vec::new();
        for load in Load::ALL {
            say(&format!("filling the topic of {} records", load.name()));
            let topic = Topic::create(&options.services, &format!("{run}_{}", load.name()))?;
            topic.fill_with(options.records, |number, record| {
                load.write(number, options.records, record);
            })?;
            topics.push((load, topic));
        }
        let mut databases = Vec::new();
        for engine in &options.engines {
            databases.push(Database::create(*engine, &options.services, run)?);
        }
        Ok(Self {
            options,
            program,
            run,
            topics,
            databases,
        })
    }

    /// One turn of everybody.
    pub(crate) fn round(
        &self,
        round: usize,
        ceilings: &mut Vec<Ceiling>,
        turns: &mut Vec<SinkTurn>,
    ) -> anyhow::Result<()> {
        for database in &self.databases {
            for mode in MODES {
                if WITH_CEILING.contains(&mode.name) {
                    self.ceilings(database, mode, ceilings)?;
                }
                let turn = self.turn(database, mode, round)?;
                say(&format!(
                    "  {:<9} {:<24} {:>9.0} rows/s",
                    turn.sink, turn.mode, turn.rows_per_s
                ));
                turns.push(turn);
            }
        }
        Ok(())
    }

    fn ceilings(
        &self,
        database: &Database,
        mode: Mode,
        ceilings: &mut Vec<Ceiling>,
    ) -> anyhow::Result<()> {
        for way in database.engine.ways() {
            database.create_table("raw", mode.has_key())?;
            let keys = mode.load.keys(self.options.records);
            let elapsed =
                ceiling::write(database, way, mode.has_key(), keys, self.options.records)?;
            database.expect_rows("raw", keys)?;
            database.drop_table("raw")?;
            let rows_per_s = self.options.records as f64 / elapsed.as_secs_f64();
            let sink = database.engine.name();
            say(&format!(
                "  {sink:<9} {:<24} {rows_per_s:>9.0} rows/s raw, {way}",
                mode.name
            ));
            ceilings.push(Ceiling {
                sink,
                mode: mode.name,
                way,
                rows_per_s,
            });
        }
        Ok(())
    }

    fn turn(&self, database: &Database, mode: Mode, round: usize) -> anyhow::Result<SinkTurn> {
        let Some((_, topic)) = self.topics.iter().find(|(load, _)| *load == mode.load) else {
            bail!("no topic of {} records", mode.load.name());
        };
        let slug = mode.name.replace([' ', ','], "");
        let table = format!("{slug}_{round}");
        if mode.verb == "update" {
            self.fill_table(database, mode, &table)?;
        } else {
            database.create_table(&table, mode.has_key())?;
        }
        let worker = Worker::start(self.program, &self.options.services)?;
        let connector = Connector {
            name: format!("{}_{}_{table}", self.run, database.engine.name()),
            config: config(database, mode, &topic.name, &table),
        };
        worker.rest.create(&connector)?;
        let records = self.options.records;
        let rows_per_s = until_stored(database, &worker, &connector, records)?;
        worker.rest.delete(&connector)?;
        drop(worker);
        database.expect_rows(&table, mode.load.rows(records))?;
        database.drop_table(&table)?;
        Ok(SinkTurn {
            sink: database.engine.name(),
            mode: mode.name,
            rows_per_s,
        })
    }
}

impl Sinks<'_> {
    /// A table with a row of every key: updates make none.
    fn fill_table(&self, database: &Database, mode: Mode, table: &str) -> anyhow::Result<()> {
        let keys = mode.load.keys(self.options.records);
        let way = database.engine.ways().first().copied().unwrap_or_default();
        database.create_table("raw", true)?;
        ceiling::write(database, way, true, keys, keys)?;
        database.execute(&format!("alter table raw rename to {table}"))
    }
}

fn config(database: &Database, mode: Mode, topic: &str, table: &str) -> Value {
    let mut config = json!({
        "connector.class": database.engine.sink_class(),
        "topics": topic,
        "tasks.max": "1",
        "connection.url": database.url,
        "table.name.format": table,
        "insert.mode": "insert",
        "pk.mode": "none",
        "key.converter": "JsonConverter",
        "key.converter.schemas.enable": "false",
        "value.converter": "JsonConverter",
        "value.converter.schemas.enable": "false",
    });
    let mut set = |key: &str, value: &str| config[key] = json!(value);
    if mode.has_key() {
        set("insert.mode", mode.verb);
        set("pk.mode", "record_value");
        set("pk.fields", "id");
    }
    match mode.load {
        Load::Deletes => {
            set("pk.mode", "record_key");
            set("delete.enabled", "true");
        }
        Load::Evolving => set("auto.evolve", "true"),
        Load::Distinct | Load::Repeated | Load::Mixed | Load::Shapes => {}
    }
    config
}

/// Watches the positions until all records are stored; returns the rate.
fn until_stored(
    database: &Database,
    worker: &Worker,
    connector: &Connector,
    records: usize,
) -> anyhow::Result<f64> {
    let records = i64::try_from(records)?;
    let started = Instant::now();
    let mut checked = started;
    let mut first = None;
    loop {
        let stored = database.stored(&connector.name)?;
        let now = Instant::now();
        if stored > 0 && first.is_none() {
            first = Some((stored, now));
        }
        if let Some((first_stored, since)) = first
            && stored >= records
        {
            let span = now.duration_since(since).as_secs_f64();
            return Ok((stored - first_stored) as f64 / span);
        }
        if checked.elapsed() > Duration::from_secs(1) {
            worker.rest.check(connector)?;
            checked = now;
        }
        if started.elapsed() > TURN_TIME_MAX {
            bail!(
                "{}: {stored} of {records} records after {TURN_TIME_MAX:?}",
                connector.name
            );
        }
        thread::sleep(LOOK_INTERVAL);
    }
}
