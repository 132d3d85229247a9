//! Keys of Kafka Connect's workers that mean nothing here, or are refused.

/// A key of Kafka Connect's workers that has no meaning here, or is refused.
pub(super) struct ForeignKey {
    /// The key, or with a final `*` all keys that begin so.
    pub(super) pattern: &'static str,
    /// Why it has no effect, or why it is refused.
    pub(super) reason: &'static str,
    /// Refused, unless empty: to go on without it would be less safe, or mean something else.
    pub(super) refused: bool,
}

const fn ignored(pattern: &'static str, reason: &'static str) -> ForeignKey {
    ForeignKey {
        pattern,
        reason,
        refused: false,
    }
}

const fn refused(pattern: &'static str, reason: &'static str) -> ForeignKey {
    ForeignKey {
        pattern,
        reason,
        refused: true,
    }
}

const NO_PLUGINS: &str = "connectors are built in";
const AS_NEEDED: &str = "the topic is created as it has to be";
const IN_TARGET: &str = "positions are kept in the target database, or in the consumer group";
const NO_INTERNAL: &str = "there are no internal converters";
const NO_GROUP: &str = "workers do not talk to each other, and have no leader";
const NO_CONFLUENT: &str = "it is for Confluent's own plugins";
const NO_INTERCEPTORS: &str = "Java classes cannot be loaded; the REST API tells of tasks and lag";
const NO_SOURCES: &str = "there are no source connectors";

/// Worker keys of Kafka Connect.
pub(super) const KEYS: &[ForeignKey] = &[
    ignored("plugin.path", NO_PLUGINS),
    ignored("plugin.discovery", NO_PLUGINS),
    ignored("config.storage.*", AS_NEEDED),
    ignored("status.storage.*", AS_NEEDED),
    ignored("offset.storage.*", IN_TARGET),
    ignored(
        "offset.flush.timeout.ms",
        "a commit to Kafka is repeated with the next one",
    ),
    ignored("internal.key.converter*", NO_INTERNAL),
    ignored("internal.value.converter*", NO_INTERNAL),
    ignored("header.converter.*", "headers do not become columns"),
    ignored("confluent.*", NO_CONFLUENT),
    ignored("consumer.confluent.*", NO_CONFLUENT),
    ignored("producer.confluent.*", NO_CONFLUENT),
    ignored("consumer.interceptor.classes", NO_INTERCEPTORS),
    ignored("producer.interceptor.classes", NO_INTERCEPTORS),
    ignored("rebalance.timeout.ms", NO_GROUP),
    ignored("worker.sync.timeout.ms", NO_GROUP),
    ignored("worker.unsync.backoff.ms", NO_GROUP),
    ignored("scheduled.rebalance.max.delay.ms", NO_GROUP),
    ignored("connect.protocol", NO_GROUP),
    ignored("inter.worker.*", NO_GROUP),
    ignored(
        "client.id",
        "every client is named after its connector and task",
    ),
    ignored("exactly.once.source.support", NO_SOURCES),
    ignored("topic.creation.enable", NO_SOURCES),
    ignored(
        "metrics.context.*",
        "there are no Java metrics; the REST API tells of tasks and lag",
    ),
    ignored("rest.host.name", "listeners replaced it"),
    ignored("rest.port", "listeners replaced it"),
    ignored("ssl.client.auth", "set listeners.https.ssl.client.auth"),
    refused(
        "rest.extension.classes",
        "Java classes cannot be loaded, and without the extension the REST API may be open to everyone: put a proxy in front of it, and leave this out",
    ),
    refused(
        "consumer.group.id",
        "all connectors would share one group: leave it out, every connector has its own",
    ),
    refused(
        "consumer.group.instance.id",
        "all consumers would claim to be the same member: leave it out",
    ),
];

/// `CONNECT_*` variables of container images and orchestrators that are no settings.
pub(super) const ENVIRONMENT_ONLY: &[ForeignKey] = &[
    ignored("log4j.*", "set log.level and log.format"),
    ignored("tools.log4j.*", "set log.level and log.format"),
    ignored("cub.*", "the worker itself waits for Kafka"),
    // What Kubernetes and container links set for a service that is named `connect`.
    ignored("service.host", "it describes a service named connect"),
    ignored("service.port", "it describes a service named connect"),
    ignored("service.port.*", "it describes a service named connect"),
    ignored("port", "it describes a service named connect"),
    ignored("port.*", "it describes a service named connect"),
];

/// Whether a variable describes a service whose name begins with `connect-`, such as `connect-api`, as
/// Kubernetes and container links describe each of a namespace's: `CONNECT_API_SERVICE_HOST`,
/// `CONNECT_API_PORT_8083_TCP_ADDR`.
pub(super) fn is_service_link(name: &str, value: &str) -> bool {
    let is_address = || value.starts_with("tcp://") || value.starts_with("udp://");
    name.ends_with(".service.host")
        || name.ends_with(".service.port")
        || name.contains(".service.port.")
        || (name.ends_with(".port") && is_address())
        || name.split_once(".port.").is_some_and(|(_, rest)| {
            let mut parts = rest.split('.');
            let number = parts.next().unwrap_or_default();
            number.parse::<u16>().is_ok() && matches!(parts.next(), Some("tcp" | "udp" | "sctp"))
        })
}

/// The first entry that covers a key.
pub(super) fn find<'a>(table: &'a [ForeignKey], name: &str) -> Option<&'a ForeignKey> {
    table
        .iter()
        .find(|foreign| match foreign.pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => foreign.pattern == name,
        })
}
