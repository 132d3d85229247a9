//! Bad records: to the dead letters with their coordinates and reason, or the task stops there.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::engine::Engine;
use crate::support::hold::Hold;
use crate::support::kafka::{self, ReadRecord};
use crate::support::ledger::Fate;
use crate::support::orders::{Caught, Orders, TABLE};
use crate::support::producer::{Draft, Load, LoadSpec, Poison};
use crate::support::proxy::Proxy;
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

const HEADER: &str = "__connect.errors.";

/// Orders with a rule that only the database knows, and a dead letter topic.
async fn prepare(stage: &Stage, partitions: i32) -> (Orders, Topic) {
    let mut orders = Orders::prepare(stage, partitions).await;
    stage.database.refuse_negative_amounts(TABLE).await;
    let letters = stage.topic("letters", 1).await;
    orders.connector = orders.connector.dead_letters(&letters);
    (orders, letters)
}

/// Letters by the coordinates that their headers tell, with how often each was sent.
async fn letters_by_coordinates(letters: &Topic) -> BTreeMap<(i32, i64), Vec<ReadRecord>> {
    let mut found: BTreeMap<_, Vec<ReadRecord>> = BTreeMap::new();
    for letter in kafka::read_topic(&letters.name, letters.partitions).await {
        let number = |name: &str| -> i64 {
            let header = letter.headers.get(&format!("{HEADER}{name}"));
            header
                .and_then(|text| text.parse().ok())
                .unwrap_or_else(|| panic!("no number in header {name}: {letter:?}"))
        };
        let partition = i32::try_from(number("partition")).unwrap();
        let coordinates = (partition, number("offset"));
        found.entry(coordinates).or_default().push(letter);
    }
    found
}

/// The bad records are exactly those in the dead letter topic, each once.
async fn letters_match(stage: &Stage, orders: &Orders, letters: &Topic) {
    let repeated = letters_repeated(stage, orders, letters).await;
    assert_eq!(repeated, 0, "records with several letters");
}

/// The bad records are exactly those in the dead letter topic. How many of them are there several times:
/// a topic and a database have no transaction in common, so that a letter is sent again by the next
/// owner of a partition that is taken away between the letter and its batch.
async fn letters_repeated(stage: &Stage, orders: &Orders, letters: &Topic) -> usize {
    let sent = stage.ledger.of_topic(&orders.topic.name);
    let bad: BTreeSet<(i32, i64)> = sent
        .iter()
        .filter(|record| record.fate == Fate::Rejected)
        .map(|record| (record.partition, record.offset))
        .collect();
    let found = letters_by_coordinates(letters).await;
    let with_letter: BTreeSet<(i32, i64)> = found.keys().copied().collect();
    assert_eq!(bad, with_letter, "bad records, and those with a letter");
    let repeated = found.values().filter(|letters| letters.len() > 1).count();
    stage.tell(format_args!(
        "{} bad records, each with a letter, {repeated} with several",
        bad.len()
    ));
    repeated
}

