//! A database server of one test's own, which it may kill.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::engine::Engine;
use super::services::{parse, service, service_with, services_script};

/// A server; discarded with its data when dropped.
pub(crate) struct OwnServer {
    service: String,
    /// The folder of its data; none of a container's.
    data: Option<PathBuf>,
    /// Its process as it was first started; none of a container's.
    pub(crate) pid: Option<u32>,
    /// URL of its maintenance database; `host:port` of a node of Cassandra.
    pub(crate) url: String,
}

impl OwnServer {
    /// Starts a new one. Two runs of a test may overlap, so the name carries the process's id.
    pub(crate) async fn start(engine: Engine, name: &str) -> Self {
        Self::start_with(engine, name, "").await
    }

    /// The same, with lines of settings behind those that all servers have. MySQL and MariaDB only.
    pub(crate) async fn start_with(engine: Engine, name: &str, settings: &str) -> Self {
        Self::of_kind(engine.service(), name, settings).await
    }

    /// Starts PgBouncer in transaction mode before the shared PostgreSQL.
    pub(crate) async fn pooler(name: &str) -> Self {
        Self::of_kind(("pgbouncer", "ROWDOCK_TEST_PGBOUNCER"), name, "").await
    }

    /// Starts a node of Cassandra; those of one `name` are one cluster, in which it has this number.
    pub(crate) async fn cassandra(name: &str, number: u32) -> Self {
        let kind = match number {
            1 => "cassandra".to_owned(),
            number => format!("cassandra-{number}"),
        };
        Self::of_kind((&kind, "ROWDOCK_TEST_CASSANDRA"), name, "").await
    }

    async fn of_kind((kind, key): (&str, &str), name: &str, more: &str) -> Self {
        let service = format!("{kind}@{name}_{}", std::process::id());
        let started = service_with("start", &service, more).await;
        let settings = parse(&started);
        let url = settings
            .get(key)
            .unwrap_or_else(|| panic!("{service} did not tell its URL: {settings:?}"))
            .clone();
        let data = settings.get(&format!("{key}_DATA")).map(PathBuf::from);
        let pid = settings.get(&format!("{key}_PID"));
        let pid = pid.and_then(|pid| pid.parse().ok());
        Self {
            service,
            data,
            pid,
            url,
        }
    }

    /// Kills it as a crash would.
    pub(crate) async fn kill(&self) {
        service("kill", &self.service).await;
    }

    /// Stops it as an administrator does.
    pub(crate) async fn stop(&self) {
        service("stop", &self.service).await;
    }

    /// The same server, with its data, on the same port.
    pub(crate) async fn start_again(&self) {
        service("start", &self.service).await;
    }
}

impl OwnServer {
    /// Copies its files, for which it stops for a moment.
    pub(crate) async fn back_up(&self) {
        self.stop().await;
        let (data, backup) = self.folders();
        copy(&data, &backup).await;
        self.start_again().await;
    }

    /// Puts the copy of its files in their place, as after a loss of them.
    pub(crate) async fn restore(&self) {
        self.kill().await;
        let (data, backup) = self.folders();
        tokio::fs::remove_dir_all(&data).await.expect("its files");
        copy(&backup, &data).await;
        self.start_again().await;
    }

    /// The files of another server, which is stopped, take the place of its own; it is stopped, too.
    pub(crate) async fn copy_files_of(&self, other: &Self) {
        let (from, to) = (other.data_folder(), self.data_folder());
        tokio::fs::remove_dir_all(&to).await.expect("its files");
        copy(&from, &to).await;
    }

    /// Where its files are.
    pub(crate) fn data_folder(&self) -> PathBuf {
        let data = self.data.clone();
        data.expect("a server that is a process, not a container")
    }

    fn folders(&self) -> (PathBuf, PathBuf) {
        let data = self.data_folder();
        let backup = data.with_extension("backup");
        (data, backup)
    }
}

async fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().await;
    assert!(copied.expect("start cp").success(), "cp -a {from:?} {to:?}");
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let discarded = std::process::Command::new(services_script())
            .args(["discard", &self.service])
            .stdout(Stdio::null())
            .status();
        if !discarded.is_ok_and(|status| status.success()) {
            println!("{} was not discarded", self.service);
        }
    }
}
