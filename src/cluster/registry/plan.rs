//! Commands, checked against what is and made into records. Pure: nothing is changed here.
//!
//! The order of checks is Kafka Connect's, because clients see it: the name in the config, then the
//! config itself, then whether the connector exists.

use std::sync::Arc;

use super::{Definition, Registry, task_config};
use crate::cluster::accepted::Accepted;
use crate::cluster::format::{Chosen, ConfigRecord, Restart, TASKS_MAX};
use crate::cluster::handle::{ClusterError, Command, RestartScope};
use crate::cluster::placement::{self, Wanted};
use crate::cluster::view::{ConnectorView, TargetState};
use crate::config::RawConfig;
use crate::telemetry::{LOGGERS_MAX, LoggerLevel};

const NAME_KEY: &str = "name";
/// Configs of all tasks that one change makes. Enough for the most tasks that a config may ask for, with
/// configs of 32 KiB.
const TASKS_BYTES_MAX: usize = 32 * 1024 * 1024;

impl Registry {
    /// Checks a command against what is, and says which records carry it out; none when nothing
    /// would change. `now` is the connector as it is shown, for what a restart chooses; `members`
    /// are the workers to place tasks on, sorted, none on a standalone worker.
    ///
    /// # Errors
    /// When the command's precondition does not hold.
    pub(in crate::cluster) fn plan(
        &self,
        command: &Command,
        now: Option<&ConnectorView>,
        members: &[String],
    ) -> Result<Vec<ConfigRecord>, ClusterError> {
        let records = self.records_for(command, now, members)?;
        check_size(&records)?;
        Ok(records)
    }

    fn records_for(
        &self,
        command: &Command,
        now: Option<&ConnectorView>,
        members: &[String],
    ) -> Result<Vec<ConfigRecord>, ClusterError> {
        match command {
            Command::Create {
                name,
                config,
                target,
            } => {
                let config = with_name(name, config.clone())?;
                let accepted = self.accept(name, &config)?;
                if self.definitions.contains_key(name) {
                    return Err(ClusterError::AlreadyExists { name: name.clone() });
                }
                Ok(self.creation(name, config, &accepted, *target, members))
            }
            Command::PutConfig { name, config } => {
                let config = with_name(name, config.clone())?;
                let accepted = self.accept(name, &config)?;
                match self.definitions.get(name) {
                    Some(known) => Ok(self.change(name, known, config, &accepted, members)),
                    None => {
                        let target = TargetState::Running;
                        Ok(self.creation(name, config, &accepted, target, members))
                    }
                }
            }
            Command::PatchConfig { name, changes } => {
                let known = self.known(name)?;
                let config = patched(name, &known.raw, changes)?;
                let accepted = self.accept(name, &config)?;
                Ok(self.change(name, known, config, &accepted, members))
            }
            Command::Delete { name } => Ok(deletion(name, self.own(name)?)),
            Command::SetTarget { name, target } => {
                let known = self.own(name)?;
                Ok(self.new_target(name, known, *target, members))
            }
            Command::Restart { name, scope } => {
                let known = self.own(name)?;
                let now = now.ok_or_else(|| unknown_connector(name))?;
                Ok(restart(known, now, *scope))
            }
            Command::RestartTask { name, task } => {
                let known = self.own(name)?;
                let now = now.ok_or_else(|| unknown_connector(name))?;
                restart_task(known, now, *task)
            }
        }
    }

    /// The record that sets the level of a logger on all workers.
    ///
    /// # Errors
    /// When the log has levels of too many.
    pub(in crate::cluster) fn plan_logger(
        &self,
        name: &str,
        level: LoggerLevel,
    ) -> Result<Vec<ConfigRecord>, ClusterError> {
        if self.loggers.len() >= LOGGERS_MAX && !self.loggers.contains(name) {
            let reason = format!("{LOGGERS_MAX} loggers have levels on all workers already");
            return Err(ClusterError::TooLarge { reason });
        }
        Ok(vec![ConfigRecord::Logger {
            name: name.to_owned(),
            level: Some(level.name().to_owned()),
        }])
    }

    /// Records that put every task where it should be; none when all are.
    pub(in crate::cluster) fn plan_placement(&self, members: &[String]) -> Vec<ConfigRecord> {
        let placed = placement::place(members, &self.wanted());
        placed
            .into_iter()
            .filter(|(name, owners)| {
                let known = self.definitions.get(name);
                known.is_some_and(|known| known.owners != *owners)
            })
            .map(|(name, owners)| ConfigRecord::Placement {
                name,
                owners: Some(owners),
            })
            .collect()
    }

