//! `cargo bench --bench cassandra`: how fast a topic becomes a table of Cassandra, next to how fast the
//! same driver writes the same statements with no Kafka. Both in one run, in turns, on one machine.
//!
//! Every row has a partition of its own, so that each is a request. `ROWDOCK_BENCH_RECORDS` and
//! `ROWDOCK_BENCH_ROUNDS` make it shorter or longer; services are found as the tests find them.
#![allow(clippy::print_stdout, reason = "the figures are its purpose")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures_util::stream::{self, StreamExt as _};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::frame::types::Consistency;
use serde_json::json;

const RECORDS: usize = 200_000;
const ROUNDS: usize = 3;
const PARTITIONS: i32 = 4;

/// As many requests on their way as the sink has by default.
const IN_FLIGHT: usize = rowdock_connectors::cassandra::CassandraSettings::REQUESTS_DEFAULT;

/// To reach: the sink's rate as a share of the driver's.
const GOAL: f64 = 0.8;

const DEADLINE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const KEYSPACE: &str = "rowdock_bench";
const COLUMNS: &str =
    "id bigint PRIMARY KEY, customer text, quantity int, price double, paid boolean";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let services = services()?;
    let records = number("ROWDOCK_BENCH_RECORDS", RECORDS)?;
    let rounds = number("ROWDOCK_BENCH_ROUNDS", ROUNDS)?;
    let session = SessionBuilder::new()
        .known_node(&services["ROWDOCK_TEST_CASSANDRA"])
        .build()
        .await?;
    run(&session, &format!("DROP KEYSPACE IF EXISTS {KEYSPACE}")).await?;
    run(
        &session,
        &format!(
            "CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
        ),
    )
    .await?;
    let topic = format!("bench-cassandra-{}", std::process::id());
    fill(&services["ROWDOCK_TEST_KAFKA"], &topic, records).await?;
    let mut shares = Vec::new();
    for round in 1..=rounds {
        let driver = driver_alone(&session, records).await?;
        let sink = worker(&session, &services, &topic, round, records).await?;
        println!("round {round}: driver alone {driver:.0} rows/s, worker {sink:.0} rows/s");
        shares.push(sink / driver);
    }
    shares.sort_by(f64::total_cmp);
    let median = shares[shares.len() / 2];
    let verdict = if median >= GOAL { "reached" } else { "MISSED" };
    println!(
        "the worker writes {:.0} % of what the driver alone writes; goal {:.0} %: {verdict}",
        median * 100.0,
        GOAL * 100.0
    );
    run(&session, &format!("DROP KEYSPACE {KEYSPACE}")).await
}

/// What `target/services.env` says.
fn services() -> anyhow::Result<BTreeMap<String, String>> {
    let file = std::env::var_os("ROWDOCK_TEST_ENV").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/services.env"),
        Into::into,
    );
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}; run `make services`", file.display()))?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect())
}

fn number(name: &str, default: usize) -> anyhow::Result<usize> {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{name} must be a number")),
        Err(_) => Ok(default),
    }
}

async fn run(session: &Session, cql: &str) -> anyhow::Result<()> {
    session
        .query_unpaged(cql, ())
        .await
        .with_context(|| cql.to_owned())?;
    Ok(())
}

/// A row, from its number alone.
fn row(id: i64) -> (i64, String, i32, f64, bool) {
    let scrambled = id.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let quantity = i32::try_from(scrambled % 9).unwrap_or_default() + 1;
    let customer = format!("customer-{:06}", scrambled % 400_000);
    (
        id,
        customer,
        quantity,
        f64::from(quantity) * 1.25,
        scrambled.is_multiple_of(2),
    )
}

async fn fill(kafka: &str, topic: &str, records: usize) -> anyhow::Result<()> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", kafka)
        .set("linger.ms", "20");
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
    admin.create_topics([&new], &AdminOptions::new()).await?;
    let producer: BaseProducer = config.create()?;
    for id in 0..i64::try_from(records)? {
        let (id, customer, quantity, price, paid) = row(id);
        let value = json!({"id": id, "customer": customer, "quantity": quantity, "price": price, "paid": paid});
        let value = value.to_string();
        let key = id.to_string();
        while producer
            .send(BaseRecord::to(topic).key(&key).payload(&value))
            .is_err()
        {
            producer.poll(Duration::from_millis(10));
        }
    }
    producer.flush(DEADLINE)?;
    Ok(())
}

