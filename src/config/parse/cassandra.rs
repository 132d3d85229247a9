//! The settings of `CassandraSink`.

use rowdock_connectors::WriteMode;
use rowdock_connectors::cassandra::{
    CassandraSettings, PositionConsistency, RowConsistency, TtlField, TtlKind,
};

use super::{Checked, ConnectorConfig, Invalid, number, text, unusable};
use crate::config::RawConfig;
use crate::config::connector::{KAFKA_KEY_COLUMNS, KeyMode, SinkKeys};
use crate::config::definitions::{cassandra, sink};
use crate::config::mapping::{self, TIMESTAMP_COLUMN, TTL_COLUMN, TableMapping};

/// Keys that say nothing about which rows a record becomes.
const WITHOUT_ROWS: [&str; 8] = [
    "batch.max.bytes",
    "batch.size",
    "cassandra.batch.max.bytes",
    "cassandra.requests.max",
    "connection.password",
    "connection.user",
    "linger.ms",
    "tasks.max",
];

/// Parameters of the hash (FNV-1a), which must be the same on every worker.
const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;
const HASH_PRIME: u64 = 0x0100_0000_01b3;

pub(super) fn settings(checked: &Checked) -> Result<CassandraSettings, Invalid> {
    let consistency = text(checked, &cassandra::CONSISTENCY)?;
    let serial = text(checked, &cassandra::SERIAL_CONSISTENCY)?;
    let kind = if checked.is(&cassandra::TTL_KIND, "seconds") {
        TtlKind::Seconds
    } else {
        TtlKind::Expiry
    };
    let ttl_field = checked.text(&cassandra::TTL_FIELD).map(|name| TtlField {
        name: name.to_owned(),
        kind,
    });
    Ok(CassandraSettings {
        // Set when the whole config is known.
        config: 0,
        consistency: RowConsistency::parse(&consistency)
            .ok_or_else(|| unusable(&cassandra::CONSISTENCY))?,
        serial_consistency: PositionConsistency::parse(&serial)
            .ok_or_else(|| unusable(&cassandra::SERIAL_CONSISTENCY))?,
        requests_max: number(checked, &cassandra::REQUESTS_MAX)?,
        batch_bytes_max: number(checked, &cassandra::BATCH_MAX_BYTES)?,
        null_to_unset: checked.is_true(&cassandra::NULL_TO_UNSET),
        ttl_seconds: number(checked, &cassandra::TTL_SECONDS)?,
        ttl_field,
        timestamp_field: checked.text(&cassandra::TIMESTAMP_FIELD).map(str::to_owned),
        partition_key: partition_key(checked),
        keyspace_replication: checked
            .text(&cassandra::KEYSPACE_REPLICATION)
            .map(str::to_owned),
    })
}

/// With coordinates for a key, the topic alone would put all of its rows on the same nodes.
fn partition_key(checked: &Checked) -> Vec<String> {
    let given = checked.list(&cassandra::PARTITION_KEY);
    if !given.is_empty() || !checked.is(&sink::PK_MODE, "kafka") {
        return given.to_vec();
    }
    let [topic, partition, _] = match checked.list(&sink::PK_FIELDS) {
        [topic, partition, offset] => [topic, partition, offset].map(String::as_str),
        _ => KAFKA_KEY_COLUMNS,
    };
    [topic, partition].map(str::to_owned).to_vec()
}

pub(super) fn mappings(checked: &Checked) -> Result<Vec<TableMapping>, Invalid> {
    let text = checked.text(&cassandra::MAPPING).unwrap_or_default();
    mapping::parse(text).map_err(|_| unusable(&cassandra::MAPPING))
}

/// What follows from a mapping for the keys that have no say with it: rows go by their routes, and the
/// table's own key is the key.
pub(super) fn apply_mappings(keys: &mut SinkKeys) {
    if keys.mappings.is_empty() {
        return;
    }
    keys.key_mode = KeyMode::RecordKey;
    keys.insert_mode = WriteMode::Upsert;
    keys.tables_of_topics = keys
        .mappings
        .iter()
        .map(|mapping| (mapping.route(), mapping.table.clone()))
        .collect();
    let is_named = |column: &str| keys.mappings.iter().any(|mapping| mapping.has(column));
    if is_named(TTL_COLUMN) {
        keys.cassandra.ttl_field = Some(TtlField {
            name: TTL_COLUMN.to_owned(),
            kind: TtlKind::Seconds,
        });
    }
    if is_named(TIMESTAMP_COLUMN) {
        keys.cassandra.timestamp_field = Some(TIMESTAMP_COLUMN.to_owned());
    }
}

