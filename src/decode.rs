//! From bytes to typed values.
//!
//! A format walks over a record's fields and hands each one to a closure as name and [`Value`];
//! there is no tree in between, so a field that no column wants costs its scan and nothing else.
//! Where transforms are configured, the record is decoded as a whole instead ([`tree`]).
//!
//! * [`json`]: JSON objects, and JSON values.
//! * [`envelope`]: Kafka Connect's `{"schema": .., "payload": ..}`.
//! * [`tree`]: JSON of either kind as one owned value.
//! * [`sides`]: a record's key and value by the connector's converters, owned.
//! * [`header`]: header values.
//!
//! [`Value`]: crate::record::Value

pub mod envelope;
pub mod header;
pub mod json;
pub mod sides;
pub mod tree;
