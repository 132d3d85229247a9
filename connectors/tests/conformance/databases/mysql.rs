//! MySQL and MariaDB: a database of the test's own.

use std::time::Duration;

use async_trait::async_trait;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use rowdock_connectors::Sink;
use rowdock_connectors::mysql::MySqlSink;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::conformance::support::{Client, Database, Server, options};
use crate::services;

/// The server's list of transactions is made anew only when it has not been asked for as long.
const LIST_AGE_MIN: Duration = Duration::from_millis(120);

pub(crate) struct Schema {
    /// Of the server, ending with a slash.
    pub(crate) server: String,
    pub(crate) name: String,
    admin: Mutex<Conn>,
}

pub(crate) async fn mysql() -> Schema {
    Schema::at("ROWDOCK_TEST_MYSQL").await
}

pub(crate) async fn mariadb() -> Schema {
    Schema::at("ROWDOCK_TEST_MARIADB").await
}

impl Schema {
    pub(crate) async fn at(service: &str) -> Self {
        let server = services::address(service);
        let name = format!("conformance_{}", Uuid::new_v4().simple());
        let mut admin = connect(&server).await;
        let text = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4; USE {name}");
        admin.query_drop(text).await.expect("database");
        Self {
            server,
            name,
            admin: Mutex::new(admin),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.server, self.name)
    }

    /// The first column of what a query returns, as text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let mut admin = self.admin.lock().await;
        let found: Vec<Option<String>> = admin.query(sql).await.expect(sql);
        found
            .into_iter()
            .map(|text| text.unwrap_or_else(|| "null".to_owned()))
            .collect()
    }

    /// Ids of the sinks' sessions; `state` is a condition on them.
    async fn sessions(&self, state: &str) -> Vec<String> {
        let sql = format!(
            "SELECT ID FROM information_schema.PROCESSLIST \
             WHERE DB = '{}' AND ID <> CONNECTION_ID() AND {state}",
            self.name
        );
        self.texts(&sql).await
    }
}

pub(crate) async fn connect(url: &str) -> Conn {
    let options = Opts::from_url(url).expect("url");
    let options = OptsBuilder::from_opts(options).prefer_socket(Some(false));
    Conn::new(options).await.expect("connects")
}

#[async_trait]
impl Database for Schema {
    fn sink(&self, connector: &str, stores_positions: bool) -> Box<dyn Sink> {
        let options = options(&self.url(), connector, stores_positions);
        Box::new(MySqlSink::new(options).expect("options"))
    }

    async fn rows(&self, table: &str, columns: &[&str]) -> Vec<String> {
        let cells: Vec<String> = columns
            .iter()
            .map(|column| format!("COALESCE(CAST({column} AS CHAR), 'null')"))
            .collect();
        let sql = format!("SELECT CONCAT_WS(',', {}) FROM {table}", cells.join(", "));
        let mut texts = self.texts(&sql).await;
        texts.sort();
        texts
    }
}

#[async_trait]
impl Server for Schema {
    async fn run(&self, sql: &str) {
        let mut admin = self.admin.lock().await;
        admin.query_drop(sql).await.expect(sql);
    }

    async fn client(&self) -> Box<dyn Client> {
        Box::new(connect(&self.url()).await)
    }

    async fn end_sessions(&self) -> usize {
        let sessions = self.sessions("TRUE").await;
        for session in &sessions {
            self.run(&format!("KILL {session}")).await;
        }
        sessions.len()
    }

    /// Waits for locks are in the list of transactions.
    async fn waiting(&self) -> usize {
        tokio::time::sleep(LIST_AGE_MIN).await;
        let sql = format!(
            "SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX \
             JOIN information_schema.PROCESSLIST ON ID = trx_mysql_thread_id \
             WHERE trx_state = 'LOCK WAIT' AND DB = '{}'",
            self.name
        );
        self.texts(&sql).await.len()
    }

    fn address(&self) -> String {
        let (_, address) = self.server.rsplit_once('@').expect("a user");
        address.trim_end_matches('/').to_owned()
    }

    fn sink_at(&self, address: &str) -> Box<dyn Sink> {
        let url = self.url().replace(&self.address(), address);
        let options = options(&format!("{url}?sslMode=DISABLED"), "orders", false);
        Box::new(MySqlSink::new(options).expect("options"))
    }

    /// Each command begins a sequence of packets; 0x17 executes what was prepared.
    fn statements(&self, said: &[u8]) -> usize {
        let mut at = 0;
        let mut executed = 0;
        while let Some([low, middle, high, sequence, command]) = said[at..].first_chunk() {
            executed += usize::from(*sequence == 0 && *command == 0x17);
            let length = u32::from_le_bytes([*low, *middle, *high, 0]) as usize;
            at = (at + 4 + length).min(said.len());
        }
        executed
    }
}

#[async_trait]
impl Client for Conn {
    async fn run(&mut self, sql: &str) -> Result<(), String> {
        self.query_drop(sql)
            .await
            .map_err(|error| error.to_string())
    }
}

impl Drop for Schema {
    /// On a thread of its own, since a runtime cannot be waited for inside another.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("runtime").block_on(async {
                let text = format!("SET lock_wait_timeout = 5; DROP DATABASE {name}");
                let mut connection = connect(&server).await;
                connection.query_drop(text).await
            })
        });
        let dropped = dropping.join();
        if !std::thread::panicking() {
            dropped.expect("joined").expect("database dropped");
        }
    }
}
