//! A worker that lacks a file which a config refers to.

use std::path::PathBuf;

use super::*;

const SECRETS: &str = "user=ann\n";

fn task_states(world: &World, worker: usize, name: &str) -> Vec<(String, ShownTaskState)> {
    let view = world.nodes[worker].control.view_of(name).unwrap();
    let tasks = view.tasks.into_iter();
    tasks.map(|task| (task.worker_id, task.state)).collect()
}

/// A world where configs may refer to files, one with such a reference, and the file.
fn with_reference() -> (World, RawConfig, tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.properties");
    std::fs::write(&file, SECRETS).unwrap();
    let world = World::with(&SettingsSources::overriding(&[
        "config.providers=file",
        "config.providers.file.class=FileConfigProvider",
    ]));
    let mut config = config(3);
    let user = format!("${{file:{}:user}}", file.display());
    config.insert("connection.user".to_owned(), Some(user));
    (world, config, folder, file)
}

/// It makes the connector's tasks when it is the one that is asked to resume it: the others run theirs, and
/// its own are told to have failed, so that restarting what has failed helps.
#[tokio::test(start_paused = true)]
async fn a_connector_is_resumed_by_a_worker_that_does_not_accept_it() {
    const FAILED: ShownTaskState = ShownTaskState::Told(TaskState::Failed);
    for target in [TargetState::Stopped, TargetState::Paused] {
        let (mut world, config, _folder, file) = with_reference();
        world.settle().await;
        let name = || "a".to_owned();
        let create = Command::Create {
            name: name(),
            config,
            target,
        };
        world.give(0, create);
        world.settle().await;
        assert!(world.answered(0), "created");
        assert_eq!(task_states(&world, 0, "a").len(), 0);

        std::fs::remove_file(&file).unwrap();
        world.join();
        let late = world.nodes[2].id.clone();
        world.settle().await;
        let resume = Command::SetTarget {
            name: name(),
            target: TargetState::Running,
        };
        world.give(2, resume);
        world.settle().await;
        assert!(world.answered(2), "resumed");
        for worker in 0..3 {
            let states = task_states(&world, worker, "a");
            assert_eq!(states.len(), 3, "{states:?}");
            for (owner, state) in states {
                assert_eq!(state == FAILED, owner == late, "{owner}: {state:?}");
            }
        }

        std::fs::write(&file, SECRETS).unwrap();
        let scope = RestartScope {
            include_tasks: true,
            only_failed: true,
        };
        world.give(
            0,
            Command::Restart {
                name: name(),
                scope,
            },
        );
        world.settle().await;
        assert!(world.answered(0), "restarted");
        world.judge();
    }
}

/// Its tasks are told to have failed, the others work; a restart is enough once the file is there.
#[tokio::test(start_paused = true)]
async fn tasks_of_a_worker_without_them_fail_until_they_are_there() {
    const FAILED: ShownTaskState = ShownTaskState::Told(TaskState::Failed);
    const RUNNING: ShownTaskState = ShownTaskState::Told(TaskState::Running);
    let (mut world, config, _folder, file) = with_reference();
    world.settle().await;
    let create = Command::Create {
        name: "a".to_owned(),
        config,
        target: TargetState::Running,
    };
    world.give(0, create);
    world.settle().await;
    assert!(world.answered(0), "created");

    std::fs::remove_file(&file).unwrap();
    world.join();
    let late = world.nodes[2].id.clone();
    world.settle().await;
    let states = task_states(&world, 0, "a");
    let of_late: Vec<ShownTaskState> = states
        .iter()
        .filter(|(owner, _)| *owner == late)
        .map(|(_, state)| *state)
        .collect();
    assert_eq!(of_late, [FAILED], "{states:?}");
    let running = states.iter().filter(|(_, state)| *state == RUNNING);
    assert_eq!(running.count(), 2, "{states:?}");
    // All tell the same: the one that does not accept it as well.
    let shown = |worker: usize| {
        let view = world.nodes[worker].control.view_of("a").unwrap();
        (view.state, view.trace, view.tasks)
    };
    let (state, _, tasks) = shown(0);
    assert_eq!(state, ConnectorState::Running);
    let failed = tasks.iter().find(|task| task.state == FAILED).unwrap();
    let reason = failed.trace.as_deref().unwrap_or_default();
    assert!(reason.contains("shop.properties"), "{reason}");
    for worker in 1..3 {
        assert_eq!(shown(worker), shown(0), "worker {worker}");
    }
    let before = world.kafka.config.len();
    world.settle().await;
    assert_eq!(
        world.kafka.config.len(),
        before,
        "tasks are not moved to and fro"
    );

    std::fs::write(&file, SECRETS).unwrap();
    let restart = Command::Restart {
        name: "a".to_owned(),
        scope: RestartScope {
            include_tasks: true,
            only_failed: true,
        },
    };
    // Of a worker that has not got the task that failed.
    world.give(0, restart);
    world.settle().await;
    assert!(world.answered(0), "restarted");
    for worker in 0..3 {
        let states = task_states(&world, worker, "a");
        let running = states.iter().filter(|(_, state)| *state == RUNNING);
        assert_eq!(running.count(), 3, "{states:?}");
    }
}
