//! The same requests to a real Kafka Connect 4.1 worker and to this one, and the same answers, except
//! where a difference is meant and its reason stands here.
//!
//! Kafka Connect is started by `make conformance`, which runs this test; it needs half a minute and
//! two gigabytes, so it is no part of `make test`.

use std::env;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

mod running;
mod validations;

use crate::support::rest::{Answer, Rest};
use crate::support::services::service;
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, check, eventually};
use crate::support::worker::Launch;

/// How long both may take to come to the same answer: some of Kafka Connect's come late.
const AGREE_DEADLINE: Duration = Duration::from_secs(10);

const CLASS: &str = "io.debezium.connector.jdbc.JdbcSinkConnector";

const NO_LOGGERS: &str = "this Kafka Connect runs without log4j, so it has no loggers to set";

/// One request.
struct Step {
    method: &'static str,
    path: String,
    body: Option<Value>,
    /// Where the answers are meant to differ.
    differs: Option<Difference>,
}

/// An answer that is meant to be another one than Kafka Connect's.
#[derive(Clone, Copy)]
struct Difference {
    reason: &'static str,
    /// Our status, and words of our message.
    ours: (u16, &'static str),
}

impl Difference {
    /// What is wrong with our answer, if anything.
    fn violated(self, ours: &Answer) -> Option<String> {
        let (code, words) = self.ours;
        let told = ours.body.to_string();
        let is_meant = ours.code == code && told.contains(words);
        (!is_meant).then(|| format!("meant {code} {words:?}\n  ours  {} {told}", ours.code))
    }
}

fn step(method: &'static str, path: &str, body: Option<Value>) -> Step {
    Step {
        method,
        path: path.to_owned(),
        body,
        differs: None,
    }
}

impl Step {
    /// For this reason this is our answer.
    fn differs(mut self, reason: &'static str, code: u16, words: &'static str) -> Self {
        let ours = (code, words);
        self.differs = Some(Difference { reason, ours });
        self
    }
}

fn config(changes: &[(&str, Value)]) -> Value {
    let mut config = json!({
        "connector.class": CLASS,
        "topics": "conformance",
        "tasks.max": "2",
        "connection.url": "jdbc:postgresql://127.0.0.1:1/none",
        "connection.username": "nobody",
        "connection.password": "nothing",
        "insert.mode": "insert",
    });
    for (key, value) in changes {
        config[*key] = value.clone();
    }
    config
}

fn create(changes: &[(&str, Value)]) -> Value {
    json!({"name": "c", "config": config(changes), "initial_state": "STOPPED"})
}

fn offsets(partition: Value, offset: Value) -> Value {
    json!({"offsets": [{"partition": partition, "offset": offset}]})
}

fn steps() -> Vec<Step> {
    let mut steps = vec![
        step("GET", "/connectors", None),
        step("GET", "/connectors?expand=status&expand=info", None),
    ];
    steps.extend(creation());
    steps.extend(reading());
    steps.extend(unknown());
    steps.extend(changing());
    steps.extend(moving());
    steps.extend(others());
    steps.push(step("DELETE", "/connectors/c", None));
    steps.push(step("GET", "/connectors/c", None));
    steps.push(step("GET", "/connectors", None));
    steps
}

fn creation() -> Vec<Step> {
    let post = |body: Value| step("POST", "/connectors", Some(body));
    let no_class = json!({"name": "c", "config": {"topics": "t"}});
    vec![
        post(no_class).differs(
            "the config is not repeated in the message: it may hold passwords",
            400,
            "Connector config {name=c} contains no connector type",
        ),
        post(create(&[("connector.class", json!("org.acme.Nope"))])),
        post(create(&[("name", json!("other"))])),
        post(create(&[("tasks.max", json!("dog"))])),
        post(create(&[("tasks.max", json!("0"))])),
        post(create(&[("topics.regex", json!("t.*"))])),
        post(create(&[("topics", json!(""))])),
        post(json!({"name": "", "config": config(&[])})),
        post(create(&[(
            "errors.deadletterqueue.topic.name",
            json!("conformance"),
        )])),
        post(create(&[("errors.tolerance", json!("some"))])),
        post(json!({"name": "c"})).differs(
            "a body without a config is the client's mistake: 400, not 500",
            400,
            "config is missing",
        ),
        post(json!([])).differs(
            "a body that is no object is the client's mistake: 400, not 500",
            400,
            "must be a JSON object",
        ),
        post(create(&[])),
        post(create(&[])),
    ]
}

fn reading() -> Vec<Step> {
    let get = |path: &str| step("GET", path, None);
    vec![
        get("/connectors/c"),
        get("/connectors/c/config"),
        get("/connectors/c/status"),
        get("/connectors/c/tasks"),
        get("/connectors/c/tasks/0/status"),
        get("/connectors/c/tasks/x/status"),
        get("/connectors/c/tasks/-1/status"),
        get("/connectors/c/tasks-config"),
        get("/connectors/c/topics"),
        get("/connectors/c/offsets").differs(
            "positions are in the database, and there is none at the connector's address",
            500,
            "Failed to list consumer group offsets for connector c: cannot connect",
        ),
        get("/connectors/"),
        get("/connectors?expand=status&expand=info"),
        get("/connectors?expand=bogus"),
    ]
}

fn unknown() -> Vec<Step> {
    let mut steps: Vec<Step> = [
        "",
        "/config",
        "/status",
        "/tasks",
        "/tasks/0/status",
        "/topics",
        "/offsets",
    ]
    .iter()
    .map(|tail| step("GET", &format!("/connectors/nope{tail}"), None))
    .collect();
    steps.extend([
        step("PUT", "/connectors/nope/pause", None),
        step("PUT", "/connectors/nope/resume", None),
        step("PUT", "/connectors/nope/stop", None),
        step("POST", "/connectors/nope/restart", None),
        step("POST", "/connectors/nope/restart?includeTasks=true", None),
        step("POST", "/connectors/nope/tasks/0/restart", None),
        step("DELETE", "/connectors/nope", None),
        step("PATCH", "/connectors/nope/config", Some(json!({"a": "b"}))),
        step("DELETE", "/connectors/nope/offsets", None),
        step("PUT", "/connectors/nope/topics/reset", None),
        step("GET", "/nope", None),
        step("DELETE", "/connectors", None),
        step("GET", "/connectors/c/pause", None),
    ]);
    steps
}

fn changing() -> Vec<Step> {
    let put =
        |changes: &[(&str, Value)]| step("PUT", "/connectors/c/config", Some(config(changes)));
    let patch = |body: Value| step("PATCH", "/connectors/c/config", Some(body));
    vec![
        put(&[("batch.size", json!(100)), ("flush", json!(null))]),
        put(&[("batch.size", json!(100))]),
        step("GET", "/connectors/c/config", None),
        put(&[("name", json!("other"))]),
        patch(json!({"batch.size": "200", "insert.mode": null})),
        patch(json!({"name": null})),
        patch(json!({"name": "other"})).differs(
            "Kafka Connect renames the config and not the connector, by accident: 400 here",
            400,
            "Connector name configuration (other) doesn't match connector name in the URL (c)",
        ),
        patch(json!({"tasks.max": "dog"})),
        step("PUT", "/connectors/c/pause", None),
        step("GET", "/connectors/c/status", None),
        step("PUT", "/connectors/c/pause", None),
        step("PUT", "/connectors/c/stop", None),
        step("GET", "/connectors/c/status", None),
        step("POST", "/connectors/c/restart", None),
        step("POST", "/connectors/c/restart?includeTasks=true", None),
        step("POST", "/connectors/c/restart?onlyFailed=true", None),
        step("GET", "/connectors/c/status", None),
    ]
}

fn moving() -> Vec<Step> {
    let patch = |body: Value| step("PATCH", "/connectors/c/offsets", Some(body));
    let whole = || json!({"kafka_topic": "conformance", "kafka_partition": 0});
    vec![
        patch(json!({})),
        patch(json!({"offsets": []})),
        patch(offsets(json!(null), json!(null))),
        patch(offsets(json!({"kafka_topic": "t"}), json!(null))),
        patch(offsets(
            json!({"kafka_topic": null, "kafka_partition": 0}),
            json!(null),
        )),
        patch(offsets(
            json!({"kafka_topic": "t", "kafka_partition": null}),
            json!(null),
        )),
        patch(offsets(
            json!({"kafka_topic": "t", "kafka_partition": "abc"}),
            json!(null),
        )),
        patch(offsets(whole(), json!({"other": 1}))),
        patch(offsets(whole(), json!({"kafka_offset": null}))),
        patch(offsets(whole(), json!({"kafka_offset": "1.5"}))),
        step("PUT", "/connectors/c/topics/reset", None),
    ]
}

fn others() -> Vec<Step> {
    let validate = |body: Value| {
        step(
            "PUT",
            "/connector-plugins/JdbcSinkConnector/config/validate",
            Some(body),
        )
    };
    vec![
        validate(json!({"connector.class": "org.acme.OtherSinkConnector", "topics": "t"})).differs(
            "the classes that are built in differ",
            400,
            "org.acme.OtherSinkConnector",
        ),
        step("GET", "/connector-plugins/Nope/config", None),
        step("GET", "/admin/loggers/nope", None).differs(NO_LOGGERS, 404, "Logger nope not found."),
        step("PUT", "/admin/loggers/root", Some(json!({"level": "LOUD"}))).differs(
            NO_LOGGERS,
            404,
            "invalid log level 'LOUD'.",
        ),
        step("PUT", "/admin/loggers/root", Some(json!({}))),
        step(
            "PUT",
            "/admin/loggers/root?scope=cluster",
            Some(json!({"level": "WARN"})),
        )
        .differs(NO_LOGGERS, 204, ""),
    ]
}

/// Without what differs between two workers in any case, and the words behind which plugins are
/// listed.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(key, _)| !["version", "trace", "worker_id"].contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), normal(value)))
            .collect(),
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::String(text) => {
            let text = text
                .split(", available connectors are")
                .next()
                .unwrap_or_default();
            // Said from the second time on that Kafka Connect looks for a class.
            let text = text.replace("org.apache.kafka.connect.errors.ConnectException: ", "");
            Value::String(text)
        }
        other => other.clone(),
    }
}

