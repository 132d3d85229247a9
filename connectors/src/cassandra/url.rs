//! Connection URLs: `cassandra://user:password@host:9042,host2/keyspace?localDc=..`, or `scylla://`.
//!
//! Every parameter is obeyed, or refused by name. No error holds a value, since any value may be a
//! secret put in the wrong place.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::authority::{self, Authority, Host, UrlError, parameters};
use crate::percent::PlusSign;

const DEFAULT_PORT: u16 = 9042;

/// Connections to one node; each carries thousands of requests at a time.
const CONNECTIONS_MAX: usize = 16;

/// What a URL looks like.
const EXAMPLE: &str = "cassandra://host:9042/keyspace";

const SCHEME: UrlError = UrlError::Scheme {
    known: "cassandra:// or scylla://",
    example: EXAMPLE,
};

/// What a connection URL says.
#[derive(Debug, Clone, Default)]
pub(super) struct ConnectionUrl {
    /// `host:port`, in the order given: where the cluster is asked for its other nodes.
    pub(super) nodes: Vec<String>,
    /// For tables that are named without one, and for the progress table.
    pub(super) keyspace: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretString>,
    /// `localDc`: nodes of others are asked only when it has none.
    pub(super) local_datacenter: Option<String>,
    pub(super) tls: Tls,
    pub(super) compression: Option<Compression>,
    pub(super) connect_timeout: Option<Duration>,
    /// Longest wait for the answer to one statement.
    pub(super) request_timeout: Option<Duration>,
    /// `connections`: to each node.
    pub(super) connections: Option<usize>,
    /// `speculativeDelay`: a row that is not answered for so long is sent to another node as well.
    pub(super) speculative_delay: Option<Duration>,
}

/// How the connection is secured.
pub(super) type Tls = authority::Tls<TlsMode>;

/// `sslmode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// Never.
    #[default]
    Disable,
    /// Always; not verified.
    Require,
    /// Always; signed by a trusted authority, for the node's address.
    VerifyFull,
}

/// `compression`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Lz4,
    Snappy,
}

/// Reads a connection URL.
///
/// # Errors
/// Names the part that is not understood, never its value.
pub(super) fn parse(text: &str) -> Result<ConnectionUrl, UrlError> {
    let rest = strip_scheme(text.trim()).ok_or(SCHEME)?;
    let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = Authority::parse(location, PlusSign::Itself, DEFAULT_PORT)?;
    if authority.hosts.is_empty() {
        return Err(UrlError::NoHost { example: EXAMPLE });
    }
    let mut url = ConnectionUrl {
        nodes: authority.hosts.iter().map(node).collect(),
        keyspace: authority.database,
        user: authority.user,
        password: authority.password,
        ..ConnectionUrl::default()
    };
    for pair in parameters(query, PlusSign::Itself) {
        let (name, value) = pair?;
        apply(&mut url, &name, &value)?;
    }
    Ok(url)
}

fn strip_scheme(text: &str) -> Option<&str> {
    ["cassandra://", "scylla://"].iter().find_map(|scheme| {
        let start = text.get(..scheme.len())?;
        start
            .eq_ignore_ascii_case(scheme)
            .then(|| &text[scheme.len()..])
    })
}

/// `host:port`, with brackets around addresses that have colons.
fn node(host: &Host) -> String {
    match host.name.contains(':') {
        true => format!("[{}]:{}", host.name, host.port),
        false => format!("{}:{}", host.name, host.port),
    }
}

fn apply(url: &mut ConnectionUrl, name: &str, value: &str) -> Result<(), UrlError> {
    match name.to_ascii_lowercase().as_str() {
        "user" => url.user = Some(value.to_owned()),
        "password" => url.password = Some(SecretString::from(value)),
        "localdc" | "localdatacenter" => url.local_datacenter = Some(value.to_owned()),
        "sslmode" => url.tls.mode = tls_mode(name, value)?,
        "sslrootcert" => url.tls.root_certificates = Some(PathBuf::from(value)),
        "sslcert" => url.tls.client_certificate = Some(PathBuf::from(value)),
        "sslkey" => url.tls.client_key = Some(PathBuf::from(value)),
        "compression" => url.compression = compression(name, value)?,
        "connecttimeout" => url.connect_timeout = Some(milliseconds(name, value)?),
        "requesttimeout" => url.request_timeout = Some(milliseconds(name, value)?),
        "connections" => url.connections = Some(connections(name, value)?),
        "speculativedelay" => url.speculative_delay = Some(milliseconds(name, value)?),
        _ => return Err(UrlError::UnknownParameter(name.to_owned())),
    }
    Ok(())
}

