//! One task of a connector: a consumer on its own thread, and a write loop with its own database
//! session.

use std::sync::{Arc, Weak};
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rowdock_connectors::cassandra::{CassandraSettings, CassandraSink};
use rowdock_connectors::mysql::MySqlSink;
use rowdock_connectors::postgres::PostgresSink;
use rowdock_connectors::sqlite::SqliteSink;
use rowdock_connectors::{ProgressScope, Sink, SinkError, SinkOptions, SinkTimeouts};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};

use crate::config::connector::{ConnectorConfig, Delivery, SinkClass};
use crate::consume::intake::Intake;
use crate::consume::thread::ConsumerThread;
use crate::consume::{client, native};
use crate::deadletter::DeadLetters;
use crate::decode::Formats;
use crate::handover::{Board, ConsumerLink, ToConsumer};
use crate::login;
use crate::registry::Event;
pub use crate::status::{TaskState, TaskStatus};
use crate::write::facts::KafkaFacts;
use crate::write::{LoopState, WriteLoop};

mod company;
mod questions;
mod watchdog;

use questions::QUESTIONS;

/// How often it is looked whether the consumer has joined its group.
const JOINED_LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// One question for the cluster id; repeated until it is answered.
const CLUSTER_ID_TIMEOUT: Duration = Duration::from_secs(5);

/// What a task is started from.
#[derive(Debug, Clone)]
pub struct TaskSpec {
    /// The connector's config.
    pub config: Arc<ConnectorConfig>,
    /// Number of the task within its connector, from 0.
    pub task: u32,
    /// The worker's advertised `host:port`, for `worker_id` and as claim owner.
    pub worker_id: String,
    /// librdkafka properties for this connector's consumer, already merged from the worker's and
    /// the connector's (`bootstrap.servers`, security, `group.id`).
    pub consumer_properties: Vec<(String, String)>,
    /// librdkafka properties for the dead letter producer and admin calls.
    pub producer_properties: Vec<(String, String)>,
    /// How often positions are copied to the consumer group (`offset.flush.interval.ms`).
    pub offset_flush_interval: Duration,
    /// Starts paused: joins the group, reads nothing.
    pub paused: bool,
    /// Why the config cannot be used any more, though it was accepted: the task fails with that.
    pub refused: Option<String>,
}

/// A running task. Dropping the handle stops the task without waiting for it.
#[derive(Debug)]
pub struct TaskHandle {
    status: Arc<watch::Sender<TaskStatus>>,
    status_seen: watch::Receiver<TaskStatus>,
    link: ConsumerLink,
    stopping: watch::Sender<bool>,
    /// What runs.
    running: AbortHandle,
    /// What tells how it ended.
    ended: Option<JoinHandle<()>>,
}

impl TaskHandle {
    /// Starts the task: a thread for its consumer and a write loop on the current tokio runtime.
    /// What cannot be started is a FAILED task whose trace says why.
    pub fn start(spec: &TaskSpec) -> Self {
        let (link, commands) = ConsumerLink::new();
        let (stopping, stopping_seen) = watch::channel(false);
        let state = if spec.paused {
            TaskState::Paused
        } else {
            TaskState::Running
        };
        let (status, status_seen) = watch::channel(TaskStatus::new(state));
        let status = Arc::new(status);
        let task = RunningTask {
            link: link.clone(),
            status: Arc::clone(&status),
            stopping: stopping_seen,
            spec: spec.clone(),
        };
        let told = Arc::clone(&status);
        let auto_restart = spec.config.auto_restart;
        // A task of its own, so that a panic is seen and told instead of looking RUNNING.
        let run = tokio::spawn(task.run(commands));
        let running = run.abort_handle();
        let ended = tokio::spawn(async move {
            let TaskEnd { trace, restartable } = match run.await {
                Ok(Ok(())) => return,
                Ok(Err(end)) => end,
                Err(ended) => TaskEnd::lost(format!(
                    "internal error, the task ended unexpectedly: {ended}"
                )),
            };
            tracing::error!(trace, "task failed");
            told.send_modify(|status| {
                status.state = TaskState::Failed;
                status.trace = Some(trace);
                status.restartable = restartable && auto_restart;
            });
        });
        Self {
            status,
            status_seen,
            link,
            stopping,
            running,
            ended: Some(ended),
        }
    }

