//! Given keys that are not in the table: client settings, keys of other sinks, unknown keys.

use super::{Checked, Entry, Extra, NULL_VALUE};
use crate::config::connector::StartPosition;
use crate::config::definitions::{self, ConfigKeyInfo, Kind, common, foreign};
use crate::config::kafka::{self, ADMIN_OVERRIDE, CONSUMER_OVERRIDE, PRODUCER_OVERRIDE};
use crate::config::worker::{OverridePolicy, WorkerSettings};
use crate::config::{RawConfig, secret, suggest};

const GROUP_ID: &str = "consumer.override.group.id";
const GROUP_INSTANCE_ID: &str = "consumer.override.group.instance.id";

pub(super) fn check(checked: &mut Checked, raw: &RawConfig, worker: &WorkerSettings) {
    for (key, value) in raw {
        let is_shown = |entry: &Entry| entry.key.name == key && !entry.hidden;
        let is_theirs = checked
            .dialect
            .is_some_and(|dialect| dialect.key(key).is_some());
        let is_of_transform = |extra: &Extra| extra.definition.name == *key;
        if is_theirs
            || checked.entries.iter().any(is_shown)
            || checked.extras.iter().any(is_of_transform)
        {
            continue;
        }
        let extra = describe(checked, key, value.as_deref(), raw, worker);
        checked.extras.push(extra);
    }
    check_clients(checked, worker);
    check_group(checked, worker);
}

fn describe(
    checked: &mut Checked,
    key: &str,
    value: Option<&str>,
    raw: &RawConfig,
    worker: &WorkerSettings,
) -> Extra {
    let mut extra = Extra {
        definition: definition(key),
        shown: value.map(|value| secret::shown(key, value).to_owned()),
        recommended: Vec::new(),
        errors: Vec::new(),
    };
    if client_name(key).is_some() {
        extra.errors.extend(policy_problem(key, worker));
        extra.errors.extend(admin_problem(key, value, raw));
    } else if let Some(advice) = foreign::advice_for(key, checked.dialect.is_some()) {
        extra
            .errors
            .push(format!("{key} is not a key of this connector: {advice}"));
    } else if let Some(converter) = absent_converter(key) {
        checked.warnings.push(format!(
            "{key} has no effect: {converter} is not given, so the worker's converter applies with the worker's keys"
        ));
    } else {
        extra.recommended = note_unknown(checked, key);
    }
    if value.is_none() {
        extra.errors.push(NULL_VALUE.to_owned());
    }
    extra
}

/// A definition for a key without one. Clients need one to show the key.
fn definition(key: &str) -> ConfigKeyInfo {
    let documentation = match client_name(key) {
        Some(name) => format!("Setting {name} of the connector's Kafka clients."),
        None => "Not a key of this connector; it has no effect.".to_owned(),
    };
    let kind = if secret::is_secret(key) {
        Kind::Password
    } else {
        Kind::Text
    };
    ConfigKeyInfo {
        name: key.to_owned(),
        kind: kind.name(),
        required: false,
        default_value: None,
        importance: "LOW",
        documentation,
        group: None,
        width: "NONE",
        display_name: key.to_owned(),
        dependents: Vec::new(),
        order: -1,
    }
}

fn client_name(key: &str) -> Option<&str> {
    [CONSUMER_OVERRIDE, PRODUCER_OVERRIDE, ADMIN_OVERRIDE]
        .iter()
        .find_map(|prefix| key.strip_prefix(prefix))
}

/// `connector.client.config.override.policy`, in Kafka Connect's words.
fn policy_problem(key: &str, worker: &WorkerSettings) -> Option<String> {
    let name = client_name(key)?;
    let allowed = match worker.override_policy {
        OverridePolicy::All => true,
        OverridePolicy::Principal => {
            matches!(
                name,
                "sasl.jaas.config" | "sasl.mechanism" | "security.protocol"
            )
        }
        OverridePolicy::None => false,
    };
    let policy = worker.override_policy.name();
    (!allowed).then(|| {
        format!("The '{policy}' policy does not allow '{name}' to be overridden in the connector configuration.")
    })
}