#[tokio::test(flavor = "multi_thread")]
async fn one_percent_into_postgres() {
    one_percent_of_all_kinds(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_percent_into_sqlite() {
    one_percent_of_all_kinds(Engine::Sqlite).await;
}

async fn one_percent_of_all_kinds(engine: Engine) {
    const REPEATED_MAX: usize = 12;
    let stage = Stage::begin_in(engine, "poison_percent", 2).await;
    let (orders, letters) = prepare(&stage, 6).await;
    let spec = LoadSpec {
        poison_every: 100,
        ..LoadSpec::append(1000, 6)
    };
    let load = Load::start(&orders.topic.name, &stage.ledger, spec);
    let connectors = [&orders.connector];
    let first = Launch::new("first").start(&stage, &connectors).await;
    orders.judged(&stage).until_rows(1500, seconds(20)).await;
    let second = Launch::new("second").start(&stage, &connectors).await;
    orders.until_shared(&stage, &[&first, &second]).await;
    load.finish().await;
    let judged = orders.judged(&stage);
    judged.healed(&[&first, &second], seconds(20)).await;
    let repeated = letters_repeated(&stage, &orders, &letters).await;
    // Half of the partitions have moved once, with what was on its way.
    assert!(repeated <= REPEATED_MAX, "{repeated} letters are repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_bad_records() {
    for poison in [Poison::Malformed, Poison::Unfit, Poison::Refused] {
        let stage = Stage::begin(&format!("all_{poison:?}").to_lowercase(), 1).await;
        let (orders, letters) = prepare(&stage, 2).await;
        let writer = orders.writer(&stage, 1);
        writer
            .send_all((0..50).map(|seq| Draft::good(seq, 2).poisoned(poison)))
            .await;
        let worker = Launch::new("worker")
            .start(&stage, &[&orders.connector])
            .await;
        orders.judged(&stage).healed(&[&worker], seconds(20)).await;
        writer.send_good(50, 20, 2).await;
        orders.judged(&stage).healed(&[&worker], seconds(10)).await;
        letters_match(&stage, &orders, &letters).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_the_record_with_its_reason() {
    let stage = Stage::begin("letter", 1).await;
    let (orders, letters) = prepare(&stage, 1).await;
    let drafts = [Poison::Malformed, Poison::Unfit, Poison::Refused]
        .into_iter()
        .zip(0..)
        .map(|(poison, seq)| Draft::good(seq, 1).poisoned(poison));
    orders.writer(&stage, 1).send_all(drafts).await;
    let worker = Launch::new("worker")
        .start(&stage, &[&orders.connector])
        .await;
    orders.judged(&stage).healed(&[&worker], seconds(20)).await;
    let found = letters_by_coordinates(&letters).await;
    let originals = kafka::read_topic(&orders.topic.name, 1).await;
    for (offset, original) in (0..).zip(&originals) {
        let letter = &found[&(0, offset)][0];
        assert_eq!(letter.key, original.key);
        assert_eq!(letter.value, original.value);
        let header = |name: &str| letter.headers[&format!("{HEADER}{name}")].as_str();
        assert_eq!(header("topic"), orders.topic.name);
        assert_eq!(header("connector.name"), orders.connector.name);
        assert_eq!(header("task.id"), "0");
        for name in [
            "stage",
            "class.name",
            "exception.class.name",
            "exception.message",
        ] {
            assert_ne!(header(name), "", "header {name}");
        }
        stage.tell(format_args!(
            "{}: {}",
            header("stage"),
            header("exception.message")
        ));
    }
    let class =
        |offset: i64| found[&(0, offset)][0].headers[&format!("{HEADER}class.name")].clone();
    assert_eq!(class(0), "org.apache.kafka.connect.json.JsonConverter");
    assert_eq!(class(2), "org.apache.kafka.connect.sink.SinkTask");
    let reason = &found[&(0, 2)][0].headers[&format!("{HEADER}exception.message")];
    assert!(reason.contains("positive"), "names the rule: {reason}");
}

/// A table of the target instead of a topic: a worker dies between the rows of its batches, and each
/// bad record is there once, written once.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_holds_each_bad_record_once_though_a_worker_is_killed() {
    let stage = Stage::begin("letter_table", 2).await;
    let (mut orders, _) = prepare(&stage, 4).await;
    orders.connector = orders
        .connector
        .set("errors.deadletterqueue.topic.name", "")
        .set("errors.deadletterqueue.table", "letters")
        // On a busy machine a batch would be large, and the search for its bad rows take a minute.
        .set("batch.size", "100");
    let spec = LoadSpec {
        poison_every: 20,
        ..LoadSpec::append(800, 4)
    };
    let load = Load::start(&orders.topic.name, &stage.ledger, spec);
    let path = Proxy::to_database(stage.database.server()).await;
    let mut victim = Launch::new("victim")
        .database(&path)
        .failpoint("postgres::before_commit", "12*off->sleep(60000)")
        .start(&stage, &[&orders.connector])
        .await;
    // Attempts that are refused pass the point as well, and it may be one of them that stands there: how
    // many batches were written before cannot be told.
    orders.caught(&stage, &path, Caught::InTransaction, 0).await;
    stage.tell(victim.kill());
    let successor = Launch::new("successor")
        .start(&stage, &[&orders.connector])
        .await;
    orders.until_flowing(&stage, seconds(20)).await;
    load.finish().await;
    orders
        .judged(&stage)
        .healed(&[&successor], seconds(20))
        .await;
    let bad: BTreeSet<(i32, i64)> = stage
        .ledger
        .of_topic(&orders.topic.name)
        .iter()
        .filter(|record| record.fate == Fate::Rejected)
        .map(|record| (record.partition, record.offset))
        .collect();
    let rows = stage
        .database
        .rows(
            "SELECT kafka_partition, kafka_offset, xmax::text, stage, reason, topic, \
             record_value IS NOT NULL AND record_time IS NOT NULL FROM letters",
            &[],
        )
        .await;
    let found: BTreeSet<(i32, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(bad, found, "bad records, and those in the table");
    for row in &rows {
        assert_eq!(row.get::<String>(2), "0", "a letter was written again");
        assert!(!row.get::<String>(3).is_empty() && !row.get::<String>(4).is_empty());
        assert_eq!(row.get::<String>(5), orders.topic.name);
        assert!(row.get::<bool>(6), "the record's own bytes and time");
    }
    stage.tell(format_args!(
        "{} bad records, each with one row",
        rows.len()
    ));
}

/// A connector that rejects everything is stopped, with what is tolerated in the topic.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_bad_records_and_a_limit() {
    let stage = Stage::begin("letter_limit", 1).await;
    let (mut orders, letters) = prepare(&stage, 1).await;
    orders.connector = orders.connector.set("errors.max.consecutive", "10");
    let writer = orders.writer(&stage, 1);
    writer.send_good(0, 5, 1).await;
    writer
        .send_all((5..60).map(|seq| Draft::good(seq, 1).poisoned(Poison::Refused)))
        .await;
    let worker = Launch::new("worker")
        .start(&stage, &[&orders.connector])
        .await;
    let tasks = worker
        .until_tasks(&orders.connector, "FAILED", seconds(20))
        .await;
    stage.tell(&tasks[0].trace);
    for part in ["offset 15", "errors.max.consecutive=10", "positive"] {
        assert!(tasks[0].trace.contains(part), "{}", tasks[0].trace);
    }
    eventually("what is tolerated to be stored", seconds(5), || async {
        let at = orders.judged(&stage).positions().await[&0];
        check(at == 15, || format!("the position is {at}"))
    })
    .await;
    let kept: Vec<(i32, i64)> = letters_by_coordinates(&letters).await.into_keys().collect();
    assert_eq!(kept, (5..15).map(|offset| (0, offset)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn not_tolerated_in_postgres() {
    not_tolerated_while_another_task_runs_on(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn not_tolerated_in_sqlite() {
    not_tolerated_while_another_task_runs_on(Engine::Sqlite).await;
}

/// Without tolerance a task stops at the bad record; what came before is stored, its partitions
/// stay its own, and the other task goes on.
async fn not_tolerated_while_another_task_runs_on(engine: Engine) {
    for poison in [Poison::Malformed, Poison::Refused] {
        let name = format!("stops_{poison:?}").to_lowercase();
        let stage = Stage::begin_in(engine, &name, 2).await;
        let (orders, letters) = prepare(&stage, 4).await;
        let connector = orders.connector.clone().set("errors.tolerance", "none");
        let orders = Orders {
            connector,
            ..orders
        };
        let connectors = [&orders.connector];
        let first = Launch::new("first").start(&stage, &connectors).await;
        let second = Launch::new("second").start(&stage, &connectors).await;
        let writer = orders.writer(&stage, 1);
        writer.send_good(0, 40, 4).await;
        let judged = orders.judged(&stage);
        judged.healed(&[&first, &second], seconds(20)).await;
        orders.until_shared(&stage, &[&first, &second]).await;
        let owner = orders.owners(&stage).await[&1].clone();
        let (failing, running) = if owner.contains(&first.address.to_string()) {
            (&first, &second)
        } else {
            (&second, &first)
        };
        // Partition 1: ten good ones, three more, the bad one at offset 13, three more.
        let to_one = |seq| Draft::about(seq, 1, 4);
        writer.send_all((40..43).map(to_one)).await;
        writer.send_all([to_one(43).poisoned(poison)]).await;
        writer.send_all((44..47).map(to_one)).await;
        let tasks = failing
            .until_tasks(&orders.connector, "FAILED", seconds(15))
            .await;
        let trace = &tasks[0].trace;
        stage.tell(trace);
        for part in [orders.topic.name.as_str(), "13"] {
            assert!(trace.contains(part), "no {part:?} in the trace: {trace}");
        }
        eventually("what comes before it to be stored", seconds(5), || async {
            let at = judged.positions().await[&1];
            check(at == 13, || format!("the position of partition 1 is {at}"))
        })
        .await;
        // The other task's partitions go on, and it does not inherit the bad record.
        let owners = orders.owners(&stage).await;
        let free = |partition: i32| owners[&partition].contains(&running.address.to_string());
        let more: Vec<Draft> = (100..200)
            .map(|seq| Draft::good(seq, 4))
            .filter(|draft| free(draft.partition))
            .collect();
        assert!(
            !more.is_empty(),
            "the other task has no partition: {owners:?}"
        );
        let ends: BTreeMap<i32, i64> = more
            .iter()
            .map(|draft| (draft.partition, 10 + 25))
            .collect();
        writer.send_all(more).await;
        judged.until_positions(&ends, seconds(10)).await;
        running
            .until_tasks(&orders.connector, "RUNNING", seconds(1))
            .await;
        assert_eq!(orders.owners(&stage).await, owners, "partitions moved");
        let kept: Vec<(i32, i64)> = letters_by_coordinates(&letters).await.into_keys().collect();
        assert_eq!(kept, [(1, 13)], "the record that stopped the task is kept");
    }
}

/// Bad records are being searched for in the database when the session dies; a letter that was
/// sent is not sent again.
#[tokio::test(flavor = "multi_thread")]
async fn session_dies_between_two_bisect_steps() {
    let stage = Stage::begin("bisect_dies", 1).await;
    let (orders, letters) = prepare(&stage, 2).await;
    let path = Proxy::to_database(stage.database.server()).await;
    let drafts = (0..400).map(|seq| {
        let draft = Draft::good(seq, 2);
        match seq % 97 {
            13 => draft.poisoned(Poison::Refused),
            _ => draft,
        }
    });
    orders.writer(&stage, 1).send_all(drafts).await;
    let hold = Hold::at(&stage, "postgres::between_bisect_steps", 3);
    let worker = Launch::new("worker")
        .database(&path)
        .hold(&hold)
        .start(&stage, &[&orders.connector])
        .await;
    hold.until_held(seconds(60)).await;
    let session = orders.caught(&stage, &path, Caught::InTransaction, 0).await;
    assert!(stage.database.terminate(session.id).await);
    hold.let_go();
    stage.tell(format_args!("ended session {}", session.id));
    orders.judged(&stage).healed(&[&worker], seconds(20)).await;
    letters_match(&stage, &orders, &letters).await;
}
