//! A PostgreSQL server of one test's own, which it may kill.

use std::process::Stdio;

use tokio::process::Command;

use super::services::{parse, workspace};

/// A server; discarded with its data when dropped.
pub(crate) struct OwnServer {
    service: String,
    /// URL of its maintenance database.
    pub(crate) url: String,
}

impl OwnServer {
    /// Starts a new one. Two runs of a test may overlap, so the name carries the process's id.
    pub(crate) async fn start(name: &str) -> Self {
        let service = format!("postgres-15@{name}_{}", std::process::id());
        let settings = parse(&services_script("start", &service).await);
        let url = settings
            .get("ROWDOCK_TEST_POSTGRES")
            .unwrap_or_else(|| panic!("{service} did not tell its URL: {settings:?}"))
            .clone();
        Self { service, url }
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
