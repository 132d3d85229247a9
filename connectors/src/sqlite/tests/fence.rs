//! Claims, renewals, first starts, and what a fenced write leaves behind.

use super::*;

const INTS: &str = "CREATE TABLE t (v INTEGER)";

fn claimed_at(next_offset: i64) -> ClaimAnswer {
    ClaimAnswer::Claimed {
        topic_id: "topic-id".to_owned(),
        next_offset,
        leader_epoch: -1,
    }
}

async fn ints(database: &Database, values: &[i64]) -> TableRows {
    let target = database.target("t", &[], WriteMode::Insert).await;
    let mut rows = TableRows::new(target);
    for value in values {
        push_row(&mut rows, &[Cell::Int(*value)], false);
    }
    rows
}

#[tokio::test]
async fn a_topic_is_started_once() {
    let database = Database::new(INTS).await;
    let mut session = database.session().await;
    let unknown = session.claim(&claim_of(&[0, 1], 1)).await.unwrap();
    assert_eq!(
        unknown,
        [ClaimAnswer::TopicUnknown, ClaimAnswer::TopicUnknown]
    );
    session
        .write_starts(&starts(true, &[(0, 5), (1, 7)]))
        .await
        .unwrap();
    // A second starter read other numbers: the first one's stand, also for partitions it lacked.
    session
        .write_starts(&starts(true, &[(0, 9), (1, 9), (2, 9)]))
        .await
        .unwrap();
    let answers = session.claim(&claim_of(&[0, 1, 2], 1)).await.unwrap();
    assert_eq!(
        answers,
        [claimed_at(5), claimed_at(7), ClaimAnswer::PartitionUnknown]
    );
    // Partitions added later do not touch those that are there.
    session
        .write_starts(&starts(false, &[(1, 0), (2, 0)]))
        .await
        .unwrap();
    let answers = session.claim(&claim_of(&[0, 1, 2], 1)).await.unwrap();
    assert_eq!(answers, [claimed_at(5), claimed_at(7), claimed_at(0)]);
}

#[tokio::test]
async fn scopes_do_not_meet() {
    let database = Database::new(INTS).await;
    let (_session, _) = claimed(&database).await;
    let mut other = options(&database.path);
    other.scope.connector = "other".to_owned();
    let mut session = SqliteSink::new(other).unwrap().open().await.unwrap();
    let answers = session.claim(&claim_of(&[0], 1)).await.unwrap();
    assert_eq!(answers, [ClaimAnswer::TopicUnknown]);
}

#[tokio::test]
async fn claims_yield_to_newer_generations() {
    let database = Database::new(INTS).await;
    let (mut session, _) = claimed(&database).await;
    session.claim(&claim_of(&[0], 7)).await.unwrap();
    let older = claim_of(&[0, 1], 6);
    let answers = session.claim(&older).await.unwrap();
    assert_eq!(
        answers,
        [ClaimAnswer::HeldByNewer { generation: 7 }, claimed_at(0)]
    );
    let same = session.claim(&claim_of(&[0], 7)).await.unwrap();
    assert_eq!(same, [claimed_at(0)]);
    let forced = ClaimRequest {
        force: true,
        ..older
    };
    assert_eq!(session.claim(&forced).await.unwrap()[0], claimed_at(0));
    let rest = "FROM rowdock_progress WHERE \"partition\" = 0";
    let columns = ["claim_id", "claim_count", "generation", "owner"];
    let expected = format!("'{}'|4|6|'worker-1 orders-0'", forced.claim_id);
    assert_eq!(database.query(&columns, rest).await, [expected]);
}

#[tokio::test]
async fn two_sessions_fence_each_other() {
    let database = Database::new(INTS).await;
    let (mut first, first_claim) = claimed(&database).await;
    let mut second = database.session().await;
    let second_request = claim_of(&[0, 1], 1);
    second.claim(&second_request).await.unwrap();

    let late = batch_of(
        vec![moved(0, first_claim, 0, 1)],
        vec![ints(&database, &[1]).await],
    );
    assert_eq!(
        first.write(&late).await.unwrap(),
        WriteOutcome::Fenced(vec![0])
    );
    assert_eq!(database.count("t").await, 0);

    let own = moved(0, second_request.claim_id, 0, 1);
    let fresh = batch_of(vec![own], vec![ints(&database, &[2]).await]);
    assert_eq!(second.write(&fresh).await.unwrap(), WriteOutcome::Committed);
    // The same batch again does not start where the position stands.
    assert_eq!(
        second.write(&fresh).await.unwrap(),
        WriteOutcome::Fenced(vec![0])
    );
    assert_eq!(database.count("t").await, 1);
    assert_eq!(database.positions().await, ["0|1", "1|0"]);

    first.claim(&claim_of(&[0], 1)).await.unwrap();
    let next = batch_of(vec![moved(0, second_request.claim_id, 1, 2)], vec![]);
    assert_eq!(
        second.write(&next).await.unwrap(),
        WriteOutcome::Fenced(vec![0])
    );
}

