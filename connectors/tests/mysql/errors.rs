//! What the server refuses for now, and what a session makes of it. Refused rows are in
//! [`super::rows`] and in the conformance suite, as are deadlocks and sessions that are ended.

use std::time::Duration;

use rowdock_connectors::mysql::MySqlSink;
use rowdock_connectors::{Cell, ErrorClass, Session, Sink, WriteOutcome};

use super::servers;
use crate::conformance::databases::mysql::Schema;
use crate::conformance::support::{
    Database, Server, int, options, put, rows, rows_only, session, upserted,
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
        (1021, "disk full"),
        (1114, "table full"),
        (1290, "read-only"),
        (1040, "too many connections"),
        (1037, "out of memory"),
        (1180, "error while committing"),
        (1317, "interrupted"),
        (1053, "stopping"),
    ];
    for server in servers().await {
        let mut session = session(&server).await;
        let target = upserted(&mut *session, "t").await;
        for (code, what) in conditions {
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
            server.run("DROP TRIGGER refuses").await;
            session = replaced(&server, session, error.connection_lost()).await;
            let outcome = session.write(&written).await.expect(what);
            assert_eq!(outcome, WriteOutcome::Committed);
            server.run("DELETE FROM t").await;
        }
        assert!(server.rows("t", &["id"]).await.is_empty());
    }
}

async fn replaced(server: &Schema, old: Box<dyn Session>, is_lost: bool) -> Box<dyn Session> {
    if is_lost { session(server).await } else { old }
}
