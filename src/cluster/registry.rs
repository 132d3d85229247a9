//! What should be: every connector's config, target state, tasks and restarts. No tasks, no clock,
//! no I/O.
//!
//! The registry is a **fold of a log**: [`apply`](Registry::apply) takes one record of the config
//! topic after the other, and whoever has read the same records has the same registry. A command is
//! first planned against it ([`plan`](Registry::plan)): either it is refused, or it comes down to
//! records. A standalone worker applies them at once; in a cluster they are appended to the topic,
//! and every worker applies them when it reads them. So there is one place that says what a command
//! does, and it cannot depend on who asked.
//!
//! The position of a record in its log, counted from 1, is the version of what it defines. Versions
//! of a config and of restarts are therefore the same numbers on every worker, whatever compaction
//! has left of the log when it joins: what they are follows from the last config alone, and from the
//! last restart after it, which tells the earlier ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::accepted::Accepted;
use super::format::{ConfigRecord, Restarts, TASKS_MAX};
use super::supervisor::TaskKey;
use super::view::{Kind, TargetState};
use crate::config::RawConfig;
use crate::config::parse::Invalid;
use crate::config::worker::WorkerSettings;

mod plan;

const CLASS_KEY: &str = "connector.class";
const TASKS_MAX_KEY: &str = "tasks.max";

/// One connector as it should be.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    /// The config as it was given, with its name.
    pub(super) raw: Arc<RawConfig>,
    /// The same as its tasks have it, made once: lists of connectors show it for each task.
    of_tasks: Arc<RawConfig>,
    /// What it means, or why it cannot be run here.
    pub(super) accepted: Result<Arc<Accepted>, Unfit>,
    /// Version of its first config since it was created, as far as the log still tells.
    pub(super) created: u64,
    /// Version of its config; tasks of an older one are stale.
    pub(super) config_version: u64,
    /// Running, paused or stopped.
    pub(super) target: TargetState,
    /// Its restarts since that config.
    pub(super) restarts: Restarts,
    /// How many tasks have been made for it; 0 when none were.
    committed: u32,
    /// How many it is to have, as its config says without a look at what that refers to: the same on
    /// every worker, whether it accepts the config or not.
    tasks_max: u32,
    /// The tasks that the log has configs of, and these where they are another program's: those of ours
    /// all have the connector's.
    task_configs: BTreeMap<u32, Option<Arc<RawConfig>>>,
    /// Worker of each task; empty on a standalone worker.
    pub(super) owners: Vec<String>,
}

/// A connector that is shown, and never run: of a class that is not built in, or with a config that
/// is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) kind: Kind,
    /// Its class, when it is not built in: the connector is another program's.
    pub(super) foreign_class: Option<String>,
    pub(super) reason: String,
}

/// All connectors as they should be.
#[derive(Debug)]
pub(super) struct Registry {
    settings: Arc<WorkerSettings>,
    definitions: BTreeMap<String, Definition>,
    /// Target states; may precede their connectors, and outlive them.
    targets: BTreeMap<String, TargetState>,
    /// How many tasks have been made for connectors; likewise. Compaction may leave a commit before a
    /// config that came after it in the place of an earlier one.
    commits: BTreeMap<String, u32>,
    /// Task configs that no commit has put in force; those of our connectors are not kept.
    staged: BTreeMap<String, BTreeMap<u32, Option<Arc<RawConfig>>>>,
    /// Loggers whose levels are in the log.
    loggers: BTreeSet<String>,
}

impl Unfit {
    /// As it is told.
    pub(super) fn shown(&self) -> String {
        format!("shown and not run: {}", self.reason)
    }
}

impl Definition {
    /// Why this worker does not accept its config, which can be mended: it is no other program's.
    pub(super) fn mendable(&self) -> Option<&Unfit> {
        let unfit = self.accepted.as_ref().err()?;
        unfit.foreign_class.is_none().then_some(unfit)
    }

    /// Numbers of the tasks that it should have are below this.
    pub(super) fn task_count(&self) -> u32 {
        match self.target {
            TargetState::Stopped => 0,
            // Whoever was to make them was ended first, such as Kafka Connect between a resume and its
            // tasks.
            TargetState::Running if self.committed == 0 && !self.is_foreign() => self.tasks_max,
            TargetState::Running | TargetState::Paused => self.committed,
        }
    }

