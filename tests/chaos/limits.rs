//! Positions set by hand, a database that stalls, clocks that jump, memory.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};

use super::play::{PARTITIONS, Play, is_short, lasts, placement, tell_since};
use super::store::Target;
use crate::cluster::until_healthy;
use crate::support::kafka;
use crate::support::proc::resident_mebibytes;
use crate::support::proxy::Network;
use crate::support::wait::{PATIENCE, check, eventually, seconds};
use crate::support::worker::Worker;

/// Records of each partition.
const RECORDS: i64 = 100;

/// How far positions are set back, and later forward.
const STEP: i64 = 25;

/// Positions are set while tasks are still ending, through another worker than the one that was told
/// to stop: either nothing is changed, or all of it, once; and exactly that range is stored again.
pub(super) async fn positions_set_while_tasks_end(target: Target) {
    let play = Play::begin(target, "positions").await;
    let writer = play.orders.writer(&play.stage, 1);
    let all = i64::from(PARTITIONS) * RECORDS;
    writer.send_good(0, all, PARTITIONS).await;
    play.until_caught_up().await;
    let first = play.stored().await;
    let running = set(&play, 1, RECORDS - STEP).await;
    assert_eq!(running.0, 400, "of a connector that runs: {}", running.1);

    play.ask(0, "stop").await;
    let refusals = until_set(&play, RECORDS - STEP).await;
    play.stage.tell(format_args!(
        "set back after {refusals} refusals while tasks ended"
    ));
    play.ask(2, "resume").await;
    play.until_caught_up().await;
    let second = play.stored().await;
    let is_again = |seq: &i64| second.get(seq) != first.get(seq);
    let again: Vec<i64> = (0..all).filter(is_again).collect();
    let wanted = (0..all).filter(|seq| offset(*seq) >= RECORDS - STEP);
    assert_eq!(again, wanted.collect::<Vec<_>>(), "stored again");

    play.ask(1, "stop").await;
    // Nobody may store what is to be skipped.
    let group = play.orders.connector.group();
    eventually("nobody in the group", PATIENCE, || async {
        let members = kafka::group_members(&group).await;
        check(members == 0, || format!("{members} members"))
    })
    .await;
    writer.send_good(all, all, PARTITIONS).await;
    until_set(&play, RECORDS + STEP).await;
    play.ask(0, "resume").await;
    play.until_caught_up().await;
    let third = play.stored().await;
    let is_missing = |seq: &i64| !third.contains_key(seq);
    let missing: Vec<i64> = (0..2 * all).filter(is_missing).collect();
    let wanted = (all..2 * all).filter(|seq| offset(*seq) < RECORDS + STEP);
    assert_eq!(missing, wanted.collect::<Vec<_>>(), "skipped");
    let is_other = |seq: &i64| third.get(seq) != second.get(seq);
    let others: Vec<i64> = (0..all).filter(is_other).collect();
    assert_eq!(others, Vec::<i64>::new(), "stored once more");
    if let Target::Sql(_) = target {
        let skipped = i64::from(PARTITIONS) * STEP;
        let rows: i64 = third.values().sum();
        assert_eq!(rows, all + skipped + all - skipped, "each once");
    }
    let (resets, kept) = play.resets().await;
    let partitions = usize::try_from(PARTITIONS).unwrap();
    assert_eq!(resets, vec![2; partitions], "each set twice");
    assert_eq!(kept, 2 * partitions, "what stood there is kept");
    play.discard().await;
}

/// Where a record is in its partition.
fn offset(seq: i64) -> i64 {
    seq / i64::from(PARTITIONS)
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

/// For how long the database stalls: three times as long as consumers may go without polling, or, in full,
/// twice as long as they may by default.
const STALLED: Duration = seconds(18);
const STALLED_IN_FULL: Duration = seconds(600);
const MAX_POLL_INTERVAL: Duration = seconds(300);

/// Longer than consumers may go without polling, the database takes what it is told and says
/// nothing. They poll nevertheless.
pub(super) async fn database_stalls(target: Target) {
    let time = lasts(STALLED, STALLED_IN_FULL);
    let interval = lasts(STALLED / 3, MAX_POLL_INTERVAL);
    let interval = interval.as_millis().to_string();
    let settings = [("consumer.override.max.poll.interval.ms", &*interval)];
    let mut play = Play::prepare(target, "database_stalls", &settings).await;
    let path = play.way().await;
    let launches = (0..3).map(|index| play.launch_with(index, Some(&path)));
    let launches = launches.collect();
    play.begin_with(launches).await;
    let load = play.load().await;
    path.set(Network::Stalled);
    // What had been said by then is stored by the middle of it, and nothing after.
    tokio::time::sleep(time / 2).await;
    let stood = play.positions().await;
    tokio::time::sleep(time / 2).await;
    assert_eq!(play.positions().await, stood, "nothing is stored meanwhile");
    let waiting = play.waiting(&stood).await;
    play.stage.tell(format_args!(
        "records that wait for the database: {waiting}"
    ));
    assert!(waiting > 0);
    path.set(Network::Whole);
    let back = Instant::now();
    play.until_flowing().await;
    let what = format!("stalled for {time:?}, {interval} ms allowed; all flows");
    tell_since(&play.stage, &what, back);
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
pub(super) async fn clock_jumps(target: Target) {
    let mut play = Play::prepare(target, "clock_jumps", &[]).await;
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
pub(super) async fn memory(target: Target) {
    let (partitions, records) = if is_short() { (100, 100) } else { (1000, 400) };
    let mut play = Play::prepare(target, "memory", &[]).await;
    let topic = play.stage.topic("large", partitions).await;
    let path = play.way().await;
    play.add(play.launch_with(0, Some(&path))).await;
    play.also_large(&topic).await;
    send_large(&topic.name, 0..partitions, 1).await;
    eventually("the first records", 2 * PATIENCE, || async {
        let rows = play.large_stored(&topic).await;
        check(rows == i64::from(partitions), || format!("{rows} rows"))
    })
    .await;
    let worker = &play.workers[0];
    let before = resident_mebibytes(worker.pid());
    path.set(Network::Cut);
    send_large(&topic.name, partitions..partitions + records, 1_000_000).await;
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
        let rows = play.large_stored(&topic).await;
        let all = i64::from(partitions) + i64::from(records);
        check(rows == all, || format!("{rows} of {all} rows"))
    })
    .await;
    play.discard().await;
}

/// Records of these numbers, one for a partition, with so much in each.
async fn send_large(topic: &str, numbers: Range<i32>, bytes: usize) {
    let topic = topic.to_owned();
    let sending = tokio::task::spawn_blocking(move || {
        let mut config = kafka::client();
        config.set("message.max.bytes", "1100000");
        let producer: BaseProducer = config.create().expect("a producer");
        let padding = "x".repeat(bytes);
        for (partition, seq) in (0..).zip(numbers) {
            let value = json!({"seq": seq, "padding": padding}).to_string();
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