    /// The task's status, now and whenever it changes.
    pub fn status(&self) -> watch::Receiver<TaskStatus> {
        self.status_seen.clone()
    }

    /// Stops reading; keeps the partitions.
    pub fn pause(&self) {
        self.link.send(ToConsumer::Pause(true));
        self.change_state(TaskState::Running, TaskState::Paused);
    }

    /// Reads on.
    pub fn resume(&self) {
        self.link.send(ToConsumer::Pause(false));
        self.change_state(TaskState::Paused, TaskState::Running);
    }

    /// Forgets of which topics something was written.
    pub fn forget_topics(&self) {
        self.status.send_modify(|status| status.topics.clear());
    }

    /// A FAILED task stays FAILED, whatever is wanted of it.
    fn change_state(&self, from: TaskState, to: TaskState) {
        self.status.send_if_modified(|status| {
            let changes = status.state == from;
            if changes {
                status.state = to;
            }
            changes
        });
    }

    /// Drains what was read, commits, leaves the group. Past the deadline everything is dropped;
    /// that is safe: what was not committed is read again.
    pub async fn stop(mut self, deadline: Duration) {
        self.stopping.send_replace(true);
        self.link.send(ToConsumer::Stop);
        let Some(mut ended) = self.ended.take() else {
            return;
        };
        if tokio::time::timeout(deadline, &mut ended).await.is_err() {
            tracing::warn!("task did not drain within its deadline, dropping what is in hand");
            self.abandon(&ended);
        }
    }

    /// Drops session, batches and consumer, whatever they wait for: nothing of the task stays behind.
    fn abandon(&self, ended: &JoinHandle<()>) {
        // First, or it would tell that the task has failed.
        ended.abort();
        self.running.abort();
        self.link.send(ToConsumer::End);
    }
}

impl Drop for TaskHandle {
    fn drop(&mut self) {
        self.stopping.send_replace(true);
        self.link.send(ToConsumer::Stop);
        if let Some(ended) = self.ended.take() {
            self.abandon(&ended);
        }
    }
}

/// What a task is made of.
struct RunningTask {
    spec: TaskSpec,
    link: ConsumerLink,
    status: Arc<watch::Sender<TaskStatus>>,
    stopping: watch::Receiver<bool>,
}

