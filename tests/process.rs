//! The program as a process: exit codes, what it says when it cannot start, signals. Needs neither
//! Kafka nor a database.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::X509;
use serde_json::{Value, json};
use ureq::tls::{TlsConfig, TlsProvider};

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
    /// Where it listens.
    addresses: Vec<String>,
}

impl Worker {
    fn start() -> Self {
        Self::start_with(&[], 1)
    }

    /// With these settings too, which make it listen at so many addresses.
    fn start_with(settings: &[&str], listeners: usize) -> Self {
        let settings = settings.iter().flat_map(|setting| ["--set", *setting]);
        let mut child = rowdock()
            .arg("standalone")
            .args(SETTINGS)
            .args(settings)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let addresses = (0..listeners).map(|_| {
            let ready = wait_for_line(&mut log, "rest api listening");
            ready["address"].as_str().unwrap().to_owned()
        });
        let addresses = addresses.collect();
        Self {
            child,
            log,
            addresses,
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

/// Several addresses, one of them https, and one for what concerns the process alone: each answers its
/// part, in its own scheme. Requests are logged for whoever wants to see them.
#[test]
fn every_listener_answers_its_part() {
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("identity.pem");
    fs::write(&identity, certificate_and_key()).unwrap();
    let key_store = format!(
        "listeners.https.ssl.keystore.location={}",
        identity.display()
    );
    let settings = [
        "listeners=http://127.0.0.1:0,https://127.0.0.1:0",
        "admin.listeners=http://127.0.0.1:0",
        "rest.advertised.listener=https",
        "listeners.https.ssl.keystore.type=PEM",
        &key_store,
        "log.level=info,rowdock::api=debug",
    ];
    let mut worker = Worker::start_with(&settings, 3);
    let [plain, safe, admin] = &worker.addresses[..] else {
        panic!("{:?}", worker.addresses);
    };
    let trusting = TlsConfig::builder()
        .provider(TlsProvider::NativeTls)
        .disable_verification(true);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(END_DEADLINE))
        .tls_config(trusting.build())
        .build()
        .into();
    let get = |url: &str| agent.get(url).call().unwrap();
    for (scheme, address, path, code) in [
        ("http", plain, "/connectors", 200),
        ("https", safe, "/connectors", 200),
        ("http", plain, "/admin/loggers", 404),
        ("https", safe, "/admin/loggers", 404),
        ("http", admin, "/admin/loggers", 200),
        ("http", admin, "/connectors", 404),
    ] {
        let url = format!("{scheme}://{address}{path}");
        assert_eq!(get(&url).status().as_u16(), code, "{url}");
    }
    let mut cluster = get(&format!("http://{plain}/rowdock/cluster"));
    let cluster: Value = cluster.body_mut().read_json().unwrap();
    assert_eq!(cluster["workers"][0]["worker_id"], json!(safe));

    let config = json!({"connector.class": "SqliteSink", "topics": "orders",
        "connection.url": "jdbc:sqlite:orders.db", "auto.create": "true"});
    let body = json!({"name": "pg", "config": config, "initial_state": "STOPPED"});
    let created = agent.post(format!("https://{safe}/connectors"));
    let created = created.send_json(body).unwrap();
    assert_eq!(created.status().as_u16(), 201);
    let location = format!("https://{safe}/connectors/pg");
    assert_eq!(created.headers()["location"], location.as_str());

    let logged = wait_for_line(&mut worker.log, "rest api request");
    let told = ["method", "path", "status"].map(|field| logged[field].clone());
    assert_eq!(told, [json!("GET"), json!("/connectors"), json!(200)]);
}

/// A certificate that signs itself, and its key, as PEM.
fn certificate_and_key() -> String {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut certificate = X509::builder().unwrap();
    certificate.set_version(2).unwrap();
    certificate.set_pubkey(&key).unwrap();
    let (from, until) = (Asn1Time::days_from_now(0), Asn1Time::days_from_now(1));
    certificate.set_not_before(&from.unwrap()).unwrap();
    certificate.set_not_after(&until.unwrap()).unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    let mut pem = certificate.build().to_pem().unwrap();
    pem.extend(key.private_key_to_pem_pkcs8().unwrap());
    text(&pem)
}

#[test]
fn the_first_signal_stops_gracefully() {
    for signal in ["TERM", "INT"] {
        let mut worker = Worker::start();
        let mut connection = TcpStream::connect(&worker.addresses[0]).unwrap();
        let request = "GET / HTTP/1.1\r\nhost: w\r\nconnection: close\r\n\r\n";
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");

        worker.signal(signal);
        wait_for_line(&mut worker.log, "worker stopped");
        assert_eq!(worker.exit_code(), Some(0));
        assert!(TcpStream::connect(&worker.addresses[0]).is_err());
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mut worker = Worker::start();
        // A request that stays open keeps the worker from ending by itself for a moment.
        let mut open = TcpStream::connect(&worker.addresses[0]).unwrap();
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
