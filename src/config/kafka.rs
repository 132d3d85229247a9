//! Client settings: names and values of Kafka's Java clients, translated to those of librdkafka.
//!
//! Settings come in layers, each over the one before: the worker's own (`security.protocol`, ..),
//! its `consumer.*` or `producer.*`, and the connector's `consumer.override.*` or
//! `producer.override.*`. Unlike Kafka Connect the worker's own security settings reach every
//! client, so they need not be said three times.
//!
//! Nothing is passed on blindly: a setting is known (table in `names`) or it is an error, and librdkafka
//! itself is asked whether it accepts each translated value.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::ClientConfig;

use super::connector::{ConnectorConfig, StartPosition};
use super::parse::KeyError;
use super::worker::{HttpsSettings, WorkerSettings};
use super::{secret, suggest};

mod jaas;
pub(in crate::config) mod java_store;
mod names;
mod oauth;
mod stores;

use jaas::Login;
pub(super) use names::Scope;
#[cfg(test)]
pub(super) use names::describe as describe_settings;
use names::{Form, Meaning, Setting};
use oauth::{CLIENT_ID, CLIENT_SECRET, SCOPE};
pub use oauth::{OAUTH_PROPERTY, OAuthLogin};

/// Prefix of a connector's consumer settings.
pub(super) const CONSUMER_OVERRIDE: &str = "consumer.override.";
/// Prefix of a connector's producer settings.
pub(super) const PRODUCER_OVERRIDE: &str = "producer.override.";
/// Prefix of a connector's admin settings, which must agree with the producer's.
pub(super) const ADMIN_OVERRIDE: &str = "admin.override.";

/// Properties for a connector's consumer: the worker's client settings, its `consumer.*`, the
/// connector's `consumer.override.*`, and `group.id` (`connect-<name>` unless overridden). What the
/// pipeline itself decides (`enable.auto.commit`, `auto.offset.reset`, the assignment strategy,
/// queue bounds unless overridden) is left out.
///
/// # Errors
/// Settings that librdkafka has no counterpart for, under the names by which they were given.
pub fn consumer_properties(
    worker: &WorkerSettings,
    connector: &ConnectorConfig,
) -> Result<Vec<(String, String)>, Vec<KeyError>> {
    consumer(worker, &connector.name, &connector.consumer_overrides).into_result()
}

/// Properties for a connector's dead letter producer and its admin calls: the worker's client
/// settings, its `producer.*`, the connector's `producer.override.*`.
///
/// # Errors
/// As [`consumer_properties`].
pub fn producer_properties(
    worker: &WorkerSettings,
    connector: &ConnectorConfig,
) -> Result<Vec<(String, String)>, Vec<KeyError>> {
    producer(worker, &connector.producer_overrides).into_result()
}

/// Properties for the worker's own admin calls: its client settings and `admin.*`.
///
/// # Errors
/// As [`consumer_properties`].
pub fn admin_properties(worker: &WorkerSettings) -> Result<Vec<(String, String)>, Vec<KeyError>> {
    translate(Scope::Admin, &worker_layers(worker, "admin.")).into_result()
}

/// How https listeners are served: `ssl.*` below `listeners.https.`, or else the worker's own.
///
/// # Errors
/// As [`consumer_properties`].
pub fn https_settings(worker: &WorkerSettings) -> Result<HttpsSettings, Vec<KeyError>> {
    let layers = [
        worker.clients.layer(""),
        worker.clients.layer("listeners.https."),
    ];
    let properties = translate(Scope::All, &layers).into_result()?;
    Ok(HttpsSettings {
        properties,
        client_auth: worker.client_auth,
    })
}

/// Settings that were given together, under one prefix.
#[derive(Debug, Clone)]
pub(super) struct Layer<'a> {
    /// What stands before each name where it was given.
    pub(super) prefix: &'static str,
    /// Names without that prefix, and values.
    pub(super) settings: Vec<(&'a str, &'a str)>,
}

