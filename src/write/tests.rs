//! The write loop against a database in memory that fails, loses answers and is written to by a
//! rival; no Kafka, no clock. The test plays the consumer's thread.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use proptest::prelude::*;
use rowdock_connectors::memory::{Call, Fault, Faults, MemorySink, Refusal, Snapshot, Value};
use rowdock_connectors::{
    Cell, ClaimAnswer, ClaimRequest, ColumnDef, ColumnType, ProgressScope, StartRows, Table,
    TableKind, TableName, Target, WriteMode,
};

mod tables;

use super::*;
use crate::batch::{BatchBuilder, ReadBatch};
use crate::config::connector::{
    BatchLimits, ErrorPolicy, KeyMode, RejectLimits, Retries, SinkClass, SinkKeys, StartPosition,
    TopicDots, TopicSelection, UnknownFields,
};
use crate::config::converter::{Converter, HeaderConverter, JsonOptions, Primitive};
use crate::record::{RawRecord, RecordError, Stage};

mod letters;
mod parts;

const PARTITIONS: i32 = 3;

/// Offsets that hold no record (compacted away), never mappable, and refused by the database.
fn is_gap(offset: i64) -> bool {
    offset % 13 == 7
}
fn is_unmappable(offset: i64) -> bool {
    offset % 17 == 3
}
fn is_refused(offset: i64) -> bool {
    offset % 19 == 5
}

fn key(partition: i32) -> PartitionKey {
    PartitionKey {
        topic: "orders".into(),
        partition,
    }
}

fn table() -> Table {
    Table {
        name: TableName::parse("orders"),
        kind: TableKind::default(),
        columns: vec![ColumnDef {
            name: "id".into(),
            column_type: ColumnType::Int64,
            native_type: "bigint".into(),
            native_type_id: 0,
            nullable: false,
            has_default: false,
            generated: false,
            insert_only: false,
        }],
        primary_key: Vec::new(),
        unique_keys: Vec::new(),
        text_allows_nul: false,
        has_zero_dates: false,
    }
}

fn config(tolerate: bool) -> ConnectorConfig {
    ConnectorConfig {
        name: "orders".into(),
        class: SinkClass::Postgres,
        tasks_max: 1,
        topics: TopicSelection::List(vec!["orders".into()]),
        key_converter: Converter::Primitive(Primitive::Text),
        header_converter: HeaderConverter::Simple,
        transforms: Vec::new(),
        value_converter: Converter::Json(JsonOptions {
            schemas_enable: false,
            schemas_cache_size: 1,
            default_for_null: true,
        }),
        errors: ErrorPolicy {
            tolerate,
            dead_letter: None,
            dead_letter_table: None,
            limits: RejectLimits::default(),
            log: false,
            retry_timeout: None,
        },
        consumer_overrides: BTreeMap::new(),
        producer_overrides: BTreeMap::new(),
        delivery: Delivery::ExactlyOnce,
        start: StartPosition::Earliest,
        sink: SinkKeys {
            url: String::new(),
            user: None,
            password: None,
            insert_mode: WriteMode::Insert,
            key_mode: KeyMode::None,
            key_fields: Vec::new(),
            delete_enabled: false,
            change_events: false,
            truncate_enabled: false,
            unavailable_value: "__debezium_unavailable_value".to_owned(),
            soft_delete_field: None,
            guard_field: None,
            tombstone_table: None,
            auto_create: false,
            auto_evolve: false,
            table_name_format: "${topic}".into(),
            table_name_normalize: false,
            tables_of_topics: BTreeMap::new(),
            topic_dots: TopicDots::Keep,
            fields_include: Vec::new(),
            fields_exclude: Vec::new(),
            single_value_column: "record_value".to_owned(),
            unknown_fields: UnknownFields::Fail,
            header_converter: HeaderConverter::Simple,
            zoned_fields: Vec::new(),
            timestamp_fields: Vec::new(),
            timestamp_parts: 1_000_000,
            table_kinds: Vec::new(),
            folds_names: false,
            columns_ignore_case: false,
            zone: None,
            progress_table: "rowdock_progress".into(),
            cassandra: rowdock_connectors::cassandra::CassandraSettings::default(),
            mappings: Vec::new(),
            deletes_by_prefix: false,
        },
        batch: LIMITS,
        retries: Retries::default(),
        auto_restart: true,
    }
}

const LIMITS: BatchLimits = BatchLimits {
    max_rows: 1000,
    max_bytes: 1 << 20,
    linger: Duration::ZERO,
};

