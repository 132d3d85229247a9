//! Connector classes and validation, as far as the API is concerned.

use std::collections::BTreeSet;

use super::*;

#[tokio::test]
async fn plugins_are_listed_and_described() {
    let worker = Worker::start();
    let plugins = worker.get("/connector-plugins").await.json();
    let all = worker
        .get("/connector-plugins?connectorsOnly=false")
        .await
        .json();
    let (plugins, all) = (plugins.as_array().unwrap(), all.as_array().unwrap());
    assert_eq!(all[..plugins.len()], plugins[..]);
    let part = json!({"class": "org.apache.kafka.connect.transforms.Cast$Value",
        "type": "transformation", "version": env!("CARGO_PKG_VERSION")});
    assert!(all.contains(&part));
    let kinds: BTreeSet<&str> = all.iter().filter_map(|one| one["type"].as_str()).collect();
    let expected = [
        "converter",
        "header_converter",
        "predicate",
        "sink",
        "transformation",
    ];
    assert_eq!(kinds, expected.into());
    // Each is described, whatever it is.
    for plugin in all {
        let class = plugin["class"].as_str().unwrap().replace('$', "%24");
        let path = format!("/connector-plugins/{class}/config");
        let keys = worker.get(&path).await.json();
        for key in keys.as_array().unwrap() {
            assert!(key["name"].is_string() && key["type"].is_string(), "{key}");
        }
    }
    let path = "/connector-plugins/org.apache.kafka.connect.transforms.Cast%24Value/config";
    let keys = worker.get(path).await.json();
    assert_eq!(keys[0]["name"], "spec");
    let path = "/connector-plugins/JsonConverter/config";
    assert_eq!(worker.get(path).await.json()[0]["name"], "schemas.enable");
    assert!(plugins.len() >= 2, "{plugins:?}");
    for plugin in plugins {
        assert_eq!(plugin["type"], "sink");
        assert_eq!(plugin["version"], env!("CARGO_PKG_VERSION"));
        let class = plugin["class"].as_str().unwrap();
        let keys = worker
            .get(&format!("/connector-plugins/{class}/config"))
            .await
            .json();
        let keys = keys.as_array().unwrap();
        let tells_where =
            |key: &Value| key["name"] == "connection.url" || key["name"] == "contactPoints";
        assert!(keys.iter().any(tells_where), "{class}");
    }
    let path = "/connector-plugins/SqliteSink/config";
    let version = env!("CARGO_PKG_VERSION");
    let described = worker.get(&format!("{path}?version={version}")).await;
    assert_eq!(described, worker.get(path).await);
    let message = format!(
        "Plugin SqliteSink not found that matches the version range [99.9,99.9], available \
         versions: [{version}]"
    );
    assert_eq!(
        worker.get(&format!("{path}?version=99.9")).await.error(),
        (400, message)
    );
    assert_eq!(
        worker.get("/connector-plugins/Foo/config").await.error(),
        (404, "Unknown plugin Foo.".to_owned())
    );
}

#[tokio::test]
async fn configs_are_validated() {
    let worker = Worker::start();
    let path = "/connector-plugins/SqliteSink/config/validate";
    let good = config_with(1, "name", json!("pg"));
    let reply = worker.send_json(Method::PUT, path, &good).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(reply.json()["error_count"], 0, "{}", reply.text);

    // What is wrong is told in a 200.
    let bad = config_with(1, "tasks.max", json!("dog"));
    let reply = worker.send_json(Method::PUT, path, &bad).await;
    assert_eq!(reply.status, StatusCode::OK);
    let body = reply.json();
    assert!(body["error_count"].as_u64().unwrap() >= 2, "{body}");
    for config in body["configs"].as_array().unwrap() {
        assert!(config["definition"].is_object(), "{config}");
    }

    for (path, config, start) in [
        (path, json!({}), "Connector config {"),
        (path, json!({"topics": "t"}), "Connector config {"),
        (
            path,
            json!({"connector.class": "Foo"}),
            "Failed to find any class that implements Connector and which name matches Foo",
        ),
        (
            path,
            config_with(1, "connector.class", json!("PostgresSink")),
            "Included connector type ",
        ),
    ] {
        let (status, message) = worker.send_json(Method::PUT, path, &config).await.error();
        assert_eq!(status, 400);
        assert!(message.starts_with(start), "{message}");
    }
}
