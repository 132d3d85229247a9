//! Connectors and their configs: create, read, replace, patch, delete.

use axum::http::header::LOCATION;

use super::*;

#[tokio::test]
async fn a_connector_is_created_read_and_deleted() {
    let worker = Worker::start();
    let body = json!({"name": "pg", "config": config_with(2, "tasks.max", json!(2))});
    let reply = worker.send_json(Method::POST, "/connectors", &body).await;
    let stored = config_with(2, "name", json!("pg"));
    assert_eq!(reply.status, StatusCode::CREATED);
    assert_eq!(reply.headers[LOCATION], "http://w1:9398/connectors/pg");
    assert_eq!(
        reply.json(),
        json!({"name": "pg", "config": stored, "tasks": [], "type": "sink"})
    );
    worker.wait_for("pg", "RUNNING", &["RUNNING"; 2]).await;

    assert_eq!(worker.get("/connectors").await.json(), json!(["pg"]));
    let tasks = json!([{"connector": "pg", "task": 0}, {"connector": "pg", "task": 1}]);
    assert_eq!(
        worker.get("/connectors/pg").await.json(),
        json!({"name": "pg", "config": stored, "tasks": tasks, "type": "sink"})
    );
    assert_eq!(worker.get("/connectors/pg/config").await.json(), stored);
    let version = env!("CARGO_PKG_VERSION");
    let task =
        |id: u32| json!({"id": id, "state": "RUNNING", "worker_id": WORKER_ID, "version": version});
    assert_eq!(
        worker.get("/connectors/pg/status").await.json(),
        json!({
            "name": "pg",
            "connector": {"state": "RUNNING", "worker_id": WORKER_ID, "version": version},
            "tasks": [task(0), task(1)],
            "type": "sink",
        })
    );
    assert_eq!(
        worker.get("/connectors/pg/tasks/1/status").await.json(),
        task(1)
    );
    let mut task_config = stored.clone();
    task_config["task.class"] = json!("SqliteSinkTask");
    assert_eq!(
        worker.get("/connectors/pg/tasks").await.json(),
        json!([
            {"id": {"connector": "pg", "task": 0}, "config": task_config},
            {"id": {"connector": "pg", "task": 1}, "config": task_config},
        ])
    );

    let reply = worker.send(Method::DELETE, "/connectors/pg").await;
    assert_eq!(
        (reply.status, reply.text.as_str()),
        (StatusCode::NO_CONTENT, "")
    );
    assert_eq!(
        worker.get("/connectors/pg").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        worker.get("/connectors/pg/status").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(worker.get("/connectors").await.json(), json!([]));
}

#[tokio::test]
async fn unknown_connectors_have_each_endpoints_own_words() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    for (method, path, message) in [
        (Method::GET, "/connectors/x", "Connector x not found"),
        (Method::GET, "/connectors/x/config", "Connector x not found"),
        (Method::GET, "/connectors/x/tasks", "Connector x not found"),
        (
            Method::GET,
            "/connectors/x/status",
            "No status found for connector x",
        ),
        (
            Method::GET,
            "/connectors/x/tasks/0/status",
            "No status found for task x-0",
        ),
        (
            Method::GET,
            "/connectors/pg/tasks/9/status",
            "No status found for task pg-9",
        ),
        (
            Method::GET,
            "/connectors/pg/tasks/-1/status",
            "No status found for task pg--1",
        ),
        (Method::PUT, "/connectors/x/pause", "Unknown connector x"),
        (Method::PUT, "/connectors/x/resume", "Unknown connector x"),
        (Method::PUT, "/connectors/x/stop", "Unknown connector x"),
        (
            Method::POST,
            "/connectors/x/restart",
            "Unknown connector: x",
        ),
        (
            Method::POST,
            "/connectors/x/restart?includeTasks=true",
            "Unknown connector: x",
        ),
        (
            Method::POST,
            "/connectors/x/tasks/0/restart",
            "Unknown connector: x",
        ),
        (
            Method::POST,
            "/connectors/x/tasks/-1/restart",
            "Unknown connector: x",
        ),
        (
            Method::POST,
            "/connectors/pg/tasks/9/restart",
            "Unknown task: pg-9",
        ),
        (
            Method::POST,
            "/connectors/pg/tasks/-1/restart",
            "Unknown task: pg--1",
        ),
        (Method::DELETE, "/connectors/x", "Connector x not found"),
    ] {
        let reply = worker.send(method.clone(), path).await;
        assert_eq!(reply.error(), (404, message.to_owned()), "{method} {path}");
    }
    let changes = json!({"a": "b"});
    let reply = worker
        .send_json(Method::PATCH, "/connectors/x/config", &changes)
        .await;
    let expected = (404, "Connector x not found".to_owned());
    assert_eq!(reply.error(), expected);
}

