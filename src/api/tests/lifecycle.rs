//! What connectors and tasks do: pause, resume, stop, restart, failing, hanging.

use tokio::time::Instant;

use super::*;
use crate::task::{TaskState, TaskStatus};

/// The default of `task.shutdown.graceful.timeout.ms` and what is granted on top, with room.
const STOP_MAX: Duration = Duration::from_secs(8);

#[tokio::test]
async fn initial_states() {
    let worker = Worker::start();
    for (index, (initial, connector, tasks)) in [
        (json!("RUNNING"), "RUNNING", vec!["RUNNING"]),
        (json!("paused"), "PAUSED", vec![]),
        (json!("Stopped"), "STOPPED", vec![]),
        (Value::Null, "RUNNING", vec!["RUNNING"]),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("pg{index}");
        let body = json!({"name": name, "config": config(1), "initial_state": initial});
        let reply = worker.send_json(Method::POST, "/connectors", &body).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{initial}");
        worker.wait_for(&name, connector, &tasks).await;
        assert_eq!(worker.tasks.starts(&name, 0), tasks.len());

        let resumed = worker.put(&format!("/connectors/{name}/resume")).await;
        assert_eq!(resumed.status, StatusCode::ACCEPTED);
        worker.wait_for(&name, "RUNNING", &["RUNNING"]).await;
    }
}

#[tokio::test]
async fn every_transition_twice() {
    let worker = Worker::start();
    worker.create("pg", 2).await;
    let running = ("resume", 202, "RUNNING", vec!["RUNNING"; 2]);
    let paused = ("pause", 202, "PAUSED", vec!["PAUSED"; 2]);
    let stopped = ("stop", 204, "STOPPED", vec![]);
    let paused_without_tasks = ("pause", 202, "PAUSED", vec![]);
    for (verb, status, connector, tasks) in [
        paused.clone(),
        running.clone(),
        stopped.clone(),
        running.clone(),
        paused,
        stopped,
        paused_without_tasks,
        running,
    ] {
        for _ in 0..2 {
            let reply = worker.put(&format!("/connectors/pg/{verb}")).await;
            assert_eq!((reply.status.as_u16(), reply.text.as_str()), (status, ""));
            worker.wait_for("pg", connector, &tasks).await;
        }
        let listed = worker.get("/connectors/pg/tasks").await.json();
        assert_eq!(listed.as_array().unwrap().len(), tasks.len());
    }
    // Pausing and resuming kept the tasks; only the two stops ended them.
    assert_eq!(
        (worker.tasks.starts("pg", 0), worker.tasks.stops("pg", 0)),
        (3, 2)
    );
}

#[tokio::test]
async fn a_new_config_keeps_the_target_state() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    worker.put("/connectors/pg/pause").await;
    worker.wait_for("pg", "PAUSED", &["PAUSED"]).await;
    worker
        .send_json(Method::PUT, "/connectors/pg/config", &config(2))
        .await;
    worker.wait_for("pg", "PAUSED", &["PAUSED"; 2]).await;
    let paused: Vec<bool> = worker
        .tasks
        .specs("pg", 0)
        .iter()
        .map(|spec| spec.paused)
        .collect();
    assert_eq!(paused, [false, true]);

    worker.put("/connectors/pg/stop").await;
    worker.wait_for("pg", "STOPPED", &[]).await;
    let changes = json!({"tasks.max": 3});
    worker
        .send_json(Method::PATCH, "/connectors/pg/config", &changes)
        .await;
    worker.wait_for("pg", "STOPPED", &[]).await;
    worker.put("/connectors/pg/resume").await;
    worker.wait_for("pg", "RUNNING", &["RUNNING"; 3]).await;
}

#[tokio::test]
async fn tasks_are_started_with_what_they_need() {
    let worker = Worker::start_with(&["bootstrap.servers=127.0.0.1:1"]);
    worker.create("pg", 2).await;
    for task in 0..2 {
        let spec = worker.tasks.specs("pg", task).remove(0);
        assert_eq!((spec.task, spec.worker_id.as_str()), (task, WORKER_ID));
        assert_eq!(spec.config.name, "pg");
        for (properties, key, value) in [
            (&spec.consumer_properties, "group.id", "connect-pg"),
            (
                &spec.consumer_properties,
                "bootstrap.servers",
                "127.0.0.1:1",
            ),
            (
                &spec.producer_properties,
                "bootstrap.servers",
                "127.0.0.1:1",
            ),
        ] {
            let found = properties.iter().find(|(name, _)| name == key);
            assert_eq!(found.map(|(_, value)| value.as_str()), Some(value), "{key}");
        }
    }
}

