//! The table of the worker's own keys. `config/worker.toml` and `config/README.md` are tested against
//! it.

use crate::config::converter;

/// What a value must look like.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// Any text.
    Text,
    /// An integer within limits, both inclusive.
    Integer(i64, i64),
    /// `true` or `false`.
    Boolean,
    /// One of these, any case.
    Choice(&'static [&'static str]),
    /// `http://host:port`, several separated by commas.
    Listeners,
    /// Name of a converter.
    Converter,
    /// Name of a converter that reads headers.
    HeaderConverter,
    /// A log filter.
    Filter,
    /// Headers for every answer.
    Headers,
}

impl Form {
    /// What is allowed, in words.
    pub fn allowed(self) -> String {
        match self {
            Self::Text => "any text".to_owned(),
            Self::Integer(minimum, maximum) => format!("an integer from {minimum} to {maximum}"),
            Self::Boolean => "true or false".to_owned(),
            Self::Choice(values) => values.join(", "),
            Self::Listeners => {
                "http://<host>:<port> or https://<host>:<port>, several separated by commas; no host: all interfaces; port 0: any free one".to_owned()
            }
            Self::Converter => format!("{}, or their full Java class names", converter::BUILT_IN),
            Self::HeaderConverter => format!(
                "SimpleHeaderConverter, or a converter without a registry: {}; or their full Java class names",
                converter::WITHOUT_REGISTRY
            ),
            Self::Headers => {
                "`set <name>: <value>` or `add <name>: <value>`, several separated by commas; one with a comma in its value in double quotes".to_owned()
            }
            Self::Filter => {
                "error, warn, info, debug, trace or off, or a list such as info,rowdock::write=debug".to_owned()
            }
        }
    }
}

/// One key.
#[derive(Debug)]
pub struct WorkerKey {
    /// The key.
    pub name: &'static str,
    /// What its value must look like.
    pub form: Form,
    /// Value when it is not given; `None`: no value.
    pub default: Option<&'static str>,
    /// Heading under which it is documented.
    pub section: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// A value to show where there is no default.
    pub example: &'static str,
}

const fn key(
    section: &'static str,
    name: &'static str,
    form: Form,
    default: &'static str,
    doc: &'static str,
) -> WorkerKey {
    WorkerKey {
        name,
        form,
        default: Some(default),
        section,
        doc,
        example: default,
    }
}

const fn optional(
    section: &'static str,
    name: &'static str,
    form: Form,
    example: &'static str,
    doc: &'static str,
) -> WorkerKey {
    WorkerKey {
        name,
        form,
        default: None,
        section,
        doc,
        example,
    }
}

const KAFKA: &str = "Kafka";
const CLUSTER: &str = "Cluster";
const REST: &str = "REST API";
const CONVERTERS: &str = "Converters";
const TASKS: &str = "Tasks";
const PROVIDERS: &str = "Config providers";
const LOGS: &str = "Logs";

pub static BOOTSTRAP_SERVERS: WorkerKey = key(
    KAFKA,
    "bootstrap.servers",
    Form::Text,
    "localhost:9092",
    "Brokers to find the cluster by, host:port separated by commas.",
);

pub static GROUP_ID: WorkerKey = optional(
    KAFKA,
    "group.id",
    Form::Text,
    "connect-cluster",
    "Group of the workers that form a cluster. Needed by `rowdock worker`; a standalone worker only checks that no connector's consumer group has this name.",
);

pub static CONFIG_TOPIC: WorkerKey = optional(
    CLUSTER,
    "config.storage.topic",
    Form::Text,
    "connect-configs",
    "Topic that holds the cluster's connectors; compacted, with one partition. Created when it is missing. Needed by `rowdock worker`.",
);

pub static CONFIG_REPLICATION: WorkerKey = key(
    CLUSTER,
    "config.storage.replication.factor",
    Form::Integer(-1, 32_767),
    "3",
    "Replication factor with which that topic is created; -1: the broker's default.",
);

pub static STATUS_TOPIC: WorkerKey = optional(
    CLUSTER,
    "status.storage.topic",
    Form::Text,
    "connect-status",
    "Topic in which workers tell how their tasks are; compacted. Created when it is missing. Needed by `rowdock worker`.",
);

