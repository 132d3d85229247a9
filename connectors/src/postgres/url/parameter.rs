//! The URL parameters of both forms, and what each does here.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use tokio_postgres::config::ChannelBinding;

use super::{ConnectionUrl, Host, TlsMode, UrlError};

/// Parameters that tune another driver or repeat what is always done here; none of them changes
/// what is written.
const PASSED_OVER: &[&str] = &[
    "adaptiveFetch",
    "adaptiveFetchMaximum",
    "adaptiveFetchMinimum",
    "allowEncodingChanges",
    "assumeMinServerVersion",
    "autosave",
    "binaryTransfer",
    "binaryTransferDisable",
    "binaryTransferEnable",
    "cancelSignalTimeout",
    "cleanupSavepoints",
    "client_encoding",
    "databaseMetadataCacheFields",
    "databaseMetadataCacheFieldsMiB",
    "defaultRowFetchSize",
    "disableColumnSanitiser",
    "escapeSyntaxCallMode",
    "fallback_application_name",
    "hideUnprivilegedObjects",
    "hostRecheckSeconds",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "logServerErrorDetail",
    "logUnclosedConnections",
    "loggerFile",
    "loggerLevel",
    "loginTimeout",
    "logLevel",
    "maxResultBuffer",
    "maxSendBufferSize",
    "preferQueryMode",
    "prepareThreshold",
    "preparedStatementCacheQueries",
    "preparedStatementCacheSizeMiB",
    "quoteReturningIdentifiers",
    "reWriteBatchedInserts",
    "receiveBufferSize",
    "sendBufferSize",
    "sslResponseTimeout",
    "stringtype",
    "tcpKeepAlive",
    "tcpNoDelay",
    "tcp_user_timeout",
    "unknownLength",
    "useServerPrepare",
];

/// Applies one parameter.
pub(super) fn apply(url: &mut ConnectionUrl, name: &str, value: &str) -> Result<(), UrlError> {
    match name {
        "user" => url.user = Some(value.to_owned()),
        "password" => url.password = Some(SecretString::from(value)),
        "dbname" | "PGDBNAME" => url.database = Some(value.to_owned()),
        "host" => set_hosts(url, name, value)?,
        "port" => set_ports(url, name, value)?,
        "currentSchema" => url.search_path = schemas(value),
        "ApplicationName" | "application_name" => url.application_name = Some(value.to_owned()),
        "connectTimeout" | "connect_timeout" => url.connect_timeout = seconds(name, value)?,
        "socketTimeout" => url.socket_timeout = seconds(name, value)?,
        "options" => url.server_options = Some(value.to_owned()),
        "loadBalanceHosts" | "load_balance_hosts" => {
            url.balances_hosts = one_of(name, value, BALANCING)?;
        }
        "channelBinding" | "channel_binding" => {
            url.channel_binding = one_of(name, value, CHANNEL_BINDINGS)?;
        }
        "targetServerType" | "target_session_attrs" => require_writable(name, value)?,
        "readOnly" => require(name, value, "false", "the sink must write")?,
        "gssEncMode" | "gssencmode" => refuse_gss(name, value)?,
        "replication" => require(name, value, "false", "the sink is no replica")?,
        _ if apply_tls(url, name, value)? => {}
        _ if PASSED_OVER.contains(&name) => url.passed_over.push(name.to_owned()),
        _ => return Err(UrlError::UnknownParameter(name.to_owned())),
    }
    Ok(())
}