impl RunningTask {
    /// Starts the consumer's thread and runs the write loop to its end.
    async fn run(self, commands: std::sync::mpsc::Receiver<ToConsumer>) -> Result<(), TaskEnd> {
        let spec = self.spec;
        if let Some(reason) = spec.refused {
            return Err(reason.into());
        }
        let config = Arc::clone(&spec.config);
        let client_id = company::client_id(&config.name, spec.task);
        let consumer = client::create(&spec.consumer_properties, &client_id)
            .map(client::shared)
            .map_err(|error| format!("the kafka consumer cannot be created: {error}"))?;
        let facts = KafkaFacts::new(&consumer).with_admin(&spec.producer_properties);
        let Some(cluster_id) =
            kafka_cluster_id(&consumer, &spec, &self.status, &self.stopping).await?
        else {
            return Ok(());
        };
        let properties = &spec.consumer_properties;
        if !company::until_alone(properties, &self.status, &self.stopping).await {
            return Ok(());
        }
        let formats = Formats::start(
            &config.key_converter,
            &config.value_converter,
            schema_listener(self.link.clone(), Arc::clone(&self.status)),
        )?
        .with_change_events(config.sink.change_events);
        let sink = open_sink(Target::of(&config, cluster_id, &spec.task.to_string()))
            .map_err(|error| error.to_string())?;
        tokio::spawn(tell_joined(
            Arc::downgrade(&consumer),
            Arc::clone(&self.status),
        ));
        let board = Arc::new(Board::default());
        tokio::spawn(watchdog::watch(
            Arc::downgrade(&board),
            Arc::clone(&self.status),
        ));
        let (writer, events) = mpsc::unbounded_channel();
        let session_timeout = client::session_timeout(&spec.consumer_properties);
        let stores_positions = config.delivery == Delivery::ExactlyOnce;
        let thread = ConsumerThread {
            consumer,
            topics: config.topics.clone(),
            commands,
            link: self.link.clone(),
            writer,
            board: Arc::clone(&board),
            intake: Intake::new(Arc::clone(&config), formats, stores_positions)?
                .keeping_times(sink.needs_record_times()),
            delivery: config.delivery,
            linger: config.batch.linger,
            schema_patience: config.errors.retry_timeout,
            drain_limit: session_timeout.mul_f64(0.4),
            commit_interval: spec.offset_flush_interval,
            paused: spec.paused,
        };
        let (left_group, has_left_group) = oneshot::channel();
        std::thread::Builder::new()
            .name(format!("consume-{}-{}", config.name, spec.task))
            .spawn(move || {
                thread.run();
                // The consumer is closed by now: the group knows that we are gone.
                left_group.send(())
            })
            .map_err(|error| {
                TaskEnd::lost(format!("the consumer's thread cannot be started: {error}"))
            })?;
        let write_loop = WriteLoop {
            owner: format!("{}/{}-{}", spec.worker_id, config.name, spec.task),
            sink,
            facts,
            dead_letters: DeadLetters::new(
                Arc::clone(&config),
                spec.task,
                spec.producer_properties,
            ),
            events,
            consumer: self.link,
            board,
            status: self.status,
            stopping: self.stopping,
            session_timeout,
            state: LoopState::new(config.retries),
            config,
        };
        write_loop.run().await;
        match has_left_group.await {
            Ok(()) => Ok(()),
            Err(_) => Err(TaskEnd::lost(
                "internal error, the consumer's thread ended unexpectedly".to_owned(),
            )),
        }
    }
}

/// Why a task ended by itself.
struct TaskEnd {
    trace: String,
    /// By a defect, or because the process lacks something: starting it anew may help.
    restartable: bool,
}

impl TaskEnd {
    fn lost(trace: String) -> Self {
        Self {
            trace,
            restartable: true,
        }
    }
}

impl From<String> for TaskEnd {
    fn from(trace: String) -> Self {
        Self {
            trace,
            restartable: false,
        }
    }
}

/// Tells once that the consumer has joined its group. Other workers wait for it when a task moves.
async fn tell_joined(consumer: Weak<client::TaskConsumer>, status: Arc<watch::Sender<TaskStatus>>) {
    while let Some(consumer) = consumer.upgrade() {
        let joined = native::group_generation(&consumer) >= 0;
        // Only the consumer's own thread may be the last to hold it: letting go of it blocks.
        drop(consumer);
        if joined {
            status.send_modify(|status| status.joined = true);
            return;
        }
        tokio::time::sleep(JOINED_LOOK_INTERVAL).await;
    }
}

/// Tells the consumer's thread of schemas that arrive, and the task's status of a registry that does
/// not answer.
fn schema_listener(
    link: ConsumerLink,
    status: Arc<watch::Sender<TaskStatus>>,
) -> impl Fn(Event) + Clone + Send + 'static {
    move |event| match event {
        Event::Arrived => link.send(ToConsumer::Schemas),
        Event::Trouble(reason) => {
            status.send_modify(|status| status.retrying = Some(reason));
        }
        Event::Recovered => {
            status.send_if_modified(|status| status.retrying.take().is_some());
        }
    }
}

