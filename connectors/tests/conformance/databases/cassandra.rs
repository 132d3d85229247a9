//! Cassandra: a keyspace of the test's own.

use std::sync::Arc;

use async_trait::async_trait;
use rowdock_connectors::cassandra::{CassandraSettings, CassandraSink};
use rowdock_connectors::{
    Batch, ClaimAnswer, ClaimRequest, NewColumn, NewTable, RenewAnswer, RenewRequest, ResetRequest,
    RowReject, Session, Sink, SinkError, StartRows, StoredPosition, Table, TableName, WriteOutcome,
};
use scylla::client::session::Session as Driver;
use scylla::client::session_builder::SessionBuilder;
use scylla::value::{CqlValue, Row};
use uuid::Uuid;

use crate::conformance::support::{Database, options};
use crate::services;

/// Of a server with one node.
const REPLICATION: &str = "{'class': 'SimpleStrategy', 'replication_factor': 1}";

pub(crate) struct Keyspace {
    pub(crate) name: String,
    pub(crate) settings: CassandraSettings,
    node: String,
    admin: Arc<Driver>,
}

impl Keyspace {
    pub(crate) async fn new() -> Self {
        let node = services::address("ROWDOCK_TEST_CASSANDRA");
        let admin = SessionBuilder::new().known_node(&node).build().await;
        let keyspace = Self {
            name: format!("test_{}", Uuid::new_v4().simple()),
            // As in SQL, which the suite speaks: null takes a value away.
            settings: CassandraSettings {
                null_to_unset: false,
                ..CassandraSettings::default()
            },
            node,
            admin: Arc::new(admin.expect("connects")),
        };
        let name = &keyspace.name;
        keyspace
            .run(&format!(
                "CREATE KEYSPACE {name} WITH replication = {REPLICATION}"
            ))
            .await;
        keyspace
    }

    pub(crate) fn url(&self) -> String {
        format!("cassandra://{}/{}", self.node, self.name)
    }

    /// A sink that does as it is told, without a key for tables that are to have none.
    pub(crate) fn plain_sink(&self, connector: &str, stores_positions: bool) -> CassandraSink {
        let options = options(&self.url(), connector, stores_positions);
        CassandraSink::new(options, self.settings.clone()).expect("options")
    }

    pub(crate) async fn run(&self, cql: &str) {
        self.admin.query_unpaged(cql, ()).await.expect(cql);
    }

    /// What a query returns, as `1,text,null`, sorted as texts.
    pub(crate) async fn texts(&self, cql: &str) -> Vec<String> {
        let answer = self.admin.query_unpaged(cql, ()).await.expect(cql);
        let answer = answer.into_rows_result().expect("rows");
        let rows = answer.rows::<Row>().expect("any columns");
        let mut texts: Vec<String> = rows
            .map(|row| {
                let columns = row.expect("row").columns;
                columns.iter().map(text).collect::<Vec<_>>().join(",")
            })
            .collect();
        texts.sort();
        texts
    }
}

fn text(value: &Option<CqlValue>) -> String {
    match value {
        None => "null".to_owned(),
        Some(CqlValue::Text(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

#[async_trait]
impl Database for Keyspace {
    fn sink(&self, connector: &str, stores_positions: bool) -> Box<dyn Sink> {
        Box::new(Keyed(self.plain_sink(connector, stores_positions)))
    }

    async fn rows(&self, table: &str, columns: &[&str]) -> Vec<String> {
        let columns = columns.join(", ");
        self.texts(&format!("SELECT {columns} FROM {}.{table}", self.name))
            .await
    }

    fn keeps_column_order(&self) -> bool {
        false
    }
}

/// A sink whose tables have the key `id` where the suite wants none, since every table of Cassandra has
/// one.
struct Keyed(CassandraSink);

#[async_trait]
impl Sink for Keyed {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn open(&self) -> Result<Box<dyn Session>, SinkError> {
        Ok(Box::new(KeyedSession(self.0.open().await?)))
    }
}

struct KeyedSession(Box<dyn Session>);

#[async_trait]
impl Session for KeyedSession {
    async fn describe_table(&mut self, name: &TableName) -> Result<Option<Table>, SinkError> {
        self.0.describe_table(name).await
    }

    async fn create_table(&mut self, wanted: &NewTable) -> Result<Table, SinkError> {
        let mut wanted = wanted.clone();
        if wanted.primary_key.is_empty() {
            wanted.primary_key.push("id".to_owned());
        }
        self.0.create_table(&wanted).await
    }

    async fn evolve_table(
        &mut self,
        table: &TableName,
        wanted: &[NewColumn],
    ) -> Result<Table, SinkError> {
        self.0.evolve_table(table, wanted).await
    }

    async fn claim(&mut self, request: &ClaimRequest) -> Result<Vec<ClaimAnswer>, SinkError> {
        self.0.claim(request).await
    }

    async fn write_starts(&mut self, starts: &StartRows) -> Result<(), SinkError> {
        self.0.write_starts(starts).await
    }

    async fn renew(&mut self, request: &RenewRequest) -> Result<Vec<RenewAnswer>, SinkError> {
        self.0.renew(request).await
    }

    async fn read_positions(&mut self) -> Result<Vec<StoredPosition>, SinkError> {
        self.0.read_positions().await
    }

    async fn reset_positions(&mut self, request: &ResetRequest) -> Result<(), SinkError> {
        self.0.reset_positions(request).await
    }

    async fn write(&mut self, batch: &Batch) -> Result<WriteOutcome, SinkError> {
        self.0.write(batch).await
    }

    async fn find_rejects(&mut self, batch: &Batch) -> Result<Vec<RowReject>, SinkError> {
        self.0.find_rejects(batch).await
    }

    async fn close(self: Box<Self>) {
        self.0.close().await;
    }
}

impl Drop for Keyspace {
    /// On a thread of its own, since a runtime cannot be waited for inside another.
    fn drop(&mut self) {
        let (node, name) = (self.node.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("runtime").block_on(async {
                let admin = SessionBuilder::new().known_node(&node).build().await;
                let text = format!("DROP KEYSPACE {name}");
                let dropped = admin.expect("connects").query_unpaged(text, ()).await;
                dropped.map(|_| ()).map_err(|error| error.to_string())
            })
        });
        let dropped = dropping.join();
        if !std::thread::panicking() {
            dropped.expect("joined").expect("keyspace dropped");
        }
    }
}
