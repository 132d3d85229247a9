//! Holds the program at a named point of its code until it is told to go on, for the fault tests.
//!
//! A file says that it stands there, and whoever deletes the file lets it go. So a test waits for what
//! has happened, and nothing has to happen within a time. Part of the program with the feature
//! `failpoints` only.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{env, fs, thread};

/// `point=passes=file`: after so many passes of this point, once.
const VARIABLE: &str = "ROWDOCK_HOLD";

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Does as the environment says.
///
/// # Errors
/// When that cannot be understood.
pub(crate) fn set_up() -> Result<(), String> {
    let Ok(words) = env::var(VARIABLE) else {
        return Ok(());
    };
    let parts: Vec<&str> = words.splitn(3, '=').collect();
    let [point, passes, file] = parts[..] else {
        return Err(format!("{VARIABLE} is not of the form point=passes=file"));
    };
    let passes: usize = passes
        .parse()
        .map_err(|_| format!("{VARIABLE}: the number of passes is no number"))?;
    let file = PathBuf::from(file);
    let passed = AtomicUsize::new(0);
    fail::cfg_callback(point, move || {
        if passed.fetch_add(1, Ordering::Relaxed) == passes {
            stand(&file);
        }
    })
}

fn stand(file: &Path) {
    if let Err(problem) = fs::write(file, "") {
        tracing::error!("cannot hold: {}: {problem}", file.display());
        return;
    }
    while file.exists() {
        thread::sleep(LOOK_EVERY);
    }
}