/// Dead letters are written, and their topic is created, by one client.
fn admin_problem(key: &str, value: Option<&str>, raw: &RawConfig) -> Option<String> {
    let name = key.strip_prefix(ADMIN_OVERRIDE)?;
    let producer = format!("{PRODUCER_OVERRIDE}{name}");
    let same = raw
        .get(&producer)
        .is_some_and(|other| other.as_deref() == value);
    (!same).then(|| {
        format!("{key} is not supported on its own: the dead letter topic is created by its producer, so {producer} must be given with the same value")
    })
}

/// The converter that a known key of a converter would belong to, were it given.
fn absent_converter(key: &str) -> Option<&'static str> {
    definitions::keys()
        .find(|known| known.name == key)
        .and_then(|known| known.belongs_to)
}

/// Unknown keys are accepted, as Kafka Connect does, but not in silence. Returns the key that was
/// probably meant.
fn note_unknown(checked: &mut Checked, key: &str) -> Vec<String> {
    let mut known: Vec<&str> = match checked.dialect {
        Some(dialect) => dialect.vocabulary().collect(),
        None => definitions::keys().map(|known| known.name).collect(),
    };
    let own = checked.extras.iter();
    known.extend(own.map(|extra| extra.definition.name.as_str()));
    let near = suggest::nearest(key, known).map(str::to_owned);
    let hint = near
        .as_ref()
        .map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default();
    checked.warnings.push(format!(
        "{key} is not a key of this connector and has no effect{hint}"
    ));
    near.into_iter().collect()
}

fn check_clients(checked: &mut Checked, worker: &WorkerSettings) {
    let name = checked.text(&common::NAME).unwrap_or_default().to_owned();
    let consumer = kafka::consumer(worker, &name, &checked.consumer_overrides);
    let producer = kafka::producer(worker, &checked.producer_overrides);
    checked.start = consumer.start.unwrap_or(StartPosition::Earliest);
    for translation in [consumer, producer] {
        for problem in translation.problems {
            refuse(checked, &problem.key, problem.message());
        }
        for (key, reason) in translation.without_effect {
            // What the worker's own settings say was reported when it started.
            if client_name(&key).is_some() {
                checked
                    .warnings
                    .push(format!("{key} has no effect: {reason}"));
            }
        }
    }
}

fn check_group(checked: &mut Checked, worker: &WorkerSettings) {
    let tasks = checked
        .entry(&common::TASKS_MAX)
        .map(|entry| entry.value.clone());
    let one_task = tasks == Some(super::Value::Integer(1));
    if checked.consumer_overrides.contains_key("group.instance.id") && !one_task {
        let problem = "every task would claim to be the same member of the group: leave it out, or set tasks.max to 1";
        refuse(
            checked,
            GROUP_INSTANCE_ID,
            format!("{GROUP_INSTANCE_ID} is not possible with several tasks: {problem}"),
        );
    }
    let Some(worker_group) = worker.group_id.as_deref() else {
        return;
    };
    let overridden = checked.consumer_overrides.get("group.id").cloned();
    match overridden {
        Some(group) if group == worker_group => {
            let message = format!(
                "Consumer group {group} conflicts with Connect worker group {worker_group}"
            );
            refuse(checked, GROUP_ID, message);
        }
        Some(_) => {}
        None => {
            let name = checked.text(&common::NAME).unwrap_or_default().to_owned();
            if kafka::default_group(&name) == worker_group {
                let message = format!(
                    "Consumer group for sink connector named {name} conflicts with Connect worker group {worker_group}"
                );
                checked.refuse(&common::NAME, message);
            }
        }
    }
}

fn refuse(checked: &mut Checked, key: &str, message: String) {
    for extra in &mut checked.extras {
        if extra.definition.name == key {
            extra.errors.push(message);
            return;
        }
    }
    // Two settings of the worker that do not fit together only with the connector's.
    checked.extras.push(Extra {
        definition: definition(key),
        shown: None,
        recommended: Vec::new(),
        errors: vec![message],
    });
}
