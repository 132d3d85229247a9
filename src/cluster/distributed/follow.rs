//! Own tasks made to be as the log says; tasks that move; the placement; leaving.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::Control;
use super::reads::Reads;
use super::writes::Job;
use crate::cluster::registry::Definition;
use crate::cluster::supervisor::{Desired, SupervisorHandle, TaskKey};
use crate::cluster::tasks::StartTask;
use crate::cluster::view::TargetState;

/// How long a task is kept for the worker that is to have it. A consumer joins a group within the
/// rebalance that follows, which every living member answers within a heartbeat.
const MOVE_TIME_MAX: Duration = Duration::from_secs(15);
/// How long the placement is left alone after a change, so that several changes make one.
const PLACEMENT_PATIENCE: Duration = Duration::from_millis(300);
/// How long the other workers wait for the first one of them to see to the placement.
const PLACEMENT_PATIENCE_OF_OTHERS: Duration = Duration::from_secs(3);
/// How long a worker that leaves waits for others to have its tasks.
const LEAVE_TIME_MAX: Duration = Duration::from_secs(12);
/// How long past the tasks' own deadline the worker waits for supervisors before it drops them.
const STOP_MARGIN: Duration = Duration::from_secs(1);

/// A worker that is asked to stop.
pub(super) struct Leaving {
    until: Instant,
    reply: Option<oneshot::Sender<()>>,
}

impl<S: StartTask> Control<S> {
    /// Makes the connector's tasks on this worker what they should be.
    pub(super) fn follow(&mut self, name: &str) {
        let Some(definition) = self.registry.get(name) else {
            self.depart(name);
            return;
        };
        let Ok(accepted) = &definition.accepted else {
            self.depart(name);
            return;
        };
        let accepted = Arc::clone(accepted);
        let (target, connector_restart) = (definition.target, definition.restarts.connector);
        let tasks = self.own_tasks(name);
        if tasks.is_empty() {
            self.depart(name);
            return;
        }
        let desired = Desired {
            accepted,
            target,
            connector_restart,
            topics_resets: self.topics_resets.get(name).copied().unwrap_or_default(),
            tasks,
        };
        self.told.insert(name.to_owned(), desired.clone());
        if let Some(supervisor) = self.supervisors.get(name)
            && supervisor.published().is_some()
        {
            supervisor.set(desired);
            return;
        }
        // There is none yet, or it broke down: begin anew.
        let supervisor = SupervisorHandle::start(
            Arc::clone(&self.workshop),
            desired,
            self.departing.remove(name),
        );
        self.supervisors.insert(name.to_owned(), supervisor);
    }

    /// Tells those who share the worker's memory out how many they are.
    pub(super) fn count_own_tasks(&self) {
        let owners = self.registry.iter();
        let owners = owners.flat_map(|(_, definition)| &definition.owners);
        let own = owners.filter(|owner| **owner == self.worker_id).count();
        self.workshop.memory.expect_tasks(own);
    }

    /// The tasks that this worker should have: those that are its own, and those that others are to
    /// have and do not have yet.
    fn own_tasks(&mut self, name: &str) -> BTreeMap<u32, TaskKey> {
        let Some(definition) = self.registry.get(name).cloned() else {
            return BTreeMap::new();
        };
        let mut tasks = BTreeMap::new();
        for task in 0..definition.task_count() {
            let key = definition.key(task);
            let id = (name.to_owned(), task);
            if definition.owner(task) == Some(&self.worker_id) {
                self.keeping.remove(&id);
                tasks.insert(task, key);
            } else if self.runs(name, task, key) && !self.is_taken_over(name, &definition, task) {
                let until = self.keeping.entry(id);
                let until = *until.or_insert_with(|| Instant::now() + MOVE_TIME_MAX);
                if until > Instant::now() {
                    tasks.insert(task, key);
                }
            }
        }
        let kept: Vec<u32> = tasks.keys().copied().collect();
        self.keeping
            .retain(|(connector, task), _| connector != name || kept.contains(task));
        tasks
    }

    fn runs(&self, name: &str, task: u32, key: TaskKey) -> bool {
        let told = self.told.get(name);
        told.is_some_and(|told| told.tasks.get(&task) == Some(&key))
    }

