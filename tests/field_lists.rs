//! Lists of fields that tell topics apart: what is no field of one topic's rows is one of another's.

use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

use crate::support::connector::Connector;
use crate::support::kafka;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

async fn send(topic: &Topic, value: &Value) {
    let producer: FutureProducer = kafka::client().create().unwrap();
    let payload = value.to_string();
    let record = FutureRecord::<(), String>::to(&topic.name).payload(&payload);
    let sent = producer.send_result(record).map_err(|(error, _)| error);
    let delivered = sent.unwrap().await.unwrap();
    delivered.map_err(|(error, _)| error).unwrap();
}

/// Waits until the table has just these rows, with all of its columns, in the order of their texts.
async fn until_rows(stage: &Stage, table: &str, expected: &[Value]) {
    let sql = format!("SELECT to_jsonb(t)::text COLLATE \"C\" FROM \"{table}\" AS t ORDER BY 1");
    eventually(table, seconds(30), || async {
        let exists = stage.database.has_table(table).await;
        check(exists, || "no such table".to_owned())?;
        let rows = stage.database.rows(&sql, &[]).await;
        let rows = rows.iter().map(|row| row.get::<String>(0));
        let found: Vec<Value> = rows
            .map(|row| serde_json::from_str(&row).unwrap())
            .collect();
        check(found == expected, || format!("{found:?}"))
    })
    .await;
}

fn first() -> Value {
    json!({"id": 1, "note": "a", "secret": "s"})
}

fn second() -> Value {
    json!({"id": 1, "note": "b", "secret": "s", "extra": 5, "late": true})
}

/// The tables that a connector makes for orders and payments, and their rows.
struct Case {
    connector: Connector,
    tables: [String; 2],
    /// Of [`first`].
    created: [Value; 2],
    /// Of [`second`], too.
    evolved: [Vec<Value>; 2],
}

impl Case {
    /// The rows of this insert when the last record of a key counts.
    fn upserted(&self, connector: Connector, tables: [String; 2]) -> Self {
        let [orders, payments] = &self.evolved;
        Self {
            connector,
            tables,
            created: self.created.clone(),
            evolved: [vec![orders[1].clone()], vec![payments[0].clone()]],
        }
    }
}

/// Each topic has a table of its own, which its first record creates and the second changes.
#[tokio::test(flavor = "multi_thread")]
async fn each_topic_has_the_fields_that_are_listed_for_it() {
    let stage = Stage::begin("field_lists", 1).await;
    let orders = stage.topic("orders", 1).await;
    let topics = [orders, stage.topic("payments", 1).await];
    let cases = cases(&stage, &topics);
    let connectors: Vec<&Connector> = cases.iter().map(|case| &case.connector).collect();
    let _worker = Launch::new("one").start(&stage, &connectors).await;
    for topic in &topics {
        send(topic, &first()).await;
    }
    for case in &cases {
        for (table, row) in case.tables.iter().zip(&case.created) {
            until_rows(&stage, table, std::slice::from_ref(row)).await;
        }
    }
    for topic in &topics {
        send(topic, &second()).await;
    }
    for case in &cases {
        for (table, rows) in case.tables.iter().zip(&case.evolved) {
            until_rows(&stage, table, rows).await;
        }
    }
}

