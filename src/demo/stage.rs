//! The play itself: its scenes in order, and what they play with.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};

use super::broker::EmbeddedBroker;
use super::burst::produce;
use super::database::TargetDatabase;
use super::folder::DemoFolder;
use super::orders::{self, PARTITIONS};
use super::reconcile::{RowDifferences, compare_rejects, compare_rows, good_orders_below};
use super::report::{Verdict, kill_line};
use super::rest::RestApi;
use super::screen::{Screen, grouped};
use super::worker::{DEFAULT_PORT, WorkerProcess, free_port};
use super::{DEAD_LETTER_TOPIC, DemoError, DemoOptions, TOPIC, dead_letters};

const CONNECTOR: &str = "orders";

/// From the worker's start to an answer of its API.
const READY_DEADLINE: Duration = Duration::from_secs(30);

/// Most time without one more order stored. A group takes seconds to form, and to notice that a
/// member is dead.
const STALL_DEADLINE: Duration = Duration::from_secs(60);

/// How often it is looked whether the worker is ready, or has got further.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How often before the kill, which must not come late.
const AIM_INTERVAL: Duration = Duration::from_millis(2);

/// How often the connector's state is asked for.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// How long the group keeps a dead member; and so how long the partitions wait for the worker that
/// is started again.
const SESSION_TIMEOUT_MS: &str = "3000";
const HEARTBEAT_INTERVAL_MS: &str = "300";

/// Rows per transaction: small, so that the kill finds one under way.
const BATCH_SIZE: &str = "500";

/// Everything that the play needs. The worker is killed when this is dropped.
pub(super) struct Stage {
    records: u32,
    folder: DemoFolder,
    broker: EmbeddedBroker,
    database: TargetDatabase,
    api: RestApi,
    port: u16,
    worker: WorkerProcess,
    connector: Value,
    next_status_check: Instant,
}

impl Stage {
    /// Sets it up: folder, broker, database, worker.
    ///
    /// # Errors
    /// What cannot be had.
    pub(super) async fn set(options: &DemoOptions, screen: &Screen) -> Result<Self, DemoError> {
        let folder = DemoFolder::prepare(&options.folder)?;
        screen.line(format!(
            "Rowdock demo: {} orders into SQLite, by a worker that is killed half-way\n",
            grouped(options.records)
        ));
        screen.labelled("database", folder.database().display());
        let broker = EmbeddedBroker::start()?;
        let address = broker.address();
        screen.labelled(
            "broker",
            format!("{address}, embedded; topic {TOPIC} with {PARTITIONS} partitions"),
        );
        let database = TargetDatabase::create(&folder.database()).await?;
        let connector = connector(&folder);
        leave_config(&folder, &connector)?;
        let port = free_port(DEFAULT_PORT).map_err(DemoError::Port)?;
        if port != DEFAULT_PORT {
            screen.labelled(
                "port",
                format!("{DEFAULT_PORT} is taken by another program, using {port} instead"),
            );
        }
        let api = RestApi::at(port);
        let worker = WorkerProcess::start(&address, port, &folder.log())?;
        Ok(Self {
            records: options.records,
            folder,
            broker,
            database,
            api,
            port,
            worker,
            connector,
            next_status_check: Instant::now(),
        })
    }

    /// Plays it to the reconciliation.
    ///
    /// # Errors
    /// What came in between.
    pub(super) async fn play(&mut self, screen: &mut Screen) -> Result<Verdict, DemoError> {
        self.begin_connector(screen).await?;
        screen.start(self.good_orders(), "the worker joins its consumer group");
        self.wait_for_claims().await?;

        let produced = Arc::new(AtomicU32::new(0));
        let mut producing = JoinSet::new();
        let producer = self.broker.producer()?;
        producing.spawn(produce(producer, self.records, Arc::clone(&produced)));
        self.wait_for_half(screen, &mut producing, &produced)
            .await?;
        let at_kill = self.kill(screen, &produced).await?;

        let killed_at = Instant::now();
        let broker = self.broker.address();
        self.worker = WorkerProcess::start(&broker, self.port, &self.folder.log())?;
        self.begin_connector(screen).await?;
        screen.message("the worker joins its consumer group again");
        self.wait_for_all(screen, &mut producing, killed_at).await?;
        screen.finish();
        self.reconcile(at_kill).await
    }

