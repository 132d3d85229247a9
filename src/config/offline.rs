//! A connector's config from a file, checked without Kafka or a database.

use std::path::{Path, PathBuf};

use super::RawConfig;
use super::connector::ConnectorConfig;
use super::connector_json::{ConnectorRequest, JsonError};
use super::parse::Invalid;
use super::worker::WorkerSettings;

/// A file that holds an acceptable connector.
#[derive(Debug)]
pub struct CheckedFile {
    /// What it says, with `name` inside the config.
    pub request: ConnectorRequest,
    /// What that means.
    pub config: ConnectorConfig,
    /// Keys without effect, for people.
    pub warnings: Vec<String>,
}

/// Why a connector file is refused.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not a connector's config in form.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        source: JsonError,
    },
    /// Refused keys.
    #[error("{}: {source}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Invalid,
    },
}

/// Reads and checks a connector file: JSON (flat, or `{"name", "config"}`), or Java properties.
///
/// # Errors
/// When it cannot be read, or anything in it is wrong.
pub fn validate_offline(_path: &Path, _worker: &WorkerSettings) -> Result<CheckedFile, FileError> {
    let _: Option<RawConfig> = None;
    todo!()
}
