//! What the JDBC sinks have in common: the database is the URL's.

use super::{TheirKey, Translation};
use crate::config::plugins;

pub(super) const URL: &str = "connection.url";

/// All keys of the connection that are not the sink's own.
pub(super) const DRIVER_PROPERTIES: &str = "connection.*";

/// Databases by the scheme of their JDBC URL, and our class for each.
const DATABASES: &[(&str, &str)] = &[
    ("postgresql", "PostgresSink"),
    ("mysql", "MySqlSink"),
    ("mariadb", "MySqlSink"),
    ("sqlite", "SqliteSink"),
];

pub(super) const PER_TASK: &str =
    "every task has one connection of its own, for as long as it runs";
pub(super) const ONE_ROW_PER_KEY: &str = "a batch holds one row per key anyway, the newest";
pub(super) const IN_BULK: &str = "rows are always written in bulk";
pub(super) const NO_JAVA: &str = "Java classes cannot be loaded";
pub(super) const NOT_A_TARGET: &str = "it is for a database that is not written to here";

/// Chooses the class by `connection.url`.
pub(super) fn choose_class(translation: &mut Translation<'_>) {
    let Some(url) = translation.given(URL).filter(|url| !url.is_empty()) else {
        return;
    };
    let scheme = url
        .strip_prefix("jdbc:")
        .unwrap_or(url)
        .split(':')
        .next()
        .unwrap_or_default();
    let found = DATABASES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(scheme));
    if let Some((_, class)) = found
        && plugins::own(class).is_ok()
    {
        translation.class = Some(class);
        return;
    }
    let is_scheme = scheme.chars().all(|next| next.is_ascii_alphanumeric()) && scheme.len() < 20;
    let named = if is_scheme {
        format!("{scheme} databases are not written to")
    } else {
        "no database can be told from it".to_owned()
    };
    let known: Vec<String> = DATABASES
        .iter()
        .filter(|(_, class)| plugins::own(class).is_ok())
        .map(|(scheme, _)| format!("jdbc:{scheme}:"))
        .collect();
    translation.ours.remove(URL);
    translation.errors.push((
        URL.to_owned(),
        format!(
            "Invalid value for configuration {URL}: {named}; it must begin with {}",
            known.join(", ")
        ),
    ));
}

/// Adds driver properties, `connection.<property>`, to the parameters of the URL: they mean the
/// same there, and there the sink says what it makes of each.
pub(super) fn add_driver_properties(translation: &mut Translation<'_>, keys: &[TheirKey]) {
    let Some(Some(url)) = translation.ours.get(URL) else {
        return;
    };
    let mut url = url.clone();
    for (name, value) in translation.theirs {
        let key = keys.iter().find(|key| key.is(name));
        let (Some(DRIVER_PROPERTIES), Some(value)) = (key.map(|key| key.name), value) else {
            continue;
        };
        let property = name.strip_prefix("connection.").unwrap_or(name);
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&format!("{property}={}", percent_encoded(value.trim())));
    }
    translation.ours.insert(URL.to_owned(), Some(url));
}

/// A value as a URL's parameter.
pub(super) fn percent_encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
