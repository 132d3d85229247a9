use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::cluster::format::{Chosen, Decoded, Restart, Restarts};
use crate::cluster::handle::{ClusterError, Command, RestartScope};
use crate::cluster::view::{ConnectorView, Published, view};
use crate::config::worker::SettingsSources;
use crate::telemetry::{LOGGERS_MAX, LoggerLevel};

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

#[test]
fn tasks_come_and_go_with_the_target_state() {
    let mut log = Log::new();
    let check = |log: &mut Log, command: &Command, tasks: u32| {
        log.carry_out(command, 2).unwrap();
        let definition = log.registry.get("pg").unwrap();
        assert_eq!(definition.task_count(), tasks, "{command:?}");
        let placed: Vec<bool> = (0..tasks)
            .map(|task| definition.owner(task).is_some())
            .collect();
        assert!(placed.iter().all(|placed| *placed));
    };
    check(&mut log, &create("pg", 3, TargetState::Paused), 0);
    check(&mut log, &set_target("pg", TargetState::Running), 3);
    check(&mut log, &set_target("pg", TargetState::Paused), 3);
    let put = |tasks| Command::PutConfig {
        name: "pg".to_owned(),
        config: config(tasks),
    };
    check(&mut log, &put(5), 5);
    check(&mut log, &set_target("pg", TargetState::Stopped), 0);
    check(&mut log, &put(2), 0);
    check(&mut log, &set_target("pg", TargetState::Paused), 0);
    check(&mut log, &set_target("pg", TargetState::Running), 2);
    // What is so already needs no record.
    for command in [set_target("pg", TargetState::Running), put(2)] {
        assert_eq!(log.carry_out(&command, 2).unwrap(), 0, "{command:?}");
    }
}

/// Kafka Connect was ended between a resume and the tasks that it was to make: they are there
/// nevertheless, stay when the connector is paused, and are in the log by then.
#[test]
fn tasks_that_nobody_has_made_are_those_of_the_config() {
    let mut log = Log::new();
    log.append(vec![
        ConfigRecord::Connector {
            name: "pg".to_owned(),
            config: Some(config(3)),
        },
        ConfigRecord::Commit {
            name: "pg".to_owned(),
            tasks: Some(0),
        },
    ]);
    let count = |log: &Log| log.registry.get("pg").unwrap().task_count();
    for (target, tasks) in [
        (TargetState::Paused, 0),
        (TargetState::Stopped, 0),
        (TargetState::Running, 3),
    ] {
        log.append(vec![ConfigRecord::Target {
            name: "pg".to_owned(),
            target: Some(target),
        }]);
        assert_eq!(count(&log), tasks, "{target:?}");
    }
    log.carry_out(&set_target("pg", TargetState::Paused), 2)
        .unwrap();
    assert_eq!(count(&log), 3);
    let committed = |record: &ConfigRecord| match record {
        ConfigRecord::Commit { tasks, .. } => *tasks,
        _ => None,
    };
    let last = log.records.iter().rev().find_map(committed);
    assert_eq!(last, Some(3));
}

#[test]
fn tasks_are_counted_without_a_look_at_what_a_config_refers_to() {
    let check = |given: Option<&str>, expected: u32| {
        let given = given.map(|text| ("tasks.max".to_owned(), Some(text.to_owned())));
        assert_eq!(tasks_max(&given.into_iter().collect()), expected);
    };
    check(None, 1);
    check(Some(" 4 "), 4);
    check(Some("0"), 1);
    check(Some("-3"), 1);
    check(Some("many"), 1);
    check(Some("${file:/tasks.properties:max}"), 1);
    check(Some("4294967295"), TASKS_MAX);
}

