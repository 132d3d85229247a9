//! Connections that end, hang or lose answers, and what a session says then.

use std::time::Duration;

use rowdock_connectors::{
    Batch, Cell, ErrorClass, RenewAnswer, RenewRequest, Session, SinkError, WriteMode, WriteOutcome,
};
use uuid::Uuid;

use super::database::{
    Database, batch, claim, key, moved, open, push, rows, rows_only, start, until,
};
use crate::wire::Wire;

/// A claimed partition and a batch for it, small or large enough for a copy.
async fn prepared(database: &Database, session: &mut dyn Session, row_count: i64) -> (Uuid, Batch) {
    database.run("CREATE TABLE t (n bigint)").await;
    start(session, 1).await;
    let id = claim(session, &[0]).await;
    let target = database
        .target(session, "t", &["n"], 0, WriteMode::Insert)
        .await;
    let mut written = rows(&target, &[]);
    for n in 0..row_count {
        push(&mut written, &[Cell::Int(n)], false);
    }
    let moves = vec![moved(0, id, 0, row_count)];
    (id, batch(moves, vec![written]))
}

async fn renewed(session: &mut dyn Session, id: Uuid) -> (Uuid, RenewAnswer) {
    let request = RenewRequest {
        new_claim_id: Uuid::new_v4(),
        partitions: vec![(key(0), id)],
    };
    let answers = session.renew(&request).await.expect("answers");
    (request.new_claim_id, answers[0])
}

/// Renews over a new session, and writes the batch again if it is not there.
async fn settle(database: &Database, id: Uuid, mut unsettled: Batch) -> RenewAnswer {
    let mut session = database.session().await;
    let (new_id, answer) = renewed(&mut *session, id).await;
    if answer == (RenewAnswer::Held { next_offset: 0 }) {
        unsettled.positions[0].claim_id = new_id;
        let outcome = session.write(&unsettled).await.expect("written");
        assert_eq!(outcome, WriteOutcome::Committed);
    }
    answer
}

async fn row_count(database: &Database) -> i64 {
    database.value("SELECT count(*) FROM t").await
}