#[tokio::test]
async fn one_fenced_partition_of_several_leaves_nothing() {
    let database = Database::new(INTS).await;
    let (mut session, claim_id) = claimed(&database).await;
    let positions = vec![
        moved(0, claim_id, 0, 3),
        moved(1, Uuid::new_v4(), 0, 3),
        moved(2, claim_id, 0, 3),
    ];
    let mut batch = batch_of(positions, vec![ints(&database, &[1, 2, 3]).await]);
    let outcome = session.write(&batch).await.unwrap();
    assert_eq!(outcome, WriteOutcome::Fenced(vec![1, 2]));
    assert_eq!(database.count("t").await, 0);
    assert_eq!(database.positions().await, ["0|0", "1|0"]);

    batch.cut_positions(&[1, 2]);
    assert_eq!(
        session.write(&batch).await.unwrap(),
        WriteOutcome::Committed
    );
    assert_eq!(database.count("t").await, 3);
    assert_eq!(database.positions().await, ["0|3", "1|0"]);
}

#[tokio::test]
async fn a_batch_without_rows_moves_positions() {
    let database = Database::new(INTS).await;
    let (mut session, claim_id) = claimed(&database).await;
    let batch = batch_of(
        vec![moved(0, claim_id, 0, 9), moved(1, claim_id, 0, 0)],
        vec![],
    );
    assert_eq!(
        session.write(&batch).await.unwrap(),
        WriteOutcome::Committed
    );
    assert_eq!(database.positions().await, ["0|9", "1|0"]);
    let rest = "FROM rowdock_progress WHERE \"partition\" = 0";
    assert_eq!(database.query(&["leader_epoch"], rest).await, ["3"]);
}

#[tokio::test]
async fn a_renewal_keeps_what_is_ours_and_can_be_repeated() {
    let database = Database::new(INTS).await;
    let (mut session, claim_id) = claimed(&database).await;
    let batch = batch_of(vec![moved(0, claim_id, 0, 4)], vec![]);
    session.write(&batch).await.unwrap();
    session.claim(&claim_of(&[1], 1)).await.unwrap();
    let renewal = RenewRequest {
        new_claim_id: Uuid::new_v4(),
        partitions: vec![(key(0), claim_id), (key(1), claim_id), (key(2), claim_id)],
    };
    let expected = [
        RenewAnswer::Held { next_offset: 4 },
        RenewAnswer::Lost,
        RenewAnswer::Lost,
    ];
    for _ in 0..2 {
        let mut other = database.session().await;
        assert_eq!(other.renew(&renewal).await.unwrap(), expected);
    }
    let old = batch_of(vec![moved(0, claim_id, 4, 5)], vec![]);
    assert_eq!(
        session.write(&old).await.unwrap(),
        WriteOutcome::Fenced(vec![0])
    );
    let new = batch_of(vec![moved(0, renewal.new_claim_id, 4, 5)], vec![]);
    assert_eq!(session.write(&new).await.unwrap(), WriteOutcome::Committed);
}

#[tokio::test]
async fn without_stored_positions_no_progress_table_is_made() {
    let database = Database::with(INTS, |options| options.stores_positions = false).await;
    let rows = ints(&database, &[1]).await;
    write_rows_only(&mut database.session().await, rows)
        .await
        .unwrap();
    assert_eq!(database.count("t").await, 1);
    let rest = "FROM sqlite_schema WHERE name = 'rowdock_progress'";
    assert_eq!(database.query(&["name"], rest).await, Vec::<String>::new());
}

#[tokio::test]
async fn eight_claimers_are_served_one_after_the_other() {
    let database = Database::new(INTS).await;
    claimed(&database).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut session = database.session().await;
        tasks.spawn(async move {
            let request = claim_of(&[0, 1], 1);
            session.claim(&request).await.unwrap();
            let positions = vec![
                moved(0, request.claim_id, 0, 0),
                moved(1, request.claim_id, 0, 0),
            ];
            (session, batch_of(positions, vec![]))
        });
    }
    let mut committed = 0;
    for (mut session, batch) in tasks.join_all().await {
        match session.write(&batch).await.unwrap() {
            WriteOutcome::Committed => committed += 1,
            // All or nothing: claims do not interleave.
            WriteOutcome::Fenced(fenced) => assert_eq!(fenced, [0, 1]),
        }
    }
    assert_eq!(committed, 1);
}
