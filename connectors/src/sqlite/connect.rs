//! One connection: opened for exactly-once writing, every statement under a deadline, and guarded
//! so that nothing is committed but by [`Connection::commit`].
//!
//! SQLite ends a transaction by itself on some errors (disk full, I/O, memory, interrupt), and the
//! next statement would then commit alone. Against that stands a commit hook: it turns every commit
//! into a rollback unless this module asked for it. So a statement that has lost its transaction,
//! or a savepoint that has become one, fails and changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, SqliteConnection};

use super::classify::{self, sink_error};
use super::schema::Checked;
use crate::error::SinkError;
use crate::options::SinkTimeouts;

/// Prepared statements kept per connection: a batch needs five insert sizes per column set, and
/// each statement may take a few hundred kilobytes.
const STATEMENT_CACHE_CAPACITY: usize = 64;
/// SQLite writes the log back into the file after this many pages (4 KiB each): larger than its
/// default of 1,000, so that a burst of batches does not wait for that each time.
const WAL_AUTOCHECKPOINT_PAGES: &str = "4000";
/// Page cache, in KiB (negative means that): indexes of the tables written stay in memory.
const CACHE_SIZE_KIB: &str = "-8192";
/// Pause between attempts to open a file that another process is switching to write-ahead logging.
const BUSY_PAUSE_MS_MAX: u64 = 50;
/// Longest wait for a polite end.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

pub(super) struct Connection {
    inner: SqliteConnection,
    statement_deadline: Duration,
    may_commit: Arc<AtomicBool>,
    path: PathBuf,
    identity: FileIdentity,
    /// The tables that were seen to be as their targets say.
    pub(super) checked: Checked,
    /// Inserts executed so far.
    #[cfg(test)]
    pub(super) inserts: usize,
}

impl Connection {
    /// Opens the file, creating it when absent.
    ///
    /// `is_first`: nothing has been opened yet, so a file that cannot be opened is a matter of
    /// configuration. Later it may be one of the moment.
    pub(super) async fn open(
        path: &Path,
        timeouts: &SinkTimeouts,
        is_first: bool,
    ) -> Result<Self, SinkError> {
        check_folder(path)?;
        let mut inner = connect(path, timeouts, is_first).await?;
        let may_commit = Arc::new(AtomicBool::new(false));
        let asked_for = Arc::clone(&may_commit);
        inner
            .lock_handle()
            .await
            .map_err(|error| sink_error("prepare the session", error).losing_connection())?
            .set_commit_hook(move || asked_for.load(Ordering::Acquire));
        Ok(Self {
            inner,
            statement_deadline: timeouts.statement,
            may_commit,
            path: path.to_owned(),
            identity: FileIdentity::of(path)?,
            checked: Checked::default(),
            #[cfg(test)]
            inserts: 0,
        })
    }

