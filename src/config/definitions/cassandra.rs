//! Keys that only `CassandraSink` has. With any other class they are refused.

use rowdock_connectors::cassandra::{PositionConsistency, RowConsistency};

use super::{ConfigKey, Group, Kind, Rule};

/// Requests on their way: more than that only wait in the servers' queues.
const REQUESTS_LIMIT: i64 = 4_096;

/// Servers refuse batches of 50 KiB as they come, and few are configured to take more than this.
const BATCH_BYTES_LIMIT: i64 = 1024 * 1024;

/// Cassandra's own limit: twenty years.
const TTL_SECONDS_LIMIT: i64 = 630_720_000;

pub(in crate::config) static CONSISTENCY: ConfigKey = ConfigKey::new(
    "cassandra.consistency",
    Kind::Text,
    Group::Cassandra,
    "Consistency of rows",
    "How many replicas must have a row before it counts as written: `ANY`, `ONE`, `TWO`, `THREE`, `QUORUM`, `ALL`, `LOCAL_ONE`, `LOCAL_QUORUM`, `EACH_QUORUM`. With less than a quorum, a row that was written may be lost with its replicas.",
)
.default("LOCAL_QUORUM")
.rule(Rule::OneOfIgnoringCase(&[
    RowConsistency::NAMES[0].0,
    RowConsistency::NAMES[1].0,
    RowConsistency::NAMES[2].0,
    RowConsistency::NAMES[3].0,
    RowConsistency::NAMES[4].0,
    RowConsistency::NAMES[5].0,
    RowConsistency::NAMES[6].0,
    RowConsistency::NAMES[7].0,
    RowConsistency::NAMES[8].0,
]));

pub(in crate::config) static SERIAL_CONSISTENCY: ConfigKey = ConfigKey::new(
    "cassandra.serial.consistency",
    Kind::Text,
    Group::Cassandra,
    "Consistency of positions",
    "Among which replicas positions are agreed on: `SERIAL`, those of all data centres, or `LOCAL_SERIAL`, those of the local one. `LOCAL_SERIAL` is quicker with data centres far apart, and right only where every worker uses the same data centre: `localDc` of `connection.url` must name it, and no other one is asked for positions, even when none of its nodes is left.",
)
.default("SERIAL")
.rule(Rule::OneOfIgnoringCase(&[
    PositionConsistency::NAMES[0].0,
    PositionConsistency::NAMES[1].0,
]))
.low();

pub(in crate::config) static REQUESTS_MAX: ConfigKey = ConfigKey::new(
    "cassandra.requests.max",
    Kind::Int,
    Group::Cassandra,
    "Requests in flight",
    "Rows, or groups of rows, that a task has on their way at a time.",
)
.default("256")
.rule(Rule::Range(1, REQUESTS_LIMIT));

pub(in crate::config) static BATCH_MAX_BYTES: ConfigKey = ConfigKey::new(
    "cassandra.batch.max.bytes",
    Kind::Int,
    Group::Cassandra,
    "Bytes of a group",
    "Rows of one partition of a table are sent together, as one write, up to this size. The server applies them at once, in its memory; its own limits on batches (`batch_size_warn_threshold`, `batch_size_fail_threshold`) are for batches of several partitions, which these never are. 0: every row on its own.",
)
.default("4096")
.rule(Rule::Range(0, BATCH_BYTES_LIMIT))
.low();

pub(in crate::config) static NULL_TO_UNSET: ConfigKey = ConfigKey::new(
    "cassandra.null.to.unset",
    Kind::Boolean,
    Group::Cassandra,
    "Nulls leave columns alone",
    "`true`: a field that is null leaves its column as it is, and no tombstone is written. `false`: it deletes the column's value.",
)
.default("true");

pub(in crate::config) static TTL_SECONDS: ConfigKey = ConfigKey::new(
    "cassandra.ttl.seconds",
    Kind::Long,
    Group::Cassandra,
    "Time to live",
    "Rows end so many seconds after their record's time, whenever they are written; a record without a time is bad then. 0: so many as the table's `default_time_to_live` says, counted in the same way.",
)
.default("0")
.rule(Rule::Range(0, TTL_SECONDS_LIMIT));

pub(in crate::config) static TTL_FIELD: ConfigKey = ConfigKey::new(
    "cassandra.ttl.field",
    Kind::Text,
    Group::Cassandra,
    "Time-to-live field",
    "Field that says when its row ends, in place of `cassandra.ttl.seconds`; without a value in it that one counts. It need not be a column of the table.",
);