/// The test's own consumer thread: positions it reads from, and the loop under test.
struct Harness {
    database: MemorySink,
    write_loop: WriteLoop,
    commands: Receiver<ToConsumer>,
    target: Arc<Target>,
    /// Where each partition is read from, under which tag; absent while it is not ours.
    reading: BTreeMap<i32, (AssignmentTag, i64)>,
    generation: i32,
    _events: tokio::sync::mpsc::UnboundedSender<ToWriter>,
    stop: watch::Sender<bool>,
}

impl Harness {
    async fn new(tolerate: bool) -> Self {
        Self::with_config(config(tolerate)).await
    }

    async fn with_config(config: ConnectorConfig) -> Self {
        let refusal: Refusal = Arc::new(|table, row| {
            let refused = table.name.name == "orders"
                && row
                    .iter()
                    .any(|value| matches!(value, Value::Int(id) if is_refused(*id)));
            refused.then(|| "check constraint violated".to_owned())
        });
        let scope = ProgressScope {
            cluster_id: "cluster".into(),
            connector: "orders".into(),
        };
        let database = MemorySink::new(scope).with_table(table()).refusing(refusal);
        let retries = config.retries;
        let config = Arc::new(config);
        let (consumer, commands) = ConsumerLink::new();
        let (events_sender, events) = tokio::sync::mpsc::unbounded_channel();
        let (status, _) = watch::channel(TaskStatus::new(TaskState::Running));
        let (stop, stopping) = watch::channel(false);
        let write_loop = WriteLoop {
            owner: "test".into(),
            sink: Box::new(database.clone()),
            facts: KafkaFacts::detached(),
            dead_letters: DeadLetters::new(Arc::clone(&config), 0, Vec::new()),
            config,
            events,
            consumer,
            board: Arc::new(Board::default()),
            status: Arc::new(status),
            stopping,
            session_timeout: Duration::from_secs(10),
            state: LoopState::new(retries),
        };
        let mut harness = Self {
            database,
            write_loop,
            commands,
            target: Arc::new(Target {
                table: table(),
                written: vec![0],
                key: Vec::new(),
                mode: WriteMode::Insert,
                guard: None,
                tombstones: None,
            }),
            reading: BTreeMap::new(),
            generation: 0,
            _events: events_sender,
            stop,
        };
        let mut session = harness.database.open().await.unwrap();
        session
            .write_starts(&StartRows {
                topic: "orders".into(),
                topic_id: "id".into(),
                first: true,
                offsets: (0..PARTITIONS).map(|partition| (partition, 0)).collect(),
            })
            .await
            .unwrap();
        harness.claim_missing().await;
        harness
    }

    /// Claims what is not ours, as an assignment would; faults are off meanwhile.
    async fn claim_missing(&mut self) {
        let missing: Vec<i32> = (0..PARTITIONS)
            .filter(|partition| !self.reading.contains_key(partition))
            .collect();
        if missing.is_empty() {
            return;
        }
        self.generation += 1;
        let claim_id = Uuid::new_v4();
        let answers = claim(&self.database, claim_id, self.generation, &missing).await;
        for (partition, next_offset) in missing.into_iter().zip(answers) {
            let tag = self.write_loop.board.new_tag();
            self.write_loop.board.set(key(partition), tag);
            let held = Held {
                tag,
                claim_id,
                next_offset,
                topic_id: "id".into(),
            };
            self.write_loop.state.held.insert(key(partition), held);
            self.reading.insert(partition, (tag, next_offset));
        }
    }

    /// A rival claims a partition, as a new owner or a worker that was thought dead does.
    async fn rival_claims(&mut self, partition: i32) {
        self.generation += 1;
        claim(
            &self.database,
            Uuid::new_v4(),
            self.generation,
            &[partition],
        )
        .await;
    }

    /// Reads `count` offsets of each partition into a batch.
    fn read(&mut self, count: i64, end: i64) -> ReadBatch {
        let keep_originals = self.write_loop.config.errors.keeps_records();
        let mut builder = BatchBuilder::new(LIMITS, keep_originals, true);
        let mut reading = std::mem::take(&mut self.reading);
        for (partition, (tag, next)) in &mut reading {
            let until = (*next + count).min(end);
            if *next >= until {
                continue;
            }
            let slot = usize::try_from(*partition).unwrap();
            let position = builder.position(slot, *next, || (key(*partition), *tag));
            for offset in *next..until {
                builder.advance(position, offset + 1, 0);
                if !is_gap(offset) {
                    self.append(&mut builder, position, *partition, offset);
                }
            }
            *next = until;
        }
        self.reading = reading;
        builder.finish()
    }

