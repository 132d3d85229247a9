//! Topics and groups change under a connector: truncated, expired, recreated, grown, reset.
//!
//! What would lose records without a word elsewhere stops the task here and says so; what users do
//! to the consumer group is ignored, since positions live in the database.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::connector::Connector;
use crate::support::engine::Engine;
use crate::support::kafka;
use crate::support::oracle::Judged;
use crate::support::orders::Orders;
use crate::support::producer::{Draft, Load, LoadSpec, transaction};
use crate::support::proxy::Proxy;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{PATIENCE, check, eventually, seconds};
use crate::support::worker::{Launch, Worker};

const REFRESH: &str = "consumer.override.topic.metadata.refresh.interval.ms";

/// A worker has stored 120 records of 3 partitions, and was stopped.
async fn stored_and_stopped(stage: &Stage) -> Orders {
    let orders = Orders::prepare(stage, 3).await;
    orders.writer(stage, 1).send_good(0, 120, 3).await;
    let mut worker = Launch::new("earlier")
        .start(stage, &[&orders.connector])
        .await;
    orders.judged(stage).healed(&[&worker], seconds(20)).await;
    worker.terminate();
    assert!(worker.exit(seconds(10)).await.success());
    orders
}

async fn start(stage: &Stage, orders: &Orders) -> Worker {
    Launch::new("later")
        .start(stage, &[&orders.connector])
        .await
}

/// Waits until the task has failed with this code at this partition; its position must stand.
pub(crate) async fn fails(
    stage: &Stage,
    orders: &Orders,
    worker: &Worker,
    code: &str,
    partition: i32,
) {
    let before = orders.judged(stage).positions().await;
    let tasks = worker
        .until_tasks(&orders.connector, "FAILED", seconds(15))
        .await;
    let trace = &tasks[0].trace;
    stage.tell(trace);
    for part in [code, &orders.topic.name, &partition.to_string()] {
        assert!(trace.contains(part), "no {part:?} in the trace: {trace}");
    }
    let after = orders.judged(stage).positions().await;
    assert_eq!(before[&partition], after[&partition], "silently reset");
}

