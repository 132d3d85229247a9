//! Records through the mapping into a real table, without Kafka and without a process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rowdock::config::RawConfig;
use rowdock::config::connector::ConnectorConfig;
use rowdock::config::worker::WorkerSettings;
use rowdock::decode::Formats;
use rowdock::map::{TopicMapper, Unmapped, infer, plan};
use rowdock::record::{RawHeader, RawRecord};
use rowdock::write::tables;
use rowdock_connectors::mysql::MySqlSink;
use rowdock_connectors::postgres::PostgresSink;
use rowdock_connectors::sqlite::SqliteSink;
use rowdock_connectors::{
    Batch, ErrorClass, Origin, ProgressScope, RowKind, Session, Sink, SinkOptions, SinkTimeouts,
    TableRows, WriteOutcome,
};
use tokio_postgres::{Client, NoTls};

use crate::support::database::Database;
use crate::support::engine::Engine;
use crate::support::services::services;

/// The oldest and the newest server that is tested.
pub(crate) fn servers() -> [&'static str; 2] {
    [&services().postgres, &services().postgres_newest]
}

/// One record.
#[derive(Debug, Default, Clone)]
pub(crate) struct Given {
    pub(crate) key: Option<String>,
    /// Empty: a tombstone.
    pub(crate) value: String,
    pub(crate) headers: Vec<RawHeader>,
    pub(crate) timestamp_ms: Option<i64>,
}

/// Tables of one test's own, and the sink that writes to them.
pub(crate) struct Harness {
    pub(crate) engine: Engine,
    url: String,
    place: Place,
}

/// Where the tables are.
enum Place {
    /// A schema of PostgreSQL's maintenance database, dropped with the server's other leftovers.
    Schema(Client),
    /// A database, dropped with the value.
    Database(Database),
}

impl Harness {
    /// In a schema on this PostgreSQL server.
    pub(crate) async fn new(server: &str) -> Self {
        let schema = unique_name();
        let (client, connection) = tokio_postgres::connect(server, NoTls)
            .await
            .expect("connects");
        tokio::spawn(connection);
        let harness = Self {
            engine: Engine::Postgres,
            url: format!("{server}?currentSchema={schema},public"),
            place: Place::Schema(client),
        };
        // Extensions lie beside the test's own types.
        let set_up = format!(
            "DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; \
             SET search_path = {schema}, public; \
             SET timezone = 'UTC'; SET client_min_messages = warning; \
             SELECT pg_advisory_lock(77); \
             CREATE EXTENSION IF NOT EXISTS hstore SCHEMA public; \
             CREATE EXTENSION IF NOT EXISTS citext SCHEMA public; \
             CREATE EXTENSION IF NOT EXISTS ltree SCHEMA public; \
             SELECT pg_advisory_unlock(77)"
        );
        harness.run(&set_up).await;
        harness
    }

    /// On the shared server of this engine; for SQLite in a file.
    pub(crate) async fn of(engine: Engine) -> Self {
        if engine == Engine::Postgres {
            return Self::new(&engine.server()).await;
        }
        let name = format!("{}_{}", unique_name(), engine.name());
        let database = Database::create(&engine.server(), &name, false).await;
        if engine != Engine::Sqlite {
            database.run("SET time_zone = '+00:00'").await;
        }
        Self {
            engine,
            url: database.url(None),
            place: Place::Database(database),
        }
    }

    pub(crate) async fn run(&self, text: &str) {
        match &self.place {
            Place::Schema(client) => client.batch_execute(text).await.expect(text),
            Place::Database(database) => database.run(text).await,
        }
    }

    /// The only column of the only row, as text.
    pub(crate) async fn text(&self, text: &str) -> String {
        let found: Option<String> = match &self.place {
            Place::Schema(client) => client.query_one(text, &[]).await.expect(text).get(0),
            Place::Database(database) => database.rows(text, &[]).await[0].get(0),
        };
        found.unwrap_or_else(|| "null".to_owned())
    }

    /// How many rows of this table there are, or of this part of it.
    pub(crate) async fn count(&self, of: &str) -> i64 {
        let text = format!("SELECT count(*) FROM {of}");
        match &self.place {
            Place::Schema(client) => client.query_one(&text, &[]).await.expect(&text).get(0),
            Place::Database(database) => database.number(&text).await,
        }
    }

    /// Writes JSON records without keys, none of which is refused.
    pub(crate) async fn stored(&self, topic: &str, keys: &[(&str, &str)], records: &[&str]) {
        let records: Vec<String> = records.iter().map(|&record| record.to_owned()).collect();
        let refused = self.write(topic, keys, &records).await;
        assert_eq!(refused, Vec::<String>::new(), "{:?}", self.engine);
    }

    /// Writes JSON records without keys; returns the reasons of those that are refused.
    pub(crate) async fn write(
        &self,
        table: &str,
        keys: &[(&str, &str)],
        records: &[String],
    ) -> Vec<String> {
        let given = records.iter().map(|value| Given {
            value: value.clone(),
            ..Given::default()
        });
        self.write_given(table, keys, &given.collect::<Vec<_>>())
            .await
    }

    /// The same with keys; an empty value is a tombstone.
    pub(crate) async fn write_keyed(
        &self,
        table: &str,
        keys: &[(&str, &str)],
        records: &[(String, String)],
    ) -> Vec<String> {
        let given = records.iter().map(|(key, value)| Given {
            key: Some(key.clone()),
            value: value.clone(),
            ..Given::default()
        });
        self.write_given(table, keys, &given.collect::<Vec<_>>())
            .await
    }