    /// Connectors with tasks to place: all but those of other programs. Whether a config can be run is
    /// another matter, and may differ from worker to worker, such as by a file of secrets that one of
    /// them lacks; what is placed where must not, or they would move tasks to and fro.
    fn wanted(&self) -> Vec<Wanted<'_>> {
        self.definitions
            .iter()
            .filter(|(_, definition)| !definition.is_foreign())
            .map(|(name, definition)| Wanted {
                name,
                tasks: usize::try_from(definition.task_count()).unwrap_or(usize::MAX),
                previous: &definition.owners,
            })
            .collect()
    }

    fn known(&self, name: &str) -> Result<&Definition, ClusterError> {
        self.definitions
            .get(name)
            .ok_or_else(|| unknown_connector(name))
    }

    /// One that is not another program's.
    fn own(&self, name: &str) -> Result<&Definition, ClusterError> {
        let known = self.known(name)?;
        let unfit = known.accepted.as_ref().err();
        match unfit.and_then(|unfit| unfit.foreign_class.clone()) {
            Some(class) => Err(ClusterError::NotOurs {
                name: name.to_owned(),
                class,
            }),
            None => Ok(known),
        }
    }

    fn creation(
        &self,
        name: &str,
        config: RawConfig,
        accepted: &Accepted,
        target: TargetState,
        members: &[String],
    ) -> Vec<ConfigRecord> {
        // First, so that no reader sees the connector with another target.
        let mut records = vec![ConfigRecord::Target {
            name: name.to_owned(),
            target: Some(target),
        }];
        let tasks = match target {
            TargetState::Running => accepted.config.tasks_max.min(TASKS_MAX),
            // As in Kafka Connect, they come with the first resume.
            TargetState::Paused | TargetState::Stopped => 0,
        };
        let of_tasks = self.tasks(name, &config, tasks, members);
        records.push(connector(name, config));
        records.extend(of_tasks);
        records
    }

    /// The very same config again changes nothing, so that tools that put it over and over do not
    /// restart tasks.
    fn change(
        &self,
        name: &str,
        known: &Definition,
        config: RawConfig,
        accepted: &Accepted,
        members: &[String],
    ) -> Vec<ConfigRecord> {
        let tasks = accepted.config.tasks_max.min(TASKS_MAX);
        // Kafka Connect changes those of a paused connector when it is resumed.
        let has_other_tasks = known.target == TargetState::Running && known.task_count() != tasks;
        if *known.raw == config && known.accepted.is_ok() && !has_other_tasks {
            return Vec::new();
        }
        let has_tasks = match known.target {
            TargetState::Running => true,
            TargetState::Paused => known.task_count() > 0,
            TargetState::Stopped => false,
        };
        let of_tasks = if has_tasks {
            self.tasks(name, &config, tasks, members)
        } else {
            Vec::new()
        };
        let mut records = vec![connector(name, config)];
        records.extend(of_tasks);
        records
    }

    fn new_target(
        &self,
        name: &str,
        known: &Definition,
        target: TargetState,
        members: &[String],
    ) -> Vec<ConfigRecord> {
        let mut records = Vec::new();
        if self.targets.get(name) != Some(&target) {
            records.push(ConfigRecord::Target {
                name: name.to_owned(),
                target: Some(target),
            });
        }
        let tasks = match target {
            TargetState::Stopped => 0,
            TargetState::Paused => known.task_count(),
            // Kafka Connect has made none of a config that a connector was given while it was paused.
            TargetState::Running if known.committed == 0 || known.target != target => {
                self.tasks_asked_for(name, known)
            }
            TargetState::Running => known.committed,
        };
        if tasks != known.committed {
            records.extend(self.tasks(name, &known.raw, tasks, members));
        }
        records
    }

    /// How many tasks a connector is to have that begins to run. Its config is looked at anew: what it
    /// refers to may be there by now. Where it is not, another worker may have it, and tasks that nobody
    /// can run say why.
    fn tasks_asked_for(&self, name: &str, known: &Definition) -> u32 {
        let accepted = self.accept(name, &known.raw);
        accepted.map_or(known.tasks_max, |accepted| {
            accepted.config.tasks_max.min(TASKS_MAX)
        })
    }

    /// The connector's tasks from now on, and where they are.
    fn tasks(
        &self,
        name: &str,
        config: &RawConfig,
        tasks: u32,
        members: &[String],
    ) -> Vec<ConfigRecord> {
        let of_task = Arc::new(task_config(config));
        let task = |task| ConfigRecord::Task {
            name: name.to_owned(),
            task,
            config: Some(Arc::clone(&of_task)),
        };
        let mut records: Vec<ConfigRecord> = (0..tasks).map(task).collect();
        records.push(ConfigRecord::Commit {
            name: name.to_owned(),
            tasks: Some(tasks),
        });
        let known = self.definitions.get(name);
        let wanted = Wanted {
            name,
            tasks: usize::try_from(tasks).unwrap_or(usize::MAX),
            previous: known.map_or(&[], |known| known.owners.as_slice()),
        };
        let mut all = self.wanted();
        match all.binary_search_by(|other| other.name.cmp(name)) {
            Ok(index) => all[index] = wanted,
            Err(index) => all.insert(index, wanted),
        }
        if let Some(owners) = placement::place(members, &all).remove(name) {
            records.push(ConfigRecord::Placement {
                name: name.to_owned(),
                owners: Some(owners),
            });
        }
        records
    }
}

