//! Goal: the reply has the shape that clients read, and agrees with what parsing says.

use super::*;

fn raw(pairs: &[(&str, &str)]) -> RawConfig {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())))
        .collect()
}

fn config<'a>(validation: &'a Validation, key: &str) -> &'a ConfigInfo {
    validation
        .configs
        .iter()
        .find(|config| config.value.name == key)
        .unwrap()
}

#[test]
fn a_bare_class_is_answered_with_all_definitions() {
    // What some user interfaces send for every plugin they find.
    let bare = raw(&[
        ("connector.class", "PostgresSinkConnector"),
        ("topics", "getPlugins"),
    ]);
    let validation = validate(&bare, &WorkerSettings::default()).unwrap();
    assert_eq!(validation.name, "rowdock.PostgresSink");
    assert_eq!(validation.error_count, 2);
    assert_eq!(
        validation.groups[..4],
        ["Common", "Transforms", "Predicates", "Error Handling"]
    );
    assert_eq!(
        serde_json::to_value(config(&validation, "connection.url")).unwrap(),
        serde_json::json!({
            "definition": {
                "name": "connection.url", "type": "STRING", "required": true, "default_value": null,
                "importance": "HIGH",
                "documentation": crate::config::definitions::sink::CONNECTION_URL.doc,
                "group": "Connection", "width": "LONG", "display_name": "Connection URL",
                "dependents": [], "order": 1,
            },
            "value": {
                "name": "connection.url", "value": null, "recommended_values": [],
                "errors": ["Missing required configuration \"connection.url\" which has no default value."],
                "visible": true,
            },
        })
    );
    let insert_mode = config(&validation, "insert.mode");
    assert_eq!(insert_mode.value.value.as_deref(), Some("insert"));
    assert_eq!(
        insert_mode.value.recommended_values,
        ["insert", "upsert", "update", "insert_ignore"]
    );
}

#[test]
fn every_group_of_a_definition_is_listed() {
    let bare = raw(&[("connector.class", "SqliteSink")]);
    let validation = validate(&bare, &WorkerSettings::default()).unwrap();
    for config in &validation.configs {
        let group = config.definition.group.as_ref().unwrap();
        assert!(validation.groups.contains(group), "{group}");
    }
}

#[test]
fn values_are_shown_as_kafka_connect_shows_them() {
    let given = raw(&[
        ("name", "n"),
        ("connector.class", "PostgresSink"),
        ("topics", "a , b"),
        ("connection.url", "postgresql://ann:s3cret@db/shop"),
        ("connection.password", "s3cret"),
        ("tasks.max", "dog"),
        ("auto.create", "TRUE"),
        ("key.converter", "StringConverter"),
    ]);
    let validation = validate(&given, &WorkerSettings::default()).unwrap();
    let check = |key: &str, expected: Option<&str>| {
        assert_eq!(
            config(&validation, key).value.value.as_deref(),
            expected,
            "{key}"
        );
    };
    check("topics", Some("a,b"));
    check("connection.url", Some("postgresql://[hidden]@db/shop"));
    check("connection.password", Some("[hidden]"));
    check("tasks.max", None);
    check("auto.create", Some("true"));
    check("batch.size", Some("5000"));
    check("connection.user", None);
    check("key.converter.schemas.enable", Some("true"));
    assert_eq!(validation.error_count, 2);
    assert_eq!(config(&validation, "tasks.max").value.errors.len(), 2);
    let lists_value_keys = validation
        .configs
        .iter()
        .any(|config| config.value.name.starts_with("value.converter."));
    assert!(!lists_value_keys, "keys of a converter that is not named");
}

#[test]
fn keys_without_a_definition_get_one() {
    let given = raw(&[
        ("name", "n"),
        ("connector.class", "PostgresSink"),
        ("topics", "a"),
        ("connection.url", "postgresql://db/shop"),
        ("task.max", "2"),
        ("my.api.password", "s3cret"),
        ("consumer.override.fetch.min.bytes", "0"),
        ("primary.key.mode", "record_key"),
    ]);
    let validation = validate(&given, &WorkerSettings::default()).unwrap();
    assert_eq!(validation.error_count, 2);
    let unknown = config(&validation, "task.max");
    assert_eq!(unknown.value.value.as_deref(), Some("2"));
    assert_eq!(unknown.value.recommended_values, ["tasks.max"]);
    assert!(unknown.value.errors.is_empty());
    let definition = &unknown.definition;
    assert_eq!(
        (definition.kind, definition.order, definition.width),
        ("STRING", -1, "NONE")
    );
    assert_eq!(definition.group, None);
    let secret = config(&validation, "my.api.password");
    assert_eq!(
        (secret.definition.kind, secret.value.value.as_deref()),
        ("PASSWORD", Some("[hidden]"))
    );
    let client = config(&validation, "consumer.override.fetch.min.bytes");
    assert!(
        client.value.errors[0].contains("outside allowed range"),
        "{:?}",
        client.value.errors
    );
    assert_eq!(
        config(&validation, "primary.key.mode").value.errors.len(),
        1
    );
}

#[test]
fn the_plugin_in_the_path_must_be_the_configs() {
    let given = raw(&[("connector.class", "PostgresSink")]);
    let check = |plugin: &str, expected: Result<(), &str>| {
        let answer = validate_for_plugin(plugin, &given, &WorkerSettings::default());
        let answer = answer.map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(answer, expected.map_err(str::to_owned));
    };
    check("PostgresSink", Ok(()));
    check("rowdock.PostgresSinkConnector", Ok(()));
    check(
        "SqliteSink",
        Err("Included connector type PostgresSink does not match request type SqliteSink"),
    );
    check(
        "Foo",
        Err("Included connector type PostgresSink does not match request type Foo"),
    );
}