    /// Runs a statement; returns how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        doing: &str,
        sql: impl Into<String>,
        arguments: SqliteArguments,
    ) -> Result<u64, SinkError> {
        let result = self.run(sql.into(), arguments).await;
        result.map_err(|failure| failure.into_sink_error(doing))
    }

    /// Runs a query; returns its rows.
    pub(super) async fn fetch(
        &mut self,
        doing: &str,
        sql: impl Into<String>,
        arguments: SqliteArguments,
    ) -> Result<Vec<SqliteRow>, SinkError> {
        let query = sqlx::query_with(AssertSqlSafe(sql.into()), arguments);
        let fetched = query.fetch_all(&mut self.inner);
        match tokio::time::timeout(self.statement_deadline, fetched).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => Err(sink_error(doing, error)),
            Err(_) => Err(Failure::Deadline(self.statement_deadline).into_sink_error(doing)),
        }
    }

    /// Opens a transaction that may write: waits here for other writers, not half-way.
    pub(super) async fn begin(&mut self) -> Result<(), SinkError> {
        self.check_file()?;
        self.execute(
            "begin a transaction",
            "BEGIN IMMEDIATE",
            SqliteArguments::default(),
        )
        .await?;
        Ok(())
    }

    /// Ends the transaction: commits what went well, rolls back what did not.
    pub(super) async fn end<T>(&mut self, result: Result<T, SinkError>) -> Result<T, SinkError> {
        match result {
            Ok(value) => self.commit().await.map(|()| value),
            Err(error) => Err(self.roll_back_after(error).await),
        }
    }

    /// Commits.
    ///
    /// # Errors
    /// With an unknown result unless SQLite said why it did not commit and left the transaction
    /// open; it is rolled back then.
    pub(super) async fn commit(&mut self) -> Result<(), SinkError> {
        self.may_commit.store(true, Ordering::Release);
        let committed = self
            .run("COMMIT".to_owned(), SqliteArguments::default())
            .await;
        self.may_commit.store(false, Ordering::Release);
        let failure = match committed {
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        let known = match &failure {
            Failure::Driver(error) if classify::is_foreign_key(error) => SinkError::stop(
                "a deferred foreign key does not hold at the end of the batch, and sqlite does \
                 not say for which row: declare it without DEFERRABLE INITIALLY DEFERRED",
            ),
            Failure::Driver(error) if classify::is_no_transaction(error) => {
                SinkError::retry("sqlite ended the transaction by itself and rolled it back")
            }
            Failure::Driver(error) if classify::is_busy(error) => {
                SinkError::retry("sqlite cannot commit: the database is locked")
            }
            _ => return Err(failure.into_sink_error("commit").with_unknown_commit()),
        };
        Err(self.roll_back_after(known).await)
    }

    /// Rolls back; a transaction that SQLite has ended by itself is fine.
    pub(super) async fn roll_back(&mut self) -> Result<(), SinkError> {
        match self
            .run("ROLLBACK".to_owned(), SqliteArguments::default())
            .await
        {
            Ok(_) => Ok(()),
            Err(Failure::Driver(error)) if classify::is_no_transaction(&error) => Ok(()),
            Err(failure) => Err(failure.into_sink_error("roll back").losing_connection()),
        }
    }

    /// Rolls back because of `error`, and returns it.
    pub(super) async fn roll_back_after(&mut self, error: SinkError) -> SinkError {
        if error.connection_lost() {
            return error;
        }
        match self.roll_back().await {
            Ok(()) => error,
            Err(_) => error.losing_connection(),
        }
    }

    /// Ends the session politely, within a short deadline.
    pub(super) async fn close(self) {
        match tokio::time::timeout(CLOSE_DEADLINE, self.inner.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "closing the sqlite session failed"),
            Err(_) => tracing::debug!("closing the sqlite session took too long"),
        }
    }

    async fn run(&mut self, sql: String, arguments: SqliteArguments) -> Result<u64, Failure> {
        #[cfg(test)]
        {
            self.inserts += usize::from(sql.starts_with("INSERT"));
        }
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
        let executed = query.execute(&mut self.inner);
        match tokio::time::timeout(self.statement_deadline, executed).await {
            Ok(Ok(done)) => Ok(done.rows_affected()),
            Ok(Err(error)) => Err(Failure::Driver(error)),
            Err(_) => Err(Failure::Deadline(self.statement_deadline)),
        }
    }

    /// A deleted or replaced file stays writable through the old handle, and all that is written
    /// there disappears with it.
    fn check_file(&self) -> Result<(), SinkError> {
        if FileIdentity::of(&self.path)? == self.identity {
            return Ok(());
        }
        Err(moved(&self.path))
    }
}

/// Why a statement has no result.
enum Failure {
    Driver(sqlx::Error),
    Deadline(Duration),
}

impl Failure {
    fn into_sink_error(self, doing: &str) -> SinkError {
        match self {
            Self::Driver(error) => sink_error(doing, error),
            Self::Deadline(deadline) => SinkError::retry(format!(
                "sqlite cannot {doing}: no answer within {} ms",
                deadline.as_millis()
            ))
            .past_deadline()
            .losing_connection(),
        }
    }
}

fn check_folder(path: &Path) -> Result<(), SinkError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => return Ok(()),
    };
    if folder.is_dir() {
        return Ok(());
    }
    Err(SinkError::stop(format!(
        "the folder {} of the sqlite database does not exist: create it or correct connection.url",
        folder.display()
    )))
}

/// The switch to write-ahead logging does not wait for locks by itself, so several sessions that
/// open a new file at once must try again.
async fn connect(
    path: &Path,
    timeouts: &SinkTimeouts,
    is_first: bool,
) -> Result<SqliteConnection, SinkError> {
    let options = connect_options(path, timeouts);
    let started = Instant::now();
    let refused = loop {
        let remaining = timeouts.connect.saturating_sub(started.elapsed());
        match tokio::time::timeout(remaining, options.connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) if classify::is_busy(&error) && !remaining.is_zero() => {
                let pause = fastrand::u64(1..=BUSY_PAUSE_MS_MAX);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            Ok(Err(error)) => break error,
            Err(_) => {
                return Err(SinkError::retry(format!(
                    "sqlite cannot open {}: no answer within {} ms",
                    path.display(),
                    timeouts.connect.as_millis()
                )));
            }
        }
    };
    if is_first && (classify::is_cannot_open(&refused) || classify::is_read_only(&refused)) {
        return Err(SinkError::stop(format!(
            "sqlite cannot open {}: it must be a file that this process may write, in a folder \
             that it may write to",
            path.display()
        ))
        .with_source(refused));
    }
    Err(sink_error(&format!("open {}", path.display()), refused))
}

