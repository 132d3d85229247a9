use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use rowdock_connectors::memory::{Call, Fault, Faults, MemorySink};
use rowdock_connectors::{ProgressScope, StoredPosition};

use super::*;
use crate::config::worker::WorkerSettings;

/// A database that counts how often it was logged in to.
struct Counting {
    database: MemorySink,
    opened: Arc<AtomicUsize>,
}

#[async_trait]
impl Sink for Counting {
    fn name(&self) -> &'static str {
        self.database.name()
    }

    async fn open(&self) -> Result<Box<dyn Session>, SinkError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.database.open().await
    }
}

struct Database {
    memory: MemorySink,
    opened: Arc<AtomicUsize>,
    sessions: RequestSessions,
}

impl Database {
    fn new() -> Self {
        let scope = ProgressScope {
            cluster_id: "c".to_owned(),
            connector: "orders".to_owned(),
        };
        Self {
            memory: MemorySink::new(scope),
            opened: Arc::default(),
            sessions: RequestSessions::default(),
        }
    }

    /// A lease of a connector with this password, whose database is this one.
    async fn lease(&self, password: &str) -> Result<Lease, SinkError> {
        let config = config(password);
        let lease = self.sessions.lease(&config, "c".to_owned(), "offsets");
        Ok(lease.await?.at(Box::new(Counting {
            database: self.memory.clone(),
            opened: Arc::clone(&self.opened),
        })))
    }

    async fn ask(&self, password: &str) -> Result<Vec<StoredPosition>, SinkError> {
        let lease = self.lease(password).await?;
        lease.ask(|session| session.read_positions()).await
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }
}

fn config(password: &str) -> ConnectorConfig {
    let own = [
        ("name", "orders"),
        ("connector.class", "PostgresSink"),
        ("topics", "orders"),
        ("connection.url", "jdbc:postgresql://localhost/shop"),
        ("connection.password", password),
        ("value.converter", "JsonConverter"),
        ("value.converter.schemas.enable", "false"),
    ];
    let raw = own.map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
    ConnectorConfig::parse(&raw.into_iter().collect(), &WorkerSettings::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_session_is_kept_for_the_next_request_and_not_for_long() {
    let database = Database::new();
    for _ in 0..3 {
        database.ask("a").await.unwrap();
    }
    assert_eq!(database.opened(), 1);
    sleep(KEPT_TIME_MAX + Duration::from_secs(1)).await;
    assert!(
        lock(&database.sessions.pools)["orders"].upgrade().is_none(),
        "nothing is left of a connector that nobody asks about"
    );
    database.ask("a").await.unwrap();
    assert_eq!(database.opened(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_session_of_another_config_is_not_used() {
    let database = Database::new();
    database.ask("a").await.unwrap();
    database.ask("b").await.unwrap();
    database.ask("b").await.unwrap();
    assert_eq!(database.opened(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_limit_are_open() {
    let database = Database::new();
    let mut first = database.lease("a").await.unwrap();
    first.session().await.unwrap();
    let mut second = database.lease("a").await.unwrap();
    second.session().await.unwrap();
    let refused = database.ask("a").await.unwrap_err();
    assert!(refused.to_string().contains("orders"), "{refused}");
    assert_eq!(database.opened(), SESSIONS_MAX);

    // Who waits gets the session that comes free.
    let (answer, ()) = tokio::join!(database.ask("a"), async { second.give_back() });
    answer.unwrap();
    assert_eq!(database.opened(), SESSIONS_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_kept_session_that_has_died_is_replaced_once() {
    let database = Database::new();
    database.ask("a").await.unwrap();
    database.memory.set_faults(Faults::scripted([(
        Call::ReadPositions,
        Fault::LostBeforeCommit,
    )]));
    database.ask("a").await.unwrap();
    assert_eq!(database.opened(), 2);

    // A session that was just opened has not died unnoticed.
    let twice = [(Call::ReadPositions, Fault::LostBeforeCommit); 2];
    database.memory.set_faults(Faults::scripted(twice));
    let error = database.ask("a").await.unwrap_err();
    assert!(error.connection_lost(), "{error}");
    assert_eq!(database.opened(), 3);
}
