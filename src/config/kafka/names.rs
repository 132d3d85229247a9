//! The client settings that are accepted: their Java names, what they are to librdkafka, and which
//! values they take.
//!
//! librdkafka itself checks ranges; the kinds here exist so that the commonest mistakes get
//! Kafka's own words. Settings of librdkafka without a Java counterpart are accepted under their
//! own names where they are harmless. Left out on purpose: what loads libraries or runs commands
//! (`plugin.library.paths`, `ssl.engine.location`, `sasl.kerberos.kinit.cmd`), and callbacks.

/// Which clients have a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Scope {
    /// All, the worker's own included.
    All,
    /// Consumers.
    Consumer,
    /// Producers.
    Producer,
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
    SETTINGS
        .iter()
        .find(|setting| setting.name == name && setting.is_for(scope))
}

/// The names that clients of this kind have.
pub(super) fn names(scope: Scope) -> impl Iterator<Item = &'static str> {
    SETTINGS
        .iter()
        .filter(move |setting| setting.is_for(scope))
        .map(|setting| setting.name)
}

impl Setting {
    fn is_for(&self, scope: Scope) -> bool {
        self.scope == Scope::All || self.scope == scope
    }
}

const fn setting(name: &'static str, scope: Scope, form: Form, meaning: Meaning) -> Setting {
    Setting {
        name,
        scope,
        form,
        meaning,
    }
}

use Form::{Boolean, Choice, Integer, Text};
use Meaning::{
    Assignor, BufferSize, Endpoint, Fixed, Jaas, Kibibytes, Mechanism, NoEffect, Refused, Renamed,
    Same, Start, Store,
};
use Scope::{All, Consumer, Producer};

const JAVA_CLASS: &str = "Java classes cannot be loaded";
const KERBEROS: &str = "Kerberos is not built in";
const OAUTH: &str = "OAUTHBEARER is not built in";
const TLS_DEFAULTS: &str = "OpenSSL decides it: TLS 1.2 or 1.3 with its default ciphers";
const METRICS: &str = "metrics are the worker's own";
const OUR_TIMEOUTS: &str = "the worker has its own deadlines";
const OWN_BYTES: &str = "records are handled as bytes";
const NO_AUTO_COMMIT: &str = "positions are committed by the worker, with the rows";
const LEVELS: &str = "compression levels are left at their defaults";
const BY_KEY: &str = "dead letters keep their key, which chooses the partition";
const NO_TRANSACTIONS: &str = "dead letters are not written in transactions";

