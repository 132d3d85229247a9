//! A PostgreSQL database of one test's own, with triggers that remember everything.
//!
//! `audit_progress` gets every change of the progress table, `audit_rows` every row that entered a
//! watched table, each with the id of the transaction. The progress table is the worker's to
//! create; an event trigger attaches the audit in the very transaction that creates it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row};

/// A server that was just restarted, or that is busy with other tests.
const CONNECT_DEADLINE: Duration = Duration::from_secs(20);

const AUDIT: &str = r"
CREATE TABLE audit_progress (
  id bigserial PRIMARY KEY, change text, connector text, topic text, part int,
  old_next bigint, new_next bigint, old_claim text, new_claim text,
  claim_count bigint, generation bigint, owner text, backend int DEFAULT pg_backend_pid(),
  txid bigint DEFAULT txid_current(), at timestamptz DEFAULT clock_timestamp());
CREATE TABLE audit_rows (
  id bigserial PRIMARY KEY, target text, producer int, seq bigint,
  txid bigint DEFAULT txid_current(), at timestamptz DEFAULT clock_timestamp());

CREATE FUNCTION audit_progress() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO audit_progress (change, connector, topic, part, old_next, old_claim)
    VALUES (TG_OP, OLD.connector, OLD.topic, OLD.partition, OLD.next_offset, OLD.claim_id::text);
    RETURN NULL;
  END IF;
  INSERT INTO audit_progress
    (change, connector, topic, part, old_next, new_next, old_claim, new_claim,
     claim_count, generation, owner)
  VALUES (TG_OP, NEW.connector, NEW.topic, NEW.partition,
    CASE WHEN TG_OP = 'UPDATE' THEN OLD.next_offset END, NEW.next_offset,
    CASE WHEN TG_OP = 'UPDATE' THEN OLD.claim_id::text END, NEW.claim_id::text,
    NEW.claim_count, NEW.generation, NEW.owner);
  RETURN NULL;
END $$;

CREATE FUNCTION audit_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit_rows (target, producer, seq)
  SELECT TG_TABLE_NAME, producer, seq FROM fresh;
  RETURN NULL;
END $$;

CREATE FUNCTION attach_audit() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE made record;
BEGIN
  FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' LOOP
    IF made.object_identity LIKE '%.rowdock_progress'
      AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = made.objid AND tgname = 'audit') THEN
      EXECUTE format('CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON %s
        FOR EACH ROW EXECUTE FUNCTION audit_progress()', made.object_identity);
    END IF;
  END LOOP;
END $$;
CREATE EVENT TRIGGER attach_audit ON ddl_command_end EXECUTE FUNCTION attach_audit();
";

/// A database, dropped with the value.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
    server: String,
    client: Arc<Client>,
    keep: bool,
}

/// A session of a worker, as the server sees it.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) pid: i32,
    pub(crate) state: String,
    pub(crate) query: String,
    /// How long it has been in this state.
    pub(crate) since: Duration,
}

impl Database {
    /// Creates it on the server of this URL, with the audit in place.
    pub(crate) async fn create(server: &str, name: &str, keep: bool) -> Self {
        let maintenance = connect(&config(server)).await;
        maintenance
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0"))
            .await
            .unwrap_or_else(|error| panic!("create database {name}: {error:?}"));
        let client = connect(config(server).dbname(name)).await;
        let database = Self {
            name: name.to_owned(),
            server: server.to_owned(),
            client: Arc::new(client),
            keep,
        };
        database.run(AUDIT).await;
        database
    }

    /// The same database after its server was restarted: sessions of before are dead.
    pub(crate) async fn reconnect(&mut self) {
        self.client = Arc::new(connect(config(&self.server).dbname(&self.name)).await);
    }

    /// URL of the server's maintenance database.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The URL that a connector gets, with the server's own address or a proxy's.
    pub(crate) fn url(&self, through: Option<&super::proxy::Proxy>) -> String {
        let address = through.map_or_else(
            || super::services::host_and_port(&self.server).to_owned(),
            |proxy| proxy.address().to_string(),
        );
        let own = super::services::host_and_port(&self.server);
        let server = self.server.replacen(own, &address, 1);
        let base = server.rsplit_once('/').map_or(&*server, |(base, _)| base);
        format!("{base}/{}", self.name)
    }

    /// Runs statements.
    pub(crate) async fn run(&self, sql: &str) {
        self.client
            .batch_execute(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Rows of a query.
    pub(crate) async fn rows(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Vec<Row> {
        self.client
            .query(sql, parameters)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// The one number that a query returns; 0 for null.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let rows = self.rows(sql, &[]).await;
        rows[0].get::<_, Option<i64>>(0).unwrap_or(0)
    }

    pub(crate) async fn has_table(&self, name: &str) -> bool {
        let sql = format!("SELECT (to_regclass('{name}') IS NOT NULL)::int::bigint");
        self.number(&sql).await == 1
    }

    /// Creates the append table: no key, so that a record stored twice shows as two rows.
    pub(crate) async fn create_append_table(&self, name: &str) {
        self.run(&format!(
            "CREATE TABLE {name} (producer int, seq bigint, item bigint, amount bigint);
             CREATE TRIGGER audit AFTER INSERT ON {name} REFERENCING NEW TABLE AS fresh
               FOR EACH STATEMENT EXECUTE FUNCTION audit_rows()"
        ))
        .await;
    }

    /// The sessions that a worker has through this proxy.
    pub(crate) async fn sessions(&self, proxy: &super::proxy::Proxy) -> Vec<Session> {
        let ports = proxy.upstream_ports();
        let sql = "SELECT pid, coalesce(state, ''), query,
              greatest(extract(epoch FROM clock_timestamp() - state_change), 0)::float8
            FROM pg_stat_activity WHERE datname = current_database() AND client_port = ANY($1)";
        let rows = self.rows(sql, &[&ports]).await;
        rows.iter().map(Session::from_row).collect()
    }

    /// Ends one session as an administrator does. True if there was such a session.
    pub(crate) async fn terminate(&self, pid: i32) -> bool {
        let rows = self.rows("SELECT pg_terminate_backend($1)", &[&pid]).await;
        rows[0].get(0)
    }
}

impl Session {
    fn from_row(row: &Row) -> Self {
        Self {
            pid: row.get(0),
            state: row.get(1),
            query: row.get(2),
            since: Duration::from_secs_f64(row.get(3)),
        }
    }
}

impl fmt::Display for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid, state, query, ..
        } = self;
        let since = self.since.as_secs_f32();
        write!(
            formatter,
            "session {pid}, {state} for {since:.1} s, last statement: {query}"
        )
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.keep {
            println!("kept database {}", self.name);
            return;
        }
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = config(&self.server);
        // A thread of its own: a drop may run inside a runtime, which must not be blocked on.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| error.to_string())?;
            runtime.block_on(async {
                let client = try_connect(&server).await?;
                let dropped = client.batch_execute(&sql).await;
                dropped.map_err(|error| error.to_string())
            })
        });
        if let Ok(Err(error)) = dropping.join() {
            println!("database {} stays: {error}", self.name);
        }
    }
}

fn config(url: &str) -> Config {
    url.parse().expect("the server's URL")
}

async fn connect(config: &Config) -> Client {
    super::wait::eventually("a database session", CONNECT_DEADLINE, || {
        try_connect(config)
    })
    .await
}

async fn try_connect(config: &Config) -> Result<Client, String> {
    let (client, connection) = config
        .connect(NoTls)
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(client)
}
