//! The guarantee: however often records are written, by whomever, the same cells with the same write
//! timestamps are there.

use std::collections::BTreeSet;
use std::sync::Arc;

use rowdock_connectors::{
    Cell, ClaimAnswer, ClaimRequest, RenewAnswer, ResetRequest, Session, SetPosition, WriteOutcome,
};
use uuid::Uuid;

use super::support::{Record, batch, gone, put, session, target};
use crate::conformance::databases::cassandra::Keyspace;
use crate::conformance::support::{claim_request, key, moved, renewal, start};

const TABLE: &str = "CREATE TABLE t (id bigint PRIMARY KEY, n int)";
const CELLS: &str = "SELECT id, n, writetime(n) FROM t";

async fn keyspace() -> Keyspace {
    let keyspace = Keyspace::new().await;
    keyspace.run(&in_keyspace(&keyspace, TABLE)).await;
    keyspace
}

fn in_keyspace(keyspace: &Keyspace, cql: &str) -> String {
    cql.replace(" t", &format!(" {}.t", keyspace.name))
}

async fn cells(keyspace: &Keyspace) -> Vec<String> {
    keyspace.texts(&in_keyspace(keyspace, CELLS)).await
}

async fn claim(session: &mut dyn Session, request: &ClaimRequest) -> i64 {
    let answers = session.claim(request).await.expect("answers");
    match &answers[..] {
        [ClaimAnswer::Claimed { next_offset, .. }] => *next_offset,
        other => panic!("{other:?}"),
    }
}

async fn write(session: &mut dyn Session, batch: &rowdock_connectors::Batch) -> WriteOutcome {
    session.write(batch).await.expect("answered")
}

/// Records of few keys, with times that stand still and go back.
fn records() -> Vec<Record<'static>> {
    let time = [1_000_i64, 1_000, 1_000, 999, 2_000, 1_500, 2_000, 2_001];
    let record = |(index, time): (usize, &i64)| {
        let offset = i64::try_from(index).expect("small");
        let id = Cell::Int(offset % 3);
        match index {
            4 => gone(offset, *time, &[id]),
            _ => put(offset, *time, &[id, Cell::Int(offset)]),
        }
    };
    time.iter().enumerate().map(record).collect()
}

/// What the records come to: the last of each key, with the clock's time.
const EXPECTED: [&str; 3] = ["0,6,2000002", "1,7,2001000", "2,5,2000001"];

#[tokio::test]
async fn of_two_records_with_one_time_the_later_wins() {
    let keyspace = keyspace().await;
    let mut session = session(&keyspace).await;
    start(&mut *session, 1).await;
    let request = claim_request(&[0], 1);
    claim(&mut *session, &request).await;
    let target = target(&mut *session, "t", 1).await;
    let batch = batch(&target, request.claim_id, 0, &records());
    assert_eq!(write(&mut *session, &batch).await, WriteOutcome::Committed);
    assert_eq!(cells(&keyspace).await, EXPECTED);
}

/// A worker dies after its rows, before its checkpoint: another writes them again, in other batches.
#[tokio::test]
async fn a_replay_changes_nothing() {
    let keyspace = keyspace().await;
    let mut first = session(&keyspace).await;
    let mut second = session(&keyspace).await;
    start(&mut *first, 1).await;
    let target = target(&mut *first, "t", 1).await;
    let records = records();
    let old = claim_request(&[0], 1);
    claim(&mut *first, &old).await;
    let beginning = batch(&target, old.claim_id, 0, &records[..2]);
    assert_eq!(
        write(&mut *first, &beginning).await,
        WriteOutcome::Committed
    );
    // Its ceiling is raised and its rows are written; its checkpoint comes too late.
    let new = claim_request(&[0], 2);
    let (late, next_offset) = {
        let rest = batch(&target, old.claim_id, 2, &records[2..]);
        let next_offset = claim(&mut *second, &new).await;
        (write(&mut *first, &rest).await, next_offset)
    };
    assert_eq!(late, WriteOutcome::Fenced(vec![0]));
    assert_eq!(next_offset, 2);
    assert_eq!(
        cells(&keyspace).await,
        EXPECTED,
        "the frozen worker's rows are no others"
    );
    for part in [2..5, 5..8] {
        let from = i64::try_from(part.start).expect("small");
        let again = batch(&target, new.claim_id, from, &records[part]);
        assert_eq!(write(&mut *second, &again).await, WriteOutcome::Committed);
    }
    assert_eq!(cells(&keyspace).await, EXPECTED);
}

