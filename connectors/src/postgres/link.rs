//! One connection: its driver task, its deadlines, and what its errors come to.
//!
//! Requests are pipelined by starting several before the first is answered: [`start`] sends one
//! and [`Started::answer`] waits for it. The server handles them in the order in which they were
//! started. It answers each by itself, so **what is pipelined behind a statement that fails is
//! still executed**: inside a transaction it fails too, outside it would commit alone. Whatever is
//! sent before `BEGIN` is known to have worked must therefore be harmless without it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Connection};

use super::classify;
use super::encode::EncodeError;
use crate::error::{ErrorClass, SinkError};

/// How long a polite end may take; the server notices a closed socket anyway.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// A connection whose socket closes when this is dropped.
pub(super) struct Link {
    client: Client,
    driver: Driver,
    /// Why the connection ended by itself.
    ended: Arc<OnceLock<String>>,
    deadline: Duration,
}

/// The task that moves bytes; the socket closes with it.
struct Driver(JoinHandle<()>);

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
        let ended = Arc::new(OnceLock::new());
        let driver = Driver(tokio::spawn(drive(connection, Arc::clone(&ended))));
        Self {
            client,
            driver,
            ended,
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
        if let Ok(outcome) = tokio::time::timeout(self.deadline, work).await {
            return Ok(outcome);
        }
        self.cut();
        Err(SinkError::retry(format!(
            "cannot {action}: postgresql did not answer within {} s; the connection was cut",
            self.deadline.as_secs_f32()
        ))
        .past_deadline()
        .losing_connection())
    }

    /// Closes the socket at once.
    pub(super) fn cut(&self) {
        self.driver.0.abort();
    }

    /// Tells the server goodbye, within a short deadline.
    pub(super) async fn close(self) {
        let Self {
            client, mut driver, ..
        } = self;
        // The driver says goodbye when the last request handle is gone, and then ends.
        drop(client);
        let ended = tokio::time::timeout(CLOSE_DEADLINE, &mut driver.0).await;
        if ended.is_err() {
            tracing::debug!("postgresql did not take the goodbye in time");
        }
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

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The reason is set before the connection is dropped, which is when waiting requests fail.
async fn drive<S, T>(connection: Connection<S, T>, ended: Arc<OnceLock<String>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = std::pin::pin!(connection);
    let Err(error) = connection.as_mut().await else {
        return;
    };
    let reason = match error.as_db_error() {
        Some(refusal) => classify::statement_error("stay connected", refusal).to_string(),
        None => match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    };
    tracing::debug!(%reason, "connection to postgresql ended");
    ended.get_or_init(|| reason);
}
