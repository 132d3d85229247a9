//! The database sessions of requests: where a connector stands, its dead letters, a replay.
//!
//! Each task writes by a session of its own. Whatever else is asked of a connector's database is asked
//! by a few sessions that all requests to this worker share, so that a page that is looked at by many
//! people at once does not use up the connections that a database has:
//!
//! * at most [`SESSIONS_MAX`] are open for a connector; who comes when all are in use waits, for at
//!   most [`WAIT_TIME_MAX`];
//! * one that has answered is kept for [`KEPT_TIME_MAX`], and the next request need not log in. Not
//!   for longer, since a connector that is stopped or deleted shall leave no session behind;
//! * one that was kept may have died unnoticed. That says nothing of the database, so a question whose
//!   kept session is lost is asked once more by a new one ([`Lease::ask`]).
//!
//! A session belongs to the config that it was opened for: of another database, user or password,
//! another session is opened, and the kept ones are closed first.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rowdock_connectors::{Session, Sink, SinkError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use crate::config::connector::ConnectorConfig;
use crate::task::{Target, open_sink};

/// Open at a time for requests, per connector and worker: one that is busy for long, such as a
/// replay, leaves another for questions.
pub const SESSIONS_MAX: usize = 2;

/// How long a request waits for a session.
pub const WAIT_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a session is kept for the next request.
pub const KEPT_TIME_MAX: Duration = Duration::from_secs(5);

/// What a session's call returns.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SinkError>> + Send + 'a>>;

/// All of them. Clones share their sessions.
#[derive(Clone, Default)]
pub struct RequestSessions {
    /// By connector; gone when no request uses it and no session is kept.
    pools: Arc<Mutex<HashMap<String, Weak<Pool>>>>,
}

impl fmt::Debug for RequestSessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RequestSessions")
            .finish_non_exhaustive()
    }
}

impl RequestSessions {
    /// A session's place for as long as the lease lives; `label` says in the session's name what it
    /// is for.
    ///
    /// # Errors
    /// *Retry* when all are in use for too long, *stop* when the config names no usable database.
    pub async fn lease(
        &self,
        config: &ConnectorConfig,
        cluster_id: String,
        label: &str,
    ) -> Result<Lease, SinkError> {
        let target = Target::of(config, cluster_id, label);
        let sink = open_sink(target.clone())?;
        let pool = self.pool(&config.name);
        let room = pool.room(&config.name).await?;
        let kept = pool.take_kept(&target).await;
        Ok(Lease {
            may_be_dead: kept.is_some(),
            session: kept,
            target,
            sink,
            pool,
            _room: room,
        })
    }

    fn pool(&self, connector: &str) -> Arc<Pool> {
        let mut pools = lock(&self.pools);
        if let Some(pool) = pools.get(connector).and_then(Weak::upgrade) {
            return pool;
        }
        pools.retain(|_, pool| pool.strong_count() > 0);
        let pool = Arc::new(Pool::default());
        pools.insert(connector.to_owned(), Arc::downgrade(&pool));
        pool
    }
}

/// The sessions of one connector.
struct Pool {
    room: Arc<Semaphore>,
    kept: Mutex<Vec<Kept>>,
}

struct Kept {
    target: Target,
    session: Box<dyn Session>,
    since: Instant,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            room: Arc::new(Semaphore::new(SESSIONS_MAX)),
            kept: Mutex::default(),
        }
    }
}

impl Pool {
    async fn room(&self, connector: &str) -> Result<OwnedSemaphorePermit, SinkError> {
        let permit = timeout(WAIT_TIME_MAX, Arc::clone(&self.room).acquire_owned()).await;
        permit.ok().and_then(Result::ok).ok_or_else(|| {
            SinkError::retry(format!(
                "{SESSIONS_MAX} requests are using the database sessions that connector {connector} \
                 has for requests, and none came free in {} s: try again later",
                WAIT_TIME_MAX.as_secs()
            ))
        })
    }

    /// A session of this target. Those of another are closed, so that no more than
    /// [`SESSIONS_MAX`] are open when one is opened.
    async fn take_kept(&self, target: &Target) -> Option<Box<dyn Session>> {
        let others = {
            let mut kept = lock(&self.kept);
            if let Some(index) = kept.iter().position(|kept| kept.target == *target) {
                return Some(kept.swap_remove(index).session);
            }
            std::mem::take(&mut *kept)
        };
        for other in others {
            other.session.close().await;
        }
        None
    }

    async fn close_old(&self) {
        let is_old = |kept: &mut Kept| kept.since.elapsed() >= KEPT_TIME_MAX;
        let old: Vec<Kept> = lock(&self.kept).extract_if(.., is_old).collect();
        for kept in old {
            kept.session.close().await;
        }
    }
}

/// One session's place, and the session once there is one.
pub struct Lease {
    pool: Arc<Pool>,
    sink: Box<dyn Sink>,
    target: Target,
    session: Option<Box<dyn Session>>,
    /// It was kept, and may have died since its last answer.
    may_be_dead: bool,
    _room: OwnedSemaphorePermit,
}

impl Lease {
    /// The same place at another database.
    #[cfg(test)]
    pub(crate) fn at(self, sink: Box<dyn Sink>) -> Self {
        Self { sink, ..self }
    }

    /// The database.
    pub fn sink(&self) -> &dyn Sink {
        &*self.sink
    }

    /// The session, opened if there is none. After a call that failed it is [`lost`](Self::lost), or
    /// is asked again.
    ///
    /// # Errors
    /// As [`Sink::open`].
    pub async fn session(&mut self) -> Result<&mut dyn Session, SinkError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.sink.open().await?,
        };
        Ok(&mut **self.session.insert(session))
    }

    /// The session is of no more use.
    pub fn lost(&mut self) {
        self.session = None;
    }

    /// Asks one question, and ends the lease. It is asked twice when a session was kept and is lost.
    ///
    /// # Errors
    /// As the session's call.
    pub async fn ask<T>(
        mut self,
        question: impl for<'s> Fn(&'s mut dyn Session) -> Answer<'s, T>,
    ) -> Result<T, SinkError> {
        loop {
            let answer = question(self.session().await?).await;
            match answer {
                Ok(answer) => {
                    self.give_back();
                    return Ok(answer);
                }
                Err(error) if !error.connection_lost() => {
                    self.close().await;
                    return Err(error);
                }
                Err(error) if self.may_be_dead && !error.commit_unknown() => {
                    self.may_be_dead = false;
                    self.lost();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends the lease after a call that went well; the session is kept for the next request.
    pub fn give_back(self) {
        let Some(session) = self.session else {
            return;
        };
        lock(&self.pool.kept).push(Kept {
            target: self.target,
            session,
            since: Instant::now(),
        });
        let pool = self.pool;
        tokio::spawn(async move {
            sleep(KEPT_TIME_MAX).await;
            pool.close_old().await;
        });
    }

    /// Ends the lease, and its session politely.
    pub async fn close(self) {
        if let Some(session) = self.session {
            session.close().await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
