//! The worker's Kafka client settings: for all its clients, and below `consumer.`, `producer.` and
//! `admin.` for one kind; below `listeners.https.` those of the REST API's own TLS.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::kafka::{self, Layer, Problem, Scope};
use crate::config::secret;

/// Prefixes and the kinds of clients that they are for.
const KINDS: [(&str, Scope); 4] = [
    ("consumer.", Scope::Consumer),
    ("producer.", Scope::Producer),
    ("admin.", Scope::Admin),
    ("listeners.https.", Scope::All),
];

/// Client settings under their full keys. Secrets do not show in `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClientSettings {
    settings: BTreeMap<String, String>,
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        secret::Redacted(&self.settings).fmt(formatter)
    }
}

impl ClientSettings {
    /// Whether a worker's key is a client setting in form.
    pub(super) fn covers(key: &str) -> bool {
        KINDS.iter().any(|(prefix, _)| key.starts_with(prefix)) || kafka::is_common_setting(key)
    }

    pub(super) fn insert(&mut self, key: String, value: String) {
        self.settings.insert(key, value);
    }

    /// The settings below a prefix; the empty prefix has those for all clients.
    pub(in crate::config) fn layer(&self, prefix: &'static str) -> Layer<'_> {
        let belongs = |key: &str| match prefix {
            "" => !KINDS.iter().any(|(kind, _)| key.starts_with(kind)),
            prefix => key.starts_with(prefix),
        };
        let settings = self
            .settings
            .iter()
            .filter(|(key, _)| belongs(key))
            .map(|(key, value)| (&key[prefix.len()..], value.as_str()))
            .collect();
        Layer { prefix, settings }
    }

    /// What is wrong, and what has no effect (with the reason), by key.
    pub(super) fn check(&self) -> (BTreeMap<String, Problem>, BTreeMap<String, &'static str>) {
        let mut problems = BTreeMap::new();
        let mut without_effect = BTreeMap::new();
        for (prefix, scope) in KINDS {
            let translation = kafka::translate(scope, &[self.layer(""), self.layer(prefix)]);
            for problem in translation.problems {
                problems.insert(problem.key.clone(), problem);
            }
            without_effect.extend(translation.without_effect);
        }
        (problems, without_effect)
    }
}
