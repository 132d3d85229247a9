//! Keys of the sinks. Names are the Confluent JDBC sink's where it has the key.

mod values;

use super::{ConfigKey, Group, Kind, Rule};
pub(in crate::config) use values::{
    field_entries, table_types, tables_of_topics, zone, zoned_fields,
};
use values::{items, table_name_format, topics_to_tables};

/// Rows in one batch, and so in one transaction. Above this a batch gains nothing and only holds
/// its locks for longer.
pub(in crate::config) const BATCH_ROWS_LIMIT: i64 = 100_000;

/// `batch.max.bytes` at least: room for one record of a broker's default largest size.
pub(in crate::config) const BATCH_BYTES_MIN: i64 = 1024 * 1024;

/// `batch.max.bytes` at most: three batches are in memory, one written, one waiting, one filled.
pub(in crate::config) const BATCH_BYTES_LIMIT: i64 = 256 * 1024 * 1024;

/// `max.retries` at most: more than a year of them.
pub(in crate::config) const RETRIES_LIMIT: i64 = i32::MAX as i64;
/// `retry.backoff.ms` at most: a database that is back should not wait for an hour.
pub(in crate::config) const RETRY_BACKOFF_MS_LIMIT: i64 = 3_600_000;
/// `linger.ms` at most, so that a waiting batch never comes near a session time-out.
pub(in crate::config) const LINGER_MS_LIMIT: i64 = 5_000;

pub(in crate::config) static CONNECTION_URL: ConfigKey = ConfigKey::new(
    "connection.url",
    Kind::Text,
    Group::Connection,
    "Connection URL",
    "Where the database is: `jdbc:postgresql://host:5432/database` or `postgresql://..` for `PostgresSink`, `jdbc:mysql://host:3306/database`, `jdbc:mariadb://..` or `mysql://..` for `MySqlSink`, `jdbc:sqlite:/path/to/file.db` or `sqlite:..` for `SqliteSink`, `cassandra://host:9042/keyspace` for `CassandraSink`.",
)
.required()
.high()
.sensitive();

pub(in crate::config) static CONNECTION_USER: ConfigKey = ConfigKey::new(
    "connection.user",
    Kind::Text,
    Group::Connection,
    "Connection user",
    "User of the database; replaces one in the URL.",
)
.high();

pub(in crate::config) static CONNECTION_PASSWORD: ConfigKey = ConfigKey::new(
    "connection.password",
    Kind::Password,
    Group::Connection,
    "Connection password",
    "Password of the user; replaces one in the URL.",
)
.high();

const RETRIED_FOREVER: &str = "A database that cannot be reached, or is busy, is retried with growing waits for as long as that lasts; the task stays RUNNING and nothing is skipped.";

pub(in crate::config) static CONNECTION_ATTEMPTS: ConfigKey = ConfigKey::new(
    "connection.attempts",
    Kind::Int,
    Group::Connection,
    "Connection attempts",
    "Attempts to connect.",
)
.rule(Rule::NoEffect(RETRIED_FOREVER))
.low();

pub(in crate::config) static CONNECTION_BACKOFF_MS: ConfigKey = ConfigKey::new(
    "connection.backoff.ms",
    Kind::Long,
    Group::Connection,
    "Connection back-off",
    "Wait between attempts to connect, in milliseconds.",
)
.rule(Rule::NoEffect(RETRIED_FOREVER))
.low();

pub(in crate::config) static DIALECT_NAME: ConfigKey = ConfigKey::new(
    "dialect.name",
    Kind::Text,
    Group::Connection,
    "Database dialect",
    "The database is the class's: `PostgreSqlDatabaseDialect` with `PostgresSink`, `MySqlDatabaseDialect` with `MySqlSink` and `SqliteDatabaseDialect` with `SqliteSink` are accepted, nothing else.",
)
.default("")
.low();

pub(in crate::config) static CREDENTIALS_PROVIDER: ConfigKey = ConfigKey::new(
    "jdbc.credentials.provider.class",
    Kind::Text,
    Group::Connection,
    "Credentials provider",
    "Class that provides user and password.",
)
.rule(Rule::Unsupported(
    "Java classes cannot be loaded: give connection.user and connection.password.",
))
.low();

