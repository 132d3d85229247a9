//! One supervisor per connector: makes its tasks what they should be.
//!
//! A supervisor is told what should be ([`Desired`]), never what to do: it compares that with the
//! tasks it has, stops those that are stale, starts those that are missing, and pauses or resumes
//! the rest. So commands that arrive while a task takes its time to stop are folded into one next
//! round, a lost or repeated command cannot lead astray, and pause, resume, stop, restart and a new
//! config need no code of their own. When the [`Desired`] side goes away, the connector was deleted
//! or the worker stops: every task is stopped and the supervisor ends.
//!
//! Each round is bounded by the stop deadline, and each connector has its own supervisor, so a task
//! that hangs while it stops holds up nothing but the tasks of its own connector, for that long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::{info, warn};

use super::accepted::Accepted;
use super::tasks::{RunTask, StartTask};
use super::view::{ConnectorState, Published, PublishedStatus, PublishedTask, TargetState};
use crate::config::worker::WorkerSettings;

/// How long past its own deadline a task may take to return from being stopped before it is
/// dropped: enough for a thread to notice, short enough not to be felt.
const STOP_MARGIN: Duration = Duration::from_millis(500);

/// What a connector should be.
#[derive(Debug, Clone)]
pub(super) struct Desired {
    /// The config its tasks run with.
    pub(super) accepted: Arc<Accepted>,
    /// Grows with each config that was accepted; tasks of an older one are stale.
    pub(super) config_version: u64,
    /// Running, paused or stopped.
    pub(super) target: TargetState,
    /// How often the connector itself was asked to restart.
    pub(super) connector_restarts: u64,
    /// How often each task was asked to restart since this config was accepted; one number per task.
    pub(super) task_restarts: Vec<u64>,
}

/// What distinguishes a task from its successor under the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TaskKey {
    config_version: u64,
    restarts: u64,
}

impl Desired {
    /// The key the task of this number should have; `None` when there should be no such task.
    pub(super) fn key(&self, task: u32) -> Option<TaskKey> {
        if self.target == TargetState::Stopped {
            return None;
        }
        let index = usize::try_from(task).ok()?;
        let restarts = *self.task_restarts.get(index)?;
        Some(TaskKey {
            config_version: self.config_version,
            restarts,
        })
    }

    fn tasks(&self) -> impl Iterator<Item = (u32, TaskKey)> {
        (0..self.accepted.config.tasks_max).filter_map(|task| Some((task, self.key(task)?)))
    }
}

/// What every supervisor of a worker shares.
pub(super) struct Workshop<S> {
    /// Starts tasks.
    pub(super) starter: S,
    /// The worker's settings.
    pub(super) settings: Arc<WorkerSettings>,
    /// The worker's advertised `host:port`.
    pub(super) worker_id: String,
    /// `task.shutdown.graceful.timeout.ms`.
    pub(super) stop_deadline: Duration,
}

/// Tells a supervisor what its connector should be and reads what it is. Dropping it ends the
/// connector.
#[derive(Debug)]
pub(super) struct SupervisorHandle {
    desired: watch::Sender<Desired>,
    published: watch::Receiver<Published>,
    ended: JoinHandle<()>,
}

impl SupervisorHandle {
    /// Starts a supervisor. It waits for `predecessor`, the supervisor of a deleted connector of
    /// the same name, so that one connector's tasks never meet those of the one before.
    pub(super) fn start<S: StartTask>(
        workshop: Arc<Workshop<S>>,
        desired: Desired,
        predecessor: Option<JoinHandle<()>>,
    ) -> Self {
        let (desired, desired_receiver) = watch::channel(desired);
        let (publisher, published) = watch::channel(Published::unassigned());
        let supervisor = Supervisor {
            workshop,
            desired: desired_receiver,
            publisher,
            tasks: BTreeMap::new(),
            placed: false,
        };
        let ended = tokio::spawn(supervisor.run(predecessor));
        Self {
            desired,
            published,
            ended,
        }
    }

    /// Tells what should be from now on.
    pub(super) fn set(&self, desired: Desired) {
        self.desired.send_replace(desired);
    }

    /// What the supervisor last said; `None` when it broke down.
    pub(super) fn published(&self) -> Option<Published> {
        if self.published.has_changed().is_err() {
            return None;
        }
        Some(self.published.borrow().clone())
    }

    /// Ends the connector; the returned handle completes when its tasks are gone.
    pub(super) fn end(self) -> JoinHandle<()> {
        self.ended
    }
}

