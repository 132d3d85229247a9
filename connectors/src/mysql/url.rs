//! Connection URLs: the JDBC forms of MySQL's and MariaDB's drivers, and the native form.
//!
//! All become the same [`ConnectionUrl`]. A parameter that changes what is connected to, how
//! securely, or what is written is either obeyed or refused by name; one that only tunes another
//! driver is passed over, and named in [`ConnectionUrl::passed_over`] for the log. No error holds
//! a value, since any value may be a secret put in the wrong place.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::authority::{self, Authority, parameters};
use crate::percent::PlusSign;

pub(super) use crate::authority::{Host, UrlError};

mod parameter;

const DEFAULT_PORT: u16 = 3306;

const SCHEME: UrlError = UrlError::Scheme {
    known: "jdbc:mysql:, jdbc:mariadb: or mysql:",
    example: "jdbc:mysql://host:3306/database",
};

/// What a connection URL says.
#[derive(Debug, Clone, Default)]
pub(super) struct ConnectionUrl {
    /// Tried in order.
    pub(super) hosts: Vec<Host>,
    /// Path of a Unix socket; goes before the hosts.
    pub(super) socket: Option<PathBuf>,
    pub(super) database: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretString>,
    pub(super) tls: Tls,
    pub(super) connect_timeout: Option<Duration>,
    /// Longest wait for the server's answer to one statement.
    pub(super) socket_timeout: Option<Duration>,
    /// Try the hosts in random order.
    pub(super) balances_hosts: bool,
    /// Parameters without effect here.
    pub(super) passed_over: Vec<String>,
}

/// How the connection is secured.
pub(super) type Tls = authority::Tls<TlsMode>;

/// `sslMode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// Never.
    Disabled,
    /// When the server offers it; not verified.
    #[default]
    Preferred,
    /// Always; not verified.
    Required,
    /// Always; signed by a trusted authority.
    VerifyCa,
    /// Always; signed by a trusted authority, for this host.
    VerifyIdentity,
}

/// Reads a connection URL of any form.
///
/// # Errors
/// Names the part that is not understood, never its value.
pub(super) fn parse(text: &str) -> Result<ConnectionUrl, UrlError> {
    let mut url = ConnectionUrl::default();
    let (rest, plus) = strip_scheme(text.trim(), &mut url)?;
    let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
    let location = location.strip_prefix("//").ok_or(SCHEME)?;
    let authority = Authority::parse(location, plus, DEFAULT_PORT)?;
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
    Ok(url)
}

/// JDBC decodes a plus sign as a blank, the native form does not.
fn strip_scheme<'a>(
    text: &'a str,
    url: &mut ConnectionUrl,
) -> Result<(&'a str, PlusSign), UrlError> {
    for (scheme, plus) in [
        ("jdbc:mysql:", PlusSign::Blank),
        ("jdbc:mariadb:", PlusSign::Blank),
        ("mysql:", PlusSign::Itself),
        ("mariadb:", PlusSign::Itself),
    ] {
        if let Some(start) = text.get(..scheme.len())
            && start.eq_ignore_ascii_case(scheme)
        {
            let rest = &text[scheme.len()..];
            return Ok((strip_topology(rest, url)?, plus));
        }
    }
    Err(SCHEME)
}

/// `sequential` is what several hosts always mean here.
fn strip_topology<'a>(rest: &'a str, url: &mut ConnectionUrl) -> Result<&'a str, UrlError> {
    let Some((topology, location)) = rest.split_once(':') else {
        return Ok(rest);
    };
    match topology {
        "sequential" | "failover" => Ok(location),
        "loadbalance" => {
            url.balances_hosts = true;
            Ok(location)
        }
        "replication" => Err(UrlError::Topology("replication")),
        "aurora" => Err(UrlError::Topology("aurora")),
        _ => Ok(rest),
    }
}

#[cfg(test)]
mod tests;