pub(in crate::config) static INSERT_MODE: ConfigKey = ConfigKey::new(
    "insert.mode",
    Kind::Text,
    Group::Writes,
    "Insert mode",
    "`insert`: every record is a new row; a key that exists already is a record error. `upsert`: a row with the same key is replaced in the given columns, else it is a new row. `update`: a row with the same key is replaced in the given columns, else nothing happens. `insert_ignore`: a new row, unless there is one with the same key. All but `insert` need a key.",
)
.default("insert")
.rule(Rule::OneOfIgnoringCase(&["insert", "upsert", "update", "insert_ignore"]))
.high();

pub(in crate::config) static BATCH_SIZE: ConfigKey = ConfigKey::new(
    "batch.size",
    Kind::Int,
    Group::Writes,
    "Batch size",
    "Most rows in one transaction. A batch is closed earlier when the database is idle and no more records wait.",
)
.default("5000")
.rule(Rule::Range(1, BATCH_ROWS_LIMIT));

pub(in crate::config) static BATCH_MAX_BYTES: ConfigKey = ConfigKey::new(
    "batch.max.bytes",
    Kind::Int,
    Group::Writes,
    "Batch bytes",
    "Most bytes of cells in one transaction; a single larger row is written alone.",
)
.default("8388608")
.rule(Rule::Range(BATCH_BYTES_MIN, BATCH_BYTES_LIMIT));

pub(in crate::config) static LINGER_MS: ConfigKey = ConfigKey::new(
    "linger.ms",
    Kind::Int,
    Group::Writes,
    "Linger",
    "How long a batch that could be written waits for more rows, in milliseconds. Batches grow by themselves when load is high; this only adds delay, for fewer and larger transactions.",
)
.default("0")
.rule(Rule::Range(0, LINGER_MS_LIMIT))
.low();

pub(in crate::config) static DELETE_ENABLED: ConfigKey = ConfigKey::new(
    "delete.enabled",
    Kind::Boolean,
    Group::Writes,
    "Enable deletes",
    "Whether a record without a value deletes the row with its key. Needs `pk.mode` `record_key` or `record_header`; or `record_value` with `change.events=debezium`, where deletes come with the row that was there (`before`, or a flattened event with `__deleted`), and a record without a value is passed over. With `change.events=debezium` the field `__deleted` of flattened events tells deletes whatever columns there are: no column is made for it, and one of that name holds `false`.",
)
.default("false");

pub(in crate::config) static CHANGE_EVENTS: ConfigKey = ConfigKey::new(
    "change.events",
    Kind::Text,
    Group::Writes,
    "Change events",
    "Whether values are change events. `debezium`: of Debezium's events the row is `after`, `d` deletes and `t` empties the table (with `delete.enabled` and `truncate.enabled`; else they are passed over, as Debezium's sink does), and schema changes, heartbeats and transaction metadata are passed over; flattened events and plain records are rows as they stand, and CloudEvents are opened. `none`: every value is a row.",
)
.default("none")
.rule(Rule::OneOfIgnoringCase(&["none", "debezium"]));

pub(in crate::config) static TRUNCATE_ENABLED: ConfigKey = ConfigKey::new(
    "truncate.enabled",
    Kind::Boolean,
    Group::Writes,
    "Enable truncates",
    "Whether a change event with op `t` empties the table. Needs `change.events=debezium`.",
)
.default("false");

pub(in crate::config) static UNAVAILABLE_VALUE: ConfigKey = ConfigKey::new(
    "unavailable.value.placeholder",
    Kind::Text,
    Group::Writes,
    "Placeholder of values",
    "What Debezium writes in the place of a large value that an update has left alone and the source's log does not have (PostgreSQL's TOAST, Oracle's LOBs); the source connector's key of the same name says it. With `change.events=debezium` a text, the bytes of one, a document, or an array or map of it alone is a field that is not there: the row keeps its value. A new row has the column's default, so a column that is NOT NULL and has none takes such events with `insert.mode=update` only. Empty: every value is itself.",
)
.default("__debezium_unavailable_value")
.low();

