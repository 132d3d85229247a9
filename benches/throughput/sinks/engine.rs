//! The databases, each with one client of the benchmark's own.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use mysql_async::prelude::Queryable as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _, SqliteConnection};
use tokio::runtime::Runtime;

use crate::database;
use crate::services::{Services, workspace};

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    MySql,
    MariaDb,
    Sqlite,
}

/// A database of its own; dropped when dropped.
pub(crate) struct Database {
    pub(crate) engine: Engine,
    /// As a connector gets it.
    pub(crate) url: String,
    name: String,
    server: String,
    runtime: Runtime,
    client: std::cell::RefCell<Client>,
}

enum Client {
    Postgres(tokio_postgres::Client),
    MySql(mysql_async::Conn),
    Sqlite(SqliteConnection),
}

impl Engine {
    /// From its name.
    pub(crate) fn parse(name: &str) -> anyhow::Result<Self> {
        let all = [Self::Postgres, Self::MySql, Self::MariaDb, Self::Sqlite];
        let found = all.into_iter().find(|engine| engine.name() == name);
        found.with_context(|| format!("{name} is no database that there is a sink for"))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
            Self::MariaDb => "mariadb",
            Self::Sqlite => "sqlite",
        }
    }

    pub(crate) fn sink_class(self) -> &'static str {
        match self {
            Self::Postgres => "PostgresSink",
            Self::MySql | Self::MariaDb => "MySqlSink",
            Self::Sqlite => "SqliteSink",
        }
    }

    /// Raw ways to write.
    pub(crate) fn ways(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["unnest", "prepared rows", "copy"],
            Self::MySql | Self::MariaDb => &["prepared rows", "load data"],
            Self::Sqlite => &["prepared rows", "one row each", "json"],
        }
    }

    /// The columns of orders, without their key.
    fn columns(self) -> &'static str {
        match self {
            Self::Postgres => {
                "customer text, product text, quantity integer, price double precision, \
                 created_at timestamp, note text, paid boolean"
            }
            Self::MySql | Self::MariaDb => {
                "customer varchar(64), product varchar(64), quantity integer, price double, \
                 created_at datetime(3), note varchar(64), paid boolean"
            }
            Self::Sqlite => {
                "customer text, product text, quantity integer, price real, created_at integer, \
                 note text, paid boolean"
            }
        }
    }
}

impl Database {
    pub(crate) fn create(engine: Engine, services: &Services, run: &str) -> anyhow::Result<Self> {
        // The orders' database has the run's own name.
        let name = format!("{run}_sinks");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let server = match engine {
            Engine::Postgres => services.postgres.clone(),
            Engine::MySql => services.mysql.clone(),
            Engine::MariaDb => services.mariadb.clone(),
            Engine::Sqlite => String::new(),
        };
        let url = match engine {
            Engine::Sqlite => format!("jdbc:sqlite:{}", file(&name).display()),
            _ => {
                let (address, _) = server.rsplit_once('/').context("a server's url")?;
                format!("{address}/{name}")
            }
        };
        let client = runtime.block_on(create(engine, &server, &url, &name))?;
        Ok(Self {
            engine,
            url,
            name,
            server,
            runtime,
            client: std::cell::RefCell::new(client),
        })
    }

    /// Creates an empty table for orders, with a key or without.
    pub(crate) fn create_table(&self, name: &str, is_keyed: bool) -> anyhow::Result<()> {
        let id = if is_keyed {
            "bigint not null primary key"
        } else {
            "bigint not null"
        };
        let ending = match self.engine {
            Engine::Postgres => " with (autovacuum_enabled = false)",
            _ => "",
        };
        let columns = self.engine.columns();
        self.execute(&format!("create table {name} (id {id}, {columns}){ending}"))?;
        if self.engine == Engine::Postgres {
            self.execute("checkpoint")?;
        }
        Ok(())
    }

    pub(crate) fn drop_table(&self, name: &str) -> anyhow::Result<()> {
        self.execute(&format!("drop table {name}"))
    }

    /// Fails unless the table has so many rows.
    pub(crate) fn expect_rows(&self, table: &str, rows: usize) -> anyhow::Result<()> {
        let found = self.number(&format!("select count(*) from {table}"))?;
        if usize::try_from(found)? != rows {
            bail!("{table} has {found} rows instead of {rows}");
        }
        Ok(())
    }

