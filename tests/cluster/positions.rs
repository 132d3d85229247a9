//! Where a connector stands, set by hand.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::{Value, json};

use super::{begin, create, start};
use crate::support::hold::Hold;
use crate::support::kafka;
use crate::support::orders::Orders;
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, check, eventually};
use crate::support::worker::{Launch, Task};

/// Positions of a stopped connector are set through any worker, and are where its tasks go on.
#[tokio::test(flavor = "multi_thread")]
async fn positions_are_set_by_hand() {
    let stage = Stage::begin("cluster_offsets", 2).await;
    stage.named_topic("configs", 1);
    stage.named_topic("statuses", 5);
    let mut orders = Orders::prepare(&stage, 1).await;
    let group = stage.unique("own_group");
    orders.connector = orders.connector.set("consumer.override.group.id", &group);
    let (first, second) = tokio::join!(start(&stage, "first"), start(&stage, "second"));
    let name = orders.connector.name.clone();
    let topic = orders.topic.name.clone();
    let mut document = orders.connector.document(&stage.database.url(None));
    document["initial_state"] = json!("STOPPED");
    assert_eq!(create(&first, document).await.code, 201);
    orders.writer(&stage, 1).send_good(0, 10, 1).await;

    let path = format!("/connectors/{name}/offsets");
    let at = |offset: Value| at(&topic, offset);
    let rows = async |count: i64| {
        eventually("rows in the table", PATIENCE, || async {
            let rows = stage.database.number("SELECT count(*) FROM orders").await;
            check(rows == count, || format!("{rows} of {count}"))
        })
        .await;
    };
    let shown = async |path: &str| second.rest.get(path).await.body;
    let until = async |verb: &str, state: &str| {
        let answer = first
            .rest
            .put(&format!("/connectors/{name}/{verb}"), None)
            .await;
        assert!(answer.code < 300, "{answer:?}");
        eventually("the connector's state", PATIENCE, || async {
            let status = shown(&format!("/connectors/{name}/status")).await;
            let there = status["connector"]["state"] == state;
            check(there, || status.to_string())
        })
        .await;
    };
    let set = async |offset: Value| {
        let answer = second.rest.patch(&path, at(offset)).await;
        assert_eq!(answer.code, 200, "{}", answer.body);
    };
    assert_eq!(shown(&path).await, json!({"offsets": []}));
    let missing = json!({"offsets": [
        {"partition": {"kafka_topic": topic, "kafka_partition": 7}, "offset": null}]});
    assert_eq!(second.rest.patch(&path, missing).await.code, 400);

    // While anybody is in its group, nothing is changed.
    let member = join(&group, &topic, "classic").await;
    let refused = second
        .rest
        .patch(&path, at(json!({"kafka_offset": 5})))
        .await;
    let told = refused.body["message"].as_str().unwrap_or_default();
    assert_eq!(refused.code, 500, "{told}");
    assert!(
        told.contains("its tasks haven't stopped completely"),
        "{told}"
    );
    assert_eq!(shown(&path).await, json!({"offsets": []}));
    drop(member);
    until_nobody(&group).await;

    // Of ten records the first five are never delivered.
    set(json!({"kafka_offset": 5})).await;
    let committed = kafka::group_offsets(&group, &topic, 1).await;
    assert_eq!(committed[&0].0, 5, "the group's offsets follow");
    until("resume", "RUNNING").await;
    rows(5).await;
    assert_eq!(
        first.rest.get(&path).await.body,
        at(json!({"kafka_offset": 10}))
    );
    assert_eq!(second.rest.patch(&path, at(Value::Null)).await.code, 400);
    eventually("the topic to be listed", PATIENCE, || async {
        let topics = shown(&format!("/connectors/{name}/topics")).await;
        check(topics[&name]["topics"] == json!([topic]), || {
            topics.to_string()
        })
    })
    .await;
    let path_of_progress = format!("/rowdock/connectors/{name}/progress");
    let progress = shown(&path_of_progress).await;
    let partition = &progress["partitions"][0];
    assert_eq!(progress["health"], "well", "{progress}");
    let told = ["lag_records", "lag_seconds", "resets"].map(|key| partition[key].clone());
    assert_eq!(told, [json!(0), json!(0), json!(1)], "{progress}");

    // Back a little, and back to the start.
    until("stop", "STOPPED").await;
    set(json!({"kafka_offset": "8"})).await;
    let progress = shown(&path_of_progress).await;
    let partition = &progress["partitions"][0];
    assert_eq!(partition["lag_records"], json!(2), "{progress}");
    assert!(partition["lag_seconds"].is_i64(), "{progress}");
    until("resume", "RUNNING").await;
    rows(7).await;
    until("stop", "STOPPED").await;
    for worker in [&second, &first] {
        let reset = worker.rest.delete(&path).await;
        assert_eq!(reset.code, 200, "once more changes nothing: {}", reset.body);
        let told = "The offsets for this connector have been reset successfully";
        assert_eq!(reset.body, json!({"message": told}));
    }
    until("resume", "RUNNING").await;
    rows(17).await;
}