pub(in crate::config) static TTL_KIND: ConfigKey = ConfigKey::new(
    "cassandra.ttl.kind",
    Kind::Text,
    Group::Cassandra,
    "Meaning of the time-to-live field",
    "`expiry`: the field is the moment at which the row ends, as a timestamp or in milliseconds. `seconds`: it is a number of seconds from the record's time; 0: it does not end.",
)
.default("expiry")
.rule(Rule::OneOfIgnoringCase(&["expiry", "seconds"]));

pub(in crate::config) static TIMESTAMP_FIELD: ConfigKey = ConfigKey::new(
    "cassandra.timestamp.field",
    Kind::Text,
    Group::Cassandra,
    "Write-timestamp field",
    "Field with the write timestamp of its row in microseconds, in place of one made from the record's time and its place in the partition. Of rows with the same key the greatest timestamp wins, whichever came last. It need not be a column of the table. Deletes without a value have no such field, and take their record's time.",
)
.low();

pub(in crate::config) static PARTITION_KEY: ConfigKey = ConfigKey::new(
    "cassandra.partition.key",
    Kind::List,
    Group::Cassandra,
    "Partition key",
    "For tables that are created: those of the key's columns (`pk.fields`) that are the partition key. The others are the clustering key, in their order. Empty: the first column; with `pk.mode=kafka` topic and partition.",
);

pub(in crate::config) static KEYSPACE_REPLICATION: ConfigKey = ConfigKey::new(
    "cassandra.keyspace.replication",
    Kind::Text,
    Group::Cassandra,
    "Replication of a new keyspace",
    "With it, the keyspace of `connection.url` is created when it is missing, such as `{'class': 'NetworkTopologyStrategy', 'dc1': 3}`.",
)
.rule(Rule::Check(replication));

pub(in crate::config) static MAPPING: ConfigKey = ConfigKey::new(
    "cassandra.mapping",
    Kind::Text,
    Group::Cassandra,
    "Column mapping",
    "Which values are which columns, as `topic -> keyspace.table: column=field, ..; ..`. A field is `key`, `value`, `key.name`, `value.name`, `header.name` or `now()`, a time-based UUID made of the record's time and place; the columns `__ttl` (seconds) and `__timestamp` (microseconds) say how long the row lives and its write timestamp. `*=value` stands for every field of the value that the entry does not name otherwise, each in the column of its name. A topic with several entries goes to several tables. The topic is the one that a record has after its `transforms`; a record of one that no entry names is bad. Takes the place of `pk.mode` and `pk.fields`, which follow from the table. With `delete.enabled=true` a record without a value deletes the row of its key: of a table whose key has columns from the value, it does not say which row that is, and is bad, unless `cassandra.delete.prefix` says otherwise.",
)
.rule(Rule::Check(mapping));

pub(in crate::config) static DELETE_PREFIX: ConfigKey = ConfigKey::new(
    "cassandra.delete.prefix",
    Kind::Boolean,
    Group::Cassandra,
    "Delete by a part of the key",
    "With `cassandra.mapping` and `delete.enabled=true`, of tables whose partition key, and perhaps a beginning of their clustering key, is taken from the record's key or headers, and the rest from its value. `true`: a record without a value deletes all rows whose key begins as the record says. `false`: it is bad. Without a mapping `pk.fields` says the same.",
)
.default("false")
.low();

/// In the order in which they are shown.
pub(in crate::config) static KEYS: &[&ConfigKey] = &[
    &CONSISTENCY,
    &SERIAL_CONSISTENCY,
    &REQUESTS_MAX,
    &BATCH_MAX_BYTES,
    &NULL_TO_UNSET,
    &TTL_SECONDS,
    &TTL_FIELD,
    &TTL_KIND,
    &TIMESTAMP_FIELD,
    &PARTITION_KEY,
    &KEYSPACE_REPLICATION,
    &MAPPING,
    &DELETE_PREFIX,
];

