//! A connector's config from JSON: request bodies and files.
//!
//! Every value becomes text. A number keeps the characters it was written with (`1.50` stays
//! `1.50`), because it is stored and returned, and compared by tools that sent it. So numbers are
//! taken as raw text and never pass through a float.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::RawConfig;

/// Keys of one config; a guard against bodies that are large in another way than bytes.
const KEYS_MAX: usize = 4096;

/// State in which a new connector starts: `initial_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialState {
    /// Tasks run.
    Running,
    /// Tasks join their group and read nothing.
    Paused,
    /// No tasks.
    Stopped,
}

/// What was asked for. `Debug` shows the config's keys only.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectorRequest {
    /// `name` beside `config`; `None` when absent, null, or for a flat map.
    pub name: Option<String>,
    /// The config.
    pub config: RawConfig,
    /// `initial_state`, when given and not null.
    pub initial_state: Option<InitialState>,
}

impl fmt::Debug for ConnectorRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConnectorRequest")
            .field("name", &self.name)
            .field("config", &self.config.keys().collect::<Vec<_>>())
            .field("initial_state", &self.initial_state)
            .finish()
    }
}

/// Why JSON is not a connector's config. Never shows values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON.
    #[error("malformed JSON at line {line} column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1; 0 at the start of a line.
        column: usize,
    },
    /// Not an object.
    #[error("{0} must be a JSON object")]
    NotAnObject(&'static str),
    /// `config` is missing or null.
    #[error("config is missing")]
    NoConfig,
    /// A member beside `name`, `config` and `initial_state`.
    #[error("unrecognized field \"{0}\"; name, config and initial_state are accepted")]
    UnknownField(String),
    /// An object or array where a value belongs.
    #[error(
        "the value of \"{0}\" must be a string, a number, a boolean or null, not an object or array"
    )]
    Nested(String),
    /// Half a surrogate pair.
    #[error("the value of \"{0}\" is not valid Unicode")]
    NotUnicode(String),
    /// `name` or `initial_state` is not a string.
    #[error("\"{0}\" must be a string")]
    NotAString(&'static str),
    /// `initial_state` is none of its values.
    #[error("initial_state must be one of RUNNING, PAUSED, STOPPED")]
    BadState,
    /// More keys than any config has.
    #[error("more than {KEYS_MAX} keys")]
    TooManyKeys,
}

/// Reads `{"name", "config", "initial_state"}` or a flat map of keys and values. It is the former
/// when it has a member `config` that is an object, which no flat map can have.
///
/// # Errors
/// Malformed JSON, unknown members, nested values.
pub fn parse(json: &[u8]) -> Result<ConnectorRequest, JsonError> {
    let members = members(json, "a connector")?;
    let nests_config = members
        .iter()
        .any(|(name, value)| name == "config" && value.get().starts_with('{'));
    if nests_config {
        return request(&members);
    }
    Ok(ConnectorRequest {
        name: None,
        config: flat(&members)?,
        initial_state: None,
    })
}

/// Only `{"name", "config", "initial_state"}`: the body of `POST /connectors`.
///
/// # Errors
/// As [`parse`], and when `config` is missing.
pub fn parse_create(json: &[u8]) -> Result<ConnectorRequest, JsonError> {
    request(&members(json, "the request")?)
}

/// Only a flat map: the body of `PUT` and `PATCH .../config` and of `PUT .../validate`.
///
/// # Errors
/// As [`parse`].
pub fn parse_map(json: &[u8]) -> Result<RawConfig, JsonError> {
    flat(&members(json, "the config")?)
}

