//! Topics and partitions that come later are found within `metadata.max.age.ms`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::cluster::until_healthy;
use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::oracle::Judged;
use crate::support::producer::Writer;
use crate::support::stage::Stage;
use crate::support::wait::seconds;
use crate::support::worker::Launch;

const MAX_AGE_MS: &str = "2000";

/// What all others have: so long that nothing would be found before the test has ended.
const OTHERS_MAX_AGE_MS: &str = "3600000";

/// The group settles anew for each discovery, which takes a busy machine its time. Far below the age
/// of all others, so it hides nothing.
const FOUND_WITHIN: Duration = seconds(240);

#[tokio::test(flavor = "multi_thread")]
async fn topics_of_a_pattern_and_partitions() {
    let stage = Stage::begin("discovery", 2).await;
    stage.named_topic("configs", 1);
    stage.named_topic("statuses", 5);
    let first = stage.topic("orders_first", 2).await;
    stage.database.create_append_table("orders").await;
    let connector = Connector::append(&stage, &first, "orders")
        .without("topics")
        .set("topics.regex", &format!("{}.*", stage.unique("orders_")))
        .set("tasks.max", "2")
        .set("consumer.override.metadata.max.age.ms", MAX_AGE_MS);
    let launches = ["first", "second"].map(|name| {
        Launch::new(name)
            .of_cluster(&stage)
            .setting("consumer.metadata.max.age.ms", OTHERS_MAX_AGE_MS)
    });
    let [one, other] = launches.map(|launch| launch.start(&stage, &[]));
    let workers = tokio::join!(one, other);
    until_healthy(&workers.0).await;
    until_healthy(&workers.1).await;
    let mut document = connector.document(&stage.database.url(None));
    document["config"]["name"] = json!(connector.name);
    assert_eq!(
        workers
            .0
            .rest
            .post("/connectors", Some(document))
            .await
            .code,
        201
    );
    let judged = |topic| Judged {
        stage: &stage,
        connector: &connector,
        topic,
        table: "orders",
    };
    let send = async |topic: &str, producer, partitions| {
        let writer = Writer::new(topic, producer, &stage.ledger);
        writer.send_good(0, 60, partitions).await;
    };
    send(&first.name, 1, 2).await;
    judged(&first).until_caught_up(FOUND_WITHIN).await;

    let second = stage.topic("orders_second", 3).await;
    send(&second.name, 2, 3).await;
    let begun = Instant::now();
    judged(&second).until_caught_up(FOUND_WITHIN).await;
    stage.tell(format_args!(
        "a new topic was found after {:?}",
        begun.elapsed()
    ));

    kafka::grow_topic(&first.name, 6).await;
    send(&first.name, 3, 6).await;
    let begun = Instant::now();
    judged(&first).until_caught_up(FOUND_WITHIN).await;
    stage.tell(format_args!(
        "new partitions were found after {:?}",
        begun.elapsed()
    ));
}
