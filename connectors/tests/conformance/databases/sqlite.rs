//! SQLite: a file in a folder of the test's own.

use std::path::PathBuf;

use async_trait::async_trait;
use rowdock_connectors::Sink;
use rowdock_connectors::sqlite::SqliteSink;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Row, SqliteConnection};
use tempfile::TempDir;

use crate::conformance::support::{Database, Outside, options};

pub(crate) struct Sqlite {
    path: PathBuf,
    _folder: TempDir,
}

impl Sqlite {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        Self {
            path: folder.path().join("target.db"),
            _folder: folder,
        }
    }

    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(true);
        options.connect().await.expect("connects")
    }
}

#[async_trait]
impl Outside for Sqlite {
    async fn execute(&self, sql: &str) {
        let mut connection = self.connect().await;
        let statement = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        statement.execute(&mut connection).await.expect(sql);
        connection.close().await.expect("closed");
    }
}

#[async_trait]
impl Database for Sqlite {
    fn sink(&self, connector: &str, stores_positions: bool) -> Box<dyn Sink> {
        let url = format!("jdbc:sqlite:{}", self.path.display());
        let sink = SqliteSink::new(options(&url, connector, stores_positions));
        Box::new(sink.expect("options"))
    }

    async fn rows(&self, table: &str, columns: &[&str]) -> Vec<String> {
        let mut connection = self.connect().await;
        let cells: Vec<String> = columns
            .iter()
            .map(|column| format!("coalesce(CAST({column} AS TEXT), 'null')"))
            .collect();
        let sql = format!("SELECT {} FROM {table}", cells.join(" || ',' || "));
        let found = sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&mut connection)
            .await;
        let mut texts: Vec<String> = found.expect("rows").iter().map(|row| row.get(0)).collect();
        texts.sort();
        texts
    }
}
