//! What workers say of their connectors and tasks: a fold of the status topic. No clock, no I/O.

use std::collections::{BTreeMap, BTreeSet};

use super::format::status::{StatusRecord, Told, TopicUse, WorkerRecord};
use super::members::Members;

/// Everything that is said.
#[derive(Debug, Default)]
pub(super) struct Statuses {
    connectors: BTreeMap<String, Told>,
    tasks: BTreeMap<String, BTreeMap<u32, Told>>,
    topics: BTreeMap<String, BTreeMap<String, TopicUse>>,
    workers: BTreeMap<String, WorkerRecord>,
}

impl Statuses {
    /// Takes in one record.
    pub(super) fn apply(&mut self, record: StatusRecord) {
        match record {
            StatusRecord::Connector { name, status } => match status {
                Some(status) => {
                    self.connectors.insert(name, status);
                }
                None => {
                    self.connectors.remove(&name);
                }
            },
            StatusRecord::Task { name, task, status } => {
                set_inner(&mut self.tasks, name, task, status);
            }
            StatusRecord::Topic { topic, name, used } => {
                set_inner(&mut self.topics, name, topic, used);
            }
            StatusRecord::Worker { worker_id, worker } => match worker {
                Some(worker) => {
                    self.workers.insert(worker_id, worker);
                }
                None => {
                    self.workers.remove(&worker_id);
                }
            },
        }
    }

    pub(super) fn connector(&self, name: &str) -> Option<&Told> {
        self.connectors.get(name)
    }

    pub(super) fn task(&self, name: &str, task: u32) -> Option<&Told> {
        self.tasks.get(name)?.get(&task)
    }

    /// Tasks of a connector of which anything is said.
    pub(super) fn tasks(&self, name: &str) -> impl Iterator<Item = (u32, &Told)> {
        let tasks = self.tasks.get(name).into_iter().flatten();
        tasks.map(|(task, told)| (*task, told))
    }

    /// Topics that a connector's tasks have read.
    pub(super) fn topics(&self, name: &str) -> impl Iterator<Item = (&String, &TopicUse)> {
        self.topics.get(name).into_iter().flatten()
    }

    pub(super) fn worker(&self, worker_id: &str) -> Option<&WorkerRecord> {
        self.workers.get(worker_id)
    }

    /// Workers that have said something of themselves.
    pub(super) fn workers(&self) -> impl Iterator<Item = &String> {
        self.workers.keys()
    }

    /// Connectors of which anything is said.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let names = self.connectors.keys().chain(self.tasks.keys());
        names.chain(self.topics.keys()).cloned().collect()
    }

    /// The records that take back everything that is said of a connector.
    pub(super) fn retraction(&self, name: &str) -> Vec<StatusRecord> {
        let mut records = Vec::new();
        if self.connectors.contains_key(name) {
            records.push(StatusRecord::Connector {
                name: name.to_owned(),
                status: None,
            });
        }
        records.extend(self.tasks(name).map(|(task, _)| StatusRecord::Task {
            name: name.to_owned(),
            task,
            status: None,
        }));
        records.extend(self.retraction_of_topics(name, |_| true));
        records
    }

    /// The records that forget which topics a connector's tasks have read, as far as they are of these
    /// uses.
    pub(super) fn retraction_of_topics(
        &self,
        name: &str,
        is_meant: impl Fn(&TopicUse) -> bool,
    ) -> Vec<StatusRecord> {
        let meant = self.topics(name).filter(|(_, used)| is_meant(used));
        let forget = |(topic, _): (&String, &TopicUse)| StatusRecord::Topic {
            topic: topic.clone(),
            name: name.to_owned(),
            used: None,
        };
        meant.map(forget).collect()
    }

    /// Those of the group that say that they are workers of the cluster with this config topic. While
    /// nobody does, as where nobody may write to the status topic, all of them.
    pub(super) fn workers_of(
        &self,
        group: &Members,
        config_topic: Option<&str>,
    ) -> BTreeSet<String> {
        let is_ours = |worker: &WorkerRecord| match &worker.config_topic {
            Some(said) => config_topic == Some(said),
            // Workers of earlier versions do not say.
            None => true,
        };
        let worker_ids = group.keys().cloned();
        let ours: BTreeSet<String> = worker_ids
            .clone()
            .filter(|worker_id| self.worker(worker_id).is_some_and(is_ours))
            .collect();
        if ours.is_empty() {
            return worker_ids.collect();
        }
        ours
    }

    /// Those of these members that have not said that they are leaving, sorted.
    pub(super) fn staying(&self, members: &BTreeSet<String>) -> Vec<String> {
        let leaves = |member: &String| self.worker(member).is_some_and(|worker| worker.leaving);
        members
            .iter()
            .filter(|member| !leaves(member))
            .cloned()
            .collect()
    }
}

fn set_inner<K: Ord, V>(
    map: &mut BTreeMap<String, BTreeMap<K, V>>,
    name: String,
    key: K,
    value: Option<V>,
) {
    if let Some(value) = value {
        map.entry(name).or_default().insert(key, value);
        return;
    }
    if let Some(inner) = map.get_mut(&name) {
        inner.remove(&key);
        if inner.is_empty() {
            map.remove(&name);
        }
    }
}
