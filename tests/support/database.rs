//! A database of one test's own, with triggers that remember everything.
//!
//! The view `audit_history` has every change of the progress table, the table `audit_rows` every row
//! that entered a watched table, each with the number of its transaction. What the tests read comes
//! as text, so that they read every engine alike.

use std::fmt::{self, Display};
use std::time::Duration;

use super::engine::Engine;
use super::proxy::Proxy;

mod mysql;
mod postgres;
mod row;
mod sqlite;

pub(crate) use row::Row;

/// A server that was just restarted, or that is busy with other tests.
const CONNECT_DEADLINE: Duration = Duration::from_secs(20);

/// A database, dropped with the value.
pub(crate) struct Database {
    name: String,
    server: String,
    engine: Engine,
    client: Client,
    keep: bool,
}

/// A session that ends, with what it holds, when this is dropped.
pub(crate) struct OwnSession(Client);

enum Client {
    Postgres(tokio_postgres::Client),
    MySql(mysql::Client),
    Sqlite(sqlite::Client),
}

/// A session of a worker, as the server sees it.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// By which it can be ended; a process id or a number.
    pub(crate) id: i64,
    pub(crate) is_in_transaction: bool,
    pub(crate) query: String,
    /// How long it has done nothing.
    pub(crate) since: Duration,
}

