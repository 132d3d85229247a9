//! Cassandra, whole: a worker, real Kafka, a real node. What must be there in the end is worked out
//! from the topic alone: the last record of each item, with the write timestamp that the clock gives it.

use std::collections::BTreeMap;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::frame::types::Consistency;
use scylla::statement::unprepared::Statement;

use crate::support::connector::Connector;
use crate::support::hold::Hold;
use crate::support::kafka;
use crate::support::producer::{Load, LoadSpec, Writer};
use crate::support::services::services;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::{Launch, Worker};

const PARTITIONS: i32 = 4;

/// Few enough that each is written often, and deleted between.
const ITEMS: i64 = 60;

/// How often a victim passes its point before it is held there, so that it stops amid work.
const PASSES_BEFORE: usize = 20;

/// A node that shares a busy machine with other databases takes its time; nothing below depends on how
/// long anything takes.
const PATIENCE: Duration = seconds(90);

/// What a row says: producer's number of the record, amount, write timestamp.
type Row = (i64, i64, i64);

/// A keyspace with the table `orders`, dropped with the value.
struct Keyspace {
    name: String,
    session: Session,
}

impl Keyspace {
    async fn create(stage: &Stage) -> Self {
        Self::create_on(stage, &services().cassandra, 1).await
    }

    /// On this node, with so many replicas.
    async fn create_on(stage: &Stage, node: &str, replicas: usize) -> Self {
        let session = SessionBuilder::new().known_node(node).build().await;
        let session = session.expect("a session");
        // Names of keyspaces are short.
        let name = format!("k{:016x}", fastrand::u64(..));
        let keyspace = Self { name, session };
        stage.tell(format_args!("keyspace {}", keyspace.name));
        let name = &keyspace.name;
        keyspace
            .run(&format!(
                "CREATE KEYSPACE {name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': {replicas}}}"
            ))
            .await;
        keyspace
            .run(&format!(
                "CREATE TABLE {name}.orders (item bigint PRIMARY KEY, producer int, seq bigint, amount bigint)"
            ))
            .await;
        keyspace
    }

    fn connector(&self, stage: &Stage, topic: &Topic) -> Connector {
        let url = format!("cassandra://{}/{}", services().cassandra, self.name);
        Connector::upsert(stage, topic, "orders")
            .set("connector.class", "CassandraSink")
            .set("connection.url", &url)
            .set("batch.size", "100")
    }

    async fn run(&self, cql: &str) {
        let done = self.session.query_unpaged(cql, ()).await;
        done.unwrap_or_else(|error| panic!("{cql}: {error}"));
    }

    async fn rows(&self) -> BTreeMap<i64, Row> {
        let cql = format!(
            "SELECT item, seq, amount, writetime(amount) FROM {}.orders",
            self.name
        );
        let answer = self.session.query_unpaged(cql, ()).await.expect("rows");
        let answer = answer.into_rows_result().expect("rows");
        let rows = answer.rows::<(i64, i64, i64, i64)>().expect("four columns");
        rows.map(|row| row.map(|(item, seq, amount, at)| (item, (seq, amount, at))))
            .collect::<Result<_, _>>()
            .expect("values")
    }

    /// Of each partition, where it stands and whose it is.
    async fn positions(&self) -> BTreeMap<i32, (i64, String)> {
        let cql = format!(
            "SELECT partition, next_offset, owner FROM {}.rowdock_progress",
            self.name
        );
        let mut statement = Statement::new(cql);
        // Also of a cluster that has lost its quorum.
        statement.set_consistency(Consistency::One);
        let Ok(answer) = self.session.query_unpaged(statement, ()).await else {
            return BTreeMap::new();
        };
        let answer = answer.into_rows_result().expect("rows");
        let rows = answer
            .rows::<(i32, Option<i64>, Option<String>)>()
            .expect("three columns");
        rows.map(|row| row.expect("values"))
            .filter_map(|(partition, next, owner)| {
                Some((partition, (next?, owner.unwrap_or_default())))
            })
            .collect()
    }

