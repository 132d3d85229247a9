//! From a raw config to a [`ConnectorConfig`], or to the list of what is wrong with it.

use super::RawConfig;
use super::connector::ConnectorConfig;
use super::plugins::UnknownClass;
use super::worker::WorkerSettings;

/// One thing that is wrong with one key. The message never shows a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError {
    /// The key.
    pub key: String,
    /// What is wrong, as Kafka Connect says it where it does.
    pub message: String,
}

/// Why a config is refused. All of these are the client's (status 400).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No `connector.class`.
    #[error("Connector config {{name={name}}} contains no connector type")]
    NoClass {
        /// `name`, perhaps empty.
        name: String,
    },
    /// `connector.class` stands for no built-in class.
    #[error(transparent)]
    UnknownClass(#[from] UnknownClass),
    /// The class in the path of a request is not the one in its body.
    #[error("Included connector type {included} does not match request type {requested}")]
    OtherClass {
        /// In the body.
        included: String,
        /// In the path.
        requested: String,
    },
    /// Keys are wrong; never empty.
    #[error("{}", render(.0))]
    Keys(Vec<KeyError>),
}

impl ConnectorConfig {
    /// Reads and checks a config.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn parse(_raw: &RawConfig, _worker: &WorkerSettings) -> Result<Self, Invalid> {
        todo!()
    }

    /// What the log should say about a config that is accepted: keys that are unknown or have no
    /// effect here. Empty when the config is refused.
    pub fn warnings(_raw: &RawConfig, _worker: &WorkerSettings) -> Vec<String> {
        todo!()
    }
}

/// Kafka Connect's message for a list of errors.
fn render(errors: &[KeyError]) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "Connector configuration is invalid and contains the following {} error(s):",
        errors.len()
    );
    for error in errors {
        let _ = write!(text, "\n{}", error.message);
    }
    text.push_str(
        "\nYou can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`",
    );
    text
}