/// What is wrong with one client setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// The name under which it was given.
    pub(super) key: String,
    /// The value as it may be shown; none for a setting that nobody knows.
    pub(super) shown: Option<String>,
    /// What is wrong with it.
    pub(super) problem: String,
}

impl Problem {
    /// In Kafka's words.
    pub(super) fn message(&self) -> String {
        let Self {
            key,
            shown,
            problem,
        } = self;
        match shown {
            Some(value) => format!("Invalid value {value} for configuration {key}: {problem}"),
            None => format!("Invalid configuration {key}: {problem}"),
        }
    }
}

/// What came out of a translation.
#[derive(Default)]
pub(super) struct Translation {
    properties: BTreeMap<String, String>,
    /// Parts of a login by OAUTHBEARER.
    oauth: BTreeMap<&'static str, String>,
    /// `auto.offset.reset`.
    pub(super) start: Option<StartPosition>,
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
    /// What has no effect: the name that was given, and why.
    pub(super) without_effect: Vec<(String, &'static str)>,
}

/// A connector's consumer settings, translated.
pub(super) fn consumer(
    worker: &WorkerSettings,
    name: &str,
    overrides: &BTreeMap<String, String>,
) -> Translation {
    let mut layers = worker_layers(worker, "consumer.");
    layers.push(layer(CONSUMER_OVERRIDE, overrides));
    let mut translation = translate(Scope::Consumer, &layers);
    translation
        .properties
        .entry("group.id".to_owned())
        .or_insert_with(|| default_group(name));
    translation
}

/// A connector's producer settings, translated.
pub(super) fn producer(
    worker: &WorkerSettings,
    overrides: &BTreeMap<String, String>,
) -> Translation {
    let mut layers = worker_layers(worker, "producer.");
    layers.push(layer(PRODUCER_OVERRIDE, overrides));
    translate(Scope::Producer, &layers)
}

/// A connector's consumer group, unless it names another.
pub(super) fn default_group(name: &str) -> String {
    format!("connect-{name}")
}

/// Whether a worker may set this for all of its clients.
pub(super) fn is_common_setting(name: &str) -> bool {
    names::find(name, Scope::All).is_some()
}

/// Names of the settings that a worker may set for all of its clients.
pub(super) fn common_settings() -> impl Iterator<Item = &'static str> {
    names::names(Scope::All)
}

fn layer<'a>(prefix: &'static str, settings: &'a BTreeMap<String, String>) -> Layer<'a> {
    Layer {
        prefix,
        settings: settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect(),
    }
}

fn worker_layers<'a>(worker: &'a WorkerSettings, prefix: &'static str) -> Vec<Layer<'a>> {
    let bootstrap = Layer {
        prefix: "",
        settings: vec![("bootstrap.servers", &worker.bootstrap_servers)],
    };
    vec![
        bootstrap,
        worker.clients.layer(""),
        worker.clients.layer(prefix),
    ]
}

