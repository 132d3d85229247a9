//! The oracle itself: it must see each kind of wrong that a sink can do.
//!
//! No worker runs here. Statements play a sink that does everything right, and then one mistake.

use serde_json::Value;

use crate::support::engine::Engine;
use crate::support::kafka;
use crate::support::ledger::{Fate, Sent};
use crate::support::orders::Orders;
use crate::support::producer::Writer;
use crate::support::proxy::{Network, Proxy};
use crate::support::stage::Stage;
use crate::support::wait::{check, eventually, seconds};

/// PostgreSQL's table is the worker's to create; the others' is there.
const PROGRESS_OF_POSTGRES: &str = include_str!("../connectors/migrations/postgres.sql");

/// A claim of somebody.
const CLAIM: &str = "claim_id = '6f1e1f6c-37a8-4d5e-9c3f-3d1c2b7d0a11'";

struct Played {
    stage: Stage,
    orders: Orders,
}

impl Played {
    /// Ten records in partition 0, of which the first five are stored as they should be.
    async fn begin(engine: Engine) -> Self {
        let stage = Stage::begin_in(engine, "judging", 1).await;
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
        if engine == Engine::Postgres {
            let table = PROGRESS_OF_POSTGRES.replace(":progress_table", "rowdock_progress");
            stage.database.run(&table).await;
        }
        let played = Self { stage, orders };
        let insert = format!(
            "INSERT INTO rowdock_progress
               (cluster_id, connector, topic, topic_id, \"partition\", next_offset, updated_at)
             VALUES ('', '{}', '{}', '', 0, 0, CURRENT_TIMESTAMP)",
            played.orders.connector.name, played.orders.topic.name
        );
        played.run(&insert).await;
        let claim = "claim_id = '93a5bd9c-9f4a-4f4e-8d6b-1a52a4cf7f0e'";
        played
            .run(&format!("UPDATE rowdock_progress SET {claim}"))
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
    let rows: Vec<String> = (from..to).map(|n| format!("(1, {n}, {n}, 0)")).collect();
    let rows = rows.join(", ");
    format!("INSERT INTO orders (producer, seq, item, amount) VALUES {rows}")
}

/// Statements, and what is wrong with them.
fn played() -> Vec<(String, &'static str)> {
    let right = format!("{}; {}", moved(10), rows(5, 10));
    vec![
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
                "{right}; COMMIT; BEGIN; UPDATE rowdock_progress SET {CLAIM}, next_offset = 11"
            ),
            "position stood at Some(10)",
        ),
        (
            format!("{right}; DELETE FROM rowdock_progress"),
            "position stood at Some(10)",
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
    ]
}

async fn judge(engine: Engine, cases: Vec<(String, &str)>) {
    for (statements, expected) in cases {
        let played = Played::begin(engine).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn right_is_right_and_each_wrong_is_seen() {
    for engine in [
        Engine::Postgres,
        Engine::MySql,
        Engine::MariaDb,
        Engine::Sqlite,
    ] {
        judge(engine, played()).await;
    }
}

/// Told by the transaction's number, which SQLite does not have.
#[tokio::test(flavor = "multi_thread")]
async fn rows_behind_the_transaction_of_their_positions_are_seen() {
    let apart = format!("{}; COMMIT; BEGIN; {}", moved(10), rows(5, 10));
    for engine in [Engine::Postgres, Engine::MySql, Engine::MariaDb] {
        judge(engine, vec![(apart.clone(), "that moved None")]).await;
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