    /// Whether the owner's task has joined its group, or there is no owner that could.
    fn is_taken_over(&self, name: &str, definition: &Definition, task: u32) -> bool {
        let Some(owner) = definition.owner(task) else {
            return true;
        };
        if !self.members.contains(owner) || definition.target == TargetState::Stopped {
            return true;
        }
        let told = self.statuses.task(name, task);
        told.is_some_and(|told| {
            let started = told.rowdock.unwrap_or_default();
            let current = started.config >= definition.config_version;
            told.worker_id == owner && current && (started.joined || told.state == "FAILED")
        })
    }

    fn depart(&mut self, name: &str) {
        self.told.remove(name);
        self.keeping.retain(|(connector, _), _| connector != name);
        if let Some(supervisor) = self.supervisors.remove(name) {
            self.departing.retain(|_, ended| !ended.is_finished());
            self.departing.insert(name.to_owned(), supervisor.end());
        }
    }

    /// Lets go of the tasks that others have by now.
    pub(super) fn look_at_keeping(&mut self) {
        let now = Instant::now();
        let done = self.keeping.iter().filter(|((name, task), until)| {
            let definition = self.registry.get(name);
            **until <= now || definition.is_none_or(|known| self.is_taken_over(name, known, *task))
        });
        let mut names: Vec<String> = done.map(|((name, _), _)| name.clone()).collect();
        names.dedup();
        for name in names {
            self.follow(&name);
        }
    }

    /// Members or tasks have changed: the placement may not be as it should be.
    pub(super) fn doubt_placement(&mut self) {
        self.unplaced_since.get_or_insert_with(Instant::now);
    }

    /// Puts tasks where they should be. The first of the members does so, the others when it does
    /// not.
    pub(super) fn look_at_placement(&mut self) {
        let Some(since) = self.unplaced_since else {
            return;
        };
        let members = self.staying.clone();
        let patience = match members.first() {
            Some(first) if *first == self.worker_id => PLACEMENT_PATIENCE,
            _ => PLACEMENT_PATIENCE_OF_OTHERS,
        };
        let is_member = members.binary_search(&self.worker_id).is_ok();
        let waits = since.elapsed() < patience || self.reads.unreachable().is_some();
        // A worker that does not see itself in the group sees too little to judge.
        if waits || !is_member || self.has_placement_job() {
            return;
        }
        let planned = self.registry.plan_placement(&members);
        if planned.is_empty() {
            self.unplaced_since = None;
            return;
        }
        info!(connectors = planned.len(), ?members, "placing tasks");
        // If it fails it is looked at again.
        self.unplaced_since = Some(Instant::now());
        self.enqueue(Job::Placement);
    }

    pub(super) fn begin_to_leave(&mut self, reply: Option<oneshot::Sender<()>>) {
        let until = Instant::now() + LEAVE_TIME_MAX;
        info!("leaving the cluster");
        self.leaving = Some(Leaving { until, reply });
        if self.stage.is_none() {
            self.say_what_is();
        }
    }

    /// Whether a worker that leaves may go: others have its tasks, or there are no others.
    pub(super) fn has_left(&mut self) -> bool {
        let Some(leaving) = &self.leaving else {
            return false;
        };
        let is_alone = self.staying.iter().all(|member| *member == self.worker_id);
        self.stage.is_some()
            || is_alone
            || self.told.is_empty()
            || leaving.until <= Instant::now()
            || self.reads.unreachable().is_some()
    }

    /// Stops what is left, and goes.
    pub(super) async fn end(mut self) {
        let reply = self.leaving.take().and_then(|leaving| leaving.reply);
        // Whoever still waits is told by this that the worker is stopping; but a change that is on its way
        // is not called back.
        self.reads = Reads::default();
        self.jobs.clear();
        self.refuse_all("the worker is stopping");
        self.write = None;
        let mut ending: Vec<JoinHandle<()>> =
            std::mem::take(&mut self.departing).into_values().collect();
        for supervisor in std::mem::take(&mut self.supervisors).into_values() {
            ending.push(supervisor.end());
        }
        let deadline = self.workshop.stop_deadline + STOP_MARGIN;
        let joined = timeout(deadline, async {
            for ended in &mut ending {
                if let Err(error) = ended.await {
                    warn!(error = %error, "supervisor broke down");
                }
            }
        });
        if joined.await.is_err() {
            warn!(
                "some connectors did not stop in time; what they had not committed is read again later"
            );
            ending.iter().for_each(JoinHandle::abort);
        }
        self.say_goodbye();
        if let Some(links) = self.links.take() {
            links.say_goodbye().await;
        }
        if let Some(reply) = reply {
            reply.send(()).ok();
        }
    }
}
