//! The requests that well-known clients send, in their order, with what each of them relies on in the
//! answers: shapes, enumerations, exact codes, words that they match.

use super::*;

const CONNECTOR_STATES: [&str; 6] = [
    "RUNNING",
    "FAILED",
    "PAUSED",
    "UNASSIGNED",
    "RESTARTING",
    "STOPPED",
];
const KEY_TYPES: [&str; 9] = [
    "BOOLEAN", "CLASS", "DOUBLE", "INT", "LIST", "LONG", "PASSWORD", "SHORT", "STRING",
];
const WIDTHS: [&str; 4] = ["NONE", "SHORT", "MEDIUM", "LONG"];
const IMPORTANCES: [&str; 3] = ["HIGH", "MEDIUM", "LOW"];

#[track_caller]
fn one_of(value: &Value, known: &[&str]) {
    let text = value.as_str().unwrap_or_default();
    assert!(known.contains(&text), "{value} of {known:?}");
}

/// What every client that shows a list needs of each entry.
pub(super) fn check_expanded(list: &Value) {
    for (name, entry) in list.as_object().unwrap() {
        let (info, status) = (&entry["info"], &entry["status"]);
        assert_eq!(
            (&info["name"], &status["name"]),
            (&json!(name), &json!(name))
        );
        one_of(&info["type"], &["source", "sink", "unknown"]);
        one_of(&status["type"], &["source", "sink", "unknown"]);
        one_of(&status["connector"]["state"], &CONNECTOR_STATES);
        for (key, value) in status["connector"].as_object().unwrap() {
            assert!(value.is_string(), "{key} is decoded as a map of texts");
        }
        for (key, value) in info["config"].as_object().unwrap() {
            assert!(value.is_string(), "{key} is decoded as a map of texts");
        }
        for task in status["tasks"].as_array().unwrap() {
            one_of(&task["state"], &CONNECTOR_STATES[..5]);
            assert!(
                task["id"].is_u64() && task["worker_id"].is_string(),
                "{task}"
            );
        }
    }
}

