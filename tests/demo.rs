//! `rowdock demo` where something comes in between: its port is taken, or a signal ends it. That it
//! accounts for every order is seen by `make test`, which runs it whole.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::support::proc::send_signal;
use crate::support::wait::{check, eventually, seconds};

/// The demo's usual port.
const PORT: u16 = 9398;

/// A demo, its lines read as they come.
struct Demo {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    _folder: tempfile::TempDir,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_rowdock"))
            .arg("demo")
            .args(arguments)
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            lines,
            _folder: folder,
        }
    }

    /// Reads on to the line that has these words.
    fn line(&mut self, words: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let bytes = self.lines.read_line(&mut line).unwrap();
            assert!(bytes > 0, "the demo ended without a word of {words:?}");
            if line.contains(words) {
                return line;
            }
        }
    }

    /// The worker's process id and address, from `worker process 17, REST API at http://…`.
    fn worker(&mut self) -> (u32, String) {
        let line = self.line("REST API at ");
        let (_, rest) = line.split_once("process ").unwrap();
        let (process_id, rest) = rest.split_once(',').unwrap();
        let (_, address) = rest.split_once("REST API at ").unwrap();
        (process_id.parse().unwrap(), address.trim().to_owned())
    }

    fn signal(&self, name: &str) {
        assert!(send_signal(name, self.child.id()));
    }

    /// Reads to the end.
    fn end(mut self) -> ExitStatus {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {}
        self.child.wait().unwrap()
    }
}

async fn until_gone(process_id: u32) {
    let folder = format!("/proc/{process_id}");
    eventually("the worker to be gone", seconds(10), || async {
        check(!Path::new(&folder).exists(), || folder.clone())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_whose_port_is_taken_says_so_and_uses_another() {
    // Whoever has it: it is taken now.
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT));
    let mut demo = Demo::start(&["--exit", "--records", "300"]);
    demo.line("9398 is taken by another program, using");
    let (_, address) = demo.worker();
    assert_ne!(address, format!("http://127.0.0.1:{PORT}"));
    demo.line("Every order is exactly one row");
    assert!(demo.end().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_demo_leaves_no_worker() {
    let mut demo = Demo::start(&["--records", "60000"]);
    let (worker, _) = demo.worker();
    demo.line("stored, ");
    demo.signal("INT");
    demo.line("interrupted");
    assert_eq!(demo.end().code(), Some(130));
    until_gone(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_serves_on_until_it_is_told_to_end() {
    let mut demo = Demo::start(&["--records", "300"]);
    let (first, _) = demo.worker();
    let (second, address) = demo.worker();
    demo.line("Ctrl-C ends it");
    let status = ureq::get(format!("{address}/connectors/orders/status"))
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap();
    assert!(status.contains(r#""state":"RUNNING""#), "{status}");
    demo.signal("TERM");
    demo.line("ended");
    assert!(demo.end().success());
    for worker in [first, second] {
        until_gone(worker).await;
    }
}
