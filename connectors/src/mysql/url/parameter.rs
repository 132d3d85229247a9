//! The URL parameters of all forms, and what each does here. Names are compared without case, as
//! the drivers do it.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::{ConnectionUrl, TlsMode, UrlError};

/// Parameters that tune another driver or repeat what is always done here; none of them changes
/// what is written.
const PASSED_OVER: &[&str] = &[
    "allowLoadLocalInfile",
    "allowLocalInfile",
    "allowMultiQueries",
    "allowNanAndInf",
    "authenticationPlugins",
    "autoReconnect",
    "autoReconnectForPools",
    "cacheCallableStmts",
    "cachePrepStmts",
    "cacheResultSetMetadata",
    "cacheServerConfiguration",
    "characterEncoding",
    "characterSetResults",
    "connectionCollation",
    "connectionTimeZone",
    "databaseTerm",
    "defaultAuthenticationPlugin",
    "defaultFetchSize",
    "disableMariaDbDriver",
    "elideSetAutoCommits",
    "emptyStringsConvertToZero",
    "enabledTLSProtocols",
    "enableQueryTimeouts",
    "failOverReadOnly",
    "forceConnectionTimeZoneToSession",
    "initialTimeout",
    "jdbcCompliantTruncation",
    "logger",
    "maintainTimeStats",
    "maxReconnects",
    "metadataCacheSize",
    "noAccessToProcedureBodies",
    "noDatetimeStringSync",
    "nullCatalogMeansCurrent",
    "nullDatabaseMeansCurrent",
    "padCharsWithSpace",
    "permitMysqlScheme",
    "preserveInstants",
    "prepStmtCacheSize",
    "prepStmtCacheSqlLimit",
    "profileSQL",
    "retriesAllDown",
    "rewriteBatchedStatements",
    "serverTimezone",
    "slowQueryThresholdMillis",
    "tcpKeepAlive",
    "tcpNoDelay",
    "tcpRcvBuf",
    "tcpSndBuf",
    "timezone",
    "tinyInt1isBit",
    "tlsVersions",
    "transformedBitIsBoolean",
    "useAffectedRows",
    "useBatchMultiSend",
    "useBulkStmts",
    "useCompression",
    "useConfigs",
    "useCursorFetch",
    "useInformationSchema",
    "useJDBCCompliantTimezoneShift",
    "useLegacyDatetimeCode",
    "useLocalSessionState",
    "useLocalTransactionState",
    "useMysqlMetadata",
    "useReadAheadInput",
    "useServerPrepStmts",
    "useUnbufferedInput",
    "useUnicode",
    "yearIsDateType",
    "zeroDateTimeBehavior",
];

const KEY_STORES: &str = "name PEM files instead, with ssl-ca, ssl-cert and ssl-key";

/// Applies one parameter.
pub(super) fn apply(url: &mut ConnectionUrl, name: &str, value: &str) -> Result<(), UrlError> {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "user" => url.user = Some(value.to_owned()),
        "password" | "password1" => url.password = Some(SecretString::from(value)),
        "socket" | "localsocket" => url.socket = Some(PathBuf::from(value)),
        "connecttimeout" => url.connect_timeout = milliseconds(name, value)?,
        "sockettimeout" => url.socket_timeout = milliseconds(name, value)?,
        "sessionvariables" | "initsql" | "connectioninitsql" => require(
            name,
            value,
            "",
            "rowdock sets its sessions up by itself; set the variable for the user or the server",
        )?,
        "allowpublickeyretrieval" => require(
            name,
            value,
            "true",
            "without tls the server's key is always asked for; set sslMode=REQUIRED",
        )?,
        "readonly" | "assurereadonly" => require(name, value, "false", "the sink must write")?,
        "socketfactory" => {
            return Err(unsupported(name, "name a unix socket with localSocket"));
        }
        _ if apply_tls(url, name, &lower, value)? => {}
        _ if is_passed_over(&lower) => url.passed_over.push(name.to_owned()),
        _ => return Err(UrlError::UnknownParameter(name.to_owned())),
    }
    Ok(())
}

fn is_passed_over(lower: &str) -> bool {
    PASSED_OVER
        .iter()
        .any(|known| known.eq_ignore_ascii_case(lower))
}

