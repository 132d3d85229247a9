//! What processes use: CPU time and memory, from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// Unit of CPU times in `/proc/<pid>/stat`; fixed by Linux's interface to programs.
const TICKS_PER_SECOND: u32 = 100;

/// Places in `/proc/<pid>/stat` after the process name: parent, then own and reaped children's CPU.
const PARENT: usize = 1;
const OWN_USER: usize = 11;
const OWN_SYSTEM: usize = 12;
const REAPED_USER: usize = 13;
const REAPED_SYSTEM: usize = 14;

/// CPU time of a process and all its threads since it started.
pub(crate) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    Ok(Stat::read(pid)?.own())
}

/// CPU time of a process and of all its children, those that have ended included.
pub(crate) fn family_cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let parent = Stat::read(pid)?;
    let mut sum = parent.own() + parent.reaped_children();
    for entry in fs::read_dir("/proc").context("cannot list processes")? {
        let Some(child) = entry
            .ok()
            .and_then(|entry| entry.file_name().into_string().ok())
        else {
            continue;
        };
        // A process may end while the list is read; its time is then the parent's.
        let Some(stat) = child.parse().ok().and_then(|pid| Stat::read(pid).ok()) else {
            continue;
        };
        if stat.field(PARENT) == u64::from(pid) {
            sum += stat.own() + stat.reaped_children();
        }
    }
    Ok(sum)
}

/// The most memory the process ever had in use, in bytes.
pub(crate) fn peak_memory(pid: u32) -> anyhow::Result<u64> {
    memory(pid, "VmHWM:")
}

/// The memory the process has in use, in bytes.
pub(crate) fn memory_in_use(pid: u32) -> anyhow::Result<u64> {
    memory(pid, "VmRSS:")
}

fn memory(pid: u32, key: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let kibibytes: Option<u64> = text
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok());
    let kibibytes = kibibytes.with_context(|| format!("{path} has no {key}"))?;
    Ok(kibibytes * 1024)
}

/// The numbers of `/proc/<pid>/stat` after the process name.
struct Stat(Vec<u64>);

impl Stat {
    fn read(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        // The name is in parentheses and may hold any character.
        let (_, numbers) = text
            .rsplit_once(") ")
            .with_context(|| format!("{path} is cut"))?;
        let numbers = numbers.split(' ').map(|word| word.parse().unwrap_or(0));
        Ok(Self(numbers.collect()))
    }

    fn own(&self) -> Duration {
        duration(self.field(OWN_USER) + self.field(OWN_SYSTEM))
    }

    fn reaped_children(&self) -> Duration {
        duration(self.field(REAPED_USER) + self.field(REAPED_SYSTEM))
    }

    fn field(&self, place: usize) -> u64 {
        self.0.get(place).copied().unwrap_or(0)
    }
}

fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / u64::from(TICKS_PER_SECOND))
}
