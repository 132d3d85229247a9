//! What should be: every connector's config, target state and restarts. No tasks, no clock, no I/O.
//!
//! The order of checks is Kafka Connect's, because clients see it: the name in the config, then the
//! config itself, then whether the connector exists.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::accepted::Accepted;
use super::handle::ClusterError;
use super::supervisor::Desired;
use super::view::TargetState;
use crate::config::RawConfig;
use crate::config::parse::Invalid;
use crate::config::worker::WorkerSettings;

const NAME_KEY: &str = "name";

/// One connector as it should be.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    /// The config as it was given, with its name.
    pub(super) raw: Arc<RawConfig>,
    /// What its supervisor is told.
    pub(super) desired: Desired,
}

/// All connectors as they should be.
#[derive(Debug)]
pub(super) struct Registry {
    settings: Arc<WorkerSettings>,
    definitions: BTreeMap<String, Definition>,
    last_config_version: u64,
}

impl Registry {
    pub(super) fn new(settings: Arc<WorkerSettings>) -> Self {
        Self {
            settings,
            definitions: BTreeMap::new(),
            last_config_version: 0,
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Definition> {
        self.definitions.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Definition)> {
        self.definitions.iter()
    }

    /// Adds a connector.
    pub(super) fn create(
        &mut self,
        name: &str,
        config: RawConfig,
        target: TargetState,
    ) -> Result<&Definition, ClusterError> {
        let config = with_name(name, config)?;
        let accepted = self.accept(&config)?;
        if self.definitions.contains_key(name) {
            return Err(ClusterError::AlreadyExists {
                name: name.to_owned(),
            });
        }
        Ok(self.store(name, config, accepted, target))
    }

    /// Replaces a connector's config or adds the connector; tells whether it was added.
    pub(super) fn put_config(
        &mut self,
        name: &str,
        config: RawConfig,
    ) -> Result<(&Definition, bool), ClusterError> {
        let config = with_name(name, config)?;
        let accepted = self.accept(&config)?;
        let target = self.definitions.get(name).map(|known| known.desired.target);
        let created = target.is_none();
        let target = target.unwrap_or(TargetState::Running);
        Ok((self.store(name, config, accepted, target), created))
    }

    /// Sets and removes some keys of a connector's config.
    pub(super) fn patch_config(
        &mut self,
        name: &str,
        changes: RawConfig,
    ) -> Result<&Definition, ClusterError> {
        let known = self.known(name)?;
        let mut config = RawConfig::clone(&known.raw);
        let target = known.desired.target;
        for (key, value) in changes {
            if value.is_some() {
                config.insert(key, value);
            } else {
                config.remove(&key);
            }
        }
        if let Some(included) = config.get(NAME_KEY) {
            check_name(name, included.as_deref())?;
        }
        let accepted = self.accept(&config)?;
        Ok(self.store(name, config, accepted, target))
    }

    /// Removes a connector and returns what it was.
    pub(super) fn remove(&mut self, name: &str) -> Result<Definition, ClusterError> {
        self.definitions
            .remove(name)
            .ok_or_else(|| unknown_connector(name))
    }

    /// Sets what a connector should do.
    pub(super) fn set_target(
        &mut self,
        name: &str,
        target: TargetState,
    ) -> Result<&Definition, ClusterError> {
        let known = self.known_mut(name)?;
        known.desired.target = target;
        Ok(known)
    }

    /// Asks for a restart of the connector itself, and of these tasks.
    pub(super) fn restart(
        &mut self,
        name: &str,
        connector: bool,
        tasks: &[u32],
    ) -> Result<&Definition, ClusterError> {
        let known = self.known_mut(name)?;
        if connector {
            known.desired.connector_restarts += 1;
        }
        for task in tasks {
            let restarts = usize::try_from(*task)
                .ok()
                .and_then(|index| known.desired.task_restarts.get_mut(index));
            if let Some(restarts) = restarts {
                *restarts += 1;
            }
        }
        Ok(known)
    }

    fn known(&self, name: &str) -> Result<&Definition, ClusterError> {
        self.definitions
            .get(name)
            .ok_or_else(|| unknown_connector(name))
    }

    fn known_mut(&mut self, name: &str) -> Result<&mut Definition, ClusterError> {
        self.definitions
            .get_mut(name)
            .ok_or_else(|| unknown_connector(name))
    }

    fn accept(&self, config: &RawConfig) -> Result<Accepted, Invalid> {
        Accepted::of(config, &self.settings)
    }

    /// Stores a config that was accepted. The very same config again changes nothing, so that tools
    /// that put it over and over do not restart tasks.
    fn store(
        &mut self,
        name: &str,
        config: RawConfig,
        accepted: Accepted,
        target: TargetState,
    ) -> &Definition {
        let known = self.definitions.remove(name);
        let connector_restarts = known
            .as_ref()
            .map_or(0, |known| known.desired.connector_restarts);
        let unchanged = known.filter(|known| *known.raw == config);
        let definition = unchanged.unwrap_or_else(|| {
            self.last_config_version += 1;
            let tasks = usize::try_from(accepted.config.tasks_max).unwrap_or(usize::MAX);
            Definition {
                raw: Arc::new(config),
                desired: Desired {
                    accepted: Arc::new(accepted),
                    config_version: self.last_config_version,
                    target,
                    connector_restarts,
                    task_restarts: vec![0; tasks],
                },
            }
        });
        self.definitions
            .entry(name.to_owned())
            .or_insert(definition)
    }
}

fn unknown_connector(name: &str) -> ClusterError {
    ClusterError::UnknownConnector {
        name: name.to_owned(),
    }
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
