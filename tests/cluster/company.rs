//! Who is taken for a worker of the cluster, and who is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::json;

use super::{begin, create, idle, start, until_placed};
use crate::support::kafka;
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, check, eventually};
use crate::support::worker::{Launch, Worker};

/// A consumer of another program, and a worker of another cluster, in the group of the workers: they are
/// named, and given nothing.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_given_no_tasks() {
    let stage = Stage::begin("cluster_strangers", 2).await;
    stage.named_topic("configs", 1);
    stage.named_topic("statuses", 5);
    stage.topic("nothing", 3).await;
    let other_configs = stage.named_topic("other_configs", 1).name;
    let worker = start(&stage, "worker").await;
    let group = stage.unique("workers");
    let _stranger = Stranger::join(&group, &stage.unique("configs"));
    eventually("the stranger in the group", PATIENCE, || async {
        let members = kafka::group_members(&group).await;
        check(members == 2, || format!("{members} members"))
    })
    .await;
    // It says what it is in the same status topic.
    let lost = Launch::new("lost").of_cluster(&stage);
    let lost = lost.setting("config.storage.topic", &other_configs);
    let lost = begin(&stage, lost).await;

    assert_eq!(create(&worker, idle(&stage, "three", 3)).await.code, 201);
    until_placed(&worker, "three", 3, &[&worker]).await;
    let strangers = |of: &Worker| {
        let named = ["somebody".to_owned(), of.address.to_string()];
        let mut named: Vec<String> = named.into();
        named.sort();
        named
    };
    until_shown(&worker, &[&worker], &strangers(&lost)).await;
    until_shown(&lost, &[&lost], &strangers(&worker)).await;
    eventually("both to be logged", PATIENCE, || async {
        let told = worker.logged(&["is no worker of this cluster"]);
        check(told.len() == 2, || format!("{told:?}"))
    })
    .await;
    let placement = worker.rest.get("/rowdock/cluster").await.body["placement"].clone();
    let owner = worker.address.to_string();
    assert_eq!(placement, json!({"three": [owner, owner, owner]}));
}

/// A consumer that takes part in every rebalance of a group until it is dropped.
struct Stranger {
    leaves: Arc<AtomicBool>,
    polling: Option<JoinHandle<()>>,
}

impl Stranger {
    fn join(group: &str, topic: &str) -> Self {
        let consumer: BaseConsumer = kafka::client()
            .set("group.id", group)
            .set("client.id", "somebody")
            .set("partition.assignment.strategy", "range")
            .create()
            .unwrap();
        consumer.subscribe(&[topic]).unwrap();
        let leaves = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&leaves);
        let polling = std::thread::spawn(move || {
            while !is_over.load(Ordering::Acquire) {
                consumer.poll(Duration::from_millis(50));
            }
        });
        Self {
            leaves,
            polling: Some(polling),
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.leaves.store(true, Ordering::Release);
        if let Some(polling) = self.polling.take() {
            polling.join().ok();
        }
    }
}

async fn until_shown(asked: &Worker, workers: &[&Worker], strangers: &[String]) {
    let workers = workers.iter().map(|worker| worker.address.to_string());
    let workers: Vec<String> = workers.collect();
    eventually("the cluster as it is", PATIENCE, || async {
        let shown = asked.rest.get("/rowdock/cluster").await.body;
        let names = |list: &str, key: &str| {
            let all = shown[list].as_array().into_iter().flatten();
            let names = all.filter_map(|one| one[key].as_str().map(str::to_owned));
            names.collect::<Vec<String>>()
        };
        let is_shown = names("workers", "worker_id") == workers
            && names("strangers", "client_id") == strangers;
        check(is_shown, || shown.to_string())
    })
    .await;
}

/// Whoever asks a worker that hands its tasks over is told that it is stopping, for as long as that
/// takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_leaves_says_so() {
    let stage = Stage::begin("cluster_leaving", 2).await;
    stage.named_topic("configs", 1);
    stage.named_topic("statuses", 5);
    stage.topic("nothing", 1).await;
    let mut first = start(&stage, "first").await;
    let second = start(&stage, "second").await;
    assert_eq!(create(&first, idle(&stage, "one", 2)).await.code, 201);
    until_placed(&first, "one", 2, &[&first, &second]).await;
    // Nobody takes its tasks over before the second is missed.
    second.freeze().await;
    first.terminate();
    let told = eventually("a word of its stopping", PATIENCE, || async {
        let answer = first.rest.try_call("GET", "/connectors", None).await?;
        check(answer.code == 503, || answer.body.to_string())?;
        Ok(answer.body["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    })
    .await;
    assert!(told.starts_with("the worker is stopping"), "{told}");
    for path in ["/health", "/connectors/one/status", "/rowdock/cluster"] {
        let answer = first.rest.get(path).await;
        assert_eq!(answer.code, 503, "{path}: {}", answer.body);
    }
    let refused = create(&first, idle(&stage, "late", 1)).await;
    assert_eq!(refused.code, 503, "{}", refused.body);
    let status = first.exit(PATIENCE).await;
    assert!(status.success(), "a clean stop: {status}");
    second.thaw().await;
}
