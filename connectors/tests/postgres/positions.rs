//! Claims, renewals and the fence, by the rules of [`rowdock_connectors::position`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use rowdock_connectors::{
    Cell, ClaimAnswer, ErrorClass, RenewAnswer, RenewRequest, Session, StartRows, WriteMode,
    WriteOutcome,
};
use uuid::Uuid;

use super::database::{
    Database, batch, claim, claim_request, key, moved, open, rows, start, until,
};

fn claimed(next_offset: i64) -> ClaimAnswer {
    ClaimAnswer::Claimed {
        topic_id: "id-1".to_owned(),
        next_offset,
        leader_epoch: -1,
    }
}

fn renewal(partitions: &[i32], old: Uuid) -> RenewRequest {
    RenewRequest {
        new_claim_id: Uuid::new_v4(),
        partitions: partitions
            .iter()
            .map(|partition| (key(*partition), old))
            .collect(),
    }
}

fn starts(first: bool, offsets: &[(i32, i64)]) -> StartRows {
    StartRows {
        topic: Arc::from("orders"),
        topic_id: "id-1".to_owned(),
        first,
        offsets: offsets.to_vec(),
    }
}

async fn positions(database: &Database) -> Vec<String> {
    let text = "SELECT partition || ':' || next_offset FROM rowdock_progress \
                WHERE partition >= 0 ORDER BY partition";
    database.texts(text).await
}

#[tokio::test]
async fn a_topic_starts_once_and_later_partitions_are_new() {
    let database = Database::new().await;
    let mut session = database.session().await;
    let request = claim_request(&[0, 1], 1);
    let answers = session.claim(&request).await.expect("answers");
    assert_eq!(
        answers,
        [ClaimAnswer::TopicUnknown, ClaimAnswer::TopicUnknown]
    );

    let first = starts(true, &[(1, 7), (0, 5)]);
    session.write_starts(&first).await.expect("written");
    let late = starts(true, &[(0, 100), (1, 100), (2, 100)]);
    session.write_starts(&late).await.expect("written");
    assert_eq!(
        positions(&database).await,
        ["0:5", "1:7"],
        "the first starter wins"
    );

    let answers = session
        .claim(&claim_request(&[0, 1, 2], 1))
        .await
        .expect("answers");
    assert_eq!(
        answers,
        [claimed(5), claimed(7), ClaimAnswer::PartitionUnknown]
    );
    let added = starts(false, &[(1, 50), (2, 0)]);
    session.write_starts(&added).await.expect("written");
    let answers = session
        .claim(&claim_request(&[1, 2], 1))
        .await
        .expect("answers");
    assert_eq!(
        answers,
        [claimed(7), claimed(0)],
        "rows that exist are left alone"
    );
}

#[tokio::test]
async fn two_starters_at_once_write_one_set_of_starts() {
    let database = Database::new().await;
    let mut starting = Vec::new();
    for offset in 0..6 {
        let mut session = database.session().await;
        starting.push(tokio::spawn(async move {
            let rows = starts(true, &[(0, offset), (1, offset), (2, offset)]);
            session.write_starts(&rows).await
        }));
    }
    for started in starting {
        started.await.expect("joined").expect("written");
    }
    let distinct = "SELECT count(DISTINCT next_offset) FROM rowdock_progress WHERE partition >= 0";
    assert_eq!(database.value::<i64>(distinct).await, 1);
    assert_eq!(positions(&database).await.len(), 3);
}

#[tokio::test]
async fn connectors_do_not_meet() {
    let database = Database::new().await;
    let mut session = database.session().await;
    start(&mut *session, 1).await;
    let mut other = database.options();
    other.scope.connector = "payments".to_owned();
    let mut other = open(other).await;
    let answers = other.claim(&claim_request(&[0], 1)).await.expect("answers");
    assert_eq!(answers, [ClaimAnswer::TopicUnknown]);
}

