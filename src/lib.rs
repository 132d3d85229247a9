//! Rowdock.

pub mod config;
pub mod consume;
pub mod decimal;
pub mod decode;
pub mod map;
pub mod record;
pub mod task;
