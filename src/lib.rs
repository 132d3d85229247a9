//! Rowdock.

pub mod api;
pub mod cluster;
pub mod config;
pub mod signals;
pub mod task;
pub mod telemetry;
pub mod worker;