/// Keys of every sink that mean something else here, in their own words: name, what is allowed where
/// that differs, meaning.
const OWN_WORDS: &[(&str, Option<&[&str]>, &str)] = &[
    (
        "insert.mode",
        Some(&["insert", "upsert"]),
        "`insert` and `upsert` are the same: a row is written without a look at what is there, and replaces what a row with the same key has in the given columns. `update` and `insert_ignore`, which would have to look, are refused.",
    ),
    (
        "batch.size",
        None,
        "Most rows between two checkpoints: they are written, many at a time, and the positions behind them then. A batch is closed earlier when the database is idle and no more records wait.",
    ),
    (
        "batch.max.bytes",
        None,
        "Most bytes of cells between two checkpoints; a single larger row is written alone.",
    ),
    (
        "linger.ms",
        None,
        "How long a batch that could be written waits for more rows, in milliseconds. Batches grow by themselves when load is high; this only adds delay, for fewer checkpoints.",
    ),
    (
        "delete.enabled",
        None,
        "Whether a record without a value deletes the row with its key, or all rows that `pk.fields` or `cassandra.delete.prefix` names together. Needs `pk.mode` `record_key` or `record_header`, or `cassandra.mapping`; or `record_value` with `change.events=debezium`, where deletes come with the row that was there (`before`, or a flattened event with `__deleted`). With `change.events=debezium` the field `__deleted` of flattened events tells deletes whatever columns there are: no column is made for it, and one of that name holds `false`.",
    ),
    (
        "delete.soft.field",
        None,
        "Boolean column that is set to true where a delete would remove the row, and to false by every other record. A delete of a row that is not there makes one, with its key and this column. Needs `delete.enabled=true` and `insert.mode=upsert`.",
    ),
    (
        "change.events",
        None,
        "Whether values are change events. `debezium`: of Debezium's events the row is `after`, and `d` deletes (with `delete.enabled`; else it is passed over, as Debezium's sink does); `t`, which would empty the table, schema changes, heartbeats and transaction metadata are passed over; flattened events and plain records are rows as they stand, and CloudEvents are opened. `none`: every value is a row.",
    ),
    (
        "table.name.format",
        None,
        "Name of the table, `keyspace.table` or `table`. `${topic}` stands for the topic; `${value.field}`, `${value.a.b}`, `${key}`, `${key.field}` and `${header.name}` for what the record has there, a text or whole number; `${source.field}` for the same field of a change event's `source`; `${timestamp.yyyyMMdd}` for the record's time in `db.timezone`, by a pattern of Java's `SimpleDateFormat`. With more than `${topic}` each record chooses its table, and a record that does not have what is named is bad (with `change.events=debezium` tombstones, which follow the delete, are passed over); the tables of a batch are written before one checkpoint.",
    ),
    (
        "auto.evolve",
        None,
        "Whether columns that a table lacks for its records are added. No column's type is ever changed: a record that needs a wider one is bad. What the database refuses makes bad records, whose error names the statement to run by hand; half a minute later such records try again. Takes the place of `fields.unknown`.",
    ),
    (
        "delivery.guarantee",
        None,
        "`exactly_once`: positions are in the database, and move after the rows before them have been written; rows that are written again stay the same (effectively once). `at_least_once`: positions are kept in Kafka's consumer group and committed after the rows; a crash writes rows again, with other write timestamps where records have no time, and counts again.",
    ),
    (
        "errors.deadletterqueue.table",
        None,
        "Table in the database for records that cannot be stored, `keyspace.table` or `table`; created when it is missing. Written before the position moves past the record, and again after a crash: each is there once, by its coordinates. Needs `errors.tolerance=all`. May be named beside the topic. Empty: none.",
    ),
];

/// What a key allows and means here, where that is not what it does with other sinks.
pub(in crate::config) fn own_words(
    key: &str,
) -> Option<(Option<&'static [&'static str]>, &'static str)> {
    let own = OWN_WORDS.iter().find(|(name, ..)| *name == key);
    own.map(|(_, allowed, words)| (*allowed, *words))
}

fn mapping(value: &str) -> Result<(), String> {
    crate::config::mapping::parse(value).map(|_| ())
}

/// It is put into a statement as it is, so it must be one map and nothing else.
fn replication(value: &str) -> Result<(), String> {
    let inner = value
        .trim()
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    let legal =
        |character: char| character.is_ascii_alphanumeric() || "'_-.:, ".contains(character);
    match inner {
        Some(inner) if inner.contains("'class'") && inner.chars().all(legal) => Ok(()),
        _ => Err("must be a map such as {'class': 'NetworkTopologyStrategy', 'dc1': 3}".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_words_are_of_keys_that_are_there() {
        for (name, allowed, words) in OWN_WORDS {
            let mut keys = crate::config::definitions::keys();
            let key = keys.find(|key| key.name == *name).unwrap();
            assert_ne!(key.doc, *words, "{name}");
            assert!(words.ends_with('.'), "{name}");
            let known = key.recommended();
            let is_known = |value| known.contains(value);
            assert!(allowed.unwrap_or_default().iter().all(is_known), "{name}");
        }
    }

    #[test]
    fn replications() {
        assert!(replication("{'class': 'SimpleStrategy', 'replication_factor': 1}").is_ok());
        for bad in [
            "",
            "3",
            "{'dc1': 3}",
            "{'class': 'S'}; DROP TABLE t",
            "{'class': 'S'} AND x = {}",
        ] {
            assert!(replication(bad).is_err(), "{bad}");
        }
    }
}