/// Rows per second of the driver, with the sink's own statement.
async fn driver_alone(session: &Session, records: usize) -> anyhow::Result<f64> {
    fresh_table(session, "direct").await?;
    let text = format!(
        "INSERT INTO {KEYSPACE}.direct (id, customer, paid, price, quantity) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?"
    );
    let mut statement = session.prepare(text).await?;
    statement.set_is_idempotent(true);
    statement.set_consistency(Consistency::LocalQuorum);
    let statement = &statement;
    let began = Instant::now();
    let writes = (0..i64::try_from(records)?).map(|id| async move {
        let (id, customer, quantity, price, paid) = row(id);
        let values = (id, customer, paid, price, quantity, 1_000_000 + id);
        session.execute_unpaged(statement, values).await
    });
    let mut writing = stream::iter(writes).buffer_unordered(IN_FLIGHT);
    while let Some(written) = writing.next().await {
        written?;
    }
    Ok(rate(records, began.elapsed()))
}

/// Rows per second from the first checkpoint to the last, of one task in a process of its own.
async fn worker(
    session: &Session,
    services: &BTreeMap<String, String>,
    topic: &str,
    round: usize,
    records: usize,
) -> anyhow::Result<f64> {
    fresh_table(session, "orders").await?;
    let connector = json!({
        "name": format!("{topic}-{round}"),
        "config": {
            "connector.class": "CassandraSink",
            "tasks.max": "1",
            "topics": topic,
            "connection.url": format!("cassandra://{}/{KEYSPACE}", services["ROWDOCK_TEST_CASSANDRA"]),
            "table.name.format": "orders",
            "pk.mode": "record_value",
            "pk.fields": "id",
            "value.converter": "JsonConverter",
            "value.converter.schemas.enable": "false",
        },
    });
    let file = std::env::temp_dir().join(format!("{topic}.json"));
    std::fs::write(&file, connector.to_string())?;
    let child = Command::new(env!("CARGO_BIN_EXE_rowdock"))
        .arg("standalone")
        .args([
            "--set",
            &format!("bootstrap.servers={}", services["ROWDOCK_TEST_KAFKA"]),
        ])
        .args(["--set", "listeners=http://127.0.0.1:0"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let _worker = Killed(child);
    let query =
        format!("SELECT connector, partition, next_offset FROM {KEYSPACE}.rowdock_progress");
    let own = format!("{topic}-{round}");
    let started = Instant::now();
    let mut first: Option<(Instant, usize)> = None;
    loop {
        let done = stored(session, &query, &own).await;
        match first {
            None if done > 0 => first = Some((Instant::now(), done)),
            Some((began, before)) if done >= records => {
                return Ok(rate(records - before, began.elapsed()));
            }
            _ => {}
        }
        if started.elapsed() > DEADLINE {
            bail!("{done} of {records} rows after {DEADLINE:?}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn stored(session: &Session, query: &str, connector: &str) -> usize {
    // Before the worker has made it, there is no table.
    let Ok(answer) = session.query_unpaged(query, ()).await else {
        return 0;
    };
    let Ok(answer) = answer.into_rows_result() else {
        return 0;
    };
    let Ok(rows) = answer.rows::<(String, i32, Option<i64>)>() else {
        return 0;
    };
    let own = rows
        .flatten()
        .filter(|(name, partition, _)| name == connector && *partition >= 0);
    let offsets = own.map(|(_, _, next)| usize::try_from(next.unwrap_or(0)).unwrap_or(0));
    offsets.sum()
}

async fn fresh_table(session: &Session, name: &str) -> anyhow::Result<()> {
    run(session, &format!("DROP TABLE IF EXISTS {KEYSPACE}.{name}")).await?;
    run(
        session,
        &format!("CREATE TABLE {KEYSPACE}.{name} ({COLUMNS})"),
    )
    .await
}

fn rate(rows: usize, took: Duration) -> f64 {
    let rows = u32::try_from(rows).unwrap_or(u32::MAX);
    f64::from(rows) / took.as_secs_f64()
}

/// A process that ends with the value.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        if self.0.kill().is_ok() {
            self.0.wait().ok();
        }
    }
}
