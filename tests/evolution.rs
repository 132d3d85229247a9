//! Tables that grow with their records, and tables that others drop and change under the sink.

use std::time::{Duration, Instant};

use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

use crate::support::connector::Connector;
use crate::support::engine::Engine;
use crate::support::kafka;
use crate::support::proxy::{Network, Proxy};
use crate::support::services::services;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

/// Sends values in turn to the topic's partitions; waits for the last.
async fn send(topic: &Topic, values: impl IntoIterator<Item = Value>) {
    let producer: FutureProducer = kafka::client().create().unwrap();
    let mut last = None;
    for (place, value) in values.into_iter().enumerate() {
        let payload = value.to_string();
        let partition = i32::try_from(place).unwrap() % topic.partitions;
        let record = FutureRecord::<(), String>::to(&topic.name)
            .partition(partition)
            .payload(&payload);
        let sent = producer.send_result(record).map_err(|(error, _)| error);
        last = Some(sent.unwrap());
    }
    if let Some(last) = last {
        last.await.unwrap().map_err(|(error, _)| error).unwrap();
    }
}

async fn until_number(stage: &Stage, sql: &str, expected: i64) {
    eventually(sql, seconds(30), || async {
        let found = stage.database.number(sql).await;
        check(found == expected, || format!("{found} of {expected}"))
    })
    .await;
}

async fn columns(stage: &Stage, table: &str) -> Vec<String> {
    let sql = match stage.database.engine() {
        Engine::Postgres => {
            "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute
             WHERE attrelid = to_regclass($1::text) AND attnum > 0 AND NOT attisdropped
             ORDER BY attname"
        }
        Engine::MySql | Engine::MariaDb => {
            "SELECT CONCAT(COLUMN_NAME, ' ', COLUMN_TYPE) FROM information_schema.COLUMNS
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = $1 ORDER BY COLUMN_NAME"
        }
        Engine::Sqlite => "SELECT name || ' ' || type FROM pragma_table_info($1) ORDER BY name",
    };
    let rows = stage.database.rows(sql, &[&table]).await;
    rows.iter().map(|row| row.get(0)).collect()
}

