//! Dead letters sent again after a fix, by the real command and by the REST API: each once.

use std::process::Command;

use serde_json::{Value, json};

use crate::cluster::until_healthy;
use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::orders::Orders;
use crate::support::producer::{Draft, Poison};
use crate::support::rest::{Answer, Rest};
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::{Launch, Worker};

const RULE: &str = "ALTER TABLE orders ADD CONSTRAINT positive CHECK (amount >= 0)";
const FIX: &str = "ALTER TABLE orders DROP CONSTRAINT positive";

/// Orders with a rule that the database knows; letters go to a topic and to a table.
async fn prepare(stage: &Stage, partitions: i32) -> (Orders, Topic) {
    let mut orders = Orders::prepare(stage, partitions).await;
    stage.database.run(RULE).await;
    let letters = stage.topic("letters", 2).await;
    orders.connector = orders
        .connector
        .dead_letters(&letters)
        .set("errors.deadletterqueue.table", "letters");
    (orders, letters)
}

/// Every third record breaks the rule, and number 10 is no JSON at all.
fn drafts(count: i64, partitions: i32) -> impl Iterator<Item = Draft> {
    (0..count).map(move |seq| {
        let draft = Draft::good(seq, partitions);
        match seq {
            10 => draft.poisoned(Poison::Malformed),
            seq if seq % 3 == 0 => draft.poisoned(Poison::Refused),
            _ => draft,
        }
    })
}

async fn ask(rest: &Rest, connector: &Connector, body: Value) -> Answer {
    let path = format!("/rowdock/connectors/{}/replay", connector.name);
    rest.post(&path, Some(body)).await
}

async fn report(worker: &Worker, connector: &Connector, body: Value) -> Value {
    let answer = ask(&worker.rest, connector, body).await;
    assert_eq!(answer.code, 200, "{}", answer.body);
    assert_eq!(answer.body["complete"], true, "{}", answer.body);
    answer.body
}

fn counts(report: &Value, names: &[&str]) -> Vec<u64> {
    let count = |name: &&str| {
        report[*name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name}: {report}"))
    };
    names.iter().map(count).collect()
}

/// How often each record of the table is there, as `min, max, number of records`.
async fn rows(stage: &Stage) -> (i64, i64, i64) {
    let sql = "SELECT min(times), max(times), count(*) FROM \
               (SELECT count(*) AS times FROM orders GROUP BY producer, seq) AS one";
    let row = &stage.database.rows(sql, &[]).await[0];
    (row.get(0), row.get(1), row.get(2))
}

