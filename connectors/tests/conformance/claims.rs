//! Who may write: claims, renewals, first starts, by the rules of
//! [`rowdock_connectors::position`].

use rowdock_connectors::{Cell, ClaimAnswer, RenewAnswer, ResetRequest, SetPosition, WriteOutcome};
use uuid::Uuid;

use super::Database;
use super::support::{
    appended, batch, claim, claim_request, claimed, int, key, moved, put, renewal, rows, session,
    start, starts,
};

/// Where the partitions stand, seen by a claim that yields to every other.
async fn positions(database: &impl Database, partitions: &[i32]) -> Vec<i64> {
    let mut session = session(database).await;
    let answers = session.claim(&claim_request(partitions, 1_000)).await;
    let offset = |answer| match answer {
        ClaimAnswer::Claimed { next_offset, .. } => next_offset,
        other => panic!("{other:?}"),
    };
    answers.expect("claimed").into_iter().map(offset).collect()
}

pub(crate) async fn a_topic_starts_once(database: &impl Database) {
    let mut session = session(database).await;
    let unknown = session.claim(&claim_request(&[0, 1], 1)).await;
    assert_eq!(
        unknown.expect("answers"),
        [ClaimAnswer::TopicUnknown, ClaimAnswer::TopicUnknown]
    );
    let first = starts(true, &[(1, 7), (0, 5)]);
    session.write_starts(&first).await.expect("written");
    let late = starts(true, &[(0, 100), (1, 100), (2, 100)]);
    session.write_starts(&late).await.expect("no error");
    let answers = session.claim(&claim_request(&[0, 1, 2], 1)).await;
    assert_eq!(
        answers.expect("answers"),
        [claimed(5), claimed(7), ClaimAnswer::PartitionUnknown]
    );
    let added = starts(false, &[(1, 50), (2, 0)]);
    session.write_starts(&added).await.expect("written");
    let answers = session.claim(&claim_request(&[1, 2], 1)).await;
    assert_eq!(answers.expect("answers"), [claimed(7), claimed(0)]);
}

pub(crate) async fn first_starts_race(database: &impl Database) {
    // The first session makes the progress table, so that the race is one of starts.
    drop(session(database).await);
    let mut starting = Vec::new();
    for offset in 0..6 {
        let mut session = session(database).await;
        starting.push(tokio::spawn(async move {
            let rows = starts(true, &[(0, offset), (1, offset), (2, offset)]);
            session.write_starts(&rows).await
        }));
    }
    for started in starting {
        started.await.expect("joined").expect("written");
    }
    let positions = positions(database, &[0, 1, 2]).await;
    assert_eq!(
        positions,
        vec![positions[0]; 3],
        "starts of several are mixed"
    );
}

pub(crate) async fn connectors_do_not_meet(database: &impl Database) {
    let mut own = session(database).await;
    start(&mut *own, 1).await;
    let opened = database.sink("payments", true).open().await;
    let mut other = opened.expect("session");
    let answers = other.claim(&claim_request(&[0], 1)).await.expect("answers");
    assert_eq!(answers, [ClaimAnswer::TopicUnknown]);
}

pub(crate) async fn a_claim_yields_to_a_newer_generation(database: &impl Database) {
    let mut session = session(database).await;
    start(&mut *session, 2).await;
    let newer = claim_request(&[0], 9);
    session.claim(&newer).await.expect("claimed");
    let mut older = claim_request(&[0, 1], 8);
    let answers = session.claim(&older).await.expect("answers");
    let held = ClaimAnswer::HeldByNewer { generation: 9 };
    assert_eq!(answers, [held, claimed(0)]);
    // The newer one still may write.
    let moves = batch(vec![moved(0, newer.claim_id, 0, 1)], Vec::new());
    let outcome = session.write(&moves).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    older.force = true;
    older.claim_id = Uuid::new_v4();
    let answers = session.claim(&older).await.expect("answers");
    assert_eq!(answers, [claimed(1), claimed(0)]);
}

