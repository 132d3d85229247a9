//! Connections that hang or lose answers, and what a session says then.

use std::time::Duration;

use rowdock_connectors::mysql::MySqlSink;
use rowdock_connectors::{
    Batch, Cell, ErrorClass, RenewAnswer, Session, Sink, SinkError, WriteOutcome,
};
use uuid::Uuid;

use super::servers;
use crate::conformance::databases::mysql::{Schema, connect};
use crate::conformance::support::{
    Database, appended, batch, claim, int, moved, options, put, renewal, rows, rows_only, session,
    start, until,
};
use crate::own::Own;
use crate::wire::Wire;

/// How long an answer is waited for.
const STATEMENT: Duration = Duration::from_secs(5);

async fn through(server: &Schema, proxy: &Wire) -> Box<dyn Session> {
    let url = format!(
        "mysql://rowdock:rowdock@{}/{}?sslMode=DISABLED",
        proxy.address, server.name
    );
    let mut options = options(&url, "orders", true);
    options.timeouts.statement = STATEMENT;
    let sink = MySqlSink::new(options).expect("options");
    sink.open().await.expect("session")
}

/// A claimed partition and a batch for it.
async fn prepared(session: &mut dyn Session) -> (Uuid, Batch) {
    start(session, 1).await;
    let id = claim(session, &[0]).await;
    let target = appended(session, "t").await;
    let records: Vec<_> = (0..3).map(|id| put(id, int(id), Cell::Null)).collect();
    let moves = vec![moved(0, id, 0, 3)];
    (id, batch(moves, vec![rows(&target, &records)]))
}

fn is_lost(error: &SinkError, commit_unknown: bool) {
    assert_eq!(error.class(), ErrorClass::Retry, "{error}");
    assert!(error.connection_lost(), "{error}");
    assert_eq!(error.commit_unknown(), commit_unknown, "{error}");
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_settled_by_a_renewal() {
    for server in servers().await {
        let address = server.server.rsplit_once('@').expect("a user").1;
        let proxy = Wire::to(address.trim_end_matches('/')).await;
        let mut first = through(&server, &proxy).await;
        let (id, written) = prepared(&mut *first).await;
        proxy.lose_answers_to(b"COMMIT;");
        let error = first.write(&written).await.expect_err("no answer");
        is_lost(&error, true);
        assert!(error.timed_out(), "{error}");
        assert!(proxy.has_lost());
        until("the commit has happened", async || {
            server.rows("t", &["id"]).await.len() == 3
        })
        .await;
        let mut second = session(&server).await;
        let answers = second.renew(&renewal(&[0], id)).await.expect("answers");
        assert_eq!(answers, [RenewAnswer::Held { next_offset: 3 }]);
    }
}

/// The server that is named first becomes a replica, and keeps its sessions: they are replaced by ones at the
/// new primary.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a server of its own: make chaos"]
async fn chaos_of_a_switch_over() {
    use mysql_async::prelude::Queryable as _;
    let own = Own::start("mysql", "");
    let second = Schema::at("ROWDOCK_TEST_MYSQL").await;
    let first = own.setting("ROWDOCK_TEST_MYSQL");
    let mut admin = connect(first).await;
    let create = format!("CREATE DATABASE {}", second.name);
    admin.query_drop(create).await.expect("created");
    let (_, address) = first.rsplit_once('@').expect("a user");
    let both = second
        .url()
        .replacen('@', &format!("@{},", address.trim_end_matches('/')), 1);
    let sink = MySqlSink::new(options(&both, "orders", false)).expect("options");
    let mut before = sink.open().await.expect("at the first");
    let target = appended(&mut *before, "t").await;
    let written = rows_only(vec![rows(&target, &[put(1, int(1), Cell::Null)])]);
    before.write(&written).await.expect("written");
    let switch = "SET GLOBAL super_read_only = ON";
    admin.query_drop(switch).await.expect(switch);
    let error = before.write(&written).await.expect_err("read-only");
    is_lost(&error, false);
    let mut after = sink.open().await.expect("at the second");
    let target = appended(&mut *after, "t").await;
    let written = rows_only(vec![rows(&target, &[put(2, int(1), Cell::Null)])]);
    after.write(&written).await.expect("written");
    assert_eq!(second.rows("t", &["id"]).await, ["2"]);
}

/// A call that was dropped half-way leaves a connection that nobody knows anything about.
#[tokio::test]
async fn a_session_that_was_left_in_the_middle_is_cut() {
    for server in servers().await {
        let mut first = session(&server).await;
        let (id, mut written) = prepared(&mut *first).await;
        {
            let writing = first.write(&written);
            let left = tokio::time::timeout(Duration::from_micros(1), writing).await;
            assert!(left.is_err(), "it was too quick");
        }
        let error = first.write(&written).await.expect_err("cut");
        is_lost(&error, false);
        let mut second = session(&server).await;
        let request = renewal(&[0], id);
        let answers = second.renew(&request).await.expect("answers");
        if answers == [RenewAnswer::Held { next_offset: 0 }] {
            written.positions[0].claim_id = request.new_claim_id;
            let outcome = second.write(&written).await.expect("written");
            assert_eq!(outcome, WriteOutcome::Committed);
        }
        assert_eq!(server.rows("t", &["id"]).await, ["0", "1", "2"]);
    }
}
