//! One connection: its driver task, its deadlines, and what its errors come to.
//!
//! Requests are pipelined by starting several before the first is answered: [`start`] sends one
//! and [`Started::answer`] waits for it. The server handles them in the order in which they were
//! started. It answers each by itself, so **what is pipelined behind a statement that fails is
//! still executed**: inside a transaction it fails too, outside it would commit alone. Whatever is
//! sent before `BEGIN` is known to have worked must therefore be harmless without it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{Client, Connection};

use super::classify;
use super::encode::EncodeError;
use crate::error::{ErrorClass, SinkError};

/// How long a polite end may take; the server notices a closed socket anyway.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// A connection whose socket closes when this is dropped.
///
/// The driver's half that moves bytes is not a task of its own, as is usual, but is driven by
/// whoever waits for an answer: a wake-up of another task for each message costs more than the
/// message. Between calls nothing is moved; whatever the server says then is read by the next one.
pub(super) struct Link {
    client: Client,
    /// `None` when it has ended or was cut.
    driver: Mutex<Option<Driver>>,
    /// Why the connection ended by itself.
    ended: OnceLock<String>,
    deadline: Duration,
}

type Driver = Pin<Box<dyn Future<Output = Reply<()>> + Send>>;

/// A request that has been sent.
pub(super) enum Started<'a, T> {
    Waiting(Pin<Box<dyn Future<Output = Reply<T>> + Send + 'a>>),
    /// Done at once: refused before anything was sent.
    Done(Reply<T>),
}

/// What a request came to.
pub(super) type Reply<T> = Result<T, tokio_postgres::Error>;

/// Sends a request, behind all that were started before it.
pub(super) async fn start<'a, T>(
    request: impl Future<Output = Reply<T>> + Send + 'a,
) -> Started<'a, T> {
    let mut request: Pin<Box<dyn Future<Output = Reply<T>> + Send + 'a>> = Box::pin(request);
    let first = poll_fn(|context| match request.as_mut().poll(context) {
        Poll::Ready(reply) => Poll::Ready(Some(reply)),
        Poll::Pending => Poll::Ready(None),
    })
    .await;
    match first {
        Some(reply) => Started::Done(reply),
        None => Started::Waiting(request),
    }
}

impl<T> Started<'_, T> {
    /// Refused before it was sent, or the connection is gone.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self, Self::Done(Err(_)))
    }

    /// Waits for the server's answer.
    pub(super) async fn answer(self) -> Reply<T> {
        match self {
            Self::Waiting(request) => request.await,
            Self::Done(reply) => reply,
        }
    }
}

impl Link {
    /// Takes the connection over and drives it. Every answer is waited for no longer than
    /// `deadline`.
    pub(super) fn new<S, T>(
        client: Client,
        connection: Connection<S, T>,
        deadline: Duration,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self {
            client,
            driver: Mutex::new(Some(Box::pin(connection))),
            ended: OnceLock::new(),
            deadline,
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Waits for an answer, no longer than the deadline.
    ///
    /// # Errors
    /// The server's error, as a statement that carries no rows. Past the deadline the connection
    /// is cut and lost.
    pub(super) async fn answer<T>(
        &self,
        action: &str,
        request: impl Future<Output = Reply<T>>,
    ) -> Result<T, SinkError> {
        let reply = self.in_time(action, request).await?;
        reply.map_err(|error| self.statement_failure(action, error))
    }

    /// Waits for an outcome, no longer than the deadline.
    ///
    /// # Errors
    /// Past the deadline the connection is cut and lost.
    pub(super) async fn in_time<T>(
        &self,
        action: &str,
        work: impl Future<Output = T>,
    ) -> Result<T, SinkError> {
        let driven = self.drive(work);
        if let Ok(outcome) = tokio::time::timeout(self.deadline, driven).await {
            return Ok(outcome);
        }
        self.cut();
        Err(SinkError::retry(format!(
            "cannot {action}: postgresql did not answer within {} s; the connection was cut",
            self.deadline.as_secs_f32()
        ))
        .losing_connection())
    }

    /// Closes the socket at once; whatever waits for an answer fails.
    pub(super) fn cut(&self) {
        *self.driver.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Tells the server goodbye, within a short deadline.
    pub(super) async fn close(self) {
        let Self { client, driver, .. } = self;
        // The driver says goodbye when there can be no more requests, and then ends.
        drop(client);
        let driver = driver.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Some(driver) = driver else {
            return;
        };
        if tokio::time::timeout(CLOSE_DEADLINE, driver).await.is_err() {
            tracing::debug!("postgresql did not take the goodbye in time");
        }
    }

    /// Does the work, and moves its bytes while it waits.
    async fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(outcome) = work.as_mut().poll(context) {
                return Poll::Ready(outcome);
            }
            self.move_bytes(context);
            // What has just been read may be all that was waited for.
            work.as_mut().poll(context)
        })
        .await
    }

    /// Never holds the lock while work is polled, which may itself wait for an answer.
    fn move_bytes(&self, context: &mut Context<'_>) {
        let mut driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(moving) = driver.as_mut() else {
            return;
        };
        let Poll::Ready(end) = moving.as_mut().poll(context) else {
            return;
        };
        if let Err(error) = end {
            let reason = end_reason(&error);
            tracing::debug!(%reason, "connection to postgresql ended");
            self.ended.get_or_init(|| reason);
        }
        // Requests that wait fail now.
        *driver = None;
    }

    /// What the failure of a statement without rows means.
    pub(super) fn statement_failure(
        &self,
        action: &str,
        error: tokio_postgres::Error,
    ) -> SinkError {
        match error.as_db_error() {
            Some(refusal) => classify::statement_error(action, refusal),
            None => self.driver_failure(action, error),
        }
    }

    /// What the failure of a statement with rows, or of their commit, means.
    pub(super) fn row_failure(&self, action: &str, error: tokio_postgres::Error) -> SinkError {
        match error.as_db_error() {
            Some(refusal) => classify::row_error(action, refusal),
            None => self.driver_failure(action, error),
        }
    }

    /// Errors that the server did not send: a value that could not be encoded, else the
    /// connection. The driver's error is kept as source: it holds no values, since those are in
    /// server errors only.
    fn driver_failure(&self, action: &str, error: tokio_postgres::Error) -> SinkError {
        let cause = std::error::Error::source(&error);
        if let Some(unfit) = cause.and_then(|cause| cause.downcast_ref::<EncodeError>()) {
            return SinkError::new(ErrorClass::Record, unfit.to_string());
        }
        let reason = match (self.ended.get(), cause) {
            (Some(ended), _) => ended.clone(),
            (None, Some(cause)) => format!("{error}: {cause}"),
            (None, None) => error.to_string(),
        };
        SinkError::retry(format!(
            "cannot {action}: connection to postgresql lost: {reason}"
        ))
        .losing_connection()
        .with_source(error)
    }
}

fn end_reason(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(refusal) => classify::statement_error("stay connected", refusal).to_string(),
        None => match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}
