//! Tasks for tests: they need no Kafka, remember what was asked of them, and misbehave on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;

use super::tasks::{RunTask, StartTask};
use crate::task::{TaskSpec, TaskState, TaskStatus};

type TaskId = (String, u32);

/// Starts fake tasks and is the test's hand on them.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeTasks {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    statuses: BTreeMap<TaskId, watch::Sender<TaskStatus>>,
    specs: BTreeMap<TaskId, Vec<TaskSpec>>,
    stops: BTreeMap<TaskId, usize>,
    hanging: BTreeSet<String>,
    panicking: BTreeSet<String>,
}

/// A fake task.
#[derive(Debug)]
pub(crate) struct FakeTask {
    tasks: FakeTasks,
    id: TaskId,
    status: watch::Receiver<TaskStatus>,
}

impl FakeTasks {
    /// How often the task was started.
    pub(crate) fn starts(&self, connector: &str, task: u32) -> usize {
        self.specs(connector, task).len()
    }

    /// Whether the task was started and has not ended.
    pub(crate) fn runs(&self, connector: &str, task: u32) -> bool {
        let id = (connector.to_owned(), task);
        self.lock().statuses.contains_key(&id)
    }

    /// What the task was started from, each time.
    pub(crate) fn specs(&self, connector: &str, task: u32) -> Vec<TaskSpec> {
        let id = (connector.to_owned(), task);
        self.lock().specs.get(&id).cloned().unwrap_or_default()
    }

    /// How often the task was stopped and ended.
    pub(crate) fn stops(&self, connector: &str, task: u32) -> usize {
        let id = (connector.to_owned(), task);
        self.lock().stops.get(&id).copied().unwrap_or_default()
    }

    /// Lets the task say something.
    pub(crate) fn tell(&self, connector: &str, task: u32, status: TaskStatus) {
        let id = (connector.to_owned(), task);
        self.lock().statuses[&id].send_replace(status);
    }

    /// Lets the task fail.
    pub(crate) fn fail(&self, connector: &str, task: u32, trace: &str) {
        let status = TaskStatus {
            trace: Some(trace.to_owned()),
            joined: true,
            ..TaskStatus::new(TaskState::Failed)
        };
        self.tell(connector, task, status);
    }

    /// Lets the task end without a word.
    pub(crate) fn end(&self, connector: &str, task: u32) {
        self.lock().statuses.remove(&(connector.to_owned(), task));
    }

    /// From now on the connector's tasks never come back from being stopped.
    pub(crate) fn hang_on_stop(&self, connector: &str) {
        self.lock().hanging.insert(connector.to_owned());
    }

    /// Whether starting one of the connector's tasks panics.
    pub(crate) fn panic_on_start(&self, connector: &str, panics: bool) {
        let mut inner = self.lock();
        if panics {
            inner.panicking.insert(connector.to_owned());
        } else {
            inner.panicking.remove(connector);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl StartTask for FakeTasks {
    type Task = FakeTask;

    fn start(&self, spec: &TaskSpec) -> FakeTask {
        let panics = self.lock().panicking.contains(&spec.config.name);
        assert!(!panics, "told to panic");
        let id = (spec.config.name.clone(), spec.task);
        let state = match spec.paused {
            true => TaskState::Paused,
            false => TaskState::Running,
        };
        let (sender, status) = watch::channel(TaskStatus {
            joined: true,
            ..TaskStatus::new(state)
        });
        let mut inner = self.lock();
        inner.statuses.insert(id.clone(), sender);
        inner
            .specs
            .entry(id.clone())
            .or_default()
            .push(spec.clone());
        drop(inner);
        FakeTask {
            tasks: self.clone(),
            id,
            status,
        }
    }
}

impl FakeTask {
    fn set_state(&self, state: TaskState) {
        if let Some(sender) = self.tasks.lock().statuses.get(&self.id) {
            sender.send_if_modified(|status| {
                let changes = status.state != TaskState::Failed && status.state != state;
                if changes {
                    status.state = state;
                }
                changes
            });
        }
    }
}

impl RunTask for FakeTask {
    fn status(&self) -> watch::Receiver<TaskStatus> {
        self.status.clone()
    }

    fn pause(&self) {
        self.set_state(TaskState::Paused);
    }

    fn resume(&self) {
        self.set_state(TaskState::Running);
    }

    fn forget_topics(&self) {
        if let Some(sender) = self.tasks.lock().statuses.get(&self.id) {
            sender.send_modify(|status| status.topics.clear());
        }
    }

    async fn stop(self, _deadline: Duration) {
        if self.tasks.lock().hanging.contains(&self.id.0) {
            pending::<()>().await;
        }
        let mut inner = self.tasks.lock();
        inner.statuses.remove(&self.id);
        *inner.stops.entry(self.id.clone()).or_default() += 1;
    }
}