pub(in crate::config) static DELETE_SOFT_FIELD: ConfigKey = ConfigKey::new(
    "delete.soft.field",
    Kind::Text,
    Group::Writes,
    "Soft delete column",
    "Boolean column that is set to true where a delete would remove the row, and to false by every other record. A delete of a row that is not there makes one, with its key, this column and the guard. Needs `delete.enabled=true` and `insert.mode` `upsert` or `update`.",
)
.low();

pub(in crate::config) static UPSERT_GUARD_FIELD: ConfigKey = ConfigKey::new(
    "upsert.guard.field",
    Kind::Text,
    Group::Writes,
    "Guard column",
    "Column of a number, date or time, such as a version: with `insert.mode` `upsert` or `update` a row is replaced only by a record with a greater value in it, so that late and repeated records do no harm, whatever the partitioning. With `delete.enabled=true` it needs `delete.soft.field` or `delete.tombstone.table`, since a row that is gone has no value to compare with, and the guard must be a field of the record's key, or a header.",
)
.low();

pub(in crate::config) static DELETE_TOMBSTONE_TABLE: ConfigKey = ConfigKey::new(
    "delete.tombstone.table",
    Kind::Text,
    Group::Writes,
    "Table of tombstones",
    "Table that remembers of each deleted key the greatest guard of its deletes, in the same transaction, so that an older record that comes later does not bring the row back. It has the table's key columns as its primary key, and the guard column, with the names and types that they have there. `${table}` in the name, which must be there, is the table's own, and so is the schema unless one is given: `${table}_deleted`. Created with `auto.create=true`. Rows in it are never removed: those older than any record that may still come can be deleted by hand. Needs `upsert.guard.field` and `delete.enabled=true`, and excludes `delete.soft.field`.",
)
.low();

pub(in crate::config) static MAX_RETRIES: ConfigKey = ConfigKey::new(
    "max.retries",
    Kind::Int,
    Group::Writes,
    "Maximum retries",
    "Attempts to write on, one after the other, that fail because the database is away, busy or out of room, before the task fails. Without this key they go on for as long as that lasts; the task stays RUNNING, and its status says why it waits. Nothing is skipped either way.",
)
.rule(Rule::Range(0, RETRIES_LIMIT))
.low();

pub(in crate::config) static RETRY_BACKOFF_MS: ConfigKey = ConfigKey::new(
    "retry.backoff.ms",
    Kind::Int,
    Group::Writes,
    "Retry back-off",
    "Wait between such attempts, in milliseconds. Without this key it grows from 50 milliseconds to 2 seconds.",
)
.rule(Rule::Range(0, RETRY_BACKOFF_MS_LIMIT))
.low();

pub(in crate::config) static TASKS_AUTO_RESTART: ConfigKey = ConfigKey::new(
    "tasks.auto.restart",
    Kind::Boolean,
    Group::Writes,
    "Restart tasks",
    "Whether a FAILED task is started anew by itself when that may help: it was lost by a defect, or has used up `max.retries`. Pauses grow from one second to one minute. Never at a record that cannot be stored, nor at what a person must mend. Not given: yes; with the class of another sink no, as in Kafka Connect.",
)
.low();

pub(in crate::config) static TRIM_SENSITIVE_LOG: ConfigKey = ConfigKey::new(
    "trim.sensitive.log",
    Kind::Boolean,
    Group::Writes,
    "Trim sensitive log",
    "Whether values are kept out of logged database errors. They always are.",
)
.low();

pub(in crate::config) static PK_MODE: ConfigKey = ConfigKey::new(
    "pk.mode",
    Kind::Text,
    Group::Mapping,
    "Primary key mode",
    "Where a row's key comes from. `none`: no key. `kafka`: topic, partition and offset. `record_key`: the record's key, a primitive or fields of an object. `record_value`: fields of the record's value. `record_header`: the record's headers, as `header.converter` reads them.",
)
.default("none")
.rule(Rule::OneOfIgnoringCase(&["none", "kafka", "record_key", "record_value", "record_header"]))
.high();

pub(in crate::config) static PK_FIELDS: ConfigKey = ConfigKey::new(
    "pk.fields",
    Kind::List,
    Group::Mapping,
    "Primary key fields",
    "Names of the key's columns. With `kafka`: empty, or three names for topic, partition and offset (`__connect_topic`, `__connect_partition`, `__connect_offset` when empty). With `record_key`: one name for a primitive key; for an object its fields, empty for all. With `record_value`: fields of the value, at least one. With `record_header`: names of headers, at least one.",
)
.default("");

