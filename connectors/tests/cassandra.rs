//! What is Cassandra's own: replays, write timestamps, types, deletes of many rows, time to live. What
//! it has in common with other sinks is in [`conformance`](crate::conformance).

mod changes;
mod consistency;
mod refusals;
mod replays;
mod secured;
mod support;
mod tables;
mod types;
mod unanswered;
mod window;
