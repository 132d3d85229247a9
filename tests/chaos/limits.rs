//! Positions set by hand, a database that stalls, clocks that jump, memory.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};

use super::play::{PARTITIONS, Play, is_short, placement, tell_since};
use crate::cluster::until_healthy;
use crate::support::kafka;
use crate::support::proc::resident_mebibytes;
use crate::support::proxy::{Network, Proxy};
use crate::support::wait::{PATIENCE, check, eventually, seconds};
use crate::support::worker::Worker;

/// Records of each partition.
const RECORDS: i64 = 100;

/// How far positions are set back, and later forward.
const STEP: i64 = 25;

/// Positions are set while tasks are still ending, through another worker than the one that was told
/// to stop: either nothing is changed, or all of it, once; and exactly that range is stored again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs three brokers: make chaos"]
async fn positions_set_while_tasks_end() {
    let play = Play::begin("positions").await;
    let writer = play.orders.writer(&play.stage, 1);
    let all = i64::from(PARTITIONS) * RECORDS;
    writer.send_good(0, all, PARTITIONS).await;
    let judged = play.orders.judged(&play.stage);
    judged.until_rows(all, PATIENCE).await;
    let running = set(&play, 1, RECORDS - STEP).await;
    assert_eq!(running.0, 400, "of a connector that runs: {}", running.1);

    play.ask(0, "stop").await;
    let refusals = until_set(&play, RECORDS - STEP).await;
    play.stage.tell(format_args!(
        "set back after {refusals} refusals while tasks ended"
    ));
    play.ask(2, "resume").await;
    let again = i64::from(PARTITIONS) * STEP;
    judged.until_rows(all + again, PATIENCE).await;

    play.ask(1, "stop").await;
    writer.send_good(all, all, PARTITIONS).await;
    until_set(&play, RECORDS + STEP).await;
    play.ask(0, "resume").await;
    let skipped = again;
    let expected = all + again + all - skipped;
    judged.until_rows(expected, PATIENCE).await;
    let rows = play.stage.database.number("SELECT count(*) FROM orders");
    assert_eq!(rows.await, expected);
    let resets = "SELECT min(reset_count)::bigint * 1000 + max(reset_count)::bigint
        FROM rowdock_progress WHERE partition >= 0 AND cluster_id NOT LIKE '%/reset/%'";
    assert_eq!(play.stage.database.number(resets).await, 2002);
    let kept = "SELECT count(*) FROM rowdock_progress WHERE cluster_id LIKE '%/reset/%'";
    let kept = play.stage.database.number(kept).await;
    assert_eq!(kept, 2 * i64::from(PARTITIONS), "what stood there is kept");
}

async fn set(play: &Play, worker: usize, offset: i64) -> (u16, Value) {
    let path = format!("/connectors/{}/offsets", play.orders.connector.name);
    let partitions = (0..PARTITIONS).map(|partition| {
        json!({"partition": {"kafka_topic": play.orders.topic.name, "kafka_partition": partition},
            "offset": {"kafka_offset": offset}})
    });
    let body = json!({"offsets": partitions.collect::<Vec<_>>()});
    let answer = play.workers[worker].rest.patch(&path, body).await;
    (answer.code, answer.body)
}

/// Returns how often it was refused before.
async fn until_set(play: &Play, offset: i64) -> usize {
    let mut refusals = 0;
    let begun = Instant::now();
    loop {
        let (code, body) = set(play, 1, offset).await;
        if code == 200 {
            return refusals;
        }
        assert_eq!(code, 500, "{body}");
        refusals += 1;
        assert!(begun.elapsed() < PATIENCE, "{body}");
    }
}

/// Longer than consumers may go without polling, the database takes what it is told and says
/// nothing. They poll nevertheless.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs three brokers: make chaos"]
async fn database_stalls() {
    let settings = [("consumer.override.max.poll.interval.ms", "6000")];
    let mut play = Play::prepare("database_stalls", &settings).await;
    let path = Proxy::to_database(play.stage.database.server()).await;
    let launches = (0..3).map(|index| play.launch_with(index, Some(&path)));
    let launches = launches.collect();
    play.begin_with(launches).await;
    let load = play.load().await;
    path.set(Network::Stalled);
    let begun = Instant::now();
    eventually("three poll intervals", PATIENCE, || async {
        check(begun.elapsed() > seconds(18), || "not yet".to_owned())
    })
    .await;
    path.set(Network::Whole);
    let back = Instant::now();
    play.until_flowing().await;
    tell_since(&play.stage, "the database answers; all flows", back);
    let evicted: usize = play
        .workers
        .iter()
        .map(|one| one.logged(&["MaxPollExceeded"]).len())
        .sum();
    play.stage
        .tell(format_args!("evicted for not polling: {evicted}"));
    assert_eq!(evicted, 0, "the consumers' threads polled all the time");
    play.judge(load).await;
}

