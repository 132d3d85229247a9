//! Reaching a server: address, TLS, log-in, and a session set up for writing.
//!
//! | setting                                      | why                                            |
//! |----------------------------------------------|------------------------------------------------|
//! | strict `sql_mode`                            | a value that does not fit is refused, not bent  |
//! | `READ COMMITTED`                             | no locks between rows                          |
//! | `time_zone` UTC, `utf8mb4`                   | values mean what they say                      |
//! | matched rows are counted                     | a position that moves to where it stands counts |
//! | `innodb_lock_wait_timeout`, `lock_wait_timeout` | waiting for another session ends            |
//! | `wait_timeout`, set with each transaction    | a process that stops in one lets go of it      |
//! | `net_read_timeout`, `net_write_timeout`      | a peer that is cut off within a statement      |
//! | a user lock of the session's own             | the next owner of a partition finds the session by it |
//!
//! A statement that is executing for a client that is gone works on to its end: neither server
//! looks at its client meanwhile. The next owner of the partition ends that session.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, OptsBuilder, SslOpts};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::link::{Link, Server, answers, reason};
use super::schema::text;
use super::sql::{Flavor, literal};
use super::url::{self, ConnectionUrl, Host, TlsMode};
use super::{classify, tls};
use crate::error::{ErrorClass, SinkError};
use crate::options::{SinkOptions, SinkTimeouts};

/// The oldest versions that have all that is used here: row aliases and `SKIP LOCKED`.
const OLDEST_MYSQL: (u32, u32, u32) = (8, 0, 19);
const OLDEST_MARIADB: (u32, u32, u32) = (10, 6, 0);
/// MySQL has vectors from here on.
const FIRST_WITH_VECTORS: (u32, u32, u32) = (9, 0, 0);
/// MariaDB has UUIDs from here on.
const FIRST_WITH_UUIDS: (u32, u32, u32) = (10, 7, 0);
/// Detects a vanished peer.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
/// Statements that a session keeps prepared; the largest takes the server a few megabytes.
const STATEMENTS_MAX: usize = 64;
/// What a session without a transaction may be silent for: it holds nothing. Keepalives find out
/// when its peer is gone.
pub(super) const IDLE_SECONDS_MAX: u64 = 86_400;