/// The configs of a connector's tasks are written one by one; in memory there is one of them.
#[test]
fn tasks_share_a_config_and_too_much_of_it_is_refused() {
    let mut log = Log::new();
    let create = |name: &str, bytes: usize| {
        let mut config = config(1000);
        config.insert("my.note".to_owned(), Some("x".repeat(bytes)));
        Command::Create {
            name: name.to_owned(),
            config,
            target: TargetState::Running,
        }
    };
    let refused = log.carry_out(&create("large", 34_000), 1);
    let Err(ClusterError::TooLarge { reason }) = refused else {
        panic!("{refused:?}");
    };
    for part in ["its 1000 tasks", "set tasks.max lower"] {
        assert!(reason.contains(part), "{reason}");
    }
    let before = log.records.len();
    log.carry_out(&create("pg", 30_000), 1).unwrap();
    let configs = log.records[before..]
        .iter()
        .filter_map(|record| match record {
            ConfigRecord::Task { config, .. } => config.clone(),
            _ => None,
        });
    let configs: Vec<Arc<RawConfig>> = configs.collect();
    assert_eq!(configs.len(), 1000);
    assert!(
        configs
            .iter()
            .all(|config| Arc::ptr_eq(config, &configs[0]))
    );
    let known = log.registry.get("pg").unwrap();
    assert!(known.task_configs.values().all(Option::is_none));
    assert_eq!(known.task_configs.len(), 1000);
    // Which tasks there are is known to whoever deletes them.
    let name = "pg".to_owned();
    log.carry_out(&Command::Delete { name }, 1).unwrap();
    let gone = log
        .records
        .iter()
        .filter(|record| matches!(record, ConfigRecord::Task { config: None, .. }));
    assert_eq!(gone.count(), 1000);
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

/// A worker that lacks a file of secrets places every task where the others do, or they would move
/// tasks to and fro; with the file back a restart is enough.
#[test]
fn what_one_worker_cannot_read_moves_no_task() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.properties");
    std::fs::write(&file, "user=ann\n").unwrap();
    let sources = SettingsSources::overriding(&[
        "config.providers=file",
        "config.providers.file.class=FileConfigProvider",
    ]);
    let settings = Arc::new(WorkerSettings::load(&sources).unwrap().settings);
    let mut log = Log {
        registry: Registry::new(Arc::clone(&settings)),
        records: Vec::new(),
    };
    for name in ["a", "b", "c"] {
        let mut config = config(1);
        let user = format!("${{file:{}:user}}", file.display());
        config.insert("connection.user".to_owned(), Some(user));
        let command = Command::Create {
            name: name.to_owned(),
            config,
            target: TargetState::Running,
        };
        log.carry_out(&command, 2).unwrap();
        log.carry_out(
            &create(&format!("plain-{name}"), 2, TargetState::Running),
            2,
        )
        .unwrap();
    }
    std::fs::remove_file(&file).unwrap();
    let mut lacking = Registry::new(settings);
    for (version, record) in (1..).zip(&log.records) {
        lacking.apply(version, record.clone());
    }
    assert!(lacking.get("a").unwrap().accepted.is_err());
    for workers in 1..6 {
        let (of_one, of_other) = (&log.registry, &lacking);
        let of_one = of_one.plan_placement(&members(workers));
        assert_eq!(of_one, of_other.plan_placement(&members(workers)));
    }

    let restart = ConfigRecord::Restart {
        name: "a".to_owned(),
        restart: Restart {
            include_tasks: false,
            only_failed: false,
            chosen: Some(Chosen {
                connector: true,
                ..Chosen::default()
            }),
        },
    };
    lacking.apply(1000, restart.clone());
    assert!(lacking.get("a").unwrap().accepted.is_err());
    std::fs::write(&file, "user=ann\n").unwrap();
    lacking.apply(1001, restart);
    assert!(lacking.get("a").unwrap().accepted.is_ok());
}

/// Workers that have read the log at different times, some of it compacted, and workers that do not
/// accept what others do count the same tasks. Otherwise each would put right what the other has placed.
#[test]
fn tasks_are_counted_alike_whatever_compaction_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.properties");
    std::fs::write(&file, "user=ann\n").unwrap();
    let connector = |tasks: u32| {
        let mut config = config(tasks);
        let user = format!("${{file:{}:user}}", file.display());
        config.insert("connection.user".to_owned(), Some(user));
        config.insert("name".to_owned(), Some("pg".to_owned()));
        ConfigRecord::Connector {
            name: "pg".to_owned(),
            config: Some(config),
        }
    };
    let commit = |tasks| ConfigRecord::Commit {
        name: "pg".to_owned(),
        tasks: Some(tasks),
    };
    let gone = ConfigRecord::Connector {
        name: "pg".to_owned(),
        config: None,
    };
    let sources = SettingsSources::overriding(&[
        "config.providers=file",
        "config.providers.file.class=FileConfigProvider",
    ]);
    let accepting = Arc::new(WorkerSettings::load(&sources).unwrap().settings);
    let lacking = registry().settings;
    for (log, expected) in [
        (vec![connector(3)], 3),
        (vec![connector(3), commit(0)], 3),
        (vec![connector(3), commit(2)], 2),
        (vec![connector(3), commit(2), connector(4)], 2),
        // Kafka Connect leaves the commits of connectors that it deletes.
        (vec![connector(3), commit(2), gone, connector(4)], 2),
    ] {
        for settings in [&accepting, &lacking] {
            for is_compacted in [false, true] {
                let mut registry = Registry::new(Arc::clone(settings));
                for (index, record) in log.iter().enumerate() {
                    let key = record.encode().key;
                    let mut later = log[index + 1..].iter();
                    if is_compacted && later.any(|later| later.encode().key == key) {
                        continue;
                    }
                    registry.apply(u64::try_from(index).unwrap() + 1, record.clone());
                }
                let known = registry.get("pg").unwrap();
                assert_eq!(known.accepted.is_ok(), Arc::ptr_eq(settings, &accepting));
                assert_eq!(known.task_count(), expected, "{log:?}, {is_compacted}");
            }
        }
    }
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
