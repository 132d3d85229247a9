//! Where a connector stands, set by hand.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::{Value, json};

use super::{create, start};
use crate::support::kafka;
use crate::support::orders::Orders;
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, check, eventually};

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
    let at = |offset: Value| {
        json!({"offsets": [
        {"partition": {"kafka_topic": topic, "kafka_partition": 0}, "offset": offset}]})
    };
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
    let member = join(&group, &topic).await;
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
    eventually("nobody in the group", PATIENCE, || async {
        let members = kafka::group_members(&group).await;
        check(members == 0, || format!("{members} members"))
    })
    .await;

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

/// A member of a connector's group that is nobody's task.
async fn join(group: &str, topic: &str) -> BaseConsumer {
    let member: BaseConsumer = kafka::client()
        .set("group.id", group)
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
