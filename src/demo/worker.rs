//! The worker as a process of its own, so that it can be killed as a process.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, Command};

use super::DemoError;

/// The worker's usual port.
pub(super) const DEFAULT_PORT: u16 = 9398;

/// A running worker; killed when it is dropped.
pub(super) struct WorkerProcess {
    child: Child,
    process_id: u32,
}

impl WorkerProcess {
    /// Starts this very program as a worker for this broker, with its API at this port. Its log goes
    /// to the end of a file.
    ///
    /// # Errors
    /// When the program or the log cannot be opened.
    pub(super) fn start(broker: &str, port: u16, log: &Path) -> Result<Self, DemoError> {
        Self::spawn(broker, port, log).map_err(DemoError::WorkerNotStarted)
    }

    fn spawn(broker: &str, port: u16, log: &Path) -> io::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("standalone")
            .args(["--set", &format!("bootstrap.servers={broker}")])
            .args(["--set", &format!("listeners=http://127.0.0.1:{port}")])
            .args(["--set", "log.format=human"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        // Settings of a real worker on this machine are none of the demo's.
        let settings = std::env::vars_os().map(|(name, _)| name);
        for name in settings.filter(|name| name.to_string_lossy().starts_with("CONNECT_")) {
            command.env_remove(name);
        }
        let child = command.spawn()?;
        let process_id = child
            .id()
            .ok_or_else(|| io::Error::other("the worker ended at once"))?;
        Ok(Self { child, process_id })
    }

    /// Its process id.
    pub(super) fn process_id(&self) -> u32 {
        self.process_id
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, DemoError> {
        self.child.try_wait().map_err(DemoError::Worker)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// The system's.
    pub(super) async fn end(&mut self) -> Result<ExitStatus, DemoError> {
        self.child.wait().await.map_err(DemoError::Worker)
    }

    /// Kills it with SIGKILL, which it cannot notice, and waits until it is gone.
    ///
    /// # Errors
    /// The system's.
    pub(super) async fn kill(&mut self) -> Result<ExitStatus, DemoError> {
        self.child.start_kill().map_err(DemoError::Worker)?;
        self.end().await
    }
}

/// A port of 127.0.0.1 that is free now: the usual one, or any when that is busy.
///
/// # Errors
/// The system's.
pub(super) fn free_port(usual: u16) -> io::Result<u16> {
    let bound = match TcpListener::bind((Ipv4Addr::LOCALHOST, usual)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        }
        outcome => outcome?,
    };
    Ok(bound.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_means_another_one() {
        let busy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = busy.local_addr().unwrap().port();
        let other = free_port(port).unwrap();
        assert!(other != port && other != 0);
    }
}
