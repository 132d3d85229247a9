//! Rowdock.

pub mod config;
pub mod task;
