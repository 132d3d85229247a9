//! What the server refuses for now, and what a session makes of it. Refused rows are in
//! [`super::rows`] and in the conformance suite, as are deadlocks and sessions that are ended.

use std::sync::Arc;
use std::time::Duration;

use rowdock_connectors::mysql::MySqlSink;
use rowdock_connectors::{Cell, ErrorClass, Session, Sink, Target, WriteOutcome};

use super::servers;
use crate::conformance::databases::mysql::Schema;
use crate::conformance::support::{
    Database, Record, Server, gone, int, options, put, rows, rows_only, session, upserted,
};

const NULL: Cell<'static> = Cell::Null;

/// A user with a password and rights of all kinds in the database.
async fn user(server: &Schema, limits: &str) -> (String, String) {
    let user = format!("user_{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
    server
        .run(&format!(
            "CREATE USER {user} IDENTIFIED BY 'weak' {limits}; \
             GRANT ALL ON {}.* TO {user}",
            server.name
        ))
        .await;
    let (_, address) = server.server.rsplit_once('@').expect("a user");
    let url = format!("mysql://{user}:weak@{address}{}", server.name);
    (user, url)
}

#[tokio::test]
async fn too_many_connections_are_waited_for() {
    for server in servers().await {
        let (user, url) = user(&server, "WITH MAX_USER_CONNECTIONS 1").await;
        let sink = MySqlSink::new(options(&url, "orders", false)).expect("options");
        let only = sink.open().await.expect("the one that may be");
        let error = sink.open().await.err().expect("one too many");
        assert_eq!(error.class(), ErrorClass::Retry, "{error}");
        only.close().await;
        sink.open().await.expect("room again").close().await;
        server.run(&format!("DROP USER {user}")).await;
    }
}

#[tokio::test]
async fn a_lock_that_is_held_too_long_is_tried_again() {
    for server in servers().await {
        let mut options = options(&server.url(), "orders", false);
        options.timeouts.lock = Duration::from_secs(1);
        let sink = MySqlSink::new(options).expect("options");
        let mut session = sink.open().await.expect("session");
        let target = upserted(&mut *session, "t").await;
        let written = rows_only(vec![rows(&target, &[put(1, int(1), NULL)])]);
        session.write(&written).await.expect("written");
        let mut other = server.client().await;
        other.run("BEGIN").await.expect("begun");
        other.run("UPDATE t SET n = 7").await.expect("locked");
        let error = session.write(&written).await.expect_err("locked");
        assert_eq!(error.class(), ErrorClass::Retry, "{error}");
        assert!(!error.connection_lost(), "{error}");
        other.run("ROLLBACK").await.expect("free");
        let outcome = session.write(&written).await.expect("written");
        assert_eq!(outcome, WriteOutcome::Committed);
    }
}

/// What a test cannot bring a shared server to, said by a trigger in the server's own words: such
/// codes go the same way from the server to the session.
#[tokio::test]
async fn conditions_of_the_server_are_no_record_errors() {
    let conditions = [
        (1021, "disk full", false),
        (1114, "table full", false),
        (1290, "read-only", true),
        (1792, "read-only transaction", true),
        (1836, "read-only mode", true),
        (1040, "too many connections", false),
        (1037, "out of memory", false),
        (1180, "error while committing", false),
        (1317, "interrupted", false),
        (1053, "stopping", true),
    ];
    for server in servers().await {
        let mut session = session(&server).await;
        let target = upserted(&mut *session, "t").await;
        for (code, what, is_lost) in conditions {
            server
                .run(&format!(
                    "CREATE TRIGGER refuses BEFORE INSERT ON t FOR EACH ROW \
                     SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = '{what}'"
                ))
                .await;
            let written = rows_only(vec![rows(&target, &[put(1, int(1), NULL)])]);
            let error = session.write(&written).await.expect_err(what);
            assert_eq!(error.class(), ErrorClass::Retry, "{error}");
            assert!(!error.commit_unknown(), "{error}");
            assert_eq!(error.connection_lost(), is_lost, "{error}");
            server.run("DROP TRIGGER refuses").await;
            session = replaced(&server, session, error.connection_lost()).await;
            let outcome = session.write(&written).await.expect(what);
            assert_eq!(outcome, WriteOutcome::Committed);
            server.run("DELETE FROM t").await;
        }
        assert!(server.rows("t", &["id"]).await.is_empty());
    }
}

/// Rules that reach beyond the row: of other tables, and of a trigger that says no. A trigger may choose a
/// code of its own.
#[tokio::test]
async fn foreign_keys_and_triggers_refuse_single_rows() {
    for server in servers().await {
        let mut session = session(&server).await;
        let parents = upserted(&mut *session, "parents").await;
        server
            .run(
                "CREATE TABLE t (id bigint PRIMARY KEY, n bigint, note varchar(10), \
                     CONSTRAINT has_parent FOREIGN KEY (n) REFERENCES parents (id)); \
                 CREATE TRIGGER refuses BEFORE INSERT ON t FOR EACH ROW \
                     IF NEW.note = 's3cret' THEN \
                         SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 's3cret'; \
                     ELSEIF NEW.note = 'coded' THEN \
                         SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 31001, MESSAGE_TEXT = 's3cret'; \
                     END IF",
            )
            .await;
        let children = upserted(&mut *session, "t").await;
        let good = [put(1, int(1), NULL), put(2, int(1), NULL)];
        let written = rows_only(vec![rows(&parents, &good)]);
        session.write(&written).await.expect("parents");
        for (n, note, expected) in [
            (
                7,
                NULL,
                [
                    "foreign key without",
                    "constraint \"has_parent\" (error 1452)",
                ],
            ),
            (1, Cell::Text("s3cret"), ["trigger", "1644"]),
            (1, Cell::Text("coded"), ["trigger", "31001"]),
        ] {
            let bad = put(3, int(n), note);
            only_refusal(&mut *session, &children, &good, bad, expected).await;
        }
        let bad = gone(1);
        let other = [gone(2)];
        let expected = [
            "another row needs",
            "constraint \"has_parent\" (error 1451)",
        ];
        only_refusal(&mut *session, &parents, &other, bad, expected).await;
        assert_eq!(server.rows("t", &["id"]).await, ["1", "2"]);
        assert_eq!(server.rows("parents", &["id"]).await, ["1"]);
    }
}

/// Of these rows the last one is refused, with a reason that says this and no value; the others are written.
async fn only_refusal(
    session: &mut dyn Session,
    target: &Arc<Target>,
    good: &[Record<'_>],
    bad: Record<'_>,
    expected: [&str; 2],
) {
    let mut records = good.to_vec();
    records.push(bad);
    let refused = rows_only(vec![rows(target, &records)]);
    let error = session.write(&refused).await.expect_err("refused");
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
    let found = session.find_rejects(&refused).await.expect("found");
    let [reject] = found.as_slice() else {
        panic!("{expected:?}: {found:?}");
    };
    assert_eq!(reject.row, good.len(), "{}", reject.reason);
    for part in expected {
        assert!(reject.reason.contains(part), "{part} in {}", reject.reason);
    }
    assert!(!reject.reason.contains("s3cret"), "{}", reject.reason);
    let written = rows_only(vec![rows(target, good)]);
    let outcome = session.write(&written).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
}

async fn replaced(server: &Schema, old: Box<dyn Session>, is_lost: bool) -> Box<dyn Session> {
    if is_lost { session(server).await } else { old }
}
