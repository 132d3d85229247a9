//! What `/proc` tells of a worker's process, connections, threads, memory, and of the machine; and signals.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// Whether a process was there to be sent this signal.
pub(crate) fn send_signal(signal: &str, pid: u32) -> bool {
    // The standard library sends no signal but SIGKILL; the shell's own `kill` does.
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{signal} {pid}")])
        .status();
    sent.is_ok_and(|status| status.success())
}

/// Ports at the other ends of the process's TCP connections.
pub(crate) fn remote_ports(pid: u32) -> Vec<u16> {
    let own = sockets(pid);
    let connections = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let lines = connections.lines().skip(1);
    lines
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (remote, inode) = (words.get(2)?, words.get(9)?);
            let (_, port) = remote.rsplit_once(':')?;
            let port = u16::from_str_radix(port, 16).ok()?;
            own.contains(*inode).then_some(port)
        })
        .collect()
}

/// Inodes of a process's sockets.
fn sockets(pid: u32) -> BTreeSet<String> {
    let files = fs::read_dir(format!("/proc/{pid}/fd"));
    let files = files.into_iter().flatten().flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    targets
        .filter_map(|target| {
            let name = target.to_string_lossy().into_owned();
            let inode = name.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect()
}

/// Names of the process's threads, cut by the kernel after 15 characters.
pub(crate) fn threads(pid: u32) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let names = threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    names.map(|name| name.trim_end().to_owned()).collect()
}

/// Memory that the process has in use.
pub(crate) fn resident_mebibytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.expect("the process's memory") / 1024
}

/// How busy the machine has been since then: told beside a time that is measured, which a busy machine
/// makes longer.
pub(crate) struct Busy {
    since: Instant,
    waited: Option<Duration>,
}

impl Busy {
    pub(crate) fn from_now() -> Self {
        Self {
            since: Instant::now(),
            waited: waited_for_a_cpu(),
        }
    }
}

impl fmt::Display for Busy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waited = waited_for_a_cpu().zip(self.waited);
        let Some((now, then)) = waited else {
            return formatter.write_str("how busy the machine was is not known");
        };
        let share = (now - then).as_secs_f64() / self.since.elapsed().as_secs_f64();
        write!(
            formatter,
            "something waited for a CPU {:.0} % of the time",
            100.0 * share
        )
    }
}

/// For how long, since the machine was started, at least one thread was ready and had no CPU.
fn waited_for_a_cpu() -> Option<Duration> {
    let text = fs::read_to_string("/proc/pressure/cpu").ok()?;
    let (_, total) = text.lines().next()?.split_once("total=")?;
    total.trim().parse().ok().map(Duration::from_micros)
}
