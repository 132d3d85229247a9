//! What connection URLs have in common: who logs in where (`user:password@host:port,host/database`), how
//! the connection is secured, and what can be wrong with one. Pure.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::percent::{PlusSign, Undecodable, decode};

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// Host name, address, or, where a database has that, the directory of a Unix socket.
    pub(crate) name: String,
    pub(crate) port: u16,
}

/// What stands between a URL's scheme and its parameters.
#[derive(Debug, Default)]
pub(crate) struct Authority {
    /// In the order of the URL; none when it names none.
    pub(crate) hosts: Vec<Host>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) database: Option<String>,
}

/// How the connection is secured, in a mode of those that the database has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tls<Mode> {
    pub(crate) mode: Mode,
    /// PEM file with the certificates to trust; else the system's.
    pub(crate) root_certificates: Option<PathBuf>,
    pub(crate) client_certificate: Option<PathBuf>,
    pub(crate) client_key: Option<PathBuf>,
}

/// Why a URL was not understood. Holds no value, since any value may be a secret put in the wrong place.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum UrlError {
    #[error("connection url does not start with {known}; write it as {example}")]
    Scheme {
        known: &'static str,
        example: &'static str,
    },
    #[error("connection url names no host; write it as {example}")]
    NoHost { example: &'static str },
    #[error("connection url has an address that is not host or host:port")]
    Address,
    #[error(
        "connection url has percent signs that are not followed by two hexadecimal digits of utf-8 text"
    )]
    Encoding,
    #[error("connection url has the unknown parameter {0:?}; remove it")]
    UnknownParameter(String),
    #[error("connection url parameter {name:?} must be {allowed}")]
    Value { name: String, allowed: &'static str },
    #[error("connection url parameter {name:?} is not supported: {reason}")]
    Unsupported { name: String, reason: &'static str },
    #[error(
        "connection url of the form {0}: is not supported: name the primary, or several hosts of which one is it"
    )]
    Topology(&'static str),
}

impl From<Undecodable> for UrlError {
    fn from(_: Undecodable) -> Self {
        Self::Encoding
    }
}

impl Authority {
    /// Reads what follows the two slashes. Hosts without a port have the default one.
    pub(crate) fn parse(text: &str, plus: PlusSign, default_port: u16) -> Result<Self, UrlError> {
        let (authority, database) = text.split_once('/').unwrap_or((text, ""));
        let (login, addresses) = match authority.rsplit_once('@') {
            Some((login, addresses)) => (Some(login), addresses),
            None => (None, authority),
        };
        let mut parsed = Self::default();
        if let Some(login) = login {
            let (user, password) = match login.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (login, None),
            };
            parsed.user = Some(decode(user, plus)?);
            if let Some(password) = password {
                parsed.password = Some(SecretString::from(decode(password, plus)?));
            }
        }
        for address in addresses.split(',').filter(|address| !address.is_empty()) {
            parsed
                .hosts
                .push(parse_address(address, plus, default_port)?);
        }
        if !database.is_empty() {
            parsed.database = Some(decode(database, plus)?);
        }
        Ok(parsed)
    }
}

/// The parameters of a URL, decoded, in order.
pub(crate) fn parameters(
    query: &str,
    plus: PlusSign,
) -> impl Iterator<Item = Result<(String, String), UrlError>> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name, plus)?, decode(value, plus)?))
    })
}

fn parse_address(address: &str, plus: PlusSign, default_port: u16) -> Result<Host, UrlError> {
    let (name, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (name, after) = rest.split_once(']').ok_or(UrlError::Address)?;
            let port = match after {
                "" => None,
                after => Some(after.strip_prefix(':').ok_or(UrlError::Address)?),
            };
            (name, port)
        }
        None => match address.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (address, None),
        },
    };
    // `address=(host=..)(port=..)` and the like
    if name.is_empty() || name.contains(['(', '=']) {
        return Err(UrlError::Address);
    }
    let port = match port {
        None | Some("") => default_port,
        Some(port) => port.parse().map_err(|_| UrlError::Address)?,
    };
    Ok(Host {
        name: decode(name, plus)?,
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn check(text: &str, hosts: &[(&str, u16)], login: (&str, &str), database: &str) {
        let parsed = Authority::parse(text, PlusSign::Itself, 5).expect(text);
        let found: Vec<(&str, u16)> = parsed
            .hosts
            .iter()
            .map(|host| (host.name.as_str(), host.port))
            .collect();
        assert_eq!(found, hosts, "{text}");
        let password = parsed.password.as_ref().map(ExposeSecret::expose_secret);
        let user = parsed.user.as_deref().unwrap_or_default();
        assert_eq!((user, password.unwrap_or_default()), login, "{text}");
        assert_eq!(parsed.database.unwrap_or_default(), database, "{text}");
    }

    #[test]
    fn hosts_logins_and_databases() {
        check("", &[], ("", ""), "");
        check("a", &[("a", 5)], ("", ""), "");
        check("a:1,b:/d", &[("a", 1), ("b", 5)], ("", ""), "d");
        check("u@[::1]:2/d", &[("::1", 2)], ("u", ""), "d");
        check("u:p%40:@a/d%20e", &[("a", 5)], ("u", "p@:"), "d e");
        check("u:@/d", &[], ("u", ""), "d");
        check("%2Fvar%2Frun/d", &[("/var/run", 5)], ("", ""), "d");
    }

    #[test]
    fn what_is_malformed_is_told_apart() {
        let refused = |text: &str| Authority::parse(text, PlusSign::Itself, 5).err();
        for text in ["a:x", "a:99999", ":1", "[::1", "[::1]x", "(host=a)", "a=b"] {
            assert_eq!(refused(text), Some(UrlError::Address), "{text}");
        }
        for text in ["u%@a", "u:%zz@a", "a/%", "%ff@a"] {
            assert_eq!(refused(text), Some(UrlError::Encoding), "{text}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let found: Result<Vec<(String, String)>, UrlError> =
            parameters("a=b+c&&d&e%3D=%31", PlusSign::Blank).collect();
        let expected = [("a", "b c"), ("d", ""), ("e=", "1")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found, Ok(expected.to_vec()));
    }
}
