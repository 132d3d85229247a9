//! A log that loses its end: an unclean leader election.

use rdkafka::consumer::Consumer as _;

use super::three_brokers::Brokers;
use crate::kafka_faults::{fails, goes_on};
use crate::support::kafka;
use crate::support::orders::Orders;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{PATIENCE, check, eventually, seconds};
use crate::support::worker::Launch;

const LEADER: i32 = 1;
const FOLLOWER: i32 = 2;

/// What was stored is not in the log any more, and other records stand in its place; when the task comes
/// back, the log is longer than its position again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs three brokers: make chaos"]
async fn filled_anew_while_nobody_reads() {
    let stage = Stage::begin("chaos_truncation", 1).await;
    Brokers::revive().await;
    let topic = stage.named_topic("orders", 1);
    let settings = [
        ("unclean.leader.election.enable", "true"),
        ("min.insync.replicas", "1"),
    ];
    kafka::create_topic_on(&topic.name, &[LEADER, FOLLOWER], &settings).await;
    let orders = Orders::of_topic(&stage, topic).await;
    let topic = &orders.topic;
    let writer = orders.writer(&stage, 1);
    until_led(topic, LEADER, 2).await;
    writer.send_good(0, 40, 1).await;

    Brokers::freeze(FOLLOWER);
    until_led(topic, LEADER, 1).await;
    writer.send_good(40, 40, 1).await;
    let mut worker = Launch::new("earlier")
        .start(&stage, &[&orders.connector])
        .await;
    orders.judged(&stage).healed(&[&worker], PATIENCE).await;
    worker.terminate();
    assert!(worker.exit(seconds(10)).await.success());

    Brokers::kill(LEADER).await;
    Brokers::thaw(FOLLOWER);
    until_led(topic, FOLLOWER, 1).await;
    orders.writer(&stage, 2).send_good(0, 60, 1).await;
    let (_, end) = kafka::watermarks(&topic.name, 0).await;
    stage.tell(format_args!("80 records stored, the log ends at {end}"));
    assert_eq!(end, 100, "the second 40 are lost");

    let worker = Launch::new("later")
        .start(&stage, &[&orders.connector])
        .await;
    fails(&stage, &orders, &worker, "TRUNCATED", 0).await;
    goes_on(&stage, &orders, &worker, Some((0, 40)), 140).await;
    Brokers::start(LEADER).await;
}

/// Waits until this broker leads the topic's partition, with so many replicas in sync.
async fn until_led(topic: &Topic, leader: i32, in_sync: usize) {
    eventually("a leader", 2 * PATIENCE, || async {
        let name = topic.name.clone();
        let found = kafka::with_onlooker(move |consumer| {
            let metadata = consumer.fetch_metadata(Some(&name), seconds(5));
            let metadata = metadata.map_err(|error| error.to_string())?;
            let partition = metadata.topics()[0].partitions().first();
            let partition = partition.ok_or("no partition")?;
            Ok::<_, String>((partition.leader(), partition.isr().len()))
        })
        .await?;
        check(found == (leader, in_sync), || format!("{found:?}"))
    })
    .await;
}
