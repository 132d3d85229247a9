//! Connection URLs: the JDBC form that Kafka Connect configurations carry, and the native form.
//!
//! Both become the same [`ConnectionUrl`]. A parameter that changes what is connected to, how
//! securely, or what is written is either obeyed or refused by name; one that only tunes another
//! driver is passed over, and named in [`ConnectionUrl::passed_over`] for the log. No error holds
//! a value, since any value may be a secret put in the wrong place.

use std::borrow::Cow;
use std::time::Duration;

use secrecy::SecretString;
use tokio_postgres::config::ChannelBinding;

pub(super) use crate::authority::{Host, UrlError};

mod parameter;

use crate::authority::{self, Authority, parameters};
use crate::percent::PlusSign;

const DEFAULT_PORT: u16 = 5432;

const SCHEME: UrlError = UrlError::Scheme {
    known: "jdbc:postgresql: or postgresql:",
    example: "jdbc:postgresql://host:5432/database",
};

/// What a connection URL says.
#[derive(Debug, Clone)]
pub(super) struct ConnectionUrl {
    /// Tried in order.
    pub(super) hosts: Vec<Host>,
    /// The user's name when `None`, as PostgreSQL has it.
    pub(super) database: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretString>,
    pub(super) tls: Tls,
    /// Schemas for names without one; empty for the server's own setting.
    pub(super) search_path: Vec<String>,
    pub(super) application_name: Option<String>,
    pub(super) connect_timeout: Option<Duration>,
    /// Longest wait for the server's answer to one statement.
    pub(super) socket_timeout: Option<Duration>,
    /// Try the hosts in random order.
    pub(super) balances_hosts: bool,
    /// Server settings as command line options: `-c name=value`.
    pub(super) server_options: Option<String>,
    pub(super) channel_binding: ChannelBinding,
    /// Parameters without effect here.
    pub(super) passed_over: Vec<String>,
}

/// How the connection is secured.
pub(super) type Tls = authority::Tls<TlsMode>;

/// `sslmode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// Never.
    Disable,
    /// When the server offers it; not verified. Also stands for `allow`.
    #[default]
    Prefer,
    /// Always; not verified.
    Require,
    /// Always; signed by a trusted authority.
    VerifyCa,
    /// Always; signed by a trusted authority, for this host.
    VerifyFull,
}

impl ConnectionUrl {
    fn new() -> Self {
        Self {
            hosts: Vec::new(),
            database: None,
            user: None,
            password: None,
            tls: Tls::default(),
            search_path: Vec::new(),
            application_name: None,
            connect_timeout: None,
            socket_timeout: None,
            balances_hosts: false,
            server_options: None,
            channel_binding: ChannelBinding::Prefer,
            passed_over: Vec::new(),
        }
    }
}

/// Reads a connection URL of either form.
///
/// # Errors
/// Names the part that is not understood, never its value.
pub(super) fn parse(text: &str) -> Result<ConnectionUrl, UrlError> {
    let (rest, plus) = strip_scheme(text.trim())?;
    let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut url = ConnectionUrl::new();
    let location = match location.strip_prefix("//") {
        Some(location) => Cow::Borrowed(location),
        // `jdbc:postgresql:database`, `jdbc:postgresql:/`
        None => Cow::Owned(format!("/{}", location.trim_start_matches('/'))),
    };
    let authority = Authority::parse(&location, plus, DEFAULT_PORT)?;
    url.hosts = authority.hosts;
    url.user = authority.user;
    url.password = authority.password;
    url.database = authority.database;
    for pair in parameters(query, plus) {
        let (name, value) = pair?;
        parameter::apply(&mut url, &name, &value)?;
    }
    if url.hosts.is_empty() {
        url.hosts.push(Host {
            name: "localhost".to_owned(),
            port: DEFAULT_PORT,
        });
    }
    verify_if_roots_are_named(&mut url.tls);
    Ok(url)
}

/// JDBC decodes a plus sign as a blank, the native form does not.
fn strip_scheme(text: &str) -> Result<(&str, PlusSign), UrlError> {
    for (scheme, plus) in [
        ("jdbc:postgresql:", PlusSign::Blank),
        ("postgresql:", PlusSign::Itself),
        ("postgres:", PlusSign::Itself),
    ] {
        if let Some(start) = text.get(..scheme.len())
            && start.eq_ignore_ascii_case(scheme)
        {
            return Ok((&text[scheme.len()..], plus));
        }
    }
    Err(SCHEME)
}

/// As libpq has it: naming authorities means that they are to be checked.
fn verify_if_roots_are_named(tls: &mut Tls) {
    if tls.mode == TlsMode::Require && tls.root_certificates.is_some() {
        tls.mode = TlsMode::VerifyCa;
    }
}

#[cfg(test)]
mod tests;
