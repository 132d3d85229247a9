//! One supervisor per connector: makes its tasks what they should be.
//!
//! A supervisor is told what should be ([`Desired`]), never what to do: it compares that with the
//! tasks it has, stops those that are stale, starts those that are missing, and pauses or resumes
//! the rest. So commands that arrive while a task takes its time to stop are folded into one next
//! round, a lost or repeated command cannot lead astray, and pause, resume, stop, restart and a new
//! config need no code of their own. When the [`Desired`] side goes away, the connector was deleted
//! or the worker stops: every task is stopped and the supervisor ends.
//!
//! A task that was lost by a defect (its thread or its future has ended), or that has tried its
//! database as often as its connector allows, is started anew, after a pause that grows, unless its
//! connector forbids it (`tasks.auto.restart`). One that failed at a record, or at what a person must
//! mend, is not: it would fail again.
//!
//! Each round is bounded by the stop deadline, and each connector has its own supervisor, so a task
//! that hangs while it stops holds up nothing but the tasks of its own connector, for that long.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::accepted::Accepted;
use super::fetch_memory::{FetchMemory, Share};
use super::tasks::{RunTask, StartTask};
use super::view::{ConnectorState, Published, PublishedStatus, PublishedTask, TargetState};
use crate::config::worker::WorkerSettings;
use crate::task::{TaskState, TaskStatus};

/// How long past its own deadline a task may take to return from being stopped before it is
/// dropped: enough for a thread to notice, short enough not to be felt.
const STOP_MARGIN: Duration = Duration::from_millis(500);

/// Pauses before a lost task is started anew: the first, and the longest.
const RESTART_PAUSE_FIRST: Duration = Duration::from_secs(1);
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(60);
/// A task that has run for so long starts with short pauses again.
const RESTARTS_FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// What a connector should be on this worker.
#[derive(Debug, Clone)]
pub(super) struct Desired {
    /// The config its tasks run with.
    pub(super) accepted: Arc<Accepted>,
    /// Running, paused or stopped.
    pub(super) target: TargetState,
    /// Version of the last restart of the connector itself.
    pub(super) connector_restart: u64,
    /// How often the topics that its tasks have written were asked to be forgotten.
    pub(super) topics_resets: u64,
    /// The tasks that this worker should have, each with its key.
    pub(super) tasks: BTreeMap<u32, TaskKey>,
}

/// What distinguishes a task from its successor under the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TaskKey {
    /// Version of the config that it runs with.
    pub(super) config_version: u64,
    /// Version of its last restart.
    pub(super) restarts: u64,
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
    /// For what the tasks fetch ahead.
    pub(super) memory: Arc<FetchMemory>,
}

/// Tells a supervisor what its connector should be and reads what it is. Dropping it ends the
/// connector.
#[derive(Debug)]
pub(super) struct SupervisorHandle {
    desired: watch::Sender<Desired>,
    published: watch::Receiver<Published>,
    /// Its tasks' statuses, as far as they have been looked at.
    looked_at: Vec<watch::Receiver<TaskStatus>>,
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
        let topics_resets = desired.topics_resets;
        let (desired, desired_receiver) = watch::channel(desired);
        let (publisher, published) = watch::channel(Published::unassigned());
        let supervisor = Supervisor {
            workshop,
            desired: desired_receiver,
            publisher,
            tasks: BTreeMap::new(),
            topics_resets,
            restarts: BTreeMap::new(),
        };
        let ended = tokio::spawn(supervisor.run(predecessor));
        Self {
            desired,
            published,
            looked_at: Vec::new(),
            ended,
        }
    }

    /// Whether the supervisor or one of its tasks has said anything since this was asked last. That a
    /// task or the supervisor has ended is no word of theirs.
    pub(super) fn has_news(&mut self) -> bool {
        let mut has_news = false;
        if self.published.has_changed().unwrap_or(false) {
            let published = self.published.borrow_and_update();
            let live = published.tasks.iter().filter_map(PublishedTask::live);
            self.looked_at = live.cloned().collect();
            has_news = true;
        }
        for status in &mut self.looked_at {
            if status.has_changed().unwrap_or(false) {
                status.mark_unchanged();
                has_news = true;
            }
        }
        has_news
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
    topics_resets: u64,
    restarts: BTreeMap<u32, Restarts>,
}

/// How often a lost task was started anew.
#[derive(Default)]
struct Restarts {
    count: u32,
    last: Option<Instant>,
    due: Option<Instant>,
}

impl Restarts {
    /// How long to wait before the next.
    fn pause(&mut self, now: Instant) -> Duration {
        let held = |last: Instant| now.duration_since(last) > RESTARTS_FORGOTTEN_AFTER;
        if self.last.is_some_and(held) {
            self.count = 0;
        }
        let pause = RESTART_PAUSE_FIRST.saturating_mul(1 << self.count.min(10));
        self.count += 1;
        pause.min(RESTART_PAUSE_MAX)
    }
}

