//! A primary and a replica that takes its place, both real.
//!
//! MariaDB's replication stops at the versioned tables of the audit (its log does not say where changes
//! of them end). There the replica is a copy of the primary's files, as a snapshot is, from the moment
//! when it is cut off.

use super::database::OwnSession;
use super::engine::Engine;
use super::own_server::OwnServer;
use super::proxy::{Network, Proxy};
use super::services::host_and_port;
use super::wait::{PATIENCE, check, eventually};

/// MySQL's log is on by default; each server must have a number of its own.
const NUMBERED: &str = "server_id = ";

/// Two servers, of which the second follows the first by a way of its own.
pub(crate) struct Replicated {
    engine: Engine,
    pub(crate) primary: OwnServer,
    pub(crate) replica: OwnServer,
    way: Proxy,
}

impl Replicated {
    /// Starts both; what is done to the first is done to the second from now on.
    pub(crate) async fn start(engine: Engine, name: &str) -> Self {
        let start = async |number: usize| {
            let settings = match engine {
                Engine::Postgres => String::new(),
                _ => format!("{NUMBERED}{number}"),
            };
            OwnServer::start_with(engine, &format!("{name}_{number}"), &settings).await
        };
        let (primary, replica) = tokio::join!(start(1), start(2));
        let way = Proxy::to_database(&primary.url).await;
        let pair = Self {
            engine,
            primary,
            replica,
            way,
        };
        match engine {
            Engine::Postgres => pair.follow_by_files().await,
            Engine::MariaDb => pair.replica.stop().await,
            _ => pair.follow_by_log().await,
        }
        pair
    }

    /// PostgreSQL: the replica begins with the primary's files.
    async fn follow_by_files(&self) {
        self.replica.stop().await;
        self.primary.stop().await;
        self.replica.copy_files_of(&self.primary).await;
        let folder = self.replica.data_folder();
        let port = self.way.address().port();
        let settings = format!(
            "primary_conninfo = 'host=127.0.0.1 port={port} user=postgres password=rowdock'\n"
        );
        let file = folder.join("postgresql.auto.conf");
        let before = std::fs::read_to_string(&file).expect("its settings");
        std::fs::write(&file, before + &settings).expect("its settings");
        std::fs::write(folder.join("standby.signal"), "").expect("its folder");
        self.primary.start_again().await;
        self.replica.start_again().await;
    }

    /// MySQL: both are empty, and the replica follows the primary's log from its end.
    async fn follow_by_log(&self) {
        let status = "SHOW BINARY LOG STATUS";
        let primary = self.session(&self.primary).await;
        let end = primary.rows(status).await.expect(status);
        let (file, position): (&str, i64) = (end[0].get(0), end[0].get(1));
        let port = self.way.address().port();
        let follow = format!(
            "CHANGE REPLICATION SOURCE TO GET_SOURCE_PUBLIC_KEY = 1, SOURCE_HOST = '127.0.0.1', \
             SOURCE_PORT = {port}, SOURCE_USER = 'rowdock', SOURCE_PASSWORD = 'rowdock', \
             SOURCE_LOG_FILE = '{file}', SOURCE_LOG_POS = {position}"
        );
        let replica = self.session(&self.replica).await;
        for statement in [&follow, "START REPLICA", "SET GLOBAL read_only = ON"] {
            replica.try_run(statement).await.expect(statement);
        }
    }

    async fn session(&self, server: &OwnServer) -> OwnSession {
        let session = OwnSession::of_server(self.engine, &server.url).await;
        session.expect("a session")
    }

    /// Waits until the replica has rows of this table.
    async fn until_followed(&self, database: &str, table: &str) {
        let session = OwnSession::of_database(self.engine, &self.replica.url, database).await;
        let count = format!("SELECT count(*) FROM {table}");
        eventually("the replica to follow", PATIENCE, || async {
            let rows: i64 = session.rows(&count).await?[0].get(0);
            check(rows > 0, || "no rows yet".to_owned())
        })
        .await;
    }

    /// From now on the replica, which has rows of this table, hears nothing more of what the primary
    /// commits. Sessions may have ended.
    pub(crate) async fn cut(&self, database: &str, table: &str) {
        if self.engine == Engine::MariaDb {
            self.primary.stop().await;
            self.replica.copy_files_of(&self.primary).await;
            self.primary.start_again().await;
            return;
        }
        self.until_followed(database, table).await;
        self.way.set(Network::Cut);
    }

    /// The primary is lost for good, and the replica is the primary now.
    pub(crate) async fn fail_over(&self) {
        self.primary.kill().await;
        let statements: &[&str] = match self.engine {
            Engine::Postgres => &["SELECT pg_promote()"],
            Engine::MariaDb => return self.replica.start_again().await,
            _ => &["STOP REPLICA", "SET GLOBAL read_only = OFF"],
        };
        let replica = self.session(&self.replica).await;
        for statement in statements {
            replica.try_run(statement).await.expect(statement);
        }
    }

    /// Both hosts, the replica first: whoever connects must find the one that can be written to.
    pub(crate) fn url(&self, database: &str) -> String {
        let (first, second) = (
            host_and_port(&self.replica.url),
            host_and_port(&self.primary.url),
        );
        let url = self
            .primary
            .url
            .replacen(second, &format!("{first},{second}"), 1);
        let (base, _) = url.rsplit_once('/').expect("a database");
        format!("{base}/{database}")
    }
}
