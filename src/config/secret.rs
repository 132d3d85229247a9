//! Which settings are secret, and how they are shown: never.

use std::collections::BTreeMap;
use std::fmt;

/// What stands in a secret's place, as Kafka shows it.
pub const HIDDEN: &str = "[hidden]";

/// Parts of key names behind which a secret may stand. Wide on purpose: hiding a harmless value
/// costs little.
const SECRET_PARTS: &[&str] = &[
    "pass",
    "pasw",
    "pwd",
    "secret",
    "jaas",
    "oauthbearer.config",
    "token",
    "credential",
    "user.info",
    "keystore.key",
    "key.pem",
    "private.key",
    "api.key",
    "apikey",
    "access.key",
];

/// Whether the value of a key may be a secret, judged by the key's name. Good for keys nobody has
/// defined, a mistyped `conection.password` among them.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET_PARTS.iter().any(|part| key.contains(part))
}

/// The value as it may be shown.
pub fn shown<'a>(key: &str, value: &'a str) -> &'a str {
    if is_secret(key) { HIDDEN } else { value }
}

/// A map of settings whose secrets do not show in `Debug`.
pub struct Redacted<'a>(pub &'a BTreeMap<String, String>);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(key, value)| (key, shown(key, value)));
        formatter.debug_map().entries(shown).finish()
    }
}

/// An address of a database without user information and without its query, both of which may
/// hold a password.
pub fn without_credentials(url: &str) -> String {
    let (address, has_query) = match url.split_once('?') {
        Some((address, _)) => (address, true),
        None => (url, false),
    };
    let mut shown = match (address.find("://"), address.rfind('@')) {
        (Some(scheme_end), Some(at)) if at > scheme_end => {
            format!("{}{HIDDEN}{}", &address[..scheme_end + 3], &address[at..])
        }
        _ => address.to_owned(),
    };
    if has_query {
        shown.push('?');
        shown.push_str(HIDDEN);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        let check = |key: &str, expected: bool| assert_eq!(is_secret(key), expected, "{key}");
        check("connection.password", true);
        check("conection.Password", true);
        check("connection.pasword", true);
        check("sasl.jaas.config", true);
        check("ssl.keystore.key", true);
        check("ssl.keystore.location", false);
        check("basic.auth.user.info", true);
        check("sasl.username", false);
        check("connection.url", false);
        check("topics", false);
    }

    #[test]
    fn addresses_are_shown_without_credentials() {
        let check = |url: &str, expected: &str| assert_eq!(without_credentials(url), expected);
        check(
            "jdbc:postgresql://db:5432/shop",
            "jdbc:postgresql://db:5432/shop",
        );
        check(
            "postgresql://ann:s3cret@db/shop",
            "postgresql://[hidden]@db/shop",
        );
        check(
            "postgresql://ann:a@b@db/shop",
            "postgresql://[hidden]@db/shop",
        );
        check(
            "jdbc:postgresql://db/shop?user=ann&password=s3cret",
            "jdbc:postgresql://db/shop?[hidden]",
        );
        check("jdbc:sqlite:/tmp/shop.db", "jdbc:sqlite:/tmp/shop.db");
        check("", "");
    }

    #[test]
    fn maps_are_printed_without_secrets() {
        let map = BTreeMap::from([
            ("fetch.min.bytes".to_owned(), "5".to_owned()),
            ("sasl.jaas.config".to_owned(), "s3cret".to_owned()),
        ]);
        let printed = format!("{:?}", Redacted(&map));
        assert!(
            printed.contains("\"5\"") && !printed.contains("s3cret"),
            "{printed}"
        );
    }
}
