//! What the config says of fields by their names, whatever their values and schemas are. Tables that are
//! made or changed for records go by it.

use rowdock_connectors::ColumnType;

use crate::config::connector::SinkKeys;

/// What Debezium's `ExtractNewRecordState` calls the field that tells whether a row was deleted.
pub(super) const DELETED: &str = "__deleted";

/// Whether [`DELETED`] is no field of the row but says what becomes of it.
pub(super) fn has_deleted_field(keys: &SinkKeys) -> bool {
    keys.change_events && keys.delete_enabled
}

/// The fields of which the config says something.
#[derive(Debug)]
pub(super) struct Declared {
    /// `timezone.fields`: times, and the fields of their zones.
    zoned: Vec<(String, String)>,
    /// `timestamp.fields.list`.
    timestamps: Vec<String>,
    has_deleted_field: bool,
}

impl Declared {
    pub(super) fn new(keys: &SinkKeys) -> Self {
        Self {
            zoned: keys.zoned_fields.clone(),
            timestamps: keys.timestamp_fields.clone(),
            has_deleted_field: has_deleted_field(keys),
        }
    }

    /// The type of a field that is said to be a time.
    pub(super) fn time_type(&self, field: &str) -> Option<ColumnType> {
        if self.zoned.iter().any(|(time, _)| time == field) {
            return Some(ColumnType::TimestampTz);
        }
        let is_listed = self.timestamps.iter().any(|listed| listed == field);
        is_listed.then_some(ColumnType::Timestamp)
    }

    /// Whether it has a column: not when it only says something of others, or of the record.
    pub(super) fn needs_column(&self, field: &str) -> bool {
        let is_zone = self.zoned.iter().any(|(_, zone)| zone == field);
        let tells_deletes = self.has_deleted_field && field == DELETED;
        !is_zone && !tells_deletes
    }
}