/// What is wrong with our answer, if anything, by what is compared of both.
fn problem<C: PartialEq + Debug>(
    asked: &str,
    theirs: &C,
    ours: &C,
    our_answer: &Answer,
    differs: Option<Difference>,
) -> Option<String> {
    let problem = match (theirs == ours, differs) {
        (true, None) => return None,
        (true, Some(Difference { reason, .. })) => format!("is the same, though {reason}"),
        (false, Some(difference)) => difference.violated(our_answer)?,
        (false, None) => format!("theirs {theirs:?}\n  ours   {ours:?}"),
    };
    Some(format!("{asked}\n  {problem}"))
}

async fn ask(rest: &Rest, step: &Step) -> Answer {
    let answer = rest
        .try_call(step.method, &step.path, step.body.clone())
        .await;
    let answer = answer.unwrap_or_else(|error| panic!("{} {}: {error}", step.method, step.path));
    Answer {
        code: answer.code,
        body: normal(&answer.body),
    }
}

/// The answers of both. Reads are repeated until they agree: nothing else is in a hurry here.
async fn ask_both(peer: &Rest, ours: &Rest, step: &Step) -> (Answer, Answer) {
    let begun = Instant::now();
    loop {
        let answers = (ask(peer, step).await, ask(ours, step).await);
        let again = step.method == "GET" && step.differs.is_none();
        if answers.0 == answers.1 || !again || begun.elapsed() > AGREE_DEADLINE {
            return answers;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka Connect: make conformance"]
async fn answers_are_kafka_connects() {
    let address = env::var("ROWDOCK_BENCH_PEER").expect("the address of Kafka Connect");
    let address: std::net::SocketAddr = address.trim_start_matches("http://").parse().unwrap();
    let peer = Rest::new(address);
    // What an earlier run may have left.
    for name in ["c", "taken"] {
        peer.delete(&format!("/connectors/{name}")).await;
    }
    let stage = Stage::begin("conformance", 1).await;
    stage.named_topic("configs", 1);
    stage.named_topic("statuses", 5);
    let worker = Launch::new("ours")
        .of_cluster(&stage)
        .start(&stage, &[])
        .await;
    crate::cluster::until_healthy(&worker).await;
    let mut wrong = Vec::new();
    let steps = steps();
    for step in &steps {
        let (theirs, ours) = ask_both(&peer, &worker.rest, step).await;
        let asked = format!(
            "{} {} {}",
            step.method,
            step.path,
            step.body.clone().unwrap_or_default()
        );
        wrong.extend(problem(&asked, &theirs, &ours, &ours, step.differs));
    }
    let validations = validations::all();
    for validation in &validations {
        wrong.extend(validation.compared(&peer, &worker.rest).await);
    }
    let (running, wrong_running) = running::compared(&stage, &peer, &worker.rest).await;
    wrong.extend(wrong_running);
    let compared = steps.len() + validations.len() + running;
    stage.tell(format_args!("{compared} requests compared"));
    assert!(
        wrong.is_empty(),
        "{} of {compared}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    a_config_topic_is_taken_over(&stage, &peer, address.port()).await;
}

/// What Kafka Connect has written is read as Kafka Connect reads it; and while its workers are there,
/// they are named instead of being taken for ours.
async fn a_config_topic_is_taken_over(stage: &Stage, peer: &Rest, port: u16) {
    let mut taken = create(&[
        ("odd.key", json!("1.50")),
        ("password", json!("${file:/none:x}")),
    ]);
    taken["name"] = json!("taken");
    let created = peer.post("/connectors", Some(taken)).await;
    assert_eq!(created.code, 201, "{}", created.body);
    let of_peer = |launch: Launch<'static>| {
        launch
            .of_cluster(stage)
            .setting("config.storage.topic", &format!("peer-{port}-configs"))
            .setting("status.storage.topic", &format!("peer-{port}-status"))
    };
    let taker = of_peer(Launch::new("taker")).start(stage, &[]).await;
    crate::cluster::until_healthy(&taker).await;
    for path in [
        "/connectors/taken/config",
        "/connectors/taken",
        "/connectors/taken/status",
    ] {
        let step = step("GET", path, None);
        let (theirs, ours) = ask_both(peer, &taker.rest, &step).await;
        let (theirs, ours) = (theirs.body.to_string(), ours.body.to_string());
        assert_eq!(theirs, ours, "{path}");
    }
    drop(taker);
    let named = Launch::new("named");
    let named = of_peer(named).setting("group.id", &format!("peer-{port}"));
    let mut refused = named.start(stage, &[]).await;
    assert!(!refused.exit(Duration::from_secs(20)).await.success());
    let told = refused.logged(&[
        "has workers of Kafka Connect in it",
        "Stop all of them first",
    ]);
    assert_eq!(told.len(), 1, "{}", refused.log());
    the_way_back(stage, peer, of_peer).await;
    peer.delete("/connectors/taken").await;
}

/// With Kafka Connect stopped, a worker of ours has its place; then Kafka Connect has it again, and knows
/// what was done meanwhile.
async fn the_way_back(
    stage: &Stage,
    peer: &Rest,
    of_peer: impl Fn(Launch<'static>) -> Launch<'static>,
) {
    service("stop", "connect").await;
    let mut ours = of_peer(Launch::new("successor")).start(stage, &[]).await;
    crate::cluster::until_healthy(&ours).await;
    let changed = config(&[("tasks.max", json!("3"))]);
    let answer = ours
        .rest
        .put("/connectors/taken/config", Some(changed))
        .await;
    assert_eq!(answer.code, 200, "{}", answer.body);
    for (name, state) in [("made", "PAUSED"), ("gone", "STOPPED")] {
        let mut document = create(&[]);
        document["name"] = json!(name);
        document["initial_state"] = json!(state);
        let answer = ours.rest.post("/connectors", Some(document)).await;
        assert_eq!(answer.code, 201, "{}", answer.body);
    }
    let restart = "/connectors/made/restart?includeTasks=true";
    assert_eq!(ours.rest.post(restart, None).await.code, 202);
    assert_eq!(ours.rest.delete("/connectors/gone").await.code, 204);
    ours.terminate();
    assert!(ours.exit(PATIENCE).await.success());
    service("start", "connect").await;
    let names = peer.get("/connectors").await.body;
    let mut names: Vec<_> = names.as_array().into_iter().flatten().collect();
    names.sort_by_key(|name| name.to_string());
    assert_eq!(json!(names), json!(["made", "taken"]));
    let taken = peer.get("/connectors/taken/config").await.body;
    assert_eq!(taken["tasks.max"], "3", "{taken}");
    eventually("Kafka Connect to go on", PATIENCE, || async {
        let status = peer.get("/connectors/made/status").await.body;
        let is_paused = status["connector"]["state"] == "PAUSED";
        check(is_paused, || status.to_string())
    })
    .await;
    peer.delete("/connectors/made").await;
}
