//! The table itself, by kind of client.

use super::Form::{Boolean, Choice, Integer, Text};
use super::Meaning::{
    Assignor, BufferSize, Fixed, Kibibytes, NoEffect, Refused, Renamed, Same, Start,
};
use super::Scope::{Admin, All, Consumer, Producer};
use super::{Form, Meaning, Scope, Setting};

pub(super) const JAVA_CLASS: &str = "Java classes cannot be loaded";
const JAVA_INTERNAL: &str = "it is internal to Java's client";
const METRICS: &str = "there are no Java metrics; the REST API tells of tasks and lag";
const OUR_TIMEOUTS: &str = "the worker has its own deadlines";
const OWN_BYTES: &str = "records are handled as bytes";
const NO_AUTO_COMMIT: &str = "positions are committed by the worker, with the rows";
const LEVELS: &str = "compression levels are left at their defaults";
const BY_KEY: &str = "dead letters keep their key, which chooses the partition";
const NO_TRANSACTIONS: &str = "dead letters are not written in transactions";

pub(super) const fn setting(
    name: &'static str,
    scope: Scope,
    form: Form,
    meaning: Meaning,
) -> Setting {
    Setting {
        name,
        scope,
        form,
        meaning,
    }
}

/// All settings but those of security.
pub(super) const SETTINGS: &[Setting] = &[
    // Connection.
    setting("bootstrap.servers", All, Text, Same),
    setting("client.id", All, Text, Same),
    setting("client.rack", Consumer, Text, Same),
    setting(
        "client.dns.lookup",
        All,
        Choice(&[
            "use_all_dns_ips",
            "resolve_canonical_bootstrap_servers_only",
        ]),
        Same,
    ),
    setting("connections.max.idle.ms", All, Integer, Same),
    setting("metadata.max.age.ms", All, Integer, Same),
    setting(
        "metadata.max.idle.ms",
        Producer,
        Integer,
        NoEffect("unused topics cost nothing here"),
    ),
    setting(
        "metadata.recovery.strategy",
        All,
        Choice(&["none", "rebootstrap"]),
        Same,
    ),
    setting(
        "metadata.recovery.rebootstrap.trigger.ms",
        All,
        Integer,
        Same,
    ),
    setting("reconnect.backoff.ms", All, Integer, Same),
    setting("reconnect.backoff.max.ms", All, Integer, Same),
    setting(
        "request.timeout.ms",
        All,
        Integer,
        Renamed("socket.timeout.ms"),
    ),
    setting("retry.backoff.ms", All, Integer, Same),
    setting("retry.backoff.max.ms", All, Integer, Same),
    setting(
        "receive.buffer.bytes",
        All,
        Integer,
        BufferSize("socket.receive.buffer.bytes"),
    ),
    setting(
        "send.buffer.bytes",
        All,
        Integer,
        BufferSize("socket.send.buffer.bytes"),
    ),
    setting("socket.connection.setup.timeout.ms", All, Integer, Same),
    setting(
        "socket.connection.setup.timeout.max.ms",
        All,
        Integer,
        NoEffect("socket.connection.setup.timeout.ms does not grow"),
    ),
    setting(
        "default.api.timeout.ms",
        All,
        Integer,
        NoEffect(OUR_TIMEOUTS),
    ),
    setting("enable.metrics.push", All, Boolean, Same),
    setting("metric.reporters", All, Text, NoEffect(METRICS)),
    setting("metrics.num.samples", All, Integer, NoEffect(METRICS)),
    setting("metrics.recording.level", All, Text, NoEffect(METRICS)),
    setting("metrics.sample.window.ms", All, Integer, NoEffect(METRICS)),
    setting("auto.include.jmx.reporter", All, Boolean, NoEffect(METRICS)),
    setting("interceptor.classes", All, Text, Refused(JAVA_CLASS)),
    setting("security.providers", All, Text, Refused(JAVA_CLASS)),
    // More of librdkafka's own.
    setting("socket.timeout.ms", All, Integer, Same),
    setting("socket.keepalive.enable", All, Boolean, Same),
    setting("socket.nagle.disable", All, Boolean, Same),
    setting("socket.send.buffer.bytes", All, Integer, Same),
    setting("socket.receive.buffer.bytes", All, Integer, Same),
    setting(
        "broker.address.family",
        All,
        Choice(&["any", "v4", "v6"]),
        Same,
    ),
    setting("broker.address.ttl", All, Integer, Same),
    setting("topic.metadata.refresh.interval.ms", All, Integer, Same),
    setting("receive.message.max.bytes", All, Integer, Same),
    setting("statistics.interval.ms", All, Integer, Same),
    setting("debug", All, Text, Same),
    // The worker's own requests.
    setting(
        "bootstrap.controllers",
        Admin,
        Text,
        Refused("brokers are asked, not controllers: give bootstrap.servers"),
    ),
    setting("retries", Admin, Integer, NoEffect(OUR_TIMEOUTS)),
    // Consumers.
    setting("group.id", Consumer, Text, Same),
    setting("group.instance.id", Consumer, Text, Same),
    setting(
        "group.protocol",
        Consumer,
        Choice(&["classic", "consumer"]),
        Same,
    ),
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
    setting(
        "fetch.max.wait.ms",
        Consumer,
        Integer,
        Renamed("fetch.wait.max.ms"),
    ),
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
    setting(
        "auto.offset.reset",
        Consumer,
        Choice(&["earliest", "latest"]),
        Start,
    ),
    setting(
        "enable.auto.commit",
        Consumer,
        Boolean,
        Fixed("false", NO_AUTO_COMMIT),
    ),
    setting(
        "auto.commit.interval.ms",
        Consumer,
        Integer,
        NoEffect(NO_AUTO_COMMIT),
    ),
    setting("partition.assignment.strategy", Consumer, Text, Assignor),
    setting(
        "exclude.internal.topics",
        Consumer,
        Boolean,
        NoEffect("topics are named by the connector"),
    ),
    setting("key.deserializer", Consumer, Text, NoEffect(OWN_BYTES)),
    setting("value.deserializer", Consumer, Text, NoEffect(OWN_BYTES)),
    setting(
        "share.acknowledgement.mode",
        Consumer,
        Text,
        NoEffect("there are no share groups here"),
    ),
    setting(
        "internal.leave.group.on.close",
        Consumer,
        Boolean,
        NoEffect(JAVA_INTERNAL),
    ),
    setting(
        "internal.throw.on.fetch.stable.offset.unsupported",
        Consumer,
        Boolean,
        NoEffect(JAVA_INTERNAL),
    ),
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
    setting(
        "compression.type",
        Producer,
        Choice(&["none", "gzip", "snappy", "lz4", "zstd"]),
        Same,
    ),
    setting(
        "compression.gzip.level",
        Producer,
        Integer,
        NoEffect(LEVELS),
    ),
    setting("compression.lz4.level", Producer, Integer, NoEffect(LEVELS)),
    setting(
        "compression.zstd.level",
        Producer,
        Integer,
        NoEffect(LEVELS),
    ),
    setting(
        "buffer.memory",
        Producer,
        Integer,
        Kibibytes("queue.buffering.max.kbytes"),
    ),
    setting("delivery.timeout.ms", Producer, Integer, Same),
    setting(
        "max.request.size",
        Producer,
        Integer,
        Renamed("message.max.bytes"),
    ),
    setting("message.max.bytes", Producer, Integer, Same),
    setting(
        "max.in.flight.requests.per.connection",
        Producer,
        Integer,
        Same,
    ),
    setting("retries", Producer, Integer, Same),
    setting("enable.idempotence", Producer, Boolean, Same),
    setting("max.block.ms", Producer, Integer, NoEffect(OUR_TIMEOUTS)),
    setting("transactional.id", Producer, Text, Refused(NO_TRANSACTIONS)),
    setting(
        "transaction.timeout.ms",
        Producer,
        Integer,
        NoEffect(NO_TRANSACTIONS),
    ),
    setting(
        "transaction.two.phase.commit.enable",
        Producer,
        Boolean,
        NoEffect(NO_TRANSACTIONS),
    ),
    setting("partitioner.class", Producer, Text, NoEffect(BY_KEY)),
    setting(
        "partitioner.ignore.keys",
        Producer,
        Boolean,
        NoEffect(BY_KEY),
    ),
    setting(
        "partitioner.adaptive.partitioning.enable",
        Producer,
        Boolean,
        NoEffect(BY_KEY),
    ),
    setting(
        "partitioner.availability.timeout.ms",
        Producer,
        Integer,
        NoEffect(BY_KEY),
    ),
    setting("key.serializer", Producer, Text, NoEffect(OWN_BYTES)),
    setting("value.serializer", Producer, Text, NoEffect(OWN_BYTES)),
];