pub(in crate::config) static FIELDS_WHITELIST: ConfigKey = ConfigKey::new(
    "fields.whitelist",
    Kind::List,
    Group::Mapping,
    "Fields whitelist",
    "Fields of the value that are written; empty: all. An entry `field` counts for every topic, `topic:field` for that topic alone, as it is called after transforms. When entries are given and none is for a topic, nothing of its values is written. A field with a colon in its name is named with its topic. Key columns are always written.",
)
.default("")
.rule(Rule::Check(|value| field_entries(items(value)).map(|_| ())));

pub(in crate::config) static FIELDS_EXCLUDE: ConfigKey = ConfigKey::new(
    "fields.exclude.list",
    Kind::List,
    Group::Mapping,
    "Excluded fields",
    "Fields of the value that are not written, even if `fields.whitelist` names them; `field` or `topic:field`, as there. Key columns are always written.",
)
.default("")
.rule(Rule::Check(|value| field_entries(items(value)).map(|_| ())));

pub(in crate::config) static FIELDS_UNKNOWN: ConfigKey = ConfigKey::new(
    "fields.unknown",
    Kind::Text,
    Group::Mapping,
    "Unknown fields",
    "What a field of the value means that the table has no column for. `fail`: the record is bad. `ignore`: the field is left out. A record with two fields whose names differ in case only, and one column for both, is bad, unless one of them has exactly the column's name and this is `ignore`.",
)
.default("fail")
.rule(Rule::OneOfIgnoringCase(&["fail", "ignore"]));

pub(in crate::config) static DB_TIMEZONE: ConfigKey = ConfigKey::new(
    "db.timezone",
    Kind::Text,
    Group::Mapping,
    "Database time zone",
    "Zone of dates and times that have none: points in time are stored in columns without a zone as clocks show them there, and dates and times without a zone are taken for that zone's in columns of points in time. A name of the tz database, such as `Europe/Berlin`, or a distance such as `+05:30`. Days stay days.",
)
.default("UTC")
.rule(Rule::Check(|value| zone(value).map(|_| ())))
.low();

pub(in crate::config) static TIMEZONE_FIELDS: ConfigKey = ConfigKey::new(
    "timezone.fields",
    Kind::List,
    Group::Mapping,
    "Fields with time zones",
    "Pairs `time:zone` of fields, separated by commas: `time` holds a point in time (or a date and time without a zone, which then is that zone's), `zone` the name of a zone such as `Europe/Berlin` or a distance such as `+02:00`. A column of points in time gets the point, one without a zone what clocks show in that zone then, a text column both, as `2026-11-21T11:15:30+01:00`. The zone's field needs no column.",
)
.default("")
.rule(Rule::Check(|value| zoned_fields(items(value)).map(|_| ())))
.low();

pub(in crate::config) static DATE_TIMEZONE: ConfigKey = ConfigKey::new(
    "date.timezone",
    Kind::Text,
    Group::Mapping,
    "Zone of dates",
    "Zone of dates; with both values a day stays the day that it is.",
)
.default("db_timezone")
.rule(Rule::OneOfIgnoringCase(&["db_timezone", "utc"]))
.low();

pub(in crate::config) static DATE_CALENDAR: ConfigKey = ConfigKey::new(
    "date.calendar.system",
    Kind::Text,
    Group::Mapping,
    "Calendar of dates",
    "Calendar of dates before 1582.",
)
.default("PROLEPTIC_GREGORIAN")
.rule(Rule::Only(
    &["PROLEPTIC_GREGORIAN"],
    "Only `PROLEPTIC_GREGORIAN`, the calendar of the databases, is supported.",
))
.low();

pub(in crate::config) static TIMESTAMP_FIELDS: ConfigKey = ConfigKey::new(
    "timestamp.fields.list",
    Kind::List,
    Group::Mapping,
    "Timestamp fields",
    "Fields of the value that stand for points in time: numbers that count what `timestamp.precision.mode` says since 1970-01-01 UTC, or texts in ISO 8601. Without it a number in a timestamp column counts milliseconds.",
)
.default("")
.low();