#[tokio::test]
async fn a_claim_yields_to_a_newer_generation_unless_forced() {
    let database = Database::new().await;
    let mut session = database.session().await;
    start(&mut *session, 2).await;
    session
        .claim(&claim_request(&[0], 9))
        .await
        .expect("claimed");
    let row = "SELECT rowdock_progress::text FROM rowdock_progress WHERE partition = 0";
    let before: String = database.value(row).await;

    let mut older = claim_request(&[0, 1], 8);
    let answers = session.claim(&older).await.expect("answers");
    let held = ClaimAnswer::HeldByNewer { generation: 9 };
    assert_eq!(answers, [held, claimed(0)]);
    assert_eq!(
        database.value::<String>(row).await,
        before,
        "left unchanged"
    );

    older.force = true;
    older.claim_id = Uuid::new_v4();
    let answers = session.claim(&older).await.expect("answers");
    assert_eq!(answers, [claimed(0), claimed(0)]);
    let stored = "SELECT generation || ' ' || claim_count || ' ' || owner FROM rowdock_progress \
                  WHERE partition = 0";
    assert_eq!(database.value::<String>(stored).await, "8 2 worker/0");
    let id: Uuid = database
        .value("SELECT claim_id FROM rowdock_progress WHERE partition = 0")
        .await;
    assert_eq!(id, older.claim_id);
}

#[tokio::test]
async fn a_write_moves_positions_with_its_rows() {
    let database = Database::new().await;
    database.run("CREATE TABLE t (n bigint)").await;
    let mut session = database.session().await;
    start(&mut *session, 2).await;
    let id = claim(&mut *session, &[0, 1]).await;
    let target = database
        .target(&mut *session, "t", &["n"], 0, WriteMode::Insert)
        .await;
    let moves = vec![moved(0, id, 0, 4), moved(1, id, 0, 2)];
    let written = batch(
        moves,
        vec![rows(&target, &[&[Cell::Int(1)], &[Cell::Int(2)]])],
    );
    let outcome = session.write(&written).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    assert_eq!(positions(&database).await, ["0:4", "1:2"]);
    assert_eq!(database.value::<i64>("SELECT count(*) FROM t").await, 2);
    let epoch = "SELECT leader_epoch FROM rowdock_progress WHERE partition = 0";
    assert_eq!(database.value::<i32>(epoch).await, 3);

    let empty = batch(vec![moved(0, id, 4, 9)], Vec::new());
    assert_eq!(
        session.write(&empty).await.expect("written"),
        WriteOutcome::Committed
    );
    assert_eq!(
        positions(&database).await,
        ["0:9", "1:2"],
        "a batch without rows moves too"
    );

    let again = session.write(&written).await.expect("refused");
    assert_eq!(
        again,
        WriteOutcome::Fenced(vec![0, 1]),
        "not where it starts"
    );
    assert_eq!(database.value::<i64>("SELECT count(*) FROM t").await, 2);
}

