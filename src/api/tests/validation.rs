//! How many errors a config has, by its keys: counts and keys are Kafka Connect's.

use super::*;

/// The keys with errors, each as often as it has some; checked against the count.
async fn wrong_keys(worker: &Worker, config: &Value) -> Vec<String> {
    let path = "/connector-plugins/SqliteSink/config/validate";
    let reply = worker.send_json(Method::PUT, path, config).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let body = reply.json();
    let mut keys = Vec::new();
    for entry in body["configs"].as_array().unwrap() {
        let value = &entry["value"];
        for _ in value["errors"].as_array().unwrap() {
            keys.push(value["name"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(body["error_count"], keys.len(), "{config}");
    keys.sort();
    keys
}

/// The good config with these keys set, or with null removed.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut config = config_with(1, "name", json!("pg"));
    let keys = config.as_object_mut().unwrap();
    for (key, value) in changes {
        if value.is_null() {
            keys.remove(*key);
        } else {
            keys.insert((*key).to_owned(), value.clone());
        }
    }
    config
}

#[tokio::test]
async fn errors_are_counted_by_key() {
    let worker = Worker::start_with(&["group.id=workers"]);
    let check = async |changes: &[(&str, Value)], expected: &[&str]| {
        let config = with(changes);
        assert_eq!(wrong_keys(&worker, &config).await, expected, "{config}");
    };
    let dead_letters = "errors.deadletterqueue.topic.name";
    let all = ("errors.tolerance", json!("all"));
    check(&[], &[]).await;
    check(&[("name", Value::Null)], &["name"]).await;
    // Topics: neither, both; each on both keys.
    check(&[("topics", Value::Null)], &["topics", "topics.regex"]).await;
    check(
        &[("topics.regex", json!("o.*"))],
        &["topics", "topics.regex"],
    )
    .await;
    // Dead letters that would be read again.
    check(&[all.clone(), (dead_letters, json!("orders"))], &["topics"]).await;
    let by_pattern = [
        all,
        (dead_letters, json!("orders-dead")),
        ("topics", Value::Null),
        ("topics.regex", json!("orders.*")),
    ];
    check(&by_pattern, &["topics.regex"]).await;
    // Numbers, and words of a list.
    check(&[("tasks.max", json!("dog"))], &["tasks.max", "tasks.max"]).await;
    check(&[("tasks.max", json!("0"))], &["tasks.max"]).await;
    check(
        &[("errors.tolerance", json!("some"))],
        &["errors.tolerance"],
    )
    .await;
    // The worker's own group.
    let group = "consumer.override.group.id";
    check(&[(group, json!("workers"))], &[group]).await;
    // Converters.
    for key in ["key.converter", "value.converter", "header.converter"] {
        check(&[(key, json!("no.such.Converter"))], &[key]).await;
    }
    for class in [
        "org.apache.kafka.connect.transforms.Filter",
        "org.apache.kafka.connect.storage.Converter",
    ] {
        check(&[("value.converter", json!(class))], &["value.converter"]).await;
    }
    let schemas = "value.converter.schemas.enable";
    let misconfigured = [
        ("value.converter", json!("JsonConverter")),
        (schemas, json!("dog")),
    ];
    check(&misconfigured, &[schemas]).await;
    // Transforms: no class, an unknown one, one alias twice, negated without a predicate.
    check(&[("transforms", json!("a"))], &["transforms.a.type"]).await;
    let unknown = [
        ("transforms", json!("a")),
        ("transforms.a.type", json!("x.Y")),
    ];
    check(&unknown, &["transforms.a.type"]).await;
    let filter = (
        "transforms.a.type",
        json!("org.apache.kafka.connect.transforms.Filter"),
    );
    let twice = [("transforms", json!("a, a")), filter.clone()];
    let keys = wrong_keys(&worker, &with(&twice)).await;
    assert!(keys.contains(&"transforms".to_owned()), "{keys:?}");
    let negated = [
        ("transforms", json!("a")),
        filter,
        ("transforms.a.negate", json!("true")),
    ];
    let keys = wrong_keys(&worker, &with(&negated)).await;
    assert!(!keys.is_empty(), "negated without a predicate");
}

/// No class, an unknown one, one alias twice, a key that is missing or cannot be, a name that is none.
#[tokio::test]
async fn predicates() {
    let worker = Worker::start();
    let check = async |changes: &[(&str, Value)], expected: &[&str]| {
        let config = with(changes);
        assert_eq!(wrong_keys(&worker, &config).await, expected, "{config}");
    };
    let (list, class, pattern) = ("predicates", "predicates.p.type", "predicates.p.pattern");
    let p = (list, json!("p"));
    let matches = (class, json!("TopicNameMatches"));
    let good = [p.clone(), matches.clone(), (pattern, json!("o.*"))];
    check(&good, &[]).await;
    check(std::slice::from_ref(&p), &[class]).await;
    check(&[p.clone(), (class, json!("x.Y"))], &[class]).await;
    check(&[p.clone(), matches.clone()], &[pattern]).await;
    let cannot_be = [p.clone(), matches.clone(), (pattern, json!("("))];
    check(&cannot_be, &[pattern]).await;
    let twice = [(list, json!("p, p")), matches, (pattern, json!("o.*"))];
    let keys = wrong_keys(&worker, &with(&twice)).await;
    assert!(keys.contains(&list.to_owned()), "{keys:?}");
    let unknown = [
        ("transforms", json!("a")),
        ("transforms.a.type", json!("Filter")),
        ("transforms.a.predicate", json!("q")),
    ];
    check(&unknown, &["transforms.a.predicate"]).await;
}

/// A policy refuses overrides of the clients' settings, on the keys themselves.
#[tokio::test]
async fn override_policies() {
    let protocol = "consumer.override.security.protocol";
    let records = "consumer.override.max.poll.records";
    let both = [(protocol, json!("PLAINTEXT")), (records, json!("5"))];
    for (policy, refused) in [
        ("None", vec![records, protocol]),
        ("Principal", vec![records]),
        ("All", vec![]),
    ] {
        let setting = format!("connector.client.config.override.policy={policy}");
        let worker = Worker::start_with(&[&setting]);
        let keys = wrong_keys(&worker, &with(&both)).await;
        assert_eq!(keys, refused, "{policy}");
    }
}

/// Groups in their order, values that may be chosen, and no password in the answer.
#[tokio::test]
async fn definitions_are_complete() {
    let worker = Worker::start();
    let path = "/connector-plugins/SqliteSink/config/validate";
    let config = with(&[("connection.password", json!("secret"))]);
    let reply = worker.send_json(Method::PUT, path, &config).await;
    assert!(!reply.text.contains("secret"), "{}", reply.text);
    let body = reply.json();
    let groups = body["groups"].as_array().unwrap();
    assert!(groups.contains(&json!("Common")), "{groups:?}");
    let entries = body["configs"].as_array().unwrap();
    let find = |name: &str| {
        let found = entries.iter().find(|entry| entry["value"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}"))
    };
    let order: Vec<&Value> = ["name", "connector.class", "tasks.max"]
        .iter()
        .map(|name| &find(name)["definition"]["order"])
        .collect();
    assert!(
        order
            .windows(2)
            .all(|pair| pair[0].as_i64() < pair[1].as_i64()),
        "{order:?}"
    );
    assert_eq!(find("connection.password")["value"]["value"], "[hidden]");
    let modes = &find("insert.mode")["value"]["recommended_values"];
    assert!(
        modes.as_array().unwrap().contains(&json!("upsert")),
        "{modes}"
    );
    for entry in entries {
        let group = &entry["definition"]["group"];
        assert!(group.is_null() || groups.contains(group), "{entry}");
    }
}
