//! Where the services are: the file that whoever started them has written.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Where the services are.
#[derive(Debug)]
pub(crate) struct Services {
    /// Kafka's `host:port`.
    pub(crate) kafka: String,
    /// The broker's process, when it can be seen from here.
    pub(crate) kafka_pid: Option<u32>,
    /// URL of a PostgreSQL superuser.
    pub(crate) postgres: String,
    /// URLs of users with all rights, without a database.
    pub(crate) mysql: String,
    pub(crate) mariadb: String,
    /// PostgreSQL's first process, when it can be seen from here.
    pub(crate) postgres_pid: Option<u32>,
}

impl Services {
    /// Reads the file that whoever started the services has written.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let file = env::var_os("ROWDOCK_TEST_ENV")
            .map_or_else(|| workspace().join("target/services.env"), PathBuf::from);
        let settings = Settings::read(&file, "make services")?;
        Ok(Self {
            kafka: settings.text("ROWDOCK_TEST_KAFKA")?,
            kafka_pid: settings.optional("ROWDOCK_TEST_KAFKA_PID")?,
            postgres: settings.text("ROWDOCK_TEST_POSTGRES")?,
            mysql: settings.text("ROWDOCK_TEST_MYSQL")?,
            mariadb: settings.text("ROWDOCK_TEST_MARIADB")?,
            postgres_pid: settings.optional("ROWDOCK_TEST_POSTGRES_PID")?,
        })
    }
}

/// The root of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `KEY=value` lines of a file.
pub(crate) struct Settings {
    file: PathBuf,
    values: BTreeMap<String, String>,
}

impl Settings {
    pub(crate) fn read(file: &Path, writer: &str) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("cannot read {}; `{writer}` writes it", file.display()))?;
        let values = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
            .collect();
        Ok(Self {
            file: file.to_owned(),
            values,
        })
    }

    pub(crate) fn text(&self, key: &str) -> anyhow::Result<String> {
        let value = self.values.get(key).cloned();
        value.with_context(|| format!("{} does not name {key}", self.file.display()))
    }

    pub(crate) fn optional<T: std::str::FromStr>(&self, key: &str) -> anyhow::Result<Option<T>> {
        let Some(value) = self.values.get(key) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => bail!("{}: {key} is not a number", self.file.display()),
        }
    }
}
