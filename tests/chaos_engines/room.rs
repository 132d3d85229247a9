//! No room, and no connection, for a while: waited for, visibly and without haste.

use std::process::Command;
use std::time::Duration;

use super::Flow;
use crate::support::database::OwnSession;
use crate::support::engine::Engine;
use crate::support::orders::TABLE;
use crate::support::own_server::OwnServer;
use crate::support::stage::Stage;
use crate::support::wait::{PATIENCE, check, eventually, seconds};

/// For how long nothing can be written.
const WITHOUT: Duration = seconds(6);

/// What a busy loop would exceed meanwhile.
const TRIES_MAX: usize = 100;

impl Flow {
    /// The task runs, says what it waits for, and does not try all the time.
    pub(super) async fn waits_for(&self, what: &str) {
        let (worker, connector) = (&self.worker, &self.orders.connector);
        let trace = eventually("the status to tell", PATIENCE, || async {
            let tasks = worker.tasks(connector).await;
            let told = tasks.iter().find(|task| {
                task.state == "RUNNING"
                    && task.trace.contains("retrying")
                    && task.trace.contains(what)
            });
            told.map(|task| task.trace.clone())
                .ok_or_else(|| format!("{tasks:?}"))
        })
        .await;
        self.stage.tell(trace);
        let before = worker.logged(&["WARN"]).len();
        tokio::time::sleep(WITHOUT).await;
        let tries = worker.logged(&["WARN"]).len() - before;
        let tasks = worker.tasks(connector).await;
        let runs = tasks.iter().all(|task| task.state == "RUNNING");
        assert!(runs, "{tasks:?}");
        assert!(
            tries > 0 && tries < TRIES_MAX,
            "{tries} warnings in {WITHOUT:?}"
        );
        self.stage
            .tell(format_args!("{tries} warnings in {WITHOUT:?}"));
    }
}

/// MySQL and MariaDB: no file of the server may be larger, and none but a table's comes near it.
const FILE_BYTES_MAX: i64 = 64 << 20;

/// The server has no room for more rows, until somebody makes some.
pub(super) async fn none_left(engine: Engine) {
    let small_logs = match engine {
        Engine::Postgres => "",
        Engine::MariaDb => "innodb_log_file_size = 16M",
        _ => "max_binlog_size = 16M",
    };
    let server = OwnServer::start_with(engine, "none_left", small_logs).await;
    let flow = Flow::into(&server, engine, "none_left").await;
    match engine {
        Engine::Postgres => limit_files(&flow.stage, &server).await,
        _ => fill_table(&flow.stage, &server).await,
    }
    flow.waits_for("full").await;
    set_file_size_max(&server, None);
    flow.stage.tell("files may be of any size again");
    if engine != Engine::Postgres {
        let ballast = format!(
            "DELETE FROM {TABLE} WHERE producer = {BALLAST};
             DELETE FROM audit_rows WHERE producer = {BALLAST}"
        );
        flow.stage.database.run(&ballast).await;
    }
    flow.end().await;
}

/// The producer of rows that no record brought.
const BALLAST: i32 = -1;

/// MySQL and MariaDB: limits the server's files, and fills the table's up to that.
///
/// MariaDB would crash otherwise: where all tables share a tablespace that is full, and where values that
/// do not lie in their rows have taken the room that is kept for a rollback.
async fn fill_table(stage: &Stage, server: &OwnServer) {
    let database = &stage.database;
    let ballast = format!("ALTER TABLE {TABLE} ADD COLUMN ballast varbinary(5000)");
    database.run(&ballast).await;
    set_file_size_max(server, Some(FILE_BYTES_MAX));
    for (rows, bytes) in [(200, 5_000), (1, 5_000), (1, 500)] {
        let row = format!("({BALLAST}, REPEAT('x', {bytes}))");
        let rows = vec![row; rows].join(", ");
        let fill = format!("INSERT INTO {TABLE} (producer, ballast) VALUES {rows}");
        let refused = loop {
            if let Err(refused) = database.try_run(&fill).await {
                break refused;
            }
        };
        stage.tell(format_args!("no room for rows of {bytes} bytes: {refused}"));
    }
}

/// Larger than a segment of the server's log, which must still find room.
const BALLAST_ROWS: usize = 500_000;