/// With another config, or of a compacted topic, records may become other rows: these must win over
/// those that a frozen worker writes late.
#[tokio::test]
async fn what_may_differ_wins_over_what_was_written() {
    let mut keyspace = keyspace().await;
    let mut frozen = session(&keyspace).await;
    start(&mut *frozen, 1).await;
    let target = target(&mut *frozen, "t", 1).await;
    let old = claim_request(&[0], 1);
    claim(&mut *frozen, &old).await;
    let beginning = [put(0, 1_000, &[Cell::Int(1), Cell::Int(0)])];
    let beginning = batch(&target, old.claim_id, 0, &beginning);
    assert_eq!(
        write(&mut *frozen, &beginning).await,
        WriteOutcome::Committed
    );
    keyspace.settings.config = 7;
    let mut other = session(&keyspace).await;
    for compacted in [false, true] {
        let new = ClaimRequest {
            compacted: BTreeSet::from([Arc::from("orders")])
                .into_iter()
                .filter(|_| compacted)
                .collect(),
            ..claim_request(&[0], 2)
        };
        let (next, value) = if compacted { (2, 101) } else { (1, 100) };
        assert_eq!(claim(&mut *other, &new).await, next);
        let changed = [put(next, 1_001, &[Cell::Int(1), Cell::Int(value)])];
        let changed = batch(&target, new.claim_id, next, &changed);
        assert_eq!(write(&mut *other, &changed).await, WriteOutcome::Committed);
        let stale = [put(1, 1_001, &[Cell::Int(1), Cell::Int(1)])];
        let stale = batch(&target, old.claim_id, 1, &stale);
        assert_eq!(
            write(&mut *frozen, &stale).await,
            WriteOutcome::Fenced(vec![0])
        );
        let stands = cells(&keyspace).await;
        assert!(stands[0].starts_with(&format!("1,{value},")), "{stands:?}");
    }
}

#[tokio::test]
async fn positions_set_back_by_hand_write_anew() {
    let keyspace = keyspace().await;
    let mut session = session(&keyspace).await;
    start(&mut *session, 1).await;
    let target = target(&mut *session, "t", 1).await;
    let first = claim_request(&[0], 1);
    claim(&mut *session, &first).await;
    let records = records();
    let all = batch(&target, first.claim_id, 0, &records);
    assert_eq!(write(&mut *session, &all).await, WriteOutcome::Committed);
    // Someone else has overwritten a row meanwhile, as of now.
    keyspace
        .run(&in_keyspace(
            &keyspace,
            "UPDATE t USING TIMESTAMP 3000000 SET n = 77 WHERE id = 0",
        ))
        .await;
    let back = ResetRequest {
        starts: Vec::new(),
        positions: vec![SetPosition {
            key: key(0),
            topic_id: "id-1".to_owned(),
            next_offset: 0,
        }],
    };
    session.reset_positions(&back).await.expect("set");
    let second = claim_request(&[0], 2);
    assert_eq!(claim(&mut *session, &second).await, 0);
    let again = batch(&target, second.claim_id, 0, &records);
    assert_eq!(write(&mut *session, &again).await, WriteOutcome::Committed);
    let values = keyspace
        .texts(&in_keyspace(&keyspace, "SELECT id, n FROM t"))
        .await;
    assert_eq!(values, ["0,6", "1,7", "2,5"]);
}

/// After a renewal the clock is the checkpoint's.
#[tokio::test]
async fn a_renewal_keeps_the_clock() {
    let keyspace = keyspace().await;
    let mut first = session(&keyspace).await;
    start(&mut *first, 1).await;
    let target = target(&mut *first, "t", 1).await;
    let request = claim_request(&[0], 1);
    claim(&mut *first, &request).await;
    let records = records();
    let beginning = batch(&target, request.claim_id, 0, &records[..3]);
    assert_eq!(
        write(&mut *first, &beginning).await,
        WriteOutcome::Committed
    );
    drop(first);
    let mut second = session(&keyspace).await;
    let renewal = renewal(&[0], request.claim_id);
    let answers = second.renew(&renewal).await.expect("answers");
    assert_eq!(answers, [RenewAnswer::Held { next_offset: 3 }]);
    let rest = batch(&target, renewal.new_claim_id, 3, &records[3..]);
    assert_eq!(write(&mut *second, &rest).await, WriteOutcome::Committed);
    assert_eq!(cells(&keyspace).await, EXPECTED);
}

