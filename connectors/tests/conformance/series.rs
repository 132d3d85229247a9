//! Whole series of claims, writes, renewals and resets by several workers, in any order.
//!
//! Every answer is compared with the answer of the sink in memory, so that all databases have one rule.
//! That the rule is right follows from the [`Journal`], which knows nothing of it: a partition's writes
//! follow each other without gap or repetition, each under the claim that was granted last.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rowdock_connectors::{
    Cell, ClaimAnswer, RenewAnswer, RenewRequest, ResetRequest, Session, SetPosition, Sink,
    StoredPosition, Target, WriteOutcome,
};
use uuid::Uuid;

use super::Database;
use super::databases::memory::Memory;
use super::support::{appended, batch, claim_request, int, key, moved, put, rows, start, starts};

const WORKERS: usize = 3;
const PARTITIONS: i32 = 3;

/// Long enough that every step meets every other.
const STEPS: usize = 150;

/// What a worker, or a person, does.
#[derive(Debug, Clone)]
enum Step {
    /// Claims partitions, some of which may not have been started.
    Claim {
        worker: usize,
        partitions: Vec<i32>,
        generation: i32,
        force: bool,
    },
    /// Writes so many records of each partition that the worker believes to hold, from where it
    /// believes that they stand, or from elsewhere.
    Write {
        worker: usize,
        partitions: Vec<i32>,
        records: i64,
        astray: bool,
    },
    /// Exchanges the claims; `again`: by the last request, as after a lost reply.
    Renew { worker: usize, again: bool },
    /// Starts the topic, or partitions that were added.
    Start { first: bool, partition: i32 },
    /// Sets a position by hand.
    Set { partition: i32, next_offset: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    // One more than has been started at the beginning.
    let partitions = || proptest::sample::subsequence((0..=PARTITIONS).collect::<Vec<_>>(), 1..=2);
    let worker = || 0..WORKERS;
    prop_oneof![
        4 => (worker(), partitions(), 1..4, proptest::bool::weighted(0.1)).prop_map(
            |(worker, partitions, generation, force)| Step::Claim { worker, partitions, generation, force }
        ),
        8 => (worker(), partitions(), 0..3_i64, proptest::bool::weighted(0.25)).prop_map(
            |(worker, partitions, records, astray)| Step::Write { worker, partitions, records, astray }
        ),
        3 => (worker(), any::<bool>()).prop_map(|(worker, again)| Step::Renew { worker, again }),
        1 => (any::<bool>(), 0..=PARTITIONS).prop_map(|(first, partition)| Step::Start { first, partition }),
        1 => (0..PARTITIONS, 0..50_i64).prop_map(|(partition, next_offset)| Step::Set { partition, next_offset }),
    ]
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    /// Many short series, which are shortened further when one fails.
    #[test]
    fn no_series_repeats_or_loses_a_record(series in proptest::collection::vec(step(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(play(&Memory::new(), &series));
    }
}

/// One long series, another in each run.
pub(crate) async fn any_series_is_answered_as_in_memory(database: &impl Database) {
    let seed = std::env::var("ROWDOCK_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0);
    println!("ROWDOCK_TEST_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&u64::to_le_bytes(seed));
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let series = proptest::collection::vec(step(), STEPS)
        .new_tree(&mut runner)
        .expect("a series")
        .current();
    play(database, &series).await;
}

async fn play(database: &impl Database, series: &[Step]) {
    let memory = Memory::new();
    let mut world = World {
        workers: Vec::new(),
        model: Side::begin(&memory).await,
        tested: Side::begin(database).await,
        journal: Journal::default(),
        next_id: 0,
    };
    for _ in 0..WORKERS {
        world.workers.push(Worker::default());
        world.model.join().await;
        world.tested.join().await;
    }
    for (place, step) in series.iter().enumerate() {
        world
            .take(step, &format!("step {place} of {series:?}"))
            .await;
    }
    world.compare(database, &memory).await;
}

/// A sink, and one session of it for each worker.
struct Side {
    sink: Box<dyn Sink>,
    sessions: Vec<Box<dyn Session>>,
    target: Arc<Target>,
}

impl Side {
    async fn begin(database: &impl Database) -> Self {
        let sink = database.sink("orders", true);
        let mut session = sink.open().await.expect("session");
        start(&mut *session, PARTITIONS).await;
        let target = appended(&mut *session, "t").await;
        Self {
            sink,
            sessions: Vec::new(),
            target,
        }
    }

    async fn join(&mut self) {
        let session = self.sink.open().await.expect("session");
        self.sessions.push(session);
    }
}

/// What a worker believes.
#[derive(Default)]
struct Worker {
    /// Claim and position of each partition.
    held: BTreeMap<i32, (Uuid, i64)>,
    last_renewal: Option<RenewRequest>,
}

/// What must be true whatever the rules are, told by the answers alone.
#[derive(Default)]
struct Journal {
    granted: BTreeMap<i32, Uuid>,
    stands: BTreeMap<i32, i64>,
}

impl Journal {
    fn grant(&mut self, partition: i32, claim_id: Uuid, next_offset: i64, context: &str) {
        self.granted.insert(partition, claim_id);
        let stands = *self.stands.entry(partition).or_insert(next_offset);
        assert_eq!(
            stands, next_offset,
            "partition {partition} moved by itself, {context}"
        );
    }

    fn commit(&mut self, partition: i32, claim_id: Uuid, (from, to): (i64, i64), context: &str) {
        let granted = self.granted.get(&partition);
        assert_eq!(
            granted,
            Some(&claim_id),
            "an older claim wrote to {partition}, {context}"
        );
        let stood = self.stands.insert(partition, to);
        assert_eq!(
            stood,
            Some(from),
            "repeated or left out in {partition}, {context}"
        );
    }

    fn set(&mut self, partition: i32, next_offset: i64) {
        self.granted.remove(&partition);
        self.stands.insert(partition, next_offset);
    }
}

struct World {
    workers: Vec<Worker>,
    model: Side,
    tested: Side,
    journal: Journal,
    next_id: i64,
}

impl World {
    async fn take(&mut self, step: &Step, context: &str) {
        match step {
            Step::Claim {
                worker,
                partitions,
                generation,
                force,
            } => {
                self.claim(*worker, partitions, (*generation, *force), context)
                    .await;
            }
            Step::Write {
                worker,
                partitions,
                records,
                astray,
            } => {
                self.write(*worker, partitions, (*records, *astray), context)
                    .await;
            }
            Step::Renew { worker, again } => self.renew(*worker, *again, context).await,
            Step::Start { first, partition } => {
                let rows = starts(*first, &[(*partition, 0)]);
                for side in [&mut self.model, &mut self.tested] {
                    side.sessions[0].write_starts(&rows).await.expect("started");
                }
            }
            Step::Set {
                partition,
                next_offset,
            } => {
                let position = SetPosition {
                    key: key(*partition),
                    topic_id: "id-2".to_owned(),
                    next_offset: *next_offset,
                };
                let request = ResetRequest {
                    starts: Vec::new(),
                    positions: vec![position],
                };
                for side in [&mut self.model, &mut self.tested] {
                    side.sessions[0]
                        .reset_positions(&request)
                        .await
                        .expect("set");
                }
                self.journal.set(*partition, *next_offset);
            }
        }
    }

    async fn claim(
        &mut self,
        worker: usize,
        partitions: &[i32],
        (generation, force): (i32, bool),
        context: &str,
    ) {
        let mut request = claim_request(partitions, generation);
        request.force = force;
        let expected = self.model.sessions[worker]
            .claim(&request)
            .await
            .expect("answers");
        let answers = self.tested.sessions[worker]
            .claim(&request)
            .await
            .expect("answers");
        assert_eq!(answers, expected, "{context}");
        for (partition, answer) in partitions.iter().zip(answers) {
            if let ClaimAnswer::Claimed { next_offset, .. } = answer {
                self.journal
                    .grant(*partition, request.claim_id, next_offset, context);
                let held = &mut self.workers[worker].held;
                held.insert(*partition, (request.claim_id, next_offset));
            }
        }
    }

    async fn write(
        &mut self,
        worker: usize,
        partitions: &[i32],
        (records, astray): (i64, bool),
        context: &str,
    ) {
        let held = &self.workers[worker].held;
        let mut moves = Vec::new();
        for partition in partitions {
            if let Some((claim_id, stands)) = held.get(partition) {
                let from = stands + i64::from(astray);
                moves.push(moved(*partition, *claim_id, from, from + records));
            }
        }
        if moves.is_empty() {
            return;
        }
        let first_id = self.next_id;
        self.next_id += records;
        let records: Vec<_> = (first_id..self.next_id)
            .map(|id| put(id, int(id), Cell::Null))
            .collect();
        let mut outcomes = Vec::new();
        for side in [&mut self.model, &mut self.tested] {
            let tables = vec![rows(&side.target, &records)];
            let outcome = side.sessions[worker]
                .write(&batch(moves.clone(), tables))
                .await;
            outcomes.push(outcome.expect("answered"));
        }
        assert_eq!(outcomes[1], outcomes[0], "{context}");
        if outcomes[1] == WriteOutcome::Committed {
            for wrote in moves {
                let partition = wrote.key.partition;
                self.journal
                    .commit(partition, wrote.claim_id, (wrote.from, wrote.to), context);
                self.workers[worker]
                    .held
                    .insert(partition, (wrote.claim_id, wrote.to));
            }
        }
    }

    async fn renew(&mut self, worker: usize, again: bool, context: &str) {
        let believes = &mut self.workers[worker];
        if believes.held.is_empty() {
            return;
        }
        let repeated = believes.last_renewal.take().filter(|_| again);
        let request = repeated.unwrap_or_else(|| RenewRequest {
            new_claim_id: Uuid::new_v4(),
            partitions: believes
                .held
                .iter()
                .map(|(partition, (claim_id, _))| (key(*partition), *claim_id))
                .collect(),
        });
        let expected = self.model.sessions[worker]
            .renew(&request)
            .await
            .expect("answers");
        let answers = self.tested.sessions[worker]
            .renew(&request)
            .await
            .expect("answers");
        assert_eq!(answers, expected, "{context}");
        for ((key, _), answer) in request.partitions.iter().zip(answers) {
            match answer {
                RenewAnswer::Held { next_offset } => {
                    self.journal
                        .grant(key.partition, request.new_claim_id, next_offset, context);
                    believes
                        .held
                        .insert(key.partition, (request.new_claim_id, next_offset));
                }
                RenewAnswer::Lost => {
                    believes.held.remove(&key.partition);
                }
            }
        }
        believes.last_renewal = Some(request);
    }

    /// What is stored at the end.
    async fn compare(&mut self, database: &impl Database, memory: &Memory) {
        let expected = stored(&mut *self.model.sessions[0]).await;
        assert_eq!(stored(&mut *self.tested.sessions[0]).await, expected);
        let rows = database.rows("t", &["id"]).await;
        assert_eq!(rows, memory.rows("t", &["id"]).await);
    }
}

async fn stored(session: &mut dyn Session) -> Vec<StoredPosition> {
    let mut positions = session.read_positions().await.expect("read");
    positions.sort_by(|one, other| one.key.cmp(&other.key));
    for position in &mut positions {
        position.updated_ms = 0;
    }
    positions
}