pub static STATUS_PARTITIONS: WorkerKey = key(
    CLUSTER,
    "status.storage.partitions",
    Form::Integer(1, 1000),
    "5",
    "Partitions with which that topic is created.",
);

pub static STATUS_REPLICATION: WorkerKey = key(
    CLUSTER,
    "status.storage.replication.factor",
    Form::Integer(-1, 32_767),
    "3",
    "Replication factor with which that topic is created; -1: the broker's default.",
);

pub static SESSION_TIMEOUT: WorkerKey = key(
    CLUSTER,
    "session.timeout.ms",
    Form::Integer(500, 3_600_000),
    "6000",
    "How long a worker may be silent before its tasks are given to others, in milliseconds. Shorter than that of the connectors' consumers (10000), so that the new task is in its group by the time the old one is put out of it.",
);

pub static HEARTBEAT_INTERVAL: WorkerKey = key(
    CLUSTER,
    "heartbeat.interval.ms",
    Form::Integer(100, 3_600_000),
    "1000",
    "How often a worker tells the group of workers that it lives, in milliseconds.",
);

pub static OVERRIDE_POLICY: WorkerKey = key(
    KAFKA,
    "connector.client.config.override.policy",
    Form::Choice(&["All", "Principal", "None"]),
    "All",
    "Which client settings a connector may override (`consumer.override.*`, `producer.override.*`). The names of Kafka's classes, such as AllConnectorClientConfigOverridePolicy, are accepted too. Principal: only sasl.jaas.config, sasl.mechanism and security.protocol.",
);

pub static LISTENERS: WorkerKey = key(
    REST,
    "listeners",
    Form::Listeners,
    "http://127.0.0.1:9398",
    "Addresses of the REST API. The default is reachable from this machine only, because the API has no authentication and its configs hold passwords; `http://:9398` listens on all interfaces, which a container needs.",
);

pub static CLIENT_AUTH: WorkerKey = key(
    REST,
    "listeners.https.ssl.client.auth",
    Form::Choice(&["none", "requested", "required"]),
    "none",
    "Whether clients of https listeners must show a certificate. Certificates and keys of https listeners are set as those of Kafka clients are, with the prefix `listeners.https.`: `listeners.https.ssl.keystore.location`, ..; what is not given there is taken from the worker's own `ssl.*`.",
);

pub static ADMIN_LISTENERS: WorkerKey = optional(
    REST,
    "admin.listeners",
    Form::Listeners,
    "http://127.0.0.1:9399",
    "Addresses of the requests under /admin. Not given: those of `listeners`. Given and empty: they are answered nowhere.",
);

pub static ALLOWED_ORIGINS: WorkerKey = optional(
    REST,
    "access.control.allow.origin",
    Form::Text,
    "https://console.example.com",
    "Origins, separated by commas, whose pages a browser lets use the REST API; `*` is all. Not given: none but its own.",
);

pub static ALLOWED_METHODS: WorkerKey = optional(
    REST,
    "access.control.allow.methods",
    Form::Text,
    "GET,POST,PUT,PATCH,DELETE",
    "Methods, separated by commas, that such pages may use. Not given: GET, POST and HEAD.",
);

pub static RESPONSE_HEADERS: WorkerKey = optional(
    REST,
    "response.http.headers.config",
    Form::Headers,
    "set X-Frame-Options: DENY",
    "Headers that every answer of the REST API gets.",
);

pub static ADVERTISED_HOST: WorkerKey = optional(
    REST,
    "rest.advertised.host.name",
    Form::Text,
    "worker-1.example.com",
    "Host by which others know this worker; shown as worker_id. Not given: the host of the listener that others know, or the machine's name when that is all interfaces.",
);

pub static ADVERTISED_PORT: WorkerKey = optional(
    REST,
    "rest.advertised.port",
    Form::Integer(1, 65_535),
    "9398",
    "Port by which others know this worker. Not given: the port of the listener that others know.",
);

pub static ADVERTISED_LISTENER: WorkerKey = optional(
    REST,
    "rest.advertised.listener",
    Form::Choice(&["http", "https"]),
    "http",
    "Which listener others know this worker by: the first of this scheme. Not given: the first of all.",
);