#[tokio::test]
async fn a_failed_task_is_shown_and_restarted() {
    let worker = Worker::start();
    worker.create("pg", 2).await;
    let trace = "orders-0@17: amount: text does not fit numeric(10,2)";
    worker.tasks.fail("pg", 1, trace);
    worker
        .wait_for("pg", "RUNNING", &["RUNNING", "FAILED"])
        .await;
    let task = worker.get("/connectors/pg/tasks/1/status").await.json();
    assert_eq!(
        (&task["state"], &task["trace"]),
        (&json!("FAILED"), &json!(trace))
    );
    // It stays FAILED while its connector is paused.
    worker.put("/connectors/pg/pause").await;
    worker.wait_for("pg", "PAUSED", &["PAUSED", "FAILED"]).await;
    worker.put("/connectors/pg/resume").await;
    worker
        .wait_for("pg", "RUNNING", &["RUNNING", "FAILED"])
        .await;

    let reply = worker.post("/connectors/pg/tasks/1/restart").await;
    assert_eq!(
        (reply.status, reply.text.as_str()),
        (StatusCode::NO_CONTENT, "")
    );
    worker
        .wait_for("pg", "RUNNING", &["RUNNING", "RUNNING"])
        .await;
    let task = worker.get("/connectors/pg/tasks/1/status").await.json();
    assert_eq!(task.get("trace"), None);
    assert_eq!(
        (worker.tasks.starts("pg", 0), worker.tasks.starts("pg", 1)),
        (1, 2)
    );
}

#[tokio::test]
async fn a_retrying_task_is_running_and_says_why_nothing_moves() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    let status = |retrying: Option<&str>| TaskStatus {
        retrying: retrying.map(str::to_owned),
        ..TaskStatus::new(TaskState::Running)
    };
    worker
        .tasks
        .tell("pg", 0, status(Some("connection refused")));
    let task = worker.get("/connectors/pg/tasks/0/status").await.json();
    assert_eq!(task["state"], "RUNNING");
    assert_eq!(task["trace"], "retrying: connection refused");
    worker.tasks.tell("pg", 0, status(None));
    let task = worker.get("/connectors/pg/tasks/0/status").await.json();
    assert_eq!(task.get("trace"), None);
}

#[tokio::test]
async fn a_task_that_ends_on_its_own_has_failed() {
    let worker = Worker::start();
    let config = config_with(1, "tasks.auto.restart", json!("false"));
    let body = json!({"name": "pg", "config": config});
    worker.send_json(Method::POST, "/connectors", &body).await;
    worker.wait_for("pg", "RUNNING", &["RUNNING"]).await;
    worker.tasks.end("pg", 0);
    worker.wait_for("pg", "RUNNING", &["FAILED"]).await;
    let reply = worker
        .post("/connectors/pg/restart?includeTasks=true&onlyFailed=true")
        .await;
    assert_eq!(reply.json()["tasks"][0]["state"], "RESTARTING");
    worker.wait_for("pg", "RUNNING", &["RUNNING"]).await;
}

/// What a failed task says of itself.
fn failed(restartable: bool) -> TaskStatus {
    TaskStatus {
        trace: Some("the database is away".to_owned()),
        joined: true,
        restartable,
        ..TaskStatus::new(TaskState::Failed)
    }
}

/// By itself, where it may help and the connector does not forbid it; with the class of another sink
/// only where that is asked for.
#[tokio::test(start_paused = true)]
async fn failed_tasks_are_started_anew_by_themselves() {
    const OTHER: &str = "io.confluent.connect.jdbc.JdbcSinkConnector";
    let long = Duration::from_secs(200);
    for (class, asked, status, starts) in [
        ("SqliteSink", None, None, 2),
        ("SqliteSink", Some("false"), None, 1),
        (OTHER, None, None, 1),
        (OTHER, Some("true"), None, 2),
        ("SqliteSink", None, Some(failed(true)), 2),
        ("SqliteSink", None, Some(failed(false)), 1),
        (OTHER, Some("true"), Some(failed(false)), 1),
    ] {
        let worker = Worker::start();
        let case = format!("{class} {asked:?} {status:?}");
        let mut config = config_with(1, "connector.class", json!(class));
        if let Some(asked) = asked {
            config["tasks.auto.restart"] = json!(asked);
        }
        let body = json!({"name": "pg", "config": config});
        let reply = worker.send_json(Method::POST, "/connectors", &body).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{case}: {reply:?}");
        worker.wait_for("pg", "RUNNING", &["RUNNING"]).await;
        match status {
            Some(status) => worker.tasks.tell("pg", 0, status),
            None => worker.tasks.end("pg", 0),
        }
        sleep(long).await;
        assert_eq!(worker.tasks.starts("pg", 0), starts, "{case}");
        let state = if starts == 1 { "FAILED" } else { "RUNNING" };
        worker.wait_for("pg", "RUNNING", &[state]).await;
    }
}