/// How to reach the database; made once, used for each session.
#[derive(Clone)]
pub(super) struct Connector {
    url: ConnectionUrl,
    tls: Option<SslOpts>,
    program_name: String,
    /// To connect and log in at one host.
    connect_deadline: Duration,
    pub(super) timeouts: SinkTimeouts,
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
        Ok(Self {
            tls: tls::options(&url.tls)?,
            program_name: options.application_name.clone(),
            connect_deadline: url.connect_timeout.unwrap_or(options.timeouts.connect),
            timeouts: SinkTimeouts {
                statement: url.socket_timeout.unwrap_or(options.timeouts.statement),
                ..options.timeouts
            },
            url,
        })
    }

    /// Opens a session at the first host that can be written to, and prepares it.
    ///
    /// # Errors
    /// *Retry* when no server can be reached or all are replicas, *stop* when one refuses the
    /// log-in, is too old or has settings that cannot work.
    pub(super) async fn open(&self) -> Result<Link, SinkError> {
        let mut hosts: Vec<Option<&Host>> = match &self.url.socket {
            Some(_) => vec![None],
            None => self.url.hosts.iter().map(Some).collect(),
        };
        if self.url.balances_hosts {
            fastrand::shuffle(&mut hosts);
        }
        let mut failed = None;
        for host in hosts {
            match self.open_at(host).await {
                Ok(link) => return Ok(link),
                Err(error) if error.class() == ErrorClass::Stop => return Err(error),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| SinkError::stop("connection.url names no host")))
    }

    /// Longest wait for another session, in the server's unit.
    pub(super) fn lock_seconds(&self) -> u64 {
        seconds(self.timeouts.lock)
    }

    async fn open_at(&self, host: Option<&Host>) -> Result<Link, SinkError> {
        let opening = async {
            let mut connection = self.connect(host).await?;
            let server = self.set_up(&mut connection).await?;
            Ok(Link::new(connection, self.timeouts.statement, server))
        };
        let opened = tokio::time::timeout(self.connect_deadline, opening).await;
        opened.unwrap_or_else(|_| {
            Err(SinkError::retry(format!(
                "cannot connect to the server: no answer within {} s",
                self.connect_deadline.as_secs_f32()
            )))
        })
    }

    /// With TLS where it is offered, unless more is asked for.
    async fn connect(&self, host: Option<&Host>) -> Result<Conn, SinkError> {
        // The driver has none over a Unix socket, which needs none.
        let tls = host.and(self.tls.clone());
        let connected = Conn::new(self.driver_options(host, tls)).await;
        match connected {
            Err(mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer))
                if self.url.tls.mode == TlsMode::Preferred =>
            {
                let plain = Conn::new(self.driver_options(host, None)).await;
                plain.map_err(|error| connect_failure(&error))
            }
            connected => connected.map_err(|error| connect_failure(&error)),
        }
    }

    fn driver_options(&self, host: Option<&Host>, tls: Option<SslOpts>) -> OptsBuilder {
        let mut options = OptsBuilder::default()
            .user(self.url.user.clone())
            .pass(
                self.url
                    .password
                    .as_ref()
                    .map(|secret| secret.expose_secret().to_owned()),
            )
            .db_name(self.url.database.clone())
            .prefer_socket(false)
            .client_found_rows(true)
            .stmt_cache_size(STATEMENTS_MAX)
            .tcp_keepalive(Some(KEEPALIVE_IDLE))
            .connect_attribute("program_name", self.program_name.clone())
            .ssl_opts(tls);
        match host {
            Some(host) => {
                options = options
                    .ip_or_hostname(host.name.clone())
                    .tcp_port(host.port);
            }
            None => {
                let socket = self.url.socket.as_ref();
                options = options.socket(socket.map(|path| path.to_string_lossy()));
            }
        }
        options
    }

    async fn set_up(&self, connection: &mut Conn) -> Result<Server, SinkError> {
        const ACTION: &str = "set up the session";
        let failed = |error: &mysql_async::Error| match error {
            mysql_async::Error::Server(refusal) => classify::statement_error(ACTION, refusal),
            error => SinkError::retry(format!("cannot {ACTION}: {}", reason(error))),
        };
        let version: Option<String> = connection
            .query_first("SELECT VERSION()")
            .await
            .map_err(|error| failed(&error))?;
        let flavor = flavor_of(&version.unwrap_or_default())?;
        let session = format!("rowdock {}", Uuid::new_v4().simple());
        let text = set_up_text(&self.timeouts, flavor);
        let found = answers(connection, &text)
            .await
            .map_err(|error| failed(&error))?;
        let variables = found.last().map(|answer| answer.rows.as_slice());
        let variable = |name: &str| {
            let rows = variables.unwrap_or_default();
            let row = rows.iter().find(|row| text_is(row, name))?;
            self::text(row, 1)
        };
        require_fit(&Settings {
            read_only: [variable("read_only"), variable("innodb_read_only")],
            log_bin: variable("log_bin"),
            binlog_format: variable("binlog_format"),
        })?;
        let packet_bytes_max = variable("max_allowed_packet")
            .and_then(|bytes| bytes.parse().ok())
            .ok_or_else(|| SinkError::retry("the server does not tell its max_allowed_packet"))?;
        // By itself, since a cluster may refuse it.
        let lock = format!("SELECT GET_LOCK({}, 0)", literal(&session));
        let locked = match connection.query_first::<Option<i64>, _>(lock).await {
            Err(mysql_async::Error::Server(refusal)) if classify::is_no_lock(&refusal) => None,
            Err(error) => return Err(failed(&error)),
            Ok(locked) => locked.flatten(),
        };
        if locked != Some(1) {
            tracing::warn!(
                "the server gives no user locks: a stopped worker keeps its partitions until the server's time-outs"
            );
        }
        Ok(Server {
            flavor,
            packet_bytes_max,
            session,
        })
    }
}

