//! Reaching a server: address, TLS, log-in, and a session set up for writing.
//!
//! Every session sets its time-outs at the server, so that a process that stops or is cut off
//! cannot hold a partition's row for long:
//!
//! | setting                               | what it ends                                       |
//! |---------------------------------------|----------------------------------------------------|
//! | `lock_timeout`                        | waiting for another session's row                  |
//! | `statement_timeout`                   | a statement, before the client gives up            |
//! | `idle_in_transaction_session_timeout` | a stopped process between two statements           |
//! | `tcp_user_timeout`, keepalives        | a peer that is cut off, at both ends               |
//! | `client_connection_check_interval`    | work for a client that is gone (PostgreSQL 14)     |
//!
//! A process that stops in the middle of a copy is beyond all of these: PostgreSQL does not time
//! out while it waits for a copy's data. The next owner of the partition ends that session.

use std::time::Duration;

use secrecy::ExposeSecret;
use tokio_postgres::config::{LoadBalanceHosts, SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, SimpleQueryMessage};

use super::link::Link;
use super::url::{self, ConnectionUrl, TlsMode};
use super::{classify, sql};
use crate::error::SinkError;
use crate::options::{SinkOptions, SinkTimeouts};

mod tls;

use tls::Encryption;

/// The oldest version that is still of use: it has all statements and settings used here.
const OLDEST_MAJOR_VERSION: u32 = 12;
/// First with `client_connection_check_interval`.
const CONNECTION_CHECK_MAJOR_VERSION: u32 = 14;
/// Detects a vanished peer within about half a minute: after this silence ..
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
/// .. a question this often ..
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// .. and this many unanswered.
const KEEPALIVE_RETRIES: u32 = 3;

const SET_UP: &str = "set up the session";

/// How to reach the database; made once, used for each session.
pub(super) struct Connector {
    config: Config,
    encryption: Encryption,
    /// To connect and log in, all hosts together.
    connect_deadline: Duration,
    timeouts: SinkTimeouts,
    search_path: Vec<String>,
}

/// A session at the server.
pub(super) struct Opened {
    pub(super) link: Link,
    pub(super) backend: Backend,
}

/// The server process behind a session.
#[derive(Debug, Clone)]
pub(super) struct Backend {
    pub(super) process_id: i32,
    /// Process id and start time: what [`end_session`](super::progress) finds it by.
    pub(super) identity: String,
}

impl Connector {
    /// Reads the URL and the files that it names.
    ///
    /// # Errors
    /// *Stop* when either cannot be understood.
    pub(super) fn new(options: &SinkOptions) -> Result<Self, SinkError> {
        let mut url = url::parse(&options.url)
            .map_err(|error| SinkError::stop(error.to_string()).with_source(error))?;
        if !url.passed_over.is_empty() {
            let parameters = url.passed_over.join(", ");
            tracing::warn!(%parameters, "connection url parameters have no effect here");
        }
        if let Some(user) = &options.user {
            url.user = Some(user.clone());
        }
        if let Some(password) = &options.password {
            url.password = Some(password.clone());
        }
        let timeout = url.connect_timeout.unwrap_or(options.timeouts.connect);
        let timeouts = SinkTimeouts {
            statement: url.socket_timeout.unwrap_or(options.timeouts.statement),
            ..options.timeouts
        };
        let hosts = u32::try_from(url.hosts.len()).unwrap_or(u32::MAX);
        Ok(Self {
            config: driver_config(&url, options, timeout, timeouts.statement),
            encryption: Encryption::new(&url.tls)?,
            connect_deadline: timeout.saturating_mul(hosts),
            timeouts,
            search_path: url.search_path,
        })
    }