/// Several tasks meet the new fields at once; every fifth record has other fields than the last.
fn growing(id: i64) -> Value {
    let wide = 3_000_000_000 + id;
    match id % 5 {
        0 => json!({"id": id, "name": "a"}),
        1 => json!({"id": id, "name": "b", "extra": true}),
        2 => json!({"id": wide, "name": "c", "extra": null, "unknown": null}),
        3 => json!({"id": id, "name": "a name of more than five characters"}),
        _ => json!({"id": id, "name": "d", "deep": {"a": [1]}, "amount": 12345.678}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_grows_with_its_records_under_several_tasks() {
    for server in [&services().postgres, &services().postgres_newest] {
        let stage = Stage::begin_on("growing", 2, server).await;
        let create =
            "CREATE TABLE shop (id int4 PRIMARY KEY, name varchar(5), amount numeric(4,2))";
        let grown = [
            "amount numeric(8,3)",
            "deep jsonb",
            "extra boolean",
            "id bigint",
            "name character varying(64)",
        ];
        grows(&stage, create, &grown).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_grows_in_mysql() {
    let stage = Stage::begin_in(Engine::MySql, "growing", 2).await;
    grows_in_mysql(&stage, ["bigint", "json"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_grows_in_mariadb() {
    let stage = Stage::begin_in(Engine::MariaDb, "growing", 2).await;
    grows_in_mysql(&stage, ["bigint(20)", "longtext"]).await;
}

async fn grows_in_mysql(stage: &Stage, [wide, document]: [&str; 2]) {
    let create = "CREATE TABLE shop (id int PRIMARY KEY, name varchar(5), amount decimal(4,2))";
    let (id, deep) = (format!("id {wide}"), format!("deep {document}"));
    let grown = [
        "amount decimal(8,3)",
        &deep,
        "extra tinyint(1)",
        &id,
        "name varchar(64)",
    ];
    grows(stage, create, &grown).await;
}

/// Columns are added; types stay, as they hold all there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_grows_in_sqlite() {
    let stage = Stage::begin_in(Engine::Sqlite, "growing", 2).await;
    let create = "CREATE TABLE shop (id int PRIMARY KEY, name varchar(5), amount NUMERIC)";
    let grown = [
        "amount NUMERIC",
        "deep JSON",
        "extra BOOLEAN",
        "id INT",
        "name varchar(5)",
    ];
    grows(&stage, create, &grown).await;
}

/// Each topic has its table by name.
async fn grows(stage: &Stage, create: &str, grown: &[&str]) {
    const RECORDS: i64 = 3_000;
    const VISITORS: i64 = 10;
    let topic = stage.topic("events", 4).await;
    let visits = stage.topic("visits", 1).await;
    stage.database.run(create).await;
    let visitors = "CREATE TABLE visitors (id int PRIMARY KEY)";
    stage.database.run(visitors).await;
    let tables = format!("{}:shop, {}:visitors", topic.name, visits.name);
    let connector = Connector::to_table(stage, &[&topic, &visits], "shop")
        .without("table.name.format")
        .set("topics.to.tables.mapping", &tables)
        .set("tasks.max", "2")
        .set("pk.mode", "record_value")
        .set("pk.fields", "id")
        .set("batch.size", "500")
        .set("auto.evolve", "true");
    let one = Launch::new("one").start(stage, &[&connector]).await;
    let two = Launch::new("two").start(stage, &[&connector]).await;
    one.until_tasks(&connector, "RUNNING", seconds(10)).await;
    two.until_tasks(&connector, "RUNNING", seconds(10)).await;
    send(&topic, (0..RECORDS).map(growing)).await;
    send(&visits, (0..VISITORS).map(|id| json!({"id": id}))).await;
    until_number(stage, "SELECT count(*) FROM shop", RECORDS).await;
    until_number(stage, "SELECT count(*) FROM visitors", VISITORS).await;
    let found = columns(stage, "shop").await;
    let alike = |(found, grown): (&String, &&str)| found.eq_ignore_ascii_case(grown);
    assert!(
        found.len() == grown.len() && found.iter().zip(grown).all(alike),
        "{found:?}, not {grown:?}"
    );
    let deep = match stage.database.engine() {
        Engine::Postgres => "deep = '{\"a\": [1]}'",
        Engine::MySql | Engine::MariaDb => "JSON_EXTRACT(deep, '$.a[0]') = 1",
        Engine::Sqlite => "json_extract(deep, '$.a[0]') = 1",
    };
    for (condition, count) in [
        ("extra", RECORDS / 5),
        ("id > 3000000000", RECORDS / 5),
        (&format!("{deep} AND amount = 12345.678"), RECORDS / 5),
        ("length(name) > 5", RECORDS / 5),
    ] {
        let sql = format!("SELECT count(*) FROM shop WHERE {condition}");
        assert_eq!(stage.database.number(&sql).await, count, "{condition}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_dropped_or_altered_under_the_sink_costs_no_record() {
    dropped_or_altered(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_dropped_or_altered_in_mysql() {
    dropped_or_altered(Engine::MySql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_dropped_or_altered_in_mariadb() {
    dropped_or_altered(Engine::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_dropped_or_altered_in_sqlite() {
    dropped_or_altered(Engine::Sqlite).await;
}

/// What somebody does to the table, the last word of each with the connector at work.
fn changes(engine: Engine) -> [&'static str; 7] {
    let [retype, narrow] = match engine {
        Engine::Postgres => [
            "ALTER TABLE shop ALTER COLUMN id TYPE numeric",
            "ALTER TABLE shop ALTER COLUMN note TYPE varchar(3)",
        ],
        Engine::MySql | Engine::MariaDb => [
            "ALTER TABLE shop MODIFY COLUMN id decimal(20)",
            "ALTER TABLE shop MODIFY COLUMN note varchar(3)",
        ],
        // Cannot change a type.
        Engine::Sqlite => [
            "ALTER TABLE shop ADD COLUMN third",
            "ALTER TABLE shop ADD COLUMN fourth",
        ],
    };
    [
        "SELECT 1",
        "ALTER TABLE shop DROP COLUMN note",
        "ALTER TABLE shop RENAME COLUMN id TO other",
        retype,
        "DROP TABLE shop",
        "DROP TABLE shop; CREATE TABLE shop (more int DEFAULT 7, note varchar(3), id int)",
        narrow,
    ]
}

async fn dropped_or_altered(engine: Engine) {
    let stage = Stage::begin_in(engine, "altered_under", 1).await;
    let topic = stage.topic("shop", 2).await;
    let dead_letters = stage.topic("dead", 1).await;
    stage
        .database
        .run("CREATE TABLE shop (id bigint, note varchar(20)); CREATE TABLE seen (id bigint)")
        .await;
    let connector = Connector::to_table(&stage, &[&topic], "shop")
        .set("auto.create", "true")
        .set("auto.evolve", "true")
        .dead_letters(&dead_letters);
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    let mut next = 0;
    for change in changes(engine) {
        let sql = format!("INSERT INTO seen SELECT id FROM shop; DELETE FROM shop; {change}");
        let sql = match engine {
            // The file may be locked by the worker for a moment, then nothing of this is done.
            Engine::Sqlite => format!("BEGIN IMMEDIATE; {sql}; COMMIT"),
            _ => sql,
        };
        eventually(change, seconds(20), || stage.database.try_run(&sql)).await;
        let records = (next..next + 200).map(|id| json!({"id": id, "note": "note"}));
        send(&topic, records).await;
        next += 200;
        eventually(change, seconds(20), || async {
            let columns = columns(&stage, "shop").await;
            let has = |name| columns.iter().any(|column| column.starts_with(name));
            let sql = "SELECT count(*) FROM shop WHERE id IS NOT NULL AND note = 'note'";
            let count = match has("id ") && has("note ") {
                true => stage.database.number(sql).await,
                false => 0,
            };
            check(count == 200, || format!("{count} of 200"))
        })
        .await;
    }
    let sql = "SELECT count(DISTINCT id) FROM (SELECT id FROM seen UNION ALL SELECT id FROM shop) AS all_of_them";
    assert_eq!(stage.database.number(sql).await, next);
    worker.until_tasks(&connector, "RUNNING", seconds(5)).await;
    assert_eq!(kafka::read_topic(&dead_letters.name, 1).await.len(), 0);
}

/// A worker that gives its database up in the middle of a change asks again once it is back.
#[tokio::test(flavor = "multi_thread")]
async fn tables_are_made_and_grow_after_an_outage() {
    let stage = Stage::begin("outage_amid_changes", 1).await;
    let topic = stage.topic("shop", 2).await;
    let path = Proxy::to_database(stage.database.server()).await;
    let connector = Connector::to_table(&stage, &[&topic], "shop")
        .set("auto.create", "true")
        .set("auto.evolve", "true");
    let launch = Launch::new("worker").database(&path);
    let worker = launch.start(&stage, &[&connector]).await;
    worker.until_tasks(&connector, "RUNNING", seconds(20)).await;
    let changes = [
        (json!({"id": 1}), "SELECT count(*) FROM shop"),
        (
            json!({"id": 2, "more": 3}),
            "SELECT count(*) FROM shop WHERE more = 3",
        ),
    ];
    for (time, (value, sql)) in changes.into_iter().enumerate() {
        path.set(Network::Cut);
        send(&topic, vec![value; 2]).await;
        eventually("the database is given up", seconds(20), || async {
            let given_up = worker.logged(&["leaving the group so that others go on"]);
            check(given_up.len() > time, || {
                format!("{} times", given_up.len())
            })
        })
        .await;
        path.set(Network::Whole);
        eventually(sql, seconds(20), || async {
            let found = match stage.database.try_run(sql).await {
                Ok(()) => stage.database.number(sql).await,
                Err(error) => return Err(error),
            };
            check(found == 2, || format!("{found} of 2"))
        })
        .await;
    }
}

/// The last record of a quiet topic waits for its column, and then no longer than any other.
#[tokio::test(flavor = "multi_thread")]
async fn what_waited_for_a_column_is_written_though_nothing_follows() {
    let stage = Stage::begin("lingering", 1).await;
    let topic = stage.topic("shop", 1).await;
    let connector = Connector::to_table(&stage, &[&topic], "shop")
        .set("auto.create", "true")
        .set("auto.evolve", "true")
        .set("linger.ms", "200");
    let _worker = Launch::new("worker").start(&stage, &[&connector]).await;
    for (number, value) in [json!({"id": 1}), json!({"id": 2, "more": 3})]
        .into_iter()
        .enumerate()
    {
        send(&topic, [value]).await;
        let sql = "SELECT count(*) FROM shop";
        eventually(sql, seconds(20), || async {
            stage.database.try_run(sql).await?;
            let count = stage.database.number(sql).await;
            check(usize::try_from(count) == Ok(number + 1), || {
                format!("{count}")
            })
        })
        .await;
    }
}

/// A person mends a table that records do not fit: they are not refused for what it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_mended_by_hand_takes_the_records_that_did_not_fit() {
    let stage = Stage::begin("mended", 1).await;
    let topic = stage.topic("shop", 1).await;
    let letters = stage.topic("letters", 1).await;
    let create = "CREATE TABLE shop (id int, name varchar(5))";
    stage.database.run(create).await;
    let connector = Connector::to_table(&stage, &[&topic], "shop").dead_letters(&letters);
    let _worker = Launch::new("worker").start(&stage, &[&connector]).await;
    send(&topic, [json!({"id": 1, "name": "short"})]).await;
    until_number(&stage, "SELECT count(*) FROM shop", 1).await;
    let mend = "ALTER TABLE shop ALTER COLUMN name TYPE varchar(50), ADD COLUMN more int";
    stage.database.run(mend).await;
    let fitting = [
        json!({"id": 2, "name": "longer than five"}),
        json!({"id": 3, "more": 4}),
    ];
    send(&topic, fitting).await;
    until_number(&stage, "SELECT count(*) FROM shop", 3).await;
    assert_eq!(kafka::read_topic(&letters.name, 1).await.len(), 0);
}

/// So long that the client is told to pause: what was read is read again at once when the table is free.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_changed_for_long_is_written_to_at_once_afterwards() {
    const PAUSED_AFTER: Duration = seconds(10);
    let stage = Stage::begin("changed_for_long", 1).await;
    let topic = stage.topic("shop", 1).await;
    stage.database.run("CREATE TABLE shop (id int)").await;
    let connector = Connector::to_table(&stage, &[&topic], "shop").set("batch.size", "10");
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    worker.until_tasks(&connector, "RUNNING", seconds(20)).await;
    let person = stage.database.session().await;
    for sql in ["BEGIN", "ALTER TABLE shop ALTER COLUMN id TYPE bigint"] {
        person.try_run(sql).await.unwrap();
    }
    let locked = Instant::now();
    send(&topic, (0..200).map(|id| json!({"id": id}))).await;
    // There is no sign of it outside.
    tokio::time::sleep(PAUSED_AFTER + seconds(2)).await;
    person.try_run("COMMIT").await.unwrap();
    stage.tell(format_args!("locked for {:?}", locked.elapsed()));
    until_number(&stage, "SELECT count(DISTINCT id) FROM shop", 200).await;
    until_number(&stage, "SELECT count(*) FROM shop", 200).await;
}

/// A column that is added fills the rows that are there with its default, and keeps it when it is widened.
#[tokio::test(flavor = "multi_thread")]
async fn columns_are_added_with_the_default_of_their_schema() {
    for engine in [
        Engine::Postgres,
        Engine::MySql,
        Engine::MariaDb,
        Engine::Sqlite,
    ] {
        added_with_defaults(engine).await;
    }
}

async fn added_with_defaults(engine: Engine) {
    let stage = Stage::begin_in(engine, "defaulted", 1).await;
    let topic = stage.topic("shop", 1).await;
    let create = "CREATE TABLE shop (id int PRIMARY KEY)";
    stage.database.run(create).await;
    stage.database.run("INSERT INTO shop VALUES (1)").await;
    let connector = Connector::to_table(&stage, &[&topic], "shop")
        .set("auto.evolve", "true")
        .set("value.converter.schemas.enable", "true");
    let _worker = Launch::new("worker").start(&stage, &[&connector]).await;
    let record = |id: i64, note: &str| {
        json!({
            "schema": {"type": "struct", "fields": [
                {"field": "id", "type": "int32"},
                {"field": "note", "type": "string", "default": "it's", "parameters": {
                    "__debezium.source.column.type": "VARCHAR",
                    "__debezium.source.column.length": "5",
                }},
            ]},
            "payload": {"id": id, "note": note},
        })
    };
    send(&topic, [record(2, "short")]).await;
    until_number(&stage, "SELECT count(*) FROM shop", 2).await;
    send(&topic, [record(3, "longer")]).await;
    until_number(&stage, "SELECT count(*) FROM shop", 3).await;
    stage.database.run("INSERT INTO shop (id) VALUES (4)").await;
    for (rows, count) in [
        ("id = 2 AND note = 'short'", 1),
        ("id = 3 AND note = 'longer'", 1),
        ("id IN (1, 4) AND note = 'it''s'", 2),
    ] {
        let sql = format!("SELECT count(*) FROM shop WHERE {rows}");
        assert_eq!(
            stage.database.number(&sql).await,
            count,
            "{engine:?}, {rows}"
        );
    }
}

/// What a key's index and the widest decimal cannot hold is asked for once, and costs its record alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_mysql_cannot_widen_costs_only_its_records() {
    bounded(Engine::MySql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mariadb_cannot_widen_costs_only_its_records() {
    bounded(Engine::MariaDb).await;
}

async fn bounded(engine: Engine) {
    let stage = Stage::begin_in(engine, "bounded", 1).await;
    let topic = stage.topic("shop", 1).await;
    let dead_letters = stage.topic("dead", 1).await;
    let create = "CREATE TABLE shop (id int PRIMARY KEY, \
                  email varchar(700) CHARACTER SET utf8mb4 NOT NULL UNIQUE, amount decimal(65,30), raw varbinary(4))";
    stage.database.run(create).await;
    let connector = Connector::to_table(&stage, &[&topic], "shop")
        .set("auto.evolve", "true")
        .dead_letters(&dead_letters);
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    let email = |length| "x".repeat(length);
    let digits = |count| Value::String("7".repeat(count));
    let values = [
        json!({"id": 1, "email": email(700), "amount": digits(35), "raw": "AAEC".repeat(11)}),
        json!({"id": 2, "email": email(701), "more": 1}),
        json!({"id": 3, "email": "c", "amount": digits(36)}),
        json!({"id": 4, "email": email(702)}),
        json!({"id": 5, "email": "e", "amount": digits(5), "more": 2}),
    ];
    send(&topic, values).await;
    until_number(&stage, "SELECT count(*) FROM shop WHERE id IN (1, 5)", 2).await;
    assert_eq!(stage.database.number("SELECT count(*) FROM shop").await, 2);
    let longer = "SELECT count(*) FROM shop WHERE length(raw) = 33";
    assert_eq!(stage.database.number(longer).await, 1);
    let shop = columns(&stage, "shop").await;
    assert!(shop.contains(&"raw varbinary(64)".to_owned()), "{shop:?}");
    let letters = kafka::read_topic(&dead_letters.name, 1).await;
    let expected = [
        [
            "\"email\"",
            "varchar(700)",
            "text(1024)",
            "MODIFY COLUMN `email`",
        ],
        [
            "\"amount\"",
            "decimal(65,30)",
            "decimal(66,30)",
            "MODIFY COLUMN `amount`",
        ],
        ["\"email\"", "varchar(700)", "text(1024)", "in a key"],
    ];
    assert_eq!(letters.len(), expected.len());
    for (letter, parts) in letters.iter().zip(expected) {
        let reason = &letter.headers["__connect.errors.exception.message"];
        for part in parts {
            assert!(reason.contains(part), "{reason} without {part}");
        }
    }
    assert_eq!(
        stage
            .database
            .number("SELECT more FROM shop WHERE id = 5")
            .await,
        2
    );
    worker.until_tasks(&connector, "RUNNING", seconds(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_changed_is_told_and_costs_only_its_records() {
    let stage = Stage::begin("refused", 1).await;
    let topic = stage.topic("shop", 1).await;
    let dead_letters = stage.topic("dead", 1).await;
    stage
        .database
        .run(
            "CREATE DOMAIN small AS int4; CREATE TABLE shop (id small, name varchar(5)); \
             CREATE VIEW names AS SELECT name FROM shop",
        )
        .await;
    let connector = Connector::to_table(&stage, &[&topic], "shop")
        .set("auto.evolve", "true")
        .dead_letters(&dead_letters);
    let _worker = Launch::new("worker").start(&stage, &[&connector]).await;
    let values = [
        json!({"id": 1}),
        json!({"id": 5_000_000_000_i64, "c": 1}),
        json!({"id": 3, "name": "too long"}),
        json!({"id": 5_000_000_000_i64}),
        json!({"id": 2, "b": 1, "name": "short"}),
    ];
    send(&topic, values).await;
    until_number(&stage, "SELECT count(*) FROM shop", 2).await;
    let letters = kafka::read_topic(&dead_letters.name, 1).await;
    let of_id = ["\"id\"", "small", "64-bit integer", "a domain"];
    let of_name = ["\"name\"", "character varying(5)", "text(32)", "a view"];
    for (letter, parts) in letters.iter().zip([of_id, of_name, of_id]) {
        let reason = &letter.headers["__connect.errors.exception.message"];
        for part in parts {
            assert!(reason.contains(part), "{reason} without {part}");
        }
        let by_hand = "ALTER TABLE \"shop\" ALTER COLUMN";
        assert!(reason.contains(by_hand), "{reason}");
    }
    assert_eq!(letters.len(), 3);
    let shop = columns(&stage, "shop").await;
    assert_eq!(
        shop,
        [
            "b bigint",
            "c bigint",
            "id small",
            "name character varying(5)"
        ]
    );
}
