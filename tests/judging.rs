//! The oracle itself: it must see each kind of wrong that a sink can do.
//!
//! No worker runs here. Statements play a sink that does everything right, and then one mistake.

use serde_json::Value;

use crate::support::kafka;
use crate::support::ledger::{Fate, Sent};
use crate::support::orders::Orders;
use crate::support::producer::Writer;
use crate::support::proxy::{Network, Proxy};
use crate::support::stage::Stage;
use crate::support::wait::{check, eventually, seconds};

/// What the oracle reads of the progress table.
const PROGRESS: &str = "CREATE TABLE rowdock_progress (connector text, topic text, partition int,
    next_offset bigint, claim_id uuid, claim_count bigint DEFAULT 0, generation int DEFAULT 1,
    owner text DEFAULT '')";

struct Played {
    stage: Stage,
    orders: Orders,
}

impl Played {
    /// Ten records in partition 0, of which the first five are stored as they should be.
    async fn begin() -> Self {
        let stage = Stage::begin("judging", 1).await;
        let orders = Orders::prepare(&stage, 1).await;
        for seq in 0..10 {
            stage.ledger.add(Sent {
                topic: orders.topic.name.clone(),
                partition: 0,
                offset: seq,
                producer: 1,
                seq,
                item: seq,
                amount: Some(0),
                fate: Fate::Stored,
            });
        }
        stage.database.run(PROGRESS).await;
        let played = Self { stage, orders };
        let insert = format!(
            "INSERT INTO rowdock_progress (connector, topic, partition, next_offset)
             VALUES ('{}', '{}', 0, 0)",
            played.orders.connector.name, played.orders.topic.name
        );
        played.run(&insert).await;
        played
            .run("UPDATE rowdock_progress SET claim_id = gen_random_uuid()")
            .await;
        played.run(&format!("{}; {}", moved(5), rows(0, 5))).await;
        played
    }

    /// Statements in one transaction.
    async fn run(&self, sql: &str) {
        self.stage
            .database
            .run(&format!("BEGIN; {sql}; COMMIT"))
            .await;
    }

    async fn violations(&self) -> String {
        let judged = self.orders.judged(&self.stage);
        let history = judged.history().await;
        judged.violations(&history).await.join("\n")
    }
}

fn moved(to: i64) -> String {
    format!("UPDATE rowdock_progress SET next_offset = {to}")
}

fn rows(from: i64, to: i64) -> String {
    format!("INSERT INTO orders SELECT 1, n, n, 0 FROM generate_series({from}, {to} - 1) AS n")
}

#[tokio::test(flavor = "multi_thread")]
async fn right_is_right_and_each_wrong_is_seen() {
    let right = format!("{}; {}", moved(10), rows(5, 10));
    let checks = [
        (right.clone(), ""),
        (
            format!("{}; {}", moved(10), rows(5, 9)),
            "1 records lost: (1, 9) at 0@9",
        ),
        (
            format!("{right}; {}", rows(7, 8)),
            "1 records stored more than once: (1, 7) at 0@7",
        ),
        (
            format!("{right}; {}", rows(10, 11)),
            "1 records stored though it should not be: (1, 10) (not in the ledger)",
        ),
        (
            format!("{right}; COMMIT; BEGIN; {}", moved(9)),
            "position stood at Some(10)",
        ),
        (
            format!(
                "{right}; COMMIT; BEGIN; UPDATE rowdock_progress
                 SET claim_id = gen_random_uuid(), next_offset = 11"
            ),
            "position stood at Some(10)",
        ),
        (
            format!("{right}; DELETE FROM rowdock_progress"),
            "position stood at Some(10)",
        ),
        (
            format!("{}; COMMIT; BEGIN; {}", moved(10), rows(5, 10)),
            "that moved None",
        ),
        (
            format!(
                "{}; {}; COMMIT; BEGIN; {}",
                moved(7),
                rows(5, 10),
                moved(10)
            ),
            "that moved Some((5, 7))",
        ),
    ];
    for (statements, expected) in checks {
        let played = Played::begin().await;
        played.run(&statements).await;
        let found = played.violations().await;
        assert_eq!(
            found.is_empty(),
            expected.is_empty(),
            "{statements}\n{found}"
        );
        assert!(found.contains(expected), "{statements}\n{found}");
    }
}

/// A client behind the proxy speaks to the broker through it alone.
#[tokio::test(flavor = "multi_thread")]
async fn kafka_behind_the_proxy_can_be_cut_off() {
    let stage = Stage::begin("proxied_kafka", 1).await;
    let topic = stage.topic("orders", 2).await;
    let proxy = Proxy::to_kafka().await;
    let mut config = kafka::client();
    config.set("bootstrap.servers", proxy.address().to_string());
    config.set("message.timeout.ms", "1500");
    let writer = Writer::with_config(&topic.name, 1, &stage.ledger, &config);
    writer.send_good(0, 100, 2).await;
    assert_eq!(kafka::read_topic(&topic.name, 2).await.len(), 100);
    proxy.set(Network::Cut);
    let refused = writer
        .try_send(&crate::support::producer::Draft::good(100, 2))
        .await;
    assert!(refused.is_err(), "it went round the proxy: {refused:?}");
    proxy.set(Network::Whole);
    eventually("the way to be open again", seconds(20), || async {
        writer
            .try_send(&crate::support::producer::Draft::good(101, 2))
            .await
    })
    .await;
    let read = kafka::read_topic(&topic.name, 2).await;
    let last: Value = serde_json::from_slice(read.last().unwrap().value.as_ref().unwrap()).unwrap();
    check(last["producer"] == 1, || last.to_string()).unwrap();
}
