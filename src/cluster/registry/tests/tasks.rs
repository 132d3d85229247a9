//! How many tasks a connector has, with which configs, and that all workers count and place alike.

use super::*;

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

/// Kafka Connect changes the tasks of a paused connector when it is resumed, and was ended before.
#[test]
fn a_resumed_connector_has_as_many_tasks_as_its_config_says() {
    let mut log = Log::new();
    let count = |log: &Log| log.registry.get("pg").unwrap().task_count();
    let taken_over = |log: &mut Log, tasks, target| {
        let name = || "pg".to_owned();
        let mut config = config(tasks);
        config.insert("name".to_owned(), Some(name()));
        log.append(vec![
            ConfigRecord::Target {
                name: name(),
                target: Some(target),
            },
            ConfigRecord::Connector {
                name: name(),
                config: Some(config),
            },
            ConfigRecord::Commit {
                name: name(),
                tasks: Some(2),
            },
        ]);
    };
    for tasks in [5, 1] {
        taken_over(&mut log, tasks, TargetState::Paused);
        assert_eq!(count(&log), 2, "while it is paused");
        let resume = set_target("pg", TargetState::Running);
        log.carry_out(&resume, 2).unwrap();
        assert_eq!(count(&log), tasks);
        assert_eq!(log.carry_out(&resume, 2).unwrap(), 0, "{tasks}");
    }
    // Nor is the same config again nothing to do then.
    taken_over(&mut log, 4, TargetState::Running);
    let raw = RawConfig::clone(&log.registry.get("pg").unwrap().raw);
    let name = "pg".to_owned();
    let changes = RawConfig::new();
    let same = Command::PatchConfig { name, changes };
    log.carry_out(&same, 2).unwrap();
    assert_eq!(count(&log), 4);
    assert_eq!(*log.registry.get("pg").unwrap().raw, raw);
    assert_eq!(log.carry_out(&same, 2).unwrap(), 0);
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
