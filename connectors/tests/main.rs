//! The sinks against real databases.
//!
//! Where a service is comes from the environment, or from the file that `ROWDOCK_TEST_ENV` names,
//! or from `target/services.env`. A test whose service is absent fails.

// As inside `cfg(test)`; and tests that measure say what.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod cassandra;
mod conformance;
mod mysql;
mod own;
mod postgres;
mod services;
mod wire;
