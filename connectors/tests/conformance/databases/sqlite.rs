//! SQLite: a file in a folder of the test's own.

use std::path::PathBuf;

use async_trait::async_trait;
use rowdock_connectors::Sink;
use rowdock_connectors::sqlite::SqliteSink;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use tempfile::TempDir;

use crate::conformance::support::{Database, options};

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
}

#[async_trait]
impl Database for Sqlite {
    fn sink(&self, connector: &str, stores_positions: bool) -> Box<dyn Sink> {
        let url = format!("jdbc:sqlite:{}", self.path.display());
        let sink = SqliteSink::new(options(&url, connector, stores_positions));
        Box::new(sink.expect("options"))
    }

    async fn rows(&self, table: &str, columns: &[&str]) -> Vec<String> {
        let options = SqliteConnectOptions::new().filename(&self.path);
        let mut connection = options.connect().await.expect("connects");
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
