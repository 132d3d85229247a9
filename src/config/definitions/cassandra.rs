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
    "Among which replicas positions are agreed on: `SERIAL`, those of all data centres, or `LOCAL_SERIAL`, those of the local one. `LOCAL_SERIAL` is quicker with data centres far apart, and right only where every worker uses the same data centre.",
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
    "Rows of one partition of a table are sent together, as one write, up to this size. Servers warn of more than 5 KiB, and refuse more than 50 KiB. 0: every row on its own.",
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
    "Rows end so many seconds after their record's time, whenever they are written. 0: as the table says.",
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
    "`expiry`: the field is the moment at which the row ends, as a timestamp or in milliseconds. `seconds`: it is a number of seconds from the record's time.",
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
    "For tables that are created: those of the key's columns (`pk.fields`) that are the partition key. The others are the clustering key, in their order. Empty: the first column.",
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
    "Which values are which columns, as `topic -> keyspace.table: column=field, ..; ..`. A field is `key`, `value`, `key.name`, `value.name`, `header.name` or `now()`, a time-based UUID made of the record's time and place; the columns `__ttl` (seconds) and `__timestamp` (microseconds) say how long the row lives and its write timestamp. `*=value` stands for every field of the value that the entry does not name otherwise, each in the column of its name. A topic with several entries goes to several tables. Takes the place of `pk.mode` and `pk.fields`, which follow from the table. With `delete.enabled=true` a record without a value deletes the rows of its key.",
)
.rule(Rule::Check(mapping));

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
];

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