fn run_command(worker: &Worker, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_rowdock"))
        .args(["replay", "--worker", &format!("http://{}", worker.address)])
        .args(arguments)
        .output()
        .expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let (out, err) = (text(output.stdout), text(output.stderr));
    (output.status.code().unwrap_or(-1), format!("{out}{err}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_sent_again_beside_a_running_connector() {
    let stage = Stage::begin("replay_command", 1).await;
    let (orders, _letters) = prepare(&stage, 3).await;
    let connector = &orders.connector;
    let name = connector.name.as_str();
    let writer = orders.writer(&stage, 1);
    writer.send_all(drafts(60, 3)).await;
    let worker = Launch::new("worker").start(&stage, &[connector]).await;
    orders.judged(&stage).healed(&[&worker], seconds(20)).await;
    let positions = orders.judged(&stage).positions().await;

    // Before the fix all are refused again, and nothing is sent to the dead letters twice.
    let refused = report(&worker, connector, json!({"all": true})).await;
    assert_eq!(
        counts(&refused, &["read", "chosen", "stored", "rejected"]),
        [21, 21, 0, 21]
    );
    let reason = &refused["letters"][0]["reason"];
    assert!(reason.as_str().unwrap().contains("positive"), "{reason}");
    let in_table = "SELECT count(*) FROM letters";
    assert_eq!(stage.database.number(in_table).await, 21);

    stage.database.run(FIX).await;
    let dry = json!({"stage": "TASK_PUT", "dry_run": true});
    let dry = report(&worker, connector, dry).await;
    assert_eq!(
        counts(&dry, &["chosen", "would_send", "stored"]),
        [20, 20, 0]
    );
    assert_eq!(rows(&stage).await, (1, 1, 39), "a dry run sends nothing");
    // Record 0 is the first of partition 0, where every record breaks the rule.
    let records = format!("{}:0:0-4", orders.topic.name);
    let (code, text) = run_command(&worker, &[name, "--records", &records]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("5 stored"), "{text}");
    let (code, text) = run_command(&worker, &[name, "--all"]);
    assert_eq!(code, 1, "the malformed one is rejected: {text}");
    stage.tell(&text);
    for part in [
        "15 stored",
        "5 replayed before",
        "1 rejected again",
        "VALUE_CONVERTER",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert_eq!(rows(&stage).await, (1, 1, 59));
    // The topic has the same letters.
    let topic = json!({"all": true, "place": "topic"});
    let again = report(&worker, connector, topic).await;
    let names = ["read", "stored", "replayed_before", "rejected"];
    assert_eq!(counts(&again, &names), [21, 0, 20, 1]);
    assert_eq!(rows(&stage).await, (1, 1, 59));

    assert_eq!(orders.judged(&stage).positions().await, positions);
    writer.send_good(100, 30, 3).await;
    eventually("the connector to go on", seconds(10), || async {
        let (_, _, count) = rows(&stage).await;
        check(count == 89, || format!("{count} of 89"))
    })
    .await;
    let (code, text) = run_command(&worker, &["nobody", "--all"]);
    assert_eq!(code, 1);
    assert!(text.contains("Connector nobody not found"), "{text}");
}

/// Killed between two transactions, and started again by another worker of a cluster that has no
/// task of the connector.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_and_repeated() {
    // More letters than are read at a time.
    const RECORDS: i64 = 700;
    let stage = Stage::begin("replay_killed", 2).await;
    let (orders, letters) = prepare(&stage, 4).await;
    let connector = &orders.connector;
    orders.writer(&stage, 1).send_all(drafts(RECORDS, 4)).await;
    let worker = Launch::new("worker").start(&stage, &[connector]).await;
    orders.judged(&stage).healed(&[&worker], seconds(30)).await;
    drop(worker);
    let bad = i64::try_from(kafka::read_topic(&letters.name, 2).await.len()).unwrap();
    assert_eq!(bad, 235);
    stage.database.run(FIX).await;

    let mut victim = Launch::new("victim")
        .failpoint("replay::before_write", "1*off->sleep(60000)")
        .start(&stage, &[connector])
        .await;
    let (rest, asked) = (victim.rest.clone(), connector.clone());
    let call = tokio::spawn(async move {
        let path = format!("/rowdock/connectors/{}/replay", asked.name);
        let body = json!({"all": true, "place": "topic"});
        rest.try_call("POST", &path, Some(body)).await
    });
    let good = RECORDS - bad;
    let some_stored = || async {
        let (_, _, count) = rows(&stage).await;
        check(count > good, || format!("{count} of more than {good}"))
    };
    eventually("a first part to be stored", seconds(20), some_stored).await;
    stage.tell(victim.kill());
    assert!(call.await.unwrap().is_err(), "an answer of the dead");
    let (_, _, stored) = rows(&stage).await;
    stage.tell(format_args!(
        "{} of {bad} letters before the kill",
        stored - good
    ));
    assert!(
        stored < RECORDS - 1,
        "everything was stored before the kill"
    );

    let first = Launch::new("first")
        .of_cluster(&stage)
        .start(&stage, &[])
        .await;
    let second = Launch::new("second")
        .of_cluster(&stage)
        .start(&stage, &[])
        .await;
    until_healthy(&first).await;
    until_healthy(&second).await;
    let config = connector.config(&stage.database.url(None));
    let path = format!("/connectors/{}/config", connector.name);
    assert_eq!(first.rest.put(&path, Some(config)).await.code, 201);
    first.until_tasks(connector, "RUNNING", seconds(20)).await;
    let bystander = match runs_on(&first, connector)
        .await
        .contains(&first.address.to_string())
    {
        true => &second,
        false => &first,
    };
    let done = report(bystander, connector, json!({"all": true, "place": "topic"})).await;
    let before = u64::try_from(stored - good).unwrap();
    let bad = u64::try_from(bad).unwrap();
    let names = ["read", "stored", "replayed_before", "rejected"];
    assert_eq!(counts(&done, &names), [bad, bad - 1 - before, before, 1]);
    assert_eq!(rows(&stage).await, (1, 1, RECORDS - 1));
}

async fn runs_on(worker: &Worker, connector: &Connector) -> String {
    let path = format!("/connectors/{}/status", connector.name);
    let answer = worker.rest.get(&path).await;
    answer.body["tasks"][0]["worker_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// An old record would stand where a newer row stood.
#[tokio::test(flavor = "multi_thread")]
async fn upserts_are_refused_unless_they_are_guarded_or_forced() {
    let stage = Stage::begin("replay_upsert", 1).await;
    let topic = stage.topic("orders", 1).await;
    let letters = stage.named_topic("letters", 1);
    let sql = "CREATE TABLE items (producer int, seq bigint, item bigint PRIMARY KEY, \
               amount bigint CONSTRAINT positive CHECK (amount >= 0))";
    stage.database.run(sql).await;
    let connector = Connector::upsert(&stage, &topic, "items").dead_letters(&letters);
    let orders = Orders { topic, connector };
    let writer = orders.writer(&stage, 1);
    let connector = &orders.connector;
    let worker = Launch::new("worker").start(&stage, &[connector]).await;
    // Beside the newer one in a batch the bad one would not be judged at all.
    let until_letters = |expected: i64| {
        let (worker, connector) = (&worker, connector);
        eventually("the letter", seconds(20), move || async move {
            let all = json!({"all": true, "dry_run": true});
            let answer = ask(&worker.rest, connector, all).await;
            check(answer.body["read"] == expected, || answer.body.to_string())
        })
    };
    writer
        .send_all([Draft::about(0, 7, 1).poisoned(Poison::Refused)])
        .await;
    until_letters(1).await;
    writer.send_all([Draft::about(1, 7, 1)]).await;
    let newest = "SELECT coalesce(max(seq), -1) FROM items WHERE item = 7";
    let until_seq = |expected: i64| {
        let stage = &stage;
        eventually("the newest row", seconds(20), move || async move {
            let seq = stage.database.number(newest).await;
            check(seq == expected, || format!("it is {seq}"))
        })
    };
    until_seq(1).await;
    stage
        .database
        .run("ALTER TABLE items DROP CONSTRAINT positive")
        .await;

    let refused = ask(&worker.rest, connector, json!({"all": true})).await;
    assert_eq!(refused.code, 400, "{}", refused.body);
    let message = refused.body["message"].as_str().unwrap();
    assert!(message.contains("upsert.guard.field"), "{message}");
    let dry = report(&worker, connector, json!({"all": true, "dry_run": true})).await;
    assert_eq!(counts(&dry, &["would_send"]), [1]);

    // With a guard the newer row stays, though the letter counts as stored.
    let guarded = connector
        .clone()
        .set("delete.enabled", "false")
        .set("upsert.guard.field", "seq");
    let path = format!("/connectors/{}/config", connector.name);
    let config = guarded.config(&stage.database.url(None));
    assert_eq!(worker.rest.put(&path, Some(config)).await.code, 200);
    let done = report(&worker, connector, json!({"all": true})).await;
    assert_eq!(counts(&done, &["stored"]), [1]);
    assert_eq!(stage.database.number(newest).await, 1);

    // Another letter, unguarded and forced: the old record replaces the row.
    stage
        .database
        .run("ALTER TABLE items ADD CONSTRAINT positive CHECK (amount >= 0)")
        .await;
    let config = connector.config(&stage.database.url(None));
    assert_eq!(worker.rest.put(&path, Some(config)).await.code, 200);
    let poisoned = Draft::about(2, 7, 1).poisoned(Poison::Refused);
    writer.send_all([poisoned]).await;
    until_letters(2).await;
    writer.send_all([Draft::about(3, 7, 1)]).await;
    until_seq(3).await;
    stage
        .database
        .run("ALTER TABLE items DROP CONSTRAINT positive")
        .await;
    let (code, text) = run_command(&worker, &[&connector.name, "--all", "--force"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("1 stored, 1 replayed before"), "{text}");
    assert_eq!(stage.database.number(newest).await, 2);
}