    /// Waits until the table says what the topic does, cell by cell and timestamp by timestamp.
    async fn agrees(&self, topic: &Topic) {
        let expected = expected(topic).await;
        assert!(!expected.is_empty());
        eventually("the table to agree with the topic", PATIENCE, || async {
            let rows = self.rows().await;
            let differing = expected
                .iter()
                .find(|(item, row)| rows.get(item) != Some(row));
            let extra = rows.keys().find(|item| !expected.contains_key(item));
            check(differing.is_none() && extra.is_none(), || {
                let stored = differing.map(|(item, _)| rows.get(item));
                format!("expected {differing:?}, stored {stored:?}; not expected: {extra:?}")
            })
        })
        .await;
    }

    async fn drop(self) {
        self.run(&format!("DROP KEYSPACE {}", self.name)).await;
    }
}

/// The fold of the topic, by the clock's own rule: one more than before, or the record's time.
async fn expected(topic: &Topic) -> BTreeMap<i64, Row> {
    let mut rows = BTreeMap::new();
    let mut clocks = BTreeMap::new();
    for record in kafka::read_topic(&topic.name, topic.partitions).await {
        let key: serde_json::Value =
            serde_json::from_slice(&record.key.expect("a key")).expect("json");
        let item = key["item"].as_i64().expect("a number");
        let clock = clocks
            .entry(item.rem_euclid(topic.partitions.into()))
            .or_insert(0);
        let time = record.timestamp_ms.expect("a time") * 1_000;
        *clock = time.max(*clock + 1);
        match record.value {
            None => {
                rows.remove(&item);
            }
            Some(value) => {
                let value: serde_json::Value = serde_json::from_slice(&value).expect("json");
                let number = |field: &str| value[field].as_i64().expect("a number");
                rows.insert(item, (number("seq"), number("amount"), *clock));
            }
        }
    }
    rows
}

fn load(stage: &Stage, topic: &Topic) -> Load {
    let spec = LoadSpec {
        items: ITEMS,
        delete_every: 9,
        seed: stage.seed,
        ..LoadSpec::append(400, topic.partitions)
    };
    Load::start(&topic.name, &stage.ledger, spec)
}

/// Waits until every partition has got further than it stands now.
async fn until_flowing(keyspace: &Keyspace, topic: &Topic, deadline: Duration) {
    let before = keyspace.positions().await;
    eventually("every partition to move", deadline, || async {
        let now = keyspace.positions().await;
        let still = (0..topic.partitions).find(|partition| {
            let stood = before.get(partition).map_or(0, |(next, _)| *next);
            now.get(partition).is_none_or(|(next, _)| *next <= stood)
        });
        check(still.is_none(), || {
            format!("partition {still:?} of {now:?}")
        })
    })
    .await;
}

/// Waits until each of these workers holds partitions.
async fn until_shared(keyspace: &Keyspace, workers: &[&Worker]) {
    eventually("each worker to hold partitions", PATIENCE, || async {
        let positions = keyspace.positions().await;
        let holds = |worker: &&&Worker| {
            let address = worker.address.to_string();
            let mut owners = positions.values().map(|(_, owner)| owner);
            owners.any(|owner| owner.contains(&address))
        };
        let idle = workers.iter().find(|worker| !holds(worker));
        check(idle.is_none(), || format!("{positions:?}"))
    })
    .await;
}

