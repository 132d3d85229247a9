//! Connectors that were written for other sinks do here what they did there.

use crate::support::connector::Connector;
use crate::support::oracle::Judged;
use crate::support::producer::{Draft, Load, LoadSpec, Writer};
use crate::support::stage::Stage;
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

/// Debezium's names and defaults: one row per key, deletes, a table named by format.
#[tokio::test(flavor = "multi_thread")]
async fn debezium_upserts_and_deletes() {
    let stage = Stage::begin("debezium", 1).await;
    let topic = stage.topic("items", 3).await;
    let table =
        "CREATE TABLE items (item bigint PRIMARY KEY, producer int, seq bigint, amount bigint)";
    stage.database.run(table).await;
    let class = "io.debezium.connector.jdbc.JdbcSinkConnector";
    let connector = Connector::of_class(class, &stage.unique("items"))
        .set("topics", &topic.name)
        .set("collection.name.format", "items")
        .set("insert.mode", "upsert")
        .set("primary.key.mode", "record_key")
        .set("primary.key.fields", "item")
        .set("delete.enabled", "true")
        .set("schema.evolution", "none")
        .set("quote.identifiers", "true")
        .set("use.reduction.buffer", "true");
    let spec = LoadSpec {
        items: 100,
        delete_every: 5,
        seed: stage.seed,
        ..LoadSpec::append(1000, 3)
    };
    let load = Load::start(&topic.name, &stage.ledger, spec);
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    eventually("a thousand records", seconds(20), || async {
        let sent = stage.ledger.len();
        check(sent >= 1000, || sent.to_string())
    })
    .await;
    load.finish().await;
    let judged = Judged {
        stage: &stage,
        connector: &connector,
        topic: &topic,
        table: "items",
    };
    judged.until_folded(seconds(20)).await;
    worker
        .until_logged(&["use.reduction.buffer has no effect"], seconds(1))
        .await;
}

/// A Confluent config: a topic with a dot is a table in a schema, and the address of the database
/// comes from a config provider and is never seen.
#[tokio::test(flavor = "multi_thread")]
async fn confluent_appends_into_a_schema_with_its_url_from_a_file() {
    let stage = Stage::begin("confluent", 1).await;
    let topic = stage.topic("shop.orders", 2).await;
    let schema = topic.name.trim_end_matches(".orders");
    let orders = format!("{schema}.orders");
    stage
        .database
        .run(&format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {orders} (item bigint, producer int, seq bigint, amount bigint)"
        ))
        .await;
    let secrets = stage.folder().join("secrets.properties");
    let url = stage.database.url(None);
    std::fs::write(&secrets, format!("url={url}\n")).unwrap();
    let class = "io.confluent.connect.jdbc.JdbcSinkConnector";
    let connector = Connector::of_class(class, &stage.unique("orders"))
        .set("topics", &topic.name)
        .set(
            "connection.url",
            &format!("${{file:{}:url}}", secrets.display()),
        );
    let writer = Writer::new(&topic.name, 1, &stage.ledger);
    writer
        .send_all((0..100).map(|seq| Draft::good(seq, 2)))
        .await;
    let worker = Launch::new("worker")
        .setting("config.providers", "file")
        .setting("config.providers.file.class", "FileConfigProvider")
        .start(&stage, &[&connector])
        .await;
    eventually("all rows", seconds(20), || async {
        let rows = stage
            .database
            .number(&format!("SELECT count(*) FROM {orders}"))
            .await;
        check(rows == 100, || rows.to_string())
    })
    .await;
    worker.until_tasks(&connector, "RUNNING", seconds(5)).await;
    assert!(!worker.log().contains(&url), "the value was logged");
}