#[tokio::test]
async fn refused_creations() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    let other_name = "Connector name configuration (b) doesn't match connector name in the URL (a)";
    for (body, expected) in [
        (
            json!({"name": "pg", "config": config(1)}),
            (409, "Connector pg already exists"),
        ),
        (
            json!({"name": " pg\n", "config": config(1)}),
            (409, "Connector pg already exists"),
        ),
        (
            json!({"name": "a", "config": config_with(1, "name", json!("b"))}),
            (400, other_name),
        ),
        // What is wrong with the name comes before the class, and both before the existence.
        (
            json!({"name": "a", "config": {"name": "b"}}),
            (400, other_name),
        ),
        (
            json!({"name": "pg", "config": {}}),
            (400, "Connector config {name=pg} contains no connector type"),
        ),
    ] {
        let reply = worker.send_json(Method::POST, "/connectors", &body).await;
        assert_eq!(reply.error(), (expected.0, expected.1.to_owned()), "{body}");
    }
    for (name, key, value, line) in [
        (
            json!("a"),
            "tasks.max",
            json!("dog"),
            "Invalid value dog for configuration tasks.max: Not a number of type INT",
        ),
        (
            json!("a"),
            "tasks.max",
            json!(0),
            "Invalid value 0 for configuration tasks.max: Value must be at least 1",
        ),
        (
            json!("a"),
            "topics",
            Value::Null,
            "Must configure one of topics or topics.regex",
        ),
        (
            json!("  "),
            "x",
            json!("y"),
            "Invalid value  for configuration name: String may not be empty",
        ),
        // Left out.
        (
            Value::Null,
            "x",
            json!("y"),
            "Invalid value  for configuration name: String may not be empty",
        ),
        (
            json!("a\tb"),
            "x",
            json!("y"),
            "String may not contain control sequences",
        ),
        (
            json!("a"),
            "x",
            Value::Null,
            "Null value can not be supplied as the configuration value.",
        ),
    ] {
        let mut body = json!({"name": name, "config": config_with(1, key, value)});
        if name.is_null() {
            body.as_object_mut().unwrap().remove("name");
        }
        let (status, message) = worker
            .send_json(Method::POST, "/connectors", &body)
            .await
            .error();
        assert_eq!(status, 400, "{body}");
        assert!(message.contains(line), "{body}: {message}");
        assert!(message.contains("You can also find the above list of errors at the endpoint"));
    }
    let body = json!({"name": "a", "config": config_with(1, "connector.class", json!("Foo"))});
    let reply = worker.send_json(Method::POST, "/connectors", &body).await;
    let (status, message) = reply.error();
    let start = "Failed to find any class that implements Connector and which name matches Foo, \
                 available connectors are: ";
    assert_eq!(status, 400);
    assert!(message.starts_with(start), "{message}");
    assert_eq!(worker.get("/connectors").await.json(), json!(["pg"]));
}

#[tokio::test]
async fn of_concurrent_creations_of_one_name_one_succeeds() {
    let worker = Arc::new(Worker::start());
    let mut creations = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let worker = Arc::clone(&worker);
        creations.spawn(async move {
            let body = json!({"name": "pg", "config": config(1)});
            worker
                .send_json(Method::POST, "/connectors", &body)
                .await
                .status
        });
    }
    let mut statuses = creations.join_all().await;
    statuses.sort_unstable();
    let mut expected = vec![StatusCode::CONFLICT; 20];
    expected[0] = StatusCode::CREATED;
    assert_eq!(statuses, expected);
    worker.wait_for("pg", "RUNNING", &["RUNNING"]).await;
    assert_eq!(worker.tasks.starts("pg", 0), 1);
}