fn text_is(row: &mysql_async::Row, name: &str) -> bool {
    text(row, 0).is_some_and(|found| found.eq_ignore_ascii_case(name))
}

/// From `8.4.2` or `10.11.6-MariaDB-1:..`; MariaDB may put `5.5.5-` before it.
fn flavor_of(version: &str) -> Result<Flavor, SinkError> {
    let (flavor, oldest) = if version.contains("MariaDB") {
        (Flavor::MariaDb, OLDEST_MARIADB)
    } else {
        (Flavor::MySql, OLDEST_MYSQL)
    };
    let numbers = version.strip_prefix("5.5.5-").unwrap_or(version);
    let end = numbers.find(|character: char| character != '.' && !character.is_ascii_digit());
    let mut parts = numbers[..end.unwrap_or(numbers.len())]
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    let found: (u32, u32, u32) = (next(), next(), next());
    if found >= oldest {
        return Ok(match flavor {
            Flavor::MySql if found >= FIRST_WITH_VECTORS => Flavor::MySql9,
            Flavor::MariaDb if found < FIRST_WITH_UUIDS => Flavor::MariaDb106,
            flavor => flavor,
        });
    }
    let (first, second, third) = oldest;
    let needed = match flavor {
        Flavor::MySql | Flavor::MySql9 => format!("MySQL {first}.{second}.{third}"),
        Flavor::MariaDb106 | Flavor::MariaDb => format!("MariaDB {first}.{second}"),
    };
    Err(SinkError::stop(format!(
        "the server is {version:?}; rowdock needs {needed} or later"
    )))
}

/// The last statement returns what must be known about the server.
///
/// `NO_ZERO_DATE` is not among the modes: a date that is none comes from a record that says so. What is no
/// date at all is refused without it.
fn set_up_text(timeouts: &SinkTimeouts, flavor: Flavor) -> String {
    let lock = seconds(timeouts.lock);
    // A peer that is cut off in the middle of a statement or of its answer.
    let network = seconds(timeouts.idle_in_transaction);
    let statement_limit = match flavor {
        // The server's own end of a statement comes before the client's, so that it is seen.
        Flavor::MariaDb106 | Flavor::MariaDb => format!(
            ", max_statement_time = {}",
            (timeouts.statement * 9 / 10).as_secs().max(1)
        ),
        Flavor::MySql | Flavor::MySql9 => String::new(),
    };
    format!(
        "SET NAMES utf8mb4; \
         SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_IN_DATE,\
         ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO', \
         time_zone = '+00:00', autocommit = 1, completion_type = 0, foreign_key_checks = 1, \
         unique_checks = 1, innodb_lock_wait_timeout = {lock}, lock_wait_timeout = {lock}, \
         wait_timeout = {IDLE_SECONDS_MAX}, net_read_timeout = {network}, \
         net_write_timeout = {network}{statement_limit}; \
         SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
         SET SESSION TRANSACTION READ WRITE; \
         SHOW VARIABLES WHERE Variable_name IN \
         ('max_allowed_packet', 'read_only', 'innodb_read_only', 'log_bin', 'binlog_format')"
    )
}

/// In the server's unit, which knows no fractions, and for which zero means no time at all.
pub(super) fn seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1_000).clamp(1, 31_536_000) as u64
}

/// Settings of the server that decide whether rows can be written to it.
struct Settings {
    /// That of the server, and that of InnoDB, which alone tells at replicas that share their primary's storage.
    read_only: [Option<String>; 2],
    log_bin: Option<String>,
    binlog_format: Option<String>,
}

fn require_fit(settings: &Settings) -> Result<(), SinkError> {
    // There are several ways to be on: MariaDB has `NO_LOCK`, too.
    let is_on = |value: &Option<String>| {
        let value = value.as_deref();
        value.is_some_and(|value| !(value.eq_ignore_ascii_case("OFF") || value == "0"))
    };
    if settings.read_only.iter().any(is_on) {
        return Err(SinkError::retry(
            "the server is read-only, as replicas are; \
             name the primary in connection.url, or wait until it is one",
        ));
    }
    let format = settings.binlog_format.as_deref();
    let is_statement = format.is_some_and(|format| format.eq_ignore_ascii_case("STATEMENT"));
    if is_statement && is_on(&settings.log_bin) {
        return Err(SinkError::stop(
            "the server's binlog_format is STATEMENT, which cannot log what is written under \
             READ COMMITTED; set binlog_format=ROW on the server, or MIXED",
        ));
    }
    Ok(())
}

