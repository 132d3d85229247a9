//! Opening, losing and guarding connections.

use std::task::Poll;
use std::time::Duration;

use sqlx::sqlite::SqliteArguments;

use super::*;

const INTS: &str = "CREATE TABLE t (v INTEGER)";

async fn refused_open(sink: &SqliteSink) -> SinkError {
    match sink.open().await {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn the_folder_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    let sink = SqliteSink::new(options(&folder.path().join("missing/target.db"))).unwrap();
    let error = refused_open(&sink).await;
    assert_eq!(error.class(), ErrorClass::Stop);
    assert!(
        error
            .to_string()
            .contains("missing of the sqlite database does not exist"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_no_database_file_stops() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused_open(&SqliteSink::new(options(folder.path())).unwrap()).await;
    assert_eq!(error.class(), ErrorClass::Stop, "{error}");
    let text = folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "not a database, but longer than a header of 100 bytes. ".repeat(20),
    )
    .unwrap();
    let error = refused_open(&SqliteSink::new(options(&text)).unwrap()).await;
    assert_eq!(error.class(), ErrorClass::Stop, "{error}");
    assert!(
        error.to_string().contains("correct connection.url"),
        "{error}"
    );
}

#[tokio::test]
async fn a_foreign_table_is_not_taken_for_the_progress_table() {
    let database = Database::new("CREATE TABLE rowdock_progress (a INTEGER)").await;
    let error = refused_open(&database.sink).await;
    assert_eq!(error.class(), ErrorClass::Stop);
    assert!(
        error.to_string().contains("use the progress table"),
        "{error}"
    );
}

#[tokio::test]
async fn the_progress_table_may_have_any_name_but_no_schema() {
    let database = Database::with(INTS, |options| {
        options.progress_table = "my \"p\"".to_owned()
    })
    .await;
    claimed(&database).await;
    assert_eq!(database.count("\"my \"\"p\"\"\"").await, 3);
    let mut other = options(&database.path);
    other.progress_table = "public.p".to_owned();
    let error = SqliteSink::new(other).err().unwrap();
    assert_eq!(error.class(), ErrorClass::Stop);
    other = options(&database.path);
    other.progress_table = "main.p".to_owned();
    SqliteSink::new(other).unwrap().open().await.unwrap();
    assert_eq!(database.count("p").await, 0);
}

/// A write version above 2 in its header makes a file read-only (sqlite.org/fileformat2.html), also
/// for root, whom file modes do not stop.
fn make_read_only(path: &std::path::Path) {
    const WRITE_VERSION_AT: usize = 18;
    let mut bytes = std::fs::read(path).unwrap();
    bytes[WRITE_VERSION_AT] = 3;
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_read_only_file_without_progress_table_stops_and_shows_the_sql() {
    let database = Database::new(&format!("PRAGMA journal_mode = WAL; {INTS}")).await;
    make_read_only(&database.path);
    let error = refused_open(&database.sink).await;
    assert_eq!(error.class(), ErrorClass::Stop, "{error}");
    let message = error.to_string();
    assert!(
        message.contains("CREATE TABLE IF NOT EXISTS \"rowdock_progress\""),
        "{message}"
    );
}

#[tokio::test]
async fn a_file_that_becomes_read_only_is_tried_again() {
    let database = Database::new(INTS).await;
    let (session, claim_id) = claimed(&database).await;
    session.close().await;
    make_read_only(&database.path);
    let mut session = database.session().await;
    let batch = batch_of(vec![moved(0, claim_id, 0, 1)], vec![]);
    let error = session.write(&batch).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Retry, "{error}");
    assert!(
        error.to_string().contains("make the database file"),
        "{error}"
    );
}

#[tokio::test]
async fn the_migration_can_be_run_by_hand_and_again() {
    let by_hand = include_str!("../../../migrations/sqlite.sql");
    let database = Database::new(by_hand).await;
    database.run(by_hand).await;
    claimed(&database).await;
    database.run(by_hand).await;
    assert_eq!(database.positions().await, ["0|0", "1|0"]);
}

#[tokio::test]
async fn eight_sessions_may_open_a_new_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let sink = SqliteSink::new(options(&path)).unwrap();
        tasks.spawn(async move {
            let mut session = sink.open().await.unwrap();
            session
                .write_starts(&starts(true, &[(0, 0)]))
                .await
                .unwrap();
            session.close().await;
        });
    }
    assert_eq!(tasks.join_all().await.len(), 8);
}