const SETTINGS: &[Setting] = &[
    // Connection.
    setting("bootstrap.servers", All, Text, Same),
    setting("client.id", All, Text, Same),
    setting("client.rack", Consumer, Text, Same),
    setting(
        "client.dns.lookup",
        All,
        Choice(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]),
        Same,
    ),
    setting("connections.max.idle.ms", All, Integer, Same),
    setting("metadata.max.age.ms", All, Integer, Same),
    setting("metadata.max.idle.ms", Producer, Integer, NoEffect("unused topics cost nothing here")),
    setting("metadata.recovery.strategy", All, Choice(&["none", "rebootstrap"]), Same),
    setting("metadata.recovery.rebootstrap.trigger.ms", All, Integer, Same),
    setting("reconnect.backoff.ms", All, Integer, Same),
    setting("reconnect.backoff.max.ms", All, Integer, Same),
    setting("request.timeout.ms", All, Integer, Renamed("socket.timeout.ms")),
    setting("retry.backoff.ms", All, Integer, Same),
    setting("retry.backoff.max.ms", All, Integer, Same),
    setting("receive.buffer.bytes", All, Integer, BufferSize("socket.receive.buffer.bytes")),
    setting("send.buffer.bytes", All, Integer, BufferSize("socket.send.buffer.bytes")),
    setting("socket.connection.setup.timeout.ms", All, Integer, Same),
    setting(
        "socket.connection.setup.timeout.max.ms",
        All,
        Integer,
        NoEffect("socket.connection.setup.timeout.ms does not grow"),
    ),
    setting("default.api.timeout.ms", All, Integer, NoEffect(OUR_TIMEOUTS)),
    setting("enable.metrics.push", All, Boolean, Same),
    setting("metric.reporters", All, Text, NoEffect(METRICS)),
    setting("metrics.num.samples", All, Integer, NoEffect(METRICS)),
    setting("metrics.recording.level", All, Text, NoEffect(METRICS)),
    setting("metrics.sample.window.ms", All, Integer, NoEffect(METRICS)),
    setting("auto.include.jmx.reporter", All, Boolean, NoEffect(METRICS)),
    setting("interceptor.classes", All, Text, Refused(JAVA_CLASS)),
    setting("security.providers", All, Text, Refused(JAVA_CLASS)),
    // Security.
    setting(
        "security.protocol",
        All,
        Choice(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]),
        Same,
    ),
    setting("sasl.mechanism", All, Text, Mechanism),
    setting("sasl.jaas.config", All, Text, Jaas),
    setting("sasl.client.callback.handler.class", All, Text, Refused(JAVA_CLASS)),
    setting("sasl.login.callback.handler.class", All, Text, Refused(JAVA_CLASS)),
    setting("sasl.login.class", All, Text, Refused(JAVA_CLASS)),
    setting("sasl.kerberos.service.name", All, Text, Refused(KERBEROS)),
    setting("sasl.kerberos.kinit.cmd", All, Text, Refused(KERBEROS)),
    setting("sasl.kerberos.min.time.before.relogin", All, Text, Refused(KERBEROS)),
    setting("sasl.kerberos.ticket.renew.jitter", All, Text, Refused(KERBEROS)),
    setting("sasl.kerberos.ticket.renew.window.factor", All, Text, Refused(KERBEROS)),
    setting("sasl.oauthbearer.token.endpoint.url", All, Text, Refused(OAUTH)),
    setting("sasl.oauthbearer.jwks.endpoint.url", All, Text, Refused(OAUTH)),
    setting("sasl.oauthbearer.scope.claim.name", All, Text, Refused(OAUTH)),
    setting("sasl.oauthbearer.sub.claim.name", All, Text, Refused(OAUTH)),
    setting("sasl.oauthbearer.client.credentials.client.id", All, Text, Refused(OAUTH)),
    setting("sasl.oauthbearer.client.credentials.client.secret", All, Text, Refused(OAUTH)),
    setting("sasl.oauthbearer.jwt.retriever.class", All, Text, Refused(OAUTH)),
    setting("sasl.oauthbearer.jwt.validator.class", All, Text, Refused(OAUTH)),
    setting("ssl.truststore.location", All, Text, Store),
    setting("ssl.truststore.type", All, Text, Store),
    setting("ssl.truststore.password", All, Text, Store),
    setting("ssl.truststore.certificates", All, Text, Store),
    setting("ssl.keystore.location", All, Text, Store),
    setting("ssl.keystore.type", All, Text, Store),
    setting("ssl.keystore.password", All, Text, Store),
    setting("ssl.keystore.key", All, Text, Store),
    setting("ssl.keystore.certificate.chain", All, Text, Store),
    setting("ssl.key.password", All, Text, Same),
    setting("ssl.endpoint.identification.algorithm", All, Text, Endpoint),
    setting("ssl.engine.factory.class", All, Text, Refused(JAVA_CLASS)),
    setting(
        "ssl.cipher.suites",
        All,
        Text,
        Refused("Java's names of cipher suites are not OpenSSL's; OpenSSL's defaults are used"),
    ),
    setting("ssl.enabled.protocols", All, Text, NoEffect(TLS_DEFAULTS)),
    setting("ssl.protocol", All, Text, NoEffect(TLS_DEFAULTS)),
    setting("ssl.provider", All, Text, NoEffect(TLS_DEFAULTS)),
    setting("ssl.keymanager.algorithm", All, Text, NoEffect(TLS_DEFAULTS)),
    setting("ssl.trustmanager.algorithm", All, Text, NoEffect(TLS_DEFAULTS)),
    setting("ssl.secure.random.implementation", All, Text, NoEffect(TLS_DEFAULTS)),
    // Security, by librdkafka's own names.
    setting("sasl.mechanisms", All, Text, Mechanism),
    setting("sasl.username", All, Text, Same),
    setting("sasl.password", All, Text, Same),
    setting("ssl.ca.location", All, Text, Same),
    setting("ssl.ca.pem", All, Text, Same),
    setting("ssl.certificate.location", All, Text, Same),
    setting("ssl.certificate.pem", All, Text, Same),
    setting("ssl.key.location", All, Text, Same),
    setting("ssl.key.pem", All, Text, Same),
    setting("enable.ssl.certificate.verification", All, Boolean, Same),
    // More of librdkafka's own.
    setting("socket.timeout.ms", All, Integer, Same),
    setting("socket.keepalive.enable", All, Boolean, Same),
    setting("socket.nagle.disable", All, Boolean, Same),
    setting("socket.send.buffer.bytes", All, Integer, Same),
    setting("socket.receive.buffer.bytes", All, Integer, Same),
    setting("broker.address.family", All, Choice(&["any", "v4", "v6"]), Same),
    setting("broker.address.ttl", All, Integer, Same),
    setting("topic.metadata.refresh.interval.ms", All, Integer, Same),
    setting("receive.message.max.bytes", All, Integer, Same),
    setting("statistics.interval.ms", All, Integer, Same),
    setting("debug", All, Text, Same),
    // Consumers.
    setting("group.id", Consumer, Text, Same),
    setting("group.instance.id", Consumer, Text, Same),
    setting("group.protocol", Consumer, Choice(&["classic", "consumer"]), Same),
    setting("group.remote.assignor", Consumer, Text, Same),
    setting("session.timeout.ms", Consumer, Integer, Same),
    setting("heartbeat.interval.ms", Consumer, Integer, Same),
    setting("max.poll.interval.ms", Consumer, Integer, Same),
    setting(
        "max.poll.records",
        Consumer,
        Integer,
        NoEffect("records are not polled in groups; batch.size bounds what is written at once"),
    ),
    setting("fetch.min.bytes", Consumer, Integer, Same),
    setting("fetch.max.bytes", Consumer, Integer, Same),
    setting("fetch.max.wait.ms", Consumer, Integer, Renamed("fetch.wait.max.ms")),
    setting(
        "max.partition.fetch.bytes",
        Consumer,
        Integer,
        Renamed("fetch.message.max.bytes"),
    ),
    setting(
        "isolation.level",
        Consumer,
        Choice(&["read_uncommitted", "read_committed"]),
        Same,
    ),
    setting("check.crcs", Consumer, Boolean, Same),
    setting("allow.auto.create.topics", Consumer, Boolean, Same),
    setting("auto.offset.reset", Consumer, Choice(&["earliest", "latest"]), Start),
    setting("enable.auto.commit", Consumer, Boolean, Fixed("false", NO_AUTO_COMMIT)),
    setting("auto.commit.interval.ms", Consumer, Integer, NoEffect(NO_AUTO_COMMIT)),
    setting("partition.assignment.strategy", Consumer, Text, Assignor),
    setting("exclude.internal.topics", Consumer, Boolean, NoEffect("topics are named by the connector")),
    setting("key.deserializer", Consumer, Text, NoEffect(OWN_BYTES)),
    setting("value.deserializer", Consumer, Text, NoEffect(OWN_BYTES)),
    setting("fetch.wait.max.ms", Consumer, Integer, Same),
    setting("fetch.message.max.bytes", Consumer, Integer, Same),
    setting("fetch.queue.backoff.ms", Consumer, Integer, Same),
    setting("fetch.error.backoff.ms", Consumer, Integer, Same),
    setting("queued.min.messages", Consumer, Integer, Same),
    setting("queued.max.messages.kbytes", Consumer, Integer, Same),
    setting("coordinator.query.interval.ms", Consumer, Integer, Same),
    // Producers.
    setting("acks", Producer, Choice(&["all", "-1"]), Same),
    setting("batch.size", Producer, Integer, Same),
    setting("linger.ms", Producer, Integer, Same),
    setting("compression.type", Producer, Choice(&["none", "gzip", "snappy", "lz4", "zstd"]), Same),
    setting("compression.gzip.level", Producer, Integer, NoEffect(LEVELS)),
    setting("compression.lz4.level", Producer, Integer, NoEffect(LEVELS)),
    setting("compression.zstd.level", Producer, Integer, NoEffect(LEVELS)),
    setting("buffer.memory", Producer, Integer, Kibibytes("queue.buffering.max.kbytes")),
    setting("delivery.timeout.ms", Producer, Integer, Same),
    setting("max.request.size", Producer, Integer, Renamed("message.max.bytes")),
    setting("message.max.bytes", Producer, Integer, Same),
    setting("max.in.flight.requests.per.connection", Producer, Integer, Same),
    setting("retries", Producer, Integer, Same),
    setting("enable.idempotence", Producer, Boolean, Same),
    setting("max.block.ms", Producer, Integer, NoEffect(OUR_TIMEOUTS)),
    setting("transactional.id", Producer, Text, Refused(NO_TRANSACTIONS)),
    setting("transaction.timeout.ms", Producer, Integer, NoEffect(NO_TRANSACTIONS)),
    setting("partitioner.class", Producer, Text, NoEffect(BY_KEY)),
    setting("partitioner.ignore.keys", Producer, Boolean, NoEffect(BY_KEY)),
    setting("partitioner.adaptive.partitioning.enable", Producer, Boolean, NoEffect(BY_KEY)),
    setting("partitioner.availability.timeout.ms", Producer, Integer, NoEffect(BY_KEY)),
    setting("key.serializer", Producer, Text, NoEffect(OWN_BYTES)),
    setting("value.serializer", Producer, Text, NoEffect(OWN_BYTES)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for setting in SETTINGS {
            assert!(seen.insert(setting.name), "{} is listed twice", setting.name);
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
        for setting in SETTINGS {
            let target = match setting.meaning {
                Same => setting.name,
                Renamed(name) | BufferSize(name) | Kibibytes(name) => name,
                Store | Jaas | Mechanism | Endpoint | Start | Assignor | NoEffect(_)
                | Fixed(..) | Refused(_) => continue,
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
