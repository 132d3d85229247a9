//! The client settings that are accepted: their Java names, what they are to librdkafka, and which
//! values they take.
//!
//! librdkafka itself checks ranges; the kinds here exist so that the commonest mistakes get
//! Kafka's own words. Settings of librdkafka without a Java counterpart are accepted under their
//! own names where they are harmless. Left out on purpose: what loads libraries or runs commands
//! (`plugin.library.paths`, `ssl.engine.location`, `sasl.kerberos.kinit.cmd`), and callbacks.

mod security;
mod table;

/// Every setting.
fn settings() -> impl Iterator<Item = &'static Setting> {
    table::SETTINGS.iter().chain(security::SETTINGS)
}

/// Which clients have a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Scope {
    /// All, the worker's own included.
    All,
    /// Consumers.
    Consumer,
    /// Producers.
    Producer,
    /// The worker's own requests.
    Admin,
}

/// What a value must look like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// Any text.
    Text,
    /// An integer.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// One of these, any case.
    Choice(&'static [&'static str]),
}

/// What a setting is to librdkafka.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    /// The property of the same name.
    Same,
    /// A property of another name, same value.
    Renamed(&'static str),
    /// Same, but Java's `-1` (the system's choice) is `0`.
    BufferSize(&'static str),
    /// Bytes here, kibibytes there.
    Kibibytes(&'static str),
    /// Part of a key or trust store: translated together with the others.
    Store,
    /// A login module with its options.
    Jaas,
    /// Part of a login by OAUTHBEARER: put together with the others.
    OAuth,
    /// Says what happens anyway.
    Accepted,
    /// A SASL mechanism.
    Mechanism,
    /// How the server's name is checked: Java's empty value is `none`.
    Endpoint,
    /// Where reading starts without a position: not librdkafka's business here.
    Start,
    /// Class names of assignors, of which one must be the one in use.
    Assignor,
    /// Accepted without effect, for this reason.
    NoEffect(&'static str),
    /// Only this value, for this reason; it is what happens anyway.
    Fixed(&'static str, &'static str),
    /// Not accepted, for this reason.
    Refused(&'static str),
}

/// One setting.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) scope: Scope,
    pub(super) form: Form,
    pub(super) meaning: Meaning,
}

/// The setting of that name, if a client of this kind has it.
pub(super) fn find(name: &str, scope: Scope) -> Option<&'static Setting> {
    settings().find(|setting| setting.name == name && setting.is_for(scope))
}

/// The names that clients of this kind have.
pub(super) fn names(scope: Scope) -> impl Iterator<Item = &'static str> {
    settings()
        .filter(move |setting| setting.is_for(scope))
        .map(|setting| setting.name)
}

/// Every setting with its clients and, in words, what becomes of it.
#[cfg(test)]
pub(in crate::config) fn describe() -> impl Iterator<Item = (&'static str, Scope, String)> {
    settings().map(|setting| (setting.name, setting.scope, setting.meaning.in_words()))
}

#[cfg(test)]
impl Meaning {
    fn in_words(self) -> String {
        match self {
            Self::Same => "passed on".to_owned(),
            Self::Renamed(name) | Self::BufferSize(name) | Self::Kibibytes(name) => {
                format!("passed on as `{name}`")
            }
            Self::Store => "PEM, JKS or PKCS12; what is in it is passed on".to_owned(),
            Self::Jaas => "passed on as `sasl.username` and `sasl.password`, or part of the login \
                           by OAUTHBEARER"
                .to_owned(),
            Self::OAuth => "part of the login by OAUTHBEARER".to_owned(),
            Self::Accepted => "Kafka's own, which is what happens".to_owned(),
            Self::Mechanism => {
                "passed on: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER".to_owned()
            }
            Self::Endpoint => "passed on: `https`, or empty for no check".to_owned(),
            Self::Start => "where a topic without a position starts".to_owned(),
            Self::Assignor => "must allow CooperativeStickyAssignor, which is used".to_owned(),
            Self::NoEffect(reason) => format!("no effect: {reason}"),
            Self::Fixed(only, reason) => format!("only `{only}`: {reason}"),
            Self::Refused(reason) => format!("refused: {reason}"),
        }
    }
}

impl Setting {
    fn is_for(&self, scope: Scope) -> bool {
        self.scope == Scope::All || self.scope == scope
    }
}

#[cfg(test)]
mod tests {
    use super::Form::{Boolean, Choice, Integer, Text};
    use super::Meaning::{
        Accepted, Assignor, BufferSize, Endpoint, Fixed, Jaas, Kibibytes, Mechanism, NoEffect,
        OAuth, Refused, Renamed, Same, Start, Store,
    };
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for setting in settings() {
            let name = (setting.name, format!("{:?}", setting.scope));
            assert!(seen.insert(name), "{} is listed twice", setting.name);
            let for_all = find(setting.name, Scope::All).is_some();
            assert_eq!(for_all, setting.scope == Scope::All, "{}", setting.name);
        }
    }

    /// The names of the clients of Kafka 4.1, as its own classes list them.
    #[test]
    fn every_setting_of_kafkas_clients_is_known() {
        for line in include_str!("fixtures/kafka-4.1-settings.txt").lines() {
            let mut words = line.split(' ');
            let name = words.next().unwrap();
            for client in words {
                let scope = match client {
                    "consumer" => Scope::Consumer,
                    "producer" => Scope::Producer,
                    "admin" => Scope::Admin,
                    other => panic!("{other}"),
                };
                assert!(find(name, scope).is_some(), "{client}: {name}");
            }
        }
    }

    #[test]
    fn clients_have_only_their_own_settings() {
        assert!(find("linger.ms", Scope::Producer).is_some());
        assert!(find("linger.ms", Scope::Consumer).is_none());
        assert!(find("fetch.min.bytes", Scope::All).is_none());
        assert!(find("security.protocol", Scope::Consumer).is_some());
    }

    #[test]
    fn every_target_is_a_property_of_the_linked_client() {
        for setting in settings() {
            let target = match setting.meaning {
                Same => setting.name,
                Renamed(name) | BufferSize(name) | Kibibytes(name) => name,
                Store | Jaas | OAuth | Accepted | Mechanism | Endpoint | Start | Assignor
                | NoEffect(_) | Fixed(..) | Refused(_) => continue,
            };
            let value = match setting.form {
                Boolean => "true",
                Choice(values) => values[0],
                Integer => "1000",
                Text => continue,
            };
            let mut config = rdkafka::ClientConfig::new();
            config.set(target, value);
            let known = config.create_native_config();
            assert!(known.is_ok(), "{target}={value}: {:?}", known.err());
        }
    }
}
