//! Dead letters of every stage, what they carry, and what happens when they cannot be sent.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::orders::Orders;
use crate::support::producer::{Draft, Poison};
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

const PREFIX: &str = "__connect.errors.";

/// Key, value and value of the header `h`.
type Raw = (&'static str, &'static str, &'static str);

async fn send(topic: &Topic, records: &[Raw]) {
    let producer: FutureProducer = kafka::client().create().unwrap();
    for (key, value, header) in records {
        let headers = OwnedHeaders::new().insert(Header {
            key: "h",
            value: Some(*header),
        });
        let record = FutureRecord::to(&topic.name)
            .partition(0)
            .key(*key)
            .payload(*value)
            .headers(headers);
        let sent = producer.send(record, seconds(10)).await;
        sent.map_err(|(error, _)| error).unwrap();
    }
}

/// Offsets of the records that each stage refuses, with the class that it names.
const REFUSED: [(&str, &str, &str); 5] = [
    (
        "1",
        "KEY_CONVERTER",
        "org.apache.kafka.connect.converters.LongConverter",
    ),
    (
        "2",
        "VALUE_CONVERTER",
        "org.apache.kafka.connect.json.JsonConverter",
    ),
    (
        "3",
        "HEADER_CONVERTER",
        "org.apache.kafka.connect.json.JsonConverter",
    ),
    (
        "4",
        "TRANSFORMATION",
        "org.apache.kafka.connect.transforms.Cast$Value",
    ),
    ("5", "TASK_PUT", "org.apache.kafka.connect.sink.SinkTask"),
];

/// As they are named and filled by Kafka Connect's `DeadLetterQueueReporter`; the topic is created
/// by the worker.
#[tokio::test(flavor = "multi_thread")]
async fn every_stage_is_told_with_its_class() {
    let stage = Stage::begin("letter_stages", 1).await;
    let topic = stage.topic("records", 1).await;
    let letters = stage.named_topic("letters", 1);
    let sql = "CREATE TABLE stages (id bigint NOT NULL, amount bigint CHECK (amount >= 0))";
    stage.database.run(sql).await;
    let connector = Connector::to_table(&stage, &[&topic], "stages")
        .dead_letters(&letters)
        .set("errors.log.enable", "true")
        .set("errors.log.include.messages", "true")
        .set(
            "key.converter",
            "org.apache.kafka.connect.converters.LongConverter",
        )
        .set(
            "header.converter",
            "org.apache.kafka.connect.json.JsonConverter",
        )
        .set("header.converter.schemas.enable", "false")
        .set("transforms", "cast")
        .set(
            "transforms.cast.type",
            "org.apache.kafka.connect.transforms.Cast$Value",
        )
        .set("transforms.cast.spec", "amount:int64")
        .set("transforms.cast.predicate", "marked")
        .set("transforms.cast.negate", "true")
        .set("predicates", "marked")
        .set(
            "predicates.marked.type",
            "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
        )
        .set("predicates.marked.name", "mark");
    let records: [Raw; 7] = [
        ("\0\0\0\0\0\0\0\x07", r#"{"id":0,"amount":"5"}"#, "1"),
        ("no long", r#"{"id":1,"amount":"5"}"#, "1"),
        ("\0\0\0\0\0\0\0\x07", r#"{"id":2,"amount"#, "1"),
        ("\0\0\0\0\0\0\0\x07", r#"{"id":3,"amount":"5"}"#, "{"),
        ("\0\0\0\0\0\0\0\x07", r#"{"id":4,"amount":"many"}"#, "1"),
        ("\0\0\0\0\0\0\0\x07", r#"{"id":5,"amount":"-5"}"#, "1"),
        ("\0\0\0\0\0\0\0\x07", r#"{"id":6,"amount":"5"}"#, "1"),
    ];
    send(&topic, &records).await;
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    eventually("the good records", seconds(20), || async {
        let count = stage.database.number("SELECT count(*) FROM stages").await;
        check(count == 2, || format!("{count} of 2"))
    })
    .await;

    let found = kafka::read_topic(&letters.name, 1).await;
    let told: BTreeSet<(&str, &str, &str)> = found
        .iter()
        .map(|letter| {
            let header = |name: &str| letter.headers[&format!("{PREFIX}{name}")].as_str();
            (header("offset"), header("stage"), header("class.name"))
        })
        .collect();
    assert_eq!(told, BTreeSet::from(REFUSED));
    for letter in &found {
        let offset: usize = letter.headers[&format!("{PREFIX}offset")].parse().unwrap();
        let (key, value, own) = records[offset];
        assert_eq!(letter.key.as_deref(), Some(key.as_bytes()));
        assert_eq!(letter.value.as_deref(), Some(value.as_bytes()));
        let mut expected: BTreeMap<&str, &str> = BTreeMap::from([("h", own)]);
        let names = letter.headers.keys().map(String::as_str);
        let context: BTreeSet<&str> = names.filter_map(|name| name.strip_prefix(PREFIX)).collect();
        assert_eq!(context, CONTEXT.into_iter().collect());
        expected.retain(|name, value| letter.headers[*name] != *value);
        assert!(expected.is_empty(), "its own headers: {:?}", letter.headers);
        let reason = &letter.headers[&format!("{PREFIX}exception.message")];
        assert!(
            !reason.contains("many") && !reason.contains("no long"),
            "{reason}"
        );
        stage.tell(format_args!("{offset}: {reason}"));
    }
    // Coordinates and reason are logged; what is in the record never is.
    let logged = worker.logged(&["record goes to the dead letters"]);
    assert_eq!(logged.len(), REFUSED.len(), "{logged:?}");
    for (offset, stage, _) in REFUSED {
        let place = format!("\"offset\":{offset},");
        let told = logged
            .iter()
            .any(|line| line.contains(&place) && line.contains(stage));
        assert!(told, "offset {offset}: {logged:?}");
    }
    assert!(!logged.concat().contains("many"), "{logged:?}");
}

/// The cluster cannot hold as many copies as are wanted: the task says what to do, and goes on when
/// somebody has created the topic.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_cannot_be_created_is_waited_for() {
    let stage = Stage::begin("letters_copies", 1).await;
    let mut orders = Orders::prepare(&stage, 1).await;
    let letters = stage.named_topic("letters", 1);
    orders.connector = orders
        .connector
        .dead_letters(&letters)
        .set("errors.deadletterqueue.topic.replication.factor", "3");
    let writer = orders.writer(&stage, 1);
    let poisoned = Draft::good(0, 1).poisoned(Poison::Malformed);
    writer.send_all([poisoned, Draft::good(1, 1)]).await;
    let worker = Launch::new("worker")
        .start(&stage, &[&orders.connector])
        .await;
    eventually("the task to say what to do", seconds(30), || async {
        let tasks = worker.tasks(&orders.connector).await;
        let advice = "errors.deadletterqueue.topic.replication.factor";
        let says = tasks[0].state == "RUNNING" && tasks[0].trace.contains(advice);
        check(says, || format!("{tasks:?}"))
    })
    .await;
    kafka::create_topic(&letters.name, 1, &[]).await;
    orders.judged(&stage).healed(&[&worker], seconds(30)).await;
    assert_eq!(kafka::read_topic(&letters.name, 1).await.len(), 1);
}

const CONTEXT: [&str; 10] = [
    "topic",
    "partition",
    "offset",
    "connector.name",
    "task.id",
    "stage",
    "class.name",
    "exception.class.name",
    "exception.message",
    "exception.stacktrace",
];

async fn set_largest_message(topic: &Topic, bytes: &str) {
    let admin: AdminClient<DefaultClientContext> = kafka::client().create().unwrap();
    let change =
        AlterConfig::new(ResourceSpecifier::Topic(&topic.name)).set("max.message.bytes", bytes);
    let changed = admin.alter_configs([&change], &AdminOptions::new()).await;
    for result in changed.unwrap() {
        result.unwrap();
    }
}

/// The dead letter topic takes nothing: no position passes the record, and the task says why. Once
/// it does, each bad record is there once.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_while_the_topic_is_down() {
    let stage = Stage::begin("letters_down", 1).await;
    let mut orders = Orders::prepare(&stage, 1).await;
    let letters = stage
        .topic_with("letters", 1, &[("max.message.bytes", "1")])
        .await;
    orders.connector = orders.connector.dead_letters(&letters);
    let writer = orders.writer(&stage, 1);
    writer.send_good(0, 5, 1).await;
    let worker = Launch::new("worker")
        .start(&stage, &[&orders.connector])
        .await;
    let ends = BTreeMap::from([(0, 5)]);
    orders
        .judged(&stage)
        .until_positions(&ends, seconds(20))
        .await;
    writer
        .send_all([Draft::good(5, 1).poisoned(Poison::Malformed)])
        .await;
    writer.send_good(6, 5, 1).await;
    let connector = &orders.connector;
    eventually("the task to say why", seconds(30), || async {
        let tasks = worker.tasks(connector).await;
        let says = tasks[0].state == "RUNNING" && tasks[0].trace.contains(&letters.name);
        check(says, || format!("{tasks:?}"))
    })
    .await;
    let at = orders.judged(&stage).positions().await[&0];
    assert_eq!(at, 5, "the position has passed a record that is nowhere");
    set_largest_message(&letters, "1000000").await;
    orders.judged(&stage).healed(&[&worker], seconds(30)).await;
    let found = kafka::read_topic(&letters.name, 1).await;
    assert_eq!(found.len(), 1, "{found:?}");
}

/// A bad record that is larger than the client, and topics by default, let a letter be.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_may_be_as_large_as_its_record() {
    const BYTES: usize = 2_000_000;
    let stage = Stage::begin("letters_large", 1).await;
    let topic = stage
        .topic_with("orders", 1, &[("max.message.bytes", "3000000")])
        .await;
    let letters = stage.named_topic("letters", 1);
    let connector = Connector::append(&stage, &topic, "kept").dead_letters(&letters);
    stage.database.create_append_table("kept").await;
    let producer: FutureProducer = kafka::client()
        .set("message.max.bytes", "3000000")
        .create()
        .unwrap();
    let broken = "x".repeat(BYTES);
    let record = FutureRecord::<str, str>::to(&topic.name).payload(&broken);
    let sent = producer.send(record, seconds(30)).await;
    sent.map_err(|(error, _)| error).unwrap();
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    eventually("the letter", seconds(30), || async {
        let tasks = worker.tasks(&connector).await;
        let (read, end) = kafka::watermarks(&letters.name, 0).await;
        check((read, end) == (0, 1), || {
            format!("{end} letters, {tasks:?}")
        })
    })
    .await;
    let found = kafka::read_topic(&letters.name, 1).await;
    assert_eq!(found[0].value.as_ref().map(Vec::len), Some(BYTES));
}

/// `errors.tolerance=all` with neither: legal in Kafka Connect, and never silent.
#[tokio::test(flavor = "multi_thread")]
async fn skipped_records_are_counted_and_logged() {
    let stage = Stage::begin("letters_skipped", 1).await;
    let mut orders = Orders::prepare(&stage, 2).await;
    orders.connector = orders.connector.set("errors.tolerance", "all");
    let drafts = (0..20).map(|seq| match seq % 5 {
        4 => Draft::good(seq, 2).poisoned(Poison::Unfit),
        _ => Draft::good(seq, 2),
    });
    orders.writer(&stage, 1).send_all(drafts).await;
    let worker = Launch::new("worker")
        .start(&stage, &[&orders.connector])
        .await;
    orders.judged(&stage).healed(&[&worker], seconds(20)).await;
    let logged = worker.logged(&["record skipped"]);
    let lines: Vec<serde_json::Value> = logged
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let fields = |line: &serde_json::Value| line.get("fields").unwrap_or(line).clone();
    let number = |line: &serde_json::Value, name: &str| fields(line)[name].as_i64().unwrap();
    let told: BTreeSet<(i64, i64)> = lines
        .iter()
        .map(|line| (number(line, "partition"), number(line, "offset")))
        .collect();
    // 4, 9, 14 and 19 are in turn the third and the fifth of the ten records of a partition.
    assert_eq!(told, BTreeSet::from([(0, 2), (0, 7), (1, 4), (1, 9)]));
    let counted: BTreeSet<i64> = lines.iter().map(|line| number(line, "skipped")).collect();
    assert_eq!(counted, (1..=4).collect());
    for line in &lines {
        assert_eq!(fields(line)["topic"], orders.topic.name.as_str());
        assert!(fields(line)["reason"].as_str().unwrap().contains("amount"));
        assert!(
            !line.to_string().contains("many"),
            "a value is logged: {line}"
        );
    }
}

/// A registry that does not answer turns records into dead letters only where the user has bounded
/// how long they are retried; each record is waited for anew.
#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_registry_is_waited_for_as_long_as_wanted() {
    let stage = Stage::begin("letters_retry", 1).await;
    let topic = stage.topic("records", 1).await;
    stage.database.run("CREATE TABLE kept (id bigint)").await;
    let (bounded_letters, letters) = (
        stage.named_topic("bounded", 1),
        stage.topic("letters", 1).await,
    );
    let avro = |suffix: &str, letters: &Topic| {
        Connector::of_class("PostgresSink", &stage.unique(suffix))
            .set("topics", &topic.name)
            .set("table.name.format", "kept")
            .set("value.converter", "io.confluent.connect.avro.AvroConverter")
            // Nobody listens there.
            .set("value.converter.schema.registry.url", "http://127.0.0.1:9")
            .dead_letters(letters)
    };
    let bounded = avro("bounded", &bounded_letters)
        .set("errors.retry.timeout", "1000")
        .set("errors.retry.delay.max.ms", "200");
    let patient = avro("patient", &letters);
    send(
        &topic,
        &[("k", "\0\0\0\0\x05a", "1"), ("k", "\0\0\0\0\x05b", "1")],
    )
    .await;
    let worker = Launch::new("worker")
        .start(&stage, &[&bounded, &patient])
        .await;
    eventually("the bounded connector to pass", seconds(20), || async {
        let path = format!("/rowdock/connectors/{}/progress", bounded.name);
        let progress = worker.rest.get(&path).await.body;
        check(progress["partitions"][0]["position"] == 2, || {
            progress.to_string()
        })
    })
    .await;
    let found = kafka::read_topic(&bounded_letters.name, 1).await;
    let header =
        |letter: &kafka::ReadRecord, name: &str| letter.headers[&format!("{PREFIX}{name}")].clone();
    let times: Vec<String> = found
        .iter()
        .map(|letter| header(letter, "offset"))
        .collect();
    assert_eq!(times, ["0", "1"]);
    for letter in &found {
        assert_eq!(header(letter, "stage"), "VALUE_CONVERTER");
        let class = header(letter, "class.name");
        assert_eq!(class, "io.confluent.connect.avro.AvroConverter");
        let reason = header(letter, "exception.message");
        assert!(reason.contains("errors.retry.timeout=1000"), "{reason}");
    }
    let tasks = worker.tasks(&patient).await;
    assert_eq!(tasks[0].state, "RUNNING");
    assert!(tasks[0].trace.contains("schema registry"), "{tasks:?}");
    let path = format!("/rowdock/connectors/{}/progress", patient.name);
    let progress = worker.rest.get(&path).await.body;
    assert_eq!(progress["partitions"][0]["position"], 0, "{progress}");
    assert!(kafka::read_topic(&letters.name, 1).await.is_empty());
}