#[tokio::test]
async fn values_keep_their_text() {
    let worker = Worker::start();
    let body = r#"{"connector.class": "SqliteSink", "topics": "orders", "tasks.max": 1,
        "connection.url": "jdbc:sqlite:orders.db", "auto.create": true,
        "x.a": 1.50, "x.b": 1e3, "x.c": -0.0, "x.d": 12345678901234567890123, "x.e": false,
        "x.f": " ü \u0041 ", "x.g": "1", "x.g": "2"}"#;
    let reply = worker
        .send_text(Method::PUT, "/connectors/pg/config", body)
        .await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    assert_eq!(reply.headers[LOCATION], "http://w1:9398/connectors/pg");
    let stored = worker.get("/connectors/pg/config").await.json();
    for (key, expected) in [
        ("x.a", "1.50"),
        ("x.b", "1e3"),
        ("x.c", "-0.0"),
        ("x.d", "12345678901234567890123"),
        ("x.e", "false"),
        ("x.f", " ü A "),
        ("x.g", "2"),
        ("tasks.max", "1"),
        ("auto.create", "true"),
        ("name", "pg"),
    ] {
        assert_eq!(stored[key], expected, "{key}");
    }
    assert_eq!(stored.as_object().unwrap().len(), 13);
}

#[tokio::test]
async fn a_config_is_replaced() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    let path = "/connectors/pg/config";
    // The same again restarts nothing.
    let reply = worker.send_json(Method::PUT, path, &config(1)).await;
    assert_eq!(reply.status, StatusCode::OK);
    // The answer lists the tasks known before.
    let reply = worker.send_json(Method::PUT, path, &config(3)).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(
        reply.json()["tasks"],
        json!([{"connector": "pg", "task": 0}])
    );
    assert_eq!(reply.json()["config"], config_with(3, "name", json!("pg")));
    worker.wait_for("pg", "RUNNING", &["RUNNING"; 3]).await;
    assert_eq!(
        (worker.tasks.starts("pg", 0), worker.tasks.stops("pg", 0)),
        (2, 1)
    );
    let reply = worker
        .send_json(Method::PUT, path, &config_with(2, "name", Value::Null))
        .await;
    assert_eq!(reply.json()["config"]["name"], "pg");
    worker.wait_for("pg", "RUNNING", &["RUNNING"; 2]).await;
    assert_eq!(
        (worker.tasks.starts("pg", 2), worker.tasks.stops("pg", 2)),
        (1, 1)
    );

    let reply = worker
        .send_json(Method::PUT, path, &config_with(1, "name", json!("b")))
        .await;
    let message = "Connector name configuration (b) doesn't match connector name in the URL (pg)";
    assert_eq!(reply.error(), (400, message.to_owned()));
    let bad = config_with(1, "tasks.max", json!("dog"));
    let reply = worker.send_json(Method::PUT, path, &bad).await;
    assert_eq!(reply.error().0, 400);
    let stored = worker.get(path).await.json();
    assert_eq!(stored["tasks.max"], "2", "a refused config changes nothing");
}

#[tokio::test]
async fn a_config_is_patched() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    let path = "/connectors/pg/config";
    let changes = json!({"batch.size": 500, "auto.create": null, "absent": null, "tasks.max": 2});
    let reply = worker.send_json(Method::PATCH, path, &changes).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let mut expected = config(2);
    expected["batch.size"] = json!("500");
    expected["name"] = json!("pg");
    expected.as_object_mut().unwrap().remove("auto.create");
    assert_eq!(reply.json()["config"], expected);
    worker.wait_for("pg", "RUNNING", &["RUNNING"; 2]).await;
    assert_eq!(worker.get(path).await.json(), expected);
    // The task that there was began anew, with all of it.
    let specs = worker.tasks.specs("pg", 0);
    let rows: Vec<usize> = specs
        .iter()
        .map(|spec| spec.config.batch.max_rows)
        .collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(rows[1], 500);

    for (changes, part) in [
        (
            json!({"name": "other"}),
            "(other) doesn't match connector name in the URL (pg)",
        ),
        (
            json!({"name": null}),
            "Missing required configuration \"name\" which has no default value.",
        ),
        (
            json!({"topics": null}),
            "Must configure one of topics or topics.regex",
        ),
        (
            json!({"connector.class": null}),
            "contains no connector type",
        ),
    ] {
        let (status, message) = worker
            .send_json(Method::PATCH, path, &changes)
            .await
            .error();
        assert_eq!(status, 400);
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(worker.get(path).await.json(), expected);
}