    /// Opens a session and prepares it for writing.
    ///
    /// # Errors
    /// *Retry* when the server cannot be reached, is a replica or lets the session only read, *stop* when it refuses the
    /// log-in or is too old.
    pub(super) async fn open(&self) -> Result<Opened, SinkError> {
        let connecting = self.connect();
        let connected = tokio::time::timeout(self.connect_deadline, connecting).await;
        let (link, major_version) = connected.map_err(|_| {
            SinkError::retry(format!(
                "cannot connect to postgresql: no answer within {} s",
                self.connect_deadline.as_secs_f32()
            ))
        })??;
        let backend = self.set_up(&link, major_version).await?;
        Ok(Opened { link, backend })
    }

    async fn connect(&self) -> Result<(Link, u32), SinkError> {
        match &self.encryption {
            Encryption::Never => self.connect_with(tokio_postgres::NoTls).await,
            Encryption::WithAnyone(tls) => self.connect_with(*tls).await,
            Encryption::AsSet(tls) => self.connect_with(tls.clone()).await,
        }
    }

    async fn connect_with<T>(&self, tls: T) -> Result<(Link, u32), SinkError>
    where
        T: tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket>,
        T::Stream: Send + 'static,
    {
        let (client, connection) = self.config.connect(tls).await.map_err(connect_failure)?;
        let version = connection.parameter("server_version").unwrap_or_default();
        let major_version = major_version(version);
        if major_version < OLDEST_MAJOR_VERSION {
            return Err(SinkError::stop(format!(
                "the server is postgresql {version:?}; rowdock needs {OLDEST_MAJOR_VERSION} or later"
            )));
        }
        let link = Link::new(client, connection, self.timeouts.statement);
        Ok((link, major_version))
    }

    /// All settings but one, and all questions, in one round trip.
    async fn set_up(&self, link: &Link, major_version: u32) -> Result<Backend, SinkError> {
        let text = set_up_text(&self.timeouts, &self.search_path);
        let answers = link
            .answer(SET_UP, link.client().simple_query(&text))
            .await?;
        if major_version >= CONNECTION_CHECK_MAJOR_VERSION {
            check_connection(link).await?;
        }
        let row = answers.iter().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let field = |index| row.and_then(|row| row.try_get(index).ok().flatten());
        if field(0) != Some("f") {
            return Err(SinkError::retry(
                "the server is a read replica or recovering; \
                 name the primary in connection.url, or wait until it is one",
            ));
        }
        if field(1) != Some("off") {
            return Err(SinkError::retry(
                "the session is read-only: default_transaction_read_only is on for the server, the \
                 database or the role; set it to off, or wait until somebody does",
            ));
        }
        let (Some(process_id), Some(started)) = (field(2), field(3)) else {
            return Err(SinkError::stop(
                "the server does not show the session its own row of pg_stat_activity",
            ));
        };
        Ok(Backend {
            process_id: process_id.parse().unwrap_or_default(),
            identity: format!("{process_id} {started}"),
        })
    }
}

/// Has the server look whether the client is still there. Servers on systems that cannot tell, such as
/// Windows, refuse that.
async fn check_connection(link: &Link) -> Result<(), SinkError> {
    let setting = link
        .client()
        .batch_execute("SET client_connection_check_interval = 1000");
    match link.in_time(SET_UP, setting).await? {
        Err(error) if error.code() == Some(&SqlState::INVALID_PARAMETER_VALUE) => {
            tracing::debug!("the server does not look for clients that are gone");
            Ok(())
        }
        Err(error) => Err(link.statement_failure(SET_UP, error)),
        Ok(()) => Ok(()),
    }
}

/// The text that identifies a row of `pg_stat_activity`; every session shows times alike.
pub(super) const SESSION_IDENTITY: &str = "pid || ' ' || backend_start";

