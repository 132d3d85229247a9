//! The program as a process: exit codes, what it says when it cannot start, signals. Needs neither
//! Kafka nor a database.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Settings that reach no Kafka and take any free port.
const SETTINGS: [&str; 6] = [
    "--set",
    "listeners=http://127.0.0.1:0",
    "--set",
    "log.format=json",
    "--set",
    "bootstrap.servers=127.0.0.1:1",
];

/// How long a process may take to end that was told to; a slow machine included.
const END_DEADLINE: Duration = Duration::from_secs(30);

fn rowdock() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowdock"));
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// A running worker and its log.
struct Worker {
    child: Child,
    log: BufReader<ChildStderr>,
    address: String,
}

impl Worker {
    fn start() -> Self {
        let mut child = rowdock()
            .arg("standalone")
            .args(SETTINGS)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let ready = wait_for_line(&mut log, "rest api listening");
        let address = ready["address"].as_str().unwrap().to_owned();
        Self {
            child,
            log,
            address,
        }
    }

    fn signal(&self, name: &str) {
        let killed = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
    }

    /// The exit code once the process has ended.
    fn exit_code(&mut self) -> Option<i32> {
        let begun = Instant::now();
        while begun.elapsed() < END_DEADLINE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("the worker did not end");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn wait_for_line(log: &mut impl BufRead, message: &str) -> Value {
    for line in log.lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if line["message"].as_str().unwrap().starts_with(message) {
            return line;
        }
    }
    panic!("the log ended without `{message}`");
}

fn run(arguments: &[&str]) -> Output {
    rowdock().args(arguments).output().unwrap()
}

#[track_caller]
fn check(output: &Output, code: i32, stdout: &str, stderr: &[&str]) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(text(&output.stdout).contains(stdout), "{output:?}");
    for part in stderr {
        assert!(text(&output.stderr).contains(part), "{part}: {output:?}");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn command_line() {
    check(&run(&["--version"]), 0, env!("CARGO_PKG_VERSION"), &[]);
    check(&run(&["--help"]), 0, "standalone", &[]);
    check(&run(&[]), 2, "", &["Usage: rowdock"]);
    check(&run(&["nope"]), 2, "", &["unrecognized subcommand 'nope'"]);
    check(
        &run(&["standalone", "--nope"]),
        2,
        "",
        &["unexpected argument '--nope'"],
    );
    check(&run(&["validate"]), 2, "", &["<CONNECTOR>"]);
}

#[test]
fn settings_that_are_wrong_are_named() {
    let output = run(&["standalone", "--set", "no.such.key=1"]);
    check(&output, 1, "", &["rowdock: ", "no.such.key"]);
    let output = run(&["standalone", "--config", "/no/such/file.toml"]);
    check(&output, 1, "", &["rowdock: ", "/no/such/file.toml"]);
}

#[test]
fn a_busy_port_is_named_with_the_key_to_set() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let listeners = format!("listeners=http://{address}");
    let mut arguments = vec!["standalone"];
    arguments.extend(SETTINGS);
    arguments.extend(["--set", &listeners]);
    let output = run(&arguments);
    let busy = format!("cannot listen on http://{address}");
    check(&output, 1, "", &[&busy, "set listeners to another address"]);
}

#[test]
fn connector_files_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, body: &str| {
        let path = folder.path().join(name);
        fs::write(&path, body).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = r#"{"name": "orders", "config": {"connector.class": "SqliteSink",
        "topics": "orders", "connection.url": "jdbc:sqlite:orders.db", "auto.create": "true"}}"#;
    let good = write("good.json", good);
    let bad = r#"{"name": "bad", "config": {"connector.class": "SqliteSink",
        "tasks.max": "dog", "topics": "orders", "connection.url": "jdbc:sqlite:orders.db"}}"#;
    let bad = write("bad.json", bad);
    let broken = write("broken.json", "{");

    check(
        &run(&["validate", &good]),
        0,
        "connector orders is acceptable",
        &[],
    );
    let dog = "Invalid value dog for configuration tasks.max";
    check(
        &run(&["validate", &bad]),
        1,
        "",
        &["rowdock: ", "bad.json", dog],
    );
    check(
        &run(&["validate", &broken]),
        1,
        "",
        &["rowdock: ", "broken.json"],
    );

    let mut standalone = vec!["standalone"];
    standalone.extend(SETTINGS);
    for (files, expected) in [
        ([&good, &bad], ["bad.json", dog]),
        ([&good, &broken], ["broken.json", "worker cannot run"]),
        (
            [&good, &good],
            ["good.json", "Connector orders already exists"],
        ),
    ] {
        let mut arguments = standalone.clone();
        arguments.extend(files.map(String::as_str));
        check(&run(&arguments), 1, "", &expected);
    }
}

#[test]
fn the_first_signal_stops_gracefully() {
    for signal in ["TERM", "INT"] {
        let mut worker = Worker::start();
        let mut connection = TcpStream::connect(&worker.address).unwrap();
        let request = "GET / HTTP/1.1\r\nhost: w\r\nconnection: close\r\n\r\n";
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");

        worker.signal(signal);
        wait_for_line(&mut worker.log, "worker stopped");
        assert_eq!(worker.exit_code(), Some(0));
        assert!(TcpStream::connect(&worker.address).is_err());
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mut worker = Worker::start();
        // A request that stays open keeps the worker from ending by itself for a moment.
        let mut open = TcpStream::connect(&worker.address).unwrap();
        let request = "POST /connectors HTTP/1.1\r\nhost: w\r\ncontent-type: application/json\r\n\
                       content-length: 10\r\nexpect: 100-continue\r\n\r\n";
        open.write_all(request.as_bytes()).unwrap();
        let mut proceed = [0; 12];
        open.read_exact(&mut proceed).unwrap();
        assert_eq!(&proceed, b"HTTP/1.1 100");

        worker.signal(signal);
        wait_for_line(&mut worker.log, "stopping");
        worker.signal(signal);
        assert_eq!(worker.exit_code(), Some(code));
    }
}
