//! A worker that may do in Kafka what `docker/README.md` lists and nothing else does all of its work;
//! one that may do less says what it lacks.

use crate::cluster::until_healthy;
use crate::support::kafka;
use crate::support::orders::Orders;
use crate::support::producer::{Draft, Poison};
use crate::support::rights::Resource::{Cluster, Group, Topic, TransactionalId};
use crate::support::rights::Right::{Create, Describe, DescribeConfigs, Read, Write};
use crate::support::rights::{give, take};
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, check, eventually};
use crate::support::worker::Worker;
use crate::tokens::{Endpoint, SECRET, launch};

const CLERK: &str = "clerk";

async fn start(stage: &Stage, endpoint: &Endpoint) -> Worker {
    let launch = launch(endpoint, SECRET).of_cluster(stage);
    launch.start(stage, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_are_documented_are_enough() {
    let stage = Stage::begin("rights", 2).await;
    let mut orders = Orders::prepare(&stage, 2).await;
    let letters = stage.named_topic("letters", 1);
    orders.connector = orders
        .connector
        .dead_letters(&letters)
        .set("consumer.override.metadata.max.age.ms", "1000");
    let configs = stage.named_topic("configs", 1).name;
    let statuses = stage.named_topic("statuses", 5).name;
    let endpoint = Endpoint::start(CLERK);
    let ends_with = async |words: &str| {
        let mut worker = start(&stage, &endpoint).await;
        assert!(!worker.exit(PATIENCE).await.success());
        assert_eq!(worker.logged(&[words]).len(), 1, "{}", worker.log());
    };
    ends_with(&format!("the worker may not describe topic {configs}")).await;
    give(CLERK, &[(Topic(&configs), &[Describe])]);
    ends_with(&format!("the worker may not create topic {configs}")).await;

    // Both topics can be made and looked at, and nothing else.
    let workers = stage.unique("workers");
    let seen = [Describe, DescribeConfigs, Create];
    give(
        CLERK,
        &[
            (Topic(&configs), &seen),
            (Topic(&statuses), &seen),
            (Cluster, &[Describe]),
        ],
    );
    let worker = start(&stage, &endpoint).await;
    let tells = async |code: u16, words: &[String]| {
        eventually("a word of what is lacking", PATIENCE, || async {
            let answer = worker.rest.try_call("GET", "/health", None).await?;
            let told = answer.body["message"].as_str().unwrap_or_default();
            let all = words.iter().all(|words| told.contains(words));
            check(answer.code == code && all, || answer.body.to_string())
        })
        .await;
    };
    let lacks_read = |topic| format!("the worker may not read topic {topic}: allow Read on it");
    let lacks_group = format!(
        "the worker may not be a member of group {workers} (group.id): allow Read and Describe on it"
    );
    tells(
        503,
        &[lacks_read(&configs), lacks_read(&statuses), lacks_group],
    )
    .await;
    let starting = worker.rest.get("/connectors").await;
    assert_eq!(starting.code, 503, "{}", starting.body);
    let told = starting.body["message"].as_str().unwrap_or_default();
    assert!(told.contains(&lacks_read(&configs)), "{told}");

    // What was lacking is noticed while it runs, from here on.
    give(
        CLERK,
        &[
            (Topic(&configs), &[Read]),
            (Topic(&statuses), &[Read]),
            (Group(&workers), &[Read, Describe]),
            (Topic(&letters.name), &[Describe, Write, Create]),
        ],
    );
    let lacks_write = format!("the worker may not write to topic {statuses}: allow Write on it");
    tells(500, &[lacks_write]).await;
    give(CLERK, &[(Topic(&statuses), &[Write])]);
    until_healthy(&worker).await;
    // And so is what is taken away again.
    for topic in [&configs, &statuses] {
        take(CLERK, Topic(topic), Read);
        tells(500, &[lacks_read(topic)]).await;
        give(CLERK, &[(Topic(topic), &[Read])]);
        until_healthy(&worker).await;
    }

    let document = orders.connector.document(&stage.database.url(None));
    let is_refused = async |words: &str| {
        let document = Some(document.clone());
        let refused = worker.rest.post("/connectors", document).await;
        assert_eq!(refused.code, 503, "{}", refused.body);
        let told = refused.body["message"].as_str().unwrap_or_default();
        assert!(told.contains(words), "{told}");
    };
    let writer_id = format!("connect-cluster-{workers}");
    is_refused(&format!(
        "the worker may not use the transactional id {writer_id}: allow Write and Describe on it"
    ))
    .await;
    give(CLERK, &[(TransactionalId(&writer_id), &[Describe, Write])]);
    is_refused("the worker may not write to the config topic: allow Write on it").await;
    give(CLERK, &[(Topic(&configs), &[Write])]);
    eventually("the connector to be created", PATIENCE, || async {
        let document = Some(document.clone());
        let answer = worker
            .rest
            .try_call("POST", "/connectors", document)
            .await?;
        check(answer.code == 201, || answer.body.to_string())
    })
    .await;
    // The connector's own rights: what is lacking is said by its task, and it goes on once it is given.
    let lacks = async |words: &str| {
        let name = &orders.connector.name;
        eventually("the task to say what it lacks", PATIENCE, || async {
            let path = format!("/rowdock/connectors/{name}/progress");
            let progress = worker.rest.get(&path).await.body;
            let tasks = worker.tasks(&orders.connector).await;
            let says = tasks.iter().any(|task| task.trace.contains(words));
            let is_seen = progress["health"] == "retrying";
            check(says && is_seen, || format!("{tasks:?} {progress}"))
        })
        .await;
    };
    let (topic, group) = (orders.topic.name.as_str(), orders.connector.group());
    lacks(&format!(
        "group {group} may not be used: allow Read and Describe on it"
    ))
    .await;
    give(CLERK, &[(Group(&group), &[Describe])]);
    lacks("Topic authorization failed").await;
    give(CLERK, &[(Topic(topic), &[Describe])]);
    lacks("Group authorization failed").await;
    give(CLERK, &[(Group(&group), &[Read])]);
    lacks("Fetch").await;
    give(CLERK, &[(Topic(topic), &[Read])]);

    let writer = orders.writer(&stage, 1);
    writer.send_good(0, 200, 2).await;
    writer
        .send_all([Draft::good(200, 2).poisoned(Poison::Malformed)])
        .await;
    orders.judged(&stage).healed(&[&worker], PATIENCE).await;
    assert_eq!(kafka::read_topic(&letters.name, 1).await.len(), 1);

    let root = format!("/connectors/{}", orders.connector.name);
    let stopped = worker.rest.put(&format!("{root}/stop"), None).await;
    assert_eq!(stopped.code, 204, "{}", stopped.body);
    eventually("the offsets to be reset", PATIENCE, || async {
        let path = format!("{root}/offsets");
        let answer = worker.rest.try_call("DELETE", &path, None).await?;
        check(answer.code == 200, || answer.body.to_string())
    })
    .await;
}