/// A change of one partition's position.
fn at(topic: &str, offset: Value) -> Value {
    json!({"offsets": [
        {"partition": {"kafka_topic": topic, "kafka_partition": 0}, "offset": offset}]})
}

/// Brokers describe members of the newer protocol in another answer; they are in the way as well.
#[tokio::test(flavor = "multi_thread")]
async fn members_of_the_newer_group_protocol_are_seen() {
    let stage = Stage::begin("cluster_kip848", 1).await;
    stage.named_topic("configs", 1);
    stage.named_topic("statuses", 5);
    let mut orders = Orders::prepare(&stage, 1).await;
    orders.connector = orders
        .connector
        .set("consumer.override.group.protocol", "consumer");
    let worker = start(&stage, "worker").await;
    let name = orders.connector.name.clone();
    let group = orders.connector.group();
    let document = orders.connector.document(&stage.database.url(None));
    assert_eq!(create(&worker, document).await.code, 201);
    let writer = orders.writer(&stage, 1);
    writer.send_good(0, 10, 1).await;
    let judged = orders.judged(&stage);
    judged.until_rows(10, PATIENCE).await;
    let stop = format!("/connectors/{name}/stop");
    assert_eq!(worker.rest.put(&stop, None).await.code, 204);
    until_nobody(&group).await;

    let path = format!("/connectors/{name}/offsets");
    let stands = at(&orders.topic.name, json!({"kafka_offset": 10}));
    let back = at(&orders.topic.name, json!({"kafka_offset": 4}));
    let member = join(&group, &orders.topic.name, "consumer").await;
    let changed = worker.rest.patch(&path, back.clone()).await;
    let reset = worker.rest.delete(&path).await;
    for refused in [changed, reset] {
        let told = refused.body["message"].as_str().unwrap_or_default();
        assert_eq!(refused.code, 500, "{told}");
        assert!(told.contains("still has members"), "{told}");
    }
    assert_eq!(worker.rest.get(&path).await.body, stands);

    // A task waits for such a member as well: it is no task's.
    let resume = format!("/connectors/{name}/resume");
    assert_eq!(worker.rest.put(&resume, None).await.code, 202);
    eventually("the task to name the member", PATIENCE, || async {
        let tasks = worker.tasks(&orders.connector).await;
        let is_told = |task: &Task| task.trace.contains("members that are not of this program");
        check(tasks.iter().any(is_told), || format!("{tasks:?}"))
    })
    .await;
    assert_eq!(worker.rest.put(&stop, None).await.code, 204);
    drop(member);
    until_nobody(&group).await;
    let changed = worker.rest.patch(&path, back).await;
    assert_eq!(changed.code, 200, "{}", changed.body);
    assert_eq!(worker.rest.put(&resume, None).await.code, 202);
    judged.until_rows(16, PATIENCE).await;
}

