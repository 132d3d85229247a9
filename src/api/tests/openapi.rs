//! The description at `/openapi.json`: it parses, and it has every route there is.

use std::collections::BTreeSet;

use super::*;

/// Every route.
const ROUTES: [(&str, &str); 32] = [
    ("get", "/"),
    ("get", "/health"),
    ("get", "/openapi.json"),
    ("get", "/connectors"),
    ("post", "/connectors"),
    ("get", "/connectors/{name}"),
    ("delete", "/connectors/{name}"),
    ("get", "/connectors/{name}/config"),
    ("put", "/connectors/{name}/config"),
    ("patch", "/connectors/{name}/config"),
    ("get", "/connectors/{name}/status"),
    ("get", "/connectors/{name}/tasks"),
    ("get", "/connectors/{name}/tasks/{task}/status"),
    ("put", "/connectors/{name}/pause"),
    ("put", "/connectors/{name}/resume"),
    ("put", "/connectors/{name}/stop"),
    ("post", "/connectors/{name}/restart"),
    ("post", "/connectors/{name}/tasks/{task}/restart"),
    ("get", "/connectors/{name}/offsets"),
    ("patch", "/connectors/{name}/offsets"),
    ("delete", "/connectors/{name}/offsets"),
    ("get", "/connectors/{name}/topics"),
    ("put", "/connectors/{name}/topics/reset"),
    ("get", "/rowdock/cluster"),
    ("get", "/rowdock/connectors/{name}/progress"),
    ("post", "/rowdock/connectors/{name}/replay"),
    ("get", "/admin/loggers"),
    ("get", "/admin/loggers/{logger}"),
    ("put", "/admin/loggers/{logger}"),
    ("get", "/connector-plugins"),
    ("get", "/connector-plugins/{plugin}/config"),
    ("put", "/connector-plugins/{plugin}/config/validate"),
];

#[tokio::test]
async fn every_route_is_described() {
    let worker = Worker::start();
    let document = worker.get("/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["responses"].is_object(), "{method} {path}");
            assert!(operation["summary"].is_string(), "{method} {path}");
            described.insert((method.as_str(), path.as_str()));
        }
    }
    let expected: BTreeSet<(&str, &str)> = ROUTES.into_iter().collect();
    assert_eq!(described, expected);
}

/// References lead somewhere: what is named is described.
#[tokio::test]
async fn every_reference_resolves() {
    let worker = Worker::start();
    let document = worker.get("/openapi.json").await.json();
    let mut open = vec![&document];
    let mut references = 0;
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                    references += 1;
                }
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    assert!(references > 10, "{references}");
}

#[tokio::test]
async fn every_described_route_is_served() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    for (method, path) in ROUTES {
        // There is neither Kafka nor a database to ask for positions.
        let asks_kafka = path.ends_with("/offsets") || path.ends_with("/progress");
        let path = path
            .replace("{name}", if asks_kafka { "nope" } else { "pg" })
            .replace("{task}", "0")
            .replace("{plugin}", "SqliteSink")
            .replace("{logger}", "root");
        let method: Method = method.to_uppercase().parse().unwrap();
        let reply = worker.send(method.clone(), &path).await;
        assert!(
            !reply.text.contains("\"HTTP 404") && !reply.text.contains("\"HTTP 405"),
            "{method} {path}: {reply:?}"
        );
        if method == Method::DELETE && !asks_kafka {
            worker.create("pg", 1).await;
        }
    }
}
