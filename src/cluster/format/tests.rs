use proptest::prelude::*;

use super::status::{ReadUnder, Started, StatusRecord, Told, TopicUse, WorkerRecord};
use super::*;

fn config(pairs: &[(&str, Option<&str>)]) -> RawConfig {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)))
        .collect()
}

fn read(key: &str, value: &str) -> Result<Decoded<ConfigRecord>, Malformed> {
    let value = (!value.is_empty()).then_some(value.as_bytes());
    ConfigRecord::decode(Some(key.as_bytes()), value)
}

fn known(key: &str, value: &str) -> ConfigRecord {
    match read(key, value) {
        Ok(Decoded::Known(record)) => record,
        Ok(Decoded::Foreign) => panic!("{key} is foreign"),
        Err(error) => panic!("{key}: {error}"),
    }
}

/// Records as a Kafka Connect 4.1 worker writes them.
#[test]
fn kafka_connects_records_are_read() {
    let check = |key: &str, value: &str, expected: ConfigRecord| {
        assert!(known(key, value) == expected, "{key} {value}");
    };
    let name = || "pg-sink".to_owned();
    check(
        "connector-pg-sink",
        r#"{"properties":{"connector.class":"JdbcSink","tasks.max":"2","empty":"","none":null}}"#,
        ConfigRecord::Connector {
            name: name(),
            config: Some(config(&[
                ("connector.class", Some("JdbcSink")),
                ("tasks.max", Some("2")),
                ("empty", Some("")),
                ("none", None),
            ])),
        },
    );
    check(
        "connector-pg-sink",
        "",
        ConfigRecord::Connector {
            name: name(),
            config: None,
        },
    );
    check(
        "task-pg-sink-10",
        r#"{"properties":{"task.class":"JdbcSinkTask"}}"#,
        ConfigRecord::Task {
            name: name(),
            task: 10,
            config: Some(Arc::new(config(&[("task.class", Some("JdbcSinkTask"))]))),
        },
    );
    check(
        "commit-pg-sink",
        r#"{"tasks":2}"#,
        ConfigRecord::Commit {
            name: name(),
            tasks: Some(2),
        },
    );
    let target = |target| ConfigRecord::Target {
        name: name(),
        target,
    };
    let key = "target-state-pg-sink";
    check(
        key,
        r#"{"state":"STARTED"}"#,
        target(Some(TargetState::Running)),
    );
    check(
        key,
        r#"{"state":"PAUSED"}"#,
        target(Some(TargetState::Paused)),
    );
    check(
        key,
        r#"{"state":"PAUSED","state.v2":"STOPPED"}"#,
        target(Some(TargetState::Stopped)),
    );
    check(key, "null", target(None));
    check(
        "restart-connector-pg-sink",
        r#"{"include-tasks":true,"only-failed":false}"#,
        ConfigRecord::Restart {
            name: name(),
            restart: Restart {
                include_tasks: true,
                only_failed: false,
                chosen: None,
            },
        },
    );
    check(
        "logger-cluster-org.apache.kafka",
        r#"{"level":"DEBUG"}"#,
        ConfigRecord::Logger {
            name: "org.apache.kafka".to_owned(),
            level: Some("DEBUG".to_owned()),
        },
    );
    for foreign in ["session-key", "tasks-fencing-pg-sink"] {
        assert!(
            read(foreign, r#"{"key":"x"}"#) == Ok(Decoded::Foreign),
            "{foreign}"
        );
    }
}

#[test]
fn malformed_records_are_told_without_their_values() {
    let check = |key: &str, value: &str| {
        let Err(error) = read(key, value) else {
            panic!("{key} {value} is accepted");
        };
        assert!(!error.to_string().contains("s3cret"), "{error}");
    };
    check("", "{}");
    check("nonsense", "{}");
    check("connector-", "{}");
    check("connector-a", "s3cret");
    check("connector-a", r#"{"properties":{"k":{"s3cret":1}}}"#);
    check("connector-a", r#"{"properties":"s3cret"}"#);
    check("task-a", r#"{"properties":{}}"#);
    check("task--1", r#"{"properties":{}}"#);
    check("task-a-10000", r#"{"properties":{}}"#);
    check("commit-a", r#"{"tasks":-1}"#);
    check("commit-a", r#"{"tasks":4000000000}"#);
    check("commit-a", r#"{"s3cret":1}"#);
    check("target-state-a", r#"{"state":"s3cret"}"#);
    check("logger-cluster-a", r#"{"level":5}"#);
    assert!(ConfigRecord::decode(None, None).is_err());
    assert!(ConfigRecord::decode(Some(b"\xff"), None).is_err());
}

/// The bytes that Kafka Connect must find.
#[test]
fn records_are_written_as_kafka_connect_writes_them() {
    let check = |record: ConfigRecord, key: &str, value: &str| {
        let encoded = record.encode();
        assert_eq!(encoded.key, key);
        let found: Value = serde_json::from_slice(&encoded.value.unwrap()).unwrap();
        assert_eq!(
            found,
            serde_json::from_str::<Value>(value).unwrap(),
            "{key}"
        );
    };
    let name = || "pg".to_owned();
    check(
        ConfigRecord::Connector {
            name: name(),
            config: Some(config(&[("tasks.max", Some("1.50")), ("none", None)])),
        },
        "connector-pg",
        r#"{"properties":{"tasks.max":"1.50","none":null}}"#,
    );
    check(
        ConfigRecord::Target {
            name: name(),
            target: Some(TargetState::Stopped),
        },
        "target-state-pg",
        r#"{"state":"PAUSED","state.v2":"STOPPED"}"#,
    );
    check(
        ConfigRecord::Commit {
            name: name(),
            tasks: Some(3),
        },
        "commit-pg",
        r#"{"tasks":3}"#,
    );
    let chosen = Chosen {
        connector: false,
        tasks: vec![1],
        earlier: Restarts {
            connector: 20,
            tasks: [(0, 17)].into(),
        },
    };
    check(
        ConfigRecord::Restart {
            name: name(),
            restart: Restart {
                include_tasks: true,
                only_failed: true,
                chosen: Some(chosen),
            },
        },
        "restart-connector-pg",
        r#"{"include-tasks":true,"only-failed":true,"rowdock":{"connector":false,"tasks":[1],"earlier":{"connector":20,"tasks":{"0":17}}}}"#,
    );
}

#[test]
fn statuses_there_and_back() {
    let check = |record: StatusRecord, key: &str, value: Option<&str>| {
        let encoded = record.encode();
        assert_eq!(encoded.key, key);
        if let Some(value) = value {
            let found: Value = serde_json::from_slice(encoded.value.as_deref().unwrap()).unwrap();
            assert_eq!(found, serde_json::from_str::<Value>(value).unwrap());
        }
        let key = Some(encoded.key.as_bytes());
        let back = StatusRecord::decode(key, encoded.value.as_deref());
        assert_eq!(back.ok().map(|_| ()), Some(()));
        let Ok(Decoded::Known(back)) = StatusRecord::decode(key, encoded.value.as_deref()) else {
            panic!("{encoded:?}", encoded = encoded.key);
        };
        assert_eq!(back, record);
    };
    let told = |rowdock| Told {
        state: "RUNNING".to_owned(),
        trace: None,
        worker_id: "w1:9398".to_owned(),
        generation: 0,
        version: None,
        rowdock,
    };
    check(
        StatusRecord::Connector {
            name: "a-1".to_owned(),
            status: Some(told(None)),
        },
        "status-connector-a-1",
        Some(r#"{"state":"RUNNING","trace":null,"worker_id":"w1:9398","generation":0}"#),
    );
    let started = Started {
        config: 5,
        restart: 9,
        joined: true,
    };
    check(
        StatusRecord::Task {
            name: "a-1".to_owned(),
            task: 2,
            status: Some(told(Some(started))),
        },
        "status-task-a-1-2",
        None,
    );
    check(
        StatusRecord::Task {
            name: "a".to_owned(),
            task: 0,
            status: None,
        },
        "status-task-a-0",
        None,
    );
    check(
        StatusRecord::Topic {
            topic: "orders".to_owned(),
            name: "a:connector-b".to_owned(),
            used: Some(TopicUse {
                name: "orders".to_owned(),
                connector: "a:connector-b".to_owned(),
                task: 1,
                discovered_ms: 7,
                rowdock: Some(ReadUnder { config: 5 }),
            }),
        },
        "status-topic-orders:connector-a:connector-b",
        Some(
            r#"{"topic":{"name":"orders","connector":"a:connector-b","task":1,"discoverTimestamp":7,"rowdock":{"config":5}}}"#,
        ),
    );
    check(
        StatusRecord::Worker {
            worker_id: "w1:9398".to_owned(),
            worker: Some(WorkerRecord {
                leaving: true,
                incarnation: "x".to_owned(),
                version: "0.1.0".to_owned(),
                started_ms: 1,
                config_topic: Some("configs".to_owned()),
            }),
        },
        "rowdock-worker-w1:9398",
        None,
    );
}

fn record() -> impl Strategy<Value = ConfigRecord> {
    let name = "\\PC{1,12}";
    let properties = prop::collection::btree_map("\\PC{0,8}", prop::option::of("\\PC{0,8}"), 0..5);
    let properties = prop::option::of(properties).boxed();
    let target = prop::option::of(prop_oneof![
        Just(TargetState::Running),
        Just(TargetState::Paused),
        Just(TargetState::Stopped)
    ]);
    prop_oneof![
        (name, properties.clone())
            .prop_map(|(name, config)| ConfigRecord::Connector { name, config }),
        (name, 0..TASKS_MAX, properties).prop_map(|(name, task, config)| ConfigRecord::Task {
            name,
            task,
            config: config.map(Arc::new),
        }),
        (name, prop::option::of(0..TASKS_MAX))
            .prop_map(|(name, tasks)| ConfigRecord::Commit { name, tasks }),
        (name, target).prop_map(|(name, target)| ConfigRecord::Target { name, target }),
        (
            name,
            prop::option::of(prop::collection::vec("\\PC{0,8}", 0..4))
        )
            .prop_map(|(name, owners)| ConfigRecord::Placement { name, owners }),
        (name, prop::option::of("\\PC{0,8}"))
            .prop_map(|(name, level)| ConfigRecord::Logger { name, level }),
    ]
}

proptest! {
    #[test]
    fn records_come_back(record in record()) {
        let Encoded { key, value } = record.encode();
        let back = ConfigRecord::decode(Some(key.as_bytes()), value.as_deref());
        prop_assert!(back == Ok(Decoded::Known(record)), "{}", key);
    }

    #[test]
    fn no_bytes_panic(
        prefix in prop_oneof![
            Just("connector-a"), Just("task-a-0"), Just("commit-a"), Just("target-state-a"),
            Just("restart-connector-a"), Just("logger-cluster-a"), Just("rowdock-placement-a"),
            Just("status-task-a-0"), Just("status-topic-a:connector-b"), Just("rowdock-worker-a"), Just(""),
        ],
        suffix in prop::collection::vec(any::<u8>(), 0..12),
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..60)),
    ) {
        let key = [prefix.as_bytes(), &suffix].concat();
        if let Err(error) = ConfigRecord::decode(Some(&key), value.as_deref()) {
            prop_assert!(!error.to_string().is_empty());
        }
        if let Err(error) = StatusRecord::decode(Some(&key), value.as_deref()) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
