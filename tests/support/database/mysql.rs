//! MySQL and MariaDB. The progress table is created by hand, from the migration, so that the audit is
//! attached before a worker comes.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Value};
use tokio::sync::Mutex;

use super::CONNECT_DEADLINE;
use super::row::Row;
use crate::support::engine::Engine;
use crate::support::wait::eventually;

const PROGRESS: &str = include_str!("../../../connectors/migrations/mysql.sql");

/// How audit tables get the number of the transaction that writes to them.
struct Txid {
    /// Run before the tables are made.
    prepare: &'static str,
    columns: &'static str,
    table: &'static str,
    /// In an insert, behind the other names and values.
    name: &'static str,
    value: &'static str,
}

/// MySQL's own record of a session's transactions: the one that is open.
const BY_RECORD: Txid = Txid {
    prepare: "CREATE FUNCTION audit_txid() RETURNS bigint READS SQL DATA
      RETURN (SELECT open.THREAD_ID * 1000000000 + open.EVENT_ID
        FROM performance_schema.events_transactions_current AS open
        WHERE open.THREAD_ID = PS_CURRENT_THREAD_ID())",
    columns: "txid bigint",
    table: "",
    name: ", txid",
    value: ", audit_txid()",
};

/// MariaDB keeps the transaction with each version of a row. (Its record of transactions, asked
/// from a trigger, now and then names another one.)
const BY_VERSION: Txid = Txid {
    prepare: "DO 0",
    columns: "txid bigint unsigned GENERATED ALWAYS AS ROW START,
      gone bigint unsigned GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (txid, gone)",
    table: "WITH SYSTEM VERSIONING",
    name: "",
    value: "",
};

impl Txid {
    fn of(engine: Engine) -> Self {
        match engine {
            Engine::MariaDb => BY_VERSION,
            _ => BY_RECORD,
        }
    }
}

fn audit_tables(txid: &Txid) -> String {
    let Txid { columns, table, .. } = txid;
    format!(
        "CREATE TABLE audit_progress (
           id bigint PRIMARY KEY AUTO_INCREMENT, `change` varchar(6), connector varchar(255),
           topic varchar(249), part int, old_next bigint, new_next bigint, old_claim char(36),
           new_claim char(36), claim_count bigint, generation bigint, owner varchar(1024),
           backend bigint, at double, {columns}) {table};
         CREATE VIEW audit_history AS SELECT id, `change`, connector, topic, part, old_next,
           new_next, old_claim, new_claim, claim_count, generation, owner, backend, at, txid
           FROM audit_progress;
         CREATE TABLE audit_rows (
           id bigint PRIMARY KEY AUTO_INCREMENT, target varchar(64), producer int, seq bigint,
           {columns}) {table}"
    )
}

/// One trigger per kind of change; `OLD.` and `NEW.` of its rows, or null.
fn audit_of_progress(change: &str, txid: &Txid) -> String {
    let of = |row: &str, column: &str| match (change, row) {
        ("INSERT", "OLD") | ("DELETE", "NEW") => "NULL".to_owned(),
        _ => format!("{row}.`{column}`"),
    };
    let any = if change == "DELETE" { "OLD" } else { "NEW" };
    format!(
        "CREATE TRIGGER audit_{change} AFTER {change} ON rowdock_progress FOR EACH ROW
         INSERT INTO audit_progress (`change`, connector, topic, part, old_next, new_next,
           old_claim, new_claim, claim_count, generation, owner, backend, at{})
         VALUES ('{change}', {any}.connector, {any}.topic, {any}.`partition`, {}, {}, {}, {},
           {any}.claim_count, {any}.generation, {any}.owner, CONNECTION_ID(),
           UNIX_TIMESTAMP(SYSDATE(6)){})",
        txid.name,
        of("OLD", "next_offset"),
        of("NEW", "next_offset"),
        of("OLD", "claim_id"),
        of("NEW", "claim_id"),
        txid.value
    )
}

pub(super) fn audit_of_rows(engine: Engine, table: &str) -> String {
    let Txid { name, value, .. } = Txid::of(engine);
    format!(
        "CREATE TRIGGER {table}_audit AFTER INSERT ON {table} FOR EACH ROW
         INSERT INTO audit_rows (target, producer, seq{name})
         VALUES ('{table}', NEW.producer, NEW.seq{value})"
    )
}

