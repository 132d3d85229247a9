//! Transforms on the whole way: from Kafka into tables of PostgreSQL.

use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::stage::Stage;
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

/// A chain that filters, routes by a field's move to the topic, and fails on bad records: rows go to
/// tables that are made for them, dropped records move their positions, bad ones become letters
/// with their original bytes.
#[tokio::test(flavor = "multi_thread")]
async fn records_are_routed_filtered_and_kept() {
    let stage = Stage::begin("transformed", 1).await;
    let topic = stage.topic("events", 1).await;
    let letters = stage.topic("letters", 1).await;
    let connector = Connector::of_class("PostgresSink", &stage.unique("transformed"))
        .set("topics", &topic.name)
        .set("auto.create", "true")
        .set("transforms", "cast,drop,route")
        .set("transforms.cast.type", "Cast$Value")
        .set("transforms.cast.spec", "id:int64")
        .set("transforms.drop.type", "Filter")
        .set("transforms.drop.predicate", "ignored")
        .set("transforms.route.type", "RegexRouter")
        .set("transforms.route.regex", ".*")
        .set("transforms.route.replacement", "routed")
        .set("predicates", "ignored")
        .set("predicates.ignored.type", "HasHeaderKey")
        .set("predicates.ignored.name", "ignore")
        .dead_letters(&letters);
    let producer: FutureProducer = kafka::client().create().unwrap();
    for id in 0..20 {
        let value = match id {
            7 => r#"{"id":"seven"}"#.to_owned(),
            _ => format!(r#"{{"id":"{id}","text":"n{id}"}}"#),
        };
        let mut record = FutureRecord::<str, str>::to(&topic.name).payload(&value);
        if id % 5 == 4 {
            let header = rdkafka::message::Header {
                key: "ignore",
                value: Some("1"),
            };
            record = record.headers(OwnedHeaders::new().insert(header));
        }
        producer.send(record, seconds(10)).await.unwrap();
    }
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    let position = format!(
        "SELECT coalesce(max(next_offset), 0) FROM rowdock_progress WHERE topic = '{}' AND partition = 0",
        topic.name
    );
    eventually("all records are accounted for", seconds(30), async || {
        if !stage.database.has_table("rowdock_progress").await {
            return Err("no progress yet".to_owned());
        }
        let next = stage.database.number(&position).await;
        check(next >= 20, || {
            format!("next offset {next}, {}", worker.log())
        })
    })
    .await;
    // 20 records, 4 of them dropped, one bad.
    let rows = "SELECT count(*) FROM routed WHERE text = 'n' || id";
    assert_eq!(stage.database.number(rows).await, 15);
    assert_eq!(
        stage.database.number("SELECT count(*) FROM routed").await,
        15
    );
    let letters = kafka::read_topic(&letters.name, 1).await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    let header = |name: &str| letters[0].headers.get(&format!("__connect.errors.{name}"));
    assert_eq!(header("stage").map(String::as_str), Some("TRANSFORMATION"));
    assert_eq!(header("topic"), Some(&topic.name));
    assert_eq!(header("offset").map(String::as_str), Some("7"));
}