#[tokio::test]
async fn a_writer_waits_for_another_and_then_gives_up_cleanly() {
    let database = Database::with(INTS, |options| {
        options.timeouts.lock = Duration::from_millis(50);
    })
    .await;
    let (mut session, claim_id) = claimed(&database).await;
    let mut other = database.outside().await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let batch = batch_of(vec![moved(0, claim_id, 0, 1)], vec![]);
    let error = session.write(&batch).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Retry);
    assert!(!error.connection_lost(), "{error}");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(
        session.write(&batch).await.unwrap(),
        WriteOutcome::Committed
    );
}

#[tokio::test]
async fn a_statement_past_its_deadline_loses_the_session() {
    let database = Database::with(INTS, |options| {
        options.timeouts.statement = Duration::from_millis(500);
    })
    .await;
    let (mut session, claim_id) = claimed(&database).await;
    let mut other = database.outside().await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let batch = batch_of(vec![moved(0, claim_id, 0, 1)], vec![]);
    let error = session.write(&batch).await.unwrap_err();
    assert!(
        error.connection_lost() && !error.commit_unknown(),
        "{error}"
    );
    assert!(error.timed_out(), "{error}");
    let error = session.write(&batch).await.unwrap_err();
    assert!(error.to_string().contains("lost before"), "{error}");
}

/// Dropped at its first wait, its second, and so on until it is over before it can be dropped: the
/// statement that the database is at may still end, so that a drop at the commit may leave all.
#[tokio::test]
async fn a_write_that_is_dropped_leaves_nothing_or_all() {
    const ROWS: i64 = 2_000;
    let mut waits = 0;
    let mut undone = 0;
    loop {
        waits += 1;
        let database = Database::new(INTS).await;
        let (mut session, claim_id) = claimed(&database).await;
        let target = database.target("t", &[], WriteMode::Insert).await;
        let mut rows = TableRows::new(target);
        for value in 0..ROWS {
            push_row(&mut rows, &[Cell::Int(value)], false);
        }
        let batch = batch_of(vec![moved(0, claim_id, 0, ROWS)], vec![rows]);
        if !is_dropped_at_wait(waits, session.write(&batch)).await {
            break;
        }
        let error = session.write(&batch).await.unwrap_err();
        assert!(error.connection_lost(), "wait {waits}: {error}");

        let mut next = database.session().await;
        let renewal = RenewRequest {
            new_claim_id: Uuid::new_v4(),
            partitions: vec![(key(0), claim_id)],
        };
        // Waits for the end of the dropped transaction.
        let answers = next.renew(&renewal).await.unwrap();
        let stored = database.count("t").await;
        assert!(stored == 0 || stored == ROWS, "wait {waits}: {stored} rows");
        assert_eq!(
            answers,
            [RenewAnswer::Held {
                next_offset: stored
            }],
            "wait {waits}"
        );
        undone += u32::from(stored == 0);
    }
    assert!(undone > 0, "no drop came before the commit");
}