#[tokio::test]
async fn kcctl() {
    let worker = Worker::start();
    let version = worker.get("/").await.json()["version"].clone();
    let mut parts = version.as_str().unwrap().split('.');
    let mut part = || parts.next().unwrap().parse::<u32>().unwrap();
    assert!((part(), part()) >= (3, 9), "{version} opens all features");

    let plugins = worker
        .get("/connector-plugins?connectorsOnly=false")
        .await
        .json();
    for plugin in plugins.as_array().unwrap() {
        let kinds = [
            "source",
            "sink",
            "transformation",
            "converter",
            "header_converter",
            "predicate",
        ];
        one_of(&plugin["type"], &kinds);
    }
    // The class by its last name, with a name of kcctl's own.
    let path = "/connector-plugins/SqliteSink/config/validate";
    let mut config = config_with(1, "name", json!("dummy-name"));
    let valid = worker.send_json(Method::PUT, path, &config).await.json();
    assert_eq!(valid["error_count"], 0);
    config["tasks.max"] = json!("dog");
    let invalid = worker.send_json(Method::PUT, path, &config).await.json();
    for entry in invalid["configs"].as_array().unwrap() {
        let errors = entry["value"]["errors"].as_array().unwrap();
        assert!(
            errors.is_empty() || entry["definition"].is_object(),
            "{entry}"
        );
    }

    assert_eq!(worker.get("/connectors/").await.json(), json!([]));
    let body = json!({"name": "pg", "config": config_with(2, "connector.class", json!("Foo"))});
    let (_, message) = worker
        .send_json(Method::POST, "/connectors/", &body)
        .await
        .error();
    assert!(message.starts_with("Failed to find any class that implements Connector"));
    let body = json!({"name": "pg", "config": self::config(2)});
    let created = worker.send_json(Method::POST, "/connectors/", &body).await;
    assert_eq!(created.status, StatusCode::CREATED);
    worker.wait_for("pg", "RUNNING", &["RUNNING"; 2]).await;
    let list = worker.get("/connectors?expand=status").await.json();
    assert_eq!(list["pg"]["status"]["type"], "sink");
    for path in ["", "/status", "/topics", "/config", "/tasks"] {
        let reply = worker.get(&format!("/connectors/pg{path}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
    }
    let keys = worker.get("/connector-plugins/SqliteSink/config").await;
    assert!(keys.json().as_array().unwrap().len() > 10);
    let put = worker
        .send_json(Method::PUT, "/connectors/pg/config", &self::config(2))
        .await;
    assert_eq!(put.status, StatusCode::OK);
    let topics = worker.get("/connectors/pg/topics").await.json();
    assert!(topics.as_object().unwrap().values().next().unwrap()["topics"].is_array());
    let restarted = worker
        .post("/connectors/pg/restart?includeTasks=true&onlyFailed=false")
        .await;
    assert_eq!(restarted.status, StatusCode::ACCEPTED);
    let tasks = restarted.json()["tasks"].as_array().cloned().unwrap();
    let restarting = tasks.iter().filter(|task| task["state"] == "RESTARTING");
    assert_eq!(restarting.count(), 2, "it counts them");
    let again = worker.post("/connectors/pg/tasks/0/restart").await;
    assert_eq!(again.status, StatusCode::NO_CONTENT);
    // It says why, in the worker's words.
    let change = json!({"offsets": [
        {"partition": {"kafka_topic": "orders", "kafka_partition": 0}, "offset": null}]});
    let refused = worker
        .send_json(Method::PATCH, "/connectors/pg/offsets", &change)
        .await;
    let (status, message) = refused.error();
    assert_eq!(status, 400);
    assert!(message.contains("STOPPED state"), "{message}");
    for (verb, status) in [("pause", 202), ("resume", 202), ("stop", 204)] {
        let reply = worker.put(&format!("/connectors/pg/{verb}")).await;
        assert_eq!(reply.status.as_u16(), status);
    }
    let deleted = worker.send(Method::DELETE, "/connectors/pg").await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(worker.get("/admin/loggers").await.status, StatusCode::OK);
    let level = json!({"level": "DEBUG"});
    let set = worker
        .send_json(Method::PUT, "/admin/loggers/org.acme", &level)
        .await;
    assert_eq!(set.json(), json!(["org.acme"]));
}

#[tokio::test]
async fn kafbat() {
    let worker = Worker::start();
    let root = worker.get("/").await.json();
    for key in ["version", "commit", "kafka_cluster_id"] {
        assert!(root.as_object().unwrap().contains_key(key), "{root}");
    }
    let body = json!({"name": "pg", "config": config(2)});
    worker.send_json(Method::POST, "/connectors", &body).await;
    assert_eq!(worker.get("/connectors/pg").await.json()["name"], "pg");
    // Both parts of every connector, from its first moment.
    let list = worker
        .get("/connectors?expand=info&expand=status")
        .await
        .json();
    check_expanded(&list);
    assert_eq!(list.as_object().unwrap().len(), 1);
    worker.wait_for("pg", "RUNNING", &["RUNNING"; 2]).await;
    let tasks = worker.get("/connectors/pg/tasks").await.json();
    for task in tasks.as_array().unwrap() {
        let number = &task["id"]["task"];
        let path = format!("/connectors/pg/tasks/{number}/status");
        one_of(
            &worker.get(&path).await.json()["state"],
            &CONNECTOR_STATES[..5],
        );
    }
    let restart = "/connectors/pg/restart?includeTasks=false&onlyFailed=false";
    assert_eq!(worker.post(restart).await.status, StatusCode::NO_CONTENT);
    let restarted = worker.post("/connectors/pg/tasks/1/restart").await;
    assert_eq!(restarted.status, StatusCode::NO_CONTENT);
    let topics = worker.get("/connectors/pg/topics").await.json();
    assert!(topics["pg"]["topics"].is_array(), "found by its name");
    let put = worker
        .send_json(Method::PUT, "/connectors/pg/config", &config(1))
        .await;
    assert_eq!(
        (put.status, &put.json()["name"]),
        (StatusCode::OK, &json!("pg"))
    );
    for (verb, status) in [("pause", 202), ("stop", 204), ("resume", 202)] {
        let reply = worker.put(&format!("/connectors/pg/{verb}")).await;
        assert_eq!(reply.status.as_u16(), status, "{verb}");
    }
    for method in [Method::POST, Method::PUT] {
        let (path, body) = match method {
            Method::POST => (
                "/connectors",
                json!({"name": "x", "config": {"topics": "t"}}),
            ),
            _ => ("/connectors/x/config", json!({"topics": "t"})),
        };
        let (status, message) = worker.send_json(method, path, &body).await.error();
        assert_eq!(status, 400);
        assert!(!message.is_empty(), "it shows the message");
    }
    let path = "/connector-plugins/SqliteSink/config/validate";
    let valid = worker
        .send_json(Method::PUT, path, &config_with(1, "name", json!("x")))
        .await;
    check_definitions(&valid.json());
    // Refused, as its own messages expect.
    let refused = worker.send(Method::DELETE, "/connectors/pg/offsets").await;
    assert_eq!(refused.error().0, 400);
    let unknown = worker
        .send(Method::DELETE, "/connectors/nope/offsets")
        .await;
    assert_eq!(unknown.error().0, 404);
    assert_eq!(
        worker
            .send(Method::DELETE, "/connectors/pg")
            .await
            .status
            .as_u16(),
        204
    );
}

fn check_definitions(validated: &Value) {
    assert!(validated["error_count"].is_u64() && validated["groups"].is_array());
    for entry in validated["configs"].as_array().unwrap() {
        let definition = &entry["definition"];
        one_of(&definition["type"], &KEY_TYPES);
        one_of(&definition["width"], &WIDTHS);
        one_of(&definition["importance"], &IMPORTANCES);
        assert!(definition["required"].is_boolean() && definition["order"].is_i64());
        assert!(definition["dependents"].is_array(), "{definition}");
        let value = &entry["value"];
        assert_eq!(value["name"], definition["name"]);
        assert!(value["recommended_values"].is_array() && value["errors"].is_array());
        assert!(value["visible"].is_boolean(), "{value}");
    }
}

#[tokio::test]
async fn akhq() {
    let worker = Worker::start();
    let plugins = worker.get("/connector-plugins").await.json();
    for plugin in plugins.as_array().unwrap() {
        // For every class, with nothing but itself and a topic; no database is asked.
        let class = plugin["class"].as_str().unwrap();
        let path = format!("/connector-plugins/{class}/config/validate");
        let body = json!({"connector.class": class, "topics": "getPlugins"});
        let reply = worker.send_json(Method::PUT, &path, &body).await;
        assert_eq!(reply.status, StatusCode::OK, "{class}");
        check_definitions(&reply.json());
    }
    worker.create("pg", 1).await;
    check_expanded(
        &worker
            .get("/connectors?expand=info&expand=status")
            .await
            .json(),
    );
    // Bodies where there are none to expect.
    let paused = worker
        .send_text(Method::PUT, "/connectors/pg/pause", "null")
        .await;
    assert_eq!(paused.status, StatusCode::ACCEPTED);
    let resumed = worker
        .send_text(Method::PUT, "/connectors/pg/resume", "null")
        .await;
    assert_eq!(resumed.status, StatusCode::ACCEPTED);
    for path in ["/connectors/pg/restart", "/connectors/pg/tasks/0/restart"] {
        let reply = worker.send_text(Method::POST, path, "\"\"").await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "{path}");
    }
    assert_eq!(worker.get("/connectors/nope").await.error().0, 404);
    let body = json!({"name": "pg", "config": config(1)});
    let twice = worker.send_json(Method::POST, "/connectors", &body).await;
    assert_eq!(twice.error().0, 409);
    let put = worker
        .send_json(Method::PUT, "/connectors/pg/config", &config(2))
        .await;
    assert_eq!(put.status, StatusCode::OK);
    let deleted = worker.send(Method::DELETE, "/connectors/pg").await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn terraform() {
    let worker = Worker::start_with(&[
        "config.providers=file",
        "config.providers.file.class=FileConfigProvider",
    ]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets.properties");
    std::fs::write(&file, "pg=secret").unwrap();
    let reference = format!("${{file:{}:pg}}", file.display());
    let mut sent = config_with(1, "password", json!(reference));
    sent["batch.size"] = json!("3000");
    let body = json!({"name": "pg", "config": sent});
    let created = worker.send_json(Method::POST, "/connectors", &body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    assert_eq!(created.json()["name"], "pg");
    // It waits until the connector is there, and compares: what was sent and the name, no more.
    let mut expected = sent.clone();
    expected["name"] = json!("pg");
    let shown = worker.get("/connectors/pg").await.json();
    assert_eq!(shown["config"], expected);
    for value in shown["config"].as_object().unwrap().values() {
        assert!(value.is_string(), "{shown}");
    }
    sent["batch.size"] = json!("500");
    expected["batch.size"] = json!("500");
    worker
        .send_json(Method::PUT, "/connectors/pg/config", &sent)
        .await;
    assert_eq!(worker.get("/connectors/pg/config").await.json(), expected);
    worker.send(Method::DELETE, "/connectors/pg").await;
    assert_eq!(worker.get("/connectors/pg").await.error().0, 404);
}

#[tokio::test]
async fn strimzi() {
    let worker = Worker::start();
    // Numbers as numbers, and a state to begin with.
    let mut wanted = config(1);
    wanted["tasks.max"] = json!(2);
    let body = json!({"name": "pg", "config": wanted, "initial_state": "stopped"});
    let created = worker.send_json(Method::POST, "/connectors", &body).await;
    assert_eq!(created.status, StatusCode::CREATED);
    worker.wait_for("pg", "STOPPED", &[]).await;
    let mut expected = config(2);
    expected["name"] = json!("pg");
    assert_eq!(worker.get("/connectors/pg/config").await.json(), expected);
    let put = worker
        .send_json(Method::PUT, "/connectors/pg/config", &wanted)
        .await;
    assert_eq!(put.status, StatusCode::OK, "the same again");
    assert_eq!(
        worker.put("/connectors/pg/resume").await.status.as_u16(),
        202
    );
    worker.wait_for("pg", "RUNNING", &["RUNNING"; 2]).await;

    worker.tasks.fail("pg", 1, "no such column");
    let status = worker.get("/connectors/pg/status").await.json();
    assert_eq!(states(&status), ("RUNNING", vec!["RUNNING", "FAILED"]));
    let restarted = worker
        .post("/connectors/pg/restart?includeTasks=true&onlyFailed=true")
        .await;
    assert_eq!(restarted.status, StatusCode::ACCEPTED);
    worker.wait_for("pg", "RUNNING", &["RUNNING"; 2]).await;
    let topics = worker.get("/connectors/pg/topics").await.json();
    assert_eq!(topics, json!({"pg": {"topics": []}}), "no other fields");

    let loggers = worker.get("/admin/loggers/").await.json();
    assert!(loggers.as_object().unwrap().values().all(Value::is_object));
    let level = json!({"level": "DEBUG"});
    let set = worker
        .send_json(Method::PUT, "/admin/loggers/x?scope=cluster", &level)
        .await;
    assert_eq!(set.status, StatusCode::NO_CONTENT);
    let deleted = worker.send(Method::DELETE, "/connectors/pg").await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(worker.get("/connectors/pg/status").await.error().0, 404);

    // Words that its own tests look for.
    let bad = json!({"name": "pg", "config": config_with(1, "tasks.max", json!("dog"))});
    let (_, message) = worker
        .send_json(Method::POST, "/connectors", &bad)
        .await
        .error();
    assert!(
        message.contains("Invalid value dog for configuration tasks.max: Not a number of type INT")
    );
    let (_, message) = worker.get("/connectors/never-existed").await.error();
    assert_eq!(message, "Connector never-existed not found");
}

#[tokio::test]
async fn redpanda_console() {
    let worker = Worker::start();
    let body = json!({"name": "pg", "config": config(1)});
    let created = worker.send_json(Method::POST, "/connectors", &body).await;
    assert_eq!(created.status, StatusCode::CREATED);
    worker.wait_for("pg", "RUNNING", &["RUNNING"]).await;
    assert!(worker.get("/").await.json()["version"].is_string());
    check_expanded(
        &worker
            .get("/connectors?expand=info&expand=status")
            .await
            .json(),
    );
    assert!(worker.get("/connector-plugins").await.json().is_array());
    let topics = worker.get("/connectors/pg/topics").await.json();
    assert!(topics["pg"]["topics"].is_array(), "{topics}");
    let put = worker
        .send_json(Method::PUT, "/connectors/pg/config", &config(1))
        .await;
    assert_eq!(put.status, StatusCode::OK);
    let restart = "/connectors/pg/restart?includeTasks=true&onlyFailed=false";
    assert_eq!(worker.post(restart).await.status, StatusCode::ACCEPTED);
    let task = worker.post("/connectors/pg/tasks/0/restart").await;
    assert_eq!(task.status, StatusCode::NO_CONTENT);
    let path = "/connector-plugins/SqliteSink/config/validate";
    let body = config_with(1, "name", json!("pg"));
    check_definitions(&worker.send_json(Method::PUT, path, &body).await.json());
    let unknown = worker.put("/connectors/nope/stop").await.json();
    assert_ne!(unknown["error_code"], 0);
    for (verb, status) in [("pause", 202), ("resume", 202), ("stop", 204)] {
        let reply = worker.put(&format!("/connectors/pg/{verb}")).await;
        assert_eq!(reply.status.as_u16(), status);
    }
    assert_eq!(
        worker
            .send(Method::DELETE, "/connectors/pg")
            .await
            .status
            .as_u16(),
        204
    );
}
