//! Where the services are: one environment file, written by whoever starts them.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

/// A service on the loopback interface answers a connect at once, or is not there.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// The services that tests use.
#[derive(Debug)]
pub(crate) struct Services {
    /// Kafka's `host:port`; with commas between, when there are several brokers.
    pub(crate) kafka: String,
    /// The same broker's door for logins by token; only where it is one broker.
    pub(crate) kafka_tokens: Option<String>,
    /// URL of the main PostgreSQL server's maintenance database, as a superuser.
    pub(crate) postgres: String,
    /// The same of the newest supported PostgreSQL.
    pub(crate) postgres_newest: String,
    /// `host:port` of a Cassandra node.
    pub(crate) cassandra: String,
    /// URL of MySQL, without a database, as a user with all rights.
    pub(crate) mysql: String,
    /// The same of MariaDB.
    pub(crate) mariadb: String,
    /// URL of the schema registry, with the base path of Confluent's API.
    pub(crate) registry: String,
}

/// The services. A test that needs them fails, with the reason, when they are absent.
pub(crate) fn services() -> &'static Services {
    static SERVICES: OnceLock<Result<Services, String>> = OnceLock::new();
    match SERVICES.get_or_init(Services::find) {
        Ok(services) => services,
        Err(reason) => {
            panic!("{reason}; `make services` brings the services up and leaves them up")
        }
    }
}

/// Starts, stops, kills or discards a server; what the script tells of it.
pub(crate) async fn service(verb: &str, name: &str) -> String {
    service_with(verb, name, "").await
}

/// The same, with lines of settings behind those that all servers of its kind have.
pub(crate) async fn service_with(verb: &str, name: &str, settings: &str) -> String {
    let output = tokio::process::Command::new(services_script())
        .args([verb, name])
        .env("ROWDOCK_SERVER_SETTINGS", settings)
        .stderr(Stdio::inherit())
        .output()
        .await
        .expect("run scripts/services.sh");
    let status = output.status;
    assert!(status.success(), "services.sh {verb} {name}: {status}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Where it is.
pub(crate) fn services_script() -> PathBuf {
    workspace().join("scripts/services.sh")
}

impl Services {
    fn find() -> Result<Self, String> {
        let path = environment_file();
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let mut values = parse(&text);
        let mut take = |key: &str| {
            values
                .remove(key)
                .ok_or_else(|| format!("{} does not name {key}", path.display()))
        };
        let services = Self {
            kafka: take("ROWDOCK_TEST_KAFKA")?,
            kafka_tokens: take("ROWDOCK_TEST_KAFKA_TOKENS").ok(),
            postgres: take("ROWDOCK_TEST_POSTGRES")?,
            postgres_newest: take("ROWDOCK_TEST_POSTGRES_18")?,
            cassandra: take("ROWDOCK_TEST_CASSANDRA")?,
            mysql: take("ROWDOCK_TEST_MYSQL")?,
            mariadb: take("ROWDOCK_TEST_MARIADB")?,
            registry: take("ROWDOCK_TEST_REGISTRY")?,
        };
        for broker in services.kafka.split(',') {
            answers("Kafka", broker)?;
        }
        answers("PostgreSQL", host_and_port(&services.postgres))?;
        answers("PostgreSQL 18", host_and_port(&services.postgres_newest))?;
        answers("MySQL", host_and_port(&services.mysql))?;
        answers("MariaDB", host_and_port(&services.mariadb))?;
        answers("The schema registry", host_and_port(&services.registry))?;
        Ok(services)
    }
}

/// The root of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `KEY=value` lines; what is not such a line is skipped.
pub(crate) fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

/// `host:port` of `scheme://user:password@host:port/path`.
pub(crate) fn host_and_port(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}

pub(crate) fn environment_file() -> PathBuf {
    env::var_os("ROWDOCK_TEST_ENV")
        .map_or_else(|| workspace().join("target/services.env"), PathBuf::from)
}

fn answers(what: &str, address: &str) -> Result<(), String> {
    let parsed: SocketAddr = address
        .parse()
        .map_err(|_| format!("the address of {what}, {address}, is not of the form ip:port"))?;
    TcpStream::connect_timeout(&parsed, CONNECT_DEADLINE)
        .map(drop)
        .map_err(|error| format!("{what} does not answer at {address}: {error}"))
}
