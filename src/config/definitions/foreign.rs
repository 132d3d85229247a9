//! Keys that other sinks know and these do not. Kafka Connect accepts unknown keys in silence; a
//! config of our class with a key of another sink would then quietly mean something else. So these
//! are refused, with the key that says the same here. (A config that names the other sink's own
//! class is translated instead: [`crate::config::dialect`].)

/// A key of another sink, and what to do instead.
pub(in crate::config) struct ForeignKey {
    /// The key, or with a final `*` all keys that begin so.
    pub(in crate::config) pattern: &'static str,
    /// What to do instead.
    pub(in crate::config) advice: &'static str,
}

const fn key(pattern: &'static str, advice: &'static str) -> ForeignKey {
    ForeignKey { pattern, advice }
}

const NOT_SUPPORTED: &str = "it is not supported: leave it out";

/// Keys that are no other sink's: with every class the advice is the same.
const OF_ANY_CLASS: &[ForeignKey] = &[
    key(
        "connector.plugin.version",
        "there is one version of every class: leave it out",
    ),
    key(
        "key.converter.plugin.version",
        "there is one version of every class: leave it out",
    ),
    key(
        "value.converter.plugin.version",
        "there is one version of every class: leave it out",
    ),
    key(
        "header.converter.plugin.version",
        "there is one version of every class: leave it out",
    ),
];

const FOREIGN: &[ForeignKey] = &[
    key("connection.username", "use connection.user"),
    key("primary.key.mode", "use pk.mode"),
    key("primary.key.fields", "use pk.fields"),
    key("collection.name.format", "use table.name.format"),
    key("destination.table.format", "use table.name.format"),
    key("field.include.list", "use fields.whitelist"),
    key("field.exclude.list", "use fields.exclude.list"),
    key("schema.evolution", "use auto.create"),
    key("use.time.zone", "use db.timezone"),
    key("database.time_zone", "use db.timezone"),
    key("quote.identifiers", "use quote.sql.identifiers"),
    key("sql.quote.identifiers", "use quote.sql.identifiers"),
    key(
        "flush.max.retries",
        "failures of the database are retried until they end: leave it out",
    ),
    key(
        "flush.retry.delay.ms",
        "failures of the database are retried until they end: leave it out",
    ),
    key("table.naming.strategy", "use table.name.format"),
    key("collection.naming.strategy", "use table.name.format"),
    key("column.naming.strategy", NOT_SUPPORTED),
    key("hibernate.*", NOT_SUPPORTED),
    key("dialect.postgres.*", NOT_SUPPORTED),
    // Last, so that the names above come first. A driver property such as `connection.sslmode`
    // must not vanish: the connection would be less safe than was asked for.
    key(
        "connection.*",
        "driver properties are not passed on: put what the database needs into connection.url",
    ),
    key(
        "jdbc.credentials.provider.*",
        "Java classes cannot be loaded: leave it out",
    ),
];

/// The advice for a key that only other sinks know. In a config that is written for such a sink
/// its keys are read, and only those that nobody reads are left.
pub(in crate::config) fn advice_for(name: &str, is_translated: bool) -> Option<&'static str> {
    let others: &[ForeignKey] = if is_translated { &[] } else { FOREIGN };
    let mut all = OF_ANY_CLASS.iter().chain(others);
    all.find(|foreign| foreign.covers(name))
        .map(|foreign| foreign.advice)
}

/// Whether a key is known, and refused with every class.
pub(in crate::config) fn is_refused_everywhere(name: &str) -> bool {
    OF_ANY_CLASS.iter().any(|foreign| foreign.covers(name))
}

impl ForeignKey {
    fn covers(&self, name: &str) -> bool {
        match self.pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => self.pattern == name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_keys_are_recognised() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(advice_for(name, false), expected, "{name}");
        };
        check("primary.key.mode", Some("use pk.mode"));
        check("connection.username", Some("use connection.user"));
        check(
            "connection.sslmode",
            Some(
                "driver properties are not passed on: put what the database needs into connection.url",
            ),
        );
        check("hibernate.dialect", Some(NOT_SUPPORTED));
        check("pk.mode", None);
        check("my.own.key", None);
        assert_eq!(advice_for("primary.key.mode", true), None);
        assert!(advice_for("connector.plugin.version", true).is_some());
    }

    #[test]
    fn no_known_key_is_foreign() {
        for known in super::super::keys() {
            let foreign =
                advice_for(known.name, false).is_some() && !known.name.starts_with("connection.");
            assert!(
                !foreign || known.name.starts_with("jdbc."),
                "{}",
                known.name
            );
        }
    }
}
