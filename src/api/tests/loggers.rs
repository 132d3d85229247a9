//! Levels of loggers over the API.

use super::*;

#[tokio::test]
async fn levels_are_listed_and_set() {
    let worker = Worker::start();
    let root = json!({"level": "INFO", "last_modified": null});
    assert_eq!(
        worker.get("/admin/loggers").await.json(),
        json!({"root": root})
    );
    assert_eq!(worker.get("/admin/loggers/root").await.json(), root);
    let set = async |path: &str, body: Value| {
        worker
            .send_json(Method::PUT, &format!("/admin/loggers/{path}"), &body)
            .await
    };
    let level = |level: &str| json!({"level": level});

    assert_eq!(set("a.b", level("debug")).await.json(), json!(["a.b"]));
    assert_eq!(set("a.b.c", level("TRACE")).await.json(), json!(["a.b.c"]));
    let first = worker.get("/admin/loggers/a.b").await.json();
    assert_eq!(first["level"], "DEBUG");
    assert!(first["last_modified"].is_i64(), "{first}");
    // The same again changes nothing, and is not listed.
    assert_eq!(set("a.b", level("DEBUG")).await.json(), json!(["a.b.c"]));
    assert_eq!(worker.get("/admin/loggers/a.b").await.json(), first);
    // An unknown scope is this worker's.
    assert_eq!(
        set("a?scope=galaxy", level("OFF")).await.json(),
        json!(["a", "a.b", "a.b.c"])
    );

    let everywhere = set("root?scope=cluster", level("WARN")).await;
    assert_eq!(
        (everywhere.status.as_u16(), everywhere.text.as_str()),
        (204, "")
    );
    assert_eq!(worker.get("/admin/loggers/a").await.json()["level"], "WARN");
}

/// A client that makes up names is stopped, whether they are of this worker or of all.
#[tokio::test]
async fn there_are_not_too_many() {
    let worker = Worker::start();
    let body = json!({"level": "DEBUG"});
    let set = async |number: usize, scope: &str| {
        let path = format!("/admin/loggers/made.up.{number}?scope={scope}");
        worker.send_json(Method::PUT, &path, &body).await
    };
    // With root there are a thousand.
    for number in 1..1000 {
        assert_eq!(set(number, "worker").await.status, StatusCode::OK);
    }
    for scope in ["worker", "cluster"] {
        let refused = set(1000, scope).await.error();
        assert_eq!(refused.0, 400);
        assert!(refused.1.contains("1000 loggers"), "{}", refused.1);
    }
    let all = worker.get("/admin/loggers").await.json();
    assert_eq!(all.as_object().unwrap().len(), 1000);
    assert_eq!(set(7, "cluster").await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn mistakes_are_told() {
    let worker = Worker::start();
    let reply = worker.get("/admin/loggers/nope").await;
    assert_eq!(reply.error(), (404, "Logger nope not found.".to_owned()));
    let missing = (
        400,
        "Desired 'level' parameter was not specified in request.".to_owned(),
    );
    for body in [json!({}), json!({"level": null}), json!({"loud": "INFO"})] {
        let reply = worker
            .send_json(Method::PUT, "/admin/loggers/root?scope=cluster", &body)
            .await;
        assert_eq!(reply.error(), missing, "{body}");
    }
    let reply = worker
        .send_json(
            Method::PUT,
            "/admin/loggers/root",
            &json!({"level": "LOUD"}),
        )
        .await;
    assert_eq!(reply.error(), (404, "invalid log level 'LOUD'.".to_owned()));
}