#[tokio::test]
async fn a_partial_fence_leaves_nothing() {
    let database = Database::new().await;
    database.run("CREATE TABLE t (n bigint)").await;
    let mut session = database.session().await;
    start(&mut *session, 3).await;
    let id = claim(&mut *session, &[0, 1, 2]).await;
    let mut successor = database.session().await;
    claim(&mut *successor, &[1]).await;
    let target = database
        .target(&mut *session, "t", &["n"], 0, WriteMode::Insert)
        .await;
    let cells: Vec<[Cell<'_>; 1]> = (0..100).map(|n| [Cell::Int(n)]).collect();
    let records: Vec<&[Cell<'_>]> = cells.iter().map(<[_; 1]>::as_slice).collect();
    for some in [&records[..2], &records] {
        let moves = vec![moved(0, id, 0, 4), moved(1, id, 0, 2), moved(2, id, 1, 2)];
        let partly = batch(moves, vec![rows(&target, some)]);
        let outcome = session.write(&partly).await.expect("answered");
        assert_eq!(outcome, WriteOutcome::Fenced(vec![1, 2]));
        assert_eq!(positions(&database).await, ["0:0", "1:0", "2:0"]);
        assert_eq!(database.value::<i64>("SELECT count(*) FROM t").await, 0);
    }
    // The session is as good as new.
    let rest = batch(vec![moved(0, id, 0, 4)], vec![rows(&target, &records)]);
    assert_eq!(
        session.write(&rest).await.expect("written"),
        WriteOutcome::Committed
    );
    assert_eq!(database.value::<i64>("SELECT count(*) FROM t").await, 100);
}

#[tokio::test]
async fn a_missing_row_fences() {
    let database = Database::new().await;
    let mut session = database.session().await;
    let lost = batch(vec![moved(0, Uuid::new_v4(), 0, 1)], Vec::new());
    let outcome = session.write(&lost).await.expect("answered");
    assert_eq!(outcome, WriteOutcome::Fenced(vec![0]));
}

#[tokio::test]
async fn a_renewal_exchanges_what_is_still_held() {
    let database = Database::new().await;
    let mut session = database.session().await;
    start(&mut *session, 2).await;
    let id = claim(&mut *session, &[0, 1]).await;
    let forward = batch(vec![moved(0, id, 0, 6)], Vec::new());
    session.write(&forward).await.expect("written");
    let mut successor = database.session().await;
    claim(&mut *successor, &[1]).await;

    let mut reconnected = database.session().await;
    let mut request = renewal(&[0, 1], id);
    request.partitions.push((key(5), id));
    for _ in 0..3 {
        let answers = reconnected.renew(&request).await.expect("answers");
        let expected = [
            RenewAnswer::Held { next_offset: 6 },
            RenewAnswer::Lost,
            RenewAnswer::Lost,
        ];
        assert_eq!(answers, expected, "the same however often it is asked");
    }
    let old = batch(vec![moved(0, id, 6, 7)], Vec::new());
    let outcome = session.write(&old).await.expect("answered");
    assert_eq!(
        outcome,
        WriteOutcome::Fenced(vec![0]),
        "the old id holds no more"
    );
    let new = batch(vec![moved(0, request.new_claim_id, 6, 7)], Vec::new());
    let outcome = reconnected.write(&new).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
}

#[tokio::test]
async fn a_claim_waits_for_a_transaction_in_flight() {
    let database = Database::new().await;
    let mut session = database.session().await;
    start(&mut *session, 1).await;
    let predecessor = database.other_client().await;
    let lock = "BEGIN; UPDATE rowdock_progress SET next_offset = 8 WHERE partition = 0";
    predecessor.batch_execute(lock).await.expect("locked");
    let claiming = tokio::spawn(async move {
        let answers = session.claim(&claim_request(&[0], 1)).await;
        answers.expect("answers")
    });
    until("the claim waits for the row", || async {
        let waiting = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
             AND query LIKE '%FOR UPDATE%' AND query LIKE '%rowdock_progress%' \
             AND {} = ANY(pg_blocking_pids(pid))",
            backend(&predecessor).await
        );
        database.value::<i64>(&waiting).await == 1
    })
    .await;
    predecessor
        .batch_execute("COMMIT")
        .await
        .expect("committed");
    assert_eq!(
        claiming.await.expect("joined"),
        [claimed(8)],
        "sees what was committed"
    );
}

async fn backend(client: &tokio_postgres::Client) -> i32 {
    let row = client.query_one("SELECT pg_backend_pid()", &[]).await;
    row.expect("answers").get(0)
}

/// A predecessor that stopped in the middle of a copy: no time-out of the server ends it.
#[tokio::test]
async fn a_claim_ends_the_session_of_a_predecessor_that_does_not_let_go() {
    let database = Database::new().await;
    database.run("CREATE TABLE t (n bigint)").await;
    let mut session = database.session().await;
    start(&mut *session, 1).await;
    let stopped = database.other_client().await;
    let lock = "BEGIN; UPDATE rowdock_progress SET next_offset = 8 WHERE partition = 0";
    database
        .run(&format!(
            "UPDATE rowdock_progress SET session = (SELECT pid || ' ' || backend_start \
             FROM (SELECT set_config('timezone', 'UTC', false)) AS zone, pg_stat_activity \
             WHERE pid = {})",
            backend(&stopped).await
        ))
        .await;
    stopped.batch_execute(lock).await.expect("locked");
    let copy = stopped
        .copy_in::<_, bytes::Bytes>("COPY t FROM STDIN")
        .await;
    let copy = copy.expect("copying");

    let begun = Instant::now();
    let answers = session
        .claim(&claim_request(&[0], 1))
        .await
        .expect("answers");
    assert_eq!(answers, [claimed(0)], "the predecessor was rolled back");
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    drop(copy);
    let gone = stopped.batch_execute("SELECT 1").await.expect_err("ended");
    assert!(gone.is_closed() || gone.code().is_some(), "{gone}");
}

#[tokio::test]
async fn a_claim_in_vain_may_be_tried_again() {
    let database = Database::new().await;
    let mut options = database.options();
    options.timeouts.lock = Duration::from_millis(50);
    let mut session = open(options).await;
    start(&mut *session, 1).await;
    // The row names no session, so nobody is ended.
    let stranger = database.other_client().await;
    let lock = "BEGIN; UPDATE rowdock_progress SET next_offset = 8 WHERE partition = 0";
    stranger.batch_execute(lock).await.expect("locked");
    let request = claim_request(&[0], 1);
    let error = session.claim(&request).await.expect_err("locked");
    assert_eq!(error.class(), ErrorClass::Retry);
    assert!(!error.connection_lost(), "{error}");
    stranger.batch_execute("ROLLBACK").await.expect("released");
    let answers = session.claim(&request).await.expect("answers");
    assert_eq!(answers, [claimed(0)]);
}

#[tokio::test]
async fn at_least_once_touches_no_progress_table() {
    let database = Database::new().await;
    database.run("CREATE TABLE t (n bigint)").await;
    let mut options = database.options();
    options.stores_positions = false;
    let mut session = database.one_row_written(options).await;
    assert_eq!(database.value::<i64>("SELECT count(*) FROM t").await, 1);
    let missing: bool = database
        .value("SELECT to_regclass('rowdock_progress') IS NULL")
        .await;
    assert!(missing);
    let error = session
        .claim(&claim_request(&[0], 1))
        .await
        .expect_err("no table");
    assert_eq!(error.class(), ErrorClass::Stop);
}

#[tokio::test]
async fn sessions_create_the_progress_table_once_or_say_how() {
    let database = Database::new().await;
    let opening: Vec<_> = (0..8)
        .map(|_| tokio::spawn(open(database.options())))
        .collect();
    for opened in opening {
        opened.await.expect("joined").close().await;
    }
    let role = format!("{}_role", database.schema);
    database
        .run(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'weak'; GRANT USAGE ON SCHEMA {} TO {role}; \
             DROP TABLE rowdock_progress",
            database.schema
        ))
        .await;
    let mut options = database.options();
    options.user = Some(role.clone());
    options.password = Some("weak".into());
    let sink = rowdock_connectors::postgres::PostgresSink::new(options).expect("options");
    let opened = rowdock_connectors::Sink::open(&sink).await;
    let error = opened.err().expect("may not create");
    assert_eq!(error.class(), ErrorClass::Stop);
    let text = error.to_string();
    assert!(
        text.contains("CREATE TABLE IF NOT EXISTS \"rowdock_progress\" ("),
        "{text}"
    );
    assert!(!text.contains(":progress_table"), "{text}");
    // What the message shows does it, and nothing more is needed than reading and changing rows.
    let (_, script) = text.split_once("run:\n").expect("script");
    database.run(script).await;
    let grant = format!("GRANT SELECT, INSERT, UPDATE ON rowdock_progress TO {role}");
    database.run(&grant).await;
    let mut session: Box<dyn Session> = rowdock_connectors::Sink::open(&sink).await.expect("open");
    start(&mut *session, 1).await;
    claim(&mut *session, &[0]).await;
    session.close().await;
    database
        .run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

#[tokio::test]
async fn an_unlogged_progress_table_is_refused() {
    let database = Database::new().await;
    database
        .run("CREATE UNLOGGED TABLE rowdock_progress (n int)")
        .await;
    let sink = rowdock_connectors::postgres::PostgresSink::new(database.options());
    let opened = rowdock_connectors::Sink::open(&sink.expect("options")).await;
    let error = opened.err().expect("refused");
    assert_eq!(error.class(), ErrorClass::Stop);
    assert!(error.to_string().contains("unlogged"), "{error}");
}
