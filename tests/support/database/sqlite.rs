//! SQLite: a file in the stage's folder. The progress table is created by hand, from the migration,
//! so that the audit is attached before a worker comes.
//!
//! One writer at a time, and nothing in SQL that names a transaction: the last move of positions
//! before a row stands for the row's.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Row as _, SqliteConnection};
use tokio::sync::Mutex;

use super::Session;
use super::row::Row;

const PROGRESS: &str = include_str!("../../../connectors/migrations/sqlite.sql");

/// Positions are moved by one statement, whose time is one, in the order of the partitions. At the same
/// millisecond as the last one, another statement is known by its connector, or by a partition that does
/// not come behind those that were moved.
const TXID: &str = "coalesce((
    SELECT last.txid + (last.at <> unixepoch('now', 'subsec') OR last.connector <> NEW.connector
      OR EXISTS (
        SELECT 1 FROM audit_progress AS same WHERE same.txid = last.txid
          AND same.topic = NEW.topic AND same.part >= NEW.partition))
    FROM audit_progress AS last ORDER BY id DESC LIMIT 1), 1)";

/// A lock that is held for so long is held by somebody who stands still.
const LOCK_WAIT: Duration = Duration::from_millis(500);

const AUDIT: &str = "
CREATE TABLE audit_progress (
  id INTEGER PRIMARY KEY, change TEXT, connector TEXT, topic TEXT, part INTEGER, old_next INTEGER,
  new_next INTEGER, old_claim TEXT, new_claim TEXT, claim_count INTEGER, generation INTEGER,
  owner TEXT, backend INTEGER DEFAULT 0, txid INTEGER, at REAL);
CREATE INDEX audit_progress_txid ON audit_progress (txid);
CREATE VIEW audit_history AS SELECT * FROM audit_progress;
CREATE TABLE audit_rows (
  id INTEGER PRIMARY KEY, target TEXT, producer INTEGER, seq INTEGER, txid INTEGER);
CREATE TRIGGER audit_insert AFTER INSERT ON rowdock_progress BEGIN
  INSERT INTO audit_progress (change, connector, topic, part, new_next, new_claim, claim_count,
    generation, owner, txid, at)
  VALUES ('INSERT', NEW.connector, NEW.topic, NEW.partition, NEW.next_offset, NEW.claim_id,
    NEW.claim_count, NEW.generation, NEW.owner, {TXID},
    unixepoch('now', 'subsec'));
END;
CREATE TRIGGER audit_update AFTER UPDATE ON rowdock_progress BEGIN
  INSERT INTO audit_progress (change, connector, topic, part, old_next, new_next, old_claim,
    new_claim, claim_count, generation, owner, txid, at)
  VALUES ('UPDATE', NEW.connector, NEW.topic, NEW.partition, OLD.next_offset, NEW.next_offset,
    OLD.claim_id, NEW.claim_id, NEW.claim_count, NEW.generation, NEW.owner,
    {TXID}, unixepoch('now', 'subsec'));
END;
CREATE TRIGGER audit_delete AFTER DELETE ON rowdock_progress BEGIN
  INSERT INTO audit_progress (change, connector, topic, part, old_next, old_claim, txid, at)
  VALUES ('DELETE', OLD.connector, OLD.topic, OLD.partition, OLD.next_offset, OLD.claim_id, 0, unixepoch('now', 'subsec'));
END";

pub(super) fn audit_of_rows(table: &str) -> String {
    format!(
        "CREATE TRIGGER {table}_audit AFTER INSERT ON {table} BEGIN
           INSERT INTO audit_rows (target, producer, seq, txid)
           VALUES ('{table}', NEW.producer, NEW.seq,
             (SELECT txid FROM audit_progress ORDER BY id DESC LIMIT 1));
         END"
    )
}

pub(super) struct Client(Mutex<SqliteConnection>);

impl Client {
    pub(super) async fn run(&self, sql: &str) -> Result<(), String> {
        let mut connection = self.0.lock().await;
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection);
        done.await.map(drop).map_err(|error| error.to_string())
    }

    pub(super) async fn rows(&self, sql: &str) -> Result<Vec<Row>, String> {
        let mut connection = self.0.lock().await;
        let found = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *connection);
        let rows = found.await.map_err(|error| error.to_string())?;
        Ok(rows.iter().map(text_row).collect())
    }

    /// Whoever writes, as far as the lock and the last change tell.
    pub(super) async fn session(&self) -> Session {
        let is_free = self.run("BEGIN IMMEDIATE; ROLLBACK").await.is_ok();
        let sql = "SELECT coalesce(unixepoch('now', 'subsec') - max(at), 0) FROM audit_progress";
        let rows = self.rows(sql).await.expect("the audit");
        Session {
            id: 0,
            is_in_transaction: !is_free,
            query: String::new(),
            since: Duration::from_secs_f64(f64::max(rows[0].get(0), 0.0)),
        }
    }
}

fn text_row(row: &sqlx::sqlite::SqliteRow) -> Row {
    let columns = row.columns().iter().map(|column| column.ordinal());
    Row::new(columns.map(|column| row.get_unchecked(column)).collect())
}

pub(super) async fn create(server: &str, name: &str) -> Client {
    let file = path(server, name);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("the stage's folder");
    let client = connect(server, name).await;
    for sql in [PROGRESS, &AUDIT.replace("{TXID}", TXID)] {
        let done = client.run(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    client
}

pub(super) async fn connect(server: &str, name: &str) -> Client {
    let options = SqliteConnectOptions::new()
        .filename(path(server, name))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(LOCK_WAIT)
        .disable_statement_logging();
    Client(Mutex::new(options.connect().await.expect("a file")))
}

pub(super) fn url(server: &str, name: &str) -> String {
    format!("jdbc:sqlite:{}", path(server, name).display())
}

fn path(server: &str, name: &str) -> PathBuf {
    let folder = server.strip_prefix("sqlite:").expect("a folder");
    PathBuf::from(folder).join(name).join("rows.db")
}

pub(super) fn drop_database(server: &str, name: &str) -> Result<(), String> {
    let file = path(server, name);
    let removed = std::fs::remove_file(&file);
    removed.map_err(|error| format!("{}: {error}", file.display()))
}