    /// A batch of one partition that has these records only, from its beginning to the last of them.
    fn records(&mut self, partition: i32, offsets: &[i64]) -> ReadBatch {
        let keep_originals = self.write_loop.config.errors.keeps_records();
        let mut builder = BatchBuilder::new(LIMITS, keep_originals, true);
        let tag = self.reading[&partition].0;
        let position = builder.position(0, 0, || (key(partition), tag));
        for offset in offsets {
            builder.advance(position, *offset + 1, 0);
            self.append(&mut builder, position, partition, *offset);
        }
        builder.finish()
    }

    fn append(&self, builder: &mut BatchBuilder, position: usize, partition: i32, offset: i64) {
        let record = RawRecord {
            topic: "orders",
            partition,
            offset,
            timestamp_ms: Some(1_700_000_000_123),
            key: None,
            value: Some(b"bytes"),
            headers: &(),
        };
        let appended = builder.append(position, 0, &self.target, &record, |origin, rows| {
            if is_unmappable(offset) {
                return Err(RecordError::new(Stage::ValueConverter, "bad").into());
            }
            let id = rows.columns.len() - 1;
            rows.columns[id].push(Cell::Int(offset)).unwrap();
            rows.finish_row(origin);
            Ok(())
        });
        appended.unwrap();
    }

    /// Obeys what the loop told the thread. A rejoin gives everything up.
    fn obey(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                ToConsumer::Seek { key, tag, offset } => {
                    self.reading.insert(key.partition, (tag, offset));
                }
                ToConsumer::Table { target, .. } => {
                    self.target = target.expect("the table is there");
                }
                ToConsumer::Rejoin | ToConsumer::Leave => {
                    self.reading.clear();
                    self.write_loop.board.clear();
                    self.write_loop.state.held.clear();
                }
                _ => {}
            }
        }
    }
}

async fn claim(
    database: &MemorySink,
    claim_id: Uuid,
    generation: i32,
    partitions: &[i32],
) -> Vec<i64> {
    let request = ClaimRequest {
        claim_id,
        generation,
        force: false,
        owner: "someone".into(),
        partitions: partitions.iter().map(|partition| key(*partition)).collect(),
        compacted: std::collections::BTreeSet::new(),
    };
    loop {
        let Ok(mut session) = database.open().await else {
            continue;
        };
        let Ok(answers) = session.claim(&request).await else {
            continue;
        };
        return answers
            .into_iter()
            .map(|answer| match answer {
                ClaimAnswer::Claimed { next_offset, .. } => next_offset,
                other => panic!("{other:?}"),
            })
            .collect();
    }
}