impl Database {
    /// Creates it on the server of this URL, with the audit in place.
    pub(crate) async fn create(server: &str, name: &str, keep: bool) -> Self {
        let (engine, client) = match server.split(':').next() {
            Some("mysql") => {
                let (engine, client) = mysql::create(server, name).await;
                (engine, Client::MySql(client))
            }
            Some("sqlite") => {
                let client = sqlite::create(server, name).await;
                (Engine::Sqlite, Client::Sqlite(client))
            }
            _ => {
                let client = postgres::create(server, name).await;
                (Engine::Postgres, Client::Postgres(client))
            }
        };
        Self {
            name: name.to_owned(),
            server: server.to_owned(),
            engine,
            client,
            keep,
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    /// The same database after its server was restarted: sessions of before are dead.
    pub(crate) async fn reconnect(&mut self) {
        self.client = self.connect().await;
    }

    /// The same database on another server, which has taken the place of the one before.
    pub(crate) async fn move_to(&mut self, server: &str) {
        server.clone_into(&mut self.server);
        self.reconnect().await;
    }

    /// URL of the server's maintenance database.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// A way to the server that can be disturbed; none to a file.
    pub(crate) async fn path(&self) -> Option<Proxy> {
        match self.engine {
            Engine::Sqlite => None,
            _ => Some(Proxy::to_database(&self.server).await),
        }
    }

    /// The URL that a connector gets, with the server's own address or a proxy's.
    pub(crate) fn url(&self, through: Option<&Proxy>) -> String {
        if let Client::Sqlite(_) = self.client {
            return sqlite::url(&self.server, &self.name);
        }
        let own = super::services::host_and_port(&self.server);
        let address = through.map_or_else(|| own.to_owned(), |proxy| proxy.address().to_string());
        let server = self.server.replacen(own, &address, 1);
        let base = server.rsplit_once('/').map_or(&*server, |(base, _)| base);
        // What a trap of the proxy waits for must be readable.
        let parameters = match (self.engine, through) {
            (Engine::MySql, Some(_)) => "?sslMode=DISABLED",
            _ => "",
        };
        format!("{base}/{}{parameters}", self.name)
    }

    /// A session of its own beside the test's.
    pub(crate) async fn session(&self) -> OwnSession {
        OwnSession(self.connect().await)
    }

    async fn connect(&self) -> Client {
        connect(self.engine, &self.server, &self.name).await
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements.
    pub(crate) async fn run(&self, sql: &str) {
        self.try_run(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Runs statements that may be refused.
    pub(crate) async fn try_run(&self, sql: &str) -> Result<(), String> {
        self.client.run(sql).await
    }

    /// Rows of a query, in which `$1` and so on stand for text literals.
    pub(crate) async fn rows(&self, sql: &str, parameters: &[&(dyn Display + Sync)]) -> Vec<Row> {
        let mut text = sql.to_owned();
        for (index, parameter) in parameters.iter().enumerate().rev() {
            let literal = format!("'{}'", parameter.to_string().replace('\'', "''"));
            text = text.replace(&format!("${}", index + 1), &literal);
        }
        let found = self.client.rows(&text).await;
        found.unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The one number that a query returns; 0 for null.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let rows = self.rows(sql, &[]).await;
        rows[0].get::<Option<i64>>(0).unwrap_or(0)
    }

    pub(crate) async fn has_table(&self, name: &str) -> bool {
        let sql = match self.engine {
            Engine::Postgres => {
                format!("SELECT (to_regclass(quote_ident('{name}')) IS NOT NULL)::int")
            }
            Engine::MySql | Engine::MariaDb => format!(
                "SELECT count(*) FROM information_schema.tables
                 WHERE table_schema = database() AND table_name = '{name}'"
            ),
            Engine::Sqlite => {
                format!("SELECT count(*) FROM sqlite_schema WHERE name = '{name}'")
            }
        };
        self.number(&sql).await == 1
    }

    /// Creates the append table: no key, so that a record stored twice shows as two rows.
    pub(crate) async fn create_append_table(&self, name: &str) {
        self.run(&format!(
            "CREATE TABLE {name} (producer int, seq bigint, item bigint, amount bigint)"
        ))
        .await;
        let audit = match self.engine {
            Engine::Postgres => postgres::audit_of_rows(name),
            Engine::MySql | Engine::MariaDb => mysql::audit_of_rows(self.engine, name),
            Engine::Sqlite => sqlite::audit_of_rows(name),
        };
        self.run(&audit).await;
    }

    /// Gives the append table a rule that only the database knows.
    pub(crate) async fn refuse_negative_amounts(&self, table: &str) {
        let rule = match self.engine {
            // Cannot add a check to a table that is there.
            Engine::Sqlite => format!(
                "CREATE TRIGGER positive BEFORE INSERT ON {table} WHEN NEW.amount < 0
                 BEGIN SELECT RAISE(ABORT, 'positive'); END"
            ),
            _ => format!("ALTER TABLE {table} ADD CONSTRAINT positive CHECK (amount >= 0)"),
        };
        self.run(&rule).await;
    }

    /// The sessions that a worker has through this proxy. A file has no sessions: there it is
    /// whoever writes, told by the lock.
    pub(crate) async fn sessions(&self, path: Option<&Proxy>) -> Vec<Session> {
        let ports = path.map(Proxy::upstream_ports).unwrap_or_default();
        match &self.client {
            Client::Postgres(_) => {
                let rows = self.rows(&postgres::sessions(&ports), &[]).await;
                rows.iter().map(Session::from_row).collect()
            }
            Client::MySql(_) => {
                let rows = self.rows(&mysql::sessions(&ports), &[]).await;
                rows.iter().map(Session::from_row).collect()
            }
            Client::Sqlite(client) => vec![client.session().await],
        }
    }

    /// Statements that wait for another session's lock on a table.
    pub(crate) async fn waiting_for_tables(&self) -> Vec<String> {
        let sql = match self.engine {
            Engine::Postgres => postgres::WAITING_FOR_TABLES,
            Engine::MySql | Engine::MariaDb => mysql::WAITING_FOR_TABLES,
            Engine::Sqlite => return Vec::new(),
        };
        let rows = self.rows(sql, &[]).await;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Ids of all sessions in this database but the test's own.
    pub(crate) async fn other_sessions(&self) -> Vec<i64> {
        let sql = match self.engine {
            Engine::Postgres => postgres::OTHER_SESSIONS,
            Engine::MySql | Engine::MariaDb => mysql::OTHER_SESSIONS,
            Engine::Sqlite => return Vec::new(),
        };
        let rows = self.rows(sql, &[]).await;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Ends all sessions in this database but the test's own.
    pub(crate) async fn end_other_sessions(&self) {
        for session in self.other_sessions().await {
            self.terminate(session).await;
        }
    }

    /// Ends one session as an administrator does. True if there was such a session.
    pub(crate) async fn terminate(&self, id: i64) -> bool {
        match &self.client {
            Client::Postgres(_) => {
                let sql = format!("SELECT pg_terminate_backend({id})");
                self.rows(&sql, &[]).await[0].get(0)
            }
            Client::MySql(client) => client.run(&format!("KILL {id}")).await.is_ok(),
            Client::Sqlite(_) => panic!("sqlite has no sessions"),
        }
    }

    /// Copies the database as it is now, as a backup of it. Nobody may be connected meanwhile but
    /// the test. PostgreSQL only.
    pub(crate) async fn back_up(&mut self) {
        self.disconnect().await;
        postgres::back_up(&self.server, &self.name).await;
        self.reconnect().await;
    }

    /// Puts the backup in the place of the database, in one step, and ends all sessions.
    pub(crate) async fn restore(&mut self) {
        self.disconnect().await;
        postgres::restore(&self.server, &self.name).await;
        self.reconnect().await;
    }

    /// Leaves for the maintenance database.
    async fn disconnect(&mut self) {
        assert_eq!(self.engine, Engine::Postgres, "not made for it");
        self.client = Client::Postgres(postgres::maintain(&self.server).await);
    }
}

async fn connect(engine: Engine, server: &str, name: &str) -> Client {
    match engine {
        Engine::Postgres => Client::Postgres(postgres::connect(server, name).await),
        Engine::MySql | Engine::MariaDb => Client::MySql(mysql::connect(server, name).await),
        Engine::Sqlite => Client::Sqlite(sqlite::connect(server, name).await),
    }
}

impl Client {
    async fn run(&self, sql: &str) -> Result<(), String> {
        match self {
            Self::Postgres(client) => {
                let done = client.batch_execute(sql).await;
                done.map_err(|error| format!("{error:?}"))
            }
            Self::MySql(client) => client.run(sql).await,
            Self::Sqlite(client) => client.run(sql).await,
        }
    }

    async fn rows(&self, sql: &str) -> Result<Vec<Row>, String> {
        match self {
            Self::Postgres(client) => postgres::rows(client, sql).await,
            Self::MySql(client) => client.rows(sql).await,
            Self::Sqlite(client) => client.rows(sql).await,
        }
    }
}

impl OwnSession {
    /// Of a server, in no database of a test's, if the server takes one more.
    pub(crate) async fn of_server(engine: Engine, server: &str) -> Result<Self, String> {
        Ok(Self(match engine {
            Engine::Postgres => Client::Postgres(postgres::try_maintain(server).await?),
            Engine::MySql | Engine::MariaDb => Client::MySql(mysql::try_maintain(server).await?),
            Engine::Sqlite => panic!("sqlite has no server"),
        }))
    }

    /// Of a database that is there, or soon will be.
    pub(crate) async fn of_database(engine: Engine, server: &str, name: &str) -> Self {
        Self(connect(engine, server, name).await)
    }

    /// Runs a query that may be refused.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<Row>, String> {
        self.0.rows(sql).await
    }

    /// Runs statements that may be refused.
    pub(crate) async fn try_run(&self, sql: &str) -> Result<(), String> {
        self.0.run(sql).await
    }
}

impl Session {
    fn from_row(row: &Row) -> Self {
        Self {
            id: row.get(0),
            is_in_transaction: row.get(1),
            query: row.get(2),
            since: Duration::from_secs_f64(row.get(3)),
        }
    }
}

impl Display for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_in_transaction {
            "in a transaction"
        } else {
            "idle"
        };
        let since = self.since.as_secs_f32();
        write!(formatter, "session {}, {state} for {since:.1} s", self.id)?;
        if !self.query.is_empty() {
            write!(formatter, ", last statement: {}", self.query)?;
        }
        Ok(())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.keep {
            println!("kept database {}", self.name);
            return;
        }
        let (server, name, engine) = (self.server.clone(), self.name.clone(), self.engine);
        // A thread of its own: a drop may run inside a runtime, which must not be blocked on.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| error.to_string())?;
            runtime.block_on(async {
                match engine {
                    Engine::Postgres => postgres::drop_database(&server, &name).await,
                    Engine::MySql | Engine::MariaDb => mysql::drop_database(&server, &name).await,
                    Engine::Sqlite => sqlite::drop_database(&server, &name),
                }
            })
        });
        if let Ok(Err(error)) = dropping.join() {
            println!("database {} stays: {error}", self.name);
        }
    }
}