/// A number that differs where a record may become other rows: with another config, another
/// converter of the worker's, another version of this program. That it differs without need does no
/// harm.
pub(super) fn fingerprint(raw: &RawConfig, config: &ConnectorConfig) -> i64 {
    let mut hash = HASH_START;
    let mut add = |text: &str| {
        // The length ends each part.
        for byte in text.bytes().chain(text.len().to_be_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(HASH_PRIME);
        }
    };
    add(env!("CARGO_PKG_VERSION"));
    add(&format!("{:?}", config.key_converter));
    add(&format!("{:?}", config.value_converter));
    add(&format!("{:?}", config.header_converter));
    for (key, value) in raw {
        if !WITHOUT_ROWS.contains(&key.as_str()) {
            add(key);
            add(value.as_deref().unwrap_or_default());
        }
    }
    hash.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::worker::WorkerSettings;

    fn parsed(changes: &[(&str, &str)]) -> ConnectorConfig {
        let base = [
            ("name", "orders"),
            ("connector.class", "CassandraSink"),
            ("topics", "orders"),
            ("connection.url", "cassandra://localhost/shop"),
            ("pk.mode", "record_value"),
            ("pk.fields", "id"),
        ];
        let pairs = base.iter().chain(changes);
        let raw: RawConfig = pairs
            .map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())))
            .collect();
        ConnectorConfig::parse(&raw, &WorkerSettings::default()).unwrap()
    }

    #[test]
    fn defaults_are_the_sinks() {
        let found = parsed(&[]).sink.cassandra;
        let expected = CassandraSettings {
            config: found.config,
            ..CassandraSettings::default()
        };
        assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    }

    #[test]
    fn every_key_is_read() {
        let found = parsed(&[
            ("cassandra.consistency", "quorum"),
            ("cassandra.serial.consistency", "LOCAL_SERIAL"),
            ("cassandra.requests.max", "7"),
            ("cassandra.batch.max.bytes", "0"),
            ("cassandra.null.to.unset", "false"),
            ("cassandra.ttl.seconds", "60"),
            ("cassandra.ttl.field", "ends"),
            ("cassandra.ttl.kind", "seconds"),
            ("cassandra.timestamp.field", "version"),
            ("cassandra.partition.key", "id"),
            (
                "cassandra.keyspace.replication",
                "{'class': 'SimpleStrategy', 'replication_factor': 1}",
            ),
        ]);
        let found = found.sink.cassandra;
        assert_eq!(found.consistency, RowConsistency::Quorum);
        assert_eq!(found.serial_consistency, PositionConsistency::LocalSerial);
        assert_eq!((found.requests_max, found.batch_bytes_max), (7, 0));
        assert_eq!((found.null_to_unset, found.ttl_seconds), (false, 60));
        let field = found.ttl_field.unwrap();
        assert_eq!(
            (field.name.as_str(), field.kind),
            ("ends", TtlKind::Seconds)
        );
        assert_eq!(found.timestamp_field.as_deref(), Some("version"));
        assert_eq!(found.partition_key, ["id"]);
        assert!(found.keyspace_replication.is_some());
    }

    #[test]
    fn coordinates_are_spread_by_topic_and_partition() {
        let check = |changes: &[(&str, &str)], expected: &[&str]| {
            let mut all = vec![("pk.mode", "kafka"), ("pk.fields", "")];
            all.extend(changes);
            assert_eq!(parsed(&all).sink.cassandra.partition_key, expected);
        };
        check(&[], &["__connect_topic", "__connect_partition"]);
        check(&[("pk.fields", "t,p,o")], &["t", "p"]);
        let given = [("pk.fields", "t,p,o"), ("cassandra.partition.key", "t")];
        check(&given, &["t"]);
        check(&[("pk.mode", "record_value"), ("pk.fields", "id")], &[]);
    }

    #[test]
    fn a_mapping_takes_the_place_of_keys_and_tables() {
        let mapping =
            "orders -> shop.a: id=key.id, n=value.n, __ttl=value.t; orders -> shop.b: n=value.n";
        let keys = parsed(&[
            ("pk.mode", "none"),
            ("pk.fields", ""),
            ("cassandra.mapping", mapping),
        ])
        .sink;
        assert_eq!(keys.mappings.len(), 2);
        assert_eq!(
            (keys.key_mode, keys.insert_mode),
            (KeyMode::RecordKey, WriteMode::Upsert)
        );
        assert_eq!(keys.tables_of_topics["orders -> shop.b"], "shop.b");
        assert_eq!(keys.cassandra.ttl_field.unwrap().kind, TtlKind::Seconds);
        assert_eq!(keys.cassandra.timestamp_field, None);
    }

    #[test]
    fn only_what_makes_other_rows_is_another_config() {
        let config = |changes: &[(&str, &str)]| parsed(changes).sink.cassandra.config;
        let plain = config(&[]);
        assert_eq!(config(&[]), plain);
        assert_eq!(
            config(&[("tasks.max", "7"), ("connection.password", "x")]),
            plain
        );
        assert_ne!(config(&[("fields.exclude.list", "a")]), plain);
        assert_ne!(config(&[("value.converter", "StringConverter")]), plain);
    }
}