fn connect_options(path: &Path, timeouts: &SinkTimeouts) -> SqliteConnectOptions {
    // The driver takes milliseconds as i32 and panics beyond.
    let longest = Duration::from_millis(i32::MAX.unsigned_abs().into());
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(timeouts.lock.min(longest))
        .pragma("wal_autocheckpoint", WAL_AUTOCHECKPOINT_PAGES)
        .pragma("cache_size", CACHE_SIZE_KIB)
        .statement_cache_capacity(STATEMENT_CACHE_CAPACITY)
        .thread_name(|number| format!("sqlite-{number}"))
        .disable_statement_logging()
}

fn moved(path: &Path) -> SinkError {
    SinkError::retry(format!(
        "the sqlite database {} was deleted or replaced while it was open",
        path.display()
    ))
    .losing_connection()
}

/// Which file a path leads to.
#[derive(Debug, PartialEq, Eq)]
struct FileIdentity {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
}

impl FileIdentity {
    fn of(path: &Path) -> Result<Self, SinkError> {
        let metadata = std::fs::metadata(path).map_err(|error| moved(path).with_source(error))?;
        #[cfg(not(unix))]
        let _ = metadata;
        Ok(Self {
            #[cfg(unix)]
            device_and_inode: {
                use std::os::unix::fs::MetadataExt;
                (metadata.dev(), metadata.ino())
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    async fn open(path: &Path, statement: Duration) -> Connection {
        let timeouts = SinkTimeouts {
            statement,
            ..SinkTimeouts::default()
        };
        Connection::open(path, &timeouts, true).await.unwrap()
    }

    async fn run(connection: &mut Connection, sql: &str) -> u64 {
        connection
            .execute("test", sql, SqliteArguments::default())
            .await
            .unwrap()
    }

    /// COMMIT is not answered within its deadline, and happens, or not, only afterwards.
    async fn check_late_commit(happens: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("target.db");
        let mut setup = open(&path, Duration::from_secs(60)).await;
        setup.begin().await.unwrap();
        run(&mut setup, "CREATE TABLE t (v INTEGER)").await;
        setup.commit().await.unwrap();

        let mut late = open(&path, Duration::from_millis(300)).await;
        let (answer, answered) = mpsc::channel();
        let wait = move || answered.recv().unwrap_or(false);
        late.inner
            .lock_handle()
            .await
            .unwrap()
            .set_commit_hook(wait);
        late.begin().await.unwrap();
        run(&mut late, "INSERT INTO t VALUES (1)").await;
        let error = late.commit().await.unwrap_err();
        assert!(error.commit_unknown() && error.connection_lost(), "{error}");
        drop(late);

        // Whoever wants to know waits until it is decided.
        let mut next = open(&path, Duration::from_secs(60)).await;
        let asked = tokio::spawn(async move {
            next.begin().await.unwrap();
            let rows = run(&mut next, "UPDATE t SET v = v").await;
            next.roll_back().await.unwrap();
            rows
        });
        answer.send(happens).unwrap();
        assert_eq!(asked.await.unwrap(), u64::from(happens));
    }

    #[tokio::test]
    async fn an_unanswered_commit_is_settled_by_the_next_transaction() {
        check_late_commit(true).await;
        check_late_commit(false).await;
    }

    #[tokio::test]
    async fn sessions_are_prepared_for_exactly_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = open(&folder.path().join("target.db"), Duration::from_secs(60)).await;
        for (pragma, expected) in [
            ("journal_mode", "wal"),
            ("synchronous", "1"),
            ("foreign_keys", "1"),
            ("busy_timeout", "10000"),
            ("wal_autocheckpoint", "4000"),
        ] {
            let sql = format!("PRAGMA {pragma}");
            let rows = connection
                .fetch("test", sql, SqliteArguments::default())
                .await
                .unwrap();
            let value: String = sqlx::Row::get_unchecked(&rows[0], 0);
            assert_eq!(value, expected, "{pragma}");
        }
    }
}
