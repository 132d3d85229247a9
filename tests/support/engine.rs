//! The databases that the fault tests run on.

use super::services::{services, workspace};

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    MySql,
    MariaDb,
    /// A file in the stage's own folder: no server, and so no sessions to look at or to end.
    Sqlite,
}

impl Engine {
    /// URL of the shared server; for SQLite of the folder that has the stages' folders.
    pub(crate) fn server(self) -> String {
        match self {
            Self::Postgres => services().postgres.clone(),
            Self::MySql => services().mysql.clone(),
            Self::MariaDb => services().mariadb.clone(),
            Self::Sqlite => format!("sqlite:{}/target/fault-tests", workspace().display()),
        }
    }

    /// The service of `scripts/services.sh` for a server of a test's own, and the key by which the
    /// script tells its URL.
    pub(crate) fn service(self) -> (&'static str, &'static str) {
        match self {
            Self::Postgres => ("postgres-15", "ROWDOCK_TEST_POSTGRES"),
            Self::MySql => ("mysql", "ROWDOCK_TEST_MYSQL"),
            Self::MariaDb => ("mariadb", "ROWDOCK_TEST_MARIADB"),
            Self::Sqlite => panic!("sqlite has no server"),
        }
    }

    /// Class of a connector.
    pub(crate) fn sink_class(self) -> &'static str {
        match self {
            Self::Postgres => "PostgresSink",
            Self::MySql | Self::MariaDb => "MySqlSink",
            Self::Sqlite => "SqliteSink",
        }
    }

    /// The name of a point in the engine's sink where a worker can be held.
    pub(crate) fn point(self, name: &str) -> String {
        let sink = match self {
            Self::Postgres => "postgres",
            Self::MySql | Self::MariaDb => "mysql",
            Self::Sqlite => "sqlite",
        };
        format!("{sink}::{name}")
    }

    /// The end of a write as it travels, which `READ COMMITTED` does not have.
    pub(crate) fn commit(self) -> &'static str {
        match self {
            Self::MySql | Self::MariaDb => "COMMIT;",
            Self::Postgres | Self::Sqlite => "COMMIT\0",
        }
    }

    /// For the names of stages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
            Self::MariaDb => "mariadb",
            Self::Sqlite => "sqlite",
        }
    }
}
