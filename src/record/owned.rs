//! A whole record as a tree of values: what transforms take and give.

use std::sync::Arc;

use super::datum::Datum;
use super::schema::Schema;

/// A decoded record that owns its values and may be changed.
///
/// Where it was read never changes, whatever transforms make of its topic: positions, dead letters
/// and `pk.mode=kafka` use the [`Coordinates`].
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedRecord {
    origin: Coordinates,
    /// The topic's name; may be changed, and chooses the table.
    pub topic: Arc<str>,
    /// Milliseconds since the epoch, when the record has a time.
    pub timestamp_ms: Option<i64>,
    /// Key.
    pub key: Side,
    /// Value. Null is a tombstone.
    pub value: Side,
    /// Headers in order; a name may come several times.
    pub headers: Vec<Header>,
    /// The value is a change event that writes no row.
    pub change: Option<Change>,
}

/// What a change event does to the table, where it does not write a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Deletes the row of its key.
    Delete,
    /// Empties the table.
    Truncate,
    /// Nothing.
    Nothing,
}

/// Where a record was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinates {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition number.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// Which side of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// A key or a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// Its schema, when it has one.
    pub schema: Option<Arc<Schema>>,
    /// It.
    pub datum: Datum,
}

/// A header, decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Schema of its value, when it has one.
    pub schema: Option<Arc<Schema>>,
    /// Its value.
    pub datum: Datum,
}

impl OwnedRecord {
    /// A record that was read there.
    pub fn new(origin: Coordinates, timestamp_ms: Option<i64>, key: Side, value: Side) -> Self {
        Self {
            topic: Arc::clone(&origin.topic),
            origin,
            timestamp_ms,
            key,
            value,
            headers: Vec::new(),
            change: None,
        }
    }

    /// Where it was read.
    pub fn origin(&self) -> &Coordinates {
        &self.origin
    }

    /// One side of it.
    pub fn side_mut(&mut self, part: Part) -> &mut Side {
        match part {
            Part::Key => &mut self.key,
            Part::Value => &mut self.value,
        }
    }
}

impl Side {
    /// Nothing, without a schema.
    pub const NULL: Self = Self {
        schema: None,
        datum: Datum::Null,
    };

    /// A value without a schema.
    pub fn schemaless(datum: Datum) -> Self {
        Self {
            schema: None,
            datum,
        }
    }
}
