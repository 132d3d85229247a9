//! A database server of one test's own, which it may kill.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::engine::Engine;
use super::services::{parse, workspace};

/// A server; discarded with its data when dropped.
pub(crate) struct OwnServer {
    service: String,
    /// The folder of its data; none of a container's.
    data: Option<PathBuf>,
    /// URL of its maintenance database.
    pub(crate) url: String,
}

impl OwnServer {
    /// Starts a new one. Two runs of a test may overlap, so the name carries the process's id.
    pub(crate) async fn start(engine: Engine, name: &str) -> Self {
        Self::of_kind(engine.service(), name).await
    }

    /// Starts PgBouncer in transaction mode before the shared PostgreSQL.
    pub(crate) async fn pooler(name: &str) -> Self {
        Self::of_kind(("pgbouncer", "ROWDOCK_TEST_PGBOUNCER"), name).await
    }

    async fn of_kind((kind, key): (&str, &str), name: &str) -> Self {
        let service = format!("{kind}@{name}_{}", std::process::id());
        let settings = parse(&services_script("start", &service).await);
        let url = settings
            .get(key)
            .unwrap_or_else(|| panic!("{service} did not tell its URL: {settings:?}"))
            .clone();
        let data = settings.get(&format!("{key}_DATA")).map(PathBuf::from);
        Self { service, data, url }
    }

    /// Kills it as a crash would.
    pub(crate) async fn kill(&self) {
        services_script("kill", &self.service).await;
    }

    /// The same server, with its data, on the same port.
    pub(crate) async fn start_again(&self) {
        services_script("start", &self.service).await;
    }
}

impl OwnServer {
    /// Copies its files, for which it stops for a moment.
    pub(crate) async fn back_up(&self) {
        services_script("stop", &self.service).await;
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

    fn folders(&self) -> (PathBuf, PathBuf) {
        let data = self.data.clone();
        let data = data.expect("a server that is a process, not a container");
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
        let discarded = std::process::Command::new(script())
            .args(["discard", &self.service])
            .stdout(Stdio::null())
            .status();
        if !discarded.is_ok_and(|status| status.success()) {
            println!("{} was not discarded", self.service);
        }
    }
}

async fn services_script(verb: &str, service: &str) -> String {
    let output = Command::new(script())
        .args([verb, service])
        .stderr(Stdio::inherit())
        .output()
        .await
        .expect("run scripts/services.sh");
    assert!(
        output.status.success(),
        "services.sh {verb} {service}: {}",
        output.status
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn script() -> std::path::PathBuf {
    workspace().join("scripts/services.sh")
}
