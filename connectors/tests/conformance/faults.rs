//! Sessions in each other's way, and sessions that end.

use rowdock_connectors::{Batch, Cell, ErrorClass, RenewAnswer, Session, WriteMode, WriteOutcome};

use super::Server;
use super::support::{
    Client, Outside, appended, batch, claim, int, moved, put, renewal, rows, rows_only, session,
    start, table, target, until, upserted,
};

const NULL: Cell<'static> = Cell::Null;
/// Much work, so that a server which ends the lesser transaction of a deadlock ends the sink's.
const HEAVY_ROWS: i64 = 500;

pub(crate) async fn a_write_waits_for_a_lock_and_goes_on(server: &impl Server) {
    let mut session = session(server).await;
    let target = upserted(&mut *session, "t").await;
    let records = [put(1, int(1), NULL)];
    let written = rows_only(vec![rows(&target, &records)]);
    session.write(&written).await.expect("written");
    let mut other = server.client().await;
    run(&mut *other, "BEGIN").await;
    run(&mut *other, "UPDATE t SET n = 7 WHERE id = 1").await;
    let records = [put(1, int(2), NULL)];
    let written = rows_only(vec![rows(&target, &records)]);
    let writing = tokio::spawn(async move { session.write(&written).await });
    until("the write waits", async || server.waiting().await == 1).await;
    run(&mut *other, "COMMIT").await;
    let outcome = writing.await.expect("joined").expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    assert_eq!(server.rows("t", &["n"]).await, ["2"]);
}

/// Someone holds what the sink needs next, and needs what it holds.
pub(crate) async fn a_deadlock_is_retried(server: &impl Server) {
    let mut session = session(server).await;
    start(&mut *session, 1).await;
    let id = claim(&mut *session, &[0]).await;
    let target = upserted(&mut *session, "t").await;
    let mut other = blocker(server, &mut *session, &target).await;
    let records = [put(1, int(2), NULL), put(2, int(2), NULL)];
    let written = batch(vec![moved(0, id, 0, 2)], vec![rows(&target, &records)]);
    let (error, mut session) = {
        let written = written.clone();
        let writing = tokio::spawn(async move {
            let outcome = session.write(&written).await;
            (outcome, session)
        });
        until("the write waits", async || server.waiting().await >= 1).await;
        run(&mut *other, "UPDATE t SET n = 9 WHERE id = 1").await;
        let (outcome, session) = writing.await.expect("joined");
        (outcome.expect_err("the sink's is the lesser"), session)
    };
    assert_eq!(error.class(), ErrorClass::Retry, "{error}");
    assert!(
        !error.connection_lost() && !error.commit_unknown(),
        "{error}"
    );
    run(&mut *other, "COMMIT").await;
    let outcome = session.write(&written).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    let stored = server.rows("t", &["id", "n"]).await;
    assert_eq!(stored, ["1,2", "2,2"]);
}

/// The search for refused rows is rolled back by the server half-way: nothing it has tried stays.
pub(crate) async fn a_deadlock_between_the_steps_of_a_search_is_retried(server: &impl Server) {
    let mut session = session(server).await;
    let target = upserted(&mut *session, "t").await;
    let mut other = blocker(server, &mut *session, &target).await;
    // The first half is accepted and stays locked, the second waits.
    let records = [
        put(1, int(2), NULL),
        put(5, int(2), NULL),
        put(2, int(2), NULL),
        put(6, NULL, NULL),
    ];
    let refused = rows_only(vec![rows(&target, &records)]);
    let (error, mut session) = {
        let refused = refused.clone();
        let searching = tokio::spawn(async move {
            let found = session.find_rejects(&refused).await;
            (found, session)
        });
        until("the search waits", async || server.waiting().await >= 1).await;
        run(&mut *other, "UPDATE t SET n = 9 WHERE id = 1").await;
        let (found, session) = searching.await.expect("joined");
        (found.expect_err("the sink's is the lesser"), session)
    };
    assert_eq!(error.class(), ErrorClass::Retry, "{error}");
    run(&mut *other, "COMMIT").await;
    let stored = server.rows("t", &["id", "n"]).await;
    assert_eq!(stored, ["1,9", "2,7"], "a row was committed by the search");
    let found = session.find_rejects(&refused).await.expect("found");
    let places: Vec<usize> = found.iter().map(|reject| reject.row).collect();
    assert_eq!(places, [3]);
}

/// A transaction from outside that holds row 2 of `t` and has done much.
async fn blocker(
    server: &impl Server,
    session: &mut dyn Session,
    target: &std::sync::Arc<rowdock_connectors::Target>,
) -> Box<dyn Client> {
    let records = [put(1, int(1), NULL), put(2, int(1), NULL)];
    let written = rows_only(vec![rows(target, &records)]);
    session.write(&written).await.expect("written");
    table(session, "heavy", false).await;
    let mut other = server.client().await;
    run(&mut *other, "BEGIN").await;
    let values: Vec<String> = (0..HEAVY_ROWS).map(|row| format!("({row}, 0)")).collect();
    let heavy = format!("INSERT INTO heavy (id, n) VALUES {}", values.join(", "));
    run(&mut *other, &heavy).await;
    run(&mut *other, "UPDATE t SET n = 7 WHERE id = 2").await;
    other
}