/// `false`: no parameter about TLS.
fn apply_tls(
    url: &mut ConnectionUrl,
    name: &str,
    lower: &str,
    value: &str,
) -> Result<bool, UrlError> {
    match lower {
        "sslmode" | "ssl-mode" => url.tls.mode = tls_mode(name, value)?,
        "usessl" => match boolean(name, value)? {
            true => url.tls.mode = url.tls.mode.max_of(TlsMode::Required),
            false => url.tls.mode = TlsMode::Disabled,
        },
        "requiressl" if boolean(name, value)? => {
            url.tls.mode = url.tls.mode.max_of(TlsMode::Required);
        }
        "verifyservercertificate" if boolean(name, value)? => {
            url.tls.mode = url.tls.mode.max_of(TlsMode::VerifyCa);
        }
        // They only allow what is allowed anyway.
        "requiressl" | "verifyservercertificate" | "trustservercertificate" => {
            boolean(name, value)?;
        }
        "ssl-ca" | "sslca" | "serversslcert" => {
            url.tls.root_certificates = Some(PathBuf::from(value));
        }
        "ssl-cert" | "sslcert" => url.tls.client_certificate = Some(PathBuf::from(value)),
        "ssl-key" | "sslkey" => url.tls.client_key = Some(PathBuf::from(value)),
        "trustcertificatekeystoreurl"
        | "trustcertificatekeystoretype"
        | "trustcertificatekeystorepassword"
        | "clientcertificatekeystoreurl"
        | "clientcertificatekeystoretype"
        | "clientcertificatekeystorepassword"
        | "truststore"
        | "truststorepassword"
        | "truststoretype"
        | "keystore"
        | "keystorepassword"
        | "keystoretype"
        | "keypassword" => return Err(unsupported(name, KEY_STORES)),
        _ => return Ok(false),
    }
    Ok(true)
}

impl TlsMode {
    fn max_of(self, other: Self) -> Self {
        let rank = |mode| {
            TLS_MODES
                .iter()
                .position(|(_, listed)| *listed == mode)
                .unwrap_or_default()
        };
        if rank(self) >= rank(other) {
            self
        } else {
            other
        }
    }
}

/// In rising strictness; the words of Connector/J first, then MariaDB's.
const TLS_MODES: &[(&str, TlsMode)] = &[
    ("DISABLED", TlsMode::Disabled),
    ("PREFERRED", TlsMode::Preferred),
    ("REQUIRED", TlsMode::Required),
    ("VERIFY_CA", TlsMode::VerifyCa),
    ("VERIFY_IDENTITY", TlsMode::VerifyIdentity),
    ("disable", TlsMode::Disabled),
    ("trust", TlsMode::Required),
    ("verify-ca", TlsMode::VerifyCa),
    ("verify-full", TlsMode::VerifyIdentity),
];

fn tls_mode(name: &str, value: &str) -> Result<TlsMode, UrlError> {
    let found = TLS_MODES
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(value));
    found.map(|(_, mode)| *mode).ok_or_else(|| UrlError::Value {
        name: name.to_owned(),
        allowed: "one of DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY",
    })
}

fn boolean(name: &str, value: &str) -> Result<bool, UrlError> {
    match value {
        "true" | "" => Ok(true),
        "false" => Ok(false),
        _ => Err(UrlError::Value {
            name: name.to_owned(),
            allowed: "true or false",
        }),
    }
}

/// Zero stands for no limit, which is the sink's own default here.
fn milliseconds(name: &str, value: &str) -> Result<Option<Duration>, UrlError> {
    let milliseconds: u64 = value.parse().map_err(|_| UrlError::Value {
        name: name.to_owned(),
        allowed: "a number of milliseconds",
    })?;
    Ok((milliseconds > 0).then(|| Duration::from_millis(milliseconds)))
}

fn require(name: &str, value: &str, only: &str, reason: &'static str) -> Result<(), UrlError> {
    if value == only {
        return Ok(());
    }
    Err(unsupported(name, reason))
}

fn unsupported(name: &str, reason: &'static str) -> UrlError {
    UrlError::Unsupported {
        name: name.to_owned(),
        reason,
    }
}
