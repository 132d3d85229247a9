//! What holds for all requests: framework errors, headers, sizes, spelling of paths.

use axum::http::header::{ALLOW, CONTENT_LENGTH};

use super::*;

#[tokio::test]
async fn errors_of_the_http_layer_have_the_error_body() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    let not_found = (404, "HTTP 404 Not Found");
    let not_allowed = (405, "HTTP 405 Method Not Allowed");
    for (method, path, expected) in [
        (Method::GET, "/nope", not_found),
        (Method::GET, "/connectors/pg/nope", not_found),
        (Method::GET, "/connectors/pg/tasks-config", not_found),
        (Method::GET, "/connectors/pg/tasks/x/status", not_found),
        (Method::GET, "/connectors/pg/tasks/1.5/status", not_found),
        (Method::POST, "/connectors/pg/tasks/x/restart", not_found),
        (Method::DELETE, "/connectors", not_allowed),
        (Method::POST, "/connectors/pg", not_allowed),
        (Method::GET, "/connectors/pg/pause", not_allowed),
        (Method::PUT, "/", not_allowed),
    ] {
        let reply = worker.send(method.clone(), path).await;
        let (status, message) = reply.error();
        assert_eq!((status, message.as_str()), expected, "{method} {path}");
    }
}

#[tokio::test]
async fn media_types_are_checked() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    let check = async |method: Method, path: &str, headers: &[(&str, &str)], body: &'static str| {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = worker
            .request(request.body(Body::from(body)).unwrap())
            .await;
        if reply.status.is_success() {
            return (reply.status.as_u16(), String::new());
        }
        reply.error()
    };
    let unsupported = (415, "HTTP 415 Unsupported Media Type".to_owned());
    let unacceptable = (406, "HTTP 406 Not Acceptable".to_owned());
    let text = ("content-type", "text/plain");
    let json = ("content-type", "application/json;charset=utf-8");

    assert_eq!(
        check(Method::POST, "/connectors", &[text], "{}").await,
        unsupported
    );
    assert_eq!(
        check(Method::POST, "/connectors", &[], "{}").await,
        unsupported
    );
    assert_eq!(
        check(Method::PUT, "/connectors/pg/pause", &[text], "x").await,
        unsupported
    );
    // Without a body its type does not matter, and a body nobody asked for is ignored.
    for (headers, body) in [
        (vec![], ""),
        (vec![text], ""),
        (vec![json], "null"),
        (vec![json], "\"\""),
        (vec![json], "{}"),
        (vec![json], "not json"),
    ] {
        let outcome = check(Method::PUT, "/connectors/pg/resume", &headers, body).await;
        assert_eq!(outcome, (202, String::new()), "{headers:?} {body}");
    }
    let plain = ("accept", "text/plain");
    assert_eq!(
        check(Method::GET, "/connectors", &[plain], "").await,
        unacceptable
    );
    assert_eq!(check(Method::GET, "/nope", &[plain], "").await.0, 404);
    assert_eq!(
        check(Method::GET, "/connectors/pg/pause", &[plain], "")
            .await
            .0,
        405
    );
    let any = ("accept", "text/html, */*;q=0.1");
    assert_eq!(check(Method::GET, "/connectors", &[any], "").await.0, 200);
}

#[tokio::test]
async fn bodies_are_bounded() {
    let worker = Worker::start_with(&["rest.request.body.max.bytes=1024"]);
    let large = json!({"name": "a", "config": {"topics": "x".repeat(1024)}});
    let (status, message) = worker
        .send_json(Method::POST, "/connectors", &large)
        .await
        .error();
    assert_eq!(status, 413);
    assert_eq!(
        message,
        "the request body is larger than 1024 bytes, the worker's limit \
         (rest.request.body.max.bytes)"
    );
}

