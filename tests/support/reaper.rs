//! No worker process outlives the tests, however they end.
//!
//! Each worker is killed when its test drops it. Should the test process itself be killed, nobody
//! drops anything: then a small shell process, which holds the reading end of a pipe from us, sees
//! the pipe close and kills every process it was told of.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// Reads `+pid` and `-pid` until the pipe closes, deaf to the signals that end a test run. A pid
/// is killed only while the process still runs the worker's binary, since pids are used again.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
alive=' '
while read -r line; do
  pid=${line#?}
  case $line in
    +*) alive="$alive$pid " ;;
    -*) alive="${alive%% $pid *} ${alive#* $pid }" ;;
  esac
done
for pid in $alive; do
  if [ "$(readlink "/proc/$pid/exe")" = "$1" ]; then kill -KILL "$pid"; fi
done
"#;

/// A worker process has started.
pub(crate) fn watch(pid: u32) {
    tell(&format!("+{pid}\n"));
}

/// A worker process has ended and was waited for.
pub(crate) fn forget(pid: u32) {
    tell(&format!("-{pid}\n"));
}

fn tell(line: &str) {
    static REAPER: OnceLock<Mutex<Child>> = OnceLock::new();
    let reaper = REAPER.get_or_init(|| Mutex::new(start()));
    let mut child = reaper.lock().unwrap();
    let pipe = child.stdin.as_mut().expect("the reaper's pipe");
    pipe.write_all(line.as_bytes()).expect("tell the reaper");
}

fn start() -> Child {
    Command::new("sh")
        .args(["-c", SCRIPT, "sh", env!("CARGO_BIN_EXE_rowdock")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("start a shell")
}