fn set_up_text(timeouts: &SinkTimeouts, search_path: &[String]) -> String {
    // The server's own end of a statement comes before the client's, so that it is seen.
    let statement = timeouts.statement * 9 / 10;
    let mut settings = vec![
        ("statement_timeout", milliseconds(statement)),
        // So that what waits for a lock is not taken for what takes too long.
        (
            "lock_timeout",
            milliseconds(timeouts.lock.min(statement / 2)),
        ),
        (
            "idle_in_transaction_session_timeout",
            milliseconds(timeouts.idle_in_transaction),
        ),
        ("tcp_user_timeout", milliseconds(timeouts.statement)),
        ("tcp_keepalives_idle", KEEPALIVE_IDLE.as_secs().to_string()),
        (
            "tcp_keepalives_interval",
            KEEPALIVE_INTERVAL.as_secs().to_string(),
        ),
        ("tcp_keepalives_count", KEEPALIVE_RETRIES.to_string()),
        ("client_encoding", "'UTF8'".to_owned()),
        ("timezone", "'UTC'".to_owned()),
        ("datestyle", "'ISO, YMD'".to_owned()),
        ("standard_conforming_strings", "on".to_owned()),
        ("client_min_messages", "warning".to_owned()),
    ];
    if !search_path.is_empty() {
        let schemas: Vec<String> = search_path.iter().map(|name| sql::quoted(name)).collect();
        settings.push(("search_path", schemas.join(", ")));
    }
    let settings: Vec<String> = settings
        .into_iter()
        .map(|(name, value)| format!("SET {name} = {value}; "))
        .collect();
    format!(
        "{}SELECT pg_catalog.pg_is_in_recovery(), \
                pg_catalog.current_setting('transaction_read_only'), pid, backend_start \
         FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()",
        settings.concat()
    )
}

/// Zero would mean no time-out at all.
fn milliseconds(duration: Duration) -> String {
    let longest = u128::from(i32::MAX.unsigned_abs());
    duration.as_millis().clamp(1, longest).to_string()
}

/// From `15.18 (Debian 15.18-0)` or `18beta1`; 0 when there is none.
fn major_version(version: &str) -> u32 {
    let digits = version.find(|character: char| !character.is_ascii_digit());
    version[..digits.unwrap_or(version.len())]
        .parse()
        .unwrap_or(0)
}

/// `timeout` bounds the connecting, `unanswered` what was sent later.
fn driver_config(
    url: &ConnectionUrl,
    options: &SinkOptions,
    timeout: Duration,
    unanswered: Duration,
) -> Config {
    let mut config = Config::new();
    for host in &url.hosts {
        config.host(&host.name).port(host.port);
    }
    if let Some(database) = &url.database {
        config.dbname(database);
    }
    if let Some(user) = &url.user {
        config.user(user);
    }
    if let Some(password) = &url.password {
        config.password(password.expose_secret());
    }
    if let Some(server_options) = &url.server_options {
        config.options(server_options);
    }
    let application_name = url.application_name.as_ref();
    config
        .application_name(application_name.unwrap_or(&options.application_name))
        .ssl_mode(match url.tls.mode {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        })
        .channel_binding(url.channel_binding)
        .connect_timeout(timeout)
        .tcp_user_timeout(unanswered)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES);
    if url.hosts.len() > 1 {
        // Among several, the one that can be written to. A single one is asked later, for a
        // better message.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if url.balances_hosts {
        config.load_balance_hosts(LoadBalanceHosts::Random);
    }
    config
}

/// Refused log-ins are classified by their code. Of the rest, certificates and missing TLS need a
/// person; the network may come back.
fn connect_failure(error: tokio_postgres::Error) -> SinkError {
    const ACTION: &str = "connect to postgresql";
    if let Some(refusal) = error.as_db_error() {
        return classify::statement_error(ACTION, refusal);
    }
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(deeper) = cause {
        reason = format!("{reason}: {deeper}");
        cause = deeper.source();
    }
    let message = format!("cannot {ACTION}: {reason}");
    const NEEDS_A_PERSON: [&str; 4] = [
        "certificate verify failed",
        "does not support TLS",
        "invalid configuration",
        "authentication error",
    ];
    let failed = if NEEDS_A_PERSON.iter().any(|sign| reason.contains(sign)) {
        SinkError::stop(message)
    } else {
        SinkError::retry(message)
    };
    failed.with_source(error)
}

#[cfg(test)]
mod tests;