struct Supervised<T> {
    key: TaskKey,
    handle: T,
    /// Of the worker's memory, given back when the task is gone.
    share: Option<Share>,
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
            if !self.wait().await {
                break;
            }
        }
        let all: Vec<u32> = self.tasks.keys().copied().collect();
        self.stop(&all).await;
    }

    /// Waits until something else should be, or until lost tasks are due to be started anew. `false`:
    /// the connector ends.
    async fn wait(&mut self) -> bool {
        loop {
            let mut statuses = self.living_statuses();
            let (due, next) = self.lost_and_due();
            if !due.is_empty() {
                let connector = self.desired.borrow().accepted.config.name.clone();
                warn!(connector, tasks = ?due, "starting failed tasks anew");
                self.stop(&due).await;
                return true;
            }
            tokio::select! {
                changed = self.desired.changed() => return changed.is_ok(),
                () = any_change(&mut statuses) => {}
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
    }

    /// The statuses that may still change, with what they say now marked as seen.
    fn living_statuses(&self) -> Vec<watch::Receiver<TaskStatus>> {
        let statuses = self.tasks.values().map(|task| task.handle.status());
        let living = statuses.filter(|status| status.has_changed().is_ok());
        living
            .map(|mut status| {
                status.mark_unchanged();
                status
            })
            .collect()
    }

    /// Tasks that failed where starting them anew may help, when their pause is over, and when the next
    /// one's is. The pauses grow, so that what fails over and over costs little.
    fn lost_and_due(&mut self) -> (Vec<u32>, Option<Instant>) {
        let now = Instant::now();
        let auto_restart = self.desired.borrow().accepted.config.auto_restart;
        let (mut due, mut next) = (Vec::new(), None::<Instant>);
        for (task, supervised) in &self.tasks {
            let status = supervised.handle.status();
            let has_ended = status.has_changed().is_err();
            let lost = {
                let told = status.borrow();
                has_ended && auto_restart || told.state == TaskState::Failed && told.restartable
            };
            if !lost {
                continue;
            }
            let restarts = self.restarts.entry(*task).or_default();
            let at = match restarts.due {
                Some(at) => at,
                None => now + restarts.pause(now),
            };
            if at > now {
                restarts.due = Some(at);
                next = Some(next.map_or(at, |next| next.min(at)));
            } else {
                restarts.due = None;
                restarts.last = Some(now);
                due.push(*task);
            }
        }
        (due, next)
    }

    async fn stop_stale(&mut self, desired: &Desired) {
        let stale: Vec<u32> = self
            .tasks
            .iter()
            .filter(|(task, supervised)| desired.tasks.get(*task) != Some(&supervised.key))
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
            let Some(Supervised { handle, share, .. }) = self.tasks.remove(number) else {
                continue;
            };
            // Whoever comes after it has not failed yet.
            if let Some(restarts) = self.restarts.get_mut(number) {
                restarts.due = None;
            }
            let number = *number;
            stopping.spawn(async move {
                let has_stopped = timeout(deadline + STOP_MARGIN, handle.stop(deadline)).await;
                drop(share);
                (number, has_stopped.is_ok())
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
        if self.topics_resets < desired.topics_resets {
            self.topics_resets = desired.topics_resets;
            let tasks = self.tasks.values();
            tasks.for_each(|supervised| supervised.handle.forget_topics());
        }
        for (task, key) in &desired.tasks {
            if let Some(supervised) = self.tasks.get(task) {
                if paused {
                    supervised.handle.pause();
                } else {
                    supervised.handle.resume();
                }
                continue;
            }
            let Workshop {
                settings,
                worker_id,
                ..
            } = &*self.workshop;
            let mut spec = desired
                .accepted
                .task_spec(settings, worker_id, *task, paused);
            let share = self.workshop.memory.share(&mut spec.consumer_properties);
            let handle = self.workshop.starter.start(&spec);
            let connector = &desired.accepted.config.name;
            info!(connector, task, paused, "task started");
            let key = *key;
            self.tasks.insert(*task, Supervised { key, handle, share });
        }
        let tasks = self.live_tasks();
        self.publisher.send_replace(Published {
            state: ConnectorState::of_target(desired.target),
            connector_restart: desired.connector_restart,
            topics_resets: desired.topics_resets,
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

/// Waits until one of them says something else, or ends.
async fn any_change(statuses: &mut [watch::Receiver<TaskStatus>]) {
    if statuses.is_empty() {
        return pending().await;
    }
    let changes = statuses.iter_mut();
    let changes = changes.map(|status| Box::pin(status.changed()));
    // An end is looked at as a change is.
    select_all(changes).await.0.ok();
}