pub static BODY_MAX_BYTES: WorkerKey = key(
    REST,
    "rest.request.body.max.bytes",
    Form::Integer(1024, 64 * 1024 * 1024),
    "1048576",
    "Largest body of a request; a larger one is refused with status 413.",
);

pub static KEY_CONVERTER: WorkerKey = key(
    CONVERTERS,
    "key.converter",
    Form::Converter,
    "JsonConverter",
    "How record keys are read by connectors that name no key.converter.",
);

pub static KEY_SCHEMAS_ENABLE: WorkerKey = key(
    CONVERTERS,
    "key.converter.schemas.enable",
    Form::Boolean,
    "true",
    "JsonConverter: whether keys are envelopes of `schema` and `payload`. false: plain JSON.",
);

pub static KEY_SCHEMAS_CACHE: WorkerKey = key(
    CONVERTERS,
    "key.converter.schemas.cache.size",
    Form::Integer(1, 100_000),
    "1000",
    "JsonConverter: envelope schemas of keys that a task keeps parsed.",
);

pub static VALUE_CONVERTER: WorkerKey = key(
    CONVERTERS,
    "value.converter",
    Form::Converter,
    "JsonConverter",
    "How record values are read by connectors that name no value.converter.",
);

pub static VALUE_SCHEMAS_ENABLE: WorkerKey = key(
    CONVERTERS,
    "value.converter.schemas.enable",
    Form::Boolean,
    "true",
    "JsonConverter: whether values are envelopes of `schema` and `payload`. false: plain JSON.",
);

pub static VALUE_SCHEMAS_CACHE: WorkerKey = key(
    CONVERTERS,
    "value.converter.schemas.cache.size",
    Form::Integer(1, 100_000),
    "1000",
    "JsonConverter: envelope schemas of values that a task keeps parsed.",
);

pub static HEADER_CONVERTER: WorkerKey = key(
    CONVERTERS,
    "header.converter",
    Form::HeaderConverter,
    "SimpleHeaderConverter",
    "How header values are read, for connectors that do not name a header converter themselves. Headers are decoded only for transforms that look into them; dead letters carry their bytes unchanged.",
);

pub static OFFSET_FLUSH_INTERVAL: WorkerKey = key(
    TASKS,
    "offset.flush.interval.ms",
    Form::Integer(100, 3_600_000),
    "5000",
    "How often a task's positions are copied to Kafka's consumer group, for lag tools, in milliseconds. With exactly-once the positions that count are in the target database; with at-least-once this bounds what a crash repeats.",
);

pub static SHUTDOWN_TIMEOUT: WorkerKey = key(
    TASKS,
    "task.shutdown.graceful.timeout.ms",
    Form::Integer(0, 600_000),
    "5000",
    "How long all tasks together may take to write what they have read, commit and leave their groups when the worker stops, in milliseconds. What is not written by then is read again later.",
);

pub static FETCH_MEMORY: WorkerKey = key(
    TASKS,
    "tasks.fetch.memory.bytes",
    Form::Integer(16 * 1024 * 1024, 1024 * 1024 * 1024 * 1024),
    "536870912",
    "Bytes of records that the queues of all tasks of the worker together may hold, fetched and not read yet. Each task has a share from when it starts until it ends: an even one among the tasks that are placed on the worker, a sixteenth of what is left at most, 8 MiB at most, and 1 MiB even when nothing is left. Not in it: queues of connectors that set consumer.override.queued.max.messages.kbytes, one answer per broker that is on its way into a queue (fetch.max.bytes: 4 MiB, or the share where that is less), and the batches that are written (batch.max.bytes).",
);

pub static TOPIC_TRACKING: WorkerKey = key(
    TASKS,
    "topic.tracking.enable",
    Form::Boolean,
    "true",
    "Whether the topics that a connector's tasks have written are remembered (`GET /connectors/{name}/topics`).",
);

pub static TOPIC_TRACKING_RESET: WorkerKey = key(
    TASKS,
    "topic.tracking.allow.reset",
    Form::Boolean,
    "true",
    "Whether they may be forgotten by a request.",
);

