//! The program under test, and where it may listen.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::services::workspace;

/// Builds the worker as users get it and returns the program; `ROWDOCK_BENCH_WORKER` names one that is
/// there. `cargo bench` has built one too, but with what benchmarks and tests add to its dependencies.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    if let Some(program) = std::env::var_os("ROWDOCK_BENCH_WORKER") {
        return Ok(program.into());
    }
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--bin", "rowdock"])
        .arg("--message-format=json")
        .current_dir(workspace())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !built.status.success() {
        bail!("the release build failed");
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
        .context("cargo does not say where the release build is")
}

/// A port of this machine that nobody listens at.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}
