//! Our transforms against the real ones: the same configs and records go through Kafka's and
//! Debezium's own classes, in a Java process, and through ours; what comes out must be the same,
//! schema and value, or an error on both sides.
//!
//! Configs and records are made up at random, many of them senseless. Differences that are meant
//! are listed in [`meant`], each with its reason. `ROWDOCK_TEST_SEED` repeats a run.

mod cases;
mod configs;
mod dump;
mod meant;
mod pipeline;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use rowdock::config::RawConfig;
use rowdock::config::connector::ConnectorConfig;
use rowdock::config::worker::WorkerSettings;
use rowdock::decode::Formats;
use rowdock::decode::sides::RecordDecoder;
use rowdock::record::{RawHeader, RawRecord};
use rowdock::transform::Chain;

use cases::{Case, Record};

use crate::support::services::workspace;

/// Enough for every option of every transform to meet every type many times.
const CASES: usize = 1_500;
const RECORDS_PER_CASE: usize = 5;

/// Differences shown before the test gives up.
const DIFFERENCES_SHOWN: usize = 12;

#[test]
fn transforms_agree_with_the_real_ones() {
    let seed = std::env::var("ROWDOCK_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(20_261_129);
    println!("ROWDOCK_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let cases: Vec<Case> = (0..CASES)
        .map(|_| Case::random(&mut random, RECORDS_PER_CASE))
        .collect();
    let theirs = ask_java(&cases);
    let mut tally = Tally::default();
    for (case, theirs) in cases.iter().zip(&theirs) {
        compare(case, &ours(case), theirs, &mut tally);
    }
    println!("{tally:?}");
    let shown: Vec<&str> = tally
        .differences
        .iter()
        .take(DIFFERENCES_SHOWN)
        .map(String::as_str)
        .collect();
    assert!(
        tally.differences.is_empty(),
        "{} differences:\n{}",
        tally.differences.len(),
        shown.join("\n")
    );
    // Senseless configs and records are many, but not most.
    assert!(tally.same_records > CASES * RECORDS_PER_CASE / 4);
}

/// What was compared.
#[derive(Default)]
struct Tally {
    same_records: usize,
    both_failed: usize,
    both_dropped: usize,
    both_refused: usize,
    unreadable: usize,
    meant: BTreeMap<&'static str, usize>,
    differences: Vec<String>,
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} equal records, {} failed on both sides, {} dropped by both, {} configs refused by \
             both, {} unreadable, meant to differ: {:?}",
            self.same_records,
            self.both_failed,
            self.both_dropped,
            self.both_refused,
            self.unreadable,
            self.meant
        )
    }
}

/// What one side made of a case.
enum Answer {
    /// The config is refused, with the reason.
    Refused(String),
    /// One line per record.
    Records(Vec<String>),
}

fn compare(case: &Case, ours: &Answer, theirs: &Answer, tally: &mut Tally) {
    match (ours, theirs) {
        (Answer::Refused(_), Answer::Refused(_)) => tally.both_refused += 1,
        (Answer::Refused(reason), Answer::Records(_)) => {
            tally.differ(meant::config(reason), || {
                format!("we refuse {:#?}\nbecause {reason}", case.config)
            });
        }
        (Answer::Records(_), Answer::Refused(reason)) => {
            tally.differ(meant::config(reason), || {
                format!("java refuses {:#?}\nbecause {reason}", case.config)
            });
        }
        (Answer::Records(ours), Answer::Records(theirs)) => {
            for (record, (ours, theirs)) in case.records.iter().zip(ours.iter().zip(theirs)) {
                compare_record(case, record, ours, theirs, tally);
            }
        }
    }
}

fn compare_record(case: &Case, record: &Record, ours: &str, theirs: &str, tally: &mut Tally) {
    let kind = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
    match (kind(ours).as_str(), kind(theirs).as_str()) {
        ("unreadable", "unreadable") => tally.unreadable += 1,
        ("failed", "failed") => tally.both_failed += 1,
        ("dropped", "dropped") => tally.both_dropped += 1,
        ("record", "record") if ours == theirs => tally.same_records += 1,
        _ => tally.differ(meant::record(case, record, ours, theirs), || {
            format!(
                "config {:#?}\nrecord {record:#?}\nours   {ours}\ntheirs {theirs}\n",
                case.config
            )
        }),
    }
}