/// What fails over and over is started anew ever more seldom.
#[tokio::test(start_paused = true)]
async fn pauses_between_restarts_grow() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    let mut pauses = Vec::new();
    for starts in 1..=8 {
        let failed_at = Instant::now();
        worker.tasks.tell("pg", 0, failed(true));
        while worker.tasks.starts("pg", 0) == starts {
            sleep(Duration::from_millis(50)).await;
        }
        pauses.push(failed_at.elapsed().as_secs());
    }
    assert!(pauses.is_sorted(), "{pauses:?}");
    // With a look once a second before and after each pause.
    assert!(pauses[0] <= 3, "{pauses:?}");
    assert!((60..=63).contains(&pauses[7]), "{pauses:?}");
}

/// A restart by hand ends the pause that was waited for: what fails after it has one of its own.
#[tokio::test(start_paused = true)]
async fn a_restart_by_hand_is_no_part_of_the_pauses() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    let until_started = async |starts: usize| {
        while worker.tasks.starts("pg", 0) < starts {
            sleep(Duration::from_millis(50)).await;
        }
    };
    for starts in 2..=5 {
        worker.tasks.tell("pg", 0, failed(true));
        until_started(starts).await;
    }
    worker.tasks.tell("pg", 0, failed(true));
    sleep(Duration::from_secs(1)).await;
    let restarted = worker.post("/connectors/pg/tasks/0/restart").await;
    assert_eq!(restarted.status, StatusCode::NO_CONTENT);
    until_started(6).await;
    sleep(Duration::from_secs(60)).await;

    let failed_at = Instant::now();
    worker.tasks.tell("pg", 0, failed(true));
    until_started(7).await;
    assert!(failed_at.elapsed() > Duration::from_secs(10));
}

/// Who restarts, by the flags and by what has failed before.
#[tokio::test]
async fn restart_matrix() {
    for failed in [&[][..], &[1], &[0, 1]] {
        for (query, include_tasks, only_failed) in [
            ("", false, false),
            ("?includeTasks=false&onlyFailed=false", false, false),
            ("?includeTasks=no&onlyFailed=1", false, false),
            ("?onlyFailed=true", false, true),
            ("?includeTasks=TRUE", true, false),
            ("?includeTasks=true&onlyFailed=true", true, true),
        ] {
            let case = format!("{query} {failed:?}");
            let worker = Worker::start();
            worker.create("pg", 2).await;
            for task in failed {
                worker.tasks.fail("pg", *task, "bad record");
            }
            let restarts =
                [0, 1].map(|task| include_tasks && (failed.contains(&task) || !only_failed));
            let shown = |restarting: bool, otherwise| match restarting {
                true => "RESTARTING",
                false => otherwise,
            };
            let state = |task: u32| match failed.contains(&task) {
                true => "FAILED",
                false => "RUNNING",
            };
            let reply = worker.post(&format!("/connectors/pg/restart{query}")).await;
            if include_tasks || only_failed {
                assert_eq!(reply.status, StatusCode::ACCEPTED, "{case}");
                let body = reply.json();
                let tasks = [0, 1].map(|task: u32| shown(restarts[task as usize], state(task)));
                let expected = (shown(!only_failed, "RUNNING"), tasks.to_vec());
                assert_eq!(states(&body), expected, "{case}");
                // What was wrong is still shown while it restarts.
                for task in failed {
                    assert_eq!(
                        body["tasks"][*task as usize]["trace"], "bad record",
                        "{case}"
                    );
                }
            } else {
                assert_eq!(reply.status, StatusCode::NO_CONTENT, "{case}");
            }
            let after = [0, 1].map(|task: u32| match restarts[task as usize] {
                true => "RUNNING",
                false => state(task),
            });
            worker.wait_for("pg", "RUNNING", &after).await;
            let started = [0, 1].map(|task| worker.tasks.starts("pg", task));
            assert_eq!(
                started,
                restarts.map(|anew| 1 + usize::from(anew)),
                "{case}"
            );
        }
    }
}