/// All of it is held in memory, here and by every worker that reads it.
fn check_size(records: &[ConfigRecord]) -> Result<(), ClusterError> {
    let has_config = |record: &&ConfigRecord| {
        matches!(
            record,
            ConfigRecord::Task {
                config: Some(_),
                ..
            }
        )
    };
    let mut of_tasks = records.iter().filter(has_config);
    // All of a change have the same.
    let bytes = of_tasks.next().and_then(|record| record.encode().value);
    let bytes = bytes.map_or(0, |value| value.len());
    let tasks = 1 + of_tasks.count();
    if tasks.saturating_mul(bytes) <= TASKS_BYTES_MAX {
        return Ok(());
    }
    let reason = format!(
        "the change is too large: the config of each of its {tasks} tasks has {bytes} bytes, and all of them together may have \
         {TASKS_BYTES_MAX}: set tasks.max lower, or make the config shorter"
    );
    Err(ClusterError::TooLarge { reason })
}

fn connector(name: &str, config: RawConfig) -> ConfigRecord {
    ConfigRecord::Connector {
        name: name.to_owned(),
        config: Some(config),
    }
}

fn deletion(name: &str, known: &Definition) -> Vec<ConfigRecord> {
    let name = || name.to_owned();
    let mut records = vec![
        ConfigRecord::Connector {
            name: name(),
            config: None,
        },
        ConfigRecord::Target {
            name: name(),
            target: None,
        },
        ConfigRecord::Commit {
            name: name(),
            tasks: None,
        },
    ];
    let tasks = known.task_configs.keys();
    records.extend(tasks.map(|task| ConfigRecord::Task {
        name: name(),
        task: *task,
        config: None,
    }));
    if !known.owners.is_empty() {
        records.push(ConfigRecord::Placement {
            name: name(),
            owners: None,
        });
    }
    records
}

/// What the flags choose of the connector as it is now.
fn restart(known: &Definition, now: &ConnectorView, scope: RestartScope) -> Vec<ConfigRecord> {
    let chosen = |failed: bool| failed || !scope.only_failed;
    let tasks = now
        .tasks
        .iter()
        .filter(|task| scope.include_tasks && chosen(task.is_failed()))
        .map(|task| task.task)
        .collect();
    restart_of(known, now, scope, chosen(now.is_failed()), tasks)
}

fn restart_task(
    known: &Definition,
    now: &ConnectorView,
    task: u32,
) -> Result<Vec<ConfigRecord>, ClusterError> {
    if !now.tasks.iter().any(|known| known.task == task) {
        return Err(ClusterError::UnknownTask {
            name: now.name.clone(),
            task,
        });
    }
    let scope = RestartScope::default();
    Ok(restart_of(known, now, scope, false, vec![task]))
}

fn restart_of(
    known: &Definition,
    now: &ConnectorView,
    scope: RestartScope,
    connector: bool,
    tasks: Vec<u32>,
) -> Vec<ConfigRecord> {
    if !connector && tasks.is_empty() {
        return Vec::new();
    }
    let mut earlier = known.restarts.clone();
    earlier.tasks.retain(|task, _| !tasks.contains(task));
    if connector {
        earlier.connector = 0;
    }
    vec![ConfigRecord::Restart {
        name: now.name.clone(),
        restart: Restart {
            include_tasks: scope.include_tasks,
            only_failed: scope.only_failed,
            chosen: Some(Chosen {
                connector,
                tasks,
                earlier,
            }),
        },
    }]
}

fn unknown_connector(name: &str) -> ClusterError {
    ClusterError::UnknownConnector {
        name: name.to_owned(),
    }
}

fn patched(name: &str, known: &RawConfig, changes: &RawConfig) -> Result<RawConfig, ClusterError> {
    let mut config = known.clone();
    for (key, value) in changes {
        if value.is_some() {
            config.insert(key.clone(), value.clone());
        } else {
            config.remove(key);
        }
    }
    if let Some(included) = config.get(NAME_KEY) {
        check_name(name, included.as_deref())?;
    }
    Ok(config)
}

/// Puts the connector's name into its config, where it must be absent, null, or the same.
fn with_name(name: &str, mut config: RawConfig) -> Result<RawConfig, ClusterError> {
    check_name(name, config.get(NAME_KEY).and_then(Option::as_deref))?;
    config.insert(NAME_KEY.to_owned(), Some(name.to_owned()));
    Ok(config)
}

fn check_name(name: &str, included: Option<&str>) -> Result<(), ClusterError> {
    match included {
        Some(included) if included != name => Err(ClusterError::OtherName {
            included: included.to_owned(),
            expected: name.to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}