/// Refused log-ins are classified by their code. Of the rest, certificates and missing TLS need a
/// person; the network may come back.
fn connect_failure(error: &mysql_async::Error) -> SinkError {
    const ACTION: &str = "connect to the server";
    if let mysql_async::Error::Server(refusal) = error {
        return classify::statement_error(ACTION, refusal);
    }
    let advice = match error {
        mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            "the server offers no tls, which sslMode in connection.url requires"
        }
        mysql_async::Error::Driver(
            DriverError::UnknownAuthPlugin { .. }
            | DriverError::CleartextPluginDisabled
            | DriverError::MysqlOldPasswordDisabled,
        ) => "use another way to authenticate the user, such as caching_sha2_password",
        mysql_async::Error::Io(mysql_async::IoError::Tls(error)) if !is_cut_off(error) => {
            "check sslMode, ssl-ca, ssl-cert and ssl-key in connection.url"
        }
        error => {
            return SinkError::retry(format!("cannot {ACTION}: {}", reason(error)));
        }
    };
    SinkError::stop(format!("cannot {ACTION}: {}; {advice}", reason(error)))
}

/// Whether a handshake ended because the connection did, as when the server dies: OpenSSL passes a
/// reset on as the I/O error that it is, and has words of its own for an end.
fn is_cut_off(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<std::io::Error>() {
            return true;
        }
        cause = error.source();
    }
    error.to_string().to_lowercase().contains("unexpected eof")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let check = |version: &str, expected: Option<Flavor>| {
            assert_eq!(flavor_of(version).ok(), expected, "{version}");
        };
        check("8.0.19", Some(Flavor::MySql));
        check("8.4.6", Some(Flavor::MySql));
        check("9.7.4-2", Some(Flavor::MySql9));
        check("8.0.18-log", None);
        check("5.7.44", None);
        check("10.11.18-MariaDB-0+deb12u1", Some(Flavor::MariaDb));
        check("5.5.5-10.6.1-MariaDB", Some(Flavor::MariaDb106));
        check("10.7.1-MariaDB", Some(Flavor::MariaDb));
        check("11.8.2-MariaDB-ubu2404", Some(Flavor::MariaDb));
        check("10.5.27-MariaDB", None);
        check("", None);
    }

    #[test]
    fn servers_that_cannot_be_written_to() {
        let check = |read_only: [&str; 2], log_bin: &str, format: &str, expected| {
            let fit = require_fit(&Settings {
                read_only: read_only.map(|value| Some(value.to_owned())),
                log_bin: Some(log_bin.to_owned()),
                binlog_format: Some(format.to_owned()),
            });
            assert_eq!(fit.err().map(|error| error.class()), expected);
        };
        check(["OFF", "OFF"], "ON", "ROW", None);
        check(["0", "0"], "OFF", "STATEMENT", None);
        check(["ON", "OFF"], "ON", "ROW", Some(ErrorClass::Retry));
        check(["NO_LOCK", "OFF"], "ON", "ROW", Some(ErrorClass::Retry));
        check(["OFF", "ON"], "ON", "ROW", Some(ErrorClass::Retry));
        check(["OFF", "OFF"], "ON", "STATEMENT", Some(ErrorClass::Stop));
        let untold = Settings {
            read_only: [None, None],
            log_bin: None,
            binlog_format: None,
        };
        assert!(require_fit(&untold).is_ok());
    }

    #[test]
    fn whole_seconds_and_never_none() {
        assert_eq!(seconds(Duration::ZERO), 1);
        assert_eq!(seconds(Duration::from_millis(1_001)), 2);
        assert_eq!(seconds(Duration::from_secs(10)), 10);
    }
}
