//! A config that was accepted, with what follows from it for the Kafka clients.

use std::borrow::Cow;
use std::sync::Arc;

use crate::config::RawConfig;
use crate::config::connector::ConnectorConfig;
use crate::config::kafka::{consumer_properties, producer_properties};
use crate::config::parse::Invalid;
use crate::config::providers::refers_to_providers;
use crate::config::worker::WorkerSettings;
use crate::task::TaskSpec;

const NAME_KEY: &str = "name";

/// A config, as what tasks are started from.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) config: Arc<ConnectorConfig>,
    consumer_properties: Vec<(String, String)>,
    producer_properties: Vec<(String, String)>,
    /// As it was given, when it has references to config providers: they are resolved anew for
    /// every start of a task.
    refers: Option<Arc<RawConfig>>,
}

impl Accepted {
    /// Checks the config of a connector of this name.
    pub(super) fn of(
        name: &str,
        raw: &RawConfig,
        settings: &WorkerSettings,
    ) -> Result<Self, Invalid> {
        let raw = &*named(name, raw);
        let parsed = ConnectorConfig::parse(raw, settings)?;
        Ok(Self {
            consumer_properties: consumer_properties(settings, &parsed).map_err(Invalid::Keys)?,
            producer_properties: producer_properties(settings, &parsed).map_err(Invalid::Keys)?,
            config: Arc::new(parsed),
            refers: refers_to_providers(raw).then(|| Arc::new(raw.clone())),
        })
    }

    /// What a task is started from now. When a config provider no longer gives what it gave, the
    /// task is told why it cannot run.
    pub(super) fn task_spec(
        &self,
        settings: &WorkerSettings,
        worker_id: &str,
        task: u32,
        paused: bool,
    ) -> TaskSpec {
        let now = match &self.refers {
            Some(raw) => Self::of(&self.config.name, raw, settings),
            None => Ok(self.clone()),
        };
        let refused = now.as_ref().err().map(ToString::to_string);
        let now = now.unwrap_or_else(|_| self.clone());
        TaskSpec {
            config: now.config,
            task,
            worker_id: worker_id.to_owned(),
            consumer_properties: now.consumer_properties,
            producer_properties: now.producer_properties,
            offset_flush_interval: settings.offset_flush_interval,
            paused,
            refused,
        }
    }
}

/// A config with the name under which its connector is known. The log's key is what others go by, the
/// groups of consumers too; a config that was copied may have another one in it.
pub(super) fn named<'a>(name: &str, raw: &'a RawConfig) -> Cow<'a, RawConfig> {
    let included = raw.get(NAME_KEY).and_then(Option::as_deref);
    if included.is_none_or(|included| included == name) {
        return Cow::Borrowed(raw);
    }
    let mut raw = raw.clone();
    raw.insert(NAME_KEY.to_owned(), Some(name.to_owned()));
    Cow::Owned(raw)
}