fn request(members: &[(String, Box<RawValue>)]) -> Result<ConnectorRequest, JsonError> {
    let mut request = ConnectorRequest {
        name: None,
        config: RawConfig::new(),
        initial_state: None,
    };
    let mut config = None;
    for (name, value) in members {
        match name.as_str() {
            "name" => request.name = string("name", value)?,
            "config" => config = Some(value),
            "initial_state" => request.initial_state = state(value)?,
            _ => return Err(JsonError::UnknownField(name.clone())),
        }
    }
    match config {
        Some(config) if config.get() != "null" => {
            request.config = flat(&self::members(config.get().as_bytes(), "config")?)?;
            Ok(request)
        }
        Some(_) | None => Err(JsonError::NoConfig),
    }
}

fn state(value: &RawValue) -> Result<Option<InitialState>, JsonError> {
    let Some(state) = string("initial_state", value)? else {
        return Ok(None);
    };
    match state.to_ascii_uppercase().as_str() {
        "RUNNING" => Ok(Some(InitialState::Running)),
        "PAUSED" => Ok(Some(InitialState::Paused)),
        "STOPPED" => Ok(Some(InitialState::Stopped)),
        _ => Err(JsonError::BadState),
    }
}

fn string(name: &'static str, value: &RawValue) -> Result<Option<String>, JsonError> {
    serde_json::from_str(value.get()).map_err(|_| JsonError::NotAString(name))
}

fn flat(members: &[(String, Box<RawValue>)]) -> Result<RawConfig, JsonError> {
    let mut config = RawConfig::new();
    for (name, value) in members {
        config.insert(name.clone(), scalar(name, value)?);
        if config.len() > KEYS_MAX {
            return Err(JsonError::TooManyKeys);
        }
    }
    Ok(config)
}

fn scalar(name: &str, value: &RawValue) -> Result<Option<String>, JsonError> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text)
            .map(Some)
            .map_err(|_| JsonError::NotUnicode(name.to_owned())),
        Some(b'{' | b'[') => Err(JsonError::Nested(name.to_owned())),
        _ if text == "null" => Ok(None),
        _ => Ok(Some(text.to_owned())),
    }
}

/// The members of an object, in order, values as written. Of a repeated name the last counts, as
/// later ones replace earlier ones wherever members are used.
fn members(json: &[u8], what: &'static str) -> Result<Vec<(String, Box<RawValue>)>, JsonError> {
    // First the form alone: what the object's visitor says would quote the value.
    serde_json::from_slice::<IgnoredAny>(json).map_err(|error| JsonError::Syntax {
        line: error.line(),
        column: error.column(),
    })?;
    serde_json::from_slice::<Members>(json)
        .map(|members| members.0)
        .map_err(|error| match error.classify() {
            serde_json::error::Category::Data => JsonError::NotAnObject(what),
            _ => JsonError::Syntax {
                line: error.line(),
                column: error.column(),
            },
        })
}

struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(pairs: &[(&str, Option<&str>)]) -> RawConfig {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)))
            .collect()
    }

    #[test]
    fn scalars_keep_their_text() {
        let check = |value: &str, expected: Option<&str>| {
            let json = format!("{{\"k\": {value} }}");
            assert_eq!(
                parse_map(json.as_bytes()).unwrap(),
                map(&[("k", expected)]),
                "{value}"
            );
        };
        check("\"text\"", Some("text"));
        check("\"\"", Some(""));
        check(r#""a\u00e4\n\"b\"""#, Some("aä\n\"b\""));
        check("2", Some("2"));
        check("1.50", Some("1.50"));
        check("1e3", Some("1e3"));
        check("-0.0", Some("-0.0"));
        check("12345678901234567890", Some("12345678901234567890"));
        check("true", Some("true"));
        check("false", Some("false"));
        check("null", None);
    }

    #[test]
    fn the_last_of_repeated_keys_counts() {
        let config = parse_map(br#"{"k": 1, "k": "2"}"#).unwrap();
        assert_eq!(config, map(&[("k", Some("2"))]));
    }

    #[test]
    fn both_forms_are_read() {
        let config = map(&[("topics", Some("t")), ("tasks.max", Some("2"))]);
        let check = |json: &str, name: Option<&str>, initial_state: Option<InitialState>| {
            let expected = ConnectorRequest {
                name: name.map(str::to_owned),
                config: config.clone(),
                initial_state,
            };
            assert_eq!(parse(json.as_bytes()).unwrap(), expected, "{json}");
        };
        let inner = r#"{"topics": "t", "tasks.max": 2}"#;
        check(inner, None, None);
        check(
            &format!(r#"{{"name": "n", "config": {inner}}}"#),
            Some("n"),
            None,
        );
        check(
            &format!(r#"{{"name": null, "config": {inner}, "initial_state": null}}"#),
            None,
            None,
        );
        let stopped = format!(r#"{{"config": {inner}, "initial_state": "stopped", "name": "n"}}"#);
        check(&stopped, Some("n"), Some(InitialState::Stopped));
        let config = parse(br#"{"config": "flat", "name": "n"}"#).unwrap().config;
        assert_eq!(
            config,
            map(&[("config", Some("flat")), ("name", Some("n"))])
        );
    }

    #[test]
    fn bad_bodies_are_refused_without_showing_values() {
        let check = |json: &str, expected: JsonError| {
            let refused = parse_create(json.as_bytes()).unwrap_err();
            assert_eq!(refused, expected, "{json}");
            assert!(!refused.to_string().contains("s3cret"), "{refused}");
        };
        check("", JsonError::Syntax { line: 1, column: 0 });
        check(
            "{\"name\": \"s3cret\n\"}",
            JsonError::Syntax {
                line: 1,
                column: 16,
            },
        );
        check(
            "{\"name\": 007}",
            JsonError::Syntax {
                line: 1,
                column: 11,
            },
        );
        check("{} x", JsonError::Syntax { line: 1, column: 4 });
        check("[\"s3cret\"]", JsonError::NotAnObject("the request"));
        check("\"s3cret\"", JsonError::NotAnObject("the request"));
        check("{}", JsonError::NoConfig);
        check(r#"{"name": "n", "config": null}"#, JsonError::NoConfig);
        check(
            r#"{"name": "n", "config": ["s3cret"]}"#,
            JsonError::NotAnObject("config"),
        );
        check(
            r#"{"nmae": "s3cret", "config": {}}"#,
            JsonError::UnknownField("nmae".to_owned()),
        );
        check(
            r#"{"name": 5, "config": {}}"#,
            JsonError::NotAString("name"),
        );
        check(
            r#"{"config": {}, "initial_state": "DESTROYED"}"#,
            JsonError::BadState,
        );
        check(
            r#"{"config": {}, "initial_state": ""}"#,
            JsonError::BadState,
        );
        check(
            r#"{"config": {}, "initial_state": 1}"#,
            JsonError::NotAString("initial_state"),
        );
        check(
            r#"{"config": {"k": {"a": "s3cret"}}}"#,
            JsonError::Nested("k".to_owned()),
        );
        check(
            r#"{"config": {"k": "s3cret\ud800"}}"#,
            JsonError::NotUnicode("k".to_owned()),
        );
        check(
            r#"{"config": {"k": ["s3cret"]}}"#,
            JsonError::Nested("k".to_owned()),
        );
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let members: Vec<String> = (0..=KEYS_MAX).map(|key| format!("\"{key}\":1")).collect();
        let json = format!("{{{}}}", members.join(","));
        assert_eq!(parse_map(json.as_bytes()), Err(JsonError::TooManyKeys));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Err(error) = parse(&bytes) {
                prop_assert!(!error.to_string().is_empty());
            }
        }

        #[test]
        fn text_comes_back(key in "\\PC{1,20}", value in "\\PC{0,40}") {
            let json = serde_json::to_vec(&std::collections::BTreeMap::from([(&key, &value)])).unwrap();
            prop_assert_eq!(parse_map(&json).unwrap(), RawConfig::from([(key, Some(value))]));
        }
    }
}