impl Tally {
    fn differ(&mut self, reason: Option<&'static str>, describe: impl FnOnce() -> String) {
        match reason {
            Some(reason) => *self.meant.entry(reason).or_default() += 1,
            None => self.differences.push(describe()),
        }
    }
}

fn ours(case: &Case) -> Answer {
    let mut raw: RawConfig = case
        .config
        .iter()
        .map(|(key, value)| (key.clone(), Some(value.clone())))
        .collect();
    let converters = [("key", case.key_schemas), ("value", case.value_schemas)];
    for (side, schemas) in converters {
        raw.insert(format!("{side}.converter"), Some("JsonConverter".into()));
        let key = format!("{side}.converter.schemas.enable");
        raw.insert(key, Some(schemas.to_string()));
    }
    for (key, value) in [
        ("name", "oracle"),
        ("connector.class", "SqliteSink"),
        ("connection.url", "sqlite:oracle.db"),
        ("topics", "orders"),
    ] {
        raw.insert(key.to_owned(), Some(value.to_owned()));
    }
    let config = match ConnectorConfig::parse(&raw, &WorkerSettings::default()) {
        Ok(config) => config,
        Err(invalid) => return Answer::Refused(invalid.to_string()),
    };
    let mut chain = Chain::new(&config.transforms, config.header_converter).unwrap();
    let formats = Formats::start(&config.key_converter, &config.value_converter, |_| {}).unwrap();
    let mut decoder = RecordDecoder::new(formats.key(), formats.value());
    let records = case.records.iter();
    Answer::Records(
        records
            .map(|record| our_record(record, &mut decoder, &mut chain))
            .collect(),
    )
}

fn our_record(record: &Record, decoder: &mut RecordDecoder, chain: &mut Chain) -> String {
    let headers: Vec<RawHeader> = record
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), Some(value.clone().into_bytes())))
        .collect();
    let raw = RawRecord {
        topic: &record.topic,
        partition: record.partition,
        offset: record.offset,
        timestamp_ms: record.timestamp,
        key: record.key.as_deref().map(str::as_bytes),
        value: record.value.as_deref().map(str::as_bytes),
        headers: &headers,
    };
    let decoded = match decoder.decode(&raw) {
        Ok(decoded) => decoded,
        Err(error) => return format!("unreadable\t{error}"),
    };
    match chain.apply(decoded, &raw) {
        Ok(Some(changed)) => format!("record\t{}", dump::record(&changed)),
        Ok(None) => "dropped".to_owned(),
        Err(error) => format!("failed\t{error}"),
    }
}

/// Runs all cases through the real classes.
fn ask_java(cases: &[Case]) -> Vec<Answer> {
    let script = workspace().join("scripts/transform-oracle.sh");
    let found = Command::new(&script).output().unwrap();
    assert!(
        found.status.success(),
        "the real transforms cannot be had:\n{}",
        String::from_utf8_lossy(&found.stderr)
    );
    let class_path = String::from_utf8(found.stdout).unwrap();
    let mut java = Command::new("java")
        .args(["-Duser.timezone=UTC", "-Duser.language=en", "-Xmx256m"])
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=off")
        .args(["-cp", class_path.trim(), "TransformOracle"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = java.stdin.take().unwrap();
    let text: String = cases
        .iter()
        .map(|case| format!("{}\n", case.json()))
        .collect();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()).unwrap());
    let mut lines = BufReader::new(java.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let answers = cases
        .iter()
        .map(|case| {
            let verdict = lines.next().expect("one answer for each case");
            match verdict.split_once('\t') {
                Some(("refused", reason)) => Answer::Refused(reason.to_owned()),
                _ => Answer::Records(lines.by_ref().take(case.records.len()).collect()),
            }
        })
        .collect();
    writer.join().unwrap();
    assert!(java.wait().unwrap().success());
    answers
}