/// Two sessions, one partition: also for a batch without rows.
pub(crate) async fn an_older_claim_cannot_write(database: &impl Database) {
    let mut old = session(database).await;
    let mut new = session(database).await;
    start(&mut *old, 1).await;
    let target = appended(&mut *old, "t").await;
    let old_id = claim(&mut *old, &[0]).await;
    let new_id = claim(&mut *new, &[0]).await;
    let written = vec![rows(&target, &[put(1, int(1), Cell::Null)])];
    for tables in [written.clone(), Vec::new()] {
        let outcome = old
            .write(&batch(vec![moved(0, old_id, 0, 5)], tables))
            .await;
        assert_eq!(outcome.expect("answered"), WriteOutcome::Fenced(vec![0]));
    }
    assert!(database.rows("t", &["id"]).await.is_empty());
    let outcome = new
        .write(&batch(vec![moved(0, new_id, 0, 5)], written))
        .await;
    assert_eq!(outcome.expect("answered"), WriteOutcome::Committed);
    assert_eq!(database.rows("t", &["id"]).await, ["1"]);
}

pub(crate) async fn one_partition_of_several_is_fenced(database: &impl Database) {
    let mut old = session(database).await;
    let mut new = session(database).await;
    start(&mut *old, 4).await;
    let target = appended(&mut *old, "t").await;
    let id = claim(&mut *old, &[0, 1, 2, 3]).await;
    claim(&mut *new, &[2]).await;
    let moves: Vec<_> = (0..4).map(|partition| moved(partition, id, 0, 3)).collect();
    let tables = vec![rows(&target, &[put(1, int(1), Cell::Null)])];
    let outcome = old.write(&batch(moves, tables.clone())).await;
    assert_eq!(outcome.expect("answered"), WriteOutcome::Fenced(vec![2]));
    assert!(
        database.rows("t", &["id"]).await.is_empty(),
        "rows of the others stay out"
    );
    // Without the fenced one it is as if nothing had happened.
    let rest = [0, 1, 3]
        .map(|partition| moved(partition, id, 0, 3))
        .to_vec();
    let outcome = old.write(&batch(rest, tables)).await;
    assert_eq!(outcome.expect("answered"), WriteOutcome::Committed);
    assert_eq!(positions(database, &[0, 1, 2, 3]).await, [3, 3, 0, 3]);
}

pub(crate) async fn a_position_elsewhere_is_fenced(database: &impl Database) {
    let mut session = session(database).await;
    start(&mut *session, 2).await;
    let id = claim(&mut *session, &[0, 1]).await;
    let ahead = batch(vec![moved(0, id, 0, 4), moved(1, id, 1, 2)], Vec::new());
    let outcome = session.write(&ahead).await.expect("answered");
    assert_eq!(outcome, WriteOutcome::Fenced(vec![1]));
    let absent = batch(vec![moved(7, id, 0, 4)], Vec::new());
    let outcome = session.write(&absent).await.expect("answered");
    assert_eq!(outcome, WriteOutcome::Fenced(vec![0]));
    assert_eq!(positions(database, &[0, 1]).await, [0, 0]);
}

pub(crate) async fn a_renewal_may_be_repeated(database: &impl Database) {
    let mut session = session(database).await;
    start(&mut *session, 3).await;
    let id = claim(&mut *session, &[0, 1]).await;
    let mut request = renewal(&[0, 1], id);
    request.partitions.push((key(2), id));
    let held = RenewAnswer::Held { next_offset: 0 };
    for _ in 0..2 {
        let answers = session.renew(&request).await.expect("answers");
        assert_eq!(answers, [held, held, RenewAnswer::Lost]);
    }
    let old = session
        .write(&batch(vec![moved(0, id, 0, 1)], Vec::new()))
        .await;
    assert_eq!(old.expect("answered"), WriteOutcome::Fenced(vec![0]));
    let moves = vec![moved(0, request.new_claim_id, 0, 1)];
    let new = session.write(&batch(moves, Vec::new())).await;
    assert_eq!(new.expect("answered"), WriteOutcome::Committed);
}