struct Supervisor<S: StartTask> {
    workshop: Arc<Workshop<S>>,
    desired: watch::Receiver<Desired>,
    publisher: watch::Sender<Published>,
    tasks: BTreeMap<u32, Supervised<S::Task>>,
    /// Whether the connector has tasks while it is paused. As in Kafka Connect, pausing keeps the
    /// tasks that run, but a connector that is created paused, or paused when it was stopped, gets
    /// its first tasks when it is resumed.
    placed: bool,
}

struct Supervised<T> {
    key: TaskKey,
    handle: T,
}

impl<S: StartTask> Supervisor<S> {
    async fn run(mut self, predecessor: Option<JoinHandle<()>>) {
        if let Some(predecessor) = predecessor
            && let Err(error) = predecessor.await
        {
            warn!(error = %error, "supervisor of the deleted connector broke down");
        }
        loop {
            let desired = self.desired.borrow_and_update().clone();
            self.stop_stale(&desired).await;
            match self.desired.has_changed() {
                Ok(true) => continue,
                Ok(false) => self.start_missing(&desired),
                Err(_) => break,
            }
            if self.desired.changed().await.is_err() {
                break;
            }
        }
        let all: Vec<u32> = self.tasks.keys().copied().collect();
        self.stop(&all).await;
    }

    async fn stop_stale(&mut self, desired: &Desired) {
        let stale: Vec<u32> = self
            .tasks
            .iter()
            .filter(|(task, supervised)| desired.key(**task) != Some(supervised.key))
            .map(|(task, _)| *task)
            .collect();
        self.stop(&stale).await;
    }

    /// Stops these tasks side by side, and gives up those that do not end in time.
    async fn stop(&mut self, numbers: &[u32]) {
        if numbers.is_empty() {
            return;
        }
        self.publish_leaving(numbers);
        let deadline = self.workshop.stop_deadline;
        let mut stopping = JoinSet::new();
        for number in numbers {
            let Some(supervised) = self.tasks.remove(number) else {
                continue;
            };
            let number = *number;
            stopping.spawn(async move {
                let stop = supervised.handle.stop(deadline);
                (number, timeout(deadline + STOP_MARGIN, stop).await.is_ok())
            });
        }
        let connector = self.desired.borrow().accepted.config.name.clone();
        while let Some(stopped) = stopping.join_next().await {
            match stopped {
                Ok((task, true)) => info!(connector, task, "task stopped"),
                Ok((task, false)) => warn!(
                    connector,
                    task, "task did not stop in time and was abandoned; its claims fence it off"
                ),
                Err(error) => warn!(connector, error = %error, "task broke down while stopping"),
            }
        }
    }

    fn start_missing(&mut self, desired: &Desired) {
        let paused = desired.target == TargetState::Paused;
        match desired.target {
            TargetState::Running => self.placed = true,
            TargetState::Stopped => self.placed = false,
            TargetState::Paused => {}
        }
        for (task, key) in desired.tasks() {
            if let Some(supervised) = self.tasks.get(&task) {
                if paused {
                    supervised.handle.pause();
                } else {
                    supervised.handle.resume();
                }
                continue;
            }
            if !self.placed {
                continue;
            }
            let Workshop {
                settings,
                worker_id,
                ..
            } = &*self.workshop;
            let spec = desired
                .accepted
                .task_spec(settings, worker_id, task, paused);
            let handle = self.workshop.starter.start(&spec);
            let connector = &desired.accepted.config.name;
            info!(connector, task, paused, "task started");
            self.tasks.insert(task, Supervised { key, handle });
        }
        let tasks = self.live_tasks();
        self.publisher.send_replace(Published {
            state: ConnectorState::of_target(desired.target),
            connector_restarts: desired.connector_restarts,
            tasks,
        });
    }

    fn live_tasks(&self) -> Vec<PublishedTask> {
        self.tasks
            .iter()
            .map(|(task, supervised)| PublishedTask {
                task: *task,
                key: supervised.key,
                status: PublishedStatus::Live(supervised.handle.status()),
            })
            .collect()
    }

    /// Shows the tasks that are about to be stopped as leaving, with what they last complained of.
    fn publish_leaving(&self, numbers: &[u32]) {
        let mut tasks = self.live_tasks();
        for task in &mut tasks {
            if numbers.contains(&task.task)
                && let PublishedStatus::Live(status) = &task.status
            {
                let trace = status.borrow().trace.clone();
                task.status = PublishedStatus::Leaving { trace };
            }
        }
        self.publisher
            .send_modify(|published| published.tasks = tasks);
    }
}
