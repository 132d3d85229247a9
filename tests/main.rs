//! Rowdock as its users meet it: the real binary as processes, real Kafka, real databases.
//!
//! The fault tests share one argument. Producers write numbered records and keep a ledger of what
//! Kafka acknowledged. The target is a table without a key, so that a record stored twice is two
//! rows. Triggers in the database copy every insert and every change of the progress table, with
//! the transaction that made it, to audit tables. Whatever was killed, frozen, cut off or restarted
//! meanwhile, [`support::oracle`] then compares ledger, table and audit.
//!
//! Each test has topics, a database and connector names of its own, so tests run side by side.
//! Nothing waits for time to pass: tests wait for conditions, each with a deadline.
//!
//! `ROWDOCK_TEST_SEED` repeats a run's random choices (each test prints its seed),
//! `ROWDOCK_TEST_KEEP` leaves topics and databases behind for a look.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod at_least_once;
mod avro;
mod behaviours;
mod cassandra;
mod chaos;
mod chaos_engines;
mod claims;
mod cluster;
mod conformance;
mod database_faults;
mod dead_letters;
mod demo;
mod discovery;
mod evolution;
mod field_lists;
mod first_run;
mod foreign_configs;
mod formats;
mod freeze;
mod hanging;
mod judging;
mod kafka_faults;
mod kill;
mod letter_stages;
mod lifecycle;
mod network;
mod pooler;
mod process;
mod providers;
mod replay;
mod rights;
mod rolling;
mod schema_change;
mod sql_types;
mod support;
mod table_needs;
mod takeover;
mod tokens;
mod tombstones;
mod topic_heads;
mod transforms;