pub(in crate::config) static TIMESTAMP_PRECISION: ConfigKey = ConfigKey::new(
    "timestamp.precision.mode",
    Kind::Text,
    Group::Mapping,
    "Timestamp precision",
    "What numbers in the fields of `timestamp.fields.list` count.",
)
.default("microseconds")
.rule(Rule::OneOfIgnoringCase(&["microseconds", "nanoseconds"]))
.low();

pub(in crate::config) static STRING_COLUMN: ConfigKey = ConfigKey::new(
    "string.output.value.column.name",
    Kind::Text,
    Group::Mapping,
    "Column of single values",
    "Column for values that are no objects but a single text, number or byte array.",
)
.default("record_value")
.rule(Rule::NonEmptyText)
.low();

pub(in crate::config) static REPLACE_NULL: ConfigKey = ConfigKey::new(
    "replace.null.with.default",
    Kind::Boolean,
    Group::Mapping,
    "Defaults for nulls",
    "Whether a null in a value's field stands for the field's default, where its schema has one. `false`: a null stays null, with `JsonConverter` as if `value.converter.replace.null.with.default` were `false`. Keys always take their defaults.",
)
.default("true")
.low();

pub(in crate::config) static TABLE_NAME_FORMAT: ConfigKey = ConfigKey::new(
    "table.name.format",
    Kind::Text,
    Group::Tables,
    "Table name format",
    "Name of the table, `schema.table` or `table`. `${topic}` stands for the topic; `${value.field}`, `${value.a.b}`, `${key}`, `${key.field}` and `${header.name}` for what the record has there, a text or whole number; `${source.field}` for the same field of a change event's `source`; `${timestamp.yyyyMMdd}` for the record's time in `db.timezone`, by a pattern of Java's `SimpleDateFormat`. With more than `${topic}` each record chooses its table, and a record that does not have what is named is bad (with `change.events=debezium` tombstones, which follow the delete, are passed over); the tables of a batch are written in one transaction.",
)
.default("${topic}")
.rule(Rule::Check(table_name_format));

pub(in crate::config) static TABLE_NAME_DOTS: ConfigKey = ConfigKey::new(
    "table.name.dots",
    Kind::Text,
    Group::Tables,
    "Dots in topic names",
    "What the dots of a topic's name are in the table's name. `keep`: parts of it, as all other characters are. `underscore`: `_`. `schema`: the filled-in format is split at its last dots, so that topic `shop.orders` is table `orders` in schema `shop`; quotes, `\"` or `` ` ``, keep the dots between them.",
)
.default("keep")
.rule(Rule::OneOfIgnoringCase(&["keep", "underscore", "schema"]))
.low();

pub(in crate::config) static TABLE_NAME_NORMALIZE: ConfigKey = ConfigKey::new(
    "table.name.normalize",
    Kind::Boolean,
    Group::Tables,
    "Normalize table names",
    "Whether every character of the filled-in format that is no ASCII letter, digit or `_` becomes `_`, dots included.",
)
.default("false")
.low();

pub(in crate::config) static TOPICS_TO_TABLES: ConfigKey = ConfigKey::new(
    "topics.to.tables.mapping",
    Kind::List,
    Group::Tables,
    "Tables of topics",
    "Table of each topic, `topic:table` or `topic:schema.table`, separated by commas, instead of a format. Every topic must be in it.",
)
.default("")
.rule(Rule::Check(topics_to_tables));

pub(in crate::config) static AUTO_CREATE: ConfigKey = ConfigKey::new(
    "auto.create",
    Kind::Boolean,
    Group::Tables,
    "Auto-create",
    "Whether a missing table is created, from the envelope's schema or else from the first records.",
)
.default("false");

pub(in crate::config) static AUTO_EVOLVE: ConfigKey = ConfigKey::new(
    "auto.evolve",
    Kind::Boolean,
    Group::Tables,
    "Auto-evolve",
    "Whether a table is changed so that it holds what its records have: missing columns are added, and columns are widened where that loses nothing (longer texts and bytes, larger integers and decimals, single to double). Nothing is ever narrowed or dropped. What the database refuses makes bad records, whose error names the statement to run by hand; half a minute later such records try again. Without the right to change the table the task stops, with the statement. Takes the place of `fields.unknown`.",
)
.default("false");

