//! What this sink must be told beyond what every sink is told.

use scylla::frame::types::{Consistency, SerialConsistency};

/// Settings that only Cassandra has, already parsed and checked for form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CassandraSettings {
    /// Tells configs apart that make different rows of a record: another number, other rows.
    pub config: i64,
    /// `cassandra.consistency`: of rows.
    pub consistency: RowConsistency,
    /// `cassandra.serial.consistency`: of positions.
    pub serial_consistency: PositionConsistency,
    /// `cassandra.requests.max`: rows and groups of rows that are on their way at a time.
    pub requests_max: usize,
    /// `cassandra.batch.max.bytes`: rows of one partition are sent together up to this size; 0: never.
    pub batch_bytes_max: usize,
    /// `cassandra.null.to.unset`: an explicit null leaves the column as it is.
    pub null_to_unset: bool,
    /// `cassandra.ttl.seconds`: how long rows live, from their record's time; 0: for ever.
    pub ttl_seconds: i64,
    /// `cassandra.ttl.field`, and what its values are.
    pub ttl_field: Option<TtlField>,
    /// `cassandra.timestamp.field`: a column or field with the write timestamp in microseconds.
    pub timestamp_field: Option<String>,
    /// `cassandra.partition.key`: for tables that are created, which of the key's columns are the
    /// partition key; empty: the first.
    pub partition_key: Vec<String>,
    /// `cassandra.keyspace.replication`: the keyspace is created with it unless it exists.
    pub keyspace_replication: Option<String>,
}

impl Default for CassandraSettings {
    fn default() -> Self {
        Self {
            config: 0,
            consistency: RowConsistency::LocalQuorum,
            serial_consistency: PositionConsistency::Serial,
            requests_max: Self::REQUESTS_DEFAULT,
            batch_bytes_max: Self::BATCH_BYTES_DEFAULT,
            null_to_unset: true,
            ttl_seconds: 0,
            ttl_field: None,
            timestamp_field: None,
            partition_key: Vec::new(),
            keyspace_replication: None,
        }
    }
}

impl CassandraSettings {
    /// Default of `cassandra.requests.max`: enough to keep a few nodes busy, and no node overloaded.
    pub const REQUESTS_DEFAULT: usize = 256;
    /// Default of `cassandra.batch.max.bytes`: a few rows, and no more than a server holds at ease.
    pub const BATCH_BYTES_DEFAULT: usize = 4_096;
}

/// When rows and fields end: `cassandra.ttl.field`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TtlField {
    /// The column or field.
    pub name: String,
    /// What its values are.
    pub kind: TtlKind,
}

/// `cassandra.ttl.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TtlKind {
    /// The moment at which the row ends.
    Expiry,
    /// Seconds from the record's time.
    Seconds,
}

/// How many replicas must have a row before it counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowConsistency {
    /// One that stores or just notes it.
    Any,
    /// One.
    One,
    /// Two.
    Two,
    /// Three.
    Three,
    /// More than half.
    Quorum,
    /// All.
    All,
    /// One of the local data centre.
    LocalOne,
    /// More than half of the local data centre's.
    LocalQuorum,
    /// More than half of every data centre's.
    EachQuorum,
}

/// Among which replicas positions are agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionConsistency {
    /// All of the cluster.
    Serial,
    /// Those of the local data centre: only where all workers of the connector use the same.
    LocalSerial,
}

impl RowConsistency {
    /// All, by their names.
    pub const NAMES: [(&'static str, Self); 9] = [
        ("ANY", Self::Any),
        ("ONE", Self::One),
        ("TWO", Self::Two),
        ("THREE", Self::Three),
        ("QUORUM", Self::Quorum),
        ("ALL", Self::All),
        ("LOCAL_ONE", Self::LocalOne),
        ("LOCAL_QUORUM", Self::LocalQuorum),
        ("EACH_QUORUM", Self::EachQuorum),
    ];

    /// By its name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let found = Self::NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, consistency)| *consistency)
    }

    pub(super) fn for_driver(self) -> Consistency {
        match self {
            Self::Any => Consistency::Any,
            Self::One => Consistency::One,
            Self::Two => Consistency::Two,
            Self::Three => Consistency::Three,
            Self::Quorum => Consistency::Quorum,
            Self::All => Consistency::All,
            Self::LocalOne => Consistency::LocalOne,
            Self::LocalQuorum => Consistency::LocalQuorum,
            Self::EachQuorum => Consistency::EachQuorum,
        }
    }
}

impl PositionConsistency {
    /// All, by their names.
    pub const NAMES: [(&'static str, Self); 2] = [
        ("SERIAL", Self::Serial),
        ("LOCAL_SERIAL", Self::LocalSerial),
    ];

    /// By its name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let found = Self::NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, consistency)| *consistency)
    }

    /// Of the agreement.
    pub(super) fn serial(self) -> SerialConsistency {
        match self {
            Self::Serial => SerialConsistency::Serial,
            Self::LocalSerial => SerialConsistency::LocalSerial,
        }
    }

    /// Of a read that sees every agreement.
    pub(super) fn read(self) -> Consistency {
        match self {
            Self::Serial => Consistency::Serial,
            Self::LocalSerial => Consistency::LocalSerial,
        }
    }

    /// Of what has been agreed on.
    pub(super) fn commit(self) -> Consistency {
        match self {
            Self::Serial => Consistency::Quorum,
            Self::LocalSerial => Consistency::LocalQuorum,
        }
    }
}