/// Over another session, as after a commit that was not answered.
pub(crate) async fn a_renewal_settles_what_happened(database: &impl Database) {
    let mut first = session(database).await;
    start(&mut *first, 3).await;
    let id = claim(&mut *first, &[0, 1, 2]).await;
    let committed = batch(vec![moved(0, id, 0, 5)], Vec::new());
    let outcome = first.write(&committed).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    let mut thief = session(database).await;
    claim(&mut *thief, &[2]).await;
    drop(first);
    let mut second = session(database).await;
    let answers = second
        .renew(&renewal(&[0, 1, 2], id))
        .await
        .expect("answers");
    assert_eq!(
        answers,
        [
            RenewAnswer::Held { next_offset: 5 },
            RenewAnswer::Held { next_offset: 0 },
            RenewAnswer::Lost,
        ]
    );
}

/// A claim that was on its way when its worker lost the partition is executed after its successor's.
pub(crate) async fn a_late_claim_is_overtaken(database: &impl Database) {
    let mut late = session(database).await;
    let mut successor = session(database).await;
    start(&mut *late, 1).await;
    let request = claim_request(&[0], 4);
    let newer = claim_request(&[0], 5);
    assert_eq!(
        successor.claim(&newer).await.expect("answers"),
        [claimed(0)]
    );
    let held = ClaimAnswer::HeldByNewer { generation: 5 };
    assert_eq!(late.claim(&request).await.expect("answers"), [held]);
    let moves = vec![moved(0, newer.claim_id, 0, 1)];
    let outcome = successor.write(&batch(moves, Vec::new())).await;
    assert_eq!(outcome.expect("answered"), WriteOutcome::Committed);
}

pub(crate) async fn positions_set_by_hand_fence_their_owner(database: &impl Database) {
    let mut owner = session(database).await;
    start(&mut *owner, 1).await;
    let id = claim(&mut *owner, &[0]).await;
    let mut other = session(database).await;
    let set = |partition, next_offset| SetPosition {
        key: key(partition),
        topic_id: "id-2".to_owned(),
        next_offset,
    };
    let request = ResetRequest {
        starts: vec![starts(false, &[(1, 0)])],
        positions: vec![set(0, 40), set(1, 41)],
    };
    other.reset_positions(&request).await.expect("set");
    let late = batch(vec![moved(0, id, 0, 5)], Vec::new());
    let outcome = owner.write(&late).await.expect("answered");
    assert_eq!(outcome, WriteOutcome::Fenced(vec![0]));
    let positions = other.read_positions().await.expect("read");
    let found: Vec<_> = positions
        .iter()
        .map(|position| {
            (
                position.key.partition,
                position.next_offset,
                position.reset_count,
            )
        })
        .collect();
    assert_eq!(found, [(0, 40, 1), (1, 41, 1)]);
    assert!(positions.iter().all(|position| position.topic_id == "id-2"));
    assert!(positions.iter().all(|position| position.owner.is_empty()));
}

/// Whoever asks later why records came twice, or never, finds where the position stood.
pub(crate) async fn what_stood_there_is_kept(database: &impl Database) {
    let mut owner = session(database).await;
    start(&mut *owner, 1).await;
    let id = claim(&mut *owner, &[0]).await;
    let moves = batch(vec![moved(0, id, 0, 5)], Vec::new());
    let outcome = owner.write(&moves).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    for next_offset in [40, 7] {
        let request = ResetRequest {
            // The topic has been started, so these change nothing.
            starts: vec![starts(true, &[(0, 0)])],
            positions: vec![SetPosition {
                key: key(0),
                topic_id: "id".to_owned(),
                next_offset,
            }],
        };
        owner.reset_positions(&request).await.expect("set");
    }
    let columns = ["cluster_id", "next_offset", "reset_count"];
    let mut rows = database.rows("rowdock_progress", &columns).await;
    rows.retain(|row| row.contains("/reset/"));
    assert_eq!(rows, ["cluster/reset/1,5,0", "cluster/reset/2,40,1"]);
    let positions = owner.read_positions().await.expect("read");
    assert_eq!(positions.len(), 1, "the copies are nobody's positions");
    assert_eq!(positions[0].next_offset, 7);
}