/// I1 to I4: everything up to `end` exactly once, positions only forward, rows below positions.
fn verify(snapshot: &Snapshot, end: i64) {
    let mut stored = BTreeMap::new();
    let mut next: BTreeMap<i32, i64> = BTreeMap::new();
    for commit in &snapshot.commits {
        for moved in &commit.positions {
            let before = next.insert(moved.key.partition, moved.to).unwrap_or(0);
            assert_eq!(before, moved.from, "positions join without a seam");
            assert!(moved.to >= moved.from, "positions only move forward");
        }
        for row in &commit.rows {
            let position = next[&row.key.partition];
            assert!(
                row.offset < position,
                "a row is never ahead of its position"
            );
            let count = stored.entry((row.key.partition, row.offset)).or_insert(0);
            *count += 1;
            assert_eq!(*count, 1, "stored twice: {:?} {}", row.key, row.offset);
        }
    }
    for partition in 0..PARTITIONS {
        assert_eq!(snapshot.progress[&key(partition)].next_offset, end);
        for offset in 0..end {
            let expected = !is_gap(offset) && !is_unmappable(offset) && !is_refused(offset);
            let found = stored.contains_key(&(partition, offset));
            assert_eq!(found, expected, "partition {partition}, offset {offset}");
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn stores_everything_once_whatever_fails(
        seed: u64,
        fault_per_mille in 0_u32..400,
        steps in prop::collection::vec((1_i64..30, prop::option::weighted(0.2, 0..PARTITIONS)), 1..25),
    ) {
        runtime().block_on(async {
            const END: i64 = 120;
            let mut harness = Harness::new(true).await;
            harness.database.set_faults(Faults::seeded(seed, fault_per_mille, 60));
            let mut steps = steps.into_iter();
            let mut idle_rounds = 0;
            loop {
                let (count, rival) = steps.next().unwrap_or((40, None));
                harness.claim_missing().await;
                // Two batches are under way at once, as with the real thread.
                let first = harness.read(count, END);
                let second = harness.read(count, END);
                if let Some(partition) = rival {
                    harness.rival_claims(partition).await;
                }
                let done = first.rows.positions.is_empty();
                for batch in [first, second] {
                    let stored = harness.write_loop.store(batch).await;
                    prop_assert!(stored.is_ok(), "{stored:?}");
                }
                harness.obey();
                if done && i32::try_from(harness.reading.len()) == Ok(PARTITIONS) {
                    idle_rounds += 1;
                    if idle_rounds == 2 {
                        break;
                    }
                } else {
                    idle_rounds = 0;
                }
            }
            verify(&harness.database.snapshot(), END);
            Ok(())
        })?;
    }
}

#[test]
fn without_tolerance_stops_at_the_first_bad_record_with_everything_before_it_written() {
    runtime().block_on(async {
        let mut harness = Harness::new(false).await;
        let batch = harness.read(10, 10);
        let Err(Halt::Failed(trace)) = harness.write_loop.store(batch).await else {
            panic!("must fail");
        };
        assert!(
            trace.contains("topic orders, partition 0, offset 3: bad (VALUE_CONVERTER)"),
            "{trace}"
        );
        let snapshot = harness.database.snapshot();
        for partition in 0..PARTITIONS {
            assert_eq!(snapshot.progress[&key(partition)].next_offset, 3);
        }
        assert_eq!(
            snapshot.commits[0].rows.len(),
            9,
            "offsets 0 to 2 of three partitions"
        );
    });
}

/// Stores what must stop the task; returns the trace.
async fn stopped(harness: &mut Harness, batch: ReadBatch) -> String {
    match harness.write_loop.store(batch).await {
        Err(Halt::Failed(trace)) => trace,
        other => panic!("must fail: {other:?}"),
    }
}

#[test]
fn a_lost_reply_to_a_renewal_is_asked_again_with_the_same_id() {
    runtime().block_on(async {
        let mut harness = Harness::new(true).await;
        let batch = harness.read(3, 3);
        harness.database.set_faults(Faults::scripted([
            (Call::Write, Fault::LostReplyDone),
            (Call::Renew, Fault::LostReplyDone),
            (Call::Renew, Fault::LostReplyNotDone),
        ]));
        let durable = harness.write_loop.store(batch).await.unwrap();
        assert_eq!(
            durable.len(),
            3,
            "all partitions, from the renewal's answer"
        );
        assert_eq!(harness.database.snapshot().commits.len(), 1);
        let again = harness.read(3, 6);
        harness.write_loop.store(again).await.unwrap();
        harness.obey();
        assert_eq!(
            harness.reading.len(),
            3,
            "nothing was lost by renewing twice"
        );
    });
}

#[test]
fn a_dying_session_between_two_search_steps_rejects_nothing_by_itself() {
    runtime().block_on(async {
        let mut harness = Harness::new(true).await;
        harness.database.set_faults(Faults::scripted([
            (Call::FindRejects, Fault::LostBeforeCommit),
            (Call::FindRejects, Fault::LostReplyNotDone),
        ]));
        let batch = harness.read(10, 10);
        harness.write_loop.store(batch).await.unwrap();
        verify(&harness.database.snapshot(), 10);
    });
}

#[test]
fn one_fenced_partition_of_three_takes_only_its_own_rows_with_it() {
    runtime().block_on(async {
        let mut harness = Harness::new(true).await;
        let batch = harness.read(3, 3);
        harness.rival_claims(1).await;
        let durable = harness.write_loop.store(batch).await.unwrap();
        assert_eq!(durable, [(key(0), 3), (key(2), 3)]);
        let snapshot = harness.database.snapshot();
        assert!(
            snapshot
                .commits
                .iter()
                .flat_map(|commit| &commit.rows)
                .all(|row| row.key != key(1))
        );
        assert_eq!(snapshot.progress[&key(1)].next_offset, 0);
        harness.obey();
        assert!(
            harness.reading.is_empty(),
            "a fenced task rejoins its group"
        );
    });
}

/// `max.retries`: failed attempts one after the other; without it there is no end to them.
#[test]
fn a_connector_may_limit_its_retries() {
    let check = |failures: usize, max: Option<u32>, fails: bool| {
        let retries = Retries {
            max,
            pause: Some(Duration::from_millis(1)),
        };
        runtime().block_on(async {
            let config = ConnectorConfig {
                retries,
                ..config(true)
            };
            let mut harness = Harness::with_config(config).await;
            let batch = harness.read(2, 2);
            let script = vec![(Call::Write, Fault::Refused); failures];
            harness.database.set_faults(Faults::scripted(script));
            match harness.write_loop.store(batch).await {
                Ok(_) => assert!(!fails, "{failures} of {max:?}"),
                Err(Halt::Exhausted(trace)) => {
                    assert!(fails, "{failures} of {max:?}: {trace}");
                    assert!(trace.contains("max.retries="), "{trace}");
                }
                Err(halt) => panic!("{halt:?}"),
            }
        });
    };
    check(3, Some(3), false);
    check(4, Some(3), true);
    check(1, Some(0), true);
    check(30, None, false);
}
