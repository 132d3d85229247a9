//! Values of config providers, and secrets: used, and shown nowhere.

use super::*;

/// A worker with a provider of each kind, whose values are in this folder and environment.
fn providing_worker(folder: &std::path::Path) -> WorkerSettings {
    std::fs::write(
        folder.join("s.properties"),
        "pg = s3cret\nurl=jdbc:oracle://h/d\n",
    )
    .unwrap();
    std::fs::write(folder.join("login"), "s3cret").unwrap();
    let folder = folder.display();
    let sources = SettingsSources {
        overrides: vec![
            "config.providers=file,dir,env".to_owned(),
            "config.providers.file.class=FileConfigProvider".to_owned(),
            format!("config.providers.file.param.allowed.paths={folder}"),
            "config.providers.dir.class=DirectoryConfigProvider".to_owned(),
            "config.providers.env.class=EnvVarConfigProvider".to_owned(),
        ],
        environment: vec![
            ("TASKS".to_owned(), "4".to_owned()),
            ("BAD".to_owned(), "s3cret dog".to_owned()),
            ("LIST".to_owned(), "fine, s3cret one".to_owned()),
        ],
        ..SettingsSources::default()
    };
    WorkerSettings::load(&sources).unwrap().settings
}

#[test]
fn values_come_from_config_providers() {
    let folder = tempfile::tempdir().unwrap();
    let worker = providing_worker(folder.path());
    let file = format!("${{file:{}/s.properties:pg}}", folder.path().display());
    let dir = format!("${{dir:{}:login}}", folder.path().display());
    let jaas = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"{dir}\";"
    );
    let config = raw(&[
        ("tasks.max", "${env:TASKS}"),
        ("connection.password", &file),
        ("connection.user", "a-${env:TASKS}"),
        ("consumer.override.sasl.jaas.config", &jaas),
    ]);
    let parsed = ConnectorConfig::parse(&config, &worker).unwrap();
    assert_eq!(parsed.tasks_max, 4);
    assert_eq!(parsed.sink.user.as_deref(), Some("a-4"));
    assert_eq!(parsed.sink.password.unwrap().expose_secret(), "s3cret");
    assert!(
        parsed.consumer_overrides["sasl.jaas.config"].contains("password=\"s3cret\""),
        "resolved inside a longer text"
    );
    assert!(ConnectorConfig::warnings(&config, &worker).is_empty());
}

#[test]
fn references_that_cannot_be_resolved_name_provider_path_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let worker = providing_worker(folder.path());
    let path = folder.path().display();
    let check = |key: &str, value: &str, parts: &[&str]| {
        let errors = errors(&raw(&[(key, value)]), &worker);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].0, key);
        for part in parts {
            assert!(errors[0].1.contains(part), "{errors:?}");
        }
    };
    check(
        "connection.password",
        "${vault:a:b}",
        &["no config provider vault", "dir, env, file"],
    );
    check(
        "connection.url",
        "${env:NONE}",
        &["config provider env", "no variable NONE"],
    );
    check(
        "consumer.override.fetch.min.bytes",
        &format!("${{file:{path}/s.properties:none}}"),
        &["config provider file", "s.properties has no key none"],
    );
    check(
        "own.key",
        &format!("${{file:{path}/none:pg}}"),
        &["config provider file", "/none cannot be read", "key pg"],
    );
    check(
        "topics",
        "${file:/etc/../proc/self/environ:x}",
        &["/proc/self/environ lies outside its allowed.paths"],
    );
    check(
        "name",
        "${env:TASKS}",
        &["cannot come from a config provider"],
    );
}

#[test]
fn values_of_config_providers_are_shown_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let worker = providing_worker(folder.path());
    let url = format!("${{file:{}/s.properties:url}}", folder.path().display());
    for (key, value) in [
        ("tasks.max", "${env:BAD}"),
        ("topics", "a,${env:BAD}"),
        ("topics", "${env:LIST}"),
        ("transforms", "${env:LIST}"),
        ("predicates", "${env:LIST}"),
        ("value.converter", "${env:BAD}"),
        ("db.timezone", "${env:BAD}"),
        ("errors.deadletterqueue.topic.name", "${env:BAD}"),
        ("consumer.override.fetch.min.bytes", "${env:BAD}"),
        ("connector.class", "${env:BAD}"),
        ("connection.url", &url),
    ] {
        let config = raw(&[(key, value)]);
        let errors = errors(&config, &worker);
        assert!(!errors.is_empty(), "{key}");
        for (_, message) in &errors {
            let shows = message.contains("s3cret") || message.contains("oracle:");
            assert!(!shows, "{key}: {message}");
            assert!(
                message.contains("${") || message.contains("null"),
                "{message}"
            );
        }
        if let Ok(validation) = crate::config::validate::validate(&config, &worker) {
            let answer = serde_json::to_string(&validation).unwrap();
            assert!(
                !answer.contains("s3cret") && !answer.contains("oracle://"),
                "{answer}"
            );
        }
    }
}

#[test]
fn secrets_are_shown_nowhere() {
    let login = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"s3cret\";";
    let secrets = [
        ("connection.password", "s3cret"),
        (
            "connection.url",
            "postgresql://ann:s3cret@db/shop?password=s3cret",
        ),
        ("consumer.override.sasl.jaas.config", login),
    ];
    let config = accepted(&secrets);
    assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
    let mut bad = secrets.to_vec();
    bad.extend([
        ("connector.class", "SqliteSink"),
        ("consumer.override.sasl.jaas.config", "s3cret"),
        ("connection.pasword", "s3cret"),
        ("producer.override.ssl.keystore.key", "s3cret"),
    ]);
    let messages = messages(&bad);
    assert!(messages.len() >= 3, "{messages:?}");
    assert!(
        messages.iter().all(|message| !message.contains("s3cret")),
        "{messages:?}"
    );
}
