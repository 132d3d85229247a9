//! What every SQL sink must be told.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use crate::position::ProgressScope;

/// Settings of a sink, already parsed and checked for form.
#[derive(Debug, Clone)]
pub struct SinkOptions {
    /// Where the database is: `connection.url`, JDBC form (`jdbc:postgresql://..`,
    /// `jdbc:sqlite:..`) or native (`postgresql://..`, `sqlite:..`).
    pub url: String,
    /// `connection.user`; overrides a user in the URL.
    pub user: Option<String>,
    /// `connection.password`; overrides a password in the URL.
    pub password: Option<SecretString>,
    /// Whose progress rows are read and moved.
    pub scope: ProgressScope,
    /// Name of the progress table (`progress.table`), with or without a schema.
    pub progress_table: String,
    /// Exactly-once: the progress table is created when absent, and used. At-least-once: no
    /// progress table is looked at.
    pub stores_positions: bool,
    /// What the database shows for the session, such as `rowdock/orders-0`.
    pub application_name: String,
    /// Time-outs.
    pub timeouts: SinkTimeouts,
}

impl SinkOptions {
    /// Of tests: everything but the place.
    #[cfg(test)]
    pub(crate) fn fixture(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            user: None,
            password: None,
            scope: ProgressScope {
                cluster_id: "cluster".to_owned(),
                connector: "orders".to_owned(),
            },
            progress_table: "rowdock_progress".to_owned(),
            stores_positions: true,
            application_name: "rowdock/orders-0".to_owned(),
            timeouts: SinkTimeouts::default(),
        }
    }

    fn secret(&self) -> Option<&str> {
        self.password.as_ref().map(|secret| secret.expose_secret())
    }
}

/// Secrets are compared too: another password is another sink.
impl PartialEq for SinkOptions {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
            && self.user == other.user
            && self.secret() == other.secret()
            && self.scope == other.scope
            && self.progress_table == other.progress_table
            && self.stores_positions == other.stores_positions
            && self.application_name == other.application_name
            && self.timeouts == other.timeouts
    }
}

/// How long a sink waits, and for how long it may make others wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkTimeouts {
    /// To reach the server and log in.
    pub connect: Duration,
    /// Client-side deadline of one statement; past it the connection is thrown away.
    pub statement: Duration,
    /// Server-side: longest wait for a lock that another session holds.
    pub lock: Duration,
    /// Server-side: a stopped process may hold its locks for this long.
    pub idle_in_transaction: Duration,
}

impl Default for SinkTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            statement: Duration::from_secs(60),
            lock: Duration::from_secs(10),
            // Bounds how long partitions of a frozen worker stay locked; a healthy session sends
            // its next statement within milliseconds.
            idle_in_transaction: Duration::from_secs(10),
        }
    }
}