/// The database comes first, and the group's offsets follow it: not where it refuses, and however long
/// the group is busy after it has not.
#[tokio::test(flavor = "multi_thread")]
async fn the_group_s_offsets_follow_the_database() {
    let stage = Stage::begin("cluster_offsets_order", 1).await;
    stage.named_topic("configs", 1);
    stage.named_topic("statuses", 5);
    let orders = Orders::prepare(&stage, 1).await;
    let hold = Hold::at(&stage, "offsets::before_group_commit", 0);
    let launch = Launch::new("worker").of_cluster(&stage).hold(&hold);
    let launch = launch.setting("log.level", "info,rowdock::offsets=debug");
    let worker = begin(&stage, launch).await;
    let (name, topic) = (&orders.connector.name, &orders.topic.name);
    let group = orders.connector.group();
    let document = orders.connector.document(&stage.database.url(None));
    assert_eq!(create(&worker, document).await.code, 201);
    orders.writer(&stage, 1).send_good(0, 10, 1).await;
    orders.judged(&stage).until_rows(10, PATIENCE).await;
    let stop = format!("/connectors/{name}/stop");
    assert_eq!(worker.rest.put(&stop, None).await.code, 204);
    until_nobody(&group).await;
    let path = format!("/connectors/{name}/offsets");
    let back = |offset: i64| at(topic, json!({"kafka_offset": offset}));
    let committed = async || kafka::group_offsets(&group, topic, 1).await[&0].0;
    assert_eq!(committed().await, 10);

    for sql in [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'positions may not be changed'; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON rowdock_progress
         FOR EACH ROW EXECUTE FUNCTION refuse()",
    ] {
        stage.database.run(sql).await;
    }
    for answer in [
        worker.rest.patch(&path, back(4)).await,
        worker.rest.delete(&path).await,
    ] {
        assert_eq!(answer.code, 500, "{}", answer.body);
        let told = answer.body["message"].as_str().unwrap_or_default();
        assert!(told.contains("a trigger or function"), "{told}");
        assert!(
            !told.contains("positions may not be changed"),
            "its words are its own: {told}"
        );
    }
    assert_eq!(worker.rest.get(&path).await.body, back(10));
    assert_eq!(committed().await, 10, "the group's offsets are left alone");

    stage
        .database
        .run("DROP TRIGGER refuse ON rowdock_progress")
        .await;
    let busy = async {
        // The database has the position, and somebody joins the group before its offsets are set.
        hold.until_held(PATIENCE).await;
        assert_eq!(worker.rest.get(&path).await.body, back(4));
        let member = join(&group, topic, "classic").await;
        hold.let_go();
        worker
            .until_logged(&["the group's offsets"], PATIENCE)
            .await;
        assert_eq!(committed().await, 10);
        drop(member);
    };
    let (answer, ()) = tokio::join!(worker.rest.patch(&path, back(4)), busy);
    assert_eq!(answer.code, 200, "{}", answer.body);
    assert_eq!(committed().await, 4);
}

async fn until_nobody(group: &str) {
    eventually("nobody in the group", PATIENCE, || async {
        let members = kafka::group_members(group).await;
        check(members == 0, || format!("{members} members"))
    })
    .await;
}

/// A member of a connector's group that is nobody's task.
async fn join(group: &str, topic: &str, protocol: &str) -> BaseConsumer {
    let member: BaseConsumer = kafka::client()
        .set("group.id", group)
        .set("group.protocol", protocol)
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    member.subscribe(&[topic]).unwrap();
    eventually("a member of the group", PATIENCE, || async {
        member.poll(Duration::from_millis(50));
        let members = kafka::group_members(group).await;
        check(members == 1, || format!("{members} members"))
    })
    .await;
    member
}