/// `false`: no parameter about TLS.
fn apply_tls(url: &mut ConnectionUrl, name: &str, value: &str) -> Result<bool, UrlError> {
    match name {
        "sslmode" => url.tls.mode = one_of(name, value, TLS_MODES)?,
        // The JDBC driver takes `ssl=true` for the strictest mode, unless sslmode says otherwise.
        "ssl" if matches!(value, "true" | "") => {
            if url.tls.mode == TlsMode::default() {
                url.tls.mode = TlsMode::VerifyFull;
            }
        }
        "ssl" => require(name, value, "false", "it is either true or false")?,
        "sslfactory" if value == "org.postgresql.ssl.NonValidatingFactory" => {
            url.tls.mode = TlsMode::Require;
        }
        "sslfactory" => {
            const DEFAULT: &str = "org.postgresql.ssl.LibPQFactory";
            require(name, value, DEFAULT, "use sslmode and sslrootcert")?;
        }
        "sslrootcert" => url.tls.root_certificates = Some(PathBuf::from(value)),
        "sslcert" => url.tls.client_certificate = Some(PathBuf::from(value)),
        "sslkey" => url.tls.client_key = Some(PathBuf::from(value)),
        "sslpassword" => {
            return Err(UrlError::Unsupported {
                name: name.to_owned(),
                reason: "name a key file without a password, readable by rowdock alone",
            });
        }
        "sslNegotiation" | "sslnegotiation" => {
            require(
                name,
                value,
                "postgres",
                "direct negotiation is not built in",
            )?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

const TLS_MODES: &[(&str, TlsMode)] = &[
    ("disable", TlsMode::Disable),
    ("allow", TlsMode::Prefer),
    ("prefer", TlsMode::Prefer),
    ("require", TlsMode::Require),
    ("verify-ca", TlsMode::VerifyCa),
    ("verify-full", TlsMode::VerifyFull),
];

const CHANNEL_BINDINGS: &[(&str, ChannelBinding)] = &[
    ("disable", ChannelBinding::Disable),
    ("prefer", ChannelBinding::Prefer),
    ("require", ChannelBinding::Require),
];

const BALANCING: &[(&str, bool)] = &[
    ("true", true),
    ("random", true),
    ("false", false),
    ("disable", false),
];

fn one_of<T: Copy>(name: &str, value: &str, allowed: &[(&str, T)]) -> Result<T, UrlError> {
    let found = allowed.iter().find(|(word, _)| *word == value);
    found
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| UrlError::Value {
            name: name.to_owned(),
            allowed: match name {
                "sslmode" => "one of disable, allow, prefer, require, verify-ca, verify-full",
                "channelBinding" | "channel_binding" => "one of disable, prefer, require",
                _ => "true or false",
            },
        })
}

fn require(name: &str, value: &str, only: &str, reason: &'static str) -> Result<(), UrlError> {
    if value == only {
        return Ok(());
    }
    Err(UrlError::Unsupported {
        name: name.to_owned(),
        reason,
    })
}

/// Every session must be able to write, so whatever includes the primary is met by it.
fn require_writable(name: &str, value: &str) -> Result<(), UrlError> {
    const WRITABLE: &[&str] = &[
        "any",
        "primary",
        "master",
        "preferPrimary",
        "read-write",
        "prefer-primary",
    ];
    if WRITABLE.contains(&value) {
        return Ok(());
    }
    Err(UrlError::Value {
        name: name.to_owned(),
        allowed: "primary: the sink must write",
    })
}

fn refuse_gss(name: &str, value: &str) -> Result<(), UrlError> {
    if matches!(value, "disable" | "allow" | "prefer") {
        return Ok(());
    }
    Err(UrlError::Unsupported {
        name: name.to_owned(),
        reason: "connections are secured by tls: use sslmode",
    })
}

fn seconds(name: &str, value: &str) -> Result<Option<Duration>, UrlError> {
    let seconds: u32 = value.parse().map_err(|_| UrlError::Value {
        name: name.to_owned(),
        allowed: "a whole number of seconds",
    })?;
    Ok((seconds > 0).then(|| Duration::from_secs(u64::from(seconds))))
}

/// `currentSchema` is a search path: names between commas, perhaps in double quotes.
fn schemas(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(str::trim)
        .map(|schema| {
            let inner = schema
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            match inner {
                Some(inner) => inner.replace("\"\"", "\""),
                None => schema.to_owned(),
            }
        })
        .filter(|schema| !schema.is_empty())
        .collect()
}

/// The native form may name hosts, or the directory of a Unix socket, as a parameter.
fn set_hosts(url: &mut ConnectionUrl, name: &str, value: &str) -> Result<(), UrlError> {
    let port = url
        .hosts
        .first()
        .map_or(super::DEFAULT_PORT, |host| host.port);
    url.hosts = value
        .split(',')
        .map(|host| Host {
            name: host.to_owned(),
            port,
        })
        .collect();
    if url.hosts.iter().any(|host| host.name.is_empty()) {
        return Err(UrlError::Value {
            name: name.to_owned(),
            allowed: "host names or the directory of a socket",
        });
    }
    Ok(())
}

/// One port for all hosts, or one for each. After `host`, as libpq writes them.
fn set_ports(url: &mut ConnectionUrl, name: &str, value: &str) -> Result<(), UrlError> {
    let invalid = || UrlError::Value {
        name: name.to_owned(),
        allowed: "one port for all hosts or one for each, after the hosts",
    };
    let ports: Vec<u16> = value
        .split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| invalid())?;
    if url.hosts.is_empty() {
        url.hosts.push(Host {
            name: "localhost".to_owned(),
            port: super::DEFAULT_PORT,
        });
    }
    if ports.len() != 1 && ports.len() != url.hosts.len() {
        return Err(invalid());
    }
    for (index, host) in url.hosts.iter_mut().enumerate() {
        host.port = ports[if ports.len() == 1 { 0 } else { index }];
    }
    Ok(())
}