/// Does what the messages advise: the connector goes on at that offset of the partition, or, without
/// one, at the beginning of its topic. Then there are so many rows, none of them twice.
pub(crate) async fn goes_on(
    stage: &Stage,
    orders: &Orders,
    worker: &Worker,
    at: Option<(i32, i64)>,
    rows: i64,
) {
    let path = format!("/connectors/{}", orders.connector.name);
    let rest = &worker.rest;
    assert_eq!(rest.put(&format!("{path}/stop"), None).await.code, 204);
    let offsets = format!("{path}/offsets");
    eventually("offsets to be set", PATIENCE, || async {
        let answer = match at {
            Some((partition, offset)) => {
                let partition =
                    json!({"kafka_topic": orders.topic.name, "kafka_partition": partition});
                let offset = json!({"kafka_offset": offset});
                let change = json!({"offsets": [{"partition": partition, "offset": offset}]});
                rest.patch(&offsets, change).await
            }
            None => rest.delete(&offsets).await,
        };
        // Its tasks may be on their way out.
        check(answer.code == 200, || answer.body.to_string())
    })
    .await;
    assert_eq!(rest.put(&format!("{path}/resume"), None).await.code, 202);
    orders.judged(stage).until_rows(rows, PATIENCE).await;
    let database = &stage.database;
    let sql = "SELECT count(*) + count(DISTINCT (producer, seq)) FROM orders";
    assert_eq!(database.number(sql).await, 2 * rows, "rows twice");
    let kept = "SELECT count(*) FROM rowdock_progress WHERE cluster_id LIKE '%/reset/%'";
    assert_ne!(database.number(kept).await, 0, "what stood there is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn truncated_below_the_position() {
    let stage = Stage::begin("truncated", 1).await;
    let orders = stored_and_stopped(&stage).await;
    // What an unclean leader election leaves behind: the log ends below the stored position.
    let sql = "UPDATE rowdock_progress SET next_offset = next_offset + 100 WHERE partition = 1";
    stage.database.run(sql).await;
    let worker = start(&stage, &orders).await;
    fails(&stage, &orders, &worker, "TRUNCATED", 1).await;
    orders.writer(&stage, 2).send_good(0, 30, 3).await;
    goes_on(&stage, &orders, &worker, Some((1, 40)), 150).await;
}

/// What a record says is not what was produced: nothing of it is stored, and it is not passed over.
#[tokio::test(flavor = "multi_thread")]
async fn harmed_on_the_way() {
    let stage = Stage::begin("harmed", 1).await;
    let orders = Orders::prepare(&stage, 1).await;
    let way = Proxy::to_kafka_harming("7654321", "7654320").await;
    let writer = orders.writer(&stage, 1);
    let drafts = (0..6).map(|seq| Draft::good(seq, 1));
    for mut draft in drafts {
        if draft.seq == 3 {
            draft.amount = Some(7_654_321);
        }
        // Each is a batch of its own.
        writer.send_all([draft]).await;
    }
    let worker = Launch::new("harmed")
        .kafka(&way)
        .start(&stage, &[&orders.connector])
        .await;
    let tasks = worker
        .until_tasks(&orders.connector, "FAILED", seconds(30))
        .await;
    let trace = &tasks[0].trace;
    let place = format!("topic {}, partition 0: DAMAGED: ", orders.topic.name);
    assert!(
        trace.starts_with(&place) && trace.contains("offset 3 "),
        "{trace}"
    );
    let positions = orders.judged(&stage).positions().await;
    assert_eq!(positions[&0], 3, "what was before it is stored");
    drop(worker);
    // By a way that does no harm all of it can be read.
    let worker = start(&stage, &orders).await;
    orders.judged(&stage).healed(&[&worker], PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_while_stopped() {
    let stage = Stage::begin("expired", 1).await;
    let orders = stored_and_stopped(&stage).await;
    orders.writer(&stage, 2).send_good(0, 120, 3).await;
    kafka::delete_records(&orders.topic.name, 1, 60).await;
    let worker = start(&stage, &orders).await;
    fails(&stage, &orders, &worker, "DATA_EXPIRED", 1).await;
    // 40 to 60 of 240 records are gone.
    goes_on(&stage, &orders, &worker, Some((1, 60)), 220).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_up_to_the_position_only() {
    let stage = Stage::begin("expired_behind", 1).await;
    let orders = stored_and_stopped(&stage).await;
    kafka::delete_records(&orders.topic.name, 1, 40).await;
    orders.writer(&stage, 2).send_good(0, 30, 3).await;
    let worker = start(&stage, &orders).await;
    orders.judged(&stage).healed(&[&worker], seconds(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recreated_while_stopped() {
    for (name, partitions) in [("recreated_same", 3), ("recreated_fewer", 2)] {
        let stage = Stage::begin(name, 1).await;
        let orders = stored_and_stopped(&stage).await;
        let topic = orders.topic.name.as_str();
        kafka::delete_topics(&[topic]).await;
        kafka::create_topic(topic, partitions, &[]).await;
        // Longer than the old one, so that no offset alone tells the two apart.
        orders.writer(&stage, 2).send_good(0, 300, partitions).await;
        let worker = start(&stage, &orders).await;
        fails(&stage, &orders, &worker, "TOPIC_RECREATED", 0).await;
        let rows = stage.database.number("SELECT count(*) FROM orders").await;
        assert_eq!(
            rows, 120,
            "rows of the new topic were taken for the old one's"
        );
        goes_on(&stage, &orders, &worker, None, 420).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recreated_under_a_running_task() {
    let stage = Stage::begin("recreated_live", 1).await;
    let mut orders = Orders::prepare(&stage, 3).await;
    orders.connector = orders.connector.set(REFRESH, "1000");
    orders.writer(&stage, 1).send_good(0, 120, 3).await;
    let worker = start(&stage, &orders).await;
    orders.judged(&stage).healed(&[&worker], seconds(20)).await;
    let topic = orders.topic.name.as_str();
    kafka::delete_topics(&[topic]).await;
    kafka::create_topic(topic, 3, &[]).await;
    orders.writer(&stage, 2).send_good(0, 300, 3).await;
    fails(&stage, &orders, &worker, "TOPIC_RECREATED", 0).await;
    let rows = stage.database.number("SELECT count(*) FROM orders").await;
    assert_eq!(
        rows, 120,
        "rows of the new topic were taken for the old one's"
    );
}

/// The new topic is longer than the old one when the worker looks again, so that no offset tells
/// the two apart, and the look that is taken every few seconds never happens.
#[tokio::test(flavor = "multi_thread")]
async fn recreated_and_refilled_behind_a_running_task() {
    let stage = Stage::begin("recreated_behind", 1).await;
    let orders = Orders::prepare(&stage, 3).await;
    orders.writer(&stage, 1).send_good(0, 120, 3).await;
    let worker = Launch::new("worker")
        .failpoint("write::check_topics", "return")
        .start(&stage, &[&orders.connector])
        .await;
    orders.judged(&stage).healed(&[&worker], seconds(20)).await;
    worker.freeze().await;
    let topic = orders.topic.name.as_str();
    kafka::delete_topics(&[topic]).await;
    kafka::create_topic(topic, 3, &[]).await;
    orders.writer(&stage, 2).send_good(0, 300, 3).await;
    worker.thaw().await;
    fails(&stage, &orders, &worker, "TOPIC_RECREATED", 0).await;
    let rows = stage.database.number("SELECT count(*) FROM orders").await;
    assert_eq!(
        rows, 120,
        "rows of the new topic were taken for the old one's"
    );
}

/// Only partitions that were there at the first start may begin at the end.
#[tokio::test(flavor = "multi_thread")]
async fn grown_under_load_with_start_at_the_end() {
    let stage = Stage::begin("grown", 2).await;
    let mut orders = Orders::prepare(&stage, 3).await;
    orders.connector = orders
        .connector
        .set("consumer.override.auto.offset.reset", "latest")
        .set(REFRESH, "1000");
    orders.writer(&stage, 3).send_good(0, 90, 3).await;
    for partition in 0..3 {
        stage.ledger.starts_at(&orders.topic.name, partition, 30);
    }
    let connectors = [&orders.connector];
    let first = Launch::new("first").start(&stage, &connectors).await;
    let judged = orders.judged(&stage);
    let starts = BTreeMap::from([(0, 30), (1, 30), (2, 30)]);
    judged.until_positions(&starts, seconds(20)).await;
    let load = orders.load(&stage, 200);
    let second = Launch::new("second").start(&stage, &connectors).await;
    kafka::grow_topic(&orders.topic.name, 7).await;
    let spec = LoadSpec {
        producer: 2,
        ..LoadSpec::append(200, 7)
    };
    let grown = Load::start(&orders.topic.name, &stage.ledger, spec);
    judged
        .until_positions(&BTreeMap::from([(3, 20), (6, 20)]), seconds(20))
        .await;
    load.finish().await;
    grown.finish().await;
    judged.healed(&[&first, &second], seconds(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn group_s_offsets_reset_or_deleted() {
    let stage = Stage::begin("group_reset", 1).await;
    let orders = stored_and_stopped(&stage).await;
    let judged = orders.judged(&stage);
    let (group, topic) = (orders.connector.group(), orders.topic.name.as_str());
    kafka::commit_group_offsets(&group, topic, &[(0, 0), (1, 7), (2, 0)]).await;
    orders.writer(&stage, 2).send_good(0, 30, 3).await;
    let mut worker = start(&stage, &orders).await;
    judged.healed(&[&worker], seconds(20)).await;
    let warning = worker
        .until_logged(&["WARN", "set by someone else"], seconds(5))
        .await;
    stage.tell(format_args!("reset: {warning}"));
    worker.terminate();
    assert!(worker.exit(seconds(10)).await.success());
    kafka::delete_group(&group).await;
    orders.writer(&stage, 3).send_good(0, 30, 3).await;
    let worker = Launch::new("after_deletion")
        .start(&stage, &[&orders.connector])
        .await;
    judged.healed(&[&worker], seconds(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_into_postgres() {
    transactions_committed_and_aborted(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_into_sqlite() {
    transactions_committed_and_aborted(Engine::Sqlite).await;
}

/// Aborted records are not seen, markers are no records, and the end of a log may be either.
async fn transactions_committed_and_aborted(engine: Engine) {
    let stage = Stage::begin_in(engine, "transactions", 2).await;
    let mut orders = Orders::prepare(&stage, 3).await;
    orders.connector = orders
        .connector
        .set("consumer.override.isolation.level", "read_committed");
    let connectors = [&orders.connector];
    let first = Launch::new("first").start(&stage, &connectors).await;
    let mut random = stage.random();
    let mut seq = 0;
    // The last transaction is an aborted one, on every partition.
    for number in 0..8 {
        let count = random.i64(3..40);
        let drafts = (seq..seq + count).map(|seq| Draft::good(seq, 3)).collect();
        let commit = number != 7 && random.bool();
        transaction(&orders.topic.name, 1, &stage.ledger, drafts, commit).await;
        seq += count;
    }
    let second = Launch::new("second").start(&stage, &connectors).await;
    let ends = high_watermarks(&orders.topic).await;
    let judged = orders.judged(&stage);
    judged.until_positions(&ends, seconds(20)).await;
    assert_eq!(judged.positions().await, ends);
    judged.verify().await;
    for worker in [&first, &second] {
        worker
            .until_tasks(&orders.connector, "RUNNING", seconds(5))
            .await;
    }
}

/// A marker is the last thing in the log; retention removes everything; a position that stood
/// before the marker would look expired.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_then_idle_then_retention_then_restart() {
    let stage = Stage::begin("idle_retention", 1).await;
    let orders = Orders::prepare(&stage, 3).await;
    let topic = &orders.topic;
    let drafts = (0..60).map(|seq| Draft::good(seq, 3)).collect();
    transaction(&topic.name, 1, &stage.ledger, drafts, true).await;
    let mut worker = start(&stage, &orders).await;
    let judged = orders.judged(&stage);
    let ends = high_watermarks(topic).await;
    judged.until_positions(&ends, seconds(20)).await;
    worker.terminate();
    assert!(worker.exit(seconds(10)).await.success());
    for (partition, end) in &ends {
        kafka::delete_records(&topic.name, *partition, *end).await;
    }
    stage.tell(format_args!(
        "everything expired, positions stand at {ends:?}"
    ));
    let worker = Launch::new("after_retention")
        .start(&stage, &[&orders.connector])
        .await;
    let drafts = (60..90).map(|seq| Draft::good(seq, 3)).collect();
    transaction(&topic.name, 1, &stage.ledger, drafts, true).await;
    judged.healed(&[&worker], seconds(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compacted_topic_into_postgres() {
    compacted_topic_with_gaps(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compacted_topic_into_sqlite() {
    compacted_topic_with_gaps(Engine::Sqlite).await;
}

/// Compaction leaves gaps between offsets.
async fn compacted_topic_with_gaps(engine: Engine) {
    let stage = Stage::begin_in(engine, "compacted", 1).await;
    let settings = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("segment.ms", "200"),
        ("max.compaction.lag.ms", "500"),
    ];
    let topic = stage.topic_with("items", 2, &settings).await;
    stage
        .database
        .run(
            "CREATE TABLE items (item bigint PRIMARY KEY, producer int, seq bigint, amount bigint)",
        )
        .await;
    let connector = Connector::upsert(&stage, &topic, "items");
    let writer = crate::support::producer::Writer::new(&topic.name, 1, &stage.ledger);
    let sent = 400;
    eventually("compaction", seconds(20), || async {
        // Each round closes a segment, which the cleaner may then take.
        let first = i64::try_from(stage.ledger.len()).unwrap();
        let round = first..first + sent;
        writer
            .send_all(round.map(|seq| Draft::about(seq, seq % 16, 2)))
            .await;
        let left = kafka::read_topic(&topic.name, 2).await.len();
        check(left < stage.ledger.len() / 2, || {
            format!("{left} records left")
        })
    })
    .await;
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    let judged = Judged {
        stage: &stage,
        connector: &connector,
        topic: &topic,
        table: "items",
    };
    judged.until_folded(seconds(20)).await;
    worker.until_tasks(&connector, "RUNNING", seconds(5)).await;
}

async fn high_watermarks(topic: &Topic) -> BTreeMap<i32, i64> {
    let mut ends = BTreeMap::new();
    for partition in 0..topic.partitions {
        ends.insert(partition, kafka::watermarks(&topic.name, partition).await.1);
    }
    ends
}