pub static CONFIG_PROVIDERS: WorkerKey = optional(
    PROVIDERS,
    "config.providers",
    Form::Text,
    "file,env",
    "Names of config providers, separated by commas, for values such as `${file:/etc/shop.properties:password}` in connectors' configs and in the worker's own settings. The keys below are those of providers named `file` and `env`; any names will do.",
);

pub static CONFIG_PROVIDER_FILE: WorkerKey = optional(
    PROVIDERS,
    "config.providers.file.class",
    Form::Choice(&[
        "FileConfigProvider",
        "DirectoryConfigProvider",
        "EnvVarConfigProvider",
    ]),
    "FileConfigProvider",
    "What the provider is; full Java class names are accepted too. FileConfigProvider: `${file:path:key}` is a key in a Java properties file. DirectoryConfigProvider: `${file:path:key}` is the text of the file `key` in the folder `path`.",
);

pub static CONFIG_PROVIDER_PATHS: WorkerKey = optional(
    PROVIDERS,
    "config.providers.file.param.allowed.paths",
    Form::Text,
    "/etc",
    "Files and folders: absolute paths, separated by commas, below which values may be read. Not given: everywhere, for everyone who may create connectors.",
);

pub static CONFIG_PROVIDER_ENV: WorkerKey = optional(
    PROVIDERS,
    "config.providers.env.class",
    Form::Choice(&[
        "FileConfigProvider",
        "DirectoryConfigProvider",
        "EnvVarConfigProvider",
    ]),
    "EnvVarConfigProvider",
    "EnvVarConfigProvider: `${env:VARIABLE}` is a variable of the worker's environment.",
);

pub static CONFIG_PROVIDER_PATTERN: WorkerKey = optional(
    PROVIDERS,
    "config.providers.env.param.allowlist.pattern",
    Form::Text,
    "^SHOP_",
    "Environment variables: regular expression that must be found in a variable's name for it to be read. Not given: all.",
);

pub static LOG_FORMAT: WorkerKey = key(
    LOGS,
    "log.format",
    Form::Choice(&["auto", "human", "json"]),
    "auto",
    "Form of the log. auto: for people on a terminal, else one JSON object per line.",
);

pub static LOG_LEVEL: WorkerKey = key(
    LOGS,
    "log.level",
    Form::Filter,
    "info",
    "What is logged: a level, or levels for parts of the program.",
);

/// Every key, in the order of the documentation.
pub const ALL: &[&WorkerKey] = &[
    &BOOTSTRAP_SERVERS,
    &GROUP_ID,
    &OVERRIDE_POLICY,
    &CONFIG_TOPIC,
    &CONFIG_REPLICATION,
    &STATUS_TOPIC,
    &STATUS_PARTITIONS,
    &STATUS_REPLICATION,
    &SESSION_TIMEOUT,
    &HEARTBEAT_INTERVAL,
    &LISTENERS,
    &CLIENT_AUTH,
    &ADMIN_LISTENERS,
    &ALLOWED_ORIGINS,
    &ALLOWED_METHODS,
    &RESPONSE_HEADERS,
    &ADVERTISED_HOST,
    &ADVERTISED_PORT,
    &ADVERTISED_LISTENER,
    &BODY_MAX_BYTES,
    &KEY_CONVERTER,
    &KEY_SCHEMAS_ENABLE,
    &KEY_SCHEMAS_CACHE,
    &VALUE_CONVERTER,
    &VALUE_SCHEMAS_ENABLE,
    &VALUE_SCHEMAS_CACHE,
    &HEADER_CONVERTER,
    &OFFSET_FLUSH_INTERVAL,
    &SHUTDOWN_TIMEOUT,
    &FETCH_MEMORY,
    &TOPIC_TRACKING,
    &TOPIC_TRACKING_RESET,
    &CONFIG_PROVIDERS,
    &CONFIG_PROVIDER_FILE,
    &CONFIG_PROVIDER_PATHS,
    &CONFIG_PROVIDER_ENV,
    &CONFIG_PROVIDER_PATTERN,
    &LOG_FORMAT,
    &LOG_LEVEL,
];
