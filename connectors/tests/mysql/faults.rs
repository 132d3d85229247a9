//! Connections that hang or lose answers, and what a session says then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rowdock_connectors::mysql::MySqlSink;
use rowdock_connectors::{
    Batch, Cell, ErrorClass, RenewAnswer, Session, Sink, SinkError, WriteOutcome,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use super::servers;
use crate::conformance::databases::mysql::Schema;
use crate::conformance::support::{
    Database, appended, batch, claim, int, moved, options, put, renewal, rows, session, start,
    until,
};

/// Between a session and the server. Told to, it stops passing answers on from the moment at
/// which the session sends `COMMIT`.
struct Proxy {
    address: String,
    loses_answer_to_commit: Arc<AtomicBool>,
    /// Set when a `COMMIT` has passed whose answer will not.
    has_lost: Arc<AtomicBool>,
}

impl Proxy {
    async fn new(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let address = listener.local_addr().expect("address").to_string();
        let (loses, has_lost) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let proxy = Self {
            address,
            loses_answer_to_commit: Arc::clone(&loses),
            has_lost: Arc::clone(&has_lost),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("server");
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let (loses, lost) = (Arc::clone(&loses), Arc::clone(&has_lost));
                tokio::spawn(pass(from_client, to_server, move |bytes| {
                    let commits = bytes.windows(7).any(|part| part == b"COMMIT;");
                    if commits && loses.load(Ordering::SeqCst) {
                        lost.store(true, Ordering::SeqCst);
                    }
                    true
                }));
                let lost = Arc::clone(&has_lost);
                tokio::spawn(pass(from_server, to_client, move |_| {
                    !lost.load(Ordering::SeqCst)
                }));
            }
        });
        proxy
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut passes: impl FnMut(&[u8]) -> bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if passes(&buffer[..length]) && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn through(server: &Schema, proxy: &Proxy) -> Box<dyn Session> {
    let url = format!(
        "mysql://rowdock:rowdock@{}/{}?sslMode=DISABLED",
        proxy.address, server.name
    );
    let mut options = options(&url, "orders", true);
    options.timeouts.statement = Duration::from_secs(1);
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
        let proxy = Proxy::new(address.trim_end_matches('/').to_owned()).await;
        let mut first = through(&server, &proxy).await;
        let (id, written) = prepared(&mut *first).await;
        proxy.loses_answer_to_commit.store(true, Ordering::SeqCst);
        let error = first.write(&written).await.expect_err("no answer");
        is_lost(&error, true);
        assert!(proxy.has_lost.load(Ordering::SeqCst));
        until("the commit has happened", async || {
            server.rows("t", &["id"]).await.len() == 3
        })
        .await;
        let mut second = session(&server).await;
        let answers = second.renew(&renewal(&[0], id)).await.expect("answers");
        assert_eq!(answers, [RenewAnswer::Held { next_offset: 3 }]);
    }
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