/// PostgreSQL: its processes may write no file beyond the size that the table has, and a part of a block.
async fn limit_files(stage: &Stage, server: &OwnServer) {
    let database = &stage.database;
    let ballast = format!(
        "ALTER TABLE {TABLE} SET (autovacuum_enabled = off);
         ALTER TABLE {TABLE} DISABLE TRIGGER USER;
         INSERT INTO {TABLE} SELECT {BALLAST}, n, n, n FROM generate_series(1, {BALLAST_ROWS}) AS n;
         DELETE FROM {TABLE} WHERE producer = {BALLAST};
         ALTER TABLE {TABLE} ENABLE TRIGGER USER"
    );
    database.run(&ballast).await;
    // Nobody makes the file larger meanwhile.
    let holder = database.session().await;
    let lock = format!("BEGIN; LOCK TABLE {TABLE} IN EXCLUSIVE MODE");
    holder.try_run(&lock).await.expect("the lock");
    let size = database
        .number(&format!("SELECT pg_relation_size('{TABLE}')"))
        .await;
    set_file_size_max(server, Some(size + 1024));
    stage.tell(format_args!("no file may be larger than {size} bytes"));
}

/// Of the server's first process and its children; `prlimit` is run as their user, who may do so.
fn set_file_size_max(server: &OwnServer, bytes: Option<i64>) {
    let pid = server.pid.expect("a process, not a container");
    let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
    let script = "
        pids=\"$1 $(cat /proc/$1/task/*/children)\"
        for pid in $pids; do
          [ -d /proc/$pid ] || continue
          set -- \"$1\" \"$2\" $(stat -c '%u %g' /proc/$pid)
          limit=\"prlimit --pid $pid --fsize=$2:\"
          if [ \"$(id -u)\" = 0 ]; then
            setpriv --reuid=$3 --regid=$4 --clear-groups $limit
          else
            $limit
          fi || [ ! -d /proc/$pid ] || exit 1
        done";
    let done = Command::new("sh")
        .args(["-c", script, "limit", &pid.to_string(), &limit])
        .status();
    assert!(done.is_ok_and(|status| status.success()), "prlimit");
}

/// Others have taken all connections that the server gives.
pub(super) async fn no_connection_left(engine: Engine) {
    const CONNECTIONS: usize = 20;
    let server = OwnServer::start(engine, "no_connection_left").await;
    let limit = format!("max_connections = {CONNECTIONS}");
    let own = OwnSession::of_server(engine, &server.url).await;
    let own = own.expect("a session");
    match engine {
        Engine::Postgres => {
            let set = format!("ALTER SYSTEM SET {limit}");
            own.try_run(&set).await.expect("set");
            drop(own);
            server.stop().await;
            server.start_again().await;
        }
        _ => {
            let set = format!("SET GLOBAL {limit}");
            own.try_run(&set).await.expect("set");
            drop(own);
        }
    }
    let flow = Flow::into(&server, engine, "no_connection_left").await;
    let mut taken = Vec::new();
    // The worker is quick to find a place that was just left, so this is tried again.
    let begun = std::time::Instant::now();
    while flow.worker.logged(&["WARN", "connections"]).is_empty()
        && flow.worker.logged(&["WARN", "too many"]).is_empty()
    {
        assert!(begun.elapsed() < PATIENCE, "it always finds a connection");
        while let Ok(session) = OwnSession::of_server(engine, &server.url).await {
            taken.push(session);
        }
        flow.stage.database.end_other_sessions().await;
    }
    flow.stage
        .tell(format_args!("{} connections are taken", taken.len()));
    flow.waits_for("connections").await;
    taken.clear();
    flow.end().await;
}

/// A server that is not there at all for a minute.
pub(super) async fn server_gone_for_a_minute(engine: Engine) {
    const GONE: Duration = seconds(60);
    let server = OwnServer::start(engine, "gone").await;
    let mut flow = Flow::into(&server, engine, "gone").await;
    server.kill().await;
    let begun = std::time::Instant::now();
    flow.waits_for("").await;
    tokio::time::sleep(GONE.saturating_sub(begun.elapsed())).await;
    server.start_again().await;
    let up_at = std::time::Instant::now();
    flow.stage.database.reconnect().await;
    flow.goes_on().await;
    let took = up_at.elapsed();
    flow.stage
        .tell(format_args!("caught up {took:.1?} after it was up"));
    assert!(took <= seconds(30), "caught up after {took:?}");
    let tasks = flow.worker.tasks(&flow.orders.connector).await;
    check(tasks.iter().all(|task| task.state == "RUNNING"), || {
        format!("{tasks:?}")
    })
    .expect("tasks that run");
    flow.end().await;
}
