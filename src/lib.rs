//! Rowdock: a sink worker that consumes Kafka topics, maps their records to rows that fit the
//! target's tables, and writes them in batches, each record exactly once.
//!
//! ```text
//! Kafka ─ consume ─ decode ─ transform ─ map ─ batch ─ write ─ database
//!            │             (one stage, one module, one verb)     rows + positions,
//! HTTP ─ api ─ cluster ─ task                                    one transaction
//! ```
//!
//! # Why each record is stored exactly once
//!
//! A record's row and the position behind it are written in one database transaction, and the
//! position moves by compare-and-set on a random claim that every new owner of a partition
//! replaces. A worker that was frozen, cut off or replaced therefore cannot write any more, and one
//! that lost an answer asks the database what happened before it goes on. Kafka's committed
//! offsets are a mirror for lag tools; a position never comes from there once there is one. The whole
//! argument is in [`mod@write`], the database's half of it in [`rowdock_connectors`].
//!
//! Cassandra has no such transaction. What it is given may be written again and stays the same
//! ([`rowdock_connectors::cassandra`]).
//!
//! # Code map
//!
//! Data path, in the order in which a record meets it; imports point downstream only:
//!
//! * [`consume`]: the consumer's thread: membership, assignments, back-pressure.
//! * [`decode`]: bytes to typed values ([`record`]), by format: JSON, Avro, single values;
//!   [`registry`]: the schemas that lie elsewhere.
//! * [`transform`]: what the connector's config changes about records on their way; records of a
//!   connector without transforms go past it.
//! * [`select`]: which values are which columns, of one table or several, where a mapping says so.
//! * [`map`]: values to cells of the table's columns; every conversion that can fail fails there.
//! * [`batch`]: rows, rejects and position moves, collected until they are written.
//! * [`handover`]: what the consumer's thread and the write loop say to each other.
//! * [`mod@write`]: claims, transactions, retries: the only place that moves positions.
//! * [`deadletter`]: records that cannot be stored, kept with their reason.
//! * the sinks: crate [`rowdock_connectors`], which does not know Kafka.
//!
//! Around it:
//!
//! * [`config`]: worker settings and connector configs, from every source, typed and checked.
//! * [`task`]: one task: a consumer's thread and a write loop, started and stopped together;
//!   [`status`]: what it tells about itself.
//! * [`cluster`]: which connectors there are and what they shall do; standalone: in memory.
//! * [`offsets`]: where a connector stands, read and set by hand.
//! * [`replay`]: dead letters through the connector again, each once.
//!   [`sessions`]: the database sessions that both share.
//! * [`api`]: Kafka Connect's REST API. Reads state and appends commands.
//! * [`login`]: tokens for Kafka logins by OAUTHBEARER; `http`: what requests to other servers have in
//!   common.
//! * [`worker`], [`signals`], [`telemetry`], [`memory`]: starting and ending the process.
//! * [`demo`]: all of it on one machine, with an embedded broker and a worker that is killed.
//!
//! Invariants that hold everywhere: offsets are *next to read*; everything bounded has its bound as
//! a named constant; no payload and no secret is ever logged.

pub mod api;
pub mod batch;
pub mod cluster;
pub mod config;
pub mod consume;
pub mod deadletter;
pub mod decimal;
pub mod decode;
pub mod demo;
pub mod handover;
mod http;
pub mod login;
pub mod map;
pub mod memory;
pub mod offsets;
pub mod record;
pub mod registry;
pub mod replay;
pub mod select;
pub mod sessions;
pub mod signals;
pub mod status;
pub mod task;
pub mod telemetry;
pub mod transform;
pub mod worker;
pub mod write;