/// Translates layers of settings for one kind of client, later layers over earlier ones.
pub(super) fn translate(scope: Scope, layers: &[Layer<'_>]) -> Translation {
    let mut translation = Translation::default();
    let mut stores = stores::Stores::default();
    for layer in layers {
        for (name, value) in &layer.settings {
            let given = format!("{}{name}", layer.prefix);
            let Some(setting) = names::find(name, scope) else {
                translation.unknown(given, name, scope);
                continue;
            };
            if matches!(setting.meaning, Meaning::Store) {
                stores.set(setting.name, given, value);
                continue;
            }
            if setting.name == stores::KEY_PASSWORD {
                stores.set(setting.name, given.clone(), value);
            }
            match translation.take(setting, value) {
                Ok(None) => {}
                Ok(Some(reason)) => translation.without_effect.push((given, reason)),
                Err(problem) => translation.refuse(given, value, &problem),
            }
        }
    }
    stores.translate(&mut translation);
    translation.check_oauth(scope, layers);
    translation.check_mechanism(layers);
    translation.strip_for_new_protocol();
    translation
}

impl Translation {
    fn into_result(self) -> Result<Vec<(String, String)>, Vec<KeyError>> {
        if self.problems.is_empty() {
            return Ok(self.properties.into_iter().collect());
        }
        let errors = self.problems.into_iter().map(|problem| KeyError {
            message: problem.message(),
            key: problem.key,
        });
        Err(errors.collect())
    }

    /// The translated value of a property.
    pub(super) fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    fn unknown(&mut self, given: String, name: &str, scope: Scope) {
        let hint = suggest::nearest(name, names::names(scope))
            .map(|near| format!("; did you mean {near}?"))
            .unwrap_or_default();
        self.problems.push(Problem {
            key: given,
            shown: None,
            problem: format!("unknown client setting{hint}"),
        });
    }

    fn refuse(&mut self, given: String, value: &str, problem: &str) {
        self.problems.push(Problem {
            shown: Some(secret::shown(&given, value).to_owned()),
            key: given,
            problem: problem.to_owned(),
        });
    }

    /// Takes one setting over. Returns why it has no effect, when it has none.
    fn take(&mut self, setting: &Setting, value: &str) -> Result<Option<&'static str>, String> {
        let value = value.trim();
        check_form(setting.form, value)?;
        match setting.meaning {
            Meaning::Same => self.set(setting.name, value)?,
            Meaning::Renamed(name) => self.set(name, value)?,
            Meaning::BufferSize(name) => self.set(name, if value == "-1" { "0" } else { value })?,
            Meaning::Kibibytes(name) => {
                let bytes: u64 = value
                    .parse()
                    .map_err(|_| "Value must be at least 0".to_owned())?;
                self.set(name, &(bytes / 1024).max(1).to_string())?;
            }
            Meaning::Mechanism => self.set("sasl.mechanisms", &mechanism(value)?)?,
            Meaning::Jaas => self.take_login(value)?,
            Meaning::OAuth => {
                self.oauth.insert(setting.name, value.to_owned());
            }
            Meaning::Endpoint => match value.to_ascii_lowercase().as_str() {
                "" | "none" => self.set("ssl.endpoint.identification.algorithm", "none")?,
                "https" => self.set("ssl.endpoint.identification.algorithm", "https")?,
                _ => return Err("String must be one of: https, none, or empty".to_owned()),
            },
            Meaning::Start => {
                self.start = Some(if value.eq_ignore_ascii_case("latest") {
                    StartPosition::Latest
                } else {
                    StartPosition::Earliest
                });
            }
            Meaning::Assignor => check_assignors(value)?,
            Meaning::NoEffect(reason) => return Ok(Some(reason)),
            Meaning::Fixed(only, reason) if !value.eq_ignore_ascii_case(only) => {
                return Err(format!("must be {only}: {reason}"));
            }
            Meaning::Refused(reason) if !value.is_empty() => return Err(reason.to_owned()),
            // Stores are collected before this is called.
            Meaning::Store | Meaning::Accepted | Meaning::Fixed(..) | Meaning::Refused(_) => {}
        }
        Ok(None)
    }

    /// Sets a property if librdkafka accepts it.
    fn set(&mut self, property: &str, value: &str) -> Result<(), String> {
        let value = match property {
            "security.protocol" | "isolation.level" | "group.protocol" | "compression.type" => {
                value.to_ascii_lowercase()
            }
            _ => value.to_owned(),
        };
        let mut probe = ClientConfig::new();
        probe.set(property, value.as_str());
        if let Err(error) = probe.create_native_config() {
            return Err(native_problem(&error));
        }
        self.properties.insert(property.to_owned(), value);
        Ok(())
    }

    fn take_login(&mut self, value: &str) -> Result<(), String> {
        match jaas::parse(value)? {
            Login::Password { username, password } => {
                self.set("sasl.username", &username)?;
                self.set("sasl.password", &password)
            }
            Login::OAuth {
                client_id,
                client_secret,
                scope,
            } => {
                let mut keep = |name, value: Option<String>| {
                    if let Some(value) = value {
                        self.oauth.insert(name, value);
                    }
                };
                keep(CLIENT_ID, client_id);
                keep(CLIENT_SECRET, client_secret);
                keep(SCOPE, scope);
                Ok(())
            }
        }
    }

    /// SASL without a mechanism means GSSAPI to Java and librdkafka alike, which is not built in.
    fn check_mechanism(&mut self, layers: &[Layer<'_>]) {
        let uses_sasl = self
            .property("security.protocol")
            .is_some_and(|protocol| protocol.starts_with("sasl"));
        let given = |name: &str| prefix_of(layers, name);
        let names_mechanism = given("sasl.mechanism")
            .or(given("sasl.mechanisms"))
            .is_some();
        if !uses_sasl || names_mechanism {
            return;
        }
        let prefix = given("security.protocol").unwrap_or_default();
        self.problems.push(Problem {
            key: format!("{prefix}security.protocol"),
            shown: self.property("security.protocol").map(str::to_owned),
            problem: format!(
                "needs sasl.mechanism too: {MECHANISMS} (the default, GSSAPI, is not built in)"
            ),
        });
    }

    /// With `group.protocol=consumer` the broker decides these, and librdkafka refuses them.
    fn strip_for_new_protocol(&mut self) {
        if self.property("group.protocol") != Some("consumer") {
            return;
        }
        for name in ["session.timeout.ms", "heartbeat.interval.ms"] {
            if self.properties.remove(name).is_some() {
                let reason = "the broker decides it when group.protocol is consumer";
                self.without_effect.push((name.to_owned(), reason));
            }
        }
    }
}

/// What stands before a setting where it was given last.
fn prefix_of(layers: &[Layer<'_>], name: &str) -> Option<&'static str> {
    let in_layer = |layer: &&Layer<'_>| layer.settings.iter().any(|(given, _)| *given == name);
    layers.iter().rev().find(in_layer).map(|layer| layer.prefix)
}

const MECHANISMS: &str = "String must be one of: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER";

fn mechanism(value: &str) -> Result<String, String> {
    let mechanism = value.to_ascii_uppercase();
    match mechanism.as_str() {
        "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" | "OAUTHBEARER" => Ok(mechanism),
        _ => Err(MECHANISMS.to_owned()),
    }
}

/// Cooperative-sticky is what is used; a list must allow it.
fn check_assignors(value: &str) -> Result<(), String> {
    let is_sticky = |name: &str| {
        let simple = name.rsplit('.').next().unwrap_or(name);
        simple == "CooperativeStickyAssignor" || simple == "cooperative-sticky"
    };
    let names: BTreeSet<&str> = value.split(',').map(str::trim).collect();
    if names.iter().any(|name| is_sticky(name)) {
        Ok(())
    } else {
        Err("must name org.apache.kafka.clients.consumer.CooperativeStickyAssignor: partitions move without a pause for all others".to_owned())
    }
}

fn check_form(form: Form, value: &str) -> Result<(), String> {
    match form {
        Form::Text => Ok(()),
        Form::Integer => match value.parse::<i64>() {
            Ok(_) => Ok(()),
            Err(_) => Err("Not a number of type INT".to_owned()),
        },
        Form::Boolean => {
            if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") {
                Ok(())
            } else {
                Err("Expected value to be either true or false".to_owned())
            }
        }
        Form::Choice(values) => {
            if values
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(value))
            {
                Ok(())
            } else {
                Err(format!("String must be one of: {}", values.join(", ")))
            }
        }
    }
}

/// librdkafka's own words, without the value, which its error type would show.
fn native_problem(error: &rdkafka::error::KafkaError) -> String {
    match error {
        rdkafka::error::KafkaError::ClientConfig(_, description, _, _) => {
            description.trim().to_owned()
        }
        _ => "refused by the Kafka client".to_owned(),
    }
}

#[cfg(test)]
mod tests;
