//! From bytes to typed values.
//!
//! A format walks over a record's fields and hands each one to a closure as name and [`Value`];
//! there is no tree in between, so a field that no column wants costs its scan and nothing else.
//!
//! * [`json`]: JSON objects, and JSON values.
//! * [`envelope`]: Kafka Connect's `{"schema": .., "payload": ..}`.
//!
//! [`Value`]: crate::record::Value

pub mod envelope;
pub mod json;