#[tokio::test]
async fn the_list_expands() {
    let worker = Worker::start();
    assert_eq!(
        worker.get("/connectors?expand=info").await.json(),
        json!({})
    );
    worker.create("b", 1).await;
    worker.create("a", 1).await;
    let info = worker.get("/connectors/a").await.json();
    let status = worker.get("/connectors/a/status").await.json();
    for (query, expected) in [
        ("expand=info", json!({"info": info})),
        ("expand=status", json!({"status": status})),
        (
            "expand=info&expand=status",
            json!({"info": info, "status": status}),
        ),
        ("expand=bogus&expand=info", json!({"info": info})),
        ("expand=bogus", json!({})),
        ("expand=INFO", json!({})),
        ("expand=info,status", json!({})),
        ("expand=", json!({})),
    ] {
        let list = worker.get(&format!("/connectors?{query}")).await.json();
        let names: Vec<&String> = list.as_object().unwrap().keys().collect();
        assert_eq!(names, ["a", "b"], "{query}");
        assert_eq!(list["a"], expected, "{query}");
    }
    assert_eq!(
        worker.get("/connectors?other=1").await.json(),
        json!(["a", "b"])
    );
}

/// Connectors come and go while the list is asked for: each that is in it is in it whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_is_whole_while_connectors_come_and_go() {
    let worker = Arc::new(Worker::start());
    worker.create("stays", 1).await;
    let changing = Arc::clone(&worker);
    let changes = tokio::spawn(async move {
        for round in 0..60 {
            let name = format!("goes{}", round % 3);
            let body = json!({"name": name, "config": config(1)});
            let created = changing.send_json(Method::POST, "/connectors", &body).await;
            assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
            let path = format!("/connectors/{name}");
            let deleted = changing.send(Method::DELETE, &path).await;
            assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
        }
    });
    while !changes.is_finished() {
        let path = "/connectors?expand=info&expand=status";
        let list = worker.get(path).await.json();
        clients::check_expanded(&list);
        assert!(list["stays"].is_object(), "{list}");
    }
    changes.await.unwrap();
}

/// Right after 201 every part is there, so that clients which require both never fail.
#[tokio::test]
async fn a_new_connector_is_listed_whole_at_once() {
    let worker = Worker::start();
    let body = json!({"name": "pg", "config": config(1)});
    worker.send_json(Method::POST, "/connectors", &body).await;
    let list = worker
        .get("/connectors?expand=info&expand=status")
        .await
        .json();
    let (state, tasks) = states(&list["pg"]["status"]);
    assert!(["UNASSIGNED", "RUNNING"].contains(&state), "{list}");
    assert!(tasks.len() <= 1);
    assert_eq!(list["pg"]["info"]["name"], "pg");
}

#[tokio::test]
async fn names_may_hold_any_character() {
    let worker = Worker::start();
    for (name, segment) in [
        ("a b", "a%20b"),
        ("rk/z", "rk%2Fz"),
        ("100%", "100%25"),
        ("back\\slash", "back%5Cslash"),
        ("q?#[1]", "q%3F%23%5B1%5D"),
        ("ü→{2}", "%C3%BC%E2%86%92%7B2%7D"),
        ("..", ".."),
        ("a+b:c", "a+b:c"),
    ] {
        let body = json!({"name": name, "config": config(1)});
        let reply = worker.send_json(Method::POST, "/connectors", &body).await;
        let path = format!("/connectors/{segment}");
        assert_eq!(reply.status, StatusCode::CREATED, "{name}");
        assert_eq!(reply.headers[LOCATION], format!("http://w1:9398{path}"));
        assert_eq!(worker.get(&path).await.json()["name"], name);
        let status = worker.get(&format!("{path}/status")).await.json();
        assert_eq!(status["name"], name);
        let reply = worker.send(Method::DELETE, &path).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "{name}");
    }
    // Not valid UTF-8.
    assert_eq!(worker.get("/connectors/%FF").await.error().0, 400);
    // Not an escape at all: taken literally, so no such connector.
    assert_eq!(worker.get("/connectors/%zz").await.error().0, 404);
}

