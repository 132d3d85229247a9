//! What the server refuses for now, and what a session makes of it. Refused rows are in
//! [`super::rejects`]; deadlocks and sessions that are ended in the conformance suite.

use rowdock_connectors::postgres::PostgresSink;
use rowdock_connectors::{Cell, ErrorClass, Sink, WriteMode, WriteOutcome};

use super::database::{Database, connect, rows, rows_only};

/// A role of the test's own that may do all in its schema, and the URL to log in as it.
async fn role(database: &Database, limits: &str) -> (String, String) {
    let role = format!("role_{}", uuid::Uuid::new_v4().simple());
    database
        .run(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'weak' {limits}; \
             GRANT ALL ON SCHEMA {schema} TO {role}; \
             GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}",
            schema = database.schema
        ))
        .await;
    let url = crate::services::address("ROWDOCK_TEST_POSTGRES");
    let (_, address) = url.rsplit_once('@').expect("a user");
    (role.clone(), format!("postgresql://{role}:weak@{address}"))
}

async fn drop_role(database: &Database, role: &str) {
    database
        .run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

#[tokio::test]
async fn too_many_connections_are_waited_for() {
    let database = Database::new().await;
    let (name, url) = role(&database, "CONNECTION LIMIT 1").await;
    let mut options = database.options_at(&url);
    options.stores_positions = false;
    let sink = PostgresSink::new(options).expect("options");
    let only = sink.open().await.expect("the one that may be");
    let error = sink.open().await.err().expect("one too many");
    assert_eq!(error.class(), ErrorClass::Retry, "{error}");
    only.close().await;
    super::database::until("there is room again", async || match sink.open().await {
        Ok(session) => {
            session.close().await;
            true
        }
        Err(_) => false,
    })
    .await;
    drop_role(&database, &name).await;
}

/// As on a server that has just become a replica, or is about to be moved.
#[tokio::test]
async fn a_server_that_is_read_only_is_waited_for() {
    let database = Database::new().await;
    database.run("CREATE TABLE t (n int8)").await;
    let (name, url) = role(&database, "").await;
    let mut options = database.options_at(&url);
    options.stores_positions = false;
    let sink = PostgresSink::new(options).expect("options");
    let mut session = sink.open().await.expect("session");
    let target = database
        .target(&mut *session, "t", &["n"], 0, WriteMode::Insert)
        .await;
    session.close().await;
    let read_only = format!("ALTER ROLE {name} SET default_transaction_read_only = on");
    database.run(&read_only).await;
    let written = rows_only(vec![rows(&target, &[&[Cell::Int(1)]])]);
    // A session is what it is when it begins, so one that may only read is of no use later either.
    let error = sink.open().await.err().expect("read-only");
    assert_eq!(error.class(), ErrorClass::Retry, "{error}");
    assert!(
        error.to_string().contains("session is read-only"),
        "{error}"
    );
    database.run(&format!("ALTER ROLE {name} RESET ALL")).await;
    let mut session = sink.open().await.expect("session");
    let outcome = session.write(&written).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    session.close().await;
    drop_role(&database, &name).await;
}

/// What makes the session read-only is the test's own trigger, behind the first row.
#[tokio::test]
async fn a_session_that_has_become_read_only_is_replaced() {
    let database = Database::new().await;
    database
        .run(
            "CREATE TABLE t (n int8); \
             CREATE FUNCTION shut() RETURNS trigger LANGUAGE plpgsql AS \
                 $$BEGIN SET default_transaction_read_only = on; RETURN NULL; END$$; \
             CREATE TRIGGER shuts AFTER INSERT ON t EXECUTE FUNCTION shut()",
        )
        .await;
    let mut session = database.one_row_written(database.options()).await;
    let target = database
        .target(&mut *session, "t", &["n"], 0, WriteMode::Insert)
        .await;
    let written = rows_only(vec![rows(&target, &[&[Cell::Int(2)]])]);
    let error = session.write(&written).await.expect_err("read-only");
    assert_eq!(error.class(), ErrorClass::Retry, "{error}");
    assert!(error.connection_lost(), "{error}");
    let mut session = database.session().await;
    let outcome = session.write(&written).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
}

/// As when the host that is named first is a replica.
#[tokio::test]
async fn a_host_that_is_read_only_is_passed_over() {
    let database = Database::new().await;
    database.run("CREATE TABLE t (n int8)").await;
    let (name, url) = role(&database, "").await;
    let newest = crate::services::address("ROWDOCK_TEST_POSTGRES_18");
    let first = connect(&newest).await;
    let read_only = format!(
        "CREATE ROLE {name} LOGIN PASSWORD 'weak'; \
         ALTER ROLE {name} SET default_transaction_read_only = on"
    );
    first.batch_execute(&read_only).await.expect("a role");
    let (_, address) = newest.rsplit_once('@').expect("a user");
    let (address, _) = address.split_once('/').expect("a database");
    let both = url.replacen('@', &format!("@{address},"), 1);
    let mut options = database.options_at(&both);
    options.stores_positions = false;
    database.one_row_written(options).await.close().await;
    let drop = format!("DROP ROLE {name}");
    first.batch_execute(&drop).await.expect("dropped");
    drop_role(&database, &name).await;
}

/// What a test cannot bring a shared server to, said by a trigger in the server's own words: such
/// codes go the same way from the server to the session.
#[tokio::test]
async fn conditions_of_the_server_are_no_record_errors() {
    let conditions = [
        ("53100", "disk full"),
        ("53200", "out of memory"),
        ("53300", "too many connections"),
        ("53400", "configuration limit exceeded"),
        ("58030", "input or output error"),
        ("25006", "read-only"),
        ("40001", "serialization failure"),
        ("57014", "canceled"),
        ("57P01", "shutting down"),
        ("57P02", "crash"),
        ("57P03", "cannot connect now"),
    ];
    let database = Database::new().await;
    for (code, what) in conditions {
        database
            .run(&format!(
                "DROP TABLE IF EXISTS t; CREATE TABLE t (n int8);
                 CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN RAISE EXCEPTION '{what}, s3cret' USING ERRCODE = '{code}'; END $$;
                 CREATE TRIGGER refuses BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse()"
            ))
            .await;
        let mut session = database.session().await;
        let target = database
            .target(&mut *session, "t", &["n"], 0, WriteMode::Insert)
            .await;
        let written = rows_only(vec![rows(&target, &[&[Cell::Int(1)]])]);
        let error = session.write(&written).await.expect_err(what);
        assert_eq!(error.class(), ErrorClass::Retry, "{code}: {error}");
        assert!(!error.commit_unknown(), "{code}: {error}");
        assert!(!error.to_string().contains("s3cret"), "{code}: {error}");
        database.run("DROP TRIGGER refuses ON t").await;
        if error.connection_lost() {
            session = database.session().await;
        }
        let outcome = session.write(&written).await.expect(what);
        assert_eq!(outcome, WriteOutcome::Committed, "{code}");
    }
}