    /// Describes, creates or evolves the table; maps the records to it; writes what fits.
    pub(crate) async fn write_given(
        &self,
        topic: &str,
        keys: &[(&str, &str)],
        records: &[Given],
    ) -> Vec<String> {
        let config = self.config(topic, keys);
        let formats = Formats::start(&config.key_converter, &config.value_converter, |_| {})
            .expect("formats")
            .with_change_events(config.sink.change_events);
        let mut session = self.session().await;
        let raw: Vec<RawRecord<'_>> = records.iter().map(|given| given.record(topic)).collect();
        let name = plan::table_name(&config.sink, topic);
        let (mut key, mut value) = (formats.key(), formats.value());
        let mut wanted = || {
            let wanted = infer::table(topic, &raw, &config.sink, &mut key, &mut value);
            wanted.expect("a table can be made")
        };
        let table = match session.describe_table(&name).await.expect("described") {
            Some(_) if config.sink.auto_evolve => {
                let evolved = tables::evolved(&mut *session, &name, &wanted().columns).await;
                evolved.expect("evolved")
            }
            Some(table) => table,
            None => tables::created(&mut *session, &wanted())
                .await
                .expect("created"),
        };
        let target = tables::target(&mut *session, &config.sink, topic, &name, Some(table)).await;
        let target = target.expect("a target").expect("of the table");
        let mut mapper = TopicMapper::new(
            Arc::clone(&target),
            &config.sink,
            topic,
            formats.key(),
            formats.value(),
        );
        let mut rows = TableRows::new(target);
        let mut refused = Vec::new();
        for (offset, record) in raw.iter().enumerate() {
            let origin = Origin {
                position: 0,
                offset: i64::try_from(offset).expect("few"),
                kind: RowKind::Write,
            };
            match mapper.map(record, None, origin, &mut rows) {
                Ok(()) => {}
                Err(Unmapped::Bad(error)) => refused.push(error.to_string()),
                Err(Unmapped::Lacking(columns)) => refused.push(format!("lacks {columns:?}")),
            }
        }
        if !rows.is_empty() {
            refused.extend(store(&mut *session, rows).await);
        }
        session.close().await;
        refused
    }

    /// Why this table cannot be written to.
    pub(crate) async fn refused_target(&self, topic: &str, keys: &[(&str, &str)]) -> String {
        let config = self.config(topic, keys);
        let mut session = self.session().await;
        let name = plan::table_name(&config.sink, topic);
        let table = session.describe_table(&name).await.expect("described");
        let refused = tables::target(&mut *session, &config.sink, topic, &name, table).await;
        session.close().await;
        refused.expect_err("refused").to_string()
    }

    fn config(&self, topic: &str, keys: &[(&str, &str)]) -> ConnectorConfig {
        let mut config: RawConfig = [
            ("name", "types"),
            ("connector.class", self.engine.sink_class()),
            ("topics", topic),
            ("connection.url", &self.url),
            ("key.converter", "JsonConverter"),
            ("key.converter.schemas.enable", "false"),
            ("value.converter", "JsonConverter"),
            ("value.converter.schemas.enable", "false"),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
        .collect();
        for (key, value) in keys {
            config.insert((*key).to_owned(), Some((*value).to_owned()));
        }
        match ConnectorConfig::parse(&config, &WorkerSettings::default()) {
            Ok(config) => config,
            Err(refused) => panic!("{refused}"),
        }
    }

    async fn session(&self) -> Box<dyn Session> {
        let options = SinkOptions {
            url: self.url.clone(),
            user: None,
            password: None,
            scope: ProgressScope {
                cluster_id: "cluster".to_owned(),
                connector: "types".to_owned(),
            },
            progress_table: "rowdock_progress".to_owned(),
            stores_positions: false,
            application_name: "rowdock/types".to_owned(),
            timeouts: SinkTimeouts::default(),
        };
        let sink: Box<dyn Sink> = match self.engine {
            Engine::Postgres => Box::new(PostgresSink::new(options).expect("options")),
            Engine::MySql | Engine::MariaDb => Box::new(MySqlSink::new(options).expect("options")),
            Engine::Sqlite => Box::new(SqliteSink::new(options).expect("options")),
        };
        sink.open().await.expect("session")
    }
}

/// Keys of the connector: rows are written in this mode, and told apart by these fields of the value.
pub(crate) fn keyed<'a>(mode: &'a str, fields: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("insert.mode", mode),
        ("pk.mode", "record_value"),
        ("pk.fields", fields),
    ]
}

/// Of no other test and no other run.
fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("sql_types_{}_{count}", std::process::id())
}

/// Writes the rows, without those that the database refuses; returns their reasons.
async fn store(session: &mut dyn Session, mut rows: TableRows) -> Vec<String> {
    let mut reasons = Vec::new();
    loop {
        let batch = Batch {
            positions: Vec::new(),
            tables: vec![rows.clone()],
            positions_stored: false,
        };
        let error = match session.write(&batch).await {
            Ok(WriteOutcome::Committed) => return reasons,
            Ok(WriteOutcome::Fenced(_)) => panic!("nothing is claimed"),
            Err(error) => error,
        };
        assert_eq!(error.class(), ErrorClass::Record, "{error}");
        let rejects = session.find_rejects(&batch).await.expect("found");
        assert!(!rejects.is_empty(), "some row is refused: {error}");
        rows.retain_rows(|row, _| !rejects.iter().any(|reject| reject.row == row));
        reasons.extend(rejects.into_iter().map(|reject| reject.reason));
    }
}

impl Given {
    fn record<'a>(&'a self, topic: &'a str) -> RawRecord<'a> {
        RawRecord {
            topic,
            partition: 0,
            offset: 0,
            timestamp_ms: self.timestamp_ms,
            key: self.key.as_deref().map(str::as_bytes),
            value: Some(self.value.as_bytes()).filter(|value| !value.is_empty()),
            headers: &self.headers,
        }
    }
}