fn is_lost(error: &SinkError, commit_unknown: bool) {
    assert_eq!(error.class(), ErrorClass::Retry, "{error}");
    assert!(error.connection_lost(), "{error}");
    assert_eq!(error.commit_unknown(), commit_unknown, "{error}");
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_settled_by_a_renewal() {
    for count in [3, 500] {
        let database = Database::new().await;
        let (server, _) = database.through("unused");
        let proxy = Wire::to(&server).await;
        let (_, url) = database.through(&proxy.address);
        let mut options = database.options_at(&url);
        options.url.push_str("&sslmode=disable");
        options.timeouts.statement = Duration::from_secs(1);
        let mut session = open(options).await;
        let (id, written) = prepared(&database, &mut *session, count).await;
        proxy.lose_answers_to(b"COMMIT\0");
        let error = session.write(&written).await.expect_err("no answer");
        is_lost(&error, true);
        assert!(proxy.has_lost());
        until("the commit has happened", async || {
            row_count(&database).await == count
        })
        .await;
        let answer = settle(&database, id, written).await;
        assert_eq!(answer, RenewAnswer::Held { next_offset: count });
        assert_eq!(row_count(&database).await, count, "once");
        let after = session.write(&batch(Vec::new(), Vec::new())).await;
        assert!(after.is_ok(), "nothing to do needs no connection");
        let later = batch(vec![moved(0, id, count, count + 1)], Vec::new());
        is_lost(&session.write(&later).await.expect_err("cut"), false);
    }
}

/// A batch that takes too long says so, whether one of its statements does or only all of them together.
#[tokio::test]
async fn a_batch_past_its_deadline_says_so() {
    for (row_count, seconds, is_lost) in [(1, 3.0, false), (4, 0.8, true)] {
        let database = Database::new().await;
        database
            .run(&format!(
                "CREATE TABLE t (id char(1) PRIMARY KEY); \
                 CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS \
                     $$BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END$$; \
                 CREATE TRIGGER linger BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION linger()"
            ))
            .await;
        let mut options = database.options();
        options.timeouts.statement = Duration::from_secs(2);
        let mut session = open(options).await;
        // Such keys go one by one.
        let target = database
            .target(&mut *session, "t", &["id"], 1, WriteMode::Upsert)
            .await;
        let mut written = rows(&target, &[]);
        for id in ["a", "b", "c", "d"].into_iter().take(row_count) {
            push(&mut written, &[Cell::Text(id)], false);
        }
        let error = session.write(&rows_only(vec![written])).await;
        let error = error.expect_err("too long");
        assert_eq!(error.class(), ErrorClass::Retry, "{error}");
        assert!(error.timed_out(), "{error}");
        assert_eq!(error.connection_lost(), is_lost, "{error}");
    }
}

/// The commit is refused half-way: the server ends the session while it checks a constraint.
#[tokio::test]
async fn a_commit_that_did_not_happen_is_settled_by_a_renewal() {
    let database = Database::new().await;
    let mut session = database.session().await;
    let (id, written) = prepared(&database, &mut *session, 3).await;
    database
        .run(
            "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS \
                 $$BEGIN PERFORM pg_sleep(60); RETURN NULL; END$$; \
             CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED \
                 FOR EACH ROW EXECUTE FUNCTION linger()",
        )
        .await;
    let writing = tokio::spawn(async move { (session.write(&written).await, written) });
    let sleeping = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE wait_event = 'PgSleep' AND query = 'COMMIT' AND {}",
        holds_lock_on("t", &database)
    );
    until("the commit lingers", async || {
        database.value::<i64>(&sleeping).await > 0
    })
    .await;
    let (outcome, written) = writing.await.expect("joined");
    is_lost(&outcome.expect_err("ended"), true);
    database.run("DROP TRIGGER linger ON t").await;
    let answer = settle(&database, id, written).await;
    assert_eq!(answer, RenewAnswer::Held { next_offset: 0 });
    assert_eq!(row_count(&database).await, 3);
}

fn holds_lock_on(table: &str, database: &Database) -> String {
    format!(
        "pid IN (SELECT pid FROM pg_locks WHERE relation = '{}.{table}'::regclass)",
        database.schema
    )
}

/// Ended before its commit, a session knows that nothing has happened.
#[tokio::test]
async fn a_session_that_is_ended_amid_its_rows_has_written_nothing() {
    for count in [3, 500] {
        let database = Database::new().await;
        let mut session = database.session().await;
        let (id, mut written) = prepared(&database, &mut *session, count).await;
        // Statements are prepared, which waits for a lock too, before one is taken.
        session.write(&written).await.expect("written");
        written.positions[0].from = count;
        written.positions[0].to = 2 * count;
        let blocker = database.other_client().await;
        let lock = "BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE";
        blocker.batch_execute(lock).await.expect("locked");
        let writing = tokio::spawn(async move { (session.write(&written).await, written) });
        let waiting = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE wait_event_type = 'Lock' AND {}",
            holds_lock_on("rowdock_progress", &database)
        );
        until("the rows wait", async || {
            database.value::<i64>(&waiting).await > 0
        })
        .await;
        let (outcome, _) = writing.await.expect("joined");
        is_lost(&outcome.expect_err("ended"), false);
        blocker.batch_execute("ROLLBACK").await.expect("released");
        let mut reopened = database.session().await;
        let (_, answer) = renewed(&mut *reopened, id).await;
        assert_eq!(answer, RenewAnswer::Held { next_offset: count });
        assert_eq!(row_count(&database).await, count);
    }
}

