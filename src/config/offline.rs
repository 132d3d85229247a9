//! A connector's config from a file, checked without Kafka or a database.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::connector::ConnectorConfig;
use super::connector_json::{self, ConnectorRequest, JsonError};
use super::parse::Invalid;
use super::properties::{self, PropertiesError};
use super::worker::WorkerSettings;

/// Largest connector file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A file that holds an acceptable connector.
#[derive(Debug)]
pub struct CheckedFile {
    /// What it says, with `name` inside the config too.
    pub request: ConnectorRequest,
    /// What that means.
    pub config: ConnectorConfig,
    /// Keys without effect, for people.
    pub warnings: Vec<String>,
}

/// Why a connector file is refused.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: FileProblem,
}

/// What is wrong with a connector file.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// Cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// Too large.
    #[error("larger than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    /// Not JSON, or not a connector.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Not Java properties.
    #[error(transparent)]
    Properties(#[from] PropertiesError),
    /// Two names.
    #[error("Connector name configuration ({config}) doesn't match connector name ({name})")]
    NameMismatch {
        /// Inside the config.
        config: String,
        /// Beside it.
        name: String,
    },
    /// Refused keys.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// Reads and checks a connector file: JSON (flat, or `{"name", "config"}`), or Java properties when
/// its name ends in `.properties`.
///
/// # Errors
/// When it cannot be read, or anything in it is wrong.
pub fn validate_offline(path: &Path, worker: &WorkerSettings) -> Result<CheckedFile, FileError> {
    check(path, worker).map_err(|problem| FileError {
        path: path.to_owned(),
        problem,
    })
}

fn check(path: &Path, worker: &WorkerSettings) -> Result<CheckedFile, FileProblem> {
    let mut request = read(path)?;
    insert_name(&mut request)?;
    let config = ConnectorConfig::parse(&request.config, worker)?;
    Ok(CheckedFile {
        warnings: ConnectorConfig::warnings(&request.config, worker),
        request,
        config,
    })
}

fn read(path: &Path) -> Result<ConnectorRequest, FileProblem> {
    let bytes = read_bounded(path, FILE_BYTES_MAX)?.ok_or(FileProblem::TooLarge)?;
    if path
        .extension()
        .is_none_or(|extension| extension != "properties")
    {
        return Ok(connector_json::parse(&bytes)?);
    }
    let pairs = properties::parse(&bytes)?;
    Ok(ConnectorRequest {
        name: None,
        config: pairs
            .into_iter()
            .map(|pair| (pair.key, Some(pair.value)))
            .collect(),
        initial_state: None,
    })
}

/// A file's bytes, or `None` when there are more than `bytes_max`.
pub(super) fn read_bounded(path: &Path, bytes_max: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= bytes_max);
    Ok(fits.then_some(bytes))
}

/// The name stands beside the config, inside it, or both.
fn insert_name(request: &mut ConnectorRequest) -> Result<(), FileProblem> {
    let inside = request.config.get("name").cloned().flatten();
    match (&request.name, inside) {
        (Some(name), Some(config)) if *name != config => Err(FileProblem::NameMismatch {
            config,
            name: name.clone(),
        }),
        (Some(name), _) => {
            request.config.insert("name".to_owned(), Some(name.clone()));
            Ok(())
        }
        (None, inside) => {
            request.name = inside;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, content: &str) -> Result<CheckedFile, FileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        std::fs::write(&path, content).unwrap();
        validate_offline(&path, &WorkerSettings::default())
    }

    const FLAT: &str = r#"{"name": "n", "connector.class": "SqliteSink", "topics": "t",
        "connection.url": "jdbc:sqlite:/tmp/x.db", "tasks.max": 2}"#;

    #[test]
    fn all_forms_of_a_file_are_accepted() {
        let nested = FLAT.replace("\"name\": \"n\",", "");
        let nested = format!("{{\"name\": \"n\", \"config\": {nested}}}");
        let properties = "name=n\nconnector.class=SqliteSink\ntopics = t\n\
             connection.url=jdbc:sqlite:/tmp/x.db\ntasks.max:2\n";
        for (file, content) in [
            ("c.json", FLAT),
            ("c.json", nested.as_str()),
            ("c.properties", properties),
        ] {
            let checked = check(file, content).unwrap();
            assert_eq!(checked.request.name.as_deref(), Some("n"));
            assert_eq!(checked.request.config["name"].as_deref(), Some("n"));
            assert_eq!(checked.config.name, "n");
            assert_eq!(checked.config.tasks_max, 2);
            assert!(checked.warnings.is_empty());
        }
    }

    #[test]
    fn errors_name_the_file_and_the_problem() {
        let refused = |file: &str, content: &str, problem: &str| {
            let message = check(file, content).unwrap_err().to_string();
            assert!(
                message.contains(file) && message.contains(problem),
                "{message}"
            );
        };
        refused("c.json", "{", "malformed JSON at line 1 column 1");
        refused(
            "c.json",
            &FLAT.replace("\"t\"", "[1]"),
            "\"topics\" must be a string",
        );
        refused(
            "c.json",
            &FLAT.replace("SqliteSink", "Foo"),
            "which name matches Foo",
        );
        refused(
            "c.json",
            &FLAT.replace("\"name\": \"n\",", ""),
            "Missing required configuration \"name\"",
        );
        refused(
            "c.json",
            &FLAT.replace(": 2", ": 0"),
            "Value must be at least 1",
        );
        refused("c.properties", "name=\\u12", "line 1");
        let mismatch = format!("{{\"name\": \"other\", \"config\": {FLAT}}}");
        refused(
            "c.json",
            &mismatch,
            "Connector name configuration (n) doesn't match connector name (other)",
        );
        let large = format!("{{\"k\": \"{}\"}}", "x".repeat(1024 * 1024));
        refused("c.json", &large, "larger than 1048576 bytes");
        let missing = validate_offline(Path::new("no/such/file.json"), &WorkerSettings::default());
        let message = missing.unwrap_err().to_string();
        assert!(
            message.starts_with("no/such/file.json: cannot be read"),
            "{message}"
        );
    }

    #[test]
    fn unknown_keys_are_warnings() {
        let checked = check("c.json", &FLAT.replace("tasks.max", "task.max")).unwrap();
        assert_eq!(
            checked.warnings,
            ["task.max is not a key of this connector and has no effect; did you mean tasks.max?"]
        );
    }
}