#[tokio::test]
async fn configs_of_other_sinks_are_kept_as_they_were_sent() {
    let worker = Worker::start();
    let config = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "topics": "shop.orders",
        "tasks.max": "1",
        "connection.url": "jdbc:sqlite:orders.db",
        "primary.key.mode": "record_key",
        "insert.mode": "upsert",
        "quote.identifiers": "true",
        "use.reduction.buffer": "true",
    });
    let path = "/connectors/pg/config";
    let created = worker.send_json(Method::PUT, path, &config).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    let shown = worker.get("/connectors/pg").await.json();
    assert_eq!(shown["type"], "sink");
    let mut expected = config.clone();
    expected["name"] = json!("pg");
    assert_eq!(shown["config"], expected);
    worker.wait_for_starts("pg", 1).await;
    let used = worker.tasks.specs("pg", 0).remove(0).config;
    assert_eq!(used.class, crate::config::connector::SinkClass::Sqlite);
    assert_eq!(used.batch.max_rows, 500);

    let validate = "/connector-plugins/JdbcSinkConnector/config/validate";
    let answer = worker
        .send_json(Method::PUT, validate, &expected)
        .await
        .json();
    assert_eq!(answer["error_count"], 0, "{answer}");
    let configs = answer["configs"].as_array().unwrap();
    let told: Vec<&str> = configs
        .iter()
        .filter(|config| config["value"]["warnings"].is_array())
        .map(|config| config["value"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["use.reduction.buffer"]);
    let mut wrong = config.clone();
    wrong["primary.key.mode"] = json!("nokey");
    let refused = worker.send_json(Method::PUT, path, &wrong).await;
    let (status, message) = refused.error();
    assert_eq!(status, 400);
    assert!(
        message.contains("configuration primary.key.mode"),
        "{message}"
    );
}

#[tokio::test]
async fn config_providers_are_read_when_tasks_start_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.properties");
    std::fs::write(&file, "user=s3cret-1\n").unwrap();
    let worker = Worker::start_with(&[
        "config.providers=file",
        "config.providers.file.class=FileConfigProvider",
    ]);
    let reference = format!("${{file:{}:user}}", file.display());
    let config = config_with(1, "connection.user", json!(reference));
    let created = worker
        .send_json(Method::PUT, "/connectors/pg/config", &config)
        .await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    let used = |index: usize| worker.tasks.specs("pg", 0)[index].config.sink.user.clone();
    worker.wait_for_starts("pg", 1).await;
    assert_eq!(used(0).as_deref(), Some("s3cret-1"));

    // The value changes, and a restarted task has the new one.
    std::fs::write(&file, "user=s3cret-2\n").unwrap();
    worker
        .send(Method::POST, "/connectors/pg/tasks/0/restart")
        .await;
    worker.wait_for_starts("pg", 2).await;
    assert_eq!(used(1).as_deref(), Some("s3cret-2"));

    // The value is gone: the task is told why it cannot run.
    std::fs::write(&file, "other=x\n").unwrap();
    worker
        .send(Method::POST, "/connectors/pg/tasks/0/restart")
        .await;
    worker.wait_for_starts("pg", 3).await;
    let refused = worker.tasks.specs("pg", 0)[2].refused.clone().unwrap();
    assert!(refused.contains("has no key user"), "{refused}");

    // A file that is missing stands in the way of what refers to it, and of no other config.
    std::fs::remove_file(&file).unwrap();
    let path = "/connectors/pg/config";
    let other = config_with(1, "connection.user", json!("ann"));
    let mut still_refers = config.clone();
    still_refers["batch.size"] = json!("7");
    let refused = worker.send_json(Method::PUT, path, &still_refers).await;
    let (status, message) = refused.error();
    assert_eq!(status, 400);
    assert!(message.contains("connection.user"), "{message}");
    let changed = worker.send_json(Method::PUT, path, &other).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    worker.wait_for_starts("pg", 4).await;
    assert_eq!(used(3).as_deref(), Some("ann"));
    std::fs::write(&file, "user=s3cret-4\n").unwrap();
    worker.send_json(Method::PUT, path, &config).await;
    worker.wait_for_starts("pg", 5).await;

    for path in [
        "/connectors/pg",
        "/connectors/pg/config",
        "/connectors/pg/tasks",
        "/connectors/pg/status",
        "/connectors?expand=info&expand=status",
    ] {
        let reply = worker.get(path).await;
        assert!(!reply.text.contains("s3cret"), "{path}: {}", reply.text);
    }
    let shown = worker.get("/connectors/pg").await.json();
    assert_eq!(shown["config"]["connection.user"], reference);
    let validate = "/connector-plugins/SqliteSink/config/validate";
    let mut named = config.clone();
    named["name"] = json!("pg");
    std::fs::write(&file, "user=s3cret-3\n").unwrap();
    let answer = worker.send_json(Method::PUT, validate, &named).await;
    assert_eq!(answer.json()["error_count"], 0, "{}", answer.text);
    assert!(!answer.text.contains("s3cret"), "{}", answer.text);
}
