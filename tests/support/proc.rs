//! What `/proc` tells of a worker's process: connections, threads, memory.

use std::collections::BTreeSet;
use std::fs;

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
