//! What a task needs of its table before it starts, and what it cannot make of it.

use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

use crate::support::connector::Connector;
use crate::support::engine::Engine;
use crate::support::kafka;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

async fn send(topic: &Topic, values: &[Value]) {
    let producer: FutureProducer = kafka::client().create().unwrap();
    for value in values {
        let payload = value.to_string();
        let record = FutureRecord::<(), String>::to(&topic.name)
            .partition(0)
            .payload(&payload);
        let sent = producer.send(record, seconds(10)).await;
        sent.map_err(|(error, _)| error).unwrap();
    }
}

async fn until_number(stage: &Stage, sql: &str, expected: i64) {
    eventually(sql, seconds(30), || async {
        let found = stage.database.number(sql).await;
        check(found == expected, || format!("{found} of {expected}"))
    })
    .await;
}

/// Whatever the topic holds, the task fails and nothing is made; restarted with its table, it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_does_not_start_without_its_table() {
    for engine in [
        Engine::Postgres,
        Engine::MySql,
        Engine::MariaDb,
        Engine::Sqlite,
    ] {
        without_its_table(engine, false).await;
    }
}

/// The same when topics are found by a pattern.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_a_pattern_does_not_start_without_its_table() {
    without_its_table(Engine::Postgres, true).await;
}

async fn without_its_table(engine: Engine, by_pattern: bool) {
    let stage = Stage::begin_in(engine, "tableless", 1).await;
    let topic = stage.topic("shop", 1).await;
    let mut connector = Connector::to_table(&stage, &[&topic], "shop");
    if by_pattern {
        let pattern = format!("{}.*", topic.name);
        connector = connector.without("topics").set("topics.regex", &pattern);
    }
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    let tasks = worker.until_tasks(&connector, "FAILED", seconds(30)).await;
    let trace = &tasks[0].trace;
    for part in ["table shop", "does not exist", "auto.create"] {
        assert!(trace.contains(part), "{engine:?}: {part} in {trace}");
    }
    send(&topic, &[json!({"id": 1}), json!({"id": 2})]).await;
    assert!(!stage.database.has_table("shop").await, "{engine:?}");

    let create = "CREATE TABLE shop (id int)";
    eventually(create, seconds(20), || stage.database.try_run(create)).await;
    let restart = format!(
        "/connectors/{}/restart?includeTasks=true&onlyFailed=true",
        connector.name
    );
    let restarted = worker.rest.post(&restart, None).await;
    assert!(restarted.code < 300, "{}", restarted.body);
    until_number(&stage, "SELECT count(*) FROM shop", 2).await;
    worker.until_tasks(&connector, "RUNNING", seconds(10)).await;
}

/// New fields of records that go to a view have no place: they are dead letters, and the others are written.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_not_changed_and_costs_only_records_that_need_more() {
    for engine in [Engine::Postgres, Engine::MySql] {
        unchanged_view(engine).await;
    }
}

async fn unchanged_view(engine: Engine) {
    let stage = Stage::begin_in(engine, "grown_view", 1).await;
    let topic = stage.topic("shown", 1).await;
    let dead_letters = stage.topic("dead", 1).await;
    for sql in [
        "CREATE TABLE base (id int PRIMARY KEY)",
        "CREATE VIEW shown AS SELECT id FROM base",
    ] {
        stage.database.run(sql).await;
    }
    let connector = Connector::to_table(&stage, &[&topic], "shown")
        .set("auto.evolve", "true")
        .dead_letters(&dead_letters);
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    let values = [
        json!({"id": 1}),
        json!({"id": 2, "more": true}),
        json!({"id": 3, "more": null}),
        json!({"id": 4, "more": false}),
    ];
    send(&topic, &values).await;
    until_number(&stage, "SELECT count(*) FROM base WHERE id IN (1, 3)", 2).await;
    eventually("both are dead letters", seconds(20), || async {
        let letters = kafka::read_topic(&dead_letters.name, 1).await;
        check(letters.len() == 2, || format!("{} of 2", letters.len()))
    })
    .await;
    for letter in kafka::read_topic(&dead_letters.name, 1).await {
        let reason = &letter.headers["__connect.errors.exception.message"];
        for part in ["\"more\"", "boolean", "ALTER TABLE", "ADD COLUMN"] {
            assert!(reason.contains(part), "{engine:?}: {part} in {reason}");
        }
    }
    assert_eq!(stage.database.number("SELECT count(*) FROM base").await, 2);
    worker.until_tasks(&connector, "RUNNING", seconds(10)).await;
}
