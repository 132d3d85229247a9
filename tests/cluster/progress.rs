//! What the progress page says of a connector that reads nothing, and why.

use serde_json::{Value, json};

use super::{create, start};
use crate::support::kafka;
use crate::support::orders::Orders;
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, check, eventually};
use crate::support::worker::Worker;

/// Topics that do not exist are told, and partitions that nobody has begun with, with what waits there.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_read_is_told() {
    let stage = Stage::begin("cluster_progress", 1).await;
    stage.named_topic("configs", 1);
    stage.named_topic("statuses", 5);
    let mut orders = Orders::prepare(&stage, 2).await;
    let missing = stage.named_topic("missing", 1).name;
    let topics = format!("{},{missing}", orders.topic.name);
    orders.connector = orders
        .connector
        .set("topics", &topics)
        .set("consumer.override.metadata.max.age.ms", "1000");
    let worker = start(&stage, "worker").await;
    orders.writer(&stage, 1).send_good(0, 6, 2).await;
    let name = orders.connector.name.clone();
    let mut document = orders.connector.document(&stage.database.url(None));
    document["initial_state"] = json!("STOPPED");
    assert_eq!(create(&worker, document).await.code, 201);

    let told = until(&worker, &name, |told| told["lag_records"] == 6).await;
    assert_eq!(told["health"], "STOPPED", "{told}");
    assert_eq!(told["missing_topics"], json!([missing]), "{told}");
    let partitions = told["partitions"].as_array().unwrap();
    let shown: Vec<[&Value; 4]> = partitions
        .iter()
        .map(|one| ["partition", "position", "lag_records", "owner"].map(|key| &one[key]))
        .collect();
    let [three, null] = [json!(3), Value::Null];
    let first = [&json!(0), &json!(0), &three, &null];
    let second = [&json!(1), &json!(0), &three, &null];
    assert_eq!(shown, [first, second], "{told}");

    // What is there is read, and the topic that is not there is why not all is well.
    let resume = format!("/connectors/{name}/resume");
    assert_eq!(worker.rest.put(&resume, None).await.code, 202);
    orders.judged(&stage).until_rows(6, PATIENCE).await;
    let told = until(&worker, &name, |told| told["health"] == "retrying").await;
    assert_eq!(told["missing_topics"], json!([missing]), "{told}");
    let error = told["partitions"][0]["error"].as_str().unwrap_or_default();
    assert!(error.contains(&missing), "{error}");

    kafka::create_topic(&missing, 1, &[]).await;
    until(&worker, &name, |told| {
        let partitions = told["partitions"].as_array().map_or(0, Vec::len);
        told["health"] == "well" && told["missing_topics"] == json!([]) && partitions == 3
    })
    .await;
}

async fn until(worker: &Worker, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/rowdock/connectors/{name}/progress");
    eventually("the connector's progress", PATIENCE, || async {
        let told = worker.rest.get(&path).await.body;
        check(wanted(&told), || told.to_string())?;
        Ok(told)
    })
    .await
}
