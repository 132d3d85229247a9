//! Values of config providers: used, and shown at no door.

use std::fs;

use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

use crate::cluster::until_healthy;
use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::stage::Stage;
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::{Launch, Worker};

const SECRET: &str = "Zw7-open-sesame";

/// The config with its secrets behind references; `host` is where the database is said to be.
fn config(stage: &Stage, connector: &Connector, folder: &str, host: &str) -> Value {
    let url = stage.database.url(None);
    let (_, place) = url.rsplit_once('@').unwrap_or(("", &url));
    let place = place.trim_start_matches("postgresql://");
    let (_, path) = place.split_once('/').expect("a database in the URL");
    let mut config = connector.config("");
    config["connection.url"] = json!(format!(
        "jdbc:postgresql://{host}/{path}?password=${{file:{folder}/secrets.properties:password}}"
    ));
    config["connection.user"] = json!(stage.unique("role"));
    config["consumer.override.client.rack"] = json!("${env:ROWDOCK_RACK}");
    config["errors.tolerance"] = json!("all");
    config["errors.deadletterqueue.table"] = json!("letters");
    config["value.converter.schema.registry.basic.auth.user.info"] =
        json!(format!("ann:${{directory:{folder}:token}}"));
    config
}

/// Everything that a GET shows of a connector, and what validation says.
async fn shown(worker: &Worker, connector: &Connector, config: &Value) -> String {
    let mut texts = String::new();
    let name = &connector.name;
    for path in [
        "/connectors?expand=info&expand=status".to_owned(),
        format!("/connectors/{name}"),
        format!("/connectors/{name}/config"),
        format!("/connectors/{name}/tasks"),
        format!("/connectors/{name}/status"),
        format!("/rowdock/connectors/{name}/progress"),
    ] {
        let answer = worker.rest.get(&path).await;
        texts.push_str(&format!("{path}: {}\n", answer.body));
    }
    let mut wrong = config.clone();
    wrong["connection.url"] = json!(format!("jdbc:nothing:{}", config["connection.url"]));
    wrong["tasks.max"] = json!("${directory:/nowhere:token}");
    for config in [config, &wrong] {
        let path = "/connector-plugins/PostgresSink/config/validate";
        let answer = worker.rest.put(path, Some(config.clone())).await;
        texts.push_str(&format!("validate: {}\n", answer.body));
        let path = format!("/connectors/{name}-other/config");
        if config == &wrong {
            let answer = worker.rest.put(&path, Some(config.clone())).await;
            texts.push_str(&format!("refused: {}\n", answer.body));
        }
    }
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_used_and_shown_at_no_door() {
    let stage = Stage::begin("provided", 1).await;
    let topic = stage.topic("records", 1).await;
    stage.database.run("CREATE TABLE kept (id bigint)").await;
    let role = stage.unique("role");
    let sql = format!("CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{SECRET}'");
    stage.database.run(&sql).await;
    let folder = stage.folder();
    fs::write(
        folder.join("secrets.properties"),
        format!("password={SECRET}\n"),
    )
    .unwrap();
    fs::write(folder.join("token"), SECRET).unwrap();
    let folder = folder.to_str().unwrap().to_owned();
    let worker = Launch::new("worker")
        .of_cluster(&stage)
        .setting("config.providers", "file,env,directory")
        .setting("config.providers.file.class", "FileConfigProvider")
        .setting("config.providers.file.param.allowed.paths", &folder)
        .setting("config.providers.env.class", "EnvVarConfigProvider")
        .setting(
            "config.providers.env.param.allowlist.pattern",
            "^PATH$|^ROWDOCK_RACK$",
        )
        .setting(
            "config.providers.directory.class",
            "DirectoryConfigProvider",
        )
        .setting("status.storage.partitions", "1")
        .setting("log.level", "trace,hyper=info,tower=info")
        .start(&stage, &[])
        .await;
    until_healthy(&worker).await;
    let connector = Connector::to_table(&stage, &[&topic], "kept").set("topics", &topic.name);
    let server = stage.database.url(None);
    let host = server
        .rsplit(['@', '/'])
        .nth(1)
        .expect("a host in the URL")
        .to_owned();
    let mut good = config(&stage, &connector, &folder, &host);
    // The variable is allowed, and not set: an error that names it.
    let path = format!("/connectors/{}/config", connector.name);
    let refused = worker.rest.put(&path, Some(good.clone())).await;
    assert_eq!(refused.code, 400, "{}", refused.body);
    assert!(
        refused.body.to_string().contains("ROWDOCK_RACK"),
        "{}",
        refused.body
    );
    good.as_object_mut()
        .unwrap()
        .remove("consumer.override.client.rack");
    assert_eq!(worker.rest.put(&path, Some(good.clone())).await.code, 201);
    let producer: FutureProducer = kafka::client().create().unwrap();
    for value in [r#"{"id":1}"#, r#"{"id":"bad"}"#] {
        let record = FutureRecord::<str, str>::to(&topic.name).payload(value);
        producer
            .send(record, seconds(10))
            .await
            .map_err(|(error, _)| error)
            .unwrap();
    }
    eventually("the record", seconds(30), || async {
        let rows = stage.database.number("SELECT count(*) FROM kept").await;
        check(rows == 1, || format!("{rows} rows"))
    })
    .await;
    let mut texts = shown(&worker, &connector, &good).await;
    assert!(
        texts.contains(":password}"),
        "the references are shown: {texts}"
    );

    // Nobody listens there: what the task retries is told, without the password.
    let away = config(&stage, &connector, &folder, "127.0.0.1:9");
    let mut away = away;
    away.as_object_mut()
        .unwrap()
        .remove("consumer.override.client.rack");
    assert_eq!(worker.rest.put(&path, Some(away.clone())).await.code, 200);
    eventually("the task to say what it retries", seconds(30), || async {
        let tasks = worker.tasks(&connector).await;
        let says = tasks
            .iter()
            .any(|task| task.trace.contains("cannot connect"));
        check(says, || format!("{tasks:?}"))
    })
    .await;
    texts.push_str(&shown(&worker, &connector, &away).await);
    for topic in ["configs", "statuses"] {
        for record in kafka::read_topic(&stage.unique(topic), 1).await {
            let bytes = [
                record.key.unwrap_or_default(),
                record.value.unwrap_or_default(),
            ];
            texts.push_str(&String::from_utf8_lossy(&bytes.concat()));
        }
    }
    texts.push_str(&worker.log());
    assert!(
        texts.contains("task.config") || texts.contains("connector-"),
        "topics were read"
    );
    let place = texts.find(SECRET);
    let around = |at: usize| texts[at.saturating_sub(300)..(at + 20).min(texts.len())].to_owned();
    assert!(place.is_none(), "shown: {:?}", place.map(around));
    // What it owns goes with the database.
    stage
        .database
        .run(&format!("ALTER ROLE {role} NOLOGIN"))
        .await;
}