/// Records without rows, and those whose rows were refused, have their place in time.
#[tokio::test]
async fn the_clock_runs_for_records_without_rows() {
    let keyspace = keyspace().await;
    let mut session = session(&keyspace).await;
    start(&mut *session, 1).await;
    let target = target(&mut *session, "t", 1).await;
    let request = claim_request(&[0], 1);
    claim(&mut *session, &request).await;
    let mut batch = batch(&target, request.claim_id, 0, &records());
    batch.retain_rows(|_, _, origin| origin.offset == 7);
    assert_eq!(write(&mut *session, &batch).await, WriteOutcome::Committed);
    assert_eq!(cells(&keyspace).await, ["1,7,2001000"]);
    assert_eq!(
        session.read_positions().await.expect("read")[0].next_offset,
        8
    );
    let unknown = Uuid::new_v4();
    batch.positions[0].claim_id = unknown;
    assert_eq!(
        write(&mut *session, &batch).await,
        WriteOutcome::Fenced(vec![0])
    );
}

/// What was checkpointed before the fence was met stays, and is not asked for twice.
#[tokio::test]
async fn one_partition_of_several_is_fenced() {
    let keyspace = keyspace().await;
    let mut old = session(&keyspace).await;
    let mut new = session(&keyspace).await;
    start(&mut *old, 3).await;
    let target = target(&mut *old, "t", 1).await;
    let request = claim_request(&[0, 1, 2], 1);
    old.claim(&request).await.expect("claimed");
    new.claim(&claim_request(&[2], 2)).await.expect("claimed");
    let mut batch = batch(&target, request.claim_id, 0, &records());
    batch
        .positions
        .extend([1, 2].map(|partition| moved(partition, request.claim_id, 0, 5)));
    assert_eq!(
        write(&mut *old, &batch).await,
        WriteOutcome::Fenced(vec![2])
    );
    batch.cut_positions(&[2]);
    assert_eq!(write(&mut *old, &batch).await, WriteOutcome::Committed);
    let positions = old.read_positions().await.expect("read");
    let offsets: Vec<i64> = positions
        .iter()
        .map(|position| position.next_offset)
        .collect();
    assert_eq!(offsets, [8, 5, 0]);
    assert_eq!(cells(&keyspace).await, EXPECTED);
    // Done once, it is elsewhere now.
    assert_eq!(
        write(&mut *old, &batch).await,
        WriteOutcome::Fenced(vec![0, 1])
    );
}

/// Whole collections are replaced with their row's timestamp, and ends are moments: a second writing of
/// both leaves every cell as it was.
#[tokio::test]
async fn collections_and_ends_stay_as_they_are() {
    let mut keyspace = Keyspace::new().await;
    keyspace.settings.ttl_seconds = 100_000;
    let name = keyspace.name.clone();
    keyspace
        .run(&format!(
            "CREATE TABLE {name}.t (id int PRIMARY KEY, f frozen<list<int>>, m map<text, int>, n int, s set<int>)"
        ))
        .await;
    let mut zombie = session(&keyspace).await;
    let mut successor = session(&keyspace).await;
    start(&mut *zombie, 1).await;
    let target = target(&mut *zombie, "t", 1).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = i64::try_from(now.expect("after 1970").as_millis()).expect("small");
    let row = |offset: i64, documents: [&'static str; 3]| {
        let [list, map, set] = documents.map(Cell::Json);
        put(
            offset,
            now,
            &[Cell::Int(offset % 2), list, map, Cell::Int(offset), set],
        )
    };
    let records = [
        row(0, ["[1,1]", "{\"a\":1}", "[1]"]),
        row(1, ["[2]", "{\"b\":2}", "[2,3]"]),
        row(2, ["[3,3]", "{\"c\":3}", "[4]"]),
    ];
    let old = claim_request(&[0], 1);
    claim(&mut *zombie, &old).await;
    let beginning = batch(&target, old.claim_id, 0, &records[..1]);
    assert_eq!(
        write(&mut *zombie, &beginning).await,
        WriteOutcome::Committed
    );
    let new = claim_request(&[0], 2);
    assert_eq!(claim(&mut *successor, &new).await, 1);
    let rest = batch(&target, new.claim_id, 1, &records[1..]);
    assert_eq!(write(&mut *successor, &rest).await, WriteOutcome::Committed);
    let query = format!("SELECT id, f, m, n, s, writetime(f), writetime(n) FROM {name}.t");
    let before = keyspace.texts(&query).await;
    let late = batch(&target, old.claim_id, 1, &records[1..]);
    assert_eq!(
        write(&mut *zombie, &late).await,
        WriteOutcome::Fenced(vec![0])
    );
    assert_eq!(keyspace.texts(&query).await, before);
    let ends = keyspace
        .texts(&format!("SELECT ttl(n) FROM {name}.t"))
        .await;
    for end in ends {
        let seconds: i64 = end.parse().expect("a number of seconds");
        assert!((99_900..=100_000).contains(&seconds), "{seconds}");
    }
}
