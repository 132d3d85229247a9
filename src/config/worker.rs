//! The worker's own settings: read once at start, from a file, the environment and the command
//! line, and checked whole, so that every mistake is reported at once and with its place.
//!
//! Keys are Kafka Connect's, so that a `connect-standalone.properties` or
//! `connect-distributed.properties` can be used as it is: what has no meaning here is accepted with
//! a warning. A key that nobody knows is an error, with the key that was probably meant.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use super::converter::{Converter, HeaderConverter};
use super::providers::ConfigProviders;

mod build;
mod clients;
mod foreign;
pub mod keys;
mod resolve;
mod sources;

pub use clients::ClientSettings;
pub use sources::Place;

/// Where settings come from, in rising precedence after the built-in defaults.
#[derive(Clone, Default)]
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

/// Why the worker cannot start with these settings. Never shows a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be used at all.
    #[error("settings file {}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Settings are wrong; never empty.
    #[error("{}", list(.0))]
    Invalid(Vec<SettingProblem>),
}

/// One wrong setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// The key.
    pub key: String,
    /// Where it was given.
    pub place: Place,
    /// What is wrong.
    pub problem: String,
    /// What is allowed, where that can be said.
    pub allowed: Option<String>,
}

impl fmt::Display for SettingProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            place,
            problem,
            allowed,
        } = self;
        write!(formatter, "{key} ({place}): {problem}")?;
        match allowed {
            Some(allowed) => write!(formatter, "; allowed: {allowed}"),
            None => Ok(()),
        }
    }
}

fn list(problems: &[SettingProblem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect();
    format!("settings are wrong:{}", lines.concat())
}

/// One address of `listeners`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Host name or address, IPv6 without brackets; empty: all interfaces.
    pub host: String,
    /// Port; 0: any free one.
    pub port: u16,
    /// Serves https.
    pub tls: bool,
}

/// `admin.listeners`: where the requests are answered that concern the process, not its connectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminListeners {
    /// Where all others are.
    Same,
    /// Nowhere.
    Off,
    /// There only.
    Separate(Vec<Listener>),
}

/// A header that every answer of the REST API gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHeader {
    /// Beside one of the same name, instead of in its place.
    pub adds: bool,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Whether clients of https listeners must show a certificate: `listeners.https.ssl.client.auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    None,
    /// One that is shown must be good.
    Requested,
    /// They must.
    Required,
}

/// How https is served: `listeners.https.*`, and the worker's own `ssl.*` where those are not given.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpsSettings {
    /// Certificates, keys and passwords, under librdkafka's names.
    pub properties: Vec<(String, String)>,
    /// Whether clients must show a certificate.
    pub client_auth: ClientAuth,
}

impl HttpsSettings {
    /// The value of a property.
    pub fn property(&self, name: &str) -> Option<&str> {
        let found = self.properties.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for HttpsSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HttpsSettings")
            .field("client_auth", &self.client_auth)
            .finish_non_exhaustive()
    }
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

/// Reads a filter of log lines, such as `info, rowdock=debug`.
///
/// Spaces around directives are taken away first: the crate's own parser looks past them and cuts the
/// text where it stands all the same, so that it reads other words, or ends amid a character and panics
/// (tracing-subscriber 0.3.23).
///
/// # Errors
/// When it is none.
pub fn log_filter(text: &str) -> Result<EnvFilter, ParseError> {
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    EnvFilter::try_new(directives.join(","))
}

/// `connector.client.config.override.policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverridePolicy {
    /// Connectors may override every client setting.
    All,
    /// Only who they are to Kafka.
    Principal,
    /// Nothing.
    None,
}

impl OverridePolicy {
    /// As it is written in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Principal => "Principal",
            Self::None => "None",
        }
    }
}

/// What only a worker of a cluster needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// `config.storage.topic`.
    pub config_topic: Option<String>,
    /// `config.storage.replication.factor`; -1: the broker's default.
    pub config_replication: i32,
    /// `status.storage.topic`.
    pub status_topic: Option<String>,
    /// `status.storage.partitions`.
    pub status_partitions: i32,
    /// `status.storage.replication.factor`; -1: the broker's default.
    pub status_replication: i32,
    /// `session.timeout.ms`: of the group of workers.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`: of the group of workers.
    pub heartbeat_interval: Duration,
}