/// Whether `write` was still at work when it came to wait for the database the `waits`-th time, where it is dropped.
async fn is_dropped_at_wait<T>(waits: u32, write: impl Future<Output = T>) -> bool {
    let mut write = std::pin::pin!(write);
    let mut polls = 0;
    std::future::poll_fn(|context| {
        polls += 1;
        match write.as_mut().poll(context) {
            Poll::Pending if polls < waits => Poll::Pending,
            polled => Poll::Ready(polled.is_pending()),
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_that_dies_between_positions_and_commit_leaves_nothing() {
    let database = Database::new(INTS).await;
    let (_session, claim_id) = claimed(&database).await;
    let mut connection = raw(&database).await;
    let progress = &database.sink.progress;
    connection.begin().await.unwrap();
    let fenced = progress
        .advance(&mut connection, &[moved(0, claim_id, 0, 5)])
        .await
        .unwrap();
    assert_eq!(fenced, Vec::<usize>::new());
    let insert = "INSERT INTO t VALUES (1)";
    connection
        .execute("insert", insert, SqliteArguments::default())
        .await
        .unwrap();
    drop(connection);
    let mut next = database.session().await;
    assert!(matches!(
        next.claim(&claim_of(&[0], 1)).await.unwrap()[0],
        ClaimAnswer::Claimed { next_offset: 0, .. }
    ));
    assert_eq!(database.count("t").await, 0);
}

async fn raw(database: &Database) -> Connection {
    Connection::open(&database.path, &SinkTimeouts::default(), true)
        .await
        .unwrap()
}

#[tokio::test]
async fn nothing_commits_outside_of_a_transaction() {
    let database = Database::new(INTS).await;
    let mut connection = raw(&database).await;
    let none = SqliteArguments::default;
    // A statement that lost its transaction would commit alone.
    let error = connection
        .execute("insert", "INSERT INTO t VALUES (1)", none())
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Retry);
    assert!(error.connection_lost(), "{error}");
    // A savepoint that lost its transaction would be one, and its release a commit.
    connection
        .execute("save", "SAVEPOINT part", none())
        .await
        .unwrap();
    connection
        .execute("insert", "INSERT INTO t VALUES (2)", none())
        .await
        .unwrap();
    connection
        .execute("release", "RELEASE part", none())
        .await
        .unwrap_err();
    assert_eq!(database.count("t").await, 0);
    // Asked for, a commit is one.
    connection.roll_back().await.unwrap();
    connection.begin().await.unwrap();
    connection
        .execute("insert", "INSERT INTO t VALUES (3)", none())
        .await
        .unwrap();
    connection.commit().await.unwrap();
    assert_eq!(database.count("t").await, 1);
}

#[tokio::test]
async fn a_commit_without_a_transaction_is_no_success() {
    let database = Database::new(INTS).await;
    let mut connection = raw(&database).await;
    connection.begin().await.unwrap();
    connection.roll_back().await.unwrap();
    let error = connection.commit().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Retry);
    assert!(!error.commit_unknown(), "{error}");
}

#[tokio::test]
async fn a_replaced_file_is_noticed() {
    let database = Database::new(INTS).await;
    let (mut session, claim_id) = claimed(&database).await;
    let batch = batch_of(vec![moved(0, claim_id, 0, 1)], vec![]);
    std::fs::remove_file(&database.path).unwrap();
    let error = session.write(&batch).await.unwrap_err();
    assert!(error.connection_lost(), "{error}");
    assert!(error.to_string().contains("deleted or replaced"), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_tried_again_and_changes_nothing() {
    let database = Database::new(INTS).await;
    let (_, claim_id) = claimed(&database).await;
    let target = database.target("t", &[], WriteMode::Insert).await;
    let mut connection = raw(&database).await;
    let limit = "PRAGMA max_page_count = 20";
    connection
        .execute("limit", limit, SqliteArguments::default())
        .await
        .unwrap();
    let mut rows = TableRows::new(target);
    for value in 0..50_000 {
        push_row(&mut rows, &[Cell::Int(value)], false);
    }
    let batch = batch_of(vec![moved(0, claim_id, 0, 50_000)], vec![rows]);
    let progress = &database.sink.progress;
    let error = super::super::write::write(&mut connection, progress, &batch)
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Retry);
    assert!(error.to_string().contains("free space"), "{error}");
    assert!(!error.connection_lost() && !error.commit_unknown());
    assert_eq!(database.count("t").await, 0);
    assert_eq!(database.positions().await, ["0|0", "1|0"]);
    // With room again, the same connection writes the same batch.
    let room = "PRAGMA max_page_count = 100000";
    connection
        .execute("limit", room, SqliteArguments::default())
        .await
        .unwrap();
    let outcome = super::super::write::write(&mut connection, progress, &batch)
        .await
        .unwrap();
    assert_eq!(outcome, WriteOutcome::Committed);
    assert_eq!(database.count("t").await, 50_000);
}