fn wrong(name: &str, allowed: &'static str) -> UrlError {
    UrlError::Value {
        name: name.to_owned(),
        allowed,
    }
}

fn tls_mode(name: &str, value: &str) -> Result<TlsMode, UrlError> {
    match value {
        "disable" => Ok(TlsMode::Disable),
        "require" => Ok(TlsMode::Require),
        "verify-full" => Ok(TlsMode::VerifyFull),
        _ => Err(wrong(name, "disable, require or verify-full")),
    }
}

fn compression(name: &str, value: &str) -> Result<Option<Compression>, UrlError> {
    match value.to_ascii_lowercase().as_str() {
        "none" => Ok(None),
        "lz4" => Ok(Some(Compression::Lz4)),
        "snappy" => Ok(Some(Compression::Snappy)),
        _ => Err(wrong(name, "none, lz4 or snappy")),
    }
}

fn milliseconds(name: &str, value: &str) -> Result<Duration, UrlError> {
    let parsed = value.parse().ok().filter(|milliseconds| *milliseconds > 0);
    let parsed = parsed.map(Duration::from_millis);
    parsed.ok_or_else(|| wrong(name, "a number of milliseconds, at least 1"))
}

fn connections(name: &str, value: &str) -> Result<usize, UrlError> {
    let parsed = value.parse().ok();
    let parsed = parsed.filter(|count| (1..=CONNECTIONS_MAX).contains(count));
    parsed.ok_or_else(|| wrong(name, "a number from 1 to 16"))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn nodes_and_keyspaces() {
        let check = |text: &str, nodes: &[&str], keyspace: Option<&str>| {
            let url = parse(text).unwrap();
            assert_eq!(url.nodes, nodes, "{text}");
            assert_eq!(url.keyspace.as_deref(), keyspace, "{text}");
        };
        check("cassandra://h", &["h:9042"], None);
        check("Scylla://h:1/", &["h:1"], None);
        check("cassandra://a:1,b/shop", &["a:1", "b:9042"], Some("shop"));
        check(
            "cassandra://[::1]:7,[::2]/k%20s",
            &["[::1]:7", "[::2]:9042"],
            Some("k s"),
        );
    }

    #[test]
    fn logins_and_parameters() {
        let url = parse(
            "cassandra://jo%40e:p%2Fw@h/k?localDc=dc1&sslmode=verify-full&sslrootcert=/ca.pem\
             &compression=LZ4&connectTimeout=5&requestTimeout=7&connections=2&speculativeDelay=50",
        )
        .unwrap();
        assert_eq!(url.user.as_deref(), Some("jo@e"));
        assert_eq!(url.password.unwrap().expose_secret(), "p/w");
        assert_eq!(url.local_datacenter.as_deref(), Some("dc1"));
        assert_eq!(url.tls.mode, TlsMode::VerifyFull);
        assert_eq!(url.tls.root_certificates, Some("/ca.pem".into()));
        assert_eq!(url.compression, Some(Compression::Lz4));
        assert_eq!(url.connect_timeout, Some(Duration::from_millis(5)));
        assert_eq!(url.request_timeout, Some(Duration::from_millis(7)));
        assert_eq!(url.connections, Some(2));
        assert_eq!(url.speculative_delay, Some(Duration::from_millis(50)));
    }

    #[test]
    fn errors_name_the_part_and_not_the_value() {
        let check = |text: &str, expected: &str| {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        };
        check("jdbc:cassandra://h", "does not start");
        check("", "does not start");
        check("cassandra:///k", "no host");
        check("cassandra://:9042", "address");
        check("cassandra://h:secret", "address");
        check("cassandra://[::1", "address");
        check("cassandra://h/%zz", "percent");
        check("cassandra://h?colour=secret", "unknown parameter");
        check("cassandra://h?sslmode=secret", "sslmode");
        check("cassandra://h?connections=0", "connections");
        check("cassandra://h?requestTimeout=0", "requestTimeout");
        check("cassandra://h?compression=secret", "compression");
    }
}