/// The worker's settings, typed and checked. `Default` is the built-in defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSettings {
    /// `bootstrap.servers`.
    pub bootstrap_servers: String,
    /// `group.id`: the group of workers.
    pub group_id: Option<String>,
    /// `connector.client.config.override.policy`.
    pub override_policy: OverridePolicy,
    /// What only a worker of a cluster needs.
    pub cluster: ClusterSettings,
    /// `listeners`: at least one.
    pub listeners: Vec<Listener>,
    /// `listeners.https.ssl.client.auth`.
    pub client_auth: ClientAuth,
    /// `admin.listeners`.
    pub admin_listeners: AdminListeners,
    /// `access.control.allow.origin`: origins whose pages may use the API; `*` is all.
    pub allowed_origins: Vec<String>,
    /// `access.control.allow.methods`: by which methods; empty is GET, POST and HEAD.
    pub allowed_methods: Vec<String>,
    /// `response.http.headers.config`.
    pub response_headers: Vec<ResponseHeader>,
    /// `rest.advertised.host.name`.
    pub advertised_host: Option<String>,
    /// `rest.advertised.port`.
    pub advertised_port: Option<u16>,
    /// Which of `listeners` others know the worker by (`rest.advertised.listener`).
    pub advertised_listener: usize,
    /// `tasks.fetch.memory.bytes`.
    pub fetch_memory_bytes: u64,
    /// `topic.tracking.enable`.
    pub topic_tracking: bool,
    /// `topic.tracking.allow.reset`.
    pub topic_tracking_reset: bool,
    /// `rest.request.body.max.bytes`.
    pub request_body_max_bytes: usize,
    /// `key.converter.*`.
    pub key_converter: Converter,
    /// `value.converter.*`.
    pub value_converter: Converter,
    /// `header.converter`.
    pub header_converter: HeaderConverter,
    /// `offset.flush.interval.ms`: how often positions are mirrored to Kafka's group offsets.
    pub offset_flush_interval: Duration,
    /// `task.shutdown.graceful.timeout.ms`: for all tasks together.
    pub shutdown_timeout: Duration,
    /// `config.providers.*`: where values stand that configs refer to.
    pub providers: ConfigProviders,
    /// `log.format`.
    pub log_format: LogFormat,
    /// `log.level`: a filter such as `info,rowdock::write=debug`.
    pub log_level: String,
    /// Kafka client settings: `security.protocol`, .., `consumer.*`, `producer.*`, `admin.*`.
    pub clients: ClientSettings,
}

impl SettingsSources {
    /// Nothing but these `--set`s.
    #[cfg(test)]
    pub(crate) fn overriding(overrides: &[&str]) -> Self {
        Self {
            overrides: overrides.iter().map(|&text| text.to_owned()).collect(),
            ..Self::default()
        }
    }

    /// With this process's environment.
    pub fn of_process(file: Option<PathBuf>, overrides: Vec<String>) -> Self {
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        Self {
            file,
            environment: std::env::vars_os()
                .map(|(variable, value)| (text(variable), text(value)))
                .collect(),
            overrides,
        }
    }
}

impl WorkerSettings {
    /// Merges the sources and checks every key.
    ///
    /// # Errors
    /// Unreadable or malformed file, unknown key, bad value: each with its key and place.
    pub fn load(sources: &SettingsSources) -> Result<Loaded, SettingsError> {
        let mut settings = sources::Settings::new();
        let mut problems = Vec::new();
        if let Some(path) = &sources.file {
            sources::read_file(path, &mut settings)?;
        }
        sources::read_environment(&sources.environment, &mut settings);
        sources::read_overrides(&sources.overrides, &mut settings, &mut problems);
        let providers = resolve::resolve(&mut settings, &sources.environment, &mut problems);
        build::build(&settings, providers, problems)
    }

    /// `host:port` under which this worker is known, given the port that the listener which others
    /// know was really bound to.
    pub fn worker_id(&self, bound_port: u16) -> String {
        let listener = self.listeners.get(self.advertised_listener);
        let listener = listener.map_or("", |listener| &listener.host);
        let host = match &self.advertised_host {
            Some(host) => host.clone(),
            None if matches!(listener, "" | "0.0.0.0" | "::") => machine_name(),
            None => listener.to_owned(),
        };
        let port = self.advertised_port.unwrap_or(bound_port);
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }
}

impl Default for WorkerSettings {
    fn default() -> Self {
        build::defaults()
    }
}

fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
