//! What the sinks for Cassandra have in common: nodes that become one `connection.url`, and tables
//! with settings of their own that become the connector's.

use super::{Meaning, TheirKey, Translation, jdbc};
use crate::config::definitions::Kind;
use crate::config::mapping::TableMapping;

pub(super) const OWN_ROUTING: &str =
    "statements always go to a replica of their partition, with the driver's own settings";
pub(super) const ONLY_PASSWORDS: &str = "only user and password are supported";
pub(super) const PEM_FILES: &str =
    "name PEM files in connection.url instead: sslmode, sslrootcert, sslcert, sslkey";
pub(super) const OWN_KEYS: &str =
    "the driver's settings are not read: say it with the connector's own key, or in connection.url";
pub(super) const BY_SIZE: &str =
    "rows of one partition are sent together by their size: `cassandra.batch.max.bytes`";

/// Ours, and none of theirs: what their keys of the nodes cannot say, TLS above all, is said here.
pub(super) const URL: TheirKey = TheirKey::new(
    "connection.url",
    Kind::Text,
    Meaning::Read {
        ours: "connection.url",
        read: |translation, name, value| translation.set("connection.url", name, value),
        words: "a key of ours: takes the place of the keys that say where the nodes are, and is needed for TLS",
    },
);

/// A key that is read with the others when the URL is made.
pub(super) const fn part_of_url(name: &'static str, kind: Kind, words: &'static str) -> TheirKey {
    TheirKey::new(
        name,
        kind,
        Meaning::Read {
            ours: "connection.url",
            read: |_, _, _| {},
            words,
        },
    )
}

/// Where the nodes are, by a sink's own keys.
pub(super) struct Nodes<'a> {
    /// Key of the addresses.
    pub(super) points: &'static str,
    /// The addresses where it is not given; none: then there is no URL.
    pub(super) points_default: &'a str,
    /// Key of the port of addresses without one.
    pub(super) port: &'static str,
    /// Their keys, and the URL's parameters that they are, with what comes behind the value.
    pub(super) parameters: &'a [(&'static str, &'static str, &'static str)],
}

impl Nodes<'_> {
    /// Sets `connection.url`, unless it is given itself.
    pub(super) fn set_url(&self, translation: &mut Translation<'_>, keyspace: &str) {
        if translation.ours.contains_key("connection.url") {
            self.warn_of_url(translation);
            return;
        }
        let points = translation
            .given(self.points)
            .unwrap_or(self.points_default);
        let port = translation.given(self.port).unwrap_or("9042");
        let nodes: Vec<String> = points
            .split(',')
            .map(str::trim)
            .filter(|point| !point.is_empty())
            .map(|point| with_port(point, port))
            .collect();
        if nodes.is_empty() {
            // Without an address the config is refused for that.
            return;
        }
        let given = self.parameters.iter().filter_map(|(key, name, unit)| {
            let value = translation.given(key).filter(|value| !value.is_empty())?;
            Some(format!("{name}={}{unit}", jdbc::percent_encoded(value)))
        });
        let parameters: Vec<String> = given.collect();
        let mut url = format!("cassandra://{}/{keyspace}", nodes.join(","));
        if !parameters.is_empty() {
            url.push('?');
            url.push_str(&parameters.join("&"));
        }
        translation.set("connection.url", self.points, &url);
    }

    fn warn_of_url(&self, translation: &mut Translation<'_>) {
        let parameters = self.parameters.iter().map(|(key, ..)| *key);
        let keys = [self.points, self.port].into_iter().chain(parameters);
        for key in keys {
            if translation.given(key).is_some() {
                translation.warn(
                    key,
                    "has no effect: connection.url is given, which says that",
                );
            }
        }
    }
}

fn with_port(point: &str, port: &str) -> String {
    let has_port = point.rsplit_once(':').is_some_and(|(host, port)| {
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && !host.contains(':')
    });
    match has_port || point.contains("]:") {
        true => point.to_owned(),
        false => format!("{point}:{port}"),
    }
}

