//! One test's own world: names, topics, a database, a folder for logs; cleared when it ends.

use std::env;
use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::database::Database;
use super::engine::Engine;
use super::kafka;
use super::ledger::Ledger;
use super::services::workspace;

/// Worker processes that run at a time, over all tests: bounds memory and keeps time-outs honest.
const WORKER_SLOTS: u32 = 10;

static SLOTS: Semaphore = Semaphore::const_new(WORKER_SLOTS as usize);

/// Lines of each worker's log that a failing test shows.
const LOG_LINES_SHOWN: usize = 60;

/// A topic of one test.
#[derive(Debug, Clone)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) partitions: i32,
}

/// A test's surroundings. Declare it first, so that it is dropped last.
pub(crate) struct Stage {
    name: String,
    run: String,
    pub(crate) seed: u64,
    pub(crate) database: Database,
    pub(crate) ledger: Arc<Ledger>,
    topics: Mutex<Vec<String>>,
    logs: Mutex<Vec<PathBuf>>,
    keep: bool,
    _slots: SemaphorePermit<'static>,
}

impl Stage {
    /// Sets the stage for a test that runs up to `workers` processes at a time.
    pub(crate) async fn begin(name: &str, workers: u32) -> Self {
        Self::begin_in(Engine::Postgres, name, workers).await
    }

    /// The same in another kind of database, which the stage's name then tells.
    pub(crate) async fn begin_in(engine: Engine, name: &str, workers: u32) -> Self {
        let name = match engine {
            Engine::Postgres => name.to_owned(),
            engine => format!("{name}_{}", engine.name()),
        };
        Self::begin_on(&name, workers, &engine.server()).await
    }

    /// The same without any other test at the time, for a test that measures time.
    pub(crate) async fn begin_alone(name: &str) -> Self {
        Self::begin_alone_in(Engine::Postgres, name).await
    }

    /// The same in another kind of database.
    pub(crate) async fn begin_alone_in(engine: Engine, name: &str) -> Self {
        Self::begin_in(engine, name, WORKER_SLOTS).await
    }

    /// The same with the database on the server of this URL.
    pub(crate) async fn begin_on(name: &str, workers: u32, server: &str) -> Self {
        let slots = SLOTS.acquire_many(workers).await.expect("never closed");
        let seed = env::var("ROWDOCK_TEST_SEED")
            .ok()
            .map_or_else(|| fastrand::u64(..), |seed| seed.parse().expect("a number"));
        let keep = env::var_os("ROWDOCK_TEST_KEEP").is_some();
        // Another run, also one with the same seed, has other names.
        let run = format!("{name}_{:08x}", fastrand::Rng::new().u32(..));
        let stage = Self {
            name: name.to_owned(),
            seed,
            database: Database::create(server, &run, keep).await,
            run,
            ledger: Arc::default(),
            topics: Mutex::default(),
            logs: Mutex::default(),
            keep,
            _slots: slots,
        };
        fs::create_dir_all(stage.folder()).expect("a folder for logs");
        stage.tell(format_args!("seed {seed}"));
        stage
    }

    /// A name of this run alone.
    pub(crate) fn unique(&self, suffix: &str) -> String {
        format!("{}_{suffix}", self.run)
    }

    /// Random choices of this run, repeatable by its seed.
    pub(crate) fn random(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed)
    }

    /// Prints evidence where it is seen also of a test that passes: what was printed by `println`
    /// is shown for failing tests only.
    pub(crate) fn tell(&self, evidence: impl Display) {
        let line = format!("{}: {evidence}\n", self.name);
        std::io::stderr()
            .write_all(line.as_bytes())
            .expect("write to stderr");
    }

    /// Creates a topic.
    pub(crate) async fn topic(&self, suffix: &str, partitions: i32) -> Topic {
        self.topic_with(suffix, partitions, &[]).await
    }

    /// Creates a topic with settings of its own.
    pub(crate) async fn topic_with(
        &self,
        suffix: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) -> Topic {
        let topic = self.named_topic(suffix, partitions);
        kafka::create_topic(&topic.name, partitions, settings).await;
        topic
    }

    /// The name for a topic that someone else creates, such as a worker its dead letter topic.
    pub(crate) fn named_topic(&self, suffix: &str, partitions: i32) -> Topic {
        let name = self.unique(suffix);
        self.topics.lock().unwrap().push(name.clone());
        Topic { name, partitions }
    }

    /// Where this run's logs and files are.
    pub(crate) fn folder(&self) -> PathBuf {
        workspace().join("target/fault-tests").join(&self.run)
    }

    /// Names a log for a worker that is about to start, to be shown should the test fail.
    pub(crate) fn new_log(&self, worker: &str) -> PathBuf {
        let mut logs = self.logs.lock().unwrap();
        let log = self
            .folder()
            .join(format!("{:02}-{worker}.log", logs.len() + 1));
        logs.push(log.clone());
        log
    }

    fn show_logs(&self) {
        for log in self.logs.lock().unwrap().iter() {
            let text = fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
            println!("--- end of {}", log.display());
            for line in &lines[from..] {
                println!("{line}");
            }
        }
    }

    fn delete_topics(&self) {
        let topics = std::mem::take(&mut *self.topics.lock().unwrap());
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            runtime.block_on(kafka::forget_topics(&names));
        });
        if deleting.join().is_err() {
            println!("topics of {} stay", self.run);
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_logs();
        }
        if !self.keep {
            self.delete_topics();
        }
    }
}