    /// The sum of a connector's positions; 0 before there are any.
    pub(crate) fn stored(&self, connector: &str) -> anyhow::Result<i64> {
        let sql = format!(
            "select coalesce(sum(next_offset), 0) from rowdock_progress \
             where connector = '{connector}'"
        );
        match self.number(&sql) {
            Ok(sum) => Ok(sum),
            // The worker creates the table.
            Err(_) => Ok(0),
        }
    }

    pub(crate) fn execute(&self, sql: &str) -> anyhow::Result<()> {
        let mut client = self.client.borrow_mut();
        let done = self.runtime.block_on(async {
            match &mut *client {
                Client::Postgres(client) => client.batch_execute(sql).await.map_err(Into::into),
                Client::MySql(client) => client.query_drop(sql).await.map_err(Into::into),
                Client::Sqlite(client) => {
                    let run = sqlx::raw_sql(AssertSqlSafe(sql)).execute(client);
                    run.await.map(drop).map_err(anyhow::Error::from)
                }
            }
        });
        done.with_context(|| sql.to_owned())
    }

    fn number(&self, sql: &str) -> anyhow::Result<i64> {
        let mut client = self.client.borrow_mut();
        self.runtime.block_on(async {
            match &mut *client {
                Client::Postgres(client) => {
                    let sql = format!("select ({sql})::bigint");
                    Ok(client.query_one(&sql, &[]).await?.get(0))
                }
                Client::MySql(client) => {
                    let sql = format!("select cast(({sql}) as signed)");
                    let found: Option<i64> = client.query_first(sql).await?;
                    found.context("no number")
                }
                Client::Sqlite(client) => {
                    let found = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(client);
                    Ok(found.await?.get_unchecked(0))
                }
            }
        })
    }
}

async fn create(engine: Engine, server: &str, url: &str, name: &str) -> anyhow::Result<Client> {
    Ok(match engine {
        Engine::Postgres => {
            let maintenance = database::connect(server).await?;
            let sql = format!("create database {name}");
            maintenance.batch_execute(&sql).await?;
            Client::Postgres(database::connect(url).await?)
        }
        Engine::MySql | Engine::MariaDb => {
            let mut maintenance = mysql_connect(server).await?;
            let sql = format!("set global local_infile = on; create database {name}");
            maintenance.query_drop(sql).await?;
            Client::MySql(mysql_connect(url).await?)
        }
        Engine::Sqlite => Client::Sqlite(sqlite_connect(url).await?),
    })
}

/// A connection as the sink makes it.
pub(super) async fn mysql_connect(url: &str) -> anyhow::Result<mysql_async::Conn> {
    let options = mysql_async::OptsBuilder::from_opts(mysql_async::Opts::from_url(url)?)
        .prefer_socket(false)
        .stmt_cache_size(64)
        .setup(vec![
            "set session transaction isolation level read committed",
        ]);
    Ok(mysql_async::Conn::new(options).await?)
}

/// A connection as the sink makes it.
pub(super) async fn sqlite_connect(url: &str) -> anyhow::Result<SqliteConnection> {
    let file = url.strip_prefix("jdbc:sqlite:").context("a file")?;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(sqlx::sqlite::SqliteSynchronous::Normal)
        .pragma("wal_autocheckpoint", "4000")
        .pragma("cache_size", "-8192")
        .disable_statement_logging();
    Ok(options.connect().await?)
}

fn file(name: &str) -> PathBuf {
    workspace().join("target/bench").join(format!("{name}.db"))
}

impl Drop for Database {
    /// At worst a database stays in a server for tests.
    fn drop(&mut self) {
        let name = &self.name;
        self.runtime.block_on(async {
            match self.engine {
                Engine::Postgres => {
                    if let Ok(client) = database::connect(&self.server).await {
                        let sql = format!("drop database {name} with (force)");
                        client.batch_execute(&sql).await.ok();
                    }
                }
                Engine::MySql | Engine::MariaDb => {
                    if let Ok(mut client) = mysql_connect(&self.server).await {
                        client
                            .query_drop(format!("drop database {name}"))
                            .await
                            .ok();
                    }
                }
                Engine::Sqlite => {
                    for suffix in ["", "-wal", "-shm"] {
                        let path = self.url.trim_start_matches("jdbc:sqlite:");
                        fs::remove_file(format!("{path}{suffix}")).ok();
                    }
                }
            }
        });
    }
}