#[tokio::test]
async fn restart_keeps_the_target_state() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    let all = "/connectors/pg/restart?includeTasks=true";
    worker.put("/connectors/pg/pause").await;
    worker.wait_for("pg", "PAUSED", &["PAUSED"]).await;
    let reply = worker.post(all).await;
    assert_eq!(states(&reply.json()), ("RESTARTING", vec!["RESTARTING"]));
    worker.wait_for("pg", "PAUSED", &["PAUSED"]).await;
    assert_eq!(worker.tasks.starts("pg", 0), 2);

    worker.put("/connectors/pg/stop").await;
    worker.wait_for("pg", "STOPPED", &[]).await;
    let reply = worker.post("/connectors/pg/restart").await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    let reply = worker.post(all).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    assert_eq!(states(&reply.json()), ("RESTARTING", vec![]));
    worker.wait_for("pg", "STOPPED", &[]).await;
    let reply = worker.post("/connectors/pg/tasks/0/restart").await;
    assert_eq!(reply.error(), (404, "Unknown task: pg-0".to_owned()));
    assert_eq!(worker.tasks.starts("pg", 0), 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_hangs_while_it_stops_holds_up_nobody_else() {
    let worker = Worker::start();
    worker.create("slow", 1).await;
    worker.create("quick", 1).await;
    worker.tasks.hang_on_stop("slow");
    let begun = Instant::now();
    let reply = worker
        .send_json(Method::PUT, "/connectors/slow/config", &config(2))
        .await;
    assert_eq!(reply.status, StatusCode::OK);
    for round in 0..3 {
        let reply = worker
            .post("/connectors/quick/restart?includeTasks=true")
            .await;
        assert_eq!(reply.status, StatusCode::ACCEPTED);
        worker.wait_for("quick", "RUNNING", &["RUNNING"]).await;
        assert_eq!(worker.tasks.starts("quick", 0), round + 2);
    }
    assert_eq!(worker.get("/health").await.status, StatusCode::OK);
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    let status = worker.get("/connectors/slow/status").await.json();
    assert_eq!(states(&status), ("RUNNING", vec!["RESTARTING"]));
    // Configs that come in meanwhile are folded into one.
    for tasks in [3, 4, 2] {
        let path = "/connectors/slow/config";
        worker.send_json(Method::PUT, path, &config(tasks)).await;
    }
    worker.wait_for("slow", "RUNNING", &["RUNNING"; 2]).await;
    assert!(begun.elapsed() < STOP_MAX, "{:?}", begun.elapsed());
    assert_eq!(
        (
            worker.tasks.starts("slow", 0),
            worker.tasks.starts("slow", 2)
        ),
        (2, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_can_be_used_again_while_the_deleted_connector_stops() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    worker.tasks.hang_on_stop("pg");
    let begun = Instant::now();
    let reply = worker.send(Method::DELETE, "/connectors/pg").await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    let body = json!({"name": "pg", "config": config(1)});
    let reply = worker.send_json(Method::POST, "/connectors", &body).await;
    assert_eq!(reply.status, StatusCode::CREATED);
    let status = worker.get("/connectors/pg/status").await.json();
    assert_eq!(states(&status), ("UNASSIGNED", vec![]));
    worker.wait_for("pg", "RUNNING", &["RUNNING"]).await;
    // The new tasks waited for the old ones, for a bounded time.
    assert!(
        begun.elapsed() > Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    assert!(begun.elapsed() < STOP_MAX, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn stopping_the_worker_is_bounded() {
    let worker = Worker::start();
    worker.create("slow", 2).await;
    worker.create("quick", 1).await;
    worker.tasks.hang_on_stop("slow");
    let begun = Instant::now();
    worker.cluster.stop().await;
    assert!(begun.elapsed() < STOP_MAX, "{:?}", begun.elapsed());
    assert_eq!(worker.tasks.stops("quick", 0), 1);
}

/// What restarts, stops or deletes a connector does so with one that has failed as a whole.
#[tokio::test]
async fn a_failed_connector_can_be_restarted_stopped_and_deleted() {
    let broken = async || {
        let worker = Worker::start();
        worker.tasks.panic_on_start("pg", true);
        let body = json!({"name": "pg", "config": config(1)});
        worker.send_json(Method::POST, "/connectors", &body).await;
        worker.wait_for("pg", "FAILED", &[]).await;
        worker.tasks.panic_on_start("pg", false);
        worker
    };
    for query in [
        "",
        "?onlyFailed=true",
        "?includeTasks=true",
        "?includeTasks=true&onlyFailed=true",
    ] {
        let worker = broken().await;
        let reply = worker.post(&format!("/connectors/pg/restart{query}")).await;
        assert!(reply.status.is_success(), "{query}: {reply:?}");
        worker.wait_for("pg", "RUNNING", &["RUNNING"]).await;
    }
    let worker = broken().await;
    let stopped = worker.put("/connectors/pg/stop").await;
    assert_eq!(stopped.status, StatusCode::NO_CONTENT);
    worker.wait_for("pg", "STOPPED", &[]).await;
    worker.put("/connectors/pg/resume").await;
    worker.wait_for("pg", "RUNNING", &["RUNNING"]).await;

    let worker = broken().await;
    let deleted = worker.send(Method::DELETE, "/connectors/pg").await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(worker.get("/connectors").await.json(), json!([]));
}

#[tokio::test]
async fn a_supervisor_that_breaks_down_fails_its_connector_only() {
    let worker = Worker::start();
    worker.create("good", 1).await;
    worker.tasks.panic_on_start("bad", true);
    let body = json!({"name": "bad", "config": config(1)});
    worker.send_json(Method::POST, "/connectors", &body).await;
    worker.wait_for("bad", "FAILED", &[]).await;
    let status = worker.get("/connectors/bad/status").await.json();
    assert!(
        status["connector"]["trace"]
            .as_str()
            .unwrap()
            .contains("Restart the connector")
    );
    worker.wait_for("good", "RUNNING", &["RUNNING"]).await;

    worker.tasks.panic_on_start("bad", false);
    let reply = worker.post("/connectors/bad/restart?onlyFailed=true").await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    worker.wait_for("bad", "RUNNING", &["RUNNING"]).await;
}

/// A lost task is started anew by itself, ever more slowly; one that failed for a reason is not.
#[tokio::test(start_paused = true)]
async fn lost_tasks_are_started_anew() {
    let worker = Worker::start();
    worker.create("pg", 2).await;
    worker.tasks.fail("pg", 0, "orders-0@17: bad record");
    let mut last = Duration::ZERO;
    for starts in 2..6 {
        let begun = Instant::now();
        worker.tasks.end("pg", 1);
        worker
            .wait_for("pg", "RUNNING", &["FAILED", "FAILED"])
            .await;
        worker
            .wait_for("pg", "RUNNING", &["FAILED", "RUNNING"])
            .await;
        assert!(
            begun.elapsed() > last,
            "{:?} after {last:?}",
            begun.elapsed()
        );
        last = begun.elapsed();
        assert_eq!(worker.tasks.starts("pg", 1), starts);
    }
    assert_eq!(worker.tasks.starts("pg", 0), 1);
}

/// One to five, and three again: exactly so many tasks each time, and no state of one that is gone.
#[tokio::test]
async fn tasks_are_as_many_as_asked_for() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    for tasks in [5, 3, 1] {
        let put = worker
            .send_json(Method::PUT, "/connectors/pg/config", &config(tasks))
            .await;
        assert_eq!(put.status, StatusCode::OK);
        let states = vec!["RUNNING"; usize::try_from(tasks).unwrap()];
        worker.wait_for("pg", "RUNNING", &states).await;
        let status = worker.get("/connectors/pg/status").await.json();
        let ids = status["tasks"].as_array().unwrap().iter();
        let ids: Vec<u64> = ids.filter_map(|task| task["id"].as_u64()).collect();
        assert_eq!(ids, (0..u64::from(tasks)).collect::<Vec<_>>());
        let gone = format!("/connectors/pg/tasks/{tasks}/status");
        assert_eq!(worker.get(&gone).await.error().0, 404);
    }
}

#[tokio::test]
async fn what_has_failed_can_be_stopped() {
    let worker = Worker::start();
    worker.create("pg", 2).await;
    worker.tasks.fail("pg", 0, "no such column");
    worker
        .wait_for("pg", "RUNNING", &["FAILED", "RUNNING"])
        .await;
    worker.put("/connectors/pg/stop").await;
    worker.wait_for("pg", "STOPPED", &[]).await;
    worker.put("/connectors/pg/resume").await;
    worker.wait_for("pg", "RUNNING", &["RUNNING"; 2]).await;
    worker.tasks.fail("pg", 1, "no such column");
    let deleted = worker.send(Method::DELETE, "/connectors/pg").await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(worker.get("/connectors/pg").await.error().0, 404);
    // One that never ran can be deleted as well.
    for initial in ["STOPPED", "PAUSED"] {
        let body = json!({"name": "pg", "config": config(1), "initial_state": initial});
        worker.send_json(Method::POST, "/connectors", &body).await;
        let deleted = worker.send(Method::DELETE, "/connectors/pg").await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{initial}");
    }
    assert_eq!(worker.tasks.starts("pg", 0), 2);
}