#[tokio::test]
async fn broken_bodies_are_the_clients_mistake() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    for (method, path, body) in [
        (Method::POST, "/connectors", ""),
        (Method::POST, "/connectors", "{"),
        (Method::POST, "/connectors", "[]"),
        (Method::POST, "/connectors", "null"),
        (Method::POST, "/connectors", r#"{"name":"a"}"#),
        (
            Method::POST,
            "/connectors",
            r#"{"name":"a","config":{},"colour":1}"#,
        ),
        (
            Method::POST,
            "/connectors",
            r#"{"name":"a","config":{"k":{}}}"#,
        ),
        (
            Method::POST,
            "/connectors",
            r#"{"name":"a","config":{},"initial_state":"DESTROYED"}"#,
        ),
        (Method::PUT, "/connectors/pg/config", r#"{"a":[1]}"#),
        (Method::PUT, "/connectors/pg/config", r#"{"a":01}"#),
        (Method::PATCH, "/connectors/pg/config", "{\"a\""),
        (
            Method::PUT,
            "/connector-plugins/SqliteSink/config/validate",
            "\u{0}",
        ),
    ] {
        let reply = worker.send_text(method.clone(), path, body).await;
        let (status, message) = reply.error();
        assert_eq!(status, 400, "{method} {path} {body}");
        assert!(!message.is_empty());
    }
    let names = worker.get("/connectors").await.json();
    assert_eq!(names, json!(["pg"]));
}

#[tokio::test]
async fn a_trailing_slash_makes_no_difference() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    for path in [
        "/connectors",
        "/connectors/pg",
        "/connectors/pg/status",
        "/connector-plugins",
        "/connectors?expand=info",
        "/health",
    ] {
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        let slashed = format!("{bare}/?{query}");
        let expected = worker.get(path).await;
        assert_eq!(expected.status, StatusCode::OK, "{path}");
        assert_eq!(worker.get(&slashed).await, expected, "{path}");
    }
}

#[tokio::test]
async fn head_and_options_work_on_every_get() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    for path in [
        "/",
        "/health",
        "/connectors",
        "/connectors/pg/status",
        "/openapi.json",
    ] {
        let got = worker.get(path).await;
        let head = worker.send(Method::HEAD, path).await;
        assert_eq!(
            (head.status, head.text.as_str()),
            (StatusCode::OK, ""),
            "{path}"
        );
        assert_eq!(head.headers[CONTENT_LENGTH], got.text.len().to_string());
    }
    for (path, methods) in [
        ("/health", "GET, HEAD, OPTIONS"),
        ("/connectors", "GET, HEAD, OPTIONS, POST"),
        ("/connectors/pg/pause", "OPTIONS, PUT"),
    ] {
        let reply = worker.send(Method::OPTIONS, path).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.text, methods);
        assert_eq!(reply.headers[ALLOW], methods);
    }
    let reply = worker.send(Method::OPTIONS, "/nope").await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_worker_tells_its_version_and_kafka_cluster() {
    let worker = Worker::start();
    let info = worker.get("/").await.json();
    let version = info["version"].as_str().unwrap();
    let numbers: Vec<u32> = version
        .split('.')
        .take(2)
        .map(|part| part.parse().unwrap())
        .collect();
    assert!(numbers >= vec![3, 9], "{version}");
    assert_eq!(info["commit"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["kafka_cluster_id"], Value::Null);

    worker
        .kafka_cluster_id
        .send_replace(Some("I4Zm".to_owned()));
    assert_eq!(worker.get("/").await.json()["kafka_cluster_id"], "I4Zm");
}

#[tokio::test(start_paused = true)]
async fn health_depends_on_the_control_loop_alone() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    worker.tasks.fail("pg", 0, "orders-0@17: not a number");
    let reply = worker.get("/health").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(
        reply.json(),
        json!({
            "status": "healthy",
            "message": "Worker has completed startup and is ready to handle requests.",
        })
    );

    worker.cluster.stop().await;
    let reply = worker.get("/health").await;
    let stopping = "the worker is stopping and takes no more requests";
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        reply.json(),
        json!({"status": "unhealthy", "message": stopping})
    );
    let refused = (503, stopping.to_owned());
    assert_eq!(worker.get("/connectors").await.error(), refused);
    assert_eq!(worker.tasks.stops("pg", 0), 1);
}