#[tokio::test]
async fn a_lock_that_is_held_too_long_is_tried_again() {
    for count in [3, 500] {
        let database = Database::new().await;
        let mut options = database.options();
        options.timeouts.lock = Duration::from_millis(100);
        let mut session = open(options).await;
        let (id, mut written) = prepared(&database, &mut *session, count).await;
        session.write(&written).await.expect("written");
        written.positions[0].from = count;
        written.positions[0].to = 2 * count;
        let blocker = database.other_client().await;
        let lock = "BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE";
        blocker.batch_execute(lock).await.expect("locked");
        let error = session.write(&written).await.expect_err("locked");
        assert_eq!(error.class(), ErrorClass::Retry, "{error}");
        assert!(!error.commit_unknown(), "{error}");
        // Whoever waits to begin a copy has to reconnect, see the sink's page.
        assert_eq!(error.connection_lost(), count == 500, "{error}");
        blocker.batch_execute("ROLLBACK").await.expect("released");
        if error.connection_lost() {
            session = database.session().await;
            let (new_id, answer) = renewed(&mut *session, id).await;
            assert_eq!(answer, RenewAnswer::Held { next_offset: count });
            written.positions[0].claim_id = new_id;
        }
        let outcome = session.write(&written).await.expect("written");
        assert_eq!(outcome, WriteOutcome::Committed);
        assert_eq!(row_count(&database).await, 2 * count);
    }
}

/// What a caller does that is cancelled: nothing is known about the connection then.
#[tokio::test]
async fn a_call_that_was_abandoned_ends_the_session() {
    let database = Database::new().await;
    let mut session = database.session().await;
    let (id, written) = prepared(&database, &mut *session, 3).await;
    let blocker = database.other_client().await;
    blocker
        .batch_execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        .await
        .expect("locked");
    {
        let waiting = tokio::time::timeout(Duration::from_millis(300), session.write(&written));
        assert!(waiting.await.is_err(), "waits for the lock");
    }
    is_lost(
        &session.write(&written).await.expect_err("abandoned"),
        false,
    );
    blocker.batch_execute("ROLLBACK").await.expect("released");
    let answer = settle(&database, id, written).await;
    assert_eq!(answer, RenewAnswer::Held { next_offset: 0 });
    assert_eq!(row_count(&database).await, 3);
}

/// Of a value that no server takes; on some systems the server takes none.
#[tokio::test]
async fn a_server_that_cannot_look_for_its_clients_does_without() {
    let database = Database::new().await;
    let checks = "current_setting('client_connection_check_interval')";
    database
        .run(&format!(
            "CREATE TABLE t (n int8, checks text DEFAULT {checks})"
        ))
        .await;
    let (server, _) = database.through("unused");
    let proxy = Wire::to(&server).await;
    let (_, url) = database.through(&proxy.address);
    let mut options = database.options_at(&url);
    options.url.push_str("&sslmode=disable");
    let words = b"client_connection_check_interval = 1000";
    let refused = b"client_connection_check_interval = -999";
    for (said, expected) in [(words, "1s"), (refused, "0")] {
        database.run("TRUNCATE t").await;
        proxy.say_instead_of(words, said);
        let session = database.one_row_written(options.clone()).await;
        session.close().await;
        let found: String = database.value("SELECT checks FROM t").await;
        assert_eq!(found, expected);
    }
}

/// The socket closes with the session, and the server lets go of its locks.
#[tokio::test]
async fn dropping_a_session_ends_it_at_the_server() {
    let database = Database::new().await;
    let mut options = database.options();
    options.application_name = format!("rowdock/{}", database.schema);
    let sessions = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{}'",
        options.application_name
    );
    let session = open(options.clone()).await;
    assert_eq!(database.value::<i64>(&sessions).await, 1);
    drop(session);
    until("the session is gone", async || {
        database.value::<i64>(&sessions).await == 0
    })
    .await;
    open(options).await.close().await;
    until("the session is gone", async || {
        database.value::<i64>(&sessions).await == 0
    })
    .await;
}