    /// Waits for the worker's API and creates the connector. A standalone worker keeps no state:
    /// after the kill the connector is created again, and goes on from the positions in the
    /// database.
    async fn begin_connector(&mut self, screen: &Screen) -> Result<(), DemoError> {
        let deadline = Deadline::after("the worker's rest api to answer", READY_DEADLINE);
        while !self.api.answers().await {
            self.check_process()?;
            deadline.check(&self.folder)?;
            sleep(LOOK_INTERVAL).await;
        }
        screen.labelled(
            "worker",
            format!(
                "process {}, REST API at {}",
                self.worker.process_id(),
                self.api.url()
            ),
        );
        self.api.create(&self.connector).await?;
        screen.labelled(
            "connector",
            format!("{CONNECTOR} created by POST {}/connectors", self.api.url()),
        );
        Ok(())
    }

    async fn wait_for_claims(&mut self) -> Result<(), DemoError> {
        let deadline = Deadline::after("the worker to claim its partitions", STALL_DEADLINE);
        while self.database.next_offsets().await?.len() < PARTITIONS as usize {
            self.check_worker().await?;
            deadline.check(&self.folder)?;
            sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }

    async fn wait_for_half(
        &mut self,
        screen: &mut Screen,
        producing: &mut Producing,
        produced: &AtomicU32,
    ) -> Result<(), DemoError> {
        let total = self.good_orders();
        let mut deadline = Deadline::after("the next order to be stored", STALL_DEADLINE);
        let mut last = 0;
        loop {
            let rows = self.database.row_count().await?;
            if rows >= total / 2 {
                return Ok(());
            }
            if rows > last {
                last = rows;
                deadline = deadline.again();
                screen.progress(rows, total, || {
                    let produced = grouped(produced.load(Ordering::Relaxed));
                    format!("{} stored, {produced} produced", grouped(rows))
                });
            }
            check_producing(producing)?;
            self.check_worker().await?;
            deadline.check(&self.folder)?;
            sleep(AIM_INTERVAL).await;
        }
    }

    /// Kills the worker and looks at what it leaves.
    async fn kill(
        &mut self,
        screen: &Screen,
        produced: &AtomicU32,
    ) -> Result<RowDifferences, DemoError> {
        let process_id = self.worker.process_id();
        let status = self.worker.kill().await?;
        let produced = grouped(produced.load(Ordering::Relaxed));
        screen.labelled(
            "KILLED",
            format!("worker {process_id} with SIGKILL ({status}) when {produced} were produced"),
        );
        let left = self.database.snapshot().await?;
        if left.rows.len() as u64 >= self.good_orders() {
            return Err(DemoError::TooLateToKill);
        }
        let expected = good_orders_below(self.records, &left.next_offsets);
        let differences = compare_rows(expected, &left.rows);
        screen.labelled("left", kill_line(left.rows.len(), &differences));
        Ok(differences)
    }

    /// Waits until every record is either a row or a dead letter.
    async fn wait_for_all(
        &mut self,
        screen: &mut Screen,
        producing: &mut Producing,
        killed_at: Instant,
    ) -> Result<(), DemoError> {
        let total = self.good_orders();
        let left = self.database.row_count().await?;
        let mut last = left;
        let mut deadline = Deadline::after("the next order to be stored", STALL_DEADLINE);
        loop {
            let rows = self.database.row_count().await?;
            if rows > last {
                if last == left {
                    let seconds = killed_at.elapsed().as_secs_f32();
                    screen.labelled(
                        "BACK",
                        format!("storing again {seconds:.1} s after the kill"),
                    );
                }
                last = rows;
                deadline = deadline.again();
                screen.progress(rows, total, || format!("{} stored", grouped(rows)));
            }
            check_producing(producing)?;
            let settled: i64 = self.database.next_offsets().await?.values().sum();
            if settled >= i64::from(self.records) {
                return Ok(());
            }
            self.check_worker().await?;
            deadline.check(&self.folder)?;
            sleep(LOOK_INTERVAL).await;
        }
    }

    async fn reconcile(&mut self, at_kill: RowDifferences) -> Result<Verdict, DemoError> {
        let rows = self.database.snapshot().await?.rows;
        let broker = self.broker.address();
        let letters = spawn_blocking(move || dead_letters::read_all(&broker)).await??;
        let good = (1..=self.records).filter(|order_id| orders::defect(*order_id).is_none());
        Ok(Verdict {
            produced: self.records,
            at_kill,
            at_end: compare_rows(good, &rows),
            rejects: compare_rejects(self.records, &letters),
            rows,
        })
    }

    /// Ends the worker, if it has not ended by itself.
    pub(super) async fn clear(mut self) {
        self.worker.kill().await.ok();
    }

    /// Waits for the worker to end, which it should not.
    pub(super) async fn worker_ends(&mut self) -> DemoError {
        match self.worker.end().await {
            Ok(status) => DemoError::WorkerEnded {
                status,
                log: self.folder.log_tail(),
            },
            Err(error) => error,
        }
    }

    /// Says where everything is.
    pub(super) fn print_whereabouts(&self, screen: &Screen) {
        screen.line("\nWhere it is");
        screen.labelled("database", self.folder.database().display());
        screen.labelled("connector", self.folder.connector().display());
        screen.labelled("log", self.folder.log().display());
    }

    /// Says what can be tried while the worker serves on.
    pub(super) fn print_how_to_go_on(&self, screen: &Screen) {
        let url = self.api.url();
        screen.line("\nThe worker goes on. In another terminal:");
        screen.line(format!("  curl -s {url}/connectors/{CONNECTOR}/status"));
        screen.line(format!("  curl -s {url}/connectors/{CONNECTOR}/config"));
        screen.line(format!(
            "  curl -s -X PUT {url}/connectors/{CONNECTOR}/pause    # and resume"
        ));
        screen.line(format!("  curl -s {url}/connector-plugins"));
        screen.line(format!(
            "  sqlite3 '{}' 'SELECT product, count(*), sum(quantity) FROM orders GROUP BY 1'",
            self.folder.database().display()
        ));
        screen.line("\nCtrl-C ends it; the files stay until the next demo.");
    }

    fn good_orders(&self) -> u64 {
        let good = (1..=self.records).filter(|order_id| orders::defect(*order_id).is_none());
        good.count() as u64
    }

    fn check_process(&mut self) -> Result<(), DemoError> {
        match self.worker.ended()? {
            None => Ok(()),
            Some(status) => Err(DemoError::WorkerEnded {
                status,
                log: self.folder.log_tail(),
            }),
        }
    }

    /// That the worker runs and, now and then, that the connector has not failed.
    async fn check_worker(&mut self) -> Result<(), DemoError> {
        self.check_process()?;
        if Instant::now() < self.next_status_check {
            return Ok(());
        }
        self.next_status_check = Instant::now() + STATUS_INTERVAL;
        let status = self.api.status(CONNECTOR).await?;
        match status.failure() {
            None => Ok(()),
            Some(trace) => Err(DemoError::ConnectorFailed {
                trace: trace.to_owned(),
                log: self.folder.log_tail(),
            }),
        }
    }
}

type Producing = JoinSet<Result<(), DemoError>>;

/// The shop may have ended; it must not have failed.
fn check_producing(producing: &mut Producing) -> Result<(), DemoError> {
    match producing.try_join_next() {
        Some(ended) => ended?,
        None => Ok(()),
    }
}

fn connector(folder: &DemoFolder) -> Value {
    json!({
        "name": CONNECTOR,
        "config": {
            "connector.class": "SqliteSink",
            "tasks.max": "1",
            "topics": TOPIC,
            "connection.url": format!("jdbc:sqlite:{}", folder.database().display()),
            "insert.mode": "insert",
            "pk.mode": "record_key",
            "pk.fields": "order_id",
            "batch.size": BATCH_SIZE,
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "key.converter.schemas.enable": "false",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "false",
            "errors.tolerance": "all",
            "errors.deadletterqueue.topic.name": DEAD_LETTER_TOPIC,
            "errors.deadletterqueue.topic.replication.factor": "1",
            "errors.deadletterqueue.context.headers.enable": "true",
            "consumer.override.session.timeout.ms": SESSION_TIMEOUT_MS,
            "consumer.override.heartbeat.interval.ms": HEARTBEAT_INTERVAL_MS,
        }
    })
}

/// Leaves the connector's config for people to look at and to use again.
fn leave_config(folder: &DemoFolder, connector: &Value) -> Result<(), DemoError> {
    let path = folder.connector();
    fs::write(&path, format!("{connector:#}\n")).map_err(|source| DemoError::File { path, source })
}

/// Until when something is waited for.
struct Deadline {
    waiting_for: &'static str,
    allowed: Duration,
    until: Instant,
}

impl Deadline {
    fn after(waiting_for: &'static str, allowed: Duration) -> Self {
        Self {
            waiting_for,
            allowed,
            until: Instant::now() + allowed,
        }
    }

    /// The same, from now.
    fn again(self) -> Self {
        Self::after(self.waiting_for, self.allowed)
    }

    fn check(&self, folder: &DemoFolder) -> Result<(), DemoError> {
        if Instant::now() < self.until {
            return Ok(());
        }
        Err(DemoError::Deadline {
            waiting_for: self.waiting_for,
            deadline: self.allowed,
            log: folder.log_tail(),
        })
    }
}
