//! The worker's own settings.

use std::path::PathBuf;
use std::time::Duration;

use super::connector::Converter;

/// Where settings come from, in rising precedence after the built-in defaults.
#[derive(Debug, Clone, Default)]
pub struct SettingsSources {
    /// `--config`: `.toml`, or `.properties` as Kafka Connect's worker files.
    pub file: Option<PathBuf>,
    /// The process's environment; only `CONNECT_*` is looked at.
    pub environment: Vec<(String, String)>,
    /// `--set key=value`, as given.
    pub overrides: Vec<String>,
}

/// Settings, and what the log should say about where they came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: WorkerSettings,
    /// Keys that were accepted without effect.
    pub warnings: Vec<String>,
}

/// Why the worker cannot start with these settings. Lists every problem; never shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Placeholder for the skeleton.
    #[error("invalid settings:{}", .0.join("\n  "))]
    Invalid(Vec<String>),
}

/// One address of `listeners`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Host name or address; empty: all interfaces.
    pub host: String,
    /// Port; 0: any free one.
    pub port: u16,
}

/// `log.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, else JSON.
    Auto,
    /// Lines for people.
    Human,
    /// One JSON object per line.
    Json,
}

/// The worker's settings, typed and checked.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// `bootstrap.servers`.
    pub bootstrap_servers: String,
    /// `group.id`: the group of workers.
    pub group_id: Option<String>,
    /// `listeners`: at least one.
    pub listeners: Vec<Listener>,
    /// `rest.advertised.host.name`.
    pub advertised_host: Option<String>,
    /// `rest.advertised.port`.
    pub advertised_port: Option<u16>,
    /// `key.converter.*`.
    pub key_converter: Converter,
    /// `value.converter.*`.
    pub value_converter: Converter,
    /// `offset.flush.interval.ms`: how often positions are mirrored to Kafka's group offsets.
    pub offset_flush_interval: Duration,
    /// `task.shutdown.graceful.timeout.ms`.
    pub shutdown_timeout: Duration,
    /// `rest.request.body.max.bytes`.
    pub request_body_max_bytes: usize,
    /// `log.format`.
    pub log_format: LogFormat,
    /// `log.level`: a filter such as `info,rowdock::write=debug`.
    pub log_level: String,
}

impl WorkerSettings {
    /// Merges the sources and checks every key.
    ///
    /// # Errors
    /// Unreadable or malformed file, unknown key, bad value: each with its key and source.
    pub fn load(_sources: &SettingsSources) -> Result<Loaded, SettingsError> {
        todo!()
    }

    /// `host:port` under which this worker is known, given the port that was really bound.
    pub fn worker_id(&self, _bound_port: u16) -> String {
        todo!()
    }
}