pub(super) const OTHER_SESSIONS: &str = "SELECT ID FROM information_schema.PROCESSLIST
    WHERE DB = database() AND ID <> CONNECTION_ID()";

pub(super) const WAITING_FOR_TABLES: &str = "SELECT INFO FROM information_schema.PROCESSLIST
    WHERE DB = database() AND STATE LIKE '%metadata lock%' AND INFO LIKE 'ALTER TABLE%'";

/// The time is in whole seconds, of which the first may be a part of one.
pub(super) fn sessions(ports: &[i32]) -> String {
    let list: Vec<String> = ports.iter().map(i32::to_string).collect();
    format!(
        "SELECT session.ID, coalesce(open.STATE, '') = 'ACTIVE', coalesce(session.INFO, ''),
           GREATEST(CAST(session.TIME AS SIGNED) - 1, 0)
         FROM information_schema.PROCESSLIST AS session
         JOIN performance_schema.threads AS thread ON thread.PROCESSLIST_ID = session.ID
         LEFT JOIN performance_schema.events_transactions_current AS open
           ON open.THREAD_ID = thread.THREAD_ID
         WHERE session.DB = database()
           AND FIND_IN_SET(SUBSTRING_INDEX(session.HOST, ':', -1), '{}')",
        list.join(",")
    )
}

/// A session that is used by one statement at a time.
pub(super) struct Client(Mutex<Conn>);

impl Client {
    pub(super) async fn run(&self, sql: &str) -> Result<(), String> {
        let done = self.0.lock().await.query_drop(sql).await;
        done.map_err(|error| error.to_string())
    }

    pub(super) async fn rows(&self, sql: &str) -> Result<Vec<Row>, String> {
        let found = self.0.lock().await.query::<mysql_async::Row, _>(sql).await;
        let rows = found.map_err(|error| error.to_string())?;
        Ok(rows.into_iter().map(text_row).collect())
    }
}

fn text_row(row: mysql_async::Row) -> Row {
    let text = |value: Value| match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8(bytes).expect("text")),
        other => Some(other.as_sql(true)),
    };
    Row::new(row.unwrap().into_iter().map(text).collect())
}

pub(super) async fn create(server: &str, name: &str) -> (Engine, Client) {
    let maintenance = Client(Mutex::new(session(server, None).await));
    run(&maintenance, &format!("CREATE DATABASE {name}")).await;
    let client = connect(server, name).await;
    run(&client, PROGRESS).await;
    let version = client.rows("SELECT VERSION()").await.expect("a version");
    let engine = if version[0].get::<&str>(0).contains("MariaDB") {
        Engine::MariaDb
    } else {
        Engine::MySql
    };
    let txid = Txid::of(engine);
    run(&client, txid.prepare).await;
    run(&client, &audit_tables(&txid)).await;
    for change in ["INSERT", "UPDATE", "DELETE"] {
        run(&client, &audit_of_progress(change, &txid)).await;
    }
    (engine, client)
}

pub(super) async fn connect(server: &str, name: &str) -> Client {
    Client(Mutex::new(session(server, Some(name)).await))
}

/// A session in no database, if the server takes one more.
pub(super) async fn try_maintain(server: &str) -> Result<Client, String> {
    let connection = try_connect(server, None).await?;
    Ok(Client(Mutex::new(connection)))
}

pub(super) async fn drop_database(server: &str, name: &str) -> Result<(), String> {
    let mut connection = try_connect(server, None).await?;
    let sql = format!("DROP DATABASE IF EXISTS {name}");
    let dropped = connection.query_drop(sql).await;
    dropped.map_err(|error| error.to_string())
}

async fn run(client: &Client, sql: &str) {
    let done = client.run(sql).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn session(server: &str, name: Option<&str>) -> Conn {
    eventually("a database session", CONNECT_DEADLINE, || {
        try_connect(server, name)
    })
    .await
}

/// Identifiers are quoted as everywhere else.
async fn try_connect(server: &str, name: Option<&str>) -> Result<Conn, String> {
    let opts = Opts::from_url(server).map_err(|error| error.to_string())?;
    let opts = OptsBuilder::from_opts(opts)
        .db_name(name)
        .prefer_socket(false)
        .setup(vec![
            "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')",
        ]);
    Conn::new(opts).await.map_err(|error| error.to_string())
}