#[tokio::test]
async fn a_panic_is_answered() {
    let router = axum::Router::new()
        .route(
            "/",
            axum::routing::get(async || -> StatusCode { panic!("secret") }),
        )
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(
            super::super::error::from_panic,
        ));
    let worker = Worker::start().with_router(router);
    let (status, message) = worker.get("/").await.error();
    assert_eq!(status, 500);
    assert!(!message.contains("secret"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_ended() {
    let router = axum::Router::new()
        .route("/", axum::routing::get(std::future::pending::<StatusCode>))
        .layer(axum::middleware::from_fn(super::super::layers::limit_time));
    let worker = Worker::start().with_router(router);
    let begun = tokio::time::Instant::now();
    let (status, message) = worker.get("/").await.error();
    assert_eq!(status, 500);
    let told = "Request timed out. The worker is currently at GET /, which began at 2";
    assert!(message.starts_with(told), "{message}");
    assert!(begun.elapsed() <= crate::api::REQUEST_TIME_MAX + Duration::from_secs(1));
}

#[tokio::test]
async fn pages_of_other_origins_need_permission() {
    let ask = async |worker: &Worker, method: Method, headers: &[(&str, &str)]| {
        let mut request = Request::builder().method(method).uri("/connectors");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        worker.request(request.body(Body::empty()).unwrap()).await
    };
    let origin = [("origin", "http://a.example")];
    let question = [origin[0], ("access-control-request-method", "PUT")];
    let allowed = |reply: &Reply, name: &str| {
        let header = reply.headers.get(name);
        header.map(|value| value.to_str().unwrap().to_owned())
    };

    let closed = Worker::start();
    let reply = ask(&closed, Method::GET, &origin).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(allowed(&reply, "access-control-allow-origin"), None);

    let open = Worker::start_with(&[
        "access.control.allow.origin=http://a.example",
        "access.control.allow.methods=GET,PUT",
    ]);
    let reply = ask(&open, Method::GET, &origin).await;
    let expected = Some("http://a.example".to_owned());
    assert_eq!(allowed(&reply, "access-control-allow-origin"), expected);
    let reply = ask(&open, Method::OPTIONS, &question).await;
    assert_eq!((reply.status, reply.text.as_str()), (StatusCode::OK, ""));
    assert_eq!(
        allowed(&reply, "access-control-allow-methods"),
        Some("GET,PUT".to_owned())
    );
    let other = ask(&open, Method::GET, &[("origin", "http://b.example")]).await;
    assert_eq!(allowed(&other, "access-control-allow-origin"), None);

    let any = Worker::start_with(&["access.control.allow.origin=*"]);
    let reply = ask(&any, Method::OPTIONS, &question).await;
    assert_eq!(allowed(&reply, "access-control-allow-origin"), expected);
    assert_eq!(
        allowed(&reply, "access-control-allow-methods"),
        Some("GET,POST,HEAD".to_owned())
    );
}

#[tokio::test]
async fn every_answer_gets_the_headers_of_the_settings() {
    let worker = Worker::start_with(&[
        "response.http.headers.config=set X-Frame-Options: DENY, add Cache-Control: no-store",
    ]);
    for path in ["/connectors", "/nope", "/connectors/nope"] {
        let reply = worker.get(path).await;
        assert_eq!(reply.headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(reply.headers["cache-control"], "no-store", "{path}");
    }
}

#[tokio::test]
async fn the_admin_part_can_stand_apart() {
    let main = Worker::start_part(&[], Part::WithoutAdmin);
    assert_eq!(main.get("/connectors").await.status, StatusCode::OK);
    let not_found = (404, "HTTP 404 Not Found".to_owned());
    assert_eq!(main.get("/admin/loggers").await.error(), not_found);
    let admin = Worker::start_part(&[], Part::AdminOnly);
    assert_eq!(admin.get("/admin/loggers").await.status, StatusCode::OK);
    assert_eq!(admin.get("/connectors").await.error(), not_found);
}

/// Kafka Connect's workers talk to each other over these; here nobody may.
#[tokio::test]
async fn there_are_no_paths_between_workers() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    for (method, path, code) in [
        (Method::POST, "/connectors/pg/tasks", 405),
        (Method::PUT, "/connectors/pg/fence", 404),
        (Method::GET, "/connectors/pg/tasks-config", 404),
    ] {
        let reply = worker.send_json(method, path, &json!([])).await;
        let body: Value = serde_json::from_str(&reply.text).unwrap();
        assert_eq!(
            (reply.status.as_u16(), &body["error_code"]),
            (code, &json!(code)),
            "{path}"
        );
    }
}