/// The cluster's id is part of every position's key, so nothing starts without it.
async fn kafka_cluster_id(
    consumer: &Arc<client::TaskConsumer>,
    spec: &TaskSpec,
    status: &watch::Sender<TaskStatus>,
    stopping: &watch::Receiver<bool>,
) -> Result<Option<String>, String> {
    let mut has_waited = false;
    while !*stopping.borrow() {
        let (asked, login) = (Arc::clone(consumer), spec.consumer_properties.clone());
        let question = move || {
            login::log_in(asked.client(), &login);
            let id = asked.client().fetch_cluster_id(CLUSTER_ID_TIMEOUT);
            id.ok_or_else(|| client::why_silent(&asked))
        };
        let Some(answer) = QUESTIONS.ask(stopping, question).await else {
            break;
        };
        let answer = answer
            .map_err(|error| format!("asking kafka for its cluster id ended early: {error}"))?;
        let reason = match answer {
            Ok(id) => {
                if has_waited {
                    status.send_modify(|status| status.retrying = None);
                }
                return Ok(Some(id));
            }
            Err(reason) => reason,
        };
        has_waited = true;
        let (connector, task) = (&spec.config.name, spec.task);
        tracing::warn!(
            connector,
            task,
            reason,
            "kafka does not answer with its cluster id, asking again"
        );
        let told = format!("kafka does not answer with its cluster id: {reason}; asking again");
        status.send_modify(|status| status.retrying = Some(told));
    }
    Ok(None)
}

/// A connector's database, and who asks for it.
#[derive(Clone, PartialEq)]
pub(crate) struct Target {
    class: SinkClass,
    options: SinkOptions,
    cassandra: CassandraSettings,
}

impl Target {
    /// `label` says in its sessions' names what they are for.
    pub(crate) fn of(config: &ConnectorConfig, cluster_id: String, label: &str) -> Self {
        Self {
            class: config.class,
            options: SinkOptions {
                url: config.sink.url.clone(),
                user: config.sink.user.clone(),
                password: config.sink.password.clone(),
                scope: ProgressScope {
                    cluster_id,
                    connector: config.name.clone(),
                },
                progress_table: config.sink.progress_table.clone(),
                stores_positions: config.delivery == Delivery::ExactlyOnce,
                application_name: format!("rowdock/{}-{label}", config.name),
                timeouts: SinkTimeouts::default(),
            },
            cassandra: config.sink.cassandra.clone(),
        }
    }
}

/// The connector's database.
pub(crate) fn open_sink(target: Target) -> Result<Box<dyn Sink>, SinkError> {
    let options = target.options;
    Ok(match target.class {
        SinkClass::Postgres => Box::new(PostgresSink::new(options)?),
        SinkClass::MySql => Box::new(MySqlSink::new(options)?),
        SinkClass::Sqlite => Box::new(SqliteSink::new(options)?),
        SinkClass::Cassandra => Box::new(CassandraSink::new(options, target.cassandra)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::worker::WorkerSettings;

    /// A port that nobody listens at.
    const NOBODY: &str = "127.0.0.1:1";
    const DEADLINE: Duration = Duration::from_secs(60);

    fn spec() -> TaskSpec {
        let raw = [
            ("name", "orders"),
            ("connector.class", "SqliteSink"),
            ("topics", "orders"),
            ("connection.url", "jdbc:sqlite:orders.db"),
        ];
        let raw = raw.map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
        let config = ConnectorConfig::parse(&raw.into(), &WorkerSettings::default()).unwrap();
        TaskSpec {
            config: Arc::new(config),
            task: 0,
            worker_id: "w0:9398".to_owned(),
            consumer_properties: [("bootstrap.servers", NOBODY), ("group.id", "orders")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            producer_properties: Vec::new(),
            offset_flush_interval: Duration::from_secs(60),
            paused: false,
            refused: None,
        }
    }

    #[tokio::test]
    async fn a_task_says_why_kafka_does_not_answer() {
        let task = TaskHandle::start(&spec());
        let mut status = task.status();
        let waits = status.wait_for(|status| status.retrying.is_some());
        let told = tokio::time::timeout(DEADLINE, waits).await.unwrap();
        let told = told.unwrap().retrying.clone().unwrap();
        assert!(told.contains(NOBODY) && told.contains("refused"), "{told}");
    }
}