    /// It is another program's.
    fn is_foreign(&self) -> bool {
        let unfit = self.accepted.as_ref().err();
        unfit.is_some_and(|unfit| unfit.foreign_class.is_some())
    }

    /// What distinguishes the task of this number from its predecessors.
    pub(super) fn key(&self, task: u32) -> TaskKey {
        TaskKey {
            config_version: self.config_version,
            restarts: self.restarts.tasks.get(&task).copied().unwrap_or_default(),
        }
    }

    /// The worker that has this task; `None` when it is not placed, or on a standalone worker.
    pub(super) fn owner(&self, task: u32) -> Option<&str> {
        let index = usize::try_from(task).ok()?;
        self.owners.get(index).map(String::as_str)
    }

    /// The config of a task as it is shown.
    pub(super) fn task_config(&self, task: u32) -> Arc<RawConfig> {
        match self.task_configs.get(&task) {
            Some(Some(config)) if self.is_foreign() => Arc::clone(config),
            _ => Arc::clone(&self.of_tasks),
        }
    }
}

impl Registry {
    pub(super) fn new(settings: Arc<WorkerSettings>) -> Self {
        Self {
            settings,
            definitions: BTreeMap::new(),
            targets: BTreeMap::new(),
            commits: BTreeMap::new(),
            staged: BTreeMap::new(),
            loggers: BTreeSet::new(),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Definition> {
        self.definitions.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Definition)> {
        self.definitions.iter()
    }

    /// Takes in one record of the log. Returns the connector that it concerns.
    pub(super) fn apply(&mut self, version: u64, record: ConfigRecord) -> Option<String> {
        match record {
            ConfigRecord::Connector { name, config } => {
                match config {
                    Some(config) => self.define(version, &name, config),
                    None => self.forget(&name),
                }
                Some(name)
            }
            ConfigRecord::Task { name, task, config } => {
                let is_ours = |known: &Definition| !known.is_foreign();
                let is_ours = self.definitions.get(&name).is_some_and(is_ours);
                let staged = self.staged.entry(name).or_default();
                match config {
                    Some(config) => staged.insert(task, (!is_ours).then_some(config)),
                    None => staged.remove(&task),
                };
                None
            }
            ConfigRecord::Commit { name, tasks } => {
                let staged = self.staged.remove(&name).unwrap_or_default();
                match tasks {
                    Some(tasks) => self.commits.insert(name.clone(), tasks),
                    None => self.commits.remove(&name),
                };
                let definition = self.definitions.get_mut(&name)?;
                definition.committed = tasks.unwrap_or_default();
                let is_foreign = definition.is_foreign();
                let kept = |config: Option<Arc<RawConfig>>| config.filter(|_| is_foreign);
                let staged = staged.into_iter();
                definition
                    .task_configs
                    .extend(staged.map(|(task, config)| (task, kept(config))));
                definition
                    .task_configs
                    .retain(|task, _| *task < definition.committed);
                Some(name)
            }
            ConfigRecord::Target { name, target } => {
                if target == Some(TargetState::Running) {
                    self.accept_again(&name);
                }
                let definition = self.definitions.get_mut(&name);
                if let Some(definition) = definition {
                    definition.target = target.unwrap_or(TargetState::Running);
                }
                match target {
                    Some(target) => self.targets.insert(name.clone(), target),
                    None => self.targets.remove(&name),
                };
                Some(name)
            }
            ConfigRecord::Restart { name, restart } => {
                // One that Kafka Connect wrote was for its own workers, and has left none of ours.
                let chosen = restart.chosen.unwrap_or_default();
                if chosen.connector || !chosen.tasks.is_empty() {
                    self.accept_again(&name);
                }
                let definition = self.definitions.get_mut(&name)?;
                definition.restarts = chosen.earlier;
                if chosen.connector {
                    definition.restarts.connector = version;
                }
                let tasks = chosen.tasks.into_iter().map(|task| (task, version));
                definition.restarts.tasks.extend(tasks);
                Some(name)
            }
            ConfigRecord::Placement { name, owners } => {
                let definition = self.definitions.get_mut(&name)?;
                definition.owners = owners.unwrap_or_default();
                Some(name)
            }
            ConfigRecord::Logger { name, level } => {
                match level {
                    Some(_) => self.loggers.insert(name),
                    None => self.loggers.remove(&name),
                };
                None
            }
        }
    }

    /// What its config refers to may have been missing when it was read, such as a file of secrets.
    fn accept_again(&mut self, name: &str) {
        let unfit = |known: &&Definition| known.accepted.is_err();
        let Some(known) = self.definitions.get(name).filter(unfit) else {
            return;
        };
        let accepted = self.accept_or_tell(name, &known.raw);
        if let Some(known) = self.definitions.get_mut(name) {
            known.accepted = accepted;
        }
    }

    fn accept_or_tell(&self, name: &str, config: &RawConfig) -> Result<Arc<Accepted>, Unfit> {
        let accepted = self.accept(name, config).map(Arc::new);
        accepted.map_err(|invalid| Unfit {
            kind: kind_of(config, &invalid),
            foreign_class: match &invalid {
                Invalid::UnknownClass(unknown) => Some(unknown.class.clone()),
                _ => None,
            },
            reason: invalid.to_string(),
        })
    }

    fn define(&mut self, version: u64, name: &str, config: RawConfig) {
        let accepted = self.accept_or_tell(name, &config);
        let raw = Arc::new(config);
        let of_tasks = Arc::new(task_config(&raw));
        if let Some(known) = self.definitions.get_mut(name) {
            known.tasks_max = tasks_max(&raw);
            known.raw = raw;
            known.of_tasks = of_tasks;
            known.accepted = accepted;
            known.config_version = version;
            known.restarts = Restarts::default();
            return;
        }
        self.staged.remove(name);
        let target = self.targets.get(name).copied();
        let definition = Definition {
            tasks_max: tasks_max(&raw),
            raw,
            of_tasks,
            accepted,
            created: version,
            config_version: version,
            target: target.unwrap_or(TargetState::Running),
            restarts: Restarts::default(),
            committed: self.commits.get(name).copied().unwrap_or_default(),
            task_configs: BTreeMap::new(),
            owners: Vec::new(),
        };
        self.definitions.insert(name.to_owned(), definition);
    }

    fn forget(&mut self, name: &str) {
        self.definitions.remove(name);
        self.staged.remove(name);
    }

    fn accept(&self, name: &str, config: &RawConfig) -> Result<Accepted, Invalid> {
        Accepted::of(name, config, &self.settings)
    }
}

/// How many tasks a config asks for: one unless it names a number.
fn tasks_max(config: &RawConfig) -> u32 {
    let given = config.get(TASKS_MAX_KEY).and_then(Option::as_deref);
    let given = given.and_then(|text| text.trim().parse().ok());
    given.unwrap_or(1).clamp(1, TASKS_MAX)
}

/// A task's config as Kafka Connect makes it: the connector's, and the class of its tasks.
fn task_config(config: &RawConfig) -> RawConfig {
    let mut of_task = config.clone();
    if let Some(Some(class)) = config.get(CLASS_KEY) {
        of_task.insert("task.class".to_owned(), Some(format!("{class}Task")));
    }
    of_task
}

/// What kind of connector a config is that cannot be run here.
fn kind_of(config: &RawConfig, invalid: &Invalid) -> Kind {
    match invalid {
        Invalid::Keys(_) | Invalid::OtherClass { .. } => Kind::Sink,
        Invalid::NoClass { .. } | Invalid::UnknownClass(_) => {
            let class = config.get(CLASS_KEY).and_then(Option::as_deref);
            let class = class.unwrap_or_default();
            let class = class.strip_suffix("Connector").unwrap_or(class);
            if class.ends_with("Source") {
                Kind::Source
            } else if class.ends_with("Sink") {
                Kind::Sink
            } else {
                Kind::Unknown
            }
        }
    }
}

#[cfg(test)]
mod tests;