/// A worker dies with rows in hand; its successor writes them again, the same.
async fn killed(name: &str, point: &str) {
    let stage = Stage::begin(name, 2).await;
    let keyspace = Keyspace::create(&stage).await;
    let topic = stage.topic("orders", PARTITIONS).await;
    let connector = keyspace.connector(&stage, &topic);
    let load = load(&stage, &topic);
    let hold = Hold::at(&stage, point, PASSES_BEFORE);
    let mut victim = Launch::new("victim")
        .hold(&hold)
        .start(&stage, &[&connector])
        .await;
    hold.until_held(PATIENCE).await;
    let status = victim.kill();
    stage.tell(format_args!("the victim at {point} ended: {status}"));
    let successor = Launch::new("successor").start(&stage, &[&connector]).await;
    until_flowing(&keyspace, &topic, PATIENCE).await;
    load.finish().await;
    keyspace.agrees(&topic).await;
    successor
        .until_tasks(&connector, "RUNNING", seconds(30))
        .await;
    keyspace.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_amid_rows() {
    killed("cassandra_kill_mid_rows", "cassandra::mid_rows").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_rows_and_checkpoint() {
    killed(
        "cassandra_kill_before_checkpoint",
        "cassandra::before_checkpoint",
    )
    .await;
}

/// Two workers; one is frozen with rows in hand, thaws when the other has written all of them and more,
/// and writes its own then.
///
/// Why the table must agree with the topic in every cell and write timestamp all the same: the frozen
/// one ran its clock from the checkpoint that it held, and the other starts from the same one, since
/// neither has moved it; the config is the same and the log is not compacted, so both give each record
/// the same timestamp, and the late rows are the ones that are there or lose to newer ones. The late
/// checkpoint compares a claim that has been replaced, so it moves nothing, and a late raise of the
/// ceiling compares the same. Nothing of this is a matter of time, and so is nothing of the test: the
/// victim stands at its point until it is frozen, and is let go while it is.
async fn frozen(name: &str, point: &str) {
    let stage = Stage::begin(name, 2).await;
    let keyspace = Keyspace::create(&stage).await;
    let topic = stage.topic("orders", PARTITIONS).await;
    let connector = keyspace.connector(&stage, &topic);
    let load = load(&stage, &topic);
    let other = Launch::new("other").start(&stage, &[&connector]).await;
    let hold = Hold::at(&stage, point, PASSES_BEFORE);
    let victim = Launch::new("victim")
        .hold(&hold)
        .start(&stage, &[&connector])
        .await;
    hold.until_held(PATIENCE).await;
    victim.freeze().await;
    hold.let_go();
    // Every partition moves, so the other one has claimed them all.
    until_flowing(&keyspace, &topic, PATIENCE).await;
    victim.thaw().await;
    // It has found out, by a refused checkpoint or a renewal, and is a member again.
    until_shared(&keyspace, &[&victim, &other]).await;
    let fenced = victim.logged(&["fenced"]);
    stage.tell(format_args!("the frozen one logged: {:?}", fenced.first()));
    until_flowing(&keyspace, &topic, PATIENCE).await;
    load.finish().await;
    keyspace.agrees(&topic).await;
    for worker in [&victim, &other] {
        worker.until_tasks(&connector, "RUNNING", seconds(30)).await;
    }
    keyspace.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_before_its_rows() {
    frozen("cassandra_freeze_before_rows", "cassandra::before_rows").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_between_rows_and_checkpoint() {
    frozen(
        "cassandra_freeze_before_checkpoint",
        "cassandra::before_checkpoint",
    )
    .await;
}

/// Several updates of one row within a millisecond, and a delete behind them: the last one counts.
#[tokio::test(flavor = "multi_thread")]
async fn many_records_of_one_millisecond() {
    let stage = Stage::begin("cassandra_one_millisecond", 1).await;
    let keyspace = Keyspace::create(&stage).await;
    let topic = stage.topic("orders", PARTITIONS).await;
    let connector = keyspace.connector(&stage, &topic);
    let writer = Writer::new(&topic.name, 1, &stage.ledger);
    let about = |seq: i64, item: i64| crate::support::producer::Draft::about(seq, item, PARTITIONS);
    let drafts = (0..600).map(|seq| match seq % 100 {
        50 => about(seq, seq % 3).deleting(),
        _ => about(seq, seq % 3),
    });
    writer.send_all(drafts).await;
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    keyspace.agrees(&topic).await;
    let status = worker
        .rest
        .get(&format!("/connectors/{}/offsets", connector.name))
        .await;
    assert_eq!(status.code, 200, "{}", status.body);
    keyspace.drop().await;
}

/// One topic, two tables, each with columns of its own choice; a record without a value deletes where its
/// key is.
#[tokio::test(flavor = "multi_thread")]
async fn one_topic_into_two_tables() {
    let stage = Stage::begin("cassandra_mapping", 1).await;
    let keyspace = Keyspace::create(&stage).await;
    let name = &keyspace.name;
    keyspace
        .run(&format!(
            "CREATE TABLE {name}.by_amount (amount bigint, item bigint, made timeuuid, PRIMARY KEY (amount, item))"
        ))
        .await;
    let topic = stage.topic("orders", PARTITIONS).await;
    let mapping = format!(
        "{0} -> {name}.orders: item=key.item, seq=value.seq, amount=value.amount; \
         {0} -> {name}.by_amount: amount=value.amount, item=key.item, made=now()",
        topic.name
    );
    let connector = Connector::of_class("CassandraSink", &stage.unique("mapped"))
        .set("topics", &topic.name)
        .set(
            "connection.url",
            &format!("cassandra://{}/{name}", services().cassandra),
        )
        .set("cassandra.mapping", &mapping);
    let writer = Writer::new(&topic.name, 1, &stage.ledger);
    writer.send_good(0, 200, PARTITIONS).await;
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    keyspace.agrees(&topic).await;
    // The position has passed what is in both tables.
    eventually("all to be checkpointed", PATIENCE, || async {
        let positions = keyspace.positions().await;
        let done: i64 = positions.values().map(|(next, _)| next).sum();
        check(done == 200, || format!("{done} of 200"))
    })
    .await;
    let cql = format!("SELECT amount, item, writetime(made) FROM {name}.by_amount");
    let answer = keyspace.session.query_unpaged(cql, ()).await.expect("rows");
    let answer = answer.into_rows_result().expect("rows");
    let rows = answer.rows::<(i64, i64, i64)>().expect("three columns");
    let found: BTreeMap<i64, (i64, i64)> = rows
        .map(|row| row.map(|(amount, item, at)| (item, (amount, at))))
        .collect::<Result<_, _>>()
        .expect("values");
    let expected = expected(&topic).await;
    let expected = expected
        .into_iter()
        .map(|(item, (_, amount, at))| (item, (amount, at)));
    assert_eq!(found, expected.collect::<BTreeMap<_, _>>());
    worker.until_tasks(&connector, "RUNNING", seconds(30)).await;
    keyspace.drop().await;
}

/// Two nodes, of which both must agree: while one is away nothing can be written, and no position moves;
/// when it is back, everything comes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and two nodes of its own"]
async fn chaos_of_a_lost_quorum() {
    let stage = Stage::begin("cassandra_quorum", 1).await;
    let own = stage.unique("two");
    let first = Node::start(&format!("cassandra@{own}"));
    let second = Node::start(&format!("cassandra-2@{own}"));
    let keyspace = Keyspace::create_on(&stage, &first.address, 2).await;
    let topic = stage.topic("orders", PARTITIONS).await;
    let connector = keyspace
        .connector(&stage, &topic)
        .set("cassandra.consistency", "QUORUM")
        .set(
            "connection.url",
            &format!(
                "cassandra://{}/{}?requestTimeout=5000",
                first.address, keyspace.name
            ),
        );
    let load = load(&stage, &topic);
    let worker = Launch::new("worker").start(&stage, &[&connector]).await;
    until_flowing(&keyspace, &topic, PATIENCE).await;
    second.run("kill");
    worker
        .until_logged(&["database error, trying again"], PATIENCE)
        .await;
    let stood = keyspace.positions().await;
    assert!(stood.len() > 1, "{stood:?}");
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(
        keyspace.positions().await,
        stood,
        "a position moved without a quorum"
    );
    second.run("start");
    until_flowing(&keyspace, &topic, seconds(180)).await;
    load.finish().await;
    keyspace.agrees(&topic).await;
    worker.until_tasks(&connector, "RUNNING", seconds(30)).await;
}

/// A node of a cluster of the test's own, discarded with its data when dropped.
struct Node {
    service: String,
    address: String,
}

impl Node {
    fn start(service: &str) -> Self {
        let settings = crate::support::services::parse(&services_script("start", service));
        Self {
            service: service.to_owned(),
            address: settings["ROWDOCK_TEST_CASSANDRA"].clone(),
        }
    }

    fn run(&self, verb: &str) {
        services_script(verb, &self.service);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        services_script("discard", &self.service);
    }
}

fn services_script(verb: &str, service: &str) -> String {
    let script = crate::support::services::workspace().join("scripts/services.sh");
    let output = std::process::Command::new(script)
        .args([verb, service])
        .output();
    let output = output.expect("run scripts/services.sh");
    assert!(
        output.status.success(),
        "services.sh {verb} {service}: {output:?}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
