use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::cluster::format::{Chosen, Decoded, Restart, Restarts};
use crate::cluster::handle::{ClusterError, Command, RestartScope};
use crate::cluster::view::{ConnectorView, Published, view};
use crate::config::worker::SettingsSources;
use crate::telemetry::{LOGGERS_MAX, LoggerLevel};

mod tasks;

fn registry() -> Registry {
    let settings = WorkerSettings::load(&SettingsSources::default()).unwrap();
    Registry::new(Arc::new(settings.settings))
}

fn config(tasks: u32) -> RawConfig {
    [
        ("connector.class", "SqliteSink"),
        ("topics", "orders"),
        ("tasks.max", &tasks.to_string()),
        ("connection.url", "jdbc:sqlite:orders.db"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
    .collect()
}

fn create(name: &str, tasks: u32, target: TargetState) -> Command {
    Command::Create {
        name: name.to_owned(),
        config: config(tasks),
        target,
    }
}

fn set_target(name: &str, target: TargetState) -> Command {
    let name = name.to_owned();
    Command::SetTarget { name, target }
}

fn members(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("w{number}:9398")).collect()
}

/// A registry and the log that made it.
struct Log {
    registry: Registry,
    records: Vec<ConfigRecord>,
}

impl Log {
    fn new() -> Self {
        Self {
            registry: registry(),
            records: Vec::new(),
        }
    }

    fn append(&mut self, records: Vec<ConfigRecord>) {
        for record in records {
            self.records.push(record.clone());
            let version = u64::try_from(self.records.len()).unwrap();
            self.registry.apply(version, record);
        }
    }

    fn shown(&self, name: &str) -> Option<ConnectorView> {
        let definition = self.registry.get(name)?;
        let nothing = Published::unassigned();
        let mut shown = view(name, definition, Some(&nothing), "w0:9398");
        shown.tasks = (0..definition.task_count())
            .map(|task| crate::cluster::view::TaskView {
                task,
                worker_id: String::new(),
                config: definition.task_config(task),
                state: crate::cluster::ShownTaskState::Told(crate::task::TaskState::Running),
                trace: None,
            })
            .collect();
        Some(shown)
    }

    fn carry_out(&mut self, command: &Command, workers: usize) -> Result<usize, ClusterError> {
        let now = self.shown(command.name());
        let records = self
            .registry
            .plan(command, now.as_ref(), &members(workers))?;
        let count = records.len();
        self.append(records);
        Ok(count)
    }
}

type Essence = (RawConfig, TargetState, u32, Vec<String>, u64, Restarts);

/// What a connector comes down to.
fn essence(definition: &Definition) -> Essence {
    (
        RawConfig::clone(&definition.raw),
        definition.target,
        definition.task_count(),
        definition.owners.clone(),
        definition.config_version,
        definition.restarts.clone(),
    )
}

/// Each name stays in the log for ever.
#[test]
fn the_log_has_levels_of_so_many_loggers() {
    let mut log = Log::new();
    let plan = |log: &Log, name: &str| log.registry.plan_logger(name, LoggerLevel::Debug);
    for number in 0..LOGGERS_MAX {
        let planned = plan(&log, &number.to_string()).unwrap();
        log.append(planned);
    }
    let refused = plan(&log, "one-more");
    assert!(matches!(refused, Err(ClusterError::TooLarge { .. })));
    assert!(plan(&log, "7").is_ok());
    log.append(vec![ConfigRecord::Logger {
        name: "7".to_owned(),
        level: None,
    }]);
    assert!(plan(&log, "one-more").is_ok());
}

#[test]
fn restarts_reach_the_chosen_only() {
    let mut log = Log::new();
    log.carry_out(&create("pg", 2, TargetState::Running), 1)
        .unwrap();
    let before = [0, 1].map(|task| log.registry.get("pg").unwrap().key(task));
    let restart = |task| Command::RestartTask {
        name: "pg".to_owned(),
        task,
    };
    log.carry_out(&restart(1), 1).unwrap();
    let after = [0, 1].map(|task| log.registry.get("pg").unwrap().key(task));
    assert_eq!(before[0], after[0]);
    assert!(before[1].restarts < after[1].restarts);
    assert!(matches!(
        log.carry_out(&restart(2), 1),
        Err(ClusterError::UnknownTask { task: 2, .. })
    ));
    // Nothing has failed, so nothing is chosen.
    let only_failed = Command::Restart {
        name: "pg".to_owned(),
        scope: RestartScope {
            include_tasks: true,
            only_failed: true,
        },
    };
    assert_eq!(log.carry_out(&only_failed, 1).unwrap(), 0);
    // A restart that Kafka Connect wrote was not for us; compaction leaves it alone.
    let foreign = Restart {
        include_tasks: true,
        only_failed: false,
        chosen: None,
    };
    log.append(vec![ConfigRecord::Restart {
        name: "pg".to_owned(),
        restart: foreign,
    }]);
    assert_eq!(
        before,
        [0, 1].map(|task| log.registry.get("pg").unwrap().key(task))
    );
}

/// Compaction leaves one restart of each connector, and not even that one is of effect on a config that
/// came after it.
#[test]
fn restarts_before_the_last_are_known_to_those_who_come_late() {
    let mut log = Log::new();
    let restarts = |log: &Log| log.registry.get("pg").unwrap().restarts.clone();
    log.carry_out(&create("pg", 3, TargetState::Running), 1)
        .unwrap();
    for task in [0, 2, 0] {
        let name = "pg".to_owned();
        log.carry_out(&Command::RestartTask { name, task }, 1)
            .unwrap();
    }
    let last = u64::try_from(log.records.len()).unwrap();
    let expected = Restarts {
        connector: 0,
        tasks: [(0, last), (2, last - 1)].into(),
    };
    assert_eq!(restarts(&log), expected);
    let mut late = registry();
    for (version, record) in (1..).zip(&log.records) {
        if version == last || !matches!(record, ConfigRecord::Restart { .. }) {
            late.apply(version, record.clone());
        }
    }
    assert_eq!(late.get("pg").unwrap().restarts, expected);
    // One of a version of this program that told no earlier ones.
    let told =
        br#"{"include-tasks":false,"only-failed":false,"rowdock":{"connector":true,"tasks":[1]}}"#;
    let told = ConfigRecord::decode(Some(b"restart-connector-pg"), Some(told)).unwrap();
    let Decoded::Known(told) = told else {
        panic!("not known");
    };
    log.append(vec![told.clone()]);
    late.apply(last + 1, told);
    assert_eq!(late.get("pg").unwrap().restarts, restarts(&log));

    let name = "pg".to_owned();
    let config = config(2);
    log.carry_out(&Command::PutConfig { name, config }, 1)
        .unwrap();
    assert_eq!(restarts(&log), Restarts::default());
}

/// Records in the order of a real Kafka Connect log that was compacted: a commit whose connector
/// was deleted, a target state before its connector, a source connector, a class of elsewhere.
#[test]
fn a_kafka_connect_log_is_taken_over() {
    let log = [
        (
            "session-key",
            r#"{"key":"x","algorithm":"HmacSHA256","creation-timestamp":1}"#,
        ),
        ("task-gone-0", r#"{"properties":{"task.class":"T"}}"#),
        ("commit-gone", r#"{"tasks":1}"#),
        (
            "target-state-pg",
            r#"{"state":"PAUSED","state.v2":"PAUSED"}"#,
        ),
        (
            "connector-pg",
            r#"{"properties":{"name":"pg","connector.class":"SqliteSink","topics":"t","tasks.max":"4","connection.url":"jdbc:sqlite:a.db"}}"#,
        ),
        ("task-pg-0", r#"{"properties":{"task.class":"T"}}"#),
        ("task-pg-1", r#"{"properties":{"task.class":"T"}}"#),
        ("commit-pg", r#"{"tasks":2}"#),
        (
            "connector-cdc",
            r#"{"properties":{"name":"cdc","connector.class":"io.debezium.connector.mysql.MySqlSourceConnector"}}"#,
        ),
        ("task-cdc-0", r#"{"properties":{"task.class":"S","k":"v"}}"#),
        ("commit-cdc", r#"{"tasks":1}"#),
        (
            "connector-odd",
            r#"{"properties":{"name":"odd","connector.class":"org.acme.Odd"}}"#,
        ),
        (
            "connector-young",
            r#"{"properties":{"name":"young","connector.class":"SqliteSink","topics":"t","tasks.max":"3","connection.url":"jdbc:sqlite:a.db"}}"#,
        ),
        (
            "connector-bad",
            r#"{"properties":{"name":"bad","connector.class":"SqliteSink"}}"#,
        ),
    ];
    let mut registry = registry();
    for (index, (key, value)) in log.into_iter().enumerate() {
        let record = ConfigRecord::decode(Some(key.as_bytes()), Some(value.as_bytes()));
        if let Decoded::Known(record) = record.unwrap() {
            registry.apply(u64::try_from(index).unwrap() + 1, record);
        }
    }
    let names: Vec<&String> = registry.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["bad", "cdc", "odd", "pg", "young"]);
    let check = |name: &str, tasks: u32, kind: Option<Kind>| {
        let definition = registry.get(name).unwrap();
        let unfit = definition.accepted.as_ref().err();
        assert_eq!(definition.task_count(), tasks, "{name}");
        assert_eq!(unfit.map(|unfit| unfit.kind), kind, "{name}");
    };
    check("pg", 2, None);
    check("cdc", 1, Some(Kind::Source));
    check("odd", 0, Some(Kind::Unknown));
    // Kafka Connect was ended before it had made this one's tasks.
    check("young", 3, None);
    check("bad", 1, Some(Kind::Sink));
    assert_eq!(registry.get("pg").unwrap().target, TargetState::Paused);
    let cdc = registry.get("cdc").unwrap();
    assert_eq!(cdc.task_config(0)["k"].as_deref(), Some("v"));
    // What is another program's is left to it; what is at fault can be mended, and deleted.
    let target = TargetState::Stopped;
    for (name, is_ours) in [("cdc", false), ("odd", false), ("bad", true), ("pg", true)] {
        let name = || name.to_owned();
        let scope = RestartScope::default();
        for command in [
            Command::Delete { name: name() },
            set_target(&name(), target),
            Command::Restart {
                name: name(),
                scope,
            },
        ] {
            let now = registry.get(&name()).map(|known| {
                let nothing = Published::unassigned();
                view(&name(), known, Some(&nothing), "w0:9398")
            });
            let planned = registry.plan(&command, now.as_ref(), &members(2));
            let is_refused = matches!(&planned, Err(ClusterError::NotOurs { .. }));
            assert_eq!(is_refused, !is_ours, "{command:?}");
        }
    }
    let put = Command::PutConfig {
        name: "odd".to_owned(),
        config: config(1),
    };
    assert!(registry.plan(&put, None, &members(2)).is_ok());
    // What another program's is, is not placed.
    let placed = registry.plan_placement(&members(2));
    let keys: BTreeSet<String> = placed.iter().map(|record| record.encode().key).collect();
    let expected = ["bad", "pg", "young"].map(|name| format!("rowdock-placement-{name}"));
    assert_eq!(keys, expected.into());
}

/// Kafka Connect goes by the log's key; a config that was copied may name another connector.
#[test]
fn a_connector_runs_under_the_name_that_the_log_has() {
    let mut log = Log::new();
    let mut copied = config(1);
    copied.insert("name".to_owned(), Some("other".to_owned()));
    log.append(vec![ConfigRecord::Connector {
        name: "orders".to_owned(),
        config: Some(copied.clone()),
    }]);
    let known = log.registry.get("orders").unwrap();
    assert_eq!(*known.raw, copied, "shown as it is");
    let spec = known.accepted.as_ref().unwrap();
    let spec = spec.task_spec(&log.registry.settings, "w0:9398", 0, false);
    assert_eq!(spec.config.name, "orders");
    let group = ("group.id".to_owned(), "connect-orders".to_owned());
    assert!(spec.consumer_properties.contains(&group));
    let shown = log.shown("orders").unwrap();
    assert_eq!(shown.named_config()["name"].as_deref(), Some("orders"));
}

/// A connector of a name that was used before has nothing of the one before.
#[test]
fn nothing_survives_a_deletion() {
    let mut log = Log::new();
    log.carry_out(&create("pg", 3, TargetState::Stopped), 2)
        .unwrap();
    log.carry_out(&set_target("pg", TargetState::Running), 2)
        .unwrap();
    let delete = Command::Delete {
        name: "pg".to_owned(),
    };
    log.carry_out(&delete, 2).unwrap();
    assert!(log.registry.get("pg").is_none());
    assert!(matches!(
        log.carry_out(&delete, 2),
        Err(ClusterError::UnknownConnector { .. })
    ));
    log.carry_out(&create("pg", 1, TargetState::Running), 2)
        .unwrap();
    let definition = log.registry.get("pg").unwrap();
    assert_eq!((definition.task_count(), definition.owners.len()), (1, 1));
    assert_eq!(definition.target, TargetState::Running);
}

fn command() -> impl Strategy<Value = Command> {
    let name = prop_oneof![Just("a"), Just("b"), Just("a-1")].prop_map(str::to_owned);
    let target = prop_oneof![
        Just(TargetState::Running),
        Just(TargetState::Paused),
        Just(TargetState::Stopped)
    ];
    let tasks = 1_u32..4;
    prop_oneof![
        (name.clone(), tasks.clone(), target.clone())
            .prop_map(|(name, tasks, target)| create(&name, tasks, target)),
        (name.clone(), tasks.clone()).prop_map(|(name, tasks)| Command::PutConfig {
            name,
            config: config(tasks)
        }),
        (name.clone(), tasks).prop_map(|(name, tasks)| Command::PatchConfig {
            name,
            changes: [("tasks.max".to_owned(), Some(tasks.to_string()))].into(),
        }),
        (name.clone(), target).prop_map(|(name, target)| set_target(&name, target)),
        name.clone().prop_map(|name| Command::Delete { name }),
        (name.clone(), 0_u32..3).prop_map(|(name, task)| Command::RestartTask { name, task }),
        (name, any::<bool>()).prop_map(|(name, include_tasks)| Command::Restart {
            name,
            scope: RestartScope {
                include_tasks,
                only_failed: false
            },
        }),
    ]
}

proptest! {
    /// Whatever was done: a log of which compaction has left the last record of each key makes the
    /// same registry, and so do the bytes of the records.
    #[test]
    fn a_compacted_log_means_the_same(
        commands in prop::collection::vec((command(), 1_usize..4), 1..25),
        drop_tombstones: bool,
    ) {
        let mut log = Log::new();
        for (command, workers) in &commands {
            if let Ok(0) = log.carry_out(command, *workers) {
                prop_assert!(log.registry.get(command.name()).is_some());
            }
            let placement = log.registry.plan_placement(&members(*workers));
            log.append(placement);
            prop_assert!(log.registry.plan_placement(&members(*workers)).is_empty());
        }
        let mut compacted = registry();
        for (index, record) in log.records.iter().enumerate() {
            let encoded = record.encode();
            let later = &log.records[index + 1..];
            if later.iter().any(|later| later.encode().key == encoded.key)
                || (drop_tombstones && encoded.value.is_none())
            {
                continue;
            }
            let key = Some(encoded.key.as_bytes());
            let decoded = ConfigRecord::decode(key, encoded.value.as_deref()).unwrap();
            if let Decoded::Known(record) = decoded {
                compacted.apply(u64::try_from(index).unwrap() + 1, record);
            }
        }
        let all = |registry: &Registry| -> Vec<_> {
            registry.iter().map(|(name, definition)| (name.clone(), essence(definition))).collect()
        };
        prop_assert_eq!(all(&log.registry), all(&compacted));
    }

    /// No order of records breaks the fold.
    #[test]
    fn any_log_can_be_read(
        records in prop::collection::vec((0_u8..7, 0_u32..3, any::<bool>()), 0..40),
    ) {
        let mut registry = registry();
        for (index, (kind, number, some)) in records.into_iter().enumerate() {
            let name = || format!("c{}", number % 2);
            let record = match kind {
                0 => ConfigRecord::Connector { name: name(), config: some.then(|| config(number + 1)) },
                1 => ConfigRecord::Task { name: name(), task: number, config: some.then(|| Arc::new(config(1))) },
                2 => ConfigRecord::Commit { name: name(), tasks: some.then_some(number) },
                3 => ConfigRecord::Target { name: name(), target: some.then_some(TargetState::Paused) },
                4 => ConfigRecord::Placement { name: name(), owners: some.then(|| members(2)) },
                5 => ConfigRecord::Logger { name: name(), level: some.then(|| "INFO".to_owned()) },
                _ => ConfigRecord::Restart {
                    name: name(),
                    restart: Restart {
                        include_tasks: some,
                        only_failed: false,
                        chosen: some.then(|| Chosen {
                            connector: true,
                            tasks: vec![number],
                            ..Chosen::default()
                        }),
                    },
                },
            };
            registry.apply(u64::try_from(index).unwrap() + 1, record);
            for (_, definition) in registry.iter() {
                prop_assert!(definition.task_count() <= 3);
            }
        }
    }
}
