//! What is wrong with a config, by both: the same keys, with the same words.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Difference, config, problem};
use crate::support::rest::{Answer, Rest};

const FILTER: &str = "org.apache.kafka.connect.transforms.Filter";

/// A config that is good but for these keys.
pub(super) struct Validation {
    changes: Vec<(&'static str, Value)>,
    /// Where the answers are meant to differ.
    differs: Option<Difference>,
}

fn with(changes: &[(&'static str, &str)]) -> Validation {
    let changes = changes.iter().map(|(key, value)| (*key, json!(value)));
    Validation {
        changes: changes.collect(),
        differs: None,
    }
}

pub(super) fn all() -> Vec<Validation> {
    let dead_letters = "errors.deadletterqueue.topic.name";
    let transforms = |more: &[(&'static str, &str)]| {
        let mut changes = vec![("transforms", "r")];
        changes.extend_from_slice(more);
        with(&changes)
    };
    let predicates = |more: &[(&'static str, &str)]| {
        let mut changes = vec![("predicates", "p")];
        changes.extend_from_slice(more);
        with(&changes)
    };
    vec![
        with(&[]),
        with(&[("name", "")]),
        with(&[("topics", "")]),
        with(&[("topics.regex", "c.*")]),
        with(&[("tasks.max", "dog")]),
        with(&[("tasks.max", "0")]),
        with(&[("tasks.max.enforce", "maybe")]),
        with(&[("errors.tolerance", "some")]),
        with(&[("errors.retry.timeout", "long")]),
        with(&[("errors.log.enable", "loud")]),
        with(&[(dead_letters, "conformance")]),
        with(&[
            (dead_letters, "cd"),
            ("topics", ""),
            ("topics.regex", "c.*"),
        ]),
        with(&[("key.converter", "nope.Converter")]),
        with(&[("value.converter", FILTER)]).differs(
            "a class is looked for among those of its kind, and is unknown otherwise",
            "Class org.apache.kafka.connect.transforms.Filter could not be found.",
        ),
        with(&[("header.converter", "nope.Converter")]),
        transforms(&[]),
        transforms(&[("transforms.r.type", "nope.X")]),
        with(&[("transforms", "r, r"), ("transforms.r.type", FILTER)]),
        transforms(&[
            ("transforms.r.type", FILTER),
            ("transforms.r.negate", "true"),
        ]),
        predicates(&[]),
        predicates(&[("predicates.p.type", "nope.X")]),
        predicates(&[(
            "predicates.p.type",
            "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
        )]),
    ]
}

impl Validation {
    /// For this reason these are words of our errors.
    fn differs(mut self, reason: &'static str, words: &'static str) -> Self {
        let ours = (200, words);
        self.differs = Some(Difference { reason, ours });
        self
    }

    /// What is not as it should be, if anything.
    pub(super) async fn compared(&self, peer: &Rest, ours: &Rest) -> Option<String> {
        let mut body = config(&self.changes);
        if !self.changes.iter().any(|(key, _)| *key == "name") {
            body["name"] = json!("c");
        }
        let path = "/connector-plugins/JdbcSinkConnector/config/validate";
        let theirs = errors(&peer.put(path, Some(body.clone())).await);
        let answer = ours.put(path, Some(body)).await;
        let ours = errors(&answer);
        let asked = format!("validate {:?}", self.changes);
        problem(&asked, &theirs, &ours, &answer, self.differs)
    }
}

/// How many there are, and those of each key.
fn errors(answer: &Answer) -> (u16, Value, BTreeMap<String, Vec<String>>) {
    let mut by_key = BTreeMap::new();
    for entry in answer.body["configs"].as_array().into_iter().flatten() {
        let value = &entry["value"];
        let errors = value["errors"].as_array().into_iter().flatten();
        let errors: Vec<String> = errors.map(words).collect();
        if !errors.is_empty() {
            by_key.insert(
                value["name"].as_str().unwrap_or_default().to_owned(),
                errors,
            );
        }
    }
    (answer.code, answer.body["error_count"].clone(), by_key)
}

/// Without what follows the words of Kafka Connect: which classes are built in, or what may be meant.
fn words(error: &Value) -> String {
    let text = error.as_str().unwrap_or_default();
    text.split(" Built in are")
        .next()
        .unwrap_or_default()
        .to_owned()
}