/// The wall clock of one worker is set an hour ahead and two hours back, as it works. Records flow, and
/// the worker keeps its part, or has it again soon: Kafka's client waits by the wall clock, for two
/// hours more when that is set back, unless something comes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs three brokers: make chaos"]
async fn clock_jumps() {
    let mut play = Play::prepare("clock_jumps", &[]).await;
    let (library, offset) = jumping_clock(&play.stage.folder());
    let jumper = play
        .launch(1)
        .variable("LD_PRELOAD", &library.display().to_string())
        .variable("ROWDOCK_TEST_CLOCK", &offset.display().to_string());
    let launches = vec![play.launch(0), jumper, play.launch(2)];
    play.begin_with(launches).await;
    let load = play.load().await;
    play.settle().await;
    for seconds_ahead in [3600_i64, -3600, 0] {
        set_clock(&offset, seconds_ahead);
        play.ask(1, "restart?includeTasks=true").await;
        let begun = Instant::now();
        let says = eventually("the worker's log to have that time", PATIENCE, || async {
            let ahead = seconds_logged_ahead(&play.workers[1]);
            let jumped = ahead.is_some_and(|ahead| (ahead - seconds_ahead).abs() < 600);
            check(jumped, || format!("{ahead:?}")).map(|()| ahead)
        })
        .await;
        play.until_flowing().await;
        tell_since(
            &play.stage,
            &format!("clock {seconds_ahead} s ahead, the log's {says:?}; all flows"),
            begun,
        );
        until_healthy(&play.workers[1]).await;
        eventually("tasks on all workers", PATIENCE, || async {
            let placed = placement(&play.workers[0], &play.orders.connector).await;
            let all = play.addresses();
            let shared = all.iter().all(|address| placed.contains(address));
            check(shared, || format!("{placed:?} on {all:?}"))
        })
        .await;
        play.until_tasks_run().await;
        tell_since(&play.stage, "every worker has its part", begun);
    }
    let joined_anew = play.workers[1].logged(&["stands still", "joining anew"]);
    play.stage
        .tell(format_args!("joined anew {} times", joined_anew.len()));
    play.judge(load).await;
    play.check_pause(seconds(30)).await;
}

/// By how much the clock of the worker's last log line is ahead of this program's.
fn seconds_logged_ahead(worker: &Worker) -> Option<i64> {
    let log = worker.log();
    let line: Value = serde_json::from_str(log.lines().last()?).ok()?;
    let logged = chrono::DateTime::parse_from_rfc3339(line["timestamp"].as_str()?).ok()?;
    Some((logged.to_utc() - chrono::Utc::now()).num_seconds())
}

/// Builds the library that moves a process's wall clock, and the file that says by how much.
fn jumping_clock(folder: &std::path::Path) -> (PathBuf, PathBuf) {
    let library = folder.join("clock.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chaos/clock.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .args(["-ldl", "-lpthread"])
        .status();
    assert!(built.is_ok_and(|status| status.success()), "cc {source}");
    let offset = folder.join("clock");
    set_clock(&offset, 0);
    (library, offset)
}

/// In place, since it is mapped.
fn set_clock(offset: &std::path::Path, seconds: i64) {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(offset)
        .expect("the clock's file");
    file.write_all(&seconds.to_ne_bytes())
        .expect("set the clock");
}

/// Many partitions of large records, and no database: what was read ahead has its bound.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs three brokers: make chaos"]
async fn memory() {
    let (partitions, records) = if is_short() { (100, 100) } else { (1000, 400) };
    let play = Play::prepare("memory", &[]).await;
    let topic = play.stage.topic("large", partitions).await;
    let path = Proxy::to_database(play.stage.database.server()).await;
    let worker = play
        .launch_with(0, Some(&path))
        .start(&play.stage, &[])
        .await;
    until_healthy(&worker).await;
    let connector = play.orders.connector.clone().set("topics", &topic.name);
    let document = connector.set("table.name.format", "large").document("");
    play.stage
        .database
        .run("CREATE TABLE large (seq bigint, padding text)")
        .await;
    assert_eq!(
        worker.rest.post("/connectors", Some(document)).await.code,
        201
    );
    send_large(&topic.name, partitions, 1).await;
    let stored = async || {
        play.stage
            .database
            .number("SELECT count(*) FROM large")
            .await
    };
    eventually("the first records", 2 * PATIENCE, || async {
        let rows = stored().await;
        check(rows == i64::from(partitions), || format!("{rows} rows"))
    })
    .await;
    let before = resident_mebibytes(worker.pid());
    path.set(Network::Cut);
    send_large(&topic.name, records, 1_000_000).await;
    let begun = Instant::now();
    let mut most = 0;
    while begun.elapsed() < seconds(20) {
        most = most.max(resident_mebibytes(worker.pid()));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    play.stage.tell(format_args!(
        "{partitions} partitions, {records} MB waiting: {before} MiB before, {most} MiB at most"
    ));
    assert!(most < 700, "{most} MiB");
    path.set(Network::Whole);
    eventually("all of it in the table", 2 * PATIENCE, || async {
        let rows = stored().await;
        let all = i64::from(partitions) + i64::from(records);
        check(rows == all, || format!("{rows} of {all} rows"))
    })
    .await;
}

/// One record for each of these partitions, with so much in it.
async fn send_large(topic: &str, partitions: i32, bytes: usize) {
    let topic = topic.to_owned();
    let sending = tokio::task::spawn_blocking(move || {
        let mut config = kafka::client();
        config.set("message.max.bytes", "1100000");
        let producer: BaseProducer = config.create().expect("a producer");
        let padding = "x".repeat(bytes);
        for partition in 0..partitions {
            let value = json!({"seq": partition, "padding": padding}).to_string();
            let record = BaseRecord::<(), str>::to(&topic)
                .partition(partition)
                .payload(&value);
            producer
                .send(record)
                .map_err(|(error, _)| error)
                .expect("send");
            if partition % 20 == 19 {
                producer.flush(seconds(30)).expect("flush");
            }
        }
        producer.flush(seconds(60)).expect("flush");
    });
    sending.await.expect("large records");
}