pub(crate) async fn a_session_that_is_ended_is_replaced(server: &impl Server) {
    let mut first = session(server).await;
    start(&mut *first, 1).await;
    let id = claim(&mut *first, &[0]).await;
    let target = appended(&mut *first, "t").await;
    let records = [put(1, int(1), NULL)];
    let mut written = batch(vec![moved(0, id, 0, 1)], vec![rows(&target, &records)]);
    assert!(server.end_sessions().await >= 1);
    let error = first.write(&written).await.expect_err("ended");
    assert_eq!(error.class(), ErrorClass::Retry, "{error}");
    assert!(error.connection_lost(), "{error}");
    assert!(!error.commit_unknown(), "nothing was sent: {error}");
    let error = first.write(&written).await.expect_err("still");
    assert!(error.connection_lost(), "{error}");
    let mut second = session(server).await;
    let request = renewal(&[0], id);
    let answers = second.renew(&request).await.expect("answers");
    assert_eq!(answers, [RenewAnswer::Held { next_offset: 0 }]);
    written.positions[0].claim_id = request.new_claim_id;
    let outcome = second.write(&written).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    assert_eq!(server.rows("t", &["id"]).await, ["1"]);
}

/// A worker that is frozen in the middle of a batch holds its partitions' rows: the next owner ends
/// its session, and nothing of the batch is there.
pub(crate) async fn a_stopped_holder_is_ended_by_its_successor(server: &impl Server) {
    let mut stopped = session(server).await;
    let mut successor = session(server).await;
    start(&mut *stopped, 2).await;
    let id = claim(&mut *stopped, &[0, 1]).await;
    let target = upserted(&mut *stopped, "t").await;
    let records = [put(1, int(1), NULL)];
    let before = rows_only(vec![rows(&target, &records)]);
    stopped.write(&before).await.expect("written");
    // What holds it up in the middle is a row that someone else has locked.
    let mut other = server.client().await;
    run(&mut *other, "BEGIN").await;
    run(&mut *other, "UPDATE t SET n = 7 WHERE id = 1").await;
    let held = batch(
        vec![moved(0, id, 0, 5)],
        vec![rows(&target, &[put(1, int(9), NULL)])],
    );
    let holding = tokio::spawn(async move { stopped.write(&held).await });
    until("the write waits", async || server.waiting().await == 1).await;
    let began = std::time::Instant::now();
    let new_id = claim(&mut *successor, &[0, 1]).await;
    let took = began.elapsed();
    assert!(took.as_secs() < 8, "claiming took {took:?}");
    let error = holding.await.expect("joined").expect_err("ended");
    assert_eq!(error.class(), ErrorClass::Retry, "{error}");
    run(&mut *other, "COMMIT").await;
    let outcome = successor
        .write(&batch(vec![moved(0, new_id, 0, 1)], Vec::new()))
        .await;
    assert_eq!(outcome.expect("answered"), WriteOutcome::Committed);
    assert_eq!(server.rows("t", &["n"]).await, ["7"]);
}

/// A row that meets another one on a further unique key is refused; neither is changed.
pub(crate) async fn only_the_key_that_is_named_is_upserted(database: &impl Outside) {
    only_the_key_counts(database, "bigint NOT NULL", WriteMode::Upsert).await;
}

/// The same of rows that are there: those with another key are not passed over.
pub(crate) async fn only_the_key_that_is_named_is_passed_over(database: &impl Outside) {
    only_the_key_counts(database, "bigint NOT NULL", WriteMode::InsertIgnore).await;
}

/// `key`: the type of the key's column.
pub(crate) async fn only_the_key_counts(database: &impl Outside, key: &str, mode: WriteMode) {
    // What becomes of row 1 when it comes again.
    let met = match mode {
        WriteMode::InsertIgnore => "1,1,a",
        _ => "1,1,c",
    };
    database.execute("DROP TABLE IF EXISTS u").await;
    let table =
        format!("CREATE TABLE u (id {key} PRIMARY KEY, n int NOT NULL UNIQUE, note varchar(10))");
    database.execute(&table).await;
    let mut session = session(database).await;
    let columns = ["id", "n", "note"];
    let target = target(&mut *session, "u", &columns, 1, mode).await;
    let records = [
        put(1, int(1), Cell::Text("a")),
        put(2, int(2), Cell::Text("b")),
    ];
    let written = rows_only(vec![rows(&target, &records)]);
    session.write(&written).await.expect("written");
    let records = [
        put(1, int(1), Cell::Text("c")),
        put(3, int(2), Cell::Text("d")),
        put(4, int(4), Cell::Text("e")),
    ];
    let refused: Batch = rows_only(vec![rows(&target, &records)]);
    let error = session.write(&refused).await.expect_err("n is there");
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
    let found = session.find_rejects(&refused).await.expect("found");
    assert_eq!(
        found.iter().map(|reject| reject.row).collect::<Vec<_>>(),
        [1]
    );
    let reason = &found[0].reason;
    let says_why = reason.contains("key") || reason.contains("UNIQUE");
    assert!(says_why, "{reason}");
    let stored = database.rows("u", &columns).await;
    assert_eq!(stored, ["1,1,a", "2,2,b"]);
    let [first, _, last] = records;
    let others = rows_only(vec![rows(&target, &[first, last])]);
    session.write(&others).await.expect("written");
    let stored = database.rows("u", &columns).await;
    assert_eq!(stored, [met, "2,2,b", "4,4,e"]);
}

async fn run(client: &mut dyn Client, sql: &str) {
    client.run(sql).await.expect(sql);
}