/// Inserts and upserts, with either list, by our names and by Debezium's.
fn cases(stage: &Stage, topics: &[Topic; 2]) -> [Case; 5] {
    let [orders, payments] = [&topics[0].name, &topics[1].name];
    let include = format!("id,{orders}:note,{payments}:extra");
    let exclude = format!("late,{orders}:extra,{payments}:note");
    let tables = |name: &str| [format!("{name}_o"), format!("{name}_p")];
    let included = Case {
        connector: inserting(stage, topics, "included").set("fields.whitelist", &include),
        tables: tables("included"),
        created: [json!({"id": 1, "note": "a"}), json!({"id": 1})],
        evolved: [
            vec![json!({"id": 1, "note": "a"}), json!({"id": 1, "note": "b"})],
            vec![
                json!({"id": 1, "extra": 5}),
                json!({"id": 1, "extra": null}),
            ],
        ],
    };
    let of_payments = |extra| json!({"id": 1, "secret": "s", "extra": extra});
    let excluded = Case {
        connector: inserting(stage, topics, "excluded").set("fields.exclude.list", &exclude),
        tables: tables("excluded"),
        created: [first(), json!({"id": 1, "secret": "s"})],
        evolved: [
            vec![first(), json!({"id": 1, "note": "b", "secret": "s"})],
            vec![of_payments(Some(5)), of_payments(None)],
        ],
    };
    let upserting = |name: &str, list: &str, entries: &str| {
        let connector = inserting(stage, topics, name).set("insert.mode", "upsert");
        let connector = connector
            .set("pk.mode", "record_value")
            .set("pk.fields", "id");
        connector.set(list, entries)
    };
    let keeps = upserting("kept", "fields.whitelist", &include);
    let cuts = upserting("cut", "fields.exclude.list", &exclude);
    let debezium = debezium(stage, topics).set("field.exclude.list", &exclude);
    [
        included.upserted(keeps, tables("kept")),
        excluded.upserted(cuts, tables("cut")),
        excluded.upserted(debezium, [orders.clone(), payments.clone()]),
        included,
        excluded,
    ]
}

/// Inserts into two tables of this name, which it makes and changes.
fn inserting(stage: &Stage, topics: &[Topic; 2], table: &str) -> Connector {
    let [orders, payments] = topics;
    let tables = format!("{}:{table}_o,{}:{table}_p", orders.name, payments.name);
    Connector::to_table(stage, &[orders, payments], table)
        .without("table.name.format")
        .set("topics.to.tables.mapping", &tables)
        .set("auto.create", "true")
        .set("auto.evolve", "true")
}

/// Keeps a row per id in a table of each topic's name.
fn debezium(stage: &Stage, topics: &[Topic; 2]) -> Connector {
    let class = "io.debezium.connector.jdbc.JdbcSinkConnector";
    let [orders, payments] = topics;
    Connector::of_class(class, &stage.unique("debezium"))
        .set("topics", &format!("{},{}", orders.name, payments.name))
        .set("insert.mode", "upsert")
        .set("primary.key.mode", "record_value")
        .set("primary.key.fields", "id")
        .set("schema.evolution", "basic")
        .set("quote.identifiers", "true")
}

/// The topic is what transforms make of it, and is told apart in one table that records choose.
#[tokio::test(flavor = "multi_thread")]
async fn two_topics_in_one_table_have_fields_of_their_own() {
    let stage = Stage::begin("field_lists_shared", 1).await;
    let topics = [
        stage.topic("orders", 1).await,
        stage.topic("payments", 1).await,
    ];
    let [orders, payments] = [&topics[0], &topics[1]];
    let renaming = |connector: Connector| {
        connector
            .set("transforms", "short")
            .set(
                "transforms.short.type",
                "org.apache.kafka.connect.transforms.RegexRouter",
            )
            .set("transforms.short.regex", ".*_(orders|payments)")
            .set("transforms.short.replacement", "$1")
            .set("fields.exclude.list", "orders:extra,payments:note,late")
            .set("auto.create", "true")
            .set("auto.evolve", "true")
    };
    let fixed = renaming(Connector::to_table(&stage, &[orders, payments], "fixed"));
    let chosen = renaming(Connector::to_table(&stage, &[orders, payments], "chosen"))
        .set("table.name.format", "chosen_${value.id}");
    let _worker = Launch::new("one").start(&stage, &[&fixed, &chosen]).await;
    send(orders, &first()).await;
    for table in ["fixed", "chosen_1"] {
        until_rows(&stage, table, &[first()]).await;
    }
    send(payments, &second()).await;
    let of_payments = json!({"id": 1, "note": null, "secret": "s", "extra": 5});
    let of_orders = |note: &str| json!({"id": 1, "note": note, "secret": "s", "extra": null});
    for table in ["fixed", "chosen_1"] {
        until_rows(&stage, table, &[of_orders("a"), of_payments.clone()]).await;
    }
    send(orders, &second()).await;
    let rows = [of_orders("a"), of_orders("b"), of_payments];
    for table in ["fixed", "chosen_1"] {
        until_rows(&stage, table, &rows).await;
    }
}
