//! PostgreSQL: a schema of the test's own.

use async_trait::async_trait;
use rowdock_connectors::Sink;
use rowdock_connectors::postgres::PostgresSink;
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::conformance::support::{Client, Database, Server, options};
use crate::services;

pub(crate) struct Postgres {
    url: String,
    schema: String,
    admin: tokio_postgres::Client,
}

pub(crate) async fn postgres_15() -> Postgres {
    Postgres::at("ROWDOCK_TEST_POSTGRES").await
}

pub(crate) async fn postgres_18() -> Postgres {
    Postgres::at("ROWDOCK_TEST_POSTGRES_18").await
}

impl Postgres {
    async fn at(service: &str) -> Self {
        let url = services::address(service);
        let schema = format!("conformance_{}", Uuid::new_v4().simple());
        let admin = connect(&url).await;
        let text = format!("CREATE SCHEMA {schema}; SET search_path = {schema}");
        admin.batch_execute(&text).await.expect("schema");
        Self { url, schema, admin }
    }

    /// Sessions of this test's sinks are known by their name.
    fn program_name(&self) -> &str {
        &self.schema
    }
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connects");
    tokio::spawn(connection);
    client
}

#[async_trait]
impl Database for Postgres {
    fn sink(&self, connector: &str, stores_positions: bool) -> Box<dyn Sink> {
        let url = format!("{}?currentSchema={}", self.url, self.schema);
        let mut options = options(&url, connector, stores_positions);
        self.program_name()
            .clone_into(&mut options.application_name);
        Box::new(PostgresSink::new(options).expect("options"))
    }

    async fn rows(&self, table: &str, columns: &[&str]) -> Vec<String> {
        let cells: Vec<String> = columns
            .iter()
            .map(|column| format!("coalesce({column}::text, 'null')"))
            .collect();
        let sql = format!("SELECT concat_ws(',', {}) FROM {table}", cells.join(", "));
        let found = self.admin.query(&sql, &[]).await.expect("rows");
        let mut texts: Vec<String> = found.iter().map(|row| row.get(0)).collect();
        texts.sort();
        texts
    }
}

#[async_trait]
impl Server for Postgres {
    async fn run(&self, sql: &str) {
        self.admin.batch_execute(sql).await.expect(sql);
    }

    async fn client(&self) -> Box<dyn Client> {
        let client = connect(&self.url).await;
        // The server ends whoever of a deadlock looks for it first, which shall be the sink: even where a
        // busy machine lets this client wait long after it, when the sink waits in vain for a lock.
        let text = format!(
            "SET search_path = {}; SET deadlock_timeout = '1min'",
            self.schema
        );
        client.batch_execute(&text).await.expect("settings");
        Box::new(client)
    }

    async fn end_sessions(&self) -> usize {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE application_name = $1";
        let ended = self.admin.query(sql, &[&self.program_name()]).await;
        ended.expect("ended").len()
    }

    async fn waiting(&self) -> usize {
        let sql = "SELECT pid FROM pg_stat_activity \
                   WHERE application_name = $1 AND wait_event_type = 'Lock'";
        let waiting = self.admin.query(sql, &[&self.program_name()]).await;
        waiting.expect("asked").len()
    }

    fn address(&self) -> String {
        let (_, address) = self.url.rsplit_once('@').expect("a user");
        let (address, _) = address.split_once('/').expect("a database");
        address.to_owned()
    }

    fn sink_at(&self, address: &str) -> Box<dyn Sink> {
        let url = self.url.replace(&self.address(), address);
        let url = format!("{url}?currentSchema={}&sslmode=disable", self.schema);
        let options = options(&url, "orders", false);
        Box::new(PostgresSink::new(options).expect("options"))
    }

    /// The first message has no type; `E` executes what was prepared.
    fn statements(&self, said: &[u8]) -> usize {
        let length = |at: usize| {
            let bytes = said.get(at..at + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().ok()?) as usize)
        };
        let mut at = length(0).unwrap_or(0);
        let mut executed = 0;
        while let Some(message) = length(at + 1) {
            executed += usize::from(said[at] == b'E');
            at += 1 + message;
        }
        executed
    }
}

#[async_trait]
impl Client for tokio_postgres::Client {
    async fn run(&mut self, sql: &str) -> Result<(), String> {
        let done = self.batch_execute(sql).await;
        done.map_err(|error| error.to_string())
    }
}

impl Drop for Postgres {
    /// On a thread of its own, since a runtime cannot be waited for inside another.
    fn drop(&mut self) {
        let (url, schema) = (self.url.clone(), self.schema.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("runtime").block_on(async {
                let text = format!(
                    "SET lock_timeout = '5s'; SET client_min_messages = warning; \
                     DROP SCHEMA {schema} CASCADE"
                );
                connect(&url).await.batch_execute(&text).await
            })
        });
        let dropped = dropping.join();
        if !std::thread::panicking() {
            dropped.expect("joined").expect("schema dropped");
        }
    }
}