pub(in crate::config) static QUOTE_IDENTIFIERS: ConfigKey = ConfigKey::new(
    "quote.sql.identifiers",
    Kind::Text,
    Group::Tables,
    "Quote identifiers",
    "`ALWAYS`: names of tables and columns mean exactly what they say, upper and lower case included. `NEVER`: they mean what the database takes unquoted names for, which on PostgreSQL is the same in lower case; MySQL and SQLite make no difference. Names that need quotes, such as reserved words, work with both.",
)
.default("ALWAYS")
.rule(Rule::OneOfIgnoringCase(&["ALWAYS", "NEVER"]))
.low();

pub(in crate::config) static TABLE_TYPES: ConfigKey = ConfigKey::new(
    "table.types",
    Kind::List,
    Group::Tables,
    "Table types",
    "Kinds of tables that may be written to, of `TABLE`, `PARTITIONED TABLE`, `VIEW` and `FOREIGN TABLE`; with a table of another kind the task stops. Without this key a table of any kind is written to. MySQL's partitioned tables are `TABLE`.",
)
.rule(Rule::Check(|value| table_types(items(value)).map(|_| ())))
.low();

pub(in crate::config) static DELIVERY_GUARANTEE: ConfigKey = ConfigKey::new(
    "delivery.guarantee",
    Kind::Text,
    Group::Delivery,
    "Delivery guarantee",
    "`exactly_once`: rows and positions are one transaction in the target database. `at_least_once`: positions are kept in Kafka's consumer group and committed after the rows; a crash repeats rows. A connector that goes back from `at_least_once` to `exactly_once` reads on at the positions that it once left in the database, and writes what came since again. To prevent that, stop it, note its positions (`GET /connectors/{name}/offsets`), change this key, set the positions to those (`PATCH`), and resume it.",
)
.default("exactly_once")
.rule(Rule::OneOfIgnoringCase(&["exactly_once", "at_least_once"]))
.high();

pub(in crate::config) static PROGRESS_TABLE: ConfigKey = ConfigKey::new(
    "progress.table",
    Kind::Text,
    Group::Delivery,
    "Progress table",
    "Table in the target database that holds the positions, `schema.table` or `table`; created when it is missing.",
)
.default("rowdock_progress")
.rule(Rule::NonEmptyText)
.low();

pub(in crate::config) const KEYS: &[&ConfigKey] = &[
    &CONNECTION_URL,
    &CONNECTION_USER,
    &CONNECTION_PASSWORD,
    &CONNECTION_ATTEMPTS,
    &CONNECTION_BACKOFF_MS,
    &DIALECT_NAME,
    &CREDENTIALS_PROVIDER,
    &INSERT_MODE,
    &BATCH_SIZE,
    &BATCH_MAX_BYTES,
    &LINGER_MS,
    &DELETE_ENABLED,
    &DELETE_SOFT_FIELD,
    &UPSERT_GUARD_FIELD,
    &DELETE_TOMBSTONE_TABLE,
    &CHANGE_EVENTS,
    &TRUNCATE_ENABLED,
    &UNAVAILABLE_VALUE,
    &MAX_RETRIES,
    &RETRY_BACKOFF_MS,
    &TASKS_AUTO_RESTART,
    &TRIM_SENSITIVE_LOG,
    &PK_MODE,
    &PK_FIELDS,
    &FIELDS_WHITELIST,
    &FIELDS_EXCLUDE,
    &FIELDS_UNKNOWN,
    &DB_TIMEZONE,
    &TIMEZONE_FIELDS,
    &DATE_TIMEZONE,
    &DATE_CALENDAR,
    &TIMESTAMP_FIELDS,
    &TIMESTAMP_PRECISION,
    &STRING_COLUMN,
    &REPLACE_NULL,
    &TABLE_NAME_FORMAT,
    &TABLE_NAME_DOTS,
    &TABLE_NAME_NORMALIZE,
    &TOPICS_TO_TABLES,
    &AUTO_CREATE,
    &AUTO_EVOLVE,
    &QUOTE_IDENTIFIERS,
    &TABLE_TYPES,
    &DELIVERY_GUARANTEE,
    &PROGRESS_TABLE,
];
