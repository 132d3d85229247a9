//! The folder in which the demo leaves what it made: the database, the worker's log, the
//! connector's config.
//!
//! A later demo begins anew in the same folder, so it must be sure that what it removes was made by
//! a demo: a marker file says so. The marker is locked for as long as a demo runs there.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::DemoError;

/// Says that the folder is a demo's.
const MARKER: &str = ".rowdock-demo";
const DATABASE: &str = "orders.db";
const CONNECTOR: &str = "connector.json";
const LOG: &str = "worker.log";

/// What an earlier demo left: the database has two companions while it is open.
const LEFT_BEHIND: [&str; 5] = [DATABASE, "orders.db-wal", "orders.db-shm", CONNECTOR, LOG];

/// Of a log that is shown: enough to hold the last lines.
const LOG_TAIL_BYTES: u64 = 8 * 1024;
const LOG_TAIL_LINES: usize = 12;

/// The demo's folder; ours until it is dropped.
#[derive(Debug)]
pub(super) struct DemoFolder {
    path: PathBuf,
    _lock: File,
}

impl DemoFolder {
    /// Makes the folder, or empties that of an earlier demo.
    ///
    /// # Errors
    /// A folder with other things in it, or one in which a demo is running.
    pub(super) fn prepare(path: &Path) -> Result<Self, DemoError> {
        let failed = |problem: String| DemoError::Folder {
            path: path.to_owned(),
            problem,
        };
        let plain = |error: io::Error| failed(error.to_string());
        fs::create_dir_all(path).map_err(plain)?;
        let marker = path.join(MARKER);
        let is_ours = marker.try_exists().map_err(plain)?;
        if !is_ours && fs::read_dir(path).map_err(plain)?.next().is_some() {
            return Err(failed(
                "it holds files that no demo made; name another folder with --dir".to_owned(),
            ));
        }
        let lock = File::create(&marker).map_err(plain)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(failed(
                    "a demo is running in it; stop that, or name another folder with --dir"
                        .to_owned(),
                ));
            }
            Err(TryLockError::Error(error)) => return Err(plain(error)),
        }
        for name in LEFT_BEHIND {
            match fs::remove_file(path.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(plain(error)),
                Ok(()) | Err(_) => {}
            }
        }
        // Absolute, because it is printed for use from anywhere.
        let path = fs::canonicalize(path).map_err(plain)?;
        Ok(Self { path, _lock: lock })
    }

    /// The database file.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// The connector's config as it was sent.
    pub(super) fn connector(&self) -> PathBuf {
        self.path.join(CONNECTOR)
    }

    /// What the worker logged, before and after the kill.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// The end of the worker's log, for a message that says what went wrong.
    pub(super) fn log_tail(&self) -> String {
        let path = self.log();
        let lines = tail(&path).unwrap_or_else(|error| format!("(cannot be read: {error})"));
        format!("the end of {}:\n{lines}", path.display())
    }
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(LOG_TAIL_LINES);
    Ok(lines[start..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_begins_anew_in_its_folder() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/demo");
        let folder = DemoFolder::prepare(&path).unwrap();
        fs::write(folder.database(), "rows").unwrap();
        fs::write(path.join("notes.txt"), "kept").unwrap();
        drop(folder);

        let folder = DemoFolder::prepare(&path).unwrap();
        assert!(!folder.database().exists());
        assert!(path.join("notes.txt").exists());
    }

    #[test]
    fn folders_of_others_are_left_alone() {
        let check = |path: &Path, expected: &str| {
            let message = DemoFolder::prepare(path).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        };
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join(DATABASE);
        fs::write(&database, "mine").unwrap();
        check(folder.path(), "no demo made");
        assert_eq!(fs::read_to_string(&database).unwrap(), "mine");
        check(&database, "cannot use");

        let busy = tempfile::tempdir().unwrap();
        let running = DemoFolder::prepare(busy.path()).unwrap();
        check(busy.path(), "a demo is running");
        drop(running);
        DemoFolder::prepare(busy.path()).unwrap();
    }

    #[test]
    fn the_end_of_the_log() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DemoFolder::prepare(parent.path()).unwrap();
        assert!(folder.log_tail().contains("cannot be read"));
        let line = "x".repeat(2000);
        let lines: Vec<String> = (0..20).map(|number| format!("{number} {line}")).collect();
        fs::write(folder.log(), lines.join("\n")).unwrap();
        let tail = folder.log_tail();
        assert!(tail.contains("\n19 x") && !tail.contains("\n14 x"));
    }
}
