//! Rows of a dead letter table, read back: records that could not be stored, to be tried again.
//!
//! Whoever keeps dead letters writes them as rows like any other; only reading them needs a word of
//! the contract, [`Session::read_letters`](crate::Session::read_letters). The table has these
//! columns, of which the first four are its key ([`LETTER_KEY`]):
//!
//! `connector`, `topic`, `kafka_partition`, `kafka_offset`, `stage`, `reason`, `record_time`,
//! `record_key`, `record_value`, `record_headers`.

use crate::table::TableName;

/// The key of a dead letter table: whose letter of which record.
pub const LETTER_KEY: [&str; 4] = ["connector", "topic", "kafka_partition", "kafka_offset"];

/// Which record: its coordinates. Ordered as the database orders them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterKey {
    /// The topic that it was read from.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// Asks for the next dead letters of a connector.
#[derive(Debug, Clone)]
pub struct LetterQuery {
    /// The dead letter table.
    pub table: TableName,
    /// Letters of other connectors are left out.
    pub connector: String,
    /// The last one of the answer before; `None`: from the first.
    pub after: Option<LetterKey>,
    /// So many at most.
    pub limit: u32,
    /// The answer ends with the letter that makes it hold so many bytes of records.
    pub bytes_max: u64,
}

/// A dead letter as its row keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLetter {
    /// Where the record was read.
    pub key: LetterKey,
    /// Which stage refused it.
    pub stage: String,
    /// Why.
    pub reason: String,
    /// The record's time in milliseconds since the epoch.
    pub time_ms: Option<i64>,
    /// The record's key.
    pub record_key: Option<Vec<u8>>,
    /// The record's value.
    pub record_value: Option<Vec<u8>>,
    /// The record's headers, as JSON text.
    pub record_headers: Option<String>,
}