/// Why a setting of a table cannot be taken over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SettingFault {
    /// The sink knows no such setting.
    Unknown,
    /// Not with this value.
    Value(&'static str),
    /// Not at all.
    Refused(&'static str),
}

/// What a setting of one table, or of a topic's texts (`codec.*`), becomes: a key of ours and its value.
/// `None`: it says what happens anyway.
///
/// # Errors
/// When it asks for something else.
pub(super) fn table_setting(
    setting: &str,
    value: &str,
) -> Result<Option<(&'static str, String)>, SettingFault> {
    let becomes = |ours: &'static str| Ok(Some((ours, value.to_owned())));
    let only = |allowed: &str, reason: &'static str| match allowed.eq_ignore_ascii_case(value) {
        true => Ok(None),
        false => Err(SettingFault::Value(reason)),
    };
    match setting {
        // All of them together, elsewhere.
        "mapping" => Ok(None),
        "consistencyLevel" => becomes("cassandra.consistency"),
        "ttl" if value == "-1" => Ok(Some(("cassandra.ttl.seconds", "0".to_owned()))),
        "ttl" => becomes("cassandra.ttl.seconds"),
        "nullToUnset" => becomes("cassandra.null.to.unset"),
        "deletesEnabled" => becomes("delete.enabled"),
        "ttlTimeUnit" => only("SECONDS", "only SECONDS are supported"),
        "timestampTimeUnit" => only("MICROSECONDS", "only MICROSECONDS are supported"),
        "query" => Err(SettingFault::Refused(
            "statements of one's own are not supported: they could not be written again",
        )),
        _ => match setting.strip_prefix("codec.") {
            Some(codec) => check_codec(codec, value).map(|()| None),
            None => Err(SettingFault::Unknown),
        },
    }
}

/// What all tables say of a setting of ours, of which some say these values: the others say the sinks'
/// default. `None` where they do not agree.
pub(super) fn agreed<'v>(ours: &str, values: &[&'v str], tables: usize) -> Option<&'v str> {
    let default = match ours {
        "cassandra.consistency" => "LOCAL_ONE",
        "cassandra.ttl.seconds" => "0",
        // Nulls are left unset, and deletes enabled.
        _ => "true",
    };
    let (first, others) = values.split_first()?;
    let is_same = |other: &str| other.eq_ignore_ascii_case(first);
    let is_complete = values.len() >= tables || is_same(default);
    (is_complete && others.iter().all(|other| is_same(other))).then_some(*first)
}

fn check_codec(codec: &str, value: &str) -> Result<(), SettingFault> {
    const DEFAULTS: [(&str, &str); 6] = [
        ("locale", "en_US"),
        ("timeZone", "UTC"),
        ("timestamp", "CQL_TIMESTAMP"),
        ("date", "ISO_LOCAL_DATE"),
        ("time", "ISO_LOCAL_TIME"),
        ("unit", "MILLISECONDS"),
    ];
    let default = DEFAULTS.iter().find(|(known, _)| *known == codec);
    match default.is_some_and(|(_, default)| default.eq_ignore_ascii_case(value)) {
        true => Ok(()),
        false => Err(SettingFault::Value(
            "texts are read in ISO 8601, UTC and plain digits",
        )),
    }
}

/// All mappings as one value of `cassandra.mapping`.
pub(super) fn together(mappings: &[TableMapping]) -> String {
    let entries: Vec<String> = mappings.iter().map(ToString::to_string).collect();
    entries.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_added_where_there_is_none() {
        let check = |point: &str, expected: &str| assert_eq!(with_port(point, "9042"), expected);
        check("h1", "h1:9042");
        check("h1:9043", "h1:9043");
        check("10.0.0.1", "10.0.0.1:9042");
        check("[::1]", "[::1]:9042");
        check("[::1]:7", "[::1]:7");
        check("h1:", "h1::9042");
    }

    #[test]
    fn tables_agree_or_not() {
        let check = |ours: &str, values: &[&str], expected: Option<&str>| {
            assert_eq!(agreed(ours, values, 2), expected, "{ours} {values:?}");
        };
        let ttl = "cassandra.ttl.seconds";
        check(ttl, &["60", "60"], Some("60"));
        check(ttl, &["60", "70"], None);
        check(ttl, &["60"], None);
        check(ttl, &["0"], Some("0"));
        check("cassandra.consistency", &["QUORUM"], None);
        check("cassandra.consistency", &["local_one"], Some("local_one"));
        check("cassandra.null.to.unset", &["false"], None);
        check("delete.enabled", &["true"], Some("true"));
        check("delete.enabled", &["true", "FALSE"], None);
    }

    #[test]
    fn settings_of_tables() {
        let check = |setting: &str, value: &str, expected: Option<(&'static str, &str)>| {
            let expected = expected.map(|(ours, value)| (ours, value.to_owned()));
            assert_eq!(table_setting(setting, value), Ok(expected), "{setting}");
        };
        check("ttl", "60", Some(("cassandra.ttl.seconds", "60")));
        check("ttl", "-1", Some(("cassandra.ttl.seconds", "0")));
        check("ttlTimeUnit", "seconds", None);
        check("codec.unit", "MILLISECONDS", None);
        let fault = |setting, value| table_setting(setting, value).unwrap_err();
        assert_eq!(fault("colour", "red"), SettingFault::Unknown);
        assert!(matches!(fault("query", "x"), SettingFault::Refused(_)));
        assert!(matches!(
            fault("ttlTimeUnit", "HOURS"),
            SettingFault::Value(_)
        ));
        assert!(matches!(fault("codec.date", "dd"), SettingFault::Value(_)));
        assert!(matches!(fault("codec.colour", "x"), SettingFault::Value(_)));
    }
}
